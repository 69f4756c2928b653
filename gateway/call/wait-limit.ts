/**
 * How long a caller may wait, counted for each stay in a line. While an agent's phone rings, or a screen is awaited, the
 * stay stands still, and goes on when the caller comes back from there. A conversation ends it: who is in a line again
 * after that, or in the line of another service, begins a new one.
 *
 * For a caller who is promised a call back the stay counts on. What runs out then ends nothing, and who is back in the
 * line after that begins a new stay.
 */
import type { Config, Tenant } from '../../config/index.js';
import { longestWaitMs } from '../desk/index.js';

/** When a caller of this service has waited too long, in ms: earlier where there is another number to try. */
export function waitLimitMs(service: Tenant['services'][number], { calls }: Pick<Config, 'calls'>): number {
  const { when = [], afterSeconds } = service.queue.overflow ?? {};
  const longest = longestWaitMs(service, calls);
  return when.includes('waitedTooLong') && afterSeconds !== undefined ? Math.min(longest, afterSeconds * 1_000) : longest;
}

export class WaitLimit {
  private stay: { readonly line: string; leftMs: number } | undefined;
  private running: { readonly timer: NodeJS.Timeout; readonly since: number } | undefined;

  /** @param ranOut the stay has been as long as it may be; it is over then. Never told within `enter`. */
  constructor(private readonly ranOut: () => void) {}

  /**
   * The caller is in this line: a stay of `limitMs` begins, or the one in this line goes on with what is left of it.
   * @param line name of its service
   */
  enter(line: string, limitMs: number): void {
    this.pause();
    if (this.stay?.line !== line) this.stay = { line, leftMs: limitMs };
    const timer = setTimeout(() => {
      this.end();
      this.ranOut();
    }, this.stay.leftMs);
    this.running = { timer, since: performance.now() };
  }

  /** An agent was found: the stay stands still. */
  pause(): void {
    const { stay, running } = this;
    if (!running) return;
    clearTimeout(running.timer);
    this.running = undefined;
    if (stay) stay.leftMs = Math.max(0, stay.leftMs - (performance.now() - running.since));
  }

  /** The stay is over, and nothing is counted until the next one. Also the end of all of it. */
  end(): void {
    this.pause();
    this.stay = undefined;
  }
}
