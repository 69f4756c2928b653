import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Gate } from './gate.js';
import { accountPage, loggedOutPage, loginPage, problemText, type LoginMatter } from './pages.js';
import { roles, type Account } from './principal.js';
import { isSentByAnother } from './request-origin.js';
import { SessionsAwayError, type Session } from './sessions.js';
import type { SignIn, SignInTenant } from './sign-in.js';
import type { LoginProblem } from './texts.js';

export const maxFormBytes = 4096;
/** A page of ours to go on to: a plain path, so that it can be no other site's address. */
export const nextPage = z.string().regex(/^\/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,199}\/?){1,8}$/);
const loginForm = z.object({ name: z.string().min(1).max(64), password: z.string().min(1).max(256), next: nextPage.optional() });
const loggedOutQuery = z.object({ on: z.literal('1').optional().catch(undefined) });
const withNext = z.object({ next: nextPage.optional().catch(undefined) });

/** Checking a password is meant to be slow; more at once would starve everything else on the machine. */
const passwordChecksAtOnce = 2;
/** A whole office logging in at nine. */
const maxWaitingLogins = 200;
/** More tenants than this are not listed on the common login page. */
const maxListed = 50;

/** Checks a password as slowly as it must be, and no more than the machine bears. */
export class PasswordCheck {
  readonly #signIn: SignIn;
  readonly #gate = new Gate(passwordChecksAtOnce, maxWaitingLogins);

  constructor(signIn: SignIn) {
    this.#signIn = signIn;
  }

