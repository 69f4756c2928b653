import { enterDigits } from './digit-entry.js';
import type { Language } from './languages.js';
import { promptFile, spokenCodeLengths, type PromptName } from './prompts/names.js';
import { SpokenCode } from './spoken-code.js';
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

/**
 * Asks for the code and collects it, as `enterDigits` says. A lone `0` asks for a person. A check digit that does not fit
 * tells a slip apart, so that nobody else needs to be asked about that entry.
 *
 * @throws the signal's reason when it aborts (the call ended); whatever `voice.play` rejects with
 */
export async function enterCode(voice: Voice, options: CodeEntryOptions, signal: AbortSignal): Promise<CodeEntry> {
  const { language, lengths, isWhole, firstDigitMs, interDigitMs, personPauseMs, wholePauseMs } = options;
  const entry = await enterDigits(voice, {
    question: questionOf(options),
    again: questionOf({ language, lengths, attempt: 1 }),
    afterSilence: questionOf({ language, lengths, attempt: 1, problem: 'silence' }),
    lengths, isWhole, firstDigitMs, interDigitMs, personPauseMs, wholePauseMs,
  }, signal);
  switch (entry.kind) {
    case 'digits': return { kind: 'code', code: new SpokenCode(entry.digits) };
    case 'zero': return { kind: 'person' };
    case 'silence':
    case 'too-short':
    case 'slip': return { kind: entry.kind };
  }
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
