/**
 * The life of a call on one page: a pure function from (state, event) to (state, effects).
 *
 *   arriving -> greeting -> collecting -> claiming -> (awaitingResult) -> waiting -> offered -> revealing -> connected -> ended
 *                                                                            \                                |  transfer:
 *                                                                             \-> dialling -> elsewhere        |  back to waiting,
 *                                                                                 (the PBX's queue,           |  or dialling
 *                                                                                  an outside number)  <------/
 *   waiting -> promised -> callingBack -> waiting: a caller who is called back (`call-back.ts`)
 *
 * "Unidentified" is a property of a call (`identity: 'none'`), not a state. Authentication during the call runs beside
 * these states, in `invitation.ts`, and so does bringing a colleague into the conversation, in `conference.ts`; what lies
 * beyond our own agents is in `elsewhere.ts`, passing a call on in `transfer.ts`. Nothing here does anything: effects are carried out by `call.ts`, and an event that does not belong to
 * the present state changes nothing. Late events are told from current ones by ids (`offerId`, `revealId`, `dialId`,
 * `guestId`), never by time.
 */
import type { SpokenCode } from '../../ivr/index.js';
import { askedToBeCalledBack, callingBack, promised, takenUp, type PromisedState } from './call-back.js';
import { conferenceStep, guestFollows, type Guest, type GuestProblem } from './conference.js';
import { dial, dialling, elsewhere, elsewhereInstead, type OverflowCause, type Party } from './elsewhere.js';
import { invitationEnded, invitationOnScreen, invitationStep, type Invitation } from './invitation.js';
import { successorEnded, transferStep, type Successor, type TransferTarget, type Wanted } from './transfer.js';

export type StateName =
  | 'arriving' | 'greeting' | 'collecting' | 'claiming' | 'awaitingResult' | 'waiting' | 'offered' | 'revealing' | 'connected'
  | 'dialling' | 'elsewhere' | 'promised' | 'callingBack' | 'ended';

/** What is known about who calls. `none`: no session was claimed. */
export type CallIdentity = 'none' | 'awaiting' | 'verified' | 'failed' | 'unauthenticated';