  /** @returns the milliseconds to wait first when there were too many tries; 'busy'; the account that it opens; undefined when it opens none */
  async check(name: string, password: string, address: string, counts: (tenant: string) => boolean): Promise<number | 'busy' | Account | undefined> {
    const { throttle, accounts } = this.#signIn;
    const waitMs = throttle.admit(name, address);
    if (waitMs > 0) return waitMs;
    if (this.#gate.isFull) return 'busy';
    const account = accounts.byName(name);
    // A name nobody has costs the same time as a wrong password: it is checked against somebody's, and refused.
    const checked = account ?? accounts.any;
    const right = await this.#gate.run(async () => (await checked?.checkPassword(password)) === true);
    // The account may have become another one meanwhile: this password was right for that one alone.
    if (!account || !right || !counts(account.tenant) || !accounts.isStill(account)) {
      this.#signIn.refused('password', account);
      return undefined;
    }
    throttle.succeeded(name, address);
    return account;
  }
}

/** Draws the login page with what went wrong, or tells a program. */
export function showLogin(signIn: SignIn, request: FastifyRequest, reply: FastifyReply, matter: LoginMatter, tenant: SignInTenant | undefined, status: number, problem?: LoginProblem, waitMs = 0): FastifyReply {
  const look = { ...signIn.look(request, tenant), problem, retryAfterS: Math.ceil(waitMs / 1000) };
  if (waitMs > 0) reply.header('retry-after', String(look.retryAfterS));
  if (problem && !(request.headers.accept ?? '').includes('text/html')) {
    return reply.code(status).send({ error: problem, message: problemText({ ...look, language: 'en' }, problem) });
  }
  return signIn.html(reply, status, loginPage(look, matter));
}

export function matterOf(signIn: SignIn, request: FastifyRequest, tenant: SignInTenant | undefined, next: string | undefined): LoginMatter {
  const several = signIn.tenants.filter(({ path }) => path !== '');
  const framed = isFramed(request);
  if (tenant) return { path: tenant.path, local: tenant.local, oidc: tenant.oidc !== undefined, next, framed, organisations: [] };
  const local = signIn.tenants.some((one) => one.local);
  return { path: '', local, oidc: false, next, framed, organisations: several.length > maxListed ? [] : several.filter(({ oidc }) => oidc !== undefined) };
}

/** Whether the page will stand in a frame, where no provider may. */
export function isFramed(request: FastifyRequest): boolean {
  return request.headers['sec-fetch-dest'] === 'iframe';
}

/** `/login` of each tenant and of all together, `/logout`, `/account`. */
export function loginRoutes(app: FastifyInstance, signIn: SignIn, passwords: PasswordCheck): void {
  const only = signIn.tenants.find(({ path }) => path === '');

  const routesOf = (tenant: SignInTenant | undefined): void => {
    const path = tenant?.path ?? '';
    const counts = (name: string): boolean => (tenant === undefined || tenant.name === name) && signIn.tenant(name)?.local === true;

    app.get(`${path}/login`, async (request, reply) => {
      const { next } = withNext.parse(request.query);
      const matter = matterOf(signIn, request, tenant, next);
      let session: Session | undefined;
      try {
        session = await signIn.sessionOf(request);
      } catch (error) {
        if (!(error instanceof SessionsAwayError)) throw error;
        return showLogin(signIn, request, reply, matter, tenant, 503, 'store_away', 30_000);
      }
      if (session) return reply.redirect(session.locked ? '/unlock' : next ?? signIn.homeOf(session), 303);
      return showLogin(signIn, request, reply, matter, tenant, 200);
    });

    app.post(`${path}/login`, { preValidation: signIn.ownPagesOnly, bodyLimit: maxFormBytes }, async (request, reply) => {
      const form = loginForm.safeParse(request.body);
      const matter = matterOf(signIn, request, tenant, form.data?.next);
      const refuse = (status: number, problem: LoginProblem, waitMs = 0): FastifyReply => showLogin(signIn, request, reply, matter, tenant, status, problem, waitMs);
      if (!form.success) return refuse(400, 'login_incomplete');
      const name = form.data.name.trim();
      const outcome = await passwords.check(name, form.data.password, request.ip, counts);
      if (typeof outcome === 'number') return refuse(429, 'login_too_often', outcome);
      if (outcome === 'busy') return refuse(503, 'login_busy', 1000);
      if (!outcome) return refuse(401, 'login_failed');
      try {
        const session = await signIn.start(request, reply, outcome, 'password', outcome.roles);
        return reply.redirect(form.data.next ?? signIn.homeOf(session), 303);
      } catch (error) {
        if (!(error instanceof SessionsAwayError)) throw error;
        return refuse(503, 'store_away', 30_000);
      }
    });

    app.get(`${path}/logged-out`, async (request, reply) => {
      const { on } = loggedOutQuery.parse(request.query);
      const providerUrl = await tenant?.oidc?.provider.logoutUrl(signIn.addressOf(`${path}/login`));
      const framed = isFramed(request);
      // Only who has logged out here just now is sent on: no link of another site logs anybody out at the provider.
      const goesOn = on !== undefined && tenant?.oidc?.config.logoutAtProvider === true && !framed && !isSentByAnother(request.headers);
      return signIn.html(reply, 200, loggedOutPage(signIn.look(request, tenant), { path, providerUrl, framed, goesOn }));
    });
  };
  routesOf(only);
  for (const tenant of signIn.tenants) if (tenant.path !== '') routesOf(tenant);

  app.post('/logout', { preValidation: signIn.ownPagesOnly }, async (request, reply) => {
    let session: Session | undefined;
    try {
      session = await signIn.sessionOf(request);
    } catch (error) {
      // The cookie goes in any case; the login itself then runs out.
      if (!(error instanceof SessionsAwayError)) throw error;
    }
    if (session) await signIn.end(session);
    else await signIn.endUnknown(request);
    signIn.cookies.login.clear(request, reply);
    const tenant = session?.principal.by === 'oidc' ? signIn.tenant(session.principal.tenant) : undefined;
    return reply.header('clear-site-data', '"cache"').redirect(tenant ? `${tenant.path}/logged-out${tenant.oidc?.config.logoutAtProvider === true ? '?on=1' : ''}` : '/login', 303);
  });

  app.get('/account', { preValidation: signIn.pageFor(...roles) }, (request, reply) => {
    const session = signIn.here(request);
    session.touch();
    return signIn.html(reply, 200, accountPage(signIn.look(request, signIn.tenant(session.principal.tenant)), session.principal, signIn.homes()));
  });
}
