import { EventEmitter } from 'node:events';
import { isIPv6 } from 'node:net';
import { silentLog, type EngineLog } from '../log.js';
import { ClientTransaction, type ClientHandlers, type ClientTransactionOwner } from './client-transaction.js';
import { hostPort, parseNameAddr, parseSipUri, parseVia, splitList, type SipUri, type Via } from './grammar.js';
import { MAGIC_COOKIE, newBranch, newTag } from './ids.js';
import { NotSipError, SipMessage } from './message.js';
import { RateLimiter } from './rate-limit.js';
import { literalEndpoint, resolveUri, transportOf } from './resolver.js';
import { ackKey, ServerTransaction, type ServerTransactionOwner } from './server-transaction.js';
import { DEFAULT_TIMERS, type SipTimers } from './timers.js';
import { DEFAULT_TRANSPORT_LIMITS, Transport, type Connection, type Endpoint, type Protocol, type Source, type TransportLimits } from './transport.js';
import { requestFault } from './validate.js';

export interface StackLimits extends TransportLimits {
  /** Transactions alive at a time; further requests get 503. */
  readonly maxTransactions: number;
  /** New requests per second from one address, and how many may come at once. */
  readonly requestsPerSecond: number;
  readonly requestBurst: number;
}

export const DEFAULT_STACK_LIMITS: StackLimits = {
  ...DEFAULT_TRANSPORT_LIMITS,
  maxTransactions: 200_000,
  requestsPerSecond: 2_000,
  requestBurst: 6_000,
};

/** What becomes of a request before anything of it is looked at or answered: a status is answered once, without a transaction. */
export type Admission = 'admit' | 'silence' | number;

export interface StackOptions {
  /** Address to bind, UDP and TCP. */
  readonly host: string;
  /** 0 picks a port that is free for both. */
  readonly port: number;
  readonly log?: EngineLog;
  readonly limits?: Partial<StackLimits>;
  /** Messages and connections from elsewhere are dropped without a word; all are taken when left out. */
  readonly acceptFrom?: (address: string) => boolean;
  /** Shorter timers are for tests. */
  readonly timers?: SipTimers;
  /** Who may send what; everybody everything when left out. Asked for every request that is no repetition of one that was admitted. */
  readonly admit?: (request: SipMessage, source: Source) => Admission;
  /** Whether two addresses are one peer's, so that one may go on with what the other began; everybody's are when left out. */
  readonly samePeer?: (one: string, other: string) => boolean;
  /** Whose TCP connections are not counted among strangers'. */
  readonly isKnown?: (address: string) => boolean;
}

export interface StackEvents {
  /** A new request: not a retransmission, not ACK, not CANCEL. An INVITE has got its 100 already. */
  request: [transaction: ServerTransaction];
  /** An ACK that belongs to no transaction; late or stray. */
  strayAck: [ack: SipMessage, source: Source];
}

export interface RequestOptions extends ClientHandlers {
  /** URI to send to instead of the first Route or the Request-URI. */
  readonly nextHop?: string;
}

/** A request that cannot even be tried: its URI is unusable. */
export class BadTargetError extends Error {
  readonly code = 'bad_target';
}

/**
 * SIP transactions over UDP and TCP. See the comment in `index.ts` for how to use it.
 */
export class SipStack extends EventEmitter<StackEvents> {
  readonly timers: SipTimers;
  private readonly limits: StackLimits;
  private readonly log: EngineLog;
  private readonly limiter: RateLimiter;
  private transport!: Transport;
  private readonly servers = new Map<string, ServerTransaction>();
  private readonly clients = new Map<string, ClientTransaction>();
  private readonly acks = new Map<string, ServerTransaction>();
  private readonly byConnection = new Map<Connection, Set<ServerTransaction>>();
  /** INVITEs outside of any dialog, by Call-ID and From tag: another one that looks like it is no new call. */
  private readonly invites = new Map<string, Set<ServerTransaction>>();
  private readonly admit: NonNullable<StackOptions['admit']>;
  private readonly samePeer: NonNullable<StackOptions['samePeer']>;
  private readonly serverOwner: ServerTransactionOwner;
  private readonly clientOwner: ClientTransactionOwner;
  private closed = false;

