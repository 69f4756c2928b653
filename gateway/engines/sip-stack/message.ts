import { isUtf8 } from 'node:buffer';
import { headerKey, headerSpelling, isToken, parseCSeq, parseRequestLine, splitList, tagOf, type CSeq } from './grammar.js';
import { reasonPhrase } from './reasons.js';

/** Most header lines one message may have; beyond it the message is malformed. */
const MAX_HEADER_LINES = 256;
/** Longest header line and Request-URI. Bounds the work of every pattern a value is matched against, here and in clients. */
const MAX_LINE_CHARS = 8192;
const MAX_URI_CHARS = 2048;

interface HeaderLine {
  /** Lower case full name. */
  readonly key: string;
  /** The line as written or received, folds included, without the final CRLF. */
  readonly text: string;
  /** Unfolded value. */
  readonly value: string;
}

export type HeaderInit = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The bytes are not a SIP message at all, so that nothing can be answered. */
export class NotSipError extends Error {
  readonly code = 'not_sip';
}

/**
 * One SIP request or response.
 *
 * Header lines keep the order, spelling and folding in which they were received; only what is set afterwards is
 * written anew. Text is UTF-8; a message that is not valid UTF-8 is kept byte for byte as latin-1.
 */
export class SipMessage {
  /** Upper/lower case as received; undefined for a response. */
  method: string | undefined;
  uri: string | undefined;
  /** undefined for a request. */
  status: number | undefined;
  reason = '';
  /** `2.0` unless the peer wrote something else. */
  version = '2.0';
  body: Buffer = Buffer.alloc(0);
  /** What is wrong with a message that could still be taken apart; such a request deserves a 400 with this phrase. */
  malformed: string | undefined;
  private lines: HeaderLine[] = [];
  private encoding: 'utf8' | 'latin1' = 'utf8';

  /** A new request without any header. */
  static request(method: string, uri: string, headers: HeaderInit = {}, body?: Buffer | string): SipMessage {
    const message = new SipMessage();
    message.method = method;
    message.uri = uri;
    message.setAll(headers);
    if (body !== undefined) message.body = typeof body === 'string' ? Buffer.from(body) : body;
    return message;
  }

  /**
   * A response to `request` with the headers RFC 3261 §8.2.6 copies: Via, From, To (plus `toTag` unless there is a tag
   * already), Call-ID, CSeq, Timestamp for 100, and Record-Route where the response may create a dialog (§12.1.1).
   */
  static response(request: SipMessage, status: number, reason?: string, toTag?: string): SipMessage {
    const message = new SipMessage();
    message.status = status;
    message.reason = reason ?? reasonPhrase(status);
    message.encoding = request.encoding;
    const copied = ['via', 'from', 'to', 'call-id', 'cseq'];
    if (status === 100) copied.push('timestamp');
    else if (status < 300) copied.push('record-route');
    for (const key of copied) {
      for (const line of request.lines) {
        if (line.key !== key) continue;
        if (key === 'cseq' && request.cseq !== undefined) {
          message.add('CSeq', `${request.cseq.seq} ${request.cseq.method}`);
          continue;
        }
        const value = key === 'to' && toTag !== undefined && tagOf(line.value) === '' ? `${line.value};tag=${toTag}` : line.value;
        message.add(headerSpelling(key), value);
      }
    }
    return message;
  }

  /**
   * Takes a whole message apart. A body shorter than announced makes it malformed, surplus bytes are dropped
   * (RFC 3261 §18.3). `framed` says that the input ends where the body ends, whatever Content-Length claims.
   * Throws {@link NotSipError} when there is no start line; every lesser fault is noted in {@link malformed}.
   */
  static parse(input: Buffer | string, framed = false): SipMessage {
    const buffer = typeof input === 'string' ? Buffer.from(input) : input;
    let start = 0;
    while (start < buffer.length && (buffer[start] === 13 || buffer[start] === 10)) start += 1;
    let headEnd = buffer.indexOf('\r\n\r\n', start, 'latin1');
    let bodyStart = headEnd + 4;
    if (headEnd < 0) {
      headEnd = buffer.indexOf('\n\n', start, 'latin1');
      bodyStart = headEnd + 2;
    }
    if (headEnd < 0) headEnd = bodyStart = buffer.length;
    const message = new SipMessage();
    const head = buffer.subarray(start, headEnd);
    message.encoding = isUtf8(head) ? 'utf8' : 'latin1';
    const rows = head.toString(message.encoding).split(/\r?\n(?![ \t])/);
    message.parseStartLine(rows[0] ?? '');
    if (rows.length > MAX_HEADER_LINES + 1) message.malformed ??= 'Too Many Headers';
    for (let i = 1; i < rows.length && i <= MAX_HEADER_LINES; i += 1) message.parseHeaderLine(rows[i]!);
    if (framed) message.body = buffer.subarray(bodyStart);
    else message.takeBody(buffer.subarray(bodyStart));
    return message;
  }

