import type { Config, Tenant } from '../../config/index.js';
import type { Desk, DeskAgent, Waiting } from './contract.js';
import type { DeskService } from './desk-node.js';
import { MemoryDesk } from './memory-desk.js';

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

export function createDesk({ agents, services }: Pick<Tenant, 'agents' | 'services'>): Desk {
  const deskAgents = agents.map(({ name, displayName, phone, skills }): DeskAgent => ({ name, displayName, phone, skills }));
  const deskServices = services.map(({ name, queue }): DeskService => ({ name, skills: queue.skills, wrapUpMs: queue.wrapUpSeconds * 1_000, maxWaiting: queue.maxWaiting }));
  return new MemoryDesk({ agents: deskAgents, services: deskServices });
}