/** Why a call ended: the closed list used in logs, metrics and tests. */
export const endReasons = [
  'callerHungUp', 'agentHungUp', 'agentEnded', 'otherHungUp', 'abandoned', 'closed', 'full', 'waitedTooLong', 'notReached', 'notCalledBack', 'mediaFailed', 'sipLost', 'noBridge', 'notAnswered', 'drained', 'continuedElsewhere', 'internalError',
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
  /** Whom the call is being taken to, or is with, beyond our own agents. */
  readonly party?: Party;
  /** Numbers the attempts to reach a party; the present one while there is one. */
  readonly dialId?: number;
  readonly dials: number;
  /** The phone that takes over from the agent's (attended transfer), while it rings. */
  readonly successor?: Successor;
  /** The colleague who was brought into the conversation. */
  readonly guest?: Guest;
  /** The agent who passed this call on to the next one. */
  readonly transferredBy?: string;
  /** True from the moment attributes were handed to a screen: such a session is purged, never let go. */
  readonly shown: boolean;
  /** Bridges that failed or acknowledgements that were missed so far: bounded, so that a call cannot circle for ever. */
  readonly setbacks: number;
  /** The caller is being asked about being called back. */
  readonly arranging: boolean;
  /** The caller has hung up once, to be called back: that is not offered again. */
  readonly leftLine: boolean;
  /** Attempts to call back that came to nothing. */
  readonly callBacks: number;
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
  | { type: 'resultArrived'; sessionId: string; identity: CallIdentity; revealId: string }
  | { type: 'resultTimedOut' }
  | { type: 'agentFound'; agent: string; offerId: string }
  | { type: 'agentAnswered'; offerId: string; revealId: string }
  | { type: 'agentFailed'; offerId: string }
  /** The desk gave this agent to nobody in particular: the call has to do without. */
  | { type: 'agentTakenAway'; agent: string }
  | { type: 'acknowledged'; revealId: string }
  | { type: 'acknowledgementMissed'; revealId: string }
  /** The agent heard who is calling and does not take the call, or nobody is there who listens. */
  | { type: 'agentDeclined'; revealId: string }
  | { type: 'screenReturned'; agent: string; revealId: string }
  | { type: 'bridgeFailed'; revealId: string }
  | { type: 'agentHungUp' }
  | { type: 'agentEnded'; agent: string }
  /** The agent passes the call on; the target has been judged. */
  | { type: 'transferRequested'; agent: string; target: TransferTarget }
  /** The agent's phone has a colleague's on the line and wants it to take over (RFC 3891). */
  | { type: 'successorNamed'; agent: string; offerId: string }
  /** @param agent the one at that phone, if it is one of ours and has no other call */
  | { type: 'successorAnswered'; offerId: string; revealId: string; agent?: string }
  | { type: 'successorFailed'; offerId: string }
  /** The agent brings a colleague into the conversation, whose seat has been taken. */
  | { type: 'guestWanted'; agent: string; guest: string; guestId: string }
  | { type: 'guestAnswered'; guestId: string; revealId: string }
  | { type: 'guestAcknowledged'; revealId: string }
  /** The guest's screen did not acknowledge in time. */
  | { type: 'guestNotShown'; revealId: string }
  /** The guest heard who is calling and does not take part, or nobody is there who listens. */
  | { type: 'guestDeclined'; revealId: string }
  | { type: 'guestFailed'; guestId: string; because: GuestProblem }
  | { type: 'guestHungUp'; guestId: string }
  /** The agent wants the guest out again. */
  | { type: 'guestSentAway'; agent: string }
  /** The agent leaves the conversation to the guest, or the guest leaves it. */
  | { type: 'agentLeft'; agent: string }
  | { type: 'partyAnswered'; dialId: number }
  /** It could not be reached, or not be connected. */
  | { type: 'partyFailed'; dialId: number }
  | { type: 'partyHungUp'; dialId: number }
  /** The PBX reports, or the agent claims, that this call is on that agent's phone now. */
  | { type: 'agentBound'; agent: string; revealId: string }
  /** The PBX reports somebody who is none of our agents. */
  | { type: 'agentUnbound' }
  | { type: 'closedNow' }
  | { type: 'queueFull' }
  /** By the agent named, or by the caller who has no agent yet. */
  | { type: 'identifyRequested'; agent?: string }
  | { type: 'invited'; sessionId: string }
  | { type: 'invitationResult'; sessionId: string; identity: CallIdentity; confirmId: string }
  | { type: 'identifyWithdrawn'; agent: string }
  | { type: 'wordCompared'; agent: string; confirmId: string; same: boolean; revealId: string }
  /** The caller, who waits, would rather be called back. */
  | { type: 'callbackWanted' }
  | { type: 'callbackArranged' }
  | { type: 'callbackKept' }
  /** It is time for another attempt. */
  | { type: 'callBackDue' }
  /** Somebody answered. @param isCaller they know the short code, or there was nothing to protect */
  | { type: 'calledBack'; isCaller: boolean }
  | { type: 'callBackFailed' }
  /** It is not known for certain that no other node calls this caller. */
  | { type: 'callBackPutOff' }
  | { type: 'promiseOver' }
  /** Another node has the promise, or may have it. */
  | { type: 'promiseMoved' }
  /** This node has the promise of another one. */
  | { type: 'promiseTaken'; promised: PromisedState }
  | { type: 'callerHungUp' }
  /** The caller has waited as long as the service lets anybody wait. */
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
  | { do: 'keepCompany'; tell: Company }
  | { do: 'enterWaitingRoom'; at: 'tail' | 'head'; service?: string; wanted?: Wanted }
  | { do: 'leaveWaitingRoom' }
  | { do: 'ringAgent'; agent: string; offerId: string }
  /** Ends the leg to whoever the caller talks with, or is being connected to. */
  | { do: 'dropAgentLeg' }
  | { do: 'freeAgent'; agent: string; because: 'ended' | 'missed' | 'failed' | 'moved' }
  | { do: 'reveal'; agent: string; revealId: string; sessionId?: string }
  | { do: 'clearScreen'; agent: string; because: 'ended' | 'missed' | 'requeued' | 'failed' | 'transferred' | 'left' }
  | { do: 'dial'; party: Party; dialId: number }
  | { do: 'joinParty'; dialId: number }
  | { do: 'ringSuccessor'; offerId: string }
  | { do: 'dropSuccessor' }
  /** The successor's leg takes the place of the agent's, which ends. */
  | { do: 'promoteSuccessor' }
  | { do: 'ringGuest'; agent: string; guestId: string }
  | { do: 'revealToGuest'; agent: string; revealId: string; sessionId?: string }
  /** The guest's voice comes into the conversation. */
  | { do: 'joinGuest'; guestId: string }
  | { do: 'clearGuest'; agent: string; because: 'ended' | 'missed' | 'failed' | 'left' }
  | { do: 'dropGuest' }
  | { do: 'freeGuest'; agent: string; because: 'ended' | 'missed' | 'failed' | 'moved' }
  /** Tells the agent's page how far the guest is, or that there is none. */
  | { do: 'showGuest'; agent: string }
  | { do: 'guestGone'; agent: string; because: GuestProblem }
  /** The guest's leg takes the place of the agent's, which ends; the guest's screen is the agent's from now on. */
  | { do: 'promoteGuest'; agent: string; revealId: string }
  | { do: 'bridge'; agent: string; revealId: string }
  | { do: 'arrangeCallback' }
  /** Hangs up on the caller, whose call goes on without them. */
  | { do: 'leaveCallerAlone' }
  /** An agent was found for a caller who is not there: the next one in line may have them. */
  | { do: 'releaseAgent'; agent: string }
  | { do: 'callBack' }
  /** `soon`: as soon as it may be known whether this node may. */
  | { do: 'callBackLater'; soon: boolean }
  /** Goes on with what another node promised. */
  | { do: 'takeUpPromise' }
  /** Another call has the session now. */
  | { do: 'leaveSession'; sessionId: string }
  | { do: 'invite' }
  | { do: 'showInvitation'; agent: string }
  | { do: 'confirmWord'; agent: string; confirmId: string }
  | { do: 'identifyFailed'; agent: string }
  | { do: 'withdrawInvitation' }
  | { do: 'purge'; sessionId: string }
  | { do: 'letGo'; sessionId: string }
  | { do: 'endCallerLeg'; reason: EndReason }
  | { do: 'close'; reason: EndReason };

/** What a caller who waits is told before the music. */
export type Company = 'accepted' | 'unidentified' | 'refused' | 'technicalProblem' | 'transferred' | 'transferFailed' | 'agentLost' | 'overflow' | 'nothing';

/** The choices a site makes that change the course of a call. */
export interface CourseOptions {
  /** Attempts at the code before the call goes on without identification. */
  attemptsPerCall: number;
  /** What happens to an identified call whose pop no screen acknowledges in time. */
  onMissingAck: 'requeue' | 'unidentified';
  /** Failed bridges and missed acknowledgements a call survives before it ends. */
  maxSetbacks: number;
  /** Where callers of this service go: our own waiting room, or the PBX's queue. */
  delivery: 'waitingRoom' | 'pbxQueue';
  /** Why callers of this service are taken to its other number instead. */
  overflow: readonly OverflowCause[];
}

export interface Step {
  readonly state: CallState;
  readonly effects: readonly Effect[];
}

export const initialState: CallState = { name: 'arriving', attempts: 0, identity: 'none', shown: false, setbacks: 0, dials: 0, arranging: false, leftLine: false, callBacks: 0 };

/** Whether the caller is with one of our agents, so that this agent may act on the call. */
export const isWithAgent = (state: CallState): boolean => state.agent !== undefined && (state.name === 'connected' || state.name === 'elsewhere');

/** Shows the agent what the call's session holds; without a session, that nobody is identified. */
export const revealed = ({ sessionId }: CallState, agent: string, revealId: string): Effect => ({ do: 'reveal', agent, revealId, ...(sessionId === undefined ? {} : { sessionId }) });

export const stay = (state: CallState): Step => ({ state, effects: [] });

/**
 * One step of a call's life.
 * Every event is accepted in every state; one that has no meaning there leaves the state as it is without effects.
 */
export function step(state: CallState, event: CallEvent, options: CourseOptions): Step {
  return guestFollows(state, event, stepOfCall(state, event, options));
}

function stepOfCall(state: CallState, event: CallEvent, options: CourseOptions): Step {
  if (state.name === 'ended') return stay(state);
  switch (event.type) {
    // Endings are the same from everywhere.
    case 'callerHungUp':
      // Who is to be called back has hung up by arrangement.
      if (state.name === 'promised') return stay(state);
      if (state.name === 'callingBack') return callingBack(state, { type: 'callBackFailed' });
      return end(state, state.name === 'connected' || state.name === 'elsewhere' ? 'callerHungUp' : 'abandoned');
    case 'mediaLost':
    case 'sipLost':
      // A promise needs neither until it is kept.
      if (state.name === 'promised') return stay(state);
      if (state.name === 'callingBack') return callingBack(state, { type: 'callBackFailed' });
      return end(state, event.type === 'sipLost' ? 'sipLost' : 'mediaFailed');
    case 'drained': return end(state, 'drained');
    case 'crashed': return end(state, 'internalError');
    case 'resultArrived':
      // Of a session that was given up, or replaced by a newer login, nothing is known any more.
      if (event.sessionId !== state.sessionId) return stay(state);
      break;
    default:
  }
  const beside = invitationStep(state, event) ?? transferStep(state, event) ?? conferenceStep(state, event, options);
  if (beside) return beside;
  switch (state.name) {
    case 'arriving': return arriving(state, event, options);
    case 'greeting': return greeting(state, event);
    case 'collecting': return collecting(state, event, options);
    case 'claiming': return claiming(state, event, options);
    case 'awaitingResult': return awaitingResult(state, event, options);
    case 'waiting': return waiting(state, event, options);
    case 'offered': return offered(state, event);
    case 'revealing': return revealing(state, event, options);
    case 'connected': return connected(state, event, options);
    case 'promised': return promised(state, event);
    case 'callingBack': return callingBack(state, event);
    case 'dialling': return dialling(state, event, options);
    case 'elsewhere': return elsewhere(state, event);
  }
}

function arriving(state: CallState, event: CallEvent, options: CourseOptions): Step {
  if (event.type === 'answered') return { state: { ...state, name: 'greeting' }, effects: [{ do: 'greet' }] };
  // The call has been answered, so that it can be told.
  if (event.type === 'closedNow') return elsewhereInstead(state, 'closed', options);
  if (event.type === 'answerFailed') return end(state, event.reason);
  if (event.type === 'promiseTaken') return takenUp(state, event.promised);
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
    case 'personWanted': return wait(state, 'unidentified', options);
    case 'entryFailed': return tryAgain({ ...state, attempts: state.attempts + 1 }, event.problem, options);
    default: return stay(state);
  }
}

