/**
 * The screens of all nodes as if they were of this one. A call lives on one node and its agent may sit before another:
 * what the call wants drawn goes to the node of the screen, what the agent does with the call goes to the node of the
 * call. Nothing of it is kept anywhere: what is lost on the way is made up for by the lease, which a call renews every
 * three seconds, and which is answered when the screen does not show the call.
 *
 *   node of the call                                   node of the screen
 *   offer, reveal, clear ... (`shown`)  ──operation──►  `guests`: calls of other nodes on screens here
 *   renewLease, in batches              ──renew──────►  not renewed for ten seconds: cleared
 *   acknowledged, endRequested ...      ◄──event──────  what the agent does
 *   offer and `returned` again          ◄──missing────  a renewed call that the screen does not show (here too)
 *                   ◄──────── place: who sits where, told to all ────────►
 */
import { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import { NodeBusError, topic, type NodeBus, type Topic } from '../nodes/index.js';
import type {
  Availability, ClearReason, GuestProblem, Invitation, InvitationProblem, LocalScreens, OfferedCall, Revelation, ScreenEvents, Screens, SeatOnScreen, TransferProblem, Unmasked, Warning, WordToCompare,
} from './contract.js';
import { eventNames, events, messages, operations, showing, type EventName, type OperationArgs, type OperationName, type Place } from './far-messages.js';

export interface FarScreensOptions {
  /** The screens of this node. */
  readonly local: LocalScreens;
  readonly bus: NodeBus;
  /**
   * Whether the desk says, now, that this agent has this call. Asked before anything of a call of another node is shown:
   * a node that stood still, or was cut off, may think that it still has an agent who was given to another call.
   */
  readonly holds: (agent: string, callId: string) => Promise<boolean>;
  readonly log: Logger;
  /** How long a call of another node stays on a screen here without being renewed, in ms; 10 s if left out. */
  readonly leaseMs?: number;
  /** How often every live screen is told to the other nodes again, in ms. */
  readonly repeatEveryMs?: number;
}

const LEASE_MS = 10_000;
const LEASE_CHECK_MS = 500;
const REPEAT_EVERY_MS = 5_000;
/** Renewals are collected for this long and told each node in one message, in ms. */
const RENEW_AFTER_MS = 250;
/** Calls in one such message. */
const MOST_RENEWED = 5_000;
/** Operations that wait for the desk's word about one agent. */
const MOST_IN_TURN = 200;

/** A call of this node on a screen. */
interface Shown {
  readonly call: OfferedCall;
  readonly offeredAt: number;
  readonly warnings: Set<Warning>;
  /** Whose screen was told of it last. */
  node: string;
  connectedAt: number | undefined;
  /** When the call last said that it is alive, or the desk that the agent has it; by the clock that cannot be set, and by the one that counts on while a machine is paused. */
  renewedAt: Moment;
}

interface Moment { readonly steady: number; readonly wall: number }
const thisMoment = (): Moment => ({ steady: performance.now(), wall: Date.now() });

/** A call of another node on a screen of this one. */
interface Guest { readonly callId: string; readonly node: string; leaseUntil: number }

type FarPlace = Place & { readonly node: string };

export class FarScreens extends EventEmitter<ScreenEvents> implements Screens {
  readonly #local: LocalScreens;
  readonly #bus: NodeBus;
  readonly #options: FarScreensOptions;
  readonly #log: Logger;
  readonly #leaseMs: number;
  /** Live screens of this node, and how new each is. */
  readonly #own = new Map<string, number>();
  /** Live screens of other nodes. */
  readonly #far = new Map<string, FarPlace>();
  /** The highest generation heard of anywhere: a page that opens now is newer than all of them (Lamport's clock). */
  #generation = 0;
  /** By agent. */
  readonly #shown = new Map<string, Shown>();
  /** By agent. */
  readonly #guests = new Map<string, Guest>();
  /** By agent: the last operation of another node that waits for its turn, and how many do. */
  readonly #turns = new Map<string, { last: Promise<void>; count: number }>();
  readonly #renewals = new Map<string, Map<string, string>>();
  #renewing: NodeJS.Timeout | undefined;
  #following = false;
  readonly #timers: NodeJS.Timeout[];
  readonly #undo: (() => void)[];
  readonly #topics: {
    [Name in keyof typeof messages]: Topic<ReturnType<(typeof messages)[Name]['parse']>>;
  };

  constructor(options: FarScreensOptions) {
    super();
    const { local, bus, log } = options;
    this.#options = options;
    this.#local = local;
    this.#bus = bus;
    this.#log = log;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    const named = <T>(name: string, schema: Parameters<typeof topic<T>>[2]): Topic<T> => topic(bus, `screens.${name}`, schema);
    this.#topics = {
      places: named('places', messages.places), place: named('place', messages.place), operation: named('operation', messages.operation), event: named('event', messages.event),
      seat: named('seat', messages.seat), renew: named('renew', messages.renew), missing: named('missing', messages.missing),
    };
    const malformed = (from: string): void => this.#log.warn({ from }, 'a node speaks of screens in a form that this version does not know: ignored');
    const { places, place, operation, event, seat, renew, missing } = this.#topics;
    this.#undo = [
      places.on((from, told) => this.#learnAll(from, told.places), malformed),
      place.on((from, told) => (told.live ? this.#learn(from, told) : this.#forget(from, told)), malformed),
      operation.on((from, told) => this.#inTurn(told.agent, () => this.#operate(from, told.agent, told.operation, told.args)), malformed),
      event.on((from, told) => this.#happened(from, told.agent, told.event, told.args), malformed),
      seat.on((_from, told) => this.#local.seat(told.agent, told.seat), malformed),
      renew.on((from, { calls }) => calls.forEach(([agent, callId]) => this.#renewed(from, agent, callId)), malformed),
      missing.on((from, told) => this.#isMissing(from, told.agent, told.callId), malformed),
      bus.onPeer((node, change) => (change === 'joined' ? this.#tellPlaces(node) : this.#nodeLeft(node))),
    ];
    this.#hearLocal();
    this.#timers = [
      setInterval(() => this.#endLeases(), Math.min(LEASE_CHECK_MS, this.#leaseMs / 4)),
      setInterval(() => this.#tellPlaces(), options.repeatEveryMs ?? REPEAT_EVERY_MS),
    ];
    for (const timer of this.#timers) timer.unref();
  }

  // ---- what calls of this node want --------------------------------------------------------------------------------

  offer(agent: string, call: OfferedCall): void {
    this.#guests.delete(agent);
    const before = this.#shownCall(agent, call.callId);
    const warnings = before?.warnings ?? new Set<Warning>();
    const node = this.#placeOf(agent) ?? this.#bus.id;
    const shown: Shown = { call, offeredAt: performance.now(), warnings, node, connectedAt: before?.connectedAt, renewedAt: before?.renewedAt ?? thisMoment() };
    this.#shown.set(agent, shown);
    // News of a call that is not on its screen any more, or ought not to be, do not put it there.
    const isOff = node === this.#bus.id && before && (this.#isStale(before) || (this.#own.has(agent) && this.#local.callOn(agent) !== call.callId));
    if (isOff) return this.#showAgain(agent, shown);
    this.#carryOut(node, agent, 'offer', [call]);
  }

  /** For a screen of another node: whether the attributes are on their way to a screen that is thought to be live. */
  reveal(agent: string, revelation: Revelation): boolean {
    const shown = this.#shownCall(agent, revelation.callId);
    if (!shown) return false;
    if (shown.node === this.#bus.id) return this.#local.reveal(agent, revelation);
    if (this.#far.get(agent)?.node !== shown.node || !this.#bus.peers.has(shown.node)) return false;
    this.#carryOut(shown.node, agent, 'reveal', [revelation]);
    return true;
  }

  invitation(agent: string, invitation: Invitation): void {
    this.#ofCall(agent, invitation.callId, 'invitation', [invitation]);
  }

  invitationFailed(agent: string, failure: { callId: string; reason: InvitationProblem }): void {
    this.#ofCall(agent, failure.callId, 'invitationFailed', [failure]);
  }

  confirmWord(agent: string, word: WordToCompare): void {
    this.#ofCall(agent, word.callId, 'confirmWord', [word]);
  }

  identifyFailed(agent: string, callId: string): void {
    this.#ofCall(agent, callId, 'identifyFailed', [callId]);
  }

  warn(agent: string, callId: string, warning: Warning): void {
    this.#shownCall(agent, callId)?.warnings.add(warning);
    this.#ofCall(agent, callId, 'warn', [callId, warning]);
  }

  connected(agent: string, callId: string): void {
    const shown = this.#shownCall(agent, callId);
    if (shown) shown.connectedAt ??= performance.now();
    this.#ofCall(agent, callId, 'connected', [callId]);
  }

  unmasked(agent: string, unmasked: Unmasked): void {
    this.#ofCall(agent, unmasked.callId, 'unmasked', [unmasked]);
  }

  transferFailed(agent: string, failure: { callId: string; reason: TransferProblem }): void {
    this.#ofCall(agent, failure.callId, 'transferFailed', [failure]);
  }

  guestGone(agent: string, gone: { callId: string; reason: GuestProblem }): void {
    this.#ofCall(agent, gone.callId, 'guestGone', [gone]);
  }

  clear(agent: string, callId: string, reason: ClearReason): void {
    this.#ofCall(agent, callId, 'clear', [callId, reason]);
    if (this.#shownCall(agent, callId)) this.#shown.delete(agent);
  }

  renewLease(agent: string, callId: string): void {
    const shown = this.#shownCall(agent, callId);
    if (!shown) return;
    if (this.#isStale(shown)) return this.#showAgain(agent, shown);
    shown.renewedAt = thisMoment();
    if (shown.node === this.#bus.id) {
      // One that shows nothing was blanked by its lease, or by its page's.
      if (this.#own.has(agent) && this.#local.callOn(agent) === undefined) return this.#showAgain(agent, shown);
      return this.#local.renewLease(agent, callId);
    }
    let calls = this.#renewals.get(shown.node);
    if (!calls) this.#renewals.set(shown.node, (calls = new Map<string, string>()));
    calls.set(agent, callId);
    this.#renewing ??= setTimeout(() => this.#renewAll(), RENEW_AFTER_MS);
  }

  seat(agent: string, seat: SeatOnScreen): void {
    const far = this.#far.get(agent);
    if (far && !this.#own.has(agent)) this.#post(this.#topics.seat.send(far.node, { agent, seat }), agent);
    else this.#local.seat(agent, seat);
  }

  /** Whether this call on an agent's screen here is another node's. */
  isOfOtherNode(agent: string, callId: string): boolean {
    return this.#guests.get(agent)?.callId === callId;
  }

  isPresent(agent: string): boolean {
    return this.#local.isPresent(agent) || this.#far.has(agent);
  }

  availabilityOf(agent: string): Availability {
    return (this.#own.has(agent) ? undefined : this.#far.get(agent)?.availability) ?? this.#local.availabilityOf(agent);
  }

  /** Tells the other nodes that nobody sits here any more, stops every timer and listens to nobody; the screens of this node are closed by themselves. */
  close(): void {
    this.#own.clear();
    this.#tellPlaces();
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#renewing);
    for (const undo of this.#undo.splice(0)) undo();
    this.#turns.clear();
  }

  #shownCall(agent: string, callId: string): Shown | undefined {
    const shown = this.#shown.get(agent);
    return shown?.call.callId === callId ? shown : undefined;
  }

  #ofCall<Name extends OperationName>(agent: string, callId: string, operation: Name, args: OperationArgs<Name>): void {
    const shown = this.#shownCall(agent, callId);
    if (shown) this.#carryOut(shown.node, agent, operation, args);
  }

  #carryOut<Name extends OperationName>(node: string, agent: string, operation: Name, args: OperationArgs<Name>): void {
    if (node === this.#bus.id) this.#onLocal(agent, operation, args);
    else this.#post(this.#topics.operation.send(node, { agent, operation, args: [...args] }), agent, operation);
  }

  #onLocal(agent: string, operation: OperationName, args: readonly unknown[]): void {
    // The types of name and arguments are checked where they come from: the compiler does not follow them here.
    (this.#local[operation] as (agent: string, ...args: unknown[]) => unknown)(agent, ...args);
  }

  /**
   * For a call that lives and is not on its screen any more, or ought not to be: this process stood still for longer than
   * the lease, say. The others may have given the agent to another call meanwhile, so the desk is asked first.
   */
  #showAgain(agent: string, shown: Shown): void {
    const { callId } = shown.call;
    // Whatever the order of timers after a standstill: what is shown goes first.
    if (shown.node === this.#bus.id) this.#local.clear(agent, callId, 'leaseEnded');
    this.#inTurn(agent, async () => {
      if (!(await this.#mayShow(agent, callId)) || this.#shown.get(agent) !== shown) return;
      shown.renewedAt = thisMoment();
      // The node of another screen is told by the next renewal, and asks the desk itself.
      if (shown.node !== this.#bus.id || !this.#own.has(agent) || this.#local.callOn(agent) !== undefined || this.#guests.has(agent)) return;
      this.#log.info({ agent, callId }, 'a screen does not show this call: offered again');
      this.#offerAgain(agent, shown, this.#bus.id);
      this.emit('returned', agent, callId);
    });
  }

  /** Once it is, only the desk can say that the agent has this call still. */
  #isStale({ renewedAt: { steady, wall } }: Shown): boolean {
    return Math.max(performance.now() - steady, Date.now() - wall) >= this.#leaseMs;
  }

  #renewAll(): void {
    this.#renewing = undefined;
    for (const [node, calls] of this.#renewals) {
      const all = [...calls];
      for (let i = 0; i < all.length; i += MOST_RENEWED) this.#post(this.#topics.renew.send(node, { calls: all.slice(i, i + MOST_RENEWED) }));
    }
    this.#renewals.clear();
  }

  // ---- what agents do with calls of this node on other screens -----------------------------------------------------

  #happened(from: string, agent: string, event: EventName, args: readonly unknown[]): void {
    const read = events[event].safeParse(args);
    const callId = args[0];
    // Only the node whose screen was told of this call last may say what was done with it.
    const shown = typeof callId === 'string' ? this.#shownCall(agent, callId) : undefined;
    if (!read.success || shown?.node !== from) return this.#log.info({ from, agent, event }, 'what an agent of another node did is about no call of this one: ignored');
    this.#tell(event, agent, read.data);
  }

  #tell(event: EventName, agent: string, [callId, ...rest]: readonly [string, ...unknown[]]): void {
    if (event === 'leaseLost' && !this.#offeredAfterLeaseLost(agent, callId)) return;
    (this.emit as (event: string, ...args: unknown[]) => boolean).call(this, event, agent, callId, ...rest);
  }

  /**
   * A page's clock, or a message that was lost, took a live call off its screen: it is there again before it reveals anew.
   * One that has not said for long that it lives is offered again when it does.
   */
  #offeredAfterLeaseLost(agent: string, callId: string): boolean {
    const shown = this.#shownCall(agent, callId);
    if (!shown || this.#isStale(shown)) return false;
    if (shown.node === this.#bus.id) {
      this.#showAgain(agent, shown);
      return false;
    }
    this.#offerAgain(agent, shown, shown.node);
    return true;
  }

  #isMissing(from: string, agent: string, callId: string): void {
    const shown = this.#shownCall(agent, callId);
    if (shown?.node !== from || this.#far.get(agent)?.node !== from) return;
    this.#log.info({ agent, callId }, 'a screen of another node does not show this call: offered again');
    this.#offerAgain(agent, shown, from);
    this.emit('returned', agent, callId);
  }

  /** The agent sits before another screen than the one that was told of the call, or before a new page. */
  #offerAgain(agent: string, shown: Shown, node: string): void {
    shown.node = node;
    const { call, offeredAt, connectedAt, warnings } = shown;
    const since = (at: number): number => Math.round(performance.now() - at);
    this.#carryOut(node, agent, 'offer', [{ ...call, waitedMs: call.waitedMs + since(offeredAt), ...(connectedAt !== undefined && { connectedMs: since(connectedAt) }) }]);
    for (const warning of warnings) this.#carryOut(node, agent, 'warn', [call.callId, warning]);
  }

  // ---- calls of other nodes on the screens of this one -------------------------------------------------------------

  /** Operations for one agent keep their order, also those for which the desk is asked first. */
  #inTurn(agent: string, work: () => Promise<void> | void): void {
    const turns = this.#turns.get(agent) ?? { last: Promise.resolve(), count: 0 };
    if (turns.count >= MOST_IN_TURN) return this.#log.warn({ agent }, 'too much for one screen at once: dropped');
    turns.count += 1;
    this.#turns.set(agent, turns);
    turns.last = turns.last.then(work).catch((error: unknown) => {
      this.#log.error({ agent, problem: error instanceof Error ? error.name : 'unknown' }, 'a screen could not be told');
    }).then(() => {
      turns.count -= 1;
      if (turns.count === 0 && this.#turns.get(agent) === turns) this.#turns.delete(agent);
    });
  }

  async #operate(from: string, agent: string, operation: OperationName, given: readonly unknown[]): Promise<void> {
    const read = operations[operation].safeParse(given);
    if (!read.success) return this.#log.warn({ from, agent, operation }, 'a node wants something shown in a form that this version does not know: ignored');
    const [first] = read.data;
    const callId = typeof first === 'string' ? first : first.callId;
    const guest = this.#guests.get(agent);
    const isGuest = guest?.callId === callId && guest.node === from;
    if (operation !== 'offer' && !isGuest) return;
    if (showing.has(operation) && !(await this.#mayShow(agent, callId))) {
      return this.#log.warn({ from, agent, callId, operation }, 'the desk does not say that this agent has this call: not shown');
    }
    if (operation === 'offer') {
      // The page may have gone meanwhile, to another node too: the call hears where it is and offers itself there.
      if (!this.#own.has(agent)) return;
      this.#guests.set(agent, { callId, node: from, leaseUntil: performance.now() + this.#leaseMs });
    } else if (this.#guests.get(agent) !== guest) return;
    this.#onLocal(agent, operation, read.data);
    if (operation === 'clear') this.#guests.delete(agent);
  }

  /** Not knowing is no. */
  #mayShow(agent: string, callId: string): Promise<boolean> {
    return this.#options.holds(agent, callId).catch(() => false);
  }

  #renewed(from: string, agent: string, callId: string): void {
    const guest = this.#guests.get(agent);
    // In turn, so that an offer that is being looked at is not taken for a missing one.
    if (!guest || guest.callId !== callId || guest.node !== from || this.#local.callOn(agent) !== callId) {
      return this.#inTurn(agent, () => {
        if (this.#guests.get(agent)?.callId === callId && this.#local.callOn(agent) === callId) return this.#local.renewLease(agent, callId);
        if (this.#own.has(agent)) this.#post(this.#topics.missing.send(from, { agent, callId }), agent);
      });
    }
    guest.leaseUntil = performance.now() + this.#leaseMs;
    this.#local.renewLease(agent, callId);
  }

  #endLeases(): void {
    const now = performance.now();
    for (const [agent, guest] of this.#guests) if (now > guest.leaseUntil) this.#dismiss(agent, guest, 'its node did not renew it');
  }

  #dismiss(agent: string, { callId, node }: Guest, why: string): void {
    this.#guests.delete(agent);
    this.#log.warn({ agent, callId, node, why }, 'a call of another node is taken off a screen');
    this.#local.clear(agent, callId, 'leaseEnded');
  }

  // ---- who sits where ----------------------------------------------------------------------------------------------

  #hearLocal(): void {
    const local = this.#local;
    const on = <Name extends keyof ScreenEvents>(event: Name, listener: (...args: ScreenEvents[Name]) => void): void => {
      local.on(event, listener as never);
      this.#undo.push(() => local.off(event, listener as never));
    };
    on('availability', (agent, value) => {
      if (this.#following) return;
      const far = this.#far.get(agent);
      // A page that takes over from one at another node: a break there is a break here.
      if (!this.#own.has(agent) && far && far.availability !== value) return local.setAvailability(agent, far.availability);
      if (this.#own.has(agent)) this.#tellPlace(agent, true);
      this.emit('availability', agent, value);
    });
    on('present', (agent) => {
      this.#own.set(agent, (this.#generation += 1));
      this.#far.delete(agent);
      this.#tellPlace(agent, true);
      const shown = this.#shown.get(agent);
      // One that is stale is looked at when its call says again that it lives.
      if (shown && this.#isStale(shown)) shown.node = this.#bus.id;
      else if (shown && (shown.node !== this.#bus.id || local.callOn(agent) !== shown.call.callId)) this.#offerAgain(agent, shown, this.#bus.id);
      this.emit('present', agent);
    });
    on('gone', (agent) => {
      if (this.#own.has(agent)) this.#tellPlace(agent, false);
      this.#own.delete(agent);
      this.emit('gone', agent);
    });
    on('returned', (agent, callId) => {
      // The node of a guest knows by the new place, and offers it again before it reveals.
      const shown = this.#shownCall(agent, callId);
      if (this.#guests.get(agent)?.callId !== callId && !(shown && this.#isStale(shown))) this.emit('returned', agent, callId);
    });
    for (const event of ['wrapUpDone', 'locked', 'unlocked'] as const) on(event, (agent) => void this.emit(event, agent));
    for (const event of eventNames) {
      on(event, (agent: string, callId: string, ...rest: unknown[]) => {
        const guest = this.#guests.get(agent);
        if (guest?.callId !== callId) return this.#tell(event, agent, [callId, ...rest]);
        if (event === 'leaseLost') this.#guests.delete(agent);
        this.#post(this.#topics.event.send(guest.node, { agent, event, args: [callId, ...rest] }), agent, event);
      });
    }
  }

  /** The node of an agent's live screen. */
  #placeOf(agent: string): string | undefined {
    return this.#own.has(agent) ? this.#bus.id : this.#far.get(agent)?.node;
  }

  #learnAll(node: string, places: readonly Place[]): void {
    const named = new Set(places.map(({ agent }) => agent));
    for (const [agent, far] of this.#far) if (far.node === node && !named.has(agent)) this.#far.delete(agent);
    for (const place of places) this.#learn(node, place);
  }

  #learn(node: string, { agent, generation, availability }: Place): void {
    this.#generation = Math.max(this.#generation, generation);
    const own = this.#own.get(agent);
    if (own !== undefined) {
      // Two pages of one agent: the newer one stays; of two that opened at the same moment, one.
      if (own > generation || (own === generation && this.#bus.id > node)) return this.#tellPlace(agent, true, node);
      this.#own.delete(agent);
      this.#guests.delete(agent);
      this.#local.displace(agent);
    }
    const known = this.#far.get(agent);
    if (known && known.node !== node && (known.generation > generation || (known.generation === generation && known.node > node))) return;
    if (known && known.node === node && known.generation > generation) return;
    this.#far.set(agent, { agent, generation, availability, node });
    this.#followAvailability(agent, availability);
    if (known?.node === node && known.generation === generation) return;
    const shown = this.#shown.get(agent);
    if (!shown) return;
    this.#offerAgain(agent, shown, node);
    this.emit('returned', agent, shown.call.callId);
  }

  /** So that a page which opens here later goes on with what the agent chose there. The desk has heard it from there. */
  #followAvailability(agent: string, value: Availability): void {
    this.#following = true;
    this.#local.setAvailability(agent, value);
    this.#following = false;
  }

  #forget(node: string, { agent, generation }: Place): void {
    this.#generation = Math.max(this.#generation, generation);
    const known = this.#far.get(agent);
    if (known?.node === node && known.generation <= generation) this.#far.delete(agent);
  }

  #nodeLeft(node: string): void {
    for (const [agent, far] of this.#far) if (far.node === node) this.#far.delete(agent);
    for (const [agent, guest] of this.#guests) if (guest.node === node) this.#dismiss(agent, guest, 'its node is gone');
    this.#renewals.delete(node);
  }

  #tellPlace(agent: string, live: boolean, node?: string): void {
    const generation = this.#own.get(agent);
    if (generation === undefined) return;
    const told = { agent, generation, availability: this.#local.availabilityOf(agent), live };
    this.#post(node === undefined ? this.#topics.place.broadcast(told) : this.#topics.place.send(node, told), agent);
  }

  /** Again and again: a message may have been lost. */
  #tellPlaces(node?: string): void {
    const places = [...this.#own].map(([agent, generation]) => ({ agent, generation, availability: this.#local.availabilityOf(agent) }));
    this.#post(node === undefined ? this.#topics.places.broadcast({ places }) : this.#topics.places.send(node, { places }));
  }

  /** What could not be sent is made up for: places are told again, calls are renewed, a missing acknowledgement is missed. */
  #post(sending: Promise<void>, agent?: string, what?: string): void {
    sending.catch((error: unknown) => {
      const problem = error instanceof NodeBusError ? error.code : 'unknown';
      if (what === undefined || problem === 'closed') this.#log.debug({ agent, problem }, 'another node was not told');
      else this.#log.warn({ agent, what, problem }, 'the node of a screen, or of its call, was not told');
    });
  }
}
