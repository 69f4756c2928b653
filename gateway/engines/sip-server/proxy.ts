import { hostPort, parseNameAddr, parseSipUri, reasonPhrase, SipMessage, type ClientTransaction, type FinalInfo, type ServerTransaction } from '../sip-stack/index.js';
import type { AppCommand, AppConnection } from './app-connection.js';
import type { ServerCore, ServerTxn } from './core.js';
import { applicationHeaders } from './headers.js';
import { wireTime } from './meta.js';

const NEVER_SET = new Set(['from', 'to', 'call-id', 'cseq', 'max-forwards', 'contact']);
const MAX_TARGETS = 16;
/** Calls whose later requests pass through here; the oldest is forgotten when there are more. */
const MAX_CALLS = 20_000;

interface ProxyOptions {
  readonly recordRoute: boolean;
  readonly followRedirects: boolean;
  readonly simultaneous: boolean;
  readonly provisionalTimeoutMs: number | undefined;
  readonly finalTimeoutMs: number | undefined;
}

/** No further hop is allowed (RFC 3261 §16.3); zeros in front do not count. */
const isSpent = (request: SipMessage): boolean => Number(request.get('max-forwards') ?? 70) === 0;

/** The `proxy` command: hands a call on without taking part in it (RFC 3261 §16), and lets its later requests pass. */
export class Proxy {
  private readonly calls = new Set<string>();

  constructor(
    private readonly core: ServerCore,
    private readonly ownAddresses: () => readonly string[],
  ) {}

  onProxy(app: AppConnection, command: AppCommand): void {
    const [txnId = '', remain = '', , redirects = '', order = '', provisional = '', final = '', ...targets] = command.fields;
    const txn = this.core.serverTxns.get(txnId);
    if (txn === undefined || txn.app !== app || !txn.transaction.open || command.sip === undefined) {
      app.answer(command.id, 'NOK|Response not sent due to unknown transaction');
      return;
    }
    if (isSpent(txn.transaction.request)) {
      txn.transaction.respond(483);
      this.core.serverTxns.delete(txn.id);
      app.answer(command.id, 'OK|done');
      return;
    }
    const job = new ProxyJob(this.core, txn, SipMessage.parse(command.sip, true), command.id, targets.filter((uri) => uri !== '').slice(0, MAX_TARGETS), {
      recordRoute: remain !== '', followRedirects: redirects !== '', simultaneous: order === 'simultaneous',
      provisionalTimeoutMs: parseDuration(provisional), finalTimeoutMs: parseDuration(final),
    });
    if (remain !== '') this.remember(txn.transaction.request.callId);
    job.start();
  }

  private remember(callId: string): void {
    this.calls.add(callId);
    const [oldest] = this.calls;
    if (this.calls.size > MAX_CALLS && oldest !== undefined) this.calls.delete(oldest);
  }

  /** A later request of a call that was proxied with `remainInDialog`; true when it was taken care of. */
  passThrough(transaction: ServerTransaction): boolean {
    const { request } = transaction;
    if (request.toTag === '' || !this.calls.has(request.callId) || !this.isForUs(request)) return false;
    if (isSpent(request)) {
      transaction.respond(483);
      return true;
    }
    const client = forward(this.core, transaction, nextHopCopy(request, true), {
      onFinal: (response, info) => {
        if (transaction.open) transaction.send(info.local === undefined ? upstream(response) : transaction.makeResponse(response.status!));
        if (transaction.isInvite && response.status! < 300) transaction.stopRetransmitting();
      },
    });
    if (client === undefined) transaction.respond(404);
    transaction.onAck = (ack) => forwardAck(this.core, client, ack);
    transaction.onCancel = () => client?.cancel();
    if (request.method === 'BYE') this.calls.delete(request.callId);
    return true;
  }

  private isForUs(request: SipMessage): boolean {
    const route = request.list('route')[0];
    const uri = route === undefined ? undefined : parseSipUri(parseNameAddr(route)?.uri ?? '');
    return uri !== undefined && this.core.isOwnAddress(uri.host, uri.port, this.ownAddresses());
  }
}

/** One call being handed on to one target or several. */
class ProxyJob {
  private readonly open = new Set<ClientTransaction>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private best: SipMessage | undefined;
  private won = false;
  private done = false;

  constructor(
    private readonly core: ServerCore,
    private readonly txn: ServerTxn,
    private readonly command: SipMessage,
    private readonly commandId: string,
    private readonly targets: string[],
    private readonly options: ProxyOptions,
  ) {}

  start(): void {
    const { transaction } = this.txn;
    transaction.onAck = (ack) => {
      if (this.options.recordRoute && this.winner !== undefined) forwardAck(this.core, this.winner, ack);
    };
    transaction.onAckTimeout = undefined;
    transaction.onCancel = () => {
      this.targets.length = 0;
      for (const client of this.open) client.cancel();
    };
    transaction.onTerminated = () => this.core.serverTxns.delete(this.txn.id);
    if (this.options.simultaneous) for (const uri of this.targets.splice(0)) this.attempt(uri);
    else this.next();
    this.finishIfIdle();
  }

  private winner: ClientTransaction | undefined;

  private next(): void {
    while (this.open.size === 0 && !this.won) {
      const uri = this.targets.shift();
      if (uri === undefined) return;
      this.attempt(uri);
    }
  }

