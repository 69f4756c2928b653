/**
 * Keys from RFC 4733 telephone-event packets: one report per key, whatever is lost, doubled or out of order.
 *
 * Packets of one key share the RTP timestamp of its beginning. A key is reported when its end is seen, when the next key
 * begins, or, all end packets lost, when its packets stop coming.
 */
import { timestampDistance } from './packet.js';

export const TELEPHONE_EVENT_DIGITS = '0123456789*#ABCD';

/** Without news of an unfinished key for this long, its end was lost. Senders update every 20 to 60 ms. */
export const LOST_END_MS = 160;
/** Longer than this between two beats the process stood still: what came meanwhile is still to be read. */
const STANDSTILL_MS = 60;
/** Two presses of one key begin at least 80 ms apart (40 ms tone, 40 ms pause; Q.24): closer is one press by a sender that wrongly moves the timestamp. */
const SAME_PRESS_UNITS = 400;
/** A key held longer than 65535 units goes on as a new segment (RFC 4733 §2.5.1.3). */
const SEGMENT_UNITS = 0xffff;
const SEGMENT_SLACK_UNITS = 800;

export interface DigitEvent {
  digit: string;
  /** In timestamp units of 1/8000 s. */
  durationUnits: number;
  durationMs: number;
}

export class TelephoneEventReceiver {
  private active = false;
  private reported = false;
  private everHeard = false;
  private ssrc = 0;
  private timestamp = 0;
  private code = 0;
  private durationUnits = 0;
  private durationBefore = 0;
  private heardAtMs = 0;
  private polledAtMs = 0;

  constructor(private readonly onDigit: (event: DigitEvent) => void) {}

  /** True while a key is down: {@link poll} must be called. */
  get pending(): boolean {
    return this.active && !this.reported;
  }

  /** One telephone-event packet; its payload is `packet[start..end)`. */
  packet(packet: Buffer, start: number, end: number, marker: boolean, timestamp: number, ssrc: number, nowMs: number): void {
    if (end - start < 4) return;
    const code = packet[start]!;
    if (code >= TELEPHONE_EVENT_DIGITS.length) return;
    const ended = (packet[start + 1]! & 0x80) !== 0;
    const duration = (packet[start + 2]! << 8) | packet[start + 3]!;

    if (this.everHeard && ssrc === this.ssrc) {
      const distance = timestampDistance(timestamp, this.timestamp);
      if (distance < 0) return; // late copy of an earlier key
      if (distance > 0 && code === this.code) {
        if (distance < SAME_PRESS_UNITS && !marker && (!this.reported || ended)) {
          this.update(timestamp, Math.max(duration, this.durationUnits), nowMs);
          if (ended) this.report();
          return;
        }
        if (!this.reported && !marker && Math.abs(distance - SEGMENT_UNITS) < SEGMENT_SLACK_UNITS) {
          this.durationBefore += SEGMENT_UNITS;
          this.update(timestamp, duration, nowMs);
          if (ended) this.report();
          return;
        }
      }
      if (distance === 0) {
        if (this.reported || code !== this.code) return;
        this.update(timestamp, Math.max(duration, this.durationUnits), nowMs);
        if (ended) this.report();
        return;
      }
    }

    if (this.pending) this.report(); // the end of the key before was lost
    this.everHeard = true;
    this.active = true;
    this.reported = false;
    this.ssrc = ssrc;
    this.code = code;
    this.durationBefore = 0;
    this.update(timestamp, duration, nowMs);
    if (ended) this.report();
  }

  /** Called with every beat while {@link pending}. */
  poll(nowMs: number): void {
    if (nowMs - Math.max(this.polledAtMs, this.heardAtMs) > STANDSTILL_MS) this.heardAtMs = Math.max(this.heardAtMs, nowMs - LOST_END_MS + STANDSTILL_MS);
    this.polledAtMs = nowMs;
    if (this.pending && nowMs - this.heardAtMs >= LOST_END_MS) this.report();
  }

  private update(timestamp: number, durationUnits: number, nowMs: number): void {
    this.timestamp = timestamp;
    this.durationUnits = durationUnits;
    this.heardAtMs = nowMs;
  }

  private report(): void {
    if (this.reported) return;
    this.reported = true;
    const durationUnits = this.durationBefore + this.durationUnits;
    this.onDigit({ digit: TELEPHONE_EVENT_DIGITS[this.code]!, durationUnits, durationMs: durationUnits / 8 });
  }
}
