/** WAV files to 16-bit mono at 8 kHz. Other encodings and rates than plain PCM are converted. */
import wavefile from 'wavefile';
import { SAMPLE_RATE_HZ } from '../rtp/g711.js';
import { resample } from './resample.js';

export class WavError extends Error {
  readonly code = 'WAV_UNREADABLE';
}

/** First channel of interleaved 16-bit little-endian bytes. */
function firstChannel(bytes: Uint8Array, channels: number): Int16Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = new Int16Array(Math.floor(bytes.byteLength / (2 * channels)));
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(i * 2 * channels, true);
  return samples;
}

/** @throws WavError when the bytes are no WAV file this engine can play */
export async function readWav(bytes: Uint8Array): Promise<Int16Array> {
  try {
    const wav = new wavefile.WaveFile(bytes);
    if (wav.bitDepth === '8a') wav.fromALaw('16');
    else if (wav.bitDepth === '8m') wav.fromMuLaw('16');
    else if (wav.bitDepth !== '16') wav.toBitDepth('16');
    const format = wav.fmt as { numChannels: number; sampleRate: number };
    if (!(format.numChannels >= 1 && format.numChannels <= 8)) throw new WavError(`${format.numChannels} channels`);
    const data = wav.data as { samples: Uint8Array };
    return await resample(firstChannel(data.samples, format.numChannels), format.sampleRate, SAMPLE_RATE_HZ);
  } catch (error) {
    if (error instanceof WavError) throw error;
    throw new WavError(`not a playable WAV file: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A mono 16-bit file at 8 kHz, as bytes. */
export function writeWav(samples: Int16Array, channels = 1): Uint8Array {
  const header = Buffer.alloc(44);
  const bytes = samples.length * 2;
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + bytes, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(SAMPLE_RATE_HZ, 24);
  header.writeUInt32LE(SAMPLE_RATE_HZ * 2 * channels, 28);
  header.writeUInt16LE(2 * channels, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(bytes, 40);
  return Buffer.concat([header, Buffer.from(samples.buffer, samples.byteOffset, bytes)]);
}
