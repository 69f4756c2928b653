import type { Logger } from 'pino';
import { z } from 'zod';
import type { TestOutcome, TestPlugin } from './test-plugin.js';

export interface DemoCoreOptions {
  /** Base address of the core listener. */
  readonly coreUrl: () => string;
  readonly plugin: TestPlugin;
  readonly log: Logger;
}

/** What became of a start: what the citizen needs, or why there is nothing. */
export interface DemoSession {
  /** E.164 with its plus. */
  readonly number: string;
  readonly code: string;
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
   * @param delayMs when above 0 the result is sent that much later, and this does not wait for it
   * @throws DemoCoreError
   */
  async start(purpose: string, outcome: TestOutcome | null, delayMs = 0): Promise<DemoSession> {
    if (delayMs > 0 && this.#late.size >= MAX_LATE) throw new DemoCoreError('Too many late results are under way; try again in a minute.');
    const response = await this.#post(`${this.#options.coreUrl()}/start_communication`, 'application/json', JSON.stringify({ purpose }));
    const { client_url: clientUrl, attr_url: attrUrl } = startAnswer.parse(await response.json());
    const [, number, code] = /^tel:(\+\d+),(\d+)$/.exec(clientUrl) ?? [];
    if (number === undefined || code === undefined) throw new DemoCoreError('The gateway answered an address without number and code.');
    if (outcome && delayMs > 0) this.#deliverLater(attrUrl, outcome, delayMs);
    else if (outcome) await this.#deliver(attrUrl, outcome);
    return { number, code, clientUrl };
  }

  /** Gives up on late results. */
  close(): void {
    for (const timer of this.#late) clearTimeout(timer);
    this.#late.clear();
  }

  #deliverLater(attrUrl: string, outcome: TestOutcome, delayMs: number): void {
    const timer = setTimeout(() => {
      this.#late.delete(timer);
      // The session may be over by then; that is one of the cases this is for.
      this.#deliver(attrUrl, outcome).catch((error: unknown) => {
        this.#options.log.info({ reason: error instanceof DemoCoreError ? error.message : 'unreachable' }, 'late result not taken');
      });
    }, delayMs);
    this.#late.add(timer);
  }

  async #deliver(attrUrl: string, outcome: TestOutcome): Promise<void> {
    await this.#post(attrUrl, 'application/jwt', await this.#options.plugin.token(outcome));
  }

  async #post(url: string, contentType: string, body: string): Promise<Response> {
    const request = { method: 'POST', headers: { 'content-type': contentType }, body, signal: AbortSignal.timeout(CORE_TIMEOUT_MS) };
    const response = await fetch(url, request).catch(() => {
      throw new DemoCoreError('The gateway’s core listener did not answer.');
    });
    if (response.ok) return response;
    const said = refusal.safeParse(await response.json().catch(() => undefined));
    throw new DemoCoreError(said.success ? said.data.message : `The gateway answered with status ${response.status}.`);
  }
}
