import type {
  Availability, ClearReason, GuestProblem, Identified, Invitation, InvitationProblem, OfferedCall, Revelation, SeatOnScreen, TransferProblem, TransferTarget, TransferTargets, Unmasked, Warning, WordToCompare,
} from './contract.js';
import { identityForPage, maskedNames, plainSettings, valueForPage, type ScreenSettings } from './labels.js';
import type { CallOnPage, PageMessage, Phase, SeatOnPage, ServerMessage } from './messages.js';

/** A page as this module needs it: somewhere to send to. Identity of the object says which page it is. */
export interface Page {
  send(message: ServerMessage): boolean;
}

export type AgentAct =
  | { type: 'availability'; value: Availability }
  | { type: 'acknowledged'; callId: string; revealId: string }
  | { type: 'endRequested'; callId: string }
  | { type: 'identifyRequested'; callId: string }
  | { type: 'identifyWithdrawn'; callId: string }
  | { type: 'wordConfirmed'; callId: string; confirmId: string; same: boolean }
  | { type: 'unmaskRequested'; callId: string; revealId: string; field: string }
  | { type: 'transferRequested'; callId: string; target: TransferTarget }
  | { type: 'bringInRequested'; callId: string; colleague: string }
  | { type: 'guestOutRequested'; callId: string }
  | { type: 'leaveRequested'; callId: string }
  /** Not for the desk: the page wants to know where the call could go. */
  | { type: 'targetsWanted'; callId: string }
  | { type: 'leaseLost'; callId: string }
  | { type: 'wrapUpDone' };

export interface AgentScreenOptions {
  beatIntervalMs: number;
  beatTimeoutMs: number;
  /** How long a shown call may go without being renewed; Infinity: for ever. */
  leaseMs?: number;
  /** How attributes are shown. */
  settings?: ScreenSettings;
  /** How long a value that was asked for stands; default one minute. */
  unmaskForMs?: number;
}

/** More colleagues or services than anybody looks through. */
const maxTargets = 500;
/** A transfer that nobody answered for may be asked for again after this long. */
const transferAnswerMs = 60_000;

interface ShownCall {
  offered: OfferedCall;
  identified: Identified;
  readonly offeredAt: number;
  phase: Phase;
  connectedAt: number | undefined;
  /** The newest reveal, and the only page it was sent to. Attributes themselves are never kept here. */
  reveal: { revealId: string; page: Page; acknowledged: boolean; isIdentity: boolean; masked: ReadonlySet<string>; asked: Set<string> } | undefined;
  /** The word comparison that is asked now, and the only page it was asked on. The word itself is not kept. */
  comparison: { confirmId: string; page: Page } | undefined;
  warning: Warning | undefined;
  transferAskedAt: number | undefined;
  leaseUntil: number;
}

/**
 * What one agent's screen shows, and which of the agent's pages is the screen. At most one page and one call at a
 * time; every message about another call or from another page is without effect.
 */
export class AgentScreen {
  /** As a page that opens is told. */
  displayName: string;
  readonly #beats: { beatIntervalMs: number; beatTimeoutMs: number };
  readonly #leaseMs: number;
  readonly #settings: ScreenSettings;
  readonly #unmaskForMs: number;
  readonly #now: () => number;
  #page: Page | undefined;
  #call: ShownCall | undefined;
  #seat: SeatOnScreen | undefined;
  availability: Availability = 'available';

  constructor(displayName: string, { beatIntervalMs, beatTimeoutMs, leaseMs = Infinity, settings = plainSettings, unmaskForMs = 60_000 }: AgentScreenOptions, now: () => number) {
    this.displayName = displayName;
    this.#beats = { beatIntervalMs, beatTimeoutMs };
    this.#leaseMs = leaseMs;
    this.#settings = settings;
    this.#unmaskForMs = unmaskForMs;
    this.#now = now;
  }

  get page(): Page | undefined {
    return this.#page;
  }

  get callId(): string | undefined {
    return this.#call?.offered.callId;
  }

