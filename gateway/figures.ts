/**
 * Today's figures of each municipality, for the supervisor's page: counts and times, and nothing of any caller. They are
 * made from what happens on all nodes since this one was started, live in memory, and begin anew at midnight.
 */
import type { Happening, Happenings } from './happenings.js';

/** Answered within this is answered in time, in ms: the service level that municipalities usually agree on. */
export const inTimeMs = 30_000;

/** Of a municipality or a service. Averages are undefined while there is nothing to take one of. */
export interface Figures {
  /** Calls that came in. */
  readonly calls: number;
  /** Of these: the caller was identified, before or during the call. */
  readonly identified: number;
  /** Agent and caller heard each other. */
  readonly answered: number;
  readonly answeredInTime: number;
  /** The caller hung up, or had waited too long, before anybody answered. */
  readonly abandoned: number;
  readonly transferred: number;
  /** Given to the PBX’s own queue, or sent to the service’s other number. */
  readonly passedOn: number;
  readonly averageWaitSeconds: number | undefined;
  readonly longestWaitSeconds: number;
  readonly averageTalkSeconds: number | undefined;
}

export interface AgentFigures {
  readonly agent: string;
  readonly offered: number;
  readonly answered: number;
  /** The phone rang and was not answered. */
  readonly missed: number;
  readonly transferred: number;
  readonly averageTalkSeconds: number | undefined;
  readonly talkSeconds: number;
}

export interface HourFigures {
  /** 0 to 23. */
  readonly hour: number;
  readonly calls: number;
  readonly identified: number;
  readonly answered: number;
  readonly abandoned: number;
}

export interface TodaysFigures {
  /** YYYY-MM-DD, in the time zone of the figures. */
  readonly day: string;
  /** From when on they were counted, ms since 1970: midnight, or the start of the gateway. */
  readonly since: number;
  readonly total: Figures;
  readonly services: readonly (Figures & { readonly service: string })[];
  readonly agents: readonly AgentFigures[];
  /** All 24 hours; a call counts in the hour in which it came in. */
  readonly hours: readonly HourFigures[];
}

interface Tally {
  calls: number;
  identified: number;
  answered: number;
  answeredInTime: number;
  abandoned: number;
  transferred: number;
  passedOn: number;
  waitMs: number;
  longestWaitMs: number;
  talkMs: number;
  talks: number;
}

interface AgentTally {
  offered: number;
  answered: number;
  missed: number;
  transferred: number;
  talkMs: number;
  talks: number;
}

type Hour = { -readonly [Key in keyof HourFigures]: HourFigures[Key] };

interface Day {
  readonly total: Tally;
  readonly services: Map<string, Tally>;
  readonly agents: Map<string, AgentTally>;
  readonly hours: Hour[];
}

/** What is remembered of a call while it lasts. */
interface LiveCall {
  readonly tenant: string;
  service: string | undefined;
  readonly hour: number | undefined;
  readonly day: string;
  waitingSince?: number;
  identified: boolean;
  answered: boolean;
  talking?: { agent: string; since: number };
}

/** Calls, and names in one municipality's figures, that are kept at most. */
const maxCalls = 20_000;
const maxNames = 10_000;

const newTally = (): Tally => ({ calls: 0, identified: 0, answered: 0, answeredInTime: 0, abandoned: 0, transferred: 0, passedOn: 0, waitMs: 0, longestWaitMs: 0, talkMs: 0, talks: 0 });
const newAgent = (): AgentTally => ({ offered: 0, answered: 0, missed: 0, transferred: 0, talkMs: 0, talks: 0 });
const newDay = (): Day => ({ total: newTally(), services: new Map(), agents: new Map(), hours: Array.from({ length: 24 }, (_, hour) => ({ hour, calls: 0, identified: 0, answered: 0, abandoned: 0 })) });

const seconds = (ms: number): number => Math.round(ms / 100) / 10;
const average = (ms: number, count: number): number | undefined => (count === 0 ? undefined : seconds(ms / count));

const figuresOf = ({ waitMs, longestWaitMs, talkMs, talks, ...counts }: Tally): Figures => ({
  ...counts,
  averageWaitSeconds: average(waitMs, counts.answered),
  longestWaitSeconds: seconds(longestWaitMs),
  averageTalkSeconds: average(talkMs, talks),
});

export interface FiguresOptions {
  readonly happenings: Happenings;
  /** Whose midnight ends the day (IANA name); default Europe/Amsterdam. */
  readonly timeZone?: string;
  readonly now?: () => number;
}

export class FigureKeeper {
  readonly #happenings: Happenings;
  readonly #clock: Intl.DateTimeFormat;
  readonly #now: () => number;
  readonly #days = new Map<string, Day>();
  readonly #calls = new Map<string, LiveCall>();
  #today: string;
  #since: number;
  readonly #count = (happening: Happening): void => this.#take(happening);

