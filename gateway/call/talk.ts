/** What the caller hears and types in one call: the dialogue, the company while waiting, the last words. */
import { hasRightCheckDigit, type PairingInvitation } from '../../core-bridge/index.js';
import {
  arrangeCallback, CompanyMemory, enterCode, greet, greetCalledBack, keepCompany, offerIdentify, readInvitation, say,
  type ArrangeCallbackOptions, type CalledBack, type CalledBackOptions, type CodeProblem, type CompanyNews, type PromptName, type SpokenNumber,
} from '../../ivr/index.js';
import type { Outlook } from '../desk/index.js';
import type { CallerLeg } from './caller-leg.js';
import { problemOf, type LiveCall } from './live-call.js';
import type { EndReason, EntryProblem } from './machine.js';

/** Longest time the last words to a caller may take, in ms. */
const farewellMs = 12_000;

const problemWords: Record<EntryProblem, CodeProblem> = {
  notRecognised: 'not-recognised',
  slip: 'slip',
  tooShort: 'too-short',
  nothingHeard: 'silence',
};

/** What a caller is told before we hang up. */
const lastWords: Partial<Record<EndReason, PromptName>> = {
  waitedTooLong: 'all-busy', noBridge: 'technical-problem', notReached: 'all-busy', closed: 'closed', full: 'queue-full',
};

/** What a dialogue may ask of the call it belongs to. */
export interface TalkOptions {
  /** Whether callers without a code can be invited to identify themselves now. */
  mayInvite(): boolean;
  /** Makes the invitation; undefined when that failed. */
  invite(): Promise<PairingInvitation | undefined>;
  /** Settles when the caller can be played something. */
  reachable(): Promise<void>;
  /** Whether the caller may ask to be called back. */
  mayBeCalledBack(): boolean;
  /** How the caller stands in the line. */
  outlook(): Outlook | undefined;
  /** The word that the caller's page shows. */
  word(): number | undefined;
}

export class Talk {
  private company: AbortController | undefined;
  private companyKept: Promise<unknown> = Promise.resolve();
  private readonly memory = new CompanyMemory();

  constructor(private readonly call: LiveCall, private readonly options: TalkOptions) {}

  greet(): void {
    this.dialogue(async (leg) => {
      await greet(leg.voice, this.call.service.language, this.call.over);
      this.call.handle({ type: 'greeted' });
    });
  }

  collect(attempt: number, problem: EntryProblem | undefined): void {
    const { call } = this;
    const { calls } = call.context.config;
    this.stopCompany();
    this.dialogue(async (leg) => {
      const [lengths] = await Promise.all([call.incoming.tenant.guard.lengthsInUse(), this.companyKept]);
      const entry = await enterCode(
        leg.voice,
        {
          language: call.service.language,
          lengths,
          isWhole: hasRightCheckDigit,
          attempt,
          ...(problem === undefined ? {} : { problem: problemWords[problem] }),
          firstDigitMs: calls.firstDigitMs,
          interDigitMs: calls.interDigitMs,
        },
        call.over,
      );
      switch (entry.kind) {
        case 'code': return call.handle({ type: 'codeEntered', code: entry.code });
        case 'person': return call.handle({ type: 'personWanted' });
        case 'silence': return call.handle({ type: 'entryFailed', problem: 'nothingHeard' });
        case 'too-short': return call.handle({ type: 'entryFailed', problem: 'tooShort' });
        case 'slip':
          call.context.metrics.codeTried('mistyped');
          return call.handle({ type: 'entryFailed', problem: 'slip' });
      }
    });
  }

  /** Runs a piece of spoken dialogue; the end of the call ends it without a word. */
  private dialogue(talk: (leg: CallerLeg) => Promise<void>): void {
    const { call } = this;
    if (!call.leg) return;
    talk(call.leg).catch((error: unknown) => {
      if (call.over.aborted) return;
      call.log.error({ problem: problemOf(error) }, 'dialogue failed');
      // A prompt that cannot be played must not cost the caller the human: on to the waiting room.
      call.handle(call.state.name === 'greeting' ? { type: 'greeted' } : { type: 'personWanted' });
    });
  }

