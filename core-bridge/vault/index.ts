import type { Config, Tenant } from '../../config/index.js';
import { MemoryStore } from './memory-store.js';
import { SealedVault } from './sealed-vault.js';
import type { SessionVault } from './vault.js';

export { VaultError, type Claim, type CreatedSession, type Identity, type RevealedIdentity, type SessionVault, type Vault, type VaultErrorCode } from './vault.js';

/** How long after the longest wait a call may talk before a session whose purge was missed is dropped all the same. */
const LONGEST_TALK_MS = 4 * 3_600_000;

/** The vault that a configuration asks for. `now` is for tests. */
export function createVault(config: Pick<Config, 'calls'> & Pick<Tenant, 'codes' | 'sessions'>, now: () => number = Date.now): SessionVault {
  const store = new MemoryStore({ maxLive: config.sessions.maxLive, maxHoldMs: config.calls.maxWaitMs + LONGEST_TALK_MS, now });
  return new SealedVault(store, {
    codeDigits: config.codes.digits,
    codeLifetimeMs: config.codes.lifetimeSeconds * 1_000,
    reclaimGraceMs: config.sessions.reclaimGraceSeconds * 1_000,
    hashKey: config.codes.hashKey,
    now,
  });
}
