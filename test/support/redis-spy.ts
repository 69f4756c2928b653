/** Watches all that a Redis server is given: every command, every value under every key, and its content as it would go to disk. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { createClient } from 'redis';
import type { Redis } from '../peers/redis.js';

/** Reads every key by the command for its kind. */
const readAll = `local all = {}
for i, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  local read = { string = {'GET', key}, hash = {'HGETALL', key}, zset = {'ZRANGE', key, 0, -1, 'WITHSCORES'}, set = {'SMEMBERS', key}, list = {'LRANGE', key, 0, -1}, stream = {'XRANGE', key, '-', '+'} }
  all[i] = { key, kind, read[kind] and redis.call(unpack(read[kind])) or 'unread' }
end
return all`;

const keysAtOnce = 500;

type Client = ReturnType<typeof createClient>;

export class RedisSpy {
  /** Every command that Redis was sent since, those of scripts included. */
  readonly commands: string[] = [];
  /** What stood under each key, each time somebody looked. */
  readonly values: string[] = [];
  /** The same as it would be on disk, uncompressed. */
  readonly files: Buffer[] = [];
  /** By kind of key, how many there were at most. */
  readonly mostKeys: Record<string, number> = {};

  private constructor(private readonly redis: Redis, private readonly client: Client, private readonly monitor: Client) {}

  /** @param redis one that writes nothing to disk by itself */
  static async on(redis: Redis): Promise<RedisSpy> {
    const [client, monitor] = await Promise.all([open(redis), open(redis)]);
    const spy = new RedisSpy(redis, client, monitor);
    await monitor.monitor((command) => void spy.commands.push(String(command)));
    await client.configSet('rdbcompression', 'no');
    return spy;
  }

  /** Puts a text in, in several ways, so that whoever searches can show that it would be found. */
  async plant(text: string): Promise<void> {
    await this.client.set('planted:string', text);
    await this.client.hSet('planted:hash', { field: `{"in":"${Buffer.from(text).toString('base64')}"}` });
    await this.client.zAdd('planted:zset', { score: 1, value: encodeURIComponent(text) });
  }

  /** @throws Error when there is a kind of key that cannot be read, or Redis has written to disk by itself */
  async look(): Promise<void> {
    const keys: string[] = [];
    for await (const some of this.client.scanIterator({ COUNT: 1_000 })) keys.push(...some);
    const kinds: Record<string, number> = {};
    for (let from = 0; from < keys.length; from += keysAtOnce) {
      const read = (await this.client.eval(readAll, { keys: keys.slice(from, from + keysAtOnce) })) as [key: string, kind: string, value: unknown][];
      for (const [, kind, value] of read) {
        // One that expired since it was listed.
        if (kind === 'none') continue;
        if (value === 'unread') throw new Error(`a kind of key that nobody reads: ${kind}`);
        kinds[kind] = (kinds[kind] ?? 0) + 1;
      }
      this.values.push(JSON.stringify(read));
    }
    for (const [kind, count] of Object.entries(kinds)) this.mostKeys[kind] = Math.max(count, this.mostKeys[kind] ?? 0);
    const file = path.join(this.redis.folder, 'dump.rdb');
    if (existsSync(file)) throw new Error('Redis writes to disk');
    await this.client.sendCommand(['SAVE']);
    this.files.push(readFileSync(file));
    rmSync(file);
  }

  stop(): Promise<void> {
    this.client.destroy();
    this.monitor.destroy();
    return Promise.resolve();
  }
}

async function open(redis: Redis): Promise<Client> {
  const client = createClient({ url: redis.url });
  // The server goes when the test is over.
  client.on('error', () => undefined);
  await client.connect();
  return client as Client;
}