  /** News, then music with a word now and then, in place of what was to be heard until now. */
  keepCompany(tell: CompanyNews): void {
    const { leg, log, over, service: { language } } = this.call;
    if (!leg) return;
    this.company?.abort();
    const company = new AbortController();
    this.company = company;
    const signal = AbortSignal.any([company.signal, over]);
    const invites = (tell === 'unidentified' || tell === 'refused') && this.options.mayInvite();
    const word = tell === 'accepted' ? this.options.word() : undefined;
    this.companyKept = this.companyKept
      .then(() => this.options.reachable())
      .then(() => (invites ? this.inviteOnTheLine(leg, signal) : undefined))
      .then(() => keepCompany(leg.voice, language, signal, tell, { outlook: () => this.options.outlook(), memory: this.memory, callback: this.options.mayBeCalledBack(), callbackAfterMs: this.call.service.queue.callbackAfterSeconds * 1_000, ...(word !== undefined && { word }) }))
      .then((end) => {
        if (end === 'callback' && !signal.aborted) this.call.handle({ type: 'callbackWanted' });
      })
      .catch((error: unknown) => {
        // Silence is no reason to lose the caller.
        if (!signal.aborted) log.warn({ problem: problemOf(error) }, 'no music for the caller');
      });
  }

  /** A caller without a code may identify themselves while waiting; the place in the line is taken already. */
  private async inviteOnTheLine(leg: CallerLeg, signal: AbortSignal): Promise<void> {
    const { language } = this.call.service;
    if ((await offerIdentify(leg.voice, { language }, signal)) === 'no' || signal.aborted) return;
    const invitation = await this.options.invite();
    if (signal.aborted) return;
    if (invitation) await readInvitation(leg.voice, language, invitation, signal);
    else await say(leg.voice, language, 'identify-unavailable', signal);
  }

  /** Agrees with a waiting caller on being called back; whatever is to be heard next cuts it off. */
  arrangeCallback(options: Omit<ArrangeCallbackOptions, 'language'>, arranged: (number: SpokenNumber) => void): void {
    const { leg, log, over, service: { language } } = this.call;
    if (!leg) return;
    this.company?.abort();
    const company = new AbortController();
    this.company = company;
    const signal = AbortSignal.any([company.signal, over]);
    this.companyKept = this.companyKept
      .then(() => arrangeCallback(leg.voice, { language, ...options }, signal))
      .then((agreed) => {
        // An agent may have been found in the very moment in which the number was confirmed.
        if (signal.aborted) return;
        if (agreed.kind === 'arranged') arranged(agreed.number);
        else if (agreed.kind === 'kept') this.call.handle({ type: 'callbackKept' });
      })
      .catch((error: unknown) => {
        if (signal.aborted) return;
        log.warn({ problem: problemOf(error) }, 'calling back could not be arranged');
        this.call.handle({ type: 'callbackKept' });
      });
  }

  /** The first words of a call back. @returns what came of it; 'nobody' also when the line broke */
  async greetCalledBack(leg: CallerLeg, options: Pick<CalledBackOptions, 'check' | 'isForgotten'>): Promise<CalledBack> {
    const { over, service: { language } } = this.call;
    const left = new AbortController();
    leg.dialog.once('destroy', () => left.abort());
    try {
      return await greetCalledBack(leg.voice, { language, ...options }, AbortSignal.any([over, left.signal]));
    } catch (error) {
      if (!over.aborted && !left.signal.aborted) this.call.log.warn({ problem: problemOf(error) }, 'call back failed');
      return { kind: 'nobody' };
    }
  }

  stopCompany(): void {
    this.company?.abort();
    this.company = undefined;
  }

  /** Nobody is hung up on without a word: who called in vain hears so first. */
  async farewell(leg: CallerLeg, reason: EndReason): Promise<void> {
    const words = lastWords[reason];
    if (words === undefined) return;
    await this.companyKept;
    const left = new AbortController();
    leg.dialog.once('destroy', () => left.abort());
    const gone = AbortSignal.any([AbortSignal.timeout(farewellMs), leg.endpoint.gone, left.signal]);
    await say(leg.voice, this.call.service.language, words, gone).catch(() => undefined);
  }

  /** Longest time the farewell takes, in ms. */
  static readonly farewellMs = farewellMs;
}
