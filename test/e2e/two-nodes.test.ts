/** One gateway on two nodes: an agent logged in at one takes calls that live on the other, and what is left when one of the two is gone. */
import { afterEach, describe, expect, it } from 'vitest';
import { open, send, textOf } from '../../gateway/demo/citizen-browser.js';
import type { ScreenClient } from '../../gateway/demo/screen-client.js';
import { Phone, tone, type AnswerOptions, type CallState, type PhoneCall } from '../../gateway/phone/index.js';
import { Peers, sleep, until } from '../peers/index.js';
import { startRedis } from '../peers/redis.js';
import { ConfigFolder, configuration, run, somePorts, untilReady } from '../process/gateway-process.js';
import { realEngines, redisStore, TestGateway, type TestGatewayOptions } from '../support/gateway.js';
import { TestCore } from '../support/test-core.js';
import { attributes, dialled } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

// Announced here because vitest only counts what is skipped.
if (realEngines) process.stderr.write('test/e2e/two-nodes: a SIP server that both nodes share gives a call to either, and these are about one that a certain node has: left out.\n');

/** Longest wait for what should follow by itself; patience for a busy machine. */
const soonMs = 20_000;
/** A screen whose call is not renewed is blank after ten seconds. */
const leaseMs = 10_000;

interface Address { host: string; port: number }

async function openPhone(answers?: AnswerOptions): Promise<Phone> {
  const phone = await Phone.open();
  if (answers) phone.answer(answers);
  peers.add({ stop: () => phone.close() });
  return phone;
}

/** Two nodes that know both agents, whose phones answer at once. */
async function twoNodes(options: Omit<TestGatewayOptions, 'agents' | 'store' | 'secondTo'> = {}, phones: { anna?: AnswerOptions; bea?: AnswerOptions } = {}) {
  const redis = peers.add(await startRedis());
  const store = redisStore(redis);
  const [anna, bea] = [await openPhone(phones.anna ?? { answerAfterMs: 0 }), await openPhone(phones.bea ?? { answerAfterMs: 0 })];
  const agents = [{ name: 'anna', phone: anna.uri }, { name: 'bea', phone: bea.uri }];
  const here = peers.add(await TestGateway.start({ agents, store, ...options }));
  const there = peers.add(await TestGateway.start({ agents, store, ...options, secondTo: here }));
  for (const gateway of [here, there]) {
    await until(async () => ((await (await fetch(`${gateway.gateway.urls.ops}/health`)).json()) as { store: boolean }).store, 'the store', soonMs);
  }
  return { redis, store, agents, here, there, phone: await openPhone() };
}

function dial(phone: Phone, { host, port }: Address, code = '0', from = '0612345678'): PhoneCall {
  return phone.call({ to: `sip:${dialled}@${host}:${port}`, from, code, codeAfterMs: 300, dtmf: 'info', say: { samples: tone([600], 1_000), forever: true } });
}

const told = (call: PhoneCall, state: CallState): Promise<unknown> =>
  until(() => call.events.some((event) => event.kind === 'told' && event.state === state), `the caller to be ${state}`, soonMs);

const nameOn = ({ shown }: ScreenClient): string | null | undefined => shown && (shown.fields === null ? null : shown.fields['Name']);
const shows = (screen: ScreenClient, name: string | null | undefined): Promise<unknown> =>
  until(() => nameOn(screen) === name, `the screen of ${screen.agent} to show ${name ?? 'nobody'}`, soonMs);

/** That sound passes, from now on. */
async function hears(call: PhoneCall): Promise<void> {
  const before = call.statistics().packetsReceived;
  await until(() => call.statistics().packetsReceived > before + 25, 'sound', soonMs);
}

