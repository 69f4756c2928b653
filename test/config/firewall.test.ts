/** The ruleset as text; what a kernel makes of it is in test/docker/firewall. */
/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-return --
   configurations are changed before they are checked */
import { describe, expect, it } from 'vitest';
import { firewallRuleset, type FirewallOptions } from '../../config/firewall.js';
import { ConfigError, parseConfig, type Config } from '../../config/index.js';
import { folder, valid } from './support.js';

const config = (change: (config: any) => void = () => undefined): Config => {
  const input = valid();
  change(input);
  return parseConfig(input, { baseDir: folder, env: {} });
};
const rules = (change?: (config: any) => void, options?: FirewallOptions): string => firewallRuleset(config(change), options);

/** Real engines, with the gateway at the address it has in docker/compose.yaml. */
const engines = (to: any): void => {
  to.sip = { servers: [{ host: '172.30.250.1', secret: 's' }] };
  to.media = { servers: [{ host: '172.30.250.1', secret: 's', listenAddress: '172.30.250.10' }] };
};

/** The elements of a set, without their comments. */
function elements(ruleset: string, set: string): string[] | undefined {
  const [, body] = new RegExp(`^\\tset ${set} \\{$(.*?)^\\t\\}$`, 'ms').exec(ruleset) ?? [];
  if (body === undefined) return undefined;
  const [, list = ''] = /elements = \{(.*)^\t\t\}/ms.exec(body) ?? [];
  return list.split('\n').map((line) => line.replace(/#.*/, '').replace(',', '').trim()).filter(Boolean);
}

/** Everything that nft acts on. */
const acted = (ruleset: string): string[] => ruleset.split('\n').map((line) => line.replace(/#.*/, '').trim()).filter(Boolean);

function problems(change: (config: any) => void, options?: FirewallOptions): string[] {
  const checked = config(change);
  try {
    firewallRuleset(checked, options);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message.split('\n');
  }
  return [];
}

describe('who is let in on SIP', () => {
  it('trunks and the phones that are called, each with the name of whose they are', () => {
    const ruleset = rules();
    expect(elements(ruleset, 'sip4')).toEqual(['192.0.2.10', '192.0.2.20', '198.51.100.0/24']);
    expect(elements(ruleset, 'sip6')).toEqual([]);
    expect(ruleset).toMatch(/192\.0\.2\.10, {2}# trunk pbx$/m);
    expect(ruleset).toMatch(/192\.0\.2\.20, {2}# agents\[0\]\.phone$/m);
    expect(ruleset).toMatch(/^# trunk pbx: SIP from 2 addresses or ranges, media from anywhere \(no mediaAddresses\)$/m);
  });

  it('whatever the gateway calls: trunks by their outbound, queues, and the address that maddr names', () => {
    const ruleset = rules((to) => {
      to.trunks[0].addresses.push('192.0.2.77');
      to.trunks[0].outbound = 'sip:{number}@203.0.113.7:5062;transport=tcp';
      to.services[0].handOver = { to: 'sip:8000@192.0.2.77' };
      to.agents[0].phone = 'sip:anna@192.0.2.20;maddr=203.0.113.8;transport=udp';
      to.agents.push({ name: 'bram', password: to.agents[0].password, phone: 'sip:bram@[2001:db8::7]:5070' });
    });
    expect(elements(ruleset, 'sip4')).toEqual(['192.0.2.10', '192.0.2.20', '192.0.2.77', '198.51.100.0/24', '203.0.113.7', '203.0.113.8']);
    expect(elements(ruleset, 'sip6')).toEqual(['2001:db8::7']);
    expect(ruleset).toMatch(/192\.0\.2\.77, {2}# trunk pbx, services\[0\]\.handOver\.to$/m);
  });

  it('people of every tenant', () => {
    const ruleset = rules((to) => {
      const { trunks, ...tenant } = structuredClone(to);
      for (const key of Object.keys(to)) delete to[key];
      to.trunks = trunks;
      to.tenants = [{ name: 'zutphen', ...tenant }, { ...structuredClone(tenant), name: 'lochem', codes: { hashKey: 'i'.repeat(32) }, services: [{ name: 'Desk', numbers: ['+31207654321'], purposes: ['x'] }], agents: [{ ...tenant.agents[0], name: 'bea', phone: 'sip:bea@203.0.113.9' }] }];
    });
    expect(elements(ruleset, 'sip4')).toContain('203.0.113.9');
    expect(ruleset).toContain('# tenants[1].agents[0].phone');
  });

  it('ranges that lie in each other once, the hosts’ bits left out, in order', () => {
    const ruleset = rules((to) => {
      to.trunks = [
        { name: 'wide', addresses: ['10.20.0.0/16', '192.0.2.0/25', '2001:db8:1::/48'] },
        { name: 'inside', addresses: ['10.20.3.4', '10.20.7.99/24', '9.9.9.9', '2001:db8:1:2::5', '192.0.2.128/25'] },
      ];
    });
    expect(elements(ruleset, 'sip4')).toEqual(['9.9.9.9', '10.20.0.0/16', '192.0.2.0/25', '192.0.2.128/25']);
    expect(elements(ruleset, 'sip6')).toEqual(['2001:db8:1::/48']);
    expect(ruleset).toMatch(/10\.20\.0\.0\/16, {2}# trunk wide, trunk inside$/m);
  });

  it('IPv4 written as IPv6 as what it is on the wire; zones and this machine itself not at all', () => {
    const ruleset = rules((to) => {
      to.trunks[0].addresses = ['::ffff:203.0.113.5', '::ffff:198.51.100.0/120', '127.0.0.0/8', '::1', '::ffff:127.0.0.1', 'fe80::1%eth0'];
      to.agents[0].phone = 'sip:anna@127.0.0.1:5070';
    });
    expect(elements(ruleset, 'sip4')).toEqual(['198.51.100.0/24', '203.0.113.5']);
    expect(elements(ruleset, 'sip6')).toEqual(['fe80::1']);
  });

  it('names cannot be: it says where their addresses have to stand', () => {
    const ruleset = rules((to) => {
      to.trunks[0].outbound = 'sip:{number}@carrier.example.org';
      to.agents[0].phone = 'sip:anna@pbx.example.org';
      to.agents.push(...['b', 'c', 'd', 'e', 'f'].map((name) => ({ name, password: to.agents[0].password, phone: `sip:${name}@pbx.example.org` })));
    });
    expect(ruleset).toContain('# carrier.example.org (trunks[0].outbound) is a name: list its addresses in trunks[].addresses, or it is not heard.\n');
    expect(ruleset).toContain('# pbx.example.org (agents[0].phone, agents[1].phone, agents[2].phone, agents[3].phone and 2 more) is a name: ');
    expect(acted(ruleset).join('\n')).not.toContain('example.org');
  });

  it('everybody, if a trunk says so, and that is said aloud', () => {
    const ruleset = rules((to) => (to.trunks[0].addresses = ['0.0.0.0/0', '::/0', '10.0.0.0/8']));
    expect(elements(ruleset, 'sip4')).toEqual(['0.0.0.0/0']);
    expect(elements(ruleset, 'sip6')).toEqual(['::/0']);
    expect(ruleset.match(/^# WARNING: trunk pbx: .* lets in much of the world\./gm)).toHaveLength(2);
    expect(rules((to) => (to.trunks[0].addresses = ['10.0.0.0/8', '2001:db8::/32']))).not.toContain('WARNING');
  });
});

describe('ports', () => {
  it('of the embedded servers are those of the configuration, and nothing else is guarded', () => {
    const ruleset = rules((to) => {
      to.sip = { listen: { port: 5062 } };
      to.media = { rtpPorts: { min: 30000, max: 30999 } };
      to.trunks[0].mediaAddresses = ['192.0.2.0/24'];
    });
    const guarding = acted(ruleset).filter((line) => line.includes('dport'));
    expect(guarding).toEqual(['meta l4proto { tcp, udp } th dport 5062 jump sip', 'udp dport 30000-30999 jump rtp']);
    expect(elements(ruleset, 'own4')).toBeUndefined();
  });

  it('of real servers are those of docker/, or what the command is told', () => {
    const close = (to: any): void => {
      engines(to);
      to.trunks[0].mediaAddresses = ['192.0.2.0/24'];
    };
    const guarding = (options?: FirewallOptions): string[] => acted(rules(close, options)).filter((line) => line.includes('dport'));
    expect(guarding()).toEqual([
      'meta l4proto { tcp, udp } th dport 5060 jump sip',
      'udp dport 20000-29998 jump rtp',
      'udp dport 5080 counter name "engines_dropped" drop',
      'tcp dport { 5080, 8021, 9022 } counter name "engines_dropped" drop',
    ]);
    expect(guarding({ sipPort: 5065, mediaSipPort: 5081, rtpPorts: { min: 16384, max: 20000 } })).toEqual([
      'meta l4proto { tcp, udp } th dport 5065 jump sip',
      'udp dport 16384-20000 jump rtp',
      'udp dport 5081 counter name "engines_dropped" drop',
      'tcp dport { 5081, 8021, 9022 } counter name "engines_dropped" drop',
    ]);
  });

  it('that it cannot know, or that stand in each other’s way, are named with what to do', () => {
    expect(problems((to) => (to.sip = { listen: { port: 0 } }))).toEqual(['sip.listen.port: is 0, any free port, which no firewall can know. Give a fixed port, such as 5060.']);
    expect(problems(() => undefined, { sipPort: 5060, rtpPorts: { min: 1, max: 2 }, mediaSipPort: 5080 })).toEqual([
      '--sip-port: is given while that server is the embedded one. Leave it out; sip.listen.port says it.',
      '--media-sip-port: is given while that server is the embedded one. Leave it out.',
      '--rtp-ports: is given while that server is the embedded one. Leave it out; media.rtpPorts says it.',
    ]);
    expect(problems(engines, { sipPort: 9022 })).toEqual(['sip.servers[0].port: is 9022, to which trunks are let in by --sip-port. Correct it, or --sip-port.']);
    expect(problems(engines, { sipPort: 20000, mediaSipPort: 20001 })).toEqual([
      '--sip-port: is 20000, inside the RTP ports 20000-29998. Keep SIP out of the RTP range.',
      '--media-sip-port: is 20001, inside the RTP ports 20000-29998. Keep SIP out of the RTP range.',
    ]);
  });
});

describe('who is let in on RTP', () => {
  it('everybody, as long as one trunk has no mediaAddresses; it says which', () => {
    const ruleset = rules((to) => to.trunks.push({ name: 'carrier', addresses: ['203.0.113.1'], mediaAddresses: ['203.0.113.0/24'] }));
    expect(ruleset).toContain('# RTP, UDP 20000-29999: open to everybody.');
    expect(ruleset).toContain('(1 of 2 without)');
    expect(ruleset).toContain('# trunk pbx: SIP from 2 addresses or ranges, media from anywhere (no mediaAddresses)\n# trunk carrier: SIP from 1 address or range, media from 1 address or range\n');
    expect(acted(ruleset).join('\n')).not.toMatch(/rtp|29999/);
  });

  it('mediaAddresses and nothing more, when every trunk has them; and phones that no trunk lists', () => {
    const ruleset = rules((to) => {
      to.trunks = [
        { name: 'pbx', addresses: ['192.0.2.10'], mediaAddresses: ['192.0.2.64/26', '2001:db8::/64'] },
        { name: 'carrier', addresses: ['203.0.113.1'], mediaAddresses: ['203.0.113.0/24'] },
      ];
      to.agents.push({ name: 'bram', password: to.agents[0].password, phone: 'sip:bram@192.0.2.10' });
    });
    expect(elements(ruleset, 'rtp4')).toEqual(['192.0.2.20', '192.0.2.64/26', '203.0.113.0/24']);
    expect(elements(ruleset, 'rtp6')).toEqual(['2001:db8::/64']);
    expect(acted(ruleset)).toContain('counter name "rtp_dropped" drop');
  });

  it('everybody, when closing it would drop the answers to what this host asks others', () => {
    const ruleset = rules((to) => {
      to.trunks[0].mediaAddresses = ['192.0.2.0/24'];
      to.media = { rtpPorts: { min: 20000, max: 40000 } };
    });
    expect(ruleset).toMatch(/^# WARNING: media\.rtpPorts: RTP stays open, because 20000-40000 reaches into the ports from 32768 on/m);
    expect(elements(ruleset, 'rtp4')).toBeUndefined();
  });
});

describe('gateway and engines among themselves', () => {
  it('are let in by the addresses of the configuration and those that the command is given', () => {
    const ruleset = rules(engines, { nodes: ['10.9.0.4', '2001:db8::/127'] });
    expect(elements(ruleset, 'own4')).toEqual(['10.9.0.4', '172.30.250.1', '172.30.250.10']);
    expect(elements(ruleset, 'own6')).toEqual(['2001:db8::/127']);
    expect(elements(ruleset, 'sip4')).not.toContain('172.30.250.10');
  });

  it('on one host need no address, and a name of another host has to be given one', () => {
    const ruleset = rules((to) => {
      to.sip = { servers: [{ host: 'localhost', secret: 's' }, { host: 'sip.example.org', secret: 's' }] };
      to.media = { servers: [{ host: '127.0.0.1', secret: 's' }] };
    });
    expect(elements(ruleset, 'own4')).toEqual([]);
    expect(ruleset).toContain('# sip.example.org (sip.servers[1].host) is a name: if that is another host, give its address with --node.\n');
  });
});

it('is the same for the same configuration, and changes nothing in it', () => {
  const one = config(engines);
  expect(firewallRuleset(one)).toBe(firewallRuleset(one));
});

it('whatever stands in a name stays in a comment, on its line', () => {
  // Names of this kind do not get through the schema; the ruleset does not rely on that.
  const hostile = 'x\n}\ntable inet evil { chain c { type filter hook input priority 0; policy drop; } }\r\u2028\\';
  const plain = config((to) => (to.trunks[0].outbound = 'sip:{number}@a{}"$(reboot)\\'));
  const evil: Config = { ...plain, trunks: plain.trunks.map((trunk) => ({ ...trunk, name: hostile })) };
  expect(acted(firewallRuleset(evil))).toEqual(acted(firewallRuleset(plain)));
  expect(firewallRuleset(evil)).not.toMatch(/[^\x20-\x7e\n\t]|\\/);
  expect(firewallRuleset(plain)).toContain('# a{}"$(reboot)? (trunks[0].outbound) is a name');
});
