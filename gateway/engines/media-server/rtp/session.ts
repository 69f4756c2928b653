/**
 * One RTP session: a pair of ports, one outgoing stream that never changes its SSRC, the peer's stream, and the relay to
 * another session while two calls are bridged.
 *
 * Relayed packets are rewritten in place (payload type, sequence, timestamp, SSRC, law) and sent on at once, with the gaps
 * of the source kept, so that losses stay visible at the far end. Everything made here (sources, silence, keys) goes out
 * with the beat of the clock.
 */
import { randomInt } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type dgram from 'node:dgram';
import type { MediaClock } from './clock.js';
import { FRAME_MS, FRAME_SAMPLES, SILENCE, STATIC_PAYLOAD_TYPE, decode, encode, transcode, type Codec } from './g711.js';
import { SourceLatch } from './latch.js';
import { RTP_HEADER_BYTES, boundsEnd, boundsStart, looksLikeRtcp, payloadBounds, sequenceDistance, sequenceOf, ssrcOf, timestampDistance, timestampOf, writeHeader } from './packet.js';
import { PortPool, type PortPair } from './ports.js';
import { ReceiveStatistics } from './receive-statistics.js';
import { buildReport, readReport } from './rtcp.js';
import { DESCRIBED, type SourceRule } from './source-rule.js';
import { TelephoneEventReceiver, type DigitEvent } from './telephone-event-receiver.js';
import { TelephoneEventSender, type DigitsOptions } from './telephone-event-sender.js';

/** Something to play: fills `out` from its start with 16-bit samples at 8 kHz. */
export interface FrameSource {
  /** Returns how many samples were written, at most `out.length`; fewer means that the source has ended. */
  read(out: Int16Array): number;
  /** A source that knows says with its last full frame that there is nothing more. */
  readonly ended?: boolean;
}

export interface RemoteAddress {
  address: string;
  /** 0: nowhere to send to. */
  port: number;
  /** At `address`: a description that names another host for its reports is not believed there. */
  rtcpPort?: number;
  /** RTCP on the RTP port (RFC 5761). */
  rtcpMux?: boolean;
}

export interface PayloadTypes {
  codec: Codec;
  /** Payload type of `codec`; RFC 3551's own when left out. */
  audio?: number;
  /** Payload type of telephone-event/8000; absent: the peer does not speak it. */
  telephoneEvent?: number;
  /** Audio frames per packet sent: 1 (20 ms), 2 or 3. */
  framesPerPacket?: number;
}

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

export interface RtpSessionOptions {
  host: string;
  /** A pool to share; without one the system chooses ports. */
  ports?: PortPool;
  clock: MediaClock;
  /** Send RTCP reports from the beginning; otherwise only to a peer that sends them. */
  rtcp?: boolean;
  /** Whose packets count; those from where the description says when left out. */
  source?: SourceRule;
}

export interface RtpStats {
  packetsSent: number;
  octetsSent: number;
  packetsReceived: number;
  octetsReceived: number;
  /** Packets of the peer that never came. */
  lost: number;
  jitterMs: number;
  /** Packets dropped: malformed, of an unknown payload type or from somebody else. */
  discarded: number;
  digitsReceived: number;
  /** What the peer says of our packets, if it sends RTCP. */
  remoteFractionLost?: number;
  remoteJitterMs?: number;
  roundTripMs?: number;
}

export interface FrameInfo {
  sequence: number;
  timestamp: number;
  marker: boolean;
}

interface SessionEvents {
  /** Received audio, decoded. Costs only when listened for. */
  frame: [samples: Int16Array, info: FrameInfo];
  digit: [event: DigitEvent];
  /** The peer's packets come from here and not from where its SDP said. */
  moved: [address: string, port: number];
}

