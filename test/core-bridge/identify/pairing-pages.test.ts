import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../../config/index.js';
import { generateCode } from '../../../core-bridge/codes/index.js';
import { createGuessGuard, GuessError, type Attempt, type AttemptOutcome } from '../../../core-bridge/guessing/index.js';
import { CallIdentification } from '../../../core-bridge/identify/call-identification.js';
import { CoreClient } from '../../../core-bridge/identify/core-client.js';
import { pairingPages, type PairingPagesOptions } from '../../../core-bridge/identify/pairing-pages.js';
import { MemoryPairings } from '../../../core-bridge/identify/pairing-store.js';
import { createVault, VaultError, type SessionVault } from '../../../core-bridge/vault/index.js';
import { startBrowser, type TestBrowser } from '../../peers/browser.js';
import { until } from '../../peers/wait.js';
import { violations } from '../../support/axe.js';
import { ec, keepingLog, testConfig } from '../fixtures.js';
import { startTestCore, type TestCore } from './test-core.js';

const hashKey = new Secret('a secret of thirty-two characters');
const purpose = 'report move';

let core: TestCore;
let vault: SessionVault;
let store: MemoryPairings;
let identification: CallIdentification;
let app: FastifyInstance;
let base = '';
let attempts: (Attempt & { outcome?: AttemptOutcome })[] = [];
let refuse: Error | undefined;
const codes: string[] = [];
const { log, lines } = keepingLog();

/** Notes what is asked of it; refuses when told to. The real one has tests of its own. */
const guard: PairingPagesOptions['guard'] = {
  admit: (attempt) => {
    if (refuse) return Promise.reject(refuse);
    const noted: (typeof attempts)[number] = { ...attempt };
    attempts.push(noted);
    return Promise.resolve({ settle: (outcome) => { noted.outcome = outcome; } });
  },
};

async function serve(options: Partial<PairingPagesOptions> = {}, prefix = ''): Promise<FastifyInstance> {
  const served = Fastify({ loggerInstance: log }) as unknown as FastifyInstance;
  await served.register(pairingPages({ identification, guard, organisation: 'Gemeente <Test>', pairingDigits: 8, language: 'nl', secure: false, log, ...options }), { prefix });
  return served;
}

