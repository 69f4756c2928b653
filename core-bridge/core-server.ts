import Fastify, { type FastifyInstance } from 'fastify';
import { coreListener, type CoreListenerOptions } from './core-listener.js';
import { answerBrokenRequest, answerNotFound } from './http-error.js';

/** A request, headers and body, must have arrived after this long. */
const REQUEST_TIMEOUT_MS = 15_000;

/**
 * The HTTP server of the core listener, complete and not yet listening: also what the router and the HTTP parser refuse
 * is answered in our form. It logs no requests: their addresses carry result tokens and their answers codes.
 */
export function createCoreServer(options: CoreListenerOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    forceCloseConnections: true,
    requestTimeout: REQUEST_TIMEOUT_MS,
    frameworkErrors: (_error, request, reply) => void answerNotFound(request, reply),
    clientErrorHandler: answerBrokenRequest,
  });
  void app.register(coreListener(options));
  return app;
}
