/** The report as a table for people, in Markdown so that it can go into docs/ as it is. */
import type { BenchReport, LatencyAtLoad } from './report.js';
import type { Spread } from './statistics.js';
import { median } from './statistics.js';

type Row = readonly [what: string, value: string, aim?: string];

/** @returns Markdown */
export function tableOf(report: BenchReport): string {
  const { machine } = report;
  const rows: Row[] = [];
  const { ready, ramp, latency, memory, media, ratios, vault } = report;
  if (ready) {
    rows.push(['ready after start, program (median of starts)', `${median(ready.programMs)} ms`, '2000 ms']);
    if (ready.programCpuMs.every((ms) => ms !== null)) rows.push(['... CPU until then, gateway and engines', `${median(ready.programCpuMs)} ms`]);
    rows.push(['ready after start, as `npm start` runs it', `${median(ready.npmStartMs)} ms`, '2000 ms']);
  }
  if (ramp) {
    rows.push(['calls identified per second before the first failure', `${ramp.identifiedPerSecond} (runs: ${ramp.runs.map((run) => run.identifiedPerSecond).join(', ')})`]);
    const ends = ramp.runs.map((run) => run.firstFailure ?? 'none within the range tried');
    rows.push(['first failure', [...new Set(ends)].join('; ')]);
    rows.push(['sessions with results taken per second', `${ramp.resultsPerSecond}`]);
  }
  if (latency) {
    for (const [name, at, aim] of [['low load', latency.low, undefined], ['half load', latency.half, 'p99 100 ms']] as const) rows.push(...latencyRows(name, at, aim));
  }
  if (memory) {
    rows.push([`gateway memory per waiting call (0 to ${memory.waitingCalls} calls), live`, kilobytes(memory.gatewayLiveBytesPerCall)]);
    rows.push(['... resident', kilobytes(memory.gatewayResidentBytesPerCall)]);
    rows.push(['engines’ memory per waiting call, live', kilobytes(memory.enginesLiveBytesPerCall)]);
    rows.push(['... resident', kilobytes(memory.enginesResidentBytesPerCall)]);
  }
  if (media) rows.push(['bridged calls under 0.5 % loss and 10 ms p99 jitter', `${media.bridgedCalls} (runs: ${media.runs.map((run) => run.bridgedCalls).join(', ')})`, '200']);
  const load = (values: readonly number[]) => values.map((value) => value.toFixed(1)).join(' ');
  const parts = [
    `Measured ${report.startedAt} in ${report.seconds} s (${report.mode}), ${report.engines} engines, Node ${machine.node}, ${machine.cores} × ${machine.cpu}, ${machine.platform}; load average ${load(machine.loadAverageBefore)} before, ${load(machine.loadAverageAfter)} after.`,
    ...(rows.length > 0 ? [table(['', 'measured', 'aim'], rows.map(([what, value, aim]) => [what, value, aim ?? '']))] : []),
  ];
  if (ramp) {
    const steps = ramp.runs.flatMap((run, i) => run.steps.map((step) => [
      `${i + 1}`, `${step.callsPerSecond}`, `${step.calls}`, `${Object.values(step.failures).reduce((a, b) => a + b, 0)}`,
      `${step.digitToScreenMs.p50} / ${step.digitToScreenMs.p99}`, `${step.postDialMs.p50} / ${step.postDialMs.p99}`, cpu(step.cpuPercent),
    ]));
    parts.push('Ramp:', table(['run', 'calls/s', 'calls', 'failed', 'digit to screen p50 / p99, ms', 'post-dial p50 / p99, ms', 'CPU %: gateway, engines, generator'], steps));
  }
  if (media) {
    const steps = media.runs.flatMap((run, i) => run.steps.map((step) => [
      `${i + 1}`, `${step.calls}`, `${step.lossPercent}`, `${step.worstStreamLossPercent}`, `${step.jitterMs.p50} / ${step.jitterMs.p99}`, `${step.delayMs.p50} / ${step.delayMs.p99}`, cpu(step.cpuPercent), step.holds ? 'yes' : 'no',
    ]));
    parts.push('Bridged calls:', table(['run', 'calls', 'loss %', 'worst stream %', 'jitter p50 / p99, ms', 'delay p50 / p99, ms', 'CPU %: gateway, engines, generator', 'holds'], steps));
  }
  if (ratios) {
    const row = (name: string, at: { lossPercent: number; jitterMs: { p50: number; p99: number }; delayMs: { p50: number; p99: number } }, used: number | null) =>
      [name, `${at.lossPercent}`, `${at.jitterMs.p50} / ${at.jitterMs.p99}`, `${at.delayMs.p50} / ${at.delayMs.p99}`, used === null ? 'unknown' : `${used}`];
    parts.push(
      `Ratios within one run, ${ratios.calls} calls, the same packets:`,
      table(['', 'loss %', 'jitter p50 / p99, ms', 'delay p50 / p99, ms', 'CPU % of a core'], [
        row('sent straight back to the generator', ratios.direct, null).with(4, 'none'),
        row('through a plain Node forwarder', ratios.forwarder, ratios.forwarder.cpuPercent),
        row('through the media engine', ratios.gateway, ratios.gateway.cpuPercent),
      ]),
      `The media engine takes ${ratios.cpuRatio ?? 'an unknown number of'} times the CPU of plain forwarding.`,
    );
  }
  if (vault) {
    const names = { redis: 'Redis', memory: 'memory', memoryInTightLoop: 'memory, in a tight loop' };
    const claims = (['redis', 'memory', 'memoryInTightLoop'] as const).map((where) => [where, vault[where]] as const).map(([where, { fewSessions, manySessions, fewMs, manyMs, ratio }]) => [names[where], ...[fewMs, manyMs].map(({ p50, p95, p99 }) => `${p50} / ${p95} / ${p99}`), `${ratio} (${manySessions} over ${fewSessions})`]);
    parts.push('Claiming a session by its code, in turn among few and many live ones, p50 / p95 / p99 in ms (aim: medians within 1.2 times):', table(['sessions in', 'among few', 'among many', 'ratio of medians'], claims));
  }
  for (const { part, problem } of report.problems) parts.push(`**${part} could not be measured:** ${problem}`);
  return parts.join('\n\n');
}

