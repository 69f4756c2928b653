/** Disks that are full and processes that are killed, both real. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Peers, scratchFolder, until } from '../peers/index.js';
import { run } from '../process/gateway-process.js';
import { linesOf, openTrail, parsed, shown, trailFiles, verify } from './support.js';

const peers = new Peers();
let folder: string;
beforeEach(() => { folder = scratchFolder('audit'); });
afterEach(async () => {
  await peers.stopAll();
  rmSync(folder, { recursive: true, force: true });
});

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)('a disk that is full (needs root, to mount a small one)', () => {
  it('makes records fail, costs none that was acknowledged, and is got over when there is room again', async () => {
    const disk = path.join(folder, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=0700', 'tmpfs', disk]);
    peers.defer(() => execFileSync('umount', ['-l', disk]));
    const ballast = path.join(disk, 'ballast');
    let failed = 0;
    const trail = await openTrail(disk, { onFailed: (records) => (failed += records) });
    peers.defer(() => trail.close());
    writeFileSync(ballast, Buffer.alloc(150_000));

    const acknowledged: string[] = [];
    const rejected: string[] = [];
    for (let i = 1; i <= 600; i++) {
      await trail.record(shown(`c${i}`)).then(() => acknowledged.push(`c${i}`), (error: { code: string }) => {
        expect(error.code).toBe('audit_unwritable');
        rejected.push(`c${i}`);
      });
    }
    expect(acknowledged.length).toBeGreaterThan(50);
    expect(rejected.length).toBeGreaterThan(50);
    expect(failed).toBe(rejected.length);

    unlinkSync(ballast);
    await trail.record(shown('after'));
    await trail.close();
    const lines = trailFiles(disk).flatMap((file) => linesOf(disk, file)).map(parsed);
    expect(lines.filter(({ act }) => act === 'shown').map(({ callId }) => callId)).toEqual([...acknowledged, 'after']);
    expect(lines.find(({ act }) => act === 'gap')).toMatchObject({ rejected: rejected.length, code: 'ENOSPC' });
    const { problems, notes } = await verify(disk);
    expect(problems).toEqual([]);
    expect(notes.map(({ says }) => says).join()).toContain(`${rejected.length} records could not be written`);
  });

  it('at the start is an error, and leaves nothing behind', async () => {
    const disk = path.join(folder, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0700', 'tmpfs', disk]);
    peers.defer(() => execFileSync('umount', ['-l', disk]));
    writeFileSync(path.join(disk, 'ballast'), Buffer.alloc(60_000));
    expect(() => writeFileSync(path.join(disk, 'more'), Buffer.alloc(60_000))).toThrow('ENOSPC');
    await expect(openTrail(disk)).rejects.toMatchObject({ code: 'audit_unwritable' });
    rmSync(path.join(disk, 'more'), { force: true });
    unlinkSync(path.join(disk, 'ballast'));
    await (await openTrail(disk)).close();
    expect((await verify(disk)).problems).toEqual([]);
  });
});

describe('a gateway that is killed while it writes', () => {
  // The launcher brings the build up to date; what is killed below must be the writer itself and not its launcher.
  beforeAll(async () => { expect(await run('gateway/launch/run.mjs', ['dist/gateway/audit/cli.js', '--help']).exited).toBe(0); }, 180_000);

  it('loses nothing that was acknowledged, ten times in a row', async () => {
    const acknowledged = new Set<string>();
    let torn = 0;
    for (let round = 0; round < 10; round++) {
      const writer = peers.add(run('dist/test/audit/writer-process.js', [folder]));
      // Another moment of the commit each time.
      const enough = 200 + round * 37;
      await until(() => writer.out().split('\n').length > enough, 'the writer to write', 120_000);
      await writer.stop();
      const told = writer.out();
      for (const callId of told.split('\n').slice(1, -1)) acknowledged.add(`${round}:${callId}`);
      // Which lines this round wrote: those after the last start.
      const lines = trailFiles(folder).flatMap((file) => linesOf(folder, file));
      const last = lines.findLastIndex((line) => line.includes('"act":"started"'));
      const written = new Set(lines.slice(last).flatMap((line) => /"callId":"(c\d+)"/.exec(line)?.[1] ?? []));
      const missing = told.split('\n').slice(1, -1).filter((callId) => !written.has(callId));
      expect(missing).toEqual([]);
      if (!readFileSync(path.join(folder, trailFiles(folder).at(-1)!), 'utf8').endsWith('\n')) torn += 1;
    }
    expect(acknowledged.size).toBeGreaterThan(2_000);
    const trail = await openTrail(folder);
    expect(trail.chain).toBe('gw1');
    await trail.close();
    const { problems, notes } = await verify(folder);
    expect(problems).toEqual([]);
    expect(notes.filter(({ says }) => says.includes('not orderly'))).toHaveLength(10);
    expect(notes.filter(({ says }) => says.includes('cut short'))).toHaveLength(torn);
    expect(statSync(path.join(folder, trailFiles(folder)[0]!)).mode & 0o777).toBe(0o600);
  }, 180_000);
});
