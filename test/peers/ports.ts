import dgram from 'node:dgram';
import { readFileSync } from 'node:fs';
import net from 'node:net';

/** Below the kernel's ephemeral range (32768-60999), so that no outgoing connection takes a port we just probed. */
const lowestPort = 11_000;
const highestPort = 31_000;
const handedOut = new Set<number>();

function bindUdp(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket('udp4');
    socket.once('error', () => { socket.close(); resolve(false); });
    socket.bind({ port, address: host, exclusive: true }, () => { socket.close(() => { resolve(true); }); });
  });
}

function bindTcp(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => { resolve(false); });
    server.listen({ port, host, exclusive: true }, () => { server.close(() => { resolve(true); }); });
  });
}

/**
 * Finds `count` consecutive ports, the first one even, that are free for UDP and for TCP on `host`, and never hands
 * the same ones out twice in this process. Test files run in several processes, hence the random place to start.
 */
export async function freePorts(count: number, host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const first = lowestPort + 2 * Math.floor((Math.random() * (highestPort - count - lowestPort)) / 2);
    const wanted = Array.from({ length: count }, (_, i) => first + i);
    if (wanted.some((port) => handedOut.has(port))) continue;
    for (const port of wanted) handedOut.add(port);
    const free = await Promise.all(wanted.map(async (port) => (await bindUdp(port, host)) && (await bindTcp(port, host))));
    if (free.every(Boolean)) return first;
  }
  throw new Error(`no ${count} consecutive free ports found on ${host}`);
}

/**
 * Whether somebody has bound the port on this machine (UDP) or listens there (TCP), as the kernel tells: knocking
 * would disturb the one behind it.
 */
export function isBound(port: number, protocol: 'udp' | 'tcp'): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync(`/proc/net/${protocol}`, 'utf8').split('\n').some((row) => {
    const [, local, , state] = row.trim().split(/\s+/);
    return local?.endsWith(suffix) === true && (protocol === 'udp' || state === '0A');
  });
}

/** One port free for UDP and TCP. */
export function freePort(host = '127.0.0.1'): Promise<number> {
  return freePorts(1, host);
}
