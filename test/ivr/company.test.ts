import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferedKeys, CompanyMemory, keepCompany, type CompanyEnd, type CompanyNews, type CompanyOptions, type SpokenOutlook } from '../../ivr/index.js';
import { after, beginCall, endCall, nl, FakeVoice } from './fake-voice.js';

let voice: FakeVoice;
let call: AbortController;
beforeEach(() => void ({ voice, call } = beginCall()));
afterEach(() => endCall(call));

/** Keeps company in Dutch and says how that ended. */
function keep(tell: CompanyNews = 'nothing', options: CompanyOptions = {}): { ended: () => CompanyEnd | undefined; done: Promise<CompanyEnd> } {
  let end: CompanyEnd | undefined;
  const done = keepCompany(voice, 'nl', call.signal, tell, options);
  done.then((how) => (end = how), () => undefined);
  return { ended: () => end, done };
}

const music = 'music.wav';
const place = (n: number) => nl('you-are-number', `number-${n}`, 'in-the-queue');
const minutes = (n: number) => nl('wait-about', `number-${n}`, n === 1 ? 'minute' : 'minutes');
/** Hears one thing after another, each for a second, and takes down what came between the rounds of music. */
async function hear(seconds: number): Promise<string[]> {
  const from = voice.heard.length;
  await after(seconds * 1000);
  return voice.heard.slice(from);
}

describe('keeping company', () => {
  it('tells the news, then plays music, with a sentence after every third round, until told to stop', async () => {
    const { ended } = keep('unidentified');
    expect(await hear(10.5)).toEqual([...nl('without-identification', 'please-wait'), music, music, music, ...nl('still-waiting'), music, music, music, ...nl('still-waiting')]);
    call.abort();
    await after(0);
    expect(ended()).toBe('stopped');
    expect(voice.playing).toBe(0);
  });

  it('speaks the word of the page with the news, twice', async () => {
    const { done } = keep('accepted', { word: 21 });
    expect(await hear(6.5)).toEqual(nl('code-accepted', 'your-word', 'word-21', 'word-21', 'other-word', 'please-wait'));
    call.abort();
    await done;
  });

  it.each([['agentLost', nl('agent-lost', 'please-wait')], ['transferred', nl('transferring-you')], ['nothing', nl('please-wait')]] as const)('has news of what happened to the call: %s', async (tell, sentences) => {
    const { done } = keep(tell, { outlook: () => ({ place: 1 }) });
    expect(await hear(sentences.length + 3.5)).toEqual([...sentences, ...place(1)]);
    call.abort();
    await done;
  });

  it.each([['checking', 'checking'], ['result', 'waiting-for-result']] as const)('speaks of no queue to somebody who is not in it: %s', async (tell, sentence) => {
    const { done } = keep(tell, { outlook: () => ({ place: 3 }), callback: true, callbackAfterMs: 0 });
    voice.press('1');
    expect(await hear(5.5)).toEqual([...nl(sentence), music, ...nl('still-checking'), music, ...nl('still-checking')]);
    call.abort();
    expect(await done).toBe('stopped');
    expect(voice.keys.peek()).toBe(1);
  });

  it('stops at once in the middle of anything, and takes no key', async () => {
    for (const ms of [0, 500, 2500, 5500, 6500, 8500, 11_500, 12_500]) {
      const connect = new AbortController();
      const company = keepCompany(voice, 'nl', connect.signal, 'accepted', { word: 0, outlook: () => ({ place: 4, expectedWaitMs: 120_000 }) });
      voice.press('1');
      await after(ms);
      connect.abort();
      await after(0);
      expect(await company).toBe('stopped');
      expect(voice.playing).toBe(0);
      expect(await voice.keys.next(call.signal)).toBe('1');
    }
  });

  it('does not spin on a line that plays nothing', async () => {
    let plays = 0;
    const dead = { keys: new BufferedKeys(), play: async () => void (plays += 1) };
    const company = keepCompany(dead, 'nl', call.signal);
    await after(10_000);
    expect(plays).toBeGreaterThan(8);
    expect(plays).toBeLessThan(20);
    call.abort();
    await company;
  });

  it('tells of a call that cannot play', async () => {
    voice.failure = new Error('no media');
    await expect(keep('nothing', { memory: offered(), callback: true }).done).rejects.toThrow('no media');
  });
});

