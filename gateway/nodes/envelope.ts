/**
 * What a message between nodes looks like to Redis, and to whoever reads along there: the id of a seal key, the random
 * name of a node, and bytes. It is sealed (AES-256-GCM) under a key derived from that seal key and that name. The first
 * of the store's seal keys seals, all of them open, so that keys are changed for messages in the same way as for
 * sessions; a key for each sender keeps the number of random nonces under one key far from 2^32 (NIST SP 800-38D, 8.3).
 */
import { z } from 'zod';
import type { SealKey } from '../../config/index.js';
import { SealedBox } from '../../core-bridge/index.js';

/** To all other nodes. */
export const everybody = '*';

const nodeId = z.uuid();

const content = z.object({
  to: z.union([z.literal(everybody), nodeId]),
  /** Grows with every message of the sender, whomever it is to. */
  number: z.int().min(1),
  /** The sender's own clock, in ms, of which only the sender makes anything (see peers.ts). */
  tick: z.int().min(0),
  /** The newest tick that the sender has heard of those it writes to. */
  heard: z.record(nodeId, z.int().min(0)),
  kind: z.string().min(1).max(64),
  body: z.unknown(),
});
type Content = z.infer<typeof content>;
export type Message = Content & { from: string };

/** Longest sealed message, in characters: three quarters of it are content, and a caller's attributes at most half of that. */
export const maxSealedLength = 400_000;
/** Derived keys that are kept at hand. */
const mostBoxes = 512;

export class Envelopes {
  readonly #sealKeys: ReadonlyMap<string, SealKey>;
  readonly #current: SealKey;
  readonly #boxes = new Map<string, SealedBox<Content>>();

  constructor(sealKeys: readonly SealKey[]) {
    const [first] = sealKeys;
    if (!first) throw new Error('messages between nodes need a seal key');
    this.#current = first;
    this.#sealKeys = new Map(sealKeys.map((key) => [key.id, key]));
  }

  seal({ from, ...plain }: Message): string {
    return `${this.#current.id}:${from}:${this.#box(this.#current, from).seal(plain)}`;
  }

  /** undefined for whatever none of our nodes made, under a key that is not ours (any more), or too long. */
  open(sealed: string): Message | undefined {
    if (sealed.length > maxSealedLength) return undefined;
    const [, keyId, from, box] = /^([^:]{1,64}):([0-9a-f-]{36}):([A-Za-z0-9_-]+)$/.exec(sealed) ?? [];
    const key = keyId === undefined ? undefined : this.#sealKeys.get(keyId);
    if (key === undefined || from === undefined || box === undefined) return undefined;
    const plain = this.#box(key, from).open(box);
    return plain && { ...plain, from };
  }

  #box(key: SealKey, from: string): SealedBox<Content> {
    const name = `${key.id}:${from}`;
    let box = this.#boxes.get(name);
    if (!box) {
      // Names of nodes that nobody has are cheap to think up.
      if (this.#boxes.size >= mostBoxes) this.#boxes.clear();
      box = new SealedBox(key.key.reveal(), `message of node ${from}`, content);
      this.#boxes.set(name, box);
    }
    return box;
  }
}
