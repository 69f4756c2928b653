/** A signal that aborts with its parent or by itself, and leaves no listener on the parent once it is released. */
export interface Scope {
  readonly signal: AbortSignal;
  abort(): void;
  /** Aborts, and lets go of the parent. */
  release(): void;
}

/** Made once: an abort without a reason makes an exception with a stack each time, and scopes end with every key. */
const over = new Error('over');

export function scopeOf(parent: AbortSignal): Scope {
  const controller = new AbortController();
  const onAbort = () => controller.abort(parent.reason);
  if (parent.aborted) onAbort();
  else parent.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    abort: () => controller.abort(over),
    release: () => {
      parent.removeEventListener('abort', onAbort);
      controller.abort(over);
    },
  };
}
