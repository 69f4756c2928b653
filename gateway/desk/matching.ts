/**
 * The matching: a pure function from what the desk knows and what happened to what it knows then.
 *
 * The line is ordered by arrival less head start. Whoever is first and can be served gets, among the agents with the
 * skills, the one who has been idle longest. Nobody behind is held up by somebody whom no free agent can serve. All
 * acts of one step are taken in before anybody is matched.
 */
import { hasSkills, emptySeat, inOrder, stateOf, type DeskState, type Handling, type Held, type InLine, type SeatRecord } from './state.js';
import type { FreedBecause } from './contract.js';

export type DeskAct =
  /** `most`: how many of its service may wait, this one included. */
  | { do: 'enter'; callId: string; call: InLine; most?: number }
  | { do: 'leave'; callId: string }
  | { do: 'answered'; agent: string; callId: string }
  | { do: 'occupy'; agent: string; skills: readonly string[]; callId: string; service?: string; rings?: true; offer: string }
  | { do: 'free'; agent: string; callId: string; because: FreedBecause; wrapUpMs: number }
  /** The call's node does not know the agent it was given. */
  | { do: 'refuse'; agent: string; callId: string }
  | { do: 'wrapUpDone'; agent: string }
  | { do: 'come'; agent: string; skills: readonly string[] }
  | { do: 'go'; agent: string }
  /** The agent on this node's screen has these from now on. */
  | { do: 'skills'; agent: string; skills: readonly string[] }
  /** This node has heard of an agent whom it may have refused before. */
  | { do: 'known'; agent: string }
  | { do: 'available'; agent: string; skills: readonly string[]; available: boolean }
  /** What a node that was out of touch has, in place of what is known of it. */
  | { do: 'rejoin'; part: DeskState; settleMs: number }
  /** The node has nothing here any more. */
  | { do: 'bye' };

export interface DeskTimes {
  /** How long an agent whose phone did not take a call is left alone, growing with each miss. */
  readonly restMs: readonly number[];
  /** How long a node is believed to live without a word from it. */
  readonly leaseMs: number;
  /** How often a node renews its lease. */
  readonly beatMs: number;
  /** How long an agent is kept for a call whose node is gone. */
  readonly keptForGoneMs: number;
  /** How long the node of a screen may take to agree to an offer. */
  readonly agreeMs: number;
  /** How long nodes have to tell what they have after the store was away. */
  readonly settleMs: number;
}

export const deskTimes: DeskTimes = { restMs: [1_000, 3_000, 10_000, 30_000], leaseMs: 5_000, beatMs: 1_000, keptForGoneMs: 10_000, agreeMs: 1_000, settleMs: 1_500 };

export interface StepContext {
  readonly now: number;
  /** Node that takes the step. */
  readonly self: string;
  /** Several nodes write this state: leases count. */
  readonly shared: boolean;
  /** Agents with a screen on this node, and whether they take calls, if they said so here. */
  readonly screens: ReadonlyMap<string, boolean | undefined>;
  readonly times: DeskTimes;
  /** Agents who are not to be given to anybody before a time. */
  readonly notBefore?: ReadonlyMap<string, number>;
  /** A new name for each offer. */
  newOffer(): string;
}

/** Conversations that are remembered for each service. */
const MOST_HANDLINGS = 30;
/** Seats of agents without a screen are forgotten after this, in ms. */
const AWAY_KEPT_MS = 600_000;

export interface Stepped {
  readonly state: DeskState;
  /** Something other than clock and leases. */
  readonly changed: boolean;
  /** Calls that wanted to come in and found no room. */
  readonly refused: readonly string[];
}

export function advance(before: DeskState, acts: readonly DeskAct[], context: StepContext): Stepped {
  const step = new Step(before, context);
  if (context.shared) step.leases();
  for (const act of acts) step.take(act);
  step.age();
  step.match();
  step.refuse(acts);
  return step.done();
}

