/** The supervisor's room on a listener of its own, with real logins and sockets. The desk is one that says what a test wants seen: a real one cannot let somebody have waited for three minutes. */
import type { Socket } from 'node:net';
import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import type { Page } from 'playwright-core';
import type { Tenant } from '../../config/index.js';
import { endReasons } from '../../gateway/call/machine.js';
import type { DeskView, SeatState } from '../../gateway/desk/index.js';
import { Happenings } from '../../gateway/happenings.js';
import { MemoryBus } from '../../gateway/nodes/memory-bus.js';
import { createScreens } from '../../gateway/screen/screens.js';
import { agentsListener } from '../../gateway/sign-in/listener.js';
import { SignIn, type SignInOptions } from '../../gateway/sign-in/sign-in.js';
import { Supervision, type CallAtReception } from '../../gateway/supervisor/index.js';
import type { WatchedTenant } from '../../gateway/supervisor/view.js';
import { account, password } from '../screen/listener.js';
import { until } from '../peers/wait.js';

export { account, password };

/** A Wednesday at 14:12 in Amsterdam. */
export const afternoon = Date.parse('2026-11-25T13:12:00Z');

const service = (name: string): Tenant['services'][number] => ({ name, queue: {} }) as Tenant['services'][number];

export const services = ['Burgerzaken', 'Sociaal domein', 'Belastingen', 'Afval en milieu'];
const people: readonly (readonly [name: string, displayName: string, state: SeatState, forMs: number])[] = [
  ['anna', 'Anna de Vries', 'busy', 254_000], ['bram', 'Bram Jansen', 'available', 41_000], ['carmen', 'Carmen Bakker', 'wrapUp', 12_000], ['dewi', 'Dewi Smit', 'busy', 73_000],
  ['esra', 'Esra Yilmaz', 'offered', 6_000], ['fenna', 'Fenna Visser', 'break', 745_000], ['gijs', 'Gijs Mulder', 'busy', 512_000], ['hugo', 'Hugo van Dijk', 'away', 0], ['ilse', 'Ilse Meijer', 'resting', 3_000],
];

export interface Office {
  tenants: { name: string; desk: DeskView | undefined; calls: CallAtReception[]; services: string[]; /** The desk answers when this has come. */ slow?: Promise<void>; /** How often it was looked at. */ looks?: number }[];
}

/** An ordinary afternoon. */
export function busyOffice(now: number): Office['tenants'][number] {
  const call = (id: string, service: string, name: CallAtReception['state']['name'], inStateMs: number, forMs: number, identity: CallAtReception['state']['identity'], agent?: string): CallAtReception =>
    ({ id, service: { name: service }, state: { name, identity, ...(agent !== undefined && { agent }) }, stateSince: now - inStateMs, startedAt: now - forMs });
  return {
    name: 'main', services,
    desk: {
      seats: people.filter(([, , state]) => state !== 'away').map(([agent, , state, forMs]) => ({ agent, state, since: now - forMs })),
      queues: [
        { service: 'Burgerzaken', waiting: 2, longestWaitMs: 96_000, staffed: 5 }, { service: 'Sociaal domein', waiting: 1, longestWaitMs: 14_000, staffed: 3 },
        { service: 'Belastingen', waiting: 0, longestWaitMs: 0, staffed: 2 }, { service: 'Afval en milieu', waiting: 0, longestWaitMs: 0, staffed: 0 },
      ],
    },
    calls: [
      call('c1', 'Burgerzaken', 'connected', 512_000, 560_000, 'verified', 'gijs'), call('c2', 'Burgerzaken', 'connected', 254_000, 290_000, 'verified', 'anna'),
      call('c3', 'Sociaal domein', 'connected', 73_000, 131_000, 'none', 'dewi'), call('c4', 'Burgerzaken', 'waiting', 96_000, 118_000, 'verified'),
      call('c5', 'Burgerzaken', 'waiting', 31_000, 52_000, 'none'), call('c6', 'Sociaal domein', 'waiting', 14_000, 40_000, 'verified'),
      call('c7', 'Burgerzaken', 'offered', 6_000, 33_000, 'verified', 'esra'), call('c8', 'Belastingen', 'collecting', 9_000, 16_000, 'none'),
    ],
  };
}

export interface TestSupervision {
  readonly origin: string;
  readonly app: FastifyInstance;
  readonly signIn: SignIn;
  readonly supervision: Supervision;
  readonly happenings: Happenings;
  readonly office: Office;
  readonly clock: { now: number };
  readonly routes: readonly string[];
  logged(): string;
  /** Cuts every connection, as a network does. */
  cut(): void;
  stop(): Promise<void>;
}

const watched = (tenant: Office['tenants'][number]): WatchedTenant => ({
  config: {
    name: tenant.name, displayName: tenant.name === 'main' ? 'Gemeente Voorbeeld' : `Gemeente ${tenant.name}`, services: tenant.services.map(service),
    agents: people.map(([name, displayName]) => ({ name, displayName })) as unknown as Tenant['agents'],
  },
  desk: {
    snapshot: async () => {
      tenant.looks = (tenant.looks ?? 0) + 1;
      await tenant.slow;
      if (!tenant.desk) throw new Error('away');
      return tenant.desk;
    },
  },
  isOpen: ({ name }) => name !== 'Afval en milieu',
});

