import type { FastifyPluginAsync } from 'fastify';
import type { WebSocket } from 'ws';
import { html } from '../../core-bridge/html.js';
import type { Session, SignIn } from '../sign-in/sign-in.js';
import { loadPages } from './pages.js';

/** What the routes need of the screens behind them. */
export interface ScreenDoor {
  opened(socket: WebSocket, session: Session): void;
}

/** What else the same person may do here, and the word of the page that stands for it. */
const otherPages = [['supervisor', 'supervisorPage'], ['auditor', 'auditPage']] as const;

/** Ways to the pages of a person's other roles. Each opens in a tab: leaving the screen would take the caller off it, and the agent away. */
function waysOn(signIn: SignIn, session: Session): string {
  return otherPages.map(([role, word]) => {
    const page = signIn.pageOf(session, role);
    return page === undefined ? '' : html`<a class="button quiet" href="${page}" target="_blank" rel="noopener"><span data-word="${word}"></span> <span aria-hidden="true">↗</span><span class="unseen" data-word="inTab"></span></a>`.text;
  }).join('');
}

/** A room on the agents' listener: `/screen`, `/screen/ws` and what the page is made of. For agents only. */
export function screenRoutes(signIn: SignIn, door: ScreenDoor): FastifyPluginAsync {
  return (app) => {
    const pages = loadPages();
    signIn.homeFor('agent', '/screen');
    const agentsOnly = signIn.requireRole('agent');

    app.get('/screen', { preValidation: signIn.pageFor('agent') }, async (request, reply) => {
      const session = signIn.here(request);
      session.touch();
      return reply.type('text/html; charset=utf-8').send(pages.screen.replace('<!-- other pages -->', () => waysOn(signIn, session)));
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
