import type { Label } from './contract.js';

// Control characters draw nothing, and bidirectional controls (Unicode UAX #9) can make a name read as another.
const unseen = /[\p{Cc}\u061C\u200B-\u200F\u202A-\u202E\u2028\u2029\u2060-\u2069\uFEFF]/gu;

/** A text from outside, bounded and free of characters that draw nothing or turn the text around. */
export function visible(text: string, maxLength: number): { text: string; shortened: boolean } {
  const shortened = text.length > maxLength;
  // Through UTF-8 and back: half a surrogate pair becomes the replacement character.
  const wellFormed = Buffer.from(text.slice(0, maxLength), 'utf8').toString('utf8');
  return { text: wellFormed.replaceAll(unseen, '\uFFFD'), shortened };
}

/** `family_name` -> `Family name`: better than nothing for an attribute or a purpose that nobody labelled. */
export function readable(name: string): string {
  const words = visible(name, 100).text.replaceAll(/[_.-]+/gu, ' ').trim();
  return words === '' ? name.slice(0, 100) : words.charAt(0).toUpperCase() + words.slice(1);
}

export function bothLanguages(text: string): Label {
  return { nl: text, en: text };
}
