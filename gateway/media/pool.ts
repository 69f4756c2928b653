/** The media servers of one SIP node: connected, watched, and chosen among by load. */
import { EventEmitter, setMaxListeners } from 'node:events';
import Mrf from 'drachtio-fsmrf';
import type Srf from 'drachtio-srf';
import type { Logger } from 'pino';
import type { MediaServerAddress } from '../../config/types.js';
import { bounded, Gate, MediaError } from './bounded.js';
import { MediaEndpoint } from './endpoint.js';
import { placeholderPeer } from '../sip/sdp.js';
import { withObservedDialogs } from './observed-dialogs.js';
import { preflight } from './preflight.js';
import type { MediaSource } from './source.js';

export interface PoolOptions {
  commandTimeoutMs: number;
  maxPendingEndpoints: number;
}

/** Delays between attempts to reach a media server, in ms; the last one repeats. */
const retryDelaysMs = [100, 200, 400, 800, 1_600, 3_000];
const endpointCreationMs = 8_000;

/** One connection to one media server. When it ends it is thrown away whole, and another link is made. */
class MediaServerLink {
  readonly gone = new AbortController();
  endpoints = 0;
  /** Those that are ready. */
  readonly ready = new Set<MediaEndpoint>();
  /** True while it owes us an answer: it gets no new endpoints then, what it has may go on. */
  silent = false;
  /** Whether it was seen to keep the rule of whose media counts. */
  ruleChecked = false;

  constructor(readonly server: Mrf.MediaServer, readonly name: string) {
    server.conn.socket.setNoDelay(true);
    // Every endpoint listens, for as long as it lives.
    setMaxListeners(0, this.gone.signal);
    // fsmrf's own listeners print to the console and let the client reconnect on the same object, after which every
    // answer goes to the question before it. Ours end the link instead.
    server.conn.removeAllListeners('esl::end');
    server.conn.removeAllListeners('esl::ready');
    server.conn.on('esl::end', () => this.close());
    server.conn.on('error', () => this.close());
    server.on('error', () => this.close());
  }

  /** Where it takes SIP, and thus an address of the server itself. */
  get address(): string {
    return this.server.sip.ipv4.udp.address?.split(':')[0] ?? '127.0.0.1';
  }

  close(): void {
    if (this.gone.signal.aborted) return;
    this.gone.abort();
    try {
      this.server.disconnect();
    } catch {
      // The socket is gone already, which is what was wanted.
    }
  }
}

export class MediaPool extends EventEmitter<{ changed: [] }> {
  private readonly links = new Map<string, MediaServerLink>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly gate: Gate;
  private closed = false;

  constructor(private readonly srf: Srf, servers: readonly MediaServerAddress[], private readonly options: PoolOptions, private readonly log: Logger) {
    super();
    this.gate = new Gate(options.maxPendingEndpoints, options.maxPendingEndpoints * 10);
    for (const server of servers) void this.keepConnected(server, 0);
  }

  /** True when at least one media server can be used. */
  get ready(): boolean {
    return this.leastLoaded() !== undefined;
  }

  /** Endpoints that exist now. */
  get endpointCount(): number {
    let count = 0;
    for (const link of this.links.values()) count += link.endpoints;
    return count;
  }

  /**
   * Makes an endpoint on the least loaded media server.
   * @param remoteSdp description of the peer it will talk with; undefined: not known yet, a re-INVITE follows
   * @param source whose media counts there, as long as it lives
   * @throws MediaError `no_media_server`, `no_common_codec`, `timed_out`, `refused`; OfferRefused for a description that
   *   names an address which that peer may not
   */
  async createEndpoint(remoteSdp: string | undefined, source: MediaSource): Promise<MediaEndpoint> {
    const admitted = remoteSdp === undefined ? undefined : source.admit(remoteSdp);
    try {
      return await this.createOne(admitted, source);
    } catch (error) {
      // One refusal may be bad luck (a port that another program took, a server that is just going): a second attempt,
      // perhaps on another server, costs milliseconds and saves a call. Time-outs are not repeated: they mean overload.
      if (error instanceof MediaError && (error.code === 'timed_out' || error.code === 'refused' || error.code === 'no_media_server')) throw error;
      return this.createOne(admitted, source);
    }
  }

