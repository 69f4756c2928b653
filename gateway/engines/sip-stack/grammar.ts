import { isIPv6 } from 'node:net';
import parser from 'drachtio-srf/lib/sip-parser/parser.js';

/** Longest single header value that is looked into; longer ones are treated as unreadable. */
const MAX_VALUE_CHARS = 8192;
const MAX_URI_CHARS = 2048;

/** RFC 3261 §7.3.3, RFC 3515, 3841, 3892, 4028, 4474, 6665: the one-letter header names. */
const COMPACT: Readonly<Record<string, string>> = {
  a: 'accept-contact', b: 'referred-by', c: 'content-type', d: 'request-disposition', e: 'content-encoding',
  f: 'from', i: 'call-id', j: 'reject-contact', k: 'supported', l: 'content-length', m: 'contact', n: 'identity-info',
  o: 'event', r: 'refer-to', s: 'subject', t: 'to', u: 'allow-events', v: 'via', x: 'session-expires', y: 'identity',
};

const SPELLING = new Map<string, string>([
  'Accept', 'Accept-Encoding', 'Accept-Language', 'Alert-Info', 'Allow', 'Allow-Events', 'Authentication-Info',
  'Authorization', 'Call-ID', 'Call-Info', 'Contact', 'Content-Disposition', 'Content-Encoding', 'Content-Language',
  'Content-Length', 'Content-Type', 'CSeq', 'Date', 'Diversion', 'Error-Info', 'Event', 'Expires', 'From', 'History-Info',
  'Identity', 'In-Reply-To', 'Join', 'Max-Forwards', 'MIME-Version', 'Min-Expires', 'Min-SE', 'Organization',
  'P-Asserted-Identity', 'P-Charging-Vector', 'P-Preferred-Identity', 'Path', 'Priority', 'Privacy',
  'Proxy-Authenticate', 'Proxy-Authorization', 'Proxy-Require', 'RAck', 'Reason', 'Record-Route', 'Refer-To',
  'Referred-By', 'Refer-Sub', 'Remote-Party-ID', 'Replaces', 'Reply-To', 'Require', 'Retry-After', 'Route', 'RSeq',
  'Server', 'Service-Route', 'Session-Expires', 'SIP-ETag', 'SIP-If-Match', 'Subject', 'Subscription-State',
  'Supported', 'Timestamp', 'To', 'Unsupported', 'User-Agent', 'User-to-User', 'Via', 'Warning', 'WWW-Authenticate',
].map((name) => [name.toLowerCase(), name]));

