import type { Logger } from 'pino';
import type { SessionFeedback } from './feedback.js';
import { post, type PostOutcome } from './post.js';

type Word = 'user_active' | 'logout';

/** What became of one word to one address. `dropped`: too much was under way, or the gateway stopped. */
export type FeedbackOutcome = 'delivered' | 'refused' | 'failed' | 'dropped';

export interface FeedbackOptions {
  /** Between two `user_active` while citizen and agent talk. */
  readonly everyMs: number;
  /** How often one word is tried. */
  readonly attempts: number;
  readonly timeoutMs: number;
  readonly log: Logger;
  /** Counts outcomes, for a metric. */
  readonly onOutcome?: (outcome: FeedbackOutcome) => void;
  /** Wait after the first failed try; doubles with each further one. */
  readonly firstRetryMs?: number;
  /** Addresses followed at one time, over all calls. */
  readonly maxAddresses?: number;
  /** Requests under way at one time. */
  readonly maxAtOnce?: number;
  /** What `close` leaves for the words that are still under way. */
  readonly closeMs?: number;
}

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;
const MAX_ADDRESSES = 10_000;
const MAX_AT_ONCE = 32;
const CLOSE_MS = 2_000;
/** A call has one session, and another for each time its caller was asked to identify again. */
const MAX_ADDRESSES_PER_CALL = 8;

/**
 * One address of one call. It remembers the word that is due and not the words there were: `user_active` said twice
 * means no more than once, and `logout` takes the place of everything before it. So no queue can grow.
 */
interface Address {
  readonly callId: string;
  readonly url: string;
  due?: Word;
  /** Being posted, or waiting in line for it. */
  busy: boolean;
  /** Waits for the next try. */
  retry?: NodeJS.Timeout;
}

interface FollowedCall {
  readonly addresses: Address[];
  interval?: NodeJS.Timeout;
}

