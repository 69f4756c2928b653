import ipaddr from 'ipaddr.js';
import type { Problem } from './problems.js';
import type { Salvaged } from './salvage.js';
import type { RawConfig } from './schema.js';

type Input = Salvaged<RawConfig>;
interface Named {
  readonly key: string;
  readonly value: string | undefined;
}

/** A problem for each value that stands in a list for the second time. `shown` is false where values stay unprinted. */
function repeats(list: readonly Named[], what: string, fix: string, shown = true): Problem[] {
  const firstKeys = new Map<string, string>();
  return list.flatMap(({ key, value }): Problem[] => {
    if (value === undefined) return [];
    const first = firstKeys.get(value);
    if (first === undefined) {
      firstKeys.set(value, key);
      return [];
    }
    return [{ key, fault: `repeats ${what}${shown ? ` ${JSON.stringify(value)}` : ''} of ${first}`, fix }];
  });
}

function names(list: readonly ({ name?: string | undefined } | undefined)[] | undefined, path: string): Problem[] {
  const named = (list ?? []).map((item, index) => ({ key: `${path}[${index}].name`, value: item?.name }));
  return repeats(named, 'the name', 'Give each a name of its own');
}

const isAny = (host: string): boolean => host === '0.0.0.0' || host === '::';

function portClashes(config: Input): Problem[] {
  interface Bound {
    key: string;
    host: string;
    port: number;
  }
  const bound: Bound[] = [];
  const add = (key: string, host: string | undefined, port: number | undefined): void => {
    if (host !== undefined && port) bound.push({ key, host: host === 'localhost' ? '127.0.0.1' : host, port });
  };
  for (const [name, listener] of Object.entries(config.listeners ?? {})) add(`listeners.${name}.port`, listener?.host, listener?.port);
  const embeddedSip = config.sip?.servers?.length === 0;
  if (embeddedSip) add('sip.listen.port', config.sip?.listen?.host, config.sip?.listen?.port);
  return bound.flatMap((one, index): Problem[] => {
    const other = bound.slice(0, index).find((b) => b.port === one.port && (b.host === one.host || isAny(b.host) || isAny(one.host)));
    return other ? [{ key: one.key, fault: `is ${one.port}, which ${other.key} has on the same address`, fix: 'Give each listener a port of its own' }] : [];
  });
}

/** Results are posted to an address we hand out, and nobody can post to "any address". */
function unreachableUrls(config: Input): Problem[] {
  const core = config.listeners?.core;
  if (core?.host === undefined || !isAny(core.host) || core.url !== undefined) return [];
  return [{ key: 'listeners.core.url', fault: `is missing while host is ${core.host}`, fix: 'Give the address at which the authentication plugins reach this listener, such as http://gateway:8081' }];
}

/** The embedded media server writes its address into session descriptions: phones send there. */
function mediaAddress(config: Input): Problem[] {
  const { host, servers } = config.media ?? {};
  if (host === undefined || !isAny(host) || servers?.length !== 0) return [];
  return [{ key: 'media.host', fault: `is ${host}, to which nobody can send`, fix: 'Give the one address of this machine that phones and trunks reach' }];
}

function sipPortInRtpRange(config: Input): Problem[] {
  const { listen, servers } = config.sip ?? {};
  const range = config.media?.rtpPorts;
  const embedded = servers?.length === 0 && config.media?.servers?.length === 0;
  if (!embedded || !listen?.port || range?.min === undefined || range.max === undefined) return [];
  if (listen.port < range.min || listen.port > range.max || listen.host !== config.media?.host) return [];
  return [{ key: 'sip.listen.port', fault: `is ${listen.port}, inside media.rtpPorts ${range.min} to ${range.max}`, fix: 'Keep the SIP port out of the RTP range' }];
}

function trunks(config: Input): Problem[] {
  const addresses = (config.trunks ?? []).flatMap((trunk, t) =>
    (trunk?.addresses ?? []).map((address, a) => ({ key: `trunks[${t}].addresses[${a}]`, value: address === undefined ? undefined : canonicalRange(address) })),
  );
  return [...names(config.trunks, 'trunks'), ...repeats(addresses, 'the address', 'An address belongs to one trunk: remove it here or there')];
}