const OUT_SLOTS = 8;
const MAX_FRAMES_PER_PACKET = 3;
const SLOT_BYTES = RTP_HEADER_BYTES + MAX_FRAMES_PER_PACKET * FRAME_SAMPLES;
/** A relay whose source falls silent is filled with silence after this long: the far end must not think the line dead. */
const RELAY_SILENCE_MS = 200;
const RTCP_INTERVAL_BEATS = 4000 / FRAME_MS;
const CN_PAYLOAD_TYPE = 13;

/** The part of a relay that its receiving session keeps: how the source's numbers map onto ours. */
interface RelayMap {
  ssrc: number;
  sequenceOffset: number;
  timestampOffset: number;
  /** Nothing older than this is mapped: its numbers were used for something else. */
  floorSequence: number;
}

export class RtpSession extends EventEmitter<SessionEvents> {
  readonly ssrc = randomInt(1, 2 ** 32 - 1);
  /** Received audio is replaced by silence for whoever listens or is bridged; keys still count. */
  receiveMuted = false;
  /** The peer holds: what it sends is not for whom it talks with. */
  peerHolds = false;
  /** Hears what is received (after mute) and what is sent, as raw G.711; for recording. */
  tap: { received(codec: Codec, payload: Buffer, start: number, end: number): void; sent(codec: Codec, payload: Buffer, start: number, end: number): void } | undefined;
  /** Without a source: silence, or nothing at all. */
  sendSilence = true;

  private readonly latch: SourceLatch;
  private readonly statistics = new ReceiveStatistics();
  private readonly eventReceiver: TelephoneEventReceiver;
  private readonly eventSender = new TelephoneEventSender();
  private codec: Codec = 'PCMA';
  private audioPayloadType: number = STATIC_PAYLOAD_TYPE.PCMA;
  private telephoneEvent = -1;
  private framesPerPacket = 1;
  private sends = false;
  private receives = true;
  private remote: RemoteAddress | undefined;
  private rtcpActive: boolean;
  private rtcpBeats = randomInt(0, RTCP_INTERVAL_BEATS);
  private lastSr: { middle32: number; arrivedMs: number } | undefined;
  private readonly cname: string;

  private sequence = randomInt(0, 65536);
  /** Timestamp of the next frame of our own making; moves on with every beat, sent or not. */
  private timestamp = randomInt(0, 2 ** 32);
  /** End of what was sent so far: the next packet must not begin before. */
  private sentUpTo: number;
  private markNext = true;
  private readonly slots = Buffer.alloc(OUT_SLOTS * SLOT_BYTES);
  /** Views of the slots filled with one frame, the usual packet. */
  private readonly wholeSlots = Array.from({ length: OUT_SLOTS }, (_, slot) => this.slots.subarray(slot * SLOT_BYTES, slot * SLOT_BYTES + RTP_HEADER_BYTES + FRAME_SAMPLES));
  private slot = 0;
  private readonly frame = new Int16Array(FRAME_SAMPLES);
  private pendingFrames = 0;

  private source: FrameSource | undefined;
  /** What is heard in place of the relay while several talk; pauses while something is played. */
  private mix: FrameSource | undefined;
  private onSourceEnd: (() => void) | undefined;
  private relayTo: RtpSession | undefined;
  private relayMap: RelayMap | undefined;
  private relayed = false;
  private relayedAtMs = 0;

  private packetsSent = 0;
  private octetsSent = 0;
  private packetsAtReport = 0;
  private octetsReceived = 0;
  private discarded = 0;
  private digitsReceived = 0;
  private remoteFractionLost: number | undefined;
  private remoteJitterMs: number | undefined;
  private roundTripMs: number | undefined;
  private closed = false;

  private constructor(private readonly pool: PortPool, private readonly pair: PortPair, private readonly clock: MediaClock, rtcp: boolean, source: SourceRule) {
    super();
    this.latch = new SourceLatch(source);
    this.sentUpTo = this.timestamp;
    this.rtcpActive = rtcp;
    this.cname = `${this.ssrc.toString(16)}@${pool.host}`;
    this.eventReceiver = new TelephoneEventReceiver((event) => {
      this.digitsReceived++;
      this.emit('digit', event);
    });
    pair.rtp.on('message', this.onRtp);
    pair.rtcp.on('message', this.onRtcp);
    // a refused port of the peer shows up here; the stream goes on
    pair.rtp.on('error', ignore);
    pair.rtcp.on('error', ignore);
    clock.add(this);
  }

