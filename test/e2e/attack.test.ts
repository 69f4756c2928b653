/**
 * Ten people who guess codes as fast as they are let, beside citizens who have one: guessing is slowed down, every citizen
 * is still identified, and nobody can hear from the outside whether a code ever existed.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { generateCode } from '../../core-bridge/index.js';
import { Phone, type PhoneCall } from '../../gateway/phone/index.js';
import type { ScreenClient } from '../../gateway/demo/screen-client.js';
import { Peers, sleep, until } from '../peers/index.js';
import { TestGateway } from '../support/gateway.js';
import { heardPrompt } from './heard-prompt.js';
import { dialled } from './support.js';

const guesses = { freePerNumber: 2, freePerTrunk: 5, freeInTotal: 5, paceSeconds: 2, patienceSeconds: 20 };
const lifetimeSeconds = 30;
const attackMs = 22_000;
/** Citizens who log in before the attack, and while it goes on. */
const before = 4;
const during = 3;

const stage = new Peers();
let gateway: TestGateway;
let phone: Phone;
const screens: ScreenClient[] = [];
/** Who was on the agent's phone, by number, when a screen showed an identity. */
const pops: { name: string; caller: string | undefined }[] = [];
/** A code that nobody will use. */
let expiring: { code: string; until: number };
let used = '';

beforeAll(async () => {
  const phones = await Promise.all(Array.from({ length: 3 }, async () => {
    const agentPhone = await Phone.open();
    stage.defer(() => agentPhone.close());
    return agentPhone;
  }));
  gateway = stage.add(await TestGateway.start({
    agents: phones.map(({ uri }, i) => ({ name: `agent${i}`, phone: uri })),
    codes: { lifetimeSeconds, longestLifetimeSeconds: lifetimeSeconds, guesses },
    sessions: { reclaimGraceSeconds: 0, maxLive: 1_000 },
    calls: { ackTimeoutMs: 10_000 },
  }));
  for (const [i, agentPhone] of phones.entries()) {
    let onThePhone: PhoneCall | undefined;
    agentPhone.answer({ answerAfterMs: 0, onCall: (call) => (onThePhone = call) });
    const screen = stage.add(await gateway.screen(`agent${i}`));
    screens.push(screen);
    screen.onPop = ({ name, fields }) => {
      const incoming = onThePhone?.events.find((event) => event.kind === 'incoming');
      if (fields) pops.push({ name: name!, caller: incoming?.from });
    };
  }
  phone = await Phone.open();
  stage.defer(() => phone.close());
  expiring = { code: await gateway.citizen({ fullname: 'Nobody' }), until: Date.now() + lifetimeSeconds * 1_000 };
});
afterAll(() => stage.stopAll());

const dial = (from: string, options: { record?: boolean } = {}): PhoneCall => phone.call({ to: `sip:${dialled}@${gateway.sip.host}:${gateway.sip.port}`, from, dtmf: 'info', ...options });
const times = (call: PhoneCall, state: string): number => call.events.filter((event) => event.kind === 'told' && event.state === state).length;
const toldAtMs = (call: PhoneCall, state: string): number => call.events.findLast((event) => event.kind === 'told' && event.state === state)!.atMs;
/** A call whose greeting can be heard. */
const greeted = (call: PhoneCall): Promise<unknown> => until(() => call.isEnded || times(call, 'greeting') > 0, 'the call to be answered', 20_000);
const outcomes = (outcome: string): Promise<number> => gateway.metric(new RegExp(`^gateway_guesses_total\\{tenant="main",outcome="${outcome}"\\}`));

