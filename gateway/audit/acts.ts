/** What the audit trail records: who did what, when and why. Names of attributes, never a value; no code, digit or number. */
import { z } from 'zod';
import { shownBecause } from '../happenings.js';

const name = z.string().min(1).max(100);
const word = z.string().regex(/^[A-Za-z]{1,40}$/);
const fields = z.array(z.string().min(1).max(255)).max(500);
const fileName = z.string().min(1).max(255);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);
const by = z.enum(['password', 'oidc']);
const filter = z.record(z.string().max(20), z.string().max(200));

const act = <Name extends string, Shape extends z.ZodRawShape>(actName: Name, shape: Shape) => z.strictObject({ act: z.literal(actName), ...shape });
const ofCall = { tenant: name, callId: name, agent: name };

/** Every kind of line. The last ones are about the trail itself and are written by it alone. */
export const actSchema = z.discriminatedUnion('act', [
  // Attributes of these names are about to be on this agent's screen.
  act('shown', { ...ofCall, why: z.enum(shownBecause), fields }),
  act('cleared', { ...ofCall, because: word }),
  act('transferred', { ...ofCall, to: z.enum(['agent', 'service', 'outside']), toName: name.optional() }),
  // This agent asked that colleague into the conversation.
  act('broughtIn', { ...ofCall, toName: name }),
  act('claimed', ofCall),
  // Another desktop got attributes of these names for this agent.
  act('fetched', { ...ofCall, subscriber: name, fields }),
  act('signedIn', { tenant: name, agent: name, by }),
  act('signedOut', { tenant: name, agent: name, by }),
  act('refused', { tenant: name.optional(), agent: name.optional(), by }),
  // So many more were refused in a minute than are written one by one.
  act('refusedMore', { count }),
  // Somebody looked at this trail, or took a copy of it.
  act('looked', { tenant: name, agent: name, filter }),
  act('exported', { tenant: name, agent: name, format: z.enum(['csv', 'jsonl']), filter }),

  // The gateway started with this configuration; `clean`: the last one had come to an orderly end.
  act('started', { version: name, keepDays: count, required: z.boolean(), clean: z.boolean() }),
  act('closed', {}),
  // The first line of every file.
  act('file', { node: name, before: fileName.optional() }),
  // The line before this one was cut short by a crash, after so many bytes.
  act('torn', { bytes: count }),
  // The file was changed by somebody else while it was being written; the trail goes on in another one.
  act('disturbed', { file: fileName, problem: z.enum(['gone', 'replaced', 'longer', 'shorter']) }),
  // So many records could not be written in a time that began then.
  act('gap', { rejected: count, code: z.string().max(40), since: z.string().max(40) }),
  // A file was old enough to be deleted; `last` is the hash of its last line, and `lines` the number of that one.
  act('retired', { file: fileName, last: hash, lines: count }),
]);
export type Act = z.infer<typeof actSchema>;

/** Acts of people, as opposed to those of the trail itself. */
export type Record = Extract<Act, { act: 'shown' | 'cleared' | 'transferred' | 'broughtIn' | 'claimed' | 'fetched' | 'signedIn' | 'signedOut' | 'refused' | 'refusedMore' | 'looked' | 'exported' }>;
/** What is about to be shown to whom. */
export type Showing = Omit<Extract<Act, { act: 'shown' }>, 'act'>;
