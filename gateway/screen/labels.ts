import type { RevealedIdentity } from '../../core-bridge/vault/vault.js';
import type { Label, Revelation } from './contract.js';
import type { FieldOnPage, IdentityOnPage } from './messages.js';

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

const methods: Readonly<Record<string, string>> = {
  digid: 'DigiD', irma: 'Yivi (IRMA)', yivi: 'Yivi', eherkenning: 'eHerkenning', eidas: 'eIDAS', idin: 'iDIN',
};

/** Turns what the vault revealed into what the page draws: labelled, in reading order, bounded, and free of characters that draw nothing or turn the text around. */
export function identityForPage(identity: RevealedIdentity, revelation: Pick<Revelation, 'labels' | 'purposeLabel' | 'masked'>, now: number): IdentityOnPage {
  const masked = new Set(revelation.masked);
  const entries = [...Object.entries(identity.attributes).filter(([name]) => !masked.has(name)), ...[...masked].map((name) => [name, undefined] as const)].map(([name, value]) => {
    const plain = name.toLowerCase();
    const builtIn = labelByName.get(plain) ?? labelByName.get(plain.slice(plain.lastIndexOf('.') + 1));
    const own = revelation.labels && Object.hasOwn(revelation.labels, name) ? revelation.labels[name] : undefined;
    return { rank: builtIn?.rank ?? known.length, field: fieldOf(name, own ?? builtIn?.label ?? bothLanguages(readable(name)), value) };
  });
  // Array.prototype.sort is stable: attributes we do not know keep the order of the token.
  const fields = entries.sort((a, b) => a.rank - b.rank).map((entry) => entry.field);
  if (fields.length > maxFields) {
    const more = fields.length - maxFields;
    fields.length = maxFields;
    fields.push({ name: '', label: { nl: 'Niet getoond', en: 'Not shown' }, value: `+${more}`, shortened: true });
  }
  const verifiedAt = identity.verifiedAt.getTime();
  return {
    purpose: revelation.purposeLabel ?? bothLanguages(readable(identity.purpose)),
    fields,
    method: identity.authMethod === undefined ? null : bothLanguages(methods[identity.authMethod.toLowerCase()] ?? visible(identity.authMethod, 100).text),
    verifiedAt: identity.verifiedAt.toISOString(),
    verifiedMsAgo: Math.max(0, now - verifiedAt),
  };
}

/** A value as a page may draw it. */
export function valueForPage(value: string): { value: string; shortened: boolean } {
  const { text, shortened } = visible(value, maxValueLength);
  return { value: text, shortened };
}

function fieldOf(name: string, label: Label, value: string | undefined): FieldOnPage {
  return value === undefined ? { name, label, shortened: false } : { name, label, ...valueForPage(value) };
}

function bothLanguages(text: string): Label {
  return { nl: text, en: text };
}

/** `family_name` -> `Family name`: better than nothing for an attribute or a purpose that nobody labelled. */
function readable(name: string): string {
  const words = visible(name, 100).text.replaceAll(/[_.-]+/gu, ' ').trim();
  return words === '' ? name.slice(0, 100) : words.charAt(0).toUpperCase() + words.slice(1);
}

// Control characters draw nothing, and bidirectional controls (Unicode UAX #9) can make a name read as another.
const unseen = /[\p{Cc}\u061C\u200B-\u200F\u202A-\u202E\u2028\u2029\u2060-\u2069\uFEFF]/gu;

function visible(text: string, maxLength: number): { text: string; shortened: boolean } {
  const shortened = text.length > maxLength;
  // Through UTF-8 and back: half a surrogate pair becomes the replacement character.
  const wellFormed = Buffer.from(text.slice(0, maxLength), 'utf8').toString('utf8');
  return { text: wellFormed.replaceAll(unseen, '\uFFFD'), shortened };
}
