import path from 'node:path';
import { understand } from './forms.js';
import { configPath, loadConfig, readYaml, type LoadOptions } from './load.js';
import { resolveSecrets } from './resolve/index.js';
import type { ListenerTls, Tenant } from './types.js';

/** What can be replaced while the gateway runs. */
export type TenantKeys = Pick<Tenant['idContact'], 'decryptionKeys' | 'verificationKeys' | 'coreTokens'>;

export interface Keys {
  /** Of each tenant, by its name. Empty for the demo, whose keys live as long as the process. */
  readonly tenants: ReadonlyMap<string, TenantKeys>;
  /** Of the core listener, with its certificate. */
  readonly core?: ListenerTls;
}

/**
 * The keys as the same configuration file and the files it names hold them now.
 * @throws ConfigError when the file as a whole does not hold any more: the keys in use then stay
 */
export function loadKeys(options: LoadOptions = {}): Keys {
  const { demo, tenants, listeners: { core: { tls } } } = loadConfig(options);
  if (demo) return { tenants: new Map() };
  const ofTenants = new Map(tenants.map(({ name, idContact: { decryptionKeys, verificationKeys, coreTokens } }) => [name, { decryptionKeys, verificationKeys, coreTokens }]));
  return { tenants: ofTenants, ...(tls && { core: tls }) };
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
