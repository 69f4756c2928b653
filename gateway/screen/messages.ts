import { z } from 'zod';
import type { Availability, ClearReason, GuestProblem, Identified, InvitationProblem, Label, ScreenLanguage, SeatState, TransferProblem, TransferTargets, Warning } from './contract.js';

/** The longest message a page may send, in bytes. */
export const maxPageMessageBytes = 2048;

const id = z.string().min(1).max(128);
/** Attribute names have no more (see core-bridge/results/claims.ts). */
const field = z.string().min(1).max(256);

const transferTarget = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('agent'), name: z.string().min(1).max(64) }),
  z.strictObject({ kind: z.literal('service'), name: z.string().min(1).max(200) }),
  z.strictObject({ kind: z.literal('number'), number: z.string().regex(/^\+?[0-9]{3,20}$/) }),
]);

/** What a page may say; anything else closes its socket. */
export const pageMessage = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('beat') }),
  z.strictObject({ type: z.literal('active') }),
  z.strictObject({ type: z.literal('availability'), value: z.enum(['available', 'break']) }),
  z.strictObject({ type: z.literal('ack'), callId: id, revealId: id }),
  z.strictObject({ type: z.literal('end'), callId: id }),
  z.strictObject({ type: z.literal('identify'), callId: id }),
  z.strictObject({ type: z.literal('withdraw'), callId: id }),
  z.strictObject({ type: z.literal('word'), callId: id, confirmId: id, same: z.boolean() }),
  z.strictObject({ type: z.literal('unmask'), callId: id, revealId: id, field }),
  z.strictObject({ type: z.literal('transferTargets'), callId: id }),
  z.strictObject({ type: z.literal('transfer'), callId: id, target: transferTarget }),
  z.strictObject({ type: z.literal('bringIn'), callId: id, colleague: z.string().min(1).max(64) }),
  z.strictObject({ type: z.literal('guestOut'), callId: id }),
  z.strictObject({ type: z.literal('leave'), callId: id }),
  z.strictObject({ type: z.literal('wrapUpDone') }),
  z.strictObject({ type: z.literal('leaseEnded'), callId: id }),
]);
export type PageMessage = z.infer<typeof pageMessage>;

/** What a page says without a person having done anything. */
export const saidByItself: ReadonlySet<PageMessage['type']> = new Set(['beat', 'ack', 'leaseEnded']);

/** @returns undefined for anything that is not a page message. */
export function readPageMessage(text: string): PageMessage | undefined {
  try {
    const read = pageMessage.safeParse(JSON.parse(text));
    return read.success ? read.data : undefined;
  } catch {
    return undefined;
  }
}

export type Phase = 'ringing' | 'answered' | 'connected';

/** The part of a call that holds nothing private, as it is sent again to a page that comes back. */
export interface CallOnPage {
  callId: string;
  service: string;
  language: ScreenLanguage;
  identified: Identified;
  waitedMs: number;
  phase: Phase;
  canIdentify: boolean;
  canTransfer: boolean;
  transferredBy: string | null;
  /** The colleague whom this agent brings in. */
  guest: { name: string; isJoined: boolean } | null;
  /** Who brought this agent in, when it is they who are the guest. */
  broughtInBy: string | null;
  warning: Warning | null;
  /** How long the two have been connected, when they are. */
  connectedMs?: number;
  /** Time left of the lease, when there is one. */
  leaseMs?: number;
}

/** A state of the desk, and how long it still lasts, when it ends by itself. */
export interface SeatOnPage {
  state: SeatState;
  endsInMs?: number;
}

export interface FieldOnPage {
  /** Attribute name. */
  name: string;
  label: Label;
  /** Absent: masked until the agent asks for it. */
  value?: string;
  /** The value was longer than a screen should show. */
  shortened: boolean;
}

export interface AssuranceOnPage {
  label: Label;
  /** In a sentence; null for a level we do not know. */
  meaning: Label | null;
}

export interface MeansOnPage {
  name: Label;
  /** null: not known. */
  assurance: AssuranceOnPage | null;
}

export interface IdentityOnPage {
  purpose: Label;
  fields: FieldOnPage[];
  /** Whom the caller acts for, when the attributes say so. */
  represented: FieldOnPage[] | null;
  means: MeansOnPage | null;
  /** ISO 8601. */
  verifiedAt: string;
  /** Age at the moment of sending, so that the page needs no right clock of its own. */
  verifiedMsAgo: number;
}

/** What the server says to a page. */
export type ServerMessage =
  | { type: 'hello'; agent: string; availability: Availability; seat: SeatOnPage | null; call: CallOnPage | null; beatIntervalMs: number; beatTimeoutMs: number }
  | { type: 'beat' }
  | { type: 'availability'; value: Availability }
  | { type: 'seat'; seat: SeatOnPage }
  | { type: 'offer'; call: CallOnPage }
  /** The call that is shown, brought up to date. */
  | { type: 'update'; call: CallOnPage }
  | { type: 'lease'; callId: string; forMs: number }
  | { type: 'reveal'; callId: string; revealId: string; identified: Identified; identity: IdentityOnPage | null; how?: 'beforeCall' | 'duringCall' }
  | { type: 'invitation'; callId: string; address: string; pairingCode: string; expiresInMs: number }
  | { type: 'invitationFailed'; callId: string; reason: InvitationProblem }
  | { type: 'confirmWord'; callId: string; confirmId: string; word: string }
  | { type: 'identifyFailed'; callId: string }
  | { type: 'warning'; callId: string; warning: Warning }
  /** `value: null`: it cannot be shown. */
  | { type: 'unmasked'; callId: string; revealId: string; field: string; value: string | null; shortened: boolean; hideAfterMs: number }
  | { type: 'transferTargets'; callId: string; targets: TransferTargets }
  | { type: 'transferFailed'; callId: string; reason: TransferProblem }
  | { type: 'guestGone'; callId: string; reason: GuestProblem }
  | { type: 'connected'; callId: string; connectedMs: number }
  | { type: 'clear'; callId: string; reason: ClearReason }
  | { type: 'replaced' }
  | { type: 'locked' }
  | { type: 'expired' };

/** Reasons for which the server closes a page's socket (RFC 6455 section 7.4.2: 4000-4999 are ours). */
export const closeCodes = { goingAway: 1001, badMessage: 4400, loggedOut: 4401, silent: 4408, replaced: 4409, locked: 4423, tooManyMessages: 4429 } as const;
