import { Parser } from '@asyncapi/parser';
import { afterEach, expect, it } from 'vitest';
import { eventSchemas } from '../../gateway/cti/events.js';
import { Peers } from '../peers/index.js';
import { startCti } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

it('the description that is served holds by AsyncAPI’s own parser, and names every event', async () => {
  const listener = peers.add(await startCti());
  const text = await (await fetch(`${listener.origin}/cti/asyncapi.json`)).text();
  const { document, diagnostics } = await new Parser().parse(text);
  expect(diagnostics.filter(({ severity }) => Number(severity) <= 1).map(({ message, path }) => `${path.join('.')}: ${message}`)).toEqual([]);
  expect(document!.version()).toBe('3.0.0');
  expect(document!.servers().all().map((server) => `${server.protocol()}://${server.host()}`)).toEqual([listener.origin.replace('http', 'ws')]);
  const told = document!.operations().get('events')!.messages().all().map((message) => message.name());
  expect(told.sort()).toEqual([...Object.keys(eventSchemas), 'cti.gap', 'cti.heartbeat', 'cti.welcome'].sort());
  const shown = document!.messages().all().find((message) => message.name() === 'call.shown')!;
  expect(Object.keys(shown.payload()!.properties()!['data']!.properties()!).sort()).toEqual(['agent', 'callId', 'fields', 'identity', 'service', 'tenant', 'why']);
  expect(shown.payload()!.properties()!['data']!.additionalProperties()).toBe(false);
});
