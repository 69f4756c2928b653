/** The whole process from the outside: coming up, going down, refusing to. */
import dgram from 'node:dgram';
import net from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isBound, Peers, sleep, startCitizen, startSippAgent, until, type Citizen, type SippAgent } from '../peers/index.js';
import { ScreenClient } from '../../gateway/demo/screen-client.js';
import { alive, children, ConfigFolder, configuration, family, kill, run, somePorts, start, untilReady, type Ports, type Run } from './gateway-process.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

beforeAll(async () => {
  // Builds when needed.
  const first = start(['--help']);
  expect(await first.exited, first.err()).toBe(0);
}, 180_000);

/** No port of the gateway is held by anybody. */
function nothingListens(ports: Ports): boolean {
  return !(['public', 'core', 'agents', 'ops', 'sip'] as const).some((name) => isBound(ports[name], 'tcp')) && !isBound(ports.sip, 'udp');
}

async function started(options: { demo?: boolean; change?: (config: Record<string, unknown>) => void } = {}): Promise<{ ports: Ports; gateway: Run; readyMs: number }> {
  const ports = await somePorts();
  const folder = peers.add(new ConfigFolder());
  const config = await configuration(ports, options);
  options.change?.(config);
  const gateway = peers.add(start(['--config', folder.write('gateway.yaml', config)]));
  const readyMs = await untilReady(ports, gateway);
  return { ports, gateway, readyMs };
}

/** One conversation through the process, of somebody who does not want to identify. */
async function conversation(): Promise<{ ports: Ports; gateway: Run; citizen: Citizen; phone: SippAgent; screen: ScreenClient }> {
  const { ports, gateway } = await started();
  const phone = peers.add(await startSippAgent({ port: ports.phone, toneHz: [900] }));
  const screen = peers.add(await ScreenClient.open(`http://127.0.0.1:${ports.agents}`, 'anna'));
  const citizen = peers.add(await startCitizen({ to: { host: '127.0.0.1', port: ports.sip }, user: '+31201234567' }));
  await citizen.answered();
  await citizen.press('0#');
  await screen.told('connected', { timeoutMs: 20_000 });
  return { ports, gateway, citizen, phone, screen };
}

/** Waits for an end, and tells what there was to read when it does not come. */
async function endOf(process: Run, withinMs: number): Promise<number | string> {
  const late = Symbol('late');
  const how = await Promise.race([process.exited, sleep(withinMs).then(() => late)]);
  if (typeof how === 'symbol') throw new Error(`still running after ${withinMs} ms: ${process.err()} ${process.out().slice(-2_000)}`);
  return how;
}

describe('coming up', () => {
  it('in its demo configuration prints addresses that work, and leaves nothing when asked to stop', async () => {
    const { ports, gateway, readyMs } = await started({ demo: true });
    // Measured 0.8 s on an idle machine; the aim is 2 s.
    expect(readyMs).toBeLessThan(15_000);
    await until(() => gateway.err().includes('Ctrl-C'), 'the announcement');
    const addresses = gateway.err().match(/https?:\/\/[^\s]+/g) ?? [];
    expect(addresses).toHaveLength(4);
    for (const address of addresses) {
      const answer = await fetch(address);
      expect(answer.status, address).toBe(200);
      await answer.arrayBuffer();
    }
    expect(gateway.err()).toContain(`sip:+31201234567@127.0.0.1:${ports.sip}`);
    expect(await options(ports.sip)).toMatch(/^SIP\/2\.0 200 /);
    const { gateway: main, engines, all } = family(gateway.pid);
    expect(main).toBeGreaterThan(0);
    expect(engines).toBeGreaterThan(0);
    // A demo agent's phone rings where the configuration says.
    await until(() => isBound(ports.phone, 'udp'), 'the agent’s phone', 15_000);
    gateway.kill('SIGTERM');
    expect(await endOf(gateway, 15_000)).toBe(0);
    expect(nothingListens(ports)).toBe(true);
    await until(() => !all.some(alive) && !isBound(ports.phone, 'udp'), 'all processes to be gone');
  }, 60_000);

  it('keeps standard output for the log: every line is JSON', async () => {
    const { gateway } = await started();
    gateway.kill('SIGINT');
    expect(await endOf(gateway, 15_000)).toBe(0);
    const lines = gateway.out().trim().split('\n');
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(() => JSON.parse(line) as unknown, line).not.toThrow();
    expect(lines.at(-1)).toContain('"stopped"');
  }, 60_000);

  it('stops when asked before it is ready', async () => {
    const ports = await somePorts();
    const folder = peers.add(new ConfigFolder());
    // A SIP server that accepts and says nothing: the start waits for it.
    const silent = net.createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    peers.defer(() => void silent.close());
    const config = { ...(await configuration(ports)), sip: { servers: [{ host: '127.0.0.1', port: (silent.address() as net.AddressInfo).port, secret: 'x' }] } };
    const gateway = peers.add(start(['--config', folder.write('gateway.yaml', config)]));
    await until(async () => (await fetch(`http://127.0.0.1:${ports.ops}/health`).catch(() => undefined))?.status === 503, 'the health page', 15_000);
    const { all } = family(gateway.pid);
    gateway.kill('SIGTERM');
    expect(await endOf(gateway, 5_000)).toBe(0);
    await until(() => !all.some(alive), 'all processes to be gone');
  }, 60_000);
});

