import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LoginThrottle } from '../../gateway/sign-in/login-throttle.js';
import { languageOf } from '../../gateway/sign-in/texts.js';
import { isOwnOrigin } from '../../gateway/sign-in/request-origin.js';
import { account, login, password, startListener, type Listener } from '../screen/listener.js';

let listener: Listener;
beforeEach(async () => {
  listener = await startListener();
});
afterEach(async () => listener.close());

const get = (path: string, headers: Record<string, string> = {}) => fetch(`${listener.origin}${path}`, { redirect: 'manual', headers });

describe('logging in', () => {
  it('gives a cookie no script and no other site can use, and a new one every time', async () => {
    const first = await login(listener.origin);
    expect(first.status).toBe(303);
    expect(first.location).toBe('/screen');
    expect(first.setCookie).toMatch(/^screen=[\w-]{43}; .*HttpOnly/u);
    expect(first.setCookie).toContain('SameSite=Strict');
    expect(first.setCookie).toContain('Path=/');
    const second = await login(listener.origin, 'anna', password, { cookie: first.cookie });
    expect(second.cookie).not.toBe(first.cookie);
    // The login this browser had before is over.
    expect((await get('/screen', { cookie: first.cookie })).status).toBe(303);
    expect((await get('/screen', { cookie: second.cookie })).status).toBe(200);
  });

  it('marks the cookie Secure and bound to the host behind https', async () => {
    await listener.close();
    listener = await startListener({ secureCookie: true });
    const { setCookie, cookie } = await login(listener.origin);
    expect(setCookie).toMatch(/^__Host-screen=/u);
    expect(setCookie).toContain('Secure');
    expect((await get('/screen', { cookie })).status).toBe(200);
    // A cookie planted under the other name (by a page of the same host over http) is not looked at.
    expect((await get('/screen', { cookie: cookie.replace('__Host-', '') })).status).toBe(303);
  });

  it('says the same of a wrong password and an unknown name', async () => {
    const answers = [];
    for (const [name, given] of [['anna', 'wrong'], ['nobody', 'wrong'], ['nobody', password], ['__proto__', 'wrong'], ['ANNA', password]] as const) {
      const { status, setCookie, response } = await login(listener.origin, name, given, { accept: 'text/html' });
      answers.push([status, setCookie, await response.text()]);
    }
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(answers[0]?.[0]).toBe(401);
    expect(answers[0]?.[1]).toBe('');
  });

  it('checks a password also for an unknown name', async () => {
    await listener.close();
    let checks = 0;
    const checkPassword = async () => (checks++, true);
    listener = await startListener({ accounts: [account('anna', 'Anna', { checkPassword })] });
    expect((await login(listener.origin, 'nobody', 'x')).status).toBe(401);
    expect(checks).toBe(1);
  });

  it('refuses a password that was right for the account as it was when the check began', async () => {
    await listener.close();
    let checking: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (checking = resolve));
    let finish: (right: boolean) => void = () => undefined;
    const checkPassword = () => (checking(), new Promise<boolean>((resolve) => (finish = resolve)));
    listener = await startListener({ accounts: [account('anna', 'Anna', { checkPassword })] });
    const answer = login(listener.origin, 'anna', 'old');
    await begun;
    await listener.signIn.replaceAccounts([account('anna', 'Anna', { stamp: '2' })]);
    finish(true);
    expect((await answer).status).toBe(401);
    // What did not change while the configuration was read again is as good as before.
    const again = login(listener.origin);
    await listener.signIn.replaceAccounts([account('anna', 'Anna', { stamp: '2' })]);
    expect((await again).status).toBe(303);
  });

  it('survives a password check that fails', async () => {
    await listener.close();
    const checkPassword = async () => {
      throw new Error('no memory');
    };
    listener = await startListener({ accounts: [account('anna', 'Anna', { checkPassword })] });
    for (let i = 0; i < 5; i += 1) {
      const { status, response } = await login(listener.origin, 'anna', `x${i}`);
      expect([status, await response.json()]).toMatchObject([500, { error: 'internal_error' }]);
    }
  });

  it('answers programs in JSON with a stable code, and people in their language', async () => {
    const { status, response } = await login(listener.origin, 'anna', 'wrong', { accept: 'application/json' });
    expect([status, await response.json()]).toMatchObject([401, { error: 'login_failed' }]);
    const english = await login(listener.origin, 'bram', 'wrong', { accept: 'text/html', 'accept-language': 'en-GB,en;q=0.9,nl;q=0.1' });
    expect(await english.response.text()).toContain('The user name or the password is not right.');
    expect(languageOf(undefined)).toBe('nl');
    expect(languageOf('de-DE, en;q=0.4, nl;q=0.3')).toBe('en');
  });

  it('makes guessing slow, and tries side by side do not help', async () => {
    const tries = await Promise.all(Array.from({ length: 20 }, (_, i) => login(listener.origin, 'anna', `guess ${i}`)));
    const statuses = tries.map((t) => t.status);
    expect(statuses.filter((s) => s === 401).length).toBeLessThanOrEqual(6);
    expect(statuses.filter((s) => s === 429 || s === 503).length).toBeGreaterThanOrEqual(14);
    const { status, response } = await login(listener.origin, 'anna', password);
    expect(status).toBe(429);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('lets a whole office in at nine, from one address', async () => {
    await listener.close();
    let atOnce = 0;
    let most = 0;
    const checkPassword = async (given: string) => {
      most = Math.max(most, (atOnce += 1));
      await new Promise((resolve) => setTimeout(resolve, 20));
      atOnce -= 1;
      return given === password;
    };
    listener = await startListener({ accounts: Array.from({ length: 40 }, (_, i) => account(`agent${i}`, `Agent ${i}`, { checkPassword })) });
    const logins = await Promise.all(Array.from({ length: 40 }, (_, i) => login(listener.origin, `agent${i}`)));
    expect(logins.map((l) => l.status)).toEqual(logins.map(() => 303));
    expect(most).toBeLessThanOrEqual(2);
  });

  it('slows down somebody who tries one password under many names', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 70; i += 1) statuses.push((await login(listener.origin, `name${i}`, 'Welkom01')).status);
    expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(62);
    expect(statuses).toContain(429);
  });

  it('refuses what no page of this site sent', async () => {
    const foreign: Array<Record<string, string>> = [{ origin: 'https://evil.example' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }];
    for (const headers of foreign) {
      const { status, setCookie } = await login(listener.origin, 'anna', password, headers);
      expect([status, setCookie]).toEqual([403, '']);
    }
    const bare = await fetch(`${listener.origin}/login`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ name: 'anna', password }) });
    expect(bare.status).toBe(403);
    const { cookie } = await login(listener.origin);
    expect((await fetch(`${listener.origin}/logout`, { method: 'POST', redirect: 'manual', headers: { cookie, origin: 'https://evil.example' } })).status).toBe(403);
    expect((await get('/screen', { cookie })).status).toBe(200);
    expect((await get('/logout', { cookie })).status).toBe(404);
  });

  it('refuses forms that are none', async () => {
    const post = (body: string, type: string) => fetch(`${listener.origin}/login`, { method: 'POST', redirect: 'manual', headers: { origin: listener.origin, 'content-type': type }, body });
    expect((await post('name=anna', 'application/x-www-form-urlencoded')).status).toBe(400);
    expect((await post('name[]=anna&password[x]=y', 'application/x-www-form-urlencoded')).status).toBe(400);
    expect((await post('{"name":{"a":1},"password":["x"]}', 'application/json')).status).toBe(400);
    expect((await post(`name=anna&password=${'x'.repeat(10_000)}`, 'application/x-www-form-urlencoded')).status).toBe(413);
    const xml = await post('<x/>', 'text/xml');
    expect([xml.status, await xml.json()]).toMatchObject([415, { error: 'bad_request' }]);
  });
});

