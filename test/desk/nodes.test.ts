/** Several nodes on one Redis: what each does for the others, and what happens when one of them, or Redis, is gone. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RedisLink } from '../../core-bridge/index.js';
import { Peers } from '../peers/process.js';
import { startRedis } from '../peers/redis.js';
import { sleep, until } from '../peers/wait.js';
import { startTopology, type Topology } from '../core-bridge/stores/topologies.js';
import { openLinks } from '../core-bridge/stores/vaults.js';
import { DeskError, type Seat } from '../../gateway/desk/contract.js';
import { agents, newTenant, redisNode, services, silent, times, type TestNode } from './desks.js';
import { Office, type Caller } from './office.js';

const peers = new Peers();
let redis: Topology;
let links: RedisLink[] = [];
let tenant: string;
let nodes: TestNode[] = [];

beforeEach(async () => {
  redis = peers.add(await startTopology('single'));
  links = await openLinks(redis.config, 3, silent, {});
});
afterEach(async () => {
  await Promise.all(nodes.splice(0).map(({ desk }) => desk.close()));
  await Promise.all(links.splice(0).map((link) => link.close()));
  await peers.stopAll();
});

function open(count: number, own = times): Office {
  tenant = newTenant();
  nodes = Array.from({ length: count }, (_none, index) => redisNode(links[index]!, tenant, `${tenant}-${index}`, own));
  return new Office(nodes, agents);
}

/** Anna, whose screen is on the first node, talks with a caller of the second. */
async function conversation(): Promise<{ office: Office; caller: Caller }> {
  const office = open(2);
  office.comes('anna', 0);
  const caller = office.arrives(1);
  await until(() => caller.agent === 'anna', 'the offer');
  office.answers(caller);
  await office.quiet();
  return { office, caller };
}

describe('two nodes', () => {
  it('an agent whose screen is on one takes a call that is on the other', async () => {
    const office = open(2);
    office.comes('anna', 0);
    const caller = office.arrives(1);
    await until(() => caller.state === 'offered', 'the node of the call to hear of the agent');
    expect(caller.agent).toBe('anna');
    expect(await nodes[0]!.desk.seatOf('anna')).toMatchObject({ callNode: `${tenant}-1`, screenNode: `${tenant}-0`, callId: caller.id });
    expect([nodes[0]!.desk.staffed, nodes[1]!.desk.staffed, nodes[0]!.desk.waiting, nodes[1]!.desk.waiting]).toEqual([1, 0, 0, 0]);
    expect(office.faults).toEqual([]);
  });

  it('an agent who opens the page on another node is that node’s from then on, in the middle of a call too', async () => {
    const office = open(2);
    office.comes('anna', 0);
    const caller = office.arrives(1);
    await until(() => caller.state === 'offered', 'the offer');
    office.answers(caller);
    office.comes('anna', 1);
    await until(async () => (await nodes[1]!.desk.seatOf('anna'))?.screenNode === `${tenant}-1`, 'the seat to be handed over');
    expect(await nodes[0]!.desk.seatOf('anna')).toMatchObject({ state: 'busy', callId: caller.id });
    // The page that went before the new one is gone is no longer the screen.
    office.goes('anna', 0);
    office.hangsUp(caller);
    const next = office.arrives(0);
    await until(() => next.state === 'offered', 'the next offer');
    expect(office.faults).toEqual([]);
  });

  it('an agent whom the node of a call does not know, while a site is updated, is given calls of the other', async () => {
    tenant = newTenant();
    const more = [...agents, { name: 'eva', displayName: 'Eva', phone: 'sip:eva@192.0.2.1', skills: [] }];
    nodes = [redisNode(links[0]!, tenant, 'old'), redisNode(links[1]!, tenant, 'updated', times, silent, more)];
    const office = new Office(nodes, more);
    office.comes('eva', 1);
    const old = office.arrives(0);
    await until(async () => (await redis.servers[0]!.cli('HGET', `tig:{${tenant}:desk}:state1`, 's')).includes('unknownTo'), 'the node to say that it does not know her');
    expect(old.state).toBe('waiting');
    const young = office.arrives(1);
    await until(() => young.agent === 'eva', 'a node that knows her to be given her');
    office.comes('bram', 0);
    await until(() => old.agent === 'bram', 'the other to be given somebody it knows');
    // When it has heard of her too, it is given her like everybody else.
    office.hangsUp(young);
    const next = office.arrives(0);
    await sleep(300);
    expect(next.state).toBe('waiting');
    nodes[0]!.desk.replaceAgents(more);
    await until(() => next.agent === 'eva', 'the node to be given whom it knows now');
    expect(office.faults).toEqual([]);
  });

  it('nothing of a call is in Redis but its id and the names of its service, agent and nodes', async () => {
    const office = open(2);
    office.comes('anna', 0);
    const [one] = [office.arrives(1), office.arrives(0)];
    await until(() => one.state === 'offered', 'the offer');
    office.answers(one);
    await office.quiet();
    const key = `tig:{${tenant}:desk}:state1`;
    const kept = JSON.parse(await redis.servers[0]!.cli('HGET', key, 's')) as unknown;
    const words = new Set<string>();
    const look = (value: unknown): void => {
      if (typeof value === 'string') words.add(value);
      else if (value !== null && typeof value === 'object') for (const [name, part] of Object.entries(value)) { if (!Array.isArray(value)) words.add(name); look(part); }
    };
    look(kept);
    const ours = ['at', 'settlesAt', 'calls', 'seats', 'nodes', 'handled', 'node', 'service', 'skills', 'since', 'rank', 'available', 'idleSince', 'misses', 'restsUntil', 'wrapUpUntil', 'state', 'call', 'callId', 'offer', 'matchedAt', 'answeredAt', 'until', 'seq'];
    const known = [...ours, 'anna', 'permits', 'english', 'Desk', 'busy', `${tenant}-0`, `${tenant}-1`, 'call 1', 'call 2'];
    expect([...words].filter((word) => !known.includes(word) && !/^tenant\d+-\d:\d+$/.test(word))).toEqual([]);
    expect(Number(await redis.servers[0]!.cli('PTTL', key))).toBeGreaterThan(0);
  });
});

