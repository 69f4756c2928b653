/** What the agent's screen shows of one call. Attributes pass through here on their way and are not kept. */
import { randomUUID } from 'node:crypto';
import type { PairingInvitation, RevealedIdentity } from '../../core-bridge/index.js';
import type { AgentConfig } from '../../config/index.js';
import { words, type Voice } from '../../ivr/index.js';
import type { ShownBecause } from '../happenings.js';
import type { OfferedCall } from '../screen/contract.js';
import { withoutMasked } from '../screen/masking.js';
import { problemOf, type LiveCall } from './live-call.js';
import { whisperToAgent } from './whisper.js';
import type { CallEvent, CallIdentity, Effect } from './machine.js';

/** What a view asks of the call it belongs to. */
export interface AgentViewOptions {
  readonly canIdentify: boolean;
  waitedMs(): number;
  purpose(): string;
  /** Whether this session's identity was proved while the caller was on the line. */
  provedDuringCall(sessionId: string): boolean;
}

/** Whose screen it is: that of the agent who has the call, or of the colleague who is brought in. */
export interface PartInCall {
  /** What its page may do, and where the call comes from. */
  offered(): Pick<OfferedCall, 'canIdentify' | 'canTransfer' | 'transferredBy' | 'guest' | 'broughtInBy'>;
  /** Whether this pop is the present one, and the call is with this agent still. */
  isPresent(agent: string, revealId: string): boolean;
  /** Whether a pop has to be acknowledged now, before voices meet. */
  isAwaited(): boolean;
  /** Whether caller and agent hear each other. */
  talking(): boolean;
  /** The agent's phone as something to speak to, until `gone`. */
  voice(): Promise<{ voice: Voice; gone: AbortSignal }>;
  /** What became of a pop, for the call machine. */
  readonly told: Readonly<Record<'acknowledged' | 'missed' | 'declined', (revealId: string) => CallEvent>>;
}

/** Times that a pop which nothing has drawn is sent again. */
const mostSentAgain = 3;

/** What goes to a screen of an identity: the rest of it stays sealed until asked for. */
type Bare = ReturnType<typeof withoutMasked>;
type ClearReason = Extract<Effect, { do: 'clearScreen' }>['because'];

export class AgentView {
  private shownTo: string | undefined;
  private warned = false;
  /** The pop that was drawn last, and how often the present one was sent again. */
  private drawn: string | undefined;
  private sentAgain = 0;
  /** When the last digit of the code was typed, until the pop is measured. */
  private enteredAt: number | undefined;

  /** @param part changes when a colleague who was brought in becomes the call's agent */
  constructor(private readonly call: LiveCall, private readonly options: AgentViewOptions, public part: PartInCall) {}

  /** The last digit of a code was typed. */
  codeEntered(): void {
    this.enteredAt = performance.now();
  }

  offer(agent: string, identified: CallIdentity): void {
    this.tell(agent, identified);
    this.shownTo = agent;
    if (this.warned) this.call.context.screens.warn(agent, this.call.id, 'codeUsedAgain');
  }

  private tell(agent: string, identified: CallIdentity): void {
    const { id, context: { screens }, service } = this.call;
    screens.offer(agent, { callId: id, service: service.name, language: service.language, waitedMs: this.options.waitedMs(), identified, ...this.part.offered() });
  }

  /** What the page may do, or who is there, has changed. */
  update(agent: string): void {
    if (this.shownTo === agent) this.tell(agent, this.call.state.identity);
  }

  /** The identity whose attributes are on the agent's screen while the two talk; undefined otherwise. @throws VaultError */
  async shownIdentity(): Promise<{ agent: string; identity: RevealedIdentity } | undefined> {
    const { call } = this;
    const { sessionId, revealId, guest } = call.state;
    const agent = this.shownTo;
    const isOurs = (): boolean => agent !== undefined && [revealId, guest?.revealId].some((one) => one !== undefined && this.part.isPresent(agent, one));
    if (agent === undefined || sessionId === undefined || !isOurs() || !this.part.talking()) return undefined;
    const identity = await call.incoming.tenant.vault.reveal(sessionId, call.id);
    return this.shownTo === agent && call.state.sessionId === sessionId ? { agent, identity } : undefined;
  }

