import type { RedisLink } from '../redis/connect.js';
import { MemoryBoards } from './memory-boards.js';
import type { ProgressBoards } from './progress.js';
import { RedisBoards } from './redis-boards.js';

export type { ProgressBoards, ProgressEntry, ProgressStep } from './progress.js';

export interface BoardsOptions {
  /** Present: the boards are in Redis, under this tenant's name; otherwise in this process's memory. */
  readonly redis?: { readonly link: RedisLink; readonly tenant: string; readonly prefix: string };
  /** Clock, in ms since 1970; for tests. */
  readonly now?: () => number;
}

/** The progress boards of one tenant. */
export function createBoards({ redis, now = Date.now }: BoardsOptions = {}): ProgressBoards {
  return redis ? new RedisBoards({ ...redis, now }) : new MemoryBoards({ now });
}
