/** The rules of the line, one by one, on the pure core with a clock of the test's. */
import { describe, expect, it } from 'vitest';
import { advance, deskTimes, nextDue, type DeskAct, type StepContext } from '../../gateway/desk/matching.js';
import { outlooks } from '../../gateway/desk/outlook.js';
import { emptyState, type DeskState } from '../../gateway/desk/state.js';

const START = 1_000_000;

/** A desk of one node. */
class Room {
  state: DeskState = emptyState;
  now = START;
  private offers = 0;

  do(...acts: DeskAct[]): this {
    const context: StepContext = { now: this.now, self: 'here', shared: false, screens: new Map(), times: deskTimes, newOffer: () => `offer ${(this.offers += 1)}` };
    this.state = advance(this.state, acts, context).state;
    return this;
  }

  after(ms: number, ...acts: DeskAct[]): this {
    this.now += ms;
    return this.do(...acts);
  }

  /** `anna:call` for each agent who has one. */
  get pairs(): string[] {
    return [...this.state.seats].flatMap(([agent, { call }]) => (call ? [`${agent}:${call.callId}`] : []));
  }

  seat(agent: string): string | undefined {
    return this.state.seats.get(agent)?.state;
  }

  places(): Record<string, number> {
    return Object.fromEntries([...outlooks(this.state, 'here')].map(([callId, { place }]) => [callId, place]));
  }

  expectedMs(callId: string): number | undefined {
    return outlooks(this.state, 'here').get(callId)?.expectedWaitMs;
  }

  /** Enters a call that came in `agoMs` before now. */
  enters(callId: string, { skills = [], headStartMs = 0, agoMs = 0, wanted, service = 'Desk' }: { skills?: string[]; headStartMs?: number; agoMs?: number; wanted?: { agent: string; until: number }; service?: string } = {}): DeskAct {
    const since = this.now - agoMs;
    return { do: 'enter', callId, call: { node: 'here', service, skills, since, rank: since - headStartMs, ...(wanted && { wanted }) } };
  }
}

const sits = (agent: string, ...skills: string[]): DeskAct[] => [{ do: 'come', agent, skills }, { do: 'available', agent, skills, available: true }];
const answers = (agent: string, callId: string): DeskAct => ({ do: 'answered', agent, callId });
const frees = (agent: string, callId: string, because: 'ended' | 'missed' | 'failed' | 'moved' = 'ended', wrapUpMs = 0): DeskAct => ({ do: 'free', agent, callId, because, wrapUpMs });