  private constructor(options: StackOptions) {
    super();
    this.limits = { ...DEFAULT_STACK_LIMITS, ...options.limits };
    this.log = options.log ?? silentLog;
    this.timers = options.timers ?? DEFAULT_TIMERS;
    this.admit = options.admit ?? (() => 'admit');
    this.samePeer = options.samePeer ?? (() => true);
    this.limiter = new RateLimiter(this.limits.requestsPerSecond, this.limits.requestBurst);
    this.serverOwner = {
      timers: this.timers,
      reply: (bytes: Buffer, source: Source, request: SipMessage, failed: (error: Error) => void) => this.reply(bytes, source, request, failed),
      expectAck: (key: string, transaction: ServerTransaction) => void this.acks.set(key, transaction),
      forgetAck: (key: string) => void this.acks.delete(key),
      terminated: (transaction: ServerTransaction) => {
        this.servers.delete(transaction.key);
        this.forgetInvite(transaction);
        const { connection } = transaction.source;
        if (connection !== undefined) this.byConnection.get(connection)?.delete(transaction);
      },
    };
    this.clientOwner = {
      timers: this.timers,
      transmit: (bytes: Buffer, to: Endpoint, failed: (error: Error) => void) => this.transport.send(bytes, to, failed),
      probe: (to: Endpoint, refused: () => void) => this.transport.probe(to, refused),
      terminated: (transaction: ClientTransaction) => void this.clients.delete(transaction.key),
      sendCancel: (cancel: SipMessage, to: Endpoint) => {
        const branch = parseVia(splitList(cancel.get('via') ?? '')[0] ?? '')?.params['branch'] ?? '';
        const transaction = new ClientTransaction(clientKey(branch, 'CANCEL'), cancel, this.clientOwner, { onFinal: () => undefined });
        this.clients.set(transaction.key, transaction);
        transaction.start([to]);
      },
    };
  }

  /** Binds the sockets; rejects with the system's error when the address is taken. */
  static async open(options: StackOptions): Promise<SipStack> {
    const stack = new SipStack(options);
    stack.transport = await Transport.open(
      {
        host: options.host, port: options.port, limits: stack.limits, log: stack.log, isKnown: options.isKnown ?? (() => true),
        ...(options.acceptFrom && { acceptFrom: options.acceptFrom }),
      },
      { onMessage: (bytes, source) => stack.onMessage(bytes, source), onConnectionClosed: (connection) => stack.onConnectionClosed(connection) },
    );
    return stack;
  }

  get host(): string {
    return this.transport.host;
  }

  get port(): number {
    return this.transport.port;
  }

  /** The address of ours a peer sees, to be written into Contact and SDP. */
  localAddress(remote: string): string {
    return this.transport.localAddress(remote);
  }

  stats(): { serverTransactions: number; clientTransactions: number; connections: number } {
    return { serverTransactions: this.servers.size, clientTransactions: this.clients.size, connections: this.transport.connectionCount };
  }

  // ---- receiving ----

  private onMessage(bytes: Buffer, source: Source): void {
    if (this.closed) return;
    let message: SipMessage;
    try {
      message = SipMessage.parse(bytes);
    } catch (error) {
      if (!(error instanceof NotSipError)) throw error;
      // On a stream whose framing still worked, what is not SIP at all means the peer is not a SIP peer.
      if (source.protocol === 'tcp') source.connection?.socket.destroy();
      return;
    }
    const viaLine = message.get('via');
    const viaValues = viaLine === undefined ? [] : splitList(viaLine);
    const via = viaValues[0] === undefined ? undefined : parseVia(viaValues[0]);
    if (via === undefined) return;
    if (!message.isRequest) {
      this.onResponse(message, via, source);
      return;
    }
    const stamped = stampVia(viaValues[0]!, via, source);
    if (stamped !== viaValues[0]) message.replaceFirst('Via', [stamped, ...viaValues.slice(1)].join(', '));
    this.onRequest(message, via, source);
  }

