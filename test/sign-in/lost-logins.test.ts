/** Redis has lost everything: who goes on, who is asked who they are, and who stays out. With nodes that were cut off meanwhile. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../config/index.js';
import { connectRedis } from '../../core-bridge/index.js';
import type { Principal } from '../../gateway/sign-in/principal.js';
import { RedisSessions } from '../../gateway/sign-in/redis-sessions.js';
import { Sessions, SessionsAwayError, type Session } from '../../gateway/sign-in/sessions.js';
import { Relay } from '../e2e/relay.js';
import { Peers } from '../peers/process.js';
import { startRedis, type Redis } from '../peers/redis.js';
import { until } from '../peers/wait.js';
import { log } from './door.js';

const peers = new Peers();
let redis: Redis;
beforeEach(async () => {
  redis = peers.add(await startRedis());
});
afterEach(() => peers.stopAll());

const sealKeys = [{ id: 'a', key: new Secret('a'.repeat(64)) }];
const anna: Principal = { name: 'anna', displayName: 'Anna', tenant: 'main', roles: ['agent'], by: 'oidc' };
const soonMs = 20_000;
const sweepEveryMs = 2_000;

interface Node {
  readonly sessions: Sessions;
  /** Its cable to Redis. */
  readonly relay: Relay;
  /** What was told of sessions, as `ended`. */
  readonly told: string[];
  /** This node's clock is ahead by so much. */
  ahead: number;
  /** Whether its people are in a call. */
  isBusy: boolean;
  /** As the sign-in does every two seconds, which pass with it. */
  sweep(): Promise<void>;
  /** Until it is in reach again, or is not. */
  isReady(ready: boolean): Promise<unknown>;
}

/** The accounts as a node's configuration has them. */
async function node(stamps: () => string = () => '1'): Promise<Node> {
  const relay = peers.add(await Relay.to(redis));
  const link = connectRedis({ kind: 'redis', server: { host: '127.0.0.1', port: relay.port }, prefix: 'tig', sealKeys }, log);
  peers.defer(() => link.close());
  await until(() => link.ready, 'the link', soonMs);
  const told: string[] = [];
  const made: Node = {
    relay, told, ahead: 0, isBusy: false,
    sessions: new Sessions({
      policyOf: () => ({ idleTimeoutMs: 1_800_000, maxSessionMs: 43_200_000 }),
      principalOf: ({ stamp }) => (stamp === stamps() ? anna : undefined),
      share: new RedisSessions({ link, prefix: 'tig', sealKeys }),
      log,
      now: () => Date.now() + made.ahead,
    }, {
      ended: ({ agent }) => told.push(`ended ${agent}`), over: ({ agent }) => told.push(`over ${agent}`),
      locked: ({ agent }) => told.push(`locked ${agent}`), unlocked: ({ agent }) => told.push(`unlocked ${agent}`),
    }),
    sweep: () => {
      made.ahead += sweepEveryMs;
      return made.sessions.sweep(() => made.isBusy);
    },
    isReady: (ready) => until(() => link.ready === ready, `the link to be ${ready ? 'back' : 'gone'}`, soonMs),
  };
  peers.defer(() => made.sessions.close());
  // Every node has seen what the store knew before it was lost.
  await made.sweep();
  return made;
}

/** Everything is gone; every node that can be reached looks. */
async function loseAll(...nodes: Node[]): Promise<void> {
  await redis.cli('FLUSHALL');
  for (const each of nodes) await each.sweep();
}

const find = (at: Node, cookie: string): Promise<Session | undefined> => at.sessions.find(cookie);
const marks = { subject: 'subject-of-anna', session: 'session-of-anna' };

describe('Redis has lost everything', () => {
  it('who is known to a node goes on, is found by the others again, and can be ended and locked as before', async () => {
    const [a, b] = [await node(), await node()];
    const { cookie } = await a.sessions.start(anna, '1', marks);
    await loseAll(b);
    // Nobody can say yet whether this is a login.
    await expect(find(b, cookie)).rejects.toThrow(SessionsAwayError);
    await a.sweep();
    const session = (await find(b, cookie))!;
    expect(session).toMatchObject({ agent: 'anna', locked: false });
    expect(a.told).toEqual([]);
    expect(await find(b, 'made-up').catch((error: unknown) => error)).toBeInstanceOf(SessionsAwayError);
    // After a moment unknown is unknown.
    b.ahead += 6_000;
    expect(await find(b, 'made-up')).toBeUndefined();
    await b.sessions.lock(session);
    await until(() => a.told.includes('locked anna'), 'the lock', soonMs);
    expect(await b.sessions.endMarked('main', { subject: marks.subject })).toBe(1);
    await until(() => a.told.includes('ended anna'), 'the end', soonMs);
    await loseAll(a, b);
    expect([await find(a, cookie).catch(() => undefined), await find(b, cookie).catch(() => undefined)]).toEqual([undefined, undefined]);
  });

  it('many looks at one moment end nobody', async () => {
    const a = await node();
    const { cookie } = await a.sessions.start(anna, '1');
    for (let round = 0; round < 20; round += 1) {
      await redis.cli('FLUSHALL');
      a.ahead += 2_500;
      await Promise.all([a.sweep(), ...Array.from({ length: 20 }, () => find(a, cookie))]);
      expect(await find(a, cookie)).toMatchObject({ agent: 'anna', locked: false });
    }
    expect(a.told).toEqual([]);
  });

  it('a lock in that very moment holds, and ends nobody', async () => {
    const [a, b] = [await node(), await node()];
    const { cookie, session } = await a.sessions.start(anna, '1');
    await redis.cli('FLUSHALL');
    await a.sessions.lock(session);
    expect(a.told).toEqual(['locked anna']);
    expect(await find(b, cookie)).toMatchObject({ locked: true });
    await redis.cli('FLUSHALL');
    await a.sessions.unlock(session);
    expect(a.told).toEqual(['locked anna', 'unlocked anna']);
    b.ahead += 10_000;
    expect(await find(b, cookie)).toMatchObject({ locked: false });
  });
});

