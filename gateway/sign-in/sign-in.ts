import { EventEmitter } from 'node:events';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { LoginThrottle, type LoginThrottleOptions } from './login-throttle.js';
import type { Account, Role } from './principal.js';
import { isOwnOrigin } from './request-origin.js';
import { Sessions, type Session } from './sessions.js';

export type { Account, Principal, Role } from './principal.js';
export type { Session } from './sessions.js';

export interface SignInOptions {
  accounts: readonly Account[];
  log: Logger;
  /** Origins the listener is reached by, e.g. `https://agents.example`; none: the one each request's Host header names. */
  origins?: readonly string[];
  /** Marks the cookie Secure; by default when every origin is https, or, without origins, when the request came by https (behind a proxy: fastify's trustProxy). */
  secureCookie?: boolean;
  /** Default 30 minutes without a touch of keyboard or mouse; never during a call. */
  idleTimeoutMs?: number;
  /** Default 12 hours; never during a call. */
  maxSessionMs?: number;
  throttle?: LoginThrottleOptions;
  now?: () => number;
}

export interface SignInEvents {
  /** Somebody has signed in, here. */
  started: [session: Session];
  /** By logout, by a newer login, by its time being over. What was shown under it must go. */
  ended: [session: Session];
}

/** A fastify hook that answers a request itself, or lets it pass. */
export type Guard = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

const sweepIntervalMs = 5000;

/** Who may come in, and who is in: accounts, sessions, and the guards of the routes behind them. */
export class SignIn extends EventEmitter<SignInEvents> {
  readonly accounts: ReadonlyMap<string, Account>;
  readonly throttle: LoginThrottle;
  readonly maxSessionMs: number;
  readonly log: Logger;
  readonly #origins: readonly string[];
  readonly #secureCookie: boolean | undefined;
  readonly #sessions: Sessions;
  readonly #sweep: NodeJS.Timeout;
  readonly #busy: Array<(session: Session) => boolean> = [];
  readonly #found = new WeakMap<FastifyRequest, Session>();

  constructor(options: SignInOptions) {
    super();
    const now = options.now ?? Date.now;
    this.accounts = new Map(options.accounts.map((account) => [account.name, account]));
    this.log = options.log;
    this.maxSessionMs = options.maxSessionMs ?? 12 * 3_600_000;
    this.throttle = new LoginThrottle({ now, ...options.throttle });
    this.#origins = options.origins ?? [];
    this.#secureCookie = options.secureCookie ?? (this.#origins.length > 0 ? this.#origins.every((origin) => origin.startsWith('https:')) : undefined);
    this.#sessions = new Sessions({ idleTimeoutMs: options.idleTimeoutMs ?? 30 * 60_000, maxSessionMs: this.maxSessionMs, now });
    this.#sweep = setInterval(() => this.#tellEnded(this.#sessions.sweep((session) => this.#busy.some((isBusy) => isBusy(session)))), sweepIntervalMs);
    this.#sweep.unref();
  }

  /** While this says so, a session does not run out: somebody in a call is working, whatever the mouse does. */
  busyWhen(isBusy: (session: Session) => boolean): void {
    this.#busy.push(isBusy);
  }

  /** The live session of this request's browser, if it has one. */
  sessionOf(request: FastifyRequest): Promise<Session | undefined> {
    return Promise.resolve(this.#sessions.find(request.cookies[this.cookieName(request)]));
  }

  /** The session that a guard of this request's route has let pass. */
  here(request: FastifyRequest): Session {
    const session = this.#found.get(request);
    if (!session) throw new Error('a route without a guard asked who is there');
    return session;
  }

  /** Lets pass who has at least one of these roles, and answers everybody else: 401 `not_logged_in`, 403 `not_allowed`. */
  requireRole(...allowed: readonly [Role, ...Role[]]): Guard {
    return this.#guard(allowed, async (_request, reply) => {
      await reply.code(401).send({ error: 'not_logged_in', message: 'Log in first.' });
    });
  }

  /** The same for a page that people open: nobody is logged in, so they are asked to. */
  pageFor(...allowed: readonly [Role, ...Role[]]): Guard {
    return this.#guard(allowed, async (_request, reply) => {
      await reply.redirect('/login', 303);
    });
  }

  /** Refuses what no page of this site asked for; for every route that changes something. */
  get ownPagesOnly(): Guard {
    return async (request, reply) => {
      if (isOwnOrigin(request.headers, this.#origins)) return;
      this.log.warn({ path: request.routeOptions.url }, 'refused a request made by another site');
      await reply.code(403).send({ error: 'foreign_origin', message: 'This request did not come from a page of this site.' });
    };
  }

  /** The same for the opening of a WebSocket. Browsers differ in what fetch metadata they send with one; its Origin is always there and always true. */
  get ownSocketsOnly(): Guard {
    return async (request, reply) => {
      const { host, origin } = request.headers;
      if (origin !== undefined && isOwnOrigin({ host, origin }, this.#origins)) return;
      this.log.warn('refused a socket opened by another site');
      await reply.code(403).send({ error: 'foreign_origin', message: 'This socket was not opened by a page of this site.' });
    };
  }

  /** Starts a session under a new secret and ends the one this browser had. */
  async start(request: FastifyRequest, reply: FastifyReply, account: Account, by: 'password'): Promise<Session> {
    const before = await this.sessionOf(request);
    if (before) this.end(before);
    const { name, displayName, tenant, roles } = account;
    const { cookie, session, ended } = this.#sessions.start({ name, displayName, tenant, roles, by });
    this.#tellEnded(ended);
    this.emit('started', session);
    this.log.info({ person: name }, 'logged in');
    reply.setCookie(this.cookieName(request), cookie, { ...this.#cookieOptions(request), maxAge: Math.floor(this.maxSessionMs / 1000) });
    return session;
  }

  end(session: Session): void {
    this.#sessions.end(session);
    this.#tellEnded([session]);
  }

  forgetCookie(request: FastifyRequest, reply: FastifyReply): void {
    reply.clearCookie(this.cookieName(request), this.#cookieOptions(request));
  }

  // The __Host- prefix makes a browser refuse the cookie unless it is Secure, of this host and of the whole of it (RFC 6265bis 4.1.3.2).
  cookieName(request: FastifyRequest): string {
    return this.#isSecure(request) ? '__Host-screen' : 'screen';
  }

  /** Stops every timer. Idempotent. */
  close(): void {
    clearInterval(this.#sweep);
  }

  #guard(allowed: readonly Role[], askToLogIn: Guard): Guard {
    return async (request, reply) => {
      const session = await this.sessionOf(request);
      if (!session) return askToLogIn(request, reply);
      if (session.principal.roles.some((role) => allowed.includes(role))) {
        this.#found.set(request, session);
        return;
      }
      this.log.warn({ person: session.agent, path: request.routeOptions.url }, 'refused for want of a role');
      await reply.code(403).send({ error: 'not_allowed', message: 'Your account may not do this.' });
    };
  }

  #isSecure(request: FastifyRequest): boolean {
    return this.#secureCookie ?? request.protocol === 'https';
  }

  #cookieOptions(request: FastifyRequest) {
    return { path: '/', httpOnly: true, sameSite: 'strict' as const, secure: this.#isSecure(request) };
  }

  #tellEnded(sessions: readonly Session[]): void {
    for (const session of sessions) this.emit('ended', session);
  }
}
