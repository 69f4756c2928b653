/**
 * Authentication during the call, as part of the call machine: a caller is invited to identify themselves on a page
 * while they are on the line. Runs beside the call's own states, from the waiting room on:
 *
 *   (none) -> awaiting -> verified -> (word compared) -> the call's session
 *
 * The result of such a session is somebody's identity, but whose the page was is known only when the caller reads out
 * the word on it: until the agent has confirmed that, nothing of it is shown.
 */
import { isWithAgent, type CallEvent, type CallState, type Effect, type Step } from './machine.js';

/** An invitation that stands. */
export interface Invitation {
  readonly sessionId: string;
  /** `verified`: the result is there and waits for the word to be compared. `failed`: the caller's page says so until the next invitation. */
  readonly result: 'awaiting' | 'verified' | 'failed';
  /** Names the comparison that is asked of the agent now. */
  readonly confirmId?: string;
}

const invitable: ReadonlySet<CallState['name']> = new Set(['waiting', 'offered', 'revealing', 'connected', 'dialling', 'elsewhere']);
const askedWhileWaiting: ReadonlySet<CallState['name']> = new Set(['waiting', 'offered', 'revealing']);

/** The step of an event about invitations; undefined for every other event. */
export function invitationStep(state: CallState, event: CallEvent): Step | undefined {
  switch (event.type) {
    case 'identifyRequested': {
      // A caller is asked while waiting, and may answer while an agent's phone rings already.
      const allowed = event.agent === undefined ? askedWhileWaiting.has(state.name) : event.agent === state.agent && isWithAgent(state);
      return allowed ? { state: without(state), effects: [...dropped(state), { do: 'invite' }] } : unchanged(state);
    }
    case 'invited': {
      if (!invitable.has(state.name) || state.invitation?.sessionId === event.sessionId) return unchanged(state);
      const effects: Effect[] = [...dropped(state, 'replaced')];
      if (isWithAgent(state)) effects.push({ do: 'showInvitation', agent: state.agent! });
      return { state: { ...state, invitation: { sessionId: event.sessionId, result: 'awaiting' } }, effects };
    }
    case 'invitationResult': {
      const { invitation } = state;
      if (invitation?.sessionId !== event.sessionId || invitation.result !== 'awaiting') return unchanged(state);
      const result = event.identity === 'verified' ? 'verified' : 'failed';
      const arrived = { ...state, invitation: { ...invitation, result } } as const;
      return isWithAgent(state) ? shown(arrived, event.confirmId) : { state: arrived, effects: [] };
    }
    case 'identifyWithdrawn': return event.agent === state.agent ? { state: without(state), effects: dropped(state) } : unchanged(state);
    case 'wordCompared': {
      const { invitation } = state;
      if (!isWithAgent(state) || event.agent !== state.agent || invitation?.confirmId !== event.confirmId) return unchanged(state);
      if (!event.same) return { state: without(state), effects: [{ do: 'identifyFailed', agent: event.agent }, ...dropped(state)] };
      // The new proof takes the place of an older one, which is deleted: a call has one identity.
      const older: Effect[] = state.sessionId === undefined ? [] : [{ do: 'purge', sessionId: state.sessionId }];
      const { sessionId } = invitation;
      return {
        state: { ...without(state), sessionId, identity: 'verified', shown: true, revealId: event.revealId },
        effects: [{ do: 'withdrawInvitation' }, ...older, { do: 'reveal', agent: event.agent, revealId: event.revealId, sessionId }],
      };
    }
    default: return undefined;
  }
}

/**
 * A screen that now shows this connected call (it was just connected, or its page came back) gets what stands of the
 * invitation.
 * @param confirmId a fresh one
 */
export function invitationOnScreen(step: Step, confirmId: string): Step {
  const { state, effects } = step;
  if (!isWithAgent(state) || !state.invitation) return step;
  const now = shown(state, confirmId);
  return { state: now.state, effects: [...effects, ...now.effects] };
}

/** What the end of a call does with its invitation. */
export function invitationEnded(state: CallState): Effect[] {
  return dropped(state);
}

/** What the agent of a connected call is shown of its invitation. @param confirmId a fresh one */
function shown(state: CallState, confirmId: string): Step {
  const agent = state.agent!;
  switch (state.invitation!.result) {
    case 'awaiting': return { state, effects: [{ do: 'showInvitation', agent }] };
    case 'failed': return { state, effects: [{ do: 'identifyFailed', agent }] };
    case 'verified': return { state: { ...state, invitation: { ...state.invitation!, confirmId } }, effects: [{ do: 'confirmWord', agent, confirmId }] };
  }
}

function without(state: CallState): CallState {
  const { invitation: _invitation, ...rest } = state;
  return rest;
}

function dropped(state: CallState, because: 'withdrawn' | 'replaced' = 'withdrawn'): Effect[] {
  if (!state.invitation) return [];
  const purge: Effect = { do: 'purge', sessionId: state.invitation.sessionId };
  return because === 'replaced' ? [purge] : [{ do: 'withdrawInvitation' }, purge];
}

function unchanged(state: CallState): Step {
  return { state, effects: [] };
}