it('ten who guess, and citizens who have a code', async () => {
  let isOver = false;
  let guessed = 0;
  /** Of the codes that exist, as far as those who guess can know. */
  const lengths = new Set([10]);
  /** Three guesses a call, as fast as the gateway takes them, again and again. */
  const attack = async (numberOf: () => string): Promise<void> => {
    while (!isOver) {
      const call = dial(numberOf());
      await greeted(call);
      for (let guess = 1; guess <= 3 && !isOver && !call.isEnded; guess += 1) {
        guessed += 1;
        await call.press(`${generateCode([...lengths][guessed % lengths.size]!)}#`);
        await until(() => isOver || call.isEnded || times(call, 'collecting') > guess || times(call, 'waiting') > 0, 'what becomes of a guess', 60_000);
      }
      await call.hangup('on to the next guess');
    }
  };

  const failures: string[] = [];
  const delays: number[] = [];
  const cite = async (number: string, code: string, closed: boolean): Promise<void> => {
    const call = dial(number);
    await greeted(call);
    await call.press(closed ? `${code}#` : code);
    const typedAt = performance.now();
    await until(() => call.isEnded || times(call, 'waiting') > 0, 'the code to be looked up', 40_000);
    delays.push(performance.now() - typedAt);
    await until(() => call.isEnded || times(call, 'connected') > 0, 'an agent', 30_000);
    if (!pops.some(({ name }) => name === `Citizen ${number}`)) failures.push(`${number} after ${Math.round(delays.at(-1)!)} ms: ${call.events.map((event) => `${event.kind} ${'state' in event ? event.state : ''}`.trim()).join(', ')}`);
    await call.hangup('done');
  };

  const codes = [];
  for (let i = 0; i < before; i += 1) codes.push(await gateway.citizen({ fullname: `Citizen 061000000${i}` }));
  expect(codes.map((code) => code.length)).toEqual(codes.map(() => 10));
  used = codes[0]!;

  const startedAt = performance.now();
  let fresh = 0;
  const attackers = Promise.all([
    ...['1', '2', '3', '4'].map((digit) => attack(() => `062000000${digit}`)),
    ...['1', '2', '3'].map((digit) => attack(() => `063${digit}${String(fresh += 1).padStart(6, '0')}`)),
    ...[1, 2, 3].map(() => attack(() => 'sip:anonymous@anonymous.invalid')),
  ]);
  attackers.catch(() => undefined);
  try {
    await until(async () => (await outcomes('wrong')) > guesses.freeInTotal, 'the free guesses to be used up', 20_000);
    const citizens: Promise<void>[] = [];
    for (const [i, code] of codes.entries()) {
      citizens.push(cite(`061000000${i}`, code, i % 2 === 0));
      await sleep(1_500);
    }
    // Codes are longer now, and who guesses them knows that.
    for (let i = 0; i < during; i += 1) {
      const number = `061000001${i}`;
      const code = await gateway.citizen({ fullname: `Citizen ${number}` });
      expect(code.length).toBeGreaterThan(10);
      lengths.add(code.length);
      citizens.push(cite(number, code, i % 2 === 0));
      await sleep(1_500);
    }
    await Promise.all(citizens);
    await sleep(Math.max(0, attackMs - (performance.now() - startedAt)));
    expect(await outcomes('right')).toBe(before + during);
  } finally {
    isOver = true;
    await attackers;
  }
  const attackedMs = performance.now() - startedAt;
  await gateway.untilEmpty(20_000);

  expect(failures).toEqual([]);
  expect(Math.max(...delays)).toBeLessThan(guesses.patienceSeconds * 1_000);
  // Right identity, right call: no other number was on the phone of an agent who saw a name.
  expect(pops.map(({ name }) => name).sort()).toEqual([...Array(before + during).keys()].map((i) => `Citizen 06100000${i < before ? `0${i}` : `1${i - before}`}`));
  for (const { name, caller } of pops) expect(caller).toContain(name.replace('Citizen ', ''));

  // docs/guessing.md: those that are free, then in each line one per gap, which here is the pace whatever the length.
  const wrong = await outcomes('wrong');
  expect(wrong).toBeGreaterThan(guesses.freeInTotal);
  expect(wrong).toBeLessThanOrEqual(guesses.freeInTotal + lengths.size * (attackedMs / 1_000 / guesses.paceSeconds + 1));
  expect(guessed).toBeGreaterThan(wrong);
  expect(await gateway.metric(/^gateway_guess_alarms_total\{tenant="main"\}/)).toBe(1);
}, 120_000);

it('what never was a code, what was used and what expired sound the same and take the same', async () => {
  const slip = `${used.slice(0, -1)}${(Number(used.at(-1)) + 1) % 10}`;
  const tried: Record<string, { heard: Int16Array; tookMs: number }> = {};
  for (const [i, [what, code]] of Object.entries({ slip, used, unknown: generateCode(10), expired: expiring.code }).entries()) {
    if (what === 'expired') await until(() => Date.now() > expiring.until, 'the code to expire', lifetimeSeconds * 1_000, 200);
    // The line of guesses is free again, so that nobody waits because of the one before.
    await sleep(guesses.paceSeconds * 1_000);
    const call = dial(`064000000${i}`, { record: true });
    try {
      await greeted(call);
      await call.press(code);
      const pressedAtMs = call.elapsedMs();
      await call.press('#');
      // A slip does not leave the state of collecting; its words are what there is to hear.
      if (what !== 'slip') await until(() => times(call, 'collecting') > 1, `the code that is ${what} to be refused`, 20_000);
      await until(() => heardPrompt(call.heard(), what === 'slip' ? 'slip' : 'not-recognised'), `what is said to one that is ${what}`, 30_000, 400);
      tried[what] = { heard: call.heard(), tookMs: what === 'slip' ? 0 : toldAtMs(call, 'collecting') - pressedAtMs };
    } finally {
      await call.hangup('heard enough');
    }
  }
  await gateway.untilEmpty(15_000);
  expect(heardPrompt(tried['slip']!.heard, 'not-recognised')).toBe(false);
  const refused = ['used', 'expired', 'unknown'].map((what) => tried[what]!);
  for (const { heard } of refused) for (const other of ['slip', 'too-short', 'technical-problem', 'checking'] as const) expect(heardPrompt(heard, other)).toBe(false);
  const took = refused.map(({ tookMs }) => tookMs);
  expect(Math.max(...took) - Math.min(...took)).toBeLessThan(1_000);
}, 120_000);
