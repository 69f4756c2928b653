import type { Language } from '../language.js';
import type { ProgressEntry } from '../progress/progress.js';
import type { Identity, SessionOnPage } from '../vault/vault.js';
import { COMPANION_TEXTS, type StepName } from './texts.js';

/** What is known of a page: its session while that lives, its board while that is kept. */
export interface Known {
  readonly session?: SessionOnPage;
  /** Oldest first. */
  readonly entries: readonly ProgressEntry[];
}

export interface StepView {
  readonly name: StepName;
  readonly state: 'upcoming' | 'current' | 'pending' | 'done' | 'failed';
  readonly text: string;
  /** The state in words, for those who do not see its sign; none for the current step, which is marked as such. */
  readonly stateText?: string;
  /** When it was done, as the clock shows it. */
  readonly time?: string;
}

/**
 * What a page shows at one moment, in its language. It holds neither code nor word: those stand on the page itself and
 * need no second way to it.
 */
export interface View {
  /** False: nothing will change any more. */
  readonly live: boolean;
  readonly title: string;
  readonly lines: readonly string[];
  readonly warnings: readonly string[];
  readonly receipt?: { readonly sentence: string; readonly when: string; readonly at: string };
  readonly showsCode: boolean;
  readonly showsWord: boolean;
  readonly validity?: {
    /** ms since 1970 */
    readonly endsAt: number;
    readonly sentence: string;
    /** What the citizen can do about it, and whether that is a button. */
    readonly help: string;
    readonly extendable: boolean;
  };
  readonly steps: readonly StepView[];
}

export interface ViewAtTime {
  readonly view: View;
  /** When it changes by itself, in ms since 1970; undefined: it does not. */
  readonly changesAt?: number;
}

/** How long before its end a code's page warns: time enough to see it and press (WCAG 2.2, 2.2.1 asks for 20 seconds). */
const WARN_BEFORE_MS = 120_000;
/** An extension that would give less than this is none. */
const WORTH_EXTENDING_MS = 5_000;
/** How long after a call's end the receipt may still come; then its page is told what is known without it. */
const RECEIPT_WITHIN_MS = 60_000;

type Stage = 'ready' | 'callSeen' | 'codeAccepted' | 'waiting' | 'agentRinging' | 'connected' | 'dropped' | 'ended' | 'deletedDuringCall' | 'deleted';

/** A board's entries, added up. */
interface Progress {
  readonly stage: Stage;
  /** The entry that made the stage. */
  readonly last?: ProgressEntry;
  /** When each stage of the present call was reached. */
  readonly reachedAt: Readonly<Partial<Record<Stage, number>>>;
  readonly authenticatedAt?: number;
  readonly failed: boolean;
  readonly usedAgainAt?: number;
}

function addUp(entries: readonly ProgressEntry[]): Progress {
  let stage: Stage = 'ready';
  let last: ProgressEntry | undefined;
  let reachedAt: Partial<Record<Stage, number>> = {};
  let authenticatedAt: number | undefined;
  let failed = false;
  let usedAgainAt: number | undefined;
  for (const entry of entries) {
    switch (entry.step) {
      case 'authenticated': authenticatedAt = entry.at; break;
      case 'authenticationFailed': failed = true; break;
      case 'codeUsedAgain': usedAgainAt = entry.at; break;
      case 'extended': break;
      default:
        if (entry.step === 'dropped') reachedAt = {};
        stage = entry.step;
        last = entry;
        reachedAt[stage] = entry.at;
    }
  }
  return { stage, last, reachedAt, authenticatedAt, failed, usedAgainAt };
}

/** Times of day and dates as a municipality's citizens read them. */
export class Clock {
  readonly #time: Intl.DateTimeFormat;
  readonly #moment: Intl.DateTimeFormat;
  readonly #number: Intl.NumberFormat;

  constructor(language: Language, timeZone: string) {
    const locale = { nl: 'nl-NL', en: 'en-GB' }[language];
    this.#time = new Intl.DateTimeFormat(locale, { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
    this.#moment = new Intl.DateTimeFormat(locale, { timeZone, dateStyle: 'full', timeStyle: 'medium', hourCycle: 'h23' });
    this.#number = new Intl.NumberFormat(locale);
  }

