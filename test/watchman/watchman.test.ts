/** What stands on one side alone is found at the second look, ended, logged and counted; nothing else is. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Phone } from '../../gateway/phone/index.js';
import type { ScreenClient } from '../../gateway/demo/screen-client.js';
import type { Call } from '../../gateway/call/call.js';
import type { Reception } from '../../gateway/call/reception.js';
import type { SipNode } from '../../gateway/sip/node.js';
import type { MediaEndpoint } from '../../gateway/media/endpoint.js';
import type { OwnedDialog } from '../../gateway/sip/ownership.js';
import type { AgentScreens } from '../../gateway/screen/screens.js';
import type { Engines } from '../../gateway/engines/spawn.js';
import { offer, RawCall, RawSocket, status } from '../e2e/raw-sip.js';
import { dialled } from '../e2e/support.js';
import { Peers, until } from '../peers/index.js';
import { realEngines, TestGateway } from '../support/gateway.js';
import type { StrayKind } from '../../gateway/watchman/watchman.js';

/** What only a fault could reach: the test makes one of each kind. */
interface Inside {
  readonly reception: Reception;
  readonly nodes: SipNode[];
  readonly screens: AgentScreens;
  readonly engines: Engines | undefined;
}
interface Link { endpoints: number; readonly ready: Set<MediaEndpoint>; readonly server: { api(command: string): Promise<string> } }

const house = new Peers();
const guests = new Peers();
let gateway: TestGateway;
let inside: Inside;
let screen: ScreenClient;
const errors: string[] = [];

beforeAll(async () => {
  const phone = await Phone.open();
  house.defer(() => phone.close());
  phone.answer({ answerAfterMs: 0 });
  gateway = house.add(await TestGateway.start({
    agents: [{ name: 'anna', phone: phone.uri }], logTo: { write: (line: string) => void (/stood alone/.test(line) && errors.push(line)) },
  }));
  gateway.expectsStrays = true;
  // By hand from here on.
  gateway.gateway.watchman!.close();
  inside = gateway.gateway as unknown as Inside;
  screen = house.add(await gateway.screen('anna'));
});
afterAll(() => house.stopAll());
afterEach(async () => {
  await guests.stopAll();
  errors.length = 0;
});

const looks = async (count: number): Promise<void> => {
  const { watchman } = gateway.gateway as unknown as { watchman: { closed: boolean; look(): Promise<void> } };
  watchman.closed = false;
  for (let i = 0; i < count; i += 1) await watchman.look();
  watchman.closed = true;
};
const counted = (kind: StrayKind): Promise<number> => gateway.metric(new RegExp(`^gateway_strays_total\\{kind="${kind}"\\}`));
/** Sees a stray at the second look and not at the first one. */
async function isFound(kind: StrayKind): Promise<void> {
  const before = await counted(kind);
  await looks(1);
  expect(await counted(kind)).toBe(before);
  await looks(1);
  expect(await counted(kind)).toBe(before + 1);
  expect(errors.some((line) => line.includes(`"kind":"${kind}"`) && (JSON.parse(line) as { level: number }).level === 50)).toBe(true);
}

const raw = async (acknowledge = true): Promise<RawCall> => RawCall.make(guests.add(await RawSocket.open(gateway.sip)), guests.add(await RawSocket.open(gateway.sip)), dialled, {}, undefined, acknowledge);
/** The call that is not among these. */
const newest = (...others: Call[]): Promise<Call> => until(() => [...inside.reception.all()].find((call) => !others.includes(call)), 'another call', 5_000);

/** Somebody who talks with the agent. */
async function talking(): Promise<{ caller: RawCall; call: Call }> {
  const caller = await raw();
  const before = screen.heard.filter(({ message }) => message.type === 'connected').length;
  await caller.press('0#');
  await screen.told('connected', { count: before + 1, timeoutMs: 20_000 });
  const [call] = inside.reception.all();
  return { caller, call: call! };
}
const [pool, owners] = [() => inside.nodes[0]!.pool as unknown as { links: Map<string, Link> }, () => inside.nodes[0]!.srf];
const link = (): Link => [...pool().links.values()][0]!;
const desk = () => gateway.gateway.tenants[0]!.desk;

it('finds nothing in a gateway without a fault', async () => {
  await looks(2);
  const { caller } = await talking();
  await looks(4);
  await caller.hangup();
  await looks(2);
  await gateway.untilEmpty();
  await looks(2);
  expect(errors).toEqual([]);
});

