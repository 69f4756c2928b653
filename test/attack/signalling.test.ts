/**
 * Attackers that stay, with SIP: strangers, the other trunk, an agent's telephone, each with all the names of a citizen's
 * call, which stand in logs. Whatever they send, at whatever moment: the call goes on as if they were not there, and its
 * voices, its name and its end are nobody else's (docs/whose-call.md).
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ScreenClient } from '../../gateway/demo/screen-client.js';
import { header, offer, RawCall, RawSocket, status } from '../e2e/raw-sip.js';
import { dialled } from '../e2e/support.js';
import { Peers, until } from '../peers/index.js';
import { realEngines, TestGateway, type TestGatewayOptions } from '../support/gateway.js';
import { AgentPhone, answersTo, askAlone, callIdOf, descriptionsTo, evilPort, forged, forgedKeys, forgedMethods, inviteNamed, isFor, requestsTo, seqOf, type Names } from './forged.js';

const ONE = '127.0.0.2';
const TWO = '127.0.0.3';
const PHONES = '127.0.0.1';
const STRANGER = '127.0.0.9';
const trunks = (bridge: 'anchored' | 'released') => [{ name: 'one', addresses: [ONE], bridge }, { name: 'two', addresses: [TWO], bridge }];

const stage = new Peers();
const guests = new Peers();
let gateway: TestGateway;
let phone: AgentPhone;
let screen: ScreenClient;
let enginesPid: number | undefined;
let log: string[] = [];
/** Names on the agent's screen. */
let shown: string[] = [];
let citizens = 0;
/** The attacker's own code: valid, and to be taken from nobody else. */
let attackers: string;

async function open(bridge: 'anchored' | 'released' = 'anchored', options: Partial<TestGatewayOptions> = {}): Promise<void> {
  log = [];
  shown = [];
  citizens = 0;
  phone = stage.add(await AgentPhone.open(45_000));
  gateway = stage.add(await TestGateway.start({ agents: [{ name: 'anna', phone: phone.uri }], trunks: trunks(bridge), logTo: { write: (line) => void log.push(line) }, ...options }));
  phone.gateway = gateway.sip;
  screen = stage.add(await gateway.screen('anna'));
  screen.onPop = ({ name }) => shown.push(name ?? 'nobody');
  enginesPid = gateway.gateway.engines?.pid;
  attackers = await gateway.citizen({ fullname: 'Attacker' });
}

const udp = async (host: string): Promise<RawSocket> => guests.add(await RawSocket.open(gateway.sip, 0, host));
const tcp = async (host: string): Promise<RawSocket> => guests.add(await RawSocket.connect(gateway.sip, host));
/** Sockets that have no call. */
let villains: RawSocket[] = [];
async function villain(host: string, transport: 'udp' | 'tcp' = 'udp'): Promise<RawSocket> {
  const socket = await (transport === 'udp' ? udp : tcp)(host);
  villains.push(socket);
  return socket;
}
const uri = (): string => `sip:${dialled}@${gateway.sip.host}:${gateway.sip.port}`;

/** What was sent before by UDP has been looked at when this is answered. */
async function ping(from = TWO): Promise<void> {
  const trunk = await udp(from);
  expect(status(await askAlone(trunk, trunk.request('OPTIONS', uri(), {})))).toBe(200);
}

const moments = ['collecting', 'waiting', 'ringing', 'connected'] as const;
type Moment = (typeof moments)[number];

/** A citizen's call at a moment of its life. */
interface Scene {
  readonly caller: RawSocket;
  readonly call: RawCall;
  readonly code: string;
  readonly name: string;
  moment: Moment;
  readonly since: number;
  /** Its legs: the caller's, and the agent's once there is one. */
  legs(): Names[];
}

const living: RawCall[] = [];

async function sceneAt(moment: Moment, transport: 'udp' | 'tcp' = 'udp'): Promise<Scene> {
  citizens += 1;
  const name = `Citizen ${citizens}`;
  const code = await gateway.citizen({ fullname: name });
  const since = performance.now();
  phone.picksUp = moment === 'connected';
  screen.setAvailable(moment !== 'waiting');
  const caller = await (transport === 'udp' ? udp : tcp)(ONE);
  const call = await RawCall.make(caller, { port: 45_100 } as RawSocket, dialled, {}, offer(45_100).replaceAll(PHONES, ONE));
  living.push(call);
  const legs = (): Names[] => {
    const of = { invite: call.invite, theirs: header(call.invite, 'From'), ours: header(call.answer, 'To', 't'), uri: /<([^>]+)>/.exec(header(call.answer, 'Contact', 'm'))![1]! };
    return [of, ...(scene.moment === 'ringing' || scene.moment === 'connected' ? [phone.names()] : [])];
  };
  const scene: Scene = { caller, call, code, name, moment, since, legs };
  if (moment !== 'collecting') await identify(scene);
  return scene;
}

