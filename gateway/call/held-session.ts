/** A session that a call holds: what the citizen's page and the authentication plugin hear of it, and its deletion. */
import { setTimeout as sleep } from 'node:timers/promises';
import { VaultError, type ProgressBoards, type ProgressStep, type SessionFeedback, type Vault } from '../../core-bridge/index.js';

export interface SessionRooms {
  readonly vault: Vault;
  readonly boards: ProgressBoards;
  readonly feedback: SessionFeedback;
}

/** Between attempts to delete while the store is out of reach, in ms. */
const purgeRetryMs = 400;

export class HeldSession {
  private readonly stopWatching: () => void;
  private usedAgain = 0;

  /** @param onUsedAgain somebody typed this session's code again */
  constructor(private readonly rooms: SessionRooms, private readonly callId: string, readonly sessionId: string, readonly board: string, onUsedAgain: () => void) {
    const look = () => {
      rooms.boards.read(board).then(
        (entries) => {
          const times = entries.filter(({ step }) => step === 'codeUsedAgain').length;
          if (times > this.usedAgain) onUsedAgain();
          this.usedAgain = Math.max(times, this.usedAgain);
        },
        // The store is out of reach; the next change of the board is looked at again.
        () => undefined,
      );
    };
    this.stopWatching = rooms.boards.watch(board, look);
  }

  /** Another call holds it now: this one has nothing more to do with it. */
  leave(): void {
    this.stopWatching();
  }

  /** Tells the citizen's page. */
  tell(step: ProgressStep): void {
    this.rooms.boards.post(this.board, step);
  }

  /** The authentication plugin hears from now on that its session is in use, if it wants to. @throws VaultError */
  async report(): Promise<void> {
    const url = await this.rooms.vault.sessionUrl(this.sessionId, this.callId);
    if (url !== undefined) this.rooms.feedback.follow(this.callId, url);
  }

  /**
   * Deletes the session and hands the citizen's page the receipt. Tried again while the store is out of reach.
   * @param endedAt moment from which the receipt counts, as `performance.now()`; undefined while the call goes on
   * @param signal gives up; the session then expires by itself
   * @throws VaultError
   */
  async purge(endedAt: number | undefined, signal: AbortSignal): Promise<void> {
    this.stopWatching();
    if (endedAt !== undefined) this.tell({ step: 'ended' });
    for (;;) {
      try {
        await this.rooms.vault.purge(this.sessionId, this.callId);
        break;
      } catch (error) {
        if (!(error instanceof VaultError && error.code === 'store_unreachable') || signal.aborted) throw error;
        await sleep(purgeRetryMs, undefined, { signal }).catch(() => undefined);
      }
    }
    this.tell(endedAt === undefined ? { step: 'deletedDuringCall' } : { step: 'deleted', afterMs: Math.max(1, Math.round(performance.now() - endedAt)) });
  }

  /**
   * The call dropped before anything was shown: the same code works again for a while.
   * @param callAgainUntil ms since 1970
   * @throws VaultError
   */
  async letGo(callAgainUntil: number): Promise<void> {
    this.stopWatching();
    await this.rooms.vault.letGo(this.sessionId, this.callId);
    this.tell({ step: 'dropped', callAgainUntil });
  }
}
