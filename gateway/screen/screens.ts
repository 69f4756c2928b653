import { EventEmitter } from 'node:events';
import type { FastifyPluginAsync } from 'fastify';
import type { Logger } from 'pino';
import { AgentScreen, type AgentAct } from './agent-screen.js';
import type { Availability, ClearReason, Invitation, InvitationProblem, OfferedCall, Revelation, ScreenEvents, Screens, Warning, WordToCompare } from './contract.js';
import { LoginThrottle, type LoginThrottleOptions } from './login-throttle.js';
import { closeCodes } from './messages.js';
import { PageSocket } from './page-socket.js';
import { agentsListener, type Door } from './plugin.js';
import { LoginSessions, type LoginSession } from './sessions.js';

export type * from './contract.js';

export interface ScreenAgent {
  /** As in the configuration; what the agent types to log in. */
  name: string;
  displayName: string;
  /** Slow and constant in time for whatever is given (see passwords.ts). */
  checkPassword(password: string): Promise<boolean>;
}

export interface ScreensOptions {
  agents: readonly ScreenAgent[];
  log: Logger;
  /** Origins the screen is reached by, e.g. `https://agents.example`; none: the one each request's Host header names. */
  origins?: readonly string[];
  /** Marks the cookie Secure; by default when every origin is https, or, without origins, when the request came by https (behind a proxy: fastify's trustProxy). */
  secureCookie?: boolean;
  /** Default 30 minutes without a touch of keyboard or mouse; never during a call. */
  idleTimeoutMs?: number;
  /** Default 12 hours; never during a call. */
  maxSessionMs?: number;
  beatIntervalMs?: number;
  /** A page silent for this long is gone; default 9 seconds. */
  beatTimeoutMs?: number;
  throttle?: LoginThrottleOptions;
  now?: () => number;
}

/** The agents' screens: the desk's side (Screens) and the listener's side (a fastify plugin to register on it). */
export interface AgentScreens extends Screens {
  readonly plugin: FastifyPluginAsync;
  /** Tells every page to go, and stops every timer. Idempotent. */
  close(): void;
}

const sweepIntervalMs = 5000;

export function createScreens(options: ScreensOptions): AgentScreens {
  return new LiveScreens(options);
}

class LiveScreens extends EventEmitter<ScreenEvents> implements AgentScreens {
  readonly plugin: FastifyPluginAsync;
  readonly #screens = new Map<string, AgentScreen>();
  readonly #sessions: LoginSessions;
  /** Every open page with the login it came by; only the newest of an agent is the agent's screen. */
  readonly #pages = new Map<PageSocket, LoginSession>();
  readonly #sweep: NodeJS.Timeout;
  readonly #log: Logger;
  readonly #beats: { beatIntervalMs: number; beatTimeoutMs: number };
  #closed = false;

  constructor(options: ScreensOptions) {
    super();
    const now = options.now ?? Date.now;
    const origins = options.origins ?? [];
    this.#log = options.log;
    this.#beats = { beatIntervalMs: options.beatIntervalMs ?? 3000, beatTimeoutMs: options.beatTimeoutMs ?? 9000 };
    for (const agent of options.agents) this.#screens.set(agent.name, new AgentScreen(agent.displayName, this.#beats, now));
    this.#sessions = new LoginSessions({ idleTimeoutMs: options.idleTimeoutMs ?? 30 * 60_000, maxSessionMs: options.maxSessionMs ?? 12 * 3_600_000, now });
    this.#sweep = setInterval(() => this.#endSessions(this.#sessions.sweep((session) => this.#isBusy(session))), sweepIntervalMs);
    this.#sweep.unref();
    const door: Door = {
      agents: new Map(options.agents.map((agent) => [agent.name, agent])),
      sessions: this.#sessions,
      throttle: new LoginThrottle({ now, ...options.throttle }),
      origins,
      secureCookie: options.secureCookie ?? (origins.length > 0 ? origins.every((origin) => origin.startsWith('https:')) : undefined),
      maxSessionMs: options.maxSessionMs ?? 12 * 3_600_000,
      log: options.log,
      loggedIn: (session, ended) => this.#loggedIn(session, ended),
      loggedOut: (session) => this.#endSessions([session]),
      opened: (socket, session) => {
        const page: PageSocket = new PageSocket(socket, { ...this.#beats, log: this.#log.child({ agent: session.agent }) }, (message) => {
          // Only what a person does counts; an acknowledgement is the page's own.
          if (message.type !== 'ack') this.#sessions.touch(session);
          const act = this.#screens.get(session.agent)?.hear(page, message);
          if (!act) return;
          this.#tell(session.agent, act);
        });
        this.#opened(page, session);
      },
    };
    this.plugin = agentsListener(door);
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

  clear(agent: string, callId: string, reason: ClearReason): void {
    this.#screens.get(agent)?.clear(callId, reason);
  }

  isPresent(agent: string): boolean {
    return this.#screens.get(agent)?.page !== undefined;
  }

  availabilityOf(agent: string): Availability {
    return this.#screens.get(agent)?.availability ?? 'break';
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweep);
    for (const page of [...this.#pages.keys()]) page.close(closeCodes.goingAway);
  }

  #tell(agent: string, act: AgentAct): void {
    switch (act.type) {
      case 'availability': this.emit('availability', agent, act.value); break;
      case 'acknowledged': this.emit('acknowledged', agent, act.callId, act.revealId); break;
      case 'wordConfirmed': this.emit('wordConfirmed', agent, act.callId, act.confirmId, act.same); break;
      default: this.emit(act.type, agent, act.callId);
    }
  }

  #loggedIn(session: LoginSession, ended: readonly LoginSession[]): void {
    this.#endSessions(ended);
    const screen = this.#screens.get(session.agent);
    if (screen && screen.page === undefined) screen.availability = 'available';
  }

  #opened(page: PageSocket, session: LoginSession): void {
    const screen = this.#screens.get(session.agent);
    if (!screen || this.#closed || !this.#sessions.isLive(session)) return page.close(closeCodes.loggedOut);
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
    for (const [other] of this.#pages) {
      if (other !== older) continue;
      other.send({ type: 'replaced' });
      other.close(closeCodes.replaced);
    }
    this.#log.info({ agent: session.agent, tookOver: older !== undefined }, 'screen present');
    this.emit('availability', session.agent, screen.availability);
    this.emit('present', session.agent);
  }

  #endSessions(sessions: readonly LoginSession[]): void {
    for (const session of sessions) {
      this.#sessions.end(session);
      for (const [page, owner] of [...this.#pages]) {
        if (owner !== session) continue;
        page.send({ type: 'expired' });
        page.close(closeCodes.loggedOut);
      }
    }
  }

  /** An agent in a call is working, whatever the mouse does. */
  #isBusy(session: LoginSession): boolean {
    const screen = this.#screens.get(session.agent);
    if (screen?.callId === undefined) return false;
    for (const [page, owner] of this.#pages) if (owner === session && page === screen.page) return true;
    return false;
  }
}
