/** The event socket on the wire: blocks of header lines ended by an empty line, with a body of Content-Length bytes if announced. */

/** Far more than any command needs. */
const MAX_BLOCK_BYTES = 64 * 1024;

export class FramingError extends Error {
  readonly code = 'ESL_FRAME_TOO_LONG';
}

export interface Command {
  /** First line. */
  line: string;
  /** The lines after it, by lower-case name. */
  headers: ReadonlyMap<string, string>;
  body: string;
}

/** Takes commands out of a byte stream however it is cut. */
export class CommandParser {
  private buffered: Buffer = Buffer.alloc(0);
  private scanned = 0;

  /** @throws FramingError when a command is longer than any can be */
  push(chunk: Buffer): Command[] {
    this.buffered = this.buffered.length === 0 ? chunk : Buffer.concat([this.buffered, chunk]);
    const commands: Command[] = [];
    for (;;) {
      const command = this.next();
      if (!command) break;
      if (command.line !== '') commands.push(command);
    }
    if (this.buffered.length > MAX_BLOCK_BYTES) throw new FramingError('command too long');
    return commands;
  }

  private next(): Command | undefined {
    let skip = 0;
    while (this.buffered[skip] === 0x0a || this.buffered[skip] === 0x0d) skip++;
    if (skip > 0) {
      this.buffered = this.buffered.subarray(skip);
      this.scanned = 0;
    }
    const end = this.blockEnd();
    if (!end) return undefined;
    const lines = this.buffered.toString('utf8', 0, end.at).split(/\r?\n/);
    const headers = new Map<string, string>();
    for (const line of lines.slice(1)) {
      const colon = line.indexOf(':');
      if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
    }
    const announced = headers.get('content-length');
    const length = announced !== undefined && /^\d{1,9}$/.test(announced) ? Number(announced) : 0;
    if (length > MAX_BLOCK_BYTES) throw new FramingError('body too long');
    if (this.buffered.length < end.after + length) return undefined;
    const body = this.buffered.toString('utf8', end.after, end.after + length);
    this.buffered = this.buffered.subarray(end.after + length);
    this.scanned = 0;
    return { line: (lines[0] ?? '').trim(), headers, body };
  }

  private blockEnd(): { at: number; after: number } | undefined {
    for (let at = this.buffered.indexOf(0x0a, this.scanned); at >= 0; at = this.buffered.indexOf(0x0a, at + 1)) {
      if (this.buffered[at + 1] === 0x0a) return { at, after: at + 2 };
      if (this.buffered[at + 1] === 0x0d && this.buffered[at + 2] === 0x0a) return { at, after: at + 3 };
    }
    this.scanned = Math.max(0, this.buffered.length - 2);
    return undefined;
  }
}

/** A reply to a command. The text must hold no percent sign: clients decode it. */
export const commandReply = (text: string): string => `Content-Type: command/reply\nReply-Text: ${text.replace(/[%\r\n]/g, ' ')}\n\n`;

export const apiResponse = (body: string): string => `Content-Type: api/response\nContent-Length: ${Buffer.byteLength(body)}\n\n${body}`;

export const AUTH_REQUEST = 'Content-Type: auth/request\n\n';

const GOODBYE = 'Disconnected, goodbye.\nThe call or the connection has ended here.\n';

/** The last frame of a connection; of a channel's own connection it names the channel. */
export const disconnectNotice = (channelUuid?: string): string =>
  `Content-Type: text/disconnect-notice\n${channelUuid === undefined ? '' : `Controlled-Session-UUID: ${channelUuid}\nContent-Disposition: disconnect\n`}Content-Length: ${Buffer.byteLength(GOODBYE)}\n\n${GOODBYE}`;
