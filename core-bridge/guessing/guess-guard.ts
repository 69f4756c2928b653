import { createHmac, randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Secret } from '../../config/index.js';
import type { AccountLimits, Accounts, Turn } from './accounts.js';
import { GuessError, type Attempt, type AttemptOutcome, type GuessGuard, type GuessStats, type Permit } from './guessing.js';

export interface GuessGuardOptions {
  readonly accounts: Accounts;
  readonly limits: AccountLimits;
  readonly patienceMs: number;
  /** Key of the hash under which calling numbers are kept. */
  readonly hashKey: Secret;
  readonly log: Logger;
  /** An attempt has come to its end; `gaveUp`: its turn did not come in time, or its caller hung up. For metrics. */
  readonly onAttempt?: (outcome: AttemptOutcome | 'gaveUp') => void;
  /** More wrong codes than are free came within the window; once per window. For metrics. */
  readonly onAlarm?: () => void;
}

/** Attempts that wait at one time; calls are bounded themselves, so this many only come by a fault. */
const MAX_WAITING = 5_000;
const WITHHELD = new Set(['', 'anonymous', 'private', 'restricted', 'unavailable', 'unknown', 'withheld']);

/** Lets attempts through in the order and at the pace of its accounts. */
export class AccountedGuessGuard implements GuessGuard {
  readonly #options: GuessGuardOptions;
  readonly #asleep = new Set<() => void>();
  readonly #settling = new Set<Promise<void>>();
  readonly #attempts: GuessStats['attempts'] = { right: 0, wrong: 0, stale: 0, notLookedUp: 0, gaveUp: 0 };
  #waiting = 0;
  #stage = 0;
  #alarmedAtMs: number | undefined;
  #isClosed = false;

  constructor(options: GuessGuardOptions) {
    this.#options = options;
  }

  async admit(attempt: Attempt, signal: AbortSignal): Promise<Permit> {
    signal.throwIfAborted();
    if (this.#isClosed || this.#waiting >= MAX_WAITING) return this.#giveUp();
    const { accounts, patienceMs } = this.#options;
    const turn: Turn = { id: randomUUID(), caller: this.#callerOf(attempt), trunk: attempt.trunk, typedDigits: attempt.typedDigits };
    const arrivedAtMs = performance.now();
    this.#waiting += 1;
    let isTaken = false;
    try {
      for (;;) {
        const waitedMs = performance.now() - arrivedAtMs;
        const answer = await accounts.take(turn, waitedMs);
        isTaken = answer.taken;
        if (this.#isClosed || signal.aborted) return this.#giveUp(signal);
        if (answer.taken) return this.#permitFor(turn);
        if (waitedMs >= patienceMs) return this.#giveUp();
        await this.#sleep(Math.min(answer.againInMs, patienceMs - waitedMs), signal);
        if (this.#isClosed || signal.aborted) return this.#giveUp(signal);
      }
    } catch (error) {
      this.#settle(isTaken ? accounts.settle(turn, 'notLookedUp') : accounts.leave(turn));
      this.#wake();
      throw error;
    } finally {
      this.#waiting -= 1;
    }
  }

  async nextLength(liveCodes: number): Promise<number> {
    const { digits, wrongInWindow } = await this.#options.accounts.nextLength(liveCodes);
    this.#stage = this.#options.limits.odds.stageAfter(wrongInWindow);
    return digits;
  }

  lengthsInUse(): Promise<{ shortest: number; longest: number }> {
    return this.#options.accounts.lengthsInUse();
  }

  stats(): GuessStats {
    return { attempts: { ...this.#attempts }, waiting: this.#waiting, stage: this.#stage };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    await Promise.all(this.#settling);
  }

  #permitFor(turn: Turn): Permit {
    let isSettled = false;
    return {
      settle: (outcome) => {
        if (isSettled) return;
        isSettled = true;
        this.#count(outcome);
        const settled = this.#options.accounts.settle(turn, outcome).then(({ wrongInWindow }) => {
          this.#stage = this.#options.limits.odds.stageAfter(wrongInWindow);
          if (outcome === 'wrong') this.#lookAt(wrongInWindow);
          else this.#wake();
        });
        this.#settle(settled);
      },
    };
  }

  /** Not settled counts as wrong in the end, so a failure here lets nobody guess more. */
  #settle(work: Promise<unknown>): void {
    const done: Promise<void> = work
      .catch((error: unknown) => this.#options.log.debug({ code: (error as { code?: unknown }).code }, 'an attempt could not be settled'))
      .then(() => void this.#settling.delete(done));
    this.#settling.add(done);
  }

  #lookAt(wrongInWindow: number): void {
    const { limits, log, onAlarm } = this.#options;
    const now = performance.now();
    if (wrongInWindow <= limits.odds.freeInTotal || (this.#alarmedAtMs !== undefined && now - this.#alarmedAtMs < limits.windowMs)) return;
    this.#alarmedAtMs = now;
    log.warn({ wrongInWindow, windowSeconds: limits.windowMs / 1_000, extraDigits: this.#stage }, 'codes are being guessed: attempts take turns now, and new codes are longer');
    onAlarm?.();
  }

  /** @throws the signal's reason, or GuessError */
  #giveUp(signal?: AbortSignal): never {
    this.#count('gaveUp');
    signal?.throwIfAborted();
    throw new GuessError('turn_did_not_come');
  }

  #count(outcome: AttemptOutcome | 'gaveUp'): void {
    this.#attempts[outcome] += 1;
    this.#options.onAttempt?.(outcome);
  }

  /** Until the time has passed, a turn was given back on this node, or the signal aborts. */
  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const awake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', awake);
        this.#asleep.delete(awake);
        resolve();
      };
      const timer = setTimeout(awake, ms);
      signal.addEventListener('abort', awake, { once: true });
      this.#asleep.add(awake);
    });
  }

  #wake(): void {
    for (const awake of [...this.#asleep]) awake();
  }

  #callerOf({ callerNumber }: Attempt): string {
    const number = callerNumber?.trim().toLowerCase() ?? '';
    if (WITHHELD.has(number)) return 'withheld';
    return createHmac('sha256', this.#options.hashKey.reveal()).update('caller:').update(number).digest('base64url');
  }
}
