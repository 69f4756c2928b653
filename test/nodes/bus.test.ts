/** Nodes that speak with each other over a real Redis, with somebody in Redis who reads along, repeats and makes things up. */
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { RedisConfig, RedisLink } from '../../core-bridge/redis/connect.js';
import { NodeBusError, topic } from '../../gateway/nodes/index.js';
import { MemoryBus } from '../../gateway/nodes/memory-bus.js';
import type { NodeBus } from '../../gateway/nodes/bus.js';
import { keepingLog } from '../core-bridge/fixtures.js';
import { newSealKeyConfig, startTopology } from '../core-bridge/stores/topologies.js';
import { openLinks } from '../core-bridge/stores/vaults.js';
import { Peers } from '../peers/process.js';
import { startRedis } from '../peers/redis.js';
import { sleep, until } from '../peers/wait.js';
import { configOf, eavesdrop, silent, soonMs, startBus, startBuses } from './nodes.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

const codeOf = (work: Promise<void>): Promise<string> => work.then(() => 'sent', (error: unknown) => (error instanceof NodeBusError ? error.code : String(error)));

/** Everything of one kind that a bus is told. */
function listen(bus: NodeBus, kind: string): { from: string; body: unknown }[] {
  const told: { from: string; body: unknown }[] = [];
  bus.on(kind, (from, body) => void told.push({ from, body }));
  return told;
}

