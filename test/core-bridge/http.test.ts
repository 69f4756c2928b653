import { request as httpRequest } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCoreServer, createVault, type SessionVault } from '../../core-bridge/index.js';
import { ec, keepingLog, otherRsa, testConfig, token } from './fixtures.js';

let app: FastifyInstance;
let vault: SessionVault;
let base = '';
let lines: string[] = [];

async function start(overrides: Record<string, unknown> = {}): Promise<void> {
  const config = testConfig(overrides);
  const kept = keepingLog();
  lines = kept.lines;
  vault = createVault({ ...config.tenants[0]!, calls: config.calls });
  app = createCoreServer({ config, vault, log: kept.log });
  await app.listen({ host: '127.0.0.1', port: 0 });
  base = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
}

async function stop(): Promise<void> {
  await app.close();
  await vault.close();
}

beforeEach(() => start());
afterEach(stop);

interface Answer {
  status: number;
  headers: Headers;
  body: { client_url?: string; attr_url?: string; error?: string; message?: string };
}

async function post(url: string, body: string | undefined, contentType: string | undefined, method = 'POST'): Promise<Answer> {
  const response = await fetch(new URL(url, base), { method, ...(body !== undefined && { body }), headers: contentType === undefined ? {} : { 'content-type': contentType } });
  expect(response.headers.get('content-type')).toMatch(/^application\/json/);
  expect(response.headers.get('cache-control') ?? 'no-store').toBe('no-store');
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer['body'] };
}

const startSession = (body: unknown): Promise<Answer> => post('/start_communication', typeof body === 'string' ? body : JSON.stringify(body), 'application/json');
const sendResult = (url: string, jwt: string): Promise<Answer> => post(url, jwt, 'application/jwt');
const codeOf = (answer: Answer): string => /^tel:\+31201234567,(\d+)$/.exec(answer.body.client_url ?? '')?.[1] ?? '';

/** A refusal has exactly a code and a sentence, and repeats nothing of what was sent. */
function expectRefusal(answer: Answer, status: number, error: string): void {
  expect([answer.status, answer.body.error]).toEqual([status, error]);
  expect(Object.keys(answer.body).sort()).toEqual(['error', 'message']);
  expect(answer.body.message).toMatch(/^[A-Z].+\.$/);
}

describe('a session started without a result', () => {
  it('answers number, code and address, takes the result once, and opens to one call', async () => {
    const started = await startSession({ purpose: 'report_move' });
    expect(started.status).toBe(200);
    const code = codeOf(started);
    expect(code).toMatch(/^[1-9]\d{9}$/);
    const attrUrl = started.body.attr_url ?? '';
    expect(attrUrl).toMatch(new RegExp(`^${base}/attr/[\\w-]{43}$`));
    expect((await sendResult(attrUrl, await token())).status).toBe(200);
    expectRefusal(await sendResult(attrUrl, await token({ claims: { attributes: { name: 'Somebody else' } } })), 404, 'result_not_expected');
    const claim = await vault.claim(code, 'call-1');
    if (!claim.ok) throw new Error('not claimed');
    expect(claim.identity).toBe('verified');
    expect(await vault.reveal(claim.sessionId, 'call-1')).toMatchObject({ purpose: 'report_move', attributes: { name: 'Willeke' }, authMethod: 'yivi' });
    await vault.purge(claim.sessionId, 'call-1');
    expectRefusal(await sendResult(attrUrl, await token()), 404, 'result_not_expected');
  });

  it('tells a call of a result that arrives after the code was typed', async () => {
    const started = await startSession({ purpose: 'report_move', auth_result: null });
    const claim = await vault.claim(codeOf(started), 'call-1');
    if (!claim.ok) throw new Error('not claimed');
    expect(claim.identity).toBe('awaiting');
    const told = new Promise<void>((resolve) => vault.onDelivered(claim.sessionId, resolve));
    await sendResult(started.body.attr_url ?? '', await token({ jwsHeader: { alg: 'ES256' }, signingKey: ec.privateKey }));
    await told;
    expect(await vault.identity(claim.sessionId, 'call-1')).toBe('verified');
  });

  it('is unharmed by tokens that do not verify', async () => {
    const started = await startSession({ purpose: 'report_move' });
    const attrUrl = started.body.attr_url ?? '';
    expectRefusal(await sendResult(attrUrl, 'hello'), 400, 'token_malformed');
    expectRefusal(await sendResult(attrUrl, await token({ signingKey: otherRsa.privateKey })), 400, 'token_signature');
    expectRefusal(await sendResult(attrUrl, await token({ claims: { exp: 1_000 } })), 400, 'token_expired');
    expectRefusal(await sendResult(attrUrl, 'x'.repeat(70_000)), 400, 'token_too_large');
    expectRefusal(await sendResult(attrUrl, 'x'.repeat(2_000_000)), 400, 'token_too_large');
    expectRefusal(await sendResult(attrUrl, ''), 400, 'token_malformed');
    expect((await vault.claim(codeOf(started), 'c')).ok).toBe(true);
    expect((await sendResult(attrUrl, await token())).status).toBe(200);
  });

  it('takes a token with a line’s end, as command-line tools send it', async () => {
    const started = await startSession({ purpose: 'report_move' });
    expect((await post(started.body.attr_url ?? '', `${await token()}\n`, 'application/jwt; charset=utf-8')).status).toBe(200);
  });
});

