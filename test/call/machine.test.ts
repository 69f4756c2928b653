import { describe, expect, it } from 'vitest';
import { endReasons, step, type CallEvent, type CallState, type CourseOptions } from '../../gateway/call/machine.js';
import { code, holds, holdsWhere, live, longWay, takenUpWay, usualWay } from './histories.js';

describe('the usual call', () => {
  const options: CourseOptions = { attemptsPerCall: 3, onMissingAck: 'requeue', maxSetbacks: 3, delivery: 'waitingRoom', overflow: [] };
  it('goes from the arrival to the bridge, screen before speech', () => {
    const moments = live(usualWay, options);
    expect(moments.map(({ after }) => after.name)).toEqual(['greeting', 'collecting', 'claiming', 'waiting', 'offered', 'revealing', 'connected']);
    const done = moments.flatMap(({ effects }) => effects.map((effect) => effect.do));
    expect(done).toEqual(['greet', 'collect', 'claim', 'enterWaitingRoom', 'keepCompany', 'ringAgent', 'reveal', 'bridge']);
  });
  it('takes an identity proved during the call in place of the older one', () => {
    const moments = live(longWay, options);
    expect(moments.slice(usualWay.length).map(({ effects }) => effects.map((effect) => effect.do))).toEqual([['invite'], ['showInvitation'], ['confirmWord'], ['withdrawInvitation', 'purge', 'reveal']]);
    expect(moments.at(-1)!.after).toMatchObject({ name: 'connected', sessionId: 'invited-1', identity: 'verified', shown: true });
    expect(moments.at(-1)!.effects).toContainEqual({ do: 'purge', sessionId: 'session' });
  });
  it('forgets an identity whose word is not the caller’s', () => {
    const moments = live([...longWay.slice(0, -1), { type: 'wordCompared', agent: 'anna', confirmId: 'id-3', same: false, revealId: 'id-1' }], options);
    expect(moments.at(-1)!.after).toMatchObject({ name: 'connected', sessionId: 'session' });
    expect(moments.at(-1)!.effects).toEqual([{ do: 'identifyFailed', agent: 'anna' }, { do: 'withdrawInvitation' }, { do: 'purge', sessionId: 'invited-1' }]);
  });
  it('shows a result that arrives during the conversation', () => {
    const late = usualWay.map((event): CallEvent => (event.type === 'claimed' ? { ...event, identity: 'awaiting' } : event));
    const moments = live([...late.slice(0, 4), { type: 'resultTimedOut' }, ...late.slice(4), { type: 'resultArrived', sessionId: 'session', identity: 'verified', revealId: 'id-3' }], options);
    expect(moments.at(-1)!.effects).toEqual([{ do: 'reveal', agent: 'anna', revealId: 'id-3', sessionId: 'session' }]);
  });
  it('gives a person without identification after the attempts are used up', () => {
    const tries: CallEvent[] = [{ type: 'codeEntered', code }, { type: 'refused' }];
    const moments = live([{ type: 'answered' }, { type: 'greeted' }, ...tries, ...tries, ...tries], options);
    expect(moments.at(-1)!.after).toMatchObject({ name: 'waiting', identity: 'none', attempts: 3 });
  });
  it('keeps the place of a caller whose agent does not answer', () => {
    const moments = live([...usualWay.slice(0, 5), { type: 'agentFailed', offerId: 'id-1' }], options);
    expect(moments.at(-1)!.effects).toContainEqual({ do: 'enterWaitingRoom', at: 'head' });
  });
});

describe('a promise of another node', () => {
  const options: CourseOptions = { attemptsPerCall: 3, onMissingAck: 'requeue', maxSetbacks: 3, delivery: 'waitingRoom', overflow: [] };
  const taken = (callBacks: number): CallEvent => ({ type: 'promiseTaken', promised: { callBacks, identity: 'verified', sessionId: 'session', shown: false } });
  it('is kept here: the place first, then the call back, then the agent', () => {
    const moments = live(takenUpWay, options);
    expect(moments.map(({ after }) => after.name)).toEqual(['promised', 'callingBack', 'waiting', 'offered', 'revealing', 'connected']);
    expect(moments.flatMap(({ effects }) => effects.map((effect) => effect.do))).toEqual(['takeUpPromise', 'releaseAgent', 'callBack', 'enterWaitingRoom', 'keepCompany', 'ringAgent', 'reveal', 'bridge']);
  });
  it('ends when it was tried often enough, on however many nodes', () => {
    expect(live([taken(3)], options).at(-1)!.after).toMatchObject({ name: 'ended', reason: 'notCalledBack' });
    expect(live([taken(2), { type: 'callBackDue' }, { type: 'callBackFailed' }], options).at(-1)!.after).toMatchObject({ name: 'ended', reason: 'notCalledBack' });
  });
});