/** One step under way: copies, changed and then handed on. */
class Step {
  private settlesAt: number;
  private readonly at: number;
  private readonly calls: Map<string, InLine>;
  private readonly seats: Map<string, SeatRecord>;
  private readonly nodes: DeskState['nodes'] extends ReadonlyMap<infer K, infer V> ? Map<K, V> : never;
  private readonly handled: Map<string, readonly Handling[]>;
  private readonly now: number;
  private readonly self: string;
  private readonly times: DeskTimes;
  /** A node that was out of touch agrees to nothing before it knows what the others know. */
  private agrees = true;
  private changed = false;
  private readonly refused: string[] = [];

  constructor(before: DeskState, private readonly context: StepContext) {
    this.calls = new Map(before.calls);
    this.seats = new Map(before.seats);
    this.nodes = new Map(before.nodes);
    this.handled = new Map(before.handled);
    this.settlesAt = before.settlesAt;
    this.at = before.at;
    this.now = Math.max(context.now, before.at);
    this.self = context.self;
    this.times = context.times;
  }

  done(): Stepped {
    const { calls, seats, nodes, handled, settlesAt, now } = this;
    return { state: { at: now, settlesAt, calls, seats, nodes, handled }, changed: this.changed, refused: this.refused };
  }

  /** Renews this node's lease, and ends those that ran out. */
  leases(): void {
    const { now, times, nodes } = this;
    const gap = now - this.at;
    // Nobody wrote anything for so long: it was the store that was away, or all who had something to write.
    if (gap > 3 * times.beatMs) for (const [node, { until, seq }] of nodes) nodes.set(node, { until: until + gap, seq });
    for (const [node, { until }] of nodes) if (until <= now && node !== this.self) nodes.delete(node);
    nodes.set(this.self, { until: now + times.leaseMs, seq: (nodes.get(this.self)?.seq ?? 0) + 1 });
  }

  take(act: DeskAct): void {
    switch (act.do) {
      case 'enter': return this.put(this.calls, act.callId, act.call);
      case 'leave': {
        if (this.calls.get(act.callId)?.node === this.self) this.drop(this.calls, act.callId);
        return;
      }
      case 'answered': {
        const seat = this.seatWith(act);
        if (seat && seat.call.answeredAt === undefined) this.change(act.agent, seat, { call: { ...without(seat.call, 'place'), answeredAt: this.now } });
        return;
      }
      case 'occupy': return this.occupy(act);
      case 'free': return this.free(act);
      case 'refuse': {
        const seat = this.seatWith(act);
        if (!seat) return;
        const { call, ...rest } = seat;
        if (call.place) this.put(this.calls, act.callId, call.place);
        return this.change(act.agent, rest, { unknownTo: [...(rest.unknownTo ?? []), this.self] });
      }
      case 'wrapUpDone': {
        const seat = this.seats.get(act.agent);
        if (seat && seat.wrapUpUntil > this.now) this.change(act.agent, seat, { wrapUpUntil: 0, idleSince: this.now });
        return;
      }
      case 'come': return this.come(act.agent, act.skills);
      case 'skills': {
        const seat = this.seats.get(act.agent);
        if (seat?.node === this.self || seat?.asks === this.self) this.change(act.agent, seat, { skills: act.skills });
        return;
      }
      case 'known': {
        const seat = this.seats.get(act.agent);
        if (!seat?.unknownTo?.includes(this.self)) return;
        const others = seat.unknownTo.filter((node) => node !== this.self);
        return this.change(act.agent, without(seat, 'unknownTo'), others.length > 0 ? { unknownTo: others } : {});
      }
      case 'go': {
        const seat = this.seats.get(act.agent);
        if (seat?.asks === this.self) this.change(act.agent, without(seat, 'asks'), {});
        else if (seat?.node === this.self) this.unseat(act.agent, seat);
        return;
      }
      case 'available': {
        const seat = this.seats.get(act.agent) ?? emptySeat(act.skills, this.now);
        // What was said on a page that is not the newest any more comes late; the newest one brought its own word along.
        const newest = seat.asks ?? seat.node;
        if (newest !== undefined && newest !== this.self && this.isAlive(newest)) return;
        if (seat.available === act.available) return;
        // Who says "ready" is ready, whatever was to be waited for.
        this.change(act.agent, seat, { available: act.available, idleSince: this.now, ...(act.available && { misses: 0, restsUntil: 0, wrapUpUntil: 0 }) });
        return;
      }
      case 'rejoin': return this.rejoin(act.part, act.settleMs);
      case 'bye': return this.drop(this.nodes, this.self);
    }
  }

