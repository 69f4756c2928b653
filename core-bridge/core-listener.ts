import type { AddressInfo } from 'node:net';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Config } from '../config/index.js';
import { answerErrors, answerMethodNotAllowed, answerNotFound, HttpError } from './http-error.js';
import { ResultError } from './results/result-error.js';
import { MAX_TOKEN_CHARACTERS, ResultVerifier } from './results/result-verifier.js';
import type { SessionVault } from './vault/vault.js';

export interface CoreListenerOptions {
  readonly config: Config;
  readonly vault: SessionVault;
  readonly log: Logger;
  /** Clock, in ms since 1970, for the expiry of tokens. */
  readonly now?: () => number;
}

/** Room for a token of the largest size, and for saying of a larger one that it is too large. */
const MAX_BODY_BYTES = 1_048_576;
/** The form of our result tokens: 32 bytes as base64url. Anything else is not looked up. */
const ATTR_TOKEN = /^[A-Za-z0-9_-]{43}$/;

const OTHER_METHODS = ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/** Keys we do not know are let through: a later core may send more. */
const startRequest = z.object({
  purpose: z.string().min(1).max(255),
  auth_result: z.string().min(1).nullish(),
});

/** What the core is answered (ID Contact, starting a communication). */
interface StartAnswer {
  client_url: string;
  attr_url?: string;
}

/**
 * The listener for the core and the authentication plugins, as a Fastify plugin: `POST /start_communication` and
 * `POST /attr/{token}`. It owns the not-found answer of the server it is registered on.
 */
export function coreListener(options: CoreListenerOptions): FastifyPluginAsync {
  const { config, vault, log } = options;
  const tenant = config.tenants[0]!;
  const purposes = new Set(tenant.services.flatMap((service) => service.purposes));
  const verifier = new ResultVerifier(tenant.idContact, options.now);

  async function start(app: FastifyInstance, body: unknown): Promise<StartAnswer> {
    const parsed = startRequest.safeParse(body);
    if (!parsed.success) throw new HttpError(400, 'body_invalid', describe(parsed.error.issues[0]?.path[0]));
    const { purpose, auth_result: token } = parsed.data;
    if (!purposes.has(purpose)) throw new HttpError(400, 'purpose_unknown', 'No service of this gateway has that purpose.');
    const result = token ? await verifier.verify(token) : undefined;
    const session = await vault.create({ purpose, authentication: 'expected' });
    if (result) await vault.deliver(session.attrToken, result);
    log.info({ sessionId: session.sessionId, purpose, result: result?.status ?? 'awaited' }, 'session started');
    const answer: StartAnswer = { client_url: `tel:${tenant.idContact.phoneNumber},${session.code}` };
    if (!result) answer.attr_url = `${baseUrl(app)}/attr/${session.attrToken}`;
    return answer;
  }

  async function receive(attrToken: string, body: unknown): Promise<void> {
    const gone = new HttpError(404, 'result_not_expected', 'No session waits for a result at this address, or its result has arrived already.');
    if (!ATTR_TOKEN.test(attrToken) || !(await vault.awaits(attrToken))) throw gone;
    if (typeof body !== 'string' || body === '') throw new ResultError('token_malformed');
    const result = await verifier.verify(body);
    const outcome = await vault.deliver(attrToken, result);
    if (outcome !== 'accepted') {
      log.warn({ outcome, plugin: result.authMethod }, 'result refused');
      throw gone;
    }
    log.info({ plugin: result.authMethod, result: result.status }, 'result accepted');
  }

  /** Our address as the authentication plugins reach it. */
  function baseUrl(app: FastifyInstance): string {
    const { host, url } = config.listeners.core;
    if (url) return url;
    // Port 0 becomes a real one only when the server listens.
    const bound = app.server.address() as AddressInfo | null;
    return `http://${host.includes(':') ? `[${host}]` : host}:${bound?.port ?? config.listeners.core.port}`;
  }

  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('application/json', { parseAs: 'string' }, app.getDefaultJsonParser('error', 'error'));
    app.setErrorHandler(answerErrors(log));
    app.setNotFoundHandler(answerNotFound);
    app.addHook('onRequest', (_request, reply, done) => {
      void reply.header('cache-control', 'no-store');
      done();
    });

    // The answer carries a code and the address a token: neither may reach a request log.
    const route = { bodyLimit: MAX_BODY_BYTES, logLevel: 'silent' } as const;
    app.post('/start_communication', route, async (request: FastifyRequest) => start(app, request.body));
    app.route({ method: [...OTHER_METHODS], url: '/start_communication', ...route, handler: answerMethodNotAllowed('POST') });

    await app.register((results, _options, done) => {
      results.removeAllContentTypeParsers();
      results.addContentTypeParser('application/jwt', { parseAs: 'string' }, (_request, body, done) => done(null, body));
      results.setErrorHandler((error: Error, request, reply: FastifyReply) => {
        const tooLarge = (error as { code?: string }).code === 'FST_ERR_CTP_BODY_TOO_LARGE';
        return answerErrors(log)(tooLarge ? new ResultError('token_too_large') : error, request, reply);
      });
      results.post<{ Params: { token: string } }>('/attr/:token', route, async (request, reply) => {
        await receive(request.params.token, request.body);
        return reply.send({});
      });
      results.route({ method: [...OTHER_METHODS], url: '/attr/:token', ...route, handler: answerMethodNotAllowed('POST') });
      done();
    });
  };
}

function describe(key: PropertyKey | undefined): string {
  if (key === 'purpose') return 'The key purpose must be a text of 1 to 255 characters.';
  if (key === 'auth_result') return `The key auth_result must be a token of 1 to ${MAX_TOKEN_CHARACTERS} characters, or left out.`;
  return 'The request body must be a JSON object.';
}
