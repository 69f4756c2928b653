import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import cookie from '@fastify/cookie';
import formbody from '@fastify/formbody';
import helmet from '@fastify/helmet';
import websocket from '@fastify/websocket';
import type { FastifyPluginAsync } from 'fastify';
import { backchannelRoutes } from './backchannel-routes.js';
import { frameRoutes } from './frame-routes.js';
import { lockRoutes } from './lock-routes.js';
import { loginRoutes, maxFormBytes, PasswordCheck } from './login-routes.js';
import { oidcRoutes } from './oidc-routes.js';
import { SessionsAwayError } from './sessions.js';
import type { SignIn } from './sign-in.js';

const assets = [['sign-in.css', 'text/css; charset=utf-8'], ['icon.svg', 'image/svg+xml'], ['framed.js', 'text/javascript; charset=utf-8'], ['tab.js', 'text/javascript; charset=utf-8']] as const;
/** The longest message a page of any room may send over a WebSocket, in bytes. */
const maxSocketMessageBytes = 2048;

/**
 * Everything on the agents' listener: the ways in and out, and the rooms behind them, each a plugin that guards its own
 * routes with `signIn.requireRole` or `signIn.pageFor`, and with `signIn.ownPagesOnly` whatever changes something.
 *
 * Nothing is stored by the browser or by anything between (no-store), nothing runs that is not served from here (CSP
 * without inline code), no other site can post to a page or open its socket; none can frame it but those in `embedIn`.
 */
export function agentsListener(signIn: SignIn, rooms: readonly FastifyPluginAsync[]): FastifyPluginAsync {
  return async (app) => {
    await app.register(helmet, {
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          'default-src': ["'none'"], 'script-src': ["'self'"], 'style-src': ["'self'"], 'img-src': ["'self'"], 'connect-src': ["'self'"],
          'base-uri': ["'none'"], 'form-action': ["'self'"], 'frame-ancestors': signIn.embedIn.length > 0 ? [...signIn.embedIn] : ["'none'"], 'require-trusted-types-for': ["'script'"],
        },
      },
      // With no-referrer a browser would send `Origin: null` with the login form.
      referrerPolicy: { policy: 'same-origin' },
      // It knows no list; browsers that heed frame-ancestors ignore it, and the list is for them.
      frameguard: signIn.embedIn.length > 0 ? false : { action: 'deny' },
    });
    await app.register(cookie);
    await app.register(formbody, { bodyLimit: maxFormBytes });
    await app.register(websocket, { options: { maxPayload: maxSocketMessageBytes, perMessageDeflate: false } });
    app.addHook('onRequest', async (_request, reply) => {
      reply.header('cache-control', 'no-store').header('permissions-policy', 'camera=(), microphone=(), geolocation=(), display-capture=()');
    });

    app.setErrorHandler(async (error: { statusCode?: number }, _request, reply) => {
      const status = error.statusCode ?? 500;
      if (status >= 400 && status < 500) return reply.code(status).send({ error: 'bad_request', message: 'This request cannot be understood.' });
      if (error instanceof SessionsAwayError) return reply.code(503).header('retry-after', '30').send({ error: 'store_away', message: 'Who is logged in cannot be looked up now. Try again.' });
      signIn.log.error({ err: error }, 'a request of an agent failed');
      return reply.code(500).send({ error: 'internal_error', message: 'Something went wrong here. Try again.' });
    });
    app.all('/*', async (_request, reply) => reply.code(404).send({ error: 'not_found', message: 'There is no such page.' }));
    app.get('/', async (request, reply) => {
      const session = await signIn.sessionOf(request);
      return reply.redirect(session ? signIn.homeOf(session) : '/login', 303);
    });

    for (const [name, type] of assets) {
      const content = readFileSync(fileURLToPath(new URL(`./pages/${name}`, import.meta.url)));
      app.get(`/sign-in/assets/${name}`, (_request, reply) => reply.type(type).send(content));
    }
    const passwords = new PasswordCheck(signIn);
    loginRoutes(app, signIn, passwords);
    oidcRoutes(app, signIn);
    backchannelRoutes(app, signIn);
    frameRoutes(app, signIn);
    lockRoutes(app, signIn, passwords);
    for (const room of rooms) await app.register(room);
  };
}
