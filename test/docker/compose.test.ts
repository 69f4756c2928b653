import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import ipaddr from 'ipaddr.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadConfig, type Config } from '../../config/index.js';
import { run } from '../process/gateway-process.js';
import { lintCompose } from './compose-lint.js';
import { dockerDir, hostPath, mountsOf, readCompose, root } from './compose-file.js';
import { elements, engineXmlFiles, mediaServerParams, mediaServerVariables, xmlFault } from './engine-files.js';

const compose = readCompose();
const services = Object.entries(compose.services);
const { gateway, drachtio, freeswitch, redis } = compose.services;
/** make-secrets.sh needs openssl; without it, and outside CI, its own test is left out and the others get secrets made here. */
const hasOpenssl = process.env['CI'] !== undefined || spawnSync('openssl', ['version']).error === undefined;
const work = mkdtempSync(path.join(os.tmpdir(), 'compose-test-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('compose file', () => {
  it('follows the compose schema', () => {
    expect(lintCompose(path.join(dockerDir, 'compose.yaml'))).toEqual([]);
  });

  it('would be refused with a key the schema does not know', () => {
    const broken = path.join(work, 'compose.yaml');
    writeFileSync(broken, readFileSync(path.join(dockerDir, 'compose.yaml'), 'utf8').replace('network_mode: host', 'network-mode: host'));
    expect(lintCompose(broken).join()).toContain('invalid-schema');
  });

  it.each(services)('%s: mounts only what is here, read-only, and never lets Docker make a missing one', (_name, service) => {
    for (const mount of mountsOf(service)) {
      // The one thing that a container writes and that must outlive it.
      if (mount.target === '/var/lib/gateway/audit') {
        expect(mount.type).toBe('volume');
        expect(path.basename(mount.source)).toBe('audit');
        continue;
      }
      expect(mount.type).toBe('bind');
      expect(mount.read_only, mount.target).toBe(true);
      expect(mount.bind?.create_host_path, mount.target).toBe(false);
      expect(existsSync(mount.source), mount.source).toBe(true);
      expect(path.relative(root, mount.source)).not.toMatch(/^\.\./);
    }
  });

  it.each(services)('%s: runs without root, without privileges, on a read-only file system, with a health check', (name, service) => {
    const user = service.user ?? (name === 'gateway' ? /^USER (\S+)$/m.exec(readFileSync(path.join(dockerDir, 'Dockerfile'), 'utf8'))?.[1] : undefined);
    expect(user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(service.read_only).toBe(true);
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.cap_add ?? []).toEqual([]);
    expect(service.privileged ?? false).toBe(false);
    expect(service.security_opt).toContain('no-new-privileges:true');
    if (name === 'gateway') expect(readFileSync(path.join(dockerDir, 'Dockerfile'), 'utf8')).toMatch(/^HEALTHCHECK /m);
    else expect(service.healthcheck?.test[0]).toBe('CMD');
  });

  it.each(services)('%s: its image is pinned', (name, service) => {
    expect(service.image).toMatch(/:\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$/);
    if (name === 'gateway') expect(readFileSync(path.join(dockerDir, 'Dockerfile'), 'utf8')).toMatch(/^ARG NODE_IMAGE=node:\d+\.\d+\.\d+-\S+@sha256:[0-9a-f]{64}$/m);
  });

  it('gives secrets as files only', () => {
    for (const [name, service] of services) {
      for (const secret of service.secrets ?? []) expect(Object.keys(compose.secrets), name).toContain(secret);
      for (const [key, value] of Object.entries(service.environment ?? {})) expect(`${key}=${value}`, name).not.toMatch(/secret|password|key=/i);
    }
    for (const { file } of Object.values(compose.secrets)) expect(path.dirname(file)).toBe('./secrets');
    expect(readdirSync(path.join(dockerDir, 'secrets')).includes('.gitignore')).toBe(true);
  });

  it('waits for healthy engines before it starts the gateway', () => {
    expect(gateway.depends_on).toEqual({ drachtio: { condition: 'service_healthy' }, freeswitch: { condition: 'service_healthy' }, redis: { condition: 'service_healthy' } });
  });

  it('lets nothing but the reverse proxy’s network out, and publishes on loopback alone', () => {
    expect(Object.entries(compose.networks).filter(([, network]) => network?.internal !== true).map(([name]) => name)).toEqual(['edge']);
    expect(services.filter(([, service]) => service.ports !== undefined).map(([name]) => name)).toEqual(['gateway']);
    for (const port of gateway.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
    expect(redis.networks).toEqual(['store']);
    expect([drachtio.network_mode, freeswitch.network_mode]).toEqual(['host', 'host']);
  });
});

describe('engine configuration', () => {
  it.each(engineXmlFiles())('%s is well-formed', (file) => {
    expect(xmlFault(file)).toBeUndefined();
  });

  it('includes every file of the media server, and no other', () => {
    const included = elements('freeswitch/freeswitch.xml').filter(({ tag, attributes }) => tag === 'X-PRE-PROCESS' && attributes['cmd'] === 'include');
    expect(included.map(({ attributes }) => `freeswitch/${attributes['data']}`).sort()).toEqual(engineXmlFiles().filter((file) => file.startsWith('freeswitch/') && !file.endsWith('/freeswitch.xml')).sort());
  });

  it('sets every variable it uses, from an environment that compose gives', () => {
    const variables = mediaServerVariables();
    for (const file of engineXmlFiles()) {
      for (const [, used] of readFileSync(path.join(dockerDir, file), 'utf8').matchAll(/\$\$\{(\w+)\}/g)) expect([...variables.keys()], `${file} uses ${used}`).toContain(used);
    }
    for (const { from, value } of variables.values()) if (from === 'env-set') expect(Object.keys(freeswitch.environment ?? {})).toContain(value.replace(/^\$/, ''));
  });

  it('logs nothing that could hold a key of a code', () => {
    const level = (path: string): string | undefined => elements('drachtio/drachtio.conf.xml').find(({ tag }) => tag === path)?.text.trim();
    expect(['notice', 'warning', 'error']).toContain(level('loglevel'));
    expect(Number(level('sofia-loglevel'))).toBeLessThanOrEqual(1);
    expect(mediaServerParams('freeswitch/core.xml', 'switch.conf').get('loglevel')).toBe('warning');
    const mapped = elements('freeswitch/core.xml').find(({ tag }) => tag === 'map')?.attributes['value'] ?? '';
    expect(mapped.split(',').filter((name) => ['debug', 'info', 'notice', 'console', 'all'].includes(name))).toEqual([]);
    expect(mediaServerParams('freeswitch/sip-profile.xml', 'sofia.conf').get('sip-trace')).toBe('no');
  });

  it('knows no password', () => {
    expect(mediaServerVariables().get('event_socket_password')).toEqual({ from: 'exec-set', value: 'cat /run/secrets/freeswitch_password' });
    expect(mediaServerParams('freeswitch/event-socket.xml', 'event_socket.conf').get('password')).toBe('$${event_socket_password}');
    expect(elements('drachtio/drachtio.conf.xml').find(({ tag }) => tag === 'admin')?.attributes['secret']).toBe('replaced-by-DRACHTIO_SECRET');
    expect(drachtio.command?.join(' ')).toContain('cat /run/secrets/drachtio_secret');
  });
});

describe('the configuration that is mounted', () => {
  let config: Config;

  /** The container's files as the gateway sees them: the configuration, the secrets, the keys, each below `work`. */
  beforeAll(() => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const secretsDir = path.join(work, 'run/secrets');
    if (hasOpenssl) execFileSync('sh', [path.join(dockerDir, 'make-secrets.sh'), secretsDir], { stdio: 'pipe' });
    else {
      mkdirSync(secretsDir, { recursive: true });
      for (const name of Object.keys(compose.secrets)) {
        const isKey = name === 'decryption_key';
        writeFileSync(path.join(secretsDir, name), isKey ? privateKey.export({ type: 'pkcs8', format: 'pem' }) : `${randomBytes(32).toString('hex')}\n`);
      }
    }
    cpSync(path.join(dockerDir, 'keys'), path.join(work, 'etc/gateway/keys'), { recursive: true });
    const source = hostPath(gateway, gateway.environment?.['GATEWAY_CONFIG'] ?? '');
    expect(source).toBe(path.join(root, 'config/examples/production.yaml'));
    const text = readFileSync(source ?? '', 'utf8').replaceAll(/: (\/run\/secrets|\/etc\/gateway)\//g, `: ${work}$1/`);
    for (const [, name] of text.matchAll(/\/etc\/gateway\/keys\/(\S+)$/gm)) writeFileSync(path.join(work, 'etc/gateway/keys', name ?? ''), publicKey.export({ type: 'spki', format: 'pem' }));
    mkdirSync(path.join(work, 'etc/gateway'), { recursive: true });
    const file = path.join(work, 'etc/gateway/gateway.yaml');
    writeFileSync(file, text);
    config = loadConfig({ path: file, env: { NODE_ENV: 'production' } });
  });

  it('loads, with no demo in it', () => {
    expect(config.demo).toBe(false);
    expect(config.audit).toMatchObject({ enabled: true, required: true, folder: '/var/lib/gateway/audit' });
    expect(config.tenants[0]?.idContact.decryptionKeys[0]?.type).toBe('RSA');
  });

  it('has docker/firewall.nft made of it, as the command prints it', async () => {
    const command = run('dist/config/check-cli.js', ['--firewall', '--config', path.join(work, 'etc/gateway/gateway.yaml')]);
    expect(await command.exited, command.err()).toBe(0);
    expect(readFileSync(path.join(dockerDir, 'firewall.nft'), 'utf8'), 'make it anew, and look at what changed').toBe(command.out());
  });

  it('names only files that compose mounts', () => {
    const raw = readFileSync(path.join(root, 'config/examples/production.yaml'), 'utf8');
    for (const [, file] of raw.matchAll(/File: (\S+)$/gm)) {
      const [, secret] = /^\/run\/secrets\/(.+)$/.exec(file ?? '') ?? [];
      if (secret === undefined) expect(hostPath(gateway, file ?? ''), file).toBeDefined();
      else expect(gateway.secrets).toContain(secret);
    }
  });

  it.skipIf(!hasOpenssl)('makes secrets that nobody else on the host can read, keeps them when asked again, and all that compose wants', () => {
    const folder = path.join(work, 'run/secrets');
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const { file } of Object.values(compose.secrets)) expect(statSync(path.join(folder, path.basename(file))).mode & 0o777).toBe(0o444);
    const before = readFileSync(path.join(folder, 'code_hash_key'), 'utf8');
    execFileSync('sh', [path.join(dockerDir, 'make-secrets.sh'), folder], { stdio: 'pipe' });
    expect(readFileSync(path.join(folder, 'code_hash_key'), 'utf8')).toBe(before);
  });

  it('binds each listener on the network it is for', () => {
    const address = (network: string): string | undefined => (Array.isArray(gateway.networks) ? undefined : gateway.networks?.[network]?.ipv4_address);
    const { listeners } = config;
    expect([listeners.public.host, listeners.agents.host]).toEqual([address('edge'), address('edge')]);
    expect([listeners.core.host, listeners.ops.host]).toEqual([address('core'), address('core')]);
    expect(gateway.ports).toEqual([`127.0.0.1:${listeners.public.port}:${listeners.public.port}`, `127.0.0.1:${listeners.agents.port}:${listeners.agents.port}`]);
    expect(gateway.environment?.['GATEWAY_HEALTH_URL']).toBe(`http://${listeners.ops.host}:${listeners.ops.port}/health`);
    const [engines] = compose.networks.engines?.ipam?.config ?? [];
    expect(config.media.servers[0]?.listenAddress).toBe(address('engines'));
    expect(freeswitch.environment?.['GATEWAY_NETWORK']).toBe(engines?.subnet);
    expect(ipaddr.parse(address('engines') ?? '').match(ipaddr.parseCIDR(engines?.subnet ?? ''))).toBe(true);
    for (const network of ['edge', 'core', 'engines'] as const) {
      const [net] = compose.networks[network]?.ipam?.config ?? [];
      expect(ipaddr.parse(address(network) ?? '').match(ipaddr.parseCIDR(net?.subnet ?? ''))).toBe(true);
      expect(address(network)).not.toBe(net?.gateway);
    }
  });

  it('finds the SIP server where it listens, with its secret', () => {
    const admin = elements('drachtio/drachtio.conf.xml').find(({ tag }) => tag === 'admin');
    const [server] = config.sip.servers;
    expect(config.sip.servers).toHaveLength(1);
    expect(String(server?.port)).toBe(admin?.attributes['port']);
    expect(server?.host).toBe(drachtio.environment?.['DRACHTIO_ADMIN_ADDRESS']);
    expect(server?.host).toBe(compose.networks.engines?.ipam?.config[0]?.gateway);
    expect(server?.secret.reveal()).toBe(readFileSync(path.join(work, 'run/secrets/drachtio_secret'), 'utf8').trim());
    expect(drachtio.secrets).toEqual(['drachtio_secret']);
    expect(drachtio.healthcheck?.test.at(-1)).toContain(`/dev/tcp/${server?.host}/${server?.port}`);
    expect(hostPath(drachtio, /-f (\S+)/.exec(drachtio.command?.join(' ') ?? '')?.[1] ?? '')).toBe(path.join(dockerDir, 'drachtio/drachtio.conf.xml'));
  });

  it('finds the media server where it listens, with its password and its profile', () => {
    const variables = mediaServerVariables();
    const socket = mediaServerParams('freeswitch/event-socket.xml', 'event_socket.conf');
    const [server] = config.media.servers;
    expect(config.media.servers).toHaveLength(1);
    expect([socket.get('listen-ip'), socket.get('listen-port')]).toEqual(['$${event_socket_address}', '$${event_socket_port}']);
    expect(variables.get('event_socket_address')).toEqual({ from: 'env-set', value: '$EVENT_SOCKET_ADDRESS' });
    expect(server?.host).toBe(freeswitch.environment?.['EVENT_SOCKET_ADDRESS']);
    expect(String(server?.port)).toBe(variables.get('event_socket_port')?.value);
    expect(server?.secret.reveal()).toBe(readFileSync(path.join(work, 'run/secrets/freeswitch_password'), 'utf8').trim());
    expect(freeswitch.secrets).toEqual(['freeswitch_password']);
    expect(elements('freeswitch/sip-profile.xml').filter(({ tag }) => tag === 'profile').map(({ attributes }) => attributes['name'])).toEqual([server?.profile]);
    const health = readFileSync(path.join(dockerDir, 'freeswitch/healthcheck.sh'), 'utf8');
    expect(health).toContain(`nc "$EVENT_SOCKET_ADDRESS" ${server?.port} `);
    expect(health).toContain(server?.profile);
    expect(hostPath(freeswitch, freeswitch.healthcheck?.test.at(-1) ?? '')).toBe(path.join(dockerDir, 'freeswitch/healthcheck.sh'));
    expect(freeswitch.command?.[freeswitch.command.indexOf('-conf') + 1]).toBe(mountsOf(freeswitch).find(({ source }) => source === path.join(dockerDir, 'freeswitch'))?.target);
  });

  it('keeps SIP and RTP on the address of the trunks, and its ports apart', () => {
    const profile = mediaServerParams('freeswitch/sip-profile.xml', 'sofia.conf');
    expect([profile.get('sip-ip'), profile.get('rtp-ip')]).toEqual(['$${trunk_address}', '$${trunk_address}']);
    expect(profile.get('apply-inbound-acl')).toBe('sip_server');
    expect(drachtio.command?.join(' ')).toContain('--contact "sip:$$TRUNK_ADDRESS:5060;transport=udp,tcp"');
    const variables = mediaServerVariables();
    const number = (name: string): number => Number(variables.get(name)?.value);
    expect(number('rtp_last_port') - number('rtp_first_port')).toBeGreaterThan(4 * config.calls.maxCalls);
    expect(number('sip_port')).not.toBe(5060);
    expect(number('sip_port')).toBeLessThan(number('rtp_first_port'));
  });

  it('finds the prompts where the media server has them, each of them the gateway’s own', () => {
    expect(config.media.promptsPath).toBe(mediaServerVariables().get('sound_prefix')?.value);
    const prompts = hostPath(freeswitch, config.media.promptsPath ?? '');
    expect(prompts).toBe(path.join(root, 'ivr/prompts'));
    for (const service of config.tenants[0]?.services ?? []) {
      const files = readdirSync(path.join(prompts ?? '', service.language));
      expect(files.filter((name) => name.endsWith('.wav')).length, service.language).toBeGreaterThan(0);
    }
  });

  it('agrees with the topology of the media server: what the dialplan hands over is what the gateway expects', () => {
    const context = elements('freeswitch/dialplan.xml').find(({ tag }) => tag === 'context')?.attributes['name'];
    expect(mediaServerParams('freeswitch/sip-profile.xml', 'sofia.conf').get('context')).toBe(context);
    const all = elements('freeswitch/dialplan.xml').filter(({ tag }) => tag === 'action' || tag === 'anti-action').map(({ tag, attributes }) => `${tag === 'action' ? '' : 'else '}${attributes['application']} ${attributes['data'] ?? ''}`.trim());
    const [before, actions] = [all.slice(0, all.indexOf('answer')), all.slice(all.indexOf('answer'))];
    // Whose media counts is settled before there is any.
    expect(before).toEqual(['set rtp_manual_rtp_bugs=IGNORE_MARK_BIT', 'set jitterbuffer_msec=20:60', 'else set disable_rtp_auto_adjust=true']);
    expect(elements('freeswitch/dialplan.xml').filter(({ tag }) => tag === 'extension').map(({ attributes }) => `${attributes['name']} ${attributes['continue'] ?? ''}`.trim())).toEqual(['media source true', 'gateway']);
    expect(actions.at(-1)).toBe('socket ${sip_h_X-esl-outbound} async full');
    // A leg outlives the one it is bridged with, or was about to be.
    expect(actions).toEqual(expect.arrayContaining(['set hangup_after_bridge=false', 'set park_after_bridge=true', 'set uuid_bridge_park_on_cancel=true']));
    const loaded = elements('freeswitch/modules.xml').filter(({ tag }) => tag === 'load').map(({ attributes }) => attributes['module']);
    expect(loaded).toEqual(expect.arrayContaining(['mod_event_socket', 'mod_sofia', 'mod_commands', 'mod_dptools', 'mod_dialplan_xml', 'mod_sndfile', 'mod_tone_stream']));
  });
});

