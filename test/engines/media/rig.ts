/**
 * The real client (drachtio-srf and drachtio-fsmrf) on a media server: the embedded one, or a real FreeSWITCH and drachtio
 * named by the environment (see test/support/engines.ts).
 */
import { createRequire } from 'node:module';
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { MediaClock, RtpSession, type Codec, type DigitEvent } from '../../../gateway/engines/media-server/rtp/index.js';
import { openMediaEngine, openSipEngine, type MediaEngine, type SipEngine } from '../../support/engines.js';
import { sleep } from './audio.js';

const require = createRequire(import.meta.url);

export interface EslEvent {
  getHeader(name: string): string | null;
  getBody(): string;
}

export interface Endpoint extends EventEmitter {
  readonly uuid: string;
  readonly connected: boolean;
  readonly dtmfType: string;
  readonly local: { sdp: string; mediaIp: string; mediaPort: string };
  readonly remote: { sdp: string; mediaIp: string; mediaPort: string };
  readonly conn: EventEmitter & { readonly socket: Socket; sendRecv(command: string, callback: (reply: EslEvent) => void): void };
  readonly dialog: EventEmitter & { modify(sdp: string): Promise<string>; destroy(): void; local: { sdp: string }; remote: { sdp: string }; request(options: object): Promise<{ status: number }> };
  play(file: string | string[] | object): Promise<{ playbackSeconds: string; playbackMilliseconds: string; playbackLastOffsetPos: string }>;
  playCollect(options: object): Promise<{ digits: string | null; invalidDigits: string | null; terminatorUsed: string | null }>;
  set(name: string | object, value?: string): Promise<void>;
  export(name: string, value: string): Promise<void>;
  execute(application: string, argument?: string): Promise<EslEvent>;
  api(command: string, argument?: string): Promise<EslEvent>;
  bridge(other: Endpoint | string): Promise<void>;
  unbridge(): Promise<void>;
  mute(): Promise<void>;
  unmute(): Promise<void>;
  modify(sdp: string): Promise<string>;
  getChannelVariables(media?: boolean): Promise<Record<string, string | number>>;
  destroy(): Promise<void>;
}

export interface MediaClient extends EventEmitter {
  readonly currentSessions: number;
  readonly maxSessions: number;
  readonly sip: { ipv4: { udp: { address: string } } };
  readonly conn: EventEmitter & { sendRecv(command: string, callback: (reply: EslEvent) => void): void; subscribe(names: string): void };
  api(command: string): Promise<string>;
  createEndpoint(options?: object): Promise<Endpoint>;
  disconnect(): void;
}

interface SrfClient extends EventEmitter {
  connect(options: object): void;
  disconnect(): void;
}

const Srf = require('drachtio-srf') as new () => SrfClient;
const Mrf = require('drachtio-fsmrf') as new (srf: SrfClient) => { connect(options: object): Promise<MediaClient> };

export const HOST = '127.0.0.1';
export const REAL = process.env['FREESWITCH_ESL'] !== undefined;
export const SECRET = 'media-secret';

export interface Rig {
  readonly ms: MediaClient;
  readonly srf: SrfClient;
  readonly media: MediaEngine;
  readonly sip: SipEngine;
  createEndpoint(options?: object): Promise<Endpoint>;
  close(): Promise<void>;
}

async function connectSrf(host: string, port: number, secret: string): Promise<SrfClient> {
  const srf = new Srf();
  srf.on('error', () => undefined);
  srf.connect({ host, port, secret });
  await new Promise<void>((resolve, reject) => srf.once('connect', (error?: Error) => (error ? reject(error) : resolve())));
  return srf;
}

