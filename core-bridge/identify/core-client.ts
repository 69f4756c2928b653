import { SignJWT } from 'jose';
import { z } from 'zod';
import type { PrivateKey } from '../../config/index.js';
import { IdentifyError } from './identify.js';

/** A way to authenticate, as the core offers it. */
export interface AuthMethod {
  readonly tag: string;
  readonly name: string;
}

export interface StartRequest {
  readonly purpose: string;
  /** Tag of the method. */
  readonly authMethod: string;
  /** Where the citizen's browser goes afterwards. */
  readonly commUrl: string;
  /** Where the result is posted. */
  readonly attrUrl: string;
}

export interface CoreClientOptions {
  /** Base address of the core, asked for at each request: the demo's is known only once it listens. */
  readonly coreUrl: () => string;
  /** Our name as the core knows it: the `kid` under which it finds our key. */
  readonly name: string;
  readonly signingKey: PrivateKey;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5_000;
const MAX_ANSWER_BYTES = 65_536;
const MAX_METHODS = 20;
const SIGNATURE = { RSA: 'RS256', EC: 'ES256' } as const;

/** Pictures are not taken over: a citizen's browser shall ask nothing of third parties. */
const sessionOptions = z.object({
  auth_methods: z.array(z.object({ tag: z.string().min(1).max(100), name: z.string().trim().min(1).max(100) })).max(MAX_METHODS),
});
const startAnswer = z.object({
  client_url: z.string().max(4_096).refine((text) => URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol)),
});

/** The core as the gateway asks it: for the ways to authenticate, and to start one (ID Contact, authentication during communication). */
export class CoreClient {
  readonly #options: CoreClientOptions;

  constructor(options: CoreClientOptions) {
    this.#options = options;
  }

  /** `GET /session_options/{purpose}`. @throws IdentifyError `core_unreachable`, `core_refused` */
  async methods(purpose: string): Promise<readonly AuthMethod[]> {
    return (await this.#ask(`/session_options/${encodeURIComponent(purpose)}`, {}, sessionOptions)).auth_methods;
  }

  /**
   * `POST /start`, signed.
   * @returns the address to send the citizen's browser to
   * @throws IdentifyError `core_unreachable`, `core_refused`
   */
  async start(request: StartRequest): Promise<string> {
    const { name, signingKey } = this.#options;
    const claim = { purpose: request.purpose, auth_method: request.authMethod, comm_url: request.commUrl, attr_url: request.attrUrl };
    const body = await new SignJWT({ request: claim })
      .setProtectedHeader({ alg: SIGNATURE[signingKey.type], typ: 'JWT', kid: name })
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(signingKey.key);
    return (await this.#ask('/start', { method: 'POST', headers: { 'content-type': 'application/jwt' }, body }, startAnswer)).client_url;
  }

  async #ask<T>(path: string, init: RequestInit & { headers?: Record<string, string> }, schema: z.ZodType<T>): Promise<T> {
    let status: number;
    let text: string;
    try {
      const response = await fetch(this.#options.coreUrl() + path, {
        ...init,
        headers: { accept: 'application/json', ...init.headers },
        redirect: 'manual',
        signal: AbortSignal.timeout(this.#options.timeoutMs ?? TIMEOUT_MS),
      });
      status = response.status;
      if (!response.ok) {
        await response.body?.cancel();
        throw new IdentifyError(status >= 500 ? 'core_unreachable' : 'core_refused');
      }
      text = await readAtMost(response, MAX_ANSWER_BYTES);
    } catch (error) {
      // fetch's own errors name the address.
      throw error instanceof IdentifyError ? error : new IdentifyError('core_unreachable');
    }
    const parsed = schema.safeParse(parseJson(text));
    if (!parsed.success) throw new IdentifyError('core_refused');
    return parsed.data;
  }
}

async function readAtMost(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop early cancels the rest.
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new IdentifyError('core_refused');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
