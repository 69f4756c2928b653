/**
 * The life of a call on one page: a pure function from (state, event) to (state, effects).
 *
 *   arriving -> greeting -> collecting -> claiming -> (awaitingResult) -> waiting -> offered -> revealing -> connected -> ended
 *
 * "Unidentified" is a property of a call (`identity: 'none'`), not a state. Authentication during the call runs beside
 * these states, in `invitation.ts`. Nothing here does anything: effects are
 * carried out by `call.ts`, and an event that does not belong to the present state changes nothing. Late events are
 * told from current ones by ids (`offerId`, `revealId`), never by time.
 */
import type { SpokenCode } from '../../ivr/index.js';
import { invitationEnded, invitationOnScreen, invitationStep, type Invitation } from './invitation.js';

export type StateName =
  | 'arriving' | 'greeting' | 'collecting' | 'claiming' | 'awaitingResult' | 'waiting' | 'offered' | 'revealing' | 'connected' | 'ended';

/** What is known about who calls. `none`: no session was claimed. */
export type CallIdentity = 'none' | 'awaiting' | 'verified' | 'failed' | 'unauthenticated';

/** Why a call ended: the closed list used in logs, metrics and tests. */
export const endReasons = [
  'callerHungUp', 'agentHungUp', 'agentEnded', 'abandoned', 'waitedTooLong', 'mediaFailed', 'sipLost', 'noBridge', 'notAnswered', 'drained', 'internalError',
] as const;
export type EndReason = (typeof endReasons)[number];

/** Why the caller is asked for the code again. */
export type EntryProblem = 'notRecognised' | 'slip' | 'tooShort' | 'nothingHeard';

export interface CallState {
  readonly name: StateName;
  /** Attempts at the code used up so far. */
  readonly attempts: number;
  readonly identity: CallIdentity;
  readonly sessionId?: string;
  readonly agent?: string;
  readonly offerId?: string;
  readonly revealId?: string;
  /** The caller is invited to identify themselves during the call. */
  readonly invitation?: Invitation;
  /** True from the moment attributes were handed to a screen: such a session is purged, never let go. */
  readonly shown: boolean;
  /** Bridges that failed or acknowledgements that were missed so far: bounded, so that a call cannot circle for ever. */
  readonly setbacks: number;
  readonly reason?: EndReason;
}

export type CallEvent =
  | { type: 'answered' }
  | { type: 'answerFailed'; reason: EndReason }
  | { type: 'greeted' }
  | { type: 'codeEntered'; code: SpokenCode }
  | { type: 'entryFailed'; problem: EntryProblem }
  | { type: 'personWanted' }
  | { type: 'claimed'; sessionId: string; identity: CallIdentity }
  | { type: 'refused' }
  | { type: 'vaultFailed' }
  | { type: 'resultArrived'; identity: CallIdentity; revealId: string }
  | { type: 'resultTimedOut' }
  | { type: 'agentFound'; agent: string; offerId: string }
  | { type: 'agentAnswered'; offerId: string; revealId: string }
  | { type: 'agentFailed'; offerId: string }
  | { type: 'acknowledged'; revealId: string }
  | { type: 'acknowledgementMissed'; revealId: string }
  | { type: 'screenReturned'; agent: string; revealId: string }
  | { type: 'bridgeFailed'; revealId: string }
  | { type: 'agentHungUp' }
  | { type: 'agentEnded'; agent: string }
  /** By the agent named, or by the caller who has no agent yet. */
  | { type: 'identifyRequested'; agent?: string }
  | { type: 'invited'; sessionId: string }
  | { type: 'invitationResult'; sessionId: string; identity: CallIdentity; confirmId: string }
  | { type: 'identifyWithdrawn'; agent: string }
  | { type: 'wordCompared'; agent: string; confirmId: string; same: boolean; revealId: string }
  | { type: 'callerHungUp' }
  | { type: 'waitedTooLong' }
  | { type: 'mediaLost' }
  | { type: 'sipLost' }
  | { type: 'drained' }
  | { type: 'crashed' };

