/**
 * Against npm's oidc-provider in a process of its own. What no real provider would ever send is in
 * hostile-provider.test.ts. Taken away one by one, these made a test here fail: the look at state, accounts by tenant,
 * the tenant of what was begun, the person who unlocks, where a sign-in may be begun from, and where it may lead.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { startBrowser } from '../peers/browser.js';
import { freePort } from '../peers/ports.js';
import { Peers } from '../peers/process.js';
import { until } from '../peers/wait.js';
import { account, password, startDoor, tenant, type TestDoor } from './door.js';
import { oidcConfig, startProvider, type TestProvider } from './provider.js';
import { Visitor } from './visitor.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

const people = {
  anna: { preferred_username: 'anna', roles: ['calls', 'something-else'], realm_access: { roles: ['lead'] } },
  bram: { preferred_username: 'bram', roles: ['lead'] },
  eve: { preferred_username: 'eve', roles: ['calls'] },
  nobody: { preferred_username: 'nobody' },
};
const accounts = [account('anna', 'Anna de Wit'), account('bram', 'Bram', { roles: ['agent', 'supervisor'], hasPhone: false })];

async function both(options: Parameters<typeof startDoor>[0] = {}, config: Parameters<typeof oidcConfig>[1] = {}): Promise<{ door: TestDoor; provider: TestProvider }> {
  const port = await freePort();
  const provider = peers.add(await startProvider({ origin: `http://127.0.0.1:${port}`, people }));
  const door = peers.add(await startDoor({ port, accounts, tenants: [tenant('main', oidcConfig(provider.issuer, config))], ...options }));
  return { door, provider };
}

/** At the provider: types the login, agrees. */
async function passProvider(visitor: Visitor, login: string, until?: (location: string) => boolean): Promise<Visitor> {
  await visitor.submit({ login, password: 'whatever' }, until);
  // It has the browser itself send forms, to ask for consent and when another login takes the place of one.
  while (/name="prompt" value="consent"|Submitting Callback/u.test(visitor.text)) await visitor.submit({}, until);
  return visitor;
}

async function signInAt(door: TestDoor, login: string, visitor = new Visitor()): Promise<Visitor> {
  await visitor.go(`${door.origin}/login/oidc`);
  return passProvider(visitor, login);
}

const isCallback = (location: string): boolean => location.includes('/login/callback');

