import type { Logger } from 'pino';
import { VaultError, type RedisLink } from '../../../core-bridge/index.js';
import { DeskNode, type DeskOptions } from '../desk-node.js';
import { advance, nextDue, type DeskAct, type StepContext } from '../matching.js';
import { emptyState, type DeskState } from '../state.js';
import { partOf, shifted } from './part.js';
import { NOTHING_KNOWN, SharedValue, type Version } from './shared-value.js';

export interface RedisDeskOptions extends DeskOptions {
  readonly link: RedisLink;
  /** Begins the key in Redis. */
  readonly prefix: string;
  readonly tenant: string;
  readonly log: Logger;
}

/** How much later this node looks at what another one has to look at, in ms. */
const ELSEWHERE_MS = 250;
/** Concerns every node. */
const EVERYBODY = ['*'] as const;
/** Pause before the store is tried again, in ms. */
const TRY_AGAIN_MS = 250;
/** Room for clocks that run differently and messages under way, in ms, where this node must be sooner than others. */
const MARGIN_MS = 1_000;
/** Longest time without a round, in ms. */
const LONGEST_PAUSE_MS = 60_000;
/** Attempts to write in one turn before others get their turn of the event loop; the acts stay. */
const MOST_ATTEMPTS = 50;

/**
 * One desk on several nodes. The state is one value in Redis; each node takes its steps on it by turns. Who is given to
 * whom is decided in the step, and takes effect when the node of the agent's screen has agreed.
 *
 * While Redis is away the node goes on alone with what is its own: its calls, and the agents whose screen is on it.
 */
export class RedisDesk extends DeskNode {
  private readonly link: RedisLink;
  private readonly value: SharedValue;
  private readonly log: Logger;
  /** What was last known to stand in Redis; while on its own, what this node goes on with. */
  private known: Version = NOTHING_KNOWN;
  private acts: DeskAct[] = [];
  /** Written and not answered yet: it may stand in Redis or not. Counts the acts in it. */
  private underWay: { state: DeskState; acts: number; refused: readonly string[] } | undefined;
  private alone = true;
  private aloneSince: number;
  private hasWarned = false;
  private gaveUpOffers = false;
  /** Agents who came to this node while it was alone: another node may still be ringing them. */
  private readonly notBefore = new Map<string, number>();
  /** How often this node has written, as Redis has it; not at all, or forgotten by it, is 0. */
  private written = 0;
  /** When the last write that held was sent, and the same by the clock that counts on while a machine is paused. */
  private heardAt = -Infinity;
  private heardAtWall = -Infinity;
  /** When this node went on alone, the others had not taken it for dead. */
  private wasHeard = true;
  private isStale = true;
  private asking: (() => void)[] = [];
  private wake: () => void = () => undefined;
  private readonly undo: (() => void)[] = [];
  private readonly living: Promise<void>;

  constructor(options: RedisDeskOptions) {
    super(options);
    const { link, prefix, tenant, log } = options;
    this.link = link;
    this.log = log;
    this.value = new SharedValue(link, prefix, tenant, (error) => log.error({ err: error }, 'what stands in the store for the desk cannot be read and is written anew'));
    this.aloneSince = this.value.now();
    const look = (): void => {
      this.isStale = true;
      this.wake();
    };
    const changed = (): void => this.wake();
    link.on('missed', look);
    link.on('changed', changed);
    this.undo.push(
      () => link.off('missed', look),
      () => link.off('changed', changed),
      this.value.watch((version, concerned) => {
        if (version === this.known.version) return;
        this.isStale = true;
        if (concerned.includes(this.node) || concerned.includes(EVERYBODY[0])) this.wake();
      }),
    );
    this.living = this.live();
  }

  protected get state(): DeskState {
    return this.known.state;
  }

  protected now(): number {
    return this.value.now();
  }

  /** While Redis is away nobody can be asked; who had not stood still before knows well enough. */
  protected get isCurrent(): boolean {
    return this.alone ? !this.link.ready && this.wasHeard : this.isHeard;
  }

