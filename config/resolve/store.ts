import type { Shared } from '../forms.js';
import type { RawConfig } from '../schema/index.js';
import { Secret } from '../secret.js';
import type { SealKey, StoreConfig, TlsClient } from '../types.js';
import type { SecretReader } from './reader.js';
import { tlsClient } from './tls.js';

const SEAL_KEY_BYTES = 32;

/** The parts of the store's configuration that stand elsewhere or have a form of their own. */
export interface ResolvedStore {
  readonly password?: Secret | undefined;
  readonly sentinelPassword?: Secret | undefined;
  readonly tls?: TlsClient | undefined;
  readonly sealKeys: readonly SealKey[];
}

function sealKeys(config: Shared, reader: SecretReader): SealKey[] {
  return (config.store?.sealKeys ?? []).flatMap((given, index): SealKey[] => {
    const at = `store.sealKeys[${index}].${given?.key === undefined ? 'keyFile' : 'key'}`;
    const text = reader.text(given?.key, given?.keyFile, at);
    if (text === undefined || given?.id === undefined) return [];
    const key = thirtyTwoBytes(text.trim());
    if (key) return [{ id: given.id, key: new Secret(key) }];
    reader.complain(at, `is not ${SEAL_KEY_BYTES} bytes`, 'Give 64 hexadecimal digits, as `openssl rand -hex 32` makes them, or the same 32 bytes as base64');
    return [];
  });
}

/** The key as 64 hexadecimal digits, whichever way it was written. */
function thirtyTwoBytes(text: string): string | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text)) return undefined;
  return Buffer.from(text, 'base64').toString('hex');
}

export function resolveStore(config: Shared, reader: SecretReader): ResolvedStore {
  const { store } = config;
  const secret = (text: string | undefined): Secret | undefined => (text === undefined ? undefined : new Secret(text));
  return {
    password: secret(reader.text(store?.password, store?.passwordFile, 'store.passwordFile')),
    sentinelPassword: secret(reader.text(store?.sentinel?.password, store?.sentinel?.passwordFile, 'store.sentinel.passwordFile')),
    tls: store?.tls && tlsClient(store.tls, reader, 'store.tls'),
    sealKeys: sealKeys(config, reader),
  };
}

/** Puts a store's configuration without problems together. */
export function assembleStore(raw: RawConfig['store'], resolved: ResolvedStore): StoreConfig {
  if (raw.kind === 'memory') return { kind: 'memory' };
  const { server, sentinel, cluster, username, prefix } = raw;
  return {
    kind: 'redis',
    ...(server && { server }),
    ...(sentinel && { sentinel: { name: sentinel.name, nodes: sentinel.nodes, ...(resolved.sentinelPassword && { password: resolved.sentinelPassword }) } }),
    ...(cluster && { cluster }),
    ...(username !== undefined && { username }),
    ...(resolved.password && { password: resolved.password }),
    ...(resolved.tls && { tls: resolved.tls }),
    prefix,
    sealKeys: resolved.sealKeys,
  };
}
