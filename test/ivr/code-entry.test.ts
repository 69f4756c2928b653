import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { enterCode, type CodeEntry, type CodeEntryOptions } from '../../ivr/index.js';
import { after, beginCall, endCall, expectNothingLeft, newCall, type FakeVoice } from './fake-voice.js';

const options: CodeEntryOptions = { language: 'nl', lengths: { shortest: 10, longest: 10 }, attempt: 1, firstDigitMs: 20_000, interDigitMs: 10_000 };
/** Each of these takes a second on the fake call. */
const question = ['nl/enter-code.wav', 'nl/code-length-10.wav', 'nl/close-with-hash.wav', 'nl/no-code.wav'];
const questionMs = question.length * 1000;

let voice: FakeVoice;
let call: AbortController;

beforeEach(() => void ({ voice, call } = beginCall()));
afterEach(() => endCall(call));

/** Starts an entry and says how it stands. */
function begin(over: Partial<CodeEntryOptions> = {}): { result: Promise<CodeEntry>; entry: () => CodeEntry | undefined } {
  let entry: CodeEntry | undefined;
  const result = enterCode(voice, { ...options, ...over }, call.signal);
  result.then((done) => (entry = done), () => undefined);
  return { result, entry: () => entry };
}

const digitsOf = (entry: CodeEntry | undefined) => (entry?.kind === 'code' ? entry.code.reveal() : entry?.kind);

async function pressSlowly(keys: string, gapMs = 300): Promise<void> {
  for (const key of keys) {
    voice.press(key);
    await after(gapMs);
  }
}

