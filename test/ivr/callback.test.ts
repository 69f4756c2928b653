import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { arrangeCallback, offerCallback, pauseFile, SpokenCode, SpokenNumber, type ArrangeCallbackOptions, type CallbackArrangement } from '../../ivr/index.js';
import { after, beginCall, endCall, expectNothingLeft, newCall, nl, FakeVoice } from './fake-voice.js';

let voice: FakeVoice;
let call: AbortController;
beforeEach(() => void ({ voice, call } = beginCall()));
afterEach(() => endCall(call));
const digits = (text: string) => [...text].map((digit) => (digit === ' ' ? pauseFile : `nl/number-${digit}.wav`));

describe('offering to call back', () => {
  function offer(because: 'waiting' | 'full' = 'waiting'): { answer: () => string | undefined } {
    let answer: string | undefined;
    offerCallback(voice, { language: 'nl', because }, call.signal).then((given) => (answer = given), (error: unknown) => (answer = (error as Error).message));
    return { answer: () => answer };
  }

  it('takes 1 for yes, also in the middle of the question', async () => {
    const { answer } = offer('full');
    await after(1400);
    voice.press('#1');
    await after(0);
    expect(answer()).toBe('yes');
    expect(voice.heard).toEqual(['nl/queue-full.wav', 'nl/callback-offer-later.wav!']);
  });

  it('takes another key or silence for no', async () => {
    const other = offer();
    voice.press('4');
    await after(0);
    expect(other.answer()).toBe('no');
    const silent = offer();
    await after(6900);
    expect(silent.answer()).toBeUndefined();
    await after(200);
    expect(silent.answer()).toBe('no');
    expect(voice.heard).toEqual(['nl/callback-offer.wav!', 'nl/callback-offer.wav']);
  });

  it('ends with the call', async () => {
    const { answer } = offer();
    await after(500);
    call.abort(new Error('an agent is free'));
    await after(0);
    expect(answer()).toBe('an agent is free');
    expect(voice.playing).toBe(0);
  });
});

