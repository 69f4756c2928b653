import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { prepareZXingModule, readBarcodes } from 'zxing-wasm/reader';
import { startBrowser, type TestBrowser } from '../../peers/browser.js';
import { until } from '../../peers/wait.js';
import { violations } from '../../support/axe.js';
import { startRig, startSession, startSessionForCall, words, type Rig } from './rig.js';

/** Set to a folder to keep pictures of the pages. */
const pictures = process.env['COMPANION_PICTURES'];
/** A page that is told of a change shows it in no time; a busy machine may take longer. */
const SOON_MS = 15_000;

// It would fetch this from the network.
const wasmBinary = new Uint8Array(readFileSync(createRequire(import.meta.url).resolve('zxing-wasm/reader/zxing_reader.wasm'))).buffer;
prepareZXingModule({ overrides: { wasmBinary } });

let chromium: TestBrowser;
let rig: Rig;
let page: Page;
let complaints: string[];
let strangers: string[];

beforeAll(async () => {
  chromium = await startBrowser();
});
afterAll(async () => chromium?.stop());
beforeEach(async () => {
  rig = await startRig();
});
afterEach(async () => {
  await page?.context().close();
  await rig?.close();
  expect({ complaints, strangers }).toEqual({ complaints: [], strangers: [] });
});

async function open(url: string, options: BrowserContextOptions = {}): Promise<void> {
  const context = await chromium.browser.newContext({ locale: 'nl-NL', viewport: { width: 1280, height: 800 }, ...options });
  page = await context.newPage();
  [complaints, strangers] = [[], []];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => !request.url().startsWith(rig.base) && strangers.push(request.url()));
  await page.goto(url);
}

const titled = (title: string): Promise<void> => page.getByRole('heading', { level: 1, name: title }).waitFor({ timeout: SOON_MS });
const overflow = (on = page): Promise<boolean> => on.evaluate('document.documentElement.scrollWidth > innerWidth');

/** Nothing that axe finds, nothing beside the window, and a picture of it when wanted. */
async function check(name: string, on = page): Promise<void> {
  if (pictures) {
    mkdirSync(pictures, { recursive: true });
    await on.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
  }
  expect([name, await violations(on)]).toEqual([name, []]);
  expect([name, await overflow(on)]).toEqual([name, false]);
}

/** The same for a browser without JavaScript. There axe cannot run either, so it looks at what such a browser makes of the page. */
async function checkWithoutJavaScript(name: string, viewport: { width: number; height: number }): Promise<void> {
  const answer = await fetch(page.url());
  const seen = (await answer.text()).replaceAll(/<script.*?<\/script>/g, '').replaceAll(/<(\/?)noscript>/g, '<$1div>');
  const context = await chromium.browser.newContext({ viewport });
  try {
    const copy = await context.newPage();
    await copy.route(page.url(), (route) => route.fulfill({ body: seen, contentType: 'text/html; charset=utf-8' }));
    await copy.goto(page.url());
    await check(name, copy);
  } finally {
    await context.close();
  }
}

