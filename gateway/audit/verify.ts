/** Whether a trail still is what was written. */
import { chainsOf, inFolder, rawLines, type TrailFile } from './files.js';
import { checkSignature, noHash, readLine, type Line, type Signer } from './line.js';
import type { Checkpoint } from './trail.js';

export interface VerifyOptions {
  /** Keys of the signatures; none: signatures are not looked at. */
  readonly signers?: readonly Signer[];
  /** Lines without a signature are taken, though there are keys. */
  readonly allowUnsigned?: boolean;
  /** Ends that were noted earlier, outside the folder. */
  readonly checkpoints?: readonly Checkpoint[];
}

/** A place in the trail, and what is to be said of it in words. */
export interface Finding {
  readonly file: string;
  /** 1 for the first line of the file; 0 when it is about the file as a whole. */
  readonly line: number;
  readonly says: string;
}

export interface Verdict {
  readonly files: readonly { readonly name: string; readonly lines: number }[];
  /** In the order of the files; the first one is where to look. Empty: the trail holds. */
  readonly problems: readonly Finding[];
  /** What the trail says about itself: crashes, gaps, deletions. */
  readonly notes: readonly Finding[];
  /** Lines that carry no signature, when signatures are looked at. */
  readonly unsigned: number;
  /** Lines that carry one, when they are not. */
  readonly unchecked: number;
  /** The end of each chain, to be kept elsewhere. */
  readonly ends: readonly Checkpoint[];
}

/** After so many problems of one chain the rest says nothing new. */
const enough = 50;

const plural = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

class ChainCheck {
  readonly problems: Finding[] = [];
  readonly notes: Finding[] = [];
  unsigned = 0;
  unchecked = 0;
  /** The first line of all, when it names a line before it. */
  orphan: { file: string; prev: string; before: string | undefined; n: number } | undefined;
  readonly retired = new Map<string, string>();
  /** Whole lines so far. */
  #last: { n: number; hash: string; file: string; line: number; act: string | undefined } | undefined;
  /** A line that nobody can read, until the next one says that a crash cut it short. */
  #unreadable: (Finding & { length: number }) | undefined;
  #file = '';
  #passed = new Set<Checkpoint>();

  constructor(readonly chain: string, private readonly options: VerifyOptions) {}

  async read(folder: string, { name }: TrailFile): Promise<number> {
    let lines = 0;
    this.#file = name;
    for await (const { number, bytes, hash, length, whole } of rawLines(inFolder(folder, name))) {
      if (!whole) {
        this.notes.push({ file: name, line: number, says: `the last line is not whole (${plural(length, 'byte')}): it is being written now, or a crash cut it short and the gateway has not been started since` });
        continue;
      }
      lines += 1;
      const line = bytes && readLine(bytes);
      if (line && bytes) this.#take(line, bytes, number, hash);
      else this.#takeUnreadable(number, hash, length);
    }
    if (lines === 0) this.notes.push({ file: name, line: 0, says: 'is empty' });
    return lines;
  }

  finish(): void {
    this.#judgeUnreadable();
    const { checkpoints = [] } = this.options;
    for (const checkpoint of checkpoints.filter(({ chain }) => chain === this.chain)) {
      const { n } = checkpoint;
      if (this.#passed.has(checkpoint) || (this.orphan && n < this.orphan.n)) continue;
      this.problems.push({ file: this.#file, line: this.#last?.line ?? 0, says: `the trail ends at number ${this.#last?.n ?? 0}, and a checkpoint knows number ${n}: ${plural(n - (this.#last?.n ?? 0), 'line')} or more were cut off the end` });
    }
  }

  get end(): Checkpoint | undefined {
    return this.#last && { chain: this.chain, n: this.#last.n, hash: this.#last.hash };
  }

  #problem(line: number, says: string): void {
    if (this.problems.length < enough) this.problems.push({ file: this.#file, line, says });
  }

  #take(line: Line, bytes: Buffer, number: number, hash: string): void {
    const last = this.#last;
    const unreadable = this.#unreadable;
    if (line.act === 'torn' && unreadable && line['bytes'] === unreadable.length) {
      this.notes.push({ file: unreadable.file, line: unreadable.line, says: `was cut short by a crash after ${plural(unreadable.length, 'byte')}, as the gateway noted; what it was to record was not shown` });
      this.#unreadable = undefined;
    } else if (line.act !== 'file') this.#judgeUnreadable();
    if (!last) this.#takeFirst(line, number);
    else if (line.prev !== last.hash) this.#problem(number, broken(line, last, this.#file));
    else if (line.n !== last.n + 1) this.#problem(number, `it is numbered ${line.n} and follows number ${last.n}`);
    else if (number === 1 && line.act !== 'file') this.#problem(number, 'the file does not begin by naming the one before it');
    this.#checkSignature(bytes, number);
    this.#checkCheckpoints(line.n, hash, number);
    this.#note(line, number);
    this.#last = { n: line.n, hash, file: this.#file, line: number, act: line.act };
  }

  #takeFirst(line: Line, number: number): void {
    const { n, prev, act, before } = line;
    if (act !== 'file') this.#problem(number, 'the file does not begin by naming the one before it');
    if (n === 1 && prev === noHash) return;
    this.orphan = { file: this.#file, prev, before: typeof before === 'string' ? before : undefined, n };
  }

  #takeUnreadable(number: number, hash: string, length: number): void {
    this.#judgeUnreadable();
    this.#unreadable = { file: this.#file, line: number, says: 'cannot be read: it was changed, or is none of ours', length };
    this.#last = { n: (this.#last?.n ?? 0) + 1, hash, file: this.#file, line: number, act: undefined };
  }

  #judgeUnreadable(): void {
    if (this.#unreadable && this.problems.length < enough) this.problems.push({ file: this.#unreadable.file, line: this.#unreadable.line, says: this.#unreadable.says });
    this.#unreadable = undefined;
  }

  #checkSignature(bytes: Buffer, number: number): void {
    const { signers = [], allowUnsigned } = this.options;
    const outcome = checkSignature(bytes, signers);
    if (signers.length === 0) {
      if (outcome !== 'none') this.unchecked += 1;
      return;
    }
    switch (outcome) {
      case 'right': return;
      case 'wrong': return this.#problem(number, 'its signature is not right: it was changed');
      case 'unknownKey': return this.#problem(number, 'it is signed with a key that was not given');
      case 'none':
        this.unsigned += 1;
        if (allowUnsigned !== true) this.#problem(number, 'it has no signature: somebody without the key wrote it, or the trail was not signed then (--allow-unsigned)');
    }
  }

  #checkCheckpoints(n: number, hash: string, number: number): void {
    for (const checkpoint of this.options.checkpoints ?? []) {
      if (checkpoint.chain !== this.chain || checkpoint.n !== n) continue;
      this.#passed.add(checkpoint);
      if (checkpoint.hash !== hash) this.#problem(number, `it is not what it was when the checkpoint of number ${n} was noted: the trail was written anew`);
    }
  }

