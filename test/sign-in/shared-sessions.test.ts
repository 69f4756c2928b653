/** Logins that hold on two nodes, over a real Redis that comes and goes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../config/index.js';
import { connectRedis, type RedisLink } from '../../core-bridge/index.js';
import { RedisSessions } from '../../gateway/sign-in/redis-sessions.js';
import type { Session } from '../../gateway/sign-in/sessions.js';
import type { Account } from '../../gateway/sign-in/principal.js';
import { Peers } from '../peers/process.js';
import { startRedis, type Redis } from '../peers/redis.js';
import { until } from '../peers/wait.js';
import { account, log, password, startDoor, type TestDoor } from './door.js';
import { Visitor } from './visitor.js';

const peers = new Peers();
let redis: Redis;
beforeEach(async () => {
  redis = peers.add(await startRedis());
});
afterEach(() => peers.stopAll());

const sealKeys = [{ id: 'a', key: new Secret('a'.repeat(64)) }];
const people = [account('anna', 'Anna de Wit'), account('bram', 'Bram')];

async function node(accounts: readonly Account[] = people, options: Parameters<typeof startDoor>[0] = {}, keys = sealKeys): Promise<TestDoor & { link: RedisLink }> {
  const link = connectRedis({ kind: 'redis', server: { host: redis.host, port: redis.port }, prefix: 'tig', sealKeys: keys }, log);
  peers.defer(() => link.close());
  await until(() => link.ready, 'the link', 10_000);
  const door = peers.add(await startDoor({ accounts, share: new RedisSessions({ link, prefix: 'tig', sealKeys: keys }), sealSecret: 'b'.repeat(64), ...options }));
  return Object.assign(door, { link });
}

async function logIn(door: TestDoor, name = 'anna'): Promise<Visitor> {
  const visitor = await new Visitor().go(`${door.origin}/login`);
  return visitor.submit({ name, password });
}

/** The same browser at another node: a proxy stands before both, and the cookie is the same. */
function at(door: TestDoor, visitor: Visitor, from: TestDoor): Visitor {
  const there = new Visitor();
  there.setCookie(door.origin, 'screen', visitor.cookies(from.origin).get('screen') ?? '');
  return there;
}

const statusAt = async (door: TestDoor, visitor: Visitor): Promise<number> => (await visitor.request(`${door.origin}/screen/session`)).status;

