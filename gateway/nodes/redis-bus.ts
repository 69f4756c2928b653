import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { SealKey } from '../../config/index.js';
import type { RedisLink } from '../../core-bridge/index.js';
import { LuaScript } from '../../core-bridge/redis/script.js';
import { NodeBusError, type NodeBus, type NodeListener } from './bus.js';
import { Envelopes, everybody, maxSealedLength, type Message } from './envelope.js';
import { Listeners } from './listeners.js';
import { Peers, type Verdict } from './peers.js';

export interface RedisBusOptions {
  readonly link: RedisLink;
  /** Begins every channel. */
  readonly prefix: string;
  readonly sealKeys: readonly SealKey[];
  readonly log: Logger;
  /** How often each node says that it is there, in ms. */
  readonly beatEveryMs?: number;
  /** How old a message may be, and how long a silent node is thought to be there, in ms (see peers.ts). */
  readonly freshMs?: number;
  /** A clock that only goes forward, in ms; for tests. */
  readonly now?: () => number;
}

const BEAT_EVERY_MS = 2_000;
const FRESH_MS = 10_000;
/** Answers to nodes that have not heard us lately are given at most this often, in ms. */
const ANSWER_EVERY_MS = 100;
/** Messages that wait for their turn, and their length together, in characters. */
const MOST_WAITING = 1_000;
const MOST_WAITING_LENGTH = 16_000_000;
/** The same complaint is logged at most this often, in ms. */
const COMPLAIN_EVERY_MS = 30_000;

const beat = 'beat';
const bye = 'bye';

/**
 * PUBLISH as a script with a key that it does not touch: in a Cluster all messages then leave by the same server, and
 * arrive in the order in which they left.
 */
const publish = new LuaScript(`return redis.call('PUBLISH', ARGV[1], ARGV[2])`);

interface Waiting { readonly channel: string; readonly sealed: string; readonly sent: () => void; readonly failed: (error: NodeBusError) => void }

/**
 * The nodes of a gateway over Redis's publish and subscribe: one channel for each node and one for all. Nothing is
 * stored: who does not hear a message never does, and what must not be lost is said again by whoever cares (leases).
 */
export class RedisBus implements NodeBus {
  readonly id = randomUUID();
  readonly #options: RedisBusOptions;
  readonly #log: Logger;
  readonly #envelopes: Envelopes;
  readonly #peers: Peers;
  readonly #listeners: Listeners;
  readonly #waiting: Waiting[] = [];
  #waitingLength = 0;
  #sending = false;
  #number = 0;
  readonly #beats: NodeJS.Timeout;
  #answer: NodeJS.Timeout | undefined;
  readonly #undo: (() => void)[];
  readonly #complaints = new Map<string, number>();
  #closed: Promise<void> | undefined;

