import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import formbody from '@fastify/formbody';
import helmet from '@fastify/helmet';
import rateLimit, { normalizeIP } from '@fastify/rate-limit';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { z } from 'zod';
import { hasRightCheckDigit } from '../codes/index.js';
import { GuessError, type AttemptOutcome, type GuessGuard } from '../guessing/guessing.js';
import { LANGUAGES, pageLanguage, type Language } from '../language.js';
import { VaultError } from '../vault/vault.js';
import type { CallIdentification, Redeemed } from './call-identification.js';
import { IdentifyError } from './identify.js';
import { codeForm, deadEnd, methodForm, type PairingFrame } from './pairing-html.js';
import type { PairingProblem } from './pairing-texts.js';

export interface PairingPagesOptions {
  readonly identification: Pick<CallIdentification, 'redeem' | 'methodsOf' | 'begin'>;
  /** Bounds wrong codes, by network address and in total. Not the one of the codes that are dialled: neither shall slow down the other. */
  readonly guard: Pick<GuessGuard, 'admit'>;
  /** What citizens read: "Gemeente Zutphen". */
  readonly organisation: string;
  /** Check digit included. */
  readonly pairingDigits: number;
  /** For browsers that ask for none of ours. */
  readonly language: Language;
  /** Whether citizens reach this listener by HTTPS; they are then sent to nothing less. */
  readonly secure: boolean;
  readonly log: Logger;
  /** Requests of one network address in a minute, all pages together. */
  readonly maxPerMinute?: number;
}

const MAX_PER_MINUTE = 120;
const MAX_FORM_BYTES = 20_480;
/** Longest wait for the turn of a code: a browser and its citizen wait that long, and proxies commonly no more than a minute. */
const PATIENCE_MS = 55_000;
/** Codes waiting for their turn at one time. */
const MAX_WAITING = 1_000;
/** The same of one network address, so that it takes many to keep others from waiting. */
const MAX_WAITING_OF_ADDRESS = 5;
const RETRY_AFTER_SECONDS = 60;

const lang = z.enum(LANGUAGES).optional().catch(undefined);
/** Spaces, dots and dashes between digits are how people write them down. */
const codeRequest = z.object({ lang, code: z.string().max(100).transform((text) => text.replace(/[\s.-]/g, '')) });
const startRequest = z.object({ lang, ticket: z.string().min(1).max(16_384), method: z.string().min(1).max(100) });

const STATUS: Readonly<Record<PairingProblem, number>> = { form: 400, slip: 400, code: 400, over: 410, busy: 429, core: 502, store: 503, unexpected: 500 };

/**
 * The pages where a citizen on the telephone redeems a pairing code, as a Fastify plugin for the public listener: `GET
 * /i`, `POST /i`, `POST /i/start`. They work without JavaScript, ask nothing of third parties and keep nothing: between
 * the two forms the browser carries a sealed ticket.
 */
