import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import { VaultError } from '../../core-bridge/index.js';
import { Gate } from './gate.js';
import { maxFormBytes } from './login-routes.js';
import { LoginThrottle } from './login-throttle.js';
import { LogoutTokenError, type LogoutToken } from './logout-token.js';
import { ProviderError } from './provider.js';
import { marksOf } from './provider-marks.js';
import { SessionsAwayError } from './sessions.js';
import type { SignIn, SignInTenant } from './sign-in.js';

const form = z.object({ logout_token: z.string().min(1).max(maxFormBytes) });
/** Every evening a whole town logs out at once; each costs a look at a signature. */
const atOnce = 8;
const maxWaiting = 500;
/** So many in a row that do not hold, from one address; after that it waits ever longer. One that holds begins the count anew. */
const freeRefusals = 200;

/**
 * `/logout/backchannel` of each tenant with a provider (OpenID Connect Back-Channel Logout 1.0): the provider says that
 * somebody's session there is over, and the logins here that rest on it end, on all nodes. It is no browser that asks,
 * so there is no cookie and no Origin: the token alone says that it may be done. A browser made to post one by another
 * site can do no more than who has that token could do anyway.
 */
export function backchannelRoutes(app: FastifyInstance, signIn: SignIn): void {
  const throttle = new LoginThrottle({ now: signIn.options.now, freeTries: Infinity, freeTriesPerAddress: freeRefusals });
  const gate = new Gate(atOnce, maxWaiting);
  for (const tenant of signIn.tenants) {
    if (!tenant.oidc) continue;
    const { config, provider } = tenant.oidc;

    app.post(`${tenant.path}/logout/backchannel`, { bodyLimit: maxFormBytes, errorHandler: (_error, _request, reply) => void refuse(reply, 'The request cannot be understood.') }, async (request, reply) => {
      const waitMs = throttle.admit('', request.ip);
      if (waitMs > 0) return tooMuch(reply, 429, waitMs);
      if (gate.isFull) return tooMuch(reply, 503, 1000);
      const given = form.safeParse(request.body);
      if (!given.success) return refuse(reply, 'There is no logout_token.');
      try {
        const token = await gate.run(() => provider.logoutToken(given.data.logout_token));
        throttle.succeeded('', request.ip);
        const ended = await endedOnce(signIn, tenant, config.issuer, token);
        if (ended === undefined) {
          signIn.log.warn({ tenant: tenant.name }, 'a logout by the provider was sent twice');
          return await refuse(reply, 'This logout_token was used before.');
        }
        signIn.log.info({ tenant: tenant.name, ended }, 'the provider ended logins');
        return await reply.code(200).send();
      } catch (error) {
        return refuse(reply, refusalOf(signIn, tenant, error));
      }
    });
  }
}

/** @returns how many ended; undefined when this token was used before */
async function endedOnce(signIn: SignIn, tenant: SignInTenant, issuer: string, token: LogoutToken): Promise<number | undefined> {
  const name = createHash('sha256').update(JSON.stringify(['logout token', tenant.name, issuer, token.id])).digest('base64url');
  const marks = marksOf(issuer, token);
  try {
    if (!(await signIn.onlyOnce.claim(name, token.holdsUntil - signIn.options.now()))) return undefined;
  } catch (error) {
    // The shared store is away. Who is logged in at this node is out all the same.
    await signIn.endByProvider(tenant, marks);
    throw error;
  }
  try {
    return await signIn.endByProvider(tenant, marks);
  } catch (error) {
    // The provider may try again.
    await signIn.onlyOnce.release(name).catch(() => undefined);
    throw error;
  }
}

function refusalOf(signIn: SignIn, tenant: SignInTenant, error: unknown): string {
  if (error instanceof LogoutTokenError) {
    signIn.log.warn({ tenant: tenant.name, reason: error.reason }, 'a logout by the provider was refused');
    return 'The logout_token does not hold.';
  }
  if (error instanceof SessionsAwayError || error instanceof VaultError) {
    signIn.log.error({ tenant: tenant.name }, 'a logout by the provider is not told to the other nodes: the store of logins is away');
    return 'Not all logins could be ended now.';
  }
  if (!(error instanceof ProviderError)) throw error;
  signIn.log.warn({ tenant: tenant.name, reason: error.message }, 'a logout by the provider could not be checked');
  return 'The logout_token cannot be checked now.';
}

/** Section 2.8: whatever was wrong, 400. */
function refuse(reply: FastifyReply, description: string): FastifyReply {
  return reply.code(400).send({ error: 'invalid_request', error_description: description });
}

function tooMuch(reply: FastifyReply, status: 429 | 503, waitMs: number): FastifyReply {
  return reply.code(status).header('retry-after', String(Math.ceil(waitMs / 1000))).send({ error: 'too_many', error_description: 'Try again later.' });
}
