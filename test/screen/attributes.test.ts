/** What a browser has of a caller, and when: in its page, its memory, and what it was sent. */
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startBrowser, type TestBrowser } from '../peers/browser.js';
import { call, logInOn, password, startListener, until, type Listener } from './listener.js';
import { startRelay, type Relay } from './relay.js';
import { office } from './states.js';

const bsn = '999990019';

let browser: TestBrowser;
let listener: Listener;
let context: BrowserContext;
let page: Page;
/** Everything the page was sent over its socket. */
let sent: string[];
const closing: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  browser = await startBrowser();
}, 60_000);
afterAll(async () => browser?.stop());
beforeEach(async () => {
  context = await browser.browser.newContext({ locale: 'nl-NL', viewport: { width: 1280, height: 800 } });
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await context?.close();
  await listener?.close();
});

async function open(options: Parameters<typeof startListener>[0] = {}, through?: (port: number) => Promise<Relay>): Promise<Relay | undefined> {
  listener = await startListener({ ...office, ...options });
  const relay = await through?.(Number(new URL(listener.origin).port));
  if (relay) closing.push(() => relay.close());
  page = await context.newPage();
  sent = [];
  page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => void sent.push(String(payload))));
  await logInOn(page, listener, 'anna', relay?.origin);
  return relay;
}

async function reveal(callId = 'c1', revealId = 'r1', name = 'Jip Jansen'): Promise<void> {
  listener.screens.offer('anna', call(callId));
  // As a call that forgot to take out what is masked: the screens do it too.
  listener.screens.reveal('anna', { callId, revealId, identity: { purpose: 'report_move', attributes: { fullname: name, bsn }, authMethod: 'digid', verifiedAt: new Date() } });
  await until(`${revealId} to be acknowledged`, () => listener.told.some((t) => t[0] === 'acknowledged' && t[3] === revealId));
}

const told = (event: string) => listener.told.filter(([name]) => name === event);
const isBlank = async () => (await page.locator('#identity *').count()) === 0 && !(await page.content()).includes('Jansen');

/** Whether the page's memory holds this text, found the way a debugger finds it: in strings of scripts, or of the document. */
async function inMemory(text: string): Promise<boolean> {
  const session = await context.newCDPSession(page);
  let snapshot = '';
  session.on('HeapProfiler.addHeapSnapshotChunk', ({ chunk }) => void (snapshot += chunk));
  await session.send('HeapProfiler.enable');
  await session.send('HeapProfiler.collectGarbage');
  await session.send('HeapProfiler.takeHeapSnapshot', { reportProgress: false, captureNumericValue: true });
  await session.detach();
  return snapshot.includes(text) || (await page.content()).includes(text);
}

/** The processes that run the browser's pages. */
async function pageProcesses(): Promise<number[]> {
  const session = await browser.browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  return processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
}

