/** Calls of citizens with a code: how many a second, and how long each has to wait for what. */
import type { CallRecord } from '../load/protocol.js';
import { agentsFor, type Effort } from '../options.js';
import type { LatencyAtLoad, LatencyReport, RampReport, RampStep } from '../report.js';
import { median, percentile, round, spread } from '../statistics.js';
import { failuresOf, percentBetween, perCallBetween, untilQuiet, usageOf, valuesOf, withRig, type PartContext, type Rig } from './rig.js';

/** Calls before anything is measured: programs that have just started are slower than they will be. */
const warmUpCalls = 10;

async function warmUp({ load }: Rig): Promise<void> {
  await load.ask({ do: 'sessions', count: warmUpCalls });
  await load.ask({ do: 'ramp', callsPerSecond: 5, seconds: warmUpCalls / 5, talkMs: 200 });
}

/** Raises the rate until a call fails. */
export async function measureRamp(context: PartContext, effort: Effort): Promise<RampReport> {
  const runs: RampReport['runs'] = [];
  const resultRates: number[] = [];
  for (let run = 1; run <= effort.runs; run++) {
    runs.push(await withRig(context, { agents: agentsFor(Math.max(...effort.rates), effort) }, async (rig) => {
      await warmUp(rig);
      const steps: RampStep[] = [];
      let identifiedPerSecond = 0;
      let firstFailure: string | null = null;
      for (const callsPerSecond of effort.rates) {
        const count = Math.round(callsPerSecond * effort.stepSeconds);
        resultRates.push((await rig.load.ask({ do: 'sessions', count })).perSecond);
        await untilQuiet(rig);
        const before = usageOf(rig);
        const startedAt = performance.now();
        const { calls } = await rig.load.ask({ do: 'ramp', callsPerSecond, seconds: effort.stepSeconds, talkMs: effort.talkMs });
        const elapsedMs = performance.now() - startedAt;
        const failures = failuresOf(calls);
        const step: RampStep = {
          callsPerSecond,
          calls: calls.length,
          failures,
          postDialMs: spread(valuesOf(calls, 'postDialMs')),
          digitToScreenMs: spread(valuesOf(calls, 'digitToScreenMs')),
          digitToVoiceMs: spread(valuesOf(calls, 'digitToVoiceMs')),
          cpuPercent: percentBetween(before, usageOf(rig), elapsedMs),
        };
        steps.push(step);
        const [cause] = Object.entries(failures).sort(([, a], [, b]) => b - a)[0] ?? [];
        context.say(`run ${run}: ${callsPerSecond} calls/s: ${calls.length - sum(failures)} of ${calls.length} good, digit to screen p50 ${step.digitToScreenMs.p50} p99 ${step.digitToScreenMs.p99} ms, CPU % ${JSON.stringify(step.cpuPercent)}${cause === undefined ? '' : `; ${JSON.stringify(failures)}`}`);
        if (cause !== undefined) {
          firstFailure = cause;
          break;
        }
        identifiedPerSecond = callsPerSecond;
      }
      return { steps, identifiedPerSecond, firstFailure };
    }));
  }
  return { runs, identifiedPerSecond: median(runs.map((run) => run.identifiedPerSecond)), resultsPerSecond: round(median(resultRates), 0) };
}

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((total, count) => total + count, 0);

/** @param halfRate half of what the ramp reached */
export async function measureLatency(context: PartContext, effort: Effort, halfRate: number): Promise<LatencyReport> {
  const low = new AtLoad(effort.lowRate);
  const half = new AtLoad(halfRate);
  for (let run = 1; run <= effort.runs; run++) {
    await withRig(context, { agents: agentsFor(Math.max(effort.lowRate, halfRate, 5), effort) }, async (rig) => {
      await warmUp(rig);
      for (const at of [low, half]) {
        await at.run(rig, effort);
        context.say(`run ${run}: ${at.lastRun}`);
      }
    });
  }
  return { low: low.report(), half: half.report() };
}

/** What was seen at one load, over all runs. */
class AtLoad {
  lastRun = '';
  private readonly calls: CallRecord[] = [];
  private readonly p99: number[] = [];
  private readonly cpu: { gateway: number | null; engines: number | null }[] = [];

  constructor(private readonly callsPerSecond: number) {}

  async run(rig: Rig, effort: Effort): Promise<void> {
    const { callsPerSecond } = this;
    await rig.load.ask({ do: 'sessions', count: Math.round(callsPerSecond * effort.latencySeconds) });
    await untilQuiet(rig);
    const before = usageOf(rig);
    const { calls } = await rig.load.ask({ do: 'ramp', callsPerSecond, seconds: effort.latencySeconds, talkMs: effort.talkMs });
    const { pids } = rig.gateway;
    const cpu = perCallBetween(before, usageOf(rig), calls.length, pids.sip === pids.media);
    const p99 = round(percentile(valuesOf(calls, 'digitToScreenMs'), 0.99));
    this.calls.push(...calls);
    this.cpu.push(cpu);
    this.p99.push(p99);
    this.lastRun = `at ${callsPerSecond} calls/s digit to screen p99 ${p99} ms, CPU-ms per call ${JSON.stringify(cpu)}`;
  }

  report(): LatencyAtLoad {
    const known = (values: (number | null)[]) => (values.some((value) => value === null) ? null : median(values as number[]));
    return {
      callsPerSecond: this.callsPerSecond,
      calls: this.calls.length,
      failures: failuresOf(this.calls),
      postDialMs: spread(valuesOf(this.calls, 'postDialMs')),
      firstAudioMs: spread(valuesOf(this.calls, 'firstAudioMs')),
      digitToScreenMs: spread(valuesOf(this.calls, 'digitToScreenMs')),
      digitToVoiceMs: spread(valuesOf(this.calls, 'digitToVoiceMs')),
      cpuMsPerCall: { gateway: known(this.cpu.map((c) => c.gateway)), engines: known(this.cpu.map((c) => c.engines)) },
      digitToScreenP99OfRuns: this.p99,
    };
  }
}
