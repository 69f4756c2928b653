/**
 * A town hall for tests: callers and agents of a tenant, on desks of one node or of several. It plays the calls and the
 * screens, and notes whatever must never be: an agent with two calls, a caller overtaken, a place that got worse.
 */
import type { Desk, DeskAgent, DeskEvents, Outlook, Seat, Waiting } from '../../gateway/desk/index.js';
import { until } from '../peers/wait.js';

/** A desk, and a way to end it as a process ends that is killed. */
export interface Node {
  readonly desk: Desk;
  /** Nothing more goes out, nothing more comes in. */
  cut(): void;
}

export interface Caller {
  readonly id: string;
  readonly node: number;
  readonly service: string;
  readonly skills: readonly string[];
  /** Number of arrival: lower came first. */
  readonly order: number;
  state: 'waiting' | 'offered' | 'talking' | 'gone';
  agent: string | undefined;
  place: number;
}

export class Office {
  readonly callers = new Map<string, Caller>();
  /** What must not be. */
  readonly faults: string[] = [];
  /** Whose call each agent has, from the match until the call gives the agent back. */
  private readonly holder = new Map<string, string>();
  private readonly screens = new Map<string, Set<number>>();
  private readonly deaf = new Set<number>();
  private arrivals = 0;
  /** Calls that were matched since it was last quiet. */
  private matched: Caller[] = [];
  events = 0;
  /** What agents' screens were told, in order. */
  readonly seats: Seat[] = [];

  constructor(readonly nodes: readonly Node[], readonly agents: readonly DeskAgent[]) {
    for (const [index, { desk }] of nodes.entries()) {
      const on = <Name extends keyof DeskEvents>(name: Name, listener: (...args: DeskEvents[Name]) => void): void => {
        desk.on(name, ((...args: DeskEvents[Name]) => {
          if (this.deaf.has(index)) return;
          this.events += 1;
          listener(...args);
        }) as never);
      };
      on('match', (callId, agent) => this.onMatch(index, callId, agent));
      on('lost', (callId, agent) => this.onLost(callId, agent));
      on('full', (callId) => {
        this.callers.get(callId)!.state = 'gone';
        desk.leave(callId);
      });
      on('outlook', (outlooks) => this.onOutlook(index, outlooks));
      on('seat', (seat) => void this.seats.push(seat));
    }
  }

  // ---- what people do -------------------------------------------------------------------------------------------

  arrives(node: number, { service = 'Desk', skills = [] as readonly string[], headStartMs = 0, wanted = undefined as Waiting['wanted'] } = {}): Caller {
    this.arrivals += 1;
    const caller: Caller = { id: `call ${this.arrivals}`, node, service, skills, order: this.arrivals, state: 'waiting', agent: undefined, place: Infinity };
    this.callers.set(caller.id, caller);
    this.nodes[node]!.desk.enter({ callId: caller.id, service, skills, headStartMs, ...(wanted && { wanted }) }, 'tail');
    return caller;
  }

  /** The call goes on at another node as another one, at the same place. */
  goesOn(caller: Caller, node: number): Caller {
    const since = this.deskOf(caller).arrivalOf(caller.id);
    this.hangsUp(caller);
    const heir: Caller = { ...caller, id: `${caller.id} at ${node}`, node, state: 'waiting', agent: undefined };
    this.callers.set(heir.id, heir);
    this.nodes[node]!.desk.enter({ callId: heir.id, service: heir.service, skills: heir.skills, headStartMs: 0, ...(since !== undefined && { since }) }, 'head');
    return heir;
  }

  answers(caller: Caller): void {
    if (caller.state !== 'offered') return;
    caller.state = 'talking';
    this.deskOf(caller).answered(caller.agent!, caller.id);
  }

