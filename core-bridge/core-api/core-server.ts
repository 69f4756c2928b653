import { constants } from 'node:crypto';
import type { ServerOptions } from 'node:https';
import Fastify, { type FastifyInstance } from 'fastify';
import type { ListenerTls } from '../../config/index.js';
import { answerBrokenRequest, answerNotFound } from '../http-error.js';
import { coreListener, type CoreListenerOptions } from './core-listener.js';

/** A request, headers and body, must have arrived after this long. */
const REQUEST_TIMEOUT_MS = 15_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;

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
    ...(options.tls && { https: secured(options.tls) }),
  });
  void app.register(coreListener(options));
  return app;
}

function secured({ cert, key, clientCa }: ListenerTls): ServerOptions {
  return {
    cert,
    key: key.reveal(),
    minVersion: 'TLSv1.2',
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    // A resumed session would be believed by the certificate it began with, expired meanwhile or not.
    secureOptions: constants.SSL_OP_NO_TICKET,
    // Authentication plugins come here too, and have none: who must show one is decided for each request.
    ...(clientCa !== undefined && { ca: clientCa, requestCert: true, rejectUnauthorized: false }),
  };
}