/** One spelling for each address or range, so that 10.1.2.3/8 and 10.0.0.0/8 are seen to be the same. */
function canonicalRange(text: string): string {
  if (!text.includes('/')) {
    const address = ipaddr.process(text);
    return `${address.toNormalizedString()}/${address.kind() === 'ipv4' ? 32 : 128}`;
  }
  const [address, bits] = ipaddr.parseCIDR(text);
  const network = address.kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(text) : ipaddr.IPv6.networkAddressFromCIDR(text);
  return `${network.toNormalizedString()}/${bits}`;
}

function services(config: Input): Problem[] {
  const list = config.services ?? [];
  const each = (pick: (service: NonNullable<(typeof list)[number]>) => (string | undefined)[] | undefined, field: string): Named[] =>
    list.flatMap((service, s) => (service ? (pick(service) ?? []).map((value, i) => ({ key: `services[${s}].${field}[${i}]`, value })) : []));
  return [
    ...names(list, 'services'),
    ...repeats(each((service) => service.numbers, 'numbers'), 'the number', 'A number leads to one service: remove it here or there'),
    ...repeats(each((service) => service.purposes, 'purposes'), 'the purpose', 'A purpose belongs to one service: remove it here or there'),
  ];
}

function agents(config: Input): Problem[] {
  const phones = (config.agents ?? []).map((agent, index) => ({ key: `agents[${index}].phone`, value: agent?.phone === undefined ? undefined : phoneKey(agent.phone) }));
  // Two agents on one phone: who answered would be unknown, and so whose screen may show the caller's identity.
  return [...names(config.agents, 'agents'), ...repeats(phones, 'the phone', 'Give each agent a phone of their own')];
}

/** A SIP address without its scheme and parameters, and with its host in lower case (RFC 3261 section 19.1.4). */
function phoneKey(uri: string): string {
  const [address = ''] = uri.replace(/^sips?:/, '').split(';');
  const at = address.lastIndexOf('@') + 1;
  return address.slice(0, at) + address.slice(at).toLowerCase();
}

function keysGiven(config: Input): Problem[] {
  const problems: Problem[] = [...names(config.idContact?.verificationKeys, 'idContact.verificationKeys')];
  const { codes } = config;
  if (codes?.hashKey !== undefined && codes.hashKeyFile !== undefined) {
    problems.push({ key: 'codes.hashKeyFile', fault: 'is given beside hashKey', fix: 'Keep one of hashKey and hashKeyFile' });
  }
  return problems;
}

/** Problems that show only when several keys are seen together. */
export function crossCheck(config: Input): Problem[] {
  return [...portClashes(config), ...unreachableUrls(config), ...mediaAddress(config), ...sipPortInRtpRange(config), ...trunks(config), ...services(config), ...agents(config), ...keysGiven(config)];
}

/** Keys that may be left out only for the demo, which makes its own. Looks at the input: a broken key is a given key. */
export function demoChecks(input: unknown, nodeEnv: string | undefined): Problem[] {
  const given = (...path: string[]): unknown => path.reduce<unknown>((at, key) => (at !== null && typeof at === 'object' ? (at as Record<string, unknown>)[key] : undefined), input);
  if (given('demo') === true) {
    if (nodeEnv !== 'production') return [];
    return [{ key: 'demo', fault: 'is true while NODE_ENV is production', fix: 'Remove it: the demo hands out identities to anyone' }];
  }
  const problems: Problem[] = [];
  if (given('idContact') !== undefined) {
    if (given('idContact', 'decryptionKey') === undefined) problems.push({ key: 'idContact.decryptionKey', fault: 'is missing', fix: 'Give our private key; only the demo makes its own' });
    const keys = given('idContact', 'verificationKeys');
    if (keys === undefined || (Array.isArray(keys) && keys.length === 0)) {
      problems.push({ key: 'idContact.verificationKeys', fault: 'is missing', fix: 'Give at least one authentication plugin’s public key; without it no result can be verified' });
    }
  }
  if (given('codes', 'hashKey') === undefined && given('codes', 'hashKeyFile') === undefined) {
    problems.push({ key: 'codes.hashKey', fault: 'is missing', fix: 'Give hashKey or hashKeyFile, 32 random characters or more: `openssl rand -hex 32`' });
  }
  return problems;
}
