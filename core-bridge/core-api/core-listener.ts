import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { ListenerTls, Tenant } from '../../config/index.js';
import { answerErrors, answerMethodNotAllowed, answerNotFound, type HttpError } from '../http-error.js';
import type { KeyRing } from '../key-ring.js';
import type { ProgressBoards } from '../progress/progress.js';
import { ResultError } from '../results/result-error.js';
import { MAX_TOKEN_CHARACTERS, ResultVerifier } from '../results/result-verifier.js';
import type { VerifiedResult } from '../results/verified-result.js';
import type { SessionVault } from '../vault/vault.js';
import { attrUrl, pageUrl, tenantPath } from './addresses.js';
import { checkCore } from './core-access.js';
import { describeCoreApi } from './openapi.js';
import { refusal } from './refusals.js';
import { startRequest, type StartAnswer } from './schemas.js';

/** One tenant as this listener serves it. */
export interface CoreTenant {
  readonly tenant: Pick<Tenant, 'name' | 'services' | 'idContact'>;
  readonly vault: SessionVault;
  readonly boards: Pick<ProgressBoards, 'post'>;
  /** May be replaced while the listener runs. */
  readonly keys: KeyRing;
}

export interface CoreListenerOptions {
  readonly tenants: readonly CoreTenant[];
  /** As the server it is registered on has it. */
  readonly tls?: ListenerTls | undefined;
  readonly log: Logger;
  /** Base address of this listener as the authentication plugins reach it; asked when it listens. */
  readonly coreUrl: () => string;
  /** Base address of the citizens' pages. */
  readonly publicUrl: () => string;
  /** Whether the gateway is being stopped: then no session begins, and results are still taken. */
  readonly draining?: () => boolean;
  /** Clock, in ms since 1970, for the expiry of tokens. */
  readonly now?: () => number;
}

/** Room for a token of the largest size, and for saying of a larger one that it is too large. */
const MAX_BODY_BYTES = 1_048_576;
/** The form of our result tokens: 32 bytes as base64url. Anything else is not looked up. */
const ATTR_TOKEN = /^[A-Za-z0-9_-]{43}$/;

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
/** The answers carry codes and the addresses tokens: neither may reach a request log. */
const UNLOGGED = { bodyLimit: MAX_BODY_BYTES, logLevel: 'silent' } as const;

/**
 * The listener for the core and the authentication plugins, as a Fastify plugin: for each tenant
 * `POST /start_communication` and `POST /attr/{token}`, and `GET /openapi.json`. It owns the not-found answer of the
 * server it is registered on.
 */
export function coreListener(options: CoreListenerOptions): FastifyPluginAsync {
  const { tenants, log, coreUrl } = options;
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.setErrorHandler(answerErrors(log));
    app.setNotFoundHandler(answerNotFound);
    app.addHook('onRequest', (_request, reply, done) => {
      void reply.header('cache-control', 'no-store');
      done();
    });
    const ownPaths = tenants.some(({ tenant }) => tenantPath(tenant.name) !== '');
    app.get('/openapi.json', { logLevel: 'silent' }, () => describeCoreApi({ coreUrl: coreUrl(), tenants: ownPaths }));
    refuseOtherMethods(app, '/openapi.json', 'GET');
    for (const served of tenants) {
      const { start, receive, admit } = tenantEndpoints(served, options);
      await app.register(
        async (scope) => {
          await scope.register((starts, _options, done) => {
            starts.addContentTypeParser('application/json', { parseAs: 'string' }, starts.getDefaultJsonParser('error', 'error'));
            // Before the body is read: strangers make us hold nothing.
            starts.post('/start_communication', { ...UNLOGGED, onRequest: admit }, async (request) => start(request.body));
            refuseOtherMethods(starts, '/start_communication', 'POST');
            done();
          });
          await scope.register((results, _options, done) => {
            results.addContentTypeParser('application/jwt', { parseAs: 'string' }, (_request, body, parsed) => parsed(null, body));
            results.setErrorHandler((error: Error, request, reply: FastifyReply) => {
              const tooLarge = (error as { code?: string }).code === 'FST_ERR_CTP_BODY_TOO_LARGE';
              return answerErrors(log)(tooLarge ? new ResultError('token_too_large') : error, request, reply);
            });
            results.post<{ Params: { token: string } }>('/attr/:token', UNLOGGED, async (request, reply) => {
              await receive(request.params.token, request.body);
              return reply.send({});
            });
            refuseOtherMethods(results, '/attr/:token', 'POST');
            done();
          });
        },
        { prefix: tenantPath(served.tenant.name) },
      );
    }
  };
}

