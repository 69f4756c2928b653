/** Promises to call back: one suite for every store, and what becomes of one when its node is cut off, dies, or Redis loses it. */
import { randomUUID } from 'node:crypto';
import pino from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '../../config/index.js';
import type { RedisLink } from '../../core-bridge/index.js';
import { Adoption } from '../../gateway/call/promises/adoption.js';
import { HeldPromise, type PromiseTimes } from '../../gateway/call/promises/held-promise.js';
import type { Adopted, PromiseRecord, PromiseStore } from '../../gateway/call/promises/index.js';
import { MemoryPromises } from '../../gateway/call/promises/memory-promises.js';
import { RedisPromises } from '../../gateway/call/promises/redis-promises.js';
import { SpokenCode, SpokenNumber } from '../../ivr/index.js';
import { startTopology, type Topology } from '../core-bridge/stores/topologies.js';
import { openLinks } from '../core-bridge/stores/vaults.js';
import { cuttable } from '../desk/desks.js';
import { Peers, sleep, until } from '../peers/index.js';
import { startRedis } from '../peers/redis.js';

const log = pino({ level: 'silent' });
const number = '+31612345678';
const shortCode = '7294';
const key = (id: string, byte: string) => ({ id, key: new Secret(byte.repeat(32)) });
const sealKeys = [key('new', 'a1'), key('old', 'b2')];

const newRecord = (more: Partial<PromiseRecord> = {}): PromiseRecord => ({
  id: randomUUID(), callId: randomUUID(), tenant: 'zutphen', service: 'Burgerzaken', number: new SpokenNumber(number), calledFrom: new SpokenNumber('+31687654321'),
  shortCode: new SpokenCode(shortCode), session: { id: 'a session', heldBy: 'a call', shown: false, provedDuringCall: true },
  since: 12_345, headStartMs: 60_000, place: 3, waitingSince: Date.now(), attempts: 0, until: Date.now() + 60_000, ...more,
});
/** A record with what it does not print. */
const whole = (record: PromiseRecord | undefined): unknown => record && { ...record, number: record.number.reveal(), calledFrom: record.calledFrom?.reveal(), shortCode: record.shortCode?.reveal() };

interface Kind { name: string; topology?: 'single' | 'cluster' }
const kinds: Kind[] = [{ name: 'in memory' }, { name: 'on Redis', topology: 'single' }, { name: 'on a Redis Cluster', topology: 'cluster' }];

describe.each(kinds)('promises $name', ({ topology }) => {
  let redis: Topology | undefined;
  let links: RedisLink[] = [];
  let tenants = 0;
  beforeAll(async () => {
    if (!topology) return;
    redis = await startTopology(topology);
    links = await openLinks(redis.config, 2);
  }, 120_000);
  afterAll(async () => {
    for (const link of links) await link.close();
    await redis?.stop();
  });

  /** A store that nobody had before, as two nodes see it. */
  function build(): { here: PromiseStore; there: PromiseStore; of: (more?: Partial<PromiseRecord>) => PromiseRecord } {
    const tenant = `tenant${(tenants += 1)}`;
    const of = (more: Partial<PromiseRecord> = {}): PromiseRecord => newRecord({ tenant, ...more });
    if (!redis) {
      const memory = new MemoryPromises();
      return { here: memory, there: memory, of };
    }
    const [here, there] = links.map((link) => new RedisPromises({ link, prefix: 'tig', tenant, sealKeys, longestMs: 60_000, onUnreadable: () => undefined }));
    return { here: here!, there: there!, of };
  }

  it('belong to the call that made them until its lease ends, and then to one other', async () => {
    const { here, there, of } = build();
    const record = of();
    expect(await here.put(record, 400)).toBe('held');
    expect(await there.adopt('heir', 10_000, 'ended')).toBeUndefined();
    expect(await here.renew(record.id, record.callId, 400, { ...record, attempts: 1, nextAttemptAt: 5, place: 2 })).toBe('held');
    const adopted = await until(() => there.adopt('heir', 10_000, 'ended'), 'the lease to end', 5_000);
    expect(whole(adopted.record)).toEqual(whole({ ...record, attempts: 1, nextAttemptAt: 5, place: 2 }));
    expect(adopted.before).toBe(record.callId);
    // The one before has lost it, whatever it does.
    expect(await here.renew(record.id, record.callId, 400)).toBe('lost');
    expect(await here.put(record, 400)).toBe('lost');
    expect(await here.release(record)).toBe(false);
    await here.remove(record.id, record.callId);
    expect(await there.renew(record.id, 'heir', 10_000)).toBe('held');
    expect(await here.adopt('another', 10_000, 'ended')).toBeUndefined();
  });

  it('of any number of calls that want one, one gets it', async () => {
    const { here, there, of } = build();
    for (let i = 0; i < 3; i += 1) await here.put(of(), 1);
    await sleep(20);
    const adopted = (await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? here : there).adopt(`heir ${i}`, 10_000, 'ended')))).filter((one) => one !== undefined);
    // Who looked in the very moment in which all were taken by others looks again.
    for (let more = await here.adopt('late', 10_000, 'ended'); more; more = await here.adopt('late', 10_000, 'ended')) adopted.push(more);
    expect(adopted).toHaveLength(3);
    expect(new Set(adopted.map(({ record }) => record.id)).size).toBe(3);
  });

  it('that are given up are somebody else’s at once, who hears of it', async () => {
    const { here, there, of } = build();
    let heard = 0;
    const stop = there.onReleased(() => (heard += 1));
    const record = of();
    await here.put(record, 60_000);
    // A subscription needs a moment; a promise is found without it too.
    await until(async () => {
      const other = of();
      await here.put(other, 60_000);
      await here.release(other);
      await there.adopt(randomUUID(), 60_000, 'released');
      return heard > 0;
    }, 'the node to hear of it', 5_000, 50);
    expect(await there.adopt('heir', 60_000, 'released')).toBeUndefined();
    expect(await here.release({ ...record, attempts: 1 })).toBe(true);
    const adopted = await there.adopt('heir', 60_000, 'released');
    expect(whole(adopted?.record)).toEqual(whole({ ...record, attempts: 1 }));
    expect(adopted?.before).toBeUndefined();
    expect(await here.renew(record.id, record.callId, 60_000)).toBe('lost');
    expect(await here.put(record, 60_000)).toBe('lost');
    stop();
  });

  it('that are over are nobody’s any more, and cannot be put back by who had them before', async () => {
    const { here, there, of } = build();
    const [own, moved] = [of(), of()];
    await here.put(own, 60_000);
    await here.remove(own.id, own.callId);
    expect(await here.renew(own.id, own.callId, 60_000)).toBe('unknown');
    await here.put(moved, 1);
    await until(() => there.adopt('heir', 60_000, 'ended'), 'the lease to end', 5_000);
    await there.remove(moved.id, 'heir');
    expect(await here.adopt('another', 60_000, 'ended')).toBeUndefined();
    if (here.shared) {
      expect(await here.renew(moved.id, moved.callId, 60_000)).toBe('lost');
      expect(await here.put(moved, 60_000)).toBe('lost');
    }
  });

  it('expire by themselves', async () => {
    const { here, there, of } = build();
    const record = of({ until: Date.now() + 300 });
    await here.put(record, 60_000);
    await until(async () => (await here.renew(record.id, record.callId, 1)) === 'unknown', 'the promise to end', 5_000);
    expect(await there.adopt('heir', 60_000, 'ended')).toBeUndefined();
  });
});

