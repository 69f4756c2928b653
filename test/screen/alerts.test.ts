/** How a call draws attention when the agent looks elsewhere, and what it gives away. */
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startBrowser, type TestBrowser } from '../peers/browser.js';
import { call, logInOn, startListener, until, type Listener } from './listener.js';

let browser: TestBrowser;
let listener: Listener;
let context: BrowserContext;
let page: Page;

interface Shown { title: string; body: string; closed: boolean }

beforeAll(async () => {
  browser = await startBrowser();
}, 60_000);
afterAll(async () => browser?.stop());
beforeEach(async () => {
  listener = await startListener();
  context = await browser.browser.newContext({ locale: 'nl-NL' });
  page = await context.newPage();
  // A headless browser has no desktop to show a notification on, nor a person to ask: these two stand in for them.
  await page.addInitScript(`
    window.shown = [];
    window.answer = 'granted';
    window.Notification = class {
      static permission = localStorage.getItem('test-permission') ?? 'default';
      static async requestPermission() { this.permission = window.answer; localStorage.setItem('test-permission', this.permission); return this.permission; }
      constructor(title, options) { this.entry = { title, ...options, closed: false }; window.shown.push(this.entry); }
      close() { this.entry.closed = true; }
    };
    document.hasFocus = () => window.looks === true;
  `);
  await logInOn(page, listener);
});
afterEach(async () => {
  await context?.close();
  await listener?.close();
});

const shown = () => page.evaluate<Shown[]>('window.shown');
async function allow(): Promise<void> {
  await page.getByRole('button', { name: 'Instellingen' }).click();
  await page.getByLabel('Melding op het bureaublad').check();
}

describe('a desktop notification', { timeout: 60_000 }, () => {
  it('comes only after the agent asked for it, says service and language, and goes when the offer ends', async () => {
    listener.screens.offer('anna', call('c1'));
    await page.locator('#call.ringing').waitFor();
    expect(await shown()).toEqual([]);
    listener.screens.clear('anna', 'c1', 'missed');
    await allow();
    listener.screens.offer('anna', call('c2', { service: 'Burgerzaken', language: 'en', transferredBy: 'Bram' }));
    await until('the notification', async () => (await shown()).length === 1);
    expect((await shown())[0]).toMatchObject({ title: 'Uw telefoon gaat over', body: 'Burgerzaken · Engels', closed: false });
    // The same call told again is no second one.
    listener.screens.offer('anna', call('c2', { language: 'en' }));
    listener.screens.reveal('anna', { callId: 'c2', revealId: 'r1', identity: { purpose: 'report_move', attributes: { fullname: 'Jip Jansen' }, verifiedAt: new Date() } });
    await until('its end', async () => (await shown())[0]!.closed);
    listener.screens.clear('anna', 'c2', 'ended');
    listener.screens.offer('anna', call('c3'));
    await until('the next one', async () => (await shown()).length === 2);
    listener.screens.clear('anna', 'c3', 'missed');
    await until('its end too', async () => (await shown())[1]!.closed);
    expect(JSON.stringify(await shown())).not.toContain('Jansen');
  });

  it('does not come to who looks at the screen, nor after it was switched off; the choice is kept', async () => {
    await allow();
    await page.evaluate('window.looks = true');
    listener.screens.offer('anna', call('c1'));
    await page.locator('#call.ringing').waitFor();
    listener.screens.clear('anna', 'c1', 'missed');
    await page.locator('#call.idle').waitFor();
    expect(await shown()).toEqual([]);
    await page.reload();
    await page.locator('#call.idle').waitFor();
    await page.getByRole('button', { name: 'Instellingen' }).click();
    expect(await page.getByLabel('Melding op het bureaublad').isChecked()).toBe(true);
    await page.getByLabel('Melding op het bureaublad').uncheck();
    listener.screens.offer('anna', call('c2'));
    await page.locator('#call.ringing').waitFor();
    expect(await shown()).toEqual([]);
  });

  it('says so when the browser does not allow it', async () => {
    await page.evaluate(`window.answer = 'denied'`);
    await page.getByRole('button', { name: 'Instellingen' }).click();
    await page.getByLabel('Melding op het bureaublad').click();
    await page.getByText('staat meldingen voor deze site niet toe').waitFor();
    expect(await page.getByLabel('Melding op het bureaublad').isChecked()).toBe(false);
  });

  it('is closed when the page loses its connection', async () => {
    await allow();
    listener.screens.offer('anna', call('c1'));
    await until('the notification', async () => (await shown()).length === 1);
    listener.screens.close();
    await until('its end', async () => (await shown())[0]!.closed);
  });
});

it('the sound is off until it is switched on, and ends when the ringing does', { timeout: 60_000 }, async () => {
  await page.evaluate(`{
    window.notes = 0;
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (...args) { window.notes += 1; return start.apply(this, args); };
  }`);
  const notes = () => page.evaluate<number>('window.notes');
  listener.screens.offer('anna', call('c1'));
  await page.locator('#call.ringing').waitFor();
  expect(await notes()).toBe(0);
  listener.screens.clear('anna', 'c1', 'missed');
  await page.getByRole('button', { name: 'Instellingen' }).click();
  await page.getByLabel('Zacht geluid').check();
  const tried = await notes();
  expect(tried).toBeGreaterThan(0);
  listener.screens.offer('anna', call('c2'));
  await until('the ringing, twice', async () => (await notes()) >= tried + 4);
  listener.screens.reveal('anna', { callId: 'c2', revealId: 'r1', identity: null });
  await page.locator('#call.answered').waitFor();
  const atEnd = await notes();
  await new Promise((resolve) => setTimeout(resolve, 3500));
  expect(await notes()).toBe(atEnd);
});
