/** `three_way`: a third one comes into a conversation, as a real FreeSWITCH was measured to do it. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { MixedSource } from '../../../gateway/engines/media-server/audio/mix.js';
import { amplitudeOf, concat, sine, sleep, until, ToneSource } from './audio.js';
import { call, startRig, within, type Endpoint, type EslEvent, type Phone, type Rig } from './rig.js';

let rig: Rig;
const calls: { ep: Endpoint; phone: Phone }[] = [];
beforeAll(async () => { rig = await startRig(); });
afterEach(async () => {
  for (const { ep, phone } of calls.splice(0)) {
    if (ep.connected) await within(ep.destroy(), 2_000, 'destroy');
    phone.close();
  }
  if (!rig.media.embedded) return;
  await until(() => rig.media.stats()!.sessions === 0, 'no session left', 3_000);
  expect(rig.media.stats()).toMatchObject({ rtpPortsInUse: 0, timers: 0, dialogs: 0 });
});
afterAll(() => rig.close());

const hz = { caller: 600, agent: 900, guest: 1_300 } as const;
type Name = keyof typeof hz;
type Talkers = Record<Name, { ep: Endpoint; phone: Phone; events: string[] }>;

async function talker(name: Name, payloads: readonly number[]): Promise<Talkers[Name]> {
  const made = await within(call(rig, { payloads }), 5_000, 'endpoint');
  calls.push(made);
  made.phone.session.play(new ToneSource(hz[name]));
  const events: string[] = [];
  made.ep.conn.on('esl::event::**', (event: EslEvent) => {
    const kind = event.getHeader('Event-Name') ?? '';
    if (kind.startsWith('CHANNEL_EXECUTE')) events.push(`${kind.slice(8)} ${event.getHeader('Application')}`);
  });
  return { ...made, events };
}

/** Caller and agent talk; the guest is there and alone. Caller and agent speak by different laws. */
async function conversation(): Promise<Talkers> {
  const talkers = { caller: await talker('caller', [8, 101]), agent: await talker('agent', [0, 101]), guest: await talker('guest', [8, 101]) };
  await within(talkers.caller.ep.bridge(talkers.agent.ep), 1_000, 'bridge');
  await until(() => talkers.caller.events.includes('EXECUTE uuid_bridge'), 'the bridge');
  return talkers;
}

/** @returns `over` settles when the guest is out again */
async function comesIn({ caller, guest }: Talkers): Promise<{ over: Promise<EslEvent> }> {
  const over = guest.ep.execute('three_way', caller.ep.uuid);
  // Of an endpoint that is destroyed meanwhile nothing more is heard.
  over.catch(() => undefined);
  await until(() => guest.events.includes('EXECUTE three_way'), 'the guest to come in');
  return { over };
}

/** Whom each hears now. */
async function heard(talkers: Partial<Talkers>): Promise<Partial<Record<Name, Name[]>>> {
  await sleep(250);
  const all = Object.entries(talkers) as [Name, Talkers[Name]][];
  for (const [, { phone }] of all) phone.frames.length = 0;
  await sleep(500);
  return Object.fromEntries(all.map(([name, { phone }]) => {
    const samples = concat(phone.frames);
    const names = (Object.keys(hz) as Name[]).filter((other) => samples.length > 0 && amplitudeOf(samples, hz[other]) > 2_000);
    return [name, names];
  }));
}

const three = { caller: ['agent', 'guest'], agent: ['caller', 'guest'], guest: ['caller', 'agent'] };

