/** Two municipalities on one gateway: nothing of one is within reach of the other, whoever tries. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Phone, type PhoneCall } from '../../gateway/phone/index.js';
import type { ScreenClient } from '../../gateway/demo/screen-client.js';
import { Peers, until } from '../peers/index.js';
import { resultToken, TestGateway, type TestTenant } from '../support/gateway.js';
import { TestCore } from '../support/test-core.js';

const stage = new Peers();
const peers = new Peers();
let gateway: TestGateway;
let citizens: Phone;
let zutphen: TestTenant;
let lochem: TestTenant;
let anna: ScreenClient;
let bram: ScreenClient;

async function agent(name: string): Promise<TestTenant['agents'][number]> {
  const phone = await Phone.open();
  stage.defer(() => phone.close());
  phone.answer({ answerAfterMs: 0 });
  return { name, phone: phone.uri };
}

beforeAll(async () => {
  zutphen = { name: 'zutphen', displayName: 'Gemeente Zutphen', number: '+31575123456', purpose: 'report_move', agents: [await agent('anna')], coreToken: 'shown-by-the-core-of-zutphen' };
  lochem = { name: 'lochem', displayName: 'Gemeente Lochem', number: '+31573123456', purpose: 'report_birth', agents: [await agent('bram')], coreToken: 'shown-by-the-core-of-lochem' };
  gateway = stage.add(await TestGateway.start({
    agents: [], tenants: [zutphen, lochem], core: stage.add(await TestCore.start()), clientUrl: 'page', calls: { ackTimeoutMs: 10_000 },
    // Codes of one length, however many there are, so that a code of one is a possible code of the other.
    codes: { digits: 12, maxDigits: 12 },
  }));
  citizens = await Phone.open();
  stage.defer(() => citizens.close());
});
afterAll(() => stage.stopAll());

beforeEach(async () => {
  anna = peers.add(await gateway.screen('anna'));
  bram = peers.add(await gateway.screen('bram'));
});
afterEach(async () => {
  await peers.stopAll();
  await gateway.untilEmpty(15_000);
});

/** Asks for a session as a core does. */
function start(path: string, token: string, purpose: string): Promise<Response> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  return fetch(`${gateway.gateway.urls.core}${path}/start_communication`, { method: 'POST', headers, body: JSON.stringify({ purpose }) });
}

const post = (url: string, token: string): Promise<Response> => fetch(url, { method: 'POST', headers: { 'content-type': 'application/jwt' }, body: token });

/** A session without a result. */
async function session(tenant: TestTenant): Promise<{ code: string; attrUrl: string; pageUrl: string }> {
  const answer = await start(`/t/${tenant.name}`, tenant.coreToken, tenant.purpose);
  expect(answer.status).toBe(200);
  const { client_url: pageUrl, attr_url: attrUrl } = (await answer.json()) as { client_url: string; attr_url: string };
  const code = /data-code="(\d+)"/.exec(await textOf(pageUrl))![1]!;
  return { code, attrUrl, pageUrl };
}

/** The session of a citizen who has logged in. */
async function citizen(tenant: TestTenant, fullname: string): Promise<{ code: string; pageUrl: string }> {
  const made = await session(tenant);
  expect((await post(made.attrUrl, await resultToken(gateway.keysOf(tenant.name), { fullname }))).status).toBe(200);
  return made;
}

const textOf = async (url: string): Promise<string> => (await fetch(url)).text();

function dial(tenant: TestTenant, code: string): PhoneCall {
  const call = citizens.call({ to: `sip:${tenant.number}@${gateway.sip.host}:${gateway.sip.port}`, code, codeAfterMs: 100, dtmf: 'info' });
  peers.defer(() => call.hangup('the test is over'));
  return call;
}

const told = (call: PhoneCall, state: string, times = 1): Promise<boolean> =>
  until(() => call.events.filter((event) => event.kind === 'told' && event.state === state).length >= times, `the caller to be told "${state}"`, 20_000);
const guesses = (tenant: TestTenant): Promise<number> => gateway.metric(new RegExp(`^gateway_guesses_total\\{tenant="${tenant.name}",outcome="wrong"\\}`));
const offers = ({ heard }: ScreenClient): number => heard.filter(({ message }) => message.type === 'offer').length;

