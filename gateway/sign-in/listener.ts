import cookie from '@fastify/cookie';
import formbody from '@fastify/formbody';
import helmet from '@fastify/helmet';
import websocket from '@fastify/websocket';
import type { FastifyPluginAsync } from 'fastify';
import { loginRoutes, maxFormBytes } from './login-routes.js';
import type { SignIn } from './sign-in.js';

/** The longest message a page of any room may send over a WebSocket, in bytes. */
const maxSocketMessageBytes = 2048;

/**
 * Everything on the agents' listener: `/login`, `/logout`, and the rooms behind them, each a plugin that guards its own
 * routes with `signIn.requireRole`.
 *
 * Nothing is stored by the browser or by anything between (no-store), nothing runs that is not served from here (CSP
 * without inline code), no other site can frame a page, post to it or open its socket.
 */
export function agentsListener(signIn: SignIn, rooms: readonly FastifyPluginAsync[]): FastifyPluginAsync {
  return async (app) => {
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
    await app.register(websocket, { options: { maxPayload: maxSocketMessageBytes, perMessageDeflate: false } });
    app.addHook('onRequest', async (_request, reply) => {
      reply.header('cache-control', 'no-store').header('permissions-policy', 'camera=(), microphone=(), geolocation=(), display-capture=()');
    });

    app.setErrorHandler(async (error: { statusCode?: number }, _request, reply) => {
      const status = error.statusCode ?? 500;
      if (status >= 400 && status < 500) return reply.code(status).send({ error: 'bad_request', message: 'This request cannot be understood.' });
      signIn.log.error({ err: error }, 'a request of an agent failed');
      return reply.code(500).send({ error: 'internal_error', message: 'Something went wrong here. Try again.' });
    });
    app.all('/*', async (_request, reply) => reply.code(404).send({ error: 'not_found', message: 'There is no such page.' }));
    app.get('/', async (_request, reply) => reply.redirect('/screen', 303));

    loginRoutes(app, signIn);
    for (const room of rooms) await app.register(room);
  };
}
