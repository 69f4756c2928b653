/** drachtio's application protocol frame by frame: what no client library would send, and what several applications share. */
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Deframer, makeFrame } from '../../../gateway/engines/sip-server/frames.js';
import { openSipEngine, type SipEngine } from '../../support/engines.js';
import { ScriptedPhone, sdp, sleep } from './scripted-phone.js';

let engine: SipEngine;
beforeAll(async () => {
  engine = await openSipEngine();
});
afterAll(async () => {
  await engine.close();
});

/** An application that writes its frames by hand. */
class RawApp {
  readonly frames: string[] = [];
  closed = false;
  private serial = 0;

  private constructor(readonly socket: Socket) {
    const deframer = new Deframer(1024 * 1024, (frame) => this.frames.push(frame.toString()));
    socket.on('data', (chunk: Buffer) => deframer.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => (this.closed = true));
  }

  static async open(options: { secret?: string; routes?: string[] } = {}): Promise<RawApp> {
    const socket = connect(engine.admin.port, engine.admin.host);
    socket.setNoDelay(true);
    await once(socket, 'connect');
    const app = new RawApp(socket);
    opened.push(app);
    if (options.secret !== undefined) await app.ask(`authenticate|${options.secret}|`);
    for (const route of options.routes ?? []) await app.ask(`route|${route}`);
    return app;
  }

  send(text: string): string {
    this.serial += 1;
    const id = `m${this.serial}`;
    const lineEnd = text.indexOf('\r\n');
    this.socket.write(lineEnd < 0 ? makeFrame(`${id}|${text}`) : makeFrame(`${id}|${text.slice(0, lineEnd)}`, Buffer.from(text.slice(lineEnd + 2))));
    return id;
  }

  /** Waits for a frame and takes it; undefined when none comes. */
  async next(fits: (frame: string) => boolean, timeoutMs = 3_000): Promise<string | undefined> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const index = this.frames.findIndex(fits);
      if (index >= 0) return this.frames.splice(index, 1)[0];
      if (Date.now() > deadline || (this.closed && timeoutMs > 500)) return undefined;
      await sleep(5);
    }
  }

  /** The answer to a command without its ids: `OK|pong`. */
  async ask(text: string): Promise<string> {
    const id = this.send(text);
    const answer = await this.next((frame) => frame.split('|')[1] === 'response' && frame.split('|')[2]!.split('\r')[0] === id);
    return answer === undefined ? 'nothing' : answer.split('|').slice(3).join('|');
  }

  invite(callId: string, timeoutMs = 1_000): Promise<string | undefined> {
    return this.next((frame) => /\|sip\|network/.test(frame) && frame.includes('\r\nINVITE ') && frame.includes(callId), timeoutMs);
  }
}

const opened: RawApp[] = [];
const phones: ScriptedPhone[] = [];
afterEach(async () => {
  for (const app of opened.splice(0)) app.socket.destroy();
  for (const phone of phones.splice(0)) phone.close();
  await sleep(30);
});

async function phoneUp(protocol: 'udp' | 'tcp' = 'udp'): Promise<ScriptedPhone> {
  const phone = await ScriptedPhone.open(engine.sip, protocol);
  phones.push(phone);
  return phone;
}

