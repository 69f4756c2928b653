import type { EventEmitter } from 'node:events';
import type { RevealedIdentity } from '../../core-bridge/vault/vault.js';

/** What the agent may know of a caller before any attribute is shown. */
export type Identified = 'verified' | 'awaiting' | 'failed' | 'unauthenticated' | 'none';
export type Availability = 'available' | 'break';
/**
 * `transferred`: to somebody else. `left`: the agent is not in the conversation any more, which goes on. `leaseEnded`: the
 * live call did not say in time that it is still there.
 */
export type ClearReason = 'ended' | 'missed' | 'requeued' | 'failed' | 'transferred' | 'left' | 'leaseEnded';
/** What an agent does now, as the desk knows it. */
export type SeatState = 'away' | 'break' | 'available' | 'offered' | 'busy' | 'wrapUp' | 'resting';
export type ScreenLanguage = 'nl' | 'en';

/** A text in every language of the screen. */
export type Label = Readonly<Record<ScreenLanguage, string>>;

export interface OfferedCall {
  callId: string;
  /** The service the caller dialled, as the agent should read it. */
  service: string;
  language: ScreenLanguage;
  /** How long the caller has waited already, in milliseconds. */
  waitedMs: number;
  identified: Identified;
  /** Whether the caller can be asked to identify themselves now. */
  canIdentify: boolean;
  /** Whether the agent may send this caller on from the screen; not, if left out. */
  canTransfer?: boolean;
  /** The colleague the caller comes from, as the agent should read it. */
  transferredBy?: string;
  /** The colleague whom this agent brings in, as the agent should read it, and how far that is. */
  guest?: { name: string; isJoined: boolean };
  /** This agent is the one who is brought in, by this colleague, as the agent should read it. */
  broughtInBy?: string;
  /** How long the two have heard each other already, in ms, for a call that comes to a screen in the middle; left out, it rings. */
  connectedMs?: number;
  /** Where the call lives, when that may be another node. Screens do not look at it. */
  node?: string;
}

/** Where an agent wants to send a caller on to. */
export type TransferTarget =
  | { kind: 'agent'; name: string }
  | { kind: 'service'; name: string }
  /** Outside: no identity goes along. */
  | { kind: 'number'; number: string };

export type TransferProblem = 'busy' | 'unknown' | 'refused' | 'noAnswer';
/** Why a colleague who was asked in is not there. `left`: they were, and went. */
export type GuestProblem = TransferProblem | 'left';

/** What an agent may choose from when transferring. */
export interface TransferTargets {
  /** Colleagues, without the agent who asks. */
  agents: readonly { name: string; displayName: string; state: SeatState }[];
  services: readonly { name: string; waiting: number; staffed: number }[];
  /** Whether outside numbers may be typed. */
  outside: boolean;
}

export interface SeatOnScreen {
  state: SeatState;
  /** When the state ends by itself, in ms since the epoch: of wrap-up and resting. */
  untilMs?: number;
}

/** A masked value that the agent asked for. */
export interface Unmasked {
  callId: string;
  revealId: string;
  /** Attribute name, as in `masked` of the reveal. */
  field: string;
  /** null: it cannot be shown, for instance because that could not be recorded. */
  value: string | null;
}

/** What the agent reads out to a caller who is to identify themselves now. */
export interface Invitation {
  callId: string;
  /** Short address, without scheme. */
  address: string;
  /** Digits to type there. */
  pairingCode: string;
  expiresInMs: number;
}

export type InvitationProblem = 'unreachable' | 'refused' | 'tooMany';

/** The caller identified themselves during the call: before anything is shown, the agent compares the word on their page. */
export interface WordToCompare {
  callId: string;
  /** New for every comparison; the agent's answer names it. */
  confirmId: string;
  word: string;
}

export type Warning = 'codeUsedAgain';

export interface Revelation {
  callId: string;
  /** New for every reveal; an acknowledgement names it. */
  revealId: string;
  /** null: this caller is not identified, and the screen says so plainly. */
  identity: RevealedIdentity | null;
  /** When the citizen proved who they are: before dialling, or while on the line. */
  how?: 'beforeCall' | 'duringCall';
  /** Labels of attributes by attribute name, over the built-in ones. */
  labels?: Readonly<Record<string, Label>>;
  /** What the purpose of the session is called, where the raw word would not do. */
  purposeLabel?: Label;
  /** Why there is no identity, if that changed since the call was offered; only beside `identity: null`. */
  identified?: Exclude<Identified, 'verified'>;
  /** Names of attributes that the caller has and whose value is not in `identity`: the agent may ask for each (see masking.ts). */
  masked?: readonly string[];
}

