import { EventEmitter } from 'node:events';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { RedisCommands, RedisLink } from '../redis/connect.js';
import type { SealKeyring } from './keyring.js';
import type { StoreLimits } from './memory-store.js';
import { claimSession, countSeats, freeSeat, handSession, moveEnd, moveSeat, putResult, putSession, releaseSession, removeSession, takeSeat, unclaimSession } from './redis-scripts.js';
import type { ClaimedSession, SessionStore, StoreClaim, StoredResult, StoredSession } from './store.js';
import { VaultError } from './vault.js';

export interface RedisStoreOptions extends StoreLimits {
  readonly link: RedisLink;
  /** Begins every key. */
  readonly prefix: string;
  readonly tenant: string;
  readonly keyring: SealKeyring;
  /** How often those who wait for a result are asked to look again: a message may have been lost without a trace. */
  readonly doubtEveryMs?: number;
}

const DOUBT_EVERY_MS = 5_000;
/** What is still to be done once Redis is back; the oldest is given up for the newest, and its session expires. */
const MOST_OWED = 10_000;

/** What never changes of a session. */
const body = z.object({
  purpose: z.string(),
  authentication: z.enum(['expected', 'none']),
  codeHash: z.string().optional(),
  tokenHash: z.string(),
  board: z.string(),
  sealedCode: z.string().optional(),
  word: z.int(),
  extendableUntilMs: z.number(),
  keyId: z.string(),
  wrappedKey: z.string(),
});

const fields = z.object({ body: z.string(), until: z.coerce.number(), ends: z.coerce.number(), call: z.string().optional(), held: z.string().optional(), result: z.string().optional() });
type Fields = z.infer<typeof fields>;

const claimAnswer = z.union([z.tuple([z.literal('over')]), z.tuple([z.literal('other'), z.string()]), z.tuple([z.literal('held'), z.number(), z.array(z.string())])]);
const handAnswer = z.union([z.tuple([z.literal('no')]), z.tuple([z.literal('taken'), z.array(z.string())])]);
const releaseAnswer = z.union([z.tuple([z.literal('no')]), z.tuple([z.literal('kept'), z.string(), z.coerce.number()]), z.tuple([z.literal('gone'), z.string()])]);
const resultAnswer = z.enum(['accepted', 'duplicate', 'unknown']);

/**
 * Sessions in Redis, shared by all nodes of the gateway. One session is one key, which one script at a time looks at
 * and changes: that is what makes a claim atomic and a removal complete, in a Cluster too, where the session and the
 * hashes that lead to it (of code, result token and page) lie in different slots and on different machines. The hashes
 * are keys that name the session and nothing else; they are written before they are needed, live at least as long as
 * the session, and mean nothing without it. A node may die between any two steps: all keys expire by themselves.
 *
 * Redis may go away in the middle of an operation, which may then have been done or not. Claims that nobody heard the
 * answer of are undone, and ends that did not get through are repeated, when it is back.
 *
 * The hash of a code outlives its session: that is how a used or expired code is known, and given to nobody else.
 *
 * Redis replicates asynchronously. What the last moment before a failover changed may be lost with the old master.
 */
export class RedisStore implements SessionStore {
  readonly #options: RedisStoreOptions;
  readonly #link: RedisLink;
  readonly #now: () => number;
  readonly #events = new EventEmitter<{ result: [string]; gone: [string]; doubt: [] }>();
  readonly #resultChannel: string;
  readonly #goneChannel: string;
  readonly #seats: readonly [live: string, claimed: string];
  readonly #undo: (() => void)[];
  readonly #owed = new Map<string, () => Promise<unknown>>();
  /** Tries to claim so far: an undoing that is late must not undo what the same call got by trying again. */
  #tries = 0;
  #settling = false;
  #closed = false;

