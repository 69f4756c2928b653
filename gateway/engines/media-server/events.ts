/** Events of the event socket: made once, serialised once in each format, and given to every connection that asked. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';

export type EventHeaders = Record<string, string | undefined>;

/** What a header value must be escaped to, so that clients that decode it neither misread it nor choke on a stray percent sign. */
export const encodeValue = (value: string): string =>
  // the detour over UTF-8 replaces lone surrogates, which cannot be escaped
  encodeURIComponent(Buffer.from(value).toString()).replace(/%2F/g, '/').replace(/%2C/g, ',').replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

export class EngineEvent {
  private json: string | undefined;
  private plain: string | undefined;

  constructor(readonly headers: EventHeaders, readonly body?: string) {}

  get name(): string {
    return this.headers['Event-Name'] ?? '';
  }

  /** The whole frame, for connections of that format. */
  frame(format: 'json' | 'plain'): string {
    if (format === 'json') {
      if (this.json === undefined) {
        const text = JSON.stringify(this.body === undefined ? this.headers : { ...this.headers, 'Content-Length': String(Buffer.byteLength(this.body)), _body: this.body });
        this.json = `Content-Length: ${Buffer.byteLength(text)}\nContent-Type: text/event-json\n\n${text}`;
      }
      return this.json;
    }
    if (this.plain === undefined) {
      let text = plainHeaders(this.headers);
      if (this.body !== undefined) text += `Content-Length: ${Buffer.byteLength(this.body)}\n`;
      text += `\n${this.body ?? ''}`;
      this.plain = `Content-Length: ${Buffer.byteLength(text)}\nContent-Type: text/event-plain\n\n${text}`;
    }
    return this.plain;
  }
}

/** `Name: value` lines with escaped values. */
export function plainHeaders(headers: EventHeaders): string {
  let text = '';
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) text += `${name}: ${encodeValue(value)}\n`;
  return text;
}

export interface EventSink {
  /** Shown every event; decides itself whether it wants it. */
  offer(event: EngineEvent): void;
}

export class EventBus {
  readonly coreUuid = randomUUID();
  readonly hostname = hostname();
  private readonly sinks = new Set<EventSink>();
  private sequence = 0;

  add(sink: EventSink): void {
    this.sinks.add(sink);
  }

  remove(sink: EventSink): void {
    this.sinks.delete(sink);
  }

  /** The headers every event begins with. */
  commonHeaders(name: string): EventHeaders {
    return {
      'Event-Name': name,
      'Core-UUID': this.coreUuid,
      'FreeSWITCH-Hostname': this.hostname,
      'Event-Date-Timestamp': String(Date.now() * 1000),
      'Event-Sequence': String(++this.sequence),
    };
  }

  publish(event: EngineEvent): void {
    for (const sink of this.sinks) sink.offer(event);
  }
}
