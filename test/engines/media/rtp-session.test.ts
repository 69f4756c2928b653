import dgram from 'node:dgram';
import { afterEach, describe, expect, test } from 'vitest';
import { MediaClock, Networks, RtpSession, PortPool, encode, type Codec, type DigitEvent, type SourceRule } from '../../../gateway/engines/media-server/rtp/index.js';
import { ToneSource, amplitudeOf, concat, largestStep, meanAbsolute, sleep, until } from './audio.js';

const clock = new MediaClock();
const open: { close(): void }[] = [];
const HOST = '127.0.0.1';

async function session(rtcp = false, ports?: PortPool, source?: SourceRule): Promise<RtpSession> {
  const opened = await RtpSession.open({ host: HOST, clock, rtcp, ...(ports && { ports }), ...(source && { source }) });
  open.push(opened);
  return opened;
}

async function rawSocket(host = HOST): Promise<{ socket: dgram.Socket; port: number; packets: Buffer[] }> {
  const socket = dgram.createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, host, resolve));
  const packets: Buffer[] = [];
  socket.on('message', (packet) => packets.push(packet));
  open.push(socket);
  return { socket, port: socket.address().port, packets };
}

function rtp(sequence: number, timestamp: number, payload: Buffer, payloadType = 8, ssrc = 77, marker = false): Buffer {
  const header = Buffer.alloc(12);
  header[0] = 0x80;
  header[1] = (marker ? 0x80 : 0) | payloadType;
  header.writeUInt16BE(sequence & 0xffff, 2);
  header.writeUInt32BE(timestamp >>> 0, 4);
  header.writeUInt32BE(ssrc, 8);
  return Buffer.concat([header, payload]);
}

const link = (a: RtpSession, b: RtpSession, codecA: Codec, codecB: Codec = codecA, eventA = 101, eventB = 101): void => {
  a.setRemote({ address: HOST, port: b.localPort }, { codec: codecB, telephoneEvent: eventB });
  b.setRemote({ address: HOST, port: a.localPort }, { codec: codecA, telephoneEvent: eventA });
};

afterEach(() => {
  for (const each of open.splice(0)) each.close();
  expect(clock.size).toBe(0);
});

function collect(receiver: RtpSession): Int16Array[] {
  const frames: Int16Array[] = [];
  receiver.on('frame', (samples) => frames.push(samples));
  return frames;
}

describe('audio between two sessions', () => {
  test.each(['PCMA', 'PCMU'] as const)('a tone comes out as it went in, without clicks: %s', async (codec) => {
    const [a, b] = [await session(), await session()];
    link(a, b, codec);
    const frames = collect(b);
    a.play(new ToneSource(1000));
    await until(() => frames.length >= 52, 'one second of audio');
    const audio = concat(frames.slice(2, 52));
    expect(amplitudeOf(audio, 1000)).toBeGreaterThan(7600);
    expect(amplitudeOf(audio, 1500)).toBeLessThan(100);
    expect(largestStep(audio)).toBeLessThan(8000 * 2 * Math.PI * (1000 / 8000) * 1.15);
  });

  test('numbers go on without a gap, one packet every 20 ms, marker only on the first', async () => {
    const a = await session();
    const peer = await rawSocket();
    const arrivals: number[] = [];
    peer.socket.on('message', () => arrivals.push(performance.now()));
    a.setRemote({ address: HOST, port: peer.port }, { codec: 'PCMU' });
    await until(() => peer.packets.length >= 100, 'two seconds of silence');
    const sequences = peer.packets.map((packet) => packet.readUInt16BE(2));
    const stamps = peer.packets.map((packet) => packet.readUInt32BE(4));
    for (let i = 1; i < 100; i++) {
      expect((sequences[i]! - sequences[i - 1]!) & 0xffff).toBe(1);
      expect((stamps[i]! - stamps[i - 1]!) >>> 0).toBe(160);
    }
    expect(peer.packets.filter((packet) => packet[1]! & 0x80)).toHaveLength(1);
    expect(peer.packets[0]![1]! & 0x80).toBe(0x80);
    expect(peer.packets.every((packet) => packet.length === 172 && packet[12] === 0xff)).toBe(true);
    // no drift: after a hundred beats packets come when so many beats say, whatever single timers or a busy machine did
    const late = arrivals.slice(80, 100).map((at, i) => Math.abs(at - arrivals[0]! - (80 + i) * 20));
    expect(Math.min(...late)).toBeLessThan(25);
  });

  test('statistics count losses and jitter', async () => {
    const a = await session();
    const peer = await rawSocket();
    a.setRemote({ address: HOST, port: peer.port }, { codec: 'PCMA' });
    for (let i = 0; i < 20; i++) {
      if (i !== 5 && i !== 6) peer.socket.send(rtp(65530 + i, i * 160, Buffer.alloc(160, 0xd5)), a.localPort, HOST);
      await sleep(5);
    }
    await until(() => a.stats().packetsReceived === 18, 'all packets');
    expect(a.stats().lost).toBe(2);
    expect(a.stats().jitterMs).toBeGreaterThan(1);
  });
});