  constructor(options: RedisStoreOptions) {
    const { link, prefix, tenant } = options;
    this.#options = options;
    this.#link = link;
    this.#now = options.now ?? Date.now;
    this.#events.setMaxListeners(0);
    this.#resultChannel = `${prefix}:${tenant}:result`;
    this.#goneChannel = `${prefix}:${tenant}:gone`;
    this.#seats = [`${prefix}:{${tenant}:seats}:live`, `${prefix}:{${tenant}:seats}:claimed`];
    const doubt = (): void => {
      void this.#settle();
      this.#events.emit('doubt');
    };
    const timer = setInterval(doubt, options.doubtEveryMs ?? DOUBT_EVERY_MS);
    timer.unref();
    link.on('missed', doubt);
    this.#undo = [
      () => clearInterval(timer),
      () => link.off('missed', doubt),
      link.subscribe(this.#resultChannel, (id) => void this.#events.emit('result', id)),
      link.subscribe(this.#goneChannel, (id) => void this.#events.emit('gone', id)),
    ];
  }

  get ready(): boolean {
    return this.#link.ready;
  }

  insert(session: StoredSession, heldBy?: string): Promise<'inserted' | 'taken' | 'full'> {
    const { sessionId, codeHash, tokenHash, board } = session;
    const endsAtMs = heldBy === undefined ? session.expiresAtMs : this.#now() + this.#options.maxHoldMs;
    const ttl = this.#ttl(endsAtMs);
    return this.#run(async (client) => {
      const seated = await takeSeat.run(client, this.#seats, [this.#now(), this.#options.maxLive, sessionId, endsAtMs, heldBy === undefined ? 0 : 1, this.#seatTtl]);
      if (seated !== 1) return 'full';
      if (codeHash !== undefined && (await client.set(this.#codeKey(codeHash), sessionId, { condition: 'NX', expiration: { type: 'PX', value: ttl + this.#options.codeRestMs } })) === null) {
        await freeSeat.run(client, this.#seats, [sessionId]);
        return 'taken';
      }
      await putSession.run(client, [this.#sessionKey(sessionId)], [this.#bodyOf(session), session.expiresAtMs, endsAtMs, codeHash === undefined ? 0 : 1, heldBy ?? '', ttl]);
      await Promise.all([this.#tokenKey(tokenHash), this.#boardKey(board)].map((key) => client.set(key, sessionId, { expiration: { type: 'PX', value: ttl } })));
      return 'inserted';
    });
  }

  byToken(tokenHash: string): Promise<StoredSession | undefined> {
    return this.#run(async (client) => (await this.#at(client, this.#tokenKey(tokenHash)))?.session);
  }

  byBoard(board: string): Promise<{ readonly session: StoredSession; readonly claimed: boolean } | undefined> {
    return this.#run((client) => this.#at(client, this.#boardKey(board)));
  }

  async extend(sessionId: string, expiresAtMs: number): Promise<boolean> {
    const ttl = this.#ttl(expiresAtMs);
    const moved = await this.#run((client) => moveEnd.run(client, [this.#sessionKey(sessionId)], [this.#now(), expiresAtMs, ttl]));
    if (typeof moved !== 'string') return false;
    await this.#follow(sessionId, this.#opened(moved), expiresAtMs, false);
    return true;
  }

  setResult(sessionId: string, result: StoredResult): Promise<'accepted' | 'duplicate' | 'unknown'> {
    const written = result.status === 'failed' ? 'failed' : `success:${result.sealed.toString('base64')}`;
    return this.#run(async (client) => resultAnswer.parse(await putResult.run(client, [this.#sessionKey(sessionId)], [this.#now(), written, this.#resultChannel, sessionId])));
  }

  hasResult(sessionId: string): Promise<boolean> {
    return this.#run(async (client) => (await client.hExists(this.#sessionKey(sessionId), 'result')) === 1);
  }

  async claim(codeHash: string, callId: string): Promise<StoreClaim> {
    const debt = `${callId} ${codeHash}`;
    this.#owed.delete(debt);
    const attempt = (this.#tries += 1);
    const holdEndsAtMs = this.#now() + this.#options.maxHoldMs;
    const { sessionId, answer } = await this.#run(async (client) => {
      const found = await client.get(this.#codeKey(codeHash));
      // Unknown codes take the same way, so that they take the same time.
      const looked = await claimSession.run(client, [this.#sessionKey(found ?? randomUUID())], [this.#now(), callId, holdEndsAtMs, this.#options.maxHoldMs, attempt]);
      return { sessionId: found, answer: claimAnswer.parse(looked) };
    }).catch((error: unknown) => this.#owe(error, debt, () => this.#unclaim(codeHash, callId, attempt)));
    if (sessionId === null) return { refused: 'unknown' };
    if (answer[0] === 'over') return { refused: 'used' };
    if (answer[0] === 'other') return { refused: 'used', board: this.#opened(answer[1]).board };
    const { session } = this.#sessionOf(sessionId, fields.parse(pairs(answer[2])));
    if (answer[1] === 1) await this.#follow(sessionId, session, holdEndsAtMs, true);
    return { session };
  }

  async handTo(sessionId: string, from: readonly string[], callId: string): Promise<ClaimedSession | undefined> {
    const answer = handAnswer.parse(await this.#run((client) => handSession.run(client, [this.#sessionKey(sessionId)], [this.#now(), callId, ...from])));
    return answer[0] === 'no' ? undefined : this.#sessionOf(sessionId, fields.parse(pairs(answer[1]))).session;
  }

  async held(sessionId: string, callId: string): Promise<StoredSession | undefined> {
    const found = await this.#run((client) => this.#read(client, sessionId));
    return found?.claimed && found.callId === callId ? found.session : undefined;
  }

  release(sessionId: string, callId: string, graceEndsAtMs: number): Promise<void> {
    const work = async (): Promise<void> => {
      const answer = await this.#run((client) =>
        releaseSession.run(client, [this.#sessionKey(sessionId)], [this.#now(), callId, graceEndsAtMs, this.#ttl(graceEndsAtMs), this.#goneChannel, sessionId]));
      await this.#afterRelease(sessionId, answer);
    };
    return work().catch((error: unknown) => this.#owe(error, `${callId} ${sessionId}`, work));
  }

  remove(sessionId: string, callId: string): Promise<boolean> {
    const work = async (): Promise<boolean> => {
      const removed = await this.#run((client) => removeSession.run(client, [this.#sessionKey(sessionId)], [callId, this.#goneChannel, sessionId]));
      if (typeof removed !== 'string') return false;
      await this.#tidy(sessionId, this.#opened(removed));
      return true;
    };
    return work().catch((error: unknown) => this.#owe(error, `${callId} ${sessionId}`, work));
  }

  onResult(listener: (sessionId: string) => void): () => void {
    this.#events.on('result', listener);
    return () => this.#events.off('result', listener);
  }

  onGone(listener: (sessionId: string) => void): () => void {
    this.#events.on('gone', listener);
    return () => this.#events.off('gone', listener);
  }

  onDoubt(listener: () => void): () => void {
    this.#events.on('doubt', listener);
    return () => this.#events.off('doubt', listener);
  }

  count(): Promise<{ live: number; claimed: number }> {
    return this.#run(async (client) => {
      const [live, claimed] = z.tuple([z.number(), z.number()]).parse(await countSeats.run(client, this.#seats, [this.#now()]));
      return { live, claimed };
    });
  }

  /** Leaves the sessions where they are: other nodes, and this one after a restart, go on with them. The link stays open. */
  close(): Promise<void> {
    this.#closed = true;
    for (const undo of this.#undo.splice(0)) undo();
    this.#owed.clear();
    this.#events.removeAllListeners();
    return Promise.resolve();
  }

  #run<T>(work: (client: RedisCommands) => Promise<T>): Promise<T> {
    return this.#closed ? Promise.reject(new VaultError('vault_closed')) : this.#link.run(work);
  }

  /** The session was changed, which is what counts. Keys that lead to it and its seat follow; should they not, they expire. */
  async #afterwards(work: (client: RedisCommands) => Promise<unknown>): Promise<void> {
    try {
      await this.#link.run(work);
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
    }
  }

  /** Remembers what could not be done for want of Redis, and passes the error on. */
  #owe(error: unknown, key: string, work: () => Promise<unknown>): never {
    if (error instanceof VaultError && error.code === 'store_unreachable') {
      this.#owed.set(key, work);
      const [oldest] = this.#owed.keys();
      if (this.#owed.size > MOST_OWED && oldest !== undefined) this.#owed.delete(oldest);
    }
    throw error;
  }

  async #settle(): Promise<void> {
    if (this.#settling) return;
    this.#settling = true;
    for (const [key, work] of this.#owed) {
      if (!this.ready) break;
      try {
        await work();
      } catch (error) {
        if (error instanceof VaultError && error.code === 'store_unreachable') break;
        // What was stored cannot be read; trying again changes nothing.
      }
      if (this.#owed.get(key) === work) this.#owed.delete(key);
    }
    this.#settling = false;
  }

  async #unclaim(codeHash: string, callId: string, attempt: number): Promise<void> {
    const sessionId = await this.#run((client) => client.get(this.#codeKey(codeHash)));
    if (sessionId === null) return;
    await this.#afterRelease(sessionId, await this.#run((client) => unclaimSession.run(client, [this.#sessionKey(sessionId)], [this.#now(), callId, attempt, this.#goneChannel, sessionId])));
  }

  async #afterRelease(sessionId: string, answer: unknown): Promise<void> {
    const released = releaseAnswer.parse(answer);
    if (released[0] === 'kept') await this.#follow(sessionId, this.#opened(released[1]), released[2], false);
    else if (released[0] === 'gone') await this.#tidy(sessionId, this.#opened(released[1]));
  }

  #follow(sessionId: string, { codeHash, tokenHash, board }: Pick<StoredSession, 'codeHash' | 'tokenHash' | 'board'>, endsAtMs: number, claimed: boolean): Promise<void> {
    const ttl = this.#ttl(endsAtMs);
    return this.#afterwards((client) => Promise.all([
      codeHash === undefined ? undefined : client.pExpire(this.#codeKey(codeHash), ttl + this.#options.codeRestMs),
      client.pExpire(this.#tokenKey(tokenHash), ttl),
      client.pExpire(this.#boardKey(board), ttl),
      moveSeat.run(client, this.#seats, [sessionId, endsAtMs, claimed ? 1 : 0, this.#seatTtl]),
    ]));
  }

  #tidy(sessionId: string, { codeHash, tokenHash, board }: Pick<StoredSession, 'codeHash' | 'tokenHash' | 'board'>): Promise<void> {
    return this.#afterwards((client) => Promise.all([
      codeHash === undefined ? undefined : client.pExpire(this.#codeKey(codeHash), this.#options.codeRestMs),
      client.del(this.#tokenKey(tokenHash)),
      client.del(this.#boardKey(board)),
      freeSeat.run(client, this.#seats, [sessionId]),
    ]));
  }

  async #at(client: RedisCommands, indexKey: string): Promise<Found | undefined> {
    const sessionId = await client.get(indexKey);
    return sessionId === null ? undefined : this.#read(client, sessionId);
  }

  async #read(client: RedisCommands, sessionId: string): Promise<Found | undefined> {
    const read = fields.safeParse(await client.hGetAll(this.#sessionKey(sessionId)));
    return read.success && read.data.ends > this.#now() ? this.#sessionOf(sessionId, read.data) : undefined;
  }

  #sessionOf(sessionId: string, read: Fields): Found {
    const { sealedCode, keyId, wrappedKey, ...rest } = this.#opened(read.body);
    const result = read.result === undefined ? undefined : resultOf(read.result);
    return {
      session: {
        sessionId,
        ...rest,
        ...(sealedCode === undefined ? {} : { sealedCode: Buffer.from(sealedCode, 'base64') }),
        sealKey: this.#options.keyring.unwrap({ keyId, wrapped: Buffer.from(wrappedKey, 'base64') }, this.#context(sessionId)),
        expiresAtMs: read.until,
        ...(result === undefined ? {} : { result }),
      },
      claimed: read.held === '1',
      callId: read.call,
    };
  }

  #bodyOf(session: StoredSession): string {
    const { purpose, authentication, codeHash, tokenHash, board, sealedCode, word, extendableUntilMs, sealKey } = session;
    const { keyId, wrapped } = this.#options.keyring.wrap(sealKey, this.#context(session.sessionId));
    const written: z.infer<typeof body> = {
      purpose, authentication, codeHash, tokenHash, board, word, extendableUntilMs, keyId,
      sealedCode: sealedCode?.toString('base64'),
      wrappedKey: wrapped.toString('base64'),
    };
    return JSON.stringify(written);
  }

  #opened(written: string): z.infer<typeof body> {
    try {
      return body.parse(JSON.parse(written));
    } catch {
      throw new VaultError('seal_broken');
    }
  }

  /** Whose session a wrapped key belongs to: moved to another session or tenant it does not open. */
  #context(sessionId: string): string {
    return JSON.stringify([this.#options.tenant, sessionId]);
  }

  /** Redis counts spans by its own clock; at least a moment, since none at all would be an error. */
  #ttl(endsAtMs: number): number {
    return Math.max(1, Math.ceil(endsAtMs - this.#now()));
  }

  /** Longer than any seat is taken after the last change. */
  get #seatTtl(): number {
    return this.#options.maxHoldMs + this.#options.codeRestMs;
  }

  #key(id: string, kind: string): string {
    return `${this.#options.prefix}:{${this.#options.tenant}:${id}}:${kind}`;
  }

  #sessionKey(sessionId: string): string {
    return this.#key(sessionId, 'session');
  }

  #codeKey(codeHash: string): string {
    return this.#key(codeHash, 'code');
  }

  #tokenKey(tokenHash: string): string {
    return this.#key(tokenHash, 'token');
  }

  #boardKey(board: string): string {
    return this.#key(board, 'board');
  }
}

interface Found {
  readonly session: StoredSession;
  readonly claimed: boolean;
  readonly callId: string | undefined;
}

function resultOf(written: string): StoredResult {
  if (written === 'failed') return { status: 'failed' };
  return { status: 'success', sealed: Buffer.from(written.replace(/^success:/, ''), 'base64') };
}

function pairs(flat: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) record[flat[i]!] = flat[i + 1]!;
  return record;
}
