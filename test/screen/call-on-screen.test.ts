/** What a live call can do with a screen beyond showing an identity, over a real socket. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ScreenClient } from '../../gateway/demo/screen-client.js';
import { withoutMasked } from '../../gateway/screen/masking.js';
import { call, password, revelation, startListener, until, type Listener } from './listener.js';

let listener: Listener;
let client: ScreenClient;
let ahead = 0;

beforeEach(async () => {
  ahead = 0;
  listener = await startListener({
    leaseMs: 10_000,
    now: () => Date.now() + ahead,
    targets: (agent) => ({ agents: [{ name: 'bram', displayName: 'Bram', state: 'available' }], services: [{ name: `Not for ${agent}`, waiting: 2, staffed: 1 }], outside: true }),
  });
  client = await ScreenClient.open(listener.origin, 'anna', password);
});
afterEach(async () => {
  client.close();
  await listener.close();
});

const told = (event: string) => listener.told.filter(([name]) => name === event);
/** Everything the page was sent, as text: what is not in here cannot be on the page. */
const sent = () => JSON.stringify(client.heard.map(({ message }) => message));
/** The page's own word for "all before this has been heard". */
async function heardAll(): Promise<void> {
  const before = client.heard.filter(({ message }) => message.type === 'availability').length;
  client.setAvailable(true);
  await client.told('availability', { count: before + 1 });
}

async function answered(over: Parameters<typeof call>[1] = {}): Promise<void> {
  listener.screens.offer('anna', call('c1', over));
  const { identity, masked } = withoutMasked(revelation('c1', 'r1').identity!, ['bsn']);
  listener.screens.reveal('anna', { callId: 'c1', revealId: 'r1', identity, masked });
  await client.told('reveal');
  listener.screens.connected('anna', 'c1');
  await client.told('connected');
}

describe('masked fields', () => {
  it('are not sent before they are asked for, and then once', async () => {
    await answered();
    expect(client.shown?.masked).toEqual({ 'Citizen service number (BSN)': 'bsn' });
    expect(sent()).not.toContain('999990019');
    // Not asked for: nothing.
    listener.screens.unmasked('anna', { callId: 'c1', revealId: 'r1', field: 'bsn', value: '999990019' });
    await heardAll();
    expect(sent()).not.toContain('999990019');
    client.unmask('Citizen service number (BSN)');
    client.unmask('Citizen service number (BSN)');
    await until('the wish', () => told('unmaskRequested').length > 0);
    await heardAll();
    expect(told('unmaskRequested')).toEqual([['unmaskRequested', 'anna', 'c1', 'r1', 'bsn']]);
    listener.screens.unmasked('anna', { callId: 'c1', revealId: 'r1', field: 'bsn', value: '999990019' });
    expect(await client.told('unmasked')).toMatchObject({ field: 'bsn', value: '999990019', hideAfterMs: 60_000 });
    listener.screens.unmasked('anna', { callId: 'c1', revealId: 'r1', field: 'bsn', value: '999990019' });
    await heardAll();
    expect(client.heard.filter(({ message }) => message.type === 'unmasked')).toHaveLength(1);
  });

  it('are not sent for another reveal, another field, another page', async () => {
    await answered();
    client.say({ type: 'unmask', callId: 'c1', revealId: 'r0', field: 'bsn' });
    client.say({ type: 'unmask', callId: 'c2', revealId: 'r1', field: 'bsn' });
    client.say({ type: 'unmask', callId: 'c1', revealId: 'r1', field: 'fullname' });
    await heardAll();
    expect(told('unmaskRequested')).toEqual([]);
    client.unmask('Citizen service number (BSN)');
    await until('the wish', () => told('unmaskRequested').length === 1);
    const second = await ScreenClient.open(listener.origin, 'anna', password);
    listener.screens.unmasked('anna', { callId: 'c1', revealId: 'r1', field: 'bsn', value: '999990019' });
    second.setAvailable(true);
    await second.told('availability');
    expect(sent()).not.toContain('999990019');
    expect(JSON.stringify(second.heard)).not.toContain('999990019');
    second.close();
  });

  it('are left out also when the value was handed over by mistake', async () => {
    listener.screens.offer('anna', call('c1'));
    listener.screens.reveal('anna', { ...revelation('c1', 'r1'), masked: ['bsn'] });
    await client.told('reveal');
    expect(sent()).not.toContain('999990019');
    expect(client.shown?.masked).toEqual({ 'Citizen service number (BSN)': 'bsn' });
  });
});

