/** Every state of the screen for people who see, hear and move differently: axe, 320 px, large text, the system's colours. */
import { mkdirSync } from 'node:fs';
import fastify from 'fastify';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBrowser, type TestBrowser } from '../peers/browser.js';
import { violations } from '../support/axe.js';
import { call, logInOn, startListener, until, type Listener } from './listener.js';
import { office, states, type State } from './states.js';

/** Set to a folder to keep a picture of each. */
const pictures = process.env['SCREEN_PICTURES'];
const widths = [[1280, 800], [320, 640]] as const;

let browser: TestBrowser;
beforeAll(async () => {
  browser = await startBrowser();
}, 60_000);
afterAll(async () => browser?.stop());

/** A screen of anna in one state; the context is closed with everything after `look`. */
async function inState(state: State, look: (page: Page, context: BrowserContext, listener: Listener) => Promise<void>, reducedMotion: 'reduce' | 'no-preference' = 'reduce'): Promise<void> {
  const listener = await startListener(office);
  // Axe has to be put into the page, which the page's own policy forbids; the policy is tested elsewhere.
  const context = await browser.browser.newContext({ locale: 'nl-NL', viewport: { width: 1280, height: 800 }, bypassCSP: true, reducedMotion });
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

  const some = (...names: string[]) => states.filter(({ name }) => names.includes(name));

  it.each(some('verified', 'represented', 'unidentified-none', 'transfer', 'settings', 'invitation'))('$name: in the system’s own colours, and with text twice as large or spaced out, nothing is lost', async (state) => {
    await inState(state, async (page) => {
      await page.emulateMedia({ forcedColors: 'active' });
      expect(await violations(page)).toEqual([]);
      await picture(page, `${state.name}-forced`);
      await page.emulateMedia({ forcedColors: 'none' });
      // 200 % zoom of 1280 is 640; 400 % is 320 (above). Text alone twice as large is another thing: WCAG 1.4.4.
      await page.setViewportSize({ width: 640, height: 400 });
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      await page.setViewportSize({ width: 1280, height: 800 });
      await page.addStyleTag({ content: 'html { font-size: 200% !important; }' });
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      expect(await clipped(page)).toEqual([]);
      // WCAG 1.4.12.
      await page.addStyleTag({ content: 'html { font-size: 100% !important; } * { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; } p { margin-bottom: 2em !important; }' });
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      expect(await clipped(page)).toEqual([]);
    });
  });

  it('nothing moves for who asked for less motion; only the ringing does for the others', async () => {
    const moving = (page: Page) => page.evaluate<string[]>(`[...document.querySelectorAll('*')].filter((node) => getComputedStyle(node).animationName !== 'none').map((node) => node.id)`);
    await inState(some('ringing')[0]!, async (page) => expect(await moving(page)).toEqual([]));
    await inState(some('ringing')[0]!, async (page) => expect(await moving(page)).toEqual(['state-icon']), 'no-preference');
  });

  it('who listens is told once: while nothing happens in a call, no live region changes', async () => {
    await inState(some('unmasked')[0]!, async (page, _context, listener) => {
      await page.evaluate(`{
        window.spoken = [];
        const live = 'main [role=status], main [role=alert], [aria-live=polite], #connection';
        for (const region of document.querySelectorAll(live)) new MutationObserver((changes) => window.spoken.push(region.id || region.className)).observe(region, { childList: true, characterData: true, subtree: true });
      }`);
      listener.screens.renewLease('anna', 'c1');
      await new Promise((resolve) => setTimeout(resolve, 2500));
      expect(await page.evaluate('window.spoken')).toEqual([]);
      expect(await page.locator('#timer').getAttribute('aria-live')).toBe('off');
    });
  });
});

/** Texts that stand in a box too small for them and cannot be scrolled to. */
const clipped = (page: Page) => page.evaluate<string[]>(`[...document.querySelectorAll('main *, header *')]
  .filter((node) => !node.closest('.unseen') && node.getClientRects().length > 0 && node.childElementCount === 0)
  .filter((node) => ['hidden', 'clip'].includes(getComputedStyle(node).overflowX) && (node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 1))
  .map((node) => node.outerHTML)`);

describe('inside the window of another program', { timeout: 60_000 }, () => {
  it.each([320, 400])('fits a panel of %i px, does not ask for what a frame may not, and shows a call', async (width) => {
    const desktop = fastify();
    let framed = '';
    desktop.get('/', (_request, reply) => reply.type('text/html').send(`<!doctype html><html lang="nl"><title>CRM</title><h1>CRM</h1><iframe title="Telefoon" src="${framed}" width="${width}" height="700" style="border:0"></iframe>`));
    const host = await desktop.listen({ host: '127.0.0.1', port: 0 });
    const listener = await startListener({ ...office, embedIn: [host] });
    framed = `${listener.origin}/screen`;
    const context = await browser.browser.newContext({ locale: 'nl-NL', viewport: { width: 1280, height: 800 } });
    try {
      const page = await context.newPage();
      await logInOn(page, listener);
      await page.goto(host);
      await until('the screen in its frame', () => listener.screens.isPresent('anna'));
      const frame = page.frames().find((one) => one.url().startsWith(listener.origin))!;
      await frame.locator('html.embedded').waitFor();
      listener.screens.offer('anna', call('c1', { canTransfer: true }));
      listener.screens.reveal('anna', { callId: 'c1', revealId: 'r1', identity: { purpose: 'report_move', attributes: { fullname: 'Willeke de Bruijn', bsn: '999990019', email: 'willeke.de.bruijn@example.org' }, authMethod: 'digid', verifiedAt: new Date() } });
      await until('the pop', () => listener.told.some(([event]) => event === 'acknowledged'));
      expect(await frame.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      if (pictures) await page.screenshot({ path: `${pictures}/embedded-${width}.png` });
      await frame.locator('#settings-open').click();
      expect(await frame.locator('#notify').isDisabled()).toBe(true);
      expect(await frame.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    } finally {
      await context.close();
      await listener.close();
      await desktop.close();
    }
  });
});
