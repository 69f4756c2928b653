/**
 * The two ways to let caller and agent talk (docs/architecture.md). Both are prepared while the agent's phone rings and
 * joined only when the call machine says so: before that the agent's phone hears nothing of the caller.
 */
import type Srf from 'drachtio-srf';
import type { Logger } from 'pino';
import type { MediaEndpoint } from '../media/endpoint.js';
import type { MediaPool } from '../media/pool.js';
import type { MediaSource } from '../media/source.js';
import { EndpointVoice } from '../media/voice.js';
import { bounded, MediaError } from '../media/bounded.js';
import { audioOnly, keepsNumbersOf, leadingNowhere, leadsToTheSame, offerAfter, openOffer } from '../sip/sdp.js';
import { modifyDialog, OfferRefused, peerDescription } from '../sip/reinvite.js';

/** Longest time two phones may take to agree on each other, in ms: while they do, nobody hears anything. */
const releaseMs = 6_000;
/** Longer than SIP itself waits for the answer to an offer, two attempts after glare included, in ms. */
const offerMs = 110_000;

/** The caller's side of a call as a bridge needs it. */
export interface CallerSide {
  readonly dialog: Srf.Dialog;
  readonly endpoint: MediaEndpoint;
  /** Whose media counts as the caller's. */
  readonly source: MediaSource;
  /**
   * Brings a caller whose media flowed freely back to the media server, with a fresh endpoint.
   * @param moved told when the caller's phone has agreed: a failure before that changes nothing
   * @throws MediaError
   */
  comeBack(pool: MediaPool, moved?: () => void): Promise<void>;
}

export interface Bridge {
  readonly mode: 'anchored' | 'released';
  /** True once media flows between the phones themselves: then the end of an endpoint means nothing to the call. */
  readonly mediaIsFree: boolean;
  /** What the agent's phone is offered when it rings. */
  readonly offer: string;
  /** The agent's phone answered: get ready, but connect nothing. */
  prepare(agent: Srf.Dialog): Promise<void>;
  /** Connects the two. After a rejection nothing is connected. */
  join(): Promise<void>;
  answerFromCaller(offer: string): Promise<string>;
  answerFromAgent(offer: string): Promise<string>;
  /**
   * Media that flows between the phones themselves goes through the media server again; the two go on talking.
   * @throws MediaError; the two go on as they did when `mediaIsFree` is still true then, and hear nobody when it is not
   */
  toAnchored(): Promise<void>;
  /** Says until when the agent's side is needed (`MediaEndpoint.hold`). */
  hold(isNeeded: () => boolean, callId: string): void;
  /** Frees what the bridge made for the agent's side. Idempotent. */
  close(): Promise<void>;
}

/**
 * A phone that answers with payload types of its own (RFC 3264 section 6.1 only advises against it) would send one number
 * and the media server expect another, since it was told the phone's as if they were an offer. A further offer settles it.
 */
export async function settleNumbers(phone: Srf.Dialog, endpoint: MediaEndpoint): Promise<void> {
  if (keepsNumbersOf(endpoint.localSdp, phone.local.sdp)) return;
  const answer = await modifyDialog(phone, offerAfter(phone.local.sdp, audioOnly(endpoint.localSdp)));
  await endpoint.modify(audioOnly(answer));
}

/** Both legs have an endpoint; the media server mixes nothing but passes one on to the other. */
export class AnchoredBridge implements Bridge {
  readonly mode = 'anchored';
  readonly mediaIsFree = false;
  readonly offer: string;
  private preparing: Promise<void> | undefined;

  private constructor(private readonly caller: CallerSide, private readonly agentEndpoint: MediaEndpoint, private readonly holdMusic: string | undefined) {
    this.offer = openOffer(agentEndpoint.localSdp);
  }

  /**
   * @param source whose media counts as that of the agent's phone
   * @param holdMusic what the caller hears while the agent's phone holds; undefined: what that phone sends, if anything
   * @throws MediaError when no endpoint can be made
   */
  static async make(caller: CallerSide, pool: MediaPool, source: MediaSource, holdMusic?: string): Promise<AnchoredBridge> {
    return new AnchoredBridge(caller, await pool.createEndpoint(undefined, source), holdMusic);
  }

  /** The agent's phone as something to speak to, once it has been prepared. */
  async agentVoice(promptsPath: string): Promise<EndpointVoice> {
    await this.preparing;
    return new EndpointVoice(this.agentEndpoint, promptsPath);
  }

