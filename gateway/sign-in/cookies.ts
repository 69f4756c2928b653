import type { CookieSerializeOptions } from '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';

export interface CookiesOptions {
  /** undefined: as the request came, by https or not. */
  readonly secure: boolean | undefined;
  /** Pages of ours may stand in a frame of another site. */
  readonly embedded: boolean;
}

/** One cookie of ours, read from requests and set in replies; its flags are the same each time. */
export class Cookie {
  readonly #name: string;
  readonly #sameSite: 'strict' | 'lax';
  readonly #options: CookiesOptions;

  /** @param sameSite whether a request that another site made our visitor send comes with it: never, or when it is a visit of a page */
  constructor(name: string, sameSite: 'strict' | 'lax', options: CookiesOptions) {
    this.#name = name;
    this.#sameSite = sameSite;
    this.#options = options;
  }

  of(request: FastifyRequest): string | undefined {
    return request.cookies[this.#nameFor(request)];
  }

  set(request: FastifyRequest, reply: FastifyReply, value: string, maxAgeMs: number): void {
    reply.setCookie(this.#nameFor(request), value, { ...this.#flags(request), maxAge: Math.floor(maxAgeMs / 1000) });
  }

  clear(request: FastifyRequest, reply: FastifyReply): void {
    reply.clearCookie(this.#nameFor(request), this.#flags(request));
  }

  // The __Host- prefix makes a browser refuse the cookie unless it is Secure, of this host and of the whole of it (RFC 6265bis 4.1.3.2).
  #nameFor(request: FastifyRequest): string {
    return this.#isSecure(request) ? `__Host-${this.#name}` : this.#name;
  }

  #isSecure(request: FastifyRequest): boolean {
    return this.#options.embedded || (this.#options.secure ?? request.protocol === 'https');
  }

  #flags(request: FastifyRequest): CookieSerializeOptions {
    const common = { path: '/', httpOnly: true, secure: this.#isSecure(request) };
    return this.#options.embedded ? { ...common, sameSite: 'none', partitioned: true } : { ...common, sameSite: this.#sameSite };
  }
}

/**
 * Only our own site may send the login along (SameSite=Strict). Where pages of ours may stand in a frame of another
 * site that would shut out the frame; then it is SameSite=None and Partitioned (CHIPS: each site that frames us has a
 * login of its own, and a page nobody framed another), and what keeps other sites from using it is the look at where
 * a request came from alone (request-origin.ts).
 */
export class Cookies {
  /** Carries the login. */
  readonly login: Cookie;
  /** What a sign-in at the provider began with. The provider sends people back, and a Strict cookie does not come along then. */
  readonly begun: Cookie;
  /** The secret of a frame that waits for a sign-in in a tab. */
  readonly frame: Cookie;

  constructor(options: CookiesOptions) {
    this.login = new Cookie('screen', 'strict', options);
    this.begun = new Cookie('sign-in', 'lax', options);
    this.frame = new Cookie('sign-in-frame', 'strict', options);
  }
}
