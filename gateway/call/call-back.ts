/**
 * Calling back a caller who does not want to wait on the line, as part of the call machine:
 *
 *   waiting -> promised -> callingBack -> waiting (first in line) -> ...
 *
 * The place in the line is kept all the while. When it is the caller's turn no agent is held: the telephone may ring for
 * long. Whoever answers is asked for the short code, and only with it does the identity come back into play; without it
 * the session is purged and the caller is one like any other.
 *
 * A promise may move to another node, and then goes on there as another call: this one ends and leaves the session alone.
 */
import { sessionEnded, withoutSession } from './elsewhere.js';
import { end, stay, type CallEvent, type CallState, type Step } from './machine.js';

/** Attempts to reach a caller before we give up. */
const maxAttempts = 3;

/** How a call stood that goes on here as this one. */
export type PromisedState = Pick<CallState, 'callBacks' | 'identity' | 'shown' | 'sessionId' | 'transferredBy'>;

export function takenUp(state: CallState, before: PromisedState): Step {
  const promised: CallState = { ...state, ...before, name: 'promised', leftLine: true };
  // A node that died while it called counts as an attempt: a promise cannot end one node after the other.
  return promised.callBacks >= maxAttempts ? end(promised, 'notCalledBack') : { state: promised, effects: [{ do: 'takeUpPromise' }] };
}

function moved(state: CallState): Step {
  const { sessionId, ...rest } = state;
  const ended = end(rest, 'continuedElsewhere');
  return sessionId === undefined ? ended : { state: ended.state, effects: [{ do: 'leaveSession', sessionId }, ...ended.effects] };
}

/** In the waiting room, and about calling back; undefined for every other event. */
export function askedToBeCalledBack(state: CallState, event: CallEvent): Step | undefined {
  switch (event.type) {
    case 'callbackWanted': return state.leftLine ? stay(state) : { state: { ...state, arranging: true }, effects: [{ do: 'arrangeCallback' }] };
    case 'callbackKept': return state.arranging ? { state: { ...state, arranging: false }, effects: [{ do: 'keepCompany', tell: 'nothing' }] } : stay(state);
    case 'callbackArranged': {
      if (!state.arranging) return stay(state);
      return { state: { ...state, name: 'promised', arranging: false, leftLine: true }, effects: [{ do: 'leaveCallerAlone' }] };
    }
    default: return undefined;
  }
}

/** The caller has hung up and keeps the place. */
export function promised(state: CallState, event: CallEvent): Step {
  switch (event.type) {
    case 'resultArrived': return stay({ ...state, identity: event.identity });
    case 'agentFound': return {
      state: { ...state, name: 'callingBack' },
      // Nobody is held while a telephone rings.
      effects: [{ do: 'releaseAgent', agent: event.agent }, { do: 'callBack' }],
    };
    case 'callBackDue': return { state: { ...state, name: 'callingBack' }, effects: [{ do: 'leaveWaitingRoom' }, { do: 'callBack' }] };
    case 'promiseOver': return end(state, 'notCalledBack');
    case 'promiseMoved': return moved(state);
    default: return stay(state);
  }
}

export function callingBack(state: CallState, event: CallEvent): Step {
  switch (event.type) {
    case 'resultArrived': return stay({ ...state, identity: event.identity });
    case 'calledBack': {
      const back: CallState = { ...state, name: 'waiting' };
      const inLine = { do: 'enterWaitingRoom', at: 'head' } as const;
      if (event.isCaller) return { state: back, effects: [inLine, { do: 'keepCompany', tell: 'nothing' }] };
      // Somebody answered who does not know the code: they are helped, as somebody of whom nothing is known.
      return { state: withoutSession(back), effects: [...sessionEnded(state), inLine, { do: 'keepCompany', tell: 'nothing' }] };
    }
    case 'callBackFailed': {
      const callBacks = state.callBacks + 1;
      if (callBacks >= maxAttempts) return end(state, 'notCalledBack');
      return { state: { ...state, name: 'promised', callBacks }, effects: [{ do: 'leaveCallerAlone' }, { do: 'callBackLater', soon: false }] };
    }
    case 'callBackPutOff': return { state: { ...state, name: 'promised' }, effects: [{ do: 'leaveCallerAlone' }, { do: 'callBackLater', soon: true }] };
    case 'promiseOver': return end(state, 'notCalledBack');
    case 'promiseMoved': return moved(state);
    default: return stay(state);
  }
}
