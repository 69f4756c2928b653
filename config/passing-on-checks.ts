import ipaddr from 'ipaddr.js';
import type { PlacedTenant, Shared } from './forms.js';
import type { Problem } from './problems.js';
import { repeats, type Named } from './repeats.js';
import { bareNumber } from './schema/index.js';

/** An agent whom the PBX reports by somebody else's name would see that one's caller. */
export function identityChecks(tenants: readonly PlacedTenant[]): Problem[] {
  const reported = tenants.flatMap(({ at, tenant }) =>
    (tenant.agents ?? []).flatMap((agent, a): Named[] =>
      (agent?.identities ?? []).map((value, i) => ({ key: `${at}agents[${a}].identities[${i}]`, value: value === undefined ? undefined : bareNumber(value).toLowerCase() })),
    ),
  );
  return repeats(reported, 'the identity', 'What the PBX reports must name one agent: remove it here or there');
}

/** Agents who are told on the phone who calls. */
export function whisperChecks({ at, tenant }: PlacedTenant, shared: Shared): Problem[] {
  return (tenant.agents ?? []).flatMap((agent, a): Problem[] => {
    const { whisper, phone } = agent ?? {};
    if (whisper === undefined) return [];
    const key = `${at}agents[${a}].whisper`;
    const problems: Problem[] = [];
    if ((whisper.spell ?? []).length > 0 && whisper.pin === undefined && whisper.pinFile === undefined) problems.push({ key: `${key}.pin`, fault: 'is missing while something is to be spelled', fix: 'Give pin or pinFile: a phone may be picked up by anybody' });
    if (whisper.alwaysThere === true && shared.store?.kind === 'redis') problems.push({ key: `${key}.alwaysThere`, fault: 'is true on a gateway that may have several nodes', fix: 'Remove it, and let the agent log in on a screen' });
    if (whisper.alwaysThere === true && phone === undefined) problems.push({ key: `${key}.alwaysThere`, fault: 'is true for somebody without a phone', fix: 'Give the phone, or remove whisper' });
    return problems;
  });
}

/** Where calls go by trunks, and what comes back from there. */
export function passingOnChecks({ at, tenant }: PlacedTenant, shared: Shared): Problem[] {
  const problems: Problem[] = [];
  const { outside } = tenant;
  if (outside?.trunk !== undefined && shared.trunks) {
    const trunk = shared.trunks.find((one) => one?.name === outside.trunk);
    if (!trunk) problems.push({ key: `${at}outside.trunk`, fault: 'names a trunk that is not listed', fix: `Name one of ${shared.trunks.map((one) => one?.name).join(', ')}` });
    else if (trunk.outbound === undefined) problems.push({ key: `${at}outside.trunk`, fault: 'names a trunk without outbound', fix: 'Say in that trunk’s outbound where calls go, such as sip:{number}@192.0.2.10' });
  }
  for (const [s, service] of (tenant.services ?? []).entries()) {
    if (service?.queue?.callback === true && (outside?.callBackTo ?? []).length === 0) {
      problems.push({ key: `${at}services[${s}].queue.callback`, fault: 'is true while nobody may be called', fix: 'Give outside.trunk and outside.callBackTo, or remove callback' });
    }
    if (service?.queue?.overflow !== undefined && outside === undefined) {
      problems.push({ key: `${at}services[${s}].queue.overflow`, fault: 'is given while there are no calls to numbers outside', fix: 'Give outside with the trunk that takes them' });
    }
    const host = /@?\[?([^@\]:;]+)\]?(:\d+)?(;.*)?$/.exec(service?.handOver?.to?.replace(/^sips?:/, '') ?? '')?.[1];
    if (host === undefined || !ipaddr.isValid(host) || !shared.trunks || isListed(host, shared)) continue;
    // What a stranger reports of its agents is not believed.
    problems.push({ key: `${at}services[${s}].handOver.to`, fault: 'leads to an address that no trunk lists', fix: 'Add it to the addresses of the PBX’s trunk' });
  }
  return problems;
}

function isListed(host: string, { trunks }: Shared): boolean {
  const address = ipaddr.process(host);
  return (trunks ?? []).some((trunk) =>
    (trunk?.addresses ?? []).some((listed) => {
      if (listed === undefined) return false;
      if (!listed.includes('/')) return ipaddr.process(listed).toNormalizedString() === address.toNormalizedString();
      const network = ipaddr.parseCIDR(listed);
      return network[0].kind() === address.kind() && address.match(network);
    }),
  );
}
