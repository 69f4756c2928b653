/**
 * The embedded media server: speaks FreeSWITCH's event socket as drachtio-fsmrf uses it, takes SIP calls from there, plays,
 * collects keys and bridges. Knows nothing of who is calling or why.
 */
import { cpus } from 'node:os';
import { SipStack } from '../sip-stack/index.js';
import { silentLog, type EngineLog } from '../log.js';
import { SoundLibrary } from './audio/library.js';
import { Channel } from './channel/channel.js';
import { VERSION, type ServerContext } from './esl/context.js';
import type { EslConnection } from './esl/connection.js';
import { InboundListener } from './esl/inbound.js';
import { connectApplication } from './esl/outbound.js';
import { EngineEvent, EventBus } from './events.js';
import { MediaClock, PortPool, RtpSession, type PortRange, type SourceRule } from './rtp/index.js';
import { UserAgent } from './sip/user-agent.js';

const HEARTBEAT_MS = 20_000;
const EARLY_HEARTBEAT_MS = 200;
/** Addresses of SIP servers; a few nodes have a few each. */
const MAX_CALLERS = 64;

export interface MediaServerOptions {
  /** Address of SIP and RTP: a literal IPv4 address, since it is written into session descriptions. */
  host: string;
  /** 0: any. */
  sipPort: number;
  /** Where applications connect; `host` when left out. */
  eslHost?: string;
  /** 0: any. */
  eslPort: number;
  secret: string;
  rtpPorts: PortRange;
  /** Name of the SIP profile in `sofia status`; `drachtio_mrf` when left out. */
  profile?: string;
  /** Where relative names of sounds begin. */
  soundsPath?: string;
  /** Addresses of the SIP server: from elsewhere no SIP is taken, and none is answered. From everywhere when left out. */
  sipFrom?: readonly string[];
  /** Where applications may be that a call is to be connected to; anywhere when left out. */
  applicationHosts?: readonly string[];
  log?: EngineLog;
}

export interface MediaServerStats {
  [figure: string]: number;
  /** Channels alive, those winding down included. */
  sessions: number;
  dialogs: number;
  rtpPortsInUse: number;
  /** Members of the media beat; 0 when the server idles. */
  timers: number;
  /** Beats that were skipped because the process stood still. */
  skippedBeats: number;
  connections: number;
  sessionsSinceStart: number;
}

export interface MediaServer {
  readonly sip: { host: string; port: number };
  readonly esl: { host: string; port: number };
  stats(): MediaServerStats;
  /** More addresses of the SIP server; nothing changes where all are taken. */
  takeSipFrom(addresses: readonly string[]): void;
  /** Ends every call and closes every socket. */
  close(): Promise<void>;
}

