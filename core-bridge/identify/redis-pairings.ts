import type { RedisLink } from '../redis/connect.js';
import { LuaScript } from '../redis/script.js';
import type { PairingStore, Taken } from './pairing-store.js';

/**
 * KEYS 1: open pairings, a sorted set of code hashes by the ms (of Redis's clock) at which they expire; 2: the pairing, empty once used
 * ARGV 1: code hash; 2: sealed pairing; 3: lifetime in ms; 4: most that may be open
 * Returns 0 stored, 1 taken, 2 full. Both keys expire by themselves.
 */
const PUT = new LuaScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 2 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 0
`);

/**
 * KEYS as above; ARGV 1: code hash
 * Returns the sealed pairing, once; '' until it would have expired; after that nil.
 */
const TAKE = new LuaScript(`
redis.call('ZREM', KEYS[1], ARGV[1])
local sealed = redis.call('GET', KEYS[2])
if sealed then redis.call('SET', KEYS[2], '', 'KEEPTTL') end
return sealed
`);

const OUTCOMES = ['stored', 'taken', 'full'] as const;

export interface RedisPairingsOptions {
  readonly prefix: string;
  readonly tenant: string;
  readonly maxOpen: number;
}

/** Pairings in Redis, so that the citizen's browser may reach another node than the one with the call. One hash slot for each tenant. */
export class RedisPairings implements PairingStore {
  readonly #link: RedisLink;
  readonly #options: RedisPairingsOptions;

  /** The link is borrowed. What is left in Redis expires by itself. */
  constructor(link: RedisLink, options: RedisPairingsOptions) {
    this.#link = link;
    this.#options = options;
  }

  async put(codeHash: string, sealed: string, expiresAtMs: number): Promise<'stored' | 'taken' | 'full'> {
    const lifetimeMs = Math.max(1, expiresAtMs - Date.now());
    const answer = await this.#link.run((client) => PUT.run(client, this.#keys(codeHash), [codeHash, sealed, lifetimeMs, this.#options.maxOpen]));
    const outcome = OUTCOMES[Number(answer)];
    if (!outcome) throw new TypeError('the script for storing pairings answered something unknown');
    return outcome;
  }

  async take(codeHash: string): Promise<Taken> {
    const sealed = await this.#link.run((client) => TAKE.run(client, this.#keys(codeHash), [codeHash]));
    if (typeof sealed !== 'string') return undefined;
    return sealed === '' ? 'used' : { sealed };
  }

  #keys(codeHash: string): string[] {
    const slot = `${this.#options.prefix}:{${this.#options.tenant}:pairing}`;
    return [`${slot}:open`, `${slot}:code:${codeHash}`];
  }
}
