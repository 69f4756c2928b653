import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isFramed, maxFormBytes, type PasswordCheck } from './login-routes.js';
import { awayPage, problemText, unlockPage } from './pages.js';
import { SessionsAwayError, type Session } from './sessions.js';
import type { SignIn } from './sign-in.js';
import type { LoginProblem } from './texts.js';

const unlockForm = z.object({ password: z.string().min(1).max(256) });

/** `/lock` and `/unlock`: a login that stays while nothing is shown under it. */
export function lockRoutes(app: FastifyInstance, signIn: SignIn, passwords: PasswordCheck): void {
  /** The session, or an answer that has been given in its place. */
  const sessionOr = async (request: FastifyRequest, reply: FastifyReply): Promise<Session | undefined> => {
    try {
      const session = await signIn.sessionOf(request);
      if (!session) await reply.redirect('/login', 303);
      return session;
    } catch (error) {
      if (!(error instanceof SessionsAwayError)) throw error;
      await signIn.html(reply.header('retry-after', '30'), 503, awayPage(signIn.look(request)));
      return undefined;
    }
  };

  const show = (request: FastifyRequest, reply: FastifyReply, session: Session, status: number, problem?: LoginProblem, waitMs = 0): FastifyReply => {
    const tenant = signIn.tenant(session.principal.tenant);
    const look = { ...signIn.look(request, tenant), problem, retryAfterS: Math.ceil(waitMs / 1000) };
    if (waitMs > 0) reply.header('retry-after', String(look.retryAfterS));
    if (problem && !(request.headers.accept ?? '').includes('text/html')) {
      return reply.code(status).send({ error: problem, message: problemText({ ...look, language: 'en' }, problem) });
    }
    return signIn.html(reply, status, unlockPage(look, { person: session.principal, path: tenant?.path ?? '', framed: isFramed(request) }));
  };

  app.post('/lock', { preValidation: signIn.ownPagesOnly }, async (request, reply) => {
    const session = await sessionOr(request, reply);
    if (!session) return reply;
    await signIn.lock(session);
    return reply.redirect('/unlock', 303);
  });

  app.get('/unlock', async (request, reply) => {
    const session = await sessionOr(request, reply);
    if (!session) return reply;
    return session.locked ? show(request, reply, session, 200) : reply.redirect(signIn.homeOf(session), 303);
  });

  app.post('/unlock', { preValidation: signIn.ownPagesOnly, bodyLimit: maxFormBytes }, async (request, reply) => {
    const session = await sessionOr(request, reply);
    if (!session) return reply;
    const form = unlockForm.safeParse(request.body);
    if (!session.locked) return reply.redirect(signIn.homeOf(session), 303);
    // Who came by the provider has to go by it again, even where the account has a password too.
    if (!form.success || session.principal.by !== 'password') return show(request, reply, session, 400, 'login_incomplete');
    const outcome = await passwords.check(session.agent, form.data.password, request.ip, (tenant) => signIn.tenant(tenant)?.local === true);
    if (typeof outcome === 'number') return show(request, reply, session, 429, 'login_too_often', outcome);
    if (outcome === 'busy') return show(request, reply, session, 503, 'login_busy', 1000);
    if (!outcome) return show(request, reply, session, 401, 'login_failed');
    try {
      await signIn.unlock(session);
    } catch (error) {
      if (!(error instanceof SessionsAwayError)) throw error;
      return show(request, reply, session, 503, 'store_away', 30_000);
    }
    return reply.redirect(signIn.homeOf(session), 303);
  });
}
