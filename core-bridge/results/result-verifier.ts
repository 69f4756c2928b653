import { compactDecrypt, compactVerify, errors } from 'jose';
import type { PrivateKey, VerificationKey } from '../../config/index.js';
import { readClaims } from './claims.js';
import { FAILURE_WORD } from './dialect.js';
import { ResultError } from './result-error.js';
import { parseStrictJson } from './strict-json.js';
import type { VerifiedResult } from './verified-result.js';

/** Longest token that is looked at, in characters. A result with fifty attributes takes a tenth of it. */
export const MAX_TOKEN_CHARACTERS = 65_536;

const KEY_WRAPPING = { RSA: 'RSA-OAEP', EC: 'ECDH-ES' } as const;
const CONTENT_ENCRYPTION = 'A128CBC-HS256';
const SIGNATURE = { RSA: 'RS256', EC: 'ES256' } as const;

/** Five parts for a JWE, three for a JWS (RFC 7516 and 7515, compact serialization). */
const JWE_FORM = /^[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+$/;
const JWS_FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** The keys by which results are judged; several of each while keys change. */
export interface ResultKeys {
  readonly decryptionKeys: readonly PrivateKey[];
  readonly verificationKeys: readonly VerificationKey[];
}

/**
 * Opens an authentication plugin's result: outer JWE for us, inner JWS of theirs. The algorithms follow from the
 * configured keys and never from the token, which only chooses among them; keys and addresses that a token carries are
 * not looked at. Expiry is checked here, at reception, and not again when the call comes.
 */
export class ResultVerifier {
  readonly #keys: { readonly current: ResultKeys };
  readonly #now: () => number;

  constructor(keys: { readonly current: ResultKeys }, now: () => number = Date.now) {
    this.#keys = keys;
    this.#now = now;
  }

  /** @throws ResultError for anything but a valid result */
  async verify(token: string): Promise<VerifiedResult> {
    if (token.length > MAX_TOKEN_CHARACTERS) throw new ResultError('token_too_large');
    const { decryptionKeys, verificationKeys } = this.#keys.current;
    const inner = await decrypt(withoutLineEnd(token), decryptionKeys);
    const { payload, plugin } = await verifySignature(inner, verificationKeys);
    const now = this.#now();
    const { status, attributes, session_url: sessionUrl } = readClaims(strictly(payload), now);
    const common = { authMethod: plugin.name, verifiedAt: new Date(now), ...(sessionUrl && { sessionUrl }) };
    return status === FAILURE_WORD ? { status: 'failed', ...common } : { status: 'success', attributes: attributes ?? {}, ...common };
  }
}

async function decrypt(jwe: string, keys: readonly PrivateKey[]): Promise<string> {
  if (!JWE_FORM.test(jwe)) throw new ResultError('token_malformed');
  const { alg, enc } = protectedHeader(jwe);
  const candidates = keys.filter(({ type }) => KEY_WRAPPING[type] === alg);
  if (candidates.length === 0 || enc !== CONTENT_ENCRYPTION) throw new ResultError('token_algorithm');
  for (const { type, key } of candidates) {
    const plain = await compactDecrypt(jwe, key, {
      keyManagementAlgorithms: [KEY_WRAPPING[type]],
      contentEncryptionAlgorithms: [CONTENT_ENCRYPTION],
      // The protocol knows no compression, and a small token could unpack to a large one.
      maxDecompressedLength: 0,
    }).catch(() => undefined);
    if (plain) return readNested(plain.plaintext);
  }
  throw new ResultError('token_undecryptable');
}

function readNested(plaintext: Uint8Array): string {
  const payload = strictly(plaintext);
  const njwt = isRecord(payload) ? payload['njwt'] : undefined;
  if (typeof njwt !== 'string' || !JWS_FORM.test(njwt)) throw new ResultError('token_malformed');
  return njwt;
}

async function verifySignature(jws: string, keys: readonly VerificationKey[]): Promise<{ payload: Uint8Array; plugin: VerificationKey }> {
  const { alg } = protectedHeader(jws);
  const candidates = keys.filter(({ type }) => SIGNATURE[type] === alg);
  if (candidates.length === 0) throw new ResultError('token_algorithm');
  for (const plugin of candidates) {
    try {
      return { payload: (await compactVerify(jws, plugin.key, { algorithms: [SIGNATURE[plugin.type]] })).payload, plugin };
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw new ResultError('token_malformed');
    }
  }
  throw new ResultError('token_signature');
}

function protectedHeader(token: string): Record<string, unknown> {
  const header = strictly(Buffer.from(token.slice(0, token.indexOf('.')), 'base64url'));
  if (!isRecord(header)) throw new ResultError('token_malformed');
  return header;
}

function strictly(bytes: Uint8Array): unknown {
  try {
    return parseStrictJson(bytes);
  } catch {
    throw new ResultError('token_malformed');
  }
}

/** Command-line tools send one line end after the token. */
function withoutLineEnd(text: string): string {
  return text.endsWith('\n') ? text.slice(0, text.endsWith('\r\n') ? -2 : -1) : text;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
