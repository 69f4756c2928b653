import { isIPv4 } from 'node:net';
import { headerSpelling, hostPort, parseNameAddr, parseSipUri, type SipMessage } from '../sip-stack/index.js';

/** Never taken from an application: the server alone can know them. */
const DROPPED = new Set(['via', 'route', 'record-route', 'rseq', 'content-length']);

/** What `localhost` and default Contacts stand for on the transport in use. */
export interface LocalPlace {
  readonly host: string;
  readonly port: number;
  readonly protocol: 'udp' | 'tcp';
}

/** Writes `a@localhost` as the address in use; a bare URI gets its angle brackets. */
export function placeLocalhost(value: string, place: LocalPlace): string {
  const replaced = value.replace(/@localhost(?::\d+)?(?=[;>?,\s]|$)/gi, `@${hostPort(place.host, place.port)}`);
  if (replaced.includes('<') || !/^sips?:/i.test(replaced)) return replaced;
  const semicolon = replaced.indexOf(';');
  return semicolon < 0 ? `<${replaced}>` : `<${replaced.slice(0, semicolon)}>${replaced.slice(semicolon)}`;
}

/** Our own Contact. */
export const ownContact = (place: LocalPlace): string =>
  `<sip:${hostPort(place.host, place.port)}${place.protocol === 'tcp' ? ';transport=tcp' : ''}>`;

/**
 * The Contact of a request: `localhost` resolved, and an IPv4 address that is not ours replaced by ours, since the
 * answers have to come here.
 */
export function requestContact(value: string, place: LocalPlace): string {
  const placed = placeLocalhost(value, place);
  const address = parseNameAddr(placed);
  const uri = address === undefined ? undefined : parseSipUri(address.uri);
  if (address === undefined || uri === undefined || !isIPv4(uri.host)) return placed;
  if (uri.host === place.host && (uri.port ?? 5060) === place.port) return placed;
  const user = uri.user === undefined ? '' : `${uri.user}@`;
  const params = Object.entries(address.params).map(([name, text]) => (text === '' ? `;${name}` : `;${name}=${text}`)).join('');
  return `${address.display === '' ? '' : `${address.display} `}<sip:${user}${hostPort(place.host, place.port)};transport=${place.protocol}>${params}`;
}

/** The application's headers apart from those in `except`, spelled as usual, ready to be added. */
export function* applicationHeaders(message: SipMessage, except: ReadonlySet<string>, place: LocalPlace): Generator<[string, string]> {
  for (const { key, name, value } of message.entries()) {
    if (DROPPED.has(key) || except.has(key)) continue;
    yield [headerSpelling(name), key === 'p-asserted-identity' ? placeLocalhost(value, place) : value];
  }
}

/** Content-Type for a body without one: session descriptions speak for themselves. */
export function impliedContentType(message: SipMessage): string | undefined {
  if (message.body.length === 0) return undefined;
  return message.get('content-type') ?? (message.body.subarray(0, 3).toString('latin1') === 'v=0' ? 'application/sdp' : undefined);
}

/** True when a comma separated token header (Require, Supported) has this token. */
export const hasToken = (message: SipMessage, header: string, token: string): boolean =>
  message.list(header).some((value) => value.toLowerCase() === token);
