import { toProblems, type Problem } from './problems.js';
import { salvage, type Salvaged } from './salvage.js';
import { namesTenants, ONLY_TENANT, schemaFor, tenantKeys, type RawConfig, type RawTenant } from './schema/index.js';

/** A tenant and where its keys stand in the file: `tenants[1].`, or nothing when they stand at the top. */
export interface PlacedTenant {
  readonly at: string;
  readonly tenant: Salvaged<RawTenant>;
}

/** A configuration that may have holes where it did not hold, in the same shape for both forms of the file. */
export type Shared = Salvaged<Omit<RawConfig, 'tenants'>>;

export interface Understood {
  readonly shared: Shared;
  readonly tenants: readonly PlacedTenant[];
  /** Everything in which the file breaks the schema. None: nothing is missing from the other two. */
  readonly problems: readonly Problem[];
}

/** Reads a file's content in whichever of the two forms it has: one municipality's keys at the top, or a list of tenants. */
export function understand(input: unknown): Understood {
  const several = namesTenants(input);
  const strays = several ? tenantKeys.filter((key) => (input as Record<string, unknown>)[key] !== undefined) : [];
  const fitting = several ? Object.fromEntries(Object.entries(input as object).filter(([key]) => !strays.includes(key))) : input;
  const schema = schemaFor(input);
  const parsed = schema.safeParse(fitting);
  const { tenants, ...rest } = (parsed.success ? parsed.data : (salvage<unknown>(schema, fitting) ?? {})) as Salvaged<RawConfig> & Salvaged<RawTenant>;
  return {
    shared: rest,
    tenants: several ? (tenants ?? []).map((tenant, index) => ({ at: `tenants[${index}].`, tenant: tenant ?? {} })) : [{ at: '', tenant: { ...rest, name: ONLY_TENANT } }],
    problems: [
      ...strays.map((key) => ({ key, fault: 'stands beside tenants', fix: 'Move it into a tenant, or remove tenants' })),
      ...(parsed.success ? [] : toProblems(parsed.error.issues, fitting, schema)),
    ],
  };
}
