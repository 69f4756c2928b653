import pino from 'pino';
import { expect, it } from 'vitest';
import { Happenings, happeningSchemas, type Happening } from '../../gateway/happenings.js';

function stream(): { happenings: Happenings; heard: Happening[]; lines: string[] } {
  const lines: string[] = [];
  const happenings = new Happenings(pino({}, { write: (line: string) => void lines.push(line) }));
  const heard: Happening[] = [];
  happenings.on('happening', (happening) => heard.push(happening));
  return { happenings, heard, lines };
}

it('passes on what happened, with its moment', () => {
  const { happenings, heard } = stream();
  const before = Date.now();
  happenings.tell({ type: 'call.arrived', tenant: 'main', callId: 'c1', service: 'Burgerzaken' });
  happenings.tell({ type: 'call.transferred', tenant: 'main', callId: 'c1', from: 'anna', to: { kind: 'outside' }, at: 7 });
  expect(heard).toEqual([
    { type: 'call.arrived', tenant: 'main', callId: 'c1', service: 'Burgerzaken', at: expect.any(Number) as number },
    { type: 'call.transferred', tenant: 'main', callId: 'c1', from: 'anna', to: { kind: 'outside' }, at: 7 },
  ]);
  expect(heard[0]!.at).toBeGreaterThanOrEqual(before);
});

it('does not pass on anything beside what an event carries, and does not log it', () => {
  const { happenings, heard, lines } = stream();
  happenings.tell({ type: 'call.answered', tenant: 'main', callId: 'c1', agent: 'anna', bsn: '999990019' } as never);
  happenings.tell({ type: 'call.transferred', tenant: 'main', callId: 'c1', from: 'anna', to: { kind: 'outside', name: '+31201112222' } } as never);
  expect(heard).toEqual([]);
  expect(lines).toHaveLength(2);
  expect(lines.join('')).not.toMatch(/999990019|31201112222/);
});

it('goes on when a listener fails', () => {
  const { happenings, lines } = stream();
  const later: string[] = [];
  happenings.on('happening', () => { throw new Error('full'); });
  happenings.on('happening', ({ type }) => later.push(type));
  happenings.tell({ type: 'agent.refused', by: 'password' });
  expect(later).toEqual(['agent.refused']);
  expect(lines.join('')).toContain('a listener of events failed');
});

it('has a meaning in words for every kind of event', () => {
  for (const [type, schema] of Object.entries(happeningSchemas)) {
    expect(schema.description, type).toMatch(/\.$/);
    expect(schema.shape.type.value).toBe(type);
  }
});
