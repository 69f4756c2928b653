import type { HeaderInit } from './message.js';
import { SipMessage } from './message.js';
import { newTag } from './ids.js';
import { tagOf } from './grammar.js';
import { Retransmitter, transactionTimeoutMs, type SipTimers } from './timers.js';
import type { Source } from './transport.js';

/** What a server transaction needs of the stack that made it. */
export interface ServerTransactionOwner {
  readonly timers: SipTimers;
  /** Sends response bytes back to where the request came from (RFC 3261 §18.2.2, RFC 3581). */
  reply(bytes: Buffer, source: Source, request: SipMessage, failed: (error: Error) => void): void;
  /** From now on an ACK for this 2xx is given to the transaction. */
  expectAck(key: string, transaction: ServerTransaction): void;
  forgetAck(key: string): void;
  terminated(transaction: ServerTransaction): void;
}

export interface RespondOptions {
  readonly reason?: string;
  readonly headers?: HeaderInit;
  readonly body?: Buffer | string;
  /** Default `application/sdp` when there is a body. */
  readonly contentType?: string;
}

/** Answering after the end of a transaction, or twice. */
export class TransactionOverError extends Error {
  readonly code = 'transaction_over';
}

type State = 'proceeding' | 'accepted' | 'completed' | 'confirmed' | 'terminated';

/** Key under which the ACK of a 2xx finds its INVITE: the dialog and the sequence number (RFC 3261 §13.2.2.4). */
export const ackKey = (callId: string, fromTag: string, toTag: string, seq: number): string => `${callId}\n${fromTag}\n${toTag}\n${seq}`;

/**
 * A request received, and the answers to it (RFC 3261 §17.2, RFC 6026 for accepted INVITEs).
 *
 * Retransmissions of the request never reach the user. A 2xx to INVITE is resent by the transaction until its ACK
 * arrives, on TCP as well (§13.3.1.4). CANCEL is answered by the stack, which also sends the 487.
 */
export class ServerTransaction {
  /** INVITE only: the caller gave up; the 487 has been sent already. */
  onCancel: ((cancel: SipMessage, source: Source) => void) | undefined;
  /** INVITE only: the ACK of a 2xx, every time it arrives; `first` tells the first apart. */
  onAck: ((ack: SipMessage, source: Source, first: boolean) => void) | undefined;
  /** INVITE only: no ACK within 64*T1, for a 2xx (the user should send BYE) or for a failure (nothing is left to do). */
  onAckTimeout: ((status: number) => void) | undefined;
  /** The peer cannot be reached, or its connection is gone. The transaction is over. */
  onFailure: ((error: Error) => void) | undefined;
  /** Called once, after everything else. */
  onTerminated: (() => void) | undefined;

  private state: State = 'proceeding';
  private tag: string;
  private lastResponse: Buffer | undefined;
  private lastStatus = 0;
  private retransmitter: Retransmitter | undefined;
  private lifetime: NodeJS.Timeout | undefined;
  private ack: string | undefined;
  private acknowledged = false;

  constructor(
    readonly key: string,
    readonly request: SipMessage,
    readonly source: Source,
    private readonly owner: ServerTransactionOwner,
  ) {
    this.tag = newTag();
    // A user that never answers must not keep the transaction for ever. An INVITE may ring without limit, but only
    // after something was said about it; the other methods have until the client's own timer F.
    const waitMs = transactionTimeoutMs(owner.timers) * (this.isInvite ? 2 : 1);
    this.lifetime = setTimeout(() => this.unanswered(), waitMs);
  }

  get method(): string {
    return this.request.method!;
  }

  get isInvite(): boolean {
    return this.request.method === 'INVITE';
  }

  /** The To tag of every response above 100, unless the request had one. */
  get localTag(): string {
    return tagOf(this.request.get('to')) || this.tag;
  }

  /** Chooses the To tag; only before a response with a tag was sent. */
  setLocalTag(tag: string): void {
    if (this.lastStatus <= 100 && tag !== '') this.tag = tag;
  }

  /** True while a final response may still be sent. */
  get open(): boolean {
    return this.state === 'proceeding';
  }

  /** True for an INVITE that was answered 2xx, as long as copies of it may come (RFC 6026 §7.1). */
  get accepted(): boolean {
    return this.state === 'accepted';
  }

  /** Status of the last response sent, 0 if none was. */
  get status(): number {
    return this.lastStatus;
  }

  /** Builds a response to the request without sending it: copied headers, To tag, and what is given. */
  makeResponse(status: number, options: RespondOptions = {}): SipMessage {
    const response = SipMessage.response(this.request, status, options.reason, status > 100 ? this.tag : undefined);
    response.setAll(options.headers ?? {});
    if (options.body !== undefined && options.body.length > 0) {
      response.body = typeof options.body === 'string' ? Buffer.from(options.body) : options.body;
      if (!response.has('content-type')) response.set('Content-Type', options.contentType ?? 'application/sdp');
    }
    return response;
  }

  /** Builds and sends a response; returns what was sent. Throws {@link TransactionOverError} after a final one. */
  respond(status: number, options: RespondOptions = {}): SipMessage {
    const response = this.makeResponse(status, options);
    this.send(response);
    return response;
  }

