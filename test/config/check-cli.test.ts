import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { run } from '../process/gateway-process.js';

const root = path.resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(path.join(tmpdir(), 'check-config-'));
afterEach(() => rmSync(path.join(folder, 'bad.yaml'), { force: true }));

/** Runs the command as it was built. @returns its exit code and all that it printed */
async function check(args: readonly string[] = [], env: Record<string, string> = {}): Promise<{ code: number | string; printed: string }> {
  const command = run('dist/config/check-cli.js', args, env);
  return { code: await command.exited, printed: command.out() + command.err() };
}

it('says first, in one line, that the demo configuration holds, and then how hard codes are to guess', async () => {
  const { code, printed } = await check();
  expect(code).toBe(0);
  expect(printed).toMatch(/^.*demo\.yaml is a valid configuration: 1 trunk, 1 service, 2 agents; demo\.\n\nGuessing codes:\n.*\n +4 +10 +1 in 1,240,000\n/);
});

it('refuses codes that are too easy to guess unless somebody accepts it in words', async () => {
  const file = path.join(folder, 'bad.yaml');
  const demo = readFileSync(path.join(root, 'config/demo.yaml'), 'utf8');
  const write = (codes: Record<string, unknown>): void => writeFileSync(file, `${demo}\ncodes: ${JSON.stringify(codes)}\n`);
  write({ maxDigits: 12 });
  const refused = await check([file]);
  expect(refused.code).toBe(78);
  expect(refused.printed).toMatch(/^codes\.maxDigits: makes codes too easy to guess: .* Raise it to 16/);
  const acceptedChance = /"(I accept .*)"/.exec(refused.printed)![1];
  write({ maxDigits: 12, acceptedChance });
  const accepted = await check([file]);
  expect(accepted.code).toBe(0);
  expect(accepted.printed).toContain('WARNING: codes.acceptedChance');
});

it('prints every problem of a file and ends with 78', async () => {
  const file = path.join(folder, 'bad.yaml');
  writeFileSync(file, 'demo: true\ntrunk: []\nservices: []\nidContact: { phoneNumber: "112" }\n');
  const { code, printed } = await check(['--config', file]);
  expect(code).toBe(78);
  expect(printed.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^trunks: is missing\. Give it: /),
    'services: has 0 entries. Give at least 1.',
    expect.stringMatching(/^idContact\.phoneNumber: is not an E\.164 number\. /),
    'trunk: is not a known key. Did you mean trunks?',
  ]);
});

it('refuses the demo in production', async () => {
  const { code, printed } = await check([], { NODE_ENV: 'production' });
  expect(code).toBe(78);
  expect(printed).toContain('demo: is true while NODE_ENV is production');
});

it('ends with 78 for a file that is not there', async () => {
  const { code, printed } = await check(['--config', path.join(folder, 'none.yaml')]);
  expect(code).toBe(78);
  expect(printed).toContain('cannot be read (ENOENT)');
});