function claiming(state: CallState, event: CallEvent, options: CourseOptions): Step {
  switch (event.type) {
    case 'claimed': {
      const claimed: CallState = { ...state, sessionId: event.sessionId, identity: event.identity };
      if (event.identity !== 'awaiting') return wait(claimed, 'accepted', options);
      return { state: { ...claimed, name: 'awaitingResult' }, effects: [{ do: 'awaitResult', sessionId: event.sessionId }] };
    }
    case 'refused': return tryAgain(state, 'notRecognised', options);
    // The store is out of reach: the caller is told so and gets a human, without identification.
    case 'vaultFailed': return wait(state, 'technicalProblem', options);
    default: return stay(state);
  }
}

function awaitingResult(state: CallState, event: CallEvent, options: CourseOptions): Step {
  if (event.type === 'resultArrived') return wait({ ...state, identity: event.identity }, 'accepted', options);
  // The result may still come while the caller waits: it is looked at again when an agent answers.
  if (event.type === 'resultTimedOut') return wait(state, 'accepted', options);
  return stay(state);
}

function waiting(state: CallState, event: CallEvent, options: CourseOptions): Step {
  const callback = askedToBeCalledBack(state, event);
  if (callback) return callback;
  switch (event.type) {
    case 'resultArrived': return stay({ ...state, identity: event.identity });
    case 'agentFound': return {
      state: { ...state, name: 'offered', arranging: false, agent: event.agent, offerId: event.offerId },
      // A question that is being put to the caller is dropped: somebody has time for them now.
      effects: [{ do: 'ringAgent', agent: event.agent, offerId: event.offerId }, ...(state.arranging ? [{ do: 'keepCompany', tell: 'nothing' } as const] : [])],
    };
    case 'queueFull': return elsewhereInstead(state, 'full', options);
    case 'waitedTooLong': return elsewhereInstead(state, 'waitedTooLong', options);
    default: return stay(state);
  }
}

