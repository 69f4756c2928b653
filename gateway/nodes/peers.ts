/**
 * Which messages of other nodes are believed. They come through Redis, and whoever is there can keep a message and bring
 * it later, or twice, without being able to read it. Clocks of machines differ and are set, so that a time of sending
 * would prove little. Instead every message carries the newest *tick* that its sender has heard of us: our own clock's
 * time at which we said something. Hearing our tick again proves, by our clock alone, that the message was made
 * after we said it. A message is believed when that was less than ten seconds ago and its number is higher than every
 * one heard of this sender before. A node that has not heard us yet is answered, and believed from its next word on.
 */
import type { Message } from './envelope.js';

export interface PeersOptions {
  readonly id: string;
  /** How old the tick in a message may be, in ms, and how long a silent node is thought to be there. */
  readonly freshMs: number;
  /** A clock that only goes forward, in ms. */
  readonly now: () => number;
}

/** `fresh`: believe it. `unproven`, `stale`: the sender must hear from us first. `replayed`: it was heard before, or a later one was. */
export type Verdict = 'fresh' | 'unproven' | 'stale' | 'replayed';

interface Peer {
  number: number;
  tick: number;
  heardAt: number;
  /** When it last said something that was proved to be new. */
  provenAt: number | undefined;
}

/** More nodes than anybody runs. */
const mostPeers = 256;
/** A node is remembered this much longer than its messages can be fresh: a replay then has nothing to be fresh by. */
const rememberedFor = 3;

export class Peers {
  readonly #peers = new Map<string, Peer>();
  readonly #options: PeersOptions;
  /** Those who are there. */
  readonly present = new Set<string>();

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  get tick(): number {
    return Math.floor(this.#options.now());
  }

  /** What a message to these nodes carries as proof. */
  ticksOf(nodes: Iterable<string> = this.#peers.keys()): Record<string, number> {
    return Object.fromEntries([...nodes].flatMap((node) => {
      const peer = this.#peers.get(node);
      return peer ? [[node, peer.tick]] : [];
    }));
  }

  judge({ from, number, tick, heard }: Pick<Message, 'from' | 'number' | 'tick' | 'heard'>): Verdict {
    const now = this.#options.now();
    let peer = this.#peers.get(from);
    if (peer && number <= peer.number) return 'replayed';
    if (!peer) {
      if (this.#peers.size >= mostPeers) this.#makeRoom();
      peer = { number, tick, heardAt: now, provenAt: undefined };
      this.#peers.set(from, peer);
    }
    Object.assign(peer, { number, tick, heardAt: now });
    const echo = heard[this.#options.id];
    if (echo === undefined) return 'unproven';
    const age = now - echo;
    if (age < -1 || age > this.#options.freshMs) return 'stale';
    peer.provenAt = now;
    return 'fresh';
  }

  /** @returns whether this node was not there before */
  join(node: string): boolean {
    if (this.present.has(node)) return false;
    this.present.add(node);
    return true;
  }

  leave(node: string): boolean {
    return this.present.delete(node);
  }

  /** @returns those who have fallen silent */
  sweep(): string[] {
    const now = this.#options.now();
    const { freshMs } = this.#options;
    const silent = [...this.present].filter((node) => now - (this.#peers.get(node)?.provenAt ?? -Infinity) > freshMs);
    for (const node of silent) this.present.delete(node);
    for (const [node, { heardAt }] of this.#peers) if (now - heardAt > rememberedFor * freshMs) this.#peers.delete(node);
    return silent;
  }

  #makeRoom(): void {
    let oldest: string | undefined;
    for (const [node, { heardAt }] of this.#peers) {
      if (this.present.has(node)) continue;
      if (oldest === undefined || heardAt < this.#peers.get(oldest)!.heardAt) oldest = node;
    }
    if (oldest !== undefined) this.#peers.delete(oldest);
  }
}
