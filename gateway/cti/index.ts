/** Calls and agents for other desktops: a WebSocket, webhooks, and the description of both. */
import type { FastifyPluginAsync } from 'fastify';
import type { Logger } from 'pino';
import type { Tenant } from '../../config/index.js';
import type { Audit } from '../audit/index.js';
import type { Happening, Happenings } from '../happenings.js';
import type { Metrics } from '../ops/metrics.js';
import { Hub } from './hub.js';
import { ctiRoom, type IdentityOf } from './room.js';
import { Subscriptions } from './subscriptions.js';
import { Tokens, type CtiTenant } from './tokens.js';
import { WebhookSender } from './webhook.js';

export type { IdentityOf, ShownIdentity } from './room.js';

export interface CtiOptions {
  readonly tenants: readonly Tenant[];
  readonly happenings: Happenings;
  readonly audit: () => Audit;
  readonly identityOf: IdentityOf;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Base address of the agents' listener. */
  readonly url: () => string;
}

export interface Cti {
  /** To be registered on the agents' listener. */
  readonly plugin: FastifyPluginAsync;
  /** Sockets end at once; what can still be posted within two seconds is. Idempotent. */
  close(): Promise<void>;
}

export function createCti({ tenants, happenings, audit, identityOf, metrics, log, url }: CtiOptions): Cti {
  const rooms: CtiTenant[] = tenants.map(({ name, cti }) => ({ name, hub: new Hub(cti.bufferEvents), origins: cti.origins, subscribers: cti.subscribers }));
  const hubs = new Map(rooms.map(({ name, hub }) => [name, hub]));
  const senders = tenants.flatMap(({ name, cti }) => cti.webhooks.map((webhook) => {
    const sender = new WebhookSender({ webhook, log: log.child({ tenant: name }), onOutcome: (outcome) => metrics.webhookSettled(outcome), onQueued: (by) => metrics.webhookQueued(by) });
    // Each node posts what happened on it: with several, nothing twice.
    hubs.get(name)!.listen({ agent: webhook.agent, localOnly: true }, (event) => sender.offer(event));
    return sender;
  }));
  const here = (happening: Happening): void => void hubs.get(happening.tenant ?? '')?.publish(happening);
  const elsewhere = (happening: Happening): void => void hubs.get(happening.tenant ?? '')?.publish(happening, false);
  happenings.on('happening', here);
  happenings.on('elsewhere', elsewhere);
  const tokens = new Tokens(rooms);
  const subscriptions = new Subscriptions({
    tokens, log,
    onCount: (live) => metrics.ctiSubscribers(live),
    onRefused: (cause) => metrics.ctiSocketRefused(cause),
    onSent: () => metrics.ctiEventSent(),
  });
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    happenings.off('happening', here);
    happenings.off('elsewhere', elsewhere);
    subscriptions.close();
    await Promise.all(senders.map((sender) => sender.close()));
  };
  return {
    plugin: async (app) => {
      await app.register(ctiRoom({ tenants: rooms, tokens, subscriptions, identityOf, audit: audit(), log, url }));
    },
    close: () => (closed ??= close()),
  };
}
