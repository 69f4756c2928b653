import Fastify from 'fastify';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadConfig, type Config } from '../../../config/index.js';
import type { SessionVault } from '../../../core-bridge/index.js';
import { demoPages, DemoRefusedError } from '../../../core-bridge/demo/index.js';
import { grouped } from '../../../core-bridge/demo/pages.js';
import { PERSONAS } from '../../../core-bridge/demo/personas.js';
import { withoutMasked } from '../../../gateway/screen/masking.js';
import { startBrowser, type TestBrowser } from '../../peers/browser.js';
import { keepingLog, testConfig } from '../fixtures.js';
import { serveDemo, type ServedDemo } from './serve-demo.js';

let config: Config;
let vault: SessionVault;
let demo: ServedDemo;
let base = '';
let started: TestBrowser;
let browser: Browser;
let sip: { host: string; port: number } | undefined;
const { log, lines } = keepingLog();

beforeAll(async () => {
  config = loadConfig({ env: {} });
  demo = await serveDemo(config, log, () => sip);
  ({ base, vault } = demo);
  started = await startBrowser();
  ({ browser } = started);
});
afterAll(async () => {
  await started?.stop();
  await demo?.stop();
});

/** A page in a browser that notes every request and every complaint. */
async function open(width: number, javaScript: boolean): Promise<{ page: Page; requests: string[]; complaints: string[] }> {
  const context = await browser.newContext({ viewport: { width, height: 800 }, javaScriptEnabled: javaScript });
  const page = await context.newPage();
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  return { page, requests, complaints };
}

