import { EventEmitter } from 'node:events';
import { ClaimTable, type Slot } from './claim-table.js';
import { ExpiryQueue } from './expiry-queue.js';
import type { ClaimedSession, SessionStore, StoreClaim, StoredResult, StoredSession } from './store.js';
import { VaultError } from './vault.js';

/** What every store of sessions is told. */
export interface StoreLimits {
  /** Sessions alive at one time. */
  readonly maxLive: number;
  /** How long a session outlives its claim if its call never purges it: longer than any call may last. */
  readonly maxHoldMs: number;
  /** How long a code rests after its session ended before it may be given to another. */
  readonly codeRestMs: number;
  /** Clock, in ms since 1970. */
  readonly now?: () => number;
}

export interface MemoryStoreOptions extends StoreLimits {
  /** How often memory of expired sessions is freed. Expiry itself does not wait for it. */
  readonly sweepEveryMs?: number;
}

interface Entry {
  session: StoredSession;
  /** Where what claims need of it is kept: its end, and whether a call holds it. */
  readonly slot: Slot;
}

/**
 * Sessions in this process's memory. Each operation runs to its end in one turn of the event loop, which makes it
 * atomic.
 */
export class MemoryStore implements SessionStore {
  readonly ready = true;
  readonly #entries = new Map<string, Entry>();
  readonly #claims = new ClaimTable();
  /** The call that holds a session, or held it last. */
  readonly #holders = new Map<Slot, string>();
  readonly #byToken = new Map<string, Entry>();
  readonly #byBoard = new Map<string, Entry>();
  /** Codes of ended sessions, oldest end first, and until when they rest. */
  readonly #resting = new Map<string, number>();
  readonly #ends = new ExpiryQueue();
  readonly #events = new EventEmitter<{ result: [string]; gone: [string] }>();
  readonly #options: MemoryStoreOptions;
  readonly #now: () => number;
  readonly #sweeper: NodeJS.Timeout;
  #claimed = 0;
  #closed = false;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#events.setMaxListeners(0);
    this.#sweeper = setInterval(() => this.sweep(), options.sweepEveryMs ?? 1_000);
    this.#sweeper.unref();
  }

  insert(session: StoredSession, heldBy?: string): Promise<'inserted' | 'taken' | 'full'> {
    return this.#do(() => {
      const { sessionId, codeHash, tokenHash, board } = session;
      if (codeHash !== undefined && (this.#liveSlot(codeHash) !== undefined || this.#rests(codeHash))) return 'taken';
      if (this.#entries.size >= this.#options.maxLive) this.sweep();
      if (this.#entries.size >= this.#options.maxLive) return 'full';
      const slot = this.#claims.add(codeHash, session, session.expiresAtMs);
      const entry: Entry = { session, slot };
      this.#entries.set(sessionId, entry);
      if (session.result) this.#claims.setStatus(slot, session.result.status);
      this.#byToken.set(tokenHash, entry);
      this.#byBoard.set(board, entry);
      if (heldBy !== undefined) this.#hold(slot, heldBy);
      this.#ends.add(sessionId, this.#claims.endsAt(slot));
      return 'inserted';
    });
  }

  byToken(tokenHash: string): Promise<StoredSession | undefined> {
    return this.#do(() => this.#live(this.#byToken.get(tokenHash))?.session);
  }

  byBoard(board: string): Promise<{ readonly session: StoredSession; readonly claimed: boolean } | undefined> {
    return this.#do(() => {
      const entry = this.#live(this.#byBoard.get(board));
      return entry && { session: entry.session, claimed: this.#claims.isHeld(entry.slot) };
    });
  }

  extend(sessionId: string, expiresAtMs: number): Promise<boolean> {
    return this.#do(() => {
      const entry = this.#live(this.#entries.get(sessionId));
      if (!entry || this.#claims.isHeld(entry.slot)) return false;
      this.#endAt(entry, expiresAtMs);
      return true;
    });
  }

  setResult(sessionId: string, result: StoredResult): Promise<'accepted' | 'duplicate' | 'unknown'> {
    return this.#do(() => {
      const entry = this.#live(this.#entries.get(sessionId));
      if (!entry) return 'unknown';
      if (entry.session.result) return 'duplicate';
      entry.session = { ...entry.session, result };
      this.#claims.setStatus(entry.slot, result.status);
      this.#events.emit('result', sessionId);
      return 'accepted';
    });
  }

  hasResult(sessionId: string): Promise<boolean> {
    return this.#do(() => this.#live(this.#entries.get(sessionId))?.session.result !== undefined);
  }

  claim(codeHash: string, callId: string): Promise<StoreClaim> {
    return this.#do(() => {
      const slot = this.#liveSlot(codeHash);
      if (slot === undefined) return { refused: this.#rests(codeHash) ? 'used' : 'unknown' };
      if (!this.#claims.isHeld(slot)) this.#hold(slot, callId);
      else if (this.#holders.get(slot) !== callId) return { refused: 'used', board: this.#claims.boardOf(slot) };
      return { session: this.#claims.sessionOf(slot) };
    });
  }

  handTo(sessionId: string, from: readonly string[], callId: string): Promise<ClaimedSession | undefined> {
    return this.#do(() => {
      const entry = [...from, callId].map((holder) => this.#heldBy(sessionId, holder)).find((found) => found !== undefined);
      if (!entry) return undefined;
      this.#holders.set(entry.slot, callId);
      return this.#claims.sessionOf(entry.slot);
    });
  }

  held(sessionId: string, callId: string): Promise<StoredSession | undefined> {
    return this.#do(() => this.#heldBy(sessionId, callId)?.session);
  }

  release(sessionId: string, callId: string, graceEndsAtMs: number): Promise<void> {
    return this.#do(() => {
      const entry = this.#heldBy(sessionId, callId);
      if (!entry) return;
      this.#claims.setHeld(entry.slot, false);
      this.#claimed -= 1;
      // Without a code nobody could come back for it.
      if (graceEndsAtMs <= this.#now() || entry.session.codeHash === undefined) this.#drop(entry);
      else this.#endAt(entry, graceEndsAtMs);
    });
  }

  remove(sessionId: string, callId: string): Promise<boolean> {
    return this.#do(() => {
      const entry = this.#entries.get(sessionId);
      if (!entry || this.#holders.get(entry.slot) !== callId) return false;
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

  /** Nothing is ever missed within one process. */
  onDoubt(): () => void {
    return () => undefined;
  }

  count(): Promise<{ live: number; claimed: number }> {
    return this.#do(() => {
      this.sweep();
      return { live: this.#entries.size, claimed: this.#claimed };
    });
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    clearInterval(this.#sweeper);
    for (const entry of [...this.#entries.values()]) this.#drop(entry);
    this.#resting.clear();
    this.#events.removeAllListeners();
    return Promise.resolve();
  }

  /** Frees what has expired. */
  sweep(): void {
    const now = this.#now();
    for (let id = this.#ends.takeDue(now); id !== undefined; id = this.#ends.takeDue(now)) {
      const entry = this.#live(this.#entries.get(id));
      if (entry) this.#ends.add(id, this.#claims.endsAt(entry.slot));
    }
    // Ends that moved, and those of removed sessions, leave appointments behind that nobody keeps.
    if (this.#ends.size > 2 * this.#entries.size + 1_000) this.#ends.refill(this.#appointments());
    for (const [codeHash, untilMs] of this.#resting) {
      if (untilMs > now) break;
      this.#resting.delete(codeHash);
    }
  }

  *#appointments(): Iterable<readonly [string, number]> {
    for (const [id, { slot }] of this.#entries) yield [id, this.#claims.endsAt(slot)];
  }

  #do<T>(operation: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new VaultError('vault_closed'));
    try {
      return Promise.resolve(operation());
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error('store operation failed'));
    }
  }

  #live(entry: Entry | undefined): Entry | undefined {
    if (!entry || this.#claims.endsAt(entry.slot) > this.#now()) return entry;
    this.#drop(entry);
    return undefined;
  }

  #liveSlot(codeHash: string): Slot | undefined {
    const slot = this.#claims.find(codeHash);
    if (slot === undefined || this.#claims.endsAt(slot) > this.#now()) return slot;
    this.#drop(this.#entries.get(this.#claims.sessionIdOf(slot))!);
    return undefined;
  }

  #heldBy(sessionId: string, callId: string): Entry | undefined {
    const entry = this.#live(this.#entries.get(sessionId));
    return entry && this.#claims.isHeld(entry.slot) && this.#holders.get(entry.slot) === callId ? entry : undefined;
  }

  #rests(codeHash: string): boolean {
    return (this.#resting.get(codeHash) ?? 0) > this.#now();
  }

  #hold(slot: Slot, callId: string): void {
    this.#holders.set(slot, callId);
    this.#claims.setHeld(slot, true);
    // Its appointment stays as it is: the sweep comes too early, and makes another.
    this.#claims.setEndsAt(slot, this.#now() + this.#options.maxHoldMs);
    this.#claimed += 1;
  }

  #endAt(entry: Entry, endsAtMs: number): void {
    this.#claims.setEndsAt(entry.slot, endsAtMs);
    entry.session = { ...entry.session, expiresAtMs: endsAtMs };
    this.#ends.add(entry.session.sessionId, endsAtMs);
  }

  #drop(entry: Entry): void {
    const { slot } = entry;
    const endedAtMs = Math.min(this.#now(), this.#claims.endsAt(slot));
    if (this.#claims.isHeld(slot)) this.#claimed -= 1;
    this.#claims.remove(slot);
    this.#holders.delete(slot);
    const { sessionId, codeHash, tokenHash, board, sealKey, result } = entry.session;
    sealKey.fill(0);
    if (result?.status === 'success') result.sealed.fill(0);
    this.#entries.delete(sessionId);
    if (codeHash !== undefined) this.#rest(codeHash, endedAtMs + this.#options.codeRestMs);
    this.#byToken.delete(tokenHash);
    this.#byBoard.delete(board);
    this.#events.emit('gone', sessionId);
  }

  #rest(codeHash: string, untilMs: number): void {
    this.#resting.set(codeHash, untilMs);
    if (this.#resting.size <= this.#options.maxLive) return;
    const [oldest] = this.#resting.keys();
    if (oldest !== undefined) this.#resting.delete(oldest);
  }
}