describe('a fault leaves', () => {
  afterEach(async () => {
    await gateway.untilEmpty(15_000);
    await until(() => screen.shown === undefined, 'the screen to be empty', 10_000);
  });

  it('a dialog that no call wants', async () => {
    const { caller, call } = await talking();
    owners().owners.hold(call.leg!.dialog as OwnedDialog, () => false);
    await isFound('dialog');
    await until(() => caller.ended, 'BYE', 10_000);
    expect(errors.at(-1)).not.toMatch(/0612345678/);
    // The call was not told either.
    await isFound('call');
  });

  it('a dialog of the SIP server that the library has forgotten', async () => {
    const { caller, call } = await talking();
    owners().removeDialog(call.leg!.dialog);
    await looks(1);
    await looks(1);
    expect(await counted('call')).toBeGreaterThan(0);
    if (realEngines) return;
    expect(await counted('serverDialog')).toBe(1);
    await until(() => caller.ended, 'BYE', 10_000);
  });

  it.skipIf(realEngines)('a dialog of the library that the SIP server has forgotten', async () => {
    const { caller } = await talking();
    const { engines } = inside;
    const ask = engines!.dialogs.bind(engines);
    engines!.dialogs = () => Promise.resolve([]);
    try {
      const before = await counted('serverDialog');
      await looks(2);
      expect(await counted('serverDialog')).toBeGreaterThan(before);
    } finally {
      engines!.dialogs = ask;
    }
    expect(caller.ended).toBe(false);
    // The SIP server has not forgotten it after all.
    await looks(2);
    await until(() => caller.ended, 'BYE', 10_000);
  });

  it('an endpoint that the media server does not have', async () => {
    const { call } = await talking();
    const { server } = link();
    const ask = server.api.bind(server);
    server.api = (command) => (command === 'show channels' ? Promise.resolve('\n0 total.\n') : ask(command));
    const before = await counted('endpoint');
    try {
      await looks(2);
    } finally {
      server.api = ask;
    }
    expect(await counted('endpoint')).toBe(before + 2);
    await call.finished;
  });

  it.skipIf(realEngines)('a channel of the media server that is nobody’s', async () => {
    const { call } = await talking();
    const { ready } = link();
    const [endpoint] = ready;
    ready.delete(endpoint!);
    link().endpoints -= 1;
    await isFound('channel');
    link().endpoints += 1;
    await call.finished;
  });

  it('an agent’s seat and screen, and a place in the line, for a call that is none', async () => {
    desk().enter({ callId: 'ghost', service: 'Burgerzaken', skills: ['none that anybody has'], headStartMs: 0 }, 'tail');
    await isFound('place');
    expect(desk().waiting).toBe(0);

    expect(await desk().occupy('anna', 'ghost')).toBe(true);
    await isFound('seat');
    await until(async () => (await desk().seatOf('anna'))?.callId === undefined, 'the seat to be free', 5_000);

    const { call, caller } = await talking();
    (inside.reception as unknown as { calls: Map<string, unknown> }).calls.delete(call.id);
    const [seats, screens] = [await counted('seat'), await counted('screen')];
    await looks(4);
    expect(await counted('screen')).toBe(screens + 1);
    expect(await counted('seat')).toBe(seats + 1);
    await until(() => screen.shown === undefined, 'the screen to be empty', 5_000);
    await caller.hangup();
    await call.finished;
  });
});

