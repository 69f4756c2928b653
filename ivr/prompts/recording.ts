import wavefile from 'wavefile';

export interface Recording {
  durationMs: number;
  /** 16-bit samples at 8 kHz. */
  samples: Int16Array;
}

/** @throws when a file is not what every media server can play without converting: WAV, PCM 16 bit, mono, 8 kHz */
export function readRecording(bytes: Uint8Array): Recording {
  const wav = new wavefile.WaveFile(bytes);
  const format = wav.fmt as { audioFormat: number; numChannels: number; sampleRate: number; bitsPerSample: number };
  if (format.audioFormat !== 1 || format.numChannels !== 1 || format.sampleRate !== 8000 || format.bitsPerSample !== 16) {
    throw new Error(`a prompt must be PCM 16 bit mono at 8 kHz, not format ${format.audioFormat}, ${format.bitsPerSample} bit, ${format.numChannels} channel(s) at ${format.sampleRate} Hz`);
  }
  const { samples } = wav.data as { samples: Uint8Array };
  const pcm = new Int16Array(samples.length >> 1);
  const view = new DataView(samples.buffer, samples.byteOffset, samples.byteLength);
  for (let i = 0; i < pcm.length; i += 1) pcm[i] = view.getInt16(2 * i, true);
  return { durationMs: Math.round(pcm.length / 8), samples: pcm };
}

/** Loudness over the whole length, in dB relative to the largest possible sample. */
export function rmsDbfs(samples: Int16Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return 20 * Math.log10(Math.sqrt(sum / samples.length) / 32768);
}
