/** The files of a trail: `audit-<chain>-<day>.<part>.jsonl`, one chain for each gateway node. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import path from 'node:path';

export interface TrailFile {
  readonly name: string;
  readonly chain: string;
  /** YYYY-MM-DD, UTC. */
  readonly day: string;
  readonly part: number;
}

/** A line longer than this is none of ours, in bytes; it is hashed and not kept. */
const maxLineBytes = 1_048_576;

export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** The day so many days earlier. */
export const daysBefore = (day: string, days: number): string => dayOf(Date.parse(day) - days * 86_400_000);

export const fileName = (chain: string, day: string, part: number): string => `audit-${chain}-${day}${part === 1 ? '' : `.${part}`}.jsonl`;

export function parseName(name: string): TrailFile | undefined {
  const [, chain, day, part] = /^audit-(.{1,80})-(\d{4}-\d{2}-\d{2})(?:\.([1-9]\d{0,5}))?\.jsonl$/.exec(name) ?? [];
  return chain === undefined || day === undefined ? undefined : { name, chain, day, part: Number(part ?? 1) };
}

/** The trail's files of a folder by chain, each in the order in which they were written. */
export async function chainsOf(folder: string): Promise<Map<string, TrailFile[]>> {
  const chains = new Map<string, TrailFile[]>();
  for (const file of (await readdir(folder)).map(parseName)) {
    if (file) chains.set(file.chain, [...(chains.get(file.chain) ?? []), file]);
  }
  for (const files of chains.values()) files.sort((a, b) => (a.day === b.day ? a.part - b.part : a.day < b.day ? -1 : 1));
  return new Map([...chains].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What stands between two ends of lines. */
export interface RawLine {
  /** 1 for the first of the file. */
  readonly number: number;
  /** SHA-256, as hexadecimal digits. */
  readonly hash: string;
  readonly length: number;
  /** Undefined when it is too long to be a line of ours. */
  readonly bytes: Buffer | undefined;
  /** False for what stands at the end of a file without a line's end. */
  readonly whole: boolean;
}

/** Reads a file line by line, as bytes; memory is bounded however long its lines are. */
export async function* rawLines(file: string): AsyncGenerator<RawLine> {
  let hash = createHash('sha256');
  let pieces: Buffer[] = [];
  let length = 0;
  let number = 1;
  const take = (piece: Buffer): void => {
    hash.update(piece);
    length += piece.length;
    if (length <= maxLineBytes) pieces.push(piece);
    else pieces = [];
  };
  const line = (whole: boolean): RawLine => {
    const made = { number, hash: hash.digest('hex'), length, bytes: length <= maxLineBytes ? Buffer.concat(pieces) : undefined, whole };
    hash = createHash('sha256');
    pieces = [];
    length = 0;
    number += 1;
    return made;
  };
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      take(chunk.subarray(from, end));
      from = end + 1;
      yield line(true);
    }
    if (from < chunk.length) take(chunk.subarray(from));
  }
  if (length > 0) yield line(false);
}

/** Makes sure that a file that was made or deleted in this folder stays so after a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export const inFolder = (folder: string, name: string): string => path.join(folder, name);
