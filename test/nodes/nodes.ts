/** Nodes on one Redis, and somebody in Redis who reads along. */
import pino, { type Logger } from 'pino';
import { createClient } from 'redis';
import type { RedisConfig, RedisLink } from '../../core-bridge/redis/connect.js';
import { RedisBus, type RedisBusOptions } from '../../gateway/nodes/redis-bus.js';
import { openLinks } from '../core-bridge/stores/vaults.js';
import { newSealKeyConfig } from '../core-bridge/stores/topologies.js';
import type { Peers } from '../peers/process.js';
import type { Redis } from '../peers/redis.js';
import { until } from '../peers/wait.js';

export const soonMs = 15_000;
export const silent = pino({ level: 'silent' });

export function configOf({ host, port }: Redis): RedisConfig {
  return { kind: 'redis', prefix: 'tig', server: { host, port }, sealKeys: [newSealKeyConfig('k1')] };
}

/** Buses that know each other, each on a link of its own; ended with the test. */
export async function startBuses(peers: Peers, config: RedisConfig, count: number, options: Partial<RedisBusOptions> = {}): Promise<{ buses: RedisBus[]; links: RedisLink[] }> {
  const links = await openLinks(config, count);
  for (const link of links) peers.defer(() => link.close());
  const buses = links.map((link) => startBus(peers, config, link, options));
  await until(() => buses.every((bus) => bus.peers.size === count - 1), 'the nodes to find each other', soonMs);
  return { buses, links };
}

export function startBus(peers: Peers, config: RedisConfig, link: RedisLink, options: Partial<RedisBusOptions> = {}, log: Logger = silent): RedisBus {
  const bus = new RedisBus({ link, prefix: config.prefix, sealKeys: config.sealKeys, log, ...options });
  peers.defer(() => bus.close());
  return bus;
}

/** Everything that passes through Redis's channels, and the means to say it again. */
export async function eavesdrop(peers: Peers, { url }: Redis): Promise<{ heard: { channel: string; text: string }[]; say(channel: string, text: string): Promise<unknown> }> {
  const ear = createClient({ url }).on('error', () => undefined);
  const mouth = createClient({ url }).on('error', () => undefined);
  await Promise.all([ear.connect(), mouth.connect()]);
  peers.defer(() => { ear.destroy(); mouth.destroy(); });
  const heard: { channel: string; text: string }[] = [];
  await ear.pSubscribe('*', (text, channel) => void heard.push({ channel, text }));
  return { heard, say: (channel, text) => mouth.publish(channel, text) };
}
