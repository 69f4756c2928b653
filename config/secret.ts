import { inspect } from 'node:util';

/**
 * A value that must not end up in a log, an error or a dump: every usual way of printing it gives `[secret]`.
 * Only `reveal()` gives the text, so that each use of a secret can be found by searching for that word.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The secret text. Keep it in no variable that outlives the call that needs it. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
