// Plain sockets of one host of the tests. Listens on the ports of its first argument ({ udp: [...], tcp: [...] }; of UDP also { host, port }), prints
// a line for all that arrives, and does what it is told, a line of JSON each, on standard input.
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const { udp, tcp } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const bound = new Map();
/** Connections that are being made, by what they are to carry. */
const connecting = new Map();

for (const { host = '::', port } of udp.map((one) => (typeof one === 'number' ? { port: one } : one))) {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (data) => say({ arrived: data.toString().slice(0, 40) }));
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.bind(port, host, resolve));
  bound.set(port, { socket, mapped: host === '::' });
}
for (const port of tcp) {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (data) => {
      say({ arrived: data.toString() });
      socket.destroy();
    });
  });
  await new Promise((resolve) => server.listen(port, '::', resolve));
}
say({ listening: true });

/** @param text is what arrives, when it does; `size` bytes of it over UDP */
function send({ proto, from, to, port, fromPort, text, size = 0 }) {
  const padded = text.padEnd(size, ' ');
  if (proto === 'tcp') {
    const socket = connect({ host: to, port, localAddress: from }, () => socket.end(text));
    socket.on('error', () => undefined);
    connecting.set(text, socket);
    return;
  }
  const known = fromPort === undefined ? undefined : bound.get(fromPort);
  if (known) return known.socket.send(padded, port, known.mapped && !to.includes(':') ? `::ffff:${to}` : to);
  const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4');
  socket.on('error', () => undefined);
  socket.bind(fromPort ?? 0, from, () => socket.send(padded, port, to, () => socket.close()));
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { over, ...packet } = JSON.parse(line);
  if (over === undefined) return send(packet);
  // Or the kernel would go on trying to connect, beside what is sent next.
  connecting.get(over)?.destroy();
  connecting.delete(over);
  say({ over });
}).on('close', () => process.exit(0));
