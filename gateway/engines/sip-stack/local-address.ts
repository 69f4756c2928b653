import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';

export const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';

const REFRESH_MS = 10_000;
let known: { readAtMs: number; list: Array<{ address: string; cidr: string; internal: boolean }> } | undefined;

function interfaces(): NonNullable<typeof known>['list'] {
  const now = Date.now();
  if (known === undefined || now - known.readAtMs > REFRESH_MS) {
    const list = Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])
      .filter((entry) => entry.cidr !== null && entry.scopeid !== undefined ? entry.scopeid === 0 : entry.cidr !== null)
      .map((entry) => ({ address: entry.address, cidr: entry.cidr!, internal: entry.internal }));
    known = { readAtMs: now, list };
  }
  return known.list;
}

/** Every address of this machine that a socket bound to all interfaces answers on. */
export const localAddresses = (): string[] => interfaces().map((entry) => entry.address);

/**
 * The address of this machine a peer would see: one in the peer's network, else the first that is not loopback.
 * A guess by netmask, not by routing table: hosts with several routed networks should bind one address instead.
 */
export function localAddressFor(remote: string): string {
  const fallback = ipaddr.isValid(remote) && ipaddr.parse(remote).kind() === 'ipv6' ? '::1' : '127.0.0.1';
  if (!ipaddr.isValid(remote)) return fallback;
  const address = ipaddr.process(remote);
  const list = interfaces().filter((entry) => ipaddr.parse(entry.address).kind() === address.kind());
  const near = list.find((entry) => address.match(ipaddr.parseCIDR(entry.cidr)));
  return (near ?? list.find((entry) => !entry.internal))?.address ?? fallback;
}
