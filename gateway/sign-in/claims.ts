import { roles as known, type Role } from './principal.js';

/** More values than this in one claim are not looked at. */
const maxValues = 1000;

/** What a claim of a name holds; a dot leads into a group (`realm_access.roles`) unless a claim has the dot in its name. */
export function claimAt(claims: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let at: unknown = claims;
  for (const part of name.split('.')) {
    if (at === null || typeof at !== 'object' || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string, unknown>)[part];
  }
  return at;
}

/** The account's name at the provider; undefined when the claim is not there, or an address nobody has verified. */
export function accountClaim(claims: Readonly<Record<string, unknown>>, name: string): string | undefined {
  // OpenID Connect Core 5.1: without this word anybody may have entered anybody's address.
  if (name === 'email' && claims['email_verified'] === false) return undefined;
  const value = claimAt(claims, name);
  return typeof value === 'string' && value !== '' && value.length <= 255 ? value : undefined;
}

/** The roles that the values of a claim stand for; values that stand for nothing are passed over. */
export function rolesFrom(claims: Readonly<Record<string, unknown>>, name: string, meaning: Readonly<Record<string, readonly Role[]>>): Role[] {
  const value = claimAt(claims, name);
  const values: readonly unknown[] = Array.isArray(value) ? value.slice(0, maxValues) : [value];
  const found = new Set(values.flatMap((one) => (typeof one === 'string' && Object.hasOwn(meaning, one) ? meaning[one]! : [])));
  return known.filter((role) => found.has(role));
}
