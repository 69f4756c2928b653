/** What the event socket needs to know of the server it belongs to. */
import type { Channel } from '../channel/channel.js';
import type { EventBus } from '../events.js';
import type { EslConnection } from './connection.js';

export interface ServerContext {
  readonly bus: EventBus;
  /** By uuid; those that are ending are not in it. */
  readonly channels: ReadonlyMap<string, Channel>;
  readonly profile: string;
  readonly maxSessions: number;
  readonly startedAt: Date;
  sipAddress(): { host: string; port: number };
  sessionsSinceStart(): number;
  sessionsPeak(): number;
  /** A new subscriber is told soon how the server is. */
  heartbeatSoon(connection: EslConnection): void;
}

export const VERSION = '1.10.12-embedded';
