/** A gateway and its load, for one run of one part; and the clock on their processes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayProcess, type GatewayProcessOptions } from '../gateway-process.js';
import { LoadGenerator } from '../load/client.js';
import type { CallRecord } from '../load/protocol.js';
import { cpuMs } from '../process-usage.js';
import { round } from '../statistics.js';

export interface Rig {
  gateway: GatewayProcess;
  load: LoadGenerator;
}

/** What a part may use. */
export interface PartContext {
  profileFolder: string | undefined;
  logFile: string;
  /** Tells the person who waits. */
  say: (text: string) => void;
}

/** Starts gateway and load, runs `work`, and ends both whatever happens. */
export async function withRig<T>(context: PartContext, options: Partial<GatewayProcessOptions> & { agents: number; staffed?: number }, work: (rig: Rig) => Promise<T>): Promise<T> {
  const load = await LoadGenerator.start();
  try {
    const gateway = await GatewayProcess.start({ agentsSip: load.agentsSip, profileFolder: context.profileFolder, logFile: context.logFile, ...options });
    try {
      await load.ask({ do: 'connect', gateway: gateway.gateway });
      const staffed = options.staffed ?? options.agents;
      if (staffed > 0) await load.ask({ do: 'staff', agents: staffed });
      return await work({ gateway, load });
    } finally {
      await load.ask({ do: 'release' }).catch(() => undefined);
      await gateway.stop();
    }
  } finally {
    await load.stop();
  }
}

export interface Usage {
  gateway: number | undefined;
  sip: number | undefined;
  media: number | undefined;
  generator: number | undefined;
}

/** CPU so far of each process, in ms. */
export function usageOf({ gateway, load }: Rig): Usage {
  return { gateway: cpuMs(gateway.pids.gateway), sip: cpuMs(gateway.pids.sip), media: cpuMs(gateway.pids.media), generator: cpuMs(load.pid) };
}

const share = (before: number | undefined, after: number | undefined, of: number, places: number): number | null =>
  before === undefined || after === undefined ? null : round((after - before) / of, places);

/** Percent of one core between two looks. */
export function percentBetween(before: Usage, after: Usage, elapsedMs: number) {
  const of = elapsedMs / 100;
  return {
    gateway: share(before.gateway, after.gateway, of, 0),
    sip: share(before.sip, after.sip, of, 0),
    media: share(before.media, after.media, of, 0),
    generator: share(before.generator, after.generator, of, 0),
  };
}

/** CPU-ms per call between two looks; both engines together, which embedded are one process. */
export function perCallBetween(before: Usage, after: Usage, calls: number, samePid: boolean) {
  const sip = share(before.sip, after.sip, calls, 1);
  const media = share(before.media, after.media, calls, 1);
  const engines = samePid || sip === null || media === null ? media : round(sip + media, 1);
  return { gateway: share(before.gateway, after.gateway, calls, 1), engines };
}

/** Failures by their words. */
export function failuresOf(calls: readonly CallRecord[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { failure } of calls) if (failure !== undefined) counts[failure] = (counts[failure] ?? 0) + 1;
  return counts;
}

export function valuesOf(calls: readonly CallRecord[], what: 'postDialMs' | 'firstAudioMs' | 'digitToScreenMs' | 'digitToVoiceMs'): number[] {
  return calls.flatMap((call) => call[what] ?? []);
}

/** Waits until the gateway has no call left, so that one step does not burden the next. */
export async function untilQuiet({ gateway }: Rig, limitMs = 10_000): Promise<boolean> {
  const giveUpAt = Date.now() + limitMs;
  while ((await gateway.health()).calls > 0) {
    if (Date.now() > giveUpAt) return false;
    await sleep(100);
  }
  return true;
}
