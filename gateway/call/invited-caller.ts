/** Authentication during the call, carried out: the invitation that stands, its session, and the result when it comes. */
import type { Identification, Identity, PairingInvitation, Vault } from '../../core-bridge/index.js';

export interface InvitedCallerRooms {
  readonly identification: Identification;
  readonly vault: Vault;
}

export class InvitedCaller {
  /** The invitation that stands now, with the digits that are read out. */
  invitation: PairingInvitation | undefined;
  private stopListening: (() => void) | undefined;

  /** @param onResult what became of the authentication; told once for each invitation */
  constructor(private readonly rooms: InvitedCallerRooms, private readonly callId: string, private readonly onResult: (sessionId: string, identity: Identity) => void) {}

  get offered(): boolean {
    return this.rooms.identification.offered;
  }

  /**
   * Makes an invitation; an earlier one is void.
   * @param callerNumber undefined when it was withheld
   * @throws IdentifyError, VaultError
   */
  async invite(purpose: string, callerNumber: string | undefined): Promise<PairingInvitation> {
    const { identification, vault } = this.rooms;
    const invitation = await identification.invite(this.callId, purpose, callerNumber);
    this.forget();
    this.invitation = invitation;
    const { sessionId } = invitation;
    let told = false;
    const look = () => {
      vault.identity(sessionId, this.callId).then(
        (identity) => {
          if (told || this.invitation !== invitation || identity === 'awaiting') return;
          told = true;
          this.onResult(sessionId, identity);
        },
        // The session has ended, or the store is out of reach: the next delivery is looked at again.
        () => undefined,
      );
    };
    this.stopListening = vault.onDelivered(sessionId, look);
    look();
    return invitation;
  }

  /** Nobody can use the pairing code any more. */
  withdraw(): void {
    if (this.invitation) this.rooms.identification.withdraw(this.callId);
    this.forget();
  }

  private forget(): void {
    this.stopListening?.();
    this.stopListening = undefined;
    this.invitation = undefined;
  }
}