describe('a node that stood still while the others went on', () => {
  /** In the middle of a conversation the node of the call stands still, until `goOn`. */
  async function standing(): Promise<{ office: Office; caller: Caller; goOn: () => void; seat: () => Promise<Seat | undefined> }> {
    const { office, caller } = await conversation();
    return { office, caller, goOn: nodes[1]!.standStill(), seat: () => nodes[1]!.desk.seatOf('anna') };
  }

  /** The others give her to a call of theirs. */
  async function given(office: Office): Promise<Caller> {
    const other = office.arrives(0);
    await until(() => other.agent === 'anna', 'the others to take her for free', 10_000);
    // As docs/decisions/0013 says.
    office.faults.splice(0);
    return other;
  }

  it('asks before it says that its call has its agent still', async () => {
    const { office, caller, goOn, seat } = await standing();
    const other = await given(office);
    goOn();
    expect((await seat())?.callId).toBe(other.id);
    await until(() => caller.state === 'waiting', 'the call to be told that it has lost her', 10_000);
    expect(office.faults).toEqual([]);
  }, 30_000);

  it('does not say anything while nobody can be asked', async () => {
    const { office, goOn, seat } = await standing();
    const other = await given(office);
    nodes[1]!.cut();
    goOn();
    await expect(seat()).rejects.toThrow(DeskError);
    expect(await nodes[1]!.desk.isAvailable('anna')).toBe(false);
    nodes[1]!.mend();
    await until(async () => (await seat().catch(() => undefined))?.callId === other.id, 'it to know', 10_000);
    expect(office.faults).toEqual([]);
  }, 30_000);

  it('and whose agents nobody took has them still', async () => {
    const { office, caller, goOn, seat } = await standing();
    await until(async () => (await nodes[0]!.desk.seatOf('anna'))?.state === 'available', 'the others to take her for free', 10_000);
    goOn();
    expect((await seat())?.callId).toBe(caller.id);
    expect(caller.state).toBe('talking');
    expect(office.faults).toEqual([]);
  }, 30_000);
});

