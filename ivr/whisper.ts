import { enterDigits } from './digit-entry.js';
import type { Language } from './languages.js';
import { minutesSaid, roundedMinutes } from './outlook.js';
import { pauseFile, promptFile, type PromptName } from './prompts/names.js';
import { choose, keyDuring } from './question.js';
import { spelled } from './reading.js';
import { SpokenCode } from './spoken-code.js';
import type { Voice } from './voice.js';

/** Means of login whose name has a recording. */
export type WhisperedMethod = 'digid' | 'yivi' | 'itsme';

/** One value for the agent's ear, and what it is (`spell-surname`). */
export interface SpelledValue {
  readonly label: Extract<PromptName, `spell-${string}`>;
  readonly text: string;
}

export interface WhisperOptions {
  language: Language;
  /** A recording of the service's name, relative to the prompts, which a site makes itself (`nl/service-taxes.wav`). */
  service?: string;
  identified: 'verified' | 'none' | 'awaiting' | 'failed';
  method?: WhisperedMethod;
  waitedMs: number;
  /** Said letter by letter, in this order; a verified caller's alone. */
  spell?: readonly SpelledValue[];
  /**
   * The agent's PIN, asked for before anything is spelled: an agent's phone may be picked up by anybody.
   * `isRight` is asked at most three times per call; whoever implements it counts further.
   */
  pin?: { readonly isRight: (pin: SpokenCode) => boolean | Promise<boolean> };
  /** Called when the values are about to be spelled, to write it down. False or a rejection: they are not spelled. */
  beforeSpelling?: () => boolean | Promise<boolean>;
  /** How long the agent may take after the question, in ms, which is asked twice: a caller waits meanwhile. Default 5000. */
  answerMs?: number;
}

/** 'refused': the agent pressed 2, or does not know the PIN. 'silence': a voicemail box, perhaps. */
export type WhisperEnd = 'taken' | 'refused' | 'silence';

const whoItIs: Record<WhisperOptions['identified'], PromptName> = {
  verified: 'whisper-identified',
  none: 'whisper-not-identified',
  awaiting: 'whisper-awaiting',
  failed: 'whisper-failed',
};
const take = '1';
const refuse = '2';
const pinLengths = { shortest: 4, longest: 12 };
const maxPins = 3;

/**
 * Tells an agent who has no screen at hand who is calling, and asks whether to take the call. It is for the agent's
 * ear alone: the caller must not be on the line yet. `1` takes the call and `2` refuses it; `*` says it again. Where a PIN
 * is asked for that comes first, and may be typed from the first word on; a lone `0` instead of it goes without the details.
 *
 * @throws the signal's reason when it aborts; whatever `voice.play` rejects with
 */
export async function whisper(voice: Voice, options: WhisperOptions, signal: AbortSignal): Promise<WhisperEnd> {
  const { language, answerMs = 5000, pin } = options;
  const about = aboutCaller(options);
  const question = promptFile(language, 'whisper-take');
  const values = options.identified === 'verified' ? (options.spell ?? []) : [];
  if (values.length === 0) return endOf(await choose(voice, { files: [...about, question], keys: take + refuse, answerMs }, signal));

  let isGranted = true;
  if (pin) {
    const access = await askForPin(voice, language, about, pin.isRight, signal);
    if (access === 'refused' || access === 'silence') return access;
    isGranted = access === 'granted';
  } else {
    const early = await keyDuring(voice, about, (key) => key === take || key === refuse, 0, signal);
    if (early !== undefined) return endOf(early);
  }
  const details = isGranted && (await isAllowed(options)) ? values.flatMap(({ label, text }) => [promptFile(language, label), pauseFile, ...spelled(language, text), pauseFile]) : [];
  signal.throwIfAborted();
  return endOf(await choose(voice, { files: [...details, question], keys: take + refuse, answerMs }, signal));
}

function endOf(key: string | undefined): WhisperEnd {
  if (key === take) return 'taken';
  return key === refuse ? 'refused' : 'silence';
}

function aboutCaller({ language, service, identified, method, waitedMs }: WhisperOptions): string[] {
  const names: PromptName[] = [whoItIs[identified]];
  if (identified === 'verified' && method) names.push(`whisper-${method}`);
  names.push(...waitedSaid(waitedMs));
  return [...(service === undefined ? [] : [service]), ...names.map((name) => promptFile(language, name))];
}

function waitedSaid(waitedMs: number): PromptName[] {
  const minutes = roundedMinutes(waitedMs);
  if (minutes === undefined) return [];
  if (minutes === 0) return ['whisper-waited-briefly'];
  return minutes === Infinity ? ['whisper-waited-long'] : ['whisper-waited', ...minutesSaid(minutes)];
}

type PinOutcome = 'granted' | 'without' | 'refused' | 'silence';

async function askForPin(voice: Voice, language: Language, about: readonly string[], isRight: (pin: SpokenCode) => boolean | Promise<boolean>, signal: AbortSignal): Promise<PinOutcome> {
  const names: PromptName[] = ['whisper-pin', 'close-with-hash'];
  const filesOf = (problem: PromptName[]) => [...problem, ...names].map((name) => promptFile(language, name));
  let question = [...about, ...filesOf([])];
  for (let attempt = 1; attempt <= maxPins; attempt += 1) {
    const entry = await enterDigits(voice, {
      question, again: [...about, ...filesOf([])], afterSilence: filesOf(['nothing-heard']), lengths: pinLengths, firstDigitMs: 5000, interDigitMs: 5000,
    }, signal);
    if (entry.kind === 'zero') return 'without';
    if (entry.kind === 'silence') return 'silence';
    try {
      if (entry.kind === 'digits' && (await isRight(new SpokenCode(entry.digits)))) return 'granted';
    } catch {
      // Where PINs cannot be looked up the call can still be taken.
      return 'without';
    }
    signal.throwIfAborted();
    question = filesOf(['whisper-pin-wrong']);
  }
  return 'refused';
}

async function isAllowed({ beforeSpelling }: WhisperOptions): Promise<boolean> {
  if (!beforeSpelling) return true;
  try {
    return await beforeSpelling();
  } catch {
    return false;
  }
}
