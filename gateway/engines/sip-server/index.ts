import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { silentLog, type EngineLog } from '../log.js';
import { SipStack, type SipTimers, type StackLimits } from '../sip-stack/index.js';
import { isWildcard, localAddresses } from '../sip-stack/local-address.js';
import { AppConnection, type AppCommand, type AppLimits } from './app-connection.js';
import { ServerCore } from './core.js';
import { DialogTable } from './dialogs.js';
import { Door, type DoorOptions } from './door.js';
import { Inbound } from './inbound.js';
import { Outbound } from './outbound.js';
import { Proxy } from './proxy.js';
import { Sessions } from './sessions.js';

export interface SipServerLimits extends StackLimits, AppLimits {
  readonly maxDialogs: number;
  /** Applications connected at a time. */
  readonly maxApps: number;
}

export interface SipServerOptions extends DoorOptions {
  /** SIP address; port 0 picks one that is free for UDP and TCP alike. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Where applications connect. */
  readonly admin: { readonly host: string; readonly port: number };
  /** What applications have to know. */
  readonly secret: string;
  readonly log?: EngineLog;
  readonly limits?: Partial<SipServerLimits>;
  /** Shorter timers are for tests. */
  readonly timers?: SipTimers;
}

export interface SipServerStats {
  readonly dialogs: number;
  readonly transactions: number;
  /** TCP connections of SIP peers. */
  readonly connections: number;
  readonly apps: number;
}

export interface SipServer {
  readonly sip: { readonly host: string; readonly port: number };
  readonly admin: { readonly host: string; readonly port: number };
  stats(): SipServerStats;
  /** Ids of the INVITE dialogs that are up. */
  dialogs(): string[];
  /** Ends one of them by BYE. */
  endDialog(id: string): void;
  close(): Promise<void>;
}

/** Clients compare it with `v0.8.2` before they send pings. */
const VERSION = 'v0.9.10-embedded';

const DEFAULT_APP_LIMITS: AppLimits & { maxDialogs: number; maxApps: number } = {
  maxFrameBytes: 1024 * 1024,
  maxUnreadBytes: 32 * 1024 * 1024,
  authTimeoutMs: 10_000,
  maxDialogs: 20_000,
  maxApps: 256,
};

/**
 * Starts a SIP server that speaks drachtio's application protocol, so that drachtio-srf works on it as on the original.
 * Rejects with the system's error when an address is taken.
 */
export async function startSipServer(options: SipServerOptions): Promise<SipServer> {
  const dialogs = new DialogTable();
  const door = new Door(options, dialogs);
  const stack = await SipStack.open({
    host: options.listen.host, port: options.listen.port, log: options.log, limits: options.limits, timers: options.timers,
    admit: (request, source) => door.admit(request, source),
    samePeer: (one, other) => door.same(one, other),
    isKnown: (address) => door.knows(address),
  });
  try {
    const server = new EmbeddedSipServer(stack, dialogs, options);
    await server.listen();
    return server;
  } catch (error) {
    await stack.close();
    throw error;
  }
}

class EmbeddedSipServer implements SipServer {
  private readonly limits: typeof DEFAULT_APP_LIMITS;
  private readonly core: ServerCore;
  private readonly inbound: Inbound;
  private readonly outbound: Outbound;
  private readonly proxy: Proxy;
  private readonly adminServer: Server;

  constructor(
    private readonly stack: SipStack,
    dialogs: DialogTable,
    private readonly options: SipServerOptions,
  ) {
    this.limits = { ...DEFAULT_APP_LIMITS, ...options.limits };
    this.core = new ServerCore(stack, dialogs, options.log ?? silentLog, this.limits.maxDialogs);
    const sessions = new Sessions(this.core);
    this.proxy = new Proxy(this.core, () => this.addresses());
    this.inbound = new Inbound(this.core, sessions, this.proxy);
    this.outbound = new Outbound(this.core, this.inbound, sessions, () => this.addresses());
    stack.on('request', (transaction) => this.inbound.onRequest(transaction));
    this.adminServer = createServer((socket) => this.accept(socket));
    this.adminServer.on('error', (error) => this.core.log.warn({ err: error }, 'admin listener error'));
  }

