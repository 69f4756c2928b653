/** A whole gateway for a test: the production code on free ports, a core and an authentication plugin to talk with it. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { CompactEncrypt, SignJWT } from 'jose';
import pino from 'pino';
import { parseConfig, type Config, type Tenant } from '../../config/index.js';
import type { HttpLimits } from '../../core-bridge/index.js';
import { Gateway, ownPromptsPath } from '../../gateway/app.js';
import { freePort } from '../peers/ports.js';
import { until } from '../peers/wait.js';
import { ScreenClient } from '../../gateway/demo/screen-client.js';
import { demoPasswordHash } from './password.js';
import type { TestCore } from './test-core.js';

/** Other engines than the embedded ones, by address: DRACHTIO_ADMIN, DRACHTIO_SECRET, DRACHTIO_SIP, FREESWITCH_ESL, FREESWITCH_SECRET, FREESWITCH_PROFILE. */
const env = process.env;
export const realEngines = env['DRACHTIO_ADMIN'] !== undefined && env['FREESWITCH_ESL'] !== undefined;

function hostPort(text: string): { host: string; port: number } {
  const [host, port] = text.split(':');
  return { host: host!, port: Number(port) };
}

/** Agents and the SIP addresses of their phones; every password is "demo". */
type TestAgents = { name: string; phone: string }[];

/** One of several municipalities on a gateway. */
export interface TestTenant {
  name: string;
  displayName: string;
  number: string;
  purpose: string;
  agents: TestAgents;
  coreToken: string;
}

export interface TestGatewayOptions {
  agents: TestAgents;
  bridge?: 'anchored' | 'released';
  calls?: Partial<Config['calls']>;
  sessions?: Partial<Tenant['sessions']>;
  codes?: Partial<Omit<Tenant['codes'], 'hashKey' | 'guesses'>> & { guesses?: Partial<Tenant['codes']['guesses']> };
  /** What the core is given for the citizen; default: `tel`. */
  clientUrl?: 'tel' | 'page';
  /** More purposes of the service, for which nobody logs in. */
  unauthenticatedPurposes?: string[];
  trunks?: { name: string; addresses: string[]; bridge?: 'anchored' | 'released'; outbound?: string; mediaSource?: 'described' | 'learn'; mediaAddresses?: string[]; maxCalls?: number; maxCallsPerSecond?: number }[];
  /** What addresses get that no trunk lists; default: nothing. */
  strangers?: 'silent' | 'refused';
  /** More of the municipality's configuration, of its service's and of its agents', by name. */
  more?: { tenant?: Record<string, unknown>; service?: Record<string, unknown>; services?: Record<string, unknown>[]; agents?: Record<string, Record<string, unknown>> };
  logLevel?: string;
  /** Engines that the test has started itself; default: the embedded ones, or those of the environment. */
  servers?: { sip: { host: string; port: number; secret: string }; media: { host: string; port: number; secret: string; profile: string }; address: { host: string; port: number } };
  /** Where log lines go; default: nowhere. */
  logTo?: pino.DestinationStream;
  /** The `store` of the configuration; default: memory. Two gateways may share one, each with half of the RTP ports. */
  store?: Record<string, unknown>;
  /** No other gateway shares the store: this one has all of the RTP ports. */
  alone?: boolean;
  /** In place of its share of them: for a test that has this machine for itself. */
  rtpPorts?: { min: number; max: number };
  /** The `cti` of the municipality; default: nobody hears of calls. */
  cti?: Record<string, unknown>;
  /** The `audit` of the configuration; default: no trail. */
  audit?: Record<string, unknown>;
  /** Where callers can identify themselves during the call; default: that is not offered. */
  core?: TestCore;
  /** Municipalities in place of the only one. What else is said of sessions, codes and pages holds for each. */
  tenants?: TestTenant[];
  /** Of the HTTP listeners, in place of the usual ones. */
  httpLimits?: Partial<HttpLimits>;
  /** The `listeners` of the configuration, by name, beside a free port. */
  listeners?: Record<string, Record<string, unknown>>;
  /** Makes this one another node of the same municipality: with the same keys. To be given the same `store`. */
  secondTo?: TestGateway;
}

/** The `store` of gateways that keep their sessions in a Redis server of the test. */
export function redisStore({ host, port }: { host: string; port: number }): Record<string, unknown> {
  return { kind: 'redis', server: { host, port }, sealKeys: [{ id: 'test', key: '5e'.repeat(32) }] };
}

/** Between the peers' ports and the ephemeral ones; a range of its own for each worker that runs tests, halved by two gateways. */
const rtpPortsEach = 330;
const firstRtpPort = 31_100 + rtpPortsEach * ((Number(env['VITEST_POOL_ID'] ?? 1) - 1) % 5);

/** Pairs of the gateway's own key and the authentication plugin's. */
export interface TestKeys { ours: Record<'privateKey' | 'publicKey', KeyObject>; plugin: Record<'privateKey' | 'publicKey', KeyObject> }

const newKeys = (): TestKeys => ({ ours: generateKeyPairSync('ec', { namedCurve: 'P-256' }), plugin: generateKeyPairSync('ec', { namedCurve: 'P-256' }) });

