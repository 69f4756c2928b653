import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { pageLanguage, type Language } from '../language.js';
import { VaultError } from '../vault/vault.js';
import { EventStreams } from './event-streams.js';
import { advicePage, companionPage, type Frame } from './page-html.js';
import { findPage, isPageToken, lookAt, type CompanionTenant, type FoundPage } from './page-lookup.js';
import { Clock, viewOf, type ViewAtTime } from './view.js';

export interface CompanionPagesOptions {
  readonly tenants: readonly CompanionTenant[];
  /** The words that the gateway speaks, by the index a session carries. */
  readonly words: Readonly<Record<Language, readonly string[]>>;
  /** Whether citizens reach this listener by HTTPS; they are then sent to nothing less. */
  readonly secure: boolean;
  readonly log: Logger;
  /** ms since 1970 */
  readonly now?: () => number;
  /** In which the times of day are told (IANA name). */
  readonly timeZone?: string;
  /** Requests of one network address in a minute; a page without JavaScript makes six. */
  readonly maxPerMinute?: number;
  readonly streams?: { readonly maxOpen?: number; readonly maxPerPage?: number; readonly beatMs?: number; readonly maxAgeMs?: number };
}

/** Whole companies and mobile networks share an address; a token cannot be guessed at any rate. */
const MAX_PER_MINUTE = 600;
/** A stream costs a socket and two looks a beat. A page has a few: windows, a phone beside a computer, one that is not closed yet. */
const STREAMS = { maxOpen: 5_000, maxPerPage: 4, beatMs: 20_000, maxAgeMs: 900_000 };
/** Nothing is read of a body. */
const MAX_BODY_BYTES = 1_024;
const RETRY_AFTER_SECONDS = 10;
const ASSET_MAX_AGE_SECONDS = 86_400;

const ASSETS = [
  { name: 'citizen.css', file: '../citizen.css', type: 'text/css; charset=utf-8' },
  { name: 'companion.css', file: 'companion.css', type: 'text/css; charset=utf-8' },
  { name: 'companion.js', file: 'companion.js', type: 'text/javascript; charset=utf-8' },
] as const;

interface PageRequest {
  Params: { token: string };
  Querystring: Record<string, unknown>;
}

/**
 * The citizen's page, a companion to the call, as a Fastify plugin for the public listener: `GET /c/:token`, its stream
 * of events, and `POST /c/:token/longer`. It works without JavaScript, asks nothing of third parties, and its address
 * reaches no log. The token is all that a visitor needs to show.
 */
