import { EventEmitter } from 'node:events';
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { DeskError, type Desk, type DeskAgent, type DeskEvents, type DeskView, type FreedBecause, type Outlook, type Seat, type Waiting } from './contract.js';
import { deskTimes, type DeskAct, type DeskTimes, type StepContext } from './matching.js';
import { outlooks } from './outlook.js';
import { emptySeat, hasSkills, isStaffed, type DeskState, type Held, type InLine, type SeatRecord } from './state.js';

/** What a desk knows of a service. */
export interface DeskService {
  readonly name: string;
  readonly skills: readonly string[];
  readonly wrapUpMs: number;
  /** Callers who may wait at one time; undefined: any number. */
  readonly maxWaiting?: number | undefined;
}

export interface DeskOptions {
  readonly agents: readonly DeskAgent[];
  readonly services: readonly DeskService[];
  /** Name of this node; a new one when left out. */
  readonly node?: string;
  readonly times?: Partial<DeskTimes>;
}

/** Outlooks are told at most this often, in ms: a busy minute must not become a flood of messages. */
const OUTLOOK_EVERY_MS = 500;
/** Calls whose first arrival is remembered. Each is forgotten at its end; this is for the day that somebody forgets to say so. */
const MOST_ARRIVALS = 20_000;

/** An agent that a call of this node was given. */
interface Given {
  readonly agent: string;
  readonly callId: string;
  /** The call gave the agent back; the state may not say so yet. */
  freed: boolean;
}

/** A call that asks for a seat. */
interface Occupying {
  readonly agent: string;
  readonly callId: string;
  /** The question is in the state. */
  asked: boolean;
  readonly settle: (taken: boolean) => void;
}

/**
 * A node's side of a desk, the same for a desk in memory and for a shared one: turns calls of the contract into acts,
 * and what the state says into events.
 */
export abstract class DeskNode extends EventEmitter<DeskEvents> implements Desk {
  protected readonly node: string;
  protected readonly times: DeskTimes;
  /** Agents with a screen here, and whether they take calls, if they said so here. */
  protected readonly screens = new Map<string, boolean | undefined>();
  /** What each agent said last here of taking calls; a screen says so before it is there. */
  private readonly said = new Map<string, boolean>();
  protected agents: ReadonlyMap<string, DeskAgent>;
  protected closed = false;
  private readonly services: ReadonlyMap<string, DeskService>;
  private readonly arrivals = new Map<string, { since: number; service: string }>();
  private readonly line = new Set<string>();
  private readonly given = new Map<string, Given>();
  /** Questions whether a call has a seat, by offer. */
  private readonly occupying = new Map<string, Occupying>();
  private readonly seatsTold = new Map<string, string>();
  private readonly outlooksTold = new Map<string, Outlook>();
  private outlookTimer: NodeJS.Timeout | undefined;
  private offers = 0;
  private telling: (() => void)[] = [];

  constructor({ agents, services, node, times }: DeskOptions) {
    super();
    this.node = node ?? randomUUID();
    this.times = { ...deskTimes, ...times };
    this.agents = new Map(agents.map((agent) => [agent.name, agent]));
    this.services = new Map(services.map((service) => [service.name, service]));
  }

  /** The state as this node knows it now. */
  protected abstract get state(): DeskState;
  /** The same, not older than this moment where that can be had. */
  protected abstract fresh(): Promise<DeskState>;
  /** Whether this node can know of its own calls that they have their agents still: the others have not taken it for dead. */
  protected abstract get isCurrent(): boolean;
  /** The desk's clock, in ms. */
  protected abstract now(): number;
  /** Takes an act in; what follows is told to `took`. */
  protected abstract submit(act: DeskAct): void;
  abstract close(): Promise<void>;

  // ---- the contract ---------------------------------------------------------------------------------------------

