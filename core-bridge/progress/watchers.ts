/** Pages that follow one board: one citizen's tabs. */
const MOST_PER_BOARD = 20;
const MOST_BOARDS = 50_000;

/** Who wants to hear of which board on this node. Beyond its bounds nobody is added: a page can always be read again. */
export class Watchers {
  readonly #listeners = new Map<string, Set<() => void>>();

  add(board: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(board) ?? new Set();
    if (listeners.size >= MOST_PER_BOARD || (listeners.size === 0 && this.#listeners.size >= MOST_BOARDS)) return () => undefined;
    // Its own function, so that a listener given twice is two.
    const own = (): void => listener();
    this.#listeners.set(board, listeners.add(own));
    return () => {
      listeners.delete(own);
      if (listeners.size === 0 && this.#listeners.get(board) === listeners) this.#listeners.delete(board);
    };
  }

  tell(board: string): void {
    for (const listener of this.#listeners.get(board) ?? []) listener();
  }

  tellAll(): void {
    for (const board of [...this.#listeners.keys()]) this.tell(board);
  }

  clear(): void {
    this.#listeners.clear();
  }
}
