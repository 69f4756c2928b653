import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { ResultError } from './results/result-error.js';
import { VaultError } from './vault/vault.js';

/** An answer other than success: an HTTP status, a stable code for programs, a sentence for people. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    sentence: string,
  ) {
    super(sentence);
    this.name = 'HttpError';
  }
}

const RETRY_AFTER_SECONDS = 30;
/** How long the sender of what is no request may take to read the answer, in ms. */
const READ_ANSWER_MS = 1_000;

/** What Fastify itself refuses, in our words; its own messages may repeat parts of the request. */
const FASTIFY_FAULTS: Readonly<Record<string, HttpError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: new HttpError(413, 'body_too_large', 'The request body is larger than this endpoint takes.'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: new HttpError(415, 'media_type_unsupported', 'The request body has a content type that this endpoint does not take.'),
  FST_ERR_CTP_EMPTY_JSON_BODY: new HttpError(400, 'body_invalid', 'The request body is empty; JSON was expected.'),
  FST_ERR_CTP_EMPTY_TYPE: new HttpError(415, 'media_type_unsupported', 'The request has no content type.'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: new HttpError(400, 'body_invalid', 'The request body is shorter or longer than announced.'),
  FST_ERR_CTP_INVALID_JSON_BODY: new HttpError(400, 'body_invalid', 'The request body is not valid JSON.'),
};

function toHttpError(error: FastifyError | Error): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof ResultError) return new HttpError(400, error.code, error.message);
  if (error instanceof VaultError && error.code === 'vault_full') return new HttpError(503, 'too_many_sessions', 'As many sessions are alive as this gateway allows; try again later.');
  if (error instanceof VaultError && error.code === 'store_unreachable') return new HttpError(503, 'store_unreachable', 'Sessions cannot be reached at the moment; try again later.');
  const { code, statusCode } = error as Partial<FastifyError>;
  const known = code === undefined ? undefined : FASTIFY_FAULTS[code];
  if (known) return known;
  if (error instanceof SyntaxError) return new HttpError(400, 'body_invalid', 'The request body is not valid JSON.');
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return new HttpError(statusCode, 'request_invalid', 'The request is not valid.');
  return new HttpError(500, 'internal', 'Something went wrong here; the log of the gateway knows more.');
}

/** Fastify error handler: every error becomes `{error, message}` in JSON. */
export function answerErrors(log: Logger) {
  return (error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const answer = toHttpError(error);
    if (answer.status >= 500) {
      // Name, code and stack frames only: the message of an unexpected error may hold what it stumbled over.
      const { name, code, stack } = error as Partial<FastifyError>;
      log.error({ errorName: name, errorCode: code, frames: stack?.split('\n').slice(-8).filter((line) => /^\s+at /.test(line)), route: request.routeOptions.url }, 'request failed');
    }
    if (answer.status === 503) void reply.header('retry-after', String(RETRY_AFTER_SECONDS));
    return reply.code(answer.status).send({ error: answer.code, message: answer.message });
  };
}

/** Fastify not-found handler, in the same form. */
export function answerNotFound(_request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply.code(404).send({ error: 'not_found', message: 'There is nothing at this address.' });
}

/** A handler for the methods a path does not take. `allow` is the list of those it does, as in the Allow header. */
export function answerMethodNotAllowed(allow: string) {
  return function methodNotAllowed(_request: FastifyRequest, reply: FastifyReply): FastifyReply {
    return reply.code(405).header('allow', allow).send({ error: 'method_not_allowed', message: `This address takes ${allow} only.` });
  };
}

/** Answers, on the bare socket, what is not HTTP or exceeds the parser's limits, and closes. */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const tooLong = error.code === 'HPE_HEADER_OVERFLOW';
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const status = late ? '408 Request Timeout' : tooLong ? '431 Request Header Fields Too Large' : '400 Bad Request';
  const body = JSON.stringify({ error: 'request_invalid', message: late ? 'The request took too long to arrive.' : 'This is not a request that can be understood.' });
  // Whoever does not close their side, or goes on sending, would keep it for ever.
  const cut = setTimeout(() => socket.destroy(), READ_ANSWER_MS);
  socket.once('close', () => clearTimeout(cut));
  socket.end(`HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
}
