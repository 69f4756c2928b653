/** Several nodes that are one gateway, on a real Redis: their calls together, and figures that outlive them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RedisLink } from '../../core-bridge/redis/connect.js';
import { MemoryBus } from '../../gateway/nodes/memory-bus.js';
import { calendarOf, DayFigures, noCounts } from '../../gateway/supervisor/figures.js';
import { LiveCalls, liveCallsOf, mostToldCalls, phaseOf, type CallAtReception } from '../../gateway/supervisor/live-calls.js';
import { SharedFigures } from '../../gateway/supervisor/shared-figures.js';
import { configOf, eavesdrop, silent, soonMs, startBuses } from '../nodes/nodes.js';
import { Peers } from '../peers/process.js';
import { startRedis, type Redis } from '../peers/redis.js';
import { until } from '../peers/wait.js';

const peers = new Peers();
let redis: Redis;
beforeEach(async () => {
  redis = peers.add(await startRedis());
});
afterEach(() => peers.stopAll());

const call = (id: string, over: Partial<CallAtReception['state']> = {}, startedAt = 1_000): CallAtReception =>
  ({ id, service: { name: 'Burgerzaken' }, state: { name: 'connected', identity: 'verified', agent: 'anna', ...over }, stateSince: 2_000, startedAt });

describe('live calls', () => {
  it('of all nodes come together, oldest first; what Redis carries of them is sealed', async () => {
    const { heard } = await eavesdrop(peers, redis);
    const { buses } = await startBuses(peers, configOf(redis), 3);
    const callsOf: Record<string, CallAtReception[]>[] = [{ main: [call('a', {}, 3_000)] }, { main: [call('b', { identity: 'none' }, 1_000), call('gone', { name: 'ended' })], other: [call('not-ours')] }, { main: [call('c', {}, 2_000)] }];
    const rooms = buses.map((bus, index) => new LiveCalls(bus, (tenant) => callsOf[index]![tenant] ?? [], silent));
    for (const room of rooms) peers.defer(() => room.close());
    // Machines under load take longer than a node may: asked again, as the page does.
    const { calls, total } = await until(async () => {
      const view = await rooms[0]!.gather('main');
      return view.silentNodes === 0 ? view : undefined;
    }, 'all nodes to answer in time', soonMs);
    expect(total).toBe(3);
    expect(calls).toEqual([
      { id: 'b', service: 'Burgerzaken', phase: 'talking', since: 2_000, arrivedAt: 1_000, identified: false, agent: 'anna' },
      { id: 'c', service: 'Burgerzaken', phase: 'talking', since: 2_000, arrivedAt: 2_000, identified: true, agent: 'anna' },
      { id: 'a', service: 'Burgerzaken', phase: 'talking', since: 2_000, arrivedAt: 3_000, identified: true, agent: 'anna' },
    ]);
    expect((await rooms[2]!.gather('other')).calls.map(({ id }) => id)).toEqual(['not-ours']);
    expect(heard.length).toBeGreaterThan(0);
    expect(heard.filter(({ text }) => /Burgerzaken|anna|supervisor/.test(text))).toEqual([]);
  });

  it('are shown without those of a node that does not answer, and it is said that one is missing', async () => {
    const { buses } = await startBuses(peers, configOf(redis), 2);
    const room = new LiveCalls(buses[0]!, () => [call('a')], silent);
    peers.defer(() => room.close());
    const before = performance.now();
    expect(await room.gather('main')).toMatchObject({ total: 1, silentNodes: 1, calls: [{ id: 'a' }] });
    expect(performance.now() - before).toBeLessThan(5_000);
  });

  it('take in nothing of another form: a number of a caller cannot come along', async () => {
    const { buses } = await startBuses(peers, configOf(redis), 2);
    const room = new LiveCalls(buses[0]!, () => [], silent);
    peers.defer(() => room.close());
    let asked = 0;
    buses[1]!.on('supervisor.ask', (from, body) => {
      asked += 1;
      const { askId } = body as { askId: string };
      void buses[1]!.send(from, 'supervisor.calls', { askId, total: 1, calls: [{ id: 'x', service: 's', phase: 'talking', since: 1, arrivedAt: 1, identified: true, from: '+31612345678' }] });
    });
    expect(await room.gather('main')).toEqual({ total: 0, calls: [], silentNodes: 1 });
    expect(asked).toBe(1);
  });

  it('are counted and no longer listed when there are very many', () => {
    const many = Array.from({ length: 5_000 }, (_, n) => call(`c${n}`, {}, 10_000 - n));
    const { total, calls } = liveCallsOf(many);
    expect(total).toBe(5_000);
    expect(calls).toHaveLength(mostToldCalls);
    expect(calls[0]!.id).toBe('c4999');
    // What one node tells of them fits a message with room to spare.
    expect(JSON.stringify(calls).length).toBeLessThan(60_000);
  });

  it('name a colleague who is in the conversation, and not one who is only asked', () => {
    const guest = { agent: 'bram', guestId: 'g1', part: 'joined' } as const;
    const { calls } = liveCallsOf([call('a', { agent: 'anna', guest }), call('b', { agent: 'anna', guest: { ...guest, part: 'ringing' } })]);
    expect(calls.map(({ agent, guest: beside }) => [agent, beside])).toEqual([['anna', 'bram'], ['anna', undefined]]);
  });

  it('ask nobody where there is one node', async () => {
    const room = new LiveCalls(new MemoryBus(silent), () => [call('a')], silent);
    expect(await room.gather('main')).toMatchObject({ total: 1, silentNodes: 0 });
    room.close();
  });

  it('have a plain word for each state of a call', () => {
    const name = (state: CallAtReception['state']['name'], over: Partial<CallAtReception['state']> = {}) => phaseOf({ name: state, identity: 'none', ...over });
    expect([name('arriving'), name('greeting'), name('collecting'), name('claiming'), name('awaitingResult'), name('waiting'), name('offered'), name('revealing'), name('connected'), name('dialling'), name('ended')])
      .toEqual(['arriving', 'arriving', 'entering', 'entering', 'proving', 'waiting', 'ringing', 'connecting', 'talking', 'dialling', undefined]);
    expect(name('elsewhere', { party: { kind: 'queue' } })).toBe('pbxQueue');
    expect(name('elsewhere', { party: { kind: 'queue' }, agent: 'anna' })).toBe('talking');
    expect(name('elsewhere', { party: { kind: 'outside', number: '+31201234567' } })).toBe('elsewhere');
  });
});

describe('figures of all nodes', () => {
  const calendar = calendarOf('Europe/Amsterdam');
  const services = ['Burgerzaken', 'Sociaal domein'];
  let calls = 0;
  const arrive = (own: DayFigures, service: string) => own.hear({ type: 'call.arrived', tenant: 'main', callId: `c${(calls += 1)}`, service, at: Date.now() });

  function node(name: string, link: RedisLink): { own: DayFigures; shared: SharedFigures } {
    const own = new DayFigures(calendar, services);
    const shared = new SharedFigures({ own, link, prefix: 'tig', tenant: 'main', node: name, log: silent, writeEveryMs: 30, readEveryMs: 0 });
    peers.defer(() => shared.close());
    return { own, shared };
  }
  const sum = async ({ shared }: { shared: SharedFigures }): Promise<number> => (await shared.read()).rows.reduce((all, row) => all + row.calls, 0);

  it('are added up, are written as they are however often, and outlive the nodes that counted them', async () => {
    const { links } = await startBuses(peers, configOf(redis), 2);
    const [one, two] = [node('one', links[0]!), node('two', links[1]!)];
    for (let n = 0; n < 3; n += 1) arrive(one.own, 'Burgerzaken');
    arrive(two.own, 'Burgerzaken');
    arrive(two.own, 'Sociaal domein');
    await until(async () => (await sum(one)) === 5 && (await sum(two)) === 5, 'both nodes to know of all calls', soonMs);
    expect((await two.shared.read()).rows).toEqual((await one.shared.read()).rows);
    expect((await one.shared.read()).complete).toBe(true);
    // It goes, another one comes under a new name, and then the other goes too.
    arrive(one.own, 'Burgerzaken');
    const before = (await one.shared.read()).since;
    await one.shared.close();
    const three = node('three', links[0]!);
    expect(await sum(three)).toBe(6);
    expect((await three.shared.read()).since).toBe(before);
    await two.shared.close();
    const four = node('four', links[1]!);
    arrive(four.own, 'Burgerzaken');
    await until(async () => (await sum(three)) === 7, 'the new ones to count together', soonMs);
  });

  it('stand in Redis as numbers, for two days at most', async () => {
    const { links } = await startBuses(peers, configOf(redis), 1);
    const one = node('one', links[0]!);
    arrive(one.own, 'Sociaal domein');
    one.own.hear({ type: 'call.connected', tenant: 'main', callId: `c${calls}`, agent: 'anna', at: Date.now() + 61_000 });
    await one.shared.close();
    const { day } = one.own;
    const key = `tig:{main:figures}:${day}`;
    const fields = (await redis.cli('HGETALL', key)).split('\n');
    expect(fields.filter((_, index) => index % 2 === 0).sort()).toEqual([expect.stringMatching(/^one \d{1,2} Sociaal domein$/), 'one since']);
    const values = fields.filter((_, index) => index % 2 === 1);
    expect(values).toContainEqual(expect.stringMatching(/^\d+(,\d+){10}$/));
    expect(fields.join(' ')).not.toMatch(/anna|c\d+/);
    const ttl = Number(await redis.cli('PTTL', key));
    expect(ttl).toBeGreaterThan(86_400_000);
    expect(ttl).toBeLessThanOrEqual(2 * 86_400_000);
  });

  it('wait while Redis is away, say that they are not complete, and are written when it is back', async () => {
    const { links } = await startBuses(peers, configOf(redis), 2);
    const [one, two] = [node('one', links[0]!), node('two', links[1]!)];
    arrive(two.own, 'Burgerzaken');
    await until(async () => (await sum(one)) === 1, 'the first call to be known', soonMs);
    process.kill(redis.pid, 'SIGSTOP');
    try {
      arrive(one.own, 'Burgerzaken');
      await until(async () => !(await one.shared.read()).complete, 'the outage to be noticed', soonMs);
      // What was read before still stands.
      expect(await sum(one)).toBe(2);
    } finally {
      process.kill(redis.pid, 'SIGCONT');
    }
    await until(async () => (await sum(two)) === 2 && (await two.shared.read()).complete, 'the figures to be whole again', soonMs);
  }, 60_000);

  it('take in nothing that is not figures', async () => {
    const { links } = await startBuses(peers, configOf(redis), 1);
    const one = node('one', links[0]!);
    const key = `tig:{main:figures}:${one.own.day}`;
    const counts = Object.values(noCounts()).join(',');
    for (const [field, value] of [['x 9 Burgerzaken', '1,2'], ['x 9 Burgerzaken extra', `${counts},9`], ['nonsense', '1'], ['x since', 'yesterday'], ['x 9 Sociaal domein', counts.replace('0', '4')], ['x 9 Burgerzaken', '-1,0,0,0,0,0,0,0,0,0,0']]) await redis.cli('HSET', key, field!, value!);
    const { rows, since } = await one.shared.read();
    expect(rows.map(({ service, hour, calls: n }) => [service, hour, n])).toEqual([['Sociaal domein', 9, 4]]);
    expect(since).toBeLessThanOrEqual(Date.now());
    expect(since).toBeGreaterThan(Date.now() - 60_000);
  });
});
