/** One gateway for many calls: a citizen and an agent whose phones the test plays itself, in both ways of bridging. */
import { expect } from 'vitest';
import type { ScreenClient } from '../../../gateway/demo/screen-client.js';
import { Peers, until } from '../../peers/index.js';
import { TestGateway } from '../../support/gateway.js';
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

export class Stage {
  private readonly peers = new Peers();
  private agents: Record<Mode, { phone: Phone; media: Media | undefined; behave: AgentBehaviour; screen: ScreenClient | undefined; last: Leg | undefined }>;
  private perCall = new Peers();
  private names = 0;
  private readonly dialled: Leg[] = [];

  private constructor(readonly gateway: TestGateway, phones: Record<Mode, Phone>) {
    const seat = (phone: Phone) => ({ phone, media: undefined, behave: plainAgent(), screen: undefined, last: undefined });
    this.agents = { anchored: seat(phones.anchored), released: seat(phones.released) };
    for (const mode of modes) {
      const agent = this.agents[mode];
      agent.phone.onInvite = (leg) => {
        agent.last = leg;
        const { media } = agent;
        if (!media) return leg.respond(leg.invited!, { status: 480, reason: 'Nobody Home' });
        // Follows what it is told of the citizen's media, and keeps its own description.
        leg.describe = (offer) => (offer ? answerTo(follow(media, offer), offer) : leg.localSdp);
        follow(media, leg.remoteSdp);
        return agent.behave(leg, media);
      };
    }
  }

  static async start(calls: Record<string, unknown> = {}): Promise<Stage> {
    const phones = { anchored: await Phone.open(undefined, { host: hosts.anchored }), released: await Phone.open(undefined, { host: hosts.released }) };
    const gateway = await TestGateway.start({
      agents: modes.map((mode) => ({ name: mode, phone: phones[mode].uri })),
      trunks: [{ name: 'anchored', addresses: ['127.0.0.1'], bridge: 'anchored' }, { name: 'released', addresses: ['127.0.0.2'], bridge: 'released' }],
      calls: { ringTimeoutMs: 8_000, ...calls },
    });
    const stage = new Stage(gateway, phones);
    stage.peers.add(phones.anchored);
    stage.peers.add(phones.released);
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
      for (const mode of modes) expect(this.agents[mode].phone.problem).toBeUndefined();
    } finally {
      for (const mode of modes) {
        this.agents[mode].screen = undefined;
        this.agents[mode].media = undefined;
        this.agents[mode].phone.problem = undefined;
      }
      await this.perCall.stopAll();
    }
  }

  add<T extends { stop(): unknown }>(thing: T): T {
    return this.perCall.add(thing);
  }

  /** Seats the agent of that way of bridging. */
  async agent(mode: Mode, behave: AgentBehaviour = plainAgent()): Promise<AgentDesk> {
    const agent = this.agents[mode];
    const media = this.add(await Media.open({ host: hosts[mode] }));
    media.say(agentHz);
    const screen = this.add(await this.gateway.screen(mode));
    Object.assign(agent, { media, screen, behave, last: undefined });
    return { phone: agent.phone, media, screen, leg: () => until(() => agent.last, 'the agent’s phone to be called', 20_000) };
  }

  /** A citizen with a session dials. Fails unless the answer is what `expected` says (default 200). */
  async dial(mode: Mode, options: CallerOptions = {}): Promise<Caller> {
    const name = `Citizen ${(this.names += 1)}`;
    const code = await this.gateway.citizen({ fullname: name });
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