describe('connecting', () => {
  it('accepts the secret and says where it listens and which version it is', async () => {
    const app = await RawApp.open();
    const answer = (await app.ask(`authenticate|${engine.secret}|blue,green`)).split('|');
    expect(answer[0]).toBe('OK');
    expect(answer[1]).toContain(`udp/${engine.sip.host}:${engine.sip.port}`);
    expect(answer[1]).toContain(`tcp/${engine.sip.host}:${engine.sip.port}`);
    expect(answer[2]).toMatch(/^v(?:0\.(?:[89]|\d\d)|[1-9])\.?\d*/);
  });

  it('refuses a wrong secret and closes', async () => {
    const app = await RawApp.open();
    expect(await app.ask('authenticate|wrong|')).toBe('NO|incorrect secret');
    await sleep(100);
    expect(app.closed).toBe(true);
  });

  it('answers pings, also before authentication', async () => {
    const app = await RawApp.open();
    expect(await app.ask('ping')).toBe('OK|pong');
  });

  it('closes on an unknown command and on a broken frame', async () => {
    const unknown = await RawApp.open({ secret: engine.secret });
    expect(await unknown.ask('bogus|x')).toBe('NO|Unknown message type');
    await sleep(100);
    expect(unknown.closed).toBe(true);
    const broken = await RawApp.open({ secret: engine.secret });
    broken.socket.write('abc#hello');
    await sleep(150);
    expect(broken.closed).toBe(true);
  });

  it('reads frames cut anywhere and joined', async () => {
    const app = await RawApp.open({ secret: engine.secret });
    for (const piece of ['8', '#a01|', 'ping8#a02|ping8#a03|pi', 'ng']) {
      app.socket.write(piece);
      await sleep(20);
    }
    for (const id of ['a01', 'a02', 'a03']) expect(await app.next((frame) => frame.includes(`|${id}|OK|pong`))).toBeDefined();
  });

  it('takes nothing but ping before authentication', async () => {
    if (!engine.embedded) return;
    const app = await RawApp.open();
    expect(await app.ask('route|invite')).toBe('NO|not authenticated');
    const phone = await phoneUp();
    phone.invite(phone.call());
    await phone.expect(503);
  });
});

describe('refusals', () => {
  const refusals: Array<[command: string, answer: string]> = [
    ['sip|nosuchtxn|\r\nSIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n', 'NOK|Response not sent due to unknown transaction'],
    ['sip|nosuchtxn|\r\nSIP/2.0 200 OK\r\nCSeq: 1 CANCEL\r\n\r\n', 'NOK|200 OK to incoming CANCEL is automatically generated by the stack'],
    ['sip||nosuchdialog\r\nBYE sip:placeholder SIP/2.0\r\n\r\n', 'NOK|Server error: unable to find dialog for dialog id provided'],
    ['sip||nosuchdialog\r\nACK sip:placeholder SIP/2.0\r\n\r\n', 'NOK|Server error: ACK for non-success final response is automatically generated by server'],
    ['sip|nosuchtxn|\r\nCANCEL sip:foo@127.0.0.2 SIP/2.0\r\n\r\n', 'NOK|unable to cancel unknown transaction id: nosuchtxn'],
    ['sip||\r\nOPTIONS sip:SELF SIP/2.0\r\n\r\n', 'NOK|can not send request to myself'],
    ['sip||\r\nOPTIONS foo:bar SIP/2.0\r\n\r\n', 'NOK|invalid request-uri: OPTIONS foo:bar SIP/2.0'],
    ['sip||\r\nFROB sip:127.0.0.1:9 SIP/2.0\r\n\r\n', 'NOK|invalid request-uri: FROB sip:127.0.0.1:9 SIP/2.0'],
    ['sip||\r\nOPTIONS sip:127.0.0.1:9;transport=tls SIP/2.0\r\n\r\n', 'NOK|requested protocol/transport not available'],
    ['sip||\r\nMESSAGE sip:127.0.0.1:9 SIP/2.0\r\n\r\nhello', 'NOK|missing content-type'],
  ];
  it.each(refusals)('%j', async (command, answer) => {
    const app = await RawApp.open({ secret: engine.secret });
    expect(await app.ask(command.replace('SELF', `${engine.sip.host}:${engine.sip.port}`))).toBe(answer);
  });
});

