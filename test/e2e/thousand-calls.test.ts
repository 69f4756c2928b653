/**
 * A thousand calls of every kind on Redis, at log level debug; then everything that a gateway leaves where others can
 * read it is searched for everything that is private. Redis is watched in three ways: every command it is ever sent,
 * every value under every key while sessions are alive and afterwards, and its memory as it would go to disk.
 */
import { once } from 'node:events';
import dgram from 'node:dgram';
import { request, type IncomingMessage } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { generateCode, hasRightCheckDigit } from '../../core-bridge/index.js';
import type { ScreenClient } from '../../gateway/demo/screen-client.js';
import { callStatePackage, type CallState } from '../../gateway/phone/index.js';
import { SipPhones, type PhoneDialog } from '../bench/load/sip-phones.js';
import { Peers, sleep, startRedis, until } from '../peers/index.js';
import { redisStore, TestGateway } from '../support/gateway.js';
import { Needles } from '../support/needles.js';
import { RedisSpy } from '../support/redis-spy.js';
import { TestCore } from '../support/test-core.js';
import { dialled } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

const calls = Number(process.env['SOAK_CALLS'] ?? 1_000);
/** On the line at one time; more than there are agents, so that some wait. */
const atOnce = 50;
const agentCount = 40;
/**
 * Nobody picks up sooner, in ms. Without it a quick machine gives each agent several calls a second, and their pages say
 * more than a page of a person would, for which the gateway closes them.
 */
const pickUpMs = 500;
/** Callers who identify themselves while nobody is at the desk. */
const invitedByVoice = 12;
const lifetimeSeconds = 30;
/** Patience for a machine that has other things to do. */
const soonMs = 60_000;
const unauthenticatedPurpose = 'ask_something';

// ---- what is private -------------------------------------------------------------------------------------------------

const needles = new Needles();
const secrets = { attribute: 0, code: 0, token: 0, pairingCode: 0, ticket: 0, result: 0 };
function secret(kind: keyof typeof secrets, text: string): string {
  secrets[kind] += 1;
  needles.add(`${kind} ${text.slice(0, 80)}`, text);
  return text;
}

/** Somebody whose attributes occur nowhere by chance. */
function person(i: number): Record<'fullname' | 'city' | 'bsn', string> {
  const odd = (i * 7_368_787) % 99_999_989;
  return {
    fullname: secret('attribute', `Wilhelmina Xántippe-Qvist ${odd.toString(36)}`),
    city: secret('attribute', `Zuidoostbeemsterveen-${odd.toString(36)}`),
    bsn: secret('attribute', `9${odd.toString().padStart(8, '0')}`),
  };
}

/** Guesses are counted for a day, and the test takes its time. */
const nearMs = 3 * 86_400_000;

/**
 * Any ten digits of a moment in ms, of a span or of a number with its fraction may be somebody's code by chance; so may
 * those of the callers' numbers, and of numbers that SIP and SDP have made at random.
 */
function withoutNumbers(text: string): string {
  return text
    .replace(/\d+\.\d{5,}/g, '<span>')
    .replace(/(?<!\d)\d{13}(?!\d)/g, (ms) => (Math.abs(Number(ms) - Date.now()) < nearMs ? '<moment>' : ms))
    .replace(/(?<!\d)0610\d{6}(?!\d)/g, '<caller>')
    .replace(/^CSeq: \d+/gm, 'CSeq: <number>')
    .replace(/^(o=\S+) \d+ \d+/gm, '$1 <session> <version>');
}

/**
 * Identifiers made at random (branches, tags, Call-IDs, UUIDs) hold the digits of some code by chance, in one run of some
 * ten. What is written into them on purpose would be found there for many codes.
 */
const isRandomWord = (word: string): boolean => /^(z9hG4bK)?(?=[0-9]*[a-f])[0-9a-f]{12,}$/.test(word);
const mostByChance = 1;

/** A request from an address of its own, as every citizen has one. */
async function browse(who: number, url: string, form?: Record<string, string>): Promise<{ status: number; location?: string; page: string }> {
  const asked = request(url, {
    localAddress: `127.1.${(who >> 8) & 255}.${who & 255}`,
    agent: false,
    ...(form && { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
  });
  asked.end(form && new URLSearchParams(form).toString());
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return { status: answer.statusCode!, ...(answer.headers.location !== undefined && { location: answer.headers.location }), page: Buffer.concat(chunks).toString('utf8') };
}

/** While Redis is looked at, on a machine that has other things to do, it may not answer soon enough. Whoever is told so tries again. */
async function patiently<T extends { readonly status: number }>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    const answer = await ask();
    if (answer.status !== 503 || tries === 20) return answer;
    await sleep(500);
  }
}

