/** The desk as the rest of the gateway knows it: calls that want an agent, agents, and who was brought together with whom. */
import type { EventEmitter } from 'node:events';

/** The desk cannot say. */
export class DeskError extends Error {
  override readonly name = 'DeskError';
}

export interface DeskAgent {
  readonly name: string;
  readonly displayName: string;
  /** SIP address of the phone that rings. */
  readonly phone: string;
  readonly skills: readonly string[];
}

/** A call that wants an agent. */
export interface Waiting {
  readonly callId: string;
  readonly service: string;
  /** Every one of these the agent must have. */
  readonly skills: readonly string[];
  /** Head start in the line, in ms: the call counts as having come this much earlier. */
  readonly headStartMs: number;
  /** When it came in, by the desk's clock (see `arrivalOf`): of a call whose place was kept elsewhere meanwhile. Counts with 'head'. */
  readonly since?: number;
  /** Only this agent, with or without the skills, until the moment given (ms since the epoch); afterwards anybody with the skills. */
  readonly wanted?: { readonly agent: string; readonly until: number };
}

/**
 * `away`: no screen. `break`: does not take calls. `offered`: the phone is made to ring. `busy`: answered, or occupied.
 * `wrapUp`: time after a conversation. `resting`: the phone did not take a call, the next one comes a little later.
 */
export const seatStates = ['away', 'break', 'available', 'offered', 'busy', 'wrapUp', 'resting'] as const;
export type SeatState = (typeof seatStates)[number];

/** What an agent is doing now. Times are in ms since the epoch by this node's clock. */
export interface Seat {
  readonly agent: string;
  readonly state: SeatState;
  /** Since when the state is this one. */
  readonly since: number;
  /** When the state ends by itself: of `wrapUp` and `resting`. */
  readonly until?: number;
  readonly callId?: string;
  /** Node of the call. */
  readonly callNode?: string;
  /** Node of the screen. */
  readonly screenNode?: string;
}

/** What may be said to a caller who waits. */
export interface Outlook {
  /** 1 for the next one. Counts those ahead who may get the same agents. Never gets worse while the call waits in one queue. */
  readonly place: number;
  /** From recent handling times and the agents there are; undefined while these say nothing. */
  readonly expectedWaitMs?: number;
}

/** One queue, as a supervisor sees it. */
export interface QueueView {
  readonly service: string;
  readonly waiting: number;
  /** Of those who wait now, 0 when nobody does. */
  readonly longestWaitMs: number;
  /** Agents there and ready who may take its calls, whether or not they are in a call. */
  readonly staffed: number;
}

export interface DeskView {
  readonly seats: readonly Seat[];
  readonly queues: readonly QueueView[];
}

export interface DeskEvents {
  /** This node's call got this agent, who is 'offered' until answered(), free(), or `lost`. */
  match: [callId: string, agent: DeskAgent];
  /** What may be told to this node's waiting calls changed; only the calls for which it did, at most twice a second. */
  outlook: [outlooks: ReadonlyMap<string, Outlook>];
  /** A seat whose screen is on this node, or was until now, changed. */
  seat: [seat: Seat];
  /** The desk took the agent away from this node's call: the call must give the agent up. Nothing has to be freed. */
  lost: [callId: string, agent: string];
  /** There is no room in the queue for this node's call, which came in at the tail: it has no place. */
  full: [callId: string];
}

/** Why a call is done with an agent. 'moved': handed to somebody else. 'missed', 'failed': the agent's leg did not come to be. */
export type FreedBecause = 'ended' | 'missed' | 'failed' | 'moved';

/**
 * Brings waiting callers and free agents of one tenant together, on one node or on several. One agent never has two
 * calls. Nothing here waits for an announcement. Acts take effect in the order in which they are made, a turn of the
 * event loop later or, with a shared desk, when the store has taken them; what they lead to is told by events.
 */
export interface Desk extends EventEmitter<DeskEvents> {
  /**
   * Takes a place in the line; a call that is in it takes another one. 'head': a call that had its turn keeps its
   * original place in the order, counted from when it first came in. 'tail': it comes in now, and is told `full` when as
   * many as the service lets wait are waiting already, on all nodes.
   */
  enter(waiting: Waiting, at: 'tail' | 'head'): void;
  /** When a call of this node first came in, by the desk's clock: it means something to desks of the same store alone. */
  arrivalOf(callId: string): number | undefined;
  /** The call wants nobody any more. Every call says so at its end, when its place is forgotten. */
  leave(callId: string): void;
  /** The agent's phone was answered: offered -> busy. */
  answered(agent: string, callId: string): void;
  /**
   * A call reached this agent by another way (the PBX's queue, a transfer by the PBX).
   * @param service whose wrap-up time follows; none follows without it
   * @param rings the phone is made to ring only now: `offered` until answered()
   * @returns whether the call has the seat: no other call had it
   */
  occupy(agent: string, callId: string, service?: string, rings?: boolean): Promise<boolean>;
  /** The call is done with the agent. Wrap-up follows 'ended' and 'moved' when the two had talked; 'missed' and 'failed' let the phone rest. */
  free(agent: string, callId: string, because: FreedBecause): void;
  /** The agent is ready before the wrap-up time is over. */
  wrapUpDone(agent: string): void;
  /** A screen of this agent came to this node, or went from it. */
  setPresent(agent: string, present: boolean): void;
  setAvailable(agent: string, available: boolean): void;
  /**
   * These are the agents from now on. Who is not among them has no screen any more and is offered nothing, but keeps the
   * call they have; a phone or skills count from the next offer on.
   */
  replaceAgents(agents: readonly DeskAgent[]): void;
  /**
   * The agent's seat as it is on any node; undefined for a name that no agent has.
   * @throws DeskError when this node stood still and nobody can be asked what became of the agent meanwhile
   */
  seatOf(agent: string): Promise<Seat | undefined>;
  /** Whether the agent would be given a call now. Not knowing is no. */
  isAvailable(agent: string): Promise<boolean>;
  /** Every seat that is not simply away, and every queue. */
  snapshot(): Promise<DeskView>;
  /** Ids of the calls of this node in the line. */
  readonly waitingCalls: Iterable<string>;
  /** Calls of this node in the line. */
  readonly waiting: number;
  /** Agents with a screen on this node who take calls, whether or not they have one. */
  readonly staffed: number;
  /** Gives everything of this node back. Nothing is emitted any more. */
  close(): Promise<void>;
}
