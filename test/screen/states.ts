/** Every state of the screen, with a caller who does not exist: for the tests that look at all of them, and for the pictures of docs/agents.md. */
import type { Page } from 'playwright-core';
import { plainSettings, type ScreenSettings } from '../../gateway/screen/labels.js';
import { account, call, until, type Listener } from './listener.js';

export const settings: ScreenSettings = {
  ...plainSettings,
  masked: ['bsn'], represented: ['on_behalf_of', 'represented'], assurance: ['loa'],
  labels: { v_number: { nl: 'V-nummer', en: 'V-number' } },
};

/** For `startListener`: an agent with colleagues, and what the desk would know of them. */
export const office = {
  agents: [{ ...account('anna', 'Anna de Wit'), settings }],
  targets: () => ({
    agents: [
      { name: 'bram', displayName: 'Bram Jansen', state: 'available' as const },
      { name: 'cor', displayName: 'Cor van Dijk', state: 'busy' as const },
      { name: 'dina', displayName: 'Dina Smit', state: 'wrapUp' as const },
      { name: 'els', displayName: 'Els Peeters', state: 'break' as const },
    ],
    services: [{ name: 'Belastingen', waiting: 2, staffed: 3 }, { name: 'Balie', waiting: 0, staffed: 0 }],
    outside: true,
  }),
};

const attributes = { fullname: 'Willeke de Bruijn', dateofbirth: '10-03-1965', street: 'Dorpsstraat', housenumber: '12', zipcode: '6511 AB', city: 'Nijmegen', email: 'willeke@example.org', loa: '25' };

export interface State {
  readonly name: string;
  /** Brings a fresh screen of anna into this state. */
  enter(listener: Listener, page: Page): Promise<void>;
}

async function revealed(listener: Listener, page: Page, more: Record<string, string> = {}, over: Parameters<typeof call>[1] = {}): Promise<void> {
  listener.screens.offer('anna', call('c1', { canTransfer: true, ...over }));
  const verifiedAt = new Date(Date.now() - 180_000);
  listener.screens.reveal('anna', { callId: 'c1', revealId: 'r1', identity: { purpose: 'report_move', attributes: { ...attributes, ...more }, authMethod: 'digid', verifiedAt }, masked: ['bsn'], how: 'beforeCall', purposeLabel: { nl: 'Verhuizing doorgeven', en: 'Report a move' } });
  await page.locator('#identity.verified').waitFor();
  listener.screens.connected('anna', 'c1');
  await page.locator('#call.connected').waitFor();
}

async function unidentified(listener: Listener, page: Page, identified: 'none' | 'awaiting' | 'failed' | 'unauthenticated'): Promise<void> {
  listener.screens.offer('anna', call('c1', { identified, canTransfer: true }));
  listener.screens.reveal('anna', { callId: 'c1', revealId: 'r1', identity: null });
  await page.locator('#identity.unidentified').waitFor();
  listener.screens.connected('anna', 'c1');
  await page.locator('#call.connected').waitFor();
}

const identifying = (then: (listener: Listener, page: Page) => void | Promise<void>) => async (listener: Listener, page: Page): Promise<void> => {
  await unidentified(listener, page, 'none');
  await page.locator('#identify-start').click();
  await then(listener, page);
};

