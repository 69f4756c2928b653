import { randomUUID } from 'node:crypto';
import { TransactionOverError, type ServerTransaction, type SipMessage } from '../sip-stack/index.js';
import type { ServerCore, ServerTxn } from './core.js';
import { Dialog, dialogId, pathOf } from './dialogs.js';
import type { Proxy } from './proxy.js';
import type { Sessions } from './sessions.js';

/** Methods with which an application can be started on something new. */
const ROUTABLE = new Set(['INVITE', 'OPTIONS', 'REGISTER', 'MESSAGE', 'INFO', 'NOTIFY', 'SUBSCRIBE', 'PUBLISH', 'REFER']);
/** Methods that make sense only within a dialog: without one they get 481. */
const NEEDS_DIALOG = new Set(['BYE', 'UPDATE', 'PRACK']);
const ALLOW = 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY, SUBSCRIBE, MESSAGE, REGISTER, PUBLISH';
/** Requests whose 2xx may move the peer to another Contact (RFC 3261 §12.2, RFC 3311, RFC 6665). */
const TARGET_REFRESH = new Set(['INVITE', 'UPDATE', 'SUBSCRIBE', 'NOTIFY']);

/** Requests from the network: which application gets them, and what is answered without asking one. */
export class Inbound {
  constructor(
    private readonly core: ServerCore,
    private readonly sessions: Sessions,
    private readonly proxy: Proxy,
  ) {}

  onRequest(transaction: ServerTransaction): void {
    const { request } = transaction;
    if (this.proxy.passThrough(transaction)) return;
    if (request.toTag !== '') {
      const dialog = this.core.dialogs.forRequest(request);
      if (dialog !== undefined) {
        this.within(dialog, transaction);
        return;
      }
    }
    this.outside(transaction);
  }

  // ---- new requests ----

  private outside(transaction: ServerTransaction): void {
    const { request, source, method } = transaction;
    if (method === 'REGISTER' && request.list('contact').includes('*') && request.get('expires') !== '0') {
      transaction.respond(400);
      return;
    }
    const tagged = request.toTag !== '';
    if (NEEDS_DIALOG.has(method) || (tagged && (method === 'INVITE' || method === 'REFER' || method === 'SUBSCRIBE'))) {
      transaction.respond(481);
      return;
    }
    if (!ROUTABLE.has(method)) {
      transaction.respond(501, { headers: { Allow: ALLOW } });
      return;
    }
    if ((method === 'INVITE' && this.core.stack.isMerged(transaction)) || ((method === 'INVITE' || method === 'SUBSCRIBE') && this.core.dialogs.isTaken(request))) {
      transaction.respond(482);
      return;
    }
    const app = this.core.apps.next(method.toLowerCase());
    if (app === undefined) {
      transaction.respond(tagged ? 481 : 503);
      return;
    }
    if (method === 'INVITE' && this.core.dialogs.size >= this.core.maxDialogs) {
      transaction.respond(503, { headers: { 'Retry-After': '5' } });
      return;
    }
    const txn = this.core.addServerTxn(transaction, app, undefined);
    transaction.onTerminated = () => this.over(txn);
    if (method === 'INVITE') this.watchInvite(txn);
    this.core.deliver(app, request, source, txn.id, '', true);
    if (method === 'INVITE') this.core.cdr('attempt', 'network', request);
  }

  private over(txn: ServerTxn): void {
    this.core.serverTxns.delete(txn.id);
    txn.reliable?.stop();
    if (txn.update?.open === true) this.answerQuietly(txn.update, 500);
    const { dialog } = txn;
    if (dialog === undefined || dialog.creator?.txn !== txn.id) return;
    if (dialog.state === 'early') this.core.dialogs.remove(dialog);
    if (!txn.transaction.open) dialog.creator = undefined;
  }

  /** CANCEL and ACK of a new INVITE. */
  private watchInvite(txn: ServerTxn): void {
    const { transaction, app } = txn;
    transaction.onCancel = (cancel, source) => {
      this.core.deliver(app, cancel, source, txn.id, txn.dialog?.id ?? '');
      this.core.cdr('stop', 'network', transaction.request, 'call-canceled');
      this.over(txn);
    };
    transaction.onAck = (ack, source) => {
      if (txn.dialog !== undefined) this.core.deliver(txn.dialog.app, ack, source, txn.id, txn.dialog.id);
    };
    transaction.onAckTimeout = (status) => {
      if (status < 300 && txn.dialog !== undefined) this.core.hangUp(txn.dialog, 'ACK timeout', 'ack-timeout');
    };
  }

