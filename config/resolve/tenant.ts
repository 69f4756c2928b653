import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { PlacedTenant } from '../forms.js';
import { isPasswordHash } from '../password.js';
import { bareNumber, MIN_HASH_KEY_CHARACTERS, MIN_TOKEN_CHARACTERS, type RawTenant } from '../schema/index.js';
import type { Salvaged } from '../salvage.js';
import { Secret } from '../secret.js';
import type { AccountConfig, AgentConfig, DemoKeys, PrivateKey, SignInConfig, Tenant, VerificationKey } from '../types.js';
import { assembleCti, resolveCti, type ResolvedCti } from './cti.js';
import type { SecretReader } from './reader.js';

const DEMO_PLUGIN_NAME = 'demo-authentication';

/** The parts of a tenant that stand elsewhere, or for the demo are made on the spot. */
export interface ResolvedTenant {
  readonly accounts: readonly AccountConfig[];
  readonly clientSecret: Secret | undefined;
  readonly decryptionKeys: readonly PrivateKey[];
  readonly verificationKeys: readonly VerificationKey[];
  readonly coreTokens: readonly Secret[];
  readonly signingKey: PrivateKey | undefined;
  readonly hashKey: Secret | undefined;
  readonly webhookToken: Secret | undefined;
  readonly cti: ResolvedCti;
  readonly demoKeys?: DemoKeys;
}

function accounts({ at, tenant }: PlacedTenant, reader: SecretReader): AccountConfig[] {
  return (tenant.agents ?? []).flatMap((agent, index): AccountConfig[] => {
    const fileKey = `${at}agents[${index}].passwordFile`;
    const hash = reader.text(agent?.password, agent?.passwordFile, fileKey);
    if (hash !== undefined && !isPasswordHash(hash)) {
      reader.complain(fileKey, 'names a file without a password hash', 'Write into it the line that `node dist/config/password-cli.js` prints');
      return [];
    }
    if (agent?.name === undefined || agent.roles === undefined) return [];
    const { name, displayName = name, signInAs = name, roles, phone, mediaSource, identities = [], skills = [] } = agent;
    return [{
      name, displayName, signInAs,
      ...(mediaSource !== undefined && { mediaSource }),
      roles: roles.filter((role) => role !== undefined),
      skills: skills.filter((skill) => skill !== undefined),
      identities: identities.filter((identity) => identity !== undefined),
      ...(hash !== undefined && { passwordHash: new Secret(hash) }), ...(phone !== undefined && { phone }),
      ...whisperOf(agent, `${at}agents[${index}].whisper`, reader),
    }];
  });
}

function whisperOf({ whisper }: Salvaged<RawTenant['agents'][number]>, key: string, reader: SecretReader): Pick<AccountConfig, 'whisper'> {
  if (whisper === undefined) return {};
  const pin = reader.text(whisper.pin, whisper.pinFile, `${key}.pinFile`);
  if (pin !== undefined && !isPasswordHash(pin)) {
    reader.complain(`${key}.pinFile`, 'names a file without a password hash', 'Write into it the line that `node dist/config/password-cli.js` prints for the PIN');
    return {};
  }
  const spell = (whisper.spell ?? []).filter((kind) => kind !== undefined);
  return { whisper: { spell, alwaysThere: whisper.alwaysThere ?? false, ...(pin !== undefined && { pinHash: new Secret(pin) }) } };
}

/** Who takes calls. With a claim for roles the provider says who does: everybody with a phone may. */
function agentsAmong(all: readonly AccountConfig[], { oidc }: RawTenant['signIn']): AgentConfig[] {
  return all.flatMap((account) => {
    const { phone } = account;
    return phone !== undefined && (account.roles.includes('agent') || oidc?.rolesClaim !== undefined) ? [{ ...account, phone }] : [];
  });
}

function decryptionKeys({ at, tenant }: PlacedTenant, reader: SecretReader): PrivateKey[] {
  const { decryptionKey, formerDecryptionKeys = [] } = tenant.idContact ?? {};
  const all = [
    reader.privateKey(decryptionKey, `${at}idContact.decryptionKey`),
    ...formerDecryptionKeys.map((former, index) => reader.privateKey(former, `${at}idContact.formerDecryptionKeys[${index}]`)),
  ];
  return all.filter((key) => key !== undefined);
}

function verificationKeys({ at, tenant }: PlacedTenant, reader: SecretReader): VerificationKey[] {
  return (tenant.idContact?.verificationKeys ?? []).flatMap((given, index): VerificationKey[] => {
    const key = reader.publicKey(given, `${at}idContact.verificationKeys[${index}]`);
    return key && given?.type && given.name !== undefined ? [{ name: given.name, type: given.type, key }] : [];
  });
}

function secret(reader: SecretReader, inline: string | undefined, file: string | undefined, fileKey: string): Secret | undefined {
  const text = reader.text(inline, file, fileKey);
  return text === undefined ? undefined : new Secret(text);
}

