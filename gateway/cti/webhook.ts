/**
 * Events posted to an address of the site's, signed after the Standard Webhooks specification
 * (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
 *
 * The events of one call arrive in their order: while one is tried again the later ones of that call wait, and those of
 * other calls go on. What cannot be delivered is given up after so many tries, counted, and named in the log.
 */
import { createHmac } from 'node:crypto';
import type { Logger } from 'pino';
import type { CtiWebhook } from '../../config/index.js';
import type { CtiEvent } from './events.js';

/** `dead`: given up after the last try, or because the receiver is gone (410). `dropped`: gave way to newer ones, or the gateway stopped. */
export type WebhookOutcome = 'delivered' | 'retried' | 'dead' | 'dropped';

export interface WebhookOptions {
  readonly webhook: CtiWebhook;
  readonly log: Logger;
  readonly onOutcome: (outcome: WebhookOutcome) => void;
  /** By how much the number of waiting events changed. */
  readonly onQueued: (by: number) => void;
  readonly firstRetryMs?: number;
  readonly atOnce?: number;
  /** What `close` leaves for events that are still under way. */
  readonly closeMs?: number;
}

const longestRetryMs = 60_000;
const defaults = { firstRetryMs: 1_000, atOnce: 8, closeMs: 2_000 };

interface Item {
  readonly event: CtiEvent;
  readonly line: string;
  attempts: number;
  busy: boolean;
  retry?: NodeJS.Timeout;
}

/** Headers of one try. @param atS Unix time in seconds */
export function signedHeaders(keys: CtiWebhook['keys'], id: string, atS: number, body: string): Record<string, string> {
  const signatures = keys.map(({ secret }) => `v1,${createHmac('sha256', Buffer.from(secret.reveal(), 'base64')).update(`${id}.${atS}.${body}`).digest('base64')}`);
  return { 'content-type': 'application/json', 'webhook-id': id, 'webhook-timestamp': String(atS), 'webhook-signature': signatures.join(' '), 'webhook-key-id': keys.map((key) => key.id).join(' ') };
}

export class WebhookSender {
  readonly #options: WebhookOptions;
  /** Events of one call, first to go first. */
  readonly #lines = new Map<string, Item[]>();
  /** All of them, oldest first. */
  readonly #items = new Set<Item>();
  /** First in their line, and nothing to wait for. */
  readonly #ready: Item[] = [];
  readonly #underWay = new Set<AbortController>();
  #idle: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  offer(event: CtiEvent): void {
    const { webhook, onOutcome, onQueued, log } = this.#options;
    if (this.#closed) return onOutcome('dropped');
    if (this.#items.size >= webhook.maxQueued) {
      const oldest = [...this.#items].find(({ busy }) => !busy);
      if (!oldest) return onOutcome('dropped');
      log.warn({ webhook: webhook.name, event: oldest.event.id }, 'too many events wait for a webhook: the oldest gives way');
      this.#remove(oldest);
      onOutcome('dropped');
    }
    const { callId, agent } = event.data;
    const line = typeof callId === 'string' ? `call ${callId}` : `agent ${String(agent)}`;
    const item: Item = { event, line, attempts: 0, busy: false };
    this.#items.add(item);
    onQueued(1);
    const before = this.#lines.get(line);
    if (before) before.push(item);
    else {
      this.#lines.set(line, [item]);
      this.#ready.push(item);
    }
    this.#advance();
  }

  /** Events that wait or are under way. */
  get size(): number {
    return this.#items.size;
  }

  /** Lets what can go now go, and drops the rest. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    if (this.#underWay.size > 0 || this.#ready.length > 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
        timer = setTimeout(resolve, this.#options.closeMs ?? defaults.closeMs);
      });
      clearTimeout(timer);
    }
    for (const item of [...this.#items]) {
      clearTimeout(item.retry);
      this.#items.delete(item);
      this.#options.onQueued(-1);
      this.#options.onOutcome('dropped');
    }
    this.#lines.clear();
    this.#ready.length = 0;
    for (const request of this.#underWay) request.abort();
  }

  #advance(): void {
    while (this.#underWay.size < (this.#options.atOnce ?? defaults.atOnce)) {
      const item = this.#ready.shift();
      if (!item) {
        if (this.#underWay.size === 0) this.#idle?.();
        return;
      }
      item.busy = true;
      item.attempts += 1;
      const request = new AbortController();
      this.#underWay.add(request);
      void this.#post(item.event, request).then((answer) => {
        this.#underWay.delete(request);
        item.busy = false;
        if (this.#items.has(item)) this.#settle(item, answer);
        this.#advance();
      });
    }
  }

  #settle(item: Item, { status, retryAfterMs }: { status?: number; retryAfterMs?: number }): void {
    const { webhook, log, onOutcome } = this.#options;
    const about = { webhook: webhook.name, event: item.event.id, type: item.event.type, status, attempts: item.attempts };
    if (status !== undefined && status >= 200 && status < 300) {
      onOutcome('delivered');
      return this.#remove(item);
    }
    // 410: the receiver is gone for good (Standard Webhooks, "Delivery failures").
    if (status === 410 || item.attempts >= webhook.attempts || this.#closed) {
      onOutcome(this.#closed ? 'dropped' : 'dead');
      log.error(about, 'an event could not be delivered to a webhook and is given up');
      return this.#remove(item);
    }
    onOutcome('retried');
    log.info(about, 'an event could not be delivered to a webhook; it is tried again');
    item.retry = setTimeout(() => {
      delete item.retry;
      this.#ready.push(item);
      this.#advance();
    }, Math.max(retryAfterMs ?? 0, backoffMs(item.attempts, this.#options.firstRetryMs ?? defaults.firstRetryMs)));
  }

  /** Takes an event out; the next one of its line may go. */
  #remove(item: Item): void {
    clearTimeout(item.retry);
    if (!this.#items.delete(item)) return;
    this.#options.onQueued(-1);
    const line = this.#lines.get(item.line);
    if (!line) return;
    const wasFirst = line[0] === item;
    line.splice(line.indexOf(item), 1);
    const inReady = this.#ready.indexOf(item);
    if (inReady >= 0) this.#ready.splice(inReady, 1);
    const [next] = line;
    if (!next) this.#lines.delete(item.line);
    else if (wasFirst) this.#ready.push(next);
  }

  /** Follows no redirect, and takes no interest in the answer's body. Never rejects. */
  async #post(event: CtiEvent, request: AbortController): Promise<{ status?: number; retryAfterMs?: number }> {
    const { webhook } = this.#options;
    const timer = setTimeout(() => request.abort(), webhook.timeoutMs);
    try {
      const body = JSON.stringify(event);
      const headers = signedHeaders(webhook.keys, event.id, Math.floor(Date.now() / 1000), body);
      const response = await fetch(webhook.url, { method: 'POST', redirect: 'manual', headers, body, signal: request.signal });
      await response.body?.cancel();
      const after = Number(response.headers.get('retry-after'));
      return { status: response.status, ...(after > 0 && { retryAfterMs: Math.min(after * 1000, longestRetryMs) }) };
    } catch {
      return {};
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Doubles with each try, and spreads, so that the events of a receiver that came back do not all knock at once. */
const backoffMs = (attempts: number, firstMs: number): number => Math.min(longestRetryMs, firstMs * 2 ** (attempts - 1)) * (0.75 + Math.random() / 2);
