import { z } from 'zod';
import { fileName, oneOf, secretText, webUrl, word, faulty } from './values.js';

/** Least length of a subscriber's token, in characters. */
export const MIN_SUBSCRIBER_TOKEN_CHARACTERS = 24;

const origin = z.string().refine((text) => URL.canParse(text) && new URL(text).origin === text, faulty('is not an origin', 'Write scheme, host and perhaps a port, such as https://crm.example.org'));

const onlyAgent = word.optional().describe('Login name of the agent whose calls alone it hears of; the whole municipality’s if left out.');

const subscribers = z
  .array(
    oneOf(
      {
        name: word.describe('Name for logs and the audit trail.'),
        token: secretText.min(MIN_SUBSCRIBER_TOKEN_CHARACTERS).optional().describe(`Bearer token it presents: at least ${MIN_SUBSCRIBER_TOKEN_CHARACTERS} characters, random (\`openssl rand -hex 32\`).`),
        tokenFile: fileName.optional().describe('File with that token, relative to the configuration file.'),
        agent: onlyAgent,
        identity: z.array(z.string().min(1).max(255)).max(100).default([]).describe('Names of attributes it may ask for, of a caller who is connected to an agent and shown on their screen, and only as long. None: no attribute at all.'),
      },
      'token',
      'tokenFile',
    ),
  )
  .max(1_000)
  .default([])
  .describe('Programs that hear of calls over a WebSocket (`/cti/ws` on the agents’ listener).');

const webhooks = z
  .array(
    z.strictObject({
      name: word.describe('Name for logs.'),
      url: webUrl.describe('Where events are posted, as JSON.'),
      keys: z
        .array(
          oneOf(
            {
              id: word.describe('Name of the key; sent along.'),
              secret: secretText.optional().describe('24 to 64 random bytes as base64, perhaps with `whsec_` before it (`openssl rand -base64 32`).'),
              secretFile: fileName.optional().describe('File with that secret, relative to the configuration file.'),
            },
            'secret',
            'secretFile',
          ),
        )
        .min(1)
        .max(4)
        .describe('Every event is signed with each of these. To change a key, add the new one, teach it to the receiver, and remove the old one.'),
      agent: onlyAgent,
      attempts: z.int().min(1).max(20).default(8).describe('How often an event is tried. The wait in between doubles from a second to a minute.'),
      timeoutMs: z.int().min(100).max(30_000).default(5_000).describe('How long the receiver may take to answer.'),
      maxQueued: z.int().min(10).max(100_000).default(10_000).describe('Events that wait at one time; the oldest give way to new ones.'),
    }),
  )
  .max(16)
  .default([])
  .describe('Addresses to which events are posted, signed after the Standard Webhooks specification.');

export const cti = z
  .strictObject({
    origins: z.array(origin).max(64).default([]).describe('Origins of web pages (`https://crm.example.org`) that may open the WebSocket or ask for an identity from a browser. None: only programs outside of a browser may.'),
    bufferEvents: z.int().min(10).max(100_000).default(5_000).describe('Events kept for subscribers who were away and ask for what they missed.'),
    subscribers,
    webhooks,
  })
  .prefault({})
  .describe('Events of calls and agents for other desktops. There is no attribute in them.');
