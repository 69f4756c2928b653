/** Every state of the page for people who see, hear and move differently: axe, 320 px, large text, the system's colours, the keyboard. */
import { mkdirSync } from 'node:fs';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBrowser, type TestBrowser } from '../peers/browser.js';
import { violations } from '../support/axe.js';
import { aDay, afternoon, busyOffice, isLive, logInOn, startSupervision, type TestSupervision } from './office.js';

/** Set to a folder to keep a picture of each. */
const pictures = process.env['SCREEN_PICTURES'];
const widths = [[1440, 900], [320, 640]] as const;

let browser: TestBrowser;
beforeAll(async () => {
  browser = await startBrowser();
}, 60_000);
afterAll(async () => browser?.stop());

const states: readonly { name: string; start: () => Promise<TestSupervision> }[] = [
  {
    name: 'afternoon',
    start: async () => {
      // It was started the day before.
      const clock = { now: afternoon - 86_400_000 };
      const room = await startSupervision({ clock, tenants: [busyOffice(afternoon)] });
      clock.now = afternoon;
      aDay(room);
      return room;
    },
  },
  { name: 'nobody yet', start: () => startSupervision({ clock: { now: afternoon }, tenants: [{ name: 'main', services: ['Burgerzaken'], desk: { seats: [], queues: [] }, calls: [] }] }) },
  { name: 'desk not known', start: () => startSupervision({ clock: { now: afternoon }, tenants: [{ name: 'main', services: ['Burgerzaken'], desk: undefined, calls: [] }] }) },
];

async function onPage(start: () => Promise<TestSupervision>, look: (page: Page, room: TestSupervision) => Promise<void>, options: BrowserContextOptions = {}): Promise<void> {
  const room = await start();
  // Axe has to be put into the page, which the page's own policy forbids; the policy is tested elsewhere.
  const context = await browser.browser.newContext({ locale: 'nl-NL', viewport: { width: 1440, height: 900 }, bypassCSP: true, reducedMotion: 'reduce', ...options });
  try {
    const page = await context.newPage();
    await logInOn(page, room);
    await look(page, room);
  } finally {
    await context.close();
    await room.stop();
  }
}

async function picture(page: Page, name: string): Promise<void> {
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
  if (page.viewportSize()!.width < 400) for (const part of [0, 1, 2]) await page.screenshot({ path: `${pictures}/${name}-part${part}.png`, fullPage: true, clip: { x: 0, y: part * 1500, width: page.viewportSize()!.width, height: 1500 } }).catch(() => undefined);
}

const fits = (page: Page): Promise<boolean> => page.evaluate('document.documentElement.scrollWidth <= innerWidth');

