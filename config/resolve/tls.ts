import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Shared } from '../forms.js';
import { Secret } from '../secret.js';
import type { ListenerTls, TlsClient } from '../types.js';
import type { SecretReader } from './reader.js';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Certificates in PEM form, each of which can be read. */
function certificates(reader: SecretReader, inline: string | undefined, file: string | undefined, at: string): string | undefined {
  const key = inline === undefined ? `${at}File` : at;
  const pem = reader.text(inline, file, key);
  if (pem === undefined) return undefined;
  try {
    const found = pem.match(CERTIFICATE) ?? [];
    for (const one of found) void new X509Certificate(one);
    if (found.length > 0) return pem;
  } catch {
    // Told below, as if there were none.
  }
  return reader.complain(key, 'is not a certificate in PEM form', 'Give PEM text that begins with -----BEGIN CERTIFICATE-----');
}

interface Pair {
  readonly cert?: string | undefined;
  readonly certFile?: string | undefined;
  readonly key?: string | undefined;
  readonly keyFile?: string | undefined;
}

/** A certificate and the private key that belongs to it. */
function certificateWithKey(reader: SecretReader, given: Pair, at: string): { cert: string; key: Secret } | undefined {
  const cert = certificates(reader, given.cert, given.certFile, `${at}.cert`);
  const keyAt = `${at}.${given.key === undefined ? 'keyFile' : 'key'}`;
  const key = reader.text(given.key, given.keyFile, keyAt);
  if (cert === undefined || key === undefined) return undefined;
  try {
    const privateKey = createPrivateKey(key);
    if (new X509Certificate(cert).checkPrivateKey(privateKey)) return { cert, key: new Secret(key) };
    return reader.complain(keyAt, 'does not belong to the certificate', 'Give the private key whose public half the first certificate carries');
  } catch {
    return reader.complain(keyAt, 'is not a private key in PEM form', 'Give PEM text that begins with -----BEGIN PRIVATE KEY-----, without a passphrase');
  }
}

export function listenerTls(config: Shared, reader: SecretReader): ListenerTls | undefined {
  const given = config.listeners?.core?.tls;
  if (!given) return undefined;
  const own = certificateWithKey(reader, given, 'listeners.core.tls');
  const clientCa = certificates(reader, given.clientCa, given.clientCaFile, 'listeners.core.tls.clientCa');
  return own && { ...own, ...(clientCa !== undefined && { clientCa }) };
}

/** @param at key of the group, such as `store.tls` */
export function tlsClient(given: Pair & { ca?: string | undefined; caFile?: string | undefined; serverName?: string | undefined }, reader: SecretReader, at: string): TlsClient {
  const ca = certificates(reader, given.ca, given.caFile, `${at}.ca`);
  const own = certificateWithKey(reader, given, at);
  return { ...(ca !== undefined && { ca }), ...own, ...(given.serverName !== undefined && { serverName: given.serverName }) };
}
