/** Calling back, carried out: the arrangement, the promise while the caller is gone, and the call back itself. */
import { CallerLeg } from './caller-leg.js';
import type { FarSide } from './far-side.js';
import { problemOf, type LiveCall } from './live-call.js';
import { CallbackPromise, longestPromiseMs, mayCallBack, nextAttemptMs, numberOf } from './promise.js';
import type { Talk } from './talk.js';

export class CallingBack {
  private promise: CallbackPromise | undefined;

  /**
   * @param outsideTarget how a number outside is called
   * @param takeLeg makes this the caller's leg; undefined hangs up on the caller
   */
  constructor(
    private readonly owner: LiveCall,
    private readonly talk: Talk,
    private readonly outsideTarget: FarSide['outsideTarget'],
    private readonly takeLeg: (leg: CallerLeg | undefined) => void,
  ) {}

  /** Whether this caller may ask for it now. */
  get isOffered(): boolean {
    const { service, state } = this.owner;
    return service.queue.callback && state.name === 'waiting' && !state.leftLine;
  }

  /** @param callerNumber undefined when it was withheld */
  arrange(callerNumber: string | undefined): void {
    const { state, incoming: { tenant: { config: tenant } } } = this.owner;
    const promise = new CallbackPromise(state.sessionId !== undefined);
    const knownNumber = numberOf(callerNumber);
    this.talk.arrangeCallback({
      ...(knownNumber && { knownNumber }),
      ...(promise.isKnown && { shortCode: promise.shortCode }),
      ...(tenant.idContact.phoneNumber.startsWith('+31') && { countryCode: '31' }),
      judge: (number) => (mayCallBack(number, tenant) ? 'ok' : 'notPossible'),
    }, (number) => {
      promise.number = number;
      this.promise = promise;
      this.owner.handle({ type: 'callbackArranged' });
    });
  }

  /** The caller's leg ends, and the promise begins or goes on. */
  leaveAlone(): void {
    this.talk.stopCompany();
    this.takeLeg(undefined);
    if (this.owner.state.callBacks > 0) return;
    this.owner.log.info('the caller is to be called back');
    this.owner.after(longestPromiseMs, () => this.owner.handle({ type: 'promiseOver' }));
  }

  callLater(): void {
    this.owner.after(nextAttemptMs, () => this.owner.handle({ type: 'callBackDue' }));
  }

  call(): void {
    const call = this.owner;
    const { incoming: { srf, pool, tenant: { config: tenant } }, log } = call;
    const { promise } = this;
    const target = promise?.number && this.outsideTarget(promise.number.reveal());
    if (!promise || !target) return call.handle({ type: 'callBackFailed' });
    log.info({ attempt: call.state.callBacks + 1 }, 'calling back');
    CallerLeg.callBack(srf, { ...target, signal: call.over }, pool, tenant.promptsPath ?? call.context.promptsPath, log)
      .then((leg) => this.greet(leg, promise))
      .catch((error: unknown) => {
        if (call.state.name === 'ended') return;
        log.info({ problem: problemOf(error) }, 'not reached when called back');
        call.handle({ type: 'callBackFailed' });
      });
  }

  private async greet(leg: CallerLeg, promise: CallbackPromise): Promise<void> {
    const call = this.owner;
    if (call.state.name !== 'callingBack') return leg.end('Q.850;cause=16;text="NORMAL_CLEARING"');
    this.takeLeg(leg);
    const protects = promise.isKnown && call.state.sessionId !== undefined;
    const came = await this.talk.greetCalledBack(leg, protects ? (typed) => promise.isRight(typed) : undefined);
    if (call.leg !== leg || call.state.name !== 'callingBack') return;
    if (came.kind === 'nobody') return call.handle({ type: 'callBackFailed' });
    call.log.info({ code: came.code }, 'called back');
    this.promise = undefined;
    call.handle({ type: 'calledBack', isCaller: came.code === 'right' || came.code === 'notAsked' });
  }

  /** The number and the code are forgotten. */
  close(): void {
    this.promise = undefined;
  }
}