describe('transfer', () => {
  it('is offered with targets, told once, and can be asked again after a failure', async () => {
    await answered({ canTransfer: true, transferredBy: 'Bram' });
    expect(await client.told('offer')).toMatchObject({ call: { canTransfer: true, transferredBy: 'Bram' } });
    client.askTargets();
    expect((await client.told('transferTargets')).targets.agents).toEqual([{ name: 'bram', displayName: 'Bram', state: 'available' }]);
    client.transfer({ kind: 'agent', name: 'bram' });
    client.transfer({ kind: 'number', number: '+31201234567' });
    await until('the wish', () => told('transferRequested').length > 0);
    await heardAll();
    expect(told('transferRequested')).toEqual([['transferRequested', 'anna', 'c1', { kind: 'agent', name: 'bram' }]]);
    listener.screens.transferFailed('anna', { callId: 'c1', reason: 'noAnswer' });
    expect(await client.told('transferFailed')).toMatchObject({ reason: 'noAnswer' });
    client.transfer({ kind: 'service', name: 'Balie' });
    await until('another wish', () => told('transferRequested').length === 2);
  });

  it('is not for a call that cannot be transferred, or does not talk yet', async () => {
    listener.screens.offer('anna', call('c1', { canTransfer: true }));
    client.say({ type: 'transfer', callId: 'c1', target: { kind: 'agent', name: 'bram' } });
    await heardAll();
    listener.screens.clear('anna', 'c1', 'missed');
    await answered();
    client.askTargets();
    client.transfer({ kind: 'agent', name: 'bram' });
    await heardAll();
    expect(told('transferRequested')).toEqual([]);
    expect(client.heard.filter(({ message }) => message.type === 'transferTargets')).toEqual([]);
  });
});

describe('a colleague in the conversation', () => {
  it('is asked in once, may be sent away while there is one, and has the conversation left to them only when they are in it', async () => {
    await answered({ canTransfer: true });
    client.say({ type: 'guestOut', callId: 'c1' });
    client.say({ type: 'leave', callId: 'c1' });
    client.say({ type: 'bringIn', callId: 'c1', colleague: 'bram' });
    client.say({ type: 'bringIn', callId: 'c1', colleague: 'cor' });
    await until('the wish', () => told('bringInRequested').length > 0);
    listener.screens.offer('anna', call('c1', { canTransfer: true, guest: { name: 'Bram', isJoined: false } }));
    expect(await client.told('update')).toMatchObject({ call: { guest: { name: 'Bram', isJoined: false }, broughtInBy: null, phase: 'connected' } });
    // Neither a third one nor a transfer beside a guest; nothing is left to who is not there yet.
    client.say({ type: 'bringIn', callId: 'c1', colleague: 'cor' });
    client.transfer({ kind: 'agent', name: 'cor' });
    client.say({ type: 'leave', callId: 'c1' });
    client.say({ type: 'guestOut', callId: 'another' });
    client.say({ type: 'guestOut', callId: 'c1' });
    await until('the second wish', () => told('guestOutRequested').length > 0);
    listener.screens.offer('anna', call('c1', { canTransfer: true }));
    listener.screens.guestGone('anna', { callId: 'c1', reason: 'noAnswer' });
    expect(await client.told('guestGone')).toEqual({ type: 'guestGone', callId: 'c1', reason: 'noAnswer' });
    listener.screens.offer('anna', call('c1', { canTransfer: true, guest: { name: 'Bram', isJoined: true } }));
    client.say({ type: 'leave', callId: 'c1' });
    await until('the last wish', () => told('leaveRequested').length > 0);
    await heardAll();
    expect(told('bringInRequested')).toEqual([['bringInRequested', 'anna', 'c1', 'bram']]);
    expect(told('transferRequested')).toEqual([]);
    expect(told('guestOutRequested')).toEqual([['guestOutRequested', 'anna', 'c1']]);
    expect(told('leaveRequested')).toEqual([['leaveRequested', 'anna', 'c1']]);
  });

  it('leaves when they are the one whom this page is for, and not while their telephone rings', async () => {
    listener.screens.offer('anna', call('c1', { broughtInBy: 'Bram' }));
    expect(await client.told('offer')).toMatchObject({ call: { broughtInBy: 'Bram', canTransfer: false } });
    client.say({ type: 'leave', callId: 'c1' });
    client.say({ type: 'bringIn', callId: 'c1', colleague: 'cor' });
    await heardAll();
    expect(told('leaveRequested')).toEqual([]);
    await answered({ broughtInBy: 'Bram' });
    client.say({ type: 'leave', callId: 'c1' });
    client.say({ type: 'bringIn', callId: 'c1', colleague: 'cor' });
    await until('the wish', () => told('leaveRequested').length > 0);
    await heardAll();
    expect(told('bringInRequested')).toEqual([]);
  });
});

