/**
 * Which engines a conformance test talks to: the embedded ones by default, any other by address.
 *
 * DRACHTIO_ADMIN=host:port, DRACHTIO_SECRET (default `cymru`), DRACHTIO_SIP=host:port
 * FREESWITCH_ESL=host:port, FREESWITCH_SECRET (default `ClueCon`), FREESWITCH_PROFILE (default `drachtio_mrf`)
 */
import { startMediaServer, type MediaServerStats } from '../../gateway/engines/media-server/index.js';
import { startSipServer } from '../../gateway/engines/sip-server/index.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface SipEngine {
  readonly admin: Address;
  readonly secret: string;
  readonly sip: Address;
  /** False when the address of a real server was given. */
  readonly embedded: boolean;
  /** Dialogs and transactions alive; undefined for a real server. */
  stats(): { dialogs: number; transactions: number } | undefined;
  close(): Promise<void>;
}

/** Reads `host:port`; throws for anything else, since a typing mistake must not test the wrong engine. */
export function parseAddress(name: string, text: string): Address {
  const match = /^(.+):(\d{1,5})$/.exec(text);
  if (match === null) throw new Error(`${name} must be host:port, not "${text}"`);
  return { host: match[1]!, port: Number(match[2]) };
}

/** The SIP server under test: the one named by the environment, or an embedded one on free ports. */
export async function openSipEngine(): Promise<SipEngine> {
  const admin = process.env['DRACHTIO_ADMIN'];
  const secret = process.env['DRACHTIO_SECRET'] ?? 'cymru';
  if (admin !== undefined) {
    return {
      admin: parseAddress('DRACHTIO_ADMIN', admin), secret, embedded: false,
      sip: parseAddress('DRACHTIO_SIP', process.env['DRACHTIO_SIP'] ?? '127.0.0.1:5060'),
      stats: () => undefined,
      close: () => Promise.resolve(),
    };
  }
  const server = await startSipServer({ listen: { host: '127.0.0.1', port: 0 }, admin: { host: '127.0.0.1', port: 0 }, secret });
  return { admin: server.admin, sip: server.sip, secret, embedded: true, stats: () => server.stats(), close: () => server.close() };
}

export interface MediaEngine {
  /** The event socket. */
  readonly esl: Address;
  readonly secret: string;
  readonly profile: string;
  /** False when the address of a real server was given. */
  readonly embedded: boolean;
  /** Sessions, ports and timers in use; undefined for a real server. */
  stats(): MediaServerStats | undefined;
  close(): Promise<void>;
}

/** First media port of the next embedded server; apart for every test process. */
let nextPort = 30_000 + (process.pid % 20) * 1000;

/** The media server under test: the one named by the environment, or an embedded one on free ports. */
export async function openMediaEngine(options: { soundsPath?: string; ports?: number } = {}): Promise<MediaEngine> {
  const esl = process.env['FREESWITCH_ESL'];
  const secret = process.env['FREESWITCH_SECRET'] ?? 'ClueCon';
  const profile = process.env['FREESWITCH_PROFILE'] ?? 'drachtio_mrf';
  if (esl !== undefined) {
    return { esl: parseAddress('FREESWITCH_ESL', esl), secret, profile, embedded: false, stats: () => undefined, close: () => Promise.resolve() };
  }
  const ports = options.ports ?? 200;
  const min = nextPort;
  nextPort += ports;
  const server = await startMediaServer({
    host: '127.0.0.1', sipPort: 0, eslPort: 0, secret, profile, rtpPorts: { min, max: min + ports - 1 },
    ...(options.soundsPath !== undefined && { soundsPath: options.soundsPath }),
  });
  return { esl: server.esl, secret, profile, embedded: true, stats: () => server.stats(), close: () => server.close() };
}
