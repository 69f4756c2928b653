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
  drawn: { callId: string; revealId: string; name: string } | undefined;

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
const step = fc.oneof(
  fc.record({ do: fc.constant('offer' as const), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constant('reveal' as const), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constant('connected' as const), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constant('clear' as const), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constant('receive' as const), page: fc.nat(3) }),
  fc.record({ do: fc.constant('ack' as const), page: fc.nat(3), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constant('open' as const) }),
  fc.record({ do: fc.constant('lose' as const), page: fc.nat(3) }),
  fc.record({ do: fc.constantFrom('invitation' as const, 'confirmWord' as const, 'identifyFailed' as const), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constantFrom('identify' as const, 'withdraw' as const), page: fc.nat(3), call: fc.constantFrom(...callIds) }),
  fc.record({ do: fc.constant('word' as const), page: fc.nat(3), call: fc.constantFrom(...callIds), isLate: fc.boolean(), same: fc.boolean() }),
);

it('whatever the order of calls, pages and losses: never another caller, never an acknowledgement of what is not drawn, never an answer to a void question', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      let now = 0;
      const screen = new AgentScreen('Anna', { beatIntervalMs: 1, beatTimeoutMs: 1 }, () => (now += 1));
      const pages: ModelPage[] = [];
      const revealed = new Map<string, string>();
      let newest: string | undefined;
      /** The question whose answer counts now, and the page that may give it. */
      let question: { confirmId: string; page: ModelPage } | undefined;
      let asked = 0;
      let isConnected = false;
      for (const one of steps) {
        switch (one.do) {
          case 'offer':
            screen.offer({ callId: one.call, service: 's', language: 'nl', waitedMs: 0, identified: 'verified', canIdentify: one.call !== 'c3' });
            newest = question = undefined;
            isConnected = false;
            break;
          case 'reveal': {
            const revealId = `r${revealed.size}`;
            revealed.set(revealId, one.call);
            const sent = screen.reveal(revelation(one.call, revealId, { fullname: `name of ${one.call}` }));
            expect(sent).toBe(screen.page !== undefined && screen.callId === one.call);
            if (sent) newest = revealId;
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
            if (screen.callId === one.call) newest = question = undefined;
            screen.clear(one.call, 'ended');
            break;
          case 'open': {
            const page = new ModelPage();
            const older = screen.page as ModelPage | undefined;
            pages.push(page);
            screen.attach(page);
            older?.lose();
            newest = question = undefined;
            break;
          }
          case 'lose': {
            const page = pages[one.page];
            if (page && screen.detach(page)) newest = question = undefined;
            page?.lose();
            break;
          }
          case 'receive': pages[one.page]?.receive(); break;
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
