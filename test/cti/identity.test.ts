import { afterEach, describe, expect, it } from 'vitest';
import type { ShownIdentity } from '../../gateway/cti/index.js';
import { Peers } from '../peers/index.js';
import { annaToken, crmToken, otherToken, startCti, tellCall, tellEnd, type CtiListener, type CtiListenerOptions } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

const identity: ShownIdentity['identity'] = { purpose: 'move', attributes: { fullname: 'Jip Jansen', bsn: '999990019', email: 'jip@example.org' }, authMethod: 'digid', verifiedAt: new Date('2026-03-01T12:00:00Z') };
const shown = (agent = 'anna', tenant = 'zutphen') => () => Promise.resolve({ tenant, agent, identity });
const listenerWith = async (options: CtiListenerOptions = {}) => peers.add(await startCti({ identityOf: shown(), ...options }));

const ask = async (listener: CtiListener, token: string | undefined, callId = 'c1', headers: Record<string, string> = {}) => {
  const answer = await fetch(`${listener.origin}/cti/calls/${callId}/identity`, { headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers } });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown>, headers: answer.headers };
};

it('is told while the call is connected and shown: what is allowed and was seen, and it is recorded by name', async () => {
  const listener = await listenerWith();
  tellCall(listener.happenings, 'c1', 'anna');
  const { status, body, headers } = await ask(listener, annaToken);
  expect(status).toBe(200);
  expect(body).toEqual({ callId: 'c1', agent: 'anna', purpose: 'move', verifiedAt: '2026-03-01T12:00:00.000Z', authMethod: 'digid', attributes: { fullname: 'Jip Jansen' } });
  expect(headers.get('cache-control')).toBe('no-store');
  expect(listener.recorded).toEqual([{ act: 'fetched', tenant: 'zutphen', callId: 'c1', agent: 'anna', subscriber: 'anna-desktop', fields: ['fullname'] }]);
  expect(JSON.stringify(listener.recorded) + listener.logged()).not.toMatch(/Jip Jansen|999990019|jip@example/);
});

it('what is masked on the screen is told only after the agent has seen it', async () => {
  const listener = await listenerWith({ cti: { subscribers: [{ name: 'anna-desktop', token: annaToken, agent: 'anna', identity: ['fullname', 'email'] }] } });
  tellCall(listener.happenings, 'c1', 'anna');
  expect((await ask(listener, annaToken)).body['attributes']).toEqual({ fullname: 'Jip Jansen' });
  listener.happenings.tell({ type: 'call.shown', tenant: 'zutphen', callId: 'c1', agent: 'anna', why: 'unmasked', fields: ['email'] });
  expect((await ask(listener, annaToken)).body['attributes']).toEqual({ fullname: 'Jip Jansen', email: 'jip@example.org' });
});

it('of a conversation of three each desktop is told what is on the screen of its own agent, while they are in it', async () => {
  const bramToken = 'a-token-of-brams-desktop-for-tests';
  const listener = await listenerWith({
    identityOf: (_callId, agent) => shown(agent)(),
    cti: { subscribers: [{ name: 'anna-desktop', token: annaToken, agent: 'anna', identity: ['fullname', 'email'] }, { name: 'bram-desktop', token: bramToken, agent: 'bram', identity: ['fullname', 'email'] }] },
  });
  const { happenings } = listener;
  const of = { tenant: 'zutphen', callId: 'c1' };
  tellCall(happenings, 'c1', 'anna');
  happenings.tell({ type: 'call.shown', ...of, agent: 'anna', why: 'unmasked', fields: ['email'] });
  happenings.tell({ type: 'call.broughtIn', ...of, agent: 'anna', colleague: 'bram' });
  happenings.tell({ type: 'call.offered', ...of, agent: 'bram' });
  happenings.tell({ type: 'call.shown', ...of, agent: 'bram', why: 'broughtIn', fields: ['fullname'] });
  expect((await ask(listener, bramToken)).status).toBe(404);
  happenings.tell({ type: 'call.connected', ...of, agent: 'bram' });
  expect((await ask(listener, annaToken)).body).toMatchObject({ agent: 'anna', attributes: { fullname: 'Jip Jansen', email: 'jip@example.org' } });
  expect((await ask(listener, bramToken)).body).toMatchObject({ agent: 'bram', attributes: { fullname: 'Jip Jansen' } });
  happenings.tell({ type: 'call.cleared', ...of, agent: 'anna', because: 'left' });
  happenings.tell({ type: 'call.transferred', ...of, from: 'anna', to: { kind: 'agent', name: 'bram' } });
  expect((await ask(listener, annaToken)).status).toBe(404);
  expect((await ask(listener, bramToken)).status).toBe(200);
});

