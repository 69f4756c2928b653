import cookie from '@fastify/cookie';
import formbody from '@fastify/formbody';
import helmet from '@fastify/helmet';
import websocket from '@fastify/websocket';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { z } from 'zod';
import type { LoginThrottle } from './login-throttle.js';
import { Gate } from './gate.js';
import { closeCodes, maxPageMessageBytes } from './messages.js';
import { languageOf, loadPages, type LoginProblem } from './pages.js';
import { isOwnOrigin } from './request-origin.js';
import type { ScreenAgent } from './screens.js';
import type { LoginSession, LoginSessions } from './sessions.js';

/** What the listener needs of the screens behind it. */
export interface Door {
  agents: ReadonlyMap<string, ScreenAgent>;
  sessions: LoginSessions;
  throttle: LoginThrottle;
  origins: readonly string[];
  secureCookie: boolean | undefined;
  maxSessionMs: number;
  log: Logger;
  loggedIn(session: LoginSession, ended: readonly LoginSession[]): void;
  loggedOut(session: LoginSession): void;
  opened(socket: WebSocket, session: LoginSession): void;
}

const loginForm = z.object({ name: z.string().min(1).max(64), password: z.string().min(1).max(256) });
const maxFormBytes = 4096;
/** Checking a password is meant to be slow; more at once would starve everything else on the machine. */
const passwordChecksAtOnce = 2;
/** A whole office logging in at nine. */
const maxWaitingLogins = 200;

/**
 * The agents' listener: `/login`, `/logout`, `/screen`, `/screen/ws` and what the pages are made of.
 *
 * Nothing is stored by the browser or by anything between (no-store), nothing runs that is not served from here (CSP
 * without inline code), no other site can frame the page, post to it or open its socket.
 */
