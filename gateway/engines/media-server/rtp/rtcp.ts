/** RTCP reports of one session (RFC 3550 §6): a compound of SR or RR, SDES CNAME and, at the end, BYE. */
import { ByePacket, CompoundPacket, ReceiverReportPacket, ReceptionReport, SdesChunk, SdesPacket, SenderReportPacket, isRtcp } from 'rtp.js/packets';
import type { ReceptionBlock } from './receive-statistics.js';

/** Seconds from 1900 (NTP) to 1970 (Unix). */
const NTP_UNIX_SECONDS = 2_208_988_800;
const MAX_RTCP_BYTES = 1500;
/** SDES item type of the canonical name (RFC 3550 §6.5.1). */
const SDES_CNAME = 1;

export interface ReportInput {
  ssrc: number;
  cname: string;
  /** Absent: nothing was sent since the last report, so this is a receiver report. */
  sent?: { packets: number; octets: number; rtpTimestamp: number };
  reception?: ReceptionBlock;
  lastSr?: { middle32: number; arrivedMs: number };
  bye?: boolean;
}

/** What the peer told about itself and about what it hears of us. */
export interface PeerReport {
  /** Middle 32 bits of the NTP time of the sender report, for LSR. */
  srMiddle32?: number;
  /** Fraction of our packets the peer lost, 0 to 1. */
  fractionLost?: number;
  jitterMs?: number;
  roundTripMs?: number;
}

function ntpNow(): { seconds: number; fraction: number } {
  const nowMs = performance.timeOrigin + performance.now();
  const seconds = Math.floor(nowMs / 1000);
  return { seconds: (seconds + NTP_UNIX_SECONDS) >>> 0, fraction: Math.floor(((nowMs / 1000) % 1) * 2 ** 32) >>> 0 };
}

const middle32 = (seconds: number, fraction: number): number => (((seconds & 0xffff) << 16) | (fraction >>> 16)) >>> 0;

/** One compound packet, ready for the wire. */
export function buildReport(input: ReportInput, nowMs: number): Buffer {
  const packet = input.sent ? new SenderReportPacket() : new ReceiverReportPacket();
  packet.setSsrc(input.ssrc);
  if (packet instanceof SenderReportPacket && input.sent) {
    const { seconds, fraction } = ntpNow();
    packet.setNtpSeconds(seconds);
    packet.setNtpFraction(fraction);
    packet.setRtpTimestamp(input.sent.rtpTimestamp >>> 0);
    packet.setPacketCount(input.sent.packets >>> 0);
    packet.setOctetCount(input.sent.octets >>> 0);
  }
  if (input.reception) {
    const report = new ReceptionReport();
    report.setSsrc(input.reception.ssrc);
    report.setFractionLost(input.reception.fractionLost);
    report.setTotalLost(input.reception.totalLost);
    report.setHighestSeqNumber(input.reception.extendedHighestSequence);
    report.setJitter(input.reception.jitter);
    report.setLastSRTimestamp(input.lastSr?.middle32 ?? 0);
    report.setDelaySinceLastSR(input.lastSr ? Math.floor(((nowMs - input.lastSr.arrivedMs) / 1000) * 65536) >>> 0 : 0);
    packet.addReport(report);
  }
  const chunk = new SdesChunk();
  chunk.setSsrc(input.ssrc);
  chunk.addItem(SDES_CNAME, input.cname);
  const sdes = new SdesPacket();
  sdes.addChunk(chunk);
  const compound = new CompoundPacket();
  compound.addPacket(packet);
  compound.addPacket(sdes);
  if (input.bye) {
    const bye = new ByePacket();
    bye.addSsrc(input.ssrc);
    compound.addPacket(bye);
  }
  const bytes = new ArrayBuffer(compound.getByteLength());
  compound.serialize(bytes, 0);
  return Buffer.from(bytes);
}

/** Reads a compound packet; undefined when it is none, or malformed. `ourSsrc` picks the report about us. */
export function readReport(data: Buffer, ourSsrc: number): PeerReport | undefined {
  if (data.length < 8 || data.length > MAX_RTCP_BYTES) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (!isRtcp(view)) return undefined;
  try {
    const result: PeerReport = {};
    for (const packet of new CompoundPacket(view).getPackets()) {
      if (!(packet instanceof SenderReportPacket) && !(packet instanceof ReceiverReportPacket)) continue;
      if (packet instanceof SenderReportPacket) result.srMiddle32 = middle32(packet.getNtpSeconds(), packet.getNtpFraction());
      for (const report of packet.getReports()) {
        if (report.getSsrc() !== ourSsrc) continue;
        result.fractionLost = report.getFractionLost() / 256;
        result.jitterMs = report.getJitter() / 8;
        const lsr = report.getLastSRTimestamp();
        if (lsr !== 0) {
          const { seconds, fraction } = ntpNow();
          const roundTrip = (middle32(seconds, fraction) - lsr - report.getDelaySinceLastSR()) | 0;
          if (roundTrip >= 0) result.roundTripMs = (roundTrip / 65536) * 1000;
        }
      }
    }
    return result;
  } catch {
    return undefined; // malformed: as if it had never come
  }
}
