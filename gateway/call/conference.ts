/**
 * A colleague who is brought into the conversation, as part of the call machine: the guest. Runs beside the call's own
 * states, while the call is with an agent:
 *
 *   (none) -> ringing -> revealing -> joined
 *
 * The same rule as for the first agent: the guest's voice is joined only when their screen has acknowledged who is calling.
 * Whatever ends the guest's part changes nothing for the two who talk, and whatever takes the call from its agent ends the
 * guest's part in the same step; but an agent who leaves a conversation of three leaves it to the guest.
 */
import { invitationOnScreen } from './invitation.js';
import { isWithAgent, revealed, stay, type CallEvent, type CallState, type CourseOptions, type Effect, type Step } from './machine.js';

export interface Guest {
  readonly agent: string;
  /** Tells this bringing in from every other. */
  readonly guestId: string;
  readonly part: 'ringing' | 'revealing' | 'joined';
  /** The newest pop on the guest's screen. */
  readonly revealId?: string;
  /** Joined without having been shown who calls. */
  readonly isBlind?: true;
}

/** Why a guest is not in the conversation, as the agent's page says it. */
export const guestProblems = ['busy', 'noAnswer', 'refused', 'unknown', 'left'] as const;
export type GuestProblem = (typeof guestProblems)[number];

/** The step of an event about a guest; undefined for every other event. */
export function conferenceStep(state: CallState, event: CallEvent, options: CourseOptions): Step | undefined {
  const { guest } = state;
  switch (event.type) {
    case 'guestWanted': {
      if (!isWithAgent(state) || event.agent !== state.agent || event.guest === state.agent || guest || state.successor) return stay(state);
      const wanted: Guest = { agent: event.guest, guestId: event.guestId, part: 'ringing' };
      return { state: { ...state, guest: wanted }, effects: [{ do: 'ringGuest', agent: event.guest, guestId: event.guestId }, { do: 'showGuest', agent: event.agent }] };
    }
    case 'guestAnswered': return guest?.part === 'ringing' && event.guestId === guest.guestId ? answered(state, guest, event.revealId) : stay(state);
    case 'guestAcknowledged': return isAwaited(guest, event.revealId) ? joined(state, guest) : stay(state);
    case 'guestNotShown': return isAwaited(guest, event.revealId) ? notShown(state, guest, options) : stay(state);
    case 'guestDeclined': return isAwaited(guest, event.revealId) ? out(state, guest, 'noAnswer') : stay(state);
    case 'guestFailed': return event.guestId === guest?.guestId ? out(state, guest, event.because) : stay(state);
    case 'guestHungUp': return event.guestId === guest?.guestId ? out(state, guest, guest.part === 'joined' ? 'left' : 'refused') : stay(state);
    case 'guestSentAway': return guest && event.agent === state.agent ? out(state, guest) : stay(state);
    case 'agentLeft':
      if (guest && event.agent === guest.agent) return out(state, guest, 'left');
      return guest?.part === 'joined' && event.agent === state.agent ? left(state, guest) : stay(state);
    // Ends the call for the agent, and the guest's part alone for the guest.
    case 'agentEnded': return guest && event.agent === guest.agent ? out(state, guest, 'left') : undefined;
    case 'agentTakenAway': return guest && event.agent === guest.agent ? out(state, guest, 'unknown') : undefined;
    case 'agentHungUp': return guest?.part === 'joined' ? left(state, guest) : undefined;
    case 'partyHungUp': return guest?.part === 'joined' && event.dialId === state.dialId ? left(state, guest) : undefined;
    case 'screenReturned': {
      if (!guest || event.agent !== guest.agent) return undefined;
      return guest.part === 'ringing' ? stay(state) : shownAnew(state, guest, event.revealId);
    }
    default: return undefined;
  }
}

/**
 * What a step that is not about the guest means for the guest: the end of their part when the call has left its agent, and
 * a new pop when the caller turned out to be somebody else.
 */
export function guestFollows(before: CallState, event: CallEvent, next: Step): Step {
  const { guest } = before;
  if (!guest || next.state.guest?.guestId !== guest.guestId) return next;
  if (!isWithAgent(next.state) || next.state.agent !== before.agent) return withGuestEnded(guest, next);
  const isNews = (event.type === 'resultArrived' || event.type === 'wordCompared') && next.effects.some((effect) => effect.do === 'reveal');
  if (!isNews || next.state.guest.part === 'ringing') return next;
  const shown = shownAnew(next.state, next.state.guest, event.revealId);
  return { state: shown.state, effects: [...next.effects, ...shown.effects] };
}