describe('signing in at the provider', () => {
  it('lets an agent in by its login form in Chromium, with the strictest cookie, and out again at both places', async () => {
    const { door, provider } = await both();
    const browser = await startBrowser();
    peers.defer(() => browser.stop());
    const page = await (await browser.browser.newContext({ locale: 'nl-NL' })).newPage();
    await page.goto(`${door.origin}/screen`);
    await page.getByRole('link', { name: 'Aanmelden met Stadsinlog' }).click();
    await page.getByPlaceholder('Enter any login').fill('anna');
    await page.getByPlaceholder('and password').fill('whatever');
    await page.getByRole('button', { name: 'Sign-in' }).click();
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.waitForURL(`${door.origin}/screen`);
    await until(() => door.screens.isPresent('anna'), 'the screen', 15_000);
    const cookies = await page.context().cookies(door.origin);
    expect(cookies.filter(({ name }) => name === 'screen')).toMatchObject([{ httpOnly: true, sameSite: 'Strict', path: '/' }]);
    // Nothing of the flow is left in the browser.
    expect(cookies.some(({ name }) => name === 'sign-in')).toBe(false);
    // By a link of another site the login does not come along at first, and then it does.
    await page.goto(`${provider.issuer}/nothing-here`);
    await page.setContent(`<a href="${door.origin}/screen">to the screen</a>`);
    await page.getByText('to the screen').click();
    await page.waitForURL(`${door.origin}/screen`);
    await until(() => door.screens.isPresent('anna'), 'the screen again', 15_000);
    await page.getByRole('button', { name: 'Afmelden' }).click();
    await page.waitForURL(`${door.origin}/logged-out`);
    await until(() => !door.screens.isPresent('anna'), 'the screen to be gone');
    await page.getByRole('link', { name: 'Afmelden bij Stadsinlog' }).click();
    await page.getByRole('button', { name: 'Yes, sign me out' }).click();
    await page.waitForURL(`${door.origin}/login`);
    // The provider does not know her either: it asks again.
    await page.getByRole('link', { name: 'Aanmelden met Stadsinlog' }).click();
    await page.getByPlaceholder('Enter any login').waitFor();
    expect(door.happened.map(({ type }) => type)).toEqual(['agent.signedIn', 'agent.signedOut']);
  }, 60_000);

  it('goes on to logging out at the provider where the configuration says so, and nobody else sends people there', async () => {
    const { door, provider } = await both({}, { logoutAtProvider: true });
    const browser = await startBrowser();
    peers.defer(() => browser.stop());
    const page = await (await browser.browser.newContext({ locale: 'nl-NL' })).newPage();
    const logIn = async (): Promise<void> => {
      await page.goto(`${door.origin}/login/oidc`);
      await page.getByPlaceholder('Enter any login').fill('anna');
      await page.getByPlaceholder('and password').fill('whatever');
      await page.getByRole('button', { name: 'Sign-in' }).click();
      await page.getByRole('button', { name: 'Continue' }).click();
      await page.waitForURL(`${door.origin}/screen`);
    };
    await logIn();
    await page.getByRole('button', { name: 'Afmelden' }).click();
    await page.getByRole('button', { name: 'Yes, sign me out' }).click();
    await page.waitForURL(`${door.origin}/login`);
    await page.getByRole('link', { name: 'Aanmelden met Stadsinlog' }).click();
    await page.getByPlaceholder('Enter any login').waitFor();
    // A link of another site shows the page and leaves it at that; so does the page in a frame, where the provider may not be.
    await page.goto(`${provider.issuer}/nothing-here`);
    await page.setContent(`<a href="${door.origin}/logged-out?on=1">out</a>`);
    await page.getByText('out').click();
    await page.getByRole('link', { name: 'Afmelden bij Stadsinlog' }).waitFor();
    const pageOf = async (headers: Record<string, string>): Promise<string> => (await fetch(`${door.origin}/logged-out?on=1`, { headers })).text();
    expect(await pageOf({ 'sec-fetch-site': 'cross-site' })).not.toContain('http-equiv="refresh"');
    expect(await pageOf({ 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'iframe' })).not.toContain('http-equiv="refresh"');
    expect(await pageOf({ 'sec-fetch-site': 'same-origin' })).toContain(`http-equiv="refresh" content="0; url=${provider.issuer}/session/end?`);
  }, 60_000);

  it('takes roles from the configuration, or from a claim, and calls only with a phone', async () => {
    const { door } = await both();
    const visitor = await signInAt(door, 'bram');
    expect((await visitor.request(`${door.origin}/login`)).headers.get('location')).toBe('/screen');
    expect(door.signIn.homeOf(await sessionOf(door, visitor))).toBe('/screen');
    expect((await sessionOf(door, visitor)).principal).toEqual({ name: 'bram', displayName: 'Bram', tenant: 'main', roles: ['agent', 'supervisor'], by: 'oidc' });

    const byClaim = await both({}, { rolesClaim: 'roles', roles: { calls: ['agent'], lead: ['supervisor', 'agent'] } });
    const anna = await signInAt(byClaim.door, 'anna');
    expect((await sessionOf(byClaim.door, anna)).principal.roles).toEqual(['agent']);
    const bram = await signInAt(byClaim.door, 'bram');
    expect((await sessionOf(byClaim.door, bram)).principal.roles).toEqual(['supervisor']);
    expect((await bram.go(`${byClaim.door.origin}/of/supervisor`)).text).toBe('seen');
    expect((await bram.go(`${byClaim.door.origin}/screen`)).status).toBe(403);

    const nested = await both({}, { rolesClaim: 'realm_access.roles', roles: { lead: ['auditor'] } });
    expect((await sessionOf(nested.door, await signInAt(nested.door, 'anna'))).principal.roles).toEqual(['auditor']);
    const roleless = await signInAt(nested.door, 'bram');
    expect([roleless.status, roleless.text]).toEqual([403, expect.stringContaining('no role that lets you in')]);
    expect(roleless.cookies(nested.door.origin).size).toBe(0);
  }, 60_000);

  it('refuses whom the configuration does not know, and offers another account', async () => {
    const { door } = await both();
    const visitor = await signInAt(door, 'nobody');
    expect(visitor.status).toBe(403);
    expect(visitor.text).toContain('an account that is not known here');
    expect(visitor.cookies(door.origin).size).toBe(0);
    expect(door.happened).toMatchObject([{ type: 'agent.refused', by: 'oidc', tenant: 'main' }]);
    expect(JSON.stringify(door.happened) + door.logged()).not.toContain('nobody');
    // Another account: the provider asks although it knows somebody.
    await visitor.go(`${door.origin}/login/oidc?other=1`);
    expect(visitor.text).toContain('Enter any login');
    await passProvider(visitor, 'anna');
    expect((await sessionOf(door, visitor)).agent).toBe('anna');
  });

  it('opens no account of another tenant', async () => {
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const ofOne = peers.add(await startProvider({ origin, people, paths: ['/t/one'] }));
    const ofTwo = peers.add(await startProvider({ origin, people, paths: ['/t/two'] }));
    const door = peers.add(await startDoor({
      port,
      accounts: [account('anna', 'Anna', { tenant: 'one' }), account('eve', 'Eve', { tenant: 'two' })],
      tenants: [tenant('one', oidcConfig(ofOne.issuer)), tenant('two', oidcConfig(ofTwo.issuer))],
    }));
    // Provider one says it is eve, whose account is with tenant two.
    const visitor = new Visitor();
    await visitor.go(`${origin}/login`);
    expect(visitor.text).toContain('href="/t/one/login"');
    await visitor.go(`${origin}/t/one/login/oidc`);
    await passProvider(visitor, 'eve');
    expect([visitor.status, visitor.text]).toEqual([403, expect.stringContaining('not known here')]);
    // Nor does a password on the page of the other tenant.
    const local = new Visitor();
    await local.go(`${origin}/t/two/login`);
    await local.submit({ name: 'anna', password });
    expect([local.status, local.cookies(origin).size]).toEqual([401, 0]);
    // What began with one provider does not end with the other (mix-up): its answer comes in at the other address.
    const mixed = new Visitor();
    await mixed.go(`${origin}/t/one/login/oidc`);
    await passProvider(mixed, 'anna', isCallback);
    const answer = mixed.url.replace('/t/one/', '/t/two/');
    await mixed.go(answer);
    expect([mixed.status, mixed.text]).toEqual([400, expect.stringContaining('Begin again')]);
    expect(mixed.cookies(origin).size).toBe(0);
    // Where it belongs it works.
    const right = new Visitor();
    await right.go(`${origin}/t/one/login/oidc`);
    await passProvider(right, 'anna');
    expect((await sessionOf(door, right)).principal).toMatchObject({ name: 'anna', tenant: 'one' });
  });

  it('both ways may be on, and passwords may be off', async () => {
    const { door } = await both();
    const visitor = new Visitor();
    await visitor.go(`${door.origin}/login?next=/of/supervisor`);
    expect(visitor.text).toContain('Stadsinlog');
    await visitor.submit({ name: 'bram', password });
    expect([visitor.status, visitor.text]).toEqual([200, 'seen']);

    const only = await both();
    const door2 = peers.add(await startDoor({ accounts, tenants: [tenant('main', oidcConfig(only.provider.issuer), { local: false })] }));
    expect(await (await fetch(`${door2.origin}/login`)).text()).not.toContain('type="password"');
    const tried = await fetch(`${door2.origin}/login`, { method: 'POST', redirect: 'manual', headers: { origin: door2.origin }, body: new URLSearchParams({ name: 'anna', password }) });
    expect([tried.status, tried.headers.get('set-cookie')]).toEqual([401, null]);
  });

  it('leads on to nowhere but pages of ours', async () => {
    const { door } = await both();
    for (const next of ['//evil.example', 'https://evil.example', '/\\evil.example', '/../x', '/a//b', 'javascript:alert(1)', '/"><script>']) {
      const visitor = new Visitor();
      await visitor.go(`${door.origin}/login/oidc?next=${encodeURIComponent(next)}`);
      await passProvider(visitor, 'anna');
      expect(visitor.url, next).toBe(`${door.origin}/screen`);
      const local = await fetch(`${door.origin}/login`, { method: 'POST', redirect: 'manual', headers: { origin: door.origin }, body: new URLSearchParams({ name: 'anna', password, next }) });
      expect([303, 400]).toContain(local.status);
      expect(local.headers.get('location') ?? '/screen').toBe('/screen');
    }
  }, 60_000);
});

