/** The examples of docs/examples, as somebody would run them. */
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { chromiumPath, freePort, Peers, startBrowser, until } from '../peers/index.js';
import { root, run } from '../process/gateway-process.js';
import { annaToken, crmToken, startCti, tellCall, tellEnd } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());
const example = (name: string): string => path.join(root, 'docs/examples', name);

describe('the client', () => {
  it('pops, asks who it is, and misses and repeats nothing when the gateway was away', async () => {
    const port = await freePort();
    const identityOf = () => Promise.resolve({ tenant: 'zutphen', agent: 'anna', identity: { purpose: 'move', attributes: { fullname: 'Jip Jansen' }, verifiedAt: new Date() } });
    const listener = await startCti({ port, identityOf });
    peers.defer(() => listener.stop());
    const client = peers.add(run(example('cti-client.mjs'), [`ws://127.0.0.1:${port}/cti/ws`], { CTI_TOKEN: annaToken, CTI_IDENTITY: 'yes' }));
    await until(() => client.out().includes('connected as anna-desktop of zutphen'), 'the client to be connected', 20_000);
    tellCall(listener.happenings, 'c1', 'anna');
    await until(() => client.out().includes('identity c1 200 fullname'), 'the identity', 20_000);
    expect(client.out()).toMatch(/\S+-4 call\.offered c1 anna Burgerzaken verified\n/);
    expect(client.out() + client.err()).not.toContain('Jip Jansen');

    await listener.stop();
    const again = peers.add(await startCti({ port, identityOf }));
    await until(() => client.out().includes('gap after'), 'the client to come back and hear that this is another stream', 20_000);
    tellEnd(again.happenings, 'c1', 'anna');
    await until(() => client.out().includes('call.cleared c1'), 'events again', 20_000);
  }, 90_000);

  it('gives up when its token is not known', async () => {
    const listener = peers.add(await startCti());
    const client = peers.add(run(example('cti-client.mjs'), [`${listener.origin.replace('http', 'ws')}/cti/ws`], { CTI_TOKEN: 'wrong' }));
    await until(() => client.err().includes('401'), 'the refusal', 20_000);
    expect(client.out()).toBe('');
    expect(await peers.add(run(example('cti-client.mjs'), [])).exited).toBe(64);
  });
});

describe('the receiver', () => {
  const secret = Buffer.alloc(32, 7);

  it('takes what the gateway sends, once; and refuses what is forged, changed, or old', async () => {
    const port = await freePort();
    const receiver = peers.add(run(example('webhook-receiver.mjs'), [String(port)], { WEBHOOK_SECRETS: `whsec_${Buffer.alloc(32, 8).toString('base64')} whsec_${secret.toString('base64')}` }));
    await until(() => receiver.out().includes('listening'), 'the receiver to listen', 20_000);
    const url = `http://127.0.0.1:${port}/`;
    const listener = peers.add(await startCti({ cti: { webhooks: [{ name: 'crm', url, keys: [{ id: 'k', secret: secret.toString('base64') }] }] } }));
    tellCall(listener.happenings, 'c1', 'anna');
    await until(() => receiver.out().split('\n').filter((line) => line.startsWith('event')).length === 7, 'the events', 20_000);
    expect(receiver.out()).toMatch(/event \S+-4 call\.offered c1 anna\n/);
    expect(receiver.out()).not.toContain('refused');

    const body = JSON.stringify({ id: 'abcdefgh-1', type: 'call.offered', data: { callId: 'c9' } });
    const post = async (id: string, atS: number, text = body, key = secret): Promise<number> => {
      const signature = createHmac('sha256', key).update(`${id}.${atS}.${text}`).digest('base64');
      return (await fetch(url, { method: 'POST', body, headers: { 'webhook-id': id, 'webhook-timestamp': String(atS), 'webhook-signature': `v1,${signature}` } })).status;
    };
    const now = Math.floor(Date.now() / 1000);
    expect(await post('abcdefgh-1', now)).toBe(204);
    // The same again, from whoever listened in: signed rightly, in time, and dealt with before.
    expect(await post('abcdefgh-1', now)).toBe(204);
    expect(await post('abcdefgh-2', now - 301)).toBe(401);
    expect(await post('abcdefgh-3', now + 301)).toBe(401);
    expect(await post('abcdefgh-4', now, body.replace('c9', 'c8'))).toBe(401);
    expect(await post('abcdefgh-5', now, body, Buffer.alloc(32, 9))).toBe(401);
    expect((await fetch(url, { method: 'POST', body })).status).toBe(401);
    const lines = receiver.out().split('\n');
    expect(lines.filter((line) => line.includes('abcdefgh-1'))).toEqual(['event abcdefgh-1 call.offered c9 -', 'repeated abcdefgh-1']);
    expect(lines.filter((line) => line.startsWith('refused'))).toHaveLength(5);
  }, 60_000);
});

describe.skipIf(chromiumPath() === undefined)('the page', () => {
  it('hears of calls in a browser, when its origin is listed', async () => {
    const server = createServer((_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(readFileSync(example('cti-page.html'))));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    peers.add({ stop: () => new Promise<void>((resolve) => { server.close(() => resolve()); server.closeAllConnections(); }) });
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const listed = peers.add(await startCti({ cti: { origins: [origin], subscribers: [{ name: 'crm', token: crmToken }] } }));
    const unlisted = peers.add(await startCti());
    const browser = peers.add(await startBrowser());
    const open = async (gateway: string) => {
      const page = await browser.newPage();
      await page.goto(`${origin}/?gateway=${encodeURIComponent(`${gateway.replace('http', 'ws')}/cti/ws`)}`);
      await page.getByLabel('Token').fill(crmToken);
      await page.getByRole('button', { name: 'Connect' }).click();
      return page;
    };
    const page = await open(listed.origin);
    await page.getByText('Connected as crm.').waitFor();
    tellCall(listed.happenings, 'c1', 'anna');
    await page.getByText('call.offered c1 anna Burgerzaken').waitFor();
    expect(await page.getByRole('listitem').count()).toBeGreaterThanOrEqual(4);
    const stranger = await open(unlisted.origin);
    await stranger.getByText('Connection lost; trying again.').waitFor();
    expect(await unlisted.metric(/^gateway_cti_subscribers /)).toBe(0);
  }, 60_000);
});
