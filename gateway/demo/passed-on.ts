/** Agents, first chapter: a citizen waits in our own waiting room, is taken by one agent, passed on to another, and talks with both. */
import { tone } from '../phone/index.js';
import { logInOnWebsite } from './citizen.js';
import { Ear, SentenceEar } from './ear.js';
import { logIn, type Shown } from './screen-client.js';
import { hz, type Desk, type Stage } from './stage.js';

/** The number is one that passes the check and was given to nobody. */
const person = { fullname: 'Joke van Dam', dateofbirth: '1948-09-21', city: 'Arnhem', bsn: '999990019' };

/** What is on a screen, as whoever sits before it reads it. */
export function asRead({ fields, masked }: Shown): string[] {
  const lines = [...Object.entries(fields ?? {}), ...Object.keys(masked).filter((label) => fields?.[label] === undefined).map((label) => [label, '••••••••• (asked for one by one)'] as const)];
  const width = Math.max(0, ...lines.map(([label]) => label.length));
  return lines.map(([label, value]) => `${label.padEnd(width)}  ${value}`);
}

export const shows = ({ screen }: Desk, name: string): boolean => Object.values(screen.shown?.fields ?? {}).includes(name);

/** What the supervisor's page is drawn from. */
interface Supervised {
  readonly view: { readonly desk: { readonly queues: readonly { readonly service: string; readonly waiting: number }[]; readonly agents: readonly { readonly displayName: string; readonly state: string }[] } | null };
}

export async function passedOn(stage: Stage, supervisor: string): Promise<void> {
  const { gateway } = stage;
  const [anna, bram] = [stage.desk('anna'), stage.desk('bram')];
  stage.chapter('1. A citizen waits for an agent, who passes the call on to a colleague, who asks her back in');
  for (const { screen } of [anna, bram]) screen.setAvailable(false);
  for (const { screen } of [anna, bram]) await screen.told('availability');
  stage.tell('agents', 'both are on a break');
  const cookie = await logIn(gateway.urls.agents, supervisor);
  stage.tell(supervisor, 'logs in as supervisor, and opens the page with queues and calls');

  const { number, code } = await logInOnWebsite(stage, person);
  const citizen = new Ear([hz.anna, hz.bram]);
  const place = new SentenceEar(['you-are-number', 'number-1', 'in-the-queue'], 'nl');
  const dialledAt = performance.now();
  const call = (await stage.phone()).call({ to: stage.number(number), code, codeAfterMs: 800, say: { samples: tone([hz.citizen], 60_000), forever: true }, giveUpAfterMs: 60_000, onHeard: (samples) => void (citizen.hear(samples), place.hear(samples)) });
  stage.tell('citizen', 'has logged in on the website, and dials');
  let isAccepted = false;
  call.on('event', (event) => {
    if (event.kind === 'pressing') stage.tell('citizen', 'types the code');
    // Who is passed on waits once more, for a moment.
    if (event.kind !== 'told' || event.state !== 'waiting' || isAccepted) return;
    isAccepted = true;
    stage.tell('gateway', 'accepts the code, speaks the word of the page, and looks for an agent');
  });
  await stage.within(30_000, 'the waiting citizen hears their place: “u bent nummer één in de wachtrij”', () => place.heardAll());
  const page = await (await fetch(`${gateway.urls.agents}/supervisor?language=en`, { headers: { cookie } })).text();
  const { view } = JSON.parse(/id="given">([^<]*)</.exec(page)?.[1] ?? '{"view":{"desk":null}}') as Supervised;
  const waiting = view.desk?.queues.reduce((sum, queue) => sum + queue.waiting, 0);
  stage.check(`${supervisor}’s page shows one caller waiting and two agents on a break, and nothing of who it is`, waiting === 1 && view.desk?.agents.filter(({ state }) => state === 'break').length === 2 && !Object.values(person).some((value) => page.includes(value)));

  const back = performance.now();
  anna.screen.setAvailable(true);
  const { call: offered } = await anna.screen.told('offer', { since: back });
  stage.tell('anna', `comes back; the phone rings. The screen says ${offered.service}, ${offered.identified}, ${(offered.waitedMs / 1_000).toFixed(0)} s of waiting, and no name`);
  const named = anna.screen.shown !== undefined;
  await anna.screen.told('connected', { since: back, timeoutMs: 15_000 });
  stage.check('the name came with the answer, not with the ringing', !named && shows(anna, person.fullname));
  stage.tell('anna', `answers, ${((performance.now() - dialledAt) / 1_000).toFixed(1)} s after the citizen dialled, and reads:`);
  const first = anna.screen.shown!;
  stage.below(asRead(first));
  const bsn = Object.entries(first.masked).find(([, name]) => name === 'bsn')?.[0] ?? '';
  stage.check('the citizen service number is masked: its value was not sent', bsn !== '' && !JSON.stringify(anna.screen.heard).includes(person.bsn));

  anna.screen.unmask(bsn);
  await anna.screen.told('unmasked');
  stage.tell('anna', 'asks to see it, which is recorded before it is shown');
  stage.check('now the number is on the screen', anna.screen.shown?.fields?.[bsn] === person.bsn);
  await stage.within(8_000, 'the voices meet', () => anna.ear.ms(hz.citizen) > 400 && citizen.ms(hz.anna) > 400);

  const free = performance.now();
  bram.screen.setAvailable(true);
  await bram.screen.told('availability', { since: free });
  stage.tell('bram', 'comes back from the break');
  const passedAt = performance.now();
  anna.screen.transfer({ kind: 'agent', name: 'bram' });
  await anna.screen.told('clear', { since: passedAt });
  stage.tell('anna', 'passes the caller on to bram, by the screen');
  const { call: passed } = await bram.screen.told('offer', { since: passedAt });
  await stage.until(5_000, () => bram.rangAt !== undefined);
  const [clearedAt, rangAt] = [anna.screen.toldAt('clear')!, bram.rangAt ?? 0];
  stage.check(`anna’s screen was empty ${Math.round(rangAt - clearedAt)} ms before bram’s phone rang`, anna.screen.shown === undefined && clearedAt < rangAt);
  stage.check('bram’s screen says who passes the call on, and no name of the caller yet', passed.transferredBy !== undefined && passed.transferredBy !== null && bram.screen.shown === undefined);
  await bram.screen.told('connected', { since: passedAt, timeoutMs: 15_000 });
  stage.tell('bram', 'answers, and reads:');
  stage.below(bram.screen.shown ? asRead(bram.screen.shown) : ['nothing']);
  stage.check('the number is masked again: what anna asked for was for anna', shows(bram, person.fullname) && !JSON.stringify(bram.screen.heard).includes(person.bsn));
  const [annaHeard, bramHeard, citizenHeard] = [anna.ear.ms(hz.citizen), bram.ear.ms(hz.citizen), citizen.ms(hz.bram)];
  await stage.within(8_000, 'bram and the citizen hear each other', () => bram.ear.ms(hz.citizen) - bramHeard > 400 && citizen.ms(hz.bram) - citizenHeard > 400);

  stage.check('anna’s phone heard nothing of the citizen after the call was passed on', anna.ear.ms(hz.citizen) === annaHeard);
  await wrapUp(stage, anna, passedAt);

  await broughtIn(stage, bram, anna, person.fullname, citizen);

  const hungUpAt = performance.now();
  await call.hangup('the conversation is over');
  stage.tell('citizen', 'hangs up');
  await stage.within(1_000, 'both screens are empty within a second', () => anna.screen.shown === undefined && bram.screen.shown === undefined);
  await stage.within(1_000, 'the session is deleted within a second', async () => (await gateway.vault.stats()).live === 0);
  await wrapUp(stage, anna, hungUpAt);
}

