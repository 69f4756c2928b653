/** Whole calls with the sessions in Redis: on one node and on two, and while Redis is away. */
import { afterEach, describe, expect, it } from 'vitest';
import { generateCode } from '../../core-bridge/index.js';
import { Phone, tone, type CallState, type PhoneCall } from '../../gateway/phone/index.js';
import type { ScreenClient } from '../../gateway/demo/screen-client.js';
import { Peers, until } from '../peers/index.js';
import { sentinelName, startRedis, startSentinels, type Redis } from '../peers/redis.js';
import { redisStore, TestGateway, type TestGatewayOptions } from '../support/gateway.js';
import { heardPrompt } from './heard-prompt.js';
import { attributes, dialled } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

/** Longest wait for what should follow by itself; patience for a busy machine. */
const soonMs = 20_000;

interface Agent { screen: ScreenClient; phone: Phone; ready(value: boolean): Promise<void> }

/** A gateway with agents who sit before their screens, phones in reach. */
async function staffed(names: readonly string[], options: Omit<TestGatewayOptions, 'agents'>): Promise<{ gateway: TestGateway; agents: Agent[] }> {
  const phones = await Promise.all(names.map(() => openPhone()));
  const gateway = peers.add(await TestGateway.start({ ...options, agents: names.map((name, i) => ({ name, phone: phones[i]!.uri })) }));
  const agents = await Promise.all(names.map(async (name, i): Promise<Agent> => {
    const phone = phones[i]!;
    phone.answer({ answerAfterMs: 0 });
    const screen = peers.add(await gateway.screen(name));
    const ready = async (value: boolean) => {
      const told = screen.heard.filter(({ message }) => message.type === 'availability').length;
      screen.say({ type: 'availability', value: value ? 'available' : 'break' });
      await screen.told('availability', { count: told + 1 });
    };
    return { screen, phone, ready };
  }));
  return { gateway, agents };
}

async function openPhone(): Promise<Phone> {
  const phone = await Phone.open();
  peers.add({ stop: () => phone.close() });
  return phone;
}

/** A citizen on the telephone. */
class Citizen {
  private constructor(readonly call: PhoneCall) {}

  static dial(phone: Phone, gateway: TestGateway, from = '0612345678'): Citizen {
    return new Citizen(phone.call({ to: `sip:${dialled}@${gateway.sip.host}:${gateway.sip.port}`, from, code: '', codeAfterMs: 3_600_000, dtmf: 'info', record: true, say: { samples: tone([600], 1_000), forever: true } }));
  }

  async told(state: CallState): Promise<this> {
    await until(() => this.call.events.some((event) => event.kind === 'told' && event.state === state), `the caller to be ${state}`, soonMs);
    return this;
  }

  async types(code: string): Promise<void> {
    await until(() => this.call.events.some(({ kind }) => kind === 'answered'), 'the answer', soonMs);
    await this.call.press(`${code}#`);
  }

  async hears(name: Parameters<typeof heardPrompt>[1]): Promise<void> {
    await until(() => heardPrompt(this.call.heard(), name), `the caller to hear "${name}"`, soonMs, 500);
  }

  get isTalking(): boolean {
    return !this.call.isEnded && this.call.isConnected;
  }

  hangUp(): Promise<void> {
    return this.call.hangup('done');
  }
}

const storeOf = async ({ gateway }: TestGateway): Promise<boolean> => ((await (await fetch(`${gateway.urls.ops}/health`)).json()) as { store: boolean }).store;
const keysOf = async (redis: Redis, kind: string): Promise<string[]> => (await redis.cli('--scan', '--pattern', `*}:${kind}`)).split('\n').filter(Boolean);
/** null: plainly not identified; undefined: no call. */
const nameOn = ({ screen }: Agent): string | null | undefined => screen.shown && (screen.shown.fields === null ? null : screen.shown.fields['Name']);
const shows = (agent: Agent, name: string | null): Promise<unknown> => until(() => nameOn(agent) === name, `the screen to show ${name ?? 'that the caller is not identified'}`, soonMs);

interface PageView { live: boolean; warnings: string[]; receipt?: { sentence: string }; steps: { name: string; state: string }[] }

/** A citizen's page that is open in a browser. */
function follow(pageUrl: string): { readonly last: PageView | undefined } {
  const page: { last: PageView | undefined } = { last: undefined };
  const gone = new AbortController();
  peers.defer(() => gone.abort());
  const read = async () => {
    const answer = await fetch(`${pageUrl}/events`, { signal: gone.signal });
    let text = '';
    for await (const bytes of answer.body!) {
      text += Buffer.from(bytes as Uint8Array).toString('utf8');
      const lines = text.split('\n');
      text = lines.pop()!;
      for (const line of lines) if (line.startsWith('data: {')) page.last = (JSON.parse(line.slice(6)) as { view: PageView }).view;
    }
  };
  void read().catch(() => undefined);
  return page;
}

