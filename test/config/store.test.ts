import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig, type StoreConfig } from '../../config/index.js';
import { ec, folder, problemsOf, valid } from './support.js';

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The certificate of these tests is made with it; never left out in CI. */
const hasOpenssl = process.env['CI'] !== undefined || spawnSync('openssl', ['version']).error === undefined;
const hexKey = createHash('sha256').update('for this test').digest('hex');
const sealKeys = [{ id: 'first', key: hexKey }];
const server = { host: 'redis' };

function storeOf(store: object): StoreConfig {
  return parseConfig({ ...(valid() as object), store }, { env: {} }).store;
}
function problems(store: object): string[] {
  return problemsOf((config: { store: object }) => (config.store = store)).map((problem) => problem.key);
}

describe('the store', () => {
  it('is memory unless told otherwise', () => {
    expect(parseConfig(valid(), { env: {} }).store).toEqual({ kind: 'memory' });
  });

  it('is one Redis, one behind Sentinels, or a Cluster', () => {
    expect(storeOf({ kind: 'redis', server, sealKeys })).toMatchObject({ kind: 'redis', server: { host: 'redis', port: 6379 }, prefix: 'tig' });
    expect(storeOf({ kind: 'redis', cluster: { nodes: [server, { host: 'other', port: 7000 }] }, sealKeys, prefix: 'site' })).toMatchObject({ cluster: { nodes: [{ port: 6379 }, { port: 7000 }] }, prefix: 'site' });
    const store = storeOf({ kind: 'redis', sentinel: { name: 'main', nodes: [server], password: 'watch' }, username: 'tig', password: 'store', sealKeys, tls: {} });
    if (store.kind !== 'redis') throw new Error('not the store that was asked for');
    expect(store.sentinel?.nodes).toEqual([{ host: 'redis', port: 26_379 }]);
    expect([store.sentinel?.password?.reveal(), store.password?.reveal(), store.username, store.tls]).toEqual(['watch', 'store', 'tig', {}]);
    expect(inspect(store, { depth: 9 })).not.toMatch(/watch|'store'|[0-9a-f]{64}/);
  });

  it('takes seal keys in two spellings', () => {
    const store = storeOf({ kind: 'redis', server, sealKeys: [{ id: 'b', key: Buffer.from(hexKey, 'hex').toString('base64') }, { id: 'a', key: hexKey.toUpperCase() }] });
    expect(store.kind === 'redis' && store.sealKeys.map(({ id, key }) => [id, key.reveal()])).toEqual([['b', hexKey], ['a', hexKey]]);
  });

  it.each([
    ['nothing to connect to', { kind: 'redis', sealKeys }, ['store.server']],
    ['two things to connect to', { kind: 'redis', server, cluster: { nodes: [server] }, sealKeys }, ['store.cluster']],
    ['no seal key', { kind: 'redis', server }, ['store.sealKeys']],
    ['a seal key of another length', { kind: 'redis', server, sealKeys: [{ id: 'a', key: 'ab'.repeat(31) }] }, ['store.sealKeys[0].key']],
    ['two seal keys of one name', { kind: 'redis', server, sealKeys: [...sealKeys, { id: 'first', key: 'ab'.repeat(32) }] }, ['store.sealKeys[1].id']],
    ['a seal key from a file that is not there', { kind: 'redis', server, sealKeys: [{ id: 'a', keyFile: 'nowhere' }] }, ['store.sealKeys[0].keyFile']],
    ['a Redis for memory', { server, password: 'x' }, ['store.server', 'store.password']],
    ['half a client certificate', { kind: 'redis', server, sealKeys, tls: { key: ec.privateKey } }, ['store.tls.cert']],
    ['an authority that is none', { kind: 'redis', server, sealKeys, tls: { ca: 'rubbish' } }, ['store.tls.ca']],
    ['a password in two places', { kind: 'redis', server, sealKeys, password: 'a', passwordFile: 'b' }, ['store.passwordFile']],
    ['a broken server', { kind: 'redis', server: { host: 'no host' }, sealKeys }, ['store.server.host']],
  ])('refuses %s', (_what, store, keys) => {
    expect(problems(store).filter((key, index, all) => all.indexOf(key) === index)).toEqual(expect.arrayContaining(keys));
    expect(problems(store).every((key) => keys.includes(key))).toBe(true);
  });
});

describe.skipIf(!hasOpenssl)('the core listener’s TLS', () => {
  const file = (name: string): string => path.join(folder, name);
  beforeAll(() => void execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=gateway', '-keyout', file('tls.key'), '-out', file('tls.pem')], { stdio: 'pipe' }));
  const tls = { certFile: 'tls.pem', keyFile: 'tls.key', clientCaFile: 'tls.pem' };
  const listen = (given: object, more: object = {}): string[] =>
    problemsOf((config: { listeners: object; idContact: object }) => {
      config.listeners = { core: { tls: given } };
      Object.assign(config.idContact, more);
    }).map((problem) => problem.key);

  it('has a certificate with its key, and perhaps authorities of clients', () => {
    expect(listen(tls, { coreCertificateNames: ['core'] })).toEqual([]);
    const config = parseConfig({ ...(valid() as object), listeners: { core: { tls: { cert: readFileSync(file('tls.pem'), 'utf8'), key: readFileSync(file('tls.key'), 'utf8') } } } }, { env: {} });
    expect(config.listeners.core.tls?.cert).toContain('BEGIN CERTIFICATE');
    expect(config.listeners.core.tls?.clientCa).toBeUndefined();
    expect(JSON.stringify(config)).not.toContain('PRIVATE KEY');
  });

  it('refuses halves, strangers and other listeners', () => {
    expect(listen({ certFile: 'tls.pem' })).toEqual(['listeners.core.tls.key']);
    expect(listen({ ...tls, keyFile: undefined, key: ec.privateKey })).toEqual(['listeners.core.tls.key']);
    expect(listen({ ...tls, clientCaFile: 'tls.key' })).toEqual(['listeners.core.tls.clientCaFile']);
    expect(listen({ ...tls, clientCaFile: undefined }, { coreCertificateNames: ['core'] })).toEqual(['idContact.coreCertificateNames']);
    expect(problemsOf((config: { listeners: object }) => (config.listeners = { public: { tls } })).map((problem) => problem.key)).toEqual(['listeners.public.tls']);
  });
});
