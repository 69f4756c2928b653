/**
 * What is kept of a promise to call back, so that another node can keep it. Number and short code print as nothing; as
 * text they exist only where a store seals them (`promiseText`).
 */
import { z } from 'zod';
import { SpokenCode, SpokenNumber } from '../../../ivr/index.js';

/** The session of a caller who is to be called back. */
export interface PromisedSession {
  readonly id: string;
  /** The call that holds it, as far as the record knows. */
  readonly heldBy: string;
  /** Its attributes were on a screen before: it is purged, never let go. */
  readonly shown: boolean;
  readonly provedDuringCall: boolean;
}

export interface PromiseRecord {
  readonly id: string;
  /** The call that has the promise. */
  readonly callId: string;
  readonly tenant: string;
  /** Whose queue the caller waits in; its language is spoken to them. */
  readonly service: string;
  /** Where the caller is called. */
  readonly number: SpokenNumber;
  /** Where they called from, unless it was withheld. */
  readonly calledFrom?: SpokenNumber;
  /** Undefined when there was nothing to protect, and no code was told. */
  readonly shortCode?: SpokenCode;
  readonly session?: PromisedSession;
  /** The place in the line: when the call came in by the desk's clock, its head start, and what the caller was last told of it. */
  readonly since?: number;
  readonly headStartMs: number;
  readonly place?: number;
  /** Since when the caller waits, in ms since the epoch. */
  readonly waitingSince: number;
  /** The agent who passed the call on. */
  readonly transferredBy?: string;
  /** Attempts to call that were begun, the present one included. */
  readonly attempts: number;
  /** Present once it was the caller's turn: when they are called next, in ms since the epoch. */
  readonly nextAttemptAt?: number;
  /** From then on there is no promise any more, in ms since the epoch. */
  readonly until: number;
}

const ms = z.number();
const number = z.string().max(20);

/** A promise as text, for whoever seals it. */
export const promiseText = z.strictObject({
  id: z.uuid(),
  callId: z.uuid(),
  tenant: z.string(),
  service: z.string(),
  number,
  calledFrom: number.exactOptional(),
  shortCode: z.string().max(10).exactOptional(),
  session: z.strictObject({ id: z.string(), heldBy: z.string(), shown: z.boolean(), provedDuringCall: z.boolean() }).exactOptional(),
  since: ms.exactOptional(),
  headStartMs: ms,
  place: z.int().exactOptional(),
  waitingSince: ms,
  transferredBy: z.string().exactOptional(),
  attempts: z.int(),
  nextAttemptAt: ms.exactOptional(),
  until: ms,
});

export function textOf({ number, calledFrom, shortCode, ...rest }: PromiseRecord): z.infer<typeof promiseText> {
  return {
    ...rest,
    number: number.reveal(),
    ...(calledFrom && { calledFrom: calledFrom.reveal() }),
    ...(shortCode && { shortCode: shortCode.reveal() }),
  };
}

export function recordOf({ number, calledFrom, shortCode, ...rest }: z.infer<typeof promiseText>): PromiseRecord {
  return {
    ...rest,
    number: new SpokenNumber(number),
    ...(calledFrom !== undefined && { calledFrom: new SpokenNumber(calledFrom) }),
    ...(shortCode !== undefined && { shortCode: new SpokenCode(shortCode) }),
  };
}
