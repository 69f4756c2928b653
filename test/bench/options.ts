import { parseArgs } from 'node:util';

export const partNames = ['ready', 'ramp', 'latency', 'memory', 'media', 'ratios', 'vault'] as const;
export type PartName = (typeof partNames)[number];

/** How long and how much of each part; the two modes differ in nothing else. */
export interface Effort {
  runs: number;
  starts: number;
  rates: readonly number[];
  stepSeconds: number;
  talkMs: number;
  lowRate: number;
  /** Used for half the load when the ramp is left out. */
  assumedHalfRate: number;
  latencySeconds: number;
  waitingCalls: number;
  bridgedCalls: readonly number[];
  mediaSeconds: number;
  ratioCalls: number;
  /** Live sessions among which claims are measured. */
  fewSessions: number;
  manySessions: number;
  claims: number;
}

export const efforts: { full: Effort; quick: Effort } = {
  full: {
    runs: 3, starts: 5,
    rates: [5, 10, 15, 20, 25, 30, 35, 40, 50, 60], stepSeconds: 5, talkMs: 2_000,
    lowRate: 1, assumedHalfRate: 8, latencySeconds: 15,
    waitingCalls: 200, bridgedCalls: [50, 100, 150, 200, 250, 300], mediaSeconds: 6, ratioCalls: 100,
    fewSessions: 1_000, manySessions: 1_000_000, claims: 1_000,
  },
  quick: {
    runs: 1, starts: 1,
    rates: [1, 2], stepSeconds: 2, talkMs: 500,
    lowRate: 1, assumedHalfRate: 1, latencySeconds: 2,
    waitingCalls: 10, bridgedCalls: [5, 10], mediaSeconds: 1, ratioCalls: 5,
    fewSessions: 100, manySessions: 2_000, claims: 100,
  },
};

/** Seconds an agent is taken by a call beside the talk: ringing, the pop, joining, clearing; with room to spare. */
const agentOverheadSeconds = 1.5;

/** Enough agents that nobody has to wait for one at this rate: the wait would be measured, not the gateway. */
export function agentsFor(callsPerSecond: number, effort: Effort): number {
  return 5 + Math.ceil(callsPerSecond * (effort.talkMs / 1_000 + agentOverheadSeconds));
}

export interface BenchOptions {
  mode: 'full' | 'quick';
  parts: readonly PartName[];
  effort: Effort;
  /** Folder for the JSON. */
  out: string;
  /** Folder for CPU profiles of the gateway's processes. */
  profileFolder: string | undefined;
}

/** Says how the bench is used. */
export const usage = `npm run bench -- [--quick] [--only ${partNames.join('|')}]... [--out FOLDER] [--profile FOLDER]
  --quick    a short look, under a minute: shows that everything works, measures little
  --only     this part alone; may be given several times
  --out      where the JSON goes (var/bench)
  --profile  CPU profiles of the gateway and its engines go there
  Other engines than the embedded ones: DRACHTIO_ADMIN, DRACHTIO_SECRET, DRACHTIO_SIP, FREESWITCH_ESL, FREESWITCH_SECRET, FREESWITCH_PROFILE`;

/** @throws Error that names the option */
export function readOptions(argv: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true },
      out: { type: 'string', default: 'var/bench' },
      profile: { type: 'string' },
      // To look at one thing by hand.
      rates: { type: 'string' },
      runs: { type: 'string' },
      bridged: { type: 'string' },
      'ratio-calls': { type: 'string' },
    },
  });
  const parts = (values.only ?? partNames).map((name) => {
    const part = partNames.find((known) => known === name);
    if (!part) throw new Error(`--only ${name}: there is ${partNames.join(', ')}`);
    return part;
  });
  const mode = values.quick ? 'quick' : 'full';
  const numbers = (text: string) => text.split(',').map((word) => {
    const number = Number(word);
    if (!(number > 0 && number <= 10_000)) throw new Error(`${word} is not a number that makes sense here`);
    return number;
  });
  return {
    mode,
    parts: partNames.filter((name) => parts.includes(name)),
    effort: {
      ...efforts[mode],
      ...(values.rates === undefined ? {} : { rates: numbers(values.rates) }),
      ...(values.runs === undefined ? {} : { runs: numbers(values.runs)[0]! }),
      ...(values['ratio-calls'] === undefined ? {} : { ratioCalls: numbers(values['ratio-calls'])[0]! }),
      ...(values.bridged === undefined ? {} : { bridgedCalls: numbers(values.bridged) }),
    },
    out: values.out,
    profileFolder: values.profile,
  };
}
