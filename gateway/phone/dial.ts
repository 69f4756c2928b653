import type { Codec, MediaClock } from '../engines/media-server/rtp/index.js';
import { PhoneCall, type CallBehaviour } from './call.js';
import { callStatePackage } from './events.js';
import { outcomeOfStatus, type Outcome } from './outcome.js';
import { SessionDescriptionError } from './session-description.js';
import type { SipLine, SipMessage, SipRequest } from './sip-line.js';

export interface DialOptions {
  /** SIP URI, e.g. sip:+31201234567@127.0.0.1:5060. */
  readonly to: string;
  /** The calling number, or a whole SIP URI. */
  readonly from?: string;
  /** The code to press; '#' is added when it is not the last key. */
  readonly code?: string;
  /** Time between the answer and the code, ms. */
  readonly codeAfterMs?: number;
  readonly dtmf?: 'rfc4733' | 'info';
  readonly transport?: 'udp' | 'tcp';
  /** Offered codecs in order of preference. */
  readonly codecs?: readonly Codec[];
  readonly say?: CallBehaviour['say'];
  readonly expectToneHz?: number;
  readonly hangupAfterMs?: number;
  readonly giveUpAfterMs?: number;
  readonly record?: boolean;
  /** Given everything heard, decoded (8 kHz), as it comes. */
  readonly onHeard?: (samples: Int16Array) => void;
  readonly auth?: { readonly username: string; readonly password: string };
  /** More headers of the INVITE. */
  readonly headers?: Readonly<Record<string, string>>;
}

interface Refusal { readonly status?: number; readonly reason?: string; readonly res?: SipMessage }

/** Begins a call. The call reports everything itself, also that it could not be made. */
export function dial(line: SipLine, clock: MediaClock, options: DialOptions): PhoneCall {
  const call = new PhoneCall({
    dtmf: options.dtmf ?? 'rfc4733',
    answerIsEnough: options.code === undefined ? 'if not told' : 'no',
    ...(options.say ? { say: options.say } : {}),
    ...(options.onHeard ? { onHeard: options.onHeard } : {}),
    ...(options.expectToneHz === undefined ? {} : { expectToneHz: options.expectToneHz }),
    ...(options.hangupAfterMs === undefined ? {} : { hangupAfterMs: options.hangupAfterMs }),
    ...(options.giveUpAfterMs === undefined ? {} : { giveUpAfterMs: options.giveUpAfterMs }),
  });
  // One turn later, so that listeners hear of everything.
  setImmediate(() => {
    invite(call, line, clock, options).catch((error: unknown) => {
      call.end({ by: 'nobody', why: error instanceof Error ? error.message : 'unknown failure', outcome: 'failed' });
    });
  });
  return call;
}

async function invite(call: PhoneCall, line: SipLine, clock: MediaClock, options: DialOptions): Promise<void> {
  if (call.isEnded) return;
  const transport = options.transport ?? 'udp';
  const uri = transport === 'tcp' && !/;transport=/i.test(options.to) ? `${options.to};transport=tcp` : options.to;
  const { host, port } = line.address;
  const caller = options.from ?? '0612345678';
  const from = caller.startsWith('sip:') ? caller : `sip:${caller}@${host}`;
  const user = /^sips?:([^@;]*)@/.exec(from)?.[1] ?? 'phone';
  call.report({ kind: 'dialling', to: options.to, from: caller, transport });

  const audio = await call.openAudio({ host, clock, codecs: options.codecs ?? ['PCMA', 'PCMU'], record: options.record ?? false });
  if (call.isEnded) return;

  let sent: SipRequest | undefined;
  let cancelled = false;
  const cancel = (): void => {
    if (cancelled || !sent) return;
    cancelled = true;
    sent.cancel(() => { /* the 487 to the INVITE ends the call */ });
    // A peer that does not even answer a CANCEL must not keep us.
    call.after(3_000, () => { call.end({ by: 'us', why: call.hangupReason ?? 'cancelled' }); });
  };
  call.onStopEarly(cancel);

  let dialog;
  try {
    dialog = await line.srf.createUAC(uri, {
      localSdp: audio.offer(),
      headers: {
        From: `<${from}>`,
        Contact: `<sip:${user}@${host}:${port}${transport === 'tcp' ? ';transport=tcp' : ''}>`,
        'User-Agent': 'telephone-identity-gateway test phone',
        Allow: 'INVITE, ACK, CANCEL, BYE, INFO, UPDATE, OPTIONS',
        'Recv-Info': callStatePackage,
        ...options.headers,
      },
      ...(options.auth ? { auth: options.auth } : {}),
    }, {
      cbRequest: (error, request) => {
        if (error || !request) return;
        sent = request;
        if (call.hangupReason !== undefined) cancel();
      },
      cbProvisional: (response) => {
        call.anyResponse = true;
        if (response.status === 100 || call.isEnded) return;
        call.report({ kind: 'progress', status: response.status, reason: response.reason });
        if (response.body) {
          try { audio.takeAnswer(response.body); } catch { /* the answer proper may do better */ }
        }
      },
    });
  } catch (error) {
    const refusal = error as Refusal;
    const status = typeof refusal.status === 'number' ? refusal.status : undefined;
    if (call.hangupReason !== undefined) {
      call.end({ by: 'us', why: call.hangupReason, ...(status === undefined ? {} : { status }) });
      return;
    }
    if (status === undefined) {
      call.end({ by: 'nobody', why: error instanceof Error ? error.message : 'the call could not be sent', outcome: 'unreachable' });
      return;
    }
    // A response the SIP server had to make itself (nobody listens, no such host, time out) comes from no address.
    const madeHere = !refusal.res?.source_address;
    if (madeHere && !call.anyResponse) {
      call.end({ by: 'nobody', why: 'nobody answers there', status, outcome: 'unreachable' });
      return;
    }
    const outcome: Outcome = status === 408 && call.anyResponse ? 'unavailable' : outcomeOfStatus(status);
    call.end({ by: 'them', why: `${status} ${refusal.reason ?? ''}`.trim(), status, outcome });
    return;
  }
  if (call.isEnded || call.hangupReason !== undefined) {
    // Answered while we were taking the call back (RFC 3261 section 9.1): end it properly.
    await dialog.destroy().catch(() => undefined);
    call.end({ by: 'us', why: call.hangupReason ?? 'cancelled' });
    return;
  }
  try {
    audio.takeAnswer(dialog.remote.sdp ?? '');
  } catch (error) {
    await dialog.destroy({ headers: { Reason: 'SIP;cause=488;text="Not Acceptable Here"' } }).catch(() => undefined);
    call.end({ by: 'us', why: error instanceof SessionDescriptionError ? error.message : 'the answer is of no use', outcome: 'no-common-codec' });
    return;
  }
  call.answered(dialog);
  const { code } = options;
  if (code !== undefined) {
    call.after(options.codeAfterMs ?? 1_500, () => {
      call.pressCode(code.endsWith('#') ? code : `${code}#`).catch(() => {
        call.report({ kind: 'notice', text: 'the keys could not be sent' });
      });
    });
  }
}