describe('keys', () => {
  test('every key arrives once, in order, with its length', async () => {
    const [a, b] = [await session(), await session()];
    link(a, b, 'PCMA');
    const digits: DigitEvent[] = [];
    b.on('digit', (digit) => digits.push(digit));
    await a.sendDigits('0123456789*#ABCD', { durationMs: 80, gapMs: 40 });
    await until(() => digits.length >= 16, 'sixteen keys');
    expect(digits.map((digit) => digit.digit).join('')).toBe('0123456789*#ABCD');
    expect(digits.every((digit) => digit.durationMs === 80)).toBe(true);
  });

  test('packets of one key: fixed timestamp, growing duration, three ends, marker on the first and on the audio after', async () => {
    const a = await session();
    const peer = await rawSocket();
    a.setRemote({ address: HOST, port: peer.port }, { codec: 'PCMA', telephoneEvent: 96 });
    await sleep(100);
    await a.sendDigits('5', { durationMs: 100, gapMs: 100 });
    const events = peer.packets.filter((packet) => (packet[1]! & 0x7f) === 96);
    expect(events.map((packet) => [packet[12], packet[13]! >> 7, packet.readUInt16BE(14), packet[1]! >> 7])).toEqual([
      [5, 0, 160, 1], [5, 0, 320, 0], [5, 0, 480, 0], [5, 0, 640, 0], [5, 1, 800, 0], [5, 1, 800, 0], [5, 1, 800, 0],
    ]);
    expect(new Set(events.map((packet) => packet.readUInt32BE(4))).size).toBe(1);
    const sequences = peer.packets.map((packet) => packet.readUInt16BE(2));
    for (let i = 1; i < sequences.length; i++) expect((sequences[i]! - sequences[i - 1]!) & 0xffff).toBe(1);
    const after = peer.packets[peer.packets.indexOf(events.at(-1)!) + 1]!;
    expect(after[1]! >> 7).toBe(1);
    expect((after.readUInt32BE(4) - events[0]!.readUInt32BE(4)) >>> 0).toBe(800);
  });

  const key = (code: number, ended: boolean, duration: number): Buffer => Buffer.from([code, (ended ? 0x80 : 0) | 10, duration >> 8, duration & 0xff]);

  async function heard(packets: readonly Buffer[], gapMs = 2, waitMs = 350): Promise<string> {
    const a = await session();
    const peer = await rawSocket();
    a.setRemote({ address: HOST, port: peer.port }, { codec: 'PCMA', telephoneEvent: 101 });
    let digits = '';
    a.on('digit', (digit) => (digits += digit.digit));
    for (const packet of packets) {
      peer.socket.send(packet, a.localPort, HOST);
      if (gapMs > 0) await sleep(gapMs);
    }
    await sleep(waitMs);
    return digits;
  }

  test('all end packets lost: reported once, when no more packets come', async () => {
    expect(await heard([1, 2, 3].map((n) => rtp(n, 1000, key(7, false, n * 160), 101)))).toBe('7');
  });
  test('late end packets after that are not a second key', async () => {
    const start = [1, 2, 3].map((n) => rtp(n, 1000, key(7, false, n * 160), 101));
    expect(await heard([...start, ...start.map((_, i) => rtp(10 + i, 1000, key(7, true, 800), 101))], 190)).toBe('7');
  });
  test('only an end packet arrives', async () => {
    expect(await heard([rtp(5, 1000, key(3, true, 800), 101)])).toBe('3');
  });
  test('everything twice and out of order', async () => {
    const one = [1, 2, 3, 4, 5].map((n) => rtp(n, 1000, key(1, n > 3, n * 160), 101));
    const two = [6, 7, 8, 9].map((n) => rtp(n, 2600, key(1, n > 7, (n - 5) * 160), 101));
    expect(await heard([...one, one[1]!, ...one, two[0]!, one[4]!, ...two, ...two, one[0]!])).toBe('11');
  });
  test('the end lost, the next key begins', async () => {
    expect(await heard([rtp(1, 1000, key(1, false, 160), 101), rtp(2, 1800, key(2, false, 160), 101, 77, true), rtp(3, 1800, key(2, true, 320), 101)])).toBe('12');
  });
  test('a key held longer than one segment is one key', async () => {
    expect(await heard([rtp(1, 1000, key(9, false, 0xfff0), 101), rtp(2, 1000 + 0xffff, key(9, false, 160), 101), rtp(3, 1000 + 0xffff, key(9, true, 400), 101)])).toBe('9');
  });
  test('a sender that moves the timestamp with every packet', async () => {
    expect(await heard([1, 2, 3, 4, 5, 6].map((n) => rtp(n, 1000 + n * 160, key(4, n > 3, n * 160), 101)))).toBe('4');
  });
  test('neither flash nor a short payload nor another payload type is a key', async () => {
    expect(await heard([rtp(1, 1000, key(16, true, 800), 101), rtp(2, 2000, Buffer.from([1, 0x80]), 101), rtp(3, 3000, key(1, true, 800), 100)])).toBe('');
  });
});

