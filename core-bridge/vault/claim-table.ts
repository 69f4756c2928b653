import type { ClaimedSession, StoredResult } from './store.js';

/** Name of a record, for as long as its session is there. */
export type Slot = number;

/*
 * A record, three cache lines of 64 bytes: what decides about a claim, then what it answers. Texts have their length
 * before them.
 */
const ENDS_AT = 0;
const PURPOSE_AT = 8;
const WORD_AT = 12;
const FLAGS_AT = 14;
const STATUS_AT = 15;
const CODE_AT = 16;
const ID_AT = 64;
const BOARD_AT = 128;
const RECORD_BYTES = 192;
/** Hashes of ours have 43 characters, ids 36. */
const LONGEST_TEXT = 47;

const HELD = 1;
const WITHOUT_LOGIN = 2;
const STATUSES = [undefined, 'success', 'failed'] as const;

/** Records are made so many at a time (3 MB, of which the system gives what is used), and never moved. */
const RECORDS_IN_CHUNK = 16_384;
const FEWEST_PLACES = 1_024;

/**
 * What claims need of sessions, by their codes' hashes, side by side in memory. As objects among a million others these
 * few values lie in as many places that no cache holds, and a claim waits for each of them; here it waits for two, the
 * place in the index and the record (docs/bench.md).
 *
 * The index is a table with open addressing and linear probing: in each place a record's number and half of its hash.
 */
export class ClaimTable {
  readonly #chunks: Buffer[] = [];
  readonly #free: Slot[] = [];
  #made = 0;
  /** Two numbers for each place: slot + 1 or 0, and the hash. */
  #places = new Uint32Array(2 * FEWEST_PLACES);
  #indexed = 0;
  /** Purposes come from the configuration, so these stay few. */
  readonly #purposes: string[] = [];
  readonly #numberOfPurpose = new Map<string, number>();

