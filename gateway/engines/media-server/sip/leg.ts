/** The SIP dialog of one channel, seen from the side that was called (RFC 3261 §12). */
import { newSequence, parseNameAddr, type ServerTransaction, type SipMessage, type SipStack } from '../../sip-stack/index.js';
import { SipMessage as Message } from '../../sip-stack/index.js';
import type { EngineLog } from '../../log.js';
import type { Channel } from '../channel/channel.js';
import { reasonHeader, type HangupCause } from '../channel/causes.js';
import { SdpError, readSdp, withExplicitDirection, type AcceptedMedia, type LocalDescription } from './sdp.js';

export const ALLOW = 'INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE';
const SDP_TYPE = 'application/sdp';
/** An application that waits for its connection before it acknowledges must not wait for ever. */
const ANNOUNCE_WITHOUT_ACK_MS = 200;

export interface LegOptions {
  stack: SipStack;
  invite: ServerTransaction;
  channel: Channel;
  description: LocalDescription;
  userAgent: string;
  log: EngineLog;
  /** The call is answered, and acknowledged or nearly so: time to call the application. */
  onReady: () => void;
  /** Nothing of the dialog is left. */
  onEnd: () => void;
}

export class SipLeg {
  readonly callId: string;
  readonly remoteTag: string;
  readonly localTag: string;
  private readonly localParty: string;
  private readonly remoteParty: string;
  private readonly routes: readonly string[];
  private remoteTarget: string;
  private remoteSequence: number;
  private sequence = newSequence();
  private readonly contact: string;
  private readyTimer: NodeJS.Timeout | undefined;
  private ready = false;
  private acknowledged = false;
  private byeWaiting: HangupCause | undefined;
  private ended = false;
  private pendingInvite: ServerTransaction | undefined;
  private held = false;

  constructor(private readonly options: LegOptions) {
    const { request } = options.invite;
    this.callId = request.callId;
    this.remoteTag = request.fromTag;
    this.localTag = options.invite.localTag;
    this.remoteParty = request.get('from') ?? '';
    const to = request.get('to') ?? '';
    this.localParty = `${to};tag=${this.localTag}`;
    this.routes = request.list('record-route');
    this.remoteTarget = contactUri(request) ?? parseNameAddr(this.remoteParty)?.uri ?? '';
    this.remoteSequence = request.cseq?.seq ?? 0;
    this.contact = `<sip:drachtio@${options.stack.host}:${options.stack.port};transport=${options.invite.source.protocol}>`;
    options.channel.once('hangup', (cause) => this.hangup(cause));
  }

  /** Answers the INVITE: to an offer with the answer, without one with an offer of ours. */
  answer(media: AcceptedMedia | undefined): void {
    const { invite, channel, description } = this.options;
    const body = media ? description.answer(media) : description.offer();
    if (media) this.applyMedia(media);
    this.rememberLocal(body);
    this.pendingInvite = invite;
    invite.onAck = (ack, _source, first) => {
      if (first) this.onAck(invite, ack, media === undefined);
    };
    invite.onAckTimeout = () => this.onAckMissing(invite);
    invite.onFailure = () => channel.hangup('DESTINATION_OUT_OF_ORDER');
    invite.respond(200, this.responseOptions(body));
    this.readyTimer = setTimeout(() => this.announce(), ANNOUNCE_WITHOUT_ACK_MS);
  }

  private announce(): void {
    clearTimeout(this.readyTimer);
    if (this.ready || this.ended) return;
    this.ready = true;
    this.options.onReady();
  }

  private onAck(invite: ServerTransaction, ack: SipMessage, offered: boolean): void {
    if (this.pendingInvite === invite) this.pendingInvite = undefined;
    this.acknowledged = true;
    if (offered && !this.ended && ack.body.length > 0) {
      try {
        const media = readSdp(ack.body.toString('utf8'));
        this.applyMedia(media);
        this.options.channel.setVariable('switch_r_sdp', ack.body.toString('utf8'));
      } catch {
        this.options.channel.hangup('INCOMPATIBLE_DESTINATION');
      }
    }
    if (this.byeWaiting) this.sendBye(this.byeWaiting);
    else this.announce();
  }