  /** Hands the attributes of a session, or that there are none, to the agent's screen, if the call is still there when they are unsealed. */
  reveal(agent: string, revealId: string, sessionId: string | undefined, cause: CallEvent['type']): void {
    const { call } = this;
    const { vault } = call.incoming.tenant;
    if (this.part.isAwaited() && this.whispersTo(agent)) return this.whisper(agent, revealId, sessionId, cause);
    if (this.part.isAwaited()) call.after(call.context.config.calls.ackTimeoutMs, () => call.handle(this.part.told.missed(revealId)));
    else if (sessionId !== undefined) this.expectDrawn(agent, revealId);
    if (sessionId === undefined) return this.show(agent, revealId, undefined, null);
    const why = whyShown(cause, call.state.transferredBy);
    vault.identity(sessionId, call.id).then(async (identity) => {
      if (identity !== 'verified') return this.show(agent, revealId, sessionId, null);
      const bare = withoutMasked(await vault.reveal(sessionId, call.id), call.incoming.tenant.config.screen.masked);
      // Unsealing took its time, and recording does.
      if (!this.isToShow(agent, revealId, sessionId)) return;
      await this.record(agent, why, Object.keys(bare.identity.attributes));
      this.show(agent, revealId, sessionId, bare);
    }).catch((error: unknown) => {
      call.log.error({ problem: problemOf(error) }, 'identity could not be shown');
      this.show(agent, revealId, undefined, null);
    });
  }

  /**
   * A pop in the middle of the conversation holds nothing up. One that no page has drawn in time is sent again, a few
   * times: it may have been lost with the page it was sent to.
   */
  private expectDrawn(agent: string, revealId: string): void {
    const { call } = this;
    call.after(call.context.config.calls.ackTimeoutMs, () => {
      const { screens } = call.context;
      if (this.drawn === revealId || !this.part.isPresent(agent, revealId) || !screens.isPresent(agent) || this.sentAgain >= mostSentAgain) return;
      this.sentAgain += 1;
      call.log.info({ agent }, 'no page has drawn what it was shown; it is sent again');
      this.returned(agent);
    });
  }

  /** The agent's page has drawn this pop. */
  acknowledged(revealId: string): void {
    this.drawn = revealId;
    this.sentAgain = 0;
  }

  /** Whether this agent, who has no screen open, is to be told on the phone who calls. */
  whispersTo(agent: string): boolean {
    return this.accountOf(agent)?.whisper !== undefined && !this.call.context.screens.isPresent(agent);
  }

  private accountOf(agent: string): AgentConfig | undefined {
    return this.call.incoming.tenant.agent(agent);
  }

  /** In place of the pop: what is said on the agent's phone, and 1 in place of the acknowledgement. */
  private whisper(agent: string, revealId: string, sessionId: string | undefined, cause: CallEvent['type']): void {
    const { call } = this;
    const { vault } = call.incoming.tenant;
    const why = whyShown(cause, call.state.transferredBy);
    const tell = async () => {
      const unsealed = async () => (sessionId !== undefined && (await vault.identity(sessionId, call.id)) === 'verified' ? vault.reveal(sessionId, call.id) : null);
      // What cannot be unsealed is not told; the caller is connected all the same.
      const identity = await unsealed().catch((error: unknown) => {
        call.log.error({ problem: problemOf(error) }, 'identity could not be told');
        return null;
      });
      const { voice, gone } = await this.part.voice();
      if (!this.isToShow(agent, revealId, sessionId)) return;
      const signal = AbortSignal.any([call.over, gone]);
      const end = await whisperToAgent(call, voice, call.context.pins, {
        agent: () => (this.isToShow(agent, revealId, sessionId) ? this.accountOf(agent) : undefined), identity, waitedMs: this.options.waitedMs(), record: (fields) => this.record(agent, why, fields),
      }, signal);
      call.handle(this.part.told[end === 'taken' && this.accountOf(agent) ? 'acknowledged' : 'declined'](revealId));
    };
    tell().catch((error: unknown) => {
      if (call.over.aborted || !this.part.isPresent(agent, revealId)) return;
      call.log.warn({ agent, problem: problemOf(error) }, 'the agent could not be told who calls');
      call.handle(this.part.told.declined(revealId));
    });
  }

