/** What the two phones do once the call is up: hold, move, refresh, ask, both at once, through proxies. */
import dgram from 'node:dgram';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sleep, until } from '../peers/index.js';
import { Media } from './interop/media.js';
import { Message, unique } from './interop/message.js';
import { nextVersion, type Leg } from './interop/phone.js';
import { agentHz, answerTo, citizenHz, follow, modes, Stage } from './interop/stage.js';

let stage: Stage;
beforeAll(async () => { stage = await Stage.start(); });
afterEach(() => stage.clear());
afterAll(() => stage?.stop());

/** A new offer from that leg: its last description under changes. */
const offer = (leg: Leg, change: (sdp: string) => string = (sdp) => sdp) => leg.reinvite(nextVersion(change(leg.localSdp), leg.localSdp));
const directed = (direction: string) => (sdp: string) => `${sdp.replace(/^a=(sendrecv|sendonly|recvonly|inactive)\r\n/gm, '')}a=${direction}\r\n`;

describe('before the conversation', () => {
  it.each(modes)('the caller moves its media while it waits and while the agent’s phone rings, %s', async (mode) => {
    let ringing: Leg | undefined;
    const agent = await stage.agent(mode, (leg) => {
      leg.respond(leg.invited!, { status: 180, reason: 'Ringing' });
      ringing = leg;
    });
    const caller = await stage.dial(mode);
    const second = stage.add(await Media.open({ host: caller.media.host }));
    const moved = await caller.leg.reinvite(nextVersion(second.describe(), caller.leg.localSdp));
    expect(moved.status).toBe(200);
    caller.media.silence();
    second.follow(moved.body).say(citizenHz);
    await second.press(`${caller.code}#`);
    await until(() => ringing, 'the agent’s phone to ring', 10_000);
    const third = stage.add(await Media.open({ host: caller.media.host }));
    const again = await caller.leg.reinvite(nextVersion(third.describe(), caller.leg.localSdp));
    expect(again.status).toBe(200);
    second.silence();
    third.follow(again.body).say(citizenHz);
    caller.leg.describe = (theirs) => { follow(third, theirs); return third.describe(); };
    ringing!.accept(answerTo(agent.media, ringing!.remoteSdp));
    await stage.connected(caller, agent);
    await stage.hearEachOther({ ...caller, media: third }, agent);
    await stage.end({ ...caller, media: third }, agent);
  });

  it('refreshes by UPDATE without a description, OPTIONS and a repeated re-INVITE change nothing', async () => {
    const caller = await stage.dial('anchored', { headers: { Supported: 'timer', 'Session-Expires': '1800;refresher=uac' } });
    expect((await caller.leg.request('UPDATE', { headers: { Contact: caller.phone.contact, Supported: 'timer', 'Session-Expires': '1800;refresher=uac' } })).status).toBe(200);
    expect((await caller.leg.request('OPTIONS')).status).toBe(200);
    const refreshed = await caller.leg.reinvite(caller.leg.localSdp, { headers: { Supported: 'timer', 'Session-Expires': '1800;refresher=uac' } });
    expect(refreshed.status).toBe(200);
    expect(refreshed.body).toBe(caller.final.body);
    expect(refreshed.get('contact')).not.toBe('');
    await stage.end(caller);
  });
});

