import os from 'node:os';
import path from 'node:path';
import type { Shared } from '../forms.js';
import { MIN_AUDIT_KEY_CHARACTERS } from '../schema/audit.js';
import type { RawConfig } from '../schema/index.js';
import type { Secret } from '../secret.js';
import type { AuditConfig } from '../types.js';
import type { SecretReader } from './reader.js';

export interface ResolvedAudit {
  readonly folder: string;
  readonly hmacKey: Secret | undefined;
}

export function resolveAudit({ audit }: Shared, reader: SecretReader, baseDir: string): ResolvedAudit {
  return {
    folder: audit?.folder === undefined ? path.resolve('var/audit') : path.resolve(baseDir, audit.folder),
    hmacKey: reader.longSecret(audit?.hmacKey, audit?.hmacKeyFile, 'audit.hmacKeyFile', MIN_AUDIT_KEY_CHARACTERS),
  };
}

/** Host names are plain names already, but nobody promises it. */
const hostName = (): string => os.hostname().replace(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, '').slice(0, 64) || 'gateway';

export function assembleAudit({ enabled, node, required, keepDays }: RawConfig['audit'], { folder, hmacKey }: ResolvedAudit): AuditConfig {
  return { enabled, folder, node: node ?? hostName(), required, keepDays, ...(hmacKey && { hmacKey }) };
}