function isAwaited(guest: Guest | undefined, revealId: string): guest is Guest {
  return guest?.part === 'revealing' && guest.revealId === revealId;
}

function answered(state: CallState, guest: Guest, revealId: string): Step {
  return {
    state: { ...state, guest: { ...guest, part: 'revealing', revealId }, shown: state.shown || state.sessionId !== undefined },
    effects: [revealedToGuest(state, guest, revealId)],
  };
}

function joined(state: CallState, guest: Guest): Step {
  return {
    state: { ...state, guest: { ...guest, part: 'joined' } },
    effects: [{ do: 'joinGuest', guestId: guest.guestId }, { do: 'showGuest', agent: state.agent! }],
  };
}

function notShown(state: CallState, guest: Guest, options: CourseOptions): Step {
  // Nothing private is at stake in a call without a session: it needs no screen.
  if (state.sessionId === undefined) return joined(state, guest);
  if (options.onMissingAck === 'requeue') return out(state, guest, 'noAnswer');
  // The session stays: it is on the agent's screen. The guest takes part without it.
  const without = joined(state, { ...guest, isBlind: true });
  return { ...without, effects: [{ do: 'clearGuest', agent: guest.agent, because: 'missed' }, { do: 'revealToGuest', agent: guest.agent, revealId: guest.revealId! }, ...without.effects] };
}

/** The guest's page is new, or what is known of the caller is. */
function shownAnew(state: CallState, guest: Guest, revealId: string): Step {
  const { isBlind: _blind, ...seeing } = guest;
  return { state: { ...state, guest: { ...seeing, revealId } }, effects: [revealedToGuest(state, guest, revealId)] };
}

function revealedToGuest({ sessionId }: CallState, { agent }: Guest, revealId: string): Effect {
  return { do: 'revealToGuest', agent, revealId, ...(sessionId === undefined ? {} : { sessionId }) };
}

/** The conversation of the two goes on. @param problem what the agent is told; nothing when they wanted it so */
function out(state: CallState, guest: Guest, problem?: GuestProblem): Step {
  const { guest: _guest, ...rest } = state;
  const { agent } = guest;
  const isMissed = problem === 'noAnswer' || problem === 'busy';
  const isFailed = problem === 'refused' || problem === 'unknown';
  return {
    state: rest,
    effects: [
      { do: 'clearGuest', agent, because: isMissed ? 'missed' : isFailed ? 'failed' : 'left' },
      { do: 'dropGuest' },
      { do: 'freeGuest', agent, because: isMissed ? 'missed' : isFailed ? 'failed' : 'moved' },
      problem === undefined ? { do: 'showGuest', agent: state.agent! } : { do: 'guestGone', agent: state.agent!, because: problem },
    ],
  };
}

/** The agent leaves the conversation, and the guest is its agent from now on. */
function left(state: CallState, guest: Guest): Step {
  const { guest: _guest, offerId: _offer, party: _party, dialId: _dial, agent, ...rest } = state;
  const revealId = guest.revealId!;
  const next: CallState = { ...rest, name: 'connected', agent: guest.agent, revealId, transferredBy: agent! };
  return invitationOnScreen({
    state: next,
    effects: [
      { do: 'clearScreen', agent: agent!, because: 'left' },
      { do: 'promoteGuest', agent: guest.agent, revealId },
      { do: 'freeAgent', agent: agent!, because: 'moved' },
      // Who took part without a screen is the agent now, like one whose page came back.
      ...(guest.isBlind ? [revealed(next, guest.agent, revealId)] : []),
    ],
  }, revealId);
}

/** In the order of docs/closing.md: the screen behind the agent's, the leg with the agent's, the seat last. */
function withGuestEnded({ agent }: Guest, { state, effects }: Step): Step {
  const { guest: _guest, ...rest } = state;
  const all = [...effects];
  const leg = all.findIndex((effect) => effect.do === 'dropAgentLeg');
  const cleared = all.findIndex((effect) => effect.do === 'clearScreen') + 1;
  all.splice(leg < 0 ? cleared : leg, 0, { do: 'dropGuest' });
  all.splice(cleared, 0, { do: 'clearGuest', agent, because: 'ended' });
  const close = all.findIndex((effect) => effect.do === 'close');
  // A PBX may have given the call to the guest by its own means: then the seat is theirs still.
  if (state.agent !== agent) all.splice(close < 0 ? all.length : close, 0, { do: 'freeGuest', agent, because: 'ended' });
  return { state: rest, effects: all };
}
