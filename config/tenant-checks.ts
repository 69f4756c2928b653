import type { PlacedTenant, Shared, Understood } from './forms.js';
import { identityChecks, passingOnChecks, whisperChecks } from './passing-on-checks.js';
import type { Problem } from './problems.js';
import { queueChecks } from './queue-checks.js';
import { repeatedNames, repeats, type Named } from './repeats.js';
import { isAnyAddress, ONLY_TENANT } from './schema/index.js';

/** A SIP address without its scheme and parameters, and with its host in lower case (RFC 3261 section 19.1.4). */
function phoneKey(uri: string): string {
  const [address = ''] = uri.replace(/^sips?:/, '').split(';');
  const at = address.lastIndexOf('@') + 1;
  return address.slice(0, at) + address.slice(at).toLowerCase();
}

/** The values of a field of each service; `field` is a list. */
function ofServices({ at, tenant }: PlacedTenant, field: 'numbers' | 'purposes'): Named[] {
  return (tenant.services ?? []).flatMap((service, s) => (service?.[field] ?? []).map((value, i) => ({ key: `${at}services[${s}].${field}[${i}]`, value })));
}

function ofAgents({ at, tenant }: PlacedTenant, field: 'name' | 'phone'): Named[] {
  return (tenant.agents ?? []).map((agent, index) => ({ key: `${at}agents[${index}].${field}`, value: agent?.[field] }));
}

/** What may stand once over all tenants: a call, a login and a phone belong to one of them. */
function acrossTenants(tenants: readonly PlacedTenant[]): Problem[] {
  const phones = tenants.flatMap((tenant) => ofAgents(tenant, 'phone')).map(({ key, value }) => ({ key, value: value === undefined ? undefined : phoneKey(value) }));
  return [
    ...repeatedNames(tenants.map(({ tenant }) => tenant), 'tenants'),
    ...repeats(tenants.flatMap((tenant) => ofServices(tenant, 'numbers')), 'the number', 'A number leads to one service: remove it here or there'),
    ...repeats(tenants.flatMap((tenant) => ofAgents(tenant, 'name')), 'the name', 'Give each a name of its own'),
    // Two agents on one phone: who answered would be unknown, and so whose screen may show the caller's identity.
    ...repeats(phones, 'the phone', 'Give each agent a phone of their own'),
  ];
}

function services(placed: PlacedTenant): Problem[] {
  const { at, tenant } = placed;
  const purposes = ofServices(placed, 'purposes');
  const problems = [...repeatedNames(tenant.services, `${at}services`), ...repeats(purposes, 'the purpose', 'A purpose belongs to one service: remove it here or there')];
  for (const [s, service] of (tenant.services ?? []).entries()) {
    if (!service?.purposes) continue;
    for (const [i, value] of (service.unauthenticatedPurposes ?? []).entries()) {
      if (value === undefined || service.purposes.includes(value)) continue;
      problems.push({ key: `${at}services[${s}].unauthenticatedPurposes[${i}]`, fault: 'is not among the purposes of its service', fix: 'Add it to purposes too, or correct it' });
    }
  }
  const known = new Set(purposes.map(({ value }) => value));
  if (tenant.services?.every((service) => service?.purposes)) {
    for (const purpose of Object.keys(tenant.purposeLabels ?? {})) {
      if (!known.has(purpose)) problems.push({ key: `${at}purposeLabels`, fault: 'names a purpose that no service has', fix: `Correct or remove it; known are ${[...known].join(', ')}` });
    }
  }
  return problems;
}

function codes({ at, tenant }: PlacedTenant): Problem[] {
  const problems: Problem[] = [];
  const { digits, maxDigits, lifetimeSeconds, longestLifetimeSeconds, hashKey, hashKeyFile } = tenant.codes ?? {};
  if (hashKey !== undefined && hashKeyFile !== undefined) problems.push({ key: `${at}codes.hashKeyFile`, fault: 'is given beside hashKey', fix: 'Keep one of hashKey and hashKeyFile' });
  if (digits !== undefined && maxDigits !== undefined && maxDigits < digits) problems.push({ key: `${at}codes.maxDigits`, fault: `is ${maxDigits}, which is below digits, ${digits}`, fix: 'Let maxDigits be the larger one' });
  if (lifetimeSeconds !== undefined && longestLifetimeSeconds !== undefined && longestLifetimeSeconds < lifetimeSeconds) {
    problems.push({ key: `${at}codes.longestLifetimeSeconds`, fault: `is ${longestLifetimeSeconds}, which is below lifetimeSeconds, ${lifetimeSeconds}`, fix: 'Let longestLifetimeSeconds be the larger one' });
  }
  return problems;
}