describe('where packets may come from', () => {
  const NAT = '127.0.0.2';
  const learn: SourceRule = { mode: 'learn', networks: new Networks([NAT]) };
  const press = Buffer.from([1, 0x8a, 3, 32]);
  type Raw = Awaited<ReturnType<typeof rawSocket>>;

  /** Sends a steady stream until the condition holds; keys among its packets, if wanted. */
  async function speak(from: Raw, to: RtpSession, until: () => boolean, keys = false): Promise<void> {
    for (let i = 0; !until(); i++) {
      if (i > 500) throw new Error('not in time');
      from.socket.send(keys ? rtp(i, 5000 + i * 800, press, 101, from.port) : rtp(i, i * 160, Buffer.alloc(160), 8, from.port), to.localPort, HOST);
      await sleep(20);
    }
  }

  test('another port of the described address is followed, and its keys count from then on; another one afterwards is not', async () => {
    const a = await session();
    const [peer, stranger, silent] = [await rawSocket(), await rawSocket(), await rawSocket()];
    a.setRemote({ address: HOST, port: silent.port }, { codec: 'PCMA', telephoneEvent: 101 });
    let digits = 0;
    a.on('digit', () => digits++);
    await speak(peer, a, () => a.remoteAddress?.port === peer.port, true);
    expect(digits).toBe(0);
    await speak(peer, a, () => digits > 0, true);
    await until(() => peer.packets.length > 3, 'audio at the port heard from');
    const before = digits;
    const refused = a.stats().discarded;
    await speak(stranger, a, () => a.stats().discarded >= refused + 60, true);
    expect(stranger.packets).toHaveLength(0);
    expect(digits).toBe(before);
    expect(a.remoteAddress?.port).toBe(peer.port);
  });

  test('another address is nobody, before the peer is heard and after; with `learn` a permitted one is followed', async () => {
    for (const [source, followed] of [[undefined, false], [learn, true]] as const) {
      const a = await session(false, undefined, source);
      const [nat, stranger, silent] = [await rawSocket(NAT), await rawSocket('127.0.0.9'), await rawSocket()];
      a.setRemote({ address: HOST, port: silent.port }, { codec: 'PCMA', telephoneEvent: 101 });
      let digits = 0;
      a.on('digit', () => digits++);
      await speak(stranger, a, () => a.stats().discarded >= 40, true);
      const refused = a.stats().discarded;
      await speak(nat, a, () => (followed ? digits > 0 : a.stats().discarded >= refused + 40), true);
      expect(a.remoteAddress).toEqual(followed ? { address: NAT, port: nat.port } : { address: HOST, port: silent.port });
      if (!followed) expect(digits).toBe(0);
      expect(stranger.packets).toHaveLength(0);
      expect(nat.packets.length > 0).toBe(followed);
    }
  });

  test('reports of anybody else say nothing, and none are sent to them', async () => {
    const a = await session();
    const [peer, stranger, neighbour] = [await rawSocket(), await rawSocket('127.0.0.9'), await rawSocket()];
    a.setRemote({ address: HOST, port: peer.port, rtcpMux: true }, { codec: 'PCMA' });
    const report = (ssrc: number): Buffer => {
      const block = Buffer.alloc(32);
      block[0] = 0x81;
      block[1] = 201;
      block.writeUInt16BE(7, 2);
      block.writeUInt32BE(ssrc, 4);
      block.writeUInt32BE(a.ssrc, 8);
      block[12] = 128;
      return block;
    };
    // Before the peer is heard nobody may report, not even from its port.
    peer.socket.send(report(77), a.localPort, HOST);
    for (const each of [stranger, neighbour]) for (const port of [a.localPort, a.localPort + 1]) each.socket.send(report(each.port), port, HOST);
    await until(() => a.stats().discarded === 5, 'all to be refused');
    peer.socket.send(rtp(1, 160, Buffer.alloc(160)), a.localPort, HOST);
    await until(() => a.stats().packetsReceived === 1, 'the peer');
    for (const each of [stranger, neighbour]) for (const port of [a.localPort, a.localPort + 1]) each.socket.send(report(each.port), port, HOST);
    await until(() => a.stats().discarded === 9, 'all to be refused again');
    expect(a.stats().remoteFractionLost).toBeUndefined();
    // The stream's own sender may do so from another port; and from the port of the stream, which is shared here.
    neighbour.socket.send(report(77), a.localPort + 1, HOST);
    await until(() => a.stats().remoteFractionLost === 0.5, 'the report to be read');
    peer.socket.send(report(1), a.localPort, HOST);
    await until(() => peer.packets.some((packet) => packet[1]! >= 200), 'a report of ours', 9000);
    expect(stranger.packets.length + neighbour.packets.length).toBe(0);
  }, 15000);

  test('the address of the SDP, once heard, is final until a new one is given', async () => {
    const a = await session();
    const [first, second] = [await rawSocket(), await rawSocket()];
    a.setRemote({ address: HOST, port: first.port }, { codec: 'PCMA' });
    first.socket.send(rtp(1, 160, Buffer.alloc(160)), a.localPort, HOST);
    await sleep(30);
    for (let i = 0; i < 20; i++) second.socket.send(rtp(i, i * 160, Buffer.alloc(160)), a.localPort, HOST);
    await sleep(60);
    expect(second.packets).toHaveLength(0);
    a.setRemote({ address: HOST, port: second.port }, { codec: 'PCMA' });
    await until(() => second.packets.length > 1, 'audio at the new address');
  });
});

