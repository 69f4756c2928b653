/**
 * What happens to calls and agents, as one stream: the audit trail, other desktops and the supervisor's figures listen.
 *
 * Nothing of a citizen is in it: no attribute, code, digit or number; of what was shown, names of attributes alone. The
 * schemas are strict, so that nothing else can come along: what does not hold is not passed on.
 */
import { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import { z } from 'zod';
import { endReasons } from './call/machine.js';

/** A name or id of ours: of a call, an agent, a service. Never text of a caller. */
const name = z.string().min(1).max(100);
/** One word of a list that its owner keeps. */
const word = z.string().regex(/^[A-Za-z]{1,40}$/);
const at = z.int().min(0).describe('When, in milliseconds since 1970.');
const tenant = name.describe('The municipality, as the configuration names it; `main` when there is one.');
const callId = name.describe('The call, from its first event to its last.');
const service = name.describe('What the caller dialled or was sent to.');
const agent = name.describe('Login name of the agent.');

/** Why attributes came onto a screen. */
export const shownBecause = ['answered', 'transferred', 'returned', 'lateResult', 'duringCall', 'unmasked', 'handedOver', 'broughtIn'] as const;
export type ShownBecause = (typeof shownBecause)[number];

/** What an agent is doing, as the desk knows it. */
export const agentStates = ['away', 'break', 'available', 'offered', 'busy', 'wrapUp', 'resting'] as const;

/** Where a call was sent. An outside number is not told. */
const transferTarget = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('agent'), name }),
  z.strictObject({ kind: z.literal('service'), name }),
  z.strictObject({ kind: z.literal('outside') }),
]);

const ofCall = { tenant, callId, at };
const event = <Type extends string, Shape extends z.ZodRawShape>(type: Type, meaning: string, shape: Shape) => z.strictObject({ type: z.literal(type), ...shape }).describe(meaning);

/** Every kind of event, with what it carries. */
export const happeningSchemas = {
  'call.arrived': event('call.arrived', 'A call came in and was let in; or a caller who is to be called back has another node now.', { ...ofCall, service, continues: name.optional().describe('The call as which this one began, on a node that has stopped or is not heard of any more.') }),
  'call.identified': event('call.identified', 'It is known, or known otherwise than before, whether the caller is identified.', {
    ...ofCall,
    sessionId: name.describe('The session of the website; says nothing about who it is.'),
    identity: z.enum(['verified', 'awaiting', 'failed', 'unauthenticated']).describe('verified: attributes can be shown. awaiting: their result is under way. failed: the login did not succeed. unauthenticated: this contact needs none.'),
  }),
  'call.waiting': event('call.waiting', 'The caller waits for an agent; told again when they are sent back to the line.', { ...ofCall, service, place: z.int().min(1).optional().describe('Place in the line, 1 for the next one.') }),
  'call.offered': event('call.offered', 'The agent’s phone rings for this call.', { ...ofCall, agent }),
  'call.answered': event('call.answered', 'The agent’s phone was answered; caller and agent do not hear each other yet.', { ...ofCall, agent }),
  'call.shown': event('call.shown', 'Attributes are on the agent’s screen.', {
    ...ofCall,
    agent,
    why: z.enum(shownBecause).describe('answered: the agent took the call. transferred: it was given to them. returned: their page came back. lateResult: the result came after the call. duringCall: the caller identified during the call. unmasked: the agent asked for a masked one. handedOver: it came by the PBX’s queue. broughtIn: a colleague asked them into the conversation.'),
    fields: z.array(z.string().min(1).max(255)).max(500).describe('Names of the attributes, never their values.'),
  }),
  'call.connected': event('call.connected', 'Caller and agent hear each other.', { ...ofCall, agent }),
  'call.claimed': event('call.claimed', 'An agent said that a handed-over call is theirs, where the PBX does not report whose it is.', { ...ofCall, agent }),
  'call.cleared': event('call.cleared', 'The call left the agent’s screen.', { ...ofCall, agent, because: word.describe('Why, in one word.') }),
  'call.transferred': event('call.transferred', 'The call goes from this agent to somebody else.', { ...ofCall, from: agent, to: transferTarget }),
  'call.broughtIn': event('call.broughtIn', 'This agent asks a colleague into the conversation, which goes on meanwhile; what follows names the colleague as its agent. When the agent leaves it to them, call.transferred says so.', { ...ofCall, agent, colleague: name.describe('Login name of the colleague.') }),
  'call.handedOver': event('call.handedOver', 'The call was given to the PBX’s own queue.', { ...ofCall, service, reference: name.describe('The word under which the PBX carries it.') }),
  'call.overflowed': event('call.overflowed', 'The call was sent to the service’s other number: the service was closed or full, or the caller had waited too long.', { ...ofCall, service }),
  'call.ended': event('call.ended', 'The call is over.', { ...ofCall, reason: z.enum(endReasons).describe('Why.'), seconds: z.number().min(0).describe('How long it was, from its arrival.') }),
  'agent.state': event('agent.state', 'An agent’s state changed.', { tenant, agent, state: z.enum(agentStates).describe('offered: the phone rings. wrapUp: after a call. resting: left alone for a moment after a call that was not taken.'), at }),
  'agent.signedIn': event('agent.signedIn', 'Somebody signed in.', { tenant, agent, by: z.enum(['password', 'oidc']).describe('How.'), at }),
  'agent.signedOut': event('agent.signedOut', 'Somebody signed out, or was signed out.', { tenant, agent, by: z.enum(['password', 'oidc']).describe('How they had signed in.'), at }),
  'agent.refused': event('agent.refused', 'Somebody was refused at the door.', {
    tenant: tenant.optional(),
    agent: agent.optional().describe('Login name, when there is such an agent. What somebody else typed is not told.'),
    by: z.enum(['password', 'oidc']).describe('How they tried.'),
    at,
  }),
} as const;