function refuseOtherMethods(app: FastifyInstance, url: string, taken: 'GET' | 'POST'): void {
  app.route({ method: METHODS.filter((method) => method !== taken), url, ...UNLOGGED, exposeHeadRoute: false, handler: answerMethodNotAllowed(taken) });
}

/** What one tenant's two addresses do. */
function tenantEndpoints(served: CoreTenant, options: CoreListenerOptions) {
  const { tenant, vault, boards, keys } = served;
  const { phoneNumber, clientUrl, coreCertificateNames } = tenant.idContact;
  const log = options.log.child({ tenant: tenant.name });
  const purposes = new Set(tenant.services.flatMap((service) => service.purposes));
  const unauthenticated = new Set(tenant.services.flatMap((service) => service.unauthenticatedPurposes));
  const verifier = new ResultVerifier(keys, options.now);

  function admit(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
    try {
      checkCore(request.raw, options.tls, coreCertificateNames, keys.current.coreTokens);
      done();
    } catch (error) {
      log.warn({ refused: (error as HttpError).code }, 'start refused');
      if (keys.current.coreTokens.length > 0) void reply.header('www-authenticate', 'Bearer realm="start_communication"');
      done(error as HttpError);
    }
  }

  async function start(body: unknown): Promise<StartAnswer> {
    const parsed = startRequest.safeParse(body);
    if (!parsed.success) throw refusal('body_invalid', describeFault(parsed.error.issues[0]?.path[0]));
    const { purpose, auth_result: token } = parsed.data;
    if (!purposes.has(purpose)) throw refusal('purpose_unknown', 'No service of this gateway has that purpose.');
    const result = token ? await verify(token) : undefined;
    // As late as can be: a code of a gateway that takes no call any more is worth nothing to a citizen.
    if (options.draining?.()) throw refusal('draining', 'This gateway is being stopped; ask another one, or later.');
    const authentication = unauthenticated.has(purpose) ? 'none' : 'expected';
    const { sessionId, code, attrToken, pageToken } = await vault.create({ purpose, authentication });
    if (result) await deliver(attrToken, result);
    log.info({ sessionId, purpose, result: result?.status ?? (authentication === 'none' ? 'none' : 'awaited') }, 'session started');
    return {
      client_url: clientUrl === 'page' ? pageUrl(options.publicUrl(), pageToken) : `tel:${phoneNumber},${code}`,
      ...(!result && { attr_url: attrUrl(options.coreUrl(), tenant.name, attrToken) }),
    };
  }

  async function receive(attrToken: string, body: unknown): Promise<void> {
    if (!ATTR_TOKEN.test(attrToken) || !(await vault.awaits(attrToken))) throw notExpected();
    if (typeof body !== 'string' || body === '') throw new ResultError('token_malformed');
    const result = await verify(body);
    await deliver(attrToken, result);
    log.info({ plugin: result.authMethod, result: result.status }, 'result accepted');
  }

  async function verify(token: string): Promise<VerifiedResult> {
    try {
      return await verifier.verify(token);
    } catch (error) {
      // The sender may not look at our answer; whoever runs the gateway can see here that a key is the wrong one.
      if (error instanceof ResultError) log.warn({ refused: error.code }, 'result refused');
      throw error;
    }
  }

  /** Gives a result to its session, and tells the citizen's page. */
  async function deliver(attrToken: string, result: VerifiedResult): Promise<void> {
    const outcome = await vault.deliver(attrToken, result);
    if (outcome !== 'accepted') {
      log.warn({ refused: outcome, plugin: result.authMethod }, 'result refused');
      throw notExpected();
    }
    const board = await vault.boardOf(attrToken).catch(() => undefined);
    if (board !== undefined) boards.post(board, { step: result.status === 'success' ? 'authenticated' : 'authenticationFailed' });
  }

  return { admit, start, receive };
}

function notExpected(): Error {
  return refusal('result_not_expected', 'No session waits for a result at this address, or its result has arrived already.');
}

function describeFault(key: PropertyKey | undefined): string {
  if (key === 'purpose') return 'The key purpose must be a text of 1 to 255 characters.';
  if (key === 'auth_result') return `The key auth_result must be a token of 1 to ${MAX_TOKEN_CHARACTERS} characters, or left out.`;
  return 'The request body must be a JSON object.';
}
