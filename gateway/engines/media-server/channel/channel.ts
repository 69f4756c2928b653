/**
 * One call at the media server: its variables, what runs on it, whom it is bridged to, and the events it gives.
 * Knows nothing of SIP; its leg tells it of answers and ends, and is told when to hang up.
 */
import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { EngineLog } from '../../log.js';
import type { SoundLibrary } from '../audio/library.js';
import { EngineEvent, type EventBus, type EventHeaders } from '../events.js';
import type { ClockMember, MediaClock, DigitEvent, RtpSession } from '../rtp/index.js';
import { AppRun } from './app-run.js';
import { APPLICATIONS } from './applications.js';
import type { HangupCause } from './causes.js';
import { Recorder } from './recorder.js';

export type CallState = 'RINGING' | 'ACTIVE' | 'HELD' | 'UNHELD' | 'HANGUP';
const CALL_STATE_NUMBER: Readonly<Record<CallState, string>> = { RINGING: '2', ACTIVE: '4', HELD: '5', UNHELD: '8', HANGUP: '7' };

/** A key shorter than this is reported as this long. */
const MIN_DTMF_UNITS = 400;
const MAX_VARIABLES = 1000;
const MAX_VALUE_CHARS = 16_384;
const MAX_NESTED_RUNS = 32;
const MAX_RECORDERS = 4;

/** Set on every channel before the application is called, as the dialplan of a real server would. */
const INITIAL_VARIABLES: Readonly<Record<string, string>> = {
  send_silence_when_idle: '-1',
  hangup_after_bridge: 'false',
  park_after_bridge: 'true',
  playback_terminators: 'none',
};

export interface ChannelOptions {
  name: string;
  bus: EventBus;
  clock: MediaClock;
  sounds: SoundLibrary;
  session: RtpSession;
  /** Another channel of this server. */
  find: (uuid: string) => Channel | undefined;
  log: EngineLog;
}

interface ChannelEvents {
  /** The leg sends its BYE now. */
  hangup: [cause: HangupCause];
  /** Everything is over and told: connections of this channel may be closed. */
  destroyed: [];
  /** It ends: whatever others do with it has to end first. */
  ending: [];
  /** It is bridged to somebody else, or to nobody any more. */
  bridgeChanged: [];
}

/** Keeps its run's place on the stack, and what `CHANNEL_EXECUTE_COMPLETE` will say. */
export interface Execution {
  application: string;
  argument: string;
  applicationUuid: string;
}

export class Channel extends EventEmitter<ChannelEvents> implements ClockMember {
  readonly uuid = randomUUID();
  readonly name: string;
  readonly session: RtpSession;
  readonly sounds: SoundLibrary;
  readonly log: EngineLog;
  readonly createdAt = new Date();
  readonly find: (uuid: string) => Channel | undefined;
  /** Another channel has come into its conversation. */
  isInThreeWay = false;
  private readonly bus: EventBus;
  private readonly clock: MediaClock;
  private readonly variables = new Map<string, string>(Object.entries(INITIAL_VARIABLES));
  private readonly stack: AppRun[] = [];
  private readonly finished = new Set<Promise<void>>();
  private readonly recorders = new Map<string, Recorder>();
  private callState: CallState = 'ACTIVE';
  private channelState = 'CS_EXECUTE';
  private base: { application: string; argument: string; uuid: string } | undefined;
  private partner: Channel | undefined;
  private otherLegUuid: string | undefined;
  private otherType: 'originator' | 'originatee' | undefined;
  /** What this caller hears while the partner holds. */
  private holdMusic: AppRun | undefined;
  private cause: HangupCause | undefined;
  private destroyed = false;

  constructor(options: ChannelOptions) {
    super();
    this.name = options.name;
    this.bus = options.bus;
    this.clock = options.clock;
    this.sounds = options.sounds;
    this.session = options.session;
    this.find = options.find;
    this.log = options.log;
    this.session.on('digit', this.onDigit);
    this.clock.add(this);
  }

  // ------------------------------------------------------------------ variables

  getVariable(name: string): string | undefined {
    return this.variables.get(name);
  }

