import { createHash } from 'node:crypto';
import { appendFileSync, readdirSync, rmSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { scratchFolder } from '../peers/process.js';
import { linesOf, openTrail, parsed, shown, trailFiles, verify, writeTrail } from './support.js';

let folder: string;
beforeEach(() => { folder = path.join(scratchFolder('audit'), 'trail'); });
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(path.dirname(folder), { recursive: true, force: true });
});

const acts = (file: string): unknown[] => linesOf(folder, file).map((line) => parsed(line)['act']);
const today = new Date().toISOString().slice(0, 10);

describe('what is written', () => {
  it('is a line for each record, which names the hash of the line before', async () => {
    const [file] = await writeTrail(folder, 3);
    const lines = linesOf(folder, file!);
    expect(file).toBe(`audit-gw1-${today}.jsonl`);
    expect(acts(file!)).toEqual(['file', 'started', 'shown', 'shown', 'shown', 'closed']);
    expect(parsed(lines[0]!)['prev']).toBe('0'.repeat(64));
    for (let i = 1; i < lines.length; i++) {
      expect(parsed(lines[i]!)['prev']).toBe(createHash('sha256').update(lines[i - 1]!).digest('hex'));
      expect(parsed(lines[i]!)['n']).toBe(i + 1);
    }
    expect(parsed(lines[2]!)).toMatchObject({ act: 'shown', tenant: 'main', callId: 'c1', agent: 'anna', why: 'answered', fields: ['fullname', 'bsn'] });
  });

  it('can be read by nobody else', async () => {
    const [file] = await writeTrail(folder, 1);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(path.join(folder, file!)).mode & 0o777).toBe(0o600);
  });

  it('is on the disk when the promise resolves: a sync has come before, and one sync serves all who wait', async () => {
    const trail = await openTrail(folder);
    const probe = await open(path.join(folder, 'probe'), 'w');
    const syncs = vi.spyOn(Object.getPrototypeOf(probe) as { datasync(): Promise<void> }, 'datasync');
    await probe.close();
    const begun = performance.now();
    await Promise.all(Array.from({ length: 500 }, (_, i) => trail.record(shown(`c${i}`))));
    expect(syncs.mock.calls.length).toBeGreaterThanOrEqual(1);
    expect(syncs.mock.calls.length).toBeLessThan(20);
    expect(linesOf(folder, trailFiles(folder)[0]!)).toHaveLength(502);
    expect(performance.now() - begun).toBeLessThan(5_000);
    await trail.close();
  });

  it('goes on where it ended when the gateway starts again', async () => {
    await writeTrail(folder, 2);
    const [file, ...more] = await writeTrail(folder, 2);
    expect(more).toEqual([]);
    expect(acts(file!)).toEqual(['file', 'started', 'shown', 'shown', 'closed', 'started', 'shown', 'shown', 'closed']);
    expect(parsed(linesOf(folder, file!)[5]!)['clean']).toBe(true);
    expect(await verify(folder)).toMatchObject({ problems: [], notes: [] });
  });

  it('begins a new file each day, which names the one before and its last hash', async () => {
    let now = Date.parse('2026-03-01T23:59:59.900Z');
    const trail = await openTrail(folder, { now: () => now });
    await trail.record(shown('c1'));
    now += 200;
    await trail.record(shown('c2'));
    // A clock that is set back does not set the trail back.
    now -= 86_400_000;
    await trail.record(shown('c3'));
    await trail.close();
    expect(trailFiles(folder)).toEqual(['audit-gw1-2026-03-01.jsonl', 'audit-gw1-2026-03-02.jsonl']);
    const before = linesOf(folder, 'audit-gw1-2026-03-01.jsonl').at(-1)!;
    expect(parsed(linesOf(folder, 'audit-gw1-2026-03-02.jsonl')[0]!)).toMatchObject({
      act: 'file', before: 'audit-gw1-2026-03-01.jsonl', prev: createHash('sha256').update(before).digest('hex'),
    });
    expect(acts('audit-gw1-2026-03-02.jsonl')).toEqual(['file', 'shown', 'shown', 'closed']);
    expect((await verify(folder)).problems).toEqual([]);
  });

  it('gives a second gateway of the same name a chain of its own, and takes up the first one again when that is free', async () => {
    const [first, second] = await Promise.all([openTrail(folder), openTrail(folder)]);
    expect([first.chain, second.chain].sort()).toEqual(['gw1', 'gw1~2']);
    await Promise.all([first.record(shown('c1')), second.record(shown('c2'))]);
    await Promise.all([first.close(), second.close()]);
    const third = await openTrail(folder);
    expect(third.chain).toBe('gw1');
    await third.close();
    expect(readdirSync(folder).filter((name) => name.endsWith('.lock'))).toEqual([]);
    expect((await verify(folder)).problems).toEqual([]);
  });

  it('takes over the lock of a process that is no more', async () => {
    await writeTrail(folder, 1);
    writeFileSync(path.join(folder, 'audit-gw1.lock'), [(await import('node:os')).hostname(), 2 ** 22 - 1, '123', 'x'].join('\n'));
    const trail = await openTrail(folder);
    expect(trail.chain).toBe('gw1');
    await trail.close();
  });
});

