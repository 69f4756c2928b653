/** A trunk's share: whatever one trunk does, the others get theirs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Admission } from '../../gateway/sip/admission.js';
import type { TrunkConfig } from '../../gateway/sip/trunks.js';

const trunk = (name: string, change: Partial<TrunkConfig> = {}): TrunkConfig => ({ name, addresses: [], bridge: 'anchored', holdMusic: 'ours', mediaSource: 'described', mediaAddresses: [], ...change });

/** As many calls as are let in at one moment. */
function fill(admission: Admission, of: TrunkConfig, most = 2_000): number {
  let calls = 0;
  while (calls < most && admission.excess(of) === undefined) {
    admission.count(of);
    calls += 1;
  }
  return calls;
}

describe('calls at one time', () => {
  it('of the only trunk are as many as the node takes', () => {
    const only = trunk('only');
    const admission = new Admission([only], 500);
    expect(fill(admission, only)).toBe(500);
    expect(admission.excess(only)).toBe('full');
  });

  it('of a trunk with a number of its own are no more than that', () => {
    const pbx = trunk('pbx', { maxCalls: 3 });
    const admission = new Admission([pbx], 500);
    expect(fill(admission, pbx)).toBe(3);
    expect(admission.excess(pbx)).toBe('trunkFull');
  });

  it('leave each of the others its share, whatever comes in whatever order', () => {
    fc.assert(fc.property(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 20, max: 400 }), fc.array(fc.nat(5), { maxLength: 300 }), (count, maxCalls, order) => {
      const trunks = Array.from({ length: count }, (_, i) => trunk(`t${i}`));
      let now = 0;
      const admission = new Admission(trunks, maxCalls, () => (now += 1_000));
      const calls = trunks.map(() => 0);
      for (const which of order) {
        const of = trunks[which % count]!;
        if (admission.excess(of) !== undefined) continue;
        admission.count(of);
        calls[which % count]! += 1;
      }
      const total = () => calls.reduce((sum, one) => sum + one, 0);
      expect(total()).toBeLessThanOrEqual(maxCalls);
      const share = Math.floor(maxCalls / (2 * count));
      for (const [i, of] of trunks.entries()) {
        while (calls[i]! < share) {
          expect(admission.excess(of)).toBeUndefined();
          admission.count(of);
          calls[i]! += 1;
        }
      }
      expect(total()).toBeLessThanOrEqual(maxCalls);
    }));
  });

  it('that have ended make room again', () => {
    const [one, other] = [trunk('one'), trunk('other')];
    const admission = new Admission([one, other], 40, (() => { let now = 0; return () => (now += 1_000); })());
    const ends: (() => void)[] = [];
    while (admission.excess(one) === undefined) ends.push(admission.count(one));
    expect(ends).toHaveLength(30);
    expect(admission.excess(one)).toBe('trunkFull');
    ends.pop()!();
    expect(admission.excess(one)).toBeUndefined();
  });
});

describe('new calls a second', () => {
  it('are as many as the site says, on average, and twice as many at once', () => {
    const pbx = trunk('pbx', { maxCallsPerSecond: 5 });
    let now = 0;
    const admission = new Admission([pbx], 10_000, () => now);
    expect(fill(admission, pbx)).toBe(10);
    expect(admission.excess(pbx)).toBe('tooFast');
    now += 1_000;
    expect(fill(admission, pbx)).toBe(5);
  });

  it('of one trunk do not take what another one needs', () => {
    const [busy, quiet] = [trunk('busy'), trunk('quiet')];
    let now = 0;
    const admission = new Admission([busy, quiet], 100_000, () => now);
    let taken = 0;
    for (; now < 20_000; now += 5) {
      if (admission.excess(busy) === undefined) {
        admission.count(busy);
        taken += 1;
      }
      // Thirty a second is the other one's half.
      if (now % 40 === 0) {
        expect(admission.excess(quiet), `after ${now} ms`).toBeUndefined();
        admission.count(quiet);
      }
    }
    // Two hundred a second were tried.
    expect(taken).toBeLessThan(20 * 60 + 240);
    expect(taken).toBeGreaterThan(20 * 30);
  });
});
