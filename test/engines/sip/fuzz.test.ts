/**
 * More than 100,000 damaged messages, by UDP and on TCP streams, and some tricky ones in the manner of RFC 4475. The
 * server must live, stay within bounds, answer what can be answered, and take a call afterwards.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import Srf from 'drachtio-srf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSipServer, type SipServer } from '../../../gateway/engines/sip-server/index.js';
import { NotSipError, SipMessage } from '../../../gateway/engines/sip-stack/index.js';
import { ScriptedPhone, sdp, sleep } from './scripted-phone.js';

const UDP_PACKETS = 80_000;
const STREAM_MESSAGES = 25_000;

/** Small seeded generator, so that a failure can be repeated (mulberry32). */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const seed = Number(process.env['FUZZ_SEED'] ?? 20_240_117);
const random = generator(seed);

function sample(method: string, n: number, port: number): string {
  const body = method === 'INVITE' ? sdp() : '';
  return [
    `${method} sip:service@127.0.0.1 SIP/2.0`, `Via: SIP/2.0/UDP 127.0.0.1:${port};rport;branch=z9hG4bKfuzz${n}`, 'Max-Forwards: 70',
    `From: "Fuzz \\" er" <sip:fuzz@127.0.0.1:${port}>;tag=f${n}`, n % 3 === 0 ? 'To: <sip:service@127.0.0.1>;tag=none' : 'To: <sip:service@127.0.0.1>',
    `Call-ID: fuzz-${n}@127.0.0.1`, `CSeq: ${(n % 100) + 1} ${method}`, `Contact: <sip:fuzz@127.0.0.1:${port}>`, 'Supported: 100rel, timer', 'Route: <sip:127.0.0.1:9;lr>',
    'Record-Route: <sip:a;lr>, <sip:b;lr>', 'Session-Expires: 90;refresher=uac', ...(body === '' ? [] : ['Content-Type: application/sdp']), `Content-Length: ${body.length}`, '', body,
  ].join('\r\n');
}

const METHODS = ['INVITE', 'OPTIONS', 'BYE', 'CANCEL', 'ACK', 'REGISTER', 'INFO', 'UPDATE', 'PRACK', 'REFER', 'NOTIFY', 'MESSAGE', 'SUBSCRIBE', 'FOO'];
const TOKENS = ['\r\n', '\r\n\r\n', ';', ',', '"', '<', '>', '%', '\0', ': ', ' ', '\t', ';tag=', ';branch=', '999999999999', '-1', 'é', '\u{1f600}', '[::1]', 'sip:', '@', '|', '\\', '\r', '\n '];

function mutate(text: string): Buffer {
  const bytes = Buffer.from(text);
  switch (random(8)) {
    case 0: {
      for (let i = random(8); i >= 0; i -= 1) bytes[random(bytes.length)] = random(256);
      return bytes;
    }
    case 1:
      return bytes.subarray(0, random(bytes.length));
    case 2: {
      const at = random(bytes.length);
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(TOKENS[random(TOKENS.length)]!.repeat(1 + random(30))), bytes.subarray(at)]);
    }
    case 3: {
      const lines = text.split('\r\n');
      lines.splice(random(lines.length), 1 + random(3));
      return Buffer.from(lines.join('\r\n'));
    }
    case 4: {
      const lines = text.split('\r\n');
      lines.splice(random(lines.length), 0, lines[random(lines.length)]!);
      return Buffer.from(lines.join('\r\n'));
    }
    case 5: {
      const at = random(bytes.length);
      const end = Math.min(bytes.length, at + random(40));
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    }
    case 6:
      return Buffer.from(text.replace(/(Content-Length|CSeq|Max-Forwards|Expires|Via|From|To): [^\r]*/, (_line, name: string) => `${name}: ${TOKENS[random(TOKENS.length)]!.repeat(random(200))}`));
    default:
      return Buffer.from(random(2) === 0 ? `SIP/2.0 ${100 + random(700)} What\r\n${text.split('\r\n').slice(1).join('\r\n')}` : text);
  }
}