describe('the firewall', () => {
  it('guards the ports on which the servers listen', () => {
    const text = readFileSync(path.join(dockerDir, 'firewall.nft'), 'utf8');
    const variables = mediaServerVariables();
    const port = (name: string): string => variables.get(name)?.value ?? 'none';
    const admin = elements('drachtio/drachtio.conf.xml').find(({ tag }) => tag === 'admin')?.attributes['port'];
    const sip = /--contact "sip:\$\$TRUNK_ADDRESS:(\d+);/.exec(drachtio.command?.join(' ') ?? '')?.[1];
    expect(text).toContain(`meta l4proto { tcp, udp } th dport ${sip} jump sip\n`);
    expect(text).toContain(`# RTP, UDP ${port('rtp_first_port')}-${port('rtp_last_port')} `);
    expect(text).toContain(`tcp dport { ${[port('sip_port'), port('event_socket_port'), admin].join(', ')} } counter`);
    expect(text).toContain(`udp dport ${port('sip_port')} counter`);
  });
});

describe('image', () => {
  const dockerfile = readFileSync(path.join(dockerDir, 'Dockerfile'), 'utf8');
  const allowed = readFileSync(path.join(dockerDir, 'Dockerfile.dockerignore'), 'utf8').split('\n').filter((line) => line.startsWith('!')).map((line) => line.slice(1));

  it('is built from files that exist and that the ignore file lets through', () => {
    expect(path.resolve(dockerDir, gateway.build?.context ?? '')).toBe(root);
    expect(path.resolve(root, gateway.build?.dockerfile ?? '')).toBe(path.join(dockerDir, 'Dockerfile'));
    const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.+)$/gm)].flatMap(([, list]) => (list ?? '').split(' ').slice(0, -1));
    expect(sources.length).toBeGreaterThan(0);
    for (const source of sources) {
      expect(existsSync(path.join(root, source)), source).toBe(true);
      expect(allowed).toContain(source);
    }
    for (const entry of allowed) expect(existsSync(path.join(root, entry)), entry).toBe(true);
  });

  it('starts what the build makes', () => {
    const entry = /"(dist\/[^"]+\.js)"/.exec(dockerfile)?.[1] ?? '';
    expect(existsSync(path.join(root, entry.replace(/^dist\//, '').replace(/\.js$/, '.ts'))), entry).toBe(true);
    const scripts = (parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }).scripts;
    expect(scripts['build']).toBeDefined();
  });
});
