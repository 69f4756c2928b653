import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { freePort, freePorts } from './ports.js';
import { scratchFolder, startPeer, type Peer } from './process.js';
import type { Codec } from './sipp-scenario.js';
import { until } from './wait.js';
import { readWav, writeToneWav } from './wav.js';

const moduleFolders = ['/usr/lib/baresip/modules', '/usr/local/lib/baresip/modules'];

export interface BaresipOptions {
  /** Tone the phone speaks with. */
  readonly toneHz?: readonly number[];
  /** How long it can speak, s; 60 unless told. */
  readonly toneSeconds?: number;
  /** Codecs in order of preference. */
  readonly codecs?: readonly Codec[];
  /** false: rings until told to `accept`. */
  readonly autoAnswer?: boolean;
  readonly user?: string;
  readonly port?: number;
}

export interface BaresipEvent { readonly type: string; readonly class?: string; readonly [key: string]: unknown }

/** A baresip without a sound card. */
export interface Baresip extends Peer {
  readonly uri: string;
  readonly sip: { readonly host: string; readonly port: number };
  readonly events: readonly BaresipEvent[];
  /** Waits for the `count`th event of a type, e.g. CALL_INCOMING, CALL_ESTABLISHED, CALL_CLOSED. */
  saw(type: string, options?: { count?: number; timeoutMs?: number }): Promise<BaresipEvent>;
  /** One of baresip's commands: accept, hangup, hold, resume, dial, sndcode, ... */
  command(name: string, params?: string): Promise<void>;
  /** What it has heard so far in its nth call (0 the first), 16-bit mono. */
  heard(call?: number): { samples: Int16Array; rate: number };
}

const maxEvents = 10_000;

/** Splits a stream of netstrings ("5:hello,"). */
function netstringReader(onText: (text: string) => void): (chunk: Buffer) => void {
  let pending = Buffer.alloc(0);
  return (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const colon = pending.indexOf(':');
      if (colon < 1) return;
      const length = Number(pending.toString('latin1', 0, colon));
      if (!Number.isInteger(length) || length > 1_000_000) throw new Error('not a netstring');
      if (pending.length < colon + 1 + length + 1) return;
      onText(pending.toString('utf8', colon + 1, colon + 1 + length));
      pending = pending.subarray(colon + length + 2);
    }
  };
}

/** Starts baresip as somebody's telephone on free loopback ports. */
export async function startBaresip(options: BaresipOptions = {}): Promise<Baresip> {
  const modules = moduleFolders.find((place) => existsSync(place));
  if (modules === undefined) throw new Error('no baresip modules found: install the Debian package baresip-core');
  const folder = scratchFolder('baresip');
  // Its TLS transport takes the port after the SIP port.
  const port = options.port ?? (await freePorts(2));
  const control = await freePort();
  const media = await freePorts(20);
  const heardFolder = path.join(folder, 'heard');
  const configFolder = path.join(folder, 'config');
  mkdirSync(heardFolder);
  mkdirSync(configFolder);
  writeToneWav(path.join(folder, 'tone.wav'), options.toneHz ?? [440], (options.toneSeconds ?? 60) * 1000);
  const codecs = (options.codecs ?? ['pcma', 'pcmu']).map((codec) => `${codec.toUpperCase()}/8000/1`).join(',');
  const user = options.user ?? 'agent';
  // No audio_player: without a sound card nothing plays, and the sndfile filter records what was decoded.
  writeFileSync(path.join(configFolder, 'config'), `poll_method epoll
sip_listen 127.0.0.1:${port}
net_interface 127.0.0.1
call_local_timeout 120
call_max_calls 4
audio_source aufile,${path.join(folder, 'tone.wav')}
audio_player none,none
audio_alert none,none
audio_level no
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_ports ${media}-${media + 19}
rtcp_mux no
jitter_buffer_delay 5-10
module_path ${modules}
module g711.so
module aufile.so
module sndfile.so
snd_path ${heardFolder}
module_tmp account.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:${control}
module_app menu.so
`);
  writeFileSync(path.join(configFolder, 'accounts'), `<sip:${user}@127.0.0.1:${port}>;regint=0;answermode=${options.autoAnswer === false ? 'manual' : 'auto'};audio_codecs=${codecs}\n`);
  writeFileSync(path.join(configFolder, 'contacts'), '');
  const peer = await startPeer('baresip', ['-f', configFolder], folder);
  const events: BaresipEvent[] = [];
  let socket: net.Socket;
  try {
    await until(() => {
      if (!peer.running) throw new Error(`baresip ended: ${peer.output()}`);
      return peer.output().includes('baresip is ready');
    }, 'baresip to be ready', 8_000);
    socket = await until(async () => {
      return new Promise<net.Socket | undefined>((resolve) => {
        const attempt = net.connect(control, '127.0.0.1', () => { resolve(attempt); });
        attempt.once('error', () => { resolve(undefined); });
      });
    }, 'baresip to listen', 8_000, 50);
  } catch (error) {
    await peer.stop();
    throw error;
  }
  socket.on('error', () => { /* it is going away; `stop` follows */ });
  socket.on('data', netstringReader((text) => {
    const message = JSON.parse(text) as Record<string, unknown>;
    if (message['event'] === true && events.length < maxEvents) events.push(message as unknown as BaresipEvent);
  }));
  const stop = peer.stop.bind(peer);
  return Object.assign(peer, {
    uri: `sip:${user}@127.0.0.1:${port}`,
    sip: { host: '127.0.0.1', port },
    events,
    saw: (type: string, { count = 1, timeoutMs = 5_000 } = {}) =>
      until(() => events.filter((event) => event.type === type)[count - 1], `baresip's ${type} (saw ${events.map((e) => e.type).join(' ') || 'nothing'})`, timeoutMs),
    command: (name: string, params = '') => new Promise<void>((resolve, reject) => {
      const text = JSON.stringify({ command: name, params, token: 'test' });
      socket.write(`${Buffer.byteLength(text)}:${text},`, (error) => { if (error) reject(error); else resolve(); });
    }),
    heard: (call = 0) => {
      const recordings = readdirSync(heardFolder).filter((name) => name.endsWith('-dec.wav')).sort();
      const name = recordings[call];
      return name === undefined ? { samples: new Int16Array(0), rate: 8_000 } : readWav(path.join(heardFolder, name));
    },
    stop: async () => { socket.destroy(); await stop(); },
  });
}
