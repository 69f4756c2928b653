import { EventEmitter } from 'node:events';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { Happenings } from '../happenings.js';
import { Accounts } from './accounts.js';
import { Cookies } from './cookies.js';
import { HandOversHere, type HandOvers } from './hand-over.js';
import { LoginThrottle, type LoginThrottleOptions } from './login-throttle.js';
import { awayPage, notAllowedPage, onwardPage, type Look } from './pages.js';
import { OnceHere, type Once } from './once.js';
import type { Account, ProvedBy, Role } from './principal.js';
import type { EndedMarks, ProviderMarks } from './provider-marks.js';
import type { OidcConfig, Provider } from './provider.js';
import { isOwnOrigin } from './request-origin.js';
import type { SessionShare } from './session-share.js';
import { Sessions, SessionsAwayError, type Session, type SessionPolicy } from './sessions.js';
import { languageOf } from './texts.js';

export type { Account, Principal, Role } from './principal.js';
export type { Session } from './sessions.js';

/** How the people of one tenant get in. */
export interface SignInTenant {
  readonly name: string;
  readonly displayName: string;
  /** Path before the tenant's own addresses; empty when there is one tenant. */
  readonly path: string;
  /** Whether passwords open its accounts. */
  readonly local: boolean;
  readonly oidc?: { readonly config: OidcConfig; readonly provider: Provider };
  readonly policy: SessionPolicy;
}

export interface SignInOptions {
  accounts: readonly Account[];
  /** None: one tenant, `main`, with passwords and the times below. */
  tenants?: readonly SignInTenant[];
  log: Logger;
  /** Base address of the listener, known when it is bound; providers send people back there. */
  baseUrl?: () => string;
  /** Origins the listener is reached by, e.g. `https://agents.example`; none: the one each request's Host header names. */
  origins?: readonly string[];
  /** Marks the cookie Secure; by default when every origin is https, or, without origins, when the request came by https (behind a proxy: fastify's trustProxy). */
  secureCookie?: boolean;
  /** Origins of other sites that may show our pages in a frame. */
  embedIn?: readonly string[];
  /** Where logins are kept for all nodes. None: in this process. */
  share?: SessionShare;
  /** Seals what stays with the browser during a sign-in; the same on all nodes. None: made up. */
  sealSecret?: string;
  /** Default 30 minutes without a touch of keyboard or mouse; never during a call. */
  idleTimeoutMs?: number;
  /** Default 12 hours; never during a call. */
  maxSessionMs?: number;
  idleLockMs?: number;
  throttle?: LoginThrottleOptions;
  happenings?: Happenings;
  now?: () => number;
}

export interface SignInEvents {
  /** Somebody has signed in, here. */
  started: [session: Session];
  /** By logout, by a newer login, by its time being over. What was shown under it must go. */
  ended: [session: Session];
  /** What was shown under it must go; the login stays. */
  locked: [session: Session];
  unlocked: [session: Session];
}

/** A fastify hook that answers a request itself, or lets it pass. */
export type Guard = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

const sweepIntervalMs = 2000;

/** Who may come in, and who is in: accounts, sessions, and the guards of the routes behind them. */
export class SignIn extends EventEmitter<SignInEvents> {
  readonly accounts: Accounts;
  readonly tenants: readonly SignInTenant[];
  readonly throttle: LoginThrottle;
  readonly cookies: Cookies;
  readonly embedIn: readonly string[];
  /** Holds where logins do: on all nodes that share them. Rejects with VaultError `store_unreachable` when the store is away. */
  readonly onlyOnce: Once;
  /** The same. */
  readonly handOvers: HandOvers;
  readonly log: Logger;
  readonly options: Pick<SignInOptions, 'sealSecret' | 'happenings'> & { readonly now: () => number };
  readonly #baseUrl: () => string;
  readonly #origins: readonly string[];
  readonly #sessions: Sessions;
  readonly #sweep: NodeJS.Timeout;
  readonly #busy: Array<(session: Session) => boolean> = [];
  readonly #homes = new Map<Role, string>();
  readonly #found = new WeakMap<FastifyRequest, Promise<Session | undefined>>();
  readonly #passed = new WeakMap<FastifyRequest, Session>();

