/** A promise to call back outlives its node where Redis is the store: another node keeps it, once, and shows who it is only after the short code. */
import { afterAll, describe, expect, it } from 'vitest';
import type { ScreenClient } from '../../gateway/demo/screen-client.js';
import type { Happening } from '../../gateway/happenings.js';
import { Phone as AgentPhone } from '../../gateway/phone/index.js';
import { Peers, sleep, until } from '../peers/index.js';
import { startRedis, type Redis } from '../peers/redis.js';
import { ConfigFolder, configuration, run, somePorts, untilReady } from '../process/gateway-process.js';
import { realEngines, redisStore, TestGateway, type TestGatewayOptions } from '../support/gateway.js';
import { RedisSpy } from '../support/redis-spy.js';
import { answers, arranges, Outside, said, type Home } from './called-back.js';
import { Media } from './interop/media.js';
import { Phone, type Leg } from './interop/phone.js';
import { citizenHz, follow } from './interop/stage.js';
import { attributes, dialled } from './support.js';

const peers = new Peers();
// All at once: most of each is a conversation that takes its time.
afterAll(() => peers.stopAll());

const onOwnEngines = { skip: realEngines, timeout: 240_000 };
// Announced here because vitest only counts what is skipped.
if (realEngines) process.stderr.write('test/e2e/callback-nodes: a SIP server that both nodes share gives a call to either: left out.\n');

const number = '+31612345678';
const soonMs = 20_000;
/** The lease of a promise, and the look for it. */
const adoptedWithinMs = 20_000;
const queue = { callback: true, callbackAfterSeconds: 0 };
const outsideOf = { trunk: 'loopback', callBackTo: ['+316'] };

interface Address { host: string; port: number }

/** What two nodes have in common: the store, the trunk outside, the agents. */
async function site() {
  const redis = peers.add(await startRedis());
  const outside = peers.add(await Outside.open());
  const phone = await AgentPhone.open();
  peers.add({ stop: () => phone.close() });
  phone.answer({ answerAfterMs: 0 });
  const trunks = [{ name: 'loopback', addresses: ['127.0.0.0/8'], outbound: outside.outbound }];
  const options: TestGatewayOptions = {
    agents: [{ name: 'anna', phone: phone.uri }], store: redisStore(redis), trunks,
    more: { service: { queue }, tenant: { outside: outsideOf } },
  };
  const start = async (secondTo?: TestGateway): Promise<TestGateway> => {
    const gateway = peers.add(await TestGateway.start({ ...options, ...(secondTo && { secondTo }) }));
    await until(async () => ((await (await fetch(`${gateway.gateway.urls.ops}/health`)).json()) as { store: boolean }).store, 'the store', soonMs);
    return gateway;
  };
  const home = outside.at(number, peers.add(await Media.open()));
  return { redis, options, home, start };
}

/** A citizen calls a node, waits with a code, and asks to be called back. @returns the short code */
async function asksAt(node: Address, code: string): Promise<string> {
  const phone = peers.add(await Phone.open(node));
  const media = peers.add(await Media.open());
  const leg: Leg = phone.leg();
  leg.describe = (offer) => { if (offer) follow(media, offer); return leg.localSdp; };
  const final = await leg.invite({ uri: `sip:${dialled}@${node.host}:${node.port}`, from: `"Citizen" <sip:${number}@127.0.0.1>`, sdp: media.describe() });
  follow(media, final.body);
  media.say(citizenHz);
  return arranges({ leg, media }, code);
}

const nameOn = ({ shown }: ScreenClient): string | null | undefined => shown && (shown.fields === null ? null : shown.fields['Name']);

/** What of promises stands in Redis, sealed. */
async function promisesIn(redis: Redis): Promise<string[]> {
  const keys = (await redis.cli('--scan', '--pattern', '*:promises}:of:*')).split('\n').filter(Boolean);
  const found = await Promise.all(keys.map((key) => redis.cli('HGET', key, 'sealed')));
  return found.filter(Boolean);
}

/** The citizen is called back by this node, once, types the code, and the agent sees who it is. */
async function isCalledBackBy(node: TestGateway, { home, shortCode, redis }: { home: Home; shortCode: string; redis: Redis }): Promise<void> {
  expect(await promisesIn(redis)).toHaveLength(1);
  const screen = peers.add(await node.screen('anna'));
  const leg = await until(() => home.legs[0], 'the citizen to be called back', 60_000);
  await said(home.media, 'callback-ready');
  // Nobody is shown anything of a telephone that somebody picked up.
  expect(screen.heard.some(({ message }) => message.type === 'reveal')).toBe(false);
  await home.media.press('1');
  await said(home.media, 'callback-enter-code');
  expect(screen.heard.some(({ message }) => message.type === 'reveal')).toBe(false);
  await home.media.press(shortCode);
  await screen.told('connected', { timeoutMs: soonMs });
  expect(nameOn(screen)).toBe(attributes.fullname);
  // The promise was kept: nothing of it is left but the mark that it is over.
  expect(await promisesIn(redis)).toEqual([]);
  await leg.bye();
  await node.untilEmpty(soonMs);
  expect(await node.gateway.vault.stats()).toEqual({ live: 0, claimed: 0 });
  expect(home.legs).toHaveLength(1);
}

