import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { verifyPassword, type AccountConfig, type Config, type Tenant } from '../../config/index.js';
import { tenantPath, type RedisLink } from '../../core-bridge/index.js';
import type { Account } from './principal.js';
import { Provider } from './provider.js';
import { RedisSessions } from './redis-sessions.js';
import type { SignInOptions, SignInTenant } from './sign-in.js';

/** How people get in, as the configuration says. The link is borrowed. */
export function signInOptions(config: Config, link: RedisLink | undefined, log: Logger): Pick<SignInOptions, 'accounts' | 'tenants' | 'origins' | 'embedIn' | 'share' | 'sealSecret'> {
  const { store } = config;
  const { url, embedIn } = config.listeners.agents;
  return {
    accounts: accountsOf(config.tenants),
    tenants: config.tenants.map((tenant) => tenantOf(tenant, log.child({ tenant: tenant.name }))),
    embedIn,
    ...(url !== undefined && { origins: [new URL(url).origin] }),
    ...(link && store.kind === 'redis' && {
      share: new RedisSessions({ link, prefix: store.prefix, sealKeys: store.sealKeys }),
      sealSecret: store.sealKeys[0]!.key.reveal(),
    }),
  };
}

/** Everybody who may come in. */
export function accountsOf(tenants: readonly Tenant[]): Account[] {
  return tenants.flatMap((tenant) => tenant.accounts.map((account) => accountOf(tenant, account)));
}

function tenantOf({ name, displayName, signIn }: Tenant, log: Logger): SignInTenant {
  const { local, oidc, idleLockSeconds, idleTimeoutSeconds, maxSessionSeconds } = signIn;
  return {
    name, displayName, local,
    path: tenantPath(name),
    ...(oidc && { oidc: { config: oidc, provider: new Provider(oidc, log) } }),
    policy: { idleTimeoutMs: idleTimeoutSeconds * 1000, maxSessionMs: maxSessionSeconds * 1000, ...(idleLockSeconds !== undefined && { idleLockMs: idleLockSeconds * 1000 }) },
  };
}

function accountOf(tenant: Tenant, { name, displayName, roles, passwordHash, signInAs, phone }: AccountConfig): Account {
  return {
    name, displayName, roles, signInAs,
    tenant: tenant.name,
    hasPhone: phone !== undefined,
    stamp: stampOf(tenant, { name, roles, signInAs, ...(passwordHash && { passwordHash }), ...(phone !== undefined && { phone }) }),
    checkPassword: async (password) => passwordHash !== undefined && verifyPassword(password, passwordHash.reveal()),
  };
}

/** A login rests on these: when one of them changes, it is void. */
function stampOf({ signIn: { local, oidc } }: Tenant, { name, roles, passwordHash, signInAs, phone }: Pick<AccountConfig, 'name' | 'roles' | 'passwordHash' | 'signInAs' | 'phone'>): string {
  // Who a provider says takes calls does so with a phone alone.
  const provider = oidc && [oidc.issuer, oidc.clientId, oidc.agentClaim, oidc.rolesClaim === undefined ? null : [oidc.rolesClaim, phone !== undefined], Object.entries(oidc.roles)];
  return createHash('sha256').update(JSON.stringify([name, roles, passwordHash?.reveal() ?? null, signInAs, local, provider ?? null])).digest('base64url');
}
