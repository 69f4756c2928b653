import { parseRequestLine } from './grammar.js';

/** What a peer did to a stream that cannot be repaired; the connection has to be closed. */
export class StreamError extends Error {
  readonly code = 'bad_stream';
}

export interface StreamFramerLimits {
  /** Longest message, head and body together. */
  readonly maxMessageBytes: number;
}

/** A stream that goes on this long without a line end is not SIP. */
const MAX_START_LINE_BYTES = 4096;
const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * Cuts a byte stream into SIP messages by their Content-Length (RFC 3261 §18.3).
 * The bytes waiting for the rest of a message never exceed the limit.
 */
export class StreamFramer {
  private chunks: Buffer[] = [];
  private bytes = 0;
  /** Total length of the message at the front once its head is complete. */
  private needed = 0;

  constructor(
    private readonly limits: StreamFramerLimits,
    private readonly onMessage: (message: Buffer) => void,
    /** A double CRLF between messages: a keep-alive that wants one CRLF back (RFC 5626 §4.4.1). */
    private readonly onKeepAlive: () => void = () => undefined,
  ) {}

  /** True while a message has begun and its end is missing. */
  get pending(): boolean {
    return this.bytes > 0;
  }

  /** Throws {@link StreamError} when the stream has stopped being SIP or a message is too long. */
  push(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    if (this.needed > this.bytes) return;
    let buffer = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks);
    for (;;) {
      if (this.needed === 0) {
        let skip = 0;
        while (buffer[skip] === 13 || buffer[skip] === 10) skip += 1;
        if (skip >= 4) this.onKeepAlive();
        // A lone CRLF may be the first half of a keep-alive, and is dropped alike: nothing is owed for it.
        buffer = buffer.subarray(skip);
        this.needed = this.lengthOf(buffer);
      }
      if (this.needed === 0 || buffer.length < this.needed) break;
      const message = buffer.subarray(0, this.needed);
      buffer = buffer.subarray(this.needed);
      this.needed = 0;
      this.onMessage(message);
    }
    this.chunks = buffer.length > 0 ? [buffer] : [];
    this.bytes = buffer.length;
  }

  /** Length of the message at the start of `buffer`, 0 while its head is incomplete. */
  private lengthOf(buffer: Buffer): number {
    if (buffer.length === 0) return 0;
    // The first byte of SIP is a letter or another token character; anything else can be refused without waiting.
    if (!/[A-Za-z0-9\-.!%*_+`'~]/.test(String.fromCharCode(buffer[0]!))) throw new StreamError('the stream is not SIP');
    const end = buffer.indexOf(HEAD_END);
    if (end < 0) {
      if (buffer.length > this.limits.maxMessageBytes) throw new StreamError('message head too long');
      const line = buffer.indexOf('\r\n');
      if (line < 0 ? buffer.length > MAX_START_LINE_BYTES : !isStartLine(buffer.toString('latin1', 0, line))) throw new StreamError('the stream is not SIP');
      return 0;
    }
    const head = buffer.toString('latin1', 0, end);
    const lineEnd = head.indexOf('\r\n');
    if (!isStartLine(lineEnd < 0 ? head : head.slice(0, lineEnd))) throw new StreamError('the stream is not SIP');
    const match = /\r\n(?:content-length|l)[ \t]*:\s*([^\r\n]*)/i.exec(head);
    const text = match?.[1]?.trim() ?? '0';
    // An unreadable length leaves no way to find the next message. The request itself is still worth a 400.
    const body = /^\d{1,9}$/.test(text) ? Number(text) : 0;
    const total = end + HEAD_END.length + body;
    if (total > this.limits.maxMessageBytes) throw new StreamError('message too long');
    return total;
  }
}

const isStartLine = (line: string): boolean => /^SIP\/\d/i.test(line) || parseRequestLine(line) !== undefined;
