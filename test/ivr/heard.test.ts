/** The dialogues as they sound: with the recordings that lie here, measured as somebody hears them who is old, in a hurry, or hard of hearing. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { arrangeCallback, greetCalledBack, keepCompany, languages, musicFile, onHold, pauseFile, say, SpokenCode, SpokenNumber, whisper, type Language, type PromptName } from '../../ivr/index.js';
import { rmsDbfs } from '../../ivr/prompts/recording.js';
import { audibleOf, PlayedVoice, silencesIn } from './played-voice.js';

let voice: PlayedVoice;
let call: AbortController;
beforeEach(() => {
  vi.useFakeTimers();
  voice = new PlayedVoice();
  call = new AbortController();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** Longest silence within what is said: two thoughts, or a piece and the next one. */
const withinMs = 800;
/** The pause before and between digits: time to take a pencil, and no doubt that the line is alive. */
const pauseMs = { atLeast: 800, atMost: 1700 };

/** Loud enough, not clipped, and silent only where a pause was put. */
function expectGoodToHear(sound: Int16Array, isPauseAt: (ms: number) => boolean = () => false): void {
  const speech = audibleOf(sound);
  expect(rmsDbfs(speech)).toBeGreaterThan(-19);
  expect(rmsDbfs(speech)).toBeLessThan(-14);
  expect(20 * Math.log10(sound.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0) / 32768)).toBeLessThan(-0.5);
  for (const { fromMs, ms } of silencesIn(sound, withinMs)) {
    expect(isPauseAt(fromMs + ms / 2), `silent for ${ms} ms at ${fromMs} ms`).toBe(true);
    expect(ms).toBeLessThanOrEqual(pauseMs.atMost);
  }
}

const inPause = (voice: PlayedVoice) => (ms: number) => voice.played.some(({ file, fromMs, toMs }) => file === pauseFile && ms >= fromMs - 500 && ms <= toMs + 300);

/** The silence before the first digit of each group is long enough to be a pause. */
function expectPausesBeforeDigits(voice: PlayedVoice): void {
  const silences = silencesIn(voice.sound(), pauseMs.atLeast - 1);
  for (const [i, { file, fromMs }] of voice.played.entries()) {
    if (!/number-\d\.wav$/u.test(file) || voice.played[i - 1]?.file !== pauseFile) continue;
    expect(silences.some((silence) => Math.abs(silence.fromMs + silence.ms - fromMs) < 300), `${file} at ${fromMs} ms`).toBe(true);
  }
}

