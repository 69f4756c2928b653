import type { Language } from './languages.js';
import { pass } from './pass.js';
import { musicFile, numberPrompt, promptFile, wordPrompt, type PromptName } from './prompts/names.js';
import { scopeOf } from './scope.js';
import type { Voice } from './voice.js';

/** What a waiting caller is told before the music begins. */
export type CompanyNews = 'accepted' | 'refused' | 'unidentified' | 'technicalProblem' | 'identified' | 'checking' | 'result' | 'nothing';

const news: Record<CompanyNews, readonly PromptName[]> = {
  accepted: ['code-accepted'],
  refused: ['not-recognised', 'without-identification'],
  unidentified: ['without-identification'],
  technicalProblem: ['technical-problem'],
  identified: ['identified'],
  checking: ['checking'],
  result: ['waiting-for-result'],
  nothing: [],
};

export interface CompanyOptions {
  /** The word that the caller's page shows (an index of words.ts), said with the news. */
  word?: number;
  /** The caller's place in the queue, 1 for the next one; undefined when it is not known. Asked anew for each sentence. */
  place?: () => number | undefined | Promise<number | undefined>;
}

/** A place that is not known by then is left out, in ms: the sentence does not wait for it. */
const placeWithinMs = 1000;

/** A call whose playback ends at once (a dead line) must not turn the loop of the music into a busy one. */
const minRoundMs = 1000;

/** Says one sentence to its end, or until the signal aborts. */
export function say(voice: Voice, language: Language, name: PromptName, signal: AbortSignal): Promise<void> {
  return play(voice, language, [name], signal);
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

/** Tells the news, then plays music with a short sentence about every half minute, until the signal aborts. No key is taken. */
export async function keepCompany(voice: Voice, language: Language, signal: AbortSignal, tell: CompanyNews = 'nothing', { word, place }: CompanyOptions = {}): Promise<void> {
  const isQueueing = tell !== 'checking' && tell !== 'result';
  const wordSaid: PromptName[] = word === undefined ? [] : ['your-word', wordPrompt(word), wordPrompt(word), 'other-word'];
  await play(voice, language, [...news[tell], ...wordSaid, ...(isQueueing ? ['please-wait' as const] : [])], signal);
  while (!signal.aborted) {
    const startedAt = performance.now();
    await voice.play([musicFile], signal);
    await play(voice, language, isQueueing ? placeSaid(await placeNow(place, signal)) : ['still-checking'], signal);
    const restMs = minRoundMs - (performance.now() - startedAt);
    if (restMs > 0) await pass(restMs, signal);
  }
}

/** @returns undefined also when it is not known soon enough */
async function placeNow(place: CompanyOptions['place'], signal: AbortSignal): Promise<number | undefined> {
  if (!place || signal.aborted) return undefined;
  const scope = scopeOf(signal);
  try {
    return (await Promise.race([place(), pass(placeWithinMs, scope.signal)])) ?? undefined;
  } catch {
    // The caller loses nothing but a number.
    return undefined;
  } finally {
    scope.release();
  }
}

function placeSaid(place: number | undefined): PromptName[] {
  const number = place === undefined || place < 1 ? undefined : numberPrompt(place);
  return number === undefined ? ['still-waiting'] : ['you-are-number', number, 'in-the-queue'];
}

async function play(voice: Voice, language: Language, names: readonly PromptName[], signal: AbortSignal): Promise<void> {
  await voice.play(names.map((name) => promptFile(language, name)), signal);
}