const damaged = (n: number, port: number): Buffer => mutate(sample(METHODS[random(METHODS.length)]!, n, port));

let server: SipServer;
let srf: InstanceType<typeof Srf>;
beforeAll(async () => {
  server = await startSipServer({
    listen: { host: '127.0.0.1', port: 0 }, admin: { host: '127.0.0.1', port: 0 }, secret: 's', limits: { requestsPerSecond: 1e6, requestBurst: 1e6 },
  });
  srf = new Srf();
  srf.on('error', () => undefined);
  srf.invite((req, res) => {
    // The flood is turned away; only the call of the end is answered.
    if (req.get('x-real') === undefined) res.send(486);
    else void srf.createUAS(req, res, { localSdp: sdp() });
  });
  const ready = once(srf, 'connect');
  void srf.connect({ host: '127.0.0.1', port: server.admin.port, secret: 's' });
  await ready;
  await sleep(100);
});
afterAll(async () => {
  srf.disconnect();
  await server.close();
});

async function takesACall(): Promise<void> {
  for (const protocol of ['udp', 'tcp'] as const) {
    const phone = await ScriptedPhone.open(server.sip, protocol);
    const call = phone.call();
    phone.invite(call, { headers: { 'X-Real': 'yes' } });
    phone.learn(call, await phone.expect('200 INVITE', 15_000));
    phone.ack(call);
    await sleep(20);
    phone.later('BYE', call);
    await phone.expect('200 BYE', 15_000);
    phone.close();
  }
}