  // ---- requests within a dialog ----

  private within(dialog: Dialog, transaction: ServerTransaction): void {
    const { request, method } = transaction;
    const seq = request.cseq!.seq;
    if (dialog.remoteSeq !== undefined && seq < dialog.remoteSeq) {
      transaction.respond(500, { headers: { 'Retry-After': '1' } });
      return;
    }
    dialog.remoteSeq = seq;
    if (dialog.remoteTag === '') {
      dialog.remoteTag = request.fromTag;
      dialog.remoteParty = request.get('from')!;
    }
    if (dialog.app.gone) {
      transaction.respond(481);
      if (method === 'BYE') this.end(dialog, request, 'network');
      return;
    }
    switch (method) {
      case 'INVITE':
        this.reinvite(dialog, transaction);
        return;
      case 'BYE':
        this.bye(dialog, transaction);
        return;
      case 'UPDATE':
        this.update(dialog, transaction);
        return;
      case 'PRACK':
        this.prack(dialog, transaction);
        return;
      default:
        this.pass(dialog, transaction);
    }
  }

  /** Hands a request within a dialog to its application under a fresh transaction id. */
  private pass(dialog: Dialog, transaction: ServerTransaction): ServerTxn {
    const { request, source } = transaction;
    const txn = this.core.addServerTxn(transaction, dialog.app, dialog);
    transaction.onTerminated = () => this.core.serverTxns.delete(txn.id);
    this.core.deliver(dialog.app, request, source, txn.id, dialog.id);
    return txn;
  }

  private reinvite(dialog: Dialog, transaction: ServerTransaction): void {
    // RFC 3261 §14.2: one at a time, and not against one of ours.
    if (dialog.state === 'early' || dialog.remoteInvite?.open === true) {
      transaction.respond(500, { headers: { 'Retry-After': '1' } });
      return;
    }
    if (dialog.localInvite !== undefined) {
      transaction.respond(491);
      return;
    }
    if (this.refusesShortSession(transaction)) return;
    dialog.remoteInvite = transaction;
    const txn = this.core.addServerTxn(transaction, dialog.app, dialog);
    transaction.onTerminated = () => {
      this.core.serverTxns.delete(txn.id);
      if (dialog.remoteInvite === transaction) dialog.remoteInvite = undefined;
    };
    transaction.onCancel = (cancel, source) => {
      this.core.serverTxns.delete(txn.id);
      this.core.deliver(dialog.app, cancel, source, txn.id, dialog.id);
    };
    transaction.onAck = (ack, source) => this.core.deliver(dialog.app, ack, source, randomUUID(), dialog.id);
    transaction.onAckTimeout = (status) => {
      if (status < 300) this.core.hangUp(dialog, 'ACK timeout', 'ack-timeout');
    };
    this.core.deliver(dialog.app, transaction.request, transaction.source, txn.id, dialog.id);
  }

  private refusesShortSession(transaction: ServerTransaction): boolean {
    if (!this.sessions.tooShort(transaction.request)) return false;
    transaction.respond(422, { headers: { 'Min-SE': '90' } });
    return true;
  }

  private update(dialog: Dialog, transaction: ServerTransaction): void {
    if (this.refusesShortSession(transaction)) return;
    const creator = dialog.state === 'early' && dialog.role === 'uas' ? dialog.creator : undefined;
    const invite = creator === undefined ? undefined : this.core.serverTxns.get(creator.txn);
    if (invite === undefined) {
      this.pass(dialog, transaction);
      return;
    }
    // drachtio's clients expect an UPDATE during an INVITE under the INVITE's own id.
    if (invite.update?.open === true) {
      transaction.respond(500, { headers: { 'Retry-After': '1' } });
      return;
    }
    invite.update = transaction;
    transaction.onTerminated = () => {
      if (invite.update === transaction) invite.update = undefined;
    };
    this.core.deliver(invite.app, transaction.request, transaction.source, invite.id, dialog.id);
  }

  private prack(dialog: Dialog, transaction: ServerTransaction): void {
    const invite = dialog.creator === undefined ? undefined : this.core.serverTxns.get(dialog.creator.txn);
    if (invite?.reliable?.acknowledge(transaction.request.get('rack')) !== true) {
      transaction.respond(481);
      return;
    }
    this.pass(dialog, transaction);
  }