describe.each([
  {
    width: 390, lang: 'nl', colorScheme: 'light', call: 'Bel ons nu met uw code', queue: 'U staat in de wachtrij', place: 'U bent nummer 2 in de wachtrij', talking: 'U spreekt met een medewerker', usedAgain: 'nog een keer gebruikt',
    over: 'Het gesprek is afgelopen', receipt: 'Uw gegevens zijn verwijderd, 38 milliseconden nadat er werd opgehangen.', failed: 'Inloggen is niet gelukt', readWord: 'U bent ingelogd', awaiting: 'Wij wachten op uw login', gone: 'Deze pagina geldt niet meer',
  },
  {
    width: 1280, lang: 'en', colorScheme: 'dark', call: 'Call us now with your code', queue: 'You are in the queue', place: 'You are number 2 in the queue', talking: 'You are talking to an agent', usedAgain: 'used your code once more',
    over: 'The call has ended', receipt: 'Your details were deleted, 38 milliseconds after the call was hung up.', failed: 'You could not be logged in', readWord: 'You are logged in', awaiting: 'We are waiting for your login', gone: 'This page is no longer valid',
  },
] as const)('the page at $width pixels, in $lang, $colorScheme', { timeout: 90_000 }, ({ width, lang, colorScheme, ...texts }) => {
  const options: BrowserContextOptions = { viewport: { width, height: 800 }, colorScheme };

  it('follows a call from the code to the receipt, without being asked again', async () => {
    const session = await startSession(rig);
    await open(`${session.url}?lang=${lang}`, options);
    let loads = 0;
    page.on('load', () => (loads += 1));
    await titled(texts.call);
    expect(await page.locator('.qr').isVisible()).toBe(width > 800);
    await session.authenticate();
    await page.locator('#journey [data-name=login][data-state=done]').waitFor({ timeout: SOON_MS });
    await check(`${lang}-ready`);

    const claim = await session.claim();
    session.post({ step: 'waiting', place: 2 });
    await titled(texts.queue);
    expect(await page.locator('#journey [aria-current=step] .what').innerText()).toBe(texts.place);
    expect(await page.content()).not.toContain(session.code);
    expect(await page.locator('.word').innerText()).toBe(words.nl[claim.word]);
    await check(`${lang}-queue`);

    session.post({ step: 'codeUsedAgain' }, { step: 'connected' });
    await titled(texts.talking);
    expect(await page.getByRole('alert').innerText()).toContain(texts.usedAgain);
    expect(await page.locator('.word').count()).toBe(0);
    await check(`${lang}-talking`);

    session.post({ step: 'ended' });
    await rig.tenant.vault.purge(claim.sessionId, 'call-1');
    session.post({ step: 'deleted', afterMs: 38 });
    await page.getByText(texts.receipt).waitFor({ timeout: SOON_MS });
    await titled(texts.over);
    expect(await page.locator('main').innerText()).toMatch(new RegExp(`^${texts.over}\\s+${texts.receipt}\\s+[^\\n]*2026[^\\n]*$`));
    expect(loads).toBe(0);
    await check(`${lang}-receipt`);
  });

  it('is right for a session in a call, a failed login, a code about to expire, and an address that leads nowhere', async () => {
    const during = await startSessionForCall(rig);
    await open(`${during.url}?lang=${lang}`, options);
    await titled(texts.awaiting);
    await check(`${lang}-call-awaiting`);
    await during.authenticate();
    await titled(texts.readWord);
    expect(await page.locator('.word').innerText()).toBe(words.nl[during.word]);
    await check(`${lang}-call-word`);

    const failed = await startSession(rig);
    await failed.authenticate('failed');
    rig.clock.now += 800_000;
    await page.goto(`${failed.url}?lang=${lang}`);
    await titled(texts.failed);
    expect(await page.getByRole('alert').innerText()).toContain('14:35');
    await check(`${lang}-failed`);

    await page.goto(`${rig.base}/c/${'A'.repeat(43)}?lang=${lang}`);
    await titled(texts.gone);
    await check(`${lang}-gone`);
    // Chromium reports the 410 of the page itself; it is meant.
    complaints = complaints.filter((complaint) => !complaint.includes('410'));
  });
});

describe.each([{ width: 1280, lang: 'nl', longer: 'Langer geldig houden', until: 'Uw code is geldig tot 14:45 uur.' }, { width: 390, lang: 'en', longer: 'Keep it valid longer', until: 'Your code is valid until 14:45.' }] as const)(
  'the page without JavaScript at $width pixels, in $lang', { timeout: 60_000 }, ({ width, lang, longer, until: validUntil }) => {
    it('says all of it when asked again, gives more time, and can be told not to refresh', async () => {
      const session = await startSession(rig);
      await session.authenticate();
      rig.clock.now += 600_000;
      const viewport = { width, height: 800 };
      await open(`${session.url}?lang=${lang}`, { viewport, javaScriptEnabled: false });
      expect(await page.locator('meta[http-equiv=refresh]').getAttribute('content')).toBe('10');
      expect(await page.locator('#copy').isVisible()).toBe(false);
      await page.getByRole('button', { name: longer }).click();
      await page.getByText(validUntil).waitFor({ timeout: SOON_MS });
      await page.locator('.following a').first().click();
      await page.waitForURL('**refresh=off');
      expect(await page.locator('meta[http-equiv=refresh]').count()).toBe(0);
      await checkWithoutJavaScript(`${lang}-still`, viewport);
      await session.claim();
      session.post({ step: 'waiting', place: 2 });
      await page.locator('.following a').first().click();
      expect(await page.locator('#journey [data-name=wait]').innerText()).toContain('2');
      await checkWithoutJavaScript(`${lang}-still-queue`, viewport);
    });
  },
);

