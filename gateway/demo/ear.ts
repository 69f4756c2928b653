/** What somebody at a telephone heard: which tones for how long, and which sentences of the gateway. */
import path from 'node:path';
import { promptFile, promptsFolder, type Language, type PromptName } from '../../ivr/index.js';
import { findSound, loudestPieces, msOfTone, readWavFile } from '../phone/index.js';

export class Ear {
  private readonly tones: Map<number, number>;

  /** @param listensFor tones to be told apart, in Hz */
  constructor(listensFor: readonly number[]) {
    this.tones = new Map(listensFor.map((hz) => [hz, 0]));
  }

  readonly hear = (block: Int16Array): void => {
    for (const [hz, ms] of this.tones) this.tones.set(hz, ms + msOfTone(block, hz, { windowMs: 20 }));
  };

  /** How long this tone was heard so far. */
  ms(hz: number): number {
    return this.tones.get(hz) ?? 0;
  }
}

/**
 * Waits for sentences of the gateway, by comparing what is heard with the recordings. Looks at everything once, a little at
 * a time: this process has calls to carry.
 */
export class SentenceEar {
  private unheard: { readonly name: PromptName; readonly pieces: readonly Int16Array[] }[];
  private readonly longest: number;
  private recent = new Int16Array(0);
  private fresh: Int16Array[] = [];

  constructor(names: readonly PromptName[], language: Language) {
    // Several pieces of each: one of them may have been cut in two on its way.
    this.unheard = names.map((name) => ({ name, pieces: loudestPieces(readWavFile(path.join(promptsFolder, promptFile(language, name))), 3) }));
    this.longest = Math.max(...this.unheard.flatMap(({ pieces }) => pieces.map((piece) => piece.length)));
  }

  readonly hear = (block: Int16Array): void => {
    if (this.unheard.length > 0) this.fresh.push(block.slice());
  };

  /** Whether all of them were heard by now. */
  heardAll(): boolean {
    const sound = joined([this.recent, ...this.fresh.splice(0)]);
    this.unheard = this.unheard.filter(({ pieces }) => !pieces.some((piece) => findSound(sound, piece) >= 0));
    // A piece may have begun in what was looked at just now.
    this.recent = sound.slice(Math.max(0, sound.length - this.longest));
    return this.unheard.length === 0;
  }
}

function joined(blocks: readonly Int16Array[]): Int16Array<ArrayBuffer> {
  const sound = new Int16Array(blocks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const block of blocks) {
    sound.set(block, at);
    at += block.length;
  }
  return sound;
}