  /** Takes ports and begins to listen; sends nothing before {@link setRemote}. */
  static async open(options: RtpSessionOptions): Promise<RtpSession> {
    const pool = options.ports ?? new PortPool(options.host);
    return new RtpSession(pool, await pool.take(), options.clock, options.rtcp ?? false, options.source ?? DESCRIBED);
  }

  get localAddress(): string {
    return this.pool.host;
  }

  get localPort(): number {
    return this.pair.port;
  }

  /** Where packets go now: the SDP's address, or the one the peer was heard from. */
  get remoteAddress(): { address: string; port: number } | undefined {
    return this.latch.address === undefined ? undefined : { address: this.latch.address, port: this.latch.port };
  }

  get payloadTypes(): Readonly<Required<Pick<PayloadTypes, 'codec' | 'audio'>> & Pick<PayloadTypes, 'telephoneEvent'>> {
    return { codec: this.codec, audio: this.audioPayloadType, ...(this.telephoneEvent >= 0 && { telephoneEvent: this.telephoneEvent }) };
  }

  /**
   * What an offer and its answer settled. May be called again (re-INVITE): SSRC, numbering and timing go on; a peer that
   * repeats its address stays where it was heard, unless it is heard steadily from elsewhere and no more from there.
   */
  setRemote(remote: RemoteAddress, types: PayloadTypes, direction: Direction = 'sendrecv'): void {
    this.remote = remote;
    if (remote.port === 0) this.latch.hold();
    else this.latch.expect(remote.address, remote.port);
    const audio = types.audio ?? STATIC_PAYLOAD_TYPE[types.codec];
    if (audio !== this.audioPayloadType || types.codec !== this.codec) this.dropUnsentFrames();
    this.codec = types.codec;
    this.audioPayloadType = audio;
    this.telephoneEvent = types.telephoneEvent ?? -1;
    this.framesPerPacket = Math.min(MAX_FRAMES_PER_PACKET, Math.max(1, types.framesPerPacket ?? 1));
    const toItself = remote.port === this.localPort && remote.address === this.localAddress;
    this.sends = remote.port > 0 && this.latch.address !== undefined && !toItself && (direction === 'sendrecv' || direction === 'sendonly');
    this.receives = direction === 'sendrecv' || direction === 'recvonly';
    if (!this.sends) this.markNext = true;
    if (remote.rtcpMux || remote.rtcpPort !== undefined) this.rtcpActive = true;
  }

  /** Plays a source from the next beat on, in place of what played before; `onEnd` is called in the beat of its last frame. */
  play(source: FrameSource | undefined, onEnd?: () => void): void {
    this.source = source;
    this.onSourceEnd = onEnd;
  }

  get playing(): boolean {
    return this.source !== undefined;
  }

  /**
   * Sends what several others say, mixed, in place of what one other is relayed to say; undefined: the relay again. What is
   * played goes first. The source must give whole frames for ever.
   */
  hearMixed(source: FrameSource | undefined): void {
    if (this.mix && !source) {
      this.relayMap = undefined;
      this.markNext = true;
    }
    this.mix = source;
  }

  /** Sends one packet of audio at once, outside the beat; for callers with a pace of their own. */
  sendFrame(samples: Int16Array): void {
    if (!this.sends || this.closed) return;
    const count = Math.min(samples.length, MAX_FRAMES_PER_PACKET * FRAME_SAMPLES);
    this.ownTimestamp();
    const offset = this.nextSlot();
    encode(this.codec, samples, count, this.slots, offset + RTP_HEADER_BYTES);
    this.sendSlot(offset, count, this.audioPayloadType, this.takeMarker(), this.timestamp);
    this.timestamp = (this.timestamp + count) >>> 0;
    this.sentUpTo = this.timestamp;
  }

