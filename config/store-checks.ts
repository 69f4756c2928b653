import type { Shared } from './forms.js';
import type { Problem } from './problems.js';
import { repeats } from './repeats.js';

const TOPOLOGIES = ['server', 'sentinel', 'cluster'] as const;
const ONLY_FOR_REDIS = [...TOPOLOGIES, 'username', 'password', 'passwordFile', 'tls'] as const;

/** Which keys of `store` go together. */
export function storeChecks({ store }: Shared, input: unknown): Problem[] {
  if (store?.kind === undefined) return [];
  // A broken group is a given group: its own problem is told elsewhere.
  const given = (key: string): boolean => (input as { store?: Record<string, unknown> } | undefined)?.store?.[key] !== undefined;
  if (store.kind === 'memory') {
    return ONLY_FOR_REDIS.filter(given).map((key) => ({ key: `store.${key}`, fault: 'is given while kind is memory', fix: 'Write kind: redis, or remove it' }));
  }
  const [first, ...more] = TOPOLOGIES.filter(given);
  const problems: Problem[] = more.map((key) => ({ key: `store.${key}`, fault: `is given beside ${first}`, fix: 'Keep exactly one of server, sentinel and cluster' }));
  if (first === undefined) problems.push({ key: 'store.server', fault: 'is missing', fix: 'Give exactly one of server, sentinel and cluster' });
  if (store.sealKeys?.length === 0) problems.push({ key: 'store.sealKeys', fault: 'is missing', fix: 'Give at least one, with 32 random bytes: `openssl rand -hex 32`' });
  const ids = (store.sealKeys ?? []).map((key, index) => ({ key: `store.sealKeys[${index}].id`, value: key?.id }));
  return [...problems, ...repeats(ids, 'the id', 'Give each key an id of its own'), ...halfCertificate(store.tls)];
}

function halfCertificate(tls: NonNullable<Shared['store']>['tls']): Problem[] {
  if (!tls) return [];
  const cert = tls.cert ?? tls.certFile;
  const key = tls.key ?? tls.keyFile;
  if ((cert === undefined) === (key === undefined)) return [];
  return [{ key: cert === undefined ? 'store.tls.cert' : 'store.tls.key', fault: 'is missing', fix: 'A client certificate and its private key go together: give both or neither' }];
}
