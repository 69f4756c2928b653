/** The rules where they work: in a kernel, between hosts of the test's own. */
/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access -- configurations are changed before they are checked */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { firewallRuleset } from '../../../config/firewall.js';
import { parseConfig, type Config } from '../../../config/index.js';
import { until } from '../../peers/wait.js';
import { folder, valid } from '../../config/support.js';
import { dockerDir } from '../compose-file.js';
import { GATEWAY, GATEWAY_6, Hosts, INSIDE, LISTED, LISTED_6, STRANGER, STRANGER_6, whyNot } from './hosts.js';

/** In CI a machine that cannot do this is a failure. */
const reason = process.env['CI'] === undefined ? whyNot() : undefined;
if (reason !== undefined) process.stderr.write(`The firewall is not tried in the kernel: ${reason}.\n`);

/** The rules of the production topology: 192.0.2.20 is one of its carrier's addresses. */
const ofCompose = readFileSync(path.join(dockerDir, 'firewall.nft'), 'utf8');

function configured(change: (config: any) => void = () => undefined): Config {
  const config = valid();
  config.sip = { servers: [{ host: '172.30.250.1', secret: 's' }] };
  config.media = { servers: [{ host: '172.30.250.1', secret: 's', listenAddress: INSIDE }] };
  config.trunks = [{ name: 'pbx', addresses: [LISTED, LISTED_6] }];
  config.agents[0].phone = 'sip:anna@10.1.2.3';
  change(config);
  return parseConfig(config, { baseDir: folder, env: {} });
}

