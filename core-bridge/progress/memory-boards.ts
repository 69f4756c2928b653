import { KEPT_MS, MOST_ENTRIES } from './limits.js';
import type { ProgressBoards, ProgressEntry, ProgressStep } from './progress.js';
import { Watchers } from './watchers.js';

export interface MemoryBoardsOptions {
  /** Boards kept at one time; the one that is silent longest makes room. */
  readonly maxBoards?: number;
  /** Clock, in ms since 1970. */
  readonly now?: () => number;
}

const SWEEP_EVERY_MS = 60_000;

/** Progress boards in this process's memory, those with the oldest last step first. */
export class MemoryBoards implements ProgressBoards {
  readonly #boards = new Map<string, ProgressEntry[]>();
  readonly #watchers = new Watchers();
  readonly #maxBoards: number;
  readonly #now: () => number;
  readonly #sweeper: NodeJS.Timeout;
  #closed = false;

  constructor(options: MemoryBoardsOptions = {}) {
    this.#maxBoards = options.maxBoards ?? 200_000;
    this.#now = options.now ?? Date.now;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_EVERY_MS);
    this.#sweeper.unref();
  }

  post(board: string, step: ProgressStep): void {
    if (this.#closed) return;
    const entries = this.#entriesOf(board);
    if (step.step === 'waiting' && entries.at(-1)?.step === 'waiting') entries.pop();
    entries.push({ ...step, at: this.#now() });
    if (entries.length > MOST_ENTRIES) entries.shift();
    this.#boards.delete(board);
    this.#boards.set(board, entries);
    if (this.#boards.size > this.#maxBoards) {
      const [oldest] = this.#boards.keys();
      if (oldest !== undefined) this.#boards.delete(oldest);
    }
    // Not within the poster's own turn: what a watcher does must not become the call's fault.
    setImmediate(() => this.#watchers.tell(board));
  }

  read(board: string): Promise<readonly ProgressEntry[]> {
    return Promise.resolve([...this.#entriesOf(board)]);
  }

  watch(board: string, listener: () => void): () => void {
    return this.#watchers.add(board, listener);
  }

  close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    this.#boards.clear();
    this.#watchers.clear();
    return Promise.resolve();
  }

  #entriesOf(board: string): ProgressEntry[] {
    const entries = this.#boards.get(board);
    return entries && !this.#isOver(entries) ? entries : [];
  }

  #isOver(entries: readonly ProgressEntry[]): boolean {
    return (entries.at(-1)?.at ?? 0) + KEPT_MS <= this.#now();
  }

  #sweep(): void {
    for (const [board, entries] of this.#boards) {
      if (!this.#isOver(entries)) break;
      this.#boards.delete(board);
    }
  }
}
