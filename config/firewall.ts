/** The ruleset of the host's firewall that belongs to a configuration; docs/docker.md says how it is used. */
import { ipRange, isLoopback, isWithin, printRange, type IpRange } from './ip-range.js';
import { ConfigError, type Problem } from './problems.js';
import { isAnyAddress } from './schema/index.js';
import type { Config } from './types.js';

interface Ports {
  readonly min: number;
  readonly max: number;
}

/** What a configuration does not say, because SIP and media servers that are not embedded have files of their own. */
export interface FirewallOptions {
  /** Where drachtio-server takes SIP; 5060 if left out. */
  readonly sipPort?: number;
  /** Where FreeSWITCH takes SIP from drachtio-server; `sip_port` of docker/freeswitch/vars.xml if left out. */
  readonly mediaSipPort?: number;
  /** FreeSWITCH's RTP ports, both ends included; those of docker/freeswitch/vars.xml if left out. */
  readonly rtpPorts?: Ports;
  /** Addresses or ranges of other gateways and engines of the site. */
  readonly nodes?: readonly string[];
}

/** As docker/compose.yaml and docker/freeswitch/vars.xml have them. */
const REAL = { sipPort: 5060, mediaSipPort: 5080, rtpPorts: { min: 20_000, max: 29_998 } };

/** Where Linux begins to take ports for what a host sends by itself (net.ipv4.ip_local_port_range). */
const FIRST_EPHEMERAL_PORT = 32_768;

/** A range with fewer bits than this is no list of peers any more. */
const WIDE = { 4: 8, 6: 20 };

/** An address that may come in, and on whose account. */
interface Peer {
  readonly range: IpRange;
  readonly who: string;
}

/** A SIP address of the configuration that the gateway calls. */
interface Called {
  readonly key: string;
  readonly host: string;
}

/**
 * A complete file for `nft -f`: a table of its own, which replaces the one that was loaded before.
 * @throws ConfigError when the ports that it should guard are not known or get in each other's way
 */
export function firewallRuleset(config: Config, options: FirewallOptions = {}): string {
  const ports = portsOf(config, options);
  const called = calledBy(config);
  const trunks = config.trunks.flatMap(({ name, addresses }) => addresses.flatMap((address) => peer(address, `trunk ${name}`)));
  const callees = called.flatMap(({ key, host }) => peer(host, key));
  const own = [...ownHosts(config).flatMap(({ key, host }) => peer(host, key)), ...(options.nodes ?? []).flatMap((node) => peer(node, '--node'))];
  const unlisted = callees.filter(({ range }) => !trunks.some((trunk) => isWithin(range, trunk.range)));
  const media = mediaPeers(config, ports.rtp, unlisted);
  const sip = [...trunks, ...callees];
  const hasOwn = own.length > 0 || innerPorts(ports).length > 0;
  const counters = ['sip', ...(media === undefined ? [] : ['rtp']), ...(innerPorts(ports).length > 0 ? ['engines'] : [])];

  return [
    ...heading(config, ports, media === undefined),
    ...trunkLines(config),
    ...warnings(config, ports, [...sip, ...(media ?? []), ...own]),
    ...names(called, ownHosts(config)),
    '',
    'table inet telephone_gateway',
    'delete table inet telephone_gateway',
    'table inet telephone_gateway {',
    ...sets('sip', sip),
    ...(media === undefined ? [] : sets('rtp', media)),
    ...(hasOwn ? sets('own', own) : []),
    ...counters.map((name) => `\tcounter ${name}_dropped {\n\t}\n`),
    ...chains(ports, { rtpIsClosed: media !== undefined, hasOwn }),
    '}',
    '',
  ].join('\n');
}

interface GuardedPorts {
  readonly sip: number;
  readonly rtp: Ports;
  /** FreeSWITCH's own SIP. */
  readonly mediaSip?: number;
  /** Where the gateway tells the engines what to do. TCP. */
  readonly control: readonly number[];
  readonly real: { readonly sip: boolean; readonly media: boolean };
}