export type HappeningType = keyof typeof happeningSchemas;
export type Happening = { [Type in HappeningType]: z.infer<(typeof happeningSchemas)[Type]> }[HappeningType];

/** A happening as its source tells it: the moment is filled in when it is left out. */
type Told<H> = H extends Happening ? Omit<H, 'at'> & { at?: number } : never;

export interface HappeningsEvents {
  /** On this node. */
  happening: [happening: Happening];
  /** On another node of the same gateway: for screens and figures of the whole, not for what each node does by itself. */
  elsewhere: [happening: Happening];
}

export class Happenings extends EventEmitter<HappeningsEvents> {
  constructor(private readonly log: Logger) {
    super();
    // Each listener is a part of the gateway; with several tenants there is one of each for every one.
    this.setMaxListeners(0);
  }

  /**
   * Passes on what happened. Never throws: a listener that fails, or an event that does not hold, costs no call.
   * @param told `at` is now when left out
   */
  tell(told: Told<Happening>): void {
    this.#pass('happening', { at: Date.now(), ...told });
  }

  /** Passes on what another node says has happened there; not before it is known to hold. */
  hear(told: unknown): void {
    this.#pass('elsewhere', told);
  }

  #pass(where: keyof HappeningsEvents, told: unknown): void {
    const { type } = z.looseObject({ type: z.enum(Object.keys(happeningSchemas) as [HappeningType, ...HappeningType[]]) }).safeParse(told).data ?? {};
    const held = type && happeningSchemas[type].safeParse(told);
    if (!held?.success) {
      // Where it does not hold, not what was in it.
      this.log.error({ type, at: held?.error.issues.map(({ path, code }) => `${path.join('.')}: ${code}`) }, 'an event does not hold and is not passed on');
      return;
    }
    for (const listener of this.listeners(where) as ((happening: Happening) => void)[]) {
      try {
        listener(held.data);
      } catch (error) {
        this.log.error({ err: error, type }, 'a listener of events failed');
      }
    }
  }
}
