import { createHash, randomBytes } from 'node:crypto';

export interface LoginSession {
  /** Hash of the cookie's value; the value itself is with the browser only. */
  readonly key: string;
  readonly agent: string;
  readonly startedAt: number;
  lastActiveAt: number;
}

export interface LoginSessionsOptions {
  /** Without any sign of the agent for this long, the session ends. */
  idleTimeoutMs: number;
  /** However active the agent is, a session ends after this long. */
  maxSessionMs: number;
  maxPerAgent?: number;
  now?: () => number;
}

/** Who is logged in. Lives in memory: a restart asks everybody to log in again. */
export class LoginSessions {
  readonly #sessions = new Map<string, LoginSession>();
  readonly #idleTimeoutMs: number;
  readonly #maxSessionMs: number;
  readonly #maxPerAgent: number;
  readonly #now: () => number;

  constructor(options: LoginSessionsOptions) {
    this.#idleTimeoutMs = options.idleTimeoutMs;
    this.#maxSessionMs = options.maxSessionMs;
    this.#maxPerAgent = options.maxPerAgent ?? 5;
    this.#now = options.now ?? Date.now;
  }

  /** @returns the secret for the cookie, 256 bits from the system's random generator; and the agent's sessions that had to make room */
  start(agent: string): { cookie: string; session: LoginSession; ended: LoginSession[] } {
    const own = [...this.#sessions.values()].filter((session) => session.agent === agent);
    const ended = own.slice(0, Math.max(0, own.length - this.#maxPerAgent + 1));
    for (const session of ended) this.#sessions.delete(session.key);
    const cookie = randomBytes(32).toString('base64url');
    const now = this.#now();
    const session: LoginSession = { key: keyOf(cookie), agent, startedAt: now, lastActiveAt: now };
    this.#sessions.set(session.key, session);
    return { cookie, session, ended };
  }

  /** Looked up by hash, so the time it takes says nothing about other cookies. */
  find(cookie: string | undefined): LoginSession | undefined {
    if (cookie === undefined || cookie.length > 128) return undefined;
    const session = this.#sessions.get(keyOf(cookie));
    return session && this.isLive(session) ? session : undefined;
  }

  /** A page being loaded or somebody at the keyboard; an open page alone is no sign of an agent. */
  touch(session: LoginSession): void {
    session.lastActiveAt = this.#now();
  }

  end(session: LoginSession): void {
    this.#sessions.delete(session.key);
  }

  isLive(session: LoginSession): boolean {
    const now = this.#now();
    return this.#sessions.has(session.key) && now - session.lastActiveAt < this.#idleTimeoutMs && now - session.startedAt < this.#maxSessionMs;
  }

  /** Removes and returns what has run out, except where `busy` says that the agent is in a call. */
  sweep(busy: (session: LoginSession) => boolean): LoginSession[] {
    const ended = [...this.#sessions.values()].filter((session) => !this.isLive(session) && !busy(session));
    for (const session of ended) this.#sessions.delete(session.key);
    return ended;
  }

  get size(): number {
    return this.#sessions.size;
  }
}

function keyOf(cookie: string): string {
  return createHash('sha256').update(cookie).digest('base64url');
}
