/**
 * RTP for hundreds of phones in one process, as cheaply as Node can: one timer for all, sockets shared by several
 * phones (told apart by the port they talk with), nothing allocated per packet by us. Every audio packet carries its
 * sender's number, a count and the moment it was sent, so that the receiver knows who was heard, what was lost and how
 * long it took. A relay that passes G.711 on untouched leaves them intact.
 */
import dgram from 'node:dgram';
import { DelayHistogram, round } from '../statistics.js';

const frameMs = 20;
const frameBytes = 160;
const headerBytes = 12;
const packetBytes = headerBytes + frameBytes;
const audioType = 8;
const eventType = 101;
/** Marks a payload as ours. */
const mark = 0x62656e63;
const markAt = headerBytes;
const senderAt = headerBytes + 4;
const countAt = headerBytes + 8;
const sentAtAt = headerBytes + 12;
/** A send that cannot be done at once keeps its buffer; by the time a slot is used again it has long been copied. */
const slots = 4;
/** Beats of one key: three packets while it is pressed, the last one with the end bit, then its two repetitions. */
const beatsPerKey = 5;
const firstEndBeat = 2;
const keys = '0123456789*#ABCD';
/** After a stall longer than this, packets are left out instead of sent in a burst. */
const longestCatchUpMs = 100;

export interface MediaMeasure {
  seconds: number;
  streams: number;
  sent: number;
  received: number;
  lossPercent: number;
  /** The stream that lost most. */
  worstStreamLossPercent: number;
  /** Time from the sender's call of send to the receiver's event, in ms. */
  delayMs: { p50: number; p95: number; p99: number };
  /** The same above each stream's own minimum. */
  jitterMs: { p50: number; p95: number; p99: number };
  /** Milliseconds in which the generator itself was too late to send: above a few the measurement says little. */
  generatorStalledMs: number;
}

type Socket = dgram.Socket;

/** One phone's media. */
export class RtpLine {
  /** Called once for each sender that is heard for the first time. */
  onHeard: ((sender: number) => void) | undefined;
  /** Called once, with the first packet of any kind. */
  onFirstPacket: (() => void) | undefined;
  received = 0;
  /** Packets of other phones among them: not of prompts or music. */
  spoken = 0;
  private remoteAddress = '';
  private remotePort = 0;
  private readonly buffer = Buffer.alloc(slots * packetBytes, 0xd5);
  private readonly packets = Array.from({ length: slots }, (_, i) => this.buffer.subarray(i * packetBytes, (i + 1) * packetBytes));
  private readonly events = Array.from({ length: slots }, () => Buffer.alloc(headerBytes + 4));
  private slot = 0;
  private sequence = Math.floor(Math.random() * 65_536);
  private timestamp = Math.floor(Math.random() * 2 ** 31);
  private count = 0;
  private heard = -1;
  private typed = '';
  private beat = 0;
  private keyTimestamp = 0;
  private onTyped: ((lastKeyEndedAt: number) => void) | undefined;
  // ---- measurement
  private countFrom = 0;
  private countTo = 0;
  private counted = 0;
  private histogram: DelayHistogram | undefined;
  /** Whose packets count in the present measurement. */
  private measured: RtpLine | undefined;

  constructor(readonly id: number, readonly phase: number, private readonly home: SharedSocket, private readonly lines: RtpLines) {
    for (const packet of this.packets) {
      packet[0] = 0x80;
      packet[1] = audioType;
      packet.writeUInt32BE(id + 1, 8);
      packet.writeUInt32LE(mark, markAt);
      packet.writeUInt32LE(id, senderAt);
    }
    for (const event of this.events) {
      event[0] = 0x80;
      event.writeUInt32BE(id + 1, 8);
    }
  }

  get localPort(): number {
    return this.home.port;
  }

  /** Number of the phone that was heard last, -1 for none. */
  get heardSender(): number {
    return this.heard;
  }

  /** Begins to send to a peer, 50 packets per second, and to take what comes from there. */
  talkWith(address: string, port: number): void {
    this.forget();
    this.remoteAddress = address;
    this.remotePort = port;
    this.home.lines.set(port, this);
    this.lines.add(this);
  }

  /** Presses keys by RFC 4733: 60 ms each, 40 ms between them. @returns when the last one's first end packet was sent (performance.now) */
  type(digits: string): Promise<number> {
    this.typed = digits;
    this.beat = 0;
    return new Promise((resolve) => (this.onTyped = resolve));
  }

