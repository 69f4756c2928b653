/**
 * One telephone call: carries out what the call machine decides and tells the machine what happened. Everything that
 * exists because of this call is owned here and ends here, in the order of docs/closing.md. The parts: what the caller
 * hears (`talk.ts`), the other side (`far-side.ts`), what the agent sees (`agent-view.ts`), the sessions it holds.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { IdentifyError, type PairingInvitation, type RevealedIdentity, type SessionTaken } from '../../core-bridge/index.js';
import type { Tenant } from '../../config/index.js';
import type { SpokenCode } from '../../ivr/index.js';
import { waitingFor, type DeskAgent, type Outlook } from '../desk/index.js';
import { bounded } from '../media/bounded.js';
import { mediaSourceOf } from '../media/source.js';
import { holdDialog, isAlive } from '../sip/guarded-srf.js';
import { respond } from '../sip/respond.js';
import { AgentView, type AgentViewOptions } from './agent-view.js';
import { CallerLeg } from './caller-leg.js';
import { callerNumberOf, shownAs } from './caller-number.js';
import { CallingBack } from './calling-back.js';
import { checkCode } from './code-check.js';
import type { GuestProblem } from './conference.js';
import type { Destination } from './directory.js';
import { endCauses, normalClearing } from './end-causes.js';
import { FarSide } from './far-side.js';
import { GuestSide } from './guest-side.js';
import { HeldSessions } from './held-sessions.js';
import { InvitedCaller } from './invited-caller.js';
import { closeStepTimeoutMs, problemOf, type CallContext, type CallHappening, type HandedOverCall, type IncomingCall, type LiveCall } from './live-call.js';
import { initialState, isWithAgent, step, type CallEvent, type CallState, type CourseOptions, type Effect, type EndReason } from './machine.js';
import { agentsPart, guestsPart } from './parts-in-call.js';
import type { PromiseRecord } from './promises/index.js';
import { whenEnded } from './ring.js';
import { Talk } from './talk.js';
import type { Wanted } from './transfer.js';
import { WaitLimit, waitLimitMs } from './wait-limit.js';

/** Failed bridges and missed acknowledgements before a call is given up. */
const maxSetbacks = 3;
/** A code whose turn takes longer than this is being checked audibly, in ms. */
const checkingAfterMs = 800;
/** Longer than a call takes to be answered, or to be taken down, whatever goes wrong, in ms. */
const longestStepMs = 60_000;
/** How often a screen that shows the call is told that it is still there, in ms. */
const leaseRenewalMs = 3_000;

export class Call implements LiveCall, HandedOverCall {
  /** Resolves when nothing of this call is left. */
  readonly finished: Promise<void>;
  readonly log: Logger;
  state: CallState = initialState;
  service: Tenant['services'][number];
  leg: CallerLeg | undefined;
  /** Nothing of this call is left. */
  isFinished = false;
  private markFinished!: () => void;
  private readonly scope = new AbortController();
  private readonly timers = new Set<NodeJS.Timeout>();
  readonly startedAt = Date.now();
  /** When the call came into its present state, or to its present agent, in ms since the epoch. */
  stateSince = this.startedAt;
  private waitingSince = 0;
  private readonly waitLimit = new WaitLimit(() => this.handle({ type: 'waitedTooLong' }));
  private readonly talk: Talk;
  private readonly far: FarSide;
  private readonly guest: GuestSide;
  /** The agent's screen, and that of a colleague who is brought in. */
  private view: AgentView;
  private guestView: AgentView | undefined;
  private readonly viewOptions: AgentViewOptions;
  private readonly callingBack: CallingBack;
  private agent: DeskAgent | undefined;
  private stopListening: (() => void) | undefined;
  /** Of a call that nobody made here. */
  private calledFrom: string | undefined;
  private leaseTimer: NodeJS.Timeout | undefined;
  private readonly beganAt = performance.now();
  private readonly takeDown: Promise<unknown>[] = [];
  private readonly events: CallEvent[] = [];
  private readonly sessions: HeldSessions;
  private readonly invited: InvitedCaller;
  private inviting: Promise<PairingInvitation | undefined> = Promise.resolve(undefined);
  private purpose: string;
  private outlook: Outlook | undefined;
  private word: number | undefined;
  private endedAt = 0;

