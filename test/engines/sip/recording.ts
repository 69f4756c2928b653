/**
 * What a SIP server did in a scenario, condensed to what clients rely on: kinds, order, the fields they read, and
 * which ids are equal to which. Addresses, times, tags and generated ids are left out, so that a recording of one
 * server can be compared with that of another.
 */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { Deframer } from '../../../gateway/engines/sip-server/frames.js';
import { SipMessage } from '../../../gateway/engines/sip-stack/index.js';
import type { Address } from '../../support/engines.js';

export interface Recording {
  /** Frames to the application. */
  readonly app: string[];
  /** SIP messages to each peer, the peer's name first. */
  readonly net: string[];
}

/** One SIP message in a word or two: `180 INVITE`, `BYE`, and what it carries. */
export function condenseSip(text: string): string {
  let message: SipMessage;
  try {
    message = SipMessage.parse(text);
  } catch {
    return 'not SIP';
  }
  const kind = message.isRequest ? message.method! : `${message.status} ${message.get('cseq')?.trim().split(/\s+/)[1] ?? '?'}`;
  const carries = ['Contact', 'RSeq', 'RAck', 'Session-Expires', 'Min-SE', 'Reason', 'Route', 'Record-Route', 'Content-Type', 'Authorization', 'Proxy-Authorization']
    .filter((name) => message.has(name));
  return [kind, message.isRequest || message.status === 100 || message.toTag !== '' ? '' : 'no tag', ...carries].filter((part) => part !== '').join(' ');
}

/** Condenses the frames of one scenario; ids become T1, T2... and D1, D2... in the order in which they appear. */
export class Condenser {
  private readonly txns = new Map<string, string>();
  private readonly dialogs = new Map<string, string>();

  private name(map: Map<string, string>, prefix: string, id: string): string {
    if (id === '' || id === 'unsolicited') return id;
    if (!map.has(id)) map.set(id, `${prefix}${map.size + 1}`);
    return map.get(id)!;
  }

  /** One frame from the server, without its length. */
  frame(text: string): string {
    const lineEnd = text.indexOf('\r\n');
    const meta = (lineEnd < 0 ? text : text.slice(0, lineEnd)).split('|');
    const sip = lineEnd < 0 ? '' : text.slice(lineEnd + 2);
    if (meta[1] === 'response') {
      if (meta[3] !== 'OK') return `${meta[3]} ${(meta[4] ?? '').replace(/(dialog id|transaction id:) \S+$/, '$1')}`.trim();
      if (sip === '') return meta[4] === 'pong' || meta[4] === 'done' ? `OK ${meta[4]}` : 'OK';
      const request = !sip.startsWith('SIP/');
      const dialog = request || meta[12] === 'continue' ? '' : this.dialog(meta[11] ?? '', sip);
      return ['OK', meta[4], meta[12] === 'continue' ? 'continue' : `sent ${this.name(this.txns, 'T', meta[10] ?? '')} ${dialog}`.trim(), condenseSip(sip)].join(' ');
    }
    if (meta[1] === 'sip') {
      const fresh = meta.length >= 12 ? 'arrived' : '';
      return [meta[2], meta[4] === '' ? 'no-protocol' : '', fresh, this.name(this.txns, 'T', meta[8] ?? ''), this.dialog(meta[9] ?? '', sip), condenseSip(sip)].filter((part) => part !== '').join(' ');
    }
    return [meta[1], meta[2], meta[4] ?? '', condenseSip(sip)].filter((part) => part !== '').join(' ');
  }

  private dialog(id: string, sip: string): string {
    if (id === '') return '';
    const callId = /\r\n(?:call-id|i)\s*:\s*(\S+)/i.exec(sip)?.[1] ?? '?';
    return this.name(this.dialogs, 'D', id) + (id.startsWith(`${callId};from-tag=`) ? '' : '(malformed)');
  }
}

/** Stands between an application and the server's admin port and records what the server says. */
export class Relay {
  private readonly sockets = new Set<Socket>();
  readonly frames: string[] = [];

  private constructor(private readonly server: Server) {}

  static async open(target: Address, frames?: string[]): Promise<Relay> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const relay = new Relay(server);
    const record = frames ?? relay.frames;
    server.on('connection', (app) => {
      const upstream = connect(target.port, target.host);
      relay.sockets.add(app).add(upstream);
      for (const [from, to] of [[app, upstream], [upstream, app]] as const) {
        from.setNoDelay(true);
        from.on('error', () => from.destroy());
        from.on('close', () => to.destroy());
      }
      const deframer = new Deframer(1024 * 1024, (frame) => record.push(frame.toString()));
      app.on('data', (chunk: Buffer) => upstream.write(chunk));
      upstream.on('data', (chunk: Buffer) => {
        deframer.push(chunk);
        app.write(chunk);
      });
    });
    return relay;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Cuts the connections, as a crash of the application would. */
  drop(): void {
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }

  async close(): Promise<void> {
    this.drop();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
