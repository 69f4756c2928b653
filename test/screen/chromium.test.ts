import { mkdirSync } from 'node:fs';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startBrowser, type TestBrowser } from '../peers/browser.js';
import { startRelay } from './relay.js';
import { call, logInOn, password, revelation, startListener, until, type Listener } from './listener.js';

/** Set to a folder to keep pictures of the screen. */
const pictures = process.env['SCREEN_PICTURES'];

let started: TestBrowser;
let browser: Browser;
let listener: Listener;
let context: BrowserContext;
let page: Page;
let complaints: string[];
/** Pages that were closed because they said too much. */
let floods: number;

beforeAll(async () => {
  started = await startBrowser();
  ({ browser } = started);
}, 60_000);
afterAll(async () => started?.stop());

beforeEach(async () => {
  floods = 0;
  listener = await startListener({ onFlood: () => void (floods += 1) });
  context = await browser.newContext({ locale: 'nl-NL', viewport: { width: 1280, height: 800 } });
  page = await newPage();
}, 30_000);
afterEach(async () => {
  await context?.close();
  await listener?.close();
});

async function newPage(): Promise<Page> {
  const made = await context.newPage();
  complaints = [];
  made.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  made.on('pageerror', (error) => complaints.push(String(error)));
  return made;
}

const logIn = (on = page, name = 'anna'): Promise<void> => logInOn(on, listener, name);
const acknowledged = (revealId: string) => until(`reveal ${revealId} to be acknowledged`, () => listener.told.some((t) => t[0] === 'acknowledged' && t[3] === revealId));
const identityText = (on = page) => on.locator('#identity').innerText();

async function picture(name: string, on = page): Promise<void> {
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  await on.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
}

