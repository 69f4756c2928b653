/** A colleague in the conversation, in the call machine: whatever happens in whatever order. */
import { describe, expect, it } from 'vitest';
import { isWithAgent, step, type CallEvent, type CourseOptions } from '../../gateway/call/machine.js';
import { guestAtQueueWay, guestWay, historyOf, holds, live, usualWay, type Moment } from './histories.js';

const options: CourseOptions = { attemptsPerCall: 3, onMissingAck: 'requeue', maxSetbacks: 3, delivery: 'waitingRoom', overflow: [] };
const wanted = guestWay[usualWay.length]!;
const answered = guestWay[usualWay.length + 1]!;
const acknowledged = guestWay[usualWay.length + 2]!;

/** Mostly with a colleague in it; the ways of all calls are looked at by machine.test.ts. */
const conferences = historyOf([guestWay, guestWay, guestAtQueueWay], 12);
const alwaysHolds = (check: (moments: Moment[], course: CourseOptions) => void, runs = 6_000): void => holds(check, runs, conferences);

/** What the last of these events leads to, from a conversation with anna on. */
function after(events: readonly CallEvent[], course: Partial<CourseOptions> = {}) {
  const { effects, after: state } = live([...usualWay, ...events], { ...options, ...course }).at(-1)!;
  return { effects, state };
}

