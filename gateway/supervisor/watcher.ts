import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { z } from 'zod';
import type { Session } from '../sign-in/sign-in.js';

/** How a socket ends; the page asks `/supervisor/session` what to do then. */
export const closeCodes = { loggedOut: 4001, locked: 4002, badMessage: 1008, tooMany: 1013, goingAway: 1001 } as const;

/** A page answers every view; one that is silent for this long is dead, in ms. */
export const watcherTimeoutMs = 10_000;
/** A page that does not read is cut off rather than kept in memory. */
const maxUnsentBytes = 1_000_000;
const maxMessagesPerWindow = 60;
const messageWindowMs = 10_000;
const closeTimeoutMs = 2_000;

/** `beat`: the page has drawn the view. `active`: somebody is at the keyboard. There is nothing else to say. */
const pageMessage = z.strictObject({ type: z.enum(['beat', 'active']) });

function read(text: string): z.infer<typeof pageMessage>['type'] | undefined {
  try {
    return pageMessage.safeParse(JSON.parse(text)).data?.type;
  } catch {
    return undefined;
  }
}

/** One supervisor's open page. */
export class Watcher {
  readonly #socket: WebSocket;
  #heardAt = performance.now();
  #window = { from: performance.now(), messages: 0 };
  #open = true;
  #cutOff: NodeJS.Timeout | undefined;

  constructor(socket: WebSocket, readonly session: Session, private readonly log: Logger, onClose: (watcher: Watcher) => void) {
    this.#socket = socket;
    socket.on('error', (err) => log.debug({ err }, 'socket of a supervisor failed'));
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (!this.#open) return;
      const said = isBinary || !this.#withinRate() ? undefined : read(data.toString('utf8'));
      if (said === undefined) return this.close(closeCodes.badMessage);
      this.#heardAt = performance.now();
      if (said === 'active') session.touch();
    });
    socket.once('close', () => {
      clearTimeout(this.#cutOff);
      this.#open = false;
      onClose(this);
    });
  }

  /** Sends a view, unless the page is dead or does not read. @param text the message, the same for all pages */
  send(text: string): void {
    if (!this.#open || this.#socket.readyState !== this.#socket.OPEN) return;
    if (performance.now() - this.#heardAt > watcherTimeoutMs || this.#socket.bufferedAmount > maxUnsentBytes) {
      this.log.info('a page of a supervisor went silent');
      this.#open = false;
      return this.#socket.terminate();
    }
    this.#socket.send(text);
  }

  close(code: number): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.close(code);
    this.#cutOff = setTimeout(() => this.#socket.terminate(), closeTimeoutMs);
  }

  #withinRate(): boolean {
    const now = performance.now();
    if (now - this.#window.from > messageWindowMs) this.#window = { from: now, messages: 0 };
    this.#window.messages += 1;
    return this.#window.messages <= maxMessagesPerWindow;
  }
}
