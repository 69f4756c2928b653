/** A SIP phone that says exactly what a test has it say, over UDP or TCP, and answers in dialogs as a decent phone would. */
import dgram from 'node:dgram';
import net from 'node:net';
import { until } from '../../peers/index.js';
import { Message, tagOf, unique, uriOf, write, type Headers } from './message.js';

export interface Address { host: string; port: number }
export interface Answer { status: number; reason?: string; headers?: Headers; body?: string }
/** How a leg answers a request; undefined: the test answers by itself. */
export type Handler = (request: Message, leg: Leg) => Answer | undefined | Promise<Answer | undefined>;

const sdpType = 'application/sdp';

export class Phone {
  readonly legs = new Map<string, Leg>();
  /** Decides about a new call; the leg is there already. */
  onInvite: ((leg: Leg, invite: Message) => void | Promise<void>) | undefined;
  /** What has been heard outside of any call. */
  readonly strays: Message[] = [];
  problem: unknown;
  private readonly replies = new Map<string, string>();
  private readonly pending = new Map<string, (response: Message) => void>();
  private readonly acks = new Map<string, string>();

  private constructor(readonly host: string, readonly port: number, readonly transport: 'udp' | 'tcp', private readonly put: (text: string, to?: Address) => void, private readonly close: () => void) {}

  /** @param peer where requests go unless told otherwise; a TCP phone keeps one connection to it */
  static async open(peer: Address | undefined, { host = '127.0.0.1', transport = 'udp' } = {}): Promise<Phone> {
     
    let phone: Phone | undefined;
    if (transport === 'udp') {
      const socket = dgram.createSocket('udp4');
      await new Promise<void>((resolve, reject) => { socket.once('error', reject); socket.bind(0, host, resolve); });
      socket.on('error', () => undefined);
      socket.on('message', (bytes, from) => phone?.hear(bytes.toString(), { host: from.address, port: from.port }));
      phone = new Phone(host, socket.address().port, 'udp', (text, to = peer) => { if (to) socket.send(text, to.port, to.host); }, () => socket.close());
      return phone;
    }
    const sockets = new Set<net.Socket>();
    const attach = (socket: net.Socket) => {
      sockets.add(socket);
      let text = '';
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        text += bytes.toString();
        for (;;) {
          text = text.replace(/^(\r\n)+/, '');
          const end = text.indexOf('\r\n\r\n');
          if (end < 0) return;
          const length = Number(/^(?:content-length|l)\s*:\s*(\d+)/im.exec(text.slice(0, end))?.[1] ?? 0);
          if (Buffer.byteLength(text.slice(end + 4)) < length) return;
          const whole = Buffer.from(text).subarray(0, Buffer.byteLength(text.slice(0, end + 4)) + length).toString();
          text = text.slice(whole.length);
          phone?.hear(whole, undefined, socket);
        }
      });
    };
    const server = net.createServer(attach);
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    const line = net.connect({ port: peer!.port, host: peer!.host, localAddress: host });
    await new Promise<void>((resolve, reject) => { line.once('connect', resolve); line.once('error', reject); });
    attach(line);
    phone = new Phone(host, (server.address() as net.AddressInfo).port, 'tcp', (text) => line.write(text), () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return phone;
  }

  stop(): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  get contact(): string {
    return `<sip:phone@${this.host}:${this.port}${this.transport === 'tcp' ? ';transport=tcp' : ''}>`;
  }

  get uri(): string {
    return `sip:agent@${this.host}:${this.port}`;
  }

  /** A new call, not yet dialled: see `Leg.invite`. */
  leg(): Leg {
    const leg = new Leg(this, unique('call'), unique('lt'));
    this.legs.set(leg.callId, leg);
    return leg;
  }

  send(text: string, to?: Address): void {
    this.put(text, to);
  }

  /** Sends a request and gives its responses to a listener until a final one has come. */
  transact(branch: string, text: string, onResponse: (response: Message) => void, to?: Address): void {
    this.pending.set(branch, onResponse);
    this.send(text, to);
  }

  /** What repeats of a 2xx are answered with. */
  rememberAck(branch: string, ack: string): void {
    this.acks.set(branch, ack);
  }

  reply(request: Message, text: string, back?: (text: string) => void): void {
    this.replies.set(request.branch + request.method, text);
    (back ?? this.backTo.get(request) ?? ((each: string) => this.send(each)))(text);
  }

  private readonly backTo = new WeakMap<Message, (text: string) => void>();

  private hear(text: string, from?: Address, socket?: net.Socket): void {
    const message = Message.read(text);
    if (!message) return;
    const back = (each: string) => { if (socket) socket.write(each); else this.send(each, from); };
    const leg = this.legs.get(message.get('call-id'));
    if (message.status !== undefined) {
      const ack = this.acks.get(message.branch);
      if (ack !== undefined && message.status >= 200 && message.method === 'INVITE') return this.send(ack);
      leg?.heard.push(message);
      this.pending.get(message.branch)?.(message);
      return;
    }
    this.backTo.set(message, back);
    const known = this.replies.get(message.branch + message.method);
    if (known !== undefined && message.method !== 'ACK') return back(known);
    if (known === undefined) this.replies.set(message.branch + message.method, '');
    if (leg) {
      leg.heard.push(message);
      void this.guard(leg.serve(message));
    } else if (message.method === 'INVITE' && this.onInvite) {
      const fresh = Leg.of(this, message);
      this.legs.set(fresh.callId, fresh);
      fresh.heard.push(message);
      void this.guard(Promise.resolve(this.onInvite(fresh, message)));
    } else if (message.method !== 'ACK') {
      this.strays.push(message);
      back(write('SIP/2.0 481 Unknown', { Via: message.all('via'), From: message.get('from'), To: message.get('to'), 'Call-ID': message.get('call-id'), CSeq: message.get('cseq') }));
    }
  }

  private async guard(work: Promise<unknown>): Promise<void> {
    await work.catch((error: unknown) => (this.problem ??= error));
  }
}

