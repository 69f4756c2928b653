import { fileURLToPath } from 'node:url';
import type { Language } from '../languages.js';
import { words } from './words.js';

/** Code lengths that have a sentence of their own ("the code has ten digits"); for others it is left out. */
export const spokenCodeLengths = [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16] as const;

/** The sentences and pieces of sentences, by the part of a call in which they are heard. */
export const sentenceGroups = {
  'Welcome and code': [
    'greeting', 'enter-code', 'close-with-hash', 'no-code', 'not-recognised', 'slip', 'too-short', 'nothing-heard', 'try-again', 'checking', 'still-checking',
    'code-accepted', 'your-word', 'other-word', 'waiting-for-result', 'without-identification', 'technical-problem',
  ],
  Waiting: [
    'please-wait', 'still-waiting', 'you-are-number', 'in-the-queue', 'twenty-or-more-before-you', 'wait-about', 'minute', 'minutes', 'wait-under-a-minute',
    'wait-over-half-an-hour', 'agent-lost', 'connecting', 'goodbye',
  ],
  'No agent now': ['all-busy', 'queue-full', 'closed', 'closed-holiday', 'overflow'],
  'Transfer and hold': ['transferring-you', 'transfer-failed', 'identity-not-passed', 'on-hold'],
  'Identifying during the call': ['offer-identify', 'identify-address', 'pairing-code', 'said-again', 'hear-it-again', 'identified', 'identify-unavailable'],
  'Arranging a callback': [
    'callback-offer', 'callback-offer-later', 'callback-begin', 'callback-number', 'callback-typed', 'callback-number-right', 'callback-enter-number',
    'callback-number-not-possible', 'callback-not-arranged', 'callback-code', 'callback-code-why', 'callback-arranged',
  ],
  'The call back': ['callback-hello', 'callback-ready', 'callback-enter-code', 'callback-no-code', 'callback-code-wrong'],
  'Whispered to the agent': [
    'whisper-identified', 'whisper-not-identified', 'whisper-awaiting', 'whisper-failed', 'whisper-digid', 'whisper-yivi', 'whisper-itsme', 'whisper-waited',
    'whisper-waited-briefly', 'whisper-waited-long', 'whisper-pin', 'whisper-pin-wrong', 'whisper-take',
    'spell-surname', 'spell-given-names', 'spell-birth-date', 'spell-postcode', 'spell-house-number', 'spell-more',
  ],
} as const satisfies Record<string, readonly string[]>;

const sentences = Object.values(sentenceGroups).flat();

/** The numbers that are spoken by themselves: single digits, places in the queue and minutes. */
export const spokenNumbers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 30] as const;

/** What a web address or a name may consist of besides digits, and the name of its recording (`sign-a`: "a as in apple"). */
const signs: ReadonlyMap<string, `sign-${string}`> = new Map([
  ...[...'abcdefghijklmnopqrstuvwxyz'].map((letter) => [letter, `sign-${letter}`] as const),
  ['.', 'sign-dot'],
  ['/', 'sign-slash'],
  ['-', 'sign-hyphen'],
  [':', 'sign-colon'],
  ['+', 'sign-plus'],
  ["'", 'sign-apostrophe'],
]);

export type PromptName =
  | (typeof sentenceGroups)[keyof typeof sentenceGroups][number]
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
  'sign-other',
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

/** The recording of one character of a web address or a name, whatever its case; undefined when there is none. */
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