export function agentsListener(door: Door): FastifyPluginAsync {
  return async (app) => {
    const pages = loadPages();
    const passwordChecks = new Gate(passwordChecksAtOnce, maxWaitingLogins);

    await app.register(helmet, {
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          'default-src': ["'none'"], 'script-src': ["'self'"], 'style-src': ["'self'"], 'img-src': ["'self'"], 'connect-src': ["'self'"],
          'base-uri': ["'none'"], 'form-action': ["'self'"], 'frame-ancestors': ["'none'"], 'require-trusted-types-for': ["'script'"],
        },
      },
      // With no-referrer a browser would send `Origin: null` with the login form.
      referrerPolicy: { policy: 'same-origin' },
      frameguard: { action: 'deny' },
    });
    await app.register(cookie);
    await app.register(formbody, { bodyLimit: maxFormBytes });
    await app.register(websocket, { options: { maxPayload: maxPageMessageBytes, perMessageDeflate: false } });
    app.addHook('onRequest', async (_request, reply) => {
      reply.header('cache-control', 'no-store').header('permissions-policy', 'camera=(), microphone=(), geolocation=(), display-capture=()');
    });

    app.setErrorHandler(async (error: { statusCode?: number }, _request, reply) => {
      const status = error.statusCode ?? 500;
      if (status >= 400 && status < 500) return reply.code(status).send({ error: 'bad_request', message: 'This request cannot be understood.' });
      door.log.error({ err: error }, 'a request of an agent failed');
      return reply.code(500).send({ error: 'internal_error', message: 'Something went wrong here. Try again.' });
    });
    app.all('/*', async (_request, reply) => reply.code(404).send({ error: 'not_found', message: 'There is no such page.' }));

    // The __Host- prefix makes a browser refuse the cookie unless it is Secure, of this host and of the whole of it (RFC 6265bis 4.1.3.2).
    const isSecure = (request: FastifyRequest): boolean => door.secureCookie ?? request.protocol === 'https';
    const cookieName = (request: FastifyRequest): string => (isSecure(request) ? '__Host-screen' : 'screen');
    const sessionOf = (request: FastifyRequest): LoginSession | undefined => door.sessions.find(request.cookies[cookieName(request)]);
    const cookieOptions = (request: FastifyRequest) => ({ path: '/', httpOnly: true, sameSite: 'strict' as const, secure: isSecure(request) });

    const ownPagesOnly = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      if (isOwnOrigin(request.headers, door.origins)) return;
      door.log.warn({ path: request.routeOptions.url }, 'refused a request made by another site');
      await reply.code(403).send({ error: 'foreign_origin', message: 'This request did not come from a page of this site.' });
    };

    const showLogin = (request: FastifyRequest, reply: FastifyReply, status: number, problem?: LoginProblem, waitMs = 0): FastifyReply => {
      const retryAfterS = Math.ceil(waitMs / 1000);
      if (waitMs > 0) reply.header('retry-after', String(retryAfterS));
      if (problem && !(request.headers.accept ?? '').includes('text/html')) {
        return reply.code(status).send({ error: problem, message: pages.loginProblem('en', problem, retryAfterS) });
      }
      return reply.code(status).type('text/html; charset=utf-8').send(pages.login(languageOf(request.headers['accept-language']), problem, retryAfterS));
    };

    app.get('/', async (_request, reply) => reply.redirect('/screen', 303));

    app.get('/login', async (request, reply) => (sessionOf(request) ? reply.redirect('/screen', 303) : showLogin(request, reply, 200)));

    app.post('/login', { preValidation: ownPagesOnly, bodyLimit: maxFormBytes }, async (request, reply) => {
      const form = loginForm.safeParse(request.body);
      if (!form.success) return showLogin(request, reply, 400, 'login_incomplete');
      const name = form.data.name.trim();
      const waitMs = door.throttle.admit(name, request.ip);
      if (waitMs > 0) return showLogin(request, reply, 429, 'login_too_often', waitMs);
      if (passwordChecks.isFull) return showLogin(request, reply, 503, 'login_busy', 1000);

      const agent = door.agents.get(name);
      // A name nobody has costs the same time as a wrong password: it is checked against somebody's, and refused.
      const checked = agent ?? door.agents.values().next().value;
      const right = await passwordChecks.run(async () => (await checked?.checkPassword(form.data.password)) === true);
      if (!agent || !right) {
        door.log.info({ knownAgent: agent?.name }, 'login refused');
        return showLogin(request, reply, 401, 'login_failed');
      }
      door.throttle.succeeded(name, request.ip);
      const before = sessionOf(request);
      if (before) door.loggedOut(before);
      const { cookie: value, session, ended } = door.sessions.start(agent.name);
      door.loggedIn(session, ended);
      door.log.info({ agent: agent.name }, 'agent logged in');
      return reply.setCookie(cookieName(request), value, { ...cookieOptions(request), maxAge: Math.floor(door.maxSessionMs / 1000) }).redirect('/screen', 303);
    });

    app.post('/logout', { preValidation: ownPagesOnly }, async (request, reply) => {
      const session = sessionOf(request);
      if (session) door.loggedOut(session);
      return reply.clearCookie(cookieName(request), cookieOptions(request)).header('clear-site-data', '"cache"').redirect('/login', 303);
    });

    app.get('/screen', async (request, reply) => {
      const session = sessionOf(request);
      if (!session) return reply.redirect('/login', 303);
      door.sessions.touch(session);
      return reply.type('text/html; charset=utf-8').send(pages.screen);
    });

    // The page asks this when its socket is refused: a WebSocket does not tell its page why.
    app.get('/screen/session', async (request, reply) => {
      if (sessionOf(request)) return { loggedIn: true };
      return reply.code(401).send({ error: 'not_logged_in', message: 'Log in first.' });
    });

    for (const [name, asset] of pages.assets) {
      app.get(`/screen/assets/${name}`, async (_request, reply) => reply.type(asset.type).send(asset.content));
    }

    app.get('/screen/ws', {
      websocket: true,
      preValidation: async (request: FastifyRequest, reply: FastifyReply) => {
        if (request.headers.origin === undefined || !isOwnOrigin(withoutFetchMetadata(request), door.origins)) {
          door.log.warn('refused a screen socket opened by another site');
          await reply.code(403).send({ error: 'foreign_origin', message: 'This socket was not opened by a page of this site.' });
        } else if (!sessionOf(request)) {
          await reply.code(401).send({ error: 'not_logged_in', message: 'Log in first.' });
        }
      },
    }, (socket, request) => {
      const session = sessionOf(request);
      if (session) door.opened(socket, session);
      else socket.close(closeCodes.loggedOut);
    });
  };
}

/** Browsers differ in what fetch metadata they send with a WebSocket; its Origin is always there and always true. */
function withoutFetchMetadata(request: FastifyRequest): FastifyRequest['headers'] {
  return { host: request.headers.host, origin: request.headers.origin };
}
