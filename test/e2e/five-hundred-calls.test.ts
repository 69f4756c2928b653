/**
 * A busy day on two nodes: five hundred callers, forty agents, three services, calls that are passed on at random, by the
 * screen and by the phone, people who hang up whenever they like, pages that are loaded again, breaks.
 *
 * Every packet of sound carries in its samples who says it, so that whom a phone hears is known packet by packet. What
 * each phone hears is compared with what that agent's screen shows, all the time. What is random follows from a seed;
 * what must hold is the same whatever happens.
 */
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { verify } from '../audit/support.js';
import { RtpLines, type RtpLine } from '../bench/load/rtp-lines.js';
import { mediaOf, SipPhones, type PhoneDialog } from '../bench/load/sip-phones.js';
import { Peers, scratchFolder, sleep, until } from '../peers/index.js';
import { startRedis } from '../peers/redis.js';
import { redisStore, TestGateway } from '../support/gateway.js';
import { randomFrom } from '../support/random.js';
import { AgentAtDesk, type Talk, type Office, type Voice } from './busy-office/agent-at-desk.js';
import { FirstCome } from './busy-office/first-come.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

const callerCount = Number(process.env['SOAK_CALLS'] ?? 500);
const agentCount = 40;
/** Callers on the line at one time. */
const atOnce = 44;
/** Each service needs a skill of its own, and gets this share of the callers. */
const services = [
  { name: 'Burgerzaken', number: '+31201234567', skill: 'civil', share: 0.5 },
  { name: 'Belastingen', number: '+31201234568', skill: 'taxes', share: 0.3 },
  { name: 'Parkeren', number: '+31201234569', skill: 'parking', share: 0.2 },
] as const;
type Service = (typeof services)[number];

/** Longest wait for what should follow by itself; patience for a busy machine. */
const soonMs = 30_000;
/** Longest wait of a caller for an agent. */
const patienceMs = 120_000;
/** What may shift the order of two calls: see FirstCome. */
const orderSlackMs = 1_000;
const mostTransfers = 3;

/** Somebody who calls. */
class Caller implements Voice {
  readonly shownAs: string | null;
  dialog: PhoneDialog | undefined;
  /** The agents' calls whose voice was heard, the present one last. */
  readonly heard: Talk[] = [];
  over = false;
  /** Somebody has hung up on purpose: the call is to end. */
  mayEnd = false;
  transfers = 0;
  outcome: 'talked' | 'left' | 'lost' = 'lost';

  constructor(readonly index: number, readonly anonymous: boolean, readonly line: RtpLine) {
    this.shownAs = anonymous ? null : `Citizen ${index}`;
  }

  get label(): string {
    return `citizen ${this.index}`;
  }

  get talk(): Talk | undefined {
    return this.heard.at(-1);
  }

  async hangUp(): Promise<void> {
    this.mayEnd = true;
    await this.dialog?.bye();
  }
}

