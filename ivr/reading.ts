import type { Language } from './languages.js';
import { numberPrompt, pauseFile, promptFile, signPrompt } from './prompts/names.js';

/**
 * Digits as recordings, one by one, with a pause between groups: threes, the last group of two to four (3-3-4 for ten).
 *
 * @throws RangeError for what is not a digit; it is not in the message
 */
export function digitsRead(language: Language, digits: string): string[] {
  return groupsRead(language, groupsOf(digits));
}

/**
 * A telephone number as people of the country say it: with a 0 for its own country code, mobile numbers in pairs, all
 * others like other digits.
 *
 * @param countryCode of the place where the gateway stands, digits only, e.g. `31`
 * @throws RangeError for what cannot be said; it is not in the message
 */
export function numberRead(language: Language, number: string, countryCode?: string): string[] {
  const abroad = `+${countryCode}`;
  const said = countryCode !== undefined && number.startsWith(abroad) ? `0${number.slice(abroad.length)}` : number;
  const isMobile = /^06[0-9]{8}$/u.test(said);
  const plus = said.startsWith('+');
  const digits = plus ? said.slice(1) : said;
  return [...(plus ? [promptFile(language, 'sign-plus')] : []), ...groupsRead(language, isMobile ? (digits.match(/../gu) ?? []) : groupsOf(digits))];
}

function groupsOf(digits: string): string[] {
  const groups: string[] = [];
  for (let start = 0; start < digits.length; ) {
    const left = digits.length - start;
    const size = left === 4 ? 4 : 3;
    groups.push(digits.slice(start, start + size));
    start += size;
  }
  return groups;
}

function groupsRead(language: Language, groups: readonly string[]): string[] {
  return groups.flatMap((group, i) => [...(i > 0 ? [pauseFile] : []), ...[...group].map((digit) => digitFile(language, digit))]);
}

function digitFile(language: Language, digit: string): string {
  const name = /^[0-9]$/u.test(digit) ? numberPrompt(Number(digit)) : undefined;
  if (name === undefined) throw new RangeError('only digits can be read as digits');
  return promptFile(language, name);
}

/** Longer values are cut off and the listener is told so. */
const longestSpelling = 40;
const accents = /\p{Mn}/gu;
/** Letters that do not come apart into a letter and an accent. */
const foreign: Readonly<Record<string, string>> = { ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', đ: 'd', ð: 'd', ł: 'l', þ: 'th', ı: 'i', ĳ: 'ij', '’': "'", '‘': "'", '`': "'", '–': '-', '—': '-' };

/**
 * A value as recordings, letter by letter and digit by digit. Accents are left out, a space is a pause, and dates are
 * read day, month, year. What has no recording is called "another sign", because a gap would pass for the whole.
 */
export function spelled(language: Language, value: string): string[] {
  const text = value.normalize('NFC').trim().replace(/\s+/gu, ' ');
  const iso = /^(\d{4})-(\d{2})-(\d{2})(?:T.*)?$/u.exec(text);
  if (iso) return groupsRead(language, [iso[3]!, iso[2]!, iso[1]!]);
  const date = /^(\d{1,2})[-./ ](\d{1,2})[-./ ](\d{4})$/u.exec(text);
  if (date) return groupsRead(language, date.slice(1));

  const characters = [...text.toLowerCase()].flatMap((character) => [...(foreign[character] ?? character.normalize('NFD').replace(accents, ''))]);
  const files = characters.slice(0, longestSpelling).map((character) => (character === ' ' ? pauseFile : promptFile(language, signPrompt(character) ?? 'sign-other')));
  return characters.length > longestSpelling ? [...files, promptFile(language, 'spell-more')] : files;
}