/** One agent asks another into the conversation, and leaves it to them. */
async function broughtIn(stage: Stage, by: Desk, guest: Desk, name: string, citizen: Ear): Promise<void> {
  const askedAt = performance.now();
  const callId = by.screen.shown?.callId ?? '';
  by.screen.say({ type: 'bringIn', callId, colleague: guest.name });
  stage.tell(by.name, `has a question for ${guest.name}, and asks her into the conversation`);
  const { call: offered } = await guest.screen.told('offer', { since: askedAt });
  stage.check(`${guest.name}’s phone rings; her screen says who asks, and no name of the caller yet`, offered.broughtInBy === by.displayName && guest.screen.shown === undefined);
  await guest.screen.told('connected', { since: askedAt, timeoutMs: 15_000 });
  stage.check('she answers, and reads who is calling before she hears them', shows(guest, name) && shows(by, name));
  const before = [guest.ear.ms(hz.citizen), by.ear.ms(hz.citizen), citizen.ms(hz.anna), citizen.ms(hz.bram)];
  await stage.within(8_000, 'the three hear each other', () => [guest.ear.ms(hz.citizen), by.ear.ms(hz.citizen), citizen.ms(hz.anna), citizen.ms(hz.bram)].every((ms, i) => ms - before[i]! > 300));

  const leftAt = performance.now();
  by.screen.say({ type: 'leave', callId });
  await by.screen.told('clear', { since: leftAt });
  stage.tell(by.name, 'leaves the conversation to her');
  const [guestHeard, citizenHeard] = [guest.ear.ms(hz.citizen), citizen.ms(hz.anna)];
  await stage.within(8_000, 'the two go on, and only her screen shows the caller', () => guest.ear.ms(hz.citizen) - guestHeard > 400 && citizen.ms(hz.anna) - citizenHeard > 400 && shows(guest, name) && by.screen.shown === undefined);
  await wrapUp(stage, by, leftAt);
}

async function wrapUp(stage: Stage, { name, screen }: Desk, since: number): Promise<void> {
  const isIn = (state: string, from: number) => screen.heard.some(({ at, message }) => at >= from && message.type === 'seat' && message.seat.state === state);
  const cameIn = await stage.until(3_000, () => isIn('wrapUp', since));
  const done = performance.now();
  screen.wrapUpDone();
  const isFree = await stage.until(3_000, () => isIn('available', done));
  stage.check(`${name} has time to wrap up, cuts it short, and is free for the next call`, cameIn && isFree);
}
