import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Addresses that share their first bits; one address has all of them. */
export interface IpRange {
  readonly family: 4 | 6;
  readonly network: ipaddr.IPv4 | ipaddr.IPv6;
  readonly bits: number;
}

const MAPPED_BITS = 96;

/**
 * The range that an address or CIDR range stands for, the host's part of it and a zone left out. An IPv4 range that is
 * written as IPv6 (::ffff:192.0.2.0/120) is an IPv4 one: as such its packets arrive.
 * @returns undefined for anything else, names of hosts included
 */
export function ipRange(text: string): IpRange | undefined {
  const [, written = '', suffix] = /^([^/%]+)(?:%[^/]*)?(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  if (isIP(written) === 0) return undefined;
  const address = ipaddr.parse(written);
  const most = address.kind() === 'ipv4' ? 32 : 128;
  const bits = suffix === undefined ? most : Number(suffix);
  if (bits > most) return undefined;
  if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && bits >= MAPPED_BITS) return range(address.toIPv4Address(), bits - MAPPED_BITS);
  return range(address, bits);
}

function range(address: ipaddr.IPv4 | ipaddr.IPv6, bits: number): IpRange {
  if (address instanceof ipaddr.IPv4) return { family: 4, network: ipaddr.IPv4.networkAddressFromCIDR(`${address.toString()}/${bits}`), bits };
  return { family: 6, network: ipaddr.IPv6.networkAddressFromCIDR(`${address.toString()}/${bits}`), bits };
}

export const isWithin = (inner: IpRange, outer: IpRange): boolean => inner.family === outer.family && inner.bits >= outer.bits && inner.network.match(outer.network, outer.bits);

const loopback = ['127.0.0.0/8', '::1'].map((text) => ipRange(text)!);

/** Whether it is this machine alone. */
export const isLoopback = (range: IpRange): boolean => loopback.some((whole) => isWithin(range, whole));

/** `192.0.2.10`, or `192.0.2.0/24`. */
export const printRange = ({ family, network, bits }: IpRange): string => (bits === (family === 4 ? 32 : 128) ? network.toString() : `${network.toString()}/${bits}`);