  /** Aborts when the agent's endpoint is gone. */
  get gone(): AbortSignal {
    return this.agentEndpoint.gone;
  }

  prepare(agent: Srf.Dialog): Promise<void> {
    this.preparing ??= this.agree(agent);
    return this.preparing;
  }

  private async agree(agent: Srf.Dialog): Promise<void> {
    await this.agentEndpoint.modify(audioOnly(peerDescription(agent)));
    await settleNumbers(agent, this.agentEndpoint);
    await this.agentEndpoint.whenHeld(this.holdMusic);
  }

  async join(): Promise<void> {
    await this.preparing;
    await this.caller.endpoint.bridge(this.agentEndpoint);
  }

  /**
   * Lets this phone into the conversation that the caller has already, whose media has to be at the media server.
   * @returns settles when it is out again
   * @throws MediaError
   */
  async joinBeside(): Promise<{ over: Promise<void> }> {
    await this.preparing;
    return this.agentEndpoint.joinConversationOf(this.caller.endpoint);
  }

  async answerFromCaller(offer: string): Promise<string> {
    await this.caller.endpoint.modify(offer);
    return this.caller.endpoint.localSdp;
  }

  async answerFromAgent(offer: string): Promise<string> {
    await this.agentEndpoint.modify(offer);
    return this.agentEndpoint.localSdp;
  }

  /** The agent's phone said the same again. */
  lookAgain(offer: string): Promise<void> {
    return this.agentEndpoint.lookAgain(offer);
  }

  toAnchored(): Promise<void> {
    return Promise.resolve();
  }

  hold(isNeeded: () => boolean, callId: string): void {
    this.agentEndpoint.hold(isNeeded, callId);
  }

  close(): Promise<void> {
    return this.agentEndpoint.destroy();
  }
}

/**
 * The legs send media to each other and the media server is free again. The agent's phone is first offered the
 * caller's own description with an address that leads nowhere, so that nothing is heard before the screen has
 * acknowledged. When either phone refuses the second offer the call falls back to an anchored bridge.
 */
export class ReleasedBridge implements Bridge {
  readonly offer: string;
  private agent: Srf.Dialog | undefined;
  private fallback: AnchoredBridge | undefined;
  private released = false;
  private joining = false;
  /** The two did not agree on each other: whatever they still answer is no reason to go on. */
  private releaseFailed = false;
  /** The caller's phone was asked to send to the agent's. */
  private callerMoved = false;
  private meeting: Promise<void> | undefined;
  private anchoring: Promise<void> | undefined;
  private held: Parameters<Bridge['hold']> | undefined;
  private readonly closing = new AbortController();

  /**
   * @param source of the agent's phone: where its description may lead, and whose media counts if it comes to an anchored bridge
   * @param holdMusic as for an anchored bridge, if it comes to that; phones that talk with each other send their own
   */
  constructor(private readonly caller: CallerSide, private readonly pool: MediaPool, private readonly source: MediaSource, private readonly log: Logger, private readonly holdMusic?: string) {
    this.offer = leadingNowhere(audioOnly(peerDescription(caller.dialog) || openOffer(caller.endpoint.localSdp)), caller.endpoint.mediaAddress);
  }

  get mode(): 'anchored' | 'released' {
    return this.fallback ? 'anchored' : 'released';
  }

  get mediaIsFree(): boolean {
    return this.released;
  }

  prepare(agent: Srf.Dialog): Promise<void> {
    this.agent = agent;
    return Promise.resolve();
  }

  join(): Promise<void> {
    this.meeting = this.meet(this.agent!);
    return this.meeting;
  }

  private async meet(agent: Srf.Dialog): Promise<void> {
    this.joining = true;
    try {
      await bounded(this.release(agent), releaseMs, 'release', this.closing.signal);
      // The agent's phone may have hung up in the moment in which the caller's agreed.
      this.goOn();
      this.released = true;
    } catch (error) {
      this.releaseFailed = true;
      await this.fallBack(agent, error);
      return;
    } finally {
      this.joining = false;
    }
    // Media flows between the phones from here on; the media server's part is over.
    await this.caller.endpoint.destroy();
  }

