/** The gateway put together: everything that runs, made from a configuration, and its end. */
import { EventEmitter } from 'node:events';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fastify, { LogController, type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { changesForRestart, isSameSetting, Secret, type Config, type MediaServerAddress, type SipServerAddress, type Tenant } from '../config/index.js';
import { companionPages, connectRedis, createCoreServer, httpLimits, limitConnections, pairingPages, secureAgain, tenantPath, timeLimits, type HttpLimits, type RedisLink, type SessionVault } from '../core-bridge/index.js';
import { words } from '../ivr/index.js';
import { AuditError, auditPages, createAudit, noAudit, type Audit } from './audit/index.js';
import { References } from './call/hand-over.js';
import type { HandedOverCall } from './call/live-call.js';
import { Reception } from './call/reception.js';
import { PinGuard } from './call/whisper.js';
import { createCti, type Cti } from './cti/index.js';
import { EngineError, Engines, type EngineAddresses } from './engines/spawn.js';
import { Happenings } from './happenings.js';
import { shareHappenings } from './happenings-on-bus.js';
import { bounded } from './media/bounded.js';
import { learnsUnbounded } from './media/source.js';
import { createBus, type NodeBus } from './nodes/index.js';
import { opsRoutes, type HealthReport } from './ops/listener.js';
import { Metrics } from './ops/metrics.js';
import { FarScreens } from './screen/far-screens.js';
import { createScreens, type AgentScreens, type ScreenAgent } from './screen/screens.js';
import { accountsOf, signInOptions } from './sign-in/from-config.js';
import { agentsListener } from './sign-in/listener.js';
import { SignIn } from './sign-in/sign-in.js';
import { HandedOverCalls } from './pop/handed-over.js';
import { popRoutes } from './pop/pop-routes.js';
import { SipNode } from './sip/node.js';
import { Strangers } from './sip/strangers.js';
import { Trunks } from './sip/trunks.js';
import { Supervision } from './supervisor/index.js';
import { openTenant, type TenantRoom } from './tenants.js';
import { bordersOf } from './watchman/borders.js';
import { Watchman } from './watchman/watchman.js';

/** A part of the gateway could not start; the message names the setting to change. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

const listenerNames = ['public', 'core', 'agents', 'ops'] as const;
type ListenerName = (typeof listenerNames)[number];

/** Largest HTTP request body of any listener, in bytes; single routes ask for less. */
const maxBodyBytes = 262_144;
/** Settings that one line of the log names. */
const mostNamed = 20;
const readyWithinMs = 15_000;
const stopStepMs = 5_000;

export class Gateway extends EventEmitter<{ changed: [] }> {
  /** Base URL of each listener, as bound. */
  readonly urls = {} as Record<ListenerName, string>;
  /** Where phones and trunks call, when the embedded engines are used. */
  sipAddress: { host: string; port: number } | undefined;
  readonly metrics: Metrics;
  /** What happens to calls and agents, for whoever keeps count of it. */
  readonly happenings: Happenings;
  /** Who saw what; taken up before anything starts. */
  private audit: Audit = noAudit;
  /** Events for other desktops. */
  private readonly cti: Cti;
  private readonly stopSharing: () => void;
  engines: Engines | undefined;
  readonly tenants: readonly TenantRoom[];
  /** The way to Redis, when sessions are kept there. */
  private readonly link: RedisLink | undefined;
  /** The way to the other nodes of this gateway. */
  private readonly bus: NodeBus;
  private readonly signIn: SignIn;
  /** Of this node. */
  private readonly screens: AgentScreens;
  /** Of all nodes. */
  private readonly farScreens: FarScreens;
  private readonly reception: Reception;
  private readonly supervision: Supervision;
  private readonly nodes: SipNode[] = [];
  private readonly servers: FastifyInstance[] = [];
  private coreServer: FastifyInstance | undefined;
  private stopped: Promise<void> | undefined;
  /** Looks for what stands alone; tests look by themselves. */
  watchman: Watchman | undefined;
  private draining = false;

  private constructor(private readonly config: Config, private readonly log: Logger, private readonly limits: HttpLimits) {
    super();
    this.happenings = new Happenings(log.child({ room: 'happenings' }));
    this.metrics = new Metrics({
      waiting: () => this.sum(({ desk }) => desk.waiting),
      agentsReady: () => this.sum(({ desk }) => desk.staffed),
      endpoints: () => this.nodes.reduce((sum, node) => sum + node.pool.endpointCount, 0),
      storeReachable: () => this.storeReachable,
    });
    this.link = config.store.kind === 'redis' ? connectRedis(config.store, log.child({ room: 'store' })) : undefined;
    this.bus = createBus(config.store, this.link, log.child({ room: 'nodes' }));
    this.stopSharing = shareHappenings(this.happenings, this.bus, log.child({ room: 'happenings' }));
    this.tenants = config.tenants.map((tenant) => openTenant(tenant, {
      config, node: this.bus.id, link: this.link, metrics: this.metrics, log,
      coreUrl: () => this.urls.core,
      publicUrl: () => this.urls.public,
      demoCoreUrl: config.demo ? () => `${this.urls.public}/demo/core` : undefined,
    }));
    const signInLog = log.child({ room: 'sign-in' });
    this.signIn = new SignIn({
      ...signInOptions(config, this.link, signInLog),
      log: signInLog,
      happenings: this.happenings,
      baseUrl: () => this.urls.agents,
    });
    this.screens = createScreens({
      agents: this.screenAgents(),
      signIn: this.signIn,
      targets: (agent) => this.reception.transferTargets(agent),
      onFlood: () => this.metrics.screenFlooded(),
      log: log.child({ room: 'screen' }),
    });
    this.farScreens = new FarScreens({
      local: this.screens,
      bus: this.bus,
      holds: async (agent, callId) => (await this.tenants.find((tenant) => tenant.agent(agent))?.desk.seatOf(agent))?.callId === callId,
      log: log.child({ room: 'screen' }),
    });
    this.handedOver = new HandedOverCalls(this.references, this.bus, log.child({ room: 'pop' }));
    this.cti = createCti({
      tenants: config.tenants,
      happenings: this.happenings,
      audit: () => this.audit,
      // No call can be asked yet, so nobody is told.
      identityOf: (callId, agent) => this.reception.identityOf(callId, agent),
      metrics: this.metrics,
      log: log.child({ room: 'cti' }),
      url: () => this.urls.agents,
    });
    const trunks = new Trunks(config.trunks);
    this.trunks = trunks;
    this.strangers = new Strangers(log.child({ room: 'sip' }), (method, count) => method === 'INVITE' && this.metrics.inviteRefused('stranger', count));
    this.reception = new Reception(
      {
        config,
        screens: this.farScreens,
        metrics: this.metrics,
        happenings: this.happenings,
        audit: () => this.audit,
        references: this.references,
        pins: new PinGuard(),
        popUrl: (reference) => `${this.urls.agents}/pop/${reference}`,
        promptsPath: config.media.promptsPath ?? ownPromptsPath,
        trunkOfPhone: (uri) => trunks.of(/^sips?:(?:[^@]*@)?([^:;?>]+)/i.exec(uri)?.[1] ?? ''),
      },
      this.tenants,
      trunks,
      log,
    );
    this.supervision = new Supervision({
      tenants: this.tenants,
      signIn: this.signIn,
      happenings: this.happenings,
      bus: this.bus,
      callsOf: (tenant) => this.reception.callsOf(tenant),
      link: this.link,
      store: config.store,
      log: log.child({ room: 'supervisor' }),
    });
  }

  private readonly trunks: Trunks;
  private readonly strangers: Strangers;
  /** Calls that PBX queues carry for this node. */
  private readonly references = new References<HandedOverCall>();
  private readonly handedOver: HandedOverCalls;

  /**
   * Starts everything and waits until calls can be taken.
   * @param limits of the HTTP listeners, where they are not to be the usual ones
   * @throws StartError naming what cannot be bound or reached, and the setting; nothing is left running then
   */
  static async start(config: Config, log: Logger, limits: Partial<HttpLimits> = {}): Promise<Gateway> {
    const gateway = new Gateway(config, log, { ...httpLimits, ...limits });
    await gateway.startAudit();
    // The child needs about as long as the listeners do: side by side.
    const engines = config.sip.servers.length === 0 || config.media.servers.length === 0 ? gateway.startEngines() : undefined;
    engines?.catch(() => undefined);
    try {
      await gateway.startListeners();
      await gateway.startNodes(await engines);
      gateway.watch();
      if (gateway.link) gateway.reception.keepPromises(gateway.link, () => gateway.nodes.find(({ ready }) => ready));
      return gateway;
    } catch (error) {
      // A child that is still starting must be known before it can be stopped.
      await engines?.catch(() => undefined);
      await gateway.stop(0);
      throw error;
    }
  }

  /** Calls that exist now. */
  get calls(): number {
    return this.reception.size;
  }

  health(): HealthReport {
    const sip = this.nodes.some((node) => node.connected);
    const media = this.nodes.some((node) => node.ready);
    const status = this.draining ? 'draining' : this.nodes.length === 0 ? 'starting' : media ? 'ready' : 'degraded';
    return { status, sip, media, store: this.storeReachable, calls: this.reception.size };
  }

  /** The vault of the first tenant, the only one when the configuration names none. */
  get vault(): SessionVault {
    return this.tenants[0]!.vault;
  }

  /**
   * Takes over what may change while it runs, from a configuration that was read again: keys from the next token on, the
   * core listener's certificate from the next connection on, people (`agents`) and opening hours at once.
   */
  renew(fresh: Config): void {
    const { log } = this;
    if (fresh.demo) return log.warn('demo: takes a restart; all stays as it is');
    const before = this.tenants.map(({ config }) => config);
    const renewals = this.tenants.map((tenant) => this.renewalOf(tenant, fresh));
    for (const [index, tenant] of this.tenants.entries()) tenant.renew(renewals[index]!);
    const { tls } = fresh.listeners.core;
    if (this.coreServer && !secureAgain(this.coreServer, this.config.listeners.core.tls, tls)) log.warn('listeners.core.tls: whether there is TLS or a clientCa changes with a restart only');
    log.info({ tenants: fresh.tenants.map(({ name }) => name) }, 'keys read again');
    this.renewPeople(before);
    const settings = changesForRestart(this.config, fresh);
    if (settings.length > 0) log.warn({ settings: settings.slice(0, mostNamed), ...(settings.length > mostNamed && { more: settings.length - mostNamed }) }, 'these settings changed, and take a restart');
  }

  /**
   * What a tenant takes over. One that is not in the configuration any more has nobody left. Who was another tenant's until
   * now, or has a call of it, does not come in yet: nobody may have calls of two municipalities.
   */
  private renewalOf({ config }: TenantRoom, fresh: Config): Tenant {
    const its = fresh.tenants.find(({ name }) => name === config.name);
    if (!its) return { ...config, accounts: [], agents: [] };
    const isElsewhere = (name: string): boolean => this.tenants.some(({ config: other }) => other.name !== config.name && (other.accounts.some((account) => account.name === name) || this.reception.hasCall(other.name, name)));
    const moving = new Set(its.accounts.map(({ name }) => name).filter(isElsewhere));
    if (moving.size === 0) return its;
    this.log.warn({ tenant: config.name, people: [...moving] }, 'who moves here from another tenant can log in after the next reading (SIGHUP) in which they have no call there any more');
    return { ...its, accounts: its.accounts.filter(({ name }) => !moving.has(name)), agents: its.agents.filter(({ name }) => !moving.has(name)) };
  }

  /** Logins end before anything else is looked at: nobody who left may see what comes next. */
  private renewPeople(before: readonly Tenant[]): void {
    const now = this.tenants.map(({ config }) => config);
    const isSame = now.every(({ accounts, agents }, index) => isSameSetting([accounts, agents], [before[index]?.accounts, before[index]?.agents]));
    this.signIn.replaceAccounts(accountsOf(now)).catch((error: unknown) => this.log.error({ err: error }, 'logins of accounts that changed could not all be ended'));
    this.screens.replaceAgents(this.screenAgents());
    this.reception.renewPeople();
    if (!isSame) this.log.info({ accounts: now.reduce((sum, { accounts }) => sum + accounts.length, 0) }, 'people read again');
  }

  private screenAgents(): ScreenAgent[] {
    return this.tenants.flatMap(({ config: { agents, screen } }) => agents.map(({ name, displayName }) => ({ name, displayName, settings: screen })));
  }

  private get storeReachable(): boolean {
    return this.link?.ready ?? true;
  }

  private sum(count: (tenant: TenantRoom) => number): number {
    return this.tenants.reduce((sum, tenant) => sum + count(tenant), 0);
  }

  /**
   * Ends everything; idempotent. Conversations may finish within `graceMs`.
   * @param graceMs 0 ends them at once
   */
  stop(graceMs: number): Promise<void> {
    this.stopped ??= this.takeDown(graceMs);
    return this.stopped;
  }

  /** Cuts short a stop that waits for conversations. */
  endNow(): void {
    void this.reception.drain(0);
  }

  private async takeDown(graceMs: number): Promise<void> {
    this.draining = true;
    const step = async (what: string, ending: Promise<unknown>) => {
      await bounded(ending, stopStepMs, what).catch((error: unknown) => this.log.error({ err: error, step: what }, 'a part did not end in time'));
    };
    this.watchman?.close();
    // Bounded from within: each call's own take-down is.
    await bounded(this.reception.drain(graceMs), graceMs + 3 * stopStepMs, 'calls').catch((error: unknown) => this.log.error({ err: error }, 'calls did not end in time'));
    await step('desks', Promise.all(this.tenants.map(({ desk }) => desk.close())));
    this.farScreens.close();
    this.screens.close();
    this.handedOver.close();
    // After the last call's end has been counted.
    await step('figures', this.supervision.close());
    this.signIn.close();
    await step('events for other desktops', this.cti.close());
    this.stopSharing();
    await step('listeners', Promise.all(this.servers.map((listener) => listener.close())));
    for (const node of this.nodes) node.close();
    if (this.engines) await step('engines', this.engines.stop());
    // After everything of which somebody's act may still be told.
    await step('audit', this.audit.close());
    await step('sessions', Promise.all(this.tenants.map((tenant) => tenant.close())));
    await step('nodes', this.bus.close());
    if (this.link) await step('store', this.link.close());
  }

  private async startAudit(): Promise<void> {
    const { config: { audit }, happenings, metrics } = this;
    try {
      this.audit = await createAudit(audit, { happenings, metrics, log: this.log.child({ room: 'audit' }) });
    } catch (error) {
      await this.stop(0);
      if (!(error instanceof AuditError)) throw error;
      throw new StartError(auditProblem(error, audit.folder));
    }
  }

  private async startListeners(): Promise<void> {
    const { limits } = this;
    const times = timeLimits(limits);
    const make = (name: ListenerName) => {
      const { proxies } = { proxies: [], ...this.config.listeners[name] };
      const app = fastify({ trustProxy: proxies.length > 0 && [...proxies], loggerInstance: this.log.child({ listener: name }), bodyLimit: maxBodyBytes, logController: new LogController({ disableRequestLogging: true }), forceCloseConnections: true, ...times.server, http: times.http }) as unknown as FastifyInstance;
      limitConnections(app.server, limits, this.log.child({ listener: name }));
      // The usual answer repeats the address, and an address may hold what somebody typed.
      app.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'not_found', message: 'There is nothing at this address.' }));
      return app;
    };
    const { config, log, tenants } = this;
    const core = this.coreServer = createCoreServer({
      tenants: tenants.map(({ config: tenant, vault, boards, keys }) => ({ tenant, vault, boards, keys })),
      tls: config.listeners.core.tls,
      log: log.child({ room: 'core' }),
      coreUrl: () => this.urls.core,
      publicUrl: () => this.urls.public,
      draining: () => this.draining,
    }, limits);
    const apps = { public: make('public'), core, agents: make('agents'), ops: make('ops') };
    this.servers.push(...Object.values(apps));
    await apps.agents.register(agentsListener(this.signIn, [this.screens.plugin, popRoutes(this.signIn, this.handedOver), this.supervision.plugin, auditPages({ signIn: this.signIn, audit: this.audit, single: tenants.length === 1, log: log.child({ room: 'audit' }) }), this.cti.plugin]));
    await this.citizensPages(apps.public);
    opsRoutes(apps.ops, () => this.health(), this.metrics);
    if (config.demo) {
      // Not loaded at all outside the demo.
      const { demoPages } = await import('../core-bridge/demo/index.js');
      await apps.public.register(demoPages({ config, log: log.child({ room: 'demo' }), coreUrl: () => this.urls.core, publicUrl: () => this.urls.public, sipAddress: () => this.sipAddress }));
    }
    for (const name of listenerNames) {
      const { host, port, url } = config.listeners[name];
      try {
        const bound = await apps[name].listen({ host, port });
        this.urls[name] = url ?? bound;
      } catch (error) {
        throw new StartError(bindProblem(error, `listeners.${name}`, host, port));
      }
    }
  }

  /** The page that follows the call, and the one where a citizen on the telephone types a pairing code. */
  private async citizensPages(app: FastifyInstance): Promise<void> {
    const log = this.log.child({ room: 'pages' });
    const secure = this.config.listeners.public.url?.startsWith('https:') ?? false;
    await app.register(companionPages({
      tenants: this.tenants.map(({ config: { displayName, idContact, services }, vault, boards }) => ({
        displayName, phoneNumber: idContact.phoneNumber, phoneNumberShown: idContact.phoneNumberShown, vault, boards,
        languageOf: (purpose) => (services.find(({ purposes }) => purpose !== undefined && purposes.includes(purpose)) ?? services[0]!).language,
      })),
      words, secure, log,
    }));
    for (const { config: tenant, identification, pairingGuard } of this.tenants) {
      if (!identification.offered) continue;
      const pages = pairingPages({ identification, guard: pairingGuard, organisation: tenant.displayName, pairingDigits: tenant.identify.pairingDigits, language: tenant.services[0]!.language, secure, log });
      await app.register(pages, { prefix: tenantPath(tenant.name) });
    }
  }

  private async startNodes(engines: { addresses: EngineAddresses; secret: Secret } | undefined): Promise<void> {
    const { config } = this;
    let sipServers: readonly SipServerAddress[] = config.sip.servers;
    let mediaServers: readonly MediaServerAddress[] = config.media.servers;
    if (engines) {
      const { addresses, secret } = engines;
      if (sipServers.length === 0) {
        sipServers = [{ host: addresses.admin.host, port: addresses.admin.port, secret }];
        this.sipAddress = addresses.sip;
      }
      if (mediaServers.length === 0) mediaServers = [embeddedMedia(addresses, secret)];
      // Links to a media server that was restarted reconnect by themselves: it comes back on the same ports.
    }
    const learners = learnsUnbounded(config);
    if (config.media.servers.length > 0 && learners.trunks.length + learners.agents.length > 0) {
      this.log.warn({ trunks: learners.trunks, agents: learners.agents.slice(0, mostNamed) }, 'mediaSource learn: FreeSWITCH cannot be told from where it may learn, and follows anybody who sends first; let a firewall keep everybody else from its media ports (docs/docker.md)');
    }
    const pool = { commandTimeoutMs: config.media.commandTimeoutMs, maxPendingEndpoints: config.media.maxPendingEndpoints };
    for (const server of sipServers) {
      const node = new SipNode(server, mediaServers, pool, { trunks: this.trunks, strangers: config.sip.strangers }, this.log);
      node.on('stranger', (refused) => this.strangers.note(refused));
      node.on('invite', (req, res) => this.reception.receive(req, res, node));
      node.on('lost', () => this.reception.sipLost(node));
      node.on('changed', () => {
        // A SIP server of its own says where it is; the embedded media server takes its calls.
        if (config.sip.servers.length > 0) this.engines?.takeSipFrom(node.sipAddresses);
        this.emit('changed');
      });
      this.nodes.push(node);
    }
    await this.untilReady();
  }

  /** Real servers may come up later than we do; with the embedded engines not being ready soon is a fault. */
  private async untilReady(): Promise<void> {
    const ready = () => this.nodes.some((node) => node.ready);
    if (ready()) return;
    let stopWaiting = (): void => undefined;
    const waited = new Promise<boolean>((resolve) => {
      const look = () => {
        if (ready()) resolve(true);
      };
      this.on('changed', look);
      const timer = setTimeout(() => resolve(false), readyWithinMs);
      stopWaiting = () => {
        clearTimeout(timer);
        this.off('changed', look);
      };
    });
    const inTime = await waited;
    stopWaiting();
    if (inTime) return;
    if (this.engines) throw new StartError('The embedded engines started but do not answer; see the log above.');
    this.log.error('no SIP server with a media server in reach yet; calls are taken as soon as there is one');
  }

  private watch(): void {
    const { config, reception, nodes, tenants, screens, farScreens, log, metrics } = this;
    this.watchman = new Watchman({
      borders: bordersOf({
        nodes, tenants, screens, farScreens, nodeId: this.bus.id,
        call: (id) => reception.callOf(id),
        calls: () => reception.all(),
        sipEngine: config.sip.servers.length === 0 ? this.engines : undefined,
        ownMedia: config.media.servers.length === 0,
        desksCanSay: () => this.storeReachable,
      }),
      log: log.child({ room: 'watchman' }),
      counted: (kind) => metrics.strayEnded(kind),
    });
  }

  private async startEngines(): Promise<{ addresses: EngineAddresses; secret: Secret }> {
    const { sip, media, trunks } = this.config;
    const secret = new Secret(randomBytes(24).toString('hex'));
    try {
      const { engines, addresses } = await Engines.start(
        {
          sip: { listen: sip.listen, admin: { host: '127.0.0.1', port: 0 }, secret: secret.reveal(), peers: trunks.map(({ name, addresses }) => ({ name, addresses })), strangers: sip.strangers },
          media: { host: media.host, sipPort: 0, eslHost: '127.0.0.1', eslPort: 0, secret: secret.reveal(), rtpPorts: media.rtpPorts, profile: 'drachtio_mrf', soundsPath: ownPromptsPath, sipFrom: mediaCallers(this.config), applicationHosts: ['127.0.0.1'] },
        },
        this.log.child({ room: 'engines' }),
      );
      this.engines = engines;
      engines.on('strangers', (requests) => {
        for (const { count, ...refused } of requests) this.strangers.note(refused, count);
      });
      return { addresses, secret };
    } catch (error) {
      if (error instanceof EngineError && error.code === 'EADDRNOTAVAIL' && media.host !== sip.listen.host && error.message.includes(media.host)) {
        throw new StartError(`media.host: ${media.host} is not an address of this machine. Set media.host to one that is, or to 127.0.0.1.`);
      }
      if (error instanceof EngineError && (error.code === 'EADDRINUSE' || error.code === 'EACCES' || error.code === 'EADDRNOTAVAIL')) {
        throw new StartError(bindProblem(error, 'sip.listen', sip.listen.host, sip.listen.port));
      }
      throw new StartError(`The embedded engines cannot start: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** Where this build's prompts lie; media servers elsewhere see them under `media.promptsPath`. */
export const ownPromptsPath = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../ivr/prompts');

/**
 * From where the embedded media server takes calls: the SIP server's own address, or that of this machine when it listens on
 * all of them.
 */
function mediaCallers({ sip, media }: Config): string[] {
  return [...new Set(['127.0.0.1', media.host, ...(sip.servers.length > 0 ? sip.servers.map(({ host }) => host) : [sip.listen.host])])];
}

function embeddedMedia(addresses: EngineAddresses, secret: Secret): MediaServerAddress {
  return { ...addresses.media, secret, profile: 'drachtio_mrf', listenAddress: '127.0.0.1' };
}

function auditProblem({ cause }: AuditError, folder: string): string {
  const why = cause instanceof Error && 'code' in cause ? String(cause.code) : cause instanceof Error ? cause.message : 'unknown error';
  return `audit.folder: the audit trail cannot be written in ${folder} (${why}). Name a folder that the gateway may write to and that outlives it (in a container: a volume), or say audit.required: false to show attributes without recording it, or audit.enabled: false.`;
}

function bindProblem(error: unknown, setting: string, host: string, port: number): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const where = `${host}:${port}`;
  switch (code) {
    case 'EADDRINUSE': return `${setting}: ${where} is taken by another program. Stop that program, or set ${setting}.port to another port (0 takes any free one).`;
    case 'EACCES': return `${setting}: this user may not listen on ${where}. Use a port above 1023.`;
    case 'EADDRNOTAVAIL': return `${setting}: ${host} is not an address of this machine. Set ${setting}.host to one that is, or to 127.0.0.1.`;
    default: return `${setting}: cannot listen on ${where}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
