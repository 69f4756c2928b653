import { EventEmitter } from 'node:events';
import type { FastifyPluginAsync } from 'fastify';
import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import type { Session, SignIn } from '../sign-in/sign-in.js';
import { AgentScreen, type AgentAct, type Page } from './agent-screen.js';
import type {
  Availability, ClearReason, GuestProblem, Invitation, InvitationProblem, LocalScreens, OfferedCall, Revelation, ScreenEvents, SeatOnScreen, TransferProblem, TransferTargets, Unmasked, Warning, WordToCompare,
} from './contract.js';
import type { ScreenSettings } from './labels.js';
import { closeCodes, saidByItself } from './messages.js';
import { PageSocket } from './page-socket.js';
import { screenRoutes } from './plugin.js';

export type * from './contract.js';

export interface ScreenAgent {
  /** As in the configuration. */
  name: string;
  displayName: string;
  /** How attributes are shown on this agent's screen; the built-in labels if left out. */
  settings?: ScreenSettings;
}

export interface ScreensOptions {
  agents: readonly ScreenAgent[];
  /** Says who is there; outlives the screens. */
  signIn: SignIn;
  log: Logger;
  beatIntervalMs?: number;
  /** A page silent for this long is gone; default 9 seconds. */
  beatTimeoutMs?: number;
  /** A shown call that is not renewed (`renewLease`) for this long is taken off; default 10 seconds. Infinity: calls need no renewal. */
  leaseMs?: number;
  /** How long a masked value that an agent asked for stands; default one minute. */
  unmaskForMs?: number;
  /** Where an agent may transfer a caller to; asked when the agent opens the dialogue. None: nowhere. */
  targets?: (agent: string) => TransferTargets | Promise<TransferTargets>;
  /** A page said more than a page of a person does, and was closed for it. */
  onFlood?: () => void;
  now?: () => number;
}

/** The agents' screens: the desk's side (Screens) and the listener's side (a room for `agentsListener`). */
export interface AgentScreens extends LocalScreens {
  readonly plugin: FastifyPluginAsync;
  /** These are the agents from now on. The logins of those who left are over already. */
  replaceAgents(agents: readonly ScreenAgent[]): void;
  /** Tells every page to go, and stops every timer. Idempotent. */
  close(): void;
}

const leaseCheckMs = 500;
const nowhere: TransferTargets = { agents: [], services: [], outside: false };

export function createScreens(options: ScreensOptions): AgentScreens {
  return new LiveScreens(options);
}

class LiveScreens extends EventEmitter<ScreenEvents> implements AgentScreens {
  readonly plugin: FastifyPluginAsync;
  readonly #screens = new Map<string, AgentScreen>();
  /** Every open page with the login it came by; only the newest of an agent is the agent's screen. */
  readonly #pages = new Map<PageSocket, Session>();
  readonly #leases: NodeJS.Timeout;
  readonly #targets: (agent: string) => TransferTargets | Promise<TransferTargets>;
  readonly #onFlood: () => void;
  readonly #log: Logger;
  readonly #beats: { beatIntervalMs: number; beatTimeoutMs: number };
  readonly #screenOf: (agent: ScreenAgent) => AgentScreen;
  #closed = false;

