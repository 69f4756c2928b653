import { readFileSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../config/index.js';
import { hashOf, noHash, Signer, writeLine } from '../../gateway/audit/line.js';
import type { Act } from '../../gateway/audit/acts.js';
import { scratchFolder } from '../peers/process.js';
import { linesOf, openTrail, parsed, rewrite, shown, signer, trailFiles, verify, writeTrail } from './support.js';

let folder: string;
beforeEach(() => { folder = scratchFolder('audit'); });
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Lines 1 to 12: file, started, ten times shown (c1 to c10), closed. */
const trail = async (signed = false): Promise<string> => (await writeTrail(folder, 10, signed ? { signer: signer() } : {}))[0]!;
const tamper = (file: string, change: (lines: string[]) => string[]): void => rewrite(folder, file, change(linesOf(folder, file)));
const first = async (options = {}) => (await verify(folder, options)).problems[0];
const anna = '"agent":"anna"';

describe('a trail that somebody has laid hands on', () => {
  it('names the line after one that was changed', async () => {
    const file = await trail();
    tamper(file, (lines) => lines.map((line, i) => (i === 4 ? line.replace(anna, '"agent":"bram"') : line)));
    expect(await first()).toEqual({ file, line: 6, says: 'it does not follow line 5: that one was changed, or this one was put in its place' });
  });

  it('names the place where lines were removed, and how many', async () => {
    const file = await trail();
    tamper(file, (lines) => lines.filter((_, i) => i !== 4));
    expect(await first()).toEqual({ file, line: 5, says: '1 line before it is missing' });
    tamper(file, (lines) => lines.filter((_, i) => i !== 5 && i !== 6));
    expect((await verify(folder)).problems.map(({ line }) => line)).toEqual([5, 6]);
  });

  it('names lines that were swapped', async () => {
    const file = await trail();
    tamper(file, (lines) => [...lines.slice(0, 4), lines[5]!, lines[4]!, ...lines.slice(6)]);
    expect(await first()).toMatchObject({ file, line: 5 });
  });

  it('names a line that was put in, also one that fits its predecessor', async () => {
    const file = await trail();
    tamper(file, (lines) => {
      const { n, at } = parsed(lines[4]!) as { n: number; at: string };
      const put = writeLine({ n: n + 1, at: Date.parse(at), prev: hashOf(lines[4]!) }, shown('other'));
      return [...lines.slice(0, 5), put, ...lines.slice(5)];
    });
    expect(await first()).toMatchObject({ file, line: 7, says: expect.stringContaining('put in') as string });
  });

  it('names a line that was made unreadable, also when somebody says it was a crash', async () => {
    const file = await trail();
    const whole = readFileSync(path.join(folder, file));
    tamper(file, (lines) => lines.map((line, i) => (i === 4 ? line.slice(0, 30) : line)));
    expect((await verify(folder)).problems).toEqual([
      { file, line: 5, says: 'cannot be read: it was changed, or is none of ours' },
      expect.objectContaining({ file, line: 6 }),
    ]);
    writeFileSync(path.join(folder, file), whole);
    tamper(file, (lines) => {
      const torn = lines[4]!.slice(0, 30);
      const note: Act = { act: 'torn', bytes: 30 };
      return [...lines.slice(0, 4), torn, writeLine({ n: 6, at: Date.now(), prev: hashOf(torn) }, note), ...lines.slice(5)];
    });
    expect(await first()).toMatchObject({ file, line: 7 });
  });

  it('names a file that was deleted, in the middle and at the beginning', async () => {
    const at = (day: string) => ({ now: () => Date.parse(`2026-03-0${day}T12:00:00Z`) });
    for (const day of ['1', '2', '3']) await writeTrail(folder, 2, at(day));
    const kept = readFileSync(path.join(folder, 'audit-gw1-2026-03-02.jsonl'));
    unlinkSync(path.join(folder, 'audit-gw1-2026-03-02.jsonl'));
    expect(await first()).toEqual({ file: 'audit-gw1-2026-03-03.jsonl', line: 1, says: '5 lines before it are missing: a file was deleted, or its end cut off' });
    writeFileSync(path.join(folder, 'audit-gw1-2026-03-02.jsonl'), kept);
    expect(await first()).toBeUndefined();
    unlinkSync(path.join(folder, 'audit-gw1-2026-03-01.jsonl'));
    expect(await first()).toMatchObject({ file: 'audit-gw1-2026-03-02.jsonl', line: 1, says: expect.stringContaining('audit-gw1-2026-03-01.jsonl') as string });
  });

  it('names the file after one whose end was cut off', async () => {
    await writeTrail(folder, 5, { now: () => Date.parse('2026-03-01T12:00:00Z') });
    await writeTrail(folder, 2, { now: () => Date.parse('2026-03-02T12:00:00Z') });
    tamper('audit-gw1-2026-03-01.jsonl', (lines) => lines.slice(0, -2));
    expect(await first()).toEqual({ file: 'audit-gw1-2026-03-02.jsonl', line: 1, says: '2 lines before it are missing: a file was deleted, or its end cut off' });
    truncateSync(path.join(folder, 'audit-gw1-2026-03-01.jsonl'), 0);
    expect(await first()).toMatchObject({ file: 'audit-gw1-2026-03-02.jsonl', line: 1 });
  });
});

describe('what a plain chain does not prove', () => {
  /** What somebody who may write the file can do: all of it anew, without call c5. */
  const anew = (file: string, without: string): void => {
    let prev = noHash;
    let n = 0;
    tamper(file, (lines) => lines.filter((line) => !line.includes(`"callId":"${without}"`)).map((line) => {
      const { at, n: _n, prev: _prev, key: _key, mac: _mac, ...act } = parsed(line) as Record<string, unknown> & { at: string };
      const made = writeLine({ n: (n += 1), at: Date.parse(at), prev }, act as Act);
      prev = hashOf(made);
      return made;
    }));
  };

  it('a chain written anew, or cut at its end, holds by itself; an end that was noted elsewhere shows both', async () => {
    const file = await trail();
    const [end] = (await verify(folder)).ends;
    const whole = readFileSync(path.join(folder, file));
    anew(file, 'c5');
    expect(await first()).toBeUndefined();
    expect(await first({ checkpoints: [end!] })).toMatchObject({ says: expect.stringContaining('1 line or more were cut off the end') as string });
    writeFileSync(path.join(folder, file), whole);
    tamper(file, (lines) => lines.slice(0, -3));
    expect(await first()).toBeUndefined();
    expect(await first({ checkpoints: [end!] })).toMatchObject({ file, line: 10, says: expect.stringContaining('3 lines or more') as string });
    writeFileSync(path.join(folder, file), whole);
    expect(await first({ checkpoints: [end!] })).toBeUndefined();
    // A checkpoint in the middle is what another line was there.
    expect(await first({ checkpoints: [{ ...end!, n: 6 }] })).toMatchObject({ file, line: 6, says: expect.stringContaining('written anew') as string });
    expect(await first({ checkpoints: [{ ...end!, chain: 'gw9' }] })).toMatchObject({ says: expect.stringContaining('no file of gw9') as string });
  });

  it('with a key, whoever does not have it cannot write it anew, nor change the last line', async () => {
    const file = await trail(true);
    const signers = [signer()];
    expect(await verify(folder, { signers })).toMatchObject({ problems: [], unsigned: 0 });
    expect((await verify(folder)).unchecked).toBe(13);
    const whole = readFileSync(path.join(folder, file));

    tamper(file, (lines) => lines.map((line, i) => (i === 12 ? line.replace('"act":"closed"', '"act":"file","node":"x"') : line)));
    expect(await first()).toBeUndefined();
    expect(await first({ signers })).toEqual({ file, line: 13, says: 'its signature is not right: it was changed' });

    writeFileSync(path.join(folder, file), whole);
    anew(file, 'c5');
    expect(await first({ signers })).toMatchObject({ file, line: 1, says: expect.stringContaining('no signature') as string });
    expect(await first({ signers, allowUnsigned: true })).toBeUndefined();

    writeFileSync(path.join(folder, file), whole);
    expect(await first({ signers: [new Signer(new Secret('another key than the one that signed it'))] })).toMatchObject({ line: 1, says: expect.stringContaining('key that was not given') as string });
  });

  it('a key can be changed: both are given', async () => {
    await trail(true);
    const fresh = new Signer(new Secret('the key that came after the first one of this test'));
    await writeTrail(folder, 2, { signer: fresh });
    expect((await verify(folder, { signers: [signer(), fresh] })).problems).toEqual([]);
    expect((await verify(folder, { signers: [fresh] })).problems[0]).toMatchObject({ line: 1 });
  });
});

it('holds whatever the names in it look like', async () => {
  const trail = await openTrail(folder);
  for (const odd of ['a\nb', 'c","mac":"', '\u2028', '\ud800', 'é', '=1+1']) await trail.record({ ...shown('c1'), fields: [odd] });
  await trail.close();
  expect((await verify(folder)).problems).toEqual([]);
  expect(linesOf(folder, trailFiles(folder)[0]!)).toHaveLength(9);
});
