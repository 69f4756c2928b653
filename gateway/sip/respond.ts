/** Answering requests without surprises. */
import type Srf from 'drachtio-srf';
import phrases from 'sip-status';

// RFC 6086 section 4.2.2. The SIP library shares this table and refuses statuses that are not in it.
phrases[469] ??= 'Bad Info Package';

export interface Answer {
  headers?: Record<string, string>;
  body?: string;
}

/**
 * Sends a response. The library throws, outside of any promise, on a status it has no words for, and when the connection
 * to the SIP server is gone. Such a status is replaced by the first of its class, as which RFC 3261 section 8.1.3.2
 * lets it be treated anyway; an answer that nobody can take any more is dropped.
 */
export function respond(res: Srf.SrfResponse, status: number, answer: Answer = {}): void {
  const inClass = Math.floor(status / 100) * 100;
  const known = status in phrases ? status : inClass in phrases ? inClass : 500;
  try {
    res.send(known, answer);
  } catch {
    // The transaction or the connection is gone; the peer's own timers end what is left of it.
  }
}
