/**
 * The leg to whoever the caller is to talk with: an agent's phone, the phone that takes over from it, the PBX's queue, a
 * number outside. Rings, bridges, and ends as a whole; what its end means for the call is the call machine's business.
 */
import { EventEmitter } from 'node:events';
import type Srf from 'drachtio-srf';
import type { Logger } from 'pino';
import type { Voice } from '../../ivr/index.js';
import type { MediaPool } from '../media/pool.js';
import { described, type MediaSource } from '../media/source.js';
import { holdDialog } from '../sip/guarded-srf.js';
import { connectedParty, type ConnectedParty } from '../sip/connected-party.js';
import { endDialog, ringPhone, RingError, whenEnded } from './ring.js';
import { AnchoredBridge, ReleasedBridge, type Bridge } from './bridge.js';
import type { CallerLeg } from './caller-leg.js';
import { answerOffers } from './renegotiation.js';

export interface FarLegRooms {
  readonly srf: Srf;
  readonly pool: MediaPool;
  readonly caller: CallerLeg;
  readonly log: Logger;
  /** Of the call that this leg is of. */
  readonly callId: string;
  /** Nothing is left of the call that this leg is of. */
  isOver(): boolean;
}

export interface FarLegTarget {
  readonly uri: string;
  /** What the phone shows as the caller. */
  readonly from: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly ringTimeoutMs: number;
  /** Media may flow between the phones themselves. */
  readonly mayRelease: boolean;
  /** Whose media counts as this phone's; that from the described address when left out. */
  readonly source?: MediaSource;
  /** What the caller hears while this phone holds, as the media server sees it; left out: what the phone sends, if anything. */
  readonly holdMusic?: string;
}

export interface FarLegEvents {
  /** It hung up, after it had answered. */
  hungUp: [];
  /** The media server's part of the bridge is gone while the two were talking. */
  mediaLost: [];
  /** Who is at the other end, as the PBX reports it: in the answer, and later by re-INVITE or UPDATE (RFC 4916, RFC 3325). */
  party: [party: ConnectedParty];
  /** It asks us to take the caller somewhere else (RFC 3515). */
  refer: [req: Srf.SrfRequest, res: Srf.SrfResponse];
}

export class FarLeg extends EventEmitter<FarLegEvents> {
  /** True from the moment the two hear each other. */
  joined = false;
  private readonly wanted = new AbortController();
  private bridge: Bridge | undefined;
  private answered: Srf.Dialog | undefined;
  private ended: Promise<void> | undefined;
  /** What the PBX said last of who has it, since the answer. */
  private heard: ConnectedParty | undefined;

  constructor(private readonly rooms: FarLegRooms, private readonly target: FarLegTarget) {
    super();
  }

  get dialog(): Srf.Dialog | undefined {
    return this.answered;
  }

  get mode(): Bridge['mode'] {
    return this.bridge?.mode ?? 'anchored';
  }

  /** True once media flows between the phones: the end of the caller's endpoint then means nothing. */
  get mediaIsFree(): boolean {
    return this.bridge?.mediaIsFree ?? false;
  }

  /**
   * Rings until the phone answers; connects nothing.
   * @throws RingError, MediaError; nothing is left behind then
   */
  async ring(): Promise<void> {
    try {
      await this.ringOnce(this.target.mayRelease).catch(async (error: unknown) => {
        // The two phones have no codec in common: the media server stands between them.
        if (!this.target.mayRelease || !isCodecRefusal(error) || this.wanted.signal.aborted) throw error;
        await this.bridge?.close();
        this.bridge = undefined;
        await this.ringOnce(false);
      });
    } catch (error) {
      void this.end();
      throw error;
    }
  }

