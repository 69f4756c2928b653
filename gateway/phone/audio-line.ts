/** The telephone's ear and mouth: an RTP session, a recording, and what SDP says of them. */
import { randomInt } from 'node:crypto';
import { RtpSession, decode, type Codec, type FrameSource, type MediaClock, type RtpStats } from '../engines/media-server/rtp/index.js';
import { Recording } from './recording.js';
import { readDescription, writeAnswer, writeOffer, type LocalMedia, type PeerMedia } from './session-description.js';

export interface AudioLineOptions {
  readonly host: string;
  readonly clock: MediaClock;
  readonly codecs: readonly Codec[];
  readonly record: boolean;
  /** Called with everything heard, decoded. */
  readonly onHeard: (samples: Int16Array) => void;
}

export class AudioLine {
  readonly recording: Recording | undefined;
  private version = 1;
  private lastWritten = '';
  private peer: PeerMedia | undefined;
  private closedStats: RtpStats | undefined;
  private readonly local: LocalMedia;

  private constructor(private readonly session: RtpSession, private readonly options: AudioLineOptions) {
    this.local = { address: session.localAddress, port: session.localPort, codecs: options.codecs, sessionId: randomInt(1, 2 ** 31) };
    this.recording = options.record ? new Recording() : undefined;
    const recording = this.recording;
    session.tap = {
      received: (codec, payload, start, end) => {
        const samples = decode(codec, payload, start, end - start);
        recording?.addHeard(samples);
        options.onHeard(samples);
      },
      sent: (codec, payload, start, end) => recording?.addSaid(decode(codec, payload, start, end - start)),
    };
  }

  static async open(options: AudioLineOptions): Promise<AudioLine> {
    return new AudioLine(await RtpSession.open({ host: options.host, clock: options.clock, rtcp: true }), options);
  }

  /** Where the peer's description says its media is, e.g. "127.0.0.1:30000". */
  get peerMedia(): string {
    return this.peer ? `${this.peer.remote.address}:${this.peer.remote.port}` : '';
  }

  get codec(): string {
    return this.peer?.types.codec ?? '';
  }

  /** True when the peer keeps us waiting (it will not listen). */
  get held(): boolean {
    return this.peer !== undefined && (this.peer.direction === 'recvonly' || this.peer.direction === 'inactive');
  }

  get canSendKeys(): boolean {
    return this.session.canSendDigits;
  }

  offer(): string {
    return this.version_(() => writeOffer(this.local, this.version));
  }

  /** Follows a peer's answer. @throws SessionDescriptionError */
  takeAnswer(text: string): void {
    this.follow(readDescription(text, this.options.codecs));
  }

  /** Makes sure that an offer can be answered. @throws SessionDescriptionError */
  examine(text: string): void {
    readDescription(text, this.options.codecs);
  }

  /** Follows a peer's offer and returns the answer. @throws SessionDescriptionError */
  takeOffer(text: string): string {
    const peer = readDescription(text, this.options.codecs);
    this.follow(peer);
    return this.version_(() => writeAnswer(this.local, peer, this.version));
  }

  /** Says something from now on; nothing: silence. */
  say(source: FrameSource | undefined): void {
    this.session.play(source);
  }

  /** Presses keys as RFC 4733 events; resolves when they are through. */
  async press(keys: string): Promise<void> {
    await this.session.sendDigits(keys, { durationMs: 100, gapMs: 80 });
  }

  stats(): RtpStats {
    return this.closedStats ?? this.session.stats();
  }

  close(): void {
    this.closedStats ??= this.session.stats();
    this.session.close();
  }

  private follow(peer: PeerMedia): void {
    this.peer = peer;
    this.session.setRemote(peer.remote, peer.types, peer.direction);
  }

  /** A description that says the same keeps its version (RFC 3264 section 8). */
  private version_(write: () => string): string {
    const same = write();
    if (same === this.lastWritten) return same;
    if (this.lastWritten !== '') this.version++;
    this.lastWritten = write();
    return this.lastWritten;
  }
}
