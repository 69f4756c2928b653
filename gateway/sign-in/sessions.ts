import { createHash, randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Principal } from './principal.js';
import { isMeant, type EndedMarks, type ProviderMarks } from './provider-marks.js';
import { ENDED, type SessionRecord, type SessionShare } from './session-share.js';

/** Somebody's login in one browser. */
export interface Session {
  /** Hash of the cookie's value; the value itself is with the browser only. */
  readonly key: string;
  readonly principal: Principal;
  /** The principal's name, which for an agent is the agent's. */
  readonly agent: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** False once it has ended or run out. */
  readonly isLive: boolean;
  /** Signed in, but nothing may be shown until the person has proved again who they are. */
  readonly locked: boolean;
  /** A sign of the person: a page being loaded or somebody at the keyboard. An open page alone is none, and neither is anything while it is locked. */
  touch(): void;
}

/** How long a login of a tenant holds, in milliseconds. */
export interface SessionPolicy {
  /** Without any sign of the person for this long, the session is locked; undefined: never by itself. */
  readonly idleLockMs?: number;
  /** Without any sign of the person for this long, the session ends. */
  readonly idleTimeoutMs: number;
  /** However active the person is, a session ends after this long. */
  readonly maxSessionMs: number;
}

/** It cannot be known now who is logged in, or nobody can be let in: the shared store is away. */
export class SessionsAwayError extends Error {
  override readonly name = 'SessionsAwayError';
  readonly code = 'sessions_away';
}

export interface SessionsOptions {
  policyOf(tenant: string): SessionPolicy;
  /** The account as the configuration has it now; undefined when it is not there or not what the login rests on. */
  principalOf(record: Pick<SessionRecord, 'name' | 'tenant' | 'by' | 'roles' | 'stamp'>): Principal | undefined;
  /** Present: logins hold on all nodes that share it. */
  share?: SessionShare | undefined;
  log: Logger;
  maxPerPerson?: number;
  now?: () => number;
}

/** What became of sessions, to be told by their owner. */
export interface SessionChanges {
  /** On every node that knows it. */
  ended: (session: Session) => void;
  /** The same, on one node alone. */
  over: (session: Session) => void;
  locked: (session: Session) => void;
  unlocked: (session: Session) => void;
}

/** How old what this node knows of a shared login may be. */
const freshForMs = 2000;
/** How long a sign of the person may stay on this node alone. */
const longestUntoldMs = 15_000;
/** How long the word that somebody is in a call holds; it is renewed at every sweep. */
const busyForMs = 15_000;
/** The store keeps a login this much longer than it lasts: ends are told by the nodes. */
const storeSlackMs = 60_000;
/**
 * A login that ended is remembered for so long, here and in the store: a look that was under way cannot bring it back, nor
 * a node that did not hear of it, when the store has lost what it knew.
 */
const rememberEndedMs = 600_000;
/**
 * When the store has lost what it knew, a node that saw a login there so short a time ago writes it again as it was. Less
 * than ends are remembered: an end that this node did not hear of is known to another one.
 */
const provenForMs = 300_000;
/** How long after such a loss nodes may still be writing what they know: meanwhile an unknown login is not said to be none. */
const settleMs = 5_000;
/** Logins that this node does not know and that log out after such a loss: so many are remembered, which nobody needs. */
const maxUnknownEnded = 1_000;
/** Most of them; the oldest are forgotten first. */
const maxRemembered = 20_000;
const readsAtOnce = 32;

