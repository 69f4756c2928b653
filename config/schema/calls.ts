import { z } from 'zod';
import { ms } from './values.js';

export const calls = z
  .strictObject({
    firstDigitMs: ms(1_000, 120_000).default(20_000).describe('Wait for the first key of a code.'),
    interDigitMs: ms(500, 60_000).default(10_000).describe('Wait for each further key.'),
    ringTimeoutMs: ms(1_000, 120_000).default(20_000).describe('How long an agent’s phone rings.'),
    ackTimeoutMs: ms(100, 30_000).default(2_000).describe('How long the agent’s screen may take to acknowledge that it shows the attributes.'),
    onMissingAck: z.enum(['requeue', 'unidentified']).default('requeue').describe('Without that acknowledgement: back to the waiting room, or connected as unidentified.'),
    maxCalls: z.int().min(1).max(100_000).default(500).describe('Calls at one time on this node; more are refused.'),
    maxWaitMs: ms(10_000, 14_400_000).default(1_800_000).describe('Longest stay in the waiting room; who waits again after a conversation begins a new one.'),
  })
  .prefault({})
  .describe('Calls.');