  /** Makes this page the screen. It learns what holds nothing private; attributes must be revealed to it anew. */
  attach(page: Page): void {
    this.#page = page;
    this.#forgetPage();
    page.send({ type: 'hello', agent: this.displayName, availability: this.availability, seat: this.#seatOnPage(), call: this.#callOnPage(), ...this.#beats });
  }

  /** @returns true when this page was the screen, so that now there is none */
  detach(page: Page): boolean {
    if (this.#page !== page) return false;
    this.#page = undefined;
    this.#forgetPage();
    return true;
  }

  offer(call: OfferedCall): void {
    const shown = this.#call;
    if (shown?.offered.callId === call.callId) {
      // How long the caller has waited is counted on from the first offer.
      shown.offered = { ...call, waitedMs: shown.offered.waitedMs };
      if (call.guest) shown.transferAskedAt = undefined;
      if (!shown.reveal?.isIdentity) shown.identified = call.identified;
      return this.#send({ type: 'update', call: this.#callOnPage()! });
    }
    if (shown) this.clear(shown.offered.callId, 'ended');
    const now = this.#now();
    this.#call = {
      offered: { ...call }, identified: call.identified, offeredAt: now,
      phase: call.connectedMs === undefined ? 'ringing' : 'connected', connectedAt: call.connectedMs === undefined ? undefined : now - call.connectedMs,
      reveal: undefined, comparison: undefined, warning: undefined, transferAskedAt: undefined, leaseUntil: now + this.#leaseMs,
    };
    this.#send({ type: 'offer', call: this.#callOnPage()! });
  }

  reveal(revelation: Revelation): boolean {
    const call = this.#call;
    const page = this.#page;
    if (!call || call.offered.callId !== revelation.callId || !page) return false;
    const masked = revelation.identity ? maskedNames(revelation.identity, revelation.masked, this.#settings) : new Set<string>();
    call.reveal = { revealId: revelation.revealId, page, acknowledged: false, isIdentity: revelation.identity !== null, masked, asked: new Set() };
    if (call.phase === 'ringing') call.phase = 'answered';
    // What was true when the call was offered may not be any more; the page never says both.
    if (revelation.identity) call.identified = 'verified';
    else if (revelation.identified) call.identified = revelation.identified;
    else if (call.identified === 'verified') call.identified = 'none';
    const identity = revelation.identity && identityForPage(revelation.identity, revelation, this.#settings, this.#now());
    return page.send({ type: 'reveal', callId: revelation.callId, revealId: revelation.revealId, identified: call.identified, identity, ...(revelation.how === undefined ? {} : { how: revelation.how }) });
  }

  invitation({ callId, address, pairingCode, expiresInMs }: Invitation): void {
    const call = this.#call;
    if (!call || call.offered.callId !== callId) return;
    call.comparison = undefined;
    this.#send({ type: 'invitation', callId, address, pairingCode, expiresInMs });
  }

  invitationFailed(callId: string, reason: InvitationProblem): void {
    if (this.callId === callId) this.#send({ type: 'invitationFailed', callId, reason });
  }

  confirmWord({ callId, confirmId, word }: WordToCompare): void {
    const call = this.#call;
    if (!call || !this.#page || call.offered.callId !== callId) return;
    call.comparison = { confirmId, page: this.#page };
    this.#send({ type: 'confirmWord', callId, confirmId, word });
  }

  identifyFailed(callId: string): void {
    const call = this.#call;
    if (!call || call.offered.callId !== callId) return;
    call.comparison = undefined;
    this.#send({ type: 'identifyFailed', callId });
  }

  warn(callId: string, warning: Warning): void {
    const call = this.#call;
    if (!call || call.offered.callId !== callId) return;
    call.warning = warning;
    this.#send({ type: 'warning', callId, warning });
  }

  unmasked({ callId, revealId, field, value }: Unmasked): void {
    const call = this.#call;
    const reveal = call?.reveal;
    if (!call || !reveal || call.offered.callId !== callId || reveal.revealId !== revealId || !reveal.asked.delete(field)) return;
    const shown = value === null ? { value, shortened: false } : valueForPage(value);
    reveal.page.send({ type: 'unmasked', callId, revealId, field, ...shown, hideAfterMs: this.#unmaskForMs });
  }

  transferTargets(callId: string, targets: TransferTargets): void {
    if (this.callId !== callId) return;
    const agents = targets.agents.slice(0, maxTargets);
    const services = targets.services.slice(0, maxTargets);
    this.#send({ type: 'transferTargets', callId, targets: { agents, services, outside: targets.outside } });
  }

  transferFailed(callId: string, reason: TransferProblem): void {
    const call = this.#call;
    if (!call || call.offered.callId !== callId) return;
    call.transferAskedAt = undefined;
    this.#send({ type: 'transferFailed', callId, reason });
  }

  guestGone(callId: string, reason: GuestProblem): void {
    if (this.callId === callId) this.#send({ type: 'guestGone', callId, reason });
  }

  renewLease(callId: string): void {
    const call = this.#call;
    if (!call || call.offered.callId !== callId || this.#leaseMs === Infinity) return;
    // Too late: whatever the order of timers after this process stood still, it goes first.
    if (this.#now() >= call.leaseUntil) return;
    call.leaseUntil = this.#now() + this.#leaseMs;
    this.#send({ type: 'lease', callId, forMs: this.#leaseMs });
  }

  /** Takes a call off that was not renewed in time. @returns its id */
  endLease(): string | undefined {
    const call = this.#call;
    if (!call || this.#now() < call.leaseUntil) return undefined;
    this.clear(call.offered.callId, 'leaseEnded');
    return call.offered.callId;
  }

  seat(seat: SeatOnScreen): void {
    this.#seat = { ...seat };
    this.#send({ type: 'seat', seat: this.#seatOnPage()! });
  }

  connected(callId: string): void {
    const call = this.#call;
    if (!call || call.offered.callId !== callId) return;
    call.phase = 'connected';
    call.connectedAt ??= this.#now();
    this.#send({ type: 'connected', callId, connectedMs: this.#now() - call.connectedAt });
  }

  clear(callId: string, reason: ClearReason): void {
    if (this.#call?.offered.callId !== callId) return;
    this.#call = undefined;
    this.#send({ type: 'clear', callId, reason });
  }

  /** @returns whether that is a change; the page is told anyway */
  setAvailability(value: Availability): boolean {
    const changed = this.availability !== value;
    this.availability = value;
    this.#send({ type: 'availability', value });
    return changed;
  }

  /** @returns what the agent did, if the message came from the screen and is about what it shows now */
  hear(page: Page, message: PageMessage): AgentAct | undefined {
    if (page !== this.#page) return undefined;
    const call = this.#call;
    switch (message.type) {
      case 'availability':
        return this.setAvailability(message.value) ? { type: 'availability', value: message.value } : undefined;
      case 'ack': {
        const reveal = call?.reveal;
        if (!call || !reveal || call.offered.callId !== message.callId) return undefined;
        if (reveal.page !== page || reveal.revealId !== message.revealId || reveal.acknowledged) return undefined;
        reveal.acknowledged = true;
        return { type: 'acknowledged', callId: message.callId, revealId: message.revealId };
      }
      case 'end':
        return call && call.offered.callId === message.callId && call.phase !== 'ringing' ? { type: 'endRequested', callId: message.callId } : undefined;
      case 'identify':
        if (!call || call.offered.callId !== message.callId || call.phase !== 'connected' || !call.offered.canIdentify) return undefined;
        // Whatever was asked of the agent before is about an invitation that is void from now on.
        call.comparison = undefined;
        return { type: 'identifyRequested', callId: message.callId };
      case 'withdraw':
        if (!call || call.offered.callId !== message.callId) return undefined;
        call.comparison = undefined;
        return { type: 'identifyWithdrawn', callId: message.callId };
      case 'word': {
        const comparison = call?.comparison;
        if (!call || !comparison || call.offered.callId !== message.callId) return undefined;
        if (comparison.page !== page || comparison.confirmId !== message.confirmId) return undefined;
        call.comparison = undefined;
        return { type: 'wordConfirmed', callId: message.callId, confirmId: message.confirmId, same: message.same };
      }
      case 'unmask': {
        const reveal = call?.reveal;
        if (!call || !reveal || call.offered.callId !== message.callId || reveal.page !== page || reveal.revealId !== message.revealId) return undefined;
        if (!reveal.masked.has(message.field) || reveal.asked.has(message.field)) return undefined;
        reveal.asked.add(message.field);
        return { type: 'unmaskRequested', callId: message.callId, revealId: message.revealId, field: message.field };
      }
      case 'transferTargets':
        return this.#canTransfer(message.callId) ? { type: 'targetsWanted', callId: message.callId } : undefined;
      case 'transfer':
        return this.#asksTransfer(message.callId) ? { type: 'transferRequested', callId: message.callId, target: message.target } : undefined;
      case 'bringIn':
        return this.#asksTransfer(message.callId) ? { type: 'bringInRequested', callId: message.callId, colleague: message.colleague } : undefined;
      case 'guestOut':
        return call?.offered.callId === message.callId && call.offered.guest ? { type: 'guestOutRequested', callId: message.callId } : undefined;
      case 'leave':
        return call?.offered.callId === message.callId && mayLeave(call) ? { type: 'leaveRequested', callId: message.callId } : undefined;
      case 'leaseEnded':
        if (!call || call.offered.callId !== message.callId) return undefined;
        this.clear(message.callId, 'leaseEnded');
        return { type: 'leaseLost', callId: message.callId };
      case 'wrapUpDone':
        return this.#seat?.state === 'wrapUp' ? { type: 'wrapUpDone' } : undefined;
      case 'beat':
      case 'active':
        return undefined;
    }
  }

  /** What was asked of, or drawn by, a page that is not the screen any more is void. */
  #forgetPage(): void {
    if (!this.#call) return;
    this.#call.reveal = undefined;
    this.#call.comparison = undefined;
  }

  #canTransfer(callId: string): boolean {
    const call = this.#call;
    return call?.offered.callId === callId && call.phase === 'connected' && call.offered.canTransfer === true && !call.offered.guest;
  }

  /** Once until it is answered. */
  #asksTransfer(callId: string): boolean {
    const call = this.#call;
    if (!call || !this.#canTransfer(callId)) return false;
    if (call.transferAskedAt !== undefined && this.#now() - call.transferAskedAt < transferAnswerMs) return false;
    call.transferAskedAt = this.#now();
    return true;
  }

  #seatOnPage(): SeatOnPage | null {
    if (!this.#seat) return null;
    const { state, untilMs } = this.#seat;
    return { state, ...(untilMs === undefined ? {} : { endsInMs: Math.max(0, untilMs - this.#now()) }) };
  }

  #send(message: ServerMessage): void {
    this.#page?.send(message);
  }

  #callOnPage(): CallOnPage | null {
    const call = this.#call;
    if (!call) return null;
    const now = this.#now();
    const { callId, service, language, waitedMs, canIdentify, canTransfer, transferredBy, guest, broughtInBy } = call.offered;
    const onPage: CallOnPage = {
      callId, service, language, identified: call.identified, phase: call.phase, canIdentify, canTransfer: canTransfer === true, transferredBy: transferredBy ?? null,
      guest: guest ?? null, broughtInBy: broughtInBy ?? null,
      warning: call.warning ?? null, waitedMs: waitedMs + (now - call.offeredAt),
    };
    if (call.connectedAt !== undefined) onPage.connectedMs = now - call.connectedAt;
    if (this.#leaseMs !== Infinity) onPage.leaseMs = Math.max(0, call.leaseUntil - now);
    return onPage;
  }
}

/** Somebody stays with the caller: the guest, or the one who asked this guest in. */
const mayLeave = ({ offered, phase }: ShownCall): boolean => offered.guest?.isJoined === true || (offered.broughtInBy !== undefined && phase !== 'ringing');