describe('promises in Redis', () => {
  const peers = new Peers();
  afterEach(() => peers.stopAll());
  const times: Partial<PromiseTimes> = { leaseMs: 600, renewEveryMs: 150, attemptLeaseMs: 900, marginMs: 300 };

  async function build(count = 2) {
    const redis = peers.add(await startRedis());
    const links = await openLinks({ kind: 'redis', prefix: 'tig', server: { host: redis.host, port: redis.port }, sealKeys }, count);
    for (const link of links) peers.add({ stop: () => link.close() });
    const nodes = links.map((link) => {
      const way = cuttable(link);
      return { way, store: new RedisPromises({ link: way, prefix: 'tig', tenant: 'zutphen', sealKeys, longestMs: 60_000, onUnreadable: () => undefined }) };
    });
    return { redis, nodes };
  }

  function hold(store: PromiseStore, record = newRecord(), isKept = false) {
    const lost: number[] = [];
    const held = new HeldPromise(record, isKept, { store, times, log, onLost: () => void lost.push(performance.now()) });
    peers.add({ stop: () => held.passOn() });
    return { held, lost, record };
  }

  /** Takes up what is nobody's, as a node does. */
  function heir(node: { way: RedisLink; store: PromiseStore }, leaseMs = 600) {
    const taken: (Adopted & { callId: string })[] = [];
    const adoption = new Adoption({ store: node.store, link: node.way, mayTake: () => true, take: (adopted, callId) => { taken.push({ ...adopted, callId }); return Promise.resolve(); }, log, leaseMs, everyMs: 50 });
    peers.add({ stop: () => adoption.close() });
    return taken;
  }

  it('show nothing of the caller, and end by themselves', async () => {
    const { redis, nodes: [node] } = await build(1);
    const record = newRecord();
    await node!.store.put(record, 60_000);
    const keys = (await redis.cli('--scan')).split('\n').filter(Boolean);
    expect(keys.sort()).toEqual([`tig:{zutphen:promises}:leases`, `tig:{zutphen:promises}:of:${record.id}`]);
    for (const key of keys) {
      const dump = await redis.cli('DUMP', key);
      for (const secret of [number, number.slice(3), '87654321', shortCode, 'a session', 'Burgerzaken']) expect(dump).not.toContain(secret);
      expect(Number(await redis.cli('PTTL', key))).toBeGreaterThan(0);
    }
    // What is sealed is of no use under another name.
    const other = newRecord();
    await node!.store.put(other, 60_000);
    const [sealed, swapped] = await Promise.all([record, other].map(({ id }) => redis.cli('HGET', `tig:{zutphen:promises}:of:${id}`, 'sealed')));
    await redis.cli('HSET', `tig:{zutphen:promises}:of:${record.id}`, 'sealed', swapped!);
    expect(sealed).not.toBe(swapped);
    await node!.store.release(other);
    await redis.cli('ZADD', 'tig:{zutphen:promises}:leases', '0', record.id, '0', other.id);
    const found = [await node!.store.adopt('x', 1_000, 'released'), await node!.store.adopt('y', 1_000, 'released')];
    expect(found.filter((one) => one !== undefined).map(({ record: { id } }) => id)).toEqual([other.id]);
    await node!.store.remove(other.id, 'x');
    await node!.store.remove(other.id, 'y');
    expect(await redis.cli('HGETALL', `tig:{zutphen:promises}:of:${other.id}`)).not.toContain('sealed');
  });

  it('of a node that was cut off go to another one: it gives them up, and calls nobody in doubt', async () => {
    const { nodes: [here, there] } = await build();
    const taken = heir(there!);
    const { held, lost, record } = hold(here!.store);
    // It is renewed for longer than a lease.
    await sleep(1_000);
    expect(taken).toEqual([]);
    here!.way.cut();
    // In doubt nobody is called.
    expect(await held.begin()).toEqual({ kind: 'unsure' });
    const adopted = await until(() => taken[0], 'another node to take it over', 5_000);
    expect(adopted.before).toBe(record.callId);
    expect(lost).toEqual([]);
    expect(await held.begin()).toEqual({ kind: 'unsure' });
    here!.way.mend();
    await until(() => lost.length === 1, 'the node to hear that it lost the promise', 5_000);
    expect(await held.begin()).toEqual({ kind: 'lost' });
    await held.over();
    // What it does now changes nothing.
    expect(await there!.store.renew(record.id, adopted.callId, 5_000)).toBe('held');
  });

  it('a call that is under way when its node is cut off is given up before another node can call', async () => {
    const { nodes: [here, there] } = await build();
    const taken = heir(there!);
    const { held } = hold(here!.store);
    const start = await held.begin();
    if (start.kind !== 'ours') throw new Error('the promise is not ours');
    let cutOffAt = Infinity;
    start.cutOff.addEventListener('abort', () => (cutOffAt = performance.now()));
    await sleep(1_200);
    // Renewed while the telephone rings.
    expect(cutOffAt).toBe(Infinity);
    here!.way.cut();
    const takenAt = await until(() => taken[0] && performance.now(), 'another node to take it over', 5_000);
    expect(cutOffAt).toBeLessThan(takenAt);
    expect(taken).toHaveLength(1);
  });

  it('are put back when Redis has lost everything, and stay with the node that has them', async () => {
    const { redis, nodes: [here, there] } = await build();
    const taken = heir(there!);
    const { held, lost, record } = hold(here!.store);
    await until(async () => (await redis.cli('EXISTS', `tig:{zutphen:promises}:of:${record.id}`)) === '1', 'the promise to be kept', 5_000);
    await redis.cli('FLUSHALL');
    await until(async () => (await redis.cli('EXISTS', `tig:{zutphen:promises}:of:${record.id}`)) === '1', 'the promise to be there again', 5_000);
    const start = await held.begin();
    expect(start.kind).toBe('ours');
    await held.over();
    expect(await redis.cli('--scan')).toBe('');
    expect([taken, lost]).toEqual([[], []]);
  });

  it('stay with their nodes when Redis was away for longer than a lease: those have time to say so', async () => {
    const { nodes: [here, there] } = await build();
    const taken = heir(there!, 1_500);
    const { held, lost } = hold(here!.store);
    await sleep(300);
    for (const { way } of [here!, there!]) way.cut();
    await sleep(1_500);
    for (const { way } of [here!, there!]) way.mend();
    await sleep(1_000);
    expect([taken, lost]).toEqual([[], []]);
    expect((await held.begin()).kind).toBe('ours');
  });

  it('of a node that stops are another one’s at once, and an attempt that was given up for it does not count', async () => {
    const { nodes: [here, there] } = await build();
    const taken = heir(there!, 60_000);
    const { held, lost, record } = hold(here!.store);
    const start = await held.begin();
    expect(held.record.attempts).toBe(1);
    expect(await held.passOn()).toBe(true);
    expect(start.kind === 'ours' && start.cutOff.aborted).toBe(true);
    const adopted = await until(() => taken[0], 'another node to take it over', 5_000);
    expect(adopted.record).toMatchObject({ id: record.id, attempts: 0, callId: record.callId });
    expect(adopted.record.nextAttemptAt).toBeLessThanOrEqual(Date.now());
    expect(lost).toEqual([]);
    // And from there, with what it noted.
    const second = hold(there!.store, { ...adopted.record, callId: adopted.callId }, true);
    second.held.change({ place: 1 });
    expect((await second.held.begin()).kind).toBe('ours');
    second.held.tryAgain(Date.now() + 60_000, true);
    expect(await second.held.passOn()).toBe(true);
    await until(() => taken[1], 'it to be taken over again', 5_000);
    expect(taken[1]!.record).toMatchObject({ attempts: 1, place: 1 });
  });
});
