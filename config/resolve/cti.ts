import { createHash } from 'node:crypto';
import type { PlacedTenant } from '../forms.js';
import { repeats } from '../repeats.js';
import type { Problem } from '../problems.js';
import { MIN_SUBSCRIBER_TOKEN_CHARACTERS } from '../schema/cti.js';
import type { RawTenant } from '../schema/index.js';
import { Secret } from '../secret.js';
import type { CtiConfig, CtiSubscriber, CtiWebhook } from '../types.js';
import type { SecretReader } from './reader.js';

const SECRET_BYTES = { min: 24, max: 64 };

export interface ResolvedCti {
  readonly subscribers: readonly CtiSubscriber[];
  readonly webhooks: readonly CtiWebhook[];
}

function webhookSecret(text: string): Secret | undefined {
  const base64 = text.trim().replace(/^whsec_/, '');
  const bytes = Buffer.from(base64, 'base64');
  // Node reads what it can of any text: what comes back must be what was given.
  const isBase64 = bytes.toString('base64').replace(/=+$/, '') === base64.replace(/=+$/, '');
  return isBase64 && bytes.length >= SECRET_BYTES.min && bytes.length <= SECRET_BYTES.max ? new Secret(bytes.toString('base64')) : undefined;
}

export function resolveCti({ at, tenant }: PlacedTenant, reader: SecretReader): ResolvedCti {
  const subscribers = (tenant.cti?.subscribers ?? []).flatMap((given, index): CtiSubscriber[] => {
    const token = reader.longSecret(given?.token, given?.tokenFile, `${at}cti.subscribers[${index}].tokenFile`, MIN_SUBSCRIBER_TOKEN_CHARACTERS);
    if (!token || given?.name === undefined) return [];
    // What a header can carry (RFC 6750 section 2.1).
    if (!/^[A-Za-z0-9._~+/-]+=*$/.test(token.reveal())) {
      reader.complain(`${at}cti.subscribers[${index}].${given.token === undefined ? 'tokenFile' : 'token'}`, 'holds a character that no Authorization header can carry', 'Use letters, digits and . _ ~ + / -, as in `openssl rand -hex 32`');
      return [];
    }
    const identity = (given.identity ?? []).filter((name) => name !== undefined);
    return [{ name: given.name, token, identity, ...(given.agent !== undefined && { agent: given.agent }) }];
  });
  const webhooks = (tenant.cti?.webhooks ?? []).flatMap((given, index): CtiWebhook[] => {
    const keys = (given?.keys ?? []).flatMap((key, k): CtiWebhook['keys'][number][] => {
      const place = `${at}cti.webhooks[${index}].keys[${k}].${key?.secret === undefined ? 'secretFile' : 'secret'}`;
      const text = reader.text(key?.secret, key?.secretFile, place);
      if (text === undefined || key?.id === undefined) return [];
      const secret = webhookSecret(text);
      if (secret) return [{ id: key.id, secret }];
      reader.complain(place, `is not ${SECRET_BYTES.min} to ${SECRET_BYTES.max} bytes as base64`, 'Make one with `openssl rand -base64 32`');
      return [];
    });
    const { name, url, agent, attempts, timeoutMs, maxQueued } = given ?? {};
    if (name === undefined || url === undefined || attempts === undefined || timeoutMs === undefined || maxQueued === undefined) return [];
    return [{ name, url, keys, attempts, timeoutMs, maxQueued, ...(agent !== undefined && { agent }) }];
  });
  return { subscribers, webhooks };
}

/** A token belongs to one subscriber of one tenant; told by its hash, so that no secret is held for longer than it takes. */
export function repeatedTokens(tenants: readonly PlacedTenant[], resolved: readonly ResolvedCti[]): Problem[] {
  const tokens = tenants.flatMap(({ at }, t) => (resolved[t]?.subscribers ?? []).map(({ token }, s) => ({ key: `${at}cti.subscribers[${s}].token`, value: createHash('sha256').update(token.reveal()).digest('hex') })));
  return repeats(tokens, 'the token', 'Give each subscriber a token of its own: `openssl rand -hex 32`', false);
}

export function assembleCti({ origins, bufferEvents }: RawTenant['cti'], { subscribers, webhooks }: ResolvedCti): CtiConfig {
  return { origins, bufferEvents, subscribers, webhooks };
}
