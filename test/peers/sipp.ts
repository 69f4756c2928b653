import dgram from 'node:dgram';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort, freePorts, isBound } from './ports.js';
import { scratchFolder, startPeer, type Peer } from './process.js';
import { tapRtp, type RtpTap } from './rtp-tap.js';
import { writeRtpCapture } from './rtp-capture.js';
import { agentScenario, citizenScenario, type AgentBehaviour, type Codec, type PhoneMedia } from './sipp-scenario.js';
import { tone } from './tone.js';
import { sleep, until } from './wait.js';

export interface SippMessage { readonly direction: 'sent' | 'received'; readonly atMs: number; readonly firstLine: string; readonly text: string }

export interface Sipp extends Peer {
  readonly sip: { readonly host: string; readonly port: number };
  readonly mediaPort: number;
  /** Every SIP message so far, in order. */
  messages(): SippMessage[];
  /** Waits until `count` messages' first lines match, and returns the last of those. */
  saw(firstLine: RegExp, options?: { direction?: 'sent' | 'received'; count?: number; timeoutMs?: number }): Promise<SippMessage>;
  /** What sipp complained about. */
  complaints(): string;
}

export interface SippOptions {
  /** Scenario XML. */
  readonly scenario: string;
  /** Where to call; none: wait for calls. */
  readonly target?: { readonly host: string; readonly port: number };
  readonly transport?: 'udp' | 'tcp';
  /** Stop after so many calls. */
  readonly calls?: number;
  /** Calls per second. */
  readonly rate?: number;
  /** First of four free ports, the first for sipp's own media. */
  readonly mediaPort?: number;
  readonly port?: number;
  /** Sends the audio it receives back (media port offset 0 only). */
  readonly echo?: boolean;
  readonly extra?: readonly string[];
  /** Files to put beside the scenario, by name. */
  readonly files?: (folder: string) => void;
}

function parseMessages(log: string): SippMessage[] {
  const found: SippMessage[] = [];
  for (const part of log.split(/^-{20,}\s*/m)) {
    const match = /^(\d{4}-\d\d-\d\d)[\sT]+(\d\d:\d\d:\d\d\.\d+)[^\n]*\n\w+ message (sent|received)[^\n]*\n\r?\n?([\s\S]*)$/.exec(part);
    if (!match) continue;
    const text = (match[4] ?? '').replace(/^\s+/, '');
    found.push({ direction: match[3] as 'sent' | 'received', atMs: Date.parse(`${match[1] ?? ''}T${(match[2] ?? '').slice(0, 12)}`), firstLine: text.split(/\r?\n/, 1)[0] ?? '', text });
  }
  return found;
}

/** Starts sipp with a scenario on free loopback ports. Its DTMF and tones leave by raw sockets: it needs root. */
export async function startSipp(options: SippOptions): Promise<Sipp> {
  const folder = scratchFolder('sipp');
  const port = options.port ?? (await freePort());
  const mediaPort = options.mediaPort ?? (await freePorts(6));
  writeFileSync(path.join(folder, 'scenario.xml'), options.scenario);
  options.files?.(folder);
  const args = [
    ...(options.target ? [`${options.target.host}:${options.target.port}`] : []),
    '-sf', 'scenario.xml', '-i', '127.0.0.1', '-p', String(port), '-mi', '127.0.0.1', '-mp', String(mediaPort), '-cp', String(await freePort()),
    '-t', options.transport === 'tcp' ? 't1' : 'u1', '-nostdin', '-nd', '-trace_msg', '-message_file', 'messages.log', '-trace_err', '-error_file', 'errors.log',
    ...(options.calls === undefined ? [] : ['-m', String(options.calls)]),
    ...(options.rate === undefined ? [] : ['-r', String(options.rate)]),
    ...(options.echo ? ['-rtp_echo'] : []),
    ...(options.extra ?? []),
  ];
  const peer = await startPeer('sipp', args, folder);
  const read = (file: string): string => (existsSync(path.join(folder, file)) ? readFileSync(path.join(folder, file), 'utf8') : '');
  const messages = (): SippMessage[] => parseMessages(read('messages.log'));
  const sipp: Sipp = {
    pid: peer.pid, folder, exited: peer.exited, output: () => peer.output(), stop: () => peer.stop(),
    get running() { return peer.running; },
    sip: { host: '127.0.0.1', port },
    mediaPort,
    messages,
    complaints: () => read('errors.log'),
    saw: async (firstLine, { direction, count = 1, timeoutMs = 5_000 } = {}) => {
      try {
        return await until(() => messages().filter((m) => (direction === undefined || m.direction === direction) && firstLine.test(m.firstLine))[count - 1], String(firstLine), timeoutMs);
      } catch (error) {
        throw new Error(`${(error as Error).message}; sipp saw: ${messages().map((m) => `${m.direction} ${m.firstLine}`).join(' | ') || 'nothing'} ${read('errors.log').slice(0, 500)}`);
      }
    },
  };
  // A scenario sipp cannot parse ends it at once; a waiting one is ready when its socket is bound.
  try {
    if (options.target) await Promise.race([peer.exited, sleep(30)]);
    else await until(() => !peer.running || isBound(port, options.transport ?? 'udp'), 'sipp to listen', 8_000, 20);
    if (!peer.running && messages().length === 0) throw new Error('sipp ended at once');
  } catch (error) {
    const said = `${peer.output().slice(-1500)}${read('errors.log')}`;
    await peer.stop();
    throw new Error(`${(error as Error).message}: ${said}`);
  }
  return sipp;
}

