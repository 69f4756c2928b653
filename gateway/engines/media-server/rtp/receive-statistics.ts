/** Reception statistics of one RTP source: RFC 3550 A.1 (sequence), A.3 (loss) and A.8 (jitter). */
import { SAMPLE_RATE_HZ } from './g711.js';
import { sequenceDistance } from './packet.js';

/** A jump this large is a new start of the stream and not a loss (RFC 3550 A.1 MAX_DROPOUT). */
const MAX_DROPOUT = 3000;

export interface ReceptionBlock {
  ssrc: number;
  /** Fraction lost since the last block, in 1/256. */
  fractionLost: number;
  totalLost: number;
  extendedHighestSequence: number;
  /** In timestamp units of 1/8000 s. */
  jitter: number;
}

export class ReceiveStatistics {
  ssrc = 0;
  received = 0;
  private started = false;
  private baseSequence = 0;
  private highest = 0;
  private cycles = 0;
  private transit = 0;
  private timed = false;
  private jitterUnits = 0;
  private expectedPrior = 0;
  private receivedPrior = 0;
  /** Loss of sources that were replaced by a later one. */
  private lostBefore = 0;
  private receivedBefore = 0;

  /** Counts one audio packet; `arrivalMs` is monotonic. */
  add(ssrc: number, sequence: number, timestamp: number, arrivalMs: number): void {
    this.addSequence(ssrc, sequence);
    const transit = (arrivalMs * (SAMPLE_RATE_HZ / 1000) - timestamp) | 0;
    if (this.timed) {
      const change = Math.abs((transit - this.transit) | 0);
      // a jump of the sender's clock is not jitter
      if (change < 5 * SAMPLE_RATE_HZ) this.jitterUnits += (change - this.jitterUnits) / 16;
    }
    this.transit = transit;
    this.timed = true;
  }

  /** Counts one packet whose timestamp says nothing about when it was sent (telephone-event). */
  addSequence(ssrc: number, sequence: number): void {
    if (!this.started || ssrc !== this.ssrc) this.restart(ssrc, sequence);
    const distance = sequenceDistance(sequence, this.highest);
    if (distance > MAX_DROPOUT || distance < -MAX_DROPOUT) this.restart(ssrc, sequence);
    else if (distance > 0) {
      if (sequence < this.highest) this.cycles += 65536;
      this.highest = sequence;
    }
    this.received++;
  }

  get lost(): number {
    return this.lostBefore + Math.max(0, this.expected() - this.received);
  }

  get totalReceived(): number {
    return this.receivedBefore + this.received;
  }

  get jitterMs(): number {
    return this.jitterUnits / (SAMPLE_RATE_HZ / 1000);
  }

  /** The figures for an RTCP report block, and the start of the next interval; undefined before the first packet. */
  report(): ReceptionBlock | undefined {
    if (!this.started) return undefined;
    const expected = this.expected();
    const expectedInterval = expected - this.expectedPrior;
    const receivedInterval = this.received - this.receivedPrior;
    this.expectedPrior = expected;
    this.receivedPrior = this.received;
    const lostInterval = expectedInterval - receivedInterval;
    const fractionLost = expectedInterval <= 0 || lostInterval <= 0 ? 0 : Math.min(255, Math.floor((lostInterval * 256) / expectedInterval));
    return {
      ssrc: this.ssrc,
      fractionLost,
      totalLost: Math.min(0x7fffff, Math.max(0, expected - this.received)),
      extendedHighestSequence: (this.cycles + this.highest) >>> 0,
      jitter: Math.floor(this.jitterUnits),
    };
  }

  private expected(): number {
    return this.started ? this.cycles + this.highest - this.baseSequence + 1 : 0;
  }

  private restart(ssrc: number, sequence: number): void {
    this.lostBefore = this.lost;
    this.receivedBefore += this.received;
    this.started = true;
    this.ssrc = ssrc;
    this.baseSequence = sequence;
    this.highest = sequence;
    this.cycles = 0;
    this.timed = false;
    this.received = 0;
    this.expectedPrior = 0;
    this.receivedPrior = 0;
  }
}
