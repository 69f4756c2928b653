/** The audit trail: who saw which kind of attribute of which call, when and why. */
import type { Logger } from 'pino';
import type { AuditConfig } from '../../config/index.js';
import type { Happenings } from '../happenings.js';
import type { Metrics } from '../ops/metrics.js';
import { version } from '../version.js';
import { auditOver, noAudit, type Audit } from './audit.js';
import { Signer } from './line.js';
import { Trail } from './trail.js';

export type { Record as AuditRecord, Showing } from './acts.js';
export { noAudit, type Audit } from './audit.js';
export { auditPages, type AuditPagesOptions } from './pages.js';
export { AuditError, type AuditErrorCode } from './trail.js';

/**
 * Takes up this node's trail.
 * @throws AuditError `audit_unwritable` when it cannot be written and the configuration requires it; the cause says why
 */
export async function createAudit(config: AuditConfig, { happenings, metrics, log }: { happenings: Happenings; metrics: Metrics; log: Logger }): Promise<Audit> {
  if (!config.enabled) return noAudit;
  const { folder, node, keepDays, required, hmacKey } = config;
  try {
    const trail = await Trail.open({
      folder, node, keepDays, log,
      ...(hmacKey && { signer: new Signer(hmacKey) }),
      start: { version: version(), required },
      onWritten: (records, ms) => metrics.auditWritten(records, ms),
      onFailed: (records) => metrics.auditFailed(records),
    });
    return auditOver(trail, required, happenings, log);
  } catch (error) {
    if (required) throw error;
    log.error({ err: error }, 'no audit trail is kept: it cannot be written, and the configuration does not require it');
    return noAudit;
  }
}
