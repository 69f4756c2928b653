/**
 * Whose media counts at an endpoint: one rule for each peer, made from what the configuration says of its trunk or phone,
 * and told to the media server when the endpoint is made (docs/whose-call.md).
 */
import { BlockList, isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { AccountConfig, Config } from '../../config/types.js';
import { OfferRefused } from '../sip/reinvite.js';

type Trunk = Pick<Config['trunks'][number], 'addresses' | 'mediaSource' | 'mediaAddresses'>;

export class MediaSource {
  /** What the media server is told in the INVITE that makes the endpoint. */
  readonly headers: Readonly<Record<string, string>>;
  private readonly allowed: BlockList | undefined;

  /**
   * @param mode `described`: media counts from the address in the peer's session description; `learn`: also from `networks`
   * @param networks where a peer behind NAT may be besides, IPv4 addresses and ranges
   * @param only nothing outside of these counts, and no description may name anything else; undefined: no such bounds
   */
  constructor(readonly mode: 'described' | 'learn', networks: readonly string[], only?: readonly string[]) {
    this.headers = {
      'X-Media-Source': mode,
      ...(mode === 'learn' && networks.length > 0 && { 'X-Media-Networks': networks.join(', ') }),
      ...(mode === 'learn' && only && networks.length > 0 && { 'X-Media-Restricted': 'true' }),
    };
    if (!only) return;
    this.allowed = new BlockList();
    for (const range of only) this.allowed.addSubnet(range.split('/')[0]!, Number(range.split('/')[1] ?? 32), 'ipv4');
  }

  /**
   * A description as the media server may have it: its address is one that this peer may name, and nothing in it leads the
   * media server elsewhere.
   * @param sdp of one audio stream
   * @throws OfferRefused 488 when it names an address that it may not
   */
  admit(sdp: string): string {
    const address = describedAddress(sdp);
    if (address === undefined) throw new OfferRefused(488, 'the session description does not name one IPv4 address for its media');
    // The hold of RFC 2543 names nobody.
    if (address !== '0.0.0.0' && this.allowed?.check(address, 'ipv4') === false) throw new OfferRefused(488, 'the session description names an address that is not among mediaAddresses');
    return withoutOtherPlaces(sdp, address);
  }
}

/** What counts where nothing else was said. */
export const described = new MediaSource('described', []);

/**
 * The rule for a peer that a trunk brings, or to which a trunk leads.
 * @param signalling where its SIP comes from, or goes to; a name is no address and is left out
 */
export function mediaSourceOf(trunk: Trunk | undefined, signalling: string | undefined, mode = trunk?.mediaSource ?? 'described'): MediaSource {
  const only = trunk && trunk.mediaAddresses.length > 0 ? ipv4Ranges(trunk.mediaAddresses) : undefined;
  if (mode === 'described') return only ? new MediaSource(mode, [], only) : described;
  // Of a trunk that lists a whole network, everybody in it would be learned: hosts only.
  const hosts = ipv4Ranges([...(signalling === undefined ? [] : [signalling]), ...(trunk?.addresses ?? [])]).filter((range) => !range.includes('/'));
  return new MediaSource(mode, only ?? [...new Set(hosts)], only);
}

/** The rule for a phone that we ring. @param own what is set for this very phone */
export function mediaSourceOfPhone(uri: string, trunk: Trunk | undefined, own: AccountConfig['mediaSource']): MediaSource {
  return mediaSourceOf(trunk, /^sips?:(?:[^@]*@)?([^:;?>]+)/i.exec(uri)?.[1], own);
}

/**
 * Whose rule a media server that is not ours cannot keep: FreeSWITCH learns from everybody or from nobody. Who learns has to
 * have a firewall before the media ports.
 */
export function learnsUnbounded({ trunks, tenants }: Pick<Config, 'trunks' | 'tenants'>): { trunks: string[]; agents: string[] } {
  return {
    trunks: trunks.filter(({ mediaSource }) => mediaSource === 'learn').map(({ name }) => name),
    agents: tenants.flatMap(({ accounts }) => accounts.filter(({ mediaSource }) => mediaSource === 'learn').map(({ name }) => name)),
  };
}

/** IPv4 addresses and ranges in one spelling each; those of IPv6, by which no media comes, are left out, and so are names. */
function ipv4Ranges(texts: readonly string[]): string[] {
  return texts.flatMap((text) => {
    if (!text.includes('/')) {
      if (!ipaddr.isValid(text)) return [];
      const address = ipaddr.process(text);
      return address.kind() === 'ipv4' ? [address.toString()] : [];
    }
    if (!ipaddr.isValidCIDR(text)) return [];
    const [address, bits] = ipaddr.parseCIDR(text);
    if (address.kind() === 'ipv4') return [bits === 32 ? address.toString() : `${address.toString()}/${bits}`];
    const mapped = address as ipaddr.IPv6;
    return mapped.isIPv4MappedAddress() && bits >= 96 ? [`${mapped.toIPv4Address().toString()}/${bits - 96}`] : [];
  });
}

const lineEnd = /\r\n|\r|\n/;

/**
 * Where a description says that its media is: the line of its stream, or else that of the session. Undefined for a name, an
 * address of IPv6 or a group, and where one place has several lines: of those each reader would choose its own.
 */
export function describedAddress(sdp: string): string | undefined {
  const levels: string[][] = [[]];
  for (const line of sdp.split(lineEnd)) {
    if (line.startsWith('m=')) levels.push([]);
    else if (line.startsWith('c=')) levels.at(-1)!.push(line);
  }
  const [session = [], media = []] = levels;
  if (levels.length !== 2 || session.length > 1 || media.length > 1) return undefined;
  const address = /^c=IN IP4 (\S+)[ \t]*$/.exec(media[0] ?? session[0] ?? '')?.[1];
  return address !== undefined && isIPv4(address) && Number(address.split('.')[0]) < 224 ? address : undefined;
}

/**
 * Without the lines that name further places: reports to somebody else, and candidates of ICE, with which FreeSWITCH was
 * read to take packets from everywhere.
 */
function withoutOtherPlaces(sdp: string, address: string): string {
  return sdp
    .split(lineEnd)
    .filter((line) => !/^a=(candidate|remote-candidates|ice-[a-z-]+|end-of-candidates)\b/i.test(line))
    .filter((line) => {
      const rtcp = /^a=rtcp:\d+[ \t]+(\S.*)$/i.exec(line)?.[1];
      return rtcp === undefined || rtcp.trim() === `IN IP4 ${address}`;
    })
    .join('\r\n');
}
