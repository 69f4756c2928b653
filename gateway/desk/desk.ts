/**
 * Brings waiting callers and free agents together. One agent is never offered two calls: an agent is taken in the same
 * turn of the event loop in which the match is made, and given back only by `free`.
 */
import { EventEmitter } from 'node:events';
import { WaitingRoom } from './waiting-room.js';

export interface DeskAgent {
  readonly name: string;
  readonly displayName: string;
  readonly phone: string;
}

interface Seat {
  readonly agent: DeskAgent;
  present: boolean;
  available: boolean;
  callId: string | undefined;
  idleSince: number;
  /** Offers in a row that came to nothing. */
  misses: number;
  restsUntil: number;
}

/** How long an agent whose phone did not take a call is left alone, in ms, growing with each miss. */
const restMs = [1_000, 3_000, 10_000, 30_000];

/** Places in the line are told at most this often, in ms: a busy minute must not become a flood of messages. */
const lineIntervalMs = 500;

export interface DeskEvents {
  match: [callId: string, agent: DeskAgent];
  /** Somebody's place in the line changed; first in line first. */
  line: [callIds: readonly string[]];
}

export class Desk extends EventEmitter<DeskEvents> {
  private readonly room = new WaitingRoom();
  private readonly seats = new Map<string, Seat>();
  private readonly rests = new Set<NodeJS.Timeout>();
  private closed = false;
  private lineTimer: NodeJS.Timeout | undefined;

  constructor(agents: readonly DeskAgent[]) {
    super();
    for (const agent of agents) {
      this.seats.set(agent.name, { agent, present: false, available: false, callId: undefined, idleSince: 0, misses: 0, restsUntil: 0 });
    }
  }

  get waiting(): number {
    return this.room.size;
  }

  /** Agents who are there and ready, whether or not they are in a call. */
  get staffed(): number {
    let count = 0;
    for (const seat of this.seats.values()) if (seat.present && seat.available) count += 1;
    return count;
  }

  position(callId: string): number {
    return this.room.position(callId);
  }

  /** The call an agent has now, from the offer to the wrap-up. */
  callOf(agent: string): string | undefined {
    return this.seats.get(agent)?.callId;
  }

  enter(callId: string, at: 'tail' | 'head'): void {
    this.room.enter(callId, at, Date.now());
    this.lineChanged();
    this.match();
  }

  leave(callId: string): void {
    this.room.leave(callId);
    this.lineChanged();
  }

  /** An agent's screen came or went. */
  setPresent(agent: string, present: boolean): void {
    const seat = this.seats.get(agent);
    if (!seat || seat.present === present) return;
    seat.present = present;
    seat.idleSince = Date.now();
    this.match();
  }

  setAvailable(agent: string, available: boolean): void {
    const seat = this.seats.get(agent);
    if (!seat || seat.available === available) return;
    seat.available = available;
    seat.idleSince = Date.now();
    if (available) {
      seat.misses = 0;
      seat.restsUntil = 0;
    }
    this.match();
  }

  /**
   * An agent is done with a call. A phone that did not take it rests for a while, so that one dead phone cannot hold
   * the caller at the head of the line in a circle.
   */
  free(agent: string, callId: string, because: 'ended' | 'missed' | 'failed'): void {
    const seat = this.seats.get(agent);
    if (!seat || seat.callId !== callId) return;
    seat.callId = undefined;
    seat.idleSince = Date.now();
    if (because === 'ended') seat.misses = 0;
    else {
      const rest = restMs[Math.min(seat.misses, restMs.length - 1)]!;
      seat.misses += 1;
      seat.restsUntil = Date.now() + rest;
      const timer = setTimeout(() => {
        this.rests.delete(timer);
        this.match();
      }, rest + 1);
      this.rests.add(timer);
    }
    // Not in this turn: the call that was just pushed back has to take its place at the head first.
    setImmediate(() => this.match());
  }

  close(): void {
    this.closed = true;
    for (const timer of this.rests) clearTimeout(timer);
    this.rests.clear();
    clearTimeout(this.lineTimer);
  }

  private lineChanged(): void {
    if (this.closed) return;
    this.lineTimer ??= setTimeout(() => {
      this.lineTimer = undefined;
      this.emit('line', this.room.inOrder());
    }, lineIntervalMs);
  }

  private match(): void {
    if (this.closed) return;
    for (;;) {
      const callId = this.room.first();
      if (callId === undefined) return;
      const seat = this.longestIdle();
      if (!seat) return;
      this.room.leave(callId);
      this.lineChanged();
      seat.callId = callId;
      this.emit('match', callId, seat.agent);
    }
  }

  private longestIdle(): Seat | undefined {
    const now = Date.now();
    let best: Seat | undefined;
    for (const seat of this.seats.values()) {
      if (!seat.present || !seat.available || seat.callId !== undefined || seat.restsUntil > now) continue;
      if (!best || seat.idleSince < best.idleSince) best = seat;
    }
    return best;
  }
}
