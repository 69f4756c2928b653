/** The guided runs, as somebody types them: they hold, say so, and leave nothing behind. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Peers, until } from '../peers/index.js';
import { alive, family, run, start, type Run } from './gateway-process.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

beforeAll(async () => {
  // Builds when needed.
  const first = start(['--help']);
  expect(await first.exited, first.err()).toBe(0);
}, 180_000);

/** `npm run demo -- ...words` without npm, and a folder for what it writes. */
function demo(...words: string[]): { told: Run; left: () => string[] } {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tig-demo-'));
  peers.defer(() => rmSync(folder, { recursive: true, force: true }));
  const told = peers.add(run('gateway/launch/run.mjs', ['dist/gateway/demo/cli.js', ...words], { TMPDIR: folder }));
  return { told, left: () => readdirSync(folder) };
}

const chapters = (text: string): string[] => text.split('\n').filter((line) => /^\d\. /.test(line));

describe('a guided run', () => {
  it('tells a citizen’s story', async () => {
    const { told, left } = demo();
    expect(await told.exited, told.out() + told.err()).toBe(0);
    expect(chapters(told.out())).toHaveLength(2);
    expect(told.out()).toMatch(/\nAll of it holds\.\n$/);
    expect(told.out()).not.toMatch(/check +NO/);
    expect(left()).toEqual([]);
  }, 120_000);

  it('tells the agents’ story: the number masked, shown to who asked, and the trail read and verified', async () => {
    const { told, left } = demo('agents');
    expect(await told.exited, told.out() + told.err()).toBe(0);
    const out = told.out();
    expect(chapters(out)).toHaveLength(3);
    expect(out).toMatch(/\nAll of it holds\.\n$/);
    expect(out).not.toMatch(/check +NO/);
    expect(out.match(/\(BSN\) +•••/g)).toHaveLength(3);
    expect(out).not.toContain('999990019');
    expect(out).toMatch(/User-to-User: 04[0-9a-f]{48};encoding=hex/);
    expect(out).toMatch(/anna +shown +call 1 +bsn \(masked attribute asked for\)/);
    expect(out).toMatch(/The trail holds: \d+ lines in 1 file\.\n +Signatures: looked at with key /);
    expect(left()).toEqual([]);
  }, 180_000);

  it('ends when asked in the middle, as one that did not hold, and leaves nothing', async () => {
    const { told, left } = demo('agents');
    await until(() => /citizen +types the code/.test(told.out()), 'the citizen to have called', 60_000);
    const { all } = family(told.pid);
    expect(left()).toHaveLength(1);
    told.kill('SIGINT');
    expect(await told.exited).toBe(1);
    expect(told.out()).not.toContain('All of it holds');
    await until(() => !all.some(alive), 'all processes to be gone');
    expect(left()).toEqual([]);
  }, 120_000);

  it('explains itself, and does not guess what a word means', async () => {
    const [asked, mistaken] = [demo('--help').told, demo('agent').told];
    expect(await asked.exited).toBe(0);
    expect(asked.out()).toContain('npm run demo -- agents');
    expect(await mistaken.exited).toBe(64);
    expect(mistaken.err()).toMatch(/^"agent" is not understood\.\n/);
  }, 60_000);
});
