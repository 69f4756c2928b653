import pino from 'pino';
import { afterEach, expect, it } from 'vitest';
import { FigureKeeper } from '../../gateway/figures.js';
import { Happenings, type Happening } from '../../gateway/happenings.js';

const keepers: FigureKeeper[] = [];
afterEach(() => { for (const keeper of keepers.splice(0)) keeper.close(); });

/** A day in March in Amsterdam, where it is an hour later than in UTC; the clock goes with what happens. */
function counting() {
  const happenings = new Happenings(pino({ level: 'silent' }));
  let at = Date.parse('2026-03-10T08:00:00Z');
  const keeper = new FigureKeeper({ happenings, now: () => at });
  keepers.push(keeper);
  type Of<H> = H extends Happening ? Omit<H, 'at' | 'tenant'> & { tenant?: string } : never;
  const tell = (happening: Of<Happening>): void => happenings.tell({ tenant: 'main', ...happening, at });
  return { happenings, keeper, tell, pass: (seconds: number) => (at += seconds * 1000) };
}

/** A call that waits so long and talks so long. */
function call({ tell, pass }: ReturnType<typeof counting>, callId: string, agent: string, waits: number, talks: number, service = 'Desk'): void {
  tell({ type: 'call.arrived', callId, service });
  tell({ type: 'call.identified', callId, sessionId: 's', identity: 'awaiting' });
  tell({ type: 'call.identified', callId, sessionId: 's', identity: 'verified' });
  tell({ type: 'call.identified', callId, sessionId: 's', identity: 'verified' });
  tell({ type: 'call.waiting', callId, service });
  pass(waits);
  tell({ type: 'call.offered', callId, agent });
  tell({ type: 'call.answered', callId, agent });
  tell({ type: 'call.connected', callId, agent });
  pass(talks);
  tell({ type: 'call.cleared', callId, agent, because: 'ended' });
  tell({ type: 'call.ended', callId, reason: 'callerHungUp', seconds: waits + talks });
}

it('counts calls, waits and talks by municipality, service, agent and hour', () => {
  const day = counting();
  const { keeper, tell, pass } = day;
  call(day, 'c1', 'anna', 10, 60);
  call(day, 'c2', 'anna', 50, 120);
  call(day, 'c3', 'bram', 30, 30, 'Taxes');
  pass(3_600);
  tell({ type: 'call.arrived', callId: 'gone', service: 'Desk' });
  tell({ type: 'call.waiting', callId: 'gone', service: 'Desk' });
  tell({ type: 'call.offered', callId: 'gone', agent: 'anna' });
  tell({ type: 'call.cleared', callId: 'gone', agent: 'anna', because: 'missed' });
  tell({ type: 'call.ended', callId: 'gone', reason: 'abandoned', seconds: 20 });
  // Who hangs up in the greeting has not waited for anybody.
  tell({ type: 'call.arrived', callId: 'wrong', service: 'Desk' });
  tell({ type: 'call.ended', callId: 'wrong', reason: 'abandoned', seconds: 1 });

  const figures = keeper.of('main');
  expect(figures.day).toBe('2026-03-10');
  expect(figures.total).toEqual({ calls: 5, identified: 3, answered: 3, answeredInTime: 2, abandoned: 1, transferred: 0, passedOn: 0, averageWaitSeconds: 30, longestWaitSeconds: 50, averageTalkSeconds: 70 });
  expect(figures.services.map(({ service, calls, averageTalkSeconds }) => [service, calls, averageTalkSeconds])).toEqual([['Desk', 4, 90], ['Taxes', 1, 30]]);
  expect(figures.agents).toEqual([
    { agent: 'anna', offered: 3, answered: 2, missed: 1, transferred: 0, talkSeconds: 180, averageTalkSeconds: 90 },
    { agent: 'bram', offered: 1, answered: 1, missed: 0, transferred: 0, talkSeconds: 30, averageTalkSeconds: 30 },
  ]);
  expect(figures.hours).toHaveLength(24);
  expect(figures.hours.filter(({ calls }) => calls > 0)).toEqual([{ hour: 9, calls: 3, identified: 3, answered: 3, abandoned: 0 }, { hour: 10, calls: 2, identified: 0, answered: 0, abandoned: 1 }]);
  expect(keeper.of('other').total).toMatchObject({ calls: 0, averageWaitSeconds: undefined });
});

it('gives each agent of a transferred call their own part of the talk, and counts the call once', () => {
  const day = counting();
  const { keeper, tell, pass } = day;
  tell({ type: 'call.arrived', callId: 'c1', service: 'Desk' });
  tell({ type: 'call.connected', callId: 'c1', agent: 'anna' });
  pass(40);
  tell({ type: 'call.transferred', callId: 'c1', from: 'anna', to: { kind: 'agent', name: 'bram' } });
  tell({ type: 'call.cleared', callId: 'c1', agent: 'anna', because: 'transferred' });
  pass(5);
  tell({ type: 'call.connected', callId: 'c1', agent: 'bram' });
  pass(20);
  tell({ type: 'call.ended', callId: 'c1', reason: 'callerHungUp', seconds: 65 });
  const { total, agents } = keeper.of('main');
  expect(total).toMatchObject({ calls: 1, answered: 1, transferred: 1, averageTalkSeconds: 30 });
  expect(agents.map(({ agent, talkSeconds, transferred }) => [agent, talkSeconds, transferred])).toEqual([['anna', 40, 1], ['bram', 20, 0]]);
});

it('counts other nodes, keeps municipalities apart, and begins anew at midnight', () => {
  const day = counting();
  const { keeper, tell, pass, happenings } = day;
  happenings.hear({ type: 'call.arrived', tenant: 'main', callId: 'far', service: 'Desk', at: Date.parse('2026-03-10T08:00:00Z') });
  tell({ type: 'call.arrived', callId: 'c9', service: 'Desk', tenant: 'second' });
  expect([keeper.of('main').total.calls, keeper.of('second').total.calls]).toEqual([1, 1]);
  // 23:59:50 in Amsterdam, and ten seconds more.
  pass((23 - 9) * 3_600 + 3_590);
  tell({ type: 'call.arrived', callId: 'late', service: 'Desk' });
  tell({ type: 'call.waiting', callId: 'late', service: 'Desk' });
  expect(keeper.of('main').hours[23]!.calls).toBe(1);
  pass(20);
  expect(keeper.of('main')).toMatchObject({ day: '2026-03-11', total: { calls: 0 } });
  tell({ type: 'call.connected', callId: 'late', agent: 'anna' });
  expect(keeper.of('main').total).toMatchObject({ calls: 0, answered: 1, averageWaitSeconds: 20 });
  expect(keeper.of('main').hours.every(({ answered }) => answered === 0)).toBe(true);
});

it('holds no more than it should, whatever happens', () => {
  const { keeper, happenings } = counting();
  for (let i = 0; i < 21_000; i++) happenings.tell({ type: 'call.arrived', tenant: 'main', callId: `c${i}`, service: `s${i}` });
  const { total, services } = keeper.of('main');
  expect(total.calls).toBe(21_000);
  expect(services).toHaveLength(10_000);
});
