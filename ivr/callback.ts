import { enterDigits } from './digit-entry.js';
import type { Language } from './languages.js';
import { pauseFile, promptFile, type PromptName } from './prompts/names.js';
import { breathe, choose, keyDuring } from './question.js';
import { digitsRead, numberRead } from './reading.js';
import { say } from './speech.js';
import type { SpokenCode } from './spoken-code.js';
import { longestNumber, SpokenNumber } from './spoken-number.js';
import type { Voice } from './voice.js';

/** How long the code is by which a caller who is called back shows to be the same person. */
export const shortCodeLength = 4;

export interface CallbackOfferOptions {
  language: Language;
  /** Why the caller is asked: they are waiting and would keep their place, or there is no room to wait. */
  because: 'waiting' | 'full';
  /** How long the caller may think about it after the question, in ms. Default 6000. */
  answerMs?: number;
}

/**
 * Asks whether the caller wants to be called back. `1`, also before the question has been heard, means yes; every other
 * key but `#`, the tail of an earlier entry, means no, as silence does. (Whoever waits with `keepCompany` is asked there.)
 *
 * @throws the signal's reason when it aborts; whatever `voice.play` rejects with
 */
export async function offerCallback(voice: Voice, { language, because, answerMs = 6000 }: CallbackOfferOptions, signal: AbortSignal): Promise<'yes' | 'no'> {
  const names: PromptName[] = because === 'full' ? ['queue-full', 'callback-offer-later'] : ['callback-offer'];
  const key = await keyDuring(voice, filesOf(language, names), (pressed) => pressed !== '#', answerMs, signal);
  return key === '1' ? 'yes' : 'no';
}

export interface ArrangeCallbackOptions {
  language: Language;
  /** The number the caller calls from; left out when it is withheld. */
  knownNumber?: SpokenNumber;
  /** Of `shortCodeLength` digits; left out for a caller whose identity is not known, who has nothing to protect. */
  shortCode?: SpokenCode;
  /** Whether we can and may call this number; asked of the known number and of each typed one. */
  judge: (number: SpokenNumber) => 'ok' | 'notPossible';
  /** Whether the caller can go on waiting instead, and is told how. Default true. */
  canWait?: boolean;
  /** Of the place where we are, digits only (`31`): a number of this country is read out with a 0 instead. */
  countryCode?: string;
  /** How long the caller may take to begin after a question, in ms. Default 15 000. */
  firstDigitMs?: number;
  /** How long between two keys, in ms. Default 10 000. */
  interDigitMs?: number;
}

export type CallbackArrangement =
  /**
   * The caller confirmed this number. It stands from that moment on, also if the caller hung up before the rest had been
   * said; `codeTold` tells whether the whole code was read out at least once (false without a code).
   */
  | { kind: 'arranged'; number: SpokenNumber; codeTold: boolean }
  /** The caller goes on waiting: they wished to, or no number was agreed on. */
  | { kind: 'kept' }
  /** The signal aborted before a number was confirmed. */
  | { kind: 'abandoned' };

/** Numbers that may be typed before we give up. */
const maxNumbers = 3;
/** Shorter ones are nobody's to be called back on. */
const shortestNumber = 3;
/** A telephone number begins with a 0 as a rule: it is not hurried. */
const numberPauseMs = 5000;
/** How long after the code has been read `*` is still waited for, in ms. */
const repeatWithinMs = 4000;
const maxCodeReadings = 5;

/**
 * Agrees with a caller on the number to call back, and gives them the code that they will be asked for.
 *
 * - The number they call from is read out: `1` confirms it, `2` is for another one. A number that is withheld or not
 *   possible is asked for instead, closed with `#`, read back, and confirmed in the same way.
 * - `0` goes on waiting, where the caller can; while a number is typed, a lone `0` and `#`.
 * - A key pressed before the digits are heard confirms nothing: a finger that came down twice must not agree to a number.
 * - The code is read twice, digit by digit, and again at `*`.
 *
 * An abort for another reason than the caller's hanging up (an agent is free) may also find the number confirmed; who
 * aborts knows what that is worth.
 *
 * @throws RangeError for a code that is not of `shortCodeLength` digits, before a word is said; whatever `voice.play`
 *   rejects with before a number is confirmed
 */
export async function arrangeCallback(voice: Voice, options: ArrangeCallbackOptions, signal: AbortSignal): Promise<CallbackArrangement> {
  const code = options.shortCode && codeRead(options.language, options.shortCode);
  let number: SpokenNumber | undefined;
  try {
    number = await agreeOnNumber(voice, options, signal);
  } catch (error) {
    if (signal.aborted) return { kind: 'abandoned' };
    throw error;
  }
  if (!number) return { kind: signal.aborted ? 'abandoned' : 'kept' };
  return { kind: 'arranged', number, codeTold: await tellCode(voice, options.language, code, signal) };
}

