import net from 'node:net';
import { freePort } from './ports.js';
import { scratchFolder, startPeer, type Peer } from './process.js';
import { until } from './wait.js';

/** A redis-server that writes nothing to disk. */
export interface Redis extends Peer { readonly host: string; readonly port: number; readonly url: string }

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => { socket.write('PING\r\n'); });
    socket.setTimeout(500, () => { socket.destroy(); });
    socket.once('data', (data) => { socket.destroy(); resolve(data.toString('latin1').startsWith('+PONG')); });
    socket.once('error', () => { socket.destroy(); });
    socket.once('close', () => { resolve(false); });
  });
}

export async function startRedis(options: { port?: number; args?: readonly string[] } = {}): Promise<Redis> {
  const port = options.port ?? (await freePort());
  const peer = await startPeer('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...(options.args ?? [])], scratchFolder('redis'));
  try {
    await until(() => answers(port), 'redis-server to answer');
  } catch (error) {
    await peer.stop();
    throw error;
  }
  return Object.assign(peer, { host: '127.0.0.1', port, url: `redis://127.0.0.1:${port}` });
}
