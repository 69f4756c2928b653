import { setTimeout as sleep } from 'node:timers/promises';
import type { Effort } from '../options.js';
import type { MemoryReport } from '../report.js';
import { median, round } from '../statistics.js';
import { untilQuiet, withRig, type PartContext, type Rig } from './rig.js';

const callsPerSecond = 15;
/** After the last caller began to wait: prompts end, timers settle. */
const settleMs = 3_000;

/** What a caller costs who typed the code and waits for an agent. */
export async function measureMemory(context: PartContext, effort: Effort): Promise<MemoryReport> {
  const runs: MemoryReport['runs'] = [];
  for (let run = 1; run <= effort.runs; run++) {
    const result = await withRig(context, { agents: 1, staffed: 0, probe: true }, async (rig) => {
      const { load, gateway } = rig;
      // Once before the measurement: code that was never run yet and pools that were never filled are not a call's.
      await put(rig, Math.ceil(effort.waitingCalls / 4));
      await load.ask({ do: 'release' });
      if (!(await untilQuiet(rig, 60_000))) throw new Error('calls are left after hanging up');
      const before = await read(rig);
      await put(rig, effort.waitingCalls);
      const waiting = await gateway.metric('gateway_waiting');
      if (waiting !== effort.waitingCalls) throw new Error(`${waiting} calls wait instead of ${effort.waitingCalls}`);
      const after = await read(rig);
      const perCall = (a: number | undefined, b: number | undefined) => (a === undefined || b === undefined ? null : round((b - a) / effort.waitingCalls, 0));
      return {
        gatewayLiveBytesPerCall: perCall(before.gateway?.liveBytes, after.gateway?.liveBytes),
        gatewayResidentBytesPerCall: perCall(before.gateway?.residentBytes, after.gateway?.residentBytes),
        enginesLiveBytesPerCall: perCall(before.engines?.liveBytes, after.engines?.liveBytes),
        enginesResidentBytesPerCall: perCall(before.engines?.residentBytes, after.engines?.residentBytes),
      };
    });
    runs.push(result);
    context.say(`run ${run}: bytes per waiting call ${JSON.stringify(result)}`);
  }
  const mid = (key: keyof (typeof runs)[number]) => (runs.some((run) => run[key] === null) ? null : median(runs.map((run) => run[key]!)));
  return {
    waitingCalls: effort.waitingCalls,
    runs,
    gatewayLiveBytesPerCall: mid('gatewayLiveBytesPerCall'),
    gatewayResidentBytesPerCall: mid('gatewayResidentBytesPerCall'),
    enginesLiveBytesPerCall: mid('enginesLiveBytesPerCall'),
    enginesResidentBytesPerCall: mid('enginesResidentBytesPerCall'),
  };
}

async function put({ load }: Rig, count: number): Promise<void> {
  await load.ask({ do: 'sessions', count });
  const { failures } = await load.ask({ do: 'wait', count, callsPerSecond });
  if (failures.length > 0) throw new Error(`${failures.length} callers could not be made to wait: ${failures[0]}`);
  await sleep(settleMs);
}

async function read({ gateway }: Rig) {
  return { gateway: await gateway.memory(gateway.pids.gateway), engines: await gateway.memory(gateway.pids.media) };
}
