import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codeSpace } from '../../../config/chance.js';
import type { Turn } from '../../../core-bridge/guessing/accounts.js';
import { MemoryAccounts } from '../../../core-bridge/guessing/memory-accounts.js';
import { limitsOf, turn } from './fixtures.js';

const DAY_MS = 86_400_000;

interface Attack {
  /** Sessions alive, in turns: each part of the run has its own number of them. */
  readonly live: readonly number[];
  /** Most wrong codes in the window that the attackers let come to be, in turns: holding back keeps codes short. */
  readonly ceilings: readonly number[];
  readonly partMinutes: number;
  /** Part of the citizens who stretch their code’s life as far as it goes. */
  readonly stretched: number;
  readonly parts: number;
}

interface Found {
  /** Chance of each looked-up guess to hit, with its time. */
  readonly hits: readonly { readonly at: number; readonly chance: number }[];
  readonly guesses: number;
}

/**
 * Attackers with a clean number for each guess and as many telephones as they like, who know how many live codes of
 * each length there are, guess whenever they are let through. All is played against real accounts with a clock of ours.
 */
async function play(attack: Attack, limits: ReturnType<typeof limitsOf>): Promise<Found> {
  let now = 1_800_000_000_000;
  const accounts = new MemoryAccounts(limits, () => now);
  const begin = now;
  const codes: { digits: number; until: number }[] = [];
  const liveOf = new Map<number, number>();
  const waiting = new Map<number, { turn: Turn; since: number; askAt: number }>();
  const hits: { at: number; chance: number }[] = [];
  const wrongAt: number[] = [];
  let oldest = 0;
  let made = 0;
  const lifetimes = [900_000, limits.codesLastMs];
  const end = begin + attack.parts * attack.partMinutes * 60_000;
  while (now < end) {
    const part = Math.floor((now - begin) / (attack.partMinutes * 60_000));
    const wanted = attack.live[part % attack.live.length]!;
    const ceiling = attack.ceilings[part % attack.ceilings.length]!;
    for (let index = codes.length - 1; index >= 0; index -= 1) {
      const code = codes[index]!;
      if (code.until > now) continue;
      liveOf.set(code.digits, liveOf.get(code.digits)! - 1);
      codes.splice(index, 1);
    }
    while (codes.length < wanted) {
      const { digits } = await accounts.nextLength(codes.length);
      made += 1;
      codes.push({ digits, until: now + lifetimes[(made * 37) % 100 < attack.stretched * 100 ? 1 : 0]! });
      liveOf.set(digits, (liveOf.get(digits) ?? 0) + 1);
    }
    while (oldest < wrongAt.length && wrongAt[oldest]! <= now - limits.windowMs) oldest += 1;
    for (const [digits, live] of liveOf) {
      if (live === 0 || wrongAt.length - oldest >= ceiling) continue;
      const one = waiting.get(digits) ?? { turn: turn({ typedDigits: digits }), since: now, askAt: now };
      waiting.set(digits, one);
      while (one.askAt <= now && wrongAt.length - oldest < ceiling) {
        const answer = await accounts.take(one.turn, now - one.since);
        if (!answer.taken) {
          one.askAt = now + answer.againInMs;
          break;
        }
        await accounts.settle(one.turn, 'wrong');
        wrongAt.push(now);
        hits.push({ at: now, chance: live / codeSpace(digits) });
        Object.assign(one, { turn: turn({ typedDigits: digits }), since: now });
      }
    }
    now += 1_000;
  }
  return { hits, guesses: hits.length };
}

/** The most that any 24 hours of it add up to. */
function worstDay({ hits }: Found): number {
  let [worst, sum, first] = [0, 0, 0];
  for (const { at, chance } of hits) {
    sum += chance;
    for (; hits[first]!.at <= at - DAY_MS; first += 1) sum -= hits[first]!.chance;
    worst = Math.max(worst, sum);
  }
  return worst;
}

describe('whatever attackers do', () => {
  it('no day’s guesses add up to more than the printed chance, which is at most one in a million', { timeout: 120_000 }, async () => {
    const limits = limitsOf();
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          live: fc.array(fc.constantFrom(1, 4, 5, 30, 41, 60), { minLength: 1, maxLength: 4 }),
          ceilings: fc.array(fc.constantFrom(5, 9, 10, 11, 80, 99, 100, 101, 999, 1_000, 1e9), { minLength: 1, maxLength: 5 }),
          partMinutes: fc.constantFrom(15, 61, 240),
          stretched: fc.constantFrom(0, 0.5, 1),
          parts: fc.integer({ min: 2, max: 12 }),
        }),
        async (attack) => {
          const found = await play(attack, limits);
          const printed = limits.odds.chance(Math.max(...attack.live));
          expect(worstDay(found)).toBeLessThanOrEqual(printed);
          expect(printed).toBeLessThanOrEqual(1e-6);
        },
      ),
      { numRuns: 8 },
    );
  });

  it('the bound is no idle one: an attack that holds back and then does not comes to half of it', { timeout: 60_000 }, async () => {
    const limits = limitsOf();
    const found = await play({ live: [1], ceilings: [999, 1e9], partMinutes: 61, stretched: 0.5, parts: 6 }, limits);
    expect(found.guesses).toBeGreaterThan(1_000);
    expect(worstDay(found)).toBeGreaterThan(limits.odds.chance(1) / 3);
    expect(worstDay(found)).toBeLessThanOrEqual(limits.odds.chance(1));
  });

  it('codes that cannot grow are held to the pace all day', { timeout: 60_000 }, async () => {
    const limits = limitsOf({ digits: 10, maxDigits: 11 });
    const found = await play({ live: [50], ceilings: [1e9], partMinutes: 60, stretched: 0.5, parts: 26 }, limits);
    expect(worstDay(found)).toBeLessThanOrEqual(limits.odds.chance(50));
  });
});
