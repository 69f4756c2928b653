import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Secret } from '../../../config/index.js';
import type { Accounts } from '../../../core-bridge/guessing/accounts.js';
import { FallbackAccounts } from '../../../core-bridge/guessing/fallback-accounts.js';
import { AccountedGuessGuard } from '../../../core-bridge/guessing/guess-guard.js';
import type { Attempt, AttemptOutcome, Permit } from '../../../core-bridge/guessing/guessing.js';
import { MemoryAccounts } from '../../../core-bridge/guessing/memory-accounts.js';
import { createGuessGuard, GuessError, VaultError } from '../../../core-bridge/index.js';
import { keepingLog, testConfig } from '../fixtures.js';
import { guess, limitsOf, turn } from './fixtures.js';

const forever = new AbortController().signal;
const attempt = (of: Partial<Attempt> = {}): Attempt => ({ callId: 'call', callerNumber: '+31612345678', trunk: 'carrier', typedDigits: 10, ...of });

function guardOf(changed: Parameters<typeof limitsOf>[0] = {}, accounts?: Accounts) {
  const limits = limitsOf(changed);
  const { log, lines } = keepingLog();
  const onAlarm = vi.fn();
  const onAttempt = vi.fn();
  const used = accounts ?? new MemoryAccounts(limits);
  return { guard: new AccountedGuessGuard({ accounts: used, limits, patienceMs: 90_000, hashKey: new Secret('h'.repeat(32)), log, onAlarm, onAttempt }), accounts: used, lines, onAlarm, onAttempt };
}

