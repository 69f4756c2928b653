import type { EventEmitter } from 'node:events';
import type { RevealedIdentity } from '../../core-bridge/vault/vault.js';

/** What the agent may know of a caller before any attribute is shown. */
export type Identified = 'verified' | 'awaiting' | 'failed' | 'unauthenticated' | 'none';
export type Availability = 'available' | 'break';
export type ClearReason = 'ended' | 'missed' | 'requeued' | 'failed';
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
}

export interface ScreenEvents {
  /** The agent has a live screen: a first one, or a newer one that took over. Nothing private is on it: reveal again. */
  present: [agent: string];
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
}

/**
 * The agents' screens as the desk knows them. Agents are named as in the configuration; naming another is an error of
 * the caller and does nothing (`reveal` answers false).
 */
export interface Screens extends EventEmitter<ScreenEvents> {
  /** Shows a call that rings at this agent. A call the screen still shows is cleared first. */
  offer(agent: string, call: OfferedCall): void;
  /**
   * Hands the attributes of the offered call to the agent's live screen, and to nothing else; they are not kept.
   * @returns false when there is no live screen, or when the screen is not showing this call (any more)
   */
  reveal(agent: string, revelation: Revelation): boolean;
  /** Shows what to read out to the caller. Ignored for any call but the one shown; so are the next four. */
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
  /** Takes the call off the screen, attributes first. Ignored for any call but the one shown. */
  clear(agent: string, callId: string, reason: ClearReason): void;
  isPresent(agent: string): boolean;
  /** What the agent chose last; a fresh login chooses 'available'. */
  availabilityOf(agent: string): Availability;
}
