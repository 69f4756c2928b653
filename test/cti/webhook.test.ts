import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pino from 'pino';
import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, it } from 'vitest';
import { Secret, type CtiWebhook } from '../../config/index.js';
import type { CtiEvent } from '../../gateway/cti/events.js';
import { WebhookSender, type WebhookOptions, type WebhookOutcome } from '../../gateway/cti/webhook.js';
import { Peers, until } from '../peers/index.js';
import { startCti, tellCall, tellEnd } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());
const secrets = [Buffer.alloc(32, 1).toString('base64'), Buffer.alloc(24, 2).toString('base64')];

interface Post { headers: IncomingHttpHeaders; body: string }
type Answer = { status: number; headers?: Record<string, string> } | 'nothing';

/** A receiver on a real socket that answers as it is told. */
async function receiver(answer: (post: Post, nth: number) => Answer | Promise<Answer> = () => ({ status: 204 })): Promise<{ url: string; posts: Post[]; server: Server }> {
  const posts: Post[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const post = { headers: request.headers, body };
      posts.push(post);
      void Promise.resolve(answer(post, posts.length)).then((told) => {
        if (told !== 'nothing') response.writeHead(told.status, told.headers).end();
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  peers.add({ stop: () => new Promise<void>((resolve) => { server.close(() => resolve()); server.closeAllConnections(); }) });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?a=b`, posts, server };
}

function sender(url: string, webhook: Partial<CtiWebhook> = {}, options: Partial<WebhookOptions> = {}) {
  const outcomes: WebhookOutcome[] = [];
  const lines: string[] = [];
  let queued = 0;
  const made = new WebhookSender({
    webhook: { name: 'crm', url, keys: secrets.map((secret, i) => ({ id: `k${i}`, secret: new Secret(secret) })), attempts: 4, timeoutMs: 500, maxQueued: 100, ...webhook },
    log: pino({}, { write: (line: string) => void lines.push(line) }),
    onOutcome: (outcome) => outcomes.push(outcome),
    onQueued: (by) => (queued += by),
    firstRetryMs: 20,
    closeMs: 300,
    ...options,
  });
  peers.add({ stop: () => made.close() });
  return { sender: made, outcomes, lines, queued: () => queued };
}

const event = (n: number, callId = 'c1'): CtiEvent => ({ id: `abcdefgh-${n}`, type: 'call.offered', timestamp: new Date().toISOString(), data: { tenant: 'main', callId, agent: 'anna' } });
const idOf = ({ headers }: Post): string => String(headers['webhook-id']);

it('what is posted is believed by the Standard Webhooks library, with either key, and not when anything is changed', async () => {
  const { url, posts } = await receiver();
  const { sender: hook, outcomes } = sender(url);
  hook.offer(event(1));
  await until(() => outcomes.length === 1, 'the delivery');
  const { headers, body } = posts[0]!;
  const given = headers as Record<string, string>;
  for (const secret of secrets) expect(new Webhook(secret).verify(body, given)).toMatchObject({ id: 'abcdefgh-1', type: 'call.offered', data: { callId: 'c1' } });
  expect(given['webhook-key-id']).toBe('k0 k1');
  const first = new Webhook(secrets[0]!);
  expect(() => first.verify(body.replace('anna', 'bram'), given)).toThrow();
  expect(() => first.verify(body, { ...given, 'webhook-id': 'abcdefgh-2' })).toThrow();
  expect(() => first.verify(body, { ...given, 'webhook-timestamp': String(Number(given['webhook-timestamp']) + 1) })).toThrow();
  expect(() => new Webhook(Buffer.alloc(32, 9).toString('base64')).verify(body, given)).toThrow();
});

describe('a receiver that fails', () => {
  it('gets the events of a call in their order, each until it is taken; other calls do not wait for it', async () => {
    const failing = new Map<string, number>([['abcdefgh-2', 2], ['abcdefgh-4', 3]]);
    const { url, posts } = await receiver((post) => {
      const left = failing.get(idOf(post)) ?? 0;
      failing.set(idOf(post), left - 1);
      return { status: left > 0 ? 500 : 200 };
    });
    const { sender: hook, outcomes, queued } = sender(url);
    for (let n = 1; n <= 6; n++) hook.offer(event(n, n === 5 ? 'other' : 'c1'));
    await until(() => outcomes.filter((outcome) => outcome === 'delivered').length === 6, 'all to be delivered');
    const ids = posts.map(idOf);
    expect(ids.filter((id) => id !== 'abcdefgh-5')).toEqual(['1', '2', '2', '2', '3', '4', '4', '4', '4', '6'].map((n) => `abcdefgh-${n}`));
    expect(ids.indexOf('abcdefgh-5')).toBeLessThan(4);
    expect(outcomes.filter((outcome) => outcome === 'retried')).toHaveLength(5);
    expect(queued()).toBe(0);
    // A repetition has the same id and body, and a moment of its own under its signature.
    const twice = posts.filter((post) => idOf(post) === 'abcdefgh-2');
    expect(new Set(twice.map(({ body }) => body)).size).toBe(1);
    for (const { headers, body } of twice) expect(() => new Webhook(secrets[0]!).verify(body, headers as Record<string, string>)).not.toThrow();
  });

  it('for too long loses that event and gets the next ones; the log names it by its id alone', async () => {
    const { url, posts } = await receiver((post) => ({ status: idOf(post) === 'abcdefgh-1' ? 503 : 204 }));
    const { sender: hook, outcomes, lines } = sender(url, { attempts: 3 });
    hook.offer(event(1));
    hook.offer(event(2));
    await until(() => outcomes.includes('delivered'), 'the second to be delivered');
    expect(posts.map(idOf)).toEqual(['abcdefgh-1', 'abcdefgh-1', 'abcdefgh-1', 'abcdefgh-2']);
    expect(outcomes).toEqual(['retried', 'retried', 'dead', 'delivered']);
    expect(lines.join('')).toContain('given up');
    expect(lines.join('')).not.toContain(secrets[0]);
  });

  it('that is gone (410) is not asked again, that says when is asked then, and that redirects is not followed', async () => {
    const { url, posts } = await receiver((post, nth): Answer => {
      if (idOf(post) === 'abcdefgh-1') return { status: 410 };
      if (idOf(post) === 'abcdefgh-2' && nth === 2) return { status: 429, headers: { 'retry-after': '1' } };
      if (idOf(post) === 'abcdefgh-3') return { status: 302, headers: { location: url } };
      return { status: 204 };
    });
    const { sender: hook, outcomes } = sender(url, { attempts: 2 });
    const begun = performance.now();
    hook.offer(event(1));
    hook.offer(event(2));
    await until(() => outcomes.includes('delivered'), 'the second to be delivered');
    expect(performance.now() - begun).toBeGreaterThan(990);
    hook.offer(event(3));
    await until(() => outcomes.length === 5, 'the third to be given up');
    expect(outcomes).toEqual(['dead', 'retried', 'delivered', 'retried', 'dead']);
    expect(posts).toHaveLength(5);
  });

  it('or does not answer, or is not there, costs no more than the time it has', async () => {
    const { url } = await receiver((_post, nth) => (nth === 1 ? 'nothing' : { status: 204 }));
    const { sender: hook, outcomes } = sender(url, { timeoutMs: 1_000 });
    hook.offer(event(1));
    await until(() => outcomes.includes('delivered'), 'the second try');
    expect(outcomes).toEqual(['retried', 'delivered']);
    const nobody = sender('http://127.0.0.1:9/', { attempts: 2 });
    nobody.sender.offer(event(1));
    await until(() => nobody.outcomes.includes('dead'), 'it to be given up');
  });

  it('does not make the queue grow without end: the oldest give way', async () => {
    const { url, posts } = await receiver(() => 'nothing');
    const { sender: hook, outcomes, queued } = sender(url, { maxQueued: 20, timeoutMs: 30_000 }, { atOnce: 2 });
    for (let n = 1; n <= 50; n++) hook.offer(event(n, `c${n}`));
    expect(hook.size).toBe(20);
    expect(queued()).toBe(20);
    expect(outcomes).toEqual(Array<string>(30).fill('dropped'));
    await until(() => posts.length === 2, 'two to be under way');
    await hook.close();
    expect(hook.size).toBe(0);
    expect(queued()).toBe(0);
    hook.offer(event(99));
    expect(outcomes).toHaveLength(51);
  });
});

it('the end lets what can go now go', async () => {
  const { url, posts } = await receiver();
  const { sender: hook, outcomes } = sender(url);
  for (let n = 1; n <= 30; n++) hook.offer(event(n, `c${n}`));
  await hook.close();
  expect(posts).toHaveLength(30);
  expect(outcomes).toEqual(Array<string>(30).fill('delivered'));
});

it('a whole municipality, or one agent, is told; not what happened on other nodes, which tell it themselves', async () => {
  const all = await receiver();
  const annas = await receiver();
  const key = { id: 'k', secret: `whsec_${secrets[0]}` };
  const listener = peers.add(await startCti({ cti: { webhooks: [{ name: 'all', url: all.url, keys: [key] }, { name: 'anna', url: annas.url, keys: [key], agent: 'anna' }] } }));
  tellCall(listener.happenings, 'c1', 'anna');
  tellCall(listener.happenings, 'c2', 'bram');
  listener.happenings.hear({ type: 'call.arrived', tenant: 'zutphen', callId: 'far', service: 'Burgerzaken', at: 1 });
  tellEnd(listener.happenings, 'c1', 'anna');
  await until(() => all.posts.length === 16 && annas.posts.length === 5, 'the posts');
  const types = (posts: Post[], callId: string) => posts.map(({ body }) => JSON.parse(body) as CtiEvent).filter(({ data }) => data['callId'] === callId).map(({ type }) => type);
  expect(types(annas.posts, 'c1')).toEqual(['call.offered', 'call.answered', 'call.shown', 'call.connected', 'call.cleared']);
  expect(types(all.posts, 'c1')).toEqual(['call.arrived', 'call.identified', 'call.waiting', 'call.offered', 'call.answered', 'call.shown', 'call.connected', 'call.cleared', 'call.ended']);
  expect(types(all.posts, 'far')).toEqual([]);
  expect(await listener.metric(/^gateway_webhook_events_total.*delivered/)).toBe(21);
});