function latencyRows(name: string, at: LatencyAtLoad, aim: string | undefined): Row[] {
  const failed = Object.values(at.failures).reduce((a, b) => a + b, 0);
  const at_ = `at ${name} (${at.callsPerSecond} calls/s, ${at.calls} calls${failed > 0 ? `, ${failed} failed` : ''})`;
  const used = at.cpuMsPerCall;
  return [
    [`last digit to screen ${at_}`, three(at.digitToScreenMs), aim],
    ['... p99 of each run', `${at.digitToScreenP99OfRuns.map((ms) => (Number.isNaN(ms) ? 'none' : ms)).join(', ')} ms`],
    ['... last digit to voices', three(at.digitToVoiceMs)],
    ['... post-dial delay (INVITE to answer)', three(at.postDialMs)],
    ['... INVITE to first sound', three(at.firstAudioMs)],
    ['... CPU per call: gateway, engines', `${used.gateway ?? 'unknown'} ms, ${used.engines ?? 'unknown'} ms`],
  ];
}

const three = (spread: Spread): string => (spread.count === 0 ? 'none' : `p50 ${spread.p50}, p95 ${spread.p95}, p99 ${spread.p99} ms`);
const kilobytes = (bytes: number | null): string => (bytes === null ? 'unknown' : `${Math.round(bytes / 1_024)} KiB`);

/** Embedded, both engines are one process and would be counted twice. */
function cpu(percent: { gateway: number | null; sip: number | null; media: number | null; generator: number | null }): string {
  const engines = percent.sip === percent.media || percent.sip === null ? percent.media : percent.media === null ? percent.sip : `${percent.sip} + ${percent.media}`;
  return [percent.gateway, engines, percent.generator].map((value) => value ?? '?').join(', ');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, 3, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}
