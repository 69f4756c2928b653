/**
 * One running application of a channel. Applications are written as asynchronous functions that wait for what happens
 * next; the channel keeps them on a stack, since one that is started while another runs interrupts it.
 */
import type { PlayableSource } from '../audio/sources.js';

/** Why a wait ended. */
export type Wake =
  | { readonly kind: 'ended' }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'break' }
  | { readonly kind: 'digit'; readonly digit: string }
  | { readonly kind: 'hangup' };

export interface WaitOptions {
  /** Plays while waiting. */
  source?: PlayableSource;
  /** Monotonic time at which to wake. */
  untilMs?: number;
  /** Wake for a key; otherwise keys are lost. */
  digits?: boolean;
  /** Wake for uuid_break. */
  breakable?: boolean;
}

export class AppRun {
  /** What the session should play while this run is on top. */
  source: PlayableSource | undefined;
  private options: WaitOptions | undefined;
  private wake: ((wake: Wake) => void) | undefined;
  private breakPending = false;
  private hungUp = false;
  private elsewhere = false;

  /**
   * @param onSource told when {@link source} changed
   */
  constructor(readonly name: string, private readonly onSource: (run: AppRun) => void) {}

  get isHungUp(): boolean {
    return this.hungUp;
  }

  /** It was ended for a bridge or a transfer, and not with its call. */
  get isTransferred(): boolean {
    return this.elsewhere;
  }

  wait(options: WaitOptions): Promise<Wake> {
    if (this.hungUp) return Promise.resolve({ kind: 'hangup' });
    return new Promise((resolve) => {
      this.options = options;
      this.wake = resolve;
      this.source = options.source;
      this.onSource(this);
    });
  }

  /** The source played its last frame. */
  sourceEnded(): void {
    if (this.options?.source) this.resolve({ kind: 'ended' });
  }

  /** A beat while this run is on top. */
  beat(nowMs: number): void {
    const options = this.options;
    if (!options) return;
    if (this.breakPending) {
      this.breakPending = false;
      if (options.breakable) {
        this.resolve({ kind: 'break' });
        return;
      }
    }
    if (options.untilMs !== undefined && nowMs >= options.untilMs) this.resolve({ kind: 'timeout' });
  }

  /** A key while this run is on top. */
  digit(digit: string): void {
    if (this.options?.digits) this.resolve({ kind: 'digit', digit });
  }

  /** Breaks what plays: at once on top of the stack, otherwise when it gets there again. */
  requestBreak(onTop: boolean): void {
    if (!this.options?.breakable) return;
    if (onTop) this.resolve({ kind: 'break' });
    else this.breakPending = true;
  }

  /** The channel ends, or goes elsewhere (a bridge, a transfer): every wait from now on ends at once. */
  hangup(elsewhere = false): void {
    this.hungUp = true;
    this.elsewhere = elsewhere;
    this.resolve({ kind: 'hangup' });
  }

  private resolve(wake: Wake): void {
    const resume = this.wake;
    this.wake = undefined;
    this.options = undefined;
    this.source = undefined;
    if (!resume) return;
    this.onSource(this);
    resume(wake);
  }
}
