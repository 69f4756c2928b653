import { writeFileSync } from 'node:fs';
import wavefile from 'wavefile';
import { telephoneRate } from './tone.js';

const maxMinutes = 30;
const maxSamples = maxMinutes * 60 * telephoneRate;
/** A stream that is behind the clock by more than this had a pause, which the recording shows as silence. */
const slackSamples = telephoneRate / 10;

/** One direction of a call, laid along the clock. */
class Track {
  private samples = new Int16Array(5 * telephoneRate);
  private length = 0;

  /** `now`: samples since the recording began. */
  append(block: Int16Array, now: number): void {
    if (now - block.length - this.length > slackSamples) this.length = Math.min(maxSamples, now - block.length);
    const end = Math.min(maxSamples, this.length + block.length);
    if (end > this.samples.length) {
      const larger = new Int16Array(Math.min(maxSamples, Math.max(end, this.samples.length * 2)));
      larger.set(this.samples);
      this.samples = larger;
    }
    if (end > this.length) this.samples.set(block.subarray(0, end - this.length), this.length);
    this.length = end;
  }

  /** The samples, padded to `length`. */
  take(length = this.length): Int16Array {
    const taken = new Int16Array(length);
    taken.set(this.samples.subarray(0, Math.min(length, this.length)));
    return taken;
  }

  get size(): number {
    return this.length;
  }
}

/** Both directions of a call, up to half an hour. */
export class Recording {
  private readonly heardTrack = new Track();
  private readonly saidTrack = new Track();
  private readonly startedAtMs = performance.now();

  private now(): number {
    return Math.round(((performance.now() - this.startedAtMs) * telephoneRate) / 1000);
  }

  addHeard(samples: Int16Array): void {
    this.heardTrack.append(samples, this.now());
  }

  addSaid(samples: Int16Array): void {
    this.saidTrack.append(samples, this.now());
  }

  /** What was heard so far, 8 kHz. */
  heard(): Int16Array {
    return this.heardTrack.take();
  }

  /** Writes a stereo WAV file: left what was heard, right what was said. */
  save(file: string): void {
    const length = Math.max(this.heardTrack.size, this.saidTrack.size);
    const wav = new wavefile.WaveFile();
    wav.fromScratch(2, telephoneRate, '16', [this.heardTrack.take(length), this.saidTrack.take(length)]);
    writeFileSync(file, wav.toBuffer());
  }
}