  private occupy({ agent, skills, callId, service, rings, offer }: Extract<DeskAct, { do: 'occupy' }>): void {
    const seat = this.seats.get(agent) ?? emptySeat(skills, this.now);
    const { call } = seat;
    if (call) {
      if (call.callId === callId && call.node === this.self && !rings) this.change(agent, seat, { call: { ...without(call, 'place'), answeredAt: call.answeredAt ?? this.now } });
      return;
    }
    const held: Held = { callId, node: this.self, ...(service !== undefined && { service }), offer, matchedAt: this.now, ...(!rings && { answeredAt: this.now }), ...this.unlessOurs(seat) };
    this.change(agent, seat, { call: held, wrapUpUntil: 0 });
  }

  private free({ agent, callId, because, wrapUpMs }: Extract<DeskAct, { do: 'free' }>): void {
    const held = this.seatWith({ agent, callId });
    if (!held) return;
    const { now } = this;
    const { call, ...seat } = held;
    if (because === 'missed' || because === 'failed') {
      const { restMs } = this.times;
      const rest = restMs[Math.min(seat.misses, restMs.length - 1)]!;
      return this.change(agent, seat, { idleSince: now, misses: seat.misses + 1, restsUntil: now + rest });
    }
    // An offer that ended before it was answered costs the agent nothing, not even the turn.
    if (call.answeredAt === undefined) return this.change(agent, seat, {});
    if (call.service !== undefined) this.remember(call.service, now + wrapUpMs - call.matchedAt);
    this.change(agent, seat, { idleSince: now + wrapUpMs, misses: 0, restsUntil: 0, wrapUpUntil: now + wrapUpMs });
  }

  private come(agent: string, skills: readonly string[]): void {
    const known = without(this.seats.get(agent) ?? emptySeat(skills, this.now), 'unknownTo');
    const seat = { ...known, skills, available: this.context.screens.get(agent) ?? known.available };
    const { node } = seat;
    if (node === this.self) return this.change(agent, without(seat, 'asks'), {});
    // The node before us may be about to ring this agent: it hands the seat over when it has heard.
    if (node !== undefined && this.isAlive(node)) return this.change(agent, seat, { asks: this.self });
    this.seat(agent, without(seat, 'asks'), this.self);
  }

  private seat(agent: string, seat: SeatRecord, node: string): void {
    this.change(agent, without(seat, 'silent'), { node, idleSince: this.now });
  }

  private unseat(agent: string, { node: _node, asks, silent: _silent, ...seat }: SeatRecord): void {
    if (asks !== undefined && this.isAlive(asks)) return this.seat(agent, seat, asks);
    this.change(agent, seat, {});
  }

  /** What follows from time, from leases, and from this node having a look. */
  age(): void {
    const { now, self } = this;
    for (const [callId, { node }] of this.calls) if (!this.isAlive(node)) this.drop(this.calls, callId);
    for (const agent of [...this.seats.keys()]) {
      this.ageOfCall(agent);
      const seat = this.seats.get(agent)!;
      if (seat.node !== undefined && !this.isAlive(seat.node)) this.unseat(agent, seat);
      else if (seat.node === self && seat.asks !== undefined) this.unseat(agent, seat);
      else if (seat.node === self && seat.silent) this.change(agent, without(seat, 'silent'), {});
      else if (seat.node === undefined && this.context.screens.has(agent)) this.seat(agent, { ...seat, available: this.context.screens.get(agent) ?? seat.available }, self);
      else if (seat.node === undefined && !seat.call && now > seat.since + AWAY_KEPT_MS) this.drop(this.seats, agent);
    }
    for (const [agent, seat] of this.seats) {
      const state = stateOf(seat, now);
      if (state !== seat.state) this.put(this.seats, agent, { ...seat, state, since: now });
    }
  }