const TOKEN = /^[A-Za-z0-9\-.!%*_+`'~]+$/;

/** True for an RFC 3261 §25.1 token. */
export const isToken = (text: string): boolean => TOKEN.test(text);

/** The name headers are looked up by: lower case, compact forms expanded. */
export function headerKey(name: string): string {
  const lower = name.toLowerCase();
  return lower.length === 1 ? (COMPACT[lower] ?? lower) : lower;
}

/**
 * How a header name is written on the wire: the usual spelling if it is a known one, capitalised per word otherwise.
 * Names beginning with `x-` keep the spelling they were given.
 */
export function headerSpelling(name: string): string {
  const known = SPELLING.get(headerKey(name));
  if (known !== undefined) return known;
  if (/^x-/i.test(name)) return name;
  return name.toLowerCase().replace(/(^|-)([a-z])/g, (_all, dash: string, letter: string) => dash + letter.toUpperCase());
}

/** Calls `each` for every index of `text` that is outside quoted strings and angle brackets; stops when it returns true. */
function scanOutside(text: string, start: number, each: (char: string, index: number) => boolean): boolean {
  let inQuotes = false;
  let inAngle = false;
  for (let i = start; i < text.length; i += 1) {
    const char = text[i]!;
    if (inQuotes) {
      if (char === '\\') i += 1;
      else if (char === '"') inQuotes = false;
    } else if (char === '"') {
      inQuotes = true;
    } else if (inAngle) {
      if (char === '>') inAngle = false;
    } else if (char === '<') {
      inAngle = true;
    } else if (each(char, i)) {
      return true;
    }
  }
  return !inQuotes && !inAngle;
}

/** Splits a comma separated header value; commas in quoted strings and angle brackets do not count. */
export function splitList(value: string): string[] {
  if (!value.includes(',')) return value.trim() === '' ? [] : [value.trim()];
  const parts: string[] = [];
  let from = 0;
  scanOutside(value, 0, (char, index) => {
    if (char === ',') {
      parts.push(value.slice(from, index).trim());
      from = index + 1;
    }
    return false;
  });
  parts.push(value.slice(from).trim());
  return parts.filter((part) => part !== '');
}

/** Header parameters, names in lower case; a parameter without value maps to ''. Values keep their quotes. */
export type Params = Readonly<Record<string, string>>;

/** Parses `;a=b;c` as it stands after a name-addr or a Via; undefined when it is not a parameter list. */
export function parseParams(text: string): Params | undefined {
  const params = Object.create(null) as Record<string, string>;
  let rest = text.trim();
  while (rest !== '') {
    if (!rest.startsWith(';')) return undefined;
    let end = rest.length;
    const balanced = scanOutside(rest, 1, (char, index) => {
      if (char !== ';') return false;
      end = index;
      return true;
    });
    if (!balanced) return undefined;
    const part = rest.slice(1, end);
    const equals = part.indexOf('=');
    const name = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase();
    if (name !== '') {
      if (!isToken(name)) return undefined;
      params[name] ??= equals < 0 ? '' : part.slice(equals + 1).trim();
    } else if (equals >= 0) {
      return undefined;
    }
    rest = rest.slice(end).trim();
  }
  return params;
}

export interface NameAddr {
  /** Display name as written, quotes included; '' if there is none. */
  readonly display: string;
  readonly uri: string;
  readonly params: Params;
}

/**
 * Parses a name-addr or addr-spec with header parameters (RFC 3261 §20.10); undefined when it is malformed.
 * Own code, because drachtio-srf's takes an unquoted non-ASCII display name for the URI.
 */
export function parseNameAddr(value: string): NameAddr | undefined {
  if (value.length > MAX_VALUE_CHARS) return undefined;
  const text = value.trim();
  let open = 0;
  if (text.startsWith('"')) {
    let i = 1;
    while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
    if (i >= text.length) return undefined;
    open = i + 1;
  }
  const angle = text.indexOf('<', open);
  if (angle >= 0) {
    const close = text.indexOf('>', angle);
    if (close < 0) return undefined;
    const display = text.slice(0, angle).trim();
    if (open === 0 ? /["<>]/.test(display) : text.slice(open, angle).trim() !== '') return undefined;
    const uri = text.slice(angle + 1, close).trim();
    const params = parseParams(text.slice(close + 1));
    return params === undefined || uri === '' || /[\s<>"]/.test(uri) ? undefined : { display, uri, params };
  }
  if (open > 0) return undefined;
  const semicolon = text.indexOf(';');
  const uri = semicolon < 0 ? text : text.slice(0, semicolon).trim();
  const params = semicolon < 0 ? parseParams('') : parseParams(text.slice(semicolon));
  return params === undefined || uri === '' || /[\s<>",]/.test(uri) ? undefined : { display: '', uri, params };
}

/** The `tag` parameter of a From or To value, '' if there is none or the value is malformed. */
export const tagOf = (value: string | undefined): string => (value === undefined ? '' : (parseNameAddr(value)?.params['tag'] ?? ''));

export interface SipUri {
  readonly scheme: 'sip' | 'sips';
  readonly user: string | undefined;
  /** Host name, IPv4 address, or IPv6 address without brackets. */
  readonly host: string;
  readonly port: number | undefined;
  readonly params: Params;
  /** What follows `?`, unparsed; '' if nothing does. */
  readonly headers: string;
}

const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9.])?|\[[0-9A-Fa-f:.]+\])$/;

/**
 * Parses a sip: or sips: URI (RFC 3261 §19.1); undefined for anything else.
 * drachtio-srf's parser reads user, host and port; parameters are split off before, since it takes those
 * that follow a host without dots (`sip:host;transport=tcp`) for a part of the host.
 */
export function parseSipUri(text: string): SipUri | undefined {
  if (text.length > MAX_URI_CHARS || !/^sips?:/i.test(text) || /[\s<>"]/.test(text)) return undefined;
  const lowered = text.replace(/^[^:]+/, (scheme) => scheme.toLowerCase());
  const at = lowered.indexOf('@');
  const rest = lowered.slice(at + 1);
  const semicolon = rest.search(/[;?]/);
  const hostPort = semicolon < 0 ? rest : rest.slice(0, semicolon);
  const tail = semicolon < 0 ? '' : rest.slice(semicolon);
  const question = tail.indexOf('?');
  const params = parseParams(question < 0 ? tail : tail.slice(0, question));
  const base = parser.parseUri(lowered.slice(0, at + 1) + hostPort);
  if (base === undefined || params === undefined || base.host === undefined || !HOST.test(base.host)) return undefined;
  const port = base.port !== undefined && Number.isInteger(base.port) ? base.port : undefined;
  if (port !== undefined && (port < 1 || port > 65535)) return undefined;
  const host = base.host.replace(/^\[|\]$/g, '');
  if (base.host.startsWith('[') && !isIPv6(host)) return undefined;
  return {
    scheme: base.scheme === 'sips' ? 'sips' : 'sip',
    user: base.user,
    host: host.toLowerCase(),
    port,
    params,
    headers: question < 0 ? '' : tail.slice(question + 1),
  };
}

/** Writes `host` or `host:port`, with brackets around IPv6 addresses. */
export function hostPort(host: string, port?: number): string {
  const written = isIPv6(host) ? `[${host}]` : host;
  return port === undefined ? written : `${written}:${port}`;
}

export interface Via {
  /** Upper case: UDP, TCP, TLS... */
  readonly transport: string;
  /** sent-by host, IPv6 without brackets. */
  readonly host: string;
  readonly port: number | undefined;
  readonly params: Params;
}

/** Parses one Via value (RFC 3261 §20.42); undefined when it is malformed. */
export function parseVia(value: string): Via | undefined {
  if (value.length > MAX_VALUE_CHARS) return undefined;
  const semicolon = value.indexOf(';');
  const head = (semicolon < 0 ? value : value.slice(0, semicolon)).trim();
  const params = parseParams(semicolon < 0 ? '' : value.slice(semicolon));
  const match = /^SIP\s*\/\s*2\.0\s*\/\s*([A-Za-z0-9-]+)\s+(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?:\s*:\s*(\d{1,5}))?$/i.exec(head);
  if (match === null || params === undefined) return undefined;
  const port = match[3] === undefined ? undefined : Number(match[3]);
  if (port !== undefined && (port < 1 || port > 65535)) return undefined;
  return { transport: match[1]!.toUpperCase(), host: match[2]!.replace(/^\[|\]$/g, ''), port, params };
}

export interface CSeq {
  readonly seq: number;
  readonly method: string;
}

/** Parses a CSeq value (RFC 3261 §20.16): the number must be below 2^31. */
export function parseCSeq(value: string): CSeq | undefined {
  if (value.length > 100) return undefined;
  const match = /^\s*(\d{1,16})\s+(\S+)\s*$/.exec(value);
  if (match === null || !isToken(match[2]!)) return undefined;
  const seq = Number(match[1]);
  return seq < 2 ** 31 ? { seq, method: match[2]! } : undefined;
}

export interface RequestLine {
  readonly method: string;
  readonly uri: string;
  readonly version: string;
  /** Single spaces and a URI without white space or angle brackets, as RFC 3261 §7.1 wants it. */
  readonly exact: boolean;
}

/** Takes a request line apart; undefined when it is none. Written without a pattern over the whole line: it is the first thing a stranger sends. */
export function parseRequestLine(line: string): RequestLine | undefined {
  const space = line.search(/[ \t]/);
  if (space <= 0) return undefined;
  const tail = /[ \t]SIP[ \t]{0,4}\/[ \t]{0,4}(\d{1,3}\.\d{1,3})[ \t]{0,4}$/i.exec(line.slice(-32));
  const method = line.slice(0, space);
  if (tail === null || !isToken(method)) return undefined;
  const uriEnd = line.length - tail[0].length;
  if (uriEnd <= space) return undefined;
  const between = line.slice(space + 1, uriEnd);
  const uri = between.trim();
  return { method, uri, version: tail[1]!, exact: uri === between && uri !== '' && line[space] === ' ' && !/[\s<>]/.test(uri) };
}