describe('several applications', () => {
  it('get new calls in turn, and the rest when one is gone', async () => {
    const [a, b] = [await RawApp.open({ secret: engine.secret, routes: ['invite'] }), await RawApp.open({ secret: engine.secret, routes: ['invite', 'invite'] })];
    const phone = await phoneUp();
    const takers: string[] = [];
    const one = async (): Promise<void> => {
      const call = phone.call();
      phone.invite(call);
      const found = await Promise.race([a, b].map(async (app) => {
        const frame = await app.invite(call.callId, 1_500);
        return frame === undefined ? new Promise<never>(() => undefined) : { app, frame };
      }));
      takers.push(found.app === a ? 'a' : 'b');
      await found.app.ask(`sip|${found.frame.split('|')[8]}|\r\nSIP/2.0 480 No\r\n\r\n`);
      phone.ackFailure(call, await phone.expect('480 INVITE'));
    };
    for (let n = 0; n < 4; n += 1) await one();
    if (engine.embedded) expect([...takers].sort()).toEqual(['a', 'a', 'b', 'b']);
    a.socket.destroy();
    await sleep(100);
    takers.length = 0;
    for (let n = 0; n < 2; n += 1) await one();
    expect(takers).toEqual(['b', 'b']);
  });

  it('lets a second application end a call whose own is gone', async () => {
    const first = await RawApp.open({ secret: engine.secret, routes: ['invite'] });
    const phone = await phoneUp();
    const call = phone.call();
    phone.invite(call);
    const frame = (await first.invite(call.callId))!;
    const echo = (await first.ask(`sip|${frame.split('|')[8]}|\r\nSIP/2.0 200 OK\r\nContent-Type: application/sdp\r\n\r\n${sdp()}`)).split('|');
    phone.learn(call, await phone.expect('200 INVITE'));
    phone.ack(call);
    await sleep(50);
    first.socket.destroy();
    const second = await RawApp.open({ secret: engine.secret });
    expect(await second.ask(`sip||${echo[8]}\r\nBYE sip:placeholder SIP/2.0\r\n\r\n`)).toMatch(/^OK\|/);
    phone.respond(await phone.expect('BYE'), 200, 'OK');
    expect(await second.next((text) => text.includes('SIP/2.0 200 OK'))).toBeDefined();
  });

  it('stops routing a method that was taken back', async () => {
    const app = await RawApp.open({ secret: engine.secret, routes: ['options'] });
    const phone = await phoneUp();
    expect(await app.ask('remove_route|options')).toBe('OK');
    phone.request('OPTIONS', phone.call());
    await phone.expect('503 OPTIONS');
  });
});

describe('what the server fills in', () => {
  it('resolves localhost, keeps foreign names, drops what is not the application\'s to set', async () => {
    const app = await RawApp.open({ secret: engine.secret });
    const phone = await phoneUp();
    app.send(`sip||\r\nINVITE ${phone.uri} SIP/2.0\r\nFrom: "A" <sip:a@localhost>;foo=bar\r\nContact: <sip:c@localhost;x=y>\r\nP-Asserted-Identity: <sip:pai@localhost>\r\n` +
      'X-Local: sip:x@localhost\r\nmy-header: 2\r\nx-lower-case: 1\r\nVia: SIP/2.0/UDP 1.2.3.4\r\nRoute: <sip:9.9.9.9;lr>\r\nRecord-Route: <sip:9.9.9.9;lr>\r\n\r\n');
    const invite = await phone.expect('INVITE');
    const self = `${engine.sip.host}:${engine.sip.port}`;
    expect(invite.get('from')).toMatch(new RegExp(`^"A" <sip:a@${self}>;foo=bar;tag=.+`));
    expect(invite.get('contact')).toBe(`<sip:c@${self};x=y>`);
    expect(invite.get('p-asserted-identity')).toBe(`<sip:pai@${self}>`);
    expect(invite.get('x-local')).toBe('sip:x@localhost');
    expect(invite.entries().map(({ name }) => name)).toEqual(expect.arrayContaining(['My-Header', 'x-lower-case']));
    expect(invite.getAll('via')).toHaveLength(1);
    expect(invite.has('route')).toBe(false);
    expect(invite.has('record-route')).toBe(false);
    expect(invite.get('max-forwards')).toBe('70');
    phone.respond(invite, 480, 'No');
    await phone.expect('ACK');
  });

  it('answers where the request came from when rport asks for it, and where Via says when not', async () => {
    const app = await RawApp.open({ secret: engine.secret, routes: ['options'] });
    const phone = await phoneUp();
    const other = await phoneUp();
    const answer = async (): Promise<void> => {
      const frame = await app.next((text) => text.includes('\r\nOPTIONS '));
      await app.ask(`sip|${frame!.split('|')[8]}|\r\nSIP/2.0 200 OK\r\n\r\n`);
    };
    phone.request('OPTIONS', phone.call(), { via: 'SIP/2.0/UDP 10.9.9.9:5070;rport;branch=z9hG4bKwithrport' });
    await answer();
    const via = (await phone.expect('200 OPTIONS')).get('via')!;
    expect(via).toContain(`rport=${phone.port}`);
    expect(via).toContain('received=127.0.0.1');
    if (!engine.embedded) return;
    phone.request('OPTIONS', phone.call(), { via: `SIP/2.0/UDP 127.0.0.1:${other.port};branch=z9hG4bKwithoutrport` });
    await answer();
    await other.expect('200 OPTIONS');
  });

  it('counts bytes, not characters', async () => {
    const app = await RawApp.open({ secret: engine.secret, routes: ['message'] });
    const phone = await phoneUp();
    const body = 'grüße \u{1f600} '.repeat(50);
    phone.request('MESSAGE', phone.call(), { body, type: 'text/plain' });
    const frame = (await app.next((text) => text.includes('\r\nMESSAGE ')))!;
    expect(frame.endsWith(body)).toBe(true);
    await app.ask(`sip|${frame.split('|')[8]}|\r\nSIP/2.0 200 OK\r\nContent-Type: text/plain\r\n\r\n${body}`);
    expect((await phone.expect('200 MESSAGE')).body.toString()).toBe(body);
  });
});

