/**
 * Offers of ours within a dialog (RFC 3261 section 14), one at a time per dialog, with the glare rule; and what the other
 * side of a dialog said last.
 */
import type Srf from 'drachtio-srf';
import { sdpOf } from './sdp.js';

interface QueueingDialog extends Srf.Dialog {
  _reinvitesInProgress?: { count: number; admitOne: (() => void)[] };
}

/** An offer that cannot be answered now or not at all, with the status to say so. */
export class OfferRefused extends Error {
  override readonly name = 'OfferRefused';
  readonly code = 'offer_refused';
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

const lines = new WeakMap<Srf.Dialog, Promise<unknown>>();
const offersUnderWay = new WeakMap<Srf.Dialog, number>();
const descriptions = new WeakMap<Srf.Dialog, string>();

/** Attempts after the first when the other side is renegotiating at the same moment (491). */
const glareRetries = 2;

/** The description the other side of a dialog gave last and that was accepted; '' when it has given none yet. */
export function peerDescription(dialog: Srf.Dialog): string {
  return descriptions.get(dialog) ?? sdpOf(dialog.remote.sdp);
}

/**
 * Remembers a description of the other side. The library's own `remote.sdp` takes what a re-INVITE brings before
 * anybody has accepted it, an empty body included.
 */
export function notePeerDescription(dialog: Srf.Dialog, sdp: string): void {
  descriptions.set(dialog, sdp);
}

/** True while an offer of ours waits for its answer: one that comes in meanwhile has to wait (RFC 3261 section 14.2). */
export function isOffering(dialog: Srf.Dialog): boolean {
  return (offersUnderWay.get(dialog) ?? 0) > 0;
}

/**
 * Sends a new offer in a dialog.
 * @param sdp the whole offer; its `o=` line must already continue the session
 * @returns the answer
 * @throws SipError with the `status` of the refusal; the session then goes on as it was
 */
export async function modifyDialog(dialog: Srf.Dialog, sdp: string): Promise<string> {
  const before = lines.get(dialog) ?? Promise.resolve();
  const mine = before.catch(() => undefined).then(() => attempt(dialog, sdp, glareRetries));
  lines.set(dialog, mine);
  offersUnderWay.set(dialog, (offersUnderWay.get(dialog) ?? 0) + 1);
  try {
    return await mine;
  } finally {
    offersUnderWay.set(dialog, (offersUnderWay.get(dialog) ?? 1) - 1);
  }
}

async function attempt(dialog: Srf.Dialog, sdp: string, retries: number): Promise<string> {
  const { sdp: previous } = dialog.local;
  try {
    const answer = sdpOf(await dialog.modify(sdp));
    if (answer === '') throw new OfferRefused(488, 'the answer has no description');
    notePeerDescription(dialog, answer);
    return answer;
  } catch (error) {
    // The library counts a refused re-INVITE as still in progress and would hold back every later one for ever.
    (dialog as QueueingDialog)._reinvitesInProgress = { count: 0, admitOne: [] };
    dialog.local.sdp = previous;
    if (retries > 0 && error instanceof Error && 'status' in error && error.status === 491) {
      // RFC 3261 section 14.1: the owner of the Call-ID waits 2.1 to 4 s, the other side 0 to 2 s.
      const waitMs = dialog.type === 'uac' ? 2_100 + Math.random() * 1_900 : Math.random() * 2_000;
      // Meanwhile the other side's own offer is to come in.
      offersUnderWay.set(dialog, (offersUnderWay.get(dialog) ?? 1) - 1);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      offersUnderWay.set(dialog, (offersUnderWay.get(dialog) ?? 0) + 1);
      return attempt(dialog, sdp, retries - 1);
    }
    throw error;
  }
}
