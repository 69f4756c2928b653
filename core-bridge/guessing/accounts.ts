import type { GuessingOdds } from '../../config/index.js';
import type { AttemptOutcome } from './guessing.js';

/** One attempt on its way to its turn. */
export interface Turn {
  readonly id: string;
  /** Keyed hash of the calling number. */
  readonly caller: string;
  readonly trunk: string;
  readonly typedDigits: number;
}

/** Taken, or worth asking again after `againInMs`. */
export type TurnAnswer = { readonly taken: true } | { readonly taken: false; readonly againInMs: number };

export interface AccountLimits {
  readonly odds: GuessingOdds;
  readonly windowMs: number;
  readonly freePerNumber: number;
  readonly freePerTrunk: number;
  /** How long a session may still be claimed, by whatever detour, after its code was made. */
  readonly codesLastMs: number;
}

/**
 * Who guessed wrong how often, and whose turn it is; shared by all nodes that share a store. Every operation is atomic.
 * The rules, and the bound they keep, stand in docs/guessing.md.
 */
export interface Accounts {
  /**
   * Asks for the turn of an attempt that has waited for `waitedMs` (ms). To be repeated, in time, until it is taken; who
   * does not come back for DEAD_AFTER_MS has lost the place.
   */
  take(turn: Turn, waitedMs: number): Promise<TurnAnswer>;
  /** Says what became of a turn that was taken. A turn that never comes back counts as wrong. */
  settle(turn: Turn, outcome: AttemptOutcome): Promise<{ readonly wrongInWindow: number }>;
  /** The attempt waits no longer. */
  leave(turn: Turn): Promise<void>;
  nextLength(liveCodes: number): Promise<{ readonly digits: number; readonly wrongInWindow: number }>;
  lengthsInUse(): Promise<{ readonly shortest: number; readonly longest: number }>;
}

/** Longest time between two questions of one waiting attempt. */
export const ASK_EVERY_MS = 1_000;
/** The same when the turn is free, but for another attempt that is on its way to take it. */
export const ASK_SOON_MS = 200;
export const DEAD_AFTER_MS = 5_000;
/** A turn that was taken and not settled for so long is a wrong one: its node has died. */
export const UNSETTLED_AFTER_MS = 30_000;
/** Codes whose length was given out within this time may not be among the live ones yet. */
export const GRANTED_WITHIN_SECONDS = 2;
/** Entries that are remembered; docs/guessing.md says why forgetting older ones does not matter. */
export const MOST_IN_TOTAL = 100_000;
export const MOST_OF_CALLER = 64;

export const mostOfTrunk = (limits: AccountLimits): number => limits.freePerTrunk + 1;

/** The line of the longest codes; the others have one for each number of extra digits. */
export const LONGEST_LINE = 'longest';

/** How long an attempt is held back at least, in ms, after so many wrong ones from its number: 0, 1, 2, 4, 8 ... 30 s. */
export function delayAfterMs(wrongOfCaller: number): number {
  return wrongOfCaller === 0 ? 0 : Math.min(30_000, 1_000 * 2 ** (wrongOfCaller - 1));
}

/**
 * The line in which an attempt waits, and the gap after a wrong one, when the longest base of live codes of its length
 * is `base` (digits that so many live codes asked for, without those that guessing added). A length that is not known
 * to be in use is treated like one without extra digits.
 */
export function lineOf(odds: GuessingOdds, typedDigits: number, base: number | undefined): { readonly name: string; readonly gapMs: number } {
  const extra = base === undefined ? 0 : typedDigits - base;
  const gapMs = odds.gapSeconds[extra]! * 1_000;
  return { name: typedDigits === odds.maxDigits ? LONGEST_LINE : String(extra), gapMs };
}
