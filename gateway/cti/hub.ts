/** One municipality's stream of events: numbered, kept for a while, and handed to whom each of them concerns. */
import { randomBytes } from 'node:crypto';
import type { Happening } from '../happenings.js';
import { eventOf, type CtiEvent } from './events.js';

/** Whose calls a listener hears of; undefined: everybody's. */
export interface Scope {
  readonly agent?: string | undefined;
  /** Only what happened on this node: where every node tells its own. */
  readonly localOnly?: boolean;
}

/** What is remembered of a call while it lasts. */
interface CallNote {
  service?: string;
  identity: string;
  /** Agents who have to do with it now. */
  readonly agents: Set<string>;
  /** Who hears the caller: the agent, and a colleague who was brought in. */
  readonly connected: Set<string>;
  /** On whose screens attributes are, and which. */
  readonly shown: Map<string, Set<string>>;
}

interface Kept {
  readonly number: number;
  readonly event: CtiEvent;
  readonly agents: readonly string[];
}

interface Listener {
  readonly scope: Scope;
  readonly hear: (event: CtiEvent) => void;
}

/** Calls remembered at one time; one whose end was never told gives way. */
const maxCalls = 20_000;

/** Eight letters and digits that no other stream has, so that an id of another one is known as such. */
const newStream = (): string => BigInt(`0x${randomBytes(8).toString('hex')}`).toString(36).padStart(8, '0').slice(-8);

export class Hub {
  readonly #stream = newStream();
  readonly #kept: Kept[] = [];
  readonly #calls = new Map<string, CallNote>();
  readonly #listeners = new Set<Listener>();
  #number = 0;

  /** @param bufferEvents how many are kept for those who were away */
  constructor(private readonly bufferEvents: number) {}

  /** Numbers it, keeps it, and tells it to whom it concerns. */
  publish(happening: Happening, local = true): CtiEvent | undefined {
    const { agents, extra } = 'callId' in happening ? this.#noteCall(happening) : { agents: 'agent' in happening && happening.agent !== undefined ? [happening.agent] : [], extra: {} };
    const event = eventOf(happening, `${this.#stream}-${this.#number + 1}`, extra);
    if (!event) return undefined;
    this.#number += 1;
    this.#kept.push({ number: this.#number, event, agents });
    // Cut in larger pieces: shifting a long list for every event would cost more than the event.
    if (this.#kept.length > this.bufferEvents * 1.25) this.#kept.splice(0, this.#kept.length - this.bufferEvents);
    for (const { scope, hear } of this.#listeners) if (concerns(scope, agents) && (local || scope.localOnly !== true)) hear(event);
    return event;
  }

  /** From now on. Returns the unsubscriber. */
  listen(scope: Scope, hear: (event: CtiEvent) => void): () => void {
    const listener = { scope, hear };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What came after an event, and whether something of it is not kept any more. */
  since(id: string, scope: Scope): { events: CtiEvent[]; gap: boolean } {
    const [stream, number] = id.split('-');
    const after = stream === this.#stream && /^\d{1,15}$/.test(number ?? '') ? Number(number) : undefined;
    const oldest = this.#kept[0]?.number ?? this.#number + 1;
    const gap = after === undefined || after > this.#number || after < oldest - 1;
    const events = this.#kept.filter((kept) => (gap || kept.number > after) && concerns(scope, kept.agents)).map(({ event }) => event);
    return { events, gap };
  }

  /**
   * Which attributes of this call are on the screen of an agent who hears the caller; undefined when there is none such.
   * @param agent of this one; left out: of whoever has the call longest
   */
  shownNow(callId: string, agent?: string): { agent: string; fields: ReadonlySet<string> } | undefined {
    const note = this.#calls.get(callId);
    for (const connected of note?.connected ?? []) {
      const fields = note?.shown.get(connected);
      if (fields && (agent === undefined || agent === connected)) return { agent: connected, fields };
    }
    return undefined;
  }

  /** Agents whom this concerns, and what else is known of the call. */
  #noteCall(happening: Extract<Happening, { callId: string }>): { agents: string[]; extra: Record<string, unknown> } {
    const note = this.#calls.get(happening.callId) ?? { identity: 'none', agents: new Set<string>(), connected: new Set<string>(), shown: new Map<string, Set<string>>() };
    if (!this.#calls.has(happening.callId) && happening.type !== 'call.ended') {
      this.#calls.set(happening.callId, note);
      if (this.#calls.size > maxCalls) this.#calls.delete(this.#calls.keys().next().value!);
    }
    let agents: string[] = 'agent' in happening ? [happening.agent] : [...note.agents];
    switch (happening.type) {
      case 'call.arrived': note.service = happening.service; break;
      case 'call.identified': note.identity = happening.identity; break;
      case 'call.waiting':
      case 'call.handedOver':
      case 'call.overflowed':
        note.service = happening.service;
        note.agents.clear();
        note.connected.clear();
        break;
      case 'call.offered': case 'call.answered': case 'call.claimed': note.agents.add(happening.agent); break;
      case 'call.connected':
        note.agents.add(happening.agent);
        note.connected.add(happening.agent);
        break;
      case 'call.shown': {
        note.agents.add(happening.agent);
        const fields = note.shown.get(happening.agent) ?? new Set<string>();
        for (const field of happening.fields) fields.add(field);
        note.shown.set(happening.agent, fields);
        break;
      }
      case 'call.cleared':
        note.agents.delete(happening.agent);
        note.connected.delete(happening.agent);
        note.shown.delete(happening.agent);
        break;
      case 'call.broughtIn': agents = [happening.agent, happening.colleague]; break;
      case 'call.transferred':
        agents = [happening.from, ...(happening.to.kind === 'agent' ? [happening.to.name] : [])];
        note.connected.delete(happening.from);
        break;
      case 'call.ended': this.#calls.delete(happening.callId); break;
    }
    return { agents: [...new Set(agents)], extra: { ...(note.service !== undefined && { service: note.service }), identity: note.identity } };
  }
}

const concerns = ({ agent }: Scope, agents: readonly string[]): boolean => agent === undefined || agents.includes(agent);
