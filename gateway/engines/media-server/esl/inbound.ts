/** The TCP port where applications connect and give the password. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { EngineLog } from '../../log.js';
import { EslConnection, type ConnectionHooks } from './connection.js';
import type { ServerContext } from './context.js';
import { AUTH_REQUEST, disconnectNotice, type Command } from './framing.js';

const MAX_CONNECTIONS = 256;
const AUTH_TIMEOUT_MS = 30_000;
/** A guess costs this long. */
const WRONG_PASSWORD_DELAY_MS = 100;

export interface InboundOptions {
  host: string;
  port: number;
  secret: string;
  context: ServerContext;
  log: EngineLog;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

export class InboundListener {
  readonly connections = new Set<EslConnection>();

  private constructor(private readonly server: Server) {}

  /** Listens; rejects with the system's error when the port is taken. */
  static open(options: InboundOptions): Promise<InboundListener> {
    const server = createServer();
    const listener = new InboundListener(server);
    const secret = digest(options.secret);
    server.on('connection', (socket: Socket) => {
      if (listener.connections.size >= MAX_CONNECTIONS) {
        socket.destroy();
        return;
      }
      listener.accept(socket, secret, options);
    });
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port, options.host, () => {
        server.removeListener('error', reject);
        server.on('error', (error) => options.log.error({ problem: error.message }, 'event socket listener'));
        resolve(listener);
      });
    });
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  private accept(socket: Socket, secret: Buffer, options: InboundOptions): void {
    let trusted = false;
    let refusal: NodeJS.Timeout | undefined;
    const timeout = setTimeout(() => socket.destroy(), AUTH_TIMEOUT_MS);
    const before = (connection: EslConnection, command: Command): boolean => {
      if (trusted) return false;
      if (refusal) return true;
      const [, verb = '', password = ''] = /^(\S*)\s?([^]*)$/.exec(command.line) ?? [];
      if (verb.toLowerCase() === 'exit') return false;
      if (verb.toLowerCase() === 'auth' && timingSafeEqual(digest(password), secret)) {
        trusted = true;
        clearTimeout(timeout);
        connection.reply('+OK accepted');
        return true;
      }
      if (verb.toLowerCase() === 'auth' || verb.toLowerCase() === 'userauth') {
        options.log.warn({ peer: socket.remoteAddress }, 'event socket: wrong password');
        refusal = setTimeout(() => {
          connection.reply('-ERR invalid');
          connection.finish(disconnectNotice());
        }, WRONG_PASSWORD_DELAY_MS);
        return true;
      }
      connection.reply('-ERR command not found');
      return true;
    };
    const hooks: ConnectionHooks = {
      before,
      closed: (connection) => {
        clearTimeout(timeout);
        clearTimeout(refusal);
        this.connections.delete(connection);
      },
    };
    const connection = new EslConnection(socket, options.context, hooks, options.log);
    this.connections.add(connection);
    connection.send(AUTH_REQUEST);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const connection of this.connections) connection.destroy();
    await closed;
  }
}
