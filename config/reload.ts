import { createPublicKey, KeyObject } from 'node:crypto';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { understand } from './forms.js';
import { configPath, readYaml, type LoadOptions } from './load.js';
import { resolveSecrets } from './resolve/index.js';
import { Secret } from './secret.js';
import type { Config, Tenant } from './types.js';

/** A tenant's keys and tokens of the ID Contact protocol. */
export type TenantKeys = Pick<Tenant['idContact'], 'decryptionKeys' | 'verificationKeys' | 'coreTokens'>;

/** What a running gateway takes over from a configuration that is read again; tenants and services stand in it by name. */
const renewable: readonly RegExp[] = [
  /^listeners\.core\.tls(\.|$)/,
  /^tenants\.[^.]+\.idContact\.(decryptionKeys|verificationKeys|coreTokens)(\.|$)/,
  /^tenants\.[^.]+\.(accounts|agents)(\.|$)/,
  /^tenants\.[^.]+\.services\.[^.]+\.queue\.hours(\.|$)/,
];

/**
 * Names of settings in which `fresh` differs from what the gateway was started with, and which only a restart takes up.
 * They are named as the configuration names them, tenants and services by name instead of number. No values.
 */
export function changesForRestart(started: Config, fresh: Config): string[] {
  const names = [...differences(started, fresh, '')].filter((name) => !renewable.some((pattern) => pattern.test(name)));
  // The only tenant of a file without tenants has its settings at the top of it.
  return names.map((name) => name.replace(/^tenants\.main\./, ''));
}

/** Whether nothing differs in these parts of two configurations; secrets are compared too. */
export const isSameSetting = (before: unknown, after: unknown): boolean => differences(before, after, '').next().done === true;

function* differences(before: unknown, after: unknown, at: string): Generator<string> {
  const [own, other] = [partsOf(before), partsOf(after)];
  if (!own || !other) {
    if (!isSame(before, after)) yield at;
    return;
  }
  for (const name of new Set([...own.keys(), ...other.keys()])) yield* differences(own.get(name), other.get(name), at === '' ? name : `${at}.${name}`);
}

/** What stands in an object or in a list, by name; undefined for anything that is one value. */
function partsOf(value: unknown): Map<string, unknown> | undefined {
  if (Array.isArray(value)) {
    const names = value.map((item: unknown) => (typeof item === 'object' && item !== null && 'name' in item && typeof item.name === 'string' ? item.name : undefined));
    // One thing may change its place in a list. Lists of plain values are one value: their order can mean something.
    return names.every((name) => name !== undefined) && new Set(names).size === names.length ? new Map(names.map((name, index) => [name, value[index]])) : undefined;
  }
  const isPlain = typeof value === 'object' && value !== null && (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null);
  return isPlain ? new Map(Object.entries(value)) : undefined;
}

function isSame(before: unknown, after: unknown): boolean {
  if (before instanceof Secret && after instanceof Secret) return before.reveal() === after.reveal();
  if (before instanceof KeyObject && after instanceof KeyObject) return publicPart(before).equals(publicPart(after));
  if (Array.isArray(before) && Array.isArray(after)) return before.length === after.length && before.every((item, index) => isSameSetting(item, after[index]));
  return isDeepStrictEqual(before, after);
}

/**
 * What of a key anybody may know. KeyObject's own `equals` is not asked: of keys of two types it leaves an error in
 * OpenSSL's queue, and the next key that is read fails for it.
 */
const publicPart = (key: KeyObject): Buffer => (key.type === 'private' ? createPublicKey(key) : key).export({ type: 'spki', format: 'der' });

/** Full names of the configuration file and of the files it names, to be watched; the first alone while it cannot be read. */
export function configFiles(options: LoadOptions = {}): string[] {
  const file = configPath(options);
  try {
    return [file, ...resolveSecrets(understand(readYaml(file)), path.dirname(file)).files];
  } catch {
    return [file];
  }
}
