import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AgentScreen, type Page } from '../../gateway/screen/agent-screen.js';
import type { ServerMessage } from '../../gateway/screen/messages.js';
import { revelation } from './listener.js';

/** What the page in the browser does with messages, without the drawing; messages arrive when the test lets them. */
class ModelPage implements Page {
  readonly underWay: ServerMessage[] = [];
  isOpen = true;
  callId: string | undefined;
  drawn: { callId: string; revealId: string; name: string; secret?: string } | undefined;

  send(message: ServerMessage): boolean {
    if (!this.isOpen) return false;
    this.underWay.push(message);
    return true;
  }

  receive(): void {
    const message = this.underWay.shift();
    if (!message) return;
    if (message.type === 'hello' || message.type === 'offer') {
      this.drawn = undefined;
      this.callId = message.call?.callId;
    } else if (message.type === 'reveal' && message.callId === this.callId) {
      this.drawn = { callId: message.callId, revealId: message.revealId, name: message.identity?.fields[0]?.value ?? '' };
    } else if (message.type === 'unmasked' && this.drawn?.callId === message.callId && this.drawn.revealId === message.revealId && message.value !== null) {
      this.drawn.secret = message.value;
    } else if (message.type === 'clear' && message.callId === this.callId) {
      this.drawn = undefined;
      this.callId = undefined;
    }
  }

  lose(): void {
    this.isOpen = false;
    this.underWay.length = 0;
    this.drawn = undefined;
    this.callId = undefined;
  }
}

const callIds = ['c1', 'c2', 'c3'];
const leaseSteps = 100;
const step = fc.oneof(
  fc.record({ do: fc.constant('offer' as const), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constant('reveal' as const), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constant('connected' as const), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constant('clear' as const), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constant('receive' as const), page: fc.nat(3) }),
  fc.record({ do: fc.constant('ack' as const), page: fc.nat(3), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constant('open' as const) }),
  fc.record({ do: fc.constant('renew' as const), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 60 }) }),
  fc.record({ do: fc.constantFrom('unmask' as const, 'leaseEnded' as const), page: fc.nat(3), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constant('unmasked' as const), call: fc.constantFrom(...callIds), isLate: fc.boolean() }),
  fc.record({ do: fc.constant('lose' as const), page: fc.nat(3) }),
  fc.record({ do: fc.constantFrom('invitation' as const, 'confirmWord' as const, 'identifyFailed' as const), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constantFrom('identify' as const, 'withdraw' as const), page: fc.nat(3), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constant('word' as const), page: fc.nat(3), call: fc.constantFrom(...callIds), isLate: fc.boolean(), same: fc.boolean() }),
);

