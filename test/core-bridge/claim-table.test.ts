import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClaimTable, type Slot } from '../../core-bridge/vault/claim-table.js';

const session = (i: number) => ({ sessionId: `session ${i}`, purpose: i % 3 === 0 ? 'report_move' : 'request_permit', authentication: i % 2 === 0 ? 'expected' : 'none', board: `board ${i}`, word: i % 64 }) as const;

describe('the table of what claims need', () => {
  it('finds what is in it and nothing else, whatever came and went', () => {
    const step = fc.record({ code: fc.nat(40), action: fc.constantFrom('add', 'remove', 'hold', 'letGo', 'succeed', 'move') });
    fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const table = new ClaimTable();
      const model = new Map<string, { slot: Slot; i: number; held: boolean; endsAtMs: number; status?: 'success' }>();
      for (const [i, { code, action }] of steps.entries()) {
        const codeHash = `code ${code}`;
        const known = model.get(codeHash);
        if (!known) {
          if (action === 'add') model.set(codeHash, { slot: table.add(codeHash, session(i), i), i, held: false, endsAtMs: i });
        } else if (action === 'remove') {
          table.remove(known.slot);
          model.delete(codeHash);
        } else if (action === 'hold' || action === 'letGo') table.setHeld(known.slot, (known.held = action === 'hold'));
        else if (action === 'succeed') table.setStatus(known.slot, (known.status = 'success'));
        else table.setEndsAt(known.slot, (known.endsAtMs = i * 1_000_003));
      }
      for (let code = 0; code <= 40; code += 1) {
        const known = model.get(`code ${code}`);
        const slot = table.find(`code ${code}`);
        expect(slot).toBe(known?.slot);
        if (!known || slot === undefined) continue;
        expect(table.sessionOf(slot)).toEqual({ ...session(known.i), ...(known.status && { result: { status: known.status } }) });
        expect([table.isHeld(slot), table.endsAt(slot), table.sessionIdOf(slot), table.boardOf(slot)]).toEqual([known.held, known.endsAtMs, `session ${known.i}`, `board ${known.i}`]);
      }
    }), { numRuns: 300 });
  });

  it('grows, crowded or not, and finds all of 40,000 after half of them went', () => {
    const table = new ClaimTable();
    const slots = Array.from({ length: 40_000 }, (_, i) => table.add(`code ${i}`, session(i), i));
    expect(new Set(slots).size).toBe(slots.length);
    for (let i = 0; i < slots.length; i += 2) table.remove(slots[i]!);
    for (const [i, slot] of slots.entries()) expect(table.find(`code ${i}`)).toBe(i % 2 === 0 ? undefined : slot);
    const again = Array.from({ length: 20_000 }, (_, i) => table.add(`later ${i}`, session(i), i));
    expect(new Set([...again, ...slots.filter((_slot, i) => i % 2 === 1)]).size).toBe(40_000);
    for (const [i, slot] of again.entries()) expect(table.find(`later ${i}`)).toBe(slot);
  });

  it('keeps sessions without a code apart, and nothing of one that went', () => {
    const table = new ClaimTable();
    const first = table.add(undefined, { ...session(1), sessionId: 'x'.repeat(47) }, 1);
    const other = table.add(undefined, session(2), 2);
    expect(table.find('')).toBeUndefined();
    expect([table.sessionIdOf(first).length, table.sessionIdOf(other)]).toEqual([47, 'session 2']);
    table.setHeld(first, true);
    table.setStatus(first, 'failed');
    table.remove(first);
    const next = table.add('code', session(4), 4);
    expect(next).toBe(first);
    expect([table.sessionOf(next), table.isHeld(next)]).toEqual([session(4), false]);
    expect(() => table.add('c'.repeat(48), session(5), 5)).toThrow(RangeError);
    expect(table.find('c'.repeat(48))).toBeUndefined();
  });
});
