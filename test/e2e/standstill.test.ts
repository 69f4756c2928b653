/** A gateway that stands still for seconds (a paused machine, a swap that thrashes) while people talk: they and the agent's screen go on. */
import { afterEach, expect, it } from 'vitest';
import { Peers, sleep, standStill } from '../peers/index.js';
import { attributes, sceneWithSippAgent, typeCode } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

const answering = { kind: 'answer', afterMs: 100, hangupAfterMs: 600_000 } as const;

it.each([
  // Less than the lease of what is shown, which may be three seconds old.
  [6_500, 'shows what it showed'],
  [12_000, 'is blank, and shows the caller again'],
])('for %i ms: the screen %s', async (ms, what) => {
  const { gateway, screen, call } = await sceneWithSippAgent(peers, { behaviour: answering });
  const code = await gateway.citizen(attributes);
  const citizen = await call({ toneHz: [] });
  await typeCode(gateway, citizen, code);
  await screen.told('connected', { timeoutMs: 15_000 });
  const before = screen.shown;
  expect(before?.fields).not.toBeNull();
  const stoodStillAt = performance.now();
  // This process is the gateway, and the agent's page as well; phones and engines go on.
  standStill(ms);
  await sleep(5_000);
  const since = screen.heard.filter(({ at, message }) => at > stoodStillAt && message.type !== 'beat' && message.type !== 'lease').map(({ message }) => message.type);
  expect(since.filter((type) => type !== 'seat')).toEqual(what.startsWith('shows') ? [] : ['clear', 'offer', 'reveal', 'connected']);
  expect(screen.closed).toBeUndefined();
  expect(screen.shown).toMatchObject({ callId: before!.callId, fields: before!.fields });
  expect(gateway.gateway.calls).toBe(1);
  screen.end();
  await gateway.untilEmpty(15_000);
  expect(screen.shown).toBeUndefined();
}, 60_000);