describe('who gets whom', () => {
  it('first come, first served, and the longest idle agent', () => {
    const room = new Room().do(...sits('anna')).after(10, ...sits('bram')).after(10, ...sits('cees'));
    room.after(10, room.enters('one')).after(10, room.enters('two'));
    expect(room.pairs).toEqual(['anna:one', 'bram:two']);
  });

  it('an agent who just had a call is the last to get another', () => {
    const room = new Room().do(...sits('anna')).after(10, ...sits('bram'));
    room.after(10, room.enters('one')).after(10, answers('anna', 'one')).after(10, frees('anna', 'one')).after(10, room.enters('two'));
    expect(room.pairs).toEqual(['bram:two']);
  });

  it('an offer that the caller ended costs the agent no turn', () => {
    const room = new Room().do(...sits('anna')).after(10, ...sits('bram'));
    room.after(10, room.enters('one')).after(10, frees('anna', 'one')).after(10, room.enters('two'));
    expect(room.pairs).toEqual(['anna:two']);
  });

  it('an agent without the skills is not asked, and nobody waits behind somebody whom nobody free can serve', () => {
    const room = new Room().do(...sits('anna', 'permits'), ...sits('bram', 'permits', 'english'));
    room.do(room.enters('first', { skills: ['passports'] })).after(1, room.enters('second', { skills: ['permits', 'english'] })).after(1, room.enters('third', { skills: ['permits'] }));
    expect(room.pairs).toEqual(['anna:third', 'bram:second']);
    room.after(1, ...sits('dirk', 'passports'));
    expect(room.pairs).toContain('dirk:first');
  });

  it('all acts of one step are in before anybody is matched', () => {
    const room = new Room();
    room.do(room.enters('late', { agoMs: 0 }), ...sits('anna'), room.enters('early', { agoMs: 500 }));
    expect(room.pairs).toEqual(['anna:early']);
  });

  it('a head start counts as having come earlier, no more', () => {
    const room = new Room();
    room.do(room.enters('patient', { agoMs: 61_000 }), room.enters('urgent', { headStartMs: 60_000 }), room.enters('usual', { agoMs: 59_000 }));
    room.do(...sits('anna')).do(...sits('bram'));
    expect(room.pairs).toEqual(['anna:patient', 'bram:urgent']);
  });

  it('the agent a call asks for, skills or not, until it asks no more', () => {
    const room = new Room().do(...sits('anna', 'permits'), ...sits('bram'));
    const wanted = { agent: 'bram', until: START + 10_000 };
    room.do(answers('bram', 'none'), room.enters('talks')).do(room.enters('first', { wanted, skills: ['permits'] }));
    expect(room.pairs).toEqual(['anna:talks', 'bram:first']);

    const later = new Room().do(...sits('anna', 'permits'));
    later.do(later.enters('first', { wanted, skills: ['permits'] }));
    expect(later.pairs).toEqual([]);
    expect(nextDue(later.state)).toBe(START + 10_000);
    later.after(10_000);
    expect(later.pairs).toEqual(['anna:first']);
  });
});

describe('a call whose agent did not take it', () => {
  it('goes before those who came after it, whatever comes first: the place or the seat', () => {
    for (const order of ['enters', 'frees'] as const) {
      const room = new Room().do(...sits('anna'));
      room.do(room.enters('one', { agoMs: 100 })).after(1, room.enters('two'));
      const acts = [room.enters('one', { agoMs: 101 }), frees('anna', 'one', 'missed')];
      room.do(...(order === 'enters' ? acts : acts.reverse())).do(...sits('bram'));
      expect(room.pairs).toEqual(['bram:one']);
    }
  });

  it('lets the phone rest, longer each time, until it takes one', () => {
    const room = new Room().do(...sits('anna'));
    for (const restMs of [...deskTimes.restMs, deskTimes.restMs.at(-1)!]) {
      room.do(room.enters('one'));
      expect(room.pairs).toEqual(['anna:one']);
      room.do(room.enters('one'), frees('anna', 'one', 'missed'));
      expect(room.seat('anna')).toBe('resting');
      expect(nextDue(room.state)).toBe(room.now + restMs);
      room.after(restMs - 1);
      expect(room.pairs).toEqual([]);
      room.after(1);
      expect(room.pairs).toEqual(['anna:one']);
      room.do(room.enters('one'), frees('anna', 'one', 'moved'));
    }
    room.do(answers('anna', 'one'), frees('anna', 'one'), room.enters('two')).do(room.enters('two'), frees('anna', 'two', 'missed'));
    expect(nextDue(room.state)).toBe(room.now + deskTimes.restMs[0]!);
  });

  it('an agent who says "ready" again does not rest', () => {
    const room = new Room().do(...sits('anna'));
    room.do(room.enters('one')).do(frees('anna', 'one', 'missed'), room.enters('one'));
    expect(room.seat('anna')).toBe('resting');
    room.do({ do: 'available', agent: 'anna', skills: [], available: false }).do({ do: 'available', agent: 'anna', skills: [], available: true });
    expect(room.pairs).toEqual(['anna:one']);
  });
});

