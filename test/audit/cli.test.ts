import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { scratchFolder } from '../peers/index.js';
import { run } from '../process/gateway-process.js';
import { key, linesOf, openTrail, parsed, rewrite, shown, signer, trailFiles, verify, writeTrail } from './support.js';

let folder: string;
beforeEach(() => { folder = scratchFolder('audit'); });
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** `npm run audit -- ...args` without npm. */
async function audit(...args: string[]): Promise<{ code: number | string; out: string; err: string }> {
  const command = run('gateway/launch/run.mjs', ['dist/gateway/audit/cli.js', ...args]);
  const code = await command.exited;
  return { code, out: command.out(), err: command.err() };
}

const at = (day: string) => ({ now: () => Date.parse(`2026-03-${day}T12:00:00Z`) });

it('verify says that a trail holds, and how to notice later that its end was cut off', async () => {
  await writeTrail(folder, 3);
  const { code, out } = await audit('verify', folder);
  expect(code).toBe(0);
  expect(out).toContain(`The trail holds: 6 lines in 1 file of ${folder}.`);
  expect(out).toContain('Signatures: none.');
  const checkpoint = /--checkpoint (gw1:6:[0-9a-f]{64})/.exec(out)![1]!;
  expect((await audit('verify', folder, '--checkpoint', checkpoint)).code).toBe(0);
  const [file] = trailFiles(folder);
  rewrite(folder, file!, linesOf(folder, file!).slice(0, 4));
  expect(await audit('verify', folder, '--checkpoint', checkpoint)).toMatchObject({ code: 1, out: expect.stringContaining('2 lines or more were cut off the end') as string });
}, 180_000);

it('verify names the first line that does not hold, and ends with 1', async () => {
  const [file] = await writeTrail(folder, 10, { signer: signer() });
  writeFileSync(path.join(folder, 'key'), `${key}\n`);
  expect(await audit('verify', folder, '--key-file', path.join(folder, 'key'))).toMatchObject({ code: 0, out: expect.stringMatching(/looked at with key [0-9a-f]{8}\./) as string });
  rewrite(folder, file!, linesOf(folder, file!).map((line, i) => (i === 6 ? line.replace('"anna"', '"bram"') : line)));
  const { code, out } = await audit('verify', folder, '--key-file', path.join(folder, 'key'));
  expect(code).toBe(1);
  expect(out.split('\n')[0]).toBe(`BROKEN: ${file}, line 7: its signature is not right: it was changed.`);
  expect(await audit('verify', folder)).toMatchObject({ code: 1, out: expect.stringContaining(`BROKEN: ${file}, line 8: it does not follow line 7`) as string });
});

it('takes folder and key from a configuration', async () => {
  mkdirSync(path.join(folder, 'trail'));
  await writeTrail(path.join(folder, 'trail'), 1, { signer: signer() });
  const config = path.join(folder, 'gateway.yaml');
  writeFileSync(path.join(folder, 'key'), key);
  writeFileSync(config, `demo: true\naudit: { folder: trail, hmacKeyFile: key }\ntrunks: [{ name: a, addresses: [192.0.2.1] }]\nservices: [{ name: a, numbers: ['*'], purposes: [a] }]\nidContact: { phoneNumber: '+31201234567' }\n`);
  expect(await audit('verify', '--config', config)).toMatchObject({ code: 0, out: expect.stringContaining('looked at with key') as string });
  writeFileSync(config, 'demo: maybe\n');
  expect(await audit('verify', '--config', config)).toMatchObject({ code: 78, err: expect.stringContaining('demo') as string });
});

