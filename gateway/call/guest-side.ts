/**
 * The phone of a colleague who is brought into the conversation: takes their seat, rings, joins, and leaves the leg to the
 * far side when the agent does. What its ups and downs mean is the call machine's business.
 */
import { randomUUID } from 'node:crypto';
import type { Voice } from '../../ivr/index.js';
import type { ConnectedParty } from '../sip/connected-party.js';
import type { GuestProblem } from './conference.js';
import type { Destination } from './directory.js';
import type { FarLeg } from './far-leg.js';
import type { FarSide } from './far-side.js';
import { problemOf, type LiveCall } from './live-call.js';
import { isWithAgent } from './machine.js';
import { RingError } from './ring.js';

interface GuestLeg {
  readonly agent: string;
  readonly guestId: string;
  readonly leg: FarLeg;
  /** Whom the PBX reported at this phone last. */
  reported: string | undefined;
}

export class GuestSide {
  private guest: GuestLeg | undefined;
  private isAsking = false;

  /** @param joined told when the colleague hears the others */
  constructor(private readonly call: LiveCall, private readonly far: FarSide, private readonly joined: (agent: string) => void) {}

  get talking(): boolean {
    return this.guest?.leg.joined ?? false;
  }

  /**
   * The agent wants a colleague in the conversation.
   * @param destination undefined: nobody we know
   * @returns why that cannot be; undefined: their phone is about to ring
   */
  async bringIn(by: string, destination: Destination | undefined): Promise<'unknown' | 'busy' | 'refused' | undefined> {
    const { call } = this;
    const colleague = destination?.kind === 'agent' ? call.incoming.tenant.agent(destination.name) : undefined;
    if (!colleague) return 'unknown';
    if (this.isAsking) return 'refused';
    this.isAsking = true;
    try {
      return await this.takeSeat(by, colleague.name);
    } finally {
      this.isAsking = false;
    }
  }

  private async takeSeat(by: string, colleague: string): Promise<'unknown' | 'busy' | 'refused' | undefined> {
    const { call } = this;
    const { desk } = call.incoming.tenant;
    const mayAsk = () => isWithAgent(call.state) && call.state.agent === by && !call.state.guest && !call.state.successor && this.far.talking;
    if (!mayAsk() || colleague === by) return 'unknown';
    if (!(await desk.isAvailable(colleague)) || !(await desk.occupy(colleague, call.id, call.service.name, true))) return 'busy';
    if (!mayAsk()) {
      // The call has moved on; to this very colleague, perhaps, whose seat is not ours to free then.
      if (call.state.agent !== colleague) desk.free(colleague, call.id, 'moved');
      return 'refused';
    }
    call.log.info({ agent: by, colleague }, 'colleague asked into the conversation');
    call.happened({ type: 'call.broughtIn', agent: by, colleague });
    call.handle({ type: 'guestWanted', agent: by, guest: colleague, guestId: randomUUID() });
    return undefined;
  }

  ring(agent: string, guestId: string): void {
    const { call } = this;
    const { desk } = call.incoming.tenant;
    const uri = call.incoming.tenant.agent(agent)?.phone;
    // Left the configuration in this very moment.
    if (uri === undefined) return call.handle({ type: 'guestFailed', guestId, because: 'unknown' });
    const ringTimeoutMs = call.service.queue.ringTimeoutMs ?? call.context.config.calls.ringTimeoutMs;
    const leg = this.far.makeLeg({ uri, from: call.callerShown, ringTimeoutMs, mayRelease: false });
    const guest: GuestLeg = { agent, guestId, leg, reported: undefined };
    this.guest = guest;
    const fail = (because: GuestProblem) => {
      if (this.guest === guest) call.handle({ type: 'guestFailed', guestId, because });
    };
    leg.on('hungUp', () => {
      if (this.guest === guest) call.handle({ type: 'guestHungUp', guestId });
    });
    leg.on('mediaLost', () => fail('unknown'));
    leg.on('party', (party) => {
      if (this.guest === guest && this.isSomebodyElse(guest, party)) fail('unknown');
    });
    call.happened({ type: 'call.offered', agent });
    leg.ring().then(
      () => {
        if (this.guest !== guest) return void leg.end();
        // Who has left the configuration meanwhile is nobody's colleague.
        if (!call.incoming.tenant.agent(agent)) return fail('unknown');
        // A phone that is forwarded is picked up by somebody else, and the colleague's screen is not theirs.
        if (this.far.otherAgentReported(leg.answeredBy, agent) !== undefined) return fail('refused');
        leg.tellParty();
        desk.answered(agent, call.id);
        call.happened({ type: 'call.answered', agent });
        call.handle({ type: 'guestAnswered', guestId, revealId: randomUUID() });
        leg.watch();
      },
      (error: unknown) => {
        if (this.guest === guest) call.log.info({ agent, problem: problemOf(error) }, 'colleague not reached');
        fail(problemOfRinging(error));
      },
    );
  }