describe('a masked value', { timeout: 60_000 }, () => {
  it('is not in the page, its memory or a message before it is asked for; then it is; then it goes by itself', async () => {
    await open({ unmaskForMs: 1500 });
    await reveal();
    expect(await page.locator('dd.masked').innerText()).not.toContain(bsn);
    expect(await page.content()).not.toContain(bsn);
    expect(sent.join('')).not.toContain(bsn);
    // That the search finds what is there: a text that only a script holds.
    await page.evaluate(`window.proof = ['kept', 'proof'].join(' ')`);
    expect(await inMemory('kept proof')).toBe(true);
    expect(await inMemory(bsn)).toBe(false);
    expect(await page.getByRole('button', { name: 'Kopieer Burgerservicenummer' }).count()).toBe(0);

    await page.getByRole('button', { name: 'Toon Burgerservicenummer' }).click();
    await until('the wish', () => told('unmaskRequested').length === 1);
    expect(await page.content()).not.toContain(bsn);
    listener.screens.unmasked('anna', { callId: 'c1', revealId: 'r1', field: 'bsn', value: bsn });
    await page.locator('dd.unmasked').getByText(bsn).waitFor();
    expect(await page.getByRole('button', { name: 'Kopieer Burgerservicenummer' }).count()).toBe(1);
    await page.locator('dd.masked').waitFor();
    expect(await page.content()).not.toContain(bsn);
    await until('the memory to be without it', async () => !(await inMemory(bsn)));
    // And again, when it is asked for again.
    await page.getByRole('button', { name: 'Toon Burgerservicenummer' }).click();
    await until('the second wish', () => told('unmaskRequested').length === 2);
  });

  it('goes with the call, and does not come when the call is gone', async () => {
    await open();
    await reveal();
    await page.getByRole('button', { name: 'Toon Burgerservicenummer' }).click();
    await until('the wish', () => told('unmaskRequested').length === 1);
    listener.screens.unmasked('anna', { callId: 'c1', revealId: 'r1', field: 'bsn', value: bsn });
    await page.locator('dd.unmasked').waitFor();
    listener.screens.clear('anna', 'c1', 'ended');
    await until('blank', isBlank);
    expect(await page.content()).not.toContain(bsn);
    // The next caller: what was asked about the one before comes late.
    await reveal('c2', 'r2', 'Sam Smit');
    const before = sent.length;
    listener.screens.unmasked('anna', { callId: 'c1', revealId: 'r1', field: 'bsn', value: bsn });
    listener.screens.unmasked('anna', { callId: 'c2', revealId: 'r2', field: 'bsn', value: bsn });
    listener.screens.warn('anna', 'c2', 'codeUsedAgain');
    await page.locator('#warning').waitFor();
    expect(sent.slice(before).join('')).not.toContain(bsn);
    expect(await page.content()).not.toContain(bsn);
  });

  it('can be hidden, and says when it cannot be shown', async () => {
    await open();
    await reveal();
    const show = page.getByRole('button', { name: 'Toon Burgerservicenummer' });
    await show.click();
    await until('the wish', () => told('unmaskRequested').length === 1);
    listener.screens.unmasked('anna', { callId: 'c1', revealId: 'r1', field: 'bsn', value: null });
    await page.getByText('Kan nu niet worden getoond.').waitFor();
    await show.click();
    await until('the next wish', () => told('unmaskRequested').length === 2);
    listener.screens.unmasked('anna', { callId: 'c1', revealId: 'r1', field: 'bsn', value: bsn });
    await page.getByRole('button', { name: 'Verberg Burgerservicenummer' }).click();
    await show.waitFor();
    expect(await page.content()).not.toContain(bsn);
  });
});

describe('copying', { timeout: 60_000 }, () => {
  it('puts one value on the clipboard and says which, not what', async () => {
    await open();
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await reveal();
    await page.getByRole('button', { name: 'Kopieer Naam' }).click();
    await page.locator('#said').getByText('Gekopieerd: Naam').waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe('Jip Jansen');
    expect(await page.locator('#said').innerText()).not.toContain('Jip');
  });

  it('works where the browser keeps its clipboard to https', async () => {
    await open();
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await reveal();
    await page.evaluate(`Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })`);
    await page.getByRole('button', { name: 'Kopieer Naam' }).click();
    await page.locator('#said').getByText('Gekopieerd: Naam').waitFor();
    expect(await page.evaluate('getSelection().isCollapsed')).toBe(true);
  });
});

