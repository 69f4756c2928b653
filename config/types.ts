import type { KeyObject } from 'node:crypto';
import type { Secret } from './secret.js';
import type { RawConfig, RawTenant } from './schema/index.js';
import type { accountRoles } from './schema/sign-in.js';

type Listeners = RawConfig['listeners'];
type Media = RawConfig['media'];

/** A SIP server (drachtio) the gateway connects to over TCP. */
export interface SipServerAddress {
  readonly host: string;
  readonly port: number;
  readonly secret: Secret;
}

/** A media server (FreeSWITCH) the gateway drives over its event socket. */
export interface MediaServerAddress {
  readonly host: string;
  readonly port: number;
  readonly secret: Secret;
  readonly profile: string;
  /** Address on which the gateway listens for the media server's outbound socket. */
  readonly listenAddress?: string;
  /** Address of the gateway as the media server reaches it; differs from `listenAddress` behind a translation. */
  readonly advertisedAddress?: string;
}

export type AccountRole = (typeof accountRoles)[number];

/** Somebody who may log in on the agents' listener. */
export interface AccountConfig {
  readonly name: string;
  readonly displayName: string;
  readonly roles: readonly AccountRole[];
  /** An scrypt hash in the form that `hashPassword` makes; compare with `verifyPassword`. Undefined: no password opens this account. */
  readonly passwordHash?: Secret;
  /** Value of the provider's claim that stands for this account. */
  readonly signInAs: string;
  readonly phone?: string;
  /** By what the phone's media is known; undefined: as the trunk says that lists its address. */
  readonly mediaSource?: 'described' | 'learn';
  /** Words that services name when they need them. */
  readonly skills: readonly string[];
  /** What the PBX reports when this agent has a call, besides the phone. */
  readonly identities: readonly string[];
  /** An agent who is told on the phone who calls, when no screen is open. */
  readonly whisper?: { readonly spell: readonly NonNullable<RawTenant['agents'][number]['whisper']>['spell'][number][]; readonly pinHash?: Secret; readonly alwaysThere: boolean };
}

/** An account that takes calls, or whom the provider may let take calls: the phone rings for them. */
export interface AgentConfig extends AccountConfig {
  readonly phone: string;
}

/** How the people of one tenant get in. */
export type SignInConfig = Readonly<Omit<RawTenant['signIn'], 'oidc'>> & {
  readonly oidc?: Readonly<Omit<NonNullable<RawTenant['signIn']['oidc']>, 'clientSecret' | 'clientSecretFile'>> & { readonly clientSecret: Secret };
};

/** A public key with which an authentication plugin's results are verified. */
export interface VerificationKey {
  readonly name: string;
  readonly type: 'RSA' | 'EC';
  readonly key: KeyObject;
}

/** The demo authentication plugin's signing key; made in memory at each start, and only for the demo. */
export interface DemoKeys {
  readonly name: string;
  readonly signingKey: KeyObject;
}

/** A key of ours with which results are opened or requests are signed. */
export interface PrivateKey {
  readonly type: 'RSA' | 'EC';
  readonly key: KeyObject;
}

/** A key under which the session keys in a shared store are wrapped. */
export interface SealKey {
  /** Stands beside what it sealed, so that a later key can take over while this one still opens. */
  readonly id: string;
  /** 32 bytes, as 64 hexadecimal digits. */
  readonly key: Secret;
}

export interface TlsClient {
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: Secret;
  readonly serverName?: string;
}

/** Where sessions, limits and progress are kept. */
export type StoreConfig =
  | { readonly kind: 'memory' }
  | {
      readonly kind: 'redis';
      /** One server, a Sentinel-watched pair, or a Cluster: exactly one of the three. */
      readonly server?: { readonly host: string; readonly port: number };
      readonly sentinel?: { readonly name: string; readonly nodes: readonly { readonly host: string; readonly port: number }[]; readonly password?: Secret };
      readonly cluster?: { readonly nodes: readonly { readonly host: string; readonly port: number }[] };
      readonly username?: string;
      readonly password?: Secret;
      /** Present: connections are encrypted. */
      readonly tls?: TlsClient;
      /** Begins every key in Redis. */
      readonly prefix: string;
      /** The first one seals; all of them open. */
      readonly sealKeys: readonly SealKey[];
    };

/** Where it is kept who saw what. */
export interface AuditConfig extends Readonly<Omit<RawConfig['audit'], 'hmacKey' | 'hmacKeyFile' | 'folder' | 'node'>> {
  /** Full name. */
  readonly folder: string;
  /** Names this gateway's files. */
  readonly node: string;
  /** Signs every line; undefined: lines are chained and not signed. */
  readonly hmacKey?: Secret;
}

/** A program that hears of calls. */
export interface CtiSubscriber {
  readonly name: string;
  readonly token: Secret;
  /** Undefined: it hears of the whole municipality. */
  readonly agent?: string;
  /** Names of attributes it may ask for. */
  readonly identity: readonly string[];
}

