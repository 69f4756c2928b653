/**
 * The other side of a call: rings agents' phones, takes the call to the PBX's queue or a number outside, lets a colleague's
 * phone take over, and hears from the PBX on whose phone the call is. Owns the legs to there; what their ups and downs mean
 * is the call machine's business.
 */
import { randomUUID } from 'node:crypto';
import type Srf from 'drachtio-srf';
import { onHold, type Voice } from '../../ivr/index.js';
import type { DeskAgent } from '../desk/index.js';
import { bounded } from '../media/bounded.js';
import { mediaSourceOfPhone, type MediaSource } from '../media/source.js';
import type { ConnectedParty } from '../sip/connected-party.js';
import { referRequest, ReferProgress, type ReferRequest } from '../sip/refer.js';
import { respond } from '../sip/respond.js';
import type { CallerLeg } from './caller-leg.js';
import type { Destination } from './directory.js';
import type { Party } from './elsewhere.js';
import { FarLeg, type FarLegTarget } from './far-leg.js';
import { referenceHeaders } from './hand-over.js';
import { problemOf, type HandedOverCall, type LiveCall } from './live-call.js';
import { isWithAgent } from './machine.js';
import { fileList } from '../media/voice.js';
import { RingError } from './ring.js';
import type { TransferTarget } from './transfer.js';

export interface FarSideListener {
  /** The caller and whoever answered hear each other from now on. */
  talking(): void;
  /** The caller's media is at a new endpoint. */
  endpointChanged(): void;
}

/** Somebody whom the PBX reports on a leg, or who claims its call, while the desk is asked. */
interface Seating { readonly agent: string; readonly far: FarLeg | undefined; readonly seated: Promise<boolean> }

/** How much longer than its ringing a call is kept for the one agent it was passed on to, in ms. */
const wantedForMs = 5_000;
/** How long an agent who leaves the conversation to a colleague is heard at most, in ms. */
const handOverMs = 1_000;

export class FarSide {
  /** The leg to whoever the caller talks with or is being connected to. */
  private far: FarLeg | undefined;
  /** The phone that is to take over from it, and the request to do so. */
  private successor: FarLeg | undefined;
  private takeOver: { request: ReferRequest; progress: ReferProgress } | undefined;
  /** Settles when the caller's media is back at the media server, after it flowed freely. */
  private returning: Promise<void> = Promise.resolve();
  /** The leg that is being brought to the media server together with the caller. */
  private anchoring: FarLeg | undefined;
  /** Whom the PBX reported at the agent's phone last: only a change means something. */
  private reported: string | undefined;
  private wasBound = false;
  /** Who is being seated for this call, by the newest word on it. */
  private seating: Seating | undefined;
  private reference: string | undefined;

  constructor(private readonly call: LiveCall, private readonly handedOver: HandedOverCall, private readonly listener: FarSideListener) {}

  /** Settles when the caller can hear us again, after their media flowed freely. @throws MediaError */
  get reachable(): Promise<void> {
    return this.returning;
  }

  /** True while media flows between the phones themselves: the end of the caller's endpoint then means nothing. */
  get mediaIsFree(): boolean {
    return this.far?.mediaIsFree ?? false;
  }

  get talking(): boolean {
    return this.far?.joined ?? false;
  }

  // ---- agents' phones -----------------------------------------------------------------------------------------------