  /** Sends keys as RFC 4733 events, audio waiting meanwhile; false when the peer does not speak them. */
  get canSendDigits(): boolean {
    return this.telephoneEvent >= 0;
  }

  /** Resolves when the last key was sent, at once when the peer does not speak telephone-event. */
  sendDigits(digits: string, options?: DigitsOptions): Promise<void> {
    if (this.closed || this.telephoneEvent < 0) return Promise.resolve();
    return this.eventSender.push(digits, options);
  }

  /** Received packets go to `target` from now on; undefined: nowhere. One direction of a bridge. */
  relay(target: RtpSession | undefined): void {
    if (this.relayTo) this.relayTo.endRelay();
    this.relayTo = target;
    target?.beginRelay();
  }

  stats(): RtpStats {
    return {
      packetsSent: this.packetsSent,
      octetsSent: this.octetsSent,
      packetsReceived: this.statistics.totalReceived,
      octetsReceived: this.octetsReceived,
      lost: this.statistics.lost,
      jitterMs: this.statistics.jitterMs,
      discarded: this.discarded,
      digitsReceived: this.digitsReceived,
      ...(this.remoteFractionLost !== undefined && { remoteFractionLost: this.remoteFractionLost }),
      ...(this.remoteJitterMs !== undefined && { remoteJitterMs: this.remoteJitterMs }),
      ...(this.roundTripMs !== undefined && { roundTripMs: this.roundTripMs }),
    };
  }

  /** Says goodbye where RTCP is spoken, and frees ports and beat. */
  close(): void {
    if (this.closed) return;
    if (this.rtcpActive) this.sendReport(performance.now(), true);
    this.closed = true;
    this.clock.remove(this);
    this.relay(undefined);
    this.eventSender.cancel();
    this.source = undefined;
    this.mix = undefined;
    this.onSourceEnd = undefined;
    this.tap = undefined;
    this.removeAllListeners();
    this.pool.release(this.pair);
  }

  // ------------------------------------------------------------------ beat

  /** Called by the clock. */
  tick(nowMs: number): void {
    if (this.eventReceiver.pending) this.eventReceiver.poll(nowMs);
    if (this.rtcpActive && ++this.rtcpBeats >= RTCP_INTERVAL_BEATS) {
      this.rtcpBeats = 0;
      this.sendReport(nowMs, false);
    }
    if (this.sends) this.ownTimestamp();
    if (this.eventSender.busy) {
      if (!this.sends) this.eventSender.cancel();
      else if (this.eventSender.tick(this.timestamp, this.sendEvent) === 'event') {
        this.dropUnsentFrames();
        this.advance();
        this.markNext = true;
        return;
      }
    }
    const { source } = this;
    if (source) {
      const count = source.read(this.frame);
      const ended = count < FRAME_SAMPLES || source.ended === true;
      if (ended) {
        this.frame.fill(0, count);
        this.source = undefined;
      }
      if (count > 0 && this.sends) this.queueFrame();
      else if (this.sends && this.sendSilence && !this.relayed) this.queueSilence();
      if (ended) {
        const onEnd = this.onSourceEnd;
        this.onSourceEnd = undefined;
        this.advance();
        onEnd?.();
        return;
      }
    } else if (this.mix) {
      if (this.sends) {
        this.mix.read(this.frame);
        this.queueFrame();
      }
    } else if (this.sends && this.sendSilence && (!this.relayed || nowMs - this.relayedAtMs >= RELAY_SILENCE_MS)) {
      this.queueSilence();
    }
    this.advance();
  }

  private advance(): void {
    this.timestamp = (this.timestamp + FRAME_SAMPLES) >>> 0;
  }

  /** Our own frames come after whatever was relayed, and never twice at one time. */
  private ownTimestamp(): void {
    if (timestampDistance(this.timestamp, this.sentUpTo) < 0) this.timestamp = this.sentUpTo;
  }

