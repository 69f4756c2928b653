import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { answersOf } from '../../core-bridge/core-api/schemas.js';
import { VaultError, type SessionVault } from '../../core-bridge/index.js';
import { ec, otherEc, otherRsa, privatePem, PUBLIC_URL, publicPem, serveCore, testConfig, token, type ServedCore } from './fixtures.js';

let core: ServedCore;
let vault: SessionVault;
let base = '';
let lines: readonly string[] = [];

async function start(overrides: Record<string, unknown> = {}): Promise<void> {
  core = await serveCore(testConfig(overrides));
  ({ base, lines } = core);
  vault = core.tenants[0]!.vault;
}

const stop = (): Promise<void> => core.stop();

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
  const answer = { status: response.status, headers: response.headers, body: (await response.json()) as Answer['body'] };
  expectDescribed(new URL(url, base).pathname, method, answer);
  return answer;
}

/** Every answer of an endpoint is one that its description promises. */
function expectDescribed(path: string, method: string, { status, body }: Answer): void {
  const endpoint = /\/start_communication$/.test(path) ? 'start' : /\/attr\/[^/]{1,100}$/.test(path) ? 'result' : undefined;
  if (endpoint === undefined || method !== 'POST' || body.error === 'not_found') return;
  const schema = answersOf(endpoint).get(status);
  if (!schema) throw new Error(`the description of ${endpoint} has no answer ${status}`);
  schema.parse(body);
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

describe('what the citizen’s page is told', () => {
  const pageTokenOf = (answer: Answer): string => new RegExp(`^${PUBLIC_URL}/c/([\\w-]{43})$`).exec(answer.body.client_url ?? '')?.[1] ?? '';
  const stepsOf = async (answer: Answer): Promise<string[]> => {
    const page = await vault.onPage(pageTokenOf(answer));
    return page ? (await core.tenants[0]!.boards.read(page.board)).map(({ step }) => step) : ['no session'];
  };

  beforeEach(async () => {
    await stop();
    const idContact = { clientUrl: 'page', phoneNumber: '+31201234567', decryptionKey: { type: 'EC', key: privatePem(ec.privateKey) }, verificationKeys: [{ name: 'digid', type: 'EC', key: publicPem(ec.publicKey) }] };
    await start({ idContact, services: [{ name: 'Desk', numbers: ['*'], purposes: ['report_move', 'ask'], unauthenticatedPurposes: ['ask'] }] });
  });
  const made = (claims: Record<string, unknown> = {}): Promise<string> => token({ claims, jweHeader: { alg: 'ECDH-ES' }, encryptionKey: ec.publicKey, jwsHeader: { alg: 'ES256' }, signingKey: ec.privateKey });

  it('is what became of the authentication, and its address stands in place of number and code', async () => {
    const started = await startSession({ purpose: 'report_move' });
    expect(await stepsOf(started)).toEqual([]);
    expect((await vault.onPage(pageTokenOf(started)))?.code).toMatch(/^[1-9]\d{9}$/);
    const attrUrl = started.body.attr_url ?? '';
    expectRefusal(await sendResult(attrUrl, await token()), 400, 'token_algorithm');
    expect(await stepsOf(started)).toEqual([]);
    await sendResult(attrUrl, await made());
    expectRefusal(await sendResult(attrUrl, await made({ status: 'failed' })), 404, 'result_not_expected');
    expect(await stepsOf(started)).toEqual(['authenticated']);
  });

  it('also when the citizen authenticated before, and when that failed', async () => {
    expect(await stepsOf(await startSession({ purpose: 'report_move', auth_result: await made() }))).toEqual(['authenticated']);
    expect(await stepsOf(await startSession({ purpose: 'report_move', auth_result: await made({ status: 'failed' }) }))).toEqual(['authenticationFailed']);
  });

  it('a purpose without authentication has both addresses, waits for no result, and takes one all the same', async () => {
    const started = await startSession({ purpose: 'ask' });
    expect((await vault.onPage(pageTokenOf(started)))?.identity).toBe('unauthenticated');
    await sendResult(started.body.attr_url ?? '', await made());
    expect((await vault.onPage(pageTokenOf(started)))?.identity).toBe('verified');
    const known = await startSession({ purpose: 'ask', auth_result: await made() });
    expect((await vault.onPage(pageTokenOf(known)))?.identity).toBe('verified');
  });
});

describe('several tenants', () => {
  const tenant = (name: string, keys: typeof ec, phoneNumber: string, purposes: string[], extra: Record<string, unknown> = {}) => ({
    name,
    services: [{ name: `Desk of ${name}`, numbers: [phoneNumber], purposes }],
    idContact: { phoneNumber, decryptionKey: { type: 'EC', key: privatePem(keys.privateKey) }, verificationKeys: [{ name: 'digid', type: 'EC', key: publicPem(keys.publicKey) }], ...extra },
    codes: { hashKey: `${name} `.repeat(20) },
  });
  const madeFor = (keys: typeof ec): Promise<string> => token({ jweHeader: { alg: 'ECDH-ES' }, encryptionKey: keys.publicKey, jwsHeader: { alg: 'ES256' }, signingKey: keys.privateKey });
  const startAt = (name: string, body: unknown): Promise<Answer> => post(`/t/${name}/start_communication`, JSON.stringify(body), 'application/json');

  beforeEach(async () => {
    await stop();
    await start({ services: undefined, idContact: undefined, codes: undefined, tenants: [tenant('zutphen', ec, '+31575000001', ['report_move']), tenant('arnhem', otherEc, '+31260000002', ['report_move', 'ask'])] });
  });

  it('have their own addresses, numbers, purposes and keys, and nothing of one is good for another', async () => {
    expectRefusal(await startSession({ purpose: 'report_move' }), 404, 'not_found');
    expectRefusal(await startAt('nowhere', { purpose: 'report_move' }), 404, 'not_found');
    const ours = await startAt('zutphen', { purpose: 'report_move' });
    expect(ours.body.client_url).toMatch(/^tel:\+31575000001,\d{10}$/);
    expect(ours.body.attr_url).toMatch(new RegExp(`^${base}/t/zutphen/attr/[\\w-]{43}$`));
    const theirs = await startAt('arnhem', { purpose: 'ask' });
    expect(theirs.body.client_url).toMatch(/^tel:\+31260000002,\d{10}$/);
    expectRefusal(await startAt('zutphen', { purpose: 'ask' }), 400, 'purpose_unknown');

    const attrUrl = ours.body.attr_url ?? '';
    expectRefusal(await sendResult(attrUrl.replace('zutphen', 'arnhem'), await madeFor(otherEc)), 404, 'result_not_expected');
    expectRefusal(await sendResult(attrUrl.replace('/t/zutphen', ''), await madeFor(ec)), 404, 'not_found');
    expectRefusal(await sendResult(attrUrl, await madeFor(otherEc)), 400, 'token_undecryptable');
    expect((await sendResult(attrUrl, await madeFor(ec))).status).toBe(200);
    expectRefusal(await startAt('arnhem', { purpose: 'report_move', auth_result: await madeFor(ec) }), 400, 'token_undecryptable');

    const [zutphen, arnhem] = core.tenants;
    const code = ours.body.client_url?.split(',')[1] ?? '';
    expect(await arnhem!.vault.claim(code, 'c')).toMatchObject({ ok: false });
    expect(await zutphen!.vault.claim(code, 'c')).toMatchObject({ ok: true, identity: 'verified' });
    expect(lines.join('')).toContain('"tenant":"zutphen"');
  });

  it('change their keys one by one', async () => {
    const [zutphen] = core.tenants;
    const ours = await startAt('zutphen', { purpose: 'report_move' });
    const { decryptionKeys } = zutphen!.keys.current;
    zutphen!.keys.replace({ decryptionKeys: [{ type: 'EC', key: otherEc.privateKey }, ...decryptionKeys], verificationKeys: [{ name: 'digid', type: 'EC', key: otherEc.publicKey }], coreTokens: [] });
    expectRefusal(await sendResult(ours.body.attr_url ?? '', await madeFor(ec)), 400, 'token_signature');
    expect((await sendResult(ours.body.attr_url ?? '', await madeFor(otherEc))).status).toBe(200);
    expect((await startAt('arnhem', { purpose: 'ask', auth_result: await madeFor(otherEc) })).status).toBe(200);
  });
});

it('a store that is away is told as 503, with when to come back; the result can be sent again', async () => {
  const started = await startSession({ purpose: 'report_move' });
  const attrUrl = started.body.attr_url ?? '';
  // What a vault does whose Redis is away (test/core-bridge/stores); that it takes a second to say so is not of interest here.
  const away = [vi.spyOn(vault, 'create'), vi.spyOn(vault, 'awaits')].map((operation) => operation.mockRejectedValue(new VaultError('store_unreachable')));
  for (const answer of [await startSession({ purpose: 'report_move' }), await sendResult(attrUrl, await token())]) {
    expectRefusal(answer, 503, 'store_unreachable');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  }
  for (const operation of away) operation.mockRestore();
  expect((await sendResult(attrUrl, await token())).status).toBe(200);
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