describe('a login', () => {
  it('holds on all nodes, and its end does', async () => {
    const [a, b] = [await node(), await node()];
    const ended: Session[] = [];
    b.signIn.on('ended', (session) => ended.push(session));
    const onA = await logIn(a);
    const onB = at(b, onA, a);
    expect(await statusAt(b, onB)).toBe(200);
    expect(await b.signIn.sessionByCookie(onA.cookies(a.origin).get('screen'))).toMatchObject({ agent: 'anna', principal: { name: 'anna', displayName: 'Anna de Wit', roles: ['agent'], by: 'password' } });
    const loggedOutAt = Date.now();
    await onA.go('/logout', { method: 'POST' });
    await until(() => ended.length === 1, 'the other node to hear', 5_000);
    expect(Date.now() - loggedOutAt).toBeLessThan(2_500);
    expect(await statusAt(b, onB)).toBe(401);
    expect(await statusAt(a, at(a, onB, b))).toBe(401);
    // Both nodes knew it, and it is told once.
    const told = [...a.happened, ...b.happened].map(({ type }) => type);
    expect(told).toEqual(['agent.signedIn', 'agent.signedOut']);
  });

  it('survives a node, and is nothing to a node with another seal', async () => {
    const a = await node();
    const visitor = await logIn(a);
    await a.stop();
    const again = await node();
    expect(await statusAt(again, at(again, visitor, a))).toBe(200);
    const other = await node(people, {}, [{ id: 'b', key: new Secret('c'.repeat(64)) }]);
    expect(await statusAt(other, at(other, visitor, a))).toBe(401);
    // A seal that came before still opens what it sealed.
    const rotated = await node(people, {}, [{ id: 'b', key: new Secret('c'.repeat(64)) }, ...sealKeys]);
    const fresh = await logIn(again, 'bram');
    expect(await statusAt(rotated, at(rotated, fresh, again))).toBe(200);
  });

  it('is over when the configuration says something else of its account', async () => {
    const a = await node();
    const visitor = await logIn(a);
    const changed = await node([account('anna', 'Anna de Wit', { stamp: 'other roles' })]);
    expect(await statusAt(changed, at(changed, visitor, a))).toBe(401);
    const bram = await logIn(a, 'bram');
    expect(await statusAt(changed, at(changed, bram, a))).toBe(401);
    // And with that on the nodes that have not been restarted yet.
    await until(async () => (await statusAt(a, visitor)) === 401, 'the end everywhere', 5_000);
  });

  it('leaves nothing in Redis that anybody could use, and not for long', async () => {
    const a = await node(people, { idleTimeoutMs: 60_000 });
    const visitor = await logIn(a);
    const cookie = visitor.cookies(a.origin).get('screen') ?? '';
    const keys = (await redis.cli('--raw', 'KEYS', '*')).split('\n').filter(Boolean);
    expect(keys.filter((key) => key.startsWith('tig:login'))).toHaveLength(2);
    let all = keys.join();
    for (const key of keys) {
      all += await redis.cli('--raw', 'DUMP', key);
      expect(Number(await redis.cli('--raw', 'PTTL', key)), key).toBeGreaterThan(0);
    }
    const [record = ''] = keys.filter((key) => key.startsWith('tig:login:'));
    expect(Number(await redis.cli('--raw', 'PTTL', record))).toBeLessThanOrEqual(120_000);
    expect(Number(await redis.cli('--raw', 'STRLEN', record))).toBeLessThan(1_000);
    for (const secret of [cookie, 'anna', 'Anna', 'agent', password]) expect(all).not.toContain(secret);
    // A record put in the place of another is none.
    const other = await logIn(a, 'bram');
    const records = (await redis.cli('--raw', 'KEYS', 'tig:login:*')).split('\n').filter(Boolean);
    const bramsKey = records.find((key) => key !== record) ?? '';
    await redis.cli('COPY', record, bramsKey, 'REPLACE');
    const b = await node();
    expect(await statusAt(b, at(b, other, a))).toBe(401);
    const share = new RedisSessions({ link: b.link, prefix: 'tig', sealKeys });
    expect(await share.get(bramsKey.replace('tig:login:', ''))).toBeUndefined();
    expect(await share.get(record.replace('tig:login:', ''))).toMatchObject({ name: 'anna' });
  });

  it('made in a tab, for a frame, waits where all nodes find it: sealed, for a moment, and taken once', async () => {
    const [a, b] = [await node(), await node()];
    const [at, from] = [a, b].map(({ link }) => new RedisSessions({ link, prefix: 'tig', sealKeys }));
    const record = { key: 'k'.repeat(43), tenant: 'main', name: 'anna', roles: ['agent' as const], stamp: '1', begunAt: Date.now() };
    await at!.leave(record, 60_000);
    const [key = ''] = (await redis.cli('--raw', 'KEYS', 'tig:login-handed:*')).split('\n').filter(Boolean);
    expect(Number(await redis.cli('--raw', 'PTTL', key))).toBeGreaterThan(0);
    expect(await redis.cli('--raw', 'DUMP', key)).not.toContain('anna');
    await redis.cli('COPY', key, `tig:login-handed:${'x'.repeat(43)}`, 'REPLACE');
    expect(await from!.take('x'.repeat(43))).toBeUndefined();
    const taken = await Promise.all([at!.take(record.key), from!.take(record.key)]);
    expect(taken.filter(Boolean)).toEqual([record]);
    expect(await at!.take(record.key)).toBeUndefined();
  });

  it('idles on all nodes together', async () => {
    const a = await node(people, { idleTimeoutMs: 60_000 });
    let ahead = 0;
    const b = await node(people, { idleTimeoutMs: 60_000, now: () => Date.now() + ahead });
    const visitor = await logIn(b);
    const onA = at(a, visitor, b);
    expect(await statusAt(a, onA)).toBe(200);
    ahead = 50_000;
    (await b.signIn.sessionByCookie(visitor.cookies(b.origin).get('screen')))?.touch();
    // The touch here is known there: what is told is the time.
    await until(async () => ((await a.signIn.sessionByCookie(visitor.cookies(b.origin).get('screen'))) as unknown as { activeAt: number }).activeAt > Date.now() + 40_000, 'the touch to be told', 5_000);
    ahead = 200_000;
    expect(await statusAt(b, visitor)).toBe(401);
    await until(async () => (await statusAt(a, onA)) === 401, 'the end everywhere', 6_000);
  });

  it('locks everywhere and unlocks everywhere', async () => {
    const [a, b] = [await node(), await node()];
    const told: string[] = [];
    b.signIn.on('locked', ({ agent }) => told.push(`locked ${agent}`));
    b.signIn.on('unlocked', ({ agent }) => told.push(`unlocked ${agent}`));
    const visitor = await logIn(a);
    const onB = at(b, visitor, a);
    expect(await statusAt(b, onB)).toBe(200);
    await visitor.go('/lock', { method: 'POST' });
    await until(() => told.length === 1, 'the lock', 3_000);
    expect(await statusAt(b, onB)).toBe(423);
    await visitor.submit({ password });
    await until(() => told.length === 2, 'the unlocking', 3_000);
    expect(told).toEqual(['locked anna', 'unlocked anna']);
    expect(await statusAt(b, onB)).toBe(200);
  });

  it('has its most over all nodes', async () => {
    const [a, b] = [await node(), await node()];
    const first = await logIn(a);
    for (let more = 0; more < 5; more += 1) await logIn(more % 2 === 0 ? b : a);
    await until(async () => (await statusAt(a, first)) === 401, 'the oldest to make room', 5_000);
  });
});

