/** Names that may be used once: who claims one first has it. */
export interface Once {
  /**
   * @param name says nothing of anybody
   * @param lifetimeMs after this long nobody could use it again anyway
   * @returns false when it was claimed before
   */
  claim(name: string, lifetimeMs: number): Promise<boolean>;
  /** What it was claimed for did not come about: it may be claimed again. */
  release(name: string): Promise<void>;
}

/** Within one process. At most `max` names are remembered; of more, the oldest is forgotten first. */
export class OnceHere implements Once {
  /** Name and until when, in the order of claiming. */
  readonly #claimed = new Map<string, number>();

  constructor(readonly now: () => number, readonly max = 10_000) {}

  claim(name: string, lifetimeMs: number): Promise<boolean> {
    const now = this.now();
    for (const [known, until] of this.#claimed) {
      if (until > now && this.#claimed.size < this.max) break;
      this.#claimed.delete(known);
    }
    if ((this.#claimed.get(name) ?? -Infinity) > now) return Promise.resolve(false);
    this.#claimed.set(name, now + lifetimeMs);
    return Promise.resolve(true);
  }

  release(name: string): Promise<void> {
    this.#claimed.delete(name);
    return Promise.resolve();
  }
}