describe('a citizen who is to be called back', () => {
  it.concurrent('by a node that is killed is called back by the other one; nothing of them can be read in Redis', onOwnEngines, async () => {
    const { redis, options, home, start } = await site();
    const spy = peers.add(await RedisSpy.on(redis));
    const there = await start();
    const folder = new ConfigFolder();
    peers.add({ stop: async () => { folder.stop(); } });
    const ports = await somePorts();
    const { services, agents: [agent], ...base } = (await configuration(ports)) as { services: Record<string, unknown>[]; agents: Record<string, unknown>[] };
    const file = folder.write('gateway.yaml', {
      ...base, store: options.store, trunks: options.trunks, outside: outsideOf,
      services: services.map((service) => ({ ...service, numbers: ['+31201234567', '*'], queue })),
      agents: options.agents.map(({ name, phone }) => ({ ...agent, name, displayName: name, phone })),
    });
    const victim = peers.add(run('dist/gateway/main.js', ['--config', file]));
    await untilReady(ports, victim);
    const code = await there.citizen(attributes);
    const shortCode = await asksAt({ host: '127.0.0.1', port: ports.sip }, code);
    await until(async () => (await promisesIn(redis)).length === 1, 'the promise to be kept', soonMs);
    expect(there.gateway.calls).toBe(0);
    await spy.look();
    victim.kill('SIGKILL');
    const killedAt = performance.now();
    await until(() => there.gateway.calls === 1, 'the other node to take the promise over', adoptedWithinMs);
    expect(performance.now() - killedAt).toBeGreaterThan(3_000);
    await spy.look();
    await isCalledBackBy(there, { home, shortCode, redis });
    await spy.look();
    // The call's own words are hidden from nobody who listens to the line; in Redis there is none of it.
    const everything = [...spy.commands, ...spy.values, ...spy.files.map((file) => file.toString('latin1'))].join('\n');
    for (const secret of [number, number.slice(3), Buffer.from(number).toString('base64').slice(0, 12), code, ...Object.values(attributes)]) expect(everything).not.toContain(secret);
    const ofPromises = spy.values.join('\n').split('[').filter((text) => text.includes('promises}'));
    expect(ofPromises.length).toBeGreaterThan(0);
    for (const text of ofPromises) expect(text).not.toContain(shortCode);
  });

  it.concurrent('by a node that is stopped is called back by another one; if that one is stopped while the telephone rings, by the next, as soon as there is one', onOwnEngines, async () => {
    const { redis, home, start } = await site();
    const here = await start();
    const there = await start(here);
    const told: Happening[][] = [here, there].map(({ gateway: { happenings } }) => {
      const heard: Happening[] = [];
      happenings.on('happening', (happening) => void heard.push(happening));
      return heard;
    });
    const shortCode = await asksAt(here.sip, await here.citizen(attributes));
    expect(there.gateway.calls).toBe(0);
    await here.stop();
    await until(() => there.gateway.calls === 1, 'the other node to take the promise over', 5_000);
    expect(await there.gateway.vault.stats()).toMatchObject({ claimed: 1 });
    // Whoever follows calls learns that it is the same one.
    const [before] = told[0]!.filter((one) => one.type === 'call.arrived');
    expect(told[0]!.find((one) => one.type === 'call.ended')).toMatchObject({ callId: before!.callId, reason: 'continuedElsewhere' });
    expect(told[1]!.find((one) => one.type === 'call.arrived')).toMatchObject({ continues: before!.callId });
    const screen = peers.add(await there.screen('anna'));
    const first = await until(() => home.legs[0], 'the citizen to be called back', soonMs);
    await said(home.media, 'callback-hello');
    await there.stop();
    await first.saw('BYE', { timeoutMs: soonMs });
    expect(screen.heard.some(({ message }) => message.type === 'reveal')).toBe(false);
    expect(await promisesIn(redis)).toHaveLength(1);
    home.legs.length = 0;
    home.media = peers.add(await Media.open());
    const last = await start(here);
    await isCalledBackBy(last, { home, shortCode, redis });
  });

  it.concurrent('and whose session is gone meanwhile is called back all the same, is told so, and shown as nobody', onOwnEngines, async () => {
    const { redis, home, start } = await site();
    const here = await start();
    await asksAt(here.sip, await here.citizen(attributes));
    await here.stop();
    const [session] = (await redis.cli('--scan', '--pattern', '*:session')).split('\n').filter(Boolean);
    expect(await redis.cli('DEL', session!)).toBe('1');
    const there = await start(here);
    const screen = peers.add(await there.screen('anna'));
    const leg = await answers(home, undefined);
    await said(home.media, 'technical-problem');
    await screen.told('connected', { timeoutMs: soonMs });
    expect(nameOn(screen)).toBeNull();
    await leg.bye();
    await there.untilEmpty(soonMs);
    // The code was not asked for.
    expect(home.legs).toHaveLength(1);
  });

  it.concurrent('with sessions in memory a node that is stopped says how many promises end with it', async () => {
    const outside = peers.add(await Outside.open());
    const lines: string[] = [];
    const gateway = peers.add(await TestGateway.start({
      agents: [{ name: 'anna', phone: 'sip:anna@127.0.0.1:9' }], trunks: [{ name: 'loopback', addresses: ['127.0.0.0/8'], outbound: outside.outbound }],
      more: { service: { queue }, tenant: { outside: outsideOf } }, logTo: { write: (line) => void lines.push(line) },
    }));
    await asksAt(gateway.sip, await gateway.citizen(attributes));
    await sleep(100);
    await gateway.stop();
    const told = lines.map((line) => JSON.parse(line) as { level: number; msg: string; promises?: number }).filter(({ promises }) => promises !== undefined);
    expect(told).toEqual([expect.objectContaining({ level: 40, promises: 1 })]);
    expect(lines.some((line) => line.includes('"reason":"drained"'))).toBe(true);
    expect(lines.join('\n')).not.toContain(number.slice(3));
  }, 240_000);
});
