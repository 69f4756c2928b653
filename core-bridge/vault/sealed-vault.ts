import { createHash, hkdfSync, randomBytes, randomInt, randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Secret } from '../../config/index.js';
import { generateCode, hashCode } from '../codes/index.js';
import type { VerifiedResult } from '../results/verified-result.js';
import { newSealKey, seal, unseal } from './seal.js';
import type { ClaimedSession, SessionStore, StoredSession } from './store.js';
import { VaultError, type Claim, type CreatedSession, type Identity, type RevealedIdentity, type SessionForCall, type SessionOnPage, type SessionTaken, type SessionVault } from './vault.js';

export interface SealedVaultOptions {
  /** Typed length of the next code, check digit included, when so many sessions are alive. */
  readonly nextLength: (liveSessions: number) => Promise<number>;
  readonly codeLifetimeMs: number;
  /** How long a code may live altogether when the citizen asks for more time. */
  readonly longestLifetimeMs: number;
  readonly reclaimGraceMs: number;
  /** Key of the hash under which codes are stored. */
  readonly hashKey: Secret;
  /** Clock, in ms since 1970; the store's. */
  readonly now?: () => number;
}

const TOKEN_BYTES = 32;
/** A fresh code meets a live one at most once in thousands of tries; several in a row means that something is broken. */
const MAX_CODE_TRIES = 10;
/** Words that page and telephone have in common, in each language. */
const WORDS = 64;
/** How many waiting sessions are looked up at one time when messages may have been missed. */
const LOOKS_AT_ONCE = 50;

