import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ProgressBoards } from '../../../core-bridge/progress/progress.js';
import { MemoryBoards } from '../../../core-bridge/progress/memory-boards.js';
import { RedisBoards } from '../../../core-bridge/progress/redis-boards.js';
import type { RedisLink } from '../../../core-bridge/redis/connect.js';
import { until } from '../../peers/wait.js';
import { startTopology, type Topology } from './topologies.js';
import { closeAll, openLinks, START } from './vaults.js';

let redis: Topology;
let links: RedisLink[];
beforeAll(async () => {
  redis = await startTopology('single');
  links = await openLinks(redis.config, 1);
});
afterAll(async () => {
  await closeAll(links);
  await redis.stop();
});

const open: ProgressBoards[] = [];
afterEach(() => closeAll(open));
let tenants = 0;

const kinds = [
  { name: 'in memory', build: (now: () => number): ProgressBoards => new MemoryBoards({ now }) },
  { name: 'in Redis', build: (now: () => number): ProgressBoards => new RedisBoards({ link: links[0]!, prefix: 'tig', tenant: `b${(tenants += 1)}`, now }) },
];

describe.each(kinds)('progress boards $name', ({ build }) => {
  function start() {
    const clock = { now: START };
    const boards = build(() => clock.now);
    open.push(boards);
    const steps = async (board: string) => (await boards.read(board)).map((entry) => (entry.step === 'waiting' ? entry.place : entry.step));
    return { boards, clock, steps };
  }

  it('keep steps in order, with their time, and of waiting only the last place', async () => {
    const { boards, clock, steps } = start();
    expect(await steps('a')).toEqual([]);
    boards.post('a', { step: 'callSeen' });
    clock.now += 5;
    boards.post('a', { step: 'codeAccepted' });
    for (const place of [3, 2, 1]) boards.post('a', { step: 'waiting', place });
    boards.post('a', { step: 'agentRinging' });
    boards.post('a', { step: 'waiting', place: 1 });
    boards.post('a', { step: 'deleted', afterMs: 12 });
    boards.post('b', { step: 'ended' });
    await until(async () => (await steps('a')).includes('deleted'), 'all steps to be kept');
    expect(await steps('a')).toEqual(['callSeen', 'codeAccepted', 1, 'agentRinging', 1, 'deleted']);
    const entries = await boards.read('a');
    expect(entries[0]).toEqual({ step: 'callSeen', at: START });
    expect(entries.at(-1)).toEqual({ step: 'deleted', afterMs: 12, at: START + 5 });
    expect(await steps('b')).toEqual(['ended']);
  });

  it('are bounded: the oldest steps make room', async () => {
    const { boards, steps } = start();
    boards.post('a', { step: 'callSeen' });
    for (let i = 0; i < 70; i += 1) boards.post('a', { step: 'codeUsedAgain' });
    boards.post('a', { step: 'ended' });
    await until(async () => (await steps('a')).includes('ended'), 'all steps to be kept');
    const kept = await steps('a');
    expect(kept).toHaveLength(64);
    expect(kept).not.toContain('callSeen');
  });

  it('tell who watches, until they stop', async () => {
    const { boards } = start();
    const told = { first: 0, second: 0, other: 0 };
    const stop = boards.watch('a', () => { told.first += 1; });
    boards.watch('a', () => { told.second += 1; });
    boards.watch('b', () => { told.other += 1; });
    await until(() => { boards.post('a', { step: 'callSeen' }); return told.first > 0 && told.second > 0; }, 'the watchers to be told');
    stop();
    stop();
    const before = { ...told };
    await until(() => { boards.post('a', { step: 'callSeen' }); return told.second > before.second + 2; }, 'the second to be told more');
    expect(told.first).toBe(before.first);
    expect(told.other).toBe(before.other);
  });

  it('take no more than twenty watchers each, and say nothing after the end', async () => {
    const { boards } = start();
    const told = new Set<number>();
    for (let i = 0; i < 30; i += 1) boards.watch('a', () => told.add(i));
    boards.post('a', { step: 'callSeen' });
    await until(() => told.size > 0, 'watchers to be told');
    expect(told.size).toBe(20);
    await boards.close();
    await boards.close();
    boards.post('a', { step: 'ended' });
  });
});

it('a board in memory is gone an hour after its last step, and the silent ones make room', async () => {
  const clock = { now: START };
  const boards = new MemoryBoards({ now: () => clock.now, maxBoards: 2 });
  open.push(boards);
  for (const board of ['a', 'b', 'a', 'c']) boards.post(board, { step: 'callSeen' });
  expect(await boards.read('b')).toEqual([]);
  expect(await boards.read('a')).toHaveLength(2);
  clock.now += 3_600_000;
  expect(await boards.read('a')).toEqual([]);
});

it('a board in Redis expires by itself an hour after its last step', async () => {
  const boards = new RedisBoards({ link: links[0]!, prefix: 'tig', tenant: 'ttl' });
  open.push(boards);
  boards.post('a', { step: 'callSeen' });
  await until(async () => (await boards.read('a')).length, 'the step to be kept');
  const ttl = Number(await redis.servers[0]!.cli('PTTL', 'tig:{ttl:a}:steps'));
  expect(ttl).toBeGreaterThan(3_500_000);
  expect(ttl).toBeLessThanOrEqual(3_600_000);
});
