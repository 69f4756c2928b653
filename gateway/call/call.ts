/**
 * One telephone call: carries out what the call machine decides and tells the machine what happened. Everything that
 * exists because of this call is owned here and ends here, in the order of docs/closing.md.
 */
import { randomUUID } from 'node:crypto';
import type Srf from 'drachtio-srf';
import type { Logger } from 'pino';
import type { Vault } from '../../core-bridge/vault/vault.js';
import type { Config } from '../../config/index.js';
import { enterCode, greet, keepCompany, say, type CodeProblem, type CompanyNews, type SpokenCode } from '../../ivr/index.js';
import type { Desk, DeskAgent } from '../desk/desk.js';
import type { MediaPool } from '../media/pool.js';
import type { Screens } from '../screen/screens.js';
import type { Metrics } from '../ops/metrics.js';
import type { TrunkConfig } from '../sip/trunks.js';
import { bounded } from '../media/bounded.js';
import { respond } from '../sip/respond.js';
import { endDialog, ringAgent, RingError, whenEnded } from './agent-leg.js';
import { AnchoredBridge, ReleasedBridge, type Bridge } from './bridge.js';
import { CallerLeg } from './caller-leg.js';
import { answerOffers } from './renegotiation.js';
import { initialState, step, type CallEvent, type CallState, type Effect, type EndReason, type EntryProblem } from './machine.js';

/** What every call needs of the gateway. */
export interface CallContext {
  readonly config: Config;
  readonly vault: Vault;
  readonly desk: Desk;
  readonly screens: Screens;
  readonly metrics: Metrics;
  /** Trunk of an agent's phone, if its address is one we know. */
  trunkOfPhone(uri: string): TrunkConfig | undefined;
  /** Folder of the prompts as the media servers see it. */
  readonly promptsPath: string;
}

export interface IncomingCall {
  readonly req: Srf.SrfRequest;
  readonly res: Srf.SrfResponse;
  readonly srf: Srf;
  readonly pool: MediaPool;
  readonly trunk: TrunkConfig;
  readonly service: Config['services'][number];
}

/** Failed bridges and missed acknowledgements before a call is given up. */
const maxSetbacks = 3;
/** Longest time the last words to a caller may take, in ms. */
const farewellMs = 12_000;
/** Limit of each step of the take-down, in ms. */
const closeStepTimeoutMs = 5_000;

/** Q.850 causes for the Reason header of our BYE (RFC 3326). */
const causes: Record<EndReason, string> = {
  callerHungUp: 'Q.850;cause=16;text="NORMAL_CLEARING"',
  agentHungUp: 'Q.850;cause=16;text="NORMAL_CLEARING"',
  agentEnded: 'Q.850;cause=16;text="NORMAL_CLEARING"',
  abandoned: 'Q.850;cause=16;text="NORMAL_CLEARING"',
  waitedTooLong: 'Q.850;cause=19;text="NO_ANSWER"',
  mediaFailed: 'Q.850;cause=41;text="NORMAL_TEMPORARY_FAILURE"',
  sipLost: 'Q.850;cause=41;text="NORMAL_TEMPORARY_FAILURE"',
  noBridge: 'Q.850;cause=31;text="NORMAL_UNSPECIFIED"',
  notAnswered: 'Q.850;cause=41;text="NORMAL_TEMPORARY_FAILURE"',
  drained: 'Q.850;cause=31;text="NORMAL_UNSPECIFIED"',
  internalError: 'Q.850;cause=41;text="NORMAL_TEMPORARY_FAILURE"',
};

const problemWords: Record<EntryProblem, CodeProblem> = {
  notRecognised: 'not-recognised',
  tooShort: 'too-short',
  nothingHeard: 'silence',
};