describe('after a crash', () => {
  it.each([
    ['in the middle of a line', 20],
    ['right before the end of a line', 1],
    ['after the first byte of a line', 'all but one'],
  ] as const)('%s, the trail goes on behind it', async (_where, cut) => {
    const [file] = await writeTrail(folder, 3);
    const full = path.join(folder, file!);
    const lastLine = linesOf(folder, file!).at(-1)!.length;
    truncateSync(full, statSync(full).size - (cut === 'all but one' ? lastLine : cut));
    await writeTrail(folder, 1);
    const verdict = await verify(folder);
    expect(verdict.problems).toEqual([]);
    if (cut === 1) expect(verdict.notes).toEqual([]);
    else {
      expect(verdict.notes[0]).toMatchObject({ file, line: 6 });
      expect(verdict.notes[0]!.says).toMatch(/cut short by a crash after \d+ byte/);
      expect(verdict.notes[1]!.says).toContain('not orderly');
    }
  });

  it('that left zeros behind, on an earlier day, and twice in a row', async () => {
    const long = { now: () => Date.parse('2026-03-01T12:00:00Z') };
    const [file] = await writeTrail(folder, 1, long);
    appendFileSync(path.join(folder, file!), Buffer.alloc(3_000));
    await writeTrail(folder, 1, { now: () => Date.parse('2026-03-02T12:00:00Z') });
    const second = trailFiles(folder)[1]!;
    expect(acts(second)).toEqual(['file', 'torn', 'started', 'shown', 'closed']);
    // The line's end was written, and the machine died again before anything was noted.
    appendFileSync(path.join(folder, second), '{"n":9,"at"\n');
    await writeTrail(folder, 1, { now: () => Date.parse('2026-03-02T13:00:00Z') });
    const { problems, notes } = await verify(folder);
    expect(problems).toEqual([]);
    expect(notes.filter(({ says }) => says.includes('cut short'))).toHaveLength(2);
  });

  it('of a gateway that has not started since, the last line is a note and no alarm', async () => {
    const [file] = await writeTrail(folder, 1);
    appendFileSync(path.join(folder, file!), '{"n":5');
    const { problems, notes } = await verify(folder);
    expect(problems).toEqual([]);
    expect(notes).toEqual([{ file, line: 5, says: expect.stringContaining('not whole (6 bytes)') as string }]);
  });
});

describe('while it is written', () => {
  it.each([
    ['deleted', 'gone', (full: string) => unlinkSync(full)],
    ['cut', 'shorter', (full: string) => truncateSync(full, 100)],
    ['added to', 'longer', (full: string) => appendFileSync(full, '{"n":4,"act":"shown"}\n')],
    ['replaced', 'replaced', (full: string) => { const lines = linesOf(folder, path.basename(full)); unlinkSync(full); writeFileSync(full, lines.join('\n')); }],
  ] as const)('a file that somebody has %s is noticed, and the records after that are not lost', async (_what, problem, disturb) => {
    const trail = await openTrail(folder);
    await trail.record(shown('c1'));
    const [file] = trailFiles(folder);
    disturb(path.join(folder, file!));
    await trail.record(shown('c2'));
    await trail.close();
    const next = `audit-gw1-${today}.2.jsonl`;
    expect(trailFiles(folder)).toContain(next);
    const lines = linesOf(folder, next).map(parsed);
    expect(lines.map(({ act }) => act)).toEqual(['file', 'disturbed', 'shown', 'closed']);
    expect(lines[1]).toMatchObject({ file, problem });
    const { problems, notes } = await verify(folder);
    expect(problems.length).toBeGreaterThan(0);
    expect(notes.some(({ says }) => says.includes(problem))).toBe(true);
  });

  it('only so many records wait, and none after the end', async () => {
    const trail = await openTrail(folder, { maxWaiting: 10 });
    const outcomes = await Promise.allSettled(Array.from({ length: 15 }, (_, i) => trail.record(shown(`c${i}`))));
    expect(outcomes.map(({ status }) => status)).toEqual([...Array<string>(10).fill('fulfilled'), ...Array<string>(5).fill('rejected')]);
    expect(outcomes[14]).toMatchObject({ reason: { code: 'audit_overloaded' } });
    await trail.close();
    await trail.close();
    await expect(trail.record(shown('late'))).rejects.toMatchObject({ code: 'audit_closed' });
    expect((await verify(folder)).problems).toEqual([]);
  });

  it('a disk that does not answer costs no more than the patience', async () => {
    const trail = await openTrail(folder, { patienceMs: 200 });
    const probe = await open(path.join(folder, 'probe'), 'w');
    let answer = (): void => undefined;
    // A disk that hangs cannot be had on demand.
    const hanging = vi.spyOn(Object.getPrototypeOf(probe) as { datasync(): Promise<void> }, 'datasync').mockImplementation(() => new Promise((resolve) => { answer = resolve; }));
    await probe.close();
    await expect(trail.record(shown('c1'))).rejects.toMatchObject({ code: 'audit_slow' });
    hanging.mockRestore();
    answer();
    await trail.record(shown('c2'));
    await trail.close();
    expect((await verify(folder)).problems).toEqual([]);
  });
});

describe('retention', () => {
  it('deletes old files, says so in the chain, and the rest still holds', async () => {
    const at = (day: string) => ({ now: () => Date.parse(`${day}T12:00:00Z`), keepDays: 30 });
    await writeTrail(folder, 2, at('2026-01-01'));
    await writeTrail(folder, 2, { ...at('2026-01-01'), node: 'gone' });
    await writeTrail(folder, 2, at('2026-01-20'));
    expect(trailFiles(folder)).toHaveLength(3);
    await writeTrail(folder, 2, at('2026-02-05'));
    expect(trailFiles(folder)).toEqual(['audit-gw1-2026-01-20.jsonl', 'audit-gw1-2026-02-05.jsonl']);
    const { problems, notes } = await verify(folder);
    expect(problems).toEqual([]);
    expect(notes.filter(({ says }) => says.includes('old enough to be deleted')).map(({ says }) => says.split(' ')[0]).sort()).toEqual(['audit-gone-2026-01-01.jsonl', 'audit-gw1-2026-01-01.jsonl']);
  });
});