describe('a fault', () => {
  afterEach(() => gateway.untilEmpty(15_000));

  it('puts a call on the screen of an agent who has another one: that one is shown again', async () => {
    const { caller, call } = await talking();
    const other = await raw();
    const theirs = await newest(call);
    inside.screens.offer('anna', { callId: theirs.id, service: 'Burgerzaken', language: 'nl', identified: 'none', waitedMs: 0, canIdentify: false });
    inside.screens.reveal('anna', { callId: theirs.id, revealId: 'of a fault', identity: null });
    await until(() => screen.shown?.callId === theirs.id, 'the wrong call on the screen', 5_000);
    const before = await counted('screen');
    await looks(3);
    expect(await counted('screen')).toBe(before);
    await looks(1);
    expect(await counted('screen')).toBe(before + 1);
    expect(inside.screens.callOn('anna')).toBeUndefined();
    await until(() => screen.shown?.callId === call.id, 'her own call on the screen', 10_000);
    await looks(4);
    expect(await counted('screen')).toBe(before + 1);
    await other.hangup();
    await caller.hangup();
  });

  it('shows a call of which the desk says that the agent does not have it', async () => {
    const { caller, call } = await talking();
    const snapshot = desk().snapshot.bind(desk());
    desk().snapshot = async () => ({ ...(await snapshot()), seats: (await snapshot()).seats.map((seat) => ({ ...seat, callId: 'another', callNode: 'another' })) });
    const before = await counted('screen');
    try {
      await looks(4);
    } finally {
      desk().snapshot = snapshot;
    }
    expect(await counted('screen')).toBe(before + 1);
    // The desk says that she has it after all.
    await until(() => screen.shown?.callId === call.id, 'her call on the screen', 10_000);
    await caller.hangup();
  });

  it('gives an agent’s seat to a call that has no agent', async () => {
    const caller = await raw();
    const call = await newest();
    expect(await desk().occupy('anna', call.id)).toBe(true);
    await isFound('seat');
    await until(async () => (await desk().seatOf('anna'))?.callId === undefined, 'the seat to be free', 5_000);
    expect(caller.ended).toBe(false);
    await caller.hangup();
  });

  it.skipIf(realEngines)('leaves a caller who never acknowledged in the line, when nobody hears that the SIP server has ended it', async () => {
    const { caller, call } = await talking();
    const ghost = await raw(false);
    const its = await newest(call);
    await ghost.press('0#');
    await until(() => desk().waiting === 1, 'the ghost in the line', 10_000);
    const { dialog } = its.leg!;
    (dialog as unknown as { handle: () => void }).handle = () => undefined;
    inside.engines!.endDialog((dialog as OwnedDialog).id);
    await until(() => ghost.ended, 'BYE', 10_000);
    expect(its.stateName).toBe('waiting');
    await isFound('serverDialog');
    await its.finished;
    expect(desk().waiting).toBe(0);
    expect(call.stateName).toBe('connected');
    await caller.hangup();
  });

  it('leaves a call without any leg: it ends, and so does its caller’s endpoint, and then the dialog', async () => {
    const { caller, call } = await talking();
    call.leg = undefined;
    const endpoints = await counted('endpoint');
    await isFound('call');
    expect(await counted('endpoint')).toBe(endpoints + 1);
    await call.finished;
    expect(call.state.reason).toBe('internalError');
    await isFound('dialog');
    await until(() => caller.ended, 'BYE', 10_000);
    // Each is said to be this call's.
    expect(errors.map((line) => (JSON.parse(line) as { callId: string }).callId)).toEqual([call.id, call.id, call.id]);
  });

  it('keeps a call from ending, or from beginning', async () => {
    const { caller, call } = await talking();
    const times = call as unknown as { beganAt: number; endedAt: number };
    const { feedback } = call.incoming.tenant;
    const forget = feedback.forget.bind(feedback);
    feedback.forget = () => {
      throw new Error('a fault of the test');
    };
    await caller.hangup();
    feedback.forget = forget;
    await until(() => call.stateName === 'ended', 'the end', 5_000);
    await looks(3);
    expect(gateway.gateway.calls).toBe(1);
    times.endedAt -= 61_000;
    await isFound('call');
    await until(() => gateway.gateway.calls === 0, 'the register to be empty', 5_000);

    // A media server that never says anything about a new endpoint.
    const { pool: its } = inside.nodes[0]!;
    const create = its.createEndpoint.bind(its);
    its.createEndpoint = () => new Promise(() => undefined);
    const socket = guests.add(await RawSocket.open(gateway.sip));
    const invite = socket.request('INVITE', `sip:${dialled}@${gateway.sip.host}`, {}, offer(socket.port));
    socket.send(invite);
    const arriving = await newest();
    its.createEndpoint = create;
    await looks(3);
    (arriving as unknown as typeof times).beganAt -= 61_000;
    await isFound('call');
    expect(status(await socket.finalFor(invite))).toBe(503);
    await arriving.finished;
  });
});

it('twenty calls that end at any moment leave nothing alone', async () => {
  const before = await Promise.all((['dialog', 'serverDialog', 'endpoint', 'channel', 'call', 'place', 'seat', 'screen'] as const).map(counted));
  let over = false;
  // Longer than anything takes to begin or end here, as in life.
  const watch = (async () => {
    while (!over) {
      await looks(1);
      await new Promise((resolve) => setTimeout(resolve, 3_000));
    }
  })();
  for (let i = 0; i < 20; i += 1) {
    const caller = await raw();
    if (i % 3) await caller.press('0#');
    await new Promise((resolve) => setTimeout(resolve, (i * 137) % 900));
    await caller.hangup();
  }
  await gateway.untilEmpty(20_000);
  over = true;
  await watch;
  expect(await Promise.all((['dialog', 'serverDialog', 'endpoint', 'channel', 'call', 'place', 'seat', 'screen'] as const).map(counted))).toEqual(before);
  expect(errors).toEqual([]);
}, 120_000);
