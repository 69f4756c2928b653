import { afterEach, describe, expect, it } from 'vitest';
import { happeningSchemas } from '../../gateway/happenings.js';
import { eventSchemas } from '../../gateway/cti/events.js';
import { Hub } from '../../gateway/cti/hub.js';
import { Peers, until } from '../peers/index.js';
import { annaToken, crmToken, Desktop, otherToken, startCti, tellCall, tellEnd } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());
const start = async (...args: Parameters<typeof startCti>) => peers.add(await startCti(...args));
const open = async (...args: Parameters<typeof Desktop.open>) => peers.add(await Desktop.open(...args));
const desktopOf = async (...args: Parameters<typeof Desktop.of>) => peers.add(await Desktop.of(...args));

describe('who hears what', () => {
  it('a subscriber of the whole municipality hears all of it, and nothing of another one', async () => {
    const listener = await start();
    const crm = await desktopOf(listener, crmToken);
    const other = await desktopOf(listener, otherToken);
    tellCall(listener.happenings, 'c1', 'anna');
    listener.happenings.tell({ type: 'agent.state', tenant: 'zutphen', agent: 'bram', state: 'break' });
    listener.happenings.tell({ type: 'agent.refused', tenant: 'zutphen', agent: 'bram', by: 'password' });
    tellCall(listener.happenings, 'c9', 'cor', 'almelo');
    tellEnd(listener.happenings, 'c1', 'anna');
    const events = await crm.untilEvents(10);
    expect(events.map(({ type }) => type)).toEqual(['call.arrived', 'call.identified', 'call.waiting', 'call.offered', 'call.answered', 'call.shown', 'call.connected', 'agent.state', 'call.cleared', 'call.ended']);
    for (const event of events) expect(() => eventSchemas[event.type as keyof typeof eventSchemas].parse(event)).not.toThrow();
    // One event is enough to draw a call.
    expect(events[3]).toMatchObject({ data: { callId: 'c1', agent: 'anna', service: 'Burgerzaken', identity: 'verified', tenant: 'zutphen' } });
    expect(JSON.stringify(events)).not.toContain('s1');
    expect((await other.untilEvents(7)).every(({ data }) => data!['tenant'] === 'almelo')).toBe(true);
    expect(await listener.metric(/^gateway_cti_subscribers /)).toBe(2);
  });

  it('a subscriber of one agent hears of the calls that are that agent’s, as long as they are', async () => {
    const listener = await start();
    const anna = await desktopOf(listener, annaToken);
    const { happenings } = listener;
    tellCall(happenings, 'c1', 'anna');
    tellCall(happenings, 'c2', 'bram');
    happenings.tell({ type: 'call.transferred', tenant: 'zutphen', callId: 'c1', from: 'anna', to: { kind: 'agent', name: 'bram' } });
    happenings.tell({ type: 'call.cleared', tenant: 'zutphen', callId: 'c1', agent: 'anna', because: 'transferred' });
    happenings.tell({ type: 'call.shown', tenant: 'zutphen', callId: 'c1', agent: 'bram', why: 'transferred', fields: ['fullname'] });
    tellEnd(happenings, 'c1', 'bram');
    happenings.tell({ type: 'call.transferred', tenant: 'zutphen', callId: 'c2', from: 'bram', to: { kind: 'agent', name: 'anna' } });
    happenings.tell({ type: 'call.offered', tenant: 'zutphen', callId: 'c2', agent: 'anna' });
    tellEnd(happenings, 'c2', 'anna');
    happenings.tell({ type: 'agent.state', tenant: 'zutphen', agent: 'anna', state: 'wrapUp' });
    await until(() => anna.events.some(({ type }) => type === 'agent.state'), 'the last event');
    expect(anna.events.map(({ type, data }) => `${type} ${typeof data!['callId'] === 'string' ? data!['callId'] : ''}`.trim())).toEqual([
      'call.offered c1', 'call.answered c1', 'call.shown c1', 'call.connected c1', 'call.transferred c1', 'call.cleared c1',
      'call.transferred c2', 'call.offered c2', 'call.cleared c2', 'agent.state',
    ]);
  });

  it('events of other nodes are heard too', async () => {
    const listener = await start();
    const crm = await desktopOf(listener, crmToken);
    listener.happenings.hear({ type: 'call.arrived', tenant: 'zutphen', callId: 'far', service: 'Burgerzaken', at: Date.now() });
    listener.happenings.hear({ type: 'call.arrived', tenant: 'zutphen', callId: 'far', service: 'Burgerzaken', at: Date.now(), bsn: '999990019' });
    listener.happenings.hear('nonsense');
    expect(await crm.untilEvents(1)).toMatchObject([{ type: 'call.arrived', data: { callId: 'far' } }]);
    tellEnd(listener.happenings, 'far', 'anna');
    expect((await crm.untilEvents(3)).map(({ type }) => type)).toEqual(['call.arrived', 'call.cleared', 'call.ended']);
  });
});