export function companionPages(options: CompanionPagesOptions): FastifyPluginAsync {
  const { tenants, words, log } = options;
  const now = options.now ?? Date.now;
  const timeZone = options.timeZone ?? 'Europe/Amsterdam';
  const clocks: Readonly<Record<Language, Clock>> = { nl: new Clock('nl', timeZone), en: new Clock('en', timeZone) };
  const assets = ASSETS.map(({ name, file, type }) => ({ name, type, content: readFileSync(new URL(file, import.meta.url)) }));
  const version = assets.reduce((hash, { content }) => hash.update(content), createHash('sha256')).digest('hex').slice(0, 12);
  const only = tenants.length === 1 ? tenants[0] : undefined;

  return async (app) => {
    const root = `${app.prefix}/c`;
    const streams = new EventStreams({ ...STREAMS, ...options.streams, now });

    await app.register(helmet, {
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          'default-src': ["'none'"], 'script-src': ["'self'"], 'style-src': ["'self'"], 'img-src': ['data:'], 'connect-src': ["'self'"],
          'form-action': ["'self'"], 'base-uri': ["'none'"], 'frame-ancestors': ["'none'"], 'require-trusted-types-for': ["'script'"],
        },
      },
      frameguard: { action: 'deny' },
      referrerPolicy: { policy: 'no-referrer' },
      strictTransportSecurity: options.secure ? undefined : false,
    });
    await app.register(rateLimit, {
      max: options.maxPerMinute ?? MAX_PER_MINUTE,
      timeWindow: 60_000,
      addHeaders: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false, 'retry-after': true },
    });
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, (_request, _body, done) => done(null));
    app.addHook('onRequest', (_request, reply, done) => {
      void reply.header('cache-control', 'no-store').header('x-robots-tag', 'noindex').header('permissions-policy', 'camera=(), microphone=(), geolocation=()');
      done();
    });
    app.addHook('preClose', (done) => {
      streams.close();
      done();
    });

    const frame = (request: FastifyRequest, found?: FoundPage): Frame => {
      const fallback = (found?.tenant ?? only ?? tenants[0])?.languageOf(found?.session?.purpose) ?? 'nl';
      const asked = (request.query as Record<string, unknown>)['lang'];
      return { language: pageLanguage(asked, request.headers['accept-language'], fallback), organisation: (found?.tenant ?? only)?.displayName, assets: `${root}/assets`, version };
    };
    const send = (reply: FastifyReply, status: number, shown: Frame, page: string): FastifyReply =>
      reply.code(status).header('content-language', shown.language).type('text/html; charset=utf-8').send(page);
    const pathOf = (request: FastifyRequest): string => {
      const { token } = (request.params ?? {}) as Partial<PageRequest['Params']>;
      return token !== undefined && isPageToken(token) ? `${root}/${token}` : root;
    };
    const gone = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
      const shown = frame(request);
      const path = pathOf(request);
      return send(reply, path === root ? 404 : 410, shown, advicePage(shown, 'gone', path));
    };
    const find = async (token: string): Promise<FoundPage | undefined> => (isPageToken(token) ? findPage(tenants, token) : undefined);
    const view = (found: FoundPage, language: Language): ViewAtTime => viewOf(found, language, clocks[language], now());
    const message = (data: string): string => `{"now":${now()},"view":${data}}`;

    app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
      const status = error instanceof VaultError ? 503 : (error.statusCode ?? 500);
      // Neither the error's message nor the request: they may hold the address.
      if (status === 500) log.error({ errorName: error.name, frames: error.stack?.split('\n').filter((line) => /^\s+at /.test(line)).slice(0, 8) }, 'citizen’s page failed');
      if (status === 503) void reply.header('retry-after', String(RETRY_AFTER_SECONDS));
      const shown = frame(request);
      return send(reply, status, shown, advicePage(shown, status === 429 ? 'busy' : status === 503 ? 'store' : 'unexpected', pathOf(request)));
    });

    // The address of a page is its key: it may reach no request log.
    const quiet = { logLevel: 'silent' } as const;

    for (const { name, type, content } of assets) {
      app.get(`/c/assets/${name}`, quiet, (_request, reply) => reply.header('cache-control', `public, max-age=${ASSET_MAX_AGE_SECONDS}, immutable`).type(type).send(content));
    }

    app.get<PageRequest>('/c/:token', quiet, async (request, reply) => {
      const found = await find(request.params.token);
      if (!found) return gone(request, reply);
      const shown = frame(request, found);
      const { view: seen } = view(found, shown.language);
      const { tenant, session } = found;
      const wordLanguage = tenant.languageOf(session?.purpose);
      // A session that ended without a call leaves nothing to tell but that.
      const status = seen.live || seen.receipt || found.entries.some(({ step }) => step === 'ended' || step === 'deletedDuringCall') ? 200 : 410;
      return send(reply, status, shown, companionPage(shown, seen, {
        path: pathOf(request), now: now(), phoneNumber: tenant.phoneNumber, phoneNumberShown: tenant.phoneNumberShown, code: session?.code,
        word: session ? (words[wordLanguage][session.word] ?? '') : '', wordLanguage, refreshes: request.query['refresh'] !== 'off',
      }));
    });

    app.get<PageRequest>('/c/:token/events', { ...quiet, exposeHeadRoute: false }, async (request, reply) => {
      const { token } = request.params;
      const found = await find(token);
      if (!found) return gone(request, reply);
      const { tenant, board } = found;
      const { language } = frame(request, found);
      const opened = streams.stream({
        page: board,
        look: async () => {
          const { view: seen, changesAt } = view(await lookAt(tenant, token), language);
          return { data: JSON.stringify(seen), wrap: message, live: seen.live, againAt: changesAt };
        },
        watch: (listener) => tenant.boards.watch(board, listener),
      });
      if (!opened) return reply.code(503).header('retry-after', String(RETRY_AFTER_SECONDS)).send();
      reply.raw.once('close', () => opened.end());
      // Proxies that collect an answer before passing it on would hold the events back.
      return reply.header('x-accel-buffering', 'no').type('text/event-stream; charset=utf-8').send(opened.stream);
    });

    app.post<PageRequest>('/c/:token/longer', { ...quiet, bodyLimit: MAX_BODY_BYTES }, async (request, reply) => {
      const { token } = request.params;
      const found = mayChange(request.headers) ? await find(token) : undefined;
      if (!found?.session) return gone(request, reply);
      const { tenant, board } = found;
      if (await tenant.vault.extend(token)) tenant.boards.post(board, { step: 'extended' });
      const { language } = frame(request, found);
      if (!request.headers.accept?.includes('application/json')) return reply.redirect(`${pathOf(request)}?lang=${language}#validity`, 303);
      return reply.type('application/json; charset=utf-8').send(message(JSON.stringify(view(await lookAt(tenant, token), language).view)));
    });

    // All that is not a page, in every method: the server's own answer would write the address into the log.
    app.all('/c/*', quiet, gone);
    app.all('/c', quiet, gone);
  };
}

/**
 * Whether a change may have been asked for by our own page. The token is what really protects it: another site does not
 * know the address. A page with `Referrer-Policy: no-referrer` posts its form with `Origin: null`.
 */
function mayChange(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  const { origin, host } = headers;
  if (origin === undefined || origin === 'null') return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}
