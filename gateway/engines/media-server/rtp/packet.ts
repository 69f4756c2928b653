/**
 * The fixed RTP header (RFC 3550 §5.1) read and written in place: this is the path of every packet,
 * so nothing is allocated here.
 */
export const RTP_HEADER_BYTES = 12;
/** Larger than any packet of ours; the rest of a longer one is somebody else's idea of RTP. */
export const MAX_RTP_BYTES = 1500;

/**
 * Where the payload of a packet lies: `start | end << 16`, or -1 when this is no well-formed RTP packet
 * (version, CSRC list, extension and padding are all checked against the length).
 */
export function payloadBounds(packet: Buffer): number {
  const length = packet.length;
  if (length < RTP_HEADER_BYTES || length > MAX_RTP_BYTES) return -1;
  const first = packet[0]!;
  if (first >> 6 !== 2) return -1;
  let start = RTP_HEADER_BYTES + 4 * (first & 0x0f);
  if (first & 0x10) {
    if (start + 4 > length) return -1;
    start += 4 + 4 * ((packet[start + 2]! << 8) | packet[start + 3]!);
  }
  let end = length;
  if (first & 0x20) {
    const padding = packet[length - 1]!;
    if (padding === 0) return -1;
    end -= padding;
  }
  if (start > end) return -1;
  return start | (end << 16);
}

export const boundsStart = (bounds: number): number => bounds & 0xffff;
export const boundsEnd = (bounds: number): number => bounds >>> 16;

export const sequenceOf = (packet: Buffer): number => (packet[2]! << 8) | packet[3]!;
export const timestampOf = (packet: Buffer): number => packet.readUInt32BE(4);
export const ssrcOf = (packet: Buffer): number => packet.readUInt32BE(8);

/** Writes a header without CSRC list, extension or padding at `offset`. */
export function writeHeader(packet: Buffer, offset: number, marker: boolean, payloadType: number, sequence: number, timestamp: number, ssrc: number): void {
  packet[offset] = 0x80;
  packet[offset + 1] = (marker ? 0x80 : 0) | payloadType;
  packet[offset + 2] = (sequence >> 8) & 0xff;
  packet[offset + 3] = sequence & 0xff;
  packet.writeUInt32BE(timestamp >>> 0, offset + 4);
  packet.writeUInt32BE(ssrc, offset + 8);
}

/** Distance from `b` to `a` on the 16-bit circle of sequence numbers: positive when `a` is newer. */
export const sequenceDistance = (a: number, b: number): number => ((a - b) << 16) >> 16;
/** Distance from `b` to `a` on the 32-bit circle of timestamps: positive when `a` is later. */
export const timestampDistance = (a: number, b: number): number => (a - b) | 0;
/** RFC 5761 §4: with RTCP on the RTP port, second bytes 192-223 are RTCP. */
export const looksLikeRtcp = (packet: Buffer): boolean => packet.length >= 8 && packet[1]! >= 192 && packet[1]! <= 223;