export type Effect =
  | { do: 'greet' }
  | { do: 'collect'; attempt: number; problem?: EntryProblem }
  | { do: 'claim'; code: SpokenCode }
  | { do: 'awaitResult'; sessionId: string }
  | { do: 'keepCompany'; tell: 'accepted' | 'unidentified' | 'refused' | 'technicalProblem' | 'nothing' }
  | { do: 'enterWaitingRoom'; at: 'tail' | 'head' }
  | { do: 'leaveWaitingRoom' }
  | { do: 'ringAgent'; agent: string; offerId: string }
  | { do: 'dropAgentLeg' }
  | { do: 'freeAgent'; agent: string; because: 'ended' | 'missed' | 'failed' }
  | { do: 'reveal'; agent: string; revealId: string; sessionId?: string }
  | { do: 'clearScreen'; agent: string; because: 'ended' | 'missed' | 'requeued' | 'failed' }
  | { do: 'bridge'; agent: string; revealId: string }
  | { do: 'invite' }
  | { do: 'showInvitation'; agent: string }
  | { do: 'confirmWord'; agent: string; confirmId: string }
  | { do: 'identifyFailed'; agent: string }
  | { do: 'withdrawInvitation' }
  | { do: 'purge'; sessionId: string }
  | { do: 'letGo'; sessionId: string }
  | { do: 'endCallerLeg'; reason: EndReason }
  | { do: 'close'; reason: EndReason };

/** The choices a site makes that change the course of a call. */
export interface CourseOptions {
  /** Attempts at the code before the call goes on without identification. */
  attemptsPerCall: number;
  /** What happens to an identified call whose pop no screen acknowledges in time. */
  onMissingAck: 'requeue' | 'unidentified';
  /** Failed bridges and missed acknowledgements a call survives before it ends. */
  maxSetbacks: number;
}

export interface Step {
  readonly state: CallState;
  readonly effects: readonly Effect[];
}

export const initialState: CallState = { name: 'arriving', attempts: 0, identity: 'none', shown: false, setbacks: 0 };

const stay = (state: CallState): Step => ({ state, effects: [] });

/**
 * One step of a call's life.
 * Every event is accepted in every state; one that has no meaning there leaves the state as it is without effects.
 */
export function step(state: CallState, event: CallEvent, options: CourseOptions): Step {
  if (state.name === 'ended') return stay(state);
  switch (event.type) {
    // Endings are the same from everywhere.
    case 'callerHungUp': return end(state, state.name === 'connected' ? 'callerHungUp' : 'abandoned');
    case 'waitedTooLong': return state.name === 'waiting' ? end(state, 'waitedTooLong') : stay(state);
    case 'mediaLost': return end(state, 'mediaFailed');
    case 'sipLost': return end(state, 'sipLost');
    case 'drained': return end(state, 'drained');
    case 'crashed': return end(state, 'internalError');
    default:
  }
  const invitation = invitationStep(state, event);
  if (invitation) return invitation;
  switch (state.name) {
    case 'arriving': return arriving(state, event);
    case 'greeting': return greeting(state, event);
    case 'collecting': return collecting(state, event, options);
    case 'claiming': return claiming(state, event, options);
    case 'awaitingResult': return awaitingResult(state, event);
    case 'waiting': return waiting(state, event);
    case 'offered': return offered(state, event);
    case 'revealing': return revealing(state, event, options);
    case 'connected': return connected(state, event, options);
  }
}

function arriving(state: CallState, event: CallEvent): Step {
  if (event.type === 'answered') return { state: { ...state, name: 'greeting' }, effects: [{ do: 'greet' }] };
  if (event.type === 'answerFailed') return end(state, event.reason);
  return stay(state);
}

function greeting(state: CallState, event: CallEvent): Step {
  if (event.type !== 'greeted') return stay(state);
  return { state: { ...state, name: 'collecting' }, effects: [{ do: 'collect', attempt: 1 }] };
}

function collecting(state: CallState, event: CallEvent, options: CourseOptions): Step {
  switch (event.type) {
    case 'codeEntered':
      return { state: { ...state, name: 'claiming', attempts: state.attempts + 1 }, effects: [{ do: 'claim', code: event.code }] };
    case 'personWanted': return wait(state, 'unidentified');
    case 'entryFailed': return tryAgain({ ...state, attempts: state.attempts + 1 }, event.problem, options);
    default: return stay(state);
  }
}

