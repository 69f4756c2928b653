import { WebSocket } from 'ws';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { standStill } from '../peers/wait.js';
import { call, login, revelation, startListener, until, type Listener } from './listener.js';

interface Page {
  socket: WebSocket;
  messages: Array<Record<string, unknown>>;
  closed: () => number | undefined;
  say(message: unknown): void;
  of(type: string): Array<Record<string, unknown>>;
}

let listener: Listener;
let sockets: WebSocket[];
beforeEach(async () => {
  sockets = [];
  listener = await startListener({ beatIntervalMs: 200, beatTimeoutMs: 1500 });
});
afterEach(async () => {
  for (const socket of sockets) socket.terminate();
  await listener.close();
});

function url(): string {
  return `${listener.origin.replace('http', 'ws')}/screen/ws`;
}

/** A page without a browser; it answers the heartbeat unless told to be deaf. */
async function open(cookie: string, options: { deaf?: boolean; headers?: Record<string, string> } = {}): Promise<Page> {
  const socket = new WebSocket(url(), { headers: { cookie, origin: listener.origin, ...options.headers } });
  sockets.push(socket);
  const messages: Array<Record<string, unknown>> = [];
  let closed: number | undefined;
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as Record<string, unknown>;
    if (message['type'] !== 'beat') messages.push(message);
    else if (!options.deaf) socket.send('{"type":"beat"}');
  });
  socket.on('close', (code) => (closed = code));
  socket.on('error', () => undefined);
  const page: Page = {
    socket, messages, closed: () => closed,
    say: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    of: (type) => messages.filter((message) => message['type'] === type),
  };
  await until('hello', () => page.of('hello').length === 1);
  return page;
}

/** The HTTP status with which a socket was refused. */
function refusal(headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url(), { headers });
    sockets.push(socket);
    socket.on('unexpected-response', (_request, response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    socket.on('open', () => reject(new Error('the socket was opened')));
    socket.on('error', () => undefined);
  });
}

