/**
 * The calls there are now, on all nodes, as a supervisor sees them: no attribute, no number of a caller. A node tells its
 * calls when another one asks, which it does only while a supervisor looks.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { CallState } from '../call/machine.js';
import { topic, type NodeBus, type Topic } from '../nodes/bus.js';

/**
 * `arriving`: greeted. `entering`: types a code, or it is checked. `proving`: the login on the website is awaited.
 * `connecting`: the agent has answered, caller and agent do not hear each other yet. `dialling`: another number or the
 * PBX's queue is called. `pbxQueue`: waits there. `elsewhere`: talks with somebody who is none of our agents.
 */
export const callPhases = ['arriving', 'entering', 'proving', 'waiting', 'ringing', 'connecting', 'talking', 'dialling', 'pbxQueue', 'elsewhere'] as const;
export type CallPhase = (typeof callPhases)[number];

const name = z.string().min(1).max(200);
const liveCall = z.strictObject({
  id: z.string().min(1).max(64),
  service: name,
  phase: z.enum(callPhases),
  /** When it came into this phase, and when it came in, in ms since the epoch. */
  since: z.int().min(0),
  arrivedAt: z.int().min(0),
  identified: z.boolean(),
  agent: name.optional(),
  /** A colleague who is in the conversation. */
  guest: name.optional(),
});
export type LiveCall = z.infer<typeof liveCall>;

/** A call as the reception knows it. */
export interface CallAtReception {
  readonly id: string;
  readonly service: { readonly name: string };
  readonly state: Pick<CallState, 'name' | 'identity' | 'agent' | 'party' | 'guest'>;
  readonly stateSince: number;
  readonly startedAt: number;
}

/** Calls of one node that are told one by one, longest first; the rest is counted. */
export const mostToldCalls = 200;
/** How long the other nodes may take to answer, in ms. */
const answerWithinMs = 400;

const ask = z.strictObject({ askId: z.string().max(64), tenant: name });
const answer = z.strictObject({ askId: z.string().max(64), total: z.int().min(0), calls: z.array(liveCall).max(mostToldCalls) });
type Answer = Pick<z.infer<typeof answer>, 'total' | 'calls'>;

export interface CallsView {
  readonly total: number;
  readonly calls: readonly LiveCall[];
  /** Nodes that were asked and did not answer. */
  readonly silentNodes: number;
}

export function phaseOf({ name: state, party, agent }: CallAtReception['state']): CallPhase | undefined {
  switch (state) {
    case 'arriving': case 'greeting': return 'arriving';
    case 'collecting': case 'claiming': return 'entering';
    case 'awaitingResult': return 'proving';
    // Who is to be called back keeps the place.
    case 'waiting': case 'promised': return 'waiting';
    case 'offered': return 'ringing';
    case 'revealing': return 'connecting';
    case 'connected': return 'talking';
    case 'dialling': case 'callingBack': return 'dialling';
    case 'elsewhere': return party?.kind !== 'queue' ? 'elsewhere' : agent === undefined ? 'pbxQueue' : 'talking';
    case 'ended': return undefined;
  }
}

export function liveCallsOf(calls: Iterable<CallAtReception>): Answer {
  const live = [...calls].flatMap(({ id, service, state, stateSince, startedAt }): LiveCall[] => {
    const phase = phaseOf(state);
    if (!phase) return [];
    return [{ id, service: service.name, phase, since: stateSince, arrivedAt: startedAt, identified: state.identity === 'verified', ...(state.agent !== undefined && { agent: state.agent }), ...(state.guest?.part === 'joined' && { guest: state.guest.agent }) }];
  });
  live.sort((a, b) => a.arrivedAt - b.arrivedAt);
  return { total: live.length, calls: live.slice(0, mostToldCalls) };
}

export class LiveCalls {
  readonly #asks: Topic<z.infer<typeof ask>>;
  readonly #answers: Topic<z.infer<typeof answer>>;
  readonly #stop: (() => void)[];
  readonly #asked = new Map<string, { waitFor: Set<string>; heard: Answer[]; done: () => void }>();

  constructor(private readonly bus: NodeBus, private readonly callsOf: (tenant: string) => Iterable<CallAtReception>, private readonly log: Logger) {
    this.#asks = topic(bus, 'supervisor.ask', ask);
    this.#answers = topic(bus, 'supervisor.calls', answer);
    const malformed = (from: string): void => log.warn({ from }, 'a node speaks of its calls in a way this version does not know');
    this.#stop = [
      this.#asks.on((from, { askId, tenant }) => {
        this.#answers.send(from, { askId, ...liveCallsOf(callsOf(tenant)) }).catch((error: unknown) => log.debug({ err: error }, 'another node was not told of the calls here'));
      }, malformed),
      this.#answers.on((from, { askId, total, calls }) => {
        const asked = this.#asked.get(askId);
        if (!asked?.waitFor.delete(from)) return;
        asked.heard.push({ total, calls });
        if (asked.waitFor.size === 0) asked.done();
      }, malformed),
    ];
  }

  /** Never rejects: what a node does not tell in time is left out, and counted. */
  async gather(tenant: string): Promise<CallsView> {
    const own = liveCallsOf(this.callsOf(tenant));
    const waitFor = new Set(this.bus.peers);
    const heard: Answer[] = [own];
    if (waitFor.size > 0) {
      const askId = randomUUID();
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        timer = setTimeout(resolve, answerWithinMs);
        this.#asked.set(askId, { waitFor, heard, done: resolve });
        this.#asks.broadcast({ askId, tenant }).catch((error: unknown) => {
          this.log.debug({ err: error }, 'other nodes cannot be asked for their calls');
          resolve();
        });
      });
      clearTimeout(timer);
      this.#asked.delete(askId);
    }
    const calls = heard.flatMap((one) => one.calls).sort((a, b) => a.arrivedAt - b.arrivedAt).slice(0, mostToldCalls);
    return { total: heard.reduce((sum, one) => sum + one.total, 0), calls, silentNodes: waitFor.size };
  }

  close(): void {
    for (const stop of this.#stop.splice(0)) stop();
    for (const { done } of this.#asked.values()) done();
  }
}
