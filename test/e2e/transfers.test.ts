/** Calls that agents pass on: by their phone, by their screen, by the PBX behind it; to a colleague, a service, a number outside. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sleep, until } from '../peers/index.js';
import { Media } from './interop/media.js';
import { nextVersion, Phone, type Leg } from './interop/phone.js';
import { answerTo, citizenHz, follow, modes, Stage, type AgentDesk, type Caller, type Mode } from './interop/stage.js';

const hz = { anna: 900, bram: 1_300, 'anna-r': 900, 'bram-r': 1_300 } as const;
const outsideHz = 1_700;
const pair: Record<Mode, { first: keyof typeof hz; second: keyof typeof hz }> = { anchored: { first: 'anna', second: 'bram' }, released: { first: 'anna-r', second: 'bram-r' } };

let stage: Stage;
/** The trunk to the world outside: answers every call to a number. */
let outside: Phone;
let outsideMedia: Media;
let outsideLeg: Leg | undefined;
let outsideAnswers = true;

beforeAll(async () => {
  outside = await Phone.open(undefined);
  outsideMedia = await Media.open();
  outsideMedia.say(outsideHz);
  outside.onInvite = (leg) => {
    outsideLeg = leg;
    if (!outsideAnswers) return leg.respond(leg.invited!, { status: 486, reason: 'Busy Here' });
    follow(outsideMedia, leg.remoteSdp);
    leg.describe = (offer) => (offer ? answerTo(follow(outsideMedia, offer), offer) : leg.localSdp);
    leg.accept(answerTo(outsideMedia, leg.remoteSdp));
  };
  stage = await Stage.start({}, {
    agents: [
      { name: 'anna', mode: 'anchored', hz: hz.anna }, { name: 'bram', mode: 'anchored', hz: hz.bram },
      { name: 'anna-r', mode: 'released', hz: hz['anna-r'] }, { name: 'bram-r', mode: 'released', hz: hz['bram-r'] },
    ],
    outbound: `sip:{number}@127.0.0.1:${outside.port}`,
    more: {
      services: [{ name: 'Belastingen', numbers: ['+31207654321'], purposes: ['request_permit'] }],
      agents: { anna: { identities: ['201'] }, bram: { identities: ['202'] }, 'anna-r': { identities: ['301'] }, 'bram-r': { identities: ['302'] } },
      tenant: { outside: { trunk: 'anchored', allowed: ['+3120'] } },
    },
  });
});
afterEach(async () => {
  outsideAnswers = true;
  outsideLeg = undefined;
  await stage.clear();
});
afterAll(async () => {
  await stage?.stop();
  await outside?.stop();
  await outsideMedia?.stop();
});

/** A conversation with the first agent, and the second one at their desk but not yet free when the call comes. */
async function conversation(mode: Mode): Promise<{ caller: Caller; first: AgentDesk; second: AgentDesk; firstLeg: Leg }> {
  const { first: firstName, second: secondName } = pair[mode];
  const { caller, agent: first, agentLeg: firstLeg } = await conversationWith(mode, firstName);
  const second = await stage.agent(secondName);
  return { caller, first, second, firstLeg };
}

async function conversationWith(mode: Mode, name: string) {
  const agent = await stage.agent(name);
  const caller = await stage.dial(mode);
  expect(caller.final.status).toBe(200);
  await caller.media.press(`${caller.code}#`, { toneMs: 60, gapMs: 40 });
  await stage.connected(caller, agent);
  return { caller, agent, agentLeg: await agent.leg() };
}

async function hear(caller: Caller, other: Media, otherHz: number, wantedMs = 300): Promise<void> {
  const since = Date.now();
  await until(() => other.heardMs(citizenHz, since) >= wantedMs, 'the other side to hear the citizen', 8_000);
  await until(() => caller.media.heardMs(otherHz, since) >= wantedMs, 'the citizen to hear the other side', 8_000);
}

/** What a REFER led to, as its NOTIFYs told the phone. */
async function refer(leg: Leg, target: string): Promise<{ accepted: number; outcome: string }> {
  const answer = await leg.request('REFER', { headers: { 'Refer-To': target, 'Referred-By': '<sip:agent@127.0.0.1>' } });
  if (answer.status !== 202) return { accepted: answer.status!, outcome: '' };
  const last = await until(() => leg.heard.find((message) => message.method === 'NOTIFY' && message.status === undefined && /terminated/.test(message.get('subscription-state'))), 'the last NOTIFY', 25_000);
  expect(last.get('event')).toBe('refer');
  return { accepted: 202, outcome: last.body.trim() };
}