describe.skipIf(reason !== undefined)('the firewall in the kernel', () => {
  let hosts: Hosts;

  beforeAll(async () => {
    hosts = new Hosts();
    await hosts.gateway.listen({ udp: [5060, 5061, 5080, 20_000, 29_998, 29_999], tcp: [5060, 5061, 5080, 8021, 9022, 20_000] });
    await hosts.outside.listen({ udp: [{ host: STRANGER, port: 5060 }], tcp: [] });
    await hosts.inside.listen({ udp: [5060], tcp: [] });
  });
  afterAll(() => hosts?.close());
  beforeEach(() => {
    hosts.gateway.run('nft', ['flush', 'ruleset']);
  });

  const outside = (proto: 'udp' | 'tcp', from: string, port: number, more: { fromPort?: number; size?: number } = {}): Promise<string> =>
    hosts.reach(hosts.outside, { proto, from, to: from.includes(':') ? GATEWAY_6 : GATEWAY, port, ...more });

  it('is not there before it is loaded: strangers reach everything', async () => {
    for (const port of [5060, 5080, 20_000]) expect(await outside('udp', STRANGER, port), `udp ${port}`).toBe('arrives');
    for (const port of [5060, 8021, 9022]) expect(await outside('tcp', STRANGER, port), `tcp ${port}`).toBe('arrives');
    expect(await outside('udp', STRANGER_6, 5060)).toBe('arrives');
  });

  it('lets a trunk in on SIP, and no stranger: UDP and TCP, IPv4 and IPv6, whole and in fragments', async () => {
    hosts.load(firewallRuleset(configured()));
    for (const proto of ['udp', 'tcp'] as const) {
      for (const from of [LISTED, LISTED_6]) expect(await outside(proto, from, 5060), `${proto} ${from}`).toBe('arrives');
      for (const from of [STRANGER, STRANGER_6]) expect(await outside(proto, from, 5060), `${proto} ${from}`).toBe('is dropped');
    }
    expect(await outside('udp', LISTED, 5060, { size: 4_000 })).toBe('arrives');
    expect(await outside('udp', STRANGER, 5060, { size: 4_000 })).toBe('is dropped');
    expect(await outside('udp', STRANGER_6, 5060, { size: 4_000 })).toBe('is dropped');
  });

  it('as it stands beside the compose file: trunks on SIP, the gateway at the engines, everybody on RTP', async () => {
    hosts.load(ofCompose);
    expect(await outside('udp', LISTED, 5060)).toBe('arrives');
    expect(await outside('udp', STRANGER, 5060)).toBe('is dropped');
    expect(await outside('udp', STRANGER, 20_000)).toBe('arrives');
    for (const from of [LISTED, STRANGER]) {
      for (const port of [5080, 8021, 9022]) expect(await outside('tcp', from, port), `tcp ${port} from ${from}`).toBe('is dropped');
      expect(await outside('udp', from, 5080)).toBe('is dropped');
    }
    for (const port of [8021, 9022]) expect(await hosts.reach(hosts.inside, { proto: 'tcp', from: INSIDE, to: '172.30.250.1', port })).toBe('arrives');
  });

  it('lets this host speak with itself, by whichever of its addresses', async () => {
    hosts.load(ofCompose);
    for (const address of ['127.0.0.1', GATEWAY]) {
      for (const port of [5060, 5080, 8021, 9022]) expect(await hosts.reach(hosts.gateway, { proto: 'tcp', from: address, to: address, port })).toBe('arrives');
      for (const port of [5060, 5080]) expect(await hosts.reach(hosts.gateway, { proto: 'udp', from: address, to: address, port })).toBe('arrives');
    }
  });

  it('does not take a forged address of the gateway for the gateway', async () => {
    expect(await outside('udp', INSIDE, 5060), 'what the kernel alone does').toBe('arrives');
    hosts.load(ofCompose);
    for (const port of [5060, 5080]) expect(await outside('udp', INSIDE, port)).toBe('is dropped');
  });

  it('closes RTP to all but mediaAddresses, when every trunk has them', async () => {
    hosts.load(firewallRuleset(configured((config) => (config.trunks[0].mediaAddresses = ['192.0.2.96/30', STRANGER_6]))));
    expect(await outside('udp', STRANGER, 5060), 'media only').toBe('is dropped');
    for (const port of [20_000, 29_998]) {
      expect(await outside('udp', STRANGER, port)).toBe('arrives');
      expect(await outside('udp', STRANGER_6, port)).toBe('arrives');
      expect(await outside('udp', LISTED, port)).toBe('is dropped');
      expect(await outside('udp', LISTED_6, port)).toBe('is dropped');
    }
    expect(await outside('udp', LISTED, 29_999), 'beyond the range').toBe('arrives');
    expect(await outside('tcp', LISTED, 20_000), 'not RTP').toBe('arrives');
  });

  it('touches no other port', async () => {
    hosts.load(ofCompose);
    for (const proto of ['udp', 'tcp'] as const) {
      for (const from of [STRANGER, STRANGER_6]) expect(await outside(proto, from, 5061), `${proto} ${from}`).toBe('arrives');
    }
  });

  it('holds where the host has sent to the stranger before, and another table lets in what is established', async () => {
    hosts.load('table inet host {\n chain input {\n type filter hook input priority filter; policy drop;\n ct state established,related accept\n }\n }\n');
    const fromWhereWeSentTo = async (text: string): Promise<string> => {
      hosts.gateway.send({ proto: 'udp', from: GATEWAY, to: STRANGER, port: 5060, fromPort: 5060 }, text);
      await until(() => hosts.outside.arrived.has(text), text);
      return outside('udp', STRANGER, 5060, { fromPort: 5060 });
    };
    expect(await fromWhereWeSentTo('first'), 'without the rules').toBe('arrives');
    hosts.load(ofCompose);
    expect(await fromWhereWeSentTo('second')).toBe('is dropped');
  });

  it('holds for a port that is published to a container, and for one that is led to SIP from another', async () => {
    hosts.load(`table ip published {
      chain pre {
        type nat hook prerouting priority dstnat;
        iifname "outer" udp dport 5060 dnat to ${INSIDE}:5060
        iifname "outer" udp dport 15060 redirect to :5061
        iifname "outer" udp dport 15061 redirect to :5060
      }
    }`);
    const published = (from: string): Promise<string> => hosts.reach(hosts.outside, { proto: 'udp', from, to: GATEWAY, port: 5060 }, hosts.inside);
    expect(await published(STRANGER), 'without the rules').toBe('arrives');
    hosts.load(ofCompose);
    expect(await published(LISTED)).toBe('arrives');
    expect(await published(STRANGER)).toBe('is dropped');
    expect(await outside('udp', STRANGER, 15_060), 'led to another port').toBe('arrives');
    expect(await outside('udp', STRANGER, 15_061)).toBe('is dropped');
  });

  it('is the same when it is loaded twice, is replaced by another one, and leaves other tables alone', async () => {
    hosts.load('table inet other {\n chain input {\n type filter hook input priority filter;\n tcp dport 22 accept\n }\n }\n');
    hosts.load(ofCompose);
    const once = hosts.rules();
    hosts.load(ofCompose);
    expect(hosts.rules()).toBe(once);
    expect(once).toContain('tcp dport 22 accept');
    hosts.load(firewallRuleset(configured((config) => (config.trunks[0].addresses = [STRANGER]))));
    expect(hosts.rules()).toContain('tcp dport 22 accept');
    expect(await outside('udp', STRANGER, 5060)).toBe('arrives');
    expect(await outside('udp', LISTED, 5060)).toBe('is dropped');
  });

  it('is not loaded by halves: of a file with a mistake nothing counts', async () => {
    hosts.load(ofCompose);
    expect(() => hosts.load(`${ofCompose.replace(LISTED, STRANGER)}\nmistake`)).toThrow();
    expect(await outside('udp', STRANGER, 5060)).toBe('is dropped');
    expect(await outside('udp', LISTED, 5060)).toBe('arrives');
  });

  it('can be loaded whatever a configuration holds', async () => {
    const odd = configured((config) => {
      config.trunks = [
        { name: 'all', addresses: ['0.0.0.0/0', '::/0'] },
        { name: 'inside', addresses: ['0.0.0.0', '255.255.255.255', '10.0.0.0/8', '10.20.30.40/9', '::ffff:1.2.3.4', '::ffff:9.9.9.0/120', 'fe80::1%eth0', '::', '2001:db8::/32', '2001:db8:1::/33'] },
        { name: 'meeting', addresses: ['203.0.112.0/24', '203.0.113.0/25', '203.0.113.128/25'] },
      ];
    });
    const evil: Config = { ...odd, trunks: odd.trunks.map((trunk) => ({ ...trunk, name: '}\n}\ntable inet evil { } # \\' })) };
    hosts.load(firewallRuleset(evil));
    expect(hosts.gateway.run('nft', ['list', 'tables']).trim()).toBe('table inet telephone_gateway');
    for (const from of [STRANGER, STRANGER_6]) expect(await outside('udp', from, 5060)).toBe('arrives');
  });

  it('is loaded within seconds for ten thousand phones', async () => {
    const many = configured((config) => {
      const phone = (index: number): string => `10.${index >> 8}.${index & 255}.${1 + (index % 200)}`;
      config.agents = Array.from({ length: 10_000 }, (_, index) => ({ name: `agent-${index}`, password: config.agents[0].password, phone: `sip:a@${phone(index)}` }));
    });
    const ruleset = firewallRuleset(many);
    const startedAt = performance.now();
    hosts.load(ruleset);
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    expect(await outside('udp', LISTED, 5060)).toBe('arrives');
    expect(await outside('udp', STRANGER, 5060)).toBe('is dropped');
  });
});
