/** A working day without a mouse, and the keys that make it shorter. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startBrowser, type TestBrowser } from '../peers/browser.js';
import { call, logInOn, password, startListener, until, type Listener } from './listener.js';
import { office } from './states.js';

let browser: TestBrowser;
let listener: Listener;
let page: Page;

beforeAll(async () => {
  browser = await startBrowser();
}, 60_000);
afterAll(async () => browser?.stop());
beforeEach(async () => {
  listener = await startListener(office);
  page = await (await browser.browser.newContext({ locale: 'nl-NL', viewport: { width: 1280, height: 800 } })).newPage();
  // Nothing in this file may click.
  await page.addInitScript(`addEventListener('pointerdown', () => { document.title = 'a pointer was used'; }, true)`);
});
afterEach(async () => {
  await page.context().close();
  await listener.close();
});

const press = (...keys: string[]) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
const shortcut = (letter: string) => page.keyboard.press(`Alt+Shift+Key${letter}`);
/** What has the focus, as a person would call it. */
const focused = () => page.evaluate<string>(`(() => {
  const node = document.activeElement;
  return (node.labels?.[0]?.textContent ?? node.textContent ?? '').trim() || node.id;
})()`);
const told = (event: string) => listener.told.filter(([name]) => name === event);

/** Goes on by Tab until something is reached; everything on the way must be visible and show its focus. */
async function tabTo(name: string | RegExp): Promise<void> {
  for (let i = 0; i < 40; i += 1) {
    const now = await focused();
    if (typeof name === 'string' ? now === name : name.test(now)) return;
    await page.keyboard.press('Tab');
    expect(await page.evaluate(`document.activeElement === document.body || (document.activeElement.getClientRects().length > 0)`), `the focus is on something that is there (${await focused()})`).toBe(true);
  }
  throw new Error(`no way by Tab to ${name}; the focus is on ${await focused()}`);
}

async function answered(): Promise<void> {
  listener.screens.offer('anna', call('c1', { canTransfer: true }));
  listener.screens.reveal('anna', { callId: 'c1', revealId: 'r1', identity: { purpose: 'report_move', attributes: { fullname: 'Jip Jansen', bsn: '999990019' }, authMethod: 'digid', verifiedAt: new Date(Date.now() - 3_600_000) } });
  await until('the pop', () => told('acknowledged').length === 1);
  listener.screens.connected('anna', 'c1');
  await page.locator('#call.connected').waitFor();
}