describe('arranging a call back', () => {
  const known = new SpokenNumber('+31201234567');
  /** Numbers of the country, and nothing with 0900. */
  const judge = (number: SpokenNumber) => (/^(\+31|0)[1-9][0-9]{8}$/u.test(number.reveal()) && !number.reveal().startsWith('0900') ? 'ok' : 'notPossible');
  const options: ArrangeCallbackOptions = { language: 'nl', knownNumber: known, shortCode: new SpokenCode('0482'), judge, countryCode: '31' };
  const begin = nl('callback-begin', 'callback-number');
  const readKnown = [pauseFile, ...digits('020 123 4567'), pauseFile, ...nl('callback-number-right')];
  const codeOnce = [...nl('callback-code'), pauseFile, ...digits('0482'), pauseFile];
  const askNumber = nl('callback-enter-number', 'close-with-hash');

  function arrange(over: Partial<ArrangeCallbackOptions> = {}): { result: Promise<CallbackArrangement>; ended: () => CallbackArrangement | undefined } {
    let end: CallbackArrangement | undefined;
    const result = arrangeCallback(voice, { ...options, ...over }, call.signal);
    result.then((how) => (end = how), () => undefined);
    return { result, ended: () => end };
  }
  const numberOf = (end: CallbackArrangement | undefined) => (end?.kind === 'arranged' ? end.number.reveal() : end?.kind);

  it('reads the calling number, takes 1, gives the code twice, and says goodbye', async () => {
    const { ended } = arrange();
    await after(1000 * (begin.length + readKnown.length) + 3000);
    expect(voice.heard).toEqual([...begin, ...readKnown]);
    voice.heard.length = 0;
    voice.press('1');
    await after(60_000);
    expect(voice.heard).toEqual([...codeOnce, ...nl('callback-code-why', 'said-again'), ...codeOnce, ...nl('hear-it-again', 'callback-arranged')]);
    expect(numberOf(ended())).toBe('+31201234567');
    expect(ended()).toMatchObject({ codeTold: true });
  });

  it('takes the key while the number is read, but not one pressed before: fingers come down twice', async () => {
    const { ended } = arrange();
    voice.press('1');
    await after(1000 * begin.length + 2500);
    expect(voice.heard.slice(0, 4)).toEqual([...begin, ...readKnown.slice(0, 2)]);
    voice.press('1');
    await after(500);
    expect(voice.heard.at(-1)).toBe(`${readKnown[2]}!`);
    call.abort();
    await after(0);
    expect(ended()).toMatchObject({ kind: 'arranged', codeTold: false });
  });

  it('takes another number: typed, closed with a hash, read back and confirmed', async () => {
    const { ended } = arrange();
    await after(20_000);
    voice.press('2');
    // A finger that came down twice does not begin the number.
    voice.press('2');
    await after(2500);
    expect(voice.heard.slice(-3)).toEqual([...nl('callback-number-right'), pauseFile, ...askNumber.slice(0, 1)]);
    voice.heard.length = 0;
    for (const key of '0612345678#') {
      voice.press(key);
      await after(2000);
    }
    await after(20_000);
    expect(voice.heard).toEqual([`${askNumber[1]}!`, ...nl('callback-typed'), pauseFile, ...digits('06 12 34 56 78'), pauseFile, ...nl('callback-number-right')]);
    voice.press('1');
    await after(60_000);
    expect(numberOf(ended())).toBe('0612345678');
  });

  it('does not hurry a number: a 0 alone may stand for a while, and a whole number without a hash is taken after a pause', async () => {
    const { ended } = arrange({ knownNumber: undefined });
    await after(1500);
    voice.heard.length = 0;
    voice.press('0');
    await after(9000);
    for (const key of '201234567') {
      voice.press(key);
      await after(4000);
    }
    expect(voice.heard).toEqual(['nl/callback-begin.wav!']);
    await after(2500);
    expect(voice.heard.slice(1)).toEqual(nl('callback-typed'));
    await after(3000);
    voice.press('1');
    await after(60_000);
    expect(numberOf(ended())).toBe('0201234567');
  });

  it('asks those whose number is withheld, or cannot be called, to type one', async () => {
    for (const knownNumber of [undefined, new SpokenNumber('0900123')]) {
      ({ voice, call } = newCall());
      const { result } = arrange({ knownNumber });
      await after(4500);
      expect(voice.heard).toEqual([pauseFile, ...nl('callback-begin'), ...askNumber]);
      call.abort();
      expect(await result).toEqual({ kind: 'abandoned' });
    }
  });

  it('says when a number is not possible, and gives up after three', async () => {
    const { ended } = arrange({ knownNumber: undefined });
    for (const wrong of ['0900123456#', '12#', '11111111111111111']) {
      await after(1500);
      voice.press(wrong);
      await after(3500);
    }
    await after(5000);
    expect(voice.heard.filter((file) => !file.endsWith('!'))).toEqual([
      pauseFile, pauseFile, ...nl('callback-number-not-possible'), ...askNumber, pauseFile, ...nl('callback-number-not-possible'), ...askNumber, ...nl('callback-not-arranged'),
    ]);
    expect(ended()).toEqual({ kind: 'kept' });
  });

  it('goes on waiting at 0, in each of its steps', async () => {
    const steps: [string, number][] = [['0', 500], ['0', 5000], ['0', 18_000]];
    for (const [key, ms] of steps) {
      voice = new FakeVoice();
      const { ended } = arrange();
      await after(ms);
      voice.press(key);
      await after(0);
      expect(ended(), `after ${ms} ms`).toEqual({ kind: 'kept' });
    }
    const typing = arrange({ knownNumber: undefined });
    await after(1500);
    voice.press('0#');
    await after(0);
    expect(typing.ended()).toEqual({ kind: 'kept' });
  });

  it('has no way back to a queue that the caller is not in', async () => {
    const { ended } = arrange({ canWait: false });
    await after(2500);
    voice.press('0');
    await after(20_000);
    expect(ended()).toBeUndefined();
    expect(voice.heard.slice(0, 2)).toEqual([...nl('callback-number'), pauseFile]);
    voice.press('1');
    await after(60_000);
    expect(numberOf(ended())).toBe('+31201234567');
  });

  it('takes silence, asked twice, for going on to wait', async () => {
    const { ended } = arrange({ firstDigitMs: 10_000 });
    await after(1000 * (begin.length + 2 * readKnown.length) + 2 * 10_000 - 500);
    expect(ended()).toBeUndefined();
    await after(1000);
    expect(ended()).toEqual({ kind: 'kept' });
    expect(voice.heard).toEqual([...begin, ...readKnown, ...readKnown]);
  });

  it('reads number and code again at a star', async () => {
    const { ended } = arrange();
    await after(1000 * begin.length + 4500);
    voice.press('*');
    await after(1500);
    expect(voice.heard.slice(-2)).toEqual([`${readKnown[4]}!`, pauseFile]);
    voice.press('1');
    await after(1000 * (codeOnce.length + 1) + 2500);
    voice.press('*');
    await after(2500);
    expect(voice.heard.slice(-2)).toEqual(nl('said-again', 'callback-code'));
    voice.press('#');
    await after(1500);
    expect(voice.heard.at(-1)).toBe('nl/callback-arranged.wav');
    expect(ended()).toMatchObject({ kind: 'arranged', codeTold: true });
  });

  it('stands when the caller hangs up after the confirmation, and says whether they heard the code', async () => {
    for (const [ms, codeTold] of [[0, false], [3000, false], [7900, false], [8100, true], [15_000, true]] as const) {
      ({ voice, call } = newCall());
      const { ended } = arrange();
      await after(20_000);
      voice.press('1');
      await after(ms);
      call.abort(new Error('hung up'));
      await after(0);
      expect(ended(), `${ms} ms after it`).toMatchObject({ kind: 'arranged', codeTold });
      expect(voice.playing).toBe(0);
    }
  });

  it('is abandoned when the caller hangs up before that', async () => {
    for (const ms of [0, 500, 4000, 18_000]) {
      call = new AbortController();
      const { ended } = arrange();
      await after(ms);
      call.abort(new Error('hung up'));
      await after(0);
      expect(ended()).toEqual({ kind: 'abandoned' });
    }
  });

  it('gives no code to somebody who has nothing to protect', async () => {
    const { ended } = arrange({ shortCode: undefined });
    await after(20_000);
    voice.press('1');
    await after(1500);
    expect(voice.heard.at(-1)).toBe('nl/callback-arranged.wav');
    expect(ended()).toMatchObject({ kind: 'arranged', codeTold: false });
  });

  it('refuses a code that is none before a word is said, and tells of a call that cannot play', async () => {
    for (const code of ['123', '12345', '12a4']) await expect(arrange({ shortCode: new SpokenCode(code) }).result).rejects.toThrow(/^a code for a call back has 4 digits$/u);
    expect(voice.heard).toEqual([]);
    voice.failure = new Error('no media');
    await expect(arrange().result).rejects.toThrow('no media');
  });

  it('prints no number, however the result is printed', async () => {
    const { result } = arrange({ knownNumber: new SpokenNumber('0204711471') });
    await after(20_000);
    voice.press('1');
    await after(60_000);
    const end = await result;
    expect(numberOf(end)).toBe('0204711471');
    for (const text of [JSON.stringify(end), inspect(end, { depth: 9, showHidden: true })]) expect(text).not.toContain('4711');
  });

  it('whatever is pressed and whenever: one result, no number agreed on before it began to be read, nothing left behind', async () => {
    const act = fc.oneof(fc.record({ press: fc.stringMatching(/^[0-9*#A]{1,12}$/u) }), fc.record({ waitMs: fc.integer({ min: 0, max: 25_000 }) }));
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 25 }), fc.boolean(), fc.boolean(), async (acts, isKnown, canWait) => {
        ({ voice, call } = newCall());
        let ends = 0;
        const { result, ended } = arrange({ knownNumber: isKnown ? known : undefined, canWait });
        result.then(() => (ends += 1), () => (ends += 1));
        for (const one of acts) {
          if ('press' in one) voice.press(one.press);
          else await after(one.waitMs);
          if (ended()) break;
        }
        call.abort(new Error('over'));
        await after(0);
        expect(ends).toBe(1);
        expect(voice.most).toBeLessThanOrEqual(1);
        const end = ended();
        if (end?.kind === 'arranged') {
          expect(judge(end.number)).toBe('ok');
          // Uncut, and followed by the pause before the digits, which may be cut off.
          const lead = voice.heard.findLastIndex((file) => /callback-(number|typed)\.wav$/u.test(file));
          expect(voice.heard[lead + 1]?.startsWith(pauseFile)).toBe(true);
        }
        expectNothingLeft(call);
      }),
      { numRuns: 200 },
    );
  });
});
