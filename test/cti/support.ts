/** The agents' listener with events for other desktops, without calls: what happens is told by the test. */
import fastify, { type FastifyBaseLogger } from 'fastify';
import pino from 'pino';
import { WebSocket } from 'ws';
import { parseConfig, type Tenant } from '../../config/index.js';
import type { Audit, AuditRecord } from '../../gateway/audit/index.js';
import { createCti, type Cti, type IdentityOf } from '../../gateway/cti/index.js';
import { Happenings } from '../../gateway/happenings.js';
import { Metrics } from '../../gateway/ops/metrics.js';
import { agentsListener } from '../../gateway/sign-in/listener.js';
import { SignIn } from '../../gateway/sign-in/sign-in.js';
import { until } from '../peers/index.js';
import { demoPasswordHash } from '../support/password.js';

export const crmToken = 'a-token-of-the-CRM-for-tests-only';
export const annaToken = 'a-token-of-annas-desktop-for-tests';
export const otherToken = 'a-token-of-another-municipality';

export interface CtiListener {
  readonly origin: string;
  readonly happenings: Happenings;
  readonly recorded: AuditRecord[];
  readonly metrics: Metrics;
  readonly tenants: readonly Tenant[];
  readonly cti: Cti;
  logged(): string;
  metric(line: RegExp): Promise<number>;
  stop(): Promise<void>;
}

export interface CtiListenerOptions {
  /** Of the municipality `main`; added to two subscribers, `crm` for all and `anna-desktop` for anna. */
  cti?: Record<string, unknown>;
  identityOf?: IdentityOf;
  record?: Audit['record'];
  port?: number;
}

const tenant = (name: string, number: string, agents: string[], cti: Record<string, unknown>) => ({
  name,
  services: [{ name: 'Burgerzaken', numbers: [number], purposes: ['move'] }],
  agents: agents.map((agent, i) => ({ name: agent, password: demoPasswordHash, phone: `sip:${agent}@127.0.0.1:507${i}` })),
  idContact: { phoneNumber: number },
  cti,
});

export async function startCti(options: CtiListenerOptions = {}): Promise<CtiListener> {
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const { tenants } = parseConfig({
    demo: true,
    trunks: [{ name: 'a', addresses: ['192.0.2.1'] }],
    tenants: [
      tenant('zutphen', '+31575123456', ['anna', 'bram'], { subscribers: [{ name: 'crm', token: crmToken }, { name: 'anna-desktop', token: annaToken, agent: 'anna', identity: ['fullname'] }], ...options.cti }),
      tenant('almelo', '+31546123456', ['cor'], { subscribers: [{ name: 'crm', token: otherToken, identity: ['fullname'] }] }),
    ],
  }, { env: {} });
  const happenings = new Happenings(log);
  const metrics = new Metrics({ waiting: () => 0, agentsReady: () => 0, endpoints: () => 0, storeReachable: () => true });
  const recorded: AuditRecord[] = [];
  const record = options.record ?? ((one: AuditRecord) => { recorded.push(one); return Promise.resolve(); });
  let origin = '';
  const cti = createCti({
    tenants, happenings, metrics, log,
    audit: () => ({ record, shown: () => Promise.resolve(), trail: undefined, close: () => Promise.resolve() }),
    identityOf: options.identityOf ?? (() => Promise.resolve(undefined)),
    url: () => origin,
  });
  const signIn = new SignIn({ accounts: [], tenants: [], log, baseUrl: () => origin });
  const loggerInstance: FastifyBaseLogger = log;
  const app = fastify({ loggerInstance, forceCloseConnections: true });
  await app.register(agentsListener(signIn, [cti.plugin]));
  origin = await app.listen({ host: '127.0.0.1', port: options.port ?? 0 });
  return {
    origin, happenings, recorded, metrics, tenants, cti,
    logged: () => lines.join(''),
    metric: async (line) => Number((await metrics.registry.metrics()).split('\n').find((candidate) => line.test(candidate))?.split(' ').at(-1) ?? 0),
    stop: async () => {
      await cti.close();
      await app.close();
      signIn.close();
    },
  };
}

export type Message = { type: string; id?: string; data?: Record<string, unknown> } & Record<string, unknown>;

/** A desktop's side of the WebSocket. */
export class Desktop {
  readonly messages: Message[] = [];
  closedWith: number | undefined;
  refusedWith: number | undefined;

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => this.messages.push(JSON.parse(data.toString()) as Message));
    socket.on('close', (code) => (this.closedWith = code));
    socket.on('unexpected-response', (_request, response) => {
      this.refusedWith = response.statusCode;
      socket.terminate();
    });
    socket.on('error', () => undefined);
  }

  /** @param hello null: says nothing */
  static async open(listener: CtiListener, headers: Record<string, string>, hello: Record<string, unknown> | string | null = { type: 'cti.hello' }): Promise<Desktop> {
    const desktop = new Desktop(new WebSocket(`${listener.origin.replace('http', 'ws')}/cti/ws`, { headers }));
    await until(() => desktop.socket.readyState !== WebSocket.CONNECTING || desktop.refusedWith !== undefined, 'the socket to open or not');
    if (desktop.socket.readyState === WebSocket.OPEN && hello !== null) desktop.socket.send(typeof hello === 'string' ? hello : JSON.stringify(hello));
    return desktop;
  }

  /** Connected as a subscriber who is welcome. */
  static async of(listener: CtiListener, token: string, after?: string): Promise<Desktop> {
    const desktop = await Desktop.open(listener, { authorization: `Bearer ${token}` }, { type: 'cti.hello', ...(after !== undefined && { after }) });
    await until(() => desktop.messages.some(({ type }) => type === 'cti.welcome'), 'a welcome');
    return desktop;
  }

  get events(): Message[] {
    return this.messages.filter(({ id }) => id !== undefined);
  }

  async untilEvents(count: number): Promise<Message[]> {
    await until(() => this.events.length >= count, `${count} events (there are ${this.events.length})`);
    return this.events;
  }

  stop(): void {
    this.socket.terminate();
  }
}

/** One call from its arrival to its end, at this agent. */
export function tellCall(happenings: Happenings, callId: string, agent: string, tenantName = 'zutphen'): void {
  const call = { tenant: tenantName, callId };
  happenings.tell({ type: 'call.arrived', ...call, service: 'Burgerzaken' });
  happenings.tell({ type: 'call.identified', ...call, sessionId: 's1', identity: 'verified' });
  happenings.tell({ type: 'call.waiting', ...call, service: 'Burgerzaken', place: 1 });
  happenings.tell({ type: 'call.offered', ...call, agent });
  happenings.tell({ type: 'call.answered', ...call, agent });
  happenings.tell({ type: 'call.shown', ...call, agent, why: 'answered', fields: ['fullname', 'bsn'] });
  happenings.tell({ type: 'call.connected', ...call, agent });
}

export function tellEnd(happenings: Happenings, callId: string, agent: string, tenantName = 'zutphen'): void {
  happenings.tell({ type: 'call.cleared', tenant: tenantName, callId, agent, because: 'ended' });
  happenings.tell({ type: 'call.ended', tenant: tenantName, callId, reason: 'callerHungUp', seconds: 12 });
}