/** Types the code, and waits for what comes of it. */
async function identify(scene: Scene): Promise<void> {
  const rung = phone.calls.length;
  const accepted = () => gateway.metric(/^gateway_codes_total.*accepted/);
  const before = await accepted();
  await scene.call.press(`${scene.code}#`);
  if (scene.moment === 'waiting') return void (await until(async () => (await accepted()) > before, 'the code to be taken'));
  await until(() => phone.calls.length > rung, 'the agent’s phone to ring', 10_000, 5);
  if (scene.moment === 'connected') await connected(scene);
}

async function connected({ since, name }: Scene): Promise<void> {
  await screen.told('connected', { since });
  expect(screen.shown?.name).toBe(name);
  await until(() => phone.last!.acknowledged, 'the ACK to the agent’s phone', 5_000, 5);
}

/** The call goes on from where it was, to its end: connected, both legs may ask for something, hung up. */
async function goesOn(scene: Scene): Promise<void> {
  const { call, caller } = scene;
  expect(call.ended).toBe(false);
  expect(gateway.gateway.calls).toBe(1);
  if (scene.moment !== 'connected') {
    const before = scene.moment;
    scene.moment = 'connected';
    phone.picksUp = true;
    screen.setAvailable(true);
    if (before === 'collecting') await identify(scene);
    else {
      if (before === 'ringing') phone.pickUp();
      await connected(scene);
    }
  }
  expect(screen.shown?.name).toBe(scene.name);
  // Its own next requests are taken, whatever numbers others have used.
  expect(await call.ask('OPTIONS')).toBe(200);
  expect(await phone.ask('OPTIONS')).toBe(200);
  expect(screen.shown?.name).toBe(scene.name);
  expect(phone.last!.ended).toBe(false);
  living.length = 0;
  expect(await call.hangup()).toBe(200);
  await until(() => phone.last!.ended, 'BYE to the agent’s phone', 5_000, 5);
  await until(() => screen.shown === undefined, 'the screen to be empty', 5_000, 5);
  await allIsWell();
  for (const { heard } of [caller, phone.socket]) expect(heard.filter(({ text }) => text.includes(`m=audio ${evilPort}`))).toEqual([]);
  for (const villain of villains) expect([requestsTo(villain), descriptionsTo(villain)], `${villain.host} by ${villain.protocol}`).toEqual([[], []]);
}

/** Nothing is left, nobody but citizens was shown, and no code but theirs was tried. */
async function allIsWell(): Promise<void> {
  await gateway.untilEmpty();
  expect(shown.filter((name) => !/^Citizen \d+$/.test(name))).toEqual([]);
  for (const outcome of ['refused', 'mistyped']) expect(await gateway.metric(new RegExp(`^gateway_codes_total.*${outcome}`))).toBe(0);
  expect(log.filter((line) => /unexpected|unhandled|effect failed|engines died|did not end in time/.test(line))).toEqual([]);
  expect(gateway.gateway.engines?.pid).toBe(enginesPid);
  expect(gateway.gateway.health().status).toBe('ready');
}

afterEach(async () => {
  villains = [];
  // What a failed test leaves must not fail the next one.
  await Promise.all(living.splice(0).map((call) => call.hangup().catch(() => undefined)));
  await guests.stopAll();
});

/** An INVITE by the name of what lives is no call. A real server may find that it is in the way of one of its own. */
const merged = realEngines ? [482, 491] : [482];

