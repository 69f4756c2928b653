/** Agents' phones of every legitimate kind, and what becomes of calls they do not take. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sleep, until } from '../peers/index.js';
import type { DescribeOptions } from './interop/media.js';
import type { Leg } from './interop/phone.js';
import { answerTo, follow, modes, plainAgent, Stage, type AgentBehaviour } from './interop/stage.js';

let stage: Stage;
beforeAll(async () => { stage = await Stage.start({ ringTimeoutMs: 3_000 }); });
afterEach(() => stage.clear());
afterAll(() => stage?.stop());

const ringing = (leg: Leg, status = 180, headers = {}) => leg.respond(leg.invited!, { status, reason: 'Ringing', headers });

describe.each(modes)('phones that take the call, %s', (mode) => {
  it.each<[string, AgentBehaviour]>([
    ['at once, without ringing', (leg, media) => leg.accept(answerTo(media, leg.remoteSdp))],
    ['after ringing again and again', async (leg, media) => {
      for (let i = 0; i < 4; i++) { ringing(leg); await sleep(60); }
      leg.accept(answerTo(media, leg.remoteSdp));
    }],
    ['after early media', async (leg, media) => {
      leg.respond(leg.invited!, { status: 100, reason: 'Trying' });
      const sdp = answerTo(media, leg.remoteSdp);
      leg.respond(leg.invited!, { status: 183, reason: 'Session Progress', body: sdp });
      await sleep(300);
      leg.accept(sdp);
    }],
    ['after a call was forwarded (181) and queued (182)', async (leg, media) => {
      ringing(leg, 181);
      ringing(leg, 182);
      await sleep(50);
      leg.accept(answerTo(media, leg.remoteSdp), { 'P-Asserted-Identity': '"Anna" <sip:anna@pbx.nl>', Supported: 'replaces, timer' });
    }],
    ['after reliable early media (PRACK)', async (leg, media) => {
      const sdp = answerTo(media, leg.remoteSdp);
      leg.respond(leg.invited!, { status: 183, reason: 'Session Progress', headers: { Require: '100rel', RSeq: '7' }, body: sdp });
      expect((await leg.saw('PRACK')).get('rack')).toMatch(/^7 \d+ INVITE$/);
      await sleep(100);
      leg.accept(sdp);
    }],
    ['and keeps the session alive itself', (leg, media) => leg.accept(answerTo(media, leg.remoteSdp), { 'Session-Expires': '1800;refresher=uas' })],
  ])('%s', async (_what, behave) => {
    const { caller, agent } = await stage.converse(mode, { agent: behave });
    await stage.hearEachOther(caller, agent);
    await stage.end(caller, agent);
  });

  it.each<[string, DescribeOptions, DescribeOptions]>([
    ['µ-law alone, to a caller of A-law', { formats: ['0', '101'] }, { formats: ['8', '101'] }],
    ['A-law alone, to a caller of µ-law', { formats: ['8', '101'] }, { formats: ['0', '101'] }],
  ])('%s', async (_what, agentSays, callerSays) => {
    const law = agentSays.formats![0]!;
    const choosy: AgentBehaviour = (leg, media) => {
      const formats = /^m=audio \d+ \S+ ([\d ]+)/m.exec(leg.remoteSdp)![1]!.split(' ');
      if (!formats.includes(law)) return leg.respond(leg.invited!, { status: 488, reason: 'Not Acceptable Here' });
      ringing(leg);
      leg.accept(media.describe(agentSays));
      leg.describe = (offer) => { follow(media, offer); media.audioType = Number(law); return media.describe(agentSays); };
      media.audioType = Number(law);
    };
    const { caller, agent } = await stage.converse(mode, { agent: choosy, caller: { describe: callerSays } });
    await stage.hearEachOther(caller, agent);
    await stage.end(caller, agent);
  });

  it.each<[string, DescribeOptions]>([
    ['one codec and no keys', { formats: ['8'] }],
    ['both codecs', { formats: ['0', '8', '101'] }],
    ['a packet time of its own', { formats: ['8', '101'], ptime: 30 }],
    ['its address at the media line', { connectionAt: 'media' }],
  ])('with %s in the answer', async (_what, description) => {
    const behave: AgentBehaviour = (leg, media) => {
      leg.describe = (offer) => { follow(media, offer); return media.describe(description); };
      plainAgent(description)(leg, media) as undefined;
    };
    const { caller, agent } = await stage.converse(mode, { agent: behave });
    await stage.hearEachOther(caller, agent);
    await stage.end(caller, agent);
  });

  it('with a payload type of its own for keys', async () => {
    const description: DescribeOptions = { formats: ['8', '96'], events: 96 };
    const behave: AgentBehaviour = (leg, media) => {
      leg.describe = (offer) => { follow(media, offer); return media.describe(description); };
      plainAgent(description)(leg, media) as undefined;
    };
    const { caller, agent } = await stage.converse(mode, { agent: behave });
    await stage.hearEachOther(caller, agent, 200);
    const since = Date.now();
    await caller.media.press('42', { toneMs: 100, gapMs: 100 });
    await agent.media.press('7', { toneMs: 100 });
    await until(() => agent.media.keysHeard(96, since) === '42', 'the agent to hear the keys');
    await until(() => caller.media.keysHeard(101, since) + caller.media.keysHeard(96, since) === '7', 'the citizen to hear the key');
    await stage.end(caller, agent);
  });

  it('with a second media line in the answer that nobody offered, or speaking only', async () => {
    const { caller, agent } = await stage.converse(mode, { agent: plainAgent({ more: ['m=video 0 RTP/AVP 96'] }) });
    await stage.hearEachOther(caller, agent);
    await stage.end(caller, agent);
    agent.screen.close();
    await stage.clear();
    const next = await stage.converse(mode, { agent: plainAgent({ direction: 'sendonly' }) });
    expect(next.agent.screen.shown).toBeDefined();
    await stage.end(next.caller, next.agent);
  });

  it('and hang up with a reason', async () => {
    const { caller, agent, agentLeg } = await stage.converse(mode);
    expect((await agentLeg.bye({ Reason: 'Q.850;cause=16;text="Terminated"' })).status).toBe(200);
    await caller.leg.saw('BYE');
    await agent.screen.told('clear');
    await stage.gateway.untilEmpty();
  });
});

describe('phones that do not take the call at first', () => {
  it.each<[string, AgentBehaviour]>([
    ['302 to somebody else', (leg) => leg.respond(leg.invited!, { status: 302, reason: 'Moved Temporarily', headers: { Contact: '<sip:voicemail@127.0.0.1:9>' } })],
    ['401', (leg) => leg.respond(leg.invited!, { status: 401, reason: 'Unauthorized', headers: { 'WWW-Authenticate': 'Digest realm="pbx", nonce="abc", algorithm=MD5' } })],
    ['407', (leg) => leg.respond(leg.invited!, { status: 407, reason: 'Proxy Authentication Required', headers: { 'Proxy-Authenticate': 'Digest realm="pbx", nonce="abc", qop="auth"' } })],
    ['603', (leg) => leg.respond(leg.invited!, { status: 603, reason: 'Decline' })],
    ['an answer without audio', (leg, media) => leg.accept(answerTo(media, leg.remoteSdp, { port: 0 }))],
    ['an answer without a description', (leg) => { leg.localSdp = '-'; leg.respond(leg.invited!, { status: 200, reason: 'OK' }); }],
  ])('%s: the caller keeps the place, nothing is shown, the next try is taken', async (_what, behave) => {
    let tries = 0;
    const agent = await stage.agent('anchored', (leg, media) => ((tries += 1) === 1 ? behave(leg, media) : plainAgent()(leg, media)));
    const caller = await stage.dial('anchored');
    await caller.media.press(caller.code);
    await agent.screen.told('clear');
    expect(agent.screen.heard.some(({ message }) => message.type === 'reveal')).toBe(false);
    await stage.connected(caller, agent);
    await stage.hearEachOther(caller, agent);
    await stage.end(caller, agent);
  });

  it('200 in answer to our CANCEL: that call is ended with BYE and nothing is shown', async () => {
    let first: Leg | undefined;
    const agent = await stage.agent('anchored', (leg, media) => {
      if (first) return plainAgent()(leg, media);
      first = leg;
      leg.handlers['CANCEL'] = (request) => {
        leg.respond(request, { status: 200, reason: 'OK' });
        leg.accept(answerTo(media, leg.remoteSdp));
        return undefined;
      };
      return ringing(leg);
    });
    const caller = await stage.dial('anchored');
    await caller.media.press(caller.code);
    await until(() => first?.count('BYE') === 1, 'the crossed call to be ended', 15_000);
    expect(agent.screen.heard.some(({ message }) => message.type === 'reveal')).toBe(false);
    await stage.connected(caller, agent);
    await stage.end(caller, agent);
  });
});
