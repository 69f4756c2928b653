/** One trunk that sends calls without end: the other trunk's callers are answered, and citizens get codes. */
import dgram from 'node:dgram';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Peers, sleep } from '../peers/index.js';
import { TestGateway } from '../support/gateway.js';
import { dialled } from '../e2e/support.js';
import { header, offer, status, unique } from '../e2e/raw-sip.js';

/** INVITEs of the flood: five seconds of it, or longer where the machine cannot send so fast. */
const floodCalls = 1_000;
const perTick = 10;
const tickMs = 50;

/** A trunk that acknowledges what it gets and hangs up when it is told to. */
class Trunk {
  readonly answers = new Map<string, number>();
  private readonly accepted: { callId: string; answer: string }[] = [];
  private socket!: dgram.Socket;
  constructor(private readonly host: string, private readonly to: { host: string; port: number }) {}

  async open(): Promise<this> {
    this.socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
    await new Promise<void>((resolve) => this.socket.bind(0, this.host, resolve));
    this.socket.on('message', (data) => this.hear(data.toString('latin1')));
    return this;
  }

  private send(text: string): void {
    this.socket.send(text, this.to.port, this.to.host);
  }

  private message(method: string, cseq: number, callId: string, to = ''): string {
    const { port } = this.socket.address();
    const uri = `sip:${dialled}@${this.to.host}:${this.to.port}`;
    const content = method === 'INVITE' ? offer(40_000).replaceAll('127.0.0.1', this.host) : '';
    const type = content ? 'Content-Type: application/sdp\r\n' : '';
    return `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP ${this.host}:${port};branch=z9hG4bK${unique()};rport\r\nMax-Forwards: 70\r\nFrom: <sip:06@${this.host}>;tag=${callId}\r\nTo: ${to || `<${uri}>`}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq} ${method}\r\nContact: <sip:06@${this.host}:${port}>\r\n${type}Content-Length: ${content.length}\r\n\r\n${content}`;
  }

  invite(): string {
    const callId = unique();
    this.send(this.message('INVITE', 1, callId));
    return callId;
  }

  private hear(text: string): void {
    const callId = header(text, 'Call-ID', 'i');
    if (!text.startsWith('SIP/2.0')) {
      const vias = text.split('\r\n').filter((row) => row.startsWith('Via:')).join('\r\n');
      if (!text.startsWith('ACK ')) this.send(`SIP/2.0 200 OK\r\n${vias}\r\nFrom: ${header(text, 'From')}\r\nTo: ${header(text, 'To')}\r\nCall-ID: ${callId}\r\nCSeq: ${header(text, 'CSeq')}\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    if (status(text) < 200 || !header(text, 'CSeq').endsWith('INVITE')) return;
    const first = !this.answers.has(callId);
    this.answers.set(callId, status(text));
    if (status(text) === 200) {
      this.send(this.message('ACK', 1, callId, header(text, 'To')));
      if (first) this.accepted.push({ callId, answer: text });
    } else {
      const via = text.split('\r\n').find((row) => row.startsWith('Via:'));
      this.send(`ACK sip:${dialled}@${this.to.host} SIP/2.0\r\n${via}\r\nFrom: ${header(text, 'From')}\r\nTo: ${header(text, 'To')}\r\nCall-ID: ${callId}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n`);
    }
  }

  /** Waits for the final answer. */
  async answerTo(callId: string): Promise<number> {
    for (const giveUpAt = Date.now() + 20_000; Date.now() < giveUpAt; await sleep(10)) if (this.answers.has(callId)) return this.answers.get(callId)!;
    return 0;
  }

  hangUp(): void {
    for (const { callId, answer } of this.accepted.splice(0)) this.send(this.message('BYE', 2, callId, header(answer, 'To')));
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.socket.close(() => resolve()));
  }
}

const stage = new Peers();
let gateway: TestGateway;
let busy: Trunk;
let quiet: Trunk;

beforeAll(async () => {
  gateway = stage.add(await TestGateway.start({
    agents: [], calls: { maxCalls: 60 }, alone: true,
    trunks: [{ name: 'busy', addresses: ['127.0.0.2'] }, { name: 'quiet', addresses: ['127.0.0.3'] }],
  }));
  busy = stage.add(await new Trunk('127.0.0.2', gateway.sip).open());
  quiet = stage.add(await new Trunk('127.0.0.3', gateway.sip).open());
});
afterAll(() => stage.stopAll());

it('does not keep the other trunk’s callers from being answered, nor citizens from getting a code', async () => {
  const theirs: Promise<number>[] = [];
  let codes = 0;
  const flood = (async () => {
    for (let sent = 0; sent < floodCalls; sent += perTick) {
      for (let i = 0; i < perTick; i += 1) busy.invite();
      await sleep(tickMs);
    }
  })();
  // Fewer than what is kept for them: a quarter of the calls.
  for (let call = 0; call < 10; call += 1) {
    theirs.push(quiet.answerTo(quiet.invite()));
    codes += (await gateway.startSession()).code.length > 0 ? 1 : 0;
    await sleep(300);
  }
  expect(await Promise.all(theirs)).toEqual(theirs.map(() => 200));
  expect(codes).toBe(10);
  await flood;
  const refused = [...busy.answers.values()].filter((answer) => answer === 503).length;
  expect(refused).toBeGreaterThan(0);
  expect([...busy.answers.values()].filter((answer) => answer === 200).length).toBeLessThanOrEqual(45 + 15);
  expect(await gateway.metric(/^gateway_invites_refused_total\{cause="(trunkFull|tooFast)"\} [1-9]/)).toBeGreaterThan(0);
  busy.hangUp();
  quiet.hangUp();
  await gateway.untilEmpty(30_000);
}, 90_000);
