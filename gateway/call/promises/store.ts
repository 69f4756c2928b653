import type { PromiseRecord } from './record.js';

/**
 * `held`: the promise is this call's. `lost`: it is another call's, or over. `unknown`: the store has nothing of it, as
 * after it lost what it had.
 */
export type Holding = 'held' | 'lost' | 'unknown';

export interface Adopted {
  readonly record: PromiseRecord;
  /** The call that had the promise before; undefined when it had given it up. */
  readonly before: string | undefined;
}

/**
 * Where promises to call back are kept. Each belongs to one call, by a lease that the call renews. Whoever asks for a
 * promise whose lease is over gets it, once; the call that had it before is told `lost` whatever it asks from then on.
 * Every operation is atomic, against other nodes too, and expires what is over by itself.
 *
 * @throws VaultError `store_unreachable`, of every operation: it may have been done or not
 */
export interface PromiseStore {
  /** Whether other nodes may take up what is kept here. */
  readonly shared: boolean;
  /** Keeps a promise that is not kept yet; also one that the store has lost. */
  put(record: PromiseRecord, leaseMs: number): Promise<'held' | 'lost'>;
  /** Renews the lease of the call. @param record what the promise is from now on, if it changed */
  renew(id: string, callId: string, leaseMs: number, record?: PromiseRecord): Promise<Holding>;
  /** The call gives the promise up as it is now: somebody else may have it at once. @returns whether it was the call's */
  release(record: PromiseRecord): Promise<boolean>;
  /** The promise was kept, or is none any more: nothing is left of what it was. */
  remove(id: string, callId: string): Promise<void>;
  /**
   * Takes one promise that is nobody's.
   * @param from `released`: only one that was given up; `ended`: also one whose lease has ended
   */
  adopt(callId: string, leaseMs: number, from: 'released' | 'ended'): Promise<Adopted | undefined>;
  /** Hears that a promise was given up, on whichever node; may miss it. @returns the unsubscriber */
  onReleased(listener: () => void): () => void;
}
