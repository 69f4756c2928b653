/**
 * One telephone call: carries out what the call machine decides and tells the machine what happened. Everything that
 * exists because of this call is owned here and ends here, in the order of docs/closing.md.
 */
import { randomUUID } from 'node:crypto';
import type Srf from 'drachtio-srf';
import type { Logger } from 'pino';
import { hasRightCheckDigit, IdentifyError, type PairingInvitation, type ProgressStep, type RevealedIdentity } from '../../core-bridge/index.js';
import type { Config, Tenant } from '../../config/index.js';
import { CompanyMemory, enterCode, greet, keepCompany, offerIdentify, readInvitation, say, words, type CodeProblem, type CompanyNews, type SpokenCode } from '../../ivr/index.js';
import { longestWaitMs, waitingFor, type DeskAgent, type Outlook } from '../desk/index.js';
import type { Audit } from '../audit/index.js';
import type { Happenings } from '../happenings.js';
import type { MediaPool } from '../media/pool.js';
import type { Screens } from '../screen/screens.js';
import type { Metrics } from '../ops/metrics.js';
import type { TrunkConfig } from '../sip/trunks.js';
import type { TenantRoom } from '../tenants.js';
import { bounded } from '../media/bounded.js';
import { respond } from '../sip/respond.js';
import { endDialog, ringAgent, RingError, whenEnded } from './agent-leg.js';
import { AnchoredBridge, ReleasedBridge, type Bridge } from './bridge.js';
import { CallerLeg } from './caller-leg.js';
import { checkCode } from './code-check.js';
import { HeldSession } from './held-session.js';
import { InvitedCaller } from './invited-caller.js';
import { answerOffers } from './renegotiation.js';
import { initialState, step, type CallEvent, type CallIdentity, type CallState, type Effect, type EndReason, type EntryProblem } from './machine.js';

/** What every call needs of the gateway. */
export interface CallContext {
  readonly config: Config;
  readonly screens: Screens;
  readonly metrics: Metrics;
  readonly happenings: Happenings;
  /** Where it is recorded who saw what; `shown` is awaited before anything is shown. */
  readonly audit: () => Audit;
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
  readonly tenant: TenantRoom;
  readonly service: Tenant['services'][number];
}

