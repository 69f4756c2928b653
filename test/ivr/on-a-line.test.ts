/** The dialogues on a telephone line: a real media server plays them, a telephone hears them and presses keys in its media stream. */
import type Mrf from 'drachtio-fsmrf';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MediaEndpoint } from '../../gateway/media/endpoint.js';
import { EndpointVoice } from '../../gateway/media/voice.js';
import { arrangeCallback, keepCompany, promptsFolder, SpokenCode, SpokenNumber, whisper, type PromptName } from '../../ivr/index.js';
import { heardPrompt } from '../e2e/heard-prompt.js';
import { concat, meanAbsolute } from '../engines/media/audio.js';
import { call, startRig, type Phone, type Rig } from '../engines/media/rig.js';
import { sleep, until } from '../peers/wait.js';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig({ ports: 20 });
});
afterAll(() => rig.close());

interface Line {
  voice: EndpointVoice;
  phone: Phone;
  /** Whether the telephone has heard this sentence, or enough of it to know it. */
  heard: (name: PromptName) => boolean;
  /** Waits until it hears this sentence; comparing sounds is work, so only the last seconds are looked at, now and then. */
  hears: (name: PromptName, withinMs?: number) => Promise<unknown>;
  hangUp: AbortController;
}

async function onALine(dialogue: (line: Line) => Promise<void>): Promise<void> {
  const { ep, phone } = await call(rig);
  const hangUp = new AbortController();
  const endpoint = new MediaEndpoint(ep as unknown as Mrf.Endpoint, new AbortController().signal, { commandTimeoutMs: 5000 }, pino({ enabled: false }));
  try {
    await dialogue({
      voice: new EndpointVoice(endpoint, promptsFolder), phone, hangUp,
      heard: (name) => heardPrompt(concat(phone.frames), name, 'en'),
      hears: (name, withinMs = 30_000) => until(() => heardPrompt(concat(phone.frames.slice(-150)), name, 'en'), `hearing ${name}`, withinMs, 400),
    });
  } finally {
    hangUp.abort();
    await endpoint.destroy();
    phone.close();
  }
}

describe.concurrent('on a line', () => {
  it('a caller arranges to be called back, with keys pressed while we speak', { timeout: 90_000 }, async () => {
    await onALine(async ({ voice, phone, heard, hears, hangUp }) => {
      const arranging = arrangeCallback(voice, { language: 'en', knownNumber: new SpokenNumber('+31201234567'), shortCode: new SpokenCode('4827'), judge: () => 'ok', canWait: false, countryCode: '31' }, hangUp.signal);
      // The second digit of the number: in the middle of being read.
      await hears('number-2');
      await phone.press('1');
      await hears('callback-code-why');
      expect((['callback-number', 'callback-code', 'number-4', 'number-8', 'number-2', 'number-7'] as const).filter((name) => !heard(name))).toEqual([]);
      expect(heard('callback-number-right')).toBe(false);
      await hears('said-again');
      await phone.press('#');
      const end = await arranging;
      expect(end).toMatchObject({ kind: 'arranged', codeTold: true });
      // Cut off by a key, the reading does not take the goodbye with it.
      expect(heard('callback-arranged')).toBe(true);
    });
  });

  it('a waiting caller is connected in the middle of an announcement, and a key pressed in it is not lost', { timeout: 60_000 }, async () => {
    await onALine(async ({ voice, phone, hears, hangUp }) => {
      const company = keepCompany(voice, 'en', hangUp.signal, 'nothing', { outlook: () => ({ place: 14, expectedWaitMs: 400_000 }) });
      await hears('you-are-number');
      await phone.press('7');
      await until(() => voice.keys.peek() > 0, 'the key');
      hangUp.abort();
      expect(await company).toBe('stopped');
      const frames = phone.frames.length;
      await expect(voice.keys.next(new AbortController().signal)).resolves.toBe('7');
      // Whatever is on its way; then silence, or nothing at all.
      await sleep(1500);
      expect(meanAbsolute(concat(phone.frames.slice(frames + 25)))).toBeLessThan(20);
    });
  });

  it('an agent hears who is calling and takes the call before the last word', { timeout: 60_000 }, async () => {
    await onALine(async ({ voice, phone, heard, hears, hangUp }) => {
      const telling = whisper(voice, { language: 'en', identified: 'verified', waitedMs: 20_000, spell: [{ label: 'spell-surname', text: 'Wubben' }] }, hangUp.signal);
      await hears('sign-w');
      expect((['whisper-identified', 'whisper-waited-briefly', 'spell-surname'] as const).filter((name) => !heard(name))).toEqual([]);
      await phone.press('1');
      expect(await telling).toBe('taken');
      expect(heard('whisper-take')).toBe(false);
    });
  });
});
