import type { SealKey } from '../../config/index.js';
import { seal, unseal } from './seal.js';
import { VaultError } from './vault.js';

/** A key wrapped under one of the keyring's, and which one that was. */
export interface WrappedKey {
  readonly keyId: string;
  readonly wrapped: Buffer;
}

/**
 * The keys under which the sessions' own keys are wrapped (AES-256-GCM) before they go into a shared store. The first
 * one wraps, all of them unwrap. Random nonces allow 2^32 wraps under one key (NIST SP 800-38D, 8.3).
 */
export class SealKeyring {
  readonly #keys: ReadonlyMap<string, Buffer>;
  readonly #currentId: string;

  constructor(sealKeys: readonly SealKey[]) {
    const [first] = sealKeys;
    if (!first) throw new Error('a keyring needs at least one key');
    this.#currentId = first.id;
    this.#keys = new Map(sealKeys.map(({ id, key }) => [id, Buffer.from(key.reveal(), 'hex')]));
  }

  /** @param context whose key it is; wrapped for one, it does not unwrap for another */
  wrap(key: Buffer, context: string): WrappedKey {
    return { keyId: this.#currentId, wrapped: seal(key, this.#keys.get(this.#currentId)!, context) };
  }

  /** @throws VaultError `seal_broken` when the key is not in the ring, or the context or the bytes differ */
  unwrap({ keyId, wrapped }: WrappedKey, context: string): Buffer {
    const key = this.#keys.get(keyId);
    if (!key) throw new VaultError('seal_broken');
    return unseal(wrapped, key, context);
  }
}
