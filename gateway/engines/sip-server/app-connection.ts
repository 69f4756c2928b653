import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { Deframer, FrameError, makeFrame } from './frames.js';

export interface AppLimits {
  readonly maxFrameBytes: number;
  /** Bytes an application may leave unread before it is taken for dead. */
  readonly maxUnreadBytes: number;
  /** Time to authenticate. */
  readonly authTimeoutMs: number;
}

export interface AppCommand {
  /** Chosen by the application; repeated in the answer. */
  readonly id: string;
  readonly type: string;
  /** Fields after the type. */
  readonly fields: readonly string[];
  /** SIP text after the meta line; undefined when there is none. */
  readonly sip: Buffer | undefined;
}

export interface AppHandlers {
  onCommand(app: AppConnection, command: AppCommand): void;
  /** Whatever the reason; called once. */
  onGone(app: AppConnection): void;
}

/** One application connected to the admin port, authenticated or not yet. */
export class AppConnection {
  authenticated = false;
  gone = false;
  /** Verbs the application wants, lower case: `invite`, `cdr:start`... */
  readonly routes = new Set<string>();
  private readonly authTimer: NodeJS.Timeout;

  constructor(
    private readonly socket: Socket,
    private readonly limits: AppLimits,
    private readonly handlers: AppHandlers,
  ) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 45_000);
    const deframer = new Deframer(limits.maxFrameBytes, (frame) => this.receive(frame));
    socket.on('data', (chunk: Buffer) => {
      if (this.gone) return;
      try {
        deframer.push(chunk);
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
        socket.destroy();
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.end());
    this.authTimer = setTimeout(() => {
      if (!this.authenticated) socket.destroy();
    }, limits.authTimeoutMs);
  }

  private receive(frame: Buffer): void {
    if (this.gone) return;
    const lineEnd = frame.indexOf('\r\n');
    const meta = frame.toString('utf8', 0, lineEnd < 0 ? undefined : lineEnd);
    const [id = '', type = '', ...fields] = meta.split('|');
    this.handlers.onCommand(this, { id, type, fields, sip: lineEnd < 0 ? undefined : frame.subarray(lineEnd + 2) });
  }

  /** Writes `<fresh id>|<meta>` and the SIP message. */
  send(meta: string, sip?: Buffer): void {
    if (this.gone) return;
    if (this.socket.writableLength > this.limits.maxUnreadBytes) {
      this.socket.destroy();
      return;
    }
    this.socket.write(makeFrame(`${randomUUID()}|${meta}`, sip));
  }

  /** Answers a command: `OK` with what follows, `NOK` or `NO` with a reason. */
  answer(id: string, meta: string, sip?: Buffer): void {
    this.send(`response|${id}|${meta}`, sip);
  }

  /** Closes after what was written so far has gone out. */
  finish(): void {
    this.socket.end();
    this.end();
  }

  destroy(): void {
    this.socket.destroy();
    this.end();
  }

  private end(): void {
    if (this.gone) return;
    this.gone = true;
    clearTimeout(this.authTimer);
    this.handlers.onGone(this);
  }
}
