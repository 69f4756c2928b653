/** One suite for every desk: in memory, and shared over a real Redis by up to three nodes. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RedisLink } from '../../core-bridge/index.js';
import type { DeskAgent } from '../../gateway/desk/index.js';
import { Peers } from '../peers/process.js';
import { until } from '../peers/wait.js';
import { startTopology, type Topology } from '../core-bridge/stores/topologies.js';
import { openLinks } from '../core-bridge/stores/vaults.js';
import { agents, hearings, memoryNode, newTenant, redisNode, services, silent } from './desks.js';
import { Office, type Caller, type Node } from './office.js';

type Deed =
  | { do: 'arrive'; node: number; service: number }
  | { do: 'answer' | 'miss' | 'fail' | 'end' | 'hangUp'; which: number }
  | { do: 'come' | 'go' | 'move'; agent: number; node: number }
  | { do: 'break'; agent: number; available: boolean }
  | { do: 'kill'; node: number };

const small = fc.nat({ max: 7 });
const deed = (kills: boolean): fc.Arbitrary<Deed> => fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('arrive' as const), node: small, service: small }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('answer' as const, 'miss' as const, 'fail' as const, 'end' as const, 'end' as const, 'hangUp' as const), which: small }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('come' as const, 'go' as const, 'move' as const), agent: small, node: small }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('break' as const), agent: small, available: fc.boolean() }) },
  ...(kills ? [{ weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), node: small }) }] : []),
);

function perform(office: Office, deed: Deed): void {
  const node = 'node' in deed ? office.alive[deed.node % office.alive.length]! : 0;
  const agent = 'agent' in deed ? agents[deed.agent % agents.length]!.name : '';
  const pick = (...states: Caller['state'][]): Caller | undefined => {
    const those = office.inState(...states);
    return 'which' in deed ? those[deed.which % Math.max(1, those.length)] : undefined;
  };
  switch (deed.do) {
    case 'arrive': {
      const { name, skills } = services[deed.service % services.length]!;
      return void office.arrives(node, { service: name, skills });
    }
    case 'answer': { const caller = pick('offered'); if (caller) office.answers(caller); return; }
    case 'miss': { const caller = pick('offered'); if (caller) office.misses(caller); return; }
    case 'fail': { const caller = pick('offered', 'talking'); if (caller) office.misses(caller, 'failed'); return; }
    case 'end': { const caller = pick('talking'); if (caller) office.hangsUp(caller); return; }
    case 'hangUp': { const caller = pick('waiting', 'offered', 'talking'); if (caller) office.hangsUp(caller); return; }
    case 'come': return office.hasScreen(agent) ? undefined : office.comes(agent, node);
    case 'go': return office.goes(agent, node);
    case 'move': return office.moves(agent, node);
    case 'break': return office.breaks(agent, deed.available);
    case 'kill': { if (office.alive.length > 1) office.kills(node); return; }
  }
}

/** Kinds of desk, and how many runs of generated deeds each gets in the time that a test has. */
const kinds = [
  { name: 'in memory', most: 1, runs: 60 },
  { name: 'on Redis', most: 3, runs: 25, topology: 'single' as const },
  { name: 'on a Redis Cluster', most: 3, runs: 8, topology: 'cluster' as const },
];