describe('by keyboard alone', { timeout: 60_000 }, () => {
  it('a colleague: bring in, take out, leave the conversation to them; the focus stays near', async () => {
    await logInOn(page, listener);
    await answered();
    await shortcut('D');
    await page.locator('.choice.available').first().waitFor();
    await tabTo(/^Els|^Bram/);
    await press('Space');
    await tabTo('Erbij vragen');
    await press('Enter');
    await until('the wish', () => told('bringInRequested').length === 1);
    expect(told('bringInRequested')[0]).toEqual(['bringInRequested', 'anna', 'c1', 'bram']);
    listener.screens.offer('anna', call('c1', { canTransfer: true, guest: { name: 'Bram Jansen', isJoined: false } }));
    await page.locator('#guest.ringing').waitFor();
    expect(await focused()).toBe('Bram Jansen wordt erbij gevraagd');
    await tabTo('Toch niet');
    await press('Enter');
    await until('the change of mind', () => told('guestOutRequested').length === 1);
    listener.screens.offer('anna', call('c1', { canTransfer: true }));
    await page.locator('#guest').waitFor({ state: 'hidden' });
    expect(await page.evaluate('document.activeElement !== document.body')).toBe(true);
    listener.screens.offer('anna', call('c1', { canTransfer: true, guest: { name: 'Bram Jansen', isJoined: true } }));
    await page.locator('#guest.joined').waitFor();
    await tabTo('Verlaat het gesprek');
    await press('Enter');
    await until('the goodbye', () => told('leaveRequested').length === 1);
    listener.screens.clear('anna', 'c1', 'left');
    await page.locator('#news').getByText('U bent uit het gesprek').waitFor();
    expect(await page.title()).not.toBe('a pointer was used');
  });

  it('a whole call: log in, see, unmask, copy, transfer in vain, identify again, end, wrap up, lock', async () => {
    await page.goto(`${listener.origin}/screen`);
    await tabTo(/^Gebruikersnaam/);
    await page.keyboard.type('anna');
    await tabTo(/^Wachtwoord/);
    await page.keyboard.type(password);
    await press('Enter');
    await page.waitForURL('**/screen');
    await until('the screen', () => listener.screens.isPresent('anna'));

    await tabTo('Beschikbaar');
    await press('ArrowRight');
    await page.locator('#call.break').waitFor();
    await press('ArrowLeft');
    await page.locator('#call.idle:not(.break)').waitFor();

    await answered();
    expect(await focused()).toBe('Beschikbaar');
    await tabTo('Toon BurgerservicenummerToon');
    await press('Enter');
    await until('the wish to see', () => told('unmaskRequested').length === 1);
    listener.screens.unmasked('anna', { callId: 'c1', revealId: 'r1', field: 'bsn', value: '999990019' });
    await page.locator('dd.unmasked').waitFor();
    expect(await focused()).toBe('Verberg BurgerservicenummerVerberg');
    await press('Shift+Tab');
    expect(await focused()).toBe('Kopieer BurgerservicenummerKopieer');
    await press('Enter');
    await page.locator('#said:not(:empty)').waitFor();

    await page.keyboard.press('Shift+Tab');
    for (let i = 0; (await focused()) !== 'Doorverbinden' && i < 20; i += 1) await page.keyboard.press('Shift+Tab');
    await press('Enter');
    expect(await focused()).toBe('Doorverbinden naar');
    await page.locator('.choice.available').first().waitFor();
    await tabTo(/^Bram Jansen/);
    await press('Space');
    await press('ArrowDown');
    await tabTo('Doorverbinden');
    await press('Enter');
    await until('the transfer', () => told('transferRequested').length === 1);
    expect(told('transferRequested')[0]).toEqual(['transferRequested', 'anna', 'c1', { kind: 'agent', name: 'cor' }]);
    listener.screens.transferFailed('anna', { callId: 'c1', reason: 'busy' });
    await page.locator('#transfer-problem').getByText('Bezet').waitFor();
    await press('Escape');
    expect(await focused()).toBe('Doorverbinden');

    await press('Shift+Tab');
    expect(await focused()).toBe('Opnieuw laten identificeren');
    await press('Enter');
    await until('the wish to identify', () => told('identifyRequested').length === 1);
    listener.screens.confirmWord('anna', { callId: 'c1', confirmId: 'q1', word: 'appel' });
    await page.locator('#word-same:not([disabled])').waitFor();
    await tabTo('Zelfde woord');
    await press('Enter');
    await until('the answer', () => told('wordConfirmed').length === 1);

    await shortcut('E');
    expect(await focused()).toBe('Beëindig en wis');
    expect(told('endRequested')).toEqual([]);
    await press('Enter');
    await until('the end', () => told('endRequested').length === 1);
    listener.screens.clear('anna', 'c1', 'ended');
    listener.screens.seat('anna', { state: 'wrapUp', untilMs: Date.now() + 30_000 });
    await tabTo('Weer beschikbaar');
    await press('Enter');
    await until('the end of wrap-up', () => told('wrapUpDone').length === 1);
    listener.screens.seat('anna', { state: 'available' });
    await page.locator('#seat').waitFor({ state: 'hidden' });
    // The button that had the focus went away; the focus stays near.
    expect(await focused()).toBe('Beschikbaar');

    await tabTo('Instellingen');
    await press('Enter');
    expect(await focused()).toBe('Instellingen');
    await tabTo('Sneltoetsen');
    await press('Escape');
    expect(await page.locator('#settings').isVisible()).toBe(false);
    expect(await page.evaluate('document.activeElement.id')).toBe('settings-open');

    await tabTo('Vergrendel');
    await press('Enter');
    await page.waitForURL('**/unlock');
    expect(await page.title()).not.toBe('a pointer was used');
  });

  it('the shortcut keys do what they say, only with a call when they need one, and can be switched off', async () => {
    await logInByKeys();
    await shortcut('D');
    await shortcut('E');
    await shortcut('V');
    await shortcut('K');
    await shortcut('B');
    await until('the break', () => listener.screens.availabilityOf('anna') === 'break');
    await page.locator('#call.break').waitFor();
    await shortcut('B');
    await until('the end of the break', () => listener.screens.availabilityOf('anna') === 'available');
    await answered();
    await shortcut('G');
    expect(await focused()).toBe('Geverifieerde gegevens van de beller');
    await shortcut('D');
    expect(await focused()).toBe('Doorverbinden naar');
    await press('Escape');
    await shortcut('V');
    await until('the wish to identify', () => told('identifyRequested').length === 1);
    listener.screens.clear('anna', 'c1', 'ended');
    listener.screens.seat('anna', { state: 'wrapUp' });
    await page.locator('#ready-again').waitFor();
    expect(await page.locator('#ready-again').getAttribute('aria-keyshortcuts')).toBe('Alt+Shift+K');
    await shortcut('K');
    await until('the end of wrap-up', () => told('wrapUpDone').length === 1);

    await tabTo('Instellingen');
    await press('Enter');
    await tabTo('Sneltoetsen');
    await press('Space');
    await shortcut('B');
    await shortcut('K');
    await shortcut('S');
    await page.reload();
    await page.locator('#call.idle').waitFor();
    await shortcut('B');
    await shortcut('S');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(listener.screens.availabilityOf('anna')).toBe('available');
    expect(told('wrapUpDone')).toHaveLength(1);
    expect(new URL(page.url()).pathname).toBe('/screen');
    expect(await page.locator('[aria-keyshortcuts]').count()).toBe(0);
    // The same key without its companions is nobody's.
    await press('b', 'Alt+b', 'Shift+B');
    expect(listener.screens.availabilityOf('anna')).toBe('available');
  });
});

async function logInByKeys(): Promise<void> {
  await logInOn(page, listener);
  await page.evaluate(`document.title = ''`);
}