  private queueFrame(): void {
    const offset = this.slotOfFrame();
    encode(this.codec, this.frame, FRAME_SAMPLES, this.slots, offset);
    this.frameQueued();
  }

  private queueSilence(): void {
    const offset = this.slotOfFrame();
    this.slots.fill(SILENCE[this.codec], offset, offset + FRAME_SAMPLES);
    this.frameQueued();
  }

  private slotOfFrame(): number {
    if (this.pendingFrames === 0) this.nextSlot();
    return this.slot * SLOT_BYTES + RTP_HEADER_BYTES + this.pendingFrames * FRAME_SAMPLES;
  }

  private frameQueued(): void {
    this.relayMap = undefined; // the relay takes up again after our own packets
    this.pendingFrames++;
    if (this.pendingFrames < this.framesPerPacket) return;
    const samples = this.pendingFrames * FRAME_SAMPLES;
    this.pendingFrames = 0;
    const timestamp = (this.timestamp + FRAME_SAMPLES - samples) >>> 0;
    this.sendSlot(this.slot * SLOT_BYTES, samples, this.audioPayloadType, this.takeMarker(), timestamp);
    this.sentUpTo = (timestamp + samples) >>> 0;
  }

  private dropUnsentFrames(): void {
    this.pendingFrames = 0;
  }

  private readonly sendEvent = (marker: boolean, timestamp: number, payload: Buffer): void => {
    this.relayMap = undefined;
    const offset = this.nextSlot();
    payload.copy(this.slots, offset + RTP_HEADER_BYTES);
    this.sendSlot(offset, payload.length, this.telephoneEvent, marker, timestamp);
    this.sentUpTo = (this.timestamp + FRAME_SAMPLES) >>> 0;
  };

  private nextSlot(): number {
    this.slot = (this.slot + 1) % OUT_SLOTS;
    return this.slot * SLOT_BYTES;
  }

  private takeMarker(): boolean {
    const marker = this.markNext;
    this.markNext = false;
    return marker;
  }

  private sendSlot(offset: number, payloadBytes: number, payloadType: number, marker: boolean, timestamp: number): void {
    writeHeader(this.slots, offset, marker, payloadType, this.sequence, timestamp, this.ssrc);
    this.sequence = (this.sequence + 1) & 0xffff;
    this.transmit(payloadBytes === FRAME_SAMPLES ? this.wholeSlots[offset / SLOT_BYTES]! : this.slots.subarray(offset, offset + RTP_HEADER_BYTES + payloadBytes));
    if (this.tap && payloadType === this.audioPayloadType) this.tap.sent(this.codec, this.slots, offset + RTP_HEADER_BYTES, offset + RTP_HEADER_BYTES + payloadBytes);
  }

  /** Whole buffers only: a part of one would cost a view made anew for every packet. */
  private transmit(packet: Buffer): void {
    this.packetsSent++;
    this.octetsSent += packet.length - RTP_HEADER_BYTES;
    this.pair.rtp.send(packet, this.latch.port, this.latch.address);
  }

  // ------------------------------------------------------------------ relay

  private beginRelay(): void {
    this.relayed = true;
    this.relayedAtMs = performance.now();
    this.relayMap = undefined;
  }

  private endRelay(): void {
    this.relayed = false;
    this.relayMap = undefined;
    this.markNext = true;
  }

