import { z } from 'zod';
import { holidayOf, isTimezone, overlapIn, periodOf, weekdays, type Holiday, type Period } from '../opening-hours.js';
import { bareNumber, e164, faulty, ms, word } from './values.js';

export const skills = z.array(word).max(32).default([]);

const periods = z
  .array(
    z
      .string()
      .max(20)
      .refine((text) => periodOf(text) !== undefined, faulty('is not a period of one day', 'Write it as "09:00-17:00"; what goes over midnight stands as two, "22:00-24:00" and on the next day "00:00-02:00"'))
      .transform((text): Period => periodOf(text) ?? { from: 0, to: 0 }),
  )
  .max(12)
  .superRefine((list, context) => {
    const index = overlapIn(list);
    if (index !== undefined) context.addIssue({ code: 'custom', path: [index], ...faulty('overlaps with another period of the day', 'Let each period begin when the one before it is over') });
  })
  .default([]);

const holiday = z
  .string()
  .max(200)
  .refine((text) => holidayOf(text) !== undefined, faulty('is not a date with or without hours', 'Write the date, "2026-12-25", for a day that is closed, or with its hours, "2026-12-24 09:00-12:00"'))
  .transform((text): Holiday => holidayOf(text) ?? { date: '', periods: [] });

const capitalised = (day: string): string => day.charAt(0).toUpperCase() + day.slice(1);

const hours = z
  .strictObject({
    timezone: z
      .string()
      .max(64)
      .refine(isTimezone, faulty('is not a time zone', 'Write its IANA name, such as Europe/Amsterdam'))
      .describe('IANA time zone in which the hours are meant, such as Europe/Amsterdam.'),
    weekly: z
      .strictObject(Object.fromEntries(weekdays.map((day) => [day, periods.describe(`${capitalised(day)}s: periods such as "09:00-17:00"; none: closed.`)])) as Record<(typeof weekdays)[number], typeof periods>)
      .superRefine((week, context) => {
        if (weekdays.every((day) => week[day].length === 0)) context.addIssue({ code: 'custom', ...faulty('is closed all week', 'Give at least one day its hours, or remove hours') });
      })
      .describe('Opening hours of each day of the week.'),
    holidays: z
      .array(holiday)
      .max(400)
      .superRefine((list, context) => {
        for (const [index, { date }] of list.entries()) {
          if (list.findIndex((other) => other.date === date) < index) context.addIssue({ code: 'custom', path: [index], ...faulty(`is ${date}, which stands in the list already`, 'Keep one line for each date') });
        }
      })
      .default([])
      .describe('Days with hours of their own: "2026-12-25" is closed, "2026-12-24 09:00-12:00" is open for so long.'),
  })
  .optional()
  .describe('Opening hours; always open if left out.');

const overflow = z
  .strictObject({
    number: e164.transform(bareNumber).describe('Where such callers are sent instead, in E.164.'),
    when: z.array(z.enum(['closed', 'full', 'waitedTooLong'])).min(1).max(3).describe('closed: outside opening hours. full: maxWaiting callers wait already. waitedTooLong: after `afterSeconds`, or after the longest stay.'),
    afterSeconds: z.int().min(5).max(14_400).optional().describe('How long a caller waits before being sent there; the longest stay if left out.'),
  })
  .optional()
  .describe('Sends callers to another number. None: they hear that nobody can be reached, and the call ends.');

/** How the callers of one service wait, and for whom. */
export const queue = z
  .strictObject({
    skills: skills.describe('Skills an agent must have to be given its calls, all of them.'),
    priority: z.int().min(0).max(9).default(0).describe('Each step counts as having come one minute earlier than one did: urgent callers go first, and nobody waits for ever.'),
    maxWaiting: z.int().min(1).max(10_000).optional().describe('Callers who may wait at one time, on all nodes; any number if left out.'),
    maxWaitMs: ms(10_000, 14_400_000).optional().describe('Longest stay of its callers in the waiting room; `calls.maxWaitMs` if left out.'),
    ringTimeoutMs: ms(1_000, 120_000).optional().describe('How long an agent’s phone rings for its calls; `calls.ringTimeoutMs` if left out.'),
    wrapUpSeconds: z.int().min(0).max(3_600).default(0).describe('Time an agent has after a conversation before the next call; the agent can cut it short.'),
    callback: z.boolean().default(false).describe('Offers callers to be called back in place of waiting on the line.'),
    callbackAfterSeconds: z.int().min(0).max(3_600).default(45).describe('How long a caller has waited before that is offered.'),
    hours,
    overflow,
  })
  .prefault({})
  .describe('How its callers wait, and for which agents.');
