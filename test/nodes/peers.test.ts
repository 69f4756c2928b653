import { describe, expect, it } from 'vitest';
import { Peers } from '../../gateway/nodes/peers.js';

const [me, other] = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'];

function peers(clock: { now: number }): Peers {
  return new Peers({ id: me, freshMs: 10_000, now: () => clock.now });
}

describe('a message of another node is believed', () => {
  it('only when it repeats what we said within the last ten seconds, whatever the other clock says', () => {
    const clock = { now: 50_000 };
    const mine = peers(clock);
    const message = (number: number, echo?: number) => mine.judge({ from: other, number, tick: 9_999_999, heard: echo === undefined ? {} : { [me]: echo } });
    expect(message(1)).toBe('unproven');
    expect(message(2, 50_000)).toBe('fresh');
    clock.now = 60_000;
    expect(message(3, 50_000)).toBe('fresh');
    clock.now = 60_001;
    expect(message(4, 50_000)).toBe('stale');
    expect(message(5, 55_000)).toBe('fresh');
    // Of an earlier process with this name, or thought up: we have not said it yet.
    expect(message(6, 70_000)).toBe('stale');
  });

  it('only when nothing later was heard of its sender, proved or not', () => {
    const clock = { now: 1_000 };
    const mine = peers(clock);
    const message = (number: number) => mine.judge({ from: other, number, tick: 1, heard: { [me]: 1_000 } });
    expect([message(5), message(5), message(4), message(6), message(7), message(6)]).toEqual(['fresh', 'replayed', 'replayed', 'fresh', 'fresh', 'replayed']);
  });

  it('never again once it could be, though its sender is forgotten', () => {
    const clock = { now: 0 };
    const mine = peers(clock);
    const message = { from: other, number: 5, tick: 1, heard: { [me]: 0 } };
    expect(mine.judge(message)).toBe('fresh');
    mine.join(other);
    for (clock.now = 1_000; clock.now <= 100_000; clock.now += 1_000) {
      mine.sweep();
      expect(['replayed', 'stale']).toContain(mine.judge(message));
    }
  });

  it('and its sender is there until it has been silent for ten seconds', () => {
    const clock = { now: 0 };
    const mine = peers(clock);
    mine.judge({ from: other, number: 1, tick: 77, heard: { [me]: 0 } });
    expect([mine.join(other), mine.join(other)]).toEqual([true, false]);
    expect(mine.ticksOf([other, me])).toEqual({ [other]: 77 });
    clock.now = 10_000;
    expect(mine.sweep()).toEqual([]);
    // It speaks, but has not heard us for too long: as good as gone.
    expect(mine.judge({ from: other, number: 2, tick: 78, heard: {} })).toBe('unproven');
    clock.now = 10_001;
    expect(mine.sweep()).toEqual([other]);
    expect([...mine.present]).toEqual([]);
  });

  it('and those who never prove anything take no more room than a few', () => {
    const mine = peers({ now: 0 });
    for (let i = 0; i < 1_000; i += 1) mine.judge({ from: `00000000-0000-4000-8000-${String(i + 10).padStart(12, '0')}`, number: 1, tick: 1, heard: {} });
    expect(Object.keys(mine.ticksOf()).length).toBeLessThanOrEqual(256);
  });
});