  #note(line: Line, number: number): void {
    const note = (says: string): void => {
      this.notes.push({ file: this.#file, line: number, says });
    };
    switch (line.act) {
      case 'gap': return note(`${String(line['rejected'])} records could not be written since ${String(line['since'])} (${String(line['code'])})`);
      case 'disturbed': return note(`the gateway found its file ${String(line['file'])} ${String(line['problem'])}, and went on in this one`);
      case 'started': return line['clean'] === false ? note('the gateway started here after an end that was not orderly: a crash, or lines cut off the end') : undefined;
      case 'retired': {
        if (typeof line['last'] === 'string') this.retired.set(line['last'], String(line['file']));
        return note(`${String(line['file'])} was old enough to be deleted`);
      }
    }
  }
}

/** What a hash that does not fit means, as far as the numbers tell. */
function broken(line: Line, last: { n: number; file: string; line: number }, file: string): string {
  const missing = line.n - last.n - 1;
  const before = last.file === file ? `line ${last.line}` : `line ${last.line} of ${last.file}`;
  if (missing > 0 && last.file !== file) return `${plural(missing, 'line')} before it are missing: a file was deleted, or its end cut off`;
  if (missing > 0) return `${plural(missing, 'line')} before it ${missing === 1 ? 'is' : 'are'} missing`;
  if (missing < 0) return `it stands in the wrong place, or was put in: it is number ${line.n}, after number ${last.n}`;
  return `it does not follow ${before}: that one was changed, or this one was put in its place`;
}

/** Looks at every chain of a folder. @throws when the folder cannot be read */
export async function verifyFolder(folder: string, options: VerifyOptions = {}): Promise<Verdict> {
  const chains = await chainsOf(folder);
  const files: { name: string; lines: number }[] = [];
  const checks: ChainCheck[] = [];
  for (const [chain, own] of chains) {
    const check = new ChainCheck(chain, options);
    for (const file of own) files.push({ name: file.name, lines: await check.read(folder, file) });
    check.finish();
    checks.push(check);
  }
  const retired = new Map(checks.flatMap((check) => [...check.retired]));
  const problems = checks.flatMap(({ problems: own, orphan }): Finding[] => {
    if (!orphan || retired.has(orphan.prev)) return own;
    const says = `the trail before it is missing${orphan.before === undefined ? '' : ` (${orphan.before})`}, and nothing says that it was old enough to be deleted`;
    return [{ file: orphan.file, line: 1, says }, ...own];
  });
  for (const { chain, n } of options.checkpoints ?? []) {
    if (!chains.has(chain)) problems.push({ file: `audit-${chain}-*`, line: 0, says: `there is no file of ${chain}, and a checkpoint knows its number ${n}` });
  }
  const sum = (count: (check: ChainCheck) => number): number => checks.reduce((total, check) => total + count(check), 0);
  return {
    files, problems,
    notes: checks.flatMap(({ notes }) => notes),
    unsigned: sum(({ unsigned }) => unsigned),
    unchecked: sum(({ unchecked }) => unchecked),
    ends: checks.flatMap(({ end }) => end ?? []),
  };
}