/** Sends a command (see sipp-scenario.ts) to a running call. */
async function command(sipp: Sipp, callId: string, method: string, header = ''): Promise<void> {
  const socket = dgram.createSocket('udp4');
  const serial = Math.floor(Math.random() * 1e6);
  const text = [`${method} sip:phone@127.0.0.1 SIP/2.0`, `Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-test-${serial}`, 'From: <sip:test@127.0.0.1>;tag=test', 'To: <sip:phone@127.0.0.1>',
    `Call-ID: ${callId}`, `CSeq: ${serial} ${method}`, ...(header ? [header] : []), 'Content-Length: 0', '', ''].join('\r\n');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.send(text, sipp.sip.port, sipp.sip.host, (error) => { if (error) reject(error); else resolve(); });
    });
  } finally {
    socket.close();
  }
}

interface MediaOptions {
  readonly codec?: Codec;
  /** 96 unless told; see PhoneMedia. */
  readonly eventPayloadType?: number;
  /** Tone (a sum of sines) to play once connected, and again after each re-INVITE. */
  readonly toneHz?: readonly number[];
  /** How long the tone lasts, s; 20 unless told. */
  readonly toneSeconds?: number;
}

async function withTap<T extends Sipp>(options: MediaOptions, start: (media: PhoneMedia, mediaPort: number, files: (folder: string) => void) => Promise<T>): Promise<T & { tap: RtpTap }> {
  const mediaPort = await freePorts(6);
  const tap = await tapRtp(mediaPort + 4);
  const { toneHz, codec = 'pcma' } = options;
  const media: PhoneMedia = { codec, eventPayloadType: options.eventPayloadType ?? 96, portOffset: 4, ...(toneHz ? { toneCapture: 'tone.pcap' } : {}) };
  try {
    const sipp = await start(media, mediaPort, (folder) => {
      if (toneHz) writeRtpCapture(path.join(folder, 'tone.pcap'), tone(toneHz, (options.toneSeconds ?? 20) * 1000), codec);
    });
    const stop = sipp.stop.bind(sipp);
    return Object.assign(sipp, { tap, stop: async () => { await stop(); await tap.stop(); } });
  } catch (error) {
    await tap.stop();
    throw error;
  }
}

export interface CitizenOptions extends MediaOptions {
  readonly to: { readonly host: string; readonly port: number };
  /** The number dialled. */
  readonly user: string;
  /** The calling number. */
  readonly from?: string;
  readonly transport?: 'udp' | 'tcp';
  readonly lateOffer?: boolean;
  /** Extra header lines of the INVITE. */
  readonly headers?: readonly string[];
  /** Keys to press by itself, `afterMs` (1000 unless told) after the answer. */
  readonly keys?: { readonly keys: string; readonly afterMs?: number };
  readonly hangupAfterMs?: number;
  readonly cancelAfterMs?: number;
  readonly port?: number;
}

