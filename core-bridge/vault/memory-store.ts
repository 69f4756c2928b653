import { EventEmitter } from 'node:events';
import type { SessionStore, StoredResult, StoredSession } from './store.js';
import { VaultError } from './vault.js';

export interface MemoryStoreOptions {
  /** Sessions alive at one time. */
  readonly maxLive: number;
  /** How long a session outlives its claim if its call never purges it: longer than any call may wait. */
  readonly maxHoldMs: number;
  /** How often memory of expired sessions is freed. Expiry itself does not wait for it. */
  readonly sweepEveryMs?: number;
  /** Clock, in ms since 1970. */
  readonly now?: () => number;
}

interface Entry {
  session: StoredSession;
  /** The call that holds the session, or held it last. */
  callId?: string;
  holding: boolean;
  endsAtMs: number;
}

/**
 * Sessions in this process's memory. Each operation runs to its end in one turn of the event loop, which makes it
 * atomic. Unclaimed sessions stand in the order of their creation, which is that of their expiry, so that a sweep
 * looks only at those it frees and at the claimed ones.
 */
export class MemoryStore implements SessionStore {
  readonly #entries = new Map<string, Entry>();
  readonly #idByCode = new Map<string, string>();
  readonly #idByToken = new Map<string, string>();
  /** Sessions that were claimed at least once; at most as many as there are calls and graces. */
  readonly #claimed = new Set<string>();
  readonly #events = new EventEmitter<{ result: [string]; gone: [string] }>();
  readonly #options: MemoryStoreOptions;
  readonly #now: () => number;
  readonly #sweeper: NodeJS.Timeout;
  #closed = false;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#events.setMaxListeners(0);
    this.#sweeper = setInterval(() => this.sweep(), options.sweepEveryMs ?? 1_000);
    this.#sweeper.unref();
  }

  insert(session: StoredSession): Promise<'inserted' | 'taken' | 'full'> {
    return this.#do(() => {
      if (this.#live(this.#idByCode.get(session.codeHash))) return 'taken';
      if (this.#entries.size >= this.#options.maxLive) this.sweep();
      if (this.#entries.size >= this.#options.maxLive) return 'full';
      this.#entries.set(session.sessionId, { session, holding: false, endsAtMs: session.expiresAtMs });
      this.#idByCode.set(session.codeHash, session.sessionId);
      this.#idByToken.set(session.tokenHash, session.sessionId);
      return 'inserted';
    });
  }

  byToken(tokenHash: string): Promise<StoredSession | undefined> {
    return this.#do(() => this.#live(this.#idByToken.get(tokenHash))?.session);
  }

  setResult(sessionId: string, result: StoredResult): Promise<'accepted' | 'duplicate' | 'unknown'> {
    return this.#do(() => {
      const entry = this.#live(sessionId);
      if (!entry) return 'unknown';
      if (entry.session.result) return 'duplicate';
      entry.session = { ...entry.session, result };
      this.#events.emit('result', sessionId);
      return 'accepted';
    });
  }

  claim(codeHash: string, callId: string): Promise<StoredSession | undefined> {
    return this.#do(() => {
      const entry = this.#live(this.#idByCode.get(codeHash));
      if (!entry || (entry.holding && entry.callId !== callId)) return undefined;
      if (!entry.holding) {
        entry.callId = callId;
        entry.holding = true;
        entry.endsAtMs = this.#now() + this.#options.maxHoldMs;
        this.#claimed.add(entry.session.sessionId);
      }
      return entry.session;
    });
  }

  held(sessionId: string, callId: string): Promise<StoredSession | undefined> {
    return this.#do(() => this.#heldBy(sessionId, callId)?.session);
  }

  release(sessionId: string, callId: string, graceEndsAtMs: number): Promise<void> {
    return this.#do(() => {
      const entry = this.#heldBy(sessionId, callId);
      if (!entry) return;
      entry.holding = false;
      entry.endsAtMs = graceEndsAtMs;
      if (graceEndsAtMs <= this.#now()) this.#drop(entry);
    });
  }

  remove(sessionId: string, callId: string): Promise<boolean> {
    return this.#do(() => {
      const entry = this.#entries.get(sessionId);
      if (!entry || entry.callId !== callId) return false;
      this.#drop(entry);
      return true;
    });
  }

  onResult(listener: (sessionId: string) => void): () => void {
    this.#events.on('result', listener);
    return () => this.#events.off('result', listener);
  }

  onGone(listener: (sessionId: string) => void): () => void {
    this.#events.on('gone', listener);
    return () => this.#events.off('gone', listener);
  }

  count(): Promise<{ live: number; claimed: number }> {
    return this.#do(() => {
      this.sweep();
      let claimed = 0;
      for (const id of this.#claimed) if (this.#entries.get(id)?.holding) claimed += 1;
      return { live: this.#entries.size, claimed };
    });
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    clearInterval(this.#sweeper);
    for (const entry of [...this.#entries.values()]) this.#drop(entry);
    this.#events.removeAllListeners();
    return Promise.resolve();
  }

  /** Frees what has expired. */
  sweep(): void {
    const now = this.#now();
    for (const id of this.#claimed) {
      const entry = this.#entries.get(id);
      if (entry && entry.endsAtMs <= now) this.#drop(entry);
    }
    for (const [id, entry] of this.#entries) {
      if (this.#claimed.has(id)) continue;
      if (entry.endsAtMs > now) break;
      this.#drop(entry);
    }
  }

  #do<T>(operation: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new VaultError('vault_closed'));
    try {
      return Promise.resolve(operation());
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error('store operation failed'));
    }
  }

  #live(sessionId: string | undefined): Entry | undefined {
    const entry = sessionId === undefined ? undefined : this.#entries.get(sessionId);
    if (!entry) return undefined;
    if (entry.endsAtMs > this.#now()) return entry;
    this.#drop(entry);
    return undefined;
  }

  #heldBy(sessionId: string, callId: string): Entry | undefined {
    const entry = this.#live(sessionId);
    return entry?.holding && entry.callId === callId ? entry : undefined;
  }

  #drop(entry: Entry): void {
    const { sessionId, codeHash, tokenHash, sealKey, result } = entry.session;
    sealKey.fill(0);
    if (result?.status === 'success') result.sealed.fill(0);
    this.#entries.delete(sessionId);
    this.#claimed.delete(sessionId);
    if (this.#idByCode.get(codeHash) === sessionId) this.#idByCode.delete(codeHash);
    this.#idByToken.delete(tokenHash);
    this.#events.emit('gone', sessionId);
  }
}
