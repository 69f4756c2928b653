/**
 * The trail as it is written: lines of JSON, each with the hash of the one before, in one file a day.
 *
 * A record is durable when its promise resolves. Records that come while the disk is busy are written together and share
 * one sync, so that fifty calls a second do not wait for fifty. Nothing that was acknowledged is ever written over: what
 * a failed write left behind is cut off again, and if that fails too the trail goes on in another file.
 */
import { open, mkdir, stat, unlink, type FileHandle } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { Act, Record } from './acts.js';
import { lockChain, type ChainLock } from './chain-lock.js';
import { chainsOf, dayOf, daysBefore, fileName, inFolder, rawLines, syncFolder, type TrailFile } from './files.js';
import { hashOf, noHash, readLine, writeLine, type Signer } from './line.js';

export type AuditErrorCode = 'audit_unwritable' | 'audit_overloaded' | 'audit_slow' | 'audit_closed';

const sentences: { [Code in AuditErrorCode]: string } = {
  audit_unwritable: 'The audit trail cannot be written.',
  audit_overloaded: 'Too many records wait to be written to the audit trail.',
  audit_slow: 'The disk of the audit trail does not answer in time.',
  audit_closed: 'The audit trail is closed.',
};

/** A record that may not stand in the trail. */
export class AuditError extends Error {
  override readonly name = 'AuditError';

  constructor(readonly code: AuditErrorCode, options?: { cause: unknown }) {
    super(sentences[code], options);
  }
}

export interface TrailOptions {
  readonly folder: string;
  /** Name of this gateway node. */
  readonly node: string;
  readonly keepDays: number;
  readonly signer?: Signer | undefined;
  /** Stands in the first line of each run. */
  readonly start: { readonly version: string; readonly required: boolean };
  readonly log: Logger;
  readonly onWritten?: (records: number, ms: number) => void;
  readonly onFailed?: (records: number) => void;
  readonly now?: () => number;
  /** Records that wait to be written at one time; default 10,000. */
  readonly maxWaiting?: number;
  /** How long the disk may take before a record is given up, in ms; default 5,000. */
  readonly patienceMs?: number;
}

/** The last line of a chain. Kept outside the folder, it shows later whether lines were cut off the end. */
export interface Checkpoint {
  readonly chain: string;
  readonly n: number;
  readonly hash: string;
}

interface Waiting {
  readonly act: Act;
  readonly at: number;
  readonly resolve: () => void;
  readonly reject: (error: AuditError) => void;
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly name: string;
  /** What of it is known to be on the disk, in bytes. */
  size: number;
  readonly inode: number;
}

/** Lines written with one sync at most: keeps a batch, and with it a torn end, small. */
const maxBatch = 1_000;
/** Chains of one node: another process of the same name takes the next one. */
const maxChainsPerNode = 32;
const checkpointEveryMs = 15 * 60_000;
const mode = { folder: 0o700, file: 0o600 };

export class Trail {
  readonly #options: TrailOptions;
  readonly #chain: string;
  readonly #lock: ChainLock;
  readonly #now: () => number;
  readonly #waiting: Waiting[] = [];
  /** Lines about the trail itself that go before the next records. */
  #own: Act[] = [];
  #file: OpenFile | undefined;
  #day = '';
  /** Part of the day's newest file; a name is not used again, also when its file is gone. */
  #part = 0;
  #last: { n: number; hash: string; file?: string } = { n: 0, hash: noHash };
  #gap: { rejected: number; code: string; since: number } | undefined;
  #writing: Promise<void> | undefined;
  #retiring: Promise<void> = Promise.resolve();
  #retiredOn = '';
  #checkpointTimer: NodeJS.Timeout | undefined;
  #toldN = 0;
  #closed: Promise<void> | undefined;

