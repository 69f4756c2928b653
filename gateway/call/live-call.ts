/** What the parts of a call know of the gateway and of the call they belong to. */
import type Srf from 'drachtio-srf';
import type { Logger } from 'pino';
import type { Config, Tenant } from '../../config/index.js';
import type { Audit } from '../audit/index.js';
import type { Happening, Happenings } from '../happenings.js';
import type { MediaPool } from '../media/pool.js';
import type { Metrics } from '../ops/metrics.js';
import type { Screens } from '../screen/contract.js';
import type { TrunkConfig } from '../sip/trunks.js';
import type { TenantRoom } from '../tenants.js';
import type { CallerLeg } from './caller-leg.js';
import type { References } from './hand-over.js';
import type { CallEvent, CallState } from './machine.js';
import type { PinGuard } from './whisper.js';

export { problemOf } from './problem.js';

/** Limit of each step of a call's take-down, unless it names one of its own, in ms. */
export const closeStepTimeoutMs = 5_000;

/** What every call needs of the gateway. */
export interface CallContext {
  readonly config: Config;
  readonly screens: Screens;
  readonly metrics: Metrics;
  readonly happenings: Happenings;
  /** Where it is recorded who saw what; `shown` is awaited before anything is shown. */
  readonly audit: () => Audit;
  /** Agents' PINs on the phone, and wrong ones. */
  readonly pins: PinGuard;
  /** Trunk of a phone, if its address is one we know. */
  trunkOfPhone(uri: string): TrunkConfig | undefined;
  /** Folder of the prompts as the media servers see it. */
  readonly promptsPath: string;
  /** Calls that the PBX's queues carry. */
  readonly references: References<HandedOverCall>;
  /** Where an agent opens the data of a handed-over call. */
  popUrl(reference: string): string;
}

/** A call that the PBX's queue carries, as the pop address finds it. */
export interface HandedOverCall {
  readonly tenant: string;
  /** Whether this agent has it now: then it is on their screen. */
  isWith(agent: string): 'shown' | 'notYours' | 'tooEarly';
  /** The agent says that this call is theirs, where the PBX does not say whose it is. */
  claimByAgent(agent: string): Promise<'shown' | 'notYours' | 'tooEarly'>;
}

export interface IncomingCall {
  /** The INVITE; undefined for a caller who has hung up to be called back, and whose call another node had before. */
  readonly invite: { readonly req: Srf.SrfRequest; readonly res: Srf.SrfResponse } | undefined;
  readonly srf: Srf;
  readonly pool: MediaPool;
  readonly trunk: TrunkConfig;
  readonly tenant: TenantRoom;
  readonly service: Tenant['services'][number];
}

/** The call as its parts see it. */
export interface LiveCall {
  readonly id: string;
  readonly log: Logger;
  readonly incoming: IncomingCall;
  readonly context: CallContext;
  /** Nothing of this call is left. */
  readonly isFinished: boolean;
  /** Aborts when the call ends: every prompt, key wait and timer hangs on it. */
  readonly over: AbortSignal;
  readonly state: CallState;
  /** What the caller dialled, or was passed on to. */
  readonly service: Tenant['services'][number];
  /** Undefined until the caller's leg is answered. */
  readonly leg: CallerLeg | undefined;
  /** The caller as a phone shows it: the number that the trunk told us, unless it was withheld. */
  readonly callerShown: string;
  /** Folder of the prompts of this call's tenant, as the media servers see it. */
  readonly promptsPath: string;
  /** Tells the call machine. */
  handle(event: CallEvent): void;
  /** Runs `then` unless the call has ended by that time. */
  after(ms: number, then: () => void): NodeJS.Timeout;
  /** One step of the take-down: bounded, and its failure stops nothing else. */
  closing(what: string, ending: Promise<unknown>, limitMs?: number): void;
  /** Tells whoever keeps count. */
  happened(happening: CallHappening): void;
}

/** What a call has to tell, without what is the same in all of it. */
export type CallHappening = OfCall<Happening>;
type OfCall<H> = H extends { callId: string } ? Omit<H, 'callId' | 'tenant' | 'at'> : never;
