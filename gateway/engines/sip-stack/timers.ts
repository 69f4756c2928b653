/** RFC 3261 §17.1.1.1 and Appendix A, in milliseconds. Everything else derives from these three. */
export interface SipTimers {
  readonly t1Ms: number;
  readonly t2Ms: number;
  readonly t4Ms: number;
}

export const DEFAULT_TIMERS: SipTimers = { t1Ms: 500, t2Ms: 4_000, t4Ms: 5_000 };

/** Timers B, F, H, L, M: how long a transaction waits altogether. */
export const transactionTimeoutMs = (timers: SipTimers): number => 64 * timers.t1Ms;

/** Resends something at intervals that double from T1 up to a ceiling, until stopped. */
export class Retransmitter {
  private timer: NodeJS.Timeout | undefined;
  private intervalMs: number;

  /** `ceilingMs` Infinity: doubles for ever (timer A). */
  constructor(timers: SipTimers, private readonly ceilingMs: number, private readonly resend: () => void) {
    this.intervalMs = timers.t1Ms;
  }

  start(): void {
    this.timer = setTimeout(() => {
      this.intervalMs = Math.min(this.intervalMs * 2, this.ceilingMs);
      this.start();
      this.resend();
    }, this.intervalMs);
  }

  /** Goes on at the ceiling from now on: what timer E does once a provisional response came (§17.1.2.2). */
  slow(): void {
    this.intervalMs = this.ceilingMs;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