/** A citizen's telephone (sipp) in one call. Commands work over UDP only; over TCP everything goes by the script. */
export interface Citizen extends Sipp {
  readonly callId: string;
  readonly tap: RtpTap;
  /** Resolves when answered. */
  answered(timeoutMs?: number): Promise<void>;
  /** Resolves with the final status of the INVITE. */
  status(timeoutMs?: number): Promise<number>;
  /** Presses keys (RFC 4733, 200 ms apart); ends a tone being played. */
  press(keys: string): Promise<void>;
  /** Starts the tone again from its beginning. */
  playTone(): Promise<void>;
  /** Sends BYE now. */
  hangup(): Promise<void>;
  /** Sends CANCEL now (after a provisional response, before the answer). */
  cancel(): Promise<void>;
}

export async function startCitizen(options: CitizenOptions): Promise<Citizen> {
  const sipp = await withTap(options, (media, mediaPort, files) => startSipp({
    scenario: citizenScenario({
      ...media,
      user: options.user,
      from: options.from ?? '0612345678',
      lateOffer: options.lateOffer ?? false,
      headers: options.headers ?? [],
      hangupAfterMs: options.hangupAfterMs ?? 60_000,
      ...(options.keys ? { keys: { keys: options.keys.keys, afterMs: options.keys.afterMs ?? 1_000 } } : {}),
      ...(options.cancelAfterMs === undefined ? {} : { cancelAfterMs: options.cancelAfterMs }),
    }),
    target: options.to, calls: 1, mediaPort, files, extra: ['-cid_str', '%u-%p@citizen'],
    ...(options.transport ? { transport: options.transport } : {}), ...(options.port === undefined ? {} : { port: options.port }),
  }));
  const callId = `1-${sipp.pid}@citizen`;
  const finalStatus = async (timeoutMs = 10_000): Promise<number> => {
    const invite = await until(
      () => sipp.messages().find((m) => m.direction === 'received' && /^SIP\/2\.0 [2-6]/.test(m.firstLine) && /^CSeq:\s*1 INVITE/im.test(m.text)),
      `a final response; sipp said: ${sipp.complaints().slice(0, 300)}`, timeoutMs);
    return Number(invite.firstLine.slice(8, 11));
  };
  return Object.assign(sipp, {
    callId,
    status: finalStatus,
    answered: async (timeoutMs?: number) => {
      const status = await finalStatus(timeoutMs);
      if (status !== 200) throw new Error(`refused with ${status}`);
      await sipp.saw(/^ACK /, { direction: 'sent' });
    },
    press: (keys: string) => command(sipp, callId, 'PRESS', `X-Keys: ${keys}`),
    playTone: () => command(sipp, callId, 'PLAY'),
    hangup: async () => {
      await command(sipp, callId, 'HANGUP');
      // sipp overhears a command that comes while it awaits an ACK (of a re-INVITE): then it is told again.
      const again = async () => {
        for (let tries = 0; tries < 3; tries += 1) {
          await sleep(1_000);
          if (!sipp.running || sipp.messages().some((m) => m.direction === 'sent' && m.firstLine.startsWith('BYE '))) return;
          await command(sipp, callId, 'HANGUP');
        }
      };
      void again().catch(() => undefined);
    },
    cancel: () => command(sipp, callId, 'STOPCALLING'),
  });
}

/** An agent's telephone played by sipp. */
export interface SippAgent extends Sipp {
  readonly tap: RtpTap;
  /** Sends BYE in the newest call it received. */
  hangup(): Promise<void>;
  press(keys: string): Promise<void>;
}

export async function startSippAgent(options: MediaOptions & {
  readonly behaviour?: AgentBehaviour; readonly transport?: 'udp' | 'tcp'; readonly port?: number;
} = {}): Promise<SippAgent> {
  const behaviour = options.behaviour ?? { kind: 'answer', afterMs: 200, hangupAfterMs: 600_000 };
  const sipp = await withTap(options, (media, mediaPort, files) => startSipp({
    scenario: agentScenario(media, behaviour), mediaPort, files,
    ...(options.transport ? { transport: options.transport } : {}), ...(options.port === undefined ? {} : { port: options.port }),
  }));
  const newestCall = (): string => {
    const invite = sipp.messages().filter((m) => m.direction === 'received' && m.firstLine.startsWith('INVITE ')).at(-1);
    const callId = /^(?:Call-ID|i)\s*:\s*(\S+)/im.exec(invite?.text ?? '')?.[1];
    if (callId === undefined) throw new Error('no call came in yet');
    return callId;
  };
  return Object.assign(sipp, {
    hangup: () => command(sipp, newestCall(), 'HANGUP'),
    press: (keys: string) => command(sipp, newestCall(), 'PRESS', `X-Keys: ${keys}`),
  });
}
