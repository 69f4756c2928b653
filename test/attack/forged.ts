/** What an attacker makes of what stands in somebody's log: requests and answers that name a call which is not theirs. */
import { body, header, offer, RawSocket, status, unique, type Address } from '../e2e/raw-sip.js';
import { until } from '../peers/index.js';

/** Where attackers want the voice, below the ports that the system gives out: no message of the gateway may ever name it. */
export const evilHost = '127.0.0.9';
export const evilPort = 9_998;
export const evilOffer = offer(evilPort).replaceAll('127.0.0.1', evilHost);

/** One leg of a call as SIP names it. */
export interface Names {
  readonly invite: string;
  /** Values of From and To, with their tags: of whoever is at the other end, and of the gateway. */
  readonly theirs: string;
  readonly ours: string;
  /** Where the other end sends its requests to. */
  readonly uri: string;
}

export const callIdOf = (text: string): string => header(text, 'Call-ID', 'i');
export const seqOf = (text: string): number => Number.parseInt(header(text, 'CSeq'), 10);
export const isFor = (text: string, callId: string): boolean => callIdOf(text) === callId;
const branchOf = (text: string): string => /branch=([^;,\s]+)/.exec(header(text, 'Via', 'v'))?.[1] ?? '';
const bare = (party: string): string => party.replace(/;tag=.*$/, '');

/** Final answers to one request, which others may have made to look alike: told apart by the branch. */
export const answersTo = (socket: RawSocket, request: string): string[] =>
  socket.heard.map(({ text }) => text).filter((text) => status(text) >= 200 && branchOf(text) === branchOf(request));

/** Sends a request and waits for its own final answer; that of an INVITE which is refused is acknowledged. */
export async function askAlone(socket: RawSocket, request: string, timeoutMs = 6_000): Promise<string> {
  socket.send(request);
  const answer = await until(() => answersTo(socket, request)[0], `the answer to ${request.split('\r\n', 1)[0]} from ${socket.host} by ${socket.protocol}`, timeoutMs, 5);
  if (request.startsWith('INVITE ') && status(answer) >= 300) socket.send(ackOf(request, answer));
  return answer;
}

/** The ACK of a refusal: the INVITE's own branch. */
function ackOf(invite: string, answer: string): string {
  const via = invite.split('\r\n').find((row) => row.startsWith('Via:'))!;
  return `${invite.split('\r\n', 1)[0]!.replace('INVITE', 'ACK')}\r\n${via}\r\nMax-Forwards: 70\r\nFrom: ${header(invite, 'From')}\r\nTo: ${header(answer, 'To', 't')}\r\nCall-ID: ${callIdOf(invite)}\r\nCSeq: ${seqOf(invite)} ACK\r\nContent-Length: 0\r\n\r\n`;
}

/** An INVITE that begins something and has the Call-ID of a leg, and a tag of it. */
export function inviteNamed(socket: RawSocket, names: Names, tag: 'theirs' | 'ours', cseq: number): string {
  const uri = `sip:+31201234567@${socket.target.host}:${socket.target.port}`;
  return socket.request('INVITE', uri, { 'Call-ID': callIdOf(names.invite), From: names[tag], CSeq: `${cseq} INVITE` }, evilOffer);
}

/** How requests within a dialog are forged, by method. `undefined`: nobody answers such a one. */
const forgeries: Record<string, { lines?: (names: Names) => Record<string, string>; content?: string }> = {
  INFO: { lines: () => ({ 'Content-Type': 'application/dtmf-relay' }), content: 'Signal=1\r\nDuration=160\r\n' },
  UPDATE: { content: evilOffer },
  INVITE: { content: evilOffer },
  REFER: { lines: () => ({ 'Refer-To': '<sip:evil@127.0.0.9:9>' }) },
  PRACK: { lines: ({ invite }) => ({ RAck: `1 ${seqOf(invite)} INVITE` }) },
  NOTIFY: { lines: () => ({ Event: 'refer', 'Subscription-State': 'terminated' }) },
  MESSAGE: { lines: () => ({ 'Content-Type': 'text/plain' }), content: 'hello' },
  OPTIONS: {},
  SUBSCRIBE: { lines: () => ({ Event: 'dialog' }) },
  CANCEL: { lines: ({ invite }) => ({ Via: header(invite, 'Via', 'v'), CSeq: `${seqOf(invite)} CANCEL`, To: bare(header(invite, 'To', 't')) }) },
  ACK: { lines: ({ invite }) => ({ CSeq: `${seqOf(invite)} ACK` }), content: evilOffer },
  BYE: {},
};
export const forgedMethods = Object.keys(forgeries);

let seq = 1_000;

