/** Calls given to the PBX's own queue: what it is told, whose screen shows the caller, and who cannot see anything. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../peers/index.js';
import { Media } from './interop/media.js';
import { Phone, type Leg } from './interop/phone.js';
import { answerTo, citizenHz, follow, Stage, type Caller, type StageAgent } from './interop/stage.js';

const queueHz = 1_700;
const agents: StageAgent[] = [{ name: 'anna', mode: 'anchored', hz: 900 }, { name: 'bram', mode: 'anchored', hz: 1_300 }];

let pbx: Phone;
let media: Media;
let queueLeg: Leg | undefined;
/** What the PBX says of who is there when its queue answers. */
let answerHeaders: Record<string, string> = {};
let refuses = 0;

beforeAll(async () => {
  pbx = await Phone.open(undefined);
  media = await Media.open();
  media.say(queueHz);
  pbx.onInvite = (leg) => {
    queueLeg = leg;
    if (refuses > 0) {
      refuses -= 1;
      return leg.respond(leg.invited!, { status: 503, reason: 'Busy' });
    }
    follow(media, leg.remoteSdp);
    leg.describe = (offer) => (offer ? answerTo(follow(media, offer), offer) : leg.localSdp);
    leg.accept(answerTo(media, leg.remoteSdp), answerHeaders);
  };
});
afterAll(async () => {
  await pbx?.stop();
  await media?.stop();
});

const startStage = (binding: 'reported' | 'claimed' | 'both', more: Record<string, unknown> = {}) => Stage.start({}, {
  agents,
  outbound: `sip:{number}@127.0.0.1:${pbx.port}`,
  more: {
    service: { handOver: { to: `sip:8000@127.0.0.1:${pbx.port}`, header: 'X-Reference', binding, ringTimeoutMs: 5_000 }, ...more },
    agents: { anna: { identities: ['201'] }, bram: { identities: ['202'] } },
    tenant: { outside: { trunk: 'anchored' } },
  },
});

async function identified(stage: Stage): Promise<{ caller: Caller; leg: Leg; reference: string }> {
  const caller = await stage.dial('anchored');
  await caller.media.press(`${caller.code}#`, { toneMs: 60, gapMs: 40 });
  const leg = await until(() => queueLeg, 'the queue to be called', 20_000);
  return { caller, leg, reference: leg.invited!.get('x-reference') };
}

const report = (leg: Leg, identity: string, method = 'UPDATE', header = 'P-Asserted-Identity') => leg.reinvite(leg.localSdp, { method, headers: { [header]: identity } });

/** An agent's browser at the pop address. */
async function pop(stage: Stage, agent: string, reference: string, method: 'GET' | 'POST'): Promise<{ status: number; location: string | null; text: string }> {
  const url = stage.gateway.gateway.urls.agents;
  const login = await fetch(`${url}/login`, { method: 'POST', redirect: 'manual', headers: { 'content-type': 'application/x-www-form-urlencoded', origin: url }, body: new URLSearchParams({ name: agent, password: 'demo' }) });
  const cookie = login.headers.getSetCookie()[0]!.split(';')[0]!;
  const answer = await fetch(`${url}/pop/${reference}`, { method, redirect: 'manual', headers: { cookie, origin: url } });
  return { status: answer.status, location: answer.headers.get('location'), text: await answer.text() };
}

function suite(binding: 'reported' | 'claimed' | 'both', tests: (stage: () => Stage) => void): void {
  describe(`binding: ${binding}`, () => {
    let stage: Stage;
    beforeAll(async () => { stage = await startStage(binding); });
    afterEach(async () => {
      queueLeg = undefined;
      answerHeaders = {};
      refuses = 0;
      await stage.clear();
    });
    afterAll(() => stage?.stop());
    tests(() => stage);
  });
}

