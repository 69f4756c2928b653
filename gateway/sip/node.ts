/** One connection to one SIP server, and the media servers that are reached through it. */
import { EventEmitter } from 'node:events';
import type Srf from 'drachtio-srf';
import type { Logger } from 'pino';
import type { MediaServerAddress, SipServerAddress } from '../../config/types.js';
import { MediaPool, type PoolOptions } from '../media/pool.js';
import { GuardedSrf, type GuardOptions, type Refused } from './guarded-srf.js';
import { whatIsAsked } from './asked.js';
import { respond } from './respond.js';

export interface SipNodeEvents {
  /** A new INVITE, not yet answered. */
  invite: [req: Srf.SrfRequest, res: Srf.SrfResponse, node: SipNode];
  /** The connection came or went. */
  changed: [];
  lost: [node: SipNode];
  /** A request was kept out, from an address that no trunk lists. */
  stranger: [refused: Refused];
}

/** Delay between attempts to reach a SIP server that is away, in ms; the library's own grows without end. */
const mostRetryMs = 3_000;

export class SipNode extends EventEmitter<SipNodeEvents> {
  readonly srf: GuardedSrf;
  readonly pool: MediaPool;
  private up = false;
  private closed = false;
  private warned = false;

  constructor(readonly server: SipServerAddress, mediaServers: readonly MediaServerAddress[], pool: PoolOptions, guard: GuardOptions, private readonly log: Logger) {
    super();
    const srf = this.srf = new GuardedSrf(guard);
    srf.guard.on('stranger', (refused) => this.emit('stranger', refused));
    srf.guard.on('foreign', ({ method, address }) => log.warn({ from: address, method }, 'request of a trunk within a dialog that is not its own: refused'));
    const name = `${server.host}:${server.port}`;
    // The types of the library leave the version out.
    (srf as EventEmitter).on('connect', (error: Error | null, hostports: string, version?: string) => {
      if (error) {
        log.error({ sipServer: name, problem: error.message }, 'the SIP server refuses us: check sip.servers secret');
        return;
      }
      this.up = true;
      srf.hostports = hostports.split(',');
      const { socket } = srf as unknown as { socket?: { setNoDelay?(on: boolean): void } };
      socket?.setNoDelay?.(true);
      log.info({ sipServer: name, listens: this.hostports }, 'SIP server connected');
      if (!this.warned && !/embedded/.test(version ?? '')) {
        this.warned = true;
        log.warn({ sipServer: name, version }, 'this SIP server acts on BYE and CANCEL of anybody before it asks us, and drachtio-server up to 0.9.10 can be ended by one packet: see that the firewall of its host is in place (npm run check-config -- --firewall, docs/docker.md)');
      }
      this.emit('changed');
    });
    srf.on('error', (error: Error) => {
      if (!this.closed) this.markDown(error.message);
    });
    (srf as unknown as EventEmitter).on('close', () => this.markDown('closed'));
    srf.on('disconnect', () => this.markDown('disconnected'));
    srf.invite((req, res) => this.emit('invite', req, res, this));
    srf.use('options', (req, res) => this.answerOptions(req, res));
    for (const method of ['message', 'register', 'subscribe', 'publish', 'notify', 'info', 'refer'] as const) srf.use(method, (_req, res) => respond(res, 405, { headers: { Allow: 'INVITE, ACK, BYE, CANCEL, OPTIONS' } }));
    // The types of the library leave `reconnect` out.
    const at = { host: server.host, port: server.port, secret: server.secret.reveal(), reconnect: { retryMaxDelay: mostRetryMs } };
    void srf.connect(at);
    this.pool = new MediaPool(srf, mediaServers, pool, log);
    this.pool.on('changed', () => this.emit('changed'));
  }

  /** True when calls can be taken: SIP server connected, at least one media server in reach. */
  get ready(): boolean {
    return this.up && this.pool.ready;
  }

  /** Addresses the SIP server listens on, as it told us: `proto/host:port`. */
  get hostports(): readonly string[] {
    return this.srf.hostports;
  }

  get connected(): boolean {
    return this.up;
  }

  /** The literal addresses among them. */
  get sipAddresses(): string[] {
    return this.hostports.flatMap((text) => /^[a-z]+\/\[?([0-9a-f.:]+?)\]?:\d+$/i.exec(text)?.[1] ?? []);
  }

  close(): void {
    this.closed = true;
    this.pool.close();
    try {
      this.srf.disconnect();
    } catch {
      // Never connected: nothing to leave.
    }
  }

  private markDown(why: string): void {
    if (!this.up) return;
    this.up = false;
    this.srf.forgetPending();
    if (!this.closed) this.log.warn({ sipServer: `${this.server.host}:${this.server.port}`, why }, 'SIP server lost; reconnecting');
    this.emit('changed');
    this.emit('lost', this);
  }

  /** Trunks ask by OPTIONS whether we live (RFC 3261 section 11.2). */
  private answerOptions(req: Srf.SrfRequest, res: Srf.SrfResponse): void {
    const { refusal } = whatIsAsked(req);
    if (refusal) return respond(res, refusal.status, { headers: refusal.headers });
    respond(res, this.pool.ready ? 200 : 503, { headers: { Allow: 'INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK', Accept: 'application/sdp' } });
  }
}
