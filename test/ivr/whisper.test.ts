import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { pauseFile, whisper, type SpelledValue, type WhisperEnd, type WhisperOptions } from '../../ivr/index.js';
import { after, beginCall, endCall, expectNothingLeft, newCall, nl, FakeVoice } from './fake-voice.js';

let voice: FakeVoice;
let call: AbortController;
beforeEach(() => void ({ voice, call } = beginCall()));
afterEach(() => endCall(call));

const options: WhisperOptions = { language: 'nl', identified: 'verified', method: 'digid', waitedMs: 250_000 };
const about = nl('whisper-identified', 'whisper-digid', 'whisper-waited', 'number-4', 'minutes');
const take = nl('whisper-take');
const spell: SpelledValue[] = [{ label: 'spell-surname', text: 'Bol' }, { label: 'spell-birth-date', text: '1948-03-07' }];
const details = [
  ...nl('spell-surname'), pauseFile, ...nl('sign-b', 'sign-o', 'sign-l'), pauseFile,
  ...nl('spell-birth-date'), pauseFile, ...nl('number-0', 'number-7'), pauseFile, ...nl('number-0', 'number-3'), pauseFile, ...nl('number-1', 'number-9', 'number-4', 'number-8'), pauseFile,
];
const askPin = nl('whisper-pin', 'close-with-hash');

function tell(over: Partial<WhisperOptions> = {}): { result: Promise<WhisperEnd>; ended: () => WhisperEnd | undefined } {
  let end: WhisperEnd | undefined;
  const result = whisper(voice, { ...options, ...over }, call.signal);
  result.then((how) => (end = how), () => undefined);
  return { result, ended: () => end };
}

describe('a whisper to the agent', () => {
  it('says who is calling and how long they waited, and takes 1 for yes', async () => {
    const { ended } = tell();
    await after(7000);
    expect(voice.heard).toEqual([...about, ...take]);
    voice.press('1');
    await after(0);
    expect(ended()).toBe('taken');
  });

  it.each([
    [{ identified: 'none' }, nl('whisper-not-identified', 'whisper-waited', 'number-4', 'minutes')],
    [{ identified: 'awaiting', waitedMs: 59_000 }, nl('whisper-awaiting', 'whisper-waited-briefly')],
    [{ identified: 'failed', waitedMs: 60_000 }, nl('whisper-failed', 'whisper-waited', 'number-1', 'minute')],
    [{ method: undefined, waitedMs: 2_000_000, service: 'nl/service-taxes.wav' }, ['nl/service-taxes.wav', ...nl('whisper-identified', 'whisper-waited-long')]],
    [{ waitedMs: NaN }, nl('whisper-identified', 'whisper-digid')],
  ] as const)('says for %j what it knows', async (over, said) => {
    const { result } = tell(over);
    await after(1000 * (said.length + 1));
    expect(voice.heard).toEqual([...said, ...take]);
    voice.press('2');
    expect(await result).toBe('refused');
  });

  it('is cut off by the answer, says it again at a star, and ignores other keys', async () => {
    const { ended } = tell();
    await after(1500);
    voice.press('45#*');
    await after(1500);
    expect(voice.heard).toEqual([about[0], `${about[1]}!`, about[0]]);
    voice.press('2');
    await after(0);
    expect(ended()).toBe('refused');
    expect(voice.playing).toBe(0);
  });

  it('says it twice to silence, and then lets the call go elsewhere', async () => {
    const { ended } = tell({ answerMs: 3000 });
    await after(2 * (6000 + 3000) - 100);
    expect(ended()).toBeUndefined();
    await after(200);
    expect(ended()).toBe('silence');
    expect(voice.heard).toEqual([...about, ...take, ...about, ...take]);
  });

  it('spells what it is told to, once that has been written down', async () => {
    let written: (() => void) | undefined;
    const { ended } = tell({ spell, beforeSpelling: () => new Promise<boolean>((resolve) => (written = () => resolve(true))) });
    await after(10_000);
    expect(voice.heard).toEqual(about);
    written?.();
    await after(1000 * (details.length + 1));
    expect(voice.heard).toEqual([...about, ...details, ...take]);
    voice.press('1');
    await after(0);
    expect(ended()).toBe('taken');
  });

  it('spells nothing that could not be written down', async () => {
    for (const beforeSpelling of [() => false, () => Promise.reject(new Error('disk full'))]) {
      voice = new FakeVoice();
      const { result } = tell({ spell, beforeSpelling });
      await after(7000);
      expect(voice.heard).toEqual([...about, ...take]);
      voice.press('1');
      expect(await result).toBe('taken');
    }
  });

  it('spells nothing, and writes nothing down, when the agent takes the call before, or the caller is not verified', async () => {
    const beforeSpelling = vi.fn(() => true);
    const early = tell({ spell, beforeSpelling });
    await after(1500);
    voice.press('1');
    expect(await early.result).toBe('taken');
    for (const identified of ['none', 'awaiting', 'failed'] as const) {
      const { result } = tell({ identified, spell, beforeSpelling });
      await after(20_000);
      voice.press('1');
      await after(30_000);
      await result;
    }
    expect(beforeSpelling).not.toHaveBeenCalled();
    expect(voice.heard.filter((file) => file.includes('sign-') || file.includes('spell-'))).toEqual([]);
  });
});

