/** Configurations for tests: one that holds, and what is wrong with a changed copy of it. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'vitest';
import { ConfigError, hashPassword, parseConfig, type Problem } from '../../config/index.js';

const pem = { format: 'pem', type: 'spki' } as const;
const privatePem = { format: 'pem', type: 'pkcs8' } as const;
export const rsa = generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: pem, privateKeyEncoding: privatePem });
export const ec = generateKeyPairSync('ec', { namedCurve: 'P-256', publicKeyEncoding: pem, privateKeyEncoding: privatePem });
export const hash = await hashPassword('correct horse');
/** Where relative file names start; whoever writes there removes it. */
export const folder = mkdtempSync(path.join(tmpdir(), 'config-test-'));

/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access --
   the tests break the shape on purpose */
/** A configuration for production that holds; each test breaks a copy of it. */
export function valid(): any {
  return {
    trunks: [{ name: 'pbx', addresses: ['192.0.2.10', '198.51.100.0/24'] }],
    services: [{ name: 'Desk', numbers: ['+31 20 123 4567'], purposes: ['report_move'] }],
    agents: [{ name: 'anna', password: hash, phone: 'sip:anna@192.0.2.20' }],
    idContact: {
      phoneNumber: '+31 20 123 4567',
      decryptionKey: { type: 'RSA', key: rsa.privateKey },
      verificationKeys: [{ name: 'digid', type: 'EC', key: ec.publicKey }],
    },
    codes: { hashKey: 'h'.repeat(32) },
  };
}

export function problemsOf(change: (config: any) => void, env: Record<string, string> = {}): readonly Problem[] {
  const config = valid();
  change(config);
  try {
    parseConfig(config, { baseDir: folder, env });
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).problems;
  }
  return [];
}

export function set(config: any, key: string, value: unknown): void {
  const parts = key.replace(/\[(\d+)\]/g, '.$1').split('.');
  const last = parts.pop() ?? '';
  let at = config;
  for (const part of parts) at = at[part] ??= {};
  if (value === undefined) delete at[last];
  else at[last] = value;
}
