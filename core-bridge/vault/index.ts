import type { Config, SealKey, Tenant } from '../../config/index.js';
import type { RedisLink } from '../redis/connect.js';
import { SealKeyring } from './keyring.js';
import { MemoryStore } from './memory-store.js';
import { RedisStore } from './redis-store.js';
import { SealedVault } from './sealed-vault.js';
import type { SessionVault } from './vault.js';

export {
  VaultError,
  type Claim,
  type CreatedSession,
  type Identity,
  type RevealedIdentity,
  type SessionForCall,
  type SessionOnPage,
  type SessionTaken,
  type SessionVault,
  type Vault,
  type VaultErrorCode,
} from './vault.js';

/** How long after the longest wait a call may talk before a session whose purge was missed is dropped all the same. */
const LONGEST_TALK_MS = 4 * 3_600_000;

/** One tenant's sessions: what they are made by. */
export interface VaultOptions {
  readonly codes: Pick<Tenant['codes'], 'digits' | 'lifetimeSeconds' | 'longestLifetimeSeconds' | 'hashKey'>;
  readonly sessions: Pick<Tenant['sessions'], 'reclaimGraceSeconds' | 'maxLive'>;
  readonly calls: Pick<Config['calls'], 'maxWaitMs'>;
  /** Typed length of the next code when so many sessions are alive; always `codes.digits` when left out. */
  readonly nextLength?: (liveSessions: number) => Promise<number>;
  /** Present: sessions are in Redis, under this tenant's name; otherwise in this process's memory. */
  readonly redis?: { readonly link: RedisLink; readonly tenant: string; readonly prefix: string; readonly sealKeys: readonly SealKey[] };
  /** Clock, in ms since 1970; for tests. */
  readonly now?: () => number;
}

/** The vault of one tenant. It closes its store; the link to Redis stays open for others. */
export function createVault(options: VaultOptions): SessionVault {
  const { codes, sessions, calls, redis, now = Date.now } = options;
  const codeLifetimeMs = codes.lifetimeSeconds * 1_000;
  const limits = { maxLive: sessions.maxLive, maxHoldMs: calls.maxWaitMs + LONGEST_TALK_MS, codeRestMs: codeLifetimeMs, now };
  const store = redis ? new RedisStore({ ...limits, link: redis.link, tenant: redis.tenant, prefix: redis.prefix, keyring: new SealKeyring(redis.sealKeys) }) : new MemoryStore(limits);
  return new SealedVault(store, {
    nextLength: options.nextLength ?? (() => Promise.resolve(codes.digits)),
    codeLifetimeMs,
    longestLifetimeMs: codes.longestLifetimeSeconds * 1_000,
    reclaimGraceMs: sessions.reclaimGraceSeconds * 1_000,
    hashKey: codes.hashKey,
    now,
  });
}
