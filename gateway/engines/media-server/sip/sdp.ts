/** Offers and answers (RFC 3264) for one stream of G.711 audio with telephone-event (RFC 4733). */
import { randomInt } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { parse as parseSdp, type MediaDescription } from 'sdp-transform';
import { STATIC_PAYLOAD_TYPE, type Codec, type Direction, type PayloadTypes, type RemoteAddress } from '../rtp/index.js';

const MAX_SDP_BYTES = 32_768;
const MAX_SDP_LINES = 500;
const MAX_MEDIA_LINES = 16;
/** Which codec is chosen when both are there: one choice for everybody keeps bridged legs on the same law. */
const PREFERENCE: readonly Codec[] = ['PCMA', 'PCMU'];
const TELEPHONE_EVENT_TYPE = 101;

export class SdpError extends Error {
  /** SDP_MALFORMED: not SDP. SDP_NOT_ACCEPTABLE: nothing in it can be spoken here. */
  constructor(readonly code: 'SDP_MALFORMED' | 'SDP_NOT_ACCEPTABLE', message: string) {
    super(message);
    this.name = 'SdpError';
  }
}

export interface AcceptedMedia {
  remote: RemoteAddress;
  types: PayloadTypes & { codec: Codec; audio: number };
  /** Seen from here. */
  direction: Direction;
  /** `c=0.0.0.0`, the hold of RFC 2543. */
  nullAddress: boolean;
  /** RTCP was spoken of, so it is answered. */
  rtcp: 'none' | 'separate' | 'mux';
  ptimeMs: number;
  /** Which line was accepted, and what the others were. */
  lineIndex: number;
  lines: readonly { type: string; protocol: string; payloads: string }[];
}

const MIRRORED: Readonly<Record<Direction, Direction>> = { sendrecv: 'sendrecv', sendonly: 'recvonly', recvonly: 'sendonly', inactive: 'inactive' };

/** Reads an offer, or an answer to ours. @throws SdpError */
export function readSdp(text: string): AcceptedMedia {
  if (text.length > MAX_SDP_BYTES || text.split('\n', MAX_SDP_LINES + 1).length > MAX_SDP_LINES) throw new SdpError('SDP_MALFORMED', 'session description too long');
  let session;
  try {
    session = parseSdp(text);
  } catch {
    throw new SdpError('SDP_MALFORMED', 'unreadable session description');
  }
  const media = session.media ?? [];
  if (media.length === 0 || media.length > MAX_MEDIA_LINES) throw new SdpError(media.length === 0 && !/^v=0/m.test(text) ? 'SDP_MALFORMED' : 'SDP_NOT_ACCEPTABLE', 'no usable media line');
  for (const [lineIndex, line] of media.entries()) {
    if (line.type !== 'audio' || !/^RTP\/AVPF?$/.test(line.protocol) || !(line.port > 0 && line.port <= 65535)) continue;
    const types = chooseTypes(line);
    const address = line.connection?.ip ?? session.connection?.ip;
    if (!types || address === undefined || !isIPv4(address) || isMulticast(address)) continue;
    const direction = line.direction ?? session.direction ?? 'sendrecv';
    const nullAddress = address === '0.0.0.0';
    const mux = line.rtcpMux !== undefined;
    // Reports go where the voice goes: a third party that is named here asked for none.
    const isElsewhere = line.rtcp?.address !== undefined && line.rtcp.address !== address;
    const rtcpPort = line.rtcp !== undefined && !isElsewhere && line.rtcp.port > 0 && line.rtcp.port <= 65535 ? line.rtcp.port : undefined;
    const ptimeMs = packetTime(line);
    return {
      remote: { address, port: nullAddress ? 0 : line.port, ...(mux && { rtcpMux: true }), ...(rtcpPort !== undefined && { rtcpPort }) },
      types: { ...types, framesPerPacket: ptimeMs / 20 },
      direction: MIRRORED[direction],
      nullAddress,
      rtcp: mux ? 'mux' : rtcpPort !== undefined ? 'separate' : 'none',
      ptimeMs,
      lineIndex,
      lines: media.map((each) => ({ type: each.type, protocol: each.protocol, payloads: String(each.payloads ?? '0') })),
    };
  }
  throw new SdpError('SDP_NOT_ACCEPTABLE', 'no audio line with G.711 over RTP/AVP');
}

const isMulticast = (address: string): boolean => Number(address.split('.')[0]) >= 224;

