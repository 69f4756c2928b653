/**
 * Figures of all nodes. Each node writes its own, as they are and not by how much they grew, so that a write that is
 * repeated does no harm; who looks adds all of them up. In Redis they outlive the nodes: a restart in the middle of the
 * day loses nothing but the last seconds.
 */
import type { Logger } from 'pino';
import type { RedisLink } from '../../core-bridge/index.js';
import { LuaScript } from '../../core-bridge/redis/script.js';
import { counters, noCounts, summed, type Counter, type DayFigures, type FigureRow } from './figures.js';

export interface FiguresView {
  /** Since when this is counted, in ms; earlier than the day when nothing of it was missed. */
  readonly since: number;
  readonly rows: readonly FigureRow[];
  /** False while figures of other nodes cannot be read: then these are of this node, and what was read last. */
  readonly complete: boolean;
}

export interface Figures {
  read(): Promise<FiguresView>;
  /** Writes what has not been written yet. */
  close(): Promise<void>;
}

/** One node keeps its own. */
export class OwnFigures implements Figures {
  constructor(private readonly own: DayFigures, private readonly since: number = Date.now()) {}

  read(): Promise<FiguresView> {
    return Promise.resolve({ since: this.since, rows: summed(this.own.rows()), complete: true });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export interface SharedFiguresOptions {
  readonly own: DayFigures;
  readonly link: RedisLink;
  /** Begins every key. */
  readonly prefix: string;
  readonly tenant: string;
  /** This node's name, new with every start. */
  readonly node: string;
  readonly log: Logger;
  readonly writeEveryMs?: number;
  readonly readEveryMs?: number;
}

/** Figures of a day are kept for two: no zone's day is over sooner. */
const keptMs = 48 * 3_600_000;
/** ARGV 1: lifetime in ms; then fields and values. In one step, so that no key can be left without an end. */
const WRITE = new LuaScript(`
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
`);
/** Cells written in one step: Lua hands over no more than some thousands of arguments. */
const cellsAtOnce = 500;
/** Cells of all nodes and their earlier starts that are taken in; more is no sensible day. */
const mostFields = 50_000;

export class SharedFigures implements Figures {
  readonly #options: SharedFiguresOptions;
  readonly #startedAt = Date.now();
  readonly #timer: NodeJS.Timeout;
  #others: { day: string; rows: readonly FigureRow[]; since: number; at: number } | undefined;
  #sinceWrittenFor = '';
  #writing: Promise<void> = Promise.resolve();

  constructor(options: SharedFiguresOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#write(), options.writeEveryMs ?? 3_000);
    this.#timer.unref();
  }

  async read(): Promise<FiguresView> {
    const { own, link, readEveryMs = 3_000 } = this.#options;
    const { day } = own;
    let complete = true;
    if (this.#others?.day !== day || Date.now() - this.#others.at >= readEveryMs) {
      try {
        const fields = await link.run((redis) => redis.hGetAll(this.#key(day)));
        this.#others = { day, at: Date.now(), ...this.#parsed(fields) };
      } catch {
        // The link says so itself.
        complete = false;
      }
    }
    const others = this.#others?.day === day ? this.#others : undefined;
    return { since: Math.min(this.#startedAt, others?.since ?? Infinity), rows: summed([...own.rows(), ...(others?.rows ?? [])]), complete };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#write();
  }

  #write(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      const { own, link, node, log } = this.#options;
      const { day } = own;
      const rows = own.takeChanged();
      if (rows.length === 0) return;
      const cells = rows.map((row) => [`${node} ${row.hour} ${row.service}`, written(row)]);
      if (this.#sinceWrittenFor !== day) cells.unshift([`${node} since`, new Date(this.#startedAt).toISOString()]);
      try {
        for (let from = 0; from < cells.length; from += cellsAtOnce) {
          await link.run((redis) => WRITE.run(redis, [this.#key(day)], [keptMs, ...cells.slice(from, from + cellsAtOnce).flat()]));
        }
        this.#sinceWrittenFor = day;
      } catch {
        log.debug({ rows: rows.length }, 'figures are written later: the store is away');
        own.again(rows);
      }
    });
    return this.#writing;
  }

  #parsed(fields: Record<string, string>): { rows: FigureRow[]; since: number } {
    const rows: FigureRow[] = [];
    let since = Infinity;
    for (const [field, value] of Object.entries(fields).slice(0, mostFields)) {
      const [, node, what, service] = /^(\S{1,64}) (since|\d{1,2})(?: (.{1,200}))?$/u.exec(field) ?? [];
      if (node === undefined || node === this.#options.node) continue;
      if (what === 'since') since = Math.min(since, Date.parse(value) || Infinity);
      else if (service !== undefined) {
        const counts = read(value);
        if (counts) rows.push({ service, hour: Number(what), ...counts });
      }
    }
    return { rows, since };
  }

  #key(day: string): string {
    return `${this.#options.prefix}:{${this.#options.tenant}:figures}:${day}`;
  }
}

const isTime = (counter: Counter): boolean => counter === 'waitMs' || counter === 'talkMs';

/** Times in seconds: nobody needs more of an average, and a long number is easily taken for something else. */
function written(row: FigureRow): string {
  return counters.map((counter) => (isTime(counter) ? Math.round(row[counter] / 1000) : row[counter])).join(',');
}

/** Undefined for what another version wrote in another way. */
function read(value: string): Record<Counter, number> | undefined {
  if (!/^\d{1,12}(,\d{1,12})*$/.test(value)) return undefined;
  const numbers = value.split(',').map(Number);
  if (numbers.length !== counters.length) return undefined;
  const counts = noCounts();
  for (const [place, counter] of counters.entries()) counts[counter] = numbers[place]! * (isTime(counter) ? 1000 : 1);
  return counts;
}
