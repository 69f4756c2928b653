import { z } from 'zod';
import { MAX_TOKEN_CHARACTERS } from '../results/result-verifier.js';
import { refusalsOf, type Endpoint } from './refusals.js';

const resultToken = z.string().min(1).describe(`A result: a JWE for a key of ours around a JWS of the authentication plugin, at most ${MAX_TOKEN_CHARACTERS} characters.`);

/** What the core sends to start a communication. Keys we do not know are let through: a later core may send more. */
export const startRequest = z.object({
  purpose: z.string().min(1).max(255).describe('A purpose of one of our services.'),
  auth_result: resultToken.nullish().describe('The result, when the citizen has authenticated already; left out or null otherwise.'),
});

export const startAnswer = z.strictObject({
  client_url: z.string().describe('Where the citizen is sent: `tel:<number>,<code>`, or our page, as configured.'),
  attr_url: z.url().optional().describe('Where the authentication plugin posts the result; absent when auth_result was given.'),
});

/** What an authentication plugin posts, and what it is answered. */
export const resultRequest = resultToken;
export const resultAnswer = z.strictObject({});

const sentence = z.string().describe('A sentence for people. Nothing of the request is repeated.');

/** Every answer of an endpoint, by status. */
export function answersOf(endpoint: Endpoint): Map<number, z.ZodType> {
  const refusals = [...refusalsOf(endpoint)].map(([status, codes]) => [status, z.strictObject({ error: z.enum(codes).describe('Stable.'), message: sentence })] as const);
  return new Map<number, z.ZodType>([[200, endpoint === 'start' ? startAnswer : resultAnswer], ...refusals]);
}

/** What the core is answered (ID Contact, starting a communication). */
export type StartAnswer = z.infer<typeof startAnswer>;
