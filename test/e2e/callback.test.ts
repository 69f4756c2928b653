/** Callers who would rather be called back: the place is kept, the number confirmed, and only the short code brings the identity back. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { PromptName } from '../../ivr/index.js';
import { until } from '../peers/index.js';
import { digitsHeard, heardWhole } from './heard-prompt.js';
import { Media } from './interop/media.js';
import { Phone, type Leg } from './interop/phone.js';
import { answerTo, citizenHz, follow, Stage, type AgentDesk, type Caller } from './interop/stage.js';

/** A citizen's telephone, as the trunk reaches it. */
interface Home { media: Media; legs: Leg[] }

let stage: Stage;
let trunk: Phone;
const homes = new Map<string, Home>();

beforeAll(async () => {
  trunk = await Phone.open(undefined);
  trunk.onInvite = (leg) => {
    const home = [...homes].find(([number]) => leg.invited!.startLine.includes(number))?.[1];
    if (!home) return leg.respond(leg.invited!, { status: 404, reason: 'Not Found' });
    const { media } = home;
    home.legs.push(leg);
    follow(media, leg.remoteSdp);
    leg.describe = (offer) => (offer ? answerTo(follow(media, offer), offer) : leg.localSdp);
    leg.accept(answerTo(media, leg.remoteSdp));
  };
  stage = await Stage.start({}, {
    agents: [{ name: 'anna', mode: 'anchored', hz: 900 }, { name: 'bram', mode: 'anchored', hz: 1_300 }],
    outbound: `sip:{number}@127.0.0.1:${trunk.port}`,
    more: { service: { queue: { callback: true, callbackAfterSeconds: 0 } }, tenant: { outside: { trunk: 'anchored', callBackTo: ['+316'] } } },
  });
});
afterEach(() => stage.clear());
afterAll(async () => {
  await stage?.stop();
  await trunk?.stop();
});

/** Waits until a sentence was heard to its end. */
async function said(media: Media, name: PromptName, since = 0): Promise<void> {
  await until(() => heardWhole(media.heard(since), name), `"${name}" to be said`, 90_000, 700);
}

/** Waits with a code, asks to be called back when that is offered, and agrees to the number called from. @returns the short code that was told */
async function arranged(number: string): Promise<{ caller: Caller; code: string; home: Home }> {
  const home: Home = { media: stage.add(await Media.open()), legs: [] };
  homes.set(number, home);
  const caller = await stage.dial('anchored', { from: `"Citizen" <sip:${number}@127.0.0.1>` });
  const { media } = caller;
  await media.press(`${caller.code}#`, { toneMs: 60, gapMs: 40 });
  await said(media, 'callback-offer');
  await media.press('1');
  await said(media, 'callback-number-right');
  await media.press('1');
  const since = Date.now();
  await caller.leg.saw('BYE', { timeoutMs: 90_000 });
  const told = digitsHeard(media.heard(since));
  // Read twice.
  expect(told).toMatch(/^(\d{4})\1$/);
  return { caller, code: told.slice(0, 4), home };
}

/** Answers the call back and types what is given for the code. */
async function answers({ media, legs }: Home, typed: string): Promise<Leg> {
  const leg = await until(() => legs[0], 'the citizen to be called back', 30_000);
  await said(media, 'callback-ready');
  await media.press('1');
  await said(media, 'callback-enter-code');
  await media.press(typed);
  return leg;
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
