import type { KeyQueue } from './voice.js';

const keyPattern = /^[0-9*#A-D]$/;

/**
 * Keeps what the caller pressed until the dialogue asks for it, so that a key pressed during a prompt counts.
 * The owner of the call pushes, the dialogue reads; one reader at a time.
 */
export class BufferedKeys implements KeyQueue {
  /** Somebody leaning on the keypad must not fill the memory: more unread keys than this are dropped. */
  static readonly maxUnread = 64;

  #unread: string[] = [];
  #wake: (() => void) | undefined;

  /** Adds a key just pressed. Anything that is not a key of a telephone is ignored. */
  push(key: string): void {
    if (!keyPattern.test(key) || this.#unread.length >= BufferedKeys.maxUnread) return;
    this.#unread.push(key);
    this.#wake?.();
  }

  async next(signal: AbortSignal): Promise<string> {
    for (;;) {
      await this.pressed(signal);
      const key = this.#unread.shift();
      // Undefined only if the queue was cleared between the press and this line.
      if (key !== undefined) return key;
    }
  }

  pressed(signal: AbortSignal): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      if (signal.aborted) return reject(reasonOf(signal));
      if (this.#unread.length > 0) return resolve();
      if (this.#wake) return reject(new Error('the keys of a call are read by one reader at a time'));
      const done = () => {
        this.#wake = undefined;
        signal.removeEventListener('abort', onAbort);
      };
      const onAbort = () => {
        done();
        reject(reasonOf(signal));
      };
      this.#wake = () => {
        done();
        resolve();
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  peek(): number {
    return this.#unread.length;
  }

  clear(): void {
    this.#unread = [];
  }
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted', { cause: signal.reason });
}
