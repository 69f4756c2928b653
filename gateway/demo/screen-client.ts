/**
 * An agent's screen without a browser, for the guided run and the tests: logs in as a person would, keeps the socket,
 * acknowledges what it is shown.
 */
import WebSocket from 'ws';
import type { TransferTarget } from '../screen/contract.js';
import type { ServerMessage } from '../screen/messages.js';

export interface Shown {
  callId: string;
  name: string | undefined;
  /** Values shown, by the English label; null when the caller is plainly not identified. */
  fields: Record<string, string> | null;
  revealId: string;
  /** Attribute names of fields whose value was not sent, by the English label. */
  masked: Record<string, string>;
}

/**
 * Logs in with a password, as the form of the login page does.
 * @param url base of the agents' listener
 * @returns the cookie of the session
 */
export async function logIn(url: string, name: string, password = 'demo'): Promise<string> {
  const login = await fetch(`${url}/login`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: url, accept: 'application/json' },
    body: new URLSearchParams({ name, password }),
  });
  const cookie = login.headers.getSetCookie()[0]?.split(';')[0];
  if (login.status !== 303 || cookie === undefined) throw new Error(`login as ${name} was answered ${login.status}`);
  return cookie;
}

export class ScreenClient {
  /** Everything the server said, with the moment it came (performance.now). */
  readonly heard: { at: number; message: ServerMessage }[] = [];
  /** What is on the screen now. */
  shown: Shown | undefined;
  /** False: stays mute when attributes come, as a page that hangs would. */
  acknowledges = true;
  /** Called with each pop, before it is acknowledged. */
  onPop: ((shown: Shown) => void) | undefined;
  /** Why the socket was closed (RFC 6455 section 7.4), once it was. */
  closed: number | undefined;
  private beats: NodeJS.Timeout | undefined;

  private constructor(private readonly socket: WebSocket, readonly agent: string, /** Of the login, as a browser sends it. */ readonly cookie: string) {
    socket.on('message', (data: Buffer) => this.hear(JSON.parse(data.toString('utf8')) as ServerMessage));
    socket.on('close', (code) => {
      this.closed = code;
      clearInterval(this.beats);
      this.shown = undefined;
    });
    socket.on('error', () => undefined);
  }

  /** @param url base of the agents' listener */
  static async open(url: string, agent: string, password = 'demo'): Promise<ScreenClient> {
    return this.connect(url, agent, await logIn(url, agent, password));
  }

  /** Another page of the same login, as when somebody reloads it or opens a second tab, on any node. */
  again(url: string): Promise<ScreenClient> {
    return ScreenClient.connect(url, this.agent, this.cookie);
  }

  private static async connect(url: string, agent: string, cookie: string): Promise<ScreenClient> {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/screen/ws`, { headers: { cookie, origin: url } });
    const client = new ScreenClient(socket, agent, cookie);
    await client.told('hello');
    return client;
  }

  /**
   * Waits for the `count`th message of a kind.
   * @param since only of what came from this moment on (performance.now)
   */
  async told<T extends ServerMessage['type']>(type: T, { count = 1, timeoutMs = 10_000, since = 0 } = {}): Promise<Extract<ServerMessage, { type: T }>> {
    const giveUpAt = performance.now() + timeoutMs;
    for (;;) {
      const entry = this.heard.filter(({ at, message }) => at >= since && message.type === type)[count - 1];
      if (entry) return entry.message as Extract<ServerMessage, { type: T }>;
      if (performance.now() > giveUpAt) {
        const said = this.heard.map(({ message }) => message.type).filter((kind) => kind !== 'beat').join(', ');
        throw new Error(`waited ${timeoutMs} ms for the screen of ${this.agent} to be told "${type}"; it was told: ${said}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** When the last message of a kind came. */
  toldAt(type: ServerMessage['type']): number | undefined {
    return this.heard.filter(({ message }) => message.type === type).at(-1)?.at;
  }

  say(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  end(): void {
    if (this.shown) this.say({ type: 'end', callId: this.shown.callId });
  }

  /** Asks for a masked field, by its English label; its value comes into `shown.fields`. */
  unmask(label: string): void {
    const field = this.shown?.masked[label];
    if (this.shown && field !== undefined) this.say({ type: 'unmask', callId: this.shown.callId, revealId: this.shown.revealId, field });
  }

  askTargets(): void {
    if (this.shown) this.say({ type: 'transferTargets', callId: this.shown.callId });
  }

  transfer(target: TransferTarget): void {
    if (this.shown) this.say({ type: 'transfer', callId: this.shown.callId, target });
  }

  setAvailable(available: boolean): void {
    this.say({ type: 'availability', value: available ? 'available' : 'break' });
  }

  wrapUpDone(): void {
    this.say({ type: 'wrapUpDone' });
  }

  close(): void {
    clearInterval(this.beats);
    this.socket.terminate();
  }

  stop(): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  private hear(message: ServerMessage): void {
    this.heard.push({ at: performance.now(), message });
    if (this.heard.length > 20_000) this.heard.splice(0, 10_000);
    switch (message.type) {
      case 'hello':
        this.beats = setInterval(() => this.say({ type: 'beat' }), message.beatIntervalMs);
        return;
      case 'reveal': {
        const given = message.identity?.fields ?? [];
        const fields = message.identity && Object.fromEntries(given.flatMap(({ label, value }) => (value === undefined ? [] : [[label.en, value] as const])));
        const masked = Object.fromEntries(given.flatMap(({ label, name, value }) => (value === undefined ? [[label.en, name] as const] : [])));
        this.shown = { callId: message.callId, revealId: message.revealId, name: fields ? Object.values(fields)[0] : undefined, fields, masked };
        this.onPop?.(this.shown);
        if (this.acknowledges) this.say({ type: 'ack', callId: message.callId, revealId: message.revealId });
        return;
      }
      case 'unmasked': {
        const label = Object.entries(this.shown?.masked ?? {}).find(([, name]) => name === message.field)?.[0];
        if (this.shown?.fields && this.shown.revealId === message.revealId && label !== undefined && message.value !== null) this.shown.fields[label] = message.value;
        return;
      }
      case 'clear':
        if (this.shown?.callId === message.callId) this.shown = undefined;
        return;
      default:
    }
  }
}
