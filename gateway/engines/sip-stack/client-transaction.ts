import { SipMessage, type HeaderInit } from './message.js';
import { Retransmitter, transactionTimeoutMs, type SipTimers } from './timers.js';
import type { Endpoint, Source } from './transport.js';

/** Why a final response was made here and did not come from the network. */
export type LocalCause = 'timeout' | 'transport' | 'unresolvable';

export interface FinalInfo {
  /** Set when the stack made the response itself: 408 for a timeout, 503 for the others (RFC 3261 §8.1.3.1). */
  readonly local?: LocalCause;
  /** Where the response came from; undefined for local ones. */
  readonly source?: Source;
}

export interface ClientHandlers {
  /** 1xx, 100 included, retransmissions included. */
  onProvisional?(response: SipMessage, source: Source): void;
  /** Exactly once. */
  onFinal(response: SipMessage, info: FinalInfo): void;
  /** INVITE: a 2xx of another branch after the first one (RFC 3261 §13.2.2.4): to be acknowledged and ended. */
  onForked?(response: SipMessage, source: Source): void;
  /** INVITE: the 2xx again, and no ACK was given to repeat; what a proxy passes on. */
  onRepeated?(response: SipMessage, source: Source): void;
}

/** What a client transaction needs of the stack that made it. */
export interface ClientTransactionOwner {
  readonly timers: SipTimers;
  transmit(bytes: Buffer, to: Endpoint, failed: (error: Error) => void): void;
  probe(to: Endpoint, refused: () => void): void;
  terminated(transaction: ClientTransaction): void;
  /** Starts the CANCEL's own transaction. */
  sendCancel(cancel: SipMessage, to: Endpoint): void;
}

type State = 'calling' | 'proceeding' | 'accepted' | 'completed' | 'terminated';

/** How long after a request without any answer it is asked whether the port is open at all. */
const PROBE_AFTER_MS = 400;

/**
 * A request sent, and the responses to it (RFC 3261 §17.1, RFC 6026).
 * Failures of an INVITE are acknowledged here; the ACK of a 2xx is the user's ({@link ack}), and is repeated here.
 */
export class ClientTransaction {
  private state: State = 'calling';
  private endpoints: readonly Endpoint[] = [];
  private bytes: Buffer | undefined;
  private retransmitter: Retransmitter | undefined;
  private timeout: NodeJS.Timeout | undefined;
  private prober: NodeJS.Timeout | undefined;
  private failureAck: Buffer | undefined;
  private readonly acks = new Map<string, { bytes: Buffer; to: Endpoint }>();
  private winner: string | undefined;
  private cancelWanted: HeaderInit | undefined;
  private cancelSent = false;
  private delivered = false;

  constructor(
    readonly key: string,
    /** As it is on the wire, Via included. */
    readonly request: SipMessage,
    private readonly owner: ClientTransactionOwner,
    private readonly handlers: ClientHandlers,
  ) {}

  get isInvite(): boolean {
    return this.request.method === 'INVITE';
  }

  /** True until a final response was delivered. */
  get pending(): boolean {
    return !this.delivered;
  }

  /** A CANCEL was asked for. */
  get cancelled(): boolean {
    return this.cancelWanted !== undefined;
  }

  /** The address in use; undefined until names are resolved. */
  get endpoint(): Endpoint | undefined {
    return this.endpoints[0];
  }

  private get reliable(): boolean {
    return this.endpoints[0]?.protocol !== 'udp';
  }

  /** The stack: addresses are known, send. */
  start(endpoints: readonly Endpoint[]): void {
    if (this.state !== 'calling' || this.delivered) return;
    this.endpoints = endpoints;
    this.bytes = this.request.toBuffer();
    this.begin();
  }

  private begin(): void {
    const { timers } = this.owner;
    this.transmit();
    if (this.state !== 'calling') return;
    this.timeout = setTimeout(() => this.finishLocally('timeout'), transactionTimeoutMs(timers));
    if (this.reliable) return;
    this.retransmitter = new Retransmitter(timers, this.isInvite ? Infinity : timers.t2Ms, () => this.transmit());
    this.retransmitter.start();
    this.prober = setTimeout(() => {
      const [to] = this.endpoints;
      if (to !== undefined && this.state === 'calling') this.owner.probe(to, () => this.transportFailed());
    }, PROBE_AFTER_MS);
  }

  private transmit(): void {
    const [to] = this.endpoints;
    if (to !== undefined && this.bytes !== undefined) this.owner.transmit(this.bytes, to, () => this.transportFailed());
  }

  /** The stack, or sending: this address does not work; the next one is tried if nothing was heard yet (RFC 3263 §4.3). */
  transportFailed(): void {
    if (this.state !== 'calling' && this.state !== 'proceeding') return;
    this.clear();
    if (this.state === 'calling' && this.endpoints.length > 1 && this.cancelWanted === undefined) {
      this.endpoints = this.endpoints.slice(1);
      this.begin();
      return;
    }
    this.finishLocally('transport');
  }

  /** The stack: no address was found, the connection broke, or nothing came in time. */
  finishLocally(cause: LocalCause): void {
    if (this.delivered) return;
    const response = SipMessage.response(this.request, cause === 'timeout' ? 408 : 503, cause === 'unresolvable' ? 'DNS Error' : undefined, 'local');
    this.delivered = true;
    this.terminate();
    this.handlers.onFinal(response, { local: cause });
  }