const shows = (desk: AgentDesk, caller: Caller) => Object.values(desk.screen.shown?.fields ?? {}).includes(caller.name);

/** The call has come to the second agent, with the identity; it is ended then. */
async function secondHasThem(mode: Mode, caller: Caller, first: AgentDesk, second: AgentDesk, firstLeg: Leg): Promise<void> {
  await firstLeg.saw('BYE');
  await second.screen.told('connected', { timeoutMs: 20_000 });
  expect(shows(second, caller)).toBe(true);
  expect(first.screen.shown).toBeUndefined();
  await hear(caller, second.media, hz[pair[mode].second]);
  await stage.end(caller, second);
}

describe.each(modes)('to a colleague, %s', (mode) => {
  it('by the phone, blind (REFER): the identity leaves the first screen and comes to the second', async () => {
    const { caller, first, second, firstLeg } = await conversation(mode);
    await stage.hearEachOther(caller, first);
    const { outcome } = await refer(firstLeg, `<${stage.phoneOf(pair[mode].second).uri}>`);
    expect(outcome).toBe('SIP/2.0 200 OK');
    await firstLeg.saw('BYE');
    expect(first.screen.shown).toBeUndefined();
    await stage.connected(caller, second);
    expect(second.screen.heard.find(({ message }) => message.type === 'offer')?.message).toMatchObject({ call: { transferredBy: pair[mode].first } });
    await hear(caller, second.media, hz[pair[mode].second]);
    await stage.end(caller, second);
  });

  it('by the screen, and back again', async () => {
    const { caller, first, second } = await conversation(mode);
    first.screen.say({ type: 'transfer', callId: first.screen.shown!.callId, target: { kind: 'agent', name: pair[mode].second } });
    await stage.connected(caller, second);
    expect(first.screen.shown).toBeUndefined();
    second.screen.say({ type: 'transfer', callId: second.screen.shown!.callId, target: { kind: 'agent', name: pair[mode].first } });
    await first.screen.told('connected', { count: 2, timeoutMs: 20_000 });
    expect(shows(first, caller)).toBe(true);
    expect(second.screen.shown).toBeUndefined();
    await hear(caller, first.media, hz[pair[mode].first]);
    await caller.leg.bye();
    await stage.gateway.untilEmpty();
    expect(first.screen.shown).toBeUndefined();
  });

  it('attended (REFER with Replaces): the colleague’s phone takes over', async () => {
    const { caller, first, second, firstLeg } = await conversation(mode);
    // The two phones have a call with each other; only its dialog matters here.
    const replaces = encodeURIComponent(`consult-${mode}@pbx;to-tag=abc;from-tag=def`);
    const { outcome } = await refer(firstLeg, `<${stage.phoneOf(pair[mode].second).uri}?Replaces=${replaces}>`);
    expect(outcome).toBe('SIP/2.0 200 OK');
    const secondLeg = await second.leg();
    expect(secondLeg.invited!.get('replaces')).toBe(`consult-${mode}@pbx;to-tag=abc;from-tag=def`);
    await secondHasThem(mode, caller, first, second, firstLeg);
  });

  it.each(['attended', 'blind', 'by the screen'])('%s, from a hold: the caller is not lost with the phone that held them', async (way) => {
    const { caller, first, second, firstLeg } = await conversation(mode);
    const held = `${firstLeg.localSdp.replace(/^a=(sendrecv|sendonly|recvonly|inactive)\r\n/gm, '')}a=sendonly\r\n`;
    expect((await firstLeg.reinvite(nextVersion(held, firstLeg.localSdp))).status).toBe(200);
    await sleep(700);
    const { uri } = stage.phoneOf(pair[mode].second);
    if (way === 'by the screen') first.screen.say({ type: 'transfer', callId: first.screen.shown!.callId, target: { kind: 'agent', name: pair[mode].second } });
    else expect((await refer(firstLeg, way === 'blind' ? `<${uri}>` : `<${uri}?Replaces=${encodeURIComponent(`held-${mode}@pbx;to-tag=abc;from-tag=def`)}>`)).outcome).toBe('SIP/2.0 200 OK');
    await secondHasThem(mode, caller, first, second, firstLeg);
  });

  it('attended, to a phone that does not take it: nothing has changed', async () => {
    const { caller, first, firstLeg } = await conversationWith(mode, pair[mode].first).then(({ agent, agentLeg, ...rest }) => ({ ...rest, first: agent, firstLeg: agentLeg }));
    // Nobody sits there: the phone refuses.
    const { outcome } = await refer(firstLeg, `<${stage.phoneOf(pair[mode].second).uri}?Replaces=${encodeURIComponent('x@y;to-tag=a;from-tag=b')}>`);
    expect(outcome).toMatch(/^SIP\/2.0 480/);
    expect(shows(first, caller)).toBe(true);
    await stage.hearEachOther(caller, first);
    await stage.end(caller, first);
  });

  it('who is busy or away: the call stays where it is', async () => {
    const { caller, agent: first, agentLeg } = await conversationWith(mode, pair[mode].first);
    expect((await refer(agentLeg, `<${stage.phoneOf(pair[mode].second).uri}>`)).outcome).toBe('SIP/2.0 486 Busy Here');
    first.screen.say({ type: 'transfer', callId: first.screen.shown!.callId, target: { kind: 'agent', name: pair[mode].second } });
    expect(await first.screen.told('transferFailed')).toMatchObject({ reason: 'busy' });
    expect(shows(first, caller)).toBe(true);
    await stage.hearEachOther(caller, first);
    await stage.end(caller, first);
  });
});

