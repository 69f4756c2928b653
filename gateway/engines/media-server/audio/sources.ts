/** Things that can be played, frame by frame. Each knows its true position, for what is reported afterwards. */
import type { FrameSource } from '../rtp/index.js';
import { SAMPLE_RATE_HZ } from '../rtp/g711.js';
import type { TonePlan } from './tone-stream.js';

export interface PlayableSource extends FrameSource {
  /** Samples played so far, counted from the beginning of the material. */
  readonly position: number;
  readonly ended: boolean;
}

export class SampleSource implements PlayableSource {
  constructor(private readonly samples: Int16Array, public position = 0) {}

  get ended(): boolean {
    return this.position >= this.samples.length;
  }

  read(out: Int16Array): number {
    const count = Math.max(0, Math.min(out.length, this.samples.length - this.position));
    out.set(this.samples.subarray(this.position, this.position + count));
    this.position += count;
    return count;
  }
}

export class SilenceSource implements PlayableSource {
  position = 0;

  /** @param samples Infinity: until stopped */
  constructor(private readonly samples: number) {}

  get ended(): boolean {
    return this.position >= this.samples;
  }

  read(out: Int16Array): number {
    const count = Math.min(out.length, this.samples - this.position);
    out.fill(0, 0, count);
    this.position += count;
    return count;
  }
}

/** Ends of a tone are faded over this many samples (2 ms), so that they do not click. */
const FADE_SAMPLES = 16;

export class ToneStreamSource implements PlayableSource {
  position = 0;
  private loop = 0;
  private segment = 0;
  private offset = 0;

  constructor(private readonly plan: TonePlan) {}

  get ended(): boolean {
    return this.loop >= this.plan.loops;
  }

  read(out: Int16Array): number {
    let filled = 0;
    while (filled < out.length && !this.ended) {
      const { samples, frequenciesHz, amplitude } = this.plan.segments[this.segment]!;
      const count = Math.min(out.length - filled, samples - this.offset);
      for (let i = 0; i < count; i++) {
        const at = this.offset + i;
        let sum = 0;
        for (const hz of frequenciesHz) sum += Math.sin((2 * Math.PI * hz * at) / SAMPLE_RATE_HZ);
        const fade = Math.min(1, (at + 1) / FADE_SAMPLES, (samples - at) / FADE_SAMPLES);
        out[filled + i] = Math.max(-32768, Math.min(32767, Math.round(sum * amplitude * fade)));
      }
      filled += count;
      this.offset += count;
      if (this.offset >= samples) {
        this.offset = 0;
        this.segment++;
        if (this.segment >= this.plan.segments.length) {
          this.segment = 0;
          this.loop++;
        }
      }
    }
    this.position += filled;
    return filled;
  }
}

/** Several sources without a pause between them. */
export class ChainSource implements PlayableSource {
  private index = 0;

  constructor(private readonly sources: readonly PlayableSource[]) {}

  get position(): number {
    return this.sources.reduce((sum, source) => sum + source.position, 0);
  }

  get ended(): boolean {
    return this.sources.slice(this.index).every((source) => source.ended);
  }

  read(out: Int16Array): number {
    let filled = 0;
    while (filled < out.length && this.index < this.sources.length) {
      filled += this.sources[this.index]!.read(filled === 0 ? out : out.subarray(filled));
      if (filled < out.length) this.index++;
    }
    return filled;
  }
}
