/**
 * Symmetric RTP (RFC 4961): where a peer's packets may come from, and where ours go.
 *
 * The address of the SDP is believed until packets come from elsewhere (a caller behind NAT). A stranger must send
 * several packets of one stream in a row before we follow it, may be followed once only, and never after the address of
 * the SDP itself has been heard: who sprays packets at our ports can neither be heard nor listen in.
 */
import { sequenceDistance } from './packet.js';

/** Packets in a row before a source is followed: another port of the same host is believed sooner than another host. */
const SAME_HOST_PACKETS = 2;
const OTHER_HOST_PACKETS = 5;
/** A candidate that fell silent this long gives its place to another. */
const CANDIDATE_SILENCE_MS = 200;

export type Verdict = 'drop' | 'accept' | 'moved';

export class SourceLatch {
  /** Where to send; undefined: nowhere yet. */
  address: string | undefined;
  port = 0;
  private locked = false;
  private candidateAddress = '';
  private candidatePort = 0;
  private candidateSsrc = 0;
  private candidateSequence = 0;
  private candidateCount = 0;
  private candidateAtMs = 0;
  private formerAddress = '';
  private formerPort = 0;

  /** True once the peer's own packets settled the question. */
  get isLocked(): boolean {
    return this.locked;
  }

  /** A new offer or answer: begins again, unless it names the same address as before. */
  expect(address: string, port: number, sameAsBefore: boolean): void {
    if (sameAsBefore && this.address !== undefined) return;
    // Also one that was never heard: its first packets may be under way, and would be taken for a phone behind NAT.
    if (this.address !== undefined) {
      this.formerAddress = this.address;
      this.formerPort = this.port;
    }
    this.address = address;
    this.port = port;
    this.locked = false;
    this.candidateCount = 0;
  }

  /** Judges one well-formed packet by where it comes from. */
  judge(address: string, port: number, ssrc: number, sequence: number, nowMs: number): Verdict {
    if (port === this.port && address === this.address) {
      this.locked = true;
      return 'accept';
    }
    if (this.locked) return 'drop';
    // who was replaced may go on sending for a while, but must not be taken for the one who is expected now
    if (port === this.formerPort && address === this.formerAddress) return 'drop';
    const known = address === this.candidateAddress && port === this.candidatePort && this.candidateCount > 0;
    if (!known) {
      if (this.candidateCount > 0 && nowMs - this.candidateAtMs < CANDIDATE_SILENCE_MS) return 'drop';
      this.candidateAddress = address;
      this.candidatePort = port;
      this.candidateSsrc = ssrc;
      this.candidateCount = 1;
    } else if (ssrc !== this.candidateSsrc || Math.abs(sequenceDistance(sequence, this.candidateSequence)) > 100) {
      this.candidateSsrc = ssrc;
      this.candidateCount = 1;
    } else {
      this.candidateCount++;
    }
    this.candidateSequence = sequence;
    this.candidateAtMs = nowMs;
    if (this.candidateCount < (address === this.address ? SAME_HOST_PACKETS : OTHER_HOST_PACKETS)) return 'accept';
    this.address = address;
    this.port = port;
    this.locked = true;
    return 'moved';
  }
}