describe('who is let in', () => {
  it.each([
    ['a token that nobody has', { authorization: 'Bearer of-nothing-that-anybody-would-know' }, null, { refusedWith: 401 }],
    ['a page that is not listed', { origin: 'https://evil.example', authorization: `Bearer ${crmToken}` }, null, { refusedWith: 403 }],
    ['no token at all', {}, { type: 'cti.hello' }, { closedWith: 4401 }],
    ['a wrong token in the first message', {}, { type: 'cti.hello', token: 'wrong' }, { closedWith: 4401 }],
    ['a first message that is none of ours', {}, { type: 'cti.hello', token: crmToken, scope: 'all' }, { closedWith: 4400 }],
    ['a first message that is no JSON', { authorization: `Bearer ${crmToken}` }, '{', { closedWith: 4400 }],
    ['a page that is listed for another municipality', { origin: 'https://crm.zutphen.example' }, { type: 'cti.hello', token: otherToken }, { closedWith: 4403 }],
  ] as const)('not %s', async (_who, headers, hello, outcome) => {
    const listener = await start({ cti: { origins: ['https://crm.zutphen.example'], subscribers: [{ name: 'crm', token: crmToken }] } });
    const desktop = await open(listener, headers, hello);
    await until(() => desktop.closedWith !== undefined || desktop.refusedWith !== undefined, 'the socket to be refused or closed');
    tellCall(listener.happenings, 'c1', 'anna');
    expect(desktop).toMatchObject(outcome);
    expect(desktop.messages).toEqual([]);
    expect(listener.logged()).not.toContain(crmToken);
  });

  it('a listed page with the token in its first message is; and whoever talks on is not', async () => {
    const listener = await start({ cti: { origins: ['https://crm.zutphen.example'], subscribers: [{ name: 'crm', token: crmToken }] } });
    const desktop = await open(listener, { origin: 'https://crm.zutphen.example' }, { type: 'cti.hello', token: crmToken });
    await until(() => desktop.messages.length > 0, 'a welcome');
    expect(desktop.messages[0]).toEqual({ type: 'cti.welcome', tenant: 'zutphen', subscriber: 'crm', heartbeatSeconds: 20 });
    desktop.socket.send('more');
    await until(() => desktop.closedWith !== undefined, 'the socket to be closed');
    expect(desktop.closedWith).toBe(4400);
  });

  it('who says nothing is closed after five seconds', async () => {
    const listener = await start();
    const desktop = await open(listener, { authorization: `Bearer ${crmToken}` }, null);
    await until(() => desktop.closedWith !== undefined, 'the socket to be closed', 15_000);
    expect(desktop.closedWith).toBe(4408);
    expect(await listener.metric(/^gateway_cti_refused_total.*hello/)).toBe(1);
  });
});

describe('coming back', () => {
  it('tells what came after the last event, once and in order, and then goes on', async () => {
    const listener = await start();
    const first = await desktopOf(listener, crmToken);
    tellCall(listener.happenings, 'c1', 'anna');
    const [, , last] = await first.untilEvents(7);
    first.stop();
    tellEnd(listener.happenings, 'c1', 'anna');
    const second = await desktopOf(listener, crmToken, last!.id);
    listener.happenings.tell({ type: 'agent.state', tenant: 'zutphen', agent: 'anna', state: 'available' });
    expect((await second.untilEvents(7)).map(({ type }) => type)).toEqual(['call.offered', 'call.answered', 'call.shown', 'call.connected', 'call.cleared', 'call.ended', 'agent.state']);
    expect(second.messages.map(({ type }) => type)).not.toContain('cti.gap');
  });

  it('says so when not everything is kept, when the id is another stream’s, and when it is none', async () => {
    const listener = await start({ cti: { bufferEvents: 10, subscribers: [{ name: 'crm', token: crmToken }] } });
    const first = await desktopOf(listener, crmToken);
    for (let i = 0; i < 100; i++) listener.happenings.tell({ type: 'agent.state', tenant: 'zutphen', agent: 'anna', state: i % 2 ? 'break' : 'available' });
    const events = await first.untilEvents(100);
    for (const after of [events[3]!.id!, 'abcdefgh-100', 'x', `${events[0]!.id!.slice(0, 9)}999`]) {
      const back = await desktopOf(listener, crmToken, after);
      await back.untilEvents(10);
      expect(back.messages[1]).toMatchObject({ type: 'cti.gap', after });
      expect(back.events.at(-1)!.id).toBe(events[99]!.id);
      back.stop();
    }
    const close = await desktopOf(listener, crmToken, events[95]!.id);
    expect((await close.untilEvents(4)).map(({ id }) => id)).toEqual(events.slice(96).map(({ id }) => id));
    expect(close.messages[1]!.type).not.toBe('cti.gap');
  });
});

it('publishes every kind of event but refusals, and strips what is nobody’s business', () => {
  expect(Object.keys(eventSchemas).sort()).toEqual(Object.keys(happeningSchemas).filter((type) => type !== 'agent.refused').sort());
});

it('remembers a bounded number of calls, however many never end', () => {
  const hub = new Hub(10);
  for (let i = 0; i < 25_000; i++) hub.publish({ type: 'call.connected', tenant: 'main', callId: `c${i}`, agent: 'anna', at: 1 });
  hub.publish({ type: 'call.shown', tenant: 'main', callId: 'c0', agent: 'anna', why: 'answered', fields: ['x'], at: 1 });
  // The first one gave way: it is not known to be connected any more.
  expect(hub.shownNow('c0')).toBeUndefined();
  hub.publish({ type: 'call.shown', tenant: 'main', callId: 'c24999', agent: 'anna', why: 'answered', fields: ['x'], at: 1 });
  expect(hub.shownNow('c24999')).toBeDefined();
});
