/** People, their phones and opening hours that change while the gateway runs, in the middle of calls. */
import { afterEach, expect, it } from 'vitest';
import { logIn } from '../../gateway/demo/screen-client.js';
import { Phone, type PhoneCall } from '../../gateway/phone/index.js';
import { Peers, startRedis, until } from '../peers/index.js';
import { redisStore, TestGateway } from '../support/gateway.js';
import { heardPrompt } from './heard-prompt.js';
import { attributes, dialled } from './support.js';

const silentPhone = 'sip:nobody@127.0.0.1:9';

const peers = new Peers();
afterEach(() => peers.stopAll());

type Listed = { name: string; displayName?: string; phone: string }[];
const agentsOf = (file: Record<string, unknown>): Listed => file['agents'] as Listed;

/** A phone that answers at once. @returns its calls as they come */
async function agentsPhone(): Promise<{ phone: Phone; calls: PhoneCall[] }> {
  const phone = await Phone.open();
  peers.defer(() => phone.close());
  const calls: PhoneCall[] = [];
  phone.answer({ answerAfterMs: 0, onCall: (call) => calls.push(call) });
  return { phone, calls };
}

async function citizensPhone(): Promise<Phone> {
  const phone = await Phone.open();
  peers.defer(() => phone.close());
  return phone;
}

function dial(phone: Phone, gateway: TestGateway): PhoneCall {
  return phone.call({ to: `sip:${dialled}@${gateway.sip.host}:${gateway.sip.port}`, dtmf: 'info', record: true });
}

const isTold = (call: PhoneCall, state: string): boolean => call.events.some((event) => event.kind === 'told' && event.state === state);

/** A citizen on the line whose code was typed. */
async function identifiedCall(phone: Phone, gateway: TestGateway, fullname = attributes.fullname): Promise<PhoneCall> {
  const call = dial(phone, gateway);
  await until(() => isTold(call, 'collecting') || isTold(call, 'greeting'), 'the call to be answered');
  await call.press(`${await gateway.citizen({ ...attributes, fullname })}#`);
  return call;
}

it('who comes gets calls, who leaves sees nothing any more, and a conversation of others goes on', async () => {
  const [annas, brams, carlas] = [await agentsPhone(), await agentsPhone(), await agentsPhone()];
  const gateway = peers.add(await TestGateway.start({ agents: [{ name: 'anna', phone: annas.phone.uri }, { name: 'bram', phone: brams.phone.uri }] }));
  const citizens = await citizensPhone();
  await expect(logIn(gateway.gateway.urls.agents, 'carla')).rejects.toThrow('401');

  const anna = peers.add(await gateway.screen('anna'));
  const first = await identifiedCall(citizens, gateway, 'First');
  await anna.told('connected', { timeoutMs: 15_000 });
  const bram = peers.add(await gateway.screen('bram'));
  
  gateway.renew((file) => {
    const [first] = agentsOf(file);
    return { agents: [{ ...first!, displayName: 'Anna Renamed' }, { ...first!, name: 'carla', displayName: 'Carla', phone: carlas.phone.uri }] };
  });

  // The one who left is out, on the page and everywhere else.
  await bram.told('expired');
  const asked = await fetch(`${gateway.gateway.urls.agents}/`, { redirect: 'manual', headers: { cookie: bram.cookie } });
  expect([asked.status, asked.headers.get('location')]).toEqual([303, '/login']);
  await expect(gateway.screen('bram')).rejects.toThrow('401');

  // The next caller gets the one who came; the first conversation is as it was.
  const carla = peers.add(await gateway.screen('carla'));
  const second = await identifiedCall(citizens, gateway, 'Second');
  await carla.told('connected', { timeoutMs: 15_000 });
  expect(carla.shown?.name).toBe('Second');
  expect(brams.calls).toEqual([]);
  expect(carlas.calls).toHaveLength(1);
  expect(anna.shown?.name).toBe('First');
  expect(first.isEnded).toBe(false);
  // What a colleague is called is read again as well.
  carla.askTargets();
  expect((await carla.told('transferTargets')).targets.agents.map(({ name, displayName }) => [name, displayName])).toEqual([['anna', 'Anna Renamed']]);
  await second.hangup('done');
  await first.hangup('done');
  await gateway.untilEmpty();
}, 60_000);

