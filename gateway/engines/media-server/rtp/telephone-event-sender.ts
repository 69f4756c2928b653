/**
 * Keys as RFC 4733 telephone-event packets, one per beat: the timestamp of the beginning stays, the duration grows,
 * the marker is on the first packet and the end is sent three times (§2.5.1).
 */
import { FRAME_MS, FRAME_SAMPLES } from './g711.js';
import { TELEPHONE_EVENT_DIGITS } from './telephone-event-receiver.js';

export const DEFAULT_DIGIT_MS = 100;
export const DEFAULT_GAP_MS = 60;
const MIN_DIGIT_MS = 40;
/** Longest key without a new segment. */
const MAX_DIGIT_MS = 8000;
const MAX_QUEUED_DIGITS = 512;
/** -13 dBm0, what most senders say. */
const VOLUME = 13;
const END_COPIES = 3;

export interface DigitsOptions {
  /** Length of each key; 40 to 8000. */
  durationMs?: number;
  /** Pause after each key. */
  gapMs?: number;
}

/** Writes one packet: 4 bytes of payload, with the given marker and the timestamp of the key's beginning. */
export type SendEventPacket = (marker: boolean, timestamp: number, payload: Buffer) => void;

interface QueuedDigit {
  code: number;
  beats: number;
  gapBeats: number;
  done: (() => void) | undefined;
}

/** `w` is half a second and `W` a second of pause, as dial strings have them. */
const PAUSE_MS: Readonly<Record<string, number>> = { w: 500, W: 1000 };

export class TelephoneEventSender {
  private readonly queue: QueuedDigit[] = [];
  private beat = 0;
  private startTimestamp = 0;
  private readonly payload = Buffer.alloc(4);

  /**
   * Adds keys; resolves when the last one and its pause are over, and also when {@link cancel} is called.
   * Characters that are no key are ignored.
   */
  push(digits: string, options: DigitsOptions = {}): Promise<void> {
    const durationMs = Math.min(MAX_DIGIT_MS, Math.max(MIN_DIGIT_MS, options.durationMs ?? DEFAULT_DIGIT_MS));
    const gapBeats = Math.ceil(Math.max(0, options.gapMs ?? DEFAULT_GAP_MS) / FRAME_MS);
    const added: QueuedDigit[] = [];
    for (const character of digits) {
      if (this.queue.length + added.length >= MAX_QUEUED_DIGITS) break;
      const code = TELEPHONE_EVENT_DIGITS.indexOf(character in PAUSE_MS ? character : character.toUpperCase());
      if (code >= 0) added.push({ code, beats: Math.ceil(durationMs / FRAME_MS), gapBeats, done: undefined });
      else if (character in PAUSE_MS) added.push({ code: -1, beats: 0, gapBeats: PAUSE_MS[character]! / FRAME_MS, done: undefined });
    }
    const last = added.at(-1);
    if (!last) return Promise.resolve();
    return new Promise((resolve) => {
      last.done = resolve;
      this.queue.push(...added);
    });
  }

  get busy(): boolean {
    return this.queue.length > 0;
  }

  /**
   * One beat. Returns what became of it: 'event' packets went out instead of audio, 'audio' may go out (a pause between
   * keys or nothing to do).
   */
  tick(timestamp: number, send: SendEventPacket): 'event' | 'audio' {
    const digit = this.queue[0];
    if (!digit) return 'audio';
    this.beat++;
    if (this.beat <= digit.beats) {
      if (this.beat === 1) this.startTimestamp = timestamp;
      const last = this.beat === digit.beats;
      const duration = this.beat * FRAME_SAMPLES;
      for (let copy = 0; copy < (last ? END_COPIES : 1); copy++) {
        this.payload[0] = digit.code;
        this.payload[1] = (last ? 0x80 : 0) | VOLUME;
        this.payload.writeUInt16BE(duration, 2);
        send(this.beat === 1 && copy === 0, this.startTimestamp, this.payload);
      }
      if (last && digit.gapBeats === 0) this.finish(digit);
      return 'event';
    }
    if (this.beat >= digit.beats + digit.gapBeats) this.finish(digit);
    return 'audio';
  }

  /** Forgets what was not sent yet. */
  cancel(): void {
    const waiting = this.queue.splice(0);
    this.beat = 0;
    for (const digit of waiting) digit.done?.();
  }

  private finish(digit: QueuedDigit): void {
    this.queue.shift();
    this.beat = 0;
    digit.done?.();
  }
}
