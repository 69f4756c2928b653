/**
 * Who is at the other end, as a PBX reports it: P-Asserted-Identity (RFC 3325), Remote-Party-ID (its draft predecessor, still
 * what many PBXs send), or, where neither is there, the Contact. Believed only from trunks, which are listed.
 */
import type Srf from 'drachtio-srf';

export interface ConnectedParty {
  readonly source: 'asserted' | 'remoteParty' | 'contact';
  /** SIP or tel addresses, without parameters; at most a few. */
  readonly uris: readonly string[];
  /** It is a conference, and its address that of nobody in particular (RFC 4579 section 5.1). */
  readonly isFocus: boolean;
}

/** Longest header looked at, in characters. */
const maxHeader = 1_000;
/** RFC 3325 section 9.1 allows one SIP and one tel address. */
const maxUris = 2;

/** @returns undefined when the message says nothing about it */
export function connectedParty(message: Pick<Srf.SrfRequest, 'has' | 'get'>): ConnectedParty | undefined {
  const isFocus = message.has('Contact') && /;\s*isfocus\s*(?:$|[;,>])/i.test(message.get('Contact').slice(0, maxHeader));
  const asserted = urisIn(message, 'P-Asserted-Identity');
  if (asserted.length > 0) return { source: 'asserted', uris: asserted, isFocus };
  const remote = urisIn(message, 'Remote-Party-ID');
  if (remote.length > 0) return { source: 'remoteParty', uris: remote, isFocus };
  const contact = urisIn(message, 'Contact');
  return contact.length > 0 ? { source: 'contact', uris: contact, isFocus } : undefined;
}

function urisIn(message: Pick<Srf.SrfRequest, 'has' | 'get'>, header: string): string[] {
  if (!message.has(header)) return [];
  const text = message.get(header).slice(0, maxHeader);
  const bracketed = [...text.matchAll(/<\s*((?:sips?|tel):[^<>\s]{1,200})\s*>/gi)].map((match) => match[1]!);
  const found = bracketed.length > 0 ? bracketed : [.../(?:sips?|tel):[^<>\s,;"]{1,200}/i.exec(text) ?? []];
  return found.slice(0, maxUris).map((uri) => uri.split(/[;?]/)[0]!);
}

/** User part of a SIP address, or the number of a tel one; '' when there is none. */
export function userOf(uri: string): string {
  const user = /^sips?:([^@;?]+)@/i.exec(uri)?.[1] ?? /^tel:([^;?]+)/i.exec(uri)?.[1] ?? '';
  try {
    return decodeURIComponent(user.split(';')[0]!);
  } catch {
    return user;
  }
}

/** Host, and port where it is given, of a SIP address, in lower case. */
export function hostOf(uri: string): string {
  return /^sips?:(?:[^@;?]*@)?([^;?>]+)/i.exec(uri)?.[1]?.toLowerCase() ?? '';
}
