import { HttpError } from '../http-error.js';

/** The endpoints that others use. */
export type Endpoint = 'start' | 'result';

/** One answer other than success: for the code, the description of the interface, and both documents. */
interface Refusal {
  readonly status: number;
  readonly at: readonly Endpoint[];
  readonly meaning: string;
  /** What the administrator of core, plugin or gateway does about it. */
  readonly remedy: string;
}

const BOTH = ['start', 'result'] as const;

/** Every code with which the core listener's endpoints refuse. They are stable: programs and administrators go by them. */
export const REFUSALS = {
  body_invalid: { status: 400, at: ['start'], meaning: 'not the JSON that is expected', remedy: 'Compare what the core sends with the description above; its sentence names the key.' },
  request_invalid: { status: 400, at: BOTH, meaning: 'HTTP that cannot be understood', remedy: 'Look for a proxy between that changes requests.' },
  purpose_unknown: { status: 400, at: ['start'], meaning: 'no service of ours has that purpose', remedy: 'Add the purpose to `services[].purposes` here, or take our method out of that purpose’s `allowed_comm` in the core.' },
  token_too_large: { status: 400, at: BOTH, meaning: 'longer than 65,536 characters', remedy: 'Ask for fewer attributes with that purpose.' },
  token_malformed: { status: 400, at: BOTH, meaning: 'not a signed and encrypted token, or claims of the wrong kind', remedy: 'The plugin sends something else than a result: compare it with the description above.' },
  token_algorithm: { status: 400, at: BOTH, meaning: 'an algorithm that is not allowed, or does not fit the configured keys', remedy: 'Compare the type (RSA or EC) of our key at the plugin with `decryptionKey`, and of the plugin’s key with `verificationKeys`.' },
  token_undecryptable: { status: 400, at: BOTH, meaning: 'not encrypted for a key of ours, or changed on the way', remedy: 'Give the plugin our present public key; if we changed it, keep the former one in `formerDecryptionKeys` meanwhile.' },
  token_signature: { status: 400, at: BOTH, meaning: 'signed with none of the configured keys', remedy: 'Add the plugin’s public key to `verificationKeys`; if it changed its key, keep both for a while.' },
  token_expired: { status: 400, at: BOTH, meaning: 'its time is over', remedy: 'Let the clocks of plugin and gateway be kept by NTP; look for what held the token up.' },
  token_not_yet_valid: { status: 400, at: BOTH, meaning: 'made or valid more than a minute from now', remedy: 'The plugin’s clock is ahead: let the clocks be kept by NTP.' },
  token_lifetime: { status: 400, at: BOTH, meaning: 'valid for more than fifteen minutes', remedy: 'Set the plugin to the protocol’s five minutes.' },
  token_subject: { status: 400, at: BOTH, meaning: '`sub` is not as above', remedy: 'Something else than a result was posted.' },
  token_status: { status: 400, at: BOTH, meaning: '`status` is not as above', remedy: 'The plugin speaks another version of the protocol.' },
  token_attributes: { status: 400, at: BOTH, meaning: '`attributes` is not as above', remedy: 'The plugin must send attributes as texts, no more than 100, without control characters.' },
  core_token: { status: 401, at: ['start'], meaning: 'no bearer token, or none of the configured ones', remedy: 'Send one of `coreTokens` as `Authorization: Bearer <token>`.' },
  core_certificate: { status: 403, at: ['start'], meaning: 'no client certificate, or not one that is believed and carries a configured name', remedy: 'Give the core a certificate that `listeners.core.tls.clientCa` signed, with a name of `coreCertificateNames`; see whether it has expired.' },
  result_not_expected: { status: 404, at: ['result'], meaning: 'no live session has that address, or its result has arrived', remedy: 'Nothing, if the citizen logged in twice or too late; otherwise see whether the plugin posts each result once and to the address it was given.' },
  body_too_large: { status: 413, at: ['start'], meaning: 'above 1 MiB', remedy: 'As `token_too_large`.' },
  media_type_unsupported: { status: 415, at: BOTH, meaning: 'another content type', remedy: 'Send `application/json` to start, `application/jwt` with a result.' },
  too_many_sessions: { status: 503, at: ['start'], meaning: '`sessions.maxLive` is reached; see the `Retry-After` header', remedy: 'Find out who starts so many; raise `sessions.maxLive` if they are citizens.' },
  draining: { status: 503, at: ['start'], meaning: 'this gateway is being stopped and starts nothing any more; see the `Retry-After` header', remedy: 'Nothing, while it is stopped or updated. With several gateways let the load balancer ask another one: `/health` at the ops listener says `draining`.' },
  store_unreachable: { status: 503, at: BOTH, meaning: 'the store of sessions does not answer; see the `Retry-After` header', remedy: 'See what is wrong with Redis. A result can be posted again.' },
  internal: { status: 500, at: BOTH, meaning: 'a fault of ours', remedy: 'The gateway’s log has its name and place: tell us.' },
} as const satisfies Record<string, Refusal>;

export type RefusalCode = keyof typeof REFUSALS;

/** The error to throw. @param sentence for people; nothing of the request */
export function refusal(code: RefusalCode, sentence: string): HttpError {
  return new HttpError(REFUSALS[code].status, code, sentence);
}

/** The codes with which an endpoint refuses, by their status. */
export function refusalsOf(endpoint: Endpoint): Map<number, readonly [RefusalCode, ...RefusalCode[]]> {
  const found = new Map<number, [RefusalCode, ...RefusalCode[]]>();
  for (const [code, { status, at }] of Object.entries(REFUSALS) as [RefusalCode, Refusal][]) {
    if (!at.includes(endpoint)) continue;
    const others = found.get(status);
    if (others) others.push(code);
    else found.set(status, [code]);
  }
  return found;
}
