/** `npm run bench`: measures what the gateway can do on this machine, prints a table, writes JSON. */
import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { externalEngines } from './gateway-process.js';
import { readOptions, usage, type BenchOptions } from './options.js';
import { measureLatency, measureRamp } from './parts/identify.js';
import { measureMedia, measureRatios } from './parts/media.js';
import { measureMemory } from './parts/memory.js';
import { measureReady } from './parts/ready.js';
import { measureVault } from './parts/vault.js';
import type { PartContext } from './parts/rig.js';
import type { BenchReport } from './report.js';
import { round } from './statistics.js';
import { tableOf } from './table.js';

function optionsOrExit(): BenchOptions {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    process.exit(64);
  }
}

const options = optionsOrExit();
const startedAt = new Date();
const stamp = startedAt.toISOString().replaceAll(':', '-').replace(/\.\d+Z$/, 'Z');
const { effort } = options;
const context: PartContext = {
  profileFolder: options.profileFolder === undefined ? undefined : path.resolve(options.profileFolder),
  logFile: path.resolve(options.out, `${stamp}-gateway.log`),
  say: (text) => console.error(`  ${text}`),
};
const report: BenchReport = {
  formatVersion: 1,
  startedAt: startedAt.toISOString(),
  seconds: 0,
  mode: options.mode,
  engines: externalEngines ? 'external' : 'embedded',
  machine: {
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    platform: `${os.platform()} ${os.release()}`,
    node: process.version,
    loadAverageBefore: os.loadavg().map((load) => round(load)),
    loadAverageAfter: [],
  },
  problems: [],
};

for (const part of options.parts) {
  console.error(`${part} ...`);
  try {
    switch (part) {
      case 'ready': report.ready = await measureReady(context, effort); break;
      case 'ramp': report.ramp = await measureRamp(context, effort); break;
      case 'latency': {
        const reached = report.ramp?.identifiedPerSecond ?? 0;
        report.latency = await measureLatency(context, effort, reached > 0 ? Math.max(1, round(reached / 2, 1)) : effort.assumedHalfRate);
        break;
      }
      case 'memory': report.memory = await measureMemory(context, effort); break;
      case 'media': report.media = await measureMedia(context, effort); break;
      case 'ratios': report.ratios = await measureRatios(context, effort); break;
      case 'vault': report.vault = await measureVault(context, effort); break;
    }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    report.problems.push({ part, problem });
    console.error(`  ${part} could not be measured: ${problem}`);
  }
}

report.seconds = round((Date.now() - startedAt.getTime()) / 1_000, 0);
report.machine.loadAverageAfter = os.loadavg().map((load) => round(load));
mkdirSync(options.out, { recursive: true });
const file = path.join(options.out, `${stamp}.json`);
writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
console.log(tableOf(report));
console.log(`\nJSON: ${file}`);
process.exitCode = report.problems.length > 0 ? 1 : 0;