describe('answers that are not what was asked for', () => {
  it('a wrong state, one of another browser, none at all, and one that comes too late', async () => {
    let ahead = 0;
    const { door } = await both({ now: () => Date.now() + ahead });
    const begin = async (): Promise<Visitor> => {
      const visitor = new Visitor();
      await visitor.go(`${door.origin}/login/oidc`);
      return passProvider(visitor, 'anna', isCallback);
    };
    const refused = async (visitor: Visitor, url: string, status: number): Promise<void> => {
      await visitor.go(url);
      expect(visitor.status).toBe(status);
      expect(visitor.cookies(door.origin).has('screen')).toBe(false);
    };
    const one = await begin();
    const answer = new URL(one.url);
    answer.searchParams.set('state', 'another');
    await refused(one, answer.href, 502);
    // Used up: the cookie of the flow is gone, so even the right answer is none any more.
    await refused(one, one.visited.at(-2) ?? '', 400);

    // An answer that belongs to somebody else's browser (login CSRF).
    const attacker = await begin();
    await refused(new Visitor(), attacker.url, 400);
    const victim = await begin();
    await refused(victim, attacker.url, 502);

    const late = await begin();
    ahead = 16 * 60_000;
    await refused(late, late.url, 400);
    await refused(new Visitor(), `${door.origin}/login/callback`, 400);
    await refused(new Visitor(), `${door.origin}/login/callback?code=a&state=b`, 400);
    ahead = 0;
    const denied = new Visitor();
    await denied.go(`${door.origin}/login/oidc`, {}, (location) => location.includes('/interaction/'));
    const state = new URL(denied.visited.at(-1) ?? '').searchParams.get('state') ?? '';
    await denied.go(`${door.origin}/login/callback?error=access_denied&state=${state}&iss=${encodeURIComponent(new URL(denied.visited.at(-1) ?? '').origin)}`);
    expect([denied.status, denied.text]).toEqual([400, expect.stringContaining('did not log you in')]);
  });

  it('a code used twice, even with the cookie of the flow played back', async () => {
    const { door } = await both();
    const visitor = new Visitor();
    await visitor.go(`${door.origin}/login/oidc`);
    await passProvider(visitor, 'anna', isCallback);
    const answer = visitor.url;
    const begun = visitor.cookies(door.origin).get('sign-in') ?? '';
    await visitor.go(answer);
    expect((await sessionOf(door, visitor)).agent).toBe('anna');
    const thief = new Visitor();
    thief.setCookie(door.origin, 'sign-in', begun);
    await thief.go(answer);
    expect([thief.status, thief.cookies(door.origin).size]).toEqual([502, 0]);
    expect(door.logged()).not.toContain(new URL(answer).searchParams.get('code'));
  });

  it('a new login has a new secret, and the one before is over', async () => {
    const { door } = await both();
    const visitor = await signInAt(door, 'anna');
    const before = visitor.cookies(door.origin).get('screen');
    const session = await sessionOf(door, visitor);
    await visitor.go(`${door.origin}/login/oidc?other=1`);
    await passProvider(visitor, 'bram');
    expect(visitor.cookies(door.origin).get('screen')).not.toBe(before);
    expect(session.isLive).toBe(false);
    // A secret that somebody planted beforehand never becomes a login.
    const planted = new Visitor();
    planted.setCookie(door.origin, 'screen', 'planted');
    await planted.go(`${door.origin}/login/oidc`);
    await passProvider(planted, 'anna');
    expect(planted.cookies(door.origin).get('screen')).toMatch(/^[\w-]{43}$/u);
  });

  it('a link of another site begins no login', async () => {
    const { door } = await both();
    const foreign = await fetch(`${door.origin}/login/oidc`, { redirect: 'manual', headers: { 'sec-fetch-site': 'cross-site' } });
    expect([foreign.status, foreign.headers.get('location'), foreign.headers.get('set-cookie')]).toEqual([303, '/login', null]);
  });
});