describe('telling how a caller stands', () => {
  it('says place and wait with the first sentence, and afterwards only what got better', async () => {
    const outlooks: (SpokenOutlook | undefined)[] = [
      { place: 3, expectedWaitMs: 360_000 }, { place: 3, expectedWaitMs: 360_000 }, { place: 2, expectedWaitMs: 360_000 },
      { place: 2, expectedWaitMs: 170_000 }, { place: 1, expectedWaitMs: 59_000 }, undefined,
    ];
    const { done } = keep('nothing', { outlook: () => outlooks.shift() });
    expect(await hear(1 + 6 + 1 + 4 + 4 + 5 + 3 + 0.5)).toEqual([
      ...nl('please-wait'), ...place(3), ...minutes(6), music, music, ...place(2), music, ...minutes(3), music, ...place(1), ...nl('wait-under-a-minute'), music, music, music,
    ]);
    call.abort();
    await done;
  });

  it('never says that it got worse, not even to somebody who comes back to the queue', async () => {
    const memory = new CompanyMemory();
    let now: SpokenOutlook = { place: 2, expectedWaitMs: 240_000 };
    const first = keep('nothing', { memory, outlook: () => now });
    expect(await hear(7.5)).toEqual([...nl('please-wait'), ...place(2), ...minutes(4)]);
    now = { place: 5, expectedWaitMs: 600_000 };
    expect(await hear(4)).toEqual([music, music, music, ...nl('still-waiting')]);
    call.abort();
    await first.done;

    call = new AbortController();
    const second = keep('agentLost', { memory, outlook: () => now });
    await hear(0.5);
    expect(await hear(2)).toEqual(nl('agent-lost', 'please-wait'));
    now = { place: 1, expectedWaitMs: 600_000 };
    await hear(0.5);
    expect((await hear(3)).slice(-3)).toEqual(place(1));
    call.abort();
    await second.done;
  });

  it('says again what was cut off before its end, if it still holds', async () => {
    const memory = new CompanyMemory();
    const outlook = () => ({ place: 2 });
    const first = keep('nothing', { memory, outlook });
    expect(await hear(2.5)).toEqual(nl('please-wait', 'you-are-number'));
    call.abort();
    await first.done;
    call = new AbortController();
    const second = keep('nothing', { memory, outlook });
    await hear(0.5);
    expect(await hear(4)).toEqual([...nl('please-wait'), ...place(2)]);
    call.abort();
    await second.done;
  });

  it.each([
    [1, nl('you-are-number', 'number-1', 'in-the-queue')], [20, nl('you-are-number', 'number-20', 'in-the-queue')],
    [21, nl('twenty-or-more-before-you')], [400, nl('twenty-or-more-before-you')], [0, []], [-1, []], [1.5, []], [NaN, []],
  ])('place %d', async (at, sentence) => {
    const { done } = keep('nothing', { outlook: () => ({ place: at }) });
    expect(await hear(sentence.length + 2.5)).toEqual([...nl('please-wait'), ...sentence, music]);
    call.abort();
    await done;
  });

  it.each([
    [0, nl('wait-under-a-minute')], [59_999, nl('wait-under-a-minute')], [60_000, minutes(1)], [89_999, minutes(1)], [90_000, minutes(2)], [600_000, minutes(10)], [629_999, minutes(10)],
    [630_000, minutes(15)], [900_000, minutes(15)], [900_001, minutes(20)], [1_200_001, minutes(30)], [1_800_000, minutes(30)], [1_800_001, nl('wait-over-half-an-hour')],
    [-1, []], [NaN, []], [Infinity, []],
  ])('a wait of %d ms', async (expectedWaitMs, sentence) => {
    const { done } = keep('nothing', { outlook: () => ({ expectedWaitMs }) });
    expect(await hear(sentence.length + 2.5)).toEqual([...nl('please-wait'), ...sentence, music]);
    call.abort();
    await done;
  });

  it('waits for an outlook only briefly, and not at all once told to stop', async () => {
    const slow = keep('nothing', { outlook: () => new Promise<SpokenOutlook>(() => undefined) });
    await after(1000 + 1000 + 1500);
    expect(voice.heard).toEqual([...nl('please-wait'), music]);
    call.abort();
    await after(0);
    expect(slow.ended()).toBe('stopped');

    for (const outlook of [() => Promise.reject(new Error('no answer')), () => { throw new Error('no desk'); }]) {
      call = new AbortController();
      const broken = keep('nothing', { outlook });
      await hear(0.5);
      expect(await hear(2)).toEqual([...nl('please-wait'), music]);
      call.abort();
      await broken.done;
    }
  });

  it('whatever the queue does: what is said of it only gets better', async () => {
    const anyOutlook = fc.option(fc.record({ place: fc.integer({ min: -1, max: 40 }), expectedWaitMs: fc.integer({ min: -1, max: 3_000_000 }) }, { requiredKeys: [] }), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(fc.array(anyOutlook, { minLength: 1, maxLength: 25 }), fc.array(fc.integer({ min: 100, max: 20_000 }), { maxLength: 4 }), async (outlooks, cuts) => {
        voice = new FakeVoice();
        const memory = new CompanyMemory();
        const outlook = () => outlooks.shift();
        for (const ms of [...cuts, 150_000]) {
          call = new AbortController();
          const { done } = keep('nothing', { memory, outlook });
          await after(ms);
          call.abort();
          await done;
        }
        const { places, waits } = saidIn(voice.heard);
        expect(places).toEqual([...places].sort((a, b) => b - a));
        expect(waits).toEqual([...waits].sort((a, b) => b - a));
        expect(voice.most).toBe(1);
      }),
      { numRuns: 60 },
    );
  });
});

