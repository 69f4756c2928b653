import type { Logger } from 'pino';
import type { Tenant } from '../../config/index.js';
import { attrUrl, pageUrl, tenantPath } from '../core-api/addresses.js';
import type { RedisLink } from '../redis/connect.js';
import { CallIdentification, type CallIdentificationOptions } from './call-identification.js';
import { CoreClient } from './core-client.js';
import { MemoryPairings } from './pairing-store.js';
import { RedisPairings } from './redis-pairings.js';
import { Webhook } from './webhook.js';

export { CallIdentification } from './call-identification.js';
export { IdentifyError, type Identification, type IdentifyErrorCode, type PairingInvitation } from './identify.js';
export { pairingPages, type PairingPagesOptions } from './pairing-pages.js';

export interface IdentificationOptions {
  readonly tenant: Pick<Tenant, 'name' | 'idContact' | 'codes' | 'identify'>;
  readonly vault: CallIdentificationOptions['vault'];
  /** Where pairings are kept, so that any node's page finds them; in memory when left out. */
  readonly redis?: { readonly link: RedisLink; readonly prefix: string };
  /** Invitations open at one time. A caller has one, so as many as there are calls is enough. */
  readonly maxOpen: number;
  /** Base address of the public listener. */
  readonly publicUrl: () => string;
  /** Base address of the core listener. */
  readonly resultsUrl: () => string;
  /** In place of the tenant's `coreUrl`: the demo's core is where the public listener is. */
  readonly coreUrl?: () => string;
  readonly log: Logger;
}

/** One tenant's authentication during the call. */
export function createIdentification(options: IdentificationOptions): CallIdentification {
  const { tenant, vault, redis, maxOpen, publicUrl, resultsUrl, log } = options;
  const { name, signingKey, coreUrl: configured } = tenant.idContact;
  const { pairingDigits, lifetimeSeconds, address, webhook } = tenant.identify;
  const coreUrl = options.coreUrl ?? (configured === undefined ? undefined : () => configured);
  return new CallIdentification({
    ...(coreUrl && signingKey && { core: new CoreClient({ coreUrl, name, signingKey }) }),
    vault,
    store: redis ? new RedisPairings(redis.link, { prefix: redis.prefix, tenant: tenant.name, maxOpen }) : new MemoryPairings(maxOpen),
    hashKey: tenant.codes.hashKey,
    pairingDigits,
    lifetimeMs: lifetimeSeconds * 1_000,
    address: () => address ?? `${publicUrl().replace(/^https?:\/\//, '')}${tenantPath(tenant.name)}/i`,
    pageUrl: (token) => pageUrl(publicUrl(), token),
    attrUrl: (token) => attrUrl(resultsUrl(), tenant.name, token),
    ...(webhook && { webhook: new Webhook({ ...webhook, log }) }),
    log,
  });
}