  private createOne(remoteSdp: string | undefined, source: MediaSource): Promise<MediaEndpoint> {
    return this.gate.run(async () => {
      const link = this.leastLoaded();
      if (!link) throw new MediaError('no_media_server', 'no media server is connected');
      link.endpoints += 1;
      const creating = link.server.createEndpoint({ remoteSdp: remoteSdp ?? placeholderPeer(link.address), headers: { ...source.headers } });
      try {
        const made = await bounded(creating, endpointCreationMs, 'create endpoint', link.gone.signal);
        const endpoint = new MediaEndpoint(made, link.gone.signal, this.options, this.log, source);
        link.ready.add(endpoint);
        endpoint.gone.addEventListener('abort', () => {
          link.endpoints -= 1;
          link.ready.delete(endpoint);
        }, { once: true });
        void this.lookAtRule(link, endpoint);
        return endpoint;
      } catch (error) {
        link.endpoints -= 1;
        if (error instanceof MediaError && error.code === 'timed_out') void this.askForLife(link);
        // One that turns up after all must not stay.
        creating.then((late) => late.destroy()).catch(() => undefined);
        // 400 is what FreeSWITCH answers to a description that it cannot read.
        if (error instanceof Error && 'status' in error && (error.status === 488 || error.status === 400)) throw new MediaError('no_common_codec', 'the media server has no codec in common with the peer, or cannot read its description', { cause: error });
        throw error;
      }
    });
  }

  /**
   * A media server whose dialplan does not know the rule (docker/freeswitch/dialplan.xml) takes anybody's packets for a
   * caller's. It is asked at its first endpoint that should not.
   */
  private async lookAtRule(link: MediaServerLink, endpoint: MediaEndpoint): Promise<void> {
    if (link.ruleChecked || endpoint.source.mode !== 'described') return;
    link.ruleChecked = true;
    try {
      if (await endpoint.keepsToDescribed()) return;
      this.log.error({ mediaServer: link.name }, 'the media server takes keys and voices from anywhere as those of a caller: its dialplan lacks the extension "media source" of docker/freeswitch/dialplan.xml, before the one that answers');
    } catch {
      // Gone before it could say: the next endpoint is asked.
      link.ruleChecked = false;
    }
  }

  /** After a time-out: no new endpoint there until the server answers a command, however trivial. */
  private async askForLife(link: MediaServerLink): Promise<void> {
    if (link.silent || link.gone.signal.aborted) return;
    link.silent = true;
    this.log.warn({ mediaServer: link.name }, 'media server does not answer; no new calls for it until it does');
    this.emit('changed');
    await link.server.api('status');
    link.silent = false;
    this.log.info({ mediaServer: link.name }, 'media server answers');
    this.emit('changed');
  }

  /** Endpoints that are ready, by the media servers' ids. */
  *endpointIds(): Iterable<string> {
    for (const { ready } of this.links.values()) for (const { uuid } of ready) yield uuid;
  }

  /** Endpoints that nothing here wants any more, and that nobody has ended. */
  *forgottenEndpoints(): Iterable<MediaEndpoint> {
    for (const { ready } of this.links.values()) for (const endpoint of ready) if (endpoint.isForgotten) yield endpoint;
  }

  /** Endpoints whose media server says that it has no such channel. Servers that do not answer say nothing. */
  async lostEndpoints(): Promise<MediaEndpoint[]> {
    const lost = await Promise.all([...this.links.values()].map(async (link) => {
      const ready = [...link.ready];
      const channels = ready.length === 0 ? undefined : await this.channelsOf(link);
      return channels ? ready.filter(({ uuid, gone }) => !gone.aborted && !channels.has(uuid)) : [];
    }));
    return lost.flat();
  }