  /** The PBX says that this phone's call is with another one now: what the colleague's screen shows is not for them. */
  private isSomebodyElse(guest: GuestLeg, party: ConnectedParty): boolean {
    // A Contact changes for reasons of its own.
    if (party.source === 'contact') return false;
    const before = guest.reported;
    guest.reported = party.uris.join(' ');
    const agent = this.call.incoming.tenant.directory.agentReported(party);
    // A conference is nobody in particular, and the colleague is in it.
    if (agent === guest.agent || (agent === undefined && party.isFocus)) return false;
    // A first report that names none of ours may be how the PBX calls this very phone.
    return agent !== undefined || (before !== undefined && before !== guest.reported);
  }

  /** The colleague's screen is ready: the three hear each other. */
  join(guestId: string): void {
    const { call, guest } = this;
    if (guest?.guestId !== guestId) return;
    const fail = (problem: string) => {
      if (this.guest !== guest) return;
      call.log.warn({ agent: guest.agent, problem }, 'colleague is not in the conversation');
      call.handle({ type: 'guestFailed', guestId, because: 'unknown' });
    };
    const comeIn = async () => {
      await this.far.anchor();
      // The colleague has left meanwhile, or has the call.
      if (this.guest !== guest) return;
      const { over } = await guest.leg.joinBeside();
      void over.then(() => fail('the media server ended it'));
      if (this.guest !== guest) return;
      call.log.info({ agent: guest.agent }, 'colleague in the conversation');
      call.context.metrics.broughtIn('joined');
      call.happened({ type: 'call.connected', agent: guest.agent });
      this.joined(guest.agent);
    };
    comeIn().catch((error: unknown) => fail(problemOf(error)));
  }

  /** The desk lost the seat of a colleague who is in the conversation: it is taken again, or they are out of it. */
  takeSeatAgain(): void {
    const { call, guest } = this;
    if (!guest) return;
    call.incoming.tenant.desk.occupy(guest.agent, call.id, call.service.name).then(
      (seated) => {
        if (!seated && this.guest === guest) call.handle({ type: 'agentTakenAway', agent: guest.agent });
      },
      (error: unknown) => call.log.warn({ problem: problemOf(error) }, 'the seat of this call’s guest could not be taken again'),
    );
  }

  /** The colleague's phone as something to speak to, and the end of that. @throws MediaError, RingError */
  async voice(): Promise<{ voice: Voice; gone: AbortSignal }> {
    const { guest, call } = this;
    if (!guest) throw new RingError('cancelled');
    const gone = new AbortController();
    guest.leg.once('hungUp', () => gone.abort());
    return { voice: await guest.leg.voice(call.promptsPath), gone: gone.signal };
  }

  /** Ends the colleague's leg; the others go on. */
  drop(): void {
    const { guest } = this;
    this.guest = undefined;
    if (guest) this.call.closing('guest', guest.leg.end());
  }

  /** The agent leaves: the colleague's leg is the call's from now on. */
  promote(): void {
    const { guest } = this;
    this.guest = undefined;
    if (guest) this.far.adopt(guest.leg);
  }
}

function problemOfRinging(error: unknown): GuestProblem {
  if (!(error instanceof RingError)) return 'unknown';
  switch (error.status) {
    case 486: case 600: return 'busy';
    case 603: return 'refused';
    case 408: case 480: case 487: return 'noAnswer';
    default: return error.code === 'no_answer' ? 'noAnswer' : 'unknown';
  }
}
