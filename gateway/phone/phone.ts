import type { EngineLog } from '../engines/log.js';
import { MediaClock } from '../engines/media-server/rtp/index.js';
import { answerCalls, type AnswerOptions } from './answer.js';
import type { PhoneCall } from './call.js';
import { dial, type DialOptions } from './dial.js';
import { openSipLine, type SipLine } from './sip-line.js';

export interface PhoneOptions {
  /** Local address for SIP and audio; 127.0.0.1 unless told. */
  readonly host?: string;
  /** SIP port, UDP and TCP; any free one unless told. */
  readonly port?: number;
  readonly log?: EngineLog;
}

/** A telephone without hardware: makes calls and answers them. */
export class Phone {
  private readonly dialled = new Set<PhoneCall>();
  private taken: ReadonlySet<PhoneCall> = new Set();
  private closing: Promise<void> | undefined;

  private constructor(private readonly line: SipLine, private readonly clock: MediaClock) {}

  static async open(options: PhoneOptions = {}): Promise<Phone> {
    const line = await openSipLine({ host: options.host ?? '127.0.0.1', port: options.port ?? 0, ...(options.log ? { log: options.log } : {}) });
    return new Phone(line, new MediaClock((error) => options.log?.error({ err: error }, 'audio of the phone')));
  }

  /** Where it can be called. */
  get sip(): { readonly host: string; readonly port: number } {
    return this.line.address;
  }

  get uri(): string {
    return `sip:phone@${this.sip.host}:${this.sip.port}`;
  }

  /** Begins a call; watch its `event`s and await `done`. */
  call(options: DialOptions): PhoneCall {
    const call = dial(this.line, this.clock, options);
    this.dialled.add(call);
    void call.done.then(() => this.dialled.delete(call));
    return call;
  }

  /** Answers calls from now on; once per phone. */
  answer(options: AnswerOptions = {}): void {
    this.taken = answerCalls(this.line, this.clock, options);
  }

  /** Hangs up everything and goes. */
  close(): Promise<void> {
    return (this.closing ??= (async () => {
      await Promise.all([...this.dialled, ...this.taken].map((call) => call.hangup('the phone was put away')));
      await this.line.close();
    })());
  }
}
