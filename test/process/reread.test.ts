/** What a running process takes from a configuration that changes, seen from the outside; and codes with which it does not run at all. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import path from 'node:path';
import { connect } from 'node:tls';
import { logIn } from '../../gateway/demo/screen-client.js';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { Peers, until } from '../peers/index.js';
import { makeCertificate } from '../peers/redis.js';
import { ConfigFolder, configuration, family, somePorts, start, untilReady } from './gateway-process.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

beforeAll(async () => {
  // Builds when needed.
  expect(await start(['--help']).exited).toBe(0);
}, 180_000);

const [first, second] = ['first-token-of-the-core-0123456789', 'second-token-of-the-core-987654321'];
/** Files are looked at every two seconds. */
const soonMs = 20_000;

/** Starts a session as the core does. @returns the status */
function startSession(port: number, token: string): Promise<number> {
  return new Promise((resolve, reject) => {
    // Who it is, is looked at below.
    const asked = request({ host: '127.0.0.1', port, path: '/start_communication', method: 'POST', rejectUnauthorized: false, agent: false, headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode!);
    });
    asked.on('error', reject);
    asked.end('{"purpose":"report_move"}');
  });
}

function certificateOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()!.fingerprint256);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

it('a token, and the certificate with its key, change with their files or by SIGHUP; what does not hold changes nothing', async () => {
  const folder = peers.add(new ConfigFolder());
  const ports = await somePorts();
  const config = await configuration(ports);
  const newer = path.join(folder.path, 'newer');
  mkdirSync(newer);
  const [old, fresh] = [await makeCertificate(folder.path), await makeCertificate(newer)];
  const tokenFile = folder.write('token', first);
  const gateway = peers.add(start(['--config', folder.write('gateway.yaml', {
    ...config,
    listeners: { ...(config['listeners'] as object), core: { port: ports.core, tls: { certFile: 'cert.pem', keyFile: 'key.pem' } } },
    idContact: { ...(config['idContact'] as object), coreTokens: [{ tokenFile: 'token' }] },
  })]));
  await untilReady(ports, gateway);
  const timesRead = (): number => gateway.out().split('"keys read again"').length - 1;
  const tried = async (): Promise<number[]> => [await startSession(ports.core, first), await startSession(ports.core, second)];
  expect(await tried()).toEqual([200, 401]);

  writeFileSync(tokenFile, second);
  await until(async () => (await tried()).join() === '401,200', 'the other token to count', soonMs, 250);

  // For a moment certificate and key do not belong together.
  const before = await certificateOf(ports.core);
  copyFileSync(fresh.certFile, old.certFile);
  process.kill(family(gateway.pid).gateway, 'SIGHUP');
  await until(() => gateway.out().includes('does not hold any more'), 'the mismatch to be told', soonMs);
  expect(await certificateOf(ports.core)).toBe(before);
  copyFileSync(fresh.keyFile, old.keyFile);
  await until(async () => (await certificateOf(ports.core)) !== before, 'the new certificate', soonMs, 250);
  expect(await tried()).toEqual([401, 200]);

  const said = (): number => gateway.out().split('does not hold any more').length;
  const saidBefore = said();
  writeFileSync(tokenFile, 'short');
  process.kill(family(gateway.pid).gateway, 'SIGHUP');
  await until(() => said() > saidBefore, 'the token to be refused', soonMs);
  expect(await tried()).toEqual([401, 200]);
  expect(gateway.out()).not.toContain(second);

  writeFileSync(tokenFile, first);
  await until(async () => (await tried()).join() === '200,401', 'the first token to count again', soonMs, 250);
  const count = timesRead();
  process.kill(family(gateway.pid).gateway, 'SIGHUP');
  await until(() => timesRead() > count, 'the keys to be read though no file changed', soonMs);
}, 120_000);

it('people change with the file, and what takes a restart is named', async () => {
  const folder = peers.add(new ConfigFolder());
  const ports = await somePorts();
  const config = await configuration(ports);
  const [anna] = config['agents'] as Record<string, unknown>[];
  folder.write('gateway.yaml', config);
  const gateway = peers.add(start(['--config', path.join(folder.path, 'gateway.yaml')]));
  await untilReady(ports, gateway);
  const mayLogIn = (name: string): Promise<boolean> => logIn(`http://127.0.0.1:${ports.agents}`, name).then(() => true, () => false);
  expect([await mayLogIn('anna'), await mayLogIn('carla')]).toEqual([true, false]);
  folder.write('gateway.yaml', { ...config, agents: [{ ...anna, name: 'carla' }], calls: { maxCalls: 7 } });
  await until(() => gateway.out().includes('"people read again"'), 'people to be read again', soonMs);
  expect([await mayLogIn('anna'), await mayLogIn('carla')]).toEqual([false, true]);
  await until(() => gateway.out().includes('"settings":["calls.maxCalls"]'), 'the other setting to be named', soonMs);
}, 60_000);

it('does not start with codes that are too easy to guess', async () => {
  const folder = peers.add(new ConfigFolder());
  const ports = await somePorts();
  const config = await configuration(ports);
  const gateway = peers.add(start(['--config', folder.write('gateway.yaml', { ...config, codes: { ...(config['codes'] as object), digits: 8, guesses: { freeInTotal: 10_000, paceSeconds: 1 } } })]));
  expect(await gateway.exited).toBe(78);
  expect(gateway.err()).toMatch(/codes/);
  expect(gateway.err()).toContain('I accept a chance of one lucky guess a day of');
}, 30_000);
