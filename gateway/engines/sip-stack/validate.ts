import { parseNameAddr, parseSipUri, parseVia } from './grammar.js';
import type { SipMessage } from './message.js';

export interface Fault {
  readonly status: number;
  readonly reason: string;
}

const SINGLE = ['from', 'to', 'call-id', 'cseq', 'max-forwards', 'content-length'] as const;
const DIALOG_METHODS = new Set(['INVITE', 'SUBSCRIBE', 'REFER', 'UPDATE']);

/**
 * Checks what RFC 3261 §8.1.1 demands of every request, and what may be doubled by mistake or malice.
 * Returns the fault to answer with, undefined for a request that is in order. The top Via was read before.
 */
export function requestFault(request: SipMessage): Fault | undefined {
  const bad = (reason = 'Bad Request'): Fault => ({ status: 400, reason });
  if (request.version !== '2.0') return { status: 505, reason: 'Version Not Supported' };
  if (request.malformed === 'Request-URI Too Long') return { status: 414, reason: 'Request-URI Too Long' };
  if (request.malformed !== undefined) return bad(request.malformed);
  for (const name of SINGLE) if (request.count(name) > 1) return bad(`Repeated ${name}`);
  const callId = request.get('call-id');
  if (callId === undefined || callId === '' || /[\s|]/.test(callId)) return bad(callId === undefined ? 'Missing Call-ID' : 'Bad Call-ID');
  for (const name of ['From', 'To']) {
    const value = request.get(name);
    if (value === undefined) return bad(`Missing ${name}`);
    const address = parseNameAddr(value);
    if (address === undefined || !/^[A-Za-z][A-Za-z0-9+.-]*:./.test(address.uri) || /[\s|;]/.test(address.params['tag'] ?? '')) return bad(`Bad ${name}`);
    if (/^sips?:/i.test(address.uri) && parseSipUri(address.uri) === undefined) return bad(`Bad ${name}`);
  }
  const cseq = request.get('cseq');
  if (cseq === undefined) return bad('Missing CSeq');
  if (request.cseq === undefined) return bad('Bad CSeq');
  if (request.cseq.method !== request.method) return bad('CSeq Method Mismatch');
  const forwards = request.get('max-forwards');
  if (forwards !== undefined && !(/^\d{1,10}$/.test(forwards) && Number(forwards) <= 255)) return bad('Bad Max-Forwards');
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:./.test(request.uri ?? '')) return bad('Bad Request-URI');
  if (/^sips?:/i.test(request.uri!) && parseSipUri(request.uri!) === undefined) return bad('Bad Request-URI');
  if (DIALOG_METHODS.has(request.method)) {
    const contacts = request.list('contact');
    if (contacts.some((contact) => parseNameAddr(contact) === undefined)) return bad('Bad Contact');
  }
  for (const name of ['via', 'route', 'record-route'] as const) {
    for (const value of request.list(name)) {
      if (name === 'via' ? parseVia(value) === undefined : parseNameAddr(value) === undefined) return bad(`Bad ${name === 'via' ? 'Via' : 'Route'}`);
    }
  }
  return undefined;
}