export async function startSupervision(options: { tenants?: Office['tenants']; clock?: { now: number }; signIn?: Partial<SignInOptions> } = {}): Promise<TestSupervision> {
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const clock = options.clock ?? { now: Date.now() };
  const office: Office = { tenants: options.tenants ?? [busyOffice(clock.now)] };
  const accounts = options.signIn?.accounts ?? [
    account('hans', 'Hans de Boer', { roles: ['supervisor', 'auditor'], hasPhone: false }), account('anna', 'Anna de Vries'), account('olga', 'Olga', { roles: ['auditor'], hasPhone: false }),
    account('adam', 'Adam', { roles: ['admin'], hasPhone: false }), account('hugo', 'Hugo', { roles: ['supervisor'], hasPhone: false }),
  ];
  const policy = { idleTimeoutMs: 1_800_000, maxSessionMs: 43_200_000 };
  const signIn = new SignIn({ log, throttle: { freeTriesPerAddress: 1000 }, accounts, tenants: office.tenants.map(({ name }) => ({ name, displayName: name, path: name === 'main' ? '' : `/t/${name}`, local: true, policy })), ...options.signIn });
  // The trail itself is in a room that these tests do not need.
  signIn.homeFor('auditor', '/audit');
  const happenings = new Happenings(log);
  const screens = createScreens({ agents: accounts.filter(({ hasPhone }) => hasPhone), signIn, log });
  const supervision = new Supervision({
    signIn, happenings, log,
    tenants: office.tenants.map(watched),
    bus: new MemoryBus(log),
    callsOf: (name) => office.tenants.find((tenant) => tenant.name === name)?.calls ?? [],
    link: undefined,
    store: { kind: 'memory' },
    everyMs: 200,
    now: () => clock.now,
  });
  const loggerInstance: FastifyBaseLogger = log;
  const app = fastify({ loggerInstance, forceCloseConnections: true }) as unknown as FastifyInstance;
  const routes: string[] = [];
  const sockets = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  app.addHook('onRoute', ({ method, url }) => void routes.push(...[method].flat().map((one) => `${one} ${url}`)));
  await app.register(agentsListener(signIn, [screens.plugin, supervision.plugin]));
  const origin = await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    origin, app, signIn, supervision, happenings, office, clock, routes,
    logged: () => lines.join(''),
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    stop: async () => {
      await supervision.close();
      screens.close();
      signIn.close();
      await app.close();
    },
  };
}

/** A morning and an afternoon of calls, the same every time. Ends at the clock's present hour. */
export function aDay({ happenings, clock }: Pick<TestSupervision, 'happenings' | 'clock'>): void {
  // A generator of its own, so that a picture of it stays the same (Numerical Recipes).
  let seed = 20261125;
  const random = (): number => (seed = (seed * 1_664_525 + 1_013_904_223) % 4_294_967_296) / 4_294_967_296;
  const perHour = [14, 31, 38, 27, 19, 24, 9];
  const now = clock.now;
  const first = Math.floor(now / 3_600_000) * 3_600_000 - (perHour.length - 1) * 3_600_000;
  let id = 0;
  for (const [index, calls] of perHour.entries()) {
    for (let n = 0; n < calls; n += 1) {
      const callId = `d${(id += 1)}`;
      const at = first + index * 3_600_000 + Math.floor(random() * (index === perHour.length - 1 ? now % 3_600_000 : 3_600_000));
      const service = services[[0, 0, 0, 0, 1, 1, 2, 2, 3][Math.floor(random() * 9)]!]!;
      const of = { tenant: 'main', callId };
      happenings.tell({ type: 'call.arrived', ...of, service, at });
      if (random() < 0.62) happenings.tell({ type: 'call.identified', ...of, sessionId: 's', identity: 'verified', at: at + 15_000 });
      happenings.tell({ type: 'call.waiting', ...of, service, at: at + 20_000 });
      const waits = Math.floor(random() ** 2 * (index === 2 ? 140_000 : 62_000));
      if (random() < 0.07) {
        happenings.tell({ type: 'call.ended', ...of, reason: 'abandoned', seconds: 40, at: at + 20_000 + waits });
        continue;
      }
      if (random() < 0.03) {
        happenings.tell({ type: 'call.overflowed', ...of, service, at: at + 150_000 });
        happenings.tell({ type: 'call.ended', ...of, reason: 'otherHungUp', seconds: 300, at: at + 300_000 });
        continue;
      }
      happenings.tell({ type: 'call.connected', ...of, agent: 'anna', at: at + 20_000 + waits });
      if (random() < 0.1) happenings.tell({ type: 'call.transferred', ...of, from: 'anna', to: { kind: 'outside' }, at: at + 60_000 + waits });
      happenings.tell({ type: 'call.ended', ...of, reason: endReasons[0], seconds: 300, at: at + 60_000 + waits + Math.floor(random() * 420_000) });
    }
  }
}

/** Logs in in a browser, and waits for the page to be told. */
export async function logInOn(page: Page, { origin }: Pick<TestSupervision, 'origin'>, name = 'hans'): Promise<void> {
  await page.goto(`${origin}/supervisor`);
  await page.getByLabel('Gebruikersnaam').fill(name);
  await page.getByLabel('Wachtwoord').fill(password);
  await page.getByRole('button', { name: 'Aanmelden' }).click();
  await page.waitForURL('**/supervisor');
}

/** Until the feed has told the page something. */
export const isLive = (page: Page): Promise<unknown> => until(async () => (await page.locator('#connection.live').count()) === 1, 'the page to be live', 20_000);
