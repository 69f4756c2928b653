import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { CompactEncrypt, CompactSign } from 'jose';
import pino, { type Logger } from 'pino';
import { parseConfig, type Config } from '../../config/index.js';
import { createCoreServer, createVault, KeyRing, type ProgressBoards, type SessionVault } from '../../core-bridge/index.js';
import { MemoryBoards } from '../../core-bridge/progress/memory-boards.js';

export const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
export const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
export const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
export const otherEc = generateKeyPairSync('ec', { namedCurve: 'P-256' });

export const publicPem = (key: KeyObject): string => key.export({ format: 'pem', type: 'spki' }).toString();
export const privatePem = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' }).toString();

/** A configuration with our RSA (or EC) key and two plugins: `yivi` signs with RSA, `digid` with EC. An override that is undefined takes its key away. */
export function testConfig(overrides: Record<string, unknown> = {}, ours: 'RSA' | 'EC' = 'RSA', formerDecryptionKeys: readonly { type: 'RSA' | 'EC'; key: string }[] = []): Config {
  const given: Record<string, unknown> = {
    listeners: { public: { port: 0 }, core: { port: 0 }, agents: { port: 0 }, ops: { port: 0 } },
    trunks: [{ name: 'test', addresses: ['127.0.0.1'] }],
    services: [{ name: 'Desk', numbers: ['*'], purposes: ['report_move', 'request_permit'] }],
    idContact: {
      phoneNumber: '+31 20 123 4567',
      decryptionKey: { type: ours, key: privatePem(ours === 'RSA' ? rsa.privateKey : ec.privateKey) },
      formerDecryptionKeys,
      verificationKeys: [
        { name: 'yivi', type: 'RSA', key: publicPem(rsa.publicKey) },
        { name: 'digid', type: 'EC', key: publicPem(ec.publicKey) },
      ],
    },
    codes: { hashKey: randomBytes(32).toString('hex') },
    ...overrides,
  };
  const kept = Object.entries(given).filter(([, value]) => value !== undefined);
  return parseConfig(Object.fromEntries(kept), { env: {} });
}

/** A logger that keeps every line, to search for what must not be there. */
export function keepingLog(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  return { log: pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) }), lines };
}

/** One tenant of a core listener, as the rest of the gateway has it. */
export interface ServedTenant {
  readonly vault: SessionVault;
  readonly boards: ProgressBoards;
  readonly keys: KeyRing;
}

export interface ServedCore {
  /** Where it listens; https when the configuration has TLS. */
  readonly base: string;
  readonly tenants: readonly ServedTenant[];
  /** The log so far, at its lowest level. */
  readonly lines: readonly string[];
  readonly app: ReturnType<typeof createCoreServer>;
  stop(): Promise<void>;
}

export const PUBLIC_URL = 'https://telephone.example.org';

/** The core listener of a configuration, listening, with vaults and boards in memory. */
export async function serveCore(config: Config, now?: () => number): Promise<ServedCore> {
  const { log, lines } = keepingLog();
  const clock = now && { now };
  const tenants = config.tenants.map((tenant) => ({
    tenant,
    vault: createVault({ ...tenant, calls: config.calls, ...clock }),
    boards: new MemoryBoards({ ...clock }),
    keys: new KeyRing(tenant.idContact),
  }));
  let base = '';
  const { tls, url } = config.listeners.core;
  const app = createCoreServer({ tenants, tls, log, coreUrl: () => url ?? base, publicUrl: () => PUBLIC_URL, ...clock });
  base = await app.listen({ host: '127.0.0.1', port: 0 });
  const stop = async (): Promise<void> => {
    await app.close();
    for (const { vault, boards } of tenants) await Promise.all([vault.close(), boards.close()]);
  };
  return { base, tenants, lines, stop, app };
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

export interface TokenParts {
  claims?: Record<string, unknown>;
  /** Signed as they are in place of `claims`. */
  rawClaims?: string;
  jwsHeader?: Record<string, unknown>;
  signingKey?: KeyObject | Uint8Array;
  jweHeader?: Record<string, unknown>;
  encryptionKey?: KeyObject | Uint8Array;
  /** Encrypted in place of `{"njwt": ...}`. */
  rawPayload?: string;
  /** Stands in for the signed token. */
  njwt?: unknown;
  now?: number;
  /** Signed as they are in place of `claims`, for what is no text. */
  rawBytes?: Uint8Array;
}

export function standardClaims(now: number): Record<string, unknown> {
  const iat = Math.floor(now / 1_000);
  return { sub: 'id-contact-attributes', status: 'succes', attributes: { name: 'Willeke' }, iat, exp: iat + 300 };
}

/** A result token that is valid unless told otherwise. */
export async function token(parts: TokenParts = {}): Promise<string> {
  const claims = parts.rawClaims ?? JSON.stringify({ ...standardClaims(parts.now ?? Date.now()), ...parts.claims });
  const njwt =
    'njwt' in parts
      ? parts.njwt
      : await new CompactSign(parts.rawBytes ?? encode(claims)).setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...parts.jwsHeader }).sign(parts.signingKey ?? rsa.privateKey);
  return new CompactEncrypt(encode(parts.rawPayload ?? JSON.stringify({ njwt })))
    .setProtectedHeader({ alg: 'RSA-OAEP', enc: 'A128CBC-HS256', typ: 'JWT', cty: 'JWT', ...parts.jweHeader })
    .encrypt(parts.encryptionKey ?? rsa.publicKey);
}

/** A JWS put together by hand, for headers and signatures no library would make. */
export function rawJws(header: object, claims: object, signature: Buffer | string = ''): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part(header)}.${part(claims)}.${Buffer.from(signature).toString('base64url')}`;
}