function claiming(state: CallState, event: CallEvent, options: CourseOptions): Step {
  switch (event.type) {
    case 'claimed': {
      const claimed: CallState = { ...state, sessionId: event.sessionId, identity: event.identity };
      if (event.identity !== 'awaiting') return wait(claimed, 'accepted');
      return { state: { ...claimed, name: 'awaitingResult' }, effects: [{ do: 'awaitResult', sessionId: event.sessionId }] };
    }
    case 'refused': return tryAgain(state, 'notRecognised', options);
    // The store is out of reach: the caller is told so and gets a human, without identification.
    case 'vaultFailed': return wait(state, 'technicalProblem');
    default: return stay(state);
  }
}

function awaitingResult(state: CallState, event: CallEvent): Step {
  if (event.type === 'resultArrived') return wait({ ...state, identity: event.identity }, 'accepted');
  // The result may still come while the caller waits: it is looked at again when an agent answers.
  if (event.type === 'resultTimedOut') return wait(state, 'accepted');
  return stay(state);
}

function waiting(state: CallState, event: CallEvent): Step {
  if (event.type === 'resultArrived') return stay({ ...state, identity: event.identity });
  if (event.type !== 'agentFound') return stay(state);
  return {
    state: { ...state, name: 'offered', agent: event.agent, offerId: event.offerId },
    effects: [{ do: 'ringAgent', agent: event.agent, offerId: event.offerId }],
  };
}

function offered(state: CallState, event: CallEvent): Step {
  const agent = state.agent!;
  switch (event.type) {
    case 'resultArrived': return stay({ ...state, identity: event.identity });
    case 'agentAnswered': {
      if (event.offerId !== state.offerId) return stay(state);
      return {
        state: { ...state, name: 'revealing', revealId: event.revealId, shown: state.shown || state.sessionId !== undefined },
        effects: [{ do: 'reveal', agent, revealId: event.revealId, ...(state.sessionId === undefined ? {} : { sessionId: state.sessionId }) }],
      };
    }
    case 'agentFailed': return event.offerId === state.offerId ? backToTheHead(state, 'missed') : stay(state);
    case 'agentEnded': return event.agent === agent ? backToTheHead(state, 'missed') : stay(state);
    default: return stay(state);
  }
}

function revealing(state: CallState, event: CallEvent, options: CourseOptions): Step {
  const agent = state.agent!;
  switch (event.type) {
    case 'acknowledged':
      if (event.revealId !== state.revealId) return stay(state);
      return connect(state, event.revealId);
    case 'acknowledgementMissed': {
      if (event.revealId !== state.revealId) return stay(state);
      // Nothing private is at stake in a call without a session: it needs no screen.
      if (state.sessionId === undefined) return connect(state, event.revealId);
      if (options.onMissingAck === 'requeue') return setBack(state, 'missed', options);
      const { sessionId, ...rest } = state;
      return {
        state: { ...rest, name: 'connected', identity: 'none' },
        effects: [
          { do: 'clearScreen', agent, because: 'missed' },
          { do: 'purge', sessionId },
          // The call itself is announced again, now plainly without identity; no answer is awaited.
          { do: 'reveal', agent, revealId: event.revealId },
          { do: 'bridge', agent, revealId: event.revealId },
        ],
      };
    }
    case 'screenReturned':
      // The page was reloaded between pop and acknowledgement: the new one gets its own pop, the old one's answer is void.
      if (event.agent !== agent) return stay(state);
      return {
        state: { ...state, revealId: event.revealId },
        effects: [{ do: 'reveal', agent, revealId: event.revealId, ...(state.sessionId === undefined ? {} : { sessionId: state.sessionId }) }],
      };
    case 'resultArrived': return showLateResult(state, event);
    // The agent changed their mind before the bridge: the caller keeps the place.
    case 'agentHungUp': return setBack(state, 'failed', options);
    case 'agentEnded': return event.agent === agent ? setBack(state, 'failed', options) : stay(state);
    default: return stay(state);
  }
}

