/** Opening hours as a configuration writes them. */

/** A stretch of a day, in minutes since midnight; the end is not in it. 1440 is the end of the day. */
export interface Period {
  readonly from: number;
  readonly to: number;
}

export const weekdays = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;
export type Weekday = (typeof weekdays)[number];

/** A day with hours of its own; none: closed. */
export interface Holiday {
  /** Such as 2026-12-25. */
  readonly date: string;
  readonly periods: readonly Period[];
}

export interface Hours {
  /** IANA name, such as Europe/Amsterdam. */
  readonly timezone: string;
  readonly weekly: Readonly<Record<Weekday, readonly Period[]>>;
  readonly holidays: readonly Holiday[];
}

/** Reads `09:00-17:00`; undefined when it is no period of one day. */
export function periodOf(text: string): Period | undefined {
  const [, fromHour, fromMinute, toHour, toMinute] = /^(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})$/.exec(text.replace(/\s|–/g, (sign) => (sign === '–' ? '-' : ''))) ?? [];
  const minutes = (hour: string | undefined, minute: string | undefined): number | undefined => {
    const [h, m] = [Number(hour), Number(minute)];
    return h <= 24 && m <= 59 && h * 60 + m <= 1_440 ? h * 60 + m : undefined;
  };
  const [from, to] = [minutes(fromHour, fromMinute), minutes(toHour, toMinute)];
  return from === undefined || to === undefined || from >= to ? undefined : { from, to };
}

/** Index of the first period that begins before one given earlier in the day is over; undefined when none does. */
export function overlapIn(periods: readonly Period[]): number | undefined {
  const index = periods.findIndex((one, i) => periods.slice(0, i).some((other) => one.from < other.to && other.from < one.to));
  return index < 0 ? undefined : index;
}

/** Whether a text is a day of the calendar, as 2026-12-25. */
export function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

/** Reads `2026-12-25`, closed all day, or `2026-12-24 09:00-12:00 13:00-15:00`; undefined when it is neither. */
export function holidayOf(text: string): Holiday | undefined {
  const [date = '', ...rest] = text.trim().split(/[\s,]+/);
  const periods = rest.map(periodOf);
  if (!isDate(date) || periods.includes(undefined)) return undefined;
  const whole = periods.filter((period) => period !== undefined);
  return overlapIn(whole) === undefined ? { date, periods: whole } : undefined;
}

export function isTimezone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== '' && !/^[+-]/.test(text);
  } catch {
    return false;
  }
}
