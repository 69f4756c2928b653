import { EventEmitter, setMaxListeners } from 'node:events';
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { VaultError } from '../vault/vault.js';
import type { RedisClient, RedisCommands, RedisConfig } from './client.js';

export type { RedisCommands, RedisConfig } from './client.js';

/** The process's one way to Redis, shared by all that keep something there. */
export interface RedisLink {
  /**
   * Does some work within about a second.
   * @throws VaultError `store_unreachable` soon when Redis is away or does not answer in time; what had been sent may have been done
   */
  run<T>(work: (client: RedisCommands) => Promise<T>): Promise<T>;
  /** Hears a channel, now and after every reconnection. Messages may be missed: see `missed`. Returns the unsubscriber. */
  subscribe(channel: string, listener: (message: string) => void): () => void;
  /** Redis answered when it was last asked. */
  readonly ready: boolean;
  /** `changed`: readiness did. `missed`: messages may have passed unheard. */
  on(event: 'changed' | 'missed', listener: () => void): unknown;
  off(event: 'changed' | 'missed', listener: () => void): unknown;
  /** Ends the connections. Work under way is rejected. */
  close(): Promise<void>;
}

const WORK_WITHIN_MS = 1_000;
/** Pieces of work under way at one time; more are refused at once, so that nothing piles up while Redis is slow. */
const MAX_WORK = 5_000;
const OPEN_WITHIN_MS = 3_000;
const LONGEST_PAUSE_MS = 1_000;
const SHORTEST_PAUSE_MS = 50;
const LOOK_EVERY_MS = 500;
/** A client that found no way back in this time is thrown away for a new one. */
const REPLACE_AFTER_MS = 5_000;
/** The same for one that was sent so many messages in a row and passed none on. Not a time: this process may have stood still. */
const SILENT_AFTER_LOOKS = 6;
/** Keys nobody writes, in different slots: in a Cluster of which one part is down the others are of use. */
const LOOKED_AT = ['a', 'b', 'c'];

export interface LinkLimits {
  /** How long one piece of work may take; 1 s unless told otherwise. */
  readonly workWithinMs?: number;
}

/** Connects, and keeps connecting until closed. Not `ready` yet when it returns. */
export function connectRedis(config: RedisConfig, log: Logger, limits: LinkLimits = {}): RedisLink {
  return new Link(config, log, limits.workWithinMs ?? WORK_WITHIN_MS);
}

/**
 * Looks at Redis twice a second, by a command and by a message to itself through its own subscription. A client that
 * gets neither through is replaced whole: that way out is the same for one server, Sentinel and Cluster.
 */
class Link extends EventEmitter<{ changed: []; missed: [] }> implements RedisLink {
  readonly #config: RedisConfig;
  readonly #log: Logger;
  readonly #workWithinMs: number;
  readonly #beatChannel: string;
  readonly #listeners = new Map<string, Set<(message: string) => void>>();
  readonly #closing = new AbortController();
  readonly #ended: Promise<void>;
  #client: RedisClient | undefined;
  #ready = false;
  #working = 0;
  #unheard = 0;
  #wake: (() => void) | undefined;
  #fault = 'never connected';