  private parseStartLine(row: string): void {
    if (/^SIP\//i.test(row)) {
      const match = /^SIP\/(\d+\.\d+) +(\d{3})(?: +(.*)| *)$/i.exec(row);
      if (match === null) throw new NotSipError('not a status line');
      this.version = match[1]!;
      this.status = Number(match[2]);
      this.reason = match[3] ?? '';
      if (this.status < 100 || this.status > 699) throw new NotSipError('status code out of range');
      return;
    }
    const line = parseRequestLine(row);
    if (line === undefined) throw new NotSipError('not a request line');
    this.method = line.method;
    this.uri = line.uri;
    this.version = line.version;
    if (!line.exact) this.malformed ??= 'Bad Request-URI';
    if (line.uri.length > MAX_URI_CHARS) this.malformed ??= 'Request-URI Too Long';
  }

  private parseHeaderLine(text: string): void {
    if (text === '') return;
    if (text.length > MAX_LINE_CHARS) {
      this.malformed ??= 'Header Too Long';
      return;
    }
    const colon = text.indexOf(':');
    const name = colon < 0 ? '' : text.slice(0, colon).trimEnd();
    if (!isToken(name)) {
      this.malformed ??= 'Bad Header';
      return;
    }
    const raw = text.slice(colon + 1);
    const value = raw.includes('\n') ? raw.split(/\r?\n/).map((row) => row.trim()).join(' ').trim() : raw.trim();
    if (value.includes('\r') || hasBareNull(value)) this.malformed ??= 'Bad Header';
    this.lines.push({ key: headerKey(name), text, value });
  }

  private takeBody(rest: Buffer): void {
    const lengths = this.getAll('content-length');
    this.body = rest;
    if (lengths.length === 0) return;
    const length = /^\d{1,9}$/.test(lengths[0]!) ? Number(lengths[0]) : -1;
    if (length < 0 || lengths.some((other) => other !== lengths[0]) || length > rest.length) this.malformed ??= 'Bad Content-Length';
    else this.body = rest.subarray(0, length);
  }

  get isRequest(): boolean {
    return this.method !== undefined;
  }

  /** First value of a header, any spelling of its name. */
  get(name: string): string | undefined {
    const key = headerKey(name);
    for (const line of this.lines) if (line.key === key) return line.value;
    return undefined;
  }

  /** The values of all lines with this name, in order, not split at commas. */
  getAll(name: string): string[] {
    const key = headerKey(name);
    const values: string[] = [];
    for (const line of this.lines) if (line.key === key) values.push(line.value);
    return values;
  }

  /** All values of a comma separated header, over all of its lines. */
  list(name: string): string[] {
    return this.getAll(name).flatMap(splitList);
  }

  has(name: string): boolean {
    const key = headerKey(name);
    return this.lines.some((line) => line.key === key);
  }

  /** Names and values in order. Names are as received. */
  entries(): Array<{ key: string; name: string; value: string }> {
    return this.lines.map((line) => ({ key: line.key, name: line.text.slice(0, line.text.indexOf(':')).trimEnd(), value: line.value }));
  }

  /** Replaces a header (at the place of its first line) by one line; adds it at the end if it is new. */
  set(name: string, value: string): this {
    const line = makeLine(name, value);
    const at = this.lines.findIndex((other) => other.key === line.key);
    if (at < 0) this.lines.push(line);
    else this.lines = this.lines.filter((other, index) => index === at || other.key !== line.key).with(at, line);
    return this;
  }

  /** Adds one more line at the end. */
  add(name: string, value: string): this {
    this.lines.push(makeLine(name, value));
    return this;
  }

