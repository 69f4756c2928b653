/** What the telephone can say. */
import { readFileSync } from 'node:fs';
import wavefile from 'wavefile';
import type { FrameSource } from '../engines/media-server/rtp/index.js';
import { telephoneRate, tone } from './tone.js';

const maxFileBytes = 64 * 1024 * 1024;

/**
 * Reads a WAV file as 8 kHz 16-bit mono, converting what needs converting (first channel of several).
 * @throws Error with a sentence for the one who named the file
 */
export function readWavFile(file: string): Int16Array {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new Error(`cannot read ${file}: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`);
  }
  if (bytes.length > maxFileBytes) throw new Error(`${file} is larger than ${maxFileBytes / 1024 / 1024} MB`);
  try {
    const wav = new wavefile.WaveFile(bytes);
    if (wav.bitDepth === '8a') wav.fromALaw();
    if (wav.bitDepth === '8m') wav.fromMuLaw();
    if (wav.bitDepth !== '16') wav.toBitDepth('16');
    if ((wav.fmt as { sampleRate: number }).sampleRate !== telephoneRate) wav.toSampleRate(telephoneRate);
    const samples: unknown = wav.getSamples(false, Int16Array);
    return Array.isArray(samples) ? (samples[0] as Int16Array) : (samples as Int16Array);
  } catch {
    throw new Error(`${file} is no WAV file this phone can read (wanted: PCM, A-law or µ-law)`);
  }
}

/** Plays samples once, or for ever. */
export class SampleSource implements FrameSource {
  private position = 0;

  constructor(private readonly samples: Int16Array, private readonly forever = false) {}

  read(out: Int16Array): number {
    let written = 0;
    while (written < out.length && this.samples.length > 0) {
      const block = this.samples.subarray(this.position, this.position + out.length - written);
      out.set(block, written);
      written += block.length;
      this.position += block.length;
      if (this.position >= this.samples.length) {
        if (!this.forever) break;
        this.position = 0;
      }
    }
    return written;
  }
}

/** A soft two-tone greeting and two seconds of silence. */
export function greeting(): Int16Array {
  const first = tone([660], 350, telephoneRate, 0.15);
  const second = tone([550], 450, telephoneRate, 0.15);
  const samples = new Int16Array(first.length + second.length + 2 * telephoneRate);
  samples.set(first);
  samples.set(second, first.length);
  return samples;
}
