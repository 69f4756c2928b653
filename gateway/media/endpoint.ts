/**
 * One endpoint on a media server, with fsmrf's traps handled: commands that never settle get a limit and end when the
 * endpoint is gone, Nagle's delay is off, and destroying always comes to an end.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type Mrf from 'drachtio-fsmrf';
import type Srf from 'drachtio-srf';
import type { Logger } from 'pino';
import { bounded, MediaError } from './bounded.js';
import { holdDialog } from '../sip/guarded-srf.js';
import { modifyDialog } from '../sip/reinvite.js';
import { described, type MediaSource } from './source.js';
import { judgeOffer, withPacketTimeOf } from '../sip/sdp.js';

export interface EndpointLimits {
  commandTimeoutMs: number;
}

/** Longest playback waited for, in ms: prompts and the music loop are far shorter. */
const longestPlaybackMs = 120_000;

/**
 * How long FreeSWITCH is left alone after a hold, in ms: a resume that came right behind it was measured to leave the
 * phone without media for the rest of the call.
 */
const holdSettlesMs = 400;

/** Between two attempts to break off a playback, in ms: at first, and later, when the media server is slow; and how many there are. */
const breakAgainMs = 40;
const breakPatiently = 10;
const breakLaterMs = 300;
const breakTries = 30;
/** A bridge waits for that no longer than this, in ms: voices matter more than the end of a prompt. */
const breakWithinMs = breakAgainMs * breakPatiently;

/** How soon three_way ends again when it could not begin, in ms; and how long the media server may take to begin it. */
const refusedWithinMs = 40;
const comeInMs = 1_500;

/** How long the two have to be joined after the order, in ms; how often it is given. */
const joinMs = 1_500;
const joinTries = 3;

export class MediaEndpoint {
  /** Aborts once, when the endpoint is gone for whatever reason. */
  readonly gone: AbortSignal;
  private readonly goneController = new AbortController();
  private destroying: Promise<void> | undefined;
  private holdSettlesAt = 0;
  /** Settles when playbacks that were broken off are over. */
  private breaking: Promise<void> = Promise.resolve();
  /** In the conversation of another endpoint. */
  private isGuest = false;
  private isLookingAgain = false;
  private wanted: (() => boolean) | undefined;
  /** The call whose it is, once that has been said. */
  callId: string | undefined;

  /**
   * @param endpoint a ready fsmrf endpoint, owned from here on
   * @param linkGone aborts when the connection to the media server ends
   * @param source whose media counts here, as the media server was told
   */
  constructor(private readonly endpoint: Mrf.Endpoint, linkGone: AbortSignal, private readonly limits: EndpointLimits, private readonly log: Logger, readonly source: MediaSource = described) {
    this.gone = this.goneController.signal;
    // 42 ms per command otherwise: the event socket client writes line by line and leaves Nagle's algorithm on.
    endpoint.conn?.socket.setNoDelay(true);
    const onLinkGone = () => this.markGone('media server lost');
    linkGone.addEventListener('abort', onLinkGone, { once: true });
    this.gone.addEventListener('abort', () => linkGone.removeEventListener('abort', onLinkGone), { once: true });
    endpoint.once('destroy', (event?: { reason?: string }) => this.markGone(event?.reason ?? 'connection ended'));
    // A BYE of the media server may be all that is heard of an endpoint whose socket closed first.
    endpoint.dialog?.once('destroy', () => this.markGone('media server hung up'));
    if (endpoint.dialog) holdDialog(endpoint.dialog, () => !this.gone.aborted, () => this.callId);
    if (linkGone.aborted) onLinkGone();
  }

  get uuid(): string {
    return this.endpoint.uuid;
  }

  /** The endpoint's own description, to be sent to the peer it talks with. */
  get localSdp(): string {
    return this.endpoint.local.sdp;
  }

  /** Address at which the media server receives this endpoint's media. */
  get mediaAddress(): string {
    return /^c=IN IP4 (\S+)/m.exec(this.localSdp)?.[1] ?? '127.0.0.1';
  }

  /**
   * Calls back for each key the peer presses (`0`-`9`, `*`, `#`, `A`-`D`).
   * The listener lives as long as the endpoint.
   */
  onKey(listener: (key: string) => void): void {
    this.endpoint.on('dtmf', (event: Mrf.DtmfEvent) => listener(event.dtmf));
  }

  /**
   * Plays one file to its end or until the signal aborts; resolves either way.
   * @param file absolute path as the media server sees it, or a stream such as `silence_stream://500`
   * @throws MediaError `file_not_found`, `endpoint_gone`, `timed_out`
   */
  async play(file: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const playing = bounded(this.endpoint.play(file), longestPlaybackMs, 'play', this.gone).catch((error: unknown) => {
      if (error instanceof Error && /file not found/i.test(error.message)) throw new MediaError('file_not_found', `the media server does not find the prompt ${file}`, { cause: error });
      throw error;
    });
    let stopped: (() => void) | undefined;
    const aborted = new Promise<void>((resolve) => (stopped = resolve));
    const onAbort = () => {
      this.breaking = Promise.all([this.breaking, this.breakOff(playing)]).then(() => undefined);
      stopped!();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([playing, aborted]);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      playing.catch(() => undefined);
    }
  }

