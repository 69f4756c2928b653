/** What nodes tell each other about agents' screens: one line for each operation and each event of the contract. */
import type { EventEmitter } from 'node:events';
import { z } from 'zod';
import { seatStates } from '../desk/contract.js';
import type { ScreenEvents, Screens, SeatOnScreen } from './contract.js';

const id = z.string().min(1).max(128);
export const agentName = z.string().min(1).max(128);
const label = z.object({ nl: z.string(), en: z.string() });

const offered = z.object({
  callId: id,
  service: z.string(),
  language: z.enum(['nl', 'en']),
  waitedMs: z.number(),
  identified: z.enum(['verified', 'awaiting', 'failed', 'unauthenticated', 'none']),
  canIdentify: z.boolean(),
  canTransfer: z.boolean().optional(),
  transferredBy: z.string().optional(),
  guest: z.object({ name: z.string(), isJoined: z.boolean() }).optional(),
  broughtInBy: z.string().optional(),
  connectedMs: z.number().optional(),
  node: z.string().optional(),
});

const revelation = z.object({
  callId: id,
  revealId: id,
  identity: z.object({ purpose: z.string(), attributes: z.record(z.string(), z.string()), authMethod: z.string().optional(), verifiedAt: z.coerce.date() }).nullable(),
  how: z.enum(['beforeCall', 'duringCall']).optional(),
  labels: z.record(z.string(), label).optional(),
  purposeLabel: label.optional(),
  identified: z.enum(['awaiting', 'failed', 'unauthenticated', 'none']).optional(),
  masked: z.array(z.string()).optional(),
});

const target = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('agent'), name: z.string() }),
  z.object({ kind: z.literal('service'), name: z.string() }),
  z.object({ kind: z.literal('number'), number: z.string() }),
]);

type AfterAgent<Args> = Args extends [string, ...infer Rest] ? Rest : never;

/** Operations of a call on an agent's screen, and what comes after the agent's name. */
type Operation = Exclude<keyof Screens, keyof EventEmitter | 'isPresent' | 'availabilityOf' | 'renewLease' | 'seat'>;
export const operations = {
  offer: z.tuple([offered]),
  reveal: z.tuple([revelation]),
  invitation: z.tuple([z.object({ callId: id, address: z.string(), pairingCode: z.string(), expiresInMs: z.number() })]),
  invitationFailed: z.tuple([z.object({ callId: id, reason: z.enum(['unreachable', 'refused', 'tooMany']) })]),
  confirmWord: z.tuple([z.object({ callId: id, confirmId: id, word: z.string() })]),
  identifyFailed: z.tuple([id]),
  warn: z.tuple([id, z.enum(['codeUsedAgain'])]),
  connected: z.tuple([id]),
  unmasked: z.tuple([z.object({ callId: id, revealId: id, field: z.string(), value: z.string().nullable() })]),
  transferFailed: z.tuple([z.object({ callId: id, reason: z.enum(['busy', 'unknown', 'refused', 'noAnswer']) })]),
  guestGone: z.tuple([z.object({ callId: id, reason: z.enum(['busy', 'unknown', 'refused', 'noAnswer', 'left']) })]),
  clear: z.tuple([id, z.enum(['ended', 'missed', 'requeued', 'failed', 'transferred', 'left', 'leaseEnded'])]),
} satisfies { [Name in Operation]: z.ZodType<AfterAgent<Parameters<Screens[Name]>>> };

export type OperationName = keyof typeof operations;
export type OperationArgs<Name extends OperationName> = AfterAgent<Parameters<Screens[Name]>>;

/** Those that put a caller, or something of a caller, on a screen: only for the call that the desk says this agent has. */
export const showing: ReadonlySet<OperationName> = new Set(['offer', 'reveal', 'unmasked'] as const);

/** What an agent does with a call, told to the node of the call; the rest of the events is about the agent alone. */
type EventOfCall = Exclude<keyof ScreenEvents, 'present' | 'gone' | 'returned' | 'availability' | 'wrapUpDone' | 'locked' | 'unlocked'>;
export const events = {
  acknowledged: z.tuple([id, id]),
  endRequested: z.tuple([id]),
  identifyRequested: z.tuple([id]),
  identifyWithdrawn: z.tuple([id]),
  wordConfirmed: z.tuple([id, id, z.boolean()]),
  unmaskRequested: z.tuple([id, id, z.string()]),
  transferRequested: z.tuple([id, target]),
  bringInRequested: z.tuple([id, z.string()]),
  guestOutRequested: z.tuple([id]),
  leaveRequested: z.tuple([id]),
  leaseLost: z.tuple([id]),
} satisfies { [Name in EventOfCall]: z.ZodType<AfterAgent<ScreenEvents[Name]>> };

export type EventName = keyof typeof events;

export const eventNames = Object.keys(events) as EventName[];
const operationNames = Object.keys(operations) as OperationName[];

const generation = z.int().min(1);
const availability = z.enum(['available', 'break']);
const seat: z.ZodType<SeatOnScreen> = z.object({ state: z.enum(seatStates), untilMs: z.number().optional() });
/** A live screen: of two of one agent the one with the higher generation is the newer. */
const place = z.object({ agent: agentName, generation, availability });
export type Place = z.infer<typeof place>;

export const messages = {
  /** Every live screen of the sender. */
  places: z.object({ places: z.array(place).max(5_000) }),
  /** One came, changed or went. */
  place: place.extend({ live: z.boolean() }),
  operation: z.object({ agent: agentName, operation: z.enum(operationNames), args: z.array(z.unknown()).max(4) }),
  event: z.object({ agent: agentName, event: z.enum(eventNames), args: z.array(z.unknown()).max(4) }),
  seat: z.object({ agent: agentName, seat }),
  /** The calls are alive: their leases on the receiver's screens go on. */
  renew: z.object({ calls: z.array(z.tuple([agentName, id])).max(5_000) }),
  /** The answer for a call that is not on the screen. */
  missing: z.object({ agent: agentName, callId: id }),
};