  /** @throws RangeError for ids or hashes that are none of ours */
  add(codeHash: string | undefined, { sessionId, purpose, authentication, board, word }: Omit<ClaimedSession, 'result'>, endsAtMs: number): Slot {
    for (const text of [codeHash ?? '', sessionId, board]) if (text.length > LONGEST_TEXT) throw new RangeError('too long for an id or a hash');
    const slot = this.#free.pop() ?? this.#made++;
    if (slot >= this.#chunks.length * RECORDS_IN_CHUNK) this.#chunks.push(Buffer.alloc(RECORDS_IN_CHUNK * RECORD_BYTES));
    const [chunk, at] = [this.#chunkOf(slot), offsetOf(slot)];
    chunk.writeDoubleLE(endsAtMs, at + ENDS_AT);
    chunk.writeUInt32LE(this.#purposeNumber(purpose), at + PURPOSE_AT);
    chunk.writeUInt16LE(word, at + WORD_AT);
    chunk[at + FLAGS_AT] = authentication === 'none' ? WITHOUT_LOGIN : 0;
    write(chunk, at + CODE_AT, codeHash ?? '');
    write(chunk, at + ID_AT, sessionId);
    write(chunk, at + BOARD_AT, board);
    if (codeHash !== undefined) {
      this.#indexed += 1;
      if (this.#indexed * 4 > this.#places.length) this.#grow();
      this.#put(hashOf(codeHash), slot);
    }
    return slot;
  }

  /** The record of a code, whether or not its session has ended. */
  find(codeHash: string): Slot | undefined {
    const hash = hashOf(codeHash);
    for (let place = this.#home(hash); ; place = this.#next(place)) {
      const number = this.#places[place]!;
      if (number === 0) return undefined;
      if (this.#places[place + 1] === hash && this.#codeOf(number - 1) === codeHash) return number - 1;
    }
  }

  /** Overwrites a record; its slot may be another session's from now on. */
  remove(slot: Slot): void {
    const codeHash = this.#codeOf(slot);
    if (codeHash !== '') this.#unindex(hashOf(codeHash), slot);
    const at = offsetOf(slot);
    this.#chunkOf(slot).fill(0, at, at + RECORD_BYTES);
    this.#free.push(slot);
  }

  sessionIdOf(slot: Slot): string {
    return read(this.#chunkOf(slot), offsetOf(slot) + ID_AT);
  }

  boardOf(slot: Slot): string {
    return read(this.#chunkOf(slot), offsetOf(slot) + BOARD_AT);
  }

  sessionOf(slot: Slot): ClaimedSession {
    const [chunk, at] = [this.#chunkOf(slot), offsetOf(slot)];
    const status = STATUSES[chunk[at + STATUS_AT]!];
    return {
      sessionId: read(chunk, at + ID_AT),
      purpose: this.#purposes[chunk.readUInt32LE(at + PURPOSE_AT)]!,
      authentication: chunk[at + FLAGS_AT]! & WITHOUT_LOGIN ? 'none' : 'expected',
      board: read(chunk, at + BOARD_AT),
      word: chunk.readUInt16LE(at + WORD_AT),
      ...(status !== undefined && { result: { status } }),
    };
  }

  endsAt(slot: Slot): number {
    return this.#chunkOf(slot).readDoubleLE(offsetOf(slot) + ENDS_AT);
  }

  setEndsAt(slot: Slot, endsAtMs: number): void {
    this.#chunkOf(slot).writeDoubleLE(endsAtMs, offsetOf(slot) + ENDS_AT);
  }

  isHeld(slot: Slot): boolean {
    return (this.#chunkOf(slot)[offsetOf(slot) + FLAGS_AT]! & HELD) !== 0;
  }

  setHeld(slot: Slot, held: boolean): void {
    const [chunk, at] = [this.#chunkOf(slot), offsetOf(slot) + FLAGS_AT];
    chunk[at] = held ? chunk[at]! | HELD : chunk[at]! & ~HELD;
  }

  setStatus(slot: Slot, status: StoredResult['status']): void {
    this.#chunkOf(slot)[offsetOf(slot) + STATUS_AT] = STATUSES.indexOf(status);
  }

  #chunkOf(slot: Slot): Buffer {
    return this.#chunks[Math.floor(slot / RECORDS_IN_CHUNK)]!;
  }

  #codeOf(slot: Slot): string {
    return read(this.#chunkOf(slot), offsetOf(slot) + CODE_AT);
  }

  #purposeNumber(purpose: string): number {
    const known = this.#numberOfPurpose.get(purpose);
    if (known !== undefined) return known;
    this.#numberOfPurpose.set(purpose, this.#purposes.length);
    return this.#purposes.push(purpose) - 1;
  }

  /** Where a hash belongs when nobody is in its way. */
  #home(hash: number): number {
    return 2 * (hash & (this.#places.length / 2 - 1));
  }

  #next(place: number): number {
    return place + 2 === this.#places.length ? 0 : place + 2;
  }

  #put(hash: number, slot: Slot): void {
    let place = this.#home(hash);
    while (this.#places[place] !== 0) place = this.#next(place);
    this.#places[place] = slot + 1;
    this.#places[place + 1] = hash;
  }

  #grow(): void {
    const before = this.#places;
    this.#places = new Uint32Array(2 * before.length);
    for (let place = 0; place < before.length; place += 2) if (before[place] !== 0) this.#put(before[place + 1]!, before[place]! - 1);
  }

  /** Takes a place out, and moves up those behind it that would not be found any more (Knuth, TAOCP 3, 6.4, algorithm R). */
  #unindex(hash: number, slot: Slot): void {
    const places = this.#places;
    let hole = this.#home(hash);
    while (places[hole] !== slot + 1) hole = this.#next(hole);
    this.#indexed -= 1;
    for (let place = this.#next(hole); places[place] !== 0; place = this.#next(place)) {
      const home = this.#home(places[place + 1]!);
      const staysBehindHole = hole < place ? hole < home && home <= place : hole < home || home <= place;
      if (staysBehindHole) continue;
      places[hole] = places[place]!;
      places[hole + 1] = places[place + 1]!;
      hole = place;
    }
    places[hole] = 0;
    places[hole + 1] = 0;
  }
}

const offsetOf = (slot: Slot): number => (slot % RECORDS_IN_CHUNK) * RECORD_BYTES;

function write(chunk: Buffer, at: number, text: string): void {
  chunk[at] = text.length;
  chunk.write(text, at + 1, 'latin1');
}

function read(chunk: Buffer, at: number): string {
  return chunk.toString('latin1', at + 1, at + 1 + chunk[at]!);
}

/** FNV-1a. Who makes codes and hashes does not choose them, so nobody can make them meet. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