/** How long it took until the promise settled, on the fake clock: ms. */
async function took<T>(promise: Promise<T>): Promise<{ ms: number; value: T | GuessError }> {
  const begin = Date.now();
  let ended: { ms: number; value: T | GuessError } | undefined;
  promise.then(
    (value) => (ended = { ms: Date.now() - begin, value }),
    (error: unknown) => (ended = { ms: Date.now() - begin, value: error as GuessError }),
  );
  for (let step = 0; !ended && step < 2_000; step += 1) await vi.advanceTimersByTimeAsync(100);
  return ended!;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the guard', () => {
  it('lets a caller through at once, and a wrong one again after a while', async () => {
    const { guard } = guardOf();
    const waits: number[] = [];
    for (let tries = 0; tries < 4; tries += 1) {
      const { ms, value } = await took(guard.admit(attempt(), forever));
      (value as Permit).settle('wrong');
      waits.push(Math.round(ms / 500) / 2);
    }
    expect(waits).toEqual([0, 1, 2, 4]);
    await guard.close();
  });

  it('no oracle: wrong, expired and used codes are let through and held back alike', async () => {
    for (const changed of [{}, { freeInTotal: 0 }]) {
      const waits: number[][] = [];
      for (const outcome of ['wrong', 'stale'] as const) {
        const { guard } = guardOf(changed);
        const first = await took(guard.admit(attempt(), forever));
        (first.value as Permit).settle(outcome);
        if (changed.freeInTotal !== 0) waits.push([first.ms, (await took(guard.admit(attempt(), forever))).ms]);
        else waits.push([first.ms]);
        await guard.close();
      }
      expect(waits[0]).toEqual(waits[1]);
    }
  });

  it('gives up when the turn does not come in time, and lets go of the place', async () => {
    const { guard, accounts, onAttempt } = guardOf({ paceSeconds: 600 });
    await guess(accounts, 11);
    const { ms, value } = await took(guard.admit(attempt(), forever));
    expect(value).toBeInstanceOf(GuessError);
    expect(ms).toBeGreaterThanOrEqual(90_000);
    expect(ms).toBeLessThan(91_000);
    expect(onAttempt.mock.calls).toEqual([['gaveUp']]);
    expect(guard.stats()).toMatchObject({ waiting: 0, attempts: { gaveUp: 1 } });
    expect(vi.getTimerCount()).toBe(0);
    await guard.close();
  });

  it('rejects with the signal’s reason, at once, and leaves no timer behind', async () => {
    const { guard, accounts } = guardOf();
    await guess(accounts, 11);
    const hangUp = new AbortController();
    const waiting = guard.admit(attempt(), hangUp.signal);
    const caught = waiting.catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(1_500);
    expect(guard.stats().waiting).toBe(1);
    hangUp.abort(new Error('hung up'));
    expect(await caught).toMatchObject({ message: 'hung up' });
    expect(vi.getTimerCount()).toBe(0);
    await expect(guard.admit(attempt(), hangUp.signal)).rejects.toThrow('hung up');
    await guard.close();
  });

  it('closing ends all waiting', async () => {
    const { guard, accounts } = guardOf();
    await guess(accounts, 11);
    const waiting = guard.admit(attempt(), forever).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(100);
    await guard.close();
    expect(await waiting).toBeInstanceOf(GuessError);
    await expect(guard.admit(attempt(), forever)).rejects.toBeInstanceOf(GuessError);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('withheld numbers share an account, written in whichever way', async () => {
    const { guard } = guardOf();
    const withheld: Attempt = { callId: 'call', trunk: 'carrier', typedDigits: 10 };
    ((await took(guard.admit(withheld, forever))).value as Permit).settle('wrong');
    for (const callerNumber of ['anonymous', 'Anonymous ', '']) expect((await took(guard.admit({ ...withheld, callerNumber }, forever))).ms).toBeGreaterThan(900);
    expect((await took(guard.admit(attempt(), forever))).ms).toBeLessThan(500);
    await guard.close();
  });

  it('alarms once in a window, with numbers that tell of nobody', async () => {
    const { guard, onAlarm, lines } = guardOf({ paceSeconds: 1, freeInTotal: 3 });
    for (let made = 0; made < 8; made += 1) ((await took(guard.admit(attempt({ callerNumber: `+3161234567${made}` }), forever))).value as Permit).settle('wrong');
    await vi.advanceTimersByTimeAsync(10);
    expect(onAlarm).toHaveBeenCalledTimes(1);
    const warnings = lines.filter((line) => line.includes('being guessed'));
    expect(warnings).toHaveLength(1);
    expect(JSON.parse(warnings[0]!)).toMatchObject({ wrongInWindow: 4, windowSeconds: 86_400, extraDigits: 1 });
    expect(lines.join('')).not.toContain('6123456');
    expect(guard.stats()).toEqual({ attempts: { right: 0, wrong: 8, stale: 0, notLookedUp: 0, gaveUp: 0 }, waiting: 0, stage: 1 });
    await guard.close();
  });

  it('a permit settles once, and hooks hear of it', async () => {
    const { guard, accounts, onAttempt } = guardOf();
    const { value } = await took(guard.admit(attempt(), forever));
    for (const outcome of ['right', 'wrong'] as const) (value as Permit).settle(outcome);
    expect(onAttempt.mock.calls).toEqual([['right']]);
    expect((await accounts.nextLength(0)).wrongInWindow).toBe(0);
    await guard.close();
  });

  it('is made from a tenant’s configuration', async () => {
    const [tenant] = testConfig().tenants;
    const guard = createGuessGuard({ tenant: tenant!, guards: 'codes', longestHoldMs: 60_000, log: pino({ level: 'silent' }) });
    expect(await guard.lengthsInUse()).toEqual({ shortest: 10, longest: 10 });
    expect(await guard.nextLength(0)).toBe(10);
    expect(await guard.nextLength(50)).toBe(12);
    expect(await guard.lengthsInUse()).toEqual({ shortest: 10, longest: 12 });
    await guard.close();
  });
});

describe('under attack', () => {
  it('citizens with the right code get through quickly while ten attackers hammer, and attackers hardly do', { timeout: 60_000 }, async () => {
    const { guard } = guardOf({ freePerNumber: 5, freePerTrunk: 10 });
    const over = new AbortController();
    let guessed = 0;
    let digits = await guard.nextLength(0);
    const attack = async (number: number): Promise<void> => {
      while (!over.signal.aborted) {
        try {
          const permit = await guard.admit(attempt({ callerNumber: `+3160000000${number}`, typedDigits: number % 2 === 0 ? digits : 10 }), over.signal);
          guessed += 1;
          permit.settle('wrong');
        } catch {
          // A turn that did not come: the next call is already being made.
        }
        await new Promise((resolve) => { setTimeout(resolve, 100); });
      }
    };
    const minutes = 30;
    const attackers = Array.from({ length: 10 }, (_, number) => attack(number));
    const waits: number[] = [];
    for (let minute = 0; minute < minutes; minute += 1) {
      digits = await guard.nextLength(2);
      const citizens = [1, 2, 3].map(async (n) => {
        const begin = Date.now();
        const permit = await guard.admit(attempt({ callerNumber: `+316${minute}${n}`, typedDigits: digits }), forever);
        waits.push(Date.now() - begin);
        permit.settle('right');
      });
      await vi.advanceTimersByTimeAsync(60_000);
      await Promise.all(citizens);
    }
    over.abort();
    await vi.advanceTimersByTimeAsync(1_000);
    await Promise.all(attackers);
    expect(waits).toHaveLength(3 * minutes);
    expect(Math.max(...waits)).toBeLessThan(61_000);
    // After the first minutes codes have grown, and the attackers, who type them too, hold up nobody for longer than the gap.
    expect(Math.max(...waits.slice(9))).toBeLessThan(7_000);
    expect(guessed).toBeLessThanOrEqual(12 + minutes + (minutes * 60) / 3);
    expect(guessed).toBeGreaterThan(minutes / 2);
    await guard.close();
  });
});

describe('while the shared accounts are away', () => {
  it('each node counts for itself, says so once, and lengths stay what they were', async () => {
    const limits = limitsOf();
    const shared = new MemoryAccounts(limits);
    let isAway = false;
    const flaky = new Proxy(shared, {
      get: (target, name: keyof Accounts) => (...args: unknown[]) => (isAway ? Promise.reject(new VaultError('store_unreachable')) : (target[name] as (...args: unknown[]) => unknown)(...args)),
    });
    const { log, lines } = keepingLog();
    const accounts = new FallbackAccounts(flaky, new MemoryAccounts(limits), 16, log);
    await accounts.nextLength(100);
    expect(await accounts.lengthsInUse()).toEqual({ shortest: 12, longest: 12 });
    const one = turn();
    await accounts.take(one, 0);
    isAway = true;
    await expect(accounts.settle(one, 'wrong')).rejects.toBeInstanceOf(VaultError);
    expect(await accounts.lengthsInUse()).toEqual({ shortest: 12, longest: 12 });
    expect(await guess(accounts, 20)).toBe(11);
    expect(lines.filter((line) => line.includes('by this node alone'))).toHaveLength(1);
    isAway = false;
    expect(await guess(accounts, 20)).toBe(10);
    expect(lines.filter((line) => line.includes('together again'))).toHaveLength(1);
  });

  it('a guard goes on, and a settlement that fails troubles nobody', async () => {
    const away = (): Promise<never> => Promise.reject(new VaultError('store_unreachable'));
    const limits = limitsOf();
    const { guard } = guardOf({}, new FallbackAccounts({ take: away, settle: away, leave: away, nextLength: away, lengthsInUse: away }, new MemoryAccounts(limits), 16, pino({ level: 'silent' })));
    const outcomes: AttemptOutcome[] = ['wrong', 'right', 'stale', 'notLookedUp'];
    for (const outcome of outcomes) ((await took(guard.admit(attempt({ callerNumber: outcome }), forever))).value as Permit).settle(outcome);
    expect(await guard.lengthsInUse()).toEqual({ shortest: 10, longest: 16 });
    await guard.close();
    expect(guard.stats().attempts).toEqual({ right: 1, wrong: 1, stale: 1, notLookedUp: 1, gaveUp: 0 });
  });
});