describe('a node that ends', () => {
  it('gives back what it has when it says so', async () => {
    const office = open(2);
    office.comes('anna', 0);
    office.comes('bram', 1);
    await office.quiet();
    const mine = office.arrives(1, { skills: ['permits'] });
    await until(() => mine.state === 'offered', 'the offer');
    office.arrives(1, { skills: ['passports'] });
    await office.quiet();
    await nodes[1]!.desk.close();
    const { seats, queues } = await nodes[0]!.desk.snapshot();
    expect(seats.map(({ agent, state }) => [agent, state])).toEqual([['anna', 'available']]);
    expect(queues.every(({ waiting }) => waiting === 0)).toBe(true);
  });

  it('and dies is found out: its calls leave the line, its agents are away, agents it had become free', async () => {
    const office = open(3);
    office.comes('anna', 0);
    office.comes('bram', 1);
    await office.quiet();
    const far = office.arrives(1, { skills: ['english'] });
    await until(() => far.agent === 'anna', 'the offer');
    office.answers(far);
    const [before, behind] = [office.arrives(1, { skills: ['passports'] }), office.arrives(2, { skills: ['passports'] })];
    await office.quiet();
    office.kills(1);
    const after = office.arrives(0, { skills: ['english'] });
    await until(() => after.agent === 'anna', 'the agent to be free again', 10_000);
    const { seats, queues } = await nodes[2]!.desk.snapshot();
    expect(seats.map(({ agent }) => agent)).toEqual(['anna']);
    expect(queues.find(({ service }) => service === 'Desk')).toMatchObject({ waiting: 1 });
    expect([before.state, behind.state]).toEqual(['gone', 'waiting']);
    office.comes('bram', 2);
    office.comes('cees', 2);
    await until(() => behind.agent === 'cees', 'who waited behind to be served');
    expect(office.faults).toEqual([]);
  });

  it('whenever it dies: no agent with two calls, nobody lost, no seat stuck', async () => {
    const act = fc.oneof(
      { weight: 5, arbitrary: fc.record({ do: fc.constant('arrive' as const), node: fc.nat({ max: 2 }), service: fc.nat({ max: 3 }) }) },
      { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('answer' as const, 'miss' as const, 'end' as const), node: fc.nat({ max: 2 }), service: fc.nat({ max: 3 }) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('move' as const), node: fc.nat({ max: 2 }), service: fc.nat({ max: 3 }) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), node: fc.nat({ max: 2 }), service: fc.nat({ max: 3 }) }) },
    );
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(act, fc.constantFrom(0, 0, 2, 5)), { minLength: 15, maxLength: 50 }), async (acts) => {
      const office = open(3, { ...times, leaseMs: 1_000, keptForGoneMs: 300 });
      try {
        for (const [one, pauseMs] of acts) {
          const node = office.alive[one.node % office.alive.length]!;
          const offered = office.inState(one.do === 'end' ? 'talking' : 'offered');
          const caller = offered[one.service % Math.max(1, offered.length)];
          if (one.do === 'arrive') office.arrives(node, { service: services[one.service]!.name, skills: services[one.service]!.skills });
          else if (one.do === 'move') office.moves(agents[one.service]!.name, node);
          else if (one.do === 'kill') { if (office.alive.length > 1) office.kills(node); }
          else if (caller && one.do === 'answer') office.answers(caller);
          else if (caller && one.do === 'miss') office.misses(caller);
          else if (caller && one.do === 'end') office.hangsUp(caller);
          if (pauseMs > 0) await sleep(pauseMs);
        }
        await office.serveAll(office.alive[0]!);
        expect(office.faults).toEqual([]);
      } finally {
        await Promise.all(nodes.splice(0).map(({ desk }) => desk.close()));
      }
    }), { numRuns: 12 });
  }, 240_000);
});

