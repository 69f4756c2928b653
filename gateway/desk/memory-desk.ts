import { DeskNode } from './desk-node.js';
import { advance, nextDue, type DeskAct } from './matching.js';
import { emptyState, type DeskState } from './state.js';

/** The desk of a gateway of one node. */
export class MemoryDesk extends DeskNode {
  private known: DeskState = emptyState;
  private acts: DeskAct[] = [];
  private turn: NodeJS.Immediate | undefined;
  private timer: NodeJS.Timeout | undefined;

  protected get state(): DeskState {
    return this.known;
  }

  protected fresh(): Promise<DeskState> {
    this.step();
    return Promise.resolve(this.known);
  }

  protected get isCurrent(): boolean {
    return true;
  }

  /** A clock that does not jump. */
  protected now(): number {
    return Math.round(performance.timeOrigin + performance.now());
  }

  protected submit(act: DeskAct): void {
    if (this.closed) return;
    this.acts.push(act);
    this.turn ??= setImmediate(() => this.step());
  }

  close(): Promise<void> {
    clearImmediate(this.turn);
    clearTimeout(this.timer);
    this.stopTelling();
    return Promise.resolve();
  }

  private step(): void {
    if (this.closed) return;
    clearImmediate(this.turn);
    clearTimeout(this.timer);
    this.turn = undefined;
    const acts = this.acts;
    this.acts = [];
    const { state, refused } = advance(this.known, acts, { ...this.stepContext(), now: this.now(), shared: false });
    this.known = state;
    const due = nextDue(this.known);
    // Within the longest time that a timer can hold; a step too early changes nothing.
    if (due < Infinity) this.timer = setTimeout(() => this.step(), Math.min(due - this.now() + 1, 3_600_000));
    this.took(this.known, acts, refused);
  }
}
