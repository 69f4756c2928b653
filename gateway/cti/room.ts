/**
 * The agents' listener for other programs: `/cti/ws`, `/cti/calls/<id>/identity`, `/cti/asyncapi.json`. Nothing here
 * looks at the agents' cookies: a program shows its own token, whoever's browser it runs in.
 */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { RevealedIdentity } from '../../core-bridge/index.js';
import type { Audit } from '../audit/index.js';
import { asyncApi } from './asyncapi.js';
import type { Subscriptions } from './subscriptions.js';
import { Tokens, type CtiTenant } from './tokens.js';

/** A caller as they are shown to the agent who hears them, now. */
export interface ShownIdentity {
  readonly tenant: string;
  readonly agent: string;
  readonly identity: RevealedIdentity;
}

/** Answers only while that agent hears the caller and the attributes are on their screen; undefined otherwise. */
export type IdentityOf = (callId: string, agent: string) => Promise<ShownIdentity | undefined>;

export interface CtiRoomOptions {
  readonly tenants: readonly CtiTenant[];
  readonly tokens: Tokens;
  readonly subscriptions: Subscriptions;
  readonly identityOf: IdentityOf;
  readonly audit: Audit;
  readonly log: Logger;
  /** Base address of the agents' listener. */
  readonly url: () => string;
}

/** Questions for an identity of one subscriber in a minute: one for each call of a busy office, and not a harvest. */
const identitiesAMinute = 120;

export function ctiRoom({ tenants, tokens, subscriptions, identityOf, audit, log, url }: CtiRoomOptions): FastifyPluginAsync {
  const origins = new Set(tenants.flatMap((tenant) => tenant.origins));
  const asked = new Map<string, { minute: number; count: number }>();

  const tooOften = (who: string): boolean => {
    const minute = Math.floor(Date.now() / 60_000);
    const before = asked.get(who);
    const count = before?.minute === minute ? before.count + 1 : 1;
    asked.set(who, { minute, count });
    return count > identitiesAMinute;
  };
  const refuse = (reply: FastifyReply, status: number, error: string, message: string): FastifyReply => reply.code(status).send({ error, message });

  return async (app) => {
    // Pages of other sites may read the answers, when the configuration names them (https://fetch.spec.whatwg.org/#http-cors-protocol).
    app.addHook('onRequest', (request, reply, done) => {
      const { origin } = request.headers;
      if (origin !== undefined && origins.has(origin) && !request.ws) reply.header('access-control-allow-origin', origin).header('vary', 'Origin').header('access-control-allow-headers', 'authorization').header('access-control-max-age', '600');
      done();
    });
    app.options('/cti/*', async (_request, reply) => reply.code(204).send());

    app.get('/cti/asyncapi.json', (request) => {
      const { host, protocol } = new URL(URL.canParse(url()) ? url() : `${request.protocol}://${request.host}`);
      return asyncApi(host, protocol === 'https:' ? 'wss' : 'ws');
    });

    app.get('/cti/ws', {
      websocket: true,
      preValidation: async (request: FastifyRequest, reply: FastifyReply) => {
        const { origin, authorization } = request.headers;
        // A browser always says which page opens a socket; whether it is a page of this subscriber's municipality is asked again when that is known.
        if (origin !== undefined && !origins.has(origin)) return refuse(reply, 403, 'foreign_origin', 'This page may not open this socket: its origin is not in cti.origins.');
        if (authorization !== undefined && !tokens.find(Tokens.ofHeader(authorization))) return refuse(reply, 401, 'unknown_token', 'This token is not known.');
        return undefined;
      },
    }, (socket, request) => subscriptions.opened(socket, tokens.find(Tokens.ofHeader(request.headers.authorization)), request.headers.origin));

    app.get<{ Params: { callId: string } }>('/cti/calls/:callId/identity', async (request, reply) => {
      const { origin, authorization } = request.headers;
      const known = tokens.find(Tokens.ofHeader(authorization));
      if (!known) return refuse(reply.header('www-authenticate', 'Bearer'), 401, 'unknown_token', 'Send the token of a subscriber as Authorization: Bearer <token>.');
      const { tenant, subscriber } = known;
      if (origin !== undefined && !tenant.origins.includes(origin)) return refuse(reply, 403, 'foreign_origin', 'This page may not ask: its origin is not in cti.origins.');
      if (subscriber.identity.length === 0) return refuse(reply, 403, 'not_allowed', 'This subscriber may not ask for attributes: cti.subscribers.identity names none.');
      if (tooOften(`${tenant.name} ${subscriber.name}`)) return refuse(reply.header('retry-after', '60'), 429, 'too_often', `More than ${identitiesAMinute} questions in a minute.`);

      const { callId } = request.params;
      const nothing = () => refuse(reply, 404, 'not_shown', 'There is no such call of yours, or its attributes are not on the screen of an agent who hears the caller.');
      // Looked at twice, by two sources: what was told of the call, and the call itself.
      const told = tenant.hub.shownNow(callId, subscriber.agent);
      if (!told) return nothing();
      const shown = await identityOf(callId, told.agent).catch((error: unknown) => {
        log.error({ err: error, callId }, 'an identity could not be looked up');
        return undefined;
      });
      if (!shown || shown.tenant !== tenant.name || shown.agent !== told.agent) return nothing();
      const { purpose, verifiedAt, authMethod, attributes } = shown.identity;
      // Of these the agent has seen each: what is masked on the screen is not to be had here either.
      const fields = Object.keys(attributes).filter((name) => subscriber.identity.includes(name) && told.fields.has(name));
      try {
        await audit.record({ act: 'fetched', tenant: tenant.name, callId, agent: shown.agent, subscriber: subscriber.name, fields });
      } catch {
        return refuse(reply, 503, 'audit_unwritable', 'That this is asked cannot be recorded now, so it is not answered.');
      }
      // The call may have ended while the disk was busy.
      const still = tenant.hub.shownNow(callId, told.agent);
      if (still?.agent !== shown.agent) return nothing();
      return reply.send({
        callId, agent: shown.agent, purpose, verifiedAt: verifiedAt.toISOString(), ...(authMethod !== undefined && { authMethod }),
        attributes: Object.fromEntries(fields.map((name) => [name, attributes[name]!])),
      });
    });
    await Promise.resolve();
  };
}
