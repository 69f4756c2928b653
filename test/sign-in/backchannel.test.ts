/**
 * A provider that ends logins (OpenID Connect Back-Channel Logout 1.0): npm's oidc-provider does it as it is meant, and
 * the one of hostile-provider.ts in every other way. Each variant is one change to a token that is taken: the first test
 * of them shows that. That a check is what refuses was seen by taking it away; see each.
 */
import { request as httpRequest } from 'node:http';
import { exportJWK, importJWK, type CryptoKey, type JWTPayload } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../config/index.js';
import { connectRedis } from '../../core-bridge/index.js';
import { OnceHere } from '../../gateway/sign-in/once.js';
import { RedisSessions } from '../../gateway/sign-in/redis-sessions.js';
import { startBrowser } from '../peers/browser.js';
import { freePort } from '../peers/ports.js';
import { Peers } from '../peers/process.js';
import { startRedis, type Redis } from '../peers/redis.js';
import { until } from '../peers/wait.js';
import { call, revelation } from '../screen/listener.js';
import { account, log, password, startDoor, tenant, type TestDoor } from './door.js';
import { signed, startHostileProvider, unsigned, type HostileProvider } from './hostile-provider.js';
import { clientId, clientSecret, oidcConfig, startProvider } from './provider.js';
import { Visitor } from './visitor.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

const accounts = [account('anna', 'Anna de Wit'), account('bram', 'Bram')];
const sealKeys = [{ id: 'a', key: new Secret('a'.repeat(64)) }];
const event = 'http://schemas.openid.net/event/backchannel-logout';
const now = (): number => Math.floor(Date.now() / 1000);

/** A way to Redis for one node. */
async function shareOf(redis: Redis, keys = sealKeys) {
  const link = connectRedis({ kind: 'redis', server: { host: redis.host, port: redis.port }, prefix: 'tig', sealKeys: keys }, log);
  peers.defer(() => link.close());
  await until(() => link.ready, 'the link', 10_000);
  return { share: new RedisSessions({ link, prefix: 'tig', sealKeys: keys }), sealSecret: 'b'.repeat(64), link };
}

/** What a provider posts. */
async function post(door: TestDoor, token: string, path = ''): Promise<{ status: number; cache: string | null; body: string }> {
  const answer = await fetch(`${door.origin}${path}/logout/backchannel`, { method: 'POST', body: new URLSearchParams({ logout_token: token }) });
  return { status: answer.status, cache: answer.headers.get('cache-control'), body: await answer.text() };
}

/** The same browser at another node: the cookie is the same. */
function at(door: TestDoor, visitor: Visitor, from: TestDoor): Visitor {
  const there = new Visitor();
  there.setCookie(door.origin, 'screen', visitor.cookies(from.origin).get('screen') ?? '');
  return there;
}

const statusAt = async (door: TestDoor, visitor: Visitor): Promise<number> => (await visitor.request(`${door.origin}/screen/session`)).status;

