/** What happens while the media of a call is on its way from one place to another: who hangs up then, and whose phone refuses. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sleep, until } from '../peers/index.js';
import { Media } from './interop/media.js';
import type { Leg } from './interop/phone.js';
import { citizenHz, follow, plainAgent, Stage, type AgentDesk, type Caller } from './interop/stage.js';

const hz = { 'anna-r': 900, 'bram-r': 1_300, cees: 1_700 } as const;
type Name = keyof typeof hz;

let stage: Stage;
beforeAll(async () => {
  // Caller, anna and bram are of a trunk that releases media; cees' phone is always reached by way of the media server.
  stage = await Stage.start({ ackTimeoutMs: 1_500 }, { agents: (Object.keys(hz) as Name[]).map((name) => ({ name, mode: name.endsWith('-r') ? 'released' : 'anchored', hz: hz[name] })) });
});
afterEach(() => stage.clear());
afterAll(() => stage?.stop());

/** From now on this phone leaves new offers unanswered, until it is told how to answer them. */
function holdOffers(leg: Leg): { answer(): void; refuse(): void } {
  let decide = (_accept: boolean): void => undefined;
  const decided = new Promise<boolean>((resolve) => (decide = resolve));
  leg.handlers['INVITE'] = async (request, own) => ((await decided) ? leg.defaultHandler(request, own) : { status: 488, reason: 'Not Acceptable Here' });
  return { answer: () => decide(true), refuse: () => decide(false) };
}

function refuseOffers(leg: Leg): { accept(): void } {
  leg.handlers['INVITE'] = () => ({ status: 488, reason: 'Not Acceptable Here' });
  return { accept: () => { delete leg.handlers['INVITE']; } };
}

/** An agent at their desk, whom the desk would give a call now. */
async function free(name: Name): Promise<AgentDesk> {
  const desk = await stage.agent(name);
  await isFree(desk);
  return desk;
}

async function isFree({ screen }: AgentDesk): Promise<void> {
  await until(() => {
    const last = screen.heard.findLast(({ message }) => message.type === 'seat')?.message;
    return last?.type === 'seat' && last.seat.state === 'available';
  }, 'the agent to be free', 40_000);
}

interface Two { caller: Caller; anna: AgentDesk; annaLeg: Leg; callId: string }

/** The agent's phone has agreed to send to the caller's, which has not answered yet. */
async function halfReleased(prepare: (leg: Leg) => void = () => undefined): Promise<Two & { phone: ReturnType<typeof holdOffers> }> {
  const anna = await stage.agent('anna-r');
  let phone: ReturnType<typeof holdOffers> | undefined;
  const caller = await stage.dial('released', { leg: (leg) => { phone = holdOffers(leg); prepare(leg); } });
  await caller.media.press(`${caller.code}#`, { toneMs: 60, gapMs: 40 });
  await caller.leg.saw('INVITE', { timeoutMs: 20_000 });
  return { caller, anna, annaLeg: await anna.leg(), callId: anna.screen.shown!.callId, phone: phone! };
}

/** Media flows between the phones. */
async function released(): Promise<Two> {
  const anna = await stage.agent('anna-r');
  const caller = await stage.dial('released');
  await caller.media.press(`${caller.code}#`, { toneMs: 60, gapMs: 40 });
  await stage.connected(caller, anna);
  return { caller, anna, annaLeg: await anna.leg(), callId: anna.screen.shown!.callId };
}

/** From now on the caller hears exactly these, and they hear the caller. */
async function talksWith(caller: Caller, ...others: [AgentDesk, Name][]): Promise<void> {
  await sleep(250);
  const since = Date.now();
  for (const [desk, name] of others) {
    await until(() => desk.media.heardMs(citizenHz, since) >= 300, `${name} to hear the citizen`, 8_000);
    await until(() => caller.media.heardMs(hz[name], since) >= 300, `the citizen to hear ${name}`, 8_000);
  }
  for (const name of Object.keys(hz) as Name[]) if (!others.some(([, one]) => one === name)) expect(caller.media.heardMs(hz[name], since)).toBe(0);
}

