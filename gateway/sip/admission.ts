/** How many calls a trunk may bring, and how fast: each has a share, so that none leaves nothing for the others. */
import type { TrunkConfig } from './trunks.js';

/** What a node takes up in a second on two cores, measured with some room to spare (docs/bench.md). Only matters among several trunks. */
const callsPerSecond = 60;
/** What may come at once, in seconds of the rate. */
const burstSeconds = 2;

export type Excess = 'full' | 'trunkFull' | 'tooFast';

interface Share {
  readonly trunk: TrunkConfig;
  /** Kept for this trunk while others would take it. */
  readonly kept: number;
  readonly rate: Bucket;
  calls: number;
}

/**
 * Without numbers of its own a trunk may take what is free, less what is kept for each of the others: half of an equal
 * share of the calls, and an equal share of what can be taken up in a second. The only trunk may take all.
 */
export class Admission {
  private readonly shares: ReadonlyMap<string, Share>;
  private readonly whole = new Bucket(callsPerSecond);
  private calls = 0;

  constructor(trunks: readonly TrunkConfig[], private readonly maxCalls: number, private readonly now: () => number = () => performance.now()) {
    const half = Math.floor(maxCalls / (2 * trunks.length));
    const kept = trunks.length < 2 ? 0 : Math.max(trunks.length < maxCalls ? 1 : 0, half);
    this.shares = new Map(trunks.map((trunk) => [trunk.name, {
      trunk, calls: 0, kept: Math.min(kept, trunk.maxCalls ?? kept), rate: new Bucket(trunk.maxCallsPerSecond ?? (trunks.length < 2 ? Infinity : callsPerSecond / trunks.length)),
    }]));
  }

  /** Whether a new call of this trunk may be taken now; one that may counts for its rate. */
  excess({ name }: TrunkConfig): Excess | undefined {
    if (this.calls >= this.maxCalls) return 'full';
    const share = this.shares.get(name);
    if (!share) return undefined;
    if (share.calls >= (share.trunk.maxCalls ?? Infinity) || this.calls + this.keptForOthers(share) >= this.maxCalls) return 'trunkFull';
    return this.isTooFast(share) ? 'tooFast' : undefined;
  }

  /** A call of this trunk exists from now on, however it came to be. @returns to be called once, when it does not any more */
  count({ name }: TrunkConfig): () => void {
    const share = this.shares.get(name);
    this.calls += 1;
    if (share) share.calls += 1;
    return () => {
      this.calls -= 1;
      if (share) share.calls -= 1;
    };
  }

  private keptForOthers(share: Share): number {
    let kept = 0;
    for (const other of this.shares.values()) if (other !== share) kept += Math.max(0, other.kept - other.calls);
    return kept;
  }

  private isTooFast({ trunk, rate }: Share): boolean {
    const now = this.now();
    if (rate.take(now, 1)) {
      this.whole.take(now, 1);
      return false;
    }
    // More than its share while the others leave theirs: never a rate that the site has set itself.
    return trunk.maxCallsPerSecond !== undefined || !this.whole.take(now, callsPerSecond);
  }
}

/** A token bucket (RFC 2698 calls its like a meter): so many a second on average. */
class Bucket {
  private tokens: number;
  private at = 0;

  constructor(private readonly perSecond: number) {
    this.tokens = this.most;
  }

  private get most(): number {
    return Math.max(1, burstSeconds * this.perSecond);
  }

  /** @param least tokens that must be there for one to be taken */
  take(now: number, least: number): boolean {
    if (this.perSecond === Infinity) return true;
    this.tokens = Math.min(this.most, this.tokens + ((now - this.at) / 1_000) * this.perSecond);
    this.at = now;
    if (this.tokens < least) return false;
    this.tokens -= 1;
    return true;
  }
}