describe('a real provider', () => {
  it('that logs somebody out takes the caller off the screen at once, on whichever node it is', async () => {
    const redis = peers.add(await startRedis());
    const port = await freePort();
    const provider = peers.add(await startProvider({ origin: `http://127.0.0.1:${port}`, endsLogins: true, people: { anna: { preferred_username: 'anna' }, bram: { preferred_username: 'bram' } } }));
    const tenants = [tenant('main', oidcConfig(provider.issuer))];
    const told = peers.add(await startDoor({ port, accounts, tenants, ...(await shareOf(redis)) }));
    const shown = peers.add(await startDoor({ accounts, tenants, ...(await shareOf(redis)) }));
    const browser = await startBrowser();
    peers.defer(() => browser.stop());
    const context = await browser.browser.newContext({ locale: 'nl-NL' });
    const page = await context.newPage();
    const logIn = async (name: string, of = page): Promise<void> => {
      await of.goto(`${told.origin}/login/oidc`);
      await of.getByPlaceholder('Enter any login').fill(name);
      await of.getByPlaceholder('and password').fill('whatever');
      await of.getByRole('button', { name: 'Sign-in' }).click();
      await of.getByRole('button', { name: 'Continue' }).click();
      await of.waitForURL(`${told.origin}/screen`);
    };
    const other = await (await browser.browser.newContext({ locale: 'nl-NL' })).newPage();
    await logIn('bram', other);
    await logIn('anna');
    // Cookies know no ports: the same login at the other node, with a call on its screen.
    await page.goto(`${shown.origin}/screen`);
    await until(() => shown.screens.isPresent('anna'), 'the screen', 15_000);
    shown.screens.offer('anna', call('c1'));
    shown.screens.reveal('anna', revelation('c1', 'r1'));
    await page.getByText('Jip Jansen').waitFor();

    // Elsewhere, in another tab, she logs out at the provider.
    const atProvider = await context.newPage();
    await atProvider.goto(`${provider.issuer}/session/end`);
    await atProvider.getByRole('button', { name: 'Yes, sign me out' }).click();
    await page.waitForURL('**/login**', { timeout: 5000 });
    expect(await page.content()).not.toContain('Jansen');
    await until(() => provider.output().includes('backchannel'), 'the answer');
    expect(provider.output()).toContain('backchannel success');
    expect([told.screens.isPresent('anna'), shown.screens.isPresent('anna')]).toEqual([false, false]);
    // Bram's session there is another one.
    await other.goto(`${told.origin}/screen`);
    await until(() => told.screens.isPresent('bram'), 'the other screen', 15_000);
    // Nothing that says who it was there is in what is logged.
    expect(told.logged() + shown.logged()).not.toMatch(/"(?:sub|sid|subject|session|logout_token)"|eyJ/u);
  }, 90_000);
});