  private onAckMissing(invite: ServerTransaction): void {
    if (this.pendingInvite === invite) this.pendingInvite = undefined;
    this.acknowledged = true; // a BYE may be sent now (RFC 3261 §15)
    if (this.byeWaiting) this.sendBye(this.byeWaiting);
    else this.options.channel.hangup('RECOVERY_ON_TIMER_EXPIRE');
  }

  private responseOptions(body: string): { headers: Record<string, string>; body: string } {
    return { headers: { Contact: this.contact, 'User-Agent': this.options.userAgent, Allow: ALLOW, 'Content-Disposition': 'session' }, body };
  }

  /** A request within the dialog. */
  handle(transaction: ServerTransaction): void {
    const { request } = transaction;
    const sequence = request.cseq?.seq ?? 0;
    if (sequence < this.remoteSequence) {
      transaction.respond(500, { reason: 'CSeq Too Low' });
      return;
    }
    this.remoteSequence = sequence;
    switch (transaction.method) {
      case 'BYE': return this.onBye(transaction);
      case 'INVITE':
      case 'UPDATE': return this.onOffer(transaction);
      case 'INFO': return this.onInfo(transaction);
      case 'OPTIONS': {
        transaction.respond(200, { headers: { Allow: ALLOW, Accept: SDP_TYPE, Contact: this.contact } });
        return;
      }
      default: transaction.respond(405, { headers: { Allow: ALLOW } });
    }
  }

  private onBye(transaction: ServerTransaction): void {
    transaction.respond(200);
    if (this.ended) return;
    this.end();
    this.options.channel.hangup('NORMAL_CLEARING');
  }

  /** A new offer: RFC 3261 §14.2, RFC 3311. */
  private onOffer(transaction: ServerTransaction): void {
    const { request } = transaction;
    if (this.ended) {
      transaction.respond(481);
      return;
    }
    // an earlier INVITE is answered but not acknowledged: its answer is still under way (RFC 3261 §14.2, RFC 6141 §3.5)
    if (this.pendingInvite && this.pendingInvite.request.body.length === 0) {
      transaction.respond(491);
      return;
    }
    const { channel, description } = this.options;
    this.remoteTarget = contactUri(request) ?? this.remoteTarget;
    if (request.body.length === 0) {
      if (transaction.method === 'UPDATE') {
        transaction.respond(200, { headers: { Contact: this.contact, Allow: ALLOW } });
        return;
      }
      this.respondToInvite(transaction, description.offer(), true);
      return;
    }
    let media: AcceptedMedia;
    try {
      media = offerIn(request);
    } catch (error) {
      refuse(transaction, error);
      return;
    }
    const text = request.body.toString('utf8');
    channel.setVariable('switch_r_sdp', text);
    this.applyMedia(media);
    const answer = description.answer(media);
    if (transaction.isInvite) this.respondToInvite(transaction, answer, false);
    else {
      this.rememberLocal(answer);
      transaction.respond(200, this.responseOptions(answer));
    }
  }

  private respondToInvite(transaction: ServerTransaction, body: string, offered: boolean): void {
    this.rememberLocal(body);
    this.pendingInvite = transaction;
    transaction.onAck = (ack, _source, first) => {
      if (first) this.onAck(transaction, ack, offered);
    };
    transaction.onAckTimeout = () => this.onAckMissing(transaction);
    transaction.respond(200, this.responseOptions(body));
  }