describe('a colleague who is brought in', () => {
  it('is shown the caller before they hear each other, and has the call when the agent leaves', () => {
    const moments = live(guestWay, options).slice(usualWay.length);
    expect(moments.map(({ effects }) => effects.map((effect) => effect.do))).toEqual([
      ['ringGuest', 'showGuest'], ['revealToGuest'], ['joinGuest', 'showGuest'], ['clearScreen', 'promoteGuest', 'freeAgent'],
    ]);
    expect(moments.map(({ after: { name, agent, guest } }) => [name, agent, guest?.part])).toEqual([
      ['connected', 'anna', 'ringing'], ['connected', 'anna', 'revealing'], ['connected', 'anna', 'joined'], ['connected', 'bram', undefined],
    ]);
    expect(moments.at(-1)!.after).toMatchObject({ revealId: 'id-3', transferredBy: 'anna', sessionId: 'session' });
  });

  it.each<[string, CallEvent[], string[], unknown]>([
    ['does not answer', [wanted, { type: 'guestFailed', guestId: 'id-1', because: 'noAnswer' }], ['missed', 'missed'], { do: 'guestGone', agent: 'anna', because: 'noAnswer' }],
    ['refuses', [wanted, { type: 'guestFailed', guestId: 'id-1', because: 'refused' }], ['failed', 'failed'], { do: 'guestGone', agent: 'anna', because: 'refused' }],
    ['has a screen that stays dark', [wanted, answered, { type: 'guestNotShown', revealId: 'id-3' }], ['missed', 'missed'], { do: 'guestGone', agent: 'anna', because: 'noAnswer' }],
    ['hangs up before the pop is drawn', [wanted, answered, { type: 'guestHungUp', guestId: 'id-1' }], ['failed', 'failed'], { do: 'guestGone', agent: 'anna', because: 'refused' }],
    ['hangs up in the conversation', [wanted, answered, acknowledged, { type: 'guestHungUp', guestId: 'id-1' }], ['left', 'moved'], { do: 'guestGone', agent: 'anna', because: 'left' }],
    ['leaves on the page', [wanted, answered, acknowledged, { type: 'agentLeft', agent: 'bram' }], ['left', 'moved'], { do: 'guestGone', agent: 'anna', because: 'left' }],
    ['presses end', [wanted, answered, acknowledged, { type: 'agentEnded', agent: 'bram' }], ['left', 'moved'], { do: 'guestGone', agent: 'anna', because: 'left' }],
    ['is taken out', [wanted, answered, acknowledged, { type: 'guestSentAway', agent: 'anna' }], ['left', 'moved'], { do: 'showGuest', agent: 'anna' }],
    ['is not wanted any more', [wanted, { type: 'guestSentAway', agent: 'anna' }], ['left', 'moved'], { do: 'showGuest', agent: 'anna' }],
    ['was given to another call', [wanted, { type: 'agentTakenAway', agent: 'bram' }], ['failed', 'failed'], { do: 'guestGone', agent: 'anna', because: 'unknown' }],
  ])('who %s: the two go on', (_what, events, [cleared, freed], told) => {
    const { state, effects } = after(events);
    expect(state).toMatchObject({ name: 'connected', agent: 'anna', revealId: 'id-2', sessionId: 'session' });
    expect(state.guest).toBeUndefined();
    expect(effects).toEqual([{ do: 'clearGuest', agent: 'bram', because: cleared }, { do: 'dropGuest' }, { do: 'freeGuest', agent: 'bram', because: freed }, told]);
  });

  it('whose screen stays dark takes part without it where the site wants that, and is shown the caller when they have the call', () => {
    const events: CallEvent[] = [wanted, answered, { type: 'guestNotShown', revealId: 'id-3' }];
    const blind = after(events, { onMissingAck: 'unidentified' });
    expect(blind.effects).toEqual([
      { do: 'clearGuest', agent: 'bram', because: 'missed' }, { do: 'revealToGuest', agent: 'bram', revealId: 'id-3' },
      { do: 'joinGuest', guestId: 'id-1' }, { do: 'showGuest', agent: 'anna' },
    ]);
    expect(blind.state).toMatchObject({ sessionId: 'session', identity: 'verified' });
    expect(after([...events, { type: 'screenReturned', agent: 'bram', revealId: 'id-1' }], { onMissingAck: 'unidentified' }).effects).toEqual([{ do: 'revealToGuest', agent: 'bram', revealId: 'id-1', sessionId: 'session' }]);
    expect(after([...events, { type: 'agentHungUp' }], { onMissingAck: 'unidentified' }).effects).toContainEqual({ do: 'reveal', agent: 'bram', revealId: 'id-3', sessionId: 'session' });
  });

  it('sees it when the caller turns out to be somebody else', () => {
    const { effects } = after([
      wanted, answered, acknowledged, { type: 'identifyRequested', agent: 'anna' }, { type: 'invited', sessionId: 'invited-1' },
      { type: 'invitationResult', sessionId: 'invited-1', identity: 'verified', confirmId: 'id-3' }, { type: 'wordCompared', agent: 'anna', confirmId: 'id-3', same: true, revealId: 'id-1' },
    ]);
    expect(effects.slice(-2)).toEqual([{ do: 'reveal', agent: 'anna', revealId: 'id-1', sessionId: 'invited-1' }, { do: 'revealToGuest', agent: 'bram', revealId: 'id-1', sessionId: 'invited-1' }]);
  });

  it('is gone with the conversation: screens first, legs, then seats', () => {
    expect(after([wanted, answered, acknowledged, { type: 'callerHungUp' }]).effects.map((effect) => effect.do)).toEqual([
      'clearScreen', 'clearGuest', 'purge', 'dropGuest', 'dropAgentLeg', 'endCallerLeg', 'freeAgent', 'freeGuest', 'close',
    ]);
    // Who is not in it yet has nothing to take over.
    expect(after([wanted, { type: 'agentHungUp' }]).state).toMatchObject({ name: 'ended', reason: 'agentHungUp' });
    expect(after([wanted, answered, { type: 'agentLeft', agent: 'anna' }]).state).toMatchObject({ name: 'connected', agent: 'anna', guest: { part: 'revealing' } });
  });

  it('goes when the agent passes the call on, or the PBX moves it; gets it when the PBX moved it to them', () => {
    const { effects, state } = after([wanted, answered, acknowledged, { type: 'transferRequested', agent: 'anna', target: { kind: 'service', service: 'other' } }]);
    expect(state.guest).toBeUndefined();
    expect(effects.map((effect) => effect.do)).toEqual(['clearScreen', 'clearGuest', 'dropGuest', 'dropAgentLeg', 'enterWaitingRoom', 'freeAgent', 'keepCompany', 'freeGuest']);
    const moved = after([wanted, answered, acknowledged, { type: 'agentBound', agent: 'bram', revealId: 'id-1' }]);
    expect(moved.effects.map((effect) => effect.do)).toEqual(['clearScreen', 'clearGuest', 'dropGuest', 'freeAgent', 'reveal']);
    expect(moved.state).toMatchObject({ agent: 'bram', revealId: 'id-1' });
  });

  it('is one, and nobody’s phone takes over meanwhile', () => {
    expect(after([wanted, { type: 'guestWanted', agent: 'anna', guest: 'bram', guestId: 'id-2' }]).effects).toEqual([]);
    expect(after([wanted, { type: 'successorNamed', agent: 'anna', offerId: 'id-3' }]).effects).toEqual([]);
    expect(after([{ type: 'guestWanted', agent: 'anna', guest: 'anna', guestId: 'id-2' }]).effects).toEqual([]);
    expect(after([{ type: 'successorNamed', agent: 'anna', offerId: 'id-3' }, wanted]).effects).toEqual([]);
  });
});

