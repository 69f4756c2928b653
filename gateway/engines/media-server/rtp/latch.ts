/**
 * Where a peer's packets may come from, and where ours go (symmetric RTP, RFC 4961, within bounds).
 *
 * The address and port of the session description count at once. Another port of that address, or with `learn` another
 * address that the rule permits, must be learned first: by steady packets of one stream, of which none counts before.
 * Nothing is learned from anywhere else, nor once the source is settled: only after the next offer or answer. So who sprays
 * packets at our ports is neither heard nor hears anything, whether the peer itself is talking or silent.
 */
import { sequenceDistance } from './packet.js';
import { DESCRIBED, type SourceRule } from './source-rule.js';

/** Steady packets that make a source known: counted, and over a time, since a burst is not a stream. */
const LEARN_PACKETS = 5;
const LEARN_MS = 60;
/** In place of a source that has been heard and sends nothing meanwhile: half a second, which is more than a pause on the way. */
const REPLACE_PACKETS = 25;
/** After an offer or answer: so many packets of the source in use, and the question is settled again. */
const SETTLED_PACKETS = 50;
/** Packets of a source that was learned elsewhere, within which the described address may still turn up. */
const START_PACKETS = 50;
/** A candidate that fell silent this long gives its place to another. */
const CANDIDATE_SILENCE_MS = 200;
/** Lost packets within a stream that is steady all the same. */
const STEADY_GAP = 10;
/** Replaced sources that are remembered, so that none is taken for the new one. */
const MAX_FORMER = 4;
/** "Discard" (RFC 863): the port of a peer that is not there yet. */
const NOBODY_PORT = 9;

/** `candidate`: does not count, and may become known. `moved`: has just become the source; what came before did not count. */
export type Verdict = 'drop' | 'candidate' | 'accept' | 'moved';

interface Place {
  readonly address: string;
  readonly port: number;
}

const enum Rank { Permitted = 1, SameAddress = 2, Described = 3 }

export class SourceLatch {
  /** Where to send; undefined: nowhere yet. */
  address: string | undefined;
  port = 0;
  /** What the last description named, unless that is nobody. */
  private described: Place | undefined;
  /** Packets of `address` and `port` have counted. */
  private heard = false;
  private open = false;
  /** Packets of the source in use since something could be learned, or since it was learned. */
  private sinceOpen = 0;
  private former: Place[] = [];
  private candidate: Place | undefined;
  private candidateRank: Rank = Rank.Permitted;
  private candidateSsrc = 0;
  private candidateSequence = 0;
  private candidateCount = 0;
  private candidateSinceMs = 0;
  private candidateAtMs = 0;
  /** The last answers of `mayCome`: a spray from one address costs a comparison per packet. */
  private knownGood = '';
  private knownBad = '';

  constructor(private readonly rule: SourceRule = DESCRIBED) {}

  /** True once the peer's own packets settled the question. */
  get isLocked(): boolean {
    return this.heard && !this.open;
  }

  /** True when the place we send to has been heard from. */
  get isHeard(): boolean {
    return this.heard;
  }

  /** An offer or answer was accepted: this is where its description says that the peer is. */
  expect(address: string, port: number): void {
    this.forgetAnswers();
    this.candidate = undefined;
    this.sinceOpen = 0;
    if (this.rule.restricted === true && this.rule.networks?.has(address) !== true && port !== NOBODY_PORT) return this.expectNobody();
    const before = this.described;
    const same = before !== undefined && before.address === address && before.port === port;
    if (!same) {
      // Also what was never heard: its first packets may be under way, and are not those of the one who is expected now.
      if (before) this.leave(before);
      if (this.address !== undefined) this.leave({ address: this.address, port: this.port });
      this.former = this.former.filter((place) => place.address !== address || place.port !== port);
      this.address = address;
      this.port = port;
      this.heard = false;
    }
    this.described = port === NOBODY_PORT ? undefined : { address, port };
    this.open = this.described !== undefined;
  }

  /** A description that names nobody (`c=0.0.0.0`, a hold): who was heard stays, and nobody else is learned. */
  hold(): void {
    this.candidate = undefined;
    this.open = false;
  }

  private expectNobody(): void {
    if (this.described) this.leave(this.described);
    if (this.address !== undefined) this.leave({ address: this.address, port: this.port });
    this.described = undefined;
    this.address = undefined;
    this.port = 0;
    this.heard = false;
    this.open = false;
  }

