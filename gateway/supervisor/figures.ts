/**
 * The figures of a day, counted from what happens to calls on this node: by service and hour, and of nobody.
 *
 * Everything about a call counts for the service that was dialled and the hour in which the call came in, wherever it
 * went and however long it lasted: so that shares of a row are shares of the same calls.
 */
import type { Happening } from '../happenings.js';

/**
 * `identified`: the caller's attributes could be shown. `answered`: an agent of ours and the caller heard each other.
 * `soon`: within 30 seconds of waiting. `abandoned`: the caller hung up before that. `waitMs`: of the answered, from the
 * line's first moment to the first conversation. `talks`, `talkMs`: conversations that are over, with all agents of a
 * call together. `overflow`: went to the service's other number. `handedOver`: went to the PBX's queue.
 */
export const counters = ['calls', 'identified', 'answered', 'soon', 'abandoned', 'waitMs', 'talks', 'talkMs', 'transfers', 'overflow', 'handedOver'] as const;
export type Counter = (typeof counters)[number];
export type Counts = Readonly<Record<Counter, number>>;

/** Of the calls that came in for a service within an hour, 0 to 23 by the clock of the municipality. */
export interface FigureRow extends Counts {
  readonly service: string;
  readonly hour: number;
}

/** Waiting no longer than this is counted as soon, in ms. */
export const soonMs = 30_000;
/** Calls followed at one time. Each is forgotten at its end; this is for the day that an end is not told. */
const mostCalls = 20_000;

/** What is kept of a call while it lasts. */
interface Followed {
  readonly service: string;
  readonly day: string;
  readonly hour: number;
  readonly once: Set<'identified' | 'answered' | 'overflow' | 'handedOver'>;
  waitingSince?: number;
  talkingSince?: number;
  talkedMs: number;
}

export const noCounts = (): Record<Counter, number> => Object.fromEntries(counters.map((counter) => [counter, 0])) as Record<Counter, number>;

/** Day and hour of a moment by the clocks of a time zone. */
export type Calendar = (moment: number) => { day: string; hour: number };

export function calendarOf(timeZone: string): Calendar {
  const format = new Intl.DateTimeFormat('en-CA', { timeZone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit' });
  let known: { from: number; at: { day: string; hour: number } } | undefined;
  return (moment) => {
    // Zones differ by quarters of an hour at least.
    const from = Math.floor(moment / 900_000);
    if (known?.from !== from) {
      const parts = Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, value]));
      known = { from, at: { day: `${parts['year']}-${parts['month']}-${parts['day']}`, hour: Number(parts['hour']) } };
    }
    return known.at;
  };
}

/** One node's figures of today for one municipality: a cell for each service and hour at most. */
export class DayFigures {
  readonly #calls = new Map<string, Followed>();
  readonly #cells = new Map<string, { service: string; hour: number; counts: Record<Counter, number> }>();
  readonly #changed = new Set<string>();
  readonly #services: ReadonlySet<string>;
  #day = '';

  /** @param services those that the configuration names; calls of others are not counted */
  constructor(private readonly calendar: Calendar, services: readonly string[], private readonly now: () => number = Date.now) {
    this.#services = new Set(services);
    this.#today();
  }

  get followed(): number {
    return this.#calls.size;
  }

  /** The day that is counted, as 2026-11-25. */
  get day(): string {
    return this.#today();
  }

