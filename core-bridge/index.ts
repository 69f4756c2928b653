export { coreListener, type CoreListenerOptions } from './core-listener.js';
export { createCoreServer } from './core-server.js';
export { createVault, VaultError, type Claim, type CreatedSession, type Identity, type RevealedIdentity, type SessionVault, type Vault, type VaultErrorCode } from './vault/index.js';
export type { VerifiedResult } from './results/verified-result.js';
