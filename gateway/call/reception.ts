/** Where calls come in: who may call, which service they reach, how many at once; and the register of live calls. */
import type Srf from 'drachtio-srf';
import type { Logger } from 'pino';
import type { RedisLink, RevealedIdentity } from '../../core-bridge/index.js';
import type { SipNode } from '../sip/node.js';
import { Admission, type Excess } from '../sip/admission.js';
import { canBeReached, whatIsAsked } from '../sip/asked.js';
import { respond } from '../sip/respond.js';
import { serviceOf, type ServiceConfig } from '../sip/services.js';
import { sdpOf } from '../sip/sdp.js';
import type { TrunkConfig, Trunks } from '../sip/trunks.js';
import type { TransferTarget, TransferTargets } from '../screen/contract.js';
import { deskAgents } from '../desk/index.js';
import type { TenantRoom } from '../tenants.js';
import { Call } from './call.js';
import type { Destination } from './directory.js';
import type { CallContext } from './live-call.js';
import { Adoption, type Adopted } from './promises/index.js';

/** How often one trunk is named in the log for calls that are too many, in ms. */
const excessSaidEveryMs = 10_000;

export class Reception {
  private readonly calls = new Map<string, { call: Call; node: SipNode }>();
  /** What every dialled number leads to, over all tenants; a number leads to one. */
  private readonly lines: (ServiceConfig & { tenant: TenantRoom; service: ServiceConfig })[] = [];
  private readonly adoptions: Adoption[] = [];
  /** Who is told on the phone who calls, and is there without a screen too. */
  private alwaysThere: ReadonlyMap<string, TenantRoom['desk']> = new Map();
  private draining = false;
  private readonly admission: Admission;
  private readonly excessSaidAt = new Map<string, number>();

  constructor(private readonly context: CallContext, private readonly tenants: readonly TenantRoom[], private readonly trunks: Trunks, private readonly log: Logger) {
    this.admission = new Admission(context.config.trunks, context.config.calls.maxCalls);
    for (const tenant of tenants) {
      for (const service of tenant.config.services) this.lines.push({ ...service, tenant, service });
      this.hearDesk(tenant);
    }
    this.renewAlwaysThere();
    this.hearScreens();
  }

  /** The agents may be others than before. */
  renewPeople(): void {
    for (const { config, desk } of this.tenants) desk.replaceAgents(deskAgents(config));
    this.renewAlwaysThere();
  }

  private renewAlwaysThere(): void {
    const there = new Map(this.tenants.flatMap(({ config, desk }) => config.agents.flatMap(({ name, whisper }) => (whisper?.alwaysThere ? [[name, desk] as const] : []))));
    for (const [name, desk] of there) {
      if (this.alwaysThere.get(name) === desk) continue;
      desk.setPresent(name, true);
      // Who has a page has said there whether they take calls.
      if (!this.context.screens.isPresent(name)) desk.setAvailable(name, true);
    }
    for (const [name, desk] of this.alwaysThere) if (!there.has(name) && !this.context.screens.isPresent(name)) desk.setPresent(name, false);
    this.alwaysThere = there;
  }

  private tenantOf(agent: string): TenantRoom | undefined {
    return this.tenants.find((tenant) => tenant.agent(agent));
  }

  private hearDesk({ desk, config: { name: tenant } }: TenantRoom): void {
    const { screens, happenings } = this.context;
    desk.on('match', (callId, agent) => {
      const entry = this.calls.get(callId);
      if (entry) entry.call.offerTo(agent);
      else desk.free(agent.name, callId, 'moved');
    });
    desk.on('outlook', (outlooks) => {
      for (const [callId, outlook] of outlooks) this.calls.get(callId)?.call.stands(outlook);
    });
    desk.on('full', (callId) => this.calls.get(callId)?.call.noRoom());
    desk.on('lost', (callId, agent) => this.calls.get(callId)?.call.agentLost(agent));
    desk.on('seat', ({ agent, state, until }) => {
      screens.seat(agent, { state, ...(until !== undefined && { untilMs: until }) });
      happenings.tell({ type: 'agent.state', tenant, agent, state });
    });
  }

