/**
 * What comes while the desk, the vault or the audit trail is being asked: only the newest word counts. They are stood in
 * for here, because nothing real answers at a moment that a test chooses.
 */
import { EventEmitter } from 'node:events';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { AgentView } from '../../gateway/call/agent-view.js';
import { Directory } from '../../gateway/call/directory.js';
import { FarSide } from '../../gateway/call/far-side.js';
import type { HandedOverCall, LiveCall } from '../../gateway/call/live-call.js';
import { initialState, step, type CallEvent, type CallState, type CourseOptions, type Effect } from '../../gateway/call/machine.js';
import type { ConnectedParty } from '../../gateway/sip/connected-party.js';
import { agentsPart } from '../../gateway/call/parts-in-call.js';

const course: CourseOptions = { attemptsPerCall: 3, onMissingAck: 'unidentified', maxSetbacks: 3, delivery: 'pbxQueue', overflow: [] };
const people = [{ name: 'anna', phone: 'sip:anna@192.0.2.1', identities: ['201'] }, { name: 'bea', phone: 'sip:bea@192.0.2.2', identities: ['202'] }];
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Asked<T> { readonly of: string; answer(value: T): Promise<void> }

/** A call as its parts see it, on the real machine, and everything that is to happen because of it. */
function scene(state: Partial<CallState>) {
  const seats: Asked<boolean>[] = [];
  const records: Asked<void>[] = [];
  const freed: string[] = [];
  const effects: Effect[] = [];
  const revealed: (Record<string, string> | null)[] = [];
  const now: { state: CallState } = { state: { ...initialState, ...state } };
  const timers: (() => void)[] = [];
  const asked = <T>(list: Asked<T>[], of: string): Promise<T> => new Promise((resolve) => {
    list.push({ of, answer: (value) => (resolve(value), turn()) });
  });
  let view: AgentView | undefined;
  const handle = (event: CallEvent): void => {
    const next = step(now.state, event, course);
    now.state = next.state;
    effects.push(...next.effects);
    for (const effect of next.effects) {
      if (effect.do === 'reveal') view?.reveal(effect.agent, effect.revealId, effect.sessionId, event.type);
      if (effect.do === 'clearScreen') view?.clear(effect.agent, effect.because);
    }
  };
  const call = {
    id: 'call', log: pino({ enabled: false }), over: new AbortController().signal, handle, happened: () => undefined, after: (_ms: number, then: () => void) => timers.push(then),
    get state() {
      return now.state;
    },
    service: { name: 'Desk', language: 'nl', handOver: { binding: 'both' } },
    context: {
      config: { calls: { ackTimeoutMs: 1 } }, metrics: { revealed: () => undefined },
      audit: () => ({ shown: ({ agent }: { agent: string }) => asked(records, agent) }),
      screens: {
        isPresent: () => true, offer: () => undefined, clear: () => undefined, connected: () => undefined,
        reveal: (_agent: string, { identity }: { identity: { attributes: Record<string, string> } | null }) => (revealed.push(identity && identity.attributes), true),
      },
    },
    incoming: {
      tenant: {
        agent: (name: string) => people.find((one) => one.name === name),
        directory: new Directory({ agents: people as never, services: [] }),
        desk: { occupy: (agent: string) => asked(seats, agent), free: (agent: string) => void freed.push(agent) },
        vault: { identity: () => Promise.resolve('verified'), reveal: () => Promise.resolve({ attributes: { familyname: 'Jansen' } }) },
        config: { screen: { masked: [] }, purposeLabels: {} },
      },
    },
  } as unknown as LiveCall;
  return { call, seats, records, freed, effects, revealed, timers, now, handle, look: (one: AgentView) => (view = one) };
}