  private onResponse(response: SipMessage, via: Via, source: Source): void {
    const method = response.cseq?.method;
    if (method === undefined || response.malformed !== undefined) return;
    const transaction = this.clients.get(clientKey(via.params['branch'] ?? '', method));
    // Someone who guesses branches must also know the Call-ID.
    if (transaction === undefined || transaction.request.callId !== response.callId) return;
    // Or have read both in somebody's log: so an answer must come from whom we asked.
    const asked = transaction.endpoint?.address;
    if (asked === undefined || !this.samePeer(asked, source.address)) return;
    transaction.received(response, source);
  }

  private onRequest(request: SipMessage, via: Via, source: Source): void {
    const method = request.method!;
    const key = serverKey(request, via);
    const known = method === 'ACK' ? undefined : this.servers.get(key + method);
    if (known !== undefined) {
      // Somebody else's copy is nobody's request.
      if (this.samePeer(known.source.address, source.address)) known.retransmitted();
      return;
    }
    const admission = this.admit(request, source);
    if (admission !== 'admit') {
      if (admission !== 'silence' && method !== 'ACK') this.replyOnce(request, source, admission);
      return;
    }
    const fault = requestFault(request);
    if (fault !== undefined) {
      if (method !== 'ACK') this.replyOnce(request, source, fault.status, fault.reason);
      return;
    }
    if (method === 'ACK') {
      this.onAck(request, key, source);
      return;
    }
    if (method === 'CANCEL') {
      this.onCancel(request, key, source);
      return;
    }
    if (!this.limiter.take(source.address) || this.servers.size >= this.limits.maxTransactions) {
      this.replyOnce(request, source, 503, undefined, { 'Retry-After': '5' });
      return;
    }
    const transaction = this.track(new ServerTransaction(key + method, request, source, this.serverOwner));
    if (transaction.isInvite) transaction.respond(100);
    if (!this.emit('request', transaction)) transaction.respond(503);
  }

  private track(transaction: ServerTransaction): ServerTransaction {
    this.servers.set(transaction.key, transaction);
    if (transaction.isInvite && transaction.request.toTag === '') {
      const key = inviteKey(transaction.request);
      const set = this.invites.get(key) ?? new Set();
      this.invites.set(key, set.add(transaction));
    }
    const { connection } = transaction.source;
    if (connection !== undefined) {
      const set = this.byConnection.get(connection) ?? new Set();
      this.byConnection.set(connection, set.add(transaction));
    }
    return transaction;
  }

  private forgetInvite(transaction: ServerTransaction): void {
    const key = inviteKey(transaction.request);
    const set = this.invites.get(key);
    if (set?.delete(transaction) && set.size === 0) this.invites.delete(key);
  }

  /**
   * True for an INVITE that came before by another way, or comes while another one of the same Call-ID and From tag is
   * not answered yet (RFC 3261 §8.2.2.2). One that was refused may be tried again.
   */
  isMerged(invite: ServerTransaction): boolean {
    const { request } = invite;
    for (const other of this.invites.get(inviteKey(request)) ?? []) {
      if (other !== invite && (other.open || (other.accepted && other.request.cseq?.seq === request.cseq?.seq))) return true;
    }
    return false;
  }

  private onAck(ack: SipMessage, key: string, source: Source): void {
    const accepted = this.acks.get(ackKey(ack.callId, ack.fromTag, ack.toTag, ack.cseq!.seq));
    const transaction = accepted ?? this.servers.get(`${key}INVITE`);
    if (transaction === undefined) this.emit('strayAck', ack, source);
    // It may bring the answer to an offer of ours, and so say where the voice goes.
    else if (this.samePeer(transaction.source.address, source.address)) transaction.acked(ack, source);
  }