describe('nodes on one Redis', () => {
  it('find each other, speak to one and to all, and hear who left', async () => {
    const { buses: [a, b, c] } = await startBuses(peers, configOf(peers.add(await startRedis())), 3);
    const told = [a!, b!, c!].map((bus) => listen(bus, 'hello'));
    const left: unknown[][] = [];
    a!.onPeer((node, change) => void left.push([node, change]));
    await a!.send(b!.id, 'hello', { to: 'b' });
    await a!.broadcast('hello', { to: 'all' });
    await a!.send(a!.id, 'hello', { to: 'myself' });
    await until(() => told[1]!.length === 2 && told[2]!.length === 1 && told[0]!.length === 1, 'everybody to be told', soonMs);
    expect(told.map((of) => of.map(({ body }) => body))).toEqual([[{ to: 'myself' }], [{ to: 'b' }, { to: 'all' }], [{ to: 'all' }]]);
    expect(new Set(told.flat().map(({ from }) => from))).toEqual(new Set([a!.id]));
    await b!.close();
    await until(() => left.length === 1, 'the end of a node to be told', soonMs);
    expect(left).toEqual([[b!.id, 'left']]);
    expect(await codeOf(a!.send(b!.id, 'hello', 1))).toBe('unknown_node');
    expect(await codeOf(b!.send(a!.id, 'hello', 1))).toBe('closed');
    expect([...a!.peers]).toEqual([c!.id]);
  });

  it('notice one that dies without a word', async () => {
    const { buses: [a, b], links: [, link] } = await startBuses(peers, configOf(peers.add(await startRedis())), 2, { beatEveryMs: 100, freshMs: 1_500 });
    await link!.close();
    await until(() => a!.peers.size === 0, 'the silence to be noticed', soonMs);
    expect(await codeOf(a!.send(b!.id, 'hello', 1))).toBe('unknown_node');
  });

  it('hear messages in the order in which they were sent, to one and to all', async () => {
    const { buses: [a, b] } = await startBuses(peers, configOf(peers.add(await startRedis())), 2);
    const told = listen(b!, 'n');
    await Promise.all(Array.from({ length: 300 }, (_, n) => (n % 3 === 0 ? a!.broadcast('n', n) : a!.send(b!.id, 'n', n))));
    await until(() => told.length === 300, 'all to arrive', soonMs);
    expect(told.map(({ body }) => body)).toEqual(Array.from({ length: 300 }, (_, n) => n));
  });

  it('let nobody in Redis read a word, nor the kind of a message', async () => {
    const redis = peers.add(await startRedis());
    const ear = await eavesdrop(peers, redis);
    const { buses: [a, b] } = await startBuses(peers, configOf(redis), 2);
    const told = listen(b!, 'reveal');
    await a!.send(b!.id, 'reveal', { name: 'Jip Jansen', bsn: '999990019' });
    await a!.broadcast('reveal', { name: 'Jip Jansen', bsn: '999990019' });
    await until(() => told.length === 2, 'both to arrive', soonMs);
    await until(() => ear.heard.filter(({ channel }) => channel.includes(b!.id)).length > 0, 'the eavesdropper to hear it', soonMs);
    const ours = ear.heard.filter(({ channel }) => channel.startsWith('tig:nodes:'));
    expect(ours.length).toBeGreaterThanOrEqual(4);
    for (const { text } of ours) {
      const plain = [text, Buffer.from(text.split(':').at(-1)!, 'base64url').toString('latin1')].join('\n');
      for (const needle of ['Jansen', '999990019', 'reveal', 'beat', 'heard']) expect(plain).not.toContain(needle);
    }
    // Nor is any of it kept.
    expect(await redis.cli('DBSIZE')).toBe('0');
  });

  it('believe no message a second time, nor one that was meant for another node or made by nobody', async () => {
    const redis = peers.add(await startRedis());
    const config = configOf(redis);
    const ear = await eavesdrop(peers, redis);
    const links = await openLinks(config, 3);
    for (const link of links) peers.defer(() => link.close());
    const { log, lines } = keepingLog();
    const [a, b, c] = links.map((link, i) => startBus(peers, config, link, {}, i === 1 ? log : silent));
    await until(() => [a, b, c].every((bus) => bus!.peers.size === 2), 'the nodes to find each other', soonMs);
    const told = [listen(b!, 'draw'), listen(c!, 'draw')];
    await a!.send(b!.id, 'draw', 1);
    await a!.broadcast('draw', 2);
    await until(() => told[0]!.length === 2 && told[1]!.length === 1, 'the messages to arrive', soonMs);
    const recorded = [...ear.heard];
    for (const { channel, text } of recorded) await ear.say(channel, text);
    // The other node's channel, and everybody's.
    for (const { text } of recorded) {
      for (const channel of [`tig:nodes:${c!.id}`, `tig:nodes:${b!.id}`, 'tig:nodes:all']) await ear.say(channel, text);
    }
    const toB = recorded.find(({ channel }) => channel.includes(b!.id))!.text;
    const forged = [toB.replace(a!.id, c!.id), `${toB.slice(0, -4)}AAAA`, toB.replace('k1', 'k2'), '', 'k1:', 'x'.repeat(1_000_000), 'k1:'.padEnd(200, 'A'), toB.slice(0, 60)];
    for (const text of forged) await ear.say(`tig:nodes:${b!.id}`, text);
    await a!.send(b!.id, 'draw', 3);
    await until(() => told[0]!.length === 3, 'the nodes to go on', soonMs);
    expect(told.map((of) => of.map(({ body }) => body))).toEqual([[1, 2, 3], [2]]);
    expect(lines.some((line) => line.includes('"about":"replayed"'))).toBe(true);
    expect(lines.some((line) => line.includes('not of our nodes'))).toBe(true);
    // A flood of them is two lines, not a thousand.
    expect(lines.filter((line) => line.includes('not believed')).length).toBeLessThanOrEqual(3);
  });

  it('do not believe a message that was held back', async () => {
    const config = configOf(peers.add(await startRedis()));
    const [linkA, linkB] = await openLinks(config, 2);
    for (const link of [linkA!, linkB!]) peers.defer(() => link.close());
    // Nothing real holds a message back when a test wants it to: this link does, as a stalled connection would.
    let open: Promise<void> = Promise.resolve();
    const stalling: RedisLink = {
      run: async (work) => { await open; return linkA!.run(work); },
      subscribe: (channel, listener) => linkA!.subscribe(channel, listener),
      get ready() { return linkA!.ready; },
      on: (event, listener) => linkA!.on(event, listener),
      off: (event, listener) => linkA!.off(event, listener),
      close: () => linkA!.close(),
    };
    let ahead = 0;
    const { log, lines } = keepingLog();
    const a = startBus(peers, config, stalling);
    const b = startBus(peers, config, linkB!, { now: () => performance.now() + ahead }, log);
    await until(() => a.peers.size === 1 && b.peers.size === 1, 'the nodes to find each other', soonMs);
    const told = listen(b, 'draw');
    let release = (): void => undefined;
    open = new Promise((resolve) => { release = resolve; });
    const held = [a.send(b.id, 'draw', 'late'), a.broadcast('draw', 'late')];
    await sleep(50);
    expect(told).toEqual([]);
    ahead = 11_000;
    release();
    await Promise.all(held);
    await until(() => lines.some((line) => line.includes('"about":"stale"')), 'it to be refused', soonMs);
    // It has been told of the new time, and is believed again.
    await until(async () => (await codeOf(a.send(b.id, 'draw', 'now'))) === 'sent' && told.length > 0, 'the nodes to go on', soonMs, 200);
    expect(new Set(told.map(({ body }) => body))).toEqual(new Set(['now']));
  });

  it('change the seal key one after the other; one with a key of its own is nobody', async () => {
    const redis = peers.add(await startRedis());
    const config = configOf(redis);
    const [k1] = config.sealKeys;
    const k2 = newSealKeyConfig('k2');
    const links = await openLinks(config, 3);
    for (const link of links) peers.defer(() => link.close());
    const stranger: RedisConfig = { ...config, sealKeys: [newSealKeyConfig('k1')] };
    const [old, young] = [startBus(peers, { ...config, sealKeys: [k1!, k2] }, links[0]!), startBus(peers, { ...config, sealKeys: [k2, k1!] }, links[1]!)];
    const other = startBus(peers, stranger, links[2]!);
    await until(() => old.peers.size === 1 && young.peers.size === 1, 'the nodes to find each other', soonMs);
    const told = [listen(old, 'hello'), listen(young, 'hello'), listen(other, 'hello')];
    await Promise.all([old.send(young.id, 'hello', 1), young.send(old.id, 'hello', 2), old.broadcast('hello', 3), other.broadcast('hello', 4)]);
    await until(() => told[0]!.length === 1 && told[1]!.length === 2, 'the messages to arrive', soonMs);
    await sleep(200);
    expect(told.map((of) => of.map(({ body }) => body))).toEqual([[2], [1, 3], []]);
    expect([...other.peers]).toEqual([]);
    expect(await codeOf(other.send(old.id, 'hello', 5))).toBe('unknown_node');
  });

  it('say that a message is too long; one with many attributes is not', async () => {
    const { buses: [a, b] } = await startBuses(peers, configOf(peers.add(await startRedis())), 2);
    const told = listen(b!, 'long');
    expect(await codeOf(a!.send(b!.id, 'long', 'x'.repeat(400_000)))).toBe('too_large');
    expect(await codeOf(a!.send(b!.id, 'long', 'é'.repeat(130_000)))).toBe('sent');
    await until(() => told.length === 1, 'it to arrive', soonMs);
    expect(told[0]!.body).toHaveLength(130_000);
  });

  it('report what cannot be sent while Redis hangs or is away, keep no more than they may, and go on by themselves', async () => {
    const redis = peers.add(await startRedis());
    const config = configOf(redis);
    const links = await openLinks(config, 2, silent, {});
    for (const link of links) peers.defer(() => link.close());
    const [a, b] = links.map((link) => startBus(peers, config, link));
    await until(() => a!.peers.size === 1 && b!.peers.size === 1, 'the nodes to find each other', soonMs);
    const told = listen(b!, 'n');
    process.kill(redis.pid, 'SIGSTOP');
    const outcomes = await (async () => {
      try {
        return await Promise.all(Array.from({ length: 1_200 }, (_, n) => codeOf(a!.send(b!.id, 'n', n))));
      } finally {
        process.kill(redis.pid, 'SIGCONT');
      }
    })();
    expect(new Set(outcomes)).toEqual(new Set(['unreachable', 'overloaded']));
    expect(outcomes.filter((code) => code === 'overloaded').length).toBeGreaterThanOrEqual(200);
    await redis.stop();
    await until(() => !links[0]!.ready, 'the link to know', soonMs);
    expect(await codeOf(a!.send(b!.id, 'n', 'away'))).toBe('unreachable');
    peers.add(await startRedis({ port: redis.port }));
    await until(async () => (await codeOf(a!.send(b!.id, 'n', 'back'))) === 'sent' && told.some(({ body }) => body === 'back'), 'messages to arrive again', 30_000, 200);
    expect(told.some(({ body }) => body === 'away')).toBe(false);
  }, 60_000);

  it('ignore kinds they do not know with one line, and forms they do not know', async () => {
    const config = configOf(peers.add(await startRedis()));
    const links = await openLinks(config, 2);
    for (const link of links) peers.defer(() => link.close());
    const { log, lines } = keepingLog();
    const [a, b] = links.map((link, i) => startBus(peers, config, link, {}, i === 1 ? log : silent));
    await until(() => a!.peers.size === 1 && b!.peers.size === 1, 'the nodes to find each other', soonMs);
    for (let i = 0; i < 3; i += 1) await a!.send(b!.id, 'of a later version', i);
    const known = topic(b!, 'known', z.object({ callId: z.string() }));
    const told: unknown[] = [];
    const malformed: string[] = [];
    known.on((from, body) => void told.push(from, body), (from) => void malformed.push(from));
    b!.on('breaks', () => { throw new Error('a mistake of ours'); });
    await a!.send(b!.id, 'breaks', 1);
    await a!.send(b!.id, 'known', { callId: 1 });
    await a!.send(b!.id, 'known', { callId: 'c1', newer: true });
    await until(() => told.length === 2, 'the message of the right form', soonMs);
    expect(told).toEqual([a!.id, { callId: 'c1' }]);
    expect(malformed).toEqual([a!.id]);
    expect(lines.filter((line) => line.includes('of a later version'))).toHaveLength(1);
    expect(lines.some((line) => line.includes('a mistake of ours'))).toBe(true);
    expect(() => b!.on('known', () => undefined)).toThrow('have a listener already');
  });
});