/** Places and minutes in the order in which they were heard, those that were cut off included. */
function saidIn(heard: readonly string[]): { places: number[]; waits: number[] } {
  const [places, waits]: [number[], number[]] = [[], []];
  for (const [i, file] of heard.entries()) {
    if (file.startsWith('nl/twenty-or-more')) places.push(Infinity);
    if (file.startsWith('nl/wait-over')) waits.push(Infinity);
    if (file.startsWith('nl/wait-under')) waits.push(0);
    const number = /^nl\/number-(\d+)\.wav/u.exec(file)?.[1];
    if (number !== undefined) (heard[i - 1] === 'nl/wait-about.wav' ? waits : places).push(Number(number));
  }
  return { places, waits };
}

/** A caller who has heard the offer to be called back. */
function offered(): CompanyMemory {
  const memory = new CompanyMemory();
  memory.callbackOffered = true;
  return memory;
}

describe('a caller who may be called back', () => {
  it('hears of it once, after a while, and asks for it with 1 at any time from then on', async () => {
    const { ended } = keep('nothing', { callback: true, callbackAfterMs: 3500 });
    expect(await hear(6.5)).toEqual([...nl('please-wait'), music, music, music, ...nl('callback-offer'), music]);
    expect(await hear(8)).toEqual([music, music, ...nl('still-waiting'), music, music, music, ...nl('still-waiting'), music]);
    voice.press('529#*1');
    await after(0);
    expect(ended()).toBe('callback');
    expect(voice.playing).toBe(0);
  });

  it('may answer in the middle of the offer', async () => {
    const { ended } = keep('nothing', { callback: true, callbackAfterMs: 0 });
    await hear(1.3);
    voice.press('1');
    await after(0);
    expect(ended()).toBe('callback');
    expect(voice.heard).toEqual([...nl('please-wait'), 'nl/callback-offer.wav!']);
  });

  it('asks for nothing with keys pressed before the offer', async () => {
    const { ended, done } = keep('nothing', { callback: true, callbackAfterMs: 2500 });
    voice.press('11');
    await hear(0.5);
    expect(await hear(6)).toEqual([...nl('please-wait'), music, music, ...nl('callback-offer'), music, music]);
    expect(ended()).toBeUndefined();
    call.abort();
    await done;
    expect(voice.keys.peek()).toBe(0);
  });

  it('hears the offer again only if an agent cut it off', async () => {
    const memory = new CompanyMemory();
    const options = { callback: true, callbackAfterMs: 0, memory };
    const first = keep('nothing', options);
    await hear(1.5);
    call.abort();
    await first.done;
    expect(memory.callbackOffered).toBe(false);

    call = new AbortController();
    const second = keep('agentLost', options);
    await hear(2.5);
    voice.press('1');
    expect(await second.done).toBe('callback');

    // Changed their mind while arranging it: no second offer, but 1 still works.
    voice.heard.length = 0;
    const third = keep('nothing', options);
    expect(await hear(5.5)).toEqual([...nl('please-wait'), music, music, music, ...nl('still-waiting')]);
    voice.press('1');
    expect(await third.done).toBe('callback');
  });

  it('is connected if an agent is free in the moment of the key', async () => {
    const { done } = keep('nothing', { callback: true, memory: offered() });
    await hear(2.5);
    voice.press('1');
    call.abort();
    expect(await done).toBe('stopped');
  });
});