it('export gives what was asked for, oldest first over all nodes, as CSV that no spreadsheet runs and as JSON lines', async () => {
  const one = await openTrail(folder, at('01'));
  await one.record(shown('c1', 'anna'));
  await one.record({ ...shown('c2', 'bram'), fields: ['=cmd()', 'e, "mail"'] });
  await one.close();
  const two = await openTrail(folder, { node: 'gw2', now: () => Date.parse('2026-03-02T12:00:00Z') });
  await two.record({ act: 'transferred', tenant: 'main', callId: 'c1', agent: 'anna', to: 'agent', toName: 'bram' });
  await two.close();

  const all = await audit('export', folder);
  expect(all.code).toBe(0);
  const rows = all.out.trimEnd().split('\r\n');
  expect(rows[0]).toBe('time,tenant,act,agent,call,why,attributes,detail,node,number');
  expect(rows.slice(1).map((row) => row.split(',')[2])).toEqual(['file', 'started', 'shown', 'shown', 'closed', 'file', 'started', 'transferred', 'closed']);
  expect(rows[3]).toBe('2026-03-01T12:00:00.000Z,main,shown,anna,c1,answered,fullname bsn,,gw1,3');
  expect(rows[4]).toContain(`,"'=cmd() e, ""mail""",`);
  expect(rows[8]).toBe('2026-03-02T12:00:00.000Z,main,transferred,anna,c1,,,to=agent toName=bram,gw2,3');

  const lines = (text: string) => text.trimEnd().split('\n').map(parsed);
  expect(lines((await audit('export', folder, '--agent', 'anna', '--format', 'jsonl')).out).map(({ act, chain }) => [act, chain])).toEqual([['shown', 'gw1'], ['transferred', 'gw2']]);
  expect(lines((await audit('export', folder, '--call', 'c2', '--format', 'jsonl')).out)).toMatchObject([{ callId: 'c2', fields: ['=cmd()', 'e, "mail"'] }]);
  expect(lines((await audit('export', folder, '--from', '2026-03-02', '--to', '2026-03-02', '--tenant', 'main', '--format', 'jsonl')).out)).toMatchObject([{ act: 'transferred' }]);
  expect(lines((await audit('export', folder, '--to', '2026-03-02T00:30:00+01:00', '--act', 'shown', '--format', 'jsonl')).out)).toHaveLength(2);
  // An export changes nothing.
  expect((await verify(folder)).problems).toEqual([]);
});

it('says what is wrong with the command line, and ends with the code for it', async () => {
  await writeTrail(folder, 1);
  const empty = scratchFolder('audit-none');
  for (const [args, code, says] of [
    [[], 64, 'Say verify or export'],
    [['look', folder], 64, '"look" is not understood'],
    [['verify', folder, folder], 64, 'one word too many'],
    [['verify', folder, '--agent', 'anna'], 64, '--agent does not go with verify'],
    [['export', folder, '--from', 'yesterday'], 64, '--from: write a day'],
    [['export', folder, '--from', '2026-02-31'], 64, '--from: write a day'],
    [['export', folder, '--format', 'xml'], 64, '--format: csv or jsonl'],
    [['verify', folder, '--checkpoint', 'gw1:1'], 64, '--checkpoint: write it as the gateway logs it'],
    [['verify', empty], 66, 'There is no audit trail in'],
    [['verify', path.join(empty, 'nowhere')], 66, 'is not a folder'],
    [['verify', folder, '--key-file', path.join(empty, 'nothing')], 66, 'cannot be read (ENOENT)'],
  ] as const) {
    const told = await audit(...args);
    expect(told, args.join(' ')).toMatchObject({ code, err: expect.stringContaining(says) as string });
  }
  rmSync(empty, { recursive: true });
}, 60_000);

it('verify says what the trail says of itself', async () => {
  const [file] = await writeTrail(folder, 2, at('01'));
  truncateSync(path.join(folder, file!), 700);
  await writeTrail(folder, 1, at('01'));
  const { code, out } = await audit('verify', folder);
  expect(code).toBe(0);
  expect(out).toContain('What the trail says of itself:');
  expect(out).toMatch(/line \d: was cut short by a crash after \d+ bytes/);
});
