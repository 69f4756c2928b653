/** What may be told to those who wait: how many are ahead, and how long it may take. */
import type { Outlook } from './contract.js';
import { hasSkills, inOrder, isStaffed, type DeskState, type Handling, type InLine } from './state.js';

/** Conversations older than this say nothing any more, in ms. */
const HANDLINGS_COUNT_MS = 7_200_000;
/** Fewer say nothing yet. */
const LEAST_HANDLINGS = 3;
/** Waits are told in steps of this, in ms: anything finer is not known. */
const STEP_MS = 10_000;

/** Calls that are served by the same agents. */
interface Kind {
  readonly key: string;
  /** Agents there who may take them. */
  readonly agents: ReadonlySet<string>;
  /** Calls of this kind that have been passed, going down the line. */
  passed: number;
}

/** Place and expected wait of every call of a node. */
export function outlooks(state: DeskState, node: string): Map<string, Outlook> {
  const found = new Map<string, Outlook>();
  if (state.calls.size === 0) return found;
  const kinds = new Map<string, Kind>();
  for (const [callId, call] of inOrder(state.calls)) {
    const key = keyOf(call, state.at);
    let kind = kinds.get(key);
    if (!kind) kinds.set(key, (kind = { key, agents: agentsFor(call, state), passed: 0 }));
    if (call.node === node) {
      let place = 1;
      for (const other of kinds.values()) if (compete(kind, other)) place += other.passed;
      const tookMs = handlingMs(state, call.service);
      const expectedWaitMs = tookMs === undefined || kind.agents.size === 0 ? undefined : Math.max(1, Math.round((place * tookMs) / kind.agents.size / STEP_MS)) * STEP_MS;
      found.set(callId, { place, ...(expectedWaitMs !== undefined && { expectedWaitMs }) });
    }
    kind.passed += 1;
  }
  return found;
}

const keyOf = ({ wanted, skills }: InLine, now: number): string => (wanted && wanted.until > now ? `agent ${wanted.agent}` : JSON.stringify(skills));

function agentsFor({ wanted, skills }: InLine, { seats, at }: DeskState): Set<string> {
  const agents = new Set<string>();
  const only = wanted && wanted.until > at ? wanted.agent : undefined;
  for (const [agent, seat] of seats) if (isStaffed(seat) && (only === undefined ? hasSkills(seat, skills) : agent === only)) agents.add(agent);
  return agents;
}

function compete(one: Kind, other: Kind): boolean {
  if (one.key === other.key) return true;
  for (const agent of one.agents) if (other.agents.has(agent)) return true;
  return false;
}

/** How long a call of this service takes an agent, wrap-up included; of all services while this one has too few. */
function handlingMs({ handled, at }: DeskState, service: string): number | undefined {
  const recent = (list: readonly Handling[] = []): number[] => list.filter(([ended]) => ended > at - HANDLINGS_COUNT_MS).map(([, tookMs]) => tookMs);
  const own = recent(handled.get(service));
  const took = own.length >= LEAST_HANDLINGS ? own : [...handled.values()].flatMap(recent);
  return took.length < LEAST_HANDLINGS ? undefined : took.reduce((sum, ms) => sum + ms, 0) / took.length;
}