describe.each([
  { width: 320, javaScript: false },
  { width: 1280, javaScript: true },
])('the citizen’s way at $width pixels, JavaScript $javaScript', ({ width, javaScript }) => {
  it('leads to a number and a code that opens the session', async () => {
    const { page, requests, complaints } = await open(width, javaScript);
    await page.goto(`${base}/`);
    expect(new URL(page.url()).pathname).toBe('/demo');
    await page.getByLabel('Request passport').check();
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByLabel('Full name').fill('Anneke <b>"Test" & Zoon');
    await page.getByRole('button', { name: 'Give me a code' }).click();

    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Call with this code');
    const shown = (await page.locator('dd.code').textContent()) ?? '';
    expect(shown).toMatch(/^\d{3} \d{3} \d{4}$/);
    const code = shown.replaceAll(' ', '');
    expect(await page.locator('dd.number').textContent()).toBe('+31 20 123 4567');
    expect(await page.getByRole('link', { name: /Call now/ }).getAttribute('href')).toBe(`tel:+31201234567,${code}`);
    expect(await page.locator('pre').textContent()).toBe(`npm run call -- --code ${code}`);
    expect(page.url()).not.toContain(code);

    const claim = await vault.claim(code, 'call');
    if (!claim.ok) throw new Error('the code does not work');
    expect(claim).toMatchObject({ purpose: 'request_passport', identity: 'verified' });
    expect((await vault.reveal(claim.sessionId, 'call')).attributes).toMatchObject({ fullname: 'Anneke <b>"Test" & Zoon' });

    // All three digit groups on one line, nothing wider than the window, nothing from elsewhere.
    const tops = await page.locator('dd.code span').evaluateAll((spans) => spans.map((span) => (span as unknown as { offsetTop: number }).offsetTop));
    expect(new Set(tops).size).toBe(1);
    expect(await page.locator('html').evaluate((html) => (html as unknown as { scrollWidth: number }).scrollWidth)).toBeLessThanOrEqual(width);
    for (const url of requests) expect(url.startsWith(base)).toBe(true);
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});

describe('in a browser', () => {
  it('every step can be taken by keyboard alone', async () => {
    const { page } = await open(1280, true);
    await page.goto(`${base}/demo`);
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForURL(/authentication\?purpose=request_permit$/);
    await page.getByLabel('E-mail address').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Call with this code' }).waitFor();
    await page.context().close();
  });

  it('what was typed is shown again as text, never as markup', async () => {
    const { page } = await open(1280, true);
    await page.goto(`${base}/demo/authentication?purpose=report_move`);
    await page.getByLabel('Full name').fill(' ');
    await page.getByLabel('Town').fill('"><img src=x onerror=alert(1)>');
    await page.getByRole('button', { name: 'Give me a code' }).click();
    expect(await page.getByRole('alert').textContent()).toContain('Fill in a name');
    expect(await page.getByLabel('Town').inputValue()).toBe('"><img src=x onerror=alert(1)>');
    expect(await page.locator('img').count()).toBe(0);
    await page.context().close();
  });

  it.each([
    ['The authentication fails', 'failed', 'not identified'],
    ['No result arrives at all', 'awaiting', 'No result will arrive'],
    ['Verified, but the result arrives 10 seconds later', 'awaiting', 'ten seconds|10 seconds'],
  ])('%s: the session is %s', async (choice, identity, explanation) => {
    const { page } = await open(1280, false);
    await page.goto(`${base}/demo/authentication?purpose=report_move`);
    await page.getByLabel(choice).check();
    await page.getByRole('button', { name: 'Give me a code' }).click();
    expect(await page.locator('main').textContent()).toMatch(new RegExp(explanation));
    const code = ((await page.locator('dd.code').textContent()) ?? '').replaceAll(' ', '');
    expect(await vault.claim(code, `call ${choice}`)).toMatchObject({ ok: true, identity });
    await page.context().close();
  });
});

const json = (body: unknown, path = '/demo/session'): Promise<Response> => fetch(base + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: typeof body === 'string' ? body : JSON.stringify(body) });

describe('the citizens who do not exist', () => {
  it('have a number that no citizen has, and that screens mask', () => {
    for (const persona of PERSONAS) {
      expect(persona.bsn).toMatch(/^9999\d{5}$/);
      const sum = [...persona.bsn].reduce((total, digit, index) => total + Number(digit) * (index === 8 ? -1 : 9 - index), 0);
      expect(sum % 11, persona.bsn).toBe(0);
      const identity = { purpose: 'report_move', plugin: 'test', attributes: persona, verifiedAt: 0 };
      expect(withoutMasked(identity as unknown as Parameters<typeof withoutMasked>[0], config.tenants[0]!.screen.masked).masked).toEqual(['bsn']);
    }
    expect(new Set(PERSONAS.map(({ bsn }) => bsn)).size).toBe(PERSONAS.length);
  });

  it('the number filled in on the page is in the result', async () => {
    const answer = await fetch(`${base}/demo/authentication`, { method: 'POST', body: new URLSearchParams({ purpose: 'report_move', fullname: 'Anneke', bsn: '999990019' }) });
    const code = (/<dd class="code">([\s\S]*?)<\/dd>/.exec(await answer.text())?.[1] ?? '').replace(/\D/g, '');
    const claim = await vault.claim(code, 'number');
    if (!claim.ok) throw new Error('the code does not work');
    expect((await vault.reveal(claim.sessionId, 'number')).attributes).toMatchObject({ bsn: '999990019' });
  });
});

describe('for scripts', () => {
  it('a session by JSON, with what a program needs', async () => {
    sip = { host: '127.0.0.1', port: 5099 };
    const response = await json({ purpose: 'report_move', attributes: { fullname: 'Test Person' } });
    expect(response.status).toBe(201);
    const body = (await response.json()) as Record<string, string>;
    expect(body).toEqual({
      number: '+31201234567', feedbackUrl: expect.stringMatching(/\/demo\/feedback\/[\w-]+$/) as string, code: expect.stringMatching(/^\d{10}$/) as string, clientUrl: `tel:+31201234567,${body['code']}`, purpose: 'report_move', attributes: { fullname: 'Test Person' }, expiresInSeconds: 900,
      command: `npm run call -- --code ${body['code']} --to sip:+31201234567@127.0.0.1:5099`,
    });
    sip = undefined;
    expect(await vault.claim(body['code'] ?? '', 'script')).toMatchObject({ ok: true, identity: 'verified' });
  });

  it('a late result arrives late', async () => {
    const { code } = (await (await json({ delayMs: 300 })).json()) as { code: string };
    const claim = await vault.claim(code, 'late');
    if (!claim.ok) throw new Error('the code does not work');
    expect(claim.identity).toBe('awaiting');
    await vi.waitFor(async () => expect(await vault.identity(claim.sessionId, 'late')).toBe('verified'), { timeout: 5_000 });
  });

  it.each(['', '{', '[]', '{"attributes":{"a":1}}', '{"result":"maybe"}', '{"delayMs":9999999}', '{"unknown":1}', '{"purpose":"canary"}'])('refuses %s', async (body) => {
    const response = await json(body);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error: expect.stringMatching(/^[a-z_]+$/) as string, message: expect.stringMatching(/\.$/) as string });
  });

  it('takes POST alone', async () => {
    const response = await fetch(`${base}/demo/session`);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
  });
});