/**
 * Who is logged in. In memory alone, a restart asks everybody to log in again. With a share, this node keeps what it
 * has seen for at most two seconds before it looks again, and hears of changes meanwhile; when the share is away,
 * whom this node knows may go on.
 */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #share: SessionShare | undefined;
  readonly #now: () => number;
  readonly #changes: SessionChanges;
  readonly #sessions = new Map<string, LiveSession>();
  /** Logins that ended here: when, and whether the share knows. */
  readonly #gone = new Map<string, { at: number; removed: boolean; session: Session | undefined }>();
  readonly #stopHearing: () => void;
  #sweeping = false;
  /** What the share knew when it was last asked. */
  #generation: string | undefined;
  /** When this node saw that the share had lost what it knew. */
  #lostAt = -Infinity;
  #unknownEnded = 0;

  constructor(options: SessionsOptions, changes: SessionChanges) {
    this.#options = options;
    this.#share = options.share;
    this.#now = options.now ?? Date.now;
    this.#changes = changes;
    this.#stopHearing = this.#share?.hear((key) => void this.#heard(key)) ?? (() => undefined);
  }

  /**
   * @param marks by what a provider may end it
   * @returns the secret for the cookie, 256 bits from the system's random generator
   * @throws SessionsAwayError
   */
  async start(principal: Principal, stamp: string, marks?: ProviderMarks): Promise<{ cookie: string; session: Session }> {
    const cookie = randomBytes(32).toString('base64url');
    const now = this.#now();
    const { name, tenant, by, roles } = principal;
    const record: SessionRecord = { key: keyOf(cookie), name, tenant, by, roles: [...roles], stamp, startedAt: now, activeAt: now, locked: false, ...(marks && { marks }) };
    const generation = await this.#learnGeneration();
    const older = await this.#make(record);
    const session = this.#take(record, principal);
    // Before it was written, so not newer than the share that has it.
    session.generation = generation;
    for (const key of older) await this.#endKey(key);
    return { cookie, session };
  }

  /**
   * Looked up by hash, so the time it takes says nothing about other cookies.
   * @throws SessionsAwayError when this node does not know the cookie and the share is away
   */
  async find(cookie: string | undefined): Promise<Session | undefined> {
    if (cookie === undefined || cookie.length > 128) return undefined;
    return this.byKey(keyOf(cookie));
  }

  /** @throws SessionsAwayError as above */
  async byKey(key: string): Promise<Session | undefined> {
    const known = this.#sessions.get(key);
    if (this.#share && !this.#gone.has(key) && !(known && this.#now() - known.readAt < freshForMs)) await this.#read(key);
    const session = this.#sessions.get(key);
    if (session && !this.#hasGrounds(session)) await this.#endKey(key);
    return session?.isLive ? session : undefined;
  }

  /** Ends it here at once, and everywhere as soon as the share hears of it. */
  async end(session: Session): Promise<void> {
    await this.#endKey(session.key);
  }

  /**
   * Logs a browser out whose login this node does not know. After a loss of the store another node may know it still, and
   * is not to write it again.
   */
  async endUnknown(cookie: string | undefined): Promise<void> {
    if (!this.#share || cookie === undefined || cookie.length > 128 || this.#now() - this.#lostAt > rememberEndedMs || this.#unknownEnded >= maxUnknownEnded) return;
    this.#unknownEnded += 1;
    await this.#removeFrom(this.#share, keyOf(cookie), undefined);
  }

  /**
   * Ends what a tenant's provider says is over: what this node knows at once, and then what the share knows.
   * @returns how many logins
   * @throws SessionsAwayError when the share is away; those that this node knows are over all the same
   */
  async endMarked(tenant: string, ended: EndedMarks): Promise<number> {
    const isOne = (session: LiveSession): boolean => session.principal.tenant === tenant && isMeant(session.marks, ended);
    const here = [...this.#sessions.values()].filter(isOne);
    await Promise.all(here.map(({ key }) => this.#endKey(key)));
    const share = this.#share;
    const mark = ended.subject ?? ended.session;
    if (!share || mark === undefined) return here.length;
    // First: a node that writes a login again looks here after it.
    await this.#withShare(() => share.noteEnded(ended, this.#now(), rememberEndedMs));
    let elsewhere = 0;
    for (const key of await this.#withShare(() => share.underMark(mark))) {
      const gone = this.#gone.get(key);
      if (gone && !gone.removed) await this.#removeFrom(share, key, gone.session);
      await this.byKey(key);
      const session = this.#sessions.get(key);
      if (!session || !isOne(session)) continue;
      await this.#endKey(key);
      elsewhere += 1;
    }
    return here.length + elsewhere;
  }

  /** Ends what rests on accounts that are not there any more, or not as they were. */
  async endGroundless(): Promise<void> {
    const groundless = [...this.#sessions.values()].filter((session) => !this.#hasGrounds(session));
    await Promise.all(groundless.map(({ key }) => this.#endKey(key)));
  }

  #hasGrounds({ principal, stamp }: LiveSession): boolean {
    return this.#options.principalOf({ ...principal, roles: [...principal.roles], stamp }) !== undefined;
  }

  async lock(session: Session): Promise<void> {
    await this.#setLocked(session, true);
  }

  /**
   * @param marks by what a provider may end it from now on
   * @throws SessionsAwayError: what cannot be told to the other nodes does not count here
   */
  async unlock(session: Session, marks?: ProviderMarks): Promise<void> {
    await this.#setLocked(session, false, marks);
  }

  /** Ends and locks what has run out, except where `busy` says that the person is in a call; looks again at what is shared. */
  async sweep(busy: (session: Session) => boolean): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      for (const session of this.#sessions.values()) if (busy(session)) session.busy(busyForMs);
      if (this.#share) await this.#readAll(this.#share);
      for (const session of [...this.#sessions.values()]) {
        // A login may have begun just before the account changed.
        if (!session.isLive || !this.#hasGrounds(session)) await this.#endKey(session.key);
        else if (session.isIdleEnoughToLock) await this.lock(session);
        // Locked for all others already.
        else if (session.doubted && !busy(session)) this.#becomesLocked(session, true);
      }
    } finally {
      this.#sweeping = false;
    }
  }

  get size(): number {
    return this.#sessions.size;
  }

  close(): void {
    this.#stopHearing();
  }

  /** @returns keys of the person's logins that have to make room */
  async #make(record: SessionRecord): Promise<string[]> {
    const most = this.#options.maxPerPerson ?? 5;
    const share = this.#share;
    if (!share) {
      const own = [...this.#sessions.values()].filter((session) => session.agent === record.name);
      return own.slice(0, Math.max(0, own.length - most + 1)).map(({ key }) => key);
    }
    return this.#withShare(async () => {
      await share.put(record, this.#lifetimeMs(record.tenant));
      await this.#noteMarks(share, record);
      return share.oldest(record, most, this.#options.policyOf(record.tenant).maxSessionMs + storeSlackMs);
    });
  }

  async #noteMarks(share: SessionShare, record: SessionRecord): Promise<void> {
    const { subject, session } = record.marks ?? {};
    for (const mark of [subject, session]) if (mark !== undefined) await share.noteMark(mark, record, this.#options.policyOf(record.tenant).maxSessionMs + storeSlackMs);
  }

  #take(record: SessionRecord, principal: Principal): LiveSession {
    const session = new LiveSession(record, principal, this.#options.policyOf(record.tenant), this.#now, (one) => this.#touched(one));
    this.#sessions.set(record.key, session);
    return session;
  }

  async #endKey(key: string): Promise<void> {
    const session = this.#sessions.get(key);
    this.#sessions.delete(key);
    if (session && !session.ended) {
      session.ended = true;
      this.#changes.ended(session);
    }
    if (this.#share) await this.#removeFrom(this.#share, key, session);
    else if (session) this.#changes.over(session);
  }

  async #removeFrom(share: SessionShare, key: string, session: Session | undefined): Promise<void> {
    this.#gone.set(key, { at: this.#now(), removed: false, session });
    if (this.#gone.size > maxRemembered) this.#gone.delete(this.#gone.keys().next().value!);
    try {
      const isFirst = await share.remove(key, rememberEndedMs);
      this.#gone.set(key, { at: this.#now(), removed: true, session: undefined });
      if (!isFirst) return;
      // Of all nodes that end it, the one that said so first.
      if (session) this.#changes.over(session);
      await share.tell(key);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'a login that ended here is not told to the other nodes yet');
    }
  }

  async #setLocked(given: Session, locked: boolean, marks?: ProviderMarks): Promise<void> {
    const session = this.#sessions.get(given.key);
    if (!session || session.locked === locked) return;
    const now = this.#now();
    // Locking must work with the store away; other nodes then see it when it is back.
    if (locked) this.#becomesLocked(session, true);
    if (this.#share) {
      // An unlocking that fails leaves a lock to be told as it was.
      session.lockUntold ||= locked;
      // Locked or unlocked on purpose: nothing is in doubt any more.
      const change = ({ doubted: _doubted, ...before }: SessionRecord): SessionRecord => ({ ...before, locked, ...(locked ? {} : { activeAt: now }), ...(marks && { marks }) });
      try {
        const record = await this.#changeShared(this.#share, session, change);
        if (!record) return await this.#endKey(session.key);
        const share = this.#share;
        if (marks) await this.#withShare(() => this.#noteMarks(share, record));
        session.lockUntold = false;
        session.doubted = false;
      } catch (error) {
        if (!locked) throw error;
        this.#options.log.warn({ err: error }, 'a lock is not told to the other nodes yet');
      }
    }
    session.version += 1;
    if (marks) session.marks = marks;
    if (!locked) {
      session.activeAt = now;
      this.#becomesLocked(session, false);
    }
  }

  /** @returns the record as it is now; undefined when it was not there to be changed */
  async #changeShared(share: SessionShare, session: LiveSession, change: (record: SessionRecord) => SessionRecord): Promise<SessionRecord | undefined> {
    const changed = (): Promise<SessionRecord | undefined> => this.#withShare(() => share.change(session.key, change, this.#lifetimeMs(session.principal.tenant)));
    let record = await changed();
    if (!record) {
      // It may be the share that has lost it.
      await this.#read(session.key);
      if (this.#sessions.has(session.key)) record = await changed();
    }
    if (record) await share.tell(session.key).catch(() => undefined);
    return record;
  }

  #becomesLocked(session: LiveSession, locked: boolean): void {
    if (session.locked === locked) return;
    session.locked = locked;
    (locked ? this.#changes.locked : this.#changes.unlocked)(session);
  }

  /** Somebody is there: told to the share now and then. */
  #touched(session: LiveSession): void {
    const share = this.#share;
    const now = this.#now();
    const { idleTimeoutMs, idleLockMs = idleTimeoutMs } = this.#options.policyOf(session.principal.tenant);
    if (!share || now - session.toldAt < Math.min(longestUntoldMs, idleTimeoutMs / 4, idleLockMs / 4)) return;
    session.toldAt = now;
    share.change(session.key, (before) => ({ ...before, activeAt: Math.max(before.activeAt, session.activeAt) }), this.#lifetimeMs(session.principal.tenant)).catch(() => {
      // Away: told at the next touch.
      session.toldAt = 0;
    });
  }

  async #heard(key: string): Promise<void> {
    if (!this.#sessions.has(key)) return;
    await this.#read(key).catch(() => undefined);
  }

  async #readAll(share: SessionShare): Promise<void> {
    await this.#learnGeneration().catch(() => undefined);
    for (const [key, { at, removed, session }] of [...this.#gone]) {
      if (!removed) await this.#removeFrom(share, key, session);
      else if (this.#now() - at > rememberEndedMs) this.#gone.delete(key);
    }
    const keys = [...this.#sessions.values()].filter(({ readAt }) => this.#now() - readAt >= freshForMs / 2).map(({ key }) => key);
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let key = keys[next++]; key !== undefined; key = keys[next++]) await this.#read(key).catch(() => undefined);
    };
    await Promise.all(Array.from({ length: Math.min(readsAtOnce, keys.length) }, worker));
  }

  /**
   * Looks at the share, and brings what this node knows up to date.
   * @throws SessionsAwayError when the share is away and this node knows nothing
   */
  async #read(key: string): Promise<void> {
    const share = this.#share;
    if (!share) return;
    const { version, generation: seenIn } = this.#sessions.get(key) ?? {};
    let generation = this.#generation;
    let found: SessionRecord | typeof ENDED | undefined;
    try {
      generation ??= await this.#learnGeneration();
      found = await this.#withShare(() => share.get(key));
      if (found === undefined) {
        const before = this.#sessions.get(key);
        const now = await this.#learnGeneration();
        if (before && now !== undefined && seenIn !== now) {
          generation = now;
          found = await this.#withShare(() => this.#writeAgain(share, before));
        } else if (!before && this.#now() - this.#lostAt < settleMs) throw new SessionsAwayError('the store of logins has lost what it knew; nodes are writing it again');
      }
    } catch (error) {
      if (this.#sessions.has(key)) return;
      throw error;
    }
    if (this.#gone.has(key)) return;
    const known = this.#sessions.get(key);
    const record = found === ENDED ? undefined : found;
    const principal = record && this.#options.principalOf(record);
    if (!record || !principal) {
      // Gone elsewhere, or resting on what the configuration does not say any more.
      if (known || record) await this.#endKey(key);
      return;
    }
    if (!known) {
      this.#take(record, principal).generation = generation;
      return;
    }
    const isProven = !known.doubted && this.#isProven(known);
    known.readAt = this.#now();
    known.generation = generation;
    known.activeAt = Math.max(known.activeAt, record.activeAt);
    known.marks = record.marks;
    if (known.lockUntold) {
      await this.#changeShared(share, known, ({ doubted: _doubted, ...before }) => ({ ...before, locked: true }));
      known.lockUntold = false;
      known.doubted = false;
    } else if (record.doubted && !known.locked) {
      // Another node could not say whether this had ended. One that can takes its doubt away; another goes on until it is quiet here.
      if (isProven) await this.#changeShared(share, known, ({ doubted, ...before }) => (doubted ? { ...before, locked: false } : before));
      else known.doubted = true;
    } else if (known.version === version) {
      known.doubted = record.doubted === true;
      // What was read before somebody locked or unlocked it here says nothing about that.
      this.#becomesLocked(known, record.locked);
    }
  }

  /** Saw it in the share so short a time ago that an end since then is known to somebody. */
  #isProven({ readAt }: LiveSession): boolean {
    return this.#now() - readAt < provenForMs;
  }

  /**
   * The share has lost what it knew, and this node knows this login.
   * @returns what stands there now
   */
  async #writeAgain(share: SessionShare, session: LiveSession): Promise<SessionRecord | typeof ENDED | undefined> {
    if (!session.isLive) return ENDED;
    // Who has not seen it there for long may have missed its end: its person is asked to prove who they are, when they have no call.
    const isDoubtful = !session.locked && (session.doubted || !this.#isProven(session));
    const written: SessionRecord = session.record(isDoubtful);
    const stands = await share.putAgain(written, this.#lifetimeMs(written.tenant));
    if (stands !== written) return stands;
    await this.#noteMarks(share, written);
    if (written.marks && (await share.isEnded(written.marks, written.startedAt))) return ENDED;
    const over = await share.oldest(written, this.#options.maxPerPerson ?? 5, this.#options.policyOf(written.tenant).maxSessionMs + storeSlackMs);
    for (const key of over) if (key !== written.key) await this.#endKey(key);
    this.#options.log.info({ person: session.agent, ...(isDoubtful && { toBeProved: true }) }, 'a login that the store had lost is written again');
    return over.includes(written.key) ? ENDED : written;
  }

  /** @throws SessionsAwayError */
  async #learnGeneration(): Promise<string | undefined> {
    const share = this.#share;
    if (!share) return undefined;
    const generation = await this.#withShare(() => share.generation());
    const before = this.#generation;
    this.#generation = generation;
    if (before !== undefined && before !== generation) {
      this.#lostAt = this.#now();
      this.#unknownEnded = 0;
      // Its word of what has ended is lost as well.
      for (const gone of this.#gone.values()) gone.removed = false;
      this.#options.log.warn({ logins: this.#sessions.size }, 'the store has lost who is logged in: what this node knows is written again');
    }
    return generation;
  }

  async #withShare<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new SessionsAwayError('the store of logins does not answer', { cause: error });
    }
  }

  #lifetimeMs(tenant: string): number {
    return this.#options.policyOf(tenant).idleTimeoutMs + storeSlackMs;
  }
}

class LiveSession implements Session {
  readonly key: string;
  /** Of the account as it was when the login began. */
  readonly stamp: string;
  readonly startedAt: number;
  activeAt: number;
  locked: boolean;
  marks: ProviderMarks | undefined;
  ended = false;
  /** When the share was last looked at, and last told of a sign of the person. */
  readAt: number;
  toldAt: number;
  /** Locked here, and the share does not know yet. */
  lockUntold = false;
  /** What the share knew when it had this; see SessionShare. */
  generation: string | undefined;
  /** Nobody can say that it has not ended; locked as soon as its person has no call. */
  doubted = false;
  /** Counts what was done here to `locked`. */
  version = 0;
  #busyUntil = 0;
  readonly #policy: SessionPolicy;
  readonly #now: () => number;
  readonly #touched: (session: LiveSession) => void;

  constructor(record: SessionRecord, readonly principal: Principal, policy: SessionPolicy, now: () => number, touched: (session: LiveSession) => void) {
    this.key = record.key;
    this.stamp = record.stamp;
    this.startedAt = record.startedAt;
    this.activeAt = record.activeAt;
    this.locked = record.locked;
    this.marks = record.marks;
    this.readAt = now();
    this.toldAt = record.activeAt;
    this.#policy = policy;
    this.#now = now;
    this.#touched = touched;
  }

  get agent(): string {
    return this.principal.name;
  }

  /** As the share keeps it. */
  record(doubted: boolean): SessionRecord {
    const { key, principal: { name, tenant, by, roles }, stamp, startedAt, activeAt, locked, marks } = this;
    return { key, name, tenant, by, roles: [...roles], stamp, startedAt, activeAt, locked: locked || doubted, ...(doubted && { doubted }), ...(marks && { marks }) };
  }

  get isLive(): boolean {
    if (this.ended) return false;
    const now = this.#now();
    if (now < this.#busyUntil) return true;
    return now - this.activeAt < this.#policy.idleTimeoutMs && now - this.startedAt < this.#policy.maxSessionMs;
  }

  get isIdleEnoughToLock(): boolean {
    const { idleLockMs } = this.#policy;
    const now = this.#now();
    return idleLockMs !== undefined && !this.locked && now >= this.#busyUntil && now - this.activeAt >= idleLockMs;
  }

  touch(): void {
    if (this.locked) return;
    this.activeAt = this.#now();
    this.#touched(this);
  }

  /** The person is in a call: that is as good as a touch. */
  busy(forMs: number): void {
    this.#busyUntil = this.#now() + forMs;
    this.touch();
  }
}

function keyOf(cookie: string): string {
  return createHash('sha256').update(cookie).digest('base64url');
}