  /** The agent's phone did not take it: back to the head. */
  misses(caller: Caller, because: 'missed' | 'failed' = 'missed'): void {
    if (caller.state !== 'offered' && caller.state !== 'talking') return;
    const { agent } = caller;
    this.backInLine(caller);
    this.release(caller, agent!, because);
  }

  hangsUp(caller: Caller, because: 'ended' | 'moved' = 'ended'): void {
    if (caller.state === 'gone') return;
    const { agent } = caller;
    caller.state = 'gone';
    if (agent !== undefined) this.release(caller, agent, because);
    caller.agent = undefined;
    this.deskOf(caller).leave(caller.id);
  }

  comes(agent: string, node: number): void {
    if (this.deaf.has(node)) return;
    const here = this.screens.get(agent) ?? new Set();
    this.screens.set(agent, here.add(node));
    // In this order, as screens do.
    this.nodes[node]!.desk.setAvailable(agent, true);
    this.nodes[node]!.desk.setPresent(agent, true);
  }

  goes(agent: string, node: number): void {
    if (this.deaf.has(node)) return;
    this.screens.get(agent)?.delete(node);
    this.nodes[node]!.desk.setPresent(agent, false);
  }

  /** The newest page is the screen: the one before it goes, a little later. */
  moves(agent: string, node: number): void {
    this.comes(agent, node);
    for (const other of [...(this.screens.get(agent) ?? [])]) if (other !== node) this.goes(agent, other);
  }

  breaks(agent: string, available: boolean): void {
    for (const node of this.screens.get(agent) ?? []) if (!this.deaf.has(node)) this.nodes[node]!.desk.setAvailable(agent, available);
  }

  /** A process is killed: its calls and screens are gone in this moment. */
  kills(node: number): void {
    this.deaf.add(node);
    this.nodes[node]!.cut();
    for (const caller of this.callers.values()) {
      if (caller.node !== node) continue;
      caller.state = 'gone';
      if (caller.agent !== undefined && this.holder.get(caller.agent) === caller.id) this.holder.delete(caller.agent);
      caller.agent = undefined;
    }
    for (const here of this.screens.values()) here.delete(node);
  }

  get alive(): number[] {
    return [...this.nodes.keys()].filter((node) => !this.deaf.has(node));
  }

  hasScreen(agent: string): boolean {
    return (this.screens.get(agent)?.size ?? 0) > 0;
  }

  inState(...states: Caller['state'][]): Caller[] {
    return [...this.callers.values()].filter(({ state }) => states.includes(state));
  }

  // ---- what must hold -------------------------------------------------------------------------------------------

  /** Waits until nothing is under way, then looks whether anybody was overtaken. */
  async quiet(): Promise<void> {
    let last = '';
    const isQuiet = async (): Promise<boolean> => {
      const views = [];
      for (const node of this.alive) views.push(await this.nodes[node]!.desk.snapshot());
      const now = JSON.stringify([this.events, views.map(({ seats, queues }) => [seats, queues.map(({ service, waiting }) => [service, waiting])])]);
      const same = now === last;
      last = now;
      return same && this.unsettled(views[0]?.seats ?? []) === undefined;
    };
    await until(isQuiet, 'the desks to be quiet', 10_000, 2).catch(async () => {
      const view = await this.nodes[this.alive[0]!]!.desk.snapshot();
      this.faults.push(`never quiet: ${this.unsettled(view.seats) ?? 'things go on changing'}`);
    });
    for (const caller of this.matched) {
      const older = this.inState('waiting').find((other) => other.order < caller.order && String(other.skills) === String(caller.skills));
      if (older) this.faults.push(`${older.id} was overtaken by ${caller.id}`);
    }
    this.matched = [];
  }

