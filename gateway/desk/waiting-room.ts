/** The waiting room: first come, first served; who was pushed back by no fault of their own comes first again. */
export class WaitingRoom {
  private readonly places: { callId: string; since: number }[] = [];

  /**
   * Takes a place. A call that is in already keeps its place.
   * @param at `head` for a call that already had its turn and lost its agent
   */
  enter(callId: string, at: 'tail' | 'head', now: number): void {
    if (this.places.some((place) => place.callId === callId)) return;
    if (at === 'head') this.places.unshift({ callId, since: now });
    else this.places.push({ callId, since: now });
  }

  leave(callId: string): void {
    const index = this.places.findIndex((place) => place.callId === callId);
    if (index >= 0) this.places.splice(index, 1);
  }

  /** The call whose turn it is; it stays until it leaves. */
  first(): string | undefined {
    return this.places[0]?.callId;
  }

  /** Place in the line, 1 for the next one; 0 for a call that does not wait. */
  position(callId: string): number {
    return this.places.findIndex((place) => place.callId === callId) + 1;
  }

  /** Everybody who waits, next one first. */
  inOrder(): string[] {
    return this.places.map(({ callId }) => callId);
  }

  get size(): number {
    return this.places.length;
  }
}