/** The agent hangs up: that phone says nothing more to anybody. */
async function hangUp({ anna, annaLeg }: Pick<Two, 'anna' | 'annaLeg'>): Promise<void> {
  anna.media.silence();
  await annaLeg.bye();
}

const mediaFailed = () => stage.gateway.metric(/^gateway_calls_ended_total\{reason="mediaFailed",identity="verified"\}/);
const refer = (leg: Leg, target: string) => leg.request('REFER', { headers: { 'Refer-To': target, 'Referred-By': '<sip:agent@127.0.0.2>' } });
const attended = (name: Name) => `<${stage.phoneOf(name).uri}?Replaces=${encodeURIComponent('consult@pbx;to-tag=abc;from-tag=def')}>`;

describe('while the phones are being told of each other', () => {
  it.each([
    ['hangs up', hangUp],
    ['passes the caller on', async ({ annaLeg }: Two) => { expect((await refer(annaLeg, `<${stage.phoneOf('cees').uri}>`)).status).toBe(202); }],
  ] as const)('the agent %s: the caller’s phone comes back to the media server, and the next agent talks with them', async (_how, leave) => {
    const { caller, anna, annaLeg, phone, callId } = await halfReleased();
    const cees = await free('cees');
    await leave({ caller, anna, annaLeg, callId });
    await anna.screen.told('clear');
    phone.answer();
    await caller.leg.saw('INVITE', { count: 2 });
    await stage.connected(caller, cees);
    await talksWith(caller, [cees, 'cees']);
    await stage.end(caller, cees);
  });

  it('the agent’s phone refuses what the caller’s answered, and the media server too: the caller’s comes back', async () => {
    const moved = stage.add(await Media.open({ host: '127.0.0.2' }));
    const { caller, anna, annaLeg, phone } = await halfReleased((leg) => {
      // The phone takes another port from then on, so that the agent's has to be told.
      leg.describe = (theirs) => { follow(moved, theirs); return moved.describe(); };
    });
    const cees = await free('cees');
    refuseOffers(annaLeg);
    caller.media.silence();
    moved.say(citizenHz);
    phone.answer();
    await anna.screen.told('clear');
    await annaLeg.saw('BYE');
    await stage.connected(caller, cees);
    await talksWith({ ...caller, media: moved }, [cees, 'cees']);
    await stage.end({ ...caller, media: moved }, cees);
  });

  it('the agent names a colleague’s phone that is to take over: it rings when it is known where the media is', async () => {
    const { caller, anna, annaLeg, phone } = await halfReleased();
    const bram = await free('bram-r');
    expect((await refer(annaLeg, attended('bram-r'))).status).toBe(202);
    await Promise.race([bram.screen.told('reveal').catch(() => undefined), sleep(500)]);
    phone.answer();
    await bram.screen.told('connected', { timeoutMs: 15_000 });
    await annaLeg.saw('BYE');
    expect(anna.screen.shown).toBeUndefined();
    await talksWith(caller, [bram, 'bram-r']);
    await stage.end(caller, bram);
  });

  it('the page is loaded again and then the phone refuses: the caller does not stay in silence', async () => {
    let phone: ReturnType<typeof holdOffers> | undefined;
    const anna = await stage.agent('anna-r', (leg, media) => {
      phone = holdOffers(leg);
      return plainAgent()(leg, media);
    });
    const caller = await stage.dial('released');
    await caller.media.press(`${caller.code}#`, { toneMs: 60, gapMs: 40 });
    const annaLeg = await anna.leg();
    await annaLeg.saw('INVITE', { count: 2, timeoutMs: 15_000 });
    const again = stage.add(await stage.gateway.screen('anna-r'));
    await again.told('reveal');
    const next = await free('cees');
    phone!.refuse();
    await again.told('clear');
    await annaLeg.saw('BYE');
    await stage.connected(caller, next);
    await talksWith(caller, [next, 'cees']);
    await stage.end(caller, next);
  });
});