describe('entering a code', () => {
  it('takes a full code without a hash, at once', async () => {
    const { entry } = begin();
    await after(questionMs + 2000);
    expect(voice.heard).toEqual(question);
    await pressSlowly('012345678');
    expect(entry()).toBeUndefined();
    voice.press('9');
    await after(0);
    expect(digitsOf(entry())).toBe('0123456789');
  });

  it('takes keys pressed before the question, and then does not ask it', async () => {
    voice.press('9876543210#');
    const { entry } = begin();
    await after(0);
    expect(digitsOf(entry())).toBe('9876543210');
    expect(voice.most).toBe(0);
  });

  it('asks when what was pressed early came to nothing', async () => {
    voice.press('#12*');
    const { entry } = begin();
    await after(questionMs + 500);
    expect(voice.heard).toEqual(question);
    await pressSlowly('1234567890');
    expect(digitsOf(entry())).toBe('1234567890');
  });

  it('gives the time to begin after the question, also when it was asked late', async () => {
    voice.press('1*');
    const { entry } = begin({ firstDigitMs: 1500 });
    await after(questionMs + 1400);
    expect(voice.heard).toEqual(question);
    await pressSlowly('1234567890');
    expect(digitsOf(entry())).toBe('1234567890');
  });

  it('stops talking with the first key', async () => {
    const { entry } = begin();
    await after(1500);
    voice.press('1');
    await after(0);
    expect(voice.playing).toBe(0);
    expect(voice.heard).toEqual(['nl/enter-code.wav', 'nl/code-length-10.wav!']);
    await pressSlowly('234567890');
    expect(digitsOf(entry())).toBe('1234567890');
  });

  it('calls a short entry short, by hash or by waiting', async () => {
    const first = begin();
    await pressSlowly('12345#');
    expect(first.entry()).toEqual({ kind: 'too-short' });

    const second = begin();
    await pressSlowly('12345');
    await after(options.interDigitMs - 400);
    expect(second.entry()).toBeUndefined();
    await after(200);
    expect(second.entry()).toEqual({ kind: 'too-short' });
  });

  it('measures the pause after the key that cut the question off by the time between keys', async () => {
    const { entry } = begin();
    await after(500);
    voice.press('5');
    await after(options.interDigitMs + 100);
    expect(entry()).toEqual({ kind: 'too-short' });
  });

  it('gives every key its own time, however long the whole takes', async () => {
    const { entry } = begin();
    await pressSlowly('1234567890', 9900);
    expect(digitsOf(entry())).toBe('1234567890');
  });

  it('does not count the hash after a code that was complete already', async () => {
    const first = begin();
    await pressSlowly('1234567890');
    expect(digitsOf(first.entry())).toBe('1234567890');
    voice.press('#');
    const second = begin({ attempt: 2, problem: 'not-recognised' });
    await after(1500);
    expect(second.entry()).toBeUndefined();
    expect(voice.heard.at(-1)).toBe('nl/not-recognised.wav');
    voice.press('#');
    await after(2000);
    expect(voice.heard.at(-1)).toBe('nl/enter-code.wav');
    await pressSlowly('1112223334#');
    expect(digitsOf(second.entry())).toBe('1112223334');
  });

  it('starts over with a star, and asks again with a star when nothing was typed', async () => {
    const { entry } = begin();
    await after(500);
    await pressSlowly('999*1234567890');
    expect(digitsOf(entry())).toBe('1234567890');

    voice.heard.length = 0;
    const again = begin();
    await after(questionMs + 100);
    voice.press('*');
    await after(questionMs);
    expect(voice.heard).toEqual([...question, ...question]);
    voice.press('0#');
    await after(0);
    expect(again.entry()).toEqual({ kind: 'person' });
  });

  it('does not repeat the question for ever', async () => {
    const { entry } = begin();
    voice.press('********');
    await after(0);
    expect(entry()).toEqual({ kind: 'silence' });
    voice.keys.clear();
  });

  it('a lone zero asks for a person, by hash or after a pause; a zero with more is a code', async () => {
    const hash = begin();
    await pressSlowly('0#');
    expect(hash.entry()).toEqual({ kind: 'person' });

    const pause = begin();
    voice.press('0');
    await after(2900);
    expect(pause.entry()).toBeUndefined();
    await after(200);
    expect(pause.entry()).toEqual({ kind: 'person' });

    const code = begin();
    voice.press('0');
    await after(2900);
    await pressSlowly('0');
    // No longer a lone zero: the usual time between keys.
    await after(9000);
    await pressSlowly('12345678');
    expect(digitsOf(code.entry())).toBe('0012345678');
  });

  it('asks once more before silence counts, with twice the time', async () => {
    const { entry } = begin();
    await after(questionMs + options.firstDigitMs - 100);
    expect(voice.heard).toEqual(question);
    await after(200);
    await after(questionMs + 1000);
    expect(voice.heard).toEqual([...question, 'nl/nothing-heard.wav', ...question]);
    await after(2 * options.firstDigitMs - 500);
    expect(entry()).toBeUndefined();
    await after(600);
    expect(entry()).toEqual({ kind: 'silence' });
  });

  it('counts the time from the end of the question', async () => {
    const { entry } = begin({ firstDigitMs: 1000 });
    await after(questionMs + 900);
    await pressSlowly('1234567890');
    expect(digitsOf(entry())).toBe('1234567890');
  });

  it('says what went wrong and that another try is possible', async () => {
    begin({ attempt: 2, problem: 'too-short', language: 'en' }).result.catch(() => undefined);
    await after(10_000);
    expect(voice.heard).toEqual(['en/too-short.wav', 'en/try-again.wav', 'en/enter-code.wav', 'en/code-length-10.wav', 'en/close-with-hash.wav', 'en/no-code.wav']);
    call.abort();
    await after(0);
  });

  it('ends with the call, in the middle of anything', async () => {
    for (const ms of [0, 500, questionMs + 5, questionMs + options.firstDigitMs + 700]) {
      ({ voice, call } = newCall());
      const { result } = begin();
      const outcome = result.then(() => 'answered', (error: unknown) => (error as Error).message);
      await after(ms);
      call.abort(new Error('the caller hung up'));
      await after(0);
      expect(await outcome).toBe('the caller hung up');
      expect(voice.playing).toBe(0);
      expect(vi.getTimerCount()).toBe(0);
    }
  });

  it('tells of a call that cannot play, unless the caller already typed', async () => {
    voice.failure = new Error('no media');
    await expect(begin().result).rejects.toThrow('no media');

    voice.failure = undefined;
    // A playback that takes being cut off badly.
    const play = voice.play.bind(voice);
    voice.play = async (files, signal) => {
      await play(files, signal);
      if (signal.aborted) throw new Error('was cut off');
    };
    const { entry } = begin();
    await after(500);
    await pressSlowly('1234567890');
    expect(digitsOf(entry())).toBe('1234567890');
  });

  describe('of several lengths, with a check digit', () => {
    /** Stands for a check digit: the digits add up to a multiple of ten. */
    const isWhole = (typed: string) => [...typed].reduce((sum, digit) => sum + Number(digit), 0) % 10 === 0;
    const several = { lengths: { shortest: 4, longest: 6 }, isWhole };

    it('names no length in the question', async () => {
      const { result } = begin(several);
      result.catch(() => undefined);
      await after(5000);
      expect(voice.heard).toEqual(['nl/enter-code.wav', 'nl/close-with-hash.wav', 'nl/no-code.wav']);
      call.abort();
    });

    it('takes the longest at once, when it fits', async () => {
      const wrong = begin(several);
      voice.press('123451');
      await after(0);
      expect(wrong.entry()).toEqual({ kind: 'slip' });

      const right = begin(several);
      voice.press('123455');
      await after(0);
      expect(digitsOf(right.entry())).toBe('123455');
    });

    it('takes a shorter one that fits with a hash, or after a short pause', async () => {
      const hash = begin(several);
      voice.press('1234#');
      await after(0);
      expect(digitsOf(hash.entry())).toBe('1234');

      const pause = begin(several);
      voice.press('1234');
      await after(2400);
      expect(pause.entry()).toBeUndefined();
      await after(200);
      expect(digitsOf(pause.entry())).toBe('1234');

      const quick = begin({ ...several, wholePauseMs: 500 });
      voice.press('1234');
      await after(501);
      expect(digitsOf(quick.entry())).toBe('1234');
    });

    it('goes on when more is typed within the pause, though the beginning fitted', async () => {
      const { entry } = begin(several);
      await pressSlowly('1234', 1000);
      await after(1000);
      await pressSlowly('55', 1000);
      expect(digitsOf(entry())).toBe('123455');
    });

    it('gives a slow caller twice the pause', async () => {
      const { entry } = begin(several);
      await after(3000 + options.firstDigitMs + 5000);
      voice.press('1234');
      await after(4900);
      expect(entry()).toBeUndefined();
      await after(200);
      expect(digitsOf(entry())).toBe('1234');
    });

    it('tells a slip from an entry that is too short, by hash and by waiting', async () => {
      for (const [keys, kind] of [['123', 'too-short'], ['1235', 'slip'], ['12345', 'slip']] as const) {
        const hash = begin(several);
        voice.press(`${keys}#`);
        await after(0);
        expect(hash.entry()).toEqual({ kind });

        const pause = begin(several);
        voice.press(keys);
        await after(options.interDigitMs - 100);
        expect(pause.entry()).toBeUndefined();
        await after(200);
        expect(pause.entry()).toEqual({ kind });
      }
    });

    it('without a check digit: a possible length is a code, after the usual time between keys', async () => {
      const { entry } = begin({ lengths: several.lengths });
      voice.press('1235');
      await after(options.interDigitMs - 100);
      expect(entry()).toBeUndefined();
      await after(200);
      expect(digitsOf(entry())).toBe('1235');
    });

    it('says after a slip to look at the digits, and asks again with the next words', async () => {
      const { result } = begin({ ...several, attempt: 2, problem: 'slip', language: 'en' });
      result.catch(() => undefined);
      await after(5000);
      expect(voice.heard).toEqual(['en/slip.wav', 'en/enter-code.wav', 'en/close-with-hash.wav', 'en/no-code.wav']);
      call.abort();
    });
  });

  it('one length and a wrong check digit is a slip too', async () => {
    const { entry } = begin({ isWhole: () => false });
    voice.press('1234567890');
    await after(0);
    expect(entry()).toEqual({ kind: 'slip' });
  });

  it('prints no digits, however the entry is printed', async () => {
    const { result } = begin();
    voice.press('4711471147');
    const entry = await result;
    const printed = [JSON.stringify(entry), inspect(entry, { depth: 9, showHidden: true }), `${entry.kind === 'code' ? String(entry.code) : ''}`, JSON.stringify({ ...entry })];
    for (const text of printed) expect(text).not.toContain('4711');
  });

  it('whatever is pressed and whenever: one answer, one voice, nothing left behind', async () => {
    const act = fc.oneof(
      fc.record({ press: fc.stringMatching(/^[0-9*#A]{1,4}$/u) }),
      fc.record({ waitMs: fc.integer({ min: 0, max: 25_000 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 30 }), fc.integer({ min: 8, max: 10 }), async (acts, shortest) => {
        ({ voice, call } = newCall());
        let answers = 0;
        const { result, entry } = begin({ lengths: { shortest, longest: 10 }, isWhole: (typed) => typed.endsWith('1') });
        result.then(() => (answers += 1), () => (answers += 1));
        for (const one of acts) {
          if ('press' in one) voice.press(one.press);
          else await after(one.waitMs);
          if (entry()) break;
        }
        call.abort(new Error('over'));
        await after(0);
        expect(answers).toBe(1);
        expect(voice.most).toBeLessThanOrEqual(1);
        const code = digitsOf(entry());
        if (entry()?.kind === 'code') {
          expect(code).toMatch(/^[0-9]{7,9}1$/u);
          expect(code!.length).toBeGreaterThanOrEqual(shortest);
        }
        expectNothingLeft(call);
      }),
      { numRuns: 300 },
    );
  });
});
