import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError, configArgument, demoConfigPath, hashPassword, loadConfig, parseConfig, Secret, verifyPassword } from '../../config/index.js';
import { configurationReference } from '../../config/reference.js';
import { ec, folder, hash, problemsOf, rsa, set, valid } from './support.js';

const pem = { format: 'pem', type: 'spki' } as const;
const privatePem = { format: 'pem', type: 'pkcs8' } as const;
const smallRsa = generateKeyPairSync('rsa', { modulusLength: 1024, publicKeyEncoding: pem, privateKeyEncoding: privatePem });
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384', publicKeyEncoding: pem, privateKeyEncoding: privatePem });

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return --
   the tests break the shape on purpose */
describe('a trunk whose media is learned', () => {
  const trunk = (count: number, more: object) => (config: any) => set(config, 'trunks', [{ name: 'pbx', addresses: Array.from({ length: count }, (_, n) => `192.0.2.${n}`), ...more }]);
  it('lists no more addresses than a media server is told with each call', () => {
    expect(problemsOf(trunk(63, { mediaSource: 'learn' }))).toEqual([]);
    expect(problemsOf(trunk(200, {}))).toEqual([]);
    expect(problemsOf(trunk(64, { mediaSource: 'learn' })).map(({ key }) => key)).toEqual(['trunks[0].addresses']);
    const mediaAddresses = Array.from({ length: 64 }, (_, n) => `198.51.100.${n}`);
    expect(problemsOf(trunk(1, { mediaSource: 'learn', mediaAddresses })).map(({ key }) => key)).toEqual(['trunks[0].mediaAddresses']);
    expect(problemsOf(trunk(1, { mediaAddresses }))).toEqual([]);
  });
});

describe('a configuration that holds', () => {
  it('gets its defaults, its keys and its secrets', () => {
    const config = parseConfig(valid(), { env: {} });
    expect(config.listeners.core).toEqual({ host: '127.0.0.1', port: 8081 });
    const [tenant] = config.tenants;
    expect(config.tenants).toHaveLength(1);
    expect(tenant?.codes.digits).toBe(10);
    expect(config.trunks[0]?.bridge).toBe('anchored');
    expect(tenant?.services[0]?.numbers).toEqual(['+31201234567']);
    expect(tenant?.idContact.phoneNumber).toBe('+31201234567');
    expect(tenant?.idContact.phoneNumberShown).toBe('+31 20 123 4567');
    expect(tenant?.idContact.decryptionKeys[0]?.key.asymmetricKeyType).toBe('rsa');
    expect(tenant?.agents[0]?.displayName).toBe('anna');
    expect(tenant?.codes.hashKey.reveal()).toBe('h'.repeat(32));
    expect(tenant?.demoKeys).toBeUndefined();
  });

  it('is frozen throughout', () => {
    const config = parseConfig(valid(), { env: {} });
    expect(() => ((config.trunks as any)[0].name = 'x')).toThrow(TypeError);
    expect(() => (config.tenants[0]?.services as any).push({})).toThrow(TypeError);
    expect(() => ((config.listeners as any).core.port = 1)).toThrow(TypeError);
  });

  it('prints none of its secrets', () => {
    const config = parseConfig(valid(), { env: {} });
    for (const text of [JSON.stringify(config), inspect(config, { depth: 20 }), String(config.tenants[0]?.codes.hashKey)]) {
      expect(text).not.toContain('h'.repeat(32));
      expect(text).not.toContain(hash);
      expect(text).not.toContain('PRIVATE');
    }
    expect(new Secret('x').toString()).toBe('[secret]');
  });

  it('takes secrets and keys from files beside it, without the line’s end', () => {
    writeFileSync(path.join(folder, 'hash-key'), `${'k'.repeat(40)}\n`);
    writeFileSync(path.join(folder, 'our.pem'), ec.privateKey);
    writeFileSync(path.join(folder, 'plugin.pem'), rsa.publicKey);
    writeFileSync(path.join(folder, 'anna.hash'), `${hash}\r\n`);
    writeFileSync(path.join(folder, 'sip-secret'), 'cymru\n');
    const config = parseConfig(
      {
        ...valid(),
        codes: { hashKeyFile: 'hash-key' },
        agents: [{ name: 'anna', passwordFile: 'anna.hash', phone: 'sip:anna@192.0.2.20' }],
        sip: { servers: [{ host: '127.0.0.1', secretFile: 'sip-secret' }] },
        media: { servers: [{ host: 'media.example.org', secret: 'ClueCon', listenAddress: '192.0.2.1', advertisedAddress: 'gateway' }] },
        idContact: { phoneNumber: '+31201234567', decryptionKey: { type: 'EC', keyFile: 'our.pem' }, verificationKeys: [{ name: 'a', type: 'RSA', keyFile: 'plugin.pem' }] },
      },
      { baseDir: folder, env: {} },
    );
    const [tenant] = config.tenants;
    expect(tenant?.codes.hashKey.reveal()).toBe('k'.repeat(40));
    expect(tenant?.agents[0]?.passwordHash?.reveal()).toBe(hash);
    expect(config.sip.servers[0]).toMatchObject({ host: '127.0.0.1', port: 9022 });
    expect(config.sip.servers[0]?.secret.reveal()).toBe('cymru');
    expect(config.media.servers[0]).toMatchObject({ port: 8021, profile: 'drachtio_mrf', listenAddress: '192.0.2.1', advertisedAddress: 'gateway' });
    expect(tenant?.idContact.decryptionKeys[0]?.key.type).toBe('private');
    expect(tenant?.idContact.verificationKeys[0]?.key.type).toBe('public');
  });
});