export class Call {
  readonly id = randomUUID();
  /** Resolves when nothing of this call is left. */
  readonly finished: Promise<void>;
  private markFinished!: () => void;
  private state: CallState = initialState;
  private readonly log: Logger;
  /** Aborts when the call ends: every prompt, key wait and timer hangs on it. */
  private readonly scope = new AbortController();
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly startedAt = Date.now();
  private enteredAt: number | undefined;
  private waitingSince = 0;
  private leg: CallerLeg | undefined;
  private agent: DeskAgent | undefined;
  private agentDialog: Srf.Dialog | undefined;
  private ringing: AbortController | undefined;
  private bridge: Bridge | undefined;
  private company: AbortController | undefined;
  private companyKept: Promise<void> = Promise.resolve();
  private shownOnScreenOf: string | undefined;
  private stopListening: (() => void) | undefined;
  private readonly takeDown: Promise<unknown>[] = [];
  private readonly events: CallEvent[] = [];

  constructor(private readonly incoming: IncomingCall, private readonly context: CallContext, log: Logger) {
    this.log = log.child({ callId: this.id, trunk: incoming.trunk.name });
    this.finished = new Promise((resolve) => (this.markFinished = resolve));
  }

  get stateName(): CallState['name'] {
    return this.state.name;
  }

  /** Answers the caller; the rest follows by itself. */
  start(): void {
    const { req, res, srf, pool } = this.incoming;
    this.log.info({ service: this.incoming.service.name }, 'call arriving');
    this.context.metrics.callStarted();
    req.on('cancel', () => this.handle({ type: 'callerHungUp' }));
    CallerLeg.answer(req, res, srf, pool, this.context.promptsPath, this.scope.signal, this.log).then(
      (leg) => {
        if (this.state.name === 'ended') {
          this.takeDown.push(leg.end(causes.abandoned));
          return;
        }
        this.leg = leg;
        leg.endpoint.gone.addEventListener('abort', () => this.onEndpointGone(), { once: true });
        this.handle({ type: 'answered' });
        whenEnded(leg.dialog, () => this.handle({ type: 'callerHungUp' }));
        if (leg.endpoint.gone.aborted) this.onEndpointGone();
      },
      (error: unknown) => {
        if (this.state.name !== 'ended') this.log.warn({ problem: problemOf(error) }, 'call could not be answered');
        this.handle({ type: 'answerFailed', reason: 'notAnswered' });
      },
    );
  }

  /** The desk found an agent for this call. */
  offerTo(agent: DeskAgent): void {
    // The call moved on between the match and this turn: the agent must not stay taken.
    if (this.state.name !== 'waiting') return this.context.desk.free(agent.name, this.id, 'ended');
    this.agent = agent;
    this.handle({ type: 'agentFound', agent: agent.name, offerId: randomUUID() });
  }

  /** The agent's screen acknowledged a pop. */
  acknowledge(revealId: string): void {
    this.handle({ type: 'acknowledged', revealId });
  }

  /** The agent pressed "end". */
  endByAgent(agent: string): void {
    this.handle({ type: 'agentEnded', agent });
  }

  /** The agent's page is back (reload, reconnect): it gets its pop again. */
  screenReturned(agent: string): void {
    this.handle({ type: 'screenReturned', agent, revealId: randomUUID() });
  }

  /** Ends the call for a reason outside of it. */
  stop(event: Extract<CallEvent, { type: 'drained' | 'sipLost' | 'crashed' }>['type']): void {
    this.handle({ type: event });
  }

  /** Events are taken one at a time: one that comes up while effects are carried out waits for the rest of them. */
  private handle(event: CallEvent): void {
    this.events.push(event);
    if (this.events.length > 1) return;
    for (let next = this.events[0]; next !== undefined; next = this.events[0]) {
      this.take(next);
      this.events.shift();
    }
  }

  private take(event: CallEvent): void {
    const before = this.state;
    const { calls, codes } = this.context.config;
    const next = step(before, event, { attemptsPerCall: codes.attemptsPerCall, onMissingAck: calls.onMissingAck, maxSetbacks });
    this.state = next.state;
    if (next.state.name !== before.name) {
      this.log.debug({ from: before.name, to: next.state.name, cause: event.type }, 'call moved on');
      this.tellCaller();
    }
    for (const effect of next.effects) {
      try {
        this.carryOut(effect);
      } catch (error) {
        this.log.error({ err: error, effect: effect.do }, 'effect failed');
        if (this.state.name !== 'ended') this.handle({ type: 'crashed' });
      }
    }
  }

