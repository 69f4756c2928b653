import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { greetCalledBack, pauseFile, type CalledBack, type CalledBackOptions } from '../../ivr/index.js';
import { after, beginCall, endCall, expectNothingLeft, newCall, nl, FakeVoice } from './fake-voice.js';

let voice: FakeVoice;
let call: AbortController;
/** What was asked whether it is the code. */
let checked: string[];
beforeEach(() => {
  ({ voice, call } = beginCall());
  checked = [];
});
afterEach(() => endCall(call));
const hello = nl('callback-hello', 'callback-ready');
const question = nl('callback-enter-code', 'callback-no-code');

function callBack(over: Partial<CalledBackOptions> = {}): { result: Promise<CalledBack>; ended: () => CalledBack | undefined } {
  let end: CalledBack | undefined;
  const check: CalledBackOptions['check'] = (code) => {
    checked.push(code.reveal());
    return Promise.resolve(code.reveal() === '0482');
  };
  const result = greetCalledBack(voice, { language: 'nl', check, ...over }, call.signal);
  result.then((how) => (end = how), () => undefined);
  return { result, ended: () => end };
}

/** Somebody who says that they are ready and hears the first words of the question. */
async function getReady(): Promise<void> {
  await after(2500);
  voice.press('1');
  await after(1500);
}

describe('a call back', () => {
  it('greets, waits for 1, takes the code, and thanks', async () => {
    const { ended } = callBack();
    await getReady();
    await after(3000);
    expect(voice.heard).toEqual([...hello, pauseFile, ...question]);
    voice.press('0482');
    await after(1100);
    expect(voice.heard.at(-1)).toBe('nl/code-accepted.wav');
    expect(ended()).toEqual({ kind: 'ready', code: 'right' });
  });

  it('tells a voicemail box nothing but who calls, three times, and gives up', async () => {
    const { ended } = callBack({ readyMs: 4000 });
    await after(3 * (2000 + 4000) - 100);
    expect(ended()).toBeUndefined();
    await after(200);
    expect(ended()).toEqual({ kind: 'nobody' });
    expect(voice.heard).toEqual([...hello, ...hello, ...hello]);
    expect(checked).toEqual([]);
  });

  it('is not taken up by another key, but by a late 1', async () => {
    const { ended } = callBack();
    await after(9000);
    voice.press('57*#');
    await after(4000);
    expect(ended()).toBeUndefined();
    voice.press('1');
    await after(1100);
    voice.press('0482');
    await after(1100);
    expect(ended()).toEqual({ kind: 'ready', code: 'right' });
  });

  it('takes a 1 before a word was heard, and no second one for the beginning of the code', async () => {
    const { ended } = callBack();
    voice.press('11');
    await after(500);
    voice.press('1');
    await after(700);
    expect(voice.heard).toEqual([`${hello[0]}!`, pauseFile]);
    voice.press('0482');
    await after(1100);
    expect(checked).toEqual(['0482']);
    expect(ended()).toEqual({ kind: 'ready', code: 'right' });
  });

  it('asks for no code when there is none', async () => {
    const { ended } = callBack({ check: undefined });
    voice.press('1');
    await after(0);
    expect(ended()).toEqual({ kind: 'ready', code: 'notAsked' });
    expect(voice.heard).toEqual([`${hello[0]}!`]);
  });

  it('says so when a code was given that is of no use any more, and asks for none', async () => {
    const { ended } = callBack({ check: undefined, isForgotten: true });
    voice.press('1');
    await after(10_000);
    expect(ended()).toEqual({ kind: 'ready', code: 'notAsked' });
    expect(voice.heard).toEqual([`${hello[0]}!`, 'nl/technical-problem.wav']);
  });

  it('goes on without the code after three that are wrong or too short', async () => {
    const { ended } = callBack();
    await getReady();
    voice.press('1111');
    await after(1500);
    expect(voice.heard.at(-1)).toBe('nl/callback-code-wrong.wav');
    voice.press('12#');
    await after(1500);
    expect(voice.heard.at(-1)).toBe('nl/too-short.wav');
    voice.press('0428');
    await after(2100);
    expect(voice.heard.slice(-2)).toEqual(nl('callback-code-wrong', 'without-identification'));
    expect(ended()).toEqual({ kind: 'ready', code: 'wrong' });
    expect(checked).toEqual(['1111', '0428']);
  });

  it('goes on without the code at 0, and after silence', async () => {
    const declined = callBack();
    await getReady();
    voice.press('0');
    await after(4100);
    expect(voice.heard.at(-1)).toBe('nl/without-identification.wav');
    expect(declined.ended()).toEqual({ kind: 'ready', code: 'declined' });

    voice = new FakeVoice();
    const silent = callBack({ firstDigitMs: 5000 });
    await getReady();
    await after(2000 + 5000 + 3000 + 10_000 + 1000);
    expect(silent.ended()).toEqual({ kind: 'ready', code: 'silence' });
    expect(voice.heard.slice(3)).toEqual([...question, 'nl/nothing-heard.wav', ...question, 'nl/without-identification.wav']);
    expect(checked).toEqual([]);
  });

  it('goes on without the code, and without blame, when it cannot be looked up', async () => {
    const { ended } = callBack({ check: () => Promise.reject(new Error('store_unreachable')) });
    await getReady();
    voice.press('0482');
    await after(1100);
    expect(voice.heard.at(-1)).toBe('nl/technical-problem.wav');
    expect(ended()).toEqual({ kind: 'ready', code: 'unchecked' });
  });

  it('ends with the call, in the middle of anything, and tells of one that cannot play', async () => {
    for (const ms of [0, 1500, 4000]) {
      ({ voice, call } = newCall());
      const { result } = callBack();
      const outcome = result.then(() => 'ended', (error: unknown) => (error as Error).message);
      await after(ms);
      if (ms > 0) voice.press('1');
      await after(ms > 0 ? 500 : 0);
      call.abort(new Error('hung up'));
      await after(0);
      expect(await outcome).toBe('hung up');
      expect(voice.playing).toBe(0);
    }
    call = new AbortController();
    voice.failure = new Error('no media');
    await expect(callBack().result).rejects.toThrow('no media');
  });

  it('whatever is pressed and whenever: right only by the right code, asked three times at most, nothing left behind', async () => {
    const act = fc.oneof(
      { weight: 4, arbitrary: fc.record({ press: fc.stringMatching(/^[0-9*#]{1,5}$/u) }) },
      { weight: 1, arbitrary: fc.constantFrom({ press: '0482' }, { press: '1' }) },
      { weight: 3, arbitrary: fc.record({ waitMs: fc.integer({ min: 0, max: 12_000 }) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 25 }), async (acts) => {
        ({ voice, call } = newCall());
        checked = [];
        let ends = 0;
        const { result, ended } = callBack();
        result.then(() => (ends += 1), () => (ends += 1));
        for (const one of acts) {
          if ('press' in one) voice.press(one.press);
          else await after(one.waitMs);
          if (ended()) break;
        }
        const end = ended();
        call.abort(new Error('over'));
        await after(0);
        expect(ends).toBe(1);
        expect(voice.most).toBeLessThanOrEqual(1);
        expect(checked.length).toBeLessThanOrEqual(3);
        if (end?.kind === 'ready') expect(end.code === 'right').toBe(checked.at(-1) === '0482');
        if (end?.kind === 'nobody') expect(checked).toEqual([]);
        expectNothingLeft(call);
      }),
      { numRuns: 200 },
    );
  });
});