  private async ringOnce(released: boolean): Promise<void> {
    const { caller, pool, srf, log } = this.rooms;
    const { holdMusic, source = described } = this.target;
    const bridge = released ? new ReleasedBridge(caller, pool, source, log, holdMusic) : await AnchoredBridge.make(caller, pool, source, holdMusic);
    if (this.wanted.signal.aborted) {
      await bridge.close();
      throw new RingError('cancelled');
    }
    this.bridge = bridge;
    bridge.hold(() => this.bridge === bridge && !this.ended && !this.rooms.isOver(), this.rooms.callId);
    if (bridge instanceof AnchoredBridge) {
      bridge.gone.addEventListener('abort', () => {
        if (this.joined && !this.ended) this.emit('mediaLost');
      }, { once: true });
    }
    const { uri, from, headers, ringTimeoutMs } = this.target;
    const dialog = await ringPhone(srf, { uri, offer: bridge.offer, from, ringTimeoutMs, signal: this.wanted.signal, ...(headers && { headers }) });
    if (this.wanted.signal.aborted) {
      endDialog(dialog);
      throw new RingError('cancelled');
    }
    this.answered = dialog;
    holdDialog(dialog, () => !this.ended && !this.rooms.isOver(), () => this.rooms.callId);
    answerOffers(dialog, (offer) => bridge.answerFromAgent(offer), log, {
      told: (message) => this.hearParty(message),
      repeated: (offer) => void (bridge instanceof AnchoredBridge && bridge.lookAgain(offer)),
      refer: (req, res) => this.emit('refer', req, res),
    });
    // Not awaited: the screen is asked meanwhile. Joining waits for it.
    bridge.prepare(dialog).catch(() => undefined);
  }

  /**
   * Tells of its hanging up from now on, and at once if it has done so: to be called when the call knows that it was
   * answered, for an end that comes with the answer would mean nothing before.
   */
  watch(): void {
    if (!this.answered) return;
    whenEnded(this.answered, () => {
      if (!this.ended) this.emit('hungUp');
    });
  }

  /** Who answered, as the PBX reports it in the answer. */
  get answeredBy(): ConnectedParty | undefined {
    // The types of the library leave the response out.
    return this.answered && connectedParty((this.answered as unknown as { res: Srf.SrfResponse }).res);
  }

  /** Who has it, by the PBX's newest word: who answered, until it says something else. */
  get party(): ConnectedParty | undefined {
    return this.heard ?? this.answeredBy;
  }

  /** Tells who has it; called when the call is ready to hear it. */
  tellParty(): void {
    const { party } = this;
    if (party && !this.ended) this.emit('party', party);
  }

  /** The caller's offers are answered with this leg in mind from now on. */
  takeCaller(): void {
    const { bridge } = this;
    if (bridge) this.rooms.caller.answerThrough((offer) => bridge.answerFromCaller(offer));
  }

  /** Lets the two hear each other. @throws MediaError; nothing is connected then */
  async join(): Promise<void> {
    if (!this.bridge) throw new RingError('cancelled');
    this.takeCaller();
    await this.bridge.join();
    this.joined = true;
  }

  /**
   * Lets this phone into the conversation that the caller has already.
   * @returns settles when it is out again
   * @throws MediaError, RingError; this phone hears nobody then
   */
  async joinBeside(): Promise<{ over: Promise<void> }> {
    if (!(this.bridge instanceof AnchoredBridge)) throw new RingError('cancelled');
    const joined = await this.bridge.joinBeside();
    this.joined = true;
    return joined;
  }

  /** Speaks to this phone alone, before the two are joined. @throws MediaError; RingError for a phone whose media does not come to us */
  voice(promptsPath: string): Promise<Voice> {
    if (!(this.bridge instanceof AnchoredBridge)) return Promise.reject(new RingError('no_description'));
    return this.bridge.agentVoice(promptsPath);
  }

  /** A released call comes back to the media server and goes on. @throws MediaError */
  async anchor(): Promise<void> {
    await this.bridge?.toAnchored();
  }

  /** Ends it: CANCEL or BYE, and what the bridge had for it. Idempotent, never rejects. */
  end(): Promise<void> {
    this.ended ??= this.takeDown();
    return this.ended;
  }

  private async takeDown(): Promise<void> {
    this.wanted.abort();
    const { answered } = this;
    if (answered && (answered as unknown as { connected: boolean }).connected) endDialog(answered);
    await this.bridge?.close();
  }

  private hearParty(message: Srf.SrfRequest | Srf.SrfResponse): void {
    const party = connectedParty(message);
    if (!party || this.ended) return;
    this.heard = party;
    this.emit('party', party);
  }
}

/** A phone that refused the offer and not the call (RFC 3261 sections 21.4.13, 21.4.26, 21.6.4). */
function isCodecRefusal(error: unknown): boolean {
  return error instanceof RingError && (error.status === 415 || error.status === 488 || error.status === 606);
}
