import type { KeyObject } from 'node:crypto';
import type { Secret } from './secret.js';
import type { RawConfig } from './schema.js';

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

/** An agent who may log in on the screen, and the phone that rings for them. */
export interface AgentConfig {
  readonly name: string;
  readonly displayName: string;
  /** An scrypt hash in the form that `hashPassword` makes; compare with `verifyPassword`. */
  readonly passwordHash: Secret;
  readonly phone: string;
}

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

/** The configuration as the rooms use it: complete, checked, and frozen. */
export interface Config {
  readonly demo: boolean;
  readonly log: Readonly<RawConfig['log']>;
  readonly listeners: { readonly [K in keyof Listeners]: Readonly<Listeners[K]> };
  readonly sip: { readonly listen: Readonly<RawConfig['sip']['listen']>; readonly servers: readonly SipServerAddress[] };
  readonly media: Readonly<Omit<Media, 'servers'>> & { readonly servers: readonly MediaServerAddress[] };
  readonly trunks: readonly Readonly<RawConfig['trunks'][number]>[];
  readonly services: readonly Readonly<RawConfig['services'][number]>[];
  readonly agents: readonly AgentConfig[];
  readonly idContact: {
    readonly dialect: 'id-contact' | 'verder-helpen';
    /** E.164 with its plus, without spaces. */
    readonly phoneNumber: string;
    /** The same as the configuration writes it, for people to read. */
    readonly phoneNumberShown: string;
    readonly name: string;
    readonly decryptionKey: { readonly type: 'RSA' | 'EC'; readonly key: KeyObject };
    readonly verificationKeys: readonly VerificationKey[];
  };
  readonly codes: Readonly<Omit<RawConfig['codes'], 'hashKey' | 'hashKeyFile'>> & { readonly hashKey: Secret };
  readonly sessions: Readonly<RawConfig['sessions']>;
  readonly calls: Readonly<RawConfig['calls']>;
  /** Present exactly when `demo` is true. */
  readonly demoKeys?: DemoKeys;
}
