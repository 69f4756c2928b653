/** What the bench writes as JSON. Times in ms, memory in bytes, CPU in ms of one core. */
import type { MediaMeasure } from './load/rtp-lines.js';
import type { Spread } from './statistics.js';

export interface ReadyReport {
  /** The gateway's program, from its start until it takes calls; one value for each start. */
  programMs: number[];
  /** The same through what `npm start` runs, which looks first whether anything has to be built. */
  npmStartMs: number[];
  /** CPU the program and its engines took until then; null where it cannot be known. */
  programCpuMs: (number | null)[];
}

export interface RampStep {
  callsPerSecond: number;
  calls: number;
  failures: Record<string, number>;
  postDialMs: Spread;
  digitToScreenMs: Spread;
  digitToVoiceMs: Spread;
  /** Busy share of one core during the step, in percent. */
  cpuPercent: { gateway: number | null; sip: number | null; media: number | null; generator: number | null };
}

export interface RampReport {
  /** Each run: its steps, and the highest rate before the first failure (0: none). */
  runs: { steps: RampStep[]; identifiedPerSecond: number; firstFailure: string | null }[];
  identifiedPerSecond: number;
  /** Sessions with results that the gateway took per second, tokens made by the generator included. */
  resultsPerSecond: number;
}

export interface LatencyAtLoad {
  callsPerSecond: number;
  calls: number;
  failures: Record<string, number>;
  postDialMs: Spread;
  firstAudioMs: Spread;
  digitToScreenMs: Spread;
  digitToVoiceMs: Spread;
  /** CPU for one call, all of it: dialogue, two legs, two seconds of talk. */
  cpuMsPerCall: { gateway: number | null; engines: number | null };
  /** p99 of each run, to see how much runs differ. */
  digitToScreenP99OfRuns: number[];
}

export interface LatencyReport {
  low: LatencyAtLoad;
  half: LatencyAtLoad;
}

export interface MemoryReport {
  waitingCalls: number;
  /** One for each run. Live: after garbage collection. */
  runs: { gatewayLiveBytesPerCall: number | null; gatewayResidentBytesPerCall: number | null; enginesLiveBytesPerCall: number | null; enginesResidentBytesPerCall: number | null }[];
  gatewayLiveBytesPerCall: number | null;
  gatewayResidentBytesPerCall: number | null;
  enginesLiveBytesPerCall: number | null;
  enginesResidentBytesPerCall: number | null;
}

export interface MediaStep extends MediaMeasure {
  calls: number;
  cpuPercent: { gateway: number | null; sip: number | null; media: number | null; generator: number | null };
  /** Under 0.5 % loss and under 10 ms p99 jitter. */
  holds: boolean;
}

export interface MediaReport {
  runs: { steps: MediaStep[]; bridgedCalls: number }[];
  bridgedCalls: number;
}

export interface RatioReport {
  calls: number;
  /** The generator's packets sent straight back to it: what the measurement itself adds. */
  direct: MediaMeasure;
  forwarder: MediaMeasure & { cpuPercent: number | null };
  gateway: MediaMeasure & { cpuPercent: number | null };
  /** CPU of the media engine over that of the forwarder, for the same packets. */
  cpuRatio: number | null;
}

export interface ClaimsReport {
  fewSessions: number;
  manySessions: number;
  fewMs: Spread;
  manyMs: Spread;
  /** Median among many over median among few. */
  ratio: number;
}

export interface VaultReport {
  /** With other work before each claim, as in a gateway. */
  memory: ClaimsReport;
  /** One claim right after the other: few sessions then stay in the processor's caches, many cannot. */
  memoryInTightLoop: ClaimsReport;
  redis: ClaimsReport;
}

export interface BenchReport {
  formatVersion: 1;
  startedAt: string;
  seconds: number;
  mode: 'full' | 'quick';
  engines: 'embedded' | 'external';
  machine: { cpu: string; cores: number; memoryBytes: number; platform: string; node: string; loadAverageBefore: number[]; loadAverageAfter: number[] };
  ready?: ReadyReport;
  ramp?: RampReport;
  latency?: LatencyReport;
  memory?: MemoryReport;
  media?: MediaReport;
  ratios?: RatioReport;
  vault?: VaultReport;
  /** Parts that could not be measured, and why. */
  problems: { part: string; problem: string }[];
}