  /** RFC 3261 §9.2: the CANCEL gets its own answer, the INVITE its 487. */
  private onCancel(cancel: SipMessage, key: string, source: Source): void {
    if (this.servers.size >= this.limits.maxTransactions) return;
    const invite = this.servers.get(`${key}INVITE`);
    if (invite === undefined || !this.samePeer(invite.source.address, source.address)) {
      // Nothing is kept of it: by the same branch the caller's own may come.
      this.replyOnce(cancel, source, 481);
      return;
    }
    const transaction = this.track(new ServerTransaction(`${key}CANCEL`, cancel, source, this.serverOwner));
    transaction.setLocalTag(invite.localTag);
    transaction.respond(200);
    invite.cancelled(cancel, source);
  }

  /** Answers without keeping a transaction: for what is refused before anything is known about it. */
  private replyOnce(request: SipMessage, source: Source, status: number, reason?: string, headers: Record<string, string> = {}): void {
    const response = SipMessage.response(request, status, reason, newTag());
    response.setAll(headers);
    this.reply(response.toBuffer(), source, request, () => undefined);
  }

  /** RFC 3261 §18.2.2 and RFC 3581 §4. */
  private reply(bytes: Buffer, source: Source, request: SipMessage, failed: (error: Error) => void): void {
    const via = parseVia(splitList(request.get('via') ?? '')[0] ?? '');
    if (source.protocol === 'udp') {
      const port = via === undefined || via.params['rport'] !== undefined ? source.port : (via.port ?? 5060);
      this.transport.send(bytes, { protocol: 'udp', address: source.address, port }, failed);
      return;
    }
    this.transport.send(bytes, { protocol: 'tcp', address: source.address, port: via?.port ?? 5060 }, failed, source.connection);
  }

  private onConnectionClosed(connection: Connection): void {
    const transactions = this.byConnection.get(connection);
    this.byConnection.delete(connection);
    for (const transaction of transactions ?? []) {
      // A peer that named a listening port of its own may still be reached there; one that did not is gone.
      const via = parseVia(splitList(transaction.request.get('via') ?? '')[0] ?? '');
      if (via?.port === undefined || via.port === connection.port) transaction.fail(new Error('the connection was closed'));
    }
    for (const transaction of this.clients.values()) {
      const to = transaction.endpoint;
      if (to?.protocol === 'tcp' && to.address === connection.address && to.port === connection.port && transaction.pending) transaction.transportFailed();
    }
  }

  // ---- sending ----

  /** The transport a request to this URI will use; undefined when the URI or its transport is unusable. */
  protocolFor(uri: string): Protocol | undefined {
    const parsed = parseSipUri(uri);
    return parsed === undefined ? undefined : transportOf(parsed);
  }

  /** The address of ours that the peer behind a URI will most likely see; names are not looked up. */
  localAddressForUri(uri: string): string {
    const parsed = parseSipUri(uri);
    const literal = parsed === undefined ? undefined : literalEndpoint(parsed);
    return this.transport.localAddress(literal?.address ?? 'unknown');
  }

  /**
   * Sends a request and follows its transaction. Via is added here; From, To, Call-ID, CSeq and Max-Forwards must be
   * there. Goes to `nextHop`, else the first Route, else the Request-URI. Never throws for a peer that is not there:
   * that arrives as a final response made here (408 or 503). Throws {@link BadTargetError} for an unusable URI.
   */
  request(message: SipMessage, options: RequestOptions): ClientTransaction {
    const uri = this.targetOf(message, options.nextHop);
    const protocol = transportOf(uri);
    if (protocol === undefined) throw new BadTargetError('requested protocol/transport not available');
    const branch = newBranch();
    message.prepend('Via', this.viaFor(protocol, uri, branch));
    const transaction = new ClientTransaction(clientKey(branch, message.method!), message, this.clientOwner, options);
    this.clients.set(transaction.key, transaction);
    const literal = literalEndpoint(uri);
    if (literal !== undefined) this.startWith(transaction, [literal]);
    else void resolveUri(uri).then((list) => this.startWith(transaction, list), () => transaction.finishLocally('unresolvable'));
    return transaction;
  }

