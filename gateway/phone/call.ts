import { EventEmitter } from 'node:events';
import type { RtpStats } from '../engines/media-server/rtp/index.js';
import { AudioLine, type AudioLineOptions } from './audio-line.js';
import { callStatePackage, callStates, type CallState, type Evidence, type PhoneEvent, type UntimedPhoneEvent } from './events.js';
import { meanings, type Outcome } from './outcome.js';
import { SessionDescriptionError } from './session-description.js';
import type { SipDialog, SipMessage, SipRequest, SipResponse } from './sip-line.js';
import { SampleSource } from './sources.js';
import { ToneWatch } from './tone-watch.js';

/** How a call went. */
export interface CallResult {
  readonly outcome: Outcome;
  readonly exitCode: number;
  readonly cause: string;
  readonly fix: string;
  /** Of the INVITE, if it was refused. */
  readonly status?: number;
  readonly connected: boolean;
  readonly answeredAfterMs?: number;
  readonly codeSentAfterMs?: number;
  readonly connectedAfterMs?: number;
  readonly durationMs: number;
  readonly endedBy: 'us' | 'them' | 'nobody';
  readonly reason: string;
  readonly statistics: RtpStats;
}

/** Whoever has answered and does not tell what it does by then is somebody, not a gateway, in ms. */
const toldWithinMs = 1_000;

export interface CallBehaviour {
  readonly dtmf: 'rfc4733' | 'info';
  /** Said from the answer on. */
  readonly say?: { readonly samples: Int16Array; readonly forever: boolean };
  readonly onHeard?: (samples: Int16Array) => void;
  /** Connected as soon as this tone is heard. */
  readonly expectToneHz?: number;
  /** Whether an answer alone counts as connected: at once, or if the other side does not tell its state within a moment. */
  readonly answerIsEnough: 'at once' | 'if not told' | 'no';
  /** Hangs up so long after being connected. */
  readonly hangupAfterMs?: number;
  /** Hangs up when not connected so long after the beginning. */
  readonly giveUpAfterMs?: number;
}

const maxEvents = 2_000;
const audioDueMs = 3_000;
const toneNeededMs = 200;
const byeTimeoutMs = 5_000;
const gaveUp = 'gave up waiting';

/** A sentence for a BYE's Reason header (RFC 3326), or for its absence. */
export function reasonOf(message: SipMessage | undefined): string {
  const header = message?.get('Reason')?.slice(0, 200) ?? '';
  if (header === '') return 'no reason given';
  const text = /text="([^"]*)"/i.exec(header)?.[1];
  const cause = /^\s*([\w.]+)\s*;.*cause=(\d+)/i.exec(header);
  return [text, cause ? `${cause[1] ?? ''} cause ${cause[2] ?? ''}` : ''].filter(Boolean).join(', ') || header;
}

/**
 * One call of the test phone, from either side. Owns the dialog, the audio and all timers; ends exactly once, then
 * `done` resolves (it never rejects).
 */
export class PhoneCall extends EventEmitter<{ event: [PhoneEvent] }> {
  readonly events: PhoneEvent[] = [];
  readonly done: Promise<CallResult>;

  private finish!: (result: CallResult) => void;
  private readonly startedAt = performance.now();
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly toneWatch: ToneWatch | undefined;
  private audio: AudioLine | undefined;
  private dialog: SipDialog | undefined;
  private ended = false;
  private answeredAfterMs: number | undefined;
  private codeSentAfterMs: number | undefined;
  private connectedAfterMs: number | undefined;
  private toldByGateway = false;
  private toneHeard = false;
  private audioHeard = false;
  private hangingUp: Promise<void> | undefined;
  private stopEarly: (() => void) | undefined;

  constructor(private readonly behaviour: CallBehaviour) {
    super();
    this.done = new Promise((resolve) => { this.finish = resolve; });
    this.toneWatch = behaviour.expectToneHz === undefined ? undefined : new ToneWatch(behaviour.expectToneHz, toneNeededMs);
    if (behaviour.giveUpAfterMs !== undefined) {
      this.after(behaviour.giveUpAfterMs, () => {
        if (this.connectedAfterMs === undefined) void this.hangup(gaveUp);
      });
    }
  }

