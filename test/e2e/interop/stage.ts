/** One gateway for many calls: a citizen and an agent whose phones the test plays itself, in both ways of bridging. */
import { expect } from 'vitest';
import type { ScreenClient } from '../../../gateway/demo/screen-client.js';
import { Peers, until } from '../../peers/index.js';
import { TestGateway, type TestGatewayOptions } from '../../support/gateway.js';
import { directionOf, Media, type DescribeOptions } from './media.js';
import type { Message } from './message.js';
import { Phone, type InviteOptions, type Leg } from './phone.js';

export type Mode = 'anchored' | 'released';
export const modes = ['anchored', 'released'] as const;
export const citizenHz = 600;
export const agentHz = 900;
export const dialled = '+31201234567';

/** Callers and agents at the second address are of a trunk whose media may be released. */
const hosts: Record<Mode, string> = { anchored: '127.0.0.1', released: '127.0.0.2' };

/** A citizen's telephone. */
export interface Caller {
  phone: Phone;
  leg: Leg;
  media: Media;
  sdp: string;
  code: string;
  name: string;
  /** Final response to the INVITE. */
  final: Message;
}

export interface CallerOptions extends Partial<InviteOptions> {
  describe?: DescribeOptions;
  transport?: 'udp' | 'tcp';
  natted?: boolean;
  /** A phone that exists already (a trunk with many calls). */
  phone?: Phone;
  /** Dials without an offer and answers ours in the ACK. */
  late?: boolean;
  /** Prepares the media before dialling. */
  media?: (media: Media) => void;
  /** Prepares the leg before dialling. */
  leg?: (leg: Leg) => void;
  /** False: nothing is sent until the test says so. */
  speaks?: boolean;
  /** What the citizen has proved; default: a name of their own. */
  attributes?: Record<string, string>;
}

/** An agent's telephone: a phone, its media, its screen. */
export interface AgentDesk {
  phone: Phone;
  media: Media;
  screen: ScreenClient;
  /** The leg of the present or last call. */
  leg(): Promise<Leg>;
}

export type AgentBehaviour = (leg: Leg, media: Media) => void | Promise<void>;

/** Answers in the way of most phones: rings, then 200 with the first G.711 codec offered and the events offered. */
export const plainAgent = (describe: DescribeOptions = {}): AgentBehaviour => (leg, media) => {
  leg.respond(leg.invited!, { status: 180, reason: 'Ringing' });
  leg.accept(answerTo(media, leg.remoteSdp, describe));
};

/** An answer to an offer: its first G.711 codec, its payload type for events; `describe` overrides. */
export function answerTo(media: Media, offer: string, describe: DescribeOptions = {}): string {
  const formats = /^m=audio \d+ \S+ ([\d ]+)/m.exec(offer)?.[1]?.trim().split(' ') ?? ['8'];
  const events = Number(/^a=rtpmap:(\d+) telephone-event\/8000/im.exec(offer)?.[1] ?? -1);
  const mirrored = ({ sendonly: 'recvonly', recvonly: 'sendonly', inactive: 'inactive' } as Record<string, string>)[directionOf(offer)];
  const codec = formats.find((format) => format === '0' || format === '8') ?? '8';
  return media.describe({ formats: [codec, ...(events >= 0 ? [String(events)] : [])], events, ...(mirrored ? { direction: mirrored } : {}), ...describe });
}

/** An agent of a stage: whether media is released to and from their phone, and the tone they speak with. */
export interface StageAgent { name: string; mode: Mode; hz: number }

interface Place { agent: StageAgent; phone: Phone; media: Media | undefined; behave: AgentBehaviour; screen: ScreenClient | undefined; last: Leg | undefined }

/** One agent for each way of bridging, named after it. */
const usualAgents: StageAgent[] = modes.map((mode) => ({ name: mode, mode, hz: agentHz }));