describe('headers', () => {
  it.each(['/demo', '/demo/authentication?purpose=report_move', '/demo/style.css'])('%s: strict policy, nothing kept', async (path) => {
    const { headers, status } = await fetch(base + path);
    expect(status).toBe(200);
    expect(headers.get('content-security-policy')).toBe("default-src 'none';style-src 'self';img-src 'self';form-action 'self';base-uri 'none';frame-ancestors 'none'");
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
  });
});

describe('bad forms', () => {
  const post = (body: string): Promise<Response> => fetch(`${base}/demo/authentication`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body });

  it.each([['', 400], ['purpose=canary&fullname=x', 400], ['purpose=report_move&outcome=canary&fullname=x', 400], [`purpose=report_move&fullname=${'x'.repeat(300)}`, 400], [`purpose=report_move&fullname=${'x'.repeat(100_000)}`, 413]])('%#', async (body, status) => {
    const response = await post(body);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toContain('text/html');
    expect(await response.text()).not.toContain('canary');
  });

  it('an unknown subject leads back to the list', async () => {
    const response = await fetch(`${base}/demo/authentication?purpose=%3Cscript%3E`, { redirect: 'manual' });
    expect([response.status, response.headers.get('location')]).toEqual([303, '/demo']);
  });
});

it('a core that does not answer is told on the page and in JSON', async () => {
  const alone = Fastify();
  await alone.register(demoPages({ config, log, coreUrl: () => 'http://127.0.0.1:1', publicUrl: () => 'http://127.0.0.1:1' }));
  const page = await alone.inject({ method: 'POST', url: '/demo/authentication', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: 'purpose=report_move&fullname=x' });
  expect([page.statusCode, page.body.includes('did not answer')]).toEqual([502, true]);
  const script = await alone.inject({ method: 'POST', url: '/demo/session', payload: {} });
  expect([script.statusCode, script.json<{ error: string }>().error]).toEqual([502, 'demo_core_failed']);
  await alone.close();
});

it('is refused outside the demo and in production', () => {
  const options = { log, coreUrl: () => 'http://127.0.0.1:1', publicUrl: () => 'http://127.0.0.1:1' };
  expect(() => demoPages({ ...options, config: testConfig() })).toThrow(DemoRefusedError);
  vi.stubEnv('NODE_ENV', 'production');
  expect(() => demoPages({ ...options, config })).toThrow(DemoRefusedError);
  vi.unstubAllEnvs();
});

it('codes are grouped three by three, with up to five at the end', () => {
  expect(['12345678', '123456789', '1234567890', '12345678901'].map((code) => grouped(code).join(' '))).toEqual(['123 45678', '123 456 789', '123 456 7890', '123 456 78901']);
});

it('no name and no code reached the log', () => {
  const text = lines.join('');
  for (const word of ['Anneke', 'Test Person', 'tel:']) expect(text).not.toContain(word);
});