const isDone = (page: { readonly last: PageView | undefined }, name: string): boolean => page.last?.steps.some((step) => step.name === name && step.state === 'done') ?? false;

describe('one node', () => {
  it('the first identified call leaves nothing but what expires by itself', async () => {
    const redis = peers.add(await startRedis());
    const { gateway, agents: [anna] } = await staffed(['anna'], { store: redisStore(redis) });
    const citizen = Citizen.dial(await openPhone(), gateway);
    await citizen.types(await gateway.citizen(attributes));
    await citizen.told('connected');
    await shows(anna!, attributes.fullname);
    expect(await keysOf(redis, 'session')).toHaveLength(1);
    await citizen.hangUp();
    await gateway.untilEmpty();
    expect(await gateway.gateway.vault.stats()).toEqual({ live: 0, claimed: 0 });
    const left = (await redis.cli('--scan')).split('\n');
    const lifetimes = await Promise.all(left.map(async (key) => [key, Number(await redis.cli('PTTL', key))] as const));
    expect(lifetimes.filter(([, ms]) => ms <= 0)).toEqual([]);
    for (const kind of ['session', 'token', 'board']) expect(await keysOf(redis, kind), kind).toEqual([]);
    // The used code is known as such, and the citizen can read the receipt.
    expect(await keysOf(redis, 'code')).toHaveLength(1);
    expect(await keysOf(redis, 'steps')).toHaveLength(1);
  }, 60_000);

  it('Redis dies under calls of every kind: all reach a human, none is taken for identified, and it goes on by itself', async () => {
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always'];
    const first = peers.add(await startRedis({ args: durable }));
    const { gateway, agents: [anna, bea, cas, dirk] } = await staffed(['anna', 'bea', 'cas', 'dirk'], { store: redisStore(first), clientUrl: 'page' });
    await Promise.all([cas!.ready(false), dirk!.ready(false)]);
    const phone = await openPhone();
    const identified = async (fullname: string): Promise<Citizen> => {
      const citizen = Citizen.dial(phone, gateway);
      await citizen.types(await gateway.citizen({ fullname }));
      return citizen;
    };
    const talking = await (await identified('Talking')).told('connected');
    const leaving = await (await identified('Leaving')).told('connected');
    const waiting = await (await identified('Waiting')).told('waiting');
    const codes = [await gateway.citizen({ fullname: 'Later' }), await gateway.citizen({ fullname: 'Never' })] as const;
    const page = await gateway.startSession();
    const collecting = await Citizen.dial(phone, gateway).told('collecting');
    const greeted = await Citizen.dial(phone, gateway).told('greeting');
    const [stays, becomesFree] = nameOn(anna!) === 'Talking' ? [anna!, bea!] : [bea!, anna!];
    expect([nameOn(stays), nameOn(becomesFree)]).toEqual(['Talking', 'Leaving']);
    expect(await keysOf(first, 'session')).toHaveLength(6);

    process.kill(first.pid, 'SIGKILL');
    await until(async () => !(await storeOf(gateway)), 'the gateway to notice', soonMs);
    expect(await gateway.metric(/^gateway_store_reachable /)).toBe(0);
    expect((await fetch(page.pageUrl!)).status).toBe(503);
    expect((await fetch(`${gateway.gateway.urls.core}/start_communication`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"purpose":"report_move"}' })).status).toBe(503);
    await Promise.all([greeted.types(codes[0]), collecting.types(codes[1])]);
    await Promise.all([greeted, collecting].map(async (citizen) => { await citizen.told('waiting'); await citizen.hears('technical-problem'); }));
    // The one who hangs up now leaves a session that cannot be deleted yet, and an agent for the one who waits.
    await leaving.hangUp();
    await waiting.told('connected');
    await shows(becomesFree, null);
    await Promise.all([cas!.ready(true), dirk!.ready(true)]);
    await Promise.all([greeted.told('connected'), collecting.told('connected')]);
    await shows(cas!, null);
    await shows(dirk!, null);
    // Who was connected has noticed nothing.
    const packets = talking.call.statistics().packetsReceived;
    await until(() => talking.call.statistics().packetsReceived > packets + 25, 'the conversation to go on', soonMs);
    expect([talking, waiting, greeted, collecting].map(({ isTalking }) => isTalking)).toEqual([true, true, true, true]);
    expect(nameOn(stays)).toBe('Talking');

    const second = peers.add(await startRedis({ port: first.port, args: [...durable, '--dir', first.folder] }));
    await until(() => storeOf(gateway), 'the gateway to find Redis again', soonMs);
    // Of six sessions the one whose call ended meanwhile is made up for; two are in calls, two were never claimed, one is nobody's yet.
    await until(async () => (await keysOf(second, 'session')).length === 5, 'the missed deletion to be made up for', soonMs);
    await until(async () => (await gateway.gateway.vault.stats()).claimed === 2, 'claims that nobody heard of to be undone', soonMs);
    expect([becomesFree, cas!, dirk!].map(nameOn)).toEqual([null, null, null]);
    for (const citizen of [talking, waiting, greeted, collecting]) await citizen.hangUp();
    await gateway.untilEmpty(soonMs);
    // A code that could not be looked up is as good as it was.
    const [again, next] = [Citizen.dial(phone, gateway), await identified('Next')];
    await again.types(codes[0]);
    await Promise.all([again.told('connected'), next.told('connected')]);
    const shown = () => [anna, bea, cas, dirk].map((agent) => nameOn(agent!)).filter(Boolean).sort();
    await until(() => shown().length === 2, 'two screens to show who is calling', soonMs);
    expect(shown()).toEqual(['Later', 'Next']);
    await Promise.all([again.hangUp(), next.hangUp()]);
    await gateway.untilEmpty(soonMs);
    expect(await keysOf(second, 'session')).toHaveLength(2);
  }, 120_000);

  it('a failover in the middle of a call: who waits is still identified', async () => {
    const { sentinels, data: [master, replica], stop } = await startSentinels();
    peers.add({ stop });
    const { sealKeys } = redisStore(master!);
    const store = { kind: 'redis', sealKeys, sentinel: { name: sentinelName, nodes: sentinels.map(({ host, port }) => ({ host, port })) } };
    const { gateway, agents: [anna] } = await staffed(['anna'], { store });
    await until(() => storeOf(gateway), 'the store', soonMs);
    await anna!.ready(false);
    const citizen = Citizen.dial(await openPhone(), gateway);
    await citizen.types(await gateway.citizen(attributes));
    await citizen.told('waiting');
    // Replication takes a moment; what is lost with a master is told in docs.
    await until(async () => (await keysOf(replica!, 'session')).length === 1, 'the replica to have the session', soonMs);
    expect(await master!.cli('WAIT', '1', '5000')).toBe('1');
    process.kill(master!.pid, 'SIGKILL');
    await until(async () => !(await storeOf(gateway)), 'the gateway to notice', soonMs);
    await until(() => storeOf(gateway), 'the other server to take over', 30_000);
    await anna!.ready(true);
    await citizen.told('connected');
    await shows(anna!, attributes.fullname);
    await citizen.hangUp();
    await gateway.untilEmpty(soonMs);
    await until(async () => (await keysOf(replica!, 'session')).length === 0, 'the session to be gone', soonMs);
  }, 120_000);
});

describe('two nodes', () => {
  /** The page and the core are at the first, the agent at the second. */
  async function twoNodes(options: Omit<TestGatewayOptions, 'agents' | 'store' | 'secondTo'> = {}) {
    const redis = peers.add(await startRedis());
    const store = redisStore(redis);
    const { gateway: here, agents: [anna] } = await staffed(['anna'], { store, clientUrl: 'page', ...options });
    const { gateway: there, agents: [bea] } = await staffed(['bea'], { store, clientUrl: 'page', ...options, secondTo: here });
    for (const gateway of [here, there]) await until(() => storeOf(gateway), 'the store', soonMs);
    return { redis, here, there, anna: anna!, bea: bea!, phone: await openPhone() };
  }

  it('a session of one, a call at the other: the result arrives here and is shown there, the page here follows the call', async () => {
    const { redis, here, there, bea, phone } = await twoNodes();
    const session = await here.startSession();
    const page = follow(session.pageUrl!);
    const citizen = Citizen.dial(phone, there);
    await citizen.types(session.code);
    await until(() => isDone(page, 'code'), 'the page to say that the code was accepted', soonMs);
    expect(bea.screen.shown).toBeUndefined();
    await here.deliver(session, attributes);
    await citizen.told('connected');
    await shows(bea, attributes.fullname);
    await until(() => isDone(page, 'login') && isDone(page, 'wait'), 'the page to follow', soonMs);

    // Somebody else has the code too, and tries it at the first node.
    const thief = Citizen.dial(phone, here);
    await thief.types(session.code);
    await until(() => page.last?.warnings.length, 'the page to warn', soonMs);
    expect((await bea.screen.told('warning', { timeoutMs: soonMs })).warning).toBe('codeUsedAgain');
    await thief.hears('not-recognised');
    await thief.hangUp();
    await citizen.hangUp();
    await until(() => page.last?.receipt, 'the receipt', soonMs);
    expect(page.last?.live).toBe(false);
    expect(page.last?.receipt?.sentence).toMatch(/\d+ milliseconden/);
    expect(await (await fetch(session.pageUrl!)).text()).toContain('milliseconden');
    await Promise.all([here.untilEmpty(soonMs), there.untilEmpty(soonMs)]);
    expect(await keysOf(redis, 'session')).toEqual([]);
    expect(await here.gateway.vault.stats()).toEqual({ live: 0, claimed: 0 });
  }, 90_000);

  it('one code typed at both at once is accepted once', async () => {
    const { redis, here, there, anna, bea, phone } = await twoNodes({ codes: { attemptsPerCall: 1 } });
    const nodes = [here, there];
    const count = async (outcome: string) => (await Promise.all(nodes.map((node) => node.metric(new RegExp(`^gateway_codes_total.*"${outcome}"`))))).reduce((sum, n) => sum + n, 0);
    for (const round of [1, 2, 3]) {
      const code = await nodes[round % 2]!.citizen(attributes);
      const callers = nodes.map((node) => Citizen.dial(phone, node, `06${round}`));
      // All but the key that completes it.
      await Promise.all(callers.map(async (caller) => { await caller.told('greeting'); await caller.call.press(code.slice(0, -1)); }));
      await Promise.all(callers.map((caller) => caller.call.press(`${code.slice(-1)}#`)));
      await until(async () => (await count('accepted')) + (await count('refused')) === 2 * round, 'both to be decided', soonMs);
      expect(await count('accepted')).toBe(round);
      expect(await keysOf(redis, 'session')).toHaveLength(1);
      // Each has an agent; only one of them sees who is calling.
      await Promise.all(callers.map((caller) => caller.told('connected')));
      const shown = [anna, bea].map(nameOn);
      expect(shown.filter((name) => name === attributes.fullname), `round ${round}: ${shown.join()}`).toHaveLength(1);
      expect(shown).toContain(null);
      await Promise.all(callers.map((caller) => caller.hangUp()));
      await Promise.all(nodes.map((node) => node.untilEmpty(soonMs)));
      expect(await keysOf(redis, 'session')).toEqual([]);
    }
  }, 90_000);

  it('wrong codes are counted together: what one hears of slows the other down, and makes its codes longer', async () => {
    const paceSeconds = 4;
    const { here, there, phone } = await twoNodes({ codes: { guesses: { freeInTotal: 2, freePerNumber: 5, freePerTrunk: 5, paceSeconds, patienceSeconds: 60 } } });
    /** At both: a SIP server that they share gives a call to either. */
    const counted = async (what: RegExp): Promise<number> => (await here.metric(what)) + (await there.metric(what));
    const refused = () => counted(/^gateway_codes_total.*refused/);
    const { length } = (await here.startSession()).code;
    let callers = 0;
    /** One wrong code from a number of its own. @returns when it was refused */
    const guess = async (node: TestGateway): Promise<number> => {
      const before = await refused();
      const caller = Citizen.dial(phone, node, `061234567${(callers += 1)}`);
      await caller.types(generateCode(length));
      await until(async () => (await refused()) > before, 'the guess to be refused', 40_000);
      const at = performance.now();
      await caller.hangUp();
      return at;
    };
    for (let i = 0; i < 2; i++) await guess(there);
    const longer = await here.startSession();
    expect(longer.code.length).toBeGreaterThan(length);
    // Over the limit, one at a time: the second of these waits for its turn although its own node has heard nothing wrong.
    const third = await guess(there);
    const fourth = await guess(here);
    expect(fourth - third).toBeGreaterThan((paceSeconds * 1_000) / 2);
    // Each node that heard one over the limit says so, once.
    const alarms = await Promise.all([here, there].map((node) => node.metric(/^gateway_guess_alarms_total/)));
    expect(Math.max(...alarms)).toBe(1);
    // The right code still gets through.
    await here.deliver(longer, attributes);
    const citizen = Citizen.dial(phone, there, '0687654321');
    await citizen.types(longer.code);
    await citizen.told('connected');
    await citizen.hangUp();
    await Promise.all([here.untilEmpty(soonMs), there.untilEmpty(soonMs)]);
  }, 120_000);
});
