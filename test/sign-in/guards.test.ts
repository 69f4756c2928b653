/**
 * Every route of the agents' listener is asked by everybody. The list is the listener's own, so a route somebody adds
 * is asked too. That the guards are what these tests see was tried by taking each away in turn: `ownPagesOnly` off one
 * POST, the look at the role in `#guard`, the look at `locked`, `pageFor` off a page, the new secret in `start`, and
 * `ownSocketsOnly` off the socket each make one of these tests fail.
 */
import { WebSocket } from 'ws';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Peers } from '../peers/process.js';
import { account, password, startDoor, type TestDoor } from './door.js';
import { Visitor } from './visitor.js';

const peers = new Peers();
let door: TestDoor;
const roles = ['agent', 'supervisor', 'auditor', 'admin'] as const;
beforeEach(async () => {
  const accounts = roles.map((role) => account(`one-${role}`, `One ${role}`, { roles: [role], hasPhone: role === 'agent' }));
  door = peers.add(await startDoor({ accounts: [...accounts, account('both', 'Both', { roles: ['supervisor', 'agent'] })], throttle: { freeTriesPerAddress: 1000 } }));
});
afterEach(() => peers.stopAll());

async function logIn(name: string): Promise<Visitor> {
  const visitor = await new Visitor().go(`${door.origin}/login`);
  return visitor.submit({ name, password });
}

