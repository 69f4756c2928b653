import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

const folder = mkdtempSync(path.join(tmpdir(), 'check-config-'));
const argv = [...process.argv];
let printed: string[] = [];

beforeEach(() => {
  printed = [];
  vi.resetModules();
  vi.stubEnv('GATEWAY_CONFIG', '');
  vi.stubEnv('NODE_ENV', 'test');
  vi.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
  vi.spyOn(console, 'error').mockImplementation((line: string) => void printed.push(line));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  process.argv = argv;
  rmSync(path.join(folder, 'bad.yaml'), { force: true });
});

/** Runs the command as `node check-cli.js ...args`. @returns its exit code */
async function check(...args: string[]): Promise<number> {
  process.argv = ['node', 'check-cli.js', ...args];
  process.exitCode = undefined;
  await import('../../config/check-cli.js');
  const code = Number(process.exitCode ?? 0);
  process.exitCode = undefined;
  return code;
}

it('says first, in one line, that the demo configuration holds', async () => {
  expect(await check()).toBe(0);
  expect(printed[0]).toMatch(/demo\.yaml is a valid configuration: 1 trunk, 1 service, 2 agents; demo\.$/);
});

it('prints how hard codes are to guess, and refuses what is too easy unless somebody accepts it in words', async () => {
  expect(await check()).toBe(0);
  expect(printed[1]).toMatch(/^\nGuessing codes:\n.*\n +4 +10 +1 in 1,240,000\n/);
  const file = path.join(folder, 'bad.yaml');
  const demo = readFileSync(path.join(import.meta.dirname, '../../config/demo.yaml'), 'utf8');
  const write = (codes: Record<string, unknown>): void => writeFileSync(file, `${demo}\ncodes: ${JSON.stringify(codes)}\n`);
  write({ maxDigits: 12 });
  vi.resetModules();
  expect(await check(file)).toBe(78);
  expect(printed.at(-1)).toMatch(/^codes\.maxDigits: makes codes too easy to guess: .* Raise it to 16/);
  const acceptedChance = /"(I accept .*)"/.exec(printed.at(-1)!)![1];
  write({ maxDigits: 12, acceptedChance });
  vi.resetModules();
  expect(await check(file)).toBe(0);
  expect(printed.at(-1)).toContain('WARNING: codes.acceptedChance');
});

it('prints every problem of a file and ends with 78', async () => {
  const file = path.join(folder, 'bad.yaml');
  writeFileSync(file, 'demo: true\ntrunk: []\nservices: []\nidContact: { phoneNumber: "112" }\n');
  expect(await check('--config', file)).toBe(78);
  expect(printed.join('\n').split('\n')).toEqual([
    expect.stringMatching(/^trunks: is missing\. Give it: /),
    'services: has 0 entries. Give at least 1.',
    expect.stringMatching(/^idContact\.phoneNumber: is not an E\.164 number\. /),
    'trunk: is not a known key. Did you mean trunks?',
  ]);
});

it('refuses the demo in production', async () => {
  vi.stubEnv('NODE_ENV', 'production');
  expect(await check()).toBe(78);
  expect(printed.join()).toContain('demo: is true while NODE_ENV is production');
});

it('ends with 78 for a file that is not there', async () => {
  expect(await check('--config', path.join(folder, 'none.yaml'))).toBe(78);
  expect(printed.join()).toContain('cannot be read (ENOENT)');
});