function offered(state: CallState, event: CallEvent): Step {
  const agent = state.agent!;
  switch (event.type) {
    case 'resultArrived': return stay({ ...state, identity: event.identity });
    case 'agentAnswered': {
      if (event.offerId !== state.offerId) return stay(state);
      return {
        state: { ...state, name: 'revealing', revealId: event.revealId, shown: state.shown || state.sessionId !== undefined },
        effects: [revealed(state, agent, event.revealId)],
      };
    }
    case 'agentFailed': return event.offerId === state.offerId ? backToTheHead(state, 'missed') : stay(state);
    case 'agentEnded': return event.agent === agent ? backToTheHead(state, 'missed') : stay(state);
    case 'agentTakenAway': return event.agent === agent ? backToTheHead(state, 'failed') : stay(state);
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
    case 'agentDeclined': return event.revealId === state.revealId ? setBack(state, 'missed', options) : stay(state);
    case 'screenReturned':
      // The page was reloaded between pop and acknowledgement: the new one gets its own pop, the old one's answer is void.
      if (event.agent !== agent) return stay(state);
      return {
        state: { ...state, revealId: event.revealId },
        effects: [revealed(state, agent, event.revealId)],
      };
    case 'resultArrived': return showLateResult(state, event);
    // The agent changed their mind before the bridge: the caller keeps the place.
    case 'agentHungUp': return setBack(state, 'failed', options);
    case 'agentEnded':
    case 'agentTakenAway': return event.agent === agent ? setBack(state, 'failed', options) : stay(state);
    default: return stay(state);
  }
}