  private ageOfCall(agent: string): void {
    const { now } = this;
    const seat = this.seats.get(agent)!;
    const { call, ...rest } = seat;
    if (!call) return;
    if (call.agreeBy !== undefined) {
      const asked = seat.node === this.self ? (this.agrees ? 'agreed' : 'refused') : seat.node === undefined ? (call.place ? 'refused' : 'agreed') : call.agreeBy <= now ? 'silent' : 'open';
      if (asked === 'agreed') return this.change(agent, seat, { call: without(call, 'agreeBy') });
      if (asked !== 'open' || !this.isAlive(call.node)) {
        if (call.place && this.isAlive(call.node)) this.put(this.calls, call.callId, call.place);
        return this.change(agent, rest, asked === 'silent' ? { silent: true } : {});
      }
    }
    if (this.isAlive(call.node)) {
      if (call.endsAt !== undefined) this.change(agent, seat, { call: without(call, 'endsAt') });
    } else if (call.endsAt === undefined) this.change(agent, seat, { call: { ...call, endsAt: now + this.times.keptForGoneMs } });
    else if (call.endsAt <= now) this.change(agent, rest, { idleSince: now });
  }

  /** Gives free agents to those who wait. */
  match(): void {
    const { now } = this;
    const { notBefore } = this.context;
    const free = new Map([...this.seats].filter(([agent, seat]) => seat.state === 'available' && !seat.silent && seat.asks === undefined && (notBefore?.get(agent) ?? 0) <= now));
    /** Nodes and skills for which nobody is free: whoever else asks for them need not be looked at. */
    const hopeless = new Set<string>();
    if (now < this.settlesAt || free.size === 0) return;
    for (const [callId, call] of inOrder(this.calls)) {
      if (free.size === 0) return;
      const wanted = call.wanted && call.wanted.until > now ? call.wanted.agent : undefined;
      const kind = `${call.node} ${JSON.stringify(call.skills)}`;
      if (wanted === undefined && hopeless.has(kind)) continue;
      const agent = longestIdle(free, call, wanted);
      if (agent === undefined) {
        if (wanted === undefined) hopeless.add(kind);
        continue;
      }
      const seat = free.get(agent)!;
      free.delete(agent);
      this.drop(this.calls, callId);
      const held: Held = { callId, node: call.node, service: call.service, offer: this.context.newOffer(), matchedAt: now, place: call, ...this.unlessOurs(seat) };
      this.put(this.seats, agent, { ...seat, call: held, state: 'offered', since: now });
    }
  }

  /**
   * Sends those away again who came in and are too many, the last of them first. In the step in which they came in, so
   * that no other node can let somebody in at the same moment; after the matching, so that nobody is sent away for whom
   * there is an agent.
   */
  refuse(acts: readonly DeskAct[]): void {
    for (const act of acts.toReversed()) {
      if (act.do !== 'enter' || act.most === undefined || this.calls.get(act.callId) !== act.call) continue;
      let waiting = 0;
      for (const { service } of this.calls.values()) if (service === act.call.service) waiting += 1;
      if (waiting <= act.most) continue;
      this.drop(this.calls, act.callId);
      this.refused.push(act.callId);
    }
  }

  private rejoin(part: DeskState, settleMs: number): void {
    this.agrees = false;
    this.settlesAt = Math.max(this.settlesAt, this.now + settleMs);
    const { self } = this;
    for (const [callId, { node }] of this.calls) if (node === self && !part.calls.has(callId)) this.drop(this.calls, callId);
    for (const [callId, call] of part.calls) this.put(this.calls, callId, call);
    for (const [agent, seat] of this.seats) {
      const { call, ...rest } = seat;
      const ours = part.seats.get(agent);
      if (call?.node === self && ours?.call?.offer !== call.offer) this.change(agent, rest, {});
      if (seat.node === self && ours?.node !== self) this.unseat(agent, this.seats.get(agent)!);
    }
    for (const [agent, ours] of part.seats) this.reseat(agent, ours);
  }

