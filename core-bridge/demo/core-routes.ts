import { createPublicKey, type KeyObject } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { jwtVerify } from 'jose';
import { z } from 'zod';
import type { Tenant } from '../../config/index.js';
import { HttpError } from '../http-error.js';
import { Recent } from './recent.js';

/** An authentication for a caller who is on the line, waiting for the citizen to choose who they are. */
export interface AuthenticationForCall {
  readonly purpose: string;
  readonly commUrl: string;
  readonly attrUrl: string;
}

export interface CoreRoutesOptions {
  readonly purposes: readonly string[];
  /** Our name and key, with which requests must be signed. */
  readonly idContact: Pick<Tenant['idContact'], 'name' | 'signingKey'>;
  /** Base address of the public listener. */
  readonly publicUrl: () => string;
}

const MAX_PENDING = 500;
const MAX_REQUEST_BYTES = 16_384;
const SIGNATURE = { RSA: 'RS256', EC: 'ES256' } as const;

/** Both lead to the same test page: there are two so that there is something to choose. */
const METHODS = [
  { tag: 'digid-test', name: 'DigiD (test)', image_path: '/digid.svg' },
  { tag: 'yivi-test', name: 'Yivi (test)', image_path: '/yivi.svg' },
] as const;

const startClaims = z.object({
  request: z.object({ purpose: z.string(), auth_method: z.string(), comm_url: z.url(), attr_url: z.url() }),
});

/** The demo core as the gateway asks it, for authentication during the call: `/demo/core/session_options` and `/demo/core/start`. */
export class CoreRoutes {
  readonly #options: CoreRoutesOptions;
  readonly #key: KeyObject | undefined;
  /** What citizens were sent to the test page with, and have not come back from. */
  readonly pending = new Recent<AuthenticationForCall>(MAX_PENDING);

  constructor(options: CoreRoutesOptions) {
    const { signingKey } = options.idContact;
    this.#options = options;
    this.#key = signingKey && createPublicKey(signingKey.key);
  }

  routes(app: FastifyInstance): void {
    const { purposes, publicUrl } = this.#options;
    const offered = { auth_methods: METHODS, comm_methods: [{ tag: this.#options.idContact.name, name: 'Telephone', image_path: '/telephone.svg' }] };
    app.addContentTypeParser('application/jwt', { parseAs: 'string', bodyLimit: MAX_REQUEST_BYTES }, (_request, body, done) => done(null, body));

    app.get('/demo/core/session_options', (_request, reply) => reply.send(Object.fromEntries(purposes.map((purpose) => [purpose, offered]))));
    app.get<{ Params: { purpose: string } }>('/demo/core/session_options/:purpose', (request, reply) => {
      if (!purposes.includes(request.params.purpose)) throw new HttpError(404, 'purpose_unknown', 'No service of this gateway has that purpose.');
      return reply.send(offered);
    });
    app.post('/demo/core/start', { logLevel: 'silent' }, async (request) => {
      const { purpose, auth_method: method, comm_url: commUrl, attr_url: attrUrl } = await this.#verify(request.body);
      if (!purposes.includes(purpose)) throw new HttpError(400, 'purpose_unknown', 'No service of this gateway has that purpose.');
      if (!METHODS.some(({ tag }) => tag === method)) throw new HttpError(400, 'method_unknown', 'There is no such authentication method.');
      return { client_url: `${publicUrl()}/demo/call/${this.pending.add({ purpose, commUrl, attrUrl })}` };
    });
  }

  async #verify(body: unknown): Promise<z.infer<typeof startClaims>['request']> {
    const refused = new HttpError(400, 'request_unsigned', 'The request must be a token of the gateway, signed with its key under its name and not expired.');
    const { name, signingKey } = this.#options.idContact;
    if (typeof body !== 'string' || !signingKey || !this.#key) throw refused;
    const verified = await jwtVerify(body, this.#key, { algorithms: [SIGNATURE[signingKey.type]], requiredClaims: ['iat', 'exp'] }).catch(() => undefined);
    const claims = startClaims.safeParse(verified?.payload);
    if (verified?.protectedHeader.kid !== name || !claims.success) throw refused;
    return claims.data.request;
  }
}
