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

/** A session as its creator sees it; the only place where code and token stand in the clear. */
export interface CreatedSession {
  readonly sessionId: string;
  readonly code: string;
  readonly attrToken: string;
  readonly expiresAt: Date;
}

export type Claim = { readonly ok: true; readonly sessionId: string; readonly purpose: string; readonly identity: Identity } | { readonly ok: false };

/** Live sessions: from the core's request until the end of the citizen's call. */
export interface Vault {
  /** @throws VaultError `vault_full` */
  create(session: { purpose: string; expectsResult: boolean }): Promise<CreatedSession>;
  /** Takes a result once. `unknown` also for sessions expired, purged, or expecting none. */
  deliver(attrToken: string, result: VerifiedResult): Promise<'accepted' | 'duplicate' | 'unknown'>;
  /** Atomic: of any number of calls with one code, one gets it. Unknown, expired and used look the same. */
  claim(code: string, callId: string): Promise<Claim>;
  /** @throws VaultError `not_claimed` unless this call holds the session */
  identity(sessionId: string, callId: string): Promise<Identity>;
  /** Calls the listener when a result arrives, once, from now on; look at `identity` after subscribing. Returns the unsubscriber. */
  onDelivered(sessionId: string, listener: () => void): () => void;
  /** Decrypts. @throws VaultError `not_claimed` unless this call holds the session, `not_verified` unless it is verified */
  reveal(sessionId: string, callId: string): Promise<RevealedIdentity>;
  /** The call dropped before it was connected: for the configured grace the same code may claim again. */
  letGo(sessionId: string, callId: string): Promise<void>;
  /** Destroys the key and deletes everything; nothing happens unless this call holds, or last held, the session. */
  purge(sessionId: string, callId: string): Promise<void>;
  stats(): Promise<{ live: number; claimed: number }>;
  close(): Promise<void>;
}

/** The vault as the core's side sees it. */
export interface SessionVault extends Vault {
  /** Whether a result sent with this token would be taken now. */
  awaits(attrToken: string): Promise<boolean>;
}

export type VaultErrorCode = 'vault_full' | 'vault_closed' | 'not_claimed' | 'not_verified' | 'seal_broken';

const SENTENCES: Record<VaultErrorCode, string> = {
  vault_full: 'As many sessions are alive as the configuration allows.',
  vault_closed: 'The vault is closed.',
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