  private carryOut(effect: Effect): void {
    switch (effect.do) {
      case 'greet': return this.greet();
      case 'collect': return this.collect(effect.attempt, effect.problem);
      case 'claim': return this.claim(effect.code);
      case 'awaitResult': return this.awaitResult(effect.sessionId);
      case 'keepCompany': return this.startCompany(effect.tell);
      case 'enterWaitingRoom': return this.enterWaitingRoom(effect.at);
      case 'leaveWaitingRoom': return this.context.desk.leave(this.id);
      case 'ringAgent': return this.ring(effect.offerId);
      case 'dropAgentLeg': return this.dropAgentLeg();
      case 'freeAgent': return this.context.desk.free(effect.agent, this.id, effect.because);
      case 'reveal': return this.reveal(effect.agent, effect.revealId, effect.sessionId);
      case 'clearScreen': return this.clearScreen(effect.agent, effect.because);
      case 'bridge': return this.join(effect.agent, effect.revealId);
      case 'purge': return this.closing('purge', this.context.vault.purge(effect.sessionId, this.id));
      case 'letGo': return this.closing('letGo', this.context.vault.letGo(effect.sessionId, this.id));
      case 'endCallerLeg': return this.endCallerLeg(effect.reason);
      case 'close': return this.close(effect.reason);
    }
  }

  // ---- dialogue ---------------------------------------------------------------------------------------------------

  private greet(): void {
    this.dialogue(async (leg) => {
      await greet(leg.voice, this.incoming.service.language, this.scope.signal);
      this.handle({ type: 'greeted' });
    });
  }

  private collect(attempt: number, problem: EntryProblem | undefined): void {
    const { calls, codes } = this.context.config;
    this.dialogue(async (leg) => {
      const entry = await enterCode(
        leg.voice,
        {
          language: this.incoming.service.language,
          digits: codes.digits,
          attempt,
          ...(problem === undefined ? {} : { problem: problemWords[problem] }),
          firstDigitMs: calls.firstDigitMs,
          interDigitMs: calls.interDigitMs,
        },
        this.scope.signal,
      );
      switch (entry.kind) {
        case 'code':
          this.enteredAt = performance.now();
          return this.handle({ type: 'codeEntered', code: entry.code });
        case 'person': return this.handle({ type: 'personWanted' });
        case 'silence': return this.handle({ type: 'entryFailed', problem: 'nothingHeard' });
        case 'too-short': return this.handle({ type: 'entryFailed', problem: 'tooShort' });
      }
    });
  }

  /** Runs a piece of spoken dialogue; the end of the call ends it without a word. */
  private dialogue(talk: (leg: CallerLeg) => Promise<void>): void {
    const leg = this.leg;
    if (!leg) return;
    talk(leg).catch((error: unknown) => {
      if (this.scope.signal.aborted) return;
      this.log.error({ problem: problemOf(error) }, 'dialogue failed');
      // A prompt that cannot be played must not cost the caller the human: on to the waiting room.
      this.handle(this.state.name === 'greeting' ? { type: 'greeted' } : { type: 'personWanted' });
    });
  }

  private claim(code: SpokenCode): void {
    const { vault, metrics } = this.context;
    vault.claim(code.reveal(), this.id).then(
      (claim) => {
        metrics.codeTried(claim.ok ? 'accepted' : 'refused');
        if (!claim.ok) return this.handle({ type: 'refused' });
        this.log.info({ sessionId: claim.sessionId }, 'code accepted');
        this.handle({ type: 'claimed', sessionId: claim.sessionId, identity: claim.identity });
        // The call ended while the vault was deciding: the session goes back at once.
        if (this.state.name === 'ended') this.closing('letGo', vault.letGo(claim.sessionId, this.id));
      },
      (error: unknown) => {
        metrics.codeTried('failed');
        this.log.error({ problem: problemOf(error) }, 'claim failed');
        this.handle({ type: 'vaultFailed' });
      },
    );
  }

