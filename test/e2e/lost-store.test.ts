/** Redis loses everything in the middle of calls: pages, shown identities and the line stay, and the next callers reach the agents. */
import { afterEach, describe, expect, it } from 'vitest';
import type { ScreenClient } from '../../gateway/demo/screen-client.js';
import { Phone, tone, type CallState, type PhoneCall } from '../../gateway/phone/index.js';
import { Peers, until } from '../peers/index.js';
import { startRedis, type Redis } from '../peers/redis.js';
import { realEngines, redisStore, TestGateway } from '../support/gateway.js';
import { attributes, dialled } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

/** Longest wait for what should follow by itself; patience for a busy machine. */
const soonMs = 30_000;

async function openPhone(answers = false): Promise<Phone> {
  const phone = await Phone.open();
  if (answers) phone.answer({ answerAfterMs: 0 });
  peers.defer(() => phone.close());
  return phone;
}

const dial = (phone: Phone, { sip }: TestGateway, from: string, code = '0'): PhoneCall =>
  phone.call({ to: `sip:${dialled}@${sip.host}:${sip.port}`, from, code, codeAfterMs: 300, dtmf: 'info', say: { samples: tone([600], 1_000), forever: true } });

const told = (call: PhoneCall, state: CallState): Promise<unknown> =>
  until(() => call.events.some((event) => event.kind === 'told' && event.state === state), `the caller to be ${state}`, soonMs);

const shows = (screen: ScreenClient, name: string): Promise<unknown> => until(() => screen.shown?.fields?.['Name'] === name, `the screen of ${screen.agent} to show ${name}`, soonMs);

/** What the page was told since then, but for what goes on by itself. */
const goesOn = ['beat', 'lease', 'seat'];
const since = (screen: ScreenClient, at: number): string[] => screen.heard.filter((heard) => heard.at > at).map(({ message }) => message.type).filter((type) => !goesOn.includes(type));

/** Empties Redis in one way or the other, as if its data had never been. */
type Lose = (redis: Redis) => Promise<Redis>;
const flush: Lose = async (redis) => {
  await redis.cli('FLUSHALL');
  return redis;
};
const restart: Lose = async (redis) => {
  await redis.stop();
  return peers.add(await startRedis({ port: redis.port }));
};

/** Until all nodes have noticed, and have told what they know. */
async function isKnownAgain(redis: Redis, nodes: TestGateway[], logins: number): Promise<void> {
  const count = async (pattern: string): Promise<number> => (await redis.cli('--scan', '--pattern', pattern)).split('\n').filter(Boolean).length;
  await until(async () => (await count('tig:login:*')) === logins && (await count('tig:{main:desk}:*')) === 1, 'the nodes to tell what they know', soonMs);
  for (const { gateway } of nodes) await until(() => gateway.health().store, 'the store', soonMs);
}