describe('the lease', { timeout: 60_000 }, () => {
  it('ends on the clock of the page when the network holds everything back', async () => {
    // The heartbeat would notice too; here it is made patient, so that only the lease can do it.
    const relay = (await open({ leaseMs: 2500, beatIntervalMs: 60_000, beatTimeoutMs: 120_000 }, startRelay))!;
    await reveal();
    const renewing = setInterval(() => listener.screens.renewLease('anna', 'c1'), 300);
    closing.push(() => clearInterval(renewing));
    await new Promise((resolve) => setTimeout(resolve, 3500));
    expect(await page.locator('#identity').innerText()).toContain('Jansen');
    relay.freeze();
    await until('blank', isBlank, 6000);
    expect(await page.locator('#news').innerText()).toContain('niet meer te volgen');
  });

  it('ends at once when the computer wakes up from a long sleep', async () => {
    await open({ leaseMs: 30_000 });
    await reveal();
    await page.evaluate(`{
      const now = Date.now;
      Date.now = () => now() + 3_600_000;
      document.dispatchEvent(new Event('visibilitychange'));
    }`);
    expect(await isBlank()).toBe(true);
    // The server hears of it; a call that is alive shows itself again.
    await until('the loss', () => told('leaseLost').length === 1);
    expect(listener.screens.reveal('anna', { callId: 'c1', revealId: 'r2', identity: null })).toBe(false);
    await page.evaluate('Date.now = () => performance.timeOrigin + performance.now()');
    await reveal('c1', 'r3');
    expect(await page.locator('#identity').innerText()).toContain('Jansen');
  });

  it('ends at the server when the call does not say that it is alive', async () => {
    await open({ leaseMs: 1000 });
    await reveal();
    await until('blank', isBlank);
    await until('the loss', () => told('leaseLost').length === 1);
    // What comes of it now is late.
    listener.screens.renewLease('anna', 'c1');
    expect(listener.screens.reveal('anna', { callId: 'c1', revealId: 'r2', identity: null })).toBe(false);
  });
});

describe('what ends the showing', { timeout: 60_000 }, () => {
  it('closing the laptop: what was on its way is late when it wakes up, and the caller has to be shown anew', async () => {
    // The heartbeat is patient here: the page has to notice by its own clocks.
    await open({ leaseMs: 2000, beatIntervalMs: 60_000, beatTimeoutMs: 120_000 });
    await reveal();
    const renewing = setInterval(() => listener.screens.renewLease('anna', 'c1'), 300);
    closing.push(() => clearInterval(renewing));
    const blanked = page.evaluate(`new Promise((resolve) => new MutationObserver(() => document.querySelector('#identity *') === null && resolve(Date.now())).observe(document.getElementById('identity'), { childList: true }))`);
    // As sleep does: the page's process stands still, in the middle of whatever it does, and its clocks do not.
    const renderers = await pageProcesses();
    for (const pid of renderers) process.kill(pid, 'SIGSTOP');
    closing.push(() => renderers.forEach((pid) => process.kill(pid, 'SIGCONT')));
    await new Promise((resolve) => setTimeout(resolve, 4000));
    const wokeAt = Date.now();
    for (const pid of renderers) process.kill(pid, 'SIGCONT');
    // Ten renewals were on their way; none of them keeps the caller on the screen.
    expect(Number(await blanked) - wokeAt).toBeLessThan(1000);
    await until('the loss', () => told('leaseLost').length === 1);
    listener.screens.reveal('anna', { callId: 'c1', revealId: 'r2', identity: null });
    expect(await isBlank()).toBe(true);
  });

  it('a frozen tab: blank before it freezes, and without the caller when it comes back', async () => {
    await open();
    await reveal();
    // Chromium freezes tabs that are forgotten in the background; what it tells the page can be told to it here.
    await page.evaluate(`document.dispatchEvent(new Event('freeze'))`);
    expect(await isBlank()).toBe(true);
    await until('the screen to be gone', () => !listener.screens.isPresent('anna'));
    await page.evaluate(`document.dispatchEvent(new Event('resume'))`);
    await until('the screen to be back', () => listener.screens.isPresent('anna'));
    await page.locator('#call.answered').waitFor();
    expect(await isBlank()).toBe(true);
    expect(told('returned')).toEqual([['returned', 'anna', 'c1']]);
  });

  it('locking: blank at once, at every page of the agent, and nothing before it is unlocked', async () => {
    await open();
    await reveal();
    await page.getByRole('button', { name: 'Vergrendel' }).click();
    await page.waitForURL('**/unlock');
    await until('the lock', () => told('locked').length === 1 && !listener.screens.isPresent('anna'));
    expect(listener.screens.reveal('anna', { callId: 'c1', revealId: 'r2', identity: null })).toBe(false);
    expect(await page.content()).not.toContain('Jansen');
    await page.goBack().catch(() => undefined);
    await page.waitForURL('**/unlock');
    expect(await page.content()).not.toContain('Jansen');
  });

  it('another page of the same login is locked as well', async () => {
    await open();
    await reveal();
    // The lock is asked for elsewhere in the browser, as by a colleague passing by.
    await context.request.post(`${listener.origin}/lock`, { headers: { origin: listener.origin }, maxRedirects: 0 });
    await page.waitForURL('**/unlock');
    expect(await page.content()).not.toContain('Jansen');
  });

  it.each(['transferred', 'requeued', 'failed'] as const)('%s: the details leave this screen', async (reason) => {
    await open();
    await reveal();
    listener.screens.clear('anna', 'c1', reason);
    await until('blank', isBlank);
    await page.locator('#news:not(:empty)').waitFor();
  });

  it('refreshing the page: another reveal is needed', async () => {
    await open();
    await reveal();
    await page.reload();
    await page.locator('#call.answered').waitFor();
    expect(await isBlank()).toBe(true);
  });
});

