import { randomBytes } from 'node:crypto';
import { LuaScript, type RedisLink } from '../../../core-bridge/index.js';
import { SHAPE, decodeState, encodeState } from './encoding.js';
import { emptyState, type DeskState } from '../state.js';

/** How long the value outlives the last node that wrote it, in ms. It says nothing to anybody by then. */
const KEPT_MS = 3_600_000;

/**
 * KEYS 1: a hash; `v`, the version, and `s`, the state
 * ARGV 1: version that is known; 2: state to write in its place, '' to only look; 3: its version; 4: ms to keep it; 5: channel; 6: who is concerned
 * Returns the ms of Redis's clock, the version that stands now, and the state if that is another version than known or written.
 */
const EXCHANGE = new LuaScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local version = redis.call('HGET', KEYS[1], 'v') or ''
if version ~= ARGV[1] then return {now, version, redis.call('HGET', KEYS[1], 's') or ''} end
if ARGV[2] == '' then return {now, version, ''} end
redis.call('HSET', KEYS[1], 'v', ARGV[3], 's', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[3] .. ' ' .. ARGV[6])
return {now, ARGV[3], ''}
`);

/** What stands in the store: a version, which names one writing of the state and no other, and the state. */
export interface Version {
  readonly version: string;
  readonly state: DeskState;
}

export const NOTHING_KNOWN: Version = { version: '', state: emptyState };

/**
 * One value in Redis that all nodes write by turns: who writes must know what stands there. So each step is taken by one
 * node, on what the one before it left.
 */
export class SharedValue {
  readonly #link: RedisLink;
  readonly #key: string;
  readonly #channel: string;
  /** Redis's clock less this process's, in ms, and how well that is known. */
  #ahead: number | undefined;
  #roundTripMs = Infinity;
  /** Begins every version of this process: one that is started again under its old name has other versions. */
  readonly #own: string;
  #writes = 0;
  #latest = 0;

  /**
   * @param prefix begins the key
   * @param onBroken hears of a value that cannot be read; it is taken for none, and written over
   */
  constructor(link: RedisLink, prefix: string, tenant: string, private readonly onBroken: (error: unknown) => void) {
    this.#link = link;
    this.#own = randomBytes(9).toString('base64url');
    this.#key = `${prefix}:{${tenant}:desk}:state${SHAPE}`;
    this.#channel = `${prefix}:${tenant}:desk${SHAPE}`;
  }

  /** Redis's clock in ms, as far as known; this machine's calendar before Redis was reached. Never goes back. */
  now(): number {
    this.#latest = Math.max(this.#latest, Math.round(performance.now() + (this.#ahead ?? performance.timeOrigin)));
    return this.#latest;
  }

  /** Whether Redis's clock is known. */
  get knowsTime(): boolean {
    return this.#ahead !== undefined;
  }

  /**
   * What stands there now.
   * @throws VaultError `store_unreachable`
   */
  async read(known: Version): Promise<Version> {
    return this.#exchange(known, '', '', '');
  }

  /**
   * Writes if `known` is what stands there.
   * @param concerned nodes that have to look at once
   * @returns what stands there now: `state` itself, or what another node wrote meanwhile
   * @throws VaultError `store_unreachable`; the state may have been written or not
   */
  async write(known: Version, state: DeskState, concerned: Iterable<string>): Promise<Version> {
    this.#writes += 1;
    const version = `${this.#own}.${this.#writes}`;
    const stands = await this.#exchange(known, encodeState(state), version, [...concerned].join(' '));
    return stands.version === version ? { version, state } : stands;
  }

  /** Hears of what other nodes write. @returns the unsubscriber */
  watch(listener: (version: string, concerned: readonly string[]) => void): () => void {
    return this.#link.subscribe(this.#channel, (message) => {
      const [version = '', ...concerned] = message.split(' ');
      if (!version.startsWith(`${this.#own}.`)) listener(version, concerned);
    });
  }

  async #exchange(known: Version, text: string, version: string, concerned: string): Promise<Version> {
    const sentAt = performance.now();
    const answer = await this.#link.run((client) => EXCHANGE.run(client, [this.#key], [known.version, text, version, KEPT_MS, this.#channel, concerned]));
    const [now, stands, state] = answer as [number, string, string];
    if (typeof now !== 'number' || typeof stands !== 'string' || typeof state !== 'string') throw new TypeError('the script for the desk answered something unknown');
    this.#learnTime(now, sentAt, performance.now());
    if (stands === known.version) return known;
    if (stands === version && state === '') return { version, state: known.state };
    return stands === '' ? NOTHING_KNOWN : { version: stands, state: this.#decoded(state) };
  }

  #decoded(text: string): DeskState {
    try {
      return decodeState(text);
    } catch (error) {
      this.onBroken(error);
      return emptyState;
    }
  }

  /** The quickest answer of late says best what time it is there. */
  #learnTime(now: number, sentAt: number, receivedAt: number): void {
    const roundTripMs = receivedAt - sentAt;
    this.#roundTripMs += 0.1;
    const ahead = now - (sentAt + receivedAt) / 2;
    if (roundTripMs > this.#roundTripMs && Math.abs(ahead - (this.#ahead ?? 0)) < roundTripMs + 1_000) return;
    // What was taken for the time before Redis was reached binds nobody.
    if (this.#ahead === undefined) this.#latest = 0;
    this.#roundTripMs = roundTripMs;
    this.#ahead = ahead;
  }
}