  private hearScreens(): void {
    const { screens } = this.context;
    const deskOf = (agent: string) => this.tenantOf(agent)?.desk;
    screens.on('availability', (agent, value) => deskOf(agent)?.setAvailable(agent, value === 'available'));
    screens.on('present', (agent) => deskOf(agent)?.setPresent(agent, true));
    screens.on('gone', (agent) => {
      if (!this.alwaysThere.has(agent)) deskOf(agent)?.setPresent(agent, false);
    });
    screens.on('wrapUpDone', (agent) => deskOf(agent)?.wrapUpDone(agent));
    // What an agent does counts only for the call that this agent has.
    const callOf = (agent: string, callId: string) => {
      const call = this.calls.get(callId)?.call;
      return call?.state.agent === agent ? call : undefined;
    };
    // Or into which they are brought.
    const callWith = (agent: string, callId: string) => {
      const call = this.calls.get(callId)?.call;
      return call?.involves(agent) ? call : undefined;
    };
    screens.on('returned', (agent, callId) => callWith(agent, callId)?.screenReturned(agent));
    screens.on('leaseLost', (agent, callId) => callWith(agent, callId)?.screenReturned(agent));
    screens.on('acknowledged', (agent, callId, revealId) => callWith(agent, callId)?.acknowledge(agent, revealId));
    screens.on('endRequested', (agent, callId) => callWith(agent, callId)?.endByAgent(agent));
    screens.on('leaveRequested', (agent, callId) => callWith(agent, callId)?.leaveByAgent(agent));
    screens.on('unmaskRequested', (agent, callId, revealId, field) => callWith(agent, callId)?.unmask(agent, revealId, field));
    screens.on('identifyRequested', (agent, callId) => callOf(agent, callId)?.identifyByAgent(agent));
    screens.on('identifyWithdrawn', (agent, callId) => callOf(agent, callId)?.withdrawInvitation(agent));
    screens.on('wordConfirmed', (agent, callId, confirmId, same) => callOf(agent, callId)?.wordCompared(agent, confirmId, same));
    screens.on('bringInRequested', (agent, callId, colleague) => callOf(agent, callId)?.bringIn(agent, this.destinationOf(agent, { kind: 'agent', name: colleague })));
    screens.on('guestOutRequested', (agent, callId) => callOf(agent, callId)?.sendGuestAway(agent));
    screens.on('transferRequested', (agent, callId, target) => callOf(agent, callId)?.transfer(agent, this.destinationOf(agent, target)));
  }

  private destinationOf(agent: string, target: TransferTarget): Destination | undefined {
    const tenant = this.tenantOf(agent);
    switch (target.kind) {
      case 'agent': return tenant?.agent(target.name) ? target : undefined;
      case 'service': return tenant?.config.services.some(({ name }) => name === target.name) ? target : undefined;
      case 'number': return tenant?.directory.destinationOfNumber(target.number);
    }
  }

  /** The identity on the screen of an agent who has this call of this node, or is brought into it, for another desktop of theirs. @throws VaultError */
  async identityOf(callId: string, agent: string): Promise<{ tenant: string; agent: string; identity: RevealedIdentity } | undefined> {
    const call = this.calls.get(callId)?.call;
    const shown = await call?.shownIdentity(agent);
    return call && shown && { tenant: call.tenant, ...shown };
  }

  /** What an agent may choose from when passing a call on. */
  async transferTargets(agent: string): Promise<TransferTargets> {
    const tenant = this.tenantOf(agent);
    if (!tenant) return { agents: [], services: [], outside: false };
    const { desk, config } = tenant;
    const { seats, queues } = await desk.snapshot();
    const states = new Map(seats.map((seat) => [seat.agent, seat.state]));
    return {
      agents: config.agents.filter(({ name }) => name !== agent).map(({ name, displayName }) => ({ name, displayName, state: states.get(name) ?? 'away' })),
      services: queues.map(({ service, waiting, staffed }) => ({ name: service, waiting, staffed })),
      outside: (config.outside?.allowed.length ?? 0) > 0,
    };
  }

  /** Whether this agent has a call of a municipality now, or is brought into one. */
  hasCall(tenant: string, agent: string): boolean {
    for (const call of this.callsOf(tenant)) if (call.involves(agent)) return true;
    return false;
  }

  /** A call that exists now, or is being taken down. */
  callOf(id: string): Call | undefined {
    return this.calls.get(id)?.call;
  }

  *all(): Iterable<Call> {
    for (const { call } of this.calls.values()) yield call;
  }

  /** Calls that exist now, those being taken down included. */
  get size(): number {
    return this.calls.size;
  }

  /** Calls of a municipality that exist now and are not ending. */
  *callsOf(tenant: string): Iterable<Call> {
    for (const { call } of this.calls.values()) if (call.tenant === tenant && call.stateName !== 'ended') yield call;
  }

