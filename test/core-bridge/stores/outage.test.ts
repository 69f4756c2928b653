import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../../config/index.js';
import type { RedisLink } from '../../../core-bridge/redis/connect.js';
import { VaultError } from '../../../core-bridge/vault/vault.js';
import { Peers } from '../../peers/process.js';
import { startRedis } from '../../peers/redis.js';
import { until } from '../../peers/wait.js';
import { keepingLog } from '../fixtures.js';
import { startTopology, type Topology } from './topologies.js';
import { buildOnRedis, closeAll, errorCode, openLinks, session, success } from './vaults.js';

/** "Soon": about a second in fact; generous here, for a busy machine. */
const SOON_MS = 4_000;

const silent = pino({ level: 'silent' });
const peers = new Peers();
let redis: Topology;
let links: RedisLink[];

afterEach(async () => {
  await closeAll(links);
  await peers.stopAll();
});

async function saysSoon(work: Promise<unknown>): Promise<void> {
  const before = performance.now();
  expect(await errorCode(work)).toBe('store_unreachable');
  expect(performance.now() - before).toBeLessThan(SOON_MS);
}

/** A real link with something of its own. */
function instead(link: RedisLink, own: Partial<RedisLink>): RedisLink {
  return {
    run: (work) => link.run(work),
    subscribe: (channel, listener) => link.subscribe(channel, listener),
    get ready() { return link.ready; },
    on: (event, listener) => link.on(event, listener),
    off: (event, listener) => link.off(event, listener),
    close: () => Promise.resolve(),
    ...own,
  };
}

/**
 * Nothing real loses an answer, or is slow, when a test wants it to. This link loses its first answer; what is asked
 * next (for the undoing: which session it is) is answered when the test says so; `undone`: what came of that is done, too.
 */
function slowToUndo(link: RedisLink): { link: RedisLink; undoing: Promise<void>; goOn: () => void; undone: Promise<void> } {
  const steps = ['undoing', 'goOn', 'undone'] as const;
  const reached = {} as Record<(typeof steps)[number], () => void>;
  const [undoing, goneOn, undone] = steps.map((step) => new Promise<void>((resolve) => { reached[step] = resolve; }));
  let runs = 0;
  const run: RedisLink['run'] = async (work) => {
    const nth = (runs += 1);
    const answer = await link.run(work);
    if (nth === 1) throw new VaultError('store_unreachable');
    if (nth === 2) {
      reached.undoing();
      await goneOn;
      // Its next step is asked for before this.
      setImmediate(() => void link.run((client) => client.get('nothing')).then(reached.undone));
    }
    return answer;
  };
  return { link: instead(link, { run }), undoing: undoing!, goOn: () => reached.goOn(), undone: undone! };
}

