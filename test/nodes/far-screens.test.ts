/**
 * Calls on one node, agents before screens of another: real pages over real sockets, nodes on a real Redis. The desk,
 * which has tests of its own, is here a table that all nodes see.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { connectRedis, type RedisConfig, type RedisLink } from '../../core-bridge/redis/connect.js';
import { ScreenClient } from '../../gateway/demo/screen-client.js';
import type { RedisBus } from '../../gateway/nodes/redis-bus.js';
import type { ScreenEvents } from '../../gateway/screen/contract.js';
import { FarScreens, type FarScreensOptions } from '../../gateway/screen/far-screens.js';
import { keepingLog } from '../core-bridge/fixtures.js';
import { Peers } from '../peers/process.js';
import { startRedis } from '../peers/redis.js';
import { sleep, standStill, until } from '../peers/wait.js';
import { call, password, revelation, startListener, type Listener } from '../screen/listener.js';
import { configOf, eavesdrop, soonMs, startBus } from './nodes.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

const eventNames = [
  'present', 'returned', 'gone', 'availability', 'acknowledged', 'endRequested', 'identifyRequested', 'identifyWithdrawn', 'wordConfirmed', 'unmaskRequested', 'transferRequested', 'bringInRequested', 'guestOutRequested', 'leaveRequested',
  'wrapUpDone', 'leaseLost',
] as const satisfies (keyof ScreenEvents)[];

/** `localLeaseMs`: how long a screen shows a call that is not renewed; for ever if left out. */
type Options = Partial<FarScreensOptions> & { readonly localLeaseMs?: number };

const fast = { leaseMs: 1_500 };

/** Which call each agent has. */
type Desk = Map<string, string>;

interface Node {
  readonly listener: Listener;
  readonly screens: FarScreens;
  readonly bus: RedisBus;
  readonly link: RedisLink;
  /** What the screens told this node, in order. */
  readonly told: unknown[][];
  readonly lines: string[];
  of(event: (typeof eventNames)[number]): unknown[][];
  /** A page of an agent who logs in here. */
  open(agent?: string): Promise<ScreenClient>;
}

async function startNode(config: RedisConfig, desk: Desk, { localLeaseMs, ...options }: Options): Promise<Node> {
  const { log, lines } = keepingLog();
  const listener = await startListener(localLeaseMs === undefined ? {} : { leaseMs: localLeaseMs });
  const link = connectRedis(config, log, {});
  const bus = startBus(peers, config, link, {}, log);
  const screens = new FarScreens({ local: listener.screens, bus, log, holds: async (agent, callId) => desk.get(agent) === callId, ...options });
  peers.defer(async () => {
    screens.close();
    await bus.close();
    await link.close();
    await listener.close();
  });
  const told: unknown[][] = [];
  for (const event of eventNames) screens.on(event, (...args: unknown[]) => void told.push([event, ...args]));
  return {
    listener, screens, bus, link, told, lines,
    of: (event) => told.filter(([name]) => name === event).map(([, ...args]) => args),
    open: async (agent = 'anna') => peers.add(await ScreenClient.open(listener.origin, agent, password)),
  };
}

async function startNodes(count: number, options: Options = {}) {
  const redis = peers.add(await startRedis());
  const config = configOf(redis);
  const desk: Desk = new Map();
  const nodes: Node[] = [];
  for (let i = 0; i < count; i += 1) nodes.push(await startNode(config, desk, options));
  await until(() => nodes.every(({ bus }) => bus.peers.size === count - 1), 'the nodes to find each other', soonMs);
  return { redis, config, desk, nodes };
}

/** Everybody knows that this agent has a screen. */
const known = (nodes: readonly Node[], agent = 'anna') => until(() => nodes.every(({ screens }) => screens.isPresent(agent)), 'all nodes to know of the screen', soonMs);

const messages = (page: ScreenClient) => page.heard.map(({ message }) => message).filter(({ type }) => type !== 'beat');

