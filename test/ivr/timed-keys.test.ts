import { afterEach, expect, it } from 'vitest';
import { TimedKeys } from '../../ivr/timed-keys.js';
import { standStill } from '../peers/wait.js';
import { newCall } from './fake-voice.js';

// In real time: a process that stands still is what this is about.
const { voice, call } = newCall();
const keys = new TimedKeys(voice, call.signal);
afterEach(() => keys.stopTimer());

it('lets time run out', async () => {
  keys.startTimer(50);
  expect(await keys.next()).toBeUndefined();
});

it('takes a key that was on its way while this process stood still', async () => {
  keys.startTimer(200);
  const next = keys.next();
  standStill(400);
  setTimeout(() => voice.press('7'), 100);
  expect(await next).toBe('7');
});

it('lets time run out after that, too', async () => {
  keys.startTimer(100);
  standStill(250);
  const before = performance.now();
  expect(await keys.next()).toBeUndefined();
  expect(performance.now() - before).toBeLessThan(5_000);
});