/** An address to which events are posted. */
export interface CtiWebhook {
  readonly name: string;
  readonly url: string;
  /** Each signs; the secret is base64 without `whsec_`. */
  readonly keys: readonly { readonly id: string; readonly secret: Secret }[];
  readonly agent?: string;
  readonly attempts: number;
  readonly timeoutMs: number;
  readonly maxQueued: number;
}

/** Events for other desktops. */
export interface CtiConfig extends Readonly<Omit<RawTenant['cti'], 'subscribers' | 'webhooks'>> {
  readonly subscribers: readonly CtiSubscriber[];
  readonly webhooks: readonly CtiWebhook[];
}

/** A listener's own certificate, and whose client certificates it believes. */
export interface ListenerTls {
  readonly cert: string;
  readonly key: Secret;
  /** PEM of the authorities of client certificates; present: the core must show one. */
  readonly clientCa?: string;
}

/** One municipality on this gateway: its keys, numbers, agents and limits. Nothing here is shared with another. */
export interface Tenant {
  /** Stands in addresses (`/t/<name>/...`), logs and store keys; `main` when the configuration names no tenants. */
  readonly name: string;
  /** What citizens read: "Gemeente Zutphen". */
  readonly displayName: string;
  /** Folder of this tenant's own prompts as the media servers see it; undefined: the gateway's. */
  readonly promptsPath?: string;
  readonly services: readonly Readonly<RawTenant['services'][number]>[];
  /** How screens and pages name a purpose; the purpose itself where there is none. */
  readonly purposeLabels: Readonly<Record<string, { readonly nl: string; readonly en: string }>>;
  /** What agents' screens make of the attributes of a caller. */
  readonly screen: Readonly<RawTenant['screen']>;
  /** Everybody who may log in; who of them may take calls is in `agents`. */
  readonly accounts: readonly AccountConfig[];
  readonly agents: readonly AgentConfig[];
  readonly signIn: SignInConfig;
  /** Calls to numbers outside; undefined: there are none. */
  readonly outside?: Readonly<NonNullable<RawTenant['outside']>>;
  readonly idContact: {
    readonly dialect: 'id-contact' | 'verder-helpen';
    /** E.164 with its plus, without spaces. */
    readonly phoneNumber: string;
    /** The same as the configuration writes it, for people to read. */
    readonly phoneNumberShown: string;
    /** Our name as the core knows it; the `kid` of our requests. */
    readonly name: string;
    /** What the core is given for the citizen: a telephone address with the code, or our own page. */
    readonly clientUrl: 'tel' | 'page';
    /** Ours: the first is the one in use, the others were, and still open results. At least one. */
    readonly decryptionKeys: readonly PrivateKey[];
    /** Several of one name: a plugin that is changing its key. */
    readonly verificationKeys: readonly VerificationKey[];
    /** Bearer tokens, one of which the core must present to start a session; none: not asked for. */
    readonly coreTokens: readonly Secret[];
    /** Names (CN or DNS) one of which the core's client certificate must carry; none: any that the listener believes. */
    readonly coreCertificateNames: readonly string[];
    /** Base address of the core, for authentication during the call; undefined: that is not offered. */
    readonly coreUrl?: string;
    /** Our key for requests to the core. */
    readonly signingKey?: PrivateKey;
  };
  readonly codes: Readonly<Omit<RawTenant['codes'], 'hashKey' | 'hashKeyFile'>> & { readonly hashKey: Secret };
  readonly sessions: Readonly<RawTenant['sessions']>;
  readonly feedback: Readonly<RawTenant['feedback']>;
  /** `address` is undefined only where it follows from the public listener and that takes any free port. */
  readonly cti: CtiConfig;
  readonly identify: Readonly<Omit<RawTenant['identify'], 'webhook'>> & { readonly webhook?: { readonly url: string; readonly token?: Secret } };
  /** Present exactly when the configuration's `demo` is true. */
  readonly demoKeys?: DemoKeys;
}

/** The configuration as the rooms use it: complete, checked, and frozen. */
export interface Config {
  readonly demo: boolean;
  readonly log: Readonly<RawConfig['log']>;
  readonly listeners: { readonly [K in keyof Listeners]: Readonly<Omit<Listeners[K], 'tls'>> & { readonly tls?: ListenerTls } };
  readonly sip: { readonly listen: Readonly<RawConfig['sip']['listen']>; readonly servers: readonly SipServerAddress[]; readonly strangers: RawConfig['sip']['strangers'] };
  readonly media: Readonly<Omit<Media, 'servers'>> & { readonly servers: readonly MediaServerAddress[] };
  readonly trunks: readonly Readonly<RawConfig['trunks'][number]>[];
  readonly store: StoreConfig;
  readonly calls: Readonly<RawConfig['calls']>;
  readonly audit: AuditConfig;
  /** At least one; the first is the only one when the configuration names none. */
  readonly tenants: readonly Tenant[];
}
