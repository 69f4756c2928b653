/**
 * Events as other desktops get them, and what they and we say to each other over the WebSocket. The schemas make both the
 * events and their description (asyncapi.ts). There is no attribute in any of them.
 */
import { z } from 'zod';
import { happeningSchemas, type Happening, type HappeningType } from '../happenings.js';

/** Refused logins are for the audit trail. */
type PublishedType = Exclude<HappeningType, 'agent.refused'>;

const id = z.string().regex(/^[a-z0-9]{8}-\d+$/).describe('Where this event stands in the stream: ask for what came `after` it when you come back. The same event has the same id however often it is told.');
const timestamp = z.iso.datetime().describe('When it happened, in UTC.');
const identity = z.enum(['verified', 'awaiting', 'failed', 'unauthenticated', 'none']);

/** What is known of the call from earlier events, so that one event is enough to draw a call. */
const known = {
  service: z.string().max(100).optional().describe('What the caller dialled, where this event itself does not say it.'),
  identity: identity.optional().describe('Whether the caller is identified, as far as is known; none: they gave no code.'),
};

/** Told elsewhere in an event, or nobody else's business. */
const left = new Set(['type', 'at', 'sessionId']);

function eventSchema(type: PublishedType) {
  const { shape, description } = happeningSchemas[type];
  const own = Object.fromEntries(Object.entries(shape as Record<string, z.ZodType>).filter(([key]) => !left.has(key)));
  const data = z.strictObject({ ...(type.startsWith('call.') ? known : {}), ...own });
  return z.strictObject({ id, type: z.literal(type), timestamp, data }).describe(description ?? '');
}

export const eventSchemas = Object.fromEntries(
  (Object.keys(happeningSchemas) as HappeningType[]).filter((type): type is PublishedType => type !== 'agent.refused').map((type) => [type, eventSchema(type)]),
) as Record<PublishedType, ReturnType<typeof eventSchema>>;

export interface CtiEvent {
  readonly id: string;
  readonly type: PublishedType;
  readonly timestamp: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What a subscriber says first, and nothing after that. */
export const helloSchema = z
  .strictObject({
    type: z.literal('cti.hello'),
    token: z.string().min(1).max(1_024).optional().describe('The subscriber’s token, where it is not in the Authorization header (a browser cannot set that).'),
    after: z.string().max(64).optional().describe('Id of the last event that was received: what came after it is told first.'),
  })
  .describe('The subscriber says who it is, and from where it wants to go on. Within five seconds of opening the socket.');

export const welcomeSchema = z
  .strictObject({
    type: z.literal('cti.welcome'),
    tenant: z.string(),
    subscriber: z.string(),
    agent: z.string().optional().describe('The agent whose calls alone it hears of.'),
    heartbeatSeconds: z.int().describe('A heartbeat comes this often; after two that did not come, open another socket.'),
  })
  .describe('The subscriber is known; events follow.');

export const gapSchema = z
  .strictObject({ type: z.literal('cti.gap'), after: z.string().max(64).describe('The id that was asked for.'), message: z.string() })
  .describe('Not everything that came after that id is kept (or another node, or an earlier start of this one, gave it): events may be missing. What is kept follows.');

export const heartbeatSchema = z.strictObject({ type: z.literal('cti.heartbeat'), timestamp }).describe('The socket is alive.');

/** What may be told of a happening; undefined for those that are not published. */
export function eventOf(happening: Happening, eventId: string, extra: Readonly<Record<string, unknown>>): CtiEvent | undefined {
  const { type, at, ...rest } = happening;
  if (type === 'agent.refused') return undefined;
  const data = { ...extra, ...Object.fromEntries(Object.entries(rest).filter(([key]) => !left.has(key))) };
  return { id: eventId, type, timestamp: new Date(at).toISOString(), data };
}
