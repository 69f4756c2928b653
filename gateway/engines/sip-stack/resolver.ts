import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { SipUri } from './grammar.js';
import type { Endpoint, Protocol } from './transport.js';

export class ResolveError extends Error {
  constructor(readonly code: 'unresolvable' | 'unsupported_transport', message: string) {
    super(message);
  }
}

const SRV_TIMEOUT_MS = 1_000;
const DEFAULT_PORT = 5060;

/** The transport a URI asks for (RFC 3263 §4.1, without NAPTR); undefined when it is one we do not speak. */
export function transportOf(uri: SipUri): Protocol | undefined {
  if (uri.scheme === 'sips') return undefined;
  const wanted = (uri.params['transport'] ?? 'udp').toLowerCase();
  return wanted === 'udp' || wanted === 'tcp' ? wanted : undefined;
}

/** Host and port of a URI when no name has to be looked up: an address, `maddr` included. */
export function literalEndpoint(uri: SipUri): Endpoint | undefined {
  const protocol = transportOf(uri);
  const host = uri.params['maddr'] ?? uri.host;
  return protocol !== undefined && isIP(host) !== 0 ? { protocol, address: host, port: uri.port ?? DEFAULT_PORT } : undefined;
}

/**
 * Addresses to try for a URI, in order (RFC 3263 §4.2): SRV records if there is no port and the host is a domain name,
 * otherwise address records. Rejects with {@link ResolveError}.
 */
export async function resolveUri(uri: SipUri): Promise<Endpoint[]> {
  const protocol = transportOf(uri);
  if (protocol === undefined) throw new ResolveError('unsupported_transport', 'transport not available');
  const literal = literalEndpoint(uri);
  if (literal !== undefined) return [literal];
  const host = uri.params['maddr'] ?? uri.host;
  const targets = uri.port === undefined && isDomain(host) ? await bySrv(host, protocol) : [];
  if (targets.length === 0) targets.push({ name: host, port: uri.port ?? DEFAULT_PORT });
  const endpoints: Endpoint[] = [];
  for (const target of targets.slice(0, 4)) {
    try {
      const addresses = await lookup(target.name, { all: true, order: 'ipv4first' });
      for (const { address } of addresses.slice(0, 2)) endpoints.push({ protocol, address, port: target.port });
    } catch {
      // The next target may have an address; when none has, that is said below.
    }
  }
  if (endpoints.length === 0) throw new ResolveError('unresolvable', 'host name has no address');
  return endpoints;
}

/** Names that can have SRV records: several labels, and none of the reserved names of RFC 6761. */
const isDomain = (host: string): boolean => host.includes('.') && !/(?:^|\.)(?:localhost|local|invalid|test|example)\.?$/i.test(host);

async function bySrv(domain: string, protocol: Protocol): Promise<Array<{ name: string; port: number }>> {
  const resolver = new Resolver({ timeout: SRV_TIMEOUT_MS, tries: 1 });
  try {
    const records = await resolver.resolveSrv(`_sip._${protocol}.${domain}`);
    return records
      .filter((record) => record.name !== '' && record.name !== '.')
      .map((record) => ({ record, draw: Math.random() * (record.weight + 1) }))
      .sort((a, b) => a.record.priority - b.record.priority || b.draw - a.draw)
      .map(({ record }) => ({ name: record.name, port: record.port }));
  } catch {
    return [];
  }
}
