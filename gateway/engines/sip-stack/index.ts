/**
 * A small SIP stack: messages, UDP and TCP, RFC 3261 transactions. No dialogs; those are their users'.
 *
 * How to be a UAS with it:
 *
 *     const stack = await SipStack.open({ host: '127.0.0.1', port: 0 });
 *     stack.on('request', (tx) => {
 *       if (tx.method === 'INVITE' && tx.request.toTag === '') {
 *         // 100 was sent already, retransmissions never come here, To tag = tx.localTag on every response
 *         tx.onCancel = () => forget();                 // 200 to CANCEL and 487 were sent already
 *         tx.onAck = (ack, source, first) => {};        // ack.body: the answer to a late offer
 *         tx.onAckTimeout = (status) => {};             // after 64*T1; for a 200: send a BYE
 *         tx.respond(180);
 *         tx.respond(200, { headers: { Contact: `<sip:${stack.host}:${stack.port}>` }, body: sdp });  // resent until ACK
 *       } else {
 *         tx.respond(tx.method === 'BYE' && known(tx.request) ? 200 : 481);
 *       }
 *     });
 *
 * `tx.open` says whether a final response may still be sent; `respond` throws TransactionOverError when not.
 *
 * How to send a request, here a BYE inside that dialog:
 *
 *     const bye = SipMessage.request('BYE', remoteTarget, { 'Max-Forwards': '70', From: localParty, To: remoteParty,
 *       'Call-ID': callId, CSeq: `${n} BYE`, Route: routeSet });
 *     const sent = stack.request(bye, { onProvisional: (r) => {}, onFinal: (r, info) => {} });
 *
 * `onFinal` comes exactly once, `info.local` set when it was made here: 408 timeout, 503 unreachable or unresolvable.
 * For an INVITE: `sent.cancel()`, and after a 2xx `stack.sendAck(sent, ackMessage)`, which is repeated by itself when
 * the 2xx is. Failures of an INVITE are acknowledged by the stack. Via is always the stack's.
 */
export { SipStack, BadTargetError, DEFAULT_STACK_LIMITS } from './stack.js';
export type { Admission, StackOptions, StackLimits, StackEvents, RequestOptions } from './stack.js';
export { SipMessage, NotSipError } from './message.js';
export type { HeaderInit } from './message.js';
export { ServerTransaction, TransactionOverError } from './server-transaction.js';
export type { RespondOptions } from './server-transaction.js';
export { ClientTransaction } from './client-transaction.js';
export type { ClientHandlers, FinalInfo, LocalCause } from './client-transaction.js';
export type { Endpoint, Protocol, Source } from './transport.js';
export type { SipTimers } from './timers.js';
export { DEFAULT_TIMERS } from './timers.js';
export { AddressGroups } from './address-groups.js';
export { contactHasHost, contactsHaveHosts } from './contact.js';
export * from './grammar.js';
export { newBranch, newCallId, newSequence, newTag } from './ids.js';
export { reasonPhrase } from './reasons.js';
