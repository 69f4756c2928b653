import { shortCodeLength } from './callback.js';
import { enterDigits } from './digit-entry.js';
import type { Language } from './languages.js';
import { promptFile, type PromptName } from './prompts/names.js';
import { breathe, keyDuring } from './question.js';
import { say } from './speech.js';
import { SpokenCode } from './spoken-code.js';
import type { Voice } from './voice.js';

export interface CalledBackOptions {
  language: Language;
  /**
   * Whether this is the code that was given to the caller; asked at most three times. Left out when there is nothing to
   * protect, and then no code is asked for. A rejection means that it cannot be looked up now.
   */
  check?: (code: SpokenCode) => boolean | Promise<boolean>;
  /** A code was given to the caller, and what it protected is not there any more: they are told that it is of no use. */
  isForgotten?: boolean;
  /** How long after each greeting somebody may take to press 1, in ms. Default 5000. */
  readyMs?: number;
  /** How long the caller may take to begin with the code after the question, in ms. Default 20 000. */
  firstDigitMs?: number;
  /** How long between two keys, in ms. Default 10 000. */
  interDigitMs?: number;
}

export type CalledBack =
  /** Nobody pressed 1: a voicemail box, or somebody who knows nothing of it. They were told nothing but who calls. */
  | { kind: 'nobody' }
  /** Somebody is there. Only 'right' says that it is the caller of before. */
  | { kind: 'ready'; code: 'right' | 'wrong' | 'declined' | 'silence' | 'unchecked' | 'notAsked' };

/** A voicemail box talks for twenty seconds or so; whoever picks up late shall still hear a whole greeting. */
const greetings = 3;
const maxAttempts = 3;

/**
 * The first words of a call back, from the moment that it was answered: says who calls, waits for a `1` (which no
 * voicemail box presses), then asks for the code. `0` goes on without it, as three wrong codes and silence do.
 *
 * @throws the signal's reason when it aborts; whatever `voice.play` rejects with
 */
export async function greetCalledBack(voice: Voice, options: CalledBackOptions, signal: AbortSignal): Promise<CalledBack> {
  const { language, check, isForgotten = false, readyMs = 5000 } = options;
  if (!(await isSomebodyThere(voice, language, readyMs, signal))) return { kind: 'nobody' };
  if (!check) {
    if (isForgotten) await say(voice, language, 'technical-problem', signal);
    signal.throwIfAborted();
    return { kind: 'ready', code: 'notAsked' };
  }
  await breathe(voice, signal);
  const code = await askForCode(voice, options, check, signal);
  await say(voice, language, lastWords[code], signal);
  signal.throwIfAborted();
  return { kind: 'ready', code };
}

type CodeOutcome = 'right' | 'wrong' | 'declined' | 'silence' | 'unchecked';

const lastWords: Record<CodeOutcome, readonly PromptName[]> = {
  right: ['code-accepted'],
  wrong: ['callback-code-wrong', 'without-identification'],
  declined: ['without-identification'],
  silence: ['without-identification'],
  unchecked: ['technical-problem'],
};

async function isSomebodyThere(voice: Voice, language: Language, readyMs: number, signal: AbortSignal): Promise<boolean> {
  const greeting = filesOf(language, ['callback-hello', 'callback-ready']);
  for (let greeted = 0; greeted < greetings; greeted += 1) {
    if ((await keyDuring(voice, greeting, (key) => key === '1', readyMs, signal)) === '1') return true;
  }
  return false;
}

async function askForCode(voice: Voice, options: CalledBackOptions, check: NonNullable<CalledBackOptions['check']>, signal: AbortSignal): Promise<CodeOutcome> {
  const { language, firstDigitMs = 20_000, interDigitMs = 10_000 } = options;
  const question: PromptName[] = ['callback-enter-code', 'callback-no-code'];
  let problem: PromptName[] = [];
  for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
    const entry = await enterDigits(voice, {
      question: filesOf(language, [...problem, ...question]),
      again: filesOf(language, question),
      afterSilence: filesOf(language, ['nothing-heard', ...question]),
      lengths: { shortest: shortCodeLength, longest: shortCodeLength },
      firstDigitMs, interDigitMs,
    }, signal);
    switch (entry.kind) {
      case 'zero': return 'declined';
      case 'silence': return 'silence';
      case 'too-short':
      case 'slip':
        problem = ['too-short'];
        break;
      case 'digits':
        try {
          if (await check(new SpokenCode(entry.digits))) return 'right';
        } catch {
          return 'unchecked';
        }
        problem = ['callback-code-wrong'];
        break;
    }
    signal.throwIfAborted();
  }
  return 'wrong';
}

function filesOf(language: Language, names: readonly PromptName[]): string[] {
  return names.map((name) => promptFile(language, name));
}