/** @returns undefined when the caller goes on waiting */
async function agreeOnNumber(voice: Voice, options: ArrangeCallbackOptions, signal: AbortSignal): Promise<SpokenNumber | undefined> {
  const { language, knownNumber, judge, canWait = true } = options;
  let begin: PromptName[] = canWait ? ['callback-begin'] : [];
  if (knownNumber && judge(knownNumber) === 'ok') {
    const answer = await confirm(voice, options, [...begin, 'callback-number'], knownNumber, signal);
    if (answer === 'yes') return knownNumber;
    if (answer === 'wait') return undefined;
    begin = [];
  }
  for (let typed = 0; typed < maxNumbers; typed += 1) {
    const entry = await typeNumber(voice, options, begin, signal);
    if (entry === 'wait') return undefined;
    begin = [];
    if (entry === 'notPossible') {
      begin = ['callback-number-not-possible'];
      continue;
    }
    const answer = await confirm(voice, options, ['callback-typed'], entry, signal);
    if (answer === 'yes') return entry;
    if (answer === 'wait') return undefined;
  }
  await say(voice, language, 'callback-not-arranged', signal);
  return undefined;
}

/** Reads a number out and asks whether it is the right one. Silence, asked twice, is no yes. */
async function confirm(voice: Voice, options: ArrangeCallbackOptions, lead: readonly PromptName[], number: SpokenNumber, signal: AbortSignal): Promise<'yes' | 'other' | 'wait'> {
  const { language, countryCode, firstDigitMs = 15_000, canWait = true } = options;
  const early = await keyDuring(voice, filesOf(language, lead), (key) => canWait && key === '0', 0, signal);
  if (early !== undefined) return 'wait';
  const files = [pauseFile, ...numberRead(language, number.reveal(), countryCode), pauseFile, promptFile(language, 'callback-number-right')];
  const key = await choose(voice, { files, keys: canWait ? '120' : '12', answerMs: firstDigitMs }, signal);
  if (key === '1') return 'yes';
  return key === '2' ? 'other' : 'wait';
}

async function typeNumber(voice: Voice, options: ArrangeCallbackOptions, begin: readonly PromptName[], signal: AbortSignal): Promise<SpokenNumber | 'notPossible' | 'wait'> {
  const { language, judge, firstDigitMs = 15_000, interDigitMs = 10_000 } = options;
  const question: PromptName[] = ['callback-enter-number', 'close-with-hash'];
  await breathe(voice, signal);
  const entry = await enterDigits(voice, {
    question: filesOf(language, [...begin, ...question]),
    again: filesOf(language, question),
    afterSilence: filesOf(language, ['nothing-heard', ...question]),
    lengths: { shortest: shortestNumber, longest: longestNumber },
    isWhole: (typed) => judge(new SpokenNumber(typed)) === 'ok',
    firstDigitMs, interDigitMs,
    personPauseMs: interDigitMs,
    wholePauseMs: numberPauseMs,
  }, signal);
  switch (entry.kind) {
    case 'digits': return new SpokenNumber(entry.digits);
    case 'too-short':
    case 'slip': return 'notPossible';
    case 'zero':
    case 'silence': return 'wait';
  }
}

/** Says code and goodbye. Nothing that happens here undoes the arrangement. @returns whether the code was read out once */
async function tellCode(voice: Voice, language: Language, code: readonly string[] | undefined, signal: AbortSignal): Promise<boolean> {
  let isTold = false;
  try {
    if (code) {
      const once = [promptFile(language, 'callback-code'), pauseFile, ...code, pauseFile];
      await voice.play([...once, promptFile(language, 'callback-code-why')], signal);
      if (signal.aborted) return false;
      isTold = true;
      const again = [promptFile(language, 'said-again'), ...once, promptFile(language, 'hear-it-again')];
      for (let readings = 1; readings < maxCodeReadings; readings += 1) {
        const key = await keyDuring(voice, again, (pressed) => pressed === '*' || pressed === '#', repeatWithinMs, signal);
        if (key !== '*') break;
      }
    }
    await say(voice, language, 'callback-arranged', signal);
  } catch {
    // The caller hung up, or hears nothing any more: what was agreed is agreed.
  }
  return isTold;
}

function codeRead(language: Language, code: SpokenCode): string[] {
  const digits = code.reveal();
  if (!/^[0-9]+$/u.test(digits) || digits.length !== shortCodeLength) throw new RangeError(`a code for a call back has ${shortCodeLength} digits`);
  return digitsRead(language, digits);
}

function filesOf(language: Language, names: readonly PromptName[]): string[] {
  return names.map((name) => promptFile(language, name));
}