  constructor(options: SignInOptions) {
    super();
    // Each room behind the door is a listener.
    this.setMaxListeners(0);
    const now = options.now ?? Date.now;
    this.options = { now, ...(options.sealSecret !== undefined && { sealSecret: options.sealSecret }), ...(options.happenings && { happenings: options.happenings }) };
    this.log = options.log;
    this.accounts = new Accounts(options.accounts);
    const { idleTimeoutMs = 30 * 60_000, maxSessionMs = 12 * 3_600_000, idleLockMs } = options;
    const policy = { idleTimeoutMs, maxSessionMs, ...(idleLockMs !== undefined && { idleLockMs }) };
    this.tenants = options.tenants ?? [{ name: 'main', displayName: '', path: '', local: true, policy }];
    this.throttle = new LoginThrottle({ now, ...options.throttle });
    this.embedIn = options.embedIn ?? [];
    this.onlyOnce = options.share ?? new OnceHere(now);
    this.handOvers = options.share ?? new HandOversHere(now);
    this.#origins = options.origins ?? [];
    this.#baseUrl = options.baseUrl ?? (() => this.#origins[0] ?? '');
    this.cookies = new Cookies({
      secure: options.secureCookie ?? (this.#origins.length > 0 ? this.#origins.every((origin) => origin.startsWith('https:')) : undefined),
      embedded: this.embedIn.length > 0,
    });
    this.#sessions = new Sessions(
      {
        policyOf: (tenant) => this.tenant(tenant)?.policy ?? policy,
        principalOf: (record) => this.accounts.principalOf(record),
        share: options.share,
        log: options.log,
        now,
      },
      {
        ended: (session) => this.emit('ended', session),
        over: ({ agent, principal: { tenant, by } }) => this.options.happenings?.tell({ type: 'agent.signedOut', tenant, agent, by }),
        locked: (session) => this.emit('locked', session),
        unlocked: (session) => this.emit('unlocked', session),
      },
    );
    this.#sweep = setInterval(() => void this.#sessions.sweep((session) => this.#busy.some((isBusy) => isBusy(session))).catch((error: unknown) => this.log.error({ err: error }, 'logins were not looked through')), sweepIntervalMs);
    this.#sweep.unref();
  }

  tenant(name: string): SignInTenant | undefined {
    return this.tenants.find((tenant) => tenant.name === name);
  }

  /** While this says so, a session is neither locked nor ended for want of a touch: somebody in a call is working, whatever the mouse does. */
  busyWhen(isBusy: (session: Session) => boolean): void {
    this.#busy.push(isBusy);
  }

  /** Names the page that people of a role want to see first. */
  homeFor(role: Role, path: string): void {
    this.#homes.set(role, path);
  }

  /** Where somebody goes who asked for nothing in particular. */
  homeOf({ principal }: Session): string {
    for (const role of principal.roles) {
      const home = this.#homes.get(role);
      if (home !== undefined) return home;
    }
    return '/account';
  }

  /** The page of a role for who has that role, so that another page can lead there; undefined for everybody else, and where there is none. */
  pageOf({ principal }: Session, role: Role): string | undefined {
    return principal.roles.includes(role) ? this.#homes.get(role) : undefined;
  }

  /** The pages of each role, for who has several. */
  homes(): ReadonlyMap<Role, string> {
    return this.#homes;
  }

  /** An address of ours as the provider and the browser know it. */
  addressOf(path: string): string {
    return this.#baseUrl() + path;
  }

  /**
   * The live session of this request's browser, if it has one, locked or not.
   * @throws SessionsAwayError when that cannot be known now
   */
  sessionOf(request: FastifyRequest): Promise<Session | undefined> {
    let found = this.#found.get(request);
    if (!found) {
      found = this.#sessions.find(this.cookies.login.of(request));
      this.#found.set(request, found);
    }
    return found;
  }

  /** @throws SessionsAwayError */
  sessionByCookie(cookie: string | undefined): Promise<Session | undefined> {
    return this.#sessions.find(cookie);
  }

  /** @throws SessionsAwayError */
  sessionByKey(key: string): Promise<Session | undefined> {
    return this.#sessions.byKey(key);
  }

  /** The session that a guard of this request's route has let pass. */
  here(request: FastifyRequest): Session {
    const session = this.#passed.get(request);
    if (!session) throw new Error('a route without a guard asked who is there');
    return session;
  }

