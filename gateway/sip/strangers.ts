/** What the log and the figures hear of those whom no trunk lists: enough for fail2ban, and never more than a little. */
import type { Logger } from 'pino';
import type { Refused } from './guarded-srf.js';

/** One line for an address in this time, in ms. */
const windowMs = 10_000;
/** Lines in that time, whoever they are about. */
const mostLines = 50;

export class Strangers {
  private readonly seen = new Set<string>();
  private windowBegan = 0;
  private notNamed = 0;

  /** @param counted told of every request */
  constructor(private readonly log: Logger, private readonly counted: (method: string, count: number) => void) {}

  /** @param count requests alike, all at one time */
  note({ method, address, protocol }: Refused, count = 1): void {
    this.counted(method, count);
    const now = performance.now();
    if (now - this.windowBegan >= windowMs) {
      if (this.notNamed > 0) this.log.warn({ requests: this.notNamed }, 'more requests from addresses that no trunk lists');
      this.seen.clear();
      this.notNamed = 0;
      this.windowBegan = now;
    }
    if (this.seen.has(address) || this.seen.size >= mostLines) {
      this.notNamed += count;
      return;
    }
    this.seen.add(address);
    this.log.warn({ from: address, method, protocol }, 'request from an address that no trunk lists');
  }
}
