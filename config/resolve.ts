import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { readPrivateKey, readPublicKey, type KeyOutcome } from './keys.js';
import { isPasswordHash } from './password.js';
import type { Problem } from './problems.js';
import type { Salvaged } from './salvage.js';
import { bareNumber, type RawConfig } from './schema.js';
import { Secret } from './secret.js';
import type { AgentConfig, Config, DemoKeys, MediaServerAddress, SipServerAddress, VerificationKey } from './types.js';

const MAX_FILE_BYTES = 65_536;
const MIN_HASH_KEY_CHARACTERS = 32;
const DEMO_PLUGIN_NAME = 'demo-authentication';

/** The parts of a configuration that come from outside its text: files, and for the demo keys made on the spot. */
type Resolved = Pick<Config, 'agents' | 'demoKeys'> & {
  sipServers: readonly SipServerAddress[];
  mediaServers: readonly MediaServerAddress[];
  decryptionKey: Config['idContact']['decryptionKey'] | undefined;
  verificationKeys: readonly VerificationKey[];
  hashKey: Secret | undefined;
};

/** Reads secrets, each with its own complaint when that fails. */
class SecretReader {
  readonly problems: Problem[] = [];

  constructor(private readonly baseDir: string) {}

  /** An inline value or the content of a file, without the line's end; undefined, and a problem unless both are absent. */
  text(inline: string | undefined, file: string | undefined, fileKey: string): string | undefined {
    if (inline !== undefined) return inline;
    if (file === undefined) return undefined;
    // The name is not repeated in a problem: someone may have put the secret itself there.
    const full = path.resolve(this.baseDir, file);
    try {
      const { size } = statSync(full);
      if (size > MAX_FILE_BYTES) return this.complain(fileKey, `names a file of ${size} bytes`, `Name a file of at most ${MAX_FILE_BYTES} bytes`);
      const content = readFileSync(full, 'utf8').replace(/\r?\n$/, '');
      return content === '' ? this.complain(fileKey, 'names an empty file', 'Write the value into it') : content;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
      return this.complain(fileKey, `names a file that cannot be read (${code})`, 'Name an existing file that the gateway may read; relative names start at the configuration file');
    }
  }

  complain(key: string, fault: string, fix: string): undefined {
    this.problems.push({ key, fault, fix });
    return undefined;
  }

  key(outcome: KeyOutcome, key: string): Extract<KeyOutcome, { key: unknown }>['key'] | undefined {
    return 'key' in outcome ? outcome.key : this.complain(key, outcome.fault, outcome.fix);
  }
}

type Input = Salvaged<RawConfig>;

function sipServers(config: Input, reader: SecretReader): SipServerAddress[] {
  return (config.sip?.servers ?? []).flatMap((server, index): SipServerAddress[] => {
    const secret = reader.text(server?.secret, server?.secretFile, `sip.servers[${index}].secretFile`);
    if (secret === undefined || server?.host === undefined || server.port === undefined) return [];
    return [{ host: server.host, port: server.port, secret: new Secret(secret) }];
  });
}

function mediaServers(config: Input, reader: SecretReader): MediaServerAddress[] {
  return (config.media?.servers ?? []).flatMap((server, index): MediaServerAddress[] => {
    const secret = reader.text(server?.secret, server?.secretFile, `media.servers[${index}].secretFile`);
    if (secret === undefined || server?.host === undefined || server.port === undefined || server.profile === undefined) return [];
    const { host, port, profile, listenAddress, advertisedAddress } = server;
    return [{ host, port, profile, secret: new Secret(secret), ...(listenAddress && { listenAddress }), ...(advertisedAddress && { advertisedAddress }) }];
  });
}

function agents(config: Input, reader: SecretReader): AgentConfig[] {
  return (config.agents ?? []).flatMap((agent, index): AgentConfig[] => {
    const hash = reader.text(agent?.password, agent?.passwordFile, `agents[${index}].passwordFile`);
    if (hash === undefined || agent?.name === undefined || agent.phone === undefined) return [];
    if (!isPasswordHash(hash)) {
      reader.complain(`agents[${index}].passwordFile`, 'names a file without a password hash', 'Write into it the line that `node dist/config/password-cli.js` prints');
      return [];
    }
    return [{ name: agent.name, displayName: agent.displayName ?? agent.name, passwordHash: new Secret(hash), phone: agent.phone }];
  });
}

