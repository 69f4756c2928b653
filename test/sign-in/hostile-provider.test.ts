/**
 * What no real provider sends. Each variant is one change to a token that is taken: the first test shows that. That a
 * check is what refuses was seen by taking it away: without `enableNonRepudiationChecks` three forged signatures come
 * in, without `expectedNonce` a token without one, without the look at `email_verified` a foreign address, and without
 * the one at `auth_time` a stale proof unlocks. Without `isSignedWithKeyPair` nothing does: the library refuses by
 * itself, and ours is a second look.
 */
import type { JWTPayload } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Peers } from '../peers/process.js';
import { account, startDoor, tenant, type TestDoor } from './door.js';
import { signed, startHostileProvider, unsigned, type HostileProvider } from './hostile-provider.js';
import { clientId, clientSecret, oidcConfig } from './provider.js';
import { Visitor } from './visitor.js';

const peers = new Peers();
let hostile: HostileProvider;
let door: TestDoor;
beforeEach(async () => {
  hostile = peers.add(await startHostileProvider());
  door = peers.add(await startDoor({ accounts: [account('anna', 'Anna')], tenants: [tenant('main', oidcConfig(hostile.issuer))] }));
});
afterEach(() => peers.stopAll());

const signIn = async (): Promise<Visitor> => new Visitor().go(`${door.origin}/login/oidc`);
const now = (): number => Math.floor(Date.now() / 1000);

it('a good answer lets in, with PKCE and our secret', async () => {
  const visitor = await signIn();
  expect(visitor.url).toBe(`${door.origin}/screen`);
  expect(hostile.asked[0]?.get('code_verifier')).toMatch(/^[\w-]{43}$/u);
  const asked = new URL(visitor.visited.find((url) => url.includes('/auth?')) ?? '').searchParams;
  expect(asked.get('code_challenge_method')).toBe('S256');
  expect(asked.get('code_challenge')).toMatch(/^[\w-]{43}$/u);
  expect(asked.get('scope')).toBe('openid profile');
  for (const secret of [clientSecret, hostile.asked[0]?.get('code_verifier') ?? '', 'an-access-token', 'a-code']) expect(door.logged()).not.toContain(secret);
});

describe('lets nobody in by a token', () => {
  const change = (over: JWTPayload): HostileProvider['token'] => (claims, keys) => signed({ ...claims, ...over }, keys.own);
  const without = (name: string): HostileProvider['token'] => (claims, keys) => signed(Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name)), keys.own);
  const variants: [what: string, token: HostileProvider['token']][] = [
    ['with another nonce', change({ nonce: 'another' })],
    ['without a nonce', without('nonce')],
    ['of another issuer', change({ iss: 'https://login.example.org' })],
    ['without an issuer', without('iss')],
    ['for another audience', change({ aud: 'another-client' })],
    ['for several, and authorized for another', change({ aud: [clientId, 'another-client'], azp: 'another-client' })],
    ['that has expired', change({ iat: now() - 7200, exp: now() - 3600 })],
    ['without an expiry', without('exp')],
    ['without a subject', without('sub')],
    ['of another key under the same name', (claims, keys) => signed(claims, keys.other)],
    ['of a key nobody published', (claims, keys) => signed(claims, keys.other, { alg: 'RS256', kid: 'two' })],
    ['signed with an algorithm nobody announced', (claims, keys) => signed(claims, keys.own, { alg: 'RS256', kid: 'one' }).then((token) => token.replace(/^[^.]+/u, Buffer.from('{"alg":"RS512","kid":"one"}').toString('base64url')))],
    ['that is not signed (alg none)', (claims) => unsigned(claims)],
    ['that is not signed and says so in other words', (claims) => unsigned(claims, { alg: 'NONE' })],
    ['signed with our own secret', (claims) => signed(claims, new TextEncoder().encode(clientSecret) as never, { alg: 'HS256' })],
    ['whose claims were changed after signing', async (claims, keys) => {
      const [header, , signature] = (await signed({ ...claims, preferred_username: 'bram' }, keys.own)).split('.');
      return [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
    }],
    ['that is none', () => 'not.a.token'],
    ['that is empty', () => ''],
    ['without the claim of the account', without('preferred_username')],
    ['whose account is no text', change({ preferred_username: ['anna'] })],
    ['whose account is the name of something built in', change({ preferred_username: '__proto__' })],
  ];
  it.each(variants)('%s', async (_what, token) => {
    hostile.token = token;
    const visitor = await signIn();
    expect([400, 403, 502]).toContain(visitor.status);
    expect(visitor.text).toContain('role="alert"');
    expect(visitor.cookies(door.origin).has('screen')).toBe(false);
    // No loop: the page waits for the person.
    expect(visitor.visited).toHaveLength(3);
    expect(door.happened.map(({ type }) => type)).toEqual(['agent.refused']);
  });
});