  /** The others have heard of this node within its lease. */
  private get isHeard(): boolean {
    const { leaseMs } = this.times;
    return this.now() < this.heardAt + leaseMs && Date.now() < this.heardAtWall + leaseMs;
  }

  override occupy(agent: string, callId: string, service?: string, rings?: boolean): Promise<boolean> {
    // Whose screen is elsewhere may have a call there, and there is nobody to ask.
    if (this.alone && !this.isOurs(agent)) return Promise.resolve(false);
    return super.occupy(agent, callId, service, rings);
  }

  protected submit(act: DeskAct): void {
    if (this.closed) return;
    if (this.alone && act.do === 'come') this.holdBack(act.agent);
    this.acts.push(act);
    this.wake();
  }

  protected async fresh(): Promise<DeskState> {
    if (!this.closed) {
      await new Promise<void>((resolve) => {
        this.asking.push(resolve);
        this.isStale = true;
        this.wake();
      });
    }
    return this.known.state;
  }

  async close(): Promise<void> {
    if (this.closed) return this.living;
    for (const undo of this.undo.splice(0)) undo();
    this.stopTelling();
    this.wake();
    await this.living;
    await this.sayGoodbye().catch(() => undefined);
    for (const answer of this.asking.splice(0)) answer();
  }

  // ---- the loop -------------------------------------------------------------------------------------------------