describe('one server', () => {
  beforeEach(async () => {
    redis = peers.add(await startTopology('single'));
    links = await openLinks(redis.config, 2, silent, {});
  });

  it('that dies is told soon, and used again when it is back', async () => {
    const { nodes: [here, there] } = buildOnRedis(redis.config, links);
    const created = await here!.create(session);
    const { port } = redis.servers[0]!;
    await redis.servers[0]!.stop();
    await saysSoon(here!.claim(created.code, 'call'));
    await until(() => !here!.ready, 'the vault to know');
    for (const work of [here!.create(session), here!.stats(), here!.onPage(created.pageToken), here!.purge(created.sessionId, 'call')]) await saysSoon(work);
    peers.add(await startRedis({ port }));
    await until(() => here!.ready && there!.ready, 'both nodes to find it again', 15_000);
    // It kept nothing; nobody is identified by mistake.
    expect(await here!.claim(created.code, 'call')).toEqual({ ok: false, reason: 'unknown' });
    const { sessionId, attrToken, code } = await here!.create(session);
    await here!.claim(code, 'call');
    let heard = false;
    here!.onDelivered(sessionId, () => { heard = true; });
    expect(await there!.deliver(attrToken, success('Willeke'))).toBe('accepted');
    await until(() => heard, 'the result to be heard', 10_000);
    await closeAll([here!, there!]);
  });

  it('that hangs for a while has not kept claims nobody heard of, nor sessions whose calls ended meanwhile', async () => {
    const { nodes: [here, there] } = buildOnRedis(redis.config, links, { doubtEveryMs: 100 });
    const [claimed, ended] = [await here!.create(session), await here!.create(session)];
    await here!.claim(ended.code, 'ended');
    process.kill(redis.servers[0]!.pid, 'SIGSTOP');
    try {
      // Both have been sent when nobody waits for them any more.
      await Promise.all([saysSoon(here!.claim(claimed.code, 'gave up')), saysSoon(here!.purge(ended.sessionId, 'ended'))]);
    } finally {
      process.kill(redis.servers[0]!.pid, 'SIGCONT');
    }
    await until(() => here!.ready && there!.ready, 'the nodes to go on', 15_000);
    await until(async () => (await there!.claim(claimed.code, 'later call')).ok, 'the code to be good again', 10_000);
    await until(async () => (await there!.onPage(ended.pageToken)) === undefined, 'the ended session to be gone', 10_000);
    expect(await there!.identity(claimed.sessionId, 'later call')).toBe('awaiting');
    await closeAll([here!, there!]);
  });

  it('whose answer to a claim was lost leaves the call what it got by trying again, however late the undoing is', async () => {
    const { sessionId, code } = await buildOnRedis(redis.config, [links[1]!], { tenant: 'unlucky' }).vault.create(session);
    const unlucky = slowToUndo(links[0]!);
    const { vault } = buildOnRedis(redis.config, [unlucky.link], { tenant: 'unlucky', doubtEveryMs: 100 });
    expect(await errorCode(vault.claim(code, 'call'))).toBe('store_unreachable');
    await unlucky.undoing;
    expect(await vault.claim(code, 'call')).toMatchObject({ ok: true });
    unlucky.goOn();
    await unlucky.undone;
    expect(await vault.identity(sessionId, 'call')).toBe('awaiting');
    await vault.close();
  });

  it('whose answer to a claim was lost keeps nothing when the call could not even try again', async () => {
    const { code } = await buildOnRedis(redis.config, [links[1]!], { tenant: 'twice' }).vault.create(session);
    let asked = 0;
    const run: RedisLink['run'] = async (work) => {
      // The first answer is lost, what is asked next never gets there.
      if ((asked += 1) !== 2) {
        const answer = await links[0]!.run(work);
        if (asked > 1) return answer;
      }
      throw new VaultError('store_unreachable');
    };
    const { nodes: [here, there] } = buildOnRedis(redis.config, [instead(links[0]!, { run }), links[1]!], { tenant: 'twice', doubtEveryMs: 100 });
    for (let tries = 0; tries < 2; tries += 1) expect(await errorCode(here!.claim(code, 'call'))).toBe('store_unreachable');
    await until(async () => (await there!.claim(code, 'another call')).ok, 'the code to be good again', 10_000);
    await closeAll([here!, there!]);
  });

  it('that takes no writes for want of replicas is like one that is away, and what it missed is made up for', async () => {
    const { vault } = buildOnRedis(redis.config, links, { doubtEveryMs: 100 });
    const [claimed, ended] = [await vault.create(session), await vault.create(session)];
    await vault.claim(ended.code, 'ended');
    await redis.servers[0]!.cli('CONFIG', 'SET', 'min-replicas-to-write', '1');
    for (const work of [vault.create(session), vault.claim(claimed.code, 'call'), vault.purge(ended.sessionId, 'ended')]) await saysSoon(work);
    expect(await vault.onPage(ended.pageToken)).toBeDefined();
    await redis.servers[0]!.cli('CONFIG', 'SET', 'min-replicas-to-write', '0');
    await until(async () => (await vault.onPage(ended.pageToken)) === undefined, 'the ended session to be gone', 10_000);
    expect(await vault.claim(claimed.code, 'call')).toMatchObject({ ok: true });
    await vault.close();
  });

  it('needs to let us do no more than docs/stores.md says', async () => {
    const rights = '~tig:* &tig:* +@all -@dangerous'.split(' ');
    await redis.servers[0]!.cli('ACL', 'SETUSER', 'gateway', 'on', '>secret', ...rights);
    const restricted = await openLinks({ ...redis.config, username: 'gateway', password: new Secret('secret') }, 2);
    links.push(...restricted);
    const { nodes: [here, there] } = buildOnRedis(redis.config, restricted);
    const { sessionId, attrToken, code } = await here!.create(session);
    let heard = false;
    here!.onDelivered(sessionId, () => { heard = true; });
    expect(await there!.deliver(attrToken, success('Willeke'))).toBe('accepted');
    await until(() => heard, 'the result to be heard', 10_000);
    expect(await there!.claim(code, 'call')).toMatchObject({ ok: true });
    await there!.purge(sessionId, 'call');
    expect(await there!.stats()).toEqual({ live: 0, claimed: 0 });
    await closeAll([here!, there!]);
  });

  it('whose message was lost is asked again', async () => {
    // Nothing real loses a message when a test wants it to: this link hears none.
    const deaf = instead(links[0]!, { subscribe: () => () => undefined });
    const { nodes: [here, there] } = buildOnRedis(redis.config, [deaf, links[1]!], { doubtEveryMs: 100 });
    const { sessionId, attrToken } = await here!.create(session);
    let heard = 0;
    here!.onDelivered(sessionId, () => { heard += 1; });
    expect(await there!.deliver(attrToken, success('Willeke'))).toBe('accepted');
    await until(() => heard > 0, 'the result to be found', 10_000);
    await closeAll([here!, there!]);
    expect(heard).toBe(1);
  });

  it('whose subscriptions fell silent is connected to anew', async () => {
    const { log, lines } = keepingLog();
    const [link] = await openLinks(redis.config, 1, log, {});
    links.push(link!);
    const { nodes: [here, there] } = buildOnRedis(redis.config, [link!, links[0]!], { doubtEveryMs: 3_600_000 });
    await redis.servers[0]!.cli('ACL', 'SETUSER', 'default', '-subscribe');
    await redis.servers[0]!.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until(() => lines.some((line) => line.includes('subscriptions are silent')), 'the silence to be noticed', 15_000);
    await redis.servers[0]!.cli('ACL', 'SETUSER', 'default', '+subscribe');
    await until(() => lines.at(-1)?.includes('store reachable'), 'a new connection', 15_000);
    const { sessionId, attrToken } = await until(() => here!.create(session).catch(() => undefined), 'a session', 10_000);
    let heard = false;
    here!.onDelivered(sessionId, () => { heard = true; });
    expect(await until(() => there!.deliver(attrToken, success('Willeke')).catch(() => undefined), 'the result to be delivered', 10_000)).toBe('accepted');
    await until(() => heard, 'the result to be heard', 15_000);
    await closeAll([here!, there!]);
  }, 60_000);
});

it('Sentinels that make another server master: told soon, and sessions go on there', async () => {
  redis = peers.add(await startTopology('sentinel'));
  links = await openLinks(redis.config, 1, silent, {});
  const { vault } = buildOnRedis(redis.config, links);
  const created = await vault.create(session);
  await vault.deliver(created.attrToken, success('Willeke'));
  const [master, replica] = redis.servers;
  await until(async () => (await master!.cli('DBSIZE')) === (await replica!.cli('DBSIZE')), 'the replica to have everything');
  process.kill(master!.pid, 'SIGKILL');
  await saysSoon(vault.claim(created.code, 'call'));
  await until(() => vault.ready, 'the new master to be used', 25_000);
  const claim = await until(async () => {
    try {
      return await vault.claim(created.code, 'call');
    } catch {
      return undefined;
    }
  }, 'the session to be claimed at the new master', 15_000);
  expect(claim).toMatchObject({ ok: true, identity: 'verified' });
  expect((await vault.reveal(created.sessionId, 'call')).attributes).toEqual({ name: 'Willeke' });
  await vault.close();
}, 60_000);
