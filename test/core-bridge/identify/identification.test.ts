import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../../config/index.js';
import { hasRightCheckDigit } from '../../../core-bridge/codes/index.js';
import { CallIdentification, type CallIdentificationOptions, type Redeemed } from '../../../core-bridge/identify/call-identification.js';
import { CoreClient } from '../../../core-bridge/identify/core-client.js';
import { MemoryPairings } from '../../../core-bridge/identify/pairing-store.js';
import { Webhook } from '../../../core-bridge/identify/webhook.js';
import { createVault, type SessionVault } from '../../../core-bridge/vault/index.js';
import { until } from '../../peers/wait.js';
import { ec, keepingLog, rsa } from '../fixtures.js';
import { startTestCore, type TestCore } from './test-core.js';

const hashKey = new Secret('a secret of thirty-two characters');
const purpose = 'report move';

let core: TestCore;
let vault: SessionVault;
let identification: CallIdentification;
let clock = 0;
let kept = keepingLog();

function make(options: Partial<CallIdentificationOptions> = {}): CallIdentification {
  return new CallIdentification({
    core: new CoreClient({ coreUrl: () => core.url, name: 'telephone', signingKey: { type: 'EC', key: ec.privateKey } }),
    vault, store: new MemoryPairings(100, () => clock), hashKey, pairingDigits: 8, lifetimeMs: 60_000,
    address: () => 'gemeente.example/i', pageUrl: (token) => `https://gemeente.example/c/${token}`, attrUrl: (token) => `http://inside.example/attr/${token}`,
    log: kept.log, now: () => clock, ...options,
  });
}

beforeEach(async () => {
  clock = Date.now();
  kept = keepingLog();
  core = await startTestCore(ec.publicKey);
  vault = createVault({
    codes: { digits: 10, lifetimeSeconds: 900, longestLifetimeSeconds: 3_600, hashKey }, sessions: { reclaimGraceSeconds: 60, maxLive: 100 }, calls: { maxWaitMs: 60_000 }, now: () => clock,
  });
  identification = make();
});
afterEach(async () => {
  await identification.close();
  await vault.close();
  await core.stop();
});

function opened(redeemed: Awaited<ReturnType<CallIdentification['redeem']>>): Redeemed {
  if (typeof redeemed === 'string') throw new Error(`the code is ${redeemed}`);
  return redeemed;
}
const tokenIn = (url: string): string => url.split('/').at(-1) ?? '';

describe('from the invitation to the result', () => {
  it('a caller identifies; the call learns it, and the page of whoever did shows the agreed word', async () => {
    expect(identification.offered).toBe(true);
    const invitation = await identification.invite('call', purpose);
    expect(invitation).toMatchObject({ address: 'gemeente.example/i', pairingCode: expect.stringMatching(/^\d{8}$/) as string, expiresAt: new Date(clock + 60_000) });
    expect(await vault.identity(invitation.sessionId, 'call')).toBe('awaiting');
    let delivered = 0;
    vault.onDelivered(invitation.sessionId, () => { delivered += 1; });

    const redeemed = opened(await identification.redeem(invitation.pairingCode));
    expect(redeemed.methods).toEqual([{ tag: 'digid', name: 'DigiD' }, { tag: 'yivi', name: 'Yivi <app>' }]);
    expect(await identification.begin(redeemed.ticket, 'yivi')).toBe(core.clientUrl);

    const { kid, alg, lifetimeSeconds, request } = core.started[0]!;
    expect({ kid, alg, lifetimeSeconds }).toEqual({ kid: 'telephone', alg: 'ES256', lifetimeSeconds: 300 });
    expect(request).toEqual({
      purpose, auth_method: 'yivi',
      comm_url: expect.stringMatching(/^https:\/\/gemeente\.example\/c\/[\w-]{43}$/) as string, attr_url: expect.stringMatching(/^http:\/\/inside\.example\/attr\/[\w-]{43}$/) as string,
    });
    // Whoever typed the code gets neither token: only the core sends a browser to the page with the word.
    for (const url of [request.comm_url, request.attr_url]) expect(Buffer.from(redeemed.ticket, 'base64url').toString('latin1') + redeemed.ticket).not.toContain(tokenIn(url));

    expect(await vault.deliver(tokenIn(request.attr_url), { status: 'success', attributes: { name: 'Willeke' }, authMethod: 'yivi', verifiedAt: new Date(clock) })).toBe('accepted');
    await until(() => delivered === 1, 'the call to be told');
    expect((await vault.reveal(invitation.sessionId, 'call')).attributes).toEqual({ name: 'Willeke' });
    expect(await vault.onPage(tokenIn(request.comm_url))).toMatchObject({ word: invitation.word, board: invitation.board, purpose });

    // Once is enough.
    await expect(identification.begin(redeemed.ticket, 'yivi')).rejects.toMatchObject({ code: 'withdrawn' });
  });

  it('an RSA key signs with RS256', async () => {
    const rsaCore = await startTestCore(rsa.publicKey);
    const client = new CoreClient({ coreUrl: () => rsaCore.url, name: 'us', signingKey: { type: 'RSA', key: rsa.privateKey } });
    await client.start({ purpose, authMethod: 'digid', commUrl: 'https://a.example', attrUrl: 'https://b.example' });
    await rsaCore.stop();
    expect(rsaCore.started[0]).toMatchObject({ kid: 'us', alg: 'RS256' });
  });
});