describe.each(modes)('in the conversation, %s', (mode) => {
  it('the caller holds, resumes and moves', async () => {
    const { caller, agent } = await stage.converse(mode);
    for (const held of [directed('sendonly'), directed('inactive'), (sdp: string) => sdp.replace(/^c=IN IP4 .*$/m, 'c=IN IP4 0.0.0.0')]) {
      const before = caller.leg.localSdp;
      expect((await offer(caller.leg, held)).status).toBe(200);
      await sleep(300);
      const since = Date.now();
      await sleep(400);
      expect(caller.media.heardMs(agentHz, since)).toBeLessThan(120);
      const resumed = await caller.leg.reinvite(nextVersion(before, caller.leg.localSdp));
      expect(resumed.status).toBe(200);
      follow(caller.media, resumed.body);
      await stage.hearEachOther(caller, agent, 200);
    }
    const moved = stage.add(await Media.open({ host: caller.media.host }));
    const final = await caller.leg.reinvite(nextVersion(moved.describe(), caller.leg.localSdp));
    expect(final.status).toBe(200);
    caller.media.silence();
    moved.follow(final.body).say(citizenHz);
    await stage.hearEachOther({ ...caller, media: moved }, agent);
    await stage.end({ ...caller, media: moved }, agent);
  });

  it('the agent holds, resumes and moves', async () => {
    const { caller, agent, agentLeg } = await stage.converse(mode);
    const before = agentLeg.localSdp;
    expect((await offer(agentLeg, directed('sendonly'))).status).toBe(200);
    expect((await agentLeg.reinvite(nextVersion(before, agentLeg.localSdp))).status).toBe(200);
    await stage.hearEachOther(caller, agent, 200);
    const moved = stage.add(await Media.open({ host: agent.media.host }));
    const final = await agentLeg.reinvite(nextVersion(answerTo(moved, agentLeg.remoteSdp), agentLeg.localSdp));
    expect(final.status).toBe(200);
    agent.media.silence();
    moved.follow(final.body).say(agentHz);
    await stage.hearEachOther(caller, { ...agent, media: moved });
    await stage.end(caller, agent);
  });

  it('re-INVITEs without an offer, from either side, also out of a hold', async () => {
    const { caller, agent, agentLeg } = await stage.converse(mode);
    for (const leg of [caller.leg, agentLeg]) {
      const asked = await leg.reinvite(undefined);
      expect(asked.status).toBe(200);
      expect(asked.body).toMatch(/^m=audio [1-9]/m);
      await sleep(300);
      await stage.hearEachOther(caller, agent, 200);
    }
    expect((await offer(caller.leg, directed('sendonly'))).status).toBe(200);
    caller.leg.describe = (theirs) => { follow(caller.media, theirs); return answerTo(caller.media, theirs); };
    const resumed = await caller.leg.reinvite(undefined);
    expect(resumed.body).not.toMatch(/^a=(recvonly|inactive)/m);
    await sleep(300);
    await stage.hearEachOther(caller, agent, 200);
    await stage.end(caller, agent);
  });

  it('an UPDATE with a description', async () => {
    const { caller, agent } = await stage.converse(mode);
    const moved = stage.add(await Media.open({ host: caller.media.host }));
    const final = await caller.leg.reinvite(nextVersion(moved.describe(), caller.leg.localSdp), { method: 'UPDATE' });
    expect(final.status).toBe(200);
    caller.media.silence();
    moved.follow(final.body).say(citizenHz);
    await stage.hearEachOther({ ...caller, media: moved }, agent);
    await stage.end({ ...caller, media: moved }, agent);
  });

  it('an offer that cannot be taken is refused and harms nothing', async () => {
    const { caller, agent } = await stage.converse(mode);
    const before = caller.leg.localSdp;
    expect((await caller.leg.reinvite(nextVersion(caller.media.describe({ formats: ['18', '101'] }), before))).status).toBe(488);
    await stage.hearEachOther(caller, agent);
    const again = await caller.leg.reinvite(nextVersion(nextVersion(before, before), before));
    expect(again.status).toBe(200);
    follow(caller.media, again.body);
    await stage.hearEachOther(caller, agent);
    await stage.end(caller, agent);
  });

  it('both sides renegotiate in the same moment', async () => {
    const { caller, agent, agentLeg } = await stage.converse(mode);
    // A phone with an offer of its own under way refuses ours (RFC 3261 section 14.2), and tries again later.
    const busy = new Set<Leg>();
    const insist = async (leg: Leg) => {
      const usual = leg.handlers['INVITE'] ?? leg.defaultHandler;
      leg.handlers['INVITE'] = (request, own) => (busy.has(leg) ? { status: 491, reason: 'Request Pending' } : usual(request, own));
      for (let attempt = 0; attempt < 5; attempt++) {
        busy.add(leg);
        const final = await offer(leg);
        busy.delete(leg);
        if (final.status === 200) return follow(leg === caller.leg ? caller.media : agent.media, final.body);
        expect([491, 500]).toContain(final.status);
        await sleep(leg === caller.leg ? 2_100 + Math.random() * 1_900 : Math.random() * 2_000);
      }
      throw new Error('never accepted');
    };
    await Promise.all([insist(caller.leg), insist(agentLeg)]);
    await stage.hearEachOther(caller, agent);
    await stage.end(caller, agent);
  }, 40_000);

  it('keys reach the other side in its own payload type', async () => {
    const { caller, agent } = await stage.converse(mode, { caller: { describe: { formats: ['0', '8', '96'], events: 96 } } });
    await stage.hearEachOther(caller, agent, 200);
    const since = Date.now();
    await caller.media.press('159#', { toneMs: 100, gapMs: 100 });
    await agent.media.press('2*8', { toneMs: 100, gapMs: 100 });
    await until(() => agent.media.keysHeard(agent.media.eventType!, since) === '159#', `the agent to hear the keys (heard ${agent.media.keysHeard(agent.media.eventType!, since)})`).catch((error: unknown) => { throw new Error(`${(error as Error).message}: ${agent.media.keysHeard(agent.media.eventType!, since)}`); });
    await until(() => caller.media.keysHeard(96, since) === '2*8', 'the citizen to hear the keys').catch((error: unknown) => { throw new Error(`${(error as Error).message}: ${caller.media.keysHeard(96, since)}`); });
    await stage.end(caller, agent);
  });

  it('everything in the dialog goes through the proxies that asked for it', async () => {
    const proxy = stage.add(await startProxy(mode === 'released' ? '127.0.0.2' : '127.0.0.1', stage.gateway.sip));
    const { caller, agent } = await stage.converse(mode, { caller: { sendTo: proxy.address } });
    await stage.hearEachOther(caller, agent);
    agent.screen.end();
    await caller.leg.saw('BYE');
    await stage.gateway.untilEmpty();
    const passed = proxy.passed.filter((message) => message.status === undefined).map((message) => message.method);
    expect(passed.filter((method) => method === 'ACK').length).toBeGreaterThanOrEqual(mode === 'released' ? 2 : 1);
    expect(passed.filter((method) => method === 'INVITE')).toHaveLength(mode === 'released' ? 2 : 1);
    expect(passed).toContain('BYE');
  });
});

