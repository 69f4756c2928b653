/** When something is taken for a stray: at two looks in a row, none of them late; and that looks come to an end. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import pino from 'pino';
import { Watchman, type Border, type Stray, type StrayKind } from '../../gateway/watchman/watchman.js';

const everyMs = 4_000;
let watchman: Watchman;
let counted: StrayKind[] = [];
let lines: Record<string, unknown>[] = [];
const ended: string[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  [counted, lines] = [[], []];
  ended.length = 0;
});
afterEach(() => {
  watchman.close();
  vi.useRealTimers();
});

const stray = (id: string): Stray => ({ id, callId: `call of ${id}`, end: () => void ended.push(id) });
const watch = (...borders: Border[]): void => {
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  watchman = new Watchman({ borders, log, counted: (kind) => void counted.push(kind), everyMs });
};
const looks = (count: number): Promise<unknown> => vi.advanceTimersByTimeAsync(count * everyMs);

it('what is seen at two looks in a row is ended, counted, and logged at error with its call', async () => {
  watch({ kind: 'seat', look: () => (ended.length > 0 ? [] : [stray('one')]) });
  await looks(1);
  expect([ended, counted, lines]).toEqual([[], [], []]);
  await looks(5);
  expect([ended, counted]).toEqual([['one'], ['seat']]);
  expect(lines).toMatchObject([{ level: 50, kind: 'seat', stray: 'one', callId: 'call of one' }]);
});

it('what comes and goes is not, nor what is another one each time', async () => {
  let look = 0;
  watch({ kind: 'dialog', look: () => (look++ % 2 ? [] : [stray('same')]) }, { kind: 'endpoint', look: () => [stray(`endpoint ${look}`)] });
  await looks(6);
  expect(look).toBe(6);
  expect(ended).toEqual([]);
});

it('a border that wants more looks gets them', async () => {
  watch({ kind: 'screen', looks: 4, look: () => [stray('screen')] });
  await looks(3);
  expect(ended).toEqual([]);
  await looks(1);
  expect(ended).toEqual(['screen']);
});

it.each([
  ['does not know', () => undefined],
  ['fails', () => Promise.reject(new Error('away'))],
  ['fails at once', () => { throw new Error('away'); }],
])('a side that %s at one look is left out of it, and counts from there; the others go on', async (_what, silent) => {
  let look = 0;
  watch({ kind: 'channel', look: () => (++look === 2 ? silent() : [stray('channel')]) }, { kind: 'place', look: () => [stray('place')] });
  await looks(3);
  expect(ended).toEqual(['place', 'place']);
  await looks(1);
  expect(ended).toContain('channel');
});

it('a side that never answers holds up nobody for longer than three seconds, and looks never overlap', async () => {
  let [underWay, most] = [0, 0];
  watch({ kind: 'endpoint', look: () => new Promise(() => undefined) }, {
    kind: 'place',
    look: async () => {
      most = Math.max(most, (underWay += 1));
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      underWay -= 1;
      return [stray('place')];
    },
  });
  await vi.advanceTimersByTimeAsync(3 * (everyMs + 3_000));
  expect(most).toBe(1);
  expect(ended).toEqual(['place', 'place']);
});

it('a look that comes late counts for nothing, and neither do those before it', async () => {
  watch({ kind: 'call', look: () => [stray('call')] });
  await looks(1);
  // The process stands still: timers wait, the clock does not.
  vi.setSystemTime(Date.now() + 2_000);
  await looks(2);
  expect(ended).toEqual([]);
  await looks(1);
  expect(ended).toEqual(['call']);
});

it('answers that come after a standstill count for nothing', async () => {
  let look = 0;
  watch({ kind: 'endpoint', look: () => new Promise((resolve) => {
    setTimeout(() => {
      if (++look === 2) vi.setSystemTime(Date.now() + 8_000);
      resolve([stray('endpoint')]);
    }, 10);
  }) });
  await vi.advanceTimersByTimeAsync(3 * (everyMs + 10));
  expect([look, ended]).toEqual([3, []]);
  await vi.advanceTimersByTimeAsync(everyMs + 10);
  expect(ended).toEqual(['endpoint']);
});

it('one that cannot be ended stops nothing else; of a thousand, the first hundred are ended at one look', async () => {
  const stubborn: Stray = { id: 'stubborn', end: () => { throw new Error('it stays'); } };
  const all = new Map(Array.from({ length: 1_000 }, (_, i) => [`dialog ${i}`, stray(`dialog ${i}`)]));
  watch({ kind: 'dialog', look: () => [stubborn, ...[...all].filter(([id]) => !ended.includes(id)).map(([, it]) => it)] });
  await looks(2);
  expect([ended.length, counted.length]).toEqual([99, 100]);
  await looks(1);
  expect(ended.length).toBe(198);
});

it('nothing is done and no timer is left once it is closed, during a look too', async () => {
  let answer = (_strays: Stray[]): void => undefined;
  let look = 0;
  watch({ kind: 'dialog', look: () => (++look === 1 ? [stray('dialog')] : new Promise((resolve) => (answer = resolve))) });
  await looks(2);
  expect(look).toBe(2);
  watchman.close();
  answer([stray('dialog')]);
  await looks(3);
  expect([look, ended, vi.getTimerCount()]).toEqual([2, [], 0]);
});
