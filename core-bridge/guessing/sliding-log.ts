/** When things happened, by id, over a window of time. Holds `most` entries; beyond that the oldest are forgotten. */
export class SlidingLog {
  readonly #entries = new Map<string, number>();
  readonly #windowMs: number;
  readonly #most: number;

  constructor(windowMs: number, most: number) {
    this.#windowMs = windowMs;
    this.#most = most;
  }

  add(id: string, now: number): void {
    this.#entries.set(id, now);
    if (this.#entries.size <= this.#most) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  remove(id: string): void {
    this.#entries.delete(id);
  }

  /** How many there are in the window that ends now. */
  count(now: number): number {
    for (const [id, at] of this.#entries) {
      if (at > now - this.#windowMs) break;
      this.#entries.delete(id);
    }
    return this.#entries.size;
  }
}
