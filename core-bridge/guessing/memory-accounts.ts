import { ASK_EVERY_MS, ASK_SOON_MS, DEAD_AFTER_MS, delayAfterMs, GRANTED_WITHIN_SECONDS, lineOf, MOST_IN_TOTAL, MOST_OF_CALLER, mostOfTrunk, UNSETTLED_AFTER_MS, type AccountLimits, type Accounts, type Turn, type TurnAnswer } from './accounts.js';
import type { AttemptOutcome } from './guessing.js';
import { SlidingLog } from './sliding-log.js';

/** Calling numbers that are remembered; the one that called longest ago makes room. */
const MOST_CALLERS = 50_000;

interface Waiting {
  readonly wrongOfCaller: number;
  readonly arrivedAtMs: number;
  readonly seenAtMs: number;
}

interface Line {
  freeAtMs: number;
  /** Whoever took the turn last and may give it back. */
  holder: string | undefined;
  readonly waiting: Map<string, Waiting>;
}

/** Accounts in this process's memory. */
export class MemoryAccounts implements Accounts {
  readonly #limits: AccountLimits;
  readonly #now: () => number;
  readonly #wrong: SlidingLog;
  /** Turns taken and not settled, oldest first, and when. */
  readonly #unsettled = new Map<string, number>();
  /** Wrong and stale codes, and turns not settled. */
  readonly #callers = new Map<string, SlidingLog>();
  /** Trunks are known by name from the configuration, so these stay few. */
  readonly #trunks = new Map<string, SlidingLog>();
  readonly #lines = new Map<string, Line>();
  /** Until when there may be live codes, by length and base. */
  readonly #inUse = new Map<number, Map<number, number>>();
  /** Lengths given out, by second. */
  readonly #granted = new Map<number, number>();

  constructor(limits: AccountLimits, now: () => number = Date.now) {
    this.#limits = limits;
    this.#now = now;
    this.#wrong = new SlidingLog(limits.windowMs, MOST_IN_TOTAL);
  }