describe('the cores', () => {
  it('start sessions at their own address, with their own token and for their own purposes', async () => {
    for (const [path, token, purpose, status] of [
      ['', zutphen.coreToken, zutphen.purpose, 404],
      ['/t/nowhere', zutphen.coreToken, zutphen.purpose, 404],
      ['/t/zutphen', lochem.coreToken, zutphen.purpose, 401],
      ['/t/lochem', zutphen.coreToken, lochem.purpose, 401],
      ['/t/zutphen', zutphen.coreToken, lochem.purpose, 400],
    ] as const) {
      const answer = await start(path, token, purpose);
      expect(answer.status, `${path} with a token for ${purpose}`).toBe(status);
      expect(await answer.text()).not.toMatch(/client_url|\/attr\//);
    }
    expect((await session(zutphen)).attrUrl).toContain('/t/zutphen/attr/');
    expect(await textOf((await session(lochem)).pageUrl)).toMatch(/Gemeente Lochem[\s\S]*tel:\+31573123456,/);
  });

  it('have results of their own plugins believed only, at their own address only', async () => {
    const { attrUrl } = await session(zutphen);
    const [ours, theirs] = [gateway.keysOf('zutphen'), gateway.keysOf('lochem')];
    const attributes = { fullname: 'Somebody Else' };
    const right = await resultToken(ours, attributes);
    expect((await post(attrUrl, await resultToken({ ours: ours.ours, plugin: theirs.plugin }, attributes))).status).toBe(400);
    expect((await post(attrUrl, await resultToken({ ours: theirs.ours, plugin: ours.plugin }, attributes))).status).toBe(400);
    expect((await post(attrUrl.replace('/t/zutphen/', '/t/lochem/'), right)).status).toBe(404);
    expect((await post(attrUrl, right)).status).toBe(200);
  });
});

describe('the callers', () => {
  it('are known on the number of their own municipality only, and only its agent sees them', async () => {
    const { code, pageUrl } = await citizen(zutphen, 'Johanna van Zutphen');
    expect(await textOf(pageUrl)).toContain('Gemeente Zutphen');

    const before = await guesses(lochem);
    const astray = dial(lochem, code);
    await told(astray, 'collecting', 2);
    expect(await guesses(lochem)).toBe(before + 1);
    expect(await guesses(zutphen)).toBe(0);
    // Not even that somebody tried it there is known here.
    expect(await textOf(pageUrl)).toMatch(/data-name="call" data-state="current"/);
    await astray.hangup('wrong number');

    dial(zutphen, code);
    await anna.told('connected', { timeoutMs: 20_000 });
    expect(anna.shown?.name).toBe('Johanna van Zutphen');
    await until(async () => /data-name="talk" data-state="current"/.test(await textOf(pageUrl)), 'the page to follow the call');
    expect(offers(bram)).toBe(0);
    expect(JSON.stringify(bram.heard)).not.toContain('Johanna');
  }, 50_000);

  it('wait for the agents of their own municipality, though others are free', async () => {
    const first = dial(zutphen, (await citizen(zutphen, 'First Caller')).code);
    await anna.told('connected', { timeoutMs: 20_000 });
    const second = dial(zutphen, (await citizen(zutphen, 'Second Caller')).code);
    await told(second, 'waiting');
    dial(lochem, (await citizen(lochem, 'Third Caller')).code);
    await bram.told('connected', { timeoutMs: 20_000 });
    expect(bram.shown?.name).toBe('Third Caller');
    expect(second.isConnected).toBe(false);

    // An agent has no say in calls of another municipality.
    const { callId } = anna.shown!;
    bram.say({ type: 'end', callId });
    bram.say({ type: 'identify', callId });
    bram.say({ type: 'availability', value: 'break' });
    await bram.told('availability');
    expect(first.isEnded).toBe(false);
    expect(anna.heard.some(({ message }) => message.type === 'invitation')).toBe(false);

    await first.hangup('done');
    await anna.told('connected', { count: 2, timeoutMs: 20_000 });
    expect(anna.shown?.name).toBe('Second Caller');
    expect(offers(bram)).toBe(1);
  }, 50_000);

  it('are invited to the page of their own municipality, and to no other', async () => {
    dial(zutphen, '0');
    const { callId } = await anna.told('connected', { timeoutMs: 20_000 });
    anna.say({ type: 'identify', callId });
    const { address, pairingCode } = await anna.told('invitation');
    expect(address).toMatch(/\/t\/zutphen\/i$/);
    const redeem = (page: string): Promise<Response> => fetch(`http://${page}`, { method: 'POST', body: new URLSearchParams({ code: pairingCode }) });
    expect((await redeem(address.replace('/t/zutphen/', '/t/lochem/'))).status).toBe(400);
    const answer = await redeem(address);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toMatch(/Gemeente Zutphen[\s\S]*DigiD/);
  }, 50_000);
});
