import { scopeOf } from './scope.js';
import { TimedKeys } from './timed-keys.js';
import type { Voice } from './voice.js';

export interface DigitEntryOptions {
  /** The files that ask for the digits; those that ask again at the caller's wish; and those after silence. */
  readonly question: readonly string[];
  readonly again: readonly string[];
  readonly afterSilence: readonly string[];
  /** Entries of other lengths are no answer. The longest is complete by itself. */
  readonly lengths: { readonly shortest: number; readonly longest: number };
  /** Whether an entry of a possible length can be what is asked for. Without it every one can. */
  readonly isWhole?: ((typed: string) => boolean) | undefined;
  /** How long the caller may take to begin after the question was asked, in milliseconds. */
  readonly firstDigitMs: number;
  /** How long between two keys, in milliseconds. */
  readonly interDigitMs: number;
  /** After a lone 0, how long until it means 0 and not the start of an entry; at most interDigitMs. Default 3000 ms. */
  readonly personPauseMs?: number | undefined;
  /** After an entry that may be whole or the start of a longer one, how long until it counts as whole; at most interDigitMs. Default 2500 ms. */
  readonly wholePauseMs?: number | undefined;
}

export type DigitEntry =
  | { kind: 'digits'; digits: string }
  /** A lone 0: what that stands for is said in the question. */
  | { kind: 'zero' }
  /** Nothing was pressed, though the question was asked twice. */
  | { kind: 'silence' }
  /** The entry ended before it was long enough. */
  | { kind: 'too-short' }
  /** Long enough, but not whole. */
  | { kind: 'slip' };

const zero = '0';
/** Asking for the question again and again must not hold a line for ever. */
const maxRepeats = 5;

/**
 * Asks for digits and collects them.
 *
 * - A key pressed at any time counts, also before or during the question, which it cuts off.
 * - An entry of the longest length is complete by itself. A shorter one of a possible length is complete with `#`, or
 *   after a short pause when it is whole. `#` with nothing typed is the tail of an entry that completed itself before,
 *   so it means nothing.
 * - `*` starts over; with nothing typed it asks the question again.
 * - A lone `0`, followed by `#` or by silence, is an answer of its own; with more digits it is just the start of an entry.
 * - When nothing is pressed the question is asked once more, with twice the time: a slow caller is not a wrong one.
 *
 * @throws the signal's reason when it aborts (the call ended); whatever `voice.play` rejects with
 */
export async function enterDigits(voice: Voice, options: DigitEntryOptions, signal: AbortSignal): Promise<DigitEntry> {
  let patience = 1;
  let files = options.question;
  for (let repeats = 0; ; ) {
    const heard = await askOnce(voice, files, options, patience, signal);
    if (heard === 'again') {
      repeats += 1;
      if (repeats > maxRepeats) return { kind: 'silence' };
      files = options.again;
    } else if (heard.kind === 'silence' && patience === 1) {
      patience = 2;
      files = options.afterSilence;
    } else {
      return heard;
    }
  }
}

async function askOnce(voice: Voice, files: readonly string[], options: DigitEntryOptions, patience: number, signal: AbortSignal): Promise<DigitEntry | 'again'> {
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
function entryOf(typed: string, { lengths, isWhole }: DigitEntryOptions): DigitEntry {
  if (typed === zero) return { kind: 'zero' };
  if (typed.length < lengths.shortest) return { kind: 'too-short' };
  return isWhole && !isWhole(typed) ? { kind: 'slip' } : { kind: 'digits', digits: typed };
}

/** How long a silence after these keys ends the entry, in ms, if that is sooner than after any key. */
function pauseAfter(typed: string, options: DigitEntryOptions, patience: number): number {
  if (typed === zero) return options.personPauseMs ?? 3000;
  if (typed.length >= options.lengths.shortest && options.isWhole?.(typed)) return (options.wholePauseMs ?? 2500) * patience;
  return Infinity;
}
