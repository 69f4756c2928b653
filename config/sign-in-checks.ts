import type { PlacedTenant, Shared, Understood } from './forms.js';
import type { Problem } from './problems.js';
import { repeats } from './repeats.js';
import { isAnyAddress } from './schema/index.js';

/** Without a provider only a password lets people in. Looks at the input: a broken password is a given password. */
function passwords({ at, tenant }: PlacedTenant, input: unknown): Problem[] {
  const given = tenantIn(input, at)?.['agents'];
  if (tenant.signIn === undefined || tenant.signIn.oidc !== undefined || !Array.isArray(given)) return [];
  return given.flatMap((account: unknown, index): Problem[] => {
    if (account === null || typeof account !== 'object' || 'password' in account || 'passwordFile' in account) return [];
    return [{ key: `${at}agents[${index}].password`, fault: 'is missing', fix: 'Give password, or passwordFile with the name of a file that holds it; without it only signIn.oidc lets somebody in' }];
  });
}

function tenantIn(input: unknown, at: string): Record<string, unknown> | undefined {
  const [, index] = /^tenants\[(\d+)\]\.$/.exec(at) ?? [];
  const tenant = index === undefined ? input : (input as { tenants: unknown[] }).tenants[Number(index)];
  return tenant !== null && typeof tenant === 'object' ? (tenant as Record<string, unknown>) : undefined;
}

function ways({ at, tenant }: PlacedTenant): Problem[] {
  const { local, oidc, idleLockSeconds, idleTimeoutSeconds, maxSessionSeconds } = tenant.signIn ?? {};
  const problems: Problem[] = [];
  if (local === false && oidc === undefined) problems.push({ key: `${at}signIn.local`, fault: 'is false while there is no signIn.oidc', fix: 'Give the provider, or let people sign in with passwords' });
  if (idleLockSeconds !== undefined && idleTimeoutSeconds !== undefined && idleLockSeconds >= idleTimeoutSeconds) {
    problems.push({ key: `${at}signIn.idleLockSeconds`, fault: `is ${idleLockSeconds}, which is not below idleTimeoutSeconds, ${idleTimeoutSeconds}`, fix: 'Let the lock come before the end of the login, or leave it out' });
  }
  if (idleTimeoutSeconds !== undefined && maxSessionSeconds !== undefined && idleTimeoutSeconds > maxSessionSeconds) {
    problems.push({ key: `${at}signIn.maxSessionSeconds`, fault: `is ${maxSessionSeconds}, which is below idleTimeoutSeconds, ${idleTimeoutSeconds}`, fix: 'Let maxSessionSeconds be the larger one' });
  }
  if (oidc?.rolesClaim !== undefined && Object.keys(oidc.roles ?? {}).length === 0) problems.push({ key: `${at}signIn.oidc.roles`, fault: 'is empty while rolesClaim is given', fix: 'Say what its values stand for, or remove rolesClaim' });
  if (oidc !== undefined && oidc.rolesClaim === undefined && Object.keys(oidc.roles ?? {}).length > 0) problems.push({ key: `${at}signIn.oidc.rolesClaim`, fault: 'is missing while roles is given', fix: 'Name the claim whose values these are, or remove roles' });
  return problems;
}

/** A value of the claim that stood for two accounts would open either. */
function claimed({ at, tenant }: PlacedTenant): Problem[] {
  if (tenant.signIn?.oidc === undefined) return [];
  const values = (tenant.agents ?? []).map((account, index) => ({ key: `${at}agents[${index}].signInAs`, value: account?.signInAs ?? account?.name }));
  return repeats(values, 'the account at the provider', 'Give each account its own');
}

/** The provider sends people back to an address of ours that it knows beforehand. */
function callback({ listeners }: Shared, tenants: readonly PlacedTenant[]): Problem[] {
  const { host, url } = listeners?.agents ?? {};
  if (url !== undefined || !isAnyAddress(host) || !tenants.some(({ tenant }) => tenant.signIn?.oidc !== undefined)) return [];
  return [{ key: 'listeners.agents.url', fault: `is missing while host is ${host}`, fix: 'Give the address at which agents reach their pages, such as https://agents.example.org; the provider sends them back there' }];
}

/** In a frame of another site a browser keeps only cookies that are Secure. */
function embedding({ listeners }: Shared): Problem[] {
  const { embedIn, url } = listeners?.agents ?? {};
  if (!embedIn?.length || url?.startsWith('https:')) return [];
  return [{ key: 'listeners.agents.url', fault: url === undefined ? 'is missing while embedIn is given' : 'is not https while embedIn is given', fix: 'Give the https address at which agents reach their pages: in a frame of another site browsers keep no other cookies' }];
}

/** Problems in how people get in, within the tenants and between them. */
export function signInChecks({ shared, tenants }: Understood, input: unknown): Problem[] {
  return [
    ...tenants.flatMap((placed) => [
      ...passwords(placed, input),
      ...ways(placed),
      ...claimed(placed),
    ]),
    ...callback(shared, tenants),
    ...embedding(shared),
  ];
}
