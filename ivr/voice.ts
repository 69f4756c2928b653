/**
 * The border of this room: all the dialogue knows of a telephone call. Whoever owns the call implements it, and
 * the tests of the dialogue put a fake in its place.
 */

/** Keys pressed by the caller, in order, from the moment the call was answered. */
export interface KeyQueue {
  /**
   * Takes the next key (`0`-`9`, `*`, `#`, `A`-`D`), waiting for it if none was pressed yet.
   * @throws the signal's reason as soon as the signal aborts; no key is lost by that.
   */
  next(signal: AbortSignal): Promise<string>;
  /** Waits until a key is there to be taken, and leaves it there. @throws the signal's reason when it aborts. */
  pressed(signal: AbortSignal): Promise<void>;
  /** How many keys were pressed and not yet taken. */
  peek(): number;
  /** Forgets the keys that were not yet taken. */
  clear(): void;
}

export interface Voice {
  /**
   * Plays prompt files one after another.
   * @param files names relative to ivr/prompts, e.g. `nl/greeting.wav`
   * @param signal stops the playback; the promise then resolves at once
   * @returns when the last file has been heard or the signal aborted; rejects only when the call cannot play
   */
  play(files: readonly string[], signal: AbortSignal): Promise<void>;
  readonly keys: KeyQueue;
}