describe('the screen in a browser', { timeout: 60_000 }, () => {
  it('logs in, shows a call and its identity, acknowledges, and clears', async () => {
    await page.goto(listener.origin);
    await picture('login');
    await logIn();
    await page.getByText('Wacht op een gesprek').waitFor();
    await picture('idle');

    listener.screens.offer('anna', call('c1'));
    await page.getByText('Uw telefoon gaat over').waitFor();
    expect(await page.locator('#fact-identified').innerText()).toBe('Geverifieerd');
    expect(await page.locator('#identity').count()).toBe(1);
    expect(await identityText()).toBe('');
    await picture('ringing');

    expect(listener.screens.reveal('anna', revelation('c1', 'r1', { street: 'Dorpsstraat', bsn: '999990019', fullname: 'Jip Jansen', shoe_size: '43' }))).toBe(true);
    await acknowledged('r1');
    const shown = await identityText();
    expect(shown).toContain('Jip Jansen');
    expect(shown).toContain('Burgerservicenummer');
    expect(shown).toContain('Shoe size');
    expect(shown).toContain('DigiD');
    expect(await page.locator('#fact-age').innerText()).toBe('3 minuten geleden');
    expect(shown.indexOf('Jip Jansen')).toBeLessThan(shown.indexOf('999990019'));
    await picture('revealed');

    listener.screens.connected('anna', 'c1');
    await page.getByText('In gesprek').waitFor();
    await page.getByRole('button', { name: 'English' }).click();
    expect(await page.locator('#state').innerText()).toBe('In conversation');
    expect(await identityText()).toContain('Citizen service number');
    await picture('connected-en');
    await page.setViewportSize({ width: 390, height: 844 });
    await picture('connected-phone');

    await page.getByRole('button', { name: 'End and delete' }).click();
    await until('the end to be asked for', () => listener.told.some((t) => t[0] === 'endRequested' && t[2] === 'c1'));
    listener.screens.clear('anna', 'c1', 'ended');
    await until('the identity to be gone', async () => (await page.locator('#identity *').count()) === 0);
    expect(await page.content()).not.toContain('Jansen');
    expect(await page.content()).not.toContain('999990019');
    expect(await page.locator('#fact-age').isVisible()).toBe(false);
    expect(await page.locator('#news').innerText()).toBe('The call has ended. The details are off the screen.');
    await picture('cleared');
    expect(complaints).toEqual([]);
  });

  it('refuses a wrong password and says so', async () => {
    await page.goto(`${listener.origin}/screen`);
    await page.getByLabel('Gebruikersnaam').fill('anna');
    await page.getByLabel('Wachtwoord').fill('guess');
    await page.getByRole('button', { name: 'Aanmelden' }).click();
    await page.getByRole('alert').getByText('klopt niet').waitFor();
    await picture('login-refused');
    expect(new URL(page.url()).pathname).toBe('/login');
    expect(await context.cookies()).toEqual([]);
  });

  it('says plainly that a caller is not identified, and acknowledges that too', async () => {
    await logIn();
    listener.screens.offer('anna', call('c1', { identified: 'failed', language: 'en' }));
    listener.screens.reveal('anna', { callId: 'c1', revealId: 'r1', identity: null });
    await acknowledged('r1');
    expect(await identityText()).toContain('Ga er niet van uit dat u weet wie dit is.');
    await picture('unidentified');
    await page.emulateMedia({ colorScheme: 'dark' });
    await picture('unidentified-dark');
    // The result came late: the same call, now with an identity.
    listener.screens.reveal('anna', revelation('c1', 'r2'));
    await acknowledged('r2');
    expect(await identityText()).not.toContain('Ga er niet van uit');
    expect(await page.locator('#fact-identified').innerText()).toBe('Geverifieerd');
  });

  it('draws attributes as text, whatever they hold', async () => {
    await logIn();
    const hostile = '<img src=x onerror="document.title=1"><script>window.pwned=1</script>{{7*7}}';
    listener.screens.offer('anna', call('c1', { service: '<b>Burgerzaken</b>' }));
    listener.screens.reveal('anna', revelation('c1', 'r1', {
      fullname: hostile, '<i>name</i>': 'x', city: '\u202Elmth\u202C.exe', street: 'a\u0000b', note: 'y'.repeat(5000), empty: '',
    }));
    await acknowledged('r1');
    expect(await identityText()).toContain(hostile);
    expect(await page.locator('#identity img, #identity script, #identity i, #call b').count()).toBe(0);
    expect(await page.evaluate('window.pwned')).toBeUndefined();
    expect(await identityText()).toContain('\uFFFDlmth\uFFFD.exe');
    expect(await identityText()).toContain('(ingekort)');
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    await picture('hostile');
    expect(complaints).toEqual([]);
  });

  it('blanks when the connection is lost, and comes back without the attributes', async () => {
    await logIn();
    listener.screens.offer('anna', call('c1'));
    listener.screens.reveal('anna', revelation('c1', 'r1'));
    await acknowledged('r1');
    const port = Number(new URL(listener.origin).port);
    listener.screens.close();
    await page.getByRole('alert').getByText('De verbinding met de telefooncentrale is weg').waitFor();
    expect(await page.content()).not.toContain('Jansen');
    await picture('lost');
    // The server is up again and knows nobody: the page asks for a login.
    await listener.app.close();
    listener = await startListener({}, port);
    await page.waitForURL('**/login');
  });

  it('blanks when the network dies without a word', async () => {
    await listener.close();
    listener = await startListener({ beatIntervalMs: 300, beatTimeoutMs: 1500 });
    const relay = await startRelay(Number(new URL(listener.origin).port));
    try {
      await page.goto(`${relay.origin}/screen`);
      await page.getByLabel('Gebruikersnaam').fill('anna');
      await page.getByLabel('Wachtwoord').fill(password);
      await page.getByRole('button', { name: 'Aanmelden' }).click();
      await until('present', () => listener.screens.isPresent('anna'));
      listener.screens.offer('anna', call('c1'));
      listener.screens.reveal('anna', revelation('c1', 'r1'));
      await acknowledged('r1');
      relay.freeze();
      await until('the page to be blank', async () => (await page.locator('#identity *').count()) === 0);
      await until('the screen to be gone', () => !listener.screens.isPresent('anna'));
      // The same agent, the same call: shown again only by a new reveal.
      relay.thaw();
      await until('present again', () => listener.screens.isPresent('anna'), 20_000);
      await page.locator('#call.answered').waitFor();
      expect(await identityText()).toBe('');
      expect(listener.screens.reveal('anna', revelation('c1', 'r2'))).toBe(true);
      await acknowledged('r2');
    } finally {
      await relay.close();
    }
  });

  it('shows in one tab only, and the other can take it back', async () => {
    await logIn();
    listener.screens.offer('anna', call('c1'));
    listener.screens.reveal('anna', revelation('c1', 'r1'));
    await acknowledged('r1');
    const second = await newPage();
    await second.goto(`${listener.origin}/screen`);
    await page.getByText('in een ander venster geopend').waitFor();
    expect(await page.content()).not.toContain('Jansen');
    expect(await identityText(second)).toBe('');
    await picture('replaced');
    listener.screens.reveal('anna', revelation('c1', 'r2'));
    await acknowledged('r2');
    expect(await identityText(second)).toContain('Jansen');
    await page.getByRole('button', { name: 'Hier gebruiken' }).click();
    await second.getByText('in een ander venster geopend').waitFor();
    expect(await second.content()).not.toContain('Jansen');
    await page.locator('#call.answered').waitFor();
  });

  it('that says more than a page does is closed, says so, and comes back after a pause that grows', async () => {
    // The page's clocks only: the pause is not waited for, it passes.
    await page.clock.install();
    await logIn();
    listener.screens.offer('anna', call('c1'));
    listener.screens.reveal('anna', revelation('c1', 'r1'));
    await acknowledged('r1');
    const flood = async (): Promise<void> => {
      // As the page's own code would, if it went wrong: the module that the page itself uses.
      await page.evaluate(`import('/screen/assets/socket.js').then(({ say }) => { for (let i = 0; i < 100; i += 1) say({ type: 'active' }); })`);
      await until('the screen to be gone', () => !listener.screens.isPresent('anna'));
      await page.getByRole('alert').getByText('te veel berichten van dit scherm').waitFor();
    };
    const times = (event: string): number => listener.told.filter((t) => t[0] === event).length;
    await flood();
    expect(await page.content()).not.toContain('Jansen');
    expect(await page.locator('input[name=availability]').first().isDisabled()).toBe(true);
    await page.clock.fastForward(3_000);
    expect(await page.locator('#connection').innerText()).toBe('Geen verbinding');
    await page.clock.fastForward(4_000);
    await until('the screen to be back', () => times('present') === 2);
    await page.getByText('Uw telefoon gaat over').or(page.locator('#call.answered')).first().waitFor();
    expect(await page.locator('#alarm').innerText()).toBe('');
    expect(await page.content()).not.toContain('Jansen');
    listener.screens.reveal('anna', revelation('c1', 'r2'));
    await acknowledged('r2');
    expect(await identityText()).toContain('Jansen');
    // What made it talk so much is still there: longer, this time.
    await flood();
    await page.clock.fastForward(7_000);
    expect(await page.locator('#connection').innerText()).toBe('Geen verbinding');
    expect(times('present')).toBe(2);
    await page.clock.fastForward(6_000);
    await until('the screen to be back', () => times('present') === 3);
    expect(floods).toBe(2);
    const warnings = listener.logged().split('\n').filter((line) => line.includes('said more than a page')).map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(warnings.map(({ level, agent }) => ({ level, agent }))).toEqual([{ level: 40, agent: 'anna' }, { level: 40, agent: 'anna' }]);
  });

  it('acknowledges in a tab in the background', async () => {
    await logIn();
    // What a browser does with a tab nobody looks at: no frames, and a page that knows it is hidden.
    await page.evaluate(`
      window.requestAnimationFrame = () => 0;
      Object.defineProperty(document, 'visibilityState', { get: () => 'hidden', configurable: true });
    `);
    listener.screens.offer('anna', call('c1'));
    listener.screens.reveal('anna', revelation('c1', 'r1'));
    await acknowledged('r1');
    // And one that is covered but does not know: no frames, only timers.
    await page.evaluate(`Object.defineProperty(document, 'visibilityState', { get: () => 'visible', configurable: true })`);
    listener.screens.reveal('anna', revelation('c1', 'r2'));
    await acknowledged('r2');
  });

  it('does not acknowledge what was cleared before it was drawn', async () => {
    await logIn();
    await page.evaluate(`
      window.frames_ = [];
      window.requestAnimationFrame = (f) => window.frames_.push(f);
    `);
    listener.screens.offer('anna', call('c1'));
    listener.screens.reveal('anna', revelation('c1', 'r1'));
    listener.screens.clear('anna', 'c1', 'ended');
    listener.screens.offer('anna', call('c2'));
    listener.screens.reveal('anna', revelation('c2', 'r2', { fullname: 'Sam' }));
    await acknowledged('r2');
    expect(listener.told.filter((t) => t[0] === 'acknowledged')).toEqual([['acknowledged', 'anna', 'c2', 'r2']]);
    expect(await page.content()).not.toContain('Jansen');
  });

  it('keeps nothing when the page is left and the back button brings it back', async () => {
    await logIn();
    listener.screens.offer('anna', call('c1'));
    listener.screens.reveal('anna', revelation('c1', 'r1'));
    await acknowledged('r1');
    await page.goto('about:blank');
    await until('the screen to be gone', () => !listener.screens.isPresent('anna'));
    await page.goBack();
    await until('the screen to be back', () => listener.screens.isPresent('anna'));
    expect(await page.content()).not.toContain('Jansen');
    // After logging out the way back leads to the login.
    await page.getByRole('button', { name: 'Afmelden' }).click();
    await page.waitForURL('**/login');
    await page.goBack().catch(() => undefined);
    await page.waitForURL('**/login');
    expect(await page.content()).not.toContain('Jansen');
    expect(await page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }])')).not.toContain('Jansen');
  });

  it('works with the keyboard alone and steals no focus', async () => {
    await logIn();
    await page.keyboard.press('Tab');
    const focused = () => page.evaluate('document.activeElement.id || document.activeElement.value || document.activeElement.textContent');
    for (const [index, id] of ['settings-open', 'language'].entries()) {
      if (index > 0) await page.keyboard.press('Tab');
      expect(await focused()).toBe(id);
    }
    // Lock and log out.
    for (let i = 0; i < 3; i += 1) await page.keyboard.press('Tab');
    expect(await focused()).toBe('available');
    await page.keyboard.press('ArrowRight');
    await until('the break', () => listener.screens.availabilityOf('anna') === 'break');
    await page.getByText('Pauze: u krijgt geen gesprekken').waitFor();
    await page.keyboard.press('ArrowLeft');
    await until('available', () => listener.screens.availabilityOf('anna') === 'available');
    const before = await focused();
    listener.screens.offer('anna', call('c1'));
    listener.screens.reveal('anna', revelation('c1', 'r1'));
    await acknowledged('r1');
    expect(await focused()).toBe(before);
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('end');
    await page.keyboard.press('Enter');
    await until('the wish to end', () => listener.told.some((t) => t[0] === 'endRequested'));
  });

  it('is logged out when idle, but not in a call', async () => {
    await listener.close();
    let ahead = 0;
    listener = await startListener({ idleTimeoutMs: 60_000, now: () => Date.now() + ahead });
    await logIn();
    listener.screens.offer('anna', call('c1'));
    ahead = 120_000;
    await new Promise((resolve) => setTimeout(resolve, 6000));
    expect(listener.screens.isPresent('anna')).toBe(true);
    listener.screens.clear('anna', 'c1', 'ended');
    // The call was work: the time without a touch begins anew.
    ahead = 300_000;
    await page.waitForURL('**/login', { timeout: 20_000 });
    expect(listener.screens.isPresent('anna')).toBe(false);
  });

  it('asks nobody else for anything, and is refused to another site', async () => {
    const asked: string[] = [];
    page.on('request', (request) => void asked.push(request.url()));
    await logIn();
    expect(asked.filter((url) => !url.startsWith(listener.origin))).toEqual([]);
    const other = await startListener();
    try {
      // A page of another origin (another port) tries to open the socket with the agent's cookie, and to frame the screen.
      const foreign = await newPage();
      await foreign.goto(`${other.origin}/login`);
      const opened = await foreign.evaluate(`new Promise((resolve) => {
        const socket = new WebSocket('${listener.origin.replace('http', 'ws')}/screen/ws');
        socket.onopen = () => resolve(true);
        socket.onerror = () => resolve(false);
      })`);
      expect(opened).toBe(false);
      expect(listener.told.filter((t) => t[0] === 'present')).toHaveLength(1);
    } finally {
      await other.close();
    }
  });
});