describe('with the timers of RFC 3261', () => {
  it('repeats a 200 until its ACK comes, and sends a request once on TCP', async () => {
    const app = await RawApp.open({ secret: engine.secret, routes: ['invite'] });
    const phone = await phoneUp();
    const call = phone.call();
    const text = phone.invite(call);
    const frame = (await app.invite(call.callId))!;
    phone.send(text);
    phone.send(text);
    await app.ask(`sip|${frame.split('|')[8]}|\r\nSIP/2.0 200 OK\r\n\r\n`);
    phone.learn(call, await phone.expect('200 INVITE'));
    await phone.expect('200 INVITE');
    await phone.expect('200 INVITE');
    phone.ack(call);
    await app.next((text) => text.includes('\r\nACK '));
    const before = phone.heard.length;
    await sleep(2_500);
    expect(phone.heard.length).toBe(before);
    expect(app.frames.filter((text) => text.includes('\r\nINVITE '))).toHaveLength(0);
    phone.later('BYE', call);
    const bye = (await app.next((text) => text.includes('\r\nBYE ')))!;
    await app.ask(`sip|${bye.split('|')[8]}|\r\nSIP/2.0 200 OK\r\n\r\n`);
    await phone.expect('200 BYE');
  });
});

describe('session timers', () => {
  it('agrees to an interval of 90 seconds or more, refuses a refresh with less', async () => {
    const app = await RawApp.open({ secret: engine.secret, routes: ['invite'] });
    const phone = await phoneUp();
    const call = phone.call();
    phone.invite(call, { headers: { 'Session-Expires': '30;refresher=uas', Supported: 'timer' } });
    const frame = (await app.invite(call.callId))!;
    await app.ask(`sip|${frame.split('|')[8]}|\r\nSIP/2.0 200 OK\r\nContent-Type: application/sdp\r\n\r\n${sdp()}`);
    const ok = await phone.expect('200 INVITE');
    expect(ok.get('session-expires')).toBe('90;refresher=uas');
    phone.learn(call, ok);
    phone.ack(call);
    const text = phone.later('INVITE', call, { body: sdp(), headers: { 'Session-Expires': '30' } });
    const refusal = await phone.expect('422 INVITE');
    expect(refusal.get('min-se')).toBe('90');
    phone.request('ACK', call, { branch: /branch=([^;\r]+)/.exec(text)![1]! });
    phone.later('BYE', call);
    const bye = (await app.next((other) => other.includes('\r\nBYE ')))!;
    await app.ask(`sip|${bye.split('|')[8]}|\r\nSIP/2.0 200 OK\r\n\r\n`);
    await phone.expect('200 BYE');
  });
});
