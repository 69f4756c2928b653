/** Resolves after `ms`. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}

/**
 * Polls `check` until it returns something truthy, and returns that; throws after `timeoutMs`, naming `what`.
 * The peers are foreign programs that tell their state by files and sockets: polling is the one thing they share.
 */
export async function until<T>(check: () => T | Promise<T>, what: string, timeoutMs = 5_000, everyMs = 40): Promise<NonNullable<T>> {
  const giveUpAt = Date.now() + timeoutMs;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > giveUpAt) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await sleep(everyMs);
  }
}

/** Lets this process stand still, as one does that is stopped or whose machine is paused; others go on. */
export function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
