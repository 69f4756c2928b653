export { generateCode, hasRightCheckDigit } from './codes/index.js';
export { attrUrl, coreListener, createCoreServer, pageUrl, tenantPath, type CoreListenerOptions, type CoreTenant } from './core-api/index.js';
export type { SessionFeedback } from './feedback/feedback.js';
export { GuessError, type Attempt, type AttemptOutcome, type GuessGuard, type Permit } from './guessing/guessing.js';
export { KeyRing } from './key-ring.js';
export { IdentifyError, type Identification, type PairingInvitation } from './identify/identify.js';
export type { ProgressBoards, ProgressEntry, ProgressStep } from './progress/progress.js';
export type { VerifiedResult } from './results/verified-result.js';
export { createVault, VaultError, type Claim, type CreatedSession, type Identity, type RevealedIdentity, type SessionVault, type Vault, type VaultErrorCode } from './vault/index.js';