  time(at: number): string {
    return this.#time.format(at);
  }

  moment(at: number): string {
    return this.#moment.format(at);
  }

  number(value: number): string {
    return this.#number.format(value);
  }
}

/** A page without anything to follow: title and sentences. */
function plain(advice: { readonly title: string; readonly lines: readonly string[] }, live = false): View {
  return { live, ...advice, warnings: [], showsCode: false, showsWord: false, steps: [] };
}

/**
 * What a page shows now. A pure function: what changes with time alone is announced in `changesAt`.
 * @param now ms since 1970
 */
export function viewOf({ session, entries }: Known, language: Language, clock: Clock, now: number): ViewAtTime {
  const texts = COMPANION_TEXTS[language];
  const progress = addUp(entries);
  const stage: Stage = progress.stage === 'ready' && session?.code !== undefined && session.claimed ? 'codeAccepted' : progress.stage;

  if (progress.last?.step === 'deleted') {
    const { at, afterMs } = progress.last;
    const receipt = { sentence: texts.receipt(clock.number(afterMs)), when: clock.moment(at), at: new Date(at).toISOString() };
    return { view: { ...plain({ title: texts.over.title, lines: [] }), receipt } };
  }
  if (stage === 'deletedDuringCall') return { view: plain(texts.deletedDuringCall) };
  if (stage === 'ended') {
    const waitsUntil = (progress.reachedAt.ended ?? now) + RECEIPT_WITHIN_MS;
    const live = session !== undefined || now < waitsUntil;
    const advice = live ? texts.deleting : texts.over;
    return { view: { ...plain(advice, live), steps: live ? stepsOf(session, progress, stage, language, clock) : [] }, changesAt: live && !session ? waitsUntil : undefined };
  }
  if (!session) return { view: plain(texts.gone) };

  const forCall = session.code === undefined;
  const identity = identityOf(session, progress);
  const validity = forCall ? undefined : validityOf(session, progress, stage, language, clock);
  const endsSoon = stage === 'ready' && validity !== undefined && now >= validity.endsAt - WARN_BEFORE_MS;
  const warnings: string[] = [];
  if (progress.usedAgainAt !== undefined) warnings.push(texts.usedAgain(clock.time(progress.usedAgainAt)));
  if (endsSoon) warnings.push((validity.extendable ? texts.expiresSoon : texts.expiresSoonForGood)(clock.time(validity.endsAt)));
  const view: View = {
    live: true,
    ...(forCall ? adviceForCall(identity, progress, language) : advice(identity, progress, stage, language, clock)),
    warnings,
    showsCode: validity !== undefined,
    showsWord: forCall ? identity === 'verified' : stage !== 'connected',
    validity,
    steps: stepsOf(session, progress, stage, language, clock),
  };
  const changesAt = validity && (stage === 'ready' && !endsSoon ? validity.endsAt - WARN_BEFORE_MS : validity.endsAt);
  return { view, changesAt };
}

/** Vault and board may be a moment apart: who was verified for either is. */
function identityOf(session: SessionOnPage | undefined, progress: Progress): Identity {
  if (progress.authenticatedAt !== undefined) return 'verified';
  return progress.failed ? 'failed' : (session?.identity ?? 'awaiting');
}

/** While the code is to be typed: until when that works. */
function validityOf(session: SessionOnPage, { last }: Progress, stage: Stage, language: Language, clock: Clock): View['validity'] {
  const texts = COMPANION_TEXTS[language];
  if (last?.step === 'dropped') {
    return { endsAt: last.callAgainUntil, sentence: texts.validUntil(clock.time(last.callAgainUntil)), help: '', extendable: false };
  }
  if (stage !== 'ready' && stage !== 'callSeen') return undefined;
  const endsAt = session.expiresAt.getTime();
  const limit = session.extendableUntil.getTime();
  const extendable = limit - endsAt >= WORTH_EXTENDING_MS;
  return { endsAt, sentence: texts.validUntil(clock.time(endsAt)), help: extendable ? texts.longerHelp(clock.time(limit)) : texts.notLonger, extendable };
}

