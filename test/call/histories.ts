/** Lives of calls for the tests of the call machine: the ways they usually go, with anything in between, and what came of each step. */
import fc from 'fast-check';
import { guestProblems } from '../../gateway/call/conference.js';
import { initialState, step, type CallEvent, type CallState, type CourseOptions, type Effect } from '../../gateway/call/machine.js';
import type { TransferTarget } from '../../gateway/call/transfer.js';
import { SpokenCode } from '../../ivr/index.js';

export const code = new SpokenCode('1234567890');
const agents = ['anna', 'bram'];
const ids = ['id-1', 'id-2', 'id-3'];

const id = fc.constantFrom(...ids);
const agent = fc.constantFrom(...agents);
const anyEvent: fc.Arbitrary<CallEvent> = fc.oneof(
  fc.constant<CallEvent>({ type: 'answered' }),
  fc.constant<CallEvent>({ type: 'answerFailed', reason: 'notAnswered' }),
  fc.constant<CallEvent>({ type: 'greeted' }),
  fc.constant<CallEvent>({ type: 'codeEntered', code }),
  fc.constantFrom('notRecognised' as const, 'tooShort' as const, 'nothingHeard' as const).map((problem): CallEvent => ({ type: 'entryFailed', problem })),
  fc.constant<CallEvent>({ type: 'personWanted' }),
  fc.constantFrom('verified' as const, 'awaiting' as const, 'failed' as const, 'unauthenticated' as const).map((identity): CallEvent => ({ type: 'claimed', sessionId: 'session', identity })),
  fc.constant<CallEvent>({ type: 'refused' }),
  fc.constant<CallEvent>({ type: 'vaultFailed' }),
  fc.record({ type: fc.constant('resultArrived' as const), sessionId: fc.constantFrom('session', 'session', 'invited-1'), identity: fc.constantFrom('verified' as const, 'failed' as const), revealId: id }),
  fc.record({ type: fc.constant('identifyRequested' as const), agent: fc.option(agent, { nil: undefined }) }),
  fc.record({ type: fc.constant('invited' as const), sessionId: fc.constantFrom('invited-1', 'invited-2') }),
  fc.record({ type: fc.constant('invitationResult' as const), sessionId: fc.constantFrom('invited-1', 'invited-2'), identity: fc.constantFrom('verified' as const, 'failed' as const), confirmId: id }),
  fc.record({ type: fc.constant('identifyWithdrawn' as const), agent }),
  fc.record({ type: fc.constant('wordCompared' as const), agent, confirmId: id, same: fc.boolean(), revealId: id }),
  fc.constant<CallEvent>({ type: 'resultTimedOut' }),
  fc.record({ type: fc.constant('agentFound' as const), agent, offerId: id }),
  fc.record({ type: fc.constant('agentAnswered' as const), offerId: id, revealId: id }),
  fc.record({ type: fc.constant('agentFailed' as const), offerId: id }),
  fc.record({ type: fc.constant('acknowledged' as const), revealId: id }),
  fc.record({ type: fc.constant('acknowledgementMissed' as const), revealId: id }),
  fc.record({ type: fc.constant('agentDeclined' as const), revealId: id }),
  fc.record({ type: fc.constant('screenReturned' as const), agent, revealId: id }),
  fc.record({ type: fc.constant('bridgeFailed' as const), revealId: id }),
  fc.constant<CallEvent>({ type: 'agentHungUp' }),
  fc.record({ type: fc.constant('agentEnded' as const), agent }),
  fc.constant<CallEvent>({ type: 'callerHungUp' }),
  fc.constant<CallEvent>({ type: 'waitedTooLong' }),
  fc.constant<CallEvent>({ type: 'mediaLost' }),
  fc.constant<CallEvent>({ type: 'sipLost' }),
  fc.constant<CallEvent>({ type: 'drained' }),
  fc.record({ type: fc.constant('agentTakenAway' as const), agent }),
  fc.record({ type: fc.constant('transferRequested' as const), agent, target: fc.constantFrom<TransferTarget>(
    { kind: 'agent', wanted: { agent: 'bram', until: 1 } }, { kind: 'service', service: 'other' }, { kind: 'outside', number: '+31701234567' },
  ) }),
  fc.record({ type: fc.constant('successorNamed' as const), agent, offerId: id }),
  fc.record({ type: fc.constant('successorAnswered' as const), offerId: id, revealId: id }, { requiredKeys: ['type', 'offerId', 'revealId'] }),
  fc.record({ type: fc.constant('successorAnswered' as const), offerId: id, revealId: id, agent }),
  fc.record({ type: fc.constant('successorFailed' as const), offerId: id }),
  fc.record({ type: fc.constant('partyAnswered' as const), dialId: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ type: fc.constant('partyFailed' as const), dialId: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ type: fc.constant('partyHungUp' as const), dialId: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ type: fc.constant('agentBound' as const), agent, revealId: id }),
  fc.constant<CallEvent>({ type: 'agentUnbound' }),
  fc.constantFrom<CallEvent>({ type: 'callbackWanted' }, { type: 'callbackArranged' }, { type: 'callbackKept' }, { type: 'callBackDue' }, { type: 'callBackFailed' }, { type: 'promiseOver' }),
  fc.boolean().map((isCaller): CallEvent => ({ type: 'calledBack', isCaller })),
  fc.constantFrom<CallEvent>({ type: 'callBackPutOff' }, { type: 'promiseMoved' }),
  fc.record({ type: fc.constant('guestWanted' as const), agent, guest: agent, guestId: id }),
  fc.record({ type: fc.constant('guestAnswered' as const), guestId: id, revealId: id }),
  fc.record({ type: fc.constantFrom('guestAcknowledged' as const, 'guestNotShown' as const, 'guestDeclined' as const), revealId: id }),
  fc.record({ type: fc.constant('guestFailed' as const), guestId: id, because: fc.constantFrom(...guestProblems) }),
  fc.record({ type: fc.constant('guestHungUp' as const), guestId: id }),
  fc.record({ type: fc.constantFrom('guestSentAway' as const, 'agentLeft' as const), agent }),
  fc.constant<CallEvent>({ type: 'closedNow' }),
  fc.constant<CallEvent>({ type: 'queueFull' }),
);
/** Mostly the way a call usually goes, with anything in between: plain random events rarely get past the greeting. */
export const usualWay: CallEvent[] = [
  { type: 'answered' }, { type: 'greeted' }, { type: 'codeEntered', code }, { type: 'claimed', sessionId: 'session', identity: 'verified' },
  { type: 'agentFound', agent: 'anna', offerId: 'id-1' }, { type: 'agentAnswered', offerId: 'id-1', revealId: 'id-2' }, { type: 'acknowledged', revealId: 'id-2' },
];
/** And then identifies once more, during the call. */
const againDuringTheCall: CallEvent[] = [
  { type: 'identifyRequested', agent: 'anna' }, { type: 'invited', sessionId: 'invited-1' },
  { type: 'invitationResult', sessionId: 'invited-1', identity: 'verified', confirmId: 'id-3' },
  { type: 'wordCompared', agent: 'anna', confirmId: 'id-3', same: true, revealId: 'id-1' },
];
export const longWay = [...usualWay, ...againDuringTheCall];
/** By the PBX's queue, from one agent to another. */
const pbxWay: CallEvent[] = [
  ...usualWay.slice(0, 4), { type: 'partyAnswered', dialId: 1 }, { type: 'agentBound', agent: 'anna', revealId: 'id-1' },
  { type: 'agentUnbound' }, { type: 'agentBound', agent: 'bram', revealId: 'id-2' },
];
/** A colleague's phone takes over. */
const attendedWay: CallEvent[] = [
  ...usualWay, { type: 'successorNamed', agent: 'anna', offerId: 'id-3' }, { type: 'successorAnswered', offerId: 'id-3', revealId: 'id-1', agent: 'bram' },
  { type: 'acknowledged', revealId: 'id-1' },
];
/** A colleague comes into the conversation, and has it when the agent leaves. */
export const guestWay: CallEvent[] = [
  ...usualWay, { type: 'guestWanted', agent: 'anna', guest: 'bram', guestId: 'id-1' }, { type: 'guestAnswered', guestId: 'id-1', revealId: 'id-3' },
  { type: 'guestAcknowledged', revealId: 'id-3' }, { type: 'agentLeft', agent: 'anna' },
];
/** The same where the PBX's queue brought the call. */
export const guestAtQueueWay: CallEvent[] = [
  ...pbxWay.slice(0, 6), { type: 'guestWanted', agent: 'anna', guest: 'bram', guestId: 'id-2' }, { type: 'guestAnswered', guestId: 'id-2', revealId: 'id-3' },
  { type: 'guestAcknowledged', revealId: 'id-3' }, { type: 'partyHungUp', dialId: 1 },
];
/** Called back in place of waiting. */
const callbackWay: CallEvent[] = [
  ...usualWay.slice(0, 4), { type: 'callbackWanted' }, { type: 'callbackArranged' }, { type: 'callerHungUp' }, { type: 'agentFound', agent: 'anna', offerId: 'id-1' },
  { type: 'calledBack', isCaller: true }, ...usualWay.slice(4),
];
/** And somebody else answers. */
const strangerWay = callbackWay.map((event): CallEvent => (event.type === 'calledBack' ? { ...event, isCaller: false } : event));
/** Promised at another node, and called back here. */
export const takenUpWay: CallEvent[] = [
  { type: 'promiseTaken', promised: { callBacks: 1, identity: 'verified', sessionId: 'session', shown: false } }, { type: 'agentFound', agent: 'anna', offerId: 'id-1' },
  { type: 'calledBack', isCaller: true }, ...usualWay.slice(4),
];
/** These ways, each cut short somewhere, with other events in between. */
export const historyOf = (ways: readonly CallEvent[][], mostOthers: number): fc.Arbitrary<CallEvent[]> => fc.constantFrom(...ways).chain((way) => fc.tuple(fc.constant(way), fc.integer({ min: 2, max: way.length }), fc.array(anyEvent, { maxLength: mostOthers, size: 'max' }))).chain(([way, kept, extra]) =>
  fc.shuffledSubarray(extra.map((_, i) => i), { minLength: extra.length }).map((order) => {
    const events = way.slice(0, kept);
    order.forEach((at, i) => events.splice((at * 7) % (events.length + 1), 0, extra[i]!));
    return events;
  }),
);
const everyWay = historyOf([longWay, longWay, pbxWay, attendedWay, callbackWay, strangerWay, takenUpWay, guestWay, guestAtQueueWay], 25);
const someOptions: fc.Arbitrary<CourseOptions> = fc.record({
  attemptsPerCall: fc.integer({ min: 1, max: 4 }),
  onMissingAck: fc.constantFrom('requeue' as const, 'unidentified' as const),
  maxSetbacks: fc.integer({ min: 0, max: 3 }),
  delivery: fc.constantFrom('waitingRoom' as const, 'waitingRoom' as const, 'pbxQueue' as const),
  overflow: fc.subarray(['closed', 'full', 'waitedTooLong'] as const),
});

export interface Moment { event: CallEvent; before: CallState; after: CallState; effects: readonly Effect[] }

export function live(events: readonly CallEvent[], options: CourseOptions): Moment[] {
  let state = initialState;
  return events.map((event) => {
    const before = state;
    const next = step(before, event, options);
    state = next.state;
    return { event, before, after: next.state, effects: next.effects };
  });
}

/** Holds over some histories, and over more where chance has left out what the check is about. @param enough of it was seen */
export function holdsWhere(enough: () => boolean, check: (moments: Moment[], options: CourseOptions) => void): void {
  for (let round = 0; round < 10 && (round === 0 || !enough()); round += 1) holds(check);
}

export function holds(check: (moments: Moment[], options: CourseOptions) => void, runs = 3_000, history = everyWay): void {
  fc.assert(fc.property(history, someOptions, (events, options) => check(live(events, options), options)), { numRuns: runs });
}
