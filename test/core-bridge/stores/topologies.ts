import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { Secret, type SealKey } from '../../../config/index.js';
import type { RedisConfig } from '../../../core-bridge/redis/connect.js';
import { scratchFolder } from '../../peers/process.js';
import { makeCertificate, sentinelName, startCluster, startRedis, startSentinels, type Certificate, type Redis } from '../../peers/redis.js';

export const newSealKeyConfig = (id: string): SealKey => ({ id, key: new Secret(randomBytes(32).toString('hex')) });

/** Running servers, and how to reach them. */
export interface Topology {
  readonly config: RedisConfig;
  /** Those that hold data. */
  readonly servers: readonly Redis[];
  stop(): Promise<void>;
}

type Kind = 'single' | 'sentinel' | 'cluster';

async function start(kind: Kind, certificate: Certificate | undefined): Promise<Topology> {
  const common = { kind: 'redis', prefix: 'tig', sealKeys: [newSealKeyConfig('k1')], ...(certificate ? { tls: { ca: certificate.pem } } : {}) } as const;
  const addresses = (servers: readonly Redis[]) => servers.map(({ host, port }) => ({ host, port }));
  if (kind === 'single') {
    const server = await startRedis({ certificate });
    return { config: { ...common, server: { host: server.host, port: server.port } }, servers: [server], stop: () => server.stop() };
  }
  if (kind === 'sentinel') {
    const { sentinels, data, stop } = await startSentinels(certificate);
    return { config: { ...common, sentinel: { name: sentinelName, nodes: addresses(sentinels) } }, servers: data, stop };
  }
  const { servers, stop } = await startCluster(certificate);
  // One address is enough: the others are found through it.
  return { config: { ...common, cluster: { nodes: addresses(servers.slice(0, 1)) } }, servers, stop };
}

/** Starts servers on free ports of this machine; `stop` ends them and removes what they wrote. */
export async function startTopology(kind: Kind, withTls = false): Promise<Topology> {
  if (!withTls) return start(kind, undefined);
  const folder = scratchFolder('certificate');
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const topology = await start(kind, await makeCertificate(folder));
    return { ...topology, stop: async () => { await topology.stop(); remove(); } };
  } catch (error) {
    remove();
    throw error;
  }
}
