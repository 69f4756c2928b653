import type { CookieSerializeOptions } from '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';

export interface CookiesOptions {
  /** undefined: as the request came, by https or not. */
  readonly secure: boolean | undefined;
  /** Pages of ours may stand in a frame of another site. */
  readonly embedded: boolean;
}

/**
 * The cookies: `screen` carries the login, `sign-in` what a sign-in at the provider began with, `sign-in-frame` the secret
 * of a frame that waits for one.
 *
 * Only our own site may send the login along (SameSite=Strict). Where pages of ours may stand in a frame of another
 * site that would shut out the frame; then it is SameSite=None and Partitioned (CHIPS: each site that frames us has a
 * login of its own, and a page nobody framed another), and what keeps other sites from using it is the look at where
 * a request came from alone (request-origin.ts).
 */
export class Cookies {
  readonly #options: CookiesOptions;

  constructor(options: CookiesOptions) {
    this.#options = options;
  }

  login(request: FastifyRequest): string | undefined {
    return request.cookies[this.#name(request, 'screen')];
  }

  setLogin(request: FastifyRequest, reply: FastifyReply, value: string, maxAgeMs: number): void {
    reply.setCookie(this.#name(request, 'screen'), value, { ...this.#flags(request, 'strict'), maxAge: Math.floor(maxAgeMs / 1000) });
  }

  clearLogin(request: FastifyRequest, reply: FastifyReply): void {
    reply.clearCookie(this.#name(request, 'screen'), this.#flags(request, 'strict'));
  }

  begun(request: FastifyRequest): string | undefined {
    return request.cookies[this.#name(request, 'sign-in')];
  }

  /** The provider sends people back, and a Strict cookie does not come along then. */
  setBegun(request: FastifyRequest, reply: FastifyReply, value: string, maxAgeMs: number): void {
    reply.setCookie(this.#name(request, 'sign-in'), value, { ...this.#flags(request, 'lax'), maxAge: Math.floor(maxAgeMs / 1000) });
  }

  clearBegun(request: FastifyRequest, reply: FastifyReply): void {
    reply.clearCookie(this.#name(request, 'sign-in'), this.#flags(request, 'lax'));
  }

  /** The secret of a frame that waits for a sign-in in a tab. */
  frame(request: FastifyRequest): string | undefined {
    return request.cookies[this.#name(request, 'sign-in-frame')];
  }

  setFrame(request: FastifyRequest, reply: FastifyReply, value: string, maxAgeMs: number): void {
    reply.setCookie(this.#name(request, 'sign-in-frame'), value, { ...this.#flags(request, 'strict'), maxAge: Math.floor(maxAgeMs / 1000) });
  }

  clearFrame(request: FastifyRequest, reply: FastifyReply): void {
    reply.clearCookie(this.#name(request, 'sign-in-frame'), this.#flags(request, 'strict'));
  }

  // The __Host- prefix makes a browser refuse the cookie unless it is Secure, of this host and of the whole of it (RFC 6265bis 4.1.3.2).
  #name(request: FastifyRequest, name: string): string {
    return this.#isSecure(request) ? `__Host-${name}` : name;
  }

  #isSecure(request: FastifyRequest): boolean {
    return this.#options.embedded || (this.#options.secure ?? request.protocol === 'https');
  }

  #flags(request: FastifyRequest, sameSite: 'strict' | 'lax'): CookieSerializeOptions {
    const common = { path: '/', httpOnly: true, secure: this.#isSecure(request) };
    return this.#options.embedded ? { ...common, sameSite: 'none', partitioned: true } : { ...common, sameSite };
  }
}
