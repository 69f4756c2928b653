/** The event socket byte by byte, and the SIP leg without the client's help. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startMediaServer, type MediaServer } from '../../../gateway/engines/media-server/index.js';
import { SipMessage, SipStack, newCallId, newTag, type ClientTransaction, type ServerTransaction } from '../../../gateway/engines/sip-stack/index.js';
import { sleep, until } from './audio.js';
import { HOST, Phone, SECRET } from './rig.js';

let media: MediaServer;
let stack: SipStack;
const open: { destroy(): void }[] = [];

beforeAll(async () => {
  media = await startMediaServer({ host: HOST, sipPort: 0, eslPort: 0, secret: SECRET, rtpPorts: { min: 28_000, max: 28_039 } });
  stack = await SipStack.open({ host: HOST, port: 0 });
});
afterEach(async () => {
  for (const each of open.splice(0)) each.destroy();
  await until(() => media.stats().sessions === 0 && media.stats().dialogs === 0 && media.stats().connections === 0, 'everything gone', 3000);
  expect(media.stats()).toMatchObject({ rtpPortsInUse: 0, timers: 0 });
});
afterAll(async () => {
  await stack.close();
  await media.close();
});

interface Frame {
  headers: Record<string, string>;
  body: string;
}

/** A plain socket that reads frames. */
class RawClient {
  readonly frames: Frame[] = [];
  ended = false;
  private text = '';
  constructor(readonly socket: Socket) {
    open.push(socket);
    socket.setEncoding('utf8');
    socket.on('error', () => undefined);
    socket.on('end', () => (this.ended = true));
    socket.on('close', () => (this.ended = true));
    socket.on('data', (chunk: string) => {
      this.text += chunk;
      for (;;) {
        const end = this.text.indexOf('\n\n');
        if (end < 0) return;
        const headers = Object.fromEntries(this.text.slice(0, end).split('\n').map((line) => [line.slice(0, line.indexOf(': ')), decodeURIComponent(line.slice(line.indexOf(': ') + 2))]));
        const length = Number(headers['Content-Length'] ?? 0);
        if (this.text.length < end + 2 + length) return;
        this.frames.push({ headers, body: this.text.slice(end + 2, end + 2 + length) });
        this.text = this.text.slice(end + 2 + length);
      }
    });
  }
  static connect(): RawClient {
    return new RawClient(connect(media.esl.port, HOST));
  }
  async next(what = 'frame'): Promise<Frame> {
    await until(() => this.frames.length > 0, what, 3000);
    return this.frames.shift()!;
  }
  async reply(command: string): Promise<string> {
    this.socket.write(`${command}\n\n`);
    return (await this.next(command)).headers['Reply-Text'] ?? '';
  }
  async api(command: string): Promise<string> {
    this.socket.write(`api ${command}\n\n`);
    return (await this.next(command)).body;
  }
  static async trusted(): Promise<RawClient> {
    const client = RawClient.connect();
    expect((await client.next()).headers['Content-Type']).toBe('auth/request');
    expect(await client.reply(`auth ${SECRET}`)).toBe('+OK accepted');
    return client;
  }
}

