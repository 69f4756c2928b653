import path from 'node:path';
import { Secret } from '../../config/index.js';
import type { OidcConfig } from '../../gateway/sign-in/provider.js';
import { freePort } from '../peers/ports.js';
import { scratchFolder, startPeer, type Peer } from '../peers/process.js';
import { until } from '../peers/wait.js';

export interface TestProvider extends Peer {
  readonly issuer: string;
  readonly port: number;
}

export interface TestProviderOptions {
  readonly port?: number;
  /** Where our listener is. */
  readonly origin: string;
  /** Paths before our `/login`. */
  readonly paths?: readonly string[];
  /** It tells us when somebody's session there is over; also when another login takes its place in one browser. */
  readonly endsLogins?: boolean;
  /** Claims by what is typed as login. */
  readonly people: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export const clientId = 'telephone';
export const clientSecret = 'a secret of forty characters or so, for us';

/** A real provider in its own process; it ends with the test. */
export async function startProvider({ origin, people, paths = [''], ...given }: TestProviderOptions): Promise<TestProvider> {
  const port = given.port ?? (await freePort());
  const settings = {
    port, clientId, clientSecret, people,
    redirectUris: paths.map((at) => `${origin}${at}/login/callback`),
    ...(given.endsLogins && { backchannelLogoutUri: `${origin}${paths[0] ?? ''}/logout/backchannel` }),
    postLogoutRedirectUris: paths.map((at) => `${origin}${at}/login`),
  };
  const peer = await startPeer('node', [path.resolve(import.meta.dirname, 'oidc-provider.mjs'), JSON.stringify(settings)], scratchFolder('provider'));
  await until(() => peer.output().includes('listening') || !peer.running, 'the provider', 20_000);
  if (!peer.running) throw new Error(`the provider did not start: ${peer.output()}`);
  return Object.assign(Object.create(peer) as Peer, { issuer: `http://127.0.0.1:${port}`, port });
}

/** Our side of it, as a configuration would say. */
export function oidcConfig(issuer: string, over: Partial<OidcConfig> = {}): OidcConfig {
  return { issuer, clientId, clientSecret: new Secret(clientSecret), scopes: ['openid', 'profile'], agentClaim: 'preferred_username', roles: {}, logoutAtProvider: false, label: 'Stadsinlog', ...over };
}