describe('whatever happens in whatever order', { timeout: 120_000 }, () => {
  it('there is a guest only beside an agent, and never the agent themselves', () => {
    let guests = 0;
    alwaysHolds((moments) => {
      for (const { after: state } of moments) {
        if (!state.guest) continue;
        guests += 1;
        expect(isWithAgent(state)).toBe(true);
        expect(state.guest.agent).not.toBe(state.agent);
        expect(state.successor).toBeUndefined();
      }
    });
    expect(guests).toBeGreaterThan(300);
  });

  it('a guest’s seat, leg and screen end exactly once, the screen first; or all of them go on as the agent’s', () => {
    let promoted = 0;
    alwaysHolds((moments) => {
      for (const { before, after: state, effects } of moments) {
        const ended = before.guest && before.guest.guestId !== state.guest?.guestId ? before.guest : undefined;
        // Most moments are about something else, and a hundred thousand expectations take their time.
        if (!ended && !effects.some((effect) => effect.do === 'dropGuest' || effect.do === 'freeGuest')) continue;
        const of = (kind: string) => effects.flatMap((effect, at) => (effect.do === kind ? [at] : []));
        const becomesAgent = ended !== undefined && of('promoteGuest').length > 0;
        promoted += Number(becomesAgent);
        const keepsSeat = ended?.agent === state.agent && state.name !== 'ended';
        expect(of('dropGuest')).toHaveLength(ended && !becomesAgent ? 1 : 0);
        expect(effects.flatMap((effect) => (effect.do === 'freeGuest' ? [effect.agent] : []))).toEqual(ended && !keepsSeat ? [ended.agent] : []);
        if (becomesAgent) {
          expect([of('clearGuest'), of('freeGuest')]).toEqual([[], []]);
          expect(state).toMatchObject({ name: 'connected', agent: ended.agent, transferredBy: before.agent });
          expect(effects).toContainEqual({ do: 'clearScreen', agent: before.agent, because: 'left' });
        } else if (ended) {
          expect(effects).toContainEqual(expect.objectContaining({ do: 'clearGuest', agent: ended.agent }));
          expect(of('clearGuest')[0]!).toBeLessThan(of('dropGuest')[0]!);
          const freed = of('freeGuest')[0];
          if (freed !== undefined) expect(of('dropGuest')[0]!).toBeLessThan(freed);
          // Nothing of the caller is shown to anybody before that screen is empty.
          const shown = of('reveal')[0];
          if (shown !== undefined) expect(of('clearGuest')[0]!).toBeLessThan(shown);
        }
      }
      const last = moments.at(-1)?.after;
      if (last?.name === 'ended') expect(last.guest).toBeUndefined();
    });
    expect(promoted).toBeGreaterThan(20);
  });

  it('a guest’s voice is joined only when their own screen acknowledged the present pop, where there is anything on it', () => {
    let joined = 0;
    alwaysHolds((moments, course) => {
      for (const { event, before, effects } of moments) {
        if (!effects.some((effect) => effect.do === 'joinGuest')) continue;
        joined += 1;
        expect(before.guest?.part).toBe('revealing');
        const seen = event.type === 'guestAcknowledged' && event.revealId === before.guest?.revealId;
        if (before.sessionId !== undefined && course.onMissingAck === 'requeue') expect(seen).toBe(true);
        // Unseen, then nothing of the session is on that screen.
        else if (!seen) for (const effect of effects) if (effect.do === 'revealToGuest') expect(effect.sessionId).toBeUndefined();
      }
    });
    expect(joined).toBeGreaterThan(50);
  });

  it('attributes go to a guest only after they answered, and only those that the agent is shown', () => {
    let shown = 0;
    alwaysHolds((moments) => {
      for (const { before, after: state, effects } of moments) {
        for (const effect of effects) {
          if (effect.do !== 'revealToGuest') continue;
          shown += 1;
          expect(effect.agent).toBe(state.guest?.agent);
          expect(before.guest?.part !== 'ringing' || state.guest?.part === 'revealing').toBe(true);
          if (effect.sessionId === undefined) continue;
          expect(effect.sessionId).toBe(state.sessionId);
          expect(state.shown).toBe(true);
        }
      }
    });
    expect(shown).toBeGreaterThan(50);
  });

  it('nothing that a guest does ends the conversation', () => {
    alwaysHolds((moments, course) => {
      for (const { after: state } of moments) {
        if (!state.guest) continue;
        const { agent, guestId } = state.guest;
        for (const event of [{ type: 'agentEnded', agent }, { type: 'agentLeft', agent }, { type: 'guestHungUp', guestId }, { type: 'agentTakenAway', agent }] satisfies CallEvent[]) {
          expect(step(state, event, course).state).toMatchObject({ name: state.name, agent: state.agent });
        }
      }
    }, 500);
  });
});
