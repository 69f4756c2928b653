import { GuessingOdds, guessingSettings, type Tenant } from '../../config/index.js';
import type { RedisLink } from '../redis/connect.js';
import type { AccountLimits } from './accounts.js';
import { FallbackAccounts } from './fallback-accounts.js';
import { AccountedGuessGuard, type GuessGuardOptions } from './guess-guard.js';
import type { GuessGuard } from './guessing.js';
import { MemoryAccounts } from './memory-accounts.js';
import { RedisAccounts } from './redis-accounts.js';

export { GuessError, type Attempt, type AttemptOutcome, type GuessGuard, type GuessStats, type Permit } from './guessing.js';

export interface GuardOptions extends Pick<GuessGuardOptions, 'log' | 'onAttempt' | 'onAlarm'> {
  readonly tenant: Pick<Tenant, 'name' | 'codes' | 'sessions'>;
  /** What is guarded: each has accounts of its own. */
  readonly guards: 'codes' | 'pairing';
  /** How long a caller may wait, be cut off, and come back with the same code, in ms. */
  readonly longestHoldMs: number;
  /** Where nodes count together; in this process alone when left out. */
  readonly redis?: { readonly link: RedisLink; readonly prefix: string };
  /** Clock, in ms since 1970; for tests. */
  readonly now?: () => number;
}

/** The guard of one tenant's codes, or of its pairing codes. */
export function createGuessGuard(options: GuardOptions): GuessGuard {
  const { tenant, guards, redis, log, onAttempt, onAlarm, now } = options;
  const { windowSeconds, freePerNumber, freePerTrunk, patienceSeconds } = tenant.codes.guesses;
  const settings = guessingSettings(tenant);
  const codesLastMs = settings.exposureSeconds * 1_000 + options.longestHoldMs;
  const limits: AccountLimits = { odds: new GuessingOdds(settings), windowMs: windowSeconds * 1_000, freePerNumber, freePerTrunk, codesLastMs };
  const own = new MemoryAccounts(limits, now);
  const shared = redis && new RedisAccounts(redis.link, { ...limits, prefix: `${redis.prefix}:{${tenant.name}:guesses}:${guards}`, ...(now && { now }) });
  return new AccountedGuessGuard({
    accounts: shared ? new FallbackAccounts(shared, own, settings.maxDigits, log) : own,
    limits,
    patienceMs: patienceSeconds * 1_000,
    hashKey: tenant.codes.hashKey,
    log,
    ...(onAttempt && { onAttempt }),
    ...(onAlarm && { onAlarm }),
  });
}