describe.each(modes)('to a number outside, %s', (mode) => {
  it('takes no identity along, and nothing of the citizen', async () => {
    const { caller, agent: first, agentLeg } = await conversationWith(mode, pair[mode].first);
    const { outcome } = await refer(agentLeg, '<sip:+31205550001@127.0.0.1>');
    expect(outcome).toBe('SIP/2.0 200 OK');
    const leg = await until(() => outsideLeg, 'the number outside to be called');
    expect(first.screen.shown).toBeUndefined();
    expect(leg.invited!.startLine).toContain('sip:+31205550001@');
    const text = JSON.stringify(leg.invited);
    expect(text).not.toContain(caller.name);
    expect(text).not.toContain('31612345678');
    await hear(caller, outsideMedia, outsideHz);
    expect((await stage.gateway.gateway.vault.stats()).claimed).toBe(0);
    await leg.bye();
    await caller.leg.saw('BYE');
  });

  it('that is busy: the caller is first in line again, not identified', async () => {
    outsideAnswers = false;
    const { caller, agent: first } = await conversationWith(mode, pair[mode].first);
    first.screen.say({ type: 'transfer', callId: first.screen.shown!.callId, target: { kind: 'number', number: '+31205550001' } });
    await first.screen.told('connected', { count: 2, timeoutMs: 20_000 });
    expect(first.screen.shown).toMatchObject({ fields: null });
    await stage.hearEachOther(caller, first);
    await caller.leg.bye();
  });

  it('that the site does not allow is refused', async () => {
    const { caller, agent: first, agentLeg } = await conversationWith(mode, pair[mode].first);
    for (const target of ['<sip:+31906001@127.0.0.1>', '<sip:somebody@elsewhere.example>', '<tel:+31906001>']) {
      expect((await refer(agentLeg, target)).outcome).toBe('SIP/2.0 404 Not Found');
    }
    for (const target of ['<http://127.0.0.1/>', '<sip:+31205550001@127.0.0.1;method=BYE>', 'nonsense', `<sip:a@b?Replaces=${encodeURIComponent('x"\r\nEvil: 1;to-tag=a;from-tag=b')}>`]) {
      expect((await refer(agentLeg, target)).accepted).toBe(400);
    }
    expect(outsideLeg).toBeUndefined();
    expect(shows(first, caller)).toBe(true);
    await stage.hearEachOther(caller, first);
    await stage.end(caller, first);
  });
});

describe('to a service', () => {
  it('by the screen: an agent of it gets the caller, with the identity', async () => {
    const { caller, first, second } = await conversation('anchored');
    // The first agent is on a break from here on, so that the second one is found.
    first.screen.say({ type: 'availability', value: 'break' });
    first.screen.say({ type: 'transfer', callId: first.screen.shown!.callId, target: { kind: 'service', name: 'Belastingen' } });
    await stage.connected(caller, second);
    expect(second.screen.heard.find(({ message }) => message.type === 'offer')?.message).toMatchObject({ call: { service: 'Belastingen' } });
    await hear(caller, second.media, hz.bram);
    await stage.end(caller, second);
  });
});