describe('each rule', () => {
  const missing = ['trunks', 'services', 'idContact', 'trunks[0].name', 'trunks[0].addresses', 'services[0].numbers', 'services[0].purposes', 'services[0].name', 'agents[0].name', 'agents[0].password', 'agents[0].phone', 'idContact.phoneNumber', 'idContact.decryptionKey', 'idContact.verificationKeys', 'idContact.decryptionKey.type', 'idContact.decryptionKey.key', 'codes.hashKey'];
  it.each(missing)('%s may not be missing', (key) => {
    const problems = problemsOf((config) => set(config, key, undefined));
    expect(problems.map((problem) => [problem.key, problem.fault])).toEqual([[key, 'is missing']]);
  });

  const broken: [key: string, value: unknown, fault: RegExp][] = [
    ['log.level', 'loud', /none of the known words/],
    ['listeners.public.port', 70_000, /is 70000, which is above 65535/],
    ['listeners.public.port', -1, /below 0/],
    ['listeners.public.port', '8080', /is text, not a(?: whole)? number/],
    ['listeners.public.port', 80.5, /not a whole number/],
    ['listeners.public.host', 'no host', /not an IP address or host name/],
    ['listeners.core.url', 'gateway:8081', /not a usable base address/],
    ['listeners.core.url', 'https://user:pw@gateway', /not a usable base address/],
    ['listeners.core.url', 'https://gateway/?a=1', /not a usable base address/],
    ['sip.listen.host', 'localhost', /not an IP address/],
    ['sip.listen.host', '1', /not an IP address/],
    ['media.rtpPorts.max', 20_010, /leaves 11 ports, too few/],
    ['media.rtpPorts.max', 19_999, /below min, 20000/],
    ['media.rtpPorts.min', 80, /below 1024/],
    ['media.maxPendingEndpoints', 0, /below 1/],
    ['media.promptsPath', 'prompts', /form/],
    ['trunks', [], /has 0 entries/],
    ['trunks[0].name', 'a b', /not a plain name/],
    ['trunks[0].addresses', [], /has 0 entries/],
    ['trunks[0].addresses[0]', 'pbx.example.org', /not an IP address or CIDR range/],
    ['trunks[0].addresses[0]', '10.0.0.0/40', /not an IP address or CIDR range/],
    ['trunks[0].addresses[0]', '10.1', /not an IP address or CIDR range/],
    ['trunks[0].bridge', 'direct', /none of the known words/],
    ['services[0].numbers[0]', 31201234567, /is a number, not text/],
    ['services[0].numbers[0]', 'desk', /is not a number/],
    ['services[0].purposes', [], /has 0 entries/],
    ['services[0].language', 'de', /none of the known words/],
    ['agents[0].phone', 'anna', /not a SIP address/],
    ['agents[0].phone', 'sip:anna@192.0.2.20:70000', /not a SIP address/],
    ['agents[0].phone', 'sip:anna@192.0.2.20>;x', /not a SIP address/],
    ['agents[0].password', 'plain text', /not a password hash/],
    ['idContact.dialect', 'latin', /none of the known words/],
    ['idContact.phoneNumber', '020 1234567', /not an E.164 number/],
    ['idContact.decryptionKey.type', 'DSA', /none of the known words/],
    ['codes.digits', 4, /below 8/],
    ['codes.hashKey', 'short', /has 5 characters/],
    ['codes.lifetimeSeconds', 86_400, /above 3600/],
    ['codes.attemptsPerCall', 0, /below 1/],
    ['sessions.maxLive', 0, /below 1/],
    ['calls.ringTimeoutMs', 20, /below 1000/],
    ['calls.onMissingAck', 'connect', /none of the known words/],
  ];
  it.each(broken)('%s: %j', (key, value, fault) => {
    const problems = problemsOf((config) => set(config, key, value));
    expect(problems.map((problem) => problem.key)).toEqual([key]);
    expect(problems[0]?.fault).toMatch(fault);
    expect(problems[0]?.fix).not.toBe('');
  });

  it('an unknown key is an error, with what was probably meant', () => {
    const problems = problemsOf((config) => {
      config.listener = {};
      config.codes.digit = 9;
      config.idContact.decryption_key = {};
      config.agents[0].phoen = 'sip:a@b';
      config.zebra = 1;
    });
    expect(problems.map((problem) => `${problem.key} ${problem.fix}`)).toEqual(
      expect.arrayContaining(['listener Did you mean listeners?', 'codes.digit Did you mean digits?', 'idContact.decryption_key Did you mean decryptionKey?', 'agents[0].phoen Did you mean phone?', expect.stringMatching(/^zebra Remove it; known here: demo, log/)]),
    );
    expect(problems).toHaveLength(5);
  });

  const keyFaults: [string, unknown, RegExp][] = [
    ['idContact.decryptionKey', { type: 'EC', key: rsa.privateKey }, /key of type rsa, not EC/],
    ['idContact.decryptionKey', { type: 'RSA', key: ec.privateKey }, /key of type ec, not RSA/],
    ['idContact.decryptionKey', { type: 'RSA', key: rsa.publicKey }, /is a public key/],
    ['idContact.decryptionKey', { type: 'RSA', key: smallRsa.privateKey }, /RSA key of 1024 bits/],
    ['idContact.decryptionKey', { type: 'EC', key: p384.privateKey }, /on secp384r1/],
    ['idContact.decryptionKey', { type: 'EC', key: 'rubbish' }, /not a private key in PEM/],
    ['idContact.verificationKeys[0]', { name: 'a', type: 'EC', key: ec.privateKey }, /is a private key/],
    ['idContact.verificationKeys[0]', { name: 'a', type: 'EC', key: rsa.publicKey }, /key of type rsa, not EC/],
    ['idContact.verificationKeys[0]', { name: 'a', type: 'RSA', key: 'rubbish' }, /not a public key in PEM/],
  ];
  it.each(keyFaults)('%s is checked', (key, value, fault) => {
    const problems = problemsOf((config) => set(config, key, value));
    expect(problems.map((problem) => problem.key)).toEqual([`${key}.key`]);
    expect(problems[0]?.fault).toMatch(fault);
  });

  it('a secret stands in the file or beside it, not both and not neither', () => {
    const server = (secrets: object) => problemsOf((config) => set(config, 'sip', { servers: [{ host: '127.0.0.1', ...secrets }] }));
    expect(server({ secret: 'a', secretFile: 'b' }).map((p) => p.key)).toContain('sip.servers[0].secretFile');
    expect(server({}).map((p) => p.key)).toEqual(['sip.servers[0].secret']);
    expect(server({ secret: 'a' })).toEqual([]);
    expect(problemsOf((config) => (config.codes.hashKeyFile = 'x')).map((p) => p.key)).toContain('codes.hashKeyFile');
  });

  it('a secret file must be there and hold something that fits', () => {
    writeFileSync(path.join(folder, 'empty'), '\n');
    writeFileSync(path.join(folder, 'short'), 'abc');
    const file = (name: string) => problemsOf((config) => (config.codes = { hashKeyFile: name }));
    expect(file('nowhere')[0]?.fault).toMatch(/cannot be read \(ENOENT\)/);
    expect(file('empty')[0]?.fault).toMatch(/empty/);
    expect(file('short')[0]?.fault).toMatch(/3 characters/);
    expect(file('.')[0]?.fault).toMatch(/cannot be read|bytes/);
    expect(problemsOf((config) => (config.agents[0] = { name: 'anna', passwordFile: 'short', phone: 'sip:a@b' }))[0]?.fault).toMatch(/without a password hash/);
  });

  it('what belongs to one may not belong to two', () => {
    const problems = problemsOf((config) => {
      config.trunks.push({ name: 'pbx', addresses: ['198.51.100.77/24', '::ffff:192.0.2.10'] });
      config.services.push({ name: 'Desk', numbers: ['+31-20-1234567'], purposes: ['report_move'] });
      config.agents.push({ name: 'anna', password: hash, phone: 'sip:anna@192.0.2.20;transport=tcp' });
      config.idContact.verificationKeys.push({ name: 'digid', type: 'RSA', key: rsa.publicKey }, { name: 'other', type: 'EC', key: ec.publicKey });
    });
    expect(problems.map((problem) => problem.key).sort()).toEqual(
      ['trunks[1].name', 'trunks[1].addresses[0]', 'trunks[1].addresses[1]', 'services[1].name', 'services[1].numbers[0]', 'services[1].purposes[0]', 'agents[1].name', 'agents[1].phone', 'idContact.verificationKeys[2].key'].sort(),
    );
  });

  it('two listeners may not share a port, unless their addresses differ', () => {
    const ports = (listeners: object, sip: object = {}) => problemsOf((config) => Object.assign(config, { listeners, sip })).map((problem) => problem.key);
    expect(ports({ public: { port: 9000 }, ops: { port: 9000 } })).toEqual(['listeners.ops.port']);
    expect(ports({ public: { port: 9000 }, ops: { port: 9000, host: '0.0.0.0' } })).toEqual(['listeners.ops.port']);
    expect(ports({ public: { port: 9000 }, ops: { port: 9000, host: '127.0.0.2' } })).toEqual([]);
    expect(ports({ public: { port: 0 }, ops: { port: 0 } })).toEqual([]);
    expect(ports({ public: { port: 5060 } })).toEqual(['sip.listen.port']);
    expect(ports({ public: { port: 5060 } }, { servers: [{ host: '127.0.0.1', secret: 'a' }] })).toEqual([]);
    expect(ports({}, { listen: { port: 20_500 } })).toEqual(['sip.listen.port']);
  });

  it('the core listener needs an address to hand out when it binds them all', () => {
    expect(problemsOf((config) => set(config, 'listeners.core.host', '0.0.0.0')).map((p) => p.key)).toEqual(['listeners.core.url']);
    expect(problemsOf((config) => set(config, 'listeners.core', { host: '0.0.0.0', url: 'http://gateway:8081/' }))).toEqual([]);
  });

  it('the embedded media server needs an address that phones can send to', () => {
    expect(problemsOf((config) => set(config, 'media.host', '0.0.0.0')).map((p) => p.key)).toEqual(['media.host']);
    expect(problemsOf((config) => (config.media = { host: '0.0.0.0', servers: [{ host: '127.0.0.1', secret: 'a' }] }))).toEqual([]);
  });

  it('the demo is refused in production', () => {
    expect(problemsOf((config) => (config.demo = true), { NODE_ENV: 'production' }).map((p) => p.key)).toEqual(['demo']);
    expect(problemsOf((config) => (config.demo = true), { NODE_ENV: 'test' })).toEqual([]);
  });
});

