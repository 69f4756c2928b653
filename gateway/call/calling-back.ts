/** Calling back, carried out: the arrangement, the promise while the caller is gone, and the call back itself. */
import { randomUUID } from 'node:crypto';
import type { SpokenCode, SpokenNumber } from '../../ivr/index.js';
import { waitingFor, type Waiting } from '../desk/index.js';
import { CallerLeg } from './caller-leg.js';
import type { FarSide } from './far-side.js';
import { problemOf, type LiveCall } from './live-call.js';
import { isSameCode, longestPromiseMs, mayCallBack, newShortCode, nextAttemptMs, numberOf, soonAgainMs } from './promise.js';
import { HeldPromise, type PromiseRecord } from './promises/index.js';
import type { Talk } from './talk.js';

/** What was agreed with a caller who has not hung up yet. */
interface Arranged {
  readonly number: SpokenNumber;
  readonly shortCode: SpokenCode | undefined;
}

export interface CallingBackOptions {
  /** How a number outside is called. */
  readonly outsideTarget: FarSide['outsideTarget'];
  /** Makes this the caller's leg; undefined hangs up on the caller. */
  readonly takeLeg: (leg: CallerLeg | undefined) => void;
  /** What of the call is kept with the promise. */
  readonly ofCall: () => { readonly waitingSince: number; readonly place: number | undefined; readonly provedDuringCall: boolean; readonly calledFrom: string | undefined };
}

export class CallingBack {
  private arranged: Arranged | undefined;
  private promise: HeldPromise | undefined;
  private isPassingOn = false;
  /** Kept after the promise is: the caller comes back to it. */
  private place: Pick<PromiseRecord, 'service' | 'since' | 'headStartMs' | 'place'> | undefined;

  constructor(private readonly owner: LiveCall, private readonly talk: Talk, private readonly options: CallingBackOptions) {}

  /** Whether this caller may ask for it now. */
  get isOffered(): boolean {
    const { service, state } = this.owner;
    return service.queue.callback && state.name === 'waiting' && !state.leftLine;
  }

  /** The place that a caller who was promised a call back has in the line of this service. */
  get placeKept(): Pick<Waiting, 'since' | 'headStartMs'> | undefined {
    const { place } = this;
    if (!place || place.service !== this.owner.service.name) return undefined;
    return { headStartMs: place.headStartMs, ...(place.since !== undefined && { since: place.since }) };
  }

  /** The place that the caller was last told, or less: it never gets worse. */
  told(place: number): number {
    if (!this.place || this.place.service !== this.owner.service.name) return place;
    const told = Math.min(place, this.place.place ?? place);
    if (told !== this.place.place) {
      this.place = { ...this.place, place: told };
      this.promise?.change({ place: told });
    }
    return told;
  }

  /** @param callerNumber undefined when it was withheld */
  arrange(callerNumber: string | undefined): void {
    const { state, incoming: { tenant: { config: tenant } } } = this.owner;
    // Without an identity to protect no code is told or asked for.
    const shortCode = state.sessionId === undefined ? undefined : newShortCode();
    const knownNumber = numberOf(callerNumber);
    this.talk.arrangeCallback({
      ...(knownNumber && { knownNumber }),
      ...(shortCode && { shortCode }),
      ...(tenant.idContact.phoneNumber.startsWith('+31') && { countryCode: '31' }),
      judge: (number) => (mayCallBack(number, tenant) ? 'ok' : 'notPossible'),
    }, (number) => {
      this.arranged = { number, shortCode };
      this.owner.handle({ type: 'callbackArranged' });
    });
  }

  /** The caller's leg ends, and the promise begins or goes on. */
  leaveAlone(): void {
    this.talk.stopCompany();
    this.options.takeLeg(undefined);
    const { arranged } = this;
    this.arranged = undefined;
    if (!arranged) return;
    this.owner.log.info('the caller is to be called back');
    this.hold(this.newRecord(arranged), false);
  }

  private newRecord({ number, shortCode }: Arranged): PromiseRecord {
    const { id: callId, service, state, incoming: { tenant: { desk, config } } } = this.owner;
    const { waitingSince, place, provedDuringCall, calledFrom } = this.options.ofCall();
    const from = numberOf(calledFrom);
    const since = desk.arrivalOf(callId);
    return {
      id: randomUUID(), callId, tenant: config.name, service: service.name, number,
      ...(from && { calledFrom: from }),
      ...(shortCode && { shortCode }),
      ...(state.sessionId !== undefined && { session: { id: state.sessionId, heldBy: callId, shown: state.shown, provedDuringCall } }),
      ...(since !== undefined && { since }),
      headStartMs: waitingFor(callId, service).headStartMs,
      ...(place !== undefined && { place }),
      waitingSince,
      ...(state.transferredBy !== undefined && { transferredBy: state.transferredBy }),
      attempts: 0,
      until: Date.now() + longestPromiseMs,
    };
  }

  /** Goes on with a promise that another node has had. */
  adopt(record: PromiseRecord): void {
    this.hold(record, true);
  }

