import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { roles } from './principal.js';
import { providerMarks } from './provider-marks.js';

/**
 * A sign-in that was done in a tab, for a frame that waits for it. The two share no cookie: browsers keep what is framed
 * by another site apart. The frame has a secret in a cookie of its own; the tab is told its digest, by the frame itself,
 * from window to window. So nobody can be talked into signing in for a frame on somebody else's machine.
 */
export const handOver = z.strictObject({
  /** Whose it is, so that one put in the place of another is seen to be. */
  key: z.string(),
  tenant: z.string(),
  name: z.string(),
  roles: z.array(z.enum(roles)),
  stamp: z.string(),
  marks: providerMarks.optional(),
  /** When the person began, and when they last proved who they are; milliseconds since the epoch. */
  begunAt: z.number(),
  provedAt: z.number().optional(),
});
export type HandOver = Readonly<z.infer<typeof handOver>>;

/** Where sign-ins wait for their frame, each for a moment. */
export interface HandOvers {
  leave(record: HandOver, lifetimeMs: number): Promise<void>;
  /** Each is taken once. */
  take(key: string): Promise<HandOver | undefined>;
}

/** Within one process. Of more than `max` the oldest are forgotten. */
export class HandOversHere implements HandOvers {
  readonly #left = new Map<string, { record: HandOver; until: number }>();

  constructor(readonly now: () => number, readonly max = 1000) {}

  leave(record: HandOver, lifetimeMs: number): Promise<void> {
    for (const [key, { until }] of this.#left) {
      if (until > this.now() && this.#left.size < this.max) break;
      this.#left.delete(key);
    }
    this.#left.set(record.key, { record, until: this.now() + lifetimeMs });
    return Promise.resolve();
  }

  take(key: string): Promise<HandOver | undefined> {
    const left = this.#left.get(key);
    this.#left.delete(key);
    return Promise.resolve(left && left.until > this.now() ? left.record : undefined);
  }
}

/** The frame's secret, and what the tab may know of it. */
export function newFrameSecret(): { secret: string; ticket: string } {
  const secret = randomBytes(32).toString('base64url');
  return { secret, ticket: ticketOf(secret) };
}

export function ticketOf(secret: string): string {
  return createHash('sha256').update(`frame ${secret}`).digest('base64url');
}

export const ticket = z.string().regex(/^[\w-]{43}$/);
