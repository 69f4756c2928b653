import type { Tenant } from './types.js';

/** The chance of one lucky guess a day above which nobody has to put up with the settings: one in a million. */
export const ACCEPTABLE_CHANCE = 1e-6;

/** Codes are never looked up faster than this after a wrong one, however long they are (unless the pace is faster). */
const SHORTEST_GAP_SECONDS = 3;
/** Part of the acceptable chance for codes of the greatest length, which cannot grow further and can be guessed at all day. */
const SHARE_OF_LONGEST = 1 / 6;
const DAY_SECONDS = 86_400;

export interface GuessingSettings {
  /** Shortest and longest typed length, check digit included. */
  readonly digits: number;
  readonly maxDigits: number;
  /** How long a code can be hit after it was made: its longest lifetime and one grace after a dropped call. */
  readonly exposureSeconds: number;
  readonly windowSeconds: number;
  readonly freeInTotal: number;
  readonly paceSeconds: number;
}

/** One line of the table: with at most `liveCodes` alive, new codes have `digits` digits, and this is the chance of a lucky guess a day. */
export interface OddsRow {
  readonly liveCodes: number;
  readonly digits: number;
  readonly chance: number;
}

export function guessingSettings({ codes, sessions }: Pick<Tenant, 'codes' | 'sessions'>): GuessingSettings {
  const { windowSeconds, freeInTotal, paceSeconds } = codes.guesses;
  return { digits: codes.digits, maxDigits: codes.maxDigits, exposureSeconds: codes.longestLifetimeSeconds + sessions.reclaimGraceSeconds, windowSeconds, freeInTotal, paceSeconds };
}

/** How many different codes have this typed length: the first digit is 1-9, the last one is a check digit. */
export function codeSpace(typedDigits: number): number {
  return 9 * 10 ** (typedDigits - 2);
}

/**
 * How fast codes may be guessed, how long they must be, and what chance of a lucky guess is left: the arithmetic of
 * docs/guessing.md, which names and proves each step. Chances are for one day (24 hours) and are upper bounds.
 */
export class GuessingOdds {
  readonly digits: number;
  readonly maxDigits: number;
  readonly freeInTotal: number;
  /** Gap after a wrong code, in seconds, by how many digits the code is longer than the live codes ask for. */
  readonly gapSeconds: readonly number[];
  /** Most live codes for each length without extra digits, from `digits` on. */
  readonly mostLive: readonly number[];
  readonly #windows: number;
  readonly #ladder: number;

  constructor(settings: GuessingSettings) {
    this.digits = settings.digits;
    this.maxDigits = settings.maxDigits;
    this.freeInTotal = settings.freeInTotal;
    const extras = Array.from({ length: settings.maxDigits - settings.digits + 1 }, (_, extra) => extra);
    this.gapSeconds = extras.map((extra) => Math.max(settings.paceSeconds / 10 ** extra, Math.min(settings.paceSeconds, SHORTEST_GAP_SECONDS)));
    this.#windows = Math.max(1, Math.ceil(DAY_SECONDS / settings.windowSeconds));
    const steps = extras.slice(0, -1).map((extra) => {
      const untilGrown = this.#windows * (this.wrongBeforeStage(extra + 1) + settings.exposureSeconds / this.gapSeconds[extra]! + 2);
      return Math.min(untilGrown, this.#allDay(this.gapSeconds[extra]!)) / 10 ** extra;
    });
    this.#ladder = steps.reduce((sum, step) => sum + step, 0);
    const longest = (SHARE_OF_LONGEST * ACCEPTABLE_CHANCE * codeSpace(this.maxDigits)) / this.#allDay(settings.paceSeconds);
    this.mostLive = extras.map((extra) => {
      const digits = this.digits + extra;
      if (digits === this.maxDigits) return Math.floor(longest);
      const onLadder = ((1 - SHARE_OF_LONGEST) * ACCEPTABLE_CHANCE * codeSpace(digits)) / this.#ladder;
      return Math.floor(Math.min(onLadder, (longest * this.gapSeconds[this.maxDigits - digits]!) / settings.paceSeconds));
    });
  }

  /** Wrong codes in the window from which new codes are `stage` digits longer. */
  wrongBeforeStage(stage: number): number {
    return stage === 0 ? 0 : Math.max(this.freeInTotal, 1) * 10 ** (stage - 1);
  }

  /** By how many digits new codes are longer after so many wrong ones in the window. */
  stageAfter(wrongInWindow: number): number {
    let stage = 0;
    while (stage < this.maxDigits - this.digits && wrongInWindow >= this.wrongBeforeStage(stage + 1)) stage += 1;
    return stage;
  }

  /** The length that so many live codes ask for, the new one among them, while nobody guesses. */
  baseDigits(liveCodes: number): number {
    const index = this.mostLive.findIndex((most) => most >= liveCodes);
    return index < 0 ? this.maxDigits : this.digits + index;
  }

  /** Upper bound of the chance that anybody hits a live code on a day on which never more than `liveCodes` are alive. */
  chance(liveCodes: number): number {
    let onLadder = 0;
    let hit = 0;
    let hitRate = 0;
    for (let digits = this.digits; digits <= this.baseDigits(liveCodes); digits += 1) {
      const live = digits === this.maxDigits ? liveCodes : Math.min(liveCodes, this.mostLive[digits - this.digits]!);
      if (digits < this.maxDigits) onLadder = Math.max(onLadder, live / codeSpace(digits));
      hit = Math.max(hit, live / codeSpace(this.maxDigits));
      hitRate = Math.max(hitRate, live / codeSpace(this.maxDigits) / this.gapSeconds[this.maxDigits - digits]!);
    }
    return Math.min(1, this.#ladder * onLadder + (this.#windows * this.freeInTotal + 1) * hit + DAY_SECONDS * hitRate);
  }

  /** The table for up to `maxLive` live codes; the last line is the worst. */
  rows(maxLive: number): OddsRow[] {
    const rows: OddsRow[] = [];
    for (let digits = this.digits; digits <= this.maxDigits; digits += 1) {
      const before = rows.at(-1)?.liveCodes ?? 0;
      const liveCodes = digits === this.maxDigits ? maxLive : Math.min(maxLive, this.mostLive[digits - this.digits]!);
      if (liveCodes > before) rows.push({ liveCodes, digits, chance: this.chance(liveCodes) });
    }
    return rows;
  }

  /** Most guesses that can be looked up in a day at one gap. */
  #allDay(gapSeconds: number): number {
    return this.#windows * this.freeInTotal + 1 + DAY_SECONDS / gapSeconds;
  }
}
