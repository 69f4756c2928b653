/**
 * Turns in the moving of a call's media that real phones and a real media server take too quickly to be told apart: the parts
 * of a call are the gateway's own, whom they talk with is played here.
 */
import { EventEmitter } from 'node:events';
import type Srf from 'drachtio-srf';
import pino from 'pino';
import { expect, it } from 'vitest';
import { CallerLeg } from '../../gateway/call/caller-leg.js';
import type { FarLeg } from '../../gateway/call/far-leg.js';
import { FarSide } from '../../gateway/call/far-side.js';
import { GuestSide } from '../../gateway/call/guest-side.js';
import type { LiveCall } from '../../gateway/call/live-call.js';
import type { CallEvent, CallState } from '../../gateway/call/machine.js';
import type { MediaPool } from '../../gateway/media/pool.js';

const log = pino({ level: 'silent' });
const sdp = (port: number) => ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', `m=audio ${port} RTP/AVP 8 101`, 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:101 telephone-event/8000', ''].join('\r\n');
const turns = () => new Promise((resolve) => setImmediate(resolve));

/** A promise that the test settles. */
function later() {
  let settle = { resolve: (): void => undefined, reject: (_error: Error): void => undefined };
  const promise = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
  return { promise, ...settle };
}

/** A media server's endpoints, numbered by their ports. */
function endpoints() {
  const made: { port: number; isGone: () => boolean; destroy(): Promise<void> }[] = [];
  const pool = {
    mediaAddress: '127.0.0.1',
    createEndpoint: async () => {
      await turns();
      const gone = new AbortController();
      const port = 30_000 + 2 * made.length;
      const endpoint = { localSdp: sdp(port), gone: gone.signal, port, isGone: () => gone.signal.aborted, onKey: () => undefined, modify: () => Promise.resolve(), destroy: () => Promise.resolve(gone.abort()) };
      made.push(endpoint);
      return endpoint;
    },
  } as unknown as MediaPool;
  return { made, pool };
}

/** A caller whose media flows freely. */
async function farAway(answer: (offer: string) => Promise<string>) {
  const { made, pool } = endpoints();
  const dialog = Object.assign(new EventEmitter(), { type: 'uac', connected: true, local: { sdp: sdp(30_000) }, remote: { sdp: sdp(40_000) }, modify: answer, destroy: () => Promise.resolve() });
  const srf = { createUAC: () => Promise.resolve(dialog) } as unknown as Srf;
  const leg = await CallerLeg.callBack(srf, { uri: 'sip:caller@localhost', from: 'sip:us@localhost', ringTimeoutMs: 1_000, signal: new AbortController().signal }, pool, '', log);
  await leg.endpoint.destroy();
  return { leg, made, pool };
}

it('a caller is brought back once, however many ask for it', async () => {
  const { leg, made, pool } = await farAway(() => Promise.resolve(sdp(40_000)));
  const [first, second] = [leg.comeBack(pool), leg.comeBack(pool)];
  await Promise.all([first, second]);
  await leg.comeBack(pool);
  expect(made).toHaveLength(2);
  expect(made.map((endpoint) => endpoint.isGone())).toEqual([true, false]);
  expect(leg.endpoint).toBe(made[1]);
});

it('who asks while the phone is being told waits for its answer', async () => {
  const told = later();
  const { leg, pool } = await farAway(() => told.promise.then(() => sdp(40_000)));
  void leg.comeBack(pool);
  await turns();
  await turns();
  let isBack = false;
  const second = leg.comeBack(pool).then(() => (isBack = true));
  await turns();
  expect(isBack).toBe(false);
  told.resolve();
  await second;
});

it('a caller’s phone that refuses leaves no endpoint behind, and may be asked again', async () => {
  let refuses = true;
  const { leg, made, pool } = await farAway(() => (refuses ? Promise.reject(new Error('488')) : Promise.resolve(sdp(40_000))));
  let moved = 0;
  await expect(leg.comeBack(pool, () => (moved += 1))).rejects.toThrow('488');
  expect(made.map((endpoint) => endpoint.isGone())).toEqual([true, true]);
  expect(moved).toBe(0);
  refuses = false;
  await leg.comeBack(pool, () => (moved += 1));
  expect(made.map((endpoint) => endpoint.isGone())).toEqual([true, true, false]);
  expect(moved).toBe(1);
});

/** A phone's leg that does what the test says. */
function phone({ isFree = false } = {}) {
  const anchoring = later();
  const joining = later();
  const done: string[] = [];
  const leg = Object.assign(new EventEmitter(), {
    joined: true, mediaIsFree: isFree, answeredBy: undefined,
    ring: () => Promise.resolve(), takeCaller: () => undefined, tellParty: () => undefined, watch: () => undefined,
    anchor: () => anchoring.promise, join: () => joining.promise,
    joinBeside: () => Promise.resolve(done.push('joinBeside')).then(() => ({ over: later().promise })),
    end: () => Promise.resolve(void done.push('end')),
  });
  return { leg: leg as unknown as FarLeg, anchoring, joining, done };
}

