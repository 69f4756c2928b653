import { z } from 'zod';
import type { HandOvers } from './hand-over.js';
import type { Once } from './once.js';
import { roles } from './principal.js';
import { providerMarks, type EndedMarks, type ProviderMarks } from './provider-marks.js';

/** What is kept of a login where several nodes see it. */
export const sessionRecord = z.strictObject({
  /** The session this is of, so that one put in the place of another is seen to be. */
  key: z.string(),
  name: z.string(),
  tenant: z.string(),
  by: z.enum(['password', 'oidc']),
  roles: z.array(z.enum(roles)),
  stamp: z.string(),
  /** Milliseconds since the epoch, here and below. */
  startedAt: z.number(),
  activeAt: z.number(),
  locked: z.boolean(),
  /** Locked because nobody could say that it had not ended: a node that can takes the lock off. */
  doubted: z.literal(true).optional(),
  /** Of a login by a provider. */
  marks: providerMarks.optional(),
});
export type SessionRecord = Readonly<z.infer<typeof sessionRecord>>;

/** In the place of a login that has ended, for a while: nobody writes it again. */
export const ENDED = 'ended';

/**
 * Logins that hold on several nodes. All of it rejects with VaultError `store_unreachable` when the store is away;
 * what had been sent may have been done.
 */
export interface SessionShare extends Once, HandOvers {
  /** @param lifetimeMs after this long without a change the record is gone by itself */
  put(record: SessionRecord, lifetimeMs: number): Promise<void>;
  get(key: string): Promise<SessionRecord | typeof ENDED | undefined>;
  /**
   * Writes a record of which the store knows nothing any more.
   * @returns what stands there now: this one, or what somebody else wrote sooner
   */
  putAgain(record: SessionRecord, lifetimeMs: number): Promise<SessionRecord | typeof ENDED | undefined>;
  /** Names what the store knows now: another name than before says that it has lost what it knew. */
  generation(): Promise<string>;
  /**
   * Changes a record in one step, whatever other nodes do to it meanwhile.
   * @returns the changed record; undefined when it is gone
   */
  change(key: string, change: (record: SessionRecord) => SessionRecord, lifetimeMs: number): Promise<SessionRecord | undefined>;
  /**
   * Takes a record away, and leaves word for `forMs` that it has ended.
   * @returns false when that word was there already
   */
  remove(key: string, forMs: number): Promise<boolean>;
  /** Notes that this login is the person's newest. @returns keys of older ones beyond the most that one person may have */
  oldest(record: SessionRecord, most: number, lifetimeMs: number): Promise<string[]>;
  /** Notes a login under what a provider may end it by. */
  noteMark(mark: string, record: SessionRecord, lifetimeMs: number): Promise<void>;
  /** Leaves word for `forMs` that a provider has ended what it means by this. */
  noteEnded(ended: EndedMarks, at: number, forMs: number): Promise<void>;
  /** Whether a provider has ended such a login, as far as there is word of it. */
  isEnded(marks: ProviderMarks, startedAt: number): Promise<boolean>;
  /** @returns keys of logins noted under it that may still be there, the newest ones if they are many */
  underMark(mark: string): Promise<string[]>;
  /** Says to all nodes that something about this login changed. A hint: messages may be lost. */
  tell(key: string): Promise<void>;
  hear(listener: (key: string) => void): () => void;
}
