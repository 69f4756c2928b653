/** Subscribers' WebSockets: who they are, what they missed, and whether they are still there. */
import type { Logger } from 'pino';
import type { RawData, WebSocket } from 'ws';
import type { CtiEvent } from './events.js';
import { helloSchema } from './events.js';
import type { Known, Tokens } from './tokens.js';

/** Why we close a socket; RFC 6455 leaves 4000 to 4999 to applications. */
export const ctiCloseCodes = { badMessage: 4400, notKnown: 4401, foreignOrigin: 4403, noHello: 4408, tooMany: 4429, tooSlow: 1013, goingAway: 1001 } as const;

export interface SubscriptionOptions {
  readonly tokens: Tokens;
  readonly log: Logger;
  readonly onCount: (live: number) => void;
  readonly onRefused: (cause: 'token' | 'origin' | 'hello' | 'tooMany' | 'tooSlow') => void;
  readonly onSent: () => void;
  readonly helloWithinMs?: number;
  readonly heartbeatMs?: number;
}

/** Sockets of one subscriber, and of all together: a CRM with a tab for each agent opens many. */
const maxOfOne = 500;
const maxInAll = 5_000;
/** Sockets that have not yet said who they are. */
const maxStrangers = 100;
/** What may wait in a socket before its reader counts as too slow, in bytes; it comes back and asks for what it missed. */
const maxBufferedBytes = 4 * 1_048_576;

interface Live {
  readonly socket: WebSocket;
  readonly known: Known;
  answered: boolean;
}

export class Subscriptions {
  readonly #live = new Set<Live>();
  readonly #strangers = new Set<WebSocket>();
  readonly #heartbeatMs: number;
  readonly #heart: NodeJS.Timeout;

  constructor(private readonly options: SubscriptionOptions) {
    this.#heartbeatMs = options.heartbeatMs ?? 20_000;
    this.#heart = setInterval(() => this.#beat(), this.#heartbeatMs);
    this.#heart.unref();
  }

  /**
   * A socket was opened.
   * @param knownByHeader who the Authorization header says it is
   * @param origin of the page that opened it; undefined for a program outside of a browser
   */
  opened(socket: WebSocket, knownByHeader: Known | undefined, origin: string | undefined): void {
    const { options } = this;
    socket.on('error', (error) => options.log.debug({ err: error }, 'a subscriber’s socket failed'));
    if (this.#strangers.size >= maxStrangers) {
      options.onRefused('tooMany');
      socket.close(ctiCloseCodes.tooMany);
      return;
    }
    this.#strangers.add(socket);
    const timer = setTimeout(() => {
      options.onRefused('hello');
      socket.close(ctiCloseCodes.noHello);
    }, options.helloWithinMs ?? 5_000);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#strangers.delete(socket);
    });
    socket.once('message', (data: RawData) => {
      clearTimeout(timer);
      this.#strangers.delete(socket);
      const hello = helloOf(data);
      if (!hello) {
        options.onRefused('hello');
        return socket.close(ctiCloseCodes.badMessage);
      }
      const known = knownByHeader ?? options.tokens.find(hello.token);
      if (!known) {
        options.onRefused('token');
        return socket.close(ctiCloseCodes.notKnown);
      }
      if (origin !== undefined && !known.tenant.origins.includes(origin)) {
        options.onRefused('origin');
        return socket.close(ctiCloseCodes.foreignOrigin);
      }
      this.#begin(socket, known, hello.after);
    });
  }

  close(): void {
    clearInterval(this.#heart);
    for (const socket of this.#strangers) socket.close(ctiCloseCodes.goingAway);
    for (const { socket } of this.#live) socket.close(ctiCloseCodes.goingAway);
  }

  #begin(socket: WebSocket, known: Known, after: string | undefined): void {
    const { options } = this;
    const { tenant, subscriber } = known;
    const own = [...this.#live].filter((live) => live.known.subscriber === subscriber).length;
    if (own >= maxOfOne || this.#live.size >= maxInAll) {
      options.onRefused('tooMany');
      return socket.close(ctiCloseCodes.tooMany);
    }
    const live: Live = { socket, known, answered: true };
    this.#live.add(live);
    options.onCount(this.#live.size);
    options.log.info({ tenant: tenant.name, subscriber: subscriber.name }, 'a subscriber is there');
    let stop = (): void => undefined;
    const say = (message: CtiEvent | Record<string, unknown>): void => {
      if (socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > maxBufferedBytes) {
        options.onRefused('tooSlow');
        options.log.warn({ tenant: tenant.name, subscriber: subscriber.name }, 'a subscriber reads too slowly; it may come back and ask for what it missed');
        stop();
        return socket.close(ctiCloseCodes.tooSlow);
      }
      socket.send(JSON.stringify(message));
    };
    const hear = (event: CtiEvent): void => {
      say(event);
      options.onSent();
    };
    const scope = { agent: subscriber.agent };
    say({ type: 'cti.welcome', tenant: tenant.name, subscriber: subscriber.name, ...(subscriber.agent !== undefined && { agent: subscriber.agent }), heartbeatSeconds: this.#heartbeatMs / 1000 });
    // In one turn: nothing can happen between what is told anew and what is told from now on.
    if (after !== undefined) {
      const { events, gap } = tenant.hub.since(after, scope);
      if (gap) say({ type: 'cti.gap', after, message: 'Events after this one may be missing; what is kept follows.' });
      for (const event of events) hear(event);
    }
    stop = tenant.hub.listen(scope, hear);
    socket.on('pong', () => (live.answered = true));
    // It has nothing more to say; whoever talks on is not speaking our language.
    socket.on('message', () => socket.close(ctiCloseCodes.badMessage));
    socket.once('close', () => {
      stop();
      this.#live.delete(live);
      options.onCount(this.#live.size);
    });
  }

  #beat(): void {
    const message = JSON.stringify({ type: 'cti.heartbeat', timestamp: new Date().toISOString() });
    for (const live of this.#live) {
      if (!live.answered) {
        live.socket.terminate();
        continue;
      }
      live.answered = false;
      live.socket.ping();
      if (live.socket.bufferedAmount <= maxBufferedBytes) live.socket.send(message);
    }
  }
}

function helloOf(data: RawData) {
  try {
    const text = Buffer.isBuffer(data) ? data.toString('utf8') : '';
    const held = helloSchema.safeParse(JSON.parse(text));
    return held.success ? held.data : undefined;
  } catch {
    return undefined;
  }
}