function decryptionKey(config: Input, reader: SecretReader): Config['idContact']['decryptionKey'] | undefined {
  const given = config.idContact?.decryptionKey;
  if (given?.type === undefined) return undefined;
  const at = `idContact.decryptionKey.${given.key === undefined ? 'keyFile' : 'key'}`;
  const pem = reader.text(given.key, given.keyFile, at);
  const key = pem === undefined ? undefined : reader.key(readPrivateKey(pem, given.type), at);
  return key && { type: given.type, key };
}

function verificationKeys(config: Input, reader: SecretReader): VerificationKey[] {
  return (config.idContact?.verificationKeys ?? []).flatMap((given, index): VerificationKey[] => {
    if (given?.type === undefined || given.name === undefined) return [];
    const at = `idContact.verificationKeys[${index}].${given.key === undefined ? 'keyFile' : 'key'}`;
    const pem = reader.text(given.key, given.keyFile, at);
    const key = pem === undefined ? undefined : reader.key(readPublicKey(pem, given.type), at);
    return key ? [{ name: given.name, type: given.type, key }] : [];
  });
}

function hashKey(config: Input, reader: SecretReader): Secret | undefined {
  const text = reader.text(config.codes?.hashKey, config.codes?.hashKeyFile, 'codes.hashKeyFile');
  if (text === undefined) return undefined;
  if (text.length < MIN_HASH_KEY_CHARACTERS) {
    return reader.complain('codes.hashKeyFile', `names a file of ${text.length} characters`, `Write at least ${MIN_HASH_KEY_CHARACTERS} random ones into it: \`openssl rand -hex 32\``);
  }
  return new Secret(text);
}

/** Reads all files and keys a configuration names, relative to `baseDir`, with every problem this meets. */
export function resolveSecrets(config: Input, baseDir: string): { resolved: Resolved; problems: Problem[] } {
  const reader = new SecretReader(baseDir);
  const resolved: Resolved = {
    sipServers: sipServers(config, reader),
    mediaServers: mediaServers(config, reader),
    agents: agents(config, reader),
    decryptionKey: decryptionKey(config, reader),
    verificationKeys: verificationKeys(config, reader),
    hashKey: hashKey(config, reader),
  };
  return { resolved, problems: reader.problems };
}

/** What the demo needs and its file does not hold: keys that live as long as this process and nowhere else. */
export function withDemoKeys(resolved: Resolved): Resolved {
  const plugin = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const demoKeys: DemoKeys = { name: DEMO_PLUGIN_NAME, signingKey: plugin.privateKey };
  return {
    ...resolved,
    demoKeys,
    decryptionKey: resolved.decryptionKey ?? { type: 'EC', key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey },
    verificationKeys: [...resolved.verificationKeys, { name: DEMO_PLUGIN_NAME, type: 'EC', key: plugin.publicKey }],
    hashKey: resolved.hashKey ?? new Secret(randomBytes(32).toString('hex')),
  };
}

/** Puts a configuration without problems together. */
export function assemble(raw: RawConfig, resolved: Resolved): Config {
  const { decryptionKey: key, hashKey: codeKey } = resolved;
  if (!key || !codeKey) throw new Error('assembled a configuration without its keys');
  const { hashKey: _inline, hashKeyFile: _file, ...codes } = raw.codes;
  return {
    demo: raw.demo,
    log: raw.log,
    listeners: raw.listeners,
    sip: { listen: raw.sip.listen, servers: resolved.sipServers },
    media: { ...raw.media, servers: resolved.mediaServers },
    trunks: raw.trunks,
    services: raw.services,
    agents: resolved.agents,
    idContact: {
      dialect: raw.idContact.dialect,
      phoneNumber: bareNumber(raw.idContact.phoneNumber),
      phoneNumberShown: raw.idContact.phoneNumber,
      name: raw.idContact.name,
      decryptionKey: key,
      verificationKeys: resolved.verificationKeys,
    },
    codes: { ...codes, hashKey: codeKey },
    sessions: raw.sessions,
    calls: raw.calls,
    ...(resolved.demoKeys && { demoKeys: resolved.demoKeys }),
  };
}
