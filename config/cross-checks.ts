import ipaddr from 'ipaddr.js';
import type { Shared, Understood } from './forms.js';
import type { Problem } from './problems.js';
import { repeatedNames, repeats } from './repeats.js';
import { isAnyAddress } from './schema/index.js';
import { signInChecks } from './sign-in-checks.js';
import { storeChecks } from './store-checks.js';
import { tenantChecks } from './tenant-checks.js';

function portClashes(config: Shared): Problem[] {
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
    const other = bound.slice(0, index).find((b) => b.port === one.port && (b.host === one.host || isAnyAddress(b.host) || isAnyAddress(one.host)));
    return other ? [{ key: one.key, fault: `is ${one.port}, which ${other.key} has on the same address`, fix: 'Give each listener a port of its own' }] : [];
  });
}

/** Results are posted to an address we hand out, and nobody can post to "any address". */
function unreachableUrls(config: Shared): Problem[] {
  const core = config.listeners?.core;
  if (core?.host === undefined || !isAnyAddress(core.host) || core.url !== undefined) return [];
  return [{ key: 'listeners.core.url', fault: `is missing while host is ${core.host}`, fix: 'Give the address at which the authentication plugins reach this listener, such as http://gateway:8081' }];
}

/** The embedded media server writes its address into session descriptions: phones send there. */
function mediaAddress(config: Shared): Problem[] {
  const { host, servers } = config.media ?? {};
  if (host === undefined || !isAnyAddress(host) || servers?.length !== 0) return [];
  return [{ key: 'media.host', fault: `is ${host}, to which nobody can send`, fix: 'Give the one address of this machine that phones and trunks reach' }];
}

function sipPortInRtpRange(config: Shared): Problem[] {
  const { listen, servers } = config.sip ?? {};
  const range = config.media?.rtpPorts;
  const embedded = servers?.length === 0 && config.media?.servers?.length === 0;
  if (!embedded || !listen?.port || range?.min === undefined || range.max === undefined) return [];
  if (listen.port < range.min || listen.port > range.max || listen.host !== config.media?.host) return [];
  return [{ key: 'sip.listen.port', fault: `is ${listen.port}, inside media.rtpPorts ${range.min} to ${range.max}`, fix: 'Keep the SIP port out of the RTP range' }];
}

function trunks(config: Shared): Problem[] {
  const addresses = (config.trunks ?? []).flatMap((trunk, t) =>
    (trunk?.addresses ?? []).map((address, a) => ({ key: `trunks[${t}].addresses[${a}]`, value: address === undefined ? undefined : canonicalRange(address) })),
  );
  return [...repeatedNames(config.trunks, 'trunks'), ...repeats(addresses, 'the address', 'An address belongs to one trunk: remove it here or there'), ...shares(config), ...learners(config)];
}

/** The media server is told them with each call. */
const mostLearnedFrom = 64;

/** A peer behind NAT has an address or a few; who lists very many means to keep others out, which is what `described` does. */
function learners({ trunks }: Shared): Problem[] {
  return (trunks ?? []).flatMap((trunk, t): Problem[] => {
    if (trunk?.mediaSource !== 'learn') return [];
    return (['addresses', 'mediaAddresses'] as const).flatMap((list): Problem[] => {
      const count = trunk[list]?.length ?? 0;
      return count < mostLearnedFrom ? [] : [{ key: `trunks[${t}].${list}`, fault: `has ${count} entries, of which a trunk with mediaSource learn may have ${mostLearnedFrom - 1}`, fix: 'Name ranges in place of addresses, or make several trunks of it' }];
    });
  });
}

/** A share of one trunk that is larger than the whole is a mistake of one of the two numbers. */
function shares({ trunks, calls }: Shared): Problem[] {
  const whole = calls?.maxCalls;
  return (trunks ?? []).flatMap((trunk, t): Problem[] => {
    const maxCalls = trunk?.maxCalls;
    if (maxCalls === undefined || whole === undefined || maxCalls <= whole) return [];
    return [{ key: `trunks[${t}].maxCalls`, fault: `is ${maxCalls}, more than calls.maxCalls, ${whole}`, fix: 'Lower it, or raise calls.maxCalls' }];
  });
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

/** Problems that show only when several keys are seen together. */
export function crossCheck(understood: Understood, input: unknown): Problem[] {
  const { shared } = understood;
  return [...portClashes(shared), ...unreachableUrls(shared), ...mediaAddress(shared), ...sipPortInRtpRange(shared), ...trunks(shared), ...storeChecks(shared, input), ...tenantChecks(understood), ...signInChecks(understood, input)];
}

/** The value at a path of the input, as it was given. */
function given(input: unknown, ...path: (string | number)[]): unknown {
  return path.reduce<unknown>((at, key) => (at !== null && typeof at === 'object' ? (at as Record<string | number, unknown>)[key] : undefined), input);
}

/** Keys that may be left out only for the demo, which makes its own. Looks at the input: a broken key is a given key. */
export function demoChecks(input: unknown, tenants: Understood['tenants'], nodeEnv: string | undefined): Problem[] {
  if (given(input, 'demo') === true) {
    if (nodeEnv !== 'production') return [];
    return [{ key: 'demo', fault: 'is true while NODE_ENV is production', fix: 'Remove it: the demo hands out identities to anyone' }];
  }
  return tenants.flatMap(({ at }, index) => missingKeys(at === '' ? input : given(input, 'tenants', index), at));
}

function missingKeys(tenant: unknown, at: string): Problem[] {
  const problems: Problem[] = [];
  if (given(tenant, 'idContact') !== undefined) {
    if (given(tenant, 'idContact', 'decryptionKey') === undefined) problems.push({ key: `${at}idContact.decryptionKey`, fault: 'is missing', fix: 'Give our private key; only the demo makes its own' });
    const keys = given(tenant, 'idContact', 'verificationKeys');
    if (keys === undefined || (Array.isArray(keys) && keys.length === 0)) {
      problems.push({ key: `${at}idContact.verificationKeys`, fault: 'is missing', fix: 'Give at least one authentication plugin’s public key; without it no result can be verified' });
    }
  }
  if (given(tenant, 'codes', 'hashKey') === undefined && given(tenant, 'codes', 'hashKeyFile') === undefined) {
    problems.push({ key: `${at}codes.hashKey`, fault: 'is missing', fix: 'Give hashKey or hashKeyFile, 32 random characters or more: `openssl rand -hex 32`' });
  }
  return problems;
}
