/** Conversations carried by the media engine, and what it costs beyond plain forwarding. */
import { fork } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { LoadGenerator } from '../load/client.js';
import type { MediaMeasure } from '../load/rtp-lines.js';
import type { Effort } from '../options.js';
import { cpuMs } from '../process-usage.js';
import type { MediaReport, MediaStep, RatioReport } from '../report.js';
import { median, round } from '../statistics.js';
import { percentBetween, usageOf, withRig, type PartContext, type Rig } from './rig.js';

const callsPerSecond = 10;
const settleMs = 1_000;
const tries = 3;
/** Share of the wanted conversations with which a step is worth measuring; it counts for as many as there are. */
const enough = 0.97;
const mostLossPercent = 0.5;
const mostJitterMs = 10;
const giveUpLossPercent = 5;

/** Adds conversations until packets are lost or late. */
export async function measureMedia(context: PartContext, effort: Effort): Promise<MediaReport> {
  const runs: MediaReport['runs'] = [];
  const most = Math.max(...effort.bridgedCalls);
  for (let run = 1; run <= effort.runs; run++) {
    runs.push(await withRig(context, { agents: most }, async (rig) => {
      const steps: MediaStep[] = [];
      let calls = 0;
      let bridgedCalls = 0;
      let failed = false;
      for (const wanted of effort.bridgedCalls) {
        calls += await hold(rig, wanted - calls);
        if (calls < enough * wanted) {
          context.say(`run ${run}: only ${calls} of ${wanted} calls came about`);
          break;
        }
        const { measure, cpuPercent } = await measured(rig, effort.mediaSeconds);
        const holds = measure.lossPercent < mostLossPercent && measure.jitterMs.p99 < mostJitterMs;
        steps.push({ calls, ...measure, cpuPercent, holds });
        context.say(`run ${run}: ${calls} bridged: loss ${measure.lossPercent} %, jitter p99 ${measure.jitterMs.p99} ms, delay p50 ${measure.delayMs.p50} ms, CPU % ${JSON.stringify(cpuPercent)}`);
        failed ||= !holds;
        if (!failed) bridgedCalls = calls;
        // Somewhat too much is worth seeing how it goes on; much too much is not.
        if (measure.lossPercent > giveUpLossPercent) break;
      }
      return { steps, bridgedCalls };
    }));
  }
  return { runs, bridgedCalls: median(runs.map((run) => run.bridgedCalls)) };
}

/** Brings conversations about; how long that takes is not measured here, so those that fail on a busy machine are tried again. */
async function hold({ load }: Rig, count: number): Promise<number> {
  let held = 0;
  for (let attempt = 0; attempt < tries && held < count; attempt++) {
    held += (await load.ask({ do: 'hold', count: count - held, callsPerSecond: callsPerSecond / 2 ** attempt })).held;
  }
  await sleep(settleMs);
  return held;
}

async function measured(rig: Rig, seconds: number): Promise<{ measure: MediaMeasure; cpuPercent: MediaStep['cpuPercent'] }> {
  const before = usageOf(rig);
  const startedAt = performance.now();
  const measure = await rig.load.ask({ do: 'measure', seconds });
  return { measure, cpuPercent: percentBetween(before, usageOf(rig), performance.now() - startedAt) };
}

/** The same packets straight back, through a plain forwarder, and through the gateway's media engine. */
export async function measureRatios(context: PartContext, effort: Effort): Promise<RatioReport> {
  const calls = effort.ratioCalls;
  const direct: MediaMeasure[] = [];
  const forwarded: { measure: MediaMeasure; cpuPercent: number | null }[] = [];
  const bridged: { measure: MediaMeasure; cpuPercent: number | null }[] = [];
  for (let run = 1; run <= effort.runs; run++) {
    direct.push((await throughPairs(calls, effort.mediaSeconds, false)).measure);
    forwarded.push(await throughPairs(calls, effort.mediaSeconds, true));
    bridged.push(await withRig(context, { agents: calls }, async (rig) => {
      const held = await hold(rig, calls);
      if (held < calls) throw new Error(`only ${held} of ${calls} calls came about`);
      const { measure, cpuPercent } = await measured(rig, effort.mediaSeconds);
      return { measure, cpuPercent: cpuPercent.media };
    }));
    context.say(`run ${run}: ${calls} calls: forwarder ${forwarded.at(-1)!.cpuPercent} % of a core, media engine ${bridged.at(-1)!.cpuPercent} %; jitter p99 direct ${direct.at(-1)!.jitterMs.p99}, forwarder ${forwarded.at(-1)!.measure.jitterMs.p99}, engine ${bridged.at(-1)!.measure.jitterMs.p99} ms`);
  }
  const known = (values: (number | null)[]) => (values.some((value) => value === null) ? null : median(values as number[]));
  // Of the runs the one with the middle jitter stands for all.
  const middle = <T extends { measure: MediaMeasure }>(runs: T[]): T => [...runs].sort((a, b) => a.measure.jitterMs.p99 - b.measure.jitterMs.p99)[Math.floor((runs.length - 1) / 2)]!;
  const forwarderCpu = known(forwarded.map((run) => run.cpuPercent));
  const engineCpu = known(bridged.map((run) => run.cpuPercent));
  return {
    calls,
    direct: middle(direct.map((measure) => ({ measure }))).measure,
    forwarder: { ...middle(forwarded).measure, cpuPercent: forwarderCpu },
    gateway: { ...middle(bridged).measure, cpuPercent: engineCpu },
    cpuRatio: forwarderCpu === null || engineCpu === null || forwarderCpu === 0 ? null : round(engineCpu / forwarderCpu),
  };
}

async function throughPairs(calls: number, seconds: number, forwarded: boolean): Promise<{ measure: MediaMeasure; cpuPercent: number | null }> {
  const load = await LoadGenerator.start();
  const forwarder = forwarded ? fork(path.join(path.dirname(fileURLToPath(import.meta.url)), '../load/forwarder.js'), [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }) : undefined;
  try {
    const { ports } = await load.ask({ do: 'pairs', count: calls });
    let through: { a: number; b: number }[] | undefined;
    if (forwarder) {
      through = await new Promise((resolve) => {
        forwarder.once('message', resolve as (message: unknown) => void);
        forwarder.send(ports);
      });
    }
    await load.ask({ do: 'pairUp', ...(through ? { through } : {}) });
    await sleep(settleMs);
    const before = cpuMs(forwarder?.pid);
    const startedAt = performance.now();
    const measure = await load.ask({ do: 'measure', seconds });
    const after = cpuMs(forwarder?.pid);
    return { measure, cpuPercent: before === undefined || after === undefined ? null : round((100 * (after - before)) / (performance.now() - startedAt), 0) };
  } finally {
    await load.ask({ do: 'release' }).catch(() => undefined);
    forwarder?.disconnect();
    await load.stop();
  }
}
