import { randomBytes } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { SealedBox, VaultError } from '../../core-bridge/index.js';
import { accountClaim, rolesFrom } from './claims.js';
import { ticket } from './hand-over.js';
import { matterOf, nextPage, showLogin } from './login-routes.js';
import { handedOverPage, onwardPage, unlockPage } from './pages.js';
import type { Account, Role } from './principal.js';
import { ProviderError } from './provider.js';
import { loginMarks, type ProviderMarks } from './provider-marks.js';
import { isSentByAnother } from './request-origin.js';
import { SessionsAwayError } from './sessions.js';
import type { SignIn, SignInTenant } from './sign-in.js';
import type { LoginProblem } from './texts.js';

/** What a sign-in began with. It stays with the browser that began it, so that it can end nowhere else. */
const begunSchema = z.strictObject({
  tenant: z.string(),
  at: z.number(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  next: nextPage.optional(),
  /** The login that this browser had then. */
  session: z.string().optional(),
  /** Whether it is to be unlocked, rather than replaced. */
  unlock: z.boolean(),
  /** The frame that it is for, in place of this window. */
  frame: ticket.optional(),
});
type BegunHere = z.infer<typeof begunSchema>;

/** How long somebody may take at the provider: forgotten passwords and second factors included. */
export const maxAwayMs = 15 * 60_000;
/** Clocks of the provider and of this machine may differ so much. */
export const clockToleranceMs = 30_000;
const maxAnswerCharacters = 8192;
/** A frame that waits takes a sign-in within seconds. */
const handOverMs = 120_000;
const beginQuery = z.object({ next: nextPage.optional().catch(undefined), other: z.literal('1').optional().catch(undefined), frame: ticket.optional().catch(undefined) });

export const statusOf: Partial<Record<LoginProblem, number>> = { provider_unreachable: 502, provider_refused: 502, store_away: 503, account_unknown: 403, no_role: 403, other_person: 403, not_fresh: 403 };

/** `/login/oidc`, `/login/callback` and `/unlock/oidc` of each tenant with a provider. */
export function oidcRoutes(app: FastifyInstance, signIn: SignIn): void {
  const box = new SealedBox(signIn.options.sealSecret ?? randomBytes(32).toString('hex'), 'sign-in', begunSchema);
  for (const tenant of signIn.tenants) if (tenant.oidc) routesOf(app, signIn, box, tenant, tenant.oidc);
}

function routesOf(app: FastifyInstance, signIn: SignIn, box: SealedBox<BegunHere>, tenant: SignInTenant, { config, provider }: NonNullable<SignInTenant['oidc']>): void {
  const { path } = tenant;
  const { now } = signIn.options;
  const callback = `${path}/login/callback`;

  const refuse = (request: FastifyRequest, reply: FastifyReply, problem: LoginProblem, { next, frame }: Pick<BegunHere, 'next' | 'frame'> = {}): FastifyReply =>
    showLogin(signIn, request, reply, { ...matterOf(signIn, request, tenant, next), ...(frame !== undefined && { frame, local: false }) }, tenant, statusOf[problem] ?? 400, problem);

  const begin = async (request: FastifyRequest, reply: FastifyReply, how: Pick<BegunHere, 'next' | 'session' | 'unlock' | 'frame'>, fresh: boolean): Promise<FastifyReply> => {
    const { url, begun } = await provider.begin(signIn.addressOf(callback), fresh);
    signIn.cookies.begun.set(request, reply, box.seal({ tenant: tenant.name, at: now(), ...begun, ...how }), maxAwayMs);
    return reply.redirect(url.href, 303);
  };

  app.get(`${path}/login/oidc`, async (request, reply) => {
    const { next, other, frame } = beginQuery.parse(request.query);
    // Begun by a link of another site it would end the login this browser has: people begin it themselves.
    if (isSentByAnother(request.headers)) return reply.redirect(`${path}/login`, 303);
    // For a frame only a page of ours asks, which that frame has told: a link with somebody else's ticket signs nobody in there.
    if (frame !== undefined && (signIn.embedIn.length === 0 || request.headers['sec-fetch-site'] !== 'same-origin')) return reply.redirect(`${path}/login`, 303);
    try {
      if (frame !== undefined) return await begin(request, reply, { unlock: false, frame }, other !== undefined);
      const session = await signIn.sessionOf(request);
      return await begin(request, reply, { unlock: false, ...(next !== undefined && { next }), ...(session && { session: session.key }) }, other !== undefined);
    } catch (error) {
      return refuse(request, reply, problemOf(signIn, error), { ...(next !== undefined && { next }), ...(frame !== undefined && { frame }) });
    }
  });

  app.get(`${path}/unlock/oidc`, async (request, reply) => {
    if (isSentByAnother(request.headers)) return reply.redirect('/unlock', 303);
    try {
      const session = await signIn.sessionOf(request);
      if (!session?.locked || session.principal.by !== 'oidc' || session.principal.tenant !== tenant.name) return reply.redirect('/unlock', 303);
      return await begin(request, reply, { unlock: true, session: session.key }, true);
    } catch (error) {
      return refuse(request, reply, problemOf(signIn, error));
    }
  });

  app.get(callback, async (request, reply) => {
    const sealed = signIn.cookies.begun.of(request);
    signIn.cookies.begun.clear(request, reply);
    const begun = sealed !== undefined && sealed.length <= maxAnswerCharacters ? box.open(sealed) : undefined;
    if (!begun || begun.tenant !== tenant.name || now() - begun.at > maxAwayMs || request.url.length > maxAnswerCharacters) return refuse(request, reply, 'provider_too_late');
    try {
      // Not from the Host header: what the provider was told is what counts.
      const answer = new URL(signIn.addressOf(callback));
      answer.search = request.url.split('?').slice(1).join('?');
      const claims = await provider.finish(answer, begun);
      const claimed = accountClaim(claims, config.agentClaim);
      const account = claimed === undefined ? undefined : signIn.accounts.byClaim(tenant.name, claimed);
      const marks = loginMarks(config.issuer, claims);
      if (begun.unlock) return await unlock(request, reply, begun, account, { authTime: claims.auth_time, marks });
      if (!account) {
        signIn.refused('oidc', undefined, tenant.name);
        return refuse(request, reply, 'account_unknown', begun);
      }
      const roles = rolesOf(account, claims);
      if (roles.length === 0) {
        signIn.refused('oidc', account);
        return refuse(request, reply, 'no_role', begun);
      }
      if (begun.frame !== undefined) {
        const provedAt = claims.auth_time === undefined ? {} : { provedAt: claims.auth_time * 1000 };
        const record = { key: begun.frame, tenant: tenant.name, name: account.name, roles: [...roles], stamp: account.stamp, begunAt: begun.at, ...provedAt, ...(marks && { marks }) };
        await signIn.handOvers.leave(record, handOverMs);
        return signIn.html(reply, 200, handedOverPage(signIn.look(request, tenant)));
      }
      const session = await signIn.start(request, reply, account, 'oidc', roles, { before: begun.session ?? '', ...(marks && { marks }) });
      return signIn.html(reply, 200, onwardPage(signIn.look(request, tenant), begun.next ?? signIn.homeOf(session)));
    } catch (error) {
      if (error instanceof ProviderError && error.code !== 'unreachable') signIn.refused('oidc', undefined, tenant.name);
      return refuse(request, reply, problemOf(signIn, error), begun);
    }
  });

  const rolesOf = (account: Account, claims: Readonly<Record<string, unknown>>): readonly Role[] => {
    if (config.rolesClaim === undefined) return account.roles;
    return rolesFrom(claims, config.rolesClaim, config.roles).filter((role) => role !== 'agent' || account.hasPhone);
  };

  /** Only who logged in unlocks, and only by having proved anew who they are. */
  const unlock = async (request: FastifyRequest, reply: FastifyReply, begun: BegunHere, account: Account | undefined, { authTime, marks }: { authTime: number | undefined; marks: ProviderMarks | undefined }): Promise<FastifyReply> => {
    const session = begun.session === undefined ? undefined : await signIn.sessionByKey(begun.session);
    if (!session) return refuse(request, reply, 'provider_too_late');
    const stillLocked = (problem: LoginProblem): FastifyReply => {
      signIn.refused('oidc', account, tenant.name);
      return signIn.html(reply, statusOf[problem] ?? 403, unlockPage({ ...signIn.look(request, tenant), problem }, { person: session.principal, path, framed: false }));
    };
    if (account?.name !== session.agent) return stillLocked('other_person');
    if (authTime === undefined || authTime * 1000 < begun.at - clockToleranceMs) return stillLocked('not_fresh');
    await signIn.unlock(session, marks);
    return signIn.html(reply, 200, onwardPage(signIn.look(request, tenant), signIn.homeOf(session)));
  };
}

function problemOf(signIn: SignIn, error: unknown): LoginProblem {
  if (error instanceof SessionsAwayError || error instanceof VaultError) return 'store_away';
  if (!(error instanceof ProviderError)) throw error;
  signIn.log.warn({ reason: error.message, code: error.code }, 'a sign-in at the provider failed');
  return error.code === 'unreachable' ? 'provider_unreachable' : error.code === 'denied' ? 'provider_denied' : 'provider_refused';
}
