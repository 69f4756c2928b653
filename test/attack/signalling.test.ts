/**
 * Attackers that stay, with SIP: strangers, the other trunk, an agent's telephone, each with all the names of a citizen's
 * call, which stand in logs. Whatever they send, at whatever moment: the call goes on as if they were not there, and its
 * voices, its name and its end are nobody else's (docs/whose-call.md).
 */
import type { EventEmitter } from 'node:events';
import pino from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ScreenClient } from '../../gateway/demo/screen-client.js';
import { header, offer, RawCall, RawSocket, status } from '../e2e/raw-sip.js';
import { dialled } from '../e2e/support.js';
import { SipNode } from '../../gateway/sip/node.js';
import { Trunks } from '../../gateway/sip/trunks.js';
import { freePort, Peers, sleep, until } from '../peers/index.js';
import { startMediaServer, type MediaServer } from '../../gateway/engines/media-server/index.js';
import { startSipServer, type SipServer } from '../../gateway/engines/sip-server/index.js';
import { realEngines, TestGateway, type TestGatewayOptions } from '../support/gateway.js';
import { AgentPhone, answersTo, askAlone, callIdOf, descriptionsTo, evilHost, evilOffer, evilPort, forged, forgedKeys, forgedMethods, inviteNamed, isFor, requestsTo, seqOf, type Names } from './forged.js';

const ONE = '127.0.0.2';
const TWO = '127.0.0.3';
const PHONES = '127.0.0.1';
const STRANGER = '127.0.0.9';
/** Telephones that talk with callers directly are behind a trunk that says so. */
const RELEASED_PHONES = '127.0.0.4';
const trunks = (bridge: 'anchored' | 'released') => [{ name: 'one', addresses: [ONE], bridge }, { name: 'two', addresses: [TWO], bridge }, ...(bridge === 'released' ? [{ name: 'phones', addresses: [RELEASED_PHONES], bridge }] : [])];

const stage = new Peers();
const guests = new Peers();
let gateway: TestGateway;
let phone: AgentPhone;
let screen: ScreenClient;
/** Where attackers want the voice. */
let evil: RawSocket;
let enginesPid: number | undefined;
let log: string[] = [];
/** Names on the agent's screen. */
let shown: string[] = [];
let citizens = 0;
/** The attacker's own code: valid, and to be taken from nobody else. */
let attackers: string;