const acks = () => listener.told.filter((t) => t[0] === 'acknowledged');
/** Long enough for what must not happen to have happened. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 150));

describe('who may open a socket', () => {
  it('only a logged-in page of this site', async () => {
    const { cookie } = await login(listener.origin);
    expect(await refusal({ origin: listener.origin })).toBe(401);
    expect(await refusal({ origin: listener.origin, cookie: 'screen=made-up' })).toBe(401);
    expect(await refusal({ cookie })).toBe(403);
    for (const origin of ['https://evil.example', 'null', `${listener.origin}.evil.example`, listener.origin.replace('http', 'https').replace(/:\d+$/u, ':1'), 'file://', 'garbage']) {
      expect(await refusal({ cookie, origin }), origin).toBe(403);
    }
    expect(listener.told).toEqual([]);
  });

  it('not a page of a login that ended', async () => {
    const { cookie } = await login(listener.origin);
    const page = await open(cookie);
    await fetch(`${listener.origin}/logout`, { method: 'POST', redirect: 'manual', headers: { cookie, origin: listener.origin } });
    await until('the page to be closed', () => page.closed() === 4401);
    expect(page.of('expired')).toHaveLength(1);
    expect(listener.screens.isPresent('anna')).toBe(false);
    expect(await refusal({ cookie, origin: listener.origin })).toBe(401);
  });
});

describe('what a page may say', () => {
  it.each([
    ['no JSON', 'hello'],
    ['another type', '{"type":"reveal"}'],
    ['an unknown field', '{"type":"beat","x":1}'],
    ['a wrong value', '{"type":"availability","value":"maybe"}'],
    ['an array', '[]'],
    ['an answer that is no answer', '{"type":"word","callId":"c1","confirmId":"q1","same":"yes"}'],
    ['a call id without end', JSON.stringify({ type: 'end', callId: 'x'.repeat(500) })],
  ])('closes on %s', async (_what, text) => {
    const page = await open((await login(listener.origin)).cookie);
    page.say(text);
    await until('the page to be closed', () => page.closed() === 4400);
    await until('the screen to be gone', () => !listener.screens.isPresent('anna'));
  });

  it('closes on binary, on a message too long and on too many', async () => {
    const { cookie } = await login(listener.origin);
    const binary = await open(cookie);
    binary.socket.send(Buffer.from('{"type":"beat"}'), { binary: true });
    await until('binary to be refused', () => binary.closed() === 4400);
    const long = await open(cookie);
    long.say('x'.repeat(5000));
    await until('length to be refused', () => long.closed() === 1009);
    const many = await open(cookie);
    for (let i = 0; i < 100; i += 1) many.say({ type: 'active' });
    await until('the flood to be refused', () => many.closed() === 4429);
  });
});

describe('one screen, one call, one acknowledgement', () => {
  it('is present, available, and gone', async () => {
    const page = await open((await login(listener.origin)).cookie);
    expect(listener.told).toEqual([['availability', 'anna', 'available'], ['present', 'anna']]);
    page.say({ type: 'availability', value: 'break' });
    await until('the break to be known', () => listener.screens.availabilityOf('anna') === 'break');
    page.socket.close();
    await until('the screen to be gone', () => !listener.screens.isPresent('anna'));
    expect(listener.told.slice(2)).toEqual([['availability', 'anna', 'break'], ['gone', 'anna']]);
  });

  it('keeps a break over a lost connection, and before saying present', async () => {
    const { cookie } = await login(listener.origin);
    const page = await open(cookie);
    page.say({ type: 'availability', value: 'break' });
    await until('the break', () => listener.screens.availabilityOf('anna') === 'break');
    page.socket.terminate();
    await until('gone', () => !listener.screens.isPresent('anna'));
    listener.told.length = 0;
    expect((await open(cookie)).of('hello')[0]).toMatchObject({ availability: 'break' });
    expect(listener.told).toEqual([['availability', 'anna', 'break'], ['present', 'anna']]);
    // A fresh login while nobody is there begins available.
    for (const socket of sockets) socket.terminate();
    await until('gone', () => !listener.screens.isPresent('anna'));
    expect((await open((await login(listener.origin)).cookie)).of('hello')[0]).toMatchObject({ availability: 'available' });
  });

  it('counts only the acknowledgement of the newest reveal, once', async () => {
    const page = await open((await login(listener.origin)).cookie);
    const { screens } = listener;
    expect(screens.reveal('anna', revelation('c1', 'r0')), 'nothing was offered').toBe(false);
    screens.offer('anna', call('c1'));
    page.say({ type: 'ack', callId: 'c1', revealId: 'r1' });
    await settle();
    expect(screens.reveal('anna', revelation('c1', 'r1'))).toBe(true);
    expect(screens.reveal('anna', revelation('c1', 'r2'))).toBe(true);
    for (const [callId, revealId] of [['c1', 'r1'], ['c2', 'r2'], ['c1', 'other']]) page.say({ type: 'ack', callId, revealId });
    await settle();
    expect(acks()).toEqual([]);
    page.say({ type: 'ack', callId: 'c1', revealId: 'r2' });
    page.say({ type: 'ack', callId: 'c1', revealId: 'r2' });
    await until('the acknowledgement', () => acks().length > 0);
    await settle();
    expect(acks()).toEqual([['acknowledged', 'anna', 'c1', 'r2']]);
  });

  it('never sends a caller who is not the one offered, and clears only the one shown', async () => {
    const page = await open((await login(listener.origin)).cookie);
    const { screens } = listener;
    screens.offer('anna', call('c1'));
    expect(screens.reveal('anna', revelation('c2', 'r1'))).toBe(false);
    screens.clear('anna', 'c2', 'ended');
    screens.connected('anna', 'c2');
    screens.clear('anna', 'c1', 'missed');
    // Late for the call that is over.
    expect(screens.reveal('anna', revelation('c1', 'r2'))).toBe(false);
    screens.offer('anna', call('c2'));
    expect(screens.reveal('anna', revelation('c1', 'r3'))).toBe(false);
    screens.offer('anna', call('c3'));
    expect(screens.reveal('nobody', revelation('c3', 'r4'))).toBe(false);
    await until('the last offer', () => page.of('offer').length === 3);
    expect(page.messages.slice(1).map((m) => [m['type'], m['callId'] ?? (m['call'] as { callId: string }).callId, m['reason']])).toEqual([
      ['offer', 'c1', undefined], ['clear', 'c1', 'missed'], ['offer', 'c2', undefined], ['clear', 'c2', 'ended'], ['offer', 'c3', undefined],
    ]);
  });

  it('tells only the agent concerned', async () => {
    const anna = await open((await login(listener.origin, 'anna')).cookie);
    const bram = await open((await login(listener.origin, 'bram')).cookie);
    listener.screens.offer('anna', call('c1'));
    listener.screens.reveal('anna', revelation('c1', 'r1'));
    bram.say({ type: 'ack', callId: 'c1', revealId: 'r1' });
    bram.say({ type: 'end', callId: 'c1' });
    await until('the reveal', () => anna.of('reveal').length === 1);
    await settle();
    expect(bram.messages.map((m) => m['type'])).toEqual(['hello']);
    expect(listener.told.filter((t) => t[0] === 'acknowledged' || t[0] === 'endRequested')).toEqual([]);
  });

  it('the newest page wins; the older is told, closed and not listened to, and must be revealed to anew', async () => {
    const { cookie } = await login(listener.origin);
    const older = await open(cookie);
    listener.screens.offer('anna', call('c1'));
    listener.screens.reveal('anna', revelation('c1', 'r1'));
    await until('the reveal', () => older.of('reveal').length === 1);
    listener.told.length = 0;
    const newer = await open(cookie);
    older.say({ type: 'ack', callId: 'c1', revealId: 'r1' });
    newer.say({ type: 'ack', callId: 'c1', revealId: 'r1' });
    await until('the older page to be closed', () => older.closed() === 4409);
    await settle();
    expect(older.of('replaced')).toHaveLength(1);
    expect(listener.told).toEqual([['availability', 'anna', 'available'], ['present', 'anna'], ['returned', 'anna', 'c1']]);
    expect(newer.of('hello')[0]).toMatchObject({ call: { callId: 'c1', phase: 'answered' } });
    expect(JSON.stringify(newer.messages)).not.toContain('Jansen');
    listener.screens.reveal('anna', revelation('c1', 'r2'));
    await until('the new reveal', () => newer.of('reveal').length === 1);
    newer.say({ type: 'ack', callId: 'c1', revealId: 'r2' });
    await until('the acknowledgement', () => acks().length === 1);
    expect(listener.screens.isPresent('anna')).toBe(true);
  });

  it('tells a page that comes back what is going on, without a word of who it is', async () => {
    const { cookie } = await login(listener.origin);
    const first = await open(cookie);
    listener.screens.offer('anna', call('c1', { waitedMs: 5000 }));
    listener.screens.reveal('anna', revelation('c1', 'r1'));
    listener.screens.connected('anna', 'c1');
    first.socket.terminate();
    await until('gone', () => !listener.screens.isPresent('anna'));
    expect(listener.screens.reveal('anna', revelation('c1', 'r2'))).toBe(false);
    const back = await open(cookie);
    const hello = back.of('hello')[0]!;
    expect(hello).toMatchObject({ call: { callId: 'c1', phase: 'connected', service: 'Burgerzaken' } });
    expect((hello['call'] as { connectedMs: number }).connectedMs).toBeGreaterThanOrEqual(0);
    expect(JSON.stringify(hello)).not.toContain('999990019');
    listener.screens.clear('anna', 'c1', 'ended');
    await until('the clearing', () => back.of('clear').length === 1);
  });

  it('a page that comes back to a call is returned to it, after it is present; one without a call is not', async () => {
    const { cookie } = await login(listener.origin);
    const first = await open(cookie);
    listener.screens.offer('anna', call('c1'));
    const order: unknown[][] = [];
    listener.screens.on('present', (agent) => void order.push(['present', agent]));
    listener.screens.on('returned', (...told) => void order.push(['returned', ...told]));
    first.socket.close();
    await until('gone', () => listener.told.some(([event]) => event === 'gone'));
    await open(cookie);
    listener.screens.clear('anna', 'c1', 'ended');
    await open(cookie);
    expect(order).toEqual([['present', 'anna'], ['returned', 'anna', 'c1'], ['present', 'anna']]);
  });

  it('a page that is displaced is told so, and leaves nothing for the next one', async () => {
    const { cookie } = await login(listener.origin);
    const page = await open(cookie);
    listener.screens.setAvailability('anna', 'break');
    listener.screens.offer('anna', call('c1'));
    expect(listener.screens.callOn('anna')).toBe('c1');
    listener.screens.displace('anna');
    expect(listener.screens.callOn('anna')).toBeUndefined();
    await until('the page to be closed', () => page.closed() === 4409);
    expect(page.messages.at(-1)).toEqual({ type: 'replaced' });
    expect(listener.told.slice(-2)).toEqual([['availability', 'anna', 'break'], ['gone', 'anna']]);
    expect((await open(cookie)).of('hello')[0]).toMatchObject({ availability: 'break', call: null });
  });

  it('passes on the wish to end only for the call that is there', async () => {
    const page = await open((await login(listener.origin)).cookie);
    listener.screens.offer('anna', call('c1'));
    page.say({ type: 'end', callId: 'c1' });
    await settle();
    listener.screens.reveal('anna', { callId: 'c1', revealId: 'r1', identity: null });
    page.say({ type: 'end', callId: 'c0' });
    page.say({ type: 'end', callId: 'c1' });
    await until('the wish', () => listener.told.some((t) => t[0] === 'endRequested'));
    expect(listener.told.filter((t) => t[0] === 'endRequested')).toEqual([['endRequested', 'anna', 'c1']]);
    expect(page.of('reveal')[0]).toMatchObject({ identity: null, identified: 'none' });
  });

  it('passes on the wish to identify, and the answer about the word, once and only from the page that was asked', async () => {
    const { cookie } = await login(listener.origin);
    const older = await open(cookie);
    const { screens } = listener;
    const told = () => listener.told.filter((t) => ['identifyRequested', 'identifyWithdrawn', 'wordConfirmed'].includes(t[0] as string));
    screens.offer('anna', call('c1'));
    screens.reveal('anna', { callId: 'c1', revealId: 'r1', identity: null });
    older.say({ type: 'identify', callId: 'c1' });
    await settle();
    expect(told(), 'they do not hear each other yet').toEqual([]);
    screens.connected('anna', 'c1');
    older.say({ type: 'identify', callId: 'c2' });
    older.say({ type: 'identify', callId: 'c1' });
    await until('the wish to identify', () => told().length > 0);
    screens.invitation('anna', { callId: 'c2', address: 'other.example/i', pairingCode: '999999', expiresInMs: 60_000 });
    screens.invitation('anna', { callId: 'c1', address: 'zutphen.example/i', pairingCode: '123456', expiresInMs: 60_000 });
    screens.confirmWord('anna', { callId: 'c1', confirmId: 'q1', word: 'appel' });
    screens.confirmWord('anna', { callId: 'c1', confirmId: 'q2', word: 'appel' });
    await until('the second question', () => older.of('confirmWord').length === 2);
    expect(older.of('invitation')).toEqual([{ type: 'invitation', callId: 'c1', address: 'zutphen.example/i', pairingCode: '123456', expiresInMs: 60_000 }]);
    older.say({ type: 'word', callId: 'c1', confirmId: 'q1', same: true });
    const newer = await open(cookie);
    newer.say({ type: 'word', callId: 'c1', confirmId: 'q2', same: true });
    await settle();
    expect(told(), 'void, or asked on another page').toEqual([['identifyRequested', 'anna', 'c1']]);
    expect(JSON.stringify(newer.messages), 'nothing is sent again by itself').not.toMatch(/123456|appel/);
    screens.confirmWord('anna', { callId: 'c1', confirmId: 'q3', word: 'appel' });
    await until('the third question', () => newer.of('confirmWord').length === 1);
    for (const same of [false, true]) newer.say({ type: 'word', callId: 'c1', confirmId: 'q3', same });
    newer.say({ type: 'withdraw', callId: 'c1' });
    await until('the withdrawal', () => told().length === 3);
    expect(told().slice(1)).toEqual([['wordConfirmed', 'anna', 'c1', 'q3', false], ['identifyWithdrawn', 'anna', 'c1']]);
    expect(listener.logged()).not.toMatch(/123456|appel/);
  });

  it('says a warning again to a page that comes back, until the call is cleared', async () => {
    const { cookie } = await login(listener.origin);
    const first = await open(cookie);
    const { screens } = listener;
    screens.offer('anna', call('c1'));
    screens.warn('anna', 'c2', 'codeUsedAgain');
    screens.warn('anna', 'c1', 'codeUsedAgain');
    await until('the warning', () => first.of('warning').length > 0);
    expect(first.of('warning')).toEqual([{ type: 'warning', callId: 'c1', warning: 'codeUsedAgain' }]);
    const back = await open(cookie);
    expect(back.of('hello')[0]).toMatchObject({ call: { warning: 'codeUsedAgain' } });
    screens.offer('anna', call('c2'));
    await until('the next call', () => back.of('offer').length === 1);
    expect(back.of('offer')[0]).toMatchObject({ call: { warning: null } });
  });

  it('tells why there is no identity when that has changed', async () => {
    const page = await open((await login(listener.origin)).cookie);
    listener.screens.offer('anna', call('c1', { identified: 'awaiting' }));
    listener.screens.reveal('anna', { callId: 'c1', revealId: 'r1', identity: null });
    listener.screens.reveal('anna', { callId: 'c1', revealId: 'r2', identity: null, identified: 'failed' });
    await until('both', () => page.of('reveal').length === 2);
    expect(page.of('reveal').map((m) => m['identified'])).toEqual(['awaiting', 'failed']);
  });

  it('notices a page that is open and dead', async () => {
    await open((await login(listener.origin)).cookie, { deaf: true });
    expect(listener.screens.isPresent('anna')).toBe(true);
    await until('the dead page to be noticed', () => !listener.screens.isPresent('anna'), 5000);
    expect(listener.told.at(-1)).toEqual(['gone', 'anna']);
  });

  it('takes in what pages said while this process stood still before it calls one dead', async () => {
    const page = await open((await login(listener.origin)).cookie);
    page.say({ type: 'beat' });
    standStill(2000);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(page.closed()).toBeUndefined();
    expect(listener.screens.isPresent('anna')).toBe(true);
  });

  it('logs neither attributes nor passwords nor cookies', async () => {
    const { cookie } = await login(listener.origin);
    const page = await open(cookie);
    listener.screens.offer('anna', call('c1'));
    listener.screens.reveal('anna', revelation('c1', 'r1'));
    await until('the reveal', () => page.of('reveal').length === 1);
    expect(JSON.stringify(page.of('reveal'))).toContain('Jansen');
    page.say('garbage');
    await until('the page to be closed', () => page.closed() !== undefined);
    expect(listener.logged().length).toBeGreaterThan(100);
    for (const secret of ['Jansen', '999990019', 'correct horse', cookie.split('=')[1]!]) expect(listener.logged()).not.toContain(secret);
  });
});