describe('a pairing code', () => {
  it('works once', async () => {
    const { pairingCode } = await identification.invite('call', purpose);
    const both = await Promise.all([identification.redeem(pairingCode), identification.redeem(pairingCode)]);
    expect(both.filter((one) => one === 'used')).toHaveLength(1);
    expect(await identification.redeem(pairingCode)).toBe('used');
  });

  it('is void when it has expired', async () => {
    const { pairingCode } = await identification.invite('call', purpose);
    clock += 60_000;
    expect(await identification.redeem(pairingCode)).toBe('unknown');
  });

  it('is void when it was withdrawn, or when its session ended', async () => {
    const withdrawn = await identification.invite('one', purpose);
    identification.withdraw('one');
    const ended = await identification.invite('two', purpose);
    await vault.purge(ended.sessionId, 'two');
    expect(await identification.redeem(withdrawn.pairingCode)).toBe('used');
    expect(await identification.redeem(ended.pairingCode)).toBe('used');
  });

  it('of an earlier invitation of the same call is void; other calls’ are not', async () => {
    const first = await identification.invite('call', purpose);
    const other = await identification.invite('other', purpose);
    const second = await identification.invite('call', purpose);
    expect(await identification.redeem(first.pairingCode)).toBe('used');
    opened(await identification.redeem(second.pairingCode));
    opened(await identification.redeem(other.pairingCode));
  });

  it('any digit may stand anywhere but at the beginning, slips can be told, and codes differ', async () => {
    identification = make({ store: new MemoryPairings(1_000, () => clock) });
    core.methods.length = 1;
    const codes = await Promise.all(Array.from({ length: 60 }, async (_, index) => (await identification.invite(`call ${index}`, purpose)).pairingCode));
    expect(new Set(codes).size).toBe(60);
    expect(codes.every((code) => hasRightCheckDigit(code) && !code.startsWith('0'))).toBe(true);
    // Sixty draws of ten digits show five or fewer of them about never.
    for (let place = 0; place < 8; place += 1) expect(new Set(codes.map((code) => code[place])).size).toBeGreaterThan(5);
  });

  it('another node redeems it through the same store and key, and nobody with another key', async () => {
    const store = new MemoryPairings(100, () => clock);
    const here = make({ store });
    const there = make({ store });
    const stranger = make({ store, hashKey: new Secret('another secret of 32 characters..') });
    const { pairingCode } = await here.invite('call', purpose);
    expect(await stranger.redeem(pairingCode)).toBe('unknown');
    const redeemed = opened(await there.redeem(pairingCode));
    expect(await here.begin(redeemed.ticket, 'digid')).toBe(core.clientUrl);
    await expect(stranger.begin(redeemed.ticket, 'digid')).rejects.toMatchObject({ code: 'withdrawn' });
  });
});

