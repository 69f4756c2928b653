/** The audit trail as the rooms that record in it know it. */
import type { Logger } from 'pino';
import type { Happening, Happenings } from '../happenings.js';
import type { Record, Showing } from './acts.js';
import type { Trail } from './trail.js';

export interface Audit {
  /**
   * To be awaited before anything of a caller is handed to a screen. Resolves when it is on the disk.
   * @throws AuditError when it is not: then nothing may be shown
   */
  shown(showing: Showing): Promise<void>;
  /** The same for any other act. @throws AuditError */
  record(record: Record): Promise<void>;
  /** Undefined when no trail is kept. */
  readonly trail: Trail | undefined;
  close(): Promise<void>;
}

/** Where a site keeps no trail. */
export const noAudit: Audit = { shown: () => Promise.resolve(), record: () => Promise.resolve(), trail: undefined, close: () => Promise.resolve() };

/** Refusals that are written one by one in a minute: whoever knocks all day must not be able to fill the disk. */
const refusalsAMinute = 60;

/**
 * @param required false: what cannot be recorded is shown all the same; the log and a metric say so
 */
export function auditOver(trail: Trail, required: boolean, happenings: Happenings, log: Logger): Audit {
  let refusals = 0;
  let more = 0;
  const note = (record: Record): void => {
    // The trail itself logs why.
    trail.record(record).catch(() => log.warn({ act: record.act }, 'this was not recorded'));
  };
  const minute = setInterval(() => {
    if (more > 0) note({ act: 'refusedMore', count: more });
    refusals = more = 0;
  }, 60_000);
  minute.unref();
  const listen = (happening: Happening): void => {
    const record = recordOf(happening);
    if (!record) return;
    if (record.act === 'refused' && (refusals += 1) > refusalsAMinute) more += 1;
    else note(record);
  };
  happenings.on('happening', listen);
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    happenings.off('happening', listen);
    clearInterval(minute);
    if (more > 0) note({ act: 'refusedMore', count: more });
    return trail.close();
  };
  return {
    trail,
    record: (record) => trail.record(record),
    shown: async (showing) => {
      try {
        await trail.record({ act: 'shown', ...showing });
      } catch (error) {
        if (required) throw error;
        log.error({ callId: showing.callId, agent: showing.agent }, 'shown without having been recorded');
      }
    },
    close: () => (closed ??= close()),
  };
}

/** What of the happenings is an act of somebody. What is shown is recorded before it happens, and not here. */
function recordOf(happening: Happening): Record | undefined {
  switch (happening.type) {
    case 'call.cleared': {
      const { tenant, callId, agent, because } = happening;
      return { act: 'cleared', tenant, callId, agent, because };
    }
    case 'call.transferred': {
      const { tenant, callId, from, to } = happening;
      return { act: 'transferred', tenant, callId, agent: from, to: to.kind, ...(to.kind !== 'outside' && { toName: to.name }) };
    }
    case 'call.broughtIn': {
      const { tenant, callId, agent, colleague } = happening;
      return { act: 'broughtIn', tenant, callId, agent, toName: colleague };
    }
    case 'call.claimed': {
      const { tenant, callId, agent } = happening;
      return { act: 'claimed', tenant, callId, agent };
    }
    case 'agent.signedIn': return { act: 'signedIn', tenant: happening.tenant, agent: happening.agent, by: happening.by };
    case 'agent.signedOut': return { act: 'signedOut', tenant: happening.tenant, agent: happening.agent, by: happening.by };
    case 'agent.refused': {
      const { tenant, agent, by } = happening;
      return { act: 'refused', ...(tenant !== undefined && { tenant }), ...(agent !== undefined && { agent }), by };
    }
    case 'call.arrived': case 'call.identified': case 'call.waiting': case 'call.offered': case 'call.answered': case 'call.shown':
    case 'call.connected': case 'call.handedOver': case 'call.overflowed': case 'call.ended': case 'agent.state':
      return undefined;
  }
}