  /** All channels of servers on which nothing is just being made, whosever they are. */
  async channels(): Promise<{ uuid: string; kill: () => void }[]> {
    const found = await Promise.all([...this.links.values()].map(async (link) => {
      const channels = link.endpoints > link.ready.size ? undefined : await this.channelsOf(link);
      return [...channels ?? []].map((uuid) => ({ uuid, kill: () => void bounded(link.server.api(`uuid_kill ${uuid}`), this.options.commandTimeoutMs, 'uuid_kill').catch(() => undefined) }));
    }));
    return found.flat();
  }

  /** @returns undefined when the server does not say, or says that it has more than it names */
  private async channelsOf(link: MediaServerLink): Promise<ReadonlySet<string> | undefined> {
    if (link.silent || link.gone.signal.aborted) return undefined;
    const text = await bounded(link.server.api('show channels'), this.options.commandTimeoutMs, 'show channels', link.gone.signal).catch(() => '');
    const total = /^(\d+) total\.\s*$/m.exec(text)?.[1];
    const uuids = new Set([...text.matchAll(/^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}),/gim)].map(([, uuid]) => uuid!));
    return total !== undefined && uuids.size === Number(total) ? uuids : undefined;
  }

  /** Ends all links; endpoints on them are gone. */
  close(): void {
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    for (const link of this.links.values()) link.close();
  }

  private leastLoaded(): MediaServerLink | undefined {
    let best: MediaServerLink | undefined;
    for (const link of this.links.values()) if (!link.silent && (!best || link.endpoints < best.endpoints)) best = link;
    return best;
  }

  private async keepConnected(server: MediaServerAddress, attempt: number): Promise<void> {
    const name = `${server.host}:${server.port}`;
    if (this.closed) return;
    try {
      const looked = await preflight({ ...server, secret: server.secret.reveal() }, this.options.commandTimeoutMs);
      if (!looked.ok) throw new MediaError('no_media_server', fixes[looked.problem]);
      if (looked.talkative) this.log.warn({ mediaServer: name }, 'the media server writes down the keys that callers press and the recordings it plays, and with them codes: set its loglevel to warning');
      const connected = await bounded(
        new Mrf(withObservedDialogs(this.srf)).connect({
          address: server.host,
          port: server.port,
          secret: server.secret.reveal(),
          profile: server.profile,
          listenAddress: server.listenAddress ?? '127.0.0.1',
          ...(server.advertisedAddress === undefined ? {} : { advertisedAddress: server.advertisedAddress }),
        }),
        this.options.commandTimeoutMs,
        'connect',
      );
      const link = new MediaServerLink(connected, name);
      if (this.closed) return link.close();
      this.links.set(name, link);
      this.log.info({ mediaServer: name }, 'media server connected');
      link.gone.signal.addEventListener('abort', () => {
        this.links.delete(name);
        this.log.warn({ mediaServer: name }, 'media server lost');
        this.emit('changed');
        this.retry(server, 0);
      }, { once: true });
      this.emit('changed');
    } catch (error) {
      // Said once at the beginning and then once a minute or so, not at every attempt.
      if (attempt % 20 === 0) this.log.error({ mediaServer: name, problem: error instanceof Error ? error.message : String(error) }, 'media server cannot be used; trying again');
      this.retry(server, attempt + 1);
    }
  }

  private retry(server: MediaServerAddress, attempt: number): void {
    if (this.closed) return;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      void this.keepConnected(server, attempt);
    }, retryDelaysMs[Math.min(attempt, retryDelaysMs.length - 1)]);
    this.timers.add(timer);
  }
}

const fixes = {
  unreachable: 'nothing answers at this address: check media.servers host and port, and that FreeSWITCH listens there (event_socket.conf.xml)',
  silent: 'the server accepts the connection but does not greet: is this the event socket port?',
  wrongSecret: 'the server refuses the password: check media.servers secret against event_socket.conf.xml',
  noProfile: 'the server has no SIP profile of that name: check media.servers profile against `sofia status`',
};