/** @throws ConfigError with everything that is in the way */
function portsOf({ sip, media }: Config, options: FirewallOptions): GuardedPorts {
  const real = { sip: sip.servers.length > 0, media: media.servers.length > 0 };
  const problems: Problem[] = [];
  const needsReal = (option: string, value: unknown, isReal: boolean, fix: string): void => {
    if (value !== undefined && !isReal) problems.push({ key: option, fault: 'is given while that server is the embedded one', fix });
  };
  needsReal('--sip-port', options.sipPort, real.sip, 'Leave it out; sip.listen.port says it');
  needsReal('--media-sip-port', options.mediaSipPort, real.media, 'Leave it out');
  needsReal('--rtp-ports', options.rtpPorts, real.media, 'Leave it out; media.rtpPorts says it');

  const sipPort = real.sip ? (options.sipPort ?? REAL.sipPort) : sip.listen.port;
  const sipKey = real.sip ? '--sip-port' : 'sip.listen.port';
  const rtp = real.media ? (options.rtpPorts ?? REAL.rtpPorts) : media.rtpPorts;
  const mediaSip = real.media ? (options.mediaSipPort ?? REAL.mediaSipPort) : undefined;
  const control = [...sip.servers.map(({ port }, index) => ({ key: `sip.servers[${index}].port`, port })), ...media.servers.map(({ port }, index) => ({ key: `media.servers[${index}].port`, port }))];
  const forSip = mediaSip === undefined ? [] : [{ key: '--media-sip-port', port: mediaSip }];

  if (sipPort === 0) problems.push({ key: sipKey, fault: 'is 0, any free port, which no firewall can know', fix: 'Give a fixed port, such as 5060' });
  for (const { key, port } of [...forSip, ...control]) {
    if (port === sipPort) problems.push({ key, fault: `is ${port}, to which trunks are let in by ${sipKey}`, fix: `Correct it, or ${sipKey}` });
  }
  for (const { key, port } of [{ key: sipKey, port: sipPort }, ...forSip]) {
    if (port >= rtp.min && port <= rtp.max) problems.push({ key, fault: `is ${port}, inside the RTP ports ${printPorts(rtp)}`, fix: 'Keep SIP out of the RTP range' });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { sip: sipPort, rtp, ...(mediaSip === undefined ? {} : { mediaSip }), control: control.map(({ port }) => port), real };
}

/** The ports on which gateway and engines meet, in order. */
const innerPorts = ({ mediaSip, control }: GuardedPorts): number[] => [...new Set([...(mediaSip === undefined ? [] : [mediaSip]), ...control])].sort((a, b) => a - b);

/** Everybody the gateway calls: phones, queues of a PBX, trunks. Their requests within a call come from there. */
function calledBy({ trunks, tenants }: Config): Called[] {
  const outbound = trunks.flatMap(({ outbound }, index) => hostsOf(`trunks[${index}].outbound`, outbound));
  const ofTenants = tenants.flatMap(({ name, accounts, services }, index) => {
    const at = tenants.length === 1 && name === 'main' ? '' : `tenants[${index}].`;
    return [
      ...accounts.flatMap(({ phone }, a) => hostsOf(`${at}agents[${a}].phone`, phone)),
      ...services.flatMap(({ handOver }, s) => hostsOf(`${at}services[${s}].handOver.to`, handOver?.to)),
    ];
  });
  return [...outbound, ...ofTenants];
}

/** The host of a SIP address, and the one that `maddr` puts in its place (RFC 3261 section 19.1.1). */
function hostsOf(key: string, uri: string | undefined): Called[] {
  if (uri === undefined) return [];
  const address = uri.replace(/^sips?:/i, '').replace(/^.*@/s, '');
  const hosts = [/^(\[[^\]]*\]|[^:;?]*)/.exec(address)?.[1] ?? '', /;maddr=([^;?]*)/i.exec(address)?.[1] ?? ''];
  return hosts.filter((host) => host !== '').map((host) => ({ key, host: host.replace(/^\[|\]$/g, '') }));
}

/** The addresses by which gateway and engines know each other; the gateway's is this host where none is given. */
function ownHosts({ sip, media }: Config): Called[] {
  const hosts = [
    ...sip.servers.map(({ host }, index) => ({ key: `sip.servers[${index}].host`, host })),
    ...media.servers.flatMap(({ host, listenAddress, advertisedAddress }, index) => [
      { key: `media.servers[${index}].host`, host },
      { key: `media.servers[${index}].listenAddress`, host: listenAddress },
      { key: `media.servers[${index}].advertisedAddress`, host: advertisedAddress },
    ]),
    // An embedded engine beside a real one meets it from here.
    ...(sip.servers.length === 0 && media.servers.length > 0 ? [{ key: 'sip.listen.host', host: sip.listen.host }] : []),
    ...(media.servers.length === 0 && sip.servers.length > 0 ? [{ key: 'media.host', host: media.host }] : []),
  ];
  return hosts.filter((one): one is Called => one.host !== undefined && !isAnyAddress(one.host));
}

