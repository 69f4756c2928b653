import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../config/index.js';
import { folder, problemsOf, set, valid } from './support.js';

/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return --
   the tests break the shape on purpose */
const provider = { issuer: 'https://login.example.org/realms/town', clientId: 'gateway', clientSecret: 'a secret of ours' };
const withProvider = (change: (config: any) => void = () => undefined) => (config: any) => {
  config.signIn = { oidc: structuredClone(provider) };
  change(config);
};

describe('how people get in', () => {
  it('is by password unless a provider is given, with the usual times', () => {
    const [tenant] = parseConfig(valid(), { baseDir: folder, env: {} }).tenants;
    expect(tenant?.signIn).toEqual({ local: true, idleTimeoutSeconds: 1800, maxSessionSeconds: 43_200 });
    expect(tenant?.accounts.map(({ name, roles, signInAs }) => [name, roles, signInAs])).toEqual([['anna', ['agent'], 'anna']]);
  });

  it('keeps the secret of the provider out of sight, inline or in a file', () => {
    writeFileSync(path.join(folder, 'client-secret'), 'a secret in a file\n');
    for (const given of [{ clientSecret: 'a secret in a file' }, { clientSecretFile: 'client-secret' }]) {
      const config = valid();
      config.signIn = { oidc: { issuer: provider.issuer, clientId: provider.clientId, scopes: ['email'], ...given } };
      const [tenant] = parseConfig(config, { baseDir: folder, env: {} }).tenants;
      expect(tenant?.signIn.oidc?.clientSecret.reveal()).toBe('a secret in a file');
      expect(tenant?.signIn.oidc?.scopes).toEqual(['openid', 'email']);
      expect(JSON.stringify(tenant)).not.toContain('a secret in a file');
    }
  });

  it('lets people in who have no phone and no password, and rings only who may take calls', () => {
    const config = valid();
    withProvider((c) => {
      c.agents.push({ name: 'sofie', roles: ['supervisor', 'auditor'], signInAs: '7f6c-oid' }, { name: 'bram', roles: ['supervisor'], phone: 'sip:bram@192.0.2.21' });
    })(config);
    const [tenant] = parseConfig(config, { baseDir: folder, env: {} }).tenants;
    expect(tenant?.accounts.map(({ name }) => name)).toEqual(['anna', 'sofie', 'bram']);
    expect(tenant?.agents.map(({ name }) => name)).toEqual(['anna']);
    // When the provider says who is an agent, everybody with a phone may be one.
    config.signIn.oidc.rolesClaim = 'realm_access.roles';
    config.signIn.oidc.roles = { calls: ['agent'], lead: ['supervisor', 'agent'] };
    expect(parseConfig(config, { baseDir: folder, env: {} }).tenants[0]?.agents.map(({ name }) => name)).toEqual(['anna', 'bram']);
  });

  const rules: [what: string, change: (config: any) => void, keys: string[]][] = [
    ['an agent has a phone', (c) => delete c.agents[0].phone, ['agents[0].phone']],
    ['a role is one of four', (c) => (c.agents[0].roles = ['agent', 'boss']), ['agents[0].roles[1]']],
    ['without a provider there is a password', (c) => delete c.agents[0].password, ['agents[0].password']],
    ['somebody can get in', (c) => set(c, 'signIn.local', false), ['signIn.local']],
    ['the provider is reached encrypted', withProvider((c) => (c.signIn.oidc.issuer = 'http://login.example.org')), ['signIn.oidc.issuer']],
    ['the provider gave us a secret', withProvider((c) => delete c.signIn.oidc.clientSecret), ['signIn.oidc.clientSecret']],
    ['the secret stands in one place', withProvider((c) => (c.signIn.oidc.clientSecretFile = 'x')), ['signIn.oidc.clientSecretFile']],
    ['roles of the provider need their claim', withProvider((c) => (c.signIn.oidc.roles = { a: ['agent'] })), ['signIn.oidc.rolesClaim']],
    ['a claim of roles needs what they stand for', withProvider((c) => (c.signIn.oidc.rolesClaim = 'roles')), ['signIn.oidc.roles']],
    ['one account at the provider is one account here', withProvider((c) => c.agents.push({ name: 'bram', roles: ['auditor'], signInAs: 'anna' })), ['agents[1].signInAs']],
    ['the lock comes before the end', (c) => set(c, 'signIn.idleLockSeconds', 1_800), ['signIn.idleLockSeconds']],
    ['the longest login is the longest', (c) => set(c, 'signIn.idleTimeoutSeconds', 50_000), ['signIn.maxSessionSeconds']],
    ['the provider knows where to send people back', withProvider((c) => set(c, 'listeners.agents.host', '0.0.0.0')), ['listeners.agents.url']],
    ['a frame needs cookies that need https', (c) => set(c, 'listeners.agents.embedIn', ['https://crm.example.org']), ['listeners.agents.url']],
    ['a frame is in a site, not in a page', (c) => set(c, 'listeners.agents', { url: 'https://a.example.org', embedIn: ['https://crm.example.org/desk'] }), ['listeners.agents.embedIn[0]']],
    ['a frame is not in every site', (c) => set(c, 'listeners.agents', { url: 'https://a.example.org', embedIn: ['https://*.example.org'] }), ['listeners.agents.embedIn[0]']],
  ];
  it.each(rules)('%s', (_what, change, keys) => {
    const problems = problemsOf(change);
    expect(problems.map(({ key }) => key)).toEqual(keys);
    expect(problems.every(({ fix }) => fix !== '')).toBe(true);
    expect(JSON.stringify(problems)).not.toContain(provider.clientSecret);
  });

  it('takes a provider on this machine without encryption, and https origins for frames', () => {
    expect(problemsOf(withProvider((c) => (c.signIn.oidc.issuer = 'http://127.0.0.1:3000')))).toEqual([]);
    const config = valid();
    config.listeners = { agents: { url: 'https://agents.example.org', embedIn: ['https://CRM.example.org:443/'] } };
    expect(parseConfig(config, { baseDir: folder, env: {} }).listeners.agents.embedIn).toEqual(['https://crm.example.org']);
  });
});
