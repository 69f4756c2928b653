/** Hangup causes by name and their Q.850 numbers, as far as a media server ever gives or is given them. */
const CAUSES = {
  NONE: 0,
  UNALLOCATED_NUMBER: 1,
  NO_ROUTE_DESTINATION: 3,
  NORMAL_CLEARING: 16,
  USER_BUSY: 17,
  NO_USER_RESPONSE: 18,
  NO_ANSWER: 19,
  SUBSCRIBER_ABSENT: 20,
  CALL_REJECTED: 21,
  NUMBER_CHANGED: 22,
  DESTINATION_OUT_OF_ORDER: 27,
  INVALID_NUMBER_FORMAT: 28,
  NORMAL_UNSPECIFIED: 31,
  NORMAL_CIRCUIT_CONGESTION: 34,
  NETWORK_OUT_OF_ORDER: 38,
  NORMAL_TEMPORARY_FAILURE: 41,
  SWITCH_CONGESTION: 42,
  INCOMPATIBLE_DESTINATION: 88,
  MANDATORY_IE_MISSING: 96,
  RECOVERY_ON_TIMER_EXPIRE: 102,
  INTERWORKING: 127,
  ORIGINATOR_CANCEL: 487,
  LOSE_RACE: 502,
  MANAGER_REQUEST: 503,
  ATTENDED_TRANSFER: 601,
  ALLOTTED_TIMEOUT: 602,
  MEDIA_TIMEOUT: 604,
} as const;

export type HangupCause = keyof typeof CAUSES;

/** The cause of that name, in any case, or of that number; NORMAL_CLEARING when there is none. */
export function hangupCause(text: string): HangupCause {
  const name = text.trim().toUpperCase();
  if (name in CAUSES) return name as HangupCause;
  const byNumber = Object.entries(CAUSES).find(([, number]) => String(number) === name);
  return (byNumber?.[0] as HangupCause | undefined) ?? 'NORMAL_CLEARING';
}

/** Value of a Reason header (RFC 3326). Causes above 127 exist only inside and go out as 16. */
export function reasonHeader(cause: HangupCause): string {
  const number = CAUSES[cause];
  return `Q.850;cause=${number > 127 || number === 0 ? 16 : number};text="${cause}"`;
}