  /** It stands in the audit trail before it is on a screen. @throws AuditError: then nothing may be shown */
  private async record(agent: string, why: ShownBecause, fields: string[]): Promise<void> {
    const { id, context, incoming } = this.call;
    await context.audit().shown({ tenant: incoming.tenant.config.name, callId: id, agent, why, fields });
    this.call.happened({ type: 'call.shown', agent, why, fields });
  }

  /** Whether the call is still with this agent, and the session still the call's: it may be deleted by now, and the pop announced anew without it. */
  private isToShow(agent: string, revealId: string, sessionId: string | undefined): boolean {
    return this.part.isPresent(agent, revealId) && (sessionId === undefined || this.call.state.sessionId === sessionId);
  }

  private show(agent: string, revealId: string, sessionId: string | undefined, bare: Bare | null): void {
    if (!this.isToShow(agent, revealId, sessionId)) return;
    const { state, id, context: { screens, metrics }, incoming } = this.call;
    if (this.shownTo !== agent) this.offer(agent, bare ? state.identity : 'none');
    const purposeLabel = incoming.tenant.config.purposeLabels[this.options.purpose()];
    const how = sessionId !== undefined && this.options.provedDuringCall(sessionId) ? 'duringCall' : 'beforeCall';
    const onScreen = screens.reveal(agent, {
      callId: id, revealId, identity: bare?.identity ?? null, how,
      ...(bare && { masked: bare.masked }), ...(purposeLabel === undefined ? {} : { purposeLabel }),
    });
    if (onScreen && bare && this.enteredAt !== undefined) {
      metrics.revealed(performance.now() - this.enteredAt);
      this.enteredAt = undefined;
    }
    if (this.part.talking()) screens.connected(agent, id);
  }

  /** The agent wants to see a masked value: it is unsealed for that, and recorded. */
  unmask(agent: string, revealId: string, field: string): void {
    const { call } = this;
    const { sessionId } = call.state;
    const answer = (value: string | null) => call.context.screens.unmasked(agent, { callId: call.id, revealId, field, value });
    if (sessionId === undefined || !this.part.isPresent(agent, revealId)) return answer(null);
    call.incoming.tenant.vault.reveal(sessionId, call.id).then(async ({ attributes }) => {
      const value = Object.hasOwn(attributes, field) ? attributes[field] : undefined;
      if (value !== undefined) await this.record(agent, 'unmasked', [field]);
      answer(value !== undefined && call.state.sessionId === sessionId && this.part.isPresent(agent, revealId) ? value : null);
    }).catch((error: unknown) => {
      call.log.error({ problem: problemOf(error) }, 'masked value could not be shown');
      answer(null);
    });
  }

  connected(agent: string): void {
    this.call.context.screens.connected(agent, this.call.id);
  }

  clear(agent: string, because: ClearReason): void {
    const { id, context: { screens } } = this.call;
    this.shownTo = undefined;
    screens.clear(agent, id, because);
    this.call.happened({ type: 'call.cleared', agent, because });
  }

  get isWarned(): boolean {
    return this.warned;
  }

  /** The code of this call was typed again elsewhere. */
  warn(): void {
    this.warned = true;
    if (this.shownTo !== undefined) this.call.context.screens.warn(this.shownTo, this.call.id, 'codeUsedAgain');
  }

  showInvitation(agent: string, { address, pairingCode, expiresAt }: PairingInvitation): void {
    this.call.context.screens.invitation(agent, { callId: this.call.id, address, pairingCode, expiresInMs: Math.max(0, expiresAt.getTime() - Date.now()) });
  }

  confirmWord(agent: string, confirmId: string, word: number): void {
    this.call.context.screens.confirmWord(agent, { callId: this.call.id, confirmId, word: words[this.call.service.language][word] ?? '' });
  }

  /** The agent's page is back: the machine decides what it gets. */
  returned(agent: string): void {
    this.call.handle({ type: 'screenReturned', agent, revealId: randomUUID() });
  }
}

function whyShown(cause: CallEvent['type'], transferredBy: string | undefined): ShownBecause {
  switch (cause) {
    case 'screenReturned': return 'returned';
    case 'resultArrived': return 'lateResult';
    case 'wordCompared': return 'duringCall';
    case 'agentBound': return transferredBy === undefined ? 'handedOver' : 'transferred';
    case 'successorAnswered': return 'transferred';
    case 'guestAnswered': return 'broughtIn';
    default: return transferredBy === undefined ? 'answered' : 'transferred';
  }
}
