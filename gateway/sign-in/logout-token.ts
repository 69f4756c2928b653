import { errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';

/** A logout token does not hold. `reason` is for the log; it names a check, and nothing of the token. */
export class LogoutTokenError extends Error {
  override readonly name = 'LogoutTokenError';

  constructor(readonly reason: string, options?: ErrorOptions) {
    super(`the logout token does not hold: ${reason}`, options);
  }
}

/** What a provider has said, verified. */
export interface LogoutToken {
  /** Its name, to be taken once. */
  readonly id: string;
  /** After this it would not hold any more, in milliseconds since the epoch. */
  readonly holdsUntil: number;
  readonly sub: string | undefined;
  readonly sid: string | undefined;
}

export interface LogoutTokenChecks {
  readonly issuer: string;
  readonly clientId: string;
  /** Of key pairs alone: the client secret signs nothing that ends logins. */
  readonly algorithms: readonly string[];
  readonly keys: JWTVerifyGetKey;
  readonly now: number;
}

const eventName = 'http://schemas.openid.net/event/backchannel-logout';
/** Older ones are not taken: providers send them when it happens. */
const maxAgeS = 120;
/** Clocks of the provider and of this machine may differ so much. */
const clockToleranceS = 30;
/** How providers call it: explicitly, as a JWT of any kind, or not at all. A token that says it is something else is none. */
const types = new Set([undefined, 'logout+jwt', 'jwt']);

/**
 * Verifies a logout token as OpenID Connect Back-Channel Logout 1.0 section 2.6 says. An ID token of the same provider
 * for the same client is none: it has no `events`, and it may have a `nonce`.
 *
 * @throws LogoutTokenError
 */
export async function verifiedLogoutToken(token: string, { issuer, clientId, algorithms, keys, now }: LogoutTokenChecks): Promise<LogoutToken> {
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer, audience: clientId, algorithms: [...algorithms],
    maxTokenAge: maxAgeS, clockTolerance: clockToleranceS,
    currentDate: new Date(now),
  }).catch((error: unknown) => {
    throw new LogoutTokenError(reasonOf(error), { cause: error });
  });
  if (!types.has(protectedHeader.typ?.toLowerCase().replace(/^application\//u, ''))) throw new LogoutTokenError('typ');
  if (!saysLogout(payload)) throw new LogoutTokenError('events');
  if ('nonce' in payload) throw new LogoutTokenError('nonce');
  const [id, sub, sid] = [text(payload, 'jti'), text(payload, 'sub'), text(payload, 'sid')];
  if (id === undefined) throw new LogoutTokenError('jti');
  if (sub === undefined && sid === undefined) throw new LogoutTokenError('neither sub nor sid');
  return { id, sub, sid, holdsUntil: ((payload.iat ?? 0) + maxAgeS + clockToleranceS) * 1000 };
}

function saysLogout({ events }: JWTPayload): boolean {
  if (events === null || typeof events !== 'object' || Array.isArray(events) || !Object.hasOwn(events, eventName)) return false;
  const event = (events as Record<string, unknown>)[eventName];
  return event !== null && typeof event === 'object' && !Array.isArray(event);
}

function text(payload: JWTPayload, name: string): string | undefined {
  const value = payload[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '' || value.length > 255) throw new LogoutTokenError(name);
  return value;
}

function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired) return `${error.claim} ${error.reason}`;
  return error instanceof errors.JOSEError ? error.code : 'the keys of the provider cannot be fetched';
}
