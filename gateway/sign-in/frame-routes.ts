import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { VaultError } from '../../core-bridge/index.js';
import { clockToleranceMs, maxAwayMs, statusOf } from './oidc-routes.js';
import { newFrameSecret, ticketOf } from './hand-over.js';
import { problemText, tabPage } from './pages.js';
import { isSentByAnother } from './request-origin.js';
import { SessionsAwayError } from './sessions.js';
import type { SignIn, SignInTenant } from './sign-in.js';
import type { LoginProblem } from './texts.js';

const tabQuery = z.object({ fresh: z.literal('1').optional().catch(undefined) });

/**
 * A sign-in at the provider for a page in a frame of another site. Providers let nobody frame them, so it is done in a
 * tab, which the frame opens (`/login/tab`) and tells its ticket; the frame asks for its end (`/login/frame/arrived`).
 */
export function frameRoutes(app: FastifyInstance, signIn: SignIn): void {
  if (signIn.embedIn.length === 0) return;
  for (const tenant of signIn.tenants) if (tenant.oidc) routesOf(app, signIn, tenant);
}

function routesOf(app: FastifyInstance, signIn: SignIn, tenant: SignInTenant): void {
  const { path } = tenant;
  const ownOnly = { preValidation: signIn.ownPagesOnly };

  const refuse = (request: FastifyRequest, reply: FastifyReply, problem: LoginProblem): FastifyReply =>
    reply.code(statusOf[problem] ?? 400).send({ error: problem, message: problemText(signIn.look(request, tenant), problem) });

  app.post(`${path}/login/frame`, ownOnly, (request, reply) => {
    const { secret, ticket } = newFrameSecret();
    signIn.cookies.frame.set(request, reply, secret, maxAwayMs);
    return reply.send({ ticket });
  });

  app.get(`${path}/login/tab`, (request, reply) => {
    const { fresh } = tabQuery.parse(request.query);
    if (isSentByAnother(request.headers)) return reply.redirect(`${path}/login`, 303);
    // The window that opened this one stands in a page of another site; with our usual policy the two would not know each other.
    reply.header('cross-origin-opener-policy', 'unsafe-none');
    return signIn.html(reply, 200, tabPage(signIn.look(request, tenant), { path, fresh: fresh !== undefined }));
  });

  app.post(`${path}/login/frame/arrived`, ownOnly, async (request, reply) => {
    const secret = signIn.cookies.frame.of(request);
    if (secret === undefined || secret.length > 128) return refuse(request, reply, 'provider_too_late');
    try {
      const arrived = await signIn.handOvers.take(ticketOf(secret));
      if (!arrived) return await reply.code(204).send();
      signIn.cookies.frame.clear(request, reply);
      const account = signIn.accounts.byName(arrived.name);
      if (arrived.tenant !== tenant.name || account?.tenant !== tenant.name || account.stamp !== arrived.stamp) return refuse(request, reply, 'account_unknown');
      const { marks } = arrived;
      const locked = await signIn.sessionOf(request);
      if (!locked?.locked) {
        const session = await signIn.start(request, reply, account, 'oidc', arrived.roles, marks ? { marks } : {});
        return await reply.send({ to: signIn.homeOf(session) });
      }
      // The same as in a page of its own: only who logged in unlocks, and only by having proved anew who they are.
      const isProved = arrived.provedAt !== undefined && arrived.provedAt >= arrived.begunAt - clockToleranceMs;
      if (locked.agent !== account.name || !isProved) {
        signIn.refused('oidc', account, tenant.name);
        return refuse(request, reply, locked.agent === account.name ? 'not_fresh' : 'other_person');
      }
      await signIn.unlock(locked, marks);
      return await reply.send({ to: signIn.homeOf(locked) });
    } catch (error) {
      if (error instanceof SessionsAwayError || error instanceof VaultError) return refuse(request, reply, 'store_away');
      throw error;
    }
  });
}