  private startWith(transaction: ClientTransaction, endpoints: readonly Endpoint[]): void {
    const six = isIPv6(this.host);
    const usable = endpoints.filter((endpoint) => isIPv6(endpoint.address) === six);
    // Not in the caller's turn: whoever sends must have its transaction in hand before the first answer.
    setImmediate(() => {
      if (this.closed) return;
      if (usable.length === 0) transaction.finishLocally('unresolvable');
      else transaction.start(usable);
    });
  }

  /** Sends the ACK of a 2xx (RFC 3261 §13.2.2.4), again whenever that 2xx is repeated. Via is added here. */
  sendAck(invite: ClientTransaction, ack: SipMessage, nextHop?: string): void {
    const uri = this.targetOf(ack, nextHop);
    const protocol = transportOf(uri);
    if (protocol === undefined) throw new BadTargetError('requested protocol/transport not available');
    ack.prepend('Via', this.viaFor(protocol, uri, newBranch()));
    const bytes = ack.toBuffer();
    const send = (endpoints: readonly Endpoint[]): void => {
      const to = endpoints.find((endpoint) => isIPv6(endpoint.address) === isIPv6(this.host));
      if (to !== undefined && !this.closed) invite.acknowledge(ack.toTag, bytes, to);
    };
    const literal = literalEndpoint(uri);
    if (literal !== undefined) send([literal]);
    else void resolveUri(uri).then(send, () => undefined);
  }

  private targetOf(message: SipMessage, nextHop?: string): SipUri {
    const route = nextHop === undefined ? message.list('route')[0] : undefined;
    const text = nextHop ?? (route === undefined ? message.uri! : (parseNameAddr(route)?.uri ?? ''));
    const uri = parseSipUri(text);
    if (uri === undefined) throw new BadTargetError('invalid target uri');
    return uri;
  }

  private viaFor(protocol: Protocol, uri: SipUri, branch: string): string {
    const local = this.transport.localAddress(literalEndpoint(uri)?.address ?? 'unknown');
    return `SIP/2.0/${protocol.toUpperCase()} ${hostPort(local, this.port)};rport;branch=${branch}`;
  }

  /** Drops every transaction without a word and closes the sockets. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    for (const transaction of [...this.servers.values()]) transaction.terminate();
    for (const transaction of [...this.clients.values()]) transaction.terminate();
    await this.transport.close();
    this.removeAllListeners();
  }
}

const inviteKey = (request: SipMessage): string => `${request.callId}\n${request.fromTag}`;
const clientKey = (branch: string, method: string): string => `${branch}\n${method}`;

/** RFC 3261 §17.2.3, for peers of RFC 2543 as well; the method is appended by the caller. */
function serverKey(request: SipMessage, via: Via): string {
  const branch = via.params['branch'] ?? '';
  if (branch.startsWith(MAGIC_COOKIE)) return `${branch}\n${via.host}:${via.port ?? ''}\n`;
  return `${request.uri}\n${request.callId}\n${request.fromTag}\n${request.cseq?.seq}\n${via.host}:${via.port ?? ''}${branch}\n`;
}

/** RFC 3261 §18.2.1 and RFC 3581 §4: notes where the request really came from. */
function stampVia(text: string, via: Via, source: Source): string {
  const wantsPort = via.params['rport'] !== undefined;
  if (!wantsPort && via.params['received'] === undefined && via.host === source.address) return text;
  let stamped = text.replace(/;\s*received\s*=\s*[^;,\s]*/gi, '');
  if (wantsPort) stamped = stamped.replace(/;\s*rport(?:\s*=\s*[^;,\s]*)?(?=\s*(?:;|$))/gi, `;rport=${source.port}`);
  return `${stamped};received=${source.address}`;
}
