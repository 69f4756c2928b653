import type { Understood } from '../forms.js';
import type { Problem } from '../problems.js';
import { repeats } from '../repeats.js';
import type { RawConfig } from '../schema/index.js';
import type { Config, ListenerTls, MediaServerAddress, SipServerAddress } from '../types.js';
import { assembleAudit, resolveAudit, type ResolvedAudit } from './audit.js';
import { repeatedTokens } from './cti.js';
import { mediaServers, sipServers } from './engines.js';
import { SecretReader, type SeenKey } from './reader.js';
import { assembleStore, resolveStore, type ResolvedStore } from './store.js';
import { assembleTenant, resolveTenant, withDemoKeys, type ResolvedTenant } from './tenant.js';
import { listenerTls } from './tls.js';

/** The parts of a configuration that come from outside its text: files, and for the demo keys made on the spot. */
export interface Resolved {
  readonly sipServers: readonly SipServerAddress[];
  readonly mediaServers: readonly MediaServerAddress[];
  readonly coreTls: ListenerTls | undefined;
  readonly store: ResolvedStore;
  readonly audit: ResolvedAudit;
  readonly tenants: readonly ResolvedTenant[];
  /** Full names of the files that the configuration names. */
  readonly files: readonly string[];
  /** The tenants' keys of the ID Contact protocol. */
  readonly keys: readonly SeenKey[];
  readonly problems: readonly Problem[];
}

/** Reads all files and keys a configuration names, relative to `baseDir`, with every problem this meets. */
export function resolveSecrets({ shared, tenants }: Understood, baseDir: string): Resolved {
  const reader = new SecretReader(baseDir);
  const resolved = {
    sipServers: sipServers(shared, reader),
    mediaServers: mediaServers(shared, reader),
    coreTls: listenerTls(shared, reader),
    store: resolveStore(shared, reader),
    audit: resolveAudit(shared, reader, baseDir),
    tenants: tenants.map((tenant) => resolveTenant(tenant, reader)),
  };
  const hashKeys = tenants.map(({ at, tenant }, index) => ({
    key: `${at}codes.${tenant.codes?.hashKey === undefined ? 'hashKeyFile' : 'hashKey'}`,
    value: resolved.tenants[index]?.hashKey?.reveal(),
  }));
  const problems = [...reader.problems, ...repeats(hashKeys, 'the key', 'Give each tenant a hash key of its own: `openssl rand -hex 32`', false), ...repeatedKeys(tenants, reader.keys), ...repeatedTokens(tenants, resolved.tenants.map(({ cti }) => cti))];
  return { ...resolved, files: [...reader.files], keys: reader.keys, problems };
}

/** One key twice in one list of one tenant: a rotation gone wrong. */
function repeatedKeys(tenants: Understood['tenants'], keys: readonly SeenKey[]): Problem[] {
  const within = (pattern: RegExp, at: string): { key: string; value: string }[] =>
    keys.filter(({ key }) => key.startsWith(at) && pattern.test(key.slice(at.length))).map(({ key, fingerprint }) => ({ key, value: fingerprint }));
  return tenants.flatMap(({ at }) => [
    ...repeats(within(/^idContact\.(d|formerD)ecryptionKeys?\b/, at), 'the key', 'Remove it here or there', false),
    ...repeats(within(/^idContact\.verificationKeys\b/, at), 'the key', 'Remove it here or there', false),
  ]);
}

/** Puts a configuration without problems together. */
export function assemble(raw: RawConfig, resolved: Resolved): Config {
  const { tls: _given, ...core } = raw.listeners.core;
  const publicAddress = addressForPeople(raw.listeners.public);
  return {
    demo: raw.demo,
    log: raw.log,
    listeners: { ...raw.listeners, core: { ...core, ...(resolved.coreTls && { tls: resolved.coreTls }) } },
    sip: { listen: raw.sip.listen, servers: resolved.sipServers, strangers: raw.sip.strangers },
    media: { ...raw.media, servers: resolved.mediaServers },
    trunks: raw.trunks,
    store: assembleStore(raw.store, resolved.store),
    calls: raw.calls,
    audit: assembleAudit(raw.audit, resolved.audit),
    tenants: raw.tenants.map((tenant, index) => {
      const found = resolved.tenants[index];
      if (!found) throw new Error('assembled a tenant that was not resolved');
      return assembleTenant(tenant, raw.demo ? withDemoKeys(found) : found, publicAddress);
    }),
  };
}

/** The public listener's address without its scheme, as people type it into a browser; undefined for a port not yet known. */
function addressForPeople({ host, port, url }: RawConfig['listeners']['public']): string | undefined {
  if (url !== undefined) return url.replace(/^https?:\/\//i, '');
  if (port === 0) return undefined;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