  /** Adds a line before all others; how a Via is pushed. */
  prepend(name: string, value: string): this {
    this.lines.unshift(makeLine(name, value));
    return this;
  }

  /** Replaces the first line of this name and keeps further ones; used on the top Via. */
  replaceFirst(name: string, value: string): this {
    const key = headerKey(name);
    const at = this.lines.findIndex((line) => line.key === key);
    if (at >= 0) this.lines[at] = makeLine(name, value);
    return this;
  }

  /** Takes the first value of a header away, of a line with several values only that one. */
  removeFirstValue(name: string): this {
    const key = headerKey(name);
    const at = this.lines.findIndex((line) => line.key === key);
    if (at < 0) return this;
    const rest = splitList(this.lines[at]!.value).slice(1);
    if (rest.length === 0) this.lines.splice(at, 1);
    else this.lines[at] = makeLine(name, rest.join(', '));
    return this;
  }

  remove(name: string): this {
    const key = headerKey(name);
    this.lines = this.lines.filter((line) => line.key !== key);
    return this;
  }

  /** Sets every header given; a list becomes several lines, undefined is skipped. */
  setAll(headers: HeaderInit): this {
    for (const [name, value] of Object.entries(headers)) {
      if (value === undefined) continue;
      if (typeof value === 'string') {
        this.set(name, value);
      } else {
        this.remove(name);
        for (const one of value) this.add(name, one);
      }
    }
    return this;
  }

  get callId(): string {
    return this.get('call-id') ?? '';
  }

  get fromTag(): string {
    return tagOf(this.get('from'));
  }

  get toTag(): string {
    return tagOf(this.get('to'));
  }

  /** Parsed CSeq, undefined when it is missing or malformed. */
  get cseq(): CSeq | undefined {
    const value = this.get('cseq');
    return value === undefined ? undefined : parseCSeq(value);
  }

  /** Values of To, From, Call-ID and CSeq are looked up this way when a second line would be an attack or a mistake. */
  count(name: string): number {
    const key = headerKey(name);
    let count = 0;
    for (const line of this.lines) if (line.key === key) count += 1;
    return count;
  }

  clone(): SipMessage {
    const copy = new SipMessage();
    copy.method = this.method;
    copy.uri = this.uri;
    copy.status = this.status;
    copy.reason = this.reason;
    copy.version = this.version;
    copy.body = this.body;
    copy.lines = [...this.lines];
    copy.encoding = this.encoding;
    return copy;
  }

  private startLine(): string {
    return this.method !== undefined ? `${this.method} ${this.uri ?? ''} SIP/${this.version}` : `SIP/${this.version} ${this.status ?? 0} ${this.reason}`;
  }

  /** The message as it goes on the wire; Content-Length is corrected, or added at the end, when needed. */
  toBuffer(): Buffer {
    let text = this.startLine();
    let lengthWritten = false;
    for (const line of this.lines) {
      if (line.key === 'content-length') {
        if (lengthWritten) continue;
        lengthWritten = true;
        text += line.value === String(this.body.length) ? `\r\n${line.text}` : `\r\nContent-Length: ${this.body.length}`;
      } else {
        text += `\r\n${line.text}`;
      }
    }
    if (!lengthWritten) text += `\r\nContent-Length: ${this.body.length}`;
    const head = Buffer.from(`${text}\r\n\r\n`, this.encoding);
    return this.body.length === 0 ? head : Buffer.concat([head, this.body]);
  }

  /** For logs of tests and the console: never logged by the library itself, since headers may hold personal data. */
  toString(): string {
    return this.toBuffer().toString(this.encoding);
  }
}

/** A quoted pair may hold any character, NUL among them (RFC 3261 §25.1, RFC 4475 §3.1.1.2); nothing else may. */
function hasBareNull(value: string): boolean {
  return value.includes('\0') && value.replace(/"(?:[^"\\]|\\[\s\S])*"/g, (quoted) => quoted.replaceAll('\\\0', '')).includes('\0');
}

/** Line breaks in a value would let its author write further headers, so they become spaces. */
function makeLine(name: string, value: string): HeaderLine {
  const safe = /[\r\n\0]/.test(value) ? value.replace(/[\r\n\0]+\s*/g, ' ').trim() : value;
  return { key: headerKey(name), text: `${name}: ${safe}`, value: safe };
}
