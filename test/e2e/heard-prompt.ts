/** Whether a recording of a call holds a prompt: by comparing the sound, as whoever listens would. */
import path from 'node:path';
import { promptFile, promptsFolder, type PromptName } from '../../ivr/index.js';
import { numberPrompt } from '../../ivr/prompts/names.js';
import { findSound, loudestPieces, readWavFile } from '../../gateway/phone/index.js';

/** A prompt is looked for in as many places: one of them may have been cut in two on its way. */
const parts = 3;

/** @param heard 8 kHz */
export function heardPrompt(heard: Int16Array, name: PromptName, language: 'nl' | 'en' = 'nl'): boolean {
  const prompt = readWavFile(path.join(promptsFolder, promptFile(language, name)));
  return loudestPieces(prompt, parts).some((piece) => findSound(heard, piece) >= 0);
}

/** The same for a prompt that was said to its end: sentences have words in common. */
export function heardWhole(heard: Int16Array, name: PromptName, language: 'nl' | 'en' = 'nl'): boolean {
  const prompt = readWavFile(path.join(promptsFolder, promptFile(language, name)));
  return loudestPieces(prompt, parts).every((piece) => findSound(heard, piece) >= 0);
}

/** The single digits that were read out, in order. @param heard 8 kHz */
export function digitsHeard(heard: Int16Array, language: 'nl' | 'en' = 'nl'): string {
  const found: { at: number; digit: number }[] = [];
  for (let digit = 0; digit <= 9; digit += 1) {
    const prompt = readWavFile(path.join(promptsFolder, promptFile(language, numberPrompt(digit)!)));
    const [piece] = loudestPieces(prompt, 1);
    for (let from = 0; ; ) {
      const at = findSound(heard.subarray(from), piece!);
      if (at < 0) break;
      found.push({ at: from + at, digit });
      from += at + prompt.length / 2;
    }
  }
  return found.sort((a, b) => a.at - b.at).map(({ digit }) => String(digit)).join('');
}
