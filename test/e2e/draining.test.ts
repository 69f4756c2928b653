/** A gateway that was asked to stop and has a conversation still: what the core and the plugins are told meanwhile. */
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { Peers, startRedis, until } from '../peers/index.js';
import { redisStore } from '../support/gateway.js';
import { attributes, sceneWithSippAgent } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

it.each(['memory', 'redis'] as const)('gives out no code that cannot be used, and takes the results of those it gave out (%s)', async (kind) => {
  const store = kind === 'redis' ? redisStore(peers.add(await startRedis())) : {};
  const { gateway, screen, identifiedCall } = await sceneWithSippAgent(peers, {}, { store, alone: true });
  const { citizen } = await identifiedCall();
  await screen.told('connected', { timeoutMs: 20_000 });
  const before = await gateway.startSession();
  const { core, ops } = gateway.gateway.urls;

  // One that has begun to ask, and says the rest too late.
  const asking = request(`${core}/start_communication`, { method: 'POST', headers: { 'content-type': 'application/json' }, agent: false });
  asking.write('{"purpose":');
  await until(() => asking.socket?.connecting === false, 'the connection', 20_000);

  const stopping = gateway.gateway.stop(60_000);
  expect((await fetch(`${ops}/health`)).status).toBe(503);
  asking.end('"report_move"}');
  const [late] = (await once(asking, 'response')) as [IncomingMessage];
  late.resume();
  expect([late.statusCode, Number(late.headers['retry-after']) > 0]).toEqual([503, true]);

  const answer = await fetch(`${core}/start_communication`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ purpose: 'report_move' }) });
  expect([answer.status, Number(answer.headers.get('retry-after')) > 0]).toEqual([503, true]);
  const refused = (await answer.json()) as Record<string, unknown>;
  expect(refused).toMatchObject({ error: 'draining' });
  expect(Object.keys(refused).sort()).toEqual(['error', 'message']);

  await gateway.deliver(before, attributes);
  expect(screen.shown?.fields).toBeTruthy();
  await citizen.hangup();
  await until(() => gateway.gateway.calls === 0, 'the conversation to end', 20_000);
  await stopping;
}, 90_000);
