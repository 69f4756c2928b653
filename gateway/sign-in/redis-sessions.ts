import { createHash, createHmac, randomUUID } from 'node:crypto';
import type { SealKey } from '../../config/index.js';
import { SealedBox, type RedisLink } from '../../core-bridge/index.js';
import { LuaScript } from '../../core-bridge/redis/script.js';
import { handOver, type HandOver } from './hand-over.js';
import type { EndedMarks, ProviderMarks } from './provider-marks.js';
import { ENDED, sessionRecord, type SessionRecord, type SessionShare } from './session-share.js';

/**
 * KEYS 1: the record; ARGV 1: sealed record as it was read; 2: as it shall be; 3: lifetime in ms
 * Returns 1 done, 0 somebody else changed it meanwhile, -1 it is gone.
 */
const CHANGE = new LuaScript(`
local now = redis.call('GET', KEYS[1])
if now == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return 1
end
if now then return 0 end
return -1
`);

/**
 * KEYS 1: the record; ARGV 1: what says that it has ended; 2: for how long, in ms
 * Returns 1, or 0 when it said so already.
 */
const END = new LuaScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`);

/** What stands in the place of a record that has ended; no sealed record begins so. */
const ENDED_MARK = '-';
/** How long the name of what Redis knows outlives the last node. By then no node knows a login. */
const GENERATION_MS = 2 * 86_400_000;

/** Nodes that change one login at the same moment: each gets its turn within so many. */
const MAX_TRIES = 8;
/** Not one session, but all that is meant by a mark. */
const ALL_OF_IT = '*';
/** More logins than this rest on no one's session at a provider: a person has five. */
const MAX_UNDER_MARK = 50;

export interface RedisSessionsOptions {
  readonly link: RedisLink;
  readonly prefix: string;
  /** The first one seals, all of them open. At least one. */
  readonly sealKeys: readonly SealKey[];
}

/**
 * Logins in Redis: one small sealed record each, under the hash of its cookie, that expires by itself. Who reads Redis
 * learns how many people are logged in; not who, and no cookie. Every command touches one key, so a Cluster will do.
 */
export class RedisSessions implements SessionShare {
  readonly #link: RedisLink;
  readonly #prefix: string;
  readonly #boxes: readonly SealedBox<SessionRecord>[];
  readonly #handOvers: readonly SealedBox<HandOver>[];
  readonly #sealKeys: readonly SealKey[];

  /** The link is borrowed. */
  constructor({ link, prefix, sealKeys }: RedisSessionsOptions) {
    this.#link = link;
    this.#prefix = prefix;
    this.#sealKeys = sealKeys;
    this.#boxes = sealKeys.map(({ key }) => new SealedBox(key.reveal(), 'login', sessionRecord));
    this.#handOvers = sealKeys.map(({ key }) => new SealedBox(key.reveal(), 'hand-over', handOver));
    if (this.#boxes.length === 0) throw new TypeError('logins in a shared store need a seal key');
  }

  async put(record: SessionRecord, lifetimeMs: number): Promise<void> {
    await this.#link.run((redis) => redis.set(this.#recordKey(record.key), this.#seal(record), { expiration: { type: 'PX', value: lifetimeMs } }));
  }

  async get(key: string): Promise<SessionRecord | typeof ENDED | undefined> {
    const sealed = await this.#link.run((redis) => redis.get(this.#recordKey(key)));
    return sealed === ENDED_MARK ? ENDED : this.#open(key, sealed);
  }

  async putAgain(record: SessionRecord, lifetimeMs: number): Promise<SessionRecord | typeof ENDED | undefined> {
    const done = await this.#link.run((redis) => redis.set(this.#recordKey(record.key), this.#seal(record), { condition: 'NX', expiration: { type: 'PX', value: lifetimeMs } }));
    return done === null ? this.get(record.key) : record;
  }

  async generation(): Promise<string> {
    const key = `${this.#prefix}:generation`;
    return this.#link.run(async (redis) => {
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const name = await redis.getEx(key, { type: 'PX', value: GENERATION_MS });
        if (name !== null) return name;
        const own = randomUUID();
        if ((await redis.set(key, own, { condition: 'NX', expiration: { type: 'PX', value: GENERATION_MS } })) !== null) return own;
      }
      throw new Error('what Redis knows is lost all the time');
    });
  }

  async change(key: string, change: (record: SessionRecord) => SessionRecord, lifetimeMs: number): Promise<SessionRecord | undefined> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const sealed = await this.#link.run((redis) => redis.get(this.#recordKey(key)));
      const before = this.#open(key, sealed);
      if (sealed === null || !before) return undefined;
      const after = change(before);
      const done = await this.#link.run((redis) => CHANGE.run(redis, [this.#recordKey(key)], [sealed, this.#seal(after), lifetimeMs]));
      if (done === 1) return after;
      if (done === -1) return undefined;
    }
    throw new Error('a login was changed by others all the time');
  }

  async remove(key: string, forMs: number): Promise<boolean> {
    return (await this.#link.run((redis) => END.run(redis, [this.#recordKey(key)], [ENDED_MARK, forMs]))) === 1;
  }

  async oldest({ key, name, startedAt }: SessionRecord, most: number, lifetimeMs: number): Promise<string[]> {
    const index = `${this.#prefix}:logins-of:${createHash('sha256').update(name).digest('base64url')}`;
    return this.#link.run(async (redis) => {
      await redis.zAdd(index, { score: startedAt, value: key });
      await redis.pExpire(index, lifetimeMs);
      const over = await redis.zRange(index, 0, -most - 1);
      if (over.length > 0) await redis.zRem(index, over);
      return over;
    });
  }

  async noteMark(mark: string, { key, startedAt }: SessionRecord, lifetimeMs: number): Promise<void> {
    const [index = ''] = this.#markKeys(mark);
    await this.#link.run(async (redis) => {
      await redis.zAdd(index, { score: startedAt, value: key });
      await redis.pExpire(index, lifetimeMs);
      const over = await redis.zRange(index, 0, -MAX_UNDER_MARK - 1);
      if (over.length > 0) await redis.zRem(index, over);
    });
  }

  async noteEnded({ subject, session }: EndedMarks, at: number, forMs: number): Promise<void> {
    const mark = subject ?? session;
    const [sealKey] = this.#sealKeys;
    if (mark === undefined || !sealKey) return;
    const key = this.#endedKey(sealKey, mark);
    const which = subject !== undefined && session !== undefined ? this.#hidden(sealKey, session) : ALL_OF_IT;
    await this.#link.run(async (redis) => {
      await redis.hSet(key, which, String(at));
      await redis.pExpire(key, forMs);
    });
  }

  async isEnded({ subject, session }: ProviderMarks, startedAt: number): Promise<boolean> {
    for (const sealKey of this.#sealKeys) {
      for (const mark of [subject, session]) {
        if (mark === undefined) continue;
        const ends = await this.#link.run((redis) => redis.hGetAll(this.#endedKey(sealKey, mark)));
        for (const [which, at] of Object.entries(ends)) {
          // As in isMeant: a session where both sides name one, else the person.
          const isMeant = which === ALL_OF_IT || session === undefined || which === this.#hidden(sealKey, session);
          if (isMeant && Number(at) >= startedAt) return true;
        }
      }
    }
    return false;
  }

  async underMark(mark: string): Promise<string[]> {
    const found = await this.#link.run((redis) => Promise.all(this.#markKeys(mark).map((index) => redis.zRange(index, 0, -1))));
    return [...new Set(found.flat())];
  }

  async claim(name: string, lifetimeMs: number): Promise<boolean> {
    return (await this.#link.run((redis) => redis.set(this.#onceKey(name), '1', { condition: 'NX', expiration: { type: 'PX', value: Math.max(1, Math.ceil(lifetimeMs)) } }))) !== null;
  }

  async release(name: string): Promise<void> {
    await this.#link.run((redis) => redis.unlink(this.#onceKey(name)));
  }

  async leave(record: HandOver, lifetimeMs: number): Promise<void> {
    await this.#link.run((redis) => redis.set(this.#handOverKey(record.key), this.#handOvers[0]!.seal(record), { expiration: { type: 'PX', value: lifetimeMs } }));
  }

  async take(key: string): Promise<HandOver | undefined> {
    const sealed = await this.#link.run((redis) => redis.get(this.#handOverKey(key)));
    // Of two who read it, the one who took it away has it.
    if (sealed === null || (await this.#link.run((redis) => redis.unlink(this.#handOverKey(key)))) === 0) return undefined;
    for (const box of this.#handOvers) {
      const record = box.open(sealed);
      if (record) return record.key === key ? record : undefined;
    }
    return undefined;
  }

  async tell(key: string): Promise<void> {
    await this.#link.run((redis) => redis.publish(this.#channel, key));
  }

  hear(listener: (key: string) => void): () => void {
    return this.#link.subscribe(this.#channel, listener);
  }

  #seal(record: SessionRecord): string {
    return this.#boxes[0]!.seal(record);
  }

  #open(key: string, sealed: string | null): SessionRecord | undefined {
    if (sealed === null) return undefined;
    for (const box of this.#boxes) {
      const record = box.open(sealed);
      if (record) return record.key === key ? record : undefined;
    }
    return undefined;
  }

  #recordKey(key: string): string {
    return `${this.#prefix}:login:${key}`;
  }

  /** Under a key, so that who reads Redis cannot try who it is; under each of them, so that a new seal key loses nobody. */
  #markKeys(mark: string): string[] {
    return this.#sealKeys.map((sealKey) => `${this.#prefix}:logins-by:${this.#hidden(sealKey, mark)}`);
  }

  #endedKey(sealKey: SealKey, mark: string): string {
    return `${this.#prefix}:logins-ended:${this.#hidden(sealKey, mark)}`;
  }

  #hidden({ key }: SealKey, mark: string): string {
    return createHmac('sha256', key.reveal()).update(`logins-by ${mark}`).digest('base64url');
  }

  #handOverKey(key: string): string {
    return `${this.#prefix}:login-handed:${key}`;
  }

  #onceKey(name: string): string {
    return `${this.#prefix}:login-once:${name}`;
  }

  get #channel(): string {
    return `${this.#prefix}:logins`;
  }
}