export class Stage {
  private readonly peers = new Peers();
  private readonly places: ReadonlyMap<string, Place>;
  private perCall = new Peers();
  private names = 0;
  private readonly dialled: Leg[] = [];

  private constructor(readonly gateway: TestGateway, agents: readonly { agent: StageAgent; phone: Phone }[]) {
    this.places = new Map(agents.map(({ agent, phone }): [string, Place] => [agent.name, { agent, phone, media: undefined, behave: plainAgent(), screen: undefined, last: undefined }]));
    for (const place of this.places.values()) {
      place.phone.onInvite = (leg) => {
        place.last = leg;
        const { media } = place;
        if (!media) return leg.respond(leg.invited!, { status: 480, reason: 'Nobody Home' });
        // Follows what it is told of the citizen's media, and keeps its own description.
        leg.describe = (offer) => (offer ? answerTo(follow(media, offer), offer) : leg.localSdp);
        follow(media, leg.remoteSdp);
        // Who has been hung up on speaks to nobody any more.
        leg.handlers['BYE'] = () => {
          if (place.last === leg) media.remote = undefined;
          return { status: 200, reason: 'OK' };
        };
        return place.behave(leg, media);
      };
    }
  }

  /** @param options agents in place of the usual ones, and more for the gateway's configuration */
  static async start(calls: Record<string, unknown> = {}, { agents = usualAgents, outbound, ...options }: { agents?: StageAgent[]; outbound?: string } & Partial<Omit<TestGatewayOptions, 'agents'>> = {}): Promise<Stage> {
    const seated = await Promise.all(agents.map(async (agent) => ({ agent, phone: await Phone.open(undefined, { host: hosts[agent.mode] }) })));
    const gateway = await TestGateway.start({
      trunks: [{ name: 'anchored', addresses: ['127.0.0.1'], bridge: 'anchored', ...(outbound !== undefined && { outbound }) }, { name: 'released', addresses: ['127.0.0.2'], bridge: 'released' }],
      ...options,
      agents: seated.map(({ agent, phone }) => ({ name: agent.name, phone: phone.uri })),
      calls: { ringTimeoutMs: 8_000, ...calls },
    });
    const stage = new Stage(gateway, seated);
    for (const { phone } of seated) stage.peers.add(phone);
    stage.peers.add(gateway);
    return stage;
  }

  stop(): Promise<void> {
    return this.peers.stopAll();
  }

  /** After each test: everything of its calls is gone, nobody is left at a desk. */
  async clear(): Promise<void> {
    try {
      // What a failed test has left must not fail the next one.
      for (const leg of this.dialled.splice(0)) if (leg.heard.some((message) => message.status === 200 && message.method === 'INVITE')) void leg.bye().catch(() => undefined);
      await this.gateway.untilEmpty();
      expect(await this.gateway.gateway.vault.stats()).toMatchObject({ claimed: 0 });
      for (const { phone } of this.places.values()) expect(phone.problem).toBeUndefined();
    } finally {
      for (const place of this.places.values()) {
        place.screen = undefined;
        place.media = undefined;
        place.phone.problem = undefined;
      }
      await this.perCall.stopAll();
    }
  }

  add<T extends { stop(): unknown }>(thing: T): T {
    return this.perCall.add(thing);
  }

  /** Seats an agent: the one of that way of bridging, or the one of that name. */
  async agent(name: string, behave: AgentBehaviour = plainAgent()): Promise<AgentDesk> {
    const place = this.places.get(name)!;
    const media = this.add(await Media.open({ host: hosts[place.agent.mode] }));
    media.say(place.agent.hz);
    const screen = this.add(await this.gateway.screen(name));
    Object.assign(place, { media, screen, behave, last: undefined });
    return { phone: place.phone, media, screen, leg: () => until(() => place.last, 'the agent’s phone to be called', 20_000) };
  }

  /** Address of an agent's phone. */
  phoneOf(name: string): Phone {
    return this.places.get(name)!.phone;
  }

