import { GatewayProcess } from '../gateway-process.js';
import type { Effort } from '../options.js';
import type { ReadyReport } from '../report.js';
import { round } from '../statistics.js';
import type { PartContext } from './rig.js';

/** From the start of the program, once built, until it takes calls. */
export async function measureReady(context: PartContext, effort: Effort): Promise<ReadyReport> {
  const report: ReadyReport = { programMs: [], npmStartMs: [], programCpuMs: [] };
  for (let i = 0; i < effort.starts; i++) {
    for (const [asNpmStart, values] of [[false, report.programMs], [true, report.npmStartMs]] as const) {
      const gateway = await GatewayProcess.start({ agentsSip: '127.0.0.1:9', agents: 20, logFile: context.logFile, asNpmStart });
      values.push(round(gateway.readyMs, 0));
      if (!asNpmStart) report.programCpuMs.push(gateway.readyCpuMs ?? null);
      await gateway.stop();
    }
  }
  context.say(`ready: ${report.programMs.join(', ')} ms; as npm start: ${report.npmStartMs.join(', ')} ms; CPU ${report.programCpuMs.join(', ')} ms`);
  return report;
}
