import type { Codec, MediaClock } from '../engines/media-server/rtp/index.js';
import { PhoneCall, type CallBehaviour } from './call.js';
import { SessionDescriptionError } from './session-description.js';
import type { SipDialog, SipLine, SipMessage, SipRequest, SipResponse } from './sip-line.js';
import { greeting } from './sources.js';

export interface AnswerOptions {
  /** How long it rings first, ms. */
  readonly answerAfterMs?: number;
  readonly say?: CallBehaviour['say'];
  readonly codecs?: readonly Codec[];
  readonly record?: boolean;
  readonly hangupAfterMs?: number;
  /** Calls at once; more are busy. */
  readonly maxCalls?: number;
  readonly expectToneHz?: number;
  /** Given everything heard in a call, decoded (8 kHz), as it comes. */
  readonly onHeard?: (call: PhoneCall, samples: Int16Array) => void;
  /** `invitation`: the INVITE, for whoever looks at what else it says. */
  readonly onCall?: (call: PhoneCall, invitation: SipMessage) => void;
}

/** Answers every call that comes on a line. Returns the calls in progress. */
export function answerCalls(line: SipLine, clock: MediaClock, options: AnswerOptions): ReadonlySet<PhoneCall> {
  const calls = new Set<PhoneCall>();
  line.srf.options((_request, response) => { response.send(200, { headers: { Allow: 'INVITE, ACK, CANCEL, BYE, INFO, UPDATE, OPTIONS', Accept: 'application/sdp' } }); });
  line.srf.invite((request, response) => {
    if (calls.size >= (options.maxCalls ?? 4)) {
      response.send(486);
      return;
    }
    const { onHeard } = options;
    const call: PhoneCall = new PhoneCall({
      dtmf: 'rfc4733',
      answerIsEnough: 'at once',
      say: options.say ?? { samples: greeting(), forever: true },
      ...(onHeard ? { onHeard: (samples) => { onHeard(call, samples); } } : {}),
      ...(options.hangupAfterMs === undefined ? {} : { hangupAfterMs: options.hangupAfterMs }),
      ...(options.expectToneHz === undefined ? {} : { expectToneHz: options.expectToneHz }),
    });
    calls.add(call);
    void call.done.then(() => calls.delete(call));
    options.onCall?.(call, request);
    take(call, request, response, line, clock, options).catch((error: unknown) => {
      call.end({ by: 'nobody', why: error instanceof Error ? error.message : 'unknown failure', outcome: 'failed' });
    });
  });
  return calls;
}

async function take(call: PhoneCall, request: SipRequest, response: SipResponse, line: SipLine, clock: MediaClock, options: AnswerOptions): Promise<void> {
  call.report({ kind: 'incoming', from: /<?(sips?:[^>;]+)/.exec(request.get('From') ?? '')?.[1] ?? 'somebody' });
  let open = true;
  const refuse = (status: number): void => {
    if (!open) return;
    open = false;
    response.send(status);
  };
  request.once('cancel', () => {
    open = false;
    call.end({ by: 'them', why: 'cancelled before the answer' });
  });
  call.onStopEarly(() => {
    refuse(480);
    call.end({ by: 'us', why: call.hangupReason ?? 'stopped' });
  });

  const { host, port } = line.address;
  const audio = await call.openAudio({ host, clock, codecs: options.codecs ?? ['PCMA', 'PCMU'], record: options.record ?? false });
  if (call.isEnded) return;
  try {
    if (request.body) audio.examine(request.body);
  } catch (error) {
    refuse(error instanceof SessionDescriptionError && error.code === 'SDP_UNREADABLE' ? 400 : 488);
    call.end({ by: 'us', why: error instanceof Error ? error.message : 'unreadable offer', outcome: 'no-common-codec' });
    return;
  }
  const answerAfterMs = options.answerAfterMs ?? 1_000;
  if (answerAfterMs > 0) {
    response.send(180);
    call.report({ kind: 'progress', status: 180, reason: 'Ringing' });
    await Promise.race([new Promise<void>((resolve) => { call.after(answerAfterMs, resolve); }), call.done]);
    if (call.isEnded) return;
  }
  let dialog: SipDialog;
  try {
    open = false;
    // Only now: audio flows from the moment an offer is followed.
    const description = request.body ? audio.takeOffer(request.body) : audio.offer();
    dialog = await line.srf.createUAS(request, response, { localSdp: description, headers: { Contact: `<sip:phone@${host}:${port}>` } });
  } catch (error) {
    call.end({ by: 'nobody', why: error instanceof Error ? error.message : 'the answer could not be sent' });
    return;
  }
  if (call.isEnded) {
    await dialog.destroy().catch(() => undefined);
    return;
  }
  call.answered(dialog);
}