/** A proxy that stays in the dialog (RFC 3261 section 16, loose routing only). */
async function startProxy(host: string, gateway: { host: string; port: number }) {
  const socket = dgram.createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, host, resolve));
  const { port } = socket.address();
  const own = `sip:${host}:${port};lr`;
  const passed: Message[] = [];
  const branches = new Map<string, string>();
  socket.on('message', (bytes, from) => {
    const text = bytes.toString();
    const message = Message.read(text);
    if (!message) return;
    passed.push(message);
    if (message.status !== undefined) {
      const back = /^\s*SIP\/2\.0\/UDP ([\d.]+)(?::(\d+))?/.exec(message.headers.filter(([name]) => name === 'via')[1]?.[1] ?? '');
      // A Via without a port means 5060 (RFC 3261 section 18.2.2).
      if (back) socket.send(text.replace(/^Via:.*\r\n/im, ''), Number(back[2] ?? 5060), back[1]);
      return;
    }
    const key = message.branch + message.method.replace('CANCEL', 'INVITE');
    if (!branches.has(key)) branches.set(key, unique('z9hG4bKp'));
    let forwarded = text.replace(/\r\n/, `\r\nVia: SIP/2.0/UDP ${host}:${port};branch=${branches.get(key)!}\r\n`);
    const route = message.get('route');
    if (route.includes(`${host}:${port}`)) forwarded = forwarded.replace(/^Route:\s*<[^>]*>\s*(,\s*|\r\n)/im, (_all, end: string) => (end.startsWith(',') ? 'Route: ' : ''));
    if (message.method === 'INVITE' && !/;tag=/.test(message.get('to'))) forwarded = forwarded.replace(/\r\n/, `\r\nRecord-Route: <${own}>\r\n`);
    const fromGateway = from.port === gateway.port && from.address === gateway.host;
    const target = /@([\d.]+):(\d+)/.exec(message.uri);
    if (fromGateway && target) socket.send(forwarded, Number(target[2]), target[1]);
    else socket.send(forwarded, gateway.port, gateway.host);
  });
  return { address: { host, port }, passed, stop: () => { socket.close(); } };
}
