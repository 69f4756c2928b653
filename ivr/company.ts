import type { Language } from './languages.js';
import { ToldOutlook, type SpokenOutlook } from './outlook.js';
import { pass } from './pass.js';
import { musicFile, wordPrompt, type PromptName } from './prompts/names.js';
import { scopeOf } from './scope.js';
import { say } from './speech.js';
import type { Voice } from './voice.js';

/** What a waiting caller is told before the music begins. */
export type CompanyNews =
  | 'accepted' | 'refused' | 'unidentified' | 'technicalProblem' | 'identified' | 'checking' | 'result'
  /** The agent's line broke in the conversation; the caller stands first again. */
  | 'agentLost'
  /** On the way to another agent or service. */
  | 'transferred'
  /** That did not work; the caller stands first in line. */
  | 'transferFailed'
  /** On the way to another number, because no agent can take the call. */
  | 'overflow'
  | 'nothing';

const news: Record<CompanyNews, readonly PromptName[]> = {
  accepted: ['code-accepted'],
  refused: ['not-recognised', 'without-identification'],
  unidentified: ['without-identification'],
  technicalProblem: ['technical-problem'],
  identified: ['identified'],
  checking: ['checking'],
  result: ['waiting-for-result'],
  agentLost: ['agent-lost'],
  transferred: ['transferring-you'],
  transferFailed: ['transfer-failed'],
  overflow: ['overflow'],
  nothing: [],
};

/** These say themselves that the caller waits, and for what. */
const saysToWait: ReadonlySet<CompanyNews> = new Set(['checking', 'result', 'transferred', 'overflow']);

/** What one caller was told while waiting. It belongs to the call, which hands it to each `keepCompany` of its life. */
export class CompanyMemory {
  readonly outlook = new ToldOutlook();
  /** The offer to be called back was heard to its end; it is made once. */
  callbackOffered = false;
  private readonly since = performance.now();

  get waitedMs(): number {
    return performance.now() - this.since;
  }
}

export interface CompanyOptions {
  /** The word that the caller's page shows (an index of words.ts), said with the news. */
  word?: number;
  /** How the caller stands in the queue; undefined when it is not known. Asked anew before each announcement. */
  outlook?: () => SpokenOutlook | undefined | Promise<SpokenOutlook | undefined>;
  /** Whether the caller may ask to be called back. Said once; from then on, and from the first word of it, 1 asks for it. */
  callback?: boolean;
  /** How long the caller has waited before that is offered, in ms. Default 45 000. */
  callbackAfterMs?: number;
  /** Left out: this caller was told nothing before. */
  memory?: CompanyMemory;
}

/** 'stopped': the signal aborted. 'callback': the caller pressed 1 to be called back. */
export type CompanyEnd = 'stopped' | 'callback';

/** An outlook that is not known by then is left out, in ms: the sentence does not wait for it. */
const outlookWithinMs = 1000;
/** After so many rounds of music (24 s each) without news the caller hears that they are not forgotten. More often it tires. */
const quietRounds = 3;
/** A call whose playback ends at once (a dead line) must not turn the loop of the music into a busy one. */
const minRoundMs = 1000;
const callbackKey = '1';

/**
 * Tells the news, then plays music until the signal aborts. Between two rounds of music it says how the caller stands,
 * when that got better, and now and then that they are still in the queue.
 *
 * - The signal cuts everything off at once: an announcement never delays a connection.
 * - Without `callback` no key is taken; they stay for whoever asks next. With it, keys are taken from the first word of
 *   the offer on: 1 ends the company, the others mean nothing here. What was pressed before that is no answer to it and
 *   is dropped then.
 *
 * @returns 'stopped' whenever the signal has aborted, also if 1 was pressed in the same moment
 * @throws whatever `voice.play` rejects with
 */
export async function keepCompany(voice: Voice, language: Language, signal: AbortSignal, tell: CompanyNews = 'nothing', options: CompanyOptions = {}): Promise<CompanyEnd> {
  const { word, outlook, memory = new CompanyMemory(), callback = false, callbackAfterMs = 45_000 } = options;
  const isQueueing = tell !== 'checking' && tell !== 'result';
  const scope = scopeOf(signal);
  let listening: Promise<void> | undefined;
  const listen = (): void => {
    if (listening) return;
    voice.keys.clear();
    listening = callbackPressed(voice, scope.signal).then(
      () => scope.abort(),
      // The company was over first.
      () => undefined,
    );
  };
  /** @returns whether there was anything to say */
  const announce = async (): Promise<boolean> => {
    if (!isQueueing) return false;
    const line = memory.outlook.announce(await outlookNow(outlook, scope.signal));
    if (line.names.length > 0) await say(voice, language, line.names, scope.signal);
    if (!scope.signal.aborted) line.heard();
    const offers = callback && !memory.callbackOffered && memory.waitedMs >= callbackAfterMs;
    if (!offers || scope.signal.aborted) return line.names.length > 0;
    listen();
    await say(voice, language, 'callback-offer', scope.signal);
    // Cut off by the key it asks for, it was understood; cut off by an agent, it may be made again.
    if (!signal.aborted) memory.callbackOffered = true;
    return true;
  };

  try {
    if (isQueueing && callback && memory.callbackOffered) listen();
    const wordSaid: PromptName[] = word === undefined ? [] : ['your-word', wordPrompt(word), wordPrompt(word), 'other-word'];
    await say(voice, language, [...news[tell], ...wordSaid, ...(saysToWait.has(tell) ? [] : ['please-wait' as const])], scope.signal);
    await announce();
    let quiet = 0;
    while (!scope.signal.aborted) {
      const startedAt = performance.now();
      await voice.play([musicFile], scope.signal);
      if (!isQueueing) await say(voice, language, 'still-checking', scope.signal);
      else if (await announce()) quiet = 0;
      else if (++quiet >= quietRounds) {
        quiet = 0;
        await say(voice, language, 'still-waiting', scope.signal);
      }
      const restMs = minRoundMs - (performance.now() - startedAt);
      if (restMs > 0) await pass(restMs, scope.signal);
    }
    return signal.aborted ? 'stopped' : 'callback';
  } finally {
    scope.release();
    await listening;
  }
}

/** @throws the signal's reason when it aborts first */
async function callbackPressed(voice: Voice, signal: AbortSignal): Promise<void> {
  while ((await voice.keys.next(signal)) !== callbackKey);
}

/** @returns undefined also when it is not known soon enough */
async function outlookNow(outlook: CompanyOptions['outlook'], signal: AbortSignal): Promise<SpokenOutlook | undefined> {
  if (!outlook || signal.aborted) return undefined;
  const scope = scopeOf(signal);
  try {
    return (await Promise.race([outlook(), pass(outlookWithinMs, scope.signal)])) ?? undefined;
  } catch {
    // The caller loses nothing but a number.
    return undefined;
  } finally {
    scope.release();
  }
}
