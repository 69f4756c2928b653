/** One code that a caller typed, before it is looked up. Slips (a check digit that does not fit) never come this far. */
export interface Attempt {
  readonly callId: string;
  /** As the trunk reports it; undefined or withheld numbers share one account. Kept as a keyed hash only. */
  readonly callerNumber?: string;
  readonly trunk: string;
  /** Digits typed, check digit included: codes longer than need be are harder to hit and are slowed down less. */
  readonly typedDigits: number;
}

/** What became of it. `stale`: a code that existed and was used or has expired: no guess, though its caller is treated as if it were one. */
export type AttemptOutcome = 'right' | 'wrong' | 'stale' | 'notLookedUp';

export interface Permit {
  /** Must be called once, whatever happened. Never throws. */
  settle(outcome: AttemptOutcome): void;
}

export class GuessError extends Error {
  override readonly name = 'GuessError';
  constructor(readonly code: 'turn_did_not_come') {
    super('Too many codes are being guessed; this one’s turn did not come in time.');
  }
}

/** What a guard has seen since it started, and how things stand. */
export interface GuessStats {
  readonly attempts: Record<AttemptOutcome | 'gaveUp', number>;
  /** Attempts whose turn has not come yet. */
  readonly waiting: number;
  /** By how many digits new codes are longer because codes are being guessed, as far as this node has noticed. */
  readonly stage: number;
}

/**
 * Bounds how many codes can be guessed: per calling number, per trunk and in total, over windows shared between nodes.
 * Nobody is locked out: who is over a limit waits for a turn, those with a clean record first.
 */
export interface GuessGuard {
  /**
   * Waits for this attempt's turn; most of the time that is now.
   * @throws GuessError when it does not come within the configured patience; the signal's reason when that aborts
   */
  admit(attempt: Attempt, signal: AbortSignal): Promise<Permit>;
  /** Typed length of the next code, check digit included: grows with live codes and with wrong attempts. */
  nextLength(liveCodes: number): Promise<number>;
  /** Typed lengths that live codes may have now. */
  lengthsInUse(): Promise<{ readonly shortest: number; readonly longest: number }>;
  stats(): GuessStats;
  /** Attempts that still wait are given up. */
  close(): Promise<void>;
}