  private hold(record: PromiseRecord, isKept: boolean): void {
    const { owner } = this;
    this.place = record;
    this.promise = new HeldPromise(record, isKept, {
      store: owner.incoming.tenant.promises,
      log: owner.log,
      onLost: () => {
        owner.log.warn('another node has the promise to call back');
        owner.handle({ type: 'promiseMoved' });
      },
    });
    owner.after(Math.max(0, record.until - Date.now()), () => owner.handle({ type: 'promiseOver' }));
  }

  /** Takes the place in the line again where it was, or waits for the next attempt if the turn has come before. */
  takeUp(): void {
    const { owner, promise } = this;
    if (!promise) return;
    const { nextAttemptAt } = promise.record;
    if (nextAttemptAt !== undefined) return void owner.after(Math.max(0, nextAttemptAt - Date.now()), () => owner.handle({ type: 'callBackDue' }));
    owner.happened({ type: 'call.waiting', service: owner.service.name });
    owner.incoming.tenant.desk.enter({ ...waitingFor(owner.id, owner.service), ...this.placeKept }, 'head');
  }

  callLater(soon: boolean): void {
    const afterMs = soon ? soonAgainMs : nextAttemptMs;
    this.promise?.tryAgain(Date.now() + afterMs, !soon);
    this.owner.after(afterMs, () => this.owner.handle({ type: 'callBackDue' }));
  }

  call(): void {
    const call = this.owner;
    const { promise } = this;
    if (!promise) return call.handle({ type: 'callBackFailed' });
    promise.begin().then((start) => {
      if (call.state.name !== 'callingBack' || this.promise !== promise) return;
      if (start.kind === 'ours') return this.dial(promise.record, start.cutOff);
      // Who lost it has been told.
      if (start.kind === 'unsure') call.handle({ type: 'callBackPutOff' });
    }).catch((error: unknown) => {
      call.log.error({ problem: problemOf(error) }, 'calling back failed');
      call.handle({ type: 'callBackFailed' });
    });
  }

  private dial(record: PromiseRecord, cutOff: AbortSignal): void {
    const call = this.owner;
    const { incoming: { srf, pool }, log } = call;
    const target = this.options.outsideTarget(record.number.reveal());
    if (!target) return call.handle({ type: 'callBackFailed' });
    log.info({ attempt: call.state.callBacks + 1 }, 'calling back');
    const isOver = () => call.state.name !== 'callingBack';
    cutOff.addEventListener('abort', () => {
      if (!isOver()) call.handle({ type: 'callBackPutOff' });
    }, { once: true });
    CallerLeg.callBack(srf, { ...target, signal: AbortSignal.any([call.over, cutOff]) }, pool, call.promptsPath, log)
      .then((leg) => this.greet(leg, record, cutOff))
      .catch((error: unknown) => {
        if (isOver() || cutOff.aborted) return;
        log.info({ problem: problemOf(error) }, 'not reached when called back');
        call.handle({ type: 'callBackFailed' });
      });
  }

  private async greet(leg: CallerLeg, { shortCode }: PromiseRecord, cutOff: AbortSignal): Promise<void> {
    const call = this.owner;
    if (call.state.name !== 'callingBack' || cutOff.aborted) return leg.end('Q.850;cause=16;text="NORMAL_CLEARING"');
    this.options.takeLeg(leg);
    const isForgotten = shortCode !== undefined && call.state.sessionId === undefined;
    const came = await this.talk.greetCalledBack(leg, shortCode && !isForgotten ? { check: (typed) => isSameCode(typed, shortCode) } : { isForgotten });
    if (call.leg !== leg || call.state.name !== 'callingBack') return;
    if (came.kind === 'nobody') return call.handle({ type: 'callBackFailed' });
    call.log.info({ code: came.code, ...(isForgotten && { isForgotten }) }, 'called back');
    call.closing('promise', this.promise?.over() ?? Promise.resolve());
    this.promise = undefined;
    call.handle({ type: 'calledBack', isCaller: came.code === 'right' || came.code === 'notAsked' });
  }

  /** This node stops. @returns false when nobody else can keep a promise of this call; otherwise the call ends by itself */
  passOn(): boolean {
    const { owner, promise } = this;
    const { promises } = owner.incoming.tenant;
    if (this.isPassingOn) return true;
    if (!promise || !promises.shared || (owner.state.name !== 'promised' && owner.state.name !== 'callingBack')) return false;
    this.isPassingOn = true;
    promise.passOn().then(
      (isPassedOn) => owner.handle({ type: isPassedOn ? 'promiseMoved' : 'drained' }),
      (error: unknown) => {
        owner.log.error({ problem: problemOf(error) }, 'a promise to call back could not be passed on');
        owner.handle({ type: 'drained' });
      },
    );
    return true;
  }

  /** The number and the code are forgotten. */
  close(): void {
    this.arranged = undefined;
    const { promise } = this;
    this.promise = undefined;
    if (promise) this.owner.closing('promise', promise.over());
  }
}
