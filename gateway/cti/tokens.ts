/** Subscribers by their tokens. */
import { createHash } from 'node:crypto';
import type { CtiSubscriber } from '../../config/index.js';
import type { Hub } from './hub.js';

/** A municipality's events, and who may hear them. */
export interface CtiTenant {
  readonly name: string;
  readonly hub: Hub;
  readonly origins: readonly string[];
  readonly subscribers: readonly CtiSubscriber[];
}

export interface Known {
  readonly tenant: CtiTenant;
  readonly subscriber: CtiSubscriber;
}

const hashOf = (token: string): string => createHash('sha256').update(token).digest('base64');

export class Tokens {
  readonly #known = new Map<string, Known>();

  constructor(tenants: readonly CtiTenant[]) {
    for (const tenant of tenants) {
      for (const subscriber of tenant.subscribers) this.#known.set(hashOf(subscriber.token.reveal()), { tenant, subscriber });
    }
  }

  /** Looked up by hash, so the time it takes says nothing about other tokens. */
  find(token: string | undefined): Known | undefined {
    return token === undefined || token.length > 1_024 ? undefined : this.#known.get(hashOf(token));
  }

  /** The token of an Authorization header (RFC 6750 section 2.1). */
  static ofHeader(header: string | undefined): string | undefined {
    return /^Bearer +([^\s]{1,1024})$/i.exec(header ?? '')?.[1];
  }
}