  private async release(agent: Srf.Dialog): Promise<void> {
    const { dialog } = this.caller;
    const expected = audioOnly(peerDescription(dialog));
    const agentSays = audioOnly(await modifyDialog(agent, offerAfter(agent.local.sdp, expected)));
    this.source.admit(agentSays);
    this.goOn();
    this.callerMoved = true;
    const callerSays = audioOnly(await modifyDialog(dialog, offerAfter(dialog.local.sdp, agentSays)));
    this.caller.source.admit(callerSays);
    this.goOn();
    // The caller's phone may answer with something else than it said before: another port, fewer codecs, a hold.
    if (leadsToTheSame(callerSays, expected) && keepsNumbersOf(agentSays, callerSays)) return;
    await modifyDialog(agent, offerAfter(agent.local.sdp, callerSays));
  }

  /** @throws MediaError when nobody wants the media where it is being moved to */
  private goOn(): void {
    if (this.closing.signal.aborted || this.releaseFailed) throw gaveUp();
  }

  private async fallBack(agent: Srf.Dialog, error: unknown): Promise<void> {
    try {
      // The agent may have hung up while a phone was thinking: then there is nothing to fall back for.
      if (this.closing.signal.aborted) throw error;
      this.log.warn({ problem: error instanceof Error ? error.message : String(error) }, 'media could not be released; the call is anchored instead');
      await this.anchor(agent);
    } catch (problem) {
      // Whoever the caller talks with next, it is by way of the media server that they are reached.
      await this.bringCallerBack();
      throw problem;
    }
  }

  private async anchor(agent: Srf.Dialog): Promise<void> {
    const { signal } = this.closing;
    const fallback = await AnchoredBridge.make(this.caller, this.pool, this.source, this.holdMusic);
    this.fallback = fallback;
    if (this.held) fallback.hold(...this.held);
    if (signal.aborted) {
      await fallback.close();
      throw gaveUp();
    }
    const answer = await bounded(modifyDialog(agent, offerAfter(agent.local.sdp, fallback.offer)), offerMs, 'anchor', signal);
    await fallback.answerFromAgent(audioOnly(answer));
    await this.bringCallerBack();
    if (signal.aborted) throw gaveUp();
    await fallback.join();
  }

  /** A caller's phone that has moved, or may still be about to, is told of the media server again. Never rejects. */
  private async bringCallerBack(): Promise<void> {
    const { dialog, endpoint } = this.caller;
    if (!this.callerMoved || endpoint.gone.aborted) return;
    this.callerMoved = false;
    const back = modifyDialog(dialog, offerAfter(dialog.local.sdp, openOffer(endpoint.localSdp))).then((sdp) => endpoint.modify(audioOnly(sdp)));
    await bounded(back, releaseMs, 'bring back').catch((error: unknown) => {
      if (!endpoint.gone.aborted) this.log.warn({ problem: error instanceof Error ? error.message : String(error) }, 'the caller’s phone could not be told of the media server again');
    });
  }

  async answerFromCaller(offer: string): Promise<string> {
    if (this.fallback) return this.fallback.answerFromCaller(offer);
    if (this.joining) throw new OfferRefused(491, 'the media is being moved');
    if (this.released) {
      this.caller.source.admit(offer);
      return modifyDialog(this.agent!, offerAfter(this.agent!.local.sdp, offer));
    }
    await this.caller.endpoint.modify(offer);
    return this.caller.endpoint.localSdp;
  }

  async answerFromAgent(offer: string): Promise<string> {
    if (this.fallback) return this.fallback.answerFromAgent(offer);
    if (this.joining) throw new OfferRefused(491, 'the media is being moved');
    this.source.admit(offer);
    if (this.released) return modifyDialog(this.caller.dialog, offerAfter(this.caller.dialog.local.sdp, offer));
    return this.offer;
  }

  toAnchored(): Promise<void> {
    this.anchoring ??= this.comeBack().finally(() => (this.anchoring = undefined));
    return this.anchoring;
  }

  private async comeBack(): Promise<void> {
    // While the phones are being told of each other, nobody knows where the media is.
    await this.meeting?.catch(() => undefined);
    if (!this.released || this.fallback) return;
    if (this.closing.signal.aborted) throw gaveUp();
    let isBack = false;
    const moved = () => {
      isBack = true;
    };
    this.joining = true;
    try {
      await this.caller.comeBack(this.pool, moved).then(moved).finally(() => {
        if (isBack) this.released = this.callerMoved = false;
      });
      if (this.closing.signal.aborted) throw gaveUp();
      await this.anchor(this.agent!);
    } finally {
      this.joining = false;
    }
  }

  hold(...held: Parameters<Bridge['hold']>): void {
    this.held = held;
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.fallback?.close();
  }
}

function gaveUp(): MediaError {
  return new MediaError('endpoint_gone', 'this phone’s part ended while its media was being moved');
}