export interface ScreenEvents {
  /** The agent has a live screen: a first one, or a newer one that took over. Nothing private is on it (see `returned`). */
  present: [agent: string];
  /**
   * A live screen that shows this call without anything private: its page is new, or the agent sits before another one.
   * The call reveals again. Told after `present`, and to the node of the call, wherever the screen is.
   */
  returned: [agent: string, callId: string];
  /** The agent has no live screen any more. */
  gone: [agent: string];
  /** Also told right before `present`, so that nobody on a break is offered a call. */
  availability: [agent: string, value: Availability];
  /** The live screen has drawn this reveal, and this reveal is the newest of the call at this agent. */
  acknowledged: [agent: string, callId: string, revealId: string];
  endRequested: [agent: string, callId: string];
  /** The agent asks this caller, whom they hear, to identify themselves now; an earlier invitation is void. */
  identifyRequested: [agent: string, callId: string];
  identifyWithdrawn: [agent: string, callId: string];
  /** The agent compared the words; told once for each question, and only by the page on which it was asked. */
  wordConfirmed: [agent: string, callId: string, confirmId: string, same: boolean];
  /** The agent wants to see a masked field of the newest reveal; answered with `unmasked`. Told once until it is answered. */
  unmaskRequested: [agent: string, callId: string, revealId: string, field: string];
  /** Told once until the call is cleared or `transferFailed`. Whether the target may be chosen is for the listener to check. */
  transferRequested: [agent: string, callId: string, target: TransferTarget];
  /** The agent brings a colleague into the conversation; told once until the call has a guest or `transferFailed`. */
  bringInRequested: [agent: string, callId: string, colleague: string];
  /** The agent wants the guest out again, ringing or not. */
  guestOutRequested: [agent: string, callId: string];
  /** The agent leaves the conversation: the one who has a guest in it, or the guest. */
  leaveRequested: [agent: string, callId: string];
  wrapUpDone: [agent: string];
  /**
   * The lease of a shown call ran out, here or on the page's own clock, and the call was taken off the screen. A call that
   * is alive nevertheless offers itself and reveals again. Across nodes it is told only of calls that were offered again.
   */
  leaseLost: [agent: string, callId: string];
  /** The agent locked the screen: it is blank, and `gone` follows. The login stays. */
  locked: [agent: string];
  /** `present` follows when a page is open again. */
  unlocked: [agent: string];
}

/**
 * The agents' screens as the desk knows them. Agents are named as in the configuration; naming another is an error of
 * the caller and does nothing (`reveal` answers false).
 */
export interface Screens extends EventEmitter<ScreenEvents> {
  /**
   * Shows a call that rings at this agent. A call the screen still shows is cleared first; the same call is brought up to
   * date, and what was revealed of it stays.
   */
  offer(agent: string, call: OfferedCall): void;
  /**
   * Hands the attributes of the offered call to the agent's live screen, and to nothing else; they are not kept.
   * @returns false when there is no live screen, or when the screen is not showing this call (any more)
   */
  reveal(agent: string, revelation: Revelation): boolean;
  /** Shows what to read out to the caller. Ignored for any call but the one shown; so are the next seven. */
  invitation(agent: string, invitation: Invitation): void;
  invitationFailed(agent: string, failure: { callId: string; reason: InvitationProblem }): void;
  /** Asks the agent to compare the word; an earlier question is void. */
  confirmWord(agent: string, word: WordToCompare): void;
  /** The caller's authentication did not succeed, or the word was another one. */
  identifyFailed(agent: string, callId: string): void;
  /** Stands until the call is cleared, also on a page that comes back; an agent who has read it can put it away. */
  warn(agent: string, callId: string, warning: Warning): void;
  /** The agent and the caller hear each other. */
  connected(agent: string, callId: string): void;
  /** Shows a value that was asked for, for a minute. Nothing happens unless it was asked for on this page, of this reveal. */
  unmasked(agent: string, unmasked: Unmasked): void;
  transferFailed(agent: string, failure: { callId: string; reason: TransferProblem }): void;
  /** Why there is no guest any more; that there is none is told by `offer`. */
  guestGone(agent: string, gone: { callId: string; reason: GuestProblem }): void;
  /**
   * Said by the live call every 3 seconds while a screen shows it. A call that does not is taken off after `leaseMs`, by
   * the server and by the page, each on its own clock.
   */
  renewLease(agent: string, callId: string): void;
  /** What the agent does as the desk knows it: shows wrap-up and rest, with the time left. */
  seat(agent: string, seat: SeatOnScreen): void;
  /** Takes the call off the screen, attributes first. Ignored for any call but the one shown. */
  clear(agent: string, callId: string, reason: ClearReason): void;
  isPresent(agent: string): boolean;
  /** What the agent chose last; a fresh login chooses 'available'. */
  availabilityOf(agent: string): Availability;
}

/** The screens of one node, as a gateway of several nodes needs them. */
export interface LocalScreens extends Screens {
  /** The call on this agent's screen here, also while its page is away. */
  callOn(agent: string): string | undefined;
  /** A newer page is open at another node: the one here is closed as replaced, and its call is forgotten. */
  displace(agent: string): void;
  setAvailability(agent: string, value: Availability): void;
}
