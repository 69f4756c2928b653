/**
 * One 20 ms beat for every session of a process. A timer per session would cost more than the audio, and beats of
 * different lengths would drift apart; here the n-th beat is due at start + n · 20 ms of monotonic time, however late the
 * timers fire.
 */
import { FRAME_MS } from './g711.js';

export interface ClockMember {
  /** One 20 ms frame is due. `nowMs` is monotonic. */
  tick(nowMs: number): void;
}

/** After a stall longer than this, beats are skipped instead of made up for: old audio helps nobody. */
const MAX_CATCH_UP_BEATS = 5;

export class MediaClock {
  private readonly members = new Set<ClockMember>();
  private timer: NodeJS.Timeout | undefined;
  private nextBeatMs = 0;
  /** Beats that had to be skipped because the process was stalled. */
  skippedBeats = 0;

  /** @param onMemberError told of a member that threw; the others keep their beat */
  constructor(private readonly onMemberError: (error: unknown) => void = () => undefined) {}

  get size(): number {
    return this.members.size;
  }

  /** The clock runs as long as it has members. */
  add(member: ClockMember): void {
    this.members.add(member);
    if (!this.timer) {
      this.nextBeatMs = performance.now() + FRAME_MS;
      this.arm();
    }
  }

  remove(member: ClockMember): void {
    this.members.delete(member);
    if (this.members.size === 0 && this.timer) {
      clearTimeout(this.timer);
      this.timer = undefined;
    }
  }

  private arm(): void {
    this.timer = setTimeout(this.beat, Math.max(0, this.nextBeatMs - performance.now()));
  }

  private readonly beat = (): void => {
    let now = performance.now();
    const behind = Math.floor((now - this.nextBeatMs) / FRAME_MS);
    if (behind > MAX_CATCH_UP_BEATS) {
      this.skippedBeats += behind;
      this.nextBeatMs += behind * FRAME_MS;
    }
    // timers may fire up to a millisecond early
    while (this.nextBeatMs <= now + 0.5 && this.members.size > 0) {
      this.nextBeatMs += FRAME_MS;
      for (const member of this.members) {
        try {
          member.tick(now);
        } catch (error) {
          this.onMemberError(error);
        }
      }
      now = performance.now();
    }
    if (this.members.size > 0) this.arm();
    else this.timer = undefined;
  };
}