async function flood(udp: UdpSocket, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const packet = damaged(n, udp.address().port);
    if (packet.length === 0) continue;
    await new Promise((resolve) => udp.send(packet, server.sip.port, '127.0.0.1', resolve));
    // The server shares this process: it gets its turn often enough to see nearly all of them.
    if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe(`damaged messages (FUZZ_SEED=${seed})`, () => {
  it(`survives ${UDP_PACKETS} by UDP and ${STREAM_MESSAGES} on streams, and takes a call`, async () => {
    const udp = createSocket('udp4').bind(0, '127.0.0.1');
    await once(udp, 'listening');
    let answers = 0;
    udp.on('message', () => (answers += 1));
    await flood(udp, UDP_PACKETS);
    expect(answers).toBeGreaterThan(1000);

    const perConnection = 250;
    for (let first = 0; first < STREAM_MESSAGES; first += perConnection) {
      const tcp = connect(server.sip.port, '127.0.0.1');
      tcp.on('error', () => undefined);
      tcp.resume();
      await once(tcp, 'connect');
      const parts: Buffer[] = [];
      for (let n = first; n < first + perConnection; n += 1) parts.push(damaged(1_000_000 + n, tcp.localPort!));
      const stream = Buffer.concat(parts);
      // In pieces of any size.
      for (let at = 0; at < stream.length && !tcp.destroyed; ) {
        const size = 1 + random(3000);
        tcp.write(stream.subarray(at, at + size));
        at += size;
        if (random(20) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      tcp.end();
      await sleep(1);
      tcp.destroy();
    }
    udp.close();
    await takesACall();
  }, 60_000);

  it('never throws anything but its own error while parsing', () => {
    for (let n = 0; n < 20_000; n += 1) {
      try {
        const message = SipMessage.parse(damaged(n, 5060));
        message.toBuffer();
        void message.cseq;
        void message.toTag;
        for (const { name } of message.entries()) message.list(name);
      } catch (error) {
        expect(error).toBeInstanceOf(NotSipError);
      }
    }
  });

  it('does linear work on values made to be slow', () => {
    const started = performance.now();
    for (const bad of [' '.repeat(60_000), '"'.repeat(60_000), '<'.repeat(60_000), ';a'.repeat(30_000), ','.repeat(60_000), '\\"'.repeat(30_000), 'a '.repeat(30_000), '\r\n '.repeat(20_000), 'sip:'.repeat(15_000)]) {
      for (const name of ['From', 'To', 'Via', 'Contact', 'CSeq', 'Route', 'Call-ID', 'Content-Length']) {
        try {
          const message = SipMessage.parse(sample('INVITE', 1, 5060).replace(new RegExp(`${name}: [^\r]*`), () => `${name}: ${bad}`));
          void message.cseq;
          void message.toTag;
          void message.fromTag;
          message.list(name);
        } catch (error) {
          expect(error).toBeInstanceOf(NotSipError);
        }
      }
      try {
        SipMessage.parse(`INVITE ${bad} SIP/2.0\r\n\r\n`);
      } catch (error) {
        expect(error).toBeInstanceOf(NotSipError);
      }
    }
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('messages in the manner of RFC 4475', () => {
  const cases: Array<[what: string, change: (text: string) => string, status: number | undefined]> = [
    ['an unknown method', (text) => text.replaceAll('OPTIONS', 'NEWMETHOD'), 501],
    ['white space where it may be, folded lines and compact names', (text) => text.replace('Via:', 'v  :').replace('From: ', 'f:\r\n  ').replace('CSeq: 1 OPTIONS', 'CSeq: 0001\r\n  OPTIONS'), 503],
    ['escaped characters in the URI', (text) => text.replace('sip:service@', 'sip:sips%3Auser%40example.com@'), 503],
    ['a Request-URI in angle brackets', (text) => text.replace('sip:service@127.0.0.1 ', '<sip:service@127.0.0.1> '), 400],
    ['white space in the Request-URI', (text) => text.replace('sip:service@127.0.0.1 ', 'sip:service@127.0.0.1; lr '), 400],
    ['an unterminated quotation', (text) => text.replace(/From: [^\r]*/, 'From: "Mr. J. User <sip:j@example.com>;tag=1'), 400],
    ['a negative Content-Length', (text) => text.replace('Content-Length: 0', 'Content-Length: -999'), 400],
    ['a CSeq beyond all bounds', (text) => text.replace('CSeq: 1 ', 'CSeq: 36893488147419103232 '), 400],
    ['the wrong method in CSeq', (text) => text.replace('1 OPTIONS', '1 INVITE'), 400],
    ['two Call-IDs', (text) => text.replace('Max-Forwards', 'Call-ID: other\r\nMax-Forwards'), 400],
    ['a version from the future', (text) => text.replace('127.0.0.1 SIP/2.0', '127.0.0.1 SIP/7.0'), 505],
    ['more body announced than there is', (text) => text.replace('Content-Length: 0', 'Content-Length: 9999'), 400],
    ['no From', (text) => text.replace(/From: [^\r]*\r\n/, ''), 400],
    ['no Via', (text) => text.replace(/Via: [^\r]*\r\n/, ''), undefined],
    ['something else', () => 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', undefined],
  ];
  it.each(cases)('%s', async (_what, change, status) => {
    const phone = await ScriptedPhone.open(server.sip);
    const text = `OPTIONS sip:service@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${phone.port};branch=z9hG4bK${Math.random().toString(36).slice(2)}\r\n` +
      `From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:service@127.0.0.1>\r\nCall-ID: ${Math.random()}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n`;
    phone.send(change(text));
    const answer = await phone.maybe(() => true, status === undefined ? 300 : 5_000);
    phone.close();
    expect(answer?.status).toBe(status);
  });

  it('answers a source that asks too much with 503, and not forever', async () => {
    const strict = await startSipServer({
      listen: { host: '127.0.0.1', port: 0 }, admin: { host: '127.0.0.1', port: 0 }, secret: 's', limits: { requestsPerSecond: 20, requestBurst: 5 },
    });
    const phone = await ScriptedPhone.open(strict.sip);
    for (let n = 0; n < 30; n += 1) phone.request('FOO', phone.call());
    await sleep(300);
    const statuses = phone.heard.map((text) => text.slice(8, 11));
    expect(statuses.filter((status) => status === '501').length).toBeGreaterThanOrEqual(5);
    expect(statuses.filter((status) => status === '503').length).toBeGreaterThan(10);
    await sleep(200);
    phone.request('FOO', phone.call());
    await sleep(100);
    expect(phone.heard.at(-1)?.slice(8, 11)).toBe('501');
    phone.close();
    await strict.close();
  });
});