describe('Redis', () => {
  /** Anna, whose screen is on node 0, talks with a caller of node 1; Bram is on node 1; Cees has a page on node 0. */
  async function inTheMiddle(): Promise<{ office: Office; far: ReturnType<Office['arrives']> }> {
    const office = open(2);
    office.comes('anna', 0);
    office.comes('bram', 1);
    office.comes('cees', 0);
    await office.quiet();
    const far = office.arrives(1, { skills: ['permits', 'english'] });
    await until(() => far.agent === 'anna', 'the offer');
    office.answers(far);
    await office.quiet();
    return { office, far };
  }

  async function alone(office: Office, far: ReturnType<Office['arrives']>): Promise<void> {
    // Each node serves its own callers with its own agents.
    const [here, there] = [office.arrives(0, { skills: ['passports'] }), office.arrives(1, { skills: ['permits'] })];
    await until(() => here.agent === 'cees' && there.agent === 'bram', 'callers to be served by agents of their node', 10_000);
    office.answers(here);
    office.answers(there);
    // Anna talks, as far as her node knows; and nobody here can be asked for what only she can do.
    const waits = office.arrives(0, { skills: ['english'] });
    // Longer than their clocks may differ.
    await sleep(300);
    office.arrives(1, { skills: ['english'] });
    expect(waits.state).toBe('waiting');
    expect(far.state).toBe('talking');
    office.hangsUp(here);
    const next = office.arrives(0, { skills: ['passports'] });
    await until(() => next.agent === 'cees', 'an agent who is done to get the next caller');
    expect(await nodes[0]!.desk.occupy('bram', 'by the PBX')).toBe(false);
  }

  async function togetherAgain(office: Office, far: ReturnType<Office['arrives']>): Promise<void> {
    await until(async () => (await nodes[0]!.desk.snapshot()).queues.find(({ service }) => service === 'Desk')?.waiting === 2, 'the nodes to find each other', 20_000);
    expect(await nodes[0]!.desk.seatOf('bram')).toMatchObject({ state: 'busy', callNode: `${tenant}-1` });
    expect(await nodes[1]!.desk.seatOf('anna')).toMatchObject({ state: 'busy', callId: far.id });
    expect(far.state).toBe('talking');
    office.hangsUp(far);
    const [first, second] = office.inState('waiting');
    await until(() => first!.agent === 'anna', 'who came first to be served first', 10_000);
    expect(second!.state).toBe('waiting');
    await office.serveAll(0);
    expect(office.faults).toEqual([]);
  }

  it('that dies leaves each node what is its own; back and empty, it is told again', async () => {
    const { office, far } = await inTheMiddle();
    const { port } = redis.servers[0]!;
    await redis.servers[0]!.stop();
    await alone(office, far);
    peers.add(await startRedis({ port }));
    await togetherAgain(office, far);
  }, 90_000);

  it('that hangs does the same, and what it kept meanwhile is brought up to date', async () => {
    const { office, far } = await inTheMiddle();
    process.kill(redis.servers[0]!.pid, 'SIGSTOP');
    try {
      await alone(office, far);
    } finally {
      process.kill(redis.servers[0]!.pid, 'SIGCONT');
    }
    await togetherAgain(office, far);
  }, 90_000);

  it('that forgets everything at once makes nobody free who is not', async () => {
    const { office, far } = await inTheMiddle();
    for (let i = 0; i < 5; i += 1) {
      await redis.servers[0]!.cli('FLUSHALL');
      const caller = office.arrives(i % 2, { skills: ['permits', 'english'] });
      await sleep(400);
      expect(caller.state).toBe('waiting');
      office.hangsUp(caller);
    }
    await until(async () => (await nodes[1]!.desk.seatOf('anna'))?.callId === far.id, 'the call to have told again whom it has');
    expect(far.state).toBe('talking');
    await office.serveAll(1);
    expect(office.faults).toEqual([]);
  }, 60_000);

  it('whose value was broken is written anew', async () => {
    const { office, far } = await inTheMiddle();
    await redis.servers[0]!.cli('HSET', `tig:{${tenant}:desk}:state1`, 's', '{"at":"yesterday"}', 'v', 'broken');
    const caller = office.arrives(0, { skills: ['passports'] });
    await until(() => caller.agent === 'cees', 'a caller to be served', 10_000);
    await office.quiet();
    expect(await nodes[0]!.desk.seatOf('anna')).toMatchObject({ callId: far.id });
    await office.serveAll(0);
    expect(office.faults).toEqual([]);
  }, 60_000);

  it('out of reach when a node starts: agents are served after a while, when nobody else can be ringing them', async () => {
    tenant = newTenant();
    const node = redisNode(links[0]!, tenant, 'late');
    nodes = [node];
    node.cut();
    const office = new Office(nodes, agents);
    office.comes('anna', 0);
    const caller = office.arrives(0);
    await sleep(500);
    expect(caller.state).toBe('waiting');
    await until(() => caller.state === 'offered', 'the caller to be offered', 10_000);
    node.mend();
    office.answers(caller);
    await until(async () => (await redis.servers[0]!.cli('HGET', `tig:{${tenant}:desk}:state1`, 's')).includes(caller.id), 'the store to be told', 10_000);
    await office.serveAll(0);
    expect(office.faults).toEqual([]);
  }, 60_000);
});

