/** What of a shared desk belongs to one node: what it goes on with alone, and what it comes back with. */
import { emptyState, type DeskState, type Held, type SeatRecord } from '../state.js';

export interface Owner {
  readonly node: string;
  /** What a call of this node knows of an offer. */
  readonly offerIs: (offer: string) => 'given' | 'freed' | 'unknown';
  /** Whether a call of this node is in the line, as the call sees it. */
  readonly waits: (callId: string) => boolean;
}

/**
 * The calls of a node, the agents they have, and the agents whose screen is on it. An agent whom another node's call has
 * stays with that call, whether or not its node has heard so yet.
 */
export function partOf(state: DeskState, { node, offerIs, waits }: Owner): DeskState {
  const calls = new Map([...state.calls].filter(([, call]) => call.node === node));
  const seats = new Map<string, SeatRecord>();
  for (const [agent, seat] of state.seats) {
    const { call, node: screen, asks: _asks, silent: _silent, ...rest } = seat;
    const handed = seat.asks !== undefined && seat.asks !== node;
    const ours = screen === node && !handed;
    const kept = keptCall(call, ours);
    if (ours || kept) seats.set(agent, { ...rest, ...(ours && { node }), ...(kept && { call: kept }) });
  }
  return { ...emptyState, at: state.at, calls, seats, handled: state.handled };

  function keptCall(call: Held | undefined, ours: boolean): Held | undefined {
    if (!call) return undefined;
    if (call.node !== node) return ours && call.agreeBy === undefined ? call : undefined;
    const knows = offerIs(call.offer);
    if (knows === 'given') return call;
    if (knows === 'unknown' && call.place && waits(call.callId)) calls.set(call.callId, call.place);
    return undefined;
  }
}

/** The same by a clock that is ahead by so much. */
export function shifted(state: DeskState, byMs: number): DeskState {
  const move = (time: number): number => (time > 0 ? time + byMs : time);
  const calls = new Map([...state.calls].map(([id, call]) => [id, { ...call, since: move(call.since), rank: move(call.rank), ...(call.wanted && { wanted: { ...call.wanted, until: move(call.wanted.until) } }) }]));
  const seats = new Map([...state.seats].map(([agent, seat]) => {
    const { call } = seat;
    const moved = call && { ...call, matchedAt: move(call.matchedAt), ...(call.answeredAt !== undefined && { answeredAt: move(call.answeredAt) }) };
    return [agent, { ...seat, since: move(seat.since), idleSince: move(seat.idleSince), restsUntil: move(seat.restsUntil), wrapUpUntil: move(seat.wrapUpUntil), ...(moved && { call: moved }) }];
  }));
  const handled = new Map([...state.handled].map(([service, list]) => [service, list.map(([at, tookMs]) => [move(at), tookMs] as const)]));
  return { ...state, at: move(state.at), settlesAt: move(state.settlesAt), calls, seats, handled };
}
