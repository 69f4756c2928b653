import { fileURLToPath } from 'node:url';
import type { Language } from '../languages.js';

/** Code lengths that have a sentence of their own ("the code has ten digits"); for others it is left out. */
export const spokenCodeLengths = [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16] as const;

const sentences = [
  'greeting',
  'enter-code',
  'close-with-hash',
  'no-code',
  'not-recognised',
  'too-short',
  'nothing-heard',
  'try-again',
  'checking',
  'code-accepted',
  'waiting-for-result',
  'without-identification',
  'technical-problem',
  'please-wait',
  'still-waiting',
  'connecting',
  'all-busy',
  'goodbye',
] as const;

export type PromptName = (typeof sentences)[number] | `code-length-${(typeof spokenCodeLengths)[number]}`;

/** Every prompt; each has a text and a recording in every language. */
export const promptNames: readonly PromptName[] = [...sentences, ...spokenCodeLengths.map((n) => `code-length-${n}` as const)];

/** The quiet loop between the sentences; it has no language. */
export const musicFile = 'music.wav';

/** Where the recordings lie for a media server on this machine; an absolute path. */
export const promptsFolder: string = fileURLToPath(new URL('.', import.meta.url)).replace(/\/$/u, '');

/** The name a Voice plays a prompt by. */
export function promptFile(language: Language, name: PromptName): string {
  return `${language}/${name}.wav`;
}