  /** Sends on a packet the bridged session received. `packet` is ours to change. */
  private relayPacket(packet: Buffer, start: number, end: number, kind: 'audio' | 'event', codec: Codec, muted: boolean, nowMs: number): void {
    this.relayedAtMs = nowMs;
    // our own audio (an announcement to this leg, keys being sent, the mix of several) has the floor
    if (!this.sends || this.closed || this.source || this.mix || this.eventSender.busy) return;
    const payloadType = kind === 'audio' ? this.audioPayloadType : this.telephoneEvent;
    if (payloadType < 0) return;
    const inSequence = sequenceOf(packet);
    const inTimestamp = timestampOf(packet);
    const inSsrc = ssrcOf(packet);
    let map = this.relayMap;
    let marker = (packet[1]! & 0x80) !== 0;
    if (!map || map.ssrc !== inSsrc || Math.abs(sequenceDistance(inSequence, map.floorSequence)) > 30000 || Math.abs(timestampDistance(inTimestamp + map.timestampOffset, this.timestamp)) > 80000) {
      this.dropUnsentFrames();
      this.ownTimestamp();
      map = { ssrc: inSsrc, sequenceOffset: this.sequence - inSequence, timestampOffset: this.timestamp - inTimestamp, floorSequence: inSequence };
      this.relayMap = map;
      marker = marker || kind === 'audio';
    } else if (sequenceDistance(inSequence, map.floorSequence) < 0) {
      return;
    }
    const sequence = (inSequence + map.sequenceOffset) & 0xffff;
    const timestamp = (inTimestamp + map.timestampOffset) >>> 0;
    const payloadBytes = end - start;
    const ahead = sequenceDistance(sequence, this.sequence);
    if (ahead >= 0) {
      this.sequence = (sequence + 1) & 0xffff;
      // the floor follows, so that the distance to it always stays on one side of the circle
      if (sequenceDistance(inSequence, map.floorSequence) > 1000) map.floorSequence = (inSequence - 500) & 0xffff;
    }
    const upTo = (timestamp + (kind === 'audio' ? payloadBytes : FRAME_SAMPLES)) >>> 0;
    if (timestampDistance(upTo, this.sentUpTo) > 0) this.sentUpTo = upTo;
    if (kind === 'audio') {
      if (muted) packet.fill(SILENCE[this.codec], start, end);
      else if (codec !== this.codec) transcode(codec, packet, start, end);
    }
    // CSRC list and extension, if any, stay behind: the header goes right before the payload
    const offset = start - RTP_HEADER_BYTES;
    writeHeader(packet, offset, marker, payloadType, sequence, timestamp, this.ssrc);
    this.markNext = false;
    this.transmit(offset === 0 && end === packet.length ? packet : packet.subarray(offset, end));
    if (this.tap && kind === 'audio') this.tap.sent(this.codec, packet, start, end);
  }

  // ------------------------------------------------------------------ reception

  private readonly onRtp = (packet: Buffer, from: dgram.RemoteInfo): void => {
    // by its address first: a spray from elsewhere is to cost as little as it can
    if (!this.latch.mayCome(from.address)) {
      this.discarded++;
      return;
    }
    if (looksLikeRtcp(packet)) {
      this.takeReport(packet, from, true);
      return;
    }
    const bounds = payloadBounds(packet);
    if (bounds < 0 || !this.remote) {
      this.discarded++;
      return;
    }
    const start = boundsStart(bounds);
    const end = boundsEnd(bounds);
    const payloadType = packet[1]! & 0x7f;
    const isEvent = payloadType === this.telephoneEvent;
    let codec: Codec = this.codec;
    if (!isEvent && payloadType !== this.audioPayloadType) {
      if (payloadType === STATIC_PAYLOAD_TYPE.PCMA) codec = 'PCMA';
      else if (payloadType === STATIC_PAYLOAD_TYPE.PCMU) codec = 'PCMU';
      else if (payloadType !== CN_PAYLOAD_TYPE) {
        this.discarded++;
        return;
      }
    }
    const nowMs = performance.now();
    const ssrc = ssrcOf(packet);
    const sequence = sequenceOf(packet);
    const verdict = this.latch.judge(from.address, from.port, ssrc, sequence, nowMs);
    if (verdict === 'drop' || verdict === 'candidate') {
      this.discarded++;
      return;
    }
    if (verdict === 'moved') {
      this.emit('moved', from.address, from.port);
      // a key that was begun before its source was known is not one of it
      if (isEvent) return;
    }
    if (payloadType === CN_PAYLOAD_TYPE) return;
    this.octetsReceived += end - start;
    const timestamp = timestampOf(packet);
    if (isEvent) {
      this.statistics.addSequence(ssrc, sequence);
      this.eventReceiver.packet(packet, start, end, (packet[1]! & 0x80) !== 0, timestamp, ssrc, nowMs);
      this.relayTo?.relayPacket(packet, start, end, 'event', codec, false, nowMs);
      return;
    }
    this.statistics.add(ssrc, sequence, timestamp, nowMs);
    if (!this.receives || end === start) return;
    const muted = this.receiveMuted || this.peerHolds;
    if (this.listenerCount('frame') > 0) {
      const samples = muted ? new Int16Array(end - start) : decode(codec, packet, start, end - start);
      this.emit('frame', samples, { sequence, timestamp, marker: (packet[1]! & 0x80) !== 0 });
    }
    if (this.tap) {
      if (muted) packet.fill(SILENCE[codec], start, end);
      this.tap.received(codec, packet, start, end);
    }
    this.relayTo?.relayPacket(packet, start, end, 'audio', codec, muted, nowMs);
  };