  /** @param speaksFirst this phone is to be told something before it is connected: its media comes to the media server */
  ringAgent(agent: DeskAgent, offerId: string, speaksFirst: boolean): void {
    const { call } = this;
    const ringTimeoutMs = call.service.queue.ringTimeoutMs ?? call.context.config.calls.ringTimeoutMs;
    this.reach({ uri: agent.phone, from: call.callerShown, ringTimeoutMs, mayRelease: !speaksFirst && this.mayRelease(agent.phone) }, (far) => {
      // Who has left the configuration meanwhile is no agent any more.
      if (!call.incoming.tenant.agent(agent.name)) return call.handle({ type: 'agentFailed', offerId });
      // A phone that is forwarded is picked up by somebody else, and this agent's screen is not theirs.
      const other = this.otherAgentReported(far.answeredBy, agent.name);
      if (other !== undefined) {
        call.log.warn({ agent: agent.name, answeredBy: other }, 'the phone was answered by another agent, says the PBX: nothing is shown, and the caller keeps the place');
        return call.handle({ type: 'agentFailed', offerId });
      }
      far.takeCaller();
      far.tellParty();
      call.incoming.tenant.desk.answered(agent.name, call.id);
      call.happened({ type: 'call.answered', agent: agent.name });
      call.handle({ type: 'agentAnswered', offerId, revealId: randomUUID() });
      far.watch();
    }, (error) => {
      call.log.info({ agent: agent.name, problem: problemOf(error) }, 'agent not reached');
      call.handle({ type: 'agentFailed', offerId });
    });
    call.happened({ type: 'call.offered', agent: agent.name });
  }

  /** The agent's phone as something to speak to, and the end of that. @throws MediaError, RingError */
  async agentVoice(): Promise<{ voice: Voice; gone: AbortSignal }> {
    const { far, call } = this;
    if (!far) throw new RingError('cancelled');
    const gone = new AbortController();
    far.once('hungUp', () => gone.abort());
    return { voice: await far.voice(call.promptsPath), gone: gone.signal };
  }

  /** Voices meet. @param revealId of the pop that was acknowledged */
  join(agent: string, revealId: string): void {
    const { call, far } = this;
    if (!far) return call.handle({ type: 'bridgeFailed', revealId });
    far.join().then(
      () => {
        if (call.state.name !== 'connected' || call.state.agent !== agent || this.far !== far) return;
        call.log.info({ agent, bridge: far.mode }, 'caller and agent connected');
        this.nowTalking(far);
      },
      (error: unknown) => {
        if (call.state.name === 'connected') call.log.warn({ problem: problemOf(error) }, 'bridge failed');
        this.bridgeFailed(far);
      },
    );
  }

  /** The pop may have been shown anew while the two were being joined: what counts is whether this leg is still the call's. */
  private bridgeFailed(far: FarLeg): void {
    const { call } = this;
    const { revealId } = call.state;
    if (this.far === far && revealId !== undefined) call.handle({ type: 'bridgeFailed', revealId });
  }

  /** Ends the leg; the caller stays, and is brought back if need be. */
  drop(): void {
    const { call, far } = this;
    const { leg } = call;
    this.far = undefined;
    this.reported = undefined;
    leg?.answerThrough(undefined);
    if (!far) return;
    const wasFree = far.mediaIsFree;
    call.closing('farLeg', far.end());
    if (!wasFree || !leg || call.state.name === 'ended') return;
    this.bringBack(leg);
  }

  /** The caller's media comes back to the media server, unless it is there or on its way. The call ends when it cannot. */
  private bringBack(leg: CallerLeg): void {
    const { call } = this;
    const { endpoint } = leg;
    this.returning = leg.comeBack(call.incoming.pool).then(() => {
      if (leg.endpoint !== endpoint) this.listener.endpointChanged();
    });
    this.returning.catch((error: unknown) => {
      if (call.state.name === 'ended') return;
      call.log.warn({ problem: problemOf(error) }, 'media of the caller could not be brought back');
      call.handle({ type: 'mediaLost' });
    });
  }

  // ---- beyond our agents --------------------------------------------------------------------------------------------