  async listen(): Promise<void> {
    this.adminServer.listen(this.options.admin.port, this.options.admin.host);
    await once(this.adminServer, 'listening');
  }

  get sip(): { host: string; port: number } {
    return { host: this.stack.host, port: this.stack.port };
  }

  get admin(): { host: string; port: number } {
    return { host: this.options.admin.host, port: (this.adminServer.address() as { port: number }).port };
  }

  stats(): SipServerStats {
    const { serverTransactions, clientTransactions, connections } = this.stack.stats();
    return { dialogs: this.core.dialogs.size, transactions: serverTransactions + clientTransactions, connections, apps: this.core.apps.size };
  }

  dialogs(): string[] {
    return [...this.core.dialogs.values()].filter(({ state, method, leaving }) => state === 'confirmed' && method === 'INVITE' && !leaving).map(({ id }) => id);
  }

  endDialog(id: string): void {
    const dialog = this.core.dialogs.get(id);
    if (dialog?.state === 'confirmed') this.core.hangUp(dialog, 'nobody has this call', 'normal-release');
  }

  private addresses(): string[] {
    return isWildcard(this.stack.host) ? localAddresses() : [this.stack.host];
  }

  private accept(socket: Socket): void {
    if (this.core.apps.size >= this.limits.maxApps) {
      socket.destroy();
      return;
    }
    const app = new AppConnection(socket, this.limits, {
      onCommand: (from, command) => this.onCommand(from, command),
      onGone: (gone) => this.onGone(gone),
    });
    this.core.apps.add(app);
  }

  private onCommand(app: AppConnection, command: AppCommand): void {
    switch (command.type) {
      case 'authenticate':
        this.authenticate(app, command);
        return;
      case 'ping':
        app.answer(command.id, 'OK|pong');
        return;
      case 'route':
      case 'remove_route':
      case 'sip':
      case 'proxy':
        if (app.authenticated) this.onTrusted(app, command);
        else app.answer(command.id, 'NO|not authenticated');
        return;
      default:
        app.answer(command.id, 'NO|Unknown message type');
        app.finish();
    }
  }

  private onTrusted(app: AppConnection, command: AppCommand): void {
    if (command.type === 'sip') {
      this.outbound.onSip(app, command);
      return;
    }
    if (command.type === 'proxy') {
      this.proxy.onProxy(app, command);
      return;
    }
    const verb = command.fields[0] ?? '';
    if (command.type === 'remove_route') app.routes.delete(verb);
    else if (app.routes.size < 64) app.routes.add(verb);
    app.answer(command.id, 'OK');
  }

  private authenticate(app: AppConnection, command: AppCommand): void {
    if (!sameSecret(command.fields[0] ?? '', this.options.secret)) {
      app.answer(command.id, 'NO|incorrect secret');
      app.finish();
      return;
    }
    app.authenticated = true;
    const hostports = this.core.hostports(this.addresses());
    app.answer(command.id, `OK|${hostports}|${VERSION}|${hostports}`);
  }

  private onGone(app: AppConnection): void {
    this.core.apps.remove(app);
    for (const txn of [...this.core.serverTxns.values()]) if (txn.app === app) this.inbound.appGone(txn);
    for (const txn of [...this.core.clientTxns.values()]) if (txn.app === app) this.outbound.appGone(txn);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.adminServer.close(() => resolve()));
    for (const app of [...this.core.apps]) app.destroy();
    for (const dialog of [...this.core.dialogs.values()]) this.core.dialogs.remove(dialog);
    for (const txn of this.core.serverTxns.values()) txn.reliable?.stop();
    await this.stack.close();
    await closed;
  }
}

/** Compares in constant time, whatever the lengths. */
function sameSecret(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