/** Starts the media server; rejects with the system's error when an address is taken. */
export async function startMediaServer(options: MediaServerOptions): Promise<MediaServer> {
  const log = options.log ?? silentLog;
  const eslHost = options.eslHost ?? options.host;
  const bus = new EventBus();
  const clock = new MediaClock((error) => log.error({ problem: error instanceof Error ? error.message : String(error) }, 'error in the media beat'));
  const ports = new PortPool(options.host, options.rtpPorts);
  const maxSessions = Math.floor((options.rtpPorts.max - options.rtpPorts.min + 1) / 2);
  const sounds = new SoundLibrary(options.soundsPath);
  const channels = new Map<string, Channel>();
  const profile = options.profile ?? 'drachtio_mrf';
  const startedAt = new Date();
  const early = new Set<NodeJS.Timeout>();
  let alive = 0;
  let peak = 0;
  let sinceStart = 0;
  let cpuBefore = cpuTimes();
  let idlePercent = 100;

  const callers = options.sipFrom && new Set(options.sipFrom);
  const stack = await SipStack.open({ host: options.host, port: options.sipPort, log, limits: { requestsPerSecond: 5_000, requestBurst: 10_000 }, ...(callers && { acceptFrom: (address: string) => callers.has(address) }) });

  const heartbeat = (): EngineEvent =>
    new EngineEvent({
      ...bus.commonHeaders('HEARTBEAT'),
      'FreeSWITCH-IPv4': options.host,
      'FreeSWITCH-IPv6': '::1',
      'Event-Info': 'System Ready',
      'FreeSWITCH-Version': VERSION,
      'Uptime-msec': String(Date.now() - startedAt.getTime()),
      'Session-Count': String(channels.size),
      'Max-Sessions': String(maxSessions),
      'Session-Per-Sec': '500',
      'Session-Since-Startup': String(sinceStart),
      'Session-Peak-Max': String(peak),
      'Idle-CPU': idlePercent.toFixed(6),
    });

  const context: ServerContext = {
    bus,
    channels,
    profile,
    maxSessions,
    startedAt,
    sipAddress: () => ({ host: options.host, port: stack.port }),
    sessionsSinceStart: () => sinceStart,
    sessionsPeak: () => peak,
    heartbeatSoon: (connection: EslConnection) => {
      const timer = setTimeout(() => {
        early.delete(timer);
        connection.offer(heartbeat());
      }, EARLY_HEARTBEAT_MS);
      early.add(timer);
    },
  };

  const createChannel = async (name: string, source: SourceRule): Promise<Channel> => {
    const session = await RtpSession.open({ host: options.host, ports, clock, source });
    const channel = new Channel({ name: `sofia/${profile}/${name}`, bus, clock, sounds, session, find: (uuid) => channels.get(uuid), log });
    channels.set(channel.uuid, channel);
    alive++;
    sinceStart++;
    peak = Math.max(peak, alive);
    channel.once('hangup', () => channels.delete(channel.uuid));
    channel.once('destroyed', () => alive--);
    return channel;
  };

  const userAgent = new UserAgent({
    stack,
    host: options.host,
    userAgent: `FreeSWITCH-mod_sofia/${VERSION}`,
    maxSessions,
    log,
    createChannel,
    ...(options.applicationHosts && { applicationHosts: options.applicationHosts }),
    connectApplication: (channel, target) => connectApplication(channel, target, context, log),
  });

  let listener: InboundListener;
  try {
    listener = await InboundListener.open({ host: eslHost, port: options.eslPort, secret: options.secret, context, log });
  } catch (error) {
    await stack.close();
    throw error;
  }
  const heartbeatTimer = setInterval(() => {
    const now = cpuTimes();
    const total = now.total - cpuBefore.total;
    idlePercent = total > 0 ? (100 * (now.idle - cpuBefore.idle)) / total : idlePercent;
    cpuBefore = now;
    bus.publish(heartbeat());
  }, HEARTBEAT_MS);

  return {
    sip: { host: options.host, port: stack.port },
    esl: { host: eslHost, port: listener.port },
    stats: () => ({
      sessions: alive,
      dialogs: userAgent.dialogs,
      rtpPortsInUse: ports.inUse,
      timers: clock.size,
      skippedBeats: clock.skippedBeats,
      connections: listener.connections.size,
      sessionsSinceStart: sinceStart,
    }),
    takeSipFrom: (addresses) => {
      for (const address of addresses) if (callers && callers.size < MAX_CALLERS) callers.add(address);
    },
    close: async () => {
      clearInterval(heartbeatTimer);
      for (const timer of early) clearTimeout(timer);
      const gone = [...channels.values()].map((channel) => new Promise<void>((resolve) => channel.once('destroyed', resolve)));
      for (const channel of [...channels.values()]) channel.hangup('NORMAL_CLEARING');
      await Promise.all(gone);
      await Promise.all([listener.close(), stack.close()]);
    },
  };
}

/** Milliseconds all cores were idle, and in total, since the machine started. */
function cpuTimes(): { idle: number; total: number } {
  let idle = 0;
  let total = 0;
  for (const { times } of cpus()) {
    idle += times.idle;
    total += times.user + times.nice + times.sys + times.idle + times.irq;
  }
  return { idle, total };
}