  /** What was heard so far (8 kHz), if the call is recorded. */
  heard(): Int16Array {
    return this.audio?.recording?.heard() ?? new Int16Array(0);
  }

  /** Packets so far. */
  statistics(): RtpStats {
    return this.audio?.stats() ?? { packetsSent: 0, octetsSent: 0, packetsReceived: 0, octetsReceived: 0, lost: 0, jitterMs: 0, discarded: 0, digitsReceived: 0 };
  }

  get isEnded(): boolean {
    return this.ended;
  }

  get isConnected(): boolean {
    return this.connectedAfterMs !== undefined;
  }

  /** Writes the recording, if there is one. */
  saveRecording(file: string): void {
    this.audio?.recording?.save(file);
  }

  /** Presses keys; they are never reported or logged. Resolves when they are through. */
  async press(keys: string): Promise<void> {
    const { dialog, audio } = this;
    if (!dialog || !audio || this.ended) return;
    const way = this.behaviour.dtmf === 'rfc4733' && audio.canSendKeys ? 'rfc4733' : 'info';
    this.report({ kind: 'pressing', keys: keys.length, way });
    if (way === 'rfc4733') {
      await audio.press(keys);
    } else {
      for (const key of keys) {
        if (this.ended) return;
        await dialog.request({ method: 'INFO', headers: { 'Content-Type': 'application/dtmf-relay' }, body: `Signal=${key}\r\nDuration=160\r\n` });
      }
    }
    if (!this.ended) this.report({ kind: 'pressed' });
  }

  /** Presses the code and remembers when. */
  async pressCode(keys: string): Promise<void> {
    await this.press(keys);
    this.codeSentAfterMs ??= this.elapsedMs();
  }

  /** Says something else from now on. */
  say(samples: Int16Array, forever: boolean): void {
    this.audio?.say(new SampleSource(samples, forever));
  }

  /**
   * Says something about the call that is not about its media: an UPDATE without an offer (RFC 3311), as a PBX sends to
   * report who is there now.
   * @returns the final response's status; undefined when there is no call to say it in
   */
  async update(headers: Readonly<Record<string, string>>): Promise<number | undefined> {
    if (!this.dialog || this.ended) return undefined;
    return (await this.dialog.request({ method: 'UPDATE', headers: { ...headers } })).status;
  }

  /** Ends the call politely, whatever it is doing; resolves when it is over. */
  hangup(why: string): Promise<void> {
    return (this.hangingUp ??= (async () => {
      if (this.ended) return;
      const dialog = this.dialog;
      if (!dialog) {
        // Not answered yet: whoever is dialling or ringing takes it back and then reports the end.
        this.hangupReason = why;
        if (this.stopEarly) this.stopEarly();
        else this.end({ by: 'us', why });
        await this.done;
        return;
      }
      const bye = dialog.destroy({ headers: { Reason: 'Q.850;cause=16;text="Normal call clearing"' } }).catch(() => undefined);
      await Promise.race([bye, new Promise<void>((resolve) => { this.after(byeTimeoutMs, resolve); })]);
      this.end({ by: 'us', why });
    })());
  }

  // What follows is for those who make calls (dial.ts, answer.ts).

  /** Why `hangup` was called before there was a dialog. */
  hangupReason: string | undefined;
  /** The other side said anything at all. */
  anyResponse = false;

  /** What to do when the call is to end before it is answered. */
  onStopEarly(stop: () => void): void {
    this.stopEarly = stop;
  }

  async openAudio(options: Omit<AudioLineOptions, 'onHeard'>): Promise<AudioLine> {
    const audio = await AudioLine.open({ ...options, onHeard: (samples) => { this.hear(samples); } });
    if (this.ended) audio.close();
    return (this.audio = audio);
  }

