/** Ringing a phone, giving up on it, ending a dialog. */
import type Srf from 'drachtio-srf';
import { bounded } from '../media/bounded.js';
import { notePeerDescription } from '../sip/reinvite.js';
import { judgeOffer, sdpOf } from '../sip/sdp.js';

export class RingError extends Error {
  override readonly name = 'RingError';
  constructor(readonly code: 'no_answer' | 'refused' | 'cancelled' | 'no_description', readonly status?: number) {
    super(`phone: ${code}${status === undefined ? '' : ` (${status})`}`);
  }
}

export interface RingOptions {
  /** SIP address of the phone. */
  uri: string;
  /** Our offer. */
  offer: string;
  /** What the phone shows as the caller: a SIP address of which `localhost` becomes our own, perhaps with a name. */
  from: string;
  ringTimeoutMs: number;
  /** More headers of the INVITE. */
  headers?: Readonly<Record<string, string>>;
  /** Aborts when the call no longer wants this phone. */
  signal: AbortSignal;
}

/** What the phone may send us within the call (RFC 3261 section 20.5). */
const allowedOfUs = 'INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK, REFER';

/** Longest wait for the end of a cancelled INVITE, in ms: 64 times T1 (RFC 3261 section 9.1) and a little. */
const cancelEndsMs = 35_000;

/**
 * Rings a phone until it answers, refuses, or is no longer wanted.
 * An answer that crosses our CANCEL is ended with BYE; no dialog is left behind whatever happens.
 * @returns the confirmed dialog, owned by the caller of this function
 * @throws RingError
 */
export async function ringPhone(srf: Srf, options: RingOptions): Promise<Srf.Dialog> {
  let request: Srf.SrfRequest | undefined;
  let givenUp: 'no_answer' | 'cancelled' | undefined;
  let stopWaiting = (_error: RingError): void => undefined;
  // A phone that says nothing at all cannot be cancelled and is given up by SIP only after half a minute
  // (RFC 3261 sections 9.1 and 17.1.1.2): the caller does not wait for that.
  const unwanted = new Promise<never>((_resolve, reject) => (stopWaiting = reject));
  const giveUp = (why: 'no_answer' | 'cancelled') => {
    if (givenUp) return;
    givenUp = why;
    cancel(request);
    stopWaiting(new RingError(why));
  };
  if (options.signal.aborted) throw new RingError('cancelled');
  const onAbort = () => giveUp('cancelled');
  options.signal.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => giveUp('no_answer'), options.ringTimeoutMs);
  const progress = {
    // The library calls this with (error, request) although its types say (request).
    cbRequest: (...args: unknown[]) => {
      request = args[1] as Srf.SrfRequest | undefined;
      if (givenUp) cancel(request);
    },
  };
  const inviting = srf.createUAC(options.uri, { localSdp: options.offer, headers: { From: options.from, Allow: allowedOfUs, Supported: 'replaces', ...options.headers } }, progress);
  // Answered after all: no dialog may be left behind.
  const late = (dialog: Srf.Dialog) => {
    if (givenUp) endDialog(dialog);
  };
  inviting.then(late, () => undefined);
  try {
    const dialog = await Promise.race([bounded(inviting, options.ringTimeoutMs + cancelEndsMs, 'ring'), unwanted]);
    if (givenUp) {
      endDialog(dialog);
      throw new RingError(givenUp);
    }
    const answer = sdpOf(dialog.remote.sdp);
    const verdict = judgeOffer(answer);
    // A codec that the media server does not speak is fine between phones that have agreed on it.
    if (!verdict.ok && verdict.problem !== 'noCommonCodec') {
      endDialog(dialog);
      throw new RingError('no_description');
    }
    notePeerDescription(dialog, answer);
    return dialog;
  } catch (error) {
    if (error instanceof RingError) throw error;
    inviting.then(endDialog).catch(() => undefined);
    if (givenUp) throw new RingError(givenUp);
    throw new RingError('refused', error instanceof Error && 'status' in error ? Number(error.status) : undefined);
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', onAbort);
  }
}

/** The library throws when the connection to the SIP server is gone, and with it what was to be cancelled. */
function cancel(request: Srf.SrfRequest | undefined): void {
  try {
    request?.cancel(() => undefined);
  } catch {
    // Nobody is there to tell.
  }
}

/**
 * Calls back once when the other side ends a dialog, or at once when it has: a BYE may come in the very piece of the SIP
 * server's stream that tells of the answer, and the library then reports it before anybody can listen.
 */
export function whenEnded(dialog: Srf.Dialog, listener: () => void): void {
  if ((dialog as unknown as { connected: boolean }).connected) dialog.on('destroy', listener);
  else listener();
}

/** Sends BYE; what becomes of it concerns nobody any more. */
export function endDialog(dialog: Srf.Dialog, reason?: string): void {
  try {
    const ending = dialog.destroy(reason === undefined ? undefined : { headers: { Reason: reason } }) as unknown as Promise<unknown> | undefined;
    ending?.catch(() => undefined);
  } catch {
    // The connection to the SIP server is gone, and the dialog with it.
  }
}