let reveals = 0;
/** Reveals as a call does whenever its screen comes back; and renews, as a live call does. */
function alive(node: Node, agent: string, callId: string, name = `Caller ${callId}`): { reveal: () => string; end: () => void } {
  const reveal = (): string => {
    const revealId = `r${(reveals += 1)}`;
    node.screens.reveal(agent, revelation(callId, revealId, { fullname: name }));
    return revealId;
  };
  const returned = (of: string, its: string): void => { if (of === agent && its === callId) reveal(); };
  for (const event of ['returned', 'leaseLost'] as const) node.screens.on(event, returned);
  const renewing = setInterval(() => node.screens.renewLease(agent, callId), 300);
  const end = (): void => {
    clearInterval(renewing);
    for (const event of ['returned', 'leaseLost'] as const) node.screens.off(event, returned);
  };
  peers.defer(end);
  return { reveal, end };
}

describe('a call on one node, its agent before a screen of another', () => {
  it('everything the call says is drawn there, everything the agent does comes here', async () => {
    const { desk, nodes: [here, there] } = await startNodes(2);
    const page = await there!.open();
    await known([here!]);
    expect(here!.screens.availabilityOf('anna')).toBe('available');
    desk.set('anna', 'c1');
    const { screens } = here!;
    screens.offer('anna', call('c1', { canTransfer: true, transferredBy: 'Bram' }));
    expect((await page.told('offer')).call).toMatchObject({ callId: 'c1', service: 'Burgerzaken', phase: 'ringing', transferredBy: 'Bram', waitedMs: expect.closeTo(12_000, -2) as number });
    screens.warn('anna', 'c1', 'codeUsedAgain');
    expect(screens.reveal('anna', { ...revelation('c1', 'r1', { fullname: 'Jip Jansen' }), masked: ['bsn'], purposeLabel: { nl: 'Verhuizing', en: 'Move' } })).toBe(true);
    const revealed = await page.told('reveal');
    expect(revealed).toMatchObject({ callId: 'c1', revealId: 'r1', identified: 'verified', identity: { purpose: { en: 'Move' } } });
    expect(revealed.identity!.verifiedMsAgo).toBeGreaterThan(179_000);
    await until(() => here!.of('acknowledged').length === 1, 'the acknowledgement to arrive', soonMs);
    screens.connected('anna', 'c1');
    await page.told('connected');
    page.say({ type: 'unmask', callId: 'c1', revealId: 'r1', field: 'bsn' });
    await until(() => here!.of('unmaskRequested').length === 1, 'the question for the number', soonMs);
    screens.unmasked('anna', { callId: 'c1', revealId: 'r1', field: 'bsn', value: '999990019' });
    expect(await page.told('unmasked')).toMatchObject({ field: 'bsn', value: '999990019' });
    page.say({ type: 'identify', callId: 'c1' });
    await until(() => here!.of('identifyRequested').length === 1, 'the wish to identify', soonMs);
    screens.invitationFailed('anna', { callId: 'c1', reason: 'tooMany' });
    screens.invitation('anna', { callId: 'c1', address: 'example.nl/i', pairingCode: '123456', expiresInMs: 60_000 });
    screens.confirmWord('anna', { callId: 'c1', confirmId: 'w1', word: 'appel' });
    expect(await page.told('confirmWord')).toMatchObject({ word: 'appel' });
    page.say({ type: 'word', callId: 'c1', confirmId: 'w1', same: false });
    page.say({ type: 'withdraw', callId: 'c1' });
    screens.identifyFailed('anna', 'c1');
    await page.told('identifyFailed');
    page.say({ type: 'transfer', callId: 'c1', target: { kind: 'agent', name: 'bram' } });
    await until(() => here!.of('transferRequested').length === 1, 'the wish to transfer', soonMs);
    screens.transferFailed('anna', { callId: 'c1', reason: 'busy' });
    await page.told('transferFailed');
    page.say({ type: 'bringIn', callId: 'c1', colleague: 'bram' });
    await until(() => here!.of('bringInRequested').length === 1, 'the wish to bring a colleague in', soonMs);
    screens.offer('anna', call('c1', { canTransfer: true, guest: { name: 'Bram', isJoined: true } }));
    expect((await page.told('update')).call).toMatchObject({ guest: { name: 'Bram', isJoined: true } });
    page.say({ type: 'leave', callId: 'c1' });
    page.say({ type: 'guestOut', callId: 'c1' });
    await until(() => here!.of('guestOutRequested').length === 1 && here!.of('leaveRequested').length === 1, 'the goodbyes', soonMs);
    screens.offer('anna', call('c1', { canTransfer: true }));
    screens.guestGone('anna', { callId: 'c1', reason: 'left' });
    expect(await page.told('guestGone')).toMatchObject({ reason: 'left' });
    screens.seat('anna', { state: 'busy' });
    expect((await page.told('seat')).seat).toMatchObject({ state: 'busy' });
    screens.renewLease('anna', 'c1');
    page.say({ type: 'end', callId: 'c1' });
    await until(() => here!.of('endRequested').length === 1, 'the wish to end', soonMs);
    screens.clear('anna', 'c1', 'ended');
    await page.told('clear');
    expect(messages(page).map(({ type }) => type).filter((type) => type !== 'availability')).toEqual([
      'hello', 'offer', 'warning', 'reveal', 'connected', 'unmasked', 'invitationFailed', 'invitation', 'confirmWord', 'identifyFailed', 'transferFailed', 'update', 'update', 'guestGone', 'seat', 'clear',
    ]);
    expect(here!.told).toEqual([
      ['acknowledged', 'anna', 'c1', 'r1'], ['unmaskRequested', 'anna', 'c1', 'r1', 'bsn'], ['identifyRequested', 'anna', 'c1'], ['wordConfirmed', 'anna', 'c1', 'w1', false],
      ['identifyWithdrawn', 'anna', 'c1'], ['transferRequested', 'anna', 'c1', { kind: 'agent', name: 'bram' }],
      ['bringInRequested', 'anna', 'c1', 'bram'], ['leaveRequested', 'anna', 'c1'], ['guestOutRequested', 'anna', 'c1'], ['endRequested', 'anna', 'c1'],
    ]);
    // The node of the screen is told of the agent, and of nothing that the agent does with a call of another.
    page.say({ type: 'availability', value: 'break' });
    await until(() => here!.screens.availabilityOf('anna') === 'break', 'the break to be known here', soonMs);
    page.close();
    await until(() => !here!.screens.isPresent('anna'), 'the end of the page to be known here', soonMs);
    expect(there!.told).toEqual([['availability', 'anna', 'available'], ['present', 'anna'], ['availability', 'anna', 'break'], ['gone', 'anna']]);
    expect(here!.screens.reveal('anna', revelation('c1', 'r2'))).toBe(false);
    for (const { lines, listener } of [here!, there!]) {
      const logged = lines.join('') + listener.logged();
      for (const secret of ['Jansen', '999990019', '123456', 'appel']) expect(logged).not.toContain(secret);
    }
  });

  it('nothing of it can be read in Redis, nor is it kept there', async () => {
    const { redis, desk, nodes: [here, there] } = await startNodes(2);
    const ear = await eavesdrop(peers, redis);
    const page = await there!.open();
    await known([here!]);
    desk.set('anna', 'c1');
    here!.screens.offer('anna', call('c1'));
    here!.screens.reveal('anna', revelation('c1', 'r1'));
    await until(() => here!.of('acknowledged').length === 1, 'the acknowledgement', soonMs);
    expect(page.shown?.fields).toMatchObject({ Name: 'Jip Jansen' });
    await until(() => ear.heard.some(({ channel }) => channel.endsWith(here!.bus.id)) && ear.heard.some(({ channel }) => channel.endsWith(there!.bus.id)), 'the eavesdropper to hear both', soonMs);
    const read = ear.heard.map(({ channel, text }) => `${channel} ${text} ${Buffer.from(text.split(':').at(-1)!, 'base64url').toString('latin1')}`).join('\n');
    for (const secret of ['Jansen', '999990019', 'anna', 'acknowledged', 'c1"']) expect(read).not.toContain(secret);
    expect(await redis.cli('DBSIZE')).toBe('0');
  });

  it('what it says arrives in order, however long the desk takes to answer', async () => {
    const held: Desk = new Map();
    const { nodes: [here, there] } = await startNodes(2, { holds: async (agent, callId) => { await sleep(Math.random() * 30); return held.get(agent) === callId; } });
    const page = await there!.open();
    await known([here!]);
    held.set('anna', 'c1');
    here!.screens.offer('anna', call('c1'));
    for (let i = 1; i <= 20; i += 1) {
      here!.screens.reveal('anna', revelation('c1', `r${i}`));
      here!.screens.connected('anna', 'c1');
    }
    here!.screens.clear('anna', 'c1', 'ended');
    await page.told('clear', { timeoutMs: soonMs });
    const drawn = messages(page).flatMap((message) => (message.type === 'reveal' ? [message.revealId] : message.type === 'clear' ? ['clear'] : []));
    expect(drawn).toEqual([...Array.from({ length: 20 }, (_, i) => `r${i + 1}`), 'clear']);
  });

  it('a page that is loaded again is revealed to again', async () => {
    const { desk, nodes: [here, there] } = await startNodes(2);
    const first = await there!.open();
    await known([here!]);
    desk.set('anna', 'c1');
    here!.screens.offer('anna', call('c1'));
    const { reveal } = alive(here!, 'anna', 'c1');
    reveal();
    await until(() => first.shown?.name === 'Caller c1', 'the caller to be shown', soonMs);
    first.close();
    await until(() => !here!.screens.isPresent('anna'), 'the page to be gone', soonMs);
    const second = await there!.open();
    await until(() => second.shown?.name === 'Caller c1', 'the caller to be shown again', soonMs);
    await until(() => here!.of('acknowledged').length === 2, 'both acknowledgements', soonMs);
    expect(here!.of('returned')).toEqual([['anna', 'c1']]);
    expect(there!.of('returned')).toEqual([]);
    expect(messages(second)[0]).toMatchObject({ type: 'hello', call: { callId: 'c1' } });
  });
});