  private readonly onRtcp = (packet: Buffer, from: dgram.RemoteInfo): void => {
    if (this.latch.mayCome(from.address)) this.takeReport(packet, from, false);
    else this.discarded++;
  };

  /** Only the host that is heard may report, from where its description or its stream says that it does. */
  private takeReport(packet: Buffer, from: dgram.RemoteInfo, onRtpPort: boolean): void {
    const { latch, remote } = this;
    const isHeard = latch.isHeard && from.address === latch.address;
    const expectedPort = onRtpPort ? latch.port : (latch.port === remote?.port ? remote.rtcpPort : undefined) ?? latch.port + 1;
    if (!remote || !isHeard || (from.port !== expectedPort && !this.isOfStream(packet))) {
      this.discarded++;
      return;
    }
    const report = readReport(packet, this.ssrc);
    if (!report) {
      this.discarded++;
      return;
    }
    this.rtcpActive = true;
    if (report.srMiddle32 !== undefined) this.lastSr = { middle32: report.srMiddle32, arrivedMs: performance.now() };
    this.remoteFractionLost = report.fractionLost ?? this.remoteFractionLost;
    this.remoteJitterMs = report.jitterMs ?? this.remoteJitterMs;
    this.roundTripMs = report.roundTripMs ?? this.roundTripMs;
  }

  /** A report from another port counts when it is by the sender of the stream that is heard. */
  private isOfStream(packet: Buffer): boolean {
    return packet.length >= 8 && this.statistics.totalReceived > 0 && packet.readUInt32BE(4) === this.statistics.ssrc;
  }

  private sendReport(nowMs: number, bye: boolean): void {
    const remote = this.remote;
    if (!remote || !this.latch.address || this.latch.port === 0) return;
    const reception = this.statistics.report();
    const sentSince = this.packetsSent - this.packetsAtReport;
    this.packetsAtReport = this.packetsSent;
    const report = buildReport(
      {
        ssrc: this.ssrc,
        cname: this.cname,
        ...(sentSince > 0 && { sent: { packets: this.packetsSent, octets: this.octetsSent, rtpTimestamp: this.timestamp } }),
        ...(reception && { reception }),
        ...(this.lastSr && { lastSr: this.lastSr }),
        bye,
      },
      nowMs,
    );
    if (remote.rtcpMux) this.pair.rtp.send(report, this.latch.port, this.latch.address);
    // a peer that was heard elsewhere has its RTCP beside the port it was heard from
    else if (this.latch.address === remote.address && this.latch.port === remote.port) this.pair.rtcp.send(report, remote.rtcpPort ?? Math.min(65535, remote.port + 1), remote.address);
    else if (this.latch.port < 65535) this.pair.rtcp.send(report, this.latch.port + 1, this.latch.address);
  }
}

function ignore(): void {
  // nothing to do
}