export interface InviteOptions {
  uri: string;
  sdp?: string;
  type?: string;
  from?: string;
  to?: string;
  via?: string;
  contact?: string;
  headers?: Headers;
  sendTo?: Address;
}

export class Leg {
  readonly heard: Message[] = [];
  readonly handlers: Record<string, Handler> = {};
  from = '';
  to = '';
  target = '';
  routes: string[] = [];
  seq = 100;
  /** Our description as the other side has it, and theirs. */
  localSdp = '';
  remoteSdp = '';
  /** Answers to their offers; default: the same description again, one version higher. */
  describe: (offer: string) => string = () => this.localSdp;
  inviteBranch = '';
  private sendTo: Address | undefined;
  private inviteText: InviteOptions | undefined;
  invited: Message | undefined;

  constructor(readonly phone: Phone, readonly callId: string, readonly tag: string) {}

  /** The called side's view of an INVITE. */
  static of(phone: Phone, invite: Message): Leg {
    const leg = new Leg(phone, invite.get('call-id'), unique('rt'));
    leg.from = `${invite.get('to')};tag=${leg.tag}`;
    leg.to = invite.get('from');
    leg.target = uriOf(invite.get('contact'));
    leg.routes = invite.all('record-route').flatMap((each) => each.split(','));
    leg.remoteSdp = invite.body;
    leg.invited = invite;
    const hop = /@?([\d.]+):(\d+)/.exec(leg.routes[0] ?? leg.target);
    leg.sendTo = hop ? { host: hop[1]!, port: Number(hop[2]) } : undefined;
    return leg;
  }

