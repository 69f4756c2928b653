import type { ClientTransaction, ServerTransaction, SipMessage } from '../sip-stack/index.js';
import { parseNameAddr, parseSipUri } from '../sip-stack/index.js';
import type { AppConnection } from './app-connection.js';
import type { SessionTimer } from './session-timer.js';

/** The dialog id of drachtio's protocol: made of the request that created the dialog, whichever way it went. */
export const dialogId = (callId: string, fromTag: string): string => `${callId};from-tag=${fromTag}`;

/** What a peer's message says about how to reach it. */
export interface Path {
  /** Remote target; '' when the peer named no Contact. */
  readonly target: string;
  readonly routes: readonly string[];
}

/** A 2xx to an INVITE of ours that waits for the application's ACK. */
export interface PendingAck {
  readonly client: ClientTransaction;
  readonly seq: number;
  readonly toTag: string;
  readonly txn: string;
  /** What the BYE that follows the ACK has to say; undefined when none follows. */
  byeReason: string | undefined;
}

/**
 * One SIP dialog, early or confirmed, INVITE or SUBSCRIBE (RFC 3261 §12).
 */
export class Dialog {
  state: 'early' | 'confirmed' | 'ended' = 'early';
  remoteTag = '';
  /** Values of From and To in our requests, tags included. */
  localParty: string;
  remoteParty: string;
  path: Path = { target: '', routes: [] };
  localSeq = 0;
  remoteSeq: number | undefined;
  /** Our Contact as the peer knows it. */
  localContact = '';
  /** The session description sent last, for a refresh by session timer. */
  localSdp: Buffer | undefined;
  /** UAC: paths of the early dialogs by remote tag, newest last. */
  readonly early = new Map<string, Path>();
  /** UAC: the last RSeq of each fork, and the fork of each RSeq (RFC 3262 §4). */
  readonly lastRseq = new Map<string, number>();
  readonly reliableTags = new Map<number, string>();
  /** UAS: the address that the request came from by which it was made. */
  from = '';
  /** UAS: the INVITE (or SUBSCRIBE) that creates it, and its transaction id. */
  creator: { readonly transaction: ServerTransaction; readonly txn: string } | undefined;
  /** UAC: the transaction that creates it. */
  clientCreator: ClientTransaction | undefined;
  /** A re-INVITE of the peer that is not answered yet. */
  remoteInvite: ServerTransaction | undefined;
  /** A re-INVITE of ours that is not answered yet. */
  localInvite: ClientTransaction | undefined;
  pendingAck: PendingAck | undefined;
  ackTimer: NodeJS.Timeout | undefined;
  sessionTimer: SessionTimer | undefined;
  /** A BYE was sent and not answered yet. */
  leaving = false;

  constructor(
    readonly id: string,
    readonly role: 'uas' | 'uac',
    readonly method: 'INVITE' | 'SUBSCRIBE',
    readonly callId: string,
    readonly localTag: string,
    parties: { local: string; remote: string },
    /** The connection that owns the dialog; another may take over when it is gone. */
    public app: AppConnection,
  ) {
    this.localParty = parties.local;
    this.remoteParty = parties.remote;
  }
}

/** Contact and Record-Route of a message; `reversed` for the side that sent the request (RFC 3261 §12.1.2). */
export function pathOf(message: SipMessage, reversed: boolean): Path {
  const contact = message.list('contact')[0];
  const routes = message.list('record-route');
  const target = contact === undefined ? '' : (parseNameAddr(contact)?.uri ?? '');
  return { target: parseSipUri(target) === undefined ? '' : target, routes: reversed ? routes.reverse() : routes };
}

/** Two dialogs would have one id. */
export class DialogTakenError extends Error {
  readonly code = 'dialog_taken';
}

/** All dialogs, found by drachtio's id, by our tag, or by Call-ID. */
export class DialogTable {
  private readonly byId = new Map<string, Dialog>();
  private readonly byLocalTag = new Map<string, Dialog>();
  private readonly byCallId = new Map<string, Set<Dialog>>();

  get size(): number {
    return this.byLocalTag.size;
  }

  /** @throws DialogTakenError; nothing takes the place of a dialog that lives */
  add(dialog: Dialog): void {
    const key = `${dialog.callId}\n${dialog.localTag}`;
    if (this.byId.has(dialog.id) || this.byLocalTag.has(key)) throw new DialogTakenError(`a dialog lives already by the id of ${dialog.method}`);
    this.byId.set(dialog.id, dialog);
    this.byLocalTag.set(key, dialog);
    const same = this.byCallId.get(dialog.callId) ?? new Set();
    this.byCallId.set(dialog.callId, same.add(dialog));
  }

  /**
   * Whether a request that begins something looks as if it came from within a dialog that lives: by its From tag it would
   * be one side of it.
   */
  isTaken(request: SipMessage): boolean {
    const tag = request.fromTag;
    for (const dialog of this.byCallId.get(request.callId) ?? []) {
      if (dialog.localTag === tag || dialog.remoteTag === tag || dialog.early.has(tag)) return true;
    }
    return false;
  }

  /** Removes and marks ended; timers of the dialog are stopped. */
  remove(dialog: Dialog): void {
    dialog.state = 'ended';
    clearTimeout(dialog.ackTimer);
    dialog.sessionTimer?.stop();
    removeIf(this.byId, dialog.id, dialog);
    removeIf(this.byLocalTag, `${dialog.callId}\n${dialog.localTag}`, dialog);
    const same = this.byCallId.get(dialog.callId);
    if (same?.delete(dialog) && same.size === 0) this.byCallId.delete(dialog.callId);
  }

  get(id: string): Dialog | undefined {
    return this.byId.get(id);
  }

  /** The confirmed dialog with this Call-ID that was made last. */
  confirmedByCallId(callId: string): Dialog | undefined {
    const dialog = [...(this.byCallId.get(callId) ?? [])].at(-1);
    return dialog?.state === 'confirmed' ? dialog : undefined;
  }

  byLocal(callId: string, localTag: string): Dialog | undefined {
    return this.byLocalTag.get(`${callId}\n${localTag}`);
  }

  /** The dialog a request of the peer belongs to: both tags must fit. */
  forRequest(request: SipMessage): Dialog | undefined {
    const dialog = this.byLocal(request.callId, request.toTag);
    if (dialog === undefined) return undefined;
    const tag = request.fromTag;
    return dialog.remoteTag === tag || dialog.early.has(tag) || (dialog.role === 'uac' && dialog.remoteTag === '') ? dialog : undefined;
  }

  values(): Iterable<Dialog> {
    return this.byLocalTag.values();
  }
}

function removeIf(map: Map<string, Dialog>, key: string, dialog: Dialog): void {
  if (map.get(key) === dialog) map.delete(key);
}
