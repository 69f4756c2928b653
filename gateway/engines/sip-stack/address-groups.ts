/** Whose address it is: groups of networks, each of which is one peer, however many addresses it sends from. */
import ipaddr from 'ipaddr.js';

type Network = [ipaddr.IPv4 | ipaddr.IPv6, number];

/**
 * Finds the group an address belongs to. The most specific network wins, so that one peer inside another's network can
 * be somebody of its own.
 */
export class AddressGroups<Group> {
  private readonly ranges: { group: Group; network: Network }[];
  /** What was looked up before: the same few addresses send nearly everything. */
  private readonly found = new Map<string, Group | undefined>();

  /** @param groups addresses and CIDR ranges of each; one that is neither is an error of whoever wrote it */
  constructor(groups: Iterable<{ group: Group; addresses: readonly string[] }>) {
    this.ranges = [...groups].flatMap(({ group, addresses }) => addresses.map((address) => ({ group, network: toNetwork(address) })));
    this.ranges.sort((a, b) => b.network[1] - a.network[1]);
  }

  /** @returns undefined for an address of nobody, and for what is no address */
  of(address: string): Group | undefined {
    if (this.found.has(address)) return this.found.get(address);
    const group = this.look(address);
    // Strangers may come from everywhere: what is remembered is bounded.
    if (this.found.size >= MAX_REMEMBERED) this.found.clear();
    this.found.set(address, group);
    return group;
  }

  private look(address: string): Group | undefined {
    if (!ipaddr.isValid(address)) return undefined;
    const parsed = ipaddr.process(address);
    return this.ranges.find(({ network }) => parsed.kind() === network[0].kind() && parsed.match(network))?.group;
  }
}

const MAX_REMEMBERED = 10_000;

/** An IPv4 range that is written as IPv6 is an IPv4 one: as such its packets arrive (RFC 4291 section 2.5.5.2). */
function toNetwork(address: string): Network {
  if (address.includes('/')) {
    const [network, bits] = ipaddr.parseCIDR(address);
    return network instanceof ipaddr.IPv6 && network.isIPv4MappedAddress() && bits >= 96 ? [network.toIPv4Address(), bits - 96] : [network, bits];
  }
  const parsed = ipaddr.process(address);
  return [parsed, parsed.kind() === 'ipv4' ? 32 : 128];
}