function connected(state: CallState, event: CallEvent, options: CourseOptions): Step {
  switch (event.type) {
    case 'bridgeFailed': return event.revealId === state.revealId ? setBack(state, 'failed', options) : stay(state);
    case 'resultArrived': return showLateResult(state, event);
    case 'agentHungUp': return end(state, 'agentHungUp');
    case 'agentEnded': return event.agent === state.agent ? end(state, 'agentEnded') : stay(state);
    case 'screenReturned':
      if (event.agent !== state.agent) return stay(state);
      return invitationOnScreen({
        state: { ...state, revealId: event.revealId },
        effects: [{ do: 'reveal', agent: event.agent, revealId: event.revealId, ...(state.sessionId === undefined ? {} : { sessionId: state.sessionId }) }],
      }, event.revealId);
    default: return stay(state);
  }
}

/** The result came after the agent had answered: the screen is told now, during the conversation if need be. */
function showLateResult(state: CallState, event: Extract<CallEvent, { type: 'resultArrived' }>): Step {
  if (state.sessionId === undefined || state.identity === event.identity) return stay(state);
  return {
    state: { ...state, identity: event.identity, revealId: event.revealId },
    effects: [{ do: 'reveal', agent: state.agent!, revealId: event.revealId, sessionId: state.sessionId }],
  };
}

/** Screen and phone are ready: the voices may meet. */
function connect(state: CallState, revealId: string): Step {
  return invitationOnScreen({ state: { ...state, name: 'connected' }, effects: [{ do: 'bridge', agent: state.agent!, revealId }] }, revealId);
}

/** Another attempt at the code, or, when they are used up, on to a human without identification. */
function tryAgain(state: CallState, problem: EntryProblem, options: CourseOptions): Step {
  if (state.attempts >= options.attemptsPerCall) return wait(state, problem === 'notRecognised' ? 'refused' : 'unidentified');
  return { state: { ...state, name: 'collecting' }, effects: [{ do: 'collect', attempt: state.attempts + 1, problem }] };
}

/** Into the waiting room; the place is taken before the words are said, so that words never delay an agent. */
function wait(state: CallState, tell: 'accepted' | 'unidentified' | 'refused' | 'technicalProblem'): Step {
  return { state: { ...state, name: 'waiting' }, effects: [{ do: 'enterWaitingRoom', at: 'tail' }, { do: 'keepCompany', tell }] };
}

/** The agent did not take the call: the caller goes back to the head of the waiting room. */
function backToTheHead(state: CallState, because: 'missed' | 'failed'): Step {
  const { agent, offerId: _offer, revealId: _reveal, ...rest } = state;
  const { name: before } = state;
  return {
    state: { ...rest, name: 'waiting' },
    effects: [
      { do: 'clearScreen', agent: agent!, because: because === 'missed' ? 'missed' : 'requeued' },
      { do: 'dropAgentLeg' },
      // The place first, then the agent: otherwise the next in line would overtake.
      { do: 'enterWaitingRoom', at: 'head' },
      { do: 'freeAgent', agent: agent!, because },
      // While an agent's phone rings the caller's music goes on; after that it has to begin again.
      ...(before === 'offered' ? [] : [{ do: 'keepCompany', tell: 'nothing' } as const]),
    ],
  };
}

function setBack(state: CallState, because: 'missed' | 'failed', options: CourseOptions): Step {
  if (state.setbacks + 1 > options.maxSetbacks) return end(state, 'noBridge');
  const back = backToTheHead(state, because);
  return { ...back, state: { ...back.state, setbacks: state.setbacks + 1 } };
}

/** The one way out; the order is that of docs/closing.md. */
function end(state: CallState, reason: EndReason): Step {
  const effects: Effect[] = [];
  if (state.agent !== undefined) effects.push({ do: 'clearScreen', agent: state.agent, because: 'ended' });
  if (state.sessionId !== undefined) effects.push({ do: state.shown ? 'purge' : 'letGo', sessionId: state.sessionId });
  effects.push(...invitationEnded(state));
  if (state.name === 'waiting') effects.push({ do: 'leaveWaitingRoom' });
  if (state.agent !== undefined) effects.push({ do: 'dropAgentLeg' });
  effects.push({ do: 'endCallerLeg', reason });
  if (state.agent !== undefined) effects.push({ do: 'freeAgent', agent: state.agent, because: 'ended' });
  effects.push({ do: 'close', reason });
  const { agent: _agent, offerId: _offer, revealId: _reveal, sessionId: _session, invitation: _invitation, ...rest } = state;
  return { state: { ...rest, name: 'ended', reason }, effects };
}