  /** Our description, offer and answer alike: G.711 A-law and keys. */
  sdp(address: string): string {
    return [
      'v=0', `o=- ${this.id + 1} 1 IN IP4 ${address}`, 's=-', `c=IN IP4 ${address}`, 't=0 0',
      `m=audio ${this.localPort} RTP/AVP ${audioType} ${eventType}`,
      `a=rtpmap:${audioType} PCMA/8000`, `a=rtpmap:${eventType} telephone-event/8000`, `a=fmtp:${eventType} 0-15`, 'a=ptime:20', 'a=sendrecv', '',
    ].join('\r\n');
  }

  close(): void {
    this.lines.remove(this);
    this.forget();
    this.home.release(this);
    this.onHeard = undefined;
    this.onTyped = undefined;
  }

  /** The port may be another phone's peer by now. */
  private forget(): void {
    if (this.home.lines.get(this.remotePort) === this) this.home.lines.delete(this.remotePort);
  }

  /** @param sender whose packets are to be counted here */
  beginMeasure(sender: RtpLine): void {
    this.measured = sender;
    this.counted = 0;
    this.histogram = new DelayHistogram();
    sender.countFrom = sender.count;
    sender.countTo = Number.MAX_SAFE_INTEGER;
  }

  stopCounting(): void {
    this.countTo = this.count;
  }

  endMeasure(): { sent: number; received: number; histogram: DelayHistogram } {
    const sender = this.measured!;
    const result = { sent: sender.countTo - sender.countFrom, received: this.counted, histogram: this.histogram! };
    this.histogram = undefined;
    this.measured = undefined;
    return result;
  }

  take(packet: Buffer): void {
    this.received += 1;
    if (this.received === 1) this.onFirstPacket?.();
    if (packet.length < packetBytes || packet.readUInt32LE(markAt) !== mark) return;
    this.spoken += 1;
    const sender = packet.readUInt32LE(senderAt);
    if (sender !== this.heard) {
      this.heard = sender;
      this.onHeard?.(sender);
    }
    if (sender !== this.measured?.id) return;
    const count = packet.readUInt32LE(countAt);
    if (count < this.measured.countFrom || count >= this.measured.countTo) return;
    this.counted += 1;
    this.histogram!.add(performance.now() - packet.readDoubleLE(sentAtAt));
  }

  /** One beat of 20 ms. */
  send(): void {
    this.timestamp = (this.timestamp + frameBytes) >>> 0;
    this.sequence = (this.sequence + 1) & 0xffff;
    this.slot = (this.slot + 1) % slots;
    if (this.typed !== '') return this.sendKey();
    const packet = this.packets[this.slot]!;
    packet.writeUInt16BE(this.sequence, 2);
    packet.writeUInt32BE(this.timestamp, 4);
    packet.writeUInt32LE(this.count++, countAt);
    packet.writeDoubleLE(performance.now(), sentAtAt);
    this.home.socket.send(packet, this.remotePort, this.remoteAddress);
  }

  private sendKey(): void {
    const packet = this.events[this.slot]!;
    if (this.beat === 0) this.keyTimestamp = this.timestamp;
    const ending = this.beat >= firstEndBeat;
    packet[1] = (this.beat === 0 ? 0x80 : 0) | eventType;
    packet.writeUInt16BE(this.sequence, 2);
    packet.writeUInt32BE(this.keyTimestamp, 4);
    packet[12] = keys.indexOf(this.typed[0]!);
    packet[13] = (ending ? 0x80 : 0) | 10;
    packet.writeUInt16BE((Math.min(this.beat, firstEndBeat) + 1) * frameBytes, 14);
    this.home.socket.send(packet, this.remotePort, this.remoteAddress);
    if (this.beat === firstEndBeat && this.typed.length === 1) {
      this.onTyped?.(performance.now());
      this.onTyped = undefined;
    }
    this.beat += 1;
    if (this.beat === beatsPerKey) {
      this.beat = 0;
      this.typed = this.typed.slice(1);
    }
  }
}

class SharedSocket {
  readonly lines = new Map<number, RtpLine>();
  readonly residents = new Set<RtpLine>();
  private constructor(readonly socket: Socket, readonly alone: boolean) {
    socket.on('message', (packet, from) => this.lines.get(from.port)?.take(packet));
    // A closed port of the other side shows up here.
    socket.on('error', () => undefined);
  }

