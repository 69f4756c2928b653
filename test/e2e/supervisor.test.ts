/** The supervisor's page in a real browser during real calls, on one node and on two. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Page } from 'playwright-core';
import { Phone, tone, type PhoneCall } from '../../gateway/phone/index.js';
import { chromiumPath, Peers, startBrowser, until } from '../peers/index.js';
import { startRedis } from '../peers/redis.js';
import { redisStore, TestGateway, type TestGatewayOptions } from '../support/gateway.js';
import { demoPasswordHash } from '../support/password.js';
import { attributes, dialled } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

/** Longest wait for what should follow by itself; patience for a busy machine. */
const soonMs = 30_000;
const callerNumber = '0687654321';

async function openPhone(): Promise<Phone> {
  const phone = await Phone.open();
  peers.add({ stop: () => phone.close() });
  return phone;
}

async function gatewayWith(phone: Phone, options: Partial<TestGatewayOptions> = {}): Promise<TestGateway> {
  // An account beside the agents: it has no phone.
  const hans = { name: 'hans', displayName: 'Hans de Boer', roles: ['supervisor'], password: demoPasswordHash, phone: 'sip:nobody@127.0.0.1:9' };
  return peers.add(await TestGateway.start({ agents: [{ name: 'anna', phone: phone.uri }, { name: 'hans', phone: hans.phone }], more: { agents: { hans } }, ...options }));
}

async function supervise(page: Page, gateway: TestGateway): Promise<void> {
  await page.goto(`${gateway.gateway.urls.agents}/supervisor`);
  await page.getByLabel('Gebruikersnaam').fill('hans');
  await page.getByLabel('Wachtwoord').fill('demo');
  await page.getByRole('button', { name: 'Aanmelden' }).click();
  await page.locator('#connection.live').waitFor({ timeout: soonMs });
}

function dial(phone: Phone, gateway: TestGateway): PhoneCall {
  return phone.call({ to: `sip:${dialled}@${gateway.sip.host}:${gateway.sip.port}`, from: callerNumber, code: '', codeAfterMs: 3_600_000, dtmf: 'info', say: { samples: tone([600], 1_000), forever: true } });
}

const callLine = (page: Page) => page.locator('.calls tbody tr');
const told = (page: Page, text: RegExp) => callLine(page).filter({ hasText: text }).first().waitFor({ timeout: soonMs });

async function holdsNothing(page: Page): Promise<void> {
  const everything = await page.evaluate<string>('document.documentElement.outerHTML + JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage })');
  for (const value of [...Object.values(attributes), callerNumber, callerNumber.slice(1)]) expect(everything).not.toContain(value);
}

describe.skipIf(chromiumPath() === undefined)('a call on the supervisor’s page', () => {
  it('is followed from the code to its end, and counted, without a word about the caller', async () => {
    const [annas, citizens] = [await openPhone(), await openPhone()];
    const gateway = await gatewayWith(annas);
    const browser = peers.add(await startBrowser());
    const page = await (await browser.browser.newContext({ locale: 'nl-NL', viewport: { width: 1280, height: 900 } })).newPage();
    const complaints: string[] = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    const said: string[] = [];
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => void said.push(String(payload))));
    await supervise(page, gateway);
    await page.getByText('Er zijn nu geen gesprekken.').waitFor();

    const code = await gateway.citizen(attributes);
    const call = dial(citizens, gateway);
    await told(page, /wordt begroet|toetst de code in/);
    await until(() => call.events.some(({ kind }) => kind === 'answered'), 'the answer', soonMs);
    await call.press(`${code}#`);
    await told(page, /wacht op een medewerker.*ja/s);
    expect(await page.locator('.queues tbody tr').first().innerText()).toMatch(/open\s+1\s+0:\d\d\s+niemand beschikbaar/);

    annas.answer({ answerAfterMs: 0 });
    const screen = peers.add(await gateway.screen('anna'));
    await screen.told('connected', { timeoutMs: soonMs });
    await told(page, /in gesprek.*ja.*anna/s);
    await page.locator('.agents tbody tr').filter({ hasText: /anna.*in gesprek/s }).waitFor({ timeout: soonMs });
    await holdsNothing(page);

    await call.hangup('done');
    await page.getByText('Er zijn nu geen gesprekken.').waitFor({ timeout: soonMs });
    const figures = page.locator('.figures tbody').first().locator('tr').first();
    await until(async () => /1\s+100%\s+1\s+\d+%\s+0\s+\d:\d\d\s+\d:\d\d\s+0\s+0/.test(await figures.innerText()), 'the call to be counted', soonMs);
    await holdsNothing(page);
    for (const value of [...Object.values(attributes), callerNumber, code]) expect(said.join('')).not.toContain(value);
    // Its own policy forbids nothing that it does.
    expect(complaints).toEqual([]);
  }, 120_000);

  it('of another node is seen as well, and its figures stay when that node is gone', async () => {
    const redis = peers.add(await startRedis());
    const store = redisStore(redis);
    const [annas, citizens] = [await openPhone(), await openPhone()];
    const first = await gatewayWith(annas, { store });
    const second = await gatewayWith(annas, { store, secondTo: first });
    const browser = peers.add(await startBrowser());
    const page = await (await browser.browser.newContext({ locale: 'nl-NL', viewport: { width: 1280, height: 900 } })).newPage();
    await supervise(page, first);
    const call = dial(citizens, second);
    await told(page, /wordt begroet|toetst de code in/);
    await call.hangup('done');
    await page.getByText('Er zijn nu geen gesprekken.').waitFor({ timeout: soonMs });
    const counted = () => until(async () => /^\S+\s+1\s+0%\s+0\s+–\s+1\s/.test(await page.locator('.figures tbody').first().locator('tr').first().innerText().catch(() => '')), 'the call to be counted', soonMs);
    await counted();
    await second.stop();
    await page.reload();
    await page.locator('#connection.live').waitFor({ timeout: soonMs });
    await counted();
  }, 120_000);
});
