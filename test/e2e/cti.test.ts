/** Whole calls as other desktops hear of them, on one node and on two. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { eventSchemas, type CtiEvent } from '../../gateway/cti/events.js';
import { Peers, startBaresip, startCitizen, startRedis, until } from '../peers/index.js';
import { redisStore, TestGateway } from '../support/gateway.js';
import { typeCode } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

const token = 'a-token-of-the-CRM-for-tests-only';
const secret = Buffer.alloc(32, 5).toString('base64');

/** A CRM on the WebSocket of this gateway. */
async function crmAt(gateway: TestGateway): Promise<CtiEvent[]> {
  const events: CtiEvent[] = [];
  const socket = new WebSocket(`${gateway.gateway.urls.agents.replace('http', 'ws')}/cti/ws`, { headers: { authorization: `Bearer ${token}` } });
  peers.add({ stop: () => socket.terminate() });
  let welcome = false;
  socket.on('open', () => socket.send('{"type":"cti.hello"}'));
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as CtiEvent;
    if ((message.type as string) === 'cti.welcome') welcome = true;
    else if (message.id) events.push(message);
  });
  await until(() => welcome, 'a welcome');
  return events;
}

const ofCalls = (events: readonly CtiEvent[]): string[] => events.filter(({ data }) => data['callId'] !== undefined).map(({ type }) => type);
const ended = (events: readonly CtiEvent[]) => () => events.some(({ type }) => type === 'call.ended');

it('a CRM hears of a call from its arrival to its end, by socket and by webhook', async () => {
  const posts: { body: string; headers: Record<string, string> }[] = [];
  const receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      posts.push({ body, headers: request.headers as Record<string, string> });
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  peers.add({ stop: () => new Promise<void>((resolve) => { receiver.close(() => resolve()); receiver.closeAllConnections(); }) });

  const phone = peers.add(await startBaresip({ toneHz: [900] }));
  const gateway = peers.add(await TestGateway.start({
    agents: [{ name: 'anna', phone: phone.uri }],
    cti: { subscribers: [{ name: 'crm', token }], webhooks: [{ name: 'crm', url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`, keys: [{ id: 'k', secret }] }] },
  }));
  const events = await crmAt(gateway);
  const screen = peers.add(await gateway.screen('anna'));
  const code = await gateway.citizen({ fullname: 'J. Jansen', bsn: '999990019' });
  const citizen = peers.add(await startCitizen({ to: gateway.sip, user: '+31201234567', toneHz: [600] }));
  await citizen.answered();
  await typeCode(gateway, citizen, code);
  await screen.told('connected', { timeoutMs: 20_000 });
  await citizen.hangup();
  await until(ended(events), 'the end of the call');
  const told = ofCalls(events);
  const order = ['call.arrived', 'call.identified', 'call.waiting', 'call.offered', 'call.answered', 'call.shown', 'call.connected', 'call.cleared', 'call.ended'];
  expect(told.filter((type, i) => told.indexOf(type) === i)).toEqual(expect.arrayContaining(order));
  for (const [before, after] of [['call.arrived', 'call.identified'], ['call.waiting', 'call.offered'], ['call.offered', 'call.answered'], ['call.answered', 'call.connected'], ['call.connected', 'call.ended'], ['call.shown', 'call.cleared']] as const) {
    expect(told.indexOf(before), `${before} before ${after}`).toBeLessThan(told.indexOf(after));
  }
  for (const event of events) expect(() => eventSchemas[event.type].parse(event)).not.toThrow();
  expect(events.find(({ type }) => type === 'call.offered')!.data).toMatchObject({ agent: 'anna', service: 'Burgerzaken', identity: 'verified' });
  expect(JSON.stringify(events)).not.toMatch(new RegExp(`Jansen|999990019|${code}`));

  await until(() => posts.filter(({ body }) => body.includes('"callId"')).length === told.length, 'the webhooks');
  const verifier = new Webhook(secret);
  expect(posts.map(({ body, headers }) => (verifier.verify(body, headers) as CtiEvent)).filter(({ data }) => data['callId'] !== undefined).map(({ type }) => type)).toEqual(told);
}, 90_000);

it('on two nodes: a CRM at the other one hears it too', async () => {
  const redis = peers.add(await startRedis());
  const store = redisStore(redis);
  const phone = peers.add(await startBaresip({ toneHz: [900] }));
  const agents = [{ name: 'anna', phone: phone.uri }];
  const cti = { subscribers: [{ name: 'crm', token }] };
  const first = peers.add(await TestGateway.start({ agents, store, cti }));
  const second = peers.add(await TestGateway.start({ agents, store, cti, secondTo: first }));
  const [here, there] = [await crmAt(first), await crmAt(second)];
  const screen = peers.add(await first.screen('anna'));
  const code = await second.citizen({ fullname: 'J. Jansen' });
  const citizen = peers.add(await startCitizen({ to: first.sip, user: '+31201234567', toneHz: [600] }));
  await citizen.answered();
  await typeCode(first, citizen, code);
  await screen.told('connected', { timeoutMs: 20_000 });
  await citizen.hangup();
  await until(() => ended(here)() && ended(there)(), 'the end of the call at both');
  expect(ofCalls(here)).toContain('call.connected');
  expect(ofCalls(there)).toEqual(ofCalls(here));
  expect(there[0]!.id.slice(0, 8)).not.toBe(here[0]!.id.slice(0, 8));
}, 90_000);
