import { fileURLToPath } from 'node:url';
import type { Language } from '../languages.js';
import { words } from './words.js';

/** Code lengths that have a sentence of their own ("the code has ten digits"); for others it is left out. */
export const spokenCodeLengths = [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16] as const;

const sentences = [
  'greeting',
  'enter-code',
  'close-with-hash',
  'no-code',
  'not-recognised',
  'slip',
  'too-short',
  'nothing-heard',
  'try-again',
  'checking',
  'still-checking',
  'code-accepted',
  'your-word',
  'other-word',
  'waiting-for-result',
  'without-identification',
  'technical-problem',
  'please-wait',
  'still-waiting',
  'you-are-number',
  'in-the-queue',
  'connecting',
  'all-busy',
  'goodbye',
  'offer-identify',
  'identify-address',
  'pairing-code',
  'said-again',
  'hear-it-again',
  'identified',
  'identify-unavailable',
] as const;

/** The numbers that are spoken by themselves: places in the queue and single digits. */
export const spokenNumbers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10] as const;

/** What a web address may consist of besides digits, and the name of its recording (`sign-a`: "a as in apple"). */
const signs: ReadonlyMap<string, `sign-${string}`> = new Map([
  ...[...'abcdefghijklmnopqrstuvwxyz'].map((letter) => [letter, `sign-${letter}`] as const),
  ['.', 'sign-dot'],
  ['/', 'sign-slash'],
  ['-', 'sign-hyphen'],
  [':', 'sign-colon'],
]);

export type PromptName =
  | (typeof sentences)[number]
  | `code-length-${(typeof spokenCodeLengths)[number]}`
  | `number-${(typeof spokenNumbers)[number]}`
  | `sign-${string}`
  | `word-${number}`;

/** The prompts whose texts stand in texts.yaml. */
export const writtenPrompts: readonly PromptName[] = [
  ...sentences,
  ...spokenCodeLengths.map((n) => `code-length-${n}` as const),
  ...spokenNumbers.map((n) => `number-${n}` as const),
  ...signs.values(),
];

/** The words of words.ts, by their index. */
export const wordPrompts: readonly PromptName[] = words.nl.map((_word, index) => wordPrompt(index));

/** Every prompt; each has a text and a recording in every language. */
export const promptNames: readonly PromptName[] = [...writtenPrompts, ...wordPrompts];

/** The recording of one of the words that pages show. */
export function wordPrompt(index: number): PromptName {
  return `word-${index}`;
}

/** The recording of a number or digit; undefined when there is none. */
export function numberPrompt(value: number): PromptName | undefined {
  const spoken = spokenNumbers.find((n) => n === value);
  return spoken === undefined ? undefined : `number-${spoken}`;
}

/** The recording of one character of a web address, whatever its case; undefined when there is none. */
export function signPrompt(character: string): PromptName | undefined {
  return /^[0-9]$/u.test(character) ? numberPrompt(Number(character)) : signs.get(character.toLowerCase());
}

/** The quiet loop between the sentences; it has no language. */
export const musicFile = 'music.wav';

/** Silence between things that the caller writes down; it has no language. */
export const pauseFile = 'pause.wav';

/** Where the recordings lie for a media server on this machine; an absolute path. */
export const promptsFolder: string = fileURLToPath(new URL('.', import.meta.url)).replace(/\/$/u, '');

/** The name a Voice plays a prompt by. */
export function promptFile(language: Language, name: PromptName): string {
  return `${language}/${name}.wav`;
}
