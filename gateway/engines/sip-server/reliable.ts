import { randomInt } from 'node:crypto';
import type { ServerTransaction, SipMessage } from '../sip-stack/index.js';
import type { SipTimers } from '../sip-stack/index.js';

const MAX_WAITING = 16;

/**
 * Reliable provisional responses of one INVITE (RFC 3262 §3): numbered, resent until their PRACK comes, and one at a
 * time until the first was acknowledged.
 */
export class ReliableProvisionals {
  private rseq = randomInt(1, 2 ** 30);
  private unacknowledged: { rseq: number; response: SipMessage } | undefined;
  private readonly waiting: Array<{ rseq: number; response: SipMessage }> = [];
  private timer: NodeJS.Timeout | undefined;
  private spentMs = 0;

  constructor(
    private readonly transaction: ServerTransaction,
    private readonly timers: SipTimers,
  ) {}

  /** Numbers a response and sends it now or in its turn; false when too many wait. */
  send(response: SipMessage): boolean {
    if (this.waiting.length >= MAX_WAITING) return false;
    this.rseq += 1;
    response.set('RSeq', String(this.rseq));
    this.waiting.push({ rseq: this.rseq, response });
    if (this.unacknowledged === undefined) this.next();
    return true;
  }

  private next(): void {
    this.unacknowledged = this.waiting.shift();
    this.spentMs = 0;
    if (this.unacknowledged !== undefined) this.transmit(this.timers.t1Ms);
  }

  private transmit(waitMs: number): void {
    if (this.unacknowledged === undefined || !this.transaction.open) return this.stop();
    this.transaction.send(this.unacknowledged.response);
    this.timer = setTimeout(() => {
      this.spentMs += waitMs;
      if (this.spentMs >= 64 * this.timers.t1Ms) {
        this.stop();
        // RFC 3262 §3: without a PRACK the call is refused.
        if (this.transaction.open) this.transaction.respond(504);
        return;
      }
      this.transmit(waitMs * 2);
    }, waitMs);
  }

  /** A PRACK with this RAck value; true when it acknowledges what was sent. */
  acknowledge(rack: string | undefined): boolean {
    const [rseq, seq, method] = (rack ?? '').trim().split(/\s+/);
    const matches = this.unacknowledged !== undefined && Number(rseq) === this.unacknowledged.rseq &&
      Number(seq) === this.transaction.request.cseq?.seq && method === 'INVITE';
    if (!matches) return false;
    clearTimeout(this.timer);
    this.unacknowledged = undefined;
    this.next();
    return true;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.unacknowledged = undefined;
    this.waiting.length = 0;
  }
}
