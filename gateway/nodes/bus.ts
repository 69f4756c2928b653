/** How the nodes of one gateway speak with each other. */
import type { z } from 'zod';

export type NodeListener = (from: string, body: unknown) => void;

export interface NodeBus {
  /** This node's name: new with every start of the process, so that nothing meant for an earlier one reaches it. */
  readonly id: string;
  /** The other nodes that have lately proved to be there. */
  readonly peers: ReadonlySet<string>;
  /**
   * Hands a message to one node; messages to it arrive in the order in which they were sent, or not at all. A message to this node itself
   * arrives too, in a later turn. Resolves when the message is on its way: whether it was heard, only an answer tells.
   * @throws NodeBusError when it will not arrive
   */
  send(node: string, kind: string, body: unknown): Promise<void>;
  /** The same to all other nodes. */
  broadcast(kind: string, body: unknown): Promise<void>;
  /** Hears messages of a kind; each kind has one listener. What it is told is proved to be new and of one of our nodes; its form is for the listener to check (see `topic`). */
  on(kind: string, listener: NodeListener): () => void;
  /** Hears of nodes that come, and of those that ended or have been silent for ten seconds. */
  onPeer(listener: (node: string, change: 'joined' | 'left') => void): () => void;
  /** Says goodbye to the others. Idempotent; the link to Redis stays open for others. */
  close(): Promise<void>;
}

/**
 * `unknown_node`: not a node that is known to be there. `unreachable`: Redis is away, or did not answer; it may have arrived.
 * `overloaded`: too many messages are waiting already. `too_large`: the message is. `closed`: this node is ending.
 */
export type NodeBusErrorCode = 'unknown_node' | 'unreachable' | 'overloaded' | 'too_large' | 'closed';

export class NodeBusError extends Error {
  override readonly name = 'NodeBusError';

  constructor(readonly code: NodeBusErrorCode) {
    super(`message to another node not sent: ${code}`);
  }
}

/** Messages of one kind and form. */
export interface Topic<T> {
  send(node: string, body: T): Promise<void>;
  broadcast(body: T): Promise<void>;
  /** @param onMalformed hears of messages of another form, which an older or newer version of ours may send; their content is not told */
  on(listener: (from: string, body: T) => void, onMalformed: (from: string) => void): () => void;
}

export function topic<T>(bus: NodeBus, kind: string, schema: z.ZodType<T>): Topic<T> {
  return {
    send: (node, body) => bus.send(node, kind, body),
    broadcast: (body) => bus.broadcast(kind, body),
    on: (listener, onMalformed) => bus.on(kind, (from, body) => {
      const read = schema.safeParse(body);
      if (read.success) listener(from, read.data);
      else onMalformed(from);
    }),
  };
}
