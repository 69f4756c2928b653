/**
 * Loaded into the gateway and its engines before their own code when memory is measured: on a connection to its socket
 * it collects garbage and tells what is left. Memory that only waits to be collected says nothing about calls.
 */
import net from 'node:net';
import { rmSync } from 'node:fs';
import path from 'node:path';

export interface MemoryReading {
  /** Heap and buffers after collection, in bytes. */
  liveBytes: number;
  residentBytes: number;
}

const folder = process.env['BENCH_PROBE_DIR'];
if (folder !== undefined) {
  const file = path.join(folder, `${process.pid}.sock`);
  rmSync(file, { force: true });
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    const { gc } = globalThis as { gc?: () => void };
    gc?.();
    // What finalizers let go of is collected by the second round.
    setImmediate(() => {
      gc?.();
      const { heapUsed, external, rss } = process.memoryUsage();
      socket.end(JSON.stringify({ liveBytes: heapUsed + external, residentBytes: rss } satisfies MemoryReading));
    });
  });
  server.on('error', () => undefined);
  server.listen(file).unref();
}