it('five hundred calls on two nodes: never a wrong identity, never two calls, first come first served, nobody lost', async () => {
  const seed = Number(process.env['SOAK_SEED'] ?? Date.now() % 1_000_000);
  const random = randomFrom(seed);
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
  const problems: string[] = [];
  const problem = (text: string): void => {
    if (problems.length < 50) problems.push(text);
  };

  // ---- two nodes, one Redis, a trail each
  const redis = peers.add(await startRedis());
  const phones = await SipPhones.open('127.0.0.1');
  peers.add({ stop: () => phones.close() });
  const lines = new RtpLines('127.0.0.1', 1);
  peers.defer(() => lines.close());
  const voices = new Map<number, Voice>();
  const talks = new Map<number, Talk>();
  const office: Office = { phones, lines, voices, talks, random, problem };
  const agents = Array.from({ length: agentCount }, (_, i) => {
    const skill = services[i % services.length]!.skill;
    const second = i % 4 === 0 ? services[(i + 1) % services.length]!.skill : skill;
    return new AgentAtDesk(`agent${i}`, [...new Set([skill, second])], office);
  });
  const byName = new Map(agents.map((agent) => [agent.name, agent]));
  phones.onCall = async (user, offer) => byName.get(user)?.ring(offer);

  const folder = scratchFolder('audit');
  peers.defer(() => rmSync(folder, { recursive: true, force: true }));
  const trails = ['gw1', 'gw2'].map((node) => path.join(folder, node));
  const queueOf = ({ skill }: Service) => ({ skills: [skill], wrapUpSeconds: 0 });
  const shared = {
    agents: agents.map(({ name, uri }) => ({ name, phone: uri })),
    store: redisStore(redis),
    calls: { ackTimeoutMs: 15_000, ringTimeoutMs: 20_000, firstDigitMs: 60_000, interDigitMs: 30_000 },
    // Codes of those who left before they were looked up are soon gone by themselves.
    codes: { lifetimeSeconds: 30 },
    sessions: { reclaimGraceSeconds: 2 },
    more: {
      service: { queue: queueOf(services[0]), numbers: [services[0].number] },
      services: services.slice(1).map((service) => ({ name: service.name, numbers: [service.number], purposes: [service.skill], queue: queueOf(service) })),
      agents: Object.fromEntries(agents.map(({ name, skills }) => [name, { skills }])),
    },
  };
  for (const trail of trails) mkdirSync(trail, { recursive: true, mode: 0o700 });
  const here = peers.add(await TestGateway.start({ ...shared, audit: { folder: trails[0], node: 'gw1' }, rtpPorts: { min: 32_000, max: 32_379 } }));
  const there = peers.add(await TestGateway.start({ ...shared, audit: { folder: trails[1], node: 'gw2' }, rtpPorts: { min: 32_380, max: 32_759 }, secondTo: here }));
  const nodes = [here, there];
  const firstCome = new FirstCome(nodes.map(({ gateway }) => gateway.happenings));
  const nodeAt = (): TestGateway => pick(nodes)!;

  // ---- what is true at every moment
  const watch = setInterval(() => agents.forEach((agent) => agent.look()), 20);
  peers.defer(() => clearInterval(watch));

  // ---- callers
  const callers: Caller[] = [];
  const acts = { callerHungUp: 0, agentHungUp: 0, agentEnded: 0, toAgent: 0, toService: 0, byPhone: 0, passedOn: 0, refused: 0, reloads: 0, breaks: 0, meetings: 0 };

  /** Waits for an agent's voice other than those before. @returns undefined when the call is over */
  const nextTalk = async (caller: Caller, before: Talk | undefined): Promise<Talk | undefined> => {
    await until(() => caller.over || caller.talk !== before, 'an agent’s voice', patienceMs, 20).catch((error: unknown) => {
      const agent = agents.find(({ talk }) => talk?.voice === caller);
      throw new Error(`${error instanceof Error ? error.message : ''} (${caller.line.received} packets heard${agent ? `, and ${agent.name} hears ${caller.label}` : ''})`);
    });
    return caller.over ? undefined : caller.talk;
  };

  /** One attempt to pass the call on. @returns whether it was taken from this agent */
  const passOn = async (caller: Caller, talk: Talk): Promise<boolean> => {
    const { agent } = talk;
    const { screen } = agent;
    const colleague = pick(agents.filter((other) => other !== agent && other.isFree));
    const gone = () => caller.over || talk.ended || caller.talk !== talk;
    const { shown } = screen;
    if (colleague && random() < 0.35) {
      acts.byPhone += 1;
      let told = '';
      talk.dialog!.onTransfer = (line) => (told = line);
      if (!(await talk.dialog!.refer(colleague.uri))) return gone();
      await until(() => gone() || (told !== '' && !told.includes(' 100 ')), `the phone of ${agent.name} to be told how its transfer went`, soonMs, 20);
      return gone() || told.includes(' 200 ');
    }
    if (!shown) return gone();
    const failures = () => screen.heard.filter(({ message }) => message.type === 'transferFailed').length;
    const before = failures();
    if (colleague && random() < 0.6) {
      acts.toAgent += 1;
      screen.transfer({ kind: 'agent', name: colleague.name });
    } else {
      acts.toService += 1;
      screen.transfer({ kind: 'service', name: pick(services)!.name });
    }
    // A page that is loaded again at this moment has said nothing.
    await until(() => gone() || failures() > before || agent.screen !== screen, `${agent.name} to be told how the transfer went`, soonMs, 20);
    return gone();
  };

  /** From the first agent to the end. */
  const converse = async (caller: Caller): Promise<void> => {
    let talk = await nextTalk(caller, undefined);
    while (talk) {
      const { agent } = talk;
      const here = talk;
      const isOn = () => !caller.over && !here.ended && caller.talk === here;
      await until(() => !isOn() || (here.voice === caller && agent.shown === caller.shownAs && agent.isConnected), `${agent.name} to hear ${caller.label} and see who it is`, soonMs, 20);
      if (isOn()) {
        caller.outcome = 'talked';
        await sleep(600 + random() * 1_400);
      }
      if (!isOn()) {
        talk = await nextTalk(caller, talk);
        continue;
      }
      const act = random();
      if (caller.transfers < mostTransfers && act < 0.35) {
        caller.transfers += 1;
        if (await passOn(caller, talk)) {
          acts.passedOn += 1;
          talk = await nextTalk(caller, talk);
        } else acts.refused += 1;
        continue;
      }
      caller.mayEnd = true;
      if (act < 0.5) {
        acts.agentHungUp += 1;
        await talk.dialog!.bye();
      } else if (act < 0.6 && agent.screen.shown && !agent.isMoving) {
        acts.agentEnded += 1;
        const { screen } = agent;
        screen.end();
        await until(() => caller.over || agent.screen !== screen, `the call of ${caller.label} to end`, soonMs, 20);
        if (!caller.over) await caller.hangUp();
      } else {
        acts.callerHungUp += 1;
        await caller.hangUp();
      }
      await until(() => caller.over, `the call of ${caller.label} to be over`, soonMs, 20);
      return;
    }
  };

  const dial = async (index: number): Promise<void> => {
    await sleep(random() * 500);
    const line = await lines.open();
    const caller = new Caller(index, random() < 0.1, line);
    callers.push(caller);
    voices.set(line.id, caller);
    line.onHeard = (sender) => {
      const talk = talks.get(sender);
      if (talk) caller.heard.push(talk);
      else problem(`${caller.label} hears somebody who is no agent`);
    };
    // The last ones stay, so that what is left of the others is gone by the end.
    const leaveAfterMs = index < callerCount * 0.8 && random() < 0.15 ? 200 + random() * 9_000 : undefined;
    let share = random();
    const service = services.find((one) => (share -= one.share) < 0) ?? services[0];
    const away = new AbortController();
    const leaving = leaveAfterMs === undefined ? undefined : setTimeout(() => {
      caller.mayEnd = true;
      if (caller.outcome === 'lost') caller.outcome = 'left';
      away.abort();
      void caller.hangUp();
    }, leaveAfterMs);
    try {
      const { host, port } = nodeAt().sip;
      const { dialog } = await phones.dial(`sip:${service.number}@${host}:${port}`, `06${String(10_000_000 + index)}`, line.sdp(phones.stack.host), { signal: away.signal });
      caller.dialog = dialog;
      dialog.onEnd = () => {
        caller.over = true;
        line.close();
        if (!caller.mayEnd) problem(`the call of ${caller.label} ended by itself`);
      };
      const { address, port: rtpPort } = mediaOf(dialog.remoteSdp);
      line.talkWith(address, rtpPort);
      if (caller.mayEnd) await dialog.bye();
      // A citizen whose login is not taken in tries again.
      const code = caller.anonymous ? '0' : await until(() => nodeAt().citizen({ fullname: `Citizen ${index}` }).catch(() => undefined), 'a code', soonMs);
      if (random() < 0.5) await dialog.press(`${code}#`);
      else void line.type(`${code}#`);
      await converse(caller);
    } catch (error) {
      if (!caller.mayEnd) problem(`${caller.label}: ${error instanceof Error ? error.message : 'unknown'}`);
    } finally {
      clearTimeout(leaving);
      if (!caller.over) await caller.hangUp();
      line.close();
    }
  };

  // ---- agents: some at each node; the first callers wait for them to begin
  let callersAreDone = false;
  const comeIn = async (): Promise<void> => {
    for (const agent of agents) {
      // A node that has too many logins to check at once asks for another try.
      const page = await until(() => nodeAt().screen(agent.name).catch(() => undefined), `${agent.name} to log in`, soonMs);
      peers.add({ stop: () => agent.screen.stop() });
      agent.sitDown(page);
      agent.takeABreak(true);
    }
  };
  const begin = async (): Promise<void> => {
    await until(() => firstCome.waiting >= agentCount / 2, 'a line to form', soonMs);
    // One after another: who is served first is seen by who came first.
    for (const agent of agents) {
      agent.takeABreak(false);
      await sleep(250);
    }
  };
  /** Pages are loaded again, people take breaks, and now and then everybody of one skill goes to a meeting. */
  const officeLife = async (): Promise<void> => {
    const breaks = new Set<Promise<void>>();
    const goOnBreak = (who: readonly AgentAtDesk[], ms: number) => {
      for (const agent of who) agent.takeABreak(true);
      const back = sleep(ms).then(async () => {
        for (const agent of who) {
          agent.takeABreak(false);
          await sleep(300);
        }
      }).finally(() => breaks.delete(back));
      breaks.add(back);
    };
    for (let turn = 1; !callersAreDone; turn++) {
      await sleep(100 + random() * 200);
      const agent = pick(agents)!;
      const what = random();
      if (turn % 20 === 0 && breaks.size < 4) {
        acts.meetings += 1;
        const { skill } = pick(services)!;
        goOnBreak(agents.filter(({ skills, onBreak }) => skills.includes(skill) && !onBreak), 3_000);
      } else if (what < 0.4) {
        acts.reloads += 1;
        await agent.reload(nodeAt().gateway.urls.agents);
      } else if (what < 0.6 && !agent.onBreak) {
        acts.breaks += 1;
        goOnBreak([agent], 500 + random() * 2_500);
      }
    }
    await Promise.all(breaks);
  };

  await comeIn();
  const queue = Array.from({ length: callerCount }, (_, i) => i);
  const calling = Promise.all(Array.from({ length: atOnce }, async () => {
    for (let index = queue.shift(); index !== undefined; index = queue.shift()) await dial(index);
  })).then(() => { callersAreDone = true; });
  await Promise.all([calling, begin().then(officeLife)]);

  // ---- nobody lost
  for (const caller of callers) if (caller.outcome === 'lost') problem(`${caller.label} never talked with anybody`);
  // ---- nothing left
  const rest = (what: string, work: Promise<unknown>) => work.catch((error: unknown) => problem(`${what}: ${error instanceof Error ? error.message : 'unknown'}`));
  await Promise.all(nodes.map((node, i) => rest(`node ${i}`, node.untilEmpty(soonMs))));
  for (const agent of agents) {
    await rest(agent.name, until(() => agent.shown === undefined && agent.talk === undefined, 'the desk to be empty', soonMs));
    await rest(agent.name, until(() => {
      const seat = agent.screen.heard.flatMap(({ message }) => (message.type === 'seat' ? [message.seat] : message.type === 'hello' && message.seat ? [message.seat] : [])).at(-1);
      return seat?.state === 'available';
    }, 'the agent to be available again', soonMs));
  }
  const keysOf = async (kind: string) => (await redis.cli('--scan', '--pattern', `*}:${kind}`)).split('\n').filter(Boolean).length;
  for (const kind of ['session', 'token', 'board']) {
    await rest('Redis', until(async () => (await keysOf(kind)) === 0, `no ${kind} to be left`, 90_000, 500));
  }
  for (const { gateway } of nodes) expect(await gateway.vault.stats()).toEqual({ live: 0, claimed: 0 });

  const { overtakers, pairs } = firstCome.order(orderSlackMs);
  problems.push(...overtakers.slice(0, 20));
  expect(problems, `seed ${seed}`).toEqual([]);

  // So much happened that the above means something.
  const talked = callers.filter(({ outcome }) => outcome === 'talked');
  const conversations = agents.reduce((sum, agent) => sum + agent.conversations, 0);
  if (process.env['SOAK_REPORT'] !== undefined) process.stderr.write(`${JSON.stringify({ seed, talked: talked.length, left: callers.length - talked.length, conversations, pairs, ...acts })}\n`);
  expect(callers).toHaveLength(callerCount);
  expect(talked.length).toBeGreaterThan(callerCount * 0.75);
  expect(conversations).toBeGreaterThan(talked.length * 1.15);
  expect(pairs).toBeGreaterThan(callerCount / 2);
  for (const count of Object.values(acts)) expect(count).toBeGreaterThan(0);

  await Promise.all(nodes.map((node) => node.stop()));
  for (const trail of trails) expect((await verify(trail)).problems).toEqual([]);
}, 600_000);
