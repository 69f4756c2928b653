/**
 * The little of SDP (RFC 8866) and offer/answer (RFC 3264) that a back-to-back user agent has to do itself.
 * Parsing is by sdp-transform; text from the network is bounded before it gets there.
 */
import sdpTransform from 'sdp-transform';

/** Largest SDP body looked at, in bytes. */
const maxSdpBytes = 8_192;

/** Codecs the media servers bridge: G.711 both ways, static payload types 0 and 8 (RFC 3551 table 4). */
const spoken = new Map<number, string>([[0, 'PCMU'], [8, 'PCMA']]);

export type SdpVerdict = { ok: true } | { ok: false; problem: 'tooLarge' | 'unreadable' | 'noAudio' | 'noCommonCodec' };

type Session = sdpTransform.SessionDescription;
type Stream = Session['media'][number];

/**
 * The session description within the body of a message: all of it, or that part of a multipart body (RFC 5621), which
 * carriers send who add ISUP or a location. An SDP line never begins with two dashes, so the next boundary ends it.
 * @returns '' when there is none
 */
export function sdpOf(body: string | undefined): string {
  if (!body) return '';
  const start = /^v=0\s*$/m.exec(body);
  if (!start) return '';
  const rest = body.slice(start.index);
  const boundary = /^--/m.exec(rest);
  return boundary ? rest.slice(0, boundary.index) : rest;
}

/**
 * Looks whether an offer or answer can be used at all: one audio stream over plain RTP and IPv4 with A-law or mu-law.
 * @param sdp the session description
 */
export function judgeOffer(sdp: string): SdpVerdict {
  if (Buffer.byteLength(sdp) > maxSdpBytes) return { ok: false, problem: 'tooLarge' };
  if (!/^v=0/m.test(sdp)) return { ok: false, problem: 'unreadable' };
  try {
    const parsed = sdpTransform.parse(sdp);
    const audio = parsed.media.filter((media) => media.type === 'audio' && hasPort(media));
    if (audio.length === 0) return { ok: false, problem: 'noAudio' };
    return audio.some((media) => isUsable(media, parsed)) ? { ok: true } : { ok: false, problem: 'noCommonCodec' };
  } catch {
    return { ok: false, problem: 'unreadable' };
  }
}

/** A stream whose port is 0 is refused (RFC 3264 section 6); the parser leaves what is no whole number, such as 000, a text. */
const hasPort = ({ port }: Stream): boolean => Number.isInteger(port) && port > 0 && port <= 65_535;

function isUsable(media: Stream, session: Session): boolean {
  if (media.type !== 'audio' || !hasPort(media) || media.protocol !== 'RTP/AVP') return false;
  const connection = media.connection ?? session.connection;
  if (!connection || Number(connection.version) === 6) return false;
  return payloadNames(media).some((name) => name === 'PCMA' || name === 'PCMU');
}

/**
 * The one stream of a description that is used here, without the others: what a media server or the other phone is
 * told. Each of them would have its own way with video, secure media and the like; so they never see it.
 */
export function audioOnly(sdp: string): string {
  const parsed = sdpTransform.parse(sdp);
  const audio = parsed.media.find((media) => isUsable(media, parsed)) ?? parsed.media.find((media) => media.type === 'audio' && hasPort(media));
  if (!audio || parsed.media.length === 1) return sdp;
  // Grouping refers to streams that are gone.
  delete parsed.groups;
  parsed.media = [audio];
  return sdpTransform.write(parsed);
}

/**
 * Our answer to an offer of several streams: each in its place, all but the audio refused (RFC 3264 section 6).
 * @param sdp a description with one stream
 */
export function answerTo(offer: string, sdp: string): string {
  const offered = sdpTransform.parse(offer);
  return inPlaceOf(sdp, offered.media, offered.media.findIndex((media) => isUsable(media, offered)));
}

/**
 * A new offer in a session that has several streams: none may be left out (RFC 3264 section 8).
 * @param sdp a description with one stream
 * @param previous what we said last in this dialog
 */
export function offerAfter(previous: string, sdp: string): string {
  const before = sdpTransform.parse(previous);
  return continueSession(inPlaceOf(sdp, before.media, before.media.findIndex((media) => media.type === 'audio' && hasPort(media))), previous);
}

function inPlaceOf(sdp: string, places: readonly Stream[], place: number): string {
  if (places.length <= 1 || place < 0) return sdp;
  const parsed = sdpTransform.parse(sdp);
  const [audio] = parsed.media;
  if (!audio || parsed.media.length !== 1) return sdp;
  parsed.media = places.map((media, index) =>
    index === place ? audio : { type: media.type, port: 0, protocol: media.protocol, payloads: String(media.payloads ?? '0').split(' ')[0]!, rtp: [], fmtp: [] },
  );
  return sdpTransform.write(parsed);
}

/**
 * The description with another packet time: a media server was measured to stutter when it changes within a session.
 * It is only a wish (RFC 8866 section 6.4).
 */
export function withPacketTimeOf(model: string, sdp: string): string {
  const wanted = /^a=ptime:(\d+)/m.exec(model)?.[1] ?? '20';
  return sdp.replace(/^a=ptime:.*$/gm, `a=ptime:${wanted}`).replace(/^a=maxptime:.*\r?\n/gm, '');
}