/** @param colleagues agents with the same telephone; one whose phone has failed rests for a while */
async function open(bridge: 'anchored' | 'released' = 'anchored', { colleagues = [], ...options }: Partial<TestGatewayOptions> & { colleagues?: string[] } = {}): Promise<void> {
  log = [];
  shown = [];
  citizens = 0;
  phone = stage.add(await AgentPhone.open(45_000, bridge === 'released' ? RELEASED_PHONES : PHONES));
  gateway = stage.add(await TestGateway.start({ agents: ['anna', ...colleagues].map((name) => ({ name, phone: phone.uri.replace('anna', name) })), trunks: trunks(bridge), logTo: { write: (line) => void log.push(line) }, ...options }));
  phone.gateway = gateway.sip;
  evil = stage.add(await RawSocket.open(gateway.sip, evilPort, evilHost));
  screen = stage.add(await gateway.screen('anna'));
  screen.onPop = ({ name }) => shown.push(name ?? 'nobody');
  for (const name of colleagues) (stage.add(await gateway.screen(name))).onPop = (pop) => shown.push(pop.name ?? 'nobody');
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
  expect(evil.heard).toHaveLength(0);
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

/** An INVITE by the name of what lives is no call. A real server may find that it is in the way of one of its own, or take it for one within the dialog. */
const merged = realEngines ? [403, 480, 482, 491] : [482];

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
          // Its own voice, should it be a call.
          const invite = inviteNamed(socket, names!, 'theirs', cseq).replace(`m=audio ${evilPort} `, 'm=audio 9996 ');
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

    // A real server looks for both by the Call-ID while none is answered, and refuses or ends either.
    it.skipIf(realEngines)('by two routes of one SBC, which gives up one of them', async () => {
      const [first, second] = [await udp(ONE), await villain(ONE)];
      citizens += 1;
      const code = await gateway.citizen({ fullname: `Citizen ${citizens}` });
      const lines = { From: `<sip:0612345678@${ONE}>;tag=sbc${citizens}`, 'Call-ID': `sbc${citizens}@${ONE}` };
      const other = second.request('INVITE', uri(), lines, evilOffer);
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
    // A real server obeys a CANCEL before the gateway is asked: the firewall’s part (docs/docker.md).
    it.skipIf(realEngines)('CANCEL of an INVITE that has no answer yet: only its caller’s own ends it', async () => {
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

    it('ACK of a call without an offer: only its caller’s own says where the voice goes', async () => {
      const caller = await udp(ONE);
      const media = await udp(ONE);
      const others = [await villain(TWO), await villain(STRANGER), await villain(PHONES)];
      const invite = caller.request('INVITE', uri(), {});
      const answer = await caller.ask(invite);
      const names = { invite, theirs: header(invite, 'From'), ours: header(answer, 'To', 't'), uri: /<([^>]+)>/.exec(header(answer, 'Contact', 'm'))![1]! };
      for (const socket of others) socket.send(forged(socket, 'ACK', names));
      await ping();
      caller.send(caller.request('ACK', names.uri, { From: names.theirs, To: names.ours, 'Call-ID': callIdOf(invite), CSeq: `${seqOf(invite)} ACK` }, offer(media.port).replaceAll(PHONES, ONE)));
      await until(() => media.heard.length > 5, 'the caller to hear the gateway');
      expect(status(await askAlone(caller, caller.request('BYE', names.uri, { From: names.theirs, To: names.ours, 'Call-ID': callIdOf(invite), CSeq: `${seqOf(invite) + 1} BYE` })))).toBe(200);
      await allIsWell();
    });

    it.each(moments)('%s: nothing is obeyed, and strangers hear nothing', async (moment) => {
      const scene = await sceneAt(moment);
      const heardBefore = () => [requestsTo(scene.caller).length, phone.last?.ended, gateway.gateway.calls];
      const before = heardBefore();
      for (const [leg, names] of scene.legs().entries()) {
        // A real server that got those in a dialog that rings does not tell of the phone’s answer: the firewall’s part.
        if (realEngines && moment === 'ringing' && leg > 0) continue;
        // Who is somebody else: of the agent’s leg the caller’s trunk too, of the caller’s leg the agent’s phone.
        for (const host of [STRANGER, ...(leg === 0 ? [phone.socket.host] : [ONE])]) await attack(host, names);
        await attack(TWO, names);
      }
      expect(heardBefore()).toEqual(before);
      await goesOn(scene);
    });

    /** All there is, from one address, by both transports. */
    async function attack(host: string, names: Names): Promise<void> {
      const isTrunk = trunks(bridge).some(({ addresses }) => addresses.includes(host));
      const socket = await villain(host);
      const stream = isTrunk ? await villain(host, 'tcp') : undefined;
      for (const swapped of [false, true]) {
        for (const method of methods) {
          for (const by of stream ? [socket, stream] : [socket]) {
            const request = forged(by, method, names, { swapped });
            if (isTrunk && method !== 'ACK' && !realEngines) expect(refusals(method, swapped), `${host} ${by.protocol} ${method} ${swapped ? 'swapped' : ''}`).toContain(status(await askTo(by, request)));
            else by.send(request);
          }
          if (!isTrunk) await byConnection(host, forged(socket, method, names, { swapped }));
        }
      }
      for (const request of forgedKeys(socket, names, `${attackers}#`)) socket.send(request);
      await ping();
      // A real server says 100, and answers some of it without asking the gateway: nothing that tells of the call.
      const told = socket.heard.filter(({ text }) => !isTrunk || !header(text, 'CSeq').endsWith('OPTIONS')).map(({ text }) => status(text)).filter((code) => !realEngines || ![100, 403, 405, 480, 481, 482, 500, 501].includes(code));
      if (!isTrunk || realEngines) expect(told).toEqual([]);
    }
  });

  // A real server goes on with the address that the answer came from.
  it.skipIf(realEngines)('to an agent’s phone that names another address for what follows: that one acts in it as well', async () => {
    const other = await udp('127.0.0.5');
    other.onRequest = (text) => text.startsWith('ACK ') || other.respond(text, '200 OK', {}, text.startsWith('INVITE ') ? offer(45_000) : '');
    phone.answer = { Contact: other.contact };
    guests.defer(() => (phone.answer = {}));
    const scene = await sceneAt('ringing');
    phone.pickUp();
    await until(() => requestsTo(other).some((text) => text.startsWith('ACK ')), 'the ACK', 5_000, 5);
    await screen.told('connected', { since: scene.since });
    expect(status(await askAlone(other, forged(other, 'OPTIONS', phone.names())))).toBe(200);
    expect(status(await askAlone(other, forged(other, 'BYE', phone.names())))).toBe(200);
    await until(() => screen.shown === undefined, 'the screen to be empty', 5_000, 5);
    await scene.call.hangup();
    living.length = 0;
    await allIsWell();
  });

  // A real server takes an answer by its branch alone: the firewall’s part.
  describe.skipIf(realEngines)('and answers by its name from elsewhere', () => {
    /** Everything that an answer can say, with our own branch. */
    function answerAll(sockets: readonly RawSocket[], invite: string): void {
      for (const line of ['180 Ringing', '183 Session Progress', '200 OK', '486 Busy Here', '302 Moved Temporarily', '407 Proxy Authentication Required', '481 Call/Transaction Does Not Exist', '603 Decline']) {
        for (const socket of sockets) socket.respond(invite, line, { 'Proxy-Authenticate': 'Digest realm="x", nonce="y"' }, /^(183|200)/.test(line) ? evilOffer : '', 'evil');
      }
    }
    const others = async () => [await villain(STRANGER), await villain(TWO), await villain(STRANGER, 'tcp'), await villain(TWO, 'tcp')];

    it('to our INVITE to the agent’s phone: only the phone’s own is taken', async () => {
      const scene = await sceneAt('ringing');
      const sockets = [...(await others()), await villain(ONE)];
      answerAll(sockets, phone.last!.invite);
      await ping();
      expect(screen.heard.filter(({ at, message }) => at > scene.since && message.type === 'connected')).toEqual([]);
      for (const socket of sockets) expect(socket.heard).toEqual([]);
      await goesOn(scene);
    });

    it('to an offer of ours within the call: only the caller’s own is taken', async () => {
      const scene = await sceneAt('ringing');
      const { caller } = scene;
      const usual = caller.onRequest!;
      const sockets = await others();
      let held: string | undefined;
      caller.onRequest = (text) => {
        if (!text.startsWith('INVITE ')) return usual(text);
        if (held === undefined) answerAll(sockets, text);
        held = text;
      };
      scene.moment = 'connected';
      phone.pickUp();
      if (bridge === 'released') {
        await until(() => held !== undefined, 'the re-INVITE to the caller', 5_000, 5);
        await ping();
        caller.onRequest = usual;
        usual(held!);
      }
      await connected(scene);
      for (const socket of sockets) expect(socket.heard.filter(({ text }) => !/^SIP\/2.0 400/.test(text))).toEqual([]);
      await goesOn(scene);
    });
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

/** Where nothing could be sent to. */
const nowhere: [string, string][] = [
  ['TLS', '<sip:x@127.0.0.2:5061;transport=tls>'], ['WebSocket', '<sip:x@127.0.0.2;transport=ws>'], ['sips:', '<sips:x@127.0.0.2>'], ['any address', '<sip:x@0.0.0.0:5060>'],
  ['many addresses', '<sip:x@224.0.0.1>'], ['an address of another family', '<sip:x@[::1]:5060>'],
];
/** What is no SIP address. */
const noAddress: [string, string][] = [
  ['tel:', '<tel:+31612345678>'], ['everything', '*'], ['garbage', 'x y z'], ['no host', '<sip:>'], ['a bad one behind a good one', '<sip:x@127.0.0.2:5060>, <tel:+31612345678>'], ['a bad one before a good one', '<mailto:x@127.0.0.2>, <sip:x@127.0.0.2:5060>'],
];

describe('a peer whose Contact', () => {
  beforeAll(() => open());
  afterAll(() => stage.stopAll());
  afterEach(allIsWell);

  it.each(nowhere)('leads nowhere (%s): its INVITE is refused at once', async (_what, contact) => {
    for (const trunk of [await udp(ONE), await tcp(TWO)]) {
      expect(status(await askAlone(trunk, trunk.request('INVITE', uri(), { Contact: contact }, offer(45_100))))).toBe(400);
      // What comes first on the way back counts.
      const routed = trunk.request('INVITE', uri(), { 'Record-Route': `${contact.replace('>', ';lr>')}, <sip:127.0.0.2;lr>` }, offer(45_100));
      expect(status(await askAlone(trunk, routed))).toBe(400);
    }
  });

  it.each(noAddress)('is no SIP address (%s): nothing at all is answered, whatever it asks for', async (_what, contact) => {
    const trunk = await udp(ONE);
    for (const method of ['INVITE', 'SUBSCRIBE', 'OPTIONS', 'MESSAGE', 'INFO']) trunk.send(trunk.request(method, uri(), { Contact: contact, Event: 'presence' }, method === 'INVITE' ? offer(45_100) : ''));
    await ping(ONE);
    expect(trunk.heard.filter(({ text }) => !realEngines || ![100, 400].includes(status(text)))).toEqual([]);
  });
});

/** SIP servers give up what nobody acknowledges or answers after 64 times T1: less than two seconds here. */
const timers = { t1Ms: 25, t2Ms: 200, t4Ms: 250 };
const secret = 'for tests';
const ownRtpPorts = { min: 30_700, max: 31_098 };
const listed = trunks('anchored').map(({ name, addresses }) => ({ name, addresses }));

const useless = [...nowhere, ...noAddress.filter(([what]) => !/behind/.test(what)), ['nothing', '']] as const;

describe.skipIf(realEngines)('whom nothing can be sent to', () => {
  let sip: SipServer;
  let media: MediaServer;
  beforeAll(async () => {
    sip = await startSipServer({ listen: { host: PHONES, port: 0 }, admin: { host: PHONES, port: 0 }, secret, peers: listed, timers });
    stage.defer(() => sip.close());
    media = await startMediaServer({ host: PHONES, sipPort: 0, eslPort: 0, secret, rtpPorts: ownRtpPorts });
    stage.defer(() => media.close());
    await open('anchored', { servers: { sip: { ...sip.admin, secret }, media: { ...media.esl, secret, profile: 'drachtio_mrf' }, address: sip.sip }, colleagues: useless.map((_case, n) => `colleague${n}`) });
  });
  afterAll(() => stage.stopAll());

  async function nothingStays(): Promise<void> {
    await allIsWell();
    await until(() => sip.stats().dialogs === 0 && media.stats().sessions === 0, 'the servers to be empty', 5_000, 5);
    expect(screen.shown).toBeUndefined();
  }

  it.each(useless)('an agent’s phone that answers with a Contact of no use (%s): it is as if it had refused, and nothing stays', async (_what, contact) => {
    const rung = phone.calls.length;
    phone.answer = { Contact: contact };
    const { call, name } = await sceneAt('ringing');
    phone.pickUp();
    // The next agent’s is rung, and answers as phones do.
    await until(() => phone.calls.length === rung + 2, 'another agent’s phone to ring', 5_000, 5);
    phone.answer = {};
    phone.pickUp();
    await until(() => phone.last!.acknowledged, 'the ACK', 5_000, 5);
    expect(shown.at(-1)).toBe(name);
    expect(phone.calls[rung]!.acknowledged).toBe(false);
    expect(await call.hangup()).toBe(200);
    living.length = 0;
    await nothingStays();
  });

  it('a caller that never acknowledges: its call ends by itself', async () => {
    const caller = await udp(ONE);
    const call = await RawCall.make(caller, { port: 45_100 } as RawSocket, dialled, {}, offer(45_100), false);
    await until(() => call.ended, 'BYE for want of an ACK', 5_000, 5);
    await nothingStays();
  });

  it('a caller whose connection closes before its ACK: its call ends at once', async () => {
    const caller = await tcp(ONE);
    await RawCall.make(caller, { port: 45_100 } as RawSocket, dialled, {}, offer(45_100), false);
    const closedAt = performance.now();
    await caller.stop();
    await nothingStays();
    expect(performance.now() - closedAt).toBeLessThan(64 * timers.t1Ms);
  });
});

describe('what a listed trunk asks for', () => {
  beforeAll(() => open());
  afterAll(() => stage.stopAll());

  it.each(['udp', 'tcp'] as const)('by %s at an address of an unknown kind, or with what nobody knows: it is told so', async (transport) => {
    const trunk = await (transport === 'udp' ? udp : tcp)(ONE);
    for (const method of ['OPTIONS', 'INVITE']) {
      const content = method === 'INVITE' ? offer(45_100) : '';
      for (const scheme of ['urn:service:sos', 'mailto:x@example.org', 'nobody:knows']) {
        expect(status(await askAlone(trunk, trunk.request(method, scheme, { To: `<${uri()}>` }, content))), scheme).toBe(416);
      }
      const refusal = await askAlone(trunk, trunk.request(method, uri(), { Require: 'nobody-knows, timer' }, content));
      expect([status(refusal), header(refusal, 'Unsupported')]).toEqual([420, 'nobody-knows']);
    }
    await gateway.untilEmpty();
  });
});

describe.each(['silent', 'refused'] as const)('strangers (%s)', (strangers) => {
  beforeAll(() => open('anchored', { strangers }));
  afterAll(() => stage.stopAll());

  // A real server answers some of it by itself, and repeats what it answers to an INVITE: the firewall’s part.
  it.skipIf(realEngines)('hear nothing, or one 403 for each packet, whatever they send; some lines of the log name them, and all are counted', async () => {
    const invites = () => gateway.metric(/^gateway_invites_refused_total\{cause="stranger"\}/);
    const before = await invites();
    const sockets = await Promise.all([STRANGER, '127.0.0.10', PHONES].map((host) => villain(host)));
    const methods = ['INVITE', 'OPTIONS', 'REGISTER', 'SUBSCRIBE', 'MESSAGE', 'INFO', 'BYE', 'CANCEL', 'FOO'];
    const rounds = 5;
    const sent = new Map<RawSocket, string[]>(sockets.map((socket) => [socket, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const socket of sockets) {
        for (const method of methods) {
          const request = socket.request(method, uri(), {}, method === 'INVITE' ? evilOffer : '');
          sent.get(socket)!.push(request);
          socket.send(request);
        }
        for (const rubbish of ['INVITE', '\0', 'GET / HTTP/1.1\r\n\r\n', 'SIP/2.0 200 OK\r\n\r\n', `OPTIONS ${uri()} SIP/2.0\r\n\r\n`]) socket.send(rubbish);
      }
    }
    await ping();
    // Nothing is repeated either: T1 is half a second.
    await sleep(700);
    await ping();
    for (const socket of sockets) {
      const requests = sent.get(socket)!;
      if (strangers === 'silent') expect(socket.heard.map(({ text }) => text.split('\r\n', 1)[0])).toEqual([]);
      else {
        expect(requests.map((request) => answersTo(socket, request).map(status))).toEqual(requests.map(() => [403]));
        expect(socket.heard).toHaveLength(requests.length);
      }
    }
    await until(async () => (await invites()) - before === sockets.length * rounds, 'every INVITE to be counted');
    const lines = log.filter((line) => line.includes('no trunk lists'));
    for (const { host } of sockets) expect(lines.filter((line) => line.includes(`"from":"${host}"`))).toHaveLength(1);
    await gateway.untilEmpty();
  });

  // Connections are the firewall’s part with a real server.
  it.skipIf(realEngines)('who open connections without end take nobody’s place: a trunk’s is taken at once, theirs are closed', async () => {
    const hosts = [STRANGER, '127.0.0.10'];
    const theirs = (await Promise.allSettled(hosts.flatMap((host) => Array.from({ length: 300 }, () => villain(host, 'tcp'))))).flatMap((opened) => (opened.status === 'fulfilled' ? [opened.value] : []));
    expect(theirs.length).toBeGreaterThan(0);
    const began = performance.now();
    const trunk = await tcp(ONE);
    const call = await RawCall.make(trunk, { port: 45_100 } as RawSocket, dialled);
    expect(performance.now() - began).toBeLessThan(1_000);
    // None of them keeps its place by talking, nor by a message that has no end.
    for (const socket of theirs) socket.send('OPTIONS sip:x SIP/2.0\r\nVia: ');
    await until(() => theirs.every(({ closed }) => closed), 'the strangers’ connections to be closed', 9_000);
    expect(theirs.flatMap(({ heard }) => heard)).toEqual([]);
    expect(trunk.closed).toBe(false);
    expect(await call.hangup()).toBe(200);
    await gateway.untilEmpty();
  });
});

/** drachtio-srf waits longer after each attempt in vain, without end if nobody sets one (3 s, gateway/sip/node.ts). */
describe.skipIf(realEngines)('a SIP server that was away for long', () => {
  it('is connected within three seconds of its coming back', async () => {
    const port = await freePort();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    guests.defer(() => vi.useRealTimers());
    const node = new SipNode({ host: PHONES, port, secret: { reveal: () => secret } } as never, [], {} as never, { trunks: new Trunks([]), strangers: 'silent' }, pino({ enabled: false }));
    guests.defer(() => node.close());
    const attempts = node.srf as unknown as EventEmitter;
    let delay = 0;
    for (let attempt = 0; attempt < 60; attempt += 1) {
      ({ delay } = await new Promise<{ delay: number }>((resolve) => attempts.once('reconnecting', resolve)));
      expect(delay).toBeLessThanOrEqual(3_000);
      if (attempt < 59) vi.advanceTimersByTime(delay);
    }
    expect(delay).toBe(3_000);
    const server = await startSipServer({ listen: { host: PHONES, port: 0 }, admin: { host: PHONES, port }, secret });
    guests.defer(() => server.close());
    const connected = new Promise<void>((resolve) => node.once('changed', resolve));
    vi.advanceTimersByTime(delay);
    await connected;
    expect(node.connected).toBe(true);
  });
});