  /** An undefined or empty value unsets. Values are cut and their number is limited: they come from outside. */
  setVariable(name: string, value: string | undefined): void {
    if (value === undefined || value === '') this.variables.delete(name);
    else if (this.variables.has(name) || this.variables.size < MAX_VARIABLES) this.variables.set(name, value.slice(0, MAX_VALUE_CHARS));
  }

  /** The variables by name, prefixed as events carry them. */
  private variableHeaders(names?: readonly string[]): EventHeaders {
    const headers: EventHeaders = {};
    if (names) for (const name of names) headers[`variable_${name}`] = this.variables.get(name);
    else for (const [name, value] of this.variables) headers[`variable_${name}`] = value;
    return headers;
  }

  // ------------------------------------------------------------------ events

  private headers(eventName: string): EventHeaders {
    return { ...this.bus.commonHeaders(eventName), ...this.stateHeaders() };
  }

  private stateHeaders(): EventHeaders {
    return {
      'Channel-State': this.channelState,
      'Channel-Call-State': this.callState,
      'Channel-Name': this.name,
      'Unique-ID': this.uuid,
      'Channel-Call-UUID': this.uuid,
      'Call-Direction': 'inbound',
      'Answer-State': this.cause === undefined ? 'answered' : 'hangup',
      'Hangup-Cause': this.cause,
      'Other-Type': this.otherType,
      'Other-Leg-Unique-ID': this.otherLegUuid,
    };
  }

  /** `CHANNEL_DATA` with every variable: what a connection is told first, and what uuid_dump shows. */
  dump(): EventHeaders {
    return { ...this.headers('CHANNEL_DATA'), 'Channel-Unique-ID': this.uuid, 'Caller-Unique-ID': this.uuid, 'Caller-Destination-Number': 'drachtio', ...this.variableHeaders() };
  }

  publish(eventName: string, more: EventHeaders): void {
    if (!this.destroyed) this.bus.publish(new EngineEvent({ ...this.headers(eventName), ...more }));
  }

  private publishExecute(execution: Execution): void {
    this.publish('CHANNEL_EXECUTE', { Application: execution.application, 'Application-Data': execution.argument, 'Application-UUID': execution.applicationUuid });
  }

  private publishComplete(execution: Execution, response: string, results: readonly string[]): void {
    this.publish('CHANNEL_EXECUTE_COMPLETE', {
      ...this.variableHeaders(results),
      Application: execution.application,
      'Application-Data': execution.argument,
      'Application-Response': response,
      'Application-UUID': execution.applicationUuid,
    });
  }

  private changeCallState(state: CallState): void {
    const before = this.callState;
    this.callState = state;
    this.publish('CHANNEL_CALLSTATE', { 'Original-Channel-Call-State': before, 'Channel-Call-State-Number': CALL_STATE_NUMBER[state] });
  }

  /**
   * The peer put the call on hold, or took it off: meanwhile its partner hears `hold_music`. With `rtp_disable_hold` that
   * means nothing here, and the partner hears what the peer sends.
   */
  setHeld(held: boolean): void {
    if (held === (this.callState === 'HELD') || this.cause !== undefined || this.variables.get('rtp_disable_hold') === 'true') return;
    this.session.peerHolds = held;
    if (held) {
      this.changeCallState('HELD');
      this.partner?.playHoldMusic(this.variables.get('hold_music'));
    } else {
      this.partner?.endHoldMusic();
      this.changeCallState('UNHELD');
      this.changeCallState('ACTIVE');
    }
  }

  /** @param music `hold_music` of the channel that holds, played again and again */
  private playHoldMusic(music: string | undefined): void {
    if (music === undefined || music === 'silence' || this.holdMusic) return;
    this.holdMusic = this.execute({ application: 'endless_playback', argument: music, applicationUuid: randomUUID() });
  }

  private endHoldMusic(): void {
    this.holdMusic?.hangup(true);
    this.holdMusic = undefined;
  }

  // ------------------------------------------------------------------ applications

  /** What the channel does when nothing else runs: `socket` after the answer, `park` after a bridge. */
  enterBase(application: string, argument: string, announce: boolean): void {
    this.base = { application, argument, uuid: randomUUID() };
    if (announce) this.publishExecute({ application, argument, applicationUuid: this.base.uuid });
  }