  /** The stack: a response with our branch. */
  received(response: SipMessage, source: Source): void {
    const status = response.status!;
    if (this.state === 'completed') {
      if (status >= 300 && this.failureAck !== undefined && this.endpoint !== undefined) this.owner.transmit(this.failureAck, this.endpoint, () => undefined);
      return;
    }
    if (this.state === 'accepted') {
      if (status >= 200 && status < 300) this.acceptedAgain(response, source);
      return;
    }
    if (this.state === 'terminated') return;
    if (status < 200) this.provisional(response, source);
    else if (this.isInvite) this.inviteFinal(response, source);
    else this.plainFinal(response, source);
  }

  private provisional(response: SipMessage, source: Source): void {
    clearTimeout(this.prober);
    if (this.state === 'calling') {
      this.state = 'proceeding';
      if (this.isInvite) {
        this.retransmitter?.stop();
        clearTimeout(this.timeout);
        if (this.cancelWanted !== undefined) this.sendCancel();
      } else {
        this.retransmitter?.slow();
      }
    }
    this.handlers.onProvisional?.(response, source);
  }

  private inviteFinal(response: SipMessage, source: Source): void {
    this.clear();
    this.delivered = true;
    const { timers } = this.owner;
    if (response.status! < 300) {
      this.state = 'accepted';
      this.winner = response.toTag;
      this.timeout = setTimeout(() => this.terminate(), transactionTimeoutMs(timers));
    } else {
      this.state = 'completed';
      this.failureAck = this.makeFailureAck(response).toBuffer();
      if (this.endpoint !== undefined) this.owner.transmit(this.failureAck, this.endpoint, () => undefined);
      // Timer D: at least 32 s on UDP, none on a stream.
      if (this.reliable) this.terminate();
      else this.timeout = setTimeout(() => this.terminate(), transactionTimeoutMs(timers));
    }
    this.handlers.onFinal(response, { source });
  }

  private plainFinal(response: SipMessage, source: Source): void {
    this.clear();
    this.delivered = true;
    this.state = 'completed';
    // Timer K.
    if (this.reliable) this.terminate();
    else this.timeout = setTimeout(() => this.terminate(), this.owner.timers.t4Ms);
    this.handlers.onFinal(response, { source });
  }

  private acceptedAgain(response: SipMessage, source: Source): void {
    const tag = response.toTag;
    const ack = this.acks.get(tag);
    if (ack !== undefined) this.owner.transmit(ack.bytes, ack.to, () => undefined);
    else if (tag !== this.winner) this.handlers.onForked?.(response, source);
    else this.handlers.onRepeated?.(response, source);
  }

  /** RFC 3261 §17.1.1.3: same branch, Request-URI, Route; To of the response. */
  private makeFailureAck(response: SipMessage): SipMessage {
    const ack = SipMessage.request('ACK', this.request.uri!);
    ack.set('Via', this.request.get('via')!);
    for (const route of this.request.getAll('route')) ack.add('Route', route);
    ack.set('Max-Forwards', '70');
    ack.set('From', this.request.get('from') ?? '');
    ack.set('To', response.get('to') ?? this.request.get('to') ?? '');
    ack.set('Call-ID', this.request.callId);
    ack.set('CSeq', `${this.request.cseq?.seq ?? 1} ACK`);
    return ack;
  }

  /** Remembers the ACK of a 2xx and sends it, now and at every repetition of that 2xx. */
  acknowledge(toTag: string, ack: Buffer, to: Endpoint): void {
    if (this.state === 'accepted') this.acks.set(toTag, { bytes: ack, to });
    this.owner.transmit(ack, to, () => undefined);
  }

  /**
   * Cancels an INVITE (RFC 3261 §9.1): at once when something provisional came, else as soon as it comes.
   * `headers` go into the CANCEL, Reason for instance. False when there is nothing left to cancel.
   */
  cancel(headers: HeaderInit = {}): boolean {
    if (!this.isInvite || this.delivered) return false;
    if (this.cancelWanted !== undefined) return true;
    this.cancelWanted = headers;
    if (this.state === 'proceeding') this.sendCancel();
    return true;
  }

  private sendCancel(): void {
    if (this.cancelSent || this.endpoint === undefined) return;
    this.cancelSent = true;
    const cancel = SipMessage.request('CANCEL', this.request.uri!);
    cancel.set('Via', this.request.get('via')!);
    for (const route of this.request.getAll('route')) cancel.add('Route', route);
    cancel.set('Max-Forwards', '70');
    cancel.set('From', this.request.get('from') ?? '');
    cancel.set('To', this.request.get('to') ?? '');
    cancel.set('Call-ID', this.request.callId);
    cancel.set('CSeq', `${this.request.cseq?.seq ?? 1} CANCEL`);
    cancel.setAll(this.cancelWanted ?? {});
    this.owner.sendCancel(cancel, this.endpoint);
    // A peer that never answers the INVITE it was told to drop (§9.1, last paragraph).
    clearTimeout(this.timeout);
    this.timeout = setTimeout(() => this.finishLocally('timeout'), transactionTimeoutMs(this.owner.timers));
  }

  private clear(): void {
    this.retransmitter?.stop();
    clearTimeout(this.timeout);
    clearTimeout(this.prober);
  }

  /** Ends at once; for closing down. */
  terminate(): void {
    if (this.state === 'terminated') return;
    this.state = 'terminated';
    this.clear();
    this.bytes = undefined;
    this.acks.clear();
    this.owner.terminated(this);
  }
}
