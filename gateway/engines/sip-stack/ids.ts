import { randomBytes } from 'node:crypto';

/** RFC 3261 §8.1.1.7: a branch starting with this was chosen to be unique, and alone identifies a transaction. */
export const MAGIC_COOKIE = 'z9hG4bK';

/** A new Via branch. */
export const newBranch = (): string => MAGIC_COOKIE + randomBytes(12).toString('hex');

/** A new From or To tag (RFC 3261 §19.3 asks for at least 32 random bits; this has 72). */
export const newTag = (): string => randomBytes(9).toString('hex');

/** A new Call-ID; no host part, so that nothing about the machine leaks. */
export const newCallId = (): string => randomBytes(16).toString('hex');

/** A first CSeq number, below 2^31 with room to count (RFC 3261 §8.1.1.5). */
export const newSequence = (): number => randomBytes(3).readUIntBE(0, 3) + 1;