  /** @param id of a call that goes on with what another one promised: as which it has taken the promise up */
  constructor(readonly incoming: IncomingCall, readonly context: CallContext, log: Logger, readonly id: string = randomUUID()) {
    this.log = log.child({ callId: this.id, trunk: incoming.trunk.name });
    this.finished = new Promise((resolve) => {
      this.markFinished = () => {
        this.isFinished = true;
        resolve();
      };
    });
    this.service = incoming.service;
    this.purpose = incoming.service.purposes[0]!;
    this.invited = new InvitedCaller(incoming.tenant, this.id, (sessionId, identity) => {
      this.handle({ type: 'invitationResult', sessionId, identity, confirmId: randomUUID() });
      const isAlone = this.state.name === 'waiting' || this.state.name === 'offered';
      if (isAlone && this.state.invitation?.result === 'verified') this.talk.keepCompany('identified');
    });
    this.sessions = new HeldSessions(this, () => {
      this.view.warn();
      this.guestView?.warn();
    });
    this.talk = new Talk(this, {
      mayInvite: () => this.invited.offered && !this.invited.invitation,
      invite: () => {
        this.handle({ type: 'identifyRequested' });
        return this.inviting;
      },
      mayBeCalledBack: () => this.callingBack.isOffered,
      reachable: () => this.far.reachable,
      outlook: () => this.outlook,
      word: () => this.word,
    });
    this.far = new FarSide(this, this, {
      talking: () => this.nowTalking(),
      endpointChanged: () => this.watchEndpoint(),
    });
    this.callingBack = new CallingBack(this, this.talk, {
      outsideTarget: (number) => this.far.outsideTarget(number),
      takeLeg: (leg) => this.takeLeg(leg),
      ofCall: () => ({
        waitingSince: this.waitingSince,
        place: this.outlook?.place,
        provedDuringCall: this.state.sessionId !== undefined && this.sessions.wasProvedNow(this.state.sessionId),
        calledFrom: this.callerNumber,
      }),
    });
    this.guest = new GuestSide(this, this.far, (agent) => this.guestView?.connected(agent));
    this.viewOptions = {
      canIdentify: this.invited.offered,
      waitedMs: () => (this.waitingSince === 0 ? 0 : Date.now() - this.waitingSince),
      purpose: () => this.purpose,
      provedDuringCall: (sessionId) => this.sessions.wasProvedNow(sessionId),
    };
    this.view = new AgentView(this, this.viewOptions, agentsPart(this, this.invited.offered, this.far));
  }

  get tenant(): string {
    return this.incoming.tenant.config.name;
  }

  get over(): AbortSignal {
    return this.scope.signal;
  }

  get stateName(): CallState['name'] {
    return this.state.name;
  }

  /** Answers the caller; the rest follows by itself. */
  start(): void {
    const { invite, srf, pool, tenant, trunk } = this.incoming;
    if (!invite) throw new TypeError('a call that nobody made cannot be answered');
    const { req, res } = invite;
    this.log.info({ service: this.service.name }, 'call arriving');
    this.context.metrics.callStarted();
    this.happened({ type: 'call.arrived', service: this.service.name });
    req.on('cancel', () => this.handle({ type: 'callerHungUp' }));
    CallerLeg.answer(req, res, srf, pool, mediaSourceOf(trunk, req.source_address), this.promptsPath, this.over, this.log).then(
      (leg) => {
        if (this.state.name === 'ended') {
          this.takeDown.push(leg.end(endCauses.abandoned));
          return;
        }
        this.leg = leg;
        this.watchEndpoint();
        this.handle(tenant.isOpen(this.service) ? { type: 'answered' } : { type: 'closedNow' });
        this.watchCaller(leg);
        if (leg.endpoint.gone.aborted) this.onEndpointGone();
      },
      (error: unknown) => {
        if (this.state.name !== 'ended') this.log.warn({ problem: problemOf(error) }, 'call could not be answered');
        this.handle({ type: 'answerFailed', reason: 'notAnswered' });
      },
    );
  }

