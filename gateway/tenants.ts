/** Everything that one municipality has of its own while the gateway runs. Nothing in it is shared with another one. */
import type { GuessGuard, Identification, ProgressBoards, SessionFeedback, SessionVault } from '../core-bridge/index.js';
import type { Tenant } from '../config/index.js';
import type { Desk } from './desk/desk.js';

export interface TenantRoom {
  readonly config: Tenant;
  readonly vault: SessionVault;
  readonly boards: ProgressBoards;
  readonly guard: GuessGuard;
  readonly feedback: SessionFeedback;
  readonly identification: Identification;
  readonly desk: Desk;
}