describe('while a released call comes back to the media server', () => {
  const ways = [
    ['a colleague is brought in', (two: Two, bram: AgentDesk) => {
      two.anna.screen.say({ type: 'bringIn', callId: two.callId, colleague: 'bram-r' });
      return bram.screen.told('reveal', { timeoutMs: 15_000 });
    }],
    ['a colleague’s phone is to take over', async ({ annaLeg }: Two) => { expect((await refer(annaLeg, attended('bram-r'))).status).toBe(202); }],
  ] as const;

  it.each(ways)('%s, and the agent’s phone refuses: the call ends, since nobody hears anybody', async (_what, begin) => {
    const two = await released();
    const { caller, anna, annaLeg } = two;
    const bram = await free('bram-r');
    const before = await mediaFailed();
    refuseOffers(annaLeg);
    await begin(two, bram);
    await caller.leg.saw('BYE', { timeoutMs: 15_000 });
    await annaLeg.saw('BYE');
    await until(() => anna.screen.shown === undefined && bram.screen.shown === undefined, 'the screens to be empty');
    await stage.gateway.untilEmpty();
    expect(await mediaFailed()).toBe(before + 1);
  });

  it('a colleague is brought in, and the caller’s phone refuses: the two go on, and may try it again', async () => {
    const two = await released();
    const { caller, anna, callId } = two;
    const bram = await free('bram-r');
    const phone = refuseOffers(caller.leg);
    const bringIn = () => anna.screen.say({ type: 'bringIn', callId, colleague: 'bram-r' });
    bringIn();
    expect(await anna.screen.told('guestGone', { timeoutMs: 15_000 })).toMatchObject({ reason: 'unknown' });
    await bram.screen.told('clear');
    await talksWith(caller, [anna, 'anna-r']);
    phone.accept();
    await isFree(bram);
    bringIn();
    await bram.screen.told('connected', { timeoutMs: 15_000 });
    await talksWith(caller, [anna, 'anna-r'], [bram, 'bram-r']);
    await stage.end(caller, anna);
  }, 90_000);

  it('for a phone that is to take over, and the agent hangs up: it rings all the same, and takes over', async () => {
    const { caller, anna, annaLeg } = await released();
    const bram = await free('bram-r');
    const phone = holdOffers(caller.leg);
    expect((await refer(annaLeg, attended('bram-r'))).status).toBe(202);
    await caller.leg.saw('INVITE', { count: 2 });
    await hangUp({ anna, annaLeg });
    await anna.screen.told('clear');
    phone.answer();
    expect((await bram.leg()).invited!.get('replaces')).toBe('consult@pbx;to-tag=abc;from-tag=def');
    await bram.screen.told('connected', { timeoutMs: 15_000 });
    await talksWith(caller, [bram, 'bram-r']);
    await stage.end(caller, bram);
  });

  it.each([
    ['hangs up while the caller’s phone is being told', 'caller', hangUp],
    ['leaves on the page while their phone is being told', 'agent', ({ anna, callId }: Two) => { anna.screen.say({ type: 'leave', callId }); }],
  ] as const)('for a colleague who is brought in, and the agent %s: the colleague has the call', async (_how, told, leave) => {
    const two = await released();
    const { caller, anna, annaLeg, callId } = two;
    const bram = await free('bram-r');
    const phone = holdOffers(told === 'caller' ? caller.leg : annaLeg);
    anna.screen.say({ type: 'bringIn', callId, colleague: 'bram-r' });
    await (told === 'caller' ? caller.leg.saw('INVITE', { count: 2, timeoutMs: 15_000 }) : annaLeg.saw('INVITE', { count: 3, timeoutMs: 15_000 }));
    await leave(two);
    await anna.screen.told('clear');
    phone.answer();
    await bram.screen.told('connected', { timeoutMs: 15_000 });
    if (told === 'agent') await annaLeg.saw('BYE');
    await talksWith(caller, [bram, 'bram-r']);
    await stage.end(caller, bram);
  });
});