describe('a polite request to stop during a conversation', () => {
  it('lets it finish, takes no new call, then ends', async () => {
    const { ports, gateway, citizen, phone, screen } = await conversation();
    const { all } = family(gateway.pid);
    gateway.kill('SIGTERM');
    const health = await until(async () => {
      const report = (await (await fetch(`http://127.0.0.1:${ports.ops}/health`)).json()) as { status: string; calls: number };
      return report.status === 'draining' ? report : undefined;
    }, 'the health page to say so');
    expect(health.calls).toBe(1);
    const late = peers.add(await startCitizen({ to: { host: '127.0.0.1', port: ports.sip }, user: '+31201234567' }));
    expect(await late.status()).toBe(503);
    const refusal = await late.saw(/^SIP\/2\.0 503/);
    expect(refusal.text).toMatch(/^Retry-After: \d+/m);
    const start = await fetch(`http://127.0.0.1:${ports.core}/start_communication`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ purpose: 'report_move' }) });
    expect([start.status, Number(start.headers.get('retry-after')) > 0, ((await start.json()) as { error: string }).error]).toEqual([503, true, 'draining']);
    await sleep(1_500);
    expect(citizen.messages().some((message) => message.firstLine.startsWith('BYE '))).toBe(false);
    expect(screen.heard.some(({ message }) => message.type === 'clear')).toBe(false);
    await citizen.hangup();
    await phone.saw(/^BYE /, { direction: 'received' });
    expect(await endOf(gateway, 15_000)).toBe(0);
    expect(nothingListens(ports)).toBe(true);
    await until(() => !all.some(alive), 'all processes to be gone');
  }, 90_000);

  it('and a second one ends it at once', async () => {
    const { ports, gateway, citizen, phone } = await conversation();
    const { all } = family(gateway.pid);
    gateway.kill('SIGTERM');
    await sleep(1_200);
    const askedAt = performance.now();
    gateway.kill('SIGTERM');
    expect(await endOf(gateway, 10_000)).toBe(0);
    expect(performance.now() - askedAt).toBeLessThan(6_000);
    await citizen.saw(/^BYE /, { direction: 'received' });
    await phone.saw(/^BYE /, { direction: 'received' });
    expect(nothingListens(ports)).toBe(true);
    await until(() => !all.some(alive), 'all processes to be gone');
  }, 90_000);

  it('Ctrl-C, which reaches the gateway from the terminal, from npm and from the launcher, counts once', async () => {
    const { gateway, citizen } = await conversation();
    const { gateway: main } = family(gateway.pid);
    gateway.kill('SIGINT');
    kill(main, 'SIGINT');
    kill(main, 'SIGINT');
    await sleep(1_500);
    expect(citizen.messages().some((message) => message.firstLine.startsWith('BYE '))).toBe(false);
    await citizen.hangup();
    expect(await endOf(gateway, 15_000)).toBe(0);
  }, 90_000);
});

describe('a violent end', () => {
  it('of the gateway: its engines end by themselves', async () => {
    const { ports, gateway } = await conversation();
    const { gateway: main, engines } = family(gateway.pid);
    kill(main, 'SIGKILL');
    expect(await endOf(gateway, 10_000)).toBe(1);
    await until(() => !alive(engines) && nothingListens(ports), 'the engines to be gone', 10_000);
  }, 60_000);

  it('of the gateway in its demo configuration: the phones end as well', async () => {
    const { ports, gateway } = await started({ demo: true });
    await until(() => isBound(ports.phone, 'udp'), 'the agent’s phone', 15_000);
    const { gateway: main, all } = family(gateway.pid);
    kill(main, 'SIGKILL');
    await endOf(gateway, 10_000);
    await until(() => !all.some(alive) && !isBound(ports.phone, 'udp'), 'everything to be gone', 10_000);
  }, 60_000);

  it('of the launcher: the gateway stops as if asked', async () => {
    const { ports, gateway } = await started();
    const { all } = family(gateway.pid);
    kill(gateway.pid, 'SIGKILL');
    await until(() => !all.some(alive) && nothingListens(ports), 'everything to be gone', 15_000);
  }, 60_000);

  it('of the engines: they are back on the same ports', async () => {
    const { ports, gateway } = await started();
    const { gateway: main, engines } = family(gateway.pid);
    kill(engines, 'SIGKILL');
    const next = await until(() => children(main).find((pid) => pid !== engines && alive(pid)), 'new engines');
    await untilReady(ports, gateway);
    expect(next).not.toBe(engines);
    expect(await options(ports.sip)).toMatch(/^SIP\/2\.0 200 /);
    gateway.kill('SIGTERM');
    expect(await endOf(gateway, 15_000)).toBe(0);
  }, 60_000);
});