export async function startRig(options: { soundsPath?: string; ports?: number } = {}): Promise<Rig> {
  const media = await openMediaEngine(options);
  const sip = await openSipEngine();
  const srf = await connectSrf(sip.admin.host, sip.admin.port, sip.secret);
  const ms = await new Mrf(srf).connect({ address: media.esl.host, port: media.esl.port, secret: media.secret, profile: media.profile, listenAddress: HOST, advertisedAddress: HOST });
  const endpoints = new Set<Endpoint>();
  let closed = false;
  return {
    ms,
    srf,
    media,
    sip,
    createEndpoint: async (endpointOptions = {}) => {
      const endpoint = await ms.createEndpoint(endpointOptions);
      endpoint.conn.socket.setNoDelay(true);
      endpoints.add(endpoint);
      endpoint.once('destroy', () => endpoints.delete(endpoint));
      await sleep(20); // the subscription is on its way
      return endpoint;
    },
    close: async () => {
      if (closed) return;
      closed = true;
      await Promise.all([...endpoints].filter((endpoint) => endpoint.connected).map((endpoint) => Promise.race([endpoint.destroy().catch(() => undefined), sleep(1000)])));
      ms.disconnect();
      await sleep(50);
      srf.disconnect();
      await media.close();
      await sip.close();
    },
  };
}

const clock = new MediaClock();
let nextSession = 1;

export interface SdpOptions {
  payloads?: readonly number[];
  map?: Readonly<Record<number, string>>;
  direction?: string;
  address?: string;
  port?: number;
  ptime?: number;
  extra?: readonly string[];
}

/** A telephone's media: RTP without SIP, with descriptions to offer. */
export class Phone {
  private version = 0;
  private readonly id = nextSession++;
  readonly frames: Int16Array[] = [];
  readonly digits: DigitEvent[] = [];

  private constructor(readonly session: RtpSession) {
    session.on('frame', (samples) => this.frames.push(samples));
    session.on('digit', (digit) => this.digits.push(digit));
  }

  static async open(): Promise<Phone> {
    return new Phone(await RtpSession.open({ host: HOST, clock }));
  }

  sdp(options: SdpOptions = {}): string {
    const payloads = options.payloads ?? [8, 0, 101];
    const map: Record<number, string> = { 0: 'PCMU/8000', 8: 'PCMA/8000', 9: 'G722/8000', 13: 'CN/8000', 18: 'G729/8000', 96: 'telephone-event/8000', 101: 'telephone-event/8000', 111: 'opus/48000/2', ...options.map };
    return [
      'v=0',
      `o=- ${this.id} ${++this.version} IN IP4 ${HOST}`,
      's=-',
      `c=IN IP4 ${options.address ?? HOST}`,
      't=0 0',
      `m=audio ${options.port ?? this.session.localPort} RTP/AVP ${payloads.join(' ')}`,
      ...payloads.filter((type) => map[type]).map((type) => `a=rtpmap:${type} ${map[type]}`),
      ...payloads.filter((type) => map[type]?.startsWith('telephone')).map((type) => `a=fmtp:${type} 0-16`),
      `a=ptime:${options.ptime ?? 20}`,
      ...(options.extra ?? []),
      `a=${options.direction ?? 'sendrecv'}`,
      '',
    ].join('\r\n');
  }

  /** Takes the other side's description. */
  connect(sdp: string): void {
    const line = /^m=audio (\d+) \S+ (.*)$/m.exec(sdp)!;
    const types = line[2]!.trim().split(' ').map(Number);
    const codec: Codec = types[0] === 0 ? 'PCMU' : 'PCMA';
    const event = /a=rtpmap:(\d+) telephone-event/.exec(sdp)?.[1];
    this.session.setRemote({ address: /^c=IN IP4 (\S+)/m.exec(sdp)![1]!, port: Number(line[1]) }, { codec, ...(event !== undefined && { telephoneEvent: Number(event) }) });
  }

  press(digits: string, durationMs = 100, gapMs = 60): Promise<void> {
    return this.session.sendDigits(digits, { durationMs, gapMs });
  }

  close(): void {
    this.session.close();
  }
}

/** An endpoint with its telephone, talking. */
export async function call(rig: Rig, sdp: SdpOptions = {}): Promise<{ ep: Endpoint; phone: Phone }> {
  const phone = await Phone.open();
  try {
    const ep = await rig.createEndpoint({ remoteSdp: phone.sdp(sdp) });
    phone.connect(ep.local.sdp);
    return { ep, phone };
  } catch (error) {
    phone.close();
    throw error;
  }
}

/** Fails instead of waiting for ever: several promises of the client never settle. */
export function within<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout;
  return Promise.race([
    promise,
    new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not in time: ${what}`)), ms);
    }),
  ]).finally(() => clearTimeout(timer));
}