/** True when two descriptions receive at the same place and in the same direction. */
export function leadsToTheSame(sdp: string, other: string): boolean {
  const [first, second] = [streamOf(sdp), streamOf(other)];
  return first !== undefined && second !== undefined && first.address === second.address && first.port === second.port && first.direction === second.direction;
}

/** True when every format of the first is one of the second, by name and number. */
export function keepsNumbersOf(sdp: string, offered: string): boolean {
  const [ours, theirs] = [streamOf(sdp), streamOf(offered)];
  return ours === undefined || theirs === undefined || ours.formats.every((format) => theirs.formats.includes(format));
}

/** Where and how the first live audio stream is received. */
function streamOf(sdp: string): { address: string; port: number; direction: string; formats: string[] } | undefined {
  const parsed = sdpTransform.parse(sdp);
  const audio = parsed.media.find((media) => media.type === 'audio' && hasPort(media));
  if (!audio) return undefined;
  const payloads = String(audio.payloads ?? '').split(' ');
  const names = payloadNames(audio);
  return {
    address: (audio.connection ?? parsed.connection)?.ip ?? '',
    port: audio.port,
    direction: audio.direction ?? parsed.direction ?? 'sendrecv',
    formats: payloads.map((payload, index) => `${payload}=${names[index]}`).filter((format) => /=(PCMA|PCMU|TELEPHONE-EVENT)$/.test(format)).sort(),
  };
}

/** A codec named by digits comes out of the parser as a number, hence the conversion. */
function payloadNames(audio: sdpTransform.SessionDescription['media'][number]): string[] {
  const mapped = new Map(audio.rtp.map((rtp) => [rtp.payload, rtp.rate === undefined || rtp.rate === 8000 ? String(rtp.codec).toUpperCase() : '']));
  return String(audio.payloads ?? '').split(' ').map(Number).map((payload) => mapped.get(payload) ?? spoken.get(payload) ?? '');
}

/**
 * The same description under the origin of an earlier one we sent in that dialog, its version one higher, as
 * RFC 3264 section 8 demands of every new offer or changed answer.
 * @param sdp what to say
 * @param previous what we said last in this dialog
 */
export function continueSession(sdp: string, previous: string): string {
  const before = /^o=(\S+) (\d+) (\d+) (.*)$/m.exec(previous);
  if (!before) return sdp;
  const [, user, id, version, where] = before;
  return sdp.replace(/^o=.*$/m, `o=${user} ${id} ${BigInt(version!) + 1n} ${where!.trimEnd()}`);
}

/** Sets the direction of every stream, replacing what is there. */
export function withDirection(sdp: string, direction: 'sendrecv' | 'inactive' | 'sendonly' | 'recvonly'): string {
  const parsed = sdpTransform.parse(sdp);
  delete parsed.direction;
  for (const media of parsed.media) media.direction = direction;
  return sdpTransform.write(parsed);
}

/**
 * The same stream, codecs and payload types, but leading nowhere: to port 9, "discard" (RFC 863). A phone that is
 * offered this opens its audio as usual and hears nothing; the real address follows in a re-INVITE. Offering the stream
 * as inactive would say it more plainly, but phones were measured that never play what they receive afterwards.
 * @param address an address of the media server, so that what the phone sends meanwhile stays in known hands
 */
export function leadingNowhere(sdp: string, address: string): string {
  const parsed = sdpTransform.parse(sdp);
  delete parsed.direction;
  parsed.connection = { version: 4, ip: address };
  parsed.origin = { username: '-', sessionId: randomSessionId(), sessionVersion: 1, netType: 'IN', ipVer: 4, address };
  for (const media of parsed.media) {
    delete media.connection;
    delete media.rtcp;
    delete media.candidates;
    media.direction = 'sendrecv';
    if (media.port !== 0) media.port = 9;
  }
  return sdpTransform.write(parsed);
}

/** Session ids only have to differ between sessions of one origin (RFC 8866 section 5.2). */
function randomSessionId(): number {
  return Math.floor(Math.random() * 2 ** 31);
}

/**
 * An offer for a peer whose own description is not known yet, with the address and port of an endpoint that exists:
 * both G.711 codecs and telephone-event, whichever of them the endpoint itself was created with.
 * @param endpointSdp the endpoint's own description
 */
export function openOffer(endpointSdp: string): string {
  const parsed = sdpTransform.parse(endpointSdp);
  const audio = parsed.media.find((media) => media.type === 'audio')!;
  const address = audio.connection?.ip ?? parsed.connection?.ip ?? '127.0.0.1';
  return audioSdp({ address, port: audio.port });
}

/**
 * A stand-in for a peer that is not there yet: an endpoint needs some description to be created with. Port 9 is
 * "discard" (RFC 863); the real description follows in a re-INVITE. Creating an endpoint without any description is
 * avoided because the client library then answers its own offer with the media server's own address.
 * @param address an address of the media server itself, so that nothing leaves its machine
 */
export function placeholderPeer(address: string): string {
  return audioSdp({ address, port: 9 });
}

function audioSdp(at: { address: string; port: number }): string {
  const id = randomSessionId();
  return [
    'v=0',
    `o=- ${id} 1 IN IP4 ${at.address}`,
    's=-',
    `c=IN IP4 ${at.address}`,
    't=0 0',
    `m=audio ${at.port} RTP/AVP 8 0 101`,
    'a=rtpmap:8 PCMA/8000',
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
    'a=ptime:20',
    'a=sendrecv',
    '',
  ].join('\r\n');
}
