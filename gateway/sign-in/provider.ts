import { createRemoteJWKSet, customFetch } from 'jose';
import * as client from 'openid-client';
import type { Logger } from 'pino';
import type { SignInConfig } from '../../config/index.js';
import { verifiedLogoutToken, type LogoutToken } from './logout-token.js';

/** A sign-in at the provider did not work out. `message` is for the log; people are told by `code`. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';

  /** `unreachable`: ask again later. `denied`: the provider let nobody in. `refused`: what came back does not hold. */
  constructor(readonly code: 'unreachable' | 'denied' | 'refused', message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** What a sign-in begins with; its end is checked against this, so it stays with the browser, sealed. */
export interface Begun {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

export type OidcConfig = NonNullable<SignInConfig['oidc']>;

const answerWithinS = 5;
const maxAnswerBytes = 1_048_576;
/** A provider that is away is asked again no sooner. */
const retryAfterMs = 2000;
/** Endpoints may change: after this long the discovery document is read again. */
const rereadAfterMs = 3_600_000;
/** What may sign a token: a key pair. */
const signing = /^(?:RS|PS|ES)(?:256|384|512)$|^Ed(?:DSA|25519)$/;

/**
 * A tenant's OpenID Connect provider: authorization code flow (OpenID Connect Core 3.1) with PKCE (RFC 7636), state and
 * nonce; the ID token's signature is verified although it comes over TLS. The discovery document is read when it is
 * first needed: a provider that is away keeps nobody's telephone from working.
 */
export class Provider {
  readonly #config: OidcConfig;
  readonly #log: Logger;
  readonly #now: () => number;
  #known: { configuration: client.Configuration; readAt: number } | undefined;
  #reading: Promise<client.Configuration> | undefined;
  #failedAt = -Infinity;
  #keys: { at: string; get: ReturnType<typeof createRemoteJWKSet> } | undefined;

  constructor(config: OidcConfig, log: Logger, now: () => number = Date.now) {
    this.#config = config;
    this.#log = log;
    this.#now = now;
  }

  /**
   * @param fresh the person must prove anew who they are, whatever the provider remembers
   * @throws ProviderError `unreachable`
   */
  async begin(redirectUri: string, fresh: boolean): Promise<{ url: URL; begun: Begun }> {
    const configuration = await this.#configuration();
    const begun: Begun = { state: client.randomState(), nonce: client.randomNonce(), verifier: client.randomPKCECodeVerifier() };
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: this.#config.scopes.join(' '),
      state: begun.state,
      nonce: begun.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(begun.verifier),
      code_challenge_method: 'S256',
      ...(fresh ? { prompt: 'login', max_age: '0' } : {}),
    });
    return { url, begun };
  }

  /**
   * @param answer the address with which the browser came back
   * @returns the ID token's claims, every one of them checked that says whose and for whom it is
   * @throws ProviderError
   */
  async finish(answer: URL, { state, nonce, verifier }: Begun): Promise<client.IDToken> {
    const configuration = await this.#configuration();
    let tokens;
    try {
      tokens = await client.authorizationCodeGrant(configuration, answer, { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true });
    } catch (error) {
      throw asProviderError(error);
    }
    const claims = tokens.claims();
    if (!claims || tokens.id_token === undefined) throw new ProviderError('refused', 'no ID token');
    // The library verifies against the provider's keys; that nothing unsigned passes is not left to one place.
    if (!isSignedWithKeyPair(tokens.id_token)) throw new ProviderError('refused', 'the ID token is not signed with a key pair');
    return claims;
  }

  /** Where the person can end what the provider remembers (OpenID Connect RP-Initiated Logout); undefined when it offers that not, or is away. */
  async logoutUrl(backTo: string): Promise<URL | undefined> {
    try {
      const configuration = await this.#configuration();
      if (configuration.serverMetadata().end_session_endpoint === undefined) return undefined;
      return client.buildEndSessionUrl(configuration, { post_logout_redirect_uri: backTo });
    } catch {
      return undefined;
    }
  }

  /**
   * A logout token of this provider for us, verified against its keys.
   * @throws LogoutTokenError
   * @throws ProviderError `unreachable`
   */
  async logoutToken(token: string): Promise<LogoutToken> {
    const { issuer, jwks_uri: at, id_token_signing_alg_values_supported: announced = ['RS256'] } = (await this.#configuration()).serverMetadata();
    if (at === undefined) throw new ProviderError('refused', 'the discovery document names no keys');
    // Keys are kept for some minutes, and asked for again at most twice a minute for one that is not among them.
    if (this.#keys?.at !== at) this.#keys = { at, get: createRemoteJWKSet(new URL(at), { timeoutDuration: answerWithinS * 1000, [customFetch]: boundedFetch }) };
    return verifiedLogoutToken(token, { issuer, clientId: this.#config.clientId, algorithms: announced.filter((alg) => signing.test(alg)), keys: this.#keys.get, now: this.#now() });
  }

  async #configuration(): Promise<client.Configuration> {
    if (this.#known && this.#now() - this.#known.readAt < rereadAfterMs) return this.#known.configuration;
    if (this.#now() - this.#failedAt < retryAfterMs) {
      if (this.#known) return this.#known.configuration;
      throw new ProviderError('unreachable', 'the provider did not answer a moment ago');
    }
    this.#reading ??= this.#discover().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #discover(): Promise<client.Configuration> {
    const { issuer, clientId, clientSecret } = this.#config;
    try {
      const configuration = await client.discovery(new URL(issuer), clientId, clientSecret.reveal(), undefined, {
        timeout: answerWithinS,
        [client.customFetch]: boundedFetch,
        // The configuration lets only a provider on this machine itself be reached so.
        execute: [client.enableNonRepudiationChecks, ...(issuer.startsWith('http:') ? [client.allowInsecureRequests] : [])],
      });
      this.#known = { configuration, readAt: this.#now() };
      this.#log.info({ issuer }, 'provider found');
      return configuration;
    } catch (error) {
      this.#failedAt = this.#now();
      this.#log.warn({ err: error, issuer }, 'the provider cannot be reached, or its discovery document does not hold');
      if (this.#known) return this.#known.configuration;
      throw new ProviderError('unreachable', 'no discovery document', { cause: error });
    }
  }
}

/** As `fetch`, of answers of a sensible size. */
async function boundedFetch(url: string, options: RequestInit): Promise<Response> {
  const answer = await fetch(url, options);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
    size += part.length;
    if (size > maxAnswerBytes) throw new RangeError('the provider’s answer is too long');
    parts.push(part);
  }
  const { status, statusText, headers } = answer;
  const hasBody = status !== 204 && status !== 205 && status !== 304;
  return new Response(hasBody ? Buffer.concat(parts) : null, { status, statusText, headers });
}

function isSignedWithKeyPair(token: string): boolean {
  const header: unknown = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString('utf8'));
  const alg = header !== null && typeof header === 'object' && 'alg' in header ? header.alg : undefined;
  return typeof alg === 'string' && signing.test(alg);
}

/** Never with the answer itself in the message: it may hold a code or a token. */
function asProviderError(error: unknown): ProviderError {
  if (error instanceof client.AuthorizationResponseError) return new ProviderError('denied', `the provider answered ${plain(error.error)}`);
  if (error instanceof client.ResponseBodyError) return new ProviderError('refused', `the provider answered ${plain(error.error)} for the code`);
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  const away = error instanceof TypeError || code === 'OAUTH_TIMEOUT' || code === 'OAUTH_ABORT';
  return new ProviderError(away ? 'unreachable' : 'refused', `what came back does not hold: ${plain(code)}`);
}

function plain(word: string): string {
  return word.replace(/[^\w.-]/gu, '').slice(0, 64);
}
