/** A TCP relay between the gateway and a server: a cable that can be cut, or that carries nothing any more. */
import net from 'node:net';

export class Relay {
  private readonly pairs = new Set<net.Socket>();
  private mode: 'open' | 'cut' | 'silent' = 'open';
  private constructor(private readonly server: net.Server, readonly port: number) {}

  static async to(target: { host: string; port: number }): Promise<Relay> {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const relay = new Relay(server, (server.address() as net.AddressInfo).port);
    server.on('connection', (near) => relay.join(near, target));
    return relay;
  }

  /** Ends all connections and refuses new ones. */
  cut(): void {
    this.mode = 'cut';
    for (const socket of this.pairs) socket.destroy();
  }

  /** Keeps connections open, takes new ones, and passes nothing on. */
  silence(): void {
    this.mode = 'silent';
  }

  mend(): void {
    this.mode = 'open';
    // What was lost in the silence stays lost.
    for (const socket of this.pairs) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private join(near: net.Socket, target: { host: string; port: number }): void {
    if (this.mode === 'cut') return void near.destroy();
    this.keep(near);
    near.setNoDelay(true);
    if (this.mode === 'silent') return void near.resume();
    const far = net.connect(target);
    far.setNoDelay(true);
    this.keep(far);
    const pass = (from: net.Socket, to: net.Socket) => {
      from.on('data', (data) => {
        if (this.mode === 'open') to.write(data);
      });
      from.on('close', () => {
        if (this.mode !== 'silent') to.destroy();
      });
    };
    pass(near, far);
    pass(far, near);
  }

  private keep(socket: net.Socket): void {
    this.pairs.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.pairs.delete(socket));
  }
}
