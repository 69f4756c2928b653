/**
 * Passing a call on, as part of the call machine.
 *
 * Blind: the agent lets go at once. The caller goes to the head of the line, for one agent or for a service, and from
 * there the call takes its usual way: ring, answer, pop, acknowledgement, bridge. So the identity reaches the next agent
 * by the same rules as the first, and has left the first screen before the next phone rings. To a number outside:
 * `elsewhere.ts`.
 *
 * Attended: the agent has talked with a colleague on the phone and asks us to put that phone in the place of their own
 * (REFER with Replaces, RFC 5589 section 7). The agent keeps the call until the colleague's phone has taken over.
 */
import { dial, sessionEnded, withoutSession, type Party } from './elsewhere.js';
import { invitationOnScreen } from './invitation.js';
import { isWithAgent, revealed, stay, type CallEvent, type CallState, type Effect, type Step } from './machine.js';

/** For a while the call is for this agent alone; afterwards for anybody who has the skills. */
export interface Wanted {
  readonly agent: string;
  /** ms since the epoch. */
  readonly until: number;
}

export type TransferTarget =
  | { readonly kind: 'agent'; readonly wanted: Wanted }
  | { readonly kind: 'service'; readonly service: string }
  | { readonly kind: 'outside'; readonly number: string };

/** The phone that is to take over. */
export interface Successor {
  readonly offerId: string;
}

/** The step of an event about passing a call on; undefined for every other event. */
export function transferStep(state: CallState, event: CallEvent): Step | undefined {
  switch (event.type) {
    case 'transferRequested':
      return isWithAgent(state) && event.agent === state.agent ? passedOn(state, event.agent, event.target) : stay(state);
    case 'successorNamed':
      if (state.name !== 'connected' || event.agent !== state.agent || state.successor || state.guest) return stay(state);
      return { state: { ...state, successor: { offerId: event.offerId } }, effects: [{ do: 'ringSuccessor', offerId: event.offerId }] };
    case 'successorAnswered': return event.offerId === state.successor?.offerId ? takenOver(state, event) : stay(state);
    case 'successorFailed': {
      if (event.offerId !== state.successor?.offerId) return stay(state);
      const { successor: _successor, ...rest } = state;
      // The agent who asked is still there, or has hung up meanwhile: then the caller is first in line.
      if (state.name === 'connected') return { state: rest, effects: [{ do: 'dropSuccessor' }] };
      return {
        state: { ...rest, name: 'waiting' },
        effects: [{ do: 'dropSuccessor' }, { do: 'enterWaitingRoom', at: 'head' }, { do: 'keepCompany', tell: 'transferFailed' }],
      };
    }
    // The PBX behind the agent's phone has moved the call by its own means.
    case 'agentBound': return state.name === 'connected' ? movedByPbx(state, event) : undefined;
    case 'agentUnbound': return state.name === 'connected' ? movedByPbx(state) : undefined;
    default: return undefined;
  }
}

/**
 * The identity leaves the first agent's screen at once and follows to the next agent of ours. With somebody else it
 * stays sealed, until the PBX reports an agent again.
 */
function movedByPbx(state: CallState, to?: Extract<CallEvent, { type: 'agentBound' }>): Step {
  if (to?.agent === state.agent) return stay(state);
  const { agent, offerId: _offer, revealId: _reveal, successor: _successor, ...rest } = state;
  const taken: Effect[] = [{ do: 'clearScreen', agent: agent!, because: 'transferred' }, ...successorEnded(state), { do: 'freeAgent', agent: agent!, because: 'moved' }];
  if (!to) {
    const dialId = state.dials + 1;
    return { state: { ...rest, name: 'elsewhere', party: { kind: 'queue' }, dialId, dials: dialId, transferredBy: agent! }, effects: taken };
  }
  return invitationOnScreen({
    state: { ...rest, agent: to.agent, revealId: to.revealId, transferredBy: agent! },
    effects: [...taken, revealed(state, to.agent, to.revealId)],
  }, to.revealId);
}

function passedOn(state: CallState, by: string, target: TransferTarget): Step {
  const { agent: _agent, offerId: _offer, revealId: _reveal, party: _party, dialId: _dial, successor: _successor, ...rest } = state;
  const leaving: Effect[] = [{ do: 'clearScreen', agent: by, because: 'transferred' }, ...successorEnded(state), { do: 'dropAgentLeg' }];
  const freed: Effect = { do: 'freeAgent', agent: by, because: 'moved' };
  if (target.kind === 'outside') {
    const dialled = dial({ ...withoutSession(rest), transferredBy: by }, { kind: 'outside', number: target.number });
    return { state: dialled.state, effects: [...leaving, ...sessionEnded(state), freed, { do: 'keepCompany', tell: 'transferred' }, ...dialled.effects] };
  }
  const line: Effect = target.kind === 'agent'
    ? { do: 'enterWaitingRoom', at: 'head', wanted: target.wanted }
    : { do: 'enterWaitingRoom', at: 'head', service: target.service };
  return {
    state: { ...rest, name: 'waiting', transferredBy: by },
    // The place first, then the agent: otherwise this very agent could be offered the call again before it is for another.
    effects: [...leaving, line, freed, { do: 'keepCompany', tell: 'transferred' }],
  };
}

/** The colleague's phone has answered in place of the agent's. */
function takenOver(state: CallState, event: Extract<CallEvent, { type: 'successorAnswered' }>): Step {
  const { successor: _successor, offerId: _offer, revealId: _reveal, agent: before, ...rest } = state;
  // Who goes on at another phone of their own keeps the call.
  const leaves = before !== undefined && before !== event.agent;
  const left: Effect[] = leaves ? [{ do: 'clearScreen', agent: before, because: 'transferred' }] : [];
  const freed: Effect[] = leaves ? [{ do: 'freeAgent', agent: before, because: 'moved' }] : [];
  const transferredBy = before ?? state.transferredBy;
  const by = transferredBy === undefined ? {} : { transferredBy };
  if (event.agent === undefined) {
    // Nobody of ours at that phone: it gets the caller and nothing else.
    const party: Party = { kind: 'colleague' };
    const dialId = state.dials + 1;
    return {
      state: { ...withoutSession(rest), name: 'elsewhere', party, dialId, dials: dialId, ...by },
      effects: [...left, ...sessionEnded(state), { do: 'promoteSuccessor' }, ...freed, { do: 'joinParty', dialId }],
    };
  }
  const { sessionId } = state;
  return {
    state: { ...rest, name: 'revealing', agent: event.agent, offerId: event.offerId, revealId: event.revealId, shown: state.shown || sessionId !== undefined, ...by },
    effects: [...left, { do: 'promoteSuccessor' }, ...freed, revealed(state, event.agent, event.revealId)],
  };
}

/** What the end of the agent's part does with a successor that still rings. */
export function successorEnded(state: CallState): Effect[] {
  return state.successor ? [{ do: 'dropSuccessor' }] : [];
}
