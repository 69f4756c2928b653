import type { Server } from 'node:net';
import type { Logger } from 'pino';

/**
 * How long somebody may keep a connection to an HTTP listener busy, and how many there may be. The same for all
 * listeners. What is answered for long (event streams) or is no HTTP any more (WebSockets) has limits of its own.
 */
export interface HttpLimits {
  /** From the connection, or the first byte of a later request, to the end of its headers, in ms. Also for who never says a word. */
  readonly headersMs: number;
  /** From there to the end of its body, in ms. */
  readonly requestMs: number;
  /** How often the two are looked at, in ms: they may be exceeded by so much. */
  readonly checkEveryMs: number;
  /** How long a connection may wait for its next request, in ms. Longer than proxies keep theirs, so that none is cut in the moment it is used. */
  readonly idleMs: number;
  /** How long nothing may pass in either direction while an answer is under way, in ms: longer than any pause of an event stream. */
  readonly silentMs: number;
  /** How long a TLS handshake may take, in ms. */
  readonly handshakeMs: number;
  /** Connections of one listener at one time; one more is closed at once. */
  readonly maxConnections: number;
}

export const httpLimits: HttpLimits = {
  headersMs: 10_000, requestMs: 15_000, checkEveryMs: 2_000, idleMs: 72_000, silentMs: 120_000, handshakeMs: 10_000, maxConnections: 10_000,
};

/** The limits as options of Fastify's server: of `http`, or with TLS of `https`. */
export function timeLimits({ headersMs, requestMs, checkEveryMs, idleMs, silentMs }: HttpLimits) {
  return {
    server: { connectionTimeout: silentMs, keepAliveTimeout: idleMs, requestTimeout: requestMs },
    http: { headersTimeout: headersMs, requestTimeout: requestMs, connectionsCheckingInterval: checkEveryMs },
  };
}

/** A listener that is full is said to be so this often at most, in ms. */
const sayFullEveryMs = 60_000;

/** Bounds the number of a server's connections, and has the log say when there are too many. */
export function limitConnections(server: Server, { maxConnections }: HttpLimits, log: Logger): void {
  server.maxConnections = maxConnections;
  let saidAt = -Infinity;
  server.on('drop', () => {
    if (performance.now() - saidAt < sayFullEveryMs) return;
    saidAt = performance.now();
    log.warn({ maxConnections }, 'more connections than this listener takes: others are closed at once');
  });
}
