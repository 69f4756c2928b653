/** `/supervisor`, its feed and what the page is made of, on the agents' listener. For supervisors only. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { FastifyPluginAsync } from 'fastify';
import type { WebSocket } from 'ws';
import { z } from 'zod';
import type { Session, SignIn } from '../sign-in/sign-in.js';
import { languageOf } from '../sign-in/texts.js';
import { pageHtml } from './page-html.js';
import type { SupervisorView } from './view.js';

/** What the routes need of the room behind them. */
export interface SupervisorDoor {
  view(tenant: string): Promise<SupervisorView>;
  opened(socket: WebSocket, session: Session): void;
}

const assets = ['supervisor.css', 'supervisor.js', 'feed.js', 'patch.js', 'picture.js', 'figures-picture.js', 'tables.js', 'chart.js', 'tree.js', 'words.js'] as const;

/** Of a page without scripts; anything else is left out. */
const querySchema = z.object({
  language: z.enum(['nl', 'en']).optional().catch(undefined),
  service: z.string().max(200).optional().catch(undefined),
  refresh: z.literal('30').optional().catch(undefined),
});

export function supervisorRoutes(signIn: SignIn, door: SupervisorDoor): FastifyPluginAsync {
  return (app) => {
    signIn.homeFor('supervisor', '/supervisor');
    const supervisorsOnly = signIn.requireRole('supervisor');

    app.get('/supervisor', { preValidation: signIn.pageFor('supervisor') }, async (request, reply) => {
      const session = signIn.here(request);
      session.touch();
      const { language = languageOf(request.headers['accept-language']), service, refresh } = querySchema.parse(request.query);
      const view = await door.view(session.principal.tenant);
      const { displayName: person } = session.principal;
      const isAuditor = signIn.pageOf(session, 'auditor') !== undefined;
      const isAgent = signIn.pageOf(session, 'agent') !== undefined;
      return reply.type('text/html; charset=utf-8').send(pageHtml(view, { language, person, isAuditor, isAgent, service: service !== undefined && view.services.includes(service) ? service : '', refreshes: refresh !== undefined }));
    });

    // The page asks this when its socket is refused: a WebSocket does not tell its page why.
    app.get('/supervisor/session', { preValidation: supervisorsOnly }, async (_request, reply) => reply.send({ loggedIn: true }));

    for (const name of assets) {
      const content = readFileSync(fileURLToPath(new URL(`./pages/${name}`, import.meta.url)), 'utf8');
      app.get(`/supervisor/assets/${name}`, async (_request, reply) => reply.type(name.endsWith('.css') ? 'text/css; charset=utf-8' : 'text/javascript; charset=utf-8').send(content));
    }

    app.get('/supervisor/ws', { websocket: true, preValidation: [signIn.ownSocketsOnly, supervisorsOnly] }, (socket, request) => door.opened(socket, signIn.here(request)));
    return Promise.resolve();
  };
}
