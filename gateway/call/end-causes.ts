import type { EndReason } from './machine.js';

export const normalClearing = 'Q.850;cause=16;text="NORMAL_CLEARING"';
const temporaryFailure = 'Q.850;cause=41;text="NORMAL_TEMPORARY_FAILURE"';
const noAnswer = 'Q.850;cause=19;text="NO_ANSWER"';
const unspecified = 'Q.850;cause=31;text="NORMAL_UNSPECIFIED"';

/** Q.850 causes for the Reason header of our BYE to the caller (RFC 3326). */
export const endCauses: Readonly<Record<EndReason, string>> = {
  callerHungUp: normalClearing,
  agentHungUp: normalClearing,
  agentEnded: normalClearing,
  otherHungUp: normalClearing,
  abandoned: normalClearing,
  closed: unspecified,
  full: 'Q.850;cause=17;text="USER_BUSY"',
  waitedTooLong: noAnswer,
  notReached: noAnswer,
  notCalledBack: noAnswer,
  mediaFailed: temporaryFailure,
  sipLost: temporaryFailure,
  noBridge: unspecified,
  notAnswered: temporaryFailure,
  drained: unspecified,
  continuedElsewhere: normalClearing,
  internalError: temporaryFailure,
};
