/** What became of a session's authentication: nothing yet, or a result. A success carries its sealed content. */
export type StoredResult = { readonly status: 'success'; readonly sealed: Buffer } | { readonly status: 'failed' };

/** A session as it is stored: no code, no token and no attribute in the clear. Times are in ms since 1970. */
export interface StoredSession {
  readonly sessionId: string;
  readonly purpose: string;
  readonly authentication: 'expected' | 'none';
  /** undefined: a session for a call, which nobody can claim by a code. */
  readonly codeHash?: string;
  readonly tokenHash: string;
  /** Hash of the page's token: also the name of its progress board. */
  readonly board: string;
  /** The code for the page, sealed under a key made from the page's token, which is stored nowhere. */
  readonly sealedCode?: Buffer;
  readonly word: number;
  readonly sealKey: Buffer;
  /** Until then the code can be claimed; after it an unclaimed session does not exist any more. */
  readonly expiresAtMs: number;
  readonly extendableUntilMs: number;
  readonly result?: StoredResult;
}

/** What a claim answers of a session. */
export type ClaimedSession = Pick<StoredSession, 'sessionId' | 'purpose' | 'authentication' | 'board' | 'word'> & { readonly result?: Pick<StoredResult, 'status'> };

/** `used`: the code is known, but another call holds its session, or its session ended within its lifetime; `board` while that session lives. */
export type StoreClaim = { readonly session: ClaimedSession } | { readonly refused: 'unknown' | 'used'; readonly board?: string };

/**
 * Where sessions live. Every operation is atomic, also against other nodes, and treats a session past its time as
 * absent whether or not its memory was freed already.
 */
export interface SessionStore {
  /** `taken`: another live session has this code, or one that ended a moment ago had it. With `heldBy` that call holds it from the start. */
  insert(session: StoredSession, heldBy?: string): Promise<'inserted' | 'taken' | 'full'>;
  /** The live session a result token belongs to. */
  byToken(tokenHash: string): Promise<StoredSession | undefined>;
  /** The live session a page belongs to, and whether a call holds it. */
  byBoard(board: string): Promise<{ readonly session: StoredSession; readonly claimed: boolean } | undefined>;
  /** Moves the end of an unclaimed session; false when there is none. */
  extend(sessionId: string, expiresAtMs: number): Promise<boolean>;
  /** Stores a first result. */
  setResult(sessionId: string, result: StoredResult): Promise<'accepted' | 'duplicate' | 'unknown'>;
  hasResult(sessionId: string): Promise<boolean>;
  /** Gives the session to a call, unless another has it; a call that already has it gets it again. */
  claim(codeHash: string, callId: string): Promise<StoreClaim>;
  /** Gives a session that one of these calls holds to another call. Its end stays where it is. */
  handTo(sessionId: string, from: readonly string[], callId: string): Promise<ClaimedSession | undefined>;
  /** The session, if this call holds it. */
  held(sessionId: string, callId: string): Promise<StoredSession | undefined>;
  /** Ends the hold; until `graceEndsAtMs` the code can claim again, then the session is gone. One without a code is gone at once. */
  release(sessionId: string, callId: string, graceEndsAtMs: number): Promise<void>;
  /** Overwrites the key and removes the session, if this call holds it or was the last to. */
  remove(sessionId: string, callId: string): Promise<boolean>;
  /** Tells of every accepted result, on whichever node it arrived. Returns the unsubscriber. */
  onResult(listener: (sessionId: string) => void): () => void;
  /** Tells of sessions that end: of every removal, of expiry where the store notices it. Returns the unsubscriber. */
  onGone(listener: (sessionId: string) => void): () => void;
  /** Tells that a result or an end may have passed unheard, and now and then in any case: who waits for one looks again. Returns the unsubscriber. */
  onDoubt(listener: () => void): () => void;
  count(): Promise<{ live: number; claimed: number }>;
  /** False while a remote store does not answer; operations then reject with VaultError `store_unreachable`, soon. */
  readonly ready: boolean;
  close(): Promise<void>;
}