describe('a ticket', () => {
  it('is refused when altered, too old, for a method that was not offered, or when its session ended', async () => {
    const { pairingCode, sessionId } = await identification.invite('call', purpose);
    const { ticket } = opened(await identification.redeem(pairingCode));
    const middle = Math.floor(ticket.length / 2);
    const altered = ticket.slice(0, middle) + (ticket[middle] === 'A' ? 'B' : 'A') + ticket.slice(middle + 1);
    for (const [tried, method] of [[altered, 'digid'], [ticket, 'itsme'], ['', 'digid'], ['x'.repeat(100_000), 'digid']] as const) {
      await expect(identification.begin(tried, method)).rejects.toMatchObject({ code: 'withdrawn' });
    }
    expect(identification.methodsOf(altered)).toBeUndefined();
    clock += 10 * 60_000;
    await expect(identification.begin(ticket, 'digid')).rejects.toMatchObject({ code: 'withdrawn' });
    clock -= 1;
    expect(await identification.begin(ticket, 'digid')).toBe(core.clientUrl);
    await vault.purge(sessionId, 'call');
    await expect(identification.begin(ticket, 'digid')).rejects.toMatchObject({ code: 'withdrawn' });
  });
});

describe('an invitation that cannot be made', () => {
  it('is not offered without a core, nor after the end', async () => {
    const without = new CallIdentification({ vault, store: new MemoryPairings(1), hashKey, pairingDigits: 8, lifetimeMs: 1_000, address: () => '', pageUrl: String, attrUrl: String, log: kept.log });
    expect(without.offered).toBe(false);
    await expect(without.invite('call', purpose)).rejects.toMatchObject({ code: 'not_offered' });
    await identification.close();
    await expect(identification.invite('call', purpose)).rejects.toMatchObject({ code: 'not_offered' });
  });

  it('leaves no session behind', async () => {
    const few = make({ store: new MemoryPairings(1, () => clock) });
    await few.invite('one', purpose);
    await expect(few.invite('two', purpose)).rejects.toMatchObject({ code: 'too_many' });
    expect(await vault.stats()).toMatchObject({ live: 1 });
    clock += 60_000;
    await few.invite('three', purpose);
  });

  it('is given up when the call ends meanwhile, or asks again', async () => {
    core.before = () => { core.before = undefined; identification.withdraw('call'); };
    await expect(identification.invite('call', purpose)).rejects.toMatchObject({ code: 'withdrawn' });
    expect(await vault.stats()).toMatchObject({ live: 0 });

    const [first, second] = await Promise.allSettled([identification.invite('call', purpose), identification.invite('call', purpose)]);
    expect(first).toMatchObject({ status: 'rejected', reason: { code: 'withdrawn' } });
    expect(second.status).toBe('fulfilled');
    expect(await vault.stats()).toMatchObject({ live: 1 });
  });

  it.each<[string, (core: TestCore) => void, string]>([
    ['offers no method', (it) => { it.methods.length = 0; }, 'core_refused'],
    ['does not know the purpose', (it) => { it.instead = (response) => response.writeHead(404).end(); }, 'core_refused'],
    ['is out of order', (it) => { it.instead = (response) => response.writeHead(502).end(); }, 'core_unreachable'],
    ['redirects', (it) => { it.instead = (response) => response.writeHead(302, { location: it.url }).end(); }, 'core_refused'],
    ['hangs up', (it) => { it.instead = (response) => response.destroy(); }, 'core_unreachable'],
    ['answers something else', (it) => { it.instead = (response) => response.end('<html>'); }, 'core_refused'],
    ['answers too much', (it) => { it.instead = (response) => response.end(JSON.stringify({ auth_methods: [], more: 'x'.repeat(100_000) })); }, 'core_refused'],
    ['offers methods without a name', (it) => { it.methods[0]!.name = ' '; }, 'core_refused'],
  ])('because the core %s', async (_what, arrange, code) => {
    arrange(core);
    await expect(identification.invite('call', purpose)).rejects.toMatchObject({ name: 'IdentifyError', code });
    expect(await vault.stats()).toMatchObject({ live: 0 });
    expect(core.asked).toHaveLength(1);
  });

  it('because the core does not answer in time, or is not there', async () => {
    const client = new CoreClient({ coreUrl: () => core.url, name: 'us', signingKey: { type: 'EC', key: ec.privateKey }, timeoutMs: 50 });
    core.instead = () => undefined;
    await expect(client.methods(purpose)).rejects.toMatchObject({ code: 'core_unreachable' });
    await core.stop();
    await expect(client.methods(purpose)).rejects.toMatchObject({ code: 'core_unreachable' });
    core = await startTestCore(ec.publicKey);
  });
});

