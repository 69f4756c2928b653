/** A SIP endpoint that does exactly what a test tells it, right or wrong, and keeps what it hears. */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { SipMessage, parseNameAddr } from '../../../gateway/engines/sip-stack/index.js';
import { StreamFramer } from '../../../gateway/engines/sip-stack/stream-framer.js';
import type { Address } from '../../support/engines.js';

/** In small steps: on a machine that stands still for a moment there is time between one thing and the next all the same. */
export async function sleep(ms: number): Promise<void> {
  const stepMs = 10;
  for (let left = ms; left > 0; left -= stepMs) await new Promise<void>((resolve) => { setTimeout(resolve, Math.min(left, stepMs)); });
}

/** Does something after a while, as `sleep` counts it. */
export function afterMs(ms: number, act: () => void): void {
  void sleep(ms).then(act);
}

export const sdp = (port = 4000): string =>
  `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n`;

let serial = 0;
const unique = (prefix: string): string => `${prefix}${(serial += 1)}x${Math.random().toString(36).slice(2, 10)}`;

/** The phone's side of one call. */
export interface PhoneCall {
  readonly callId: string;
  /** From and To of the phone's requests. */
  readonly local: string;
  remote: string;
  target: string;
  seq: number;
  branch: string;
}

export interface RequestParts {
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly type?: string;
  readonly branch?: string;
  readonly seq?: number;
  readonly contact?: false;
  readonly via?: string;
}

type Wanted = string | number | ((message: SipMessage) => boolean);

export class ScriptedPhone {
  /** Everything received, as text. */
  readonly heard: string[] = [];
  /** Sees every request as it comes, besides the inbox. */
  onRequest: ((request: SipMessage) => void) | undefined;
  private readonly inbox: Array<{ message: SipMessage; from: RemoteInfo | undefined }> = [];
  private readonly waiting = new Set<() => void>();
  private readonly tag = unique('tt');

  private constructor(
    private readonly server: Address,
    readonly port: number,
    private readonly transport: { udp?: UdpSocket; tcp?: Socket },
  ) {}

  static async open(server: Address, protocol: 'udp' | 'tcp' = 'udp'): Promise<ScriptedPhone> {
    if (protocol === 'tcp') {
      const tcp = connect(server.port, server.host);
      await once(tcp, 'connect');
      const phone = new ScriptedPhone(server, tcp.localPort!, { tcp });
      const framer = new StreamFramer({ maxMessageBytes: 65_535 }, (bytes) => phone.receive(bytes, undefined));
      tcp.on('data', (chunk: Buffer) => framer.push(chunk));
      tcp.on('error', () => undefined);
      return phone;
    }
    const udp = createSocket('udp4').bind(0, '127.0.0.1');
    await once(udp, 'listening');
    const phone = new ScriptedPhone(server, udp.address().port, { udp });
    udp.on('message', (bytes, from) => phone.receive(bytes, from));
    return phone;
  }

  get uri(): string {
    return `sip:phone@127.0.0.1:${this.port}${this.transport.tcp === undefined ? '' : ';transport=tcp'}`;
  }

  private receive(bytes: Buffer, from: RemoteInfo | undefined): void {
    // A keep-alive is not a message.
    if (bytes.length <= 4) return;
    this.heard.push(bytes.toString());
    const message = SipMessage.parse(bytes);
    this.inbox.push({ message, from });
    if (message.isRequest) this.onRequest?.(message);
    for (const wake of [...this.waiting]) wake();
  }

  /** Sends text as it is. */
  send(text: string): void {
    if (this.transport.tcp !== undefined) this.transport.tcp.write(text);
    else this.transport.udp!.send(text, this.server.port, this.server.host);
  }

  /** Waits for `INVITE`, `200`, `'200 BYE'` or what a function says; takes it from the inbox. Rejects when it does not come. */
  async expect(wanted: Wanted, timeoutMs = 5_000): Promise<SipMessage> {
    const found = await this.maybe(wanted, timeoutMs);
    if (found === undefined) throw new Error(`the phone waited for ${String(wanted)} and heard ${this.heard.map((text) => text.split('\r\n')[0]).join(', ') || 'nothing'}`);
    return found;
  }

