/** Who connects to a listener and does not get on with it: every connection ends by itself, and what lives long stays. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { Peers, scratchFolder, sleep, until } from '../peers/index.js';
import { TestGateway } from '../support/gateway.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

/** Short, so that the test is; what is looked at is that they are kept. */
const httpLimits = { headersMs: 800, requestMs: 1_500, checkEveryMs: 100, idleMs: 1_000, handshakeMs: 800 };
/** Patience for a busy machine. */
const soonMs = 40_000;
const trickleMs = 100;

/** What a stranger does with a connection. Never closes it, whatever the other side does. */
interface Stranger {
  readonly says: string;
  /** Repeated without end. */
  readonly trickles?: string;
}

const head = 'Host: localhost\r\nUser-Agent: stranger\r\n';
const strangers: Record<string, Stranger> = {
  'nothing sent': { says: '' },
  'half a head': { says: `GET / HTTP/1.1\r\n${head}Accept` },
  'a head, byte by byte': { says: `GET / HTTP/1.1\r\n${head}X-Long: `, trickles: 'x' },
  'a head without end, line by line': { says: `GET / HTTP/1.1\r\n${head}`, trickles: 'X-More: x\r\n' },
  'half a body': { says: `POST /start_communication HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"purpose"` },
  'half a form': { says: `POST /login HTTP/1.1\r\n${head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nname=` },
  'a body, byte by byte': { says: `POST /start_communication HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n`, trickles: ' ' },
  'a body in pieces, without end': { says: `POST /start_communication HTTP/1.1\r\n${head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`, trickles: '1\r\n \r\n' },
  'a request, and then nothing': { says: `GET /nothing-there HTTP/1.1\r\n${head}\r\n` },
  'a request, and half of the next': { says: `GET /nothing-there HTTP/1.1\r\n${head}\r\nGET / HTT` },
  'a body for a request that takes none': { says: `GET /nothing-there HTTP/1.1\r\n${head}Content-Length: 1000\r\n\r\nx` },
  'no HTTP': { says: 'INVITE sip:a@b SIP/2.0\r\n\r\n', trickles: 'x' },
  'an upgrade that is refused': { says: `GET /screen/ws HTTP/1.1\r\n${head}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n` },
  'an upgrade to something else': { says: `GET /login HTTP/1.1\r\n${head}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n`, trickles: 'x' },
  'an upgrade with half a body': { says: `POST /login HTTP/1.1\r\n${head}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nname=` },
  'an upgrade with a body, byte by byte': { says: `POST /login HTTP/1.1\r\n${head}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n`, trickles: 'x' },
};

/** Resolves when the connection is gone for good: not half of it, for what is half closed still costs a place. */
async function gone(socket: Socket, { says, trickles }: Stranger): Promise<void> {
  let isClosed = false;
  let isHalfClosed = false;
  socket.on('error', () => undefined);
  socket.once('close', () => (isClosed = true));
  socket.once('end', () => (isHalfClosed = true));
  socket.resume();
  socket.write(says);
  while (!isClosed) {
    await sleep(trickleMs);
    // Once the other side has said its last word, only writing tells whether anybody is there still.
    if (!isClosed && (trickles !== undefined || isHalfClosed)) socket.write(trickles ?? 'x');
  }
}

function stranger(url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  peers.defer(() => socket.destroy());
  return socket;
}

/** All at once. @returns those that were not gone in time */
async function staying(open: (what: string) => Socket, cases: Record<string, Stranger>): Promise<string[]> {
  const left = new Set(Object.keys(cases));
  for (const [what, does] of Object.entries(cases)) void gone(open(what), does).then(() => left.delete(what));
  await until(() => left.size === 0, 'every connection to end', soonMs).catch(() => undefined);
  return [...left];
}

const agents = [{ name: 'anna', phone: 'sip:anna@127.0.0.1:9' }];

