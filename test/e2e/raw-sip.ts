/** SIP by hand, for peers that do what no well-behaved phone does. Nothing is repaired or checked on the way. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { until } from '../peers/index.js';

export interface Address { readonly host: string; readonly port: number }

export interface RawMessage { readonly text: string; readonly atMs: number; readonly from: Pick<dgram.RemoteInfo, 'address' | 'port'> }

let serial = Math.floor(Math.random() * 1e9);
export const unique = (): string => (serial += 1).toString(36);

/** First value of a header, by its full or short name; '' when it is not there. */
export function header(text: string, name: string, short = name): string {
  return new RegExp(`^(?:${name}|${short})[ \\t]*:[ \\t]*(.*?)\\r?$`, 'im').exec(text)?.[1] ?? '';
}

export const status = (text: string): number => Number(/^SIP\/2\.0 (\d{3})/.exec(text)?.[1] ?? 0);
export const body = (text: string): string => text.slice(text.indexOf('\r\n\r\n') + 4);

/** Audio in A-law with telephone-event 101, at the given port. */
export const offer = (port: number, lines = ''): string =>
  `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n${lines}`;

/** What carries the messages of a {@link RawSocket}. */
interface Wire {
  readonly port: number;
  onMessage: (text: string, from: RawMessage['from']) => void;
  send(data: Buffer, to: Address): void;
  close(): Promise<void>;
}

async function udpWire(port: number, host: string): Promise<Wire> {
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  socket.bind(port, host);
  await once(socket, 'listening');
  socket.on('error', () => undefined);
  const wire: Wire = {
    port: socket.address().port, onMessage: () => undefined,
    send: (data, to) => socket.send(data, to.port, to.host),
    close: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  };
  socket.on('message', (data, from) => wire.onMessage(data.toString('latin1'), from));
  return wire;
}

async function tcpWire(target: Address, host: string, closed: () => void): Promise<Wire> {
  const socket = net.connect({ ...target, localAddress: host, noDelay: true });
  await once(socket, 'connect');
  const from = { address: target.host, port: target.port };
  const wire: Wire = {
    port: socket.localPort!, onMessage: () => undefined,
    send: (data) => void (socket.writable && socket.write(data)),
    close: () => Promise.resolve(void socket.destroy()),
  };
  let waiting = '';
  socket.setEncoding('latin1');
  socket.on('data', (data: string) => {
    waiting += data;
    for (;;) {
      waiting = waiting.replace(/^(?:\r\n)+/, '');
      const end = waiting.indexOf('\r\n\r\n') + 4;
      const length = end + Number(header(waiting.slice(0, end), 'Content-Length', 'l'));
      if (end < 4 || waiting.length < length) return;
      wire.onMessage(waiting.slice(0, length), from);
      waiting = waiting.slice(length);
    }
  });
  socket.on('error', () => undefined);
  socket.on('close', closed);
  return wire;
}

/** A UDP socket or a TCP connection that keeps what it hears. */
export class RawSocket {
  readonly heard: RawMessage[] = [];
  /** Called with each request that comes in; nothing is answered otherwise. */
  onRequest: ((text: string) => void) | undefined;
  /** The connection was closed by the other side. */
  closed = false;
  private wire!: Wire;
  private constructor(readonly protocol: 'udp' | 'tcp', readonly target: Address, readonly host: string) {}

  static async open(target: Address, port = 0, host = '127.0.0.1'): Promise<RawSocket> {
    return new RawSocket('udp', target, host).on(await udpWire(port, host));
  }

  /** A TCP connection to the target. @param host the address that it comes from */
  static async connect(target: Address, host = '127.0.0.1'): Promise<RawSocket> {
    const socket = new RawSocket('tcp', target, host);
    return socket.on(await tcpWire(target, host, () => (socket.closed = true)));
  }