describe('a port that is taken', () => {
  it.each(['public', 'core', 'agents', 'ops'] as const)('of listeners.%s', async (name) => {
    const ports = await somePorts();
    const squatter = net.createServer();
    await new Promise<void>((resolve) => squatter.listen(ports[name], '127.0.0.1', resolve));
    peers.defer(() => void squatter.close());
    await refusesToStart(ports, new RegExp(`^listeners\\.${name}: 127\\.0\\.0\\.1:${ports[name]} is taken .*listeners\\.${name}\\.port`, 'm'));
  }, 60_000);

  it.each(['udp', 'tcp'] as const)('of sip.listen (%s)', async (protocol) => {
    const ports = await somePorts();
    if (protocol === 'tcp') {
      const squatter = net.createServer();
      await new Promise<void>((resolve) => squatter.listen(ports.sip, '127.0.0.1', resolve));
      peers.defer(() => void squatter.close());
    } else {
      const squatter = dgram.createSocket('udp4');
      await new Promise<void>((resolve) => squatter.bind(ports.sip, '127.0.0.1', resolve));
      peers.defer(() => void squatter.close());
    }
    await refusesToStart(ports, new RegExp(`^sip\\.listen: 127\\.0\\.0\\.1:${ports.sip} is taken .*sip\\.listen\\.port`, 'm'));
  }, 60_000);

  it('or an address that is not ours', async () => {
    const ports = await somePorts();
    await refusesToStart(ports, /^listeners\.agents: 192\.0\.2\.77 is not an address of this machine/m, (config) => {
      (config['listeners'] as Record<string, object>)['agents'] = { host: '192.0.2.77', port: ports.agents };
    });
    await refusesToStart(ports, /^sip\.listen: 192\.0\.2\.77 is not an address of this machine/m, (config) => {
      config['sip'] = { listen: { host: '192.0.2.77', port: ports.sip } };
    });
    await refusesToStart(ports, /^media\.host: 192\.0\.2\.77 is not an address of this machine/m, (config) => {
      config['media'] = { ...(config['media'] as object), host: '192.0.2.77' };
    });
  }, 60_000);

  async function refusesToStart(ports: Ports, message: RegExp, change?: (config: Record<string, unknown>) => void): Promise<void> {
    const folder = peers.add(new ConfigFolder());
    const config = await configuration(ports);
    change?.(config);
    const gateway = peers.add(start(['--config', folder.write('gateway.yaml', config)]));
    expect(await endOf(gateway, 20_000)).toBe(1);
    expect(gateway.err()).toMatch(message);
    // For a person to read, not a stack.
    expect(gateway.err()).not.toMatch(/^\s+at /m);
    expect(family(gateway.pid).all).toEqual([]);
  }
});