/** What comes from this host itself comes by the loopback interface, and needs no entry. */
function peer(text: string, who: string): Peer[] {
  const range = ipRange(text);
  return range === undefined || isLoopback(range) ? [] : [{ range, who }];
}

/** Who may send RTP; undefined when that cannot be said. */
function mediaPeers({ trunks }: Config, rtp: Ports, unlisted: readonly Peer[]): Peer[] | undefined {
  if (trunks.some(({ mediaAddresses }) => mediaAddresses.length === 0) || rtp.max >= FIRST_EPHEMERAL_PORT) return undefined;
  return [...trunks.flatMap(({ name, mediaAddresses }) => mediaAddresses.flatMap((address) => peer(address, `trunk ${name}`))), ...unlisted];
}

const printPorts = ({ min, max }: Ports): string => `${min}-${max}`;

function heading({ trunks }: Config, ports: GuardedPorts, rtpIsOpen: boolean): string[] {
  const { sip, rtp, real } = ports;
  const inner = innerPorts(ports);
  const lacking = trunks.filter(({ mediaAddresses }) => mediaAddresses.length === 0).length;
  return [
    '# Firewall of the telephone identity gateway, made from its configuration. Do not edit it: make it anew when trunks,',
    '# phones or servers change. Loading it (nft -f) replaces this table and touches no other one. More: docs/docker.md.',
    '#',
    '# No rule looks at connection tracking: what a stranger sends is dropped also where the host itself has sent there',
    '# before, and before another table can let it in as "established". What this host sends to itself passes.',
    '#',
    `# SIP, UDP and TCP ${sip}${real.sip ? ' (of the drachtio-server: --sip-port)' : ''}: only from trunks, and from the addresses that the gateway calls.`,
    ...(rtpIsOpen
      ? [
          `# RTP, UDP ${printPorts(rtp)}${real.media ? ' (of FreeSWITCH: --rtp-ports)' : ''}: open to everybody. Media comes from wherever a session description`,
          `# says, and closing these ports would cut calls. Give every trunk mediaAddresses to close them (${lacking} of ${trunks.length} without).`,
        ]
      : [
          `# RTP, UDP ${printPorts(rtp)}${real.media ? ' (of FreeSWITCH: --rtp-ports)' : ''}: only from mediaAddresses of the trunks. What the gateway calls and no trunk`,
          '# lists sends its media from the address that is called, or is not heard: list it in a trunk with mediaAddresses.',
        ]),
    ...(inner.length > 0 ? [`# ${inner.join(', ')}: gateway, drachtio-server and FreeSWITCH among themselves; nobody else.`] : []),
    '#',
  ];
}

function trunkLines({ trunks }: Config): string[] {
  const count = (list: readonly string[]): string => `${list.length} ${list.length === 1 ? 'address or range' : 'addresses or ranges'}`;
  return trunks.map(({ name, addresses, mediaAddresses }) => comment(`trunk ${name}: SIP from ${count(addresses)}, media from ${mediaAddresses.length === 0 ? 'anywhere (no mediaAddresses)' : count(mediaAddresses)}`));
}

/** Every line begins with `# WARNING`, which the command repeats for whoever does not read the file. */
function warnings({ trunks }: Config, { rtp, real }: GuardedPorts, peers: readonly Peer[]): string[] {
  const wide = peers.filter(({ range }) => range.bits < WIDE[range.family]).map(({ range, who }) => `${who}: ${printRange(range)} lets in much of the world. Give the addresses that it really has`);
  const needless = trunks.every(({ mediaAddresses }) => mediaAddresses.length > 0) && rtp.max >= FIRST_EPHEMERAL_PORT;
  const overlap = `${real.media ? '--rtp-ports' : 'media.rtpPorts'}: RTP stays open, because ${printPorts(rtp)} reaches into the ports from ${FIRST_EPHEMERAL_PORT} on, where answers to this host's own questions arrive. End the range below`;
  return [...new Set([...wide, ...(needless ? [overlap] : [])])].map((text) => comment(`WARNING: ${text}.`));
}