  /**
   * Lets pass who has at least one of these roles, and answers everybody else: 401 `not_logged_in`, 403 `not_allowed`,
   * 423 `locked`, 503 `store_away`.
   */
  requireRole(...allowed: readonly [Role, ...Role[]]): Guard {
    const refuse = (reply: FastifyReply, status: number, error: string, message: string): FastifyReply => reply.code(status).send({ error, message });
    return this.#guard(allowed, {
      nobody: (_request, reply) => refuse(reply, 401, 'not_logged_in', 'Log in first.'),
      locked: (_request, reply) => refuse(reply, 423, 'locked', 'Unlock first.'),
      notAllowed: (_request, reply) => refuse(reply, 403, 'not_allowed', 'Your account may not do this.'),
      away: (_request, reply) => refuse(reply, 503, 'store_away', 'Who is logged in cannot be looked up now. Try again.'),
    });
  }

  /** The same for a page that people open: they are shown what they can do. */
  pageFor(...allowed: readonly [Role, ...Role[]]): Guard {
    return this.#guard(allowed, {
      nobody: (request, reply) => {
        if (request.method !== 'GET') return reply.redirect('/login', 303);
        // The way here began at another site, so the login did not come along: it does when our own page asks.
        if (request.headers['sec-fetch-site'] === 'cross-site' && request.headers['sec-fetch-mode'] === 'navigate') return this.html(reply, 200, onwardPage(this.look(request), request.url));
        const path = request.url.split('?')[0] ?? '/';
        const next = path === this.#homes.get('agent') ? '' : `?next=${encodeURIComponent(path)}`;
        return reply.redirect(`/login${next}`, 303);
      },
      locked: (_request, reply) => reply.redirect('/unlock', 303),
      notAllowed: (request, reply) => this.html(reply, 403, notAllowedPage(this.look(request))),
      away: (request, reply) => this.html(reply.header('retry-after', '30'), 503, awayPage(this.look(request))),
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

  /**
   * Starts a session under a new secret, and ends the one this browser had.
   * @param how `before`: key of that one, where the request cannot say it; `marks`: by what a provider may end the new one
   * @throws SessionsAwayError
   */
  async start(request: FastifyRequest, reply: FastifyReply, account: Account, by: ProvedBy, roles: readonly Role[], { before, marks }: { before?: string; marks?: ProviderMarks } = {}): Promise<Session> {
    const { name, displayName, tenant, stamp } = account;
    const former = before === undefined ? await this.sessionOf(request) : await this.#sessions.byKey(before);
    const { cookie, session } = await this.#sessions.start({ name, displayName, tenant, roles, by }, stamp, marks);
    if (former) await this.#sessions.end(former);
    this.#found.set(request, Promise.resolve(session));
    this.emit('started', session);
    this.log.info({ person: name, by }, 'logged in');
    this.options.happenings?.tell({ type: 'agent.signedIn', tenant, agent: name, by });
    this.cookies.login.set(request, reply, cookie, this.tenant(tenant)?.policy.maxSessionMs ?? 0);
    return session;
  }

  /** These are the accounts from now on; logins that rested on what is no more are over. */
  async replaceAccounts(accounts: readonly Account[]): Promise<void> {
    this.accounts.replace(accounts);
    await this.#sessions.endGroundless();
  }

  async end(session: Session): Promise<void> {
    await this.#sessions.end(session);
  }

  /** Logs the browser of a request out whose login could not be found. */
  async endUnknown(request: FastifyRequest): Promise<void> {
    await this.#sessions.endUnknown(this.cookies.login.of(request));
  }

  async lock(session: Session): Promise<void> {
    await this.#sessions.lock(session);
    this.log.info({ person: session.agent }, 'locked');
  }

  /**
   * The tenant's provider says that these are over.
   * @returns how many ended
   * @throws SessionsAwayError when not all could be looked up; those that this node knows are over all the same
   */
  endByProvider({ name }: SignInTenant, ended: EndedMarks): Promise<number> {
    return this.#sessions.endMarked(name, ended);
  }

  /** @throws SessionsAwayError */
  async unlock(session: Session, marks?: ProviderMarks): Promise<void> {
    await this.#sessions.unlock(session, marks);
    this.log.info({ person: session.agent }, 'unlocked');
  }

  /** Nobody came in. @param account whose account it would have been, if anybody's */
  refused(by: ProvedBy, account: Account | undefined, tenant?: string): void {
    const known = account?.tenant ?? tenant;
    this.log.info({ by, ...(account && { knownPerson: account.name }) }, 'login refused');
    this.options.happenings?.tell({ type: 'agent.refused', by, ...(known !== undefined && { tenant: known }), ...(account && { agent: account.name }) });
  }

  /** How a page looks to who made this request. */
  look(request: FastifyRequest, tenant?: SignInTenant): Look {
    return { language: languageOf(request.headers['accept-language']), provider: tenant?.oidc?.config.label };
  }

  html(reply: FastifyReply, status: number, page: string): FastifyReply {
    return reply.code(status).type('text/html; charset=utf-8').send(page);
  }

  /** Stops every timer. Idempotent. */
  close(): void {
    clearInterval(this.#sweep);
    this.#sessions.close();
  }

  #guard(allowed: readonly Role[], answers: Record<'nobody' | 'locked' | 'notAllowed' | 'away', (request: FastifyRequest, reply: FastifyReply) => FastifyReply>): Guard {
    return async (request, reply) => {
      let session: Session | undefined;
      try {
        session = await this.sessionOf(request);
      } catch (error) {
        if (!(error instanceof SessionsAwayError)) throw error;
        await answers.away(request, reply);
        return;
      }
      if (!session) await answers.nobody(request, reply);
      else if (session.locked) await answers.locked(request, reply);
      else if (!session.principal.roles.some((role) => allowed.includes(role))) {
        this.log.warn({ person: session.agent, path: request.routeOptions.url }, 'refused for want of a role');
        await answers.notAllowed(request, reply);
      } else this.#passed.set(request, session);
    };
  }
}