describe('inbound connections', () => {
  test('commands in pieces and in heaps are answered in order', async () => {
    const client = await RawClient.trusted();
    for (const byte of 'api hostname\n\napi create_uuid\n\n') {
      client.socket.write(byte);
      await sleep(1);
    }
    client.socket.write('api show channels count\n\nevent json HEARTBEAT\n\napi uuid_exists x\r\n\r\nnosuch\n\n');
    await until(() => client.frames.length >= 6, 'six answers');
    expect(client.frames.slice(0, 6).map((frame) => frame.headers['Content-Type'])).toEqual(['api/response', 'api/response', 'api/response', 'command/reply', 'api/response', 'command/reply']);
    expect(client.frames[4]!.body).toBe('false');
  });
  test('a wrong password ends it, whatever follows', async () => {
    const client = RawClient.connect();
    await client.next();
    client.socket.write('auth wrong\n\napi status\n\nauth media-secret\n\n');
    expect((await client.next()).headers['Reply-Text']).toBe('-ERR invalid');
    expect((await client.next()).headers['Content-Type']).toBe('text/disconnect-notice');
    await until(() => client.ended, 'end');
    expect(client.frames).toHaveLength(0);
  });
  test('nothing is done without the password', async () => {
    const client = RawClient.connect();
    await client.next();
    expect(await client.reply('api status')).toBe('-ERR command not found');
    expect(await client.reply('event json ALL')).toBe('-ERR command not found');
  });
  test('exit says goodbye', async () => {
    const client = await RawClient.trusted();
    expect(await client.reply('exit')).toBe('+OK bye');
    expect((await client.next()).headers['Content-Type']).toBe('text/disconnect-notice');
    await until(() => client.ended, 'end');
  });
  test('a command without end is cut off', async () => {
    const client = await RawClient.trusted();
    client.socket.write('api '.padEnd(200_000, 'x'));
    await until(() => client.ended, 'end');
  });
  test('subscriptions, formats and filters', async () => {
    const client = await RawClient.trusted();
    expect(await client.reply('event json')).toBe('-ERR no keywords supplied');
    expect(await client.reply('event plain HEARTBEAT')).toBe('+OK event listener enabled plain');
    const beat = await client.next('heartbeat');
    expect(beat.headers['Content-Type']).toBe('text/event-plain');
    expect(beat.body).toMatch(/^Event-Name: HEARTBEAT\n/);
    expect(await client.reply('filter Unique-ID abc')).toBe('+OK filter added. [Unique-ID]=[abc]');
    expect(await client.reply('filter delete Unique-ID abc')).toBe('+OK filter deleted. [Unique-ID][abc]');
    expect(await client.reply('nixevent HEARTBEAT')).toBe('+OK events nixed');
    expect(await client.reply('noevents')).toBe('+OK no longer listening for events');
    expect(await client.reply('log 1')).toBe('+OK log level 1 [1]');
  });
  test('bgapi gives its result as an event', async () => {
    const client = await RawClient.trusted();
    await client.reply('event json BACKGROUND_JOB');
    expect(await client.reply('bgapi hostname\nJob-UUID: my-job')).toBe('+OK Job-UUID: my-job');
    const event = JSON.parse((await client.next()).body) as Record<string, string>;
    expect(event).toMatchObject({ 'Event-Name': 'BACKGROUND_JOB', 'Job-UUID': 'my-job', 'Job-Command': 'hostname' });
    expect(event['_body']!.length).toBeGreaterThan(0);
  });
});

