import type { Logger } from 'pino';
import { VaultError } from '../vault/vault.js';
import type { Accounts, Turn, TurnAnswer } from './accounts.js';
import type { AttemptOutcome } from './guessing.js';

/**
 * Shared accounts, and this node's own while the shared ones cannot be reached: callers are not kept waiting for a
 * store, and each node still bounds what passes through it.
 */
export class FallbackAccounts implements Accounts {
  readonly #shared: Accounts;
  readonly #own: Accounts;
  readonly #log: Logger;
  readonly #longestLength: number;
  /** Where each turn was taken; it is settled there. */
  readonly #takenIn = new WeakMap<Turn, Accounts>();
  #isAway = false;
  #lengths: { shortest: number; longest: number } | undefined;

  constructor(shared: Accounts, own: Accounts, longestLength: number, log: Logger) {
    this.#shared = shared;
    this.#own = own;
    this.#longestLength = longestLength;
    this.#log = log;
  }

  async take(turn: Turn, waitedMs: number): Promise<TurnAnswer> {
    return this.#either(async (accounts) => {
      const answer = await accounts.take(turn, waitedMs);
      if (answer.taken) this.#takenIn.set(turn, accounts);
      return answer;
    });
  }

  settle(turn: Turn, outcome: AttemptOutcome): Promise<{ wrongInWindow: number }> {
    return (this.#takenIn.get(turn) ?? this.#own).settle(turn, outcome);
  }

  async leave(turn: Turn): Promise<void> {
    await this.#own.leave(turn);
    await this.#either((accounts) => accounts.leave(turn));
  }

  nextLength(liveCodes: number): Promise<{ digits: number; wrongInWindow: number }> {
    return this.#either((accounts) => accounts.nextLength(liveCodes));
  }

  /** Own accounts know nothing of codes made elsewhere: what was last known stands, widened by what may have come since. */
  async lengthsInUse(): Promise<{ shortest: number; longest: number }> {
    return this.#either(async (accounts) => {
      if (accounts === this.#shared) return (this.#lengths = await accounts.lengthsInUse());
      const { shortest } = this.#lengths ?? (await accounts.lengthsInUse());
      return { shortest, longest: this.#lengths?.longest ?? this.#longestLength };
    });
  }

  async #either<T>(work: (accounts: Accounts) => Promise<T>): Promise<T> {
    try {
      const done = await work(this.#shared);
      if (this.#isAway) this.#log.info('guesses are counted together again');
      this.#isAway = false;
      return done;
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      if (!this.#isAway) this.#log.warn('the store does not answer: guesses are counted by this node alone');
      this.#isAway = true;
      return work(this.#own);
    }
  }
}