function connected(state: CallState, event: CallEvent, options: CourseOptions): Step {
  switch (event.type) {
    case 'bridgeFailed': return event.revealId === state.revealId ? setBack(state, 'failed', options) : stay(state);
    case 'resultArrived': return showLateResult(state, event);
    case 'agentHungUp':
      // Who has just named a successor is done with the call; the caller is not.
      return state.successor ? withoutAgent(state) : end(state, 'agentHungUp');
    case 'agentEnded': return event.agent === state.agent ? end(state, 'agentEnded') : stay(state);
    case 'screenReturned':
      if (event.agent !== state.agent) return stay(state);
      return invitationOnScreen({
        state: { ...state, revealId: event.revealId },
        effects: [revealed(state, event.agent, event.revealId)],
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

/** The agent has left and the successor's phone still rings: the caller hears music meanwhile. */
function withoutAgent(state: CallState): Step {
  const { agent, offerId: _offer, revealId: _reveal, ...rest } = state;
  return {
    state: { ...rest, name: 'dialling', transferredBy: agent! },
    effects: [
      { do: 'clearScreen', agent: agent!, because: 'transferred' }, { do: 'dropAgentLeg' }, { do: 'freeAgent', agent: agent!, because: 'moved' },
      { do: 'keepCompany', tell: 'nothing' },
    ],
  };
}

/** Another attempt at the code, or, when they are used up, on to a human without identification. */
function tryAgain(state: CallState, problem: EntryProblem, options: CourseOptions): Step {
  if (state.attempts >= options.attemptsPerCall) return wait(state, problem === 'notRecognised' ? 'refused' : 'unidentified', options);
  return { state: { ...state, name: 'collecting' }, effects: [{ do: 'collect', attempt: state.attempts + 1, problem }] };
}

/**
 * Into the waiting room, or to the PBX's queue; the place is taken before the words are said, so that words never delay
 * an agent.
 */
function wait(state: CallState, tell: Company, options: CourseOptions): Step {
  if (options.delivery === 'pbxQueue') {
    const dialled = dial(state, { kind: 'queue' });
    return { state: dialled.state, effects: [{ do: 'keepCompany', tell }, ...dialled.effects] };
  }
  return { state: { ...state, name: 'waiting' }, effects: [{ do: 'enterWaitingRoom', at: 'tail' }, { do: 'keepCompany', tell }] };
}

/** The agent did not take the call: the caller goes back to the head of the waiting room. */
function backToTheHead(state: CallState, because: 'missed' | 'failed'): Step {
  const { agent, offerId: _offer, revealId: _reveal, successor: _successor, ...rest } = state;
  const { name: before } = state;
  return {
    state: { ...rest, name: 'waiting' },
    effects: [
      { do: 'clearScreen', agent: agent!, because: because === 'missed' ? 'missed' : 'requeued' },
      ...successorEnded(state),
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
export function end(state: CallState, reason: EndReason): Step {
  const effects: Effect[] = [];
  if (state.agent !== undefined) effects.push({ do: 'clearScreen', agent: state.agent, because: 'ended' });
  if (state.sessionId !== undefined) effects.push({ do: state.shown ? 'purge' : 'letGo', sessionId: state.sessionId });
  effects.push(...invitationEnded(state));
  if (state.name === 'waiting' || state.name === 'promised') effects.push({ do: 'leaveWaitingRoom' });
  effects.push(...successorEnded(state));
  if (state.agent !== undefined || state.party !== undefined) effects.push({ do: 'dropAgentLeg' });
  effects.push({ do: 'endCallerLeg', reason });
  if (state.agent !== undefined) effects.push({ do: 'freeAgent', agent: state.agent, because: 'ended' });
  effects.push({ do: 'close', reason });
  const { agent: _agent, offerId: _offer, revealId: _reveal, sessionId: _session, invitation: _invitation, party: _party, dialId: _dial, successor: _successor, ...rest } = state;
  return { state: { ...rest, name: 'ended', reason }, effects };
}