describe('a node that is cut off from Redis', () => {
  it('and hears meanwhile of another skill of its agent: that is what counts when it is back', async () => {
    const office = open(2);
    office.comes('bram', 0);
    await office.quiet();
    nodes[0]!.cut();
    await sleep(100);
    const become = (staff: typeof agents): void => nodes.forEach(({ desk }) => desk.replaceAgents(staff));
    become(agents.map((agent) => (agent.name === 'bram' ? { ...agent, skills: ['passports'] } : agent)));
    await sleep(100);
    nodes[0]!.mend();
    const permits = office.arrives(0, { service: 'Permits', skills: ['permits'] });
    const passports = office.arrives(0, { service: 'Passports', skills: ['passports'] });
    await until(() => passports.agent === 'bram', 'who asks for what he can do now', 20_000);
    expect(permits.state).toBe('waiting');
    expect(office.faults).toEqual([]);
  }, 60_000);

  it('for long gives up the agents it was ringing elsewhere, before others ring them', async () => {
    const office = open(2, { ...times, keptForGoneMs: 1_500 });
    office.comes('anna', 0);
    const caller = office.arrives(1);
    await until(() => caller.agent === 'anna', 'the offer');
    await office.quiet();
    nodes[1]!.cut();
    const other = office.arrives(0);
    await until(() => caller.state === 'waiting', 'the agent to be given up', 10_000);
    expect(other.state).toBe('waiting');
    await until(() => other.agent === 'anna', 'the agent to be given to a caller in reach', 10_000);
    nodes[1]!.mend();
    await office.serveAll(0);
    expect(office.faults).toEqual([]);
  }, 60_000);

  it('for long keeps its conversations; an agent whom the others took for free is told', async () => {
    const { office, caller } = await conversation();
    nodes[1]!.cut();
    await until(async () => (await nodes[0]!.desk.seatOf('anna'))?.state === 'available', 'the lease to end', 10_000);
    expect(caller.state).toBe('talking');
    nodes[1]!.mend();
    // Nobody else had her: she still has this call.
    await until(async () => (await nodes[0]!.desk.seatOf('anna'))?.callId === caller.id, 'the call to be known again', 10_000);
    expect(caller.state).toBe('talking');
    expect(office.faults).toEqual([]);
    nodes[1]!.cut();
    const other = office.arrives(0);
    // A conversation is not cut; the desk of the node in reach knows no better. docs/decisions/0013 has why.
    await until(() => other.agent === 'anna', 'the lease to end again', 10_000);
    office.faults.splice(0);
    nodes[1]!.mend();
    await until(() => caller.state === 'waiting', 'the call to be told that it has lost her', 10_000);
    expect(office.faults).toEqual([]);
  }, 60_000);

  it('now and then, and whatever happens meanwhile: no agent with two calls, nobody lost, no seat stuck', async () => {
    const act = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('arrive' as const), node: fc.nat({ max: 2 }), which: fc.nat({ max: 3 }) }) },
      { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('answer' as const, 'miss' as const, 'end' as const, 'hangUp' as const), node: fc.nat({ max: 2 }), which: fc.nat({ max: 7 }) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('break' as const), node: fc.nat({ max: 1 }), which: fc.nat({ max: 3 }) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'mend' as const), node: fc.nat({ max: 2 }), which: fc.nat({ max: 3 }) }) },
    );
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(act, fc.constantFrom(0, 0, 3, 10, 40)), { minLength: 15, maxLength: 50 }), async (acts) => {
      // Cuts end before conversations would be taken for over.
      const office = open(3, { ...times, leaseMs: 5_000, keptForGoneMs: 5_000 });
      for (const [index, { name }] of agents.entries()) office.comes(name, index % 3);
      try {
        for (const [one, pauseMs] of acts) {
          const waiting = office.inState(one.do === 'end' ? 'talking' : one.do === 'hangUp' ? 'waiting' : 'offered');
          const caller = waiting[one.which % Math.max(1, waiting.length)];
          if (one.do === 'arrive') office.arrives(one.node, { service: services[one.which]!.name, skills: services[one.which]!.skills });
          else if (one.do === 'break') office.breaks(agents[one.which]!.name, one.node === 1);
          else if (one.do === 'cut') nodes[one.node]!.cut();
          else if (one.do === 'mend') nodes[one.node]!.mend();
          else if (caller && one.do === 'answer') office.answers(caller);
          else if (caller && one.do === 'miss') office.misses(caller);
          else if (caller) office.hangsUp(caller);
          if (pauseMs > 0) await sleep(pauseMs);
        }
        for (const node of nodes) node.mend();
        await office.serveAll(0);
        expect(office.faults).toEqual([]);
      } finally {
        await Promise.all(nodes.splice(0).map(({ desk }) => desk.close()));
      }
    }), { numRuns: 15, endOnFailure: true });
  }, 240_000);
});
