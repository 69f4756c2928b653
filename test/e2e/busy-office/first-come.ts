/** Who came first, and who was offered to an agent first: from what happens to calls on all nodes of a gateway. */
import type { Happening, Happenings } from '../../../gateway/happenings.js';

interface Waiter {
  readonly callId: string;
  readonly service: string;
  /** First came to the waiting room, ms since the epoch. */
  readonly cameAt: number;
  /** An agent's phone rang for it the first time; it left the line then or when it ended. */
  offeredAt?: number;
  endedAt?: number;
}

export interface Order {
  /** Calls that were served before one of the same service that had come clearly earlier. */
  readonly overtakers: string[];
  /** Pairs that waited at the same time, so that there was an order to keep. */
  readonly pairs: number;
}

export class FirstCome {
  private readonly waiters = new Map<string, Waiter>();

  /** @param nodes all happen in this process, so that one clock tells when */
  constructor(nodes: readonly Happenings[]) {
    for (const node of nodes) node.on('happening', (happening) => this.hear(happening));
  }

  /** Calls that have not been offered to anybody yet. */
  get waiting(): number {
    return [...this.waiters.values()].filter(({ offeredAt, endedAt }) => offeredAt === undefined && endedAt === undefined).length;
  }

  /**
   * Every service needs a skill of its own and none has priority: whoever came first is served first. What comes
   * later in a call's life (back to the head, passed on) is not looked at.
   * @param slackMs what two nodes that write to the line at the same time, and an offer that is not agreed to, may shift
   */
  order(slackMs: number): Order {
    const overtakers: string[] = [];
    let pairs = 0;
    const byArrival = [...this.waiters.values()].sort((a, b) => a.cameAt - b.cameAt);
    for (const [i, earlier] of byArrival.entries()) {
      const leftAt = earlier.offeredAt ?? earlier.endedAt ?? Infinity;
      for (const later of byArrival.slice(i + 1)) {
        if (later.service !== earlier.service || later.offeredAt === undefined || later.cameAt > leftAt) continue;
        pairs += 1;
        const cameAfterMs = later.cameAt - earlier.cameAt;
        const servedBeforeMs = leftAt - later.offeredAt;
        if (Math.min(cameAfterMs, servedBeforeMs) > slackMs) overtakers.push(`a call for ${later.service} came ${cameAfterMs} ms after another and was served ${servedBeforeMs} ms before it`);
      }
    }
    return { overtakers, pairs };
  }

  private hear(happening: Happening): void {
    switch (happening.type) {
      case 'call.waiting': {
        const { callId, service, at } = happening;
        if (!this.waiters.has(callId)) this.waiters.set(callId, { callId, service, cameAt: at });
        return;
      }
      case 'call.offered': {
        const waiter = this.waiters.get(happening.callId);
        if (waiter) waiter.offeredAt ??= happening.at;
        return;
      }
      case 'call.ended': {
        const waiter = this.waiters.get(happening.callId);
        if (waiter) waiter.endedAt = happening.at;
        return;
      }
      default:
    }
  }
}