describe('wrap-up', () => {
  const talked = (wrapUpMs: number, because: 'ended' | 'moved' = 'ended'): Room => {
    const room = new Room().do(...sits('anna'));
    return room.do(room.enters('one')).do(answers('anna', 'one')).after(1_000, frees('anna', 'one', because, wrapUpMs), room.enters('two'));
  };

  it.each(['ended', 'moved'] as const)('after a conversation that %s there is no offer until it is over', (because) => {
    const room = talked(5_000, because);
    expect(room.seat('anna')).toBe('wrapUp');
    expect(room.after(4_999).pairs).toEqual([]);
    expect(room.after(1).pairs).toEqual(['anna:two']);
  });

  it('ends when the agent says so', () => expect(talked(5_000).after(10, { do: 'wrapUpDone', agent: 'anna' }).pairs).toEqual(['anna:two']));

  it('does not follow an offer that was not answered', () => {
    const room = new Room().do(...sits('anna'));
    room.do(room.enters('one')).do(frees('anna', 'one', 'ended', 5_000));
    expect(room.seat('anna')).toBe('available');
  });

  it('outlasts a page that is loaded again', () => {
    const room = talked(5_000).do({ do: 'go', agent: 'anna' });
    expect(room.seat('anna')).toBe('away');
    expect(room.do({ do: 'come', agent: 'anna', skills: [] }).seat('anna')).toBe('wrapUp');
  });
});

describe('a seat', () => {
  it('is away, on a break, available, offered, busy as things go', () => {
    const room = new Room().do({ do: 'come', agent: 'anna', skills: [] });
    expect(room.seat('anna')).toBe('break');
    room.do(...sits('anna'));
    expect(room.seat('anna')).toBe('available');
    room.do(room.enters('one'));
    expect(room.seat('anna')).toBe('offered');
    room.do(answers('anna', 'one'));
    expect(room.seat('anna')).toBe('busy');
    room.do({ do: 'go', agent: 'anna' });
    expect(room.seat('anna')).toBe('busy');
    room.do(frees('anna', 'one'));
    expect(room.seat('anna')).toBe('away');
  });

  it('is freed by the call that has it and by no other', () => {
    const room = new Room().do(...sits('anna'));
    room.do(room.enters('one')).do(frees('anna', 'two'), answers('anna', 'two'));
    expect(room.pairs).toEqual(['anna:one']);
    expect(room.seat('anna')).toBe('offered');
  });

  it('is taken by a call that came another way if no other call has it', () => {
    const room = new Room().do(...sits('anna'));
    room.do({ do: 'occupy', agent: 'anna', skills: [], callId: 'pbx', offer: 'p' }, room.enters('one'));
    expect([room.pairs, room.seat('anna')]).toEqual([['anna:pbx'], 'busy']);
    room.do({ do: 'occupy', agent: 'anna', skills: [], callId: 'other', offer: 'q' });
    expect(room.pairs).toEqual(['anna:pbx']);
    expect(room.do(frees('anna', 'pbx')).pairs).toEqual(['anna:one']);
  });
});

