/** Agents without a screen at hand are told on their phone who calls: after their PIN, before the two are connected, and nobody else hears it. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../config/index.js';
import type { PromptName } from '../../ivr/index.js';
import { until } from '../peers/index.js';
import { heardPrompt, heardWhole } from './heard-prompt.js';
import type { Media } from './interop/media.js';
import { citizenHz, Stage, type AgentDesk } from './interop/stage.js';

const pin = '246810';
let stage: Stage;
afterEach(() => stage.clear());

async function said(media: Media, name: PromptName, since = 0): Promise<void> {
  await until(() => heardWhole(media.heard(since), name), `"${name}" to be said`, 60_000, 500);
}

/** An agent at the phone, whose screen is closed again. */
async function withoutScreen(): Promise<AgentDesk> {
  const anna = await stage.agent('anna');
  anna.screen.close();
  return anna;
}

describe('an agent by themselves', () => {
  beforeAll(async () => {
    stage = await Stage.start({}, {
      agents: [{ name: 'anna', mode: 'released', hz: 900 }],
      more: { agents: { anna: { whisper: { alwaysThere: true, spell: ['surname'], pin: await hashPassword(pin) } } } },
    });
  });
  afterAll(() => stage?.stop());

  it('spells the caller’s name after the PIN, and connects when 1 is pressed', async () => {
    const anna = await withoutScreen();
    const caller = await stage.dial('released', { attributes: { surname: 'Qux' } });
    await caller.media.press(`${caller.code}#`, { toneMs: 60, gapMs: 40 });
    await said(anna.media, 'whisper-pin');
    // Somebody else who picked up would hear no more than this.
    expect(heardPrompt(anna.media.heard(), 'spell-surname')).toBe(false);
    await anna.media.press('999999#');
    await said(anna.media, 'whisper-pin-wrong');
    expect(heardPrompt(anna.media.heard(), 'spell-surname')).toBe(false);
    await anna.media.press(`${pin}#`);
    await said(anna.media, 'spell-surname');
    for (const letter of ['q', 'u', 'x'] as const) await said(anna.media, `sign-${letter}`);
    // A voice has a little of every tone; the citizen speaks all the while.
    expect(anna.media.heardMs(citizenHz)).toBeLessThan(300);
    await anna.media.press('1');
    const since = Date.now();
    await until(() => anna.media.heardMs(citizenHz, since) > 200, 'the agent to hear the citizen', 15_000);
    await until(() => caller.media.heardMs(900, since) > 200, 'the citizen to hear the agent', 15_000);
    for (const name of ['whisper-identified', 'whisper-pin', 'spell-surname'] as const) expect(heardWhole(caller.media.heard(), name)).toBe(false);
    await caller.leg.bye();
  }, 150_000);

  it('declined: the phone rests, and rings again for the same caller, who keeps the place', async () => {
    const anna = await withoutScreen();
    const caller = await stage.dial('released');
    await caller.media.press('0');
    await said(anna.media, 'whisper-take');
    const first = await anna.leg();
    await anna.media.press('2');
    await first.saw('BYE');
    const again = await until(() => [...anna.phone.legs.values()].find((leg) => leg !== first && leg.invited && leg.localSdp !== ''), 'the phone to ring again', 20_000);
    const since = Date.now();
    await said(anna.media, 'whisper-take', since);
    await anna.media.press('1');
    await until(() => anna.media.heardMs(citizenHz, since) > 200, 'the agent to hear the citizen', 15_000);
    await caller.leg.bye();
    await again.saw('BYE');
  }, 150_000);
});

describe('a colleague who is brought in', () => {
  beforeAll(async () => {
    stage = await Stage.start({}, {
      agents: [{ name: 'anna', mode: 'anchored', hz: 900 }, { name: 'bram', mode: 'anchored', hz: 1_300 }],
      // Calls come to bram alone.
      more: { service: { queue: { skills: ['desk'] } }, agents: { bram: { skills: ['desk'] }, anna: { whisper: { alwaysThere: true, spell: ['surname'], pin: await hashPassword(pin) } } } },
    });
  });
  afterAll(() => stage?.stop());

  it('is told on the phone who calls, alone, and is heard by the two when 1 is pressed', async () => {
    const anna = await withoutScreen();
    const bram = await stage.agent('bram');
    const caller = await stage.dial('anchored', { attributes: { surname: 'Qux' } });
    await caller.media.press(`${caller.code}#`, { toneMs: 60, gapMs: 40 });
    await bram.screen.told('connected', { timeoutMs: 20_000 });
    bram.screen.say({ type: 'bringIn', callId: bram.screen.shown!.callId, colleague: 'anna' });
    await said(anna.media, 'whisper-pin');
    await anna.media.press(`${pin}#`);
    await said(anna.media, 'spell-surname');
    await said(anna.media, 'sign-x');
    expect(anna.media.heardMs(citizenHz)).toBeLessThan(300);
    await anna.media.press('1');
    const since = Date.now();
    await until(() => anna.media.heardMs(citizenHz, since) > 200 && anna.media.heardMs(1_300, since) > 200, 'the colleague to hear both', 15_000);
    await until(() => caller.media.heardMs(900, since) > 200 && bram.media.heardMs(900, since) > 200, 'both to hear the colleague', 15_000);
    for (const name of ['whisper-identified', 'whisper-pin', 'spell-surname', 'sign-x'] as const) {
      for (const { media } of [caller, bram]) expect(heardWhole(media.heard(), name)).toBe(false);
    }
    // Who has the call leaves; the one who was brought in goes on with the caller, without a screen still.
    bram.screen.say({ type: 'leave', callId: bram.screen.shown!.callId });
    await until(() => bram.screen.shown === undefined, 'the screen of who left to be empty', 15_000);
    const alone = Date.now();
    await until(() => anna.media.heardMs(citizenHz, alone) > 200 && caller.media.heardMs(900, alone) > 200, 'the two who are left to hear each other', 15_000);
    await caller.leg.bye();
    await (await anna.leg()).saw('BYE');
  }, 150_000);

  it('who leaves the configuration while the PIN is asked for hears nothing of the caller', async () => {
    const anna = await withoutScreen();
    const bram = await stage.agent('bram');
    const caller = await stage.dial('anchored', { attributes: { surname: 'Qux' } });
    await caller.media.press(`${caller.code}#`, { toneMs: 60, gapMs: 40 });
    await bram.screen.told('connected', { timeoutMs: 20_000 });
    bram.screen.say({ type: 'bringIn', callId: bram.screen.shown!.callId, colleague: 'anna' });
    await said(anna.media, 'whisper-pin');
    stage.gateway.renew((file) => ({ agents: (file['agents'] as { name: string }[]).filter(({ name }) => name === 'bram') }));
    await anna.media.press(`${pin}#`);
    await said(anna.media, 'whisper-pin-wrong');
    expect(heardPrompt(anna.media.heard(), 'spell-surname')).toBe(false);
    await caller.leg.bye();
    await (await anna.leg()).saw('BYE');
    stage.gateway.renew(() => ({}));
  }, 150_000);
});
