/**
 * One promise as the call has it that will keep it: the lease is renewed, and nobody is called while it is not certain
 * that no other node has taken the promise over.
 */
import type { Logger } from 'pino';
import { problemOf } from '../problem.js';
import type { PromiseRecord } from './record.js';
import type { PromiseStore } from './store.js';

export interface PromiseTimes {
  /** How long a promise stays with a call that is not heard of. */
  readonly leaseMs: number;
  readonly renewEveryMs: number;
  /** The lease while a telephone rings: it outlasts a store that is away for a moment. */
  readonly attemptLeaseMs: number;
  /** So much before its lease ends a call that could not renew it gives an attempt up. */
  readonly marginMs: number;
}

export const promiseTimes: PromiseTimes = { leaseMs: 10_000, renewEveryMs: 3_000, attemptLeaseMs: 60_000, marginMs: 2_000 };

/** `lost`: another call has the promise. `unsure`: the store does not say now. */
export type AttemptStart = { readonly kind: 'ours'; readonly cutOff: AbortSignal } | { readonly kind: 'lost' | 'unsure' };

export interface HeldPromiseOptions {
  readonly store: PromiseStore;
  readonly times?: Partial<PromiseTimes>;
  /** The promise is another call's from now on, or over. Told once. */
  readonly onLost: () => void;
  readonly log: Logger;
}

type Change = Partial<Pick<PromiseRecord, 'attempts' | 'nextAttemptAt' | 'place' | 'session'>>;

export class HeldPromise {
  readonly #options: HeldPromiseOptions;
  readonly #times: PromiseTimes;
  #record: PromiseRecord;
  /** The store does not have the record as it is now. */
  #isDirty = true;
  /** The store may have it. */
  #wasSent = false;
  /** The store has it, as it has said itself. */
  #isKept = false;
  #state: 'held' | 'passingOn' | 'over' | 'ended' = 'held';
  /** Until when a record that could not be deleted is tried again, as `performance.now()`. */
  #givesUpAt = Infinity;
  #hasWarned = false;
  #timer: NodeJS.Timeout | undefined;
  /** What is under way: one thing at a time, so that no renewal overtakes the end. */
  #turn: Promise<unknown> = Promise.resolve();
  #attempt: { readonly cutOff: AbortController; timer: NodeJS.Timeout | undefined } | undefined;

  /** @param isKept it is in the store already: it was adopted */
  constructor(record: PromiseRecord, isKept: boolean, options: HeldPromiseOptions) {
    this.#record = record;
    this.#options = options;
    this.#times = { ...promiseTimes, ...options.times };
    this.#wasSent = isKept;
    this.#isKept = isKept;
    this.#beatAfter(0);
  }

  get record(): PromiseRecord {
    return this.#record;
  }