describe('a page whose own clock takes a call off', () => {
  for (const where of ['of another node', 'of the same node']) {
    it(`${where}: a call that is alive comes back by itself, one that is not does not`, async () => {
      const { desk, nodes: [here, other] } = await startNodes(2, { leaseMs: 1_500 });
      const there = where === 'of another node' ? other! : here!;
      const page = await there.open();
      await known([here!]);
      desk.set('anna', 'c1');
      here!.screens.offer('anna', call('c1'));
      here!.screens.warn('anna', 'c1', 'codeUsedAgain');
      const { reveal, end } = alive(here!, 'anna', 'c1');
      reveal();
      await until(() => page.shown?.name === 'Caller c1', 'the caller to be shown', soonMs);
      page.say({ type: 'leaseEnded', callId: 'c1' });
      await page.told('clear');
      await until(() => page.shown?.name === 'Caller c1', 'the caller to be shown again', soonMs);
      await page.told('warning', { count: 2 });
      expect([...here!.of('leaseLost'), ...here!.of('returned')]).toEqual([['anna', 'c1']]);
      // Its node has forgotten to end it, or stands still.
      end();
      await sleep(1_600);
      page.say({ type: 'leaseEnded', callId: 'c1' });
      await page.told('clear', { count: 2 });
      await sleep(300);
      expect(page.heard.filter(({ message }) => message.type === 'offer')).toHaveLength(2);
      expect(page.shown).toBeUndefined();
    });
  }
});

