/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-call --
   configurations are changed on purpose */
import { expect, it } from 'vitest';
import { parseConfig } from '../../config/index.js';
import { signInOptions } from '../../gateway/sign-in/from-config.js';
import { folder, hash, valid } from '../config/support.js';
import { log } from './door.js';

const provider = { issuer: 'https://login.example.org', clientId: 'gateway', clientSecret: 'a secret of ours' };

function options(change: (config: any) => void = () => undefined) {
  const config = valid();
  config.agents.push({ name: 'sofie', roles: ['supervisor'], password: hash });
  config.signIn = { oidc: provider, idleLockSeconds: 300 };
  change(config);
  return signInOptions(parseConfig(config, { baseDir: folder, env: {} }), undefined, log);
}

it('people, tenants and times are as the configuration says', async () => {
  const { accounts, tenants, embedIn, origins, share } = options((c) => (c.listeners = { agents: { url: 'https://agents.example.org/', embedIn: ['https://crm.example.org'] } }));
  expect(accounts.map(({ name, tenant, roles, hasPhone, signInAs }) => [name, tenant, roles, hasPhone, signInAs])).toEqual([['anna', 'main', ['agent'], true, 'anna'], ['sofie', 'main', ['supervisor'], false, 'sofie']]);
  expect(tenants).toMatchObject([{ name: 'main', path: '', local: true, policy: { idleLockMs: 300_000, idleTimeoutMs: 1_800_000, maxSessionMs: 43_200_000 } }]);
  expect([embedIn, origins, share]).toEqual([['https://crm.example.org'], ['https://agents.example.org'], undefined]);
  expect(await accounts[0]?.checkPassword('correct horse')).toBe(true);
  expect(await accounts[0]?.checkPassword('Correct horse')).toBe(false);
});

it('who has no password gets in by none', async () => {
  const [anna] = options((c) => delete c.agents[0].password).accounts;
  for (const tried of ['', 'undefined', 'correct horse']) expect(await anna?.checkPassword(tried)).toBe(false);
});

it('a login is void when what it rests on changes, and only then', () => {
  const stampOf = (change?: (config: any) => void): string | undefined => options(change).accounts[0]?.stamp;
  const stamp = stampOf();
  expect(stampOf((c) => (c.agents[0].displayName = 'Anna'))).toBe(stamp);
  expect(stampOf((c) => (c.agents[0].phone = 'sip:anna@192.0.2.99'))).toBe(stamp);
  expect(stampOf((c) => (c.signIn.idleLockSeconds = 60))).toBe(stamp);
  const changes: ((config: any) => void)[] = [
    (c) => (c.agents[0].roles = ['agent', 'supervisor']),
    (c) => (c.agents[0].password = hash.replace(/.$/, (last) => (last === 'A' ? 'E' : 'A'))),
    (c) => delete c.agents[0].password,
    (c) => (c.agents[0].signInAs = 'another'),
    (c) => (c.signIn.local = false),
    (c) => delete c.signIn.oidc,
    (c) => (c.signIn.oidc = { ...provider, issuer: 'https://other.example.org' }),
    (c) => (c.signIn.oidc = { ...provider, agentClaim: 'oid' }),
    (c) => (c.signIn.oidc = { ...provider, rolesClaim: 'roles', roles: { a: ['agent'] } }),
  ];
  const stamps = changes.map((change) => stampOf(change));
  expect(stamps).not.toContain(stamp);
  expect(new Set(stamps).size).toBe(changes.length);
});
