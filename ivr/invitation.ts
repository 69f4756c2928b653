import type { Language } from './languages.js';
import { pauseFile, promptFile, signPrompt } from './prompts/names.js';
import { keyDuring } from './question.js';
import { digitsRead } from './reading.js';
import type { Voice } from './voice.js';

/** Where callers identify themselves while they are on the line, and the digits that say which call is theirs. */
export interface SpokenInvitation {
  /** As people type it, without `https://`: letters, digits and `. / - :`. */
  readonly address: string;
  /** Digits only. */
  readonly pairingCode: string;
}

export interface OfferOptions {
  language: Language;
  /** How long the caller may think about it after the question, in ms. Default 6000. */
  answerMs?: number;
}

/** Who wants to hear it a sixth time is helped better by a person. */
const maxRepeats = 5;
/** How long after the last word `*` is still waited for, in ms. */
const repeatWithinMs = 6000;

/**
 * Asks a caller without a code whether to identify themselves on the website now. `1`, also before the question has
 * been heard, means yes; every other key but `#`, the tail of an earlier entry, means no, as silence does.
 *
 * @throws the signal's reason when it aborts; whatever `voice.play` rejects with
 */
export async function offerIdentify(voice: Voice, { language, answerMs = 6000 }: OfferOptions, signal: AbortSignal): Promise<'yes' | 'no'> {
  const key = await keyDuring(voice, [promptFile(language, 'offer-identify')], (pressed) => pressed !== '#', answerMs, signal);
  return key === '1' ? 'yes' : 'no';
}

/**
 * Reads out address and pairing code, twice and slowly enough to write down. `*` begins again, `#` stops; every other
 * key means nothing here and is dropped, so that it answers no later question. Resolves when all was said, at `#`, and
 * at once when the signal aborts; no key is taken after that.
 *
 * @throws RangeError for an address or code that cannot be spoken, before a word is said; whatever `voice.play` rejects with
 */
export async function readInvitation(voice: Voice, language: Language, invitation: SpokenInvitation, signal: AbortSignal): Promise<void> {
  const once = [
    promptFile(language, 'identify-address'), pauseFile, ...addressRead(language, invitation.address), pauseFile,
    promptFile(language, 'pairing-code'), pauseFile, ...digitsRead(language, invitation.pairingCode), pauseFile,
  ];
  const reading = [...once, promptFile(language, 'said-again'), ...once, promptFile(language, 'hear-it-again')];
  try {
    for (let repeats = 0; repeats <= maxRepeats; repeats += 1) {
      const key = await keyDuring(voice, reading, (pressed) => pressed === '*' || pressed === '#', repeatWithinMs, signal);
      if (key !== '*') return;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** A pause before each dot and slash: people write an address down part by part. */
function addressRead(language: Language, address: string): string[] {
  return [...address].flatMap((character) => {
    const name = signPrompt(character);
    if (name === undefined) throw new RangeError('the address has a character that cannot be spoken');
    const file = promptFile(language, name);
    return character === '.' || character === '/' ? [pauseFile, file] : [file];
  });
}
