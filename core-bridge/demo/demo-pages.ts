import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import formbody from '@fastify/formbody';
import helmet from '@fastify/helmet';
import type { FastifyPluginAsync, FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Config } from '../../config/index.js';
import { answerErrors, answerMethodNotAllowed, HttpError } from '../http-error.js';
import { CoreRoutes } from './core-routes.js';
import { DemoCore, DemoCoreError } from './demo-core.js';
import { authenticationPage, callAuthenticationPage, codePage, LATE_SECONDS, OUTCOMES, problemPage, purposePage, type Outcome } from './pages.js';
import { FIELDS, PERSONAS, type Persona } from './personas.js';
import { HeardFeedback } from './session-feedback.js';
import { TestPlugin, type TestOutcome } from './test-plugin.js';

export interface DemoPagesOptions {
  readonly config: Config;
  readonly log: Logger;
  /** Base address of the core listener, known once it listens. */
  readonly coreUrl: () => string;
  /** Base address of the public listener, where these pages are. */
  readonly publicUrl: () => string;
  /** Where the embedded SIP server listens, for the command that calls; undefined with real ones. */
  readonly sipAddress?: () => { host: string; port: number } | undefined;
}

const MAX_BODY_BYTES = 16_384;
/** Where the test phone calls when it is not told. */
const DEFAULT_SIP = { host: '127.0.0.1', port: 5060 };

const text = z.string().trim().max(200);
const form = z.object({
  purpose: z.string(),
  outcome: z.enum(Object.keys(OUTCOMES) as [Outcome, ...Outcome[]]).default('verified'),
  fullname: text.default(''),
  dateofbirth: text.default(''),
  city: text.default(''),
  email: text.default(''),
  bsn: text.default(''),
});

const sessionRequest = z.strictObject({
  purpose: z.string().min(1).max(255).optional(),
  attributes: z.record(z.string().min(1).max(256), z.string().max(1_000)).refine((given) => Object.keys(given).length <= 50).optional(),
  result: z.enum(['success', 'failed', 'none']).default('success'),
  delayMs: z.int().min(0).max(120_000).default(0),
});

/** The demo and production exclude each other; whoever asks for both is told so at the start. */
export class DemoRefusedError extends Error {
  readonly code = 'demo_refused';

  constructor() {
    super('The demo core runs only under the demo configuration, and never with NODE_ENV=production.');
    this.name = 'DemoRefusedError';
  }
}

const INCOMPLETE = 'The form was not complete.';
const NAMELESS = 'Fill in a name: it is what the agent will see.';

/**
 * The demo core's pages for citizens, as a Fastify plugin for the public listener: `/demo` and what follows from it,
 * `POST /demo/session` for scripts, `/demo/core/...` for the gateway, and `/demo/feedback/...` for what it reports.
 * They work without JavaScript and ask nothing of third parties.
 * @throws DemoRefusedError outside the demo configuration
 */