  enter({ callId, service, skills, headStartMs, since: kept, wanted }: Waiting, at: 'tail' | 'head'): void {
    const now = this.now();
    const since = (at === 'head' ? (this.arrivals.get(callId)?.since ?? kept) : undefined) ?? now;
    this.arrivals.set(callId, { since, service });
    if (this.arrivals.size > MOST_ARRIVALS) this.arrivals.delete(this.arrivals.keys().next().value!);
    if (at === 'tail') this.outlooksTold.delete(callId);
    this.line.add(callId);
    const call: InLine = { node: this.node, service, skills, since, rank: since - headStartMs, ...(wanted && { wanted: { agent: wanted.agent, until: wanted.until - this.epochAhead() } }) };
    const most = at === 'tail' ? this.services.get(service)?.maxWaiting : undefined;
    this.submit({ do: 'enter', callId, call, ...(most !== undefined && { most }) });
  }

  arrivalOf(callId: string): number | undefined {
    return this.arrivals.get(callId)?.since;
  }

  leave(callId: string): void {
    this.arrivals.delete(callId);
    this.outlooksTold.delete(callId);
    if (this.line.delete(callId)) this.submit({ do: 'leave', callId });
  }

  answered(agent: string, callId: string): void {
    this.submit({ do: 'answered', agent, callId });
  }

  occupy(agent: string, callId: string, service?: string, rings = false): Promise<boolean> {
    const known = this.agents.get(agent);
    if (!known || this.closed) return Promise.resolve(false);
    const offer = this.newOffer();
    return new Promise((resolve) => {
      const { agreeMs, beatMs } = this.times;
      const timer = setTimeout(() => {
        settle(false);
        this.submit({ do: 'free', agent, callId, because: 'moved', wrapUpMs: 0 });
      }, agreeMs + 2 * beatMs);
      const settle = (taken: boolean): void => {
        clearTimeout(timer);
        this.occupying.delete(offer);
        resolve(taken);
      };
      this.occupying.set(offer, { agent, callId, asked: false, settle });
      this.submit({ do: 'occupy', agent, skills: known.skills, callId, ...(service !== undefined && { service }), ...(rings && { rings }), offer });
    });
  }

  free(agent: string, callId: string, because: FreedBecause): void {
    for (const given of this.given.values()) if (given.agent === agent && given.callId === callId) given.freed = true;
    const service = this.state.seats.get(agent)?.call?.service ?? this.arrivals.get(callId)?.service;
    const wrapUpMs = (service === undefined ? undefined : this.services.get(service)?.wrapUpMs) ?? 0;
    this.submit({ do: 'free', agent, callId, because, wrapUpMs });
  }

  wrapUpDone(agent: string): void {
    this.submit({ do: 'wrapUpDone', agent });
  }

  setPresent(agent: string, present: boolean): void {
    const known = this.agents.get(agent);
    if (!known || this.screens.has(agent) === present) return;
    if (present) {
      this.screens.set(agent, this.said.get(agent));
      this.submit({ do: 'come', agent, skills: known.skills });
    } else {
      this.screens.delete(agent);
      this.submit({ do: 'go', agent });
    }
  }

  setAvailable(agent: string, available: boolean): void {
    const known = this.agents.get(agent);
    if (!known) return;
    this.said.set(agent, available);
    if (this.screens.has(agent)) this.screens.set(agent, available);
    this.submit({ do: 'available', agent, skills: known.skills, available });
  }

  replaceAgents(agents: readonly DeskAgent[]): void {
    const fresh = new Map(agents.map((agent) => [agent.name, agent]));
    for (const [name, { skills }] of this.agents) {
      const after = fresh.get(name);
      if (!after) {
        this.setPresent(name, false);
        this.said.delete(name);
      } else if (this.screens.has(name) && !isDeepStrictEqual(skills, after.skills)) this.submit({ do: 'skills', agent: name, skills: after.skills });
    }
    for (const name of fresh.keys()) if (!this.agents.has(name)) this.submit({ do: 'known', agent: name });
    this.agents = fresh;
  }