describe('what ended does not come back by it, though a node was cut off and did not hear', () => {
  it('a logout', async () => {
    const [a, b] = [await node(), await node()];
    const { cookie } = await a.sessions.start(anna, '1');
    expect(await find(b, cookie)).toBeDefined();
    b.relay.cut();
    await b.isReady(false);
    await a.sessions.end((await find(a, cookie))!);
    await loseAll(a);
    b.relay.mend();
    await b.isReady(true);
    await b.sweep();
    expect(b.told).toEqual(['ended anna']);
    expect(await find(b, cookie).catch(() => undefined)).toBeUndefined();
  });

  it('a logout, also when the node that was cut off is the first to come to the empty store', async () => {
    const [a, b] = [await node(), await node()];
    const { cookie } = await a.sessions.start(anna, '1');
    expect(await find(b, cookie)).toBeDefined();
    b.relay.cut();
    await b.isReady(false);
    await a.sessions.end((await find(a, cookie))!);
    a.relay.cut();
    await a.isReady(false);
    await redis.cli('FLUSHALL');
    b.relay.mend();
    await b.isReady(true);
    await b.sweep();
    expect(await find(b, cookie)).toBeDefined();
    a.relay.mend();
    await a.isReady(true);
    await a.sweep();
    await until(() => b.told.includes('ended anna'), 'the end to be told again', soonMs);
  });

  it('a logout at a node that did not know the login any more', async () => {
    const [a, b] = [await node(), await node()];
    const { cookie } = await b.sessions.start(anna, '1');
    b.relay.cut();
    await b.isReady(false);
    await loseAll(a);
    expect(await find(a, cookie).catch(() => undefined)).toBeUndefined();
    await a.sessions.endUnknown(cookie);
    b.relay.mend();
    await b.isReady(true);
    await b.sweep();
    expect(b.told).toEqual(['ended anna']);
  });

  it.each([
    ['all of a person’s', { subject: marks.subject }],
    ['one session', { session: marks.session }],
    ['one session of a person', marks],
  ])('the word of a provider to a node that did not know the login any more: %s', async (_what, ended) => {
    const [a, b] = [await node(), await node()];
    const { cookie } = await b.sessions.start(anna, '1', marks);
    const other = await b.sessions.start(anna, '1', { subject: 'subject-of-bram', session: 'session-of-bram' });
    b.relay.cut();
    await b.isReady(false);
    await loseAll(a);
    expect(await a.sessions.endMarked('main', ended)).toBe(0);
    b.relay.mend();
    await b.isReady(true);
    await b.sweep();
    expect(b.told.filter((told) => told === 'ended anna')).toHaveLength(1);
    expect(await find(b, cookie).catch(() => undefined)).toBeUndefined();
    expect(await find(b, other.cookie)).toBeDefined();
    // Who logs in again is in.
    expect(await find(b, (await b.sessions.start(anna, '1', marks)).cookie)).toBeDefined();
  });

  it('a login whose account has changed', async () => {
    let stamp = '1';
    const [a, b] = [await node(), await node(() => stamp)];
    const { cookie } = await a.sessions.start(anna, '1');
    expect(await find(b, cookie)).toBeDefined();
    a.relay.cut();
    await a.isReady(false);
    stamp = '2';
    await b.sessions.endGroundless();
    await loseAll(b);
    a.relay.mend();
    await a.isReady(true);
    await a.sweep();
    expect(a.told).toEqual(['ended anna']);
  });
});

describe('who cannot be known to be in still', () => {
  it('goes on through the call, is asked who they are when it is quiet, and is locked everywhere else at once', async () => {
    const [a, b] = [await node(), await node()];
    const { cookie } = await b.sessions.start(anna, '1');
    b.relay.cut();
    await b.isReady(false);
    // Longer away than ends are known for.
    b.ahead += 400_000;
    b.isBusy = true;
    await loseAll(a);
    b.relay.mend();
    await b.isReady(true);
    for (let sweeps = 0; sweeps < 3; sweeps += 1) await b.sweep();
    expect(b.told).toEqual([]);
    expect(await find(b, cookie)).toMatchObject({ locked: false });
    expect(await find(a, cookie)).toMatchObject({ locked: true });
    b.isBusy = false;
    await b.sweep();
    expect(b.told).toEqual(['locked anna']);
    await a.sessions.unlock((await find(a, cookie))!);
    await until(() => b.told.includes('unlocked anna'), 'the unlocking', soonMs);
    await b.sweep();
    expect(b.told).toEqual(['locked anna', 'unlocked anna']);
  });

  it('is not asked when another node has seen all along that they are', async () => {
    const [a, b] = [await node(), await node()];
    const { cookie } = await a.sessions.start(anna, '1');
    expect(await find(b, cookie)).toBeDefined();
    b.relay.cut();
    await b.isReady(false);
    b.ahead += 400_000;
    b.isBusy = true;
    await redis.cli('FLUSHALL');
    b.relay.mend();
    await b.isReady(true);
    await b.sweep();
    await a.sweep();
    b.isBusy = false;
    // Whoever looks while it is doubted elsewhere takes it for locked; not the node that knows.
    a.ahead += 2_500;
    expect(await find(a, cookie)).toMatchObject({ locked: false });
    await b.sweep();
    expect([a.told, b.told]).toEqual([[], []]);
    expect(await find(b, cookie)).toMatchObject({ locked: false });
  });
});