  dial(party: Party, dialId: number): void {
    const { call } = this;
    const target = this.targetOf(party);
    if (!target) {
      call.log.error({ party: party.kind }, 'nowhere to dial');
      return call.handle({ type: 'partyFailed', dialId });
    }
    call.log.info({ party: party.kind }, 'calling beyond our own agents');
    if (party.kind === 'queue') call.happened({ type: 'call.handedOver', service: call.service.name, reference: this.reference! });
    if (party.kind === 'overflow') call.happened({ type: 'call.overflowed', service: call.service.name });
    this.reach(target, (far) => {
      call.handle({ type: 'partyAnswered', dialId });
      far.watch();
    }, (error) => {
      call.log.info({ party: party.kind, problem: problemOf(error) }, 'not reached');
      call.handle({ type: 'partyFailed', dialId });
    });
  }

  joinParty(dialId: number): void {
    const { call, far } = this;
    if (!far) return call.handle({ type: 'partyFailed', dialId });
    far.join().then(
      () => {
        if (call.state.name !== 'elsewhere' || this.far !== far) return;
        call.log.info({ party: call.state.party?.kind, bridge: far.mode }, 'caller connected beyond our own agents');
        this.nowTalking(far);
        if (call.state.party?.kind === 'queue') far.tellParty();
      },
      (error: unknown) => {
        if (call.state.name === 'elsewhere') call.log.warn({ problem: problemOf(error) }, 'bridge failed');
        call.handle({ type: 'partyFailed', dialId });
      },
    );
  }

  private targetOf(party: Party): FarLegTarget | undefined {
    const { call } = this;
    const { handOver, queue: { overflow } } = call.service;
    if (party.kind === 'queue') {
      if (!handOver) return undefined;
      this.reference ??= call.context.references.add(this.handedOver);
      return {
        uri: handOver.to,
        from: call.callerShown,
        headers: referenceHeaders(handOver, this.reference, call.context.popUrl(this.reference)),
        ringTimeoutMs: handOver.ringTimeoutMs,
        mayRelease: this.mayRelease(handOver.to),
      };
    }
    const number = party.kind === 'outside' ? party.number : party.kind === 'overflow' ? overflow?.number : undefined;
    const target = number === undefined ? undefined : this.outsideTarget(number);
    return target && { ...target, mayRelease: this.mayRelease(target.uri) };
  }

  /** How a number outside is called; undefined where no trunk takes it. */
  outsideTarget(number: string): Omit<FarLegTarget, 'mayRelease'> | undefined {
    const { outside, idContact } = this.call.incoming.tenant.config;
    const uri = this.outsideAddress(number);
    if (uri === undefined || !outside) return undefined;
    // Not the citizen's own number: a number outside has no business with it.
    const shown = (outside.from ?? idContact.phoneNumber).replace(/[^+0-9]/g, '');
    const trunk = this.call.context.config.trunks.find(({ name }) => name === outside.trunk);
    return { uri, from: `<sip:${shown}@localhost>`, ringTimeoutMs: outside.ringTimeoutMs, source: mediaSourceOfPhone(uri, trunk, undefined) };
  }

