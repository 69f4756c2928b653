/** What a page is told of an identity: names, order, means, whose it is, and what is held back. */
import { describe, expect, it } from 'vitest';
import type { RevealedIdentity } from '../../core-bridge/vault/vault.js';
import { identityForPage, plainSettings, type ScreenSettings } from '../../gateway/screen/labels.js';
import { isMasked, withoutMasked } from '../../gateway/screen/masking.js';
import { screen as screenSchema } from '../../config/schema/screen.js';

const defaults: ScreenSettings = screenSchema.parse(undefined);
const identity = (attributes: Record<string, string>, authMethod?: string): RevealedIdentity => ({ purpose: 'report_move', attributes, verifiedAt: new Date(0), ...(authMethod !== undefined && { authMethod }) });
const page = (attributes: Record<string, string>, settings = defaults, authMethod?: string) => identityForPage(identity(attributes, authMethod), {}, settings, 1_000);
const labels = (fields: { label: { en: string } }[] | null) => fields?.map(({ label }) => label.en) ?? null;

describe('masked attributes', () => {
  it.each([
    ['bsn', true], ['BSN', true], ['pbdf.gemeente.personalData.bsn', true], ['represented_bsn', true], ['document_number', true], ['eidas.document_number', true], ['iban', true],
    ['bsnOf', false], ['fullname', false], ['number', false], ['absn', false],
  ])('%s: %s', (name, masked) => expect(isMasked(name, defaults.masked)).toBe(masked));

  it('leave the identity before it goes anywhere, and are told apart from what a caller does not have', () => {
    const bare = withoutMasked(identity({ fullname: 'Jip', bsn: '999990019', on_behalf_of_bsn: '999990020' }), defaults.masked);
    expect(bare.identity.attributes).toEqual({ fullname: 'Jip' });
    expect(bare.masked).toEqual(['bsn', 'on_behalf_of_bsn']);
    const shown = identityForPage(bare.identity, { masked: bare.masked }, defaults, 0);
    expect(shown.fields.map(({ name, value }) => [name, value])).toEqual([['fullname', 'Jip'], ['bsn', undefined]]);
    expect(shown.represented).toEqual([{ name: 'on_behalf_of_bsn', label: { nl: 'Burgerservicenummer', en: 'Citizen service number (BSN)' }, shortened: false }]);
  });

  it('are held back also from a call that forgot', () => {
    expect(JSON.stringify(page({ fullname: 'Jip', bsn: '999990019' }))).not.toContain('999990019');
    expect(JSON.stringify(page({ fullname: 'Jip', bsn: '999990019' }, plainSettings))).toContain('999990019');
  });
});

describe('on whose behalf', () => {
  it('keeps the caller and the one they act for apart, each with plain labels', () => {
    const shown = page({ fullname: 'Willeke', on_behalf_of: 'Bakkerij', represented_kvk: '1', 'x.vertegenwoordigde.naam': 'Jan', representative: 'not one of them' });
    expect(labels(shown.fields)).toEqual(['Name', 'Representative']);
    expect(labels(shown.represented)).toEqual(['Name', 'Name', 'Chamber of Commerce number']);
  });

  it('is nothing for a caller who acts for themselves', () => expect(page({ fullname: 'Willeke' }).represented).toBeNull());
});

describe('login means and assurance', () => {
  it.each([
    ['digid', '10', 'DigiD', 'Basic'], ['digid', '20', 'DigiD', 'Medium'], ['digid', '25', 'DigiD', 'Substantial'], ['digid', '30', 'DigiD', 'High'],
    ['digid', 'urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract', 'DigiD', 'Medium'],
    ['eherkenning', 'urn:etoegang:core:assurance-class:loa3', 'eHerkenning', 'EH3'], ['eidas', 'http://eidas.europa.eu/LoA/high', 'eIDAS', 'High'],
    ['yivi', 'Substantieel', 'Yivi', 'Substantial'],
  ])('%s, %s: %s %s, with its meaning, and not among the attributes', (method, loa, name, level) => {
    const shown = page({ fullname: 'Jip', loa }, defaults, method);
    expect(shown.means).toMatchObject({ name: { en: name }, assurance: { label: { en: level } } });
    expect(shown.means!.assurance!.meaning!.nl).toMatch(/zekerheid/);
    expect(labels(shown.fields)).toEqual(['Name']);
  });

  it('are shown as they came when they are not known, and not guessed at', () => {
    expect(page({ loa: 'gold\u202E' }, defaults, 'acme')).toMatchObject({ means: { name: { nl: 'acme' }, assurance: { label: { nl: 'gold\uFFFD' }, meaning: null } }, fields: [] });
    expect(page({}, defaults, 'yivi').means).toEqual({ name: { nl: 'Yivi', en: 'Yivi' }, assurance: null });
    expect(page({}).means).toBeNull();
  });

  it('are named by the configuration, which may say how sure they always are', () => {
    const settings: ScreenSettings = { ...defaults, loginMeans: { digid: { nl: 'DigiD-app', en: 'DigiD app', assurance: 'low' } }, labels: { shoe_size: { nl: 'Schoenmaat', en: 'Size of shoes' } } };
    expect(page({}, settings, 'digid').means).toMatchObject({ name: { en: 'DigiD app' }, assurance: { label: { nl: 'Laag' } } });
    expect(page({ loa: 'high' }, settings, 'digid').means).toMatchObject({ assurance: { label: { nl: 'Hoog' } } });
    expect(labels(page({ shoe_size: '43' }, settings).fields)).toEqual(['Size of shoes']);
    // A name that JavaScript knows too is a name like another.
    expect(page({ toString: 'x' }, settings, 'constructor').means).toMatchObject({ name: { en: 'constructor' } });
  });
});