/** A conversation with anna. */
async function conversation(anna: FarLeg) {
  const told: CallEvent[] = [];
  const back = later();
  const endpoint = { gone: new AbortController().signal };
  const state: CallState = { name: 'connected', agent: 'anna', revealId: 'r1', attempts: 1, identity: 'verified', shown: true, setbacks: 0, dials: 0, arranging: false, leftLine: false, callBacks: 0 };
  const desk = { answered: () => undefined };
  const call = {
    id: 'call', log, state, leg: { endpoint, answerThrough: () => undefined, comeBack: () => back.promise }, callerShown: '', promptsPath: '', service: { queue: {}, language: 'nl' },
    incoming: { tenant: { desk, agent: () => ({ phone: 'sip:bram@localhost' }), directory: { agentReported: () => undefined } }, trunk: {}, pool: {} },
    context: { config: { calls: { ringTimeoutMs: 1_000 } }, trunkOfPhone: () => undefined, metrics: { connected: () => undefined, broughtIn: () => undefined } },
    handle: (event: CallEvent) => told.push(event), happened: () => undefined, closing: () => undefined,
  };
  const live = call as unknown as LiveCall & { state: CallState };
  const far = new FarSide(live, live as never, { talking: () => undefined, endpointChanged: () => undefined });
  const legs = [anna];
  far.makeLeg = () => legs.shift()!;
  far.ringAgent({ name: 'anna', phone: 'sip:anna@localhost' } as never, 'o1', false);
  await turns();
  told.length = 0;
  return { call: live, far, told, back, legs };
}

const shownAnew = (call: { state: CallState }) => (call.state = { ...call.state, revealId: 'r2' });

it('two who could not be joined are not left in silence because the pop was shown anew meanwhile', async () => {
  const anna = phone();
  const { call, far, told } = await conversation(anna.leg);
  far.join('anna', 'r1');
  shownAnew(call);
  anna.joining.reject(new Error('no bridge'));
  await turns();
  expect(told).toEqual([{ type: 'bridgeFailed', revealId: 'r2' }]);
});

it('nor a caller and a colleague to whom the call was left', async () => {
  const { call, far, told, back } = await conversation(phone().leg);
  const bram = phone();
  far.adopt(bram.leg);
  shownAnew(call);
  back.resolve();
  bram.joining.reject(new Error('no bridge'));
  await turns();
  expect(told).toEqual([{ type: 'bridgeFailed', revealId: 'r2' }]);
});

it('a bridge that fails after its leg was given up says nothing about the next one', async () => {
  const anna = phone();
  const { far, told } = await conversation(anna.leg);
  far.join('anna', 'r1');
  far.drop();
  anna.joining.reject(new Error('no bridge'));
  await turns();
  expect(told).toEqual([]);
});

it('an agent who leaves while the two are being brought to the media server: whoever waits for that goes on when the caller is there', async () => {
  const anna = phone({ isFree: true });
  const { far, told, back } = await conversation(anna.leg);
  let isReady = false;
  const ready = far.anchor().then(() => (isReady = true));
  far.drop();
  anna.anchoring.reject(new Error('that phone is gone'));
  await turns();
  expect(isReady).toBe(false);
  back.resolve();
  await ready;
  expect(told).toEqual([]);
});

it('two who cannot be brought to the media server: the call ends when they have stopped to hear each other, and goes on otherwise', async () => {
  for (const isFree of [true, false]) {
    const anna = phone({ isFree });
    const { far, told } = await conversation(anna.leg);
    const anchoring = far.anchor();
    anna.anchoring.reject(new Error('refused'));
    await expect(anchoring).rejects.toThrow('refused');
    expect(told).toEqual(isFree ? [] : [{ type: 'mediaLost' }]);
  }
});

it('a leg that is still on its way to the media server ends at once when a colleague takes its place', async () => {
  const anna = phone({ isFree: true });
  const { far } = await conversation(anna.leg);
  void far.anchor();
  far.adopt(phone().leg);
  expect(anna.done).toEqual(['end']);
});

it('a caller who cannot be brought back to a colleague to whom the call was left: the call ends', async () => {
  const { far, told, back } = await conversation(phone().leg);
  far.adopt(phone().leg);
  back.reject(new Error('refused'));
  await turns();
  expect(told[0]).toEqual({ type: 'mediaLost' });
});

it.each(['promote', 'drop'] as const)('a colleague who is no guest any more (%s) when the two are at the media server is not let in beside them', async (leave) => {
  const anna = phone();
  const { call, far, legs, back } = await conversation(anna.leg);
  const bram = phone();
  legs.push(bram.leg);
  const guests = new GuestSide(call, far, () => undefined);
  guests.ring('bram', 'g1');
  await turns();
  guests.join('g1');
  guests[leave]();
  anna.anchoring.resolve();
  back.resolve();
  await turns();
  expect(bram.done).not.toContain('joinBeside');
});
