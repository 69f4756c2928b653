import { inspect } from 'node:util';

/** Fifteen digits (E.164) and what may stand before them to leave a country. */
export const longestNumber = 17;
const pattern = /^\+?[0-9]{1,17}$/u;

/**
 * A caller's telephone number. It prints as nothing anywhere (log, JSON, template, inspector), so that no careless line
 * can spill it; the digits come out only where somebody asks for them by name.
 */
export class SpokenNumber {
  readonly #number: string;

  /** @throws RangeError when it is not digits, with a plus before them or not; the number is not in the message */
  constructor(number: string) {
    if (!pattern.test(number)) throw new RangeError('a telephone number is one to seventeen digits, perhaps after a plus');
    this.#number = number;
  }

  /** The number itself, as the network gave it or the caller typed it, for whoever dials it alone. */
  reveal(): string {
    return this.#number;
  }

  toString(): string {
    return '[number]';
  }

  toJSON(): string {
    return '[number]';
  }

  [inspect.custom](): string {
    return '[number]';
  }
}
