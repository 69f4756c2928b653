import { readFileSync } from 'node:fs';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { demoConfigPath, parseConfig, type Config } from '../../../config/index.js';
import { HttpFeedback } from '../../../core-bridge/feedback/http-feedback.js';
import { startBrowser } from '../../peers/browser.js';
import { until } from '../../peers/wait.js';
import { ec, keepingLog } from '../fixtures.js';
import { serveDemo, type ServedDemo } from './serve-demo.js';

/** The demo's configuration, which sends citizens to the gateway's own page. */
function pageConfig(): Config {
  const raw = parse(readFileSync(demoConfigPath, 'utf8')) as { idContact: object; listeners: object };
  return parseConfig({ ...raw, listeners: { ...raw.listeners, public: { port: 0 } }, idContact: { ...raw.idContact, clientUrl: 'page' } }, { env: {} });
}

let config: Config;
let demo: ServedDemo;
const { log, lines } = keepingLog();

beforeAll(async () => {
  config = pageConfig();
  demo = await serveDemo(config, log);
});
afterAll(() => demo?.stop());

const heard = async (url: string): Promise<unknown> => (await fetch(url)).json();

describe('a citizen who is on the telephone', () => {
  it('identifies with the test authentication, and arrives at the page with the word', async () => {
    const { identification, vault, base } = demo;
    const invitation = await identification.invite('call', 'report_move');
    expect(invitation.address).toBe(`${base.replace('http://', '')}/i`);
    const peer = await startBrowser();
    try {
      const page = await (await peer.browser.newContext({ locale: 'en-GB', javaScriptEnabled: false })).newPage();
      await page.goto(`http://${invitation.address}`);
      await page.getByLabel('Code').fill(invitation.pairingCode);
      await page.keyboard.press('Enter');
      await page.getByRole('button', { name: 'DigiD (test)' }).click();
      await page.getByRole('heading', { name: 'Test authentication' }).waitFor();
      await page.getByLabel('Full name').fill('');
      await page.getByRole('button', { name: 'This is me' }).click();
      await page.getByRole('alert').waitFor();
      expect(await vault.identity(invitation.sessionId, 'call')).toBe('awaiting');
      await page.getByLabel('Full name').fill('Anneke Test');
      await page.getByRole('button', { name: 'This is me' }).click();
      await page.waitForURL(/\/c\/[\w-]{43}(\?|$)/);
      expect(await page.locator('main').textContent()).toContain(`word-${invitation.word}`);
    } finally {
      await peer.stop();
    }
    expect((await vault.reveal(invitation.sessionId, 'call')).attributes).toMatchObject({ fullname: 'Anneke Test' });

    const feedback = new HttpFeedback({ everyMs: 60_000, attempts: 1, timeoutMs: 5_000, log });
    const sessionUrl = (await vault.sessionUrl(invitation.sessionId, 'call')) ?? '';
    feedback.follow('call', sessionUrl);
    await until(async () => (await heard(sessionUrl) as { user_active: number }).user_active === 1, 'the first word');
    feedback.done('call');
    await feedback.close();
    expect(await heard(sessionUrl)).toEqual({ user_active: 1, logout: 1 });
  });

  it('whose authentication fails is not identified', async () => {
    const { identification, vault } = demo;
    const { pairingCode, sessionId } = await identification.invite('fails', 'report_move');
    const redeemed = await identification.redeem(pairingCode);
    if (typeof redeemed === 'string') throw new Error('the code does not work');
    const url = await identification.begin(redeemed.ticket, 'yivi-test');
    const answer = await fetch(url, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ purpose: '', outcome: 'failed', fullname: 'x' }) });
    expect([answer.status, answer.headers.get('location')]).toEqual([303, expect.stringMatching(/\/c\/[\w-]{43}$/)]);
    expect(await vault.identity(sessionId, 'fails')).toBe('failed');
    // Once is enough.
    expect((await fetch(url)).status).toBe(404);
    expect((await fetch(url, { method: 'POST', body: new URLSearchParams({ purpose: '', fullname: 'x' }) })).status).toBe(404);
  });
});