  private leave(place: Place): void {
    if (!this.former.some(({ address, port }) => address === place.address && port === place.port)) this.former.push(place);
    if (this.former.length > MAX_FORMER) this.former.shift();
  }

  private forgetAnswers(): void {
    this.knownGood = '';
    this.knownBad = '';
  }

  /** Whether packets of this address may count at all. Asked before anything in them is read. */
  mayCome(address: string): boolean {
    if (address === this.knownGood) return true;
    if (address === this.knownBad) return false;
    const may = this.isPermitted(address);
    if (may) this.knownGood = address;
    else this.knownBad = address;
    return may;
  }

  private isPermitted(address: string): boolean {
    const { networks, mode, restricted } = this.rule;
    if (!this.described) return this.heard && address === this.address;
    if (restricted === true && networks?.has(address) !== true) return false;
    return address === this.described.address || (mode === 'learn' && networks?.has(address) === true);
  }

  /** Judges one well-formed packet by where it comes from. */
  judge(address: string, port: number, ssrc: number, sequence: number, nowMs: number): Verdict {
    if (!this.mayCome(address)) return 'drop';
    if (port === this.port && address === this.address) return this.inUse();
    const rank = this.rankOf(address, port);
    if (rank === undefined) return 'drop';
    if (!this.isSteady(address, port, rank, ssrc, sequence, nowMs)) return 'candidate';
    this.moveTo(address, port);
    return 'moved';
  }

  private inUse(): Verdict {
    // While the source in use goes on, nobody takes its place; but the described one may take that of one that was learned.
    if (this.candidate && this.candidateRank !== Rank.Described) this.candidate = undefined;
    this.sinceOpen++;
    if (!this.heard) this.open = false;
    else if (this.sinceOpen >= SETTLED_PACKETS) this.open = false;
    this.heard = true;
    return 'accept';
  }

  /** What speaks for a source that is not the one in use; undefined: nothing does. */
  private rankOf(address: string, port: number): Rank | undefined {
    const { described } = this;
    if (described && address === described.address && port === described.port) {
      // Elsewhere than what was learned, an address of a private network may be somebody else's: at the start only.
      return address === this.address || this.sinceOpen < START_PACKETS ? Rank.Described : undefined;
    }
    if (!this.open || this.former.some((place) => place.port === port && place.address === address)) return undefined;
    return address === described?.address ? Rank.SameAddress : Rank.Permitted;
  }

  private isSteady(address: string, port: number, rank: Rank, ssrc: number, sequence: number, nowMs: number): boolean {
    const { candidate } = this;
    if (candidate?.address !== address || candidate.port !== port) {
      if (candidate && rank <= this.candidateRank && nowMs - this.candidateAtMs < CANDIDATE_SILENCE_MS) return false;
      this.candidate = { address, port };
      this.candidateRank = rank;
      this.beginCount(ssrc, sequence, nowMs);
      return false;
    }
    const ahead = sequenceDistance(sequence, this.candidateSequence);
    if (ssrc !== this.candidateSsrc || Math.abs(ahead) > STEADY_GAP || nowMs - this.candidateAtMs >= CANDIDATE_SILENCE_MS) {
      this.beginCount(ssrc, sequence, nowMs);
      return false;
    }
    this.candidateAtMs = nowMs;
    // A packet that came twice, or late, says nothing about a stream.
    if (ahead <= 0) return false;
    this.candidateSequence = sequence;
    this.candidateCount++;
    const needed = this.heard && rank !== Rank.Described ? REPLACE_PACKETS : LEARN_PACKETS;
    return this.candidateCount >= needed && nowMs - this.candidateSinceMs >= LEARN_MS;
  }

  private beginCount(ssrc: number, sequence: number, nowMs: number): void {
    this.candidateSsrc = ssrc;
    this.candidateSequence = sequence;
    this.candidateCount = 1;
    this.candidateSinceMs = nowMs;
    this.candidateAtMs = nowMs;
  }

  private moveTo(address: string, port: number): void {
    const { described } = this;
    // The described one may come back; what was learned and left does not.
    if (this.heard && this.address !== undefined && (this.address !== described?.address || this.port !== described.port)) this.leave({ address: this.address, port: this.port });
    this.address = address;
    this.port = port;
    this.heard = true;
    this.open = false;
    this.sinceOpen = 0;
    this.candidate = undefined;
  }
}
