/** A colleague in the conversation: who hears whom, who sees what and when, and what becomes of it when one of the three goes. */
import { rmSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { linesOf, parsed, trailFiles } from '../audit/support.js';
import { scratchFolder, sleep, until } from '../peers/index.js';
import { msOfTone } from '../peers/tone.js';
import type { Media } from './interop/media.js';
import { nextVersion, type Leg } from './interop/phone.js';
import { answerTo, citizenHz, modes, plainAgent, Stage, type AgentBehaviour, type AgentDesk, type Caller, type Mode } from './interop/stage.js';

const hz = { anna: 900, bram: 1_300, 'anna-r': 900, 'bram-r': 1_300 } as const;
type Name = keyof typeof hz;
const pair: Record<Mode, { first: Name; second: Name }> = { anchored: { first: 'anna', second: 'bram' }, released: { first: 'anna-r', second: 'bram-r' } };

let stage: Stage;
const folder = scratchFolder('conference');
beforeAll(async () => {
  stage = await Stage.start({ ringTimeoutMs: 4_000, ackTimeoutMs: 1_500 }, {
    agents: (Object.keys(hz) as Name[]).map((name) => ({ name, mode: name.endsWith('-r') ? 'released' : 'anchored', hz: hz[name] })),
    audit: { folder, node: 'gw1' },
  });
});
afterEach(() => stage.clear());
afterAll(async () => {
  await stage?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Three { mode: Mode; caller: Caller; first: AgentDesk; second: AgentDesk; callId: string }

/** A conversation with the first agent, and the second one free at their desk. */
async function conversation(mode: Mode, behave?: AgentBehaviour): Promise<Three> {
  const first = await stage.agent(pair[mode].first);
  const caller = await stage.dial(mode);
  expect(caller.final.status).toBe(200);
  await caller.media.press(`${caller.code}#`, { toneMs: 60, gapMs: 40 });
  await stage.connected(caller, first);
  const second = await stage.agent(pair[mode].second, behave);
  // Whose phone was not answered before is left alone for a while.
  await until(() => {
    const last = second.screen.heard.findLast(({ message }) => message.type === 'seat')?.message;
    return last?.type === 'seat' && last.seat.state === 'available';
  }, 'the colleague to be free', 40_000);
  return { mode, caller, first, second, callId: first.screen.shown!.callId };
}

/** The same with the second one in it. */
async function three(mode: Mode): Promise<Three> {
  const it = await conversation(mode);
  ask(it);
  await it.second.screen.told('connected', { timeoutMs: 15_000 });
  return it;
}

const ask = ({ first, mode, callId }: Three) => first.screen.say({ type: 'bringIn', callId, colleague: pair[mode].second });
const shows = (desk: AgentDesk, caller: Caller) => Object.values(desk.screen.shown?.fields ?? {}).includes(caller.name);
/** What the first agent's page says of the colleague now. */
const guestOn = ({ first }: Three) => {
  for (const { message } of [...first.screen.heard].reverse()) if (message.type === 'update' || message.type === 'offer') return message.call.guest;
  return undefined;
};

/** From now on each of these hears exactly the others. */
async function hearExactly(all: { media: Media; hz: number }[], silent: { media: Media }[] = []): Promise<void> {
  // What is on its way still came before.
  await sleep(250);
  const since = Date.now();
  const tones = all.map((one) => one.hz);
  for (const { media, hz: own } of all) {
    for (const tone of tones.filter((other) => other !== own)) await until(() => msOfTone(media.heard(since), tone) >= 300, `${tone} Hz to be heard by who says ${own}`, 8_000);
    expect(msOfTone(media.heard(since), own)).toBe(0);
  }
  for (const { media } of silent) for (const tone of tones) expect(msOfTone(media.heard(since), tone)).toBe(0);
}

const citizen = ({ caller }: Three) => ({ media: caller.media, hz: citizenHz });
const agentOne = ({ first, mode }: Three) => ({ media: first.media, hz: hz[pair[mode].first] });
const agentTwo = ({ second, mode }: Three) => ({ media: second.media, hz: hz[pair[mode].second] });

/** What the trail says of this call, once it is all on the disk. */
async function wasRecorded(callId: string, acts: readonly string[]): Promise<void> {
  await until(() => recorded(callId).length >= acts.length, 'the trail').catch(() => undefined);
  expect(recorded(callId)).toEqual(acts);
}

/** As `act agent why`. */
function recorded(callId: string): string[] {
  return trailFiles(folder).flatMap((file) => linesOf(folder, file)).map(parsed).filter((line) => line['callId'] === callId)
    .map((line) => [line['act'], line['agent'], line['why'] ?? line['because'] ?? line['toName']].join(' '));
}

describe.each(modes)('a colleague is brought in, %s', (mode) => {
  it('rings while the two go on, sees who calls before they hear them, then all three hear each other; the caller hangs up and both screens are empty', async () => {
    let pickUp = (): void => undefined;
    const it = await conversation(mode, (leg, media) => {
      leg.respond(leg.invited!, { status: 180, reason: 'Ringing' });
      pickUp = () => leg.accept(answerTo(media, leg.remoteSdp));
    });
    const { caller, first, second } = it;
    // In the order in which it happens, with whether the colleague heard anybody by then.
    let heardBeforePop = 0;
    second.screen.onPop = () => (heardBeforePop = second.media.heardMs(citizenHz) + second.media.heardMs(hz[pair[mode].first]));
    ask(it);
    expect((await second.screen.told('offer')).call).toMatchObject({ phase: 'ringing', broughtInBy: pair[mode].first, canTransfer: false, canIdentify: false });
    await second.leg();
    expect(guestOn(it)).toEqual({ name: pair[mode].second, isJoined: false });
    expect(second.screen.shown).toBeUndefined();
    await hearExactly([citizen(it), agentOne(it)], [agentTwo(it)]);
    pickUp();
    await second.screen.told('connected', { timeoutMs: 15_000 });
    expect(shows(second, caller)).toBe(true);
    expect(heardBeforePop).toBe(0);
    expect(second.screen.toldAt('reveal')!).toBeLessThan(second.screen.toldAt('connected')!);
    expect(shows(first, caller)).toBe(true);
    expect(guestOn(it)).toEqual({ name: pair[mode].second, isJoined: true });
    await hearExactly([citizen(it), agentOne(it), agentTwo(it)]);
    await caller.leg.bye();
    await Promise.all([first.screen.told('clear'), second.screen.told('clear')]);
    expect([first.screen.shown, second.screen.shown]).toEqual([undefined, undefined]);
    await stage.gateway.untilEmpty();
    await wasRecorded(it.callId, [
      `shown ${pair[mode].first} answered`, `broughtIn ${pair[mode].first} ${pair[mode].second}`, `shown ${pair[mode].second} broughtIn`,
      `cleared ${pair[mode].first} ended`, `cleared ${pair[mode].second} ended`,
    ]);
  });

  it.each([
    ['leaves on the page', async (it: Three) => {
      it.first.screen.say({ type: 'leave', callId: it.callId });
      await (await it.first.leg()).saw('BYE');
    }],
    ['hangs up', async (it: Three) => { await (await it.first.leg()).bye(); }],
  ] as const)('the first agent %s: caller and colleague go on, and the identity has left the first screen', async (_how, leave) => {
    const it = await three(mode);
    const { caller, first, second } = it;
    await hearExactly([citizen(it), agentOne(it), agentTwo(it)]);
    const leftAt = performance.now();
    await leave(it);
    expect((await first.screen.told('clear')).reason).toBe('left');
    expect(first.screen.shown).toBeUndefined();
    expect(first.screen.toldAt('clear')! - leftAt).toBeLessThan(1_000);
    await hearExactly([citizen(it), agentTwo(it)], [agentOne(it)]);
    expect(shows(second, caller)).toBe(true);
    // The call is the colleague's now: they may pass it on, and end it.
    await until(() => second.screen.heard.some(({ message }) => message.type === 'update' && message.call.canTransfer && message.call.transferredBy === pair[mode].first && message.call.broughtInBy === null), 'the colleague’s page to be told');
    second.screen.say({ type: 'transfer', callId: it.callId, target: { kind: 'agent', name: pair[mode].first } });
    await first.screen.told('connected', { count: 2, timeoutMs: 20_000 });
    expect(second.screen.shown).toBeUndefined();
    expect(shows(first, caller)).toBe(true);
    await hearExactly([citizen(it), agentOne(it)], [agentTwo(it)]);
    first.screen.end();
    await caller.leg.saw('BYE');
    await stage.gateway.untilEmpty();
    await wasRecorded(it.callId, [
      `shown ${pair[mode].first} answered`, `broughtIn ${pair[mode].first} ${pair[mode].second}`, `shown ${pair[mode].second} broughtIn`,
      `cleared ${pair[mode].first} left`, `transferred ${pair[mode].first} ${pair[mode].second}`,
      `transferred ${pair[mode].second} ${pair[mode].first}`, `cleared ${pair[mode].second} transferred`, `shown ${pair[mode].first} transferred`, `cleared ${pair[mode].first} ended`,
    ]);
  });

  it.each([
    ['is taken out', (it: Three) => { it.first.screen.say({ type: 'guestOut', callId: it.callId }); }, undefined],
    ['leaves on the page', (it: Three) => { it.second.screen.say({ type: 'leave', callId: it.callId }); }, 'left'],
    ['presses end', (it: Three) => { it.second.screen.end(); }, 'left'],
    ['hangs up', async (it: Three) => { await (await it.second.leg()).bye(); }, 'left'],
  ] as const)('the colleague %s: the two go on, and may bring them in again', async (_how, leave, reason) => {
    const it = await three(mode);
    const { caller, first, second } = it;
    await leave(it);
    expect((await second.screen.told('clear')).reason).toBe('left');
    expect(second.screen.shown).toBeUndefined();
    if (reason) expect(await first.screen.told('guestGone')).toMatchObject({ reason });
    await until(() => guestOn(it) === null, 'the first page to have no guest');
    await hearExactly([citizen(it), agentOne(it)], [agentTwo(it)]);
    expect(shows(first, caller)).toBe(true);
    ask(it);
    await second.screen.told('connected', { count: 2, timeoutMs: 15_000 });
    await hearExactly([citizen(it), agentOne(it), agentTwo(it)]);
    await stage.end(caller, first);
    expect(second.screen.shown).toBeUndefined();
  });

  it('one of the two agents holds, while the other goes on hearing the caller, and comes back', async () => {
    const it = await three(mode);
    const { caller, first, second } = it;
    for (const [desk, own, other, beside] of [[first, agentOne, agentTwo, second], [second, agentTwo, agentOne, first]] as const) {
      const leg = await desk.leg();
      const before = leg.localSdp;
      expect((await leg.reinvite(nextVersion(`${before.replace(/^a=(sendrecv|sendonly|recvonly|inactive)\r\n/gm, '')}a=sendonly\r\n`, before))).status).toBe(200);
      await sleep(400);
      const since = Date.now();
      await until(() => beside.media.heardMs(citizenHz, since) >= 300, 'the other one to hear the citizen', 6_000);
      expect(desk.media.heardMs(citizenHz, since)).toBe(0);
      expect((await leg.reinvite(nextVersion(before, leg.localSdp))).status).toBe(200);
      await hearExactly([citizen(it), own(it), other(it)]);
    }
    await stage.end(caller, first);
  });

  const busy: AgentBehaviour = (leg) => leg.respond(leg.invited!, { status: 486, reason: 'Busy Here' });
  it.each<[string, AgentBehaviour, string, ((second: AgentDesk) => void)?]>([
    ['never answers', (leg) => leg.respond(leg.invited!, { status: 180, reason: 'Ringing' }), 'noAnswer'],
    ['is busy at the phone', busy, 'busy'],
    ['declines', (leg) => leg.respond(leg.invited!, { status: 603, reason: 'Decline' }), 'refused'],
    ['has a screen that draws nothing', plainAgent(), 'noAnswer', ({ screen }) => { screen.acknowledges = false; }],
  ])('who %s: the two hear nothing of it, the page says why, and nothing stays', async (_what, behave, reason, prepare) => {
    const it = await conversation(mode, behave);
    const { caller, first, second } = it;
    prepare?.(second);
    ask(it);
    await second.screen.told('offer');
    await hearExactly([citizen(it), agentOne(it)], [agentTwo(it)]);
    expect(await first.screen.told('guestGone')).toMatchObject({ reason });
    expect(guestOn(it)).toBeNull();
    await second.screen.told('clear');
    expect(second.screen.shown).toBeUndefined();
    await hearExactly([citizen(it), agentOne(it)], [agentTwo(it)]);
    await stage.end(caller, first);
  });
});

describe('a colleague is brought in', () => {
  it('not while they have another call, are away or do not exist; a number outside neither', async () => {
    const it = await conversation('anchored');
    const { caller, first, second } = it;
    const say = async (colleague: string, count: number) => {
      first.screen.say({ type: 'bringIn', callId: it.callId, colleague });
      return (await first.screen.told('transferFailed', { count })).reason;
    };
    expect(await say('nobody', 1)).toBe('unknown');
    expect(await say('anna', 2)).toBe('unknown');
    second.screen.setAvailable(false);
    await until(async () => (await say('bram', first.screen.heard.filter(({ message }) => message.type === 'transferFailed').length + 1)) === 'busy', 'bram to be on a break');
    expect(await say('bram-r', first.screen.heard.filter(({ message }) => message.type === 'transferFailed').length + 1)).toBe('busy');
    await stage.end(caller, first);
  });

  it('the agent changes their mind while the phone rings: it stops', async () => {
    let ringing: Leg | undefined;
    const it = await conversation('anchored', (leg) => {
      ringing = leg;
      leg.respond(leg.invited!, { status: 180, reason: 'Ringing' });
    });
    ask(it);
    const leg = await until(() => ringing, 'the colleague’s phone');
    await until(() => guestOn(it)?.isJoined === false, 'the page to say so');
    it.first.screen.say({ type: 'guestOut', callId: it.callId });
    await leg.saw('CANCEL');
    await it.second.screen.told('clear');
    await stage.end(it.caller, it.first);
  });

  it('a page that comes back shows the caller again, and who is there', async () => {
    const it = await three('anchored');
    const { caller, second } = it;
    const again = stage.add(await stage.gateway.screen('bram'));
    await again.told('reveal');
    expect(Object.values(again.shown!.fields!)).toContain(caller.name);
    expect(second.screen.shown).toBeUndefined();
    const firstAgain = stage.add(await stage.gateway.screen('anna'));
    expect((await firstAgain.told('hello')).call).toMatchObject({ guest: { name: 'bram', isJoined: true } });
    await hearExactly([citizen(it), agentOne(it), agentTwo(it)]);
    await caller.leg.bye();
    await Promise.all([again.told('clear'), firstAgain.told('clear')]);
    await stage.gateway.untilEmpty();
  });
});