describe.skipIf(realEngines)('an agent logged in at one node, a call on the other', () => {
  it('sees who is calling before they hear each other, asks for a masked value, and ends the call; nothing is left on either', async () => {
    const { redis, here, there, phone } = await twoNodes();
    const screen = peers.add(await here.screen('anna'));
    const code = await here.citizen(attributes);
    const call = dial(phone, there.sip, code);
    const popAt = screen.told('reveal', { timeoutMs: soonMs });
    expect((await screen.told('offer', { timeoutMs: soonMs })).call).toMatchObject({ identified: 'verified', phase: 'ringing' });
    await popAt;
    await told(call, 'connected');
    await screen.told('connected', { timeoutMs: soonMs });
    expect(nameOn(screen)).toBe(attributes.fullname);
    expect(here.gateway.calls).toBe(0);
    expect(there.gateway.calls).toBe(1);
    expect(screen.toldAt('reveal')!).toBeLessThan(screen.toldAt('connected')!);
    await hears(call);
    const [masked] = Object.keys(screen.shown!.masked);
    expect(masked).toBeDefined();
    screen.unmask(masked!);
    await until(() => screen.shown?.fields?.[masked!] === attributes.bsn, 'the masked value', soonMs);
    // Longer than a lease: a live call stays.
    await sleep(leaseMs + 1_000);
    expect(nameOn(screen)).toBe(attributes.fullname);
    expect(screen.heard.some(({ message }) => message.type === 'clear')).toBe(false);
    screen.end();
    await shows(screen, undefined);
    await call.done;
    await Promise.all([here.untilEmpty(soonMs), there.untilEmpty(soonMs)]);
    expect(await here.gateway.vault.stats()).toEqual({ live: 0, claimed: 0 });
    const everything = (await redis.cli('--scan')).split('\n').filter(Boolean);
    for (const key of everything) {
      const dump = await redis.cli('DUMP', key);
      for (const secret of Object.values(attributes)) expect(dump).not.toContain(secret);
    }
  }, 90_000);

  it('the caller hangs up: the screen is empty within a second, and the agent takes the next call, on the other node', async () => {
    const { here, there, phone } = await twoNodes();
    const screen = peers.add(await here.screen('anna'));
    const first = dial(phone, there.sip, await here.citizen(attributes));
    await told(first, 'connected');
    await shows(screen, attributes.fullname);
    const hungUpAt = performance.now();
    await first.hangup('done');
    await shows(screen, undefined);
    expect(screen.toldAt('clear')! - hungUpAt).toBeLessThan(1_000);
    const second = dial(phone, here.sip, await there.citizen({ ...attributes, fullname: 'Tweede Beller' }));
    await told(second, 'connected');
    await shows(screen, 'Tweede Beller');
    await second.hangup('done');
    await shows(screen, undefined);
    await Promise.all([here.untilEmpty(soonMs), there.untilEmpty(soonMs)]);
  }, 60_000);

  it('the agent asks the caller to identify, compares the word, and sees who it is', async () => {
    const core = peers.add(await TestCore.start());
    core.outcome = attributes;
    const { here, there, phone } = await twoNodes({ core });
    const screen = peers.add(await here.screen('anna'));
    const call = dial(phone, there.sip);
    const { callId } = await screen.told('connected', { timeoutMs: soonMs });
    expect(nameOn(screen)).toBeNull();
    screen.say({ type: 'identify', callId });
    const { address, pairingCode } = await screen.told('invitation', { timeoutMs: soonMs });
    const page = await send(await send(await open(`http://${address}`), { code: pairingCode }), { method: 'yivi' });
    const { confirmId, word } = await screen.told('confirmWord', { timeoutMs: soonMs });
    expect(textOf(page)).toContain(word);
    expect(nameOn(screen)).toBeNull();
    screen.say({ type: 'word', callId, confirmId, same: true });
    await shows(screen, attributes.fullname);
    await call.hangup('done');
    await shows(screen, undefined);
    await Promise.all([here.untilEmpty(soonMs), there.untilEmpty(soonMs)]);
  }, 60_000);

  it('the agent opens the page at the other node in the middle of the call: the caller is shown there, and here no more', async () => {
    const { here, there, phone } = await twoNodes();
    const first = peers.add(await here.screen('anna'));
    const call = dial(phone, there.sip, await here.citizen(attributes));
    await told(call, 'connected');
    await shows(first, attributes.fullname);
    const second = peers.add(await there.screen('anna'));
    await shows(second, attributes.fullname);
    await shows(first, undefined);
    await second.told('connected', { timeoutMs: soonMs });
    const third = peers.add(await here.screen('anna'));
    await shows(third, attributes.fullname);
    await shows(second, undefined);
    await hears(call);
    third.end();
    await call.done;
    await Promise.all([here.untilEmpty(soonMs), there.untilEmpty(soonMs)]);
  }, 60_000);

  it('brings in a colleague, before a screen of the other node, who sees the caller, and has the call when the agent leaves', async () => {
    const { here, there, phone } = await twoNodes();
    const anna = peers.add(await there.screen('anna'));
    const call = dial(phone, there.sip, await here.citizen(attributes));
    await told(call, 'connected');
    await shows(anna, attributes.fullname);
    const bea = peers.add(await here.screen('bea'));
    const { callId } = anna.shown!;
    await until(async () => {
      anna.say({ type: 'transferTargets', callId });
      const { targets } = await anna.told('transferTargets', { count: anna.heard.filter(({ message }) => message.type === 'transferTargets').length + 1 });
      return targets.agents.some(({ name, state }) => name === 'bea' && state === 'available');
    }, 'bea to be free', soonMs);
    anna.say({ type: 'bringIn', callId, colleague: 'bea' });
    expect((await bea.told('offer', { timeoutMs: soonMs })).call).toMatchObject({ broughtInBy: 'anna', phase: 'ringing' });
    await bea.told('connected', { timeoutMs: soonMs });
    expect(nameOn(bea)).toBe(attributes.fullname);
    expect(nameOn(anna)).toBe(attributes.fullname);
    expect([here.gateway.calls, there.gateway.calls]).toEqual([0, 1]);
    // Longer than a lease: both are renewed.
    await sleep(leaseMs + 1_000);
    expect([nameOn(anna), nameOn(bea)]).toEqual([attributes.fullname, attributes.fullname]);
    anna.say({ type: 'leave', callId });
    await shows(anna, undefined);
    expect((await anna.told('clear')).reason).toBe('left');
    await hears(call);
    expect(nameOn(bea)).toBe(attributes.fullname);
    bea.end();
    await call.done;
    await shows(bea, undefined);
    await Promise.all([here.untilEmpty(soonMs), there.untilEmpty(soonMs)]);
  }, 90_000);

  it('one agent is never offered two calls, whichever node they come to', async () => {
    const { here, there, phone } = await twoNodes();
    const screens = [peers.add(await here.screen('anna')), peers.add(await there.screen('bea'))];
    const names = Array.from({ length: 6 }, (_, i) => `Beller ${i + 1}`);
    const codes = await Promise.all(names.map((fullname, i) => (i % 2 ? here : there).citizen({ ...attributes, fullname })));
    const calls = codes.map((code, i) => dial(phone, (i % 3 ? here : there).sip, code, `061234560${i}`));
    const served = new Set<string>();
    while (served.size < names.length) {
      const screen = await until(() => screens.find((one) => typeof nameOn(one) === 'string' && !served.has(nameOn(one)!)), 'the next caller to be shown', soonMs);
      const name = nameOn(screen)!;
      served.add(name);
      await calls[names.indexOf(name)]!.hangup('done');
      await until(() => nameOn(screen) !== name, 'the caller to be gone', soonMs);
    }
    for (const screen of screens) {
      // A call that comes without the one before being cleared would be a second one.
      let offered = 0;
      for (const { message } of screen.heard) {
        if (message.type === 'offer') offered += 1;
        if (message.type === 'clear') offered -= 1;
        expect(offered).toBeLessThanOrEqual(1);
      }
    }
    await Promise.all([here.untilEmpty(soonMs), there.untilEmpty(soonMs)]);
  }, 120_000);
});