  private async live(): Promise<void> {
    while (!this.closed) {
      // From here on, whatever comes up asks for another round.
      let woken = false;
      let stop: () => void = () => undefined;
      this.wake = () => {
        woken = true;
        stop();
      };
      const asking = this.asking.splice(0);
      let again = 0;
      try {
        again = this.alone ? await this.comeBack(asking.length > 0) : await this.together();
      } catch (error) {
        if (!(error instanceof VaultError)) this.log.error({ err: error }, 'the desk cannot be shared');
        this.goAlone();
        again = TRY_AGAIN_MS;
      }
      for (const answer of asking) answer();
      if (woken || this.closed) {
        // Acts of one turn are taken in together.
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(1, Math.min(again, LONGEST_PAUSE_MS)));
        stop = () => {
          clearTimeout(timer);
          setImmediate(resolve);
        };
      });
    }
    this.wake = () => undefined;
  }

  /**
   * One round with the others: looks when somebody wrote, writes when there is something to write.
   * @returns ms until the next one, if nothing comes up
   */
  private async together(): Promise<number> {
    for (let attempts = 0; attempts < MOST_ATTEMPTS; attempts += 1) {
      if (this.isStale) {
        this.isStale = false;
        if (!this.adopt(await this.value.read(this.known))) return 0;
      }
      const [now, wall] = [this.now(), Date.now()];
      const acts = [...this.acts];
      const bye = acts.length === 0 && !this.hasAnything && this.written > 0;
      const step = advance(this.known.state, bye ? [{ do: 'bye' }] : acts, this.context(now, true));
      const isDue = this.hasAnything && now >= this.heardAt + this.times.beatMs;
      if (acts.length === 0 && !bye && !isDue && (!step.changed || !this.hasAnything)) {
        this.took(this.known.state, [], []);
        if (!this.hasAnything) return Infinity;
        const due = nextDue(this.known.state, now, this.node, ELSEWHERE_MS);
        return Math.min(due, this.heardAt + this.times.beatMs) - now;
      }
      this.underWay = { state: step.state, acts: acts.length, refused: step.refused };
      const stands = await this.value.write(this.known, step.state, concernedBy(this.known.state, step.state, this.node));
      this.underWay = undefined;
      if (stands.state === step.state) {
        this.known = stands;
        this.heardAt = now;
        this.heardAtWall = wall;
        this.written = step.state.nodes.get(this.node)?.seq ?? 0;
        this.acts.splice(0, acts.length);
        this.took(stands.state, acts, step.refused);
      } else if (!this.adopt(stands)) return 0;
      if (this.closed) return 0;
    }
    return 0;
  }

  /** @returns false when Redis does not have what this node wrote: it has to come back as if it had been away */
  private adopt(stands: Version): boolean {
    const seq = stands.state.nodes.get(this.node)?.seq ?? 0;
    if (seq !== this.written) {
      this.log.warn('the store does not know of this node what it was told: told again');
      this.goAlone();
      return false;
    }
    this.known = stands;
    return true;
  }

  /**
   * Goes on alone, and tells the others what this node has once they are in reach.
   * @param isAsked somebody wants to know of the others, though this node has nothing
   * @returns ms until the next round, if nothing comes up
   */
  private async comeBack(isAsked: boolean): Promise<number> {
    const steppedAt = this.stepAlone();
    if (!this.hasAnything && !isAsked) return Infinity;
    if (!this.link.ready) return this.dueAloneAfter(steppedAt) - this.now();
    const knewTime = this.value.knowsTime;
    const before = this.now();
    this.isStale = false;
    let stands = await this.value.read(NOTHING_KNOWN);
    if (!knewTime) this.clockBecomes(before);
    this.stepAlone();
    // What comes up from here on waits for the answer.
    const part = this.known.state;
    for (let attempts = 0; attempts < MOST_ATTEMPTS && !this.closed; attempts += 1) {
      const [sentAt, sentAtWall] = [this.now(), Date.now()];
      const step = advance(stands.state, [{ do: 'rejoin', part, settleMs: this.settleMs(stands) }], this.context(sentAt, true));
      // Who lost something too is to know at once.
      const answer = await this.value.write(stands, step.state, EVERYBODY);
      if (answer.state !== step.state) {
        stands = answer;
        continue;
      }
      if (this.hasWarned) this.log.info('the desk is shared again');
      this.hasWarned = false;
      this.alone = false;
      this.known = answer;
      this.heardAt = sentAt;
      this.heardAtWall = sentAtWall;
      this.written = step.state.nodes.get(this.node)?.seq ?? 0;
      this.seatAgain();
      this.took(answer.state, [], []);
      break;
    }
    return 0;
  }

  /** When the next step is due. What became due since the last one was not in it, so it is not later that counts but after that. */
  private dueAloneAfter(steppedAt: number): number {
    const later = [...this.notBefore.values(), this.fencedAt].filter((time) => time > steppedAt);
    return Math.min(nextDue(this.known.state, steppedAt), ...later);
  }

  /** Who came while this node was alone may have been known elsewhere: their newest screen is here. */
  private seatAgain(): void {
    for (const agent of this.notBefore.keys()) {
      if (!this.screens.has(agent) || this.isOurs(agent)) continue;
      const { skills } = this.agents.get(agent)!;
      const available = this.screens.get(agent);
      this.submit({ do: 'come', agent, skills });
      if (available !== undefined) this.submit({ do: 'available', agent, skills, available });
    }
    this.notBefore.clear();
  }

  private isOurs(agent: string): boolean {
    return this.state.seats.get(agent)?.node === this.node;
  }

  /** How long others may still have to tell what they have. Nobody has when all is as it was. */
  private settleMs({ version, state }: Version): number {
    const seq = state.nodes.get(this.node)?.seq ?? 0;
    const lostSome = version === '' || (this.written > 0 && seq < this.written && this.now() < this.heardAt + this.times.leaseMs);
    const wasAway = state.nodes.size > 0 && this.now() - state.at > 3 * this.times.beatMs;
    return lostSome || wasAway ? this.times.settleMs : 0;
  }

  private clockBecomes(before: number): void {
    const byMs = this.now() - before;
    if (Math.abs(byMs) < MARGIN_MS) return;
    this.known = { ...this.known, state: shifted(this.known.state, byMs) };
    this.clockMoved(byMs);
  }

  private async sayGoodbye(): Promise<void> {
    if (this.alone || this.written === 0) return;
    for (let attempts = 0; attempts < MOST_ATTEMPTS; attempts += 1) {
      const { state, version } = this.known;
      const left = advance(state, [{ do: 'rejoin', part: emptyState, settleMs: 0 }, { do: 'bye' }], { ...this.context(this.now(), true), screens: new Map() }).state;
      const stands = await this.value.write({ state, version }, left, concernedBy(state, left, this.node));
      if (stands.state === left) return;
      this.known = stands;
    }
  }

  // ---- alone ----------------------------------------------------------------------------------------------------

  /** From now on without the others, with what is this node's own. */
  private goAlone(): void {
    if (this.alone) return;
    const { underWay } = this;
    const whole = underWay?.state ?? this.known.state;
    const taken = underWay ? this.acts.splice(0, underWay.acts) : [];
    this.underWay = undefined;
    this.alone = true;
    this.wasHeard = this.isHeard;
    this.aloneSince = this.now();
    this.gaveUpOffers = false;
    for (const agent of this.screens.keys()) if (whole.seats.get(agent)?.node !== this.node) this.holdBack(agent);
    if (!this.hasWarned) this.log.warn('the desk goes on with what is on this node');
    this.hasWarned = true;
    this.known = { version: '', state: partOf(whole, { node: this.node, offerIs: (offer) => this.offerIs(offer), waits: (callId) => this.waits(callId) }) };
    this.stepAlone(taken, underWay?.refused);
  }

  /** @returns the moment of the step */
  private stepAlone(taken: readonly DeskAct[] = [], refused: readonly string[] = []): number {
    // Whether there is room for somebody is to be asked of all nodes, if they can be asked.
    const asking = this.link.ready ? this.acts.findIndex((act) => act.do === 'enter' && act.most !== undefined) : -1;
    const acts = this.acts.splice(0, asking < 0 ? this.acts.length : asking);
    let { state } = this.known;
    const now = this.now();
    if (!this.gaveUpOffers && now >= this.fencedAt) {
      // The others will take these agents for free soon. A conversation goes on: nothing would be gained by cutting it.
      this.gaveUpOffers = true;
      const seats = new Map([...state.seats].filter(([, { node, call }]) => node !== undefined || call?.node !== this.node || call.answeredAt !== undefined));
      state = { ...state, seats };
    }
    const step = advance(state, acts, this.context(now, false));
    this.known = { version: '', state: step.state };
    this.took(step.state, [...taken, ...acts], [...refused, ...step.refused]);
    return now;
  }

  /** When other nodes may have given away the agents that this node's calls were ringing. */
  private get fencedAt(): number {
    const { leaseMs, keptForGoneMs } = this.times;
    return this.heardAt + leaseMs + keptForGoneMs - Math.min(MARGIN_MS, keptForGoneMs / 2);
  }

  /** Another node may be ringing this agent until it has given up what it had. */
  private holdBack(agent: string): void {
    const { leaseMs, keptForGoneMs } = this.times;
    this.notBefore.set(agent, this.aloneSince + leaseMs + keptForGoneMs);
  }

  private context(now: number, shared: boolean): StepContext {
    return { ...this.stepContext(), now, shared, ...(!shared && { notBefore: this.notBefore }) };
  }
}

/** Nodes that have to look at once: something of their calls or their screens changed. */
function concernedBy(before: DeskState, after: DeskState, self: string): Set<string> {
  const concerned = new Set<string>();
  for (const agent of new Set([...before.seats.keys(), ...after.seats.keys()])) {
    const [was, is] = [before.seats.get(agent), after.seats.get(agent)];
    if (was === is) continue;
    for (const seat of [was, is]) for (const node of [seat?.node, seat?.asks, seat?.call?.node]) if (node !== undefined) concerned.add(node);
  }
  for (const [callId, { node }] of before.calls) if (!after.calls.has(callId)) concerned.add(node);
  for (const node of before.nodes.keys()) if (!after.nodes.has(node)) concerned.add(node);
  concerned.delete(self);
  return concerned;
}
