/** The pages of the door in Chromium: for everybody to use, and what happens on a screen that is locked. */
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { startBrowser, type TestBrowser } from '../peers/browser.js';
import { Peers } from '../peers/process.js';
import { until } from '../peers/wait.js';
import { violations } from '../support/axe.js';
import { call, revelation } from '../screen/listener.js';
import { account, password, startDoor, tenant, type TestDoor } from './door.js';
import { oidcConfig } from './provider.js';

const peers = new Peers();
let browser: TestBrowser;
let context: BrowserContext;
let page: Page;
let door: TestDoor;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser.stop());
beforeEach(async () => {
  // Nobody answers at the provider: the pages around it are what is looked at.
  door = peers.add(await startDoor({ accounts: [account('anna', 'Anna de Wit', { roles: ['agent', 'auditor'] })], tenants: [tenant('main', oidcConfig('http://127.0.0.1:9'))] }));
  context = await browser.browser.newContext({ locale: 'nl-NL' });
  page = await context.newPage();
});
afterEach(async () => {
  await context.close();
  await peers.stopAll();
});

/** What axe finds, narrow and wide, light and dark, and what stands beside the window. */
async function looksGood(what: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const width of [320, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      expect(await violations(page), `${what}, ${colorScheme}, ${width} px`).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth'), `${what}, ${width} px`).toBe(true);
    }
  }
}

async function logIn(): Promise<void> {
  await page.goto(`${door.origin}/login`);
  await page.getByLabel('Gebruikersnaam').fill('anna');
  await page.getByLabel('Wachtwoord').fill(password);
  await page.getByRole('button', { name: 'Aanmelden' }).click();
  await page.waitForURL('**/screen');
}

it('axe finds nothing on any of them, at two widths, light and dark', async () => {
  await page.goto(`${door.origin}/login`);
  await looksGood('login');
  await page.getByLabel('Gebruikersnaam').fill('anna');
  await page.getByLabel('Wachtwoord').fill('wrong');
  await page.getByRole('button', { name: 'Aanmelden' }).click();
  await page.getByRole('alert').getByText('klopt niet').waitFor();
  await looksGood('login refused');
  await page.getByRole('link', { name: 'Aanmelden met Stadsinlog' }).click();
  await page.getByRole('alert').getByText('Stadsinlog is nu niet te bereiken').waitFor();
  await looksGood('provider away');
  await page.goto(`${door.origin}/logged-out`);
  await looksGood('logged out');
  await logIn();
  await page.goto(`${door.origin}/account`);
  await looksGood('account');
  await page.goto(`${door.origin}/of/admin`);
  await page.getByRole('alert').getByText('geen toegang').waitFor();
  await looksGood('not allowed');
  await page.goto(`${door.origin}/account`);
  await page.getByRole('button', { name: 'Vergrendelen' }).click();
  await page.waitForURL('**/unlock');
  await looksGood('locked');
}, 60_000);

it('are used with the keyboard alone', async () => {
  await page.goto(`${door.origin}/login`);
  const focused = (): Promise<unknown> => page.evaluate('document.activeElement.id || document.activeElement.textContent');
  await page.keyboard.press('Tab');
  expect(await focused()).toBe('Aanmelden met Stadsinlog');
  await page.keyboard.press('Tab');
  expect(await focused()).toBe('name');
  await page.keyboard.type('anna');
  await page.keyboard.press('Tab');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/screen');
  await page.goto(`${door.origin}/account`);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  expect(await focused()).toBe('Vergrendelen');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/unlock');
  await until(async () => (await focused()) === 'password', 'the field to have the focus');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/screen');
});

it('a lock takes the caller off the screen at once, and unlocking brings only what is revealed anew', async () => {
  await logIn();
  await until(() => door.screens.isPresent('anna'), 'the screen', 15_000);
  const told: string[] = [];
  for (const event of ['present', 'gone', 'locked', 'unlocked'] as const) door.screens.on(event, () => void told.push(event));
  door.screens.offer('anna', call('c1'));
  door.screens.reveal('anna', revelation('c1', 'r1'));
  await page.getByText('Jip Jansen').waitFor();
  // In another tab, as the button on the screen does.
  const other = await context.newPage();
  await other.goto(`${door.origin}/account`);
  await other.getByRole('button', { name: 'Vergrendelen' }).click();
  await page.waitForURL('**/unlock');
  expect(await page.content()).not.toContain('Jansen');
  expect(told).toEqual(['locked', 'gone']);
  expect(door.screens.reveal('anna', revelation('c1', 'r2'))).toBe(false);
  // Neither the way back nor the address opens it.
  await page.goBack().catch(() => undefined);
  await page.goto(`${door.origin}/screen`);
  await page.waitForURL('**/unlock');
  expect(await page.content()).not.toContain('Jansen');
  await page.getByLabel('Wachtwoord').fill(password);
  await page.getByRole('button', { name: 'Ontgrendelen' }).click();
  await page.waitForURL('**/screen');
  await until(() => told.includes('present'), 'the screen to be back', 15_000);
  expect(told.slice(2)).toEqual(['unlocked', 'present']);
  expect(await page.content()).not.toContain('Jansen');
  door.screens.reveal('anna', revelation('c1', 'r3'));
  await page.getByText('Jip Jansen').waitFor();
});

it('a screen that nobody touches is locked by itself', async () => {
  await door.stop();
  door = peers.add(await startDoor({ accounts: [account('anna', 'Anna de Wit')], idleLockMs: 3000 }));
  await logIn();
  await until(() => door.screens.isPresent('anna'), 'the screen', 15_000);
  await page.waitForURL('**/unlock', { timeout: 20_000 });
  expect(door.screens.isPresent('anna')).toBe(false);
});
