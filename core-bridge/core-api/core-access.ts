import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { ListenerTls, Secret, Tenant } from '../../config/index.js';
import { refusal } from './refusals.js';

/** RFC 6750, section 2.1; the scheme's name in any case (RFC 9110, section 11.1). */
const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i;

/**
 * Whether this is the core: by client certificate when the listener believes an authority, by bearer token when there
 * are any. Both where both are configured.
 * @throws HttpError `core_certificate`, `core_token`
 */
export function checkCore(request: IncomingMessage, tls: ListenerTls | undefined, names: Tenant['idContact']['coreCertificateNames'], tokens: readonly Secret[]): void {
  if ((tls?.clientCa !== undefined || names.length > 0) && !showsCertificate(request, names)) throw refusal('core_certificate', 'Only the core may start sessions, with a client certificate that is known here.');
  if (tokens.length > 0 && !showsToken(request, tokens)) throw refusal('core_token', 'Only the core may start sessions, with a bearer token that is known here.');
}

function showsCertificate({ socket }: IncomingMessage, names: readonly string[]): boolean {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return false;
  // `authorized` alone is not enough: Node also says so of a resumed TLS 1.3 session in which nobody ever showed a certificate.
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return false;
  return names.length === 0 || names.some((name) => certificate.checkHost(name, { subject: 'always', wildcards: false }) !== undefined);
}

function showsToken({ headers }: IncomingMessage, tokens: readonly Secret[]): boolean {
  const shown = digest(BEARER.exec(headers.authorization ?? '')?.[1] ?? '');
  // Every token is compared, and whole digests: how long it takes says nothing of what was near.
  return tokens.map((token) => timingSafeEqual(shown, digest(token.reveal()))).includes(true);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
