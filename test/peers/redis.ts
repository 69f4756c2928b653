import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { freePort } from './ports.js';
import { scratchFolder, startPeer, type Peer } from './process.js';
import { until } from './wait.js';

const run = promisify(execFile);

/** A certificate for this machine that is its own authority. */
export interface Certificate { readonly certFile: string; readonly keyFile: string; readonly pem: string }

/** Makes a certificate for 127.0.0.1 and localhost in `folder`. */
export async function makeCertificate(folder: string): Promise<Certificate> {
  const [certFile, keyFile] = [path.join(folder, 'cert.pem'), path.join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-keyout', keyFile, '-out', certFile, ...subject]);
  return { certFile, keyFile, pem: readFileSync(certFile, 'utf8') };
}

/** A redis-server that writes nothing to disk unless it is told to. */
export interface Redis extends Peer {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** What redis-cli prints for a command. */
  cli(...command: string[]): Promise<string>;
}

export interface RedisOptions {
  readonly port?: number;
  readonly args?: readonly string[];
  /** Present: TLS only. */
  readonly certificate?: Certificate | undefined;
  /** Lines of a configuration file, which a Sentinel cannot do without. */
  readonly settings?: readonly string[];
}

function answers(port: number, withTls: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const connected = (): void => { socket.write('PING\r\n'); };
    // Only whether it answers is asked here.
    const socket = withTls ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, connected) : net.connect(port, '127.0.0.1', connected);
    socket.setTimeout(500, () => { socket.destroy(); });
    socket.once('data', (data: Buffer) => { socket.destroy(); resolve(data.toString('latin1').startsWith('+PONG')); });
    socket.once('error', () => { socket.destroy(); });
    socket.once('close', () => { resolve(false); });
  });
}

export async function startRedis(options: RedisOptions = {}): Promise<Redis> {
  const { certificate, settings, args = [] } = options;
  const port = options.port ?? (await freePort());
  const folder = scratchFolder('redis');
  const file: string[] = [];
  if (settings) {
    file.push(path.join(folder, 'redis.conf'));
    writeFileSync(file[0]!, `${settings.join('\n')}\n`);
  }
  const listening = certificate
    ? ['--port', '0', '--tls-port', String(port), '--tls-cert-file', certificate.certFile, '--tls-key-file', certificate.keyFile, '--tls-ca-cert-file', certificate.certFile, '--tls-auth-clients', 'no', '--tls-replication', 'yes']
    : ['--port', String(port)];
  const peer = await startPeer('redis-server', [...file, ...listening, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...args], folder);
  try {
    await until(() => answers(port, certificate !== undefined), 'redis-server to answer');
  } catch (error) {
    const output = peer.output();
    await peer.stop();
    throw new Error(`redis-server does not answer: ${output.slice(-2_000)}`, { cause: error });
  }
  const access = ['-h', '127.0.0.1', '-p', String(port), ...(certificate ? ['--tls', '--cacert', certificate.certFile] : [])];
  const cli = async (...command: string[]): Promise<string> => (await run('redis-cli', [...access, ...command], { timeout: 5_000, maxBuffer: 64 * 1_048_576 })).stdout.trim();
  return Object.assign(peer, { host: '127.0.0.1', port, url: `redis${certificate ? 's' : ''}://127.0.0.1:${port}`, cli });
}

/** Several servers that are one store. */
export interface RedisGroup {
  readonly servers: readonly Redis[];
  readonly stop: () => Promise<void>;
}

async function startGroup(build: (add: <T extends Redis>(server: T) => T) => Promise<void>): Promise<RedisGroup> {
  const servers: Redis[] = [];
  const stop = async (): Promise<void> => { await Promise.all(servers.map((server) => server.stop())); };
  try {
    await build((server) => { servers.push(server); return server; });
  } catch (error) {
    await stop();
    throw error;
  }
  return { servers, stop };
}

/** The name under which the Sentinels watch. */
export const sentinelName = 'sessions';

/** A master, a replica, and three Sentinels that fail over within seconds. */
export async function startSentinels(certificate?: Certificate): Promise<RedisGroup & { readonly sentinels: readonly Redis[]; readonly data: readonly Redis[] }> {
  const [sentinels, data]: [Redis[], Redis[]] = [[], []];
  const group = await startGroup(async (add) => {
    const fast = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'];
    const master = add(await startRedis({ certificate, args: fast }));
    data.push(master, add(await startRedis({ certificate, args: [...fast, '--replicaof', '127.0.0.1', String(master.port)] })));
    await until(async () => /slave0:.*state=online/.test(await master.cli('INFO', 'replication')), 'the replica to follow its master', 15_000);
    const settings = [
      `sentinel monitor ${sentinelName} 127.0.0.1 ${master.port} 2`,
      `sentinel down-after-milliseconds ${sentinelName} 1000`,
      `sentinel failover-timeout ${sentinelName} 3000`,
    ];
    sentinels.push(...(await Promise.all([0, 1, 2].map(async () => add(await startRedis({ certificate, settings, args: ['--sentinel'] }))))));
    for (const sentinel of sentinels) {
      await until(async () => (await sentinel.cli('SENTINEL', 'CKQUORUM', sentinelName)).startsWith('OK 3'), 'the Sentinels to find each other', 15_000);
      await until(async () => (await sentinel.cli('SENTINEL', 'REPLICAS', sentinelName)).includes(String(data[1]!.port)), 'the Sentinels to find the replica', 15_000);
    }
  });
  return { ...group, sentinels, data };
}

/** A Cluster of three masters. */
export async function startCluster(certificate?: Certificate): Promise<RedisGroup> {
  return startGroup(async (add) => {
    const nodes = await Promise.all([0, 1, 2].map(async () => {
      const bus = await freePort();
      const args = ['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '2000', ...(certificate ? ['--tls-cluster', 'yes'] : [])];
      return { bus, server: add(await startRedis({ certificate, args })) };
    }));
    const first = nodes[0]!.server;
    const ranges = [[0, 5_460], [5_461, 10_922], [10_923, 16_383]] as const;
    for (const [i, { server, bus }] of nodes.entries()) {
      await server.cli('CLUSTER', 'ADDSLOTSRANGE', String(ranges[i]![0]), String(ranges[i]![1]));
      await server.cli('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
      if (i > 0) await first.cli('CLUSTER', 'MEET', '127.0.0.1', String(server.port), String(bus));
    }
    for (const { server } of nodes) {
      const whole = async (): Promise<boolean> => {
        const info = await server.cli('CLUSTER', 'INFO');
        return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3');
      };
      await until(whole, 'the Cluster to be whole', 15_000);
    }
  });
}
