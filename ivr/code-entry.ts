import type { Language } from './languages.js';
import { promptFile, spokenCodeLengths, type PromptName } from './prompts/names.js';
import { scopeOf } from './scope.js';
import { SpokenCode } from './spoken-code.js';
import { TimedKeys } from './timed-keys.js';
import type { Voice } from './voice.js';

/** What went wrong with the attempt before this one. */
export type CodeProblem = 'not-recognised' | 'slip' | 'too-short' | 'silence';

export interface CodeEntryOptions {
  language: Language;
  /** Lengths of the codes in use; the question names the length when there is only one. */
  lengths: { shortest: number; longest: number };
  /** Whether an entry of a possible length has the right check digit. Without it every entry of a possible length is a code. */
  isWhole?: (typed: string) => boolean;
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
  /** After an entry that may be whole or the start of a longer code, how long until it counts as whole; at most interDigitMs. Default 2500 ms. */
  wholePauseMs?: number;
}

export type CodeEntry =
  | { kind: 'code'; code: SpokenCode }
  /** The caller asks for somebody to speak to. */
  | { kind: 'person' }
  /** Nothing was pressed, though the question was asked twice. */
  | { kind: 'silence' }
  /** The entry ended before the code was complete. */
  | { kind: 'too-short' }
  /** Long enough, but the check digit is wrong: a digit was mistyped, or left out. */
  | { kind: 'slip' };

const personKey = '0';
/** Asking for the question again and again must not hold a line for ever. */
const maxRepeats = 5;

/**
 * Asks for the code and collects it.
 *
 * - A key pressed at any time counts, also before or during the question, which it cuts off.
 * - A code of the longest length is complete by itself. A shorter one of a possible length is complete with `#`, or after
 *   a short pause when its check digit fits. `#` with nothing typed is the tail of an entry that completed itself
 *   before, so it means nothing.
 * - A check digit that does not fit tells a slip apart, so that nobody else needs to be asked about that entry.
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
      files = questionOf({ language: options.language, lengths: options.lengths, attempt: 1 });
    } else if (heard.kind === 'silence' && patience === 1) {
      patience = 2;
      files = questionOf({ language: options.language, lengths: options.lengths, attempt: 1, problem: 'silence' });
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
    let hasBegun = false;
    const ask = () => {
      keys.stopTimer();
      const asked = voice.play(files, speaking.signal).then(() => {
        if (!speaking.signal.aborted) keys.startTimer(firstDigitMs);
      });
      asked.catch((error: unknown) => {
        // Somebody who is typing needs no question any more.
        if (!hasBegun) keys.fail(error);
      });
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
        return typed === '' ? { kind: 'silence' } : entryOf(typed, options);
      }
      if (key !== '#') hasBegun = true;
      if (key >= '0' && key <= '9') {
        if (isAsked) speaking.abort();
        typed += key;
        if (typed.length >= options.lengths.longest) return entryOf(typed, options);
        keys.startTimer(Math.min(interDigitMs, pauseAfter(typed, options, patience)));
      } else if (key === '#' && typed !== '') {
        return entryOf(typed, options);
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

/** What the caller meant, now that the entry is over. */
function entryOf(typed: string, { lengths, isWhole }: CodeEntryOptions): CodeEntry {
  if (typed === personKey) return { kind: 'person' };
  if (typed.length < lengths.shortest) return { kind: 'too-short' };
  return isWhole && !isWhole(typed) ? { kind: 'slip' } : { kind: 'code', code: new SpokenCode(typed) };
}

/** How long a silence after these keys ends the entry, in ms, if that is sooner than after any key. */
function pauseAfter(typed: string, options: CodeEntryOptions, patience: number): number {
  if (typed === personKey) return options.personPauseMs ?? 3000;
  if (typed.length >= options.lengths.shortest && options.isWhole?.(typed)) return (options.wholePauseMs ?? 2500) * patience;
  return Infinity;
}

function questionOf({ language, lengths, attempt, problem }: Pick<CodeEntryOptions, 'language' | 'lengths' | 'attempt' | 'problem'>): string[] {
  const names: PromptName[] = problem ? [problem === 'silence' ? 'nothing-heard' : problem] : [];
  // The sentence about a slip asks for another try itself.
  if (attempt > 1 && problem !== 'silence' && problem !== 'slip') names.push('try-again');
  names.push('enter-code');
  const length = spokenCodeLengths.find((n) => n === lengths.shortest && n === lengths.longest);
  if (length !== undefined) names.push(`code-length-${length}`);
  names.push('close-with-hash', 'no-code');
  return names.map((name) => promptFile(language, name));
}
