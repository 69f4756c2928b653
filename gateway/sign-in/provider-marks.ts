import { createHash } from 'node:crypto';
import { z } from 'zod';

/**
 * By what a provider can end a login later: whose it is there (`sub`), and which of the person's sessions there it rests
 * on (`sid`, where the provider says). Digests of both, because nothing but a comparison is ever made with them.
 */
export const providerMarks = z.strictObject({ subject: z.string(), session: z.string().optional() });
export type ProviderMarks = Readonly<z.infer<typeof providerMarks>>;

/** What a provider says is over: one session, or all of a person's. At least one of the two. */
export type EndedMarks = Partial<ProviderMarks>;

/** Claims longer than this are no identifiers (OpenID Connect Core 2 allows 255 characters). */
const maxCharacters = 255;

/** @returns no mark where a claim is not there, or is no identifier */
export function marksOf(issuer: string, { sub, sid }: { sub?: unknown; sid?: unknown }): EndedMarks {
  const subject = markOf(issuer, 'sub', sub);
  const session = markOf(issuer, 'sid', sid);
  return { ...(subject !== undefined && { subject }), ...(session !== undefined && { session }) };
}

/** @returns undefined where there is nothing by which it could be ended */
export function loginMarks(issuer: string, claims: { sub?: unknown; sid?: unknown }): ProviderMarks | undefined {
  const { subject, session } = marksOf(issuer, claims);
  return subject === undefined ? undefined : { subject, ...(session !== undefined && { session }) };
}

function markOf(issuer: string, claim: 'sub' | 'sid', value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '' || value.length > maxCharacters) return undefined;
  return createHash('sha256').update(JSON.stringify([issuer, claim, value])).digest('base64url');
}

/** Whether a login is meant: a session where both sides name one, else the person (Back-Channel Logout 1.0 section 2.7). */
export function isMeant(login: ProviderMarks | undefined, { subject, session }: EndedMarks): boolean {
  if (!login || (subject !== undefined && login.subject !== subject)) return false;
  if (session === undefined) return subject !== undefined;
  return login.session === undefined ? subject !== undefined : login.session === session;
}
