/**
 * Right identity, right ear: two hundred callers in random order and timing, twenty agents. Every caller speaks with
 * tones of their own, every agent too; what each phone recorded is compared with what each screen showed.
 */
import { afterEach, expect, it } from 'vitest';
import { Phone, tone, tonesByWindow, type PhoneCall } from '../../gateway/phone/index.js';
import type { ScreenClient } from '../../gateway/demo/screen-client.js';
import { Peers, sleep } from '../peers/index.js';
import { TestGateway } from '../support/gateway.js';
import { randomFrom } from '../support/random.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

const callers = Number(process.env['SOAK_CALLS'] ?? 200);
const agentCount = 20;
/** Callers on the line at one time: more than there are agents, so that there is always a queue. */
const atOnce = 28;
/** 125 Hz apart: in windows of 80 ms neighbours are well told apart. */
const notes = Array.from({ length: 21 }, (_, i) => 500 + 125 * i);
const pairs = notes.flatMap((low, i) => notes.slice(i + 1).map((high) => [low, high] as const));

/** The tones in a recording: those heard in at least four windows. Nothing, when too little was said to be sure. */
function notesIn(samples: Int16Array): number[] {
  const counts = new Map<number, number>();
  let loud = 0;
  for (const window of tonesByWindow(samples, notes, { windowMs: 80, minShare: 0.2, minLoudness: 300 })) {
    if (window.hz.length > 0) loud += 1;
    for (const hz of window.hz) counts.set(hz, (counts.get(hz) ?? 0) + 1);
  }
  if (loud < 7) return [];
  return [...counts].filter(([, count]) => count >= 4).map(([hz]) => hz).sort((a, b) => a - b);
}

interface Meeting {
  agent: number;
  /** What the agent's screen showed when the phone call ended: a name, null for "not identified", undefined for nothing. */
  name: string | null | undefined;
  heard: number[];
}

it('never shows one caller’s identity with another’s voice', async () => {
  const seed = Number(process.env['SOAK_SEED'] ?? Date.now() % 1_000_000);
  const random = randomFrom(seed);
  const meetings: Meeting[] = [];
  const screens: ScreenClient[] = [];
  const phones: Phone[] = [];
  for (let i = 0; i < agentCount; i++) {
    const phone = await Phone.open();
    peers.add({ stop: () => phone.close() });
    phones.push(phone);
  }
  const gateway = peers.add(
    await TestGateway.start({ agents: phones.map((phone, i) => ({ name: `agent${i}`, phone: phone.uri })), calls: { ackTimeoutMs: 5_000, ringTimeoutMs: 10_000 } }),
  );
  const shownTo: (string | null | undefined)[] = [];
  for (const [i, phone] of phones.entries()) {
    const screen = peers.add(await gateway.screen(`agent${i}`));
    screens.push(screen);
    screen.onPop = (shown) => (shownTo[i] = shown.fields === null ? null : shown.fields['Name'] ?? Object.values(shown.fields)[0]);
    phone.answer({
      answerAfterMs: Math.round(random() * 400),
      record: true,
      say: { samples: tone([notes[i % notes.length]!], 1_000), forever: true },
      onCall: (call: PhoneCall) => {
        shownTo[i] = undefined;
        void call.done.then(() => {
          meetings.push({ agent: i, name: shownTo[i], heard: notesIn(call.heard()) });
        });
      },
    });
  }

  const citizenPhone = await Phone.open();
  peers.add({ stop: () => citizenPhone.close() });
  const outcomes = { talked: 0, left: 0 };
  const misheard: string[] = [];
  const one = async (index: number) => {
    await sleep(random() * 1_500);
    const anonymous = random() < 0.1;
    const leaves = random() < 0.12;
    const code = anonymous ? '0' : await gateway.citizen({ fullname: `Citizen ${index}` });
    const call = citizenPhone.call({
      to: `sip:+31201234567@${gateway.sip.host}:${gateway.sip.port}`,
      code,
      codeAfterMs: 100 + random() * 1_500,
      dtmf: random() < 0.5 ? 'info' : 'rfc4733',
      say: { samples: tone(pairs[index % pairs.length]!, 1_000), forever: true },
      record: true,
      giveUpAfterMs: 90_000,
    });
    const leaving = leaves ? setTimeout(() => void call.hangup('left'), 300 + random() * 6_000) : undefined;
    const heardWhom = new Promise<void>((resolve) => {
      call.on('event', (event) => {
        if (event.kind !== 'connected') return;
        setTimeout(() => void call.hangup('done').then(resolve), 900 + random() * 1_200);
      });
      void call.done.then(() => resolve());
    });
    await heardWhom;
    const result = await call.done;
    clearTimeout(leaving);
    if (result.connected) outcomes.talked += 1;
    else if (leaves) outcomes.left += 1;
    else misheard.push(`citizen ${index} was never connected: ${result.outcome}, ${result.cause}`);
  };
  const waiting = Array.from({ length: callers }, (_, i) => i);
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) await one(index);
  }));
  await gateway.untilEmpty(20_000);
  await sleep(200);

  for (const { agent, name, heard } of meetings) {
    if (heard.length === 0) continue;
    const whom = pairs.findIndex(([low, high]) => heard.length === 2 && heard[0] === low && heard[1] === high);
    if (whom < 0) misheard.push(`agent ${agent} heard ${heard.join('+')} Hz, nobody's voice (screen: ${name})`);
    else if (name === undefined) misheard.push(`agent ${agent} heard citizen ${whom} with an empty screen`);
    else if (name !== null && name !== `Citizen ${whom}`) misheard.push(`agent ${agent} heard citizen ${whom} while the screen said ${name}`);
  }
  expect(misheard, `seed ${seed}`).toEqual([]);
  const identified = meetings.filter(({ name, heard }) => typeof name === 'string' && heard.length === 2).length;
  // Most calls were identified conversations, so that the comparison above means something.
  expect(identified).toBeGreaterThan(callers * 0.6);
  expect(outcomes.talked + outcomes.left).toBe(callers);
  for (const screen of screens) expect(screen.shown).toBeUndefined();
  expect((await gateway.gateway.vault.stats()).claimed).toBe(0);
}, 400_000);