  /** Keys by INFO, as some phones send them. */
  private onInfo(transaction: ServerTransaction): void {
    const { request } = transaction;
    const type = (request.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase();
    if (type === 'application/dtmf-relay' || type === 'application/dtmf') {
      const text = request.body.toString('latin1', 0, 256);
      const digit = (type === 'application/dtmf' ? /^\s*([0-9*#A-D])\s*$/i : /^\s*signal\s*=\s*([0-9*#A-D])\s*$/im).exec(text)?.[1]?.toUpperCase();
      const durationMs = Number(/^\s*duration\s*=\s*(\d{1,5})\s*$/im.exec(text)?.[1] ?? 100);
      if (digit === undefined) {
        transaction.respond(400);
        return;
      }
      transaction.respond(200);
      this.options.channel.receiveDigit(digit, durationMs * 8, 'INFO');
      return;
    }
    transaction.respond(request.body.length === 0 ? 200 : 415, request.body.length === 0 ? {} : { headers: { Accept: `${SDP_TYPE}, application/dtmf-relay, application/dtmf` } });
  }

  private applyMedia(media: AcceptedMedia): void {
    const { channel } = this.options;
    const hold = media.nullAddress || media.direction === 'recvonly' || media.direction === 'inactive';
    channel.session.setRemote(media.remote, media.types, media.nullAddress ? 'recvonly' : media.direction);
    const { codec, audio, telephoneEvent } = media.types;
    channel.setVariable('remote_media_ip', media.remote.address);
    channel.setVariable('remote_media_port', String(media.remote.port));
    channel.setVariable('rtp_use_codec_name', codec);
    channel.setVariable('rtp_use_codec_rate', '8000');
    channel.setVariable('rtp_use_codec_ptime', String(media.ptimeMs));
    channel.setVariable('rtp_audio_recv_pt', String(audio));
    channel.setVariable('rtp_use_ssrc', String(channel.session.ssrc));
    channel.setVariable('read_codec', codec);
    channel.setVariable('write_codec', codec);
    channel.setVariable('dtmf_type', telephoneEvent === undefined ? 'info' : 'rfc2833');
    channel.setVariable('rtp_2833_send_payload', telephoneEvent === undefined ? undefined : String(telephoneEvent));
    channel.setVariable('rtp_2833_recv_payload', telephoneEvent === undefined ? undefined : String(telephoneEvent));
    if (hold !== this.held) {
      this.held = hold;
      channel.setHeld(hold);
    }
  }

  private rememberLocal(sdp: string): void {
    this.options.channel.setVariable('rtp_local_sdp_str', withExplicitDirection(sdp));
  }

  /** The channel hangs up. */
  private hangup(cause: HangupCause): void {
    if (this.ended) return;
    // no BYE before the ACK (RFC 3261 §15)
    if (this.acknowledged) this.sendBye(cause);
    else this.byeWaiting = cause;
  }

  private sendBye(cause: HangupCause): void {
    if (this.ended) return;
    const bye = Message.request('BYE', this.remoteTarget, {
      'Max-Forwards': '70',
      From: this.localParty,
      To: this.remoteParty,
      'Call-ID': this.callId,
      CSeq: `${++this.sequence} BYE`,
      ...(this.routes.length > 0 && { Route: this.routes }),
      'User-Agent': this.options.userAgent,
      Reason: reasonHeader(cause),
    });
    try {
      this.options.stack.request(bye, { onFinal: () => undefined });
    } catch {
      this.options.log.warn({ uuid: this.options.channel.uuid }, 'the peer gave no address a BYE could be sent to');
    }
    this.end();
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.readyTimer);
    this.options.invite.stopRetransmitting();
    this.options.onEnd();
  }
}

function contactUri(request: SipMessage): string | undefined {
  const contact = request.list('contact')[0];
  return contact === undefined ? undefined : parseNameAddr(contact)?.uri;
}

/** The offer of a request. @throws SdpError */
export function offerIn(request: SipMessage): AcceptedMedia {
  const type = (request.get('content-type') ?? SDP_TYPE).split(';')[0]!.trim().toLowerCase();
  if (type !== SDP_TYPE) throw new UnsupportedBodyError();
  return readSdp(request.body.toString('utf8'));
}

class UnsupportedBodyError extends Error {
  readonly code = 'BODY_UNSUPPORTED';
}

/** The answer to an offer that cannot be accepted. */
export function refuse(transaction: ServerTransaction, error: unknown): void {
  if (error instanceof UnsupportedBodyError) transaction.respond(415, { headers: { Accept: SDP_TYPE } });
  else if (error instanceof SdpError) transaction.respond(error.code === 'SDP_MALFORMED' ? 400 : 488);
  else throw error;
}
