/** The caller's leg: answering the INVITE with an endpoint, keys by INFO, progress told to phones that ask for it. */
import type Srf from 'drachtio-srf';
import type { Logger } from 'pino';
import { EndpointVoice } from '../media/voice.js';
import type { MediaEndpoint } from '../media/endpoint.js';
import type { MediaPool } from '../media/pool.js';
import { described, type MediaSource } from '../media/source.js';
import { MediaError } from '../media/bounded.js';
import { answerTo, audioOnly, judgeOffer, offerAfter, openOffer, sdpOf } from '../sip/sdp.js';
import { modifyDialog, notePeerDescription, OfferRefused, peerDescription } from '../sip/reinvite.js';
import { respond } from '../sip/respond.js';
import { settleNumbers } from './bridge.js';
import { answerOffers } from './renegotiation.js';
import { endDialog, ringPhone, RingError, type RingOptions } from './ring.js';

/** RFC 6086 package by which our own test phone learns what a plain phone cannot know: that an agent was connected. */
export const callStatePackage = 'identity-gateway.call-state';

/** What may be sent within a call (RFC 3261 section 20.5). */
const allowed = 'INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK';

/** Longest INFO body looked at, in bytes; a key needs 40. */
const maxInfoBytes = 256;

export class CallerLeg {
  readonly voice: EndpointVoice;
  endpoint: MediaEndpoint;
  private readonly wantsCallState: boolean;
  private ended = false;
  /** While the caller's media is being brought back. */
  private comingBack: Promise<void> | undefined;
  /** Who answers offers of the caller: the endpoint, until a bridge takes over. */
  private answer: (offer: string) => Promise<string>;

  /** @param req the INVITE of a caller; undefined for one whom we have called */
  private constructor(readonly dialog: Srf.Dialog, endpoint: MediaEndpoint, readonly source: MediaSource, req: Srf.SrfRequest | undefined, promptsPath: string, log: Logger) {
    this.endpoint = endpoint;
    this.voice = new EndpointVoice(endpoint, promptsPath);
    this.wantsCallState = req !== undefined && req.has('Recv-Info') && req.get('Recv-Info').toLowerCase().split(/[\s,]+/).includes(callStatePackage);
    this.answer = (offer) => this.answerByEndpoint(offer);
    // Behind a NAT that moved the port: the same description again, and the media from elsewhere (docs/whose-call.md).
    answerOffers(dialog, (offer) => this.answer(offer), log, { repeated: (offer) => void this.endpoint.lookAgain(offer) });
    dialog.on('info', (info, res) => this.onInfo(info, res));
  }

  /**
   * Answers an INVITE with a media endpoint.
   * @param source whose media counts as this caller's
   * @param abandoned aborts when the caller cancels while the endpoint is being made
   * @throws MediaError; the INVITE has then been answered with a fitting refusal, unless the caller cancelled it
   */
  static async answer(req: Srf.SrfRequest, res: Srf.SrfResponse, srf: Srf, pool: MediaPool, source: MediaSource, promptsPath: string, abandoned: AbortSignal, log: Logger): Promise<CallerLeg> {
    let endpoint: MediaEndpoint | undefined;
    try {
      const offer = sdpOf(req.body);
      if (offer) {
        const verdict = judgeOffer(offer);
        if (!verdict.ok) throw new MediaError('no_common_codec', verdict.problem);
      }
      endpoint = await pool.createEndpoint(offer ? audioOnly(offer) : undefined, source);
      if (abandoned.aborted) throw new MediaError('endpoint_gone', 'the caller gave up');
      const dialog = await srf.createUAS(req, res, {
        localSdp: offer ? answerTo(offer, audioOnly(endpoint.localSdp)) : openOffer(endpoint.localSdp),
        headers: { Allow: allowed, ...(asksForRefreshes(req) ? { Require: 'timer' } : {}) },
      });
      const leg = new CallerLeg(dialog, endpoint, source, req, promptsPath, log);
      // An INVITE without an offer: ours went out in the 200, the answer comes in the ACK (RFC 3261 section 13.2.1).
      if (!offer) dialog.once('ack', (ack) => void leg.takeAnswer(sdpOf(ack.body)).catch(() => undefined));
      return leg;
    } catch (error) {
      await endpoint?.destroy();
      if (!abandoned.aborted && !res.finalResponseSent) refuse(res, error);
      throw error;
    }
  }

  /**
   * Calls a caller back.
   * @throws RingError, MediaError; nothing is left behind then
   */
  static async callBack(srf: Srf, target: Pick<RingOptions, 'uri' | 'from' | 'ringTimeoutMs' | 'signal'> & { source?: MediaSource }, pool: MediaPool, promptsPath: string, log: Logger): Promise<CallerLeg> {
    const endpoint = await pool.createEndpoint(undefined, target.source ?? described);
    let dialog: Srf.Dialog | undefined;
    try {
      dialog = await ringPhone(srf, { ...target, offer: openOffer(endpoint.localSdp) });
      const leg = new CallerLeg(dialog, endpoint, target.source ?? described, undefined, promptsPath, log);
      await endpoint.modify(audioOnly(peerDescription(dialog)));
      await settleNumbers(dialog, endpoint);
      if (target.signal.aborted) throw new RingError('cancelled');
      return leg;
    } catch (error) {
      if (dialog) endDialog(dialog);
      await endpoint.destroy();
      throw error;
    }
  }

