/** An agent with a phone and a page, and what must hold of the two at every moment. */
import { performance } from 'node:perf_hooks';
import type { ScreenClient } from '../../../gateway/demo/screen-client.js';
import { mediaOf, type PhoneDialog, type SipPhones } from '../../bench/load/sip-phones.js';
import type { RtpLine, RtpLines } from '../../bench/load/rtp-lines.js';
import { until } from '../../peers/index.js';

/** How long what belongs together may be apart: a page that is loaded again, a message under way on a busy machine. */
const momentMs = 15_000;
/** The BYE of one node may be overtaken by the INVITE of another: so long a phone lets the second wait. */
const hangingUpMs = 5_000;

/** Whom a phone may hear. */
export interface Voice {
  readonly label: string;
  /** What a screen shows of them: a name, or null for "not identified". */
  readonly shownAs: string | null;
}

/** A call on the agent's phone. */
export class Talk {
  dialog: PhoneDialog | undefined;
  voice: Voice | undefined;
  ended = false;
  /** The caller has been on the page. */
  seen = false;
  /** The page went away during the call, so that it may not have been there in time. */
  pageMoved = false;
  /** Packets of the voice when it was last looked at. */
  looked = 0;
  constructor(readonly agent: AgentAtDesk, readonly line: RtpLine) {}
}

export interface Office {
  readonly phones: SipPhones;
  readonly lines: RtpLines;
  /** By the number of the line. */
  readonly voices: ReadonlyMap<number, Voice>;
  /** By the number of the line. */
  readonly talks: Map<number, Talk>;
  readonly random: () => number;
  /** Something that must never be. */
  readonly problem: (text: string) => void;
}

export class AgentAtDesk {
  talk: Talk | undefined;
  /** Talks in which a caller was heard. */
  conversations = 0;
  /** On a break by the agent's own choice. */
  onBreak = false;
  private page: ScreenClient | undefined;
  private moving = false;
  private read = 0;
  private callOnPage: string | undefined;
  private emptySince: number | undefined;
  private leftOverSince: number | undefined;

  constructor(readonly name: string, readonly skills: readonly string[], private readonly office: Office) {}

  get uri(): string {
    return `sip:${this.name}@${this.office.phones.address}`;
  }

  get screen(): ScreenClient {
    return this.page!;
  }

  /** A name, null for "not identified", undefined for nothing. */
  get shown(): string | null | undefined {
    const shown = this.page?.shown;
    return shown && (shown.fields === null ? null : shown.fields['Name'] ?? '');
  }

  /** The page says that the caller is on the line: only then it offers to pass the call on. */
  get isConnected(): boolean {
    const last = this.page?.heard.findLast(({ message }) => message.type === 'connected')?.message;
    return last?.type === 'connected' && last.callId === this.page?.shown?.callId;
  }

  get isMoving(): boolean {
    return this.moving;
  }

  get isFree(): boolean {
    return this.talk === undefined && !this.onBreak && !this.moving && this.callOnPage === undefined;
  }

  sitDown(page: ScreenClient): void {
    this.page = page;
    this.read = 0;
    const hello = page.heard.find(({ message }) => message.type === 'hello')?.message;
    this.callOnPage = hello?.type === 'hello' ? hello.call?.callId : undefined;
    if (this.talk) this.talk.pageMoved = true;
    page.onPop = () => {
      if (this.talk) this.talk.seen = true;
    };
  }

  /** Loads the page again, or opens another tab and closes the first; at any node. */
  async reload(url: string): Promise<void> {
    const before = this.page;
    if (!before || this.moving) return;
    this.moving = true;
    if (this.talk) this.talk.pageMoved = true;
    try {
      if (this.office.random() < 0.5) before.close();
      const page = await before.again(url);
      this.sitDown(page);
      // A person sees what the new page says of them, and sets it right: a break may have begun or ended on the way.
      page.setAvailable(!this.onBreak);
    } finally {
      before.close();
      this.moving = false;
    }
  }

  takeABreak(wanted: boolean): void {
    this.onBreak = wanted;
    if (!this.moving) this.page?.setAvailable(!wanted);
  }

  /** The phone rings. */
  async ring(offer: string): Promise<{ sdp: string; accepted: (dialog: PhoneDialog) => void } | undefined> {
    const { office } = this;
    const before = this.talk;
    if (before) {
      await until(() => before.ended, `the phone of ${this.name} to be hung up`, hangingUpMs, 10).catch(() => undefined);
      if (!before.ended || this.talk) {
        office.problem(`the phone of ${this.name} was called while it had a call`);
        return undefined;
      }
    }
    const line = await office.lines.open();
    const talk = new Talk(this, line);
    talk.pageMoved = this.moving;
    this.talk = talk;
    office.talks.set(line.id, talk);
    line.onHeard = (sender) => this.hear(talk, sender);
    return {
      sdp: line.sdp(office.phones.stack.host),
      accepted: (dialog) => {
        talk.dialog = dialog;
        const { address, port } = mediaOf(offer);
        line.talkWith(address, port);
        dialog.onEnd = () => {
          talk.ended = true;
          line.close();
          if (this.talk === talk) this.talk = undefined;
        };
      },
    };
  }

  /** What is true at every moment; called often. */
  look(): void {
    this.readPage();
    const { talk, shown, office } = this;
    const now = performance.now();
    const speaks = talk !== undefined && talk.line.spoken > talk.looked;
    if (talk) talk.looked = talk.line.spoken;
    if (speaks && shown !== undefined && shown !== talk.voice?.shownAs) office.problem(`${this.name} hears ${talk.voice?.label ?? 'a stranger'} while the screen shows ${shown ?? 'that nobody is identified'}`);
    this.emptySince = speaks && shown === undefined ? this.emptySince ?? now : speaks || !talk ? undefined : this.emptySince;
    if (this.emptySince !== undefined && now - this.emptySince > momentMs) {
      office.problem(`${this.name} hears ${talk?.voice?.label ?? 'a stranger'} with an empty screen`);
      this.emptySince = undefined;
    }
    this.leftOverSince = !talk && shown !== undefined ? this.leftOverSince ?? now : undefined;
    if (this.leftOverSince !== undefined && now - this.leftOverSince > momentMs) {
      office.problem(`the screen of ${this.name} shows ${shown ?? 'that nobody is identified'} without a call`);
      this.leftOverSince = undefined;
    }
  }

  private hear(talk: Talk, sender: number): void {
    const { office } = this;
    const voice = office.voices.get(sender);
    if (!voice) return office.problem(`${this.name} hears somebody who is no caller`);
    if (talk.voice) return office.problem(`${this.name} hears ${voice.label} in the call of ${talk.voice.label}`);
    talk.voice = voice;
    this.conversations += 1;
    // Who is calling is on the screen before the two hear each other.
    if (!talk.seen && !talk.pageMoved) office.problem(`${this.name} hears ${voice.label} and was shown nobody`);
    if (this.shown !== undefined && this.shown !== voice.shownAs) office.problem(`${this.name} hears ${voice.label} and sees ${this.shown ?? 'that nobody is identified'}`);
  }

  /** One call at a time on the page too. */
  private readPage(): void {
    const { page } = this;
    if (!page) return;
    for (const { message } of page.heard.slice(this.read)) {
      if (message.type === 'offer') {
        if (this.callOnPage !== undefined && this.callOnPage !== message.call.callId) this.office.problem(`${this.name} was offered a call while the screen had another`);
        this.callOnPage = message.call.callId;
      }
      if (message.type === 'clear' && message.callId === this.callOnPage) this.callOnPage = undefined;
    }
    this.read = page.heard.length;
  }
}
