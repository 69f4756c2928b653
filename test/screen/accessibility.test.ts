/** Every state of the screen for people who see, hear and move differently: axe, 320 px, large text, the system's colours. */
import { mkdirSync } from 'node:fs';
import axe from 'axe-core';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBrowser, type TestBrowser } from '../peers/browser.js';
import { logInOn, startListener, type Listener } from './listener.js';
import { office, states, type State } from './states.js';

/** Set to a folder to keep a picture of each. */
const pictures = process.env['SCREEN_PICTURES'];
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const widths = [[1280, 800], [320, 640]] as const;

let browser: TestBrowser;
beforeAll(async () => {
  browser = await startBrowser();
}, 60_000);
afterAll(async () => browser?.stop());

/** A screen of anna in one state; the context is closed with everything after `look`. */
async function inState(state: State, look: (page: Page, context: BrowserContext, listener: Listener) => Promise<void>): Promise<void> {
  const listener = await startListener(office);
  // Axe has to be put into the page, which the page's own policy forbids; the policy is tested elsewhere.
  const context = await browser.browser.newContext({ locale: 'nl-NL', viewport: { width: 1280, height: 800 }, bypassCSP: true, reducedMotion: 'reduce' });
  try {
    const page = await context.newPage();
    await logInOn(page, listener);
    await state.enter(listener, page);
    await look(page, context, listener);
  } finally {
    await context.close();
    await listener.close();
  }
}

async function picture(page: Page, name: string): Promise<void> {
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
}

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate(`axe.run(document, { runOnly: ${JSON.stringify(rules)} }).then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`);
}

describe('every state of the screen', { timeout: 60_000 }, () => {
  it.each(states)('$name: axe finds nothing, at two widths, light and dark, in both languages; nothing stands beside the window', async (state) => {
    await inState(state, async (page) => {
      for (const [width, height] of widths) {
        await page.setViewportSize({ width, height });
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          expect(await violations(page), `${state.name} ${width} ${colorScheme}`).toEqual([]);
          expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), `${state.name} fits ${width}`).toBe(true);
          await picture(page, `${state.name}-${width}-${colorScheme}`);
        }
      }
      await page.locator('#language').click();
      expect(await page.evaluate('document.documentElement.lang')).toBe('en');
      await page.emulateMedia({ colorScheme: 'light' });
      await page.setViewportSize({ width: 390, height: 844 });
      expect(await violations(page), `${state.name} in English`).toEqual([]);
      await picture(page, `${state.name}-390-en`);
    });
  });
});
