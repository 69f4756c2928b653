import { z } from 'zod';
import { fileName, passwordHash, withFiles } from './values.js';

/** An agent's phone in place of a screen. */
export const agentWhisper = withFiles(
  {
    spell: z
      .array(z.enum(['surname', 'givenNames', 'birthDate', 'postcode', 'houseNumber']))
      .max(5)
      .default([])
      .describe('What is spelled of an identified caller, in this order, after the PIN. None: it is said that the caller is identified, and no more.'),
    pin: passwordHash.optional().describe('scrypt hash of this agent’s PIN of 4 to 12 digits, as `node dist/config/password-cli.js` prints it. Needed for `spell`.'),
    pinFile: fileName.optional().describe('File with that hash, relative to the configuration file.'),
    alwaysThere: z.boolean().default(false).describe('This agent takes calls without being logged in anywhere. On a gateway of one node.'),
  },
  [{ inline: 'pin', file: 'pinFile' }],
)
  .optional()
  .describe('When this agent has no screen open, who is calling is said on the agent’s phone before the two are connected, and 1 takes the call. None: without a screen there are no calls for them.');
