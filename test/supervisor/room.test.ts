/**
 * Who gets to see the page and its feed, and what is in them. That the guards are what these tests see was tried by
 * taking each away in turn: other roles let in at the page, other roles let in at the socket, `ownSocketsOnly` off the
 * socket, the listeners of `ended` and `locked` off (with the look at each view and without), the first municipality in
 * place of the supervisor's own for the page, and for the feed; each makes one of the first four tests fail.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { mostOfSession, mostWatchers } from '../../gateway/supervisor/supervision.js';
import { Peers } from '../peers/process.js';
import { sleep, until } from '../peers/wait.js';
import { login } from '../screen/listener.js';
import { account, aDay, afternoon, busyOffice, startSupervision, type Office, type TestSupervision } from './office.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

const start = async (options: Parameters<typeof startSupervision>[0] = {}): Promise<TestSupervision> => peers.add(await startSupervision(options));

interface Feed {
  readonly socket: WebSocket;
  readonly messages: { type: string; view?: { organisation: string; calls: { shown: { id: string }[] } } }[];
  /** Status of a refusal, or the code of a close. */
  ended: number | undefined;
}

function listen({ origin }: Pick<TestSupervision, 'origin'>, headers: Record<string, string>, answers = true): Feed {
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/supervisor/ws`, { headers: { origin, ...headers } });
  const feed: Feed = { socket, messages: [], ended: undefined };
  peers.defer(() => socket.terminate());
  socket.on('message', (data: Buffer) => {
    feed.messages.push(JSON.parse(data.toString('utf8')) as Feed['messages'][number]);
    if (answers) socket.send('{"type":"beat"}');
  });
  socket.on('unexpected-response', (_request, response) => { response.resume(); feed.ended = response.statusCode ?? 0; });
  socket.on('close', (code) => { feed.ended ??= code; });
  socket.on('error', () => undefined);
  return feed;
}

const told = (feed: Feed): Promise<unknown> => until(() => feed.messages.length > 0 || feed.ended !== undefined, 'the feed to say something', 15_000);
const ended = (feed: Feed): Promise<number> => until(() => feed.ended, 'the feed to end', 15_000);

async function cookieOf(room: TestSupervision, name: string): Promise<{ cookie: string }> {
  return { cookie: (await login(room.origin, name)).cookie };
}

const twoTenants = (now: number): Office['tenants'] => ['noord', 'zuid'].map((name) => ({ ...busyOffice(now), name, calls: busyOffice(now).calls.map((call) => ({ ...call, id: `${name}-${call.id}` })) }));
const peopleOfTwo = [
  account('nora', 'Nora', { tenant: 'noord', roles: ['supervisor'], hasPhone: false }), account('zita', 'Zita', { tenant: 'zuid', roles: ['supervisor'], hasPhone: false }), account('anna', 'Anna', { tenant: 'noord' }),
];

describe('who may look', () => {
  it('is a supervisor: the page and the feed are for nobody else', async () => {
    const room = await start();
    const page = async (headers: Record<string, string> = {}) => fetch(`${room.origin}/supervisor`, { headers, redirect: 'manual' });
    for (const name of ['anna', 'olga', 'adam']) {
      const headers = await cookieOf(room, name);
      const refused = await page(headers);
      expect(refused.status, name).toBe(403);
      expect(await refused.text(), name).not.toMatch(/Burgerzaken|Gijs/);
      expect((await fetch(`${room.origin}/supervisor/session`, { headers })).status, name).toBe(403);
      expect(await ended(listen(room, headers)), name).toBe(403);
    }
    const nobody = await page();
    expect([nobody.status, nobody.headers.get('location')]).toEqual([303, '/login?next=%2Fsupervisor']);
    expect(await ended(listen(room, {}))).toBe(401);
    const headers = await cookieOf(room, 'hans');
    const seen = await page(headers);
    expect(seen.status).toBe(200);
    expect(await seen.text()).toMatch(/Gijs Mulder/);
    const feed = listen(room, headers);
    await told(feed);
    expect(feed.messages[0]).toMatchObject({ type: 'view', view: { organisation: 'Gemeente Voorbeeld', calls: { total: 8 } } });
    // After a login without a wish of its own it is the first page.
    expect((await fetch(`${room.origin}/`, { headers, redirect: 'manual' })).headers.get('location')).toBe('/supervisor');
  });

  it('is one of this municipality: another’s supervisor sees the other municipality and nothing of this one', async () => {
    const room = await start({ tenants: twoTenants(Date.now()), signIn: { accounts: peopleOfTwo } });
    for (const [name, own, other] of [['nora', 'noord', 'zuid'], ['zita', 'zuid', 'noord']] as const) {
      const headers = await cookieOf(room, name);
      const html = await (await fetch(`${room.origin}/supervisor`, { headers })).text();
      const feed = listen(room, headers);
      await told(feed);
      for (const text of [html, JSON.stringify(feed.messages)]) {
        expect(text).toContain(`${own}-c1`);
        expect(text).not.toContain(`${other}-c1`);
      }
    }
    // What is counted for one is not counted for the other.
    room.happenings.tell({ type: 'call.arrived', tenant: 'noord', callId: 'x', service: 'Burgerzaken' });
    const rows = async (name: string): Promise<number> => ((await (await fetch(`${room.origin}/supervisor`, { headers: await cookieOf(room, name) })).text()).match(/"calls":1,/g) ?? []).length;
    await until(async () => (await rows('nora')) === 1, 'the call to be counted', 10_000);
    expect(await rows('zita')).toBe(0);
  });

  it('comes from our own page: another site cannot open the feed', async () => {
    const room = await start();
    const headers = await cookieOf(room, 'hans');
    expect(await ended(listen(room, { ...headers, origin: 'https://elsewhere.example' }))).toBe(403);
    const without = new WebSocket(`${room.origin.replace('http', 'ws')}/supervisor/ws`, { headers });
    const status = await new Promise((resolve) => {
      without.on('unexpected-response', (_request, response) => { response.resume(); resolve(response.statusCode); });
      without.on('open', () => resolve(101));
      without.on('error', () => undefined);
    });
    without.terminate();
    expect(status).toBe(403);
  });

  it('may look for as long as the login lasts and is not locked', async () => {
    const room = await start();
    const headers = await cookieOf(room, 'hans');
    const [first, other] = [listen(room, headers), listen(room, await cookieOf(room, 'hans'))];
    await Promise.all([told(first), told(other)]);
    await fetch(`${room.origin}/lock`, { method: 'POST', headers: { ...headers, origin: room.origin }, redirect: 'manual' });
    expect(await ended(first)).toBe(4002);
    expect(first.messages.at(-1)).toEqual({ type: 'locked' });
    expect(await ended(listen(room, headers))).toBe(423);
    // Another login of the same person goes on until it ends.
    const before = other.messages.length;
    await until(() => other.messages.length > before, 'the other page to be told more', 10_000);
    for (const socket of [other]) expect(socket.ended).toBeUndefined();
    const cookie = await cookieOf(room, 'hans');
    const third = listen(room, cookie);
    await told(third);
    await fetch(`${room.origin}/logout`, { method: 'POST', headers: { ...cookie, origin: room.origin }, redirect: 'manual' });
    expect(await ended(third)).toBe(4001);
    expect(third.messages.at(-1)).toEqual({ type: 'expired' });
    await until(() => room.supervision.watchers === 1, 'the ended pages to be forgotten', 10_000);
  });
});

describe('the feed', () => {
  it('tells again and again, and says nothing that the page was not made for', async () => {
    const room = await start({ clock: { now: afternoon } });
    aDay(room);
    const feed = listen(room, await cookieOf(room, 'hans'));
    await until(() => feed.messages.length >= 3, 'three views', 15_000);
    expect(new Set(feed.messages.map(({ type }) => type))).toEqual(new Set(['view']));
    const { view } = feed.messages.at(-1) as { view: Record<string, unknown> };
    expect(Object.keys(view).sort()).toEqual(['at', 'calls', 'desk', 'figures', 'hour', 'organisation', 'services', 'timeZone']);
    const calls = (view['calls'] as { shown: Record<string, unknown>[] }).shown;
    expect([...new Set(calls.flatMap((call) => Object.keys(call)))].sort()).toEqual(['agent', 'arrivedAt', 'id', 'identified', 'phase', 'service', 'since']);
  });

  it.each([['another kind', '{"type":"end"}'], ['more than its kind', '{"type":"beat","call":1}'], ['nonsense', 'nonsense'], ['very much', `{"type":"${'x'.repeat(3_000)}"}`]])('is closed by whatever a page would not say: %s', async (_what, said) => {
    const room = await start();
    const feed = listen(room, await cookieOf(room, 'hans'));
    await told(feed);
    feed.socket.send(said);
    expect([1008, 1009]).toContain(await ended(feed));
  });

  it('is closed by a page that says too much, and by one that says nothing', async () => {
    const room = await start();
    const headers = await cookieOf(room, 'hans');
    const [loud, silent] = [listen(room, headers), listen(room, headers, false)];
    await Promise.all([told(loud), told(silent)]);
    for (let n = 0; n < 80; n += 1) loud.socket.send('{"type":"active"}');
    expect(await ended(loud)).toBe(1008);
    expect(await ended(silent)).toBe(1006);
  }, 40_000);

  it('is for so many pages of a login and of a municipality, and no more', async () => {
    const room = await start();
    const headers = await cookieOf(room, 'hans');
    const feeds = Array.from({ length: mostOfSession + 2 }, () => listen(room, headers));
    await until(() => feeds.filter((feed) => feed.ended === 1013).length === 2, 'the pages too many to be refused', 15_000);
    expect(room.supervision.watchers).toBe(mostOfSession);
    const logins = Math.ceil(mostWatchers / mostOfSession);
    const others: Feed[] = [];
    for (let n = 0; n < logins; n += 1) {
      const cookie = await cookieOf(room, n % 2 === 0 ? 'hans' : 'hugo');
      others.push(...Array.from({ length: mostOfSession }, () => listen(room, cookie)));
    }
    await until(() => others.every((feed) => feed.ended !== undefined || feed.messages.length > 0), 'every page to be answered', 15_000);
    expect(room.supervision.watchers).toBeLessThanOrEqual(mostWatchers);
    // Whoever goes makes room.
    for (const feed of [...feeds, ...others]) feed.socket.terminate();
    await until(() => room.supervision.watchers === 0, 'the pages to be forgotten', 15_000);
  }, 60_000);

  it('goes on when the desk does not answer, and says so', async () => {
    const room = await start();
    const feed = listen(room, await cookieOf(room, 'hans'));
    await told(feed);
    room.office.tenants[0]!.desk = undefined;
    await until(() => (feed.messages.at(-1) as { view?: { desk: unknown } }).view?.desk === null, 'the page to be told', 10_000);
    expect(feed.ended).toBeUndefined();
  });

  it('looks once at a time, however slow the desk is and however many ask', async () => {
    const room = await start();
    const headers = await cookieOf(room, 'hans');
    const tenant = room.office.tenants[0]!;
    let answer = (): void => undefined;
    tenant.slow = new Promise((resolve) => (answer = resolve));
    const feeds = [listen(room, headers), listen(room, headers), listen(room, headers)];
    await until(() => room.supervision.watchers === 3 && tenant.looks, 'the pages to be there', 15_000);
    // Many turns of the room's clock.
    await sleep(1_500);
    expect(tenant.looks).toBe(1);
    answer();
    await Promise.all(feeds.map(told));
    await until(() => tenant.looks! > 1, 'the next look', 15_000);
  });

  it('ends with the gateway', async () => {
    const room = await start();
    const headers = await cookieOf(room, 'hans');
    const feed = listen(room, headers);
    await told(feed);
    await room.supervision.close();
    await room.supervision.close();
    expect(await ended(feed)).toBe(1001);
    expect(await ended(listen(room, headers))).toBe(1001);
  });
});

describe('the page', () => {
  it('runs nothing that is not served from here, is kept by nobody, and shows names as text', async () => {
    const name = '</script><script>alert(1)</script><b>"\'&';
    const room = await start({ tenants: [{ ...busyOffice(Date.now()), services: [name], calls: [{ id: name, service: { name }, state: { name: 'waiting', identity: 'none' }, stateSince: 1, startedAt: 1 }] }] });
    const answer = await fetch(`${room.origin}/supervisor?service=${encodeURIComponent('<b>')}&language=%22%3E%3Cb%3E`, { headers: { ...(await cookieOf(room, 'hans')), 'accept-language': 'en' } });
    const html = await answer.text();
    expect(answer.headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(answer.headers.get('content-security-policy')).toContain("require-trusted-types-for 'script'");
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(html).not.toContain('<b>');
    expect(html).not.toContain('alert(1)</script>');
    expect(html).not.toMatch(/ (on[a-z]+|style)=/);
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(html).toContain('&lt;/script&gt;');
  });

  it('names no file that the listener does not have', async () => {
    const room = await start();
    const html = await (await fetch(`${room.origin}/supervisor`, { headers: await cookieOf(room, 'hans') })).text();
    const names = [...html.matchAll(/(?:src|href)="(\/[a-z]+\/assets\/[^"]+)"/g)].map(([, name]) => name!);
    const script = await (await fetch(`${room.origin}/supervisor/assets/supervisor.js`)).text();
    names.push(...[...script.matchAll(/from '\.?(\/[^']+)'/g)].map(([, name]) => (name!.includes('/assets/') ? name! : `/supervisor/assets${name!}`)));
    expect(names.length).toBeGreaterThan(7);
    for (const name of names) expect((await fetch(`${room.origin}${name}`)).status, name).toBe(200);
  });
});