describe('whatever happens in whatever order', { timeout: 120_000 }, () => {
  it('an identified call is bridged only after the present pop was acknowledged', () => {
    holds((moments) => {
      for (const { event, before, after, effects } of moments) {
        if (!effects.some((effect) => effect.do === 'bridge')) continue;
        expect(before.name).toBe('revealing');
        if (after.sessionId !== undefined) expect(event).toEqual({ type: 'acknowledged', revealId: before.revealId });
      }
    });
  });
  it('attributes are revealed only to the agent who answered, and only for the claimed session', () => {
    holds((moments) => {
      for (const { event, before, after, effects } of moments) {
        for (const effect of effects) {
          if (effect.do !== 'reveal') continue;
          // A colleague who took part without a screen has the call when the agent leaves.
          const stays = effects.some(({ do: what }) => what === 'promoteGuest') ? before.guest?.agent : before.agent;
          expect(effect.agent).toBe(event.type === 'agentBound' || event.type === 'successorAnswered' ? event.agent : stays);
          expect(effect.agent).toBe(after.agent);
          if (effect.sessionId !== undefined) expect(effect.sessionId).toBe(event.type === 'wordCompared' ? before.invitation?.sessionId : before.sessionId);
          if (effect.agent === stays && stays !== before.agent) expect(before.guest?.isBlind).toBe(true);
          else expect(['agentAnswered', 'screenReturned', 'acknowledgementMissed', 'resultArrived', 'wordCompared', 'agentBound', 'successorAnswered']).toContain(event.type);
          if (effect.sessionId !== undefined) expect(after.shown).toBe(true);
        }
      }
    });
  });
  it('a screen that showed a call is cleared before that agent is freed', () => {
    holds((moments) => {
      for (const { effects } of moments) {
        const freed = effects.findIndex((effect) => effect.do === 'freeAgent');
        if (freed < 0) continue;
        const cleared = effects.findIndex((effect) => effect.do === 'clearScreen');
        expect(cleared).toBeGreaterThanOrEqual(0);
        expect(cleared).toBeLessThan(freed);
      }
    });
  });
  it('an agent who had the call is freed exactly once, when the call is with somebody else', () => {
    holds((moments) => {
      for (const { before, after, effects } of moments) {
        const freed = effects.flatMap((effect) => (effect.do === 'freeAgent' ? [effect.agent] : []));
        const left = before.agent !== undefined && before.agent !== after.agent ? [before.agent] : [];
        expect(freed).toEqual(left);
        const rung = effects.find((effect) => effect.do === 'ringAgent');
        if (rung) expect([before.agent, after.agent]).toEqual([undefined, rung.agent]);
      }
    });
  });
  it('an agent’s screen is empty before anybody else is revealed the call, rung or dialled', () => {
    let passedOn = 0;
    holdsWhere(() => passedOn > 5, (moments) => {
      for (const { before, after, effects } of moments) {
        if (before.agent === undefined || before.agent === after.agent) continue;
        const cleared = effects.findIndex((effect) => effect.do === 'clearScreen' && effect.agent === before.agent);
        const next = effects.findIndex((effect) => effect.do === 'reveal' || effect.do === 'ringAgent' || effect.do === 'dial');
        expect(cleared).toBeGreaterThanOrEqual(0);
        if (next >= 0) {
          passedOn += 1;
          expect(cleared).toBeLessThan(next);
        }
      }
    });
    expect(passedOn).toBeGreaterThan(5);
  });
  it('nobody outside takes an identity along', () => {
    const outside = new Set(['outside', 'overflow', 'colleague']);
    let taken = 0;
    holdsWhere(() => taken > 5, (moments) => {
      for (const { after, effects } of moments) {
        if (after.name === 'ended' || after.party === undefined || !outside.has(after.party.kind)) continue;
        taken += 1;
        expect(after.sessionId).toBeUndefined();
        expect(after.identity).toBe('none');
        expect(after.agent).toBeUndefined();
        const dialled = effects.findIndex((effect) => effect.do === 'dial' || effect.do === 'joinParty');
        const dropped = effects.findIndex((effect) => effect.do === 'purge' || effect.do === 'letGo');
        if (dialled >= 0 && dropped >= 0) expect(dropped).toBeLessThan(dialled);
      }
    });
    expect(taken).toBeGreaterThan(5);
  });
  it('in the PBX’s queue attributes are shown to the agent reported there, and to nobody while none is', () => {
    let shown = 0;
    holdsWhere(() => shown > 5, (moments) => {
      for (const { before, after, effects } of moments) {
        if (after.name !== 'elsewhere' || after.party?.kind !== 'queue') continue;
        const revealed = effects.filter((effect) => effect.do === 'reveal');
        if (after.agent === undefined) expect(revealed).toEqual([]);
        if (before.agent !== undefined && after.agent !== before.agent) expect(effects).toContainEqual({ do: 'clearScreen', agent: before.agent, because: 'transferred' });
        shown += revealed.length;
      }
    });
    expect(shown).toBeGreaterThan(5);
  });
  it('who is called back and does not know the code is shown as nobody; who was never asked for one is not called', () => {
    let strangers = 0;
    holdsWhere(() => strangers > 3, (moments) => {
      for (const { event, before, after, effects } of moments) {
        if (effects.some((effect) => effect.do === 'callBack')) expect(before.leftLine).toBe(true);
        if (event.type !== 'calledBack' || before.name !== 'callingBack') continue;
        if (event.isCaller) expect(after.sessionId).toBe(before.sessionId);
        else {
          strangers += 1;
          expect(after).toMatchObject({ name: 'waiting', identity: 'none' });
          expect(after.sessionId).toBeUndefined();
        }
      }
    });
    expect(strangers).toBeGreaterThan(3);
  });
  it('a caller who is to be called back is called, or told nothing more, a bounded number of times', () => {
    holds((moments) => {
      // What was put off was no attempt; it ends with the promise.
      const putOff = moments.filter(({ event, before }) => event.type === 'callBackPutOff' && before.name === 'callingBack').length;
      expect(moments.flatMap(({ effects }) => effects.filter((effect) => effect.do === 'callBack')).length - putOff).toBeLessThanOrEqual(3);
    });
  });
  it('every session a call takes ends in exactly one purge or letting go, and a shown one is never let go; one that goes to another node is left alone', () => {
    let moved = 0;
    const heldBy = (state: CallState) => new Set([state.sessionId, state.invitation?.sessionId].filter((held) => held !== undefined));
    holdsWhere(() => moved > 3, (moments) => {
      const shown = new Set<string>();
      for (const { event, before, after, effects } of moments) {
        for (const effect of effects) {
          if (effect.do === 'reveal' && effect.sessionId !== undefined) shown.add(effect.sessionId);
          if (effect.do === 'letGo') expect(shown.has(effect.sessionId)).toBe(false);
        }
        const ended = effects.flatMap((effect) => (effect.do === 'purge' || effect.do === 'letGo' || effect.do === 'leaveSession' ? [effect.sessionId] : []));
        const left = [...heldBy(before)].filter((held) => !heldBy(after).has(held));
        expect(ended.sort()).toEqual(left.sort());
        const alone = effects.flatMap((effect) => (effect.do === 'leaveSession' ? [effect.sessionId] : []));
        const isMoved = event.type === 'promiseMoved' && after.reason === 'continuedElsewhere' && before.sessionId !== undefined;
        expect(alone).toEqual(isMoved && before.name !== 'ended' ? [before.sessionId] : []);
        moved += alone.length;
      }
      if (moments.at(-1)?.after.name === 'ended') expect(heldBy(moments.at(-1)!.after).size).toBe(0);
    });
    expect(moved).toBeGreaterThan(3);
  });
  it('shows nothing of an identification during the call before the agent confirmed the word on the caller’s page', () => {
    let compared = 0;
    holdsWhere(() => compared > 0, (moments) => {
      const confirmed = new Set<string>();
      for (const { event, before, effects } of moments) {
        const { invitation } = before;
        if (event.type === 'wordCompared' && event.same && (before.name === 'connected' || before.name === 'elsewhere') && event.agent === before.agent && invitation?.confirmId === event.confirmId) confirmed.add(invitation.sessionId);
        for (const effect of effects) if (effect.do === 'reveal' && effect.sessionId?.startsWith('invited')) expect(confirmed).toContain(effect.sessionId);
      }
      compared += confirmed.size;
    });
    expect(compared).toBeGreaterThan(0);
  });
  it('ends once, with a reason from the list, and does nothing afterwards', () => {
    holds((moments) => {
      let closes = 0;
      for (const { before, after, effects } of moments) {
        closes += effects.filter((effect) => effect.do === 'close').length;
        if (before.name === 'ended') expect(effects).toEqual([]);
        if (after.name === 'ended') expect(endReasons).toContain(after.reason);
      }
      expect(closes).toBe(moments.at(-1)?.after.name === 'ended' ? 1 : 0);
    });
  });
  it('the caller hanging up ends every call at once, except where that was agreed on', () => {
    holds((moments, options) => {
      for (const { after } of moments) if (after.name !== 'promised' && after.name !== 'callingBack') expect(step(after, { type: 'callerHungUp' }, options).state.name).toBe('ended');
    }, 500);
  });
  it('never asks for the code more often than the site allows', () => {
    holds((moments, options) => {
      for (const { effects } of moments) for (const effect of effects) if (effect.do === 'collect') expect(effect.attempt).toBeLessThanOrEqual(options.attemptsPerCall);
    });
  });
  it('is bounded in its set-backs', () => {
    holds((moments, options) => {
      for (const { after } of moments) expect(after.setbacks).toBeLessThanOrEqual(options.maxSetbacks);
    });
  });
  it('leaves an event that does not belong to the moment without effect', () => {
    holds((moments) => {
      for (const { before, after, effects } of moments) if (before === after) expect(effects).toEqual([]);
    });
  });
});
