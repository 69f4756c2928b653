/**
 * Tells authentication plugins that their session is in use (ID Contact, session feedback): `user_active` when the code
 * is accepted, when the agent is connected and periodically while they talk, `logout` at the end. Queued, retried
 * briefly, bounded; never in a call's way and never in a log.
 */
export interface SessionFeedback {
  /** From now on this call reports to this address: says `user_active` at once. A second address for a call is followed beside the first. */
  follow(callId: string, sessionUrl: string): void;
  /** The citizen did something meaningful: `user_active` to every address of the call. */
  active(callId: string): void;
  /** `active` now, and again every configured interval until `done`. */
  talking(callId: string): void;
  /** `logout` to every address of the call; then it is forgotten. */
  done(callId: string): void;
  /** The call dropped but may come back with the same code: nothing more is said, and the addresses are forgotten. */
  forget(callId: string): void;
  /** Gives what is queued a short chance, then drops it. */
  close(): Promise<void>;
}
