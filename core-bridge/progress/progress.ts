/** The steps of a session as the citizen's page tells them. Nothing here says who the citizen is or what the code was. */
export type ProgressStep =
  | { readonly step: 'authenticated' }
  | { readonly step: 'authenticationFailed' }
  | { readonly step: 'extended' }
  | { readonly step: 'callSeen' }
  | { readonly step: 'codeAccepted' }
  /** 1 is the head of the line. */
  | { readonly step: 'waiting'; readonly place: number }
  | { readonly step: 'agentRinging' }
  | { readonly step: 'connected' }
  /** The call dropped before it was connected: the same code works again until then, in ms since 1970. */
  | { readonly step: 'dropped'; readonly callAgainUntil: number }
  /** Somebody typed this code again while, or after, a call had it. */
  | { readonly step: 'codeUsedAgain' }
  | { readonly step: 'ended' }
  /** Everything was deleted while the call goes on: another login took the place of this one, or was not believed. The last step. */
  | { readonly step: 'deletedDuringCall' }
  /** Everything was deleted, so many milliseconds after the call ended. The last step. */
  | { readonly step: 'deleted'; readonly afterMs: number };

export type ProgressEntry = ProgressStep & { /** ms since 1970 */ readonly at: number };

/**
 * Boards on which calls post steps and pages read them, across nodes. A board's name is the hash of its page's token;
 * it outlives its session, so that the receipt can be read, and then expires by itself.
 */
export interface ProgressBoards {
  /** Bounded in number and time; never throws, never in a call's way. A `waiting` step replaces one right before it. */
  post(board: string, step: ProgressStep): void;
  /** Oldest first; empty for a board that does not exist. @throws VaultError `store_unreachable` */
  read(board: string): Promise<readonly ProgressEntry[]>;
  /** Tells that the board changed, on whichever node that was. Returns the unsubscriber. */
  watch(board: string, listener: () => void): () => void;
  close(): Promise<void>;
}
