import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type SecureVersion } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { secureAgain } from '../../core-bridge/index.js';
import { answersOf } from '../../core-bridge/core-api/schemas.js';
import { Secret } from '../../config/index.js';
import { serveCore, testConfig, token, type ServedCore } from './fixtures.js';

let core: ServedCore;
afterEach(() => core.stop());

const idContactOf = (extra: Record<string, unknown>): Record<string, unknown> => {
  const { phoneNumber, ...rest } = testConfig().tenants[0]!.idContact;
  const [decryptionKey] = rest.decryptionKeys.map(({ type, key }) => ({ type, key: key.export({ format: 'pem', type: 'pkcs8' }) }));
  const verificationKeys = rest.verificationKeys.map(({ name, type, key }) => ({ name, type, key: key.export({ format: 'pem', type: 'spki' }) }));
  return { phoneNumber, decryptionKey, verificationKeys, ...extra };
};
const started = JSON.stringify({ purpose: 'report_move' });

describe('bearer tokens', () => {
  const first = 'first-token-of-the-core-0123456789';
  const second = 'second-token-of-the-core-987654321';

  async function start(authorization?: string, body: string = started): Promise<{ status: number; challenge: string | null; body: { error?: string; attr_url?: string } }> {
    const answer = await fetch(`${core.base}/start_communication`, { method: 'POST', body, headers: { 'content-type': 'application/json', ...(authorization !== undefined && { authorization }) } });
    const read = (await answer.json()) as { error?: string; attr_url?: string };
    answersOf('start').get(answer.status)!.parse(read);
    return { status: answer.status, challenge: answer.headers.get('www-authenticate'), body: read };
  }

  it('are not asked for unless configured', async () => {
    core = await serveCore(testConfig());
    expect((await start()).status).toBe(200);
    expect((await start('Bearer whatever')).status).toBe(200);
  });

  it('each of them opens; nothing else does, and says how', async () => {
    core = await serveCore(testConfig({ idContact: idContactOf({ coreTokens: [{ token: first }, { token: second }] }) }));
    for (const good of [`Bearer ${first}`, `bearer ${second}`, `Bearer  ${first} `]) expect((await start(good)).status).toBe(200);
    const bad = [undefined, '', 'Bearer', 'Bearer ', first, `Basic ${first}`, `Bearer ${first}x`, `Bearer ${first.slice(0, -1)}`, `Bearer ${first} ${second}`, `Bearer ${first},Bearer ${second}`, `Bearer ${first.toUpperCase()}`, `Bearer ${'x'.repeat(8_000)}`];
    for (const authorization of bad) {
      const answer = await start(authorization);
      expect([authorization?.slice(0, 60), answer.status, answer.body.error]).toEqual([authorization?.slice(0, 60), 401, 'core_token']);
      expect(answer.challenge).toMatch(/^Bearer realm="[a-z_]+"$/);
    }
    expect(await core.tenants[0]!.vault.stats()).toEqual({ live: 3, claimed: 0 });
    const log = core.lines.join('');
    expect(log).toContain('"refused":"core_token"');
    for (const secret of [first, second]) expect(log).not.toContain(secret);
  });

  it('are looked at before the body is', async () => {
    core = await serveCore(testConfig({ idContact: idContactOf({ coreTokens: [{ token: first }] }) }));
    expect((await start(undefined, 'x'.repeat(2_000))).status).toBe(401);
    expect((await start(`Bearer ${first}`, 'x'.repeat(2_000))).status).toBe(400);
  });

  it('results need none: their address is secret, and they are signed', async () => {
    core = await serveCore(testConfig({ idContact: idContactOf({ coreTokens: [{ token: first }] }) }));
    const { body } = await start(`Bearer ${first}`);
    const answer = await fetch(body.attr_url ?? '', { method: 'POST', body: await token(), headers: { 'content-type': 'application/jwt' } });
    expect(answer.status).toBe(200);
  });

  it('can be replaced while the listener runs', async () => {
    core = await serveCore(testConfig({ idContact: idContactOf({ coreTokens: [{ token: first }] }) }));
    const { keys } = core.tenants[0]!;
    keys.replace({ ...keys.current, coreTokens: [new Secret(first), new Secret(second)] });
    expect([(await start(`Bearer ${first}`)).status, (await start(`Bearer ${second}`)).status]).toEqual([200, 200]);
    keys.replace({ ...keys.current, coreTokens: [new Secret(second)] });
    expect([(await start(`Bearer ${first}`)).status, (await start(`Bearer ${second}`)).status]).toEqual([401, 200]);
  });
});

