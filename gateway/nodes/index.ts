import type { Logger } from 'pino';
import type { StoreConfig } from '../../config/index.js';
import type { RedisLink } from '../../core-bridge/index.js';
import type { NodeBus } from './bus.js';
import { MemoryBus } from './memory-bus.js';
import { RedisBus } from './redis-bus.js';

export { NodeBusError, topic, type NodeBus, type NodeBusErrorCode, type Topic } from './bus.js';

/** The bus that fits the store: nodes that share sessions speak with each other. */
export function createBus(store: StoreConfig, link: RedisLink | undefined, log: Logger): NodeBus {
  if (store.kind === 'memory' || !link) return new MemoryBus(log);
  return new RedisBus({ link, prefix: store.prefix, sealKeys: store.sealKeys, log });
}
