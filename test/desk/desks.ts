/** Desks for tests: in memory, and on a real Redis. */
import pino from 'pino';
import { VaultError, type RedisLink } from '../../core-bridge/index.js';
import type { DeskAgent } from '../../gateway/desk/index.js';
import type { DeskService } from '../../gateway/desk/desk-node.js';
import { MemoryDesk } from '../../gateway/desk/memory-desk.js';
import type { DeskTimes } from '../../gateway/desk/matching.js';
import { RedisDesk } from '../../gateway/desk/redis/redis-desk.js';
import type { Node } from './office.js';

export const agents: readonly DeskAgent[] = [
  { name: 'anna', displayName: 'Anna', phone: 'sip:anna@192.0.2.1', skills: ['permits', 'english'] },
  { name: 'bram', displayName: 'Bram', phone: 'sip:bram@192.0.2.1', skills: ['permits'] },
  { name: 'cees', displayName: 'Cees', phone: 'sip:cees@192.0.2.1', skills: ['passports', 'permits'] },
  { name: 'dirk', displayName: 'Dirk', phone: 'sip:dirk@192.0.2.1', skills: ['passports', 'english'] },
];

export const services: readonly DeskService[] = [
  { name: 'Desk', skills: [], wrapUpMs: 0 },
  { name: 'Permits', skills: ['permits'], wrapUpMs: 15, maxWaiting: 3 },
  { name: 'Passports', skills: ['passports'], wrapUpMs: 0 },
  { name: 'English permits', skills: ['permits', 'english'], wrapUpMs: 0 },
];

/** After its calls there is time enough for a busy machine to see that it is wrap-up time. */
export const hearings: DeskService = { name: 'Hearings', skills: ['permits'], wrapUpMs: 1_500 };
const all = [...services, hearings];

/** Short where waiting is long, and long enough for a busy machine where a node must not be taken for dead. */
export const times: Partial<DeskTimes> = { restMs: [10, 30], leaseMs: 1_500, beatMs: 250, keptForGoneMs: 600, agreeMs: 1_000, settleMs: 150 };

export const silent = pino({ level: 'silent' });

/**
 * A link that can be cut, as a process is that ends or a cable that is pulled, or that stands still as a process does
 * that is stopped: nothing real can do that to one of several in this process.
 */
export function cuttable(link: RedisLink): RedisLink & { cut(): void; mend(): void; standStill(): () => void } {
  let isCut = false;
  let standing: Promise<void> | undefined;
  const listeners = new Map<() => void, (event: 'changed' | 'missed') => void>();
  const tell = (event: 'changed' | 'missed'): void => {
    for (const listener of listeners.values()) listener(event);
  };
  return {
    run: async (work) => {
      await standing;
      if (isCut) throw new VaultError('store_unreachable');
      return link.run(work);
    },
    subscribe: (channel, listener) => link.subscribe(channel, (message) => {
      if (isCut) return;
      if (standing) void standing.then(() => listener(message));
      else listener(message);
    }),
    get ready() { return !isCut && link.ready; },
    on: (event, listener) => {
      link.on(event, listener);
      listeners.set(listener, (told) => { if (told === event) listener(); });
    },
    off: (event, listener) => {
      link.off(event, listener);
      listeners.delete(listener);
    },
    close: () => Promise.resolve(),
    cut: () => { isCut = true; tell('changed'); },
    mend: () => { isCut = false; tell('changed'); tell('missed'); },
    standStill: () => {
      let goOn: () => void = () => undefined;
      standing = new Promise((resolve) => { goOn = resolve; });
      return () => {
        standing = undefined;
        goOn();
      };
    },
  };
}

export interface TestNode extends Node {
  mend(): void;
  /** @returns ends it */
  standStill(): () => void;
}

export const memoryNode = (): Node => ({ desk: new MemoryDesk({ agents, services: all, times }), cut: () => undefined });

let tenants = 0;
export const newTenant = (): string => `tenant${(tenants += 1)}`;

export function redisNode(link: RedisLink, tenant: string, node: string, own: Partial<DeskTimes> = {}, log = silent, staff = agents): TestNode {
  const way = cuttable(link);
  return { desk: new RedisDesk({ agents: staff, services: all, times: { ...times, ...own }, node, link: way, prefix: 'tig', tenant, log }), cut: () => way.cut(), mend: () => way.mend(), standStill: () => way.standStill() };
}