it('an agent who leaves in the middle of a call sees the caller no longer, and both still hear each other', async () => {
  const [annas, brams] = [await agentsPhone(), await agentsPhone()];
  const gateway = peers.add(await TestGateway.start({ agents: [{ name: 'anna', phone: annas.phone.uri }, { name: 'bram', phone: brams.phone.uri }] }));
  const anna = peers.add(await gateway.screen('anna'));
  const call = await identifiedCall(await citizensPhone(), gateway);
  await anna.told('connected', { timeoutMs: 15_000 });
  expect(anna.shown?.fields).not.toBeNull();
  gateway.renew((file) => ({ agents: agentsOf(file).slice(1) }));
  await anna.told('expired');
  await until(() => anna.shown === undefined, 'the screen to be empty');
  expect(annas.calls[0]!.isEnded).toBe(false);
  expect(call.isEnded).toBe(false);
  await call.hangup('done');
  await gateway.untilEmpty();
  // Nobody can be reached who is not there: the next caller waits for somebody who is.
  const bram = peers.add(await gateway.screen('bram'));
  const next = await identifiedCall(await citizensPhone(), gateway, 'Next');
  await bram.told('connected', { timeoutMs: 15_000 });
  expect([annas.calls.length, brams.calls.length]).toEqual([1, 1]);
  await next.hangup('done');
  await gateway.untilEmpty();
}, 60_000);

it('another phone rings from the next call on, a new skill counts for callers who wait, and a closed service says so', async () => {
  const [old, fresh] = [await agentsPhone(), await agentsPhone()];
  const gateway = peers.add(await TestGateway.start({ agents: [{ name: 'anna', phone: old.phone.uri }, { name: 'dora', phone: 'sip:dora@127.0.0.1:9' }], more: { service: { queue: { skills: ['moving'], wrapUpSeconds: 0 } }, agents: { dora: { skills: ['moving'] } } } }));
  const citizens = await citizensPhone();
  const anna = peers.add(await gateway.screen('anna'));
  const first = await identifiedCall(citizens, gateway, 'First');
  await until(() => isTold(first, 'waiting'), 'the caller to wait');
  expect(await gateway.metric(/^gateway_waiting/)).toBe(1);

  gateway.renew((file) => ({ agents: agentsOf(file).map((agent) => ({ ...agent, ...(agent.name === 'anna' && { phone: fresh.phone.uri }), skills: ['moving'] })) }));
  await anna.told('connected', { timeoutMs: 15_000 });
  expect([old.calls.length, fresh.calls.length]).toEqual([0, 1]);
  await first.hangup('done');
  await gateway.untilEmpty();

  const closedNow = { timezone: 'UTC', weekly: { monday: ['00:00-24:00'], tuesday: ['00:00-24:00'], wednesday: ['00:00-24:00'], thursday: ['00:00-24:00'], friday: ['00:00-24:00'], saturday: ['00:00-24:00'], sunday: ['00:00-24:00'] }, holidays: [0, 1].map((days) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)) };
  gateway.renew((file) => ({ services: (file['services'] as Record<string, unknown>[]).map((service) => ({ ...service, queue: { ...(service['queue'] as object), hours: closedNow } })) }));
  const refused = dial(citizens, gateway);
  await until(() => heardPrompt(refused.heard(), 'closed'), 'the caller to hear that it is closed', 15_000, 300);
  await until(() => refused.isEnded, 'the call to end');
  gateway.renew(() => ({}));
  const welcome = dial(citizens, gateway);
  await until(() => isTold(welcome, 'collecting'), 'the caller to be asked for a code', 15_000);
  await welcome.hangup('done');
  await gateway.untilEmpty();
}, 60_000);