describe('is not told', () => {
  it.each([
    ['without a token', undefined, 401],
    ['with a wrong one', 'a-token-that-nobody-was-ever-given', 401],
    ['to a subscriber for whom nothing is allowed', crmToken, 403],
    ['to another municipality', otherToken, 404],
  ] as const)('%s', async (_what, token, status) => {
    const listener = await listenerWith();
    tellCall(listener.happenings, 'c1', 'anna');
    expect((await ask(listener, token)).status).toBe(status);
    expect(listener.recorded).toEqual([]);
  });

  it('about another agent’s call, a call that rings, one that was cleared or ended, or none', async () => {
    const listener = await listenerWith();
    const { happenings } = listener;
    tellCall(happenings, 'brams', 'bram');
    happenings.tell({ type: 'call.arrived', tenant: 'zutphen', callId: 'rings', service: 'Burgerzaken' });
    happenings.tell({ type: 'call.offered', tenant: 'zutphen', callId: 'rings', agent: 'anna' });
    happenings.tell({ type: 'call.shown', tenant: 'zutphen', callId: 'rings', agent: 'anna', why: 'answered', fields: ['fullname'] });
    tellCall(happenings, 'ended', 'anna');
    tellEnd(happenings, 'ended', 'anna');
    tellCall(happenings, 'moved', 'anna');
    happenings.tell({ type: 'call.transferred', tenant: 'zutphen', callId: 'moved', from: 'anna', to: { kind: 'outside' } });
    for (const callId of ['brams', 'rings', 'ended', 'moved', 'nothing', '%2e%2e%2f']) expect(await ask(listener, annaToken, callId), callId).toMatchObject({ status: 404, body: { error: 'not_shown' } });
    expect(listener.recorded).toEqual([]);
  });

  it.each([
    ['the call itself says no', () => Promise.resolve(undefined)],
    ['the call itself names another agent', shown('bram')],
    ['the call itself is another municipality’s', shown('anna', 'almelo')],
    ['the call cannot be asked', () => Promise.reject(new Error('no'))],
  ] as const)('when %s', async (_what, identityOf) => {
    const listener = await listenerWith({ identityOf });
    tellCall(listener.happenings, 'c1', 'anna');
    expect((await ask(listener, annaToken)).status).toBe(404);
    expect(listener.recorded).toEqual([]);
  });

  it('when it cannot be recorded', async () => {
    const listener = await listenerWith({ record: () => Promise.reject(new Error('full')) });
    tellCall(listener.happenings, 'c1', 'anna');
    expect(await ask(listener, annaToken)).toMatchObject({ status: 503, body: { error: 'audit_unwritable' } });
  });

  it('when the call ended while it was recorded', async () => {
    const listener: CtiListener = await listenerWith({ record: () => { tellEnd(listener.happenings, 'c1', 'anna'); return Promise.resolve(); } });
    tellCall(listener.happenings, 'c1', 'anna');
    expect((await ask(listener, annaToken)).status).toBe(404);
  });

  it('to a page that is not listed, whatever token it has; to a listed one it is, with a preflight', async () => {
    const listener = await listenerWith({ cti: { origins: ['https://crm.example'], subscribers: [{ name: 'd', token: annaToken, identity: ['fullname'] }] } });
    tellCall(listener.happenings, 'c1', 'anna');
    const stranger = await ask(listener, annaToken, 'c1', { origin: 'https://evil.example' });
    expect(stranger.status).toBe(403);
    expect(stranger.headers.get('access-control-allow-origin')).toBeNull();
    const listed = await ask(listener, annaToken, 'c1', { origin: 'https://crm.example' });
    expect(listed.status).toBe(200);
    expect(listed.headers.get('access-control-allow-origin')).toBe('https://crm.example');
    const preflight = await fetch(`${listener.origin}/cti/calls/c1/identity`, { method: 'OPTIONS', headers: { origin: 'https://crm.example', 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' } });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toBe('authorization');
  });

  it('without end: a subscriber who asks too often has to wait', async () => {
    const listener = await listenerWith();
    const answers = await Promise.all(Array.from({ length: 250 }, () => ask(listener, annaToken, 'none')));
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(10);
    expect(answers.filter(({ status }) => status === 404).length).toBeGreaterThanOrEqual(120);
  });
});
