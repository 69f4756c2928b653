/** SIP for many phones on one socket: just enough of dialogs to call, be called, be re-invited and hang up. */
import { SipMessage, SipStack, newCallId, newTag, parseNameAddr, type ServerTransaction } from '../../../gateway/engines/sip-stack/index.js';

/** Longest wait for an answer to an INVITE or a BYE, in ms. */
const answerMs = 15_000;

export class PhoneDialog {
  ended = false;
  onEnd: (() => void) | undefined;
  /** The other side said something by INFO. */
  onInfo: ((text: string) => void) | undefined;
  /** How a transfer that this phone asked for goes: the status line of each NOTIFY (RFC 3515). */
  onTransfer: ((line: string) => void) | undefined;
  private sequence: number;

  constructor(
    private readonly phones: SipPhones,
    private readonly parts: { callId: string; local: string; remote: string; target: string; routes: readonly string[]; sequence: number },
    /** Description of the other side. */
    readonly remoteSdp: string,
    readonly localSdp: string,
  ) {
    this.sequence = parts.sequence;
    phones.dialogs.set(parts.callId, this);
  }

  /** Hangs up. @returns whether the other side said yes */
  bye(): Promise<boolean> {
    if (this.ended) return Promise.resolve(true);
    const said = this.request('BYE');
    this.end();
    return said;
  }

  /** Presses keys by INFO, until they are through or the call is over. */
  async press(keys: string): Promise<void> {
    for (const key of keys) if (!this.ended) await this.request('INFO', { 'Content-Type': 'application/dtmf-relay' }, `Signal=${key}\r\nDuration=160\r\n`);
  }

  /** Asks for the call to be passed on, blind. @returns whether that is being tried; `onTransfer` tells how it ends */
  refer(target: string): Promise<boolean> {
    if (this.ended) return Promise.resolve(false);
    return this.request('REFER', { Contact: this.phones.contact, 'Refer-To': `<${target}>`, 'Referred-By': this.phones.contact });
  }

  private request(method: string, headers: Record<string, string> = {}, body = ''): Promise<boolean> {
    const { callId, local, remote, target, routes } = this.parts;
    const request = SipMessage.request(method, target, {
      'Max-Forwards': '70', From: local, To: remote, 'Call-ID': callId, CSeq: `${++this.sequence} ${method}`, ...(routes.length > 0 ? { Route: routes } : {}), ...headers,
    }, body);
    return new Promise((resolve) => {
      this.phones.stack.request(request, { onFinal: (response) => {
        this.phones.onMessage?.(response);
        resolve(response.status! < 300);
      } });
    });
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.phones.dialogs.delete(this.parts.callId);
    this.onEnd?.();
  }

  handle(transaction: ServerTransaction): void {
    switch (transaction.method) {
      case 'BYE':
        transaction.respond(200);
        return this.end();
      case 'INVITE':
        transaction.respond(200, { headers: { Contact: this.phones.contact }, body: this.localSdp });
        return;
      case 'INFO':
        transaction.respond(200);
        this.onInfo?.(transaction.request.body.toString('utf8'));
        return;
      case 'NOTIFY':
        transaction.respond(200);
        this.onTransfer?.(transaction.request.body.toString('utf8').trim());
        return;
      default:
        transaction.respond(200);
    }
  }
}

export interface DialOptions {
  /** More headers of the INVITE. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Takes the INVITE back, if it was not answered yet. */
  readonly signal?: AbortSignal;
}

export class SipPhones {
  readonly dialogs = new Map<string, PhoneDialog>();
  /** Somebody calls. The user part of what was dialled decides who. @returns our description, or undefined to be busy */
  onCall: ((user: string, offer: string, from: string) => Promise<{ sdp: string; accepted: (dialog: PhoneDialog) => void } | undefined>) | undefined;
  /** Every request that comes in, and every final response. */
  onMessage: ((message: SipMessage) => void) | undefined;