  take(turn: Turn, waitedMs: number): Promise<TurnAnswer> {
    const now = this.#now();
    const caller = this.#caller(turn.caller);
    const wrongOfCaller = caller.count(now);
    const heldBackMs = delayAfterMs(wrongOfCaller) - waitedMs;
    if (heldBackMs > 0) return notYet(Math.min(heldBackMs, ASK_EVERY_MS));
    const trunk = this.#trunk(turn.trunk);
    const { freePerNumber, freePerTrunk, odds } = this.#limits;
    const isFree = this.#wrongInWindow(now) + this.#unsettled.size < odds.freeInTotal && wrongOfCaller < freePerNumber && trunk.count(now) < freePerTrunk;
    if (!isFree) {
      const { name, gapMs } = lineOf(odds, turn.typedDigits, this.#baseOf(turn.typedDigits, now));
      const line = this.#line(name);
      for (const [id, { seenAtMs }] of line.waiting) if (seenAtMs <= now - DEAD_AFTER_MS) line.waiting.delete(id);
      const me = { wrongOfCaller, arrivedAtMs: now - waitedMs, seenAtMs: now };
      line.waiting.set(turn.id, me);
      if (line.freeAtMs > now) return notYet(Math.min(line.freeAtMs - now, ASK_EVERY_MS));
      if ([...line.waiting.values()].some((other) => isBefore(other, me))) return notYet(ASK_SOON_MS);
      line.freeAtMs = now + gapMs;
      line.holder = turn.id;
      this.#forgetWaiting(turn);
    }
    this.#unsettled.set(turn.id, now);
    caller.add(turn.id, now);
    trunk.add(turn.id, now);
    return Promise.resolve({ taken: true });
  }

  settle(turn: Turn, outcome: AttemptOutcome): Promise<{ wrongInWindow: number }> {
    const now = this.#now();
    this.#unsettled.delete(turn.id);
    if (outcome === 'wrong') this.#wrong.add(turn.id, now);
    else {
      this.#wrong.remove(turn.id);
      this.#trunk(turn.trunk).remove(turn.id);
      for (const line of this.#lines.values()) if (line.holder === turn.id) line.freeAtMs = now;
      if (outcome !== 'stale') this.#caller(turn.caller).remove(turn.id);
    }
    return Promise.resolve({ wrongInWindow: this.#wrongInWindow(now) });
  }

  leave(turn: Turn): Promise<void> {
    this.#forgetWaiting(turn);
    return Promise.resolve();
  }

  nextLength(liveCodes: number): Promise<{ digits: number; wrongInWindow: number }> {
    const { odds, codesLastMs } = this.#limits;
    const now = this.#now();
    const second = Math.floor(now / 1_000);
    for (const past of this.#granted.keys()) if (past < second - GRANTED_WITHIN_SECONDS) this.#granted.delete(past);
    const granted = [...this.#granted.values()].reduce((sum, count) => sum + count, 0);
    this.#granted.set(second, (this.#granted.get(second) ?? 0) + 1);
    const base = odds.baseDigits(liveCodes + granted + 1);
    const wrongInWindow = this.#wrongInWindow(now);
    const digits = Math.min(odds.maxDigits, base + odds.stageAfter(wrongInWindow));
    const bases = this.#inUse.get(digits) ?? new Map<number, number>();
    this.#inUse.set(digits, bases.set(base, now + codesLastMs));
    return Promise.resolve({ digits, wrongInWindow });
  }

  lengthsInUse(): Promise<{ shortest: number; longest: number }> {
    const now = this.#now();
    const lengths = [...this.#inUse.keys()].filter((digits) => this.#baseOf(digits, now) !== undefined);
    if (lengths.length === 0) lengths.push(this.#limits.odds.baseDigits(1));
    return Promise.resolve({ shortest: Math.min(...lengths), longest: Math.max(...lengths) });
  }

  #wrongInWindow(now: number): number {
    for (const [id, takenAtMs] of this.#unsettled) {
      if (takenAtMs > now - UNSETTLED_AFTER_MS) break;
      this.#unsettled.delete(id);
      this.#wrong.add(id, now);
    }
    return this.#wrong.count(now);
  }

  #baseOf(digits: number, now: number): number | undefined {
    const bases = [...(this.#inUse.get(digits) ?? [])].filter(([, untilMs]) => untilMs > now).map(([base]) => base);
    return bases.length === 0 ? undefined : Math.max(...bases);
  }

  #caller(hash: string): SlidingLog {
    const log = this.#callers.get(hash) ?? new SlidingLog(this.#limits.windowMs, MOST_OF_CALLER);
    this.#callers.delete(hash);
    this.#callers.set(hash, log);
    if (this.#callers.size > MOST_CALLERS) {
      const [longestAgo] = this.#callers.keys();
      if (longestAgo !== undefined) this.#callers.delete(longestAgo);
    }
    return log;
  }

  #trunk(name: string): SlidingLog {
    const log = this.#trunks.get(name) ?? new SlidingLog(this.#limits.windowMs, mostOfTrunk(this.#limits));
    this.#trunks.set(name, log);
    return log;
  }

  #line(name: string): Line {
    const line = this.#lines.get(name) ?? { freeAtMs: 0, holder: undefined, waiting: new Map() };
    this.#lines.set(name, line);
    return line;
  }

  #forgetWaiting(turn: Turn): void {
    for (const line of this.#lines.values()) line.waiting.delete(turn.id);
  }
}

const notYet = (againInMs: number): Promise<TurnAnswer> => Promise.resolve({ taken: false, againInMs });

/** The cleanest record first, then first come, first served. */
function isBefore(one: Waiting, other: Waiting): boolean {
  return one.wrongOfCaller < other.wrongOfCaller || (one.wrongOfCaller === other.wrongOfCaller && one.arrivedAtMs < other.arrivedAtMs);
}
