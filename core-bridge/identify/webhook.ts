import type { Logger } from 'pino';
import type { Secret } from '../../config/index.js';

/** What is posted, as JSON, to a site that sends invitations by SMS or e-mail. */
export interface WebhookInvitation {
  readonly callId: string;
  readonly address: string;
  readonly pairingCode: string;
  readonly expiresAt: Date;
  /** As the trunk reports it; left out when withheld. */
  readonly callerNumber?: string;
}

export interface WebhookOptions {
  readonly url: string;
  readonly token?: Secret;
  readonly log: Logger;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5_000;
const MAX_UNDER_WAY = 50;

/** Tells a site's own service of invitations. One try each: the caller hears the code anyway. */
export class Webhook {
  readonly #options: WebhookOptions;
  readonly #underWay = new Set<AbortController>();
  #closed = false;

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  /** Returns at once; a failure is logged, without what was to be told. */
  tell(invitation: WebhookInvitation): void {
    const { callId } = invitation;
    if (this.#closed) return;
    if (this.#underWay.size >= MAX_UNDER_WAY) {
      this.#options.log.warn({ callId, outcome: 'dropped' }, 'webhook not told of an invitation');
      return;
    }
    const request = new AbortController();
    this.#underWay.add(request);
    this.#post(invitation, request).then(
      (status) => {
        if (status < 200 || status > 299) this.#options.log.warn({ callId, outcome: 'refused', status }, 'webhook not told of an invitation');
      },
      // The error itself would name the address.
      () => this.#options.log.warn({ callId, outcome: 'failed' }, 'webhook not told of an invitation'),
    ).finally(() => this.#underWay.delete(request));
  }

  close(): void {
    this.#closed = true;
    for (const request of this.#underWay) request.abort();
  }

  async #post(invitation: WebhookInvitation, request: AbortController): Promise<number> {
    const { url, token, timeoutMs } = this.#options;
    const timer = setTimeout(() => request.abort(), timeoutMs ?? TIMEOUT_MS);
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token.reveal()}` }) },
        body: JSON.stringify(invitation),
        redirect: 'manual',
        signal: request.signal,
      });
      await response.body?.cancel();
      return response.status;
    } finally {
      clearTimeout(timer);
    }
  }
}
