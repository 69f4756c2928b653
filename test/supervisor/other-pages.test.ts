/** The ways between the pages of somebody with several roles: there for who has the role, and for nobody else. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { startBrowser, type TestBrowser } from '../peers/browser.js';
import { Peers } from '../peers/process.js';
import { until } from '../peers/wait.js';
import { violations } from '../support/axe.js';
import { account, password, startSupervision, type TestSupervision } from './office.js';

const peers = new Peers();
let browser: TestBrowser;
beforeAll(async () => {
  browser = await startBrowser();
}, 60_000);
afterAll(() => browser.stop());
afterEach(() => peers.stopAll());

async function logIn(roles: readonly ('agent' | 'supervisor' | 'auditor')[], options: { bypassCSP?: boolean } = {}): Promise<{ room: TestSupervision; page: Page }> {
  const room = peers.add(await startSupervision({ signIn: { accounts: [account('anna', 'Anna de Vries', { roles })] } }));
  const context = await browser.browser.newContext({ locale: 'nl-NL', viewport: { width: 1280, height: 800 }, ...options });
  peers.defer(() => context.close());
  const page = await context.newPage();
  await page.goto(`${room.origin}/login`);
  await page.getByLabel('Gebruikersnaam').fill('anna');
  await page.getByLabel('Wachtwoord').fill(password);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${room.origin}${roles[0] === 'agent' ? '/screen' : '/supervisor'}`);
  return { room, page };
}

it('from the screen a tab of its own opens, by keyboard, and the screen stays; from there a link leads back', async () => {
  const { page } = await logIn(['agent', 'supervisor', 'auditor']);
  await page.locator('#connection.live').waitFor();
  await page.getByRole('link', { name: 'Overzicht telefoon (opent in een nieuw tabblad)' }).waitFor();
  await until(async () => {
    await page.keyboard.press('Tab');
    return page.evaluate<boolean>(`document.activeElement.getAttribute('href') === '/supervisor'`);
  }, 'the link to be reached by Tab');
  const [opened] = await Promise.all([page.context().waitForEvent('page'), page.keyboard.press('Enter')]);
  await opened.getByRole('heading', { level: 1, name: 'Overzicht telefoon' }).waitFor();
  expect(await page.locator('#connection').getAttribute('class')).toBe('live');
  expect(await opened.getByRole('link', { name: 'Telefoonscherm' }).getAttribute('href')).toBe('/screen');
  expect(await opened.getByRole('link', { name: 'Inzagelogboek' }).getAttribute('href')).toBe('/audit');
  // In the other language, and to the trail.
  await page.getByRole('button', { name: 'English' }).click();
  expect(await page.getByRole('link').allInnerTexts()).toEqual([expect.stringContaining('Telephone overview') as string, expect.stringContaining('Audit trail') as string]);
  expect(await page.getByRole('link', { name: 'Audit trail (opens in a new tab)' }).getAttribute('href')).toBe('/audit');
  expect(await page.locator('.tools a').evaluateAll((links: { target: string; rel: string }[]) => links.map(({ target, rel }) => `${target} ${rel}`))).toEqual(['_blank noopener', '_blank noopener']);
}, 60_000);

it('who has one role is led to no other page, nor told of one', async () => {
  const agent = await logIn(['agent']);
  expect(await agent.page.locator('a').count()).toBe(0);
  expect(await (await agent.page.context().request.get(`${agent.room.origin}/screen`)).text()).not.toMatch(/\/supervisor|\/audit/u);
  const supervisor = await logIn(['supervisor']);
  await supervisor.page.getByRole('heading', { level: 1 }).waitFor();
  expect(await supervisor.page.locator('.tools a').count()).toBe(0);
}, 60_000);

it('axe finds nothing on the screen with these ways, at two widths', async () => {
  const { page } = await logIn(['agent', 'supervisor', 'auditor'], { bypassCSP: true });
  await page.locator('#connection.live').waitFor();
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const width of [1280, 320]) {
      await page.setViewportSize({ width, height: 800 });
      expect(await violations(page), `${colorScheme}, ${width} px`).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), `${width} px`).toBe(true);
      if (process.env['SCREEN_PICTURES']) await page.screenshot({ path: `${process.env['SCREEN_PICTURES']}/ways-${width}-${colorScheme}.png` });
    }
  }
}, 60_000);
