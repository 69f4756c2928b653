import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import type { Page } from 'playwright-core';
import { createScreens, type AgentScreens, type OfferedCall, type Revelation, type ScreensOptions } from '../../gateway/screen/screens.js';
import { agentsListener } from '../../gateway/sign-in/listener.js';
import { SignIn, type Account, type SignInOptions } from '../../gateway/sign-in/sign-in.js';

export interface Listener {
  signIn: SignIn;
  screens: AgentScreens;
  app: FastifyInstance;
  origin: string;
  /** Everything the screens told the desk, in order. */
  told: unknown[][];
  /** Everything that was logged, as text. */
  logged: () => string;
  close(): Promise<void>;
}

export const password = 'correct horse battery';

/** An account of an agent whose password is `password`. */
export function account(name: string, displayName = name, over: Partial<Account> = {}): Account {
  return { name, displayName, tenant: 'main', roles: ['agent'], hasPhone: true, signInAs: name, stamp: '1', checkPassword: async (given) => given === password, ...over };
}

/** An agents' listener on a free port of loopback, with three agents, `anna`, `bram` and `cor`, who share a password. */
export async function startListener(options: Partial<Omit<ScreensOptions, 'signIn'> & SignInOptions> = {}, port = 0): Promise<Listener> {
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const accounts = options.accounts ?? [account('anna', 'Anna de Wit'), account('bram', 'Bram'), account('cor', 'Cor')];
  const signIn = new SignIn({ log, ...options, accounts });
  // Calls of these tests do not say that they are alive, except where that is what is tested.
  const screens = createScreens({ agents: accounts, log, leaseMs: Infinity, ...options, signIn });
  const told: unknown[][] = [];
  for (const event of ['present', 'gone', 'availability', 'acknowledged', 'endRequested', 'identifyRequested', 'identifyWithdrawn', 'wordConfirmed', 'unmaskRequested', 'transferRequested', 'bringInRequested', 'guestOutRequested', 'leaveRequested', 'wrapUpDone', 'leaseLost', 'returned', 'locked', 'unlocked'] as const) {
    screens.on(event, (...args: unknown[]) => void told.push([event, ...args]));
  }
  const loggerInstance: FastifyBaseLogger = log;
  const app = fastify({ loggerInstance, forceCloseConnections: true });
  await app.register(agentsListener(signIn, [screens.plugin]));
  const origin = await app.listen({ host: '127.0.0.1', port });
  return {
    signIn, screens, app, origin, told,
    logged: () => lines.join(''),
    close: async () => {
      screens.close();
      signIn.close();
      await app.close();
    },
  };
}

export function call(callId: string, over: Partial<OfferedCall> = {}): OfferedCall {
  return { callId, service: 'Burgerzaken', language: 'nl', waitedMs: 12_000, identified: 'verified', canIdentify: true, ...over };
}

export function revelation(callId: string, revealId: string, attributes: Record<string, string> = { fullname: 'Jip Jansen', bsn: '999990019' }): Revelation {
  return { callId, revealId, identity: { purpose: 'report_move', attributes, authMethod: 'digid', verifiedAt: new Date(Date.now() - 180_000) } };
}

/** Waits until something holds; the machine may be busy, so generously. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Logs in in a browser, and waits for the screen to be there. @param origin of a relay to the listener */
export async function logInOn(page: Page, listener: Listener, name = 'anna', origin = listener.origin): Promise<void> {
  await page.goto(`${origin}/screen`);
  await page.getByLabel('Gebruikersnaam').fill(name);
  await page.getByLabel('Wachtwoord').fill(password);
  await page.getByRole('button', { name: 'Aanmelden' }).click();
  await page.waitForURL('**/screen');
  await until('the screen to be present', () => listener.screens.isPresent(name));
}

/** Logs in as a browser would and returns the cookie. */
export async function login(origin: string, name = 'anna', given = password, headers: Record<string, string> = {}): Promise<{ status: number; cookie: string; location: string | null; setCookie: string; response: Response }> {
  const response = await fetch(`${origin}/login`, {
    method: 'POST', redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin, ...headers },
    body: new URLSearchParams({ name, password: given }),
  });
  const setCookie = response.headers.get('set-cookie') ?? '';
  return { status: response.status, cookie: setCookie.split(';')[0] ?? '', setCookie, location: response.headers.get('location'), response };
}
