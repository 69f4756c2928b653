/** The UDP ports of a media address: even ports for RTP, the next one for RTCP (RFC 3550 §11). */
import dgram from 'node:dgram';

export interface PortRange {
  min: number;
  max: number;
}

export class MediaPortsError extends Error {
  constructor(readonly code: 'PORTS_EXHAUSTED' | 'PORT_RANGE_INVALID', message: string) {
    super(message);
    this.name = 'MediaPortsError';
  }
}

export interface PortPair {
  rtp: dgram.Socket;
  rtcp: dgram.Socket;
  port: number;
}

/** Enough for a burst of packets while the event loop is busy with something else. */
const RECEIVE_BUFFER_BYTES = 256 * 1024;
/** Tries of an ephemeral pair: the port after a free even one may be taken. */
const EPHEMERAL_TRIES = 50;

/** Addresses are literal by the time they come here; the default look-up would cost a turn of the event loop per packet. */
const literalLookup = (hostname: string, _options: unknown, callback: (error: null, address: string, family: number) => void): void => callback(null, hostname, 4);

function bindSocket(host: string, port: number): Promise<dgram.Socket> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket({ type: 'udp4', lookup: literalLookup });
    const onError = (error: Error): void => {
      socket.close();
      reject(error);
    };
    socket.once('error', onError);
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.removeListener('error', onError);
      try {
        socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
      } catch {
        // the kernel's default will do
      }
      resolve(socket);
    });
  });
}

const isTaken = (error: unknown): boolean => ['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '');

async function bindPair(host: string, port: number): Promise<PortPair | undefined> {
  let rtp: dgram.Socket | undefined;
  try {
    rtp = await bindSocket(host, port);
    const rtcp = await bindSocket(host, port + 1);
    return { rtp, rtcp, port };
  } catch (error) {
    rtp?.close();
    if (isTaken(error)) return undefined;
    throw error;
  }
}

/**
 * Hands out bound socket pairs of one address. With a range, ports go round so that a late packet of an ended call
 * rarely meets a new one; without, the system chooses.
 */
export class PortPool {
  private readonly used = new Set<number>();
  private next: number;
  private readonly first: number;
  private readonly last: number;

  /** @throws MediaPortsError PORT_RANGE_INVALID when the range holds no even port with its neighbour */
  constructor(readonly host: string, range?: PortRange) {
    this.first = range ? range.min + (range.min % 2) : 0;
    this.last = range ? range.max - 1 : 0;
    if (range && (this.first < 1024 || this.last > 65534 || this.last < this.first)) {
      throw new MediaPortsError('PORT_RANGE_INVALID', `no pair of ports between ${range.min} and ${range.max}`);
    }
    const pairs = Math.floor((this.last - this.first) / 2) + 1;
    this.next = this.first + 2 * Math.floor(Math.random() * pairs);
  }

  get inUse(): number {
    return this.used.size;
  }

  /** @throws MediaPortsError PORTS_EXHAUSTED */
  async take(): Promise<PortPair> {
    return this.first === 0 ? this.takeEphemeral() : this.takeFromRange();
  }

  /** Closes both sockets and frees the ports. */
  release(pair: PortPair): void {
    if (!this.used.delete(pair.port)) return;
    pair.rtp.close();
    pair.rtcp.close();
  }

  private async takeFromRange(): Promise<PortPair> {
    const pairs = Math.floor((this.last - this.first) / 2) + 1;
    for (let tries = 0; tries < pairs; tries++) {
      const port = this.next;
      this.next = port + 2 > this.last ? this.first : port + 2;
      if (this.used.has(port)) continue;
      this.used.add(port);
      try {
        const pair = await bindPair(this.host, port);
        if (pair) return pair;
      } catch (error) {
        this.used.delete(port);
        throw error;
      }
      this.used.delete(port);
    }
    throw new MediaPortsError('PORTS_EXHAUSTED', `no free pair of media ports on ${this.host} (${this.used.size} in use)`);
  }

  private async takeEphemeral(): Promise<PortPair> {
    for (let tries = 0; tries < EPHEMERAL_TRIES; tries++) {
      const rtp = await bindSocket(this.host, 0);
      const port = rtp.address().port;
      if (port % 2 === 0) {
        try {
          const rtcp = await bindSocket(this.host, port + 1);
          this.used.add(port);
          return { rtp, rtcp, port };
        } catch (error) {
          rtp.close();
          if (!isTaken(error)) throw error;
          continue;
        }
      }
      rtp.close();
    }
    throw new MediaPortsError('PORTS_EXHAUSTED', `no free pair of media ports on ${this.host}`);
  }
}