it('nodes on a Redis Cluster hear each other in order', async () => {
  const topology = peers.add(await startTopology('cluster'));
  const { buses: [a, b, c] } = await startBuses(peers, topology.config, 3);
  const told = [listen(b!, 'n'), listen(c!, 'n'), listen(a!, 'n')];
  await Promise.all([
    ...Array.from({ length: 200 }, (_, n) => (n % 2 === 0 ? a!.broadcast('n', n) : a!.send(b!.id, 'n', n))),
    ...Array.from({ length: 50 }, (_, n) => b!.send(a!.id, 'n', n)),
  ]);
  await until(() => told[0]!.length === 200 && told[1]!.length === 100 && told[2]!.length === 50, 'all to arrive', soonMs);
  expect(told[0]!.map(({ body }) => body)).toEqual(Array.from({ length: 200 }, (_, n) => n));
  expect(told[1]!.map(({ body }) => body)).toEqual(Array.from({ length: 100 }, (_, n) => 2 * n));
}, 60_000);

it('a gateway that is one node speaks to itself and to nobody else', async () => {
  const bus = new MemoryBus(silent);
  const told = listen(bus, 'hello');
  expect(await codeOf(bus.send(bus.id, 'hello', { at: new Date(0) }))).toBe('sent');
  expect(await codeOf(bus.send('00000000-0000-4000-8000-000000000001', 'hello', 1))).toBe('unknown_node');
  expect(await codeOf(bus.broadcast())).toBe('sent');
  await until(() => told.length === 1, 'its own word');
  // As it would be after a way over the network.
  expect(told).toEqual([{ from: bus.id, body: { at: '1970-01-01T00:00:00.000Z' } }]);
  await bus.close();
  expect(await codeOf(bus.send(bus.id, 'hello', 1))).toBe('closed');
});