  private attempt(uri: string): void {
    const { transaction } = this.txn;
    const request = nextHopCopy(transaction.request, false);
    request.uri = uri;
    const place = this.core.placeFor(uri);
    for (const [name, value] of applicationHeaders(this.command, NEVER_SET, place)) request.set(name, value);
    if (this.options.recordRoute) request.prepend('Record-Route', `<sip:${hostPort(place.host, place.port)};lr>`);
    const client = forward(this.core, transaction, request, {
      onProvisional: () => clearTimeout(patience),
      onFinal: (response, info) => this.final(client, response, info),
      onRepeated: () => transaction.repeat(),
    });
    if (client === undefined) return;
    this.open.add(client);
    const patience = this.after(this.options.provisionalTimeoutMs, () => this.giveUp(client));
    this.after(this.options.finalTimeoutMs, () => this.giveUp(client));
  }

  private after(ms: number | undefined, then: () => void): NodeJS.Timeout | undefined {
    if (ms === undefined) return undefined;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      then();
    }, ms);
    this.timers.add(timer);
    return timer;
  }

  /** A target took too long: it is cancelled, and the next one has its turn. */
  private giveUp(client: ClientTransaction): void {
    if (!this.open.delete(client)) return;
    client.cancel();
    this.next();
    this.finishIfIdle();
  }

  private final(client: ClientTransaction | undefined, response: SipMessage, info: FinalInfo): void {
    const counted = client === undefined || this.open.delete(client);
    this.report(response, info);
    const status = response.status!;
    if (status < 300 && !this.won) {
      this.won = true;
      this.winner = client;
      for (const other of this.open) other.cancel();
      if (this.txn.transaction.open) {
        this.txn.transaction.send(upstream(response));
        // The answering party repeats its 2xx until the caller's ACK, and each repetition is passed on.
        this.txn.transaction.stopRetransmitting();
      }
    } else if (status >= 300 && counted) {
      if (this.options.followRedirects && status < 400) this.follow(response);
      if (this.best === undefined || rank(status) < rank(this.best.status!)) this.best = response;
      if (status >= 600) this.targets.length = 0;
      this.next();
    }
    this.finishIfIdle();
  }

  private follow(response: SipMessage): void {
    for (const contact of response.list('contact')) {
      const uri = parseNameAddr(contact)?.uri;
      if (uri !== undefined && this.targets.length < MAX_TARGETS && parseSipUri(uri) !== undefined) this.targets.push(uri);
    }
  }

  private report(response: SipMessage, info: FinalInfo): void {
    const bytes = response.toBuffer();
    const { source } = info;
    this.txn.app.answer(this.commandId, `OK|network|${bytes.length}|${source?.protocol ?? 'udp'}|${source?.address ?? ''}|${source?.port ?? 0}|${wireTime()}|||continue`, bytes);
  }

  private finishIfIdle(): void {
    if (this.done || this.open.size > 0 || (this.targets.length > 0 && !this.won)) return;
    this.done = true;
    for (const timer of this.timers) clearTimeout(timer);
    const { transaction, app } = this.txn;
    if (transaction.open) {
      const status = this.best?.status ?? 408;
      if (this.best !== undefined && this.best.list('via').length > 1) transaction.send(upstream(this.best));
      else transaction.respond(status, { reason: reasonPhrase(status) });
    }
    this.core.serverTxns.delete(this.txn.id);
    app.answer(this.commandId, 'OK|done');
  }
}

/** RFC 3261 §16.7: 6xx wins, then the lowest class. */
const rank = (status: number): number => (status >= 600 ? 0 : status);

/** A response as the caller gets it: without our own Via. */
const upstream = (response: SipMessage): SipMessage => response.clone().removeFirstValue('Via');

/** A copy to be sent on: one hop less to go, and without the Route that led here when there was one. */
function nextHopCopy(request: SipMessage, routedHere: boolean): SipMessage {
  const copy = request.clone();
  const forwards = Number(copy.get('max-forwards') ?? '70');
  copy.set('Max-Forwards', String(Math.max(0, forwards - 1)));
  return routedHere ? copy.removeFirstValue('Route') : copy;
}

/** Sends a copy on and passes provisional responses back; undefined when there is nowhere to send it. */
function forward(
  core: ServerCore,
  transaction: ServerTransaction,
  request: SipMessage,
  handlers: { onProvisional?(): void; onFinal(response: SipMessage, info: FinalInfo): void; onRepeated?(): void },
): ClientTransaction | undefined {
  try {
    return core.stack.request(request, {
      onProvisional: (response) => {
        handlers.onProvisional?.();
        if (response.status! > 100 && transaction.open) transaction.send(upstream(response));
      },
      onFinal: (response, info) => handlers.onFinal(response, info),
      onRepeated: () => handlers.onRepeated?.(),
    });
  } catch (error) {
    core.log.debug({ err: error }, 'a request could not be passed on');
    return undefined;
  }
}

function forwardAck(core: ServerCore, client: ClientTransaction | undefined, ack: SipMessage): void {
  if (client === undefined) return;
  try {
    core.stack.sendAck(client, nextHopCopy(ack, true));
  } catch (error) {
    core.log.debug({ err: error }, 'an ACK could not be passed on');
  }
}

/** `2s` or `1500ms`, in milliseconds. */
function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,6})\s*(ms|s)?$/.exec(text);
  return match === null ? undefined : Number(match[1]) * (match[2] === 'ms' ? 1 : 1000);
}