  /** Like {@link expect}, undefined when nothing comes. */
  async maybe(wanted: Wanted, timeoutMs = 5_000): Promise<SipMessage | undefined> {
    const fits = (message: SipMessage): boolean => {
      if (typeof wanted === 'function') return wanted(message);
      if (typeof wanted === 'number') return message.status === wanted;
      const [first, method] = wanted.split(' ');
      return method === undefined ? message.method === first : message.status === Number(first) && message.cseq?.method === method;
    };
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const index = this.inbox.findIndex(({ message }) => fits(message));
      if (index >= 0) return this.inbox.splice(index, 1)[0]!.message;
      const left = deadline - Date.now();
      if (left <= 0) return undefined;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, left);
        this.waiting.add(wake);
      });
    }
  }

  /** A call this phone is about to make. */
  call(): PhoneCall {
    return {
      callId: unique('call'), local: `<${this.uri}>;tag=${unique('ft')}`, remote: `<sip:service@${this.server.host}>`,
      target: `sip:service@${this.server.host}:${this.server.port}`, seq: 1, branch: `z9hG4bK${unique('b')}`,
    };
  }

  request(method: string, call: PhoneCall, parts: RequestParts = {}): string {
    const protocol = this.transport.tcp === undefined ? 'UDP' : 'TCP';
    const message = SipMessage.request(method, call.target, {
      Via: parts.via ?? `SIP/2.0/${protocol} 127.0.0.1:${this.port};branch=${parts.branch ?? call.branch}`,
      'Max-Forwards': '70', From: call.local, To: call.remote, 'Call-ID': call.callId, CSeq: `${parts.seq ?? call.seq} ${method}`,
      Contact: parts.contact === false || ['ACK', 'BYE', 'CANCEL', 'PRACK'].includes(method) ? undefined : `<${this.uri}>`,
      'Content-Type': parts.body === undefined ? undefined : (parts.type ?? 'application/sdp'),
      ...parts.headers,
    }, parts.body);
    const text = message.toString();
    this.send(text);
    return text;
  }

  invite(call: PhoneCall, parts: RequestParts = {}): string {
    return this.request('INVITE', call, { body: sdp(), ...parts });
  }

  /** A later request of the call, with its own branch and number. */
  later(method: string, call: PhoneCall, parts: RequestParts = {}): string {
    call.seq += 1;
    return this.request(method, call, { branch: `z9hG4bK${unique('n')}`, ...parts });
  }

  ack(call: PhoneCall, parts: RequestParts = {}): string {
    return this.request('ACK', call, { branch: `z9hG4bK${unique('k')}`, ...parts });
  }

  /** The ACK of a failure: same branch, To of the response. */
  ackFailure(call: PhoneCall, response: SipMessage): void {
    this.request('ACK', { ...call, remote: response.get('to')! });
  }

  /** Takes tag and target from an answer. */
  learn(call: PhoneCall, answer: SipMessage): void {
    call.remote = answer.get('to')!;
    const contact = answer.get('contact');
    if (contact !== undefined) call.target = parseNameAddr(contact)!.uri;
  }

  /** Answers a request. */
  respond(request: SipMessage, status: number, reason: string, parts: { headers?: Record<string, string | string[]>; body?: string; contact?: false } = {}): void {
    const response = SipMessage.response(request, status, reason, status > 100 ? this.tag : undefined);
    for (const [name, value] of Object.entries(parts.headers ?? {})) {
      response.remove(name);
      for (const one of typeof value === 'string' ? [value] : value) response.add(name, one);
    }
    if (parts.contact !== false && ['INVITE', 'SUBSCRIBE'].includes(request.method!) && status > 100 && status < 300) response.set('Contact', `<${this.uri}>`);
    if (parts.body !== undefined) {
      response.set('Content-Type', 'application/sdp');
      response.body = Buffer.from(parts.body);
    }
    this.send(response.toString());
  }

  /** The phone's view of a call it answered. */
  answeredCall(invite: SipMessage): PhoneCall {
    return {
      callId: invite.callId, local: `${invite.get('to')!};tag=${this.tag}`, remote: invite.get('from')!,
      target: parseNameAddr(invite.get('contact')!)!.uri, seq: 100, branch: `z9hG4bK${unique('b')}`,
    };
  }

  close(): void {
    this.transport.tcp?.destroy();
    this.transport.udp?.close();
  }
}