/** Failed bridges and missed acknowledgements before a call is given up. */
const maxSetbacks = 3;
/** Longest time the last words to a caller may take, in ms. */
const farewellMs = 12_000;
/** Limit of each step of the take-down, in ms. */
const closeStepTimeoutMs = 5_000;
/** A code whose turn takes longer than this is being checked audibly, in ms. */
const checkingAfterMs = 800;
/** Attempts to delete a session end within the limit of their step, in ms. */
const purgeWithinMs = closeStepTimeoutMs - 500;

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
  slip: 'slip',
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
  /** What the caller was told of the queue; it must not get worse when they come back to it. */
  private readonly companyMemory = new CompanyMemory();
  private shownOnScreenOf: string | undefined;
  private stopListening: (() => void) | undefined;
  private readonly takeDown: Promise<unknown>[] = [];
  private readonly events: CallEvent[] = [];
  /** Sessions this call holds, the one of an invitation included. */
  private readonly sessions = new Map<string, HeldSession>();
  private readonly invited: InvitedCaller;
  private inviting: Promise<PairingInvitation | undefined> = Promise.resolve(undefined);
  private purpose: string;
  private outlook: Outlook | undefined;
  private word: number | undefined;
  private codeUsedAgain = false;
  /** Sessions whose identity was proved while the caller was on the line. */
  private readonly provedDuringCall = new Set<string>();
  private endedAt = 0;

  constructor(private readonly incoming: IncomingCall, private readonly context: CallContext, log: Logger) {
    this.log = log.child({ callId: this.id, trunk: incoming.trunk.name });
    this.finished = new Promise((resolve) => (this.markFinished = resolve));
    this.purpose = incoming.service.purposes[0]!;
    this.invited = new InvitedCaller(incoming.tenant, this.id, (sessionId, identity) => {
      this.handle({ type: 'invitationResult', sessionId, identity, confirmId: randomUUID() });
      const isAlone = this.state.name === 'waiting' || this.state.name === 'offered';
      if (isAlone && this.state.invitation?.result === 'verified') this.startCompany('identified');
    });
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
    CallerLeg.answer(req, res, srf, pool, this.incoming.tenant.config.promptsPath ?? this.context.promptsPath, this.scope.signal, this.log).then(
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
    if (this.state.name !== 'waiting') return this.incoming.tenant.desk.free(agent.name, this.id, 'moved');
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

  /** The agent asks the caller to identify themselves now. */
  identifyByAgent(agent: string): void {
    this.handle({ type: 'identifyRequested', agent });
  }

  /** The agent does not want that any more. */
  withdrawInvitation(agent: string): void {
    this.handle({ type: 'identifyWithdrawn', agent });
  }

  /** The agent compared the word on the caller's page with the one on the screen. */
  wordCompared(agent: string, confirmId: string, same: boolean): void {
    this.log.info({ agent, same }, 'word compared');
    const { invitation } = this.state;
    if (same && invitation?.confirmId === confirmId) {
      this.provedDuringCall.add(invitation.sessionId);
      const session = this.sessions.get(invitation.sessionId);
      if (session) this.report(session);
    }
    this.handle({ type: 'wordCompared', agent, confirmId, same, revealId: randomUUID() });
  }

  /** What may be told of the wait changed. */
  stands(outlook: Outlook): void {
    if (this.state.name !== 'waiting') return;
    const moved = this.outlook?.place !== outlook.place;
    this.outlook = outlook;
    if (moved) this.tellCitizen({ step: 'waiting', place: outlook.place });
  }

  /** The desk took the agent away. Who is being rung is given up; a conversation goes on. */
  agentLost(agent: string): void {
    this.log.warn({ agent }, 'the desk took the agent away from this call');
    if (this.state.name === 'offered' && this.state.agent === agent) this.handle({ type: 'agentFailed', offerId: this.state.offerId! });
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
    const { calls } = this.context.config;
    const next = step(before, event, { attemptsPerCall: this.incoming.tenant.config.codes.attemptsPerCall, onMissingAck: calls.onMissingAck, maxSetbacks });
    this.state = next.state;
    if (next.state.name === 'ended' && before.name !== 'ended') this.endedAt = performance.now();
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
      case 'leaveWaitingRoom': return this.incoming.tenant.desk.leave(this.id);
      case 'ringAgent': return this.ring(effect.offerId);
      case 'dropAgentLeg': return this.dropAgentLeg();
      case 'freeAgent': return this.incoming.tenant.desk.free(effect.agent, this.id, effect.because);
      case 'reveal': return this.reveal(effect.agent, effect.revealId, effect.sessionId);
      case 'clearScreen': return this.clearScreen(effect.agent, effect.because);
      case 'bridge': return this.join(effect.agent, effect.revealId);
      case 'invite': return this.invite();
      case 'showInvitation': return this.showInvitation(effect.agent);
      case 'confirmWord': return this.context.screens.confirmWord(effect.agent, { callId: this.id, confirmId: effect.confirmId, word: this.wordOf(this.invited.invitation!.word) });
      case 'identifyFailed': return this.context.screens.identifyFailed(effect.agent, this.id);
      case 'withdrawInvitation': return this.invited.withdraw();
      case 'purge': return this.purge(effect.sessionId);
      case 'letGo': return this.letGo(effect.sessionId);
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
    const { calls } = this.context.config;
    const { guard } = this.incoming.tenant;
    this.stopCompany();
    this.dialogue(async (leg) => {
      const [lengths] = await Promise.all([guard.lengthsInUse(), this.companyKept]);
      const entry = await enterCode(
        leg.voice,
        {
          language: this.incoming.service.language,
          lengths,
          isWhole: hasRightCheckDigit,
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
        case 'slip':
          this.context.metrics.codeTried('mistyped');
          return this.handle({ type: 'entryFailed', problem: 'slip' });
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
    const { metrics } = this.context;
    const { tenant, trunk, req } = this.incoming;
    const stillChecking = this.after(checkingAfterMs, () => this.startCompany('checking'));
    checkCode(tenant, { callId: this.id, digits: code.reveal(), trunk: trunk.name, callerNumber: req.callingNumber }, this.scope.signal).finally(() => clearTimeout(stillChecking)).then(
      (claim) => {
        metrics.codeTried(claim.ok ? 'accepted' : 'refused');
        if (!claim.ok) return this.handle({ type: 'refused' });
        const { sessionId, board, identity } = claim;
        this.log.info({ sessionId }, 'code accepted');
        this.purpose = claim.purpose;
        // Who was sent to a telephone address has no page of ours, and a word heard there would mean nothing.
        if (tenant.config.idContact.clientUrl === 'page') this.word = claim.word;
        const session = this.hold(sessionId, board);
        session.tell({ step: 'callSeen' });
        session.tell({ step: 'codeAccepted' });
        if (identity === 'verified') this.report(session);
        this.handle({ type: 'claimed', sessionId, identity });
        // The call ended while the vault was deciding: the session goes back at once.
        if (this.state.name === 'ended') this.letGo(sessionId);
      },
      (error: unknown) => {
        if (this.scope.signal.aborted) return;
        metrics.codeTried('failed');
        this.log.error({ problem: problemOf(error) }, 'claim failed');
        this.handle({ type: 'vaultFailed' });
      },
    );
  }

  private awaitResult(sessionId: string): void {
    const { vault, config } = this.incoming.tenant;
    const look = () => {
      vault.identity(sessionId, this.id).then(
        (identity) => {
          if (identity === 'awaiting') return;
          const session = this.sessions.get(sessionId);
          if (session && identity === 'verified' && this.state.identity !== identity) this.report(session);
          this.handle({ type: 'resultArrived', identity, revealId: randomUUID() });
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
      this.after(longestWaitMs(this.incoming.service, this.context.config.calls), () => this.handle({ type: 'waitedTooLong' }));
    }
    // Not within the present step: a free agent would be matched before the step's other effects are done.
    setImmediate(() => {
      if (this.state.name === 'waiting') this.incoming.tenant.desk.enter(waitingFor(this.id, this.incoming.service), at);
    });
  }

  private startCompany(tell: CompanyNews): void {
    const leg = this.leg;
    if (!leg) return;
    this.company?.abort();
    const company = new AbortController();
    this.company = company;
    const signal = AbortSignal.any([company.signal, this.scope.signal]);
    const { language } = this.incoming.service;
    const invites = (tell === 'unidentified' || tell === 'refused') && this.invited.offered && !this.invited.invitation;
    this.companyKept = this.companyKept
      .then(() => (invites ? this.inviteOnTheLine(leg, signal) : undefined))
      .then(async () => void (await keepCompany(leg.voice, language, signal, tell, { outlook: () => this.outlook, memory: this.companyMemory, ...(tell === 'accepted' && this.word !== undefined ? { word: this.word } : {}) })))
      .catch((error: unknown) => {
        // Silence is no reason to lose the caller.
        if (!signal.aborted) this.log.warn({ problem: problemOf(error) }, 'no music for the caller');
      });
  }

  /** A caller without a code may identify themselves while waiting; the place in the line is taken already. */
  private async inviteOnTheLine(leg: CallerLeg, signal: AbortSignal): Promise<void> {
    const { language } = this.incoming.service;
    if ((await offerIdentify(leg.voice, { language }, signal)) === 'no' || signal.aborted) return;
    this.handle({ type: 'identifyRequested' });
    const invitation = await this.inviting;
    if (signal.aborted) return;
    if (invitation) await readInvitation(leg.voice, language, invitation, signal);
    else await say(leg.voice, language, 'identify-unavailable', signal);
  }

  private stopCompany(): void {
    this.company?.abort();
    this.company = undefined;
  }

  // ---- the agent --------------------------------------------------------------------------------------------------

  private ring(offerId: string): void {
    const agent = this.agent!;
    const { config } = this.context;
    const ringing = new AbortController();
    this.ringing = ringing;
    this.offerOnScreen(agent.name, this.state.identity);
    this.tellCitizen({ step: 'agentRinging' });
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
      return ringAgent(this.incoming.srf, { uri: agent.phone, offer: bridge.offer, from: this.callerForAgent(), ringTimeoutMs: this.incoming.service.queue.ringTimeoutMs ?? config.calls.ringTimeoutMs, signal: ringing.signal });
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
        this.incoming.tenant.desk.answered(agent.name, this.id);
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

  /** The number that the trunk told us, unless it was withheld. */
  private get callerNumber(): string | undefined {
    const number = /^[0-9A-Za-z+*#._-]{1,40}$/.exec(this.incoming.req.callingNumber ?? '')?.[0];
    const withheld = number === undefined || /anonymous/i.test(number) || (this.incoming.req.has('Privacy') && /\b(id|user|full|header)\b/i.test(this.incoming.req.get('Privacy')));
    return withheld ? undefined : number;
  }

  /** The caller as the agent's phone shows it. */
  private callerForAgent(): string {
    const number = this.callerNumber;
    return number === undefined ? '"Anonymous" <sip:anonymous@anonymous.invalid>' : `<sip:${encodeURIComponent(number).replaceAll('%2B', '+')}@localhost>`;
  }

  private offerOnScreen(agent: string, identified: CallIdentity): void {
    const { screens } = this.context;
    const { service } = this.incoming;
    screens.offer(agent, { callId: this.id, service: service.name, language: service.language, waitedMs: Date.now() - this.waitingSince, identified, canIdentify: this.invited.offered });
    this.shownOnScreenOf = agent;
    if (this.codeUsedAgain) screens.warn(agent, this.id, 'codeUsedAgain');
  }

  private reveal(agent: string, revealId: string, sessionId: string | undefined): void {
    const { screens, config, metrics } = this.context;
    const { vault, config: tenant } = this.incoming.tenant;
    const show = (identity: RevealedIdentity | null) => {
      // The state may have moved on while the vault was unsealing: only the present pop may be drawn.
      if (this.state.revealId !== revealId || this.state.agent !== agent || (this.state.name !== 'revealing' && this.state.name !== 'connected')) return;
      if (this.shownOnScreenOf !== agent) this.offerOnScreen(agent, identity ? this.state.identity : 'none');
      const purposeLabel = tenant.purposeLabels[this.purpose];
      const how = sessionId !== undefined && this.provedDuringCall.has(sessionId) ? 'duringCall' : 'beforeCall';
      const onScreen = screens.reveal(agent, { callId: this.id, revealId, identity, how, ...(purposeLabel === undefined ? {} : { purposeLabel }) });
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

  // ---- sessions of the citizen --------------------------------------------------------------------------------------

  private hold(sessionId: string, board: string): HeldSession {
    const session = new HeldSession(this.incoming.tenant, this.id, sessionId, board, () => this.onCodeUsedAgain());
    this.sessions.set(sessionId, session);
    return session;
  }

  private report(session: HeldSession): void {
    session.report().catch((error: unknown) => {
      if (this.state.name !== 'ended') this.log.warn({ problem: problemOf(error) }, 'authentication plugin cannot be told of the session');
    });
  }

  private onCodeUsedAgain(): void {
    this.codeUsedAgain = true;
    this.log.warn('the code of this call was typed again elsewhere');
    if (this.shownOnScreenOf !== undefined) this.context.screens.warn(this.shownOnScreenOf, this.id, 'codeUsedAgain');
  }

  /** Tells every page that follows this call. */
  private tellCitizen(step: ProgressStep): void {
    for (const session of this.sessions.values()) session.tell(step);
  }

  private purge(sessionId: string): void {
    const session = this.sessions.get(sessionId);
    this.sessions.delete(sessionId);
    const since = this.state.name === 'ended' ? this.endedAt : undefined;
    if (session) this.closing('purge', session.purge(since, AbortSignal.timeout(purgeWithinMs)));
  }

  private letGo(sessionId: string): void {
    const session = this.sessions.get(sessionId);
    this.sessions.delete(sessionId);
    if (session) this.closing('letGo', session.letGo(Date.now() + this.incoming.tenant.config.sessions.reclaimGraceSeconds * 1_000));
  }

  // ---- authentication during the call -------------------------------------------------------------------------------

  private invite(): void {
    // A caller who asked for it while waiting hears of a failure; an agent who asked reads of it.
    const agent = this.state.name === 'connected' ? this.state.agent : undefined;
    const failed = (error: unknown) => {
      // Asked again meanwhile, or the call has ended.
      if (error instanceof IdentifyError && error.code === 'withdrawn') return undefined;
      this.log.warn({ problem: problemOf(error) }, 'no invitation to identify');
      if (agent !== undefined && this.state.agent === agent) this.context.screens.invitationFailed(agent, { callId: this.id, reason: invitationProblem(error) });
      return undefined;
    };
    this.inviting = this.invited.invite(this.purpose, this.callerNumber).then((invitation) => {
      const session = this.hold(invitation.sessionId, invitation.board);
      // Its page opens in the middle of a call.
      if (this.joined) session.tell({ step: 'connected' });
      else if (this.state.name === 'offered') session.tell({ step: 'agentRinging' });
      else if (this.state.name === 'waiting' && this.outlook) session.tell({ step: 'waiting', place: this.outlook.place });
      this.log.info({ sessionId: invitation.sessionId, agent }, 'caller invited to identify');
      if (this.state.name === 'ended') {
        this.invited.withdraw();
        this.purge(invitation.sessionId);
        return undefined;
      }
      this.handle({ type: 'invited', sessionId: invitation.sessionId });
      return invitation;
    }).catch(failed);
  }

  private showInvitation(agent: string): void {
    const { invitation } = this.invited;
    if (!invitation) return;
    const { address, pairingCode, expiresAt } = invitation;
    this.context.screens.invitation(agent, { callId: this.id, address, pairingCode, expiresInMs: Math.max(0, expiresAt.getTime() - Date.now()) });
  }

  private wordOf(index: number): string {
    return words[this.incoming.service.language][index] ?? '';
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
        this.tellCitizen({ step: 'connected' });
        this.incoming.tenant.feedback.talking(this.id);
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
    this.incoming.tenant.desk.leave(this.id);
    const identity = this.state.identity === 'verified' ? 'verified' : 'unidentified';
    const { feedback } = this.incoming.tenant;
    if (this.state.shown) feedback.done(this.id);
    else feedback.forget(this.id);
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

  private after(ms: number, then: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      then();
    }, ms);
    this.timers.add(timer);
    return timer;
  }
}

/** A phone that refused the offer and not the call (RFC 3261 sections 21.4.13, 21.4.26, 21.6.4). */
function isCodecRefusal(error: unknown): boolean {
  return error instanceof RingError && (error.status === 415 || error.status === 488 || error.status === 606);
}

function invitationProblem(error: unknown): 'unreachable' | 'refused' | 'tooMany' {
  if (!(error instanceof IdentifyError)) return 'unreachable';
  return error.code === 'too_many' ? 'tooMany' : error.code === 'core_unreachable' ? 'unreachable' : 'refused';
}

/** What may be logged of an error: its code and words, which by rule hold nothing of the caller. */
function problemOf(error: unknown): string {
  if (error instanceof Error) return 'code' in error && typeof error.code === 'string' ? `${error.code}: ${error.message}` : error.message;
  return String(error);
}
