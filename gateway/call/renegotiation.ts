/**
 * Offers that arrive in the middle of a call (re-INVITE, UPDATE with a description): hold, resume, moved media, refreshes
 * of the session. Where they lead depends on how the call is bridged at that moment, so the answer is asked of whoever
 * knows.
 */
import type Srf from 'drachtio-srf';
import type { Logger } from 'pino';
import { answerTo, audioOnly, continueSession, judgeOffer, offerAfter, sdpOf, withDirection } from '../sip/sdp.js';
import { isOffering, notePeerDescription, peerDescription } from '../sip/reinvite.js';
import { respond } from '../sip/respond.js';
import { MediaError } from '../media/bounded.js';

/** Finds the answer to an offer of one audio stream: from the endpoint of an anchored leg, or from the other leg of a released call. */
export type AnswerOffer = (offer: string) => Promise<string>;

const asSdp = { 'Content-Type': 'application/sdp' };

/** What else a leg may be told by requests within its dialog. */
export interface LegListeners {
  /** A re-INVITE or UPDATE came, whatever it offers: its headers may say who is there now. */
  told?(req: Srf.SrfRequest): void;
  /** A description was said again, and answered as before: whoever receives the media may have to look for it anew. */
  repeated?(offer: string): void;
  /** The peer wants the other leg taken elsewhere; to be answered by this listener. Without one that is refused. */
  refer?(req: Srf.SrfRequest, res: Srf.SrfResponse): void;
}

/**
 * Answers offers on one leg until its dialog ends.
 * @param answer asked for each offer; a rejection refuses the offer and leaves the session as it was
 * @param log told of refusals
 */
export function answerOffers(dialog: Srf.Dialog, answer: AnswerOffer, log?: Logger, listeners: LegListeners = {}): void {
  notePeerDescription(dialog, peerDescription(dialog));
  let answering = false;

  const handle = async (req: Srf.SrfRequest, res: Srf.SrfResponse) => {
    if (isOffering(dialog)) return respond(res, 491);
    if (answering) return respond(res, 500, { headers: { 'Retry-After': '1' } });
    const offer = sdpOf(req.body);
    if (offer === '') {
      if (req.body) return respond(res, 415, { headers: { Accept: 'application/sdp' } });
      return offerOurs(req, res);
    }
    // A refresh of the session (RFC 4028): nothing has changed, so the other leg need not hear of it.
    if (offer === peerDescription(dialog)) {
      respond(res, 200, { body: dialog.local.sdp, headers: asSdp });
      return listeners.repeated?.(audioOnly(offer));
    }
    if (!judgeOffer(offer).ok) return respond(res, 488);
    answering = true;
    try {
      const sdp = continueSession(answerTo(offer, audioOnly(await answer(audioOnly(offer)))), dialog.local.sdp);
      dialog.local.sdp = sdp;
      notePeerDescription(dialog, offer);
      respond(res, 200, { body: sdp, headers: asSdp });
    } catch (error) {
      const status = refusalOf(error);
      log?.warn({ status, problem: error instanceof Error ? error.message : String(error) }, 'a new offer within the call was refused');
      respond(res, status);
    } finally {
      answering = false;
    }
  };

  /** RFC 3261 section 14.2: without an offer the 200 carries ours, and the ACK the answer. */
  const offerOurs = (req: Srf.SrfRequest, res: Srf.SrfResponse) => {
    const seq = Number.parseInt(req.get('CSeq'), 10);
    const onAck = (ack: Srf.SrfRequest) => {
      if (Number.parseInt(ack.get('CSeq'), 10) !== seq) return;
      dialog.removeListener('ack', onAck);
      const sdp = sdpOf(ack.body);
      if (sdp === '' || sdp === peerDescription(dialog) || !judgeOffer(sdp).ok) return;
      notePeerDescription(dialog, sdp);
      answer(audioOnly(sdp)).catch(() => undefined);
    };
    dialog.on('ack', onAck);
    // Who asks for an offer wants to talk: one that is on hold is asked back (RFC 6337 section 5.3).
    if (/^a=(inactive|sendonly|recvonly)\s*$/m.test(dialog.local.sdp)) dialog.local.sdp = offerAfter(dialog.local.sdp, withDirection(audioOnly(dialog.local.sdp), 'sendrecv'));
    respond(res, 200, { body: dialog.local.sdp, headers: asSdp });
  };

  dialog.on('modify', (req, res) => {
    listeners.told?.(req);
    void handle(req, res);
  });
  dialog.on('update', (req, res) => {
    listeners.told?.(req);
    if (req.body) void handle(req, res);
    else respond(res, 200);
  });
  // Refused at once, so that the phone does not wait for a NOTIFY.
  dialog.on('refer', (req, res) => (listeners.refer ? listeners.refer(req, res) : respond(res, 603)));
}

/**
 * The status of a refusal. What the other leg was told is passed on only where it means the same here: a 408 or 481
 * would end this leg (RFC 3261 section 12.2.1.2).
 */
function refusalOf(error: unknown): number {
  if (error instanceof MediaError) return error.code === 'no_common_codec' ? 488 : 500;
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
  if (status === 415 || status === 488 || status === 606) return 488;
  return status === 491 ? 491 : 500;
}