/** A ruleset holds addresses, and what a name stands for may change while it is loaded. */
function names(called: readonly Called[], own: readonly Called[]): string[] {
  const lines = (list: readonly Called[], what: string): string[] => {
    const keys = new Map<string, string[]>();
    for (const { key, host } of list) {
      if (ipRange(host) === undefined && host.toLowerCase() !== 'localhost') keys.set(host, [...(keys.get(host) ?? []), key]);
    }
    return [...keys].map(([host, those]) => comment(`${host} (${enumerate(those)}) is a name: ${what}`));
  };
  return [...lines(called, 'list its addresses in trunks[].addresses, or it is not heard.'), ...lines(own, 'if that is another host, give its address with --node.')];
}

/** The two sets of a kind. A range within another one stands there once, with all on whose account it does. */
function sets(name: string, peers: readonly Peer[]): string[] {
  const merged = merge(peers);
  return ([4, 6] as const).map((family) => {
    const elements = merged.filter(({ range }) => range.family === family).map(({ range, who }) => `\t\t\t${printRange(range)},  ${comment(enumerate([...who]))}\n`);
    const list = elements.length === 0 ? '' : `\t\telements = {\n${elements.join('')}\t\t}\n`;
    return `\tset ${name}${family} {\n\t\ttype ipv${family}_addr\n\t\tflags interval\n\t\tauto-merge\n${list}\t}\n`;
  });
}

function merge(peers: readonly Peer[]): { range: IpRange; who: Set<string> }[] {
  const merged: { range: IpRange; who: Set<string> }[] = [];
  // In this order a range stands directly behind the one that holds it: CIDR ranges hold each other or do not meet.
  for (const { range, who } of [...peers].sort((a, b) => compare(a.range, b.range))) {
    const last = merged.at(-1);
    if (last !== undefined && isWithin(range, last.range)) last.who.add(who);
    else merged.push({ range, who: new Set([who]) });
  }
  return merged;
}

function compare(a: IpRange, b: IpRange): number {
  if (a.family !== b.family) return a.family - b.family;
  const [one, other] = [a.network.toByteArray(), b.network.toByteArray()];
  const differs = one.findIndex((byte, index) => byte !== other[index]);
  return differs < 0 ? a.bits - b.bits : one[differs]! - other[differs]!;
}

function enumerate(list: readonly string[]): string {
  const shown = list.slice(0, 4);
  return `${shown.join(', ')}${list.length > shown.length ? ` and ${list.length - shown.length} more` : ''}`;
}

function chains(ports: GuardedPorts, { rtpIsClosed, hasOwn }: { rtpIsClosed: boolean; hasOwn: boolean }): string[] {
  const { sip, rtp, mediaSip } = ports;
  const chain = (name: string, rules: readonly string[]): string => `\tchain ${name} {\n${rules.map((rule) => `\t\t${rule}\n`).join('')}\t}\n`;
  const listed = (name: string): string => chain(name, [`ip saddr @${name}4 accept`, `ip6 saddr @${name}6 accept`, `counter name "${name}_dropped" drop`]);
  const inner = innerPorts(ports);
  return [
    listed('sip'),
    ...(rtpIsClosed ? [listed('rtp')] : []),
    chain('guard', [
      'iifname "lo" accept',
      // Whoever writes one of them into a packet from outside is a stranger all the same: the address may be a published default.
      ...(hasOwn ? ['# An address of our own counts only on the interface that leads there.', ...[4, 6].map((family) => `${family === 4 ? 'ip' : 'ip6'} saddr @own${family} fib saddr . iif oif exists accept`)] : []),
      `meta l4proto { tcp, udp } th dport ${sip} jump sip`,
      ...(rtpIsClosed ? [`udp dport ${printPorts(rtp)} jump rtp`] : []),
      ...(mediaSip === undefined ? [] : [`udp dport ${mediaSip} counter name "engines_dropped" drop`]),
      ...(inner.length > 0 ? [`tcp dport { ${inner.join(', ')} } counter name "engines_dropped" drop`] : []),
    ]),
    '\t# Before connection tracking, and before a port that Docker publishes is translated.',
    chain('before', ['type filter hook prerouting priority raw; policy accept;', 'fib daddr type local jump guard']),
    '\t# And once more where all that is for this host arrives, however it came to its port.',
    chain('arriving', ['type filter hook input priority filter - 10; policy accept;', 'jump guard']).trimEnd(),
  ];
}

/** A comment of one line, whatever is in the text: names come from a file, and must not become rules. */
function comment(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]|\\/g, '?');
  return `# ${plain.length > 400 ? `${plain.slice(0, 397)}...` : plain}`;
}