  private bye(dialog: Dialog, transaction: ServerTransaction): void {
    const { request, source } = transaction;
    const txn = this.core.addServerTxn(transaction, dialog.app, dialog);
    transaction.onTerminated = () => this.core.serverTxns.delete(txn.id);
    this.core.deliver(dialog.app, request, source, txn.id, dialog.id);
    this.end(dialog, request, 'network');
  }

  /** The dialog is over; what is still open in it is answered (RFC 3261 §15.1.2). */
  private end(dialog: Dialog, bye: SipMessage, by: 'network' | 'application'): void {
    const wasConfirmed = dialog.state === 'confirmed';
    const { creator, remoteInvite } = dialog;
    this.core.dialogs.remove(dialog);
    if (creator?.transaction.open === true) this.answerQuietly(creator.transaction, 487);
    if (remoteInvite?.open === true) this.answerQuietly(remoteInvite, 487);
    creator?.transaction.stopRetransmitting();
    if (wasConfirmed && dialog.method === 'INVITE') this.core.cdr('stop', by, bye, 'normal-release');
  }

  private answerQuietly(transaction: ServerTransaction, status: number): void {
    try {
      transaction.respond(status);
    } catch (error) {
      if (!(error instanceof TransactionOverError)) throw error;
    }
  }

  // ---- consequences of the application's answers ----

  /** Before a response of the application is sent: creates the dialog, at its first response with a tag. */
  dialogFor(txn: ServerTxn, contact: string | undefined): Dialog | undefined {
    const { transaction } = txn;
    const { request } = transaction;
    if (txn.dialog !== undefined || (request.method !== 'INVITE' && request.method !== 'SUBSCRIBE') || request.toTag !== '') return txn.dialog;
    const parties = { local: `${request.get('to')!};tag=${transaction.localTag}`, remote: request.get('from')! };
    const id = dialogId(request.callId, request.fromTag);
    const dialog = new Dialog(id, 'uas', request.method, request.callId, transaction.localTag, parties, txn.app);
    dialog.remoteTag = request.fromTag;
    dialog.from = transaction.source.address;
    this.core.dialogs.add(dialog);
    dialog.path = pathOf(request, false);
    dialog.remoteSeq = request.cseq!.seq;
    dialog.localSeq = request.cseq!.seq;
    dialog.creator = { transaction, txn: txn.id };
    if (contact !== undefined) dialog.localContact = contact;
    txn.dialog = dialog;
    return dialog;
  }

  /** After a final response of the application was sent. */
  answered(txn: ServerTxn, response: SipMessage): void {
    const { dialog, transaction } = txn;
    const { request } = transaction;
    const status = response.status!;
    this.core.serverTxns.delete(txn.id);
    txn.reliable?.stop();
    if (dialog === undefined) return;
    if (dialog.creator?.txn === txn.id) {
      if (status >= 300) {
        this.core.dialogs.remove(dialog);
        if (dialog.method === 'INVITE') this.core.cdr('stop', 'application', response, 'call-rejected');
        return;
      }
      dialog.state = 'confirmed';
      if (dialog.method === 'INVITE') this.core.cdr('start', 'application', response, 'uas');
    }
    if (dialog.remoteInvite === transaction) dialog.remoteInvite = undefined;
    if (status < 300 && TARGET_REFRESH.has(request.method!)) {
      const { target } = pathOf(request, false);
      if (target !== '') dialog.path = { target, routes: dialog.path.routes };
    }
    if (dialog.method === 'SUBSCRIBE' && request.method === 'NOTIFY' && /^terminated\b/i.test(request.get('subscription-state') ?? '')) this.core.dialogs.remove(dialog);
  }

  /** An application is gone: what waits for its answer is answered for it, later, if the caller has not given up by then. */
  appGone(txn: ServerTxn): void {
    const { transaction } = txn;
    if (!transaction.isInvite || !transaction.open) return;
    const timer = setTimeout(() => {
      if (transaction.open) this.answerQuietly(transaction, 500);
    }, 64 * this.core.stack.timers.t1Ms);
    const terminated = transaction.onTerminated;
    transaction.onTerminated = () => {
      clearTimeout(timer);
      terminated?.();
    };
  }
}
