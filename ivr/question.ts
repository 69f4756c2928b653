import { pauseFile } from './prompts/names.js';
import { scopeOf } from './scope.js';
import { TimedKeys } from './timed-keys.js';
import type { Voice } from './voice.js';

/**
 * Plays files until a key answers. Keys that answer nothing are dropped.
 *
 * @returns the first key that answers, which cuts the files off; undefined when none came within `withinMs` after the files
 * @throws the signal's reason when it aborts; whatever `voice.play` rejects with
 */
export async function keyDuring(voice: Voice, files: readonly string[], answers: (key: string) => boolean, withinMs: number, signal: AbortSignal): Promise<string | undefined> {
  const scope = scopeOf(signal);
  const keys = new TimedKeys(voice, scope.signal);
  const speaking = voice.play(files, scope.signal).then(
    () => keys.startTimer(withinMs),
    (error: unknown) => keys.fail(error),
  );
  try {
    for (;;) {
      const key = await keys.next();
      if (key === undefined || answers(key)) return key;
    }
  } finally {
    scope.release();
    keys.stopTimer();
    // One voice at a time: whoever speaks next begins when this has stopped.
    await speaking;
  }
}

export interface Choice {
  /** The files that say what there is to choose. */
  readonly files: readonly string[];
  /** The keys that choose. `*` says it again, unless it is one of them. */
  readonly keys: string;
  /** How long a caller may think about it after the last word, in ms. */
  readonly answerMs: number;
}

/** Who wants to hear it a sixth time is helped better by a person. */
const maxRepeats = 5;

/**
 * Asks a caller to choose by a key. Silence is answered by asking once more.
 *
 * @returns undefined when nothing was chosen
 * @throws the signal's reason when it aborts; whatever `voice.play` rejects with
 */
export async function choose(voice: Voice, { files, keys, answerMs }: Choice, signal: AbortSignal): Promise<string | undefined> {
  let silences = 0;
  for (let repeats = 0; repeats <= maxRepeats; repeats += 1) {
    const key = await keyDuring(voice, files, (pressed) => pressed === '*' || keys.includes(pressed), answerMs, signal);
    if (key !== undefined && keys.includes(key)) return key;
    if (key === undefined && ++silences > 1) return undefined;
  }
  return undefined;
}

/**
 * A breath before digits are asked for. Keys pressed meanwhile are dropped: a finger that came down twice on the last
 * answer would begin them.
 *
 * @throws the signal's reason when it aborts; whatever `voice.play` rejects with
 */
export async function breathe(voice: Voice, signal: AbortSignal): Promise<void> {
  await voice.play([pauseFile], signal);
  signal.throwIfAborted();
  voice.keys.clear();
}