function core({ at, tenant }: PlacedTenant, { listeners, demo }: Shared): Problem[] {
  const problems: Problem[] = [];
  const { coreUrl, signingKey, coreCertificateNames } = tenant.idContact ?? {};
  if (coreUrl !== undefined && signingKey === undefined && demo !== true) problems.push({ key: `${at}idContact.signingKey`, fault: 'is missing while coreUrl is given', fix: 'Give our private key with which requests to the core are signed' });
  if (signingKey !== undefined && coreUrl === undefined && demo !== true) problems.push({ key: `${at}idContact.coreUrl`, fault: 'is missing while signingKey is given', fix: 'Give the address of the core that takes signed requests, or remove signingKey' });
  const { tls } = listeners?.core ?? {};
  if (coreCertificateNames?.length && listeners?.core !== undefined && tls?.clientCa === undefined && tls?.clientCaFile === undefined) {
    problems.push({ key: `${at}idContact.coreCertificateNames`, fault: 'is given while listeners.core.tls has no clientCa', fix: 'Give clientCa, without which nobody is asked for a certificate' });
  }
  return problems;
}

/** A name for a login means that nobody uses would never be seen. */
function screens({ at, tenant }: PlacedTenant, { demo }: Shared): Problem[] {
  const plugins = tenant.idContact?.verificationKeys;
  // The demo adds a plugin of its own.
  if (demo !== false || !plugins || plugins.some((plugin) => plugin?.name === undefined)) return [];
  const known = [...new Set(plugins.map((plugin) => plugin?.name))];
  return Object.keys(tenant.screen?.loginMeans ?? {})
    .filter((means) => !known.includes(means))
    .map((means) => ({ key: `${at}screen.loginMeans`, fault: `names ${means}, which is no authentication plugin`, fix: `Correct or remove it; known are ${known.join(', ')}` }));
}

/** Names in `cti`: each its own, and agents that there are. */
function cti({ at, tenant }: PlacedTenant): Problem[] {
  const { subscribers, webhooks } = tenant.cti ?? {};
  const known = new Set((tenant.agents ?? []).map((agent) => agent?.name));
  const strangers = ([['subscribers', subscribers], ['webhooks', webhooks]] as const).flatMap(([list, entries]) => (entries ?? []).flatMap((entry, index): Problem[] => {
    if (entry?.agent === undefined || known.has(entry.agent)) return [];
    return [{ key: `${at}cti.${list}[${index}].agent`, fault: 'names nobody of agents', fix: 'Correct it, or leave it out to hear of the whole municipality' }];
  }));
  return [...repeatedNames(subscribers, `${at}cti.subscribers`), ...repeatedNames(webhooks, `${at}cti.webhooks`), ...strangers];
}

/** The only tenant of a file without `tenants` has addresses without a name in them. */
function reservedNames(tenants: readonly PlacedTenant[]): Problem[] {
  const reserved = tenants.filter(({ at, tenant }) => at !== '' && tenant.name === ONLY_TENANT);
  return reserved.map(({ at }) => ({ key: `${at}name`, fault: `is ${ONLY_TENANT}, which is the only tenant of a file without tenants`, fix: 'Name it after the municipality' }));
}

/** Citizens are sent to our pages, and nobody can be sent to "any address". */
function unreachablePages(shared: Shared, tenants: readonly PlacedTenant[]): Problem[] {
  const { host, url } = shared.listeners?.public ?? {};
  const sends = tenants.some(({ tenant }) => tenant.idContact?.clientUrl === 'page' || tenant.idContact?.coreUrl !== undefined);
  if (!sends || !isAnyAddress(host) || url !== undefined) return [];
  return [{ key: 'listeners.public.url', fault: `is missing while host is ${host}`, fix: 'Give the address at which citizens reach our pages, such as https://telephone.example.org' }];
}

/** Problems within the tenants, and between them. */
export function tenantChecks({ shared, tenants }: Understood): Problem[] {
  return [
    ...acrossTenants(tenants),
    ...identityChecks(tenants),
    ...tenants.flatMap((placed) => [...services(placed), ...queueChecks(placed), ...codes(placed), ...cti(placed), ...core(placed, shared), ...screens(placed, shared), ...passingOnChecks(placed, shared), ...whisperChecks(placed, shared)]),
    ...reservedNames(tenants),
    ...unreachablePages(shared, tenants),
  ];
}
