import type { Logger } from 'pino';
import type { NodeListener } from './bus.js';

/** Kinds of messages that nobody here listens to and that the log has spoken of: a newer version may have many. */
const mostUnknown = 100;

/** Who hears what. A listener that fails costs only its own message. */
export class Listeners {
  readonly #byKind = new Map<string, NodeListener>();
  readonly #ofPeers = new Set<(node: string, change: 'joined' | 'left') => void>();
  readonly #unknown = new Set<string>();

  constructor(private readonly log: Logger) {}

  on(kind: string, listener: NodeListener): () => void {
    if (this.#byKind.has(kind)) throw new Error(`messages of kind ${kind} have a listener already`);
    this.#byKind.set(kind, listener);
    return () => {
      if (this.#byKind.get(kind) === listener) this.#byKind.delete(kind);
    };
  }

  onPeer(listener: (node: string, change: 'joined' | 'left') => void): () => void {
    this.#ofPeers.add(listener);
    return () => this.#ofPeers.delete(listener);
  }

  tell(from: string, kind: string, body: unknown): void {
    const listener = this.#byKind.get(kind);
    if (listener) return this.#safely(kind, () => listener(from, body));
    if (this.#unknown.has(kind) || this.#unknown.size >= mostUnknown) return;
    this.#unknown.add(kind);
    this.log.warn({ from, kind }, 'a node sends messages of a kind this version does not know: ignored');
  }

  tellOfPeer(node: string, change: 'joined' | 'left'): void {
    for (const listener of [...this.#ofPeers]) this.#safely(change, () => listener(node, change));
  }

  clear(): void {
    this.#byKind.clear();
    this.#ofPeers.clear();
  }

  #safely(kind: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.log.error({ err: error, kind }, 'a message of another node could not be taken in');
    }
  }
}