  /** Dials. @returns the final response; a 2xx has been acknowledged (with `ackBody`, if any) */
  async invite(options: InviteOptions, ackBody?: (response: Message) => string): Promise<Message> {
    const { phone } = this;
    this.inviteText = options;
    this.from = options.from ?? `"Citizen" <sip:+31612345678@${phone.host}:${phone.port}>`;
    this.from += `;tag=${this.tag}`;
    this.to = options.to ?? `<${options.uri}>`;
    this.target = options.uri;
    this.sendTo = options.sendTo;
    this.localSdp = options.sdp ?? '';
    this.inviteBranch = unique('z9hG4bK');
    const final = await this.exchange('INVITE', this.inviteBranch, this.seq, {
      Contact: options.contact ?? phone.contact,
      Allow: 'INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK',
      ...options.headers,
      ...(options.sdp === undefined ? {} : { 'Content-Type': options.type ?? sdpType }),
    }, options.sdp);
    if (final.status! < 300) {
      this.to = final.get('to');
      this.target = uriOf(final.get('contact'));
      this.routes = final.all('record-route').flatMap((each) => each.split(',').map((one) => one.trim())).reverse();
      if (final.body) this.remoteSdp = final.body;
      const body = ackBody?.(final);
      if (body !== undefined) this.localSdp = body;
      this.ack(final, this.inviteBranch, body);
    }
    return final;
  }

  /** Gives up a call that is not answered. */
  cancel(): void {
    const { phone, inviteText } = this;
    phone.send(write(`CANCEL ${inviteText!.uri} SIP/2.0`, {
      Via: this.via(this.inviteBranch), 'Max-Forwards': '70', From: this.from, To: this.to, 'Call-ID': this.callId, CSeq: `${this.seq} CANCEL`,
    }), this.sendTo);
  }

  private via(branch: string): string {
    const { phone, inviteText } = this;
    return `SIP/2.0/${phone.transport.toUpperCase()} ${inviteText?.via ?? `${phone.host}:${phone.port}`};branch=${branch};rport`;
  }

