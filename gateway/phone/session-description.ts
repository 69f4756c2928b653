/** The telephone's side of SDP offer and answer (RFC 3264): one audio stream, G.711 and telephone-event. */
import net from 'node:net';
import sdpTransform from 'sdp-transform';
import { STATIC_PAYLOAD_TYPE, type Codec, type Direction, type PayloadTypes, type RemoteAddress } from '../engines/media-server/rtp/index.js';

export class SessionDescriptionError extends Error {
  constructor(readonly code: 'SDP_UNREADABLE' | 'SDP_NO_COMMON_CODEC', message: string) {
    super(message);
    this.name = 'SessionDescriptionError';
  }
}

export interface LocalMedia {
  readonly address: string;
  readonly port: number;
  /** In order of preference. */
  readonly codecs: readonly Codec[];
  readonly sessionId: number;
}

/** What a peer's description means for us. */
export interface PeerMedia {
  readonly remote: RemoteAddress;
  readonly types: PayloadTypes;
  /** Ours: what we may do. */
  readonly direction: Direction;
}

const maxDescriptionBytes = 8_000;
/** Ours when we offer; as answerer we take the peer's. */
const telephoneEventPayloadType = 101;
const mirrored: Readonly<Record<string, Direction>> = { sendrecv: 'sendrecv', sendonly: 'recvonly', recvonly: 'sendonly', inactive: 'inactive' };

function write(local: LocalMedia, version: number, payloads: readonly { type: number; name: string; parameters?: string }[], direction: Direction): string {
  return sdpTransform.write({
    version: 0,
    origin: { username: '-', sessionId: local.sessionId, sessionVersion: version, netType: 'IN', ipVer: 4, address: local.address },
    name: '-',
    connection: { version: 4, ip: local.address },
    timing: { start: 0, stop: 0 },
    media: [{
      type: 'audio',
      port: local.port,
      protocol: 'RTP/AVP',
      payloads: payloads.map((payload) => payload.type).join(' '),
      rtp: payloads.map((payload) => ({ payload: payload.type, codec: payload.name, rate: 8000 })),
      fmtp: payloads.flatMap((payload) => (payload.parameters === undefined ? [] : [{ payload: payload.type, config: payload.parameters }])),
      ptime: 20,
      direction,
    }],
  });
}

const isPort = (port: unknown): boolean => typeof port === 'number' && Number.isInteger(port) && port > 0 && port <= 65_535;

/** An offer of our codecs. `version` must grow whenever the content changes (RFC 3264 section 8). */
export function writeOffer(local: LocalMedia, version: number, direction: Direction = 'sendrecv'): string {
  return write(local, version, [
    ...local.codecs.map((codec) => ({ type: STATIC_PAYLOAD_TYPE[codec], name: codec })),
    { type: telephoneEventPayloadType, name: 'telephone-event', parameters: '0-15' },
  ], direction);
}

/** The answer to an offer that `readDescription` understood: its codec, with its payload types. */
export function writeAnswer(local: LocalMedia, peer: PeerMedia, version: number): string {
  const { codec, audio, telephoneEvent } = peer.types;
  return write(local, version, [
    { type: audio ?? STATIC_PAYLOAD_TYPE[codec], name: codec },
    ...(telephoneEvent === undefined ? [] : [{ type: telephoneEvent, name: 'telephone-event', parameters: '0-15' }]),
  ], peer.direction);
}

/**
 * Reads a peer's offer or answer: the first audio stream with a codec we share.
 * @throws SessionDescriptionError
 */
export function readDescription(text: string, codecs: readonly Codec[]): PeerMedia {
  if (text.length > maxDescriptionBytes) throw new SessionDescriptionError('SDP_UNREADABLE', 'the session description is too long');
  let description: sdpTransform.SessionDescription;
  try {
    description = sdpTransform.parse(text);
  } catch {
    throw new SessionDescriptionError('SDP_UNREADABLE', 'the session description cannot be parsed');
  }
  const stream = (description.media ?? []).find((media) => media.type === 'audio' && isPort(media.port) && /^RTP\/AVPF?$/.test(media.protocol));
  if (!stream) throw new SessionDescriptionError('SDP_NO_COMMON_CODEC', 'the session description holds no plain RTP audio stream');
  const address = (stream.connection ?? description.connection)?.ip;
  if (address === undefined || !net.isIPv4(address)) throw new SessionDescriptionError('SDP_UNREADABLE', 'the session description names no IPv4 address for its audio');

  const offered = String(stream.payloads ?? '').split(/\s+/).map(Number).filter((type) => Number.isInteger(type) && type >= 0 && type <= 127);
  const named = (type: number): { codec: string; rate: number } => {
    const map = (stream.rtp ?? []).find((entry) => entry.payload === type);
    if (map) return { codec: String(map.codec).toUpperCase(), rate: map.rate ?? 8000 };
    return { codec: type === 0 ? 'PCMU' : type === 8 ? 'PCMA' : '', rate: 8000 };
  };
  const audio = offered.find((type) => named(type).rate === 8000 && codecs.some((codec) => codec === named(type).codec));
  if (audio === undefined) throw new SessionDescriptionError('SDP_NO_COMMON_CODEC', `none of ${codecs.join(', ')} is in the session description`);
  const telephoneEvent = offered.find((type) => named(type).codec === 'TELEPHONE-EVENT' && named(type).rate === 8000);
  const framesPerPacket = Math.min(3, Math.max(1, Math.round((Number(stream.ptime) || 20) / 20)));
  // A call is held by sendonly or inactive, or in the manner of RFC 2543 by the address 0.0.0.0.
  const nowhere = address === '0.0.0.0';
  const theirs = stream.direction ?? (description as { direction?: string }).direction ?? 'sendrecv';
  const ours = mirrored[theirs] ?? 'sendrecv';
  const direction = nowhere ? (ours === 'sendrecv' || ours === 'recvonly' ? 'recvonly' : 'inactive') : ours;
  return {
    remote: { address, port: nowhere ? 0 : stream.port, ...(stream.rtcp && isPort(stream.rtcp.port) ? { rtcpPort: stream.rtcp.port } : {}), ...(stream.rtcpMux ? { rtcpMux: true } : {}) },
    types: { codec: named(audio).codec as Codec, audio, framesPerPacket, ...(telephoneEvent === undefined ? {} : { telephoneEvent }) },
    direction,
  };
}
