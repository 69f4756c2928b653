/** Takes up promises to call back that are nobody's: their node has stopped, or is not heard of any more. */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { RedisLink } from '../../../core-bridge/index.js';
import { problemOf } from '../problem.js';
import { promiseTimes } from './held-promise.js';
import type { Adopted, PromiseStore } from './store.js';

export interface AdoptionOptions {
  readonly store: PromiseStore;
  readonly link: Pick<RedisLink, 'ready' | 'on' | 'off'>;
  /** Whether this node can take one more. */
  readonly mayTake: () => boolean;
  /**
   * Goes on with it, as the call of that id.
   * @throws VaultError when it cannot be done now: it is tried again when the lease has ended, on any node
   */
  readonly take: (adopted: Adopted, callId: string) => Promise<void>;
  readonly log: Logger;
  readonly leaseMs?: number;
  readonly everyMs?: number;
}

/** How often is looked for leases that have ended, in ms. */
const lookEveryMs = 2_000;

export class Adoption {
  readonly #options: AdoptionOptions;
  readonly #leaseMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #undo: (() => void)[];
  #closed = false;
  #looking: Promise<void> | undefined;
  #again = false;
  /** Since when Redis has answered without a break, as `performance.now()`. */
  #readySince: number | undefined;

  constructor(options: AdoptionOptions) {
    const { store, link, leaseMs = promiseTimes.leaseMs, everyMs = lookEveryMs } = options;
    this.#options = options;
    this.#leaseMs = leaseMs;
    const look = (): void => this.#look();
    const changed = (): void => {
      this.#readySince = link.ready ? performance.now() : undefined;
      look();
    };
    changed();
    link.on('changed', changed);
    this.#timer = setInterval(look, everyMs);
    this.#timer.unref();
    this.#undo = [() => link.off('changed', changed), store.onReleased(look)];
  }

  /** Takes no more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const undo of this.#undo.splice(0)) undo();
    await this.#looking;
  }

  #look(): void {
    if (this.#closed) return;
    this.#again = true;
    this.#looking ??= this.#takeAll().finally(() => (this.#looking = undefined));
  }

  async #takeAll(): Promise<void> {
    const { store, link, mayTake, take, log } = this.#options;
    while (this.#again) {
      this.#again = false;
      while (!this.#closed && link.ready && mayTake()) {
        const callId = randomUUID();
        try {
          // Leases end while Redis is away: those who have them are given the time to say so.
          const isSettled = this.#readySince !== undefined && performance.now() - this.#readySince > this.#leaseMs;
          const adopted = await store.adopt(callId, this.#leaseMs, isSettled ? 'ended' : 'released');
          if (!adopted) break;
          log.info({ callId, before: adopted.record.callId }, 'a promise to call back is taken over');
          await take(adopted, callId);
        } catch (error) {
          log.warn({ problem: problemOf(error) }, 'promises to call back cannot be taken over now');
          break;
        }
      }
    }
  }
}
