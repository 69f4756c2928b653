import type { Tenant } from '../../config/index.js';
import type { RevealedIdentity } from '../../core-bridge/vault/vault.js';
import type { Label, Revelation } from './contract.js';
import { meansForPage } from './login-means.js';
import { isMasked } from './masking.js';
import type { FieldOnPage, IdentityOnPage } from './messages.js';
import { bothLanguages, readable, visible } from './visible.js';

/** More than this is not an identity but an accident: what exceeds it is left out, and said to be. */
const maxFields = 64;
const maxValueLength = 400;

/** Attribute names seen with ID Contact authentication plugins, in the order an agent wants to read them. */
const known: ReadonlyArray<readonly [names: readonly string[], nl: string, en: string]> = [
  [['fullname', 'full_name', 'name', 'naam'], 'Naam', 'Name'],
  [['initials', 'voorletters'], 'Voorletters', 'Initials'],
  [['firstname', 'firstnames', 'first_name', 'given_name', 'voornaam', 'voornamen'], 'Voornamen', 'First names'],
  [['prefix', 'voorvoegsel', 'tussenvoegsel'], 'Voorvoegsel', 'Name prefix'],
  [['surname', 'familyname', 'family_name', 'lastname', 'last_name', 'achternaam'], 'Achternaam', 'Surname'],
  [['bsn'], 'Burgerservicenummer', 'Citizen service number (BSN)'],
  [['dateofbirth', 'date_of_birth', 'birthdate', 'geboortedatum'], 'Geboortedatum', 'Date of birth'],
  [['age', 'leeftijd'], 'Leeftijd', 'Age'],
  [['over18', 'age_over_18'], '18 jaar of ouder', 'Aged 18 or over'],
  [['gender', 'geslacht'], 'Geslacht', 'Gender'],
  [['nationality', 'nationaliteit'], 'Nationaliteit', 'Nationality'],
  [['street', 'straat'], 'Straat', 'Street'],
  [['housenumber', 'house_number', 'huisnummer'], 'Huisnummer', 'House number'],
  [['address', 'adres'], 'Adres', 'Address'],
  [['zipcode', 'postalcode', 'postal_code', 'postcode'], 'Postcode', 'Postal code'],
  [['city', 'town', 'woonplaats', 'plaats'], 'Woonplaats', 'Town'],
  [['municipality', 'gemeente'], 'Gemeente', 'Municipality'],
  [['country', 'land'], 'Land', 'Country'],
  [['email', 'e-mail', 'mail'], 'E-mailadres', 'E-mail address'],
  [['phone', 'phonenumber', 'phone_number', 'mobilenumber', 'mobile', 'telefoonnummer'], 'Telefoonnummer', 'Telephone number'],
  [['kvk', 'kvknumber', 'kvk_number'], 'KVK-nummer', 'Chamber of Commerce number'],
  [['company', 'companyname', 'organisation', 'organization', 'bedrijfsnaam'], 'Organisatie', 'Organisation'],
];

const labelByName = new Map<string, { label: Label; rank: number }>();
for (const [rank, [names, nl, en]] of known.entries()) for (const name of names) labelByName.set(name, { label: { nl, en }, rank });

export type ScreenSettings = Tenant['screen'];

/** Without a configuration: the built-in labels, and nothing masked. */
export const plainSettings: ScreenSettings = { labels: {}, masked: [], represented: [], assurance: [], loginMeans: {} };

/**
 * Turns what the vault revealed into what the page draws: labelled, in reading order, bounded, free of characters that draw
 * nothing or turn the text around; what is masked without its value; caller and represented person kept apart.
 */