  constructor(options: ScreensOptions) {
    super();
    const now = options.now ?? Date.now;
    this.#log = options.log;
    this.#beats = { beatIntervalMs: options.beatIntervalMs ?? 3000, beatTimeoutMs: options.beatTimeoutMs ?? 9000 };
    const { leaseMs = 10_000, unmaskForMs } = options;
    const times = { ...this.#beats, leaseMs, ...(unmaskForMs !== undefined && { unmaskForMs }) };
    this.#screenOf = ({ displayName, settings }) => new AgentScreen(displayName, { ...times, ...(settings && { settings }) }, now);
    this.replaceAgents(options.agents);
    this.#targets = options.targets ?? (() => nowhere);
    this.#onFlood = options.onFlood ?? (() => undefined);
    this.#leases = setInterval(() => this.#endLeases(), leaseCheckMs);
    this.#leases.unref();
    const { signIn } = options;
    signIn.on('started', (session) => this.#signedIn(session));
    signIn.on('ended', (session) => this.#sessionEnded(session));
    signIn.on('locked', (session) => this.#sessionLocked(session));
    signIn.on('unlocked', (session) => this.#sessionUnlocked(session));
    signIn.busyWhen((session) => this.#isBusy(session));
    this.plugin = screenRoutes(signIn, { opened: (socket, session) => this.#socketOpened(socket, session) });
  }

  offer(agent: string, call: OfferedCall): void {
    this.#screens.get(agent)?.offer(call);
  }

  reveal(agent: string, revelation: Revelation): boolean {
    return this.#screens.get(agent)?.reveal(revelation) ?? false;
  }

  invitation(agent: string, invitation: Invitation): void {
    this.#screens.get(agent)?.invitation(invitation);
  }

  invitationFailed(agent: string, { callId, reason }: { callId: string; reason: InvitationProblem }): void {
    this.#screens.get(agent)?.invitationFailed(callId, reason);
  }

  confirmWord(agent: string, word: WordToCompare): void {
    this.#screens.get(agent)?.confirmWord(word);
  }

  identifyFailed(agent: string, callId: string): void {
    this.#screens.get(agent)?.identifyFailed(callId);
  }

  warn(agent: string, callId: string, warning: Warning): void {
    this.#screens.get(agent)?.warn(callId, warning);
  }

  connected(agent: string, callId: string): void {
    this.#screens.get(agent)?.connected(callId);
  }

  unmasked(agent: string, unmasked: Unmasked): void {
    this.#screens.get(agent)?.unmasked(unmasked);
  }

  transferFailed(agent: string, { callId, reason }: { callId: string; reason: TransferProblem }): void {
    this.#screens.get(agent)?.transferFailed(callId, reason);
  }

  guestGone(agent: string, { callId, reason }: { callId: string; reason: GuestProblem }): void {
    this.#screens.get(agent)?.guestGone(callId, reason);
  }

  renewLease(agent: string, callId: string): void {
    this.#screens.get(agent)?.renewLease(callId);
  }

  seat(agent: string, seat: SeatOnScreen): void {
    this.#screens.get(agent)?.seat(seat);
  }

  clear(agent: string, callId: string, reason: ClearReason): void {
    this.#screens.get(agent)?.clear(callId, reason);
  }

  isPresent(agent: string): boolean {
    return this.#screens.get(agent)?.page !== undefined;
  }

  availabilityOf(agent: string): Availability {
    return this.#screens.get(agent)?.availability ?? 'break';
  }

  callOn(agent: string): string | undefined {
    return this.#screens.get(agent)?.callId;
  }

  displace(agent: string): void {
    const screen = this.#screens.get(agent);
    if (!screen) return;
    this.#replace(screen.page);
    if (screen.callId !== undefined) screen.clear(screen.callId, 'ended');
  }

  setAvailability(agent: string, value: Availability): void {
    if (this.#screens.get(agent)?.setAvailability(value)) this.emit('availability', agent, value);
  }

  replaceAgents(agents: readonly ScreenAgent[]): void {
    const names = new Set(agents.map(({ name }) => name));
    for (const name of this.#screens.keys()) if (!names.has(name)) this.#screens.delete(name);
    for (const agent of agents) {
      const screen = this.#screens.get(agent.name);
      if (screen) screen.displayName = agent.displayName;
      else this.#screens.set(agent.name, this.#screenOf(agent));
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#leases);
    for (const page of [...this.#pages.keys()]) page.close(closeCodes.goingAway);
  }

  #tell(agent: string, act: AgentAct): void {
    switch (act.type) {
      case 'availability': this.emit('availability', agent, act.value); break;
      case 'acknowledged': this.emit('acknowledged', agent, act.callId, act.revealId); break;
      case 'wordConfirmed': this.emit('wordConfirmed', agent, act.callId, act.confirmId, act.same); break;
      case 'unmaskRequested': this.emit('unmaskRequested', agent, act.callId, act.revealId, act.field); break;
      case 'transferRequested': this.emit('transferRequested', agent, act.callId, act.target); break;
      case 'bringInRequested': this.emit('bringInRequested', agent, act.callId, act.colleague); break;
      case 'wrapUpDone': this.emit('wrapUpDone', agent); break;
      case 'targetsWanted': void this.#showTargets(agent, act.callId); break;
      default: this.emit(act.type, agent, act.callId);
    }
  }

  async #showTargets(agent: string, callId: string): Promise<void> {
    try {
      this.#screens.get(agent)?.transferTargets(callId, await this.#targets(agent));
    } catch (error) {
      this.#log.warn({ err: error, agent }, 'where a call could go is not known');
      this.#screens.get(agent)?.transferFailed(callId, 'unknown');
    }
  }

  #endLeases(): void {
    for (const [agent, screen] of this.#screens) {
      const callId = screen.endLease();
      if (callId === undefined) continue;
      this.#log.warn({ agent, callId }, 'a call on a screen was not renewed: taken off');
      this.emit('leaseLost', agent, callId);
    }
  }

  #signedIn(session: Session): void {
    const screen = this.#screens.get(session.agent);
    if (screen && screen.page === undefined) screen.availability = 'available';
  }

  #socketOpened(socket: WebSocket, session: Session): void {
    const page: PageSocket = new PageSocket(socket, { ...this.#beats, onFlood: this.#onFlood, log: this.#log.child({ agent: session.agent }) }, (message) => {
      // Only what a person does counts; an acknowledgement is the page's own.
      if (!saidByItself.has(message.type)) session.touch();
      const act = this.#screens.get(session.agent)?.hear(page, message);
      if (!act) return;
      this.#tell(session.agent, act);
    });
    this.#opened(page, session);
  }

  #opened(page: PageSocket, session: Session): void {
    const screen = this.#screens.get(session.agent);
    if (!screen || this.#closed || !session.isLive) return page.close(closeCodes.loggedOut);
    this.#pages.set(page, session);
    page.onClose(() => {
      this.#pages.delete(page);
      if (screen.detach(page)) {
        this.#log.info({ agent: session.agent }, 'screen gone');
        this.emit('gone', session.agent);
      }
    });
    const older = screen.page;
    screen.attach(page);
    this.#replace(older);
    this.#log.info({ agent: session.agent, tookOver: older !== undefined }, 'screen present');
    this.emit('availability', session.agent, screen.availability);
    this.emit('present', session.agent);
    // Whoever listens may have told the screen of a call just now.
    if (screen.page === page && screen.callId !== undefined) this.emit('returned', session.agent, screen.callId);
  }

  /** Tells a page that a newer one took over. */
  #replace(older: Page | undefined): void {
    for (const [page] of this.#pages) {
      if (page !== older) continue;
      page.send({ type: 'replaced' });
      page.close(closeCodes.replaced);
    }
  }

  #sessionEnded(session: Session): void {
    for (const [page, owner] of [...this.#pages]) {
      if (owner.key !== session.key) continue;
      page.send({ type: 'expired' });
      page.close(closeCodes.loggedOut);
    }
  }

  /** Blank at once; until it is unlocked no page of this login gets a socket. */
  #sessionLocked(session: Session): void {
    const screen = this.#screens.get(session.agent);
    for (const [page, owner] of [...this.#pages]) {
      if (owner.key !== session.key) continue;
      if (screen?.page === page) this.emit('locked', session.agent);
      page.send({ type: 'locked' });
      page.close(closeCodes.locked);
    }
  }

  #sessionUnlocked(session: Session): void {
    if (this.#screens.has(session.agent)) this.emit('unlocked', session.agent);
  }

  /** An agent in a call is working, whatever the mouse does. */
  #isBusy(session: Session): boolean {
    const screen = this.#screens.get(session.agent);
    if (screen?.callId === undefined) return false;
    for (const [page, owner] of this.#pages) if (owner.key === session.key && page === screen.page) return true;
    return false;
  }
}