describe('an agent who goes from node to node', () => {
  it('takes the call along, and leaves nothing behind', async () => {
    const { desk, nodes } = await startNodes(3);
    const [home, second, third] = nodes;
    let page = await second!.open();
    await known(nodes);
    desk.set('anna', 'c1');
    home!.screens.offer('anna', call('c1'));
    home!.screens.warn('anna', 'c1', 'codeUsedAgain');
    const { reveal } = alive(home!, 'anna', 'c1');
    reveal();
    await until(() => page.shown?.name === 'Caller c1', 'the caller to be shown', soonMs);
    home!.screens.connected('anna', 'c1');
    await page.told('connected');
    const connectedAt = performance.now();
    // To another node, to the one of the call, to the first again, and there once more while the other page is open.
    for (const [i, node] of [third!, home!, second!, second!, third!].entries()) {
      const acknowledged = home!.of('acknowledged').length;
      const older = page;
      page = await node.open();
      await until(() => page.shown?.name === 'Caller c1', `move ${i}: the caller to be shown`, soonMs);
      await until(() => older.shown === undefined && older.heard.at(-1)?.message.type === 'replaced', `move ${i}: the older page to be blank`, soonMs);
      await until(() => home!.of('acknowledged').length > acknowledged, `move ${i}: the acknowledgement`, soonMs);
      await page.told('warning');
      // Nothing rings again, and the time of the conversation goes on.
      const { phase, connectedMs } = (await page.told('hello')).call ?? (await page.told('offer')).call;
      expect(phase).toBe('connected');
      expect(Math.abs(connectedMs! - (performance.now() - connectedAt))).toBeLessThan(2_000);
      await until(() => nodes.filter(({ listener }) => listener.screens.isPresent('anna')).length === 1, `move ${i}: one live screen`, soonMs);
      for (const other of nodes) if (other !== node) expect(other.listener.screens.callOn('anna')).toBeUndefined();
    }
    home!.screens.clear('anna', 'c1', 'ended');
    await until(() => page.shown === undefined, 'the page to be blank', soonMs);
    // A page that opens now, anywhere, is told of no call.
    for (const node of nodes) expect((await (await node.open()).told('hello')).call).toBeNull();
  }, 60_000);

  it('has one live screen, however many pages open at one moment', async () => {
    const { nodes } = await startNodes(3);
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(nodes.flatMap((node) => [node.open(), node.open()]));
      await until(() => nodes.filter(({ listener }) => listener.screens.isPresent('anna')).length === 1, `round ${round}: one page to stay`, soonMs);
      await sleep(100);
      expect(nodes.filter(({ listener }) => listener.screens.isPresent('anna'))).toHaveLength(1);
      await known(nodes);
    }
  }, 60_000);

  it('stays on a break that was chosen at another node, and after a page there was closed', async () => {
    const { nodes: [here, there] } = await startNodes(2);
    const first = await there!.open();
    first.say({ type: 'availability', value: 'break' });
    await until(() => here!.screens.availabilityOf('anna') === 'break', 'the break to be known', soonMs);
    expect(here!.told).toEqual([]);
    // Taking over is no new beginning, though this node sees the login for the first time.
    await here!.open();
    expect(here!.of('availability').at(-1)).toEqual(['anna', 'break']);
    expect(here!.told.at(-1)).toEqual(['present', 'anna']);
    await until(() => !there!.listener.screens.isPresent('anna'), 'the first page to give way', soonMs);
    expect(there!.screens.availabilityOf('anna')).toBe('break');
  });
});

