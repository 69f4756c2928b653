import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { changesForRestart, ConfigError, configFiles, loadConfig, parseConfig, type Problem } from '../../config/index.js';
import { ec, folder, hash, problemsOf, rsa, set, valid } from './support.js';

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return --
   the tests break the shape on purpose */
const vectors = JSON.parse(readFileSync(new URL('../core-bridge/vectors.json', import.meta.url), 'utf8')) as Record<'rsa_private_key' | 'rsa_public_key' | 'ec_private_key' | 'ec_public_key', string>;
const examples = path.resolve(import.meta.dirname, '../../config/examples');
const keysOf = (problems: readonly Problem[]): string[] => problems.map((problem) => problem.key).sort();

/** Two municipalities that share nothing. */
function two(): any {
  const { trunks, ...tenant } = valid();
  return {
    trunks,
    tenants: [
      { name: 'zutphen', displayName: 'Gemeente Zutphen', ...tenant },
      {
        ...structuredClone(tenant),
        name: 'lochem',
        services: [{ name: 'Desk', numbers: ['+31 573 123 456'], purposes: ['report_move'] }],
        agents: [{ name: 'bram', password: hash, phone: 'sip:bram@192.0.2.21' }],
        codes: { hashKey: 'j'.repeat(32) },
      },
    ],
  };
}

function problemsOfTwo(change: (config: any) => void): readonly Problem[] {
  return problemsOf((config) => {
    for (const key of Object.keys(config as object)) delete config[key];
    Object.assign(config, two());
    change(config);
  });
}

describe('several tenants', () => {
  it('each have their own, beside what is shared', () => {
    const config = parseConfig(two(), { env: {} });
    expect(config.tenants.map(({ name, displayName, agents }) => [name, displayName, agents.map((agent) => agent.name)])).toEqual([
      ['zutphen', 'Gemeente Zutphen', ['anna']],
      ['lochem', 'Desk', ['bram']],
    ]);
    expect(config.tenants[1]?.codes).toMatchObject({ digits: 10, maxDigits: 16, guesses: { paceSeconds: 60 } });
    expect(config.trunks).toHaveLength(1);
  });

  it('a file without them has one, called main', () => {
    expect(parseConfig(valid(), { env: {} }).tenants.map((tenant) => tenant.name)).toEqual(['main']);
  });

  it('stand in the list or at the top, not both', () => {
    const problems = problemsOfTwo((config) => Object.assign(config, { agents: [], codes: { digits: 9 } }));
    expect(problems.map(({ key, fault }) => [key, fault])).toEqual([['agents', 'stands beside tenants'], ['codes', 'stands beside tenants']]);
    expect(keysOf(problemsOfTwo((config) => (config.tenants = [])))).toEqual(['tenants']);
    expect(problemsOf((config) => (config.tenant = []))[0]?.fix).toBe('Did you mean tenants?');
  });

  it('share no number, login, phone, name or hash key', () => {
    const problems = problemsOfTwo((config) => {
      const [first, second] = config.tenants;
      second.services[0].numbers = ['+31201234567', '*'];
      first.services[0].numbers.push('*');
      second.agents = [{ name: 'anna', password: hash, phone: 'sip:anna@192.0.2.20;transport=tcp' }];
      second.codes = first.codes;
      second.name = 'zutphen';
    });
    expect(keysOf(problems)).toEqual(
      ['tenants[1].agents[0].name', 'tenants[1].agents[0].phone', 'tenants[1].codes.hashKey', 'tenants[1].name', 'tenants[1].services[0].numbers[0]', 'tenants[1].services[0].numbers[1]'].sort(),
    );
    expect(problems.map((problem) => problem.fault).join()).not.toContain('h'.repeat(32));
  });

  it.each([
    ['tenants[1].name', undefined, /missing/],
    ['tenants[1].name', 'Lochem Noord', /not a plain name/],
    ['tenants[1].name', 'main', /only tenant/],
    ['tenants[1].services', undefined, /missing/],
    ['tenants[1].idContact.decryptionKey', undefined, /missing/],
    ['tenants[1].idContact.verificationKeys', [], /missing/],
    ['tenants[1].codes.hashKey', undefined, /missing/],
    ['tenants[1].codes.digits', 7, /below 8/],
    ['tenants[1].codes.hashKey', 'short', /characters/],
  ])('%s: %j names the exact key', (key, value, fault) => {
    const problems = problemsOfTwo((config) => set(config, key, value));
    expect(problems.map((problem) => problem.key)).toEqual([key]);
    expect(problems[0]?.fault).toMatch(fault);
  });

  it('files of a tenant are named where they stand', () => {
    expect(keysOf(problemsOfTwo((config) => (config.tenants[1].codes = { hashKeyFile: 'nowhere' })))).toEqual(['tenants[1].codes.hashKeyFile']);
    const decryptionKey = { type: 'EC', key: rsa.privateKey };
    expect(keysOf(problemsOfTwo((config) => (config.tenants[1].idContact.decryptionKey = decryptionKey)))).toEqual(['tenants[1].idContact.decryptionKey.key']);
  });
});