  /** A citizen with a session dials. Fails unless the answer is what `expected` says (default 200). */
  async dial(mode: Mode, options: CallerOptions = {}): Promise<Caller> {
    const name = `Citizen ${(this.names += 1)}`;
    const code = await this.gateway.citizen(options.attributes ?? { fullname: name });
    const host = hosts[mode];
    const phone = options.phone ?? this.add(await Phone.open(this.gateway.sip, { host, transport: options.transport ?? 'udp' }));
    const media = this.add(await Media.open({ host, ...(options.natted === undefined ? {} : { natted: options.natted }) }));
    const sdp = options.sdp ?? media.describe(options.describe);
    options.media?.(media);
    const leg = phone.leg();
    this.dialled.push(leg);
    leg.describe = (offer) => { if (offer) follow(media, offer); return leg.localSdp; };
    options.leg?.(leg);
    const uri = options.uri ?? `sip:${dialled}@${this.gateway.sip.host}:${this.gateway.sip.port}`;
    const answer = (response: Message) => answerTo(media, response.body, options.describe);
    const final = await leg.invite({ ...options, uri, ...(options.late ? { sdp: undefined } : { sdp }) }, options.late ? answer : undefined);
    if (final.status === 200) {
      follow(media, final.body);
      if (options.speaks !== false) media.say(citizenHz);
    }
    return { phone, leg, media, sdp: leg.localSdp, code, name, final };
  }

  /** Dials, types the code and waits for the conversation. */
  async converse(mode: Mode, { caller: callerOptions = {}, agent: behave, type, keys }: { caller?: CallerOptions; agent?: AgentBehaviour; type?: (caller: Caller) => Promise<void>; keys?: { toneMs?: number; gapMs?: number } } = {}): Promise<{ caller: Caller; agent: AgentDesk; agentLeg: Leg }> {
    const agent = await this.agent(mode, behave);
    const caller = await this.dial(mode, callerOptions);
    expect(caller.final.status).toBe(200);
    if (type) await type(caller);
    else await caller.media.press(`${caller.code}#`, keys ?? { toneMs: 60, gapMs: 40 });
    await this.connected(caller, agent);
    return { caller, agent, agentLeg: await agent.leg() };
  }

  /** Waits for the conversation and looks at the name on the screen. */
  async connected(caller: Caller, agent: AgentDesk): Promise<void> {
    await agent.screen.told('connected', { timeoutMs: 20_000 }).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}; caller: ${caller.leg.heard.map((message) => message.startLine).join(' | ')}; agent: ${[...agent.phone.legs.values()].flatMap((leg) => leg.heard.map((message) => message.startLine)).join(' | ')}`);
    });
    expect(Object.values(agent.screen.shown?.fields ?? {})).toContain(caller.name);
  }

  /** Both hear each other, from now on. */
  async hearEachOther(caller: Caller, agent: AgentDesk, wantedMs = 300): Promise<void> {
    const since = Date.now();
    await until(() => agent.media.heardMs(citizenHz, since) >= wantedMs, 'the agent to hear the citizen', 6_000);
    await until(() => caller.media.heardMs(agentHz, since) >= wantedMs, 'the citizen to hear the agent', 6_000);
  }

  /** The citizen hangs up; the screen is blank and nothing is left. */
  async end(caller: Caller, agent?: AgentDesk): Promise<void> {
    const final = await caller.leg.bye();
    expect(final.status).toBe(200);
    if (agent) {
      const leg = await agent.leg();
      await leg.saw('BYE');
      await agent.screen.told('clear');
      expect(agent.screen.shown).toBeUndefined();
    }
    caller.media.silence();
    await this.gateway.untilEmpty();
  }
}

/** Sends where an offer or answer leads, unless it leads nowhere. */
export function follow(media: Media, sdp: string): Media {
  try {
    return media.follow(sdp);
  } catch {
    return media;
  }
}
