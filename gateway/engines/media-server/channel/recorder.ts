/**
 * Records a call to a WAV file of 8 kHz and 16 bits: both directions mixed, or one in each channel. Each direction is laid
 * down where it arrived in time; the file is written when the recording ends.
 */
import { writeFile } from 'node:fs/promises';
import type { EngineLog } from '../../log.js';
import { SAMPLE_RATE_HZ, decode, type Codec } from '../rtp/index.js';
import { writeWav } from '../audio/wav.js';

const MAX_RECORDING_MS = 2 * 3600 * 1000;
const CHUNK_SAMPLES = 30 * SAMPLE_RATE_HZ;
/** Packets that come a little early or late stay beside their neighbours. */
const SLACK_SAMPLES = 0.2 * SAMPLE_RATE_HZ;

export interface RecorderOptions {
  file: string;
  stereo: boolean;
  limitMs?: number | undefined;
  log: EngineLog;
}

/** Samples of one direction in growing chunks. */
class Track {
  readonly chunks: Int16Array[] = [];
  length = 0;

  lay(samples: Int16Array, nowAt: number, limit: number): void {
    let at = this.length;
    const begin = nowAt - samples.length;
    if (Math.abs(begin - at) > SLACK_SAMPLES && begin > at) at = begin;
    for (let i = 0; i < samples.length && at < limit; i++, at++) {
      const chunk = Math.floor(at / CHUNK_SAMPLES);
      while (this.chunks.length <= chunk) this.chunks.push(new Int16Array(CHUNK_SAMPLES));
      this.chunks[chunk]![at % CHUNK_SAMPLES] = samples[i]!;
    }
    this.length = Math.max(this.length, at);
  }

  at(index: number): number {
    return this.chunks[Math.floor(index / CHUNK_SAMPLES)]?.[index % CHUNK_SAMPLES] ?? 0;
  }
}

export class Recorder {
  private readonly heard = new Track();
  private readonly spoken = new Track();
  private readonly startedMs = performance.now();
  private readonly limit: number;
  private stopped = false;

  constructor(private readonly options: RecorderOptions) {
    this.limit = (Math.min(MAX_RECORDING_MS, options.limitMs ?? MAX_RECORDING_MS) * SAMPLE_RATE_HZ) / 1000;
  }

  received(codec: Codec, payload: Buffer, start: number, end: number): void {
    if (!this.stopped) this.heard.lay(decode(codec, payload, start, end - start), this.now(), this.limit);
  }

  sent(codec: Codec, payload: Buffer, start: number, end: number): void {
    if (!this.stopped) this.spoken.lay(decode(codec, payload, start, end - start), this.now(), this.limit);
  }

  private now(): number {
    return Math.round(((performance.now() - this.startedMs) * SAMPLE_RATE_HZ) / 1000);
  }

  /** Ends the recording and writes the file. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    const length = Math.max(this.heard.length, this.spoken.length);
    const samples = new Int16Array(this.options.stereo ? 2 * length : length);
    for (let i = 0; i < length; i++) {
      if (this.options.stereo) {
        samples[2 * i] = this.heard.at(i);
        samples[2 * i + 1] = this.spoken.at(i);
      } else {
        samples[i] = Math.max(-32768, Math.min(32767, this.heard.at(i) + this.spoken.at(i)));
      }
    }
    writeFile(this.options.file, writeWav(samples, this.options.stereo ? 2 : 1)).catch((error: unknown) => {
      this.options.log.error({ problem: (error as NodeJS.ErrnoException).code ?? 'unknown' }, 'recording could not be written');
    });
  }
}
