import type { Language } from './languages.js';
import { promptFile, spokenCodeLengths, type PromptName } from './prompts/names.js';
import { scopeOf } from './scope.js';
import { SpokenCode } from './spoken-code.js';
import type { Voice } from './voice.js';

/** What went wrong with the attempt before this one. */
export type CodeProblem = 'not-recognised' | 'too-short' | 'silence';

export interface CodeEntryOptions {
  language: Language;
  /** Length of a code. */
  digits: number;
  /** 1 for the first time the caller is asked. */
  attempt: number;
  /** Said first, with what to do about it. */
  problem?: CodeProblem;
  /** How long the caller may take to begin after the question was asked, in milliseconds. */
  firstDigitMs: number;
  /** How long between two keys, in milliseconds. */
  interDigitMs: number;
  /** After a lone 0, how long until it means "a person, please" and not the start of a code; at most interDigitMs. Default 3000 ms. */
  personPauseMs?: number;
}

export type CodeEntry =
  | { kind: 'code'; code: SpokenCode }
  /** The caller asks for somebody to speak to. */
  | { kind: 'person' }
  /** Nothing was pressed, though the question was asked twice. */
  | { kind: 'silence' }
  /** The entry ended before the code was complete. */
  | { kind: 'too-short' };

const personKey = '0';
/** Asking for the question again and again must not hold a line for ever. */
const maxRepeats = 5;

/**
 * Asks for the code and collects it.
 *
 * - A key pressed at any time counts, also before or during the question, which it cuts off.
 * - A code of full length is complete by itself; `#` ends a shorter entry. `#` with nothing typed is the tail of an
 *   entry that completed itself before, so it means nothing.
 * - `*` starts over; with nothing typed it asks the question again.
 * - A lone `0`, followed by `#` or by silence, asks for a person; with more digits it is just the start of a code.
 * - When nothing is pressed the question is asked once more, with twice the time: a slow caller is not a wrong one.
 *
 * @throws the signal's reason when it aborts (the call ended); whatever `voice.play` rejects with
 */
export async function enterCode(voice: Voice, options: CodeEntryOptions, signal: AbortSignal): Promise<CodeEntry> {
  let patience = 1;
  let files = questionOf(options);
  for (let repeats = 0; ; ) {
    const heard = await askOnce(voice, files, options, patience, signal);
    if (heard === 'again') {
      repeats += 1;
      if (repeats > maxRepeats) return { kind: 'silence' };
      files = questionOf({ language: options.language, digits: options.digits, attempt: 1 });
    } else if (heard.kind === 'silence' && patience === 1) {
      patience = 2;
      files = questionOf({ language: options.language, digits: options.digits, attempt: 1, problem: 'silence' });
    } else {
      return heard;
    }
  }
}

async function askOnce(voice: Voice, files: readonly string[], options: CodeEntryOptions, patience: number, signal: AbortSignal): Promise<CodeEntry | 'again'> {
  const scope = scopeOf(signal);
  const keys = new TimedKeys(voice, scope.signal);
  const speaking = scopeOf(scope.signal);
  try {
    const firstDigitMs = options.firstDigitMs * patience;
    const interDigitMs = options.interDigitMs * patience;
    // The caller's time begins when the question has been heard; a question that cannot be played is the call's failure.
    const ask = () => {
      keys.stopTimer();
      const asked = voice.play(files, speaking.signal).then(() => {
        if (!speaking.signal.aborted) keys.startTimer(firstDigitMs);
      });
      asked.catch((error: unknown) => keys.fail(error));
    };

    let isAsked = false;
    let typed = '';
    for (;;) {
      // Somebody who is typing already needs no question.
      if (!isAsked && typed === '' && voice.keys.peek() === 0) {
        isAsked = true;
        ask();
      }
      const key = await keys.next();
      if (key === undefined) {
        if (typed === '') return { kind: 'silence' };
        return typed === personKey ? { kind: 'person' } : { kind: 'too-short' };
      }
      if (key >= '0' && key <= '9') {
        if (isAsked) speaking.abort();
        typed += key;
        if (typed.length === options.digits) return { kind: 'code', code: new SpokenCode(typed) };
        keys.startTimer(typed === personKey ? Math.min(options.personPauseMs ?? 3000, interDigitMs) : interDigitMs);
      } else if (key === '#' && typed !== '') {
        return typed === personKey ? { kind: 'person' } : { kind: 'too-short' };
      } else if (key === '*') {
        if (typed === '') return 'again';
        typed = '';
        keys.startTimer(firstDigitMs);
      }
    }
  } finally {
    speaking.release();
    keys.stopTimer();
    scope.release();
  }
}

/** Keys with a deadline that can be moved, and that a failure can cut short. */
class TimedKeys {
  readonly #voice: Voice;
  readonly #signal: AbortSignal;
  #timer: NodeJS.Timeout | undefined;
  #ranOut = false;
  #failure: { error: unknown } | undefined;
  #interrupt: (() => void) | undefined;
  #anyKey = false;

  constructor(voice: Voice, signal: AbortSignal) {
    this.#voice = voice;
    this.#signal = signal;
  }

  /** @returns undefined when the time ran out */
  async next(): Promise<string | undefined> {
    const waiting = scopeOf(this.#signal);
    try {
      this.#interrupt = () => waiting.abort();
      // A key already pressed was in time, whatever the timer says.
      if (this.#voice.keys.peek() === 0) {
        if (this.#failure) throw this.#failure.error;
        if (this.#ranOut) return undefined;
      }
      const key = await this.#voice.keys.next(waiting.signal);
      if (key !== '#') this.#anyKey = true;
      return key;
    } catch (error) {
      this.#signal.throwIfAborted();
      if (this.#failure) throw this.#failure.error;
      if (this.#ranOut) return undefined;
      throw error;
    } finally {
      this.#interrupt = undefined;
      waiting.release();
    }
  }

  startTimer(ms: number): void {
    this.stopTimer();
    if (this.#signal.aborted) return;
    this.#ranOut = false;
    this.#timer = setTimeout(() => {
      this.#ranOut = true;
      this.#interrupt?.();
    }, ms);
  }

  stopTimer(): void {
    clearTimeout(this.#timer);
  }

  /** The question could not be played. Once the caller has begun to type that no longer matters. */
  fail(error: unknown): void {
    if (this.#anyKey) return;
    this.#failure = { error };
    this.#interrupt?.();
  }
}

function questionOf({ language, digits, attempt, problem }: Pick<CodeEntryOptions, 'language' | 'digits' | 'attempt' | 'problem'>): string[] {
  const names: PromptName[] = problem ? [problem === 'silence' ? 'nothing-heard' : problem] : [];
  if (attempt > 1 && problem !== 'silence') names.push('try-again');
  names.push('enter-code');
  const length = spokenCodeLengths.find((n) => n === digits);
  if (length !== undefined) names.push(`code-length-${length}`);
  names.push('close-with-hash', 'no-code');
  return names.map((name) => promptFile(language, name));
}
