import type { Logger } from 'pino';
import { z } from 'zod';
import type { Secret } from '../../config/index.js';
import type { TestOutcome, TestPlugin } from './test-plugin.js';

export interface DemoCoreOptions {
  /** Base address of the core listener. */
  readonly coreUrl: () => string;
  /** What the core listener asks of a core, if anything. */
  readonly token: Secret | undefined;
  /** E.164 with its plus, for sessions whose `client_url` is a page. */
  readonly phoneNumber: string;
  readonly plugin: TestPlugin;
  readonly log: Logger;
}

/** What became of a start: what the citizen needs, or why there is nothing. */
export interface DemoSession {
  /** E.164 with its plus. */
  readonly number: string;
  /** undefined when the citizen is sent to a page that does not tell it to programs. */
  readonly code: string | undefined;
  readonly clientUrl: string;
}

/** The gateway did not do what the demo core asked. Carries the gateway's own sentence. */
export class DemoCoreError extends Error {
  readonly code = 'demo_core_failed';

  constructor(sentence: string) {
    super(sentence);
    this.name = 'DemoCoreError';
  }
}

/** As long as a real core waits. */
const CORE_TIMEOUT_MS = 5_000;
/** Late results under way at one time; more are refused. */
const MAX_LATE = 200;

const startAnswer = z.object({ client_url: z.string(), attr_url: z.string() });
const refusal = z.object({ message: z.string() });

/**
 * Stands in for the core and an authentication plugin, over HTTP like the real ones, so that the demo takes the same
 * way through the gateway as production does.
 */
export class DemoCore {
  readonly #options: DemoCoreOptions;
  readonly #late = new Set<NodeJS.Timeout>();

  constructor(options: DemoCoreOptions) {
    this.#options = options;
  }

  /**
   * Starts a session and delivers its result.
   * @param outcome null: no result will come
   * @param sessionUrl where the plugin wants to hear of the session
   * @param delayMs when above 0 the result is sent that much later, and this does not wait for it
   * @throws DemoCoreError
   */
  async start(purpose: string, outcome: TestOutcome | null, sessionUrl: string, delayMs = 0): Promise<DemoSession> {
    if (delayMs > 0 && this.#late.size >= MAX_LATE) throw new DemoCoreError('Too many late results are under way; try again in a minute.');
    const { coreUrl, token } = this.#options;
    const response = await this.#request(`${coreUrl()}/start_communication`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token.reveal()}` }) },
      body: JSON.stringify({ purpose }),
    });
    const { client_url: clientUrl, attr_url: attrUrl } = startAnswer.parse(await response.json());
    const session = await this.#read(clientUrl);
    if (outcome && delayMs > 0) this.#deliverLater(attrUrl, outcome, sessionUrl, delayMs);
    else if (outcome) await this.deliver(attrUrl, outcome, sessionUrl);
    return session;
  }

  /** Posts a result as an authentication plugin does. @throws DemoCoreError */
  async deliver(attrUrl: string, outcome: TestOutcome, sessionUrl: string): Promise<void> {
    await this.#request(attrUrl, { method: 'POST', headers: { 'content-type': 'application/jwt' }, body: await this.#options.plugin.token(outcome, sessionUrl) });
  }

  /** Gives up on late results. */
  close(): void {
    for (const timer of this.#late) clearTimeout(timer);
    this.#late.clear();
  }

  async #read(clientUrl: string): Promise<DemoSession> {
    const [, number, code] = /^tel:(\+\d+),(\d+)$/.exec(clientUrl) ?? [];
    if (number !== undefined && code !== undefined) return { number, code, clientUrl };
    if (!/^https?:/.test(clientUrl)) throw new DemoCoreError('The gateway answered an address that is neither a number with a code nor a page.');
    const page = await this.#request(clientUrl, {});
    return { number: this.#options.phoneNumber, code: /data-code="(\d+)"/.exec(await page.text())?.[1], clientUrl };
  }

  #deliverLater(attrUrl: string, outcome: TestOutcome, sessionUrl: string, delayMs: number): void {
    const timer = setTimeout(() => {
      this.#late.delete(timer);
      // The session may be over by then; that is one of the cases this is for.
      this.deliver(attrUrl, outcome, sessionUrl).catch((error: unknown) => {
        this.#options.log.info({ reason: error instanceof DemoCoreError ? error.message : 'unreachable' }, 'late result not taken');
      });
    }, delayMs);
    this.#late.add(timer);
  }

  async #request(url: string, init: RequestInit): Promise<Response> {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(CORE_TIMEOUT_MS) }).catch(() => {
      throw new DemoCoreError('The gateway did not answer.');
    });
    if (response.ok) return response;
    const said = refusal.safeParse(await response.json().catch(() => undefined));
    throw new DemoCoreError(said.success ? said.data.message : `The gateway answered with status ${response.status}.`);
  }
}