const sealedContent = z.object({
  attributes: z.record(z.string(), z.string()),
  authMethod: z.string().optional(),
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
  #looking = false;

  constructor(store: SessionStore, options: SealedVaultOptions) {
    this.#store = store;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#unsubscribe = [store.onResult((id) => this.#tell(id)), store.onGone((id) => void this.#listeners.delete(id)), store.onDoubt(() => void this.#lookAgain())];
  }

  get ready(): boolean {
    return this.#store.ready;
  }

  async create(session: { purpose: string; authentication: 'expected' | 'none' }): Promise<CreatedSession> {
    const { codeLifetimeMs, longestLifetimeMs, hashKey } = this.#options;
    const length = await this.#options.nextLength((await this.#store.count()).live);
    for (let tries = 0; tries < MAX_CODE_TRIES; tries += 1) {
      const code = generateCode(length);
      const { stored, attrToken, pageToken } = this.#newSession(session);
      const coded = {
        ...stored,
        codeHash: hashCode(code, hashKey.reveal()),
        sealedCode: seal(Buffer.from(code, 'utf8'), pageKey(pageToken), contextOf(stored)),
        extendableUntilMs: stored.expiresAtMs - codeLifetimeMs + Math.max(codeLifetimeMs, longestLifetimeMs),
      };
      const outcome = await this.#store.insert(coded);
      if (outcome === 'inserted') return { sessionId: stored.sessionId, code, attrToken, pageToken, expiresAt: new Date(stored.expiresAtMs) };
      if (outcome === 'full') break;
    }
    throw new VaultError('vault_full');
  }

  async createForCall(session: { purpose: string; callId: string }): Promise<SessionForCall> {
    const { stored, attrToken, pageToken } = this.#newSession({ purpose: session.purpose, authentication: 'expected' });
    if ((await this.#store.insert(stored, session.callId)) !== 'inserted') throw new VaultError('vault_full');
    return { sessionId: stored.sessionId, attrToken, pageToken, board: stored.board, word: stored.word };
  }

  async awaits(attrToken: string): Promise<boolean> {
    const session = await this.#store.byToken(hashToken(attrToken));
    return session !== undefined && !session.result;
  }

  async boardOf(attrToken: string): Promise<string | undefined> {
    return (await this.#store.byToken(hashToken(attrToken)))?.board;
  }

  async deliver(attrToken: string, result: VerifiedResult): Promise<'accepted' | 'duplicate' | 'unknown'> {
    const session = await this.#store.byToken(hashToken(attrToken));
    if (!session) return 'unknown';
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
    const claim = await this.#store.claim(hashCode(code, this.#options.hashKey.reveal()), callId);
    if ('refused' in claim) return { ok: false, reason: claim.refused, ...(claim.board === undefined ? {} : { board: claim.board }) };
    const { sessionId, purpose, board, word } = claim.session;
    return { ok: true, sessionId, purpose, identity: identityOf(claim.session), board, word };
  }

  async takeOver(sessionId: string, from: readonly string[], callId: string): Promise<SessionTaken | undefined> {
    const session = await this.#store.handTo(sessionId, from, callId);
    return session && { purpose: session.purpose, identity: identityOf(session), board: session.board, word: session.word };
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
    const { attributes, authMethod, verifiedAt } = opened(session);
    return { purpose: session.purpose, attributes, ...(authMethod === undefined ? {} : { authMethod }), verifiedAt: new Date(verifiedAt) };
  }

  async sessionUrl(sessionId: string, callId: string): Promise<string | undefined> {
    const session = await this.#held(sessionId, callId);
    return session.result?.status === 'success' ? opened(session).sessionUrl : undefined;
  }

  async letGo(sessionId: string, callId: string): Promise<void> {
    await this.#store.release(sessionId, callId, this.#now() + this.#options.reclaimGraceMs);
  }

  async purge(sessionId: string, callId: string): Promise<void> {
    await this.#store.remove(sessionId, callId);
  }

  async onPage(pageToken: string): Promise<SessionOnPage | undefined> {
    const found = await this.#store.byBoard(hashToken(pageToken));
    if (!found) return undefined;
    const { session, claimed } = found;
    const { board, purpose, word, sealedCode, expiresAtMs, extendableUntilMs } = session;
    const code = sealedCode && unseal(sealedCode, pageKey(pageToken), contextOf(session)).toString('utf8');
    return { board, purpose, ...(code === undefined ? {} : { code }), word, identity: identityOf(session), claimed, expiresAt: new Date(expiresAtMs), extendableUntil: new Date(extendableUntilMs) };
  }

  async extend(pageToken: string): Promise<Date | undefined> {
    const found = await this.#store.byBoard(hashToken(pageToken));
    if (!found || found.claimed) return undefined;
    const { sessionId, expiresAtMs, extendableUntilMs } = found.session;
    const endMs = Math.min(this.#now() + this.#options.codeLifetimeMs, extendableUntilMs);
    if (endMs <= expiresAtMs) return new Date(expiresAtMs);
    return (await this.#store.extend(sessionId, endMs)) ? new Date(endMs) : undefined;
  }

  stats(): Promise<{ live: number; claimed: number }> {
    return this.#store.count();
  }

  async close(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#listeners.clear();
    await this.#store.close();
  }

  #newSession({ purpose, authentication }: { purpose: string; authentication: 'expected' | 'none' }): { stored: StoredSession; attrToken: string; pageToken: string } {
    const attrToken = randomBytes(TOKEN_BYTES).toString('base64url');
    const pageToken = randomBytes(TOKEN_BYTES).toString('base64url');
    const expiresAtMs = this.#now() + this.#options.codeLifetimeMs;
    const stored = {
      sessionId: randomUUID(),
      purpose,
      authentication,
      tokenHash: hashToken(attrToken),
      board: hashToken(pageToken),
      word: randomInt(WORDS),
      sealKey: newSealKey(),
      expiresAtMs,
      extendableUntilMs: expiresAtMs,
    };
    return { stored, attrToken, pageToken };
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

  /** Messages may have been missed: of the sessions somebody waits for, which have their result? */
  async #lookAgain(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const waitedFor = [...this.#listeners.keys()];
      while (waitedFor.length > 0) {
        const some = waitedFor.splice(0, LOOKS_AT_ONCE);
        const arrived = await Promise.all(some.map((id) => this.#store.hasResult(id)));
        for (const [i, id] of some.entries()) if (arrived[i]) this.#tell(id);
      }
    } catch {
      // The store is away; it asks to look again when it is back.
    } finally {
      this.#looking = false;
    }
  }
}

/** Tokens are long and random, so a plain hash keeps them from being read back. */
function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

/** The key of what only the holder of a page's token may read (HKDF, RFC 5869). */
function pageKey(pageToken: string): Buffer {
  return Buffer.from(hkdfSync('sha256', pageToken, '', 'code on the page', 32));
}

function opened(session: StoredSession): z.infer<typeof sealedContent> {
  if (session.result?.status !== 'success') throw new VaultError('not_verified');
  const plain = unseal(session.result.sealed, session.sealKey, contextOf(session));
  try {
    return sealedContent.parse(JSON.parse(plain.toString('utf8')));
  } catch {
    // The parser's own message would quote what it could not read.
    throw new VaultError('seal_broken');
  } finally {
    plain.fill(0);
  }
}

function contextOf(session: Pick<StoredSession, 'sessionId' | 'purpose'>): string {
  return JSON.stringify([session.sessionId, session.purpose]);
}

function identityOf(session: Pick<ClaimedSession, 'authentication' | 'result'>): Identity {
  if (session.result) return session.result.status === 'success' ? 'verified' : 'failed';
  return session.authentication === 'expected' ? 'awaiting' : 'unauthenticated';
}
