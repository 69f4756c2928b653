/** Where pairings wait to be redeemed, perhaps through another node: under a keyed hash of their code, sealed. */
export interface PairingStore {
  /** `taken`: one that is open has this code. */
  put(codeHash: string, sealed: string, expiresAtMs: number): Promise<'stored' | 'taken' | 'full'>;
  /** Removes it and returns it, to one asker only. */
  take(codeHash: string): Promise<string | undefined>;
  drop(codeHash: string): Promise<void>;
  close(): void;
}

/** Pairings in this process's memory. */
export class MemoryPairings implements PairingStore {
  readonly #open = new Map<string, { sealed: string; expiresAtMs: number }>();
  readonly #maxOpen: number;
  readonly #now: () => number;

  constructor(maxOpen: number, now: () => number = Date.now) {
    this.#maxOpen = maxOpen;
    this.#now = now;
  }

  put(codeHash: string, sealed: string, expiresAtMs: number): Promise<'stored' | 'taken' | 'full'> {
    this.#sweep();
    if (this.#open.has(codeHash)) return Promise.resolve('taken');
    if (this.#open.size >= this.#maxOpen) return Promise.resolve('full');
    this.#open.set(codeHash, { sealed, expiresAtMs });
    return Promise.resolve('stored');
  }

  take(codeHash: string): Promise<string | undefined> {
    this.#sweep();
    const found = this.#open.get(codeHash);
    this.#open.delete(codeHash);
    return Promise.resolve(found?.sealed);
  }

  drop(codeHash: string): Promise<void> {
    this.#open.delete(codeHash);
    return Promise.resolve();
  }

  close(): void {
    this.#open.clear();
  }

  /** All live equally long, so the oldest are the first to go. */
  #sweep(): void {
    const now = this.#now();
    for (const [codeHash, { expiresAtMs }] of this.#open) {
      if (expiresAtMs > now) return;
      this.#open.delete(codeHash);
    }
  }
}
