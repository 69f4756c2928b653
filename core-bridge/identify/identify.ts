/** What the citizen needs to identify themselves while they are on the line. */
export interface PairingInvitation {
  /** Short address to type into a browser, as people read it: no scheme. */
  readonly address: string;
  /** One-time digits to type there, read out digit by digit. */
  readonly pairingCode: string;
  readonly expiresAt: Date;
  /** The session that will take the result; this call holds it. */
  readonly sessionId: string;
  readonly board: string;
  /** Which word the page shows after authentication; the agent compares before anything is shown. */
  readonly word: number;
}

/** `withdrawn`: the call ended, or asked again, while its invitation was being made; or the page came too late. */
export type IdentifyErrorCode = 'not_offered' | 'core_unreachable' | 'core_refused' | 'too_many' | 'withdrawn';

const SENTENCES: Record<IdentifyErrorCode, string> = {
  not_offered: 'No core is configured with which callers could identify themselves.',
  core_unreachable: 'The core does not answer.',
  core_refused: 'The core does not let callers identify themselves for this.',
  too_many: 'As many callers are identifying themselves as can be.',
  withdrawn: 'The invitation does not stand any more.',
};

/** Authentication during the call cannot begin or go on. Holds no code, token or address. */
export class IdentifyError extends Error {
  override readonly name = 'IdentifyError';
  constructor(readonly code: IdentifyErrorCode) {
    super(SENTENCES[code]);
  }
}

/** Authentication during the call: invitations for calls, and the page on which citizens redeem them. */
export interface Identification {
  /** False when no core is configured for it. */
  readonly offered: boolean;
  /**
   * Invites a caller. An earlier invitation of the call is void from then on; its session stays the caller's to purge.
   * @param callerNumber for the webhook, which may send the invitation there
   * @throws IdentifyError, VaultError
   */
  invite(callId: string, purpose: string, callerNumber?: string): Promise<PairingInvitation>;
  /** The call is over, or the invitation not wanted any more. */
  withdraw(callId: string): void;
  close(): Promise<void>;
}
