import { hkdfSync } from 'node:crypto';
import type { z } from 'zod';
import { seal, unseal } from './vault/seal.js';

/** A key for one use, from a secret that has several (HKDF-SHA256, RFC 5869). */
export function derivedKey(secret: string, use: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', use, 32));
}

/** Puts small values where others keep them, without their being able to read, change or mistake them. */
export class SealedBox<T> {
  readonly #key: Buffer;
  readonly #use: string;
  readonly #schema: z.ZodType<T>;

  /** @param use what the values are for; one sealed for another use does not open */
  constructor(secret: string, use: string, schema: z.ZodType<T>) {
    this.#key = derivedKey(secret, `seal ${use}`);
    this.#use = use;
    this.#schema = schema;
  }

  /** base64url. */
  seal(value: T): string {
    const plain = Buffer.from(JSON.stringify(value), 'utf8');
    return seal(plain, this.#key, this.#use).toString('base64url');
  }

  /** undefined for whatever `seal` did not make. */
  open(sealed: string): T | undefined {
    try {
      return this.#schema.parse(JSON.parse(unseal(Buffer.from(sealed, 'base64url'), this.#key, this.#use).toString('utf8')));
    } catch {
      return undefined;
    }
  }
}