export function identityForPage(identity: RevealedIdentity, revelation: Pick<Revelation, 'labels' | 'purposeLabel' | 'masked'>, settings: ScreenSettings, now: number): IdentityOnPage {
  const masked = maskedNames(identity, revelation.masked, settings);
  const values = new Map<string, string | undefined>([...Object.entries(identity.attributes), ...[...masked].map((name) => [name, undefined] as const)]);
  const caller: Ranked[] = [];
  const represented: Ranked[] = [];
  let assurance: string | undefined;
  for (const [name, value] of values) {
    const rest = representedPart(name, settings.represented);
    if (value !== undefined && rest === undefined && isListed(name, settings.assurance)) assurance ??= value;
    else if (rest === undefined) caller.push(ranked(name, name, value, revelation.labels, settings));
    else represented.push(ranked(name, rest, value, revelation.labels, settings));
  }
  const verifiedAt = identity.verifiedAt.getTime();
  return {
    purpose: revelation.purposeLabel ?? bothLanguages(readable(identity.purpose)),
    fields: inOrder(caller),
    represented: represented.length === 0 ? null : inOrder(represented),
    means: meansForPage(identity.authMethod, assurance, settings),
    verifiedAt: identity.verifiedAt.toISOString(),
    verifiedMsAgo: Math.max(0, now - verifiedAt),
  };
}

/** Names of the attributes whose value must not go to the page: those the call kept back, and those it should have. */
export function maskedNames(identity: RevealedIdentity, keptBack: readonly string[] | undefined, settings: Pick<ScreenSettings, 'masked'>): ReadonlySet<string> {
  return new Set([...(keptBack ?? []), ...Object.keys(identity.attributes).filter((name) => isMasked(name, settings.masked))]);
}

/** A value as a page may draw it. */
export function valueForPage(value: string): { value: string; shortened: boolean } {
  const { text, shortened } = visible(value, maxValueLength);
  return { value: text, shortened };
}

interface Ranked {
  readonly rank: number;
  readonly field: FieldOnPage;
}

/** @param meant the part of the name that says what it is: `bsn` of `represented_bsn` */
function ranked(name: string, meant: string, value: string | undefined, labels: Revelation['labels'], settings: ScreenSettings): Ranked {
  const plain = meant.toLowerCase();
  const builtIn = labelByName.get(plain) ?? labelByName.get(plain.slice(plain.lastIndexOf('.') + 1));
  const own = ownOf(labels, name) ?? ownOf(settings.labels, name);
  const label = own ?? builtIn?.label ?? bothLanguages(readable(meant));
  const rank = builtIn?.rank ?? known.length;
  return { rank, field: value === undefined ? { name, label, shortened: false } : { name, label, ...valueForPage(value) } };
}

function ownOf(labels: Readonly<Record<string, Label>> | undefined, name: string): Label | undefined {
  return labels && Object.hasOwn(labels, name) ? labels[name] : undefined;
}

function inOrder(entries: Ranked[]): FieldOnPage[] {
  // Array.prototype.sort is stable: attributes we do not know keep the order of the token.
  const fields = entries.sort((a, b) => a.rank - b.rank).map((entry) => entry.field);
  if (fields.length > maxFields) {
    const more = fields.length - maxFields;
    fields.length = maxFields;
    fields.push({ name: '', label: { nl: 'Niet getoond', en: 'Not shown' }, value: `+${more}`, shortened: true });
  }
  return fields;
}

function isListed(name: string, listed: readonly string[]): boolean {
  const plain = name.toLowerCase();
  const last = plain.slice(plain.lastIndexOf('.') + 1);
  return listed.some((one) => one.toLowerCase() === plain || one.toLowerCase() === last);
}

/** `represented_bsn` -> `bsn`, `on_behalf_of` -> `name`; undefined for an attribute of the caller. */
function representedPart(name: string, listed: readonly string[]): string | undefined {
  const parts = name.split('.');
  // A name may have a place before it: `pbdf.kvk.represented.bsn`.
  for (const whole of parts.map((_part, i) => parts.slice(i).join('.'))) {
    for (const one of listed) {
      if (!whole.toLowerCase().startsWith(one.toLowerCase())) continue;
      const rest = whole.slice(one.length);
      if (rest === '') return 'name';
      if (/^[._-]./u.test(rest)) return rest.slice(1);
    }
  }
  return undefined;
}
