import { writeFileSync } from 'node:fs';
import alawmulaw from 'alawmulaw';

const headerBytes = 12;

/** RTP packets of G.711, 20 ms each. */
function rtpPackets(samples: Int16Array, codec: 'pcma' | 'pcmu', ssrc: number): Buffer[] {
  const encoded = codec === 'pcma' ? alawmulaw.alaw.encode(samples) : alawmulaw.mulaw.encode(samples);
  const packets: Buffer[] = [];
  for (let start = 0; start + 160 <= encoded.length; start += 160) {
    const header = Buffer.alloc(headerBytes);
    header.writeUInt8(0x80, 0);
    header.writeUInt8((packets.length === 0 ? 0x80 : 0) | (codec === 'pcma' ? 8 : 0), 1);
    header.writeUInt16BE((1_000 + packets.length) & 0xffff, 2);
    header.writeUInt32BE((50_000 + start) >>> 0, 4);
    header.writeUInt32BE(ssrc, 8);
    packets.push(Buffer.concat([header, encoded.subarray(start, start + 160)]));
  }
  return packets;
}

/**
 * Writes samples as a packet capture (libpcap format, Ethernet, IPv4, UDP, RTP with G.711) for sipp's play_pcap_audio,
 * which rewrites addresses and ports. A whole second of a tone with a whole number of periods may be repeated.
 */
export function writeRtpCapture(file: string, samples: Int16Array, codec: 'pcma' | 'pcmu' = 'pcma', ssrc = 0x5eed0001): string {
  const fileHeader = Buffer.alloc(24);
  fileHeader.writeUInt32LE(0xa1b2c3d4, 0);
  fileHeader.writeUInt16LE(2, 4);
  fileHeader.writeUInt16LE(4, 6);
  fileHeader.writeUInt32LE(65_535, 16);
  fileHeader.writeUInt32LE(1, 20);
  const records: Buffer[] = [fileHeader];
  rtpPackets(samples, codec, ssrc).forEach((rtp, index) => {
    const atMs = index * 20;
    const udpBytes = 8 + rtp.length;
    const frame = Buffer.alloc(14 + 20 + 8);
    frame.writeUInt16BE(0x0800, 12);
    frame.writeUInt8(0x45, 14);
    frame.writeUInt16BE(20 + udpBytes, 16);
    frame.writeUInt8(64, 22);
    frame.writeUInt8(17, 23);
    frame.writeUInt32BE(0x7f000001, 26);
    frame.writeUInt32BE(0x7f000001, 30);
    frame.writeUInt16BE(40_000, 34);
    frame.writeUInt16BE(40_002, 36);
    frame.writeUInt16BE(udpBytes, 38);
    const record = Buffer.alloc(16);
    record.writeUInt32LE(Math.floor(atMs / 1000), 0);
    record.writeUInt32LE((atMs % 1000) * 1000, 4);
    record.writeUInt32LE(frame.length + rtp.length, 8);
    record.writeUInt32LE(frame.length + rtp.length, 12);
    records.push(record, frame, rtp);
  });
  writeFileSync(file, Buffer.concat(records));
  return file;
}
