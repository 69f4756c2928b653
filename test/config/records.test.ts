import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, parseConfig, printProblem } from '../../config/index.js';
import { scratchFolder } from '../peers/process.js';

let folder: string;
beforeEach(() => { folder = scratchFolder('records-config'); });
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const hash = '$scrypt$ln=15,r=8,p=1$siks4cF4XpoFUMN937VjKA$9mdw1EKFeq6VoZ09m0AMRGeBN1J1w3p5gN126LVHBFU';
const base = {
  demo: true,
  trunks: [{ name: 'a', addresses: ['192.0.2.1'] }],
  services: [{ name: 'a', numbers: ['*'], purposes: ['a'] }],
  agents: [{ name: 'anna', password: hash, phone: 'sip:anna@192.0.2.2' }],
  idContact: { phoneNumber: '+31201234567' },
};
const parse = (more: Record<string, unknown>) => parseConfig({ ...base, ...more }, { baseDir: folder, env: {} });
const problems = (more: Record<string, unknown>): string[] => {
  try {
    parse(more);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(printProblem);
  }
};
const token = 'abcdefghijklmnopqrstuvwxyz';
const secret = Buffer.alloc(32, 3).toString('base64');

describe('audit', () => {
  it('is kept unless it is said otherwise, in a folder below the one the gateway is started from', () => {
    expect(parse({}).audit).toEqual({ enabled: true, folder: path.resolve('var/audit'), node: os.hostname(), required: true, keepDays: 365 });
  });

  it('takes its folder from where the configuration is, and its key from a file', () => {
    mkdirSync(path.join(folder, 'keys'));
    writeFileSync(path.join(folder, 'keys/audit'), `${'k'.repeat(40)}\n`);
    const { audit } = parse({ audit: { folder: 'trail', hmacKeyFile: 'keys/audit', node: 'gw-1', keepDays: 30 } });
    expect(audit).toMatchObject({ folder: path.join(folder, 'trail'), node: 'gw-1', keepDays: 30 });
    expect(audit.hmacKey?.reveal()).toBe('k'.repeat(40));
    expect(JSON.stringify(audit)).not.toContain('kkk');
  });

  it('says what is wrong, by name', () => {
    writeFileSync(path.join(folder, 'short'), 'short');
    expect(problems({ audit: { hmacKeyFile: 'short' } })).toEqual([expect.stringMatching(/^audit\.hmacKeyFile: names a file of 5 characters/)]);
    expect(problems({ audit: { hmacKey: 'k'.repeat(40), hmacKeyFile: 'short' } })).toEqual(expect.arrayContaining([expect.stringMatching(/^audit\.hmacKeyFile: is given beside hmacKey/)]));
    expect(problems({ audit: { node: '../up' } })).toEqual([expect.stringMatching(/^audit\.node: is not a plain name/)]);
    expect(problems({ audit: { keepDays: 0 } })).toHaveLength(1);
  });
});

describe('cti', () => {
  it('is closed unless somebody is let in', () => {
    expect(parse({}).tenants[0]!.cti).toEqual({ origins: [], bufferEvents: 5_000, subscribers: [], webhooks: [] });
  });

  it('takes subscribers and webhooks, whose secrets print as nothing', () => {
    const { cti } = parse({ cti: { origins: ['https://crm.example'], subscribers: [{ name: 'crm', token, agent: 'anna', identity: ['bsn'] }], webhooks: [{ name: 'w', url: 'https://crm.example/hook?a=1', keys: [{ id: 'k', secret: `whsec_${secret}` }] }] } }).tenants[0]!;
    expect(cti.subscribers[0]).toMatchObject({ name: 'crm', agent: 'anna', identity: ['bsn'] });
    expect(cti.webhooks[0]).toMatchObject({ name: 'w', attempts: 8, timeoutMs: 5_000 });
    expect(cti.webhooks[0]!.keys[0]!.secret.reveal()).toBe(secret);
    expect(JSON.stringify(cti)).not.toMatch(new RegExp(`${token}|${secret.slice(0, 10)}`));
  });

  it('says what is wrong, by name, and never the secret', () => {
    const subscribers = [{ name: 'a', token, agent: 'nobody' }, { name: 'a', token }, { name: 'b', token: 'with a space and long enough' }];
    const webhooks = [{ name: 'w', url: 'https://u:p@crm.example', keys: [{ id: 'k', secret: 'not base64 !' }] }];
    const told = problems({ cti: { origins: ['https://crm.example/page'], subscribers, webhooks } });
    for (const start of [
      'cti.origins[0]: is not an origin', 'cti.subscribers[0].agent: names nobody of agents', 'cti.subscribers[1].name: repeats the name', 'cti.subscribers[1].token: repeats the token',
      'cti.subscribers[2].token: holds a character', 'cti.webhooks[0].url: is not a usable address', 'cti.webhooks[0].keys[0].secret: is not 24 to 64 bytes',
    ]) expect(told.some((line) => line.startsWith(start)), `${start}\n${told.join('\n')}`).toBe(true);
    expect(told.join()).not.toMatch(new RegExp(`${token}|with a space|not base64`));
  });

  it('keeps tokens apart over all tenants', () => {
    const tenant = (name: string, number: string, agent: string) => ({ name, services: [{ name, numbers: [number], purposes: ['a'] }], agents: [{ name: agent, password: hash, phone: `sip:${agent}@192.0.2.2` }], idContact: { phoneNumber: number }, cti: { subscribers: [{ name: 'crm', token }] } });
    try {
      parseConfig({ demo: true, trunks: base.trunks, tenants: [tenant('one', '+31201234567', 'a'), tenant('two', '+31201234568', 'b')] }, { env: {} });
      expect.unreachable();
    } catch (error) {
      expect((error as ConfigError).problems.map(printProblem)).toEqual([expect.stringMatching(/^tenants\[1\]\.cti\.subscribers\[0\]\.token: repeats the token of tenants\[0\]/)]);
    }
  });
});
