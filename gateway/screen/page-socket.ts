import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { closeCodes, readPageMessage, type PageMessage, type ServerMessage } from './messages.js';

export interface PageSocketOptions {
  /** How often the server says it is there and wants to hear the same, in milliseconds. */
  beatIntervalMs: number;
  /** A page silent for this long is dead, in milliseconds. */
  beatTimeoutMs: number;
  /** The page said more than a person's page does, and is closed for it. */
  onFlood?: () => void;
  log: Logger;
}

/** A page that does not read is cut off rather than kept in memory. */
const maxUnsentBytes = 1_000_000;
/** A person cannot click this fast; more is a broken or hostile page. */
const maxMessagesPerWindow = 60;
const messageWindowMs = 10_000;
/** How long a page may take to answer a close before it is cut off. */
const closeTimeoutMs = 2000;

/**
 * One page's WebSocket: validated messages in, typed messages out, and a heartbeat. The heartbeat is answered by the
 * page's own code and not by the browser's network process (as a WebSocket ping would be), so a page that hangs or
 * was frozen is noticed as well as one whose network is gone.
 */
export class PageSocket {
  readonly #socket: WebSocket;
  readonly #options: PageSocketOptions;
  readonly #beat: NodeJS.Timeout;
  #cutOff: NodeJS.Timeout | undefined;
  /** Beats since the page was heard. Not a time: after this process stood still, what arrived meanwhile is read first. */
  #unanswered = 0;
  #windowStartedAt = performance.now();
  #messagesInWindow = 0;
  #open = true;
  #onClose: () => void = () => {};

  constructor(socket: WebSocket, options: PageSocketOptions, onMessage: (message: PageMessage) => void) {
    this.#socket = socket;
    this.#options = options;
    this.#beat = setInterval(() => this.#checkBeat(), options.beatIntervalMs);
    socket.on('error', (err) => options.log.debug({ err }, 'screen socket error'));
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (!this.#open) return;
      if (!this.#withinRate()) return this.#flooded();
      const message = isBinary ? undefined : readPageMessage(data.toString('utf8'));
      if (message === undefined) return this.close(closeCodes.badMessage);
      this.#unanswered = 0;
      if (message.type !== 'beat') onMessage(message);
    });
    socket.once('close', () => {
      clearTimeout(this.#cutOff);
      this.#ended();
    });
  }

  /** Called once, when the page cannot be reached any more, whoever ended it. */
  onClose(listener: () => void): void {
    this.#onClose = listener;
  }

  /** @returns false when the page is not there any more */
  send(message: ServerMessage): boolean {
    if (!this.#open || this.#socket.readyState !== this.#socket.OPEN) return false;
    if (this.#socket.bufferedAmount > maxUnsentBytes) {
      this.#options.log.warn('a screen does not read what it is sent: cut off');
      this.terminate();
      return false;
    }
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Says goodbye; after this the page is not listened to. */
  close(code: number): void {
    if (!this.#open) return;
    this.#socket.close(code);
    this.#cutOff = setTimeout(() => this.#socket.terminate(), closeTimeoutMs);
    this.#ended();
  }

  terminate(): void {
    this.#socket.terminate();
    this.#ended();
  }

  #checkBeat(): void {
    const { beatIntervalMs, beatTimeoutMs, log } = this.#options;
    if (this.#unanswered * beatIntervalMs >= beatTimeoutMs) {
      log.info('a screen went silent');
      this.terminate();
    } else {
      this.#unanswered += 1;
      this.send({ type: 'beat' });
    }
  }

  #flooded(): void {
    this.#options.log.warn('a screen said more than a page of a person does: it was closed, and comes back after a pause');
    this.#options.onFlood?.();
    this.close(closeCodes.tooManyMessages);
  }

  #withinRate(): boolean {
    const now = performance.now();
    if (now - this.#windowStartedAt > messageWindowMs) {
      this.#windowStartedAt = now;
      this.#messagesInWindow = 0;
    }
    this.#messagesInWindow += 1;
    return this.#messagesInWindow <= maxMessagesPerWindow;
  }

  #ended(): void {
    if (!this.#open) return;
    this.#open = false;
    clearInterval(this.#beat);
    this.#onClose();
  }
}
