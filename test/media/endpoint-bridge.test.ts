/**
 * Joining two legs at a media server that now and then takes the order and does nothing. A stand-in for fsmrf's endpoint:
 * a real FreeSWITCH does this only when two of its threads happen to cross.
 */
import { EventEmitter } from 'node:events';
import type Mrf from 'drachtio-fsmrf';
import pino from 'pino';
import { expect, it } from 'vitest';
import { MediaEndpoint } from '../../gateway/media/endpoint.js';

const silent = pino({ level: 'silent' });

/** @param joins whether the n-th order, from 1, is followed */
function leg(uuid: string, joins: (order: number) => boolean = () => true): { media: MediaEndpoint; orders: () => number; listeners: () => number; end: () => void } {
  const conn = Object.assign(new EventEmitter(), { socket: { setNoDelay: () => undefined }, disconnect: () => undefined });
  let orders = 0;
  const endpoint = Object.assign(new EventEmitter(), {
    uuid, conn, connected: true, dialog: null, local: { sdp: '' },
    bridge: (other: { uuid: string }) => {
      orders += 1;
      const header = (name: string) => ({ Application: 'uuid_bridge', 'Application-Data': other.uuid })[name] ?? null;
      if (joins(orders)) setTimeout(() => conn.emit(`esl::event::CHANNEL_EXECUTE::${uuid}`, { getHeader: header }), 20);
      return Promise.resolve();
    },
  });
  const media = new MediaEndpoint(endpoint as unknown as Mrf.Endpoint, new AbortController().signal, { commandTimeoutMs: 3_000 }, silent);
  return { media, orders: () => orders, listeners: () => conn.listenerCount(`esl::event::CHANNEL_EXECUTE::${uuid}`), end: () => endpoint.emit('destroy') };
}

it('waits until the two are joined, and orders it again when that does not come', async () => {
  const prompt = leg('a');
  await prompt.media.bridge(leg('b').media);
  expect(prompt.orders()).toBe(1);
  const deaf = leg('a', (order) => order === 2);
  await deaf.media.bridge(leg('b').media);
  expect(deaf.orders()).toBe(2);
  expect(deaf.listeners()).toBe(0);
});

it('gives up after a few orders, and at once when a leg is gone', async () => {
  const never = leg('a', () => false);
  await expect(never.media.bridge(leg('b').media)).rejects.toMatchObject({ code: 'timed_out' });
  expect(never.orders()).toBe(3);
  const leaving = leg('a', () => false);
  const other = leg('b');
  const bridging = leaving.media.bridge(other.media);
  setTimeout(other.end, 50);
  await expect(bridging).rejects.toMatchObject({ code: 'endpoint_gone' });
  expect(leaving.orders()).toBe(1);
  expect(leaving.listeners()).toBe(0);
});
