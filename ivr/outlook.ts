import { numberPrompt, type PromptName } from './prompts/names.js';

/** How a waiting caller stands, as far as it is known. */
export interface SpokenOutlook {
  /** Place in the queue, 1 for the next one. */
  readonly place?: number;
  readonly expectedWaitMs?: number;
}

/** Places up to here are said by their number. */
const lastNumberedPlace = 20;
/** Beyond ten, minutes are said in steps that nobody takes for a promise. */
const longWaits = [15, 20, 30] as const;
const longestNumberedWait = 30;

/**
 * Minutes as a person would say them: 0 for less than one, 1 to 10, 15, 20, 30, and Infinity for more than half an hour.
 * Beyond ten it rounds up: who is helped sooner than told does not mind.
 *
 * @returns undefined for what is not a time
 */
export function roundedMinutes(ms: number): number | undefined {
  if (!Number.isFinite(ms) || ms < 0) return undefined;
  if (ms < 60_000) return 0;
  const nearest = Math.round(ms / 60_000);
  if (nearest <= 10) return nearest;
  return longWaits.find((minutes) => ms <= minutes * 60_000) ?? Infinity;
}

/** "three minutes", as recordings. @throws RangeError for minutes that `roundedMinutes` does not give by number */
export function minutesSaid(minutes: number): PromptName[] {
  const number = minutes >= 1 && minutes <= longestNumberedWait ? numberPrompt(minutes) : undefined;
  if (number === undefined) throw new RangeError(`${minutes} minutes have no recording`);
  return [number, minutes === 1 ? 'minute' : 'minutes'];
}

/** The best that a caller was told of one thing, and whether they heard it to its end. */
class Mark {
  private best = Infinity;
  private heard = false;
  private started = false;

  isNews(value: number): boolean {
    return !this.started || value < this.best || (value === this.best && !this.heard);
  }

  /** From its first word on nothing worse may follow. */
  begin(value: number): void {
    this.started = true;
    this.best = value;
    this.heard = false;
  }

  end(): void {
    this.heard = true;
  }
}

/** An announcement about to be made. */
export interface Announcement {
  readonly names: readonly PromptName[];
  /** The caller has heard all of it. */
  heard(): void;
}

/**
 * What one caller was told of the queue. It lives as long as the call: a caller who comes back to the queue, because an
 * agent did not answer, must not hear that it got worse.
 */
export class ToldOutlook {
  private readonly place = new Mark();
  private readonly wait = new Mark();

  /**
   * What there is to say now: only what got better since it was last said, and what was never said or was cut off.
   * Calling this counts as beginning to say it.
   */
  announce(outlook: SpokenOutlook | undefined): Announcement {
    const place = levelOfPlace(outlook?.place);
    const minutes = outlook?.expectedWaitMs === undefined ? undefined : roundedMinutes(outlook.expectedWaitMs);
    const begun: Mark[] = [];
    const names: PromptName[] = [];
    if (place !== undefined && this.place.isNews(place)) {
      this.place.begin(place);
      begun.push(this.place);
      names.push(...placeSaid(place));
    }
    if (minutes !== undefined && this.wait.isNews(minutes)) {
      this.wait.begin(minutes);
      begun.push(this.wait);
      names.push(...waitSaid(minutes));
    }
    return { names, heard: () => begun.forEach((mark) => mark.end()) };
  }
}

/** All places that sound the same are one: Infinity. */
function levelOfPlace(place: number | undefined): number | undefined {
  if (place === undefined || !Number.isInteger(place) || place < 1) return undefined;
  return place > lastNumberedPlace ? Infinity : place;
}

/** The recordings bring a short silence of their own at both ends, so the number stands by itself. */
function placeSaid(place: number): PromptName[] {
  const number = numberPrompt(place);
  return number === undefined ? ['twenty-or-more-before-you'] : ['you-are-number', number, 'in-the-queue'];
}

function waitSaid(minutes: number): PromptName[] {
  if (minutes === 0) return ['wait-under-a-minute'];
  return minutes === Infinity ? ['wait-over-half-an-hour'] : ['wait-about', ...minutesSaid(minutes)];
}