describe('the page, in use', { timeout: 60_000 }, () => {
  it('works with the keyboard alone', async () => {
    const session = await startSession(rig);
    rig.clock.now += 600_000;
    await open(session.url);
    const focused = (): Promise<string> => page.evaluate('document.activeElement.textContent.trim()');
    const order: string[] = [];
    for (let press = 0; press < 4; press += 1) {
      await page.keyboard.press('Tab');
      order.push(await focused());
    }
    expect(order).toEqual(['English', 'Bel nu, met code', 'Kopieer de code', 'Langer geldig houden']);
    await page.keyboard.press('Enter');
    await page.getByText('De tijd is verlengd.').waitFor({ timeout: SOON_MS });
    expect(await page.locator('#until').innerText()).toBe('Uw code is geldig tot 14:45 uur.');
    expect(await focused()).toBe('Langer geldig houden');
    expect(await page.evaluate(`getComputedStyle(document.activeElement).outlineStyle`)).toBe('solid');
    // The button goes with the code; whoever stood on it is not lost.
    await session.claim();
    await titled('Uw code klopt');
    expect(await focused()).toBe('Uw code klopt');
  });

  it('copies the code and counts down', async () => {
    const session = await startSession(rig);
    await open(session.url, { permissions: ['clipboard-read', 'clipboard-write'] });
    await page.getByRole('button', { name: 'Kopieer de code' }).click();
    await page.getByText('De code is gekopieerd.').waitFor({ timeout: SOON_MS });
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(session.code);
    await until(async () => /^Nog 14:\d\d minuten$/.test(await page.locator('#left').innerText()), 'the clock to run', SOON_MS);
  });

  it.each([{ digits: 10, colorScheme: 'light' }, { digits: 16, colorScheme: 'dark' }] as const)('shows a phone’s camera whom to call, and which $digits digits to type, in the $colorScheme', async ({ digits, colorScheme }) => {
    await rig.close();
    rig = await startRig({}, ['Gemeente Zutphen'], digits);
    const session = await startSession(rig);
    await open(session.url, { colorScheme });
    // As a camera sees it: in the middle of a page, by a decoder that is in phones.
    const found = await readBarcodes(new Uint8Array(await page.screenshot()), { formats: ['QRCode'], tryHarder: true });
    expect(found.map(({ text }) => text)).toEqual([await page.locator('a[href^="tel:"]').first().getAttribute('href')]);
    expect(found[0]!.text).toBe(`tel:${rig.tenant.phoneNumber},${session.code}`);
  });

  it('shows the code again when the call was cut off', async () => {
    const session = await startSession(rig);
    const claim = await session.claim();
    await open(session.url);
    await titled('Uw code klopt');
    expect(await page.locator('#code').count()).toBe(0);
    await rig.tenant.vault.letGo(claim.sessionId, 'call-1');
    session.post({ step: 'dropped', callAgainUntil: rig.clock.now + 60_000 });
    await titled('De verbinding is verbroken');
    expect(await page.locator('[data-code]').getAttribute('data-code')).toBe(session.code);
    expect(await page.getByText('Uw code is geldig tot 14:21 uur.').isVisible()).toBe(true);
  });

  it('fits a narrow window and the largest code, and keeps its signs in forced colours', async () => {
    await rig.close();
    rig = await startRig({}, ['Gemeente Zutphen'], 16);
    const session = await startSession(rig);
    await open(session.url, { viewport: { width: 320, height: 640 }, forcedColors: 'active' });
    expect(await overflow()).toBe(false);
    expect(await page.locator('.groups > span').allInnerTexts()).toEqual([0, 4, 8, 12].map((from) => session.code.slice(from, from + 4)));
    await check('narrow-16');
    // 200 % of 1280 pixels.
    await page.setViewportSize({ width: 640, height: 400 });
    expect(await overflow()).toBe(false);
  });
});