  /**
   * Runs an application, inside whatever runs already. An unknown one ends the call.
   * @returns the run, if it goes on
   */
  execute(execution: Execution): AppRun | undefined {
    if (this.cause !== undefined) return undefined;
    const application = APPLICATIONS.get(execution.application);
    if (!application || this.stack.length >= MAX_NESTED_RUNS) {
      this.log.warn({ application: execution.application.slice(0, 64), uuid: this.uuid }, 'no such application: hanging up');
      this.hangup('DESTINATION_OUT_OF_ORDER');
      return undefined;
    }
    this.publishExecute(execution);
    const run = new AppRun(execution.application, this.onSource);
    this.stack.push(run);
    const outcome = application(this, run, execution.argument);
    if (!(outcome instanceof Promise)) {
      this.stack.splice(this.stack.indexOf(run), 1);
      this.publishComplete(execution, outcome.response, outcome.results ?? []);
      outcome.afterwards?.();
      return undefined;
    }
    this.applySource();
    const done = outcome
      .then(
        (result) => {
          this.leave(run);
          this.publishComplete(execution, result.response, result.results ?? []);
        },
        (error: unknown) => {
          this.leave(run);
          this.log.error({ application: execution.application, uuid: this.uuid, problem: error instanceof Error ? error.message : String(error) }, 'application failed');
          this.hangup('DESTINATION_OUT_OF_ORDER');
        },
      )
      .finally(() => this.finished.delete(done));
    this.finished.add(done);
    return run;
  }

  private leave(run: AppRun): void {
    const at = this.stack.indexOf(run);
    if (at >= 0) this.stack.splice(at, 1);
    this.applySource();
  }

  private get top(): AppRun | undefined {
    return this.stack.at(-1);
  }

  private readonly onSource = (run: AppRun): void => {
    if (run === this.top) this.applySource();
  };

  /** The session plays what the topmost run plays; a run below it pauses. */
  private applySource(): void {
    const run = this.top;
    const source = run?.source;
    this.session.play(source, source && run ? () => run.sourceEnded() : undefined);
  }

  /** Breaks what plays, inner first. */
  break(): void {
    const top = this.top;
    for (const run of [...this.stack].reverse()) run.requestBreak(run === top);
  }

  /** Called by the clock. */
  tick(nowMs: number): void {
    this.top?.beat(nowMs);
  }

  private readonly onDigit = (event: DigitEvent): void => this.receiveDigit(event.digit, event.durationUnits, 'RTP');

  /** A key of this caller, from wherever: told to connections and to what runs. */
  receiveDigit(digit: string, durationUnits: number, source: 'RTP' | 'INFO' | 'APP'): void {
    if (this.cause !== undefined) return;
    this.publish('DTMF', { 'DTMF-Digit': digit, 'DTMF-Duration': String(Math.max(MIN_DTMF_UNITS, durationUnits)), 'DTMF-Source': source });
    this.top?.digit(digit);
  }

  // ------------------------------------------------------------------ recording

  /** Records both directions from now on. False: too many recordings, or the file cannot be made. */
  startRecording(file: string, limitMs: number | undefined): boolean {
    if (this.recorders.has(file)) return true;
    if (this.recorders.size >= MAX_RECORDERS) return false;
    const recorder = new Recorder({ file, stereo: this.variables.get('RECORD_STEREO') === 'true', limitMs, log: this.log });
    this.recorders.set(file, recorder);
    this.tapRecorders();
    return true;
  }

  stopRecording(file: string): boolean {
    const all = file === 'all' || file === '';
    const stopped = [...this.recorders].filter(([name]) => all || name === file);
    for (const [name, recorder] of stopped) {
      recorder.stop();
      this.recorders.delete(name);
    }
    this.tapRecorders();
    return stopped.length > 0;
  }

  private tapRecorders(): void {
    const recorders = [...this.recorders.values()];
    this.session.tap =
      recorders.length === 0
        ? undefined
        : {
            received: (codec, payload, start, end) => recorders.forEach((each) => each.received(codec, payload, start, end)),
            sent: (codec, payload, start, end) => recorders.forEach((each) => each.sent(codec, payload, start, end)),
          };
  }

  // ------------------------------------------------------------------ bridge