/** Session feedback by HTTP. */
export class HttpFeedback implements SessionFeedback {
  readonly #options: FeedbackOptions;
  readonly #calls = new Map<string, FollowedCall>();
  /** Every address something may still be said to, those of ended calls included. */
  readonly #addresses = new Set<Address>();
  readonly #line: { address: Address; word: Word; attempt: number }[] = [];
  readonly #underWay = new Set<AbortController>();
  #idle: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: FeedbackOptions) {
    this.#options = options;
  }

  follow(callId: string, sessionUrl: string): void {
    if (this.#closed) return;
    const call = this.#calls.get(callId) ?? { addresses: [] };
    if (!call.addresses.some(({ url }) => url === sessionUrl)) {
      if (this.#addresses.size >= (this.#options.maxAddresses ?? MAX_ADDRESSES) || call.addresses.length >= MAX_ADDRESSES_PER_CALL) {
        this.#note(callId, 'user_active', { outcome: 'dropped' });
        return;
      }
      const address: Address = { callId, url: sessionUrl, busy: false };
      call.addresses.push(address);
      this.#addresses.add(address);
      this.#calls.set(callId, call);
    }
    this.active(callId);
  }

  active(callId: string): void {
    for (const address of this.#calls.get(callId)?.addresses ?? []) this.#say(address, 'user_active');
  }

  talking(callId: string): void {
    const call = this.#calls.get(callId);
    if (!call || this.#closed) return;
    this.active(callId);
    clearInterval(call.interval);
    call.interval = setInterval(() => this.active(callId), this.#options.everyMs);
    call.interval.unref();
  }

  done(callId: string): void {
    for (const address of this.#release(callId)) this.#say(address, 'logout');
  }

  forget(callId: string): void {
    for (const address of this.#release(callId)) {
      this.#stopRetrying(address);
      delete address.due;
      if (!address.busy) this.#addresses.delete(address);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    for (const call of this.#calls.values()) clearInterval(call.interval);
    this.#calls.clear();
    for (const address of this.#addresses) this.#rest(address);
    if (this.#addresses.size > 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
        timer = setTimeout(resolve, this.#options.closeMs ?? CLOSE_MS);
      });
      clearTimeout(timer);
      this.#idle = undefined;
    }
    const left = [...this.#addresses];
    this.#addresses.clear();
    this.#line.length = 0;
    for (const address of left) {
      this.#stopRetrying(address);
      this.#note(address.callId, address.due ?? 'user_active', { outcome: 'dropped' });
    }
    for (const request of this.#underWay) request.abort();
  }

  /** The call says nothing any more; its addresses are the caller's to finish. */
  #release(callId: string): readonly Address[] {
    const call = this.#calls.get(callId);
    if (!call) return [];
    clearInterval(call.interval);
    this.#calls.delete(callId);
    return call.addresses;
  }

  #say(address: Address, word: Word): void {
    if (!this.#addresses.has(address)) return;
    address.due = word;
    if (address.busy) return;
    // A new `user_active` does not hurry an address that fails; `logout` has no time to lose.
    if (address.retry && word === 'user_active') return;
    this.#stopRetrying(address);
    this.#enqueue(address, 1);
  }

  #stopRetrying(address: Address): void {
    clearTimeout(address.retry);
    delete address.retry;
  }

  #enqueue(address: Address, attempt: number): void {
    const word = address.due;
    if (!word) return;
    address.busy = true;
    delete address.due;
    this.#line.push({ address, word, attempt });
    this.#advance();
  }

  #advance(): void {
    while (this.#underWay.size < (this.#options.maxAtOnce ?? MAX_AT_ONCE)) {
      const next = this.#line.shift();
      if (!next) return;
      const request = new AbortController();
      this.#underWay.add(request);
      void post(next.address.url, next.word, this.#options.timeoutMs, request).then((result) => {
        this.#underWay.delete(request);
        this.#settle(next.address, next.word, next.attempt, result);
        this.#advance();
      });
    }
  }

  #settle(address: Address, word: Word, attempt: number, result: PostOutcome): void {
    // Dropped by `close` meanwhile, which has said so.
    if (!this.#addresses.has(address)) return;
    address.busy = false;
    const again = result.outcome === 'failed' && attempt < this.#options.attempts;
    if (again && address.due !== 'logout' && this.#wanted(address, word)) {
      address.due = word;
      address.retry = setTimeout(() => {
        delete address.retry;
        this.#enqueue(address, attempt + 1);
      }, retryAfterMs(attempt, this.#options.firstRetryMs ?? FIRST_RETRY_MS));
      return;
    }
    this.#note(address.callId, word, result, attempt);
    if (address.due) this.#enqueue(address, 1);
    else this.#rest(address);
  }

  /** Whether it is still worth saying: `logout` always, `user_active` while its call is followed. */
  #wanted(address: Address, word: Word): boolean {
    return word === 'logout' || this.#closed !== undefined || (this.#calls.get(address.callId)?.addresses.includes(address) ?? false);
  }

  /** Forgets an address of which its call will say no more, once nothing is due. */
  #rest(address: Address): void {
    if (address.busy || address.due || this.#calls.get(address.callId)?.addresses.includes(address)) return;
    this.#addresses.delete(address);
    if (this.#addresses.size === 0) this.#idle?.();
  }

  #note(callId: string, word: Word, result: PostOutcome | { outcome: 'dropped' }, attempts?: number): void {
    this.#options.onOutcome?.(result.outcome);
    const status = 'status' in result ? result.status : undefined;
    this.#options.log[result.outcome === 'delivered' ? 'debug' : 'info']({ callId, feedback: word, outcome: result.outcome, status, attempts }, 'session feedback');
  }
}

/** Doubles with each try, and spreads, so that the calls of one plugin that came back do not all knock at once. */
function retryAfterMs(attempt: number, firstMs: number): number {
  return Math.min(LONGEST_RETRY_MS, firstMs * 2 ** (attempt - 1)) * (0.75 + Math.random() / 2);
}
