import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Secret } from '../../config/index.js';
import { generateCode, hashCode } from '../codes/index.js';
import type { VerifiedResult } from '../results/verified-result.js';
import { newSealKey, seal, unseal } from './seal.js';
import type { SessionStore, StoredSession } from './store.js';
import { VaultError, type Claim, type CreatedSession, type Identity, type RevealedIdentity, type SessionVault } from './vault.js';

export interface SealedVaultOptions {
  readonly codeDigits: number;
  readonly codeLifetimeMs: number;
  readonly reclaimGraceMs: number;
  /** Key of the hash under which codes are stored. */
  readonly hashKey: Secret;
  /** Clock, in ms since 1970; the store's. */
  readonly now?: () => number;
}

const TOKEN_BYTES = 32;
/** A fresh code meets a live one at most once in thousands of tries; several in a row means that something is broken. */
const MAX_CODE_TRIES = 10;

const sealedContent = z.object({
  attributes: z.record(z.string(), z.string()),
  authMethod: z.string(),
  verifiedAt: z.iso.datetime(),
  sessionUrl: z.string().optional(),
});

/** The vault: makes codes and tokens, seals results under a key for each session, and leaves atomicity to its store. */
export class SealedVault implements SessionVault {
  readonly #store: SessionStore;
  readonly #options: SealedVaultOptions;
  readonly #now: () => number;
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #unsubscribe: (() => void)[];

  constructor(store: SessionStore, options: SealedVaultOptions) {
    this.#store = store;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#unsubscribe = [store.onResult((id) => this.#tell(id)), store.onGone((id) => void this.#listeners.delete(id))];
  }

  async create(session: { purpose: string; expectsResult: boolean }): Promise<CreatedSession> {
    for (let tries = 0; tries < MAX_CODE_TRIES; tries += 1) {
      const code = generateCode(this.#options.codeDigits);
      const attrToken = randomBytes(TOKEN_BYTES).toString('base64url');
      const sessionId = randomUUID();
      const expiresAtMs = this.#now() + this.#options.codeLifetimeMs;
      const outcome = await this.#store.insert({
        sessionId,
        purpose: session.purpose,
        expectsResult: session.expectsResult,
        codeHash: hashCode(code, this.#options.hashKey.reveal()),
        tokenHash: hashToken(attrToken),
        sealKey: newSealKey(),
        expiresAtMs,
      });
      if (outcome === 'inserted') return { sessionId, code, attrToken, expiresAt: new Date(expiresAtMs) };
      if (outcome === 'full') break;
    }
    throw new VaultError('vault_full');
  }

  async awaits(attrToken: string): Promise<boolean> {
    const session = await this.#store.byToken(hashToken(attrToken));
    return session !== undefined && session.expectsResult && !session.result;
  }

  async deliver(attrToken: string, result: VerifiedResult): Promise<'accepted' | 'duplicate' | 'unknown'> {
    const session = await this.#store.byToken(hashToken(attrToken));
    if (!session?.expectsResult) return 'unknown';
    if (session.result) return 'duplicate';
    if (result.status === 'failed') return this.#store.setResult(session.sessionId, { status: 'failed' });
    const { attributes, authMethod, verifiedAt, sessionUrl } = result;
    const plain = Buffer.from(JSON.stringify({ attributes, authMethod, verifiedAt: verifiedAt.toISOString(), sessionUrl }), 'utf8');
    try {
      return await this.#store.setResult(session.sessionId, { status: 'success', sealed: seal(plain, session.sealKey, contextOf(session)) });
    } finally {
      plain.fill(0);
    }
  }

  async claim(code: string, callId: string): Promise<Claim> {
    const session = await this.#store.claim(hashCode(code, this.#options.hashKey.reveal()), callId);
    return session ? { ok: true, sessionId: session.sessionId, purpose: session.purpose, identity: identityOf(session) } : { ok: false };
  }

  async identity(sessionId: string, callId: string): Promise<Identity> {
    return identityOf(await this.#held(sessionId, callId));
  }

  onDelivered(sessionId: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(sessionId) ?? new Set();
    this.#listeners.set(sessionId, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(sessionId) === listeners) this.#listeners.delete(sessionId);
    };
  }

  async reveal(sessionId: string, callId: string): Promise<RevealedIdentity> {
    const session = await this.#held(sessionId, callId);
    if (session.result?.status !== 'success') throw new VaultError('not_verified');
    const plain = unseal(session.result.sealed, session.sealKey, contextOf(session));
    try {
      const { attributes, authMethod, verifiedAt } = sealedContent.parse(JSON.parse(plain.toString('utf8')));
      return { purpose: session.purpose, attributes, authMethod, verifiedAt: new Date(verifiedAt) };
    } catch {
      // The parser's own message would quote what it could not read.
      throw new VaultError('seal_broken');
    } finally {
      plain.fill(0);
    }
  }

  async letGo(sessionId: string, callId: string): Promise<void> {
    await this.#store.release(sessionId, callId, this.#now() + this.#options.reclaimGraceMs);
  }

  async purge(sessionId: string, callId: string): Promise<void> {
    await this.#store.remove(sessionId, callId);
  }

  stats(): Promise<{ live: number; claimed: number }> {
    return this.#store.count();
  }

  async close(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#listeners.clear();
    await this.#store.close();
  }

  async #held(sessionId: string, callId: string): Promise<StoredSession> {
    const session = await this.#store.held(sessionId, callId);
    if (!session) throw new VaultError('not_claimed');
    return session;
  }

  #tell(sessionId: string): void {
    const listeners = this.#listeners.get(sessionId);
    this.#listeners.delete(sessionId);
    // After the delivery has returned: a listener's fault must not become the sender's. One that unsubscribed meanwhile
    // is no longer in the set.
    for (const listener of listeners ?? []) setImmediate(() => listeners?.has(listener) && listener());
  }
}

/** Tokens are long and random, so a plain hash keeps them from being read back. */
function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

function contextOf(session: StoredSession): string {
  return JSON.stringify([session.sessionId, session.purpose]);
}

function identityOf(session: StoredSession): Identity {
  if (session.result) return session.result.status === 'success' ? 'verified' : 'failed';
  return session.expectsResult ? 'awaiting' : 'unauthenticated';
}