describe('client certificates', () => {
  let folder = '';
  const pem = (name: string): string => readFileSync(path.join(folder, name), 'utf8');
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  const certificate = (name: string, subject: string, alternative?: string, authority?: string): void =>
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj', subject,
      ...(alternative === undefined ? [] : ['-addext', `subjectAltName=${alternative}`]), ...(authority === undefined ? [] : ['-CA', `${authority}.pem`, '-CAkey', `${authority}.key`]));

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'core-tls-'));
    certificate('ca', '/CN=Authority of the municipality');
    certificate('other-ca', '/CN=Authority of somebody else');
    certificate('server', '/CN=localhost', 'DNS:localhost,IP:127.0.0.1', 'ca');
    certificate('core', '/O=Municipality/CN=Core of the municipality', undefined, 'ca');
    certificate('core-dns', '/CN=not this one', 'DNS:core.example.org', 'ca');
    certificate('wildcard', '/CN=*.example.org', 'DNS:*.example.org', 'ca');
    certificate('colleague', '/CN=Printer', 'DNS:core.example.org.evil.example', 'ca');
    certificate('stranger', '/CN=Core of the municipality', 'DNS:core.example.org', 'other-ca');
    certificate('self-made', '/CN=Core of the municipality', 'DNS:core.example.org');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function serve(names: readonly string[] | undefined, extra: Record<string, unknown> = {}): Promise<void> {
    const tls = { cert: pem('server.pem'), key: pem('server.key'), ...(names && { clientCa: pem('ca.pem') }) };
    core = await serveCore(testConfig({ listeners: { core: { port: 0, tls } }, idContact: idContactOf({ ...(names && { coreCertificateNames: names }), ...extra }) }));
    expect(core.base).toMatch(/^https:/);
  }

  function post(url: string, body: string, contentType: string, options: RequestOptions = {}): Promise<{ status: number; body: { error?: string; client_url?: string; attr_url?: string } }> {
    return new Promise((resolve, reject) => {
      const asked = httpsRequest(url, { method: 'POST', ca: pem('ca.pem'), agent: false, headers: { 'content-type': contentType }, ...options }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => resolve({ status: answer.statusCode ?? 0, body: JSON.parse(text) as { error?: string } }));
      });
      asked.on('error', reject).end(body);
    });
  }
  const start = async (by?: string, options: RequestOptions = {}): Promise<[number, string | undefined]> => {
    const { status, body } = await post(`${core.base}/start_communication`, started, 'application/json', { ...(by !== undefined && { cert: pem(`${by}.pem`), key: pem(`${by}.key`) }), ...options });
    answersOf('start').get(status)!.parse(body);
    return [status, body.error];
  };
  const refused = [403, 'core_certificate'];

  it('are not asked for without an authority: TLS alone encrypts', async () => {
    await serve(undefined);
    expect(await start()).toEqual([200, undefined]);
    expect(await start('core')).toEqual([200, undefined]);
  });

  it('of the configured names start sessions; others, and none, do not', async () => {
    await serve(['Core of the municipality', 'core.example.org']);
    for (const good of ['core', 'core-dns']) expect([good, await start(good)]).toEqual([good, [200, undefined]]);
    for (const bad of [undefined, 'wildcard', 'colleague', 'stranger', 'self-made']) expect([bad, await start(bad)]).toEqual([bad, refused]);
    expect((await core.tenants[0]!.vault.stats()).live).toBe(2);
  });

  it('of the authority will do when no names are configured', async () => {
    await serve([]);
    expect(await start('colleague')).toEqual([200, undefined]);
    for (const bad of [undefined, 'stranger', 'self-made']) expect([bad, await start(bad)]).toEqual([bad, refused]);
  });

  it('are needed beside a token when both are configured', async () => {
    const coreToken = 'token-of-the-core-0123456789abcdef';
    await serve([], { coreTokens: [{ token: coreToken }] });
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${coreToken}` };
    expect(await start('core', { headers })).toEqual([200, undefined]);
    expect(await start('core')).toEqual([401, 'core_token']);
    expect(await start(undefined, { headers })).toEqual(refused);
  });

  it('the listener’s own one, and the authority of the core’s, can be replaced while it runs', async () => {
    await serve([]);
    const before = { cert: pem('server.pem'), key: new Secret(pem('server.key')), clientCa: pem('ca.pem') };
    certificate('newer', '/CN=localhost', 'DNS:localhost,IP:127.0.0.1', 'other-ca');
    const newer = { cert: pem('newer.pem'), key: new Secret(pem('newer.key')), clientCa: pem('other-ca.pem') };
    expect(secureAgain(core.app, before, newer)).toBe(true);
    await expect(start('core')).rejects.toThrow(/self.signed|unable to verify|issuer/i);
    const ca = pem('other-ca.pem');
    expect(await start('stranger', { ca })).toEqual([200, undefined]);
    for (const bad of [undefined, 'core', 'self-made']) expect([bad, await start(bad, { ca })]).toEqual([bad, refused]);
    // No TLS, or no authority: not without a restart, and nothing changes.
    const { clientCa: _, ...believesNobody } = newer;
    expect(secureAgain(core.app, newer, believesNobody)).toBe(false);
    expect(secureAgain(core.app, newer, undefined)).toBe(false);
    expect(secureAgain(core.app, undefined, newer)).toBe(false);
    expect(secureAgain(core.app, undefined, undefined)).toBe(true);
    expect(await start('stranger', { ca })).toEqual([200, undefined]);
  });

  it('are not needed for results, which plugins post to the same listener', async () => {
    await serve(['Core of the municipality']);
    const { body } = await post(`${core.base}/start_communication`, started, 'application/json', { cert: pem('core.pem'), key: pem('core.key') });
    expect(body.attr_url).toMatch(/^https:/);
    expect((await post(body.attr_url ?? '', await token(), 'application/jwt')).status).toBe(200);
  });

  /** One start over a connection of its own, perhaps resuming another's session. Resolves with the answer, and the session to resume. */
  function startOver(session: Buffer | undefined, version: SecureVersion): Promise<{ answer: string; session: Buffer | undefined }> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(core.base);
      const socket = connect({ host: hostname, port: Number(port), ca: pem('ca.pem'), minVersion: version, maxVersion: version, ...(session && { session }) });
      let answer = '';
      let kept = session;
      socket.on('session', (fresh) => (kept = fresh));
      socket.on('secureConnect', () => socket.write(`POST /start_communication HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${started.length}\r\nConnection: close\r\n\r\n${started}`));
      socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
      socket.on('end', () => resolve({ answer, session: kept })).on('error', reject);
    });
  }

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('cannot be done without by resuming a session of %s', async (version) => {
    await serve([]);
    let session: Buffer | undefined;
    for (let again = 0; again < 3; again += 1) {
      const attempt = await startOver(session, version);
      expect(attempt.answer).toMatch(/^HTTP\/1\.1 403 /);
      ({ session } = attempt);
    }
    expect(session).toBeDefined();
  });

  it('older TLS and plain HTTP get nowhere', async () => {
    await serve([]);
    await expect(startOver(undefined, 'TLSv1.1')).rejects.toThrow();
    await expect(fetch(core.base.replace('https:', 'http:'))).rejects.toThrow();
    expect(await start('core')).toEqual([200, undefined]);
  });
});
