import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { offerIdentify, pauseFile, promptsFolder, readInvitation } from '../../ivr/index.js';
import { after, beginCall, endCall, type FakeVoice } from './fake-voice.js';

let voice: FakeVoice;
let call: AbortController;
beforeEach(() => void ({ voice, call } = beginCall()));
afterEach(() => endCall(call));

describe('offering identification', () => {
  function offer(): { answer: () => string | undefined } {
    let answer: string | undefined;
    offerIdentify(voice, { language: 'nl' }, call.signal).then((given) => (answer = given), (error: unknown) => (answer = (error as Error).message));
    return { answer: () => answer };
  }

  it('takes 1 for yes, which cuts the question off', async () => {
    const { answer } = offer();
    await after(400);
    voice.press('1');
    await after(0);
    expect(answer()).toBe('yes');
    expect(voice.heard).toEqual(['nl/offer-identify.wav!']);
    expect(voice.playing).toBe(0);
  });

  it('takes any other key for no, but the hash of an earlier entry for nothing', async () => {
    for (const key of ['2', '0', '*', 'A']) {
      const { answer } = offer();
      voice.press(`#${key}1`);
      await after(0);
      expect(answer()).toBe('no');
      // What was pressed after the answer is left for the next question.
      expect(await voice.keys.next(call.signal)).toBe('1');
    }
    const { answer } = offer();
    voice.press('#');
    await after(500);
    expect(answer()).toBeUndefined();
    voice.press('1');
    await after(0);
    expect(answer()).toBe('yes');
  });

  it('takes six seconds of silence after the question for no', async () => {
    const { answer } = offer();
    await after(1000 + 5900);
    expect(voice.heard).toEqual(['nl/offer-identify.wav']);
    expect(answer()).toBeUndefined();
    await after(200);
    expect(answer()).toBe('no');
  });

  it('ends with the call, and tells of one that cannot play', async () => {
    const { answer } = offer();
    await after(400);
    call.abort(new Error('an agent is free'));
    await after(0);
    expect(answer()).toBe('an agent is free');
    expect(voice.playing).toBe(0);

    call = new AbortController();
    voice.failure = new Error('no media');
    const failed = offer();
    await after(0);
    expect(failed.answer()).toBe('no media');
  });
});

describe('reading an invitation', () => {
  const invitation = { address: 'Gem-1.nl/i', pairingCode: '1234567' };
  const sign = (name: string) => `nl/sign-${name}.wav`;
  const number = (n: number) => `nl/number-${n}.wav`;
  const once = [
    'nl/identify-address.wav', pauseFile,
    sign('g'), sign('e'), sign('m'), sign('hyphen'), number(1), pauseFile, sign('dot'), sign('n'), sign('l'), pauseFile, sign('slash'), sign('i'),
    pauseFile, 'nl/pairing-code.wav', pauseFile, number(1), number(2), number(3), pauseFile, number(4), number(5), number(6), number(7), pauseFile,
  ];
  const all = [...once, 'nl/said-again.wav', ...once, 'nl/hear-it-again.wav'];
  function read(over: Partial<typeof invitation> = {}): { ended: () => string | undefined } {
    let ended: string | undefined;
    readInvitation(voice, 'nl', { ...invitation, ...over }, call.signal).then(() => (ended = 'done'), (error: unknown) => (ended = (error as Error).message));
    return { ended: () => ended };
  }

  it('says address and code twice, and listens a moment for the wish to hear it again', async () => {
    const { ended } = read();
    await after(all.length * 1000 + 5900);
    expect(voice.heard).toEqual(all);
    expect(ended()).toBeUndefined();
    await after(200);
    expect(ended()).toBe('done');
  });

  it('begins again at a star, ends at a hash, and drops other keys', async () => {
    const { ended } = read();
    await after(3500);
    voice.press('5*');
    await after(2500);
    expect(voice.heard).toEqual([...once.slice(0, 3), `${once[3]}!`, ...once.slice(0, 2)]);
    voice.press('#');
    await after(0);
    expect(ended()).toBe('done');
    expect(voice.playing).toBe(0);
    expect(voice.most).toBe(1);
    expect(voice.keys.peek()).toBe(0);
  });

  it('does not begin again for ever', async () => {
    const { ended } = read();
    voice.press('*'.repeat(20));
    await after(0);
    expect(ended()).toBe('done');
    expect(voice.keys.peek()).toBe(14);
  });

  it('stops at once when an agent is free, and takes no key from then on', async () => {
    const { ended } = read();
    await after(2500);
    call.abort(new Error('an agent is free'));
    voice.press('1');
    await after(0);
    expect(ended()).toBe('done');
    expect(voice.playing).toBe(0);
    expect(voice.keys.peek()).toBe(1);
  });

  it('tells of a call that cannot play, also when a key was pressed', async () => {
    voice.press('5');
    voice.failure = new Error('no media');
    const { ended } = read();
    await after(0);
    expect(ended()).toBe('no media');
  });

  it('refuses what cannot be spoken before a word is said, without repeating it', async () => {
    for (const over of [{ address: 'gemeente.nl/é' }, { pairingCode: '12a4' }]) {
      const { ended } = read(over);
      await after(0);
      expect(ended()).toMatch(/^(the address has a character that cannot be spoken|only digits can be read as digits)$/u);
      expect(voice.heard).toEqual([]);
      expect(voice.playing).toBe(0);
    }
  });

  it.each([['12', '12'], ['1234', '1234'], ['12345', '123 45'], ['123456', '123 456'], ['1234567890', '123 456 7890']])('groups %s as %s', async (pairingCode, groups) => {
    read({ address: 'a', pairingCode });
    await after(60_000);
    const from = voice.heard.indexOf('nl/pairing-code.wav') + 2;
    const heard = voice.heard.slice(from, voice.heard.indexOf('nl/said-again.wav') - 1).map((file) => (file === pauseFile ? ' ' : /number-(\d)/u.exec(file)?.[1]));
    expect(heard.join('')).toBe(groups);
  });

  it('can say every character an address may have', async () => {
    voice.fileMs = 1;
    read({ address: 'abcdefghijklmnopqrstuvwxyz0123456789.-/:' });
    await after(20_000);
    expect(voice.heard.filter((file) => !existsSync(path.join(promptsFolder, file)))).toEqual([]);
    expect(voice.heard.length).toBeGreaterThan(80);
  });
});
