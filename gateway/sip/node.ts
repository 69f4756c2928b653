/** One connection to one SIP server, and the media servers that are reached through it. */
import { EventEmitter } from 'node:events';
import Srf from 'drachtio-srf';
import type { Logger } from 'pino';
import type { MediaServerAddress, SipServerAddress } from '../../config/types.js';
import { MediaPool, type PoolOptions } from '../media/pool.js';
import { respond } from './respond.js';

export interface SipNodeEvents {
  /** A new INVITE, not yet answered. */
  invite: [req: Srf.SrfRequest, res: Srf.SrfResponse, node: SipNode];
  /** The connection came or went. */
  changed: [];
  lost: [node: SipNode];
}

export class SipNode extends EventEmitter<SipNodeEvents> {
  readonly srf = new Srf();
  readonly pool: MediaPool;
  private up = false;
  private closed = false;
  /** Addresses the SIP server listens on, as it told us: `proto/host:port`. */
  hostports: string[] = [];

  constructor(readonly server: SipServerAddress, mediaServers: readonly MediaServerAddress[], pool: PoolOptions, private readonly isListed: (address: string) => boolean, private readonly log: Logger) {
    super();
    const { srf } = this;
    const name = `${server.host}:${server.port}`;
    srf.on('connect', (error: Error | null, hostports: string) => {
      if (error) {
        log.error({ sipServer: name, problem: error.message }, 'the SIP server refuses us: check sip.servers secret');
        return;
      }
      this.up = true;
      this.hostports = hostports.split(',');
      const { socket } = srf as unknown as { socket?: { setNoDelay?(on: boolean): void } };
      socket?.setNoDelay?.(true);
      log.info({ sipServer: name, listens: this.hostports }, 'SIP server connected');
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
    void srf.connect({ host: server.host, port: server.port, secret: server.secret.reveal() });
    this.pool = new MediaPool(srf, mediaServers, pool, log);
    this.pool.on('changed', () => this.emit('changed'));
  }

  /** True when calls can be taken: SIP server connected, at least one media server in reach. */
  get ready(): boolean {
    return this.up && this.pool.ready;
  }

  get connected(): boolean {
    return this.up;
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
    if (!this.closed) this.log.warn({ sipServer: `${this.server.host}:${this.server.port}`, why }, 'SIP server lost; reconnecting');
    this.emit('changed');
    this.emit('lost', this);
  }

  /** Trunks ask by OPTIONS whether we live; strangers get no such answer. */
  private answerOptions(req: Srf.SrfRequest, res: Srf.SrfResponse): void {
    if (!this.isListed(req.source_address)) return respond(res, 403);
    respond(res, this.pool.ready ? 200 : 503, { headers: { Allow: 'INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK', Accept: 'application/sdp' } });
  }
}
