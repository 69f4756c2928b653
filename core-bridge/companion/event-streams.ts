import { randomInt } from 'node:crypto';
import { Readable } from 'node:stream';

/** What a stream tells, and when to look again. */
export interface Look {
  /** One line; sent when it is not what was sent last. */
  readonly data: string;
  /** The message that carries `data`, made when it is sent. */
  readonly wrap: (data: string) => string;
  /** False: this was the last. */
  readonly live: boolean;
  /** When to look again even if nothing happens, in ms since 1970. */
  readonly againAt?: number;
}

export interface Watched {
  /** Whose stream it is: bounds how many one page may have. */
  readonly page: string;
  /** May fail: it is then tried again at the next beat. */
  look(): Promise<Look>;
  /** Calls the listener whenever a look may show something new. Returns the unsubscriber. */
  watch(listener: () => void): () => void;
}

export interface EventStreamsOptions {
  readonly maxOpen: number;
  readonly maxPerPage: number;
  /** How often a sign of life is sent, and looked again in case a change was missed. */
  readonly beatMs: number;
  /** Then a stream ends; its browser comes back for another. */
  readonly maxAgeMs: number;
  /** ms since 1970 */
  readonly now: () => number;
}

/** How long a browser waits before it comes back (HTML standard, 9.2.5), spread so that not all come at once. */
const RETRY_MS = { from: 2_000, to: 6_000 };
/** How long the end of a stream may take to be read before the connection is cut. */
const LAST_WORDS_MS = 5_000;
/** Clocks of nodes and stores differ a little: a moment that has come here may be still to come there. */
const MIN_PAUSE_MS = 1_000;

/**
 * Server-sent events that tell the present state and not its history: a slow reader misses what was in between, and
 * nothing piles up for it. Bounded in number; each stream ends by its last message, its reader, its age, or `close`.
 */
export class EventStreams {
  readonly #options: EventStreamsOptions;
  readonly #open = new Map<Readable, AbortController>();
  readonly #perPage = new Map<string, number>();
  #closed = false;

  constructor(options: EventStreamsOptions) {
    this.#options = options;
  }

  get open(): number {
    return this.#open.size;
  }

  /** `end` must be called when the reader is gone. @returns undefined when there is no room for another */
  stream(watched: Watched): { readonly stream: Readable; end(): void } | undefined {
    const { maxOpen, maxPerPage, maxAgeMs } = this.#options;
    const ofPage = this.#perPage.get(watched.page) ?? 0;
    if (this.#closed || this.#open.size >= maxOpen || ofPage >= maxPerPage) return undefined;

    const ending = new AbortController();
    const stream = Readable.from(this.#messages(watched, ending.signal), { objectMode: false });
    let cut: NodeJS.Timeout | undefined;
    const old = setTimeout(() => ending.abort(), maxAgeMs);
    ending.signal.addEventListener('abort', () => (cut = setTimeout(() => stream.destroy(), LAST_WORDS_MS)), { once: true });
    this.#open.set(stream, ending);
    this.#perPage.set(watched.page, ofPage + 1);
    stream.once('close', () => {
      ending.abort();
      clearTimeout(old);
      clearTimeout(cut);
      this.#open.delete(stream);
      const left = (this.#perPage.get(watched.page) ?? 1) - 1;
      if (left > 0) this.#perPage.set(watched.page, left);
      else this.#perPage.delete(watched.page);
    });
    return { stream, end: () => ending.abort() };
  }

  /** Ends all streams, and opens no more. */
  close(): void {
    this.#closed = true;
    for (const ending of this.#open.values()) ending.abort();
  }

  async *#messages(watched: Watched, ending: AbortSignal): AsyncGenerator<string, void, void> {
    const { beatMs, now } = this.#options;
    let changed = false;
    let wake: (() => void) | undefined;
    const stir = (): void => {
      changed = true;
      wake?.();
    };
    ending.addEventListener('abort', stir, { once: true });
    // Watched before the first look, so that nothing falls between the two.
    const unwatch = watched.watch(stir);
    try {
      yield `retry: ${randomInt(RETRY_MS.from, RETRY_MS.to)}\n\n`;
      let sent: string | undefined;
      while (!ending.aborted) {
        changed = false;
        const look = await watched.look().catch(() => undefined);
        if (look && look.data !== sent) {
          sent = look.data;
          yield `data: ${look.wrap(look.data)}\n\n`;
        } else {
          yield ': beat\n\n';
        }
        if (look && !look.live) return;
        const pauseMs = Math.min(beatMs, Math.max(MIN_PAUSE_MS, (look?.againAt ?? Infinity) - now()));
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, pauseMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
          if (changed || ending.aborted) wake();
        });
      }
    } finally {
      unwatch();
      ending.removeEventListener('abort', stir);
    }
  }
}