describe('while Redis is away', () => {
  it('who is known here goes on, nobody new comes in, and what ended stays ended', async () => {
    const [a, b] = [await node(), await node()];
    const anna = await logIn(a);
    const bram = await logIn(a, 'bram');
    const bramAtB = at(b, bram, a);
    process.kill(redis.pid, 'SIGSTOP');
    await until(() => !a.link.ready && !b.link.ready, 'the links to notice', 15_000);
    expect(await statusAt(a, anna)).toBe(200);
    expect((await anna.go(`${a.origin}/screen`)).status).toBe(200);

    // A node that does not know them says so, and does not send them to a login that would not work.
    const elsewhere = await bramAtB.go(`${b.origin}/screen`);
    expect([elsewhere.status, elsewhere.url, elsewhere.headers.get('retry-after')]).toEqual([503, `${b.origin}/screen`, '30']);
    expect(elsewhere.text).toContain('Who is logged in already can go on working');
    const fresh = await logIn(a);
    expect([fresh.status, fresh.text]).toEqual([503, expect.stringContaining('Nobody can be logged in now')]);
    expect(fresh.cookies(a.origin).size).toBe(0);

    // Locking and logging out work at once; the other node hears of it later.
    await anna.go('/lock', { method: 'POST' });
    expect(await statusAt(a, anna)).toBe(423);
    await anna.submit({ password });
    expect([anna.status, await statusAt(a, anna)]).toEqual([503, 423]);
    await bram.go('/logout', { method: 'POST' });
    expect(await statusAt(a, at(a, bramAtB, b))).toBe(401);

    process.kill(redis.pid, 'SIGCONT');
    await until(() => a.link.ready && b.link.ready, 'the links to be back', 15_000);
    await until(async () => (await statusAt(b, bramAtB)) === 401, 'the logout to be told', 10_000);
    await until(async () => (await statusAt(b, at(b, anna, a))) === 423, 'the lock to be told', 10_000);
    expect(await statusAt(a, at(a, bramAtB, b))).toBe(401);
    await anna.go(`${a.origin}/unlock`);
    await anna.submit({ password });
    expect(await statusAt(a, anna)).toBe(200);
    expect((await logIn(b)).status).toBe(200);
  }, 60_000);
});
