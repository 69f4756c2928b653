/** The figures of a day against a plain recount of the same calls, and within bounds. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EndReason } from '../../gateway/call/machine.js';
import type { Happening } from '../../gateway/happenings.js';
import { calendarOf, counters, DayFigures, noCounts, summed, type Counter, type FigureRow } from '../../gateway/supervisor/figures.js';

const amsterdam = calendarOf('Europe/Amsterdam');
/** The beginning of 25 November 2026 there. */
const midnight = Date.parse('2026-11-24T23:00:00Z');
const dayMs = 86_400_000;

type OfCall = Happening extends infer H ? (H extends { callId: string; type: string } ? Omit<H, 'callId' | 'tenant'> : never) : never;

const service = fc.constantFrom('Burgerzaken', 'Belastingen');
const after = fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.constantFrom(0, 30_000, 30_001), fc.integer({ min: 0, max: 3 * 3_600_000 }));
const agent = fc.constantFrom('anna', 'bram');
const reason = fc.constantFrom<EndReason>('abandoned', 'callerHungUp', 'agentHungUp', 'full', 'waitedTooLong', 'drained');
/** What may happen between the arrival and the end; in any order, since the figures must not rest on a good one. */
const between: fc.Arbitrary<OfCall> = fc.oneof(
  fc.record({ type: fc.constant('call.identified' as const), sessionId: fc.constant('s'), identity: fc.constantFrom('verified' as const, 'awaiting' as const, 'failed' as const), at: after }),
  fc.record({ type: fc.constant('call.waiting' as const), service, at: after }),
  fc.record({ type: fc.constant('call.waiting' as const), service, place: fc.integer({ min: 1, max: 9 }), at: after }),
  fc.record({ type: fc.constant('call.offered' as const), agent, at: after }),
  fc.record({ type: fc.constant('call.connected' as const), agent, at: after }),
  fc.record({ type: fc.constant('call.transferred' as const), from: agent, to: fc.constant({ kind: 'outside' as const }), at: after }),
  fc.record({ type: fc.constant('call.handedOver' as const), service, reference: fc.constant('r'), at: after }),
  fc.record({ type: fc.constant('call.overflowed' as const), service, at: after }),
);
/** `at` of each is how long after the one before it; of the first one, after midnight. */
const history = fc.record({
  service: fc.oneof({ weight: 9, arbitrary: service }, fc.constant('unknown')),
  at: fc.integer({ min: -3_600_000, max: dayMs - 1 }),
  between: fc.array(between, { maxLength: 8 }),
  end: fc.option(fc.record({ reason, at: after })),
});
type History = typeof history extends fc.Arbitrary<infer H> ? H : never;

function eventsOf({ service, at, between, end }: History, callId: string): Happening[] {
  let moment = midnight + at;
  const told: Happening[] = [{ type: 'call.arrived', tenant: 'main', callId, service, at: moment }];
  for (const { at: later, ...rest } of between) told.push({ ...rest, tenant: 'main', callId, at: (moment += later) });
  if (end) told.push({ type: 'call.ended', tenant: 'main', callId, reason: end.reason, seconds: 1, at: moment + end.at });
  return told;
}