  constructor(config: RedisConfig, log: Logger, workWithinMs: number) {
    super();
    this.setMaxListeners(0);
    setMaxListeners(0, this.#closing.signal);
    this.#config = config;
    this.#log = log;
    this.#workWithinMs = workWithinMs;
    this.#beatChannel = `${config.prefix}:beat:${randomUUID()}`;
    this.subscribe(this.#beatChannel, () => { this.#unheard = 0; });
    this.#ended = this.#live();
  }

  get ready(): boolean {
    return this.#ready;
  }

  async run<T>(work: (client: RedisCommands) => Promise<T>): Promise<T> {
    const client = this.#client;
    if (!client || !this.#ready || this.#working >= MAX_WORK) throw new VaultError('store_unreachable');
    this.#working += 1;
    try {
      return await this.#within(client, work);
    } catch (error) {
      // Ours, not Redis's: a mistake in the work itself, or its own verdict.
      if (error instanceof VaultError || error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) throw error;
      this.#fault = faultOf(error);
      this.#wake?.();
      throw new VaultError('store_unreachable');
    } finally {
      this.#working -= 1;
    }
  }

  subscribe(channel: string, listener: (message: string) => void): () => void {
    let listeners = this.#listeners.get(channel);
    if (!listeners) {
      listeners = new Set();
      this.#listeners.set(channel, listeners);
      if (this.#client) this.#hear(this.#client, channel);
    }
    listeners.add(listener);
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0 || this.#listeners.get(channel) !== listeners) return;
      this.#listeners.delete(channel);
      this.#client?.unsubscribe(channel).catch(() => undefined);
    };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake?.();
    await this.#ended;
    this.#listeners.clear();
    this.removeAllListeners();
  }

  /** From now until closed: one client after another. */
  async #live(): Promise<void> {
    // Loaded where it is used: it is the largest part of what a gateway loads.
    const { openClient } = await import('./client.js');
    for (let tries = 0; !this.#closing.signal.aborted; tries += 1) {
      const { opened, client } = openClient(this.#config, (error) => { this.#fault = faultOf(error); });
      try {
        await withLimit(opened, OPEN_WITHIN_MS, this.#closing.signal);
        this.#client = client;
        this.#unheard = 0;
        for (const channel of this.#listeners.keys()) this.#hear(client, channel);
        if (await this.#watch(client)) tries = 0;
      } catch (error) {
        this.#fault = faultOf(error);
      } finally {
        this.#client = undefined;
        this.#becomes(false);
        client.destroy();
      }
      if (!this.#closing.signal.aborted) await this.#pause(Math.min(SHORTEST_PAUSE_MS * 2 ** Math.min(tries, 10), LONGEST_PAUSE_MS));
    }
  }

  /** Returns when this client is to be replaced; true when it was of use. */
  async #watch(client: RedisClient): Promise<boolean> {
    let wasUseful = false;
    let answeredAtMs = performance.now();
    let slow = 0;
    while (!this.#closing.signal.aborted) {
      const seen = await this.#look(client);
      const now = performance.now();
      slow = seen === 'slow' ? slow + 1 : 0;
      if (seen === 'answers') {
        answeredAtMs = now;
        wasUseful = true;
        this.#unheard += 1;
        this.#becomes(true);
      } else if (seen === 'away' || slow > 1) {
        // Slow once may be this machine's own hiccup.
        this.#becomes(false);
      }
      if (now - answeredAtMs > REPLACE_AFTER_MS) break;
      if (this.#unheard > SILENT_AFTER_LOOKS) {
        this.#fault = 'subscriptions are silent';
        break;
      }
      await this.#pause(LOOK_EVERY_MS);
    }
    return wasUseful;
  }

  async #look(client: RedisClient): Promise<'answers' | 'slow' | 'away'> {
    try {
      await this.#within(client, async (commands) => {
        await Promise.any(LOOKED_AT.map((name) => commands.get(`${this.#config.prefix}:{look:${name}}`)));
        await commands.publish(this.#beatChannel, '');
      });
      return 'answers';
    } catch (error) {
      this.#fault = faultOf(error);
      return error instanceof TimeLimitError ? 'slow' : 'away';
    }
  }

  #becomes(ready: boolean): void {
    if (this.#ready === ready) return;
    this.#ready = ready;
    if (ready) this.#log.info('store reachable');
    else if (!this.#closing.signal.aborted) this.#log.warn({ fault: this.#fault }, 'store unreachable');
    this.emit('changed');
    if (ready) this.emit('missed');
  }

  #hear(client: RedisClient, channel: string): void {
    const dispatch = (message: string): void => {
      for (const listener of this.#listeners.get(channel) ?? []) listener(message);
    };
    client.subscribe(channel, dispatch).then(
      () => this.#client === client && channel !== this.#beatChannel && this.emit('missed'),
      (error: unknown) => { this.#fault = faultOf(error); },
    );
  }

  async #within<T>(client: RedisClient, work: (commands: RedisCommands) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    try {
      return await withLimit(work(client.commands(abort.signal)), this.#workWithinMs, this.#closing.signal);
    } finally {
      // What has not been sent by now never is: nobody waits for its answer.
      abort.abort();
    }
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => { clearTimeout(timer); setTimeout(resolve, SHORTEST_PAUSE_MS); };
    });
    this.#wake = undefined;
  }
}

class TimeLimitError extends Error {
  override readonly name = 'TimeLimitError';
}

/** A timer this late shows that the process stood still. */
const STANDSTILL_MS = 50;

/** Time in which this process stood still does not count, up to as long again: what has arrived meanwhile is taken in first. */
async function withLimit<T>(promise: Promise<T>, limitMs: number, signal: AbortSignal): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let giveUp: () => void = () => undefined;
  const limit = new Promise<never>((_resolve, reject) => { giveUp = () => reject(new TimeLimitError()); });
  let graceMs = limitMs;
  const arm = (ms: number): void => {
    const due = performance.now() + ms;
    timer = setTimeout(() => {
      const lateMs = performance.now() - due;
      if (lateMs < STANDSTILL_MS || graceMs === 0) return giveUp();
      const moreMs = Math.min(lateMs, graceMs);
      graceMs -= moreMs;
      arm(moreMs);
    }, ms);
  };
  arm(limitMs);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    if (signal.aborted) giveUp();
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}

/** Names the fault. Never the message: Redis quotes what it was sent. */
function faultOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if (error instanceof AggregateError) return faultOf(error.errors[0]);
  const { code } = error as { code?: unknown };
  if (typeof code === 'string') return code;
  return /^[A-Z]{3,20}(?= |$)/.exec(error.message)?.[0] ?? error.constructor.name;
}