  /** Where the trunk takes a call to this number; undefined where there is none. */
  private outsideAddress(number: string): string | undefined {
    const { outside } = this.call.incoming.tenant.config;
    const trunk = this.call.context.config.trunks.find(({ name }) => name === outside?.trunk);
    return trunk?.outbound?.replace('{number}', number.replace(/[^+0-9*#]/g, ''));
  }

  // ---- whose phone it is on -----------------------------------------------------------------------------------------

  /** The agent says that this handed-over call is theirs. */
  async claim(agent: string): Promise<'shown' | 'notYours' | 'tooEarly'> {
    const { call } = this;
    const { handOver } = call.service;
    if (call.state.name !== 'elsewhere' || call.state.party?.kind !== 'queue' || handOver === undefined) return 'tooEarly';
    if (call.state.agent === agent) return 'shown';
    // Once: a call that somebody has, or had, is not given to the next one who asks.
    if (handOver.binding === 'reported' || this.wasBound || this.seating || call.state.agent !== undefined) return 'notYours';
    call.log.info({ agent }, 'handed-over call claimed');
    call.happened({ type: 'call.claimed', agent });
    return (await this.bind(agent)) ? 'shown' : 'notYours';
  }

  /** Another agent of ours than the one that was meant, if the PBX says so. A Contact is no word on that. */
  otherAgentReported(party: ConnectedParty | undefined, meant: string | undefined): string | undefined {
    if (!party || party.source === 'contact') return undefined;
    const agent = this.call.incoming.tenant.directory.agentReported(party);
    return agent === meant ? undefined : agent;
  }

  /** The PBX tells who is at the other end now. */
  private onParty(far: FarLeg, party: ConnectedParty): void {
    if (this.far !== far) return;
    const { call } = this;
    const { state } = call;
    const agent = call.incoming.tenant.directory.agentReported(party);
    // Who brought the caller into a conference is in it and talks with them; nobody else there gets to see anything.
    if (party.isFocus && agent === undefined && state.agent !== undefined) {
      this.reported = party.uris.join(' ');
      return call.log.info({ agent: state.agent }, 'the PBX reports a conference');
    }
    if (state.name === 'elsewhere' && state.party?.kind === 'queue') {
      const binding = call.service.handOver?.binding ?? 'reported';
      // A Contact that is nobody's says nothing: it may be the PBX's own.
      if (binding === 'claimed' || (agent === undefined && party.source === 'contact')) return;
      // Not what was reported: it may be the number of somebody outside.
      call.log.info({ agent: agent ?? 'none of ours', by: party.source }, 'the PBX reports who has the call');
      return this.nowAt(agent);
    }
    const other = this.otherAgentReported(party, state.agent);
    if (state.name === 'revealing' && other !== undefined) return call.handle({ type: 'agentTakenAway', agent: state.agent! });
    // At an agent's own phone only a change means something, and a Contact changes for reasons of its own.
    if (party.source === 'contact') return;
    const before = this.reported;
    this.reported = party.uris.join(' ');
    if (before === this.reported || state.name !== 'connected' || agent === state.agent) return;
    // A first report that names none of ours may be how the PBX calls this very phone.
    if (before === undefined && agent === undefined) return;
    this.nowAt(agent);
  }

  /** The call goes to this agent, or to somebody who is none of ours, by another way than our own transfer. */
  private tellMoved(to: string | undefined): void {
    const { agent: from } = this.call.state;
    if (from === undefined || from === to) return;
    this.call.happened({ type: 'call.transferred', from, to: to === undefined ? { kind: 'outside' } : { kind: 'agent', name: to } });
  }

  private nowAt(agent: string | undefined): void {
    if (this.call.state.name === 'connected') this.tellMoved(agent);
    if (agent === undefined) {
      this.seating = undefined;
      return this.call.handle({ type: 'agentUnbound' });
    }
    this.bind(agent).catch((error: unknown) => this.call.log.error({ problem: problemOf(error) }, 'agent of this call could not be seated'));
  }

  /** @returns false when this agent has another call, or the call went on to somebody else meanwhile: then nothing is shown to them */
  private bind(agent: string): Promise<boolean> {
    const { call, far } = this;
    if (this.seating?.agent === agent && this.seating.far === far) return this.seating.seated;
    if (call.state.agent === agent) {
      this.seating = undefined;
      return Promise.resolve(true);
    }
    // Whoever had it has it no more, whatever becomes of the next one.
    call.handle({ type: 'agentUnbound' });
    const seating: Seating = { agent, far, seated: call.incoming.tenant.desk.occupy(agent, call.id, call.service.name).then((seated) => this.bound(seating, seated)) };
    this.seating = seating;
    return seating.seated;
  }

  /** The desk has answered. Only the newest word on who has the call counts: it takes time to be seated. */
  private bound(seating: Seating, seated: boolean): boolean {
    const { call, far } = this;
    const { agent } = seating;
    const isNewest = this.seating === seating;
    if (isNewest) this.seating = undefined;
    if (!seated) {
      call.log.warn({ agent }, 'the agent reported for this call is away or has another one; nothing is shown');
      return false;
    }
    // What was said on a leg that is gone says nothing of the one after it.
    if (isNewest && seating.far === far) call.handle({ type: 'agentBound', agent, revealId: randomUUID() });
    if (call.state.agent !== agent) {
      // Unless the same one is being seated again.
      if (this.seating?.agent !== agent) call.incoming.tenant.desk.free(agent, call.id, 'moved');
      return false;
    }
    this.wasBound = true;
    call.log.info({ agent }, 'agent of this call known');
    if (far?.joined) call.happened({ type: 'call.connected', agent });
    return true;
  }

  /** The desk lost the seat of the agent who has this call: it is taken again, or the agent sees nothing of it any more. */
  takeSeatAgain(agent: string): void {
    const { call } = this;
    call.incoming.tenant.desk.occupy(agent, call.id, call.service.name).then(
      (seated) => {
        if (!seated && call.state.agent === agent) call.handle({ type: 'agentUnbound' });
      },
      (error: unknown) => call.log.warn({ problem: problemOf(error) }, 'the seat of this call’s agent could not be taken again'),
    );
  }

  // ---- passing the call on ------------------------------------------------------------------------------------------

  /**
   * The agent wants to pass the call on.
   * @param destination undefined: nowhere we know
   * @returns why that cannot be; undefined: it is on its way
   */
  async transfer(agent: string, destination: Destination | undefined): Promise<'unknown' | 'busy' | undefined> {
    const { call } = this;
    const target = destination && (await this.judge(destination));
    if (target === undefined || !isWithAgent(call.state) || call.state.agent !== agent) return 'unknown';
    if (target === 'busy') return target;
    call.log.info({ agent, to: target.kind }, 'call passed on');
    call.happened({ type: 'call.transferred', from: agent, to: target.kind === 'agent' ? { kind: 'agent', name: target.wanted.agent } : target.kind === 'service' ? { kind: 'service', name: target.service } : { kind: 'outside' } });
    call.handle({ type: 'transferRequested', agent, target });
    return undefined;
  }

  private async judge(destination: Destination): Promise<TransferTarget | 'busy' | undefined> {
    const { call } = this;
    switch (destination.kind) {
      case 'service': return { kind: 'service', service: destination.name };
      case 'outside': return this.outsideAddress(destination.number) === undefined ? undefined : { kind: 'outside', number: destination.number };
      case 'agent': {
        if (destination.name === call.state.agent) return undefined;
        if (!(await call.incoming.tenant.desk.isAvailable(destination.name))) return 'busy';
        return { kind: 'agent', wanted: { agent: destination.name, until: Date.now() + wantedForMs + call.context.config.calls.ringTimeoutMs } };
      }
    }
  }

  /** The agent's phone, or the PBX, asks us to take the caller elsewhere. */
  private async onRefer(far: FarLeg, req: Srf.SrfRequest, res: Srf.SrfResponse): Promise<void> {
    const { call } = this;
    const { agent } = call.state;
    const request = referRequest(req);
    if (!request) return respond(res, 400, { headers: { Warning: '399 gateway "Refer-To is not understood"' } });
    if (this.far !== far || !far.dialog || agent === undefined || !isWithAgent(call.state) || this.takeOver) return respond(res, 603);
    const progress = ReferProgress.accept(far.dialog, req, res);
    if (request.replaces !== undefined) {
      this.takeOver = { request, progress };
      call.handle({ type: 'successorNamed', agent, offerId: randomUUID() });
      // Not the moment for it.
      if (call.state.successor === undefined) this.endTakeOver(603, 'Decline');
      return;
    }
    const problem = await this.transfer(agent, call.incoming.tenant.directory.destinationOf(request.uri));
    if (problem === undefined) return progress.end(200, 'OK');
    call.log.info({ agent, problem }, 'transfer refused');
    if (problem === 'busy') progress.end(486, 'Busy Here');
    else progress.end(404, 'Not Found');
  }

  /** Rings the phone that is to take over from the agent's, which stays until then. */
  ringSuccessor(offerId: string): void {
    const { call, far: current, takeOver } = this;
    if (!takeOver || !current) return call.handle({ type: 'successorFailed', offerId });
    const { uri, replaces } = takeOver.request;
    const far = this.makeLeg({
      uri, from: call.callerShown, headers: { Replaces: replaces!, Require: 'replaces' }, ringTimeoutMs: call.context.config.calls.ringTimeoutMs, mayRelease: false,
    });
    this.successor = far;
    this.ringFor(far, uri, offerId).catch((error: unknown) => {
      call.log.info({ problem: problemOf(error) }, 'the phone that was to take over was not reached');
      if (this.successor === far) this.endTakeOver(480, 'Temporarily Unavailable');
      call.handle({ type: 'successorFailed', offerId });
    });
  }

  private async ringFor(far: FarLeg, uri: string, offerId: string): Promise<void> {
    const { call } = this;
    const { desk, directory } = call.incoming.tenant;
    await this.anchor();
    await far.ring();
    const meant = directory.agentAt(uri);
    const agentThere = (): string | undefined => this.otherAgentReported(far.party, meant) ?? meant;
    const agent = agentThere();
    const hasSeat = agent !== undefined && (agent === call.state.agent || (await desk.occupy(agent, call.id, call.service.name)));
    // Meanwhile the PBX may have said that it is on another phone: then nobody is known to be there.
    const seated = hasSeat && agentThere() === agent;
    if (this.successor === far) {
      this.endTakeOver(200, 'OK');
      this.tellMoved(seated ? agent : undefined);
      call.handle({ type: 'successorAnswered', offerId, revealId: randomUUID(), ...(seated && { agent }) });
    }
    if (hasSeat && !seated && agent !== call.state.agent) desk.free(agent, call.id, 'moved');
    if (this.far === far) return far.watch();
    if (seated && agent !== call.state.agent) desk.free(agent, call.id, 'moved');
    await far.end();
  }

  /**
   * Both phones' media is at the media server from then on: before a third one comes in. When the agent leaves meanwhile,
   * the caller's is.
   * @throws MediaError; the two go on as they did then, or the call is over
   */
  async anchor(): Promise<void> {
    const { call, far } = this;
    const before = call.leg?.endpoint;
    try {
      this.anchoring = far;
      await far?.anchor();
    } catch (error) {
      if (this.far === far) {
        // They hear each other no more, and the agent's phone cannot be had: there is nothing to go on with.
        if (!this.mediaIsFree) call.handle({ type: 'mediaLost' });
        throw error;
      }
    } finally {
      this.anchoring = undefined;
    }
    if (call.leg?.endpoint !== before) this.listener.endpointChanged();
    await this.returning;
  }

  dropSuccessor(): void {
    const { successor } = this;
    this.successor = undefined;
    this.endTakeOver(487, 'Request Terminated');
    if (successor) this.call.closing('successor', successor.end());
  }

  /** The successor takes the place of the agent's phone. */
  promoteSuccessor(): void {
    const { far, successor } = this;
    this.far = successor;
    this.successor = undefined;
    this.reported = undefined;
    if (far) this.call.closing('farLeg', far.end());
    successor?.takeCaller();
  }

  /**
   * The leg of a colleague who is in the conversation takes the place of the agent's, which ends when caller and colleague
   * are joined: the other way round the caller would be between two conversations meanwhile. A leg whose media is still on
   * its way to the media server ends at once: it would otherwise be joined with the caller behind the colleague.
   */
  adopt(next: FarLeg): void {
    const { call, far: before } = this;
    const { leg } = call;
    const isOnItsWay = before !== undefined && this.anchoring === before;
    this.far = next;
    this.reported = undefined;
    // The media of a call that was being brought back for the colleague may still be on its way.
    if (leg) this.bringBack(leg);
    const joining = this.returning.then(() => next.join());
    joining.then(() => {
      if (call.state.name === 'connected' && this.far === next) this.nowTalking(next);
    }, (error: unknown) => {
      if (call.state.name === 'connected') call.log.warn({ problem: problemOf(error) }, 'bridge failed');
      this.bridgeFailed(next);
    });
    if (before) call.closing('farLeg', isOnItsWay ? before.end() : bounded(joining, handOverMs, 'hand over').catch(() => undefined).then(() => before.end()));
  }

  private endTakeOver(status: number, phrase: string): void {
    this.takeOver?.progress.end(status, phrase);
    this.takeOver = undefined;
  }

  // ---- legs ---------------------------------------------------------------------------------------------------------

  /** Makes the leg and rings it as the present one; one that is not wanted any more ends by itself. */
  private reach(target: FarLegTarget, answered: (far: FarLeg) => void, failed: (error: unknown) => void): void {
    const far = this.makeLeg(target);
    this.far = far;
    this.reported = undefined;
    this.returning.then(() => far.ring()).then(
      () => (this.far === far ? answered(far) : void far.end()),
      (error: unknown) => {
        if (this.far === far) failed(error);
      },
    );
  }

  makeLeg(target: FarLegTarget): FarLeg {
    const { call } = this;
    const { srf, pool } = call.incoming;
    const far = new FarLeg({ srf, pool, caller: call.leg!, log: call.log, callId: call.id, isOver: () => call.isFinished }, { source: this.mediaSourceAt(target.uri), ...target, ...this.holdMusicAt(target.uri) });
    far.on('hungUp', () => this.onHungUp(far));
    far.on('mediaLost', () => {
      if (this.far === far) call.handle({ type: 'mediaLost' });
    });
    far.on('party', (party) => this.onParty(far, party));
    far.on('refer', (req, res) => {
      this.onRefer(far, req, res).catch((error: unknown) => call.log.error({ problem: problemOf(error) }, 'transfer failed'));
    });
    return far;
  }

  private onHungUp(far: FarLeg): void {
    if (this.far !== far) return;
    const { name, revealId, dialId } = this.call.state;
    if (name === 'elsewhere' && dialId !== undefined) this.call.handle({ type: 'partyHungUp', dialId });
    // Who hung up before the two were joined has not talked: the caller keeps the place.
    else if (name === 'connected' && !far.joined && revealId !== undefined) this.call.handle({ type: 'bridgeFailed', revealId });
    else this.call.handle({ type: 'agentHungUp' });
  }

  private nowTalking(far: FarLeg): void {
    const { call } = this;
    call.context.metrics.connected(far.mode);
    if (call.state.agent !== undefined) call.happened({ type: 'call.connected', agent: call.state.agent });
    this.listener.talking();
  }

  /** Whose media counts as that of the phone at this address: by its own setting, else by that of its trunk. */
  private mediaSourceAt(uri: string): MediaSource {
    const { context, incoming: { tenant } } = this.call;
    const agent = tenant.directory.agentAt(uri);
    return mediaSourceOfPhone(uri, context.trunkOfPhone(uri), agent === undefined ? undefined : tenant.agent(agent)?.mediaSource);
  }

  /** What the caller hears while the phone at this address holds: music of ours, unless its trunk brings its own. */
  private holdMusicAt(uri: string): Pick<FarLegTarget, 'holdMusic'> {
    const { context, promptsPath, service: { language } } = this.call;
    if (context.trunkOfPhone(uri)?.holdMusic === 'theirs') return {};
    return { holdMusic: fileList(promptsPath, onHold(language)) };
  }

  /** Whether both trunks let media flow between the phones. */
  private mayRelease(uri: string): boolean {
    return this.call.incoming.trunk.bridge === 'released' && this.call.context.trunkOfPhone(uri)?.bridge === 'released';
  }

  /** The call is over: its reference leads nowhere any more. */
  close(): void {
    if (this.reference !== undefined) this.call.context.references.close(this.reference);
  }
}
