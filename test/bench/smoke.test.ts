/** The bench itself: that it runs, and that its JSON holds what was promised. No time is judged here. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readOptions } from './options.js';
import type { BenchReport } from './report.js';
import { DelayHistogram, percentile, spread } from './statistics.js';
import { tableOf } from './table.js';

const root = path.resolve(import.meta.dirname, '../..');
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function bench(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [path.join(root, 'dist/test/bench/main.js'), ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

describe('npm run bench -- --quick', () => {
  it('measures every part and writes a table and JSON', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'bench-smoke-'));
    folders.push(folder);
    const { code, out, err } = await bench('--quick', '--out', folder);
    expect(code, `${out}\n${err}`).toBe(0);
    const report = JSON.parse(readFileSync(path.join(folder, readdirSync(folder).find((name) => name.endsWith('.json'))!), 'utf8')) as BenchReport;
    expect(report).toMatchObject({ formatVersion: 1, mode: 'quick', problems: [] });
    expect(report.machine.loadAverageBefore).toHaveLength(3);
    expect(report.ready!.programMs).toHaveLength(1);
    expect(report.ready!.npmStartMs).toHaveLength(1);
    const [run] = report.ramp!.runs;
    expect(run!.steps.map((step) => step.calls)).toEqual([2, 4]);
    expect(run!.firstFailure).toBeNull();
    expect(report.ramp!.identifiedPerSecond).toBe(2);
    for (const at of [report.latency!.low, report.latency!.half]) {
      expect(at.failures).toEqual({});
      for (const what of [at.postDialMs, at.firstAudioMs, at.digitToScreenMs, at.digitToVoiceMs]) {
        expect(what.count).toBe(at.calls);
        expect(what.p50).toBeGreaterThan(0);
        expect(what.p99).toBeGreaterThanOrEqual(what.p50);
      }
    }
    expect(report.memory!.waitingCalls).toBe(10);
    expect(report.memory!.gatewayLiveBytesPerCall).toBeTypeOf('number');
    expect(report.media!.runs[0]!.steps.map((step) => step.calls)).toEqual([5, 10]);
    for (const step of report.media!.runs[0]!.steps) {
      expect(step.streams).toBe(2 * step.calls);
      expect(step.received).toBeGreaterThan(0);
    }
    expect(report.ratios!.calls).toBe(5);
    expect(report.ratios!.forwarder.received).toBeGreaterThan(0);
    expect(report.ratios!.gateway.received).toBeGreaterThan(0);
    for (const { fewMs, manyMs } of [report.vault!.memory, report.vault!.redis]) expect(manyMs.count).toBe(fewMs.count);
    expect(out).toContain('calls identified per second');
    expect(out).toBe(`${tableOf(report)}\n\nJSON: ${path.join(folder, readdirSync(folder).find((name) => name.endsWith('.json'))!)}\n`);
  }, 400_000);

  it('says what an option should have been', async () => {
    const { code, err } = await bench('--only', 'everything');
    expect(code).toBe(64);
    expect(err).toContain('--only everything: there is ready, ramp, latency, memory, media, ratios, vault');
  });
});

describe('statistics', () => {
  it('takes percentiles by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect([percentile(values, 0.5), percentile(values, 0.95), percentile(values, 0.99), percentile(values, 1), percentile(values, 0)]).toEqual([50, 95, 99, 100, 1]);
    expect(percentile([7], 0.99)).toBe(7);
    expect(percentile([], 0.5)).toBeNaN();
    expect(spread([3, 1, 2])).toEqual({ count: 3, min: 1, p50: 2, p95: 3, p99: 3, max: 3 });
  });

  it('counts delays and their variation', () => {
    const stream = new DelayHistogram();
    for (let i = 0; i < 98; i++) stream.add(4.05);
    stream.add(14.05);
    stream.add(9_999);
    expect(stream.percentile(0.5)).toBeCloseTo(4.1);
    expect(stream.percentile(0.99)).toBeCloseTo(14.1);
    expect(stream.percentile(1)).toBeGreaterThanOrEqual(DelayHistogram.longestMs);
    const variation = new DelayHistogram();
    variation.addVariationOf(stream);
    expect(variation.percentile(0.5)).toBeCloseTo(0.1);
    expect(variation.percentile(0.99)).toBeCloseTo(10.1);
    expect(variation.count).toBe(100);
  });
});

it('reads its options', () => {
  expect(readOptions(['--quick', '--only', 'media', '--only', 'ready'])).toMatchObject({ mode: 'quick', parts: ['ready', 'media'], out: 'var/bench' });
  expect(readOptions([]).effort.runs).toBeGreaterThanOrEqual(3);
  expect(readOptions(['--rates', '3,7', '--runs', '1']).effort).toMatchObject({ rates: [3, 7], runs: 1 });
  expect(() => readOptions(['--rates', '3,x'])).toThrow('x is not a number');
});