  /**
   * Goes on with what a call of another node promised.
   * @param before that call
   * @param taken the session, if this call holds it now
   */
  resume(record: PromiseRecord, before: string, taken: SessionTaken | undefined): void {
    const { session } = record;
    this.log.info({ service: this.service.name, before }, 'the promise of another node is kept here');
    this.context.metrics.callStarted();
    this.happened({ type: 'call.arrived', service: this.service.name, continues: before });
    this.calledFrom = (record.calledFrom ?? record.number).reveal();
    this.waitingSince = record.waitingSince;
    const leftMs = record.waitingSince + waitLimitMs(this.service, this.context.config) - Date.now();
    if (leftMs > 0) this.waitLimit.enter(this.service.name, leftMs);
    this.callingBack.adopt(record);
    const held = session && taken ? { sessionId: session.id, identity: taken.identity } : undefined;
    if (session && taken) {
      this.purpose = taken.purpose;
      if (this.incoming.tenant.config.idContact.clientUrl === 'page') this.word = taken.word;
      if (session.provedDuringCall) this.sessions.provedNow(session.id);
      this.sessions.hold(session.id, taken.board);
      if (taken.identity === 'verified') this.sessions.report(session.id);
      this.happened({ type: 'call.identified', sessionId: session.id, identity: taken.identity });
    }
    this.handle({ type: 'promiseTaken', promised: {
      callBacks: record.attempts, shown: session?.shown ?? false, identity: 'none', ...held,
      ...(record.transferredBy !== undefined && { transferredBy: record.transferredBy }),
    } });
    if (held?.identity === 'awaiting') this.listenForResult(held.sessionId);
  }

  // ---- what others tell this call -----------------------------------------------------------------------------------

  /** The desk found an agent for this call. */
  offerTo(agent: DeskAgent): void {
    // The call moved on between the match and this turn: the agent must not stay taken.
    if (this.state.name !== 'waiting' && this.state.name !== 'promised') return this.incoming.tenant.desk.free(agent.name, this.id, 'moved');
    this.agent = agent;
    this.handle({ type: 'agentFound', agent: agent.name, offerId: randomUUID() });
  }

  /** There is no room in the line for this call. */
  noRoom(): void {
    this.handle({ type: 'queueFull' });
  }

  /** The desk has taken the agent away from this call. */
  agentLost(agent: string): void {
    if (!this.involves(agent)) return;
    this.log.warn({ agent }, 'the desk took the agent away');
    if (this.isGuest(agent) && this.state.guest?.part === 'joined') return this.guest.takeSeatAgain();
    if (this.isGuest(agent) || !isWithAgent(this.state)) return this.handle({ type: 'agentTakenAway', agent });
    // They are talking, whatever the desk lost: the seat is taken again, or the screen is emptied.
    this.far.takeSeatAgain(agent);
  }

  /** Whether this agent has to do with this call now: has it, or is brought in. */
  involves(agent: string): boolean {
    return this.state.agent === agent || this.isGuest(agent);
  }

  private isGuest(agent: string): boolean {
    return this.state.guest?.agent === agent;
  }

  private viewOf(agent: string): AgentView | undefined {
    return this.isGuest(agent) ? this.guestView : this.view;
  }

  /** The agent's screen acknowledged a pop. */
  acknowledge(agent: string, revealId: string): void {
    const { state } = this;
    const isGuest = this.isGuest(agent);
    if (revealId === (isGuest ? state.guest?.revealId : state.revealId)) this.viewOf(agent)?.acknowledged(revealId);
    this.handle({ type: isGuest ? 'guestAcknowledged' : 'acknowledged', revealId });
  }

  /** The agent pressed "end". */
  endByAgent(agent: string): void {
    this.handle({ type: 'agentEnded', agent });
  }

