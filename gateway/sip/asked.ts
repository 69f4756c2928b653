/** What a request asks of us beyond its method, and whether we can do it (RFC 3261 section 8.2.2). */
import type Srf from 'drachtio-srf';
import { parseNameAddr, parseSipUri, splitList, type SipUri } from '../engines/sip-stack/index.js';

/** What may be required of us: the SIP server does reliable responses and session timers. */
const extensions = new Set(['100rel', 'timer']);

export interface Refusal {
  readonly status: number;
  readonly headers: Record<string, string>;
}

type Asking = Pick<Srf.SrfRequest, 'uri' | 'has' | 'get'>;

/** @returns the refusal of a request to an address of another kind than ours, or that requires what we do not know */
export function whatIsAsked(req: Asking): { refusal?: Refusal } {
  if (!/^(?:sips?|tel):/i.test(req.uri)) return { refusal: { status: 416, headers: {} } };
  const unknown = requiredOf(req).filter((extension) => !extensions.has(extension));
  if (unknown.length > 0) return { refusal: { status: 420, headers: { Unsupported: unknown.join(', ') } } };
  return {};
}

function requiredOf(req: Asking): string[] {
  return req.has('Require') ? req.get('Require').split(',').map((option) => option.trim().toLowerCase()).filter(Boolean) : [];
}

/**
 * Whether what we say within the dialog could ever reach the other side: at the nearest of its Record-Routes, otherwise
 * at its Contact. A name may be looked up in vain later; here only that is refused which no look-up could mend.
 * @param hostports of the SIP server, as `udp/192.0.2.1:5060`
 * @param said an INVITE, whose first Record-Route is the nearest, or the answer to one, whose last one is (RFC 3261 section 12.1)
 */
export function canBeReached(said: Pick<Asking, 'has' | 'get'>, hostports: readonly string[], isAnswer = false): boolean {
  const hop = splitList(said.get(said.has('Record-Route') ? 'Record-Route' : 'Contact')).at(isAnswer && said.has('Record-Route') ? -1 : 0);
  const uri = parseSipUri(parseNameAddr(hop ?? '')?.uri ?? '');
  if (!uri) return false;
  const protocols = new Set(hostports.map((at) => at.split('/')[0]!.toLowerCase()));
  const families = new Set(hostports.map((at) => (at.includes('[') ? 6 : 4)));
  return protocols.has(protocolOf(uri)) && isSomewhere(uri.params['maddr'] ?? uri.host, families);
}

const protocolOf = ({ scheme, params }: SipUri): string => (scheme === 'sips' ? 'tls' : (params['transport'] ?? 'udp').toLowerCase());

/** False for addresses at which there is nobody: any, all, many; and for those of another family than ours. */
function isSomewhere(host: string, families: ReadonlySet<number>): boolean {
  if (host.includes(':')) return families.has(6) && host !== '::' && !/^ff/i.test(host);
  const first = /^(\d+)\.\d+\.\d+\.\d+$/.exec(host)?.[1];
  return first === undefined || (families.has(4) && Number(first) > 0 && Number(first) < 224);
}