  private exchange(method: string, branch: string, seq: number, headers: Headers, body = ''): Promise<Message> {
    const text = write(`${method} ${this.target} SIP/2.0`, {
      Via: this.via(branch), 'Max-Forwards': '70', ...(this.routes.length > 0 ? { Route: this.routes } : {}), From: this.from, To: this.to, 'Call-ID': this.callId, CSeq: `${seq} ${method}`, ...headers,
    }, body);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${method} got no final response in 20 s`)), 20_000);
      this.phone.transact(branch, text, (response) => {
        if (response.status! < 200) {
          if (response.get('rseq') !== '' && this.autoPrack) this.prack(response);
          return;
        }
        clearTimeout(timer);
        if (method === 'INVITE' && response.status! >= 300) {
          this.phone.send(write(`ACK ${this.target} SIP/2.0`, { Via: this.via(branch), 'Max-Forwards': '70', From: this.from, To: response.get('to'), 'Call-ID': this.callId, CSeq: `${seq} ACK` }), this.sendTo);
        }
        resolve(response);
      }, this.sendTo);
    });
  }

  autoPrack = true;

  private prack(response: Message): void {
    const to = this.to;
    this.to = response.get('to');
    this.target = uriOf(response.get('contact')) || this.target;
    this.seq += 1;
    void this.exchange('PRACK', unique('z9hG4bK'), this.seq, { RAck: `${response.get('rseq')} ${response.get('cseq')}` }).catch(() => undefined);
    this.to = to;
  }

  private ack(final: Message, branch: string, body?: string): void {
    const ack = write(`ACK ${this.target} SIP/2.0`, {
      Via: this.via(unique('z9hG4bK')), 'Max-Forwards': '70', ...(this.routes.length > 0 ? { Route: this.routes } : {}), From: this.from, To: this.to, 'Call-ID': this.callId, CSeq: `${final.seq} ACK`,
      ...(body === undefined ? {} : { 'Content-Type': sdpType }),
    }, body);
    this.phone.rememberAck(branch, ack);
    this.phone.send(ack, this.sendTo);
  }

  /** A request within the dialog. @returns its final response */
  async request(method: string, { headers = {}, body, type = sdpType }: { headers?: Headers; body?: string; type?: string } = {}): Promise<Message> {
    this.seq += 1;
    return this.exchange(method, unique('z9hG4bK'), this.seq, { ...headers, ...(body === undefined ? {} : { 'Content-Type': type }) }, body);
  }

  /** A new offer, or (no `sdp`) a question for theirs, answered by `describe` in the ACK. @returns the final response */
  async reinvite(sdp: string | undefined, { headers = {}, method = 'INVITE' } = {}): Promise<Message> {
    this.seq += 1;
    const branch = unique('z9hG4bK');
    const final = await this.exchange(method, branch, this.seq, { Contact: this.phone.contact, ...headers, ...(sdp === undefined ? {} : { 'Content-Type': sdpType }) }, sdp);
    if (final.status! < 300) {
      if (final.body) this.remoteSdp = final.body;
      let answer: string | undefined;
      if (sdp !== undefined) this.localSdp = sdp;
      else if (method === 'INVITE') this.localSdp = answer = nextVersion(this.describe(final.body), this.localSdp);
      if (method === 'INVITE') this.ack(final, branch, answer);
    }
    return final;
  }

  async bye(headers: Headers = {}): Promise<Message> {
    return this.request('BYE', { headers });
  }

  respond(request: Message, { status, reason = 'Whatever', headers = {}, body }: Answer): void {
    const to = request.get('to');
    this.phone.reply(request, write(`SIP/2.0 ${status} ${reason}`, {
      Via: request.all('via'),
      ...(request.method === 'INVITE' ? { 'Record-Route': request.all('record-route'), Contact: this.phone.contact } : {}),
      From: request.get('from'),
      To: status === 100 || tagOf(to) !== '' ? to : `${to};tag=${this.tag}`,
      'Call-ID': this.callId,
      CSeq: request.get('cseq'),
      ...(body === undefined ? {} : { 'Content-Type': sdpType }),
      ...headers,
    }, body));
  }

  /** Answers the INVITE that made this leg. */
  accept(sdp: string, headers: Headers = {}): void {
    this.localSdp = sdp;
    this.respond(this.invited!, { status: 200, reason: 'OK', headers, body: sdp });
  }

  async serve(request: Message): Promise<void> {
    const handler = this.handlers[request.method] ?? this.defaultHandler;
    const answer = await handler(request, this);
    if (answer && request.method !== 'ACK') this.respond(request, answer);
  }

  readonly defaultHandler: Handler = (request) => {
    if (request.method === 'ACK') {
      if (request.body) this.remoteSdp = request.body;
      return undefined;
    }
    if (request.method === 'CANCEL') {
      this.respond(request, { status: 200, reason: 'OK' });
      if (this.invited && this.localSdp === '') this.respond(this.invited, { status: 487, reason: 'Request Terminated' });
      return undefined;
    }
    if (request.method === 'INVITE' || (request.method === 'UPDATE' && request.body)) {
      if (request.body) this.remoteSdp = request.body;
      const target = uriOf(request.get('contact'));
      if (target) this.target = target;
      this.localSdp = nextVersion(this.describe(request.body), this.localSdp);
      return { status: 200, reason: 'OK', body: this.localSdp };
    }
    return { status: 200, reason: 'OK' };
  };

  /** Waits for the `count`th request of that method, or response of that status to that method. */
  saw(what: string | number, { count = 1, timeoutMs = 8_000 } = {}): Promise<Message> {
    return until(() => this.heard.filter((message) => (typeof what === 'number' ? message.status === what : message.status === undefined && message.method === what))[count - 1], `${what} in ${this.callId} (heard: ${this.heard.map((message) => message.startLine).join(' | ')})`, timeoutMs, 10);
  }

  count(what: string): number {
    return this.heard.filter((message) => message.status === undefined && message.method === what).length;
  }
}

/** The same description under the identity of the one before, one version higher. */
export function nextVersion(sdp: string, previous: string): string {
  const before = /^o=(\S+) (\d+) (\d+)/m.exec(previous);
  return before ? sdp.replace(/^o=\S+ \d+ \d+/m, `o=${before[1]} ${before[2]} ${BigInt(before[3]!) + 1n}`) : sdp;
}