describe('all problems at once', () => {
  it('one mistake hides no other, across shape, comparisons and files', () => {
    const problems = problemsOf((config) => {
      config.log = { level: 'loud' };
      config.services.push({ name: 'Two', numbers: ['+31201234567'], purposes: ['b'], langage: 'nl' });
      config.agents[0].phone = 'tel:1';
      config.agents.push({ name: 'anna', password: hash, phone: 'sip:b@b' });
      config.codes = { hashKeyFile: 'nowhere', digits: 99 };
      config.idContact.decryptionKey = { type: 'EC', key: rsa.privateKey };
      config.listeners = { public: { port: 1 }, core: { port: 1, prot: 2 } };
    });
    expect(problems.map((problem) => problem.key).sort()).toEqual(
      ['agents[0].phone', 'agents[1].name', 'codes.digits', 'codes.hashKeyFile', 'idContact.decryptionKey.key', 'listeners.core.port', 'listeners.core.prot', 'log.level', 'services[1].langage', 'services[1].numbers[0]'].sort(),
    );
  });

  it('prints one line each, and no value that might be secret', () => {
    const canary = 'Tr0ub4dor&3';
    const config = valid();
    config.agents[0].password = canary;
    config.codes = { hashKey: canary, hashKeyFile: canary };
    config.sip = { servers: [{ host: canary, secretFile: canary, secret: [canary] }] };
    config.idContact.decryptionKey = { type: canary, key: canary };
    const message = messageOf(config);
    expect(message).not.toContain(canary);
    for (const line of message.split('\n')) expect(line).toMatch(/^[^:]+(\[\d+\])?[^:]*: .+\. .+[.?!]$/);
  });

  it.each([null, undefined, 'text', 3, [], true])('%j is no configuration', (input) => {
    expect(() => parseConfig(input, { env: {} })).toThrow(ConfigError);
  });
});