  private awaitResult(sessionId: string): void {
    const { vault, config } = this.context;
    const look = () => {
      vault.identity(sessionId, this.id).then(
        (identity) => {
          if (identity !== 'awaiting') this.handle({ type: 'resultArrived', identity });
        },
        (error: unknown) => this.log.warn({ problem: problemOf(error) }, 'result could not be looked at'),
      );
    };
    this.stopListening = vault.onDelivered(sessionId, look);
    look();
    this.after(config.sessions.resultWaitMs, () => this.handle({ type: 'resultTimedOut' }));
    this.startCompany('result');
  }

  // ---- waiting ----------------------------------------------------------------------------------------------------

  private enterWaitingRoom(at: 'tail' | 'head'): void {
    if (this.waitingSince === 0) {
      this.waitingSince = Date.now();
      this.after(this.context.config.calls.maxWaitMs, () => this.handle({ type: 'waitedTooLong' }));
    }
    // Not within the present step: a free agent would be matched before the step's other effects are done.
    setImmediate(() => {
      if (this.state.name === 'waiting') this.context.desk.enter(this.id, at);
    });
  }

  private startCompany(tell: CompanyNews): void {
    const leg = this.leg;
    if (!leg) return;
    this.company?.abort();
    const company = new AbortController();
    this.company = company;
    const signal = AbortSignal.any([company.signal, this.scope.signal]);
    this.companyKept = this.companyKept
      .then(() => keepCompany(leg.voice, this.incoming.service.language, signal, tell))
      .catch((error: unknown) => {
        // Silence is no reason to lose the caller.
        if (!signal.aborted) this.log.warn({ problem: problemOf(error) }, 'no music for the caller');
      });
  }

  private stopCompany(): void {
    this.company?.abort();
    this.company = undefined;
  }

  // ---- the agent --------------------------------------------------------------------------------------------------

  private ring(offerId: string): void {
    const agent = this.agent!;
    const { screens, config } = this.context;
    const ringing = new AbortController();
    this.ringing = ringing;
    screens.offer(agent.name, {
      callId: this.id,
      service: this.incoming.service.name,
      language: this.incoming.service.language,
      waitedMs: Date.now() - this.waitingSince,
      identified: this.state.identity,
    });
    this.shownOnScreenOf = agent.name;
    const ring = async (released: boolean) => {
      const bridge = await this.makeBridge(released);
      if (ringing.signal.aborted) {
        await bridge.close();
        throw new RingError('cancelled');
      }
      this.bridge = bridge;
      if (bridge instanceof AnchoredBridge) {
        bridge.gone.addEventListener('abort', () => {
          if (this.bridge === bridge && this.joined) this.handle({ type: 'mediaLost' });
        }, { once: true });
      }
      this.leg!.answerThrough((offer) => bridge.answerFromCaller(offer));
      return ringAgent(this.incoming.srf, { uri: agent.phone, offer: bridge.offer, from: this.callerForAgent(), ringTimeoutMs: config.calls.ringTimeoutMs, signal: ringing.signal });
    };
    const release = this.maybeReleased(agent);
    const ringEitherWay = () => ring(release).catch((error: unknown) => {
      // The two phones have no codec in common: the media server stands between them.
      const { bridge } = this;
      if (!release || !isCodecRefusal(error) || ringing.signal.aborted || !bridge) throw error;
      this.bridge = undefined;
      return bridge.close().then(() => ring(false));
    });
    ringEitherWay().then(
      (dialog) => {
        if (ringing.signal.aborted || this.ringing !== ringing) return endDialog(dialog);
        this.agentDialog = dialog;
        const bridge = this.bridge!;
        answerOffers(dialog, (offer) => bridge.answerFromAgent(offer), this.log);
        const prepared = bridge.prepare(dialog);
        prepared.catch(() => undefined);
        this.handle({ type: 'agentAnswered', offerId, revealId: randomUUID() });
        whenEnded(dialog, () => {
          if (this.agentDialog !== dialog) return;
          const { name, revealId } = this.state;
          // Who hung up before the two were joined has not talked: the caller keeps the place.
          if (name === 'connected' && !this.joined && revealId !== undefined) this.handle({ type: 'bridgeFailed', revealId });
          else this.handle({ type: 'agentHungUp' });
        });
      },
      (error: unknown) => {
        if (!ringing.signal.aborted) this.log.info({ agent: agent.name, problem: problemOf(error) }, 'agent not reached');
        this.handle({ type: 'agentFailed', offerId });
      },
    );
  }