export function demoPages(options: DemoPagesOptions): FastifyPluginAsync {
  const { config, log, publicUrl } = options;
  const tenant = config.tenants[0]!;
  if (!config.demo || !tenant.demoKeys || process.env['NODE_ENV'] === 'production') throw new DemoRefusedError();
  const core = new DemoCore({ coreUrl: options.coreUrl, token: tenant.idContact.coreTokens[0], phoneNumber: tenant.idContact.phoneNumber, plugin: new TestPlugin(tenant.idContact, tenant.demoKeys), log });
  const purposes = tenant.services.flatMap((service) => service.purposes);
  const calls = new CoreRoutes({ purposes, idContact: tenant.idContact, publicUrl });
  const heard = new HeardFeedback();
  const asset = (name: string): Buffer => readFileSync(new URL(name, import.meta.url));
  const style = asset('../citizen.css');
  const icon = asset('icon.svg');

  /** The command that lets the test phone call with a code. */
  function command(code: string, number: string): string {
    const sip = options.sipAddress?.();
    const elsewhere = sip && (sip.host !== DEFAULT_SIP.host || sip.port !== DEFAULT_SIP.port);
    return `npm run call -- --code ${code}${elsewhere ? ` --to sip:${number}@${sip.host}:${sip.port}` : ''}`;
  }

  return async (app) => {
    const { url } = config.listeners.public;
    await app.register(helmet, {
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { 'default-src': ["'none'"], 'style-src': ["'self'"], 'img-src': ["'self'"], 'form-action': ["'self'", ...(url === undefined ? [] : [new URL(url).origin])], 'base-uri': ["'none'"], 'frame-ancestors': ["'none'"] },
      },
      frameguard: { action: 'deny' },
      referrerPolicy: { policy: 'no-referrer' },
      // The demo is plain HTTP on loopback; promising HTTPS for it would lock other programs on localhost out.
      strictTransportSecurity: false,
    });
    await app.register(formbody, { bodyLimit: MAX_BODY_BYTES });
    app.addHook('onClose', () => core.close());
    app.addHook('onRequest', (_request, reply, done) => {
      void reply.header('cache-control', 'no-store');
      done();
    });

    const page = (reply: FastifyReply, content: string, status = 200): FastifyReply => reply.code(status).type('text/html; charset=utf-8').send(content);

    app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
      if (!isPage(request.routeOptions.url)) return answerErrors(log)(error instanceof DemoCoreError ? new HttpError(502, error.code, error.message) : error, request, reply);
      const status = error instanceof DemoCoreError ? 502 : (error.statusCode ?? 500);
      if (status >= 500) log.warn({ errorName: error.name, route: request.routeOptions.url }, 'demo page failed');
      return page(reply, problemPage('That did not work', error instanceof DemoCoreError ? error.message : 'The page could not be made from what was sent.'), status);
    });

    app.get('/', (_request, reply) => reply.redirect('/demo', 303));
    app.get('/demo', (_request, reply) => page(reply, purposePage(tenant.services)));
    app.get('/demo/style.css', (_request, reply) => reply.type('text/css; charset=utf-8').send(style));
    app.get('/demo/icon.svg', (_request, reply) => reply.type('image/svg+xml').send(icon));

    app.get<{ Querystring: Record<string, unknown> }>('/demo/authentication', (request, reply) => {
      const { purpose } = request.query;
      if (typeof purpose !== 'string' || !purposes.includes(purpose)) return reply.redirect('/demo', 303);
      return page(reply, authenticationPage(purpose, PERSONAS[randomInt(PERSONAS.length)] ?? PERSONAS[0]));
    });

    app.post('/demo/authentication', { logLevel: 'silent' }, async (request, reply) => {
      const parsed = form.safeParse(request.body);
      if (!parsed.success || !purposes.includes(parsed.data.purpose)) return page(reply, problemPage('That did not work', INCOMPLETE), 400);
      const { purpose, outcome, ...persona } = parsed.data;
      if (persona.fullname === '') return page(reply, authenticationPage(purpose, persona, NAMELESS), 400);
      const session = await core.start(purpose, toOutcome(outcome, persona), publicUrl() + heard.open(), outcome === 'late' ? LATE_SECONDS * 1_000 : 0);
      const { number, code, clientUrl } = session;
      // The gateway's own page tells the rest, as it does for citizens of a real core.
      if (code === undefined || !clientUrl.startsWith('tel:')) return reply.redirect(clientUrl, 303);
      return page(reply, codePage({ code, clientUrl, numberShown: tenant.idContact.phoneNumberShown, lifetimeSeconds: tenant.codes.lifetimeSeconds, command: command(code, number), outcome }));
    });

    app.get<{ Params: { id: string } }>('/demo/call/:id', { logLevel: 'silent' }, (request, reply) => {
      const waiting = calls.pending.get(request.params.id);
      return waiting ? page(reply, callAuthenticationPage(request.url, waiting.purpose, PERSONAS[randomInt(PERSONAS.length)] ?? PERSONAS[0])) : page(reply, problemPage('That did not work', 'This authentication is over.'), 404);
    });
    app.post<{ Params: { id: string } }>('/demo/call/:id', { logLevel: 'silent' }, async (request, reply) => {
      const waiting = calls.pending.get(request.params.id);
      const parsed = form.safeParse(request.body);
      if (!waiting || !parsed.success) return page(reply, problemPage('That did not work', waiting ? INCOMPLETE : 'This authentication is over.'), waiting ? 400 : 404);
      const { outcome, purpose: _purpose, ...persona } = parsed.data;
      if (persona.fullname === '') return page(reply, callAuthenticationPage(request.url, waiting.purpose, persona, NAMELESS), 400);
      calls.pending.delete(request.params.id);
      await core.deliver(waiting.attrUrl, toOutcome(outcome, persona) ?? { status: 'failed' }, publicUrl() + heard.open());
      return reply.redirect(waiting.commUrl, 303);
    });
    heard.routes(app);
    calls.routes(app);

    app.post('/demo/session', { logLevel: 'silent', bodyLimit: MAX_BODY_BYTES }, async (request, reply) => {
      const parsed = sessionRequest.safeParse(request.body ?? {});
      if (!parsed.success) throw new HttpError(400, 'body_invalid', 'Send JSON with any of purpose, attributes (texts by name), result (success, failed or none) and delayMs.');
      const { purpose = purposes[0] ?? '', attributes = PERSONAS[0], result, delayMs } = parsed.data;
      if (!purposes.includes(purpose)) throw new HttpError(400, 'purpose_unknown', 'No service of this gateway has that purpose.');
      const outcome: TestOutcome | null = result === 'none' ? null : result === 'failed' ? { status: 'failed' } : { status: 'success', attributes };
      const feedbackUrl = publicUrl() + heard.open();
      const session = await core.start(purpose, outcome, feedbackUrl, delayMs);
      return reply.code(201).send({ ...session, feedbackUrl, purpose, attributes: result === 'success' ? attributes : {}, expiresInSeconds: tenant.codes.lifetimeSeconds, ...(session.code !== undefined && { command: command(session.code, session.number) }) });
    });
    app.route({ method: ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'], url: '/demo/session', handler: answerMethodNotAllowed('POST') });
  };
}

/** Whether people look at what is answered there; programs get JSON. */
function isPage(route: string | undefined): boolean {
  return !/^\/demo\/(session$|core\/|feedback\/)/.test(route ?? '');
}

function toOutcome(outcome: Outcome, persona: Persona): TestOutcome | null {
  if (outcome === 'none') return null;
  if (outcome === 'failed') return { status: 'failed' };
  const filled = FIELDS.map(({ name }) => [name, persona[name]] as const).filter(([, value]) => value !== '');
  return { status: 'success', attributes: Object.fromEntries(filled) };
}