function messageOf(config: unknown): string {
  try {
    parseConfig(config, { baseDir: folder, env: {} });
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

describe('files', () => {
  it('loads the demo when nothing else is named, with fresh keys each time', () => {
    const { demo, tenants: [first] } = loadConfig({ env: {} });
    const { tenants: [second] } = loadConfig({ env: {} });
    expect(demo).toBe(true);
    expect(first?.demoKeys?.signingKey.type).toBe('private');
    expect(first?.codes.hashKey.reveal()).not.toBe(second?.codes.hashKey.reveal());
    expect(first?.agents.map((agent) => agent.name)).toEqual(['anna', 'bram']);
  });

  it('the demo agents’ password is demo', async () => {
    const [anna] = loadConfig({ env: {} }).tenants[0]?.agents ?? [];
    expect(await verifyPassword('demo', anna?.passwordHash?.reveal() ?? '')).toBe(true);
    expect(await verifyPassword('Demo', anna?.passwordHash?.reveal() ?? '')).toBe(false);
  });

  it('prefers --config, then GATEWAY_CONFIG', () => {
    const file = path.join(folder, 'site.yaml');
    writeFileSync(file, readFileSync(demoConfigPath, 'utf8').replace('name: Burgerzaken', 'name: Site'));
    expect(loadConfig({ env: { GATEWAY_CONFIG: file } }).tenants[0]?.services[0]?.name).toBe('Site');
    expect(loadConfig({ path: demoConfigPath, env: { GATEWAY_CONFIG: file } }).tenants[0]?.services[0]?.name).toBe('Burgerzaken');
    expect(configArgument(['--config', 'a.yaml'])).toBe('a.yaml');
    expect(configArgument(['-x', '--config=b.yaml'])).toBe('b.yaml');
    expect(configArgument([])).toBeUndefined();
    expect(() => configArgument(['--config'])).toThrow(ConfigError);
  });

  it('says where YAML breaks without quoting the line', () => {
    const file = path.join(folder, 'broken.yaml');
    writeFileSync(file, 'demo: true\ncodes:\n  hashKey: "Tr0ub4dor\n trunks: [\n');
    expect(() => loadConfig({ path: file, env: {} })).toThrow(/broken\.yaml:\d+:\d+: is not valid YAML/);
    expect(() => loadConfig({ path: file, env: {} })).not.toThrow(/Tr0ub4dor/);
    expect(() => loadConfig({ path: path.join(folder, 'none.yaml'), env: {} })).toThrow(/cannot be read \(ENOENT\)/);
  });

  it('survives aliases meant to exhaust memory', () => {
    const file = path.join(folder, 'bomb.yaml');
    const levels = Array.from({ length: 12 }, (_, level) => `l${level + 1}: &l${level + 1} [${Array.from({ length: 10 }, () => `*l${level}`).join(', ')}]`);
    writeFileSync(file, ['l0: &l0 [x, x]', ...levels].join('\n'));
    expect(() => loadConfig({ path: file, env: {} })).toThrow(ConfigError);
  });
});

describe('passwords', () => {
  it('verifies what it hashed, with a salt of its own each time', async () => {
    expect(await verifyPassword('correct horse', hash)).toBe(true);
    expect(await verifyPassword('correct horse ', hash)).toBe(false);
    expect(await hashPassword('correct horse')).not.toBe(hash);
  });

  it('takes one password in two Unicode forms for the same', async () => {
    expect(await verifyPassword('caf\u0065\u0301', await hashPassword('caf\u00e9'))).toBe(true);
  });

  it('refuses hashes that are none or would exhaust the machine', async () => {
    expect(await verifyPassword('x', 'x')).toBe(false);
    expect(await verifyPassword('x', hash.replace('ln=15', 'ln=30'))).toBe(false);
    expect(await verifyPassword('x', hash.replace('ln=15', 'ln=01'))).toBe(false);
  });
});

it('docs/configuration.md is what the schema says', () => {
  expect(readFileSync(path.resolve(import.meta.dirname, '../../docs/configuration.md'), 'utf8')).toBe(configurationReference());
});