describe('a session started with a result', () => {
  it('answers the number and code alone', async () => {
    const started = await startSession({ purpose: 'request_permit', auth_result: await token() });
    expect(started.status).toBe(200);
    expect(Object.keys(started.body)).toEqual(['client_url']);
    expect(await vault.claim(codeOf(started), 'c')).toMatchObject({ ok: true, purpose: 'request_permit', identity: 'verified' });
  });

  it('of a failed authentication is a session nonetheless', async () => {
    const started = await startSession({ purpose: 'report_move', auth_result: await token({ claims: { status: 'failed' } }) });
    expect(await vault.claim(codeOf(started), 'c')).toMatchObject({ ok: true, identity: 'failed' });
  });

  it('that does not verify is refused, and no session made', async () => {
    expectRefusal(await startSession({ purpose: 'report_move', auth_result: 'hello' }), 400, 'token_malformed');
    expectRefusal(await startSession({ purpose: 'report_move', auth_result: await token({ encryptionKey: otherRsa.publicKey }) }), 400, 'token_undecryptable');
    expectRefusal(await startSession({ purpose: 'report_move', auth_result: 'x'.repeat(70_000) }), 400, 'token_too_large');
    expect(await vault.stats()).toEqual({ live: 0, claimed: 0 });
  });
});