describe('a provider that is away', () => {
  it('stops nobody with a password, is said plainly, and is found when it is back', async () => {
    const port = await freePort();
    const providerPort = await freePort();
    const issuer = `http://127.0.0.1:${providerPort}`;
    const door = peers.add(await startDoor({ port, accounts, tenants: [tenant('main', oidcConfig(issuer))] }));
    const visitor = new Visitor();
    await visitor.go(`${door.origin}/login/oidc`);
    expect(visitor.visited).toHaveLength(1);
    expect([visitor.status, visitor.text]).toEqual([502, expect.stringContaining('Stadsinlog cannot be reached now')]);
    await visitor.submit({ name: 'anna', password });
    expect(visitor.status).toBe(200);
    await visitor.go('/logout', { method: 'POST' });

    const provider = peers.add(await startProvider({ port: providerPort, origin: door.origin, people }));
    await until(async () => (await visitor.go(`${door.origin}/login/oidc`)).status === 200, 'the provider to be found', 15_000, 300);
    await passProvider(visitor, 'anna', isCallback);
    // It goes away between its answer and our question about it.
    await provider.stop();
    await visitor.go(visitor.url);
    expect([visitor.status, visitor.text]).toEqual([502, expect.stringContaining('cannot be reached')]);
    expect(visitor.cookies(door.origin).size).toBe(0);
  });
});