  private constructor(readonly stack: SipStack) {
    stack.on('request', (transaction) => {
      const { request } = transaction;
      this.onMessage?.(request);
      if (request.toTag !== '') {
        const dialog = this.dialogs.get(request.callId);
        if (dialog) dialog.handle(transaction);
        else transaction.respond(481);
      } else if (transaction.method === 'INVITE') void this.ring(transaction);
      else transaction.respond(transaction.method === 'OPTIONS' ? 200 : 481);
    });
  }

  static async open(host: string): Promise<SipPhones> {
    return new SipPhones(await SipStack.open({ host, port: 0 }));
  }

  get address(): string {
    return `${this.stack.host}:${this.stack.port}`;
  }

  get contact(): string {
    return `<sip:phone@${this.address}>`;
  }

  /**
   * Calls and waits for the answer.
   * @throws Error with the status that refused
   */
  dial(uri: string, from: string, sdp: string, { headers = {}, signal }: DialOptions = {}): Promise<{ dialog: PhoneDialog; answeredAt: number }> {
    const callId = newCallId();
    const local = `<sip:${from}@${this.address}>;tag=${newTag()}`;
    const invite = SipMessage.request('INVITE', uri, {
      'Max-Forwards': '70', From: local, To: `<${uri}>`, 'Call-ID': callId, CSeq: '1 INVITE', Contact: this.contact, 'Content-Type': 'application/sdp', ...headers,
    }, sdp);
    return new Promise((resolve, reject) => {
      const takeBack = (): void => void sent.cancel();
      const giveUp = setTimeout(() => {
        takeBack();
        reject(new Error('not answered'));
      }, answerMs);
      signal?.addEventListener('abort', takeBack, { once: true });
      const sent = this.stack.request(invite, {
        onFinal: (response) => {
          const answeredAt = performance.now();
          this.onMessage?.(response);
          clearTimeout(giveUp);
          signal?.removeEventListener('abort', takeBack);
          if (response.status! >= 300) return reject(new Error(`refused with ${response.status}`));
          const target = parseNameAddr(response.get('contact') ?? '')?.uri ?? uri;
          const routes = response.list('record-route').reverse();
          const remote = response.get('to')!;
          const ack = SipMessage.request('ACK', target, {
            'Max-Forwards': '70', From: local, To: remote, 'Call-ID': callId, CSeq: '1 ACK', ...(routes.length > 0 ? { Route: routes } : {}),
          });
          this.stack.sendAck(sent, ack);
          const dialog = new PhoneDialog(this, { callId, local, remote, target, routes, sequence: 1 }, response.body.toString('utf8'), sdp);
          resolve({ dialog, answeredAt });
        },
      });
    });
  }

  async close(): Promise<void> {
    await this.stack.close();
  }

  private async ring(invite: ServerTransaction): Promise<void> {
    const { request } = invite;
    const user = /^sips?:([^@;]+)@/i.exec(request.uri!)?.[1] ?? '';
    const caller = parseNameAddr(request.get('from') ?? '')?.uri ?? '';
    const answer = await this.onCall?.(user, request.body.toString('utf8'), caller).catch(() => undefined);
    if (!invite.open) return;
    if (!answer) {
      invite.respond(486);
      return;
    }
    invite.respond(180, { headers: { Contact: this.contact } });
    const ok = invite.respond(200, { headers: { Contact: this.contact }, body: answer.sdp });
    const dialog = new PhoneDialog(this, {
      callId: request.callId,
      local: ok.get('to')!,
      remote: request.get('from')!,
      target: parseNameAddr(request.get('contact') ?? '')?.uri ?? '',
      routes: request.list('record-route'),
      sequence: 0,
    }, request.body.toString('utf8'), answer.sdp);
    answer.accepted(dialog);
  }
}

/** Where a description says its audio is. */
export function mediaOf(sdp: string): { address: string; port: number } {
  return { address: /^c=IN IP4 (\S+)/m.exec(sdp)?.[1] ?? '127.0.0.1', port: Number(/^m=audio (\d+)/m.exec(sdp)?.[1] ?? 0) };
}