describe.each(['anchored', 'released'] as const)('a citizen’s call (%s)', (bridge) => {
  beforeAll(() => open(bridge));
  afterAll(() => stage.stopAll());

  describe('and another INVITE by its name', () => {
    it.each(moments.flatMap((moment) => (['udp', 'tcp'] as const).map((transport) => [moment, transport] as const)))('%s, by %s: refused, whoever sends it and however it is tagged and numbered', async (moment, transport) => {
      const scene = await sceneAt(moment, moment === 'collecting' ? 'tcp' : 'udp');
      for (const names of scene.legs()) {
        for (const host of [ONE, TWO]) {
          const socket = await villain(host, transport);
          for (const tag of ['theirs', 'ours'] as const) {
            for (const cseq of [seqOf(names.invite), seqOf(names.invite) + 7]) {
              const answer = await askAlone(socket, inviteNamed(socket, names, tag, cseq));
              expect(merged, `${host}, ${tag}, ${cseq}: ${answer.split('\r\n', 1)[0]}`).toContain(status(answer));
            }
          }
        }
      }
      await goesOn(scene);
    });

    it('while the first has no answer yet: the first is answered', async () => {
      citizens += 1;
      const caller = await udp(ONE);
      const others = [await villain(ONE), await villain(TWO)];
      const invite = caller.request('INVITE', uri(), {}, offer(45_100));
      const names = { invite, theirs: header(invite, 'From'), ours: '', uri: uri() };
      const copies = others.flatMap((socket) => [1, 8].map((cseq) => [socket, inviteNamed(socket, names, 'theirs', cseq)] as const));
      caller.send(invite);
      for (const [socket, copy] of copies) socket.send(copy);
      const answer = await caller.finalFor(invite);
      expect(status(answer)).toBe(200);
      for (const [socket, copy] of copies) {
        await until(() => answersTo(socket, copy).length > 0, 'the answer to the other INVITE');
        expect(merged).toContain(status(answersTo(socket, copy)[0]!));
        expect([requestsTo(socket), descriptionsTo(socket)]).toEqual([[], []]);
      }
      expect(gateway.gateway.calls).toBe(1);
      expect(status(await hangUp(caller, invite, answer))).toBe(200);
      await gateway.untilEmpty();
    });

    it('after its end: no call, or a new one that knows nothing of it', async () => {
      const scene = await sceneAt('connected');
      const [names] = scene.legs();
      await goesOn(scene);
      for (const host of [ONE, TWO]) {
        for (const cseq of [seqOf(names!.invite), seqOf(names!.invite) + 7]) {
          const socket = await udp(host);
          const invite = inviteNamed(socket, names!, 'theirs', cseq);
          const answer = await askAlone(socket, invite);
          expect([200, ...merged]).toContain(status(answer));
          if (status(answer) !== 200) continue;
          expect(status(await hangUp(socket, invite, answer))).toBe(200);
          await gateway.untilEmpty();
        }
      }
      expect(screen.shown).toBeUndefined();
      expect(shown.filter((name) => name === scene.name)).toHaveLength(1);
    });

    it.each(moments)('the very same again, %s: a copy, and no other call', async (moment) => {
      const scene = await sceneAt(moment);
      const { caller, call } = scene;
      for (let copy = 0; copy < 3; copy += 1) caller.send(call.invite);
      await ping();
      // Somebody else’s copy is nobody’s.
      const others = [await villain(TWO), await villain(STRANGER)];
      for (const socket of others) socket.send(call.invite);
      await ping();
      const answers = caller.heard.map(({ text }) => text).filter((text) => isFor(text, callIdOf(call.invite)) && /INVITE$/.test(header(text, 'CSeq')) && text.startsWith('SIP/2.0'));
      expect(answers.filter((text) => ![100, 200].includes(status(text)))).toEqual([]);
      expect(new Set(answers.filter((text) => status(text) === 200).map((text) => header(text, 'To', 't'))).size).toBe(1);
      for (const socket of others) expect(socket.heard).toEqual([]);
      await goesOn(scene);
    });

    it('by two routes of one SBC, which gives up one of them', async () => {
      const [first, second] = [await udp(ONE), await villain(ONE)];
      citizens += 1;
      const code = await gateway.citizen({ fullname: `Citizen ${citizens}` });
      const lines = { From: `<sip:0612345678@${ONE}>;tag=sbc${citizens}`, 'Call-ID': `sbc${citizens}@${ONE}` };
      const other = second.request('INVITE', uri(), lines, offer(evilPort));
      phone.picksUp = true;
      screen.setAvailable(true);
      const since = performance.now();
      const making = RawCall.make(first, { port: 45_100 } as RawSocket, dialled, lines);
      second.send(other);
      second.send(other.replace(/^INVITE /, 'CANCEL ').replace(/^CSeq:.*$/m, 'CSeq: 1 CANCEL').replace(/^Content-.*\r\n/gm, '').replace(/\r\n\r\n[\s\S]*$/, '\r\nContent-Length: 0\r\n\r\n'));
      const call = await making;
      expect([...merged, 487]).toContain(status(answersTo(second, other).find((text) => header(text, 'CSeq').endsWith('INVITE')) ?? ''));
      const legs = (): Names[] => [];
      await goesOn({ caller: first, call, code, name: `Citizen ${citizens}`, moment: 'collecting', since, legs });
    });
  });

  describe('and requests by its name from elsewhere', () => {
    it('CANCEL of an INVITE that has no answer yet: only its caller’s own ends it', async () => {
      for (const own of [false, true]) {
        const caller = await udp(ONE);
        const others = [await villain(TWO), await villain(STRANGER), await villain(PHONES)];
        const invite = caller.request('INVITE', uri(), {}, offer(45_100));
        const names = { invite, theirs: header(invite, 'From'), ours: header(invite, 'To'), uri: uri() };
        caller.send(invite);
        for (const socket of others) socket.send(forged(socket, 'CANCEL', names));
        if (own) caller.send(forged(caller, 'CANCEL', names));
        const answer = await caller.finalFor(invite);
        expect(status(answer)).toBe(own ? 487 : 200);
        await ping();
        expect(others.map(({ heard }) => heard.map(({ text }) => status(text)))).toEqual([[481], [], []]);
        if (!own) expect(status(await hangUp(caller, invite, answer))).toBe(200);
        await gateway.untilEmpty();
      }
    });

    it.each(moments)('%s: nothing is obeyed, and strangers hear nothing', async (moment) => {
      const scene = await sceneAt(moment);
      const heardBefore = () => [requestsTo(scene.caller).length, phone.last?.ended, gateway.gateway.calls];
      const before = heardBefore();
      for (const [leg, names] of scene.legs().entries()) {
        // Who is somebody else: of the agent’s leg the caller’s trunk too, of the caller’s leg the agent’s phone.
        for (const host of [STRANGER, ...(leg === 0 ? [PHONES] : [ONE])]) await attack(host, names);
        await attack(TWO, names);
      }
      expect(heardBefore()).toEqual(before);
      await goesOn(scene);
    });

    /** All there is, from one address, by both transports. */
    async function attack(host: string, names: Names): Promise<void> {
      const isTrunk = host === ONE || host === TWO;
      const socket = await villain(host);
      const stream = isTrunk ? await villain(host, 'tcp') : undefined;
      for (const swapped of [false, true]) {
        for (const method of methods) {
          for (const by of stream ? [socket, stream] : [socket]) {
            const request = forged(by, method, names, { swapped });
            if (isTrunk && method !== 'ACK') expect(refusals(method, swapped), `${host} ${by.protocol} ${method} ${swapped ? 'swapped' : ''}`).toContain(status(await askTo(by, request)));
            else by.send(request);
          }
          if (!isTrunk) await byConnection(host, forged(socket, method, names, { swapped }));
        }
      }
      for (const request of forgedKeys(socket, names, `${attackers}#`)) socket.send(request);
      await ping();
      if (!isTrunk) expect(socket.heard.map(({ text }) => text.split('\r\n', 1)[0])).toEqual([]);
    }
  });
});