/** 20, 40 or 60: whole frames, not more than asked for. */
function packetTime(line: MediaDescription): number {
  const asked = Number(line.ptime ?? 20);
  const most = Number(line.maxptime ?? 60);
  const frames = Math.floor(Math.min(Number.isFinite(asked) ? asked : 20, Number.isFinite(most) ? most : 60) / 20);
  return 20 * Math.min(3, Math.max(1, frames));
}

function chooseTypes(line: MediaDescription): (PayloadTypes & { codec: Codec; audio: number }) | undefined {
  const offered = String(line.payloads ?? '').split(/\s+/).filter((text) => /^\d{1,3}$/.test(text)).map(Number).filter((type) => type < 128);
  const mapped = new Map<number, string>();
  for (const entry of line.rtp ?? []) mapped.set(Number(entry.payload), `${String(entry.codec).toUpperCase()}/${entry.rate ?? 8000}`);
  const nameOf = (type: number): string | undefined => mapped.get(type) ?? (type === 0 ? 'PCMU/8000' : type === 8 ? 'PCMA/8000' : undefined);
  for (const codec of PREFERENCE) {
    const audio = offered.find((type) => nameOf(type) === `${codec}/8000`);
    if (audio === undefined) continue;
    const telephoneEvent = offered.find((type) => nameOf(type) === 'TELEPHONE-EVENT/8000');
    return { codec, audio, ...(telephoneEvent !== undefined && { telephoneEvent }) };
  }
  return undefined;
}

/** Our side of a session: keeps its identity and counts its versions (RFC 3264 §8: only when something changed). */
export class LocalDescription {
  private readonly sessionId = randomInt(1_000_000_000, 2_000_000_000);
  private version = this.sessionId;
  private lastLines = '';

  constructor(private readonly address: string, private readonly port: number) {}

  /** The answer to what was accepted. */
  answer(media: AcceptedMedia): string {
    const { codec, audio, telephoneEvent } = media.types;
    const section = (protocol: string): string[] => [
      `m=audio ${this.port} ${protocol} ${audio}${telephoneEvent === undefined ? '' : ` ${telephoneEvent}`}`,
      `a=rtpmap:${audio} ${codec}/8000`,
      ...(telephoneEvent === undefined ? [] : [`a=rtpmap:${telephoneEvent} telephone-event/8000`, `a=fmtp:${telephoneEvent} 0-15`]),
      ...(media.direction === 'sendrecv' ? [] : [`a=${media.direction}`]),
      `a=ptime:${media.ptimeMs}`,
      ...(media.rtcp === 'mux' ? ['a=rtcp-mux', `a=rtcp:${this.port} IN IP4 ${this.address}`] : media.rtcp === 'separate' ? [`a=rtcp:${this.port + 1} IN IP4 ${this.address}`] : []),
    ];
    return this.write(media.lines.flatMap((line, index) => (index === media.lineIndex ? section(line.protocol) : [`m=${line.type} 0 ${line.protocol} ${line.payloads.split(' ')[0] || '0'}`])));
  }

  /** An offer of everything spoken here, for an INVITE that brought none. */
  offer(): string {
    const types = PREFERENCE.map((codec) => STATIC_PAYLOAD_TYPE[codec]);
    return this.write([
      `m=audio ${this.port} RTP/AVP ${types.join(' ')} ${TELEPHONE_EVENT_TYPE}`,
      ...PREFERENCE.map((codec) => `a=rtpmap:${STATIC_PAYLOAD_TYPE[codec]} ${codec}/8000`),
      `a=rtpmap:${TELEPHONE_EVENT_TYPE} telephone-event/8000`,
      `a=fmtp:${TELEPHONE_EVENT_TYPE} 0-15`,
      'a=ptime:20',
    ]);
  }

  private write(lines: readonly string[]): string {
    const text = lines.join('\r\n');
    if (text !== this.lastLines) this.version++;
    this.lastLines = text;
    return [`v=0`, `o=FreeSWITCH ${this.sessionId} ${this.version} IN IP4 ${this.address}`, 's=FreeSWITCH', `c=IN IP4 ${this.address}`, 't=0 0', text, ''].join('\r\n');
  }
}

/** The same description with its direction said aloud, as the channel variable has it. */
export function withExplicitDirection(sdp: string): string {
  return /^a=(sendrecv|sendonly|recvonly|inactive)\r?$/m.test(sdp) ? sdp : `${sdp}a=sendrecv\r\n`;
}
