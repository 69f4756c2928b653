/** What a supervisor sees at one moment: of nobody who calls, nothing but whether they are identified. */
import type { Tenant } from '../../config/index.js';
import type { Desk, SeatState } from '../desk/index.js';
import type { FigureRow } from './figures.js';
import type { CallPhase, LiveCalls } from './live-calls.js';
import type { Figures } from './shared-figures.js';

export interface QueueOnPage {
  readonly service: string;
  readonly open: boolean;
  readonly waiting: number;
  readonly longestWaitMs: number;
  readonly staffed: number;
}

export interface AgentOnPage {
  readonly name: string;
  readonly displayName: string;
  readonly state: Exclude<SeatState, 'away'>;
  readonly since: number;
}

export interface CallOnPage {
  readonly id: string;
  readonly service: string;
  readonly phase: CallPhase;
  readonly since: number;
  readonly arrivedAt: number;
  readonly identified: boolean;
  /** Name of the agent as people say it. */
  readonly agent?: string;
  /** The same of a colleague in the conversation. */
  readonly guest?: string;
}

export interface SupervisorView {
  /** When this was so, in ms since the epoch; durations are counted from here. */
  readonly at: number;
  readonly organisation: string;
  readonly timeZone: string;
  /** The hour it is there, 0 to 23. */
  readonly hour: number;
  /** Services in the order of the configuration. */
  readonly services: readonly string[];
  /** Null: not known now. */
  readonly desk: { readonly queues: readonly QueueOnPage[]; readonly agents: readonly AgentOnPage[]; /** Present ones that are not in the list. */ readonly more: number; readonly away: number } | null;
  readonly calls: { readonly total: number; readonly shown: readonly CallOnPage[]; /** Nodes that did not say which calls they have. */ readonly silentNodes: number };
  readonly figures: { /** Since when the day is counted; null: from its beginning. */ readonly since: number | null; readonly rows: readonly FigureRow[]; readonly complete: boolean };
}

/** A municipality as this room sees it. */
export interface WatchedTenant {
  readonly config: Pick<Tenant, 'name' | 'displayName' | 'services' | 'agents'>;
  readonly desk: Pick<Desk, 'snapshot'>;
  isOpen(service: Tenant['services'][number]): boolean;
}

/** Agents in the list at most; more is nothing that a person can look over. */
const mostAgents = 300;

/** The municipality's hours: those of its first service that has opening hours. */
export function timeZoneOf({ services }: Pick<Tenant, 'services'>): string {
  return services.find(({ queue }) => queue.hours)?.queue.hours?.timezone ?? 'Europe/Amsterdam';
}

export interface ViewSources {
  readonly tenant: WatchedTenant;
  readonly calls: Pick<LiveCalls, 'gather'>;
  readonly figures: Figures;
  readonly calendar: (moment: number) => { day: string; hour: number };
  readonly now: () => number;
}

/** @throws when figures cannot be counted, which is a fault of ours; a desk that does not answer is shown as such */
export async function viewOf({ tenant, calls, figures, calendar, now }: ViewSources): Promise<SupervisorView> {
  const { config } = tenant;
  const [desk, gathered, counted] = await Promise.all([
    tenant.desk.snapshot().catch(() => undefined),
    calls.gather(config.name),
    figures.read(),
  ]);
  const at = now();
  const { day, hour } = calendar(at);
  const nameOf = new Map(config.agents.map(({ name, displayName }) => [name, displayName]));
  const present = desk?.seats.flatMap(({ agent, state, since }) => (state === 'away' ? [] : [{ name: agent, displayName: nameOf.get(agent) ?? agent, state, since }])) ?? [];
  present.sort((a, b) => a.displayName.localeCompare(b.displayName, 'nl'));
  return {
    at, hour,
    organisation: config.displayName,
    timeZone: timeZoneOf(config),
    services: config.services.map(({ name }) => name),
    desk: desk
      ? {
          queues: config.services.map((service) => {
            const { waiting = 0, longestWaitMs = 0, staffed = 0 } = desk.queues.find((queue) => queue.service === service.name) ?? {};
            return { service: service.name, open: tenant.isOpen(service), waiting, longestWaitMs, staffed };
          }),
          agents: present.slice(0, mostAgents),
          more: Math.max(0, present.length - mostAgents),
          away: config.agents.filter(({ name }) => !present.some((one) => one.name === name)).length,
        }
      : null,
    calls: {
      total: gathered.total,
      silentNodes: gathered.silentNodes,
      shown: gathered.calls.map(({ agent, guest, ...call }) => ({ ...call, ...(agent !== undefined && { agent: nameOf.get(agent) ?? agent }), ...(guest !== undefined && { guest: nameOf.get(guest) ?? guest }) })),
    },
    figures: { rows: counted.rows, complete: counted.complete, since: calendar(counted.since).day === day ? counted.since : null },
  };
}