describe.each(kinds)('a desk $name', ({ most, runs, topology }) => {
  const peers = new Peers();
  let redis: Topology;
  let links: RedisLink[] = [];

  beforeAll(async () => {
    if (!topology) return;
    redis = peers.add(await startTopology(topology));
    links = await openLinks(redis.config, most, silent, {});
  }, 60_000);
  afterAll(async () => {
    await Promise.all(links.map((link) => link.close()));
    await peers.stopAll();
  });

  async function withOffice(count: number, work: (office: Office) => Promise<void>): Promise<void> {
    const tenant = newTenant();
    const nodes: Node[] = topology ? Array.from({ length: count }, (_none, index) => redisNode(links[index]!, tenant, `${tenant}-${index}`)) : [memoryNode()];
    const office = new Office(nodes, agents);
    try {
      await work(office);
      expect(office.faults).toEqual([]);
    } finally {
      await Promise.all(nodes.map(({ desk }) => desk.close()));
    }
  }

  const counts = topology ? fc.integer({ min: 1, max: most }) : fc.constant(1);

  it('keeps the order, gives no agent two calls, and loses nobody, one deed at a time', async () => {
    await fc.assert(fc.asyncProperty(counts, fc.array(deed(false), { minLength: 5, maxLength: 25 }), (count, deeds) => withOffice(count, async (office) => {
      for (const one of deeds) {
        perform(office, one);
        await office.quiet();
      }
      await office.serveAll(0);
    })), { numRuns: runs });
  }, 240_000);

  it('gives no agent two calls and loses nobody, when all happens at once', async () => {
    const pauses = fc.array(fc.tuple(deed(false), fc.constantFrom(0, 0, 0, 1, 3)), { minLength: 10, maxLength: 50 });
    await fc.assert(fc.asyncProperty(counts, pauses, (count, deeds) => withOffice(count, async (office) => {
      for (const [one, pauseMs] of deeds) {
        perform(office, one);
        if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
      await office.serveAll(0);
    })), { numRuns: runs });
  }, 240_000);

  it('tells places that never get worse', async () => {
    await withOffice(most, async (office) => {
      const first = Array.from({ length: 6 }, (_none, i) => office.arrives(i % most));
      await until(() => first.every(({ place }, index) => place === index + 1), 'all to be told their places');
      // Somebody with a head start comes in before them all.
      const urgent = office.arrives(0, { headStartMs: 600_000 });
      await until(() => urgent.place === 1, 'the urgent one to be told');
      office.hangsUp(first[1]!);
      office.hangsUp(urgent);
      await until(() => first[5]!.place === 5 && first[2]!.place === 2, 'those behind to move up');
      office.comes('anna', 0);
      await until(() => first[0]!.state === 'offered', 'the first to be offered');
      office.misses(first[0]!);
      await until(() => first[5]!.place === 4, 'those behind to move up again');
      await office.serveAll(0);
    });
  }, 60_000);

  it('says what an agent is doing, to the screen and to whoever asks', async () => {
    await withOffice(most, async (office) => {
      const last = most - 1;
      const { desk } = office.nodes[0]!;
      const shows = (state: string) => until(() => office.seats.find((seat) => seat.agent === 'bram' && seat.state === state), `the screen to show ${state}`);
      expect(await desk.seatOf('nobody')).toBeUndefined();
      expect(await desk.seatOf('bram')).toMatchObject({ agent: 'bram', state: 'away' });
      office.comes('bram', 0);
      await shows('available');
      const caller = office.arrives(last, { service: hearings.name, skills: hearings.skills });
      await shows('offered');
      await until(() => caller.state === 'offered', 'the call to hear');
      expect(await desk.seatOf('bram')).toMatchObject({ state: 'offered', callId: caller.id });
      expect(await office.nodes[last]!.desk.seatOf('bram')).toMatchObject({ state: 'offered', callId: caller.id });
      office.answers(caller);
      await shows('busy');
      expect(Math.abs((await desk.seatOf('bram'))!.since - Date.now())).toBeLessThan(5_000);
      office.hangsUp(caller);
      const wrapUp = await shows('wrapUp');
      expect(wrapUp.until! - wrapUp.since).toBe(hearings.wrapUpMs);
      await until(async () => (await desk.seatOf('bram'))!.state === 'available', 'the wrap-up to be over');
      office.breaks('bram', false);
      await shows('break');
      office.goes('bram', 0);
      await shows('away');
      // A screen that came was on a break before it said "ready".
      const states = office.seats.map(({ state }) => state);
      expect(states.slice(states.indexOf('available'))).toEqual(['available', 'offered', 'busy', 'wrapUp', 'available', 'break', 'away']);
    });
  }, 60_000);

  it('goes on with other agents: a new skill counts at once, and who left keeps the call they have and is offered no other', async () => {
    await withOffice(most, async (office) => {
      const become = (staff: readonly DeskAgent[]): void => office.nodes.forEach(({ desk }) => desk.replaceAgents(staff));
      const passports = { service: 'Passports', skills: ['passports'] };
      office.comes('bram', 0);
      const first = office.arrives(most - 1, passports);
      await office.quiet();
      expect(first.state).toBe('waiting');
      become(agents.map((agent) => (agent.name === 'bram' ? { ...agent, skills: ['passports'] } : agent)));
      await until(() => first.state === 'offered', 'the call to be offered');
      office.answers(first);
      const second = office.arrives(0, passports);
      become(agents.filter(({ name }) => name !== 'bram'));
      await office.quiet();
      expect(first.state).toBe('talking');
      office.hangsUp(first);
      // A page of theirs that is still open somewhere changes nothing.
      office.comes('bram', 0);
      await office.quiet();
      expect(second.state).toBe('waiting');
      expect(await office.nodes[most - 1]!.desk.seatOf('bram')).toBeUndefined();
      office.comes('cees', 0);
      await until(() => second.state === 'offered' && second.agent === 'cees', 'the call to be offered to somebody who is there');
      office.hangsUp(second);
    });
  }, 60_000);

  it('has room until the queue is full, on all nodes together', async () => {
    await withOffice(most, async (office) => {
      const enters = async (node: number, service: 'Permits' | 'Passports', skill: string): Promise<Caller['state']> => {
        const caller = office.arrives(node, { service, skills: [skill] });
        await office.quiet();
        return caller.state;
      };
      for (let i = 0; i < 3; i += 1) expect(await enters(i % most, 'Permits', 'permits')).toBe('waiting');
      expect(await enters(most - 1, 'Permits', 'permits')).toBe('gone');
      expect(await enters(most - 1, 'Passports', 'passports')).toBe('waiting');
      office.hangsUp(office.inState('waiting')[0]!);
      await office.quiet();
      expect(await enters(most - 1, 'Permits', 'permits')).toBe('waiting');
    });
  }, 60_000);

  it('keeps the place of a call that goes on at another node', async () => {
    await withOffice(most, async (office) => {
      const first = office.arrives(0);
      await office.quiet();
      const second = office.arrives(most - 1);
      await office.quiet();
      const heir = office.goesOn(first, most - 1);
      await office.quiet();
      // A place never gets worse.
      await until(() => heir.place === 1 && second.place === 2, 'both to hear of their places', 5_000);
      office.comes('anna', 0);
      await office.quiet();
      expect([heir.state, second.state]).toEqual(['offered', 'waiting']);
    });
  }, 60_000);

  it('of any number who come in the same moment, lets as many wait as there is room for, and sends nobody away for whom there is an agent', async () => {
    await withOffice(most, async (office) => {
      const arrive = (count: number): void => {
        for (let i = 0; i < count; i += 1) office.arrives(i % most, { service: 'Permits', skills: ['permits'] });
      };
      const waiting = async (): Promise<number> => (await office.nodes[0]!.desk.snapshot()).queues.find(({ service }) => service === 'Permits')!.waiting;
      arrive(30);
      // Whenever somebody looks.
      for (let looks = 0; looks < 20; looks += 1) expect(await waiting()).toBeLessThanOrEqual(3);
      await office.quiet();
      expect(office.inState('waiting')).toHaveLength(3);
      for (const caller of office.inState('waiting')) office.hangsUp(caller);
      office.comes('anna', 0);
      office.comes('bram', most - 1);
      // Nodes that have just come together give nobody an agent for a moment.
      arrive(2);
      await until(() => office.inState('offered').length === 2, 'both agents to be given callers', 5_000);
      for (const caller of office.inState('offered')) office.hangsUp(caller);
      await office.quiet();
      arrive(30);
      await office.quiet();
      expect(office.inState('offered')).toHaveLength(2);
      expect(await waiting()).toBe(3);
    });
  }, 60_000);

  it('shows a supervisor every queue and who is there', async () => {
    await withOffice(most, async (office) => {
      office.comes('anna', 0);
      office.comes('cees', most - 1);
      office.breaks('cees', false);
      await office.quiet();
      const talks = office.arrives(most - 1, { service: 'Permits', skills: ['permits'] });
      await office.quiet();
      office.arrives(0, { service: 'Permits', skills: ['permits'] });
      await office.quiet();
      const { seats, queues } = await office.nodes[most - 1]!.desk.snapshot();
      expect(seats.map(({ agent, state }) => `${agent} ${state}`).sort()).toEqual(['anna offered', 'cees break']);
      expect(seats.find(({ agent }) => agent === 'anna')?.callId).toBe(talks.id);
      expect(queues.find(({ service }) => service === 'Permits')).toMatchObject({ waiting: 1, staffed: 1 });
      expect(queues.find(({ service }) => service === 'Passports')).toMatchObject({ waiting: 0, longestWaitMs: 0, staffed: 0 });
      expect(queues.find(({ service }) => service === 'Desk')).toMatchObject({ staffed: 1 });
    });
  }, 60_000);

  it('a call that came another way takes the seat, once', async () => {
    await withOffice(most, async (office) => {
      const [here, there] = [office.nodes[0]!.desk, office.nodes[most - 1]!.desk];
      office.comes('anna', 0);
      await office.quiet();
      expect(await there.occupy('anna', 'by the PBX')).toBe(true);
      expect(await there.occupy('anna', 'by the PBX')).toBe(true);
      expect(await here.occupy('anna', 'another')).toBe(false);
      expect(await there.occupy('anna', 'one more')).toBe(false);
      expect(await here.occupy('nobody', 'one more')).toBe(false);
      expect(await here.seatOf('anna')).toMatchObject({ state: 'busy', callId: 'by the PBX' });
      const caller = office.arrives(0);
      there.free('anna', 'by the PBX', 'ended');
      await until(() => caller.state === 'offered', 'the next one to be offered');
    });
  }, 60_000);

  it('a seat that is taken for a phone that rings is offered until it is answered, and costs no wrap-up before that', async () => {
    await withOffice(most, async (office) => {
      const [here, there] = [office.nodes[0]!.desk, office.nodes[most - 1]!.desk];
      office.comes('anna', 0);
      await office.quiet();
      expect(await there.occupy('anna', 'brought in', 'Passports', true)).toBe(true);
      expect(await here.seatOf('anna')).toMatchObject({ state: 'offered', callId: 'brought in' });
      expect(await here.occupy('anna', 'another', 'Passports', true)).toBe(false);
      there.free('anna', 'brought in', 'moved');
      await until(async () => (await here.seatOf('anna'))?.state === 'available', 'anna to be free at once');
      expect(await there.occupy('anna', 'brought in', 'Passports', true)).toBe(true);
      there.answered('anna', 'brought in');
      await until(async () => (await here.seatOf('anna'))?.state === 'busy', 'anna to be busy');
      const caller = office.arrives(0);
      await until(async () => (await here.snapshot()).queues.some(({ waiting }) => waiting === 1), 'the next one to wait');
      expect(caller.state).toBe('waiting');
      there.free('anna', 'brought in', 'ended');
      await until(() => caller.state === 'offered', 'the next one to be offered');
    });
  }, 60_000);
});
