import { compactDecrypt, decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose';
import type { PrivateKey, Tenant, VerificationKey } from '../../config/index.js';
import { FAILURE_WORD, KNOWN_SUBJECTS, SUCCESS_WORDS } from './dialect.js';
import { ResultError } from './result-error.js';
import type { VerifiedResult } from './verified-result.js';

/** Longest token that is looked at, in characters. A result with fifty attributes takes a tenth of it. */
export const MAX_TOKEN_CHARACTERS = 65_536;

const MAX_ATTRIBUTES = 100;
const MAX_NAME_CHARACTERS = 256;
const MAX_VALUE_CHARACTERS = 8_192;
const MAX_URL_CHARACTERS = 2_048;
/** Clocks of plugin and gateway may differ by this much. */
const CLOCK_TOLERANCE_SECONDS = 5;

const KEY_WRAPPING = { RSA: 'RSA-OAEP', EC: 'ECDH-ES' } as const;
const CONTENT_ENCRYPTION = 'A128CBC-HS256';
const SIGNATURE = { RSA: 'RS256', EC: 'ES256' } as const;

/** Five parts for a JWE, three for a JWS (RFC 7516 and 7515, compact serialization). */
const JWE_FORM = /^[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+$/;
const JWS_FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Opens an authentication plugin's result: outer JWE for us, inner JWS of theirs. The algorithms follow from the
 * configured keys and never from the token; expiry is checked here, at reception, and not again when the call comes.
 */
export class ResultVerifier {
  readonly #decryptionKey: PrivateKey;
  readonly #verificationKeys: readonly VerificationKey[];
  readonly #now: () => number;

  constructor(idContact: Pick<Tenant['idContact'], 'decryptionKeys' | 'verificationKeys'>, now: () => number = Date.now) {
    this.#decryptionKey = idContact.decryptionKeys[0]!;
    this.#verificationKeys = idContact.verificationKeys;
    this.#now = now;
  }

  /** @throws ResultError for anything but a valid result */
  async verify(token: string): Promise<VerifiedResult> {
    if (token.length > MAX_TOKEN_CHARACTERS) throw new ResultError('token_too_large');
    const inner = await this.#decrypt(token.trim());
    const { claims, plugin } = await this.#verifySignature(inner);
    return this.#read(claims, plugin);
  }

  async #decrypt(jwe: string): Promise<string> {
    if (!JWE_FORM.test(jwe)) throw new ResultError('token_malformed');
    const { type, key } = this.#decryptionKey;
    const { alg, enc } = protectedHeader(jwe);
    if (alg !== KEY_WRAPPING[type] || enc !== CONTENT_ENCRYPTION) throw new ResultError('token_algorithm');
    const { plaintext } = await compactDecrypt(jwe, key, {
      keyManagementAlgorithms: [KEY_WRAPPING[type]],
      contentEncryptionAlgorithms: [CONTENT_ENCRYPTION],
      // The protocol knows no compression, and a small token could unpack to a large one.
      maxDecompressedLength: 0,
    }).catch((error: unknown) => {
      throw new ResultError(error instanceof errors.JOSEAlgNotAllowed ? 'token_algorithm' : 'token_undecryptable');
    });
    const payload = parseJson(plaintext);
    const njwt = isRecord(payload) ? payload['njwt'] : undefined;
    if (typeof njwt !== 'string' || !JWS_FORM.test(njwt)) throw new ResultError('token_malformed');
    return njwt;
  }

  async #verifySignature(jws: string): Promise<{ claims: JWTPayload; plugin: VerificationKey }> {
    const { alg } = protectedHeader(jws);
    const candidates = this.#verificationKeys.filter(({ type }) => SIGNATURE[type] === alg);
    if (candidates.length === 0) throw new ResultError('token_algorithm');
    for (const plugin of candidates) {
      const claims = await this.#tryKey(jws, plugin);
      if (claims) return { claims, plugin };
    }
    throw new ResultError('token_signature');
  }

  /** The claims, or undefined when another key made the signature. */
  async #tryKey(jws: string, plugin: VerificationKey): Promise<JWTPayload | undefined> {
    try {
      const { payload } = await jwtVerify(jws, plugin.key, {
        algorithms: [SIGNATURE[plugin.type]],
        requiredClaims: ['exp'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(this.#now()),
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JWSSignatureVerificationFailed) return undefined;
      throw new ResultError(refusal(error));
    }
  }

  #read(claims: JWTPayload, plugin: VerificationKey): VerifiedResult {
    const { sub, status, attributes, session_url: url } = claims;
    if (typeof sub !== 'string' || !KNOWN_SUBJECTS.has(sub)) throw new ResultError('token_subject');
    const sessionUrl = readSessionUrl(url);
    const common = { authMethod: plugin.name, verifiedAt: new Date(this.#now()), ...(sessionUrl !== undefined && { sessionUrl }) };
    if (status === FAILURE_WORD) return { status: 'failed', ...common };
    if (typeof status !== 'string' || !SUCCESS_WORDS.has(status)) throw new ResultError('token_status');
    return { status: 'success', attributes: readAttributes(attributes), ...common };
  }
}

function refusal(error: unknown): 'token_expired' | 'token_not_yet_valid' | 'token_algorithm' | 'token_malformed' {
  if (error instanceof errors.JWTExpired) return 'token_expired';
  if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'nbf' && error.reason === 'check_failed') return 'token_not_yet_valid';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'token_algorithm';
  return 'token_malformed';
}

function protectedHeader(token: string): { alg?: string | undefined; enc?: string | undefined } {
  try {
    const { alg, enc } = decodeProtectedHeader(token);
    return { alg, enc: typeof enc === 'string' ? enc : undefined };
  } catch {
    throw new ResultError('token_malformed');
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new ResultError('token_malformed');
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Left out or null is a success that discloses nothing. */
function readAttributes(value: unknown): Record<string, string> {
  if (value === undefined || value === null) return {};
  if (!isRecord(value)) throw new ResultError('token_attributes');
  const entries = Object.entries(value);
  if (entries.length > MAX_ATTRIBUTES) throw new ResultError('token_attributes');
  return Object.fromEntries(
    entries.map(([name, text]) => {
      // A name with a meaning to JavaScript itself could be lost, or worse, on its way to the screen.
      const usable = name.length > 0 && name.length <= MAX_NAME_CHARACTERS && name !== '__proto__';
      if (!usable || typeof text !== 'string' || text.length > MAX_VALUE_CHARACTERS) throw new ResultError('token_attributes');
      return [name, text];
    }),
  );
}

function readSessionUrl(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || value.length > MAX_URL_CHARACTERS || !URL.canParse(value)) throw new ResultError('token_malformed');
  if (!['http:', 'https:'].includes(new URL(value).protocol)) throw new ResultError('token_malformed');
  return value;
}