describe('what is lost on the way', () => {
  it('a node that dies: its call leaves the screen within the lease', async () => {
    const { desk, nodes: [here, there] } = await startNodes(2, fast);
    const page = await there!.open();
    await known([here!]);
    desk.set('anna', 'c1');
    here!.screens.offer('anna', call('c1'));
    const { reveal } = alive(here!, 'anna', 'c1');
    reveal();
    await until(() => page.shown?.name === 'Caller c1', 'the caller to be shown', soonMs);
    // As long as it lives it stays, far beyond one lease.
    await sleep(2 * fast.leaseMs);
    expect(page.shown?.name).toBe('Caller c1');
    expect(page.heard.some(({ message }) => message.type === 'clear')).toBe(false);
    const diedAt = performance.now();
    // Without a goodbye.
    await here!.link.close();
    await until(() => page.shown === undefined, 'the screen to be blank', soonMs, 10);
    expect(performance.now() - diedAt).toBeLessThan(fast.leaseMs + 2_000);
    expect(await page.told('clear')).toMatchObject({ callId: 'c1', reason: 'leaseEnded' });
    expect((await (await there!.open()).told('hello')).call).toBeNull();
  });

  it('a node that ends: its call leaves the screen at once', async () => {
    const { desk, nodes: [here, there] } = await startNodes(2);
    const page = await there!.open();
    await known([here!]);
    desk.set('anna', 'c1');
    here!.screens.offer('anna', call('c1'));
    here!.screens.reveal('anna', revelation('c1', 'r1'));
    await until(() => page.shown !== undefined, 'the caller to be shown', soonMs);
    await here!.bus.close();
    await until(() => page.shown === undefined, 'the screen to be blank', 3_000);
  });

  it('a node with screens that dies: its agents are nowhere, and a call follows its agent to another', async () => {
    const { desk, nodes: [here, there, elsewhere] } = await startNodes(3);
    await there!.open();
    await known([here!, elsewhere!]);
    desk.set('anna', 'c1');
    here!.screens.offer('anna', call('c1'));
    const { reveal } = alive(here!, 'anna', 'c1');
    reveal();
    await until(() => here!.of('acknowledged').length === 1, 'the acknowledgement', soonMs);
    await there!.bus.close();
    await until(() => !here!.screens.isPresent('anna'), 'the agent to be gone', soonMs);
    expect(here!.screens.reveal('anna', revelation('c1', 'r2'))).toBe(false);
    const page = await elsewhere!.open();
    await until(() => page.shown?.name === 'Caller c1', 'the caller to be shown', soonMs);
  });

  it('Redis away for longer than the lease: the screen is blank, and shows the call again when Redis is back', async () => {
    const { redis, desk, nodes: [here, there] } = await startNodes(2, fast);
    const page = await there!.open();
    await known([here!]);
    desk.set('anna', 'c1');
    here!.screens.offer('anna', call('c1'));
    const { reveal } = alive(here!, 'anna', 'c1');
    reveal();
    await until(() => page.shown?.name === 'Caller c1', 'the caller to be shown', soonMs);
    await redis.stop();
    await until(() => page.shown === undefined, 'the screen to be blank', soonMs);
    peers.add(await startRedis({ port: redis.port }));
    await until(() => page.shown?.name === 'Caller c1', 'the caller to be shown again', 30_000);
    await until(() => here!.of('acknowledged').length >= 2, 'the acknowledgement to arrive', soonMs);
    // The other way round: it ended meanwhile.
    here!.screens.clear('anna', 'c1', 'ended');
    await until(() => page.shown === undefined, 'the screen to be blank', soonMs);
  }, 90_000);
});

