import { rmSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { parseConfig, printProblem } from '../../config/index.js';
import { folder, hash, problemsOf, set, valid } from './support.js';

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const queueWith = (queue: Record<string, unknown>) => (config: unknown) => {
  set(config, 'agents', [
    { name: 'anna', password: hash, phone: 'sip:anna@192.0.2.20', skills: ['permits', 'english'] },
    { name: 'bram', password: hash, phone: 'sip:bram@192.0.2.20', skills: ['passports'] },
  ]);
  set(config, 'services[0].queue', queue);
  set(config, 'trunks[0].outbound', 'sip:{number}@192.0.2.10');
  set(config, 'outside', { trunk: (config as { trunks: { name: string }[] }).trunks[0]!.name, callBackTo: ['+31'] });
};
const week = { monday: ['09:00-12:30', '13:00-17:00'] };
const hours = { timezone: 'Europe/Amsterdam', weekly: week };
const printed = (queue: Record<string, unknown>): string[] => problemsOf(queueWith(queue)).map(printProblem);

describe('a queue', () => {
  it('left out waits for anybody, at any time, without a limit', () => {
    const [tenant] = parseConfig(valid(), { baseDir: folder, env: {} }).tenants;
    expect(tenant?.services[0]?.queue).toEqual({ skills: [], priority: 0, wrapUpSeconds: 0, callback: false, callbackAfterSeconds: 45 });
    expect(tenant?.agents[0]?.skills).toEqual([]);
  });

  it('with everything is understood', () => {
    const config: unknown = valid();
    queueWith({
      skills: ['permits', 'english'], priority: 2, maxWaiting: 20, maxWaitMs: 600_000, ringTimeoutMs: 15_000, wrapUpSeconds: 30, callback: true,
      hours: { ...hours, holidays: ['2026-12-25', '2026-12-24 09:00-12:00, 12:30-13:00'] },
      overflow: { number: '+31 20 765 4321', when: ['closed', 'full', 'waitedTooLong'], afterSeconds: 300 },
    })(config);
    const [tenant] = parseConfig(config, { baseDir: folder, env: {} }).tenants;
    const queue = tenant?.services[0]?.queue;
    expect(queue?.overflow?.number).toBe('+31207654321');
    expect(queue?.hours?.weekly.monday).toEqual([{ from: 540, to: 750 }, { from: 780, to: 1_020 }]);
    expect(queue?.hours?.weekly.sunday).toEqual([]);
    expect(queue?.hours?.holidays).toEqual([{ date: '2026-12-25', periods: [] }, { date: '2026-12-24', periods: [{ from: 540, to: 720 }, { from: 750, to: 780 }] }]);
    expect(tenant?.agents[0]?.skills).toEqual(['permits', 'english']);
  });

  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ['a skill that no agent has', { skills: ['english', 'pasports'] }, 'services[0].queue.skills[1]', /no agent has\. .*known are permits, english, passports/],
    ['skills that no agent has all of', { skills: ['english', 'passports'] }, 'services[0].queue.skills', /no agent has all of/],
    ['a priority too high', { priority: 10 }, 'services[0].queue.priority', /above 9/],
    ['a time zone that is none', { hours: { ...hours, timezone: 'Amsterdam' } }, 'services[0].queue.hours.timezone', /not a time zone\. .*Europe\/Amsterdam/],
    ['a period that ends before it begins', { hours: { ...hours, weekly: { friday: ['22:00-02:00'] } } }, 'services[0].queue.hours.weekly.friday[0]', /"22:00-24:00" and on the next day "00:00-02:00"/],
    ['a period of no time', { hours: { ...hours, weekly: { friday: ['nine to five'] } } }, 'services[0].queue.hours.weekly.friday[0]', /not a period of one day/],
    ['an hour that no day has', { hours: { ...hours, weekly: { friday: ['09:00-25:00'] } } }, 'services[0].queue.hours.weekly.friday[0]', /not a period of one day/],
    ['periods that overlap', { hours: { ...hours, weekly: { friday: ['09:00-13:00', '12:30-17:00'] } } }, 'services[0].queue.hours.weekly.friday[1]', /overlaps/],
    ['a day of another language', { hours: { ...hours, weekly: { ...week, vrijdag: ['09:00-13:00'] } } }, 'services[0].queue.hours.weekly.vrijdag', /not a known key/],
    ['a week that is closed', { hours: { ...hours, weekly: {} } }, 'services[0].queue.hours.weekly', /closed all week/],
    ['a holiday that is not a date', { hours: { ...hours, holidays: ['2026-12-25', 'eerste kerstdag'] } }, 'services[0].queue.hours.holidays[1]', /not a date .*"2026-12-25"/],
    ['a holiday that no calendar has', { hours: { ...hours, holidays: ['2026-02-30'] } }, 'services[0].queue.hours.holidays[0]', /not a date/],
    ['a holiday with broken hours', { hours: { ...hours, holidays: ['2026-12-24 09:00'] } }, 'services[0].queue.hours.holidays[0]', /not a date with or without hours/],
    ['a holiday twice', { hours: { ...hours, holidays: ['2026-12-25', '2026-12-25 09:00-12:00'] } }, 'services[0].queue.hours.holidays[1]', /stands in the list already/],
    ['an overflow that is no number', { overflow: { number: '020', when: ['waitedTooLong'] } }, 'services[0].queue.overflow.number', /E\.164/],
    ['an overflow when closed, of a queue that never is', { overflow: { number: '+31207654321', when: ['closed'] } }, 'services[0].queue.overflow.when', /no hours/],
    ['an overflow when full, of a queue without a limit', { overflow: { number: '+31207654321', when: ['full'] } }, 'services[0].queue.overflow.when', /maxWaiting/],
    ['an overflow after a time that is not asked for', { maxWaiting: 5, overflow: { number: '+31207654321', when: ['full'], afterSeconds: 60 } }, 'services[0].queue.overflow.afterSeconds', /Add waitedTooLong/],
    ['an overflow after the longest stay', { maxWaitMs: 60_000, overflow: { number: '+31207654321', when: ['waitedTooLong'], afterSeconds: 61 } }, 'services[0].queue.overflow.afterSeconds', /longer than maxWaitMs/],
  ])('with %s is told which field and what to do', (_what, queue, key, says) => {
    const problems = printed(queue);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${key.replace(/[[\].]/g, '\\$&')}: `));
    expect(problems[0]).toMatch(says);
  });
});