it('whatever the order of calls, pages and losses: never another caller, never an acknowledgement of what is not drawn, never an answer to a void question', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
      let now = 0;
      const screen = new AgentScreen('Anna', { beatIntervalMs: 1, beatTimeoutMs: 1, leaseMs: leaseSteps }, () => now);
      const pages: ModelPage[] = [];
      const revealed = new Map<string, string>();
      let newest: string | undefined;
      /** The question whose answer counts now, and the page that may give it. */
      let question: { confirmId: string; page: ModelPage } | undefined;
      let asked = 0;
      let isConnected = false;
      /** The masked field that was asked for and not answered yet. */
      let wanted: { revealId: string } | undefined;
      let leaseUntil = Infinity;
      const ended = (): void => {
        newest = question = wanted = undefined;
      };
      for (const one of steps) {
        switch (one.do) {
          case 'offer':
            // The same call again is brought up to date; another one takes its place.
            if (screen.callId !== one.call) {
              ended();
              isConnected = false;
              leaseUntil = now + leaseSteps;
            }
            screen.offer({ callId: one.call, service: 's', language: 'nl', waitedMs: 0, identified: 'verified', canIdentify: one.call !== 'c3' });
            break;
          case 'reveal': {
            const revealId = `r${revealed.size}`;
            revealed.set(revealId, one.call);
            const sent = screen.reveal({ ...revelation(one.call, revealId, { fullname: `name of ${one.call}` }), masked: ['bsn'] });
            expect(sent).toBe(screen.page !== undefined && screen.callId === one.call);
            if (!sent) break;
            newest = revealId;
            wanted = undefined;
            break;
          }
          case 'connected':
            screen.connected(one.call);
            if (screen.callId === one.call) isConnected = true;
            break;
          case 'invitation':
            screen.invitation({ callId: one.call, address: 'zutphen.example/i', pairingCode: '123456', expiresInMs: 1 });
            if (screen.callId === one.call) question = undefined;
            break;
          case 'confirmWord': {
            const confirmId = `q${(asked += 1)}`;
            screen.confirmWord({ callId: one.call, confirmId, word: 'appel' });
            if (screen.callId === one.call && screen.page) question = { confirmId, page: screen.page as ModelPage };
            break;
          }
          case 'identifyFailed':
            screen.identifyFailed(one.call);
            if (screen.callId === one.call) question = undefined;
            break;
          case 'identify':
          case 'withdraw': {
            const page = pages[one.page];
            if (!page) break;
            const act = screen.hear(page, { type: one.do, callId: one.call });
            const counts = page === screen.page && screen.callId === one.call && (one.do === 'withdraw' || (isConnected && one.call !== 'c3'));
            expect(act).toEqual(counts ? { type: one.do === 'identify' ? 'identifyRequested' : 'identifyWithdrawn', callId: one.call } : undefined);
            if (counts) question = undefined;
            break;
          }
          case 'word': {
            const page = pages[one.page];
            if (!page) break;
            const confirmId = one.isLate ? `q${asked - 1}` : `q${asked}`;
            const act = screen.hear(page, { type: 'word', callId: one.call, confirmId, same: one.same });
            const counts = screen.callId === one.call && question?.page === page && question.confirmId === confirmId;
            expect(act).toEqual(counts ? { type: 'wordConfirmed', callId: one.call, confirmId, same: one.same } : undefined);
            if (counts) question = undefined;
            break;
          }
          case 'clear':
            if (screen.callId === one.call) ended();
            screen.clear(one.call, 'ended');
            break;
          case 'open': {
            const page = new ModelPage();
            const older = screen.page as ModelPage | undefined;
            pages.push(page);
            screen.attach(page);
            older?.lose();
            ended();
            break;
          }
          case 'lose': {
            const page = pages[one.page];
            if (page && screen.detach(page)) ended();
            page?.lose();
            break;
          }
          case 'receive': pages[one.page]?.receive(); break;
          case 'renew':
            screen.renewLease(one.call);
            if (screen.callId === one.call) leaseUntil = now + leaseSteps;
            break;
          case 'time': {
            now += one.ms;
            const shown = screen.callId;
            const isOver = shown !== undefined && now >= leaseUntil;
            expect(screen.endLease()).toBe(isOver ? shown : undefined);
            if (isOver) ended();
            break;
          }
          case 'leaseEnded': {
            const page = pages[one.page];
            if (!page) break;
            const counts = page === screen.page && screen.callId === one.call;
            expect(screen.hear(page, { type: 'leaseEnded', callId: one.call })).toEqual(counts ? { type: 'leaseLost', callId: one.call } : undefined);
            if (counts) ended();
            break;
          }
          case 'unmask': {
            const page = pages[one.page];
            if (!page) break;
            const revealId = page.drawn?.revealId ?? newest ?? 'r0';
            const act = screen.hear(page, { type: 'unmask', callId: one.call, revealId, field: 'bsn' });
            const counts = page === screen.page && screen.callId === one.call && revealId === newest && !wanted;
            expect(act).toEqual(counts ? { type: 'unmaskRequested', callId: one.call, revealId, field: 'bsn' } : undefined);
            if (counts) wanted = { revealId };
            break;
          }
          case 'unmasked': {
            const revealId = one.isLate ? `r${revealed.size - 2}` : (newest ?? 'r0');
            const before = pages.map(({ underWay }) => underWay.length);
            screen.unmasked({ callId: one.call, revealId, field: 'bsn', value: `number of ${one.call}` });
            const counts = wanted?.revealId === revealId && screen.callId === one.call;
            expect(pages.flatMap(({ underWay }, i) => (underWay.length > before[i]! ? [underWay.at(-1)!.type] : []))).toEqual(counts ? ['unmasked'] : []);
            if (counts) wanted = undefined;
            break;
          }
          case 'ack': {
            const page = pages[one.page];
            if (!page) break;
            // The page acknowledges what it draws; or somebody hostile makes it acknowledge anything.
            const revealId = page.drawn?.revealId ?? newest ?? 'r0';
            if (page !== screen.page) {
              expect(screen.hear(page, { type: 'availability', value: 'break' })).toBeUndefined();
              expect(screen.availability).toBe('available');
            }
            const act = screen.hear(page, { type: 'ack', callId: page.drawn?.callId ?? one.call, revealId });
            if (act) {
              expect(page).toBe(screen.page);
              expect(act).toEqual({ type: 'acknowledged', callId: screen.callId, revealId: newest });
              expect(revealed.get(revealId)).toBe(screen.callId);
            }
            break;
          }
        }
        for (const page of pages) {
          if (page.drawn) expect(page.drawn).toMatchObject({ callId: page.callId, name: `name of ${page.callId}` });
          if (page.drawn?.secret !== undefined) expect(page.drawn.secret).toBe(`number of ${page.callId}`);
          // Nothing under way any more: what it draws is the call that is there now.
          if (page.drawn && page.underWay.length === 0) {
            expect(page).toBe(screen.page);
            expect(page.drawn.callId).toBe(screen.callId);
          }
        }
        expect(JSON.stringify([screen.callId, screen.page === undefined])).not.toContain('name of');
      }
    }),
    { numRuns: 2000 },
  );
});