describe('the lease', () => {
  it('ends a call that is not renewed, and not one that is', async () => {
    await answered();
    ahead += 8000;
    listener.screens.renewLease('anna', 'c1');
    expect(await client.told('lease')).toEqual({ type: 'lease', callId: 'c1', forMs: 10_000 });
    listener.screens.renewLease('anna', 'another');
    ahead += 8000;
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(client.shown?.callId).toBe('c1');
    ahead += 3000;
    expect(await client.told('clear')).toMatchObject({ callId: 'c1', reason: 'leaseEnded' });
    expect(client.shown).toBeUndefined();
    expect(told('leaseLost')).toEqual([['leaseLost', 'anna', 'c1']]);
  });

  it('ends when the page says that it ended there; a call that lives may show itself again', async () => {
    await answered();
    client.say({ type: 'leaseEnded', callId: 'c1' });
    await until('the loss', () => told('leaseLost').length === 1);
    expect(listener.screens.reveal('anna', revelation('c1', 'r2'))).toBe(false);
    listener.screens.offer('anna', call('c1'));
    expect(listener.screens.reveal('anna', revelation('c1', 'r3'))).toBe(true);
  });
});

it('the same call offered again is brought up to date; what was revealed stays', async () => {
  await answered({ identified: 'verified' });
  listener.screens.offer('anna', call('c1', { service: 'Belastingen', waitedMs: 1, canTransfer: true, identified: 'none' }));
  expect(await client.told('update')).toMatchObject({ call: { callId: 'c1', service: 'Belastingen', phase: 'connected', identified: 'verified', canTransfer: true } });
  expect(client.heard.filter(({ message }) => message.type === 'offer' || message.type === 'clear')).toHaveLength(1);
  client.say({ type: 'ack', callId: 'c1', revealId: 'r1' });
  client.unmask('Citizen service number (BSN)');
  await until('the wish, about the reveal from before', () => told('unmaskRequested').length === 1);
});

it('shows wrap-up with the time left, also on a page that comes back, and hears when it is done', async () => {
  client.wrapUpDone();
  await heardAll();
  expect(told('wrapUpDone')).toEqual([]);
  listener.screens.seat('anna', { state: 'wrapUp', untilMs: Date.now() + 30_000 });
  const { seat } = await client.told('seat');
  expect(seat.state).toBe('wrapUp');
  expect(seat.endsInMs).toBeGreaterThan(25_000);
  ahead = 10_000;
  const second = await ScreenClient.open(listener.origin, 'anna', password);
  expect((await second.told('hello')).seat!.endsInMs).toBeLessThan(20_001);
  second.wrapUpDone();
  await until('the end of wrap-up', () => told('wrapUpDone').length === 1);
  second.close();
});
