/** What happens on one node is told on the others: a desktop or a supervisor may be connected to any of them. */
import type { Logger } from 'pino';
import type { Happening, Happenings } from './happenings.js';
import type { NodeBus } from './nodes/index.js';

const kind = 'happening';

/** @returns ends it */
export function shareHappenings(happenings: Happenings, bus: NodeBus, log: Logger): () => void {
  const tell = (happening: Happening): void => {
    bus.broadcast(kind, happening).catch((error: unknown) => log.warn({ err: error, type: happening.type }, 'other nodes do not hear of this'));
  };
  const unsubscribe = bus.on(kind, (_from, body) => happenings.hear(body));
  happenings.on('happening', tell);
  return () => {
    happenings.off('happening', tell);
    unsubscribe();
  };
}
