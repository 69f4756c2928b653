import { randomUUID } from 'node:crypto';
import type { EngineLog } from '../log.js';
import { hostPort, parseNameAddr, SipMessage, type ClientTransaction, type ServerTransaction, type SipStack, type Source } from '../sip-stack/index.js';
import type { AppConnection } from './app-connection.js';
import { AppRegistry } from './app-registry.js';
import type { Dialog, DialogTable } from './dialogs.js';
import { ownContact, type LocalPlace } from './headers.js';
import { requestMeta, responseMeta, unsolicitedMeta, wireTime } from './meta.js';
import type { ReliableProvisionals } from './reliable.js';

/** A request from the network an application has to answer. */
export interface ServerTxn {
  readonly id: string;
  readonly transaction: ServerTransaction;
  readonly app: AppConnection;
  /** The dialog it belongs to, or creates. */
  dialog: Dialog | undefined;
  /** INVITE only: an UPDATE that came before the final answer; answered under the same id. */
  update: ServerTransaction | undefined;
  reliable: ReliableProvisionals | undefined;
}

/** A request of an application that is under way. */
export interface ClientTxn {
  readonly id: string;
  readonly client: ClientTransaction;
  readonly app: AppConnection;
  readonly dialog: Dialog | undefined;
}

/** What a BYE names that can be sent to nobody, for those who are told of it. */
const NOWHERE = 'sip:nowhere.invalid';

/** A request cannot be sent within a dialog because the peer never said where to. */
export class NoRouteError extends Error {
  readonly code = 'no_route';
}

/** State shared by the two directions, and what both do with it. */
export class ServerCore {
  readonly apps = new AppRegistry();
  readonly serverTxns = new Map<string, ServerTxn>();
  readonly clientTxns = new Map<string, ClientTxn>();

  constructor(
    readonly stack: SipStack,
    readonly dialogs: DialogTable,
    readonly log: EngineLog,
    readonly maxDialogs: number,
  ) {}

  /** Our side of the conversation with whoever sits behind a URI. */
  placeFor(uri: string): LocalPlace {
    return { host: this.stack.localAddressForUri(uri), port: this.stack.port, protocol: this.stack.protocolFor(uri) ?? 'udp' };
  }

  /** Our side as the sender of a request saw it. */
  placeOf(source: Source): LocalPlace {
    return { host: source.localAddress, port: this.stack.port, protocol: source.protocol };
  }

  /** Takes responsibility for a request until it is answered. */
  addServerTxn(transaction: ServerTransaction, app: AppConnection, dialog: Dialog | undefined): ServerTxn {
    const txn: ServerTxn = { id: randomUUID(), transaction, app, dialog, update: undefined, reliable: undefined };
    this.serverTxns.set(txn.id, txn);
    return txn;
  }

  /** Hands a request from the network to an application. */
  deliver(app: AppConnection, request: SipMessage, source: Source, txn: string, dialogId: string, fresh = false): void {
    const bytes = request.toBuffer();
    app.send(requestMeta({ bytes: bytes.length, source, txn, dialogId, isAck: request.method === 'ACK', fresh }), bytes);
  }

  /** Hands a response to the application that sent the request. */
  deliverResponse(txn: { id: string; app: AppConnection }, response: SipMessage, source: Source | undefined, protocol: string, dialogId: string): void {
    const bytes = response.toBuffer();
    txn.app.send(responseMeta({ bytes: bytes.length, source, protocol, txn: txn.id, dialogId }), bytes);
  }

  /** Call detail records: one application that asked for this kind gets it. */
  cdr(kind: 'attempt' | 'start' | 'stop', from: 'network' | 'application', message: SipMessage, detail?: string): void {
    const app = this.apps.next(`cdr:${kind}`);
    app?.send(`cdr:${kind}|${from}|${wireTime()}${detail === undefined ? '' : `|${detail}`}`, message.toBuffer());
  }

  /**
   * A request within a dialog, complete but for Via (RFC 3261 §12.2.1.1).
   * @param otherwise in place of a target that the peer never named; without it that is a {@link NoRouteError}
   */
  requestIn(dialog: Dialog, method: string, uri?: string, otherwise = ''): SipMessage {
    const { routes } = dialog.path;
    const target = dialog.path.target || otherwise;
    if (target === '') throw new NoRouteError('the peer named no Contact');
    const strict = routes[0] !== undefined && !/;\s*lr\b/i.test(routes[0]);
    const request = SipMessage.request(method, strict ? (parseNameAddr(routes[0]!)?.uri ?? target) : (uri ?? target));
    const routed = strict ? [...routes.slice(1), `<${uri ?? target}>`] : routes;
    request.set('Max-Forwards', '70');
    for (const route of routed) request.add('Route', route);
    if (method !== 'ACK') dialog.localSeq += 1;
    return request
      .set('From', dialog.localParty)
      .set('To', dialog.remoteParty)
      .set('Call-ID', dialog.callId)
      .set('CSeq', `${dialog.localSeq} ${method}`);
  }

  /** Where a request in this dialog is sent first. */
  nextHopOf(dialog: Dialog): string {
    const [first] = dialog.path.routes;
    return first === undefined ? dialog.path.target : (parseNameAddr(first)?.uri ?? dialog.path.target);
  }

  contactFor(dialog: Dialog): string {
    return dialog.localContact !== '' ? dialog.localContact : ownContact(this.placeFor(this.nextHopOf(dialog)));
  }

  /**
   * Ends a dialog from here: BYE to the peer, and the message by which the application learns of it.
   * `reason` is drachtio's text, `ACK timeout` for instance.
   */
  hangUp(dialog: Dialog, reason: string, cdrReason: string): void {
    if (dialog.state === 'ended') return;
    // Ended here and told before anything is sent: whether the peer can be reached is another matter.
    this.dialogs.remove(dialog);
    const bye = this.requestIn(dialog, 'BYE', undefined, NOWHERE).set('Reason', `SIP;cause=200;text="${reason}"`);
    const place = this.placeFor(this.nextHopOf(dialog));
    const bytes = bye.toBuffer();
    dialog.app.send(unsolicitedMeta({ bytes: bytes.length, protocol: place.protocol, host: place.host, port: place.port, dialogId: dialog.id }), bytes);
    this.cdr('stop', 'application', bye, cdrReason);
    try {
      this.stack.request(bye, { onFinal: () => undefined });
    } catch (error) {
      this.log.debug({ err: error }, 'a dialog ended without BYE: the peer cannot be reached');
    }
  }

  /** One of the addresses this server answers on. */
  isOwnAddress(host: string, port: number | undefined, addresses: readonly string[]): boolean {
    return (port ?? 5060) === this.stack.port && addresses.includes(host);
  }

  /** drachtio's list of listening points. */
  hostports(addresses: readonly string[]): string {
    return ['tcp', 'udp'].flatMap((protocol) => addresses.map((address) => `${protocol}/${hostPort(address, this.stack.port)}`)).join(',');
  }
}
