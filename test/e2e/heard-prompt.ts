/** Whether a recording of a call holds a prompt: by comparing the sound, as whoever listens would. */
import path from 'node:path';
import { promptFile, promptsFolder, type PromptName } from '../../ivr/index.js';
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

function contains(heard: Int16Array, piece: Int16Array): boolean {
  const wanted = energy(piece);
  let there = energy(heard.subarray(0, piece.length));
  for (let start = 0; start + piece.length <= heard.length; start++) {
    // Only where it is about as loud is it worth comparing.
    if (there > wanted / 2 && there < wanted * 2) {
      let product = 0;
      for (let i = 0; i < piece.length; i++) product += piece[i]! * heard[start + i]!;
      if (product > same * Math.sqrt(wanted * there)) return true;
    }
    const [left, came] = [heard[start]!, heard[start + piece.length] ?? 0];
    there += came * came - left * left;
  }
  return false;
}
