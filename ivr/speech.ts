import type { Language } from './languages.js';
import { promptFile, type PromptName } from './prompts/names.js';
import { scopeOf } from './scope.js';
import type { Voice } from './voice.js';

/** Says one sentence, or several without a break, to the end or until the signal aborts. */
export async function say(voice: Voice, language: Language, names: PromptName | readonly PromptName[], signal: AbortSignal): Promise<void> {
  const all = typeof names === 'string' ? [names] : names;
  await voice.play(all.map((name) => promptFile(language, name)), signal);
}

/** Welcomes the caller. A key cuts it off and stays unread, for the code entry that follows. */
export async function greet(voice: Voice, language: Language, signal: AbortSignal): Promise<void> {
  if (voice.keys.peek() > 0) return;
  const scope = scopeOf(signal);
  const pressed = voice.keys.pressed(scope.signal).then(
    () => scope.abort(),
    // The greeting was over first, or the call was.
    () => undefined,
  );
  try {
    await say(voice, language, 'greeting', scope.signal);
  } finally {
    scope.release();
    await pressed;
  }
}
