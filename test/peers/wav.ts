import { readFileSync, writeFileSync } from 'node:fs';
import wavefile from 'wavefile';
import { telephoneRate, tone } from './tone.js';

/** Reads 16-bit mono samples, also from a recording still being written, whose header does not yet know its length. */
export function readWav(file: string): { samples: Int16Array; rate: number } {
  const bytes = readFileSync(file);
  if (bytes.length < 44 || bytes.toString('latin1', 0, 4) !== 'RIFF') return { samples: new Int16Array(0), rate: telephoneRate };
  const rate = bytes.readUInt32LE(24);
  const data = bytes.indexOf('data', 12, 'latin1');
  const from = data < 0 ? 44 : data + 8;
  const samples = new Int16Array(Math.floor((bytes.length - from) / 2));
  for (let i = 0; i < samples.length; i++) samples[i] = bytes.readInt16LE(from + 2 * i);
  return { samples, rate };
}

/** Writes 16-bit mono samples. */
export function writeWav(file: string, samples: Int16Array, rate = telephoneRate): void {
  const wav = new wavefile.WaveFile();
  wav.fromScratch(1, rate, '16', samples);
  writeFileSync(file, wav.toBuffer());
}

/** Writes a tone as WAV and returns the file's name. */
export function writeToneWav(file: string, frequenciesHz: readonly number[], durationMs: number, rate = telephoneRate): string {
  writeWav(file, tone(frequenciesHz, durationMs, rate), rate);
  return file;
}