// ---- telephones ------------------------------------------------------------------------------------------------------

/** Where phones say their audio is; nobody listens there. */
const silentSdp = (port: number): string => ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', `m=audio ${port} RTP/AVP 8 101`, 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:101 telephone-event/8000', 'a=sendrecv', ''].join('\r\n');

class Agent {
  dialog: PhoneDialog | undefined;
  constructor(readonly screen: ScreenClient) {}

  get fields(): Record<string, string> | null | undefined {
    return this.screen.shown?.fields;
  }

  /** Waits for something said about this call. */
  told<T extends ScreenClient['heard'][number]['message']['type']>(type: T, callId: string): Promise<Extract<ScreenClient['heard'][number]['message'], { type: T }>> {
    return until(() => this.screen.heard.findLast(({ message }) => message.type === type && 'callId' in message && message.callId === callId)?.message as never, `the screen to be told ${type}`, soonMs);
  }
}

it('nothing private of a thousand calls is in Redis, logs, metrics or SIP', async () => {
  const lines: string[] = [];
  const metrics: string[] = [];
  const sip: string[] = [];
  const redis = peers.add(await startRedis());
  const spy = peers.add(await RedisSpy.on(redis));
  const core = peers.add(await TestCore.start());
  const [phones, agentPhones] = await Promise.all([SipPhones.open('127.0.0.1'), SipPhones.open('127.0.0.1')]);
  for (const each of [phones, agentPhones]) {
    peers.defer(() => each.close());
    each.onMessage = (message) => void sip.push(message.toString());
  }
  const nobodyListens = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  peers.defer(() => void nobodyListens.close());
  await once(nobodyListens, 'listening');
  const sdp = silentSdp(nobodyListens.address().port);

  const gateway = peers.add(await TestGateway.start({
    agents: Array.from({ length: agentCount }, (_, i) => ({ name: `agent${i}`, phone: `sip:agent${i}@${agentPhones.address}` })),
    store: redisStore(redis), alone: true, core, clientUrl: 'page', unauthenticatedPurposes: [unauthenticatedPurpose],
    // So many wrong codes would otherwise wait for their turns, which test/e2e/attack.test.ts is about.
    codes: { lifetimeSeconds, longestLifetimeSeconds: lifetimeSeconds, guesses: { freeInTotal: 10_000, freePerTrunk: 10_000 } },
    calls: { ackTimeoutMs: 10_000 },
    logLevel: 'debug', logTo: { write: (line) => void lines.push(line) },
  }));
  const { urls } = gateway.gateway;
  const readMetrics = async (): Promise<void> => void metrics.push(await (await fetch(`${urls.ops}/metrics`)).text());

  const agents = new Map<string, Agent>();
  /** Whose phones are in a call with this number now. A phone that is no longer wanted when it answers is in one for a moment. */
  const talkingWith = new Map<string, Set<Agent>>();
  for (let i = 0; i < agentCount; i += 1) agents.set(`agent${i}`, new Agent(peers.add(await gateway.screen(`agent${i}`))));
  agentPhones.onCall = async (user, _offer, from) => {
    const agent = agents.get(user);
    if (!agent || agent.dialog) return undefined;
    await sleep(pickUpMs);
    return { sdp, accepted: (dialog) => {
      agent.dialog = dialog;
      const number = /^sip:([^@]+)@/.exec(from)![1]!;
      const those = talkingWith.get(number) ?? new Set();
      talkingWith.set(number, those.add(agent));
      dialog.onEnd = () => {
        agent.dialog = undefined;
        those.delete(agent);
      };
    } };
  };

  // ---- citizens -----------------------------------------------------------------------------------------------------

  /** Of the codes that are given out. */
  let latestLength = 10;

  interface Session { code: string; attrUrl: string | undefined; attributes: Record<string, string> }

  /** @param result given with the start, posted by the plugin, left to come, or not to come at all */
  async function logIn(who: number, result: 'inStart' | 'posted' | 'later' | 'failed' | 'none'): Promise<Session> {
    const attributes = result === 'none' || result === 'failed' ? {} : person(who);
    const token = secret('result', await gateway.result(attributes, result === 'failed' ? { status: 'failed', attributes: undefined } : {}));
    const body = JSON.stringify({ purpose: result === 'none' ? unauthenticatedPurpose : 'report_move', ...(result === 'inStart' && { auth_result: token }) });
    const answer = await patiently(() => fetch(`${urls.core}/start_communication`, { method: 'POST', headers: { 'content-type': 'application/json' }, body }));
    const { client_url: pageUrl, attr_url: attrUrl } = (await answer.json()) as { client_url: string; attr_url?: string };
    secret('token', pageUrl.split('/').at(-1)!);
    if (attrUrl !== undefined) secret('token', attrUrl.split('/').at(-1)!);
    const { page } = await patiently(() => browse(who, pageUrl));
    const code = secret('code', /href="tel:[^",]*,(\d+)/.exec(page)![1]!);
    latestLength = code.length;
    if (result === 'posted' || result === 'failed') expect((await patiently(() => fetch(attrUrl!, { method: 'POST', headers: { 'content-type': 'application/jwt' }, body: token }))).status).toBe(200);
    return { code, attrUrl, attributes };
  }

  class Caller {
    private readonly states: CallState[] = [];
    private dialog: PhoneDialog | undefined;
    readonly number: string;
    constructor(readonly who: number) {
      this.number = `0610${who.toString().padStart(6, '0')}`;
    }

    async dial(signal?: AbortSignal): Promise<void> {
      this.states.length = 0;
      const { dialog } = await phones.dial(`sip:${dialled}@${gateway.sip.host}:${gateway.sip.port}`, this.number, sdp, { headers: { 'Recv-Info': callStatePackage }, ...(signal && { signal }) });
      dialog.onInfo = (text) => void this.states.push(text as CallState);
      this.dialog = dialog;
    }

    /** Waits for the `count`th time that the call is in a state. */
    told(state: CallState, count = 1): Promise<void> {
      return this.until(() => this.was(state, count), state);
    }

    async until(isSo: () => boolean, what: string): Promise<void> {
      await until(() => isSo() || this.dialog!.ended, what, soonMs, 10).catch(() => undefined);
      if (!isSo()) throw new Error(`${this.number} ${this.dialog!.ended ? 'was hung up on' : 'was waiting'} before "${what}"; was ${this.states.join(', ')}`);
    }

    was(state: CallState, count = 1): boolean {
      return this.states.filter((each) => each === state).length >= count;
    }

    types(keys: string): Promise<void> {
      return this.dialog!.press(keys);
    }

    /** Dials, and types as soon as there is somebody to hear it. */
    async begins(keys: string): Promise<this> {
      await this.dial();
      await this.told('greeting');
      await this.types(keys);
      return this;
    }

    /** @param fullname whose attributes the agent has to see; null: plainly nobody's */
    async meets(fullname: string | null): Promise<Agent> {
      await this.told('connected');
      const [agent] = await until(() => (talkingWith.get(this.number)?.size === 1 ? [...talkingWith.get(this.number)!] : undefined), 'one agent to be on the phone with the caller', soonMs);
      const shown = agent!.fields && Object.values(agent!.fields);
      const told = agent!.screen.heard.slice(-12).map(({ message }) => ('reason' in message ? `${message.type} ${message.reason}` : message.type)).join(', ');
      if (fullname === null) expect(shown, told).toBeNull();
      else expect(shown ?? [], told).toContain(fullname);
      return agent!;
    }

    async hangUp(): Promise<void> {
      await this.dialog?.bye();
    }

    untilOver(): Promise<unknown> {
      return until(() => this.dialog!.ended, 'the call to be ended by the other side', soonMs);
    }
  }

  // ---- identification during the call -------------------------------------------------------------------------------

  let loggingIn: Promise<unknown> = Promise.resolve();
  /** Follows an invitation to its end. The core knows only who logs in next, so one after another. */
  function redeem(who: number, { address, pairingCode }: { address: string; pairingCode: string }, attributes: Record<string, string>): Promise<void> {
    secret('pairingCode', pairingCode);
    const done = loggingIn.then(async () => {
      const pageUrl = `http://${address}`;
      // A slip, and one that was never given out.
      for (const wrong of [`${pairingCode.slice(0, -1)}${(Number(pairingCode.at(-1)) + 1) % 10}`, generateCode(pairingCode.length)]) expect((await browse(who, pageUrl, { code: wrong })).status).toBe(400);
      const { page } = await browse(who, pageUrl, { code: pairingCode });
      const ticket = secret('ticket', /name="ticket" value="([^"]+)"/.exec(page)![1]!);
      core.outcome = attributes;
      const login = await browse(who, new URL('/i/start', pageUrl).href, { ticket, method: 'yivi' });
      const back = await browse(who, login.location!);
      for (const url of [core.started.at(-1)!.comm_url, core.started.at(-1)!.attr_url]) secret('token', url.split('/').at(-1)!);
      expect((await browse(who, back.location!)).status).toBe(200);
    });
    loggingIn = done.catch(() => undefined);
    return done;
  }

  async function identifies(who: number, same: boolean): Promise<void> {
    const caller = await new Caller(who).begins('0#');
    const agent = await caller.meets(null);
    const { callId } = agent.screen.shown!;
    agent.screen.say({ type: 'identify', callId });
    const attributes = person(who);
    await redeem(who, await agent.told('invitation', callId), attributes);
    const { confirmId } = await agent.told('confirmWord', callId);
    agent.screen.say({ type: 'word', callId, confirmId, same });
    if (same) await until(() => agent.fields, 'the identity', soonMs);
    else await agent.told('identifyFailed', callId);
    expect(Object.values(agent.fields ?? {}).includes(attributes.fullname)).toBe(same);
    await caller.hangUp();
  }

  // ---- the kinds of calls -------------------------------------------------------------------------------------------

  const used: string[] = [];
  const expired: { code: string; after: number }[] = [];

  const identified = async (who: number, result: 'inStart' | 'posted', end: 'caller' | 'agent' | 'screen'): Promise<void> => {
    const { code, attributes } = await logIn(who, result);
    const caller = await new Caller(who).begins(`${code}#`);
    const agent = await caller.meets(attributes['fullname']!);
    used.push(code);
    if (end === 'caller') return caller.hangUp();
    if (end === 'agent') await agent.dialog!.bye();
    else agent.screen.end();
    await caller.untilOver();
  };

  const kinds: Record<string, readonly [share: number, call: (who: number) => Promise<void>]> = {
    'identified, the caller hangs up': [20, (who) => identified(who, 'posted', 'caller')],
    'identified by the start itself': [8, (who) => identified(who, 'inStart', 'caller')],
    'identified, the agent’s phone hangs up': [6, (who) => identified(who, 'posted', 'agent')],
    'identified, ended on the screen': [6, (who) => identified(who, 'posted', 'screen')],
    'the code before the result': [7, async (who) => {
      const { code, attrUrl, attributes } = await logIn(who, 'later');
      const caller = await new Caller(who).begins(`${code}#`);
      await sleep(100);
      await gateway.deliver({ attrUrl: attrUrl! }, attributes);
      await caller.meets(attributes['fullname']!);
      await caller.hangUp();
    }],
    'the login failed': [3, async (who) => {
      const caller = await new Caller(who).begins(`${(await logIn(who, 'failed')).code}#`);
      await caller.meets(null);
      await caller.hangUp();
    }],
    'a session without a login': [3, async (who) => {
      const caller = await new Caller(who).begins(`${(await logIn(who, 'none')).code}#`);
      await caller.meets(null);
      await caller.hangUp();
    }],
    'no code': [10, async (who) => {
      const caller = await new Caller(who).begins('0#');
      await caller.meets(null);
      await caller.hangUp();
    }],
    'three codes that do not work': [7, async (who) => {
      const dead = expired[0] && expired[0].after < Date.now() ? expired.shift()!.code : undefined;
      const wrong = [used[who % used.length], dead, undefined].map((code) => code ?? generateCode(latestLength));
      const caller = await new Caller(who).begins(`${secret('code', wrong[0]!)}#`);
      for (const [i, code] of wrong.slice(1).entries()) {
        await caller.told('collecting', i + 2);
        await caller.types(`${secret('code', code)}#`);
      }
      await caller.meets(null);
      await caller.hangUp();
    }],
    'a wrong one, then the right one': [4, async (who) => {
      const { code, attributes } = await logIn(who, 'posted');
      const caller = await new Caller(who).begins(`${secret('code', generateCode(code.length))}#`);
      await caller.told('collecting', 2);
      await caller.types(`${code}#`);
      await caller.meets(attributes['fullname']!);
      await caller.hangUp();
    }],
    'three slips': [2, async (who) => {
      const { code } = await logIn(who, 'posted');
      const slip = Array.from({ length: 10 }, (_, digit) => `${code.slice(0, -1)}${digit}`).find((other) => !hasRightCheckDigit(other))!;
      const caller = await new Caller(who).begins(`${secret('code', slip)}#`);
      // A slip leaves the call where it is; what is typed ahead counts.
      for (let more = 0; more < 2; more += 1) await caller.types(`${slip}#`);
      await caller.meets(null);
      await caller.hangUp();
    }],
    'takes the call back': [3, async (who) => {
      const caller = new Caller(who);
      const taken = new AbortController();
      const dialling = caller.dial(taken.signal);
      setTimeout(() => taken.abort(), who % 40);
      await dialling.catch(() => undefined);
      await caller.hangUp();
    }],
    'hangs up during the greeting': [3, async (who) => {
      const caller = new Caller(who);
      await caller.dial();
      await caller.told('greeting');
      await caller.hangUp();
    }],
    'hangs up with half a code': [3, async (who) => {
      const caller = await new Caller(who).begins((await logIn(who, 'posted')).code.slice(0, 5));
      await caller.hangUp();
    }],
    'hangs up right after the code, and calls again': [5, async (who) => {
      const { code, attributes } = await logIn(who, 'posted');
      const caller = await new Caller(who).begins(`${code}#`);
      await sleep(who % 200);
      await caller.hangUp();
      const again = await new Caller(who + 500_000).begins(`${code}#`);
      // Who was with an agent already has used the code up, and is asked for another.
      await again.until(() => again.was('connected') || again.was('collecting', 2), 'connected, or asked again');
      if (again.was('collecting', 2)) await again.types('0#');
      await again.told('connected');
      const shown = [...talkingWith.get(again.number)!][0]!.fields;
      if (shown) expect(Object.values(shown)).toContain(attributes['fullname']);
      await again.hangUp();
    }],
    'hangs up while the agent’s phone rings': [3, async (who) => {
      const { code } = await logIn(who, 'posted');
      const caller = await new Caller(who).begins(`${code}#`);
      await caller.told('ringing-agent');
      await caller.hangUp();
    }],
    'logs in and never calls': [2, async (who) => {
      const { code } = await logIn(who, who % 2 === 0 ? 'posted' : 'later');
      expired.push({ code, after: Date.now() + lifetimeSeconds * 1_000 });
    }],
    'identifies during the call': [3, (who) => identifies(who, true)],
    'identifies, and reads out another word': [1, (who) => identifies(who, false)],
    'is invited and hangs up': [1, async (who) => {
      const caller = await new Caller(who).begins('0#');
      const agent = await caller.meets(null);
      const { callId } = agent.screen.shown!;
      agent.screen.say({ type: 'identify', callId });
      secret('pairingCode', (await agent.told('invitation', callId)).pairingCode);
      await caller.hangUp();
    }],
  };

  // ---- the calls ----------------------------------------------------------------------------------------------------

  const planted = `Planted Xyzzy-${Date.now().toString(36)}`;
  needles.add('planted', planted);
  await spy.plant(planted);

  const shares = Object.entries(kinds).flatMap(([kind, [share]]) => Array.from<string>({ length: share }).fill(kind));
  // The same step through the shares never meets the same kind twice in a row, and meets each as often as it should.
  const order = Array.from({ length: calls }, (_, i) => shares[(i * 37) % shares.length]!);
  for (let who = 10_000; who < 10_010; who += 1) await kinds['logs in and never calls']![1](who);
  const failures: string[] = [];
  const done: Record<string, number> = {};
  let next = 0;
  let finished = 0;
  const workers = Promise.all(Array.from({ length: atOnce }, async () => {
    for (let who = next++; who < calls; who = next++) {
      const kind = order[who]!;
      try {
        await kinds[kind]![1](who);
        done[kind] = (done[kind] ?? 0) + 1;
      } catch (error) {
        failures.push(`${who}, ${kind}: ${error instanceof Error ? error.message : String(error)}`);
      }
      finished += 1;
    }
  }));
  for (const part of [0.1, 0.3, 0.5, 0.7, 0.9]) {
    await until(() => finished >= calls * part, `${part} of the calls`, 400_000);
    await spy.look();
    await readMetrics();
  }
  await workers;
  for (const [name, { screen }] of agents) expect(screen.closed, name).toBeUndefined();
  expect(failures.slice(0, 10)).toEqual([]);
  expect(Object.keys(done).sort()).toEqual(Object.keys(kinds).sort());

  // Nobody is at the desk: callers wait with a claimed session, others are invited by the voice.
  for (const { screen } of agents.values()) screen.say({ type: 'availability', value: 'break' });
  await gateway.untilEmpty(soonMs);
  const waiting = await Promise.all(Array.from({ length: invitedByVoice }, async (_, i) => {
    const [silent, invited] = [20_000 + i, 21_000 + i];
    const claimed = await new Caller(silent).begins(`${(await logIn(silent, 'posted')).code}#`);
    const caller = await new Caller(invited).begins('0#');
    await Promise.all([claimed.told('waiting'), caller.told('waiting')]);
    await caller.types('1');
    const invitation = await until(() => core.invitations.find(({ callerNumber }) => callerNumber === caller.number), 'the invitation', soonMs);
    await redeem(invited, invitation, person(invited));
    return [claimed, caller];
  }));
  await spy.look();
  await readMetrics();
  // The voice reads the pairing code out.
  await sleep(3_000);
  for (const caller of waiting.flat()) await caller.hangUp();
  await gateway.untilEmpty(soonMs);
  await spy.look();
  await readMetrics();

  // ---- the search ---------------------------------------------------------------------------------------------------

  const hays: Record<string, readonly (string | Buffer)[]> = {
    'commands to Redis': spy.commands, 'values in Redis': spy.values, 'Redis on disk': spy.files, log: lines, metrics, SIP: sip,
  };
  // There is something to look for, and something to look at.
  for (const [kind, ofEachCall] of Object.entries({ attribute: 1.5, code: 0.7, token: 1.2, result: 0.7, pairingCode: 0.04, ticket: 0.03 })) expect(secrets[kind as keyof typeof secrets], kind).toBeGreaterThan(calls * ofEachCall * 0.9);
  expect(Object.keys(spy.mostKeys)).toEqual(expect.arrayContaining(['hash', 'string', 'zset']));
  expect(spy.mostKeys['hash']).toBeGreaterThan(invitedByVoice * 2);
  expect(spy.commands.length).toBeGreaterThan(calls * 10);
  expect(lines.length).toBeGreaterThan(calls * 5);
  expect(lines.some((line) => line.includes('"level":20'))).toBe(true);
  expect(sip.length).toBeGreaterThan(calls * 5);
  for (const text of [spy.values.join(''), spy.files.at(-2)!.toString('latin1'), spy.commands.join('')]) expect(text).toContain('report_move');

  const found: string[] = [];
  const byChance: string[] = [];
  for (const [where, hay] of Object.entries(hays)) {
    // Lines together, but not all of them: a string has a greatest length.
    const pieces: (string | Buffer)[] = [];
    let piece = '';
    for (const part of hay) {
      if (Buffer.isBuffer(part)) pieces.push(Buffer.from(withoutNumbers(part.toString('latin1')), 'latin1'));
      else if ((piece += `${part}\n`).length > 16_777_216) {
        pieces.push(withoutNumbers(piece));
        piece = '';
      }
    }
    pieces.push(withoutNumbers(piece));
    const finds = pieces.flatMap((text) => needles.findIn(text));
    const forms = new Set(finds.filter(({ what }) => what === 'planted').map(({ form }) => form));
    // The search works where it was given something to find.
    if (where.includes('Redis')) expect([...forms].filter((form) => form === 'plain' || form === 'percent' || form.startsWith('base64')).length, where).toBeGreaterThanOrEqual(3);
    for (const { what, form, around, word } of finds) if (what !== 'planted') (isRandomWord(word) ? byChance : found).push(`${what}, ${form}, in ${where}: ...${around}...`);
  }
  expect(found.slice(0, 10)).toEqual([]);
  if (byChance.length > mostByChance) expect(byChance).toEqual([]);
  // And with something in them, the others would have been found out too.
  for (const where of ['log', 'metrics', 'SIP']) {
    const part = hays[where]!.slice(0, 100) as string[];
    expect(needles.findIn(withoutNumbers([...part, `x${planted}y`, ...part].join('\n'))).map(({ what }) => what)).toEqual(['planted']);
  }
  // No key that was pressed, either.
  expect(lines.filter((line) => /"(key|digit|digits|dtmf|code)":"?[0-9*#]/i.test(line)).slice(0, 5)).toEqual([]);
}, 600_000);
