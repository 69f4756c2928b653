import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RedisBoards } from '../../../core-bridge/progress/redis-boards.js';
import type { RedisLink } from '../../../core-bridge/redis/connect.js';
import { SealKeyring } from '../../../core-bridge/vault/keyring.js';
import { newSealKey } from '../../../core-bridge/vault/seal.js';
import { VaultError } from '../../../core-bridge/vault/vault.js';
import { keepingLog } from '../fixtures.js';
import { newSealKeyConfig, startTopology, type Topology } from './topologies.js';
import { buildOnRedis, closeAll, errorCode, openLinks, session, success } from './vaults.js';

const { log, lines } = keepingLog();
let redis: Topology;
let links: RedisLink[];
beforeAll(async () => {
  redis = await startTopology('single');
  links = await openLinks(redis.config, 1, log);
});
afterAll(async () => {
  await closeAll(links);
  await redis.stop();
});

/** All of Redis's content as one text: keys and values as they are on disk, uncompressed. */
async function dump(): Promise<string> {
  const server = redis.servers[0]!;
  await server.cli('CONFIG', 'SET', 'rdbcompression', 'no');
  expect(await server.cli('SAVE')).toBe('OK');
  return readFileSync(path.join(server.folder, 'dump.rdb'), 'latin1');
}

it('no code, token, attribute or address stands in Redis or in the log, whatever became of the sessions', async () => {
  const { vault, stores: [store] } = buildOnRedis(redis.config, links);
  const boards = new RedisBoards({ link: links[0]!, prefix: redis.config.prefix, tenant: 'at-rest' });
  const secrets: string[] = [];
  const sealKeys: Buffer[] = [];
  for (let i = 0; i < 200; i += 1) {
    const name = `Citizen-${i}-van-den-Berg`;
    const created = await vault.create(session);
    secrets.push(created.code, created.attrToken, created.pageToken, name);
    if (i % 4 > 0) await vault.deliver(created.attrToken, success(name));
    if (i % 4 > 1) await vault.claim(created.code, `call-${i}`);
    if (i % 4 > 1) sealKeys.push((await store!.held(created.sessionId, `call-${i}`))!.sealKey);
    if (i % 8 === 3) await vault.purge(created.sessionId, `call-${i}`);
    if (i % 8 === 7) await vault.letGo(created.sessionId, `call-${i}`);
    const page = await vault.onPage(created.pageToken);
    if (page) boards.post(page.board, { step: 'callSeen' });
    const forCall = await vault.createForCall({ purpose: 'p', callId: `call-${i}` });
    secrets.push(forCall.attrToken, forCall.pageToken);
    await vault.deliver(forCall.attrToken, success(name));
  }
  await boards.close();
  const everything = await dump();
  // The dump is what it should be: hashes and ids can be found in it.
  expect(everything).toContain('report_move');
  expect(everything.match(/:session/g)?.length).toBeGreaterThan(300);
  const inKeys = await redis.servers[0]!.cli('--scan');
  expect(inKeys.split('\n').length).toBeGreaterThan(1_000);
  const logged = lines.join('');
  for (const secret of [...secrets, 'plugin.example', 'digid']) {
    for (const clear of [secret, Buffer.from(secret).toString('base64').replace(/=+$/, '').slice(0, -1)]) {
      expect(everything.includes(clear)).toBe(false);
      expect(inKeys.includes(clear)).toBe(false);
      expect(logged.includes(clear)).toBe(false);
    }
  }
  for (const key of sealKeys) for (const form of ['latin1', 'hex', 'base64'] as const) expect(everything.includes(key.toString(form))).toBe(false);
  expect(everything.includes(redis.config.sealKeys[0]!.key.reveal())).toBe(false);
  await vault.close();
}, 120_000);

it('after a purge the key of what was sealed is nowhere any more', async () => {
  const { vault } = buildOnRedis(redis.config, links, { tenant: 'erased' });
  const created = await vault.create(session);
  await vault.deliver(created.attrToken, success('Willeke'));
  await vault.claim(created.code, 'call');
  expect(await dump()).toContain(created.sessionId);
  await vault.purge(created.sessionId, 'call');
  const keys = (await redis.servers[0]!.cli('--scan', '--pattern', 'tig:{erased:*')).split('\n');
  expect(keys).toHaveLength(1);
  expect(keys[0]).toMatch(/:code$/);
  await vault.close();
});

it('a key of the ring can take over from another, which still opens; a foreign ring opens nothing', async () => {
  const [old, fresh, foreign] = [redis.config.sealKeys[0]!, newSealKeyConfig('k2'), newSealKeyConfig('k1')];
  const on = (sealKeys: typeof redis.config.sealKeys) => buildOnRedis({ ...redis.config, sealKeys }, links, { tenant: 'rotation' }).vault;
  const [before, during, after, stranger] = [on([old]), on([fresh, old]), on([fresh]), on([foreign])];
  const early = await before.create(session);
  await before.deliver(early.attrToken, success('Early'));
  const late = await during.create(session);
  await during.deliver(late.attrToken, success('Late'));
  await during.claim(early.code, 'c');
  await during.claim(late.code, 'c');
  expect((await during.reveal(early.sessionId, 'c')).attributes).toEqual({ name: 'Early' });
  expect((await after.reveal(late.sessionId, 'c')).attributes).toEqual({ name: 'Late' });
  for (const vault of [after, stranger]) expect(await errorCode(vault.reveal(early.sessionId, 'c'))).toBe('seal_broken');
  // What cannot be read can still be removed.
  await stranger.purge(early.sessionId, 'c');
  expect(await errorCode(before.reveal(early.sessionId, 'c'))).toBe('not_claimed');
  await closeAll([before, during, after, stranger]);
});

it('a wrapped key moved to another session does not open', () => {
  const ring = new SealKeyring([newSealKeyConfig('k')]);
  const key = newSealKey();
  const wrapped = ring.wrap(key, 'one');
  expect(ring.unwrap(wrapped, 'one').equals(key)).toBe(true);
  expect(() => ring.unwrap(wrapped, 'other')).toThrow(VaultError);
  expect(() => ring.unwrap({ ...wrapped, keyId: 'none' }, 'one')).toThrow(VaultError);
});

it('tenants on one Redis see nothing of each other', async () => {
  const [zutphen, deventer] = ['zutphen', 'deventer'].map((tenant) => buildOnRedis(redis.config, links, { tenant, maxLive: 1 }).vault);
  if (!zutphen || !deventer) throw new Error('two tenants');
  const created = await zutphen.create(session);
  expect(await deventer.claim(created.code, 'c')).toEqual({ ok: false, reason: 'unknown' });
  expect(await deventer.onPage(created.pageToken)).toBeUndefined();
  expect(await deventer.awaits(created.attrToken)).toBe(false);
  expect(await deventer.stats()).toEqual({ live: 0, claimed: 0 });
  expect(await errorCode(deventer.create(session))).toBe('done');
  await closeAll([zutphen, deventer]);
});
