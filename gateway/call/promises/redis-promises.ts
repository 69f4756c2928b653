import { z } from 'zod';
import { LuaScript, SealedBox, type RedisLink } from '../../../core-bridge/index.js';
import type { SealKey } from '../../../config/index.js';
import { promiseText, recordOf, textOf, type PromiseRecord } from './record.js';
import type { Adopted, Holding, PromiseStore } from './store.js';

/*
 * KEYS 1: leases, a sorted set of promises by the ms of Redis's clock at which the lease ends; 0: nobody's.
 * KEYS 2: one promise, a hash: `sealed`; `by`, the call that has it ('' nobody, 'over' it was kept or is none any more);
 * `moved`, it has had several.
 *
 * What is over is deleted, but for a mark where another call may still think that it has the promise: nothing but 'over',
 * until the promise would have ended. Without it that call would take it for lost by Redis and put it back.
 */
const now = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** ARGV: id, call, lease in ms, sealed, ms until it expires, ms until the leases do. Answers 1 held, 0 lost. */
const PUT = new LuaScript(`${now}local by = redis.call('HGET', KEYS[2], 'by')
if by and by ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[2], 'by', ARGV[2], 'sealed', ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1`);

/** ARGV: id, call, lease in ms, sealed or ''. Answers 1 held, 0 lost, -1 unknown. */
const RENEW = new LuaScript(`${now}local by = redis.call('HGET', KEYS[2], 'by')
if not by then return -1 end
if by ~= ARGV[2] then return 0 end
if ARGV[4] ~= '' then redis.call('HSET', KEYS[2], 'sealed', ARGV[4]) end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
return 1`);

/** ARGV: id, call, sealed, channel. Answers 1 if it was the call's. */
const RELEASE = new LuaScript(`if redis.call('HGET', KEYS[2], 'by') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[2], 'by', '', 'sealed', ARGV[3])
redis.call('ZADD', KEYS[1], 0, ARGV[1])
redis.call('PUBLISH', ARGV[4], '')
return 1`);

/** ARGV: id, call. */
const REMOVE = new LuaScript(`local kept = redis.call('HMGET', KEYS[2], 'by', 'moved')
if kept[1] ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
if kept[2] then
  redis.call('HDEL', KEYS[2], 'sealed')
  redis.call('HSET', KEYS[2], 'by', 'over')
else
  redis.call('DEL', KEYS[2])
end
return 1`);

/** ARGV: 1 also those whose lease has ended, most. Answers ids, the first one to end first. */
const NOBODYS = new LuaScript(`${now}local to = 0
if ARGV[1] == '1' then to = now end
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', to, 'LIMIT', 0, ARGV[2])`);

/** ARGV: id, call, lease in ms, 1 also when its lease has ended. Answers who had it and what is sealed, or nil. */
const ADOPT = new LuaScript(`${now}local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not ends then return false end
local kept = redis.call('HMGET', KEYS[2], 'by', 'sealed')
if not kept[2] then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return false
end
if tonumber(ends) > 0 and (ARGV[4] ~= '1' or tonumber(ends) > now) then return false end
redis.call('HSET', KEYS[2], 'by', ARGV[2], 'moved', '1')
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
return {kept[1], kept[2]}`);

/** Promises that are looked at in one go. */
const MOST_AT_ONCE = 20;

export interface RedisPromisesOptions {
  readonly link: RedisLink;
  /** Begins every key. */
  readonly prefix: string;
  readonly tenant: string;
  /** The first one seals, all of them open. At least one. */
  readonly sealKeys: readonly SealKey[];
  /** How long a promise lives at most, in ms. */
  readonly longestMs: number;
  /** Hears of a promise that none of the keys opens. */
  readonly onUnreadable: (id: string) => void;
}

/**
 * Promises in Redis: one small sealed record each, that expires by itself. Who reads Redis learns how many callers are to
 * be called back and which calls they were; no number, no code and not whose. One hash slot for each tenant.
 */
export class RedisPromises implements PromiseStore {
  readonly shared = true;
  readonly #options: RedisPromisesOptions;
  readonly #boxes: readonly SealedBox<z.infer<typeof promiseText>>[];
  readonly #slot: string;
  readonly #channel: string;

  /** The link is borrowed. */
  constructor(options: RedisPromisesOptions) {
    const { prefix, tenant, sealKeys } = options;
    this.#options = options;
    this.#boxes = sealKeys.map(({ key }) => new SealedBox(key.reveal(), `promise of ${tenant}`, promiseText));
    if (this.#boxes.length === 0) throw new TypeError('promises in a shared store need a seal key');
    this.#slot = `${prefix}:{${tenant}:promises}`;
    this.#channel = `${prefix}:${tenant}:promises`;
  }

  async put(record: PromiseRecord, leaseMs: number): Promise<'held' | 'lost'> {
    const leftMs = Math.ceil(record.until - Date.now());
    if (leftMs <= 0) return 'lost';
    const held = await this.#run(PUT, record.id, [record.callId, leaseMs, this.#sealed(record), leftMs, this.#options.longestMs]);
    return held === 1 ? 'held' : 'lost';
  }

  async renew(id: string, callId: string, leaseMs: number, record?: PromiseRecord): Promise<Holding> {
    const answer = await this.#run(RENEW, id, [callId, leaseMs, record ? this.#sealed(record) : '']);
    return answer === 1 ? 'held' : answer === 0 ? 'lost' : 'unknown';
  }

  async release(record: PromiseRecord): Promise<boolean> {
    return (await this.#run(RELEASE, record.id, [record.callId, this.#sealed(record), this.#channel])) === 1;
  }

  async remove(id: string, callId: string): Promise<void> {
    await this.#run(REMOVE, id, [callId]);
  }

  async adopt(callId: string, leaseMs: number, from: 'released' | 'ended'): Promise<Adopted | undefined> {
    const ended = from === 'ended' ? 1 : 0;
    const ids = z.array(z.string()).parse(await this.#options.link.run((client) => NOBODYS.run(client, [this.#leases], [ended, MOST_AT_ONCE])));
    for (const id of ids) {
      const answer = z.tuple([z.string(), z.string()]).nullable().parse(await this.#run(ADOPT, id, [callId, leaseMs, ended]));
      if (!answer) continue;
      const [before, sealed] = answer;
      const record = this.#opened(id, sealed);
      if (record) return { record, before: before === '' ? undefined : before };
      // Another node may have the key; it gets it when this lease has ended.
      this.#options.onUnreadable(id);
    }
    return undefined;
  }

  onReleased(listener: () => void): () => void {
    return this.#options.link.subscribe(this.#channel, listener);
  }

  #run(script: LuaScript, id: string, args: readonly (string | number)[]): Promise<unknown> {
    return this.#options.link.run((client) => script.run(client, [this.#leases, `${this.#slot}:of:${id}`], [id, ...args]));
  }

  get #leases(): string {
    return `${this.#slot}:leases`;
  }

  #sealed(record: PromiseRecord): string {
    return this.#boxes[0]!.seal(textOf(record));
  }

  /** Only as the promise under whose name it lies. */
  #opened(id: string, sealed: string): PromiseRecord | undefined {
    for (const box of this.#boxes) {
      const text = box.open(sealed);
      if (text) return text.id === id && text.tenant === this.#options.tenant ? recordOf(text) : undefined;
    }
    return undefined;
  }
}