describe.skipIf(realEngines)('Redis loses everything in the middle of calls', () => {
  it.each([['FLUSHALL', flush], ['a restart without data', restart]] as const)('one node, %s: the page stays and shows who is calling, the code of before is worth nothing, the next caller reaches the agent', async (_how, lose) => {
    let redis = peers.add(await startRedis());
    const agent = await openPhone(true);
    const gateway = peers.add(await TestGateway.start({ agents: [{ name: 'anna', phone: agent.uri }], store: redisStore(redis), alone: true }));
    await until(() => gateway.gateway.health().store, 'the store', soonMs);
    const screen = peers.add(await gateway.screen('anna'));
    const phone = await openPhone();
    const [code, later] = [await gateway.citizen(attributes), await gateway.citizen({ fullname: 'Pieter Later' })];
    const call = dial(phone, gateway, '0612345678', code);
    await screen.told('connected', { timeoutMs: soonMs });
    await shows(screen, attributes.fullname);

    const lostAt = performance.now();
    redis = await lose(redis);
    await isKnownAgain(redis, [gateway], 1);
    // Two looks at the logins and a renewal of the screen's lease later.
    await until(() => performance.now() - lostAt > 5_000, 'some time', soonMs);
    expect(since(screen, lostAt)).toEqual([]);
    expect([screen.closed, screen.shown?.fields?.['Name'], call.events.some(({ kind }) => kind === 'ended')]).toEqual([undefined, attributes.fullname, false]);
    // Loaded again, the page has the call still. What was sealed is lost, and is not made up.
    const again = peers.add(await screen.again(gateway.gateway.urls.agents));
    await until(() => again.shown?.callId !== undefined, 'the call to be shown again', soonMs);
    expect(again.shown?.fields).toBeNull();
    await call.hangup('done');
    await again.told('clear', { timeoutMs: soonMs });
    await gateway.untilEmpty(soonMs);

    // A code of before: its caller is asked again, and reaches the agent without being identified.
    const next = dial(phone, gateway, '0612345679', later);
    await until(async () => (await gateway.metric(/^gateway_codes_total.*refused/)) === 1, 'the code to be refused', soonMs);
    await next.press('0#');
    await again.told('reveal', { since: lostAt, count: 1, timeoutMs: soonMs });
    await until(() => again.shown?.fields === null, 'a caller who is not identified', soonMs);
    await next.hangup('done');
    await gateway.untilEmpty(soonMs);
    // And who logs in now is identified.
    const fresh = dial(phone, gateway, '0612345670', await gateway.citizen({ fullname: 'Johanna Daarna' }));
    await shows(again, 'Johanna Daarna');
    await fresh.hangup('done');
    await gateway.untilEmpty(soonMs);
  }, 120_000);

  it.each([['FLUSHALL', flush], ['a restart without data', restart]] as const)('two nodes, %s: a call of another node stays on the screen, who waits is next, and who logged out before stays out', async (_how, lose) => {
    let redis = peers.add(await startRedis());
    const store = redisStore(redis);
    const [annasPhone, beasPhone] = [await openPhone(true), await openPhone(true)];
    const agents = [{ name: 'anna', phone: annasPhone.uri }, { name: 'bea', phone: beasPhone.uri }];
    const here = peers.add(await TestGateway.start({ agents, store }));
    const there = peers.add(await TestGateway.start({ agents, store, secondTo: here }));
    for (const { gateway } of [here, there]) await until(() => gateway.health().store, 'the store', soonMs);
    const screen = peers.add(await here.screen('anna'));
    // Somebody who was there, and is not any more.
    const gone = peers.add(await there.screen('bea'));
    const out = await fetch(`${there.gateway.urls.agents}/logout`, { method: 'POST', redirect: 'manual', headers: { cookie: gone.cookie, origin: there.gateway.urls.agents } });
    expect(out.status).toBe(303);
    await until(() => gone.closed !== undefined, 'the logout', soonMs);

    const phone = await openPhone();
    const call = dial(phone, there, '0612345678', await here.citizen(attributes));
    await screen.told('connected', { timeoutMs: soonMs });
    await shows(screen, attributes.fullname);
    const waits = [dial(phone, here, '0612345671'), dial(phone, there, '0612345672')];
    for (const waiting of waits) await told(waiting, 'waiting');

    const lostAt = performance.now();
    redis = await lose(redis);
    await isKnownAgain(redis, [here, there], 2);
    // What the other node does not renew is off the screen by now.
    await until(() => performance.now() - lostAt > 11_000, 'some time', soonMs);
    expect(since(screen, lostAt)).toEqual([]);
    expect([screen.closed, screen.shown?.fields?.['Name']]).toEqual([undefined, attributes.fullname]);
    for (const { gateway } of [here, there]) {
      const { status } = await fetch(`${gateway.urls.agents}/screen/session`, { headers: { cookie: gone.cookie } });
      expect(status).toBe(401);
      expect((await fetch(`${gateway.urls.agents}/screen/session`, { headers: { cookie: screen.cookie } })).status).toBe(200);
    }

    // The two who waited come next, one after the other, and then a new one.
    await call.hangup('done');
    for (const served of [1, 2]) {
      await until(() => waits.filter(({ events }) => events.some((event) => event.kind === 'told' && event.state === 'connected')).length === served, `caller ${served} of the line to reach the agent`, soonMs);
      await waits.find(({ events }) => events.some((event) => event.kind === 'told' && event.state === 'connected') && !events.some(({ kind }) => kind === 'ended'))!.hangup('done');
    }
    const next = dial(phone, here, '0612345673', await there.citizen({ fullname: 'Johanna Daarna' }));
    await shows(screen, 'Johanna Daarna');
    await next.hangup('done');
    for (const node of [here, there]) await node.untilEmpty(soonMs);
  }, 120_000);
});