export const states: readonly State[] = [
  { name: 'idle', enter: async (_listener, page) => page.locator('#call.idle').waitFor() },
  {
    name: 'break',
    enter: async (_listener, page) => {
      await page.locator('input[value=break]').check();
      await page.locator('#call.break').waitFor();
    },
  },
  {
    name: 'wrap-up',
    enter: async (listener, page) => {
      listener.screens.seat('anna', { state: 'wrapUp', untilMs: Date.now() + 25_000 });
      await page.locator('#ready-again').waitFor();
    },
  },
  {
    name: 'resting',
    enter: async (listener, page) => {
      listener.screens.offer('anna', call('c1'));
      listener.screens.clear('anna', 'c1', 'missed');
      listener.screens.seat('anna', { state: 'resting', untilMs: Date.now() + 10_000 });
      await page.locator('#call.resting').waitFor();
    },
  },
  {
    name: 'ringing',
    enter: async (listener, page) => {
      listener.screens.offer('anna', call('c1', { transferredBy: 'Bram Jansen' }));
      await page.locator('#call.ringing').waitFor();
    },
  },
  { name: 'verified', enter: (listener, page) => revealed(listener, page) },
  {
    name: 'unmasked',
    enter: async (listener, page) => {
      await revealed(listener, page);
      await page.locator('.masked .show').click();
      await until('the wish to see', () => listener.told.some(([event]) => event === 'unmaskRequested'));
      listener.screens.unmasked('anna', { callId: 'c1', revealId: 'r1', field: 'bsn', value: '999990019' });
      await page.locator('dd.unmasked').waitFor();
    },
  },
  {
    name: 'cannot-unmask',
    enter: async (listener, page) => {
      await revealed(listener, page);
      await page.locator('.masked .show').click();
      await until('the wish to see', () => listener.told.some(([event]) => event === 'unmaskRequested'));
      listener.screens.unmasked('anna', { callId: 'c1', revealId: 'r1', field: 'bsn', value: null });
      await page.locator('dd.masked .fault').waitFor();
    },
  },
  { name: 'represented', enter: (listener, page) => revealed(listener, page, { on_behalf_of: 'Bakkerij Jansen BV', represented_kvk: '12345678', v_number: '1234567890' }) },
  {
    name: 'warned',
    enter: async (listener, page) => {
      await revealed(listener, page);
      listener.screens.warn('anna', 'c1', 'codeUsedAgain');
      await page.locator('#warning').waitFor();
    },
  },
  ...(['none', 'awaiting', 'failed', 'unauthenticated'] as const).map((identified) => ({ name: `unidentified-${identified}`, enter: (listener: Listener, page: Page) => unidentified(listener, page, identified) })),
  {
    name: 'invitation',
    enter: identifying(async (listener, page) => {
      listener.screens.invitation('anna', { callId: 'c1', address: 'telefoon.example.org/i', pairingCode: '48213957', expiresInMs: 580_000 });
      await page.locator('#invitation').waitFor();
    }),
  },
  {
    name: 'compare',
    enter: identifying(async (listener, page) => {
      listener.screens.confirmWord('anna', { callId: 'c1', confirmId: 'q1', word: 'appel' });
      await page.locator('#word-same:not([disabled])').waitFor();
    }),
  },
  {
    name: 'identify-failed',
    enter: identifying(async (listener, page) => {
      listener.screens.identifyFailed('anna', 'c1');
      await page.locator('#identify.failed').waitFor();
    }),
  },
  {
    name: 'transfer',
    enter: async (listener, page) => {
      await revealed(listener, page);
      await page.locator('#transfer-start').click();
      await page.locator('.choice.available').first().waitFor();
      await page.locator('.choice input').first().check();
    },
  },
  {
    name: 'transfer-outside',
    enter: async (listener, page) => {
      await revealed(listener, page);
      await page.locator('#transfer-start').click();
      await page.locator('#transfer-outside-choice').check();
      await page.locator('#transfer-warning').waitFor();
    },
  },
  {
    name: 'transfer-failed',
    enter: async (listener, page) => {
      await revealed(listener, page);
      await page.locator('#transfer-start').click();
      // Without the list the first choice is a number outside.
      await page.locator('.choice.available').first().waitFor();
      await page.locator('.choice input').first().check();
      await page.locator('#transfer-go').click();
      await until('the wish to transfer', () => listener.told.some(([event]) => event === 'transferRequested'));
      listener.screens.transferFailed('anna', { callId: 'c1', reason: 'noAnswer' });
      await page.locator('#transfer-problem:not(:empty)').waitFor();
    },
  },
  {
    name: 'guest-ringing',
    enter: async (listener, page) => {
      await revealed(listener, page);
      await page.locator('#transfer-start').click();
      await page.locator('.choice.available').first().waitFor();
      await page.locator('.choice input').first().check();
      await page.locator('#transfer-bring-in').click();
      await until('the wish to bring in', () => listener.told.some(([event]) => event === 'bringInRequested'));
      listener.screens.offer('anna', call('c1', { canTransfer: true, guest: { name: 'Bram Jansen', isJoined: false } }));
      await page.locator('#guest.ringing').waitFor();
    },
  },
  {
    name: 'guest-joined',
    enter: async (listener, page) => {
      await revealed(listener, page);
      listener.screens.offer('anna', call('c1', { canTransfer: true, guest: { name: 'Bram Jansen', isJoined: true } }));
      await page.locator('#guest.joined').waitFor();
    },
  },
  {
    name: 'guest-gone',
    enter: async (listener, page) => {
      await revealed(listener, page);
      listener.screens.offer('anna', call('c1', { canTransfer: true, guest: { name: 'Bram Jansen', isJoined: false } }));
      await page.locator('#guest.ringing').waitFor();
      listener.screens.offer('anna', call('c1', { canTransfer: true }));
      listener.screens.guestGone('anna', { callId: 'c1', reason: 'noAnswer' });
      await page.locator('#guest.gone').waitFor();
    },
  },
  {
    name: 'brought-in',
    enter: async (listener, page) => {
      listener.screens.offer('anna', call('c1', { broughtInBy: 'Bram Jansen', canIdentify: false }));
      await page.locator('#call.ringing').waitFor();
    },
  },
  { name: 'brought-in-joined', enter: (listener, page) => revealed(listener, page, {}, { broughtInBy: 'Bram Jansen', canIdentify: false, canTransfer: false }) },
  {
    name: 'settings',
    enter: async (_listener, page) => {
      await page.locator('#settings-open').click();
      await page.locator('#settings').waitFor();
    },
  },
  {
    name: 'cleared',
    enter: async (listener, page) => {
      await revealed(listener, page);
      listener.screens.clear('anna', 'c1', 'ended');
      await page.locator('#news:not(:empty)').waitFor();
    },
  },
  {
    name: 'replaced',
    enter: async (listener, page) => {
      const second = await page.context().newPage();
      await second.goto(`${listener.origin}/screen`);
      await page.locator('#use-here').waitFor();
      await second.close();
    },
  },
  {
    name: 'lost',
    enter: async (listener, page) => {
      await revealed(listener, page);
      listener.screens.close();
      await page.locator('#connection.lost').waitFor();
    },
  },
];