  /** Sends a complete response made with {@link makeResponse}. */
  send(response: SipMessage): void {
    const status = response.status!;
    if (this.state !== 'proceeding') throw new TransactionOverError('a final response was sent before');
    this.lastStatus = status;
    this.lastResponse = response.toBuffer();
    if (status > 100) clearTimeout(this.lifetime);
    this.transmit();
    // Sending may have failed on the spot, and ended the transaction.
    if (this.over) return;
    if (status < 200) {
      // Only an INVITE may stay unanswered for as long as it likes.
      if (!this.isInvite && status > 100) this.live(transactionTimeoutMs(this.owner.timers), () => this.unanswered());
      return;
    }
    if (!this.isInvite) this.complete();
    else if (status < 300) this.accept(response);
    else this.reject();
  }

  private get over(): boolean {
    return this.state === 'terminated';
  }

  private transmit(): void {
    if (this.lastResponse !== undefined) this.owner.reply(this.lastResponse, this.source, this.request, (error) => this.fail(error));
  }

  private live(ms: number, then: () => void): void {
    clearTimeout(this.lifetime);
    this.lifetime = setTimeout(then, ms);
  }

  private get reliable(): boolean {
    return this.source.protocol !== 'udp';
  }

  /** Non-INVITE, §17.2.2: timer J. */
  private complete(): void {
    this.state = 'completed';
    if (this.reliable) this.terminate();
    else this.live(transactionTimeoutMs(this.owner.timers), () => this.terminate());
  }

  /** INVITE answered 3xx-6xx, §17.2.1: timers G and H. */
  private reject(): void {
    this.state = 'completed';
    if (!this.reliable) this.retransmit();
    this.live(transactionTimeoutMs(this.owner.timers), () => this.expire());
  }

  /** INVITE answered 2xx, §13.3.1.4 and RFC 6026 §7.1: timer L. */
  private accept(response: SipMessage): void {
    this.state = 'accepted';
    this.ack = ackKey(this.request.callId, this.request.fromTag, tagOf(response.get('to')), this.request.cseq?.seq ?? 0);
    this.owner.expectAck(this.ack, this);
    this.retransmit();
    this.live(transactionTimeoutMs(this.owner.timers), () => this.expire());
  }

  private retransmit(): void {
    this.retransmitter = new Retransmitter(this.owner.timers, this.owner.timers.t2Ms, () => this.transmit());
    this.retransmitter.start();
  }

  private expire(): void {
    const missing = !this.acknowledged;
    const status = this.lastStatus;
    this.terminate(() => {
      if (missing) this.onAckTimeout?.(status);
    });
  }

  private unanswered(): void {
    if (this.state !== 'proceeding') return;
    if (this.isInvite && this.lastStatus > 100) return;
    // Any other client has given up by now, and RFC 4320 §4.1 forbids answering it late.
    if (this.isInvite || this.method === 'BYE') this.send(this.makeResponse(500));
    else this.terminate();
  }

  /** The stack: the same request again. */
  retransmitted(): void {
    if (this.state === 'proceeding' || this.state === 'completed' || (this.state === 'accepted' && !this.acknowledged)) this.transmit();
  }

  /** The stack: a CANCEL for this INVITE. Nothing happens once a final response was sent (§9.2). */
  cancelled(cancel: SipMessage, source: Source): void {
    if (!this.isInvite || this.state !== 'proceeding') return;
    this.send(this.makeResponse(487));
    this.onCancel?.(cancel, source);
  }

  /** The stack: an ACK for this INVITE. */
  acked(message: SipMessage, source: Source): void {
    if (this.state === 'completed') {
      this.acknowledged = true;
      this.retransmitter?.stop();
      this.state = 'confirmed';
      if (this.reliable) this.terminate();
      else this.live(this.owner.timers.t4Ms, () => this.terminate());
    } else if (this.state === 'accepted') {
      const first = !this.acknowledged;
      this.acknowledged = true;
      this.retransmitter?.stop();
      this.onAck?.(message, source, first);
    }
  }

  /** The stack, or sending: nobody is there to answer any more. */
  fail(error: Error): void {
    if (this.state === 'terminated') return;
    // A 2xx that could not be sent once may be asked for again; its ACK timer decides.
    if (this.state === 'accepted' && !this.reliable) return;
    const status = this.lastStatus;
    const unacknowledged = this.state === 'accepted' && !this.acknowledged;
    this.terminate(() => {
      // Its ACK will not come any more either, and who waits for that must hear of it.
      if (unacknowledged) this.onAckTimeout?.(status);
      this.onFailure?.(error);
    });
  }

  /** Sends the 2xx once more: for a proxy, which resends only what comes again. */
  repeat(): void {
    if (this.state === 'accepted') this.transmit();
  }

  /** Stops resending a 2xx although no ACK came, because the dialog has ended meanwhile. */
  stopRetransmitting(): void {
    this.retransmitter?.stop();
    this.acknowledged = true;
  }

  /** Ends at once, without telling anybody but the stack; for closing down. */
  terminate(last?: () => void): void {
    if (this.state === 'terminated') return;
    this.state = 'terminated';
    clearTimeout(this.lifetime);
    this.retransmitter?.stop();
    if (this.ack !== undefined) this.owner.forgetAck(this.ack);
    this.lastResponse = undefined;
    this.owner.terminated(this);
    last?.();
    this.onTerminated?.();
  }
}