  private reseat(agent: string, ours: SeatRecord): void {
    const { self } = this;
    const known = this.seats.get(agent) ?? emptySeat(ours.skills, this.now);
    const theirs = known.call && known.call.node !== self ? known.call : undefined;
    const mine = ours.call?.node === self ? ours.call : undefined;
    const { call: _call, ...rest } = known;
    // An offer of theirs that nobody agreed to has reached nobody.
    const stands = theirs && (theirs.agreeBy === undefined || !ours.call);
    if (theirs && !stands && theirs.place && this.isAlive(theirs.node)) this.put(this.calls, theirs.callId, theirs.place);
    // Whom we agreed to give to a call of theirs stays given until they say otherwise: they may not have come back yet.
    const call = (stands ? theirs : mine) ?? ours.call;
    // A newer screen elsewhere knows better whether the agent takes calls.
    const ownScreen = ours.node === self && known.asks === undefined && (known.node === undefined || known.node === self || !this.isAlive(known.node));
    const { skills, available, idleSince, misses, restsUntil, wrapUpUntil } = ours;
    this.change(agent, rest, { ...(call && { call }), ...(ownScreen && { node: self, skills, available, idleSince, misses, restsUntil, wrapUpUntil }) });
  }

  private remember(service: string, tookMs: number): void {
    const recent = [...(this.handled.get(service) ?? []), [this.now, Math.round(tookMs)] as const];
    this.handled.set(service, recent.slice(-MOST_HANDLINGS));
  }

  /** An offer needs the word of the node of the screen, unless that is the one taking this step or there is none. */
  private unlessOurs(seat: SeatRecord): { agreeBy?: number } {
    return seat.node === this.self || seat.node === undefined ? {} : { agreeBy: this.now + this.times.agreeMs };
  }

  private seatWith({ agent, callId }: { agent: string; callId: string }): (SeatRecord & { call: Held }) | undefined {
    const seat = this.seats.get(agent);
    return seat?.call?.callId === callId && seat.call.node === this.self ? (seat as SeatRecord & { call: Held }) : undefined;
  }

  private isAlive(node: string): boolean {
    return !this.context.shared || this.nodes.has(node);
  }

  private change(agent: string, seat: SeatRecord, change: Partial<SeatRecord>): void {
    const changed = { ...seat, ...change };
    const state = stateOf(changed, this.now);
    this.put(this.seats, agent, { ...changed, state, since: state === seat.state ? seat.since : this.now });
  }

  private put<V>(map: Map<string, V>, key: string, value: V): void {
    map.set(key, value);
    this.changed = true;
  }

  private drop<V>(map: Map<string, V>, key: string): void {
    if (map.delete(key)) this.changed = true;
  }
}

function longestIdle(free: ReadonlyMap<string, SeatRecord>, { node, skills }: InLine, wanted: string | undefined): string | undefined {
  let best: [string, SeatRecord] | undefined;
  for (const entry of free) {
    const [agent, seat] = entry;
    if (wanted === undefined ? !hasSkills(seat, skills) : agent !== wanted) continue;
    if (seat.unknownTo?.includes(node)) continue;
    if (!best || seat.idleSince < best[1].idleSince || (seat.idleSince === best[1].idleSince && agent < best[0])) best = entry;
  }
  return best?.[0];
}

function without<T extends object, K extends keyof T>(value: T, key: K): Omit<T, K> {
  const { [key]: _left, ...rest } = value;
  return rest;
}

/**
 * When the state changes next without anybody doing anything; Infinity when it does not.
 * @param after this time; when it was last written unless told otherwise
 * @param elsewhereMs how much later this node looks at what another node has, which that node will look at itself
 */
export function nextDue(state: DeskState, after = state.at, self?: string, elsewhereMs = 0): number {
  let due = Infinity;
  const at = (time: number | undefined, node: string | undefined): void => {
    if (time === undefined || time <= state.at) return;
    const when = node === self ? time : time + elsewhereMs;
    if (when > after && when < due) due = when;
  };
  for (const { wanted, node } of state.calls.values()) at(wanted?.until, node);
  for (const { restsUntil, wrapUpUntil, call, node } of state.seats.values()) {
    at(restsUntil, node);
    at(wrapUpUntil, node);
    at(call?.agreeBy, node);
    at(call?.endsAt, node);
  }
  if (state.calls.size > 0) at(state.settlesAt, self);
  return due;
}