  /** The agent's page is back (reload, reconnect): it gets its pop again. */
  screenReturned(agent: string): void {
    this.viewOf(agent)?.returned(agent);
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
      this.sessions.provedNow(invitation.sessionId);
      this.sessions.report(invitation.sessionId);
    }
    this.handle({ type: 'wordCompared', agent, confirmId, same, revealId: randomUUID() });
  }

  /** For another desktop of the agent who sees it: the identity on that agent's screen now. @throws VaultError */
  async shownIdentity(agent: string): Promise<{ agent: string; identity: RevealedIdentity } | undefined> {
    return this.involves(agent) ? this.viewOf(agent)?.shownIdentity() : undefined;
  }

  /** The agent wants to see a masked value of the present pop. */
  unmask(agent: string, revealId: string, field: string): void {
    this.viewOf(agent)?.unmask(agent, revealId, field);
  }

  /** The agent brings a colleague into the conversation. @param destination undefined: nobody we know */
  bringIn(agent: string, destination: Destination | undefined): void {
    const failed = (reason: 'unknown' | 'busy' | 'refused') => this.context.screens.transferFailed(agent, { callId: this.id, reason });
    this.guest.bringIn(agent, destination).then(
      (problem) => {
        if (problem !== undefined) failed(problem);
      },
      (error: unknown) => {
        this.log.error({ problem: problemOf(error) }, 'colleague could not be asked in');
        failed('refused');
      },
    );
  }

  /** The agent wants that colleague out again. */
  sendGuestAway(agent: string): void {
    this.handle({ type: 'guestSentAway', agent });
  }

  /** The agent leaves the conversation of three, or the colleague does. */
  leaveByAgent(agent: string): void {
    this.handle({ type: 'agentLeft', agent });
  }

  /** The agent passes the call on, from the screen. @param destination undefined: nowhere we know */
  transfer(agent: string, destination: Destination | undefined): void {
    this.far.transfer(agent, destination).then(
      (problem) => {
        if (problem !== undefined) this.context.screens.transferFailed(agent, { callId: this.id, reason: problem });
      },
      (error: unknown) => {
        this.log.error({ problem: problemOf(error) }, 'transfer failed');
        this.context.screens.transferFailed(agent, { callId: this.id, reason: 'refused' });
      },
    );
  }

  isWith(agent: string): 'shown' | 'notYours' | 'tooEarly' {
    if (this.state.agent === agent && isWithAgent(this.state)) return 'shown';
    return this.state.name === 'elsewhere' ? 'notYours' : 'tooEarly';
  }

  claimByAgent(agent: string): Promise<'shown' | 'notYours' | 'tooEarly'> {
    return this.far.claim(agent);
  }

  /** What may be told to the caller of the line. */
  stands(outlook: Outlook): void {
    if (this.state.name !== 'waiting' && this.state.name !== 'promised') return;
    const before = this.outlook?.place;
    const place = this.callingBack.told(outlook.place);
    this.outlook = { ...outlook, place };
    if (before === place) return;
    this.sessions.tell({ step: 'waiting', place });
    this.happened({ type: 'call.waiting', service: this.service.name, place });
  }

  /** Ends the call for a reason outside of it. */
  stop(event: Extract<CallEvent, { type: 'sipLost' | 'crashed' }>['type']): void {
    this.handle({ type: event });
  }

  /**
   * For the watchman: nothing can come of this call any more, and it was not told. Its caller's dialog is over, nobody is
   * there nor to be called back, or its beginning or its end takes longer than they can.
   */
  get isAstray(): boolean {
    const { leg, state: { name } } = this;
    if (name === 'ended') return performance.now() - this.endedAt > longestStepMs;
    if (leg) return !isAlive(leg.dialog);
    if (name === 'arriving') return performance.now() - this.beganAt > longestStepMs;
    return name !== 'promised' && name !== 'callingBack';
  }

  endAstray(): void {
    if (this.state.name !== 'ended') return this.handle(this.leg ? { type: 'callerHungUp' } : { type: 'crashed' });
    this.incoming.tenant.desk.leave(this.id);
    this.finish(this.state.reason ?? 'internalError');
  }

  /** Ends the call because this node stops. What it has promised goes to another node, where that can be. */
  drain(): void {
    if (!this.callingBack.passOn()) this.handle({ type: 'drained' });
  }

  // ---- the machine --------------------------------------------------------------------------------------------------

  /** Events are taken one at a time: one that comes up while effects are carried out waits for the rest of them. */
  handle(event: CallEvent): void {
    this.events.push(event);
    if (this.events.length > 1) return;
    for (let next = this.events[0]; next !== undefined; next = this.events[0]) {
      this.take(next);
      this.events.shift();
    }
  }

  private take(event: CallEvent): void {
    const before = this.state;
    const next = step(before, event, this.course);
    this.state = next.state;
    if (next.state.name !== before.name || next.state.agent !== before.agent) this.stateSince = Date.now();
    if (event.type === 'codeEntered') this.view.codeEntered();
    if (next.state.name === 'ended' && before.name !== 'ended') this.endedAt = performance.now();
    if (next.state.name !== before.name) {
      this.log.debug({ from: before.name, to: next.state.name, cause: event.type }, 'call moved on');
      this.tellCaller();
    }
    for (const effect of next.effects) {
      try {
        this.carryOut(effect, event);
      } catch (error) {
        this.log.error({ err: error, effect: effect.do }, 'effect failed');
        if (this.state.name !== 'ended') this.handle({ type: 'crashed' });
      }
    }
    this.keepLease();
  }

  /** What the site and the service choose. */
  private get course(): CourseOptions {
    const { handOver, queue } = this.service;
    return {
      attemptsPerCall: this.incoming.tenant.config.codes.attemptsPerCall,
      onMissingAck: this.context.config.calls.onMissingAck,
      maxSetbacks,
      delivery: handOver ? 'pbxQueue' : 'waitingRoom',
      overflow: queue.overflow?.when ?? [],
    };
  }

  private carryOut(effect: Effect, cause: CallEvent): void {
    const { desk } = this.incoming.tenant;
    switch (effect.do) {
      case 'greet': return this.talk.greet();
      case 'collect': return this.talk.collect(effect.attempt, effect.problem);
      case 'claim': return this.claim(effect.code);
      case 'awaitResult': return this.awaitResult(effect.sessionId);
      case 'keepCompany': return this.talk.keepCompany(effect.tell);
      case 'enterWaitingRoom': return this.enterWaitingRoom(effect.at, effect.service, effect.wanted);
      case 'leaveWaitingRoom': return desk.leave(this.id);
      case 'ringAgent': return this.ring(effect.offerId);
      case 'dropAgentLeg': return this.far.drop();
      case 'freeAgent': return desk.free(effect.agent, this.id, effect.because);
      case 'reveal': return this.view.reveal(effect.agent, effect.revealId, effect.sessionId, cause.type);
      case 'clearScreen': return this.view.clear(effect.agent, effect.because);
      case 'bridge':
        this.talk.stopCompany();
        return this.far.join(effect.agent, effect.revealId);
      case 'dial':
        this.waitLimit.end();
        return this.far.dial(effect.party, effect.dialId);
      case 'joinParty':
        this.talk.stopCompany();
        return this.far.joinParty(effect.dialId);
      case 'ringSuccessor': return this.far.ringSuccessor(effect.offerId);
      case 'dropSuccessor': return this.far.dropSuccessor();
      case 'promoteSuccessor': return this.far.promoteSuccessor();
      case 'ringGuest': return this.ringGuest(effect.agent, effect.guestId);
      case 'revealToGuest': return this.guestView?.reveal(effect.agent, effect.revealId, effect.sessionId, cause.type);
      case 'joinGuest': return this.guest.join(effect.guestId);
      case 'clearGuest': return this.guestView?.clear(effect.agent, effect.because);
      case 'dropGuest':
        this.guestView = undefined;
        return this.guest.drop();
      case 'freeGuest': return desk.free(effect.agent, this.id, effect.because);
      case 'showGuest': return this.view.update(effect.agent);
      case 'guestGone': return this.guestGone(effect.agent, effect.because);
      case 'promoteGuest': return this.promoteGuest(effect.agent);
      case 'arrangeCallback': return this.callingBack.arrange(this.callerNumber);
      case 'leaveCallerAlone': return this.callingBack.leaveAlone();
      case 'releaseAgent': return desk.free(effect.agent, this.id, 'moved');
      case 'callBack': return this.callingBack.call();
      case 'callBackLater': return this.callingBack.callLater(effect.soon);
      case 'takeUpPromise': return this.callingBack.takeUp();
      case 'leaveSession': return this.sessions.leave(effect.sessionId);
      case 'invite': return this.invite();
      case 'showInvitation': return this.invited.invitation && this.view.showInvitation(effect.agent, this.invited.invitation);
      case 'confirmWord': return this.view.confirmWord(effect.agent, effect.confirmId, this.invited.invitation!.word);
      case 'identifyFailed': return this.context.screens.identifyFailed(effect.agent, this.id);
      case 'withdrawInvitation': return this.invited.withdraw();
      case 'purge': return this.sessions.purge(effect.sessionId, this.state.name === 'ended' ? this.endedAt : undefined);
      case 'letGo': return this.sessions.letGo(effect.sessionId);
      case 'endCallerLeg': return this.endCallerLeg(effect.reason);
      case 'close': return this.close(effect.reason);
    }
  }

  happened(happening: CallHappening): void {
    this.context.happenings.tell({ ...happening, tenant: this.tenant, callId: this.id });
  }

  /** A screen that shows this call is told again and again that it is alive: silence empties the screen. */
  private keepLease(): void {
    if (this.state.agent === undefined) {
      clearInterval(this.leaseTimer);
      this.leaseTimer = undefined;
    } else {
      this.leaseTimer ??= setInterval(() => {
        for (const agent of [this.state.agent, this.state.guest?.agent]) if (agent !== undefined) this.context.screens.renewLease(agent, this.id);
      }, leaseRenewalMs);
    }
  }

  // ---- the code -----------------------------------------------------------------------------------------------------

  private claim(code: SpokenCode): void {
    const { metrics } = this.context;
    const { tenant, trunk, invite } = this.incoming;
    const stillChecking = this.after(checkingAfterMs, () => this.talk.keepCompany('checking'));
    checkCode(tenant, { callId: this.id, digits: code.reveal(), trunk: trunk.name, callerNumber: invite?.req.callingNumber }, this.over).finally(() => clearTimeout(stillChecking)).then(
      (claim) => {
        metrics.codeTried(claim.ok ? 'accepted' : 'refused');
        if (!claim.ok) return this.handle({ type: 'refused' });
        const { sessionId, board, identity } = claim;
        this.log.info({ sessionId }, 'code accepted');
        this.purpose = claim.purpose;
        // Who was sent to a telephone address has no page of ours, and a word heard there would mean nothing.
        if (tenant.config.idContact.clientUrl === 'page') this.word = claim.word;
        const session = this.sessions.hold(sessionId, board);
        session.tell({ step: 'callSeen' });
        session.tell({ step: 'codeAccepted' });
        if (identity === 'verified') this.sessions.report(sessionId);
        this.happened({ type: 'call.identified', sessionId, identity });
        this.handle({ type: 'claimed', sessionId, identity });
        // The call ended while the vault was deciding: the session goes back at once.
        if (this.state.name === 'ended') this.sessions.letGo(sessionId);
      },
      (error: unknown) => {
        if (this.over.aborted) return;
        metrics.codeTried('failed');
        this.log.error({ problem: problemOf(error) }, 'claim failed');
        this.handle({ type: 'vaultFailed' });
      },
    );
  }

  private awaitResult(sessionId: string): void {
    this.listenForResult(sessionId);
    this.after(this.incoming.tenant.config.sessions.resultWaitMs, () => this.handle({ type: 'resultTimedOut' }));
    this.talk.keepCompany('result');
  }

  private listenForResult(sessionId: string): void {
    const { vault } = this.incoming.tenant;
    const look = () => {
      vault.identity(sessionId, this.id).then(
        (identity) => {
          if (identity === 'awaiting') return;
          if (this.sessions.holds(sessionId) && this.state.identity !== identity) {
            if (identity === 'verified') this.sessions.report(sessionId);
            this.happened({ type: 'call.identified', sessionId, identity });
          }
          this.handle({ type: 'resultArrived', sessionId, identity, revealId: randomUUID() });
        },
        (error: unknown) => this.log.warn({ problem: problemOf(error) }, 'result could not be looked at'),
      );
    };
    this.stopListening = vault.onDelivered(sessionId, look);
    look();
  }

  // ---- waiting and ringing ------------------------------------------------------------------------------------------

  private enterWaitingRoom(at: 'tail' | 'head', service: string | undefined, wanted: Wanted | undefined): void {
    const { desk, config: tenant } = this.incoming.tenant;
    if (service !== undefined) this.service = tenant.services.find(({ name }) => name === service) ?? this.service;
    this.outlook = undefined;
    this.happened({ type: 'call.waiting', service: this.service.name });
    if (this.waitingSince === 0) this.waitingSince = Date.now();
    // Whom an agent passes on waits anew, in the same line too.
    if (service !== undefined || wanted !== undefined) this.waitLimit.end();
    this.waitLimit.enter(this.service.name, waitLimitMs(this.service, this.context.config));
    const enter = () => {
      if (this.state.name === 'waiting') desk.enter({ ...waitingFor(this.id, this.service), ...(at === 'head' && this.callingBack.placeKept), ...(wanted && { wanted }) }, at);
    };
    // Not within the present step: a free agent would be matched before the step's other effects are done.
    setImmediate(enter);
  }

  private ring(offerId: string): void {
    const agent = this.agent!;
    this.waitLimit.pause();
    this.view.offer(agent.name, this.state.identity);
    this.sessions.tell({ step: 'agentRinging' });
    this.far.ringAgent(agent, offerId, this.view.whispersTo(agent.name));
  }

  // ---- a colleague in the conversation ------------------------------------------------------------------------------

  private ringGuest(agent: string, guestId: string): void {
    const view = new AgentView(this, this.viewOptions, guestsPart(this, this.guest));
    this.guestView = view;
    view.offer(agent, this.state.identity);
    if (this.view.isWarned) view.warn();
    this.guest.ring(agent, guestId);
  }

  private guestGone(agent: string, reason: GuestProblem): void {
    this.view.update(agent);
    this.context.screens.guestGone(agent, { callId: this.id, reason });
    if (reason !== 'left') this.context.metrics.broughtIn(reason);
  }

  private promoteGuest(agent: string): void {
    const { transferredBy } = this.state;
    this.log.info({ agent, by: transferredBy }, 'the colleague has the call now');
    if (transferredBy !== undefined) this.happened({ type: 'call.transferred', from: transferredBy, to: { kind: 'agent', name: agent } });
    if (this.guestView) {
      this.view = this.guestView;
      this.view.part = agentsPart(this, this.invited.offered, this.far);
      this.guestView = undefined;
    }
    this.view.update(agent);
    this.guest.promote();
  }

  private nowTalking(): void {
    const { agent } = this.state;
    this.waitLimit.end();
    if (agent !== undefined) this.view.connected(agent);
    this.leg?.tell('connected');
    this.sessions.tell({ step: 'connected' });
    this.incoming.tenant.feedback.talking(this.id);
  }

  /** The number that the trunk told us, unless it was withheld. */
  private get callerNumber(): string | undefined {
    const { invite } = this.incoming;
    return invite ? callerNumberOf(invite.req) : this.calledFrom;
  }

  get promptsPath(): string {
    return this.incoming.tenant.config.promptsPath ?? this.context.promptsPath;
  }

  get callerShown(): string {
    return shownAs(this.callerNumber);
  }

  // ---- authentication during the call -------------------------------------------------------------------------------

  private invite(): void {
    // A caller who asked for it while waiting hears of a failure; an agent who asked reads of it.
    const agent = isWithAgent(this.state) ? this.state.agent : undefined;
    const failed = (error: unknown) => {
      // Asked again meanwhile, or the call has ended.
      if (error instanceof IdentifyError && error.code === 'withdrawn') return undefined;
      this.log.warn({ problem: problemOf(error) }, 'no invitation to identify');
      if (agent !== undefined && this.state.agent === agent) this.context.screens.invitationFailed(agent, { callId: this.id, reason: invitationProblem(error) });
      return undefined;
    };
    this.inviting = this.invited.invite(this.purpose, this.callerNumber).then((invitation) => {
      const session = this.sessions.hold(invitation.sessionId, invitation.board);
      // Its page opens in the middle of a call.
      if (this.far.talking) session.tell({ step: 'connected' });
      else if (this.state.name === 'offered') session.tell({ step: 'agentRinging' });
      else if (this.state.name === 'waiting' && this.outlook) session.tell({ step: 'waiting', place: this.outlook.place });
      this.log.info({ sessionId: invitation.sessionId, agent }, 'caller invited to identify');
      if (this.state.name === 'ended') {
        this.invited.withdraw();
        this.sessions.purge(invitation.sessionId, this.endedAt);
        return undefined;
      }
      this.handle({ type: 'invited', sessionId: invitation.sessionId });
      return invitation;
    }).catch(failed);
  }

  // ---- the end ------------------------------------------------------------------------------------------------------

  /** The caller's leg from now on; undefined: the caller has hung up by arrangement. */
  private takeLeg(leg: CallerLeg | undefined): void {
    const before = this.leg;
    this.leg = leg;
    if (before && !leg) this.closing('callerLeg', before.end(normalClearing));
    if (!leg) return;
    this.watchEndpoint();
    this.watchCaller(leg);
  }

  private watchCaller(leg: CallerLeg): void {
    holdDialog(leg.dialog, () => !this.isFinished, () => this.id);
    whenEnded(leg.dialog, () => {
      if (this.leg === leg) this.handle({ type: 'callerHungUp' });
    });
  }

  private watchEndpoint(): void {
    const { leg } = this;
    if (!leg) return;
    const { endpoint } = leg;
    endpoint.hold(() => !this.isFinished && this.leg === leg && leg.endpoint === endpoint, this.id);
    endpoint.gone.addEventListener('abort', () => {
      if (this.leg === leg && leg.endpoint === endpoint) this.onEndpointGone();
    }, { once: true });
  }

  private onEndpointGone(): void {
    // A released call has given its endpoint back on purpose.
    if (this.state.name === 'ended' || this.far.mediaIsFree) return;
    this.handle({ type: 'mediaLost' });
  }

  private endCallerLeg(reason: EndReason): void {
    this.talk.stopCompany();
    this.stopListening?.();
    const { leg, incoming: { invite } } = this;
    this.scope.abort(new Error('the call has ended'));
    this.waitLimit.end();
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    if (leg) this.closing('callerLeg', this.talk.farewell(leg, reason).then(() => leg.end(endCauses[reason])), Talk.farewellMs + closeStepTimeoutMs);
    else if (invite && !invite.res.finalResponseSent && reason !== 'abandoned') respond(invite.res, 503, { headers: { 'Retry-After': '5' } });
  }

  closing(what: string, ending: Promise<unknown>, limitMs = closeStepTimeoutMs): void {
    const bounding = bounded(ending, limitMs, what).catch((error: unknown) => {
      this.log.error({ step: what, problem: problemOf(error) }, 'closing step failed');
    });
    this.takeDown.push(bounding);
  }

  private close(reason: EndReason): void {
    const { feedback, desk } = this.incoming.tenant;
    this.callingBack.close();
    if (this.state.shown) feedback.done(this.id);
    else feedback.forget(this.id);
    this.far.close();
    desk.leave(this.id);
    void Promise.allSettled(this.takeDown).then(async () => {
      // A leg that came up while the call was ending adds its own step.
      await Promise.allSettled(this.takeDown);
      this.finish(reason);
    });
  }

  private finish(reason: EndReason): void {
    if (this.isFinished) return;
    const identity = this.state.identity === 'verified' ? 'verified' : 'unidentified';
    const seconds = (Date.now() - this.startedAt) / 1000;
    this.context.metrics.callEnded(reason, identity, seconds);
    this.happened({ type: 'call.ended', reason, seconds: Math.round(seconds) });
    this.log.info({ reason, seconds: Math.round(seconds * 10) / 10 }, 'call ended');
    this.markFinished();
  }

  private tellCaller(): void {
    const words: Partial<Record<CallState['name'], string>> = { greeting: 'greeting', collecting: 'collecting', waiting: 'waiting', offered: 'ringing-agent' };
    const word = words[this.state.name];
    if (word !== undefined) this.leg?.tell(word);
  }

  after(ms: number, then: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      then();
    }, ms);
    this.timers.add(timer);
    return timer;
  }
}

function invitationProblem(error: unknown): 'unreachable' | 'refused' | 'tooMany' {
  if (!(error instanceof IdentifyError)) return 'unreachable';
  return error.code === 'too_many' ? 'tooMany' : error.code === 'core_unreachable' ? 'unreachable' : 'refused';
}