const pem = { type: 'pkcs8', format: 'pem' } as const;

/** A result as an authentication plugin makes it. @param claims in place of those of a success */
export async function resultToken({ ours, plugin }: TestKeys, attributes: Record<string, string>, claims: Record<string, unknown> = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const inner = await new SignJWT({ sub: 'id-contact-attributes', status: 'succes', attributes, iat: now, exp: now + 300, ...claims }).setProtectedHeader({ alg: 'ES256', typ: 'JWT' }).sign(plugin.privateKey);
  return new CompactEncrypt(new TextEncoder().encode(JSON.stringify({ njwt: inner })))
    .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A128CBC-HS256', typ: 'JWT', cty: 'JWT' })
    .encrypt(ours.publicKey);
}

/** A municipality as the configuration writes it. */
function tenantConfig(options: TestGatewayOptions, { ours, plugin }: TestKeys, tenant?: TestTenant): Record<string, unknown> {
  const { core, more = {} } = options;
  const agents = tenant?.agents ?? options.agents;
  return {
    ...(tenant && { name: tenant.name, displayName: tenant.displayName }),
    services: [
      { name: tenant?.displayName ?? 'Burgerzaken', numbers: tenant ? [tenant.number] : ['+31201234567', '*'], purposes: [tenant?.purpose ?? 'report_move', ...(options.unauthenticatedPurposes ?? [])], unauthenticatedPurposes: options.unauthenticatedPurposes ?? [], language: 'nl', ...more.service },
      ...(more.services ?? []),
    ],
    agents: agents.map(({ name, phone }) => ({ name, displayName: name, password: demoPasswordHash, phone, ...more.agents?.[name] })),
    ...more.tenant,
    idContact: {
      phoneNumber: tenant?.number ?? '+31201234567',
      clientUrl: options.clientUrl ?? 'tel',
      decryptionKey: { type: 'EC', key: ours.privateKey.export(pem) },
      verificationKeys: [{ name: 'test', type: 'EC', key: plugin.publicKey.export({ type: 'spki', format: 'pem' }) }],
      ...(tenant && { coreTokens: [{ token: tenant.coreToken }] }),
      ...(core && { coreUrl: core.url, signingKey: { type: 'EC', key: core.requests.privateKey.export(pem) } }),
    },
    ...(options.cti && { cti: options.cti }),
    ...(core && { identify: { webhook: { url: `${core.url}/webhook` } } }),
    codes: { hashKey: `only for tests: this key hashes nothing real ${tenant?.name ?? ''}`.trim(), ...options.codes },
    sessions: options.sessions ?? {},
  };
}

export interface TestSession {
  code: string;
  attrUrl: string;
  /** The citizen's page, with `clientUrl: 'page'`. */
  pageUrl?: string;
}

export class TestGateway {
  private constructor(readonly gateway: Gateway, readonly sip: { host: string; port: number }, /** Of the embedded media server. */ readonly rtpPorts: { min: number; max: number }, private readonly file: Record<string, unknown>, private readonly keys: TestKeys, private readonly keysOfTenants: ReadonlyMap<string, TestKeys>) {}

  static async start(options: TestGatewayOptions): Promise<TestGateway> {
    const keys = options.secondTo?.keys ?? newKeys();
    const rtpPorts = options.rtpPorts ?? { min: firstRtpPort + (options.secondTo ? rtpPortsEach / 2 : 0), max: firstRtpPort + (options.store && !options.secondTo && !options.alone ? rtpPortsEach / 2 : rtpPortsEach) - 1 };
    const { servers, tenants, core } = options;
    const keysOf = new Map(tenants?.map(({ name }) => [name, newKeys()]));
    const file = {
      log: { level: 'debug' },
      listeners: Object.fromEntries(['public', 'core', 'agents', 'ops'].map((name) => [name, { port: 0, ...options.listeners?.[name] }])),
      sip: {
        listen: { port: realEngines ? 0 : await freePort() },
        ...(options.strangers && { strangers: options.strangers }),
        ...(servers ? { servers: [servers.sip] } : realEngines ? { servers: [{ ...hostPort(env['DRACHTIO_ADMIN']!), secret: env['DRACHTIO_SECRET'] ?? 'cymru' }] } : {}),
      },
      media: {
        rtpPorts,
        ...(servers ? { promptsPath: ownPromptsPath, servers: [{ ...servers.media, listenAddress: '127.0.0.1' }] } : realEngines ? { promptsPath: ownPromptsPath, servers: [{ ...hostPort(env['FREESWITCH_ESL']!), secret: env['FREESWITCH_SECRET'] ?? 'ClueCon', profile: env['FREESWITCH_PROFILE'] ?? 'drachtio_mrf', listenAddress: '127.0.0.1' }] } : {}),
      },
      trunks: options.trunks ?? [{ name: 'loopback', addresses: ['127.0.0.0/8'], bridge: options.bridge ?? 'anchored' }],
      ...(tenants ? { tenants: tenants.map((tenant) => tenantConfig(options, keysOf.get(tenant.name)!, tenant)) } : tenantConfig(options, keys)),
      calls: options.calls ?? {},
      store: options.store ?? {},
      // Where a test does not look at it, no trail is kept: many gateways of many tests share this machine.
      audit: options.audit ?? { enabled: false },
    };
    const config = parseConfig(file);
    const log = pino({ level: options.logLevel ?? env['TEST_LOG'] ?? 'debug' }, options.logTo ?? (env['TEST_LOG'] ? pino.destination(2) : { write: () => undefined }));
    const gateway = await Gateway.start(config, log, options.httpLimits);
    const sip = servers ? servers.address : realEngines ? hostPort(env['DRACHTIO_SIP'] ?? '127.0.0.1:5060') : gateway.sipAddress!;
    if (core) core.token = (attributes, claims) => resultToken(keys, attributes, claims);
    return new TestGateway(gateway, sip, rtpPorts, file, keys, keysOf);
  }