  constructor({ happenings, timeZone = 'Europe/Amsterdam', now = Date.now }: FiguresOptions) {
    this.#happenings = happenings;
    this.#now = now;
    this.#clock = new Intl.DateTimeFormat('sv-SE', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', hourCycle: 'h23' });
    this.#since = now();
    this.#today = this.#momentOf(this.#since).day;
    happenings.on('happening', this.#count);
    happenings.on('elsewhere', this.#count);
  }

  /** Figures of today so far; zeros for a municipality of which nothing has happened. */
  of(tenant: string): TodaysFigures {
    this.#turnPage();
    const { total, services, agents, hours } = this.#days.get(tenant) ?? newDay();
    const byName = <T>([a]: [string, T], [b]: [string, T]): number => a.localeCompare(b);
    return {
      day: this.#today,
      since: this.#since,
      total: figuresOf(total),
      services: [...services].sort(byName).map(([service, tally]) => ({ service, ...figuresOf(tally) })),
      agents: [...agents].sort(byName).map(([agent, { talkMs, talks, ...counts }]) => ({ agent, ...counts, talkSeconds: seconds(talkMs), averageTalkSeconds: average(talkMs, talks) })),
      hours: hours.map((hour) => ({ ...hour })),
    };
  }

  close(): void {
    this.#happenings.off('happening', this.#count);
    this.#happenings.off('elsewhere', this.#count);
  }

  #momentOf(at: number): { day: string; hour: number } {
    const [day = '', hour = '0'] = this.#clock.format(at).split(' ');
    return { day, hour: Number(hour) };
  }

  /** At midnight all counts begin anew; calls that are under way go on. */
  #turnPage(): void {
    const now = this.#now();
    const { day } = this.#momentOf(now);
    if (day === this.#today) return;
    this.#today = day;
    this.#since = now;
    this.#days.clear();
  }

  #dayOf(tenant: string): Day {
    let day = this.#days.get(tenant);
    if (!day) this.#days.set(tenant, (day = newDay()));
    return day;
  }

  #agent(tenant: string, name: string): AgentTally {
    return entry(this.#dayOf(tenant).agents, name, newAgent);
  }

  /** Those in which something of this call is counted. */
  #tallies({ tenant, service }: LiveCall): Tally[] {
    const day = this.#dayOf(tenant);
    return service === undefined ? [day.total] : [day.total, entry(day.services, service, newTally)];
  }

  #countCall(call: LiveCall, what: 'identified' | 'answered' | 'abandoned'): void {
    for (const tally of this.#tallies(call)) tally[what] += 1;
    // The hours are those of arrival; a call of before midnight has none today.
    const hour = call.hour === undefined || call.day !== this.#today ? undefined : this.#dayOf(call.tenant).hours[call.hour];
    if (hour) hour[what] += 1;
  }

  #take(happening: Happening): void {
    this.#turnPage();
    if (!('callId' in happening)) return;
    const { tenant, callId, at } = happening;
    const call = this.#calls.get(callId);
    if (happening.type === 'call.arrived') {
      const arrived: LiveCall = { tenant, service: happening.service, ...this.#momentOf(at), identified: false, answered: false };
      this.#calls.set(callId, arrived);
      if (this.#calls.size > maxCalls) this.#calls.delete(this.#calls.keys().next().value!);
      for (const tally of this.#tallies(arrived)) tally.calls += 1;
      if (arrived.day === this.#today) this.#dayOf(tenant).hours[arrived.hour!]!.calls += 1;
      return;
    }
    // One that began before this node was started would be counted by halves.
    if (!call) return;
    switch (happening.type) {
      case 'call.identified':
        if (happening.identity === 'verified' && !call.identified) {
          call.identified = true;
          this.#countCall(call, 'identified');
        }
        break;
      case 'call.waiting': call.waitingSince ??= at; break;
      case 'call.offered': this.#agent(tenant, happening.agent).offered += 1; break;
      case 'call.connected': this.#connected(call, happening.agent, at); break;
      case 'call.cleared':
        if (happening.because === 'missed') this.#agent(tenant, happening.agent).missed += 1;
        if (call.talking?.agent === happening.agent) this.#talked(call, at);
        break;
      case 'call.transferred':
        for (const tally of this.#tallies(call)) tally.transferred += 1;
        this.#agent(tenant, happening.from).transferred += 1;
        this.#talked(call, at);
        break;
      case 'call.handedOver':
      case 'call.overflowed':
        for (const tally of this.#tallies(call)) tally.passedOn += 1;
        break;
      case 'call.ended':
        this.#talked(call, at);
        this.#calls.delete(callId);
        if (!call.answered && call.waitingSince !== undefined && (happening.reason === 'abandoned' || happening.reason === 'waitedTooLong')) this.#countCall(call, 'abandoned');
        break;
      case 'call.answered': case 'call.shown': case 'call.claimed': break;
    }
  }

  #connected(call: LiveCall, agent: string, at: number): void {
    this.#talked(call, at);
    call.talking = { agent, since: at };
    this.#agent(call.tenant, agent).answered += 1;
    if (call.answered) return;
    call.answered = true;
    this.#countCall(call, 'answered');
    const waitedMs = Math.max(0, at - (call.waitingSince ?? at));
    for (const tally of this.#tallies(call)) {
      tally.waitMs += waitedMs;
      tally.longestWaitMs = Math.max(tally.longestWaitMs, waitedMs);
      if (waitedMs <= inTimeMs) tally.answeredInTime += 1;
    }
  }

  /** The conversation with this agent is over. */
  #talked(call: LiveCall, at: number): void {
    if (!call.talking) return;
    const { agent, since } = call.talking;
    delete call.talking;
    for (const tally of [...this.#tallies(call), this.#agent(call.tenant, agent)]) {
      tally.talkMs += Math.max(0, at - since);
      tally.talks += 1;
    }
  }
}

/** The entry of a name; one too many is counted nowhere but in the total. */
function entry<T>(map: Map<string, T>, name: string, make: () => T): T {
  let found = map.get(name);
  if (!found) {
    found = make();
    if (map.size < maxNames) map.set(name, found);
  }
  return found;
}
