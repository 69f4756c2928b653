/**
 * Opening hours: whether a service is open at a moment, and when it opens next. Days and minutes are those of the
 * service's own time zone; the calendar of the process plays no part. Hours that summer time skips are over before
 * they begin, hours that it repeats count both times.
 */
import { weekdays, type Hours, type Period } from '../../config/index.js';

export type Opening =
  | { readonly open: true; readonly closesAt?: Date }
  /** `opensAt` is undefined when it does not open within a year. */
  | { readonly open: false; readonly opensAt?: Date };

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** How far ahead an opening is looked for, in days. */
const LOOK_AHEAD_DAYS = 366;
const END_OF_DAY = 1_440;

/** A day of the calendar, as 2026-12-25. */
type Day = string;

/**
 * @param hours undefined: always open
 * @param at the moment that is asked about
 */
export function openingAt(hours: Hours | undefined, at: Date): Opening {
  if (!hours) return { open: true };
  const zone = zoneOf(hours.timezone);
  const today = zone.dayOf(at.getTime());
  const now = at.getTime();
  const spans = (day: Day): (readonly [number, number])[] => periodsOn(hours, day).map(({ from, to }) => [zone.firstAt(day, from), to === END_OF_DAY ? zone.firstAt(dayAfter(day), 0) : zone.lastAt(day, to)] as const);
  const current = spans(today).find(([from, to]) => from <= now && now < to);
  let day = today;
  if (current) {
    // What goes on over midnight closes when the last of it does.
    let [, closes] = current;
    for (let days = 0; days <= LOOK_AHEAD_DAYS; days += 1, day = dayAfter(day)) {
      const next = [...spans(day), ...spans(dayAfter(day))].find(([from, to]) => from <= closes && closes < to);
      if (!next) return { open: true, closesAt: new Date(closes) };
      closes = next[1];
    }
    return { open: true };
  }
  for (let days = 0; days <= LOOK_AHEAD_DAYS; days += 1, day = dayAfter(day)) {
    const opens = Math.min(...spans(day).filter(([from, to]) => from > now && to > from).map(([from]) => from));
    if (opens < Infinity) return { open: false, opensAt: new Date(opens) };
  }
  return { open: false };
}

function periodsOn({ weekly, holidays }: Hours, day: Day): readonly Period[] {
  const holiday = holidays.find(({ date }) => date === day);
  if (holiday) return holiday.periods;
  // Weeks of the calendar are the same in every zone.
  return weekly[weekdays[(new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7]!];
}

const dayAfter = (day: Day): Day => new Date(Date.parse(`${day}T00:00:00Z`) + DAY_MS).toISOString().slice(0, 10);

interface Zone {
  /** The day of the calendar there. */
  dayOf(moment: number): Day;
  /** The first moment of a day at which clocks there show so many minutes past midnight, or more. */
  firstAt(day: Day, minutes: number): number;
  /** The last such moment: another one where clocks show a time twice. */
  lastAt(day: Day, minutes: number): number;
}

const zones = new Map<string, Zone>();

function zoneOf(timezone: string): Zone {
  let zone = zones.get(timezone);
  if (zone) return zone;
  const format = new Intl.DateTimeFormat('en-US', { timeZone: timezone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' });
  /** What clocks there show, as if it were UTC. */
  const shown = (moment: number): number => {
    const parts = Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, Number(value)]));
    return Date.UTC(parts['year']!, parts['month']! - 1, parts['day'], parts['hour'], parts['minute'], parts['second']);
  };
  const momentsOf = (day: Day, minutes: number): number[] => {
    const wanted = Date.parse(`${day}T00:00:00Z`) + minutes * MINUTE_MS;
    // The offsets of the day before and after are the only ones there can be around a change.
    const candidates = [wanted - DAY_MS, wanted, wanted + DAY_MS].map((near) => wanted - (shown(near) - near)).sort((a, b) => a - b);
    const exact = candidates.filter((moment) => shown(moment) === wanted);
    if (exact.length > 0) return exact;
    // Skipped by summer time: the moment of the change, found to the minute.
    let [before, after] = [candidates[0]!, candidates.at(-1)!];
    while (after - before > MINUTE_MS) {
      const middle = before + Math.floor((after - before) / MINUTE_MS / 2) * MINUTE_MS;
      if (shown(middle) < wanted) before = middle;
      else after = middle;
    }
    return [after];
  };
  zone = {
    dayOf: (moment) => new Date(shown(moment)).toISOString().slice(0, 10),
    firstAt: (day, minutes) => momentsOf(day, minutes)[0]!,
    lastAt: (day, minutes) => momentsOf(day, minutes).at(-1)!,
  };
  zones.set(timezone, zone);
  return zone;
}
