/** The trail read back: what was recorded, oldest first, over all chains of a folder. */
import { chainsOf, daysBefore, inFolder, rawLines, type TrailFile } from './files.js';
import { readLine, type Line } from './line.js';

export interface EntryFilter {
  /** Moments, ISO 8601 in UTC; `to` is not included. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly call?: string | undefined;
  readonly agent?: string | undefined;
  /** Only acts of this municipality; undefined: of all, and those of the trail itself. */
  readonly tenant?: string | undefined;
  /** Only acts of these kinds. */
  readonly acts?: readonly string[] | undefined;
}

export interface Entry {
  readonly chain: string;
  readonly file: string;
  readonly line: Line;
}

function fits({ from, to, call, agent, tenant, acts }: EntryFilter, line: Line): boolean {
  return (from === undefined || line.at >= from) && (to === undefined || line.at < to)
    && (call === undefined || line['callId'] === call) && (agent === undefined || line['agent'] === agent)
    && (tenant === undefined || line['tenant'] === tenant) && (acts === undefined || acts.includes(line.act));
}

/** A file holds what was recorded on its day; a clock that was set back makes that a day more or less. */
const mayHold = ({ from, to }: EntryFilter, { day }: TrailFile): boolean =>
  (from === undefined || day >= daysBefore(from.slice(0, 10), 1)) && (to === undefined || day <= daysBefore(to.slice(0, 10), -1));

async function* ofChain(folder: string, files: readonly TrailFile[], filter: EntryFilter): AsyncGenerator<Entry> {
  for (const { name, chain } of files.filter((file) => mayHold(filter, file))) {
    for await (const { bytes, whole } of rawLines(inFolder(folder, name))) {
      const line = whole && bytes ? readLine(bytes) : undefined;
      if (line && fits(filter, line)) yield { chain, file: name, line };
    }
  }
}

/** Reads as it is asked for, and holds no more than one entry of each chain. Does not check the chain. */
export async function* entries(folder: string, filter: EntryFilter = {}): AsyncGenerator<Entry> {
  const sources = [...(await chainsOf(folder)).values()].map((files) => ofChain(folder, files, filter));
  try {
    const heads = await Promise.all(sources.map(async (source) => ({ source, head: await source.next() })));
    for (;;) {
      let first: (typeof heads)[number] | undefined;
      for (const one of heads) {
        if (one.head.done !== true && (!first || first.head.done === true || one.head.value.line.at < first.head.value.line.at)) first = one;
      }
      if (!first || first.head.done === true) return;
      yield first.head.value;
      first.head = await first.source.next();
    }
  } finally {
    for (const source of sources) await source.return(undefined);
  }
}

/** The newest entries, newest first. */
export async function newestEntries(folder: string, filter: EntryFilter, count: number): Promise<Entry[]> {
  const kept: Entry[] = [];
  for await (const entry of entries(folder, filter)) {
    kept.push(entry);
    if (kept.length >= 2 * count) kept.splice(0, kept.length - count);
  }
  return kept.slice(-count).reverse();
}