export function resolveTenant(placed: PlacedTenant, reader: SecretReader): ResolvedTenant {
  const { at, tenant } = placed;
  const { idContact, codes, identify, signIn } = tenant;
  const coreTokens = (idContact?.coreTokens ?? []).map((given, index) =>
    reader.longSecret(given?.token, given?.tokenFile, `${at}idContact.coreTokens[${index}].tokenFile`, MIN_TOKEN_CHARACTERS),
  );
  return {
    accounts: accounts(placed, reader),
    clientSecret: secret(reader, signIn?.oidc?.clientSecret, signIn?.oidc?.clientSecretFile, `${at}signIn.oidc.clientSecretFile`),
    decryptionKeys: decryptionKeys(placed, reader),
    verificationKeys: verificationKeys(placed, reader),
    coreTokens: coreTokens.filter((token) => token !== undefined),
    signingKey: reader.privateKey(idContact?.signingKey, `${at}idContact.signingKey`),
    hashKey: reader.longSecret(codes?.hashKey, codes?.hashKeyFile, `${at}codes.hashKeyFile`, MIN_HASH_KEY_CHARACTERS),
    cti: resolveCti(placed, reader),
    webhookToken: reader.longSecret(identify?.webhook?.token, identify?.webhook?.tokenFile, `${at}identify.webhook.tokenFile`, MIN_TOKEN_CHARACTERS),
  };
}

/** What the demo needs and its file does not hold: keys that live as long as this process and nowhere else. */
export function withDemoKeys(resolved: ResolvedTenant): ResolvedTenant {
  const fresh = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const plugin = fresh();
  return {
    ...resolved,
    demoKeys: { name: DEMO_PLUGIN_NAME, signingKey: plugin.privateKey },
    decryptionKeys: resolved.decryptionKeys.length > 0 ? resolved.decryptionKeys : [{ type: 'EC', key: fresh().privateKey }],
    verificationKeys: [...resolved.verificationKeys, { name: DEMO_PLUGIN_NAME, type: 'EC', key: plugin.publicKey }],
    signingKey: resolved.signingKey ?? { type: 'EC', key: fresh().privateKey },
    hashKey: resolved.hashKey ?? new Secret(randomBytes(32).toString('hex')),
  };
}

/**
 * Puts a tenant without problems together.
 * @param publicAddress host, port if need be, and path of the public listener as people read it; undefined while its port is not known
 */
export function assembleTenant(raw: RawTenant, resolved: ResolvedTenant, publicAddress: string | undefined): Tenant {
  const { signingKey, hashKey, webhookToken, demoKeys } = resolved;
  if (resolved.decryptionKeys.length === 0 || !hashKey) throw new Error('assembled a tenant without its keys');
  const { hashKey: _inline, hashKeyFile: _file, ...codes } = raw.codes;
  // Each tenant has a page of its own; the only tenant of a configuration without tenants has no path before it.
  const page = raw.name === 'main' ? '/i' : `/t/${raw.name}/i`;
  const { webhook, address = publicAddress === undefined ? undefined : publicAddress + page, ...identify } = raw.identify;
  const { dialect, phoneNumber, name, clientUrl, coreCertificateNames, coreUrl } = raw.idContact;
  return {
    name: raw.name,
    displayName: raw.displayName ?? raw.services[0]?.name ?? raw.name,
    ...(raw.promptsPath !== undefined && { promptsPath: raw.promptsPath }),
    services: raw.services,
    purposeLabels: raw.purposeLabels,
    screen: raw.screen,
    accounts: resolved.accounts,
    agents: agentsAmong(resolved.accounts, raw.signIn),
    signIn: assembleSignIn(raw.signIn, resolved.clientSecret),
    ...(raw.outside && { outside: raw.outside }),
    idContact: {
      dialect,
      phoneNumber: bareNumber(phoneNumber),
      phoneNumberShown: phoneNumber,
      name,
      clientUrl,
      decryptionKeys: resolved.decryptionKeys,
      verificationKeys: resolved.verificationKeys,
      coreTokens: resolved.coreTokens,
      coreCertificateNames,
      ...(coreUrl !== undefined && { coreUrl }),
      ...(signingKey && { signingKey }),
    },
    codes: { ...codes, hashKey },
    sessions: raw.sessions,
    feedback: raw.feedback,
    cti: assembleCti(raw.cti, resolved.cti),
    identify: { ...identify, ...(address !== undefined && { address }), ...(webhook && { webhook: { url: webhook.url, ...(webhookToken && { token: webhookToken }) } }) },
    ...(demoKeys && { demoKeys }),
  };
}

function assembleSignIn({ oidc: given, ...signIn }: RawTenant['signIn'], clientSecret: Secret | undefined): SignInConfig {
  if (!given) return signIn;
  if (!clientSecret) throw new Error('assembled a provider without its secret');
  const { clientSecret: _inline, clientSecretFile: _file, ...oidc } = given;
  return { ...signIn, oidc: { ...oidc, scopes: [...new Set(['openid', ...oidc.scopes])], clientSecret } };
}