describe('a process that stood still for longer than the lease', () => {
  it.each([1, 2])('shows its call again, on %i node(s), if the agent has it still', async (count) => {
    const { desk, nodes } = await startNodes(count, { ...fast, localLeaseMs: fast.leaseMs });
    const [here, there] = [nodes[0]!, nodes.at(-1)!];
    const [annas, brams] = [await there.open(), await there.open('bram')];
    for (const agent of ['anna', 'bram']) await known([here], agent);
    for (const [agent, callId, page] of [['anna', 'c1', annas], ['bram', 'c2', brams]] as const) {
      desk.set(agent, callId);
      here.screens.offer(agent, call(callId));
      alive(here, agent, callId).reveal();
      here.screens.connected(agent, callId);
      await until(() => page.shown?.name === `Caller ${callId}`, 'the caller to be shown', soonMs);
    }
    standStill(fast.leaseMs + 1_000);
    // Meanwhile the others gave him another call; this one is the first to say anything.
    desk.set('bram', 'c3');
    here.screens.renewLease('bram', 'c2');
    for (const page of [annas, brams]) expect(await page.told('clear', { timeoutMs: soonMs })).toMatchObject({ reason: 'leaseEnded' });
    await until(() => annas.shown?.name === 'Caller c1' && here.of('acknowledged').length === 3, 'the caller to be shown again', soonMs);
    expect(messages(annas).filter(({ type }) => type === 'offer').at(-1)).toMatchObject({ call: { callId: 'c1', phase: 'connected' } });
    const again = await there.open('bram');
    await sleep(1_000);
    expect([brams.shown, again.shown]).toEqual([undefined, undefined]);
    expect([...messages(brams), ...messages(again)].filter(({ type }) => type === 'reveal')).toHaveLength(1);
  });

  it('does not show a call again because there are news of it', async () => {
    const { desk, nodes: [here] } = await startNodes(1, { ...fast, localLeaseMs: fast.leaseMs });
    const page = await here!.open();
    desk.set('anna', 'c1');
    here!.screens.offer('anna', call('c1'));
    alive(here!, 'anna', 'c1').reveal();
    await until(() => here!.of('acknowledged').length === 1, 'the acknowledgement', soonMs);
    standStill(fast.leaseMs + 1_000);
    desk.set('anna', 'c2');
    for (const guest of ['Bram', 'Cor']) {
      here!.screens.offer('anna', call('c1', { guest: { name: guest, isJoined: true } }));
      await sleep(300);
    }
    expect(page.shown).toBeUndefined();
    expect(page.heard.at(-1)!.message.type).toMatch(/clear|beat/);
    desk.set('anna', 'c1');
    await until(() => page.shown?.name === 'Caller c1', 'the caller to be shown', soonMs);
    expect(messages(page).findLast(({ type }) => type === 'offer')).toMatchObject({ call: { guest: { name: 'Cor' } } });
  });

  it('shows no call on a page that opens then before the desk was asked', async () => {
    const { desk, nodes: [here] } = await startNodes(1, { ...fast, localLeaseMs: fast.leaseMs });
    await here!.open();
    desk.set('anna', 'c1');
    here!.screens.offer('anna', call('c1'));
    const { reveal, end } = alive(here!, 'anna', 'c1');
    reveal();
    end();
    await until(() => here!.of('acknowledged').length === 1, 'the acknowledgement', soonMs);
    standStill(fast.leaseMs + 1_000);
    desk.set('anna', 'c2');
    const page = await here!.open();
    alive(here!, 'anna', 'c1');
    await sleep(1_000);
    expect(page.shown).toBeUndefined();
    // The others let go of the agent: now it is this call's again.
    desk.set('anna', 'c1');
    await until(() => page.shown?.name === 'Caller c1', 'the caller to be shown', soonMs);
  });
});

