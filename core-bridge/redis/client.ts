import { createClient, createCluster, createSentinel, type RedisClientType } from 'redis';
import type { StoreConfig, TlsClient } from '../../config/index.js';

export type RedisConfig = Extract<StoreConfig, { kind: 'redis' }>;

/** Commands that work alike on one server, on Sentinel-watched ones and in a Cluster. */
export type RedisCommands = Pick<
  RedisClientType,
  | 'get' | 'getEx' | 'set' | 'del' | 'unlink' | 'exists' | 'incr' | 'incrBy' | 'pExpire' | 'pTTL'
  | 'hGet' | 'hGetAll' | 'hSet' | 'hExists' | 'hDel' | 'hIncrBy'
  | 'lPush' | 'rPush' | 'lRange' | 'lTrim'
  | 'zAdd' | 'zRem' | 'zCard' | 'zCount' | 'zScore' | 'zRange' | 'zRemRangeByScore'
  | 'eval' | 'evalSha' | 'publish'
>;

/** One opened client of whichever kind, with its own connection for subscriptions. */
export interface RedisClient {
  /** Commands that are not sent any more once the signal has aborted. */
  commands(signal: AbortSignal): RedisCommands;
  subscribe(channel: string, listener: (message: string) => void): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  destroy(): void;
}

const CONNECT_WITHIN_MS = 1_000;
const LONGEST_PAUSE_MS = 1_000;
/** Commands waiting at one connection; more are refused at once. */
const MAX_QUEUED = 10_000;

const reconnectStrategy = (retries: number): number => Math.min(50 * 2 ** Math.min(retries, 10), LONGEST_PAUSE_MS);

function socketOptions(tls: TlsClient | undefined) {
  const common = { connectTimeout: CONNECT_WITHIN_MS, reconnectStrategy };
  if (!tls) return common;
  return {
    ...common,
    tls: true as const,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key.reveal() }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
  };
}

/** What the three kinds have in common; their full types differ too much for one name. */
interface AnyClient {
  withCommandOptions(options: { abortSignal: AbortSignal }): unknown;
  destroy(): unknown;
}

function commandsOf(client: AnyClient, signal: AbortSignal): RedisCommands {
  return client.withCommandOptions({ abortSignal: signal }) as RedisCommands;
}

/** Destroying what never opened throws or rejects; it is gone either way. */
function destroyed(client: AnyClient): void {
  void Promise.resolve()
    .then(() => client.destroy())
    .catch(() => undefined);
}

/** `open` gives up sooner or later, or never; its caller sets the limit and destroys what did not open. */
export interface Opening {
  readonly opened: Promise<unknown>;
  readonly client: RedisClient;
}

/** Starts to connect as the configuration says. `onFault` hears of connections that fail; the client goes on trying. */
export function openClient(config: RedisConfig, onFault: (error: unknown) => void): Opening {
  const { server, sentinel, cluster } = config;
  const socket = socketOptions(config.tls);
  const node = {
    ...(config.username === undefined ? {} : { username: config.username }),
    ...(config.password === undefined ? {} : { password: config.password.reveal() }),
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_QUEUED,
  };
  if (server) {
    const client = createClient({ ...node, socket: { ...socket, host: server.host, port: server.port } }).on('error', onFault);
    const subscriber = client.duplicate({ disableOfflineQueue: false }).on('error', onFault);
    return {
      opened: Promise.all([client.connect(), subscriber.connect()]),
      client: {
        commands: (signal) => commandsOf(client, signal),
        subscribe: async (channel, listener) => { await subscriber.subscribe(channel, listener); },
        unsubscribe: async (channel) => { await subscriber.unsubscribe(channel); },
        destroy: () => { destroyed(client); destroyed(subscriber); },
      },
    };
  }
  if (sentinel) {
    const client = createSentinel({
      name: sentinel.name,
      sentinelRootNodes: sentinel.nodes.map(({ host, port }) => ({ host, port })),
      sentinelClientOptions: { socket, ...(sentinel.password === undefined ? {} : { password: sentinel.password.reveal() }) },
      nodeClientOptions: { ...node, socket },
      scanInterval: 2_000,
    }).on('error', onFault);
    return openedAs(client, client.connect());
  }
  if (cluster) {
    const client = createCluster({
      rootNodes: cluster.nodes.map(({ host, port }) => ({ socket: { host, port } })),
      defaults: { ...node, socket },
      topologyRefreshOnReconnectionAttemptStrategy: 1_000,
    }).on('error', onFault);
    return openedAs(client, client.connect());
  }
  throw new Error('a Redis store needs one of server, sentinel and cluster');
}

interface Subscribing extends AnyClient {
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
}

/** Sentinel and Cluster clients keep a connection for subscriptions themselves. */
function openedAs(client: Subscribing, opened: Promise<unknown>): Opening {
  return {
    opened,
    client: {
      commands: (signal) => commandsOf(client, signal),
      subscribe: async (channel, listener) => { await client.subscribe(channel, listener); },
      unsubscribe: async (channel) => { await client.unsubscribe(channel); },
      destroy: () => destroyed(client),
    },
  };
}
