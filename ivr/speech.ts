import { setTimeout as sleep } from 'node:timers/promises';
import type { Language } from './languages.js';
import { musicFile, promptFile, type PromptName } from './prompts/names.js';
import { scopeOf } from './scope.js';
import type { Voice } from './voice.js';

/** What a waiting caller is told before the music begins. */
export type CompanyNews = 'accepted' | 'refused' | 'unidentified' | 'technicalProblem' | 'result' | 'nothing';

const news: Record<CompanyNews, readonly PromptName[]> = {
  accepted: ['code-accepted', 'please-wait'],
  refused: ['not-recognised', 'without-identification', 'please-wait'],
  unidentified: ['without-identification', 'please-wait'],
  technicalProblem: ['technical-problem', 'please-wait'],
  result: ['waiting-for-result'],
  nothing: ['please-wait'],
};

/** A call whose playback ends at once (a dead line) must not turn the loop of the music into a busy one. */
const minRoundMs = 1000;

/** Says one sentence to its end, or until the signal aborts. */
export function say(voice: Voice, language: Language, name: PromptName, signal: AbortSignal): Promise<void> {
  return voice.play([promptFile(language, name)], signal);
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

/** Tells the news, then plays music with a short sentence about every half minute, until the signal aborts. */
export async function keepCompany(voice: Voice, language: Language, signal: AbortSignal, tell: CompanyNews = 'nothing'): Promise<void> {
  await voice.play(news[tell].map((name) => promptFile(language, name)), signal);
  while (!signal.aborted) {
    const startedAt = performance.now();
    await voice.play([musicFile, promptFile(language, 'still-waiting')], signal);
    const restMs = minRoundMs - (performance.now() - startedAt);
    if (restMs > 0 && !signal.aborted) await sleep(restMs, undefined, { signal }).catch(() => undefined);
  }
}
