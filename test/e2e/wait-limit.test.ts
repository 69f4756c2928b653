/** How long a caller may wait: for each stay in a line, with the limit of the service whose line it is. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { sleep, until } from '../peers/index.js';
import { Outside, type Home } from './called-back.js';
import { Media } from './interop/media.js';
import { Stage, type Caller } from './interop/stage.js';

/** As short as a configuration may have it. */
const limitMs = 5_000;
const parking = '+31207654321';
/** Where the callers of that service go who have waited too long. */
const other = '+31205550009';

let stage: Stage;
let outside: Outside;

beforeAll(async () => {
  outside = await Outside.open();
  stage = await Stage.start({}, {
    agents: [{ name: 'anna', mode: 'anchored', hz: 900 }, { name: 'bram', mode: 'anchored', hz: 1_300 }],
    outbound: outside.outbound,
    more: {
      services: [
        { name: 'Parkeren', numbers: [parking], purposes: ['request_permit'], queue: { ringTimeoutMs: limitMs + 2_000, overflow: { number: other, when: ['waitedTooLong'], afterSeconds: limitMs / 1_000 } } },
        { name: 'Belastingen', numbers: ['+31207654322'], purposes: ['pay_taxes'] },
      ],
      tenant: { outside: { trunk: 'anchored' } },
    },
  });
});
afterEach(() => stage.clear());
afterAll(async () => {
  await stage?.stop();
  await outside?.stop();
});

/** The other number, and a citizen who has dialled that service and typed the code. */
async function parkingCaller(): Promise<{ caller: Caller; home: Home }> {
  const home = outside.at(other, stage.add(await Media.open()));
  const { host, port } = stage.gateway.sip;
  const caller = await stage.dial('anchored', { uri: `sip:${parking}@${host}:${port}` });
  await caller.media.press(`${caller.code}#`, { toneMs: 60, gapMs: 40 });
  return { caller, home };
}

it('begins anew for who is passed on after a conversation, as long as the next service has it', async () => {
  const anna = await stage.agent('anna');
  const { caller, home } = await parkingCaller();
  await stage.connected(caller, anna);
  const passOn = (desk: typeof anna, name: string) => {
    desk.screen.say({ type: 'availability', value: 'break' });
    desk.screen.say({ type: 'transfer', callId: desk.screen.shown!.callId, target: { kind: 'service', name } });
  };
  passOn(anna, 'Belastingen');
  await anna.screen.told('clear');
  // The first service's callers would have waited too long by now: this one has talked since, and waits for another.
  await sleep(limitMs + 1_500);
  expect(home.legs).toHaveLength(0);
  expect(caller.leg.heard.some(({ method, status }) => method === 'BYE' && status === undefined)).toBe(false);
  const bram = await stage.agent('bram');
  await stage.connected(caller, bram);

  // Back to the first one, where nobody is left: its limit counts again, however long ago the call came in.
  passOn(bram, 'Parkeren');
  const since = Date.now();
  const leg = await until(() => home.legs[0], 'the other number to be called', limitMs + 5_000);
  expect(Date.now() - since).toBeGreaterThan(limitMs - 500);
  expect(JSON.stringify(leg.invited)).not.toContain(caller.name);
  await leg.bye();
  await caller.leg.saw('BYE');
}, 90_000);

it('goes on for who comes back from an agent who did not answer, though it would have been over while the phone rang', async () => {
  const anna = await stage.agent('anna', (leg) => leg.respond(leg.invited!, { status: 180, reason: 'Ringing' }));
  const { caller, home } = await parkingCaller();
  await anna.screen.told('offer', { timeoutMs: 20_000 });
  await anna.screen.told('clear', { timeoutMs: limitMs + 10_000 });
  expect(home.legs).toHaveLength(0);
  // Who did not answer is asked again after a rest: nobody is there from here on.
  anna.screen.say({ type: 'availability', value: 'break' });
  const leg = await until(() => home.legs[0], 'the other number to be called', limitMs + 5_000);
  await leg.bye();
  await caller.leg.saw('BYE');
}, 90_000);
