/** A telephone's ear, mouth and keypad on one RTP port (RFC 3550, RFC 4733), with the faults a network adds. */
import dgram from 'node:dgram';
import alawmulaw from 'alawmulaw';
import { msOfTone, tone, until } from '../../peers/index.js';
import type { Address } from './phone.js';

const names = '0123456789*#ABCD';

export interface DescribeOptions {
  /** Media formats of the audio line in order, e.g. `['18', '0', '8', '96']`. */
  formats?: readonly string[];
  /** More attribute lines of the audio line. */
  attributes?: readonly string[];
  /** Whether each format gets its a=rtpmap. */
  rtpmap?: boolean;
  /** Payload type of telephone-event among the formats. */
  events?: number;
  direction?: string;
  ptime?: number;
  /** Address of c=, and whether it stands at the session or at the media line. */
  address?: string;
  connectionAt?: 'session' | 'media';
  /** Lines after the audio line, whole media descriptions. */
  more?: readonly string[];
  /** Media descriptions before the audio line. */
  before?: readonly string[];
  port?: number;
}

const rtpmaps: Record<string, string> = { 0: 'PCMU/8000', 8: 'PCMA/8000', 9: 'G722/8000', 18: 'G729/8000', 111: 'opus/48000/2', 13: 'CN/8000' };

/** Direction of a description, seen from who wrote it. */
export const directionOf = (sdp: string): string => /^a=(sendrecv|sendonly|recvonly|inactive)\s*$/m.exec(sdp)?.[1] ?? 'sendrecv';

export class Media {
  readonly packets: { at: number; type: number; from: string; timestamp: number; payload: Buffer }[] = [];
  /** Where to send; taken from a description by `follow`. */
  remote: Address | undefined;
  /** Payload type of our audio. */
  audioType = 8;
  eventType: number | undefined;
  frameMs = 20;
  /** Formats we described last. */
  private spoken: readonly string[] = ['0', '8'];
  /** The other side does not want to hear us now. */
  held = false;
  /** What the network does to each packet; default: delivers it. */
  network: (packet: Buffer, deliver: (packet: Buffer) => void) => void = (packet, deliver) => deliver(packet);
  private readonly ssrc = Math.floor(Math.random() * 2 ** 32);
  private sequence = Math.floor(Math.random() * 30_000);
  private timestamp = Math.floor(Math.random() * 2 ** 31);
  private samples: Int16Array = new Int16Array(8_000);
  private position = 0;
  private timer: NodeJS.Timeout | undefined;
  private due = 0;
  private readonly typing: { event: number; elapsed: number; length: number; start: number; ends: number }[] = [];
  private gapUntil = 0;
  private readonly speaker: dgram.Socket;

  private constructor(private readonly socket: dgram.Socket, private readonly second: dgram.Socket | undefined, readonly host: string) {
    this.speaker = second ?? socket;
    for (const each of second ? [socket, second] : [socket]) {
      each.on('error', () => undefined);
      each.on('message', (bytes, from) => {
        if (bytes.length < 12 || bytes[0]! >> 6 !== 2 || this.packets.length > 30_000) return;
        const type = bytes[1]! & 0x7f;
        if (type >= 72 && type <= 76) return;
        this.packets.push({ at: Date.now(), type, from: `${from.address}:${from.port}`, timestamp: bytes.readUInt32BE(4), payload: Buffer.from(bytes.subarray(12 + 4 * (bytes[0]! & 0x0f))) });
      });
    }
  }

  /** @param natted true: packets leave from another port than the one we describe, as behind a NAT */
  static async open({ host = '127.0.0.1', natted = false } = {}): Promise<Media> {
    const bind = async () => {
      const socket = dgram.createSocket('udp4');
      await new Promise<void>((resolve, reject) => { socket.once('error', reject); socket.bind(0, host, resolve); });
      return socket;
    };
    return new Media(await bind(), natted ? await bind() : undefined, host);
  }

  get port(): number {
    return this.socket.address().port;
  }

  stop(): Promise<void> {
    clearInterval(this.timer);
    this.socket.close();
    this.second?.close();
    return Promise.resolve();
  }

  describe(options: DescribeOptions = {}): string {
    const { formats = ['8', '0', '101'], attributes = [], rtpmap = true, events = 101, direction, ptime, address = this.host, connectionAt = 'session', more = [], before = [], port = this.port } = options;
    this.spoken = formats;
    return [
      'v=0', `o=phone ${this.ssrc} 1 IN IP4 ${this.host}`, 's=-', ...(connectionAt === 'session' ? [`c=IN IP4 ${address}`] : []), 't=0 0',
      ...before,
      `m=audio ${port} RTP/AVP ${formats.join(' ')}`, ...(connectionAt === 'media' ? [`c=IN IP4 ${address}`] : []),
      ...(rtpmap ? formats.flatMap((format) => (Number(format) === events ? [`a=rtpmap:${format} telephone-event/8000`, `a=fmtp:${format} 0-16`] : rtpmaps[format] ? [`a=rtpmap:${format} ${rtpmaps[format]}`] : [])) : []),
      ...(ptime === undefined ? [] : [`a=ptime:${ptime}`]), ...attributes, ...(direction === undefined ? [] : [`a=${direction}`]),
      ...more, '',
    ].join('\r\n');
  }

