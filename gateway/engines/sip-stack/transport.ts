import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { EngineLog } from '../log.js';
import { hostPort } from './grammar.js';
import { isWildcard, localAddressFor } from './local-address.js';
import { StreamError, StreamFramer } from './stream-framer.js';

export type Protocol = 'udp' | 'tcp';

/** Where a message goes: addresses only, never names. */
export interface Endpoint {
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
}

/** Where a message came from, and on which of our addresses it arrived. */
export interface Source extends Endpoint {
  readonly localAddress: string;
  readonly localPort: number;
  /** The TCP connection it came by; responses go back on it. */
  readonly connection?: Connection;
}

export interface TransportLimits {
  /** Longest SIP message in bytes, datagram or stream. */
  readonly maxMessageBytes: number;
  /** TCP connections open at a time, both directions. */
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Of those, connections of addresses that nobody knows: at a time, and of one address. They never take the room of the others. */
  readonly maxStrangerConnections: number;
  readonly maxConnectionsPerStranger: number;
  /** How long a stranger's connection may stay, whatever comes by it. */
  readonly strangerConnectionMs: number;
  /** Bytes that may wait to be written on one connection before it is given up. */
  readonly maxQueuedBytes: number;
  readonly connectTimeoutMs: number;
  /** A connection that has begun a message, or has never sent one, must finish it within this time. */
  readonly partialMessageTimeoutMs: number;
  readonly idleConnectionMs: number;
}

export const DEFAULT_TRANSPORT_LIMITS: TransportLimits = {
  maxMessageBytes: 65_535,
  maxConnections: 2_048,
  maxConnectionsPerAddress: 1_024,
  maxStrangerConnections: 32,
  maxConnectionsPerStranger: 2,
  strangerConnectionMs: 5_000,
  maxQueuedBytes: 2 * 1024 * 1024,
  connectTimeoutMs: 5_000,
  partialMessageTimeoutMs: 30_000,
  idleConnectionMs: 3_600_000,
};

export interface TransportHandlers {
  onMessage(message: Buffer, source: Source): void;
  onConnectionClosed(connection: Connection): void;
}

const MAX_PROBES = 64;
const PROBE_WAIT_MS = 500;
const SWEEP_INTERVAL_MS = 2_500;
const UDP_BUFFER_BYTES = 4 * 1024 * 1024;

/** One TCP connection. */
export class Connection {
  /** Said once, to whoever had messages on it. */
  closed = false;
  readonly openedMs = Date.now();
  lastActiveMs = this.openedMs;
  messages = 0;
  constructor(
    readonly socket: Socket,
    readonly address: string,
    readonly port: number,
    readonly framer: StreamFramer,
    /** Nobody knows its address. */
    public isStranger: boolean,
  ) {}
}

/** UDP and TCP on one host and port; addresses in, addresses out. Knows nothing of transactions. */
export class Transport {
  private readonly connections = new Map<string, Connection>();
  private readonly probes = new Set<UdpSocket>();
  private sweeper: NodeJS.Timeout | undefined;
  private closing = false;

  private constructor(
    readonly host: string,
    readonly port: number,
    private readonly udp: UdpSocket,
    private readonly server: Server,
    private readonly limits: TransportLimits,
    private readonly handlers: TransportHandlers,
    private readonly log: EngineLog,
    private readonly isKnown: (address: string) => boolean,
    private readonly acceptFrom: ((address: string) => boolean) | undefined,
  ) {}

