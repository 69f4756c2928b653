/** SIP as text: enough to write any request by hand and to read what comes back. Nothing here is shared with the product. */

const longNames: Record<string, string> = { v: 'via', f: 'from', t: 'to', i: 'call-id', m: 'contact', c: 'content-type', l: 'content-length', k: 'supported', x: 'session-expires', o: 'event', r: 'refer-to' };

export type Headers = Record<string, string | readonly string[] | undefined>;

export class Message {
  private constructor(readonly startLine: string, readonly headers: readonly (readonly [string, string])[], readonly body: string) {}

  /** @returns undefined for keep-alives and for what is no SIP */
  static read(text: string): Message | undefined {
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const [startLine = '', ...lines] = text.slice(0, end).replace(/\r\n[ \t]+/g, ' ').split('\r\n');
    const headers = lines.map((line) => {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).trim().toLowerCase();
      return [longNames[name] ?? name, line.slice(colon + 1).trim()] as const;
    });
    return new Message(startLine, headers, text.slice(end + 4));
  }

  get status(): number | undefined {
    const found = /^SIP\/2\.0 (\d{3})/.exec(this.startLine)?.[1];
    return found === undefined ? undefined : Number(found);
  }

  /** Of a request, its own; of a response, that of the request answered. */
  get method(): string {
    return this.status === undefined ? this.startLine.split(' ')[0]! : this.get('cseq').split(/\s+/)[1]!;
  }

  get uri(): string {
    return this.startLine.split(' ')[1]!;
  }

  all(name: string): string[] {
    return this.headers.filter(([each]) => each === name).map(([, value]) => value);
  }

  /** The first header of that name, or ''. */
  get(name: string): string {
    return this.all(name)[0] ?? '';
  }

  get branch(): string {
    return /branch=([^;,\s]+)/.exec(this.get('via'))?.[1] ?? '';
  }

  get seq(): number {
    return Number(this.get('cseq').split(/\s+/)[0]);
  }
}

export const tagOf = (value: string): string => /;\s*tag=([^;\s>]+)/.exec(value.replace(/"[^"]*"|<[^>]*>/g, ''))?.[1] ?? '';
export const uriOf = (value: string): string => /<([^>]+)>/.exec(value)?.[1] ?? value.split(';')[0]!.trim();

export function write(startLine: string, headers: Headers, body = ''): string {
  const lines = Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : typeof value === 'string' ? [`${name}: ${value}`] : value.map((each) => `${name}: ${each}`)));
  return [startLine, ...lines, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n');
}

let serial = 0;
export const unique = (prefix: string): string => `${prefix}${(serial += 1).toString(36)}${Math.random().toString(36).slice(2, 10)}`;