  /** Whether both trunks let media flow between the phones. */
  private maybeReleased(agent: DeskAgent): boolean {
    return this.incoming.trunk.bridge === 'released' && this.context.trunkOfPhone(agent.phone)?.bridge === 'released';
  }

  private async makeBridge(released: boolean): Promise<Bridge> {
    const caller = { dialog: this.leg!.dialog, endpoint: this.leg!.endpoint };
    if (released) return new ReleasedBridge(caller, this.incoming.pool, this.log);
    return AnchoredBridge.make(caller, this.incoming.pool);
  }

  /** The caller as the agent's phone shows it: the number that the trunk told us, or nothing if it was withheld. */
  private callerForAgent(): string {
    const number = /^[0-9A-Za-z+*#._-]{1,40}$/.exec(this.incoming.req.callingNumber ?? '')?.[0];
    const withheld = number === undefined || /anonymous/i.test(number) || (this.incoming.req.has('Privacy') && /\b(id|user|full|header)\b/i.test(this.incoming.req.get('Privacy')));
    return withheld ? '"Anonymous" <sip:anonymous@anonymous.invalid>' : `<sip:${encodeURIComponent(number).replaceAll('%2B', '+')}@localhost>`;
  }

  private reveal(agent: string, revealId: string, sessionId: string | undefined): void {
    const { screens, vault, config, metrics } = this.context;
    const show = (identity: Awaited<ReturnType<Vault['reveal']>> | null) => {
      // The state may have moved on while the vault was unsealing: only the present pop may be drawn.
      if (this.state.revealId !== revealId || this.state.agent !== agent || (this.state.name !== 'revealing' && this.state.name !== 'connected')) return;
      if (this.shownOnScreenOf !== agent) {
        screens.offer(agent, { callId: this.id, service: this.incoming.service.name, language: this.incoming.service.language, waitedMs: 0, identified: identity ? this.state.identity : 'none' });
        this.shownOnScreenOf = agent;
      }
      const onScreen = screens.reveal(agent, { callId: this.id, revealId, identity });
      if (onScreen && identity && this.enteredAt !== undefined) {
        metrics.revealed(performance.now() - this.enteredAt);
        this.enteredAt = undefined;
      }
      if (this.state.name === 'connected' && this.joined) screens.connected(agent, this.id);
    };
    if (this.state.name === 'revealing') this.after(config.calls.ackTimeoutMs, () => this.handle({ type: 'acknowledgementMissed', revealId }));
    if (sessionId === undefined) return show(null);
    vault.identity(sessionId, this.id).then(
      async (identity) => show(identity === 'verified' ? await vault.reveal(sessionId, this.id) : null),
    ).catch((error: unknown) => {
      this.log.error({ problem: problemOf(error) }, 'identity could not be shown');
      show(null);
    });
  }

  private joined = false;

  private join(agent: string, revealId: string): void {
    const bridge = this.bridge;
    if (!bridge) return this.handle({ type: 'bridgeFailed', revealId });
    this.stopCompany();
    bridge.join().then(
      () => {
        if (this.state.name !== 'connected' || this.state.agent !== agent || this.bridge !== bridge) return;
        this.joined = true;
        this.log.info({ agent, bridge: bridge.mode }, 'caller and agent connected');
        this.context.metrics.connected(bridge.mode);
        this.context.screens.connected(agent, this.id);
        this.leg?.tell('connected');
      },
      (error: unknown) => {
        if (this.state.name === 'connected') this.log.warn({ problem: problemOf(error) }, 'bridge failed');
        this.handle({ type: 'bridgeFailed', revealId });
      },
    );
  }

  private dropAgentLeg(): void {
    this.ringing?.abort();
    this.ringing = undefined;
    const dialog = this.agentDialog;
    this.agentDialog = undefined;
    if (dialog && (dialog as unknown as { connected: boolean }).connected) endDialog(dialog);
    const bridge = this.bridge;
    this.bridge = undefined;
    this.joined = false;
    this.leg?.answerThrough(undefined);
    if (bridge) this.closing('bridge', bridge.close());
    this.agent = undefined;
  }

  private clearScreen(agent: string, because: 'ended' | 'missed' | 'requeued' | 'failed'): void {
    this.shownOnScreenOf = undefined;
    this.context.screens.clear(agent, this.id, because);
  }

  // ---- the end ----------------------------------------------------------------------------------------------------

  private onEndpointGone(): void {
    // A released call has given its endpoint back on purpose.
    if (this.state.name === 'ended' || this.bridge?.mediaIsFree) return;
    this.handle({ type: 'mediaLost' });
  }

  private endCallerLeg(reason: EndReason): void {
    this.stopCompany();
    this.stopListening?.();
    const { leg } = this;
    this.scope.abort(new Error('the call has ended'));
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    if (leg) this.closing('callerLeg', this.farewell(leg, reason).then(() => leg.end(causes[reason])), farewellMs + closeStepTimeoutMs);
    else if (!this.incoming.res.finalResponseSent && reason !== 'abandoned') respond(this.incoming.res, 503, { headers: { 'Retry-After': '5' } });
  }

  /** Nobody is hung up on without a word: who waited in vain hears so first. */
  private async farewell(leg: CallerLeg, reason: EndReason): Promise<void> {
    if (reason !== 'waitedTooLong' && reason !== 'noBridge') return;
    await this.companyKept;
    const left = new AbortController();
    leg.dialog.once('destroy', () => left.abort());
    const gone = AbortSignal.any([AbortSignal.timeout(farewellMs), leg.endpoint.gone, left.signal]);
    await say(leg.voice, this.incoming.service.language, reason === 'waitedTooLong' ? 'all-busy' : 'technical-problem', gone).catch(() => undefined);
  }

  /** One step of the take-down: bounded, and its failure stops nothing else. */
  private closing(what: string, ending: Promise<unknown>, limitMs = closeStepTimeoutMs): void {
    const step = bounded(ending, limitMs, what).catch((error: unknown) => {
      this.log.error({ step: what, problem: problemOf(error) }, 'closing step failed');
    });
    this.takeDown.push(step);
  }

  private close(reason: EndReason): void {
    const identity = this.state.identity === 'verified' ? 'verified' : 'unidentified';
    void Promise.allSettled(this.takeDown).then(async () => {
      // A leg that came up while the call was ending adds its own step.
      await Promise.allSettled(this.takeDown);
      this.context.metrics.callEnded(reason, identity, (Date.now() - this.startedAt) / 1000);
      this.log.info({ reason, seconds: Math.round((Date.now() - this.startedAt) / 100) / 10 }, 'call ended');
      this.markFinished();
    });
  }

  private tellCaller(): void {
    const words: Partial<Record<CallState['name'], string>> = { greeting: 'greeting', collecting: 'collecting', waiting: 'waiting', offered: 'ringing-agent' };
    const word = words[this.state.name];
    if (word !== undefined) this.leg?.tell(word);
  }

  private after(ms: number, then: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      then();
    }, ms);
    this.timers.add(timer);
  }
}

/** A phone that refused the offer and not the call (RFC 3261 sections 21.4.13, 21.4.26, 21.6.4). */
function isCodecRefusal(error: unknown): boolean {
  return error instanceof RingError && (error.status === 415 || error.status === 488 || error.status === 606);
}

/** What may be logged of an error: its code and words, which by rule hold nothing of the caller. */
function problemOf(error: unknown): string {
  if (error instanceof Error) return 'code' in error && typeof error.code === 'string' ? `${error.code}: ${error.message}` : error.message;
  return String(error);
}
