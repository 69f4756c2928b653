import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Peers, freePort, msOfTone, readWav, startSippAgent, until, writeToneWav } from '../peers/index.js';

const root = path.resolve(import.meta.dirname, '../..');
const cli = path.join(root, 'dist/gateway/phone/cli.js');
const peers = new Peers();
afterEach(() => peers.stopAll());

interface Run { readonly child: ChildProcess; readonly exited: Promise<number | null>; output(): string }

function run(program: string, args: readonly string[]): Run {
  const child = spawn(process.execPath, [program, ...args], { cwd: root });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => { text += chunk.toString(); });
  child.stderr.on('data', (chunk: Buffer) => { text += chunk.toString(); });
  const exited = new Promise<number | null>((resolve) => { child.once('close', resolve); });
  peers.defer(async () => { child.kill('SIGKILL'); await exited; });
  return { child, exited, output: () => text };
}
const phone = (...args: string[]): Run => run(cli, args);

beforeAll(async () => {
  // What `npm run call -- --help` does: builds when needed.
  const first = run(path.join(root, 'gateway/launch/run.mjs'), ['dist/gateway/phone/cli.js', '--help']);
  expect(await first.exited, first.output()).toBe(0);
  expect(first.output()).toContain('Exit codes');
}, 180_000);

describe('npm run call', () => {
  it('calls another of its kind, records, and tells the story', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'tig-call-'));
    peers.defer(() => { rmSync(folder, { recursive: true, force: true }); });
    const port = await freePort();
    const speech = writeToneWav(path.join(folder, 'speech.wav'), [750], 3_000, 16_000);
    const record = path.join(folder, 'heard.wav');
    const answering = phone('--answer', '--listen', `127.0.0.1:${port}`, '--calls', '1', '--answer-after', '0.2', '--play', speech);
    await until(() => answering.output().includes('Waiting for calls'), 'the answering phone', 10_000);
    const calling = phone('--to', `sip:x@127.0.0.1:${port}`, '--hangup-after', '1', '--record', record);
    expect(await calling.exited, calling.output()).toBe(0);
    expect(calling.output()).toMatch(/ringing[\s\S]*answered after[\s\S]*connected[\s\S]*ended by us[\s\S]*0 lost[\s\S]*Connected after/);
    expect(await answering.exited, answering.output()).toBe(0);
    expect(existsSync(record)).toBe(true);
    // Stereo: left what was heard, right what was said.
    const { samples } = readWav(record);
    expect(msOfTone(samples.filter((_, index) => index % 2 === 0), 750)).toBeGreaterThan(500);
    expect(msOfTone(samples.filter((_, index) => index % 2 === 1), 750)).toBe(0);
  });

  it('hangs up politely at Ctrl-C, before and after being connected', async () => {
    const ringing = peers.add(await startSippAgent({ behaviour: { kind: 'ring' } }));
    const early = phone('--to', `sip:x@127.0.0.1:${ringing.sip.port}`);
    await until(() => early.output().includes('ringing'), 'the ringing', 10_000);
    early.child.kill('SIGINT');
    expect(await early.exited, early.output()).toBe(130);
    await ringing.saw(/^CANCEL /);

    const agent = peers.add(await startSippAgent({ toneHz: [500] }));
    const late = phone('--to', `sip:x@127.0.0.1:${agent.sip.port}`);
    await until(() => late.output().includes('connected ('), 'the connection', 10_000);
    late.child.kill('SIGINT');
    late.child.kill('SIGINT');
    expect(await late.exited, late.output()).toBe(0);
    await agent.saw(/^BYE /, { direction: 'received' });
  });

  it('prints no code, and JSON when asked to', async () => {
    const agent = peers.add(await startSippAgent({ behaviour: { kind: 'answer', afterMs: 50, hangupAfterMs: 4_000 }, toneHz: [500] }));
    const call = phone('--json', '--code', '9876543210', '--code-after', '0.2', '--to', `sip:x@127.0.0.1:${agent.sip.port}`);
    expect(await call.exited, call.output()).toBe(19);
    expect(call.output()).not.toContain('9876543210');
    const lines = call.output().trim().split('\n').map((text) => JSON.parse(text) as { kind: string });
    expect(lines.map((entry) => entry.kind)).toEqual(expect.arrayContaining(['dialling', 'answered', 'pressing', 'pressed', 'ended', 'result']));
    expect(lines.at(-1)).toMatchObject({ kind: 'result', exitCode: 19, endedBy: 'them' });
    expect(agent.tap.keys(96)).toBe('9876543210#');
  });

  it('explains a refusal, and a command line that makes no sense', async () => {
    const agent = peers.add(await startSippAgent({ behaviour: { kind: 'reject', status: 403, reason: 'Forbidden', afterMs: 0 } }));
    const call = phone('--to', `sip:x@127.0.0.1:${agent.sip.port}`);
    expect(await call.exited).toBe(10);
    expect(call.output()).toMatch(/403[\s\S]*may not call here[\s\S]*trunks/);
    const wrong = phone('--dtmf', 'whistle', '--to', 'nobody');
    expect(await wrong.exited).toBe(64);
    expect(wrong.output()).toMatch(/--to[\s\S]*--dtmf whistle/);
  });

  it('says so when its port is taken', async () => {
    const agent = peers.add(await startSippAgent());
    const call = phone('--answer', '--listen', `127.0.0.1:${agent.sip.port}`);
    expect(await call.exited).toBe(1);
    expect(call.output()).toContain('--listen');
  });
});
