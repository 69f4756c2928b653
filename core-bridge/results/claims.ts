import { z } from 'zod';
import { FAILURE_WORD, KNOWN_SUBJECTS, SUCCESS_WORDS } from './dialect.js';
import { ResultError, type ResultErrorCode } from './result-error.js';

const MAX_ATTRIBUTES = 100;
const MAX_NAME_CHARACTERS = 256;
const MAX_VALUE_CHARACTERS = 8_192;
const MAX_URL_CHARACTERS = 2_048;

/** The protocol gives tokens five minutes. Three times that leaves room for other implementations, and none for tokens to hoard. */
const MAX_LIFETIME_SECONDS = 900;
/** A token that has expired may have been under way for so long. */
const EXPIRY_TOLERANCE_SECONDS = 5;
/** How far the clock of a plugin may be ahead of ours. */
const CLOCK_AHEAD_SECONDS = 60;

/** Names with a meaning to JavaScript itself could be lost, or worse, on their way to the screen. `__proto__` is refused as JSON. */
const RESERVED_NAMES: ReadonlySet<string> = new Set(['constructor', 'prototype']);
/** No control characters, line ends or marks that turn the direction of writing, which make a screen show something else. */
const PLAIN_NAME = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+$/u;
/** The same, but texts may have lines and the joiners that some scripts write with. */
const PLAIN_TEXT = /^(?:[^\p{Cc}\p{Cs}\u202A-\u202E\u2066-\u2069]|[\t\n\r])*$/u;

function isFeedbackAddress(text: string): boolean {
  // The URL parser passes over line ends and tabs; whoever wrote them meant something else.
  if (!/^[\x21-\x7E]+$/.test(text) || !URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === 'http:' || protocol === 'https:') && username === '' && password === '';
}

const attributeName = z
  .string()
  .min(1)
  .max(MAX_NAME_CHARACTERS)
  .regex(PLAIN_NAME)
  .refine((name) => !RESERVED_NAMES.has(name));

/** What a result token says: the claims of its inner JWS. Claims we do not know are let through. */
export const resultClaims = z
  .object({
    sub: z.enum(KNOWN_SUBJECTS).describe('Marks a result; either dialect.'),
    status: z.enum([...SUCCESS_WORDS, FAILURE_WORD]).describe('Whether the citizen authenticated; either dialect.'),
    exp: z.number().describe(`Seconds since 1970 until which the token is taken, looked at when it arrives; at most ${MAX_LIFETIME_SECONDS} seconds after that, and after iat.`),
    iat: z.number().optional().describe(`When it was made; not more than ${CLOCK_AHEAD_SECONDS} seconds ahead of our clock.`),
    nbf: z.number().optional().describe('When it begins to be valid; the same.'),
    attributes: z
      .record(attributeName, z.string().max(MAX_VALUE_CHARACTERS).regex(PLAIN_TEXT))
      .refine((attributes) => Object.keys(attributes).length <= MAX_ATTRIBUTES)
      .nullish()
      .describe(`Names and texts, at most ${MAX_ATTRIBUTES}; none is a success that discloses nothing. Without control characters and marks that turn the direction of writing.`),
    session_url: z.string().max(MAX_URL_CHARACTERS).refine(isFeedbackAddress).nullish().describe('Where the plugin wants to hear of the session: http or https, without user name.'),
  })
  .describe('Claims of the signed token within a result.');

export type ResultClaims = z.infer<typeof resultClaims>;

const CODES: Readonly<Record<string, ResultErrorCode>> = { sub: 'token_subject', status: 'token_status', attributes: 'token_attributes' };

/** @throws ResultError for claims that are no result, or not one for now. @param now in ms since 1970 */
export function readClaims(payload: unknown, now: number): ResultClaims {
  const read = resultClaims.safeParse(payload);
  if (!read.success) throw new ResultError(CODES[String(read.error.issues[0]?.path[0])] ?? 'token_malformed');
  const { exp, iat, nbf } = read.data;
  const seconds = now / 1_000;
  if (exp <= seconds - EXPIRY_TOLERANCE_SECONDS) throw new ResultError('token_expired');
  if (Math.max(nbf ?? 0, iat ?? 0) > seconds + CLOCK_AHEAD_SECONDS) throw new ResultError('token_not_yet_valid');
  if (exp - Math.min(seconds, iat ?? seconds) > MAX_LIFETIME_SECONDS) throw new ResultError('token_lifetime');
  return read.data;
}
