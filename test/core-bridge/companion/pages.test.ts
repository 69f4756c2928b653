import { afterEach, describe, expect, it } from 'vitest';
import { until as waitUntil } from '../../peers/wait.js';
import { startRig, startSession, startSessionForCall, words, type Rig } from './rig.js';

let rig: Rig;
afterEach(async () => {
  await rig?.close();
});

/** Patience for a busy machine. */
const until = (check: () => boolean, what: string): Promise<boolean> => waitUntil(check, what, 15_000);

const TOKEN = 'A'.repeat(43);
const dutch = { 'accept-language': 'nl-NL,nl;q=0.9,en;q=0.8' };
const english = { 'accept-language': 'en-GB' };

/** An open stream of events, as a browser would read it. */
async function listen(url: string) {
  const stopping = new AbortController();
  const answer = await fetch(url, { signal: stopping.signal });
  let text = '';
  let ended = false;
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const part of answer.body ?? []) text += decoder.decode(part as Uint8Array, { stream: true });
  })().catch(() => undefined).finally(() => (ended = true));
  const views = (): { title: string; live: boolean }[] => [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => (JSON.parse(data ?? '') as { view: { title: string; live: boolean } }).view);
  return {
    status: answer.status, headers: answer.headers, views, text: () => text, ended: () => ended, title: () => views().at(-1)?.title,
    stop: async () => {
      stopping.abort();
      await reading;
    },
  };
}