  get bridgedTo(): Channel | undefined {
    return this.partner;
  }

  /** Joins the audio of two channels at once; what each did before ends, and is told to have ended. */
  bridge(other: Channel): void {
    if (this.partner !== other) {
      this.unjoin();
      other.unjoin();
      this.interrupt();
      other.interrupt();
    }
    this.partner = other;
    other.partner = this;
    this.session.relay(other.session);
    other.session.relay(this.session);
    this.emit('bridgeChanged');
    other.emit('bridgeChanged');
    void this.announceBridge(other, 'originatee', 'CS_SOFT_EXECUTE');
    void other.announceBridge(this, 'originator', 'CS_EXCHANGE_MEDIA');
  }

  private async announceBridge(other: Channel, otherType: 'originator' | 'originatee', state: string): Promise<void> {
    this.otherLegUuid = other.uuid;
    this.otherType = otherType;
    await this.settled();
    if (this.partner !== other) return;
    this.endBase();
    this.channelState = state;
    this.publishExecute({ application: 'uuid_bridge', argument: other.uuid, applicationUuid: randomUUID() });
  }

  /** Ends everything that runs, inner first. */
  private interrupt(): void {
    for (const run of [...this.stack].reverse()) run.hangup(this.cause === undefined);
  }

  /** Resolves when everything interrupted has told of its end. */
  private async settled(): Promise<void> {
    await Promise.resolve();
    while (this.finished.size > 0) await Promise.all(this.finished);
  }

  private endBase(): void {
    const base = this.base;
    this.base = undefined;
    if (base) this.publishComplete({ application: base.application, argument: base.argument, applicationUuid: base.uuid }, '_none_', []);
  }

  /** Takes the audio apart and leaves the other channel parked, unless it wants to end with its partner. */
  private unjoin(): void {
    const partner = this.partner;
    if (!partner) return;
    this.session.relay(undefined);
    partner.session.relay(undefined);
    this.endHoldMusic();
    partner.endHoldMusic();
    this.partner = undefined;
    partner.partner = undefined;
    this.emit('bridgeChanged');
    partner.emit('bridgeChanged');
    partner.channelState = 'CS_PARK';
    if (partner.variables.get('hangup_after_bridge') === 'true') partner.hangup('NORMAL_CLEARING');
  }

  /** Out of the bridge and into `park`, as a transfer there does it: with its changes of state told. */
  park(both: boolean): void {
    const partner = this.partner;
    this.unjoin();
    for (const channel of both && partner ? [partner, this] : [this]) void channel.enterPark();
  }

  private async enterPark(): Promise<void> {
    this.interrupt();
    await this.settled();
    if (this.cause !== undefined || this.partner) return;
    this.otherLegUuid = undefined;
    this.otherType = undefined;
    this.channelState = 'CS_ROUTING';
    this.changeCallState('RINGING');
    this.channelState = 'CS_EXECUTE';
    this.changeCallState('ACTIVE');
    this.enterBase('park', '', true);
  }

  // ------------------------------------------------------------------ end

  get isEnding(): boolean {
    return this.cause !== undefined;
  }

  get hangupCause(): HangupCause | undefined {
    return this.cause;
  }

  /** Ends the call. Everything that runs ends first and is told; `destroyed` comes last. Idempotent. */
  hangup(cause: HangupCause): void {
    if (this.cause !== undefined) return;
    this.cause = cause;
    this.setVariable('hangup_cause', cause);
    this.clock.remove(this);
    this.emit('ending');
    this.unjoin();
    this.session.removeListener('digit', this.onDigit);
    this.emit('hangup', cause);
    void this.windDown();
  }

  private async windDown(): Promise<void> {
    // the completion of the application that hung up comes before those of what it interrupted
    await Promise.resolve();
    this.stopRecording('all');
    this.interrupt();
    await this.settled();
    this.endBase();
    this.channelState = 'CS_HANGUP';
    this.changeCallState('HANGUP');
    this.publish('CHANNEL_HANGUP', {});
    this.publish('CHANNEL_HANGUP_COMPLETE', this.variableHeaders(['hangup_cause']));
    this.destroyed = true;
    this.session.close();
    this.variables.clear();
    this.emit('destroyed');
    this.removeAllListeners();
  }
}