describe.each(languages)('heard in %s', (language: Language) => {
  it('a waiting caller: place and wait within ten seconds, quiet otherwise, and cut off in the moment that an agent is there', async () => {
    const company = keepCompany(voice, language, call.signal, 'nothing', { outlook: () => ({ place: 13, expectedWaitMs: 700_000 }) });
    await voice.listen(20_000);
    const music = voice.played.findIndex(({ file }) => file === musicFile);
    const said = music < 0 ? voice.played : voice.played.slice(0, music);
    const lengthMs = said.at(-1)!.toMs;
    expect(said.map(({ file }) => file)).toContain(`${language}/number-13.wav`);
    const [pleaseWait] = said;
    expect(lengthMs - pleaseWait!.toMs).toBeLessThan(10_000);
    expectGoodToHear(voice.sound().subarray(0, lengthMs * 8));

    // Two minutes of waiting without news: at most two sentences, each followed by music.
    await voice.listen(120_000);
    expect(voice.played.filter(({ file, fromMs }) => file !== musicFile && fromMs >= lengthMs).length).toBeLessThanOrEqual(2);

    const connectedAt = voice.now;
    call.abort();
    await company;
    expect(voice.now).toBe(connectedAt);
    await voice.listen(2000);
    expect(voice.sound().subarray(connectedAt * 8).every((sample) => sample === 0)).toBe(true);
  });

  it('the offer to be called back: nine seconds at most, and the key is its last word', async () => {
    const company = keepCompany(voice, language, call.signal, 'nothing', { callback: true, callbackAfterMs: 0 });
    await voice.listen(16_000);
    const offer = voice.played.find(({ file }) => file.endsWith('callback-offer.wav'))!;
    expect(offer.toMs - offer.fromMs).toBeLessThan(9000);
    expectGoodToHear(voice.sound().subarray(0, offer.toMs * 8));
    voice.keys.push('1');
    expect(await company).toBe('callback');
  });

  it('arranging a call back: within two minutes, with a pause before each group of digits', async () => {
    const arranging = arrangeCallback(voice, { language, knownNumber: new SpokenNumber('+31201234567'), shortCode: new SpokenCode('4827'), judge: () => 'ok', countryCode: '31' }, call.signal);
    const question = () => voice.played.some(({ file }) => file.endsWith('callback-number-right.wav'));
    while (!question()) await voice.listen(500);
    expect(voice.now).toBeLessThan(40_000);
    expectGoodToHear(voice.sound(), inPause(voice));
    expectPausesBeforeDigits(voice);
    const toldFrom = voice.now;
    voice.keys.push('1');
    await voice.listen(60_000);
    expect((await arranging).kind).toBe('arranged');
    const end = voice.played.at(-1)!;
    expect(end.file).toBe(`${language}/callback-arranged.wav`);
    expect(end.toMs - toldFrom).toBeLessThan(50_000);
    // After the wish to hear it again nobody speaks for a moment.
    const listens = voice.played.find(({ file }) => file.endsWith('hear-it-again.wav'))!;
    expectGoodToHear(voice.sound().subarray(0, listens.toMs * 8), inPause(voice));
    expectPausesBeforeDigits(voice);
  });

  it('the call back: who calls is said within eight seconds, and a voicemail box hears nothing else', async () => {
    const calling = greetCalledBack(voice, { language, check: () => true }, call.signal);
    await voice.listen(8000);
    expect(voice.played.map(({ file }) => file)).toEqual([`${language}/callback-hello.wav`]);
    await voice.listen(4000);
    expectGoodToHear(voice.sound());
    await voice.listen(60_000);
    expect(await calling).toEqual({ kind: 'nobody' });
    expect(new Set(voice.played.map(({ file }) => file.replace(/^.*\//u, '')))).toEqual(new Set(['callback-hello.wav', 'callback-ready.wav']));
  });

  it('the question for the code: after a breath, eight seconds at most', async () => {
    const calling = greetCalledBack(voice, { language, check: () => true }, call.signal);
    await voice.listen(1000);
    voice.keys.push('1');
    await voice.listen(1000);
    const from = voice.now;
    await voice.listen(8000);
    expect(voice.played.at(-1)?.file).toBe(`${language}/callback-no-code.wav`);
    expectGoodToHear(voice.sound().subarray(from * 8));
    for (const key of '4827') voice.keys.push(key);
    await voice.listen(10_000);
    expect(await calling).toEqual({ kind: 'ready', code: 'right' });
  });

  it('the whisper to an agent: twelve seconds without details; with a name and a date half a minute, at a pace to write', async () => {
    const short = whisper(voice, { language, identified: 'verified', method: 'yivi', waitedMs: 130_000 }, call.signal);
    while (!voice.played.some(({ file }) => file.endsWith('whisper-take.wav'))) await voice.listen(250);
    expect(voice.now).toBeLessThan(16_000);
    const asksFrom = voice.played.find(({ file }) => file.endsWith('whisper-take.wav'))!.fromMs;
    expect(asksFrom).toBeLessThan(12_000);
    expectGoodToHear(voice.sound());
    voice.keys.push('1');
    expect(await short).toBe('taken');

    voice = new PlayedVoice();
    const spelling = whisper(voice, { language, identified: 'verified', waitedMs: 0, spell: [{ label: 'spell-surname', text: 'Bakker' }, { label: 'spell-birth-date', text: '1948-03-07' }] }, call.signal);
    while (!voice.played.some(({ file }) => file.endsWith('whisper-take.wav'))) await voice.listen(250);
    const details = voice.played.filter(({ file }) => /(?:spell|sign|number)-/u.test(file));
    expect(details.at(-1)!.toMs - details[0]!.fromMs).toBeLessThan(30_000);
    expectGoodToHear(voice.sound(), inPause(voice));
    expectPausesBeforeDigits(voice);
    voice.keys.push('1');
    expect(await spelling).toBe('taken');
  });

  it('hold: a short sentence, then music that is quieter than speech', async () => {
    const hold = voice.play(onHold(language), call.signal);
    await voice.listen(20_000);
    const [sentence] = voice.played;
    expect(sentence!.toMs).toBeLessThan(4000);
    const sound = voice.sound();
    expectGoodToHear(sound.subarray(0, sentence!.toMs * 8));
    call.abort();
    await hold;
    const music = voice.sound().subarray(sentence!.toMs * 8);
    expect(rmsDbfs(music)).toBeLessThan(rmsDbfs(audibleOf(sound.subarray(0, sentence!.toMs * 8))) - 6);
  });

  it.each([
    'closed goodbye', 'closed-holiday goodbye', 'queue-full goodbye', 'overflow identity-not-passed', 'transferring-you identity-not-passed', 'transfer-failed',
    'agent-lost please-wait', 'callback-not-arranged please-wait',
  ])('%s: fifteen seconds at most', async (sentences) => {
    const names = sentences.split(' ') as PromptName[];
    const saying = say(voice, language, names, call.signal);
    await voice.listen(15_000);
    await saying;
    expect(voice.played.map(({ file }) => file)).toEqual(names.map((name) => `${language}/${name}.wav`));
    expectGoodToHear(voice.sound());
  });
});