  private on(wire: Wire): this {
    this.wire = wire;
    wire.onMessage = (text, from) => {
      if (this.heard.length < 5_000) this.heard.push({ text, atMs: Date.now(), from });
      if (!text.startsWith('SIP/2.0')) this.onRequest?.(text);
    };
    return this;
  }

  get port(): number {
    return this.wire.port;
  }

  /** Where it says that it can be reached. */
  get contact(): string {
    return `<sip:raw@${this.host}:${this.port}${this.protocol === 'tcp' ? ';transport=tcp' : ''}>`;
  }

  /** @param to of datagrams */
  send(data: string | Buffer, to: Address = this.target): void {
    this.wire.send(typeof data === 'string' ? Buffer.from(data, 'latin1') : data, to);
  }

  /** Waits for a message that this function likes. */
  async saw(what: string, likes: (text: string) => boolean, timeoutMs = 6_000): Promise<string> {
    return (await until(() => this.heard.find(({ text }) => likes(text)), `${what}; heard: ${this.heard.map(({ text }) => text.split('\r\n', 1)[0]).join(' | ')}`, timeoutMs, 10)).text;
  }

  /** A request without gaps, from this socket. */
  request(method: string, uri: string, lines: Record<string, string>, content = ''): string {
    const all: Record<string, string> = {
      Via: `SIP/2.0/${this.protocol.toUpperCase()} ${this.host}:${this.port};branch=z9hG4bK-${unique()};rport`,
      'Max-Forwards': '70',
      From: `<sip:0612345678@${this.host}:${this.port}>;tag=${unique()}`,
      To: `<${uri}>`,
      'Call-ID': `${unique()}@raw`,
      CSeq: `1 ${method}`,
      Contact: this.contact,
      ...(content && !('Content-Type' in lines) ? { 'Content-Type': 'application/sdp' } : {}),
      ...lines,
      'Content-Length': lines['Content-Length'] ?? String(Buffer.byteLength(content, 'latin1')),
    };
    const head = Object.entries(all).filter(([, value]) => value !== '').map(([name, value]) => `${name}: ${value}`);
    return `${method} ${uri} SIP/2.0\r\n${head.join('\r\n')}\r\n\r\n${content}`;
  }

  /** Sends a request and waits for its final response. */
  async ask(text: string, timeoutMs = 6_000): Promise<string> {
    this.send(text);
    return this.finalFor(text, timeoutMs);
  }

  finalFor(text: string, timeoutMs = 6_000): Promise<string> {
    const callId = header(text, 'Call-ID', 'i');
    const cseq = header(text, 'CSeq').replace(/\s+/g, ' ').trim();
    return this.saw(`the answer to ${text.split('\r\n', 1)[0]?.slice(0, 80)}`, (heard) => status(heard) >= 200 && header(heard, 'Call-ID', 'i') === callId && header(heard, 'CSeq').replace(/\s+/g, ' ').trim() === cseq, timeoutMs);
  }

  /** A response with what RFC 3261 section 8.2.6 wants copied. */
  respond(request: string, line: string, lines: Record<string, string> = {}, content = '', tag: string | undefined = 'raw'): void {
    const vias = request.split('\r\n').filter((row) => /^(via|v)[ \t]*:/i.test(row));
    const to = header(request, 'To', 't');
    const rows = [
      `SIP/2.0 ${line}`, ...vias, `From: ${header(request, 'From', 'f')}`, `To: ${to}${tag === undefined || /;tag=/i.test(to) ? '' : `;tag=${tag}`}`,
      `Call-ID: ${header(request, 'Call-ID', 'i')}`, `CSeq: ${header(request, 'CSeq')}`, `Contact: ${lines['Contact'] ?? this.contact}`,
      ...(content && !('Content-Type' in lines) ? ['Content-Type: application/sdp'] : []),
      ...Object.entries(lines).filter(([name]) => name !== 'Contact').map(([name, value]) => `${name}: ${value}`), `Content-Length: ${Buffer.byteLength(content, 'latin1')}`,
    ];
    this.send(`${rows.filter((row) => row !== 'Contact: ').join('\r\n')}\r\n\r\n${content}`);
  }