describe('relay', () => {
  test.each([['PCMA', 'PCMA'], ['PCMA', 'PCMU'], ['PCMU', 'PCMA']] as const)('tones both ways, %s to %s, each phone hears the other', async (codecA, codecB) => {
    const [phoneA, legA, legB, phoneB] = [await session(), await session(), await session(), await session()];
    link(phoneA, legA, codecA);
    link(phoneB, legB, codecB);
    legA.relay(legB);
    legB.relay(legA);
    const [atA, atB] = [collect(phoneA), collect(phoneB)];
    phoneA.play(new ToneSource(700));
    phoneB.play(new ToneSource(1300));
    await until(() => atA.length > 70 && atB.length > 70, 'audio at both ends');
    const [heardA, heardB] = [concat(atA.slice(15, 65)), concat(atB.slice(15, 65))];
    expect(amplitudeOf(heardB, 700)).toBeGreaterThan(7500);
    expect(amplitudeOf(heardB, 1300)).toBeLessThan(100);
    expect(amplitudeOf(heardA, 1300)).toBeGreaterThan(7500);
    expect(largestStep(heardB)).toBeLessThan(8000 * 2 * Math.PI * (700 / 8000) * 1.3);
    // muted: the other side hears silence
    legA.receiveMuted = true;
    await sleep(100);
    atB.length = 0;
    await sleep(300);
    expect(meanAbsolute(concat(atB))).toBeLessThan(20);
  });

  test('keys travel with the payload type of each leg, and losses of the source stay visible', async () => {
    const [legA, legB] = [await session(), await session()];
    const [phoneA, phoneB] = [await rawSocket(), await rawSocket()];
    legA.setRemote({ address: HOST, port: phoneA.port }, { codec: 'PCMA', telephoneEvent: 96 });
    legB.setRemote({ address: HOST, port: phoneB.port }, { codec: 'PCMU', telephoneEvent: 101 });
    legA.relay(legB);
    legB.relay(legA);
    let digits = '';
    legA.on('digit', (digit) => (digits += digit.digit));
    legB.on('digit', () => (digits += 'wrong leg'));
    await sleep(50);
    phoneB.packets.length = 0;
    const audio = Buffer.alloc(160);
    encode('PCMA', new Int16Array(160).fill(5000), 160, audio, 0);
    const send = (packet: Buffer): void => phoneA.socket.send(packet, legA.localPort, HOST);
    send(rtp(1, 160, audio));
    send(rtp(2, 320, audio));
    send(rtp(4, 640, audio)); // 3 is lost
    for (const n of [5, 6, 7]) send(rtp(n, 800, Buffer.from([8, n === 7 ? 0x8a : 10, 0, 160]), 96, 77, n === 5));
    send(rtp(8, 1280, audio, 8, 77, true));
    await until(() => phoneB.packets.length >= 7, 'relayed packets');
    const got = phoneB.packets.slice(-7);
    const base = got[0]!.readUInt16BE(2);
    expect(got.map((packet) => (packet.readUInt16BE(2) - base) & 0xffff)).toEqual([0, 1, 3, 4, 5, 6, 7]);
    expect(got.map((packet) => packet[1]! & 0x7f)).toEqual([0, 0, 0, 101, 101, 101, 0]);
    expect(got.map((packet) => (packet.readUInt32BE(4) - got[0]!.readUInt32BE(4)) >>> 0)).toEqual([0, 160, 480, 640, 640, 640, 1120]);
    expect(new Set(got.map((packet) => packet.readUInt32BE(8)))).toEqual(new Set([legB.ssrc]));
    await sleep(50);
    expect(digits).toBe('8');
  });

  test('a source that falls silent is filled with silence, numbers unbroken', async () => {
    const [legA, legB] = [await session(), await session()];
    const [phoneA, phoneB] = [await rawSocket(), await rawSocket()];
    legA.setRemote({ address: HOST, port: phoneA.port }, { codec: 'PCMA' });
    legB.setRemote({ address: HOST, port: phoneB.port }, { codec: 'PCMA' });
    legA.relay(legB);
    for (let i = 0; i < 5; i++) phoneA.socket.send(rtp(100 + i, i * 160, Buffer.alloc(160, 0x2a)), legA.localPort, HOST);
    await sleep(500);
    for (let i = 30; i < 35; i++) phoneA.socket.send(rtp(100 + i, i * 160, Buffer.alloc(160, 0x2a)), legA.localPort, HOST);
    await sleep(100);
    const packets = phoneB.packets;
    const kinds = packets.map((packet) => (packet[12] === 0x2a ? 'v' : 's')).join('');
    expect(kinds).toMatch(/^s*vvvvvs+vvvvvs*$/);
    for (let i = 1; i < packets.length; i++) {
      expect((packets[i]!.readUInt16BE(2) - packets[i - 1]!.readUInt16BE(2)) & 0xffff).toBe(1);
      expect((packets[i]!.readUInt32BE(4) - packets[i - 1]!.readUInt32BE(4)) | 0).toBeGreaterThan(0);
    }
  });
});

