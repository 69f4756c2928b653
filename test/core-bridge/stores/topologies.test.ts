import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RedisLink } from '../../../core-bridge/redis/connect.js';
import { RedisBoards } from '../../../core-bridge/progress/redis-boards.js';
import { until } from '../../peers/wait.js';
import { startTopology, type Topology } from './topologies.js';
import { buildOnRedis, closeAll, GRACE_MS, openLinks, session, success } from './vaults.js';

const kinds = [
  { kind: 'single', withTls: true },
  { kind: 'sentinel', withTls: false },
  { kind: 'sentinel', withTls: true },
  { kind: 'cluster', withTls: false },
  { kind: 'cluster', withTls: true },
] as const;

/** Every key on every server, with its remaining time. */
async function keysOf(topology: Topology): Promise<{ key: string; ttl: number }[]> {
  const all = await Promise.all(topology.servers.map(async (server) => {
    const keys = (await server.cli('--scan')).split('\n').filter(Boolean);
    return Promise.all(keys.map(async (key) => ({ key, ttl: Number(await server.cli('PTTL', key)) })));
  }));
  return all.flat();
}

describe.each(kinds)('Redis as $kind, TLS: $withTls', ({ kind, withTls }) => {
  let topology: Topology;
  let links: RedisLink[];
  beforeAll(async () => {
    topology = await startTopology(kind, withTls);
    links = await openLinks(topology.config, 2);
  });
  afterAll(async () => {
    await closeAll(links);
    await topology.stop();
  });

  it('keeps sessions for several nodes: claimed once, results heard everywhere, gone everywhere', async () => {
    const { nodes: [here, there], clock } = buildOnRedis(topology.config, links);
    if (!here || !there) throw new Error('two nodes');
    // Several, so that in a Cluster they lie on different servers.
    const made = await Promise.all(Array.from({ length: 8 }, () => here.create(session)));
    for (const { code, sessionId, attrToken, pageToken } of made) {
      const claims = await Promise.all(Array.from({ length: 6 }, (_, i) => (i % 2 ? here : there).claim(code, `call-${i}`)));
      const holder = `call-${claims.findIndex((claim) => claim.ok)}`;
      expect(claims.filter((claim) => claim.ok)).toHaveLength(1);
      let heard = false;
      here.onDelivered(sessionId, () => { heard = true; });
      expect(await there.deliver(attrToken, success('Willeke'))).toBe('accepted');
      await until(() => heard, 'the result to be heard at the other node');
      expect((await here.reveal(sessionId, holder)).attributes).toEqual({ name: 'Willeke' });
      await here.letGo(sessionId, holder);
      clock.now += GRACE_MS / 2;
      expect(await there.extend(pageToken)).toBeDefined();
      expect(await there.claim(code, 'again')).toMatchObject({ ok: true, identity: 'verified' });
      expect(await here.claim(code, 'other')).toMatchObject({ ok: false, reason: 'used' });
    }
    expect(await here.stats()).toEqual({ live: made.length, claimed: made.length });
    expect((await keysOf(topology)).filter(({ ttl }) => ttl < 0)).toEqual([]);
    for (const { sessionId, code, pageToken } of made) {
      await there.purge(sessionId, 'again');
      expect(await here.claim(code, 'again')).toEqual({ ok: false, reason: 'used' });
      expect(await here.onPage(pageToken)).toBeUndefined();
    }
    // What is left are the codes, at rest.
    const masters = new Set((await keysOf(topology)).map(({ key }) => key.replace(/.*\}:/, '')));
    expect([...masters]).toEqual(['code']);
    await closeAll([here, there]);
  });

  it('keeps progress boards for several nodes', async () => {
    const [here, there] = links.map((link) => new RedisBoards({ link, prefix: topology.config.prefix, tenant: 'boards' }));
    if (!here || !there) throw new Error('two nodes');
    let told = 0;
    there.watch('board', () => { told += 1; });
    here.post('board', { step: 'callSeen' });
    await until(() => told > 0, 'the step to be told at the other node');
    expect((await there.read('board')).map(({ step }) => step)).toEqual(['callSeen']);
    await closeAll([here, there]);
  });
});
