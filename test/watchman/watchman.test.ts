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
import { RawCall, RawSocket } from '../e2e/raw-sip.js';
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

/** Somebody who talks with the agent. */
async function talking(): Promise<{ caller: RawCall; call: Call }> {
  const caller = await RawCall.make(guests.add(await RawSocket.open(gateway.sip)), guests.add(await RawSocket.open(gateway.sip)), dialled);
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
    const caller = await RawCall.make(guests.add(await RawSocket.open(gateway.sip)), guests.add(await RawSocket.open(gateway.sip)), dialled);
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
