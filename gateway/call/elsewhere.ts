/**
 * Where a call goes beyond our own agents, as part of the call machine: to the PBX's queue, which brings it to an agent by
 * its own rules, or to an outside number.
 *
 *   dialling -> elsewhere -> ended
 *
 * Nobody outside takes an identity along: a call that goes to an outside number has its session purged before that
 * number rings. A call in the PBX's queue keeps it sealed until the PBX reports which agent it is on, or an agent claims
 * it; then it is shown to that agent and to nobody else, and taken away again as soon as the PBX reports another.
 */
import { invitationOnScreen } from './invitation.js';
import { end, revealed, stay, type CallEvent, type CallState, type CourseOptions, type Effect, type Step } from './machine.js';

/** Whom a call is taken to. */
export type Party =
  | { readonly kind: 'queue' }
  | { readonly kind: 'overflow' }
  /** A phone that an agent has named as successor and that is none of our agents'. */
  | { readonly kind: 'colleague' }
  | { readonly kind: 'outside'; readonly number: string };

/** Why callers are taken to a service's other number. */
export type OverflowCause = 'closed' | 'full' | 'waitedTooLong';

/** Takes the call to a party; whatever is to be done before stands before these effects. */
export function dial(state: CallState, party: Party): Step {
  const dialId = state.dials + 1;
  return { state: { ...state, name: 'dialling', party, dialId, dials: dialId }, effects: [{ do: 'dial', party, dialId }] };
}

export function dialling(state: CallState, event: CallEvent, options: CourseOptions): Step {
  switch (event.type) {
    case 'resultArrived': return stay({ ...state, identity: event.identity });
    case 'partyAnswered':
      if (event.dialId !== state.dialId) return stay(state);
      return { state: { ...state, name: 'elsewhere' }, effects: [{ do: 'joinParty', dialId: event.dialId }] };
    case 'partyFailed': return event.dialId === state.dialId ? notReached(state, options) : stay(state);
    // A queue may tell by early UPDATEs whom it rings; only who has answered counts.
    default: return stay(state);
  }
}

/** Nobody answered there. A caller who was being transferred goes to the head of the line; the others have no line to go back to. */
function notReached(state: CallState, options: CourseOptions): Step {
  const { party, dialId: _dial, ...rest } = state;
  const dropped: Effect = { do: 'dropAgentLeg' };
  if (party?.kind === 'outside') {
    return {
      state: { ...rest, name: 'waiting' },
      effects: [dropped, { do: 'enterWaitingRoom', at: 'head' }, { do: 'keepCompany', tell: 'transferFailed' }],
    };
  }
  if (party?.kind === 'queue' && state.setbacks < options.maxSetbacks) {
    // The queue refused or did not answer: once more, since a PBX that restarts is away for seconds.
    const again = dial({ ...state, setbacks: state.setbacks + 1 }, party);
    return { state: again.state, effects: [dropped, ...again.effects] };
  }
  return end(state, 'notReached');
}

export function elsewhere(state: CallState, event: CallEvent): Step {
  const atQueue = state.party?.kind === 'queue';
  switch (event.type) {
    case 'partyHungUp': return event.dialId === state.dialId ? end(state, atQueue ? 'agentHungUp' : 'otherHungUp') : stay(state);
    case 'partyFailed': return event.dialId === state.dialId ? end(state, 'noBridge') : stay(state);
    case 'agentBound': {
      if (!atQueue || event.agent === state.agent) return stay(state);
      return invitationOnScreen({
        state: { ...state, agent: event.agent, revealId: event.revealId, shown: state.shown || state.sessionId !== undefined },
        effects: [...takenFromAgent(state), revealed(state, event.agent, event.revealId)],
      }, event.revealId);
    }
    case 'agentUnbound': {
      if (state.agent === undefined) return stay(state);
      const { agent: _agent, revealId: _reveal, ...rest } = state;
      return { state: rest, effects: takenFromAgent(state) };
    }
    case 'agentEnded': return event.agent === state.agent ? end(state, 'agentEnded') : stay(state);
    case 'screenReturned':
      if (state.agent === undefined || event.agent !== state.agent) return stay(state);
      return invitationOnScreen({
        state: { ...state, revealId: event.revealId },
        effects: [revealed(state, event.agent, event.revealId)],
      }, event.revealId);
    case 'resultArrived': {
      if (state.sessionId === undefined || state.identity === event.identity) return stay(state);
      const known = { ...state, identity: event.identity };
      if (state.agent === undefined) return stay(known);
      return { state: { ...known, revealId: event.revealId }, effects: [{ do: 'reveal', agent: state.agent, revealId: event.revealId, sessionId: state.sessionId }] };
    }
    default: return stay(state);
  }
}

function takenFromAgent({ agent }: CallState): Effect[] {
  return agent === undefined ? [] : [{ do: 'clearScreen', agent, because: 'transferred' }, { do: 'freeAgent', agent, because: 'moved' }];
}

/**
 * The service cannot take this call in: to its other number, when it has one for this case, or to the end, of which the
 * caller is told in words.
 */
export function elsewhereInstead(state: CallState, cause: OverflowCause, options: CourseOptions): Step {
  if (!options.overflow.includes(cause)) return end(state, cause);
  const dialled = dial(withoutSession(state), { kind: 'overflow' });
  const left: Effect[] = state.name === 'waiting' ? [{ do: 'leaveWaitingRoom' }] : [];
  return { state: dialled.state, effects: [...left, ...sessionEnded(state), { do: 'keepCompany', tell: 'overflow' }, ...dialled.effects] };
}

/** Nothing of the citizen goes along to a number outside. */
export function sessionEnded(state: CallState): Effect[] {
  const effects: Effect[] = [];
  if (state.sessionId !== undefined) effects.push({ do: state.shown ? 'purge' : 'letGo', sessionId: state.sessionId });
  if (state.invitation) effects.push({ do: 'withdrawInvitation' }, { do: 'purge', sessionId: state.invitation.sessionId });
  return effects;
}

export function withoutSession(state: CallState): CallState {
  const { sessionId: _session, invitation: _invitation, ...rest } = state;
  return { ...rest, identity: 'none' };
}