describe('an earlier caller is never drawn', () => {
  it('by a node that has not heard that its agent has another call', async () => {
    const { desk, nodes: [cutOff, there, next] } = await startNodes(3);
    const page = await there!.open();
    await known([cutOff!, next!]);
    desk.set('anna', 'c1');
    cutOff!.screens.offer('anna', call('c1'));
    cutOff!.screens.reveal('anna', revelation('c1', 'r1', { fullname: 'Earlier' }));
    await until(() => page.shown?.name === 'Earlier', 'the first caller to be shown', soonMs);
    // The desk has given up on that node, which has not.
    desk.set('anna', 'c2');
    cutOff!.screens.reveal('anna', revelation('c1', 'r2', { fullname: 'Earlier' }));
    cutOff!.screens.unmasked('anna', { callId: 'c1', revealId: 'r1', field: 'bsn', value: '999990019' });
    next!.screens.offer('anna', call('c2'));
    next!.screens.reveal('anna', revelation('c2', 'r3', { fullname: 'Later' }));
    await until(() => page.shown?.name === 'Later', 'the second caller to be shown', soonMs);
    cutOff!.screens.offer('anna', call('c1'));
    cutOff!.screens.reveal('anna', revelation('c1', 'r4', { fullname: 'Earlier' }));
    cutOff!.screens.renewLease('anna', 'c1');
    cutOff!.screens.clear('anna', 'c1', 'ended');
    next!.screens.connected('anna', 'c2');
    await page.told('connected');
    await until(() => there!.lines.filter((line) => line.includes('the desk does not say')).length >= 2, 'what came too late to be refused', soonMs);
    await sleep(200);
    expect(page.shown?.name).toBe('Later');
    expect(messages(page).flatMap((message) => (message.type === 'reveal' ? [message.revealId] : []))).toEqual(['r1', 'r3']);
  });

  it('by a desk that does not answer', async () => {
    const { nodes: [here, there] } = await startNodes(2, { holds: () => Promise.reject(new Error('the store is away')) });
    const page = await there!.open();
    await known([here!]);
    here!.screens.offer('anna', call('c1'));
    here!.screens.reveal('anna', revelation('c1', 'r1'));
    await until(() => there!.lines.some((line) => line.includes('not shown')), 'it to be refused', soonMs);
    expect(messages(page).map(({ type }) => type)).not.toContain('offer');
  });

  it('by a node that makes up what agents do, or shows calls that are not its own', async () => {
    const { desk, nodes: [here, there, other] } = await startNodes(3);
    const page = await there!.open();
    await known([here!, other!]);
    desk.set('anna', 'c1');
    here!.screens.offer('anna', call('c1'));
    here!.screens.reveal('anna', revelation('c1', 'r1'));
    await until(() => here!.of('acknowledged').length === 1, 'the acknowledgement', soonMs);
    await other!.bus.send(here!.bus.id, 'screens.event', { agent: 'anna', event: 'endRequested', args: ['c1'] });
    await there!.bus.send(here!.bus.id, 'screens.event', { agent: 'anna', event: 'endRequested', args: ['c9'] });
    await there!.bus.send(here!.bus.id, 'screens.event', { agent: 'anna', event: 'acknowledged', args: ['c1'] });
    await there!.bus.send(here!.bus.id, 'screens.event', { agent: 'anna', event: 'present', args: [] });
    await other!.bus.send(there!.bus.id, 'screens.operation', { agent: 'anna', operation: 'clear', args: ['c1', 'ended'] });
    await other!.bus.send(there!.bus.id, 'screens.operation', { agent: 'anna', operation: 'reveal', args: [{ callId: 'c1' }] });
    await here!.bus.send(there!.bus.id, 'screens.operation', { agent: 'anna', operation: 'reveal', args: [{ callId: 'c1' }] });
    await here!.bus.send(there!.bus.id, 'screens.operation', { agent: 'anna', operation: 'displace', args: [] });
    page.say({ type: 'end', callId: 'c1' });
    await until(() => here!.of('endRequested').length === 1, 'the real wish to end', soonMs);
    await sleep(200);
    expect(here!.told.map(([event]) => event)).toEqual(['acknowledged', 'endRequested']);
    expect(page.shown?.callId).toBe('c1');
  });

  it('whatever the order of calls, ends and moves: the newest page shows the call that the desk says, and no other page shows any', async () => {
    const { desk, nodes } = await startNodes(3);
    const agents = ['anna', 'bram'];
    const pages = new Map<string, ScreenClient[]>(agents.map((agent) => [agent, []]));
    const calls = new Map<string, { callId: string; node: Node; end: () => void }>();
    const wrong: string[] = [];
    const newestDrawn = new Map<string, number>();
    const endedAt = new Map<string, number>();
    /** What has left for the page when its call ends cannot be called back; the `clear` comes right behind it. */
    const onTheWayMs = 500;
    let number = 0;
    const pick = <T>(from: readonly T[]): T => from[Math.floor(Math.random() * from.length)]!;
    const trail: string[] = [];
    const openPage = async (agent: string): Promise<void> => {
      const node = pick(nodes);
      trail.push(`${agent} opens a page at ${nodes.indexOf(node)}`);
      const page = await node.open(agent);
      page.onPop = ({ callId, name }) => {
        const drawn = Number(callId.slice(1));
        const isLate = drawn < (newestDrawn.get(agent) ?? 0) || (desk.get(agent) !== callId && performance.now() - endedAt.get(callId)! > onTheWayMs);
        if (isLate || name !== `Caller ${callId}`) wrong.push(`${agent} was shown ${callId}, after: ${trail.slice(-10).join('; ')}`);
        newestDrawn.set(agent, Math.max(drawn, newestDrawn.get(agent) ?? 0));
      };
      pages.get(agent)!.push(page);
    };
    for (const agent of agents) await openPage(agent);
    for (let i = 0; i < 60; i += 1) {
      const agent = pick(agents);
      const now = calls.get(agent);
      if (Math.random() < 0.3) await openPage(agent);
      else if (now) {
        trail.push(`${now.callId} leaves ${agent}`);
        now.end();
        now.node.screens.clear(agent, now.callId, 'ended');
        desk.delete(agent);
        endedAt.set(now.callId, performance.now());
        calls.delete(agent);
      } else {
        const callId = `c${(number += 1)}`;
        const node = pick(nodes);
        trail.push(`${callId} of ${nodes.indexOf(node)} comes to ${agent}`);
        desk.set(agent, callId);
        node.screens.offer(agent, call(callId));
        const { reveal, end } = alive(node, agent, callId);
        calls.set(agent, { callId, node, end });
        reveal();
      }
      if (Math.random() < 0.5) await sleep(Math.random() * 40);
      if (i % 10 === 9) {
        for (const one of agents) {
          const newest = pages.get(one)!.at(-1)!;
          await until(() => newest.shown?.callId === calls.get(one)?.callId, `${one} to be shown ${calls.get(one)?.callId ?? 'nothing'}, after: ${trail.slice(-25).join('; ')}`, soonMs);
          await until(() => pages.get(one)!.slice(0, -1).every(({ shown }) => shown === undefined), 'older pages to be blank', soonMs);
        }
      }
    }
    expect(wrong).toEqual([]);
  }, 120_000);
});
