import { randomUUID } from 'node:crypto';
import pino from 'pino';
import { createClient } from 'redis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AccountLimits, Accounts } from '../../../core-bridge/guessing/accounts.js';
import { MemoryAccounts } from '../../../core-bridge/guessing/memory-accounts.js';
import { RedisAccounts } from '../../../core-bridge/guessing/redis-accounts.js';
import { connectRedis, type RedisLink } from '../../../core-bridge/redis/connect.js';
import { startRedis, type Redis } from '../../peers/redis.js';
import { until } from '../../peers/wait.js';
import { guess, limitsOf, turn } from './fixtures.js';

let now = 1_800_000_000_000;
const seconds = (n: number): void => void (now += n * 1_000);

let redis: Redis;
let link: RedisLink;
beforeAll(async () => {
  redis = await startRedis();
  link = connectRedis({ kind: 'redis', server: { host: redis.host, port: redis.port }, prefix: 'test', sealKeys: [] }, pino({ level: 'silent' }));
  await until(() => link.ready, 'the link to Redis', 15_000);
});
afterAll(async () => {
  await link?.close();
  await redis?.stop();
});

let prefix = '';
beforeEach(() => {
  prefix = `test:{${randomUUID()}:guesses}:codes`;
});

describe.each([
  ['memory', (limits: AccountLimits): Accounts => new MemoryAccounts(limits, () => now)],
  ['Redis', (limits: AccountLimits): Accounts => new RedisAccounts(link, { ...limits, prefix, now: () => now })],
] as const)('accounts in %s', (_, make) => {
  it('ten wrong codes are free, then one a minute, and none before its time', async () => {
    const accounts = make(limitsOf());
    expect(await guess(accounts, 20)).toBe(11);
    seconds(59);
    expect(await guess(accounts, 20)).toBe(0);
    seconds(2);
    expect(await guess(accounts, 20)).toBe(1);
  });

  it('hundred at the same time are no more than one after another', async () => {
    const accounts = make(limitsOf());
    const answers = await Promise.all(Array.from({ length: 100 }, () => accounts.take(turn(), 0)));
    expect(answers.filter(({ taken }) => taken)).toHaveLength(11);
  });

  it('right codes, and those that could not be looked up, give their turn back', async () => {
    const accounts = make(limitsOf());
    await guess(accounts, 10);
    for (const outcome of ['right', 'notLookedUp', 'right'] as const) {
      const one = turn({ caller: 'clean' });
      expect(await accounts.take(one, 0)).toEqual({ taken: true });
      expect((await accounts.settle(one, outcome)).wrongInWindow).toBe(10);
    }
    expect(await guess(accounts, 2)).toBe(1);
  });

  it('a stale code is no guess, but its caller is held back as after one', async () => {
    const accounts = make(limitsOf());
    const [stale, wrong] = [turn({ caller: 'stale' }), turn({ caller: 'wrong' })];
    for (const [one, outcome] of [[stale, 'stale'], [wrong, 'wrong']] as const) {
      await accounts.take(one, 0);
      await accounts.settle(one, outcome);
    }
    expect(await guess(accounts, 20)).toBe(10);
    for (const caller of ['stale', 'wrong']) expect(await accounts.take(turn({ caller }), 0)).toEqual({ taken: false, againInMs: 1_000 });
  });

  it('one number’s wrong codes hold it back longer and longer, up to half a minute, and nobody else', async () => {
    const accounts = make(limitsOf({ freeInTotal: 1_000 }));
    const heldBack: number[] = [];
    for (let wrong = 0; wrong < 9; wrong += 1) {
      let waited = 0;
      for (; !(await accounts.take(turn({ caller: 'one' }), waited)).taken; waited += 1_000) expect(waited).toBeLessThan(60_000);
      heldBack.push(waited / 1_000);
    }
    expect(heldBack).toEqual([0, 1, 2, 4, 8, 16, 30, 30, 30]);
    expect(await guess(accounts, 1)).toBe(1);
  });

  it('beyond its free ones a number waits for turns, and so does a trunk; others do not', async () => {
    const accounts = make(limitsOf({ freeInTotal: 1_000, freePerNumber: 2, freePerTrunk: 5 }));
    const late = 60_000;
    for (let wrong = 0; wrong < 2; wrong += 1) {
      const one = turn({ caller: 'one' });
      expect((await accounts.take(one, late)).taken).toBe(true);
      await accounts.settle(one, 'wrong');
    }
    // The third takes the line's turn, the fourth finds it taken.
    expect((await accounts.take(turn({ caller: 'one' }), late)).taken).toBe(true);
    expect((await accounts.take(turn({ caller: 'one' }), late)).taken).toBe(false);
    expect(await guess(accounts, 9)).toBe(2);
    expect(await guess(accounts, 9, { trunk: 'other' })).toBe(5);
  });

  it('turns go to the cleanest record first, then to who came first', async () => {
    const accounts = make(limitsOf());
    await guess(accounts, 9);
    const dirty = turn({ caller: 'dirty' });
    await accounts.take(dirty, 0);
    await accounts.settle(dirty, 'wrong');
    await guess(accounts, 1);
    const waiting = [turn({ caller: 'dirty' }), turn({ caller: 'late' }), turn({ caller: 'early' })];
    const waited = [80_000, 2_000, 3_000];
    const askAll = async (): Promise<boolean[]> => {
      const answers: boolean[] = [];
      for (const [index, one] of waiting.entries()) answers.push((await accounts.take(one, waited[index]!)).taken);
      return answers;
    };
    for (let second = 0; second < 60; second += 1) {
      expect(await askAll()).toEqual([false, false, false]);
      seconds(1);
    }
    expect(await askAll()).toEqual([false, false, true]);
    await accounts.settle(waiting.pop()!, 'right');
    expect(await askAll()).toEqual([false, true]);
    await accounts.settle(waiting.pop()!, 'right');
    expect(await askAll()).toEqual([true]);
  });

  it('who left, or never came back, is not waited for', async () => {
    const accounts = make(limitsOf());
    await guess(accounts, 11);
    const [gone, dead, here] = [turn(), turn(), turn()];
    for (const one of [gone, dead, here]) await accounts.take(one, 5_000);
    await accounts.leave(gone);
    seconds(61);
    expect((await accounts.take(here, 0)).taken).toBe(true);
  });

  it('a turn that is never settled counts as wrong, and one settled late as what it was', async () => {
    const accounts = make(limitsOf({ freeInTotal: 2 }));
    const [lost, late] = [turn(), turn()];
    await accounts.take(lost, 0);
    await accounts.take(late, 0);
    expect((await accounts.nextLength(0)).wrongInWindow).toBe(0);
    seconds(31);
    expect((await accounts.nextLength(0)).wrongInWindow).toBe(2);
    expect((await accounts.settle(late, 'right')).wrongInWindow).toBe(1);
  });

  it('the window slides', async () => {
    const accounts = make(limitsOf({ windowSeconds: 3_600 }));
    expect(await guess(accounts, 20)).toBe(11);
    seconds(3_601);
    expect(await guess(accounts, 20)).toBe(11);
  });

  it('codes grow with the live ones, also with those that are just being made', async () => {
    const accounts = make(limitsOf());
    const lengths = async (live: number): Promise<number> => (await accounts.nextLength(live)).digits;
    expect([await lengths(0), await lengths(0), await lengths(0), await lengths(0), await lengths(0)]).toEqual([10, 10, 10, 10, 11]);
    seconds(3);
    expect(await lengths(0)).toBe(10);
    expect(await lengths(30)).toBe(11);
    expect(await lengths(99_000)).toBe(16);
    expect(await lengths(10_000_000)).toBe(16);
    expect(await accounts.lengthsInUse()).toEqual({ shortest: 10, longest: 16 });
    seconds(3_661);
    expect(await accounts.lengthsInUse()).toEqual({ shortest: 10, longest: 10 });
  });

  it('codes grow with the wrong ones, and longer codes have a line and a pace of their own', async () => {
    const accounts = make(limitsOf());
    await accounts.nextLength(0);
    expect(await guess(accounts, 20)).toBe(11);
    expect((await accounts.nextLength(0)).digits).toBe(11);
    expect(await guess(accounts, 20)).toBe(0);
    // Ten times the pace at eleven digits, while the tenth digit waits for its minute.
    let made = 0;
    for (let second = 0; second < 60; second += 1, seconds(1)) made += await guess(accounts, 20, { typedDigits: 11 });
    expect(made).toBe(10);
    for (let second = 0; second < 500; second += 1, seconds(1)) await guess(accounts, 20, { typedDigits: 11 });
    expect((await accounts.nextLength(0)).digits).toBe(12);
    seconds(86_400);
    expect((await accounts.nextLength(0)).digits).toBe(10);
  });

  it('a length that many live codes asked for gets no quicker pace', async () => {
    const accounts = make(limitsOf());
    await accounts.nextLength(30);
    await guess(accounts, 20);
    expect((await accounts.nextLength(0)).digits).toBe(11);
    seconds(61);
    expect(await guess(accounts, 20, { typedDigits: 11 })).toBe(1);
    seconds(7);
    expect(await guess(accounts, 20, { typedDigits: 11 })).toBe(0);
  });
});

describe('accounts in Redis', () => {
  it('nodes count together, by the clock of Redis; every key expires and all share a slot', async () => {
    const limits = limitsOf();
    const [one, other] = [new RedisAccounts(link, { ...limits, prefix }), new RedisAccounts(link, { ...limits, prefix })];
    expect((await Promise.all([one, other].map((accounts) => guess(accounts, 20)))).reduce((sum, n) => sum + n, 0)).toBe(11);
    expect((await one.nextLength(0)).digits).toBe(11);
    expect(await other.lengthsInUse()).toEqual({ shortest: 11, longest: 11 });
    const client = createClient({ url: redis.url });
    await client.connect();
    try {
      const keys = await client.keys(`${prefix.replace(/[[\]*?]/g, '?')}*`);
      expect(keys.length).toBeGreaterThan(10);
      for (const key of keys) expect(await client.pTTL(key), key).toBeGreaterThan(0);
    } finally {
      client.destroy();
    }
  });
});