describe('the demo’s core', () => {
  const request = { purpose: 'report_move', auth_method: 'digid-test', comm_url: 'http://127.0.0.1/c', attr_url: 'http://127.0.0.1/attr' };
  const signed = (claims: object, { kid = 'telephone', key = config.tenants[0]!.idContact.signingKey!.key, expires = '5m' } = {}): Promise<string> =>
    new SignJWT({ ...claims }).setProtectedHeader({ alg: 'ES256', kid }).setIssuedAt().setExpirationTime(expires).sign(key);
  const start = (body: string): Promise<Response> => fetch(`${demo.base}/demo/core/start`, { method: 'POST', headers: { 'content-type': 'application/jwt' }, body });

  it('offers its methods, for purposes it knows', async () => {
    const all = (await (await fetch(`${demo.base}/demo/core/session_options`)).json()) as Record<string, { auth_methods: object[] }>;
    expect(Object.keys(all)).toEqual(['report_move', 'request_permit', 'request_passport']);
    expect(all['report_move']?.auth_methods).toHaveLength(2);
    expect((await fetch(`${demo.base}/demo/core/session_options/canary`)).status).toBe(404);
  });

  it('takes what the gateway signed', async () => {
    expect((await start(await signed({ request }))).status).toBe(200);
  });

  it.each<[string, () => Promise<string> | string, string]>([
    ['not signed', () => 'canary', 'request_unsigned'],
    ['signed by a stranger', () => signed({ request }, { key: ec.privateKey }), 'request_unsigned'],
    ['under another name', () => signed({ request }, { kid: 'chat' }), 'request_unsigned'],
    ['expired', () => signed({ request }, { expires: '-1m' }), 'request_unsigned'],
    ['incomplete', () => signed({ request: { purpose: 'report_move' } }), 'request_unsigned'],
    ['for an unknown purpose', () => signed({ request: { ...request, purpose: 'canary' } }), 'purpose_unknown'],
    ['by an unknown method', () => signed({ request: { ...request, auth_method: 'canary' } }), 'method_unknown'],
  ])('refuses a request that is %s', async (_what, body, error) => {
    const answer = await start(await body());
    expect([answer.status, ((await answer.json()) as { error: string }).error]).toEqual([400, error]);
  });
});

describe('citizens sent to the gateway’s page', () => {
  it('by the form', async () => {
    const answer = await fetch(`${demo.base}/demo/authentication`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ purpose: 'report_move', fullname: 'Anneke Test' }) });
    expect([answer.status, answer.headers.get('location')]).toEqual([303, expect.stringMatching(/\/c\/[\w-]{43}$/)]);
    expect((await fetch(answer.headers.get('location') ?? '')).status).toBe(200);
  });

  it('and scripts get the code from it', async () => {
    const answer = await fetch(`${demo.base}/demo/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
    const session = (await answer.json()) as Record<string, string>;
    expect(session).toMatchObject({ number: '+31201234567', code: expect.stringMatching(/^\d{10}$/) as string, clientUrl: expect.stringContaining('/c/') as string });
    expect(session['command']).toContain(session['code']);
    const claim = await demo.vault.claim(session['code'] ?? '', 'script');
    if (!claim.ok) throw new Error('the code does not work');
    expect(await demo.vault.sessionUrl(claim.sessionId, 'script')).toBe(session['feedbackUrl']);
    expect(await heard(session['feedbackUrl'] ?? '')).toEqual({ user_active: 0, logout: 0 });
  });
});

it('feedback that is none is refused', async () => {
  const { feedbackUrl } = (await (await fetch(`${demo.base}/demo/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })).json()) as { feedbackUrl: string };
  expect((await fetch(`${feedbackUrl}?type=canary`, { method: 'POST' })).status).toBe(400);
  expect((await fetch(`${demo.base}/demo/feedback/unknown?type=logout`, { method: 'POST' })).status).toBe(404);
});

it('no name, code or address reached the log', () => {
  expect(lines.join('')).not.toMatch(/Anneke|\/demo\/feedback\/[\w-]{20}|\/c\/[\w-]{20}|\/attr\/[\w-]{20}/);
});