describe('a connection that does not get on', () => {
  it('ends by itself on every listener, while event streams and screens stay', async () => {
    const gateway = peers.add(await TestGateway.start({ agents, clientUrl: 'page', httpLimits }));
    const { urls } = gateway.gateway;
    const screen = peers.add(await gateway.screen('anna'));
    const session = await gateway.startSession();
    const stream = new AbortController();
    peers.defer(() => stream.abort());
    const events = await fetch(`${session.pageUrl}/events`, { signal: stream.signal });
    let told = '';
    let streamEnded = false;
    const reading = (async () => {
      for await (const chunk of events.body!) told += Buffer.from(chunk).toString('utf8');
    })().catch(() => undefined).finally(() => (streamEnded = true));
    await until(() => told.includes('data:'), 'the stream to begin', soonMs);

    const stays = await Promise.all((['public', 'core', 'agents', 'ops'] as const).map(async (listener) =>
      (await staying(() => stranger(urls[listener]), strangers)).map((what) => `${listener}: ${what}`)));
    expect(stays.flat()).toEqual([]);

    expect(streamEnded).toBe(false);
    expect(screen.closed).toBeUndefined();
    const before = told.length;
    await gateway.deliver(session, { fullname: 'Jip Jansen' });
    await until(() => told.length > before, 'the stream to go on', soonMs);
    screen.setAvailable(false);
    await screen.told('availability', { timeoutMs: soonMs });
    stream.abort();
    await reading;
  });

  it('ends by itself with TLS, before the handshake and after it', async () => {
    const folder = scratchFolder('core-tls');
    peers.defer(() => rmSync(folder, { recursive: true, force: true }));
    const [certFile, keyFile] = ['cert.pem', 'key.pem'].map((name) => path.join(folder, name)) as [string, string];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile, '-out', certFile, '-days', '1', '-subj', '/CN=localhost'], { stdio: 'ignore' });
    const gateway = peers.add(await TestGateway.start({ agents, httpLimits, listeners: { core: { tls: { certFile, keyFile } } } }));
    const { core } = gateway.gateway.urls;
    const secure = (): Socket => {
      const { hostname, port } = new URL(core);
      // Its types do not know that it hands these on to the socket below.
      const options = { host: hostname, port: Number(port), rejectUnauthorized: false, allowHalfOpen: true };
      const socket = connectTls(options);
      peers.defer(() => socket.destroy());
      return socket;
    };
    // The first bytes of a ClientHello that never comes to its end.
    const hello = '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03';
    const raw = { 'nothing sent': { says: '' }, 'half a hello': { says: hello }, 'a hello, byte by byte': { says: hello, trickles: 'x' }, 'plain HTTP': { says: `GET / HTTP/1.1\r\n${head}\r\n` } };
    const stays = await Promise.all([staying(() => stranger(core), raw), staying(secure, strangers)]);
    expect(stays.flat()).toEqual([]);
  });
});

describe('connections to a listener', () => {
  it('are bounded: one more is closed at once, the log says so, and there is room again when others are gone', async () => {
    const lines: string[] = [];
    const gateway = peers.add(await TestGateway.start({ agents, httpLimits: { maxConnections: 20 }, logTo: { write: (line) => void lines.push(line) } }));
    for (const [name, url] of Object.entries(gateway.gateway.urls)) {
      const first = Array.from({ length: 20 }, () => stranger(url));
      await Promise.all(first.map((socket) => once(socket, 'connect')));
      const more = Array.from({ length: 3 }, () => stranger(url));
      for (const socket of more) socket.on('error', () => undefined).resume();
      await Promise.all(more.map((socket) => once(socket, 'end').catch(() => undefined)));
      const said = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ msg, listener, room }) => String(msg).includes('more connections') && (listener === name || room === name));
      await until(() => said().length > 0, `the log to say that ${name} is full`, soonMs);
      expect(said()).toHaveLength(1);
      for (const socket of first) socket.destroy();
      await until(() => fetch(url).then(() => true, () => false), `room at ${name}`, soonMs);
    }
  });
});