  async seatOf(agent: string): Promise<Seat | undefined> {
    const known = this.agents.get(agent);
    if (!known) return undefined;
    // What a call of this node was given, this node knows best, unless it stood still for long.
    const here = this.state.seats.get(agent);
    const isGiven = here?.call?.node === this.node && this.given.has(here.call.offer);
    const seat = isGiven && this.isCurrent ? here : (await this.current()).seats.get(agent);
    if (seat?.call?.node === this.node && !this.isCurrent) throw new DeskError('what the others did with this agent cannot be known now');
    return this.shown(agent, seat ?? emptySeat(known.skills, this.now()));
  }

  async isAvailable(agent: string): Promise<boolean> {
    try {
      return (await this.seatOf(agent))?.state === 'available';
    } catch (error) {
      if (error instanceof DeskError) return false;
      throw error;
    }
  }

  /** A node that the others took for dead learns that in one round, and what they did meanwhile in the next. */
  private async current(): Promise<DeskState> {
    const state = await this.fresh();
    return this.isCurrent ? state : this.fresh();
  }

  async snapshot(): Promise<DeskView> {
    const state = await this.fresh();
    const now = this.now();
    const seats = [...state.seats].filter(([, { state: it }]) => it !== 'away').map(([agent, seat]) => this.shown(agent, seat));
    const queues = [...this.services.values()].map(({ name, skills }) => {
      const calls = [...state.calls.values()].filter(({ service }) => service === name);
      const longestWaitMs = calls.reduce((longest, { since }) => Math.max(longest, now - since), 0);
      const staffed = [...state.seats.values()].filter((seat) => isStaffed(seat) && hasSkills(seat, skills)).length;
      return { service: name, waiting: calls.length, longestWaitMs, staffed };
    });
    return { seats, queues };
  }

  get waitingCalls(): Iterable<string> {
    return [...this.line];
  }

  get waiting(): number {
    return this.line.size;
  }

  get staffed(): number {
    let count = 0;
    for (const agent of this.screens.keys()) if (this.state.seats.get(agent)?.available) count += 1;
    return count;
  }

  // ---- for the two kinds of desk --------------------------------------------------------------------------------

  protected stepContext(): Omit<StepContext, 'now' | 'shared'> {
    return { self: this.node, screens: this.screens, times: this.times, newOffer: () => this.newOffer() };
  }

  /** What a call of this node knows of an offer: it has it, gave it back, or never heard of it. */
  protected offerIs(offer: string): 'given' | 'freed' | 'unknown' {
    const given = this.given.get(offer);
    return given ? (given.freed ? 'freed' : 'given') : 'unknown';
  }

  /** Whether a call of this node is in the line, as the call sees it. */
  protected waits(callId: string): boolean {
    return this.line.has(callId);
  }

  /** Whether this node has anything here. */
  protected get hasAnything(): boolean {
    return this.screens.size > 0 || this.line.size > 0 || this.given.size > 0 || this.occupying.size > 0;
  }

  /** The desk's clock turned out to be another one. */
  protected clockMoved(byMs: number): void {
    for (const [callId, { since, service }] of this.arrivals) this.arrivals.set(callId, { since: since + byMs, service });
  }

  /**
   * Tells what the state says and was not told before.
   * @param acts that led to it
   * @param refused calls for which there was no room
   */
  protected took(state: DeskState, acts: readonly DeskAct[], refused: readonly string[]): void {
    if (this.closed) return;
    for (const callId of refused) if (this.line.delete(callId)) this.tell(() => this.emit('full', callId));
    for (const act of acts) if (act.do === 'occupy' && this.occupying.has(act.offer)) this.occupying.get(act.offer)!.asked = true;
    for (const { agent, callId, asked, settle } of [...this.occupying.values()]) {
      const call = state.seats.get(agent)?.call;
      if (call?.callId !== callId || call.node !== this.node) {
        if (asked) settle(false);
      } else if (call.agreeBy === undefined) {
        this.given.set(call.offer, { agent, callId, freed: false });
        settle(true);
      }
    }
    for (const [agent, seat] of state.seats) {
      if (seat.call?.node === this.node && seat.call.agreeBy === undefined) this.tellOffer(agent, seat.call);
      this.tellSeat(agent, seat);
    }
    for (const [offer, { agent, callId, freed }] of this.given) {
      if (state.seats.get(agent)?.call?.offer === offer) continue;
      this.given.delete(offer);
      if (!freed) this.tell(() => this.emit('lost', callId, agent));
    }
    if (this.line.size > 0) this.outlookTimer ??= setTimeout(() => this.tellOutlooks(), OUTLOOK_EVERY_MS);
    this.tellAll();
  }

