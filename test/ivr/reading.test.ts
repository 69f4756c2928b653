import { existsSync } from 'node:fs';
import { inspect } from 'node:util';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pauseFile, promptsFolder, SpokenNumber } from '../../ivr/index.js';
import { digitsRead, numberRead, spelled } from '../../ivr/reading.js';

/** Recordings as a listener would write them down: digits and letters, a space for a pause. */
const written = (files: readonly string[]) => files.map((file) => (file === pauseFile ? ' ' : (/(?:number|sign)-(.+)\.wav$/u.exec(file)?.[1] ?? file))).join('');

describe('reading digits', () => {
  it.each([['1', '1'], ['12', '12'], ['1234', '1234'], ['12345', '123 45'], ['123456', '123 456'], ['1234567', '123 4567'], ['1234567890', '123 456 7890']])('groups %s as %s', (digits, groups) => {
    expect(written(digitsRead('nl', digits))).toBe(groups);
  });

  it.each([
    ['0201234567', undefined, '020 123 4567'], ['+31201234567', '31', '020 123 4567'], ['+31612345678', '31', '06 12 34 56 78'], ['0612345678', undefined, '06 12 34 56 78'],
    ['+4930123456', '31', 'plus493 012 3456'], ['+31201234567', undefined, 'plus312 012 345 67'],
  ])('says the number %s in country %s as %s', (number, countryCode, said) => {
    expect(written(numberRead('nl', number, countryCode))).toBe(said);
  });

  it('refuses what is no digit, without repeating it', () => {
    expect(() => digitsRead('nl', '12x4711')).toThrow(/^only digits can be read as digits$/u);
  });
});

describe('spelling', () => {
  it.each([
    ['Jansen', 'jansen'], ["van 't Hof", 'van apostrophet hof'], ['  De   Vries-Bakker ', 'de vrieshyphenbakker'], ['Müller', 'muller'], ['Çelik', 'celik'], ['Łódź', 'lodz'], ['Weiß', 'weiss'], ['Ĳsbrand', 'ijsbrand'],
    ['O’Brien', 'oapostrophebrien'], ['李', 'other'], ['1234 AB', '1234 ab'], ['12 bis', '12 bis'],
  ])('says %s as %s', (text, said) => {
    expect(written(spelled('nl', text))).toBe(said);
  });

  it.each([['1948-03-07', '07 03 1948'], ['1948-03-07T00:00:00Z', '07 03 1948'], ['7-3-1948', '7 3 1948'], ['07/03/1948', '07 03 1948'], ['07.03.1948', '07 03 1948'], ['19480307', '19480307'], ['1948', '1948']])('says the date %s day by day: %s', (text, said) => {
    expect(written(spelled('en', text))).toBe(said);
  });

  it('says when there is more than it spells', () => {
    expect(written(spelled('nl', 'a'.repeat(40)))).toBe('a'.repeat(40));
    expect(written(spelled('nl', 'a'.repeat(41)))).toBe(`${'a'.repeat(40)}nl/spell-more.wav`);
  });

  it('whatever the value: it can be said, by recordings that exist', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 80 }), fc.string({ unit: 'grapheme', maxLength: 80 })), (text) => {
        const files = spelled('nl', text);
        expect(files.length).toBeLessThanOrEqual(41);
        expect(files.filter((file) => !existsSync(path.join(promptsFolder, file)))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a telephone number', () => {
  it('prints as nothing, however it is printed', () => {
    const number = new SpokenNumber('+31647114711');
    expect(number.reveal()).toBe('+31647114711');
    for (const text of [JSON.stringify({ number }), inspect(number, { depth: 9, showHidden: true }), String(number), JSON.stringify({ ...number })]) expect(text).not.toContain('4711');
  });

  it.each(['', '+', '06-4711', '0031647114711471147', 'sip:4711@x', '06 4711', '06\n'])('is not made of %j', (number) => {
    expect(() => new SpokenNumber(number)).toThrow(/^a telephone number is one to seventeen digits, perhaps after a plus$/u);
  });
});
