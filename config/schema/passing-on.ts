import { z } from 'zod';
import { bareNumber, e164, faulty, ms, sipUri, word } from './values.js';

/** A header of the site's own choosing for the reference; not one that SIP itself gives a meaning. */
const headerName = z
  .string()
  .refine((text) => /^X-[A-Za-z0-9-]{1,62}$/.test(text), faulty('is not a name for a header of your own', 'Begin it with X-, such as X-Identity-Reference'));

/** Giving the calls of a service to the PBX's own queue. */
export const handOver = z
  .strictObject({
    to: sipUri.describe('SIP address of the queue on the PBX, such as sip:8000@192.0.2.10.'),
    userToUser: z.boolean().default(true).describe('Sends the reference in User-to-User (RFC 7433).'),
    callInfo: z.boolean().default(true).describe('Sends the address that opens the caller’s data in Call-Info, for desktops and phones that open it.'),
    header: headerName.optional().describe('Sends the reference in this header too.'),
    binding: z
      .enum(['reported', 'claimed', 'both'])
      .default('both')
      .describe('How it becomes known which agent has the call. reported: the PBX says so (P-Asserted-Identity, Remote-Party-ID or Contact, in its answer or by UPDATE or re-INVITE). claimed: the agent opens the address and says so, once, and it is recorded. both: claimed while nothing is reported.'),
    ringTimeoutMs: ms(5_000, 600_000).default(60_000).describe('How long the queue may take to answer.'),
  })
  .describe('Gives the calls of this service to a queue of the PBX, with a reference and never an attribute. None: callers wait in our own waiting room.');

export const identities = z
  .array(
    z.string().max(255).refine(
      (text) => /^[A-Za-z0-9_.*#-]{1,64}$/.test(text) || /^\+[1-9][0-9]{5,14}$/.test(bareNumber(text)) || /^sips?:[^\s<>;?]{1,200}$/i.test(text),
      faulty('is not an extension, number or SIP address', 'Write it as the PBX reports it: "201", "+31201234567" or sip:201@192.0.2.10'),
    ),
  )
  .max(16)
  .default([])
  .describe('What the PBX reports when this agent has a call, besides the phone itself: extension, number or SIP address.');

/** How a trunk is called. */
export const outbound = z
  .string()
  .max(255)
  .refine((text) => /^sips?:[^@\s<>]*\{number\}[^@\s<>]*@[^\s<>@]{1,200}$/.test(text), faulty('does not say where the number goes', 'Write it like sip:{number}@192.0.2.10:5060'))
  .optional()
  .describe('Where calls to numbers outside are sent by this trunk; {number} is the number.');

const numberBeginning = z.string().refine((text) => /^\+?[0-9]{1,15}$/.test(text), faulty('is not the beginning of a number', 'Write digits, with a plus for a country code: "+31"'));

export const outside = z
  .strictObject({
    trunk: word.describe('Name of the trunk, which must have `outbound`.'),
    allowed: z
      .array(numberBeginning)
      .max(256)
      .default([])
      .describe('Beginnings of the numbers that agents may transfer calls to, as they are typed after spaces are removed, such as "+31" or "14"; none: agents transfer to nobody outside. Premium-rate numbers may be among them: choose with care.'),
    callBackTo: z.array(numberBeginning)
      .max(256)
      .default([])
      .describe('Beginnings of the numbers at which callers may ask to be called back (`queue.callback`), as the trunk gives them or callers type them, such as "+31", "06". Leave out what costs more.'),
    from: e164.optional().describe('Number shown to the other side; idContact.phoneNumber if left out. The citizen’s own number is not passed on.'),
    ringTimeoutMs: ms(5_000, 120_000).default(30_000).describe('How long a number outside rings.'),
  })
  .optional()
  .describe('Calls to numbers outside: transfers by agents, the other number of a queue, calling back. None: there are none.');
