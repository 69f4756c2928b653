import { loudness, shareAt, telephoneRate } from './tone.js';

const windowSamples = (telephoneRate * 40) / 1000;
const minLoudness = 100;
const minShare = 0.3;

/** Tells when a tone has been heard for `neededMs` in a row. */
export class ToneWatch {
  private readonly window = new Int16Array(windowSamples);
  private filled = 0;
  private heardMs = 0;

  constructor(readonly hz: number, private readonly neededMs: number) {}

  /** Returns true as soon as the tone was there long enough. */
  hear(samples: Int16Array): boolean {
    let from = 0;
    while (from < samples.length) {
      const block = samples.subarray(from, from + windowSamples - this.filled);
      this.window.set(block, this.filled);
      this.filled += block.length;
      from += block.length;
      if (this.filled < windowSamples) break;
      this.filled = 0;
      const there = loudness(this.window) >= minLoudness && shareAt(this.window, this.hz) >= minShare;
      this.heardMs = there ? this.heardMs + 40 : 0;
      if (this.heardMs >= this.neededMs) return true;
    }
    return false;
  }
}