  get port(): number {
    return (this.socket.address()).port;
  }

  static async open(host: string, alone: boolean): Promise<SharedSocket> {
    // Addresses are numbers always: without a look-up sending is done within the call.
    const lookup = (name: string, _options: unknown, callback: (error: null, address: string, family: number) => void) => callback(null, name, 4);
    const socket = dgram.createSocket({ type: 'udp4', lookup: lookup, recvBufferSize: 1 << 20 });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(0, host, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    return new SharedSocket(socket, alone);
  }

  release(line: RtpLine): void {
    this.residents.delete(line);
  }
}

/** All phones of a process. */
export class RtpLines {
  private readonly beats = Array.from({ length: frameMs }, () => new Set<RtpLine>());
  private readonly sockets: SharedSocket[] = [];
  private nextId = 0;
  private timer: NodeJS.Timeout | undefined;
  private nextSlot = 0;
  private active = 0;
  private stalledMs = 0;
  private opening: Promise<unknown> = Promise.resolve();

  constructor(private readonly host: string, private readonly linesPerSocket: number) {}

  /** @param company `alone`: with a socket of its own, for phones that talk with each other directly */
  async open(company: 'shared' | 'alone' = 'shared'): Promise<RtpLine> {
    const id = this.nextId++;
    const home = this.opening.then(async () => {
      const free = company === 'shared' ? this.sockets.find((socket) => !socket.alone && socket.residents.size < this.linesPerSocket) : undefined;
      if (free) return free;
      const opened = await SharedSocket.open(this.host, company === 'alone');
      this.sockets.push(opened);
      return opened;
    });
    this.opening = home.then(async (socket) => {
      line = new RtpLine(id, (id * 7) % frameMs, socket, this);
      socket.residents.add(line);
    });
    let line: RtpLine | undefined;
    await this.opening;
    return line!;
  }

  add(line: RtpLine): void {
    const beat = this.beats[line.phase]!;
    if (beat.has(line)) return;
    beat.add(line);
    this.active += 1;
    if (this.active === 1) {
      this.nextSlot = Math.ceil(performance.now());
      this.timer = setTimeout(this.tick, 1);
    }
  }

  remove(line: RtpLine): void {
    if (this.beats[line.phase]!.delete(line)) this.active -= 1;
  }

  close(): void {
    clearTimeout(this.timer);
    for (const { socket } of this.sockets) socket.close();
    this.sockets.length = 0;
  }

  /** Measures both directions of each pair for a while. */
  async measure(pairs: readonly (readonly [RtpLine, RtpLine])[], seconds: number): Promise<MediaMeasure> {
    this.stalledMs = 0;
    for (const [a, b] of pairs) {
      a.beginMeasure(b);
      b.beginMeasure(a);
    }
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
    for (const [a, b] of pairs) {
      a.stopCounting();
      b.stopCounting();
    }
    // What is still under way counts as received if it comes within half a second.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const delays = new DelayHistogram();
    const variation = new DelayHistogram();
    let sent = 0;
    let received = 0;
    let worst = 0;
    for (const line of pairs.flat()) {
      const stream = line.endMeasure();
      sent += stream.sent;
      received += stream.received;
      worst = Math.max(worst, stream.sent === 0 ? 100 : (100 * (stream.sent - stream.received)) / stream.sent);
      delays.addAll(stream.histogram);
      variation.addVariationOf(stream.histogram);
    }
    const three = (histogram: DelayHistogram) => ({ p50: histogram.percentile(0.5), p95: histogram.percentile(0.95), p99: histogram.percentile(0.99) });
    return {
      seconds,
      streams: pairs.length * 2,
      sent,
      received,
      lossPercent: round(sent === 0 ? 100 : (100 * (sent - received)) / sent, 3),
      worstStreamLossPercent: round(worst, 3),
      delayMs: three(delays),
      jitterMs: three(variation),
      generatorStalledMs: Math.round(this.stalledMs),
    };
  }

  private readonly tick = (): void => {
    const now = performance.now();
    if (now - this.nextSlot > longestCatchUpMs) {
      this.stalledMs += now - this.nextSlot;
      this.nextSlot = Math.ceil(now);
    }
    while (this.nextSlot <= now) {
      for (const line of this.beats[this.nextSlot % frameMs]!) line.send();
      this.nextSlot += 1;
    }
    if (this.active > 0) this.timer = setTimeout(this.tick, 1);
  };
}