describe('what the listener serves', () => {
  it('is never stored, framed or run from elsewhere', async () => {
    const { cookie } = await login(listener.origin);
    for (const path of ['/login', '/screen', '/screen/assets/screen.js', '/screen/assets/identify.js', '/screen/assets/dom.js', '/screen/assets/style.css', '/screen/assets/words.js', '/screen/assets/icon.svg', '/screen/session', '/nothing']) {
      const answer = await get(path, { cookie });
      expect(answer.headers.get('cache-control'), path).toBe('no-store');
      const policy = answer.headers.get('content-security-policy') ?? '';
      for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]) expect(policy, path).toContain(rule);
      expect(policy).not.toContain('unsafe');
      expect(answer.headers.get('x-frame-options')).toBe('DENY');
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('referrer-policy')).toBe('same-origin');
    }
  });

  it('asks for a login first', async () => {
    for (const path of ['/', '/screen']) expect((await get(path)).status).toBe(303);
    expect((await get('/screen/session')).status).toBe(401);
    // A plain request to the socket's address is no socket.
    expect((await get('/screen/ws')).status).toBeGreaterThanOrEqual(400);
  });

  it('holds no inline code and names no other site', async () => {
    const { cookie } = await login(listener.origin);
    for (const path of ['/login', '/screen']) {
      const page = await (await get(path, path === '/screen' ? { cookie } : {})).text();
      expect(page).not.toMatch(/<script(?![^>]*\ssrc=)|\son[a-z]+=|\sstyle=|<style|javascript:|https?:\/\//iu);
      expect(page).not.toContain('{{');
    }
  });
});