  private async takeAnswer(answer: string): Promise<void> {
    if (answer === '') return;
    notePeerDescription(this.dialog, answer);
    await this.endpoint.modify(audioOnly(answer));
    await settleNumbers(this.dialog, this.endpoint);
  }

  private async answerByEndpoint(offer: string): Promise<string> {
    await this.endpoint.modify(offer);
    return this.endpoint.localSdp;
  }

  /** Lets a bridge answer the caller's offers; without one it is the endpoint's task again. */
  answerThrough(answer: ((offer: string) => Promise<string>) | undefined): void {
    this.answer = answer ?? ((offer) => this.answerByEndpoint(offer));
  }

  /**
   * Brings the caller's media back to the media server after it flowed freely: with a fresh endpoint, of which the phone
   * is told by re-INVITE. `voice` goes on there. Whoever asks while that is under way waits for the same.
   * @param moved told when the caller's phone has agreed, if nobody had asked before
   * @throws MediaError, SipError; before the phone has agreed nothing has changed then, and afterwards the caller hears nothing
   */
  comeBack(pool: MediaPool, moved: () => void = () => undefined): Promise<void> {
    if (!this.comingBack && !this.endpoint.gone.aborted) return Promise.resolve();
    this.comingBack ??= this.bringBack(pool, moved).finally(() => (this.comingBack = undefined));
    return this.comingBack;
  }

  private async bringBack(pool: MediaPool, moved: () => void): Promise<void> {
    const endpoint = await pool.createEndpoint(audioOnly(peerDescription(this.dialog)), this.source);
    if (this.ended) {
      await endpoint.destroy();
      throw new MediaError('endpoint_gone', 'the call ended while its media was being brought back');
    }
    this.endpoint = endpoint;
    this.voice.moveTo(endpoint);
    const answer = await modifyDialog(this.dialog, offerAfter(this.dialog.local.sdp, openOffer(endpoint.localSdp))).catch(async (error: unknown) => {
      await endpoint.destroy();
      throw error;
    });
    moved();
    await endpoint.modify(audioOnly(answer));
    await settleNumbers(this.dialog, endpoint);
  }

  /** Tells a phone that asked for it how far the call is. */
  tell(callState: string): void {
    if (!this.wantsCallState) return;
    this.dialog
      .request({ method: 'INFO', headers: { 'Info-Package': callStatePackage, 'Content-Type': 'text/plain' }, body: callState } as never)
      .catch(() => undefined);
  }

  /** @param cause Q.850 cause and text for the Reason header (RFC 3326) */
  async end(cause: string): Promise<void> {
    this.ended = true;
    if ((this.dialog as unknown as { connected: boolean }).connected) endDialog(this.dialog, cause);
    await this.endpoint.destroy();
  }

  private onInfo(req: Srf.SrfRequest, res: Srf.SrfResponse): void {
    if (req.has('Info-Package')) return respond(res, 469, { headers: { 'Recv-Info': '' } });
    const type = (req.has('Content-Type') ? req.get('Content-Type') : '').split(';')[0]!.trim().toLowerCase();
    const body = (req.body ?? '').slice(0, maxInfoBytes);
    const key = type === 'application/dtmf-relay' ? keyIn(/^\s*Signal\s*=\s*(\S{1,2})\s*$/im.exec(body)?.[1]) : type === 'application/dtmf' ? keyIn(/^\s*(?:Signal\s*=\s*)?(\S{1,2})\s*$/im.exec(body)?.[1]) : undefined;
    if (key !== undefined) this.voice.press(key, 'info');
    respond(res, key === undefined && req.body ? 415 : 200);
  }
}

/** A key as an INFO names it: by its sign, or by its number as an event (RFC 4733 table 3). */
function keyIn(word: string | undefined): string | undefined {
  if (word === undefined) return undefined;
  const key = /^1[0-5]$/.test(word) ? '*#ABCD'[Number(word) - 10] : word.toUpperCase();
  return key !== undefined && /^[0-9*#A-D]$/.test(key) ? key : undefined;
}

/** RFC 4028 section 9: who is asked to refresh the session is told so by Require; the SIP server keeps the time. */
function asksForRefreshes(req: Srf.SrfRequest): boolean {
  return req.has('Session-Expires') && /refresher\s*=\s*uac/i.test(req.get('Session-Expires')) && req.has('Supported') && /\btimer\b/i.test(req.get('Supported'));
}

function refuse(res: Srf.SrfResponse, error: unknown): void {
  if (error instanceof MediaError && error.code === 'no_common_codec') {
    respond(res, 488, { headers: { Warning: '305 gateway "This number speaks G.711 A-law or mu-law over RTP/AVP"' } });
  } else if (error instanceof OfferRefused) {
    respond(res, 488, { headers: { Warning: '399 gateway "Media from the address in this session description is not taken from this trunk"' } });
  } else respond(res, 503, { headers: { 'Retry-After': '5' } });
}
