/** Measuring audio: tones made, found and judged. */

/** Samples of a sine at 8 kHz. */
export function sine(frequencyHz: number, samples: number, amplitude = 8000, phase = 0): Int16Array {
  const out = new Int16Array(samples);
  for (let i = 0; i < samples; i++) out[i] = Math.round(amplitude * Math.sin((2 * Math.PI * frequencyHz * (i + phase)) / 8000));
  return out;
}

/** Amplitude of one frequency in the samples (Goertzel). */
export function amplitudeOf(samples: Int16Array, frequencyHz: number, rateHz = 8000): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequencyHz) / rateHz);
  let s1 = 0;
  let s2 = 0;
  for (const sample of samples) {
    const s0 = sample + coefficient * s1 - s2;
    s2 = s1;
    s1 = s0;
  }
  const power = s1 * s1 + s2 * s2 - coefficient * s1 * s2;
  return (2 * Math.sqrt(Math.max(0, power))) / samples.length;
}

export const meanAbsolute = (samples: Int16Array): number => samples.reduce((sum, sample) => sum + Math.abs(sample), 0) / Math.max(1, samples.length);

/** Largest step between neighbouring samples: a click shows as a step no tone of that amplitude can make. */
export function largestStep(samples: Int16Array): number {
  let largest = 0;
  for (let i = 1; i < samples.length; i++) largest = Math.max(largest, Math.abs(samples[i]! - samples[i - 1]!));
  return largest;
}

export function concat(frames: readonly Int16Array[]): Int16Array {
  const out = new Int16Array(frames.reduce((sum, frame) => sum + frame.length, 0));
  let at = 0;
  for (const frame of frames) {
    out.set(frame, at);
    at += frame.length;
  }
  return out;
}

/** An endless tone as a source of frames. */
export class ToneSource {
  private position = 0;
  constructor(readonly frequencyHz: number, readonly amplitude = 8000) {}
  read(out: Int16Array): number {
    out.set(sine(this.frequencyHz, out.length, this.amplitude, this.position));
    this.position += out.length;
    return out.length;
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until the condition holds; throws with `what` when it does not in time. */
export async function until(condition: () => boolean | Promise<boolean>, what: string, timeoutMs = 5000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await sleep(10);
  }
}