/** @param swapped as if the gateway itself had sent it */
export function forged(socket: RawSocket, method: string, names: Names, { swapped = false, content }: { swapped?: boolean; content?: string } = {}): string {
  const { lines, content: usual } = forgeries[method]!;
  const all = { From: swapped ? names.ours : names.theirs, To: swapped ? names.theirs : names.ours, 'Call-ID': callIdOf(names.invite), CSeq: `${(seq += 1)} ${method}`, ...lines?.(names) };
  return socket.request(method, names.uri, all, content ?? usual ?? '');
}

/** Keys of a code, each in an INFO of the call's own name. */
export const forgedKeys = (socket: RawSocket, names: Names, keys: string): string[] =>
  [...keys].map((key) => forged(socket, 'INFO', names, { content: `Signal=${key}\r\nDuration=160\r\n` }));

/** An agent's telephone that rings, and is picked up at once or when it is told to. */
export class AgentPhone {
  /** Calls to it, the newest last. */
  readonly calls: { invite: string; tag: string; answered: boolean; ended: boolean; acknowledged: boolean }[] = [];
  picksUp = true;
  /** What the 200 has in place of what is usual. */
  answer: Record<string, string> = {};
  private constructor(readonly socket: RawSocket, private readonly mediaPort: number) {
    socket.onRequest = (text) => this.hear(text);
  }

  static async open(mediaPort: number, host: string): Promise<AgentPhone> {
    return new AgentPhone(await RawSocket.open({ host: '127.0.0.1', port: 9 }, 0, host), mediaPort);
  }

  get uri(): string {
    return `sip:anna@${this.socket.host}:${this.socket.port}`;
  }

  /** Where its gateway is. */
  set gateway(target: Address) {
    Object.assign(this.socket, { target });
  }

  get last(): AgentPhone['calls'][number] | undefined {
    return this.calls.at(-1);
  }

  pickUp(): void {
    const call = this.last!;
    call.answered = true;
    this.socket.respond(call.invite, '200 OK', this.answer, offer(this.mediaPort), call.tag);
  }

  names(): Names {
    const { invite, tag } = this.last!;
    return { invite, theirs: `${header(invite, 'To', 't')};tag=${tag}`, ours: header(invite, 'From', 'f'), uri: /<([^>]+)>/.exec(header(invite, 'Contact', 'm'))![1]! };
  }

  /** A request of its own within its call. @returns the status */
  async ask(method: string, lines: Record<string, string> = {}, content = ''): Promise<number> {
    const { theirs, ours, uri, invite } = this.names();
    const request = this.socket.request(method, uri, { From: theirs, To: ours, 'Call-ID': callIdOf(invite), CSeq: `${(this.seq += 1)} ${method}`, ...lines }, content);
    return status(await askAlone(this.socket, request));
  }
  private seq = 0;

  private hear(text: string): void {
    const call = this.calls.find(({ invite }) => isFor(text, callIdOf(invite)));
    const method = text.slice(0, text.indexOf(' '));
    if (method === 'ACK') {
      if (call) call.acknowledged = true;
      return;
    }
    if (method === 'INVITE' && !/;tag=/.test(header(text, 'To', 't'))) {
      if (call) return;
      const tag = unique();
      this.calls.push({ invite: text, tag, answered: false, ended: false, acknowledged: false });
      this.socket.respond(text, '180 Ringing', {}, '', tag);
      if (this.picksUp) this.pickUp();
      return;
    }
    if (call && method === 'BYE') call.ended = true;
    this.socket.respond(text, '200 OK', {}, method === 'INVITE' ? offer(this.mediaPort) : '');
    if (call && method === 'CANCEL') {
      call.ended = true;
      this.socket.respond(call.invite, '487 Request Terminated', {}, '', call.tag);
    }
  }

  /** Requests that came for its newest call, without repetitions. */
  get requests(): string[] {
    const callId = callIdOf(this.last!.invite);
    return [...new Set(this.socket.heard.map(({ text }) => text).filter((text) => !text.startsWith('SIP/2.0') && isFor(text, callId)).map((text) => `${text.split(' ', 1)[0]} ${seqOf(text)}`))];
  }

  stop(): Promise<void> {
    return this.socket.stop();
  }
}

/** Requests that somebody got: a peer who has no call gets none. */
export const requestsTo = ({ heard }: RawSocket): string[] => heard.map(({ text }) => text).filter((text) => !text.startsWith('SIP/2.0'));
/** Descriptions that somebody got. */
export const descriptionsTo = ({ heard }: RawSocket): string[] => heard.map(({ text }) => body(text)).filter((content) => content.includes('m=audio'));
