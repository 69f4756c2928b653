import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BufferedKeys, greet, keepCompany, say } from '../../ivr/index.js';
import { FakeVoice } from './fake-voice.js';

let voice: FakeVoice;
let call: AbortController;
beforeEach(() => {
  vi.useFakeTimers();
  voice = new FakeVoice();
  call = new AbortController();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  expect(getEventListeners(call.signal, 'abort')).toEqual([]);
  vi.useRealTimers();
});
const after = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe('greeting', () => {
  it('is heard to its end', async () => {
    const greeting = greet(voice, 'nl', call.signal);
    await after(1000);
    await greeting;
    expect(voice.heard).toEqual(['nl/greeting.wav']);
  });

  it('stops at a key, which stays for the code', async () => {
    const greeting = greet(voice, 'en', call.signal);
    await after(300);
    voice.press('7');
    await after(0);
    await greeting;
    expect(voice.heard).toEqual(['en/greeting.wav!']);
    expect(await voice.keys.next(call.signal)).toBe('7');
  });

  it('stops with the call', async () => {
    const greeting = greet(voice, 'en', call.signal);
    await after(300);
    call.abort();
    await greeting;
    expect(voice.playing).toBe(0);
  });

  it('tells of a call that cannot play', async () => {
    voice.failure = new Error('no media');
    await expect(greet(voice, 'nl', call.signal)).rejects.toThrow('no media');
    // The queue has no reader left behind.
    voice.press('1');
    expect(await voice.keys.next(call.signal)).toBe('1');
  });
});

describe('keeping company', () => {
  it('tells the news, then plays music with a sentence now and then, until told to stop', async () => {
    const company = keepCompany(voice, 'nl', call.signal, 'unidentified');
    await after(6500);
    expect(voice.heard).toEqual(['nl/without-identification.wav', 'nl/please-wait.wav', 'music.wav', 'nl/still-waiting.wav', 'music.wav', 'nl/still-waiting.wav']);
    call.abort();
    await company;
    expect(voice.playing).toBe(0);
  });

  it('speaks the word of the page with the news, twice', async () => {
    const company = keepCompany(voice, 'nl', call.signal, 'accepted', { word: 21 });
    await after(6500);
    expect(voice.heard).toEqual(['nl/code-accepted.wav', 'nl/your-word.wav', 'nl/word-21.wav', 'nl/word-21.wav', 'nl/other-word.wav', 'nl/please-wait.wav']);
    call.abort();
    await company;
  });

  it('tells the place in the queue, asked anew each time; beyond ten, or unknown, it tells only to wait', async () => {
    const places = [2, 1, 11, undefined, 0, 1.5];
    const company = keepCompany(voice, 'en', call.signal, 'nothing', { place: () => places.shift() });
    await after(1000 + 4000 + 4000 + 4 * 2000);
    const still = ['music.wav', 'en/still-waiting.wav'];
    const number = (n: number) => ['music.wav', 'en/you-are-number.wav', `en/number-${n}.wav`, 'en/in-the-queue.wav'];
    expect(voice.heard).toEqual(['en/please-wait.wav', ...number(2), ...number(1), ...still, ...still, ...still, ...still]);
    call.abort();
    await company;
  });

  it('waits for a place only briefly, and not at all once told to stop', async () => {
    const never = () => new Promise<number>(() => undefined);
    const slow = keepCompany(voice, 'en', call.signal, 'nothing', { place: never });
    await after(4500);
    expect(voice.heard).toEqual(['en/please-wait.wav', 'music.wav', 'en/still-waiting.wav']);
    await after(1000);
    call.abort();
    await slow;
    expect(voice.heard.at(-1)).toBe('music.wav');

    call = new AbortController();
    voice.heard.length = 0;
    const broken = keepCompany(voice, 'en', call.signal, 'nothing', { place: () => Promise.reject(new Error('no answer')) });
    await after(3100);
    expect(voice.heard).toEqual(['en/please-wait.wav', 'music.wav', 'en/still-waiting.wav']);
    call.abort();
    await broken;
  });

  it.each([['checking', 'checking'], ['result', 'waiting-for-result']] as const)('speaks of no queue to somebody who is not in it: %s', async (tell, sentence) => {
    const company = keepCompany(voice, 'nl', call.signal, tell, { place: () => 3 });
    await after(3100);
    expect(voice.heard).toEqual([`nl/${sentence}.wav`, 'music.wav', 'nl/still-checking.wav']);
    call.abort();
    await company;
  });

  it('stops at once in the middle of anything, and takes no key', async () => {
    for (const ms of [0, 500, 2500, 5500, 6500, 8500]) {
      const connect = new AbortController();
      const company = keepCompany(voice, 'nl', connect.signal, 'accepted', { word: 0, place: () => 4 });
      voice.press('1');
      await after(ms);
      connect.abort();
      await after(0);
      await company;
      expect(voice.playing).toBe(0);
      expect(await voice.keys.next(call.signal)).toBe('1');
    }
  });

  it('does not spin on a line that plays nothing', async () => {
    let plays = 0;
    const dead = { keys: new BufferedKeys(), play: async () => void (plays += 1) };
    const company = keepCompany(dead, 'nl', call.signal);
    await after(10_000);
    expect(plays).toBeGreaterThan(15);
    expect(plays).toBeLessThan(25);
    call.abort();
    await company;
  });
});

it('says one sentence', async () => {
  const saying = say(voice, 'en', 'all-busy', call.signal);
  await after(1000);
  await saying;
  expect(voice.heard).toEqual(['en/all-busy.wav']);
});

describe('keys', () => {
  it('come in order, one reader at a time, and survive a reader who gives up', async () => {
    const keys = new BufferedKeys();
    const patience = new AbortController();
    const waiting = keys.next(patience.signal);
    await expect(keys.next(call.signal)).rejects.toThrow('one reader');
    patience.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    keys.push('1');
    keys.push('2');
    expect(keys.peek()).toBe(2);
    expect([await keys.next(call.signal), await keys.next(call.signal)]).toEqual(['1', '2']);
    await expect(keys.next(patience.signal)).rejects.toThrow('enough');
  });

  it('are keys of a telephone, and not without end', () => {
    const keys = new BufferedKeys();
    for (const junk of ['', '12', 'x', ' ', '\n', '1\n', 'E']) keys.push(junk);
    expect(keys.peek()).toBe(0);
    for (let i = 0; i < 1000; i += 1) keys.push('5');
    expect(keys.peek()).toBe(BufferedKeys.maxUnread);
    keys.clear();
    expect(keys.peek()).toBe(0);
  });

  it('are not lost when the queue is cleared between a press and its reader', async () => {
    const keys = new BufferedKeys();
    const reading = keys.next(call.signal);
    keys.push('1');
    keys.clear();
    keys.push('2');
    expect(await reading).toBe('2');
  });
});