describe('rules of a tenant', () => {
  const rules: [what: string, change: (config: any) => void, keys: string[]][] = [
    ['maxDigits may not be below digits', (c) => set(c, 'codes.digits', 12) ?? set(c, 'codes.maxDigits', 11), ['codes.maxDigits']],
    ['the longest lifetime may not be below the first', (c) => set(c, 'codes.longestLifetimeSeconds', 600), ['codes.longestLifetimeSeconds']],
    ['coreUrl needs signingKey', (c) => set(c, 'idContact.coreUrl', 'http://core:8000'), ['idContact.signingKey']],
    ['signingKey needs coreUrl', (c) => set(c, 'idContact.signingKey', { type: 'EC', key: ec.privateKey }), ['idContact.coreUrl']],
    ['names of certificates need somebody who asks for them', (c) => set(c, 'idContact.coreCertificateNames', ['core']), ['idContact.coreCertificateNames']],
    ['tokens of the core are long', (c) => set(c, 'idContact.coreTokens', [{ token: 'short' }]), ['idContact.coreTokens[0].token']],
    ['tokens of the core stand somewhere', (c) => set(c, 'idContact.coreTokens', [{}]), ['idContact.coreTokens[0].token']],
    ['unauthenticated purposes are purposes of the service', (c) => set(c, 'services[0].unauthenticatedPurposes', ['report_move', 'other']), ['services[0].unauthenticatedPurposes[1]']],
    ['labels are for purposes that exist', (c) => set(c, 'purposeLabels', { other: { nl: 'a', en: 'b' } }), ['purposeLabels']],
    ['labels are given in both languages', (c) => set(c, 'purposeLabels', { report_move: { nl: 'a' } }), ['purposeLabels.report_move.en']],
    ['labels of attributes are given in both languages', (c) => set(c, 'screen.labels', { shoe_size: { en: 'Shoe size' } }), ['screen.labels.shoe_size.nl']],
    ['attributes have no spaces', (c) => set(c, 'screen.masked', ['bsn', 'shoe size']), ['screen.masked[1]']],
    ['login means are those of a plugin', (c) => set(c, 'screen.loginMeans', { digidd: { nl: 'DigiD', en: 'DigiD' } }), ['screen.loginMeans']],
    ['assurance is one of three', (c) => set(c, 'screen.loginMeans', { digid: { nl: 'DigiD', en: 'DigiD', assurance: 'very' } }), ['screen.loginMeans.digid.assurance']],
    ['one verification key stands once', (c) => c.idContact.verificationKeys.push({ name: 'again', type: 'EC', key: ec.publicKey }), ['idContact.verificationKeys[1].key']],
    ['a former key is another key', (c) => set(c, 'idContact.formerDecryptionKeys', [{ type: 'RSA', key: rsa.privateKey }]), ['idContact.formerDecryptionKeys[0].key']],
    ['our pages need an address', (c) => set(c, 'listeners.public.host', '0.0.0.0') ?? set(c, 'idContact.clientUrl', 'page'), ['listeners.public.url']],
    ['a spoken address has no scheme', (c) => set(c, 'identify.address', 'https://telephone.example.org/i'), ['identify.address']],
    ['a webhook has an address', (c) => set(c, 'identify.webhook', { url: 'mailto:a@b' }), ['identify.webhook.url']],
    ['a webhook’s token stands in one place', (c) => set(c, 'identify.webhook', { url: 'https://a/?b=c', token: 't'.repeat(24), tokenFile: 'x' }), ['identify.webhook.tokenFile']],
    ['feedback is not sent all the time', (c) => set(c, 'feedback.everySeconds', 1), ['feedback.everySeconds']],
  ];
  it.each(rules)('%s', (_what, change, keys) => {
    expect(keysOf(problemsOf(change))).toEqual(keys);
  });

  it('keys, tokens and addresses arrive where they are used', () => {
    const config = valid();
    config.listeners = { public: { url: 'https://telephone.example.org/' } };
    Object.assign(config.idContact, {
      clientUrl: 'page',
      coreUrl: 'https://core.example.org/',
      signingKey: { type: 'EC', key: ec.privateKey },
      formerDecryptionKeys: [{ type: 'EC', key: ec.privateKey }],
      coreTokens: [{ token: 't'.repeat(24) }],
    });
    config.idContact.verificationKeys.push({ name: 'digid', type: 'RSA', key: rsa.publicKey });
    config.purposeLabels = { report_move: { nl: 'Verhuizen', en: 'Move' } };
    config.screen = { masked: ['bsn', 'v_number'], loginMeans: { digid: { nl: 'DigiD-app', en: 'DigiD app', assurance: 'substantial' } } };
    config.identify = { webhook: { url: 'https://hook.example.org/a?b=c', token: 'w'.repeat(24) } };
    const [tenant] = parseConfig(config, { env: {} }).tenants;
    expect(tenant?.idContact).toMatchObject({ clientUrl: 'page', coreUrl: 'https://core.example.org', signingKey: { type: 'EC' } });
    expect(tenant?.idContact.decryptionKeys.map((key) => key.type)).toEqual(['RSA', 'EC']);
    expect(tenant?.idContact.verificationKeys.map((key) => [key.name, key.type])).toEqual([['digid', 'EC'], ['digid', 'RSA']]);
    expect(tenant?.idContact.coreTokens.map((token) => token.reveal())).toEqual(['t'.repeat(24)]);
    expect(tenant?.purposeLabels['report_move']?.en).toBe('Move');
    expect(tenant?.screen).toMatchObject({ labels: {}, masked: ['bsn', 'v_number'], loginMeans: { digid: { assurance: 'substantial' } } });
    expect(tenant?.screen.represented).toContain('on_behalf_of');
    expect(tenant?.identify).toMatchObject({ pairingDigits: 8, lifetimeSeconds: 600, address: 'telephone.example.org/i', webhook: { url: 'https://hook.example.org/a?b=c' } });
    expect(tenant?.identify.webhook?.token?.reveal()).toBe('w'.repeat(24));
  });
});

