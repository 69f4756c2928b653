/**
 * Signing in at a provider from a frame of another site, in Chromium over https: the provider is npm's oidc-provider, in
 * a tab. That the guards are what is seen here was tried by taking each away: the looks at `Sec-Fetch-Site` (a link with
 * a ticket signs in for a stranger's frame, a stranger's tab begins one), at `event.origin` in tab.js, at our own pages,
 * that a sign-in is taken once, and the ones at the person and the proof when it unlocks. The looks at `event.source`,
 * and at both in framed.js, are second ones: a ticket is only ever told to the tab that was opened, and to our origin.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { BrowserContext, Frame, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { HandOversHere, newFrameSecret, type HandOver } from '../../gateway/sign-in/hand-over.js';
import { startBrowser, type TestBrowser } from '../peers/browser.js';
import { freePort } from '../peers/ports.js';
import { violations } from '../support/axe.js';
import { Peers, scratchFolder } from '../peers/process.js';
import { makeCertificate } from '../peers/redis.js';
import { until } from '../peers/wait.js';
import { account, startDoor, tenant, type TestDoor } from './door.js';
import { oidcConfig, startProvider } from './provider.js';

const peers = new Peers();
let browser: TestBrowser;
let certificate: { key: string; cert: string };
beforeAll(async () => {
  browser = await startBrowser();
  const { certFile, keyFile } = await makeCertificate(scratchFolder('certificate'));
  certificate = { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') };
}, 60_000);
afterAll(() => browser.stop());
afterEach(() => peers.stopAll());

/** A site of somebody else. */
async function site(name: string, page: () => string, headers: Record<string, string> = {}): Promise<string> {
  const port = await freePort();
  const server = createServer(certificate, (_request, response) => {
    for (const [header, value] of Object.entries(headers)) response.setHeader(header, value);
    response.setHeader('content-type', 'text/html').end(page());
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  peers.defer(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `https://${name}.localhost:${port}`;
}

interface Desktop {
  door: TestDoor;
  crm: string;
  context: BrowserContext;
  page: Page;
  /** Our page in the frame, whichever it is now. */
  frame: () => Frame;
}

/** Another desktop with our screen in a frame, opened by an agent. */
async function desktop({ locale = 'nl-NL', headers = {}, bypassCSP = false, local = true }: { locale?: string; headers?: Record<string, string>; bypassCSP?: boolean; local?: boolean } = {}): Promise<Desktop> {
  const port = await freePort();
  const origin = `https://agents.localhost:${port}`;
  const provider = peers.add(await startProvider({ origin, people: { anna: { preferred_username: 'anna' }, bram: { preferred_username: 'bram' }, nobody: { preferred_username: 'nobody' } } }));
  const crm = await site('crm', () => `<!doctype html><title>desktop</title><iframe name="agents" src="${origin}/screen" width="900" height="700"></iframe><script>window.heard = []; addEventListener('message', (event) => heard.push(event.data));</script>`, headers);
  const door = peers.add(await startDoor({
    port, host: 'agents.localhost', https: certificate, origins: [origin], embedIn: [crm],
    accounts: [account('anna', 'Anna de Wit'), account('bram', 'Bram')], tenants: [tenant('main', oidcConfig(provider.issuer), { local })],
  }));
  const context = await browser.browser.newContext({ locale, ignoreHTTPSErrors: true, bypassCSP });
  peers.defer(() => context.close());
  const page = await context.newPage();
  await page.goto(crm);
  const frame = (): Frame => page.frame({ name: 'agents' })!;
  // It asks for the screen once more by itself, and is sent to the login then.
  await until(() => frame().url() === `${origin}/login`, 'the login in the frame', 15_000);
  await frame().getByRole('link', { name: 'Stadsinlog' }).first().waitFor();
  return { door, crm, context, page, frame };
}

/** At the provider. */
async function prove(tab: Page, login: string): Promise<void> {
  await tab.getByPlaceholder('Enter any login').fill(login);
  await tab.getByPlaceholder('and password').fill('whatever');
  await tab.keyboard.press('Enter');
  const consent = tab.getByRole('button', { name: 'Continue' });
  const done = tab.locator('main');
  await consent.or(done).first().waitFor();
  if (await consent.isVisible()) await consent.click();
}

async function openTab({ context, frame }: Desktop, link: string): Promise<Page> {
  const [tab] = await Promise.all([context.waitForEvent('page'), frame().getByRole('link', { name: link }).click()]);
  return tab;
}

it('the frame goes on by itself when the login in the tab is done, by keyboard alone, and says so in words', async () => {
  const on = await desktop({ local: false });
  const { door, context, page, frame } = on;
  await frame().getByText('Dit opent een nieuw tabblad. Meld u daar aan; hier gaat het daarna vanzelf verder.').waitFor();
  await until(async () => {
    await page.keyboard.press('Tab');
    return frame().evaluate<boolean>(`document.activeElement.textContent === 'Aanmelden met Stadsinlog'`);
  }, 'the link to be reached by Tab');
  const [tab] = await Promise.all([context.waitForEvent('page'), page.keyboard.press('Enter')]);
  await frame().getByRole('status').getByText('Meld u in het nieuwe tabblad aan bij Stadsinlog. Hier gaat het daarna vanzelf verder.').waitFor();
  await prove(tab, 'anna');
  await tab.getByText('U kunt dit tabblad sluiten.').waitFor();
  await until(() => door.screens.isPresent('anna'), 'the screen in the frame', 15_000);
  expect(frame().url()).toBe(`${door.origin}/screen`);
  // The tab was a means: nobody is logged in there.
  await tab.goto(`${door.origin}/screen`);
  await tab.getByRole('link', { name: 'Aanmelden met Stadsinlog' }).waitFor();
  const cookies = (await context.cookies()).filter(({ domain }) => domain === 'agents.localhost');
  expect(cookies.map(({ name, partitionKey }) => [name, partitionKey?.includes('crm.localhost')])).toEqual([['__Host-screen', true]]);
  expect(cookies[0]).toMatchObject({ httpOnly: true, secure: true });
  expect(door.happened.map(({ type }) => type)).toEqual(['agent.signedIn']);
  // Its parent was told nothing of it.
  expect(await page.evaluate('JSON.stringify(heard)')).toBe('[]');
}, 60_000);

it('in English, to the page that was asked for; who is not known here may try another account in the same tab', async () => {
  const on = await desktop({ locale: 'en-GB' });
  await on.frame().goto(`${on.door.origin}/login?next=/account`);
  const tab = await openTab(on, 'Log in with Stadsinlog');
  await on.frame().getByText('Log in at Stadsinlog in the new tab.').waitFor();
  await prove(tab, 'nobody');
  await tab.getByRole('alert').getByText('not known here').waitFor();
  await tab.getByRole('link', { name: 'Log in with another account' }).click();
  await prove(tab, 'anna');
  await tab.getByText('You can close this tab.').waitFor();
  await on.frame().getByText('Logged in as Anna de Wit.').waitFor();
  expect(on.frame().url()).toBe(`${on.door.origin}/account`);
}, 60_000);

it('a locked screen in a frame is unlocked in the same way, by the same person who is asked anew', async () => {
  const on = await desktop();
  const { door, frame } = on;
  await prove(await openTab(on, 'Aanmelden met Stadsinlog'), 'anna');
  await until(() => door.screens.isPresent('anna'), 'the screen', 15_000);
  await frame().getByRole('button', { name: 'Vergrendel' }).click();
  await frame().getByRole('heading', { name: 'Vergrendeld' }).waitFor();
  await prove(await openTab(on, 'Ontgrendelen met Stadsinlog'), 'bram');
  await frame().getByRole('status').getByText('Dit was een ander account.').waitFor();
  expect(door.screens.isPresent('anna')).toBe(false);
  await prove(await openTab(on, 'Ontgrendelen met Stadsinlog'), 'anna');
  await until(() => door.screens.isPresent('anna'), 'the screen again', 15_000);
  expect(door.happened.map(({ type }) => type)).toEqual(['agent.signedIn', 'agent.refused']);
}, 60_000);

it('where the desktop keeps its tabs apart, the tab itself has the screen', async () => {
  const on = await desktop({ headers: { 'cross-origin-opener-policy': 'same-origin' } });
  const tab = await openTab(on, 'Aanmelden met Stadsinlog');
  await prove(tab, 'anna');
  await tab.waitForURL(`${on.door.origin}/screen`);
  await until(() => on.door.screens.isPresent('anna'), 'the screen in the tab', 15_000);
}, 60_000);

it('nobody is talked into signing in for somebody else’s frame', async () => {
  const on = await desktop();
  const { door, context, page, frame } = on;
  const { ticket } = newFrameSecret();
  // A link with a stranger's ticket, however it is opened.
  const evil = await site('evil', () => `<a href="${door.origin}/login/oidc?frame=${ticket}">prize</a><a href="${door.origin}/login/tab" target="_blank" rel="opener">tab</a>`);
  const victim = await context.newPage();
  await victim.goto(evil);
  await victim.getByText('prize').click();
  await victim.waitForURL(`${door.origin}/login`);
  await victim.goto(`${door.origin}/login/oidc?frame=${ticket}`);
  await victim.waitForURL(`${door.origin}/login`);
  // A tab that a stranger opens goes nowhere; one that the frame opened listens to nobody else.
  await victim.goto(evil);
  const [opened] = await Promise.all([context.waitForEvent('page'), victim.getByText('tab').click()]);
  await opened.waitForURL(`${door.origin}/login`);
  // The parent knows the frame's window, and asks it; and it answers for the frame.
  await page.evaluate(`document.querySelector('iframe').contentWindow.postMessage({ type: 'ready' }, '*')`);
  await context.route('**/login/tab', async (route) => {
    await page.evaluate(`document.querySelector('iframe').contentWindow.postMessage({ type: 'ready' }, '*')`);
    await route.continue();
  });
  const tab = await openTab(on, 'Aanmelden met Stadsinlog');
  await prove(tab, 'anna');
  await until(() => door.screens.isPresent('anna'), 'the screen in the frame', 15_000);
  expect(await page.evaluate('JSON.stringify(heard)')).toBe('[]');
  expect(frame().url()).toBe(`${door.origin}/screen`);
  // No ticket is told to another site, nor taken from one; and without a frame's secret nothing arrives.
  for (const headers of [{ origin: 'https://evil.example' }, { origin: door.origin, 'sec-fetch-site': 'cross-site' }]) {
    for (const path of ['/login/frame', '/login/frame/arrived']) expect((await door.app.inject({ method: 'POST', url: path, headers })).statusCode).toBe(403);
  }
  const own = { origin: door.origin, 'sec-fetch-site': 'same-origin' };
  expect((await door.app.inject({ method: 'POST', url: '/login/frame/arrived', headers: own })).statusCode).toBe(400);
  expect((await door.app.inject({ method: 'POST', url: '/login/frame/arrived', headers: own, cookies: { '__Host-sign-in-frame': 'made up' } })).statusCode).toBe(204);
  for (const site of ['none', 'cross-site', 'same-site', undefined]) {
    const { statusCode, headers } = await door.app.inject({ url: `/login/oidc?frame=${ticket}`, headers: { ...(site !== undefined && { 'sec-fetch-site': site }) } });
    expect([statusCode, headers.location, headers['set-cookie']], site).toEqual([303, '/login', undefined]);
  }
}, 60_000);

it('a tab takes its ticket from the frame that opened it, and from no other window', async () => {
  const on = await desktop();
  const { door, page, frame } = on;
  const { ticket } = newFrameSecret();
  // The frame's own script held back: only the parent answers the tab, by its name.
  await frame().evaluate(`document.getElementById('by-tab').querySelector('a').addEventListener('click', (event) => { event.stopImmediatePropagation(); event.preventDefault(); window.theTab = open('/login/tab', 'the-tab'); }, true)`);
  const tab = await openTab(on, 'Aanmelden met Stadsinlog');
  await page.evaluate(`(() => { const tab = open('', 'the-tab'); setInterval(() => tab?.postMessage({ type: 'ticket', ticket: '${ticket}' }, '*'), 50); })()`);
  await tab.getByPlaceholder('Enter any login').waitFor({ timeout: 20_000 });
  expect(door.answered.some((line) => line.startsWith('GET /login/oidc 303'))).toBe(true);
  expect(door.answered.join()).not.toContain('frame=');
}, 60_000);

it('a proof of before does not unlock, nor one without a time, nor a sign-in of another configuration', async () => {
  const crm = 'https://crm.example.org';
  const port = await freePort();
  const door = peers.add(await startDoor({ port, origins: [`http://127.0.0.1:${port}`], embedIn: [crm], accounts: [account('anna')], tenants: [tenant('main', oidcConfig('http://127.0.0.1:1'))] }));
  const own = { origin: door.origin, 'sec-fetch-site': 'same-origin' };
  const began = Date.now();
  const arrives = async (over: Partial<HandOver>, cookies: Record<string, string> = {}) => {
    const asked = await door.app.inject({ method: 'POST', url: '/login/frame', headers: own });
    const { ticket } = asked.json<{ ticket: string }>();
    await door.signIn.handOvers.leave({ key: ticket, tenant: 'main', name: 'anna', roles: ['agent'], stamp: '1', begunAt: began, ...over }, 60_000);
    const secret = asked.cookies.find(({ name }) => name === '__Host-sign-in-frame')?.value ?? '';
    expect(secret).not.toBe(ticket);
    return door.app.inject({ method: 'POST', url: '/login/frame/arrived', headers: own, cookies: { ...cookies, '__Host-sign-in-frame': secret } });
  };
  for (const over of [{ stamp: '2' }, { name: 'nobody' }, { tenant: 'another' }]) expect((await arrives(over)).json()).toMatchObject({ error: 'account_unknown' });
  const login = await arrives({});
  expect([login.statusCode, login.json()]).toEqual([200, { to: '/screen' }]);
  const cookies = { '__Host-screen': login.cookies.find(({ name }) => name === '__Host-screen')?.value ?? '' };
  const session = await door.signIn.sessionByCookie(cookies['__Host-screen']);
  await door.signIn.lock(session!);
  for (const over of [{ provedAt: began - 3_600_000 }, {}]) {
    const refused = await arrives(over, cookies);
    expect([refused.statusCode, refused.json()]).toMatchObject([403, { error: 'not_fresh' }]);
    expect(session?.locked).toBe(true);
  }
  expect((await arrives({ provedAt: began }, cookies)).statusCode).toBe(200);
  expect([session?.locked, session?.isLive]).toEqual([false, true]);
});

it('axe finds nothing on them, at two widths, light and dark', async () => {
  const on = await desktop({ bypassCSP: true });
  const { page, frame } = on;
  const check = async (what: string): Promise<void> => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const width of [320, 900]) {
        await page.evaluate(`document.querySelector('iframe').width = ${width}`);
        expect(await violations(frame()), `${what}, ${colorScheme}, ${width} px`).toEqual([]);
        expect(await frame().evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
        if (process.env['SCREEN_PICTURES']) await page.screenshot({ path: `${process.env['SCREEN_PICTURES']}/framed-${what}-${width}-${colorScheme}.png` });
      }
    }
  };
  await frame().getByText('Dit opent een nieuw tabblad.').waitFor();
  await check('login');
  const tab = await openTab(on, 'Aanmelden met Stadsinlog');
  await frame().getByText('Meld u in het nieuwe tabblad aan').waitFor();
  await check('waiting');
  await prove(tab, 'anna');
  await tab.getByText('U kunt dit tabblad sluiten.').waitFor();
  expect(await violations(tab)).toEqual([]);
}, 60_000);

it('a sign-in waits for its frame for a moment, is taken once, and not too many wait', async () => {
  let now = 0;
  const waiting = new HandOversHere(() => now, 2);
  const record = (key: string): HandOver => ({ key, tenant: 'main', name: 'anna', roles: ['agent'], stamp: '1', begunAt: 0 });
  await waiting.leave(record('a'), 100);
  expect([await waiting.take('a'), await waiting.take('a')]).toEqual([record('a'), undefined]);
  await waiting.leave(record('b'), 100);
  now = 100;
  expect(await waiting.take('b')).toBeUndefined();
  for (const key of ['c', 'd', 'e']) await waiting.leave(record(key), 100);
  expect([await waiting.take('c'), (await waiting.take('e'))?.key]).toEqual([undefined, 'e']);
});
