import type { TenantKeys } from '../config/index.js';

/**
 * A tenant's keys and tokens as they are now. They can be replaced while the gateway runs; who needs several of them for
 * one piece of work takes `current` once, so that nothing is judged half by old keys and half by new ones.
 */
export class KeyRing {
  #current: TenantKeys;

  constructor(keys: TenantKeys) {
    this.#current = keys;
  }

  get current(): TenantKeys {
    return this.#current;
  }

  /** All at once; what is under way ends with the keys it began with. */
  replace(keys: TenantKeys): void {
    this.#current = keys;
  }
}
