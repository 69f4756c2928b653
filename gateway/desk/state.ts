/**
 * Everything a desk knows, as plain data: who waits, who sits where, and who was given to whom. With a shared desk it is
 * one value in the store. It holds ids of calls, names of services, agents and nodes, and times; nothing of any caller.
 * Times are in ms by the desk's clock: this process's own, or the store's.
 */
import type { SeatState } from './contract.js';

/** A call in the line. */
export interface InLine {
  /** Node that has the call. */
  readonly node: string;
  readonly service: string;
  readonly skills: readonly string[];
  /** When the call first came in. */
  readonly since: number;
  /** Order in the line: `since` less the head start. */
  readonly rank: number;
  readonly wanted?: { readonly agent: string; readonly until: number };
}

/** A call that has an agent. */
export interface Held {
  readonly callId: string;
  readonly node: string;
  /** Whose wrap-up follows; none for a call that came by another way and named none. */
  readonly service?: string;
  /** Tells this giving of the agent from every other. */
  readonly offer: string;
  readonly matchedAt: number;
  readonly answeredAt?: number;
  /** Not agreed to yet by the node of the agent's screen; given up at this time. */
  readonly agreeBy?: number;
  /** Its place, to go back to when the offer never reaches the call. */
  readonly place?: InLine;
  /** The call's node is gone: when the agent becomes free. */
  readonly endsAt?: number;
}

export interface SeatRecord {
  readonly skills: readonly string[];
  /** Node of the screen; it alone agrees that the agent is given to a call. */
  readonly node?: string;
  /** Node of a newer screen, to which `node` has yet to hand the seat over. */
  readonly asks?: string;
  /** `node` did not answer when it was last asked: no offers until it is heard of. */
  readonly silent?: true;
  /** Nodes that do not know this agent, because their configuration is another one: their calls are given to others. */
  readonly unknownTo?: readonly string[];
  readonly available: boolean;
  /** The longest idle is served first. */
  readonly idleSince: number;
  /** Offers in a row that came to nothing. */
  readonly misses: number;
  readonly restsUntil: number;
  readonly wrapUpUntil: number;
  readonly state: SeatState;
  /** Since when `state` is what it is. */
  readonly since: number;
  readonly call?: Held;
}

/** A node and its lease. */
export interface NodeRecord {
  readonly until: number;
  /** Counts what the node has written, so that it notices when the store has lost some of it. */
  readonly seq: number;
}

/** One conversation that is over: when, and how long the agent was taken by it in all. */
export type Handling = readonly [at: number, tookMs: number];

export interface DeskState {
  /** When it was last written. */
  readonly at: number;
  /** No matches before this: nodes are still telling what they have. */
  readonly settlesAt: number;
  readonly calls: ReadonlyMap<string, InLine>;
  readonly seats: ReadonlyMap<string, SeatRecord>;
  readonly nodes: ReadonlyMap<string, NodeRecord>;
  /** Recent conversations by service, oldest first. */
  readonly handled: ReadonlyMap<string, readonly Handling[]>;
}

export const emptyState: DeskState = { at: 0, settlesAt: 0, calls: new Map(), seats: new Map(), nodes: new Map(), handled: new Map() };

export const emptySeat = (skills: readonly string[], now: number): SeatRecord => ({ skills, available: false, idleSince: now, misses: 0, restsUntil: 0, wrapUpUntil: 0, state: 'away', since: now });

export function stateOf(seat: SeatRecord, now: number): SeatState {
  if (seat.call) return seat.call.answeredAt === undefined ? 'offered' : 'busy';
  if (seat.node === undefined) return 'away';
  if (seat.wrapUpUntil > now) return 'wrapUp';
  if (!seat.available) return 'break';
  return seat.restsUntil > now ? 'resting' : 'available';
}

/** Whether an agent is there and takes calls, whether or not they have one now. */
export const isStaffed = (seat: SeatRecord): boolean => seat.node !== undefined && seat.available;

export const hasSkills = (seat: SeatRecord, skills: readonly string[]): boolean => skills.every((skill) => seat.skills.includes(skill));

/** Everybody who waits, next one first. */
export function inOrder(calls: ReadonlyMap<string, InLine>): [string, InLine][] {
  return [...calls].sort(([idA, a], [idB, b]) => a.rank - b.rank || a.since - b.since || (idA < idB ? -1 : 1));
}
