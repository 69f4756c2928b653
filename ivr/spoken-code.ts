import { inspect } from 'node:util';

/**
 * What a caller typed. It prints as nothing anywhere (log, JSON, template, inspector), so that no careless line can
 * spill it; the digits come out only where somebody asks for them by name.
 */
export class SpokenCode {
  readonly #digits: string;

  constructor(digits: string) {
    this.#digits = digits;
  }

  /** The digits themselves, for the vault alone. */
  reveal(): string {
    return this.#digits;
  }

  toString(): string {
    return '[code]';
  }

  toJSON(): string {
    return '[code]';
  }

  [inspect.custom](): string {
    return '[code]';
  }
}