  /** Notes what changed; the store hears of it with the next renewal. */
  change(change: Change): void {
    if (this.#state !== 'held') return;
    this.#record = { ...this.#record, ...change };
    this.#isDirty = true;
  }

  /** The citizen is about to be called. Not before this says that the promise is ours, and not after `cutOff` aborted. */
  begin(): Promise<AttemptStart> {
    const cutOff = new AbortController();
    this.#endAttempt();
    this.#attempt = { cutOff, timer: undefined };
    this.change({ attempts: this.#record.attempts + 1, nextAttemptAt: Date.now() });
    return this.#inTurn(async () => {
      const answer = await this.#renew();
      return answer === 'held' ? { kind: 'ours', cutOff: cutOff.signal } : { kind: answer };
    });
  }

  /** Nobody was reached: it is tried again then, or not at all. @param isCounted whether that was an attempt */
  tryAgain(atMs: number, isCounted: boolean): void {
    if (this.#state !== 'held') return;
    this.#endAttempt();
    this.change({ nextAttemptAt: atMs, ...(!isCounted && { attempts: Math.max(0, this.#record.attempts - 1) }) });
    this.#beatAfter(0);
  }

  /** Lets another node have it. @returns false when the store never had it: it ends with this node */
  async passOn(): Promise<boolean> {
    if (this.#state !== 'held') return false;
    const attempt = this.#attempt;
    // An attempt that is given up does not count.
    if (attempt) this.change({ attempts: Math.max(0, this.#record.attempts - 1), nextAttemptAt: Date.now() });
    this.#endAttempt();
    this.#state = 'passingOn';
    // The telephone stops ringing for us before it can ring for somebody else.
    attempt?.cutOff.abort(new Error('this node stops'));
    const { store, log } = this.#options;
    const passedOn = await this.#inTurn(async () => {
      try {
        if (!this.#isKept && (await store.put(this.#record, this.#times.leaseMs)) === 'held') this.#isKept = true;
        await store.release(this.#record);
      } catch (error) {
        log.warn({ problem: problemOf(error) }, 'the promise to call back could not be given up; another node has it when the lease ends');
      }
      return this.#isKept;
    });
    this.#end();
    return passedOn;
  }

  /** It was kept, or is none any more. Its record is deleted at once, or as soon as the store is in reach. */
  async over(): Promise<void> {
    if (this.#state !== 'held') return;
    this.#state = 'over';
    this.#endAttempt();
    clearTimeout(this.#timer);
    this.#givesUpAt = performance.now() + this.#times.attemptLeaseMs;
    await this.#inTurn(() => this.#beat());
    this.#beatAfter(this.#times.renewEveryMs);
  }

  #beatAfter(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#state === 'ended') return;
    this.#timer = setTimeout(() => {
      void this.#inTurn(() => this.#beat()).then(() => this.#beatAfter(this.#times.renewEveryMs));
    }, ms);
    // A process that ends does not wait for it.
    this.#timer.unref();
  }

  async #beat(): Promise<void> {
    if (this.#state === 'held') return void (await this.#renew());
    if (this.#state !== 'over') return;
    const { store, log } = this.#options;
    try {
      await store.remove(this.#record.id, this.#record.callId);
      this.#end();
    } catch (error) {
      log.warn({ problem: problemOf(error) }, 'the record of a promise could not be deleted yet');
      // Others may have it by now.
      if (performance.now() >= this.#givesUpAt) this.#end();
    }
  }

  /** Asks the store for more time, and tells it what changed. */
  async #renew(): Promise<'held' | 'lost' | 'unsure'> {
    if (this.#state !== 'held') return 'lost';
    const { store, log } = this.#options;
    const record = this.#record;
    const leaseMs = this.#attempt ? this.#times.attemptLeaseMs : this.#times.leaseMs;
    const sentAt = performance.now();
    try {
      let answer = this.#wasSent ? await store.renew(record.id, record.callId, leaseMs, this.#isDirty ? record : undefined) : 'unknown';
      if (answer === 'unknown') {
        this.#wasSent = true;
        answer = await store.put(record, leaseMs);
      }
      if (answer !== 'held') {
        this.#lose();
        return 'lost';
      }
    } catch (error) {
      if (!this.#hasWarned) log.warn({ problem: problemOf(error) }, 'the promise to call back could not be renewed; nobody is called before it is');
      this.#hasWarned = true;
      return 'unsure';
    }
    this.#hasWarned = false;
    this.#isKept = true;
    if (this.#record === record) this.#isDirty = false;
    this.#certainUntil(sentAt + leaseMs - this.#times.marginMs);
    return 'held';
  }

  /** Until then nobody else can have it. */
  #certainUntil(time: number): void {
    const attempt = this.#attempt;
    if (!attempt) return;
    clearTimeout(attempt.timer);
    attempt.timer = setTimeout(() => attempt.cutOff.abort(new Error('another node may have the promise by now')), time - performance.now());
  }

  #lose(): void {
    this.#attempt?.cutOff.abort(new Error('another node has the promise'));
    this.#end();
    this.#options.onLost();
  }

  #end(): void {
    this.#state = 'ended';
    clearTimeout(this.#timer);
    this.#endAttempt();
  }

  #endAttempt(): void {
    clearTimeout(this.#attempt?.timer);
    this.#attempt = undefined;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}
