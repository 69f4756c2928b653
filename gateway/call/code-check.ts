/** A code that a caller typed, from its last digit to the vault's answer. */
import type { AttemptOutcome, Claim, GuessGuard, ProgressBoards, Vault } from '../../core-bridge/index.js';

export interface CodeRooms {
  readonly vault: Vault;
  readonly guard: GuessGuard;
  readonly boards: ProgressBoards;
}

export interface TypedCode {
  readonly callId: string;
  readonly digits: string;
  readonly trunk: string;
  readonly callerNumber: string | undefined;
}

/**
 * Waits for the attempt's turn among the guesses and claims the session. A code that another call has, or had, warns the
 * page of the one whose code it is.
 * @throws GuessError, VaultError, the signal's reason
 */
export async function checkCode(rooms: CodeRooms, typed: TypedCode, signal: AbortSignal): Promise<Claim> {
  const { callId, digits, trunk, callerNumber } = typed;
  const permit = await rooms.guard.admit({ callId, trunk, typedDigits: digits.length, ...(callerNumber === undefined ? {} : { callerNumber }) }, signal);
  let outcome: AttemptOutcome = 'notLookedUp';
  try {
    const claim = await rooms.vault.claim(digits, callId);
    outcome = claim.ok ? 'right' : claim.reason === 'used' ? 'stale' : 'wrong';
    if (!claim.ok && claim.board !== undefined) rooms.boards.post(claim.board, { step: 'codeUsedAgain' });
    return claim;
  } finally {
    permit.settle(outcome);
  }
}