/** What the words of figures.ts say, call by call and with everything in view. */
function recounted(histories: readonly Happening[][]): FigureRow[] {
  const rows: FigureRow[] = [];
  for (const events of histories) {
    const [arrived] = events;
    if (arrived?.type !== 'call.arrived' || arrived.service === 'unknown' || arrived.at < midnight) continue;
    const counts = noCounts();
    const firstOf = (...types: Happening['type'][]) => events.find(({ type }) => types.includes(type));
    const end = firstOf('call.ended');
    counts.calls = 1;
    counts.identified = Number(events.some((one) => one.type === 'call.identified' && one.identity === 'verified'));
    counts.transfers = events.filter(({ type }) => type === 'call.transferred').length;
    counts.overflow = Number(firstOf('call.overflowed') !== undefined);
    counts.handedOver = Number(firstOf('call.handedOver') !== undefined);
    const connected = firstOf('call.connected');
    if (connected) {
      const waiting = firstOf('call.waiting', 'call.handedOver');
      counts.answered = 1;
      counts.waitMs = waiting && events.indexOf(waiting) < events.indexOf(connected) ? connected.at - waiting.at : 0;
      counts.soon = Number(counts.waitMs <= 30_000);
    }
    if (end?.type === 'call.ended' && !connected) counts.abandoned = Number(end.reason === 'abandoned');
    if (end && connected) {
      counts.talks = 1;
      // Each stretch from a connection to whatever takes the caller away from the agent.
      for (let from = 0; from < events.length; from += 1) {
        if (events[from]!.type !== 'call.connected') continue;
        const to = events.findIndex((one, index) => index > from && (['call.transferred', 'call.handedOver', 'call.ended'].includes(one.type) || (one.type === 'call.waiting' && one.place === undefined)));
        counts.talkMs += events[to]!.at - events[from]!.at;
        from = to;
      }
    }
    rows.push({ service: arrived.service, hour: Math.floor((arrived.at - midnight) / 3_600_000), ...counts });
  }
  return summed(rows);
}

/** Every call's events in their order, and the calls through each other. */
function interleaved(histories: readonly Happening[][], picks: readonly number[]): Happening[] {
  const left = histories.map((events) => [...events]);
  const told: Happening[] = [];
  for (let turn = 0; left.some((events) => events.length > 0); turn += 1) {
    const open = left.filter((events) => events.length > 0);
    told.push(open[(picks[turn % picks.length] ?? 0) % open.length]!.shift()!);
  }
  return told;
}