describe('published sample keys', () => {
  const sampled = (config: any): void => {
    config.idContact.decryptionKey = { type: 'RSA', key: vectors.rsa_private_key };
    config.idContact.formerDecryptionKeys = [{ type: 'EC', key: vectors.ec_private_key }];
    config.idContact.verificationKeys = [{ name: 'a', type: 'EC', key: vectors.ec_public_key }];
  };
  const keys = ['idContact.decryptionKey.key', 'idContact.formerDecryptionKeys[0].key', 'idContact.verificationKeys[0].key'];

  it('are refused, unless somebody says that this is for trying', () => {
    const problems = problemsOf(sampled);
    expect(keysOf(problems)).toEqual(keys);
    expect(problems[0]?.fault).toBe('is a published sample key');
    expect(problemsOf((config) => sampled(Object.assign(config, { unsafeSampleKeys: true })))).toEqual([]);
  });

  it('are refused in production whatever anybody says', () => {
    expect(keysOf(problemsOf((config) => sampled(Object.assign(config, { unsafeSampleKeys: true })), { NODE_ENV: 'production' }))).toEqual([...keys, 'unsafeSampleKeys']);
    expect(keysOf(problemsOf((config) => sampled(Object.assign(config, { demo: true })), { NODE_ENV: 'production' }))).toEqual(['demo', ...keys].sort());
  });

  it('make the example for the reference core work, and not in production', () => {
    const file = path.join(examples, 'reference-core.yaml');
    const config = loadConfig({ path: file, env: {} });
    expect(config.demo).toBe(false);
    expect(config.tenants[0]?.services.flatMap((service) => service.purposes)).toEqual(['report_move', 'request_permit', 'request_passport']);
    expect(config.tenants[0]?.idContact.decryptionKeys.map((key) => key.type)).toEqual(['RSA', 'EC']);
    expect(() => loadConfig({ path: file, env: { NODE_ENV: 'production' } })).toThrow(/is a published sample key/);
  });
});

