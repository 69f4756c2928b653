/**
 * A provider that answers what a test tells it to. A stand-in, because no real provider hands out tokens that are
 * forged, expired or for somebody else; it speaks just the three answers that a sign-in needs.
 */
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose';
import { clientId } from './provider.js';

export interface HostileProvider {
  readonly issuer: string;
  /** Overrides of the discovery document. */
  discovery: Record<string, unknown>;
  /** Makes the ID token; `claims` is what a good one holds. */
  token: (claims: JWTPayload & { nonce: string }, keys: { own: CryptoKey; other: CryptoKey }) => Promise<string> | string;
  /** How the token endpoint was asked. */
  readonly asked: URLSearchParams[];
  /** The published one, and one that is not. */
  readonly keys: { own: CryptoKey; other: CryptoKey };
  /** The key it publishes. */
  readonly jwk: JWK;
  /** How often its keys were asked for. */
  keysAsked: number;
  stop(): Promise<void>;
}

/** A token as a good provider makes it. */
export function signed(claims: JWTPayload, key: CryptoKey, header: { alg: string; kid?: string; typ?: string } = { alg: 'RS256', kid: 'one' }): Promise<string> {
  return new SignJWT(claims).setProtectedHeader(header).sign(key);
}

export function unsigned(claims: JWTPayload, header: Record<string, unknown> = { alg: 'none' }): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part(header)}.${part(claims)}.`;
}

/** RSA keys take their time to make. */
const pairs = Promise.all([generateKeyPair('RS256', { extractable: true }), generateKeyPair('RS256', { extractable: true })]);

export async function startHostileProvider(): Promise<HostileProvider> {
  const [own, other] = await pairs;
  const jwk: JWK = { ...(await exportJWK(own.publicKey)), kid: 'one', use: 'sig', alg: 'RS256' };
  let nonce = '';
  const asked: URLSearchParams[] = [];
  const server = createServer((request, response) => {
    const json = (value: unknown): void => void response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
    const url = new URL(request.url ?? '/', provider.issuer);
    switch (url.pathname) {
      case '/.well-known/openid-configuration':
        return json({
          issuer: provider.issuer, authorization_endpoint: `${provider.issuer}/auth`, token_endpoint: `${provider.issuer}/token`, jwks_uri: `${provider.issuer}/jwks`,
          response_types_supported: ['code'], subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['RS256'], ...provider.discovery,
        });
      case '/jwks':
        provider.keysAsked += 1;
        return json({ keys: [jwk] });
      case '/auth': {
        nonce = url.searchParams.get('nonce') ?? '';
        const back = new URL(url.searchParams.get('redirect_uri') ?? '');
        back.searchParams.set('code', 'a-code');
        back.searchParams.set('state', url.searchParams.get('state') ?? '');
        return void response.writeHead(303, { location: back.href }).end();
      }
      case '/token': {
        const parts: Buffer[] = [];
        request.on('data', (part: Buffer) => parts.push(part));
        request.on('end', () => {
          asked.push(new URLSearchParams(Buffer.concat(parts).toString()));
          const now = Math.floor(Date.now() / 1000);
          const claims = { iss: provider.issuer, sub: 'anna', aud: clientId, iat: now, exp: now + 300, auth_time: now, nonce, preferred_username: 'anna' };
          void Promise.resolve(provider.token(claims, { own: own.privateKey, other: other.privateKey })).then((idToken) => json({ access_token: 'an-access-token', token_type: 'Bearer', expires_in: 300, id_token: idToken }));
        });
        return undefined;
      }
      default:
        return void response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const provider: HostileProvider = {
    issuer: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    discovery: {},
    token: (claims, keys) => signed(claims, keys.own),
    asked,
    keys: { own: own.privateKey, other: other.privateKey },
    jwk,
    keysAsked: 0,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return provider;
}
