import { constants } from 'node:crypto';
import type { Server as HttpServer } from 'node:http';
import type { Server, ServerOptions } from 'node:https';
import Fastify, { type FastifyInstance } from 'fastify';
import type { ListenerTls } from '../../config/index.js';
import { answerBrokenRequest, answerNotFound } from '../http-error.js';
import { httpLimits, limitConnections, timeLimits, type HttpLimits } from '../http-limits.js';
import { coreListener, type CoreListenerOptions } from './core-listener.js';

/**
 * The HTTP server of the core listener, complete and not yet listening: also what the router and the HTTP parser refuse
 * is answered in our form. It logs no requests: their addresses carry result tokens and their answers codes.
 */
export function createCoreServer(options: CoreListenerOptions, limits: HttpLimits = httpLimits): FastifyInstance {
  const times = timeLimits(limits);
  const app = Fastify({
    logger: false,
    forceCloseConnections: true,
    ...times.server,
    frameworkErrors: (_error, request, reply) => void answerNotFound(request, reply),
    clientErrorHandler: answerBrokenRequest,
    ...(options.tls ? { https: { ...secured(options.tls), ...times.http, handshakeTimeout: limits.handshakeMs } } : { http: times.http }),
  }) as unknown as FastifyInstance;
  limitConnections(app.server, limits, options.log);
  void app.register(coreListener(options));
  return app;
}

/**
 * Gives a running listener another certificate, and another authority for the core's if it believes one, from the next
 * connection on.
 * @param before with which it was created
 * @returns false when that is not possible: whether it speaks TLS, and whether it asks for certificates, takes a restart
 */
export function secureAgain(app: FastifyInstance, before: ListenerTls | undefined, tls: ListenerTls | undefined): boolean {
  const { server } = app as unknown as { server: Server | HttpServer };
  if (before === undefined && tls === undefined) return true;
  // A context without an authority would believe the system's, and the listener would go on asking.
  if (!before || !tls || (before.clientCa === undefined) !== (tls.clientCa === undefined) || !('setSecureContext' in server)) return false;
  server.setSecureContext(secured(tls));
  return true;
}

function secured({ cert, key, clientCa }: ListenerTls): ServerOptions {
  return {
    cert,
    key: key.reveal(),
    minVersion: 'TLSv1.2',
    // A resumed session would be believed by the certificate it began with, expired meanwhile or not.
    secureOptions: constants.SSL_OP_NO_TICKET,
    // Authentication plugins come here too, and have none: who must show one is decided for each request.
    ...(clientCa !== undefined && { ca: clientCa, requestCert: true, rejectUnauthorized: false }),
  };
}
