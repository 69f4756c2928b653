import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { NodeBusError, type NodeBus, type NodeListener } from './bus.js';
import { Listeners } from './listeners.js';

/** The bus of a gateway that is one node: it has only itself to speak to. */
export class MemoryBus implements NodeBus {
  readonly id = randomUUID();
  readonly peers: ReadonlySet<string> = new Set();
  readonly #listeners: Listeners;
  #closed = false;

  constructor(log: Logger) {
    this.#listeners = new Listeners(log);
  }

  send(node: string, kind: string, body: unknown): Promise<void> {
    if (this.#closed) return Promise.reject(new NodeBusError('closed'));
    if (node !== this.id) return Promise.reject(new NodeBusError('unknown_node'));
    const message: unknown = JSON.parse(JSON.stringify(body));
    setImmediate(() => { if (!this.#closed) this.#listeners.tell(node, kind, message); });
    return Promise.resolve();
  }

  broadcast(): Promise<void> {
    return this.#closed ? Promise.reject(new NodeBusError('closed')) : Promise.resolve();
  }

  on(kind: string, listener: NodeListener): () => void {
    return this.#listeners.on(kind, listener);
  }

  /** Nobody ever comes. */
  onPeer(): () => void {
    return () => undefined;
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    return Promise.resolve();
  }
}