  /** Sends where a description says, with the codec and event type it puts first. */
  follow(sdp: string): this {
    const section = /^m=audio ([1-9]\d*) \S+ ([\d ]+)\r?$/m.exec(sdp);
    if (!section) throw new Error(`no audio line in:\n${sdp}`);
    const tail = sdp.slice(section.index);
    const end = tail.slice(2).search(/^m=/m);
    const own = end < 0 ? tail : tail.slice(0, end + 2);
    const address = /^c=IN IP4 (\S+)/m.exec(own)?.[1] ?? /^c=IN IP4 (\S+)/m.exec(sdp)?.[1];
    if (address === undefined) throw new Error(`no usable audio line in:\n${sdp}`);
    this.remote = { host: address, port: Number(section[1]) };
    this.audioType = section[2]!.split(' ').map(Number).find((type) => (type === 0 || type === 8) && this.spoken.includes(String(type))) ?? 8;
    this.held = directionOf(sdp) === 'sendonly' || directionOf(sdp) === 'inactive';
    const events = /^a=rtpmap:(\d+) telephone-event\/8000/im.exec(own)?.[1];
    this.eventType = events === undefined ? undefined : Number(events);
    return this;
  }

  /** Begins to send, silence at first. */
  start(): this {
    if (this.timer) return this;
    this.due = performance.now();
    this.timer = setInterval(() => {
      // A late timer sends what is due, a very late one does not flood.
      if (performance.now() - this.due > 400) this.due = performance.now() - 400;
      while (this.due <= performance.now()) {
        this.due += this.frameMs;
        this.frame();
      }
    }, 10);
    return this;
  }

  silence(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  say(hz: number | undefined): this {
    this.samples = hz === undefined ? new Int16Array(8_000) : tone([hz], 1_000);
    return this.start();
  }

  /** Presses keys one after another; resolves when the last has been released. */
  async press(keys: string, { toneMs = 80, gapMs = 60 } = {}): Promise<void> {
    this.start();
    for (const key of keys) this.typing.push({ event: names.indexOf(key), elapsed: 0, length: toneMs, start: -1, ends: 0 });
    this.gapMs = gapMs;
    await until(() => this.typing.length === 0, 'all keys to be sent', keys.length * (toneMs + gapMs + 200) + 5_000, 10);
  }

  private gapMs = 60;

  private frame(): void {
    const step = (this.frameMs * 8_000) / 1_000;
    const now = this.timestamp;
    this.timestamp = (this.timestamp + step) >>> 0;
    // Keys that the other side no longer takes are pressed in vain.
    if (this.eventType === undefined) this.typing.length = 0;
    const key = this.typing[0];
    if (key && this.eventType !== undefined && this.due >= this.gapUntil) {
      const first = key.start < 0;
      if (first) key.start = now;
      key.elapsed += this.frameMs;
      const over = key.elapsed >= key.length;
      // RFC 4733 section 2.5.1.4: the end is sent three times.
      for (let repeat = 0; repeat < (over ? 3 : 1); repeat++) {
        const payload = Buffer.from([key.event, (over ? 0x80 : 0) | 10, 0, 0]);
        payload.writeUInt16BE(Math.min(65_535, key.elapsed * 8), 2);
        this.packet(this.eventType, key.start, payload, first && repeat === 0);
      }
      if (over) {
        this.typing.shift();
        this.gapUntil = this.due + this.gapMs;
      }
      return;
    }
    const block = new Int16Array(step);
    for (let i = 0; i < step; i++) block[i] = this.samples[(this.position + i) % this.samples.length]!;
    this.position = (this.position + step) % this.samples.length;
    const encode = this.audioType === 0 ? alawmulaw.mulaw.encode : alawmulaw.alaw.encode;
    this.packet(this.audioType, now, Buffer.from(encode(block)), false);
  }

  private packet(type: number, timestamp: number, payload: Buffer, marker: boolean): void {
    const header = Buffer.alloc(12);
    header[0] = 0x80;
    header[1] = (marker ? 0x80 : 0) | type;
    header.writeUInt16BE((this.sequence = (this.sequence + 1) & 0xffff), 2);
    header.writeUInt32BE(timestamp, 4);
    header.writeUInt32BE(this.ssrc, 8);
    this.network(Buffer.concat([header, payload]), (packet) => {
      const { remote } = this;
      if (remote && remote.host !== '0.0.0.0' && !this.held && this.timer) this.speaker.send(packet, remote.port, remote.host);
    });
  }

  heardMs(hz: number, sinceMs = 0): number {
    return msOfTone(this.heard(sinceMs), hz);
  }

  /** What was heard, 8 kHz. */
  heard(sinceMs = 0): Int16Array {
    const blocks = this.packets.filter((packet) => packet.at >= sinceMs && (packet.type === 0 || packet.type === 8));
    const samples = blocks.map(({ type, payload }) => (type === 8 ? alawmulaw.alaw.decode(payload) : alawmulaw.mulaw.decode(payload)));
    const all = new Int16Array(samples.reduce((sum, block) => sum + block.length, 0));
    let at = 0;
    for (const block of samples) { all.set(block, at); at += block.length; }
    return all;
  }

  /** Keys heard as telephone-events of that payload type. */
  keysHeard(type: number, sinceMs = 0): string {
    const seen = new Map<number, string>();
    for (const packet of this.packets) if (packet.type === type && packet.at >= sinceMs && packet.payload.length >= 4) seen.set(packet.timestamp, names[packet.payload[0]!] ?? '?');
    return [...seen.values()].join('');
  }
}