describe('a call that the PBX’s queue has', () => {
  const atQueue = { name: 'elsewhere', party: { kind: 'queue' }, sessionId: 'session', identity: 'verified', dialId: 1 } as const;

  function far() {
    const it = scene(atQueue);
    const side = new FarSide(it.call, {} as HandedOverCall, { talking: () => undefined, endpointChanged: () => undefined });
    const leg = new EventEmitter();
    const inside = side as unknown as { far: unknown; onParty: (far: unknown, party: ConnectedParty) => void };
    inside.far = leg;
    const report = (number: string): void => inside.onParty(leg, { source: 'asserted', uris: [`sip:${number}@192.0.2.9`], isFocus: false });
    return { ...it, side, inside, report, shownTo: () => it.effects.flatMap((effect) => (effect.do === 'reveal' ? [effect.agent] : [])) };
  }

  it('and goes on to somebody outside while an agent is being seated: the agent sees nothing', async () => {
    const { report, seats, freed, shownTo, now } = far();
    report('201');
    report('+31201112233');
    await seats[0]!.answer(true);
    expect([shownTo(), freed, now.state.agent]).toEqual([[], ['anna'], undefined]);
  });

  it('and goes on to another agent meanwhile: that one alone sees the caller, whoever is seated first; nobody, if that one has another call', async () => {
    for (const order of [[0, 1], [1, 0]] as const) {
      const { report, seats, freed, shownTo, now } = far();
      report('201');
      report('202');
      for (const index of order) await seats[index]!.answer(true);
      expect([shownTo(), freed, now.state.agent]).toEqual([['bea'], ['anna'], 'bea']);
    }
    const { report, seats, freed, shownTo } = far();
    report('201');
    report('202');
    await seats[1]!.answer(false);
    await seats[0]!.answer(true);
    expect([shownTo(), freed]).toEqual([[], ['anna']]);
  });

  it('and is on another leg by the time in which the agent is seated: what was said on the leg before says nothing of it', async () => {
    const { report, seats, freed, shownTo, inside } = far();
    report('201');
    inside.far = new EventEmitter();
    await seats[0]!.answer(true);
    expect([shownTo(), freed]).toEqual([[], ['anna']]);
  });

  it('and is reported at the same agent twice, or comes back to them: seated once, and not freed', async () => {
    const { report, seats, freed, shownTo, now } = far();
    report('201');
    report('201');
    expect(seats).toHaveLength(1);
    report('202');
    report('201');
    for (const seat of seats) await seat.answer(true);
    expect([shownTo(), freed, now.state.agent]).toEqual([['anna'], ['bea'], 'anna']);
  });

  it('is claimed by two: one gets it, and nobody while somebody reported is being seated', async () => {
    const { side, seats, shownTo } = far();
    const claims = [side.claim('anna'), side.claim('bea')];
    await seats[0]!.answer(true);
    expect(await Promise.all(claims)).toEqual(['shown', 'notYours']);
    expect(shownTo()).toEqual(['anna']);

    const other = far();
    other.report('201');
    expect(await other.side.claim('bea')).toBe('notYours');
    await other.seats[0]!.answer(true);
    expect(other.shownTo()).toEqual(['anna']);
  });
});

describe('a pop', () => {
  it('that is being recorded while its acknowledgement is missed and its session deleted is not drawn', async () => {
    const it = scene({ name: 'revealing', agent: 'anna', revealId: 'reveal', sessionId: 'session', identity: 'verified' });
    const far = { talking: false } as FarSide;
    const view = new AgentView(it.call, { canIdentify: false, waitedMs: () => 0, purpose: () => 'report_move', provedDuringCall: () => false }, agentsPart(it.call, false, far));
    it.look(view);
    view.reveal('anna', 'reveal', 'session', 'agentAnswered');
    await turn();
    expect(it.records.map(({ of }) => of)).toEqual(['anna']);
    it.timers[0]!();
    expect(it.effects.map((effect) => effect.do)).toEqual(['clearScreen', 'purge', 'reveal', 'bridge']);
    await it.records[0]!.answer();
    await turn();
    expect(it.revealed).toEqual([null]);
  });
});