suite('both', (of) => {
  it('tells the PBX a reference and nothing else of the citizen', async () => {
    const stage = of();
    const { caller, leg, reference } = await identified(stage);
    const invite = leg.invited!;
    expect(reference).toMatch(/^[a-z0-9]{24}$/);
    expect(invite.get('user-to-user')).toBe(`04${Buffer.from(reference).toString('hex')};encoding=hex`);
    expect(invite.get('call-info')).toBe(`<${stage.gateway.gateway.urls.agents}/pop/${reference}>;purpose=info`);
    expect(JSON.stringify(invite)).not.toContain(caller.name);
    const since = Date.now();
    await until(() => media.heardMs(citizenHz, since) > 200, 'the queue to hear the citizen');
    await until(() => caller.media.heardMs(queueHz, since) > 200, 'the citizen to hear the queue');
    await caller.leg.bye();
    await leg.saw('BYE');
  });

  it.each([['P-Asserted-Identity', 'UPDATE'], ['P-Asserted-Identity', 'INVITE'], ['Remote-Party-ID', 'UPDATE']])('shows the caller to the agent reported by %s in %s, and follows', async (header, method) => {
    const stage = of();
    const [anna, bram] = [await stage.agent('anna'), await stage.agent('bram')];
    const { caller, leg } = await identified(stage);
    await until(() => caller.media.heardMs(queueHz) > 100, 'the queue to be connected');
    expect(anna.screen.shown).toBeUndefined();
    const shows = (desk: typeof anna) => Object.values(desk.screen.shown?.fields ?? {}).includes(caller.name);
    await report(leg, '"Anna" <sip:201@127.0.0.1>;party=called', method, header);
    await until(() => shows(anna), 'the screen of the agent who has the call');
    expect(bram.screen.shown).toBeUndefined();
    await report(leg, '"Queue" <sip:8000@127.0.0.1>', method, header);
    await until(() => anna.screen.shown === undefined, 'the screen to be empty');
    await report(leg, '<sip:202@127.0.0.1>', method, header);
    await until(() => shows(bram), 'the next agent’s screen');
    expect(anna.screen.shown).toBeUndefined();
    await caller.leg.bye();
    await until(() => bram.screen.shown === undefined, 'the screen to be empty at the end');
  });

  it('shows the caller at once when the answer itself says who it is', async () => {
    answerHeaders = { 'P-Asserted-Identity': '<sip:201@127.0.0.1>' };
    const stage = of();
    const anna = await stage.agent('anna');
    const { caller } = await identified(stage);
    await until(() => Object.values(anna.screen.shown?.fields ?? {}).includes(caller.name), 'the screen of the agent who has the call');
    await caller.leg.bye();
  });

  it('believes what the PBX says later, while the queue is being connected, more than what the answer said', async () => {
    answerHeaders = { 'P-Asserted-Identity': '<sip:201@127.0.0.1>' };
    const stage = of();
    const [anna, bram] = [await stage.agent('anna'), await stage.agent('bram')];
    const { caller, leg } = await identified(stage);
    await leg.saw('ACK');
    await report(leg, '<sip:202@127.0.0.1>');
    await until(() => Object.values(bram.screen.shown?.fields ?? {}).includes(caller.name), 'the screen of the agent who has the call');
    await until(() => caller.media.heardMs(queueHz) > 500, 'the queue to be connected');
    expect(Object.values(bram.screen.shown?.fields ?? {})).toContain(caller.name);
    expect(anna.screen.heard.findLast(({ message }) => message.type === 'reveal' || message.type === 'clear')?.message.type).not.toBe('reveal');
    await caller.leg.bye();
  });

  it('shows nothing when two agents are reported at once, or one who has another call', async () => {
    const stage = of();
    const anna = await stage.agent('anna');
    const first = await identified(stage);
    await report(first.leg, '<sip:201@127.0.0.1>, <sip:202@127.0.0.1>');
    await report(first.leg, '<sip:201@127.0.0.1>');
    await until(() => Object.values(anna.screen.shown?.fields ?? {}).includes(first.caller.name), 'the screen of the agent who has the call');
    queueLeg = undefined;
    const second = await identified(stage);
    await report(second.leg, '<sip:201@127.0.0.1>');
    expect(Object.values(anna.screen.shown?.fields ?? {})).toContain(first.caller.name);
    expect(anna.screen.heard.filter(({ message }) => message.type === 'reveal')).toHaveLength(1);
    await first.caller.leg.bye();
    await second.caller.leg.bye();
  });

  it('lets an agent claim the call while nothing is reported: once, recorded, and not for everybody', async () => {
    const stage = of();
    const [anna, bram] = [await stage.agent('anna'), await stage.agent('bram')];
    const { caller, reference } = await identified(stage);
    await until(() => caller.media.heardMs(queueHz) > 100, 'the queue to be connected');
    const looked = await pop(stage, 'bram', reference, 'GET');
    expect(looked).toMatchObject({ status: 200 });
    expect(looked.text).not.toContain(caller.name);
    expect(bram.screen.shown).toBeUndefined();
    expect(await pop(stage, 'anna', reference, 'POST')).toMatchObject({ status: 303, location: '/screen' });
    await until(() => Object.values(anna.screen.shown?.fields ?? {}).includes(caller.name), 'the screen of who claimed it');
    expect(await pop(stage, 'bram', reference, 'POST')).toMatchObject({ status: 409 });
    expect(bram.screen.shown).toBeUndefined();
    expect(await pop(stage, 'anna', reference, 'GET')).toMatchObject({ status: 303 });
    expect(await pop(stage, 'anna', 'a'.repeat(24), 'POST')).toMatchObject({ status: 404 });
    await caller.leg.bye();
    await stage.gateway.untilEmpty();
    expect(await pop(stage, 'anna', reference, 'POST')).toMatchObject({ status: 404 });
  });

  it('tries a queue that refuses again, and ends with words when nobody is reached', async () => {
    const stage = of();
    refuses = 1;
    const once = await identified(stage);
    await until(() => once.caller.media.heardMs(queueHz) > 100, 'the queue to be connected at the second try', 10_000);
    await once.caller.leg.bye();
    refuses = 99;
    const caller = await stage.dial('anchored');
    await caller.media.press('0');
    await caller.leg.saw('BYE', { timeoutMs: 30_000 });
    // Counted after the hanging up.
    await until(async () => (await stage.gateway.metric(/^gateway_calls_ended_total\{reason="notReached"/)) === 1, 'the end to be counted');
  });

  it('the queue hangs up: the caller is hung up on, and nothing is left', async () => {
    const stage = of();
    const { caller, leg } = await identified(stage);
    await until(() => caller.media.heardMs(queueHz) > 100, 'the queue to be connected');
    await leg.bye();
    await caller.leg.saw('BYE');
  });
});

suite('reported', (of) => {
  it('no claim, whoever asks', async () => {
    const stage = of();
    const anna = await stage.agent('anna');
    const { caller, reference } = await identified(stage);
    await until(() => caller.media.heardMs(queueHz) > 100, 'the queue to be connected');
    expect(await pop(stage, 'anna', reference, 'POST')).toMatchObject({ status: 409 });
    expect(anna.screen.shown).toBeUndefined();
    await caller.leg.bye();
  });
});

suite('claimed', (of) => {
  it('what the PBX reports is not believed', async () => {
    const stage = of();
    const anna = await stage.agent('anna');
    const { caller, leg, reference } = await identified(stage);
    await report(leg, '<sip:201@127.0.0.1>');
    expect(anna.screen.shown).toBeUndefined();
    expect(await pop(stage, 'anna', reference, 'POST')).toMatchObject({ status: 303 });
    await until(() => Object.values(anna.screen.shown?.fields ?? {}).includes(caller.name), 'the screen of who claimed it');
    await caller.leg.bye();
  });
});