describe('the pieces', () => {
  it('own origin', () => {
    const host = 'agents.example:8082';
    expect(isOwnOrigin({ host, origin: 'http://agents.example:8082' }, [])).toBe(true);
    expect(isOwnOrigin({ host, origin: 'HTTP://AGENTS.example:8082' }, [])).toBe(true);
    expect(isOwnOrigin({ host: 'agents.example:443', origin: 'https://agents.example' }, [])).toBe(true);
    expect(isOwnOrigin({ host: 'agents.example', origin: 'https://agents.example' }, [])).toBe(true);
    expect(isOwnOrigin({ host, origin: 'http://agents.example' }, [])).toBe(false);
    expect(isOwnOrigin({ host: '', origin: 'http://agents.example' }, [])).toBe(false);
    expect(isOwnOrigin({ host, origin: 'http://agents.example:8082' }, ['https://agents.example'])).toBe(false);
    expect(isOwnOrigin({ host: '10.0.0.1:8082', origin: 'https://agents.example' }, ['https://agents.example'])).toBe(true);
    expect(isOwnOrigin({ host, 'sec-fetch-site': 'same-origin' }, [])).toBe(true);
    expect(isOwnOrigin({ host, origin: 'http://agents.example:8082', 'sec-fetch-site': 'cross-site' }, [])).toBe(false);
    expect(isOwnOrigin({ host }, [])).toBe(false);
  });

  it('waits double after every miss, by address and by name, and nobody can lock out an agent who is known', () => {
    let now = 0;
    const throttle = new LoginThrottle({ now: () => now, freeTries: 3, freeTriesPerAddress: 3, firstDelayMs: 1000, maxDelayMs: 8000 });
    throttle.admit('anna', '10.0.0.9');
    throttle.succeeded('anna', '10.0.0.9');
    const waits: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      // A stranger with many addresses.
      const waitMs = throttle.admit('anna', `192.0.2.${i}`);
      waits.push(waitMs);
      if (waitMs > 0) {
        now += waitMs;
        expect(throttle.admit('anna', `192.0.2.${i}`)).toBe(0);
      }
    }
    expect(waits).toEqual([0, 0, 0, 1000, 2000, 4000, 8000, 8000]);
    expect(throttle.admit('anna', '198.51.100.1')).toBeGreaterThan(0);
    expect(throttle.admit('anna', '10.0.0.9')).toBe(0);
    // One IPv6 subscriber is one address, a mapped IPv4 address is the IPv4 address.
    for (let i = 0; i < 3; i += 1) expect(throttle.admit(`name${i}`, `2001:db8::${i}`)).toBe(0);
    expect(throttle.admit('name9', '2001:db8::ffff')).toBeGreaterThan(0);
    for (let i = 0; i < 3; i += 1) expect(throttle.admit(`mapped${i}`, '203.0.113.7')).toBe(0);
    expect(throttle.admit('mapped9', '::ffff:203.0.113.7')).toBeGreaterThan(0);
    now += 16 * 60_000;
    expect(throttle.admit('anna', '198.51.100.1')).toBe(0);
  });
});
