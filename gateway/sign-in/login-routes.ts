import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Gate } from './gate.js';
import { languageOf, loadLoginPage, type LoginProblem } from './login-page.js';
import type { SignIn } from './sign-in.js';

const loginForm = z.object({ name: z.string().min(1).max(64), password: z.string().min(1).max(256) });
export const maxFormBytes = 4096;
/** Checking a password is meant to be slow; more at once would starve everything else on the machine. */
const passwordChecksAtOnce = 2;
/** A whole office logging in at nine. */
const maxWaitingLogins = 200;

/** `/login` and `/logout`. */
export function loginRoutes(app: FastifyInstance, signIn: SignIn): void {
  const page = loadLoginPage();
  const passwordChecks = new Gate(passwordChecksAtOnce, maxWaitingLogins);

  const showLogin = (request: FastifyRequest, reply: FastifyReply, status: number, problem?: LoginProblem, waitMs = 0): FastifyReply => {
    const retryAfterS = Math.ceil(waitMs / 1000);
    if (waitMs > 0) reply.header('retry-after', String(retryAfterS));
    if (problem && !(request.headers.accept ?? '').includes('text/html')) {
      return reply.code(status).send({ error: problem, message: page.problem('en', problem, retryAfterS) });
    }
    return reply.code(status).type('text/html; charset=utf-8').send(page.html(languageOf(request.headers['accept-language']), problem, retryAfterS));
  };

  app.get('/login', async (request, reply) => ((await signIn.sessionOf(request)) ? reply.redirect('/screen', 303) : showLogin(request, reply, 200)));

  app.post('/login', { preValidation: signIn.ownPagesOnly, bodyLimit: maxFormBytes }, async (request, reply) => {
    const form = loginForm.safeParse(request.body);
    if (!form.success) return showLogin(request, reply, 400, 'login_incomplete');
    const name = form.data.name.trim();
    const waitMs = signIn.throttle.admit(name, request.ip);
    if (waitMs > 0) return showLogin(request, reply, 429, 'login_too_often', waitMs);
    if (passwordChecks.isFull) return showLogin(request, reply, 503, 'login_busy', 1000);

    const account = signIn.accounts.get(name);
    // A name nobody has costs the same time as a wrong password: it is checked against somebody's, and refused.
    const checked = account ?? signIn.accounts.values().next().value;
    const right = await passwordChecks.run(async () => (await checked?.checkPassword(form.data.password)) === true);
    if (!account || !right) {
      signIn.log.info({ knownPerson: account?.name }, 'login refused');
      return showLogin(request, reply, 401, 'login_failed');
    }
    signIn.throttle.succeeded(name, request.ip);
    await signIn.start(request, reply, account, 'password');
    return reply.redirect('/screen', 303);
  });

  app.post('/logout', { preValidation: signIn.ownPagesOnly }, async (request, reply) => {
    const session = await signIn.sessionOf(request);
    if (session) signIn.end(session);
    signIn.forgetCookie(request, reply);
    return reply.header('clear-site-data', '"cache"').redirect('/login', 303);
  });
}
