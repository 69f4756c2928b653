import { describe, expect, it } from 'vitest';
import { weekdays, type Hours, type Period } from '../../config/index.js';
import { openingAt } from '../../gateway/desk/index.js';
import { holidayOf, periodOf } from '../../config/opening-hours.js';

type Week = Partial<Record<(typeof weekdays)[number], string[]>>;

function hours(week: Week, holidays: string[] = [], timezone = 'Europe/Amsterdam'): Hours {
  const weekly = Object.fromEntries(weekdays.map((day) => [day, (week[day] ?? []).map((text) => periodOf(text)!)])) as Record<(typeof weekdays)[number], Period[]>;
  return { timezone, weekly, holidays: holidays.map((text) => holidayOf(text)!) };
}

const ask = (given: Hours, at: string): string => {
  const opening = openingAt(given, new Date(at));
  return opening.open ? `open until ${opening.closesAt?.toISOString() ?? 'ever'}` : `closed until ${opening.opensAt?.toISOString() ?? 'ever'}`;
};

const office = hours({ monday: ['09:00-12:30', '13:00-17:00'], tuesday: ['09:00-17:00'], friday: ['09:00-17:00'] }, ['2026-12-25', '2026-12-28 10:00-12:00']);

describe('an office', () => {
  it.each([
    ['before it opens', '2026-11-23T07:59:59Z', 'closed until 2026-11-23T08:00:00.000Z'],
    ['as it opens', '2026-11-23T08:00:00Z', 'open until 2026-11-23T11:30:00.000Z'],
    ['as it closes for lunch', '2026-11-23T11:30:00Z', 'closed until 2026-11-23T12:00:00.000Z'],
    ['in the afternoon', '2026-11-23T13:00:00Z', 'open until 2026-11-23T16:00:00.000Z'],
    ['after the last day of the week', '2026-11-27T16:00:00Z', 'closed until 2026-11-30T08:00:00.000Z'],
    ['on a holiday, and the next day with hours of its own', '2026-12-25T10:00:00Z', 'closed until 2026-12-28T09:00:00.000Z'],
    ['on a day with hours of its own', '2026-12-28T09:30:00Z', 'open until 2026-12-28T11:00:00.000Z'],
    ['after them', '2026-12-28T12:00:00Z', 'closed until 2026-12-29T08:00:00.000Z'],
  ])('%s', (_when, at, says) => expect(ask(office, at)).toBe(says));

  it('without hours is always open', () => expect(openingAt(undefined, new Date())).toEqual({ open: true }));

  it('whose year is full of holidays says that it does not open', () => {
    const days = Array.from({ length: 400 }, (_none, i) => new Date(Date.UTC(2026, 0, 1 + i)).toISOString().slice(0, 10));
    expect(ask(hours({ monday: ['09:00-17:00'] }, days), '2026-01-05T10:00:00Z')).toBe('closed until ever');
  });
});

describe('over midnight', () => {
  const night = hours({ friday: ['22:00-24:00'], saturday: ['00:00-02:00'] });
  const always = hours(Object.fromEntries(weekdays.map((day) => [day, ['00:00-24:00']])));

  it('two periods are one opening', () => {
    expect(ask(night, '2026-11-27T21:30:00Z')).toBe('open until 2026-11-28T01:00:00.000Z');
    expect(ask(night, '2026-11-27T23:30:00Z')).toBe('open until 2026-11-28T01:00:00.000Z');
    expect(ask(night, '2026-11-28T01:00:00Z')).toBe('closed until 2026-12-04T21:00:00.000Z');
  });

  it('all day, every day, does not close', () => expect(ask(always, '2026-11-27T23:30:00Z')).toBe('open until ever'));
});

describe('summer time', () => {
  // In 2026 it begins on 29 March at 02:00, when clocks go to 03:00, and ends on 25 October at 03:00, when they go to 02:00.
  const sunday = (period: string): Hours => hours({ sunday: [period] });

  it.each([
    ['opens an hour earlier by UTC once it has begun', '09:00-17:00', '2026-03-29T06:59:00Z', 'closed until 2026-03-29T07:00:00.000Z'],
    ['closes by the clock of the day', '09:00-17:00', '2026-03-29T07:00:00Z', 'open until 2026-03-29T15:00:00.000Z'],
    ['makes a night shift an hour shorter', '00:00-06:00', '2026-03-28T23:00:00Z', 'open until 2026-03-29T04:00:00.000Z'],
    ['begins what it skips the beginning of as soon as clocks have jumped', '02:30-05:00', '2026-03-29T00:59:00Z', 'closed until 2026-03-29T01:00:00.000Z'],
    ['leaves out what it skips whole', '02:10-02:50', '2026-03-29T00:59:00Z', 'closed until 2026-04-05T00:10:00.000Z'],
    ['makes a night shift an hour longer at its end', '00:00-06:00', '2026-10-24T22:00:00Z', 'open until 2026-10-25T05:00:00.000Z'],
    ['at its end opens on the first of two', '02:30-05:00', '2026-10-24T23:00:00Z', 'closed until 2026-10-25T00:30:00.000Z'],
    ['and closes on the second', '01:00-02:30', '2026-10-25T01:00:00Z', 'open until 2026-10-25T01:30:00.000Z'],
    ['leaves the week after as it was', '09:00-17:00', '2026-10-25T16:00:00Z', 'closed until 2026-11-01T08:00:00.000Z'],
  ])('%s', (_what, period, at, says) => expect(ask(sunday(period), at)).toBe(says));

  it('elsewhere is reckoned there', () => {
    const pago = hours({ sunday: ['09:00-17:00'] }, [], 'Pacific/Pago_Pago');
    // Eleven hours behind UTC: Sunday morning there is Sunday evening here.
    expect(ask(pago, '2026-11-22T19:59:00Z')).toBe('closed until 2026-11-22T20:00:00.000Z');
    expect(ask(pago, '2026-11-23T03:00:00Z')).toBe('open until 2026-11-23T04:00:00.000Z');
  });

  it('is no matter for the process: every minute of both days says what clocks there say', () => {
    const both = hours({ sunday: ['01:15-04:45'] });
    const clock = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Amsterdam', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
    for (const midnight of ['2026-03-28T23:00:00Z', '2026-10-24T22:00:00Z']) {
      for (let minute = 0; minute < 23 * 60; minute += 5) {
        const at = new Date(Date.parse(midnight) + minute * 60_000);
        const shown = clock.format(at);
        expect(openingAt(both, at).open, `${midnight} + ${minute}`).toBe(shown >= '01:15' && shown < '04:45');
      }
    }
  });
});