describe('ports and reports', () => {
  test('ports of a range are even, distinct, exhausted honestly and given back', async () => {
    const pool = new PortPool(HOST, { min: 41000, max: 41009 });
    const sessions = await Promise.all([1, 2, 3].map(() => session(false, pool)));
    expect(sessions.every((each) => each.localPort % 2 === 0 && each.localPort >= 41000 && each.localPort <= 41008)).toBe(true);
    expect(new Set(sessions.map((each) => each.localPort)).size).toBe(3);
    await session(false, pool);
    await session(false, pool);
    await expect(RtpSession.open({ host: HOST, clock, ports: pool })).rejects.toMatchObject({ code: 'PORTS_EXHAUSTED' });
    sessions[0]!.close();
    await session(false, pool);
    expect(pool.inUse).toBe(5);
    expect(() => new PortPool(HOST, { min: 5001, max: 5002 })).toThrow(/no pair of ports/);
  });

  test('two sessions that report hear of loss and round trip', async () => {
    const [a, b] = [await session(true), await session(true)];
    link(a, b, 'PCMA');
    await until(() => a.stats().remoteFractionLost !== undefined && b.stats().remoteFractionLost !== undefined, 'reports', 12000);
    expect(a.stats().remoteFractionLost).toBe(0);
    await until(() => a.stats().roundTripMs !== undefined || b.stats().roundTripMs !== undefined, 'round trip', 9000);
    expect(a.stats().roundTripMs ?? b.stats().roundTripMs).toBeLessThan(200);
  }, 25000);
});
