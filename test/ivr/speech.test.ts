import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferedKeys, greet, say } from '../../ivr/index.js';
import { after, beginCall, endCall, type FakeVoice } from './fake-voice.js';

let voice: FakeVoice;
let call: AbortController;
beforeEach(() => void ({ voice, call } = beginCall()));
afterEach(() => endCall(call));

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

it('says one sentence, or several without a break', async () => {
  const saying = say(voice, 'en', 'all-busy', call.signal);
  await after(1000);
  await saying;
  expect(voice.heard).toEqual(['en/all-busy.wav']);

  const closing = say(voice, 'nl', ['closed', 'goodbye'], call.signal);
  await after(2000);
  await closing;
  expect(voice.heard.slice(1)).toEqual(['nl/closed.wav', 'nl/goodbye.wav']);
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