  /**
   * Ends a playback. A break that arrives before the playback has begun breaks nothing, and it would then be heard to its
   * end, through a bridge too: so it is sent again until the playback is over.
   */
  private async breakOff(playing: Promise<unknown>): Promise<void> {
    let isOver = false;
    const over = playing.then(() => (isOver = true), () => (isOver = true));
    for (let tries = 0; tries < breakTries && !isOver && !this.gone.aborted; tries += 1) {
      this.api('uuid_break', this.uuid).catch(() => undefined);
      await Promise.race([over, pause(tries < breakPatiently ? breakAgainMs : breakLaterMs)]);
    }
  }

  /**
   * Lets this endpoint's peer and the other's hear each other, once what was playing is broken off.
   * FreeSWITCH takes the order and joins the two some 20 ms later, or never when one of them is just leaving another
   * bridge: so it is waited for, and ordered again.
   * @throws MediaError
   */
  async bridge(other: MediaEndpoint): Promise<void> {
    await Promise.race([Promise.all([this.breaking, other.breaking]), pause(breakWithinMs)]);
    const gone = AbortSignal.any([this.gone, other.gone]);
    const joined = this.executed('uuid_bridge', other);
    try {
      for (let tries = 1; ; tries += 1) {
        await bounded(this.endpoint.bridge(other.endpoint), this.limits.commandTimeoutMs, 'bridge', gone);
        try {
          return await bounded(joined.heard, joinMs, 'join', gone);
        } catch (error) {
          if (gone.aborted || tries === joinTries) throw error;
          this.log.warn({ endpoint: this.uuid, tries }, 'the media server did not join the two legs; told again');
        }
      }
    } finally {
      joined.stop();
    }
  }

  /**
   * Lets this endpoint's peer into the conversation of another one: it hears that one's peer and whom that peer talks with,
   * and both hear it. Ends with either endpoint, or by a bridge of this one. Whatever is played here meanwhile is lost: the
   * media server eats it.
   * @returns settles when this endpoint is out of the conversation again, for whatever reason; never rejects
   * @throws MediaError; this endpoint is then in nobody's conversation
   */
  async joinConversationOf(other: MediaEndpoint): Promise<{ over: Promise<void> }> {
    await Promise.race([this.breaking, pause(breakWithinMs)]);
    const gone = AbortSignal.any([this.gone, other.gone]);
    const begun = this.executed('three_way', other);
    let isOver = false;
    try {
      if (gone.aborted) throw new MediaError('endpoint_gone', 'three_way: the endpoint is gone');
      this.isGuest = true;
      const whenGone = new Promise<void>((resolve) => this.gone.addEventListener('abort', () => resolve(), { once: true }));
      const over = Promise.race([this.endpoint.execute('three_way', other.uuid).then(() => undefined, () => undefined), whenGone]).then(() => {
        isOver = true;
        this.isGuest = false;
      });
      await bounded(begun.heard, comeInMs, 'three_way', gone);
      await Promise.race([over, pause(refusedWithinMs)]);
      if (isOver) throw new MediaError('refused', 'three_way: the media server ended it at once');
      return { over };
    } catch (error) {
      if (this.isGuest) await this.leaveConversation();
      throw error;
    } finally {
      begun.stop();
    }
  }

  /** Out of the conversation of another endpoint: by the API, since nothing else reaches the media server meanwhile. */
  private async leaveConversation(): Promise<void> {
    this.isGuest = false;
    if (!this.endpoint.connected) return;
    await bounded(this.endpoint.api('uuid_park', this.uuid), this.limits.commandTimeoutMs, 'uuid_park').catch(() => undefined);
  }

  /** Hears of the moment in which the media server brings this endpoint together with another one. */
  private executed(application: 'uuid_bridge' | 'three_way', other: MediaEndpoint): { heard: Promise<void>; stop: () => void } {
    const { conn } = this.endpoint;
    const name = `esl::event::CHANNEL_EXECUTE::${this.uuid}`;
    let stop = (): void => undefined;
    const heard = new Promise<void>((resolve) => {
      const listener = (event: Mrf.EslEvent) => {
        if (event.getHeader('Application') === application && event.getHeader('Application-Data') === other.uuid) resolve();
      };
      conn?.on(name, listener);
      stop = () => conn?.removeListener(name, listener);
    });
    return { heard, stop };
  }