  /** Binds UDP and TCP to the same port; port 0 picks one that is free for both. */
  static async open(
    options: { host: string; port: number; limits: TransportLimits; log: EngineLog; isKnown: (address: string) => boolean; acceptFrom?: (address: string) => boolean },
    handlers: TransportHandlers,
  ): Promise<Transport> {
    for (let attempt = 0; ; attempt += 1) {
      const server = createServer({ noDelay: true, keepAlive: true });
      const udp = createSocket({ type: isIPv6(options.host) ? 'udp6' : 'udp4', recvBufferSize: undefined });
      try {
        server.listen({ host: options.host, port: options.port });
        await once(server, 'listening');
        const port = (server.address() as { port: number }).port;
        udp.bind({ address: options.host, port, exclusive: true });
        await once(udp, 'listening');
        const transport = new Transport(options.host, port, udp, server, options.limits, handlers, options.log, options.isKnown, options.acceptFrom);
        transport.listen();
        return transport;
      } catch (error) {
        server.close();
        udp.close();
        const busy = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
        if (!busy || options.port !== 0 || attempt >= 20) throw error;
      }
    }
  }

  private listen(): void {
    try {
      this.udp.setRecvBufferSize(UDP_BUFFER_BYTES);
    } catch (error) {
      this.log.debug({ err: error }, 'the UDP receive buffer keeps its default size');
    }
    this.udp.on('message', (message, from) => {
      if (message.length > this.limits.maxMessageBytes || this.acceptFrom?.(from.address) === false) return;
      this.deliver(message, {
        protocol: 'udp', address: from.address, port: from.port, localAddress: this.localAddress(from.address), localPort: this.port,
      });
    });
    this.udp.on('error', (error) => this.log.warn({ err: error }, 'UDP socket error'));
    this.server.on('connection', (socket) => this.accept(socket));
    this.server.on('error', (error) => this.log.warn({ err: error }, 'TCP listener error'));
    this.sweeper = setInterval(() => this.sweep(), SWEEP_INTERVAL_MS);
    this.sweeper.unref();
  }