describe('bad requests', () => {
  const bad: [name: string, body: unknown][] = [
    ['nothing', ''],
    ['half JSON', '{"purpose":'],
    ['a list', []],
    ['null', null],
    ['a text', '"report_move"'],
    ['no purpose', {}],
    ['purpose a number', { purpose: 1 }],
    ['purpose empty', { purpose: '' }],
    ['purpose long', { purpose: 'x'.repeat(300) }],
    ['auth_result a group', { purpose: 'report_move', auth_result: {} }],
    ['auth_result empty', { purpose: 'report_move', auth_result: '' }],
    ['a poisoned prototype', '{"purpose":"report_move","__proto__":{"a":1}}'],
  ];
  it.each(bad)('%s', async (_name, body) => {
    expectRefusal(await startSession(body), 400, 'body_invalid');
  });

  it('keys we do not know yet are let through', async () => {
    expect((await startSession({ purpose: 'report_move', new_in_2027: true })).status).toBe(200);
  });

  it('a purpose that no service has', async () => {
    expectRefusal(await startSession({ purpose: 'canary_purpose' }), 400, 'purpose_unknown');
  });

  it('a body beyond the limit', async () => {
    expectRefusal(await startSession({ purpose: 'x'.repeat(2_000_000) }), 413, 'body_too_large');
  });

  it('other content types', async () => {
    expectRefusal(await post('/start_communication', 'purpose=report_move', 'application/x-www-form-urlencoded'), 415, 'media_type_unsupported');
    expectRefusal(await post('/start_communication', '{"purpose":"report_move"}', 'text/plain'), 415, 'media_type_unsupported');
    const { body } = await startSession({ purpose: 'report_move' });
    expectRefusal(await post(body.attr_url ?? '', await token(), 'application/json'), 415, 'media_type_unsupported');
    expectRefusal(await post(body.attr_url ?? '', await token(), 'text/plain'), 415, 'media_type_unsupported');
  });

  it('other methods', async () => {
    const answer = await post('/start_communication', undefined, undefined, 'GET');
    expectRefusal(answer, 405, 'method_not_allowed');
    expect(answer.headers.get('allow')).toBe('POST');
    expectRefusal(await post(`/attr/${'a'.repeat(43)}`, undefined, undefined, 'DELETE'), 405, 'method_not_allowed');
    expectRefusal(await post('/start_communication', undefined, undefined, 'OPTIONS'), 405, 'method_not_allowed');
  });

  it('other addresses', async () => {
    expectRefusal(await post('/', undefined, undefined, 'GET'), 404, 'not_found');
    expectRefusal(await post('/start_communication/x', '{}', 'application/json'), 404, 'not_found');
    expectRefusal(await sendResult(`/attr/${'a'.repeat(43)}`, await token()), 404, 'result_not_expected');
    expectRefusal(await sendResult('/attr/short', await token()), 404, 'result_not_expected');
    expectRefusal(await sendResult(`/attr/${'a'.repeat(5_000)}`, await token()), 404, 'not_found');
    expectRefusal(await sendResult('/attr/..%2f..%2fetc', await token()), 404, 'result_not_expected');
    expectRefusal(await sendResult('/attr/%zz', 'x'), 404, 'not_found');
    expectRefusal(await sendResult('/attr/%00', 'x'), 404, 'result_not_expected');
  });

  it('what is not HTTP at all', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(new URL(base).port), '127.0.0.1', () => socket.write('INVITE sip:x SIP/2.0\r\n\r\n'));
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString())).on('end', () => resolve(text)).on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ error: 'request_invalid' });
  });

  it('a body shorter than announced does not hold anything up', async () => {
    await new Promise<void>((resolve) => {
      const request = httpRequest(`${base}/start_communication`, { method: 'POST', headers: { 'content-type': 'application/json', 'content-length': '500' } });
      request.on('error', () => resolve());
      request.write('{"purpose"');
      setTimeout(() => request.destroy(), 50);
    });
    expect((await startSession({ purpose: 'report_move' })).status).toBe(200);
  });
});

it('a full vault is told as 503, with when to come back', async () => {
  await stop();
  await start({ sessions: { maxLive: 1 } });
  expect((await startSession({ purpose: 'report_move' })).status).toBe(200);
  const answer = await startSession({ purpose: 'report_move' });
  expectRefusal(answer, 503, 'too_many_sessions');
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
});

it('a fault of ours is told as 500 without its details, and logged without the request', async () => {
  await vault.close();
  expectRefusal(await startSession({ purpose: 'report_move' }), 500, 'internal');
  expect(lines.join('')).toContain('vault_closed');
});

it('the configured base address is the one handed out', async () => {
  await stop();
  await start({ listeners: { core: { port: 0, url: 'https://gateway.internal/plugin/' } } });
  expect((await startSession({ purpose: 'report_move' })).body.attr_url).toMatch(/^https:\/\/gateway\.internal\/plugin\/attr\/[\w-]{43}$/);
});

it('neither code, token nor attribute reaches the log, at any level', async () => {
  const started = await startSession({ purpose: 'report_move' });
  const attrUrl = started.body.attr_url ?? '';
  const jwt = await token({ claims: { attributes: { name: 'Canary Jansen' } } });
  for (const body of ['hello', await token({ claims: { attributes: { name: { canary: 'Canary Jansen' } } } }), jwt, jwt]) await sendResult(attrUrl, body);
  await post(`${attrUrl}/`, jwt, 'application/jwt');
  const claim = await vault.claim(codeOf(started), 'c');
  if (claim.ok) await vault.reveal(claim.sessionId, 'c');
  const log = lines.join('');
  expect(log).toContain('session started');
  for (const secret of [codeOf(started), attrUrl.slice(-43), 'Canary', jwt.slice(0, 60)]) expect(log).not.toContain(secret);
});
