import { scopeOf } from './scope.js';
import type { Voice } from './voice.js';

/** A timer this late shows that the process stood still, in ms. */
const standstillMs = 50;

/** Keys with a deadline that can be moved, and that a failure can cut short. */
export class TimedKeys {
  readonly #voice: Voice;
  readonly #signal: AbortSignal;
  #timer: NodeJS.Timeout | undefined;
  #ranOut = false;
  #failure: { error: unknown } | undefined;
  #interrupt: (() => void) | undefined;

  constructor(voice: Voice, signal: AbortSignal) {
    this.#voice = voice;
    this.#signal = signal;
  }

  /** @returns undefined when the time ran out */
  async next(): Promise<string | undefined> {
    const waiting = scopeOf(this.#signal);
    try {
      this.#interrupt = () => waiting.abort();
      // A key already pressed was in time, whatever the timer says.
      if (this.#voice.keys.peek() === 0) {
        if (this.#failure) throw this.#failure.error;
        if (this.#ranOut) return undefined;
      }
      return await this.#voice.keys.next(waiting.signal);
    } catch (error) {
      this.#signal.throwIfAborted();
      if (this.#failure) throw this.#failure.error;
      if (this.#ranOut) return undefined;
      throw error;
    } finally {
      this.#interrupt = undefined;
      waiting.release();
    }
  }

  /** Time in which this process stood still does not count, up to as long again: what was pressed meanwhile is still on its way here. */
  startTimer(ms: number): void {
    this.stopTimer();
    if (this.#signal.aborted) return;
    this.#ranOut = false;
    this.#arm(ms, ms);
  }

  #arm(ms: number, graceMs: number): void {
    const due = performance.now() + ms;
    this.#timer = setTimeout(() => {
      const lateMs = performance.now() - due;
      if (lateMs > standstillMs && graceMs > 0) {
        const moreMs = Math.min(lateMs, graceMs);
        return this.#arm(moreMs, graceMs - moreMs);
      }
      this.#ranOut = true;
      this.#interrupt?.();
    }, ms);
  }

  stopTimer(): void {
    clearTimeout(this.#timer);
  }

  /** What the caller should have heard could not be played: `next` rejects with this error. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.#interrupt?.();
  }
}
