import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadConfig, type Config } from '../../config/index.js';
import { answersOf } from '../../core-bridge/core-api/schemas.js';
import { serveCore, type ServedCore } from './fixtures.js';

// Their public sample keys, and the sample token of the protocol's documentation at the time it was made for.
const vectors = JSON.parse(readFileSync(new URL('./vectors.json', import.meta.url), 'utf8')) as { sample_auth_result_jwe: string; sample_verified_at: number };
const sample = vectors.sample_auth_result_jwe;
let now = 0;
let core: ServedCore;

beforeEach(async () => {
  now = vectors.sample_verified_at * 1_000;
  const config = loadConfig({ path: path.resolve(import.meta.dirname, '../../config/examples/reference-core.yaml'), env: {} });
  core = await serveCore(onAnyPort(config), () => now);
});
afterEach(() => core.stop());

/** The example as it is, but for the port, which may be taken on the machine of the test. */
function onAnyPort(config: Config): Config {
  const { url: _url, ...listener } = config.listeners.core;
  return { ...config, listeners: { ...config.listeners, core: { ...listener, port: 0 } } };
}

/** As the reference core asks: its HTTP client sends exactly these headers, and only the keys that have a value. */
async function start(request: { purpose: string; auth_result?: string | null }): Promise<{ status: number; body: { client_url: string; attr_url?: string; error?: string } }> {
  const answer = await fetch(`${core.base}/start_communication`, { method: 'POST', headers: { 'content-type': 'application/json', accept: '*/*' }, body: JSON.stringify(request) });
  const body = (await answer.json()) as { client_url: string; attr_url?: string };
  answersOf('start').get(answer.status)!.parse(body);
  return { status: answer.status, body };
}

async function claimed(clientUrl: string): Promise<{ identity: string; attributes?: Record<string, string>; authMethod?: string | undefined }> {
  const { vault } = core.tenants[0]!;
  const claim = await vault.claim(/^tel:\+\d+,(\d{10})$/.exec(clientUrl)?.[1] ?? '', 'call');
  if (!claim.ok) throw new Error('not claimed');
  if (claim.identity !== 'verified') return { identity: claim.identity };
  const { attributes, authMethod } = await vault.reveal(claim.sessionId, 'call');
  return { identity: claim.identity, attributes, authMethod };
}

const deliver = (url: string): Promise<Response> => fetch(url, { method: 'POST', headers: { 'content-type': 'application/jwt', accept: '*/*' }, body: sample });
const identified = { identity: 'verified', attributes: { email: 'bla' }, authMethod: 'auth-test' };

it.each(['report_move', 'request_permit', 'request_passport'])('%s: the core starts, the test plugin posts its result to attr_url', async (purpose) => {
  const { status, body } = await start({ purpose });
  expect(status).toBe(200);
  expect((await deliver(body.attr_url ?? '')).status).toBe(200);
  expect(await claimed(body.client_url)).toEqual(identified);
});

it('the core starts with the result of a citizen who logged in before', async () => {
  const { status, body } = await start({ purpose: 'report_move', auth_result: sample });
  expect([status, Object.keys(body)]).toEqual([200, ['client_url']]);
  expect(await claimed(body.client_url)).toEqual(identified);
});

it('the core whose disable_attributes_at_start is set starts without the result, and posts it itself', async () => {
  const { body } = await start({ purpose: 'report_move', auth_result: null });
  expect((await deliver(body.attr_url ?? '')).status).toBe(200);
  expect(await claimed(body.client_url)).toEqual(identified);
});

it('a result that is late is refused, and the caller remains unidentified', async () => {
  const { body } = await start({ purpose: 'report_move' });
  now += 10 * 60_000;
  const answer = await deliver(body.attr_url ?? '');
  expect([answer.status, ((await answer.json()) as { error: string }).error]).toEqual([400, 'token_expired']);
  expect(await claimed(body.client_url)).toEqual({ identity: 'awaiting' });
});

it('a purpose of the samples that allows no call is unknown here', async () => {
  expect(await start({ purpose: 'notice_of_marriage' })).toMatchObject({ status: 400, body: { error: 'purpose_unknown' } });
});
