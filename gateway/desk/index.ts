import type { Logger } from 'pino';
import type { Config, Tenant } from '../../config/index.js';
import type { RedisLink } from '../../core-bridge/index.js';
import type { Desk, DeskAgent, Waiting } from './contract.js';
import type { DeskService } from './desk-node.js';
import { MemoryDesk } from './memory-desk.js';
import { RedisDesk } from './redis/redis-desk.js';

export { seatStates, type Desk, type DeskAgent, type DeskEvents, type DeskView, type FreedBecause, type Outlook, type QueueView, type Seat, type SeatState, type Waiting } from './contract.js';
export { openingAt, type Opening } from './hours.js';

/**
 * What one step of priority is worth in the line, in ms. A head start and not a line of its own: whoever waits this
 * much longer for each step comes first all the same, so that nobody waits for ever.
 */
export const PRIORITY_STEP_MS = 60_000;

type Service = Tenant['services'][number];

/** What a call of this service asks of the desk. */
export function waitingFor(callId: string, { name, queue }: Service): Waiting {
  return { callId, service: name, skills: queue.skills, headStartMs: queue.priority * PRIORITY_STEP_MS };
}

/** How long a caller of this service waits at most, in ms. */
export const longestWaitMs = ({ queue }: Service, calls: Pick<Config['calls'], 'maxWaitMs'>): number => queue.maxWaitMs ?? calls.maxWaitMs;

/** Agents as the desk knows them. */
export const deskAgents = ({ agents }: Pick<Tenant, 'agents'>): DeskAgent[] => agents.map(({ name, displayName, phone, skills }) => ({ name, displayName, phone, skills }));

export interface DeskSurroundings {
  /** Name of this node, as other nodes know it. */
  readonly node: string;
  /** Present: the desk is shared with the other nodes. Its key in Redis begins with `prefix`. */
  readonly redis?: { readonly link: RedisLink; readonly prefix: string } | undefined;
  readonly log: Logger;
}

export function createDesk({ name: tenant, agents, services }: Pick<Tenant, 'name' | 'agents' | 'services'>, { node, redis, log }: DeskSurroundings): Desk {
  const options = {
    agents: deskAgents({ agents }),
    services: services.map(({ name, queue }): DeskService => ({ name, skills: queue.skills, wrapUpMs: queue.wrapUpSeconds * 1_000, maxWaiting: queue.maxWaiting })),
    node,
  };
  return redis ? new RedisDesk({ ...options, ...redis, tenant, log }) : new MemoryDesk(options);
}
