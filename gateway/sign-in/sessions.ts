import { createHash, randomBytes } from 'node:crypto';
import type { Principal } from './principal.js';

/** Somebody's login in one browser. */
export interface Session {
  /** Hash of the cookie's value; the value itself is with the browser only. */
  readonly key: string;
  readonly principal: Principal;
  /** The principal's name, which for an agent is the agent's. */
  readonly agent: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** False once it has ended or run out. */
  readonly isLive: boolean;
  /** Signed in, but nothing may be shown until the person has proved again who they are. */
  readonly locked: boolean;
  /** A sign of the person: a page being loaded or somebody at the keyboard. An open page alone is none. */
  touch(): void;
}

export interface SessionsOptions {
  /** Without any sign of the person for this long, the session ends. */
  idleTimeoutMs: number;
  /** However active the person is, a session ends after this long. */
  maxSessionMs: number;
  maxPerPerson?: number;
  now?: () => number;
}

/** Who is logged in. Lives in memory: a restart asks everybody to log in again. */
export class Sessions {
  readonly #sessions = new Map<string, MemorySession>();
  readonly #idleTimeoutMs: number;
  readonly #maxSessionMs: number;
  readonly #maxPerPerson: number;
  readonly #now: () => number;

  constructor(options: SessionsOptions) {
    this.#idleTimeoutMs = options.idleTimeoutMs;
    this.#maxSessionMs = options.maxSessionMs;
    this.#maxPerPerson = options.maxPerPerson ?? 5;
    this.#now = options.now ?? Date.now;
  }

  /** @returns the secret for the cookie, 256 bits from the system's random generator; and the person's sessions that had to make room */
  start(principal: Principal): { cookie: string; session: Session; ended: Session[] } {
    const own = [...this.#sessions.values()].filter((session) => session.agent === principal.name);
    const ended = own.slice(0, Math.max(0, own.length - this.#maxPerPerson + 1));
    for (const session of ended) this.#sessions.delete(session.key);
    const cookie = randomBytes(32).toString('base64url');
    const session = new MemorySession(keyOf(cookie), principal, this.#now, (one) => this.#isLive(one));
    this.#sessions.set(session.key, session);
    return { cookie, session, ended };
  }

  /** Looked up by hash, so the time it takes says nothing about other cookies. */
  find(cookie: string | undefined): Session | undefined {
    if (cookie === undefined || cookie.length > 128) return undefined;
    const session = this.#sessions.get(keyOf(cookie));
    return session?.isLive ? session : undefined;
  }

  end(session: Session): void {
    this.#sessions.delete(session.key);
  }

  /** Removes and returns what has run out, except where `busy` says that the person is in a call. */
  sweep(busy: (session: Session) => boolean): Session[] {
    const ended = [...this.#sessions.values()].filter((session) => !session.isLive && !busy(session));
    for (const session of ended) this.#sessions.delete(session.key);
    return ended;
  }

  get size(): number {
    return this.#sessions.size;
  }

  #isLive(session: MemorySession): boolean {
    const now = this.#now();
    return this.#sessions.has(session.key) && now - session.lastActiveAt < this.#idleTimeoutMs && now - session.startedAt < this.#maxSessionMs;
  }
}

class MemorySession implements Session {
  readonly startedAt: number;
  lastActiveAt: number;
  readonly locked = false;
  readonly #now: () => number;
  readonly #isLive: (session: MemorySession) => boolean;

  constructor(readonly key: string, readonly principal: Principal, now: () => number, isLive: (session: MemorySession) => boolean) {
    this.#now = now;
    this.#isLive = isLive;
    this.startedAt = now();
    this.lastActiveAt = this.startedAt;
  }

  get agent(): string {
    return this.principal.name;
  }

  get isLive(): boolean {
    return this.#isLive(this);
  }

  touch(): void {
    this.lastActiveAt = this.#now();
  }
}

function keyOf(cookie: string): string {
  return createHash('sha256').update(cookie).digest('base64url');
}
