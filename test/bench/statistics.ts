/** The few numbers a bench needs. All percentiles are by nearest rank: a value that was measured, never one in between. */

/** @param share 0..1 @returns NaN for no values */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!;
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

export interface Spread {
  count: number;
  min: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

export function spread(values: readonly number[], places = 2): Spread {
  return {
    count: values.length,
    min: round(percentile(values, 0), places),
    p50: round(percentile(values, 0.5), places),
    p95: round(percentile(values, 0.95), places),
    p99: round(percentile(values, 0.99), places),
    max: round(percentile(values, 1), places),
  };
}

/** Three significant places are more than such a measurement holds. */
export function round(value: number, places = 2): number {
  const factor = 10 ** places;
  return Math.round(value * factor) / factor;
}

/** Counts of delays in bins of a tenth of a millisecond, the last bin for everything longer. */
export class DelayHistogram {
  static readonly binsPerMs = 10;
  static readonly longestMs = 250;
  private readonly bins = new Uint32Array(DelayHistogram.longestMs * DelayHistogram.binsPerMs + 1);
  count = 0;

  add(ms: number): void {
    const bin = ms <= 0 ? 0 : (ms * DelayHistogram.binsPerMs) | 0;
    this.bins[bin >= this.bins.length ? this.bins.length - 1 : bin]! += 1;
    this.count += 1;
  }

  private get firstBin(): number {
    const first = this.bins.findIndex((n) => n > 0);
    return first < 0 ? 0 : first;
  }

  /** Adds another's counts, as variation: the other's shortest delay counts as none (RFC 5481 section 4.2, PDV). */
  addVariationOf(other: DelayHistogram): void {
    const first = other.firstBin;
    for (let bin = first; bin < other.bins.length; bin++) this.bins[bin - first]! += other.bins[bin]!;
    this.count += other.count;
  }

  addAll(other: DelayHistogram): void {
    for (let bin = 0; bin < other.bins.length; bin++) this.bins[bin]! += other.bins[bin]!;
    this.count += other.count;
  }

  /** Upper edge of the bin in which the share lies, in ms. */
  percentile(share: number): number {
    if (this.count === 0) return Number.NaN;
    let left = Math.ceil(share * this.count);
    for (let bin = 0; bin < this.bins.length; bin++) {
      left -= this.bins[bin]!;
      if (left <= 0) return (bin + 1) / DelayHistogram.binsPerMs;
    }
    return DelayHistogram.longestMs;
  }
}
