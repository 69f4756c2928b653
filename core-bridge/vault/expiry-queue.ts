interface Appointment {
  readonly id: string;
  readonly atMs: number;
}

/**
 * Which sessions may have ended by a moment, in the order of their ends (a binary heap). An end that moves is entered
 * again; who takes ids out asks whether they have really ended.
 */
export class ExpiryQueue {
  #heap: Appointment[] = [];

  get size(): number {
    return this.#heap.length;
  }

  add(id: string, atMs: number): void {
    this.#heap.push({ id, atMs });
    this.#rise(this.#heap.length - 1);
  }

  /** Takes out one id that was due by `nowMs`. */
  takeDue(nowMs: number): string | undefined {
    const first = this.#heap[0];
    if (!first || first.atMs > nowMs) return undefined;
    const last = this.#heap.pop();
    if (last && this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#sink(0);
    }
    return first.id;
  }

  /** Forgets what was entered and enters these instead. */
  refill(entries: Iterable<readonly [id: string, atMs: number]>): void {
    this.#heap = Array.from(entries, ([id, atMs]) => ({ id, atMs }));
    // A sorted array is a heap.
    this.#heap.sort((a, b) => a.atMs - b.atMs);
  }

  #rise(from: number): void {
    const heap = this.#heap;
    const moving = heap[from]!;
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (heap[above]!.atMs <= moving.atMs) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = moving;
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const moving = heap[from]!;
    let at = from;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && heap[below + 1]!.atMs < heap[below]!.atMs) below += 1;
      if (heap[below]!.atMs >= moving.atMs) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = moving;
  }
}