  /** The configuration is read again, with something changed in it. @param change what stands at its top in place of what stood there */
  renew(change: (file: Record<string, unknown>) => Record<string, unknown>): void {
    this.gateway.renew(parseConfig({ ...this.file, ...change(this.file) }));
  }

  /** Starts a session as the core does. */
  async startSession(): Promise<TestSession> {
    const answer = await fetch(`${this.gateway.urls.core}/start_communication`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ purpose: 'report_move' }),
    });
    const { client_url: clientUrl, attr_url: attrUrl } = (await answer.json()) as { client_url: string; attr_url: string };
    if (clientUrl.startsWith('tel:')) return { code: clientUrl.split(',')[1]!, attrUrl };
    const page = await (await fetch(clientUrl)).text();
    return { code: /href="tel:[^",]*,(\d+)/.exec(page)![1]!, attrUrl, pageUrl: clientUrl };
  }

  /** A result as the authentication plugin makes it. @param claims in place of those of a success */
  result(attributes: Record<string, string>, claims: Record<string, unknown> = {}): Promise<string> {
    return resultToken(this.keys, attributes, claims);
  }

  /** Delivers a result as the authentication plugin does. @param claims in place of those of a success */
  async deliver(session: Pick<TestSession, 'attrUrl'>, attributes: Record<string, string>, claims: Record<string, unknown> = {}): Promise<void> {
    const token = await resultToken(this.keys, attributes, claims);
    const answer = await fetch(session.attrUrl, { method: 'POST', headers: { 'content-type': 'application/jwt' }, body: token });
    if (answer.status !== 200) throw new Error(`result answered ${answer.status}: ${await answer.text()}`);
  }

  /** The keys of one of several municipalities. */
  keysOf(tenant: string): TestKeys {
    return this.keysOfTenants.get(tenant)!;
  }

  /** A citizen who has logged in. @returns the code */
  async citizen(attributes: Record<string, string>): Promise<string> {
    const session = await this.startSession();
    await this.deliver(session, attributes);
    return session.code;
  }

  screen(agent: string): Promise<ScreenClient> {
    return ScreenClient.open(this.gateway.urls.agents, agent);
  }

  private async metrics(): Promise<string> {
    return (await fetch(`${this.gateway.urls.ops}/metrics`)).text();
  }

  async metric(line: RegExp): Promise<number> {
    const found = (await this.metrics()).split('\n').find((candidate) => line.test(candidate));
    return found === undefined ? 0 : Number(found.split(' ').at(-1));
  }

  /** Of a test that makes faults: something may have stood alone and been ended (gateway/watchman). */
  expectsStrays = false;

  /** Waits until no call, endpoint, dialog, port or session is left; nothing may have stood alone meanwhile. */
  async untilEmpty(timeoutMs = 8_000): Promise<void> {
    await until(() => this.gateway.calls === 0, `the register of calls to be empty (${this.gateway.calls} left)`, timeoutMs);
    const { engines } = this.gateway;
    let last = '';
    await until(async () => {
      const endpoints = await this.metric(/^gateway_endpoints /);
      const stats = engines ? await engines.stats() : undefined;
      const left = { endpoints, sessions: stats?.media['sessions'] ?? 0, ports: stats?.media['rtpPortsInUse'] ?? 0, dialogs: stats?.sip['dialogs'] ?? 0 };
      last = JSON.stringify(left);
      return Object.values(left).every((count) => count === 0);
    }, 'nothing to be left of any call', timeoutMs).catch((error: unknown) => {
      throw new Error(`${error instanceof Error ? error.message : ''}: ${last}`);
    });
    const strays = (await this.metrics()).split('\n').filter((line) => /^gateway_strays_total.* [1-9]/.test(line));
    if (!this.expectsStrays && strays.length > 0) throw new Error(`something stood alone: ${strays.join(', ')}`);
  }

  async stop(): Promise<void> {
    await this.gateway.stop(0);
    // A client of a test that talks faster than a person loses its screen, and the quicker the machine the sooner.
    const floods = (await this.gateway.metrics.registry.getSingleMetric('gateway_screens_flooding_total')!.get()).values[0]?.value;
    if (floods) throw new Error(`${floods} pages of this test were closed because they said more than a page of a person does`);
  }
}
