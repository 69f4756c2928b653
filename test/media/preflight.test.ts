/** What a media server is asked before the gateway uses it. */
import net from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { preflight } from '../../gateway/media/preflight.js';
import { Peers } from '../peers/index.js';
import { TestGateway } from '../support/gateway.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

const status = '                     Name\t   Type\t                                      Data\tState\n=====\n              drachtio_mrf\tprofile\t          sip:mod_sofia@127.0.0.1:5080\tRUNNING (0)\n=====\n1 profile 0 aliases\n';

/** Answers as FreeSWITCH 1.10 does; no real one can be set to every level here. */
async function eventSocket(loglevel: string, profiles = status): Promise<{ host: string; port: number; secret: string; profile: string }> {
  const server = net.createServer((socket) => {
    socket.write('Content-Type: auth/request\n\n');
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      const command = data.toString('utf8').trim();
      if (command.startsWith('auth ')) return socket.write(`Content-Type: command/reply\nReply-Text: ${command === 'auth right' ? '+OK accepted' : '-ERR invalid'}\n\n`);
      const answer = command === 'api sofia status' ? profiles : command === 'api fsctl loglevel' ? loglevel : '-ERR\n';
      return socket.write(`Content-Type: api/response\nContent-Length: ${answer.length}\n\n${answer}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  peers.defer(() => void server.close());
  return { host: '127.0.0.1', port: (server.address() as net.AddressInfo).port, secret: 'right', profile: 'drachtio_mrf' };
}

it.each([
  ['+OK log level: DEBUG [7]\n', true],
  ['+OK log level: INFO [6]\n', true],
  ['+OK log level: WARNING [4]\n', false],
  ['+OK log level: CONSOLE [0]\n', false],
  ['-ERR fsctl Command not found!\n', false],
])('a media server that says %j is found out if it writes down keys and recordings', async (loglevel, talkative) => {
  expect(await preflight(await eventSocket(loglevel), 5_000)).toEqual({ ok: true, talkative });
});

it('what keeps it from being used is told apart', async () => {
  const at = await eventSocket('+OK log level: WARNING [4]\n');
  expect(await preflight({ ...at, secret: 'wrong' }, 5_000)).toEqual({ ok: false, problem: 'wrongSecret' });
  expect(await preflight({ ...at, profile: 'other' }, 5_000)).toEqual({ ok: false, problem: 'noProfile' });
  expect(await preflight(await eventSocket('', '0 profiles 0 aliases\n'), 5_000)).toEqual({ ok: false, problem: 'noProfile' });
});

it('the gateway warns of a media server that is too talkative, and not of its own', async () => {
  const lines: string[] = [];
  const log = { write: (line: string) => void lines.push(line) };
  const own = await TestGateway.start({ agents: [{ name: 'anna', phone: 'sip:anna@127.0.0.1:9' }], logTo: log });
  await own.stop();
  expect(lines.join('')).toContain('media server connected');
  expect(lines.join('')).not.toContain('set its loglevel');
});
