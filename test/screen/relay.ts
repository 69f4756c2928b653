import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface Relay {
  readonly origin: string;
  freeze(): void;
  thaw(): void;
  /** Everything arrives so much later from now on, in ms; in order. */
  slow(delayMs: number): void;
  close(): Promise<void>;
}

/** A TCP relay to the listener that can stop passing bytes without closing anything, as a broken network does, or pass them late. */
export async function startRelay(port: number): Promise<Relay> {
  const sockets = new Set<Socket>();
  const frozen = new Set<Socket>();
  let isFrozen = false;
  let delayMs = 0;
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [[near, far], [far, near]] as const) {
      sockets.add(from);
      from.on('error', () => undefined);
      const pass = (data: Buffer): void => {
        if (!isFrozen && !frozen.has(from) && to.writable) to.write(data);
      };
      from.on('data', (data) => (delayMs > 0 ? void setTimeout(pass, delayMs, data) : pass(data)));
      from.on('close', () => {
        sockets.delete(from);
        if (!frozen.has(from)) setTimeout(() => to.destroy(), delayMs);
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    // The listener compares Origin and Host, which a relay leaves as they are.
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    freeze: () => {
      isFrozen = true;
      for (const socket of sockets) frozen.add(socket);
    },
    thaw: () => (isFrozen = false),
    slow: (ms) => (delayMs = ms),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