  constructor(options: RedisBusOptions) {
    const { link, sealKeys, log } = options;
    this.#options = options;
    this.#log = log.child({ node: this.id });
    this.#envelopes = new Envelopes(sealKeys);
    this.#listeners = new Listeners(this.#log);
    this.#peers = new Peers({ id: this.id, freshMs: options.freshMs ?? FRESH_MS, now: options.now ?? (() => performance.now()) });
    const hear = (sealed: string): void => this.#hear(sealed);
    const missed = (): void => this.#answerSoon();
    link.on('missed', missed);
    this.#undo = [() => link.off('missed', missed), link.subscribe(this.#channel(everybody), hear), link.subscribe(this.#channel(this.id), hear)];
    this.#beats = setInterval(() => {
      this.#beat();
      for (const node of this.#peers.sweep()) this.#left(node, 'silent');
    }, options.beatEveryMs ?? BEAT_EVERY_MS);
    this.#beats.unref();
    this.#answerSoon();
  }

  get peers(): ReadonlySet<string> {
    return this.#peers.present;
  }

  async send(node: string, kind: string, body: unknown): Promise<void> {
    if (this.#closed) throw new NodeBusError('closed');
    if (node === this.id) {
      const message: unknown = JSON.parse(JSON.stringify(body));
      setImmediate(() => { if (!this.#closed) this.#listeners.tell(node, kind, message); });
      return;
    }
    if (!this.#peers.present.has(node)) throw new NodeBusError('unknown_node');
    await this.#post(node, kind, body);
  }

  async broadcast(kind: string, body: unknown): Promise<void> {
    if (this.#closed) throw new NodeBusError('closed');
    await this.#post(everybody, kind, body);
  }

  on(kind: string, listener: NodeListener): () => void {
    return this.#listeners.on(kind, listener);
  }

  onPeer(listener: (node: string, change: 'joined' | 'left') => void): () => void {
    return this.#listeners.onPeer(listener);
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    clearInterval(this.#beats);
    clearTimeout(this.#answer);
    for (const undo of this.#undo.splice(0)) undo();
    this.#listeners.clear();
    // The others will notice by themselves, only later.
    await this.#post(everybody, bye, null).catch(() => undefined);
  }

  #channel(to: string): string {
    return `${this.#options.prefix}:nodes:${to === everybody ? 'all' : to}`;
  }

  // ---- out ----------------------------------------------------------------------------------------------------------

  /** Sealed at once, with the proof of this moment: what waits too long is not believed any more. */
  #post(to: string, kind: string, body: unknown): Promise<void> {
    const heard = to === everybody ? this.#peers.ticksOf() : this.#peers.ticksOf([to]);
    this.#number += 1;
    const sealed = this.#envelopes.seal({ from: this.id, to, number: this.#number, tick: this.#peers.tick, heard, kind, body });
    if (sealed.length > maxSealedLength) return Promise.reject(new NodeBusError('too_large'));
    if (this.#waiting.length >= MOST_WAITING || this.#waitingLength + sealed.length > MOST_WAITING_LENGTH) return Promise.reject(new NodeBusError('overloaded'));
    return new Promise((sent, failed) => {
      this.#waiting.push({ channel: this.#channel(to), sealed, sent, failed });
      this.#waitingLength += sealed.length;
      if (!this.#sending) void this.#sendAll();
    });
  }

  /** One at a time: the next one leaves when Redis has answered for the one before, so that none overtakes another. */
  async #sendAll(): Promise<void> {
    this.#sending = true;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const { channel, sealed, sent, failed } = next;
      try {
        await this.#options.link.run((client) => publish.run(client, [`${this.#options.prefix}:{nodes}`], [channel, sealed]));
        sent();
      } catch {
        failed(new NodeBusError('unreachable'));
      }
      this.#waiting.shift();
      this.#waitingLength -= sealed.length;
    }
    this.#sending = false;
  }

  #beat(): void {
    // Redis is away, which the link has said: the next one will do.
    this.#post(everybody, beat, null).catch(() => undefined);
  }

  #answerSoon(): void {
    if (this.#closed) return;
    this.#answer ??= setTimeout(() => {
      this.#answer = undefined;
      this.#beat();
    }, ANSWER_EVERY_MS);
  }

  // ---- in -----------------------------------------------------------------------------------------------------------

  #hear(sealed: string): void {
    if (this.#closed) return;
    const message = this.#envelopes.open(sealed);
    if (!message) return this.#complain('not of our nodes, or under a key that is not among ours');
    const { from, to, kind, body } = message;
    // Our own words to everybody, and what somebody has put into another's channel.
    if (from === this.id || (to !== everybody && to !== this.id)) return;
    const verdict = this.#peers.judge(message);
    if (verdict !== 'fresh') return this.#doubt(message, verdict);
    if (kind === bye) {
      if (this.#peers.leave(from)) this.#left(from, 'ended');
      return;
    }
    if (this.#peers.join(from)) {
      this.#log.info({ peer: from, peers: this.#peers.present.size }, 'another node is there');
      // So that it hears our word that its own have arrived.
      this.#answerSoon();
      this.#listeners.tellOfPeer(from, 'joined');
    }
    if (kind !== beat) this.#listeners.tell(from, kind, body);
  }

  #doubt({ from, kind }: Message, verdict: Exclude<Verdict, 'fresh'>): void {
    if (verdict !== 'replayed' && kind !== bye) this.#answerSoon();
    // A node that has just come cannot know us yet; its beats say no more than that it is there.
    if (kind !== beat && kind !== bye) this.#complain(verdict, from);
    else if (verdict === 'replayed') this.#complain(verdict, from);
  }

  #left(node: string, how: 'ended' | 'silent'): void {
    this.#log.info({ peer: node, how, peers: this.#peers.present.size }, 'another node is gone');
    this.#listeners.tellOfPeer(node, 'left');
  }

  #complain(about: string, from?: string): void {
    const now = performance.now();
    if (now - (this.#complaints.get(about) ?? -Infinity) < COMPLAIN_EVERY_MS) return;
    this.#complaints.set(about, now);
    this.#log.warn({ about, from }, 'a message between nodes is not believed: dropped');
  }
}
