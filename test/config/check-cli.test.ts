import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { firewallRuleset } from '../../config/firewall.js';
import { loadConfig } from '../../config/index.js';
import { run } from '../process/gateway-process.js';

const root = path.resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(path.join(tmpdir(), 'check-config-'));
afterEach(() => rmSync(path.join(folder, 'bad.yaml'), { force: true }));

/** Runs the command as it was built. @returns its exit code and all that it printed, and that once more by where it did */
async function check(args: readonly string[] = [], env: Record<string, string> = {}): Promise<{ code: number | string; printed: string; out: string; err: string }> {
  const command = run('dist/config/check-cli.js', args, env);
  const code = await command.exited;
  return { code, printed: command.out() + command.err(), out: command.out(), err: command.err() };
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

it('prints the firewall of a configuration and nothing else, whatever the order of the words', async () => {
  const demo = firewallRuleset(loadConfig({ path: path.join(root, 'config/demo.yaml') }));
  for (const args of [['--firewall'], ['--firewall', '--config', 'config/demo.yaml'], ['--config=config/demo.yaml', '--firewall'], ['config/demo.yaml', '--firewall']]) {
    expect(await check(args), args.join(' ')).toMatchObject({ code: 0, out: demo, err: '' });
  }
});

it('says beside the firewall what in it should be looked at', async () => {
  const file = path.join(folder, 'bad.yaml');
  writeFileSync(file, readFileSync(path.join(root, 'config/demo.yaml'), 'utf8').replace('[127.0.0.0/8]', '[0.0.0.0/0]'));
  const { code, out, err } = await check(['--firewall', file]);
  expect(code).toBe(0);
  expect(out).toContain('\n# WARNING: trunk laptop: 0.0.0.0/0 lets in much of the world.');
  expect(err).toMatch(/^WARNING: trunk laptop: .*\n$/);
});

it('prints the problems and no firewall for a configuration that does not hold, or whose ports cannot be known', async () => {
  const file = path.join(folder, 'bad.yaml');
  const refused = async (args: readonly string[], problem: string): Promise<void> => {
    const { code, out, err } = await check(['--firewall', ...args]);
    expect({ code, out }).toEqual({ code: 78, out: '' });
    expect(err.startsWith(problem), err).toBe(true);
  };
  writeFileSync(file, 'demo: true\n');
  await refused(['--config', file], 'trunks: is missing. ');
  writeFileSync(file, readFileSync(path.join(root, 'config/demo.yaml'), 'utf8').replace('port: 5060', 'port: 0'));
  await refused(['--config', file], 'sip.listen.port: is 0, ');
  await refused(['--sip-port', '5061'], '--sip-port: is given while ');
});

it.each([
  [['--frewall'], '--frewall: not understood'],
  [['--firewall=yes'], '--firewall takes no value'],
  [['--config', '--firewall'], '--config needs a value'],
  [['a.yaml', '--config', 'b.yaml'], 'a.yaml: not understood; one file can be checked'],
  [['--sip-port', '5060'], '--sip-port goes with --firewall'],
  [['--firewall', '--sip-port', '0'], '--sip-port: 0 is no port'],
  [['--firewall', '--sip-port', '5060', '--sip-port', '5061'], '--sip-port is given more than once'],
  [['--firewall', '--rtp-ports', '30000-20000'], '--rtp-ports: 30000-20000 ends before it begins'],
  [['--firewall', '--rtp-ports', '20000'], '--rtp-ports: 20000 is no range'],
  [['--firewall', '--node', 'sip.example.org; drop'], '--node: sip.example.org; drop is no IP address or CIDR range'],
])('does not understand %j, says so and ends with 64', async (args, problem) => {
  const { code, out, err } = await check(args);
  expect({ code, out }).toEqual({ code: 64, out: '' });
  expect(err.startsWith(problem), err).toBe(true);
});

it('explains itself', async () => {
  const { code, out } = await check(['--help']);
  expect(code).toBe(0);
  expect(out).toContain('--firewall');
});
