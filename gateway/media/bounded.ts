/** Bounds for promises that may never settle. */

/** A command to a media or SIP server that did not end in a usable way. */
export class MediaError extends Error {
  override readonly name = 'MediaError';
  constructor(readonly code: 'timed_out' | 'endpoint_gone' | 'no_media_server' | 'refused' | 'file_not_found' | 'no_common_codec', message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/**
 * Waits for a promise, but no longer than a limit, and no longer than `gone` lasts.
 * The promise itself cannot be cancelled; what it yields later is ignored, a late rejection included.
 * @param limitMs the limit
 * @param what named in the error
 * @param gone aborts when the other side is known to be gone
 * @throws MediaError `timed_out` or `endpoint_gone`
 */
export function bounded<T>(promise: Promise<T>, limitMs: number, what: string, gone?: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onGone = () => finish(() => reject(new MediaError('endpoint_gone', `${what}: the endpoint is gone`)));
    const timer = setTimeout(() => finish(() => reject(new MediaError('timed_out', `${what}: no answer within ${limitMs} ms`))), limitMs);
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      gone?.removeEventListener('abort', onGone);
      settle();
    };
    if (gone?.aborted) {
      promise.catch(() => undefined);
      return onGone();
    }
    gone?.addEventListener('abort', onGone, { once: true });
    promise.then(
      (value) => finish(() => resolve(value)),
      (error: unknown) => finish(() => reject(error instanceof Error ? error : new Error(String(error)))),
    );
  });
}

/** Lets at most `places` pieces of work run at once; the others wait in line, up to `maxLine` of them. */
export class Gate {
  private readonly line: (() => void)[] = [];
  private busy = 0;

  constructor(private readonly places: number, private readonly maxLine: number) {}

  /** @throws MediaError `refused` when the line is full */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.busy >= this.places) {
      if (this.line.length >= this.maxLine) throw new MediaError('refused', 'too many endpoints are being created');
      await new Promise<void>((resolve) => this.line.push(resolve));
    } else this.busy += 1;
    try {
      return await work();
    } finally {
      const next = this.line.shift();
      if (next) next();
      else this.busy -= 1;
    }
  }
}
