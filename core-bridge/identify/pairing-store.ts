/** What was under a code: a pairing, a code that was used or withdrawn and has not expired, or nothing known. */
export type Taken = { readonly sealed: string } | 'used' | undefined;

/** Where pairings wait to be redeemed, perhaps through another node: under a keyed hash of their code, sealed. */
export interface PairingStore {
  /** `taken`: one that is open, or was and has not expired, has this code. */
  put(codeHash: string, sealed: string, expiresAtMs: number): Promise<'stored' | 'taken' | 'full'>;
  /** Uses the code up: of any number of askers, one gets the pairing. Until its expiry the code is remembered as used. */
  take(codeHash: string): Promise<Taken>;
}

/** Codes remembered in memory for each one that may be open, used ones included. */
const REMEMBERED_FOR_OPEN = 20;

/** Pairings in this process's memory. */
export class MemoryPairings implements PairingStore {
  /** By code hash; without `sealed` once used. */
  readonly #known = new Map<string, { sealed?: string; readonly expiresAtMs: number }>();
  readonly #maxOpen: number;
  readonly #now: () => number;
  #open = 0;

  constructor(maxOpen: number, now: () => number = Date.now) {
    this.#maxOpen = maxOpen;
    this.#now = now;
  }

  put(codeHash: string, sealed: string, expiresAtMs: number): Promise<'stored' | 'taken' | 'full'> {
    this.#sweep();
    if (this.#known.has(codeHash)) return Promise.resolve('taken');
    if (this.#open >= this.#maxOpen || this.#known.size >= this.#maxOpen * REMEMBERED_FOR_OPEN) return Promise.resolve('full');
    this.#known.set(codeHash, { sealed, expiresAtMs });
    this.#open += 1;
    return Promise.resolve('stored');
  }

  take(codeHash: string): Promise<Taken> {
    this.#sweep();
    const known = this.#known.get(codeHash);
    if (!known) return Promise.resolve(undefined);
    const { sealed } = known;
    if (sealed === undefined) return Promise.resolve('used');
    delete known.sealed;
    this.#open -= 1;
    return Promise.resolve({ sealed });
  }

  /** All live equally long, so the oldest are the first to go. */
  #sweep(): void {
    const now = this.#now();
    for (const [codeHash, { sealed, expiresAtMs }] of this.#known) {
      if (expiresAtMs > now) return;
      this.#known.delete(codeHash);
      if (sealed !== undefined) this.#open -= 1;
    }
  }
}