describe('a slow network', { timeout: 60_000 }, () => {
  it('shows nobody late: what was cleared meanwhile is not acknowledged, and the next caller stands alone', async () => {
    const relay = (await open({}, startRelay))!;
    relay.slow(700);
    const before = Date.now();
    await reveal();
    expect(Date.now() - before).toBeGreaterThan(1300);
    // The call ends and the next one rings while the page still shows the first.
    listener.screens.clear('anna', 'c1', 'ended');
    listener.screens.offer('anna', call('c2', { identified: 'none' }));
    await page.locator('#call.ringing').waitFor();
    expect(await isBlank()).toBe(true);
    // A reveal that is overtaken by the end of its call.
    listener.screens.reveal('anna', { callId: 'c2', revealId: 'r2', identity: { purpose: 'report_move', attributes: { fullname: 'Sam Jansen' }, verifiedAt: new Date() } });
    listener.screens.clear('anna', 'c2', 'ended');
    await page.locator('#call.idle').waitFor();
    await new Promise((resolve) => setTimeout(resolve, 1600));
    expect(told('acknowledged').map((t) => t[3])).toEqual(['r1']);
    expect(await isBlank()).toBe(true);
  });

  it('what the agent chose stands at once and stays; whether it holds is said when the server has heard it', async () => {
    const relay = (await open({}, startRelay))!;
    relay.slow(700);
    await page.locator('input[value=break]').check();
    // Not drawn back and forth while the answer is on its way.
    expect(await page.locator('#call.idle').isVisible()).toBe(true);
    await page.locator('#call.break').waitFor();
    expect(await page.locator('input[value=break]').isChecked()).toBe(true);
    // Of two wishes in one breath the last one holds.
    await page.locator('input[value=available]').check();
    await page.locator('input[value=break]').check();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(await page.locator('input[value=break]').isChecked()).toBe(true);
    expect(listener.screens.availabilityOf('anna')).toBe('break');
  });

  it('a lock leads to the page that unlocks, whichever is first: the answer, or the word on the socket', async () => {
    const relay = (await open({}, startRelay))!;
    for (const delayMs of [0, 0, 0, 30, 300]) {
      relay.slow(delayMs);
      await page.getByRole('button', { name: 'Vergrendel' }).click();
      await page.waitForURL('**/unlock');
      await page.getByLabel('Wachtwoord').fill(password);
      await page.getByRole('button', { name: 'Ontgrendelen' }).click();
      await page.waitForURL('**/screen');
      await page.locator('#connection.live').waitFor();
    }
  });
});