describe('a configuration that does not hold', () => {
  it('is told with all its problems at once', async () => {
    const folder = peers.add(new ConfigFolder());
    const config = await configuration(await somePorts());
    const wrong: [string, unknown, RegExp[]][] = [
      ['several', { ...config, listeners: { public: { port: 70_000 }, agnets: {} }, log: { level: 'verbose' }, trunks: [{ name: 'x', addresses: ['300.1.1.1'] }], calls: { ackTimeoutMs: 'soon' } }, [/listeners\.public\.port/, /agnets/, /log\.level/, /trunks\[0\]\.addresses\[0\]|trunks\.0\.addresses\.0/, /calls\.ackTimeoutMs/]],
      ['no-yaml', 'listeners: {public: [', [/no-yaml\.yaml:\d+:\d+/]],
      ['empty', '', [/is empty/]],
      ['a-list', '- 1\n- 2\n', [/./]],
      ['secret', { ...config, codes: { hashKey: 'tooshort-tooshort' } }, [/codes\.hashKey/]],
    ];
    for (const [name, content, expected] of wrong) {
      const file = folder.write(`${name}.yaml`, content as object);
      const gateway = peers.add(start(['--config', file]));
      expect(await endOf(gateway, 20_000), `${name}: ${gateway.err()}`).toBe(78);
      for (const words of expected) expect(gateway.err()).toMatch(words);
      expect(gateway.err()).not.toMatch(/^\s+at /m);
      expect(gateway.err()).not.toContain('tooshort-tooshort');
      expect(gateway.out()).toBe('');
      const check = peers.add(run('gateway/launch/run.mjs', ['dist/config/check-cli.js', '--config', file]));
      expect(await endOf(check, 20_000)).toBe(78);
      for (const words of expected) expect(check.err()).toMatch(words);
    }
  }, 120_000);

  it('names a file that is not there', async () => {
    for (const [args, env] of [[['--config', '/nowhere/gateway.yaml'], {}], [['--config=/nowhere/gateway.yaml'], {}], [[], { GATEWAY_CONFIG: '/nowhere/gateway.yaml' }]] as const) {
      const gateway = peers.add(start(args, env));
      expect(await endOf(gateway, 20_000)).toBe(78);
      expect(gateway.err()).toContain('/nowhere/gateway.yaml');
    }
  }, 60_000);

  it('is what the demo is in production', async () => {
    for (const args of [[], ['--config', 'config/demo.yaml']]) {
      const gateway = peers.add(start(args, { NODE_ENV: 'production' }));
      expect(await endOf(gateway, 20_000)).toBe(78);
      expect(gateway.err()).toMatch(/demo/);
      expect(gateway.err()).toMatch(/NODE_ENV/);
    }
  }, 60_000);
});

describe('the command line', () => {
  it('explains itself', async () => {
    for (const word of ['--help', '-h']) {
      const gateway = peers.add(start([word]));
      expect(await endOf(gateway, 20_000)).toBe(0);
      expect(gateway.out()).toMatch(/--config <file>/);
      expect(gateway.err()).toBe('');
    }
  }, 60_000);

  it.each([
    [['--cnofig', 'x.yaml'], /--cnofig is not an option/],
    [['gateway.yaml'], /"gateway\.yaml" is not understood; .*--config <file>/],
    [['--config', 'a.yaml', '--config', 'b.yaml'], /more than once/],
    [['--config', 'a.yaml', 'b.yaml'], /"b\.yaml" is not understood/],
    [['-v'], /-v is not an option/],
    [['--demo=yes'], /--demo is not an option/],
  ])('%j is not quietly the demo', async (words, message) => {
    const gateway = peers.add(start(words));
    expect(await endOf(gateway, 20_000)).toBe(64);
    expect(gateway.err()).toMatch(message);
    expect(gateway.err()).toContain('--config <file>');
  }, 60_000);

  it('--config without a file', async () => {
    for (const words of [['--config'], ['--config=']]) {
      const gateway = peers.add(start(words));
      expect(await endOf(gateway, 20_000)).toBe(78);
      expect(gateway.err()).toMatch(/--config: names no file/);
    }
  }, 60_000);

  it('check-config says in one line that all is well, and then how hard codes are to guess', async () => {
    const folder = peers.add(new ConfigFolder());
    const good = folder.write('good.yaml', await configuration(await somePorts()));
    const check = peers.add(run('gateway/launch/run.mjs', ['dist/config/check-cli.js', '--config', good]));
    expect(await endOf(check, 20_000), check.err()).toBe(0);
    expect(check.out()).toMatch(/good\.yaml is a valid configuration: 1 trunk, 1 service, 1 agent\.\n\nGuessing codes:\n/);
    expect(check.err()).toBe('');
  }, 60_000);
});

/** Asks a SIP server whether it lives. @returns the answer's text */
async function options(port: number): Promise<string> {
  const socket = dgram.createSocket('udp4');
  try {
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const answered = new Promise<string>((resolve) => socket.once('message', (message) => resolve(message.toString())));
    const { port: own } = socket.address();
    const text = [
      `OPTIONS sip:gateway@127.0.0.1:${port} SIP/2.0`, `Via: SIP/2.0/UDP 127.0.0.1:${own};branch=z9hG4bK${own}${Date.now()};rport`, 'Max-Forwards: 70',
      `From: <sip:test@127.0.0.1:${own}>;tag=${own}`, `To: <sip:gateway@127.0.0.1:${port}>`, `Call-ID: ${own}-${Date.now()}@test`, 'CSeq: 1 OPTIONS', 'Content-Length: 0', '', '',
    ].join('\r\n');
    socket.send(text, port, '127.0.0.1');
    return await Promise.race([answered, sleep(4_000).then(() => 'no answer')]);
  } finally {
    socket.close();
  }
}
