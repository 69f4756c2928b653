import path from 'node:path';
import { understand } from './forms.js';
import { configPath, loadConfig, readYaml, type LoadOptions } from './load.js';
import { resolveSecrets } from './resolve/index.js';
import type { Tenant } from './types.js';

/** What can be replaced while the gateway runs. */
export type TenantKeys = Pick<Tenant['idContact'], 'decryptionKeys' | 'verificationKeys' | 'coreTokens'>;

/**
 * The keys of each tenant, by its name, as the same configuration file and the files it names hold them now. Empty for
 * the demo, whose keys live as long as the process.
 * @throws ConfigError when the file as a whole does not hold any more: the keys in use then stay
 */
export function loadTenantKeys(options: LoadOptions = {}): Map<string, TenantKeys> {
  const { demo, tenants } = loadConfig(options);
  if (demo) return new Map();
  return new Map(tenants.map(({ name, idContact: { decryptionKeys, verificationKeys, coreTokens } }) => [name, { decryptionKeys, verificationKeys, coreTokens }]));
}

/** Full names of the configuration file and of the files it names, to be watched; the first alone while it cannot be read. */
export function configFiles(options: LoadOptions = {}): string[] {
  const file = configPath(options);
  try {
    return [file, ...resolveSecrets(understand(readYaml(file)), path.dirname(file)).files];
  } catch {
    return [file];
  }
}
