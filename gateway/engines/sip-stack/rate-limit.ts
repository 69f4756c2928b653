/**
 * Token buckets per address. The number of addresses remembered is bounded; when there are more, the one that was
 * quiet longest is forgotten, which at worst gives it a full bucket again.
 */
export class RateLimiter {
  private readonly buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
    private readonly maxAddresses = 10_000,
  ) {}

  /** Takes one token; false when there is none. */
  take(address: string, nowMs = performance.now()): boolean {
    let bucket = this.buckets.get(address);
    if (bucket === undefined) {
      bucket = { tokens: this.burst, atMs: nowMs };
      if (this.buckets.size >= this.maxAddresses) {
        const oldest = this.buckets.keys().next().value;
        if (oldest !== undefined) this.buckets.delete(oldest);
      }
    } else {
      bucket.tokens = Math.min(this.burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * this.perSecond);
      bucket.atMs = nowMs;
      // Insertion order is kept as order of use.
      this.buckets.delete(address);
    }
    this.buckets.set(address, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}
