/** Trunks: the PBXs and carriers we exchange calls with. For now a trunk is a list of addresses. */
import ipaddr from 'ipaddr.js';
import type { Config } from '../../config/index.js';

export type TrunkConfig = Config['trunks'][number];

/**
 * Finds the trunk an address belongs to.
 * The most specific listed address wins, so that one PBX inside a listed network can have settings of its own.
 */
export class Trunks {
  private readonly ranges: { trunk: TrunkConfig; network: [ipaddr.IPv4 | ipaddr.IPv6, number] }[];

  constructor(trunks: readonly TrunkConfig[]) {
    this.ranges = trunks.flatMap((trunk) => trunk.addresses.map((address) => ({ trunk, network: toNetwork(address) })));
    this.ranges.sort((a, b) => b.network[1] - a.network[1]);
  }

  /** @returns the trunk that lists this address, or undefined for a stranger. */
  of(address: string): TrunkConfig | undefined {
    if (!ipaddr.isValid(address)) return undefined;
    const parsed = ipaddr.process(address);
    return this.ranges.find(({ network }) => parsed.kind() === network[0].kind() && parsed.match(network))?.trunk;
  }
}

function toNetwork(address: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  if (address.includes('/')) return ipaddr.parseCIDR(address);
  const parsed = ipaddr.process(address);
  return [parsed, parsed.kind() === 'ipv4' ? 32 : 128];
}