  hear(happening: Happening): void {
    if (happening.type === 'call.arrived') return this.#arrived(happening);
    if (!('callId' in happening)) return;
    const call = this.#calls.get(happening.callId);
    if (!call) return;
    const { at } = happening;
    switch (happening.type) {
      case 'call.identified':
        if (happening.identity === 'verified') this.#once(call, 'identified');
        return;
      case 'call.waiting':
        // Back in the line: that conversation is over.
        if (happening.place === undefined) this.#stopsTalking(call, at);
        call.waitingSince ??= at;
        return;
      case 'call.handedOver':
        this.#stopsTalking(call, at);
        call.waitingSince ??= at;
        return this.#once(call, 'handedOver');
      case 'call.overflowed': return this.#once(call, 'overflow');
      case 'call.connected': {
        call.talkingSince ??= at;
        if (call.once.has('answered')) return;
        const waitMs = Math.max(0, at - (call.waitingSince ?? at));
        this.#once(call, 'answered');
        this.#add(call, 'waitMs', waitMs);
        if (waitMs <= soonMs) this.#add(call, 'soon', 1);
        return;
      }
      case 'call.transferred':
        this.#stopsTalking(call, at);
        return this.#add(call, 'transfers', 1);
      case 'call.ended':
        this.#stopsTalking(call, at);
        this.#calls.delete(happening.callId);
        if (call.once.has('answered')) {
          this.#add(call, 'talks', 1);
          this.#add(call, 'talkMs', call.talkedMs);
        } else if (happening.reason === 'abandoned') this.#add(call, 'abandoned', 1);
        return;
      case 'call.offered': case 'call.answered': case 'call.shown': case 'call.cleared': case 'call.claimed': case 'call.broughtIn':
    }
  }

  /** Every cell of today that has something in it. */
  rows(): FigureRow[] {
    this.#today();
    return [...this.#cells.values()].map(({ service, hour, counts }) => ({ service, hour, ...counts }));
  }

  /** Cells that changed since this was last asked; whoever could not use them gives them back by `again`. */
  takeChanged(): FigureRow[] {
    this.#today();
    const rows = [...this.#changed].flatMap((key) => {
      const cell = this.#cells.get(key);
      return cell ? [{ service: cell.service, hour: cell.hour, ...cell.counts }] : [];
    });
    this.#changed.clear();
    return rows;
  }

  again(rows: readonly FigureRow[]): void {
    for (const { service, hour } of rows) if (this.#cells.has(keyOf(service, hour))) this.#changed.add(keyOf(service, hour));
  }

  #arrived({ callId, service, at, continues }: Extract<Happening, { type: 'call.arrived' }>): void {
    if (!this.#services.has(service) || this.#calls.has(callId)) return;
    const call: Followed = { service, ...this.calendar(at), once: new Set(continues === undefined ? [] : ['identified']), talkedMs: 0 };
    this.#calls.set(callId, call);
    if (this.#calls.size > mostCalls) this.#calls.delete(this.#calls.keys().next().value!);
    // What goes on from another node was counted there.
    if (continues === undefined) this.#add(call, 'calls', 1);
  }

  #stopsTalking(call: Followed, at: number): void {
    if (call.talkingSince === undefined) return;
    call.talkedMs += Math.max(0, at - call.talkingSince);
    delete call.talkingSince;
  }

  #once(call: Followed, counter: 'identified' | 'answered' | 'overflow' | 'handedOver'): void {
    if (call.once.has(counter)) return;
    call.once.add(counter);
    this.#add(call, counter, 1);
  }

  #add({ service, day, hour }: Followed, counter: Counter, amount: number): void {
    // A call of yesterday that goes on counts for a day that nobody looks at any more.
    if (day !== this.#today()) return;
    const key = keyOf(service, hour);
    let cell = this.#cells.get(key);
    if (!cell) this.#cells.set(key, (cell = { service, hour, counts: noCounts() }));
    cell.counts[counter] += amount;
    this.#changed.add(key);
  }

  #today(): string {
    const { day } = this.calendar(this.now());
    if (day !== this.#day) {
      this.#day = day;
      this.#cells.clear();
      this.#changed.clear();
    }
    return day;
  }
}

const keyOf = (service: string, hour: number): string => `${hour} ${service}`;

/** Adds up rows of the same service and hour, of all nodes. */
export function summed(rows: Iterable<FigureRow>): FigureRow[] {
  const sums = new Map<string, { service: string; hour: number } & Record<Counter, number>>();
  for (const row of rows) {
    const key = keyOf(row.service, row.hour);
    const sum = sums.get(key);
    if (!sum) sums.set(key, { ...row });
    else for (const counter of counters) sum[counter] += row[counter];
  }
  return [...sums.values()].sort((a, b) => a.hour - b.hour || a.service.localeCompare(b.service));
}
