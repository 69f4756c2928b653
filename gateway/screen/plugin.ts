import type { FastifyPluginAsync } from 'fastify';
import type { WebSocket } from 'ws';
import type { Session, SignIn } from '../sign-in/sign-in.js';
import { loadPages } from './pages.js';

/** What the routes need of the screens behind them. */
export interface ScreenDoor {
  opened(socket: WebSocket, session: Session): void;
}

/** A room on the agents' listener: `/screen`, `/screen/ws` and what the page is made of. For agents only. */
export function screenRoutes(signIn: SignIn, door: ScreenDoor): FastifyPluginAsync {
  return (app) => {
    const pages = loadPages();
    signIn.homeFor('agent', '/screen');
    const agentsOnly = signIn.requireRole('agent');

    app.get('/screen', { preValidation: signIn.pageFor('agent') }, async (request, reply) => {
      signIn.here(request).touch();
      return reply.type('text/html; charset=utf-8').send(pages.screen);
    });

    // The page asks this when its socket is refused: a WebSocket does not tell its page why.
    app.get('/screen/session', { preValidation: agentsOnly }, async (_request, reply) => reply.send({ loggedIn: true }));

    for (const [name, asset] of pages.assets) {
      app.get(`/screen/assets/${name}`, async (_request, reply) => reply.type(asset.type).send(asset.content));
    }

    app.get('/screen/ws', { websocket: true, preValidation: [signIn.ownSocketsOnly, agentsOnly] }, (socket, request) => door.opened(socket, signIn.here(request)));
    return Promise.resolve();
  };
}