describe('three_way', () => {
  test('all three hear each other, and nobody themselves; the guest is taken out by parking', async () => {
    const talkers = await conversation();
    expect(await heard(talkers)).toEqual({ caller: ['agent'], agent: ['caller'], guest: [] });
    const { over } = await comesIn(talkers);
    expect(await heard(talkers)).toEqual(three);
    expect(talkers.guest.events).toEqual(['EXECUTE three_way']);
    expect(talkers.caller.events).toEqual(['EXECUTE_COMPLETE socket', 'EXECUTE uuid_bridge']);
    // A real one eats whatever is executed on the channel meanwhile, a hangup too: only the API reaches it.
    await within(talkers.guest.ep.api('uuid_park', talkers.guest.ep.uuid), 1_000, 'park');
    await within(over, 1_000, 'the end of three_way');
    expect(await heard(talkers)).toEqual({ caller: ['agent'], agent: ['caller'], guest: [] });
    await within(talkers.guest.ep.destroy(), 2_000, 'destroy');
  });

  test('a bridge with the guest takes the place of the conversation, without a gap that anybody would notice', async () => {
    const talkers = await conversation();
    const { over } = await comesIn(talkers);
    await heard(talkers);
    const arrivals: number[] = [];
    talkers.caller.phone.session.on('frame', (samples) => { if (amplitudeOf(samples, hz.guest) > 1_500) arrivals.push(performance.now()); });
    await within(talkers.caller.ep.bridge(talkers.guest.ep), 1_000, 'bridge');
    expect((await within(over, 2_000, 'the end of three_way')).getHeader('Application-Response')).toBe('_none_');
    await until(() => talkers.guest.events.includes('EXECUTE uuid_bridge'), 'the bridge');
    expect(await heard(talkers)).toEqual({ caller: ['guest'], agent: [], guest: ['caller'] });
    const gaps = arrivals.slice(1).map((at, i) => at - arrivals[i]!);
    expect(Math.max(...gaps)).toBeLessThan(300);
  });

  test('goes on with the one who is left when the other of the two ends; ends with whom it came to', async () => {
    const talkers = await conversation();
    const { over } = await comesIn(talkers);
    await within(talkers.agent.ep.destroy(), 2_000, 'destroy');
    const { agent: _gone, ...two } = talkers;
    expect(await heard(two)).toEqual({ caller: ['guest'], guest: ['caller'] });
    await within(talkers.caller.ep.destroy(), 2_000, 'destroy');
    await within(over, 2_000, 'the end of three_way');
    expect(talkers.guest.ep.connected).toBe(true);
    expect(talkers.guest.events.at(-1)).toBe('EXECUTE_COMPLETE three_way');
  });

  test('one of the two who says nothing does not silence the guest; a break does not end it', async () => {
    const talkers = await conversation();
    await comesIn(talkers);
    const { agent } = talkers;
    agent.phone.session.play(undefined);
    agent.phone.session.sendSilence = false;
    await talkers.guest.ep.api('uuid_break', talkers.guest.ep.uuid);
    expect(await heard(talkers)).toEqual({ caller: ['guest'], agent: ['caller', 'guest'], guest: ['caller'] });
  });

  test('keys of the caller reach the agent still', async () => {
    const talkers = await conversation();
    await comesIn(talkers);
    await talkers.caller.phone.press('6');
    await until(() => talkers.agent.phone.digits.length > 0, 'the key');
    expect(talkers.agent.phone.digits.map(({ digit }) => digit)).toEqual(['6']);
    expect(talkers.guest.phone.digits).toEqual([]);
  });

  test.each([['nobody', '11111111-2222-3333-4444-555555555555'], ['itself', undefined]])('with %s ends at once', async (_what, uuid) => {
    const { ep, events } = await talker('guest', [8, 101]);
    await within(ep.execute('three_way', uuid ?? ep.uuid), 1_000, 'the end');
    expect(events).toEqual(['EXECUTE three_way', 'EXECUTE_COMPLETE three_way']);
    expect(ep.connected).toBe(true);
  });
});

describe('a mix', () => {
  const frame = new Int16Array(160);
  test('adds up, and cuts off what is too loud', () => {
    const mix = new MixedSource<string>();
    mix.hear('a', new Int16Array(160).fill(20_000));
    mix.hear('b', new Int16Array(160).fill(20_000));
    expect(mix.read(frame)).toBe(160);
    expect(new Set(frame)).toEqual(new Set([32_767]));
    mix.read(frame);
    expect(new Set(frame)).toEqual(new Set([0]));
  });
  test('keeps what came early, and no more than a tenth of a second', () => {
    const mix = new MixedSource<string>();
    const said = sine(400, 2_000);
    for (let at = 0; at < 2_000; at += 160) mix.hear('a', said.subarray(at, at + 160));
    const out = Array.from({ length: 6 }, () => {
      mix.read(frame);
      return frame.slice();
    });
    expect(concat(out).subarray(0, 800)).toEqual(said.subarray(1_200));
    expect(new Set(out[5])).toEqual(new Set([0]));
    mix.hear('a', said.subarray(0, 160));
    mix.forget('a');
    mix.read(frame);
    expect(new Set(frame)).toEqual(new Set([0]));
  });
});
