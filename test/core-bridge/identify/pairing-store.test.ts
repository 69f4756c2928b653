import pino from 'pino';
import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryPairings, type PairingStore } from '../../../core-bridge/identify/pairing-store.js';
import { RedisPairings } from '../../../core-bridge/identify/redis-pairings.js';
import { connectRedis, type RedisLink } from '../../../core-bridge/redis/connect.js';
import { startRedis, type Redis } from '../../peers/redis.js';
import { until } from '../../peers/wait.js';

let redis: Redis;
let link: RedisLink;

beforeAll(async () => {
  redis = await startRedis();
  link = connectRedis({ kind: 'redis', server: { host: redis.host, port: redis.port }, prefix: 'test', sealKeys: [] }, pino({ level: 'silent' }));
  await until(() => link.ready, 'the link');
});
afterAll(async () => {
  await link?.close();
  await redis?.stop();
});

let tenants = 0;
const kinds: Record<string, (maxOpen: number) => PairingStore> = {
  memory: (maxOpen) => new MemoryPairings(maxOpen),
  redis: (maxOpen) => new RedisPairings(link, { prefix: 'test', tenant: `tenant-${++tenants}`, maxOpen }),
};

describe.each(Object.keys(kinds))('pairings in %s', (kind) => {
  const make = (maxOpen = 10): PairingStore => kinds[kind]!(maxOpen);
  const later = (): number => Date.now() + 60_000;

  it('are taken once, by one of many', async () => {
    const store = make();
    expect(await store.put('hash', 'sealed', later())).toBe('stored');
    const taken = await Promise.all(Array.from({ length: 10 }, () => store.take('hash')));
    expect(taken.filter((one) => one !== 'used')).toEqual([{ sealed: 'sealed' }]);
    expect(await store.put('hash', 'again', later())).toBe('taken');
  });

  it('have a code each, while open', async () => {
    const store = make();
    await store.put('hash', 'first', later());
    expect(await store.put('hash', 'second', later())).toBe('taken');
    expect(await store.take('hash')).toEqual({ sealed: 'first' });
    expect(await store.take('unknown')).toBeUndefined();
  });

  it('are remembered as used no longer than they would have been open', async () => {
    const store = make();
    await store.put('hash', 'sealed', Date.now() + 300);
    await store.take('hash');
    await until(async () => (await store.take('hash')) === undefined, 'the code to be forgotten');
  });

  it('make room when taken', async () => {
    const store = make(1);
    expect(await store.put('one', 'sealed', later())).toBe('stored');
    expect(await store.put('two', 'sealed', later())).toBe('full');
    await store.take('one');
    expect(await store.put('two', 'sealed', later())).toBe('stored');
  });

  it('expire by themselves, and make room', async () => {
    const store = make(1);
    expect(await store.put('one', 'sealed', Date.now() + 80)).toBe('stored');
    await until(async () => (await store.put('two', 'sealed', later())) === 'stored', 'room');
    expect(await store.take('one')).toBeUndefined();
    expect(await store.take('two')).toEqual({ sealed: 'sealed' });
  });
});

it('in Redis every key expires by itself, and tenants do not meet', async () => {
  const [one, two] = [kinds['redis']!(10), kinds['redis']!(10)];
  await one.put('hash', 'of one', Date.now() + 60_000);
  expect(await two.take('hash')).toBeUndefined();
  const client = await createClient({ url: redis.url }).connect();
  const keys = await client.keys('test:{tenant-*');
  expect(keys.length).toBeGreaterThan(1);
  for (const key of keys) expect(await client.pTTL(key)).toBeGreaterThan(0);
  client.destroy();
  expect(await one.take('hash')).toEqual({ sealed: 'of one' });
});
