import { readFileSync } from 'node:fs';
import path from 'node:path';
import { vi } from 'vitest';
import { BufferedKeys, promptsFolder, type Voice } from '../../ivr/index.js';
import { readRecording } from '../../ivr/prompts/recording.js';

const samplesPerMs = 8;
const frameMs = 20;
/** A frame with a sample louder than this can be heard; the recordings' own silence is far below. */
const audible = 400;

/** One thing that was played, and where it stands in the sound of the call. */
interface Played {
  file: string;
  fromMs: number;
  toMs: number;
}

/** A call that plays the real recordings, in fake time, and keeps all that was heard as one sound. */
export class PlayedVoice implements Voice {
  readonly keys = new BufferedKeys();
  readonly played: Played[] = [];
  private readonly startedAt = performance.now();
  private readonly pieces: { atMs: number; samples: Int16Array }[] = [];

  async play(files: readonly string[], signal: AbortSignal): Promise<void> {
    for (const file of files) {
      if (signal.aborted) return;
      const { samples, durationMs } = readRecording(readFileSync(path.join(promptsFolder, file)));
      const fromMs = this.now;
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, durationMs);
        signal.addEventListener('abort', done);
      });
      const toMs = this.now;
      this.pieces.push({ atMs: fromMs, samples: samples.subarray(0, (toMs - fromMs) * samplesPerMs) });
      this.played.push({ file, fromMs, toMs });
    }
  }

  get now(): number {
    return Math.round(performance.now() - this.startedAt);
  }

  /** Everything up to now at 8 kHz, with the silence between. */
  sound(): Int16Array {
    const sound = new Int16Array(this.now * samplesPerMs);
    for (const { atMs, samples } of this.pieces) sound.set(samples.subarray(0, sound.length - atMs * samplesPerMs), atMs * samplesPerMs);
    return sound;
  }

  /** Lets so much fake time pass. */
  async listen(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms);
  }
}

/** The silences of a sound that are longer than a breath, between its first and its last audible frame, in ms. */
export function silencesIn(sound: Int16Array, longerThanMs: number): { fromMs: number; ms: number }[] {
  const frame = frameMs * samplesPerMs;
  const silences: { fromMs: number; ms: number }[] = [];
  let lastHeard: number | undefined;
  for (let start = 0; start < sound.length; start += frame) {
    if (!sound.subarray(start, start + frame).some((sample) => Math.abs(sample) > audible)) continue;
    if (lastHeard !== undefined && (start - lastHeard) / samplesPerMs > longerThanMs) silences.push({ fromMs: lastHeard / samplesPerMs, ms: (start - lastHeard) / samplesPerMs });
    lastHeard = start + frame;
  }
  return silences;
}

/** The sound without the frames in which nothing is heard: what its loudness is measured over. */
export function audibleOf(sound: Int16Array): Int16Array {
  const frame = frameMs * samplesPerMs;
  const parts: Int16Array[] = [];
  for (let start = 0; start + frame <= sound.length; start += frame) {
    const part = sound.subarray(start, start + frame);
    if (part.some((sample) => Math.abs(sample) > audible)) parts.push(part);
  }
  const all = new Int16Array(parts.length * frame);
  parts.forEach((part, i) => all.set(part, i * frame));
  return all;
}