  stop(): Promise<void> {
    return this.wire.close();
  }
}

/** A call that was answered, from the caller's side; BYE and re-INVITE of the other side are answered 200. */
export class RawCall {
  private cseq = 1;
  private constructor(readonly socket: RawSocket, readonly media: RawSocket, readonly invite: string, readonly answer: string, readonly remoteMedia: Address) {}

  /** @param change what is different in the INVITE */
  static async make(socket: RawSocket, media: RawSocket, user: string, change: Record<string, string> = {}, content = offer(media.port), acknowledge = true): Promise<RawCall> {
    const uri = `sip:${user}@${socket.target.host}:${socket.target.port}`;
    const invite = socket.request('INVITE', uri, change, content);
    const answer = await socket.ask(invite, 10_000);
    if (status(answer) !== 200) throw new Error(`refused: ${answer.split('\r\n', 1)[0]}`);
    const port = Number(/^m=audio (\d+)/m.exec(body(answer))?.[1] ?? 0);
    const call = new RawCall(socket, media, invite, answer, { host: /^c=IN IP4 (\S+)/m.exec(body(answer))?.[1] ?? '127.0.0.1', port });
    socket.onRequest = (text) => {
      if (header(text, 'Call-ID', 'i') !== header(invite, 'Call-ID', 'i')) return;
      if (text.startsWith('BYE ')) socket.respond(text, '200 OK');
      if (text.startsWith('INVITE ')) socket.respond(text, '200 OK', {}, offer(media.port));
    };
    if (acknowledge) call.acknowledge();
    return call;
  }

  acknowledge(cseq = 1, content = ''): void {
    this.socket.send(this.text('ACK', {}, content, cseq));
  }

  /** A request within the dialog, unsent. */
  text(method: string, lines: Record<string, string> = {}, content = '', cseq?: number): string {
    const contact = /<([^>]+)>/.exec(header(this.answer, 'Contact', 'm'))?.[1] ?? `sip:x@${this.socket.target.host}:${this.socket.target.port}`;
    return this.socket.request(method, contact, {
      From: header(this.invite, 'From', 'f'), To: header(this.answer, 'To', 't'), 'Call-ID': header(this.invite, 'Call-ID', 'i'), CSeq: `${cseq ?? (this.cseq += 1)} ${method}`, ...lines,
    }, content);
  }

  /** @returns the status of the final response */
  async ask(method: string, lines: Record<string, string> = {}, content = ''): Promise<number> {
    const request = this.text(method, lines, content);
    const answer = await this.socket.ask(request);
    if (method === 'INVITE') {
      const cseq = Number.parseInt(header(request, 'CSeq'), 10);
      if (status(answer) === 200) this.acknowledge(cseq, content ? '' : offer(this.media.port));
      else this.socket.send(request.replace(/^INVITE /, 'ACK ').replace(/^CSeq:.*$/m, `CSeq: ${cseq} ACK`).replace(/^To:.*$/m, `To: ${header(answer, 'To', 't')}`).replace(/\r\n\r\n[\s\S]*$/, '\r\n\r\n').replace(/^Content-Length:.*$/m, 'Content-Length: 0'));
    }
    return status(answer);
  }

  /** Presses keys by SIP INFO. */
  async press(keys: string): Promise<void> {
    for (const key of keys) await this.ask('INFO', { 'Content-Type': 'application/dtmf-relay' }, `Signal=${key}\r\nDuration=160\r\n`);
  }

  /** True when the other side has ended the call. */
  get ended(): boolean {
    return this.socket.heard.some(({ text }) => text.startsWith('BYE ') && header(text, 'Call-ID', 'i') === header(this.invite, 'Call-ID', 'i'));
  }

  hangup(): Promise<number> {
    return this.ask('BYE');
  }
}