  /** The address of this machine that `remote` sees: the bound one, or the best guess when bound to all. */
  localAddress(remote: string): string {
    return isWildcard(this.host) ? localAddressFor(remote) : this.host;
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  private deliver(message: Buffer, source: Source): void {
    try {
      this.handlers.onMessage(message, source);
    } catch (error) {
      this.log.error({ err: error, source: source.address }, 'a SIP message could not be handled');
    }
  }

  private accept(socket: Socket): void {
    const address = socket.remoteAddress;
    if (this.closing || address === undefined || socket.remotePort === undefined || this.acceptFrom?.(address) === false) {
      socket.destroy();
      return;
    }
    const isStranger = !this.isKnown(address);
    if (!(isStranger ? this.mayStrangerConnect(address) : this.mayConnect(address))) {
      socket.destroy();
      return;
    }
    this.adopt(socket, address, socket.remotePort, isStranger);
  }

  private mayConnect(address: string): boolean {
    let all = 0;
    let same = 0;
    for (const connection of this.connections.values()) {
      if (connection.isStranger) continue;
      all += 1;
      if (connection.address === address) same += 1;
    }
    return all < this.limits.maxConnections && same < this.limits.maxConnectionsPerAddress;
  }

  /** The oldest one gives way: who is somebody after all has said so by then. */
  private mayStrangerConnect(address: string): boolean {
    const strangers = [...this.connections.values()].filter(({ isStranger }) => isStranger);
    if (strangers.filter((connection) => connection.address === address).length >= this.limits.maxConnectionsPerStranger) return false;
    if (strangers.length >= this.limits.maxStrangerConnections) strangers[0]!.socket.destroy();
    return true;
  }

  private adopt(socket: Socket, address: string, port: number, isStranger: boolean): Connection {
    const framer = new StreamFramer(
      this.limits,
      (message) => {
        connection.messages += 1;
        this.deliver(message, {
          protocol: 'tcp', address, port, connection,
          localAddress: socket.localAddress ?? this.localAddress(address), localPort: this.port,
        });
      },
      () => socket.write('\r\n'),
    );
    const connection = new Connection(socket, address, port, framer, isStranger);
    const key = hostPort(address, port);
    this.connections.set(key, connection);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      connection.lastActiveMs = Date.now();
      try {
        framer.push(chunk);
      } catch (error) {
        if (!(error instanceof StreamError)) this.log.error({ err: error, source: address }, 'a SIP stream could not be read');
        socket.destroy();
      }
    });
    socket.on('error', (error) => this.log.debug({ err: error, peer: address }, 'SIP connection error'));
    socket.on('close', () => {
      connection.closed = true;
      if (this.connections.get(key) === connection) this.connections.delete(key);
      if (!this.closing) this.handlers.onConnectionClosed(connection);
    });
    return connection;
  }

  private sweep(): void {
    const now = Date.now();
    for (const connection of this.connections.values()) {
      const quietMs = now - connection.lastActiveMs;
      // Who was a stranger may be a phone of ours by now.
      connection.isStranger &&= !this.isKnown(connection.address);
      if (connection.isStranger && now - connection.openedMs > this.limits.strangerConnectionMs) {
        connection.socket.destroy();
        continue;
      }
      const mute = connection.framer.pending || (connection.messages === 0 && !connection.socket.connecting && connection.socket.bytesWritten === 0);
      if (quietMs > (mute ? this.limits.partialMessageTimeoutMs : this.limits.idleConnectionMs)) connection.socket.destroy();
    }
  }

  /**
   * Sends one message. `failed` is called at most once, when it is known that it will not arrive; that nothing is
   * reported does not mean it did.
   */
  send(message: Buffer, to: Endpoint, failed: (error: Error) => void, via?: Connection): void {
    if (this.closing) return failed(new Error('the transport is closed'));
    if (to.protocol === 'udp') {
      this.udp.send(message, to.port, to.address, (error) => {
        if (error) failed(error);
      });
      return;
    }
    const connection = via !== undefined && !via.closed ? via : this.connectionTo(to, failed);
    if (connection === undefined) return;
    const { socket } = connection;
    if (socket.writableLength > this.limits.maxQueuedBytes) {
      socket.destroy();
      return failed(new Error('the peer does not read what is sent'));
    }
    connection.lastActiveMs = Date.now();
    socket.write(message, (error) => {
      if (error) failed(error);
    });
  }

  private connectionTo(to: Endpoint, failed: (error: Error) => void): Connection | undefined {
    const known = this.connections.get(hostPort(to.address, to.port));
    if (known !== undefined && !known.closed && !known.socket.destroyed) return known;
    if (!this.mayConnect(to.address)) {
      failed(new Error('too many connections'));
      return undefined;
    }
    const socket = connect({ host: to.address, port: to.port, ...(isWildcard(this.host) ? {} : { localAddress: this.host }) });
    const timer = setTimeout(() => socket.destroy(new Error('connecting took too long')), this.limits.connectTimeoutMs);
    socket.once('connect', () => clearTimeout(timer));
    socket.once('close', () => clearTimeout(timer));
    return this.adopt(socket, to.address, to.port, false);
  }

  /**
   * Finds out whether anything listens on a UDP port, by sending it a keep-alive from a connected socket: only such a
   * socket is told of an ICMP refusal. `refused` is called if one comes within half a second.
   */
  probe(to: Endpoint, refused: () => void): void {
    if (this.closing || this.probes.size >= MAX_PROBES || to.protocol !== 'udp') return;
    const socket = createSocket(isIPv6(to.address) ? 'udp6' : 'udp4');
    this.probes.add(socket);
    let done = false;
    const finish = (): void => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      this.probes.delete(socket);
      socket.close();
    };
    const timer = setTimeout(finish, PROBE_WAIT_MS);
    socket.on('error', (error) => {
      const refusal = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
      finish();
      if (refusal && !this.closing) refused();
    });
    socket.connect(to.port, to.address, () => {
      if (!done) socket.send('\r\n\r\n');
    });
  }

  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    clearInterval(this.sweeper);
    for (const connection of this.connections.values()) connection.socket.destroy();
    this.connections.clear();
    const closed = Promise.all([
      new Promise<void>((resolve) => this.server.close(() => resolve())),
      new Promise<void>((resolve) => this.udp.close(() => resolve())),
    ]);
    await closed;
  }
}
