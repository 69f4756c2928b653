import { EventEmitter } from 'node:events';
import type { PromiseRecord } from './record.js';
import type { Adopted, Holding, PromiseStore } from './store.js';

interface Kept {
  record: PromiseRecord;
  /** The call that has it; undefined: nobody. */
  by: string | undefined;
  leaseUntil: number;
}

/** Promises in this process's memory. They end with it. */
export class MemoryPromises implements PromiseStore {
  readonly shared = false;
  /** As many as there are calls. */
  readonly #kept = new Map<string, Kept>();
  readonly #events = new EventEmitter<{ released: [] }>();

  put(record: PromiseRecord, leaseMs: number): Promise<'held' | 'lost'> {
    const kept = this.#live(record.id);
    if (kept && kept.by !== record.callId) return Promise.resolve('lost');
    this.#kept.set(record.id, { record, by: record.callId, leaseUntil: performance.now() + leaseMs });
    return Promise.resolve('held');
  }

  renew(id: string, callId: string, leaseMs: number, record?: PromiseRecord): Promise<Holding> {
    const kept = this.#live(id);
    if (!kept) return Promise.resolve('unknown');
    if (kept.by !== callId) return Promise.resolve('lost');
    kept.leaseUntil = performance.now() + leaseMs;
    if (record) kept.record = record;
    return Promise.resolve('held');
  }

  release(record: PromiseRecord): Promise<boolean> {
    const kept = this.#live(record.id);
    if (!kept || kept.by !== record.callId) return Promise.resolve(false);
    Object.assign(kept, { record, by: undefined });
    setImmediate(() => this.#events.emit('released'));
    return Promise.resolve(true);
  }

  remove(id: string, callId: string): Promise<void> {
    if (this.#kept.get(id)?.by === callId) this.#kept.delete(id);
    return Promise.resolve();
  }

  adopt(callId: string, leaseMs: number, from: 'released' | 'ended'): Promise<Adopted | undefined> {
    const now = performance.now();
    for (const id of [...this.#kept.keys()]) {
      const kept = this.#live(id);
      if (!kept || (kept.by !== undefined && (from === 'released' || kept.leaseUntil > now))) continue;
      const before = kept.by;
      Object.assign(kept, { by: callId, leaseUntil: now + leaseMs });
      return Promise.resolve({ record: kept.record, before });
    }
    return Promise.resolve(undefined);
  }

  onReleased(listener: () => void): () => void {
    this.#events.on('released', listener);
    return () => this.#events.off('released', listener);
  }

  #live(id: string): Kept | undefined {
    const kept = this.#kept.get(id);
    if (!kept || kept.record.until > Date.now()) return kept;
    this.#kept.delete(id);
    return undefined;
  }
}