  /** Ends what this part owns. */
  protected stopTelling(): void {
    this.closed = true;
    clearTimeout(this.outlookTimer);
    for (const { settle } of [...this.occupying.values()]) settle(false);
    this.telling = [];
    this.removeAllListeners();
  }

  // ---- telling --------------------------------------------------------------------------------------------------

  private tellOffer(agent: string, { offer, callId, answeredAt, place }: Held): void {
    if (this.given.has(offer)) return;
    const known = this.agents.get(agent);
    if (!known) {
      this.given.set(offer, { agent, callId, freed: true });
      return this.submit({ do: 'refuse', agent, callId });
    }
    if (place === undefined || answeredAt !== undefined || !this.line.has(callId)) {
      // The call has gone, or moved on, before this offer reached it.
      this.given.set(offer, { agent, callId, freed: true });
      return this.submit({ do: 'free', agent, callId, because: 'moved', wrapUpMs: 0 });
    }
    this.given.set(offer, { agent, callId, freed: false });
    this.line.delete(callId);
    this.tell(() => this.emit('match', callId, known));
  }

  private tellSeat(agent: string, seat: SeatRecord): void {
    const ours = seat.node === this.node;
    if (!ours && !this.seatsTold.has(agent)) return;
    // Who went to another node's screen is that node's to tell of.
    const told = `${seat.state} ${seat.since} ${seat.call?.callId ?? ''} ${endOf(seat) ?? ''}`;
    const last = this.seatsTold.get(agent);
    if (ours) this.seatsTold.set(agent, told);
    else this.seatsTold.delete(agent);
    if (last === told || (!ours && seat.node !== undefined)) return;
    const shown = this.shown(agent, seat);
    this.tell(() => this.emit('seat', shown));
  }

  private tellOutlooks(): void {
    this.outlookTimer = undefined;
    const told = new Map<string, Outlook>();
    for (const [callId, { place: actual, expectedWaitMs }] of outlooks(this.state, this.node)) {
      if (!this.line.has(callId)) continue;
      const last = this.outlooksTold.get(callId);
      const place = Math.min(actual, last?.place ?? Infinity);
      if (last?.place === place && last.expectedWaitMs === expectedWaitMs) continue;
      told.set(callId, { place, ...(expectedWaitMs !== undefined && { expectedWaitMs }) });
    }
    for (const [callId, outlook] of told) this.outlooksTold.set(callId, outlook);
    if (told.size > 0) this.tell(() => this.emit('outlook', told));
    this.tellAll();
  }

  /** Puts off a call to others until the state is whole again. */
  private tell(it: () => void): void {
    this.telling.push(it);
  }

  private tellAll(): void {
    for (let next = this.telling.shift(); next !== undefined; next = this.telling.shift()) next();
  }

  private shown(agent: string, seat: SeatRecord): Seat {
    const ahead = this.epochAhead();
    const until = endOf(seat);
    const { call } = seat;
    return {
      agent,
      state: seat.state,
      since: Math.round(seat.since + ahead),
      ...(until !== undefined && { until: Math.round(until + ahead) }),
      ...(call && { callId: call.callId, callNode: call.node }),
      ...(seat.node !== undefined && { screenNode: seat.node }),
    };
  }

  /** How far this node's calendar is ahead of the desk's clock, in ms. */
  private epochAhead(): number {
    return Date.now() - this.now();
  }

  private newOffer(): string {
    this.offers += 1;
    return `${this.node}:${this.offers}`;
  }
}

/** When the state of a seat ends by itself. */
function endOf({ state, wrapUpUntil, restsUntil }: SeatRecord): number | undefined {
  return state === 'wrapUp' ? wrapUpUntil : state === 'resting' ? restsUntil : undefined;
}