it('who moves to another municipality is out here at once, and in there when their calls here are over; one that is gone has nobody left', async () => {
  const phone = (await agentsPhone()).phone.uri;
  const gateway = peers.add(await TestGateway.start({ agents: [], tenants: [
    { name: 'zutphen', displayName: 'Zutphen', number: '+31575111111', purpose: 'report_move', agents: [{ name: 'anna', phone }, { name: 'zoe', phone: silentPhone }], coreToken: 'token of the core of Zutphen, 0123456789' },
    { name: 'lochem', displayName: 'Lochem', number: '+31573222222', purpose: 'report_move', agents: [{ name: 'lou', phone: 'sip:lou@127.0.0.1:9' }], coreToken: 'token of the core of Lochem, 0123456789' },
  ] }));
  type Municipality = Record<string, unknown> & { name: string; agents: Listed };
  const municipalities = (file: Record<string, unknown>): [Municipality, Municipality] => file['tenants'] as [Municipality, Municipality];
  const moved = (file: Record<string, unknown>) => {
    const [zutphen, lochem] = municipalities(file);
    return { tenants: [{ ...zutphen, agents: zutphen.agents.slice(1) }, { ...lochem, agents: [...lochem.agents, zutphen.agents[0]!] }] };
  };
  const anna = peers.add(await gateway.screen('anna'));
  const call = (await citizensPhone()).call({ to: `sip:+31575111111@${gateway.sip.host}:${gateway.sip.port}`, dtmf: 'info' });
  await until(() => isTold(call, 'collecting') || isTold(call, 'greeting'), 'the call to be answered');
  await call.press('0#');
  await anna.told('connected', { timeoutMs: 15_000 });

  gateway.renew(moved);
  await anna.told('expired');
  for (let readings = 0; readings < 2; readings += 1) {
    await expect(gateway.screen('anna')).rejects.toThrow('401');
    gateway.renew(moved);
  }
  expect(call.isEnded).toBe(false);
  await call.hangup('done');
  await gateway.untilEmpty();
  gateway.renew(moved);
  const there = peers.add(await gateway.screen('anna'));
  const next = (await citizensPhone()).call({ to: `sip:+31573222222@${gateway.sip.host}:${gateway.sip.port}`, dtmf: 'info' });
  await until(() => isTold(next, 'collecting') || isTold(next, 'greeting'), 'the call to be answered');
  await next.press('0#');
  await there.told('connected', { timeoutMs: 15_000 });
  await next.hangup('done');
  await gateway.untilEmpty();

  peers.add(await gateway.screen('zoe'));
  gateway.renew((file) => ({ tenants: municipalities(file).slice(1) }));
  await expect(gateway.screen('zoe')).rejects.toThrow('401');
}, 60_000);

it('who is to be called without a screen from now on is not, while their page says that they have a break', async () => {
  const gateway = peers.add(await TestGateway.start({ agents: [{ name: 'anna', phone: silentPhone }, { name: 'bram', phone: 'sip:bram@127.0.0.1:9' }] }));
  const anna = peers.add(await gateway.screen('anna'));
  anna.setAvailable(false);
  await until(async () => (await gateway.metric(/^gateway_agents_ready /)) === 0, 'the break to count');
  gateway.renew((file) => ({ agents: agentsOf(file).map((agent) => ({ ...agent, whisper: { alwaysThere: true } })) }));
  await until(async () => (await gateway.metric(/^gateway_agents_ready /)) === 1, 'the one without a page to be there');
  anna.setAvailable(true);
  await until(async () => (await gateway.metric(/^gateway_agents_ready /)) === 2, 'both to be there');
}, 60_000);

it('on several nodes a login ends on all of them when one node has read that its account is gone', async () => {
  const redis = peers.add(await startRedis());
  const agents = [{ name: 'anna', phone: (await agentsPhone()).phone.uri }, { name: 'bram', phone: (await agentsPhone()).phone.uri }];
  const one = peers.add(await TestGateway.start({ agents, store: redisStore(redis) }));
  const other = peers.add(await TestGateway.start({ agents, store: redisStore(redis), secondTo: one }));
  const bram = peers.add(await one.screen('bram'));
  const anna = peers.add(await one.screen('anna'));
  const led = async (gateway: TestGateway, { cookie }: { cookie: string }): Promise<string | null> => (await fetch(`${gateway.gateway.urls.agents}/`, { redirect: 'manual', headers: { cookie } })).headers.get('location');
  expect([await led(other, bram), await led(other, anna)]).toEqual(['/screen', '/screen']);
  other.renew((file) => ({ agents: agentsOf(file).slice(0, 1) }));
  await bram.told('expired');
  expect([await led(one, bram), await led(one, anna), await led(other, bram), await led(other, anna)]).toEqual(['/login', '/screen', '/login', '/screen']);
}, 60_000);
