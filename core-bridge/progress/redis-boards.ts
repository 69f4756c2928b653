import { z } from 'zod';
import type { RedisLink } from '../redis/connect.js';
import { LuaScript } from '../redis/script.js';
import { KEPT_MS, MOST_ENTRIES } from './limits.js';
import type { ProgressBoards, ProgressEntry, ProgressStep } from './progress.js';
import { Watchers } from './watchers.js';

export interface RedisBoardsOptions {
  readonly link: RedisLink;
  /** Begins every key. */
  readonly prefix: string;
  readonly tenant: string;
  /** Clock, in ms since 1970. */
  readonly now?: () => number;
}

/** Steps on their way to Redis at one time; what comes on top while it is slow is not told. */
const MOST_UNDER_WAY = 5_000;

const at = z.number();
const entry: z.ZodType<ProgressEntry> = z.discriminatedUnion('step', [
  z.object({ at, step: z.enum(['authenticated', 'authenticationFailed', 'extended', 'callSeen', 'codeAccepted', 'agentRinging', 'connected', 'codeUsedAgain', 'ended', 'deletedDuringCall']) }),
  z.object({ at, step: z.literal('waiting'), place: z.number() }),
  z.object({ at, step: z.literal('dropped'), callAgainUntil: z.number() }),
  z.object({ at, step: z.literal('deleted'), afterMs: z.number() }),
]);

/** ARGV: entry, 1 when it replaces a waiting step right before it, most entries, ttl, channel, board. */
const postEntry = new LuaScript(`local last = ARGV[2] == '1' and redis.call('LINDEX', KEYS[1], -1)
if last and cjson.decode(last).step == 'waiting' then redis.call('LSET', KEYS[1], -1, ARGV[1]) else redis.call('RPUSH', KEYS[1], ARGV[1]) end
redis.call('LTRIM', KEYS[1], -tonumber(ARGV[3]), -1)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 1`);

/** Progress boards in Redis, shared by all nodes: a page may be open at another node than the one with the call. */
export class RedisBoards implements ProgressBoards {
  readonly #options: RedisBoardsOptions;
  readonly #now: () => number;
  readonly #channel: string;
  readonly #watchers = new Watchers();
  readonly #undo: (() => void)[];
  /** Last step on its way, by board: each waits for the one before it. */
  readonly #underWay = new Map<string, Promise<void>>();
  #count = 0;
  #closed = false;

  constructor(options: RedisBoardsOptions) {
    const { link, prefix, tenant } = options;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#channel = `${prefix}:${tenant}:boards`;
    const missed = (): void => this.#watchers.tellAll();
    link.on('missed', missed);
    this.#undo = [() => link.off('missed', missed), link.subscribe(this.#channel, (board) => this.#watchers.tell(board))];
  }

  post(board: string, step: ProgressStep): void {
    if (this.#closed || this.#count >= MOST_UNDER_WAY) return;
    this.#count += 1;
    const written = JSON.stringify({ ...step, at: this.#now() } satisfies ProgressEntry);
    const args = [written, step.step === 'waiting' ? 1 : 0, MOST_ENTRIES, KEPT_MS, this.#channel, board];
    const posted = (this.#underWay.get(board) ?? Promise.resolve())
      .then(() => this.#options.link.run((client) => postEntry.run(client, [this.#key(board)], args)))
      // Redis is away: the page misses a step. The call has other worries, and the link has said so.
      .catch(() => undefined)
      .then(() => {
        this.#count -= 1;
        if (this.#underWay.get(board) === posted) this.#underWay.delete(board);
      });
    this.#underWay.set(board, posted);
  }

  async read(board: string): Promise<readonly ProgressEntry[]> {
    const written = await this.#options.link.run((client) => client.lRange(this.#key(board), 0, -1));
    return written.flatMap((text) => parsed(text) ?? []);
  }

  watch(board: string, listener: () => void): () => void {
    return this.#watchers.add(board, listener);
  }

  /** Waits for steps on their way. The boards stay where they are, so that receipts can be read; the link stays open. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const undo of this.#undo.splice(0)) undo();
    this.#watchers.clear();
    await Promise.all(this.#underWay.values());
  }

  #key(board: string): string {
    return `${this.#options.prefix}:{${this.#options.tenant}:${board}}:steps`;
  }
}

/** A step that a later version of ours wrote, during an update, is left out. */
function parsed(text: string): ProgressEntry | undefined {
  try {
    return entry.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
