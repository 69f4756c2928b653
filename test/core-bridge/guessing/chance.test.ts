import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codeSpace, GuessingOdds } from '../../../config/chance.js';
import { chanceReport, checkChance } from '../../../config/index.js';
import { testConfig } from '../fixtures.js';
import { settings } from './fixtures.js';

type Codes = Record<string, unknown>;
const tenantsWith = (codes: Codes, sessions: Record<string, unknown> = {}) => testConfig({ codes: { hashKey: 'k'.repeat(32), ...codes }, sessions }).tenants;

describe('the arithmetic', () => {
  it('is that of docs/guessing.md', () => {
    const odds = new GuessingOdds(settings);
    expect(codeSpace(10)).toBe(900_000_000);
    expect(odds.gapSeconds).toEqual([60, 6, 3, 3, 3, 3, 3]);
    expect(odds.mostLive).toEqual([4, 41, 414, 4_147, 5_168, 10_337, 103_376]);
    expect([0, 9, 10, 99, 100, 999, 1_000, 1e9].map((wrong) => odds.stageAfter(wrong))).toEqual([0, 0, 1, 1, 2, 2, 3, 6]);
    // 180.8 guesses' worth against four codes of ten digits, and next to nothing for codes grown to sixteen.
    expect(odds.chance(4)).toBeCloseTo((180.84 * 4) / 9e8, 8);
  });

  it('never promises more than one in a million while the longest codes have room', () => {
    const setting = fc.record({
      digits: fc.integer({ min: 8, max: 12 }),
      maxDigits: fc.constant(16),
      exposureSeconds: fc.integer({ min: 30, max: 15_000 }),
      windowSeconds: fc.integer({ min: 3_600, max: 604_800 }),
      freeInTotal: fc.integer({ min: 0, max: 10_000 }),
      paceSeconds: fc.integer({ min: 1, max: 3_600 }),
    });
    fc.assert(
      fc.property(setting, fc.nat(1_000_000), (given, live) => {
        const odds = new GuessingOdds(given);
        const room = odds.mostLive.at(-1)!;
        for (const alive of [Math.min(live, room), room]) expect(odds.chance(alive)).toBeLessThanOrEqual(1e-6 * (1 + 1e-9));
        expect(odds.chance(live + 1)).toBeGreaterThanOrEqual(odds.chance(live));
        expect(odds.mostLive).toEqual([...odds.mostLive].sort((a, b) => a - b));
        expect(odds.rows(live + 1).at(-1)!.liveCodes).toBe(live + 1);
      }),
    );
  });
});

describe('the check of a configuration', () => {
  it('passes the defaults and prints a table that ends with the worst', () => {
    const tenants = tenantsWith({});
    expect(checkChance(tenants)).toEqual([]);
    const lines = chanceReport(tenants).split('\n');
    expect(lines[0]).toBe('Guessing codes:');
    expect(lines[2]).toMatch(/^ +4 +10 +1 in 1,240,000$/);
    expect(lines.at(-1)).toMatch(/^ +100,000 +16 +1 in 1,000,000$/);
  });

  it('refuses what is too easy to guess, with the key and a fix that fixes it', () => {
    const [problem, ...more] = checkChance(tenantsWith({ maxDigits: 12 }));
    expect(more).toEqual([]);
    expect(problem!.key).toBe('codes.maxDigits');
    expect(problem!.fix).toMatch(/^Raise it to 16, or lower sessions\.maxLive to \d+\./);
    const maxLive = Number(/maxLive to (\d+)/.exec(problem!.fix)![1]);
    expect(checkChance(tenantsWith({ maxDigits: 12 }, { maxLive }))).toEqual([]);
    expect(checkChance(tenantsWith({ maxDigits: 12 }, { maxLive: maxLive + 1 }))).toHaveLength(1);
    const acceptedChance = /"(I accept .*)"/.exec(problem!.fix)![1]!;
    const accepted = tenantsWith({ maxDigits: 12, acceptedChance });
    expect(checkChance(accepted)).toEqual([]);
    expect(chanceReport(accepted)).toMatch(/WARNING: codes\.acceptedChance accepts .*1 in \d+/);
  });

  it('names the limit on sessions when codes cannot get longer', () => {
    const [problem] = checkChance(tenantsWith({}, { maxLive: 2_000_000 }));
    expect(problem!.key).toBe('sessions.maxLive');
    const maxLive = Number(/^Lower it to (\d+)/.exec(problem!.fix)![1]);
    expect(checkChance(tenantsWith({}, { maxLive }))).toEqual([]);
  });

  it('takes an acceptance in exactly those words, and of no less than the chance', () => {
    const words = 'I accept a chance of one lucky guess a day of';
    const with12 = (acceptedChance: string) => checkChance(tenantsWith({ maxDigits: 12, acceptedChance }));
    for (const text of [`${words} 0.5`, `${words} 5e-3`]) expect(with12(text), text).toEqual([]);
    for (const text of ['yes', words, `${words} 50%`, `${words} 2`, `${words} about 0.5`, `i accept a chance of one lucky guess a day of 0.5`, `${words} 0.5 and more`, `${words} 1e-7`, `${words} 0.0001`]) {
      expect(with12(text), text).toMatchObject([{ key: 'codes.acceptedChance' }]);
    }
    expect(checkChance(tenantsWith({ acceptedChance: 'yes' }))).toMatchObject([{ key: 'codes.acceptedChance', fix: expect.stringContaining('Remove it') as string }]);
  });
});