describe('a file that is read again while the gateway runs', () => {
  function site(config: any): string {
    const file = path.join(folder, 'site.json');
    writeFileSync(file, JSON.stringify(config));
    return file;
  }

  it('is watched with the files it names', () => {
    writeFileSync(path.join(folder, 'plugin.pem'), ec.publicKey);
    const config = two();
    config.tenants[1].idContact.verificationKeys = [{ name: 'digid', type: 'EC', keyFile: 'plugin.pem' }];
    const file = site(config);
    expect(configFiles({ path: file })).toEqual([file, path.join(folder, 'plugin.pem')]);
  });

  it('is watched also when it does not hold', () => {
    const config = valid();
    const file = site({ ...config, codes: { hashKey: 'short' }, idContact: { ...config.idContact, decryptionKey: { type: 'RSA', keyFile: 'gone.pem' } } });
    expect(() => loadConfig({ path: file, env: {} })).toThrow(ConfigError);
    expect(configFiles({ path: file })).toEqual([file, path.join(folder, 'gone.pem')]);
    writeFileSync(file, '{ not: [yaml');
    expect(configFiles({ path: file })).toEqual([file]);
  });

  it('tells what takes a restart, by name and without values; keys, people and opening hours do not', () => {
    const changed = (change: (config: any) => void, from = two): string[] => {
      const config = from();
      change(config);
      return changesForRestart(parseConfig(from(), { env: {} }), parseConfig(config, { env: {} }));
    };
    expect(changed(() => undefined)).toEqual([]);
    expect(changed((config) => {
      config.tenants[0].agents.push({ name: 'carla', password: hash, phone: 'sip:carla@192.0.2.9', skills: ['tax'] });
      config.tenants[1].agents = [{ name: 'dirk', password: hash, roles: ['supervisor'] }];
      config.tenants[0].services[0].queue = { hours: { timezone: 'Europe/Amsterdam', weekly: { monday: ['09:00-17:00'] } } };
      config.tenants[1].idContact.verificationKeys = [{ name: 'digid', type: 'RSA', key: rsa.publicKey }];
      config.tenants[1].idContact.coreTokens = [{ token: 'a token of the core, 123456789012345' }];
      config.tenants.reverse();
    })).toEqual([]);
    expect(changed((config) => {
      config.calls = { maxCalls: 7 };
      config.trunks[0].addresses.push('192.0.2.77');
      config.tenants[0].codes.hashKey = 'another key of at least thirty-two characters';
      config.tenants[1].services[0].queue = { wrapUpSeconds: 7 };
      config.tenants[1].services.push({ name: 'Tax', numbers: ['+31 573 123 457'], purposes: ['pay_tax'] });
    })).toEqual([
      `trunks.${two().trunks[0].name}.addresses`, 'calls.maxCalls', 'tenants.zutphen.codes.hashKey',
      'tenants.lochem.services.Desk.queue.wrapUpSeconds', 'tenants.lochem.services.Tax',
    ]);
    expect(changed((config) => (config.tenants = config.tenants.slice(0, 1)))).toEqual(['tenants.lochem']);
    // As the file names it, where there is one municipality.
    expect(changed((config) => (config.services[0].language = 'en'), valid)).toEqual([`services.${valid().services[0].name}.language`]);
  });
});
