/** Callers who would rather be called back: the place is kept, the number confirmed, and only the short code brings the identity back. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { until } from '../peers/index.js';
import { answers, arranges, Outside, type Home } from './called-back.js';
import { Media } from './interop/media.js';
import { citizenHz, Stage, type AgentDesk, type Caller } from './interop/stage.js';

let stage: Stage;
let outside: Outside;

beforeAll(async () => {
  outside = await Outside.open();
  stage = await Stage.start({}, {
    agents: [{ name: 'anna', mode: 'anchored', hz: 900 }, { name: 'bram', mode: 'anchored', hz: 1_300 }],
    outbound: outside.outbound,
    more: { service: { queue: { callback: true, callbackAfterSeconds: 0 } }, tenant: { outside: { trunk: 'anchored', callBackTo: ['+316'] } } },
  });
});
afterEach(() => stage.clear());
afterAll(async () => {
  await stage?.stop();
  await outside?.stop();
});

/** Waits with a code, asks to be called back when that is offered, and agrees to the number called from. @returns the short code that was told */
async function arranged(number: string): Promise<{ caller: Caller; code: string; home: Home }> {
  const home = outside.at(number, stage.add(await Media.open()));
  const caller = await stage.dial('anchored', { from: `"Citizen" <sip:${number}@127.0.0.1>` });
  return { caller, code: await arranges(caller, caller.code), home };
}

it('keeps the place, calls the number that was confirmed, and shows who it is only to who knows the short code', async () => {
  const [known, stranger] = await Promise.all([arranged('+31612345678'), arranged('+31687654321')]);
  expect(known.code).not.toBe('');
  // The callers have hung up, the calls go on without them, and what was proved stays sealed.
  expect(stage.gateway.gateway.calls).toBe(2);
  expect(await stage.gateway.gateway.vault.stats()).toMatchObject({ claimed: 2 });

  const desks: AgentDesk[] = [await stage.agent('anna'), await stage.agent('bram')];
  const [, strangerLeg] = await Promise.all([answers(known.home, known.code), answers(stranger.home, '0')]);
  for (const desk of desks) await desk.screen.told('connected', { timeoutMs: 60_000 });
  const shown = desks.map(({ screen }) => screen.shown?.fields);
  expect(shown.filter((fields) => fields === null)).toHaveLength(1);
  const named = shown.findIndex((fields) => fields !== null);
  expect(Object.values(shown[named] ?? {})).toContain(known.caller.name);
  for (const { screen } of desks) expect(JSON.stringify(screen.heard)).not.toContain(stranger.caller.name);
  expect(await stage.gateway.gateway.vault.stats()).toMatchObject({ claimed: 1 });

  // By ear: the agent whose screen names the one citizen hears that one.
  known.home.media.say(citizenHz);
  const since = Date.now();
  await until(() => desks[named]!.media.heardMs(citizenHz, since) > 200, 'the agent to hear the citizen');
  expect(desks[1 - named]!.media.heardMs(citizenHz, since)).toBe(0);
  expect([known.home.legs.length, stranger.home.legs.length]).toEqual([1, 1]);
  await known.home.legs[0]!.bye();
  await strangerLeg.bye();
  for (const { screen } of desks) await screen.told('clear');
}, 300_000);
