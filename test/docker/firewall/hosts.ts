/**
 * Three hosts on one kernel, each a network namespace: the gateway's, with the rules that are tested; one on the outside,
 * with a listed address, a stranger's and a forged one; and one on the gateway's inner network.
 *
 *   outside  192.0.2.20 listed, 192.0.2.99 stranger, forged 172.30.250.10 ── 192.0.2.1 gateway 172.30.250.1 ── 172.30.250.10  inside
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { until } from '../../peers/wait.js';

export const GATEWAY = '192.0.2.1';
export const GATEWAY_6 = '2001:db8:0:2::1';
export const LISTED = '192.0.2.20';
export const LISTED_6 = '2001:db8:0:2::20';
export const STRANGER = '192.0.2.99';
export const STRANGER_6 = '2001:db8:0:2::99';
export const INSIDE = '172.30.250.10';

const sockets = path.join(import.meta.dirname, 'sockets.mjs');

/** Why such hosts cannot be made here; undefined: they can. */
export function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can make network namespaces';
  for (const program of ['nft', 'ip']) if (spawnSync(program, ['--version']).error) return `${program} is not on this machine`;
  if (spawnSync('unshare', ['--net', 'nft', 'list', 'ruleset']).status !== 0) return 'this kernel gives no network namespace with nftables';
  return undefined;
}

interface Ports {
  /** A number is that port of all addresses. */
  readonly udp: readonly (number | { readonly host: string; readonly port: number })[];
  readonly tcp: readonly number[];
}

interface Packet {
  readonly proto: 'udp' | 'tcp';
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly fromPort?: number;
  readonly size?: number;
}

/** One namespace with sockets in it. */
export class Host {
  private child: ChildProcess | undefined;
  readonly arrived = new Set<string>();
  private readonly over = new Set<string>();

  constructor(readonly name: string) {
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
  }

  async listen(ports: Ports): Promise<void> {
    const child = spawn('ip', ['netns', 'exec', this.name, process.execPath, sockets, JSON.stringify(ports)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.child = child;
    let listening = false;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said = JSON.parse(line) as { arrived?: string; over?: string; listening?: boolean };
      if (said.over !== undefined) this.over.add(said.over);
      if (said.arrived !== undefined) this.arrived.add(said.arrived.trim());
      if (said.listening) listening = true;
    });
    await until(() => listening, `sockets in ${this.name}`);
  }

  send(packet: Packet, text: string): void {
    this.child?.stdin?.write(`${JSON.stringify({ ...packet, text })}\n`);
  }

  /** Sends nothing more of this. */
  async end(text: string): Promise<void> {
    this.child?.stdin?.write(`${JSON.stringify({ over: text })}\n`);
    await until(() => this.over.has(text), `the end of ${text}`);
  }

  run(program: string, args: readonly string[], input?: string): string {
    return execFileSync('ip', ['netns', 'exec', this.name, program, ...args], { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'pipe'] });
  }

  close(): void {
    this.child?.kill('SIGKILL');
    spawnSync('ip', ['netns', 'del', this.name]);
  }
}

const ip = (...args: string[]): void => void execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });

export class Hosts {
  readonly gateway: Host;
  readonly outside: Host;
  readonly inside: Host;
  private sent = 0;

  constructor() {
    const made: Host[] = [];
    const host = (what: string): Host => {
      made.push(new Host(`${what}-${process.pid}`));
      return made.at(-1)!;
    };
    try {
      [this.gateway, this.outside, this.inside] = [host('gateway'), host('outside'), host('inside')];
      ip('-n', this.gateway.name, 'link', 'add', 'outer', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.outside.name);
      ip('-n', this.gateway.name, 'link', 'add', 'inner', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.inside.name);
      const address = (on: Host, device: string, ...addresses: string[]): void => {
        for (const one of addresses) ip('-n', on.name, 'address', 'add', one, 'dev', device, ...(one.includes(':') ? ['nodad'] : []));
        ip('-n', on.name, 'link', 'set', device, 'up');
      };
      address(this.gateway, 'outer', `${GATEWAY}/24`, `${GATEWAY_6}/64`);
      address(this.gateway, 'inner', '172.30.250.1/28');
      address(this.outside, 'eth0', `${LISTED}/24`, `${STRANGER}/24`, `${INSIDE}/32`, `${LISTED_6}/64`, `${STRANGER_6}/64`);
      address(this.inside, 'eth0', `${INSIDE}/28`);
      ip('-n', this.inside.name, 'route', 'add', 'default', 'via', '172.30.250.1');
      // The rules have to do without the kernel's own check of where packets come from.
      for (const device of ['all', 'default', 'outer', 'inner']) this.gateway.run('sysctl', ['-qw', `net.ipv4.conf.${device}.rp_filter=0`]);
      this.gateway.run('sysctl', ['-qw', 'net.ipv4.ip_forward=1']);
    } catch (error) {
      for (const one of made) one.close();
      throw error;
    }
  }

  load(ruleset: string): void {
    this.gateway.run('nft', ['-f', '-'], ruleset);
  }

  rules(): string {
    return this.gateway.run('nft', ['list', 'ruleset']);
  }

  /** Packets that the table has dropped so far. */
  dropped(): number {
    const { nftables } = JSON.parse(this.gateway.run('nft', ['-j', 'list', 'counters'])) as { nftables: { counter?: { table: string; packets: number } }[] };
    return nftables.reduce((sum, { counter }) => sum + (counter?.table === 'telephone_gateway' ? counter.packets : 0), 0);
  }

  /** Sends one thing and waits until it is there or was dropped: the rules count what they drop. */
  async reach(sender: Host, packet: Packet, receiver: Host = this.gateway): Promise<'arrives' | 'is dropped'> {
    const text = `packet ${(this.sent += 1)}`;
    const before = this.dropped();
    sender.send(packet, text);
    const what = `${packet.proto} ${packet.port} from ${packet.from}`;
    const fate = await until(() => (receiver.arrived.has(text) ? 'arrives' : this.dropped() > before ? 'is dropped' : undefined), `${what}, to arrive or to be dropped`);
    await sender.end(text);
    return fate;
  }

  close(): void {
    for (const host of [this.gateway, this.outside, this.inside]) host.close();
  }
}
