/** RTP by hand from any loopback address: a citizen's telephone, or a stranger with packets for every port. */
import dgram from 'node:dgram';
import { sleep } from '../peers/index.js';

export interface Place { readonly host: string; readonly port: number }

/** A-law of something, and of nothing. */
const VOICE = 0x2a;
const SILENCE = 0xd5;
const EVENTS = '0123456789*#';
const PACKET_MS = 20;
/** Packets at one go; the system is given a turn between two of them. */
const BURST = 200;

export interface KeyOptions {
  /** How often each packet of a key is sent. */
  readonly repeat?: number;
  /** Another stream for each packet. */
  readonly newStreams?: boolean;
  /** Between two keys. */
  readonly pauseMs?: number;
}

export class RtpSender {
  /** All that came, and what of it was no silence. */
  received = 0;
  voices = 0;
  private sequence = Math.floor(Math.random() * 30_000);
  private timestamp = Math.floor(Math.random() * 2 ** 31);
  private ssrc = Math.floor(Math.random() * 2 ** 31);
  private timer: NodeJS.Timeout | undefined;
  private pressing = false;
  /** Packets of audio sent in time. */
  spoken = 0;

  private constructor(private readonly socket: dgram.Socket, readonly host: string, readonly port: number) {
    socket.on('error', () => undefined);
    socket.on('message', (packet) => {
      this.received += 1;
      if (packet.length > 100 && packet.subarray(12).some((byte) => byte !== SILENCE)) this.voices += 1;
    });
  }

  static async open(host: string): Promise<RtpSender> {
    const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20, sendBufferSize: 1 << 20 });
    await new Promise<void>((resolve) => socket.bind(0, host, resolve));
    return new RtpSender(socket, host, socket.address().port);
  }

  /** The description of a telephone that has this socket. @param at where else it says that it is */
  sdp(at = this.host, lines = '', port = this.port): string {
    return `v=0\r\no=- 1 1 IN IP4 ${at}\r\ns=-\r\nc=IN IP4 ${at}\r\nt=0 0\r\nm=audio ${port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n${lines}`;
  }

  /** Talks without a pause, until told otherwise. */
  speak(to: Place): void {
    clearInterval(this.timer);
    this.timer = setInterval(() => {
      this.timestamp += 160;
      if (this.pressing) return;
      this.audio(to);
      this.spoken += 1;
    }, PACKET_MS);
  }

  hush(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  audio(to: Place): void {
    this.send(8, Buffer.alloc(160, VOICE), this.timestamp, to);
  }

  newStream(): void {
    this.ssrc = Math.floor(Math.random() * 2 ** 31);
  }

  /** Presses keys as a telephone does, at its pace. */
  async press(keys: string, to: Place): Promise<void> {
    this.pressing = true;
    for (const key of keys) {
      const { timestamp } = this;
      for (let n = 1; n <= 6; n++) {
        this.key(key, n * 160, n === 6, timestamp, to);
        await sleep(PACKET_MS);
      }
      for (let n = 0; n < 2; n++) this.key(key, 960, true, timestamp, to);
      this.timestamp = timestamp + 2400;
      await sleep(3 * PACKET_MS);
    }
    this.pressing = false;
  }

  /** Whole keys, each in a few packets, at many places at once and as fast as they go out. */
  async spray(keys: string, to: readonly Place[], { repeat = 3, newStreams = false, pauseMs = PACKET_MS }: KeyOptions = {}): Promise<void> {
    let sent = 0;
    for (const key of keys) {
      this.timestamp += 2400;
      for (let n = 0; n < repeat; n++) {
        // One stream for each place: the same numbers everywhere.
        const { sequence } = this;
        for (const place of to) {
          this.sequence = sequence;
          if (newStreams) this.newStream();
          this.key(key, 800, n > 0, this.timestamp, place);
          if (++sent % BURST === 0) await new Promise((resolve) => setImmediate(resolve));
        }
      }
      if (pauseMs > 0) await sleep(pauseMs);
    }
  }

  private key(key: string, duration: number, ended: boolean, timestamp: number, to: Place): void {
    this.send(101, Buffer.from([EVENTS.indexOf(key), (ended ? 0x80 : 0) | 10, duration >> 8, duration & 0xff]), timestamp, to);
  }

  private send(type: number, payload: Buffer, timestamp: number, to: Place, marker = false): void {
    const packet = Buffer.alloc(12 + payload.length);
    packet[0] = 0x80;
    packet[1] = (marker ? 0x80 : 0) | type;
    this.sequence = (this.sequence + 1) & 0xffff;
    packet.writeUInt16BE(this.sequence, 2);
    packet.writeUInt32BE(timestamp >>> 0, 4);
    packet.writeUInt32BE(this.ssrc, 8);
    payload.copy(packet, 12);
    this.socket.send(packet, to.port, to.host);
  }

  /** Audio with the marker bit, which tells some media servers to start over. */
  marked(to: Place): void {
    this.send(8, Buffer.alloc(160, VOICE), this.timestamp, to, true);
  }

  async stop(): Promise<void> {
    this.hush();
    await new Promise<void>((resolve) => this.socket.close(() => resolve()));
  }
}