it('takes no token without signature even where the provider says that it makes such', async () => {
  hostile.discovery = { id_token_signing_alg_values_supported: ['none', 'HS256'] };
  for (const token of [(claims: JWTPayload) => unsigned(claims), (claims: JWTPayload) => signed(claims, new TextEncoder().encode(clientSecret) as never, { alg: 'HS256' })]) {
    hostile.token = token;
    const visitor = await signIn();
    expect([visitor.status, visitor.cookies(door.origin).size]).toEqual([502, 0]);
  }
});

it('believes no discovery document of another issuer, nor one that is too long', async () => {
  hostile.discovery = { issuer: 'https://login.example.org' };
  expect((await signIn()).status).toBe(502);
  const again = peers.add(await startDoor({ accounts: [account('anna')], tenants: [tenant('main', oidcConfig(hostile.issuer))] }));
  hostile.discovery = { padding: 'x'.repeat(2_000_000) };
  expect((await new Visitor().go(`${again.origin}/login/oidc`)).status).toBe(502);
});

it('an answer that names another issuer is refused (mix-up, RFC 9207)', async () => {
  hostile.discovery = { authorization_response_iss_parameter_supported: true };
  const visitor = new Visitor();
  await visitor.go(`${door.origin}/login/oidc`, {}, (location) => location.includes('/login/callback'));
  for (const iss of ['', '&iss=https%3A%2F%2Flogin.example.org']) {
    const one = new Visitor();
    one.setCookie(door.origin, 'sign-in', visitor.cookies(door.origin).get('sign-in') ?? '');
    await one.go(visitor.url + iss);
    expect([one.status, one.cookies(door.origin).size]).toEqual([502, 0]);
  }
  const right = new Visitor();
  right.setCookie(door.origin, 'sign-in', visitor.cookies(door.origin).get('sign-in') ?? '');
  await right.go(`${visitor.url}&iss=${encodeURIComponent(hostile.issuer)}`);
  expect(right.url).toBe(`${door.origin}/screen`);
});

it('where it lets nobody log out, logging out here ends here', async () => {
  const staying = peers.add(await startDoor({ accounts: [account('anna', 'Anna')], tenants: [tenant('main', oidcConfig(hostile.issuer, { logoutAtProvider: true }))] }));
  const visitor = await new Visitor().go(`${staying.origin}/login/oidc`);
  await visitor.go('/logout', { method: 'POST' });
  expect([visitor.url, visitor.text]).toEqual([`${staying.origin}/logged-out?on=1`, expect.stringContaining('You are logged out')]);
});

it('an address nobody has verified names no account', async () => {
  await door.stop();
  const byMail = peers.add(await startDoor({ accounts: [account('anna', 'Anna', { signInAs: 'anna@example.org' })], tenants: [tenant('main', oidcConfig(hostile.issuer, { agentClaim: 'email' }))] }));
  const withMail = (verified: boolean): HostileProvider['token'] => (claims, keys) => signed({ ...claims, email: 'anna@example.org', email_verified: verified }, keys.own);
  hostile.token = withMail(false);
  expect((await new Visitor().go(`${byMail.origin}/login/oidc`)).status).toBe(403);
  hostile.token = withMail(true);
  expect((await new Visitor().go(`${byMail.origin}/login/oidc`)).url).toBe(`${byMail.origin}/screen`);
});

it('a proof of before does not unlock, nor one without a time', async () => {
  const visitor = await signIn();
  await visitor.go('/lock', { method: 'POST' });
  for (const authTime of [now() - 3600, undefined]) {
    hostile.token = (claims, keys) => signed({ ...claims, auth_time: authTime }, keys.own);
    await visitor.go(`${door.origin}/unlock/oidc`);
    expect([visitor.status, visitor.text]).toEqual([403, expect.stringContaining('did not ask you again')]);
    expect((await visitor.request(`${door.origin}/screen/session`)).status).toBe(423);
  }
  const asked = new URL(visitor.visited.findLast((url) => url.includes('/auth?')) ?? '').searchParams;
  expect([asked.get('prompt'), asked.get('max_age')]).toEqual(['login', '0']);
  hostile.token = (claims, keys) => signed(claims, keys.own);
  await visitor.go(`${door.origin}/unlock/oidc`);
  expect(visitor.url).toBe(`${door.origin}/screen`);
});