describe('by the PBX behind the agent’s phone', () => {
  it('re-INVITE and UPDATE with another identity: it follows to that agent’s screen, and to nobody outside', async () => {
    const { caller, first, second, firstLeg } = await conversation('anchored');
    const report = (identity: string, method: string) => firstLeg.reinvite(firstLeg.localSdp, { method, headers: { 'P-Asserted-Identity': identity } });
    await report('"Anna" <sip:201@127.0.0.1>', 'UPDATE');
    expect(shows(first, caller)).toBe(true);
    await report('"Bram" <sip:202@127.0.0.1>', 'INVITE');
    await until(() => shows(second, caller), 'the second screen to show the caller');
    expect(first.screen.shown).toBeUndefined();
    await report('<sip:+31205559999@127.0.0.1>', 'UPDATE');
    await until(() => second.screen.shown === undefined, 'the second screen to be empty');
    expect(first.screen.shown).toBeUndefined();
    // And back to an agent: the identity was kept sealed.
    await report('<sip:201@127.0.0.1>', 'UPDATE');
    await until(() => shows(first, caller), 'the first screen to show the caller again');
    await caller.leg.bye();
    await firstLeg.saw('BYE');
  });

  it('a first report that names nobody we know changes nothing; a later one that names a colleague does', async () => {
    const { caller, first, second, firstLeg } = await conversation('anchored');
    const report = (identity: string) => firstLeg.reinvite(firstLeg.localSdp, { method: 'UPDATE', headers: { 'P-Asserted-Identity': identity } });
    await report('<sip:desk-17@127.0.0.1>');
    expect(shows(first, caller)).toBe(true);
    await report('<sip:202@127.0.0.1>');
    await until(() => shows(second, caller), 'the second screen to show the caller');
    expect(first.screen.shown).toBeUndefined();
    await caller.leg.bye();
    await firstLeg.saw('BYE');
  });

  it('a conference at the PBX: stays with who made it, until another one is reported', async () => {
    const { caller, first, second, firstLeg } = await conversation('anchored');
    const report = (identity: string, contact: string) => firstLeg.reinvite(firstLeg.localSdp, { headers: { 'P-Asserted-Identity': identity, Contact: contact } });
    const at = `sip:conf-7@127.0.0.1:${stage.phoneOf('anna').port}`;
    await report('<sip:conf-7@127.0.0.1>', `<${at}>;isfocus`);
    await report('<sip:conf-7@127.0.0.1>', `<${at}>;isfocus;expires=60`);
    await stage.hearEachOther(caller, first);
    expect(shows(first, caller)).toBe(true);
    expect(second.screen.shown).toBeUndefined();
    // The agent has left, and the conference is over: the caller is with somebody outside.
    await report('<sip:+31205559999@127.0.0.1>', `<${at}>`);
    await until(() => first.screen.shown === undefined, 'the first screen to be empty');
    await report('<sip:202@127.0.0.1>', `<${at}>`);
    await until(() => shows(second, caller), 'the second screen to show the caller');
    await caller.leg.bye();
    await firstLeg.saw('BYE');
  });

  it('where nothing was reported before, the first report of a colleague moves it too', async () => {
    const { caller, first, second, firstLeg } = await conversation('anchored');
    await firstLeg.reinvite(firstLeg.localSdp, { method: 'UPDATE', headers: { 'P-Asserted-Identity': '<sip:202@127.0.0.1>' } });
    await until(() => shows(second, caller), 'the second screen to show the caller');
    expect(first.screen.shown).toBeUndefined();
    await caller.leg.bye();
    await firstLeg.saw('BYE');
  });

  it('a phone that is forwarded to a colleague: the first agent’s screen shows nothing, and the caller keeps the place', async () => {
    let rung = 0;
    const anna = await stage.agent('anna', (leg, media) => {
      rung += 1;
      // The first time the colleague picks it up, the second time the agent does.
      leg.accept(answerTo(media, leg.remoteSdp), rung === 1 ? { 'P-Asserted-Identity': '"Bram" <sip:202@127.0.0.1>' } : {});
    });
    const caller = await stage.dial('anchored');
    await caller.media.press(`${caller.code}#`, { toneMs: 60, gapMs: 40 });
    await stage.connected(caller, anna);
    expect(rung).toBe(2);
    expect(anna.screen.heard.filter(({ message }) => message.type === 'reveal')).toHaveLength(1);
    await stage.end(caller, anna);
  });
});