describe('a lock', () => {
  it('is undone by a new proof at the provider, by the same person only', async () => {
    const { door } = await both();
    const visitor = await signInAt(door, 'anna');
    const session = await sessionOf(door, visitor);
    await visitor.go('/lock', { method: 'POST' });
    expect([visitor.url, session.locked]).toEqual([`${door.origin}/unlock`, true]);
    expect(visitor.text).toContain('Unlock with Stadsinlog');
    expect((await visitor.request(`${door.origin}/screen`)).headers.get('location')).toBe('/unlock');
    // A password does not do for who came by the provider.
    await visitor.go('/unlock', { method: 'POST', body: new URLSearchParams({ password }) });
    expect([visitor.status, session.locked]).toEqual([400, true]);

    // The provider knows her, and is made to ask all the same.
    await visitor.go(`${door.origin}/unlock/oidc`);
    expect(visitor.text).toContain('Enter any login');
    await passProvider(visitor, 'bram');
    expect([visitor.status, visitor.text, session.locked]).toEqual([403, expect.stringContaining('another account'), true]);

    await visitor.go(`${door.origin}/unlock/oidc`);
    await passProvider(visitor, 'anna');
    expect([visitor.url, session.locked]).toEqual([`${door.origin}/screen`, false]);
    expect((await sessionOf(door, visitor)).key).toBe(session.key);
  });
});

async function sessionOf(door: TestDoor, visitor: Visitor) {
  const found = await door.signIn.sessionByCookie(visitor.cookies(door.origin).get('screen'));
  if (!found) throw new Error(`nobody is logged in: ${visitor.status} ${visitor.url} ${visitor.text.slice(0, 800)}`);
  return found;
}