  /**
   * Tells the media server that its peer's description changed (re-INVITE).
   * The endpoint's own description (`localSdp`) is read anew afterwards.
   * @param remoteSdp of one audio stream
   * @throws MediaError `no_common_codec` when the media server cannot speak with that peer; OfferRefused 488 when the
   *   description names an address that its peer may not, and nothing has changed then
   */
  async modify(remoteSdp: string): Promise<void> {
    const dialog = this.endpoint.dialog;
    if (this.gone.aborted || !dialog) throw new MediaError('endpoint_gone', 'modify: the endpoint is gone');
    // Not to be left to the media server: FreeSWITCH was measured to stutter for the rest of a call after it refused one.
    if (!judgeOffer(remoteSdp).ok) throw new MediaError('no_common_codec', 'the peer’s description has no G.711 over RTP/AVP');
    const admitted = this.source.admit(remoteSdp);
    const settlesInMs = this.holdSettlesAt - performance.now();
    if (settlesInMs > 0) await pause(settlesInMs, undefined, { signal: this.gone }).catch(() => undefined);
    try {
      const answer = await bounded(modifyDialog(dialog, withPacketTimeOf(this.localSdp, admitted)), this.limits.commandTimeoutMs, 'modify', this.gone);
      this.endpoint.local.sdp = answer;
      if (/^(a=(sendonly|inactive)|c=IN IP4 0\.0\.0\.0)\s*$/m.test(remoteSdp)) this.holdSettlesAt = performance.now() + holdSettlesMs;
    } catch (error) {
      if (error instanceof Error && 'status' in error && error.status === 488) throw new MediaError('no_common_codec', 'the media server has no codec in common with the peer', { cause: error });
      throw error;
    }
  }

  /**
   * The peer has said its description again: its media may come from elsewhere now (a NAT that moved the port), and the
   * media server looks for it anew. Never rejects; while one is under way, another changes nothing.
   */
  async lookAgain(remoteSdp: string): Promise<void> {
    if (this.isLookingAgain) return;
    this.isLookingAgain = true;
    await this.modify(remoteSdp).catch(() => undefined);
    this.isLookingAgain = false;
  }

  /**
   * What becomes of the other one of a bridge while this endpoint's peer holds.
   * @param music a file or a list of files as the media server sees them, heard again and again; one that is not there is
   *   silence. Undefined: what the peer itself sends meanwhile
   * @throws MediaError
   */
  async whenHeld(music: string | undefined): Promise<void> {
    // A peer that hangs up while it holds would take the other leg with it: FreeSWITCH ends that too, unless told where to put it.
    const settings = music === undefined ? 'rtp_disable_hold=true' : `hold_music=${music};hold_hangup_xfer_exten=park:inline`;
    await this.api('uuid_setvar_multi', `${this.uuid} ${settings}`);
  }

  /** Whether the media server takes media, and keys, only from the described address here. @throws MediaError */
  async keepsToDescribed(): Promise<boolean> {
    const valueOf = async (variable: string): Promise<string> => (await this.api('uuid_getvar', `${this.uuid} ${variable}`)).body.trim();
    return (await valueOf('disable_rtp_auto_adjust')) === 'true' && /^\d/.test(await valueOf('jitterbuffer_msec'));
  }

  /** A command of the event socket. @throws MediaError */
  private async api(command: string, args: string): Promise<{ body: string }> {
    if (this.gone.aborted || !this.endpoint.connected) throw new MediaError('endpoint_gone', `${command}: the endpoint is gone`);
    return bounded(this.endpoint.api(command, args), this.limits.commandTimeoutMs, command, this.gone);
  }

  /** Ends the endpoint. Idempotent, never rejects, and always comes to an end. */
  destroy(): Promise<void> {
    this.destroying ??= this.takeDown();
    return this.destroying;
  }

  private async takeDown(): Promise<void> {
    const dialog: Srf.Dialog | null = this.endpoint.dialog;
    const alreadyGone = this.gone.aborted;
    const leaving = this.isGuest ? this.leaveConversation() : undefined;
    this.markGone('destroyed');
    if (alreadyGone && !this.endpoint.connected) return;
    await leaving;
    try {
      await bounded(this.endpoint.destroy(), this.limits.commandTimeoutMs, 'destroy');
    } catch (error) {
      this.log.warn({ endpoint: this.uuid, err: error }, 'endpoint did not end as asked; ending its SIP dialog');
      if (dialog) await bounded(Promise.resolve(dialog.destroy()), this.limits.commandTimeoutMs, 'bye').catch(() => undefined);
    }
  }

  /**
   * Says what it is for, so that it can be found when nothing wants it any more (gateway/watchman).
   * @param isNeeded false from the moment on in which it ought to be gone
   */
  hold(isNeeded: () => boolean, callId: string): void {
    this.wanted = isNeeded;
    this.callId = callId;
  }

  /** Whoever had it is over, and has not ended it. */
  get isForgotten(): boolean {
    return !this.gone.aborted && this.wanted?.() === false;
  }

  /** The media server does not have it any more, and did not say so. */
  lose(): void {
    this.markGone('the media server has lost it');
    void this.destroy();
  }

  private markGone(why: string): void {
    if (this.gone.aborted) return;
    this.goneController.abort(new MediaError('endpoint_gone', why));
  }
}