it.skipIf(realEngines)('a queue with room for one: of callers who come to both nodes in the same moment one waits, and the others hear that it is full', async () => {
  const { here, there, phone } = await twoNodes({ more: { service: { queue: { maxWaiting: 1 } } } });
  const calls = [here, there, here, there].map(({ sip }, i) => dial(phone, sip, '0', `061234560${i}`));
  const full = async (): Promise<number> => (await Promise.all([here, there].map((node) => node.metric(/^gateway_calls_ended_total.*reason="full"/)))).reduce((sum, count) => sum + count, 0);
  await until(async () => (await full()) === 3, 'three of four to be told that the queue is full', 60_000);
  expect(here.gateway.calls + there.gateway.calls).toBe(1);
  const screen = peers.add(await here.screen('anna'));
  await screen.told('connected', { timeoutMs: soonMs });
  for (const call of calls) await call.hangup('done').catch(() => undefined);
  await Promise.all([here.untilEmpty(soonMs), there.untilEmpty(soonMs)]);
}, 120_000);

describe.skipIf(realEngines)('a node that is gone', () => {
  it('is killed with calls on it: their agents’ screens elsewhere are blank within the lease, and take the next call', async () => {
    const { store, agents, here, phone } = await twoNodes();
    const folder = new ConfigFolder();
    peers.add({ stop: async () => { folder.stop(); } });
    const ports = await somePorts();
    const base = await configuration(ports);
    const [password] = (base['agents'] as { password: string }[]).map((agent) => agent.password);
    const file = folder.write('gateway.yaml', { ...base, store, agents: agents.map(({ name, phone: uri }) => ({ name, displayName: name, password, phone: uri })) });
    const victim = peers.add(run('dist/gateway/main.js', ['--config', file]));
    await untilReady(ports, victim);
    const screen = peers.add(await here.screen('anna'));
    // Only the session passes between the two; the results' keys are this node's.
    const call = dial(phone, { host: '127.0.0.1', port: ports.sip }, await here.citizen(attributes));
    await told(call, 'connected');
    await shows(screen, attributes.fullname);
    await hears(call);
    const killedAt = performance.now();
    victim.kill('SIGKILL');
    await shows(screen, undefined);
    expect(performance.now() - killedAt).toBeLessThan(leaseMs + 2_000);
    expect((await screen.told('clear')).reason).toBe('leaseEnded');
    const next = dial(phone, here.sip, await here.citizen({ ...attributes, fullname: 'Volgende Beller' }), '0687654321');
    await told(next, 'connected');
    await shows(screen, 'Volgende Beller');
    await next.hangup('done');
    await here.untilEmpty(soonMs);
  }, 120_000);

  for (const [what, answerAfterMs] of [['rings, and is not answered', 3_600_000], ['rings, and is answered nevertheless', 4_000]] as const) {
    it(`is stopped with a screen on it while the agent’s phone ${what}: the caller gets another agent, on another node`, async () => {
      const { here, there, phone } = await twoNodes({ calls: { ringTimeoutMs: 8_000 } }, { anna: { answerAfterMs } });
      const anna = peers.add(await here.screen('anna'));
      const call = dial(phone, there.sip, await there.citizen(attributes));
      await anna.told('offer', { timeoutMs: soonMs });
      await here.stop();
      const bea = peers.add(await there.screen('bea'));
      await told(call, 'connected');
      await shows(bea, attributes.fullname);
      expect(anna.heard.some(({ message }) => message.type === 'reveal')).toBe(false);
      await call.hangup('done');
      await there.untilEmpty(soonMs);
    }, 90_000);
  }

  it('is stopped with a screen on it during a conversation, which goes on; at another node the agent sees the caller again', async () => {
    const { here, there, phone } = await twoNodes();
    const anna = peers.add(await here.screen('anna'));
    const call = dial(phone, there.sip, await there.citizen(attributes));
    await told(call, 'connected');
    await shows(anna, attributes.fullname);
    await here.stop();
    await shows(anna, undefined);
    await hears(call);
    const again = peers.add(await there.screen('anna'));
    await shows(again, attributes.fullname);
    again.end();
    await call.done;
    await there.untilEmpty(soonMs);
  }, 90_000);
});