/** What anybody may see. */
const open = [/^GET \/$/u, /^GET \/login$/u, /^GET \/logged-out$/u, /^GET \/unlock$/u, /\/assets\//u, /^GET \/\*$/u];

describe('roles', () => {
  it('open the pages of their own and no others', async () => {
    for (const role of roles) {
      const visitor = await logIn(`one-${role}`);
      for (const asked of roles) {
        const page = await visitor.request(asked === 'agent' ? `${door.origin}/screen` : `${door.origin}/of/${asked}`);
        expect(page.status, `${role} at the page of ${asked}`).toBe(role === asked ? 200 : 403);
        const api = await visitor.request(asked === 'agent' ? `${door.origin}/screen/session` : `${door.origin}/api/${asked}`, { headers: { accept: 'application/json' } });
        expect(api.status, `${role} at the data of ${asked}`).toBe(role === asked ? 200 : 403);
        if (role !== asked) expect(await api.json()).toMatchObject({ error: 'not_allowed' });
      }
    }
    const both = await logIn('both');
    expect((await both.request(`${door.origin}/screen`)).status).toBe(200);
    expect((await both.request(`${door.origin}/of/supervisor`)).status).toBe(200);
    expect((await both.request(`${door.origin}/of/auditor`)).status).toBe(403);
  });

  it('open the socket of a screen to agents alone, and only from a page of this site', async () => {
    const opened = async (name: string, headers: Record<string, string> = {}): Promise<number> => {
      const visitor = await logIn(name);
      const cookie = `screen=${visitor.cookies(door.origin).get('screen') ?? ''}`;
      const socket = new WebSocket(`${door.origin.replace('http', 'ws')}/screen/ws`, { headers: { cookie, origin: door.origin, ...headers } });
      return new Promise((resolve) => {
        socket.on('open', () => { socket.terminate(); resolve(101); });
        socket.on('unexpected-response', (_request, response) => { response.resume(); resolve(response.statusCode ?? 0); });
        socket.on('error', () => undefined);
      });
    };
    expect(await opened('one-agent')).toBe(101);
    expect(await opened('one-agent', { origin: 'https://crm.example.org' })).toBe(403);
    for (const role of ['supervisor', 'auditor', 'admin']) expect(await opened(`one-${role}`), role).toBe(403);
  });

  it('lead everybody to a page of theirs', async () => {
    expect((await logIn('one-agent')).url).toBe(`${door.origin}/screen`);
    const auditor = await logIn('one-auditor');
    expect([auditor.url, auditor.status]).toEqual([`${door.origin}/account`, 200]);
    expect(auditor.text).toContain('One auditor');
    const asked = await new Visitor().go(`${door.origin}/of/supervisor`);
    expect(asked.url).toBe(`${door.origin}/login?next=%2Fof%2Fsupervisor`);
    expect((await asked.submit({ name: 'both', password })).text).toBe('seen');
  });
});

describe('every route', () => {
  it('shows nothing to who is not logged in', async () => {
    const asked = door.routes.filter((route) => route.startsWith('GET ') && !open.some((one) => one.test(route)));
    expect(asked).toEqual(expect.arrayContaining(['GET /screen', 'GET /screen/session', 'GET /screen/ws', 'GET /account', 'GET /of/auditor', 'GET /api/admin']));
    for (const route of asked) {
      const answer = await fetch(door.origin + route.slice(4), { redirect: 'manual' });
      expect([303, 401, 403], route).toContain(answer.status);
      if (answer.status === 303) expect(answer.headers.get('location')).toMatch(/^\/login/u);
    }
  });

  it('that changes something refuses what another site asks for, with or without a login', async () => {
    const changing = door.routes.filter((route) => /^(?:POST|PUT|PATCH|DELETE) /u.test(route) && !route.endsWith(' /*'));
    expect(changing).toEqual(expect.arrayContaining(['POST /login', 'POST /logout', 'POST /lock', 'POST /unlock']));
    const foreign: Record<string, string>[] = [
      { origin: 'https://evil.example' }, { origin: 'null' }, { origin: `${door.origin}0` }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { 'sec-fetch-site': 'none' },
      { origin: door.origin, 'sec-fetch-site': 'cross-site' }, {},
    ];
    for (const route of changing) {
      const [method = '', path = ''] = route.split(' ');
      for (const headers of foreign) {
        const visitor = await logIn('one-agent');
        const answer = await fetch(door.origin + path, { method, redirect: 'manual', headers: { cookie: `screen=${visitor.cookies(door.origin).get('screen') ?? ''}`, ...headers }, body: new URLSearchParams({ name: 'one-agent', password }) });
        expect([answer.status, answer.headers.get('set-cookie')], `${route} ${JSON.stringify(headers)}`).toEqual([403, null]);
        expect(await answer.json()).toMatchObject({ error: 'foreign_origin' });
        const session = await door.signIn.sessionByCookie(visitor.cookies(door.origin).get('screen'));
        expect([session?.isLive, session?.locked]).toEqual([true, false]);
      }
    }
  }, 60_000);

  it('is shut while locked, but for unlocking and logging out', async () => {
    const visitor = await logIn('both');
    await visitor.go('/lock', { method: 'POST' });
    expect(visitor.url).toBe(`${door.origin}/unlock`);
    const asked = door.routes.filter((route) => route.startsWith('GET ') && !open.some((one) => one.test(route)) && !route.endsWith('/ws'));
    for (const route of asked) {
      const answer = await visitor.request(door.origin + route.slice(4));
      expect([303, 423], route).toContain(answer.status);
      if (answer.status === 303) expect(answer.headers.get('location')).toBe('/unlock');
    }
    await visitor.go(`${door.origin}/unlock`);
    await visitor.submit({ password: 'wrong' });
    expect([visitor.status, visitor.text]).toEqual([401, expect.stringContaining('password is not right')]);
    await visitor.submit({ password });
    expect([visitor.url, visitor.status]).toEqual([`${door.origin}/screen`, 200]);
    await visitor.go('/lock', { method: 'POST' });
    await visitor.go('/logout', { method: 'POST' });
    expect(visitor.url).toBe(`${door.origin}/login`);
  });

  it('forgets nothing of the throttle when somebody guesses at the lock', async () => {
    const visitor = await logIn('one-agent');
    await visitor.go('/lock', { method: 'POST' });
    const statuses: number[] = [];
    for (let tries = 0; tries < 8; tries += 1) statuses.push((await visitor.request(`${door.origin}/unlock`, { method: 'POST', body: new URLSearchParams({ password: `guess ${tries}` }) })).status);
    expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(6);
    expect(statuses.at(-1)).toBe(429);
  });
});

describe('a login', () => {
  it('never takes over a secret that was there before (session fixation)', async () => {
    const planted = new Visitor();
    planted.setCookie(door.origin, 'screen', 'A'.repeat(43));
    await planted.go(`${door.origin}/login`);
    await planted.submit({ name: 'one-agent', password });
    const cookie = planted.cookies(door.origin).get('screen');
    expect(cookie).toMatch(/^[\w-]{43}$/u);
    expect(cookie).not.toBe('A'.repeat(43));
    // A login of somebody else in the same browser: another secret, and the first one is worth nothing.
    await planted.request(`${door.origin}/login`, { method: 'POST', body: new URLSearchParams({ name: 'both', password }) });
    expect(planted.cookies(door.origin).get('screen')).not.toBe(cookie);
    expect(await door.signIn.sessionByCookie(cookie)).toBeUndefined();
    // Locking and unlocking changes nothing about it.
    await planted.go('/lock', { method: 'POST' });
    await planted.submit({ password });
    expect((await planted.request(`${door.origin}/screen`)).status).toBe(200);
  });

  it('is told to whoever keeps count, without what was typed', async () => {
    await logIn('nobody-here');
    const visitor = await logIn('one-agent');
    await visitor.go('/logout', { method: 'POST' });
    expect(door.happened).toMatchObject([
      { type: 'agent.refused', by: 'password' },
      { type: 'agent.signedIn', tenant: 'main', agent: 'one-agent', by: 'password' },
      { type: 'agent.signedOut', tenant: 'main', agent: 'one-agent', by: 'password' },
    ]);
    expect(JSON.stringify(door.happened) + door.logged()).not.toContain('nobody-here');
  });
});
