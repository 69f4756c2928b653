import { z } from 'zod';
import { audit } from './audit.js';
import { calls } from './calls.js';
import { media, sip, trunks } from './engines.js';
import { listeners } from './listeners.js';
import { store } from './store.js';
import { tenantSchema, tenantShape, type RawTenant } from './tenant.js';

export { MIN_HASH_KEY_CHARACTERS, MIN_TOKEN_CHARACTERS, type RawTenant } from './tenant.js';
export { bareNumber, isAnyAddress } from './values.js';

const sharedShape = {
  demo: z.boolean().default(false).describe('Runs the demo core: a test page that hands out identities to anyone. Refused when NODE_ENV is production.'),
  log: z
    .strictObject({ level: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info').describe('Least serious level that is logged.') })
    .prefault({})
    .describe('Logging, as JSON lines on standard output.'),
  listeners,
  sip,
  media,
  trunks,
  store,
  calls,
  audit,
  unsafeSampleKeys: z.boolean().default(false).describe('Allows the public sample keys of the reference core, for trying the gateway with its sample configurations: anyone can forge results for them. Refused when NODE_ENV is production.'),
};

const tenants = z.array(tenantSchema).min(1).max(1_000).describe('Several municipalities on one gateway, each with its own keys, numbers, agents and limits. In place of the same keys at the top.');

/** The file of a gateway for one municipality, whose keys stand at the top. Every key is documented here and nowhere else: docs/configuration.md is made from it. */
const singleSchema = z.strictObject({ ...sharedShape, ...tenantShape, tenants: tenants.optional() });
/** The file of a gateway for several. */
const severalSchema = z.strictObject({ ...sharedShape, tenants });

/** Everything a file may hold, for the reference and for the suggestion of what was probably meant. */
export const configSchema = singleSchema;

/** Name of the only tenant of a file without `tenants`; no tenant of a list may have it. */
export const ONLY_TENANT = 'main';

/** The keys that belong to a tenant. */
export const tenantKeys = Object.keys(tenantShape);

/** The schema that a file of this content must hold. */
export const schemaFor = (input: unknown): typeof singleSchema | typeof severalSchema => (namesTenants(input) ? severalSchema : singleSchema);

/** Whether the file's tenants stand in a list. */
export function namesTenants(input: unknown): boolean {
  return input !== null && typeof input === 'object' && (input as Record<string, unknown>)['tenants'] !== undefined;
}

/** The configuration file's content after defaults, before files are read and keys are parsed; both forms of it alike. */
export type RawConfig = z.infer<z.ZodObject<typeof sharedShape>> & { tenants: RawTenant[] };
