/** Makes and finds tones. Samples are 16-bit PCM, mono. */

export const telephoneRate = 8_000;

/** A sum of sines. `amplitude` is the peak of the sum, 0 to 1. */
export function tone(frequenciesHz: readonly number[], durationMs: number, rate = telephoneRate, amplitude = 0.3): Int16Array {
  const samples = new Int16Array(Math.round((durationMs * rate) / 1000));
  const each = (amplitude * 32_767) / frequenciesHz.length;
  for (let i = 0; i < samples.length; i++) {
    let sum = 0;
    for (const hz of frequenciesHz) sum += Math.sin((2 * Math.PI * hz * i) / rate);
    samples[i] = Math.round(sum * each);
  }
  return samples;
}

/** The share (0 to 1) of a block's energy that lies at `hz`, by Goertzel's algorithm; a pure tone gives about 1. */
export function shareAt(samples: Int16Array, hz: number, rate = telephoneRate): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * hz) / rate);
  let previous = 0;
  let beforePrevious = 0;
  let energy = 0;
  for (const sample of samples) {
    const next = sample + coefficient * previous - beforePrevious;
    beforePrevious = previous;
    previous = next;
    energy += sample * sample;
  }
  if (energy === 0) return 0;
  const power = previous * previous + beforePrevious * beforePrevious - coefficient * previous * beforePrevious;
  return Math.min(1, (2 * power) / (energy * samples.length));
}

/** Root mean square of a block, 0 to 32767. */
export function loudness(samples: Int16Array): number {
  let energy = 0;
  for (const sample of samples) energy += sample * sample;
  return samples.length === 0 ? 0 : Math.sqrt(energy / samples.length);
}

export interface Window { readonly fromMs: number; readonly hz: readonly number[]; readonly loudness: number }

/**
 * Cuts the samples in windows and tells which of the candidate frequencies each holds (a share of at least
 * `minShare`; windows quieter than `minLoudness` hold none). Candidates should differ by more than 1000 / windowMs Hz.
 */
export function tonesByWindow(
  samples: Int16Array,
  candidatesHz: readonly number[],
  { rate = telephoneRate, windowMs = 40, minShare = 0.3, minLoudness = 100 } = {},
): Window[] {
  const size = Math.round((windowMs * rate) / 1000);
  const windows: Window[] = [];
  for (let start = 0; start + size <= samples.length; start += size) {
    const block = samples.subarray(start, start + size);
    const level = loudness(block);
    const hz = level < minLoudness ? [] : candidatesHz.filter((candidate) => shareAt(block, candidate, rate) >= minShare);
    windows.push({ fromMs: (start * 1000) / rate, hz, loudness: level });
  }
  return windows;
}

/** For how many ms the tone is there. */
export function msOfTone(samples: Int16Array, hz: number, options: { rate?: number; windowMs?: number; minShare?: number } = {}): number {
  const windowMs = options.windowMs ?? 40;
  return tonesByWindow(samples, [hz], { ...options, windowMs }).filter((window) => window.hz.length > 0).length * windowMs;
}