/** What a real server does at a BYE, a CANCEL or a new session timer it does before the gateway is asked: the firewall’s part. */
const methods = forgedMethods.filter((method) => !realEngines || !['BYE', 'CANCEL', 'UPDATE'].includes(method));

/** What another trunk gets: in the direction in which the tags name no dialog it is an ordinary request for nothing. */
function refusals(method: string, swapped: boolean): number[] {
  if (method === 'CANCEL') return [481];
  if (!swapped) return [403];
  return method === 'OPTIONS' ? [200, 403, 481] : [403, 405, 481];
}

/** CANCEL has the branch of somebody’s INVITE. */
async function askTo(socket: RawSocket, request: string): Promise<string> {
  if (!request.startsWith('CANCEL ')) return askAlone(socket, request);
  const before = socket.heard.length;
  socket.send(request);
  return (await until(() => socket.heard.slice(before).find(({ text }) => header(text, 'CSeq').endsWith('CANCEL')), 'the answer to CANCEL')).text;
}

/** By a stranger’s connection, which is closed for it and never answered. */
async function byConnection(host: string, request: string): Promise<void> {
  if (realEngines) return;
  const stream = await villain(host, 'tcp');
  stream.send(request.replace('SIP/2.0/UDP', 'SIP/2.0/TCP'));
  await until(() => stream.closed, 'the stranger’s connection to be closed', 9_000, 5);
  expect(stream.heard).toEqual([]);
}

function hangUp(socket: RawSocket, invite: string, answer: string): Promise<string> {
  const contact = /<([^>]+)>/.exec(header(answer, 'Contact', 'm'))![1]!;
  const lines = { From: header(invite, 'From'), To: header(answer, 'To', 't'), 'Call-ID': callIdOf(invite) };
  socket.send(socket.request('ACK', contact, { ...lines, CSeq: `${seqOf(invite)} ACK` }));
  return askAlone(socket, socket.request('BYE', contact, { ...lines, CSeq: `${seqOf(invite) + 1} BYE` }));
}
