/** The citizen's sessions that one call holds: the one of the code, and that of an invitation. */
import type { ProgressStep } from '../../core-bridge/index.js';
import { HeldSession } from './held-session.js';
import { closeStepTimeoutMs, problemOf, type LiveCall } from './live-call.js';

/** Attempts to delete a session end within the limit of their step, in ms. */
const purgeWithinMs = closeStepTimeoutMs - 500;

export class HeldSessions {
  private readonly sessions = new Map<string, HeldSession>();
  /** Sessions whose identity was proved while the caller was on the line. */
  private readonly proved = new Set<string>();

  /** @param onUsedAgain somebody typed the code of one of them again */
  constructor(private readonly call: LiveCall, private readonly onUsedAgain: () => void) {}

  /** @param board where its page reads what becomes of the call */
  hold(sessionId: string, board: string): HeldSession {
    const { call } = this;
    const session = new HeldSession(call.incoming.tenant, call.id, sessionId, board, () => {
      call.log.warn('the code of this call was typed again elsewhere');
      this.onUsedAgain();
    });
    this.sessions.set(sessionId, session);
    return session;
  }

  holds(sessionId: string): boolean {
    return this.sessions.has(sessionId);
  }

  /** The authentication plugin hears from now on that the session is in use. */
  report(sessionId: string): void {
    this.sessions.get(sessionId)?.report().catch((error: unknown) => {
      if (this.call.state.name !== 'ended') this.call.log.warn({ problem: problemOf(error) }, 'authentication plugin cannot be told of the session');
    });
  }

  /** Tells every page that follows this call. */
  tell(step: ProgressStep): void {
    for (const session of this.sessions.values()) session.tell(step);
  }

  /** Whoever is on the line has proved in this call to be the one. */
  provedNow(sessionId: string): void {
    this.proved.add(sessionId);
  }

  wasProvedNow(sessionId: string): boolean {
    return this.proved.has(sessionId);
  }

  /** @param endedAt when the call ended, as `performance.now()`; undefined while it goes on */
  purge(sessionId: string, endedAt: number | undefined): void {
    const session = this.take(sessionId);
    if (session) this.call.closing('purge', session.purge(endedAt, AbortSignal.timeout(purgeWithinMs)));
  }

  /** The same code works again for a while. */
  letGo(sessionId: string): void {
    const graceMs = this.call.incoming.tenant.config.sessions.reclaimGraceSeconds * 1_000;
    const session = this.take(sessionId);
    if (session) this.call.closing('letGo', session.letGo(Date.now() + graceMs));
  }

  /** Another call holds it now. */
  leave(sessionId: string): void {
    this.take(sessionId)?.leave();
  }

  private take(sessionId: string): HeldSession | undefined {
    const session = this.sessions.get(sessionId);
    this.sessions.delete(sessionId);
    return session;
  }
}