beforeEach(async () => {
  attempts = [];
  refuse = undefined;
  core = await startTestCore(ec.publicKey);
  vault = createVault({ codes: { digits: 10, lifetimeSeconds: 900, longestLifetimeSeconds: 3_600, hashKey }, sessions: { reclaimGraceSeconds: 60, maxLive: 100 }, calls: { maxWaitMs: 60_000 } });
  store = new MemoryPairings(100);
  identification = new CallIdentification({
    core: new CoreClient({ coreUrl: () => core.url, name: 'telephone', signingKey: { type: 'EC', key: ec.privateKey } }),
    vault, store, hashKey, pairingDigits: 8, lifetimeMs: 60_000,
    address: () => 'gemeente.example/i', pageUrl: (token) => `https://gemeente.example/c/${token}`, attrUrl: (token) => `http://inside.example/attr/${token}`, log,
  });
  app = await serve();
  base = await app.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(async () => {
  await app.close();
  await identification.close();
  await vault.close();
  await core.stop();
});

const post = (path: string, fields: Record<string, string>, from = app): Promise<LightMyRequestResponse> =>
  from.inject({ method: 'POST', url: path, headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: new URLSearchParams(fields).toString() });
async function invite(callId: string): ReturnType<CallIdentification['invite']> {
  const invitation = await identification.invite(callId, purpose);
  codes.push(invitation.pairingCode);
  return invitation;
}
const ticketIn = (body: string): string => /name="ticket" value="([\w-]+)"/.exec(body)?.[1] ?? '';
/** A code that nobody has: one chance in millions aside, as the other digits are random. */
function wrongCode(code: string): string {
  for (;;) {
    const other = generateCode(8);
    if (other !== code) return other;
  }
}

describe('the way through', () => {
  it('code, method, and on to the core’s choice of address', async () => {
    const { pairingCode } = await invite('call');
    const methods = await post('/i', { code: `${pairingCode.slice(0, 4)} ${pairingCode.slice(4)}`, lang: 'en' });
    expect(methods.statusCode).toBe(200);
    expect(methods.body).toContain('How do you want to show who you are?');
    expect(methods.body).toContain('Yivi &lt;app&gt;');
    expect(methods.body).not.toContain('elsewhere.example');
    expect(attempts).toMatchObject([{ callerNumber: '127.0.0.1', trunk: 'pairing page', typedDigits: 8, outcome: 'right' }]);

    const gone = await post('/i/start', { ticket: ticketIn(methods.body), method: 'yivi' });
    expect([gone.statusCode, gone.headers.location]).toEqual([303, core.clientUrl]);
    expect(core.started[0]?.request).toMatchObject({ purpose, auth_method: 'yivi' });
  });

  it('with one method there is nothing to choose', async () => {
    core.methods.length = 1;
    const { pairingCode } = await invite('call');
    const gone = await post('/i', { code: pairingCode });
    expect([gone.statusCode, gone.headers.location]).toEqual([303, core.clientUrl]);
  });

  it('a core that stumbles can be tried again with the same page', async () => {
    core.methods.length = 1;
    const { pairingCode } = await invite('call');
    core.instead = (response) => response.writeHead(503).end();
    const failed = await post('/i', { code: pairingCode, lang: 'en' });
    expect(failed.statusCode).toBe(502);
    expect(failed.body).toContain('You cannot log in at this moment');
    core.instead = undefined;
    expect((await post('/i/start', { ticket: ticketIn(failed.body), method: 'digid' })).headers.location).toBe(core.clientUrl);
  });

  it('under a prefix every link stays there', async () => {
    const other = await serve({}, '/t/zutphen');
    const first = await other.inject('/t/zutphen/i');
    const { pairingCode } = await invite('call');
    const second = await post('/t/zutphen/i', { code: pairingCode }, other);
    for (const { body } of [first, second]) {
      const targets = [...body.matchAll(/(?:href|action)="(\/[^"]*)"/g)].map(([, target]) => target);
      expect(targets.length).toBeGreaterThan(1);
      for (const target of targets) expect(target).toMatch(/^\/t\/zutphen\/i/);
    }
    expect((await other.inject('/t/zutphen/i/')).headers.location).toBe('/t/zutphen/i');
    await other.close();
  });
});

describe('what does not work', () => {
  it('wrong, used, withdrawn and expired codes look the same', async () => {
    const used = await invite('used');
    await post('/i', { code: used.pairingCode });
    const withdrawn = await invite('withdrawn');
    identification.withdraw('withdrawn');
    const ended = await invite('ended');
    await vault.purge(ended.sessionId, 'ended');
    const answers = await Promise.all([wrongCode(used.pairingCode), used.pairingCode, withdrawn.pairingCode, ended.pairingCode].map((code) => post('/i', { code })));
    expect(new Set(answers.map(({ statusCode, body }) => `${statusCode} ${body}`)).size).toBe(1);
    expect(answers[0]?.statusCode).toBe(400);
    expect(answers[0]?.body).toContain('Deze code werkt niet');
    expect(attempts.slice(1).map(({ outcome }) => outcome)).toEqual(['wrong', 'stale', 'stale', 'stale']);
  });

  it.each([{}, { code: '' }, { code: '1234567' }, { code: '123456789' }, { code: '1234567a' }, { code: '१२३४५६७८' }, { code: '1'.repeat(200) }])('%j is no code, and no guess', async (fields) => {
    const answer = await post('/i', fields as Record<string, string>);
    expect(answer.statusCode).toBe(400);
    expect(answer.body).toContain('geen volledige code');
    expect(attempts).toEqual([]);
  });

  it('a slip is told apart, and no guess', async () => {
    const { pairingCode } = await invite('call');
    const answer = await post('/i', { code: pairingCode.slice(0, 7) + String((Number(pairingCode[7]) + 1) % 10) });
    expect(answer.statusCode).toBe(400);
    expect(answer.body).toContain('tikfout');
    expect(attempts).toEqual([]);
    expect((await post('/i', { code: pairingCode })).statusCode).toBe(200);
  });

  it('a form that is too large, or none at all', async () => {
    expect((await post('/i', { code: '1'.repeat(50_000) })).statusCode).toBe(400);
    const json = await app.inject({ method: 'POST', url: '/i', payload: { code: '12345678' } });
    expect(json.statusCode).toBe(400);
    expect(json.headers['content-type']).toContain('text/html');
    expect(attempts).toEqual([]);
  });

  it('a choice with a ticket that is none', async () => {
    for (const fields of [{}, { ticket: 'canary', method: 'digid' }, { ticket: 'x'.repeat(17_000), method: 'digid' }]) {
      const answer = await post('/i/start', fields as Record<string, string>);
      expect(answer.statusCode).toBe(410);
      expect(answer.body).not.toContain('canary');
    }
    expect(core.started).toEqual([]);
  });

  it('a code whose turn does not come', async () => {
    refuse = new GuessError('turn_did_not_come');
    const { pairingCode } = await invite('call');
    const answer = await post('/i', { code: pairingCode, lang: 'en' });
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([429, '60']);
    expect(answer.body).toContain('very busy');
    refuse = undefined;
    expect((await post('/i', { code: pairingCode })).statusCode).toBe(200);
  });

  it('the real guard makes whoever guessed wrong wait, and then lets the right code through', async () => {
    const tenant = testConfig().tenants[0]!;
    const real = createGuessGuard({ tenant: { ...tenant, codes: { ...tenant.codes, digits: 8, maxDigits: 8 } }, guards: 'pairing', longestHoldMs: 60_000, log });
    const guarded = await serve({ guard: real });
    const { pairingCode } = await invite('call');
    expect((await post('/i', { code: wrongCode(pairingCode) }, guarded)).statusCode).toBe(400);
    const before = performance.now();
    expect((await post('/i', { code: pairingCode }, guarded)).statusCode).toBe(200);
    expect(performance.now() - before).toBeGreaterThan(800);
    await guarded.close();
    await real.close();
  });

  it('one address has only so many codes waiting for their turn', async () => {
    const waiting: (() => void)[] = [];
    const slow = await serve({ guard: { admit: async () => { await new Promise<void>((resolve) => { waiting.push(resolve); }); return { settle: () => undefined }; } } });
    const tries = Array.from({ length: 5 }, () => post('/i', { code: generateCode(8) }, slow));
    await until(() => waiting.length === 5, 'five that wait');
    expect((await post('/i', { code: generateCode(8) }, slow)).statusCode).toBe(429);
    for (const go of waiting) go();
    expect((await Promise.all(tries)).map(({ statusCode }) => statusCode)).toEqual([400, 400, 400, 400, 400]);
    await slow.close();
  });

  it('a store that is away: said so, and no guess', async () => {
    const { pairingCode } = await invite('call');
    const take = store.take.bind(store);
    store.take = () => Promise.reject(new VaultError('store_unreachable'));
    const answer = await post('/i', { code: pairingCode, lang: 'en' });
    expect(answer.statusCode).toBe(503);
    expect(answer.body).toContain('cannot check your code at this moment');
    expect(attempts[0]?.outcome).toBe('notLookedUp');
    store.take = take;
    expect((await post('/i', { code: pairingCode })).statusCode).toBe(200);
  });

  it('too many requests of one address', async () => {
    const few = await serve({ maxPerMinute: 3 });
    for (let i = 0; i < 3; i += 1) expect((await few.inject('/i')).statusCode).toBe(200);
    const answer = await few.inject('/i');
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([429, '60']);
    expect(answer.headers['content-type']).toContain('text/html');
    await few.close();
  });

  it('on an HTTPS site, an address without HTTPS', async () => {
    core.clientUrl = 'http://login.example/start';
    core.methods.length = 1;
    const secure = await serve({ secure: true });
    const { pairingCode } = await invite('call');
    expect((await post('/i', { code: pairingCode }, secure)).statusCode).toBe(502);
    expect((await secure.inject('/i')).headers['content-security-policy']).toContain("form-action 'self' https:;");
    expect((await secure.inject('/i')).headers['strict-transport-security']).toBeDefined();
    await secure.close();
  });
});

it('headers: strict policy, nothing kept, nothing from elsewhere', async () => {
  for (const path of ['/i', '/i/style.css', '/i/start']) {
    const { headers } = await app.inject(path);
    expect(headers['content-security-policy']).toBe("default-src 'none';style-src 'self';img-src data:;form-action 'self' https: http:;base-uri 'none';frame-ancestors 'none'");
    expect(headers['cache-control']).toBe('no-store');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['referrer-policy']).toBe('no-referrer');
    expect(headers['set-cookie']).toBeUndefined();
  }
});

it.each([['/i', 'en-GB,nl;q=0.5', 'en'], ['/i', 'de', 'nl'], ['/i?lang=en', 'nl', 'en'], ['/i?lang=xx', 'nl', 'nl'], ['/i', '', 'nl']])('%s for a browser that wants "%s" is in %s', async (url, accepted, language) => {
  expect((await app.inject({ url, headers: { 'accept-language': accepted } })).body).toContain(`<html lang="${language}">`);
});

describe('in a browser', () => {
  let peer: TestBrowser;
  beforeAll(async () => { peer = await startBrowser(); });
  afterAll(() => peer?.stop());

  async function open(width: number, javaScriptEnabled: boolean): Promise<Page> {
    const context = await peer.browser.newContext({ viewport: { width, height: 700 }, javaScriptEnabled, locale: 'nl-NL', bypassCSP: javaScriptEnabled });
    return context.newPage();
  }

  it.each([320, 1280])('at %i pixels, by keyboard, and fit for everyone', async (width) => {
    // The citizen arrives somewhere that answers, so that the redirect is seen to be followed.
    core.clientUrl = `${base}/i?lang=en&arrived`;
    const { pairingCode } = await invite('call');
    const page = await open(width, true);
    const fits = async (): Promise<void> => {
      expect(await violations(page)).toEqual([]);
      expect(await page.locator('html').evaluate((element) => (element as unknown as { scrollWidth: number }).scrollWidth)).toBeLessThanOrEqual(width);
    };
    await page.goto(`${base}/i`);
    await fits();
    await page.getByLabel('Code').fill(wrongCode(pairingCode));
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    expect(await page.title()).toMatch(/^Fout: /);
    expect(await page.getByLabel('Code').getAttribute('aria-invalid')).toBe('true');
    await fits();
    await page.getByLabel('Code').fill(pairingCode);
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'DigiD' }).waitFor();
    await fits();
    await page.getByRole('button', { name: 'Yivi <app>' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(core.clientUrl);
    expect(core.started[0]?.request.auth_method).toBe('yivi');
    await page.context().close();
  });

  it('without JavaScript, under its own policy, to another site', async () => {
    const elsewhere = Fastify();
    elsewhere.get('/login', (_request, reply) => reply.type('text/html').send('<h1>Log in</h1>'));
    core.clientUrl = `${(await elsewhere.listen({ host: '127.0.0.1', port: 0 })).replace('127.0.0.1', 'localhost')}/login`;
    const { pairingCode } = await invite('call');
    const page = await open(390, false);
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.goto(`${base}/i`);
    await page.getByRole('link', { name: 'English' }).click();
    await page.getByLabel('Code').fill(pairingCode);
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByRole('button', { name: 'DigiD' }).click();
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
    expect(page.url()).toBe(core.clientUrl);
    expect(asked.filter((url) => !/^data:/.test(url) && !url.startsWith(base))).toEqual([core.clientUrl]);
    await page.context().close();
    await elsewhere.close();
  });
});

it('no code, ticket or address reached the log', () => {
  const text = lines.join('');
  expect(text).toContain('pairing code redeemed');
  expect(text).not.toMatch(/login\.example|\/attr\/|"code"|ticket/);
  expect(codes.length).toBeGreaterThan(10);
  for (const code of codes) expect(text).not.toMatch(new RegExp(`(?<!\\d)${code}(?!\\d)`));
});