describe('a whisper behind a PIN', () => {
  let asked: string[];
  const pin: NonNullable<WhisperOptions['pin']> = {
    isRight: (typed) => {
      asked.push(typed.reveal());
      return typed.reveal() === '135790';
    },
  };
  beforeEach(() => {
    asked = [];
  });

  it('spells after the right one, typed from the first word on', async () => {
    const { ended } = tell({ spell, pin });
    await after(1500);
    voice.press('135790#');
    await after(1000 * (details.length + 1));
    expect(voice.heard).toEqual([about[0], `${about[1]}!`, ...details, ...take]);
    voice.press('1');
    await after(0);
    expect(ended()).toBe('taken');
  });

  it('refuses after three wrong ones, and spells nothing', async () => {
    const beforeSpelling = vi.fn(() => true);
    const { ended } = tell({ spell, pin, beforeSpelling });
    await after(7500);
    expect(voice.heard).toEqual([...about, ...askPin]);
    voice.press('1111#');
    await after(1500);
    expect(voice.heard.at(-1)).toBe('nl/whisper-pin-wrong.wav');
    voice.press('12#2222#');
    await after(0);
    expect(ended()).toBe('refused');
    expect(asked).toEqual(['1111', '2222']);
    expect(beforeSpelling).not.toHaveBeenCalled();
  });

  it('goes without the details at 0, or when PINs cannot be looked up', async () => {
    const declined = tell({ spell, pin });
    voice.press('0#');
    await after(1500);
    voice.press('1');
    await after(0);
    expect(declined.ended()).toBe('taken');

    const down = tell({ spell, pin: { isRight: () => Promise.reject(new Error('store_unreachable')) } });
    voice.press('135790#');
    await after(1500);
    voice.press('1');
    await after(0);
    expect(down.ended()).toBe('taken');
    expect(voice.heard.filter((file) => file.includes('spell-'))).toEqual([]);
  });

  it('takes silence for nobody there', async () => {
    const { ended } = tell({ spell, pin });
    await after(7000 + 5000 + 3000 + 10_000 - 100);
    expect(ended()).toBeUndefined();
    await after(200);
    expect(ended()).toBe('silence');
    expect(voice.heard).toEqual([...about, ...askPin, 'nl/nothing-heard.wav', ...askPin]);
  });

  it('ends with the call, in the middle of anything, and tells of one that cannot play', async () => {
    for (const [keys, ms] of [['', 0], ['', 2500], ['13', 500], ['135790#', 3500]] as const) {
      ({ voice, call } = newCall());
      const { result } = tell({ spell, pin });
      const outcome = result.then(() => 'ended', (error: unknown) => (error as Error).message);
      voice.press(keys);
      await after(ms);
      call.abort(new Error('the caller hung up'));
      await after(0);
      expect(await outcome).toBe('the caller hung up');
      expect(voice.playing).toBe(0);
    }
    call = new AbortController();
    voice.failure = new Error('no media');
    await expect(tell({ spell, pin }).result).rejects.toThrow('no media');
  });

  it('whatever is pressed and whenever: nothing is spelled without the right PIN, nothing left behind', async () => {
    const act = fc.oneof(
      { weight: 4, arbitrary: fc.record({ press: fc.stringMatching(/^[0-9*#]{1,6}$/u) }) },
      { weight: 1, arbitrary: fc.constantFrom({ press: '135790#' }, { press: '0#' }) },
      { weight: 3, arbitrary: fc.record({ waitMs: fc.integer({ min: 0, max: 12_000 }) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 20 }), async (acts) => {
        ({ voice, call } = newCall());
        asked = [];
        let ends = 0;
        const { result, ended } = tell({ spell, pin });
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
        expect(asked.length).toBeLessThanOrEqual(3);
        if (voice.heard.some((file) => file.includes('spell-'))) expect(asked.at(-1)).toBe('135790');
        expectNothingLeft(call);
      }),
      { numRuns: 200 },
    );
  });
});
