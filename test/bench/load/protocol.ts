/** What the bench says to its load generator, and what comes back. */
import type { MediaMeasure } from './rtp-lines.js';

export interface Gateway {
  /** Where phones call. */
  sip: string;
  number: string;
  coreUrl: string;
  agentsUrl: string;
  /** PEM: key under which results are encrypted, and the key they are signed with. */
  encryptionKey: string;
  signingKey: string;
}

/** One caller's experience; times in ms. */
export interface CallRecord {
  /** Why the call failed; absent for a good one. */
  failure?: string;
  /** From INVITE to the answer. */
  postDialMs?: number;
  /** From INVITE to the first packet heard. */
  firstAudioMs?: number;
  /** From the end of the last digit to the attributes on the agent's screen. */
  digitToScreenMs?: number;
  /** From the end of the last digit until both hear each other. */
  digitToVoiceMs?: number;
}

export type Command =
  | { do: 'connect'; gateway: Gateway }
  | { do: 'staff'; agents: number }
  | { do: 'sessions'; count: number }
  | { do: 'ramp'; callsPerSecond: number; seconds: number; talkMs: number }
  | { do: 'hold'; count: number; callsPerSecond: number }
  | { do: 'wait'; count: number; callsPerSecond: number }
  | { do: 'measure'; seconds: number }
  | { do: 'release' }
  /** Pairs of phones without SIP. */
  | { do: 'pairs'; count: number }
  /** The pairs talk: through a forwarder's ports, or with each other. */
  | { do: 'pairUp'; through?: { a: number; b: number }[] };

export interface Results {
  connect: Record<string, never>;
  staff: Record<string, never>;
  sessions: { perSecond: number };
  ramp: { calls: CallRecord[] };
  hold: { held: number; failures: string[] };
  wait: { waiting: number; failures: string[] };
  measure: MediaMeasure;
  release: Record<string, never>;
  pairs: { ports: { a: number; b: number }[] };
  pairUp: Record<string, never>;
}

export type ToLoad = { id: number; command: Command };
export type FromLoad =
  | { ready: { agentsSip: string } }
  | { id: number; result: Results[keyof Results] }
  | { id: number; problem: string };
