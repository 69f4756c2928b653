import type { VerifiedResult } from '../results/verified-result.js';

/** What is known of a session's citizen: `awaiting` until the result arrives, `unauthenticated` when none ever will. */
export type Identity = 'verified' | 'awaiting' | 'failed' | 'unauthenticated';

/** What an agent is shown, once, by the call that holds the claim. */
export interface RevealedIdentity {
  readonly purpose: string;
  readonly attributes: Record<string, string>;
  readonly authMethod?: string;
  readonly verifiedAt: Date;
}

/** A session as its creator sees it; the only place where code and tokens stand in the clear. */
export interface CreatedSession {
  readonly sessionId: string;
  readonly code: string;
  /** Stands in `attr_url`. */
  readonly attrToken: string;
  /** Stands in the address of the citizen's page. */
  readonly pageToken: string;
  readonly expiresAt: Date;
}

/** A session for a caller who is on the line already: it has no code, and the call holds it from the start. */
export interface SessionForCall {
  readonly sessionId: string;
  readonly attrToken: string;
  readonly pageToken: string;
  /** Where the citizen's page follows this session (see progress.ts). */
  readonly board: string;
  /** Which word of the list page and agent compare (see ivr/prompts/words.ts). */
  readonly word: number;
}

export type Claim =
  | {
      readonly ok: true;
      readonly sessionId: string;
      readonly purpose: string;
      readonly identity: Identity;
      /** Where the citizen's page follows this session (see progress.ts). */
      readonly board: string;
      /** Which word of the list the page shows and the gateway speaks (see ivr/prompts/words.ts). */
      readonly word: number;
    }
  /** For logs and limits only: callers are never told which. `used`: another call has, or had, this code; `board` while its session lives, to warn there. */
  | { readonly ok: false; readonly reason: 'unknown' | 'used'; readonly board?: string };

/** What a call is told of a session that it took over. */
export interface SessionTaken {
  readonly purpose: string;
  readonly identity: Identity;
  readonly board: string;
  readonly word: number;
}

/** What the citizen's page may know, by its own token. */
export interface SessionOnPage {
  readonly board: string;
  readonly purpose: string;
  /** As typed, check digit included; undefined in a session for a call. */
  readonly code?: string;
  readonly word: number;
  readonly identity: Identity;
  /** True while a call holds the session. */
  readonly claimed: boolean;
  readonly expiresAt: Date;
  /** Pressing "longer" moves `expiresAt`, never beyond this. */
  readonly extendableUntil: Date;
}

/** Live sessions: from the core's request until the end of the citizen's call. */
export interface Vault {
  /**
   * @param session.authentication `none`: no result may ever come (the caller is then `unauthenticated`, without waiting);
   *   one that comes is taken all the same
   * @throws VaultError `vault_full`
   */
  create(session: { purpose: string; authentication: 'expected' | 'none' }): Promise<CreatedSession>;
  /** A session that this call holds from the start, for authentication during the call. @throws VaultError `vault_full` */
  createForCall(session: { purpose: string; callId: string }): Promise<SessionForCall>;
  /** Takes a result once. `unknown` also for sessions expired or purged. */
  deliver(attrToken: string, result: VerifiedResult): Promise<'accepted' | 'duplicate' | 'unknown'>;
  /** Atomic: of any number of calls with one code, one gets it. Unknown, expired and used look the same. */
  claim(code: string, callId: string): Promise<Claim>;
  /**
   * Hands a held session from one of several calls to another, which alone holds it from then on: the one before can
   * neither see nor end it any more. For a call that goes on at another node.
   * @param from the calls that may hold it
   * @returns undefined when it has ended, or somebody else holds it
   */
  takeOver(sessionId: string, from: readonly string[], callId: string): Promise<SessionTaken | undefined>;
  /** @throws VaultError `not_claimed` unless this call holds the session */
  identity(sessionId: string, callId: string): Promise<Identity>;
  /** Calls the listener when a result arrives, once, from now on; look at `identity` after subscribing. Returns the unsubscriber. */
  onDelivered(sessionId: string, listener: () => void): () => void;
  /** Decrypts. @throws VaultError `not_claimed` unless this call holds the session, `not_verified` unless it is verified */
  reveal(sessionId: string, callId: string): Promise<RevealedIdentity>;
  /** The call dropped before it was connected: for the configured grace the same code may claim again. */
  letGo(sessionId: string, callId: string): Promise<void>;
  /** Destroys the key and deletes everything; nothing happens unless this call holds, or last held, the session. Resolves when nothing of it can be read any more, on any node. */
  purge(sessionId: string, callId: string): Promise<void>;
  /** Where the authentication plugin wants to hear of this session, if it said so. @throws VaultError `not_claimed` */
  sessionUrl(sessionId: string, callId: string): Promise<string | undefined>;
  /** The store answers. */
  readonly ready: boolean;
  stats(): Promise<{ live: number; claimed: number }>;
  close(): Promise<void>;
}

/** The vault as the core's side sees it. */
export interface SessionVault extends Vault {
  /** Whether a result sent with this token would be taken now. */
  awaits(attrToken: string): Promise<boolean>;
  /** Where the citizen's page follows the session of a result token (see progress.ts); undefined when it has ended. */
  boardOf(attrToken: string): Promise<string | undefined>;
  /** The session a page token belongs to; undefined when it has ended. */
  onPage(pageToken: string): Promise<SessionOnPage | undefined>;
  /** Gives the code its full lifetime again, within `extendableUntil`. @returns the new end, or undefined when there is no unclaimed session */
  extend(pageToken: string): Promise<Date | undefined>;
}

export type VaultErrorCode = 'vault_full' | 'vault_closed' | 'store_unreachable' | 'not_claimed' | 'not_verified' | 'seal_broken';

const SENTENCES: Record<VaultErrorCode, string> = {
  vault_full: 'As many sessions are alive as the configuration allows.',
  vault_closed: 'The vault is closed.',
  store_unreachable: 'The store of sessions does not answer.',
  not_claimed: 'This call does not hold that session.',
  not_verified: 'That session has no verified identity.',
  seal_broken: 'What is stored for that session cannot be opened.',
};

/** A vault operation that cannot be done. Holds no code, token or attribute. */
export class VaultError extends Error {
  constructor(readonly code: VaultErrorCode) {
    super(SENTENCES[code]);
    this.name = 'VaultError';
  }
}
