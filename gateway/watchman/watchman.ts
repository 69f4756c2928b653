/**
 * Compares, every few seconds, what both sides of the gateway's borders say there is. What stands on one side alone is
 * nobody's any more: a dialog without a call, a call without a caller, an agent's seat or a screen for a call that is
 * over. There is none while all is right; whatever leads to one is a fault, and must not become somebody else's call.
 */
import type { Logger } from 'pino';

/** What can stand alone: a dialog of the library or of the SIP server, an endpoint of ours or a channel of the media server, a call, its place in the line, an agent's seat, a call on a screen. */
export const strayKinds = ['dialog', 'serverDialog', 'endpoint', 'channel', 'call', 'place', 'seat', 'screen'] as const;
export type StrayKind = (typeof strayKinds)[number];

/** One thing that stands alone. */
export interface Stray {
  /** Tells it from all others of its kind, at the next look too. */
  readonly id: string;
  /** Whose it is, for the log, where that is known. */
  readonly callId?: string;
  readonly agent?: string;
  /** Ends or clears it. */
  end(): void;
}

/** Two lists and what one of them lacks. */
export interface Border {
  readonly kind: StrayKind;
  /** At how many looks in a row something has to stand alone; 2 when left out. */
  readonly looks?: number;
  /** @returns what stands on one side alone now; undefined when one of the sides cannot say. May reject, which is the same */
  look(): Iterable<Stray> | undefined | Promise<Iterable<Stray> | undefined>;
}

export interface WatchmanOptions {
  readonly borders: readonly Border[];
  readonly log: Logger;
  /** Told of each stray that was ended. */
  readonly counted: (kind: StrayKind) => void;
  /** Between two looks, in ms; longer than anything takes to begin or end here. */
  readonly everyMs?: number;
}

const usualEveryMs = 5_000;
/** A side that has not said in this time what it has is left out of the look, in ms. */
const lookMs = 3_000;
/** Strays of one kind that are ended at one look; the others come next. */
const mostAtOnce = 100;
/** A look that comes so much later than it should, in ms, comes after a standstill of the process: what happened meanwhile has not been heard yet. */
const lateMs = 1_000;
/** Longest id in the log: some are as a peer chose them. */
const mostIdLetters = 200;

/** By the clock that cannot be set, and by the one that counts on while a machine is paused. */
interface Moment { readonly steady: number; readonly wall: number }
const thisMoment = (): Moment => ({ steady: performance.now(), wall: Date.now() });
const msSince = ({ steady, wall }: Moment): number => Math.max(performance.now() - steady, Date.now() - wall);

export class Watchman {
  /** At how many looks in a row each stray was seen. */
  private before = new Map<StrayKind, ReadonlyMap<string, number>>();
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly options: WatchmanOptions) {
    this.next();
  }

  /**
   * One look. What was alone at those before as well is ended.
   * @param asked when it was asked for: a look that comes late, or takes too long, counts for nothing, and those before it neither
   * @param waitMs how long it was to wait then
   */
  async look(asked: Moment = thisMoment(), waitMs = 0): Promise<void> {
    const { before } = this;
    this.before = new Map();
    if (msSince(asked) > waitMs + lateMs) return;
    const stoodStill = (): boolean => msSince(asked) > waitMs + lookMs + lateMs;
    const seen = new Map<StrayKind, ReadonlyMap<string, number>>();
    await Promise.all(this.options.borders.map(async (border) => {
      const strays = await this.ask(border);
      if (!strays || this.closed || stoodStill()) return;
      const times = new Map(strays.map(({ id }) => [id, (before.get(border.kind)?.get(id) ?? 0) + 1]));
      seen.set(border.kind, times);
      for (const stray of strays.filter(({ id }) => times.get(id)! >= (border.looks ?? 2)).slice(0, mostAtOnce)) this.end(border.kind, stray);
    }));
    if (!stoodStill()) this.before = seen;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private get everyMs(): number {
    return this.options.everyMs ?? usualEveryMs;
  }

  private next(): void {
    if (this.closed) return;
    const { everyMs } = this;
    const asked = thisMoment();
    this.timer = setTimeout(() => void this.look(asked, everyMs).finally(() => this.next()), everyMs);
    this.timer.unref();
  }

  private async ask(border: Border): Promise<Stray[] | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), lookMs)));
    try {
      const strays = await Promise.race([border.look(), tooLong]);
      return strays && [...strays];
    } catch {
      // It cannot say, and says why elsewhere.
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  private end(kind: StrayKind, stray: Stray): void {
    const { id, callId, agent } = stray;
    this.options.counted(kind);
    this.options.log.error({ kind, stray: id.slice(0, mostIdLetters), ...(callId !== undefined && { callId }), ...(agent !== undefined && { agent }) }, 'something stood alone, and was ended: this is a fault, please report it');
    try {
      stray.end();
    } catch (error) {
      this.options.log.error({ kind, stray: id.slice(0, mostIdLetters), err: error }, 'what stood alone could not be ended');
    }
  }
}
