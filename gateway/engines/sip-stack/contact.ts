/** What a Contact is good for, before anything is answered to whoever sent it. */
import { parseNameAddr } from './grammar.js';
import type { SipMessage } from './message.js';

/**
 * Whether a Contact names a host that speaks SIP at all: not `tel:`, not `*`, nothing that cannot be read. Says nothing of
 * whether it can be reached.
 */
export function contactHasHost(value: string): boolean {
  const uri = parseNameAddr(value)?.uri;
  return uri !== undefined && /^sips?:(?:[^@]*@)?[^@:;?\s]/i.test(uri);
}

/** True as well for a request without Contact. */
export const contactsHaveHosts = (request: SipMessage): boolean => request.list('contact').every(contactHasHost);