/** What to do now, in a session with a code. */
function advice(identity: Identity, progress: Progress, stage: Stage, language: Language, clock: Clock): Pick<View, 'title' | 'lines'> {
  const texts = COMPANION_TEXTS[language];
  switch (stage) {
    case 'callSeen': return texts.typeCode;
    case 'codeAccepted': return texts.accepted;
    case 'waiting': return texts.waiting(progress.last?.step === 'waiting' ? progress.last.place : 1);
    case 'agentRinging': return texts.ringing;
    case 'connected': return texts.connected;
    case 'dropped': return texts.dropped(clock.time(progress.last?.step === 'dropped' ? progress.last.callAgainUntil : 0));
    default: return identity === 'failed' ? texts.callUnidentified : texts.call;
  }
}

/** What to do now, in a session for a call: the login and the word come first, whatever else the call is at. */
function adviceForCall(identity: Identity, progress: Progress, language: Language): Pick<View, 'title' | 'lines'> {
  const texts = COMPANION_TEXTS[language];
  const first = identity === 'verified' ? texts.readWord : identity === 'failed' ? texts.loginFailed : texts.confirming;
  const place = progress.last?.step === 'waiting' ? texts.waiting(progress.last.place).lines : [];
  return { title: first.title, lines: [...first.lines, ...place] };
}

const ORDER: readonly StepName[] = ['login', 'call', 'code', 'wait', 'talk', 'deletion'];
/** The step that each stage is at; what stands before it is done. */
const AT: Readonly<Record<Stage, StepName>> = {
  ready: 'call', dropped: 'call', callSeen: 'code', codeAccepted: 'wait', waiting: 'wait', agentRinging: 'wait', connected: 'talk', ended: 'deletion', deletedDuringCall: 'deletion', deleted: 'deletion',
};
/** The stage that shows that a step is done. */
const DONE_BY: Readonly<Partial<Record<StepName, Stage>>> = { call: 'callSeen', code: 'codeAccepted', wait: 'connected', talk: 'ended' };

function stepsOf(session: SessionOnPage | undefined, progress: Progress, stage: Stage, language: Language, clock: Clock): StepView[] {
  const texts = COMPANION_TEXTS[language];
  const identity = identityOf(session, progress);
  const forCall = session !== undefined && session.code === undefined;
  const at = ORDER.indexOf(AT[stage]);
  const { reachedAt, authenticatedAt, last } = progress;

  const takesPart = (name: StepName): boolean => {
    // Without the session nobody can tell what a login was; what is known of it stands on the board.
    if (name === 'login') return session ? identity !== 'unauthenticated' : authenticatedAt !== undefined || progress.failed;
    // The caller is on the line already. Whether they must wait depends on who invited them: an agent, or the voice.
    if (forCall && (name === 'call' || name === 'code')) return false;
    if (forCall && name === 'wait') return reachedAt.waiting !== undefined || reachedAt.agentRinging !== undefined;
    // A call that ended before anybody answered had no conversation.
    if (stage === 'ended' && (name === 'wait' || name === 'talk')) return reachedAt.connected !== undefined;
    return true;
  };

  const made: StepView[] = [];
  for (const [index, name] of ORDER.entries()) {
    if (!takesPart(name)) continue;
    const { upcoming, current, done } = texts.step[name];
    const reached = (texted: string, time: number | undefined): void => {
      made.push({ name, state: 'done', text: texted, stateText: texts.state.done, time: time === undefined ? undefined : clock.time(time) });
    };
    if (name === 'login') {
      if (identity === 'verified') reached(done, authenticatedAt);
      else if (identity === 'failed') made.push({ name, state: 'failed', text: texts.stepLoginFailed, stateText: texts.state.failed });
      else made.push({ name, state: forCall ? 'current' : 'pending', text: current, stateText: forCall ? undefined : texts.state.pending });
    } else if (index < at) {
      const by = DONE_BY[name];
      reached(done, by && reachedAt[by]);
    } else if (index === at) {
      made.push({ name, state: 'current', text: last?.step === 'waiting' ? texts.stepPlace(last.place) : stage === 'agentRinging' ? texts.stepRinging : current });
    } else {
      made.push({ name, state: 'upcoming', text: upcoming, stateText: texts.state.upcoming });
    }
  }
  return made;
}