describe('the page', () => {
  it('shows number, code and word, and tells nobody else', async () => {
    rig = await startRig();
    const session = await startSession(rig);
    await session.authenticate();
    const answer = await fetch(session.url, { headers: dutch });
    const page = await answer.text();
    expect(answer.status).toBe(200);
    expect(page).toContain(`href="tel:+31201234567,${session.code}"`);
    expect(page).toContain(`<span>${session.code.slice(0, 3)}</span> <span>${session.code.slice(3, 6)}</span> <span>${session.code.slice(6)}</span>`);
    expect(page).toContain([session.code.slice(0, 3), session.code.slice(3, 6), session.code.slice(6)].map((group) => [...group].join(' ')).join(', '));
    const word = (await rig.tenant.vault.onPage(session.pageToken))?.word ?? -1;
    expect(page).toContain(`<p class="word" lang="nl">${words.nl[word] ?? 'no word'}</p>`);
    // The page's own address and what it loads: all of it from here.
    expect([...page.matchAll(/(?:src|href|action)="(?!\/c\/|tel:|data:,|\?)([^"]*)"/g)].map(([, address]) => address)).toEqual([]);
    expect(page).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=/);
    const { headers } = answer;
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('x-robots-tag')).toBe('noindex');
    expect(headers.get('content-language')).toBe('nl');
    expect(headers.get('set-cookie')).toBeNull();
    expect(headers.get('content-security-policy')?.split(';').sort()).toEqual([
      "base-uri 'none'", "connect-src 'self'", "default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", 'img-src data:', "require-trusted-types-for 'script'", "script-src 'self'", "style-src 'self'",
    ]);
    for (const asset of page.match(/\/c\/assets\/[^"]+/g) ?? []) {
      const found = await fetch(`${rig.base}${asset}`);
      expect([asset, found.status, found.headers.get('cache-control')]).toEqual([asset, 200, 'public, max-age=86400, immutable']);
    }
  });

  it('speaks the language asked for, the browser’s, or the service’s; the word stays the one that is spoken', async () => {
    rig = await startRig();
    const moving = await startSession(rig);
    const passport = await startSession(rig, 'request_passport');
    const language = async (url: string, headers: Record<string, string> = {}): Promise<string | undefined> => /<html lang="(..)">/.exec(await (await fetch(url, { headers })).text())?.[1];
    expect(await language(`${moving.url}?lang=en`, dutch)).toBe('en');
    expect(await language(moving.url, english)).toBe('en');
    expect(await language(moving.url, { 'accept-language': 'pl' })).toBe('nl');
    expect(await language(passport.url, { 'accept-language': 'pl' })).toBe('en');
    expect(await language(`${moving.url}?lang=xx&lang=en`, { 'accept-language': 'nl' })).toBe('nl');
    const page = await (await fetch(moving.url, { headers: english })).text();
    expect(page).toMatch(/<p class="word" lang="nl">/);
    expect(page).toContain('in Dutch');
  });

  it('shows the word of a session for a call only when its citizen is verified', async () => {
    rig = await startRig();
    const session = await startSessionForCall(rig);
    const word = words.nl[session.word] ?? 'no word';
    expect(await (await fetch(session.url, { headers: dutch })).text()).not.toContain(`>${word}<`);
    await session.authenticate();
    expect(await (await fetch(session.url, { headers: dutch })).text()).toContain(`<p class="word" lang="nl">${word}</p>`);
    const failed = await startSessionForCall(rig, 'call-2');
    await failed.authenticate('failed');
    const page = await (await fetch(failed.url, { headers: dutch })).text();
    expect(page).toContain('Inloggen is niet gelukt');
    expect(page).not.toContain('class="word"');
  });

  it('keeps nothing but the receipt when all is over', async () => {
    rig = await startRig();
    const session = await startSession(rig);
    await session.authenticate();
    const claim = await session.claim();
    session.post({ step: 'connected' }, { step: 'codeUsedAgain' }, { step: 'ended' });
    await rig.tenant.vault.purge(claim.sessionId, 'call-1');
    session.post({ step: 'deleted', afterMs: 38 });
    const answer = await fetch(session.url, { headers: dutch });
    const page = await answer.text();
    expect(answer.status).toBe(200);
    expect(page).toContain('Uw gegevens zijn verwijderd, 38 milliseconden nadat er werd opgehangen.');
    expect(page).toContain('dinsdag 24 november 2026 om 14:20:00');
    for (const gone of [session.code, `>${words.nl[claim.word] ?? ''}<`, 'Let op', 'http-equiv', 'data-events', '<li ', '<form']) expect(page).not.toContain(gone);
  });

  it('helps whoever comes with an address that leads nowhere', async () => {
    rig = await startRig({}, ['Gemeente Zutphen', 'Gemeente Lochem']);
    for (const [path, status] of [[`/c/${TOKEN}`, 410], ['/c/short', 404], [`/c/${TOKEN}x`, 404], [`/c/${TOKEN}/other`, 404], ['/c/', 404], ['/c', 404], [`/c/${TOKEN}/events`, 410], ['/c/assets/none.js', 404]] as const) {
      const answer = await fetch(`${rig.base}${path}`, { headers: dutch });
      expect([path, answer.status]).toEqual([path, status]);
      expect(await answer.text()).toContain('Log dan opnieuw in op de website');
    }
    const session = await startSession(rig);
    rig.clock.now += 901_000;
    const expired = await fetch(session.url, { headers: english });
    expect(expired.status).toBe(410);
    expect(await expired.text()).toContain('This page is no longer valid');
    expect((await fetch(`${rig.base}/c/${TOKEN}`, { method: 'DELETE' })).status).toBe(404);
  });

  it('finds the municipality a page belongs to', async () => {
    rig = await startRig({}, ['Gemeente Zutphen', 'Gemeente Lochem']);
    const [, second] = rig.tenants;
    if (!second) throw new Error('two were asked for');
    const session = await startSession({ ...rig, tenant: second });
    const page = await (await fetch(session.url, { headers: dutch })).text();
    expect(page).toContain('Gemeente Lochem');
    expect(page).not.toContain('Zutphen');
  });

  it('says so when the store is out of reach', async () => {
    rig = await startRig();
    const session = await startSession(rig);
    rig.tenant.boards.unreachable = true;
    const answer = await fetch(session.url, { headers: dutch });
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('10');
    expect(await answer.text()).toContain('Deze pagina werkt nu even niet');
  });

  it('bounds the requests of one address', async () => {
    rig = await startRig({ maxPerMinute: 3 });
    const session = await startSession(rig);
    const statuses: number[] = [];
    for (let request = 0; request < 4; request += 1) statuses.push((await fetch(session.url, { headers: dutch })).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
  });

  it('writes no address, code or word into the log', async () => {
    rig = await startRig();
    const session = await startSession(rig);
    const stream = await listen(`${session.url}/events`);
    for (const path of ['', '/', '/longer', '/events/', '/other', '?lang=%zz', '/%zz', `/${'x'.repeat(300)}`]) await fetch(`${session.url}${path}`);
    await fetch(`${session.url}/longer`, { method: 'POST', body: 'x'.repeat(5_000), headers: { 'content-type': 'application/json' } });
    rig.tenant.boards.unreachable = true;
    await fetch(session.url);
    await stream.stop();
    const log = rig.lines.join('');
    expect(log).not.toContain(session.pageToken);
    expect(log).not.toContain(session.code);
  });
});

describe('asking for more time', () => {
  it('takes one press, within what is allowed', async () => {
    rig = await startRig();
    const session = await startSession(rig);
    const press = (headers: Record<string, string> = {}) => fetch(`${session.url}/longer?lang=nl`, { method: 'POST', redirect: 'manual', headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers } });
    rig.clock.now += 600_000;
    const pressed = await press({ 'sec-fetch-site': 'same-origin', origin: 'null' });
    expect([pressed.status, pressed.headers.get('location')]).toEqual([303, `/c/${session.pageToken}?lang=nl#validity`]);
    expect(await (await fetch(session.url, { headers: dutch })).text()).toContain('Uw code is geldig tot 14:45 uur.');
    for (let step = 0; step < 4; step += 1) {
      rig.clock.now += 600_000;
      await press();
    }
    const page = await (await fetch(session.url, { headers: dutch })).text();
    expect(page).toContain('Uw code is geldig tot 15:20 uur.');
    expect(page).toContain('Deze code kan niet nog langer geldig blijven.');
    expect(page).toMatch(/<form method="post"[^>]* hidden>/);
  });

  it('answers a script with the view', async () => {
    rig = await startRig();
    const session = await startSession(rig);
    rig.clock.now += 600_000;
    const answer = await fetch(`${session.url}/longer?lang=en`, { method: 'POST', headers: { accept: 'application/json', origin: rig.base } });
    expect(await answer.json()).toMatchObject({ now: rig.clock.now, view: { validity: { sentence: 'Your code is valid until 14:45.' } } });
  });

  it('is refused to other sites, and for sessions that are not there', async () => {
    rig = await startRig();
    const session = await startSession(rig);
    const press = async (headers: Record<string, string>, token = session.pageToken) => (await fetch(`${rig.base}/c/${token}/longer`, { method: 'POST', headers, redirect: 'manual' })).status;
    const before = (await rig.tenant.vault.onPage(session.pageToken))?.expiresAt;
    rig.clock.now += 600_000;
    expect(await press({ 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' })).toBe(410);
    expect(await press({ 'sec-fetch-site': 'same-site' })).toBe(410);
    expect(await press({ origin: 'https://evil.example' })).toBe(410);
    expect((await rig.tenant.vault.onPage(session.pageToken))?.expiresAt).toEqual(before);
    expect(await press({}, TOKEN)).toBe(410);
    expect(await press({}, 'short')).toBe(404);
    expect(await press({})).toBe(303);
  });
});

describe('the stream of events', () => {
  it('tells each step as it happens, and ends with the receipt', async () => {
    rig = await startRig();
    const session = await startSession(rig);
    const stream = await listen(`${session.url}/events?lang=nl`);
    expect([stream.status, stream.headers.get('content-type'), stream.headers.get('cache-control')]).toEqual([200, 'text/event-stream; charset=utf-8', 'no-store']);
    await until(() => stream.title() === 'Bel ons nu met uw code', 'the first view');
    await session.authenticate();
    const claim = await session.claim();
    session.post({ step: 'waiting', place: 2 });
    await until(() => stream.title() === 'U staat in de wachtrij', 'the queue');
    session.post({ step: 'connected' });
    await until(() => stream.title() === 'U spreekt met een medewerker', 'the conversation');
    session.post({ step: 'ended' });
    await rig.tenant.vault.purge(claim.sessionId, 'call-1');
    session.post({ step: 'deleted', afterMs: 5 });
    await until(() => stream.ended(), 'the end of the stream');
    expect(stream.views().at(-1)).toMatchObject({ live: false, receipt: { sentence: 'Uw gegevens zijn verwijderd, 5 milliseconden nadat er werd opgehangen.' } });
    expect(stream.text()).not.toContain(session.code);
    expect(stream.text()).toMatch(/^retry: \d{4}\n\n/);
    await until(() => rig.tenant.boards.watching === 0, 'the watcher to be gone');
  });

  it('is bounded for one page and in all, and gives its place back', async () => {
    rig = await startRig({ streams: { maxOpen: 3, maxPerPage: 2 } });
    const [one, other] = [await startSession(rig), await startSession(rig)];
    const first = await listen(`${one.url}/events`);
    const second = await listen(`${one.url}/events`);
    expect((await listen(`${one.url}/events`)).status).toBe(503);
    const third = await listen(`${other.url}/events`);
    expect((await listen(`${other.url}/events`)).status).toBe(503);
    expect(rig.tenant.boards.watching).toBe(3);
    await first.stop();
    await until(() => rig.tenant.boards.watching === 2, 'the first to be gone');
    const again = await listen(`${one.url}/events`);
    expect(again.status).toBe(200);
    await Promise.all([second.stop(), third.stop(), again.stop()]);
    await until(() => rig.tenant.boards.watching === 0, 'all to be gone');
  });

  it('sends signs of life, looks again by itself, and survives a store that is away', async () => {
    rig = await startRig({ streams: { beatMs: 50 } });
    const session = await startSession(rig);
    const stream = await listen(`${session.url}/events?lang=nl`);
    await until(() => stream.text().includes(': beat'), 'a sign of life');
    rig.tenant.boards.unreachable = true;
    const beats = stream.text().split(': beat').length;
    await until(() => stream.text().split(': beat').length > beats + 2, 'signs of life without a store');
    rig.tenant.boards.unreachable = false;
    // Nobody tells of time passing.
    rig.clock.now += 790_000;
    await until(() => stream.text().includes('Uw code verloopt om 14:35 uur'), 'the warning');
    rig.clock.now += 200_000;
    await until(() => stream.ended(), 'the end of the stream');
    expect(stream.title()).toBe('Deze pagina geldt niet meer');
  });

  it('ends at its age, and with the listener', async () => {
    rig = await startRig({ streams: { maxAgeMs: 100 } });
    const aged = await listen(`${(await startSession(rig)).url}/events`);
    await until(() => aged.ended(), 'the stream to grow old');
    await rig.close();
    rig = await startRig();
    const open = await listen(`${(await startSession(rig)).url}/events`);
    await until(() => open.views().length === 1, 'the first view');
    await rig.app.close();
    await until(() => open.ended(), 'the stream to end');
    expect(rig.tenant.boards.watching).toBe(0);
  });
});