export function pairingPages(options: PairingPagesOptions): FastifyPluginAsync {
  const { identification, guard, log, secure } = options;
  const style = readFileSync(new URL('../citizen.css', import.meta.url));
  let waiting = 0;
  const waitingOf = new Map<string, number>();

  /** Waits for the turn of one try at a code. @throws GuessError */
  async function turnOf(code: string, request: FastifyRequest): Promise<{ settle(outcome: AttemptOutcome): void }> {
    const address = normalizeIP(request.ip);
    const ofAddress = waitingOf.get(address) ?? 0;
    if (waiting >= MAX_WAITING || ofAddress >= MAX_WAITING_OF_ADDRESS) throw new GuessError('turn_did_not_come');
    waiting += 1;
    waitingOf.set(address, ofAddress + 1);
    const impatience = new AbortController();
    const giveUp = (): void => impatience.abort(new GuessError('turn_did_not_come'));
    const timer = setTimeout(giveUp, PATIENCE_MS);
    request.raw.socket.once('close', giveUp);
    try {
      return await guard.admit({ callId: randomUUID(), callerNumber: address, trunk: 'pairing page', typedDigits: code.length }, impatience.signal);
    } finally {
      clearTimeout(timer);
      request.raw.socket.off('close', giveUp);
      waiting -= 1;
      const left = (waitingOf.get(address) ?? 1) - 1;
      if (left > 0) waitingOf.set(address, left);
      else waitingOf.delete(address);
    }
  }

  /** Takes one try at a code. undefined: it leads nowhere, for whatever reason. @throws GuessError, VaultError */
  async function redeem(code: string, request: FastifyRequest): Promise<Redeemed | undefined> {
    const turn = await turnOf(code, request);
    let outcome: AttemptOutcome = 'notLookedUp';
    try {
      const redeemed = await identification.redeem(code);
      outcome = redeemed === 'unknown' ? 'wrong' : redeemed === 'used' ? 'stale' : 'right';
      return typeof redeemed === 'string' ? undefined : redeemed;
    } finally {
      turn.settle(outcome);
    }
  }

  return async (app) => {
    const path = `${app.prefix}/i`;
    await app.register(helmet, {
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          'default-src': ["'none'"],
          'style-src': ["'self'"],
          'img-src': ['data:'],
          // Both forms may be answered with a redirect to the core's choice of address, and browsers apply form-action
          // to those too. Which hosts that will be only the core knows.
          'form-action': ["'self'", 'https:', ...(secure ? [] : ['http:'])],
          'base-uri': ["'none'"],
          'frame-ancestors': ["'none'"],
        },
      },
      frameguard: { action: 'deny' },
      referrerPolicy: { policy: 'no-referrer' },
      strictTransportSecurity: secure ? undefined : false,
    });
    await app.register(rateLimit, { max: options.maxPerMinute ?? MAX_PER_MINUTE, timeWindow: 60_000, addHeaders: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false, 'retry-after': true } });
    app.removeAllContentTypeParsers();
    await app.register(formbody, { bodyLimit: MAX_FORM_BYTES });
    app.addHook('onRequest', (_request, reply, done) => {
      void reply.header('cache-control', 'no-store').header('x-robots-tag', 'noindex');
      done();
    });

    const frame = (request: FastifyRequest, asked: unknown): PairingFrame => ({
      language: pageLanguage(asked, request.headers['accept-language'], options.language), organisation: options.organisation, path,
    });
    const send = (reply: FastifyReply, page: string, problem?: PairingProblem): FastifyReply => {
      if (problem === 'busy' || problem === 'store') void reply.header('retry-after', String(RETRY_AFTER_SECONDS));
      return reply.code(problem ? STATUS[problem] : 200).type('text/html; charset=utf-8').send(page);
    };
    const askedIn = (body: unknown): unknown => (typeof body === 'object' && body !== null && 'lang' in body ? body.lang : undefined);

    async function begin(reply: FastifyReply, shown: PairingFrame, ticket: string, method: string): Promise<FastifyReply> {
      try {
        const clientUrl = await identification.begin(ticket, method);
        if (secure && !clientUrl.startsWith('https:')) throw new IdentifyError('core_refused');
        return reply.redirect(clientUrl, 303);
      } catch (error) {
        const problem = problemOf(error);
        const methods = problem === 'over' ? undefined : identification.methodsOf(ticket);
        if (problem === 'unexpected') throw error;
        return send(reply, methods ? methodForm(shown, ticket, methods, problem) : deadEnd(shown, problem), problem);
      }
    }

    app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
      const status = error.statusCode ?? 500;
      const problem: PairingProblem = status === 429 ? 'busy' : status < 500 ? 'form' : problemOf(error);
      // Neither the error's message nor its properties: they may hold what was typed.
      if (problem === 'unexpected') log.error({ errorName: error.name, frames: error.stack?.split('\n').filter((line) => /^\s+at /.test(line)).slice(0, 8) }, 'pairing page failed');
      return send(reply, deadEnd(frame(request, askedIn(request.body)), problem), problem);
    });

    // What is sent here is a code or a ticket: neither may reach a request log.
    const quiet = { logLevel: 'silent' } as const;
    app.get<{ Querystring: Record<string, unknown> }>('/i', quiet, (request, reply) => send(reply, codeForm(frame(request, request.query['lang']), options.pairingDigits)));
    app.get('/i/style.css', quiet, (_request, reply) => reply.type('text/css; charset=utf-8').send(style));
    // The last two are what people make of an address that is read out to them.
    for (const beside of ['/i/start', '/i/', '/I']) app.get(beside, quiet, (_request, reply) => reply.redirect(path, 303));

    app.post('/i', { ...quiet, bodyLimit: MAX_FORM_BYTES }, async (request, reply) => {
      const shown = frame(request, askedIn(request.body));
      const parsed = codeRequest.safeParse(request.body);
      const again = (problem: PairingProblem): FastifyReply => send(reply, codeForm(shown, options.pairingDigits, problem), problem);
      if (!parsed.success || !/^\d+$/.test(parsed.data.code) || parsed.data.code.length !== options.pairingDigits) return again('form');
      if (!hasRightCheckDigit(parsed.data.code)) return again('slip');
      let redeemed: Redeemed | undefined;
      try {
        redeemed = await redeem(parsed.data.code, request);
      } catch (error) {
        const problem = problemOf(error);
        if (problem === 'unexpected') throw error;
        return again(problem);
      }
      if (!redeemed) return again('code');
      const { ticket, methods } = redeemed;
      const only = methods.length === 1 ? methods[0] : undefined;
      return only ? begin(reply, shown, ticket, only.tag) : send(reply, methodForm(shown, ticket, methods));
    });

    app.post('/i/start', { ...quiet, bodyLimit: MAX_FORM_BYTES }, async (request, reply) => {
      const shown = frame(request, askedIn(request.body));
      const parsed = startRequest.safeParse(request.body);
      return parsed.success ? begin(reply, shown, parsed.data.ticket, parsed.data.method) : send(reply, deadEnd(shown, 'over'), 'over');
    });
  };
}

function problemOf(error: unknown): PairingProblem {
  if (error instanceof GuessError) return 'busy';
  if (error instanceof VaultError) return 'store';
  if (error instanceof IdentifyError) return error.code === 'withdrawn' || error.code === 'not_offered' ? 'over' : 'core';
  return 'unexpected';
}
