import dgram from 'node:dgram';
import alawmulaw from 'alawmulaw';

export interface TappedPacket {
  readonly atMs: number;
  readonly from: string;
  readonly payloadType: number;
  readonly marker: boolean;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
  readonly payload: Buffer;
}

/** What arrives at one media address. */
export interface RtpTap {
  readonly host: string;
  readonly port: number;
  readonly packets: readonly TappedPacket[];
  /** Senders ("ip:port") in the order first heard. */
  sources(): string[];
  /** The audio heard (G.711 payload types 0 and 8) from `sinceMs` (Date.now() scale), optionally of one sender. */
  pcm(options?: { sinceMs?: number; from?: string }): Int16Array;
  /** Keys heard as telephone-events (RFC 4733): one per event, told apart by timestamp. */
  keys(payloadType: number): string;
  stop(): Promise<void>;
}

const keyNames = '0123456789*#ABCD';
/** Ten minutes of one stream. */
const packetLimit = 30_000;

/** Listens at a media address in a peer's stead; the peer itself does the signalling. */
export async function tapRtp(port = 0, host = '127.0.0.1'): Promise<RtpTap> {
  const socket = dgram.createSocket('udp4');
  const packets: TappedPacket[] = [];
  socket.on('message', (bytes, from) => {
    if (bytes.length < 12 || bytes.readUInt8(0) >> 6 !== 2 || packets.length >= packetLimit) return;
    const second = bytes.readUInt8(1);
    packets.push({
      atMs: Date.now(),
      from: `${from.address}:${from.port}`,
      payloadType: second & 0x7f,
      marker: second >= 0x80,
      sequence: bytes.readUInt16BE(2),
      timestamp: bytes.readUInt32BE(4),
      ssrc: bytes.readUInt32BE(8),
      payload: Buffer.from(bytes.subarray(12 + 4 * (bytes.readUInt8(0) & 0x0f))),
    });
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, host, resolve);
  });
  socket.on('error', () => { /* an ICMP error of a peer that left is no news */ });
  let closed: Promise<void> | undefined;
  return {
    host,
    port: socket.address().port,
    packets,
    sources: () => [...new Set(packets.map((packet) => packet.from))],
    pcm: ({ sinceMs = 0, from } = {}) => {
      const blocks = packets
        .filter((packet) => packet.atMs >= sinceMs && (from === undefined || packet.from === from))
        .map(({ payloadType, payload }) => (payloadType === 8 ? alawmulaw.alaw.decode(payload) : payloadType === 0 ? alawmulaw.mulaw.decode(payload) : new Int16Array(0)));
      const all = new Int16Array(blocks.reduce((sum, block) => sum + block.length, 0));
      let at = 0;
      for (const block of blocks) { all.set(block, at); at += block.length; }
      return all;
    },
    keys: (payloadType) => {
      const seen = new Map<string, string>();
      for (const packet of packets) {
        if (packet.payloadType !== payloadType || packet.payload.length < 4) continue;
        seen.set(`${packet.ssrc}/${packet.timestamp}`, keyNames.charAt(packet.payload.readUInt8(0)) || '?');
      }
      return [...seen.values()].join('');
    },
    stop: () => (closed ??= new Promise((resolve) => { socket.close(() => { resolve(); }); })),
  };
}