  /** A new INVITE: it becomes a call, or is refused without ringing anything. */
  receive(req: Srf.SrfRequest, res: Srf.SrfResponse, node: SipNode): void {
    const { metrics } = this.context;
    // Nobody else comes so far (gateway/sip/ownership.ts).
    const trunk = this.trunks.of(req.source_address);
    if (!trunk) return respond(res, 403);
    const { refusal } = whatIsAsked(req);
    if (refusal) return respond(res, refusal.status, { headers: refusal.headers });
    const line = serviceOf(this.lines, dialled(req));
    if (!line) {
      metrics.inviteRefused('unknownNumber');
      return respond(res, 404);
    }
    if (this.draining) {
      metrics.inviteRefused('draining');
      return respond(res, 503, { headers: { 'Retry-After': '30' } });
    }
    if (!req.has('Contact')) return respond(res, 400, { headers: { Warning: '399 gateway "Contact is missing"' } });
    if (!canBeReached(req, node.hostports)) return respond(res, 400, { headers: { Warning: '399 gateway "Nothing can be sent to this Contact"' } });
    if (req.body && sdpOf(req.body) === '') return respond(res, 415, { headers: { Accept: 'application/sdp' } });
    // Last, since it counts: what is refused for its own fault takes nobody's share.
    const excess = this.admission.excess(trunk);
    if (excess) return this.refuseExcess(res, trunk, excess);
    const call = new Call({ invite: { req, res }, srf: node.srf, pool: node.pool, trunk, tenant: line.tenant, service: line.service }, this.context, this.log);
    this.keep(call, node);
    call.start();
  }

  private keep(call: Call, node: SipNode): void {
    this.calls.set(call.id, { call, node });
    const uncount = this.admission.count(call.incoming.trunk);
    void call.finished.then(() => {
      this.calls.delete(call.id);
      uncount();
    });
  }

  private refuseExcess(res: Srf.SrfResponse, { name: trunk }: TrunkConfig, excess: Excess): void {
    this.context.metrics.inviteRefused(excess);
    // Said once in a while: there may be hundreds in a second.
    const now = performance.now();
    if (now - (this.excessSaidAt.get(trunk) ?? -Infinity) >= excessSaidEveryMs) {
      this.excessSaidAt.set(trunk, now);
      this.log.warn({ trunk, excess }, 'calls of a trunk are refused: more than there is room for, or than its share');
    }
    respond(res, 503, { headers: { 'Retry-After': excess === 'tooFast' ? '2' : '30' } });
  }

  /**
   * Keeps, from now on, promises to call back of nodes that have stopped or are not heard of any more.
   * @param ready a node that can call, if there is one now
   */
  keepPromises(link: RedisLink, ready: () => SipNode | undefined): void {
    for (const tenant of new Set(this.lines.map(({ tenant }) => tenant))) {
      const trunk = this.context.config.trunks.find(({ name }) => name === tenant.config.outside?.trunk);
      if (!trunk) continue;
      this.adoptions.push(new Adoption({
        store: tenant.promises, link, log: this.log,
        mayTake: () => !this.draining && this.calls.size < this.context.config.calls.maxCalls && ready() !== undefined,
        take: (adopted, callId) => this.resume(tenant, trunk, adopted, callId, ready),
      }));
    }
  }

  /** @throws VaultError */
  private async resume(tenant: TenantRoom, trunk: TrunkConfig, { record, before }: Adopted, callId: string, ready: () => SipNode | undefined): Promise<void> {
    const { session } = record;
    const holders = session ? [session.heldBy, ...(before === undefined ? [] : [before])] : [];
    const taken = session && (await tenant.vault.takeOver(session.id, holders, callId));
    const ours = { ...record, callId, ...(session && { session: { ...session, heldBy: callId } }) };
    const node = ready();
    if (this.draining) return void (await tenant.promises.release(ours));
    // Some node gets it when the lease has ended.
    if (!node) return;
    const { services } = tenant.config;
    // Another configuration may not have that service any more; somebody is better than nobody.
    const service = services.find(({ name }) => name === record.service) ?? services[0]!;
    const call = new Call({ invite: undefined, srf: node.srf, pool: node.pool, trunk, tenant, service }, this.context, this.log, callId);
    this.keep(call, node);
    call.resume(ours, record.callId, taken);
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
    await Promise.all(this.adoptions.splice(0).map((adoption) => adoption.close()));
    this.tellOfPromises();
    const talking = (entry: { call: Call }) => ['connected', 'revealing', 'elsewhere'].includes(entry.call.stateName);
    for (const entry of [...this.calls.values()]) if (!talking(entry)) entry.call.drain();
    const all = () => Promise.all([...this.calls.values()].map(({ call }) => call.finished));
    if (graceMs > 0 && this.calls.size > 0) {
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([all(), new Promise((resolve) => (timer = setTimeout(resolve, graceMs)))]);
      clearTimeout(timer);
    }
    for (const { call } of [...this.calls.values()]) call.drain();
    await all();
  }

  /** Callers who are to be called back have hung up: nobody but the log can say what becomes of it. */
  private tellOfPromises(): void {
    for (const shared of [true, false]) {
      const promises = [...this.calls.values()].filter(({ call }) => (call.stateName === 'promised' || call.stateName === 'callingBack') && call.incoming.tenant.promises.shared === shared).length;
      if (promises === 0) continue;
      if (shared) this.log.info({ promises }, 'promises to call back are left to other nodes');
      else this.log.warn({ promises }, 'promises to call back end with this node: they outlive it with a Redis store only');
    }
  }
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