describe('every state of the page', { timeout: 90_000 }, () => {
  it.each(states)('$name: axe finds nothing, at two widths, light and dark, in both languages; nothing stands beside the window', async ({ name, start }) => {
    await onPage(start, async (page) => {
      await isLive(page);
      await page.locator('details').evaluateAll((all: { open: boolean }[]) => { for (const one of all) one.open = true; });
      for (const [width, height] of widths) {
        await page.setViewportSize({ width, height });
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          expect(await violations(page), `${name} ${width} ${colorScheme}`).toEqual([]);
          expect(await fits(page), `${name} fits ${width}`).toBe(true);
          await picture(page, `${name}-${width}-${colorScheme}`);
        }
      }
      await page.getByRole('button', { name: 'English' }).click();
      expect(await page.evaluate('document.documentElement.lang')).toBe('en');
      await page.emulateMedia({ colorScheme: 'light' });
      await page.setViewportSize({ width: 390, height: 844 });
      expect(await violations(page), `${name} in English`).toEqual([]);
      await picture(page, `${name}-390-en`);
    });
  });

  it('stands still, whole and readable without scripts, and refreshes when asked to', async () => {
    await onPage(states[0]!.start, async (page, { origin }) => {
      expect(await page.getByText('Wachtrijen').count()).toBeGreaterThan(0);
      expect(await page.locator('figure svg[role=img]').count()).toBe(3);
      for (const width of [1440, 320]) {
        await page.setViewportSize({ width, height: 800 });
        expect(await fits(page), `fits ${width}`).toBe(true);
      }
      await picture(page, 'without-scripts-320');
      await page.getByRole('link', { name: 'Elke 30 seconden verversen' }).click();
      expect(await page.locator('meta[http-equiv=refresh]').getAttribute('content')).toBe('30');
      await page.getByRole('link', { name: 'Niet meer vanzelf verversen' }).click();
      expect(await page.locator('meta[http-equiv=refresh]').count()).toBe(0);
      await page.getByLabel('Cijfers van').selectOption('Belastingen');
      await page.getByRole('button', { name: 'Toon' }).click();
      await page.waitForURL(/service=Belastingen/);
      expect(await page.locator('.figures tbody').first().locator('tr').count()).toBe(1);
      await page.getByRole('button', { name: 'English' }).click();
      expect(await page.getByRole('heading', { name: 'Queues' }).count()).toBe(1);
      expect(new URL(page.url()).origin).toBe(origin);
    }, { javaScriptEnabled: false });
  });

  it('is used by keyboard alone, and what the reader has opened stays open while the page is told more', async () => {
    await onPage(states[0]!.start, async (page, room) => {
      await isLive(page);
      const focused = (): Promise<string> => page.evaluate('(document.activeElement.innerText || document.activeElement.id).trim()');
      const reached: string[] = [];
      await page.locator('body').focus();
      for (let presses = 0; presses < 12; presses += 1) {
        await page.keyboard.press('Tab');
        reached.push(await focused());
        const outlined = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle !== "none" || document.activeElement === document.body');
        expect(outlined, `focus is seen on ${reached.at(-1)}`).toBe(true);
        if (reached.at(-1)?.includes('Toon de getallen')) break;
      }
      expect(reached.slice(0, 4)).toEqual(['Inzagelogboek', 'English', 'Vergrendel', 'Afmelden']);
      expect(reached.at(-1)).toContain('Toon de getallen per uur');
      await page.keyboard.press('Enter');
      expect(await page.locator('details').getAttribute('open')).not.toBeNull();
      // The next words of the server draw the page again: nothing the reader did is lost.
      room.office.tenants[0]!.calls.splice(0, 1);
      await page.getByText('van 7 gesprekken').waitFor();
      expect(await page.locator('details').getAttribute('open')).not.toBeNull();
      expect(await focused()).toContain('Toon de getallen per uur');
      await page.keyboard.press('Shift+Tab');
      await page.keyboard.press('b');
      await page.keyboard.press('Enter');
      expect(await page.locator('#service').inputValue()).toBe('Burgerzaken');
      await page.locator('.figures tbody').first().locator('tr').nth(1).waitFor({ state: 'detached' });
      for (let presses = 0; presses < 6 && (await focused()) !== 'English'; presses += 1) await page.keyboard.press('Shift+Tab');
      expect(await focused()).toBe('English');
      await page.keyboard.press('Enter');
      expect(await focused()).toBe('Nederlands');
      await page.getByRole('heading', { name: 'Queues' }).waitFor();
      // The choice is this browser's: it holds after a reload.
      await page.reload();
      await page.getByRole('heading', { name: 'Queues' }).waitFor();
    });
  });

  it('says what it shows without its colours: with text of twice the size, and in the system’s own colours', async () => {
    await onPage(states[0]!.start, async (page) => {
      await isLive(page);
      // 200 % of a 1280 pixel window is one of 640.
      await page.setViewportSize({ width: 640, height: 450 });
      expect(await fits(page)).toBe(true);
      await page.setViewportSize({ width: 1440, height: 900 });
      await page.emulateMedia({ forcedColors: 'active' });
      const fills: string[] = await page.evaluate('["answered", "abandoned", "other"].map((name) => { const bar = getComputedStyle(document.querySelector(`.legend .bar.${name}`)); return bar.fill + bar.stroke; })');
      expect(new Set(fills).size, 'three kinds of bars are apart').toBe(3);
      await picture(page, 'forced-colors');
      expect(await page.locator('.seat.available').first().innerText()).toContain('beschikbaar');
    });
  });

  it('says that the connection is lost, of when its numbers are, and comes back by itself', async () => {
    await onPage(states[0]!.start, async (page, room) => {
      await isLive(page);
      room.cut();
      await page.getByRole('alert').filter({ hasText: 'De verbinding is weg. Wat hier staat is van 14:12:00.' }).waitFor();
      expect(await violations(page)).toEqual([]);
      await picture(page, 'lost');
      await isLive(page);
      expect(await page.locator('.problem').textContent()).toBe('');
    });
  });

  it.runIf(pictures !== undefined)('the pictures of docs/supervisors.md', async () => {
    for (const [name, width, height] of [['supervisors', 1280, 800], ['supervisors-phone', 390, 844]] as const) {
      await onPage(states[0]!.start, async (page) => {
        await isLive(page);
        await page.getByRole('button', { name: 'English' }).click();
        await page.mouse.move(0, 0);
        await page.evaluate('document.activeElement.blur()');
        await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: name === 'supervisors' });
        expect(await page.locator('.chart').count()).toBe(3);
      }, { viewport: { width, height } });
    }
  });
});