describe('a logout token', () => {
  let hostile: HostileProvider;
  let door: TestDoor;
  let count = 0;
  beforeEach(async () => {
    hostile = peers.add(await startHostileProvider());
    hostile.token = (claims, keys) => signed({ ...claims, sid: 'session one' }, keys.own);
    door = peers.add(await startDoor({ accounts, tenants: [tenant('main', oidcConfig(hostile.issuer))] }));
  });

  const signIn = (at = door): Promise<Visitor> => new Visitor().go(`${at.origin}/login/oidc`);
  const good = (over: JWTPayload = {}): JWTPayload => ({ iss: hostile.issuer, aud: clientId, iat: now(), exp: now() + 120, jti: `token ${(count += 1)}`, sub: 'anna', sid: 'session one', events: { [event]: {} }, ...over });
  const without = (name: string): JWTPayload => Object.fromEntries(Object.entries(good()).filter(([key]) => key !== name));
  const ours = { alg: 'RS256', kid: 'one', typ: 'logout+jwt' };
  const sign = (claims: JWTPayload, header: Parameters<typeof signed>[2] = ours): Promise<string> => signed(claims, hostile.keys.own, header);

  it('that holds ends the login, and is answered as the specification says', async () => {
    const typed: (string | undefined)[] = ['logout+jwt', 'application/logout+jwt', 'JWT', undefined];
    for (const typ of typed) {
      const visitor = await signIn();
      expect(await statusAt(door, visitor)).toBe(200);
      expect(await post(door, await sign(good(), { alg: 'RS256', kid: 'one', ...(typ !== undefined && { typ }) })), typ).toEqual({ status: 200, cache: 'no-store', body: '' });
      expect(await statusAt(door, visitor), typ).toBe(401);
    }
    expect(door.happened.map(({ type }) => type)).toEqual(typed.flatMap(() => ['agent.signedIn', 'agent.signedOut']));
    // Some say it without an expiry: then its age counts alone.
    await signIn();
    expect((await post(door, await sign(without('exp')))).status).toBe(200);
  });

  const hostileTokens: [what: string, token: () => Promise<string> | string][] = [
    ['of another issuer', () => sign(good({ iss: 'https://login.example.org' }))],
    ['without an issuer', () => sign(without('iss'))],
    ['for another audience', () => sign(good({ aud: 'another-client' }))],
    ['without an audience', () => sign(without('aud'))],
    ['that is too old', () => sign(good({ iat: now() - 300, exp: now() + 120 }))],
    ['from the future', () => sign(good({ iat: now() + 300, exp: now() + 400 }))],
    ['without a time', () => sign(without('iat'))],
    ['that has expired', () => sign(good({ iat: now() - 100, exp: now() - 60 }))],
    ['without a name', () => sign(without('jti'))],
    ['whose name is no text', () => sign(good({ jti: 1 as never }))],
    ['with a nonce (an ID token has one)', () => sign(good({ nonce: 'a-nonce' }))],
    ['with a nonce that is empty', () => sign(good({ nonce: null }))],
    ['without events', () => sign(without('events'))],
    ['of another event', () => sign(good({ events: { 'http://schemas.openid.net/event/session-revoked': {} } }))],
    ['whose event is no object', () => sign(good({ events: { [event]: true } }))],
    ['whose events are a list', () => sign(good({ events: [event] }))],
    ['for nobody', () => { const { sub: _sub, sid: _sid, ...rest } = good(); return sign(rest); }],
    ['whose subject is no text', () => sign(good({ sub: ['anna'] as never }))],
    ['whose subject is longer than one may be', () => sign(good({ sub: 'a'.repeat(256) }))],
    ['that says it is something else', () => sign(good(), { ...ours, typ: 'at+jwt' })],
    ['of another key under the same name', () => signed(good(), hostile.keys.other, ours)],
    ['of a key nobody published', () => signed(good(), hostile.keys.other, { ...ours, kid: 'two' })],
    ['signed with an algorithm nobody announced', async () => {
      delete hostile.jwk.alg;
      return signed(good(), (await importJWK(await exportJWK(hostile.keys.own), 'RS512')) as CryptoKey, { ...ours, alg: 'RS512' });
    }],
    ['that is not signed (alg none)', () => unsigned(good(), { alg: 'none', typ: 'logout+jwt' })],
    ['signed with our own secret', () => signed(good(), new TextEncoder().encode(clientSecret) as never, { alg: 'HS256', typ: 'logout+jwt' })],
    ['whose claims were changed after signing', async () => {
      const [header, , signature] = (await sign(good({ sub: 'bram' }))).split('.');
      return [header, Buffer.from(JSON.stringify(good())).toString('base64url'), signature].join('.');
    }],
    ['that is an ID token', () => sign({ iss: hostile.issuer, sub: 'anna', aud: clientId, iat: now(), exp: now() + 300, jti: 'an id token' }, { alg: 'RS256', kid: 'one' })],
    ['that is none', () => 'not.a.token'],
    ['that is empty', () => ''],
    ['that is too long', () => sign(good({ padding: 'x'.repeat(5000) }))],
  ];
  it.each(hostileTokens)('ends nothing: one %s', async (_what, token) => {
    const visitor = await signIn();
    const given = await token();
    const answer = await post(door, given);
    expect([answer.status, answer.cache]).toEqual([400, 'no-store']);
    expect(JSON.parse(answer.body)).toMatchObject({ error: 'invalid_request' });
    expect(await statusAt(door, visitor)).toBe(200);
    if (given.length > 20) expect(door.logged() + answer.body).not.toContain(given.split('.')[1]);
  });

  it('is taken once, and cannot end a login that came after it', async () => {
    await signIn();
    const token = await sign(good());
    expect((await post(door, token)).status).toBe(200);
    const again = await signIn();
    expect(await post(door, token)).toMatchObject({ status: 400, body: expect.stringContaining('used before') as string });
    expect(await statusAt(door, again)).toBe(200);
    // What is remembered of them has an end, in time and in number.
    let clock = 0;
    const once = new OnceHere(() => clock, 3);
    expect([await once.claim('a', 100), await once.claim('a', 100)]).toEqual([true, false]);
    clock = 101;
    expect(await once.claim('a', 100)).toBe(true);
    for (const name of ['b', 'c', 'd']) await once.claim(name, 100);
    expect([await once.claim('d', 100), await once.claim('a', 100)]).toEqual([false, true]);
  });

  it('ends one session, or all of a person, and nobody else’s', async () => {
    const first = await signIn();
    hostile.token = (claims, keys) => signed({ ...claims, sid: 'session two' }, keys.own);
    const second = await signIn();
    hostile.token = (claims, keys) => signed({ ...claims, sub: 'bram', preferred_username: 'bram', sid: 'session three' }, keys.own);
    const bram = await signIn();
    const byPassword = await new Visitor().go(`${door.origin}/login`).then((visitor) => visitor.submit({ name: 'anna', password }));
    const states = (): Promise<number[]> => Promise.all([first, second, bram, byPassword].map((one) => statusAt(door, one)));
    // A session of somebody else, as the other claim says.
    expect((await post(door, await sign(good({ sub: 'bram', sid: 'session two' })))).status).toBe(200);
    expect(await states()).toEqual([200, 200, 200, 200]);
    expect((await post(door, await sign(good({ sid: 'session two' })))).status).toBe(200);
    expect(await states()).toEqual([200, 401, 200, 200]);
    const { sub: _sub, ...bySession } = good({ sid: 'session three' });
    expect((await post(door, await sign(bySession))).status).toBe(200);
    expect(await states()).toEqual([200, 401, 401, 200]);
    expect((await post(door, await sign(without('sid')))).status).toBe(200);
    // A password is no login of the provider's.
    expect(await states()).toEqual([401, 401, 401, 200]);
  });

  it('is heard after an unlocking too, which rests on another session at the provider', async () => {
    const visitor = await signIn();
    await visitor.go('/lock', { method: 'POST' });
    hostile.token = (claims, keys) => signed({ ...claims, sid: 'session after' }, keys.own);
    await visitor.go(`${door.origin}/unlock/oidc`);
    expect((await post(door, await sign(good()))).status).toBe(200);
    expect(await statusAt(door, visitor)).toBe(200);
    expect((await post(door, await sign(good({ sid: 'session after' })))).status).toBe(200);
    expect(await statusAt(door, visitor)).toBe(401);
  });

  it('of one tenant’s provider ends no login of another tenant', async () => {
    const two = peers.add(await startHostileProvider());
    const several = peers.add(await startDoor({
      accounts: [account('anna', 'Anna', { tenant: 'one' }), account('eve', 'Eve', { tenant: 'two', signInAs: 'anna' }), account('fay', 'Fay', { tenant: 'three', signInAs: 'anna' })],
      // The third has the provider of the first: each is told for itself.
      tenants: [tenant('one', oidcConfig(hostile.issuer)), tenant('two', oidcConfig(two.issuer)), tenant('three', oidcConfig(hostile.issuer))],
    }));
    const signInTo = (name: string): Promise<Visitor> => new Visitor().go(`${several.origin}/t/${name}/login/oidc`);
    const [ofOne, ofTwo, ofThree] = [await signInTo('one'), await signInTo('two'), await signInTo('three')];
    const token = await sign(good());
    expect((await post(several, token, '/t/two')).status).toBe(400);
    expect((await post(several, token)).status).toBe(404);
    expect((await post(several, token, '/t/one')).status).toBe(200);
    expect([await statusAt(several, ofOne), await statusAt(several, ofTwo), await statusAt(several, ofThree)]).toEqual([401, 200, 200]);
  });

  it('that does not hold costs whoever sends many of them their turn, and nobody else', async () => {
    const send = (token: string, localAddress: string): Promise<number> => new Promise((resolve, reject) => {
      const request = httpRequest(`${door.origin}/logout/backchannel`, { method: 'POST', localAddress, headers: { 'content-type': 'application/x-www-form-urlencoded' } }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      request.on('error', reject);
      request.end(new URLSearchParams({ logout_token: token }).toString());
    });
    const visitor = await signIn();
    const forged = await signed(good(), hostile.keys.other, { ...ours, kid: 'unheard of' });
    const statuses: number[] = [];
    for (let tries = 0; tries < 210; tries += 1) statuses.push(await send(forged, '127.0.0.2'));
    expect([statuses[0], statuses.at(-1)]).toEqual([400, 429]);
    // Nor is the provider asked for its keys each time.
    expect(hostile.keysAsked).toBeLessThan(4);
    expect(await send(await sign(good()), '127.0.0.1')).toBe(200);
    expect(await statusAt(door, visitor)).toBe(401);
    // Many that hold are no offence: everybody goes home at five.
    for (let more = 0; more < 300; more += 1) expect(await send(await sign(good()), '127.0.0.1')).toBe(200);
  }, 60_000);

  it('is a form, posted, of some size', async () => {
    const url = `${door.origin}/logout/backchannel`;
    const token = await sign(good());
    const visitor = await signIn();
    const answers = await Promise.all([
      fetch(url, { method: 'POST' }), fetch(url, { method: 'POST', body: new URLSearchParams({ id_token: token }) }),
      fetch(url, { method: 'POST', body: JSON.stringify({ logout_token: token }) }), fetch(url, { method: 'POST', body: 'x'.repeat(100_000), headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
      fetch(url, { method: 'POST', body: `logout_token=${token}&logout_token=${token}`, headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400, 400]);
    for (const answer of answers) expect(answer.headers.get('cache-control')).toBe('no-store');
    expect((await fetch(`${url}?logout_token=${token}`)).status).toBe(404);
    expect(await statusAt(door, visitor)).toBe(200);
  });

  describe('with several nodes', () => {
    let redis: Redis;
    const node = async (keys = sealKeys): Promise<TestDoor & { link: Awaited<ReturnType<typeof shareOf>>['link'] }> => {
      const { link, ...shared } = await shareOf(redis, keys);
      return Object.assign(peers.add(await startDoor({ accounts, tenants: [tenant('main', oidcConfig(hostile.issuer))], ...shared })), { link });
    };
    beforeEach(async () => {
      redis = peers.add(await startRedis());
    });

    it('ends the login on all of them, also at one that never saw it, and is taken once by all', async () => {
      const [a, b] = [await node(), await node()];
      const visitor = await signIn(a);
      const token = await sign(good());
      expect((await post(b, token)).status).toBe(200);
      await until(async () => (await statusAt(a, visitor)) === 401, 'the end at the other node', 3_000);
      const again = await signIn(a);
      expect((await post(a, token)).status).toBe(400);
      expect(await statusAt(a, again)).toBe(200);
      const { sub: _sub, ...bySession } = good();
      expect((await post(b, await sign(bySession))).status).toBe(200);
      await until(async () => (await statusAt(a, again)) === 401, 'the end by its session', 3_000);
      // Told once, by whoever ended it.
      expect([...a.happened, ...b.happened].map(({ type }) => type)).toEqual(['agent.signedIn', 'agent.signedIn', 'agent.signedOut', 'agent.signedOut']);

      // A login of before a new seal key is still found.
      const old = await signIn(a);
      const rotated = await node([{ id: 'b', key: new Secret('c'.repeat(64)) }, ...sealKeys]);
      expect((await post(rotated, await sign(good()))).status).toBe(200);
      await until(async () => (await statusAt(a, old)) === 401, 'the end of what was sealed before', 3_000);
    });

    it('leaves nothing in Redis that says who it was', async () => {
      hostile.token = (claims, keys) => signed({ ...claims, sub: 'anna-subject', sid: 'session-secret' }, keys.own);
      const a = await node();
      await signIn(a);
      await post(a, await sign(good({ sub: 'somebody-else', jti: 'a-token-name' })));
      const keys = (await redis.cli('--raw', 'KEYS', '*')).split('\n').filter(Boolean);
      expect(keys.map((key) => key.split(':').slice(0, 2).join(':')).sort()).toEqual(['tig:generation', 'tig:login', 'tig:login-once', 'tig:logins-by', 'tig:logins-by', 'tig:logins-ended', 'tig:logins-of']);
      let all = keys.join();
      for (const key of keys) {
        all += await redis.cli('--raw', 'DUMP', key);
        expect(Number(await redis.cli('--raw', 'PTTL', key)), key).toBeGreaterThan(0);
      }
      for (const secret of ['anna-subject', 'session-secret', 'somebody-else', 'a-token-name']) {
        expect(all).not.toContain(secret);
        expect(a.logged()).not.toContain(secret);
      }
    });

    it('while Redis is away ends what its node knows, says that it was not all, and may be sent again', async () => {
      const [a, b] = [await node(), await node()];
      const [onA, onB] = [await signIn(a), await signIn(b)];
      process.kill(redis.pid, 'SIGSTOP');
      await until(() => !a.link.ready && !b.link.ready, 'the links to notice', 15_000);
      const token = await sign(good());
      expect((await post(a, token)).status).toBe(400);
      expect(await statusAt(a, onA)).toBe(401);
      expect(await statusAt(b, onB)).toBe(200);
      process.kill(redis.pid, 'SIGCONT');
      await until(() => a.link.ready && b.link.ready, 'the links to be back', 15_000);
      expect((await post(a, token)).status).toBe(200);
      await until(async () => (await statusAt(b, onB)) === 401, 'the end at the other node', 3_000);
      expect(await statusAt(b, at(b, onA, a))).toBe(401);
    }, 60_000);
  });
});
