/** Where calls come in: who may call, which service they reach, how many at once; and the register of live calls. */
import type Srf from 'drachtio-srf';
import type { Logger } from 'pino';
import type { SipNode } from '../sip/node.js';
import { respond } from '../sip/respond.js';
import { serviceOf, type ServiceConfig } from '../sip/services.js';
import { sdpOf } from '../sip/sdp.js';
import type { Trunks } from '../sip/trunks.js';
import type { Desk } from '../desk/index.js';
import type { TenantRoom } from '../tenants.js';
import { Call, type CallContext } from './call.js';

export class Reception {
  private readonly calls = new Map<string, { call: Call; node: SipNode }>();
  private readonly deskOf = new Map<string, Desk>();
  /** What every dialled number leads to, over all tenants; a number leads to one. */
  private readonly lines: (ServiceConfig & { tenant: TenantRoom; service: ServiceConfig })[] = [];
  private draining = false;

  constructor(private readonly context: CallContext, tenants: readonly TenantRoom[], private readonly trunks: Trunks, private readonly log: Logger) {
    const { screens } = context;
    for (const tenant of tenants) {
      const { desk } = tenant;
      desk.on('match', (callId, agent) => {
        const entry = this.calls.get(callId);
        if (entry) entry.call.offerTo(agent);
        else desk.free(agent.name, callId, 'moved');
      });
      desk.on('outlook', (outlooks) => outlooks.forEach((outlook, callId) => this.calls.get(callId)?.call.stands(outlook)));
      desk.on('lost', (callId, agent) => this.calls.get(callId)?.call.agentLost(agent));
      for (const { name } of tenant.config.agents) this.deskOf.set(name, desk);
      for (const service of tenant.config.services) this.lines.push({ ...service, tenant, service });
    }
    screens.on('availability', (agent, value) => this.deskOf.get(agent)?.setAvailable(agent, value === 'available'));
    screens.on('present', (agent) => this.deskOf.get(agent)?.setPresent(agent, true));
    screens.on('gone', (agent) => this.deskOf.get(agent)?.setPresent(agent, false));
    // What an agent does counts only for the call that the desk says this agent has.
    const withCall = (agent: string, callId: string, then: (call: Call) => void): void => {
      const desk = this.deskOf.get(agent);
      const call = this.calls.get(callId)?.call;
      if (!desk || !call) return;
      desk.seatOf(agent).then(
        (seat) => { if (seat?.callId === callId) then(call); },
        (error: unknown) => this.log.error({ err: error, agent }, 'an act of an agent was lost'),
      );
    };
    screens.on('returned', (agent, callId) => withCall(agent, callId, (call) => call.screenReturned(agent)));
    screens.on('acknowledged', (agent, callId, revealId) => withCall(agent, callId, (call) => call.acknowledge(revealId)));
    screens.on('endRequested', (agent, callId) => withCall(agent, callId, (call) => call.endByAgent(agent)));
    screens.on('identifyRequested', (agent, callId) => withCall(agent, callId, (call) => call.identifyByAgent(agent)));
    screens.on('identifyWithdrawn', (agent, callId) => withCall(agent, callId, (call) => call.withdrawInvitation(agent)));
    screens.on('wordConfirmed', (agent, callId, confirmId, same) => withCall(agent, callId, (call) => call.wordCompared(agent, confirmId, same)));
  }

  /** Calls that exist now, those being taken down included. */
  get size(): number {
    return this.calls.size;
  }

  /** A new INVITE: it becomes a call, or is refused without ringing anything. */
  receive(req: Srf.SrfRequest, res: Srf.SrfResponse, node: SipNode): void {
    const { config, metrics } = this.context;
    const trunk = this.trunks.of(req.source_address);
    if (!trunk) {
      metrics.inviteRefused('stranger');
      this.log.warn({ from: req.source_address }, 'INVITE from an address that no trunk lists: refused');
      return respond(res, 403, { headers: { Warning: '399 gateway "This address is not listed as a trunk"' } });
    }
    const line = serviceOf(this.lines, dialled(req));
    if (!line) {
      metrics.inviteRefused('unknownNumber');
      return respond(res, 404);
    }
    if (this.draining || this.calls.size >= config.calls.maxCalls) {
      metrics.inviteRefused(this.draining ? 'draining' : 'full');
      return respond(res, 503, { headers: { 'Retry-After': '30' } });
    }
    if (!req.has('Contact')) return respond(res, 400, { headers: { Warning: '399 gateway "Contact is missing"' } });
    const unknown = requiredOf(req).filter((extension) => !extensions.has(extension));
    if (unknown.length > 0) return respond(res, 420, { headers: { Unsupported: unknown.join(', ') } });
    if (req.body && sdpOf(req.body) === '') return respond(res, 415, { headers: { Accept: 'application/sdp' } });
    const call = new Call({ req, res, srf: node.srf, pool: node.pool, trunk, tenant: line.tenant, service: line.service }, this.context, this.log);
    this.calls.set(call.id, { call, node });
    void call.finished.then(() => this.calls.delete(call.id));
    call.start();
  }

  /** The connection to a SIP server is gone, and with it our hold on its dialogs. */
  sipLost(node: SipNode): void {
    for (const { call, node: its } of this.calls.values()) if (its === node) call.stop('sipLost');
  }

  /** No new calls from here on. */
  refuseNew(): void {
    this.draining = true;
  }

  /**
   * Ends calls: at once those that have no agent, the others after `graceMs`.
   * @returns when no call is left
   */
  async drain(graceMs: number): Promise<void> {
    this.refuseNew();
    const talking = (entry: { call: Call }) => entry.call.stateName === 'connected' || entry.call.stateName === 'revealing';
    for (const entry of [...this.calls.values()]) if (!talking(entry)) entry.call.stop('drained');
    const all = () => Promise.all([...this.calls.values()].map(({ call }) => call.finished));
    if (graceMs > 0 && this.calls.size > 0) {
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([all(), new Promise((resolve) => (timer = setTimeout(resolve, graceMs)))]);
      clearTimeout(timer);
    }
    for (const { call } of [...this.calls.values()]) call.stop('drained');
    await all();
  }
}

/** What an INVITE may require of us (RFC 3261 section 8.2.2.3): the SIP server does reliable responses and session timers. */
const extensions = new Set(['100rel', 'timer']);

function requiredOf(req: Srf.SrfRequest): string[] {
  return req.has('Require') ? req.get('Require').split(',').map((option) => option.trim().toLowerCase()).filter(Boolean) : [];
}

/** User part of the request URI: what was dialled. */
function dialled(req: Srf.SrfRequest): string {
  const user = /^sips?:([^@;:?]+)(?:[;:?][^@]*)?@/i.exec(req.uri)?.[1] ?? /^tel:([^;?]+)/i.exec(req.uri)?.[1] ?? '';
  try {
    return decodeURIComponent(user);
  } catch {
    return user;
  }
}