describe('the SIP leg', () => {
  let application: Server;
  let accepted: RawClient[];
  beforeEach(async () => {
    accepted = [];
    application = createServer((socket) => accepted.push(new RawClient(socket)));
    await new Promise<void>((resolve) => application.listen(0, HOST, resolve));
  });
  afterEach(() => new Promise((resolve) => application.close(resolve)));

  const port = (): number => (application.address() as AddressInfo).port;

  interface Invite {
    transaction: ClientTransaction;
    response: SipMessage;
    ack(body?: string): void;
    inDialog(method: string, headers?: Record<string, string>, body?: string): Promise<SipMessage>;
  }

  function send(method: string, headers: Record<string, string>, body?: string): Promise<Invite> {
    const callId = newCallId();
    const from = `<sip:test@${HOST}:${stack.port}>;tag=${newTag()}`;
    const target = `sip:drachtio@${HOST}:${media.sip.port}`;
    const request = SipMessage.request(method, target, { 'Max-Forwards': '70', From: from, To: `<${target}>`, 'Call-ID': callId, CSeq: `1 ${method}`, Contact: `<sip:${HOST}:${stack.port}>`, ...(body !== undefined && { 'Content-Type': 'application/sdp' }), ...headers }, body);
    return new Promise((resolve) => {
      let sequence = 1;
      const transaction = stack.request(request, {
        onFinal: (response) => {
          const to = response.get('to')!;
          resolve({
            transaction,
            response,
            ack: (ackBody) => stack.sendAck(transaction, SipMessage.request('ACK', target, { 'Max-Forwards': '70', From: from, To: to, 'Call-ID': callId, CSeq: '1 ACK', ...(ackBody !== undefined && { 'Content-Type': 'application/sdp' }) }, ackBody)),
            inDialog: (inMethod, inHeaders = {}, inBody) =>
              new Promise((done) => {
                sequence++;
                const cseq = `${sequence} ${inMethod}`;
                const message = SipMessage.request(inMethod, target, { 'Max-Forwards': '70', From: from, To: to, 'Call-ID': callId, CSeq: cseq, Contact: `<sip:${HOST}:${stack.port}>`, ...(inBody !== undefined && { 'Content-Type': 'application/sdp' }), ...inHeaders }, inBody);
                const sent = stack.request(message, {
                  onFinal: (answer) => {
                    if (inMethod === 'INVITE' && answer.status! < 300) stack.sendAck(sent, SipMessage.request('ACK', target, { 'Max-Forwards': '70', From: from, To: to, 'Call-ID': callId, CSeq: cseq.replace('INVITE', 'ACK') }));
                    done(answer);
                  },
                });
              }),
          });
        },
      });
    });
  }

  const client = (): Record<string, string> => ({ 'User-Agent': 'drachtio-fsmrf:test', 'X-esl-outbound': `${HOST}:${port()}` });
  const nextBye = (): Promise<ServerTransaction> =>
    new Promise((resolve) =>
      stack.once('request', (transaction) => {
        transaction.respond(200);
        resolve(transaction);
      }),
    );
  async function phone(): Promise<Phone> {
    const made = await Phone.open();
    open.push({ destroy: () => made.close() });
    return made;
  }

  test('who may call, and what is refused', async () => {
    const offer = (await phone()).sdp();
    expect((await send('INVITE', {}, offer)).response.status).toBe(404);
    expect((await send('INVITE', { 'User-Agent': 'drachtio-fsmrf:x', 'X-esl-outbound': 'nonsense' }, offer)).response.status).toBe(404);
    expect((await send('INVITE', { ...client(), Require: '100rel' }, offer)).response.status).toBe(420);
    expect((await send('INVITE', client(), 'no session description')).response.status).toBe(400);
    expect((await send('INVITE', { ...client(), 'Content-Type': 'text/plain' }, 'hello')).response.status).toBe(415);
    expect((await send('INVITE', client(), offer.replace('RTP/AVP', 'RTP/SAVP'))).response.status).toBe(488);
    expect((await send('INVITE', client(), offer.replace(/c=IN IP4 .*/, 'c=IN IP4 host.example'))).response.status).toBe(488);
    expect((await send('OPTIONS', {})).response.status).toBe(200);
    expect((await send('SUBSCRIBE', { Event: 'presence' })).response.status).toBe(405);
    expect((await send('BYE', {})).response.status).toBe(481);
  });

  test('the application is called once, told of the channel, and hangs up by closing', async () => {
    const invite = await send('INVITE', client(), (await phone()).sdp());
    expect(invite.response.status).toBe(200);
    expect(invite.response.get('contact')).toBe(`<sip:drachtio@${HOST}:${media.sip.port};transport=udp>`);
    invite.ack();
    await until(() => accepted.length === 1, 'connection');
    const socket = accepted[0]!;
    socket.socket.write('connect\n\n');
    const data = await socket.next('channel data');
    expect(data.headers).toMatchObject({ 'Event-Name': 'CHANNEL_DATA', 'Content-Type': 'command/reply', 'Reply-Text': '+OK\n', Control: 'full', variable_sip_user_agent: 'drachtio-fsmrf:test', variable_dtmf_type: 'rfc2833' });
    expect(data.headers['Unique-ID']).toBe(data.headers['Channel-Unique-ID']);
    expect(invite.response.body.toString()).toBe(data.headers['variable_rtp_local_sdp_str']!.replace('a=sendrecv\r\n', ''));
    const bye = nextBye();
    socket.socket.end();
    expect((await bye).request.get('reason')).toBe('Q.850;cause=16;text="NORMAL_CLEARING"');
  });

  test('no BYE before the ACK', async () => {
    const invite = await send('INVITE', client(), (await phone()).sdp());
    await until(() => accepted.length === 1, 'connection without an ACK');
    let byes = 0;
    const bye = nextBye().then(() => byes++);
    accepted[0]!.socket.destroy();
    await sleep(300);
    expect(byes).toBe(0);
    invite.ack();
    await bye;
  });

  test('an application that is not there ends the call', async () => {
    const bye = nextBye();
    const invite = await send('INVITE', { ...client(), 'X-esl-outbound': `${HOST}:1` }, (await phone()).sdp());
    invite.ack();
    await bye;
  });

  test('requests within the call', async () => {
    const caller = await phone();
    const invite = await send('INVITE', client(), caller.sdp());
    invite.ack();
    await until(() => accepted.length === 1, 'connection');
    const socket = accepted[0]!;
    socket.socket.write('connect\n\n');
    const uuid = (await socket.next()).headers['Unique-ID']!;
    await socket.reply(`event json DTMF`);
    expect((await invite.inDialog('OPTIONS')).status).toBe(200);
    expect((await invite.inDialog('INFO', { 'Content-Type': 'application/dtmf-relay' }, 'Signal=7\r\nDuration=160\r\n')).status).toBe(200);
    expect(JSON.parse((await socket.next()).body)).toMatchObject({ 'Event-Name': 'DTMF', 'Unique-ID': uuid, 'DTMF-Digit': '7', 'DTMF-Duration': '1280' });
    expect((await invite.inDialog('INFO', { 'Content-Type': 'application/x-unknown' }, 'x')).status).toBe(415);
    const update = await invite.inDialog('UPDATE', {}, caller.sdp({ direction: 'sendonly' }));
    expect(update.body.toString()).toContain('a=recvonly');
    const empty = await invite.inDialog('INVITE');
    expect(empty.body.toString()).toMatch(/m=audio \d+ RTP\/AVP 8 0 101/);
    expect((await invite.inDialog('REFER', { 'Refer-To': '<sip:x@example.org>' })).status).toBe(405);
    expect((await invite.inDialog('INVITE', {}, caller.sdp({ payloads: [18] }))).status).toBe(488);
    expect((await invite.inDialog('BYE')).status).toBe(200);
    const last = await socket.next('notice');
    expect(last.headers).toMatchObject({ 'Content-Type': 'text/disconnect-notice', 'Controlled-Session-UUID': uuid, 'Content-Disposition': 'disconnect' });
    await until(() => socket.ended, 'end');
    expect((await invite.inDialog('OPTIONS')).status).toBe(481);
  });

  test('an offer of ours, answered in the ACK', async () => {
    const caller = await phone();
    const invite = await send('INVITE', client());
    expect(invite.response.body.toString()).toMatch(/m=audio \d+ RTP\/AVP 8 0 101/);
    invite.ack(caller.sdp({ payloads: [0, 101] }));
    await until(() => caller.frames.length > 0 || accepted.length === 1, 'connection');
    caller.connect(invite.response.body.toString().replace('RTP/AVP 8 0', 'RTP/AVP 0'));
    await until(() => caller.frames.length > 5, 'audio in the answered codec');
    await invite.inDialog('BYE');
  });

  test('an answer in the ACK that cannot be spoken ends the call', async () => {
    const bye = nextBye();
    const invite = await send('INVITE', client());
    invite.ack('v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 18\r\n');
    expect((await bye).request.get('reason')).toContain('INCOMPATIBLE_DESTINATION');
  });

  test('more calls than ports', async () => {
    const calls = await Promise.all(Array.from({ length: 21 }, async () => send('INVITE', client(), (await phone()).sdp())));
    expect(calls.map((invite) => invite.response.status).sort()).toEqual([...Array<number>(20).fill(200), 503]);
    for (const invite of calls) {
      if (invite.response.status !== 200) continue;
      invite.ack();
      await invite.inDialog('BYE');
    }
  });
});