  private constructor(options: TrailOptions, chain: string, lock: ChainLock) {
    this.#options = options;
    this.#chain = chain;
    this.#lock = lock;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Takes up the chain of this node where it ended, after looking at its newest file.
   * @throws AuditError `audit_unwritable`
   */
  static async open(options: TrailOptions): Promise<Trail> {
    const { folder, node, log } = options;
    let lock: ChainLock | undefined;
    let trail: Trail | undefined;
    try {
      await mkdir(folder, { recursive: true, mode: mode.folder });
      let chain = node;
      for (let i = 2; ; i++) {
        lock = await lockChain(folder, chain);
        if (lock) break;
        if (i > maxChainsPerNode) throw new Error('too many gateways of this name write here');
        chain = `${node}~${i}`;
      }
      if (((await stat(folder)).mode & 0o077) !== 0) log.warn({ folder }, 'others than the gateway can look into the folder of the audit trail');
      const made = (trail = new Trail(options, chain, lock));
      await made.#takeUp();
      made.#checkpointTimer = setInterval(() => made.#tellCheckpoint(), checkpointEveryMs);
      made.#checkpointTimer.unref();
      return made;
    } catch (error) {
      if (trail) await trail.#letGo();
      await lock?.release().catch(() => undefined);
      throw error instanceof AuditError ? error : new AuditError('audit_unwritable', { cause: error });
    }
  }

  get chain(): string {
    return this.#chain;
  }

  get folder(): string {
    return this.#options.folder;
  }

  get checkpoint(): Checkpoint {
    return { chain: this.#chain, n: this.#last.n, hash: this.#last.hash };
  }

  /**
   * Resolves when the record is on the disk.
   * @throws AuditError when it is not, or not known to be
   */
  record(record: Record): Promise<void> {
    if (this.#closed) return Promise.reject(new AuditError('audit_closed'));
    return this.#enqueue(record);
  }

  /** Writes what waits, says that this is an orderly end, and lets go of the files. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    clearInterval(this.#checkpointTimer);
    await this.#retiring;
    await this.#enqueue({ act: 'closed' }).catch((error: unknown) => this.#options.log.error({ err: error }, 'the audit trail did not come to an orderly end'));
    await this.#writing;
    this.#tellCheckpoint();
    await this.#letGo();
    await this.#lock.release();
  }

  #enqueue(act: Act): Promise<void> {
    if (this.#waiting.length >= (this.#options.maxWaiting ?? 10_000)) {
      this.#options.onFailed?.(1);
      return Promise.reject(new AuditError('audit_overloaded'));
    }
    const written = new Promise<void>((resolve, reject) => this.#waiting.push({ act, at: this.#now(), resolve, reject }));
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        this.#options.onFailed?.(1);
        reject(new AuditError('audit_slow'));
      }, this.#options.patienceMs ?? 5_000);
    });
    return Promise.race([written, late]).finally(() => clearTimeout(timer));
  }

  async #writeAll(): Promise<void> {
    // What is recorded in the same turn shares a sync.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#commit(this.#waiting.splice(0, maxBatch));
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const begun = performance.now();
    try {
      const file = await this.#fileForNow();
      const own = this.#gap ? [...this.#own, gapAct(this.#gap)] : this.#own;
      const at = this.#now();
      const lines = [...own.map((act) => ({ act, at })), ...batch];
      let { n, hash } = this.#last;
      let text = '';
      for (const { act, at: when } of lines) {
        const line = writeLine({ n: (n += 1), at: when, prev: hash }, act, this.#options.signer);
        hash = hashOf(line);
        text += `${line}\n`;
      }
      const bytes = Buffer.from(text);
      await file.handle.appendFile(bytes);
      await file.handle.datasync();
      file.size += bytes.length;
      this.#last = { n, hash, file: file.name };
      this.#own = [];
      this.#gap = undefined;
      for (const { resolve } of batch) resolve();
      this.#options.onWritten?.(batch.length, performance.now() - begun);
    } catch (error) {
      const code = codeOf(error);
      this.#gap = { rejected: (this.#gap?.rejected ?? 0) + batch.length, code, since: this.#gap?.since ?? this.#now() };
      this.#options.log.error({ err: error, records: batch.length }, 'the audit trail cannot be written');
      this.#options.onFailed?.(batch.length);
      await this.#cutBack();
      for (const { reject } of batch) reject(new AuditError('audit_unwritable', { cause: error }));
    }
    this.#retireOld();
  }

  /** Takes away what a failed write left behind it; a file of which that cannot be said is not written to again. */
  async #cutBack(): Promise<void> {
    const file = this.#file;
    if (!file) return;
    try {
      await file.handle.truncate(file.size);
      await file.handle.sync();
    } catch (error) {
      this.#options.log.error({ err: error, file: file.name }, 'the audit trail goes on in another file');
      await this.#letGo();
    }
  }

  /** The file of this day; another one when the day is over, or when somebody else laid hands on it. */
  async #fileForNow(): Promise<OpenFile> {
    const today = dayOf(this.#now());
    // A clock that is set back does not set the trail back.
    if (today > this.#day) {
      this.#day = today;
      this.#part = 0;
      await this.#letGo();
    }
    if (this.#file) {
      const problem = await this.#disturbance(this.#file);
      if (problem) {
        this.#options.log.error({ file: this.#file.name, problem }, 'the file of the audit trail was changed by somebody else; it goes on in another one');
        this.#own.push({ act: 'disturbed', file: this.#file.name, problem });
        await this.#letGo();
      }
    }
    return (this.#file ??= await this.#newFile());
  }

  async #disturbance({ name, size, inode }: OpenFile): Promise<'gone' | 'replaced' | 'longer' | 'shorter' | undefined> {
    try {
      const now = await stat(inFolder(this.#options.folder, name));
      if (now.ino !== inode) return 'replaced';
      return now.size === size ? undefined : now.size > size ? 'longer' : 'shorter';
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return 'gone';
      throw error;
    }
  }

  async #newFile(): Promise<OpenFile> {
    const { folder, node } = this.#options;
    for (;;) {
      const name = fileName(this.#chain, this.#day, (this.#part += 1));
      let handle: FileHandle;
      try {
        handle = await open(inFolder(folder, name), 'ax', mode.file);
      } catch (error) {
        if (codeOf(error) === 'EEXIST') continue;
        throw error;
      }
      try {
        await syncFolder(folder);
        const { ino } = await handle.stat();
          this.#own = [{ act: 'file', node, ...(this.#last.file !== undefined && { before: this.#last.file }) }, ...this.#own.filter(({ act }) => act !== 'file')];
        return { handle, name, size: 0, inode: ino };
      } catch (error) {
        await handle.close().catch(() => undefined);
        await unlink(inFolder(folder, name)).catch(() => undefined);
        throw error;
      }
    }
  }

  async #letGo(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    if (!file) return;
    await file.handle.close().catch(() => undefined);
    // Nothing was ever acknowledged in it.
    if (file.size === 0) await unlink(inFolder(this.#options.folder, file.name)).catch(() => undefined);
  }

  // ---- start ------------------------------------------------------------------------------------------------------

  async #takeUp(): Promise<void> {
    const { folder, keepDays, start, log } = this.#options;
    const files = (await chainsOf(folder)).get(this.#chain) ?? [];
    let clean = true;
    // An empty file says nothing: the one before it does.
    for (const file of files.reverse()) {
      const found = await this.#lookAt(file);
      if (!found) continue;
      clean = found.clean;
      this.#day = file.day;
      break;
    }
    const { version, required } = start;
    this.#own.push({ act: 'started', version, keepDays, required, clean });
    if (!clean) log.warn({ chain: this.#chain }, 'the audit trail had not come to an orderly end; it goes on behind that');
    await new Promise<void>((resolve, reject) => void this.#commit([{ act: this.#own.pop()!, at: this.#now(), resolve, reject }]));
  }

  /** Reads a file up to its end, from where the chain goes on. @returns undefined when it is empty */
  async #lookAt(file: TrailFile): Promise<{ clean: boolean } | undefined> {
    const full = inFolder(this.#options.folder, file.name);
    let last: { n: number; hash: string; act: string | undefined; length: number; whole: boolean } | undefined;
    let size = 0;
    let broken: number | undefined;
    for await (const { number, bytes, hash, length, whole } of rawLines(full)) {
      const line = bytes && readLine(bytes);
      if (last && line && line.prev !== last.hash) broken ??= number;
      size += length + (whole ? 1 : 0);
      // What nobody can read stands for one line: the one that was being written.
      last = { n: line?.n ?? (last?.n ?? 0) + 1, hash, act: line?.act, length, whole };
    }
    if (!last) return undefined;
    if (broken !== undefined) this.#options.log.error({ file: file.name, line: broken }, 'the audit trail does not hold: somebody changed this file; `npm run audit -- verify` says more');
    this.#last = { n: last.n, hash: last.hash, file: file.name };
    if (last.act === undefined) this.#own.push({ act: 'torn', bytes: last.length });
    const handle = await open(full, 'a', mode.file);
    this.#part = file.part;
    this.#file = { handle, name: file.name, size, inode: (await handle.stat()).ino };
    if (!last.whole) {
      await handle.appendFile('\n');
      await handle.datasync();
      this.#file.size += 1;
    }
    return { clean: last.act === 'closed' };
  }

  // ---- retention --------------------------------------------------------------------------------------------------

  /** Once a day, files older than `keepDays` are deleted; before that it is written down which, and how they ended. */
  #retireOld(): void {
    if (this.#retiredOn === this.#day || this.#closed) return;
    this.#retiredOn = this.#day;
    this.#retiring = this.#retire().catch((error: unknown) => this.#options.log.error({ err: error }, 'old files of the audit trail could not be deleted'));
  }

  async #retire(): Promise<void> {
    const { folder, keepDays, log } = this.#options;
    for (const [chain, files] of await chainsOf(folder)) {
      // Files of nodes that are no more are nobody else's to delete; a node that lives does it itself, a day earlier.
      const oldest = daysBefore(this.#day, keepDays + (chain === this.#chain ? 0 : 1));
      for (const { name } of files.filter(({ day }) => day < oldest)) {
        if (name === this.#file?.name) continue;
        let end = { n: 0, hash: noHash };
        for await (const { bytes, hash } of rawLines(inFolder(folder, name))) {
          end = { n: (bytes && readLine(bytes)?.n) ?? end.n + 1, hash };
        }
        await this.#enqueue({ act: 'retired', file: name, last: end.hash, lines: end.n });
        await unlink(inFolder(folder, name)).catch((error: unknown) => {
          if (codeOf(error) !== 'ENOENT') throw error;
        });
        log.info({ file: name }, 'a file of the audit trail was old enough to be deleted');
      }
    }
    await syncFolder(folder);
  }

  /** The log usually goes elsewhere: whoever cuts lines off the end of the trail cannot cut this. */
  #tellCheckpoint(): void {
    if (this.#toldN === this.#last.n) return;
    this.#toldN = this.#last.n;
    const { chain, n, hash } = this.checkpoint;
    this.#options.log.info({ checkpoint: `${chain}:${n}:${hash}` }, 'audit checkpoint');
  }
}

const gapAct = ({ rejected, code, since }: { rejected: number; code: string; since: number }): Act => ({ act: 'gap', rejected, code, since: new Date(since).toISOString() });

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : 'unknown');