  report(event: UntimedPhoneEvent): void {
    if (this.events.length >= maxEvents) return;
    const stamped: PhoneEvent = { ...event, atMs: this.elapsedMs() };
    this.events.push(stamped);
    this.emit('event', stamped);
  }

  elapsedMs(): number {
    return Math.round(performance.now() - this.startedAt);
  }

  /** Runs `action` later, unless the call ends before. */
  after(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      action();
    }, ms);
    this.timers.add(timer);
  }

  /** The dialog is there: the call is answered, its media known. */
  answered(dialog: SipDialog): void {
    this.dialog = dialog;
    this.answeredAfterMs = this.elapsedMs();
    dialog.on('destroy', (bye: SipRequest) => { this.end({ by: 'them', why: reasonOf(bye) }); });
    dialog.on('modify', (request: SipRequest, response: SipResponse) => { this.modified(request, response); });
    dialog.on('update', (request: SipRequest, response: SipResponse) => {
      if (request.body) this.modified(request, response);
      else response.send(200);
    });
    dialog.on('ack', (ack: SipRequest) => { this.acknowledged(ack); });
    dialog.on('info', (request: SipRequest, response: SipResponse) => { this.informed(request, response); });
    // Without a listener the library would accept a transfer that this phone does not carry out.
    dialog.on('refer', (_request: SipRequest, response: SipResponse) => { response.send(603); });
    const audio = this.audio;
    if (!audio) return;
    this.report({
      kind: 'answered',
      afterMs: this.answeredAfterMs,
      codec: audio.codec,
      keys: this.behaviour.dtmf === 'rfc4733' && audio.canSendKeys ? 'rfc4733' : 'info',
      media: audio.peerMedia,
    });
    if (this.behaviour.dtmf === 'rfc4733' && !audio.canSendKeys) {
      this.report({ kind: 'notice', text: 'the other side does not take keys as RFC 4733 events; they would go as SIP INFO' });
    }
    if (this.behaviour.say) audio.say(new SampleSource(this.behaviour.say.samples, this.behaviour.say.forever));
    this.after(audioDueMs, () => {
      if (!this.audioHeard) this.report({ kind: 'notice', text: `no audio in the first ${audioDueMs / 1000} s after the answer` });
    });
  }

  /** Evidence that a human (or whatever stands for one) is on the line. */
  connected(how: Evidence): void {
    if (this.connectedAfterMs !== undefined || this.ended) return;
    this.connectedAfterMs = this.elapsedMs();
    this.report({ kind: 'connected', how, afterMs: this.connectedAfterMs });
    if (this.behaviour.hangupAfterMs !== undefined) this.after(this.behaviour.hangupAfterMs, () => { void this.hangup('time was up'); });
  }

  /** Ends the call, once. `status`: of the final response that refused it. */
  end(how: { by: 'us' | 'them' | 'nobody'; why: string; status?: number; outcome?: Outcome }): void {
    if (this.ended) return;
    if (this.audioHeard && this.behaviour.answerIsEnough !== 'no' && this.toneWatch === undefined) this.answerTaken();
    this.ended = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    this.audio?.close();
    this.report({ kind: 'ended', by: how.by, why: how.why });
    const outcome = how.outcome ?? this.judge(how);
    this.finish({
      outcome,
      ...meanings[outcome],
      connected: outcome === 'connected',
      ...(how.status === undefined ? {} : { status: how.status }),
      ...(this.answeredAfterMs === undefined ? {} : { answeredAfterMs: this.answeredAfterMs }),
      ...(this.codeSentAfterMs === undefined ? {} : { codeSentAfterMs: this.codeSentAfterMs }),
      ...(this.connectedAfterMs === undefined ? {} : { connectedAfterMs: this.connectedAfterMs }),
      durationMs: this.elapsedMs(),
      endedBy: how.by,
      reason: how.why,
      statistics: this.statistics(),
    });
  }

  private judge(how: { by: 'us' | 'them' | 'nobody'; why: string }): Outcome {
    if (this.answeredAfterMs !== undefined && !this.audioHeard) return 'no-audio';
    if (this.connectedAfterMs !== undefined) return 'connected';
    if (how.by === 'them') return 'hung-up-early';
    if (how.why !== gaveUp) return 'interrupted';
    return this.answeredAfterMs !== undefined ? 'gave-up' : this.anyResponse ? 'unavailable' : 'unreachable';
  }

  private answerTaken(): void {
    if (!this.toldByGateway && this.answeredAfterMs !== undefined) this.connected('answered');
  }

  private hear(samples: Int16Array): void {
    if (this.ended) return;
    this.behaviour.onHeard?.(samples);
    if (!this.audioHeard) {
      this.audioHeard = true;
      this.report({ kind: 'first-audio', afterMs: this.elapsedMs() });
      // A gateway tells that it is one right after its answer, which may come a moment after its first sound.
      if (this.behaviour.answerIsEnough === 'if not told' && this.toneWatch === undefined) this.after(toldWithinMs, () => this.answerTaken());
    }
    if (this.answeredAfterMs === undefined) return;
    if (this.behaviour.answerIsEnough === 'at once' && this.toneWatch === undefined) this.answerTaken();
    if (this.toneWatch && !this.toneHeard && this.toneWatch.hear(samples)) {
      this.toneHeard = true;
      this.report({ kind: 'tone-heard', hz: this.toneWatch.hz });
      this.connected('tone');
    }
  }

  /** A re-INVITE or an UPDATE with an offer, or a re-INVITE that asks for ours. */
  private modified(request: SipRequest, response: SipResponse): void {
    const audio = this.audio;
    if (!audio || this.ended) {
      response.send(481);
      return;
    }
    const before = audio.peerMedia;
    const wasHeld = audio.held;
    const answer = (body: string): void => {
      response.send(200, { headers: { 'Content-Type': 'application/sdp' }, body });
      if (this.dialog) this.dialog.local.sdp = body;
    };
    if (!request.body) {
      answer(audio.offer());
      return;
    }
    try {
      answer(audio.takeOffer(request.body));
    } catch (error) {
      response.send(error instanceof SessionDescriptionError && error.code === 'SDP_UNREADABLE' ? 400 : 488);
      this.report({ kind: 'notice', text: `refused a change of the media: ${error instanceof Error ? error.message : 'unreadable'}` });
      return;
    }
    this.mediaChanged(before, wasHeld);
  }

  /** The ACK of a call or re-INVITE without an offer carries the peer's answer. */
  private acknowledged(ack: SipRequest): void {
    const audio = this.audio;
    if (!audio || this.ended || !ack.body) return;
    const before = audio.peerMedia;
    const wasHeld = audio.held;
    try {
      audio.takeAnswer(ack.body);
    } catch (error) {
      this.report({ kind: 'notice', text: `the answer in the ACK is of no use: ${error instanceof Error ? error.message : 'unreadable'}` });
      return;
    }
    this.mediaChanged(before, wasHeld);
  }

  private mediaChanged(before: string, wasHeld: boolean): void {
    const audio = this.audio;
    if (!audio) return;
    if (audio.held && !wasHeld) this.report({ kind: 'held' });
    if (!audio.held && wasHeld) this.report({ kind: 'resumed' });
    if (audio.held || audio.peerMedia === before || before === '') return;
    this.report({ kind: 'media-moved', to: audio.peerMedia });
    this.connected('moved');
  }

  private informed(request: SipRequest, response: SipResponse): void {
    const name = request.get('Info-Package')?.split(';', 1)[0]?.trim().toLowerCase();
    if (name === undefined || name === '') {
      response.send(200);
      return;
    }
    if (name !== callStatePackage) {
      // RFC 6086 section 4.2.2 wants 469, which the library does not let pass; 489 is what events have for the same.
      response.send(489, { headers: { 'Recv-Info': callStatePackage } });
      return;
    }
    response.send(200);
    const state = (request.body ?? '').trim().toLowerCase();
    if (!callStates.includes(state as CallState)) return;
    this.toldByGateway = true;
    this.report({ kind: 'told', state: state as CallState });
    if (state === 'connected') this.connected('told');
  }
}
