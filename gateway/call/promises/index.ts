import type { Logger } from 'pino';
import type { SealKey } from '../../../config/index.js';
import type { RedisLink } from '../../../core-bridge/index.js';
import { longestPromiseMs } from '../promise.js';
import { MemoryPromises } from './memory-promises.js';
import { RedisPromises } from './redis-promises.js';
import type { PromiseStore } from './store.js';

export { Adoption } from './adoption.js';
export { HeldPromise, type AttemptStart } from './held-promise.js';
export type { PromiseRecord } from './record.js';
export type { Adopted, PromiseStore } from './store.js';

export interface PromisesOptions {
  /** Present: promises are in Redis, and outlive their node. */
  readonly redis?: { readonly link: RedisLink; readonly tenant: string; readonly prefix: string; readonly sealKeys: readonly SealKey[] } | undefined;
  readonly log: Logger;
}

/** One tenant's promises to call back. */
export function createPromises({ redis, log }: PromisesOptions): PromiseStore {
  if (!redis) return new MemoryPromises();
  return new RedisPromises({ ...redis, longestMs: longestPromiseMs, onUnreadable: (id) => log.error({ promise: id }, 'no seal key opens a promise to call back; it is left to other nodes') });
}