  /** What is still to happen, if anything is. */
  private unsettled(seats: readonly Seat[]): string | undefined {
    for (const { agent, callId } of seats) {
      if (callId !== undefined && this.callers.get(callId)?.agent !== agent) return `${agent} is kept for ${callId}, which does not know`;
    }
    for (const caller of this.inState('offered', 'talking')) {
      if (!seats.some(({ agent, callId }) => agent === caller.agent && callId === caller.id)) return `${caller.id} has ${caller.agent}, and the desk does not know`;
    }
    const idle = seats.filter(({ state }) => state === 'available').map(({ agent }) => this.agents.find(({ name }) => name === agent)!);
    for (const caller of this.inState('waiting')) {
      const free = idle.find(({ skills }) => caller.skills.every((skill) => skills.includes(skill)));
      if (free) return `${caller.id} waits while ${free.name} is free`;
    }
    return undefined;
  }

  /** Everybody is served to the end. Whoever was lost is never served, and a seat that sticks serves nobody. */
  async serveAll(node: number): Promise<void> {
    for (const { name } of this.agents) this.moves(name, node);
    const serve = (): boolean => {
      for (const caller of this.inState('offered')) this.answers(caller);
      for (const caller of this.inState('talking')) this.hangsUp(caller, 'moved');
      return this.inState('waiting', 'offered', 'talking').length === 0;
    };
    await until(serve, `everybody to be served: ${this.agents.length} agents`, 15_000, 5).catch((error: unknown) => this.faults.push(`${String(error)}; left: ${this.inState('waiting', 'offered').map(({ id, node: at }) => `${id} on node ${at}`).join(', ')}`));
    const { desk } = this.nodes[node]!;
    let stuck: readonly Seat[] = [];
    const allFree = async (): Promise<boolean> => {
      stuck = (await desk.snapshot()).seats.filter(({ state }) => state !== 'available');
      return stuck.length === 0;
    };
    await until(allFree, 'all seats to be free', 15_000, 10).catch(() => this.faults.push(`seats stuck: ${JSON.stringify(stuck)}`));
  }

  // ---- what the desks say ---------------------------------------------------------------------------------------

  private onMatch(node: number, callId: string, agent: DeskAgent): void {
    const caller = this.callers.get(callId);
    const other = this.holder.get(agent.name);
    if (other !== undefined) this.faults.push(`${agent.name} has ${other} and is offered ${callId}`);
    if (!caller || caller.node !== node) return void this.faults.push(`${callId} was matched on node ${node}, which does not have it`);
    if (caller.state !== 'waiting') return void this.faults.push(`${callId} was matched while ${caller.state}`);
    caller.state = 'offered';
    caller.agent = agent.name;
    this.holder.set(agent.name, callId);
    this.matched.push(caller);
  }

  private onLost(callId: string, agent: string): void {
    const caller = this.callers.get(callId);
    if (caller?.agent !== agent) return void this.faults.push(`${callId} lost ${agent}, whom it did not have`);
    if (this.holder.get(agent) === callId) this.holder.delete(agent);
    this.backInLine(caller);
  }

  private onOutlook(node: number, outlooks: ReadonlyMap<string, Outlook>): void {
    for (const [callId, { place }] of outlooks) {
      const caller = this.callers.get(callId);
      if (caller?.node !== node) this.faults.push(`node ${node} told of ${callId}, which it does not have`);
      else if (place > caller.place) this.faults.push(`${callId} was told place ${caller.place}, then ${place}`);
      else if (place < 1) this.faults.push(`${callId} was told place ${place}`);
      else caller.place = place;
    }
  }

  private backInLine(caller: Caller): void {
    caller.state = 'waiting';
    caller.agent = undefined;
    this.deskOf(caller).enter({ callId: caller.id, service: caller.service, skills: caller.skills, headStartMs: 0 }, 'head');
  }

  private release(caller: Caller, agent: string, because: 'ended' | 'moved' | 'missed' | 'failed'): void {
    this.holder.delete(agent);
    this.deskOf(caller).free(agent, caller.id, because);
  }

  private deskOf({ node }: Caller): Desk {
    return this.nodes[node]!.desk;
  }
}
