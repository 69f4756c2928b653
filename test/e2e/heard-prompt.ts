/** Whether a recording of a call holds a prompt: by comparing the sound, as whoever listens would. */
import path from 'node:path';
import { promptFile, promptsFolder, type PromptName } from '../../ivr/index.js';
import { numberPrompt } from '../../ivr/prompts/names.js';
import { readWavFile } from '../../gateway/phone/index.js';

/** A tenth of a second of speech is like no other. */
const pieceSamples = 800;
/** Correlation from which two pieces are the same one; G.711 costs less than a hundredth. */
const same = 0.95;

/** @param heard 8 kHz */
export function heardPrompt(heard: Int16Array, name: PromptName, language: 'nl' | 'en' = 'nl'): boolean {
  const prompt = readWavFile(path.join(promptsFolder, promptFile(language, name)));
  return loudestPieces(prompt).some((piece) => contains(heard, piece));
}

/** The same for a prompt that was said to its end: sentences have words in common. */
export function heardWhole(heard: Int16Array, name: PromptName, language: 'nl' | 'en' = 'nl'): boolean {
  const prompt = readWavFile(path.join(promptsFolder, promptFile(language, name)));
  return loudestPieces(prompt).every((piece) => contains(heard, piece));
}

/** The single digits that were read out, in order. @param heard 8 kHz */
export function digitsHeard(heard: Int16Array, language: 'nl' | 'en' = 'nl'): string {
  const found: { at: number; digit: number }[] = [];
  for (let digit = 0; digit <= 9; digit += 1) {
    const prompt = readWavFile(path.join(promptsFolder, promptFile(language, numberPrompt(digit)!)));
    const [piece] = [loudestOf(prompt)];
    for (let from = 0; ; ) {
      const at = find(heard.subarray(from), piece);
      if (at < 0) break;
      found.push({ at: from + at, digit });
      from += at + prompt.length / 2;
    }
  }
  return found.sort((a, b) => a.at - b.at).map(({ digit }) => String(digit)).join('');
}

function loudestOf(prompt: Int16Array): Int16Array {
  const starts = Array.from({ length: Math.max(1, Math.floor((prompt.length - pieceSamples) / 100)) }, (_, i) => 100 * i);
  return starts.map((start) => prompt.subarray(start, start + pieceSamples)).reduce((loudest, piece) => (energy(piece) > energy(loudest) ? piece : loudest));
}

/** The loudest piece of each third: one of them may have been cut in two on its way. */
function loudestPieces(prompt: Int16Array): Int16Array[] {
  const third = Math.floor(prompt.length / 3);
  return [0, 1, 2].map((part) => {
    const starts = Array.from({ length: Math.max(1, Math.floor((third - pieceSamples) / 100)) }, (_, i) => part * third + 100 * i);
    const pieces = starts.map((start) => prompt.subarray(start, start + pieceSamples));
    return pieces.reduce((loudest, piece) => (energy(piece) > energy(loudest) ? piece : loudest));
  });
}

function energy(samples: Int16Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return sum;
}

const contains = (heard: Int16Array, piece: Int16Array): boolean => find(heard, piece) >= 0;

/** Where a piece begins; -1 when it is not there. */
function find(heard: Int16Array, piece: Int16Array): number {
  const wanted = energy(piece);
  let there = energy(heard.subarray(0, piece.length));
  for (let start = 0; start + piece.length <= heard.length; start++) {
    // Only where it is about as loud is it worth comparing.
    if (there > wanted / 2 && there < wanted * 2) {
      let product = 0;
      for (let i = 0; i < piece.length; i++) product += piece[i]! * heard[start + i]!;
      if (product > same * Math.sqrt(wanted * there)) return start;
    }
    const [left, came] = [heard[start]!, heard[start + piece.length] ?? 0];
    there += came * came - left * left;
  }
  return -1;
}