describe('what is told to those who wait', () => {
  it('counts those ahead who may get the same agents', () => {
    const room = new Room().do(...sits('anna', 'permits'), ...sits('bram', 'passports')).do(elsewhere('anna'), elsewhere('bram'));
    room.do(room.enters('permit 1', { skills: ['permits'] }), room.enters('passport 1', { skills: ['passports'], agoMs: -1 }), room.enters('permit 2', { skills: ['permits'], agoMs: -2 }), room.enters('any', { agoMs: -3 }));
    expect(room.places()).toEqual({ 'permit 1': 1, 'passport 1': 1, 'permit 2': 2, any: 4 });
  });

  it('says nothing of time before enough conversations, then place by length by agents', () => {
    const room = new Room().do(...sits('anna'), ...sits('bram'));
    const talk = (): void => {
      room.do(room.enters('talk', { agoMs: 1_000_000 }), room.enters('one'), room.enters('two', { agoMs: -1 }), room.enters('three', { agoMs: -2 }));
      const agent = room.pairs.find((pair) => pair.endsWith(':talk'))!.split(':')[0]!;
      room.do(answers(agent, 'talk')).after(100_000, frees(agent, 'talk', 'ended', 20_000)).do({ do: 'leave', callId: 'one' }, { do: 'leave', callId: 'two' }, { do: 'leave', callId: 'three' });
      for (const pair of room.pairs) room.do(frees(pair.split(':')[0]!, pair.split(':')[1]!, 'moved'));
      room.after(20_000);
    };
    talk();
    talk();
    room.do(elsewhere('anna'), elsewhere('bram'), room.enters('first'), room.enters('second', { agoMs: -1 }));
    expect(room.expectedMs('second')).toBeUndefined();
    room.do({ do: 'leave', callId: 'first' }, { do: 'leave', callId: 'second' }, frees('anna', 'elsewhere', 'moved'), frees('bram', 'elsewhere', 'moved'));
    talk();
    room.do(elsewhere('anna'), elsewhere('bram'), room.enters('first'), room.enters('second', { agoMs: -1 }));
    // Three conversations of 120 s, wrap-up included; two agents.
    expect([room.expectedMs('first'), room.expectedMs('second')]).toEqual([60_000, 120_000]);
    room.do({ do: 'available', agent: 'bram', skills: [], available: false });
    expect(room.expectedMs('second')).toBe(240_000);
    room.do({ do: 'go', agent: 'anna' });
    expect(room.expectedMs('second')).toBeUndefined();
    room.do({ do: 'come', agent: 'anna', skills: [] });
    room.after(7_200_000);
    expect(room.expectedMs('second')).toBeUndefined();
  });
});

/** Keeps an agent in a call of another way. */
function elsewhere(agent: string): DeskAct {
  return { do: 'occupy', agent, skills: [], callId: 'elsewhere', offer: `elsewhere ${agent}` };
}

describe('an agent at the pages of two nodes', () => {
  const nodes = new Map<string, Map<string, boolean | undefined>>([['here', new Map()], ['there', new Map()]]);
  const at = (self: string, state: DeskState, now: number, ...acts: DeskAct[]): DeskState =>
    advance(state, acts, { now, self, shared: true, screens: nodes.get(self)!, times: deskTimes, newOffer: () => `offer at ${now}` }).state;
  const says = (available: boolean): DeskAct => ({ do: 'available', agent: 'anna', skills: [], available });
  const come: DeskAct = { do: 'come', agent: 'anna', skills: [] };

  it('the newest page says whether they take calls, also before the one before it has let go, and whatever comes late from there', () => {
    nodes.get('there')!.set('anna', true);
    let state = at('there', emptyState, START, come);
    expect(state.seats.get('anna')).toMatchObject({ node: 'there', state: 'available' });
    nodes.get('here')!.set('anna', true);
    state = at('here', state, START + 10, says(true), come);
    // Chosen at the old page in the moment in which the new one came.
    state = at('there', state, START + 20, says(false));
    expect(state.seats.get('anna')).toMatchObject({ available: true });
    nodes.get('there')!.delete('anna');
    state = at('there', state, START + 30, { do: 'go', agent: 'anna' });
    expect(state.seats.get('anna')).toMatchObject({ node: 'here', state: 'available' });
    state = at('there', state, START + 40, says(false));
    expect(state.seats.get('anna')).toMatchObject({ node: 'here', state: 'available' });
    nodes.get('here')!.set('anna', false);
    state = at('here', state, START + 50, says(false));
    expect(state.seats.get('anna')).toMatchObject({ node: 'here', state: 'break' });
  });

  it('a page of a node that died says nothing any more, and holds up nobody', () => {
    nodes.get('there')!.set('anna', true);
    let state = at('there', emptyState, START, come);
    let now = START;
    // With nobody writing at all it would be the store that was away.
    while (now <= START + deskTimes.leaseMs) state = at('here', state, (now += deskTimes.beatMs));
    state = at('here', state, now + 1, says(false));
    expect(state.seats.get('anna')?.available).toBe(false);
  });
});