describe('figures of a day', () => {
  it('are those of a plain recount, however the calls mix', () => {
    fc.assert(fc.property(fc.array(history, { maxLength: 12 }), fc.array(fc.nat(100), { minLength: 1, maxLength: 40 }), (given, picks) => {
      const histories = given.map((one, index) => eventsOf(one, `c${index}`));
      const figures = new DayFigures(amsterdam, ['Burgerzaken', 'Belastingen'], () => midnight + dayMs - 1);
      for (const happening of interleaved(histories, picks)) figures.hear(happening);
      expect(summed(figures.rows())).toEqual(recounted(histories));
      expect(figures.followed).toBe(given.filter(({ end, service }) => !end && service !== 'unknown').length);
    }), { numRuns: 400 });
  });

  it('of several nodes are those of one that has all the calls', () => {
    fc.assert(fc.property(fc.array(fc.tuple(history, fc.nat(2)), { maxLength: 12 }), (given) => {
      const make = () => new DayFigures(amsterdam, ['Burgerzaken', 'Belastingen'], () => midnight + dayMs - 1);
      const nodes = [make(), make(), make()];
      const alone = make();
      for (const [index, [one, node]] of given.entries()) for (const event of eventsOf(one, `c${index}`)) { nodes[node]!.hear(event); alone.hear(event); }
      expect(summed(nodes.flatMap((node) => node.rows()))).toEqual(summed(alone.rows()));
    }), { numRuns: 100 });
  });

  it('never say more of a call than that it was there: shares are shares', () => {
    fc.assert(fc.property(fc.array(history, { maxLength: 12 }), (given) => {
      const figures = new DayFigures(amsterdam, ['Burgerzaken', 'Belastingen'], () => midnight + dayMs - 1);
      for (const [index, one] of given.entries()) for (const event of eventsOf(one, `c${index}`)) figures.hear(event);
      for (const { calls, identified, answered, soon, abandoned, talks, overflow } of figures.rows()) {
        expect(Math.max(identified, answered, overflow, answered + abandoned)).toBeLessThanOrEqual(calls);
        expect(Math.max(soon, talks)).toBeLessThanOrEqual(answered);
      }
    }));
  });

  it('begin anew at midnight of the municipality, and what began before it counts no more', () => {
    const clock = { now: midnight - 60_000 };
    const figures = new DayFigures(amsterdam, ['Burgerzaken'], () => clock.now);
    const of = { tenant: 'main', callId: 'late' };
    figures.hear({ type: 'call.arrived', ...of, service: 'Burgerzaken', at: clock.now });
    expect(figures.rows()).toMatchObject([{ hour: 23, calls: 1 }]);
    expect(figures.day).toBe('2026-11-24');
    clock.now = midnight + 1_000;
    expect(figures.rows()).toEqual([]);
    figures.hear({ type: 'call.connected', ...of, agent: 'anna', at: clock.now });
    figures.hear({ type: 'call.arrived', tenant: 'main', callId: 'early', service: 'Burgerzaken', at: clock.now });
    expect(figures.rows()).toMatchObject([{ hour: 0, calls: 1, answered: 0 }]);
    expect(figures.day).toBe('2026-11-25');
    expect(figures.takeChanged()).toHaveLength(1);
    expect(figures.takeChanged()).toEqual([]);
  });

  it('hours of a day that has 23 or 25 of them are those the clocks show', () => {
    const at = (text: string) => calendarOf('Europe/Amsterdam')(Date.parse(text));
    expect(at('2026-03-29T00:59:59Z')).toEqual({ day: '2026-03-29', hour: 1 });
    expect(at('2026-03-29T01:00:00Z')).toEqual({ day: '2026-03-29', hour: 3 });
    expect(at('2026-10-25T00:30:00Z')).toEqual({ day: '2026-10-25', hour: 2 });
    expect(at('2026-10-25T01:30:00Z')).toEqual({ day: '2026-10-25', hour: 2 });
    expect(calendarOf('Asia/Kathmandu')(Date.parse('2026-11-25T18:14:59Z'))).toEqual({ day: '2026-11-25', hour: 23 });
  });

  it('stay small: a cell for each service and hour, and calls whose end is never told are forgotten', () => {
    const figures = new DayFigures(amsterdam, ['Burgerzaken', 'Belastingen'], () => midnight + dayMs - 1);
    for (let n = 0; n < 25_000; n += 1) figures.hear({ type: 'call.arrived', tenant: 'main', callId: `c${n}`, service: n % 3 === 0 ? 'made up' : n % 2 === 0 ? 'Burgerzaken' : 'Belastingen', at: midnight + Math.floor((n / 25_000) * dayMs) });
    expect(figures.followed).toBeLessThanOrEqual(20_000);
    expect(figures.rows()).toHaveLength(48);
    for (let n = 0; n < 25_000; n += 1) figures.hear({ type: 'call.ended', tenant: 'main', callId: `c${n}`, reason: 'abandoned', seconds: 1, at: midnight + dayMs - 1 });
    expect(figures.followed).toBe(0);
    expect(figures.rows().reduce((sum, { abandoned }) => sum + abandoned, 0)).toBe(16_666);
  });

  it('hold numbers and names of services, and nothing else', () => {
    const figures = new DayFigures(amsterdam, ['Burgerzaken'], () => midnight + 1);
    figures.hear({ type: 'call.arrived', tenant: 'main', callId: 'a-call', service: 'Burgerzaken', at: midnight });
    figures.hear({ type: 'call.connected', tenant: 'main', callId: 'a-call', agent: 'anna', at: midnight });
    const [row] = figures.rows();
    expect(Object.keys(row!).sort()).toEqual(['hour', 'service', ...counters].sort());
    expect(Object.values(row!).filter((value) => typeof value !== 'number')).toEqual(['Burgerzaken']);
  });
});

it('sums are of all counters', () => {
  const row = (value: number): FigureRow => ({ service: 'a', hour: 1, ...(Object.fromEntries(counters.map((counter) => [counter, value])) as Record<Counter, number>) });
  expect(summed([row(1), row(2), { ...row(3), hour: 2 }])).toEqual([row(3), { ...row(3), hour: 2 }]);
});