it.each(['javascript:alert(1)', 'tel:+31201234567', 'not an address', `https://login.example/${'x'.repeat(5_000)}`])('a citizen is not sent to %.40s', async (clientUrl) => {
  core.clientUrl = clientUrl;
  const { pairingCode } = await identification.invite('call', purpose);
  const { ticket } = opened(await identification.redeem(pairingCode));
  await expect(identification.begin(ticket, 'digid')).rejects.toMatchObject({ code: 'core_refused' });
});

describe('the webhook', () => {
  let site: Server;
  let told: { authorization: string | undefined; body: unknown }[] = [];
  let status = 204;
  let url = '';

  beforeEach(async () => {
    told = [];
    status = 204;
    site = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => { body += chunk.toString(); });
      request.on('end', () => {
        told.push({ authorization: request.headers.authorization, body: JSON.parse(body) });
        if (status > 0) response.writeHead(status).end();
      });
    });
    await new Promise<void>((resolve) => { site.listen(0, '127.0.0.1', resolve); });
    url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/invitations`;
  });
  afterEach(async () => {
    site.closeAllConnections();
    await new Promise((resolve) => { site.close(resolve); });
  });

  it('is told what the caller is told, with its token', async () => {
    identification = make({ webhook: new Webhook({ url, token: new Secret('a token for the webhook'), log: kept.log }) });
    const { pairingCode, expiresAt } = await identification.invite('call', purpose, '+31612345678');
    await until(() => told.length === 1, 'the webhook');
    expect(told[0]).toEqual({ authorization: 'Bearer a token for the webhook', body: { callId: 'call', address: 'gemeente.example/i', pairingCode, expiresAt: expiresAt.toISOString(), callerNumber: '+31612345678' } });
    await identification.invite('withheld', purpose);
    await until(() => told.length === 2, 'the webhook again');
    expect(told[1]?.body).not.toHaveProperty('callerNumber');
  });

  it('that fails, hangs or is away is logged, and does not keep anybody waiting', async () => {
    status = 500;
    identification = make({ webhook: new Webhook({ url, token: new Secret('a token for the webhook'), log: kept.log, timeoutMs: 50 }) });
    const codes = [(await identification.invite('one', purpose)).pairingCode];
    const warnings = (): string[] => kept.lines.filter((line) => line.includes('webhook not told'));
    await until(() => warnings().length === 1, 'the refusal');
    status = 0;
    codes.push((await identification.invite('two', purpose)).pairingCode);
    await until(() => warnings().length === 2, 'the time-out');
    expect(warnings().map((line) => JSON.parse(line) as object)).toMatchObject([{ callId: 'one', outcome: 'refused', status: 500 }, { callId: 'two', outcome: 'failed' }]);
    for (const secret of [...codes, 'a token for', '127.0.0.1']) expect(kept.lines.join('')).not.toContain(secret);
  });
});

it('logs name calls and sessions, and nothing that leads anywhere', async () => {
  const { pairingCode, sessionId } = await identification.invite('call-9', purpose, '+31612345678');
  const { ticket } = opened(await identification.redeem(pairingCode));
  await identification.begin(ticket, 'digid');
  const { comm_url: commUrl, attr_url: attrUrl } = core.started[0]!.request;
  const text = kept.lines.join('');
  expect(text).toContain('call-9');
  expect(text).toContain(sessionId);
  for (const secret of [pairingCode, ticket, tokenIn(commUrl), tokenIn(attrUrl), core.clientUrl, '+31612345678']) expect(text).not.toContain(secret);
});
