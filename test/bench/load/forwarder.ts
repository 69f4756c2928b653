/**
 * The least a program in Node can do to carry a call: take each packet and send it on. What the media server costs
 * beyond this is its own doing. One pair of sockets for each call, as a relay has.
 */
import dgram from 'node:dgram';

const host = '127.0.0.1';
const lookup = (name: string, _options: unknown, callback: (error: null, address: string, family: number) => void) => callback(null, name, 4);

async function open(): Promise<dgram.Socket> {
  const socket = dgram.createSocket({ type: 'udp4', lookup: lookup, recvBufferSize: 1 << 20 });
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => socket.bind(0, host, resolve));
  return socket;
}

const portOf = (socket: dgram.Socket): number => (socket.address()).port;

process.on('message', (pairs: { a: number; b: number }[]) => {
  void Promise.all(
    pairs.map(async ({ a, b }) => {
      const [forA, forB] = await Promise.all([open(), open()]);
      forA.on('message', (packet) => forB.send(packet, b, host));
      forB.on('message', (packet) => forA.send(packet, a, host));
      return { a: portOf(forA), b: portOf(forB) };
    }),
  ).then((ports) => process.send!(ports));
});
process.on('disconnect', () => process.exit(0));
